/* From text to ids: special tokens are searched for, what is between them goes
 * to the kind of tokenizer.
 *
 * Special tokens are cut out longest first over the whole text, not leftmost
 * first: for each length that occurs, one pass over the text looks up those
 * positions whose byte begins a token of that length.  A hit counts when its
 * bytes are still free; since nothing shorter was cut before, looking at its
 * first and last byte is enough. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/vocab_kind.h"
#include "harness/base/mem.h"

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "tokenizer: out of memory");
}

/* --- special tokens ------------------------------------------------------- */

static bool is_special(const struct vocab *v, int32_t id, bool control)
{
    enum token_type t = vocab_type(v, id);
    char c;

    if (v->codes_blanks && vocab_blanks_of(vocab_text(v, id), &c))
        return false; /* pieces of the model */
    return t == TOKEN_USER ||
           (control && (t == TOKEN_CONTROL || t == TOKEN_UNKNOWN));
}

static int by_len_desc(const void *a, const void *b)
{
    uint32_t x = ((const struct special_len *)a)->len;
    uint32_t y = ((const struct special_len *)b)->len;

    return (x < y) - (x > y);
}

enum err_code vocab_index_specials(struct vocab *v, struct err *e)
{
    size_t cap = 0, k;

    for (int32_t id = 0; id < v->info.n_tokens; id++) {
        struct str s = vocab_text(v, id);
        unsigned char c = (unsigned char)s.p[0];

        if (!is_special(v, id, true) || s.n == 0)
            continue;
        k = 0;
        while (k < v->n_special && v->special[k].len != s.n)
            k++;
        if (!mem_grow(&v->special, &cap, k + 1, sizeof *v->special))
            return no_memory(e);
        if (k == v->n_special)
            v->special[v->n_special++] =
                (struct special_len){ .len = (uint32_t)s.n };
        v->special[k].user |= vocab_type(v, id) == TOKEN_USER;
        v->special[k].first[c / 8] |= (unsigned char)(1 << c % 8);
    }
    if (v->n_special > 0)
        qsort(v->special, v->n_special, sizeof *v->special, by_len_desc);
    return ERR_OK;
}

struct hit {
    size_t at;
    int32_t id;
};

/* The search for special tokens in one text. */
struct search {
    const struct vocab *v;
    struct str text;
    bool control;
    unsigned char *mark; /* [text.n] MARK_ bits of each byte */
    struct hit *hit;     /* taken so far */
    size_t n, cap;
    struct hit *cand; /* those of the length at hand */
    size_t n_cand, cap_cand;
};
enum { MARK_TAKEN = 1, MARK_CONTENT = 2 };

static bool has_content(const struct search *s, size_t at, size_t len)
{
    for (size_t i = at; i < at + len; i++)
        if (s->mark[i] & MARK_CONTENT)
            return true;
    return false;
}

static bool find_len(struct search *s, const struct special_len *k)
{
    s->n_cand = 0;
    for (size_t at = 0; at + k->len <= s->text.n; at++) {
        unsigned char c = (unsigned char)s->text.p[at];
        struct str t = { s->text.p + at, k->len };
        int32_t id;

        if (!(k->first[c / 8] >> c % 8 & 1) ||
            ((s->mark[at] | s->mark[at + k->len - 1]) & MARK_TAKEN))
            continue;
        id = vocab_find(s->v, t);
        if (id < 0 || !is_special(s->v, id, s->control) ||
            (vocab_type(s->v, id) != TOKEN_USER && has_content(s, at, k->len)))
            continue;
        if (!mem_grow(&s->cand, &s->cap_cand, s->n_cand + 1, sizeof *s->cand))
            return false;
        s->cand[s->n_cand++] = (struct hit){ at, id };
    }
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int by_at(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

static bool take(struct search *s, size_t len)
{
    if (s->n_cand > 1)
        qsort(s->cand, s->n_cand, sizeof *s->cand, by_id);
    for (size_t i = 0; i < s->n_cand; i++) {
        size_t at = s->cand[i].at;

        if ((s->mark[at] | s->mark[at + len - 1]) & MARK_TAKEN)
            continue;
        if (!mem_grow(&s->hit, &s->cap, s->n + 1, sizeof *s->hit))
            return false;
        s->hit[s->n++] = s->cand[i];
        for (size_t j = at; j < at + len; j++)
            s->mark[j] |= MARK_TAKEN;
    }
    return true;
}

static enum err_code find_specials(struct search *s,
                                   const struct vocab_span *content,
                                   size_t n_content, struct err *e)
{
    const struct vocab *v = s->v;

    s->mark = mem_zalloc(s->text.n + 1);
    if (!s->mark)
        return no_memory(e);
    for (size_t i = 0; i < n_content; i++)
        memset(s->mark + content[i].from, MARK_CONTENT,
               content[i].to - content[i].from);
    for (size_t i = 0; i < v->n_special; i++)
        if ((s->control || v->special[i].user) &&
            (!find_len(s, &v->special[i]) || !take(s, v->special[i].len)))
            return no_memory(e);
    if (s->n > 1)
        qsort(s->hit, s->n, sizeof *s->hit, by_at);
    return ERR_OK;
}

/* --- to ids --------------------------------------------------------------- */

static enum err_code encode_between(struct encoder *x, struct search *s,
                                    struct err *e)
{
    size_t at = 0;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i <= s->n && !rc; i++) {
        size_t to = i < s->n ? s->hit[i].at : s->text.n;

        if (to > at)
            rc = x->v->kind->encode(x, str_sub(s->text, at, to), e);
        if (i < s->n) {
            ids_add(x->out, s->hit[i].id);
            at = to + vocab_text(x->v, s->hit[i].id).n;
        }
    }
    return rc;
}

enum err_code vocab_tokenize_mixed(const struct vocab *v, struct str text,
                                   const struct vocab_span *content,
                                   size_t n_content, unsigned flags,
                                   struct ids *out, struct err *e)
{
    struct search s = { .v = v,
                        .text = text,
                        .control = flags & MK_PARSE_SPECIAL };
    struct encoder x = { .v = v, .out = out };
    bool special = flags & MK_ADD_SPECIAL;
    enum err_code rc;

    if (text.n > INT32_MAX / 4)
        return err_set(e, ERR_LIMIT, "text of %zu bytes, expected at most %d",
                       text.n, INT32_MAX / 4);
    buf_init(&x.text, (size_t)INT32_MAX);
    if (special && v->info.add_bos && v->info.bos >= 0)
        ids_add(out, v->info.bos);
    rc = find_specials(&s, content, n_content, e);
    if (!rc)
        rc = encode_between(&x, &s, e);
    if (special && v->info.add_eos && v->info.eos >= 0)
        ids_add(out, v->info.eos);
    if (!rc && (out->failed || x.m.failed))
        rc = no_memory(e);
    mem_free(s.mark);
    mem_free(s.hit);
    mem_free(s.cand);
    merger_free(&x.m);
    buf_free(&x.text);
    return rc;
}

enum err_code vocab_tokenize(const struct vocab *v, struct str text,
                             unsigned flags, struct ids *out, struct err *e)
{
    return vocab_tokenize_mixed(v, text, NULL, 0, flags, out, e);
}
