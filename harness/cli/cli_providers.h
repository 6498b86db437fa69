/* The services that models can be asked of, as `mokao model list` shows them. */
#ifndef MK_CLI_PROVIDERS_H
#define MK_CLI_PROVIDERS_H

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "report/report.h"

/* Prints the table of providers: names, keys (whether set, never what), what
 * they score by. */
enum err_code cli_list_providers(const struct report_format *format,
                                 struct arena *a, struct err *e) MUST_CHECK;

#endif
