/* Operations on rows: norms, rotation, activations, sums, copies.
 *
 * They are a hundredth of the time of the products, so they are vectorised and
 * shared among threads when there is enough of them, and that is all.  Sums run
 * in double: it costs nothing beside the memory and needs no argument about
 * their order's error. */
#include "engine/backend_avx2.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/backend_avx2_math.h"

#if defined(__AVX2__)

#define ALONE 16384 /* elements that are not worth waking a thread for */

/* Calls fn for n rows of `cols` elements, on all threads if that pays. */
static void for_rows(struct be *b, size_t n, size_t cols,
                     void (*fn)(void *, size_t, int), void *arg)
{
    if (n * cols >= ALONE)
        pool_run(b->pool, n, fn, arg);
    else
        for (size_t i = 0; i < n; i++)
            fn(arg, i, 0);
}

/* --- norms ---------------------------------------------------------------- */

struct norm_job {
    enum be_norm_kind kind;
    const float *x, *weight, *bias;
    size_t x_stride, n, out_stride;
    float eps;
    float *out;
};

/* Sum of x - mean, or of its square. */
static double sum_row(const float *x, size_t n, float mean, bool square)
{
    __m256d lo = _mm256_setzero_pd(), hi = lo;
    const __m256 vmean = _mm256_set1_ps(mean);
    double sum, rest = 0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_sub_ps(_mm256_loadu_ps(x + i), vmean);
        __m256d a = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
        __m256d b = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
        lo = square ? _mm256_fmadd_pd(a, a, lo) : _mm256_add_pd(lo, a);
        hi = square ? _mm256_fmadd_pd(b, b, hi) : _mm256_add_pd(hi, b);
    }
    for (; i < n; i++) {
        double v = (double)(x[i] - mean);
        rest += square ? v * v : v;
    }
    lo = _mm256_add_pd(lo, hi);
    sum = (lo[0] + lo[1]) + (lo[2] + lo[3]);
    return sum + rest;
}

static void norm_row(void *arg, size_t r, int thread)
{
    const struct norm_job *j = arg;
    const float *x = j->x + r * j->x_stride;
    float *out = j->out + r * j->out_stride, mean = 0, scale;
    size_t i = 0;
    __m256 vmean, vscale;

    (void)thread;
    if (j->kind == BE_NORM_LAYER)
        mean = (float)(sum_row(x, j->n, 0, false) / (double)j->n);
    scale = (float)(1 / sqrt(sum_row(x, j->n, mean, true) / (double)j->n +
                             (double)j->eps));
    vmean = _mm256_set1_ps(mean);
    vscale = _mm256_set1_ps(scale);
    for (; i + 8 <= j->n; i += 8) {
        __m256 v = _mm256_sub_ps(_mm256_loadu_ps(x + i), vmean);
        v = _mm256_mul_ps(_mm256_mul_ps(v, vscale),
                          _mm256_loadu_ps(j->weight + i));
        if (j->bias)
            v = _mm256_add_ps(v, _mm256_loadu_ps(j->bias + i));
        _mm256_storeu_ps(out + i, v);
    }
    for (; i < j->n; i++)
        out[i] =
            (x[i] - mean) * scale * j->weight[i] + (j->bias ? j->bias[i] : 0);
}

/* NOLINTNEXTLINE(readability-function-size): the table's signature */
void avx2_norm(struct be *b, enum be_norm_kind kind, const float *x,
               size_t x_stride, size_t rows, size_t n, const float *weight,
               const float *bias, float eps, float *out, size_t out_stride)
{
    struct norm_job j = { kind, x,          weight, bias, x_stride,
                          n,    out_stride, eps,    out };

    for_rows(b, rows, n, norm_row, &j);
}

/* --- rotation ------------------------------------------------------------- */

/* Rows of the batch, with their positions, that fit into a set of angles. */
struct rope_job {
    float *x;
    size_t x_stride;
    int n_head, dim;
    const struct be_rope *r;
    const struct rope_set *set;
    const size_t *rows;
};

static bool set_fits(const struct rope_set *s, const struct be_rope *r,
                     const int32_t *pos, size_t n)
{
    size_t n_half = (size_t)r->n_rot / 2;

    return s->n_rows == n && s->n_half == n_half &&
           !(s->mscale < r->mscale || s->mscale > r->mscale) &&
           memcmp(s->pos, pos, n * sizeof *pos) == 0 &&
           memcmp(s->inv_freq, r->inv_freq, n_half * sizeof *r->inv_freq) == 0;
}

static void angles_of_row(void *arg, size_t i, int thread)
{
    const struct rope_set *s = arg;
    float *c = s->cos_sin + i * 2 * s->n_half;

    (void)thread;
    for (size_t k = 0; k < s->n_half; k++) {
        float angle = (float)s->pos[i] * s->inv_freq[k];
        c[k] = (float)cos((double)angle) * s->mscale;
        c[s->n_half + k] = (float)sin((double)angle) * s->mscale;
    }
}

/* Cosines and sines of the positions: those of an earlier call if they are the
 * same, for all layers have the same ones. */
static const struct rope_set *angles(struct be *b, const struct be_rope *r,
                                     const int32_t *pos, size_t n)
{
    struct rope_set *s;

    for (size_t i = 0; i < ROPE_SETS; i++)
        if (set_fits(&b->rope[i], r, pos, n))
            return &b->rope[i];
    s = &b->rope[b->rope_next++ % ROPE_SETS];
    s->n_rows = n;
    s->n_half = (size_t)r->n_rot / 2;
    s->mscale = r->mscale;
    memcpy(s->pos, pos, n * sizeof *pos);
    memcpy(s->inv_freq, r->inv_freq, s->n_half * sizeof *s->inv_freq);
    for_rows(b, n, s->n_half * 32, angles_of_row, s);
    return s;
}

/* Pairs (a, z) with angles of their own: 8 at a time, then the rest. */
static void rotate_split(float *x, const float *c, size_t n_half)
{
    const float *s = c + n_half;
    float *z = x + n_half;
    size_t i = 0;

    for (; i + 8 <= n_half; i += 8) {
        __m256 vc = _mm256_loadu_ps(c + i), vs = _mm256_loadu_ps(s + i);
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(z + i);
        _mm256_storeu_ps(
            x + i, _mm256_sub_ps(_mm256_mul_ps(a, vc), _mm256_mul_ps(b, vs)));
        _mm256_storeu_ps(
            z + i, _mm256_add_ps(_mm256_mul_ps(a, vs), _mm256_mul_ps(b, vc)));
    }
    for (; i < n_half; i++) {
        float a = x[i], b = z[i];
        x[i] = a * c[i] - b * s[i];
        z[i] = a * s[i] + b * c[i];
    }
}

static void rotate_pairs(float *x, const float *c, size_t n_half)
{
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    const float *s = c + n_half;
    size_t i = 0;

    for (; i + 4 <= n_half; i += 4) {
        __m256 vc = _mm256_castps128_ps256(_mm_loadu_ps(c + i));
        __m256 vs = _mm256_castps128_ps256(_mm_loadu_ps(s + i));
        __m256 v = _mm256_loadu_ps(x + 2 * i);
        __m256 swapped = _mm256_permute_ps(v, 0xB1);
        vc = _mm256_mul_ps(v, _mm256_permutevar8x32_ps(vc, twice));
        vs = _mm256_mul_ps(swapped, _mm256_permutevar8x32_ps(vs, twice));
        _mm256_storeu_ps(x + 2 * i, _mm256_addsub_ps(vc, vs));
    }
    for (; i < n_half; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * c[i] - b * s[i];
        x[2 * i + 1] = a * s[i] + b * c[i];
    }
}

static void rope_row(void *arg, size_t i, int thread)
{
    const struct rope_job *j = arg;
    const float *c = j->set->cos_sin + i * 2 * j->set->n_half;
    float *x = j->x + j->rows[i] * j->x_stride;

    (void)thread;
    for (int h = 0; h < j->n_head; h++, x += j->dim)
        if (j->r->interleaved)
            rotate_pairs(x, c, j->set->n_half);
        else
            rotate_split(x, c, j->set->n_half);
}

/* NOLINTNEXTLINE(readability-function-size): the table's signature */
void avx2_rope(struct be *b, float *x, size_t x_stride, int n_head, int dim,
               const struct be_rope *r, const struct be_span *spans,
               size_t n_spans)
{
    size_t rows[ROPE_ROWS], s = 0, i = 0;
    int32_t pos[ROPE_ROWS];
    struct rope_job j = { x, x_stride, n_head, dim, r, NULL, rows };

    assert(r->n_rot >= 0 && r->n_rot <= AVX2_MAX_HEAD && r->n_rot <= dim);
    while (s < n_spans) {
        size_t n = 0;

        for (; s < n_spans && n < ROPE_ROWS; s++, i = 0) {
            for (; i < spans[s].n && n < ROPE_ROWS; i++, n++) {
                rows[n] = spans[s].row + i;
                pos[n] = spans[s].pos + (int32_t)i;
            }
            if (i < spans[s].n)
                break;
        }
        j.set = angles(b, r, pos, n);
        for_rows(b, n, (size_t)n_head * (size_t)dim, rope_row, &j);
    }
}

/* --- activations ---------------------------------------------------------- */

struct glu_job {
    enum be_act act;
    float *gate;
    const float *up;
    size_t gate_stride, up_stride, n;
};

/* x * sigmoid(x), and with the tanh form of GELU x * sigmoid(2 u): for
 * (1 + tanh(u)) / 2 is sigmoid(2 u). */
INLINE __m256 activate(enum be_act act, __m256 x)
{
    const __m256 one = _mm256_set1_ps(1);
    __m256 u = x;

    if (act == BE_ACT_GELU) {
        __m256 cube = _mm256_mul_ps(_mm256_mul_ps(x, x), x);
        u = _mm256_fmadd_ps(_mm256_set1_ps(0.044715F), cube, x);
        u = _mm256_mul_ps(u, _mm256_set1_ps(1.5957691216057308F));
    }
    u = avx2_exp(_mm256_sub_ps(_mm256_setzero_ps(), u));
    return _mm256_div_ps(x, _mm256_add_ps(one, u));
}

INLINE void glu8(enum be_act act, float *g, const float *up)
{
    __m256 v = activate(act, _mm256_loadu_ps(g));

    if (up)
        v = _mm256_mul_ps(v, _mm256_loadu_ps(up));
    _mm256_storeu_ps(g, v);
}

static void glu_row(void *arg, size_t r, int thread)
{
    const struct glu_job *j = arg;
    float *g = j->gate + r * j->gate_stride, last_g[8] = { 0 };
    const float *up = j->up ? j->up + r * j->up_stride : NULL;
    float last_up[8] = { 0 };
    size_t i = 0, rest;

    (void)thread;
    for (; i + 8 <= j->n; i += 8)
        glu8(j->act, g + i, up ? up + i : NULL);
    rest = (j->n - i) * sizeof *g;
    memcpy(last_g, g + i, rest);
    if (up)
        memcpy(last_up, up + i, rest);
    glu8(j->act, last_g, up ? last_up : NULL);
    memcpy(g + i, last_g, rest);
}

/* NOLINTNEXTLINE(readability-function-size): the table's signature */
void avx2_glu(struct be *b, enum be_act act, float *gate, size_t gate_stride,
              const float *up, size_t up_stride, size_t rows, size_t n)
{
    struct glu_job j = { act, gate, up, gate_stride, up_stride, n };

    for_rows(b, rows, n * 4, glu_row, &j);
}

/* --- sums and copies ------------------------------------------------------ */

struct add_job {
    float *y;
    const float *x;
    float scale;
    size_t n;
};

static void add_some(void *arg, size_t i, int thread)
{
    const struct add_job *j = arg;
    size_t at = i * ALONE, end = at + ALONE < j->n ? at + ALONE : j->n;
    const __m256 scale = _mm256_set1_ps(j->scale);

    (void)thread;
    for (; at + 8 <= end; at += 8) {
        __m256 v = _mm256_mul_ps(scale, _mm256_loadu_ps(j->x + at));
        v = _mm256_add_ps(_mm256_loadu_ps(j->y + at), v);
        _mm256_storeu_ps(j->y + at, v);
    }
    for (; at < end; at++) {
        float v = j->scale * j->x[at];
        j->y[at] += v;
    }
}

void avx2_add(struct be *b, float *y, const float *x, float scale, size_t n)
{
    struct add_job j = { y, x, scale, n };

    pool_run(b->pool, (n + ALONE - 1) / ALONE, add_some, &j);
}

void avx2_gather(struct be *b, const float *src, const int32_t *rows,
                 size_t n_rows, size_t n, float *dst)
{
    (void)b;
    for (size_t i = 0; i < n_rows; i++)
        memcpy(dst + i * n, src + (size_t)rows[i] * n, n * sizeof *dst);
}
#endif
