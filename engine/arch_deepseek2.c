/* DeepSeek V2, V2-Lite, V3 and R1: latent attention (MLA), experts behind the
 * first layers.
 *
 * Keys and values of all heads are made of one short row a token: c (rank r, the
 * latent) and a rotated part (dr) that all heads share.  They are never made.
 * As the scores are q . (K c) = (K' q) . c, the query is multiplied instead, and
 * the values come last: V (sum of p c) for sum of p (V c).  To the cache and to
 * attention() this is one key head of r + dr dims with values of r dims: an
 * eightieth of the room that the heads' own keys and values would take in V3.
 *
 * Older files hold K and V in one tensor, K the other way round; it is turned
 * when the file is loaded.  YaRN does not scale the rotation here, but the
 * scores. */
#include <math.h>

#include "engine/moe.h"

#define MAX_DIM 1024 /* of a head */
#define MAX_RANK 65536
#define MAX_WIDTH 131072

struct mla_dims {
    int rank, q_rank; /* q_rank 0: the query is projected at once */
    int k, v;         /* dims of a head's key and value; dr of k are rotated */
};

struct mla {
    struct linear q_a, q_b, kv_a; /* q_b is the whole query without q_a */
    struct norm q_a_norm, kv_a_norm;
    struct linear *k_b, *v_b; /* [n_head] */
};

/* --- loading -------------------------------------------------------------- */

static void load_dims(struct loader *l)
{
    struct hparams *h = &l->net->h;
    struct mla_dims *d = load_alloc(l, 1, sizeof *d);

    load_int_must(l, "rope.dimension_count", 2, MAX_DIM, &h->n_rot);
    if (l->rc)
        return;
    d->k = h->k_dim;
    d->v = h->v_dim;
    load_int(l, "attention.key_length_mla", 1, MAX_DIM, &d->k);
    load_int(l, "attention.value_length_mla", 1, MAX_DIM, &d->v);
    load_int_must(l, "attention.kv_lora_rank", 1, MAX_DIM, &d->rank);
    load_int(l, "attention.q_lora_rank", 0, MAX_RANK, &d->q_rank);
    if (l->rc)
        return;
    if (h->n_rot >= d->k)
        load_refuse(l, "%d of %d dims of a key are rotated", h->n_rot, d->k);
    h->n_kv_head = 1;
    h->k_dim = d->rank + h->n_rot;
    h->v_dim = d->rank;
    if (h->k_dim > MAX_DIM)
        load_refuse(l, "latent keys of %d dims, at most %d are supported",
                    h->k_dim, MAX_DIM);
    load_spare(l, (size_t)h->n_head * (size_t)(d->k > d->v ? d->k : d->v) +
                      (size_t)d->q_rank);
    l->net->own = d;
}

/* Scores are divided by the root of a key's dims, and grow with the logarithm
 * of YaRN's factor. */
static void load_scale(struct loader *l)
{
    const struct mla_dims *d = l->net->own;
    struct str type = STR("");
    float multiplier = 0, factor = 1, base = 10000;
    double m;

    load_float(l, "rope.freq_base", &base);
    load_rope(l, 0, base, true, false);
    load_str(l, "rope.scaling.type", &type);
    load_float_or_zero(l, "rope.scaling.yarn_log_multiplier", &multiplier);
    load_float(l, "rope.scaling.factor", &factor);
    if (l->rc)
        return;
    l->net->rope[0].mscale = 1;
    m = str_is(type, "yarn") ? 1 + (double)multiplier * log((double)factor) : 1;
    l->net->h.attn_scale = (float)(m * m / sqrt(d->k));
}

static void load_experts(struct loader *l)
{
    struct moe moe = { .gating = MOE_SOFTMAX, .scale = 1 };
    int width = 0, shared = 0;

    load_int_must(l, "expert_feed_forward_length", 1, MAX_WIDTH, &width);
    load_int(l, "expert_shared_count", 0, MAX_WIDTH / (width ? width : 1),
             &shared);
    load_bool(l, "expert_weights_norm", &moe.normalise);
    moe.shared_width = shared * width;
    load_moe(l, &moe);
}

/* Rows of K and V of a head follow each other; K is turned. */
static void load_old_kv(struct loader *l, struct mla *w)
{
    const struct mla_dims *d = l->net->own;
    int n_head = l->net->h.n_head, nope = d->k - l->net->h.n_rot;
    int step = nope + d->v;
    const struct gguf_tensor *t =
        load_tensor(l, "attn_kv_b", n_head * step, d->rank);
    float *row = load_alloc(l, (size_t)d->rank, sizeof *row);
    const struct quant_type *type;
    size_t bytes;

    w->k_b = load_alloc(l, (size_t)n_head, sizeof *w->k_b);
    w->v_b = load_alloc(l, (size_t)n_head, sizeof *w->v_b);
    if (l->rc)
        return;
    type = quant_type((int)t->type);
    bytes = (size_t)(d->rank / type->block_elems * type->block_bytes);
    for (int h = 0; !l->rc && h < n_head; h++) {
        const unsigned char *rows = t->data + (size_t)(h * step) * bytes;
        float *k = load_alloc(l, (size_t)(nope * d->rank), sizeof *k);
        for (int i = 0; k && i < nope; i++) {
            type->dequantise(rows + (size_t)i * bytes, row, (size_t)d->rank);
            for (int c = 0; c < d->rank; c++)
                k[c * nope + i] = row[c];
        }
        w->k_b[h].mat = load_floats(l, k, d->rank, nope);
        w->v_b[h].mat = load_rows(l, t, h * step + nope, d->v);
    }
}

static void load_mla(struct loader *l, struct layer *layer)
{
    const struct hparams *h = &l->net->h;
    const struct mla_dims *d = l->net->own;
    struct mla *w = load_alloc(l, 1, sizeof *w);
    int q_rows = h->n_head * d->k, n = h->n_head;

    if (!w)
        return;
    if (d->q_rank > 0) {
        load_linear(l, &w->q_a, "attn_q_a", d->q_rank, h->n_embd, BIAS_NONE);
        load_norm(l, &w->q_a_norm, "attn_q_a_norm", BE_NORM_RMS, d->q_rank);
        load_linear(l, &w->q_b, "attn_q_b", q_rows, d->q_rank, BIAS_NONE);
    } else {
        load_linear(l, &w->q_b, "attn_q", q_rows, h->n_embd, BIAS_NONE);
    }
    load_linear(l, &w->kv_a, "attn_kv_a_mqa", h->k_dim, h->n_embd, BIAS_NONE);
    load_norm(l, &w->kv_a_norm, "attn_kv_a_norm", BE_NORM_RMS, d->rank);
    if (load_has(l, "attn_kv_b.weight")) {
        load_old_kv(l, w);
    } else {
        w->k_b = load_planes(l, "attn_k_b", n, n, d->rank, d->k - h->n_rot);
        w->v_b = load_planes(l, "attn_v_b", n, n, d->v, d->rank);
    }
    load_linear(l, &layer->o, "attn_output", h->n_embd, n * d->v, BIAS_NONE);
    layer->own = w;
}

static void load_layer(struct loader *l, struct layer *w)
{
    int n_dense = 0;

    load_int(l, "leading_dense_block_count", 0, l->net->h.n_layer, &n_dense);
    load_norms(l, w, BE_NORM_RMS);
    load_mla(l, w);
    if (l->layer < n_dense)
        load_ffn(l, w);
    else
        load_moe_layer(l, w, false);
}

static void load(struct loader *l)
{
    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_dims(l);
    load_scale(l);
    load_experts(l);
    load_ends(l, BE_NORM_RMS);
    load_layers(l, load_layer);
}

/* --- computing ------------------------------------------------------------ */

/* q of all heads into the spare buffer, c and the shared key into p->k. */
static void project(const struct net *n, struct pass *p, const struct mla *w)
{
    const struct mla_dims *d = n->own;
    size_t q_width = (size_t)n->h.n_head * (size_t)d->k;
    size_t q_rank = (size_t)d->q_rank, cols = (size_t)n->h.n_embd;
    float *q = p->spare, *q_a = q + p->room * q_width;
    bool two = q_rank > 0;
    const struct be_linear in[] = {
        { two ? w->q_a.mat : w->q_b.mat, NULL, two ? q_a : q,
          two ? q_rank : q_width },
        { w->kv_a.mat, NULL, p->k, (size_t)n->h.k_dim },
    };
    const struct be_linear q_b = { w->q_b.mat, NULL, q, q_width };

    n->ops->matmul(p->be, p->h, cols, p->n_rows, in, 2);
    if (!two)
        return;
    n->ops->norm(p->be, BE_NORM_RMS, q_a, q_rank, p->n_rows, q_rank,
                 w->q_a_norm.weight, NULL, n->h.eps, q_a, q_rank);
    n->ops->matmul(p->be, q_a, q_rank, p->n_rows, &q_b, 1);
}

/* c is normed, and the values are c; the last dims of keys are rotated. */
static void prepare_keys(const struct net *n, struct pass *p,
                         const struct mla *w)
{
    const struct mla_dims *d = n->own;
    size_t rank = (size_t)d->rank, width = (size_t)n->h.k_dim;

    n->ops->norm(p->be, BE_NORM_RMS, p->k, width, p->n_rows, rank,
                 w->kv_a_norm.weight, NULL, n->h.eps, p->k, width);
    n->ops->rope(p->be, p->k + rank, width, 1, n->h.n_rot, &n->rope[0],
                 p->spans, p->n_spans);
    n->ops->copy(p->be, p->k, width, p->n_rows, rank, p->v, rank);
}

/* A head's query is K' q, and the rotated part of q behind it. */
static void prepare_queries(const struct net *n, struct pass *p,
                            const struct mla *w)
{
    const struct mla_dims *d = n->own;
    size_t n_head = (size_t)n->h.n_head, rank = (size_t)d->rank;
    size_t from = (size_t)d->k, to = (size_t)n->h.k_dim;
    size_t n_rot = (size_t)n->h.n_rot, nope = from - n_rot;

    n->ops->rope(p->be, p->spare + nope, n_head * from, n->h.n_head, d->k,
                 &n->rope[0], p->spans, p->n_spans);
    n->ops->copy(p->be, p->spare + nope, from, p->n_rows * n_head, n_rot,
                 p->q + rank, to);
    for (size_t h = 0; h < n_head; h++) {
        const struct be_linear k_b = { w->k_b[h].mat, NULL, p->q + h * to,
                                       n_head * to };
        n->ops->matmul(p->be, p->spare + h * from, n_head * from, p->n_rows,
                       &k_b, 1);
    }
}

/* The heads' values of the sums of c, into the spare buffer; h = the output. */
static void project_out(const struct net *n, struct pass *p,
                        const struct layer *layer)
{
    const struct mla *w = layer->own;
    const struct mla_dims *d = n->own;
    size_t n_head = (size_t)n->h.n_head, rank = (size_t)d->rank;
    size_t v = (size_t)d->v;
    const struct be_linear o = { layer->o.mat, NULL, p->h,
                                 (size_t)n->h.n_embd };

    if (p->n_rows == 0)
        return;
    for (size_t h = 0; h < n_head; h++) {
        const struct be_linear v_b = { w->v_b[h].mat, NULL, p->spare + h * v,
                                       n_head * v };
        n->ops->matmul(p->be, p->o + h * rank, n_head * rank, p->n_rows, &v_b,
                       1);
    }
    n->ops->matmul(p->be, p->spare, n_head * v, p->n_rows, &o, 1);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    for (int i = 0; i < n->h.n_layer; i++) {
        const struct layer *w = &n->layers[i];
        pass_norm(n, p, &w->attn_norm);
        project(n, p, w->own);
        prepare_keys(n, p, w->own);
        prepare_queries(n, p, w->own);
        if (pass_attend(n, p, i))
            project_out(n, p, w);
        pass_add(n, p, 1.0f);
        pass_ffn_layer(n, p, w, BE_ACT_SILU, 1.0f);
    }
    pass_norm(n, p, &n->out_norm);
}

const struct arch arch_deepseek2 = {
    .name = "deepseek2",
    .doc = "DeepSeek V2, V2-Lite, V3, R1",
    .load = load,
    .forward = forward,
};
