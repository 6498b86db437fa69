/* The rows of a call that asks models: what run and judge write alike. */
#ifndef MK_CLI_ROWS_H
#define MK_CLI_ROWS_H

#include "harness/store/store.h"
#include "runners/runner.h"

enum err_code cli_put_run(struct store *s, int argc, char **argv, int64_t *id,
                          struct err *e) MUST_CHECK;
/* The model that r answers as; the arena is for its fingerprint. */
enum err_code cli_put_model(struct store *s, struct runner *r,
                            const struct model_spec *m, struct arena *a,
                            int64_t *id, struct err *e) MUST_CHECK;

#endif
