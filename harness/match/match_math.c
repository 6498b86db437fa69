/* A mathematical answer, plain or LaTeX, compared by what it means.
 *
 * Which part of a response: one that is stated as the answer (\boxed{}, ####,
 * 【答案】, 答案是) comes before what the last 所以 says, and that before the
 * last mathematics of the text; of several statements of a form the last
 * counts. Of a statement the first stretch that is more than names is read, as
 * a whole or not at all; the rule's name says which it was and why it failed.
 *
 * math_lex.c, math_parse.c: trees; math_same.c, math_value.c: equality. */
#include <stdio.h>
#include <string.h>

#include "harness/match/match_parts.h"
#include "harness/match/math.h"

enum {
    LOOKS_AT = 1 << 16,
    STATEMENT_MOST = 2000,
    STATEMENTS_MOST = 32,
    EXPECTED_MOST = 1000,
    TREES_MOST = 16
};

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

/* ---- statements ---- */

enum { TIER_BOX, TIER_FIRST, TIER_LAST };

static const struct match_rule rules[] = {
    { "boxed", "\\\\(?:boxed|fbox)\\s*\\{()", 0, TIER_BOX },
    { "hashes", "####()", 0, TIER_FIRST },
    { "answer-mark",
      "[\\[【〖](?:最终|正确|参考|标准)?(?:答案|结果)[\\]】〗]\\s*:?()", 0,
      TIER_FIRST },
    { "answer", "答案[^。!?！？;\\n不非没未0-9$\\\\]{0,14}?(?:是|为|:|=)()", 0,
      TIER_FIRST },
    { "conclusion", "(?:^|\\n)[\\s*#]*(?:答|解答|结论|结果)[*\\s]*:()", 0,
      TIER_FIRST },
    { "result", "结果[^。,，!?！？;\\n不非没未0-9$\\\\]{0,8}?(?:是|为|:|=)()",
      0, TIER_FIRST },
    { "answer-en",
      "\\b(?:answer|result)\\b[*_\"']*(?:(?!\\bnot\\b|n['’]t)[^.\\n?!:0-9$\\\\])"
      "{0,30}?(?:\\bis\\b|:|=)()",
      PATTERN_CASELESS, TIER_FIRST },
    { "brackets", "【()[^】\\n]*[0-9a-z\\\\π√∞][^】\\n]*】", 0, TIER_FIRST },
    { "therefore",
      "(?:故|所以|因此|因而|综上|于是|∴|从而|\\\\therefore|\\bTherefore|\\bThus|"
      "\\bSo\\b|\\bHence)(?![,，]?\\s*(?:本题)?(?:答案?)?应?选)()",
      0, TIER_LAST },
};
static struct match_rules statements = MATCH_RULES(rules);

/* The last statements of a rule, the newest first. */
struct hits {
    size_t at[STATEMENTS_MOST], n;
};

static enum err_code find_hits(struct str s, size_t rule, struct hits *h,
                               struct err *e)
{
    size_t from = 0, n = 0, ring[STATEMENTS_MOST];
    struct pattern_hit hit;
    enum err_code rc;
    bool found;

    h->n = 0;
    for (;;) {
        rc = match_rules_find(&statements, rule, s, from, &hit, &found, e);
        if (rc || !found)
            break;
        ring[n++ % STATEMENTS_MOST] = hit.g[1].at;
        from = hit.g[1].at > from ? hit.g[1].at : from + 1;
    }
    while (h->n < n && h->n < STATEMENTS_MOST) {
        h->at[h->n] = ring[(n - 1 - h->n) % STATEMENTS_MOST];
        h->n++;
    }
    return rc;
}

/* To the brace that closes the box. */
static struct str box_at(struct str s, size_t from)
{
    size_t depth = 1, to;

    for (to = from; to < s.n && to - from < STATEMENT_MOST; to++) {
        if (s.p[to] == '\\' && to + 1 < s.n) {
            to++;
        } else if (s.p[to] == '{') {
            depth++;
        } else if (s.p[to] == '}' && !--depth) {
            return str_sub(s, from, to);
        }
    }
    return str_sub(s, from, to < s.n ? to : s.n);
}

/* To the end of the line or sentence; of the next line if nothing stands on
 * this one. A line's end inside of an environment is none. */
static struct str sentence_at(struct str s, size_t from)
{
    int inside = 0;
    size_t to;

    while (from < s.n && strchr(" \t\r*_`:\n\"", s.p[from]))
        from++;
    while (match_starts_at(s, from, "$$") || match_starts_at(s, from, "\\["))
        for (from += 2; from < s.n && strchr(" \t\r\n", s.p[from]);)
            from++;
    for (to = from; to < s.n && to - from < STATEMENT_MOST; to++) {
        if (match_starts_at(s, to, "\\begin"))
            inside++;
        else if (match_starts_at(s, to, "\\end"))
            inside--;
        if ((s.p[to] == '\n' && inside <= 0) || match_starts_at(s, to, "。") ||
            match_starts_at(s, to, "！") || match_starts_at(s, to, "【"))
            break;
    }
    return str_sub(s, from, to);
}

/* ---- stretches of mathematics ---- */

struct run {
    size_t from, to; /* tokens */
    bool more;       /* than names */
};

static bool is_separator(const struct math_token *k)
{
    return k->kind == TOKEN_COMMA || k->kind == TOKEN_OR ||
           k->kind == TOKEN_AND;
}

/* What may not begin or end an answer is no part of it: = 3, 12, 5( */
static bool is_loose(const struct math_token *k, bool ends)
{
    if (is_separator(k) || k->kind == TOKEN_TIMES)
        return true;
    if (k->kind == TOKEN_RELATION)
        return ends || k->sub <= RELATION_ABOUT;
    return k->kind == (ends ? TOKEN_OPEN : TOKEN_CLOSE) ||
           (ends && k->kind == TOKEN_ROW);
}

static void trim(const struct math_tokens *t, struct run *r)
{
    while (r->from < r->to && is_loose(&t->token[r->from], false))
        r->from++;
    while (r->from < r->to && is_loose(&t->token[r->to - 1], true))
        r->to--;
}

/* The next stretch without text at or after token i; its `to` is where to go
 * on. */
static bool next_run(const struct math_tokens *t, size_t i, struct run *r,
                     size_t *on)
{
    while (i < t->n) {
        while (i < t->n && t->token[i].kind == TOKEN_TEXT)
            i++;
        *r = (struct run){ .from = i };
        while (i < t->n && t->token[i].kind != TOKEN_TEXT)
            i++;
        r->to = i;
        *on = i;
        trim(t, r);
        for (size_t k = r->from; k < r->to; k++)
            r->more |= t->token[k].kind != TOKEN_NAME &&
                       t->token[k].kind != TOKEN_OPEN &&
                       t->token[k].kind != TOKEN_CLOSE;
        if (r->to > r->from)
            return true;
    }
    return false;
}

/* What was read as the answer. */
struct found {
    const char *rule, *why;
    const struct math *tree[TREES_MOST];
    size_t n;
    size_t at, end; /* in the folded text */
};

struct reader {
    struct str s; /* the folded response */
    struct arena *a;
    size_t want; /* items of the expected answer */
    bool names;  /* it holds some: a name may be an answer */
};

static size_t items_of(const struct math *m)
{
    return m->op == MATH_LIST || m->op == MATH_SET || m->op == MATH_GROUP ? m->n
                                                                          : 1;
}

static size_t items_in(const struct found *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        n += items_of(f->tree[i]);
    return n;
}

/* 5+3=8，8×2=16 lists steps, not answers: the last one's result counts. */
static const struct math *last_result(const struct math *m)
{
    const struct math *item = m;

    if (m->op == MATH_LIST && m->sub == TOKEN_COMMA)
        item = m->arg[m->n - 1];
    if (item->op != MATH_RELATION || item->sub > RELATION_ABOUT ||
        math_has(item->arg[0], MATH_NAME))
        return m;
    return item;
}

/* Reads one run.  *f says what it was, or why not. */
static enum err_code read_run(const struct reader *r,
                              const struct math_tokens *t, const struct run *x,
                              struct found *f, struct err *e)
{
    size_t base = (size_t)(t->s.p - r->s.p);
    struct math_parse p;
    enum err_code rc = math_parse(t, x->from, x->to, r->a, &p, e);

    if (rc)
        return rc;
    if (!f->n) {
        f->at = base + t->token[x->from].at;
        f->why = p.tree ? NULL : p.why;
    }
    if (p.tree || !f->n)
        f->end = base + t->token[x->to - 1].end;
    if (p.tree)
        f->tree[f->n++] = r->want > 1 ? p.tree : last_result(p.tree);
    return ERR_OK;
}

/* The answer of a statement: its first run that is more than names, or its
 * last; more runs while it lists fewer things than are asked for. */
static enum err_code read_statement(const struct reader *r, struct str s,
                                    bool last, struct found *f, struct err *e)
{
    struct run x, first = { .to = 0 }, best = { .to = 0 };
    size_t i = 0, on = 0;
    struct math_tokens t;
    enum err_code rc = ERR_OK;

    f->n = 0;
    f->why = NULL;
    math_lex(s, r->a, &t);
    if (!t.token)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
    for (; next_run(&t, i, &x, &on); i = on) {
        if (!first.to)
            first = x;
        if (x.more && (last || !best.to))
            best = x;
    }
    if (!best.to && r->names)
        best = first;
    if (!best.to)
        return ERR_OK;
    rc = read_run(r, &t, &best, f, e);
    if (t.why && !rc) {
        f->n = 0;
        f->why = t.why;
    }
    i = best.to;
    while (!rc && f->n && !last && f->n < TREES_MOST && items_in(f) < r->want &&
           next_run(&t, i, &x, &on)) {
        rc = x.more ? read_run(r, &t, &x, f, e) : ERR_OK;
        i = on;
    }
    return rc;
}

/* Several boxes hold one thing each when several are asked for. */
static enum err_code read_boxes(const struct reader *r, const struct hits *h,
                                struct found *f, struct err *e)
{
    size_t n = r->want, at = 0, end = 0;
    enum err_code rc = ERR_OK;
    struct found one, all = *f;

    if (n < 2 || n > TREES_MOST || h->n < n || items_in(f) != 1)
        return ERR_OK;
    all.n = 0;
    for (size_t i = n; i-- > 0 && !rc;) {
        one = (struct found){ .rule = f->rule };
        rc = read_statement(r, box_at(r->s, h->at[i]), false, &one, e);
        if (rc || one.n != 1 || items_in(&one) != 1)
            return rc;
        all.tree[all.n++] = one.tree[0];
        at = all.n == 1 ? one.at : at;
        end = one.end;
    }
    all.at = at;
    all.end = end;
    *f = all;
    return rc;
}

static bool is_read(const struct found *f)
{
    return f->n || f->why;
}

static enum err_code by_rule(const struct reader *r, size_t i, struct found *f,
                             struct err *e)
{
    int tier = rules[i].tier;
    enum err_code rc;
    struct hits h;

    f->rule = rules[i].name;
    rc = find_hits(r->s, i, &h, e);
    for (size_t k = 0; k < h.n && !rc && !is_read(f); k++)
        rc = read_statement(r,
                            tier == TIER_BOX ? box_at(r->s, h.at[k])
                                             : sentence_at(r->s, h.at[k]),
                            tier == TIER_LAST, f, e);
    if (!rc && tier == TIER_BOX && f->n)
        rc = read_boxes(r, &h, f, e);
    return rc;
}

/* The last run of the last lines. */
static enum err_code by_position(const struct reader *r, struct found *f,
                                 struct err *e)
{
    enum err_code rc = ERR_OK;
    size_t to = r->s.n;

    f->rule = "last";
    for (unsigned lines = 0; to && lines < 8 && !rc && !is_read(f); lines++) {
        size_t from = to;

        while (from && r->s.p[from - 1] != '\n' && to - from < STATEMENT_MOST)
            from--;
        rc = read_statement(r, str_sub(r->s, from, to), true, f, e);
        to = from && r->s.p[from - 1] == '\n' ? from - 1 : from;
    }
    return rc;
}

static enum err_code find_answer(const struct reader *r, struct found *f,
                                 struct err *e)
{
    enum err_code rc = match_rules_open(&statements, e);

    *f = (struct found){ .rule = "" };
    for (size_t i = 0; i < statements.n && !rc && !is_read(f); i++)
        rc = by_rule(r, i, f, e);
    if (!rc && !is_read(f))
        rc = by_position(r, f, e);
    return rc;
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
    struct run x = { .to = 0 };
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
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
    if (!next_run(&t, 0, &x, &on) || t.token[0].kind == TOKEN_TEXT)
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
static const struct math *whole(struct arena *a, const struct found *f)
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
        rc = err_set(e, ERR_NOMEM, "matcher: out of memory");
    math_work_close(&work);
    return rc;
}

static enum err_code compare(const struct match_in *in, const struct reader *r,
                             const struct found *f, enum math_equal *best,
                             struct err *e)
{
    const struct math *got = whole(r->a, f), *want = NULL;
    enum math_equal equal = MATH_OTHER;
    enum err_code rc = ERR_OK;

    *best = MATH_OTHER;
    if (!got)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
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
    return out->rule ? ERR_OK : err_set(e, ERR_NOMEM, "matcher: out of memory");
}

static enum err_code judge(const struct match_in *in, struct match_text *t,
                           struct arena *a, struct match_out *out,
                           struct err *e)
{
    struct reader r = { .s = buf_view(&t->text), .a = a };
    enum math_equal equal = MATH_OTHER;
    const struct math *want = NULL;
    struct found f;
    enum err_code rc = read_expected(first_of(in->expected), a, &want, e);

    if (rc)
        return rc;
    r.want = items_of(want);
    r.names = math_has(want, MATH_NAME);
    rc = find_answer(&r, &f, e);
    if (rc)
        return rc;
    if (!is_read(&f) || (!strcmp(f.rule, "last") &&
                         match_is_refusal(in->response, NULL, NULL))) {
        match_no_answer(in, out);
        return ERR_OK;
    }
    match_set_span(out, t, f.at, f.end);
    out->extracted = arena_dup(a, in->response.p + out->span_at, out->span_len);
    if (!out->extracted)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
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

    *out = (struct match_out){ .verdict = VERDICT_UNPARSABLE,
                               .extracted = "",
                               .rule = "" };
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

static const char *rule(size_t i)
{
    static const char *const more[] = { "last", "refusal", NULL };

    return match_rule_name(&statements, more, i);
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
    .rule = rule,
};
