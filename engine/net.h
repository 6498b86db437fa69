/* A loaded network: hyper-parameters, weights on a backend, rope tables; and
 * the loader that model families fill it with.
 *
 * The loader has a sticky failure: after the first one its functions do
 * nothing, so a family's load is a plain list of what the file must hold, and
 * is checked once.  A tensor that no family asked for is refused: computing
 * without it would give wrong numbers silently. */
#ifndef MK_NET_H
#define MK_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/arch.h"
#include "engine/backend.h"
#include "engine/gguf.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"

/* What nearly all families have; read by load_hparams(). */
struct hparams {
    int n_layer, n_embd, n_ff, n_head, n_kv_head;
    int k_dim, v_dim; /* of a head */
    int n_rot;        /* rotated dims of a head */
    int n_vocab;      /* rows of the embedding */
    int n_ctx_train;
    int n_pos; /* of a sequence: what the model was trained for, or its rope
                * was stretched to; the rows of a table of positions */
    float eps; /* of the norms */
    float attn_scale;
};

struct norm {
    enum be_norm_kind kind;
    float *weight, *bias;
};

struct linear {
    struct be_mat *mat;
    float *bias; /* or NULL */
};

/* What a family does not have stays zero. */
struct layer {
    struct norm attn_norm, q_norm, k_norm, attn_post_norm;
    struct norm ffn_norm, ffn_post_norm;
    struct linear q, k, v, o;
    struct linear gate, up, down;
    const struct be_rope *rope;
    int32_t window;              /* > 0: positions that attention sees */
    const struct moe_layer *moe; /* in place of gate, up, down */
    void *own;                   /* what only this family has */
};

#define NET_ROPES 2

struct moe;
struct moe_layer;

/* What a token depends on beside the tokens before it. */
enum net_prompts {
    PROMPT_FREE,  /* nothing */
    PROMPT_SIZED, /* the number of tokens in the prompt */
    PROMPT_WHOLE  /* all tokens of the prompt, which is computed at once */
};

struct net {
    const struct arch *arch;
    const struct gguf *gguf;
    const struct backend *ops;
    struct be *be;
    struct hparams h;
    struct layer *layers; /* [h.n_layer] */
    struct be_mat *embd;
    struct be_mat *pos_embd; /* learned positions, or NULL */
    struct norm embd_norm, out_norm;
    struct linear output; /* embd's matrix when tied */
    struct be_rope rope[NET_ROPES];
    enum net_prompts prompts;
    float *slopes; /* [h.n_head] ALiBi, host memory, or NULL */
    /* Host memory, [h.n_vocab] or NULL: logit = (product + bias) * scale. */
    float *logit_bias, *logit_scale;
    /* What a row of the forward pass needs beside the usual: floats on the
     * device, bytes on the host. */
    size_t spare, spare_host;
    const struct moe *moe; /* experts, or NULL */
    int ff_most;           /* the widest feed forward beside h.n_ff */
    void *own;             /* what only this family has */
    struct arena arena;    /* layers, host tables, what is listed below */
    struct held *held;     /* matrices and device memory, for closing */
    uint64_t weight_bytes; /* beside the mapped file */
    uint64_t decode_bytes, matmul_params; /* as in struct mk_model_info */
};

/* Finds the family, loads all weights.  *out is the caller's, freed by
 * net_close(); the gguf and be must outlive it. */
enum err_code net_open(struct net **out, const struct gguf *g,
                       const struct backend *ops, struct be *be,
                       struct err *e) MUST_CHECK;
void net_close(struct net *n);
struct be_kv_params net_kv_params(const struct net *n, size_t n_blocks);

/* --- for families --------------------------------------------------------- */

struct loader {
    struct net *net;
    int layer;  /* tensor names get "blk.N." in front; -1: none */
    bool *used; /* [tensors of the file] */
    struct err *e;
    enum err_code rc;
};

/* Keys without the architecture's name in front ("rope.freq_base").  *out
 * keeps its value when the key is missing; an array with one value a layer is
 * fine for ints as long as all are equal. */
void load_int(struct loader *l, const char *key, int min, int max, int *out);
void load_int_must(struct loader *l, const char *key, int min, int max,
                   int *out);
/* Finite and above 0; or 0 too. */
void load_float(struct loader *l, const char *key, float *out);
void load_float_or_zero(struct loader *l, const char *key, float *out);
void load_bool(struct loader *l, const char *key, bool *out);
void load_str(struct loader *l, const char *key, struct str *out);
/* Fails the load: the file is no such model as we can run. */
void load_refuse(struct loader *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Reads n->h and allocates n->layers; eps is taken from the key of that name. */
void load_hparams(struct loader *l, const char *eps_key);

enum load_bias { BIAS_NONE, BIAS_MAY, BIAS_MUST };
/* NAME.weight [rows][cols], NAME.bias [rows]. */
void load_linear(struct loader *l, struct linear *out, const char *name,
                 int rows, int cols, enum load_bias bias);
/* A tensor that holds several matrices one after the other, and so its bias. */
struct load_part {
    struct linear *out;
    int rows;
};
void load_parts(struct loader *l, const char *name,
                const struct load_part *parts, size_t n, int cols,
                enum load_bias bias);
/* For what is neither: a tensor of exactly that shape, NULL when the load has
 * failed; rows of it as a matrix; and floats in host memory as one, which must
 * live as long as the network. */
const struct gguf_tensor *load_tensor(struct loader *l, const char *name,
                                      int rows, int cols);
struct be_mat *load_rows(struct loader *l, const struct gguf_tensor *t,
                         int first_row, int rows);
struct be_mat *load_floats(struct loader *l, const float *x, int rows,
                           int cols);
/* The matrices of a tensor of three dimensions; a token takes n_used of them. */
struct linear *load_planes(struct loader *l, const char *name, int n,
                           int n_used, int rows, int cols);
/* NAME.weight [n], and NAME.bias [n] for layer norms. */
void load_norm(struct loader *l, struct norm *out, const char *name,
               enum be_norm_kind kind, int n);
/* Tensor NAME SUFFIX [n] as float32 in host memory that lives as long as the
 * network. */
float *load_vector(struct loader *l, const char *name, const char *suffix,
                   int n);
bool load_has(const struct loader *l, const char *name); /* "output.weight" */
/* token_embd, output_norm, output: tied when the file has none. */
void load_ends(struct loader *l, enum be_norm_kind kind);
/* position_embd: a row for each position there is. */
void load_positions(struct loader *l);
/* Makes room for that many floats of a row in the spare buffer. */
void load_spare(struct loader *l, size_t floats);
/* Memory that lives as long as the network, zeroed; NULL when the load has
 * failed. */
void *load_alloc(struct loader *l, size_t n, size_t size);

/* Calls one() for each layer, with l->layer set. */
void load_layers(struct loader *l,
                 void (*one)(struct loader *l, struct layer *w));
/* attn_q, attn_k, attn_v, attn_output; or the first three in one tensor. */
void load_attention(struct loader *l, struct layer *w, enum load_bias qkv,
                    enum load_bias o);
void load_attention_fused(struct loader *l, struct layer *w, enum load_bias qkv,
                          enum load_bias o);
/* ffn_gate, ffn_up, ffn_down; the first two in one tensor; or no gate. */
void load_ffn(struct loader *l, struct layer *w);
void load_ffn_fused(struct loader *l, struct layer *w);
void load_mlp(struct loader *l, struct layer *w, enum load_bias bias);
/* attn_norm and ffn_norm. */
void load_norms(struct loader *l, struct layer *w, enum be_norm_kind kind);
/* attn_q_norm and attn_k_norm: RMS over each head. */
void load_head_norms(struct loader *l, struct layer *w);
/* ALiBi: net->slopes for that largest bias (8 in all published models). */
void load_slopes(struct loader *l, float max_bias);

/* Fills net->rope[i] from the keys rope.scaling.* for that base, and from
 * rope_freqs.weight if `freqs`. */
void load_rope(struct loader *l, int i, float base, bool interleaved,
               bool freqs);
/* The same without any scaling. */
void load_rope_plain(struct loader *l, int i, float base, bool interleaved);

#endif
