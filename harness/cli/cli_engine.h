/* What the verbs that use the engine directly share: which file a MODEL is,
 * opening it, texts from the command line or stdin. */
#ifndef MK_CLI_ENGINE_H
#define MK_CLI_ENGINE_H

#include <argp.h>

#include "engine/engine.h"
#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "runners/runner.h"

/* Options of every such verb; its argp has cli_engine_argp as a child whose
 * input is a struct cli_engine (set by its parser at ARGP_KEY_INIT). */
struct cli_engine {
    const char *models_file;
    struct mk_model_params params;
};
extern const struct argp cli_engine_argp;
/* Of an option --activations. */
error_t cli_arg_activations(struct argp_state *st, const char *arg,
                            enum mk_activations *out);

/* ERR_OK, or the error the engine's status stands for, with its message. */
enum err_code cli_engine_error(int status, const char *msg, struct err *e);
/* The GGUF file that spec names: a path, gguf:PATH, an id of the models file. */
enum err_code cli_engine_find(const char *spec, const char *models_file,
                              struct arena *a, struct model_spec *out,
                              struct err *e) MUST_CHECK;
enum err_code cli_engine_open(struct mk_model **out, const char *path,
                              const struct mk_model_params *params,
                              struct err *e) MUST_CHECK;
/* Appends text, or all of stdin when it is "-".  Must be UTF-8. */
enum err_code cli_text(const char *text, struct buf *out,
                       struct err *e) MUST_CHECK;
/* Token ids of a text; out->v is the caller's, freed by mem_free(). */
struct cli_ids {
    int32_t *v;
    size_t n;
};
enum err_code cli_tokenize(const struct mk_model *m, struct str text,
                           unsigned flags, struct cli_ids *out,
                           struct err *e) MUST_CHECK;
/* log(sum(exp(x))): what a logit is set against to be a log-probability. */
double cli_log_sum_exp(const float *x, size_t n);
/* Bytes of a model as checked text: what is no UTF-8 becomes U+FFFD. */
void cli_put_valid(struct buf *out, struct str bytes);

#endif
