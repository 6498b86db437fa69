/* The KV cache and attention.
 *
 * A block of the cache holds the keys of KV_BLOCK positions transposed, [dim]
 * [position], and their values as they come, [position][dim]: so both products
 * read contiguously, scores have positions side by side (as the softmax wants
 * them), outputs have dimensions side by side, and neither needs a horizontal
 * sum.
 *
 * A piece of work is one key head and some tokens of one sequence, with all the
 * query heads that share the key head: up to ROWS queries.  For each block the
 * keys and values are widened to float once, then come scores, the online
 * softmax, and the weighted sum of values for all of them, with 12 accumulators
 * in registers.
 *
 * Each number is a chain in a fixed order (over the dimensions, over the
 * positions of a block, over the blocks), so a query's result does not depend
 * on who shares the piece with it.  Positions that a query must not see take no
 * part at all: even an infinite value there changes nothing. */
#include "engine/backend_avx2.h"

#include <math.h>
#include <string.h>

#include "engine/backend_avx2_math.h"
#include "harness/base/mem.h"

#if defined(__AVX2__)

#define ROWS ((size_t)48)

struct be_kv {
    struct be_kv_params p;
    bool f32;
    size_t elem;        /* bytes of one */
    size_t block_elems; /* keys and values of one head */
    unsigned char *data;
};

/* --- the cache ------------------------------------------------------------ */

uint64_t avx2_kv_bytes(const struct be *b, const struct be_kv_params *p)
{
    return (uint64_t)p->n_layer * (uint64_t)p->n_kv_head *
           (uint64_t)(p->k_dim + p->v_dim) * (b->f32 ? 4 : 2);
}

enum err_code avx2_kv_open(struct be *b, struct be_kv **out,
                           const struct be_kv_params *p, struct err *e)
{
    struct be_kv *kv;
    size_t bytes;

    *out = NULL;
    if (p->k_dim > AVX2_MAX_HEAD || p->v_dim > AVX2_MAX_HEAD)
        return err_set(e, ERR_LIMIT, "heads of more than %d dimensions",
                       AVX2_MAX_HEAD);
    kv = mem_zalloc(sizeof *kv);
    if (kv && !__builtin_mul_overflow(avx2_kv_bytes(b, p) * KV_BLOCK,
                                      p->n_blocks, &bytes))
        kv->data = avx2_alloc(bytes);
    if (!kv || !kv->data) {
        mem_free(kv);
        return err_set(e, ERR_NOMEM, "no memory for a KV cache of %zu blocks",
                       p->n_blocks);
    }
    kv->p = *p;
    kv->f32 = b->f32;
    kv->elem = b->f32 ? 4 : 2;
    kv->block_elems = KV_BLOCK * (size_t)(p->k_dim + p->v_dim);
    *out = kv;
    return ERR_OK;
}

void avx2_kv_close(struct be *b, struct be_kv *kv)
{
    (void)b;
    if (!kv)
        return;
    avx2_free(kv->data);
    mem_free(kv);
}

/* Keys of a head in a block; its values follow. */
static unsigned char *block_at(const struct be_kv *kv, int layer, size_t head,
                               int32_t block)
{
    size_t at = (size_t)layer * (size_t)kv->p.n_kv_head + head;

    return kv->data +
           (at * kv->p.n_blocks + (size_t)block) * kv->block_elems * kv->elem;
}

void avx2_kv_copy(struct be *b, struct be_kv *kv, int32_t src, int32_t dst,
                  size_t n)
{
    (void)b;
    (void)n; /* the rest of the block is not read before it is written */
    for (int l = 0; l < kv->p.n_layer; l++)
        for (size_t h = 0; h < (size_t)kv->p.n_kv_head; h++)
            memcpy(block_at(kv, l, h, dst), block_at(kv, l, h, src),
                   kv->block_elems * kv->elem);
}

/* dst[i * step] = x[i], n of them. */
static void store_floats(float *dst, size_t step, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i * step] = x[i];
}

static void store_halves(uint16_t *dst, size_t step, const float *x, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        _Alignas(16) uint16_t h[8];
        _mm_store_si128(
            (__m128i *)(void *)h,
            _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
        for (size_t k = 0; k < 8; k++)
            dst[(i + k) * step] = h[k];
    }
    for (; i < n; i++)
        dst[i * step] = (uint16_t)_cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT);
}

static void store(const struct be_kv *kv, unsigned char *block, size_t at,
                  size_t step, const float *x, size_t n)
{
    if (kv->f32)
        store_floats((float *)(void *)block + at, step, x, n);
    else
        store_halves((uint16_t *)(void *)block + at, step, x, n);
}

struct put_job {
    struct be_kv *kv;
    int layer;
    const float *k, *v;
    const struct be_span *spans;
    size_t n_spans;
};

static void put_head(void *arg, size_t head, int thread)
{
    const struct put_job *j = arg;
    struct be_kv *kv = j->kv;
    size_t k_dim = (size_t)kv->p.k_dim, v_dim = (size_t)kv->p.v_dim;
    size_t n_head = (size_t)kv->p.n_kv_head;

    (void)thread;
    for (size_t s = 0; s < j->n_spans; s++)
        for (size_t i = 0; i < j->spans[s].n; i++) {
            size_t pos = (size_t)j->spans[s].pos + i, in = pos % KV_BLOCK;
            size_t row = (j->spans[s].row + i) * n_head + head;
            unsigned char *block =
                block_at(kv, j->layer, head, j->spans[s].table[pos / KV_BLOCK]);

            store(kv, block, in, KV_BLOCK, j->k + row * k_dim, k_dim);
            store(kv, block, KV_BLOCK * k_dim + in * v_dim, 1,
                  j->v + row * v_dim, v_dim);
        }
}

void avx2_kv_put(struct be *b, struct be_kv *kv, int layer, const float *k,
                 const float *v, const struct be_span *spans, size_t n_spans)
{
    struct put_job j = { kv, layer, k, v, spans, n_spans };
    size_t rows = 0;

    for (size_t s = 0; s < n_spans; s++)
        rows += spans[s].n;
    if (rows >= 16)
        pool_run(b->pool, (size_t)kv->p.n_kv_head, put_head, &j);
    else
        for (size_t h = 0; h < (size_t)kv->p.n_kv_head; h++)
            put_head(&j, h, 0);
}

/* --- one piece ------------------------------------------------------------ */

/* What a query has so far, and what it sees of the block at hand. */
struct query {
    const float *q;
    int32_t pos;
    float slope;
    float max, sum;
    float shrink; /* of what it has, before this block is added */
    int from, to; /* positions of the block that it sees */
    bool any;     /* with scores that are not -infinity */
};

struct piece {
    const struct be_kv *kv;
    const struct be_attn *a;
    const struct be_span *span;
    size_t first, n; /* tokens of the span */
    size_t head;     /* key head */
    size_t q_head;   /* the first query head of it that is computed here */
    size_t group;    /* how many of them */
    size_t v_pad;    /* v_dim rounded up to 16 */
    size_t n_rows;
    struct query rows[ROWS];
    float *keys, *values; /* of a block, as floats */
    float *scores;        /* [row][KV_BLOCK] */
    float *outs;          /* [row][v_pad] */
    float shrink[ROWS];   /* of outs, before a block is added */
};

static void widen(float *dst, const unsigned char *src, bool f32, size_t n)
{
    const uint16_t *h = (const uint16_t *)(const void *)src;
    size_t i = 0;

    if (f32) {
        memcpy(dst, src, n * sizeof *dst);
        return;
    }
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128(
                                      (const __m128i *)(const void *)(h + i))));
    for (; i < n; i++)
        dst[i] = _cvtsh_ss(h[i]);
}

/* Keys and values of a block as floats, rows of values padded. */
static void widen_block(const struct piece *p, int32_t block)
{
    const struct be_kv *kv = p->kv;
    size_t k = KV_BLOCK * (size_t)kv->p.k_dim, v_dim = (size_t)kv->p.v_dim;
    const unsigned char *src = block_at(kv, p->a->layer, p->head, block);

    widen(p->keys, src, kv->f32, k);
    src += k * kv->elem;
    if (p->v_pad == v_dim)
        widen(p->values, src, kv->f32, KV_BLOCK * v_dim);
    else
        for (size_t i = 0; i < KV_BLOCK; i++)
            widen(p->values + i * p->v_pad, src + i * v_dim * kv->elem, kv->f32,
                  v_dim);
}

#define KEY_STEP(i)                                                            \
    v = _mm256_broadcast_ss(q[i] + d);                                         \
    a##i = _mm256_fmadd_ps(k0, v, a##i);                                       \
    b##i = _mm256_fmadd_ps(k1, v, b##i);                                       \
    c##i = _mm256_fmadd_ps(k2, v, c##i);                                       \
    d##i = _mm256_fmadd_ps(k3, v, d##i);

#define LOAD_KEYS                                                              \
    const float *k = keys + d * KV_BLOCK;                                      \
    __m256 k0 = _mm256_loadu_ps(k), k1 = _mm256_loadu_ps(k + 8);               \
    __m256 k2 = _mm256_loadu_ps(k + 16), k3 = _mm256_loadu_ps(k + 24), v;

INLINE void store_scores(float *s, __m256 a, __m256 b, __m256 c, __m256 d)
{
    _mm256_storeu_ps(s, a);
    _mm256_storeu_ps(s + 8, b);
    _mm256_storeu_ps(s + 16, c);
    _mm256_storeu_ps(s + 24, d);
}

/* scores[i][32] = q[i] . keys, three queries. */
static void scores3(const float *keys, size_t n, const float *const q[3],
                    float *const scores[3])
{
    __m256 a0 = _mm256_setzero_ps(), b0 = a0, c0 = a0, d0 = a0;
    __m256 a1 = a0, b1 = a0, c1 = a0, d1 = a0, a2 = a0, b2 = a0, c2 = a0;
    __m256 d2 = a0;

    for (size_t d = 0; d < n; d++) {
        LOAD_KEYS
        KEY_STEP(0) KEY_STEP(1) KEY_STEP(2)
    }
    store_scores(scores[0], a0, b0, c0, d0);
    store_scores(scores[1], a1, b1, c1, d1);
    store_scores(scores[2], a2, b2, c2, d2);
}

static void scores1(const float *keys, size_t n, const float *const q[1],
                    float *const scores[1])
{
    __m256 a0 = _mm256_setzero_ps(), b0 = a0, c0 = a0, d0 = a0;

    for (size_t d = 0; d < n; d++) {
        LOAD_KEYS
        KEY_STEP(0)
    }
    store_scores(scores[0], a0, b0, c0, d0);
}

static void score_rows(const struct piece *p)
{
    size_t n = (size_t)p->kv->p.k_dim;

    for (size_t r = 0; r < p->n_rows; r += 3) {
        size_t left = p->n_rows - r;
        const float *q[3];
        float *s[3];

        for (size_t i = 0; i < 3; i++) {
            size_t row = r + (i < left ? i : left - 1);
            q[i] = p->rows[row].q;
            s[i] = p->scores + row * KV_BLOCK;
        }
        if (left == 1)
            scores1(p->keys, n, q, s);
        else
            scores3(p->keys, n, q, s);
    }
}

INLINE float max8(__m256 v)
{
    __m128 m =
        _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

INLINE float sum8(__m256 v)
{
    __m128 s =
        _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* All ones in the lanes whose positions, from `at` on, the query sees. */
INLINE __m256 seen_lanes(const struct query *u, int at)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i pos = _mm256_add_epi32(lane, _mm256_set1_epi32(at));

    return _mm256_castsi256_ps(
        _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(u->from), pos),
                            _mm256_cmpgt_epi32(_mm256_set1_epi32(u->to), pos)));
}

/* Eight scores, scaled, -infinity where the query does not see. */
INLINE __m256 scaled(const struct piece *p, const struct query *u,
                     const float *s, int at, int32_t first)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256 v =
        _mm256_mul_ps(_mm256_loadu_ps(s + at), _mm256_set1_ps(p->a->scale));

    if (p->a->slopes) {
        __m256i ahead = _mm256_set1_epi32(first + at - u->pos);
        __m256 far = _mm256_cvtepi32_ps(_mm256_add_epi32(lane, ahead));
        v = _mm256_fmadd_ps(_mm256_set1_ps(u->slope), far, v);
    }
    if (u->to - u->from < KV_BLOCK)
        v = _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), v, seen_lanes(u, at));
    return v;
}

/* e^(s - max), 0 where s is -infinity. */
INLINE __m256 weight(__m256 s, __m256 max, __m256 *sum)
{
    __m256 some = _mm256_cmp_ps(s, _mm256_set1_ps(-INFINITY), _CMP_NEQ_UQ);
    __m256 w = _mm256_and_ps(avx2_exp_weight(_mm256_sub_ps(s, max)), some);

    *sum = _mm256_add_ps(*sum, w);
    return w;
}

INLINE bool has_nan(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 ab = _mm256_cmp_ps(a, b, _CMP_UNORD_Q);
    __m256 cd = _mm256_cmp_ps(c, d, _CMP_UNORD_Q);

    return _mm256_movemask_ps(_mm256_or_ps(ab, cd)) != 0;
}

/* Turns the scores of row r into weights; its maximum and sum move on. */
static void soften(struct piece *p, size_t r, int32_t first)
{
    struct query *u = &p->rows[r];
    float *s = p->scores + r * KV_BLOCK, now;
    __m256 s0 = scaled(p, u, s, 0, first), s1 = scaled(p, u, s, 8, first);
    __m256 s2 = scaled(p, u, s, 16, first), s3 = scaled(p, u, s, 24, first);
    __m256 sum = _mm256_setzero_ps(), max = _mm256_set1_ps(u->max);

    /* A NaN is not a maximum, but gets the weight NaN. */
    max = _mm256_max_ps(s1, _mm256_max_ps(s0, max));
    now = max8(_mm256_max_ps(s3, _mm256_max_ps(s2, max)));
    u->any = now > -INFINITY || has_nan(s0, s1, s2, s3);
    if (!u->any)
        return;
    max = _mm256_set1_ps(now);
    p->shrink[r] = _mm256_cvtss_f32(
        avx2_exp_weight(_mm256_sub_ps(_mm256_set1_ps(u->max), max)));
    s0 = weight(s0, max, &sum);
    s1 = weight(s1, max, &sum);
    s2 = weight(s2, max, &sum);
    s3 = weight(s3, max, &sum);
    store_scores(s, s0, s1, s2, s3);
    u->sum = u->sum * p->shrink[r] + sum8(sum);
    u->max = now;
}

#define VALUE_LOAD(i)                                                          \
    if (n > (i)) {                                                             \
        w = _mm256_broadcast_ss(p->shrink + r + (i));                          \
        a##i = _mm256_mul_ps(w, _mm256_loadu_ps(out + (size_t)(i)*p->v_pad));  \
        b##i =                                                                 \
            _mm256_mul_ps(w, _mm256_loadu_ps(out + (size_t)(i)*p->v_pad + 8)); \
    }

#define VALUE_STEP(i)                                                          \
    if (n > (i)) {                                                             \
        w = _mm256_broadcast_ss(s + (size_t)(i)*KV_BLOCK);                     \
        a##i = _mm256_fmadd_ps(v0, w, a##i);                                   \
        b##i = _mm256_fmadd_ps(v1, w, b##i);                                   \
    }

#define VALUE_STORE(i)                                                         \
    if (n > (i)) {                                                             \
        _mm256_storeu_ps(out + (size_t)(i)*p->v_pad, a##i);                    \
        _mm256_storeu_ps(out + (size_t)(i)*p->v_pad + 8, b##i);                \
    }

/* out = out * shrink + weights . values: dimensions at ... at+15 of the n rows
 * from r on, all of which see the same positions. */
INLINE void add_to_rows(const struct piece *p, size_t r, size_t n, size_t at)
{
    const struct query *u = &p->rows[r];
    const float *s = p->scores + r * KV_BLOCK + u->from;
    const float *end = p->scores + r * KV_BLOCK + u->to;
    const float *v = p->values + (size_t)u->from * p->v_pad + at;
    float *out = p->outs + r * p->v_pad + at;
    __m256 a0 = _mm256_setzero_ps(), a1 = a0, a2 = a0, a3 = a0, a4 = a0;
    __m256 a5 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0, w;

    VALUE_LOAD(0)
    VALUE_LOAD(1)
    VALUE_LOAD(2)
    VALUE_LOAD(3)
    VALUE_LOAD(4) VALUE_LOAD(5) for (; s < end; s++, v += p->v_pad)
    {
        __m256 v0 = _mm256_loadu_ps(v), v1 = _mm256_loadu_ps(v + 8);
        VALUE_STEP(0)
        VALUE_STEP(1) VALUE_STEP(2) VALUE_STEP(3) VALUE_STEP(4) VALUE_STEP(5)
    }
    VALUE_STORE(0)
    VALUE_STORE(1) VALUE_STORE(2) VALUE_STORE(3) VALUE_STORE(4) VALUE_STORE(5)
}

/* The number of rows is a constant in each, so that all stays in registers. */
static void add_to_n_rows(const struct piece *p, size_t r, size_t n, size_t at)
{
    switch (n) {
    case 1:
        add_to_rows(p, r, 1, at);
        break;
    case 2:
        add_to_rows(p, r, 2, at);
        break;
    case 3:
        add_to_rows(p, r, 3, at);
        break;
    case 4:
        add_to_rows(p, r, 4, at);
        break;
    case 5:
        add_to_rows(p, r, 5, at);
        break;
    default:
        add_to_rows(p, r, 6, at);
    }
}

/* Up to six of the queries from r on that see the same positions. */
static size_t alike(const struct piece *p, size_t r)
{
    size_t n = 1;

    while (n < 6 && r + n < p->n_rows && p->rows[r + n].any &&
           p->rows[r + n].from == p->rows[r].from &&
           p->rows[r + n].to == p->rows[r].to)
        n++;
    return n;
}

static void add_values(const struct piece *p)
{
    for (size_t r = 0, n; r < p->n_rows; r += n) {
        n = p->rows[r].any ? alike(p, r) : 1;
        if (p->rows[r].any)
            for (size_t at = 0; at < p->v_pad; at += 16)
                add_to_n_rows(p, r, n, at);
    }
}

static int clamp_pos(int64_t pos)
{
    return pos < 0 ? 0 : pos > KV_BLOCK ? KV_BLOCK : (int)pos;
}

/* The position after the last one that a query at `pos` sees. */
static int64_t sight(const struct be_span *s, int32_t pos)
{
    return pos < s->open ? s->open : (int64_t)pos + 1;
}

/* The block whose positions begin at `first`. */
static void attend_block(struct piece *p, int32_t first)
{
    int32_t window = p->a->window;

    widen_block(p, p->span->table[first / KV_BLOCK]);
    score_rows(p);
    for (size_t r = 0; r < p->n_rows; r++) {
        struct query *u = &p->rows[r];

        u->to = clamp_pos(sight(p->span, u->pos) - first);
        u->from =
            window > 0 ? clamp_pos((int64_t)u->pos + 1 - window - first) : 0;
        u->any = false;
        if (u->from < u->to)
            soften(p, r, first);
    }
    add_values(p);
}

static void begin(struct piece *p)
{
    const struct be_attn *a = p->a;
    size_t k_dim = (size_t)p->kv->p.k_dim;

    p->n_rows = p->n * p->group;
    for (size_t r = 0; r < p->n_rows; r++) {
        size_t token = p->first + r / p->group;
        size_t head = p->q_head + r % p->group;
        size_t at = (p->span->row + token) * (size_t)a->n_head + head;

        p->rows[r] = (struct query){
            .q = a->q + at * k_dim,
            .pos = p->span->pos + (int32_t)token,
            .slope = a->slopes ? a->slopes[head] : 0,
            .max = -INFINITY,
        };
    }
    memset(p->outs, 0, p->n_rows * p->v_pad * sizeof *p->outs);
}

static void put_quotients(float *out, const float *x, float sum, size_t n)
{
    const __m256 all = _mm256_set1_ps(sum);
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_div_ps(_mm256_loadu_ps(x + i), all));
    for (; i < n; i++)
        out[i] = x[i] / sum;
}

static void finish(const struct piece *p)
{
    const struct be_attn *a = p->a;
    size_t v_dim = (size_t)p->kv->p.v_dim;

    for (size_t r = 0; r < p->n_rows; r++) {
        size_t token = p->first + r / p->group;
        size_t head = p->q_head + r % p->group;
        size_t at = (p->span->row + token) * (size_t)a->n_head + head;
        put_quotients(a->out + at * v_dim, p->outs + r * p->v_pad,
                      p->rows[r].sum, v_dim);
    }
}

static void attend(struct piece *p)
{
    int32_t pos = p->span->pos + (int32_t)(p->first + p->n) - 1;
    int64_t end = sight(p->span, pos);
    int32_t first = p->span->pos + (int32_t)p->first + 1 - p->a->window;

    first = p->a->window > 0 && first > 0 ? first / KV_BLOCK * KV_BLOCK : 0;
    begin(p);
    for (; first < end; first += KV_BLOCK)
        attend_block(p, first);
    finish(p);
}

/* --- all pieces ----------------------------------------------------------- */

/* The query heads of a key head are cut into parts where they are more than a
 * piece can take. */
struct attn_job {
    struct be *b;
    const struct be_kv *kv;
    const struct be_attn *a;
    size_t group;  /* query heads of a key head */
    size_t share;  /* of a part */
    size_t n_part; /* parts of all key heads */
    size_t tokens; /* of a piece */
};

static size_t pieces_of(const struct attn_job *j, const struct be_span *s)
{
    return (s->n + j->tokens - 1) / j->tokens;
}

static void compute_piece(void *arg, size_t i, int thread)
{
    const struct attn_job *j = arg;
    const struct be_span *s = j->a->spans;
    size_t parts = (j->group + j->share - 1) / j->share;
    size_t part = i % j->n_part, at = i / j->n_part;
    size_t first = part % parts * j->share;
    size_t k_dim = (size_t)j->kv->p.k_dim;
    struct piece p = { .kv = j->kv, .a = j->a, .head = part / parts };

    for (; at >= pieces_of(j, s); s++)
        at -= pieces_of(j, s);
    p.span = s;
    p.first = at * j->tokens;
    p.n = s->n - p.first < j->tokens ? s->n - p.first : j->tokens;
    p.q_head = p.head * j->group + first;
    p.group = j->group - first < j->share ? j->group - first : j->share;
    p.v_pad = ((size_t)j->kv->p.v_dim + 15) / 16 * 16;
    p.keys = (float *)(void *)(j->b->thread_scratch +
                               (size_t)thread * AVX2_THREAD_SCRATCH);
    p.values = p.keys + (size_t)KV_BLOCK * k_dim;
    p.scores = p.values + KV_BLOCK * p.v_pad;
    p.outs = p.scores + ROWS * KV_BLOCK;
    attend(&p);
}

_Static_assert(((size_t)KV_BLOCK * AVX2_MAX_HEAD * 2 + ROWS * KV_BLOCK +
                (size_t)ROWS * AVX2_MAX_HEAD) *
                       sizeof(float) <=
                   AVX2_THREAD_SCRATCH,
               "a piece of attention fits into the scratch");

void avx2_attention(struct be *b, const struct be_kv *kv,
                    const struct be_attn *a)
{
    struct attn_job j = { .b = b, .kv = kv, .a = a };
    size_t n = 0;

    j.group = (size_t)(a->n_head / kv->p.n_kv_head);
    j.share = j.group < ROWS ? j.group : ROWS;
    j.n_part = (size_t)kv->p.n_kv_head * ((j.group + j.share - 1) / j.share);
    j.tokens = ROWS / j.share;
    for (size_t s = 0; s < a->n_spans; s++)
        n += pieces_of(&j, &a->spans[s]);
    pool_run(b->pool, n * j.n_part, compute_piece, &j);
}
#endif
