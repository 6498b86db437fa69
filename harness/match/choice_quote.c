/* Option text quoted instead of its letter: 首都是北京, where B is 北京.
 *
 * The whole answer is an option's text; or 答案是 and the like stand before one;
 * or a short answer has one option's text, not denied, and no other's. */
#include "harness/match/choice.h"

#include <string.h>

enum {
    QUOTE_FLAGS = CHOICE_FLAGS | TEXT_CASE | TEXT_PUNCT | TEXT_NOSPACE,
    ONCE_MOST = 900 /* bytes; a longer answer may discuss one option alone */
};

struct quote {
    const struct choice_look *l;
    struct match_text t; /* folded so that spaces and marks do not count */
    struct str *texts;   /* of the choices, folded alike */
    struct choice_pick *p;
};

/* White space is gone in this folding. */
static const char *const leads[] = {
    "答案是",   "答案为",  "答案应该是", "答案应为", "答案:",
    "选择:",    "应该是",  "应选择",     "选择",     "选项是",
    "answeris", "answer:", "应为",       "正确的是", "选",
};

static struct str strip_end(struct str s)
{
    size_t len, at;

    while (s.n) {
        for (at = s.n - 1; at && ((unsigned char)s.p[at] & 0xC0) == 0x80; at--)
            ;
        if (!text_is_punct(text_rune(s, at, &len)))
            break;
        s.n = at;
    }
    return s;
}

static struct str strip_start(struct str s)
{
    size_t len;

    while (s.n && text_is_punct(text_rune(s, 0, &len)))
        s = str_sub(s, len, s.n);
    return s;
}

/* The choice whose text begins s, the longest one; n_choices if none. */
static size_t choice_at(const struct choice_look *l, const struct str *texts,
                        struct str s)
{
    size_t best = l->in->n_choices;

    for (size_t i = 0; i < l->in->n_choices; i++)
        if (texts[i].n && str_starts(s, texts[i]) &&
            (best == l->in->n_choices || texts[i].n > texts[best].n))
            best = i;
    return best;
}

static void quote_found(struct quote *q, size_t choice, size_t at,
                        const char *rule)
{
    struct match_out span;

    match_set_span(&span, &q->t, at, at + q->texts[choice].n);
    *q->p = (struct choice_pick){
        .set = choice_key_bit(q->l->keys, q->l->in->choices[choice].key),
        .rule = rule,
        .weak = true,
        .quoted = true,
        .span_at = span.span_at,
        .span_len = span.span_len
    };
}

/* The whole answer is an option's text. */
static bool quoted_whole(struct quote *q)
{
    struct str s = strip_end(strip_start(buf_view(&q->t.text)));

    for (size_t i = 0; i < q->l->in->n_choices; i++)
        if (q->texts[i].n && str_eq(s, q->texts[i])) {
            quote_found(q, i, (size_t)(s.p - q->t.text.p), "option-text");
            return true;
        }
    return false;
}

/* B选项是…, 选项B是… describe an option and state none. */
static bool describes(struct str s, size_t at)
{
    return at && match_is_latin(s.p[at - 1]);
}

/* 答案是 or the like, directly followed by an option's text: the last one. */
static bool quoted_stated(struct quote *q)
{
    struct str s = buf_view(&q->t.text), rest;
    size_t best = q->l->in->n_choices, best_at = 0;

    for (size_t k = 0; k < sizeof(leads) / sizeof(*leads); k++) {
        struct str lead = str_of(leads[k]);
        size_t at = 0;

        while ((at = str_find(s, lead, at)) != (size_t)-1) {
            bool other = describes(s, at);
            size_t c;

            at += lead.n;
            rest = strip_start(str_sub(s, at, s.n));
            c = choice_at(q->l, q->texts, rest);
            if (!other && c < q->l->in->n_choices &&
                (size_t)(rest.p - s.p) >= best_at) {
                best = c;
                best_at = (size_t)(rest.p - s.p);
            }
        }
    }
    if (best == q->l->in->n_choices)
        return false;
    quote_found(q, best, best_at, "option-text-stated");
    return true;
}

/* Where text i occurs and is not a part of a longer choice there. */
static size_t occurs(const struct quote *q, size_t i)
{
    struct str s = buf_view(&q->t.text);
    size_t at = 0;

    while ((at = str_find(s, q->texts[i], at)) != (size_t)-1) {
        bool part = false;

        for (size_t k = 0; k < q->l->in->n_choices && !part; k++) {
            size_t in = q->texts[k].n > q->texts[i].n
                            ? str_find(q->texts[k], q->texts[i], 0)
                            : (size_t)-1;

            part = in != (size_t)-1 && in <= at &&
                   str_starts(str_sub(s, at - in, s.n), q->texts[k]);
        }
        if (!part)
            return at;
        at += q->texts[i].n;
    }
    return (size_t)-1;
}

/* Where text i occurs without being denied there, (size_t)-1 if nowhere. */
static enum err_code affirmed(const struct quote *q, size_t i, size_t *at,
                              struct err *e)
{
    enum err_code rc;
    bool denied;

    *at = text_count(q->texts[i]) < 2 ? (size_t)-1 : occurs(q, i);
    if (*at == (size_t)-1)
        return ERR_OK;
    rc = choice_denied(buf_view(&q->t.text), *at, *at + q->texts[i].n, false,
                       &denied, e);
    if (!rc && denied)
        *at = (size_t)-1;
    return rc;
}

/* One option's text, and no other's, occurs in the answer. */
static enum err_code quoted_once(struct quote *q, struct err *e)
{
    size_t hits = 0, hit = 0, hit_at = 0, at;
    enum err_code rc = ERR_OK;

    if (q->t.text.n > ONCE_MOST)
        return ERR_OK;
    for (size_t i = 0; i < q->l->in->n_choices && !rc; i++) {
        rc = affirmed(q, i, &at, e);
        if (rc || at == (size_t)-1)
            continue;
        hits++;
        hit = i;
        hit_at = at;
    }
    if (!rc && hits == 1)
        quote_found(q, hit, hit_at, "option-text-once");
    return rc;
}

enum err_code choice_run_quoted(const struct choice_look *l, struct arena *a,
                                struct choice_pick *p, struct err *e)
{
    struct quote q = { .l = l, .p = p };
    enum err_code rc = ERR_OK;

    *p = (struct choice_pick){ .set = 0 };
    q.texts = arena_array(a, l->in->n_choices, sizeof(*q.texts));
    if (!q.texts)
        return match_no_memory(e);
    rc =
        match_text_open(&q.t, l->in->response, QUOTE_FLAGS, CHOICE_LOOKS_AT, e);
    for (size_t i = 0; i < l->in->n_choices && !rc; i++) {
        rc = match_fold(l->in->choices[i].text, QUOTE_FLAGS, a, &q.texts[i], e);
        q.texts[i] = strip_end(q.texts[i]);
    }
    if (!rc && !quoted_whole(&q) && !quoted_stated(&q))
        rc = quoted_once(&q, e);
    match_text_close(&q.t);
    return rc;
}
