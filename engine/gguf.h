/* GGUF v2/v3: metadata and tensor views of a mapped file.
 *
 * The file is untrusted: every field is read by a checked cursor, and offsets,
 * counts, types and sizes are validated before a tensor exists.  Format: the
 * ggml project's gguf.md. */
#ifndef MK_GGUF_H
#define MK_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/text.h"

/* Tensor types by their number in the file; the table is in quant.c. */
enum ggml_type {
    GGML_F32 = 0,
    GGML_F16 = 1,
    GGML_Q4_0 = 2,
    GGML_Q4_1 = 3,
    GGML_Q5_0 = 6,
    GGML_Q5_1 = 7,
    GGML_Q8_0 = 8,
    GGML_Q2_K = 10,
    GGML_Q3_K = 11,
    GGML_Q4_K = 12,
    GGML_Q5_K = 13,
    GGML_Q6_K = 14,
    GGML_IQ4_NL = 20,
    GGML_IQ4_XS = 23,
    GGML_BF16 = 30,
    GGML_N_TYPES = 40
};

enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STR,
    GGUF_ARR,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
};

const char *gguf_type_name(enum gguf_type t); /* "u32", "string" ... */
size_t gguf_type_bytes(enum gguf_type t);     /* 0 for strings and arrays */

/* A tensor in the mapped file.  dims[0] is the row length (columns); unused
 * dims are 1. */
struct gguf_tensor {
    struct str name;
    enum ggml_type type;
    int n_dims;
    int64_t dims[4];
    const unsigned char *data;
    uint64_t bytes;
};

struct gguf;
/* Maps and checks the file.  *out is the caller's, freed by gguf_close(). */
enum err_code gguf_open(struct gguf **out, const char *path,
                        struct err *e) MUST_CHECK;
void gguf_close(struct gguf *g);

size_t gguf_n_meta(const struct gguf *g);
size_t gguf_n_tensors(const struct gguf *g);
uint64_t gguf_file_bytes(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i);
/* NULL if there is none of that name. */
const struct gguf_tensor *gguf_tensor(const struct gguf *g, const char *name);

struct gguf_meta {
    struct str key;
    enum gguf_type type;    /* of the value; GGUF_ARR for arrays */
    enum gguf_type elem;    /* of an array's elements */
    uint64_t count;         /* of an array */
    const unsigned char *p; /* the value's (first) bytes, unaligned */
};
const struct gguf_meta *gguf_meta_at(const struct gguf *g, size_t i);
const struct gguf_meta *gguf_meta(const struct gguf *g, const char *key);

/* Typed getters: *out is set when the key is there (any integer type in range
 * for ints); it keeps its value when the key is missing.  A key of another
 * type is ERR_FORMAT.  The _must forms fail on a missing key too. */
enum err_code gguf_int(const struct gguf *g, const char *key, int64_t min,
                       int64_t max, int64_t *out, struct err *e) MUST_CHECK;
enum err_code gguf_int_must(const struct gguf *g, const char *key, int64_t min,
                            int64_t max, int64_t *out,
                            struct err *e) MUST_CHECK;
enum err_code gguf_float(const struct gguf *g, const char *key, float *out,
                         struct err *e) MUST_CHECK;
enum err_code gguf_bool(const struct gguf *g, const char *key, bool *out,
                        struct err *e) MUST_CHECK;
enum err_code gguf_str(const struct gguf *g, const char *key, struct str *out,
                       struct err *e) MUST_CHECK;

/* An array of the wanted element type (i32 stands for u32 too); *out NULL when
 * the key is missing. */
enum err_code gguf_array(const struct gguf *g, const char *key,
                         enum gguf_type elem, const struct gguf_meta **out,
                         struct err *e) MUST_CHECK;
/* Walks an array of strings: start with *at = 0; each call gives the next. */
struct str gguf_next_str(const struct gguf_meta *m, size_t *at);
int32_t gguf_i32_at(const struct gguf_meta *m, uint64_t i); /* I32 or U32 */
float gguf_f32_at(const struct gguf_meta *m, uint64_t i);

/* --- quant.c: block layouts ----------------------------------------------- */

#define QUANT_RUN 32 /* weights that an activation block is multiplied with */

/* A run of weights as integers: weight j is (s * u[j/16]) * w[j], for types
 * with minima plus m * v[j/16]; all in float32.  u and v are 1 but for types
 * that have scales for 16 weights (Q2_K, Q3_K, Q6_K). */
struct quant_run {
    float s, m;
    int u[2], v[2];
    int8_t w[QUANT_RUN];
};

struct quant_type {
    const char *name; /* "Q4_K" */
    int block_elems;  /* 1 for floats */
    int block_bytes;
    bool has_min;
    /* n (a multiple of block_elems) elements of src as float32, bit-equal to
     * the format's definition */
    void (*dequantise)(const void *src, float *dst, size_t n);
    /* run (0 ... block_elems/32 - 1) of a block; NULL for floats */
    void (*unpack)(const uint8_t *block, size_t run, struct quant_run *out);
    /* the other way: n elements into blocks; see quant_pack.h */
    void (*pack)(const float *src, void *dst, size_t n);
};
/* NULL when the type is not one the engine runs. */
const struct quant_type *quant_type(int ggml_type);
/* Name even of types that are known but not run ("IQ2_XS"), else "an unknown
 * type". */
const char *quant_type_name(int ggml_type);
/* The sixteen weights of the 4-bit types that are not evenly spaced. */
extern const int8_t quant_iq4_values[16];
float quant_f16_to_f32(uint16_t h);
uint16_t quant_f32_to_f16(float f); /* round to nearest even */
float quant_bf16_to_f32(uint16_t h);
uint16_t quant_f32_to_bf16(float f);

#endif
