/* A date or a time, whatever its form: the parts that the expected answer names
 * must be there with their values; what else the answer says does not matter.
 *
 * Of several dates in an answer those count that name the parts asked for: the
 * first behind what states the answer, else the last. */
#include <string.h>

#include "harness/match/date.h"
#include "harness/match/match_parts.h"

enum { FORM = TEXT_NFKC | TEXT_SIMPLE, LOOKS_AT = 1 << 16 };

static const struct match_rule rules[] = {
    { "boxed", "\\\\boxed\\s*\\{()", 0, 0 },
    { "answer-mark", "[\\[【〖](?:最终|正确)?(?:答案|日期|时间)[\\]】〗]()", 0,
      0 },
    { "answer", "答案[^。!?！？;；\\n不非没未]{0,14}?(?:是|为|:)()", 0, 0 },
    { "answer", "(?:^|\\n)[\\s*#]{0,100}+(?:答|解答|结论|结果)[*\\s]*:()", 0,
      0 },
    { "answer",
      "(?:日期|时间|星期几|那天|当天|结果)[^。!?;；\\n不非没未0-9]{0,6}?(?:应该是|应是|"
      "应为|就是|是|为|:)()",
      0, 0 },
    { "answer-en",
      "\\b(?:answer|date|time|day)\\b[^.\\n?!0-9]{0,20}?(?:\\bis\\b|:)()",
      PATTERN_CASELESS, 0 },
    { "brackets", "【()", 0, 0 },
};
static struct match_rules statements = MATCH_RULES(rules);

enum { DATES_MOST = 4096, STATEMENT_MOST = 200 };

struct look {
    struct str s;
    struct date want;   /* the first expected answer: what it names */
    struct date *dates; /* all of the text, in their order; the last ones */
    size_t n;
};

/* A text with more dates than fit loses the first of them. */
static enum err_code read_dates(struct look *l, struct arena *a, struct err *e)
{
    size_t from = 0;

    l->dates = arena_array(a, DATES_MOST, sizeof(*l->dates));
    if (!l->dates)
        return match_no_memory(e);
    while (date_find(l->s, from, &l->dates[l->n])) {
        from = l->dates[l->n++].end;
        if (l->n < DATES_MOST)
            continue;
        l->n /= 2;
        memcpy(l->dates, l->dates + l->n, l->n * sizeof(*l->dates));
    }
    return ERR_OK;
}

/* The end of the statement that begins at `at`: of its line or sentence. */
static size_t statement_end(struct str s, size_t at)
{
    size_t most = at + STATEMENT_MOST;

    while (at < s.n && at < most && s.p[at] != '\n' &&
           !match_starts_at(s, at, "。"))
        at++;
    return at;
}

/* The last statement of rule i whose first date names what is asked for. */
static enum err_code stated(const struct look *l, size_t i,
                            const struct date **out, struct err *e)
{
    struct pattern_hit h;
    size_t from = 0, next = 0;
    bool hit = true;
    enum err_code rc = ERR_OK;

    while (!rc && hit && next < l->n) {
        size_t at;

        rc = match_rules_find(&statements, i, l->s, from, &h, &hit, e);
        if (rc || !hit)
            break;
        at = h.g[1].at;
        from = at > from ? at : from + 1;
        while (next < l->n && l->dates[next].at < at)
            next++;
        if (next < l->n && l->dates[next].at < statement_end(l->s, at) &&
            date_names(&l->want, &l->dates[next]))
            *out = &l->dates[next];
    }
    return rc;
}

/* *out is NULL when the text has no date at all. */
static enum err_code find_answer(const struct look *l, const struct date **out,
                                 const char **rule, struct err *e)
{
    enum err_code rc = match_rules_open(&statements, e);

    *out = NULL;
    for (size_t i = 0; i < statements.n && !rc && !*out; i++) {
        rc = stated(l, i, out, e);
        *rule = rules[i].name;
    }
    if (rc || *out)
        return rc;
    *rule = "last";
    for (size_t i = l->n; i-- > 0 && !*out;)
        if (date_names(&l->want, &l->dates[i]))
            *out = &l->dates[i];
    if (*out)
        return ERR_OK;
    *rule = l->n ? "parts-missing" : "";
    *out = l->n ? &l->dates[l->n - 1] : NULL;
    return ERR_OK;
}

/* ---- judging ---- */

static enum err_code read_want(const char *text, struct arena *a,
                               struct date *want, struct err *e)
{
    struct str s;
    enum err_code rc = match_fold(str_trim(str_of(text)), FORM, a, &s, e);

    if (!rc && !(s.n && date_read(s, 0, want) && want->end == s.n))
        rc = err_set(e, ERR_FORMAT,
                     "answer: expected a date or time such as 2024-03-05, "
                     "三月五日, 周三 or 15:30, got \"%s\"",
                     text);
    return rc;
}

static enum err_code is_right(const struct match_in *in, const struct date *got,
                              struct arena *a, bool *yes, struct err *e)
{
    enum err_code rc = ERR_OK;
    struct date want;
    const char *text;

    *yes = false;
    for (size_t i = 0; !rc && !*yes && (text = match_accepted(in->expected, i));
         i++) {
        rc = read_want(text, a, &want, e);
        *yes = !rc && date_has(&want, got);
    }
    return rc;
}

static enum err_code judge(const struct match_in *in,
                           const struct match_text *t, struct arena *a,
                           struct match_out *out, struct err *e)
{
    struct look l = { .s = buf_view(&t->text) };
    const struct date *got = NULL;
    enum err_code rc =
        read_want(match_accepted(in->expected, 0), a, &l.want, e);
    bool yes;

    if (!rc)
        rc = read_dates(&l, a, e);
    if (!rc)
        rc = find_answer(&l, &got, &out->rule, e);
    if (rc)
        return rc;
    if (!got || (!strcmp(out->rule, "last") &&
                 match_is_refusal(in->response, NULL, NULL))) {
        match_no_answer(in, out);
        return ERR_OK;
    }
    rc = is_right(in, got, a, &yes, e);
    out->verdict = yes ? VERDICT_CORRECT : VERDICT_WRONG;
    out->score = yes ? 1 : 0;
    match_set_span(out, t, got->at, got->end);
    return rc ? rc : match_extract_span(out, in, a, e);
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct match_text t;
    enum err_code rc;

    match_begin(out);
    rc = match_text_open(&t, in->response, FORM, LOOKS_AT, e);
    if (!rc)
        rc = judge(in, &t, a, out, e);
    match_text_close(&t);
    return rc;
}

/* The accepted answers must name the same parts, for it is by these that the
 * answer is found. */
static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", NULL };
    enum err_code rc = json_only(in->options, known, e);
    struct date first, want;
    const char *text;
    struct arena a;

    if (!rc)
        rc = match_check_strings(in->expected, "a date", e);
    arena_init(&a, 0);
    for (size_t i = 0; !rc && (text = match_accepted(in->expected, i)); i++) {
        rc = read_want(text, &a, &want, e);
        first = i ? first : want;
        if (!rc && !(date_names(&first, &want) && date_names(&want, &first)))
            rc = err_set(e, ERR_FORMAT,
                         "answer: \"%s\" names other parts than the first",
                         text);
    }
    arena_free(&a);
    return rc;
}

const struct match_kind match_date = {
    .name = "date",
    .version = 1,
    .doc = "a date or time, by the parts that are asked for",
    .help =
        "answer: \"2024-03-05\", \"二〇二四年三月五日\", \"3月5日\", \"周三\",\n"
        "  \"15:30\", \"下午3点半\", \"March 5, 2024\", or a list of accepted ones;\n"
        "  the parts it names must be right, others do not matter\n"
        "Of several dates the one that is stated as the answer counts, else\n"
        "the last one that names these parts.",
    .check = check,
    .run = run,
};
