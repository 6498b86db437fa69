/* The answer itself, up to its form: width, case, 繁简, spaces, punctuation at
 * the ends, and the phrases it is wrapped in.
 *
 * First what the model states as its answer (答案：X。, \boxed{X}) is compared,
 * the last such statement; then the whole text or the line that the options
 * name.  Where a statement ends cannot be known (an answer may contain a comma),
 * so it is tried up to each place where it may end.  Punctuation within is
 * dropped only if the expected answer has Chinese in it: 3.5 is not 35, but
 * 床前明月光，疑是地上霜 may be written without its comma. */
#include <string.h>

#include "harness/match/match_parts.h"

enum {
    VIEW = TEXT_NFKC | TEXT_SIMPLE, /* where phrases are looked for */
    FORM = VIEW | TEXT_CASE | TEXT_PUNCT | TEXT_NOSPACE,
    LOOKS_AT = 1 << 17
};

#define DECO "[\\s\"'“”‘’「『*_`$:]*+"
static const struct match_rule rules[] = {
    { "boxed", "\\\\boxed\\s*\\{(?:\\\\text\\s*\\{)?()", 0, 0 },
    { "answer-mark",
      "[\\[【〖](?:最终|正确|参考|标准)?答案[\\]】〗]" DECO "(?:是|为)?" DECO
      "(?=\\S)()",
      0, 0 },
    { "answer-phrase",
      "答案[^。!?！？;；\\n不非没未]{0,10}?(?:是|为|:)" DECO "(?=\\S)()", 0,
      0 },
    { "answer-phrase",
      "(?:^|\\n)[\\s*#]{0,100}+(?:答|解答|回答|结论)[*\\s]*:" DECO "(?=\\S)()",
      0, 0 },
    { "answer-phrase-en",
      "\\b(?:(?:final|correct|right|my|the)\\s+answer|answer)\\b[*_\"']*"
      "(?:(?!\\bnot\\b|n['’]t)[^.\\n?!:]){0,24}?(?:\\bis\\b|:)" DECO
      "(?=\\S)()",
      PATTERN_CASELESS, 0 },
};
#undef DECO
static struct match_rules phrases = MATCH_RULES(rules);

/* Where a statement may end: the whole line, a sentence, a clause. */
static const struct match_rule end_rules[] = {
    { "sentence", "[。；;!！?？}]|\\.(?=\\s|$)|<", 0, 0 },
    { "clause", "[,，(（]|\\s[-—]", 0, 0 },
};
static struct match_rules ends = MATCH_RULES(end_rules);

static bool is_wrapper(int32_t rune)
{
    return rune != '%' && rune != '-' && rune != '#' && rune != '\\' &&
           (text_is_punct(rune) || text_is_space(rune) || rune == '`' ||
            rune == '$' || rune == '<' || rune == '>');
}

/* Quotes, brackets, full stops at the ends; keeps at least one character. */
static struct str unwrap(struct str s)
{
    size_t len, at;

    while (s.n && is_wrapper(text_rune(s, 0, &len)) && len < s.n)
        s = str_sub(s, len, s.n);
    while (s.n) {
        for (at = s.n - 1; at && ((unsigned char)s.p[at] & 0xC0) == 0x80; at--)
            ;
        if (!at || !is_wrapper(text_rune(s, at, &len)))
            break;
        s.n = at;
    }
    return s;
}

static bool has_han(struct str s)
{
    size_t len;

    for (size_t at = 0; at < s.n; at += len)
        if (text_is_han(text_rune(s, at, &len)))
            return true;
    return false;
}

struct look {
    const struct match_in *in;
    struct arena *a;
    struct match_text t;
};

static enum err_code equals(const struct look *l, struct str got,
                            struct str expected, bool *yes, struct err *e)
{
    struct str x, y;
    unsigned form = FORM | (has_han(expected) ? TEXT_NOPUNCT : 0);
    enum err_code rc =
        match_fold(unwrap(str_trim(expected)), form, l->a, &x, e);

    *yes = false;
    if (rc)
        return rc;
    rc = match_fold(unwrap(str_trim(got)), form, l->a, &y, e);
    *yes = !rc && y.n && str_eq(x, y);
    return rc;
}

/* A person is also meant by the last part of a name of several (爱因斯坦 of
 * 阿尔伯特·爱因斯坦), and with a title. */
static struct str last_part(struct str name)
{
    static const char *const marks[] = { "·", "・", "•", "‧", " " };

    for (size_t i = 0, at; i < sizeof(marks) / sizeof(*marks); i++)
        while ((at = str_find(name, str_of(marks[i]), 0)) != (size_t)-1)
            name = str_sub(name, at + strlen(marks[i]), name.n);
    return name;
}

static struct str without_title(struct str s)
{
    static const char *const before[] = { "Mr",     "Mrs", "Ms",   "Dr",
                                          "Prof",   "Sir", "诗人", "作家",
                                          "科学家", "皇帝" };
    static const char *const after[] = { "先生", "女士", "小姐", "教授",
                                         "老师", "同志", "博士", "院士",
                                         "将军", "总统", "爵士" };

    s = unwrap(str_trim(s));
    for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
        size_t n = strlen(before[i]);

        if (str_starts(s, str_of(before[i])) && n < s.n &&
            !match_is_latin(s.p[n]))
            return unwrap(str_trim(str_sub(s, n, s.n)));
    }
    for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++)
        if (str_ends(s, str_of(after[i])) && s.n > strlen(after[i]))
            return str_sub(s, 0, s.n - strlen(after[i]));
    return s;
}

static bool is_name(const struct look *l)
{
    return json_string(json_get(l->in->options, "as")) != NULL;
}

static enum err_code equals_name(const struct look *l, struct str got,
                                 struct str want, bool *yes, struct err *e)
{
    struct str part = last_part(want);
    enum err_code rc = equals(l, without_title(got), want, yes, e);

    if (!rc && !*yes && text_count(part) > 1)
        rc = equals(l, without_title(got), part, yes, e);
    return rc;
}

static enum err_code is_accepted(const struct look *l, struct str got,
                                 bool *yes, struct err *e)
{
    const char *want;
    enum err_code rc = ERR_OK;

    *yes = false;
    for (size_t i = 0;
         !rc && !*yes && (want = match_accepted(l->in->expected, i)); i++) {
        rc = equals(l, got, str_of(want), yes, e);
        if (!rc && !*yes && is_name(l))
            rc = equals_name(l, got, str_of(want), yes, e);
    }
    return rc;
}

static enum err_code set_out(const struct look *l, struct str got,
                             const char *rule, bool right,
                             struct match_out *out, struct err *e)
{
    size_t at;

    got = unwrap(str_trim(got));
    at = (size_t)(got.p - l->t.text.p);
    out->verdict = right ? VERDICT_CORRECT : VERDICT_WRONG;
    out->score = right ? 1 : 0;
    out->rule = rule;
    match_set_span(out, &l->t, at, at + got.n);
    out->extracted =
        arena_dup(l->a, l->in->response.p + out->span_at, out->span_len);
    if (!out->extracted)
        return match_no_memory(e);
    return ERR_OK;
}

/* Tries what was stated up to each place where it may end; what is reported of
 * a wrong one is its first sentence. */
static enum err_code try_statement(const struct look *l, struct str said,
                                   const char *rule, struct match_out *out,
                                   struct err *e)
{
    struct str cut = said, sentence = said;
    struct pattern_hit h;
    bool yes, found;
    enum err_code rc = is_accepted(l, said, &yes, e);

    for (size_t i = 0; i < ends.n && !rc && !yes; i++) {
        rc = match_rules_find(&ends, i, said, 1, &h, &found, e);
        if (rc || !found)
            continue;
        cut = str_sub(said, 0, h.g[0].at);
        if (i == 0)
            sentence = cut;
        rc = is_accepted(l, cut, &yes, e);
    }
    return rc ? rc : set_out(l, yes ? cut : sentence, rule, yes, out, e);
}

/* The last statement of any form; *said is empty if there is none. */
static enum err_code last_statement(struct str text, struct str *said,
                                    const char **rule, struct err *e)
{
    enum err_code rc = match_rules_open(&phrases, e);
    size_t best = 0;

    *said = STR("");
    for (size_t i = 0; i < phrases.n && !rc; i++) {
        struct pattern_hit h;
        bool found = true;
        size_t from = 0;

        while (!rc && found) {
            rc = match_rules_find(&phrases, i, text, from, &h, &found, e);
            if (rc || !found)
                break;
            if (h.g[1].at >= best) {
                best = h.g[1].at;
                *said = str_sub(text, best, text.n);
                *rule = phrases.rules[i].name;
            }
            from = h.g[1].at;
        }
    }
    *said = str_sub(*said, 0, str_find(*said, STR("\n"), 0));
    return rc;
}

static struct str pick_line(struct str s, bool last)
{
    struct str line = STR("");

    s = str_trim(s);
    while (s.n) {
        size_t nl = str_find(s, STR("\n"), 0);

        line = str_trim(str_sub(s, 0, nl));
        s = str_sub(s, nl == (size_t)-1 ? s.n : nl + 1, s.n);
        if (line.n && !last)
            break;
    }
    return line;
}

static const char *place_of(const struct match_in *in)
{
    const char *place = json_string(json_get(in->options, "in"));

    return place ? place : "whole";
}

/* Drops the first of the options' own prefixes that s begins with. */
static enum err_code drop_prefix(const struct look *l, struct str *s,
                                 struct err *e)
{
    const struct json *list = json_get(l->in->options, "prefix");
    const struct json *m;
    enum err_code rc = ERR_OK;
    struct str prefix;

    for (m = json_child(list); m && !rc; m = json_next(m)) {
        rc = match_fold(str_of(json_string(m)), VIEW, l->a, &prefix, e);
        if (rc || !str_starts(*s, prefix))
            continue;
        *s = unwrap(str_sub(*s, prefix.n, s->n));
        break;
    }
    return rc;
}

static enum err_code run_text(const struct look *l, struct match_out *out,
                              struct err *e)
{
    const char *place = place_of(l->in), *rule = place;
    struct str text = str_trim(buf_view(&l->t.text)), said;
    enum err_code rc;
    bool yes;

    if (strcmp(place, "whole") != 0)
        text = pick_line(text, !strcmp(place, "last_line"));
    rc = drop_prefix(l, &text, e);
    if (rc)
        return rc;
    if (!text.n) {
        match_no_answer(l->in, out);
        return ERR_OK;
    }
    rc = is_accepted(l, text, &yes, e);
    if (!rc && !yes) {
        rc = last_statement(text, &said, &rule, e);
        if (!rc && said.n)
            return try_statement(l, said, rule, out, e);
    }
    if (rc)
        return rc;
    if (!yes && match_is_refusal(l->in->response, NULL, NULL)) {
        match_no_answer(l->in, out);
        return ERR_OK;
    }
    return set_out(l, text, place, yes, out, e);
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look l = { .in = in, .a = a };
    enum err_code rc;

    match_begin(out);
    rc = match_rules_open(&ends, e);
    if (rc)
        return rc;
    rc = match_text_open(&l.t, in->response, VIEW, LOOKS_AT, e);
    if (!rc)
        rc = run_text(&l, out, e);
    match_text_close(&l.t);
    return rc;
}

static enum err_code check_prefix(const struct json *options, struct err *e)
{
    const struct json *list = json_get(options, "prefix"), *m;

    if (list && json_type(list) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "prefix: expected a list of strings");
    for (m = json_child(list); m; m = json_next(m))
        if (!json_string(m) || !*json_string(m))
            return err_set(e, ERR_FORMAT, "prefix: expected a list of strings");
    return ERR_OK;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "in", "prefix", "as", NULL };
    enum err_code rc = json_only(in->options, known, e);
    const char *place, *as;

    if (!rc)
        rc = json_get_str_or(in->options, "as", "name", &as, e);
    if (!rc && strcmp(as, "name") != 0)
        rc = err_set(e, ERR_FORMAT, "as: expected name, got \"%s\"", as);
    if (!rc)
        rc = json_get_str_or(in->options, "in", "whole", &place, e);
    if (!rc && strcmp(place, "whole") != 0 && strcmp(place, "last_line") != 0 &&
        strcmp(place, "first_line") != 0)
        rc = err_set(e, ERR_FORMAT,
                     "in: expected whole, last_line or first_line, got "
                     "\"%s\"",
                     place);
    if (!rc)
        rc = check_prefix(in->options, e);
    return rc ? rc : match_check_strings(in->expected, "a string", e);
}

const struct match_kind match_exact = {
    .name = "exact",
    .version = 1,
    .doc = "one of the accepted answers, up to its form",
    .help =
        "answer: a string, or a list of accepted strings.  Width, case,\n"
        "  traditional characters, spaces, quotes and final punctuation do\n"
        "  not matter; phrases such as 答案：X。 are taken off.\n"
        "in: \"whole\" (default), \"last_line\" or \"first_line\"\n"
        "prefix: [\"译文：\"] - further words to take off the front.\n"
        "as: \"name\" - of a person: the last part of it and titles will do",
    .check = check,
    .run = run,
};
