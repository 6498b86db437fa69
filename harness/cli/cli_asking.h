/* What the verbs that ask models share: the options of asking, and the record
 * of every exchange. */
#ifndef MK_CLI_ASKING_H
#define MK_CLI_ASKING_H

#include "harness/cli/cmd.h"
#include "harness/prompt.h"
#include "runners/runner.h"

/* Options of every such verb; its argp has cli_asking_argp as a child whose
 * input is a struct cli_asking (set by its parser at ARGP_KEY_INIT). */
struct cli_asking {
    const char *db, *models_file;
    const char *record; /* where exchanges are appended; NULL: nowhere */
    struct runner_params runner;
    int64_t budget; /* billionths of CNY; COST_UNKNOWN: none */
    struct cli_list rates;
    bool json;
};
extern const struct argp cli_asking_argp;

/* Of an option --ask: how choice questions are asked. */
error_t cli_arg_ask(struct argp_state *st, const char *arg, enum ask *out);

/* What holds where an option is not given. */
void cli_asking_init(struct cli_asking *o);
void cli_asking_free(struct cli_asking *o);

/* The file of --record, to be replayed by replay:FILE. */
struct cli_record {
    const char *path; /* NULL: nothing is recorded */
    int fd;
    struct buf line;
};
enum err_code cli_record_open(struct cli_record *r, const char *path,
                              struct err *e) MUST_CHECK;
/* One write a line, so that a killed call leaves whole lines. */
enum err_code cli_record_add(struct cli_record *r, const struct request *q,
                             const struct response *a,
                             struct err *e) MUST_CHECK;
/* Also of a zeroed one. */
void cli_record_close(struct cli_record *r);

#endif
