/* Patterns of the suite's author.  Either the answer is the pattern and must
 * occur in the response, or a pattern in the options cuts out what is compared
 * with the answer.  A pattern that needs too many steps gives no verdict: the
 * item is unparsable by rule "limit", since nobody knows what it would find. */
#include <string.h>

#include "harness/match/match_parts.h"

enum { FORM = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT | TEXT_NOSPACE };

struct look {
    const struct match_in *in;
    struct arena *a;
    struct match_out *out;
    struct str text;
    unsigned flags;
};

static const struct {
    char letter;
    unsigned flag;
} letters[] = {
    { 'i', PATTERN_CASELESS },
    { 'm', PATTERN_MULTILINE },
    { 's', PATTERN_DOTALL },
    { 'x', PATTERN_EXTENDED },
};

static enum err_code read_flags(const struct json *options, unsigned *flags,
                                struct err *e)
{
    const char *s;
    enum err_code rc = json_get_str_or(options, "flags", "", &s, e);

    *flags = 0;
    for (; !rc && *s; s++) {
        size_t i = 0;

        while (i < 4 && letters[i].letter != *s)
            i++;
        if (i == 4)
            return err_set(e, ERR_FORMAT,
                           "flags: expected letters of \"imsx\", got '%c'", *s);
        *flags |= letters[i].flag;
    }
    return rc;
}

static enum err_code note(const struct look *l, struct str got,
                          const char *rule, struct err *e)
{
    l->out->rule = rule;
    l->out->span_at = (size_t)(got.p - l->in->response.p);
    l->out->span_len = got.n;
    return match_extract(l->out, got, l->a, e);
}

/* The last hit, or the first one.  *got is empty and its p NULL if none. */
static enum err_code find_hit(const struct look *l, const struct pattern *p,
                              bool last, struct str *got, struct err *e)
{
    enum err_code rc = ERR_OK;
    struct pattern_hit h;
    bool found = true;
    size_t from = 0;

    *got = (struct str){ NULL, 0 };
    while (!rc && found && from <= l->text.n) {
        size_t group;

        rc = pattern_find(p, l->text, from, &h, &found, e);
        if (rc || !found)
            break;
        group = h.n > 1 && h.g[1].at != (size_t)-1;
        *got = match_group(l->text, &h, group);
        if (!last)
            break;
        from = h.g[0].end > from ? h.g[0].end : from + 1;
    }
    return rc;
}

static enum err_code find(const struct look *l, const char *source, bool last,
                          struct str *got, struct err *e)
{
    struct pattern *p;
    enum err_code rc = pattern_open(&p, str_of(source), l->flags, e);

    *got = (struct str){ NULL, 0 };
    if (rc)
        return rc;
    rc = find_hit(l, p, last, got, e);
    pattern_close(p);
    return rc;
}

static enum err_code same(const struct look *l, struct str got,
                          const char *want, bool *yes, struct err *e)
{
    struct str x = STR(""), y = STR("");
    enum err_code rc = match_fold(got, FORM, l->a, &x, e);

    *yes = false;
    if (!rc)
        rc = match_fold(str_of(want), FORM, l->a, &y, e);
    *yes = !rc && str_eq(x, y);
    return rc;
}

/* The options' pattern cuts out, the answer is compared. */
static enum err_code run_extract(const struct look *l, const char *source,
                                 struct err *e)
{
    const char *take = json_string(json_get(l->in->options, "take"));
    bool yes = false, last = !take || strcmp(take, "first") != 0;
    const char *want;
    struct str got;
    enum err_code rc = find(l, source, last, &got, e);

    if (rc || !got.p) {
        if (!rc)
            match_no_answer(l->in, l->out);
        return rc;
    }
    for (size_t i = 0;
         !rc && !yes && (want = match_accepted(l->in->expected, i)); i++)
        rc = same(l, got, want, &yes, e);
    l->out->verdict = yes ? VERDICT_CORRECT : VERDICT_WRONG;
    l->out->score = yes ? 1 : 0;
    return rc ? rc : note(l, got, "extract", e);
}

/* The answer is the pattern. */
static enum err_code run_search(const struct look *l, struct err *e)
{
    const char *source;
    struct str got = { NULL, 0 };
    enum err_code rc = ERR_OK;

    for (size_t i = 0;
         !rc && !got.p && (source = match_accepted(l->in->expected, i)); i++)
        rc = find(l, source, false, &got, e);
    if (rc)
        return rc;
    if (!got.p) {
        match_no_answer(l->in, l->out);
        if (l->out->verdict != VERDICT_REFUSED && l->text.n) {
            l->out->verdict = VERDICT_WRONG;
            l->out->rule = "no-hit";
        }
        return ERR_OK;
    }
    l->out->verdict = VERDICT_CORRECT;
    l->out->score = 1;
    return note(l, got, "search", e);
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look l = {
        .in = in, .a = a, .out = out, .text = match_answer_part(in->response)
    };
    const char *source = json_string(json_get(in->options, "pattern"));
    enum err_code rc;

    match_begin(out);
    rc = read_flags(in->options, &l.flags, e);
    if (!rc)
        rc = source ? run_extract(&l, source, e) : run_search(&l, e);
    if (rc == ERR_LIMIT) {
        *out = (struct match_out){ .verdict = VERDICT_UNPARSABLE,
                                   .extracted = "",
                                   .rule = "limit" };
        rc = ERR_OK;
    }
    return rc;
}

static enum err_code check_pattern(const char *source, unsigned flags,
                                   const char *field, struct err *e)
{
    struct pattern *p;
    enum err_code rc = pattern_open(&p, str_of(source), flags, e);

    pattern_close(p);
    return rc ? err_wrap(e, "%s", field) : ERR_OK;
}

static enum err_code check_take(const struct json *options, struct err *e)
{
    const char *take;
    enum err_code rc = json_get_str_or(options, "take", "last", &take, e);

    if (!rc && strcmp(take, "last") != 0 && strcmp(take, "first") != 0)
        rc = err_set(e, ERR_FORMAT, "take: expected first or last, got \"%s\"",
                     take);
    return rc;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "pattern", "flags", "take",
                                         NULL };
    const char *source = NULL, *s;
    unsigned flags;
    enum err_code rc = json_only(in->options, known, e);

    if (!rc)
        rc = read_flags(in->options, &flags, e);
    if (!rc)
        rc = check_take(in->options, e);
    if (!rc)
        rc = json_get_str_or(in->options, "pattern", NULL, &source, e);
    if (!rc)
        rc = match_check_strings(in->expected,
                                 source ? "a string" : "a pattern", e);
    if (!rc && source)
        return check_pattern(source, flags, "options", e);
    for (size_t i = 0; !rc && (s = match_accepted(in->expected, i)); i++)
        rc = check_pattern(s, flags, "answer", e);
    return rc;
}

const struct match_kind match_regex = {
    .name = "regex",
    .version = 1,
    .doc = "a pattern (PCRE2) that must occur, or that cuts out the answer",
    .help =
        "answer: a pattern, or a list of which one must occur.\n"
        "pattern: \"...\" - cuts out its first group (or all it hits); the\n"
        "  answer is then a string or list of strings to compare it with.\n"
        "take: \"last\" (default) or \"first\" hit of that pattern.\n"
        "flags: letters of \"imsx\": no case, ^ and $ at lines, dot takes\n"
        "  line ends, white space and comments in the pattern.\n"
        "Looks at the raw answer.  A pattern that needs too many steps makes\n"
        "the item unparsable (rule limit).",
    .check = check,
    .run = run,
};
