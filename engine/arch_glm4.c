/* GLM-4-0414 and GLM-Z1: as chatglm with q, k, v apart, and norms behind
 * attention and feed forward too. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    int n_embd = l->net->h.n_embd;

    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_MAY, BIAS_NONE);
    load_ffn_fused(l, w);
    load_norm(l, &w->attn_post_norm, "post_attention_norm", BE_NORM_RMS,
              n_embd);
    load_norm(l, &w->ffn_post_norm, "post_ffw_norm", BE_NORM_RMS, n_embd);
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
    pass_sandwich(n, p, BE_ACT_SILU);
}

const struct arch arch_glm4 = {
    .name = "glm4",
    .doc = "GLM-4-0414, GLM-Z1",
    .load = load,
    .forward = forward,
};
