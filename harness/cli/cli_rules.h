/* report audit --rules: tables of the audit of the matchers' rules. */
#ifndef MK_CLI_RULES_H
#define MK_CLI_RULES_H

#include <stdint.h>

#include "report/report.h"

struct cli_rules {
    bool on;        /* --rules */
    int64_t sample; /* how many to draw; 0: none */
    int64_t seed;
    const char *checked; /* CSV with a person's marks, NULL: none */
};
enum err_code cli_rules_report(const struct cli_rules *o,
                               const struct report_params *p,
                               const struct report_format *format,
                               struct err *e) MUST_CHECK;

#endif
