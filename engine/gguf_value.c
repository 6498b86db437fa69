/* The typed getters of a GGUF file's metadata.  The values were checked when
 * the file was opened; they stay in the map and may be unaligned: all loads are
 * memcpy. */
#include "engine/gguf.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static enum err_code wrong_type(const struct gguf_meta *m, const char *want,
                                struct err *e)
{
    return err_set(e, ERR_FORMAT, "key %.*s is %s, expected %s",
                   STR_FMT(m->key), gguf_type_name(m->type), want);
}

/* Reads element i of an integer type; false for other types and for what does
 * not fit. */
static bool load_int(enum gguf_type type, const unsigned char *p, int64_t *out)
{
    uint64_t raw = 0;
    size_t bytes = gguf_type_bytes(type), bits = bytes * 8;

    memcpy(&raw, p, bytes);
    switch (type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64:
        *out = (int64_t)raw;
        return raw <= INT64_MAX;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        /* the sign bit moves up, then down again */
        *out = (int64_t)(raw << (64 - bits)) >> (64 - bits);
        return true;
    case GGUF_F32:
    case GGUF_BOOL:
    case GGUF_STR:
    case GGUF_ARR:
    case GGUF_F64:
        break;
    }
    return false;
}

static bool is_int(enum gguf_type t)
{
    return t <= GGUF_I32 || t == GGUF_U64 || t == GGUF_I64;
}

enum err_code gguf_int(const struct gguf *g, const char *key, int64_t min,
                       int64_t max, int64_t *out, struct err *e)
{
    const struct gguf_meta *m = gguf_meta(g, key);
    int64_t v = 0;

    if (!m)
        return ERR_OK;
    if (!is_int(m->type))
        return wrong_type(m, "an integer", e);
    if (!load_int(m->type, m->p, &v))
        return err_set(e, ERR_FORMAT, "key %s is beyond 2^63", key);
    if (v < min || v > max)
        return err_set(e, ERR_FORMAT,
                       "key %s is %" PRId64 ", expected %" PRId64
                       " to %" PRId64,
                       key, v, min, max);
    *out = v;
    return ERR_OK;
}

enum err_code gguf_int_must(const struct gguf *g, const char *key, int64_t min,
                            int64_t max, int64_t *out, struct err *e)
{
    if (!gguf_meta(g, key))
        return err_set(e, ERR_FORMAT, "key %s is missing", key);
    return gguf_int(g, key, min, max, out, e);
}

enum err_code gguf_float(const struct gguf *g, const char *key, float *out,
                         struct err *e)
{
    const struct gguf_meta *m = gguf_meta(g, key);
    double d;

    if (!m)
        return ERR_OK;
    if (m->type == GGUF_F32) {
        memcpy(out, m->p, sizeof *out);
        return ERR_OK;
    }
    if (m->type != GGUF_F64)
        return wrong_type(m, "f32", e);
    memcpy(&d, m->p, sizeof d);
    *out = (float)d;
    return ERR_OK;
}

enum err_code gguf_bool(const struct gguf *g, const char *key, bool *out,
                        struct err *e)
{
    const struct gguf_meta *m = gguf_meta(g, key);

    if (!m)
        return ERR_OK;
    if (m->type != GGUF_BOOL)
        return wrong_type(m, "bool", e);
    *out = *m->p != 0;
    return ERR_OK;
}

static struct str load_str(const unsigned char *p)
{
    uint64_t n;
    memcpy(&n, p, sizeof n);
    return (struct str){ (const char *)p + sizeof n, n };
}

enum err_code gguf_str(const struct gguf *g, const char *key, struct str *out,
                       struct err *e)
{
    const struct gguf_meta *m = gguf_meta(g, key);

    if (!m)
        return ERR_OK;
    if (m->type != GGUF_STR)
        return wrong_type(m, "a string", e);
    *out = load_str(m->p);
    return ERR_OK;
}

static bool is_i32(enum gguf_type t)
{
    return t == GGUF_I32 || t == GGUF_U32;
}

enum err_code gguf_array(const struct gguf *g, const char *key,
                         enum gguf_type elem, const struct gguf_meta **out,
                         struct err *e)
{
    const struct gguf_meta *m = gguf_meta(g, key);

    *out = NULL;
    if (!m)
        return ERR_OK;
    if (m->type != GGUF_ARR)
        return wrong_type(m, "an array", e);
    if (m->elem != elem && !(is_i32(m->elem) && is_i32(elem)))
        return err_set(e, ERR_FORMAT,
                       "key %s is an array of %s, expected one of %s", key,
                       gguf_type_name(m->elem), gguf_type_name(elem));
    *out = m;
    return ERR_OK;
}

struct str gguf_next_str(const struct gguf_meta *m, size_t *at)
{
    struct str s = load_str(m->p + *at);
    *at += sizeof(uint64_t) + s.n;
    return s;
}

int32_t gguf_i32_at(const struct gguf_meta *m, uint64_t i)
{
    int32_t v;
    assert(i < m->count);
    memcpy(&v, m->p + i * sizeof v, sizeof v);
    return v;
}

float gguf_f32_at(const struct gguf_meta *m, uint64_t i)
{
    float v;
    assert(i < m->count);
    memcpy(&v, m->p + i * sizeof v, sizeof v);
    return v;
}
