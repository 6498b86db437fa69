/* The table of operations: what a device must be able to do.
 *
 * Model families are written in these operations, once for all backends.  All
 * activations are float32 [rows][columns], row-major, in device memory
 * (be_alloc); a row is a token of the batch.  Two promises bind every backend:
 *
 *  1. The value of a row depends on that row's inputs alone, computed in an
 *     order that is fixed by the shapes: never on the number of rows in the
 *     call, their neighbours, the thread count, or where the KV blocks lie.
 *  2. With MK_ACT_F32 weights are dequantised and everything is float32; with
 *     MK_ACT_Q8 matmul() quantises its input rows to int8 in blocks of 32
 *     columns (d = max|x| / 127 in float32, q = round to nearest even(x / d),
 *     scale kept as float32) and multiplies integers; the sum over the blocks
 *     of a row goes in ascending order with one fused multiply-add each (two
 *     for types with a minimum).  A block whose d is 0 has q = 0, one with a
 *     NaN or infinity has d = NaN and q = 0.  KV entries are kept as F16 with
 *     MK_ACT_Q8, as F32 with MK_ACT_F32.
 *
 * The int8 product of a row of weights and a row of x, for each block of 32
 * columns with integer weights w, inputs q of scale dx, s = sum of q (s0, s1:
 * of its halves); integer sums are below 2^24 and exact, the rest is float32:
 *
 *   Q4_0 Q5_0 Q8_0     acc = fmaf(d * dx, (float)(sum (w - offset) q), acc)
 *   IQ4_NL IQ4_XS      the same with table values for w, d * (ls - 32) for d
 *   Q4_1 Q5_1          acc = fmaf(d * dx, (float)(sum w q), acc)
 *                      acc = fmaf(m, dx * (float)s, acc)
 *   Q4_K Q5_K          as Q4_1 with d * sc for d, -(dmin * m) for m
 *   Q3_K Q6_K          acc = fmaf(d * dx, (float)(c0 * sum of the first 16
 *                      (w - offset) q + c1 * sum of the last 16), acc)
 *   Q2_K               acc = fmaf(d * dx, (float)(c0 * ... + c1 * ...), acc)
 *                      acc = fmaf(-dmin, dx * (float)(m0 s0 + m1 s1), acc)
 *
 * so that a kernel has one conversion and one product of scales a block, and
 * the minimum costs one operation (dx * s does not depend on the row); unpack
 * of struct quant_type gives just these numbers.  acc starts at 0, the bias is
 * added last.  Weights of F32, F16 and BF16 are multiplied in float32 in both
 * modes.
 *
 * Matrices and device memory opened on one instance of a backend may be used
 * by another one that was opened with the same f32: contexts share the
 * weights.  Weights are not written once they are open.
 *
 * backend_ref is short and obvious plain C, the truth that the others are
 * tested against. */
#ifndef MK_BACKEND_H
#define MK_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf.h"
#include "engine/pool.h"
#include "harness/base/err.h"

#define KV_BLOCK 32 /* positions in a block of the KV cache */

struct be;     /* an opened backend: pool, scratch */
struct be_mat; /* a weight matrix in the backend's own layout */
struct be_kv;  /* the KV cache of a context */

struct be_params {
    struct pool *pool; /* not owned; CPU backends compute on it */
    bool f32;          /* MK_ACT_F32 */
};

/* One product of a matmul call: out[T][mat rows] = x . mat^T + bias. */
struct be_linear {
    const struct be_mat *mat;
    const float *bias; /* [mat rows], device memory, or NULL */
    float *out;        /* row stride is out_stride floats */
    size_t out_stride;
};

enum be_norm_kind { BE_NORM_RMS, BE_NORM_LAYER };
enum be_act { BE_ACT_SILU, BE_ACT_GELU }; /* GELU: the tanh form, in float32 */

/* Rotation of n_rot dims of each head: angle of pair i at position p is
 * p * inv_freq[i] (float32 product, cos and sin of it in float32 from double),
 * result times mscale.  Interleaved pairs (x[2i], x[2i+1]) or half-split
 * (x[i], x[i + n_rot/2]). */
struct be_rope {
    const float *inv_freq; /* [n_rot / 2], host memory */
    int n_rot;
    bool interleaved;
    float mscale;
};

struct be_kv_params {
    int n_layer, n_kv_head, k_dim, v_dim; /* dims of a head */
    size_t n_blocks;
};

/* Consecutive rows of a batch that belong to one sequence.  The table names the
 * KV block of each KV_BLOCK positions; it covers positions 0 ... pos+n-1. */
struct be_span {
    size_t row, n;        /* rows row ... row+n-1 of the batch */
    int32_t pos;          /* position of the first of them */
    const int32_t *table; /* host memory */
    int32_t open;         /* positions before this one are seen by all rows,
                             those that come before them too; 0: none */
};

struct be_attn {
    const float *q; /* [T][n_head * k_dim], rotated */
    float *out;     /* [T][n_head * v_dim] */
    int layer, n_head;
    float scale;
    int32_t window;      /* > 0: only keys with pos - key < window */
    const float *slopes; /* [n_head] ALiBi, host memory, or NULL */
    const struct be_span *spans;
    size_t n_spans;
};

struct backend {
    const char *name; /* "ref", "avx2" ... */
    const char *doc;
    bool (*available)(void); /* this machine can run it */

    enum err_code (*open)(struct be **out, const struct be_params *p,
                          struct err *e);
    void (*close)(struct be *b);

    /* Device memory, 64-byte aligned, zeroed. */
    enum err_code (*alloc)(struct be *b, void **p, size_t bytes, struct err *e);
    void (*free)(struct be *b, void *p);
    void (*upload)(struct be *b, void *dst, const void *src, size_t bytes);
    void (*download)(struct be *b, void *dst, const void *src, size_t bytes);

    /* A 2-D weight [rows][cols] from a tensor view (rows first_row ... +rows of
     * it).  The view's data must outlive the matrix.  bytes: what is held
     * beside the mapped file. */
    enum err_code (*mat_open)(struct be *b, struct be_mat **out,
                              const struct gguf_tensor *t, int64_t first_row,
                              int64_t rows, struct err *e);
    void (*mat_close)(struct be *b, struct be_mat *m);
    uint64_t (*mat_bytes)(const struct be_mat *m);

    /* out[i][cols] = row ids[i] of mat, dequantised, times scale.  ids in host
     * memory, checked by the caller. */
    void (*embed)(struct be *b, const struct be_mat *mat, const int32_t *ids,
                  size_t n, float scale, float *out);
    /* All products of one input x[T][cols] (row stride x_stride floats). */
    void (*matmul)(struct be *b, const float *x, size_t x_stride, size_t T,
                   const struct be_linear *lin, size_t n_lin);
    /* The products of single rows: out[i * n_ids + j] = x[i] . mat[ids[j]], x
     * without a stride; the same bits as matmul() gives. */
    void (*matmul_rows)(struct be *b, const float *x, size_t T,
                        const struct be_mat *mat, const int32_t *ids,
                        size_t n_ids, float *out);
    /* out[r] = norm(x[r]) for `rows` rows of n columns, row strides given;
     * out may be x.  bias NULL for RMS. */
    void (*norm)(struct be *b, enum be_norm_kind kind, const float *x,
                 size_t x_stride, size_t rows, size_t n, const float *weight,
                 const float *bias, float eps, float *out, size_t out_stride);
    /* Rotates x[T][n_head][dim] in place (row stride given), positions from
     * the spans. */
    void (*rope)(struct be *b, float *x, size_t x_stride, int n_head, int dim,
                 const struct be_rope *r, const struct be_span *spans,
                 size_t n_spans);
    /* gate[r][i] = act(gate[r][i]) * up[r][i]; up NULL: the activation alone. */
    void (*glu)(struct be *b, enum be_act act, float *gate, size_t gate_stride,
                const float *up, size_t up_stride, size_t rows, size_t n);
    /* y += scale * x, n floats; y may be x. */
    void (*add)(struct be *b, float *y, const float *x, float scale, size_t n);
    /* dst[i] = src[rows[i]], n columns each; rows in host memory. */
    void (*gather)(struct be *b, const float *src, const int32_t *rows,
                   size_t n_rows, size_t n, float *dst);

    /* y[rows[i]] += scale[i] * x[i], n columns each; rows and scale in host
     * memory, no row twice; rows NULL: row i. */
    void (*scatter)(struct be *b, const float *x, const int32_t *rows,
                    const float *scale, size_t n_rows, size_t n, float *y);
    /* dst[i] = src[i] for `rows` rows of n columns, row strides given. */
    void (*copy)(struct be *b, const float *src, size_t src_stride, size_t rows,
                 size_t n, float *dst, size_t dst_stride);

    enum err_code (*kv_open)(struct be *b, struct be_kv **out,
                             const struct be_kv_params *p, struct err *e);
    void (*kv_close)(struct be *b, struct be_kv *kv);
    /* Bytes of one position over all layers. */
    uint64_t (*kv_bytes)(const struct be *b, const struct be_kv_params *p);
    /* Stores k[T][n_kv_head * k_dim] and v[T][n_kv_head * v_dim]. */
    void (*kv_put)(struct be *b, struct be_kv *kv, int layer, const float *k,
                   const float *v, const struct be_span *spans, size_t n_spans);
    /* Copies the first n positions of block src to block dst, all layers. */
    void (*kv_copy)(struct be *b, struct be_kv *kv, int32_t src, int32_t dst,
                    size_t n);
    /* Attention of the batch's queries over their sequences' keys (the batch's
     * own included, put before), causal but for the open part of a span.  Keys are taken in tiles of KV_BLOCK
     * positions from position 0 on, with an online softmax. */
    void (*attention)(struct be *b, const struct be_kv *kv,
                      const struct be_attn *a);
};

/* The registration: the first available row is what "auto" takes. */
#define BACKENDS(X)                                                            \
    X(avx2)                                                                    \
    X(ref)
#define BACKEND_DECL(name) extern const struct backend backend_##name;
BACKENDS(BACKEND_DECL)
#undef BACKEND_DECL

#endif
