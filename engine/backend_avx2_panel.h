/* How quantised weights lie in panels; the table of the types.
 *
 * A panel holds 8 rows, block after block of 32 columns:
 *
 *     [ d 8 x f16 ][ m 8 x f16 ]              types with blocks of 32
 *     [ planes ]
 * or, for the types with blocks of 256,
 *     [ d 8 x f16 ][ dmin 8 x f16 ]           once
 *     { [ c 8 x u8 ][ c' 8 x u8 ] [ planes ] } eight times
 *
 * Unpacked, 32 columns of 8 rows are eight vectors w0 ... w7 of bytes: lane r of
 * w_k holds columns 4k ... 4k+3 of row r.  Packed they are planes of bits:
 *
 *     8 bits   w0, w1 ... w7 as they are
 *     4 bits   w0 | w4 << 4, w1 | w5 << 4, w2 | w6 << 4, w3 | w7 << 4
 *     2 bits   w0 | w1 << 2 | w2 << 4 | w3 << 6, and the same of w4 ... w7
 *     1 bit    w0 | w1 << 1 | ... | w7 << 7
 *
 * and a type has a plane for its low bits and may have one for its high bits
 * (Q5_0: 4 + 1).  The nibbles of the 32-column types lie in the file in the very
 * order wanted here. */
#ifndef MK_BACKEND_AVX2_PANEL_H
#define MK_BACKEND_AVX2_PANEL_H

#include "engine/backend_avx2.h"
#include "engine/backend_avx2_math.h"

#if defined(__AVX2__)

enum scales {
    D,       /* d */
    D_M,     /* d, m */
    D_LS,    /* d; signed byte for 32 columns */
    D_SC_M,  /* d, dmin; scale and minimum of 32 columns */
    D_C2,    /* d; signed scale of each 16 columns */
    D_C2_M2, /* d, dmin; scale | minimum << 4 of each 16 columns */
};

/* A kind of panel; always a constant, so that the branches on it vanish. */
struct kind {
    enum scales scales;
    int low, high; /* bits in the planes */
    int offset;    /* what is taken from the unsigned weight */
    bool table;    /* low is an index to the IQ4 values, plus offset */
};

/* Bytes of the parts of a panel; macros because the table needs constants. */
#define SUPER(s) ((s) != D && (s) != D_M)
#define HEAD(s) ((s) == D || (s) == D_LS || (s) == D_C2 ? 16 : 32)
#define SUB(s) (!SUPER(s) ? 0 : (s) == D_LS ? 8 : 16)
#define PLANES(low, high) (((low) + (high)) * 32)

INLINE bool is_super(struct kind k)
{
    return SUPER(k.scales);
}

INLINE size_t head_bytes(struct kind k)
{
    return HEAD(k.scales);
}

INLINE size_t sub_bytes(struct kind k)
{
    return SUB(k.scales);
}

INLINE size_t plane_bytes(struct kind k)
{
    return (size_t)PLANES(k.low, k.high);
}

INLINE __m256i load(const void *p)
{
    return _mm256_loadu_si256(p);
}

/* The bits of `mask` after moving bit `from` of every byte to bit `to`. */
INLINE __m256i move_bits(__m256i v, int from, int to, int mask)
{
    __m256i s = from > to   ? _mm256_srli_epi16(v, from - to)
                : from < to ? _mm256_slli_epi16(v, to - from)
                            : v;

    return _mm256_and_si256(s, _mm256_set1_epi8((char)mask));
}

/* name, number in the file; scales, low and high bits, offset, whether by table;
 * bytes of a block, where its d and its second factor are, its scales */
#define TYPES(X)                                                               \
    X(q4_0, GGML_Q4_0, D, 4, 0, 8, false, 18, 0, 0, NULL)                      \
    X(q4_1, GGML_Q4_1, D_M, 4, 0, 0, false, 20, 0, 2, NULL)                    \
    X(q5_0, GGML_Q5_0, D, 4, 1, 16, false, 22, 0, 0, NULL)                     \
    X(q5_1, GGML_Q5_1, D_M, 4, 1, 0, false, 24, 0, 2, NULL)                    \
    X(q8_0, GGML_Q8_0, D, 8, 0, 128, false, 34, 0, 0, NULL)                    \
    X(q2_k, GGML_Q2_K, D_C2_M2, 2, 0, 0, false, 84, 80, 82, scale_q2_k)        \
    X(q3_k, GGML_Q3_K, D_C2, 2, 1, 4, false, 110, 108, 0, scale_q3_k)          \
    X(q4_k, GGML_Q4_K, D_SC_M, 4, 0, 0, false, 144, 0, 2, scale_k)             \
    X(q5_k, GGML_Q5_K, D_SC_M, 4, 1, 0, false, 176, 0, 2, scale_k)             \
    X(q6_k, GGML_Q6_K, D_C2, 4, 2, 32, false, 210, 208, 0, scale_q6_k)         \
    X(iq4_nl, GGML_IQ4_NL, D, 4, 0, 128, true, 18, 0, 0, NULL)                 \
    X(iq4_xs, GGML_IQ4_XS, D_LS, 4, 0, 128, true, 136, 0, 0, scale_iq4_xs)

#define TYPE_DECL(name, number, scales_, low_, high_, offset_, table_, ...)    \
    INLINE struct kind kind_##name(void)                                       \
    {                                                                          \
        return (struct kind){ scales_, low_, high_, offset_, table_ };         \
    }                                                                          \
    void avx2_pack_##name(const unsigned char *const rows[PANEL], size_t n,    \
                          unsigned char *panel); /* backend_avx2_pack.c */
TYPES(TYPE_DECL)
#undef TYPE_DECL
#endif
#endif
