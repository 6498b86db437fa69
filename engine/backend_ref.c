/* The reference backend: plain C, one obvious loop after the other.
 *
 * It is the truth that the other backends are tested against, so it is never
 * optimised; it takes no threads.  Rows of a batch are taken TILE at a time
 * only so that a weight row is unpacked once for several of them.  "Device
 * memory" is the host's. */
#include "engine/backend.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "harness/base/mem.h"

#define TILE 16
#define MAX_COLS 131072
#define ALIGN 64

struct be {
    bool f32;
    float row[MAX_COLS];                 /* a weight row, dequantised */
    int8_t q[TILE][MAX_COLS];            /* activations as integers ... */
    float d[TILE][MAX_COLS / QUANT_RUN]; /* ... and their scales */
};

struct be_mat {
    const struct quant_type *type;
    const unsigned char *data;
    size_t rows, cols, row_bytes;
};

struct be_kv {
    struct be_kv_params p;
    bool f32;
    size_t k_row, v_row; /* elements of a position in one layer */
    unsigned char *k, *v;
};

static bool available(void)
{
    return true;
}

static enum err_code open(struct be **out, const struct be_params *p,
                          struct err *e)
{
    struct be *b = mem_zalloc(sizeof *b);

    *out = b;
    if (!b)
        return err_set(e, ERR_NOMEM, "no memory for the ref backend");
    b->f32 = p->f32;
    return ERR_OK;
}

static void close(struct be *b)
{
    mem_free(b);
}

/* --- memory --------------------------------------------------------------- */

/* The pointer that mem_alloc() gave lies just below the aligned one. */
static enum err_code alloc(struct be *b, void **p, size_t bytes, struct err *e)
{
    size_t room;
    unsigned char *raw = NULL, *aligned;

    (void)b;
    *p = NULL;
    if (!__builtin_add_overflow(bytes, ALIGN + sizeof raw, &room))
        raw = mem_zalloc(room);
    if (!raw)
        return err_set(e, ERR_NOMEM, "no memory: %zu bytes", bytes);
    aligned = raw + sizeof raw;
    aligned += (ALIGN - (uintptr_t)aligned % ALIGN) % ALIGN;
    memcpy(aligned - sizeof raw, &raw, sizeof raw);
    *p = aligned;
    return ERR_OK;
}

static void release(struct be *b, void *p)
{
    unsigned char *raw;

    (void)b;
    if (!p)
        return;
    memcpy(&raw, (unsigned char *)p - sizeof raw, sizeof raw);
    mem_free(raw);
}

static void move(struct be *b, void *dst, const void *src, size_t bytes)
{
    (void)b;
    memcpy(dst, src, bytes);
}

/* --- matrices ------------------------------------------------------------- */

static enum err_code mat_open(struct be *b, struct be_mat **out,
                              const struct gguf_tensor *t, int64_t first_row,
                              int64_t rows, struct err *e)
{
    const struct quant_type *type = quant_type(t->type);
    struct be_mat *m = mem_zalloc(sizeof *m);

    (void)b;
    *out = NULL;
    assert(type && first_row >= 0 && rows >= 0);
    assert(first_row + rows <= t->dims[1] * t->dims[2] * t->dims[3]);
    if (!m)
        return err_set(e, ERR_NOMEM, "no memory for a matrix");
    if (t->dims[0] > MAX_COLS) {
        mem_free(m);
        return err_set(e, ERR_LIMIT, "tensor %.*s: more than %d columns",
                       STR_FMT(t->name), MAX_COLS);
    }
    m->type = type;
    m->rows = (size_t)rows;
    m->cols = (size_t)t->dims[0];
    m->row_bytes = m->cols / type->block_elems * type->block_bytes;
    m->data = t->data + (size_t)first_row * m->row_bytes;
    *out = m;
    return ERR_OK;
}

static void mat_close(struct be *b, struct be_mat *m)
{
    (void)b;
    mem_free(m);
}

static uint64_t mat_bytes(const struct be_mat *m)
{
    (void)m;
    return 0;
}

static void embed(struct be *b, const struct be_mat *m, const int32_t *ids,
                  size_t n, float scale, float *out)
{
    (void)b;
    for (size_t i = 0; i < n; i++) {
        float *y = out + i * m->cols;
        assert(ids[i] >= 0 && (size_t)ids[i] < m->rows);
        m->type->dequantise(m->data + ids[i] * m->row_bytes, y, m->cols);
        for (size_t c = 0; c < m->cols; c++)
            y[c] *= scale;
    }
}

/* A NaN or infinity anywhere makes d NaN, so that it stays visible.  A
 * subnormal d is coarse: the quotient may pass 127. */
static void quantise_run(const float *x, int8_t *q, float *d)
{
    float max = 0, poison = 0;

    for (int j = 0; j < QUANT_RUN; j++) {
        max = fmaxf(max, fabsf(x[j]));
        poison += x[j] * 0.0f;
    }
    *d = max / 127.0f + poison;
    for (int j = 0; j < QUANT_RUN; j++)
        q[j] = *d > 0 ? (int8_t)rintf(fmaxf(-127, fminf(127, x[j] / *d))) : 0;
}

static void quantise(struct be *b, size_t t, const float *x, size_t cols)
{
    for (size_t i = 0; i < cols / QUANT_RUN; i++)
        quantise_run(x + i * QUANT_RUN, b->q[t] + i * QUANT_RUN, &b->d[t][i]);
}

/* The formulas of backend.h: u and v are 1 for types whose scale is a float for
 * the whole run. */
static float add_run(float acc, const struct quant_run *r, bool has_min,
                     const int8_t *q, float d)
{
    int sum = 0, min = 0;

    for (int j = 0; j < QUANT_RUN; j++) {
        sum += r->u[j / 16] * r->w[j] * q[j];
        min += r->v[j / 16] * q[j];
    }
    acc = fmaf(r->s * d, (float)sum, acc);
    return has_min ? fmaf(r->m, d * (float)min, acc) : acc;
}

/* out[t] = the row times the integers in b->q[t]. */
static void row_by_integers(const struct be *b, const struct be_mat *m,
                            const unsigned char *row, size_t T, float *out)
{
    size_t elems = (size_t)m->type->block_elems;
    struct quant_run r;

    memset(out, 0, T * sizeof *out);
    for (size_t c = 0; c < m->cols; c += QUANT_RUN) {
        m->type->unpack(row + c / elems * m->type->block_bytes,
                        c % elems / QUANT_RUN, &r);
        for (size_t t = 0; t < T; t++)
            out[t] = add_run(out[t], &r, m->type->has_min, b->q[t] + c,
                             b->d[t][c / QUANT_RUN]);
    }
}

static void row_by_floats(struct be *b, const struct be_mat *m,
                          const unsigned char *row, const float *x,
                          size_t x_stride, size_t T, float *out)
{
    m->type->dequantise(row, b->row, m->cols);
    for (size_t t = 0; t < T; t++) {
        out[t] = 0;
        for (size_t c = 0; c < m->cols; c++)
            out[t] += b->row[c] * x[t * x_stride + c];
    }
}

/* out[t] = row r of m times x[t], T <= TILE; b->q holds x as integers. */
static void row_product(struct be *b, const struct be_mat *m, size_t r,
                        const float *x, size_t x_stride, size_t T, float *out)
{
    const unsigned char *row = m->data + r * m->row_bytes;

    assert(r < m->rows);
    if (b->f32 || !m->type->unpack)
        row_by_floats(b, m, row, x, x_stride, T, out);
    else
        row_by_integers(b, m, row, T, out);
}

static void linear_tile(struct be *b, const struct be_linear *l, size_t first,
                        const float *x, size_t x_stride, size_t T)
{
    float y[TILE];

    for (size_t r = 0; r < l->mat->rows; r++) {
        row_product(b, l->mat, r, x, x_stride, T, y);
        for (size_t t = 0; t < T; t++)
            l->out[(first + t) * l->out_stride + r] =
                y[t] + (l->bias ? l->bias[r] : 0);
    }
}

static void quantise_tile(struct be *b, const float *x, size_t x_stride,
                          size_t T, size_t cols)
{
    if (b->f32)
        return;
    for (size_t t = 0; t < T; t++)
        quantise(b, t, x + t * x_stride, cols);
}

static size_t tile_rows(size_t T, size_t first)
{
    return T - first < TILE ? T - first : TILE;
}

static void matmul(struct be *b, const float *x, size_t x_stride, size_t T,
                   const struct be_linear *lin, size_t n_lin)
{
    for (size_t first = 0; first < T; first += TILE) {
        const float *tile = x + first * x_stride;
        size_t n = tile_rows(T, first);
        quantise_tile(b, tile, x_stride, n, lin[0].mat->cols);
        for (size_t i = 0; i < n_lin; i++)
            linear_tile(b, &lin[i], first, tile, x_stride, n);
    }
}

static void matmul_rows(struct be *b, const float *x, size_t T,
                        const struct be_mat *mat, const int32_t *ids,
                        size_t n_ids, float *out)
{
    float y[TILE];

    for (size_t first = 0; first < T; first += TILE) {
        const float *tile = x + first * mat->cols;
        size_t n = tile_rows(T, first);
        quantise_tile(b, tile, mat->cols, n, mat->cols);
        for (size_t j = 0; j < n_ids; j++) {
            row_product(b, mat, (size_t)ids[j], tile, mat->cols, n, y);
            for (size_t t = 0; t < n; t++)
                out[(first + t) * n_ids + j] = y[t];
        }
    }
}

/* --- rows ----------------------------------------------------------------- */

static void norm_row(enum be_norm_kind kind, const float *x, size_t n,
                     const float *weight, const float *bias, float eps,
                     float *out)
{
    float mean = 0, var = 0, scale;

    if (kind == BE_NORM_LAYER) {
        for (size_t i = 0; i < n; i++)
            mean += x[i];
        mean /= (float)n;
    }
    for (size_t i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean);
    scale = 1.0f / sqrtf(var / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        out[i] = (x[i] - mean) * scale * weight[i] + (bias ? bias[i] : 0);
}

static void norm(struct be *b, enum be_norm_kind kind, const float *x,
                 size_t x_stride, size_t rows, size_t n, const float *weight,
                 const float *bias, float eps, float *out, size_t out_stride)
{
    (void)b;
    for (size_t r = 0; r < rows; r++)
        norm_row(kind, x + r * x_stride, n, weight, bias, eps,
                 out + r * out_stride);
}

static void rotate_head(float *x, const struct be_rope *r, float pos)
{
    size_t n = (size_t)r->n_rot / 2;

    for (size_t i = 0; i < n; i++) {
        double angle = pos * r->inv_freq[i]; /* a float32 product */
        float c = (float)cos(angle), s = (float)sin(angle);
        float *a = r->interleaved ? x + 2 * i : x + i;
        float *z = r->interleaved ? a + 1 : a + n;
        float xa = *a, xz = *z;
        *a = (xa * c - xz * s) * r->mscale;
        *z = (xa * s + xz * c) * r->mscale;
    }
}

static void rope(struct be *b, float *x, size_t x_stride, int n_head, int dim,
                 const struct be_rope *r, const struct be_span *spans,
                 size_t n_spans)
{
    (void)b;
    for (size_t s = 0; s < n_spans; s++)
        for (size_t i = 0; i < spans[s].n; i++)
            for (int h = 0; h < n_head; h++)
                rotate_head(x + (spans[s].row + i) * x_stride +
                                (size_t)h * (size_t)dim,
                            r, (float)(spans[s].pos + (int32_t)i));
}

static float activate(enum be_act act, float x)
{
    const float root = 0.79788456080286535588f; /* sqrt(2 / pi) */

    if (act == BE_ACT_SILU)
        return x / (1.0f + expf(-x));
    return 0.5f * x * (1.0f + tanhf(root * x * (1.0f + 0.044715f * x * x)));
}

static void glu(struct be *b, enum be_act act, float *gate, size_t gate_stride,
                const float *up, size_t up_stride, size_t rows, size_t n)
{
    (void)b;
    for (size_t r = 0; r < rows; r++) {
        float *g = gate + r * gate_stride;
        for (size_t i = 0; i < n; i++)
            g[i] = activate(act, g[i]) * (up ? up[r * up_stride + i] : 1.0f);
    }
}

static void add(struct be *b, float *y, const float *x, float scale, size_t n)
{
    (void)b;
    for (size_t i = 0; i < n; i++)
        y[i] += scale * x[i];
}

static void gather(struct be *b, const float *src, const int32_t *rows,
                   size_t n_rows, size_t n, float *dst)
{
    (void)b;
    for (size_t i = 0; i < n_rows; i++)
        memcpy(dst + i * n, src + (size_t)rows[i] * n, n * sizeof *dst);
}

static void scatter(struct be *b, const float *x, const int32_t *rows,
                    const float *scale, size_t n_rows, size_t n, float *y)
{
    (void)b;
    for (size_t i = 0; i < n_rows; i++) {
        float *to = y + (rows ? (size_t)rows[i] : i) * n;
        for (size_t c = 0; c < n; c++)
            to[c] += scale[i] * x[i * n + c];
    }
}

static void copy(struct be *b, const float *src, size_t src_stride, size_t rows,
                 size_t n, float *dst, size_t dst_stride)
{
    (void)b;
    for (size_t i = 0; i < rows; i++)
        memcpy(dst + i * dst_stride, src + i * src_stride, n * sizeof *dst);
}

/* --- KV cache: [layer][block][position in it][head][dim] ------------------ */

static size_t kv_elem(bool f32)
{
    return f32 ? sizeof(float) : sizeof(uint16_t);
}

static uint64_t kv_bytes(const struct be *b, const struct be_kv_params *p)
{
    return (uint64_t)p->n_layer * (uint64_t)p->n_kv_head *
           (uint64_t)(p->k_dim + p->v_dim) * kv_elem(b->f32);
}

static unsigned char *kv_alloc(const struct be_kv *kv, size_t row)
{
    size_t n = (size_t)kv->p.n_layer, bytes;

    if (__builtin_mul_overflow(n, kv->p.n_blocks, &n) ||
        __builtin_mul_overflow(n, KV_BLOCK * row, &n) ||
        __builtin_mul_overflow(n, kv_elem(kv->f32), &bytes))
        return NULL;
    return mem_zalloc(bytes);
}

static void kv_close(struct be *b, struct be_kv *kv)
{
    (void)b;
    if (!kv)
        return;
    mem_free(kv->k);
    mem_free(kv->v);
    mem_free(kv);
}

static enum err_code kv_open(struct be *b, struct be_kv **out,
                             const struct be_kv_params *p, struct err *e)
{
    struct be_kv *kv = mem_zalloc(sizeof *kv);

    *out = NULL;
    if (kv) {
        kv->p = *p;
        kv->f32 = b->f32;
        kv->k_row = (size_t)p->n_kv_head * (size_t)p->k_dim;
        kv->v_row = (size_t)p->n_kv_head * (size_t)p->v_dim;
        kv->k = kv_alloc(kv, kv->k_row);
        kv->v = kv_alloc(kv, kv->v_row);
    }
    if (!kv || !kv->k || !kv->v) {
        kv_close(b, kv);
        return err_set(e, ERR_NOMEM, "no memory for a KV cache of %zu blocks",
                       p->n_blocks);
    }
    *out = kv;
    return ERR_OK;
}

/* Index of the first element of a position. */
static size_t kv_at(const struct be_kv *kv, int layer, int32_t block,
                    size_t in_block, size_t row)
{
    size_t blocks = (size_t)layer * kv->p.n_blocks + (size_t)block;
    return (blocks * KV_BLOCK + in_block) * row;
}

static void kv_store(unsigned char *base, bool f32, size_t at, const float *x,
                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (f32)
            ((float *)(void *)base)[at + i] = x[i];
        else
            ((uint16_t *)(void *)base)[at + i] = quant_f32_to_f16(x[i]);
}

static float kv_load(const unsigned char *base, bool f32, size_t at)
{
    if (f32)
        return ((const float *)(const void *)base)[at];
    return quant_f16_to_f32(((const uint16_t *)(const void *)base)[at]);
}

static void kv_put_row(struct be_kv *kv, int layer, const float *k,
                       const float *v, const struct be_span *s, size_t i)
{
    size_t pos = (size_t)s->pos + i, in = pos % KV_BLOCK, row = s->row + i;
    int32_t block = s->table[pos / KV_BLOCK];

    kv_store(kv->k, kv->f32, kv_at(kv, layer, block, in, kv->k_row),
             k + row * kv->k_row, kv->k_row);
    kv_store(kv->v, kv->f32, kv_at(kv, layer, block, in, kv->v_row),
             v + row * kv->v_row, kv->v_row);
}

static void kv_put(struct be *b, struct be_kv *kv, int layer, const float *k,
                   const float *v, const struct be_span *spans, size_t n_spans)
{
    (void)b;
    for (size_t s = 0; s < n_spans; s++)
        for (size_t i = 0; i < spans[s].n; i++)
            kv_put_row(kv, layer, k, v, &spans[s], i);
}

static void kv_copy(struct be *b, struct be_kv *kv, int32_t src, int32_t dst,
                    size_t n)
{
    size_t elem = kv_elem(kv->f32);

    (void)b;
    for (int l = 0; l < kv->p.n_layer; l++) {
        memcpy(kv->k + kv_at(kv, l, dst, 0, kv->k_row) * elem,
               kv->k + kv_at(kv, l, src, 0, kv->k_row) * elem,
               n * kv->k_row * elem);
        memcpy(kv->v + kv_at(kv, l, dst, 0, kv->v_row) * elem,
               kv->v + kv_at(kv, l, src, 0, kv->v_row) * elem,
               n * kv->v_row * elem);
    }
}

/* --- attention ------------------------------------------------------------ */

/* One query head at one position. */
struct query {
    const float *q;
    int32_t pos;
    int32_t end; /* it sees the positions before this one */
    int head, kv_head;
    float max, sum; /* of the softmax so far */
    float *out;
};

static float score(const struct be_kv *kv, const struct be_attn *a,
                   const struct query *u, int32_t block, int32_t key)
{
    size_t at = kv_at(kv, a->layer, block, (size_t)key % KV_BLOCK, kv->k_row) +
                (size_t)u->kv_head * (size_t)kv->p.k_dim;
    float dot = 0;

    if (key >= u->end || (a->window > 0 && u->pos - key >= a->window))
        return -INFINITY;
    for (int i = 0; i < kv->p.k_dim; i++)
        dot += u->q[i] * kv_load(kv->k, kv->f32, at + (size_t)i);
    dot *= a->scale;
    return a->slopes ? dot + a->slopes[u->head] * (float)(key - u->pos) : dot;
}

static void add_value(const struct be_kv *kv, const struct be_attn *a,
                      struct query *u, int32_t block, int32_t key, float p)
{
    size_t at = kv_at(kv, a->layer, block, (size_t)key % KV_BLOCK, kv->v_row) +
                (size_t)u->kv_head * (size_t)kv->p.v_dim;

    u->sum += p;
    for (int i = 0; i < kv->p.v_dim; i++)
        u->out[i] += p * kv_load(kv->v, kv->f32, at + (size_t)i);
}

static void rescale(const struct be_kv *kv, struct query *u, float max)
{
    float c = expf(u->max - max);

    u->max = max;
    u->sum *= c;
    for (int i = 0; i < kv->p.v_dim; i++)
        u->out[i] *= c;
}

/* A tile: the keys first ... first+KV_BLOCK-1, all in one block. */
static void attend_tile(const struct be_kv *kv, const struct be_attn *a,
                        struct query *u, int32_t block, int32_t first)
{
    float s[KV_BLOCK], max = u->max;
    bool any = false;

    for (int j = 0; j < KV_BLOCK; j++) {
        s[j] = score(kv, a, u, block, first + j);
        max = fmaxf(max, s[j]);
        any = any || s[j] != -INFINITY;
    }
    if (!any)
        return;
    rescale(kv, u, max);
    for (int j = 0; j < KV_BLOCK; j++)
        if (s[j] != -INFINITY)
            add_value(kv, a, u, block, first + j, expf(s[j] - max));
}

static void attend(const struct be_kv *kv, const struct be_attn *a,
                   const struct be_span *s, size_t i, int head)
{
    size_t k_dim = (size_t)kv->p.k_dim, v_dim = (size_t)kv->p.v_dim;
    size_t at = (s->row + i) * (size_t)a->n_head + (size_t)head;
    struct query u = { .q = a->q + at * k_dim,
                       .pos = s->pos + (int32_t)i,
                       .end = s->pos + (int32_t)i + 1,
                       .head = head,
                       .kv_head = head / (a->n_head / kv->p.n_kv_head),
                       .max = -INFINITY,
                       .out = a->out + at * v_dim };

    if (u.end < s->open)
        u.end = s->open;
    memset(u.out, 0, v_dim * sizeof *u.out);
    for (int32_t first = 0; first < u.end; first += KV_BLOCK)
        attend_tile(kv, a, &u, s->table[first / KV_BLOCK], first);
    for (size_t j = 0; j < v_dim; j++)
        u.out[j] /= u.sum;
}

static void attention(struct be *b, const struct be_kv *kv,
                      const struct be_attn *a)
{
    (void)b;
    for (size_t s = 0; s < a->n_spans; s++)
        for (size_t i = 0; i < a->spans[s].n; i++)
            for (int h = 0; h < a->n_head; h++)
                attend(kv, a, &a->spans[s], i, h);
}

const struct backend backend_ref = {
    .name = "ref",
    .doc = "plain C on one thread: the truth for tests",
    .available = available,
    .open = open,
    .close = close,
    .alloc = alloc,
    .free = release,
    .upload = move,
    .download = move,
    .mat_open = mat_open,
    .mat_close = mat_close,
    .mat_bytes = mat_bytes,
    .embed = embed,
    .matmul = matmul,
    .matmul_rows = matmul_rows,
    .norm = norm,
    .rope = rope,
    .glu = glu,
    .add = add,
    .gather = gather,
    .scatter = scatter,
    .copy = copy,
    .kv_open = kv_open,
    .kv_close = kv_close,
    .kv_bytes = kv_bytes,
    .kv_put = kv_put,
    .kv_copy = kv_copy,
    .attention = attention,
};
