/* One token from a model, to see that it answers. */
#ifndef MK_CLI_TRY_H
#define MK_CLI_TRY_H

#include "harness/cli/cli_engine.h"

/* How a model did when it was asked for one token. */
struct check {
    const char *id;
    enum err_code code;
    const char *ask;     /* "log-likelihood", "generation", "" when unknown */
    const char *message; /* the first token, or the error */
    int64_t ns;
};

/* Asks a GGUF file through the engine, all else through its runner.  What went
 * wrong is in the check too. */
void cli_try(const struct model_spec *m, const struct mk_model_params *params,
             struct arena *a, struct check *c);

#endif
