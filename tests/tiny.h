/* The tiny models, and short ways to use the engine: each fails the test when
 * the engine refuses. */
#ifndef MK_TINY_H
#define MK_TINY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

#define TINY "tests/golden/tiny/"
#define MAX_VOCAB 1024 /* of tiny models */

/* Fails the test with the message when the status is not MK_OK. */
void tiny_ok(int rc, const char *err);
struct mk_model *tiny_open_path(const char *path, const char *device,
                                enum mk_activations act);
/* tests/golden/tiny/NAME.gguf */
struct mk_model *tiny_open(const char *name, const char *device,
                           enum mk_activations act);
struct mk_ctx *tiny_ctx(struct mk_model *m, size_t n_positions, size_t n_batch,
                        int n_threads);
int32_t tiny_seq(struct mk_ctx *c);
int32_t tiny_fork(struct mk_ctx *c, int32_t src, size_t n);
void tiny_compute(struct mk_ctx *c, int32_t seq, const int32_t *tokens,
                  size_t n, enum mk_want want, float *logits);
size_t tiny_argmax(const float *x, size_t n);
/* Tokens that depend on `which`, from a small generator. */
void tiny_tokens(int32_t *out, size_t n, int n_vocab, uint32_t which);

/* `make check` is to be quick; `make test` takes all cases. */
bool tiny_full_mode(void);

/* Writes a copy of a tiny model in which the bytes at the first place where
 * `find` ends (plus skip) are changed; the path lives until the next call. */
const char *tiny_patched(const char *name, const char *find, size_t skip,
                         const void *bytes, size_t n);
/* The file is refused as MK_EFORMAT with these words. */
void tiny_refused(const char *path, const char *words);

#endif
