/* Qwen 3 with experts: the attention of Qwen 3; softmax over all experts, the
 * weights of the chosen ones brought to a sum of 1. */
#include "engine/moe.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_NONE, BIAS_NONE);
    load_head_norms(l, w);
    load_moe_layer(l, w, false);
    w->rope = &l->net->rope[0];
}

static void load(struct loader *l)
{
    const struct moe moe = { .gating = MOE_SOFTMAX,
                             .normalise = true,
                             .scale = 1 };
    float base = 10000;

    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_moe(l, &moe);
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

const struct arch arch_qwen3moe = {
    .name = "qwen3moe",
    .doc = "Qwen 3 with experts",
    .load = load,
    .forward = forward,
};
