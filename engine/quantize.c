/* Writes a GGUF file in another tensor type.
 *
 * First every tensor gets its type; sizes, and so all offsets, follow from
 * that, and the head of the file can be written before any weight was touched.
 * Then tensor after tensor goes through one buffer, some millions of weights at
 * a time: threads take runs of weights (which are whole blocks of the old and
 * of the new type), make them float32 and pack them; one thread writes.  Memory
 * does not grow with the model. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/pool.h"
#include "engine/status.h"
#include "harness/base/buf.h"
#include "harness/base/io.h"
#include "harness/base/mem.h"

enum {
    RUN = 16384, /* weights of one piece of work: a multiple of 256 */
    RUNS = 256,  /* pieces that are buffered */
    MAX_THREADS = 256,
    GGUF_VERSION = 3,
    QUANT_VERSION = 2, /* of the block layouts */
    HEAD_MAX = 1 << 30
};

/* The largest half: beyond it scales are infinite. */
#define MOST 65504.0F

/* --- types ---------------------------------------------------------------- */

/* What can be written.  label: general.file_type; fallback: for rows that are
 * no multiple of 256; output: for the output matrix. */
struct target {
    enum ggml_type type, fallback, output;
    uint32_t label;
};

static const struct target targets[] = {
    { GGML_F32, GGML_F32, GGML_F32, 0 },
    { GGML_F16, GGML_F16, GGML_F16, 1 },
    { GGML_BF16, GGML_BF16, GGML_BF16, 32 },
    { GGML_Q4_0, GGML_Q4_0, GGML_Q6_K, 2 },
    { GGML_Q4_1, GGML_Q4_1, GGML_Q6_K, 3 },
    { GGML_Q5_0, GGML_Q5_0, GGML_Q6_K, 8 },
    { GGML_Q5_1, GGML_Q5_1, GGML_Q6_K, 9 },
    { GGML_Q8_0, GGML_Q8_0, GGML_Q8_0, 7 },
    { GGML_Q2_K, GGML_Q4_0, GGML_Q6_K, 10 },
    { GGML_Q3_K, GGML_IQ4_NL, GGML_Q6_K, 11 },
    { GGML_Q4_K, GGML_Q5_0, GGML_Q6_K, 14 },
    { GGML_Q5_K, GGML_Q5_1, GGML_Q6_K, 16 },
    { GGML_Q6_K, GGML_Q8_0, GGML_Q6_K, 18 },
    { GGML_IQ4_NL, GGML_IQ4_NL, GGML_Q6_K, 25 },
    { GGML_IQ4_XS, GGML_IQ4_NL, GGML_Q6_K, 30 },
};
#define N_TARGETS (sizeof targets / sizeof targets[0])

const char *mk_quantize_type(size_t i)
{
    return i < N_TARGETS ? quant_type(targets[i].type)->name : NULL;
}

static const struct target *find_target(int type)
{
    size_t i = 0;

    while ((int)targets[i].type != type)
        i++;
    return &targets[i];
}

static enum err_code name_target(const char *name, const struct target **out,
                                 struct err *e)
{
    struct buf all;

    for (size_t i = 0; i < N_TARGETS; i++)
        if (strcasecmp(name, mk_quantize_type(i)) == 0) {
            *out = &targets[i];
            return ERR_OK;
        }
    buf_init(&all, 1 << 10);
    for (size_t i = 0; i < N_TARGETS; i++)
        buf_printf(&all, " %s", mk_quantize_type(i));
    err_set(e, ERR_USAGE, "type \"%s\": expected one of%s", name, all.p);
    buf_free(&all);
    return ERR_USAGE;
}

/* --- the plan ------------------------------------------------------------- */

struct item {
    const struct gguf_tensor *src;
    enum ggml_type type;
    const char *why; /* NULL: the type asked for */
    uint64_t bytes, offset;
};

struct quantize {
    const struct mk_quantize_params *p;
    const struct target *target;
    struct gguf *g;
    struct item *items;
    size_t n;
    uint64_t alignment;
    bool tied;
    struct pool *pool;
    struct io_out out;
    unsigned char *packed; /* RUNS runs */
    float *scratch;        /* a run for each thread */
};

static bool has(struct str name, const char *part)
{
    return memmem(name.p, name.n, part, strlen(part)) != NULL;
}

/* Weights that cost little and matter much: they stay floats. */
static const char *must_be_float(const struct gguf_tensor *t)
{
    if (t->n_dims == 1)
        return "one dimension";
    if (has(t->name, "_norm."))
        return "a norm";
    if (has(t->name, "ffn_gate_inp"))
        return "a router";
    if (has(t->name, "position_embd") || has(t->name, "token_types"))
        return "an embedding of positions or kinds";
    if (!has(t->name, ".weight"))
        return "not a matrix";
    return NULL;
}

static bool fits(const struct gguf_tensor *t, enum ggml_type type)
{
    return t->dims[0] % quant_type((int)type)->block_elems == 0;
}

static void choose_type(const struct quantize *q, struct item *it)
{
    const struct gguf_tensor *t = it->src;
    const char *output = q->tied ? "token_embd.weight" : "output.weight";

    it->type = q->target->type;
    it->why = must_be_float(t);
    if (it->why) {
        it->type = GGML_F32;
        if (q->target->type == GGML_F32)
            it->why = NULL;
        return;
    }
    if (str_is(t->name, output) && q->target->output != it->type) {
        it->type = q->target->output;
        it->why = "the output matrix";
    }
    if (!fits(t, it->type)) {
        it->type = find_target((int)it->type)->fallback;
        it->why = "rows are no multiple of 256";
    }
    if (!fits(t, it->type)) {
        it->type = GGML_F16;
        it->why = "rows are no multiple of 32";
    }
}

static uint64_t elements(const struct gguf_tensor *t)
{
    uint64_t n = 1;

    for (int i = 0; i < 4; i++)
        n *= (uint64_t)t->dims[i]; /* checked when the file was opened */
    return n;
}

static uint64_t bytes_of(enum ggml_type type, uint64_t n)
{
    const struct quant_type *t = quant_type((int)type);
    return n / (uint64_t)t->block_elems * (uint64_t)t->block_bytes;
}

static bool is_quantised(enum ggml_type type)
{
    return quant_type((int)type)->block_elems > 1;
}

static enum err_code check_source(const struct quantize *q,
                                  const struct item *it, struct err *e)
{
    if (q->p->requantize || it->src->type == it->type ||
        !is_quantised(it->src->type))
        return ERR_OK;
    return err_set(e, ERR_USAGE,
                   "tensor %.*s is %s already: quantised again it loses more "
                   "than from the original floats; allow it with --requantize",
                   STR_FMT(it->src->name), quant_type_name((int)it->src->type));
}

static enum err_code check_whole(const struct gguf *g, struct err *e)
{
    int64_t parts = 1;

    if (gguf_int(g, "split.count", 0, UINT16_MAX, &parts, e))
        return e->code;
    if (parts > 1)
        return err_set(e, ERR_FORMAT,
                       "one of %" PRId64 " parts of a model, expected a model "
                       "in one file",
                       parts);
    if (gguf_n_tensors(g) == 0)
        return err_set(e, ERR_FORMAT, "the file holds no tensors");
    return ERR_OK;
}

static enum err_code make_plan(struct quantize *q, struct err *e)
{
    int64_t alignment = 32;
    uint64_t offset = 0;

    if (check_whole(q->g, e) ||
        gguf_int(q->g, "general.alignment", 1, INT32_MAX, &alignment, e))
        return e->code;
    q->alignment = (uint64_t)alignment;
    q->n = gguf_n_tensors(q->g);
    q->tied = gguf_tensor(q->g, "output.weight") == NULL;
    q->items = mem_array(q->n, sizeof *q->items);
    if (!q->items)
        return err_set(e, ERR_NOMEM, "no memory for the tensors");
    for (size_t i = 0; i < q->n; i++) {
        struct item *it = &q->items[i];
        it->src = gguf_tensor_at(q->g, i);
        choose_type(q, it);
        if (check_source(q, it, e))
            return e->code;
        it->bytes = bytes_of(it->type, elements(it->src));
        it->offset = offset;
        offset += (it->bytes + q->alignment - 1) & ~(q->alignment - 1);
    }
    return ERR_OK;
}

/* --- the head of the file ------------------------------------------------- */

static void put_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_str(struct buf *b, struct str s)
{
    put_u64(b, s.n);
    buf_text(b, s);
}

static void put_value(struct buf *b, const struct gguf_meta *m)
{
    enum gguf_type type = m->type == GGUF_ARR ? m->elem : m->type;
    uint64_t count = m->type == GGUF_ARR ? m->count : 1;
    size_t n = 0;

    if (m->type == GGUF_ARR) {
        put_u32(b, m->elem);
        put_u64(b, m->count);
    }
    if (type != GGUF_STR)
        n = count * gguf_type_bytes(type);
    else
        for (uint64_t i = 0; i < count; i++)
            (void)gguf_next_str(m, &n);
    buf_add(b, m->p, n);
}

static void put_number(struct buf *b, const char *key, uint32_t v)
{
    put_str(b, str_of(key));
    put_u32(b, GGUF_U32);
    put_u32(b, v);
}

/* The keys that are not copied: they stand at the end. */
static const char *const own_keys[] = { "general.file_type",
                                        "general.quantization_version" };
enum { N_OWN = 2 };

static bool is_own(struct str key)
{
    return str_is(key, own_keys[0]) || str_is(key, own_keys[1]);
}

static void put_meta(struct buf *b, const struct quantize *q)
{
    size_t n = gguf_n_meta(q->g), kept = 0;

    for (size_t i = 0; i < n; i++)
        kept += !is_own(gguf_meta_at(q->g, i)->key);
    put_u64(b, kept + N_OWN);
    for (size_t i = 0; i < n; i++) {
        const struct gguf_meta *m = gguf_meta_at(q->g, i);
        if (is_own(m->key))
            continue;
        put_str(b, m->key);
        put_u32(b, m->type);
        put_value(b, m);
    }
    put_number(b, own_keys[0], q->target->label);
    put_number(b, own_keys[1], QUANT_VERSION);
}

static void put_infos(struct buf *b, const struct quantize *q)
{
    for (size_t i = 0; i < q->n; i++) {
        const struct item *it = &q->items[i];
        put_str(b, it->src->name);
        put_u32(b, (uint32_t)it->src->n_dims);
        for (int d = 0; d < it->src->n_dims; d++)
            put_u64(b, (uint64_t)it->src->dims[d]);
        put_u32(b, it->type);
        put_u64(b, it->offset);
    }
}

static enum err_code write_padding(struct quantize *q, uint64_t n,
                                   struct err *e)
{
    static const char zeros[4096];

    n = (q->alignment - n % q->alignment) % q->alignment;
    for (uint64_t k; n > 0; n -= k) {
        k = n < sizeof zeros ? n : sizeof zeros;
        if (io_write(&q->out, zeros, k, e))
            return e->code;
    }
    return ERR_OK;
}

static enum err_code write_head(struct quantize *q, struct err *e)
{
    enum err_code rc;
    struct buf b;

    buf_init(&b, HEAD_MAX);
    buf_str(&b, "GGUF");
    put_u32(&b, GGUF_VERSION);
    put_u64(&b, q->n);
    put_meta(&b, q);
    put_infos(&b, q);
    rc = buf_check(&b, "metadata", e);
    if (!rc)
        rc = io_write(&q->out, b.p, b.n, e);
    if (!rc)
        rc = write_padding(q, b.n, e);
    buf_free(&b);
    return rc;
}

/* --- weights -------------------------------------------------------------- */

/* A part of a tensor, of at most RUNS runs. */
struct part {
    const struct quantize *q;
    const struct item *it;
    uint64_t at, n; /* weights */
    bool bad[RUNS]; /* a weight that the type cannot hold */
};

/* Whether the type has room for these: float32 and bfloat16 hold anything. */
static bool can_hold(enum ggml_type type, const float *x, size_t n)
{
    bool ok = true;

    if (type == GGML_F32 || type == GGML_BF16)
        return true;
    for (size_t i = 0; i < n; i++)
        ok &= fabsf(x[i]) <= MOST; /* not true of NaN */
    return ok;
}

static void pack_run(void *arg, size_t run, int thread)
{
    struct part *part = arg;
    const struct item *it = part->it;
    uint64_t at = run * RUN, left = part->n - at;
    size_t n = left < RUN ? (size_t)left : RUN;
    float *x = part->q->scratch + (size_t)thread * RUN;
    const unsigned char *src =
        it->src->data + bytes_of(it->src->type, part->at + at);

    quant_type((int)it->src->type)->dequantise(src, x, n);
    part->bad[run] = !can_hold(it->type, x, n);
    if (!part->bad[run])
        quant_type((int)it->type)
            ->pack(x, part->q->packed + bytes_of(it->type, at), n);
}

static enum err_code write_part(struct quantize *q, struct part *part,
                                struct err *e)
{
    size_t runs = (size_t)((part->n + RUN - 1) / RUN);

    pool_run(q->pool, runs, pack_run, part);
    for (size_t i = 0; i < runs; i++)
        if (part->bad[i])
            return err_set(e, ERR_FORMAT,
                           "tensor %.*s: a weight near number %" PRIu64
                           " is not finite or beyond 65504, which %s cannot "
                           "hold",
                           STR_FMT(part->it->src->name), part->at + i * RUN,
                           quant_type_name((int)part->it->type));
    return io_write(&q->out, q->packed, bytes_of(part->it->type, part->n), e);
}

static enum err_code write_weights(struct quantize *q, const struct item *it,
                                   struct err *e)
{
    uint64_t n = elements(it->src), most = (uint64_t)RUN * RUNS;
    struct part part = { .q = q, .it = it };

    if (it->type == it->src->type)
        return io_write(&q->out, it->src->data, it->bytes, e);
    for (; part.at < n; part.at += part.n) {
        part.n = n - part.at < most ? n - part.at : most;
        if (write_part(q, &part, e))
            return e->code;
    }
    return ERR_OK;
}

/* false when the caller wants to stop. */
static bool report(const struct quantize *q, size_t i)
{
    const struct item *it = &q->items[i];
    char name[64]; /* as long as the format allows, and a NUL */
    struct mk_quantized t = { .name = name,
                              .from = quant_type_name((int)it->src->type),
                              .to = quant_type_name((int)it->type),
                              .why = it->why,
                              .bytes_from = it->src->bytes,
                              .bytes_to = it->bytes,
                              .i = i,
                              .n = q->n };

    if (!q->p->on_tensor)
        return true;
    memcpy(name, it->src->name.p, it->src->name.n);
    name[it->src->name.n] = '\0';
    return q->p->on_tensor(q->p->user, &t);
}

static enum err_code write_tensors(struct quantize *q, struct err *e)
{
    for (size_t i = 0; i < q->n; i++) {
        if (write_weights(q, &q->items[i], e) ||
            write_padding(q, q->items[i].bytes, e))
            return e->code;
        if (!report(q, i))
            return err_set(e, ERR_CANCELLED, "interrupted");
    }
    return ERR_OK;
}

/* --- the whole ------------------------------------------------------------ */

static enum err_code open_work(struct quantize *q, struct err *e)
{
    size_t threads;

    if (q->p->n_threads < 0 || q->p->n_threads > MAX_THREADS)
        return err_set(e, ERR_USAGE, "%d threads, expected 0 to %d",
                       q->p->n_threads, MAX_THREADS);
    if (pool_open(&q->pool, q->p->n_threads, e))
        return e->code;
    threads = (size_t)pool_threads(q->pool);
    q->scratch = mem_array(threads * RUN, sizeof *q->scratch);
    q->packed = mem_alloc((size_t)RUN * RUNS * sizeof(float));
    if (q->scratch && q->packed)
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory for the weights");
}

static enum err_code check_paths(const char *in, const char *out, bool replace,
                                 struct err *e)
{
    if (io_same_file(in, out))
        return err_set(e, ERR_USAGE, "%s is the input itself", out);
    if (!replace && io_exists(out))
        return err_set(e, ERR_USAGE,
                       "%s is there already; replace it with --force", out);
    return ERR_OK;
}

static enum err_code write_file(struct quantize *q, const char *out,
                                struct err *e)
{
    enum err_code rc = io_create(&q->out, out, e);

    if (rc)
        return rc;
    rc = write_head(q, e);
    if (!rc)
        rc = write_tensors(q, e);
    if (!rc)
        rc = io_commit(&q->out, e);
    io_discard(&q->out);
    return rc;
}

static enum err_code quantize(struct quantize *q, const char *in,
                              const char *out, struct err *e)
{
    enum err_code rc = check_paths(in, out, q->p->replace, e);

    if (!rc)
        rc = gguf_open(&q->g, in, e);
    if (rc)
        return rc;
    rc = make_plan(q, e);
    if (rc)
        return err_wrap(e, "%s", in);
    rc = open_work(q, e);
    return rc ? rc : write_file(q, out, e);
}

int mk_quantize(const char *in, const char *out, const char *type,
                const struct mk_quantize_params *params, char *err)
{
    static const struct mk_quantize_params defaults;
    struct quantize q = { .p = params ? params : &defaults };
    struct err e;
    enum err_code rc = name_target(type, &q.target, &e);

    if (!rc)
        rc = quantize(&q, in, out, &e);
    mem_free(q.packed);
    mem_free(q.scratch);
    mem_free(q.items);
    pool_close(q.pool);
    gguf_close(q.g);
    return status_out(rc, &e, err);
}
