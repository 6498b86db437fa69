/* Tables on stdout, in the formats of report/, for every verb that prints
 * them. */
#ifndef MK_CLI_TABLE_H
#define MK_CLI_TABLE_H

#include <argp.h>

#include "report/report.h"

/* The format of that name; EINVAL with a message when there is none. */
error_t cli_arg_format(struct argp_state *st, const char *name,
                       const struct report_format **out);
/* NULL if there is none. */
const struct report_format *cli_format(const char *name);
/* Prints in the terminal's width, coloured on a terminal without NO_COLOR.
 * Notes that the format has no place for go to stderr. */
enum err_code cli_print_tables(const struct table *tables, size_t n,
                               const struct report_format *format,
                               struct err *e) MUST_CHECK;

#endif
