/* Qwen 1.5, 2 and 2.5: the LLaMA decoder with biases on q, k and v and rope on
 * half-split pairs; small ones tie the output, long contexts come by YaRN. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_MUST, BIAS_NONE);
    load_ffn(l, w);
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

const struct arch arch_qwen2 = {
    .name = "qwen2",
    .doc = "Qwen 1.5, 2, 2.5 and Qwen2.5-Coder",
    .load = load,
    .forward = forward,
};
