/* Moving rows about: what experts and latent attention need beside products.
 *
 * A row is so little work that threads are woken for many of them only. */
#include "engine/backend_avx2.h"

#include <string.h>

#include "engine/backend_avx2_math.h"

#if defined(__AVX2__)

#define ROWS_AT_ONCE 16
#define ALONE 32768 /* elements that are not worth waking a thread for */

struct scatter_job {
    const float *x, *scale;
    const int32_t *rows;
    size_t n_rows, n;
    float *y;
};

static void scatter_row(const struct scatter_job *j, size_t i)
{
    const float *x = j->x + i * j->n;
    float *y = j->y + (j->rows ? (size_t)j->rows[i] : i) * j->n;
    const __m256 scale = _mm256_set1_ps(j->scale[i]);
    size_t c = 0;

    for (; c + 8 <= j->n; c += 8) {
        __m256 v = _mm256_mul_ps(scale, _mm256_loadu_ps(x + c));
        _mm256_storeu_ps(y + c, _mm256_add_ps(_mm256_loadu_ps(y + c), v));
    }
    for (; c < j->n; c++) {
        float v = j->scale[i] * x[c];
        y[c] += v;
    }
}

static void scatter_some(void *arg, size_t i, int thread)
{
    const struct scatter_job *j = arg;
    size_t first = i * ROWS_AT_ONCE, end = first + ROWS_AT_ONCE;

    (void)thread;
    for (size_t r = first; r < end && r < j->n_rows; r++)
        scatter_row(j, r);
}

void avx2_scatter(struct be *b, const float *x, const int32_t *rows,
                  const float *scale, size_t n_rows, size_t n, float *y)
{
    struct scatter_job j = { x, scale, rows, n_rows, n, y };

    if (n_rows * n >= ALONE)
        pool_run(b->pool, (n_rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE,
                 scatter_some, &j);
    else
        for (size_t r = 0; r < n_rows; r++)
            scatter_row(&j, r);
}

void avx2_copy(struct be *b, const float *src, size_t src_stride, size_t rows,
               size_t n, float *dst, size_t dst_stride)
{
    (void)b;
    for (size_t i = 0; i < rows; i++)
        memcpy(dst + i * dst_stride, src + i * src_stride, n * sizeof *dst);
}
#endif
