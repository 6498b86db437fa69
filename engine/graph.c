/* The pieces of forward passes, written in the operations of a backend. */
#include "engine/graph.h"

#include <string.h>

/* --- buffers -------------------------------------------------------------- */

struct widths {
    size_t x, q, k, v, ff; /* floats of a row */
};

static struct widths widths_of(const struct hparams *h)
{
    size_t n_head = (size_t)h->n_head, n_kv = (size_t)h->n_kv_head;
    size_t k_dim = (size_t)h->k_dim, v_dim = (size_t)h->v_dim;

    return (struct widths){ (size_t)h->n_embd,
                            n_head * (k_dim > v_dim ? k_dim : v_dim),
                            n_kv * k_dim, n_kv * v_dim, (size_t)h->n_ff };
}

uint64_t pass_bytes(const struct net *n, size_t n_rows)
{
    struct widths w = widths_of(&n->h);
    size_t row = 2 * w.x + 2 * w.q + w.k + w.v + 2 * w.ff;
    return (uint64_t)n_rows * row * sizeof(float);
}

static enum err_code buffer(const struct net *n, struct pass *p, float **out,
                            size_t width, struct err *e)
{
    void *mem = NULL;
    enum err_code rc =
        n->ops->alloc(p->be, &mem, p->room * width * sizeof(float), e);
    *out = mem;
    return rc;
}

enum err_code pass_init(struct pass *p, const struct net *n, struct be *be,
                        size_t n_rows, struct err *e)
{
    struct widths w = widths_of(&n->h);
    enum err_code rc;

    *p = (struct pass){ .be = be, .room = n_rows };
    rc = buffer(n, p, &p->x, w.x, e);
    rc = rc ? rc : buffer(n, p, &p->h, w.x, e);
    rc = rc ? rc : buffer(n, p, &p->q, w.q, e);
    rc = rc ? rc : buffer(n, p, &p->k, w.k, e);
    rc = rc ? rc : buffer(n, p, &p->v, w.v, e);
    rc = rc ? rc : buffer(n, p, &p->o, w.q, e);
    rc = rc ? rc : buffer(n, p, &p->gate, w.ff, e);
    return rc ? rc : buffer(n, p, &p->up, w.ff, e);
}

void pass_free(struct pass *p, const struct net *n)
{
    float *all[] = { p->x, p->h, p->q, p->k, p->v, p->o, p->gate, p->up };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i])
            n->ops->free(p->be, all[i]);
    *p = (struct pass){ 0 };
}

/* --- rows ----------------------------------------------------------------- */

void pass_embed(const struct net *n, struct pass *p, float scale)
{
    n->ops->embed(p->be, n->embd, p->ids, p->n_rows, scale, p->x);
}

static void norm_rows(const struct net *n, struct pass *p, const float *src,
                      const struct norm *w, float *dst)
{
    size_t width = (size_t)n->h.n_embd;

    if (p->n_rows > 0)
        n->ops->norm(p->be, w->kind, src, width, p->n_rows, width, w->weight,
                     w->bias, n->h.eps, dst, width);
}

void pass_norm(const struct net *n, struct pass *p, const struct norm *w)
{
    norm_rows(n, p, p->x, w, p->h);
}

void pass_post_norm(const struct net *n, struct pass *p, const struct norm *w)
{
    norm_rows(n, p, p->h, w, p->h);
}

void pass_add(const struct net *n, struct pass *p, float scale)
{
    if (p->n_rows > 0)
        n->ops->add(p->be, p->x, p->h, scale, p->n_rows * (size_t)n->h.n_embd);
}

static void linear(const struct net *n, struct pass *p, const float *x,
                   size_t cols, const struct linear *w, float *out, size_t rows)
{
    struct be_linear l = { w->mat, w->bias, out, rows };

    if (p->n_rows > 0)
        n->ops->matmul(p->be, x, cols, p->n_rows, &l, 1);
}

/* --- attention ------------------------------------------------------------ */

static void project_qkv(const struct net *n, struct pass *p,
                        const struct layer *w)
{
    const struct hparams *h = &n->h;
    const struct be_linear lin[] = {
        { w->q.mat, w->q.bias, p->q, (size_t)h->n_head * (size_t)h->k_dim },
        { w->k.mat, w->k.bias, p->k, (size_t)h->n_kv_head * (size_t)h->k_dim },
        { w->v.mat, w->v.bias, p->v, (size_t)h->n_kv_head * (size_t)h->v_dim },
    };

    n->ops->matmul(p->be, p->h, (size_t)h->n_embd, p->n_rows, lin, 3);
}

/* The norm of each head, where the family has one, and the rotation. */
static void prepare_heads(const struct net *n, struct pass *p, float *x,
                          int n_head, const struct norm *norm,
                          const struct be_rope *rope)
{
    size_t dim = (size_t)n->h.k_dim, rows = p->n_rows * (size_t)n_head;

    if (norm->weight)
        n->ops->norm(p->be, norm->kind, x, dim, rows, dim, norm->weight,
                     norm->bias, n->h.eps, x, dim);
    if (rope)
        n->ops->rope(p->be, x, (size_t)n_head * dim, n_head, n->h.k_dim, rope,
                     p->spans, p->n_spans);
}

static void attend(const struct net *n, struct pass *p, int i)
{
    struct be_attn a = { .q = p->q,
                         .out = p->o,
                         .layer = i,
                         .n_head = n->h.n_head,
                         .scale = n->h.attn_scale,
                         .window = n->layers[i].window,
                         .slopes = n->slopes,
                         .spans = p->spans,
                         .n_spans = p->n_spans };

    n->ops->attention(p->be, p->kv, &a);
}

static void swap(float **a, float **b)
{
    float *t = *a;
    *a = *b;
    *b = t;
}

/* Rows whose logits nobody wants are of no use once their keys and values are
 * stored in the last layer.  h and q are free then and take the rest. */
static void keep_wanted(const struct net *n, struct pass *p)
{
    size_t width = (size_t)n->h.n_head * (size_t)n->h.v_dim;

    if (p->n_wanted == p->n_rows)
        return;
    p->n_rows = p->n_wanted;
    if (p->n_rows == 0)
        return;
    n->ops->gather(p->be, p->x, p->wanted, p->n_wanted, (size_t)n->h.n_embd,
                   p->h);
    n->ops->gather(p->be, p->o, p->wanted, p->n_wanted, width, p->q);
    swap(&p->x, &p->h);
    swap(&p->o, &p->q);
}

void pass_attention(const struct net *n, struct pass *p, int i)
{
    const struct layer *w = &n->layers[i];
    bool last = i == n->h.n_layer - 1;

    project_qkv(n, p, w);
    prepare_heads(n, p, p->q, n->h.n_head, &w->q_norm, w->rope);
    prepare_heads(n, p, p->k, n->h.n_kv_head, &w->k_norm, w->rope);
    n->ops->kv_put(p->be, p->kv, i, p->k, p->v, p->spans, p->n_spans);
    if (last && p->n_wanted == 0) {
        p->n_rows = 0;
        return;
    }
    attend(n, p, i);
    if (last)
        keep_wanted(n, p);
    linear(n, p, p->o, (size_t)n->h.n_head * (size_t)n->h.v_dim, &w->o, p->h,
           (size_t)n->h.n_embd);
}

/* --- feed forward --------------------------------------------------------- */

void pass_ffn(const struct net *n, struct pass *p, const struct layer *w,
              enum be_act act)
{
    size_t cols = (size_t)n->h.n_embd, width = (size_t)n->h.n_ff;
    const struct be_linear gated[] = {
        { w->gate.mat, w->gate.bias, p->gate, width },
        { w->up.mat, w->up.bias, p->up, width },
    };
    const struct be_linear plain = { w->up.mat, w->up.bias, p->gate, width };
    bool gate = w->gate.mat != NULL;

    if (p->n_rows == 0)
        return;
    n->ops->matmul(p->be, p->h, cols, p->n_rows, gate ? gated : &plain,
                   gate ? 2 : 1);
    n->ops->glu(p->be, act, p->gate, width, gate ? p->up : NULL, width,
                p->n_rows, width);
    linear(n, p, p->gate, width, &w->down, p->h, cols);
}

void pass_prenorm(const struct net *n, struct pass *p, enum be_act act,
                  float residual_scale)
{
    for (int i = 0; i < n->h.n_layer; i++) {
        const struct layer *w = &n->layers[i];
        pass_norm(n, p, &w->attn_norm);
        pass_attention(n, p, i);
        pass_add(n, p, residual_scale);
        pass_norm(n, p, &w->ffn_norm);
        pass_ffn(n, p, w, act);
        pass_add(n, p, residual_scale);
    }
    pass_norm(n, p, &n->out_norm);
}

void pass_sandwich(const struct net *n, struct pass *p, enum be_act act)
{
    for (int i = 0; i < n->h.n_layer; i++) {
        const struct layer *w = &n->layers[i];
        pass_norm(n, p, &w->attn_norm);
        pass_attention(n, p, i);
        pass_post_norm(n, p, &w->attn_post_norm);
        pass_add(n, p, 1.0f);
        pass_norm(n, p, &w->ffn_norm);
        pass_ffn(n, p, w, act);
        pass_post_norm(n, p, &w->ffn_post_norm);
        pass_add(n, p, 1.0f);
    }
    pass_norm(n, p, &n->out_norm);
}
