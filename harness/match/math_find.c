/* Where the answer stands in a response: statements found by patterns, the
 * stretches of mathematics in them, read as trees. */
#include "harness/match/math_find.h"

#include <string.h>

enum { STATEMENT_MOST = 2000, STATEMENTS_MOST = 32 };

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
    { "conclusion", "(?:^|\\n)[\\s*#]{0,100}+(?:答|解答|结论|结果)[*\\s]*:()",
      0, TIER_FIRST },
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

enum err_code math_hits(const struct math_reader *r, size_t rule,
                        struct match_hits *h, struct err *e)
{
    return match_rules_last(&statements, rule, r->s, STATEMENTS_MOST, h, e);
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

static void trim(const struct math_tokens *t, struct math_run *r)
{
    while (r->from < r->to && is_loose(&t->token[r->from], false))
        r->from++;
    while (r->from < r->to && is_loose(&t->token[r->to - 1], true))
        r->to--;
}

bool math_next_run(const struct math_tokens *t, size_t i, struct math_run *r,
                   size_t *on)
{
    while (i < t->n) {
        while (i < t->n && t->token[i].kind == TOKEN_TEXT)
            i++;
        *r = (struct math_run){ .from = i };
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

size_t math_items(const struct math *m)
{
    return m->op == MATH_LIST || m->op == MATH_SET || m->op == MATH_GROUP ? m->n
                                                                          : 1;
}

static size_t items_in(const struct math_found *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        n += math_items(f->tree[i]);
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
static enum err_code read_run(const struct math_reader *r,
                              const struct math_tokens *t,
                              const struct math_run *x, struct math_found *f,
                              struct err *e)
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
static enum err_code read_statement(const struct math_reader *r, struct str s,
                                    bool last, struct math_found *f,
                                    struct err *e)
{
    struct math_run x, first = { .to = 0 }, best = { .to = 0 };
    size_t i = 0, on = 0;
    struct math_tokens t;
    enum err_code rc = ERR_OK;

    f->n = 0;
    f->why = NULL;
    math_lex(s, r->a, &t);
    if (!t.token)
        return match_no_memory(e);
    for (; math_next_run(&t, i, &x, &on); i = on) {
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
    while (!rc && f->n && !last && f->n < MATH_FOUND_MOST &&
           items_in(f) < r->want && math_next_run(&t, i, &x, &on)) {
        rc = x.more ? read_run(r, &t, &x, f, e) : ERR_OK;
        i = on;
    }
    return rc;
}

/* Several boxes hold one thing each when several are asked for. */
static enum err_code read_boxes(const struct math_reader *r,
                                const struct match_hits *h,
                                struct math_found *f, struct err *e)
{
    size_t n = r->want, at = 0, end = 0;
    enum err_code rc = ERR_OK;
    struct math_found one, all = *f;

    if (n < 2 || n > MATH_FOUND_MOST || h->n < n || items_in(f) != 1)
        return ERR_OK;
    all.n = 0;
    for (size_t i = n; i-- > 0 && !rc;) {
        one = (struct math_found){ .rule = f->rule };
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

bool math_is_read(const struct math_found *f)
{
    return f->n || f->why;
}

enum err_code math_read_hit(const struct math_reader *r, size_t rule,
                            const struct match_hits *h, size_t k,
                            struct math_found *f, struct err *e)
{
    int tier = rules[rule].tier;
    struct str s =
        tier == TIER_BOX ? box_at(r->s, h->at[k]) : sentence_at(r->s, h->at[k]);

    f->rule = rules[rule].name;
    return read_statement(r, s, tier == TIER_LAST, f, e);
}

enum err_code math_find_by(const struct math_reader *r, size_t rule,
                           const struct match_hits *h, size_t *k,
                           struct math_found *f, struct err *e)
{
    enum err_code rc = ERR_OK;

    *f = (struct math_found){ .rule = rules[rule].name };
    for (*k = 0; *k < h->n && !rc && !math_is_read(f); ++*k)
        rc = math_read_hit(r, rule, h, *k, f, e);
    if (!rc && rules[rule].tier == TIER_BOX && f->n)
        rc = read_boxes(r, h, f, e);
    return rc;
}

bool math_states_once(size_t rule)
{
    return rules[rule].tier != TIER_LAST;
}

/* The last run of the last lines. */
enum err_code math_find_last(const struct math_reader *r, struct math_found *f,
                             struct err *e)
{
    enum err_code rc = ERR_OK;
    size_t to = r->s.n;

    *f = (struct math_found){ .rule = "last" };
    for (unsigned lines = 0; to && lines < 8 && !rc && !math_is_read(f);
         lines++) {
        size_t from = to;

        while (from && r->s.p[from - 1] != '\n' && to - from < STATEMENT_MOST)
            from--;
        rc = read_statement(r, str_sub(r->s, from, to), true, f, e);
        to = from && r->s.p[from - 1] == '\n' ? from - 1 : from;
    }
    return rc;
}

enum err_code math_find(const struct math_reader *r, struct math_found *f,
                        struct err *e)
{
    enum err_code rc = match_rules_open(&statements, e);
    struct match_hits h;
    size_t k;

    *f = (struct math_found){ .rule = "" };
    for (size_t i = 0; i < statements.n && !rc && !math_is_read(f); i++)
        if (!(rc = math_hits(r, i, &h, e)))
            rc = math_find_by(r, i, &h, &k, f, e);
    if (!rc && !math_is_read(f))
        rc = math_find_last(r, f, e);
    return rc;
}

enum err_code math_rules_open(size_t *n, struct err *e)
{
    *n = statements.n;
    return match_rules_open(&statements, e);
}

const char *math_rule_name(size_t i)
{
    static const char *const more[] = { "last", "refusal", NULL };

    return match_rule_name(&statements, more, i);
}
