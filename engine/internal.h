/* What the engine's files share: the model and the context behind the public
 * header.
 *
 * Ownership: a model owns the mapped file, its vocabulary, and the weights,
 * opened on a backend instance of its own; each context opens another instance
 * of the same backend (its threads and scratch), so that several contexts may
 * compute at once.  A model outlives its contexts. */
#ifndef MK_INTERNAL_H
#define MK_INTERNAL_H

#include "engine/backend.h"
#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/net.h"
#include "engine/pool.h"
#include "engine/vocab.h"
#include "harness/base/mem.h"

struct mk_model {
    struct gguf *gguf;
    struct vocab *vocab;
    struct net *net; /* NULL when opened with vocab_only */
    const struct backend *backend;
    struct pool *pool; /* loads the weights */
    struct be *be;     /* holds the weights */
    bool f32;          /* MK_ACT_F32 */
    int n_threads;
    struct mk_model_info info;
    struct arena arena;   /* the strings that are given out */
    const char **keys;    /* of the metadata, [info.n_meta] */
    const char **tensors; /* their names, [info.n_tensors] */
};

/* What a context was opened for, and with.  compute.c */
const struct mk_model *ctx_model(const struct mk_ctx *c);
size_t ctx_batch(const struct mk_ctx *c);      /* tokens computed at once */
struct pool *ctx_pool(const struct mk_ctx *c); /* its threads */
/* Whether a sequence may begin so; *n is how many tokens it must begin with at
 * the least where the model says whole_prompt, 0 elsewhere. */
enum err_code ctx_check_prompt(const struct mk_ctx *c, const int32_t *ids,
                               size_t n_ids, size_t n_prompt, size_t *n,
                               struct err *e) MUST_CHECK;
/* Tokens that a new sequence may have at the most. */
size_t ctx_longest(const struct mk_ctx *c);
/* Blocks of the KV cache that n more tokens of seq take. */
size_t ctx_need(const struct mk_ctx *c, int32_t seq, size_t n);

/* Fills m->info and the names; gguf, vocab and net are open.  info.c */
enum err_code info_init(struct mk_model *m, struct err *e) MUST_CHECK;

#endif
