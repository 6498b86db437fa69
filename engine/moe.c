/* Loading, routing and computing mixtures of experts. */
#include "engine/moe.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define MAX_EXPERTS 1024
#define MAX_WIDTH 131072

/* --- loading -------------------------------------------------------------- */

static void check_moe(struct loader *l, const struct moe *m)
{
    if (m->n_used > m->n_expert)
        load_refuse(l, "%d of %d experts are used", m->n_used, m->n_expert);
    if (m->n_expert % m->n_group != 0 || m->n_group_used > m->n_group ||
        m->n_used > m->n_expert / m->n_group * m->n_group_used)
        load_refuse(l, "%d of %d experts cannot be chosen from %d of %d groups",
                    m->n_used, m->n_expert, m->n_group_used, m->n_group);
}

/* Of a row, for struct lists. */
static size_t host_bytes(const struct moe *m)
{
    return sizeof(float) * (size_t)m->n_expert +
           4 * sizeof(int32_t) * (size_t)m->n_used + sizeof(float);
}

void load_moe(struct loader *l, const struct moe *defaults)
{
    struct net *n = l->net;
    struct moe *m = load_alloc(l, 1, sizeof *m);
    int gating = (int)defaults->gating;

    if (!m)
        return;
    *m = *defaults;
    m->n_group = m->n_group_used = 1;
    load_int_must(l, "expert_count", 1, MAX_EXPERTS, &m->n_expert);
    load_int_must(l, "expert_used_count", 1, MAX_EXPERTS, &m->n_used);
    load_int_must(l, "expert_feed_forward_length", 1, MAX_WIDTH, &m->width);
    load_int(l, "expert_gating_func", MOE_SOFTMAX, MOE_SIGMOID, &gating);
    load_float(l, "expert_weights_scale", &m->scale);
    load_int(l, "expert_group_count", 1, MAX_EXPERTS, &m->n_group);
    load_int(l, "expert_group_used_count", 1, MAX_EXPERTS, &m->n_group_used);
    if (l->rc)
        return;
    m->gating = (enum moe_gating)gating;
    check_moe(l, m);
    n->moe = m;
    n->ff_most = m->width > m->shared_width ? m->width : m->shared_width;
    n->spare_host = host_bytes(m);
    load_spare(l, 2 * (size_t)n->h.n_embd + (size_t)m->n_expert + 1);
}

static void load_shared(struct loader *l, struct moe_layer *x, bool gated)
{
    int cols = l->net->h.n_embd, width = l->net->moe->shared_width;

    load_linear(l, &x->shared_up_gate, "ffn_gate_shexp", width, cols,
                BIAS_NONE);
    load_linear(l, &x->shared_up, "ffn_up_shexp", width, cols, BIAS_NONE);
    load_linear(l, &x->shared_down, "ffn_down_shexp", cols, width, BIAS_NONE);
    if (gated)
        load_linear(l, &x->shared_gate, "ffn_gate_inp_shexp", 1, cols,
                    BIAS_NONE);
}

void load_moe_layer(struct loader *l, struct layer *w, bool shared_gate)
{
    const struct moe *m = l->net->moe;
    int cols = l->net->h.n_embd;
    struct moe_layer *x = load_alloc(l, 1, sizeof *x);

    if (!x)
        return;
    load_linear(l, &x->router, "ffn_gate_inp", m->n_expert, cols, BIAS_NONE);
    if (load_has(l, "exp_probs_b.bias"))
        x->select_bias = load_vector(l, "exp_probs_b", ".bias", m->n_expert);
    x->gate =
        load_planes(l, "ffn_gate_exps", m->n_expert, m->n_used, m->width, cols);
    x->up =
        load_planes(l, "ffn_up_exps", m->n_expert, m->n_used, m->width, cols);
    x->down =
        load_planes(l, "ffn_down_exps", m->n_expert, m->n_used, cols, m->width);
    if (m->shared_width > 0)
        load_shared(l, x, shared_gate);
    w->moe = x;
}

/* --- routing -------------------------------------------------------------- */

static void probabilities(const struct moe *m, const float *scores, float *p)
{
    float max = scores[0];
    double sum = 0;

    for (int i = 1; i < m->n_expert; i++)
        max = fmaxf(max, scores[i]);
    for (int i = 0; i < m->n_expert; i++) {
        p[i] = m->gating == MOE_SIGMOID ? 1 / (1 + expf(-scores[i]))
                                        : expf(scores[i] - max);
        sum += (double)p[i];
    }
    for (int i = 0; m->gating == MOE_SOFTMAX && i < m->n_expert; i++)
        p[i] = (float)((double)p[i] / sum);
}

/* The largest that is not taken, the first of equals.  Whatever the values
 * (NaN too), it is one of them. */
static int largest(const float *x, int n, const bool *taken)
{
    int best = -1;

    for (int i = 0; i < n; i++)
        if (!taken[i] && (best < 0 || x[i] > x[best]))
            best = i;
    return best;
}

/* Sum of the k largest. */
static float sum_of_largest(const float *x, int n, int k)
{
    bool taken[MAX_EXPERTS] = { false };
    float sum = 0;

    for (int i = 0; i < k && i < n; i++) {
        int at = largest(x, n, taken);
        taken[at] = true;
        sum += x[at];
    }
    return sum;
}

/* Takes the experts of all groups but the best: by their best expert, or by
 * their two best where there is a bias for choosing (DeepSeek V2, V3). */
static void leave_groups(const struct moe *m, int n_best, const float *s,
                         bool *taken)
{
    bool chosen[MAX_EXPERTS] = { false };
    float score[MAX_EXPERTS];
    int size = m->n_expert / m->n_group;

    assert(size > 0);
    for (int g = 0; g < m->n_group; g++)
        score[g] = sum_of_largest(s + (size_t)g * (size_t)size, size, n_best);
    for (int k = 0; k < m->n_group_used; k++)
        chosen[largest(score, m->n_group, chosen)] = true;
    for (int i = 0; i < m->n_expert; i++)
        taken[i] = !chosen[i / size];
}

static void sort_ids(int32_t *ids, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && ids[k] < ids[k - 1]; k--) {
            int32_t t = ids[k];
            ids[k] = ids[k - 1];
            ids[k - 1] = t;
        }
}

void moe_route(const struct moe *m, const float *select_bias,
               const float *scores, int32_t *ids, float *weights)
{
    float p[MAX_EXPERTS] = { 0 }, s[MAX_EXPERTS] = { 0 };
    bool taken[MAX_EXPERTS] = { false };
    double sum = 0;

    assert(0 < m->n_used && m->n_used <= m->n_expert);
    assert(0 < m->n_group && m->n_expert <= MAX_EXPERTS);
    assert(m->n_expert % m->n_group == 0);

    probabilities(m, scores, p);
    for (int i = 0; i < m->n_expert; i++)
        s[i] = p[i] + (select_bias ? select_bias[i] : 0);
    if (m->n_group_used < m->n_group)
        leave_groups(m, select_bias ? 2 : 1, s, taken);
    for (int k = 0; k < m->n_used; k++) {
        ids[k] = largest(s, m->n_expert, taken);
        taken[ids[k]] = true;
        sum += (double)p[ids[k]];
    }
    sort_ids(ids, m->n_used);
    for (int k = 0; k < m->n_used; k++) {
        double w = (double)p[ids[k]];
        weights[k] =
            (float)((m->normalise ? w / (sum + 1e-20) : w) * (double)m->scale);
    }
}

/* --- computing ------------------------------------------------------------ */

/* Who goes where, in host memory. */
struct lists {
    float *scores;                 /* [rows][n_expert] */
    int32_t *ids;                  /* [rows][n_used] */
    float *weights;                /* of those */
    int32_t *rows;                 /* those of expert 0, of expert 1 ... */
    float *scale;                  /* their weights */
    float *shared;                 /* [rows] */
    size_t start[MAX_EXPERTS + 1]; /* where an expert's rows begin */
};

static void lay_out(struct lists *t, const struct moe *m, const struct pass *p)
{
    size_t picks = p->room * (size_t)m->n_used;

    t->scores = p->host;
    t->weights = t->scores + p->room * (size_t)m->n_expert;
    t->scale = t->weights + picks;
    t->shared = t->scale + picks;
    t->ids = (int32_t *)(void *)(t->shared + p->room);
    t->rows = t->ids + picks;
}

/* Sorts the picks by expert; rows stay in order. */
static void sort_picks(struct lists *t, const struct moe *m, size_t n_rows)
{
    size_t used = (size_t)m->n_used, at[MAX_EXPERTS] = { 0 };

    memset(t->start, 0, sizeof t->start);
    for (size_t i = 0; i < n_rows * used; i++)
        t->start[t->ids[i] + 1]++;
    for (int e = 0; e < m->n_expert; e++) {
        t->start[e + 1] += t->start[e];
        at[e] = t->start[e];
    }
    for (size_t i = 0; i < n_rows * used; i++) {
        size_t to = at[t->ids[i]]++;
        t->rows[to] = (int32_t)(i / used);
        t->scale[to] = t->weights[i];
    }
}

static void route(const struct net *n, struct pass *p,
                  const struct moe_layer *w, struct lists *t)
{
    const struct moe *m = n->moe;
    size_t width = (size_t)m->n_expert;
    float *scores = p->spare, *shared = scores + p->room * width;
    const struct be_linear lin[] = { { w->router.mat, NULL, scores, width },
                                     { w->shared_gate.mat, NULL, shared, 1 } };
    bool gated = w->shared_gate.mat != NULL;

    n->ops->matmul(p->be, p->h, (size_t)n->h.n_embd, p->n_rows, lin,
                   gated ? 2 : 1);
    n->ops->download(p->be, t->scores, scores,
                     p->n_rows * width * sizeof *scores);
    if (gated)
        n->ops->download(p->be, t->shared, shared, p->n_rows * sizeof *shared);
    for (size_t r = 0; r < p->n_rows; r++) {
        moe_route(m, w->select_bias, t->scores + r * width,
                  t->ids + r * (size_t)m->n_used,
                  t->weights + r * (size_t)m->n_used);
        t->shared[r] = gated ? 1 / (1 + expf(-t->shared[r])) : 1;
    }
    sort_picks(t, m, p->n_rows);
}

/* out = down(silu(gate(in)) * up(in)) */
static void feed(const struct net *n, struct pass *p,
                 const struct linear *const w[3], size_t width, const float *in,
                 size_t n_rows, float *out)
{
    size_t cols = (size_t)n->h.n_embd;
    const struct be_linear lin[] = { { w[0]->mat, NULL, p->gate, width },
                                     { w[1]->mat, NULL, p->up, width } };
    const struct be_linear down = { w[2]->mat, NULL, out, cols };

    n->ops->matmul(p->be, in, cols, n_rows, lin, 2);
    n->ops->glu(p->be, BE_ACT_SILU, p->gate, width, p->up, width, n_rows,
                width);
    n->ops->matmul(p->be, p->gate, width, n_rows, &down, 1);
}

void pass_moe(const struct net *n, struct pass *p, const struct layer *layer)
{
    const struct moe *m = n->moe;
    const struct moe_layer *w = layer->moe;
    size_t cols = (size_t)n->h.n_embd;
    float *in = p->spare + p->room * ((size_t)m->n_expert + 1);
    float *out = in + p->room * cols;
    struct lists t;

    if (p->n_rows == 0)
        return;
    lay_out(&t, m, p);
    route(n, p, w, &t);
    for (int e = 0; e < m->n_expert; e++) {
        const struct linear *const own[] = { &w->gate[e], &w->up[e],
                                             &w->down[e] };
        size_t first = t.start[e], n_rows = t.start[e + 1] - first;
        if (n_rows == 0)
            continue;
        n->ops->gather(p->be, p->h, t.rows + first, n_rows, cols, in);
        feed(n, p, own, (size_t)m->width, in, n_rows, out);
        n->ops->scatter(p->be, out, t.rows + first, t.scale + first, n_rows,
                        cols, p->x);
    }
    if (m->shared_width > 0) {
        const struct linear *const own[] = { &w->shared_up_gate, &w->shared_up,
                                             &w->shared_down };
        feed(n, p, own, (size_t)m->shared_width, p->h, p->n_rows, out);
        n->ops->scatter(p->be, out, NULL, t.shared, p->n_rows, cols, p->x);
    }
}
