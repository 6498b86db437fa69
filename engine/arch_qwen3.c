/* Qwen 3: no biases, a norm of each head of q and k before the rotation, and a
 * head's width that is a key of its own. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_NONE, BIAS_NONE);
    load_ffn(l, w);
    load_head_norms(l, w);
    w->rope = &l->net->rope[0];
}

static void load(struct loader *l)
{
    float base = 10000;

    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_float(l, "rope.freq_base", &base);
    load_rope(l, 0, base, false, false);
    load_ends(l, BE_NORM_RMS);
    load_layers(l, load_layer);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    pass_prenorm(n, p, BE_ACT_SILU, 1.0f);
}

const struct arch arch_qwen3 = {
    .name = "qwen3",
    .doc = "Qwen 3, dense",
    .load = load,
    .forward = forward,
};
