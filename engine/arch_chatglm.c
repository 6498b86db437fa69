/* ChatGLM 2 and 3, GLM-4-9B-chat: q, k, v in one tensor with a bias, gate and up
 * in another, the first half of each head rotated in adjacent pairs.
 *
 * ChatGLM 3 scales q down and the scores up again by the layer's number; it
 * cancels, and is left out. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention_fused(l, w, BIAS_MUST, BIAS_NONE);
    load_ffn_fused(l, w);
    w->rope = &l->net->rope[0];
}

static void load(struct loader *l)
{
    float base = 10000;

    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_float(l, "rope.freq_base", &base);
    load_rope(l, 0, base, true, false);
    load_ends(l, BE_NORM_RMS);
    load_layers(l, load_layer);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    pass_prenorm(n, p, BE_ACT_SILU, 1.0f);
}

const struct arch arch_chatglm = {
    .name = "chatglm",
    .doc = "ChatGLM 2 and 3, GLM-4-9B-chat",
    .load = load,
    .forward = forward,
};
