/* Panels of quantised weights: multiplied by int8 activations, and turned into
 * floats.  How they lie is in backend_avx2_panel.h.
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
#include "engine/backend_avx2_panel.h"

#include <string.h>

#if defined(__AVX2__)

/* --- unpacking ------------------------------------------------------------ */

struct w8 {
    __m256i a, b, c, d, e, f, g, h;
};

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
        w = either(w, singles(p + (size_t)k.low * 32, k.low));
    if (k.high == 2)
        w = either(w, pairs(p + (size_t)k.low * 32, k.low));
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
INLINE __m256i quad_dot(struct kind k, struct w8 x, const struct quad *z,
                        size_t i, __m256i c0, __m256i c1)
{
    __m256i sum = dot32(x, get_w8(z->w[i]), quad_depth(k), c0, c1);

    if (is_wide(k))
        sum = _mm256_add_epi32(
            sum, dot32(x, get_w8(z->upper[i]), 8, _mm256_set1_epi16(16), c1));
    return sum;
}

/* Unpacks panel i. */
INLINE void fill_quad(struct kind k, struct head h, const unsigned char *p,
                      struct quad *z, size_t i)
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
                       const struct quad *z, size_t i, float *acc)
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
            for (size_t i = 0; i < FOUR; i++)
                h[i] = read_head(k, panels[i] + at);
            at += head_bytes(k);
        }
        for (size_t i = 0; i < FOUR; i++)
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

/* --- the types ------------------------------------------------------------ */

#define INSTANCE(name, ...)                                                    \
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
        .pack = avx2_pack_##name,                                              \
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
