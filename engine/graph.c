/* The pieces of forward passes, written in the operations of a backend. */
#include "engine/graph.h"

#include <string.h>

#include "engine/moe.h"

/* --- buffers -------------------------------------------------------------- */

#define N_BUFFERS 9

/* Floats of a row of each buffer. */
static void widths_of(const struct net *n, size_t width[N_BUFFERS])
{
    const struct hparams *h = &n->h;
    size_t n_head = (size_t)h->n_head, n_kv = (size_t)h->n_kv_head;
    size_t k_dim = (size_t)h->k_dim, v_dim = (size_t)h->v_dim;

    width[0] = width[1] = (size_t)h->n_embd;
    width[2] = width[3] = n_head * (k_dim > v_dim ? k_dim : v_dim);
    width[4] = n_kv * k_dim;
    width[5] = n_kv * v_dim;
    width[6] = width[7] = (size_t)(h->n_ff > n->ff_most ? h->n_ff : n->ff_most);
    width[8] = n->spare;
}

static void buffers_of(struct pass *p, float **buffer[N_BUFFERS])
{
    float **all[N_BUFFERS] = { &p->x, &p->h,    &p->q,  &p->o,    &p->k,
                               &p->v, &p->gate, &p->up, &p->spare };
    memcpy(buffer, all, sizeof all);
}

uint64_t pass_bytes(const struct net *n, size_t n_rows)
{
    size_t width[N_BUFFERS], row = n->spare_host;

    widths_of(n, width);
    for (size_t i = 0; i < N_BUFFERS; i++)
        row += width[i] * sizeof(float);
    return (uint64_t)n_rows * row;
}

enum err_code pass_init(struct pass *p, const struct net *n, struct be *be,
                        size_t n_rows, struct err *e)
{
    size_t width[N_BUFFERS];
    float **buffer[N_BUFFERS];
    enum err_code rc = ERR_OK;

    *p = (struct pass){ .be = be, .room = n_rows };
    widths_of(n, width);
    buffers_of(p, buffer);
    for (size_t i = 0; i < N_BUFFERS && !rc; i++) {
        void *mem = NULL;
        if (width[i] > 0)
            rc = n->ops->alloc(be, &mem, n_rows * width[i] * sizeof(float), e);
        *buffer[i] = mem;
    }
    if (!rc && n->spare_host > 0) {
        p->host = mem_array(n_rows, n->spare_host);
        if (!p->host)
            rc = err_set(e, ERR_NOMEM, "no memory for %zu rows", n_rows);
    }
    return rc;
}

void pass_free(struct pass *p, const struct net *n)
{
    float **buffer[N_BUFFERS];

    buffers_of(p, buffer);
    for (size_t i = 0; i < N_BUFFERS; i++)
        if (*buffer[i])
            n->ops->free(p->be, *buffer[i]);
    mem_free(p->host);
    *p = (struct pass){ 0 };
}

/* --- rows ----------------------------------------------------------------- */

static void swap(float **a, float **b)
{
    float *t = *a;
    *a = *b;
    *b = t;
}

void pass_embed(const struct net *n, struct pass *p, float scale)
{
    n->ops->embed(p->be, n->embd, p->ids, p->n_rows, scale, p->x);
}

void pass_add_positions(const struct net *n, struct pass *p)
{
    int32_t *pos = p->host;

    for (size_t s = 0; s < p->n_spans; s++)
        for (size_t i = 0; i < p->spans[s].n; i++)
            pos[p->spans[s].row + i] = p->spans[s].pos + (int32_t)i;
    n->ops->embed(p->be, n->pos_embd, pos, p->n_rows, 1.0f, p->h);
    pass_add(n, p, 1.0f);
}

static void norm_rows(const struct net *n, struct pass *p, const float *src,
                      const struct norm *w, float *dst)
{
    size_t width = (size_t)n->h.n_embd;

    if (p->n_rows > 0)
        n->ops->norm(p->be, w->kind, src, width, p->n_rows, width, w->weight,
                     w->bias, n->h.eps, dst, width);
}

void pass_norm_x(const struct net *n, struct pass *p, const struct norm *w)
{
    norm_rows(n, p, p->x, w, p->x);
}

void pass_norm(const struct net *n, struct pass *p, const struct norm *w)
{
    norm_rows(n, p, p->x, w, p->h);
}

void pass_post_norm(const struct net *n, struct pass *p, const struct norm *w)
{
    norm_rows(n, p, p->h, w, p->h);
}

void pass_scale(const struct net *n, struct pass *p, float factor)
{
    if (p->n_rows > 0)
        n->ops->add(p->be, p->x, p->x, factor - 1,
                    p->n_rows * (size_t)n->h.n_embd);
}

void pass_add(const struct net *n, struct pass *p, float scale)
{
    if (p->n_rows > 0)
        n->ops->add(p->be, p->x, p->h, scale, p->n_rows * (size_t)n->h.n_embd);
}

void pass_save(struct pass *p)
{
    swap(&p->h, &p->spare);
}

void pass_add_saved(const struct net *n, struct pass *p)
{
    swap(&p->h, &p->spare);
    pass_add(n, p, 1.0f);
    swap(&p->h, &p->spare);
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
static void prepare_heads(const struct net *n, struct pass *p,
                          const struct layer *w, bool is_query)
{
    const struct norm *norm = is_query ? &w->q_norm : &w->k_norm;
    float *x = is_query ? p->q : p->k;
    int n_head = is_query ? n->h.n_head : n->h.n_kv_head;
    size_t dim = (size_t)n->h.k_dim, rows = p->n_rows * (size_t)n_head;

    if (norm->weight)
        n->ops->norm(p->be, norm->kind, x, dim, rows, dim, norm->weight,
                     norm->bias, n->h.eps, x, dim);
    if (n->arch->rotate)
        n->arch->rotate(n, p, x, n_head, is_query);
    else if (w->rope)
        n->ops->rope(p->be, x, (size_t)n_head * dim, n_head, n->h.k_dim,
                     w->rope, p->spans, p->n_spans);
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

bool pass_attend(const struct net *n, struct pass *p, int i)
{
    bool last = i == n->h.n_layer - 1;

    n->ops->kv_put(p->be, p->kv, i, p->k, p->v, p->spans, p->n_spans);
    if (last && p->n_wanted == 0) {
        p->n_rows = 0;
        return false;
    }
    attend(n, p, i);
    if (last)
        keep_wanted(n, p);
    return true;
}

void pass_attention(const struct net *n, struct pass *p, int i)
{
    const struct layer *w = &n->layers[i];

    project_qkv(n, p, w);
    prepare_heads(n, p, w, true);
    prepare_heads(n, p, w, false);
    if (pass_attend(n, p, i))
        linear(n, p, p->o, (size_t)n->h.n_head * (size_t)n->h.v_dim, &w->o,
               p->h, (size_t)n->h.n_embd);
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

void pass_ffn_layer(const struct net *n, struct pass *p, const struct layer *w,
                    enum be_act act, float residual_scale)
{
    pass_norm(n, p, &w->ffn_norm);
    if (w->moe) {
        pass_moe(n, p, w);
        return;
    }
    pass_ffn(n, p, w, act);
    pass_add(n, p, residual_scale);
}

void pass_prenorm(const struct net *n, struct pass *p, enum be_act act,
                  float residual_scale)
{
    for (int i = 0; i < n->h.n_layer; i++) {
        pass_norm(n, p, &n->layers[i].attn_norm);
        pass_attention(n, p, i);
        pass_add(n, p, residual_scale);
        pass_ffn_layer(n, p, &n->layers[i], act, residual_scale);
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
