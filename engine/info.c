/* What a model says about itself: figures, metadata and tensors for showing. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

#define SHOWN_ELEMENTS 8

const struct mk_model_info *mk_model_info(const struct mk_model *m)
{
    return &m->info;
}

/* --- figures -------------------------------------------------------------- */

static const char *general_str(struct mk_model *m, const char *key)
{
    struct str s = { "", 0 };

    /* a name of another type is no reason not to run the model */
    if (gguf_str(m->gguf, key, &s, NULL))
        s = (struct str){ "", 0 };
    return arena_dup(&m->arena, s.p, s.n);
}

static void count_tensors(struct mk_model *m)
{
    uint64_t bytes[GGML_N_TYPES] = { 0 };
    int most = GGML_F32;

    for (size_t i = 0; i < gguf_n_tensors(m->gguf); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(m->gguf, i);
        uint64_t n = 1;
        for (int d = 0; d < 4; d++)
            n *= (uint64_t)t->dims[d];
        m->info.n_params += n;
        bytes[t->type] += t->bytes;
        if (bytes[t->type] > bytes[most])
            most = (int)t->type;
    }
    m->info.file_type = quant_type_name(most);
}

static void describe_net(struct mk_model *m)
{
    struct mk_model_info *i = &m->info;
    const struct net *n = m->net;
    struct be_kv_params kv = net_kv_params(n, 1);

    i->device = m->backend->name;
    i->n_vocab = n->h.n_vocab;
    i->n_layer = n->h.n_layer;
    i->n_embd = n->h.n_embd;
    i->n_head = n->h.n_head;
    i->n_kv_head = n->h.n_kv_head;
    i->head_dim = n->h.k_dim;
    i->n_ctx_train = n->h.n_ctx_train;
    i->n_ctx_most = n->h.n_pos;
    i->whole_prompt = n->prompts != PROMPT_FREE;
    i->weight_bytes = n->weight_bytes;
    i->decode_bytes = n->decode_bytes;
    i->matmul_params = n->matmul_params;
    i->kv_bytes = m->backend->kv_bytes(m->be, &kv);
}

static void describe_vocab(struct mk_model *m)
{
    const struct vocab_info *v = vocab_info(m->vocab);
    struct mk_model_info *i = &m->info;

    i->tokenizer = v->name;
    i->chat = v->chat;
    i->chat_source = v->chat_source;
    i->n_vocab = v->n_tokens;
    i->bos = v->bos;
    i->eos = v->eos;
    i->add_bos = v->add_bos;
}

/* NUL-terminated copies: in the file names are not terminated. */
static void copy_names(struct mk_model *m)
{
    size_t n_meta = gguf_n_meta(m->gguf), n = gguf_n_tensors(m->gguf);

    m->keys = arena_array(&m->arena, n_meta, sizeof *m->keys);
    m->tensors = arena_array(&m->arena, n, sizeof *m->tensors);
    for (size_t i = 0; !m->arena.failed && i < n_meta; i++) {
        struct str s = gguf_meta_at(m->gguf, i)->key;
        m->keys[i] = arena_dup(&m->arena, s.p, s.n);
    }
    for (size_t i = 0; !m->arena.failed && i < n; i++) {
        struct str s = gguf_tensor_at(m->gguf, i)->name;
        m->tensors[i] = arena_dup(&m->arena, s.p, s.n);
    }
}

enum err_code info_init(struct mk_model *m, struct err *e)
{
    m->info.arch = general_str(m, "general.architecture");
    m->info.name = general_str(m, "general.name");
    m->info.device = "";
    m->info.file_bytes = gguf_file_bytes(m->gguf);
    m->info.n_tensors = gguf_n_tensors(m->gguf);
    m->info.n_meta = gguf_n_meta(m->gguf);
    count_tensors(m);
    describe_vocab(m);
    if (m->net)
        describe_net(m);
    copy_names(m);
    if (m->arena.failed)
        return err_set(e, ERR_NOMEM, "no memory for the model's names");
    return ERR_OK;
}

/* --- metadata and tensors, for showing ------------------------------------ */

/* Text into a buffer of fixed size; what does not fit is left out. */
struct text {
    char *p;
    size_t n, cap;
};

PRINTF_LIKE(2, 3) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->p + t->n, t->cap - t->n, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->n += (size_t)n < t->cap - t->n ? (size_t)n : t->cap - t->n - 1;
}

/* Cut at a character's end. */
static void put_str(struct text *t, struct str s)
{
    size_t room = t->cap - t->n - 1;

    if (s.n > room)
        s.n = text_whole((struct str){ s.p, room });
    memcpy(t->p + t->n, s.p, s.n);
    t->n += s.n;
    t->p[t->n] = '\0';
}

static uint64_t raw(const unsigned char *p, size_t bytes)
{
    uint64_t v = 0;
    memcpy(&v, p, bytes);
    return v;
}

/* Value i of a type of fixed size. */
static void put_number(struct text *t, enum gguf_type type,
                       const unsigned char *p)
{
    float f;
    double d;

    switch (type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64:
        put(t, "%" PRIu64, raw(p, gguf_type_bytes(type)));
        break;
    case GGUF_I8:
        put(t, "%d", (int8_t)raw(p, 1));
        break;
    case GGUF_I16:
        put(t, "%d", (int16_t)raw(p, 2));
        break;
    case GGUF_I32:
        put(t, "%" PRId32, (int32_t)raw(p, 4));
        break;
    case GGUF_I64:
        put(t, "%" PRId64, (int64_t)raw(p, 8));
        break;
    case GGUF_F32:
        memcpy(&f, p, sizeof f);
        put(t, "%.9g", (double)f);
        break;
    case GGUF_F64:
        memcpy(&d, p, sizeof d);
        put(t, "%.17g", d);
        break;
    case GGUF_BOOL:
        put(t, "%s", *p ? "true" : "false");
        break;
    case GGUF_STR:
    case GGUF_ARR:
        break;
    }
}

static void put_array(struct text *t, const struct gguf_meta *m)
{
    uint64_t shown = m->count < SHOWN_ELEMENTS ? m->count : SHOWN_ELEMENTS;
    size_t at = 0;

    put(t, "%s[%" PRIu64 "]", gguf_type_name(m->elem), m->count);
    /* cppcheck-suppress knownConditionTrueFalse */
    for (uint64_t i = 0; i < shown; i++) {
        put(t, "%s", i ? ", " : ": ");
        if (m->elem == GGUF_STR)
            put_str(t, gguf_next_str(m, &at));
        else
            put_number(t, m->elem, m->p + i * gguf_type_bytes(m->elem));
    }
    if (shown < m->count)
        put(t, ", ...");
}

int mk_model_meta(const struct mk_model *m, size_t i, const char **key,
                  const char **type, char *value, size_t n)
{
    struct text t = { value, 0, n };
    const struct gguf_meta *meta;
    size_t at = 0;

    if (i >= m->info.n_meta || n == 0)
        return MK_EUSAGE;
    meta = gguf_meta_at(m->gguf, i);
    *key = m->keys[i];
    *type = gguf_type_name(meta->type);
    value[0] = '\0';
    if (meta->type == GGUF_ARR)
        put_array(&t, meta);
    else if (meta->type == GGUF_STR)
        put_str(&t, gguf_next_str(meta, &at));
    else
        put_number(&t, meta->type, meta->p);
    return MK_OK;
}

int mk_model_tensor(const struct mk_model *m, size_t i, const char **name,
                    const char **type, int64_t dims[4], uint64_t *bytes)
{
    const struct gguf_tensor *t;

    if (i >= m->info.n_tensors)
        return MK_EUSAGE;
    t = gguf_tensor_at(m->gguf, i);
    *name = m->tensors[i];
    *type = quant_type_name((int)t->type);
    memcpy(dims, t->dims, sizeof t->dims);
    *bytes = t->bytes;
    return MK_OK;
}
