/* Matrices: opening and packing them, the quantising of activations, and how a
 * product is cut into pieces for the threads.
 *
 * A piece is some panels times a tile of tokens.  The tile's activations stay
 * in the second-level cache while panel after panel runs over them; its sums
 * stay in the first.  Which thread takes which piece changes nothing. */
#include "engine/backend_avx2.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "harness/base/mem.h"

#include "engine/backend_avx2_math.h"

#if defined(__AVX2__)
#define MAX_LINEARS 16
#define TILE ((size_t)128) /* tokens at the most */
#define TILE_BYTES 327680  /* of their activations, in a cache of 512 KiB */
#define MANY 8             /* tokens for which unpacking apart pays */
#define PIECE_CYCLES 40000
#define PACK_AT_ONCE 4

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit;
}

/* --- opening and packing -------------------------------------------------- */

enum err_code avx2_mat_open(struct be *b, struct be_mat **out,
                            const struct gguf_tensor *t, int64_t first_row,
                            int64_t rows, struct err *e)
{
    const struct panel_type *type = avx2_panel_type(t->type);
    const struct quant_type *quant = quant_type(t->type);
    struct be_mat *m;

    *out = NULL;
    assert(type && quant && t->dims[0] % type->cols == 0);
    if (t->dims[0] > AVX2_MAX_COLS)
        return err_set(e, ERR_LIMIT, "tensor %.*s: more than %d columns",
                       STR_FMT(t->name), AVX2_MAX_COLS);
    m = mem_zalloc(sizeof *m + sizeof *m->state);
    if (!m)
        return err_set(e, ERR_NOMEM, "no memory for a matrix");
    m->state = (struct mat_state *)(m + 1);
    m->type = type;
    m->quant = quant;
    m->rows = (size_t)rows;
    m->cols = (size_t)t->dims[0];
    m->row_bytes = m->cols / quant->block_elems * quant->block_bytes;
    m->data = t->data + (size_t)first_row * m->row_bytes;
    m->panel_bytes = m->cols / type->cols * type->bytes;
    m->panels = avx2_weight_alloc(b, up(m->rows, PANEL) * m->panel_bytes);
    if (!m->panels) {
        mem_free(m);
        return err_set(e, ERR_NOMEM, "no memory for the panels of %.*s",
                       STR_FMT(t->name));
    }
    pthread_mutex_init(&m->state->lock, NULL);
    *out = m;
    return ERR_OK;
}

void avx2_mat_close(struct be *b, struct be_mat *m)
{
    (void)b;
    if (!m)
        return;
    pthread_mutex_destroy(&m->state->lock);
    mem_free(m);
}

uint64_t avx2_mat_bytes(const struct be_mat *m)
{
    return up(m->rows, PANEL) * m->panel_bytes;
}

/* Rows of a matrix that become panels: ids, or all of them in order. */
struct packing {
    const struct be_mat *mat;
    const int32_t *ids;
    size_t n_rows;
    unsigned char *panels;
};

static void pack_panel(const struct packing *k, size_t panel)
{
    const struct be_mat *m = k->mat;
    const unsigned char *rows[PANEL];

    for (size_t r = 0; r < PANEL; r++) {
        size_t at = panel * PANEL + r;
        size_t row = at < k->n_rows && k->ids ? (size_t)k->ids[at] : at;
        rows[r] = at < k->n_rows ? m->data + row * m->row_bytes : NULL;
    }
    m->type->pack(rows, m->cols / m->type->cols,
                  k->panels + panel * m->panel_bytes);
}

static void pack_some(void *arg, size_t i, int thread)
{
    const struct packing *k = arg;
    size_t end = min_size((i + 1) * PACK_AT_ONCE, up(k->n_rows, PANEL));

    (void)thread;
    for (size_t p = i * PACK_AT_ONCE; p < end; p++)
        pack_panel(k, p);
}

static void pack_all(struct be *b, struct packing *k)
{
    pool_run(b->pool, up(up(k->n_rows, PANEL), PACK_AT_ONCE), pack_some, k);
}

/* Contexts share matrices: the first that comes packs, with its own threads. */
static void ensure_packed(struct be *b, const struct be_mat *m)
{
    struct packing k = { m, NULL, m->rows, m->panels };

    if (atomic_load(&m->state->packed))
        return;
    pthread_mutex_lock(&m->state->lock);
    if (!atomic_load(&m->state->packed))
        pack_all(b, &k);
    atomic_store(&m->state->packed, true);
    pthread_mutex_unlock(&m->state->lock);
}

/* --- lending rows --------------------------------------------------------- */

struct embedding {
    const struct be_mat *mat;
    const int32_t *ids;
    float scale;
    float *out;
};

static void embed_row(void *arg, size_t i, int thread)
{
    const struct embedding *m = arg;
    const struct be_mat *mat = m->mat;
    float *y = m->out + i * mat->cols;

    (void)thread;
    mat->quant->dequantise(mat->data + (size_t)m->ids[i] * mat->row_bytes, y,
                           mat->cols);
    for (size_t c = 0; c < mat->cols; c++)
        y[c] *= m->scale;
}

void avx2_embed(struct be *b, const struct be_mat *mat, const int32_t *ids,
                size_t n, float scale, float *out)
{
    struct embedding m = { mat, ids, scale, out };

    pool_run(b->pool, n, embed_row, &m);
}

/* --- quantising activations ----------------------------------------------- */

/* Everything of a call: its rows as integers, its products as pieces. */
struct product {
    const struct be_linear *lin;
    const struct be_mat *mat;
    size_t n_panels;
    size_t group;    /* panels in a piece */
    size_t n_groups; /* groups of them */
    bool ints;
};

struct call {
    const float *x;
    size_t x_stride, cols;
    size_t first, T; /* rows of this round */
    size_t tile, n_tiles;
    bool many; /* four panels at a time, and q + 128 */
    struct q8_rows rows;
    int8_t *q;
    float *d, *sum, *dsum;
    int32_t *half;
    struct product products[MAX_LINEARS];
    size_t n_products;
};

INLINE float max_abs(__m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256i mask = _mm256_set1_epi32(INT32_MAX);
    __m256i ia = _mm256_and_si256(_mm256_castps_si256(a), mask);
    __m256i ib = _mm256_and_si256(_mm256_castps_si256(b), mask);
    __m256i ic = _mm256_and_si256(_mm256_castps_si256(c), mask);
    __m256i id = _mm256_and_si256(_mm256_castps_si256(d), mask);
    __m256i m =
        _mm256_max_epi32(_mm256_max_epi32(ia, ib), _mm256_max_epi32(ic, id));
    __m128i h = _mm_max_epi32(_mm256_castsi256_si128(m),
                              _mm256_extracti128_si256(m, 1));

    /* As integers: so a NaN is the largest of all, and is found. */
    h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 0x4E));
    h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 0xB1));
    return _mm_cvtss_f32(_mm_castsi128_ps(h));
}

INLINE __m256i to_ints(__m256 x, __m256 d)
{
    const __m256 limit = _mm256_set1_ps(127), low = _mm256_set1_ps(-127);
    __m256 v = _mm256_div_ps(x, d);

    return _mm256_cvtps_epi32(_mm256_max_ps(_mm256_min_ps(v, limit), low));
}

/* 32 integers, with the bits of `flip` flipped; returns the sums of their halves
 * as two int16. */
INLINE int32_t quantise32(const float *x, float d, int8_t flip, int8_t *q)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 vd = _mm256_set1_ps(d);
    __m256i a = _mm256_packs_epi32(to_ints(_mm256_loadu_ps(x), vd),
                                   to_ints(_mm256_loadu_ps(x + 8), vd));
    __m256i b = _mm256_packs_epi32(to_ints(_mm256_loadu_ps(x + 16), vd),
                                   to_ints(_mm256_loadu_ps(x + 24), vd));
    __m256i v = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), order);
    __m256i s;

    _mm256_storeu_si256((__m256i *)(void *)q,
                        _mm256_xor_si256(v, _mm256_set1_epi8(flip)));
    s = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), v), ones);
    s = _mm256_hadd_epi32(s, s);
    s = _mm256_hadd_epi32(s, s);
    return (_mm256_extract_epi32(s, 0) & 0xFFFF) |
           (int32_t)((uint32_t)_mm256_extract_epi32(s, 4) << 16);
}

static void quantise_block(struct call *c, size_t block, size_t t,
                           const float *x)
{
    size_t at = block * c->rows.stride + t;
    float max = max_abs(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8),
                        _mm256_loadu_ps(x + 16), _mm256_loadu_ps(x + 24));
    float d = max / 127.0F, sum;
    int8_t flip = c->many ? INT8_MIN : 0;
    int32_t half = 0;

    if (!(max < (float)INFINITY))
        d = NAN;
    if (d > 0)
        half = quantise32(x, d, flip, c->q + at * BLOCK);
    else
        memset(c->q + at * BLOCK, flip, BLOCK);
    sum = (float)((int16_t)half + (half >> 16));
    c->d[at] = d;
    c->sum[at] = sum;
    c->dsum[at] = d * sum;
    c->half[at] = half;
}

#define QUANTISE_TOKENS 8

static void quantise_some(void *arg, size_t i, int thread)
{
    struct call *c = arg;
    size_t first = i * QUANTISE_TOKENS;
    size_t end = min_size(first + QUANTISE_TOKENS, c->T);

    (void)thread;
    for (size_t b = 0; b < c->cols / BLOCK; b++)
        for (size_t t = first; t < end; t++)
            quantise_block(c, b, t,
                           c->x + (c->first + t) * c->x_stride + b * BLOCK);
}

/* Bytes of one row as integers, at the most; never 0. */
static size_t q8_bytes(size_t cols)
{
    return cols + cols / BLOCK * 16 + 1;
}

static void lay_out_rows(struct call *c, unsigned char *scratch)
{
    size_t n_blocks = c->cols / BLOCK, n = n_blocks * c->T;

    c->q = (int8_t *)scratch;
    c->d = (float *)(void *)(scratch + n * BLOCK);
    c->sum = c->d + n;
    c->dsum = c->sum + n;
    c->half = (int32_t *)(void *)(c->dsum + n);
    c->rows = (struct q8_rows){ .q = c->q,
                                .d = c->d,
                                .sum = c->sum,
                                .dsum = c->dsum,
                                .half = c->half,
                                .stride = c->T,
                                .n_blocks = n_blocks };
}

/* --- pieces --------------------------------------------------------------- */

/* out = acc + bias, PANEL rows of one token; whole vectors but at the end. */
INLINE void put_panel(float *out, const float *acc, const float *bias, size_t n)
{
    __m256 v = _mm256_loadu_ps(acc);
    float rest[PANEL] = { 0 };

    if (n == PANEL) {
        if (bias)
            v = _mm256_add_ps(v, _mm256_loadu_ps(bias));
        _mm256_storeu_ps(out, v);
        return;
    }
    if (bias) {
        memcpy(rest, bias, n * sizeof *rest);
        v = _mm256_add_ps(v, _mm256_loadu_ps(rest));
    }
    _mm256_storeu_ps(rest, v);
    memcpy(out, rest, n * sizeof *rest);
}

/* Rows of panel number `panel`; a token's are `width` apart in acc. */
static void put_rows(const struct product *p, size_t first_token,
                     size_t n_tokens, size_t panel, size_t width,
                     const float *acc)
{
    const struct be_linear *l = p->lin;
    size_t row = panel * PANEL, n = min_size(PANEL, p->mat->rows - row);
    const float *bias = l->bias ? l->bias + row : NULL;
    float *out = l->out + first_token * l->out_stride + row;

    for (size_t t = 0; t < n_tokens; t++)
        put_panel(out + t * l->out_stride, acc + t * width, bias, n);
}

/* The quantised rows t ... t+n-1 of this round. */
static struct q8_rows part_of(const struct q8_rows *x, size_t t, size_t n)
{
    struct q8_rows part = *x;

    part.q += t * BLOCK;
    part.d += t;
    part.sum += t;
    part.dsum += t;
    part.half += t;
    part.n_tokens = n;
    return part;
}

static void int_panel(const struct call *c, const struct product *p,
                      size_t panel, size_t t, size_t n)
{
    _Alignas(32) float acc[MANY * PANEL];
    const struct be_mat *m = p->mat;
    struct q8_rows x = part_of(&c->rows, t, n);

    memset(acc, 0, n * PANEL * sizeof *acc);
    m->type->dot(m->panels + panel * m->panel_bytes, &x, acc);
    put_rows(p, c->first + t, n, panel, PANEL, acc);
}

/* Four panels; the last one again where there are fewer. */
static void int_panels(const struct call *c, const struct product *p,
                       size_t panel, size_t t, size_t n)
{
    _Alignas(32) float acc[TILE * FOUR * PANEL];
    const struct be_mat *m = p->mat;
    const size_t left = min_size(FOUR, p->n_panels - panel);
    const unsigned char *panels[FOUR];
    struct q8_rows x = part_of(&c->rows, t, n);

    for (size_t i = 0; i < FOUR; i++)
        panels[i] =
            m->panels + (panel + min_size(i, left - 1)) * m->panel_bytes;
    memset(acc, 0, n * FOUR * PANEL * sizeof *acc);
    m->type->dot4(panels, &x, acc);
    for (size_t i = 0; i < left; i++)
        put_rows(p, c->first + t, n, panel + i, FOUR * PANEL, acc + i * PANEL);
}

/* Two panels; the last one twice when they are odd. */
static void float_panels(const struct call *c, const struct product *p,
                         size_t panel, size_t t, size_t n)
{
    _Alignas(32) float acc[TILE * 2 * PANEL];
    const struct be_mat *m = p->mat;
    size_t next = panel + 1 < p->n_panels ? panel + 1 : panel;
    const unsigned char *panels[2] = { m->panels + panel * m->panel_bytes,
                                       m->panels + next * m->panel_bytes };
    struct f32_rows x = { c->x + (c->first + t) * c->x_stride, c->x_stride, n,
                          c->cols };

    memset(acc, 0, n * 2 * PANEL * sizeof *acc);
    avx2_float_panels(m->type, panels, &x, acc);
    put_rows(p, c->first + t, n, panel, 2 * PANEL, acc);
    if (next > panel)
        put_rows(p, c->first + t, n, next, 2 * PANEL, acc + PANEL);
}

static void compute_piece(void *arg, size_t i, int thread)
{
    const struct call *c = arg;
    const struct product *p = c->products;
    size_t tile, first, end, n;

    (void)thread;
    for (; i >= p->n_groups * c->n_tiles; p++)
        i -= p->n_groups * c->n_tiles;
    assert(p->n_groups > 0);
    tile = i / p->n_groups * c->tile;
    n = min_size(c->tile, c->T - tile);
    first = i % p->n_groups * p->group;
    end = min_size(first + p->group, p->n_panels);
    if (p->ints && c->many)
        for (size_t k = first; k < end; k += FOUR)
            int_panels(c, p, k, tile, n);
    else if (p->ints)
        for (size_t k = first; k < end; k++)
            int_panel(c, p, k, tile, n);
    else
        for (size_t k = first; k < end; k += 2)
            float_panels(c, p, k, tile, n);
}

/* --- products ------------------------------------------------------------- */

/* Panels of about PIECE_CYCLES of work: enough to be worth taking, small enough
 * that threads end together. */
static void cut(struct call *c, struct product *p)
{
    size_t cycles = c->cols / BLOCK * (c->tile * (p->ints ? 7 : 20) + 40);
    size_t group = PIECE_CYCLES / (cycles | 1);

    p->group = group < FOUR ? FOUR : group / FOUR * FOUR;
    p->n_groups = up(p->n_panels, p->group);
}

/* One round: as many rows as scratch holds. */
static void run_round(struct be *b, struct call *c)
{
    size_t fit = TILE_BYTES / q8_bytes(c->cols) / 8 * 8, n_pieces = 0;
    bool ints = false;

    c->many = c->T >= MANY;
    fit = fit < 16 ? 16 : min_size(fit, TILE);
    c->n_tiles = up(c->T, fit);
    c->tile = up(c->T, c->n_tiles);
    for (size_t i = 0; i < c->n_products; i++) {
        cut(c, &c->products[i]);
        n_pieces += c->products[i].n_groups * c->n_tiles;
        ints = ints || c->products[i].ints;
    }
    if (ints) {
        lay_out_rows(c, b->scratch);
        pool_run(b->pool, up(c->T, QUANTISE_TOKENS), quantise_some, c);
    }
    pool_run(b->pool, n_pieces, compute_piece, c);
}

static void add_product(struct be *b, struct call *c,
                        const struct be_linear *lin, const struct be_mat *mat)
{
    c->products[c->n_products++] =
        (struct product){ .lin = lin,
                          .mat = mat,
                          .n_panels = up(mat->rows, PANEL),
                          .ints = mat->type->dot && !b->f32 };
}

static void run_all(struct be *b, struct call *c, size_t T)
{
    size_t fit = AVX2_SCRATCH / q8_bytes(c->cols);

    for (c->first = 0; c->first < T; c->first += c->T) {
        c->T = min_size(T - c->first, fit);
        run_round(b, c);
    }
}

void avx2_matmul(struct be *b, const float *x, size_t x_stride, size_t T,
                 const struct be_linear *lin, size_t n_lin)
{
    struct call c = { .x = x, .x_stride = x_stride, .cols = lin[0].mat->cols };

    for (size_t i = 0; i < n_lin; i++) {
        ensure_packed(b, lin[i].mat);
        add_product(b, &c, &lin[i], lin[i].mat);
        if (c.n_products == MAX_LINEARS || i + 1 == n_lin) {
            run_all(b, &c, T);
            c.n_products = 0;
        }
    }
}

/* The rows are packed for the occasion: they are few, and the matrix itself is
 * perhaps never needed whole. */
void avx2_matmul_rows(struct be *b, const float *x, size_t T,
                      const struct be_mat *mat, const int32_t *ids,
                      size_t n_ids, float *out)
{
    size_t fit = AVX2_PANEL_SCRATCH / mat->panel_bytes * PANEL;

    for (size_t first = 0; first < n_ids; first += fit) {
        size_t n = min_size(n_ids - first, fit);
        struct be_mat some = { .type = mat->type,
                               .rows = n,
                               .cols = mat->cols,
                               .panel_bytes = mat->panel_bytes,
                               .panels = b->panel_scratch };
        struct packing k = { mat, ids + first, n, some.panels };
        struct be_linear lin = { &some, NULL, out + first, n_ids };
        struct call c = { .x = x, .x_stride = mat->cols, .cols = mat->cols };

        pack_all(b, &k);
        add_product(b, &c, &lin, &some);
        run_all(b, &c, T);
    }
}
#endif
