/* Packing: blocks of 8 rows of the file become one panel.  The words of the 8
 * rows are taken together, row r in lane r, so that a plane of bits is made by
 * a handful of vector operations. */
#include <string.h>

#include "engine/backend_avx2_panel.h"

#if defined(__AVX2__)

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
        put_plane(p + (size_t)k.low * 32, k.high, w, k.low);
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
    scale[0] = block[2 * (size_t)sub];
    scale[1] = block[2 * (size_t)sub + 1];
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
    scale[0] = block[192 + 2 * (size_t)sub];
    scale[1] = block[192 + 2 * (size_t)sub + 1];
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

    for (size_t r = 0; is_super(k) && r < PANEL; r++) {
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

        for (size_t r = 0; r < PANEL; r++) {
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

#define INSTANCE(name, number, scales_, low_, high_, offset_, table_, bytes_,  \
                 d_, m_, scale_)                                               \
    void avx2_pack_##name(const unsigned char *const rows[PANEL], size_t n,    \
                          unsigned char *panel)                                \
    {                                                                          \
        static const struct source s = { bytes_, d_, m_, take_##name,          \
                                         scale_ };                             \
        pack(kind_##name(), &s, rows, n, panel);                               \
    }
TYPES(INSTANCE)
#endif
