/* Gemma 3 (text): norms before and after each sub-layer, norms of each head of
 * q and k, GELU, embeddings times the root of their width.
 *
 * Every sixth layer sees the whole context with its own rope base (and linear
 * scaling from 4B on); the others see a window of the last positions.  The +1
 * of Gemma's norm weights is already in the file.  The 27B model alone scales
 * attention by n_embd / n_head instead of the head's width. */
#include <math.h>

#include "engine/graph.h"

#define LAYERS_27B 62
enum { ROPE_GLOBAL, ROPE_LOCAL };

static void load_layer(struct loader *l, struct layer *w)
{
    int n_embd = l->net->h.n_embd;

    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_NONE, BIAS_NONE);
    load_ffn(l, w);
    load_head_norms(l, w);
    load_norm(l, &w->attn_post_norm, "post_attention_norm", BE_NORM_RMS,
              n_embd);
    load_norm(l, &w->ffn_post_norm, "post_ffw_norm", BE_NORM_RMS, n_embd);
}

static void load_scale(struct loader *l)
{
    struct hparams *h = &l->net->h;

    if (!l->rc && h->n_layer == LAYERS_27B)
        h->attn_scale = sqrtf((float)h->n_head / (float)h->n_embd);
    load_float(l, "attention.scale", &h->attn_scale);
}

static void load_ropes(struct loader *l)
{
    float global = 1000000, local = 10000;

    load_float(l, "rope.freq_base", &global);
    load_float(l, "rope.freq_base_swa", &local);
    load_rope(l, ROPE_GLOBAL, global, false, false);
    load_rope_plain(l, ROPE_LOCAL, local, false);
}

/* The pattern key is a number, or a bool for each layer: true has a window. */
static const struct gguf_meta *layer_flags(struct loader *l)
{
    const char *key = "gemma3.attention.sliding_window_pattern";
    const struct gguf_meta *m = gguf_meta(l->net->gguf, key);

    if (l->rc || !m || m->type != GGUF_ARR)
        return NULL;
    l->rc = gguf_array(l->net->gguf, key, GGUF_BOOL, &m, l->e);
    if (!l->rc && m->count < (uint64_t)l->net->h.n_layer)
        load_refuse(l, "key %s has %llu values for %d layers", key,
                    (unsigned long long)m->count, l->net->h.n_layer);
    return l->rc ? NULL : m;
}

static void load_windows(struct loader *l)
{
    const struct gguf_meta *flags = layer_flags(l);
    struct net *n = l->net;
    int window = 0, pattern = 6;

    load_int_must(l, "attention.sliding_window", 1, 1 << 30, &window);
    if (!flags)
        load_int(l, "attention.sliding_window_pattern", 1, 1024, &pattern);
    for (int i = 0; !l->rc && i < n->h.n_layer; i++) {
        bool global = flags ? !flags->p[i] : (i + 1) % pattern == 0;
        n->layers[i].rope = &n->rope[global ? ROPE_GLOBAL : ROPE_LOCAL];
        n->layers[i].window = global ? 0 : window;
    }
}

static void load(struct loader *l)
{
    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_scale(l);
    load_ropes(l);
    load_windows(l);
    load_ends(l, BE_NORM_RMS);
    load_layers(l, load_layer);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, sqrtf((float)n->h.n_embd));
    pass_sandwich(n, p, BE_ACT_GELU);
}

const struct arch arch_gemma3 = {
    .name = "gemma3",
    .doc = "Gemma 3, text only",
    .load = load,
    .forward = forward,
};
