/* Every operation of every backend that this machine can run, against
 * backend_ref over odd shapes.  Products of quantised weights and int8
 * activations are equal to the bit, the definition leaves nothing open; sums of
 * floats may be in another order, so they have tolerances, stated where they
 * are.  And each backend against itself: a row's result must not depend on the
 * batch, on the threads, or on where the KV blocks lie. */
#include "engine/backend.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "harness/base/mem.h"
#include "tests/t.h"

#define ENTRY(name) &backend_##name,
static const struct backend *const all[] = { BACKENDS(ENTRY) };
#define N_BACKENDS ((int)(sizeof all / sizeof all[0]))

static const enum ggml_type types[] = {
    GGML_Q4_0,   GGML_Q4_1,   GGML_Q5_0, GGML_Q5_1, GGML_Q8_0,
    GGML_Q2_K,   GGML_Q3_K,   GGML_Q4_K, GGML_Q5_K, GGML_Q6_K,
    GGML_IQ4_NL, GGML_IQ4_XS, GGML_F32,  GGML_F16,  GGML_BF16,
};
#define N_TYPES ((int)(sizeof types / sizeof types[0]))

/* --- a backend with what it computes on ----------------------------------- */

struct rig {
    const struct backend *ops;
    struct be *b;
    struct pool *pool;
};

static struct rig rig_open(const struct backend *ops, bool f32, int threads)
{
    struct rig r = { .ops = ops };
    struct be_params p = { .f32 = f32 };
    struct err e;

    t_ok(pool_open(&r.pool, threads, &e), &e);
    p.pool = r.pool;
    t_ok(ops->open(&r.b, &p, &e), &e);
    return r;
}

static void rig_close(struct rig *r)
{
    r->ops->close(r->b);
    pool_close(r->pool);
}

/* n floats of device memory, with these values if x is given. */
static float *floats(const struct rig *r, const float *x, size_t n)
{
    void *p;
    struct err e;

    t_ok(r->ops->alloc(r->b, &p, n * sizeof *x, &e), &e);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    if (x)
        r->ops->upload(r->b, p, x, n * sizeof *x);
    return p;
}

/* Brings device memory to the host and frees it. */
static float *fetch(const struct rig *r, float *device, size_t n)
{
    float *host = mem_array(n + 1, sizeof *host);

    ck_assert_ptr_nonnull(host);
    r->ops->download(r->b, host, device, n * sizeof *host);
    r->ops->free(r->b, device);
    return host;
}

/* --- chance ---------------------------------------------------------------- */

static uint64_t state = 1;

static uint32_t chance(void)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(state >> 33);
}

/* About normal, by the sum of four. */
static float normal(void)
{
    double s = 0;

    for (int i = 0; i < 4; i++)
        s += chance() / 2147483648.0 - 0.5;
    return (float)(s * 1.7);
}

static float *normals(size_t n)
{
    float *x = mem_array(n + 1, sizeof *x);

    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n; i++)
        x[i] = normal();
    return x;
}

/* --- comparing ------------------------------------------------------------- */

static uint32_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static void same_bits(const float *a, const float *b, size_t n,
                      const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (bits_of(a[i]) != bits_of(b[i]))
            ck_abort_msg("%s: element %zu: %.9g, expected %.9g", what, i,
                         (double)a[i], (double)b[i]);
}

static void close_to(const float *a, const float *b, size_t n, double tolerance,
                     const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tolerance))
            ck_abort_msg("%s: element %zu: %.9g, expected %.9g", what, i,
                         (double)a[i], (double)b[i]);
}

/* --- weights --------------------------------------------------------------- */

/* Where the half-precision factors of a block are. */
static void factor_places(enum ggml_type type, int at[2])
{
    int two = type == GGML_Q4_1 || type == GGML_Q5_1 || type == GGML_Q4_K ||
              type == GGML_Q5_K || type == GGML_Q2_K;

    at[0] = type == GGML_Q2_K   ? 80
            : type == GGML_Q3_K ? 108
            : type == GGML_Q6_K ? 208
                                : 0;
    at[1] = two ? at[0] + 2 : at[0];
}

static void random_block(enum ggml_type type, unsigned char *p, int bytes)
{
    int at[2];

    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)chance();
    factor_places(type, at);
    for (int i = 0; i < 2; i++) {
        uint16_t h = quant_f32_to_f16(normal() * 0.01F);
        memcpy(p + at[i], &h, sizeof h);
    }
}

static void random_float(enum ggml_type type, unsigned char *p)
{
    float f = normal() * 0.1F;
    uint16_t h = type == GGML_F16 ? quant_f32_to_f16(f) : quant_f32_to_bf16(f);

    if (type == GGML_F32)
        memcpy(p, &f, sizeof f);
    else
        memcpy(p, &h, sizeof h);
}

/* A tensor of random blocks; t->data is freed by the caller. */
static void random_tensor(struct gguf_tensor *t, enum ggml_type type,
                          int64_t rows, int64_t cols)
{
    const struct quant_type *q = quant_type((int)type);
    size_t n = (size_t)(rows * cols / q->block_elems);
    unsigned char *data = mem_array(n, (size_t)q->block_bytes);

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < n; i++)
        if (q->block_elems > 1)
            random_block(type, data + i * (size_t)q->block_bytes,
                         q->block_bytes);
        else
            random_float(type, data + i * (size_t)q->block_bytes);
    *t = (struct gguf_tensor){ .name = { "w", 1 },
                               .type = type,
                               .n_dims = 2,
                               .dims = { cols, rows, 1, 1 },
                               .data = data,
                               .bytes = n * (size_t)q->block_bytes };
}

static void tensor_free(struct gguf_tensor *t)
{
    union {
        const unsigned char *c;
        unsigned char *p;
    } u = { t->data };

    mem_free(u.p);
}

static bool is_float(enum ggml_type type)
{
    return quant_type((int)type)->block_elems == 1;
}

/* --- products -------------------------------------------------------------- */

struct shape {
    int64_t rows, units; /* columns in blocks of the type (floats: of 13) */
    size_t T;
    bool bias;
};

static const struct shape shapes[] = {
    { 1, 1, 1, false },   { 8, 1, 2, true },    { 5, 2, 3, false },
    { 19, 3, 7, true },   { 33, 2, 17, true },  { 70, 5, 1, true },
    { 16, 40, 5, false }, { 24, 3, 150, true },
};
#define N_SHAPES ((int)(sizeof shapes / sizeof shapes[0]))
#define GAP ((size_t)3) /* floats between rows */

struct product {
    struct shape s;
    struct gguf_tensor t;
    int64_t cols;
    float *x, *bias; /* x has GAP more columns */
};

static void product_make(struct product *p, enum ggml_type type, int shape)
{
    int elems = quant_type((int)type)->block_elems;

    p->s = shapes[shape];
    /* 256-column blocks: fewer of them, for they are long. */
    if (elems == 256 && p->s.units > 5)
        p->s.units = 5;
    p->cols = p->s.units * (elems == 1 ? 13 : elems);
    random_tensor(&p->t, type, p->s.rows, p->cols);
    p->x = normals(p->s.T * (size_t)(p->cols + GAP));
    p->bias = normals((size_t)p->s.rows);
}

static void product_free(struct product *p)
{
    tensor_free(&p->t);
    mem_free(p->x);
    mem_free(p->bias);
}

/* Tokens first ... first+n-1, by two products at once: all rows, and the rows
 * after the first; both must fit into one picture of 2 * rows + GAP columns. */
static float *multiply(const struct rig *r, const struct product *p,
                       size_t first, size_t n)
{
    size_t x_stride = (size_t)p->cols + GAP, rows = (size_t)p->s.rows;
    size_t stride = 2 * rows + GAP;
    float *x = floats(r, p->x + first * x_stride, n * x_stride);
    float *bias = floats(r, p->bias, rows), *out = floats(r, NULL, n * stride);
    struct be_mat *whole, *part;
    struct err e;

    t_ok(r->ops->mat_open(r->b, &whole, &p->t, 0, p->s.rows, &e), &e);
    t_ok(r->ops->mat_open(r->b, &part, &p->t, 1, p->s.rows - 1, &e), &e);
    r->ops->matmul(
        r->b, x, x_stride, n,
        (struct be_linear[]){ { whole, p->s.bias ? bias : NULL, out, stride },
                              { part, NULL, out + rows, stride } },
        p->s.rows > 1 ? 2 : 1);
    r->ops->mat_close(r->b, whole);
    r->ops->mat_close(r->b, part);
    r->ops->free(r->b, x);
    r->ops->free(r->b, bias);
    return fetch(r, out, n * stride);
}

/* The largest sum of |weight * x| there is: what rounding errors go by. */
static double magnitude(const struct product *p)
{
    double most = 0;
    float *w = mem_array((size_t)p->cols, sizeof *w);
    const struct quant_type *q = quant_type((int)p->t.type);
    size_t row_bytes = p->t.bytes / (size_t)p->s.rows;

    ck_assert_ptr_nonnull(w);
    for (size_t r = 0; r < (size_t)p->s.rows; r++) {
        q->dequantise(p->t.data + r * row_bytes, w, (size_t)p->cols);
        for (size_t t = 0; t < p->s.T; t++) {
            double sum = 0;
            for (int64_t c = 0; c < p->cols; c++)
                sum +=
                    fabs((double)w[c] *
                         (double)p->x[t * (size_t)(p->cols + GAP) + (size_t)c]);
            most = sum > most ? sum : most;
        }
    }
    mem_free(w);
    return most;
}

static void compare_product(const struct rig *r, const struct rig *ref,
                            enum ggml_type type, int shape, bool f32)
{
    const char *name = quant_type_name((int)type);
    struct product p;
    float *a, *b;
    size_t n;

    product_make(&p, type, shape);
    n = p.s.T * (2 * (size_t)p.s.rows + GAP);
    a = multiply(r, &p, 0, p.s.T);
    b = multiply(ref, &p, 0, p.s.T);
    if (f32 || is_float(type))
        close_to(a, b, n, 2e-6 * magnitude(&p) + 1e-6, name);
    else
        same_bits(a, b, n, name);
    mem_free(a);
    mem_free(b);
    product_free(&p);
}

/* int8: the same bits as the reference; floats: 2e-6 of sum |w x|. */
START_TEST(products_are_the_references)
{
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, ref;
        bool f32 = _i % 2;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], f32, 2);
        ref = rig_open(&backend_ref, f32, 1);
        for (int s = 0; s < N_SHAPES; s++)
            compare_product(&r, &ref, types[_i / 2], s, f32);
        rig_close(&r);
        rig_close(&ref);
    }
}
END_TEST

static void compare_alone(const struct rig *r, const struct rig *other,
                          enum ggml_type type, int shape)
{
    struct product p;
    float *a, *b;
    size_t stride;

    product_make(&p, type, shape);
    stride = 2 * (size_t)p.s.rows + GAP;
    a = multiply(r, &p, 0, p.s.T);
    for (size_t t = 0; t < p.s.T; t += t < 8 ? 1 : 29) {
        b = multiply(other, &p, t, 1);
        same_bits(b, a + t * stride, stride, quant_type_name((int)type));
        mem_free(b);
    }
    mem_free(a);
    product_free(&p);
}

START_TEST(products_do_not_depend_on_the_batch_or_the_threads)
{
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, other;
        bool f32 = _i % 2;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], f32, 3);
        other = rig_open(all[i], f32, 1);
        for (int s = 2; s < N_SHAPES; s++)
            compare_alone(&r, &other, types[_i / 2], s);
        rig_close(&r);
        rig_close(&other);
    }
}
END_TEST

static void compare_rows(const struct rig *r, enum ggml_type type)
{
    static const int32_t ids[] = { 18, 0, 7, 7, 8, 3, 11, 16, 1, 2, 5 };
    const size_t n = sizeof ids / sizeof ids[0], T = 7, rows = 19;
    struct product p;
    struct be_mat *m;
    struct err e;
    float *x, *some, *whole, *a, *b;

    product_make(&p, type, 3);
    ck_assert(p.s.T == T && p.s.rows == (int64_t)rows);
    x = floats(r, p.x, T * (size_t)p.cols);
    some = floats(r, NULL, T * n);
    whole = floats(r, NULL, T * rows);
    t_ok(r->ops->mat_open(r->b, &m, &p.t, 0, p.s.rows, &e), &e);
    r->ops->matmul_rows(r->b, x, T, m, ids, n, some);
    r->ops->matmul(r->b, x, (size_t)p.cols, T,
                   &(struct be_linear){ m, NULL, whole, rows }, 1);
    r->ops->mat_close(r->b, m);
    r->ops->free(r->b, x);
    a = fetch(r, some, T * n);
    b = fetch(r, whole, T * rows);
    for (size_t t = 0; t < T; t++)
        for (size_t j = 0; j < n; j++)
            same_bits(&a[t * n + j], &b[t * rows + (size_t)ids[j]], 1,
                      quant_type_name((int)type));
    mem_free(a);
    mem_free(b);
    product_free(&p);
}

START_TEST(single_rows_are_those_of_the_whole_product)
{
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], _i % 2, 2);
        compare_rows(&r, types[_i / 2]);
        rig_close(&r);
    }
}
END_TEST

START_TEST(embedded_rows_are_dequantised_rows)
{
    static const int32_t ids[] = { 4, 0, 8, 4 };
    const enum ggml_type type = types[_i];
    const struct quant_type *q = quant_type((int)type);
    const size_t cols = q->block_elems == 1 ? 21 : (size_t)q->block_elems * 2;
    struct gguf_tensor t;
    float row[512];

    random_tensor(&t, type, 10, (int64_t)cols);
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r;
        struct be_mat *m;
        struct err e;
        float *out, *y;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], false, 2);
        out = floats(&r, NULL, 4 * cols);
        t_ok(r.ops->mat_open(r.b, &m, &t, 1, 9, &e), &e);
        r.ops->embed(r.b, m, ids, 4, 1.5F, out);
        r.ops->mat_close(r.b, m);
        y = fetch(&r, out, 4 * cols);
        for (size_t k = 0; k < 4; k++) {
            q->dequantise(t.data + (size_t)(ids[k] + 1) * (t.bytes / 10), row,
                          cols);
            for (size_t c = 0; c < cols; c++)
                row[c] *= 1.5F;
            same_bits(y + k * cols, row, cols, q->name);
        }
        mem_free(y);
        rig_close(&r);
    }
    tensor_free(&t);
}
END_TEST

/* What is no number in a row of x is none in its results, and nowhere else. */
static void check_poison(const struct rig *r, enum ggml_type type, float poison)
{
    struct product p;
    float *y;
    size_t stride;

    product_make(&p, type, 3);
    stride = 2 * (size_t)p.s.rows + GAP;
    p.x[2 * (size_t)(p.cols + GAP) + 5] = poison;
    y = multiply(r, &p, 0, p.s.T);
    for (size_t t = 0; t < p.s.T; t++)
        for (size_t c = 0; c < (size_t)p.s.rows; c++)
            ck_assert_msg(!isfinite(y[t * stride + c]) == (t == 2),
                          "%s: row %zu, column %zu: %g",
                          quant_type_name((int)type), t, c,
                          (double)y[t * stride + c]);
    mem_free(y);
    product_free(&p);
}

START_TEST(what_is_no_number_stays_visible)
{
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], _i % 2, 2);
        check_poison(&r, types[_i / 2], NAN);
        check_poison(&r, types[_i / 2], -INFINITY);
        rig_close(&r);
    }
}
END_TEST

/* Zero blocks, and scales so small that x / d passes 127. */
START_TEST(tiny_activations_are_the_references)
{
    static const float sizes[] = { 0, 1e-45F, 3e-43F, 1e-39F, 1e-30F };
    struct gguf_tensor t;
    const size_t cols = 64;
    float x[5 * 64];

    random_tensor(&t, GGML_Q5_0, 9, (int64_t)cols);
    for (size_t i = 0; i < 5 * cols; i++)
        x[i] = normal() * sizes[i / cols];
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, ref;
        struct product p = {
            .s = { 9, 2, 1, false }, .t = t, .cols = 61, .x = x, .bias = x
        };
        float *a, *b;

        if (!all[i]->available())
            continue;
        p.cols = (int64_t)cols;
        r = rig_open(all[i], false, 1);
        ref = rig_open(&backend_ref, false, 1);
        for (size_t k = 0; k < 4; k++) {
            p.x = x + k * cols;
            a = multiply(&r, &p, 0, 1);
            b = multiply(&ref, &p, 0, 1);
            same_bits(a, b, 18, "tiny");
            mem_free(a);
            mem_free(b);
        }
        rig_close(&r);
        rig_close(&ref);
    }
    tensor_free(&t);
}
END_TEST

/* --- rows ------------------------------------------------------------------ */

static float *norm_of(const struct rig *r, enum be_norm_kind kind,
                      const float *x, const float *weight, size_t rows,
                      size_t n)
{
    float *dx = floats(r, x, rows * (n + GAP));
    float *w = floats(r, weight, 2 * n), *out = floats(r, NULL, rows * n);

    r->ops->norm(r->b, kind, dx, n + GAP, rows, n, w,
                 kind == BE_NORM_LAYER ? w + n : NULL, 1e-5F, out, n);
    /* In place too. */
    r->ops->norm(r->b, kind, dx, n + GAP, rows, n, w,
                 kind == BE_NORM_LAYER ? w + n : NULL, 1e-5F, dx, n + GAP);
    r->ops->free(r->b, w);
    {
        float *a = fetch(r, out, rows * n);
        float *b = fetch(r, dx, rows * (n + GAP));
        for (size_t i = 0; i < rows; i++)
            same_bits(b + i * (n + GAP), a + i * n, n, "in place");
        mem_free(b);
        return a;
    }
}

/* 1e-6 of the values, which are about 1, and the error of the reference's sum in
 * float32, which grows with n. */
START_TEST(norms_are_the_references)
{
    static const size_t sizes[] = { 1, 7, 8, 64, 77, 896, 4100 };
    const size_t n = sizes[_i / 2], rows = n == 896 ? 40 : 3;
    const enum be_norm_kind kind = _i % 2 ? BE_NORM_LAYER : BE_NORM_RMS;
    float *x = normals(rows * (n + GAP)), *w = normals(2 * n);

    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, ref;
        float *a, *b;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], false, 2);
        ref = rig_open(&backend_ref, false, 1);
        a = norm_of(&r, kind, x, w, rows, n);
        b = norm_of(&ref, kind, x, w, rows, n);
        close_to(a, b, rows * n, 1e-5, "norm");
        mem_free(a);
        mem_free(b);
        rig_close(&r);
        rig_close(&ref);
    }
    mem_free(x);
    mem_free(w);
}
END_TEST

static float *rope_of(const struct rig *r, const float *x,
                      const struct be_rope *rope, int dim)
{
    static const struct be_span spans[] = { { 1, 3, 0, NULL, 0 },
                                            { 4, 1, 4097, NULL, 0 },
                                            { 0, 1, 31, NULL, 0 } };
    const size_t stride = 3 * (size_t)dim + GAP;
    float *dx = floats(r, x, 5 * stride);

    r->ops->rope(r->b, dx, stride, 3, dim, rope, spans, 3);
    return fetch(r, dx, 5 * stride);
}

/* Angles are the reference's, so 1e-6 of values of about 1 to 3. */
START_TEST(rotations_are_the_references)
{
    static const int dims[][2] = {
        { 64, 64 }, { 24, 24 }, { 40, 22 }, { 10, 6 }, { 64, 32 }
    };
    const int dim = dims[_i / 2][0];
    float freq[32], other[32], *x = normals(5 * (3 * (size_t)dim + GAP));
    struct be_rope rope = { freq, dims[_i / 2][1], _i % 2, 1.25F };

    for (int i = 0; i < 32; i++) {
        freq[i] = powf(10000, -(float)i / 16);
        other[i] = freq[i] / 3;
    }
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, ref;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], false, 2);
        ref = rig_open(&backend_ref, false, 1);
        /* One after the other: angles that are kept must be the right ones. */
        for (int k = 0; k < 6; k++) {
            float *a, *b;
            rope.inv_freq = k % 3 ? freq : other;
            rope.mscale = k % 2 ? 1 : 1.25F;
            a = rope_of(&r, x, &rope, dim);
            b = rope_of(&ref, x, &rope, dim);
            close_to(a, b, 5 * (3 * (size_t)dim + GAP), 1e-6, "rope");
            mem_free(a);
            mem_free(b);
        }
        rig_close(&r);
        rig_close(&ref);
    }
    mem_free(x);
}
END_TEST

START_TEST(rotations_of_a_long_batch)
{
    const size_t n = 1200, dim = 16;
    const struct be_span spans[] = { { 0, 700, 3, NULL, 0 },
                                     { 700, 500, 50, NULL, 0 } };
    float freq[8] = { 1, 0.5F, 0.2F, 0.1F, 0.05F, 0.02F, 0.01F, 0.001F };
    struct be_rope rope = { freq, 16, false, 1 };
    float *x = normals(n * dim);

    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, ref;
        float *a, *b;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], false, 2);
        ref = rig_open(&backend_ref, false, 1);
        a = floats(&r, x, n * dim);
        b = floats(&ref, x, n * dim);
        r.ops->rope(r.b, a, dim, 1, (int)dim, &rope, spans, 2);
        ref.ops->rope(ref.b, b, dim, 1, (int)dim, &rope, spans, 2);
        a = fetch(&r, a, n * dim);
        b = fetch(&ref, b, n * dim);
        close_to(a, b, n * dim, 1e-6, "rope");
        mem_free(a);
        mem_free(b);
        rig_close(&r);
        rig_close(&ref);
    }
    mem_free(x);
}
END_TEST

static double exact_activation(enum be_act act, double x)
{
    const double root = 0.79788456080286535588;

    if (act == BE_ACT_SILU)
        return x / (1 + exp(-x));
    return 0.5 * x * (1 + tanh(root * x * (1 + 0.044715 * x * x)));
}

/* Against double: 4e-7 relative, and for GELU 3e-7 of x besides, which is what
 * 1 + tanh leaves of a float there. */
START_TEST(activations_are_exact_over_the_whole_range)
{
    const enum be_act act = _i % 2 ? BE_ACT_GELU : BE_ACT_SILU;
    const bool with_up = _i / 2;
    const size_t n = 4003, rows = 3;
    float *x = normals(rows * (n + GAP)), *up = normals(rows * n);

    for (size_t i = 0; i < rows * (n + GAP); i++)
        x[i] = i % 2 ? x[i] * 3 : ((float)i / 12009.0F - 0.5F) * 240;
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r;
        float *g, *u, *y;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], false, 2);
        g = floats(&r, x, rows * (n + GAP));
        u = floats(&r, up, rows * n);
        r.ops->glu(r.b, act, g, n + GAP, with_up ? u : NULL, n, rows, n);
        r.ops->free(r.b, u);
        y = fetch(&r, g, rows * (n + GAP));
        for (size_t k = 0; k < rows * (n + GAP); k++) {
            size_t row = k / (n + GAP), c = k % (n + GAP);
            double v = exact_activation(act, (double)x[k]);
            double f = with_up && c < n ? (double)up[row * n + c] : 1;
            double tol = 4e-7 * fabs(v * f) + 1e-36;
            if (act == BE_ACT_GELU)
                tol += 3e-7 * fabs((double)x[k] * f);
            if (c >= n)
                ck_assert_uint_eq(bits_of(y[k]), bits_of(x[k]));
            else
                ck_assert_msg(fabs((double)y[k] - v * f) <= tol,
                              "%s: act(%.9g) * %g = %.9g, not %.9g",
                              r.ops->name, (double)x[k], f, v * f,
                              (double)y[k]);
        }
        mem_free(y);
        rig_close(&r);
    }
    mem_free(x);
    mem_free(up);
}
END_TEST

START_TEST(activations_keep_what_is_no_number)
{
    for (int i = 0; i < N_BACKENDS; i++) {
        float x[4] = { NAN, INFINITY, -300, 0 }, *g, *y;
        struct rig r;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], false, 1);
        g = floats(&r, x, 4);
        r.ops->glu(r.b, _i ? BE_ACT_GELU : BE_ACT_SILU, g, 4, NULL, 0, 1, 4);
        y = fetch(&r, g, 4);
        ck_assert(isnan(y[0]));
        ck_assert(isinf(y[1]));
        ck_assert_float_eq(y[2], 0);
        ck_assert_float_eq(y[3], 0);
        mem_free(y);
        rig_close(&r);
    }
}
END_TEST

START_TEST(sums_and_copies_are_the_references)
{
    static const int32_t rows[] = { 4, 0, 4, 2 };
    const size_t n = 40003, cols = 77;
    float *x = normals(n), *y = normals(n);

    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, ref;
        float *a[2], *b[2], *src[2];

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], false, 2);
        ref = rig_open(&backend_ref, false, 1);
        for (int k = 0; k < 2; k++) {
            struct rig *at = k ? &ref : &r;
            a[k] = floats(at, y, n);
            b[k] = floats(at, NULL, 4 * cols);
            src[k] = floats(at, x, n);
            at->ops->add(at->b, a[k], src[k], 0.37F, n);
            at->ops->gather(at->b, src[k], rows, 4, cols, b[k]);
            at->ops->free(at->b, src[k]);
            a[k] = fetch(at, a[k], n);
            b[k] = fetch(at, b[k], 4 * cols);
        }
        same_bits(a[0], a[1], n, "add");
        same_bits(b[0], b[1], 4 * cols, "gather");
        for (int k = 0; k < 2; k++) {
            mem_free(a[k]);
            mem_free(b[k]);
        }
        rig_close(&r);
        rig_close(&ref);
    }
    mem_free(x);
    mem_free(y);
}
END_TEST

/* Rows of a batch to other rows, and between rows of other widths. */
static void compare_moves(const struct rig *r, const struct rig *ref,
                          size_t n_rows, size_t n, bool all_rows)
{
    const struct rig *at[] = { r, ref };
    float *x = normals(n_rows * n), *scale = normals(n_rows), *y[2], *z[2];
    int32_t *rows = mem_array(n_rows, sizeof *rows);

    ck_assert_ptr_nonnull(rows);
    for (size_t i = 0; i < n_rows; i++)
        rows[i] = (int32_t)(2 * (n_rows - 1 - i));
    for (int k = 0; k < 2; k++) {
        struct be *b = at[k]->b;
        const struct backend *ops = at[k]->ops;
        float *src = floats(at[k], x, n_rows * n);
        y[k] = floats(at[k], NULL, 2 * n_rows * n);
        z[k] = floats(at[k], NULL, n_rows * (n + GAP));
        ops->scatter(b, src, all_rows ? NULL : rows, scale, n_rows, n, y[k]);
        ops->scatter(b, src, rows, scale, n_rows / 2, n, y[k]);
        ops->copy(b, src + n / 3, n, n_rows, n - n / 3, z[k], n + GAP);
        ops->free(b, src);
        y[k] = fetch(at[k], y[k], 2 * n_rows * n);
        z[k] = fetch(at[k], z[k], n_rows * (n + GAP));
    }
    same_bits(y[0], y[1], 2 * n_rows * n, "scatter");
    same_bits(z[0], z[1], n_rows * (n + GAP), "copy");
    ck_assert_float_eq(y[1][(all_rows ? 2 * n_rows - 1 : 1) * n], 0);
    ck_assert_float_eq(z[1][n + GAP - 1], 0);
    for (int k = 0; k < 2; k++) {
        mem_free(y[k]);
        mem_free(z[k]);
    }
    mem_free(x);
    mem_free(scale);
    mem_free(rows);
}

START_TEST(moved_rows_are_the_references)
{
    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, ref;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], false, 3);
        ref = rig_open(&backend_ref, false, 1);
        compare_moves(&r, &ref, 5, 77, false);
        compare_moves(&r, &ref, 4, 8, true);
        compare_moves(&r, &ref, 100, 1001, false);
        compare_moves(&r, &ref, 99, 640, true);
        rig_close(&r);
        rig_close(&ref);
    }
}
END_TEST

/* --- attention ------------------------------------------------------------- */

struct attention {
    int n_head, n_kv_head, k_dim, v_dim;
    int32_t window;
    bool slopes;
    int32_t open; /* of sequence a */
};

static const struct attention attentions[] = {
    { 4, 4, 64, 64, 0, false, 0 },    { 14, 2, 64, 64, 0, false, 0 },
    { 6, 2, 24, 16, 0, true, 0 },     { 9, 3, 64, 64, 5, false, 0 },
    { 4, 1, 256, 256, 40, false, 0 }, { 3, 1, 7, 5, 0, false, 0 },
    { 5, 5, 40, 33, 33, true, 0 },    { 4, 4, 16, 16, 0, false, 41 },
    { 6, 3, 24, 16, 0, true, 71 },    { 100, 1, 36, 24, 0, false, 0 },
};
#define N_ATTENTIONS ((int)(sizeof attentions / sizeof attentions[0]))

/* Two sequences: one of 75 positions in blocks 3, 0, 5, one of 40 in blocks 1
 * and 4. */
static const int32_t table_a[] = { 3, 0, 5 }, table_b[] = { 1, 4 };
enum { LEN_A = 75, LEN_B = 40, N_BLOCKS = 7, LAYERS = 2, LAYER = 1 };

struct history {
    float *q, *k, *v; /* rows of sequence a, then of b */
};

static struct be_kv *open_kv(const struct rig *r, const struct attention *a)
{
    struct be_kv_params p = { LAYERS, a->n_kv_head, a->k_dim, a->v_dim,
                              N_BLOCKS };
    struct be_kv *kv;
    struct err e;

    t_ok(r->ops->kv_open(r->b, &kv, &p, &e), &e);
    return kv;
}

static const float slopes[] = { 0.5F,  0.25F, 0.125F, 0.06F, 0.03F,
                                0.02F, 0.01F, 0.005F, 0.7F,  0.6F,
                                0.4F,  0.3F,  0.2F,   0.1F };

/* Puts the rows of the spans and computes their attention; rows of h are those
 * of the spans in order. Returns [rows][n_head * v_dim]. */
static float *attend(const struct rig *r, struct be_kv *kv,
                     const struct attention *a, const struct history *h,
                     const struct be_span *spans, size_t n_spans, size_t rows)
{
    float *q = floats(r, h->q, rows * (size_t)(a->n_head * a->k_dim));
    float *k = floats(r, h->k, rows * (size_t)(a->n_kv_head * a->k_dim));
    float *v = floats(r, h->v, rows * (size_t)(a->n_kv_head * a->v_dim));
    float *out = floats(r, NULL, rows * (size_t)(a->n_head * a->v_dim));
    struct be_attn p = { q,
                         out,
                         LAYER,
                         a->n_head,
                         1 / sqrtf((float)a->k_dim),
                         a->window,
                         a->slopes ? slopes : NULL,
                         spans,
                         n_spans };

    r->ops->kv_put(r->b, kv, LAYER, k, v, spans, n_spans);
    r->ops->attention(r->b, kv, &p);
    r->ops->free(r->b, q);
    r->ops->free(r->b, k);
    r->ops->free(r->b, v);
    return fetch(r, out, rows * (size_t)(a->n_head * a->v_dim));
}

static struct history random_history(const struct attention *a, size_t rows)
{
    return (struct history){
        normals(rows * (size_t)(a->n_head * a->k_dim)),
        normals(rows * (size_t)(a->n_kv_head * a->k_dim)),
        normals(rows * (size_t)(a->n_kv_head * a->v_dim)),
    };
}

static void history_free(struct history *h)
{
    mem_free(h->q);
    mem_free(h->k);
    mem_free(h->v);
}

/* Rows from `row` on. */
static struct history from_row(const struct history *h,
                               const struct attention *a, size_t row)
{
    return (struct history){ h->q + row * (size_t)(a->n_head * a->k_dim),
                             h->k + row * (size_t)(a->n_kv_head * a->k_dim),
                             h->v + row * (size_t)(a->n_kv_head * a->v_dim) };
}

/* Both sequences in one batch. */
static float *attend_all(const struct rig *r, const struct attention *a,
                         const struct history *h)
{
    const struct be_span spans[] = { { 0, LEN_A, 0, table_a, a->open },
                                     { LEN_A, LEN_B, 0, table_b, 0 } };
    struct be_kv *kv = open_kv(r, a);
    float *y = attend(r, kv, a, h, spans, 2, LEN_A + LEN_B);

    r->ops->kv_close(r->b, kv);
    return y;
}

/* Outputs are means of values of about 1: 2e-6. */
START_TEST(attention_is_the_references)
{
    const struct attention *a = &attentions[_i / 2];
    struct history h = random_history(a, LEN_A + LEN_B);
    bool f32 = _i % 2;

    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, ref;
        float *x, *y;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], f32, 3);
        ref = rig_open(&backend_ref, f32, 1);
        x = attend_all(&r, a, &h);
        y = attend_all(&ref, a, &h);
        close_to(x, y, (LEN_A + LEN_B) * (size_t)(a->n_head * a->v_dim), 2e-6,
                 r.ops->name);
        mem_free(x);
        mem_free(y);
        rig_close(&r);
        rig_close(&ref);
    }
    history_free(&h);
}
END_TEST

/* Sequence a in other pieces, other blocks, by other threads. */
static void attend_in_pieces(const struct rig *r, const struct attention *a,
                             const struct history *h, const float *expected)
{
    static const int32_t table[] = { 2, 6, 1 };
    static const size_t cuts[] = { 0, 1, 2, 31, 40, 64, 70, LEN_A };
    struct be_kv *kv = open_kv(r, a);
    size_t width = (size_t)a->n_head * (size_t)a->v_dim;

    for (size_t c = 0, end; cuts[c] < LEN_A; c = end) {
        struct be_span span = { 0, 0, (int32_t)cuts[c], table, a->open };
        struct history rest = from_row(h, a, cuts[c]);
        size_t n;
        float *y;

        for (end = c + 1; (int32_t)cuts[end] < a->open; end++)
            ; /* what all see is put at once */
        n = span.n = cuts[end] - cuts[c];
        y = attend(r, kv, a, &rest, &span, 1, n);
        same_bits(y, expected + cuts[c] * width, n * width, "in pieces");
        mem_free(y);
    }
    r->ops->kv_close(r->b, kv);
}

START_TEST(attention_does_not_depend_on_the_batch)
{
    const struct attention *a = &attentions[_i / 2];
    struct history h = random_history(a, LEN_A + LEN_B);
    bool f32 = _i % 2;

    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r, other;
        float *y;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], f32, 3);
        other = rig_open(all[i], f32, 1);
        y = attend_all(&r, a, &h);
        attend_in_pieces(&other, a, &h, y);
        mem_free(y);
        rig_close(&r);
        rig_close(&other);
    }
    history_free(&h);
}
END_TEST

/* An infinite value at position 37 of a: nobody before it may know. */
START_TEST(later_positions_are_not_seen)
{
    const struct attention *a = &attentions[1];
    struct history h = random_history(a, LEN_A + LEN_B);
    size_t width = (size_t)a->n_head * (size_t)a->v_dim;
    size_t kv_width = (size_t)a->n_kv_head * (size_t)a->v_dim;

    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r;
        float *x, *y, kept = h.v[37 * kv_width];

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], _i, 2);
        x = attend_all(&r, a, &h);
        h.v[37 * kv_width] = INFINITY;
        y = attend_all(&r, a, &h);
        h.v[37 * kv_width] = kept;
        same_bits(y, x, 37 * width, "before");
        ck_assert(!isfinite(y[37 * width]));
        ck_assert(!isfinite(y[74 * width]));
        same_bits(y + LEN_A * width, x + LEN_A * width, LEN_B * width,
                  "the other sequence");
        mem_free(x);
        mem_free(y);
        rig_close(&r);
    }
    history_free(&h);
}
END_TEST

/* A fork: block 3 of a is copied up to position 20 and goes on with b's. */
START_TEST(copied_blocks_hold_the_same)
{
    const struct attention *a = &attentions[3];
    const int32_t src = 3, dst = 6;
    struct history h = random_history(a, LEN_A + LEN_B);
    size_t width = (size_t)a->n_head * (size_t)a->v_dim;

    for (int i = 0; i < N_BACKENDS; i++) {
        const struct be_span one = { 0, 25, 0, &src, 0 };
        const struct be_span fork = { 0, 5, 20, &dst, 0 };
        struct history rest = from_row(&h, a, 20);
        struct rig r;
        struct be_kv *kv;
        float *x, *y;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], _i, 2);
        kv = open_kv(&r, a);
        x = attend(&r, kv, a, &h, &one, 1, 25);
        r.ops->kv_copy(r.b, kv, src, dst, 20);
        y = attend(&r, kv, a, &rest, &fork, 1, 5);
        same_bits(y, x + 20 * width, 5 * width, "fork");
        mem_free(x);
        mem_free(y);
        r.ops->kv_close(r.b, kv);
        rig_close(&r);
    }
    history_free(&h);
}
END_TEST

START_TEST(kv_bytes_go_by_the_precision)
{
    struct be_kv_params p = { 24, 2, 64, 32, 10 };

    for (int i = 0; i < N_BACKENDS; i++) {
        struct rig r;

        if (!all[i]->available())
            continue;
        r = rig_open(all[i], _i, 1);
        ck_assert_uint_eq(r.ops->kv_bytes(r.b, &p), _i ? 18432 : 9216);
        rig_close(&r);
    }
}
END_TEST

#if defined(__x86_64__)
/* Or all the other tests would pass without having tried it. */
START_TEST(avx2_runs_where_the_processor_has_it)
{
    __builtin_cpu_init();
    ck_assert_int_eq(backend_avx2.available(),
                     __builtin_cpu_supports("avx2") &&
                         __builtin_cpu_supports("fma"));
}
END_TEST
#endif

/* --- memory ---------------------------------------------------------------- */

static enum err_code open_all(const struct backend *ops, struct pool *pool,
                              const struct gguf_tensor *t, struct err *e)
{
    struct be_params bp = { pool, false };
    struct be_kv_params kp = { 1, 1, 8, 8, 4 };
    struct be *b = NULL;
    struct be_mat *m = NULL;
    struct be_kv *kv = NULL;
    void *p = NULL;
    enum err_code rc = ops->open(&b, &bp, e);

    rc = rc ? rc : ops->mat_open(b, &m, t, 0, t->dims[1], e);
    rc = rc ? rc : ops->kv_open(b, &kv, &kp, e);
    rc = rc ? rc : ops->alloc(b, &p, 100, e);
    if (b) {
        ops->free(b, p);
        ops->kv_close(b, kv);
        ops->mat_close(b, m);
    }
    ops->close(b);
    return rc;
}

START_TEST(every_failed_allocation_is_reported)
{
    struct gguf_tensor t;
    struct pool *pool;
    struct err e;

    t_ok(pool_open(&pool, 2, &e), &e);
    random_tensor(&t, GGML_Q4_K, 9, 512);
    for (int i = 0; i < N_BACKENDS; i++) {
        enum err_code rc = ERR_NOMEM;
        size_t n = 0;

        if (!all[i]->available())
            continue;
        while (rc != ERR_OK) {
            mem_fail_at(++n, false);
            rc = open_all(all[i], pool, &t, &e);
            mem_fail_at(0, false);
            ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "%s", e.msg);
            ck_assert_uint_lt(n, 100);
        }
        ck_assert_uint_gt(n, 3);
    }
    tensor_free(&t);
    pool_close(pool);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_set_timeout(tc, 120);
#if defined(__x86_64__)
    tcase_add_test(tc, avx2_runs_where_the_processor_has_it);
#endif
    tcase_add_loop_test(tc, products_are_the_references, 0, N_TYPES * 2);
    tcase_add_loop_test(tc, products_do_not_depend_on_the_batch_or_the_threads,
                        0, N_TYPES * 2);
    tcase_add_loop_test(tc, single_rows_are_those_of_the_whole_product, 0,
                        N_TYPES * 2);
    tcase_add_loop_test(tc, embedded_rows_are_dequantised_rows, 0, N_TYPES);
    tcase_add_loop_test(tc, what_is_no_number_stays_visible, 0, N_TYPES * 2);
    tcase_add_test(tc, tiny_activations_are_the_references);
    tcase_add_loop_test(tc, norms_are_the_references, 0, 14);
    tcase_add_loop_test(tc, rotations_are_the_references, 0, 10);
    tcase_add_test(tc, rotations_of_a_long_batch);
    tcase_add_loop_test(tc, activations_are_exact_over_the_whole_range, 0, 4);
    tcase_add_loop_test(tc, activations_keep_what_is_no_number, 0, 2);
    tcase_add_test(tc, sums_and_copies_are_the_references);
    tcase_add_test(tc, moved_rows_are_the_references);
    tcase_add_loop_test(tc, attention_is_the_references, 0, N_ATTENTIONS * 2);
    tcase_add_loop_test(tc, attention_does_not_depend_on_the_batch, 0,
                        N_ATTENTIONS * 2);
    tcase_add_loop_test(tc, later_positions_are_not_seen, 0, 2);
    tcase_add_loop_test(tc, copied_blocks_hold_the_same, 0, 2);
    tcase_add_loop_test(tc, kv_bytes_go_by_the_precision, 0, 2);
    tcase_add_test(tc, every_failed_allocation_is_reported);
}

T_MAIN("backend", setup)
