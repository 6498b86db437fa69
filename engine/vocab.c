/* The vocabulary: tables of tokens, and the frame around the kinds of
 * tokenizers.
 *
 * The spellings are copied into one block with a NUL after each: an offset of
 * four bytes a token is smaller than a borrowed pointer and length, and the
 * block is warm while the file's pages are not.  Scores stay in the file.
 * Spellings are found by open addressing on their hash; of two tokens with the
 * same spelling the later one is found, as in the reference. */
#include "engine/vocab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arch.h"
#include "engine/chat.h"
#include "engine/engine.h"
#include "engine/vocab_kind.h"
#include "harness/base/mem.h"

static const struct vocab_kind *const kinds[] = {
#define VOCAB_KIND_ROW(name) &vocab_##name,
    VOCAB_KINDS(VOCAB_KIND_ROW)
#undef VOCAB_KIND_ROW
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

static enum err_code no_memory(struct err *e)
{
    err_set(e, ERR_NOMEM, "tokenizer: out of memory");
    return ERR_NOMEM;
}

/* --- rows of ids ---------------------------------------------------------- */

void ids_free(struct ids *s)
{
    mem_free(s->p);
    *s = (struct ids){ 0 };
}

void ids_add(struct ids *s, int32_t id)
{
    if (s->failed || !mem_grow(&s->p, &s->cap, s->n + 1, sizeof *s->p)) {
        s->failed = true;
        return;
    }
    s->p[s->n++] = id;
}

/* --- reading the file's keys ---------------------------------------------- */

static enum err_code copy_texts(struct vocab *v, const struct gguf_meta *m,
                                struct err *e)
{
    size_t n = (size_t)m->count, total = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        total += gguf_next_str(m, &at).n + 1;
    if (total > UINT32_MAX)
        return err_set(e, ERR_LIMIT,
                       "tokenizer.ggml.tokens: %zu bytes, expected at most "
                       "4 GiB",
                       total);
    v->start = mem_array(n + 1, sizeof *v->start);
    v->text = mem_alloc(total);
    if (!v->start || !v->text)
        return no_memory(e);
    total = at = 0;
    for (size_t i = 0; i < n; i++) {
        struct str s = gguf_next_str(m, &at);

        v->start[i] = (uint32_t)total;
        memcpy(v->text + total, s.p, s.n);
        total += s.n;
        v->text[total++] = '\0';
        if (s.n > v->longest)
            v->longest = (uint32_t)s.n;
    }
    v->start[n] = (uint32_t)total;
    return ERR_OK;
}

/* -1 of an empty slot. */
static int32_t slot_id(uint64_t slot)
{
    return (int32_t)(uint32_t)slot - 1;
}

/* The slot of the spelling s with hash h, or the empty one where it belongs.
 * The upper half of the mixed hash says where to look, the lower is kept. */
static uint64_t *slot_of(const struct vocab *v, uint64_t h, struct str s)
{
    uint64_t mixed = h * VOCAB_MIX;

    for (uint64_t i = mixed >> 32;; i++) {
        uint64_t *slot = &v->slot[i & v->mask];

        if (!*slot || ((uint32_t)(*slot >> 32) == (uint32_t)mixed &&
                       str_eq(vocab_text(v, slot_id(*slot)), s)))
            return slot;
    }
}

int32_t vocab_lookup(const struct vocab *v, uint64_t h, struct str s)
{
    return slot_id(*slot_of(v, h, s));
}

static void insert(struct vocab *v, int32_t id)
{
    struct str s = vocab_text(v, id);
    uint64_t h = vocab_hash(VOCAB_HASH, s);

    *slot_of(v, h, s) = h * VOCAB_MIX << 32 | (uint32_t)(id + 1);
}

static enum err_code index_texts(struct vocab *v, struct err *e)
{
    uint64_t size = 16;

    while (size < 2 * (uint64_t)v->info.n_tokens)
        size *= 2;
    v->slot = mem_array(size, sizeof *v->slot);
    if (!v->slot)
        return no_memory(e);
    v->mask = size - 1;
    for (int32_t id = 0, n = v->info.n_tokens; id < n; id++) {
        if (id + VOCAB_AHEAD < n)
            vocab_prefetch(
                v, vocab_hash(VOCAB_HASH, vocab_text(v, id + VOCAB_AHEAD)));
        insert(v, id);
    }
    return ERR_OK;
}

static enum err_code read_tokens(struct vocab *v, const struct gguf *g,
                                 struct err *e)
{
    const struct gguf_meta *m;
    enum err_code rc = gguf_array(g, "tokenizer.ggml.tokens", GGUF_STR, &m, e);

    if (rc)
        return rc;
    if (!m || m->count == 0 || m->count > INT32_MAX / 2)
        return err_set(e, ERR_FORMAT,
                       "tokenizer.ggml.tokens: %s, expected an array of "
                       "strings",
                       !m ? "missing" : "empty or too long");
    v->info.n_tokens = (int32_t)m->count;
    rc = copy_texts(v, m, e);
    return rc ? rc : index_texts(v, e);
}

/* An array with one entry a token; *m is NULL when the key is missing. */
static enum err_code token_array(const struct vocab *v, const struct gguf *g,
                                 const char *key, enum gguf_type elem,
                                 const struct gguf_meta **m, struct err *e)
{
    enum err_code rc = gguf_array(g, key, elem, m, e);

    if (!rc && *m && (*m)->count != (uint64_t)v->info.n_tokens)
        return err_set(e, ERR_FORMAT, "%s: %llu entries for %d tokens", key,
                       (unsigned long long)(*m)->count, v->info.n_tokens);
    return rc;
}

static enum err_code read_types(struct vocab *v, const struct gguf *g,
                                struct err *e)
{
    const char *key = "tokenizer.ggml.token_type";
    const struct gguf_meta *m = gguf_meta(g, key);
    bool is_u32 = m && m->type == GGUF_ARR && m->elem == GGUF_U32;
    enum err_code rc =
        token_array(v, g, key, is_u32 ? GGUF_U32 : GGUF_I32, &m, e);

    if (rc)
        return rc;
    v->type = mem_alloc((size_t)v->info.n_tokens);
    if (!v->type)
        return no_memory(e);
    for (int32_t i = 0; i < v->info.n_tokens; i++) {
        int32_t t = m ? gguf_i32_at(m, (uint64_t)i) : TOKEN_NORMAL;

        if (t < 0 || t >= TOKEN_N_TYPES)
            return err_set(e, ERR_FORMAT, "%s[%d]: expected 1 to 6, got %d",
                           key, i, t);
        v->type[i] = (unsigned char)t;
    }
    return ERR_OK;
}

static enum err_code read_scores(struct vocab *v, const struct gguf *g,
                                 struct err *e)
{
    const char *key = "tokenizer.ggml.scores";
    enum err_code rc = token_array(v, g, key, GGUF_F32, &v->scores, e);

    if (!rc && !v->scores && v->kind->scores)
        return err_set(e, ERR_FORMAT,
                       "%s: missing, needed by tokenizer.ggml.model \"%s\"",
                       key, v->kind->name);
    return rc;
}

/* A token id, or the default where the file names none (and has it). */
static enum err_code read_id(const struct vocab *v, const struct gguf *g,
                             const char *key, int32_t dflt, int32_t *id,
                             struct err *e)
{
    int64_t x = dflt < v->info.n_tokens ? dflt : -1;
    enum err_code rc = gguf_int(g, key, 0, v->info.n_tokens - 1, &x, e);

    *id = (int32_t)x;
    return rc;
}

static void mark_stop(struct vocab *v, int32_t id)
{
    if (id >= 0)
        v->type[id] |= TOKEN_STOP;
}

/* How answers end in ChatGLM, InternLM, MOSS, GLM: the next turn's token too.
 * Only what the file makes special is meant; other text may be spelt so. */
static void mark_family_stops(struct vocab *v)
{
    static const char *const names[] = { "<eop>", "<eoa>", "<eom>",
                                         "<|observation|>", "<|user|>" };
    bool is_glm = vocab_find(v, str_of("<|observation|>")) >= 0;
    size_t n = sizeof names / sizeof *names - !is_glm;

    for (size_t i = 0; i < n; i++) {
        int32_t id = vocab_find(v, str_of(names[i]));

        if (id >= 0 && (vocab_type(v, id) == TOKEN_CONTROL ||
                        vocab_type(v, id) == TOKEN_USER))
            mark_stop(v, id);
    }
}

/* Stop tokens: those the keys name, and those of the usual names.  Files give
 * some of the latter another type than control: the reference takes the name's
 * word for it, and so must who wants the same ids. */
static enum err_code read_stops(struct vocab *v, const struct gguf *g,
                                struct err *e)
{
    static const char *const names[] = {
        "<|im_end|>",    "<|eot_id|>",
        "<|end|>",       "<end_of_turn>",
        "<|endoftext|>", "<|end_of_text|>",
        "<|eom_id|>",    "<｜end▁of▁sentence｜>",
        "</s>",          "<eos>",
        "<EOT>",         "<|EOT|>"
    };
    static const char *const keys[] = { "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id" };

    mark_stop(v, v->info.eos);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int32_t id = -1;
        enum err_code rc = read_id(v, g, keys[i], -1, &id, e);

        if (rc)
            return rc;
        mark_stop(v, id);
    }
    mark_family_stops(v);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int32_t id = vocab_find(v, str_of(names[i]));

        if (id >= 0)
            v->type[id] = TOKEN_CONTROL;
        mark_stop(v, id);
    }
    return ERR_OK;
}

static enum err_code read_rules(struct vocab *v, const struct gguf *g,
                                struct err *e)
{
    const struct vocab_kind *k = v->kind;
    struct vocab_info *f = &v->info;
    enum err_code rc;

    v->add_space_prefix = k->add_space_prefix;
    v->codes_blanks = k->blanks && vocab_codes_blanks(v);
    rc = read_id(v, g, "tokenizer.ggml.bos_token_id", k->bos, &f->bos, e);
    if (!rc)
        rc = read_id(v, g, "tokenizer.ggml.eos_token_id", k->eos, &f->eos, e);
    if (!rc)
        rc = read_id(v, g, "tokenizer.ggml.unknown_token_id", k->unk, &v->unk,
                     e);
    if (!rc)
        rc = gguf_bool(g, "tokenizer.ggml.add_bos_token", &f->add_bos, e);
    if (!rc)
        rc = gguf_bool(g, "tokenizer.ggml.add_eos_token", &f->add_eos, e);
    if (!rc)
        rc = gguf_bool(g, "tokenizer.ggml.add_space_prefix",
                       &v->add_space_prefix, e);
    return rc ? rc : read_stops(v, g, e);
}

/* --- from ids ------------------------------------------------------------- */

static size_t copy_out(struct str s, char *out, size_t cap)
{
    if (cap > 0 && s.n > 0)
        memcpy(out, s.p, s.n < cap ? s.n : cap);
    return s.n;
}

size_t vocab_bytes(const struct vocab *v, int32_t id, bool special, char *out,
                   size_t cap)
{
    size_t n;
    char c;

    if (id < 0 || id >= v->info.n_tokens)
        return 0;
    n = v->codes_blanks ? vocab_blanks_of(vocab_text(v, id), &c) : 0;
    if (n > 0 && cap > 0)
        memset(out, c, n < cap ? n : cap);
    if (n > 0)
        return n;
    switch (vocab_type(v, id)) {
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
        return special ? copy_out(vocab_text(v, id), out, cap) : 0;
    case TOKEN_USER:
        return copy_out(vocab_text(v, id), out, cap);
    case TOKEN_NONE:
    case TOKEN_NORMAL:
    case TOKEN_UNUSED:
    case TOKEN_BYTE:
    case TOKEN_N_TYPES:
        break;
    }
    return v->kind->bytes(v, id, out, cap);
}

struct str vocab_piece(const struct vocab *v, int32_t id)
{
    if (id < 0 || id >= v->info.n_tokens)
        return (struct str){ NULL, 0 };
    return vocab_text(v, id);
}

int32_t vocab_find(const struct vocab *v, struct str piece)
{
    if (piece.n > v->longest)
        return -1;
    return vocab_lookup(v, vocab_hash(VOCAB_HASH, piece), piece);
}

bool vocab_is_stop(const struct vocab *v, int32_t id)
{
    return id >= 0 && id < v->info.n_tokens && v->type[id] & TOKEN_STOP;
}

bool vocab_is_control(const struct vocab *v, int32_t id)
{
    return id >= 0 && id < v->info.n_tokens &&
           vocab_type(v, id) == TOKEN_CONTROL;
}

bool vocab_drops_space(const struct vocab *v)
{
    return v->add_space_prefix;
}

const struct vocab_info *vocab_info(const struct vocab *v)
{
    return &v->info;
}

/* --- opening -------------------------------------------------------------- */

static enum err_code find_kind(struct vocab *v, struct str model, struct err *e)
{
    struct buf known;

    for (size_t i = 0; i < N_KINDS; i++)
        if (str_is(model, kinds[i]->name))
            v->kind = kinds[i];
    if (v->kind)
        return ERR_OK;
    buf_init(&known, 200);
    for (size_t i = 0; i < N_KINDS; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", kinds[i]->name);
    err_set(e, ERR_FORMAT, "tokenizer.ggml.model: \"%.*s\", expected one of %s",
            model.n < 40 ? (int)model.n : 40, model.p, known.p);
    buf_free(&known);
    return ERR_FORMAT;
}

/* Of the family, for files without a template. */
static const char *family_chat(const struct gguf *g)
{
    struct str name = { "", 0 };
    const struct arch *a = NULL;

    if (gguf_str(g, "general.architecture", &name, NULL) == ERR_OK)
        a = arch_find(name, NULL);
    return a && a->chat ? a->chat : "";
}

static enum err_code read_chat(struct vocab *v, const struct gguf *g,
                               struct err *e)
{
    struct str s = { NULL, 0 };
    enum err_code rc = gguf_str(g, "tokenizer.chat_template", &s, e);

    v->info.chat = s.p ? "" : family_chat(g);
    if (rc || !s.p)
        return rc;
    v->chat_source = mem_alloc(s.n + 1);
    if (!v->chat_source)
        return no_memory(e);
    memcpy(v->chat_source, s.p, s.n);
    v->chat_source[s.n] = '\0';
    v->info.chat_source = v->chat_source;
    v->info.chat = chat_recognise(s);
    return ERR_OK;
}

static enum err_code open_kind(struct vocab *v, const struct gguf *g,
                               const char *pre, struct err *e)
{
    struct str model = { NULL, 0 }, name = str_of("");
    enum err_code rc = gguf_str(g, "tokenizer.ggml.model", &model, e);

    if (!rc && !model.p)
        rc = err_set(e, ERR_FORMAT,
                     "tokenizer.ggml.model: missing, expected a string");
    if (!rc)
        rc = find_kind(v, model, e);
    if (!rc)
        rc = gguf_str(g, "tokenizer.ggml.pre", &name, e);
    if (!rc)
        rc = read_tokens(v, g, e);
    if (!rc)
        rc = read_types(v, g, e);
    if (!rc)
        rc = read_scores(v, g, e);
    if (rc)
        return rc;
    v->info.add_bos = v->kind->add_bos;
    v->info.add_eos = v->kind->add_eos;
    return v->kind->open(v, g, pre ? str_of(pre) : name, e);
}

enum err_code vocab_open_pre(struct vocab **out, const struct gguf *g,
                             const char *pre, struct err *e)
{
    struct vocab *v = mem_zalloc(sizeof *v);
    enum err_code rc;

    if (!v)
        return no_memory(e);
    v->info.name = v->name;
    rc = open_kind(v, g, pre, e);
    if (!rc)
        rc = read_rules(v, g, e);
    if (!rc)
        rc = vocab_index_specials(v, e);
    if (!rc)
        rc = read_chat(v, g, e);
    if (rc) {
        vocab_close(v);
        return rc;
    }
    *out = v;
    return ERR_OK;
}

enum err_code vocab_open(struct vocab **out, const struct gguf *g,
                         struct err *e)
{
    return vocab_open_pre(out, g, NULL, e);
}

void vocab_close(struct vocab *v)
{
    if (!v)
        return;
    if (v->kind)
        v->kind->close(v);
    mem_free(v->start);
    mem_free(v->text);
    mem_free(v->type);
    mem_free(v->slot);
    mem_free(v->special);
    mem_free(v->chat_source);
    mem_free(v);
}
