/* A number, whatever its form: 1,200.50  3/4  \frac{3}{4}  50%  百分之五十  五成
 * 1亿2千万  1.2e3  1.2×10³  -7  负七  ￥30  3公里  八折 (number.c reads them).
 *
 * Which number of an answer: one that is stated as the answer (\boxed{},
 * ####, 答案是, 【】) comes before the last one of the text; of several
 * statements of a form the last counts, and in 答案: 3+5=8 what stands behind
 * the last equals sign.  The rule's name says which it was.
 *
 * A suite may say with "cut" where the numbers stand instead; with "score":
 * "log" what is near in the logarithm earns a part.
 *
 * Values are fractions of 128-bit integers as long as they fit, so that 0.1+0.2
 * is 0.3; beyond that they are doubles compared to 12 digits.  Units of one
 * kind are converted when the expected answer has one. */
#include <math.h>
#include <string.h>

#include "harness/match/match_parts.h"
#include "harness/match/number.h"
#include "harness/match/number_cut.h"

enum { FLAGS = TEXT_NFKC | TEXT_SIMPLE, LOOKS_AT = 1 << 16 };

/* ---- which number ---- */

/* Words that hold a numeral and are none: 一个样, 第一, 统一, 十分. */
static bool is_word(struct str s, const struct number *x)
{
    static const char *const left[] = { "第", "每", "某", "同", "统", "唯",
                                        "之", "万", "单", "逐", "任", "这",
                                        "那", "进", "另", "下", "上" };
    static const char *const right[] = { "样", "起", "般", "定", "些", "直",
                                         "下", "致", "切", "旦", "方", "共",
                                         "步", "种", "点", "并", "部", "分",
                                         "者", "旁", "面", "律", "向", "时" };

    if (!x->chinese)
        return false;
    for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
        if (str_ends(str_sub(s, 0, x->at), str_of(left[i])))
            return true;
    if (number_is_word(str_sub(s, x->at, s.n)) &&
        !match_starts_at(s, x->at, "一个半") &&
        !match_starts_at(s, x->at, "一个小时") &&
        !match_starts_at(s, x->at, "一个月"))
        return true;
    for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
        if (x->end - x->at == 3 && match_starts_at(s, x->end, right[i]))
            return true;
    return false;
}

/* The characters beyond ASCII that a number may begin with, all of three bytes
 * but the first two.  Three bytes of UTF-8 are found in UTF-8 only as a whole
 * character. */
static const char beginners[] = "¥½零〇一二两三四五六七八九壹贰叁肆伍陆柒捌玖"
                                "十拾百千万负−–﹣￥半";

/* Whether a number may begin at i: not inside a word or another number. */
static bool may_begin(struct str s, size_t i)
{
    unsigned char c = (unsigned char)s.p[i];
    char before;

    if (c >= 0x80)
        return c >= 0xC0 &&
               str_find(str_of(beginners),
                        str_sub(s, i, i + (c < 0xE0 ? 2 : 3)), 0) != (size_t)-1;
    if (!match_is_digit(s, i) && !strchr("-.$\\", c))
        return false;
    if (c == '.' && !match_is_digit(s, i + 1))
        return false;
    if (!i || c == '\\')
        return true;
    before = s.p[i - 1];
    return !match_is_latin(before) && before != '_' &&
           !match_is_digit(s, i - 1) &&
           !(before == '.' && i > 1 && match_is_digit(s, i - 2));
}

/* 2 of 2√3 and of 2\pi, 3 of √3: part of an expression, no number. */
static bool is_part(struct str s, const struct number *x)
{
    static const char *const next[] = { "√", "π", "\\sqrt", "\\pi" };
    struct str before = str_sub(s, 0, x->at);

    for (size_t i = 0; i < sizeof(next) / sizeof(*next); i++)
        if (match_starts_at(s, x->end, next[i]))
            return true;
    return str_ends(before, STR("√")) || str_ends(before, STR("\\sqrt{")) ||
           str_ends(before, STR("根号"));
}

/* The first number of s at or after `from`; the last one if `last`. */
static bool find_number(const struct number_reader *r, size_t from, bool last,
                        bool chinese, struct number *x)
{
    struct number y;
    bool found = false;

    while (from < r->s.n) {
        if (!may_begin(r->s, from) || !number_read(r, from, &y)) {
            from++;
            continue;
        }
        from = y.end;
        if ((y.chinese && !chinese) || is_word(r->s, &y))
            continue;
        found = !is_part(r->s, &y);
        *x = y;
        if (!last)
            break;
    }
    return found;
}

static const struct match_rule rules[] = {
    { "boxed", "\\\\boxed\\s*\\{()", 0, 0 },
    { "hashes", "####()", 0, 0 },
    { "answer-mark",
      "[\\[【〖](?:最终|正确|参考|标准)?(?:答案|金额|结果)[\\]】〗]()", 0, 0 },
    { "answer", "答案[^。!?！？;；\\n不非没未0-9]{0,14}?(?:是|为|:|=)()", 0,
      0 },
    { "answer", "(?:^|\\n)[\\s*#]{0,100}+(?:答|解答|结论|结果)[*\\s]*:()", 0,
      0 },
    { "answer",
      "(?:最终|最后)?(?:的)?结果[^。,，!?！？;；\\n不非没未0-9]{0,8}?(?:是|为|:|=)()",
      0, 0 },
    { "answer-en",
      "\\b(?:answer|result)\\b[*_\"']*(?:(?!\\bnot\\b|n['’]t)[^.\\n?!:0-9]){0,30}?"
      "(?:\\bis\\b(?!\\s+not\\b)|:|=)()",
      PATTERN_CASELESS, 0 },
    { "brackets", "【()[^】\\n]*[0-9零一二三四五六七八九十百千][^】\\n]*】", 0,
      0 },
};
static struct match_rules statements = MATCH_RULES(rules);

enum { STATEMENT_MOST = 400, STATEMENTS_MOST = 64 };

/* The rest of the statement: to the end of its line or sentence; of the next
 * line if nothing stands on this one. */
static struct str statement_at(struct str s, size_t from)
{
    size_t to;

    while (from < s.n && strchr(" \t*_`:\n\"$", s.p[from]))
        from++;
    for (to = from; to < s.n && to - from < STATEMENT_MOST; to++)
        if (s.p[to] == '\n' || s.p[to] == ';' || match_starts_at(s, to, "。") ||
            match_starts_at(s, to, "；"))
            break;
    return str_sub(s, from, to);
}

/* Where the expression that goes on at `at` has an equals sign; s.n if it ends
 * without one.  3 + 5 = 8 goes on, 7, 7 × 2 = 14 does not. */
static size_t equals_after(struct str s, size_t at)
{
    static const char *const signs[] = { "×", "÷", "−", "\\" };

    for (size_t k; at < s.n; at++) {
        if (s.p[at] == '=')
            return at;
        if (match_is_digit(s, at) || match_is_latin(s.p[at]) ||
            strchr(" .+-*/()^{}$", s.p[at]))
            continue;
        for (k = 0; k < 4 && !match_starts_at(s, at, signs[k]); k++)
            ;
        if (k == 4)
            return s.n;
        at += strlen(signs[k]) - 1;
    }
    return s.n;
}

/* The first number of a statement, or what its expression comes to. */
static bool number_of_statement(const struct number_reader *r, size_t from,
                                struct number *x)
{
    struct number_reader part = { statement_at(r->s, from), r->t };
    size_t base = (size_t)(part.s.p - r->s.p), eq;
    struct number y;

    if (!find_number(&part, 0, false, true, x))
        return false;
    while ((eq = equals_after(part.s, x->end)) < part.s.n) {
        if (!find_number(&part, eq, false, true, &y))
            break;
        *x = y;
    }
    x->at += base;
    x->end += base;
    return true;
}

/* The last statement of rule i that holds a number, of the last few: an answer
 * that says 答案是 more often than that says nothing. */
static enum err_code stated(const struct number_reader *r, size_t i,
                            bool *found, struct number *x, struct err *e)
{
    struct match_hits h;
    struct number y;
    enum err_code rc =
        match_rules_last(&statements, i, r->s, STATEMENTS_MOST, &h, e);

    for (size_t k = 0; k < h.n; k++) {
        if (!number_of_statement(r, h.at[k], &y))
            continue;
        if (!*found || y.at >= x->at)
            *x = y;
        *found = true;
        break;
    }
    return rc;
}

static bool after_equals(struct str s, size_t at)
{
    while (at && strchr(" *_$`(", s.p[at - 1]))
        at--;
    return at && s.p[at - 1] == '=';
}

/* The last number of the text, looked for in ever longer ends of it: a long
 * text of numbers is not read whole.  One that begins near the start of the
 * end may be cut off there. */
static bool last_number(const struct number_reader *r, bool chinese,
                        struct number *x)
{
    size_t from, margin = 100;

    for (size_t most = 1000;; most *= 8) {
        bool found;

        from = r->s.n > most ? r->s.n - most : 0;
        while (from && ((unsigned char)r->s.p[from] & 0xC0) == 0x80)
            from--;
        found = find_number(r, from, true, chinese, x);
        if (!from || (found && x->at > from + margin))
            return found;
    }
}

/* Rules of one name are forms of one statement: the last of them counts. */
static enum err_code find_answer(const struct number_reader *r,
                                 const char **rule, struct number *x,
                                 struct err *e)
{
    enum err_code rc = match_rules_open(&statements, e);
    bool found = false;

    *rule = "";
    for (size_t i = 0; i < statements.n && !rc; i++) {
        if (found && strcmp(rules[i].name, *rule) != 0)
            break;
        rc = stated(r, i, &found, x, e);
        if (found)
            *rule = rules[i].name;
    }
    if (rc || found)
        return rc;
    if (last_number(r, false, x))
        *rule = after_equals(r->s, x->at) ? "equals" : "last-number";
    else if (last_number(r, true, x))
        *rule = "last-numeral";
    return ERR_OK;
}

/* ---- comparing ---- */

struct want {
    struct rat value;
    bool has_unit;
    struct unit unit;
    double tolerance, relative; /* 0: exact */
};

/* The unit named apart from the value. */
static enum err_code read_unit(const char *name, struct arena *a,
                               struct want *w, struct err *e)
{
    struct str s;
    enum err_code rc = match_fold(str_of(name), FLAGS, a, &s, e);

    if (rc)
        return rc;
    w->has_unit = s.n && unit_read(s, &w->unit) == s.n;
    if (!w->has_unit)
        return err_set(e, ERR_FORMAT, "unit: \"%s\" is not known", name);
    return ERR_OK;
}

/* Tolerances of the answer's own object come before those of the matcher. */
static enum err_code read_tolerance(const struct json *j, struct want *w,
                                    struct err *e)
{
    enum err_code rc =
        json_get_num_or(j, "tolerance", w->tolerance, &w->tolerance, e);

    if (!rc)
        rc = json_get_num_or(j, "relative", w->relative, &w->relative, e);
    if (!rc && (w->tolerance < 0 || w->relative < 0))
        rc = err_set(e, ERR_FORMAT, "tolerance: expected 0 or more");
    return rc;
}

/* A string or number; {"value": ..., "unit": "km"} names the unit apart. */
static enum err_code read_value(const struct json *value, struct arena *a,
                                struct want *w, struct err *e)
{
    struct number_reader r = { .t = NULL };
    struct number x;
    enum err_code rc;

    if (value && json_type(value) == JSON_NUMBER) {
        w->value = rat_of_double(json_number(value));
        return ERR_OK;
    }
    if (!json_string(value))
        return err_set(e, ERR_FORMAT,
                       "answer: expected a number, a string "
                       "with one, or {\"value\", \"unit\"}");
    rc = match_fold(str_trim(str_of(json_string(value))), FLAGS, a, &r.s, e);
    if (rc)
        return rc;
    if (!number_read(&r, 0, &x))
        return err_set(e, ERR_FORMAT, "answer: expected a number, got \"%s\"",
                       json_string(value));
    w->value = x.value;
    w->has_unit = x.has_unit;
    w->unit = x.unit;
    return ERR_OK;
}

static enum err_code read_want(const struct json *j, const struct json *options,
                               struct arena *a, struct want *w, struct err *e)
{
    bool object = j && json_type(j) == JSON_OBJECT;
    const char *unit = json_string(json_get(options, "unit"));
    enum err_code rc;

    *w = (struct want){ .has_unit = false };
    rc = read_tolerance(options, w, e);
    if (!rc && object)
        rc = read_tolerance(j, w, e);
    if (!rc)
        rc = read_value(object ? json_get(j, "value") : j, a, w, e);
    if (object && json_string(json_get(j, "unit")))
        unit = json_string(json_get(j, "unit"));
    return rc || !unit ? rc : read_unit(unit, a, w, e);
}

/* The value in the unit that is wanted; false when the units are of different
 * kinds.  A bare number is taken to be in the wanted unit. */
static bool convert(const struct number *x, const struct want *w, struct rat *v)
{
    *v = x->value;
    if (!w->has_unit || !x->has_unit)
        return true;
    if (!unit_like(&x->unit, &w->unit))
        return false;
    *v = rat_mul(*v, unit_ratio(&x->unit, &w->unit));
    return true;
}

static bool equals(const struct number *x, const struct want *w)
{
    struct rat v;
    double off;

    if (!convert(x, w, &v))
        return false;
    off = fabs(v.v - w->value.v) - fabs(w->value.v) * 1e-12;
    return rat_same(v, w->value) || (w->tolerance > 0 && off <= w->tolerance) ||
           (w->relative > 0 && off <= w->relative * fabs(w->value.v));
}

static enum err_code is_right(const struct match_in *in, const struct number *x,
                              struct arena *a, bool *yes, struct err *e)
{
    bool list = json_type(in->expected) == JSON_ARRAY;
    const struct json *j = list ? json_child(in->expected) : in->expected;
    enum err_code rc = ERR_OK;
    struct want w;

    *yes = false;
    while (j && !rc && !*yes) {
        rc = read_want(j, in->options, a, &w, e);
        if (!rc)
            *yes = equals(x, &w);
        j = list ? json_next(j) : NULL;
    }
    return rc;
}

/* How near x is to the nearest accepted value, in the logarithm: 1 where they
 * are the same, 0 where one is `scale` times the other (one added to both). */
static enum err_code log_score(const struct match_in *in,
                               const struct number *x, struct arena *a,
                               double *score, struct err *e)
{
    double scale = json_number(json_get(in->options, "scale"));
    bool list = json_type(in->expected) == JSON_ARRAY;
    const struct json *j = list ? json_child(in->expected) : in->expected;
    enum err_code rc = ERR_OK;
    struct want w;
    struct rat v;

    for (*score = 0; j && !rc; j = list ? json_next(j) : NULL) {
        double part;

        rc = read_want(j, in->options, a, &w, e);
        if (rc || !convert(x, &w, &v) || !(v.v >= 0) || w.value.v < 0)
            continue;
        part = 1 - fabs(log1p(v.v) - log1p(w.value.v)) / log(scale);
        *score = part > *score ? part : *score;
    }
    return rc;
}

static enum err_code set_score(const struct match_in *in,
                               const struct number *x, struct arena *a,
                               struct match_out *out, struct err *e)
{
    bool yes;
    enum err_code rc = is_right(in, x, a, &yes, e);

    out->verdict = !rc && yes ? VERDICT_CORRECT : VERDICT_WRONG;
    out->score = !rc && yes ? 1 : 0;
    if (!rc && !yes && json_get(in->options, "score"))
        rc = log_score(in, x, a, &out->score, e);
    return rc;
}

/* The numbers that the suite's own patterns find; of several any may be it. */
static enum err_code judge_cut(const struct match_in *in, struct arena *a,
                               struct match_out *out, struct err *e)
{
    struct str part = match_answer_part(in->response);
    const struct json *cuts = json_get(in->options, "cut");
    struct number_hits hits;
    size_t i = 0;
    enum err_code rc = number_cut_find(cuts, part, a, &hits, e);

    if (rc == ERR_LIMIT) {
        out->rule = "limit";
        return ERR_OK;
    }
    if (!rc && !hits.n)
        match_no_answer(in, out);
    if (rc || !hits.n)
        return rc;
    do
        rc = set_score(in, &hits.list[i], a, out, e);
    while (!rc && out->verdict != VERDICT_CORRECT && ++i < hits.n);
    i = i < hits.n ? i : 0;
    out->rule = "cut";
    out->span_at = (size_t)(part.p - in->response.p) + hits.list[i].at;
    out->span_len = hits.list[i].end - hits.list[i].at;
    return rc ? rc : match_extract_span(out, in, a, e);
}

static enum err_code judge(const struct match_in *in, struct match_text *t,
                           struct arena *a, struct match_out *out,
                           struct err *e)
{
    struct number_reader r = { buf_view(&t->text), t };
    enum err_code rc;
    struct number x;

    rc = find_answer(&r, &out->rule, &x, e);
    if (rc)
        return rc;
    if (!*out->rule || (!strncmp(out->rule, "last", 4) &&
                        match_is_refusal(in->response, NULL, NULL))) {
        match_no_answer(in, out);
        return ERR_OK;
    }
    rc = set_score(in, &x, a, out, e);
    match_set_span(out, t, x.at, x.end);
    return rc ? rc : match_extract_span(out, in, a, e);
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct match_text t;
    enum err_code rc;

    match_begin(out);
    if (json_get(in->options, "cut"))
        return judge_cut(in, a, out, e);
    rc = match_text_open(&t, in->response, FLAGS, LOOKS_AT, e);
    if (!rc)
        rc = judge(in, &t, a, out, e);
    match_text_close(&t);
    return rc;
}

static enum err_code check_score(const struct json *options, struct err *e)
{
    const struct json *score = json_get(options, "score");
    double scale;
    enum err_code rc = json_get_num_or(options, "scale", NAN, &scale, e);

    if (rc)
        return rc;
    if (score &&
        (!json_string(score) || strcmp(json_string(score), "log") != 0))
        return err_set(e, ERR_FORMAT, "score: expected \"log\"");
    if (score ? !(scale > 1) : !isnan(scale))
        return err_set(e, ERR_FORMAT,
                       "scale: expected a number above 1, and a \"score\"");
    return number_cut_check(json_get(options, "cut"), e);
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name",  "tolerance", "relative",
                                         "unit",  "cut",       "score",
                                         "scale", NULL };
    static const char *const members[] = { "value", "unit", "tolerance",
                                           "relative", NULL };
    enum err_code rc = json_only(in->options, known, e);
    bool list = in->expected && json_type(in->expected) == JSON_ARRAY;
    const struct json *j = list ? json_child(in->expected) : in->expected;
    struct arena a;
    struct want w;

    if (!rc)
        rc = check_score(in->options, e);
    if (!rc && list && !j)
        rc = err_set(e, ERR_FORMAT, "answer: the list is empty");
    arena_init(&a, 0);
    do {
        if (!rc && j && json_type(j) == JSON_OBJECT)
            rc = json_only(j, members, e);
        if (!rc)
            rc = read_want(j, in->options, &a, &w, e);
        j = list && j ? json_next(j) : NULL;
    } while (j && !rc);
    arena_free(&a);
    return rc;
}

/* ---- what each rule reads ---- */

struct candidates {
    const struct match_in *in;
    const struct match_text *t;
    struct arena *a;
    struct match_candidates *out;
    struct number first; /* what run() takes: the same value has its text */
    const char *text;
};

static const char *text_of(const struct candidates *c, const struct number *x)
{
    struct match_out span;

    match_set_span(&span, c->t, x->at, x->end);
    return arena_dup(c->a, c->in->response.p + span.span_at, span.span_len);
}

/* 3km and 3000m are one answer. */
static bool same_value(const struct number *x, const struct number *y)
{
    const struct want w = { .value = y->value,
                            .has_unit = y->has_unit,
                            .unit = y->unit };
    return equals(x, &w);
}

static enum err_code add(struct candidates *c, const char *rule,
                         const struct number *x, struct err *e)
{
    enum err_code rc;
    bool yes;

    if (!c->text) {
        c->first = *x;
        c->text = text_of(c, x);
    }
    rc = is_right(c->in, x, c->a, &yes, e);
    if (rc)
        return rc;
    return match_candidate_add(
        c->out, c->a,
        (struct match_candidate){
            .rule = rule,
            .extracted = same_value(x, &c->first) ? c->text : text_of(c, x),
            .verdict = yes ? VERDICT_CORRECT : VERDICT_WRONG },
        e);
}

/* The last statement of row i that is another value than the first. */
static enum err_code differing(const struct candidates *c,
                               const struct number_reader *r, size_t i,
                               bool *found, struct number *x, struct err *e)
{
    struct match_hits h;
    struct number y;
    enum err_code rc =
        match_rules_last(&statements, i, r->s, STATEMENTS_MOST, &h, e);

    for (size_t k = 0; k < h.n; k++) {
        if (!number_of_statement(r, h.at[k], &y) || y.at >= c->first.at ||
            same_value(&y, &c->first))
            continue;
        if (!*found || y.at > x->at)
            *x = y;
        *found = true;
        break;
    }
    return rc;
}

/* What the rule that decides, whose last row is i, said before: of two boxes
 * the last one counts, but it may be the slip. */
static enum err_code add_earlier(struct candidates *c,
                                 const struct number_reader *r, size_t i,
                                 struct err *e)
{
    const char *name = arena_printf(c->a, "%s, earlier", rules[i].name);
    enum err_code rc = ERR_OK;
    bool found = false;
    struct number x;

    if (!name)
        return match_no_memory(e);
    for (size_t k = i + 1; k-- > 0 && !rc;)
        if (strcmp(rules[k].name, rules[i].name) == 0)
            rc = differing(c, r, k, &found, &x, e);
    return rc || !found ? rc : add(c, name, &x, e);
}

/* In the order of find_answer(), whose answer is the first. */
static enum err_code add_all(struct candidates *c, struct err *e)
{
    const struct number_reader r = { .s = buf_view(&c->t->text), .t = c->t };
    enum err_code rc = match_rules_open(&statements, e);
    struct number x;
    bool found = false, decides;

    for (size_t i = 0; i < statements.n && !rc; i++) {
        bool ends = i + 1 == statements.n ||
                    strcmp(rules[i].name, rules[i + 1].name) != 0;

        rc = stated(&r, i, &found, &x, e);
        if (rc || !ends || !found)
            continue;
        decides = !c->text;
        rc = add(c, rules[i].name, &x, e);
        if (!rc && decides)
            rc = add_earlier(c, &r, i, e);
        found = false;
    }
    if (!rc && last_number(&r, false, &x))
        return add(c, after_equals(r.s, x.at) ? "equals" : "last-number", &x,
                   e);
    return !rc && last_number(&r, true, &x) ? add(c, "last-numeral", &x, e)
                                            : rc;
}

static enum err_code candidates(const struct match_in *in, struct arena *a,
                                struct match_candidates *out, struct err *e)
{
    struct match_text t;
    struct candidates c = { .in = in, .t = &t, .a = a, .out = out };
    enum err_code rc = match_text_open(&t, in->response, FLAGS, LOOKS_AT, e);

    if (!rc)
        rc = add_all(&c, e);
    match_text_close(&t);
    return rc;
}

static const char *rule(size_t i)
{
    static const char *const more[] = { "equals", "last-number", "last-numeral",
                                        "refusal", NULL };

    return match_rule_name(&statements, more, i);
}

const struct match_kind match_number = {
    .name = "number",
    .version = 3,
    .doc = "a number in any form; exact, with units",
    .help =
        "answer: 35, \"3/4\", \"50%\", \"1.2亿\", \"3公里\", or\n"
        "  {\"value\": 3, \"unit\": \"km\"}; a list accepts any one of them.\n"
        "  50% = 0.5 = 百分之五十 = 五成; where the answer has a unit, 3000米\n"
        "  equals 3km, and a bare number is taken to be in that unit.\n"
        "tolerance: 0.01 - largest difference that still counts as equal;\n"
        "relative: 0.01 - the same as a part of the answer.  Default: exact.\n"
        "unit: \"km\" - the unit of answers without one.  The object of an\n"
        "  answer may hold unit, tolerance and relative of its own.\n"
        "cut: [{\"pattern\": \"(\\\\d+)年\", \"times\": 12}] - where the number\n"
        "  stands; the first of the list that hits counts.  take: first\n"
        "  (default), last, or any: one of all its numbers is right.\n"
        "score: \"log\", scale: 216 - what is wrong by a factor of f earns\n"
        "  1 - ln f / ln 216 (one added to both).\n"
        "Reads what is stated as the answer (\\boxed{}, ####, 答案是, 【】),\n"
        "else the last number of the text.",
    .check = check,
    .run = run,
    .rule = rule,
    .candidates = candidates,
};
