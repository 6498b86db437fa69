/* Reads a GGUF file into checked metadata and tensor views.
 *
 * A cursor walks the mapped file once.  It fails for good at the first bad
 * field and keeps the message, so the readers below need no error path of
 * their own: after a failure every read gives zero and loops end by
 * cursor_ok().  Nothing is allocated before the counts were found possible for
 * the bytes that are left.
 *
 * Lookups go through indexes sorted by name, in which duplicates are
 * neighbours.  Values stay in the map, to be read by gguf_value.c.  A file that
 * is truncated while it is mapped raises SIGBUS; copying it first is the safe
 * way for files that others write to. */
#include "engine/gguf.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/mem.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "GGUF values are read as little-endian memory"
#endif

#define MAX_ENTRIES ((uint64_t)1 << 20)
#define MAX_KEY 65535
#define MAX_NAME 63
#define MAX_VALUE ((uint64_t)64 << 20)
#define MAX_DIM ((uint64_t)1 << 48)
#define MAX_ALIGNMENT ((uint32_t)1 << 20)
#define DEFAULT_ALIGNMENT 32
/* The smallest records there can be. */
#define MIN_META 13
#define MIN_TENSOR 33

/* A line of an index that is sorted by name. */
struct entry {
    struct str name;
    size_t i;
};

struct gguf {
    struct io_map map;
    struct gguf_meta *meta;
    struct gguf_tensor *tensors;
    struct entry *by_key, *by_name;
    size_t n_meta, n_tensors;
};

/* Indexed by enum gguf_type; arrays and strings have no fixed size. */
static const struct {
    const char *name;
    unsigned char bytes;
} types[] = {
    [GGUF_U8] = { "u8", 1 },      [GGUF_I8] = { "i8", 1 },
    [GGUF_U16] = { "u16", 2 },    [GGUF_I16] = { "i16", 2 },
    [GGUF_U32] = { "u32", 4 },    [GGUF_I32] = { "i32", 4 },
    [GGUF_F32] = { "f32", 4 },    [GGUF_BOOL] = { "bool", 1 },
    [GGUF_STR] = { "string", 0 }, [GGUF_ARR] = { "array", 0 },
    [GGUF_U64] = { "u64", 8 },    [GGUF_I64] = { "i64", 8 },
    [GGUF_F64] = { "f64", 8 },
};
#define N_TYPES (sizeof types / sizeof types[0])

const char *gguf_type_name(enum gguf_type t)
{
    return types[t].name;
}

size_t gguf_type_bytes(enum gguf_type t)
{
    return types[t].bytes;
}

/* --- the cursor ----------------------------------------------------------- */

struct cursor {
    const unsigned char *p;
    uint64_t n, at;
    struct err *e;
    enum err_code rc;
};

static bool cursor_ok(const struct cursor *c)
{
    return c->rc == ERR_OK;
}

PRINTF_LIKE(2, 3)
static void bad(struct cursor *c, const char *fmt, ...)
{
    char msg[200];
    va_list ap;

    if (c->rc)
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    c->rc = err_set(c->e, ERR_FORMAT, "offset %" PRIu64 ": %s", c->at, msg);
}

/* The next n bytes; NULL, and the cursor has failed, when there are not as
 * many. */
static const unsigned char *take(struct cursor *c, uint64_t n, const char *what)
{
    const unsigned char *p = c->p + c->at;

    if (c->rc)
        return NULL;
    if (n > c->n - c->at) {
        bad(c, "%s of %" PRIu64 " bytes, but the file ends after %" PRIu64,
            what, n, c->n - c->at);
        return NULL;
    }
    c->at += n;
    return p;
}

static uint32_t take_u32(struct cursor *c, const char *what)
{
    const unsigned char *p = take(c, 4, what);
    uint32_t v = 0;
    if (p)
        memcpy(&v, p, 4);
    return v;
}

static uint64_t take_u64(struct cursor *c, const char *what)
{
    const unsigned char *p = take(c, 8, what);
    uint64_t v = 0;
    if (p)
        memcpy(&v, p, 8);
    return v;
}

static struct str take_str(struct cursor *c, uint64_t max, const char *what)
{
    uint64_t n = take_u64(c, what);
    const unsigned char *p;

    if (n > max && cursor_ok(c))
        bad(c, "%s of %" PRIu64 " bytes, at most %" PRIu64 " are allowed", what,
            n, max);
    p = take(c, n, what);
    return p ? (struct str){ (const char *)p, n } : (struct str){ "", 0 };
}

/* A key or a tensor's name: text without NUL, so that it can be looked up and
 * printed. */
static struct str take_name(struct cursor *c, uint64_t max, const char *what)
{
    struct str s = take_str(c, max, what);

    if (!cursor_ok(c))
        return s;
    if (s.n == 0)
        bad(c, "empty %s", what);
    else if (memchr(s.p, '\0', s.n))
        bad(c, "%s with a NUL in it", what);
    else if (!text_check(s, NULL))
        bad(c, "%s that is not UTF-8", what);
    return s;
}

/* --- metadata ------------------------------------------------------------- */

static enum gguf_type take_type(struct cursor *c, struct str key)
{
    uint32_t t = take_u32(c, "type");

    if (t < N_TYPES)
        return (enum gguf_type)t;
    bad(c, "key %.*s: value type %" PRIu32 " does not exist", STR_FMT(key), t);
    return GGUF_U8;
}

static void check_bools(struct cursor *c, const struct gguf_meta *m, uint64_t n)
{
    for (uint64_t i = 0; cursor_ok(c) && i < n; i++)
        if (m->p[i] > 1)
            bad(c, "key %.*s: a bool of %d, expected 0 or 1", STR_FMT(m->key),
                m->p[i]);
}

/* Passes `count` values of a type that is no array. */
static void take_values(struct cursor *c, struct gguf_meta *m,
                        enum gguf_type type, uint64_t count)
{
    uint64_t bytes;

    m->p = c->p + c->at;
    if (type == GGUF_STR) {
        while (cursor_ok(c) && count-- > 0)
            take_str(c, MAX_VALUE, "string value");
        return;
    }
    if (__builtin_mul_overflow(count, types[type].bytes, &bytes))
        bytes = UINT64_MAX;
    if (take(c, bytes, "value") && type == GGUF_BOOL)
        check_bools(c, m, count);
}

static void take_array(struct cursor *c, struct gguf_meta *m)
{
    uint64_t min;

    m->elem = take_type(c, m->key);
    m->count = take_u64(c, "array length");
    if (m->elem == GGUF_ARR)
        bad(c, "key %.*s: an array of arrays", STR_FMT(m->key));
    if (!cursor_ok(c))
        return;
    min = m->elem == GGUF_STR ? 8 : types[m->elem].bytes;
    if (m->count > (c->n - c->at) / min)
        bad(c, "key %.*s: %" PRIu64 " elements do not fit into the file",
            STR_FMT(m->key), m->count);
    take_values(c, m, m->elem, m->count);
}

static void take_meta(struct cursor *c, struct gguf_meta *m)
{
    m->key = take_name(c, MAX_KEY, "key");
    m->type = take_type(c, m->key);
    if (m->type == GGUF_ARR)
        take_array(c, m);
    else if (cursor_ok(c))
        take_values(c, m, m->type, 1);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct entry *)a)->name,
                   ((const struct entry *)b)->name);
}

/* Sorts the index; two of one name are neighbours then. */
static void sort_index(struct cursor *c, struct entry *index, size_t n,
                       const char *what)
{
    if (!cursor_ok(c))
        return;
    qsort(index, n, sizeof *index, by_name);
    for (size_t i = 1; i < n; i++)
        if (str_eq(index[i - 1].name, index[i].name))
            bad(c, "%s %.*s occurs twice", what, STR_FMT(index[i].name));
}

static void read_meta(struct cursor *c, struct gguf *g)
{
    for (size_t i = 0; cursor_ok(c) && i < g->n_meta; i++) {
        take_meta(c, &g->meta[i]);
        g->by_key[i] = (struct entry){ g->meta[i].key, i };
    }
    sort_index(c, g->by_key, g->n_meta, "key");
}

/* --- tensors -------------------------------------------------------------- */

/* Bytes of the tensor's data, all its dims checked. */
static uint64_t tensor_bytes(struct cursor *c, const struct gguf_tensor *t)
{
    const struct quant_type *q = quant_type(t->type);
    uint64_t elems = 1, bytes;

    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(elems, (uint64_t)t->dims[i], &elems))
            bad(c, "tensor %.*s: its number of elements overflows",
                STR_FMT(t->name));
    if (cursor_ok(c) && t->dims[0] % q->block_elems != 0)
        bad(c,
            "tensor %.*s: rows of %" PRId64 " elements, but %s has blocks "
            "of %d",
            STR_FMT(t->name), t->dims[0], q->name, q->block_elems);
    if (__builtin_mul_overflow(elems / (uint64_t)q->block_elems,
                               (uint64_t)q->block_bytes, &bytes))
        bad(c, "tensor %.*s: its size overflows", STR_FMT(t->name));
    return cursor_ok(c) ? bytes : 0;
}

static void take_dims(struct cursor *c, struct gguf_tensor *t)
{
    uint32_t n = take_u32(c, "number of dimensions");

    if (cursor_ok(c) && (n < 1 || n > 4))
        bad(c, "tensor %.*s: %" PRIu32 " dimensions, expected 1 to 4",
            STR_FMT(t->name), n);
    t->n_dims = (int)n;
    for (uint32_t i = 0; i < 4; i++)
        t->dims[i] = 1;
    for (uint32_t i = 0; cursor_ok(c) && i < n; i++) {
        uint64_t d = take_u64(c, "dimension");
        if (cursor_ok(c) && (d < 1 || d > MAX_DIM))
            bad(c,
                "tensor %.*s: a dimension of %" PRIu64 ", expected 1 to "
                "2^48",
                STR_FMT(t->name), d);
        t->dims[i] = (int64_t)d;
    }
}

/* Bytes of a tensor, counted from the start of the data. */
struct place {
    uint64_t at, end;
    size_t i;
};

/* Gives its offset: where the data starts is not known yet. */
static uint64_t take_tensor(struct cursor *c, struct gguf_tensor *t)
{
    uint32_t type;
    uint64_t offset;

    t->name = take_name(c, MAX_NAME, "tensor name");
    take_dims(c, t);
    type = take_u32(c, "tensor type");
    if (cursor_ok(c) && (type >= GGML_N_TYPES || !quant_type((int)type)))
        bad(c, "tensor %.*s has type %" PRIu32 " (%s), which is not supported",
            STR_FMT(t->name), type,
            quant_type_name(type < GGML_N_TYPES ? (int)type : -1));
    offset = take_u64(c, "tensor offset");
    if (!cursor_ok(c))
        return 0;
    t->type = (enum ggml_type)type;
    t->bytes = tensor_bytes(c, t);
    return offset;
}

static void place_tensor(struct cursor *c, struct gguf_tensor *t,
                         struct place *p, uint64_t start, uint64_t alignment)
{
    uint64_t room = c->n > start ? c->n - start : 0;

    if (p->at % alignment != 0)
        bad(c, "tensor %.*s: offset %" PRIu64 " is no multiple of %" PRIu64,
            STR_FMT(t->name), p->at, alignment);
    else if (p->at > room || t->bytes > room - p->at)
        bad(c,
            "tensor %.*s: %" PRIu64 " bytes at %" PRIu64 " pass the end of "
            "the file's data (%" PRIu64 " bytes); is the file cut short?",
            STR_FMT(t->name), t->bytes, p->at, room);
    if (!cursor_ok(c))
        return;
    t->data = c->p + start + p->at;
    p->end = p->at + t->bytes;
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static void check_overlap(struct cursor *c, const struct gguf *g,
                          struct place *p)
{
    if (!cursor_ok(c))
        return;
    qsort(p, g->n_tensors, sizeof *p, by_place);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (p[i - 1].end > p[i].at)
            bad(c, "tensors %.*s and %.*s overlap",
                STR_FMT(g->tensors[p[i - 1].i].name),
                STR_FMT(g->tensors[p[i].i].name));
}

static uint64_t read_alignment(struct cursor *c, const struct gguf *g)
{
    const struct gguf_meta *m = gguf_meta(g, "general.alignment");
    uint32_t v = DEFAULT_ALIGNMENT;

    if (m && m->type != GGUF_U32)
        bad(c, "general.alignment is %s, expected u32", types[m->type].name);
    else if (m)
        memcpy(&v, m->p, sizeof v);
    if (v == 0 || (v & (v - 1)) != 0 || v > MAX_ALIGNMENT) {
        bad(c,
            "general.alignment is %" PRIu32 ", expected a power of two up "
            "to %" PRIu32,
            v, MAX_ALIGNMENT);
        return DEFAULT_ALIGNMENT;
    }
    return v;
}

static void read_infos(struct cursor *c, struct gguf *g, struct place *places)
{
    for (size_t i = 0; cursor_ok(c) && i < g->n_tensors; i++) {
        places[i].at = take_tensor(c, &g->tensors[i]);
        places[i].i = i;
        g->by_name[i] = (struct entry){ g->tensors[i].name, i };
    }
}

static void read_tensors(struct cursor *c, struct gguf *g)
{
    uint64_t alignment = read_alignment(c, g), start;
    struct place *places = mem_array(g->n_tensors, sizeof *places);

    if (!places) {
        c->rc = err_set(c->e, ERR_NOMEM, "no memory for the tensors");
        return;
    }
    read_infos(c, g, places);
    start = (c->at + alignment - 1) & ~(alignment - 1);
    for (size_t i = 0; cursor_ok(c) && i < g->n_tensors; i++)
        place_tensor(c, &g->tensors[i], &places[i], start, alignment);
    check_overlap(c, g, places);
    sort_index(c, g->by_name, g->n_tensors, "tensor");
    mem_free(places);
}

/* --- the file ------------------------------------------------------------- */

static void read_version(struct cursor *c)
{
    const unsigned char *magic = take(c, 4, "magic");
    uint32_t v;

    if (magic && memcmp(magic, "GGUF", 4) != 0) {
        c->at = 0;
        bad(c, "the file does not start with \"GGUF\"");
    }
    v = take_u32(c, "version");
    if (!cursor_ok(c) || v == 2 || v == 3)
        return;
    if ((v & 0xffff) == 0)
        bad(c, "a big-endian GGUF, only little-endian ones are supported");
    else
        bad(c, "GGUF version %" PRIu32 ", only 2 and 3 are supported", v);
}

static size_t read_count(struct cursor *c, uint64_t n, uint64_t min_bytes,
                         const char *what)
{
    if (cursor_ok(c) && (n > MAX_ENTRIES || n > (c->n - c->at) / min_bytes))
        bad(c, "%" PRIu64 " %s do not fit into the file", n, what);
    return cursor_ok(c) ? (size_t)n : 0;
}

static void read_header(struct cursor *c, struct gguf *g)
{
    uint64_t n_tensors, n_meta;

    read_version(c);
    n_tensors = take_u64(c, "number of tensors");
    n_meta = take_u64(c, "number of keys");
    g->n_meta = read_count(c, n_meta, MIN_META, "keys");
    g->n_tensors = read_count(c, n_tensors, MIN_TENSOR, "tensors");
}

static bool alloc_entries(struct gguf *g)
{
    g->meta = mem_array(g->n_meta, sizeof *g->meta);
    g->by_key = mem_array(g->n_meta, sizeof *g->by_key);
    g->tensors = mem_array(g->n_tensors, sizeof *g->tensors);
    g->by_name = mem_array(g->n_tensors, sizeof *g->by_name);
    return g->meta && g->by_key && g->tensors && g->by_name;
}

static void check_architecture(struct cursor *c, const struct gguf *g)
{
    const struct gguf_meta *m = gguf_meta(g, "general.architecture");

    if (!m)
        bad(c, "key general.architecture is missing");
    else if (m->type != GGUF_STR)
        bad(c, "key general.architecture is %s, expected a string",
            types[m->type].name);
}

static enum err_code read_all(struct gguf *g, struct err *e)
{
    struct cursor c = { .p = g->map.p, .n = g->map.n, .e = e };

    read_header(&c, g);
    if (cursor_ok(&c) && !alloc_entries(g))
        return err_set(e, ERR_NOMEM, "no memory for %zu keys and %zu tensors",
                       g->n_meta, g->n_tensors);
    read_meta(&c, g);
    if (cursor_ok(&c))
        check_architecture(&c, g);
    if (cursor_ok(&c))
        read_tensors(&c, g);
    return c.rc;
}

enum err_code gguf_open(struct gguf **out, const char *path, struct err *e)
{
    struct gguf *g = mem_zalloc(sizeof *g);
    enum err_code rc;

    *out = NULL;
    if (!g)
        return err_set(e, ERR_NOMEM, "no memory to open %s", path);
    rc = io_map(&g->map, path, e);
    if (!rc) {
        rc = read_all(g, e);
        if (rc)
            err_wrap(e, "%s", path);
    }
    if (rc) {
        gguf_close(g);
        return rc;
    }
    *out = g;
    return ERR_OK;
}

void gguf_close(struct gguf *g)
{
    if (!g)
        return;
    mem_free(g->meta);
    mem_free(g->by_key);
    mem_free(g->tensors);
    mem_free(g->by_name);
    io_unmap(&g->map);
    mem_free(g);
}

/* --- looking up ----------------------------------------------------------- */

size_t gguf_n_meta(const struct gguf *g)
{
    return g->n_meta;
}

size_t gguf_n_tensors(const struct gguf *g)
{
    return g->n_tensors;
}

uint64_t gguf_file_bytes(const struct gguf *g)
{
    return g->map.n;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t i)
{
    assert(i < g->n_tensors);
    return &g->tensors[i];
}

const struct gguf_meta *gguf_meta_at(const struct gguf *g, size_t i)
{
    assert(i < g->n_meta);
    return &g->meta[i];
}

static const struct entry *look_up(const struct entry *index, size_t n,
                                   const char *name)
{
    struct entry want = { .name = str_of(name) };
    return bsearch(&want, index, n, sizeof *index, by_name);
}

const struct gguf_tensor *gguf_tensor(const struct gguf *g, const char *name)
{
    const struct entry *hit = look_up(g->by_name, g->n_tensors, name);
    return hit ? &g->tensors[hit->i] : NULL;
}

const struct gguf_meta *gguf_meta(const struct gguf *g, const char *key)
{
    const struct entry *hit = look_up(g->by_key, g->n_meta, key);
    return hit ? &g->meta[hit->i] : NULL;
}
