/* Byte-level BPE ("gpt2"): words of the pre-tokenizer, bytes as first symbols,
 * merges by rank.
 *
 * The spellings of such a vocabulary write each byte as a printable code point
 * (GPT-2's table).  Merging needs none of that: symbols are ids, a byte's first
 * id comes from a table, and a merge is found by the ids of its two parts in a
 * hash that is built in one pass over tokenizer.ggml.merges. */
#include <string.h>

#include "engine/vocab_kind.h"
#include "engine/vocab_split.h"
#include "harness/base/mem.h"

struct merge {
    uint64_t key; /* left id << 32 | right id; NO_KEY: empty */
    uint32_t rank;
    int32_t id;
};
#define NO_KEY UINT64_MAX

struct bpe {
    struct split *split;
    bool ignore_merges;
    struct merge *merge;
    uint64_t mask;
    int32_t last; /* result of the merge read last */
    int32_t byte_id[256];
    char byte_text[256][2]; /* spelling of a byte, UTF-8 */
    unsigned char byte_len[256];
    int16_t rune_byte[0x144]; /* the way back, -1: none */
};

/* --- GPT-2's table of bytes ----------------------------------------------- */

static void fill_bytes(struct bpe *b)
{
    int32_t other = 0x100;

    memset(b->rune_byte, -1, sizeof b->rune_byte);
    for (int c = 0; c < 256; c++) {
        bool same =
            (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || c >= 0xae;
        int32_t rune = same ? c : other++;
        char utf8[4] = { 0 };

        b->byte_len[c] = (unsigned char)text_encode(rune, utf8);
        memcpy(b->byte_text[c], utf8, 2);
        b->rune_byte[rune] = (int16_t)c;
    }
}

static size_t bytes(const struct vocab *v, int32_t id, char *out, size_t cap)
{
    const struct bpe *b = v->model;
    struct str s = vocab_text(v, id);
    size_t n = 0;

    for (size_t at = 0, len; at < s.n; at += len) {
        int32_t rune = text_rune(s, at, &len);
        bool known = rune >= 0 && rune < 0x144 && b->rune_byte[rune] >= 0;

        /* A spelling outside the table is a token added as plain text. */
        for (size_t i = 0; i < (known ? 1 : len); i++, n++)
            if (n < cap)
                out[n] = known ? (char)b->rune_byte[rune] : s.p[at + i];
    }
    return n;
}

/* --- merges --------------------------------------------------------------- */

static struct merge *merge_slot(const struct bpe *b, uint64_t key)
{
    uint64_t h = (key ^ key >> 32) * 0x9e3779b97f4a7c15u;

    for (uint64_t i = h >> 32;; i++) {
        struct merge *m = &b->merge[i & b->mask];

        if (m->key == key || m->key == NO_KEY)
            return m;
    }
}

/* The two parts of "left right": the space is the first one after byte 0.  Both
 * are empty when there is none. */
static void parts_of(struct str s, struct str *l, struct str *r)
{
    const char *space = s.n > 1 ? memchr(s.p + 1, ' ', s.n - 1) : NULL;

    *l = (struct str){ s.p, space ? (size_t)(space - s.p) : 0 };
    *r = space ? str_sub(s, l->n + 1, s.n) : *l;
}

static void prefetch_merge(const struct vocab *v, struct str s)
{
    struct str l, r;

    parts_of(s, &l, &r);
    vocab_prefetch(v, vocab_hash(VOCAB_HASH, l));
    vocab_prefetch(v, vocab_hash(VOCAB_HASH, r));
}

/* The id of a merge's result.  Nearly always results are numbered in the order
 * of the merges: then the id after the last one is it, and what is compared lies
 * next to what was compared before. */
static int32_t result_id(struct vocab *v, uint64_t h, struct str s)
{
    struct bpe *b = v->model;
    int32_t id = b->last + 1;

    if (id >= v->info.n_tokens || !str_eq(vocab_text(v, id), s))
        id = vocab_lookup(v, h, s);
    b->last = id;
    return id;
}

static enum err_code read_merge(struct vocab *v, struct str s, uint32_t rank,
                                struct err *e)
{
    struct bpe *b = v->model;
    struct str l, r;
    uint64_t hl;
    char both[1024];
    struct merge *m;
    int32_t left, right, id;

    parts_of(s, &l, &r);
    if (r.n == 0)
        return err_set(e, ERR_FORMAT,
                       "tokenizer.ggml.merges[%u]: expected \"left right\", "
                       "got \"%.*s\"",
                       rank, s.n < 60 ? (int)s.n : 60, s.p);
    if (l.n + r.n > v->longest || l.n + r.n > sizeof both)
        return err_set(e, ERR_FORMAT,
                       "tokenizer.ggml.merges[%u]: %zu bytes together, longer "
                       "than any token",
                       rank, l.n + r.n);
    hl = vocab_hash(VOCAB_HASH, l);
    memcpy(both, l.p, l.n);
    memcpy(both + l.n, r.p, r.n);
    left = vocab_lookup(v, hl, l);
    right = vocab_find(v, r);
    id = result_id(v, vocab_hash(hl, r), (struct str){ both, l.n + r.n });
    if (left < 0 || right < 0 || id < 0)
        return err_set(e, ERR_FORMAT,
                       "tokenizer.ggml.merges[%u]: \"%.*s\" is no token", rank,
                       STR_FMT(left < 0 ? l
                               : right < 0
                                   ? r
                                   : ((struct str){ both, l.n + r.n })));
    m = merge_slot(b, (uint64_t)left << 32 | (uint32_t)right);
    if (m->key == NO_KEY)
        *m = (struct merge){ (uint64_t)left << 32 | (uint32_t)right, rank, id };
    return ERR_OK;
}

static enum err_code read_merges(struct vocab *v, const struct gguf *g,
                                 struct err *e)
{
    struct bpe *b = v->model;
    const struct gguf_meta *m;
    uint64_t size = 16;
    size_t at = 0, ahead = 0;
    enum err_code rc = gguf_array(g, "tokenizer.ggml.merges", GGUF_STR, &m, e);

    if (rc)
        return rc;
    if (!m || m->count > UINT32_MAX / 4)
        return err_set(e, ERR_FORMAT,
                       "tokenizer.ggml.merges: %s, needed by "
                       "tokenizer.ggml.model \"gpt2\"",
                       m ? "too many" : "missing");
    while (size < m->count + m->count / 2)
        size *= 2;
    b->merge = mem_array(size, sizeof *b->merge);
    if (!b->merge)
        return err_set(e, ERR_NOMEM, "tokenizer: out of memory");
    b->mask = size - 1;
    memset(b->merge, -1, size * sizeof *b->merge);
    for (uint32_t i = 0; i < m->count && i < VOCAB_AHEAD; i++)
        gguf_next_str(m, &ahead);
    for (uint32_t i = 0; i < m->count && !rc; i++) {
        if (i + VOCAB_AHEAD < m->count)
            prefetch_merge(v, gguf_next_str(m, &ahead));
        rc = read_merge(v, gguf_next_str(m, &at), i, e);
    }
    return rc;
}

/* --- opening -------------------------------------------------------------- */

static void close_bpe(struct vocab *v)
{
    struct bpe *b = v->model;

    if (!b)
        return;
    split_close(b->split);
    mem_free(b->merge);
    mem_free(b);
    v->model = NULL;
}

static enum err_code open_bpe(struct vocab *v, const struct gguf *g,
                              struct str pre, struct err *e)
{
    const struct split_row *row = split_row(pre);
    struct bpe *b = v->model = mem_zalloc(sizeof *b);
    struct buf name;
    enum err_code rc;

    if (!b)
        return err_set(e, ERR_NOMEM, "tokenizer: out of memory");
    buf_init(&name, sizeof v->name - 1);
    buf_printf(&name, "gpt2/%s", split_name(row));
    memcpy(v->name, name.p, name.n + 1);
    buf_free(&name);
    b->ignore_merges = split_ignores_merges(row);
    v->info.add_bos = split_adds_bos(row);
    fill_bytes(b);
    for (int c = 0; c < 256; c++)
        b->byte_id[c] =
            vocab_find(v, (struct str){ b->byte_text[c], b->byte_len[c] });
    rc = split_open(&b->split, row, e);
    return rc ? rc : read_merges(v, g, e);
}

/* --- encoding ------------------------------------------------------------- */

static bool pair(const void *arg, const struct merge_sym *l,
                 const struct merge_sym *r, uint32_t *prio, int32_t *id)
{
    const struct bpe *b = arg;
    const struct merge *m;

    if (l->id < 0 || r->id < 0)
        return false;
    m = merge_slot(b, (uint64_t)l->id << 32 | (uint32_t)r->id);
    *prio = m->rank;
    *id = m->id;
    return m->key != NO_KEY;
}

/* The token that is spelled like the whole word, -1 if there is none. */
static int32_t whole_word(struct encoder *x, struct str w)
{
    const struct bpe *b = x->v->model;
    struct str s;

    if (w.n > x->v->longest)
        return -1;
    buf_clear(&x->text);
    for (size_t i = 0; i < w.n; i++)
        buf_add(&x->text, b->byte_text[(unsigned char)w.p[i]],
                b->byte_len[(unsigned char)w.p[i]]);
    s = buf_view(&x->text);
    return x->text.failed ? -1 : vocab_find(x->v, s);
}

static enum err_code encode_word(void *arg, struct str w, struct err *e)
{
    struct encoder *x = arg;
    const struct bpe *b = x->v->model;
    struct merger *m = &x->m;
    int32_t id = b->ignore_merges ? whole_word(x, w) : -1;

    if (id >= 0) {
        ids_add(x->out, id);
        return ERR_OK;
    }
    merger_clear(m);
    for (size_t i = 0; i < w.n; i++)
        merger_add(m, (uint32_t)i, 1, b->byte_id[(unsigned char)w.p[i]]);
    merger_run(m, pair, b);
    for (int32_t i = 0; i >= 0 && !m->failed; i = m->sym[i].next) {
        id = m->sym[i].id >= 0 ? m->sym[i].id : x->v->unk;
        if (id < 0)
            return err_set(e, ERR_FORMAT,
                           "tokenizer: byte 0x%02X has no token, and there is "
                           "no unknown token",
                           (unsigned char)w.p[m->sym[i].at]);
        ids_add(x->out, id);
    }
    return ERR_OK;
}

static enum err_code encode(struct encoder *x, struct str piece, struct err *e)
{
    const struct bpe *b = x->v->model;

    return split_run(b->split, piece, encode_word, x, e);
}

const struct vocab_kind vocab_gpt2 = {
    .name = "gpt2",
    .bos = -1,
    .eos = -1,
    .unk = -1,
    .open = open_bpe,
    .close = close_bpe,
    .encode = encode,
    .bytes = bytes,
};
