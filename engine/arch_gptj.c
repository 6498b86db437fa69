/* CodeGen and MOSS-003, under the name of GPT-J: attention and feed forward
 * side by side behind one norm, the first dims of each head rotated in adjacent
 * pairs, an output with a bias. */
#include "engine/graph.h"

static void load_layer(struct loader *l, struct layer *w)
{
    load_norm(l, &w->attn_norm, "attn_norm", BE_NORM_LAYER, l->net->h.n_embd);
    load_attention(l, w, BIAS_NONE, BIAS_NONE);
    load_mlp(l, w, BIAS_MUST);
    w->rope = &l->net->rope[0];
}

static void load(struct loader *l)
{
    struct net *n = l->net;
    float base = 10000;

    load_hparams(l, "attention.layer_norm_epsilon");
    load_float(l, "rope.freq_base", &base);
    load_rope(l, 0, base, true, false);
    load_ends(l, BE_NORM_LAYER);
    load_spare(l, (size_t)n->h.n_embd);
    n->logit_bias = load_vector(l, "output", ".bias", n->h.n_vocab);
    load_layers(l, load_layer);
}

/* The feed forward reads the norm of what the layer began with: x is that until
 * its result is added, so the norm is computed a second time. */
static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    for (int i = 0; i < n->h.n_layer; i++) {
        const struct layer *w = &n->layers[i];
        pass_norm(n, p, &w->attn_norm);
        pass_attention(n, p, i);
        pass_save(p);
        pass_norm(n, p, &w->attn_norm);
        pass_ffn(n, p, w, BE_ACT_GELU);
        pass_add(n, p, 1.0f);
        pass_add_saved(n, p);
    }
    pass_norm(n, p, &n->out_norm);
}

const struct arch arch_gptj = {
    .name = "gptj",
    .doc = "MOSS-003, CodeGen",
    .load = load,
    .forward = forward,
};
