/* Qwen1.5-MoE and Qwen2-57B-A14B: the attention of Qwen 2; softmax over all
 * experts, the weights of the chosen ones as they are, and a feed forward for
 * all tokens with a factor of its own. */
#include "engine/moe.h"

#define MAX_WIDTH 131072

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_MUST, BIAS_NONE);
    load_moe_layer(l, w, true);
    w->rope = &l->net->rope[0];
}

static void load(struct loader *l)
{
    struct moe moe = { .gating = MOE_SOFTMAX, .scale = 1 };
    float base = 10000;

    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_int_must(l, "expert_shared_feed_forward_length", 1, MAX_WIDTH,
                  &moe.shared_width);
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

const struct arch arch_qwen2moe = {
    .name = "qwen2moe",
    .doc = "Qwen1.5-MoE, Qwen2-57B-A14B",
    .load = load,
    .forward = forward,
};
