/* Panels of quantised weights: how they are packed, multiplied by int8
 * activations, and turned into floats.
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
 * order wanted here.
 *
 * The product multiplies unsigned weights by signed activations.  vpmaddubsw
 * adds two products in int16; as many of its results are added in int16 as
 * cannot overflow (4 bits: 8, 5 bits: 4, 6 bits: 2), one vpmaddwd widens them
 * and applies the integer scale, if there is one.  8-bit weights would overflow
 * at once: they are multiplied as two nibbles, the upper one with 16 in the
 * vpmaddwd.  What weights are offset by is put right with the sum of the
 * activations, in float, where it is exact.
 *
 * For a few tokens weights go straight from unpacking into the product.  For
 * many they are unpacked for all of them, four panels at a time: the text is at
 * struct quad.  Both give the same integers, and so the same results. */
#include "engine/backend_avx2.h"

#include <string.h>

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

/* --- unpacking ------------------------------------------------------------ */

struct w8 {
    __m256i a, b, c, d, e, f, g, h;
};

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

INLINE struct w8 nibbles(const unsigned char *p)
{
    __m256i n0 = load(p), n1 = load(p + 32);
    __m256i n2 = load(p + 64), n3 = load(p + 96);

    return (struct w8){
        move_bits(n0, 0, 0, 15), move_bits(n1, 0, 0, 15),
        move_bits(n2, 0, 0, 15), move_bits(n3, 0, 0, 15),
        move_bits(n0, 4, 0, 15), move_bits(n1, 4, 0, 15),
        move_bits(n2, 4, 0, 15), move_bits(n3, 4, 0, 15),
    };
}

/* Pairs of bits, moved to bit `to` of the bytes. */
INLINE struct w8 pairs(const unsigned char *p, int to)
{
    __m256i n0 = load(p), n1 = load(p + 32);
    int mask = 3 << to;

    return (struct w8){
        move_bits(n0, 0, to, mask), move_bits(n0, 2, to, mask),
        move_bits(n0, 4, to, mask), move_bits(n0, 6, to, mask),
        move_bits(n1, 0, to, mask), move_bits(n1, 2, to, mask),
        move_bits(n1, 4, to, mask), move_bits(n1, 6, to, mask),
    };
}

INLINE struct w8 singles(const unsigned char *p, int to)
{
    __m256i n = load(p);
    int mask = 1 << to;

    return (struct w8){
        move_bits(n, 0, to, mask), move_bits(n, 1, to, mask),
        move_bits(n, 2, to, mask), move_bits(n, 3, to, mask),
        move_bits(n, 4, to, mask), move_bits(n, 5, to, mask),
        move_bits(n, 6, to, mask), move_bits(n, 7, to, mask),
    };
}

INLINE struct w8 either(struct w8 x, struct w8 y)
{
    return (struct w8){
        _mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b),
        _mm256_or_si256(x.c, y.c), _mm256_or_si256(x.d, y.d),
        _mm256_or_si256(x.e, y.e), _mm256_or_si256(x.f, y.f),
        _mm256_or_si256(x.g, y.g), _mm256_or_si256(x.h, y.h),
    };
}

INLINE struct w8 look_up(struct w8 x, __m256i table)
{
    return (struct w8){
        _mm256_shuffle_epi8(table, x.a), _mm256_shuffle_epi8(table, x.b),
        _mm256_shuffle_epi8(table, x.c), _mm256_shuffle_epi8(table, x.d),
        _mm256_shuffle_epi8(table, x.e), _mm256_shuffle_epi8(table, x.f),
        _mm256_shuffle_epi8(table, x.g), _mm256_shuffle_epi8(table, x.h),
    };
}

/* The IQ4 values plus 128. */
INLINE __m256i iq4_table(void)
{
    return _mm256_broadcastsi128_si256(_mm_setr_epi8(
        1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
        (char)166, (char)181, (char)197, (char)217, (char)241));
}

/* Types of up to 6 bits: the weights.  8 bits: nibble `part` of them. */
INLINE struct w8 unpack(struct kind k, const unsigned char *p, int part)
{
    struct w8 w;

    if (k.low == 8) {
        int from = part * 4;
        return (struct w8){
            move_bits(load(p), from, 0, 15),
            move_bits(load(p + 32), from, 0, 15),
            move_bits(load(p + 64), from, 0, 15),
            move_bits(load(p + 96), from, 0, 15),
            move_bits(load(p + 128), from, 0, 15),
            move_bits(load(p + 160), from, 0, 15),
            move_bits(load(p + 192), from, 0, 15),
            move_bits(load(p + 224), from, 0, 15),
        };
    }
    w = k.low == 4 ? nibbles(p) : pairs(p, 0);
    if (k.high == 1)
        w = either(w, singles(p + k.low * 32, k.low));
    if (k.high == 2)
        w = either(w, pairs(p + k.low * 32, k.low));
    if (k.table)
        w = look_up(w, move_bits(iq4_table(), part * 4, 0, 15));
    return w;
}

INLINE bool is_wide(struct kind k)
{
    return k.low == 8 || k.table;
}

/* --- scales --------------------------------------------------------------- */

INLINE __m256 halves(const unsigned char *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

INLINE __m256i bytes_u(const unsigned char *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

INLINE __m256i bytes_s(const unsigned char *p)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

/* Low halves of the lanes of lo and hi, as pairs of int16. */
INLINE __m256i pair16(__m256i lo, __m256i hi)
{
    return _mm256_blend_epi16(lo, _mm256_slli_epi32(hi, 16), 0xAA);
}

/* Scales of 32 columns. */
struct scale {
    __m256 d;       /* of the sum of integer products */
    __m256 m;       /* of d * sum of activations, or of the sums with cm */
    __m256i c0, c1; /* integer scales of the halves */
    __m256i lo, hi; /* the same for 16 columns, widened: for floats */
    __m256i cm;     /* factors of the sums of the halves */
};

struct head {
    __m256 d, m;
};

INLINE struct head read_head(struct kind k, const unsigned char *p)
{
    struct head h = { halves(p), _mm256_setzero_ps() };

    if (head_bytes(k) == 32)
        h.m = halves(p + 16);
    return h;
}

INLINE struct scale two_scales(struct kind k, struct head h, __m256i c0,
                               __m256i c1)
{
    return (struct scale){
        .d = h.d,
        .c0 = pair16(c0, c0),
        .c1 = pair16(c1, c1),
        .lo = c0,
        .hi = c1,
        .cm = _mm256_mullo_epi16(pair16(c0, c1),
                                 _mm256_set1_epi16((short)-k.offset)),
    };
}

INLINE __m256 negative(__m256 v)
{
    return _mm256_xor_ps(v, _mm256_set1_ps(-0.0F));
}

/* p: the bytes for 32 columns of a block of 256. */
INLINE struct scale read_scale(struct kind k, struct head h,
                               const unsigned char *p)
{
    const __m256i one = _mm256_set1_epi16(1);
    struct scale s = { .d = h.d, .m = h.m, .c0 = one, .c1 = one };

    if (k.scales == D_LS)
        s.d = _mm256_mul_ps(h.d, _mm256_cvtepi32_ps(bytes_s(p)));
    if (k.scales == D_SC_M) {
        s.d = _mm256_mul_ps(h.d, _mm256_cvtepi32_ps(bytes_u(p)));
        s.m = negative(_mm256_mul_ps(h.m, _mm256_cvtepi32_ps(bytes_u(p + 8))));
    }
    if (k.scales == D_C2)
        s = two_scales(k, h, bytes_s(p), bytes_s(p + 8));
    if (k.scales == D_C2_M2) {
        __m256i v0 = bytes_u(p), v1 = bytes_u(p + 8);
        const __m256i low = _mm256_set1_epi32(15);
        s = two_scales(k, h, _mm256_and_si256(v0, low),
                       _mm256_and_si256(v1, low));
        s.cm = pair16(_mm256_srli_epi32(v0, 4), _mm256_srli_epi32(v1, 4));
        s.m = negative(h.m);
    }
    return s;
}

/* --- the int8 product ----------------------------------------------------- */

INLINE __m256i spread(const void *p)
{
    int32_t v;

    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

/* Four columns of 8 rows each time: unsigned by signed bytes. */
INLINE __m256i mad2(__m256i u0, __m256i s0, __m256i u1, __m256i s1)
{
    return _mm256_add_epi16(_mm256_maddubs_epi16(u0, s0),
                            _mm256_maddubs_epi16(u1, s1));
}

/* c0 * sum over the first 16 columns + c1 * sum over the others, with no more
 * than `depth` results of vpmaddubsw added in int16. */
INLINE __m256i dot32(struct w8 u, struct w8 s, int depth, __m256i c0,
                     __m256i c1)
{
    __m256i p = mad2(u.a, s.a, u.b, s.b), q = mad2(u.c, s.c, u.d, s.d), sum;

    if (depth == 2)
        sum = _mm256_add_epi32(_mm256_madd_epi16(p, c0),
                               _mm256_madd_epi16(q, c0));
    p = _mm256_add_epi16(p, q);
    if (depth == 4)
        sum = _mm256_madd_epi16(p, c0);
    if (depth == 8) {
        p = _mm256_add_epi16(p, mad2(u.e, s.e, u.f, s.f));
        p = _mm256_add_epi16(p, mad2(u.g, s.g, u.h, s.h));
        return _mm256_madd_epi16(p, c0);
    }
    p = mad2(u.e, s.e, u.f, s.f);
    q = mad2(u.g, s.g, u.h, s.h);
    if (depth == 4)
        return _mm256_add_epi32(sum,
                                _mm256_madd_epi16(_mm256_add_epi16(p, q), c1));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(p, c1));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(q, c1));
}

/* Bytes of 32 columns of one token, four of them in all lanes of a vector. */
INLINE struct w8 spread_token(const int8_t *q)
{
    return (struct w8){ spread(q),      spread(q + 4),  spread(q + 8),
                        spread(q + 12), spread(q + 16), spread(q + 20),
                        spread(q + 24), spread(q + 28) };
}

INLINE int depth_of(struct kind k)
{
    if (k.low + k.high == 6)
        return 2;
    return k.low + k.high == 5 || k.scales == D_C2 || k.scales == D_C2_M2 ? 4
                                                                          : 8;
}

/* What the loop over tokens needs of 32 columns of weights. */
struct columns {
    struct w8 w, upper; /* upper nibbles of wide ones */
    struct scale s;
};

/* acc[8] += the columns times token t of block b's activations. */
INLINE void one_token(struct kind k, const struct columns *c, const int8_t *q,
                      const struct q8_rows *x, size_t i, float *acc)
{
    struct w8 x8 = spread_token(q);
    __m256i sum = dot32(c->w, x8, depth_of(k), c->s.c0, c->s.c1);
    __m256 dx = _mm256_broadcast_ss(x->d + i);
    __m256 a = _mm256_loadu_ps(acc), f;

    if (is_wide(k))
        sum = _mm256_add_epi32(
            sum, dot32(c->upper, x8, 8, _mm256_set1_epi16(16), c->s.c1));
    if (k.scales == D_C2)
        sum = _mm256_add_epi32(sum,
                               _mm256_madd_epi16(c->s.cm, spread(x->half + i)));
    f = _mm256_cvtepi32_ps(sum);
    if (k.offset && k.scales != D_C2)
        f = _mm256_fnmadd_ps(_mm256_broadcast_ss(x->sum + i),
                             _mm256_set1_ps((float)k.offset), f);
    a = _mm256_fmadd_ps(_mm256_mul_ps(c->s.d, dx), f, a);
    if (k.scales == D_M || k.scales == D_SC_M)
        a = _mm256_fmadd_ps(c->s.m, _mm256_broadcast_ss(x->dsum + i), a);
    if (k.scales == D_C2_M2) {
        f = _mm256_cvtepi32_ps(_mm256_madd_epi16(c->s.cm, spread(x->half + i)));
        a = _mm256_fmadd_ps(c->s.m, _mm256_mul_ps(dx, f), a);
    }
    _mm256_storeu_ps(acc, a);
}

/* Copies, or the compiler fears that storing acc changes them. */
INLINE void all_tokens(struct kind k, const struct columns *c,
                       const struct q8_rows *x, size_t block, float *acc)
{
    const struct columns cols = *c;
    const size_t first = block * x->stride, n = x->n_tokens;
    const int8_t *q = x->q + first * BLOCK;
    const struct q8_rows at = { .d = x->d + first,
                                .sum = x->sum + first,
                                .dsum = x->dsum + first,
                                .half = x->half + first };

    for (size_t t = 0; t < n; t++)
        one_token(k, &cols, q + t * BLOCK, &at, t, acc + t * PANEL);
}

INLINE void dot(struct kind k, const unsigned char *p, const struct q8_rows *x,
                float *acc)
{
    struct head h = { _mm256_setzero_ps(), _mm256_setzero_ps() };
    struct columns c;

    for (size_t b = 0; b < x->n_blocks; b++) {
        if (!is_super(k) || b % 8 == 0) {
            h = read_head(k, p);
            p += head_bytes(k);
        }
        c.s = read_scale(k, h, p);
        p += sub_bytes(k);
        c.w = unpack(k, p, 0);
        if (is_wide(k))
            c.upper = unpack(k, p, 1);
        p += plane_bytes(k);
        all_tokens(k, &c, x, b, acc);
    }
}

/* --- the int8 product of many tokens -------------------------------------- */

/* 32 columns of FOUR panels, unpacked once for all tokens.  Here it is the
 * activations that are unsigned (q + 128) and in registers, read once for four
 * panels; the weights, their offset taken away, are the signed ones and come
 * from the cache.  128 times their sum is then too much, the same for all
 * tokens.  The integers are those of the other way, with a third of the
 * instructions less: 7.3 cycles in place of 8.4 for 32 columns of Q5_0. */
struct quad {
    _Alignas(32) int8_t w[FOUR][256];
    int8_t upper[FOUR][256]; /* upper nibbles of wide ones */
    float d[FOUR][PANEL], m[FOUR][PANEL];
    int32_t excess[FOUR][PANEL];
    int32_t c0[FOUR][PANEL], c1[FOUR][PANEL], cm[FOUR][PANEL];
};

INLINE struct w8 minus(struct w8 x, int v)
{
    const __m256i y = _mm256_set1_epi8((char)v);

    return (struct w8){ _mm256_sub_epi8(x.a, y), _mm256_sub_epi8(x.b, y),
                        _mm256_sub_epi8(x.c, y), _mm256_sub_epi8(x.d, y),
                        _mm256_sub_epi8(x.e, y), _mm256_sub_epi8(x.f, y),
                        _mm256_sub_epi8(x.g, y), _mm256_sub_epi8(x.h, y) };
}

INLINE void put(void *p, __m256i v)
{
    _mm256_store_si256(p, v);
}

INLINE void put_w8(int8_t *p, struct w8 w)
{
    put(p, w.a);
    put(p + 32, w.b);
    put(p + 64, w.c);
    put(p + 96, w.d);
    put(p + 128, w.e);
    put(p + 160, w.f);
    put(p + 192, w.g);
    put(p + 224, w.h);
}

INLINE struct w8 get_w8(const int8_t *p)
{
    return (struct w8){ load(p),       load(p + 32),  load(p + 64),
                        load(p + 96),  load(p + 128), load(p + 160),
                        load(p + 192), load(p + 224) };
}

INLINE struct w8 all_bytes(int v)
{
    const __m256i y = _mm256_set1_epi8((char)v);

    return (struct w8){ y, y, y, y, y, y, y, y };
}

/* Weights without an offset are not signed, nor are the lower nibbles of wide
 * ones, so fewer can be added. */
INLINE int quad_depth(struct kind k)
{
    if (k.scales == D_M || k.scales == D_SC_M)
        return k.high ? 2 : 4;
    return is_wide(k) ? 4 : depth_of(k);
}

/* The integer product of one panel: x in registers. */
INLINE __m256i quad_dot(struct kind k, struct w8 x, const struct quad *z, int i,
                        __m256i c0, __m256i c1)
{
    __m256i sum = dot32(x, get_w8(z->w[i]), quad_depth(k), c0, c1);

    if (is_wide(k))
        sum = _mm256_add_epi32(
            sum, dot32(x, get_w8(z->upper[i]), 8, _mm256_set1_epi16(16), c1));
    return sum;
}

/* Unpacks panel i. */
INLINE void fill_quad(struct kind k, struct head h, const unsigned char *p,
                      struct quad *z, int i)
{
    struct scale s = read_scale(k, h, p);
    struct w8 w = unpack(k, p + sub_bytes(k), 0);
    __m256i excess;

    if (is_wide(k))
        put_w8(z->upper[i], minus(unpack(k, p + sub_bytes(k), 1), 8));
    else
        w = minus(w, k.offset);
    put_w8(z->w[i], w);
    excess = quad_dot(k, all_bytes(1), z, i, s.c0, s.c1);
    put(z->excess[i], _mm256_slli_epi32(excess, 7));
    _mm256_store_ps(z->d[i], s.d);
    _mm256_store_ps(z->m[i], s.m);
    if (k.scales == D_C2 || k.scales == D_C2_M2) {
        put(z->c0[i], s.c0);
        put(z->c1[i], s.c1);
        put(z->cm[i], s.cm);
    }
}

/* Of one token, the same for all rows. */
struct token {
    struct w8 x;
    __m256 d, dsum;
    __m256i half;
};

INLINE void quad_panel(struct kind k, const struct token *t,
                       const struct quad *z, int i, float *acc)
{
    const bool two = k.scales == D_C2 || k.scales == D_C2_M2;
    const __m256i one = _mm256_set1_epi16(1);
    __m256i sum = quad_dot(k, t->x, z, i, two ? load(z->c0[i]) : one,
                           two ? load(z->c1[i]) : one);
    __m256 d = _mm256_mul_ps(_mm256_load_ps(z->d[i]), t->d);
    __m256 a = _mm256_load_ps(acc), f;

    f = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, load(z->excess[i])));
    a = _mm256_fmadd_ps(d, f, a);
    if (k.scales == D_M || k.scales == D_SC_M)
        a = _mm256_fmadd_ps(_mm256_load_ps(z->m[i]), t->dsum, a);
    if (k.scales == D_C2_M2) {
        f = _mm256_cvtepi32_ps(_mm256_madd_epi16(load(z->cm[i]), t->half));
        a = _mm256_fmadd_ps(_mm256_load_ps(z->m[i]), _mm256_mul_ps(t->d, f), a);
    }
    _mm256_store_ps(acc, a);
}

INLINE void quad_tokens(struct kind k, const struct quad *z,
                        const struct q8_rows *x, size_t block, float *acc)
{
    const size_t first = block * x->stride, n = x->n_tokens;
    const int8_t *q = x->q + first * BLOCK;
    const float *d = x->d + first, *dsum = x->dsum + first;
    const int32_t *half = x->half + first;

    for (size_t t = 0; t < n; t++, acc += FOUR * PANEL) {
        struct token y = { .x = spread_token(q + t * BLOCK),
                           .d = _mm256_broadcast_ss(d + t) };

        if (k.scales == D_M || k.scales == D_SC_M)
            y.dsum = _mm256_broadcast_ss(dsum + t);
        if (k.scales == D_C2_M2)
            y.half = spread(half + t);
        quad_panel(k, &y, z, 0, acc);
        quad_panel(k, &y, z, 1, acc + PANEL);
        quad_panel(k, &y, z, 2, acc + 2 * PANEL);
        quad_panel(k, &y, z, 3, acc + 3 * PANEL);
    }
}

INLINE void dot4(struct kind k, const unsigned char *const panels[FOUR],
                 const struct q8_rows *x, float *acc)
{
    const size_t sub = sub_bytes(k) + plane_bytes(k);
    struct head h[FOUR];
    struct quad z;
    size_t at = 0;

    for (size_t b = 0; b < x->n_blocks; b++, at += sub) {
        if (!is_super(k) || b % 8 == 0) {
            for (int i = 0; i < FOUR; i++)
                h[i] = read_head(k, panels[i] + at);
            at += head_bytes(k);
        }
        for (int i = 0; i < FOUR; i++)
            fill_quad(k, h[i], panels[i] + at, &z, i);
        quad_tokens(k, &z, x, b, acc);
    }
}

/* --- as floats ------------------------------------------------------------ */

/* Columns 4i ... 4i+3. */
INLINE void floats4(struct kind k, __m256i w, __m256 d, __m256 m, float *tile,
                    size_t stride)
{
    const __m256i byte = _mm256_set1_epi32(255);

    for (int c = 0; c < 4; c++) {
        __m256i u = _mm256_and_si256(_mm256_srli_epi32(w, c * 8), byte);
        __m256i v = _mm256_sub_epi32(u, _mm256_set1_epi32(k.offset));
        __m256 y = _mm256_mul_ps(d, _mm256_cvtepi32_ps(v));

        if (k.scales == D_M || k.scales == D_SC_M || k.scales == D_C2_M2)
            y = _mm256_add_ps(y, m);
        _mm256_storeu_ps(tile + (size_t)c * stride, y);
    }
}

/* The factors of 16 columns (half 0 or 1). */
INLINE struct head float_scale(struct kind k, const struct scale *s, int half)
{
    struct head h = { s->d, s->m };

    if (k.scales == D_C2 || k.scales == D_C2_M2)
        h.d = _mm256_mul_ps(s->d, _mm256_cvtepi32_ps(half ? s->hi : s->lo));
    if (k.scales == D_C2_M2) {
        __m256i m = half ? _mm256_srli_epi32(s->cm, 16)
                         : _mm256_and_si256(s->cm, _mm256_set1_epi32(0xFFFF));
        h.m = _mm256_mul_ps(s->m, _mm256_cvtepi32_ps(m));
    }
    return h;
}

INLINE __m256i whole(__m256i low, __m256i upper)
{
    return _mm256_or_si256(low, _mm256_slli_epi16(upper, 4));
}

INLINE void floats32(struct kind k, const struct scale *s,
                     const unsigned char *p, float *tile, size_t stride)
{
    struct head lo = float_scale(k, s, 0), hi = float_scale(k, s, 1);
    struct w8 w = unpack(k, p, 0);

    if (is_wide(k)) {
        struct w8 u = unpack(k, p, 1);
        w = (struct w8){ whole(w.a, u.a), whole(w.b, u.b), whole(w.c, u.c),
                         whole(w.d, u.d), whole(w.e, u.e), whole(w.f, u.f),
                         whole(w.g, u.g), whole(w.h, u.h) };
    }
    floats4(k, w.a, lo.d, lo.m, tile, stride);
    floats4(k, w.b, lo.d, lo.m, tile + 4 * stride, stride);
    floats4(k, w.c, lo.d, lo.m, tile + 8 * stride, stride);
    floats4(k, w.d, lo.d, lo.m, tile + 12 * stride, stride);
    floats4(k, w.e, hi.d, hi.m, tile + 16 * stride, stride);
    floats4(k, w.f, hi.d, hi.m, tile + 20 * stride, stride);
    floats4(k, w.g, hi.d, hi.m, tile + 24 * stride, stride);
    floats4(k, w.h, hi.d, hi.m, tile + 28 * stride, stride);
}

INLINE void floats(struct kind k, const unsigned char *p, size_t first,
                   size_t n, float *tile, size_t stride)
{
    const size_t unit = is_super(k) ? 8 : 1; /* blocks under one head */
    const size_t sub = sub_bytes(k) + plane_bytes(k);
    struct head h = { _mm256_setzero_ps(), _mm256_setzero_ps() };

    p += first / (unit * BLOCK) * (head_bytes(k) + unit * sub);
    for (size_t b = 0; b < n / BLOCK; b++) {
        struct scale s;

        if (b % unit == 0) {
            h = read_head(k, p);
            p += head_bytes(k);
        }
        s = read_scale(k, h, p);
        floats32(k, &s, p + sub_bytes(k), tile + b * BLOCK * stride, stride);
        p += sub;
    }
}

/* --- packing -------------------------------------------------------------- */

/* The weights of 32 columns of 8 rows: w[i] holds columns 4i ... 4i+3. */
typedef void take_fn(const unsigned char *const blocks[PANEL], int sub,
                     __m256i w[8]);

static int32_t word(const unsigned char *p)
{
    int32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* Four bytes of each row's block, in its lane. */
static __m256i words(const unsigned char *const blocks[PANEL], size_t at)
{
    return _mm256_setr_epi32(word(blocks[0] + at), word(blocks[1] + at),
                             word(blocks[2] + at), word(blocks[3] + at),
                             word(blocks[4] + at), word(blocks[5] + at),
                             word(blocks[6] + at), word(blocks[7] + at));
}

/* Bits shift ... shift+bits-1 of the bytes of w, as planes. */
INLINE void put_plane(unsigned char *p, int bits, const __m256i w[8], int shift)
{
    const int per_plane = 8 / bits;

    for (int i = 0; i < bits; i++, p += 32) {
        __m256i v = _mm256_setzero_si256();
        for (int j = 0; j < per_plane; j++) {
            int from = bits == 4 ? i + j * 4 : i * per_plane + j;
            __m256i x = move_bits(w[from], shift, 0, (1 << bits) - 1);
            v = _mm256_or_si256(v, _mm256_slli_epi16(x, j * bits));
        }
        _mm256_storeu_si256((__m256i *)(void *)p, v);
    }
}

INLINE void put_planes(struct kind k, unsigned char *p, const __m256i w[8])
{
    put_plane(p, k.low, w, 0);
    if (k.high)
        put_plane(p + k.low * 32, k.high, w, k.low);
}

/* 16 bytes of nibbles: the lower ones are the first 16 columns. */
static void take_nibbles(const unsigned char *const blocks[PANEL], size_t at,
                         __m256i w[8])
{
    for (size_t i = 0; i < 4; i++) {
        __m256i v = words(blocks, at + 4 * i);
        w[i] = move_bits(v, 0, 0, 15);
        w[i + 4] = move_bits(v, 4, 0, 15);
    }
}

/* Bits 4i ... 4i+3 of v into bit 4 of the bytes of w[i]: two copies of the four
 * bits side by side, 7 bits apart, and the same again 14 bits up. */
static void take_fifth(__m256i v, __m256i w[8])
{
    for (int i = 0; i < 8; i++) {
        __m256i b = _mm256_and_si256(_mm256_srli_epi32(v, 4 * i),
                                     _mm256_set1_epi32(15));
        b = _mm256_or_si256(b, _mm256_slli_epi32(b, 7));
        b = _mm256_or_si256(b, _mm256_slli_epi32(b, 14));
        w[i] = _mm256_or_si256(w[i], move_bits(b, 0, 4, 16));
    }
}

static void take_q4_0(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    (void)sub;
    take_nibbles(blocks, 2, w);
}

static void take_q4_1(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    (void)sub;
    take_nibbles(blocks, 4, w);
}

static void take_q5_0(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    (void)sub;
    take_nibbles(blocks, 6, w);
    take_fifth(words(blocks, 2), w);
}

static void take_q5_1(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    (void)sub;
    take_nibbles(blocks, 8, w);
    take_fifth(words(blocks, 4), w);
}

static void take_q8_0(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    (void)sub;
    for (size_t i = 0; i < 8; i++)
        w[i] = _mm256_xor_si256(words(blocks, 2 + 4 * i),
                                _mm256_set1_epi8(INT8_MIN));
}

/* Bits from ... from+bits-1 of the 32 bytes at `at` go to bit `to`. */
static void take_bits(const unsigned char *const blocks[PANEL], size_t at,
                      int from, int bits, int to, __m256i w[8])
{
    for (size_t i = 0; i < 8; i++) {
        __m256i v =
            move_bits(words(blocks, at + 4 * i), from, 0, (1 << bits) - 1);
        w[i] = _mm256_or_si256(w[i], _mm256_slli_epi16(v, to));
    }
}

static void take_q2_k(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    take_bits(blocks, 16 + (size_t)sub / 4 * 32, sub % 4 * 2, 2, 0, w);
}

static void take_q3_k(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    take_bits(blocks, 32 + (size_t)sub / 4 * 32, sub % 4 * 2, 2, 0, w);
    take_bits(blocks, 0, sub, 1, 2, w);
}

static void take_q4_k(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    take_bits(blocks, 16 + (size_t)sub / 2 * 32, sub % 2 * 4, 4, 0, w);
}

static void take_q5_k(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    take_bits(blocks, 48 + (size_t)sub / 2 * 32, sub % 2 * 4, 4, 0, w);
    take_bits(blocks, 16, sub, 1, 4, w);
}

static void take_q6_k(const unsigned char *const blocks[PANEL], int sub,
                      __m256i w[8])
{
    const size_t half = (size_t)sub / 4, part = (size_t)sub % 4;

    take_bits(blocks, half * 64 + part % 2 * 32, (int)part / 2 * 4, 4, 0, w);
    take_bits(blocks, 128 + half * 32, (int)part * 2, 2, 4, w);
}

static void take_iq4_nl(const unsigned char *const blocks[PANEL], int sub,
                        __m256i w[8])
{
    take_q4_0(blocks, sub, w);
}

static void take_iq4_xs(const unsigned char *const blocks[PANEL], int sub,
                        __m256i w[8])
{
    take_nibbles(blocks, 8 + (size_t)sub * 16, w);
}

/* Scales of 32 columns of a block of 256, as put into a panel. */
typedef void scale_fn(const unsigned char *block, int sub,
                      unsigned char scale[2]);

/* The 6-bit scales and minima of Q4_K and Q5_K. */
static void scale_k(const unsigned char *block, int sub, unsigned char scale[2])
{
    const unsigned char *s = block + 4;

    if (sub < 4) {
        scale[0] = s[sub] & 63;
        scale[1] = s[sub + 4] & 63;
    } else {
        scale[0] = (unsigned char)((s[sub + 4] & 15) | s[sub - 4] >> 6 << 4);
        scale[1] = (unsigned char)(s[sub + 4] >> 4 | s[sub] >> 6 << 4);
    }
}

static void scale_q2_k(const unsigned char *block, int sub,
                       unsigned char scale[2])
{
    scale[0] = block[2 * sub];
    scale[1] = block[2 * sub + 1];
}

static void scale_q3_k(const unsigned char *block, int sub,
                       unsigned char scale[2])
{
    const unsigned char *s = block + 96;

    for (int i = 0; i < 2; i++) {
        int n = 2 * sub + i;
        int low = s[n % 8] >> (n / 8 * 4) & 15;
        int high = s[8 + n % 4] >> (n / 4 * 2) & 3;
        scale[i] = (unsigned char)((low | high << 4) - 32);
    }
}

static void scale_q6_k(const unsigned char *block, int sub,
                       unsigned char scale[2])
{
    scale[0] = block[192 + 2 * sub];
    scale[1] = block[192 + 2 * sub + 1];
}

static void scale_iq4_xs(const unsigned char *block, int sub,
                         unsigned char scale[2])
{
    int high = (block[2] | block[3] << 8) >> (2 * sub) & 3;
    int low = block[4 + sub / 2] >> (sub % 2 * 4) & 15;

    scale[0] = (unsigned char)((low | high << 4) - 32);
    scale[1] = 0;
}

/* How blocks of a type are read. */
struct source {
    size_t bytes;      /* of a block */
    size_t d_at, m_at; /* where its float scales are */
    take_fn *take;
    scale_fn *scale; /* blocks of 256 */
};

INLINE unsigned char *pack_sub(struct kind k, const struct source *s,
                               const unsigned char *const blocks[PANEL],
                               int sub, unsigned char *p)
{
    __m256i w[8] = { 0 };

    for (int r = 0; is_super(k) && r < PANEL; r++) {
        unsigned char scale[2];

        s->scale(blocks[r], sub, scale);
        p[r] = scale[0];
        if (sub_bytes(k) == 16)
            p[8 + r] = scale[1];
    }
    s->take(blocks, sub, w);
    put_planes(k, p + sub_bytes(k), w);
    return p + sub_bytes(k) + plane_bytes(k);
}

INLINE void pack(struct kind k, const struct source *s,
                 const unsigned char *const rows[PANEL], size_t n,
                 unsigned char *p)
{
    static const unsigned char zeros[256];

    for (size_t b = 0; b < n; b++) {
        const unsigned char *blocks[PANEL];

        for (int r = 0; r < PANEL; r++) {
            blocks[r] = rows[r] ? rows[r] + b * s->bytes : zeros;
            memcpy(p + 2 * r, blocks[r] + s->d_at, 2);
            if (head_bytes(k) == 32)
                memcpy(p + 16 + 2 * r, blocks[r] + s->m_at, 2);
        }
        p += head_bytes(k);
        for (int sub = 0; sub < (is_super(k) ? 8 : 1); sub++)
            p = pack_sub(k, s, blocks, sub, p);
    }
}

/* --- the types ------------------------------------------------------------ */

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

#define INSTANCE(name, number, scales_, low_, high_, offset_, table_, bytes_,  \
                 d_, m_, scale_)                                               \
    INLINE struct kind kind_##name(void)                                       \
    {                                                                          \
        return (struct kind){ scales_, low_, high_, offset_, table_ };         \
    }                                                                          \
    static void pack_##name(const unsigned char *const rows[PANEL], size_t n,  \
                            unsigned char *panel)                              \
    {                                                                          \
        static const struct source s = { bytes_, d_, m_, take_##name,          \
                                         scale_ };                             \
        pack(kind_##name(), &s, rows, n, panel);                               \
    }                                                                          \
    static void dot_##name(const unsigned char *panel,                         \
                           const struct q8_rows *x, float *acc)                \
    {                                                                          \
        dot(kind_##name(), panel, x, acc);                                     \
    }                                                                          \
    static void dot4_##name(const unsigned char *const panels[FOUR],           \
                            const struct q8_rows *x, float *acc)               \
    {                                                                          \
        dot4(kind_##name(), panels, x, acc);                                   \
    }                                                                          \
    static void floats_##name(const unsigned char *panel, size_t first,        \
                              size_t n, float *tile, size_t stride)            \
    {                                                                          \
        floats(kind_##name(), panel, first, n, tile, stride);                  \
    }
TYPES(INSTANCE)

#define ROW(name, number, scales_, low_, high_, ...)                           \
    [number] = {                                                               \
        .cols = SUPER(scales_) ? 256 : 32,                                     \
        .bytes = HEAD(scales_) + (SUPER(scales_) ? 8 : 1) *                    \
                                     (SUB(scales_) + PLANES(low_, high_)),     \
        .pack = pack_##name,                                                   \
        .dot = dot_##name,                                                     \
        .dot4 = dot4_##name,                                                   \
        .floats = floats_##name,                                               \
    },
static const struct panel_type types[GGML_N_TYPES] = { TYPES(ROW) };

const struct panel_type *avx2_panel_type(enum ggml_type type)
{
    if (type == GGML_F32)
        return &avx2_panel_f32;
    if (type == GGML_F16)
        return &avx2_panel_f16;
    if (type == GGML_BF16)
        return &avx2_panel_bf16;
    return types[type].pack ? &types[type] : NULL;
}
#endif
