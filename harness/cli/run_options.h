/* The options of `mokao run`. */
#ifndef MK_RUN_OPTIONS_H
#define MK_RUN_OPTIONS_H

#include "harness/cli/cmd.h"
#include "harness/plan.h"
#include "runners/runner.h"

struct run_options {
    struct cli_list models, suites;
    const char *db, *models_file, *record;
    struct plan_params plan;
    struct runner_params runner;
    double temperature, top_p;
    int64_t limit, shots, trials, seed, top_k, max_tokens;
    int64_t threads, context, concurrency, timeout_s;
    double budget; /* CNY, NaN: none */
    struct cli_list rates;
    bool dry_run, json;
};

/* Reads the command line into o; what cli_parse() returns.  The lists are
 * freed by run_options_free() in every case. */
int run_options_parse(struct run_options *o, int argc, char **argv);
void run_options_free(struct run_options *o);

#endif
