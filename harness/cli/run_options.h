/* The options of `mokao run`. */
#ifndef MK_RUN_OPTIONS_H
#define MK_RUN_OPTIONS_H

#include "harness/cli/cli_asking.h"
#include "harness/plan.h"

struct run_options {
    struct cli_asking asking;
    struct cli_list models, suites;
    struct plan_params plan;
    double temperature, top_p;
    int64_t limit, shots, trials, seed, top_k, max_tokens;
    bool dry_run;
};

/* Reads the command line into o; what cli_parse() returns.  The lists are
 * freed by run_options_free() in every case. */
int run_options_parse(struct run_options *o, int argc, char **argv);
void run_options_free(struct run_options *o);

#endif
