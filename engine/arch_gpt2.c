/* GPT-2 and what is built like it: layer norms with biases, learned positions,
 * GELU, output tied.  There are as many positions as the table has rows. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_LAYER);
    load_attention_fused(l, w, BIAS_MUST, BIAS_MUST);
    load_mlp(l, w, BIAS_MUST);
}

static void load(struct loader *l)
{
    load_hparams(l, "attention.layer_norm_epsilon");
    load_ends(l, BE_NORM_LAYER);
    load_positions(l);
    load_layers(l, load_layer);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    pass_add_positions(n, p);
    pass_prenorm(n, p, BE_ACT_GELU, 1.0f);
}

const struct arch arch_gpt2 = {
    .name = "gpt2",
    .doc = "GPT-2 and models built like it",
    .load = load,
    .forward = forward,
};
