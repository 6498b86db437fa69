/* What the files of the AVX2 backend share.  All of them are compiled for
 * AVX2, FMA and F16C: nothing here runs before backend_avx2.available() said
 * yes.
 *
 * Weights are held as *panels* of 8 rows: the blocks of the 8 rows lie together
 * and are interleaved so that row r is 32-bit lane r of a vector, four columns
 * a lane.  A dot product then needs no horizontal sum, and 8 results end in one
 * register.  The bits a weight are those of the file.  Panels are made at the
 * first product: a table of embeddings that only lends rows costs nothing. */
#ifndef MK_BACKEND_AVX2_H
#define MK_BACKEND_AVX2_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/backend.h"

#define PANEL ((size_t)8)  /* rows in a panel */
#define BLOCK ((size_t)32) /* columns that share an activation's scale */
#define FOUR ((size_t)4)   /* panels multiplied together */
#define AVX2_MAX_COLS 131072
#define AVX2_MAX_HEAD 1024           /* dims of a head */
#define AVX2_SCRATCH (8 << 20)       /* bytes for quantised rows */
#define AVX2_PANEL_SCRATCH (8 << 20) /* and for panels of single rows */
#define AVX2_THREAD_SCRATCH (1 << 20)

/* Rows of x quantised for a call.  All arrays are [block][token]; `stride` is
 * the number of tokens in a block of them. */
struct q8_rows {
    const int8_t *q;     /* [block][token][32]; for dot4 as bytes q + 128 */
    const float *d;      /* scale */
    const float *sum;    /* sum of q */
    const float *dsum;   /* d * sum */
    const int32_t *half; /* sums of the two halves of q, as two int16 */
    size_t stride;
    size_t n_tokens; /* of these, to be multiplied */
    size_t n_blocks;
};

/* How a tensor type lies in panels: the rows are in the files of the kernels. */
struct panel_type {
    int cols;     /* columns of a block of the file */
    size_t bytes; /* of one block of 8 rows in a panel */
    /* Interleaves n blocks of 8 rows.  A NULL row is filled with zeros. */
    void (*pack)(const unsigned char *const rows[PANEL], size_t n,
                 unsigned char *panel);
    /* acc[token][8] += the panel times x; NULL for floats. */
    void (*dot)(const unsigned char *panel, const struct q8_rows *x,
                float *acc);
    /* acc[token][4][8] += the panels times x: the same, sooner for many. */
    void (*dot4)(const unsigned char *const panels[FOUR],
                 const struct q8_rows *x, float *acc);
    /* tile[i * stride + r] = row r, column first + i, for i < n; first is a
     * multiple of 256. */
    void (*floats)(const unsigned char *panel, size_t first, size_t n,
                   float *tile, size_t stride);
};
/* NULL when there are no panels of that type. */
const struct panel_type *avx2_panel_type(enum ggml_type type);
extern const struct panel_type avx2_panel_f32, avx2_panel_f16, avx2_panel_bf16;

/* Whether a matrix is packed; the only part of it that changes. */
struct mat_state {
    atomic_bool packed;
    pthread_mutex_t lock; /* held by the thread that packs */
};

struct be_mat {
    const struct quant_type *quant;
    const struct panel_type *type;
    size_t rows, cols;
    const unsigned char *data; /* first row in the file */
    size_t row_bytes;          /* there */
    size_t panel_bytes;
    unsigned char *panels; /* valid once packed */
    struct mat_state *state;
};

struct weight_chunk;

/* Angles of the rows of a batch; two sets, because a family may rotate its
 * layers in two ways. */
#define ROPE_SETS 2
#define ROPE_ROWS 512
struct rope_set {
    float *cos_sin; /* [rows][cosines, sines][n_half], times mscale */
    float *inv_freq;
    int32_t *pos;
    size_t n_rows, n_half;
    float mscale;
};

struct be {
    struct pool *pool;
    bool f32;
    struct weight_chunk *chunks;   /* memory of panels, newest first */
    unsigned char *scratch;        /* AVX2_SCRATCH */
    unsigned char *panel_scratch;  /* AVX2_PANEL_SCRATCH */
    unsigned char *thread_scratch; /* AVX2_THREAD_SCRATCH for each thread */
    struct rope_set rope[ROPE_SETS];
    unsigned rope_next; /* the set to be replaced */
};

/* --- memory (backend_avx2.c) ---------------------------------------------- */

/* 64-byte aligned and zeroed, in huge pages when large; freed by
 * avx2_free(). */
void *avx2_alloc(size_t bytes) MUST_CHECK;
void avx2_free(void *p);
/* Memory for panels, freed with the backend. */
unsigned char *avx2_weight_alloc(struct be *b, size_t bytes) MUST_CHECK;

/* --- operations, one file a group ----------------------------------------- */

enum err_code avx2_mat_open(struct be *b, struct be_mat **out,
                            const struct gguf_tensor *t, int64_t first_row,
                            int64_t rows, struct err *e);
void avx2_mat_close(struct be *b, struct be_mat *m);
uint64_t avx2_mat_bytes(const struct be_mat *m);
void avx2_embed(struct be *b, const struct be_mat *mat, const int32_t *ids,
                size_t n, float scale, float *out);
void avx2_matmul(struct be *b, const float *x, size_t x_stride, size_t T,
                 const struct be_linear *lin, size_t n_lin);
void avx2_matmul_rows(struct be *b, const float *x, size_t T,
                      const struct be_mat *mat, const int32_t *ids,
                      size_t n_ids, float *out);

/* acc[token][16] = two panels times the rows of x, all in float32. */
struct f32_rows {
    const float *x;
    size_t stride;
    size_t n_tokens;
    size_t n_cols;
};
void avx2_float_panels(const struct panel_type *type,
                       const unsigned char *const panels[2],
                       const struct f32_rows *x, float *acc);

enum err_code avx2_kv_open(struct be *b, struct be_kv **out,
                           const struct be_kv_params *p, struct err *e);
void avx2_kv_close(struct be *b, struct be_kv *kv);
uint64_t avx2_kv_bytes(const struct be *b, const struct be_kv_params *p);
void avx2_kv_put(struct be *b, struct be_kv *kv, int layer, const float *k,
                 const float *v, const struct be_span *spans, size_t n_spans);
void avx2_kv_copy(struct be *b, struct be_kv *kv, int32_t src, int32_t dst,
                  size_t n);
void avx2_attention(struct be *b, const struct be_kv *kv,
                    const struct be_attn *a);

void avx2_norm(struct be *b, enum be_norm_kind kind, const float *x,
               size_t x_stride, size_t rows, size_t n, const float *weight,
               const float *bias, float eps, float *out, size_t out_stride);
void avx2_rope(struct be *b, float *x, size_t x_stride, int n_head, int dim,
               const struct be_rope *r, const struct be_span *spans,
               size_t n_spans);
void avx2_glu(struct be *b, enum be_act act, float *gate, size_t gate_stride,
              const float *up, size_t up_stride, size_t rows, size_t n);
void avx2_add(struct be *b, float *y, const float *x, float scale, size_t n);
void avx2_gather(struct be *b, const float *src, const int32_t *rows,
                 size_t n_rows, size_t n, float *dst);

void avx2_scatter(struct be *b, const float *x, const int32_t *rows,
                  const float *scale, size_t n_rows, size_t n, float *y);
void avx2_copy(struct be *b, const float *src, size_t src_stride, size_t rows,
               size_t n, float *dst, size_t dst_stride);

#endif
