/* Block layouts: the table of tensor types, and what a block stands for.
 *
 * Each type has one function that unpacks a run of 32 weights into integers and
 * scales; the float values follow from that form, and so do the integer
 * products of the backends.  Every product is a float32 one, in the order in
 * which the format's definition writes it, (d * scale) * q - dmin * m: the
 * results have the definition's exact bits.  Blocks may be unaligned.  Speed is
 * no concern here: backends that care unpack blocks in ways of their own. */
#include <string.h>

#include "engine/gguf.h"
#include "engine/quant_pack.h"

/* --- half and bfloat16 ---------------------------------------------------- */

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

float quant_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = (h >> 10) & 31, mantissa = h & 1023;

    if (exponent == 31)
        return float_of(sign | 0x7f800000 | mantissa << 13);
    if (exponent > 0)
        return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
    /* subnormal: mantissa * 2^-24, exact in float32 */
    return float_of(sign | bits_of((float)mantissa * 0x1p-24f));
}

uint16_t quant_f32_to_f16(float f)
{
    uint32_t bits = bits_of(f), sign = bits >> 16 & 0x8000;
    uint32_t mag = bits & 0x7fffffff, odd;

    if (mag > 0x7f800000) /* NaN stays NaN, quiet */
        return (uint16_t)(sign | 0x7e00 | (mag >> 13 & 0x3ff));
    if (mag >= 0x477ff000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (mag < 0x38800000) {
        /* subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the
         * low bits of the sum */
        uint32_t sum = bits_of(float_of(mag) + 0.5f);
        return (uint16_t)(sign | (sum - 0x3f000000));
    }
    odd = mag >> 13 & 1;
    mag += 0xfff + odd;
    return (uint16_t)(sign | (mag - 0x38000000) >> 13);
}

float quant_bf16_to_f32(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t quant_f32_to_bf16(float f)
{
    uint32_t bits = bits_of(f);

    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* --- reading blocks ------------------------------------------------------- */

static uint16_t u16_at(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t u32_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static float half_at(const uint8_t *p)
{
    return quant_f16_to_f32(u16_at(p));
}

static int lo(uint8_t b)
{
    return b & 15;
}

static int hi(uint8_t b)
{
    return b >> 4;
}

static int signed_of(uint8_t b)
{
    return b < 128 ? b : b - 256;
}

/* --- floats --------------------------------------------------------------- */

static void deq_f32(const void *src, float *dst, size_t n)
{
    memcpy(dst, src, n * sizeof *dst);
}

static void deq_f16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        dst[i] = half_at(p + 2 * i);
}

static void deq_bf16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        dst[i] = quant_bf16_to_f32(u16_at(p + 2 * i));
}

/* --- blocks of 32: one run ------------------------------------------------ */

static void scale_all(struct quant_run *r, float s, float m)
{
    r->s = s;
    r->m = m;
    r->u[0] = r->u[1] = r->v[0] = r->v[1] = 1;
}

/* Low nibbles are the first 16 weights, high ones the last. */
static void nibbles(struct quant_run *r, const uint8_t *q, int minus)
{
    for (int j = 0; j < 16; j++) {
        r->w[j] = (int8_t)(lo(q[j]) - minus);
        r->w[j + 16] = (int8_t)(hi(q[j]) - minus);
    }
}

/* Bit j of h is the fifth bit of weight j. */
static void add_fifth_bits(struct quant_run *r, uint32_t h)
{
    for (int j = 0; j < 32; j++)
        r->w[j] = (int8_t)(r->w[j] + 16 * (int)(h >> j & 1));
}

static void run_q4_0(const uint8_t *b, size_t run, struct quant_run *r)
{
    (void)run;
    scale_all(r, half_at(b), 0);
    nibbles(r, b + 2, 8);
}

static void run_q4_1(const uint8_t *b, size_t run, struct quant_run *r)
{
    (void)run;
    scale_all(r, half_at(b), half_at(b + 2));
    nibbles(r, b + 4, 0);
}

static void run_q5_0(const uint8_t *b, size_t run, struct quant_run *r)
{
    (void)run;
    scale_all(r, half_at(b), 0);
    nibbles(r, b + 6, 16);
    add_fifth_bits(r, u32_at(b + 2));
}

static void run_q5_1(const uint8_t *b, size_t run, struct quant_run *r)
{
    (void)run;
    scale_all(r, half_at(b), half_at(b + 2));
    nibbles(r, b + 8, 0);
    add_fifth_bits(r, u32_at(b + 4));
}

static void run_q8_0(const uint8_t *b, size_t run, struct quant_run *r)
{
    (void)run;
    scale_all(r, half_at(b), 0);
    memcpy(r->w, b + 2, sizeof r->w);
}

const int8_t quant_iq4_values[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
};

static void iq4_nibbles(struct quant_run *r, const uint8_t *q)
{
    for (int j = 0; j < 16; j++) {
        r->w[j] = quant_iq4_values[lo(q[j])];
        r->w[j + 16] = quant_iq4_values[hi(q[j])];
    }
}

static void run_iq4_nl(const uint8_t *b, size_t run, struct quant_run *r)
{
    (void)run;
    scale_all(r, half_at(b), 0);
    iq4_nibbles(r, b + 2);
}

/* --- blocks of 256: eight runs -------------------------------------------- */

/* Run 4h + j of Q2_K, Q3_K and Q6_K has its low bits in half h of the block at
 * a shift that j gives; a run's two halves have scales of their own. */

static void run_q2_k(const uint8_t *b, size_t run, struct quant_run *r)
{
    const uint8_t *q = b + 16 + 32 * (run / 4), *scales = b + 2 * run;
    size_t shift = 2 * (run % 4);

    r->s = half_at(b + 80);
    r->m = -half_at(b + 82);
    for (size_t i = 0; i < 2; i++) {
        r->u[i] = lo(scales[i]);
        r->v[i] = hi(scales[i]);
    }
    for (int j = 0; j < 32; j++)
        r->w[j] = (int8_t)(q[j] >> shift & 3);
}

/* Scale k of 16: six bits, of which the low four lie in bytes 0-7 and the high
 * two in bytes 8-11. */
static int q3_scale(const uint8_t *s, size_t k)
{
    int low = s[k % 8] >> (4 * (k / 8)) & 15;
    int high = s[8 + k % 4] >> (2 * (k / 4)) & 3;
    return (low | high << 4) - 32;
}

static void run_q3_k(const uint8_t *b, size_t run, struct quant_run *r)
{
    const uint8_t *high = b, *q = b + 32 + 32 * (run / 4);
    size_t shift = 2 * (run % 4);

    r->s = half_at(b + 108);
    r->m = 0;
    for (size_t i = 0; i < 2; i++) {
        r->u[i] = q3_scale(b + 96, 2 * run + i);
        r->v[i] = 0;
    }
    for (int j = 0; j < 32; j++)
        r->w[j] = (int8_t)((q[j] >> shift & 3) - (high[j] >> run & 1 ? 0 : 4));
}

/* Scale and minimum k of 8 in Q4_K and Q5_K: six bits each in 12 bytes. */
static void k_scales(const uint8_t *b, size_t k, struct quant_run *r)
{
    const uint8_t *s = b + 4;
    int scale = s[k] & 63, min = s[k + 4] & 63;

    if (k >= 4) {
        scale = lo(s[k + 4]) | s[k - 4] >> 6 << 4;
        min = hi(s[k + 4]) | s[k] >> 6 << 4;
    }
    scale_all(r, half_at(b) * (float)scale, -(half_at(b + 2) * (float)min));
}

static void run_q4_k(const uint8_t *b, size_t run, struct quant_run *r)
{
    const uint8_t *q = b + 16 + 32 * (run / 2);

    k_scales(b, run, r);
    for (int j = 0; j < 32; j++)
        r->w[j] = (int8_t)(run % 2 ? hi(q[j]) : lo(q[j]));
}

static void run_q5_k(const uint8_t *b, size_t run, struct quant_run *r)
{
    const uint8_t *high = b + 16, *q = b + 48 + 32 * (run / 2);

    k_scales(b, run, r);
    for (int j = 0; j < 32; j++)
        r->w[j] = (int8_t)((run % 2 ? hi(q[j]) : lo(q[j])) |
                           (high[j] >> run & 1) << 4);
}

static void run_q6_k(const uint8_t *b, size_t run, struct quant_run *r)
{
    const uint8_t *low = b + 64 * (run / 4) + 32 * (run & 1);
    const uint8_t *high = b + 128 + 32 * (run / 4);
    size_t shift = 2 * (run % 4);

    r->s = half_at(b + 208);
    r->m = 0;
    for (size_t i = 0; i < 2; i++) {
        r->u[i] = signed_of(b[192 + 2 * run + i]);
        r->v[i] = 0;
    }
    for (int j = 0; j < 32; j++)
        r->w[j] = (int8_t)(((run & 2 ? hi(low[j]) : lo(low[j])) |
                            (high[j] >> shift & 3) << 4) -
                           32);
}

static void run_iq4_xs(const uint8_t *b, size_t run, struct quant_run *r)
{
    int low = b[4 + run / 2] >> (4 * (run % 2)) & 15;
    int high = u16_at(b + 2) >> (2 * run) & 3;

    scale_all(r, half_at(b) * (float)((low | high << 4) - 32), 0);
    iq4_nibbles(r, b + 8 + 16 * run);
}

/* --- the table ------------------------------------------------------------ */

/* The sum is left out where there is no minimum: -0 + 0 would be +0. */
static void deq_run(const struct quant_run *r, bool has_min, float *y)
{
    for (int j = 0; j < QUANT_RUN; j++) {
        int half = j / 16;
        y[j] = r->s * (float)r->u[half] * (float)r->w[j];
        if (has_min)
            y[j] += r->m * (float)r->v[half];
    }
}

/* id, name, elements and bytes of a block, whether it has minima */
#define BLOCK_TYPES(X)                                                         \
    X(Q4_0, q4_0, 32, 18, false)                                               \
    X(Q4_1, q4_1, 32, 20, true)                                                \
    X(Q5_0, q5_0, 32, 22, false)                                               \
    X(Q5_1, q5_1, 32, 24, true)                                                \
    X(Q8_0, q8_0, 32, 34, false)                                               \
    X(Q2_K, q2_k, 256, 84, true)                                               \
    X(Q3_K, q3_k, 256, 110, false)                                             \
    X(Q4_K, q4_k, 256, 144, true)                                              \
    X(Q5_K, q5_k, 256, 176, true)                                              \
    X(Q6_K, q6_k, 256, 210, false)                                             \
    X(IQ4_NL, iq4_nl, 32, 18, false)                                           \
    X(IQ4_XS, iq4_xs, 256, 136, false)

#define BLOCK_LOOP(id, name, elems, bytes, has_min)                            \
    static void deq_##name(const void *src, float *dst, size_t n)              \
    {                                                                          \
        const uint8_t *b = src;                                                \
        struct quant_run r;                                                    \
        for (size_t i = 0; i < n; i += QUANT_RUN) {                            \
            run_##name(b + i / (elems) * (bytes), i % (elems) / QUANT_RUN,     \
                       &r);                                                    \
            deq_run(&r, (has_min), dst + i);                                   \
        }                                                                      \
    }
BLOCK_TYPES(BLOCK_LOOP)

#define BLOCK_ROW(id, name, elems, bytes, has_min)                             \
    [GGML_##id] = { #id,        elems,      bytes,      has_min,               \
                    deq_##name, run_##name, pack_##name },
static const struct quant_type types[GGML_N_TYPES] = {
    [GGML_F32] = { "F32", 1, 4, false, deq_f32, NULL, pack_f32 },
    [GGML_F16] = { "F16", 1, 2, false, deq_f16, NULL, pack_f16 },
    [GGML_BF16] = { "BF16", 1, 2, false, deq_bf16, NULL, pack_bf16 },
    BLOCK_TYPES(BLOCK_ROW)
};

/* Types that files may hold and the engine does not run. */
static const char *const other_names[GGML_N_TYPES] = {
    [4] = "Q4_2 (removed)",
    [5] = "Q4_3 (removed)",
    [9] = "Q8_1",
    [15] = "Q8_K",
    [16] = "IQ2_XXS",
    [17] = "IQ2_XS",
    [18] = "IQ3_XXS",
    [19] = "IQ1_S",
    [21] = "IQ3_S",
    [22] = "IQ2_S",
    [24] = "I8",
    [25] = "I16",
    [26] = "I32",
    [27] = "I64",
    [28] = "F64",
    [29] = "IQ1_M",
    [31] = "Q4_0_4_4 (removed)",
    [32] = "Q4_0_4_8 (removed)",
    [33] = "Q4_0_8_8 (removed)",
    [34] = "TQ1_0",
    [35] = "TQ2_0",
    [36] = "IQ4_NL_4_4 (removed)",
    [37] = "IQ4_NL_4_8 (removed)",
    [38] = "IQ4_NL_8_8 (removed)",
    [39] = "MXFP4",
};

const struct quant_type *quant_type(int ggml_type)
{
    if (ggml_type < 0 || ggml_type >= GGML_N_TYPES || !types[ggml_type].name)
        return NULL;
    return &types[ggml_type];
}

const char *quant_type_name(int ggml_type)
{
    const struct quant_type *t = quant_type(ggml_type);

    if (t)
        return t->name;
    if (ggml_type < 0 || ggml_type >= GGML_N_TYPES || !other_names[ggml_type])
        return "an unknown type";
    return other_names[ggml_type];
}
