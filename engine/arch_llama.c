/* LLaMA 1, 2 and 3, and the many that are built alike.
 *
 * Pre-norm decoder, RMSNorm, SwiGLU, rope on interleaved pairs (converters have
 * permuted the rows of q and k for it).  Biases on q, k, v and o are used where
 * the file has them (InternLM 1); the output is tied to the embedding where it
 * has none of its own (SmolLM2); linear scaling (DeepSeek-Coder), YaRN and
 * per-pair divisors (Llama 3.1) come with the rope keys. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_MAY, BIAS_MAY);
    load_ffn(l, w);
    w->rope = &l->net->rope[0];
}

static void load(struct loader *l)
{
    float base = 10000;
    int experts = 0;

    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_int(l, "expert_count", 0, 65536, &experts);
    if (experts > 0)
        load_refuse(l, "a llama model with experts is not supported");
    load_float(l, "rope.freq_base", &base);
    load_rope(l, 0, base, true, true);
    load_ends(l, BE_NORM_RMS);
    load_layers(l, load_layer);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    pass_prenorm(n, p, BE_ACT_SILU, 1.0f);
}

const struct arch arch_llama = {
    .name = "llama",
    .doc = "LLaMA 1-3, Yi, DeepSeek-LLM and -Coder, InternLM 1, SmolLM2",
    .load = load,
    .forward = forward,
};
