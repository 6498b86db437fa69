/* Qwen, the first: the LLaMA decoder with one tensor of q, k, v that has a bias,
 * and rope on half-split pairs.  The key feed_forward_length holds twice the
 * width of the two halves that it was published with.
 *
 * Beyond the context C that the model was trained for, the published code turns
 * slower and looks more sharply, where the file's keys ask for it: a prompt of T
 * tokens takes the base theta * a^(n / (n - 2)), a = 2^(ceil(log2(T/C)) + 1) - 1,
 * and keeps it for the answer (dynamic NTK); queries at position p >= C are
 * multiplied by ln(p + 1) / ln(C) (log-n).  So with dynamic NTK a token depends
 * on the length of the prompt. */
#include <math.h>

#include "engine/graph.h"

#define MAX_DOUBLINGS 32

struct beyond {
    bool log_n;
    struct be_rope ropes[MAX_DOUBLINGS]; /* by ceil(log2(T/C)), 0 within C */
};

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention_fused(l, w, BIAS_MUST, BIAS_NONE);
    load_ffn(l, w);
    w->rope = &l->net->rope[0];
}

static void load_ropes(struct loader *l, struct beyond *b, float base)
{
    struct net *n = l->net;
    double n_rot = n->h.n_rot;

    for (int i = 0; !l->rc && i < MAX_DOUBLINGS; i++) {
        double a = i == 0 ? 1 : pow(2, i + 1) - 1;
        load_rope_plain(
            l, 0, (float)((double)base * pow(a, n_rot / (n_rot - 2))), false);
        b->ropes[i] = n->rope[0];
    }
    load_rope_plain(l, 0, base, false);
}

static void load_beyond(struct loader *l, float base)
{
    struct net *n = l->net;
    struct beyond *b = load_alloc(l, 1, sizeof *b);
    bool ntk = false;

    load_bool(l, "rope.dynamic_ntk", &ntk);
    if (!b)
        return;
    load_bool(l, "attention.logn", &b->log_n);
    if (ntk && n->h.n_rot <= 2)
        load_refuse(l, "dynamic NTK needs more than 2 rotated dimensions");
    if (b->log_n && n->h.n_ctx_train < 2)
        load_refuse(l, "log-n attention needs a context of more than 1");
    if (ntk) {
        load_ropes(l, b, base);
        n->h.n_pos = INT32_MAX; /* the angles follow the prompt's length */
    }
    n->prompts = ntk ? PROMPT_SIZED : PROMPT_FREE;
    n->own = b;
}

static void load(struct loader *l)
{
    struct hparams *h = &l->net->h;
    float base = 10000;

    load_hparams(l, "attention.layer_norm_rms_epsilon");
    if (!l->rc && h->n_ff % 2 != 0)
        load_refuse(l,
                    "key qwen.feed_forward_length is %d, expected an even "
                    "number",
                    h->n_ff);
    h->n_ff /= 2;
    load_float(l, "rope.freq_base", &base);
    load_rope(l, 0, base, false, false);
    load_beyond(l, base);
    load_ends(l, BE_NORM_RMS);
    load_layers(l, load_layer);
}

/* open and mark are of no use here. */
static enum err_code read_prompt(const struct net *n, const int32_t *ids,
                                 size_t n_ids, size_t n_prompt,
                                 struct kv_prompt *out, struct err *e)
{
    (void)n;
    (void)ids;
    (void)n_ids;
    (void)e;
    *out = (struct kv_prompt){ .n = (int32_t)n_prompt };
    return ERR_OK;
}

static const struct be_rope *rope_of(const struct net *n, int32_t n_prompt)
{
    const struct beyond *b = n->own;
    int64_t reach = n->h.n_ctx_train;
    int i = 0;

    if (n->prompts == PROMPT_FREE)
        return &n->rope[0];
    for (; reach < n_prompt && i < MAX_DOUBLINGS - 1; reach *= 2)
        i++;
    return &b->ropes[i];
}

static void sharpen(const struct net *n, struct pass *p, float *x, size_t width)
{
    double trained = n->h.n_ctx_train;

    for (size_t s = 0; s < p->n_spans; s++)
        for (size_t i = 0; i < p->spans[s].n; i++) {
            double t = (double)p->spans[s].pos + (double)i + 1;
            float *row = x + (p->spans[s].row + i) * width;
            if (t > trained)
                n->ops->add(p->be, row, row, (float)(log(t) / log(trained) - 1),
                            width);
        }
}

static void rotate(const struct net *n, struct pass *p, float *x, int n_head,
                   bool is_query)
{
    const struct beyond *b = n->own;
    size_t width = (size_t)n_head * (size_t)n->h.k_dim, first = 0;

    for (size_t s = 0; s < p->n_spans; s++) {
        const struct be_rope *r = rope_of(n, p->prompts[s].n);
        if (s + 1 < p->n_spans && rope_of(n, p->prompts[s + 1].n) == r)
            continue;
        n->ops->rope(p->be, x, width, n_head, n->h.k_dim, r, p->spans + first,
                     s + 1 - first);
        first = s + 1;
    }
    if (b->log_n && is_query)
        sharpen(n, p, x, width);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    pass_prenorm(n, p, BE_ACT_SILU, 1.0f);
}

const struct arch arch_qwen = {
    .name = "qwen",
    .doc = "Qwen, the first",
    .load = load,
    .forward = forward,
    .rotate = rotate,
    .read_prompt = read_prompt,
};
