/* MiniCPM 1B and 2B: the LLaMA decoder with three scales: of the embeddings, of
 * what each part of a layer adds, and of the logits.
 *
 * Files without the keys mean the published values.  MiniCPM3 (latent attention)
 * and the variants with long-context tables are other graphs, and refused. */
#include <math.h>

#include "engine/graph.h"

struct scales {
    float embedding, residual;
};

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_NONE, BIAS_NONE);
    load_ffn(l, w);
    w->rope = &l->net->rope[0];
}

static void load_scales(struct loader *l)
{
    struct net *n = l->net;
    struct scales *s = load_alloc(l, 1, sizeof *s);
    float divisor = (float)n->h.n_embd / 256;

    if (!s)
        return;
    s->embedding = 12;
    s->residual = 1.4f / sqrtf((float)n->h.n_layer);
    load_float(l, "embedding_scale", &s->embedding);
    load_float(l, "residual_scale", &s->residual);
    load_float(l, "logit_scale", &divisor);
    n->own = s;
    n->logit_scale =
        load_alloc(l, (size_t)n->h.n_vocab, sizeof *n->logit_scale);
    for (int i = 0; !l->rc && i < n->h.n_vocab; i++)
        n->logit_scale[i] = 1 / divisor;
}

static void load(struct loader *l)
{
    float base = 10000;

    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_float(l, "rope.freq_base", &base);
    load_rope(l, 0, base, true, false);
    load_ends(l, BE_NORM_RMS);
    load_scales(l);
    load_layers(l, load_layer);
}

static void forward(const struct net *n, struct pass *p)
{
    const struct scales *s = n->own;

    pass_embed(n, p, s->embedding);
    pass_prenorm(n, p, BE_ACT_SILU, s->residual);
}

const struct arch arch_minicpm = {
    .name = "minicpm",
    .doc = "MiniCPM 1B and 2B",
    .load = load,
    .forward = forward,
};
