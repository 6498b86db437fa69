/* What the actions of mokao suite share. */
#ifndef MK_CLI_SUITE_H
#define MK_CLI_SUITE_H

#include "harness/cli/cli_table.h"
#include "harness/cli/cmd.h"
#include "harness/plan.h"

struct cli_suite {
    const struct report_format *format;
    struct prompt_params prompt;
    int64_t shots;
    struct cli_list words; /* behind the action's name */
    struct arena arena;
};

/* suite show SUITE [ITEM]: the suite, or an item and its prompt. */
enum err_code cli_suite_show(struct cli_suite *o, struct err *e) MUST_CHECK;
/* suite check SUITE...: every fault; ERR_FORMAT when there is one. */
enum err_code cli_suite_check(struct cli_suite *o, struct err *e) MUST_CHECK;

/* A subset and how many items and examples it has. */
struct subset_count {
    const char *name;
    size_t items, dev;
};
/* The named subsets in the order of the file; NULL when there is no memory. */
struct subset_count *cli_suite_subsets(const struct suite *s, struct arena *a,
                                       size_t *n);
/* Whole for programs, its first 12 characters for people. */
const char *cli_suite_digest(struct cli_suite *o, const char *digest);

#endif
