/* How like a reference a free text is: the score is the metric itself, and the
 * verdict is correct from the threshold on.  Of several references the best
 * counts. */
#include <string.h>

#include "harness/match/match_parts.h"
#include "harness/match/similarity.h"
#include "harness/match/words.h"

/* The first 32,768 tokens are compared; a token is rarely longer than this. */
enum { LOOKS_AT = SIMILARITY_MOST * 8 };

static const struct fold {
    const char *name;
    unsigned flags;
} folds[] = {
    { "full", TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT },
    { "case", TEXT_CASE },
    { "none", 0 },
};
/* In the order of enum similarity_unit. */
static const char *const units[] = { "characters", "words", "dictionary" };
enum { N_UNITS = sizeof(units) / sizeof(*units) };

struct settings {
    const struct similarity *metric;
    unsigned fold;
    struct similarity_cut cut;
    const char *dictionary, *model; /* of the words, NULL: the usual ones */
    double threshold;
};

static enum err_code read_metric(const struct json *options,
                                 const struct similarity **out, struct err *e)
{
    const char *name;
    enum err_code rc = json_get_str_or(options, "metric", "rouge-l", &name, e);

    if (rc)
        return rc;
    *out = similarity_find(name);
    if (*out)
        return ERR_OK;
    return err_set(e, ERR_FORMAT,
                   "metric: expected bleu, chrf, edit, f1, rouge-1, rouge-2 "
                   "or rouge-l, got \"%s\"",
                   name);
}

static enum err_code read_fold(const struct json *options, unsigned *out,
                               struct err *e)
{
    const char *name;
    enum err_code rc = json_get_str_or(options, "fold", "full", &name, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < sizeof(folds) / sizeof(*folds); i++)
        if (!strcmp(folds[i].name, name)) {
            *out = folds[i].flags;
            return ERR_OK;
        }
    return err_set(e, ERR_FORMAT,
                   "fold: expected full, case or none, got \"%s\"", name);
}

static enum err_code read_unit(const struct json *options, struct settings *s,
                               struct err *e)
{
    const char *unit;
    enum err_code rc = json_get_str_or(options, "unit", units[0], &unit, e);
    size_t i = 0;

    if (rc)
        return rc;
    while (i < N_UNITS && strcmp(unit, units[i]) != 0)
        i++;
    if (i == N_UNITS)
        return err_set(e, ERR_FORMAT,
                       "unit: expected characters, words or dictionary, got "
                       "\"%s\"",
                       unit);
    if (i && s->metric->chars)
        return err_set(e, ERR_FORMAT, "unit: %s is counted in characters",
                       s->metric->name);
    s->cut.unit = (enum similarity_unit)i;
    s->cut.letters = s->metric->letters;
    return ERR_OK;
}

/* What only words of a dictionary have. */
static enum err_code read_words(const struct json *options, struct settings *s,
                                struct err *e)
{
    static const char *const names[] = { "dictionary", "model", "breaks" };
    enum err_code rc =
        json_get_str_or(options, names[0], NULL, &s->dictionary, e);

    if (!rc)
        rc = json_get_str_or(options, names[1], NULL, &s->model, e);
    if (!rc)
        rc = json_get_bool_or(options, names[2], false, &s->cut.breaks, e);
    if (rc)
        return rc;
    if ((s->dictionary && !*s->dictionary) || (s->model && !*s->model))
        return err_set(e, ERR_FORMAT, "%s: expected the name of a file",
                       s->dictionary && !*s->dictionary ? names[0] : names[1]);
    for (size_t i = 0; i < 3; i++)
        if (s->cut.unit != SIMILARITY_DICTIONARY && json_get(options, names[i]))
            return err_set(e, ERR_FORMAT,
                           "%s: only with \"unit\": \"dictionary\"", names[i]);
    return ERR_OK;
}

static enum err_code read_settings(const struct json *options,
                                   struct settings *s, struct err *e)
{
    enum err_code rc;

    *s = (struct settings){ .threshold = 0.5 };
    rc = read_metric(options, &s->metric, e);
    if (!rc)
        rc = read_fold(options, &s->fold, e);
    if (!rc)
        rc = read_unit(options, s, e);
    if (!rc)
        rc = read_words(options, s, e);
    if (!rc)
        rc = json_get_num_or(options, "threshold", 0.5, &s->threshold, e);
    if (rc)
        return rc;
    if (!(s->threshold >= 0 && s->threshold <= 1))
        return err_set(e, ERR_FORMAT, "threshold: expected 0 to 1, got %g",
                       s->threshold);
    return ERR_OK;
}

static enum err_code open_words(struct settings *s, struct err *e)
{
    if (s->cut.unit != SIMILARITY_DICTIONARY)
        return ERR_OK;
    return words_shared(&s->cut.words, s->dictionary, s->model, e);
}

/* The dictionary decides too. */
static enum err_code outside(const struct json *options, const char **digest,
                             struct err *e)
{
    struct settings s;
    enum err_code rc = read_settings(options, &s, e);

    if (!rc)
        rc = open_words(&s, e);
    *digest = !rc && s.cut.words ? words_digest(s.cut.words) : "";
    return rc;
}

/* Takes the first of the options' prefixes that s begins with off it. */
static struct str cut_prefix(const struct json *options, struct str s)
{
    const struct json *m = json_child(json_get(options, "cut"));

    for (; m; m = json_next(m))
        if (str_starts(s, str_of(json_string(m))))
            return str_trim(str_sub(s, strlen(json_string(m)), s.n));
    return s;
}

static enum err_code split(struct str s, const struct settings *set,
                           struct arena *a, struct tokens *out, struct err *e)
{
    struct str folded;
    enum err_code rc;

    s = str_sub(s, 0, LOOKS_AT);
    s = str_sub(s, 0, text_whole(s));
    rc = match_fold(s, set->fold, a, &folded, e);
    if (rc)
        return rc;
    return similarity_split(folded, &set->cut, a, out, e);
}

static enum err_code best_of(const struct match_in *in,
                             const struct settings *set, struct tokens got,
                             struct arena *a, double *best, struct err *e)
{
    enum err_code rc = ERR_OK;
    struct tokens want;
    const char *text;
    double score;

    *best = 0;
    for (size_t i = 0; !rc && (text = match_accepted(in->expected, i)); i++) {
        rc = split(str_of(text), set, a, &want, e);
        if (!rc)
            rc = set->metric->run(got, want, a, &score, e);
        if (!rc && score > *best)
            *best = score;
    }
    return rc;
}

/* What is reported as read: the answer's beginning. */
enum { SHOWN = 200 };
static enum err_code show(const struct match_in *in, struct str s,
                          struct arena *a, struct match_out *out, struct err *e)
{
    struct str head = str_sub(s, 0, SHOWN);

    head = str_sub(head, 0, text_whole(head));
    out->span_at = (size_t)(s.p - in->response.p);
    out->span_len = s.n;
    return match_extract(out, head, a, e);
}

/* A refusal that has words of the reference keeps the score they are worth. */
static enum err_code judge(const struct match_in *in, struct str s,
                           struct arena *a, struct match_out *out,
                           struct err *e)
{
    struct settings set;
    struct tokens got = { .n = 0 };
    double score = 0;
    enum err_code rc = read_settings(in->options, &set, e);

    if (!rc)
        rc = open_words(&set, e);
    if (!rc)
        rc = split(s, &set, a, &got, e);
    if (!rc)
        rc = best_of(in, &set, got, a, &score, e);
    if (!rc)
        rc = show(in, s, a, out, e);
    if (rc)
        return rc;
    out->rule = set.metric->name;
    out->verdict = score >= set.threshold ? VERDICT_CORRECT : VERDICT_WRONG;
    if (out->verdict == VERDICT_WRONG)
        if (match_is_refusal(in->response, NULL, NULL))
            out->verdict = VERDICT_REFUSED;
    out->score = score;
    return ERR_OK;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct str s = cut_prefix(in->options, match_answer_part(in->response));

    match_begin(out);
    return s.n ? judge(in, s, a, out, e) : ERR_OK;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name",       "metric",    "unit",
                                         "fold",       "threshold", "cut",
                                         "dictionary", "model",     "breaks",
                                         NULL };
    const struct json *cut = json_get(in->options, "cut"), *m;
    enum err_code rc = json_only(in->options, known, e);
    struct settings s;

    if (!rc)
        rc = read_settings(in->options, &s, e);
    if (!rc)
        rc = open_words(&s, e);
    /* Where there is no dictionary the suite can be asked all the same. */
    if (rc && rc != ERR_NOENV)
        return rc;
    if (cut && json_type(cut) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "cut: expected a list of prefixes");
    for (m = json_child(cut); m; m = json_next(m))
        if (!json_string(m) || !*json_string(m))
            return err_set(e, ERR_FORMAT, "cut: expected a list of prefixes");
    return match_check_strings(in->expected, "a reference text", e);
}

const struct match_kind match_similar = {
    .name = "similar",
    .version = 1,
    .doc = "likeness to a reference: ROUGE, BLEU, chrF, F1, edit distance",
    .help =
        "answer: a reference text, or a list of them of which the best counts\n"
        "metric: \"rouge-l\" (default), \"rouge-1\", \"rouge-2\", \"bleu\",\n"
        "  \"chrf\", \"f1\" (letters and digits only), \"edit\"\n"
        "unit: \"characters\" (default); \"words\": runs of Latin letters\n"
        "  and digits, and single Han characters; \"dictionary\": words that\n"
        "  a dictionary has, as jieba cuts them\n"
        "dictionary: a file of lines \"word frequency\"; default that of\n"
        "  python3-jieba; model: \"dictionary\", \"none\", or a file\n"
        "breaks: true - line breaks count as rouge-chinese counts them\n"
        "threshold: 0.5 - the score is the metric; from here on it is correct\n"
        "fold: \"full\" (default: width, case, 繁简, punctuation), \"case\",\n"
        "  \"none\"\n"
        "cut: [\"回答:\"] - what is taken off the front of the answer",
    .check = check,
    .run = run,
    .outside = outside,
};
