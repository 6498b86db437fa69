/* Quantisers.
 *
 * Q8_0 and the four simple types take their scale from the largest weight of a
 * block, by the rules that the format gives, to the bit.  The others search
 * theirs (quant_fit.c); here their integers are put into the bytes.  Each
 * layout is quant.c's reading of the same block the other way round. */
#include "engine/quant_pack.h"

#include <math.h>
#include <string.h>

#include "engine/gguf.h"
#include "engine/quant_fit.h"

static void put_half(uint8_t *p, float v)
{
    uint16_t h = quant_f32_to_f16(v);
    memcpy(p, &h, sizeof h);
}

/* --- floats --------------------------------------------------------------- */

void pack_f32(const float *src, void *dst, size_t n)
{
    memcpy(dst, src, n * sizeof *src);
}

void pack_f16(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++)
        put_half(p + 2 * i, src[i]);
}

void pack_bf16(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = quant_f32_to_bf16(src[i]);
        memcpy(p + 2 * i, &h, sizeof h);
    }
}

/* --- blocks of 32 with a scale from the largest weight -------------------- */

/* The first of those with the largest magnitude, with its sign. */
static float largest(const float *x)
{
    float best = 0;

    for (int i = 0; i < QUANT_RUN; i++)
        if (fabsf(x[i]) > fabsf(best))
            best = x[i];
    return best;
}

static float inverse(float d)
{
    return d < 0 || d > 0 ? 1 / d : 0;
}

static void block_q8_0(const float *x, uint8_t *b)
{
    float d = fabsf(largest(x)) / 127, inv = inverse(d);

    put_half(b, d);
    for (int i = 0; i < QUANT_RUN; i++)
        b[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inv);
}

static uint8_t at_most(float v, int most)
{
    return (uint8_t)(v < (float)most ? (int)v : most);
}

/* Levels of a signed type: the largest weight becomes -half. */
static float signed_levels(const float *x, int half, uint8_t *q)
{
    float d = largest(x) / (float)-half, inv = inverse(d);

    for (int i = 0; i < QUANT_RUN; i++)
        q[i] = at_most(x[i] * inv + (float)half + 0.5F, 2 * half - 1);
    return d;
}

/* Levels of a type with a minimum: the range becomes 0 ... most. */
static void range_levels(const float *x, int most, uint8_t *b, uint8_t *q)
{
    float lo = x[0], hi = x[0], d, inv;

    for (int i = 1; i < QUANT_RUN; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    d = (hi - lo) / (float)most;
    inv = inverse(d);
    put_half(b, d);
    put_half(b + 2, lo);
    for (int i = 0; i < QUANT_RUN; i++)
        q[i] = at_most((x[i] - lo) * inv + 0.5F, most);
}

/* Low nibbles are the first 16 weights, high ones the last. */
static void put_nibbles(const uint8_t *q, uint8_t *p)
{
    for (int j = 0; j < 16; j++)
        p[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
}

static void put_fifth_bits(const uint8_t *q, uint8_t *p)
{
    uint32_t h = 0;

    for (int j = 0; j < QUANT_RUN; j++)
        h |= (uint32_t)(q[j] >> 4) << j;
    memcpy(p, &h, sizeof h);
}

static void block_q4_0(const float *x, uint8_t *b)
{
    uint8_t q[QUANT_RUN];

    put_half(b, signed_levels(x, 8, q));
    put_nibbles(q, b + 2);
}

static void block_q5_0(const float *x, uint8_t *b)
{
    uint8_t q[QUANT_RUN];

    put_half(b, signed_levels(x, 16, q));
    put_fifth_bits(q, b + 2);
    put_nibbles(q, b + 6);
}

static void block_q4_1(const float *x, uint8_t *b)
{
    uint8_t q[QUANT_RUN];

    range_levels(x, 15, b, q);
    put_nibbles(q, b + 4);
}

static void block_q5_1(const float *x, uint8_t *b)
{
    uint8_t q[QUANT_RUN];

    range_levels(x, 31, b, q);
    put_fifth_bits(q, b + 4);
    put_nibbles(q, b + 8);
}

/* --- the values that are not evenly spaced -------------------------------- */

static const struct fit_shape shape_iq4_nl = { .groups = 1,
                                               .size = 32,
                                               .values = quant_iq4_values,
                                               .scale_lo = 1,
                                               .scale_hi = 1 };

static void block_iq4_nl(const float *x, uint8_t *b)
{
    struct fit f;

    fit_block(&shape_iq4_nl, x, &f);
    put_half(b, f.d);
    put_nibbles(f.q, b + 2);
}

static const struct fit_shape shape_iq4_xs = { .groups = 8,
                                               .size = 32,
                                               .values = quant_iq4_values,
                                               .scale_lo = -32,
                                               .scale_hi = 31 };

static void block_iq4_xs(const float *x, uint8_t *b)
{
    unsigned high = 0;
    uint16_t bits;
    struct fit f;

    fit_block(&shape_iq4_xs, x, &f);
    memset(b, 0, 8);
    for (int k = 0; k < 8; k++) {
        unsigned s = (unsigned)(f.scale[k] + 32);
        b[4 + k / 2] |= (uint8_t)((s & 15) << (4 * (k % 2)));
        high |= (s >> 4) << (2 * k);
        put_nibbles(f.q + 32 * k, b + 8 + 16 * k);
    }
    put_half(b, f.d);
    bits = (uint16_t)high;
    memcpy(b + 2, &bits, sizeof bits);
}

/* --- blocks of 256 -------------------------------------------------------- */

/* Weight 128 h + 32 j + l has its low two bits in byte 32 h + l. */
static void put_pairs(const uint8_t *q, uint8_t *p)
{
    memset(p, 0, 64);
    for (int i = 0; i < 256; i++)
        p[i / 128 * 32 + i % 32] |= (uint8_t)((q[i] & 3) << i / 32 % 4 * 2);
}

static const struct fit_shape shape_q2_k = {
    .groups = 16, .size = 16, .hi = 3, .scale_hi = 15, .min_hi = 15
};

static void block_q2_k(const float *x, uint8_t *b)
{
    struct fit f;

    fit_block(&shape_q2_k, x, &f);
    for (int k = 0; k < 16; k++)
        b[k] = (uint8_t)(f.scale[k] | f.min[k] << 4);
    put_pairs(f.q, b + 16);
    put_half(b + 80, f.d);
    put_half(b + 82, f.dmin);
}

static const struct fit_shape shape_q3_k = {
    .groups = 16, .size = 16, .lo = -4, .hi = 3, .scale_lo = -32, .scale_hi = 31
};

static void block_q3_k(const float *x, uint8_t *b)
{
    struct fit f;

    fit_block(&shape_q3_k, x, &f);
    memset(b, 0, 110);
    for (int i = 0; i < 256; i++)
        b[i % 32] |= (uint8_t)((f.q[i] >> 2) << i / 32);
    put_pairs(f.q, b + 32);
    for (int k = 0; k < 16; k++) {
        unsigned s = (unsigned)(f.scale[k] + 32);
        b[96 + k % 8] |= (uint8_t)((s & 15) << (4 * (k / 8)));
        b[104 + k % 4] |= (uint8_t)((s >> 4) << (2 * (k / 4)));
    }
    put_half(b + 108, f.d);
}

/* Factors and the six-bit integers of Q4_K and Q5_K, 16 bytes. */
static void put_k_scales(const struct fit *f, uint8_t *b)
{
    uint8_t *s = b + 4;

    put_half(b, f->d);
    put_half(b + 2, f->dmin);
    for (int k = 0; k < 4; k++) {
        int scale = f->scale[k + 4], min = f->min[k + 4];
        s[k] = (uint8_t)(f->scale[k] | scale >> 4 << 6);
        s[k + 4] = (uint8_t)(f->min[k] | min >> 4 << 6);
        s[k + 8] = (uint8_t)((scale & 15) | (min & 15) << 4);
    }
}

/* Byte 32 c + l holds weights 64 c + l and 64 c + 32 + l. */
static void put_k_nibbles(const uint8_t *q, uint8_t *p)
{
    for (int i = 0; i < 128; i++) {
        const uint8_t *low = q + i / 32 * 64 + i % 32;
        p[i] = (uint8_t)((low[0] & 15) | (low[32] & 15) << 4);
    }
}

static const struct fit_shape shape_q4_k = {
    .groups = 8, .size = 32, .hi = 15, .scale_hi = 63, .min_hi = 63
};

static void block_q4_k(const float *x, uint8_t *b)
{
    struct fit f;

    fit_block(&shape_q4_k, x, &f);
    put_k_scales(&f, b);
    put_k_nibbles(f.q, b + 16);
}

static const struct fit_shape shape_q5_k = {
    .groups = 8, .size = 32, .hi = 31, .scale_hi = 63, .min_hi = 63
};

static void block_q5_k(const float *x, uint8_t *b)
{
    struct fit f;

    fit_block(&shape_q5_k, x, &f);
    put_k_scales(&f, b);
    memset(b + 16, 0, 32);
    for (int i = 0; i < 256; i++)
        b[16 + i % 32] |= (uint8_t)((f.q[i] >> 4) << i / 32);
    put_k_nibbles(f.q, b + 48);
}

static const struct fit_shape shape_q6_k = { .groups = 16,
                                             .size = 16,
                                             .lo = -32,
                                             .hi = 31,
                                             .scale_lo = -128,
                                             .scale_hi = 127 };

static void block_q6_k(const float *x, uint8_t *b)
{
    uint8_t high[256];
    struct fit f;

    fit_block(&shape_q6_k, x, &f);
    for (int i = 0; i < 128; i++) {
        const uint8_t *q = f.q + i / 64 * 128 + i % 64;
        b[i] = (uint8_t)((q[0] & 15) | (q[64] & 15) << 4);
    }
    for (int i = 0; i < 256; i++)
        high[i] = (uint8_t)(f.q[i] >> 4);
    put_pairs(high, b + 128);
    for (int k = 0; k < 16; k++)
        b[192 + k] = (uint8_t)(int8_t)f.scale[k];
    put_half(b + 208, f.d);
}

/* --- whole rows ----------------------------------------------------------- */

/* name, elements and bytes of a block */
#define BLOCK_PACKERS(X)                                                       \
    X(q4_0, 32, 18)                                                            \
    X(q4_1, 32, 20)                                                            \
    X(q5_0, 32, 22)                                                            \
    X(q5_1, 32, 24)                                                            \
    X(q8_0, 32, 34)                                                            \
    X(q2_k, 256, 84)                                                           \
    X(q3_k, 256, 110)                                                          \
    X(q4_k, 256, 144)                                                          \
    X(q5_k, 256, 176)                                                          \
    X(q6_k, 256, 210)                                                          \
    X(iq4_nl, 32, 18)                                                          \
    X(iq4_xs, 256, 136)

#define PACK_LOOP(name, elems, bytes)                                          \
    void pack_##name(const float *src, void *dst, size_t n)                    \
    {                                                                          \
        uint8_t *b = dst;                                                      \
        for (size_t i = 0; i < n; i += (elems))                                \
            block_##name(src + i, b + i / (elems) * (bytes));                  \
    }
BLOCK_PACKERS(PACK_LOOP)
