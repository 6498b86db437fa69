/* SentencePiece BPE with scores ("llama"): the pair whose concatenation has the
 * best score is merged first; what is no token in the end falls back to bytes.
 *
 * Only normal, user-defined and unused pieces take part in merging.  An unused
 * piece may come out of a merge but is no token: it is taken apart again along
 * the tree of its merges.  That tree needs no nodes: every symbol remembers the
 * number of the merge that absorbed it, and the last merge inside a range is
 * the range's root. */
#include <stdio.h>
#include <string.h>

#include "engine/vocab_kind.h"
#include "harness/base/mem.h"

struct spm {
    int32_t byte_id[256];
};

/* --- shared with the unigram model ---------------------------------------- */

void vocab_byte_ids(const struct vocab *v, int32_t ids[256])
{
    for (unsigned c = 0; c < 256; c++) {
        char name[8];

        snprintf(name, sizeof name, "<0x%02X>", c);
        ids[c] = vocab_find(v, str_of(name));
        if (ids[c] >= 0 && vocab_type(v, ids[c]) != TOKEN_BYTE)
            ids[c] = -1;
    }
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* "<0xHH>", -1 if it is none. */
static int byte_of(struct str s)
{
    int high, low;

    if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>')
        return -1;
    high = hex(s.p[3]);
    low = hex(s.p[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t vocab_spm_bytes(const struct vocab *v, int32_t id, char *out, size_t cap)
{
    struct str s = vocab_text(v, id);
    int byte = vocab_type(v, id) == TOKEN_BYTE ? byte_of(s) : -1;
    size_t n = 0;

    if (byte >= 0) {
        if (cap > 0)
            out[0] = (char)byte;
        return 1;
    }
    for (size_t at = 0; at < s.n; n++) {
        bool space = str_starts(str_sub(s, at, s.n), STR(VOCAB_SPACE));

        if (n < cap)
            out[n] = space ? ' ' : s.p[at];
        at += space ? 3 : 1;
    }
    return n;
}

static void put_marked(struct buf *out, struct str s)
{
    for (size_t at = 0; at < s.n;) {
        const char *space = memchr(s.p + at, ' ', s.n - at);
        size_t to = space ? (size_t)(space - s.p) : s.n;

        buf_add(out, s.p + at, to - at);
        if (space)
            buf_str(out, VOCAB_SPACE);
        at = to + 1;
    }
}

enum err_code vocab_spm_text(struct encoder *x, struct str piece, struct err *e)
{
    buf_clear(&x->text);
    if (x->v->add_space_prefix)
        buf_str(&x->text, VOCAB_SPACE);
    if (x->v->codes_blanks)
        vocab_code_blanks(x, piece);
    else
        put_marked(&x->text, piece);
    return buf_check(&x->text, "tokenizer's text", e);
}

void vocab_fallback(struct encoder *x, const int32_t byte_id[256], struct str s)
{
    bool all = true;

    for (size_t i = 0; i < s.n; i++)
        all &= byte_id[(unsigned char)s.p[i]] >= 0;
    for (size_t i = 0; i < s.n && all; i++)
        ids_add(x->out, byte_id[(unsigned char)s.p[i]]);
    if (!all && x->v->unk >= 0)
        ids_add(x->out, x->v->unk);
}

/* --- this model ----------------------------------------------------------- */

static void close_spm(struct vocab *v)
{
    mem_free(v->model);
    v->model = NULL;
}

static enum err_code open_spm(struct vocab *v, const struct gguf *g,
                              struct str pre, struct err *e)
{
    struct spm *m = v->model = mem_zalloc(sizeof *m);

    (void)g;
    if (!m)
        return err_set(e, ERR_NOMEM, "tokenizer: out of memory");
    snprintf(v->name, sizeof v->name, "%s/%.*s", v->kind->name,
             pre.n == 0   ? 7
             : pre.n < 40 ? (int)pre.n
                          : 40,
             pre.n == 0 ? "default" : pre.p);
    vocab_byte_ids(v, m->byte_id);
    return ERR_OK;
}

/* A float's order as an unsigned number, the greatest first. */
static uint32_t best_first(float score)
{
    uint32_t u;

    memcpy(&u, &score, sizeof u);
    return u & 0x80000000u ? u : ~u & 0x7fffffffu;
}

static bool pair(const void *arg, const struct merge_sym *l,
                 const struct merge_sym *r, uint32_t *prio, int32_t *id)
{
    const struct encoder *x = arg;
    enum token_type t;

    *id = vocab_find(x->v, (struct str){ x->text.p + l->at, l->len + r->len });
    if (*id < 0)
        return false;
    t = vocab_type(x->v, *id);
    *prio = best_first(gguf_f32_at(x->v->scores, (uint64_t)*id));
    return t == TOKEN_NORMAL || t == TOKEN_USER || t == TOKEN_UNUSED;
}

/* Symbol of the last merge inside the range of symbols [from, to). */
static size_t root_of(const struct merger *m, size_t from, size_t to)
{
    size_t root = from + 1;

    for (size_t i = root; i < to; i++)
        if (m->sym[i].when > m->sym[root].when)
            root = i;
    return root;
}

static struct str range_text(const struct encoder *x, size_t from, size_t to)
{
    size_t end = to < x->m.n_sym ? x->m.sym[to].at : x->text.n;

    return str_sub(buf_view(&x->text), x->m.sym[from].at, end);
}

static bool emits(const struct vocab *v, int32_t id)
{
    return id >= 0 && (vocab_type(v, id) == TOKEN_NORMAL ||
                       vocab_type(v, id) == TOKEN_USER);
}

struct range {
    size_t from, to; /* symbols */
};

/* Emits one final symbol.  `left` is a stack of what is still to be emitted of
 * it, right parts below left ones. */
static void emit(struct encoder *x, struct range whole)
{
    const struct spm *spm = x->v->model;
    struct range *left = NULL;
    size_t n = 0, cap = 0;

    for (struct range r = whole;; r = left[--n]) {
        struct str s = range_text(x, r.from, r.to);
        int32_t id = vocab_find(x->v, s);
        size_t cut;

        if (emits(x->v, id)) {
            ids_add(x->out, id);
        } else if (r.to - r.from == 1) {
            vocab_fallback(x, spm->byte_id, s);
        } else if (mem_grow(&left, &cap, n + 2, sizeof *left)) {
            cut = root_of(&x->m, r.from, r.to);
            left[n++] = (struct range){ cut, r.to };
            left[n++] = (struct range){ r.from, cut };
        } else {
            x->m.failed = true;
        }
        if (n == 0 || x->m.failed)
            break;
    }
    mem_free(left);
}

static enum err_code encode(struct encoder *x, struct str piece, struct err *e)
{
    struct merger *m = &x->m;
    enum err_code rc = vocab_spm_text(x, piece, e);
    struct str s = buf_view(&x->text);

    if (rc)
        return rc;
    merger_clear(m);
    for (size_t at = 0, len; at < s.n; at += len) {
        text_rune(s, at, &len);
        merger_add(m, (uint32_t)at, (uint32_t)len, -1);
    }
    merger_run(m, pair, x);
    for (int32_t i = 0; i >= 0 && !m->failed; i = m->sym[i].next)
        emit(x, (struct range){ (size_t)i, m->sym[i].next >= 0
                                               ? (size_t)m->sym[i].next
                                               : m->n_sym });
    return ERR_OK;
}

const struct vocab_kind vocab_llama = {
    .name = "llama",
    .add_bos = true,
    .add_space_prefix = true,
    .scores = true,
    .bos = 1,
    .eos = 2,
    .unk = 0,
    .open = open_spm,
    .close = close_spm,
    .encode = encode,
    .bytes = vocab_spm_bytes,
};
