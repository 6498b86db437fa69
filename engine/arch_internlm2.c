/* InternLM 2 and 2.5: the LLaMA decoder under another name; converters have
 * taken the fused q, k, v apart. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_NONE, BIAS_NONE);
    load_ffn(l, w);
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

const struct arch arch_internlm2 = {
    .name = "internlm2",
    .doc = "InternLM 2 and 2.5",
    .load = load,
    .forward = forward,
};
