/* Products in float32: panels of F32, F16 and BF16 weights, and of any type in
 * the float32 mode.
 *
 * 256 columns of two panels are turned into a tile of floats [column][16] that
 * stays in the first-level cache, and six tokens at a time run through it with
 * twelve accumulators in registers.  A sum over the columns is a chain of fused
 * multiply-adds over each 256 of them and then a sum of the chains: it is more
 * exact than one chain, and the same for every number of tokens. */
#include "engine/backend_avx2.h"

#include <string.h>

#include "engine/backend_avx2_math.h"

#if defined(__AVX2__)
#define CHAIN ((size_t)256)
#define WIDE (2 * PANEL)
#define TOKENS ((size_t)6)

INLINE void store_wide(float *out, __m256 a, __m256 b)
{
    _mm256_storeu_ps(out, a);
    _mm256_storeu_ps(out + PANEL, b);
}

#define STEP(i)                                                                \
    v = _mm256_broadcast_ss(x[i] + c);                                         \
    a##i = _mm256_fmadd_ps(w0, v, a##i);                                       \
    b##i = _mm256_fmadd_ps(w1, v, b##i);

/* sums[i][16] = n columns of the tile times x[i].  Separate variables, because
 * compilers keep an array of accumulators in memory. */
static void chain6(const float *tile, size_t n, const float *const x[TOKENS],
                   float sums[TOKENS][WIDE])
{
    __m256 a0 = _mm256_setzero_ps(), a1 = a0, a2 = a0, a3 = a0, a4 = a0;
    __m256 a5 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0;

    for (size_t c = 0; c < n; c++) {
        __m256 w0 = _mm256_loadu_ps(tile + c * WIDE);
        __m256 w1 = _mm256_loadu_ps(tile + c * WIDE + PANEL);
        __m256 v;
        STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5)
    }
    store_wide(sums[0], a0, b0);
    store_wide(sums[1], a1, b1);
    store_wide(sums[2], a2, b2);
    store_wide(sums[3], a3, b3);
    store_wide(sums[4], a4, b4);
    store_wide(sums[5], a5, b5);
}

static void chain1(const float *tile, size_t n, const float *const x[1],
                   float sums[1][WIDE])
{
    __m256 a0 = _mm256_setzero_ps(), b0 = a0;

    for (size_t c = 0; c < n; c++) {
        __m256 w0 = _mm256_loadu_ps(tile + c * WIDE);
        __m256 w1 = _mm256_loadu_ps(tile + c * WIDE + PANEL);
        __m256 v;
        STEP(0)
    }
    store_wide(sums[0], a0, b0);
}

static void add_to(float *acc, const float *sums)
{
    store_wide(acc, _mm256_add_ps(_mm256_loadu_ps(acc), _mm256_loadu_ps(sums)),
               _mm256_add_ps(_mm256_loadu_ps(acc + PANEL),
                             _mm256_loadu_ps(sums + PANEL)));
}

/* The rows of up to six tokens; too few: the last one several times.  Rows that
 * are a power of two apart would fall on the same lines of the cache: they are
 * copied side by side. */
static void take_rows(const struct f32_rows *x, size_t t, size_t first,
                      size_t n, const float *rows[TOKENS],
                      float copies[TOKENS][CHAIN + PANEL])
{
    const bool clash = x->stride % 512 == 0;
    size_t left = x->n_tokens - t;

    for (size_t i = 0; i < TOKENS; i++) {
        rows[i] = x->x + (t + (i < left ? i : left - 1)) * x->stride + first;
        if (clash && i < left)
            memcpy(copies[i], rows[i], n * sizeof *copies[i]);
        if (clash)
            rows[i] = copies[i < left ? i : left - 1];
    }
}

/* All tokens through one tile. */
static void all_tokens(const float *tile, size_t first, size_t n,
                       const struct f32_rows *x, float *acc)
{
    float copies[TOKENS][CHAIN + PANEL];

    for (size_t t = 0; t < x->n_tokens; t += TOKENS) {
        size_t left = x->n_tokens - t;
        const float *rows[TOKENS];
        float sums[TOKENS][WIDE];

        take_rows(x, t, first, n, rows, copies);
        if (left == 1)
            chain1(tile, n, rows, sums);
        else
            chain6(tile, n, rows, sums);
        for (size_t i = 0; i < TOKENS && i < left; i++)
            add_to(acc + (t + i) * WIDE, sums[i]);
    }
}

void avx2_float_panels(const struct panel_type *type,
                       const unsigned char *const panels[2],
                       const struct f32_rows *x, float *acc)
{
    _Alignas(32) float tile[CHAIN * WIDE];

    for (size_t first = 0; first < x->n_cols; first += CHAIN) {
        size_t n = x->n_cols - first < CHAIN ? x->n_cols - first : CHAIN;

        type->floats(panels[0], first, n, tile, WIDE);
        type->floats(panels[1], first, n, tile + PANEL, WIDE);
        all_tokens(tile, first, n, x, acc);
    }
}

/* --- panels of floats: [column][8] ---------------------------------------- */

INLINE void pack_elems(size_t elem, const unsigned char *const rows[PANEL],
                       size_t n, unsigned char *panel)
{
    for (size_t r = 0; r < PANEL; r++) {
        unsigned char *to = panel + r * elem;

        for (size_t c = 0; c < n; c++, to += PANEL * elem)
            if (rows[r])
                memcpy(to, rows[r] + c * elem, elem);
            else
                memset(to, 0, elem);
    }
}

static void pack_4(const unsigned char *const rows[PANEL], size_t n,
                   unsigned char *panel)
{
    pack_elems(4, rows, n, panel);
}

static void pack_2(const unsigned char *const rows[PANEL], size_t n,
                   unsigned char *panel)
{
    pack_elems(2, rows, n, panel);
}

static void floats_f32(const unsigned char *panel, size_t first, size_t n,
                       float *tile, size_t stride)
{
    const unsigned char *p = panel + first * PANEL * 4;

    for (size_t c = 0; c < n; c++)
        memcpy(tile + c * stride, p + c * PANEL * 4, PANEL * 4);
}

static void floats_f16(const unsigned char *panel, size_t first, size_t n,
                       float *tile, size_t stride)
{
    const unsigned char *p = panel + first * PANEL * 2;

    for (size_t c = 0; c < n; c++) {
        __m128i h = _mm_loadu_si128((const __m128i *)(p + c * PANEL * 2));
        _mm256_storeu_ps(tile + c * stride, _mm256_cvtph_ps(h));
    }
}

static void floats_bf16(const unsigned char *panel, size_t first, size_t n,
                        float *tile, size_t stride)
{
    const unsigned char *p = panel + first * PANEL * 2;

    for (size_t c = 0; c < n; c++) {
        __m128i h = _mm_loadu_si128((const __m128i *)(p + c * PANEL * 2));
        __m256i w = _mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16);
        _mm256_storeu_ps(tile + c * stride, _mm256_castsi256_ps(w));
    }
}

const struct panel_type avx2_panel_f32 = {
    .cols = 1, .bytes = PANEL * 4, .pack = pack_4, .floats = floats_f32
};
const struct panel_type avx2_panel_f16 = {
    .cols = 1, .bytes = PANEL * 2, .pack = pack_2, .floats = floats_f16
};
const struct panel_type avx2_panel_bf16 = {
    .cols = 1, .bytes = PANEL * 2, .pack = pack_2, .floats = floats_bf16
};
#endif
