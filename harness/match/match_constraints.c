/* Whether an answer keeps to instructions that a program can check.
 *
 * Strict reading: the answer as it is.  Loose reading: a constraint also holds
 * if it does after the first line, the last line, both, or the asterisks of
 * Markdown are taken away, for models that frame what was asked for.  Both are
 * always made; the option says which one is the score. */
#include <string.h>

#include "harness/match/constraint.h"

enum {
    FORM = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT | TEXT_SPACE,
    LONGEST = 1 << 18, /* some 80,000 characters; of more nothing is said */
    FIRST_LINE = 1,    /* what a form leaves out */
    LAST_LINE = 2,
    ASTERISKS = 4,
    FORMS = 8
};

struct look {
    const struct match_in *in;
    struct str part; /* of the response */
    struct arena *a;
    struct constraint_text form[FORMS];
    struct constraint_kept kept[FORMS];
    bool made[FORMS];
    size_t n, strict, loose;
    struct buf failed; /* names, of the reading that counts */
};

/* ---- forms of the answer ---- */

static struct str without_first_line(struct str s)
{
    size_t nl = str_find(s, STR("\n"), 0);

    return nl == (size_t)-1 ? str_sub(s, s.n, s.n)
                            : str_trim(str_sub(s, nl, s.n));
}

static struct str without_last_line(struct str s)
{
    size_t n = s.n;

    while (n && s.p[n - 1] != '\n')
        n--;
    return str_trim(str_sub(s, 0, n));
}

static enum err_code without_asterisks(struct str *s, struct arena *a,
                                       struct err *e)
{
    char *copy = arena_alloc(a, s->n + 1);
    size_t n = 0;

    if (!copy)
        return match_no_memory(e);
    for (size_t i = 0; i < s->n; i++)
        if (s->p[i] != '*')
            copy[n++] = s->p[i];
    *s = str_trim((struct str){ copy, n });
    return ERR_OK;
}

static enum err_code make_form(struct look *l, unsigned form, struct err *e)
{
    struct constraint_text *t = &l->form[form];
    struct str s = l->part;
    enum err_code rc = ERR_OK;

    if (l->made[form])
        return ERR_OK;
    if (form & FIRST_LINE)
        s = without_first_line(s);
    if (form & LAST_LINE)
        s = without_last_line(s);
    if (form & ASTERISKS)
        rc = without_asterisks(&s, l->a, e);
    *t =
        (struct constraint_text){ .raw = s, .a = l->a, .kept = &l->kept[form] };
    l->made[form] = !rc;
    return rc;
}

/* ---- judging ---- */

static enum err_code holds_in(struct look *l, const struct json *c,
                              unsigned form, bool *yes, struct err *e)
{
    const struct constraint *k =
        constraint_find(constraint_word(c, "kind", ""));
    enum err_code rc = make_form(l, form, e);

    struct constraint_text *t = &l->form[form];

    *yes = false;
    if (rc || !t->raw.n)
        return rc;
    if (k->folded && !t->folded.n)
        rc = match_fold(t->raw, FORM, l->a, &t->folded, e);
    return rc ? rc : k->holds(c, t, yes, e);
}

static bool is_loose(const struct match_in *in)
{
    const char *reading = json_string(json_get(in->options, "reading"));

    return reading && !strcmp(reading, "loose");
}

static void note_failure(struct look *l, const struct json *c)
{
    const char *name =
        constraint_word(c, "name", constraint_word(c, "kind", ""));

    if (l->failed.n)
        buf_str(&l->failed, "; ");
    buf_str(&l->failed, name);
}

static enum err_code judge_one(struct look *l, const struct json *c,
                               struct err *e)
{
    bool strict, loose;
    unsigned forms;
    enum err_code rc = holds_in(l, c, 0, &strict, e);

    loose = strict;
    /* The forms without asterisks are the last ones. */
    forms =
        str_find(l->form[0].raw, STR("*"), 0) == (size_t)-1 ? ASTERISKS : FORMS;
    for (unsigned form = 1; form < forms && !rc && !loose; form++)
        rc = holds_in(l, c, form, &loose, e);
    l->n++;
    l->strict += strict;
    l->loose += loose;
    if (!rc && !(is_loose(l->in) ? loose : strict))
        note_failure(l, c);
    return rc;
}

/* The rule says how far the readings go: all hold strictly, all loosely only,
 * some, none. */
static enum err_code report(struct look *l, struct match_out *out,
                            struct err *e)
{
    size_t held = is_loose(l->in) ? l->loose : l->strict;
    enum err_code rc = buf_check(&l->failed, "names of constraints", e);

    out->score = (double)held / (double)l->n;
    out->verdict = held == l->n ? VERDICT_CORRECT : VERDICT_WRONG;
    out->rule = l->strict == l->n  ? "strict"
                : l->loose == l->n ? "loose"
                : l->loose         ? "some"
                                   : "none";
    out->span_at = (size_t)(l->part.p - l->in->response.p);
    out->span_len = l->part.n;
    return rc ? rc : match_extract(out, buf_view(&l->failed), l->a, e);
}

static enum err_code judge(struct look *l, struct match_out *out, struct err *e)
{
    const struct json *c = json_child(l->in->expected);
    enum err_code rc = ERR_OK;

    for (; c && !rc; c = json_next(c))
        rc = judge_one(l, c, e);
    if (rc == ERR_LIMIT) {
        out->rule = "limit";
        return ERR_OK;
    }
    return rc ? rc : report(l, out, e);
}

enum { NAMES_MOST = 1 << 14 };

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look *l = arena_alloc(a, sizeof(*l));
    enum err_code rc;

    match_begin(out);
    if (!l)
        return match_no_memory(e);
    l->part = match_answer_part(in->response);
    if (!l->part.n || l->part.n > LONGEST) {
        out->rule = l->part.n ? "too-long" : "";
        return ERR_OK;
    }
    l->in = in;
    l->a = a;
    buf_init(&l->failed, NAMES_MOST);
    rc = judge(l, out, e);
    buf_free(&l->failed);
    if (!rc && out->verdict == VERDICT_WRONG &&
        match_is_refusal(in->response, NULL, NULL)) {
        out->verdict = VERDICT_REFUSED;
        out->score = 0;
    }
    return rc;
}

/* ---- check ---- */

enum { CONSTRAINTS_MOST = 50 };

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "reading", NULL };
    const struct json *c = json_child(in->expected);
    const char *reading;
    size_t i = 0;
    enum err_code rc = json_only(in->options, known, e);

    if (!rc)
        rc = json_get_str_or(in->options, "reading", "strict", &reading, e);
    if (rc)
        return rc;
    if (strcmp(reading, "strict") != 0 && strcmp(reading, "loose") != 0)
        return err_set(e, ERR_FORMAT,
                       "reading: expected strict or loose, got \"%s\"",
                       reading);
    if (!in->expected || json_type(in->expected) != JSON_ARRAY || !c ||
        json_len(in->expected) > CONSTRAINTS_MOST)
        return err_set(e, ERR_FORMAT,
                       "answer: expected a list of 1 to %d constraints, each "
                       "an object with \"kind\"",
                       CONSTRAINTS_MOST);
    for (; c && !rc; c = json_next(c), i++) {
        rc = constraint_check(c, e);
        if (rc)
            (void)err_wrap(e, "answer: constraint %zu", i + 1);
    }
    return rc;
}

const struct match_kind match_constraints = {
    .name = "constraints",
    .version = 2,
    .doc = "instructions that can be checked: length, form, verse, words",
    .help =
        "answer: a list of constraints, each {\"kind\": ...} with its own\n"
        "  members; the score is the share that holds, all of them is correct\n"
        "  length unit min max about within exactly, include, exclude, order,\n"
        "  begin, end, distinct, punctuation, language, case, pattern, json,\n"
        "  list, table, title, headings, letter, verse, rhyme, acrostic,\n"
        "  couplet; \"name\" is what a failure is reported as\n"
        "reading: \"strict\" (default), or \"loose\": a constraint may also\n"
        "  hold without the first line, the last line, or asterisks",
    .check = check,
    .run = run,
};
