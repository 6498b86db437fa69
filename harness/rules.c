/* The audit of the matchers' rules.
 *
 * Counts come from one query that groups the scores by matcher, rule, verdict,
 * model and run; all tables but the rivals are sums over these groups.  Rivals
 * are found by asking the matcher what each of its rules would read of the
 * stored response. */
#include "harness/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/match/match.h"
#include "harness/rules_parts.h"
#include "harness/score.h"
#include "harness/stats.h"

struct group {
    const char *matcher, *rule, *verdict, *model;
    int64_t run, n;
};

/* Lists that grow while rows come; they are copied to the arena at the end. */
struct audit {
    const struct rules_scope *scope;
    struct group *groups;
    struct rules_rule *rules;
    struct rules_use *uses;
    struct rules_drift *drifts;
    struct rules_conflict *conflicts;
    int64_t *conflict_samples; /* where conflict i is so */
    int64_t *samples;          /* chosen, ascending */
    size_t n_groups, n_rules, n_uses, n_drifts, n_conflicts, n_samples;
    size_t cap_groups, cap_rules, cap_uses, cap_drifts, cap_conflicts,
        cap_conflict_samples, cap_samples;
    int64_t seen, compared;
    struct arena one; /* of one response */
};

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the audit");
}

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* --- groups ----------------------------------------------------------------- */

struct str rules_name(struct str rule)
{
    return str_sub(rule, 0, str_find(rule, STR(": "), 0));
}

static const char *keep_rule(struct arena *a, struct str rule)
{
    rule = rules_name(rule);
    return arena_dup(a, rule.p, rule.n);
}

static enum err_code take_group(void *user, const struct store_row *r,
                                struct err *e)
{
    struct audit *t = user;
    struct arena *a = t->scope->arena;
    struct group g = { .matcher = arena_strdup(a, row_text(r, 0)),
                       .rule = keep_rule(a, row_str(r, 1)),
                       .verdict = arena_strdup(a, row_text(r, 2)),
                       .model = arena_strdup(a, row_text(r, 3)),
                       .run = row_int(r, 4),
                       .n = row_int(r, 5) };

    if (a->failed || !mem_grow(&t->groups, &t->cap_groups, t->n_groups + 1,
                               sizeof *t->groups))
        return no_memory(e);
    t->groups[t->n_groups++] = g;
    return ERR_OK;
}

static enum err_code load_groups(struct audit *t, struct err *e)
{
    return store_query(t->scope->store,
                       "SELECT v.matcher, coalesce(v.rule, ''), v.verdict,"
                       " v.model, v.run, count(DISTINCT v.sample)" RULES_FROM
                       " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 4, 5, 3",
                       take_group, t, e, "ss", t->scope->models,
                       t->scope->suites);
}

/* --- rules ------------------------------------------------------------------ */

static struct rules_rule *find_rule(struct audit *t, const char *matcher,
                                    const char *rule)
{
    for (size_t i = 0; i < t->n_rules; i++)
        if (same(t->rules[i].matcher, matcher) && same(t->rules[i].rule, rule))
            return &t->rules[i];
    return NULL;
}

static enum err_code add_rule(struct audit *t, const char *matcher,
                              const char *rule, struct err *e)
{
    const struct match_kind *kind = match_find(matcher, NULL);

    if (find_rule(t, matcher, rule))
        return ERR_OK;
    if (!mem_grow(&t->rules, &t->cap_rules, t->n_rules + 1, sizeof *t->rules))
        return no_memory(e);
    t->rules[t->n_rules++] = (struct rules_rule){
        .matcher = matcher, .rule = rule, .told = kind && kind->candidates
    };
    return ERR_OK;
}

/* Those a matcher has, in its order, so that what never fired is seen. */
static enum err_code add_known(struct audit *t, const char *matcher,
                               struct err *e)
{
    const struct match_kind *kind = match_find(matcher, NULL);
    enum err_code rc = ERR_OK;

    for (size_t i = 0; kind && kind->rule && kind->rule(i) && !rc; i++)
        rc = add_rule(t, matcher, kind->rule(i), e);
    return rc;
}

static void count_group(struct rules_rule *r, const struct group *g)
{
    r->n += g->n;
    r->correct += same(g->verdict, "correct") ? g->n : 0;
    r->wrong += same(g->verdict, "wrong") ? g->n : 0;
    r->unparsable += same(g->verdict, "unparsable") ? g->n : 0;
    r->refused += same(g->verdict, "refused") ? g->n : 0;
}

static enum err_code count_rules(struct audit *t, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < t->n_groups && !rc; i++) {
        const struct group *g = &t->groups[i];

        if (!i || !same(g[-1].matcher, g->matcher))
            rc = add_known(t, g->matcher, e);
        if (!rc)
            rc = add_rule(t, g->matcher, g->rule, e);
        if (!rc)
            count_group(find_rule(t, g->matcher, g->rule), g);
        t->seen += g->n;
    }
    return rc;
}

/* --- by model and run --------------------------------------------------------- */

enum part { BY_MATCHER, BY_MODEL, BY_RUN };

static bool belongs(const struct group *g, const char *matcher,
                    const char *model, int64_t run, enum part part)
{
    return same(g->matcher, matcher) &&
           (part < BY_MODEL || same(g->model, model)) &&
           (part < BY_RUN || g->run == run);
}

/* Samples of that part, and how many of them have one of the verdicts. */
static int64_t total(const struct audit *t, const struct group *like,
                     enum part part, int64_t *unread, int64_t *refused)
{
    int64_t n = 0;

    *unread = *refused = 0;
    for (size_t i = 0; i < t->n_groups; i++) {
        const struct group *g = &t->groups[i];

        if (!belongs(g, like->matcher, like->model, like->run, part))
            continue;
        n += g->n;
        *refused += same(g->verdict, "refused") ? g->n : 0;
        *unread += same(g->verdict, "refused") || same(g->verdict, "unparsable")
                       ? g->n
                       : 0;
    }
    return n;
}

static enum err_code count_uses(struct audit *t, struct err *e)
{
    int64_t unread, refused;

    for (size_t i = 0; i < t->n_groups; i++) {
        const struct group *g = &t->groups[i];
        struct rules_use *last = t->n_uses ? &t->uses[t->n_uses - 1] : NULL;

        if (last && same(last->rule, g->rule) &&
            belongs(g, last->matcher, last->model, last->run, BY_RUN)) {
            last->n += g->n;
            continue;
        }
        if (!mem_grow(&t->uses, &t->cap_uses, t->n_uses + 1, sizeof *t->uses))
            return no_memory(e);
        t->uses[t->n_uses++] =
            (struct rules_use){ .matcher = g->matcher,
                                .rule = g->rule,
                                .model = g->model,
                                .run = g->run,
                                .n = g->n,
                                .of = total(t, g, BY_RUN, &unread, &refused) };
    }
    return ERR_OK;
}

/* --- drift ---------------------------------------------------------------------- */

/* Two shares are the same: the normal test with the pooled variance. */
static double two_shares(int64_t a, int64_t n, int64_t b, int64_t m)
{
    double p = (double)(a + b) / (double)(n + m);
    double se = sqrt(p * (1 - p) * (1 / (double)n + 1 / (double)m));
    double d = (double)a / (double)n - (double)b / (double)m;

    return se > 0 ? 2 * stats_normal_cdf(-fabs(d) / se) : 1;
}

static bool has_drift(const struct audit *t, const struct group *g, int64_t run)
{
    for (size_t i = 0; i < t->n_drifts; i++)
        if (same(t->drifts[i].matcher, g->matcher) &&
            same(t->drifts[i].model, g->model) && t->drifts[i].run == run)
            return true;
    return false;
}

/* A model against all others, or a run against the model's others; nothing
 * where there are no others. */
static enum err_code add_drift(struct audit *t, const struct group *g,
                               enum part part, struct err *e)
{
    struct rules_drift d = { .matcher = g->matcher,
                             .model = g->model,
                             .run = part == BY_RUN ? g->run : 0 };
    int64_t refused, all_unread, all;

    if (has_drift(t, g, d.run))
        return ERR_OK;
    all = total(t, g, part - 1, &all_unread, &refused);
    d.n = total(t, g, part, &d.unread, &d.refused);
    d.others = all - d.n;
    d.others_unread = all_unread - d.unread;
    if (part == BY_RUN && !d.others)
        return ERR_OK;
    d.p = d.others ? two_shares(d.unread, d.n, d.others_unread, d.others) : NAN;
    if (!mem_grow(&t->drifts, &t->cap_drifts, t->n_drifts + 1,
                  sizeof *t->drifts))
        return no_memory(e);
    t->drifts[t->n_drifts++] = d;
    return ERR_OK;
}

static enum err_code correct_drifts(struct audit *t, struct err *e)
{
    double *p = mem_array(t->n_drifts + 1, sizeof *p);
    double *adjusted = mem_array(t->n_drifts + 1, sizeof *adjusted);
    bool fine = p && adjusted;

    for (size_t i = 0; fine && i < t->n_drifts; i++)
        p[i] = isnan(t->drifts[i].p) ? 1 : t->drifts[i].p;
    if (fine)
        stats_holm(p, t->n_drifts, adjusted);
    for (size_t i = 0; fine && i < t->n_drifts; i++) {
        struct rules_drift *d = &t->drifts[i];
        d->p = isnan(d->p) ? d->p : adjusted[i];
        d->drifts = d->p < t->scope->alpha;
    }
    mem_free(p);
    mem_free(adjusted);
    return fine ? ERR_OK : no_memory(e);
}

static enum err_code count_drifts(struct audit *t, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < t->n_groups && !rc; i++)
        rc = add_drift(t, &t->groups[i], BY_MODEL, e);
    for (size_t i = 0; i < t->n_groups && !rc; i++)
        rc = add_drift(t, &t->groups[i], BY_RUN, e);
    return rc ? rc : correct_drifts(t, e);
}

/* --- rivals --------------------------------------------------------------------- */

static enum err_code take_sample(void *user, const struct store_row *r,
                                 struct err *e)
{
    struct audit *t = user;

    if (!mem_grow(&t->samples, &t->cap_samples, t->n_samples + 1,
                  sizeof *t->samples))
        return no_memory(e);
    t->samples[t->n_samples++] = row_int(r, 0);
    return ERR_OK;
}

/* Whether the sample is chosen, and its turn where there are too many. */
static bool is_compared(const struct audit *t, int64_t sample)
{
    size_t lo = 0, hi = t->n_samples;
    size_t step = t->n_samples / RULES_COMPARED + 1;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (t->samples[mid] < sample)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < t->n_samples && t->samples[lo] == sample && lo % step == 0;
}

static enum err_code note_conflict(struct audit *t, const struct rules_rule *r,
                                   const char *rival, bool changed,
                                   int64_t sample, struct err *e)
{
    size_t i = 0;

    while (i < t->n_conflicts && (t->conflicts[i].rule != r->rule ||
                                  !same(t->conflicts[i].matcher, r->matcher) ||
                                  !same(t->conflicts[i].rival, rival)))
        i++;
    if (i == t->n_conflicts) {
        const char *name = arena_strdup(t->scope->arena, rival);

        if (!name ||
            !mem_grow(&t->conflicts, &t->cap_conflicts, i + 1,
                      sizeof *t->conflicts) ||
            !mem_grow(&t->conflict_samples, &t->cap_conflict_samples, i + 1,
                      sizeof *t->conflict_samples))
            return no_memory(e);
        t->conflicts[i] = (struct rules_conflict){ .matcher = r->matcher,
                                                   .rule = r->rule,
                                                   .rival = name };
        t->conflict_samples[i] = sample;
        t->n_conflicts++;
    }
    t->conflicts[i].n++;
    t->conflicts[i].changed += changed;
    return ERR_OK;
}

static enum err_code compare(void *user, int64_t sample,
                             const struct score_in *in,
                             const struct store_score *stored, struct err *e)
{
    struct audit *t = user;
    struct match_candidates c = { .n = 0 };
    bool rivals = false, changed = false;
    struct rules_rule *r;
    enum err_code rc;

    if (!stored->verdict || !is_compared(t, sample))
        return ERR_OK;
    arena_reset(&t->one);
    r = find_rule(t, stored->matcher, keep_rule(&t->one, str_of(stored->rule)));
    rc = score_candidates(in, &t->one, &c, e);
    if (rc || !r || !r->told)
        return rc;
    for (size_t i = 0; i < c.n && !rc; i++) {
        bool other = !same(verdict_name(c.list[i].verdict), stored->verdict);

        if (same(c.list[i].rule, r->rule) ||
            same(c.list[i].extracted,
                 stored->extracted ? stored->extracted : ""))
            continue;
        rivals = true;
        changed |= other;
        rc = note_conflict(t, r, c.list[i].rule, other, sample, e);
    }
    r->compared++;
    r->rivals += rivals;
    r->changed += changed;
    t->compared++;
    return rc;
}

struct item_name {
    struct arena *a;
    const char *name;
};

static enum err_code take_item(void *user, const struct store_row *r,
                               struct err *e)
{
    struct item_name *item = user;

    item->name = arena_strdup(item->a, row_text(r, 0));
    return item->name ? ERR_OK : no_memory(e);
}

static enum err_code name_item(struct audit *t, size_t i, struct err *e)
{
    struct item_name item = { t->scope->arena, "" };
    enum err_code rc = store_query(
        t->scope->store, "SELECT item FROM sample_scores WHERE sample = ?",
        take_item, &item, e, "i", t->conflict_samples[i]);

    t->conflicts[i].item = item.name;
    return rc;
}

static enum err_code count_rivals(struct audit *t, struct err *e)
{
    enum err_code rc = store_query(
        t->scope->store, "SELECT DISTINCT v.sample" RULES_FROM " ORDER BY 1",
        take_sample, t, e, "ss", t->scope->models, t->scope->suites);

    arena_init(&t->one, 0);
    if (!rc)
        rc = score_each(t->scope->store, compare, t, e);
    arena_free(&t->one);
    for (size_t i = 0; i < t->n_conflicts && !rc; i++)
        rc = name_item(t, i, e);
    return rc;
}

/* --- together ------------------------------------------------------------------- */

static int by_count(const void *a, const void *b)
{
    const struct rules_conflict *x = a, *y = b;
    int c = (x->n < y->n) - (x->n > y->n);

    c = c ? c : strcmp(x->matcher, y->matcher);
    c = c ? c : strcmp(x->rule, y->rule);
    return c ? c : strcmp(x->rival, y->rival);
}

static void *keep(struct arena *a, const void *list, size_t n, size_t size)
{
    void *copy = arena_array(a, n + 1, size);

    if (copy && n)
        memcpy(copy, list, n * size);
    return copy;
}

static enum err_code hand_over(const struct audit *t, struct rules_audit *out,
                               struct err *e)
{
    struct arena *a = t->scope->arena;

    *out = (struct rules_audit){
        .rules = keep(a, t->rules, t->n_rules, sizeof *t->rules),
        .uses = keep(a, t->uses, t->n_uses, sizeof *t->uses),
        .drifts = keep(a, t->drifts, t->n_drifts, sizeof *t->drifts),
        .conflicts =
            keep(a, t->conflicts, t->n_conflicts, sizeof *t->conflicts),
        .n_rules = t->n_rules,
        .n_uses = t->n_uses,
        .n_drifts = t->n_drifts,
        .n_conflicts = t->n_conflicts,
        .samples = t->seen,
        .compared = t->compared,
    };
    if (a->failed)
        return no_memory(e);
    if (out->n_conflicts)
        qsort(out->conflicts, out->n_conflicts, sizeof *out->conflicts,
              by_count);
    return ERR_OK;
}

enum err_code rules_audit(const struct rules_scope *scope,
                          struct rules_audit *out, struct err *e)
{
    struct audit t = { .scope = scope };
    enum err_code rc = load_groups(&t, e);

    if (!rc)
        rc = count_rules(&t, e);
    if (!rc)
        rc = count_uses(&t, e);
    if (!rc)
        rc = count_drifts(&t, e);
    if (!rc)
        rc = count_rivals(&t, e);
    if (!rc)
        rc = hand_over(&t, out, e);
    mem_free(t.groups);
    mem_free(t.rules);
    mem_free(t.uses);
    mem_free(t.drifts);
    mem_free(t.conflicts);
    mem_free(t.conflict_samples);
    mem_free(t.samples);
    return rc;
}
