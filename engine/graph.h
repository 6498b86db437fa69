/* The pieces that forward passes are put together from.
 *
 * A pass takes the rows (tokens) of one batch through the network.  The pieces
 * work on its buffers: x is the residual stream, h what a sub-layer reads and
 * leaves.  In the last layer only the rows whose logits are wanted go on after
 * attention; with none of them the pass ends there. */
#ifndef MK_GRAPH_H
#define MK_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "engine/backend.h"
#include "engine/kv.h"
#include "engine/net.h"
#include "harness/base/err.h"

struct pass {
    struct be *be;
    struct be_kv *kv;
    /* the batch */
    const int32_t *ids;
    size_t n_rows; /* all tokens, then the wanted ones only */
    const struct be_span *spans;
    const struct kv_prompt *prompts; /* [n_spans] */
    size_t n_spans;
    const int32_t *wanted; /* rows, ascending */
    size_t n_wanted;
    /* device memory for `room` rows */
    size_t room;
    float *x, *h, *q, *k, *v, *o, *gate, *up, *spare;
    void *host; /* n->spare_host bytes a row of host memory */
};

/* Allocates the buffers for batches of n rows; pass_free() takes them back, of
 * a half-made pass too. */
enum err_code pass_init(struct pass *p, const struct net *n, struct be *be,
                        size_t n_rows, struct err *e) MUST_CHECK;
void pass_free(struct pass *p, const struct net *n);
uint64_t pass_bytes(const struct net *n, size_t n_rows);

/* x = embeddings times scale */
void pass_embed(const struct net *n, struct pass *p, float scale);
/* x += learned positions */
void pass_add_positions(const struct net *n, struct pass *p);
/* x = norm(x) */
void pass_norm_x(const struct net *n, struct pass *p, const struct norm *w);
/* h = norm(x) */
void pass_norm(const struct net *n, struct pass *p, const struct norm *w);
/* h = norm(h) */
void pass_post_norm(const struct net *n, struct pass *p, const struct norm *w);
/* h = output projection of the attention of layer i over h */
void pass_attention(const struct net *n, struct pass *p, int i);
/* The heart of it: stores k and v, o = attention of q.  false: the pass ends
 * here, for nothing is wanted of it. */
bool pass_attend(const struct net *n, struct pass *p, int i);
/* h = down(act(gate(h)) * up(h)), or down(act(up(h))) without a gate */
void pass_ffn(const struct net *n, struct pass *p, const struct layer *w,
              enum be_act act);
/* x *= factor */
void pass_scale(const struct net *n, struct pass *p, float factor);
/* x += scale * h */
void pass_add(const struct net *n, struct pass *p, float scale);

/* Puts h aside (the spare buffer has room for a row of x); x += what was. */
void pass_save(struct pass *p);
void pass_add_saved(const struct net *n, struct pass *p);

/* The feed forward of a pre-norm decoder: x += scale * ffn(norm(x)). */
void pass_ffn_layer(const struct net *n, struct pass *p, const struct layer *w,
                    enum be_act act, float residual_scale);
/* All layers of one, then h = out_norm(x). */
void pass_prenorm(const struct net *n, struct pass *p, enum be_act act,
                  float residual_scale);
/* The same with a norm behind each part too. */
void pass_sandwich(const struct net *n, struct pass *p, enum be_act act);

#endif
