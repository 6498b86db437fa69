/* Key words that must, may or must not occur in the answer, after folding; and
 * whether the answer is a refusal, for suites in which that is the right
 * behaviour.  All conditions that are given must hold. */
#include <string.h>

#include "harness/match/match_parts.h"

enum { FORM = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT | TEXT_NOSPACE };

struct look {
    const struct match_in *in;
    struct arena *a;
    struct match_text t;
    struct match_out *out;
};

/* A condition: from the answer if it is an object, else from the options. */
static const struct json *condition(const struct match_in *in, const char *name)
{
    const struct json *j = json_get(in->expected, name);

    return j ? j : json_get(in->options, name);
}

/* Looks for one word; *at is (size_t)-1 when it does not occur. */
static enum err_code find_word(const struct look *l, const char *word,
                               size_t *at, size_t *n, struct err *e)
{
    struct str folded;
    enum err_code rc = match_fold(str_of(word), FORM, l->a, &folded, e);

    *at = (size_t)-1;
    *n = folded.n;
    if (!rc && folded.n)
        *at = str_find(buf_view(&l->t.text), folded, 0);
    return rc;
}

static enum err_code note(const struct look *l, const char *rule,
                          const char *word, size_t at, size_t n, struct err *e)
{
    l->out->rule = rule;
    l->out->extracted = arena_strdup(l->a, word);
    if (!l->out->extracted)
        return match_no_memory(e);
    if (at != (size_t)-1)
        match_set_span(l->out, &l->t, at, at + n);
    return ERR_OK;
}

/* all: every word occurs; the first one that does not is named. */
static enum err_code need_all(const struct look *l, const struct json *words,
                              bool *holds, struct err *e)
{
    enum err_code rc = ERR_OK;
    const char *word;
    size_t at, n;

    for (size_t i = 0; !rc && *holds && (word = match_accepted(words, i));
         i++) {
        rc = find_word(l, word, &at, &n, e);
        if (rc)
            break;
        *holds = at != (size_t)-1;
        rc = note(l, *holds ? "all" : "missing", word, at, n, e);
    }
    return rc;
}

static enum err_code need_any(const struct look *l, const struct json *words,
                              bool *holds, struct err *e)
{
    enum err_code rc = ERR_OK;
    const char *word;
    size_t at = (size_t)-1, n;

    for (size_t i = 0; !rc && (word = match_accepted(words, i)); i++) {
        rc = find_word(l, word, &at, &n, e);
        if (!rc && at != (size_t)-1)
            return note(l, "any", word, at, n, e);
    }
    *holds = false;
    return rc ? rc : note(l, "missing", match_accepted(words, 0), at, 0, e);
}

static enum err_code need_none(const struct look *l, const struct json *words,
                               bool *holds, struct err *e)
{
    enum err_code rc = ERR_OK;
    const char *word;
    size_t at, n;

    for (size_t i = 0; !rc && *holds && (word = match_accepted(words, i));
         i++) {
        rc = find_word(l, word, &at, &n, e);
        if (rc || at == (size_t)-1)
            continue;
        *holds = false;
        rc = note(l, "forbidden", word, at, n, e);
    }
    if (!rc && *holds && !*l->out->rule)
        l->out->rule = "none";
    return rc;
}

static enum err_code need_words(const struct look *l, bool *holds,
                                struct err *e)
{
    bool plain = json_type(l->in->expected) != JSON_OBJECT;
    const struct json *any = plain ? l->in->expected : condition(l->in, "any");
    const struct json *all = condition(l->in, "all");
    const struct json *none = condition(l->in, "none");
    enum err_code rc = ERR_OK;

    if (all)
        rc = need_all(l, all, holds, e);
    if (!rc && *holds && any)
        rc = need_any(l, any, holds, e);
    if (!rc && *holds && none)
        rc = need_none(l, none, holds, e);
    return rc;
}

/* Whether the answer is a refusal as wanted.  Words are looked at only then. */
static void need_refusal(const struct look *l, bool wanted, bool refused,
                         bool *holds)
{
    if (!wanted)
        return;
    *holds = refused;
    l->out->rule = refused ? "refusal" : "no-refusal";
    if (refused)
        (void)match_is_refusal(l->in->response, &l->out->span_at,
                               &l->out->span_len);
}

static enum err_code judge(const struct look *l, struct err *e)
{
    bool wanted = json_bool(condition(l->in, "refusal"));
    bool refused = match_is_refusal(l->in->response, NULL, NULL);
    bool holds = true;
    enum err_code rc = ERR_OK;

    if (!l->t.text.n) {
        l->out->verdict = VERDICT_UNPARSABLE;
        return ERR_OK;
    }
    need_refusal(l, wanted, refused, &holds);
    if (holds)
        rc = need_words(l, &holds, e);
    l->out->score = holds ? 1 : 0;
    l->out->verdict = holds                ? VERDICT_CORRECT
                      : refused && !wanted ? VERDICT_REFUSED
                                           : VERDICT_WRONG;
    return rc;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look l = { .in = in, .a = a, .out = out };
    enum err_code rc;

    match_begin(out);
    rc = match_text_open(&l.t, in->response, FORM, 0, e);
    if (!rc)
        rc = judge(&l, e);
    match_text_close(&l.t);
    return rc;
}

/* ---- check ---- */

static const char *const words[] = { "all", "any", "none" };

static enum err_code check_words(const struct match_in *in, struct err *e)
{
    enum err_code rc = ERR_OK;
    bool one = json_bool(condition(in, "refusal"));

    for (size_t i = 0; i < 3 && !rc; i++) {
        const struct json *list = condition(in, words[i]);

        if (!list)
            continue;
        one = true;
        rc = match_check_strings(list, "a word", e);
        if (rc)
            rc = err_wrap(e, "%s", words[i]);
    }
    if (!rc && !one)
        rc = err_set(e, ERR_FORMAT,
                     "answer: expected all, any, none or refusal in it");
    return rc;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "all",     "any",
                                         "none", "refusal", NULL };
    enum err_code rc = json_only(in->options, known, e);
    bool refusal;

    if (!rc)
        rc = json_get_bool_or(in->options, "refusal", false, &refusal, e);
    if (rc)
        return rc;
    if (!in->expected || json_type(in->expected) != JSON_OBJECT)
        return match_check_strings(in->expected, "a word", e);
    rc = json_only(in->expected, known + 1, e);
    if (!rc)
        rc = json_get_bool_or(in->expected, "refusal", false, &refusal, e);
    return rc ? rc : check_words(in, e);
}

const struct match_kind match_contains = {
    .name = "contains",
    .version = 1,
    .doc = "key words that must, may or must not occur",
    .help =
        "answer: a word, or a list of words of which one must occur; or an\n"
        "  object: {\"all\": [...], \"any\": [...], \"none\": [...],\n"
        "  \"refusal\": true}, each member optional; all that are given must\n"
        "  hold.  Width, case, traditional characters and spaces do not\n"
        "  matter.  With \"refusal\" the right answer is to decline.\n"
        "The same members as options hold for every item of the suite that\n"
        "does not give them itself.",
    .check = check,
    .run = run,
};
