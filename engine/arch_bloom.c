/* BLOOM and BLOOMZ: layer norms with biases everywhere, one behind the
 * embedding too, ALiBi, GELU, output tied. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_LAYER);
    load_attention_fused(l, w, BIAS_MUST, BIAS_MUST);
    load_mlp(l, w, BIAS_MUST);
}

static void load(struct loader *l)
{
    struct net *n = l->net;
    float alibi = 8;

    load_hparams(l, "attention.layer_norm_epsilon");
    load_float(l, "attention.max_alibi_bias", &alibi);
    load_slopes(l, alibi);
    load_ends(l, BE_NORM_LAYER);
    load_norm(l, &n->embd_norm, "token_embd_norm", BE_NORM_LAYER, n->h.n_embd);
    load_layers(l, load_layer);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    pass_norm_x(n, p, &n->embd_norm);
    pass_prenorm(n, p, BE_ACT_GELU, 1.0f);
}

const struct arch arch_bloom = {
    .name = "bloom",
    .doc = "BLOOM, BLOOMZ",
    .load = load,
    .forward = forward,
};
