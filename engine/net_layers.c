/* Loading the parts that the layers of most families are made of: the names are
 * those that all converters use. */
#include <math.h>

#include "engine/net.h"

void load_norms(struct loader *l, struct layer *w, enum be_norm_kind kind)
{
    load_norm(l, &w->attn_norm, "attn_norm", kind, l->net->h.n_embd);
    load_norm(l, &w->ffn_norm, "ffn_norm", kind, l->net->h.n_embd);
}

void load_head_norms(struct loader *l, struct layer *w)
{
    load_norm(l, &w->q_norm, "attn_q_norm", BE_NORM_RMS, l->net->h.k_dim);
    load_norm(l, &w->k_norm, "attn_k_norm", BE_NORM_RMS, l->net->h.k_dim);
}

/* --- attention ------------------------------------------------------------ */

static void load_o(struct loader *l, struct layer *w, enum load_bias bias)
{
    const struct hparams *h = &l->net->h;

    load_linear(l, &w->o, "attn_output", h->n_embd, h->n_head * h->v_dim, bias);
}

void load_attention(struct loader *l, struct layer *w, enum load_bias qkv,
                    enum load_bias o)
{
    const struct hparams *h = &l->net->h;
    int cols = h->n_embd;

    load_linear(l, &w->q, "attn_q", h->n_head * h->k_dim, cols, qkv);
    load_linear(l, &w->k, "attn_k", h->n_kv_head * h->k_dim, cols, qkv);
    load_linear(l, &w->v, "attn_v", h->n_kv_head * h->v_dim, cols, qkv);
    load_o(l, w, o);
}

void load_attention_fused(struct loader *l, struct layer *w, enum load_bias qkv,
                          enum load_bias o)
{
    const struct hparams *h = &l->net->h;
    const struct load_part parts[] = { { &w->q, h->n_head * h->k_dim },
                                       { &w->k, h->n_kv_head * h->k_dim },
                                       { &w->v, h->n_kv_head * h->v_dim } };

    load_parts(l, "attn_qkv", parts, 3, h->n_embd, qkv);
    load_o(l, w, o);
}

/* Press et al. 2021 (ALiBi): powers of 2^(-max/n) for the largest power of two
 * n of heads, the other heads go between them. */
void load_slopes(struct loader *l, float max_bias)
{
    int n_head = l->net->h.n_head, n = 1;
    float *slopes = load_alloc(l, (size_t)n_head, sizeof *slopes);

    while (2 * n <= n_head)
        n *= 2;
    for (int i = 0; slopes && i < n_head; i++) {
        double power = i < n ? i + 1 : i - n + 0.5;
        slopes[i] = (float)pow(2, -(double)max_bias * power / n);
    }
    l->net->slopes = slopes;
}

/* --- feed forward --------------------------------------------------------- */

void load_ffn(struct loader *l, struct layer *w)
{
    const struct hparams *h = &l->net->h;

    load_linear(l, &w->gate, "ffn_gate", h->n_ff, h->n_embd, BIAS_NONE);
    load_mlp(l, w, BIAS_NONE);
}

void load_ffn_fused(struct loader *l, struct layer *w)
{
    const struct hparams *h = &l->net->h;
    const struct load_part parts[] = { { &w->gate, h->n_ff },
                                       { &w->up, h->n_ff } };

    load_parts(l, "ffn_up", parts, 2, h->n_embd, BIAS_NONE);
    load_linear(l, &w->down, "ffn_down", h->n_embd, h->n_ff, BIAS_NONE);
}

void load_mlp(struct loader *l, struct layer *w, enum load_bias bias)
{
    const struct hparams *h = &l->net->h;

    load_linear(l, &w->up, "ffn_up", h->n_ff, h->n_embd, bias);
    load_linear(l, &w->down, "ffn_down", h->n_embd, h->n_ff, bias);
}
