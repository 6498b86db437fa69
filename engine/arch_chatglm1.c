/* ChatGLM-6B, the first.
 *
 * Its prompt ends in [gMASK] <sop>, and all tokens before <sop> see each other:
 * so the prompt is computed at once, and nothing of it can be shared with
 * another prompt.  Positions have two numbers.  Before <sop> they are (index, 0),
 * from there on (index of the mask, 1, 2, 3 ...); the first half of a head is
 * rotated by one, the second by the other.  What a layer adds is added to its
 * normed input times alpha.
 *
 * The original rounds the angles' factors to half precision, and so do files
 * made for it. */
#include <math.h>

#include "engine/graph.h"

#define LAYERS_6B 28

struct glm {
    float alpha;
    int mask, gmask, sop; /* token ids; -1: none */
    struct be_rope rope;
};

/* --- loading -------------------------------------------------------------- */

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_LAYER);
    load_attention_fused(l, w, BIAS_MUST, BIAS_MUST);
    load_mlp(l, w, BIAS_MUST);
}

static void load_tokens(struct loader *l, struct glm *g)
{
    int64_t sop = -1;

    g->mask = g->gmask = -1;
    load_int(l, "mask_token_id", 0, INT32_MAX, &g->mask);
    load_int(l, "gmask_token_id", 0, INT32_MAX, &g->gmask);
    if (!l->rc)
        l->rc = gguf_int_must(l->net->gguf, "tokenizer.ggml.bos_token_id", 0,
                              INT32_MAX, &sop, l->e);
    if (g->mask < 0 && g->gmask < 0)
        load_refuse(l, "key chatglm1.gmask_token_id is missing");
    g->sop = (int)sop;
}

static void load_angles(struct loader *l, struct glm *g)
{
    struct net *n = l->net;
    bool half = true;
    float base = 10000, *inv;

    load_bool(l, "rope.inv_freq_f16", &half);
    load_float(l, "rope.freq_base", &base);
    if (!l->rc && 2 * n->h.n_rot != n->h.k_dim)
        load_refuse(l, "%d rotated dimensions, expected half of %d", n->h.n_rot,
                    n->h.k_dim);
    load_rope_plain(l, 0, base, false);
    inv = load_alloc(l, (size_t)n->h.n_rot / 2, sizeof *inv);
    for (int i = 0; !l->rc && i < n->h.n_rot / 2; i++) {
        float x = n->rope[0].inv_freq[i];
        inv[i] = half ? quant_f16_to_f32(quant_f32_to_f16(x)) : x;
    }
    g->rope = n->rope[0];
    g->rope.inv_freq = inv;
}

static void load(struct loader *l)
{
    struct net *n = l->net;
    struct glm *g;

    load_hparams(l, "attention.layer_norm_epsilon");
    g = load_alloc(l, 1, sizeof *g);
    if (!g)
        return;
    g->alpha = sqrtf(2 * LAYERS_6B);
    load_float(l, "deepnorm_alpha", &g->alpha);
    load_tokens(l, g);
    load_angles(l, g);
    load_ends(l, BE_NORM_LAYER);
    load_layers(l, load_layer);
    n->own = g;
    n->prompts = PROMPT_WHOLE;
    n->spare_host = 2 * sizeof(struct be_span);
}

/* --- computing ------------------------------------------------------------ */

/* Index of the first such token, n_ids if there is none. */
static size_t index_of(const int32_t *ids, size_t n_ids, int token)
{
    size_t i = 0;

    while (i < n_ids && ids[i] != token)
        i++;
    return i;
}

static enum err_code read_prompt(const struct net *n, const int32_t *ids,
                                 size_t n_ids, size_t n_prompt,
                                 struct kv_prompt *out, struct err *e)
{
    const struct glm *g = n->own;
    size_t sop = index_of(ids, n_ids, g->sop);
    size_t mark = index_of(ids, sop, g->gmask);

    (void)n_prompt; /* what ends it is in the tokens */
    if (mark == sop)
        mark = index_of(ids, sop, g->mask);
    if (mark == sop || sop == n_ids)
        return err_set(e, ERR_USAGE,
                       "a prompt of %s must end in [gMASK] <sop> (tokens %d "
                       "%d): use its chat template",
                       n->arch->name, g->gmask, g->sop);
    *out = (struct kv_prompt){ (int32_t)sop + 1, (int32_t)sop, (int32_t)mark };
    return ERR_OK;
}

/* One span for each row: the rotation takes rows and positions of them. */
static void place_rows(const struct pass *p, struct be_span *first,
                       struct be_span *second)
{
    for (size_t s = 0; s < p->n_spans; s++) {
        const struct kv_prompt *prompt = &p->prompts[s];
        for (size_t i = 0; i < p->spans[s].n; i++) {
            int32_t at = p->spans[s].pos + (int32_t)i;
            size_t row = p->spans[s].row + i;
            bool asked = at < prompt->open;
            first[row] = (struct be_span){ .row = row,
                                           .n = 1,
                                           .pos = asked ? at : prompt->mark };
            second[row] = (struct be_span){
                .row = row, .n = 1, .pos = asked ? 0 : at - prompt->open + 1
            };
        }
    }
}

static void rotate(const struct net *n, struct pass *p, float *x, int n_head,
                   bool is_query)
{
    const struct glm *g = n->own;
    const struct be_span *first = p->host, *second = first + p->room;
    size_t width = (size_t)n_head * (size_t)n->h.k_dim;

    (void)is_query;
    n->ops->rope(p->be, x, width, n_head, n->h.k_dim, &g->rope, first,
                 p->n_rows);
    n->ops->rope(p->be, x + n->h.n_rot, width, n_head, n->h.k_dim, &g->rope,
                 second, p->n_rows);
}

static void forward(const struct net *n, struct pass *p)
{
    const struct glm *g = n->own;
    struct be_span *spans = p->host;

    place_rows(p, spans, spans + p->room);
    pass_embed(n, p, 1.0f);
    for (int i = 0; i < n->h.n_layer; i++) {
        const struct layer *w = &n->layers[i];
        pass_norm(n, p, &w->attn_norm);
        pass_norm_x(n, p, &w->attn_norm);
        pass_scale(n, p, g->alpha);
        pass_attention(n, p, i);
        pass_add(n, p, 1.0f);
        pass_norm(n, p, &w->ffn_norm);
        pass_norm_x(n, p, &w->ffn_norm);
        pass_scale(n, p, g->alpha);
        pass_ffn(n, p, w, BE_ACT_GELU);
        pass_add(n, p, 1.0f);
    }
    pass_norm(n, p, &n->out_norm);
}

const struct arch arch_chatglm1 = {
    .name = "chatglm1",
    .chat = "chatglm",
    .doc = "ChatGLM-6B, the first",
    .load = load,
    .forward = forward,
    .rotate = rotate,
    .read_prompt = read_prompt,
};
