/* The table of export formats, and the walk over samples that they share.
 *
 * Sorting a million responses at once would hold them all in memory, so the
 * walk goes by pairs of model and suite, and only the rows of a pair are
 * sorted. */
#include "harness/export.h"

#include <string.h>

#include "harness/base/mem.h"
#include "suites/suite.h"

#define EXPORT_ENTRY(name) &export_##name,
const struct export_format *const export_formats[] = { EXPORT_FORMATS(
    EXPORT_ENTRY) NULL };

/* the columns, one a line, in the order of the query */
/* clang-format off */
const struct export_col export_cols[] = {
    { "model", EXPORT_TEXT },
    { "suite", EXPORT_TEXT },
    { "suite_version", EXPORT_TEXT },
    { "subset", EXPORT_TEXT },
    { "item", EXPORT_TEXT },
    { "trial", EXPORT_INT },
    { "turn", EXPORT_INT },
    { "question", EXPORT_TEXT },
    { "choices", EXPORT_JSON },
    { "answer", EXPORT_JSON },
    { "response", EXPORT_TEXT },
    { "reasoning", EXPORT_TEXT },
    { "logprobs", EXPORT_JSON },
    { "finish", EXPORT_TEXT },
    { "failed", EXPORT_BOOL },
    { "error", EXPORT_TEXT },
    { "error_message", EXPORT_TEXT },
    { "verdict", EXPORT_TEXT },
    { "score", EXPORT_NUM },
    { "extracted", EXPORT_TEXT },
    { "rule", EXPORT_TEXT },
    { "near_tie", EXPORT_BOOL },
    { "matcher", EXPORT_TEXT },
    { "matcher_version", EXPORT_INT },
    { "prompt_tokens", EXPORT_INT },
    { "cached_tokens", EXPORT_INT },
    { "output_tokens", EXPORT_INT },
    { "latency_ns", EXPORT_INT },
    { "started_ms", EXPORT_INT },
    { "attempts", EXPORT_INT },
    { "margin", EXPORT_NUM },
    { "item_digest", EXPORT_TEXT },
    { "model_fingerprint", EXPORT_TEXT },
    { NULL, EXPORT_TEXT },
};
/* clang-format on */

static const char select_samples[] =
    "SELECT x.model, x.suite, x.suite_version, x.subset, x.item, x.trial,"
    " x.turn,"
    " coalesce(i.turns ->> ('$[' || x.turn || '].question'), i.question),"
    " i.choices, CASE WHEN i.turns IS NULL THEN i.answer ELSE"
    " i.turns -> ('$[' || x.turn || '].answer') END,"
    " x.text, x.reasoning, x.logprobs, x.finish, x.failed, x.error,"
    " x.error_message, x.verdict, x.score, x.extracted, x.rule, x.near_tie,"
    " x.matcher, x.matcher_version, x.prompt_tokens, x.cached_tokens,"
    " x.output_tokens, x.latency_ns, x.started_ms, x.attempts, x.margin,"
    " i.digest, m.fingerprint"
    " FROM sample_scores AS x JOIN item AS i ON i.pk = x.item_pk"
    " JOIN model AS m ON m.pk = x.model_pk"
    " WHERE x.model_pk = ?1 AND x.suite_pk = ?2 AND (x.current OR ?3)"
    " ORDER BY x.subset, x.item, x.trial, x.turn, x.sample";
enum { COL_SUITE = 1, COL_SUBSET = 3 };

/* Pairs of a model and the current version of a suite that it was asked. */
static const char select_pairs[] =
    "SELECT m.id, su.id, m.pk, su.pk FROM model AS m, suite AS su"
    " WHERE su.current AND EXISTS (SELECT 1 FROM suite_item AS si"
    " JOIN sample AS s ON s.item = si.item AND s.model = m.pk"
    " WHERE si.suite = su.pk) ORDER BY m.id, su.id, m.pk";

struct pair {
    int64_t model, suite;
};
struct walk {
    const struct export_params *p;
    struct pair *pairs;
    size_t n, cap;
    store_row_fn *fn;
    void *user;
};

static bool wants_model(const struct export_params *p, const char *id)
{
    for (size_t i = 0; i < p->n_models; i++) {
        if (strcmp(p->models[i], id) == 0)
            return true;
    }
    return p->n_models == 0;
}

/* "suite", "suite/subset", globs in both; subset NULL: any of the suite. */
static bool spec_matches(const char *spec, const char *id, const char *subset)
{
    const char *slash = strchr(spec, '/');
    size_t n = slash ? (size_t)(slash - spec) : strlen(spec);
    char name[256];

    if (n >= sizeof name)
        return false;
    memcpy(name, spec, n);
    name[n] = '\0';
    return suite_subset_matches(name, id) &&
           (!slash || !subset || suite_subset_matches(slash + 1, subset));
}

static bool wants_suite(const struct export_params *p, const char *id,
                        const char *subset)
{
    for (size_t i = 0; i < p->n_suites; i++) {
        if (spec_matches(p->suites[i], id, subset))
            return true;
    }
    return p->n_suites == 0;
}

static enum err_code take_pair(void *user, const struct store_row *r,
                               struct err *e)
{
    struct walk *w = user;

    if (!wants_model(w->p, row_text(r, 0)) ||
        !wants_suite(w->p, row_text(r, 1), NULL))
        return ERR_OK;
    if (!mem_grow(&w->pairs, &w->cap, w->n + 1, sizeof *w->pairs))
        return err_set(e, ERR_NOMEM, "no memory for the list of models");
    w->pairs[w->n++] = (struct pair){ row_int(r, 2), row_int(r, 3) };
    return ERR_OK;
}

static enum err_code take_sample(void *user, const struct store_row *r,
                                 struct err *e)
{
    const struct walk *w = user;

    if (!wants_suite(w->p, row_text(r, COL_SUITE), row_text(r, COL_SUBSET)))
        return ERR_OK;
    return w->fn(w->user, r, e);
}

enum err_code export_samples(const struct export_params *p, store_row_fn *fn,
                             void *user, struct err *e)
{
    struct walk w = { .p = p, .fn = fn, .user = user };
    enum err_code rc =
        store_query(p->store, select_pairs, take_pair, &w, e, "");

    if (!rc && w.n == 0)
        rc = err_set(e, ERR_FORMAT,
                     "nothing is stored for these models and suites");
    for (size_t i = 0; !rc && i < w.n; i++)
        rc = store_query(p->store, select_samples, take_sample, &w, e, "iii",
                         w.pairs[i].model, w.pairs[i].suite, (int64_t)p->all);
    mem_free(w.pairs);
    return rc;
}
