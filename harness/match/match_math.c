/* A mathematical answer, plain or LaTeX, compared by what it means.
 *
 * Which part of a response: one that is stated as the answer (\boxed{}, ####,
 * 【答案】, 答案是) comes before what the last 所以 says, and that before the
 * last mathematics of the text; of several statements of a form the last
 * counts. Of a statement the first stretch that is more than names is read, as
 * a whole or not at all; the rule's name says which it was and why it failed.
 *
 * math_find.c: which part; math_lex.c, math_parse.c: trees; math_same.c, math_value.c: equality. */
#include <stdio.h>
#include <string.h>

#include "harness/match/math_find.h"

enum { LOOKS_AT = 1 << 16, EXPECTED_MOST = 1000 };

/* ---- the text ---- */

/* Full width to half, byte by byte with its way back; ！ and ？ stay what ends
 * a sentence, and ² stays raised, which is why this is not text_fold(). */
static int32_t narrow(int32_t rune)
{
    if (rune > 0xFF01 && rune <= 0xFF5E && rune != 0xFF1F)
        return rune - 0xFEE0;
    return rune == 0x3000 ? ' ' : rune;
}

static void fold_width(struct str s, struct buf *out, struct buf *map)
{
    for (size_t i = 0, len; i < s.n; i += len) {
        uint32_t from = (uint32_t)i;
        int32_t rune = text_rune(s, i, &len), half = narrow(rune);

        if (half == rune)
            buf_add(out, s.p + i, len);
        else
            buf_char(out, (char)half);
        while (map && map->n < out->n * sizeof(from) && !map->failed)
            buf_add(map, &from, sizeof(from));
    }
}

static enum err_code text_open(struct match_text *t, struct str response,
                               struct err *e)
{
    enum err_code rc;
    size_t from;

    *t = (struct match_text){ .response = response };
    t->part = match_answer_part(response);
    from = t->part.n > LOOKS_AT ? t->part.n - LOOKS_AT : 0;
    while (from && from < t->part.n &&
           ((unsigned char)t->part.p[from] & 0xC0) == 0x80)
        from++;
    t->part = str_sub(t->part, from, t->part.n);
    buf_init(&t->text, SIZE_MAX / 2);
    buf_init(&t->map, SIZE_MAX / 2);
    fold_width(t->part, &t->text, &t->map);
    rc = buf_check(&t->text, "matcher", e);
    return rc ? rc : buf_check(&t->map, "matcher", e);
}

/* ---- expected answers ---- */

/* As much of it as a message can hold. */
static struct str shown(const char *text)
{
    struct str s = str_sub(str_of(text), 0, 60);

    return str_sub(s, 0, text_whole(s));
}

static enum err_code read_expected(const struct json *j, struct arena *a,
                                   const struct math **out, struct err *e)
{
    char number[40];
    const char *text = json_string(j);
    struct math_tokens t;
    struct math_parse p;
    struct math_run x = { .to = 0 };
    struct buf b;
    enum err_code rc;
    size_t on;

    if (j && json_type(j) == JSON_NUMBER) {
        (void)snprintf(number, sizeof(number), "%.15g", json_number(j));
        text = number;
    }
    if (!text || strlen(text) > EXPECTED_MOST)
        return err_set(e, ERR_FORMAT,
                       "answer: expected a number or mathematics of at most "
                       "%d bytes",
                       EXPECTED_MOST);
    buf_init(&b, SIZE_MAX / 2);
    fold_width(str_of(text), &b, NULL);
    rc = buf_check(&b, "matcher", e);
    if (!rc) {
        char *copy = arena_dup(a, b.p, b.n);

        math_lex((struct str){ copy, copy ? b.n : 0 }, a, &t);
    }
    buf_free(&b);
    if (rc)
        return rc;
    if (!t.token || a->failed)
        return match_no_memory(e);
    if (!math_next_run(&t, 0, &x, &on) || t.token[0].kind == TOKEN_TEXT)
        return err_set(e, ERR_FORMAT, "answer: no mathematics in \"%.*s\"",
                       STR_FMT(shown(text)));
    rc = math_parse(&t, x.from, x.to, a, &p, e);
    if (rc)
        return rc;
    *out = p.tree;
    if (!p.tree || t.why)
        return err_set(e, ERR_FORMAT, "answer: \"%.*s\": at byte %zu: %s",
                       STR_FMT(shown(text)), p.at, t.why ? t.why : p.why);
    return ERR_OK;
}

/* The first accepted answer and the next; j is the item's answer. */
static const struct json *first_of(const struct json *j)
{
    return j && json_type(j) == JSON_ARRAY ? json_child(j) : j;
}

static const struct json *next_of(const struct json *answer,
                                  const struct json *j)
{
    return json_type(answer) == JSON_ARRAY ? json_next(j) : NULL;
}

/* ---- the verdict ---- */

/* What was found as one tree. */
static const struct math *whole(struct arena *a, const struct math_found *f)
{
    struct math *m;

    if (f->n == 1)
        return f->tree[0];
    m = math_node(a, MATH_LIST, f->n);
    if (!m)
        return NULL;
    m->sub = TOKEN_COMMA;
    memcpy(m->arg, f->tree, f->n * sizeof(void *));
    return m;
}

/* Against one accepted answer, with steps and memory of its own. */
static enum err_code equals(const struct match_in *in, const struct math *want,
                            const struct math *got, struct arena *a,
                            enum math_equal *equal, struct err *e)
{
    struct math_work work;
    struct math_same c = { .work = &work, .arena = a };
    enum err_code rc =
        json_get_num_or(in->options, "tolerance", 0, &c.tolerance, e);

    if (!rc)
        rc = json_get_num_or(in->options, "relative", 0, &c.relative, e);
    if (!rc)
        rc = math_work_open(&work, e);
    if (rc)
        return rc;
    *equal = math_same(&c, want, got);
    if (work.failed || a->failed)
        rc = match_no_memory(e);
    math_work_close(&work);
    return rc;
}

static enum err_code compare(const struct match_in *in,
                             const struct math_reader *r,
                             const struct math_found *f, enum math_equal *best,
                             struct err *e)
{
    const struct math *got = whole(r->a, f), *want = NULL;
    enum math_equal equal = MATH_OTHER;
    enum err_code rc = ERR_OK;

    *best = MATH_OTHER;
    if (!got)
        return match_no_memory(e);
    for (const struct json *j = first_of(in->expected);
         j && !rc && *best != MATH_SAME; j = next_of(in->expected, j)) {
        rc = read_expected(j, r->a, &want, e);
        if (!rc)
            rc = equals(in, want, got, r->a, &equal, e);
        if (equal != MATH_OTHER)
            *best = equal;
    }
    return rc;
}

static enum err_code unparsable(struct match_out *out, struct arena *a,
                                const char *rule, const char *why,
                                struct err *e)
{
    out->verdict = VERDICT_UNPARSABLE;
    out->rule = arena_printf(a, "%s: %s", rule, why);
    return out->rule ? ERR_OK : match_no_memory(e);
}

static enum err_code reader_open(struct math_reader *r,
                                 const struct match_in *in,
                                 const struct match_text *t, struct arena *a,
                                 struct err *e)
{
    const struct math *want = NULL;
    enum err_code rc = read_expected(first_of(in->expected), a, &want, e);

    *r = (struct math_reader){ .s = buf_view(&t->text), .a = a };
    if (rc)
        return rc;
    r->want = math_items(want);
    r->names = math_has(want, MATH_NAME);
    return ERR_OK;
}

static enum err_code judge(const struct match_in *in, struct match_text *t,
                           struct arena *a, struct match_out *out,
                           struct err *e)
{
    enum math_equal equal = MATH_OTHER;
    struct math_reader r;
    struct math_found f;
    enum err_code rc = reader_open(&r, in, t, a, e);

    if (rc)
        return rc;
    rc = math_find(&r, &f, e);
    if (rc)
        return rc;
    if (!math_is_read(&f) || (!strcmp(f.rule, "last") &&
                              match_is_refusal(in->response, NULL, NULL))) {
        match_no_answer(in, out);
        return ERR_OK;
    }
    match_set_span(out, t, f.at, f.end);
    rc = match_extract_span(out, in, a, e);
    if (rc)
        return rc;
    if (!f.n)
        return unparsable(out, a, f.rule, f.why, e);
    rc = compare(in, &r, &f, &equal, e);
    if (!rc && equal == MATH_UNKNOWN)
        return unparsable(out, a, f.rule, "cannot be compared", e);
    out->rule = f.rule;
    out->verdict = equal == MATH_SAME ? VERDICT_CORRECT : VERDICT_WRONG;
    out->score = equal == MATH_SAME ? 1 : 0;
    return rc;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct match_text t;
    enum err_code rc;

    match_begin(out);
    rc = text_open(&t, in->response, e);
    if (!rc)
        rc = judge(in, &t, a, out, e);
    match_text_close(&t);
    return rc;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "tolerance", "relative",
                                         NULL };
    const struct json *j = first_of(in->expected);
    enum err_code rc = json_only(in->options, known, e);
    double tolerance = 0, relative = 0;
    const struct math *tree;
    struct arena a;

    if (!rc)
        rc = json_get_num_or(in->options, "tolerance", 0, &tolerance, e);
    if (!rc)
        rc = json_get_num_or(in->options, "relative", 0, &relative, e);
    if (!rc && (tolerance < 0 || relative < 0))
        rc = err_set(e, ERR_FORMAT, "tolerance: expected 0 or more");
    arena_init(&a, 0);
    if (!rc && !j)
        rc = err_set(e, ERR_FORMAT, "answer: expected mathematics");
    for (; j && !rc; j = next_of(in->expected, j))
        rc = read_expected(j, &a, &tree, e);
    arena_free(&a);
    return rc;
}

/* ---- what each rule reads ---- */

struct candidates {
    const struct match_in *in;
    const struct match_text *t;
    const struct math_reader *r;
    struct match_candidates *out;
    struct math_found
        first; /* what run() takes: what is the same has its text */
    const char *text;
};

static const char *text_of(const struct candidates *c,
                           const struct math_found *f)
{
    struct match_out span;

    match_set_span(&span, c->t, f->at, f->end);
    return arena_dup(c->r->a, c->in->response.p + span.span_at, span.span_len);
}

static enum err_code same(const struct candidates *c,
                          const struct math_found *f, bool *yes, struct err *e)
{
    static const struct match_in plain = { .options = NULL };
    enum math_equal equal = MATH_OTHER;
    const struct math *x, *y;

    *yes = f->at == c->first.at && f->end == c->first.end;
    if (*yes || !f->n || !c->first.n)
        return ERR_OK;
    x = whole(c->r->a, &c->first);
    y = whole(c->r->a, f);
    if (!x || !y)
        return match_no_memory(e);
    if (equals(&plain, x, y, c->r->a, &equal, e))
        return e->code;
    *yes = equal == MATH_SAME;
    return ERR_OK;
}

static enum err_code add(struct candidates *c, const char *rule,
                         const struct math_found *f, struct err *e)
{
    enum math_equal equal = MATH_UNKNOWN;
    struct match_candidate one = { .rule = rule };
    bool yes;

    if (!c->text) {
        c->first = *f;
        c->text = text_of(c, f);
    }
    if (same(c, f, &yes, e) || (f->n && compare(c->in, c->r, f, &equal, e)))
        return e->code;
    one.extracted = yes ? c->text : text_of(c, f);
    one.verdict = equal == MATH_SAME    ? VERDICT_CORRECT
                  : equal == MATH_OTHER ? VERDICT_WRONG
                                        : VERDICT_UNPARSABLE;
    return match_candidate_add(c->out, c->r->a, one, e);
}

/* What the rule said before, where that is not what it says last: of two boxes
 * the last one counts, but it may be the slip. */
static enum err_code add_earlier(struct candidates *c, size_t rule,
                                 const struct match_hits *h, size_t k,
                                 struct err *e)
{
    const char *name =
        arena_printf(c->r->a, "%s, earlier", math_rule_name(rule));
    struct math_found f = { .n = 0 };
    bool yes;

    if (!name)
        return match_no_memory(e);
    for (; k < h->n; k++) {
        if (math_read_hit(c->r, rule, h, k, &f, e))
            return e->code;
        if (!f.n)
            continue;
        if (same(c, &f, &yes, e))
            return e->code;
        if (!yes)
            return add(c, name, &f, e);
    }
    return ERR_OK;
}

/* What cannot be read is told only of the rule that decides. */
static enum err_code add_found(struct candidates *c, const struct math_found *f,
                               struct err *e)
{
    return f->n || (f->why && !c->text) ? add(c, f->rule, f, e) : ERR_OK;
}

static enum err_code add_rule(struct candidates *c, size_t rule, struct err *e)
{
    bool decides = !c->text;
    struct match_hits h;
    struct math_found f;
    size_t k;

    if (math_hits(c->r, rule, &h, e) ||
        math_find_by(c->r, rule, &h, &k, &f, e) || add_found(c, &f, e))
        return e->code;
    return decides && f.n && c->r->want == 1 && math_states_once(rule)
               ? add_earlier(c, rule, &h, k, e)
               : ERR_OK;
}

/* In the order of math_find(), whose answer is the first. */
static enum err_code add_all(struct candidates *c, struct err *e)
{
    struct math_found f;
    size_t n;
    enum err_code rc = math_rules_open(&n, e);

    for (size_t i = 0; !rc && i < n; i++)
        rc = add_rule(c, i, e);
    if (!rc)
        rc = math_find_last(c->r, &f, e);
    return rc ? rc : add_found(c, &f, e);
}

static enum err_code candidates(const struct match_in *in, struct arena *a,
                                struct match_candidates *out, struct err *e)
{
    struct match_text t;
    struct math_reader r;
    struct candidates c = { .in = in, .t = &t, .r = &r, .out = out };
    enum err_code rc = text_open(&t, in->response, e);

    if (!rc)
        rc = reader_open(&r, in, &t, a, e);
    if (!rc)
        rc = add_all(&c, e);
    match_text_close(&t);
    return rc;
}

const struct match_kind match_math = {
    .name = "math",
    .version = 1,
    .doc = "mathematics, plain or LaTeX, by what it means",
    .help =
        "answer: \"\\\\frac{\\\\sqrt{3}}{2}\", \"2√3\", \"x=1 或 x=2\", \"(1,2]\",\n"
        "  \"{1,2}\", \"y=2x+1\", \"12cm^2\"; a list accepts any one of them.\n"
        "  Equal is what has the same value: fractions exactly, all else to\n"
        "  50 digits, at several points if it holds names.  x=3 says 3, ±2 says\n"
        "  2 and -2 in any order, 1<x<2 says (1,2).\n"
        "tolerance: 0.01 - largest difference that still counts as equal;\n"
        "relative: 0.01 - the same as a part of the value.  Default: none.\n"
        "Reads what is stated as the answer (\\boxed{}, ####, 答案是, 【】),\n"
        "else what the last 所以 says, else the last mathematics of the text.",
    .check = check,
    .run = run,
    .rule = math_rule_name,
    .candidates = candidates,
};
