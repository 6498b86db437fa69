/* A sample of verdicts for a person, and what the marks say.
 *
 * A stratum is a matcher, a rule and a verdict.  Each gets some of the sample
 * and large ones more, so the shares found are weighted by the strata's sizes;
 * the interval is Wilson's for as many samples as the weights are worth
 * (Kish 1965: 1 / sum of w^2/n). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/rules.h"
#include "harness/rules_parts.h"
#include "harness/stats.h"
#include "suites/csv.h"

struct stratum {
    const char *matcher, *rule, *verdict;
    int64_t size;            /* samples it has */
    int64_t want;            /* to be drawn */
    int64_t checked, errors; /* marks */
};
struct member {
    int64_t sample;
    size_t stratum;
    uint64_t lot; /* the smallest are drawn */
};
struct drawing {
    const struct rules_scope *scope;
    uint64_t seed;
    struct stratum *strata;
    struct member *members; /* by sample */
    size_t n_strata, n_members, cap_strata, cap_members;
};

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the sample");
}

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* --- strata ----------------------------------------------------------------- */

static bool is_stratum(const struct stratum *s, struct str matcher,
                       struct str rule, struct str verdict)
{
    return str_is(matcher, s->matcher) && str_is(rule, s->rule) &&
           str_is(verdict, s->verdict);
}

static const char *keep(const struct rules_scope *scope, struct str s)
{
    return arena_dup(scope->arena, s.p, s.n);
}

static enum err_code take_member(void *user, const struct store_row *r,
                                 struct err *e)
{
    struct drawing *d = user;
    struct str rule = rules_name(row_str(r, 2));
    uint64_t state = d->seed ^ (uint64_t)row_int(r, 0) * 0x9E3779B97F4A7C15u;
    size_t i = 0;

    while (i < d->n_strata &&
           !is_stratum(&d->strata[i], row_str(r, 1), rule, row_str(r, 3)))
        i++;
    if (!mem_grow(&d->strata, &d->cap_strata, i + 1, sizeof *d->strata) ||
        !mem_grow(&d->members, &d->cap_members, d->n_members + 1,
                  sizeof *d->members))
        return no_memory(e);
    if (i == d->n_strata)
        d->strata[d->n_strata++] =
            (struct stratum){ .matcher = keep(d->scope, row_str(r, 1)),
                              .rule = keep(d->scope, rule),
                              .verdict = keep(d->scope, row_str(r, 3)) };
    if (d->scope->arena->failed)
        return no_memory(e);
    d->strata[i].size++;
    d->members[d->n_members++] =
        (struct member){ row_int(r, 0), i, stats_random(&state) };
    return ERR_OK;
}

static enum err_code load_members(struct drawing *d, struct err *e)
{
    return store_query(d->scope->store,
                       "SELECT DISTINCT v.sample, v.matcher,"
                       " coalesce(v.rule, ''), v.verdict" RULES_FROM
                       " ORDER BY v.matcher, 3, v.verdict, v.sample",
                       take_member, d, e, "ss", d->scope->models,
                       d->scope->suites);
}

static void drawing_free(struct drawing *d)
{
    mem_free(d->strata);
    mem_free(d->members);
}

/* --- drawing ------------------------------------------------------------------ */

/* Half of the sample in equal parts, the rest where most are still left. */
static void allot(struct drawing *d, int64_t n)
{
    int64_t each = d->n_strata ? n / 2 / (int64_t)d->n_strata : 0;
    int64_t left = n;

    for (size_t i = 0; i < d->n_strata && left > 0; i++) {
        int64_t want = each ? each : 1;

        d->strata[i].want = want < d->strata[i].size ? want : d->strata[i].size;
        left -= d->strata[i].want;
    }
    while (left > 0) {
        struct stratum *most = NULL;
        double share = 0;

        for (size_t i = 0; i < d->n_strata; i++) {
            struct stratum *s = &d->strata[i];
            double have = (double)s->size / (double)(s->want + 1);

            if (s->want < s->size && have > share) {
                share = have;
                most = s;
            }
        }
        if (!most)
            return;
        most->want++;
        left--;
    }
}

static int by_lot(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    return x->lot < y->lot ? -1 : x->lot > y->lot;
}

/* What is drawn, in the order of strata. */
static size_t draw(struct drawing *d, struct rules_pick *out)
{
    size_t n = 0;

    if (d->n_members)
        qsort(d->members, d->n_members, sizeof *d->members, by_lot);
    for (size_t i = 0; i < d->n_members; i++) {
        struct stratum *s = &d->strata[d->members[i].stratum];

        if (s->want-- <= 0)
            continue;
        out[n++] = (struct rules_pick){ .sample = d->members[i].sample,
                                        .stratum = s->size,
                                        .matcher = s->matcher,
                                        .rule = s->rule,
                                        .verdict = s->verdict };
    }
    return n;
}

struct detail {
    struct rules_pick *pick;
    struct arena *a;
};

static enum err_code take_detail(void *user, const struct store_row *r,
                                 struct err *e)
{
    const struct detail *d = user;
    struct rules_pick *p = d->pick;

    p->suite = arena_strdup(d->a, row_text(r, 0));
    p->item = arena_strdup(d->a, row_text(r, 1));
    p->model = arena_strdup(d->a, row_text(r, 2));
    p->trial = row_int(r, 3);
    p->turn = row_int(r, 4);
    p->expected = arena_strdup(d->a, row_text(r, 5));
    p->extracted = arena_strdup(d->a, row_text(r, 6));
    p->response = arena_strdup(d->a, row_text(r, 7));
    p->span_at = row_int(r, 8);
    p->span_len = row_int(r, 9);
    return d->a->failed ? no_memory(e) : ERR_OK;
}

static enum err_code load_detail(const struct rules_scope *scope,
                                 struct rules_pick *p, struct err *e)
{
    struct detail d = { p, scope->arena };

    return store_query(
        scope->store,
        "SELECT v.suite, v.item, v.model, v.trial, v.turn,"
        " coalesce(json_extract(i.turns, '$[' || v.turn || '].answer'),"
        " i.answer), v.extracted, v.text, v.span_at, v.span_len"
        " FROM sample_scores AS v JOIN item AS i ON i.pk = v.item_pk"
        " WHERE v.sample = ?",
        take_detail, &d, e, "i", p->sample);
}

enum err_code rules_draw(const struct rules_scope *scope, size_t n,
                         uint64_t seed, struct rules_pick **out, size_t *n_out,
                         struct err *e)
{
    struct drawing d = { .scope = scope, .seed = seed };
    enum err_code rc = load_members(&d, e);

    *n_out = 0;
    *out = NULL;
    if (rc)
        goto done;
    *out = arena_array(scope->arena, n + 1, sizeof **out);
    if (!*out) {
        rc = no_memory(e);
        goto done;
    }
    allot(&d, (int64_t)n);
    *n_out = draw(&d, *out);
    for (size_t i = 0; i < *n_out && !rc; i++)
        rc = load_detail(scope, &(*out)[i], e);
done:
    drawing_free(&d);
    return rc;
}

/* --- marks --------------------------------------------------------------------- */

enum mark_col { SAMPLE, MATCHER, RULE, VERDICT, CHECK, N_COLS };
static const char *const col_names[N_COLS] = { "sample", "matcher", "rule",
                                               "verdict", "check" };

static enum err_code find_cols(const struct csv *c, size_t *at, struct err *e)
{
    for (size_t k = 0; k < N_COLS; k++) {
        for (at[k] = 0; at[k] < c->n; at[k]++)
            if (same(c->field[at[k]], col_names[k]))
                break;
        if (at[k] == c->n)
            return err_set(e, ERR_FORMAT,
                           "row %zu: no column \"%s\": expected the table of "
                           "report audit --rules --sample as CSV",
                           c->row, col_names[k]);
    }
    return ERR_OK;
}

/* 1: as the person says; 0: not; -1: no mark. */
static enum err_code read_mark(const struct csv *c, const char *s, int *mark,
                               struct err *e)
{
    static const struct {
        const char *word;
        int mark;
    } words[] = { { "", -1 },     { "?", -1 }, { "1", 1 },   { "y", 1 },
                  { "yes", 1 },   { "ok", 1 }, { "对", 1 },  { "right", 1 },
                  { "正确", 1 },  { "0", 0 },  { "n", 0 },   { "no", 0 },
                  { "wrong", 0 }, { "错", 0 }, { "错误", 0 } };
    struct str t = str_trim(str_of(s));

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_is(t, words[i].word)) {
            *mark = words[i].mark;
            return ERR_OK;
        }
    return err_set(e, ERR_FORMAT,
                   "row %zu: check: expected 1 (read as a person would), 0 "
                   "(not) or nothing, got \"%s\"",
                   c->row, s);
}

static int by_sample(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static enum err_code read_sample(const struct csv *c, const char *s,
                                 const struct drawing *d,
                                 const struct member **out, struct err *e)
{
    struct member key = { .sample = 0 };
    char *end;

    key.sample = strtoll(s, &end, 10);
    *out = *s && !*end && d->n_members
               ? bsearch(&key, d->members, d->n_members, sizeof key, by_sample)
               : NULL;
    if (*out)
        return ERR_OK;
    return err_set(e, ERR_FORMAT,
                   "row %zu: sample: \"%s\" is none of those chosen in this "
                   "database",
                   c->row, s);
}

static enum err_code take_row(const struct csv *c, const size_t *at,
                              struct drawing *d, struct rules_checked *out,
                              struct err *e)
{
    const struct member *m = NULL;
    struct stratum *s;
    int mark = -1;
    enum err_code rc = ERR_OK;

    for (size_t k = 0; k < N_COLS && !rc; k++)
        if (at[k] >= c->n)
            rc = err_set(e, ERR_FORMAT, "row %zu: no \"%s\"", c->row,
                         col_names[k]);
    if (!rc)
        rc = read_mark(c, c->field[at[CHECK]], &mark, e);
    if (!rc && mark < 0)
        out->unmarked++;
    if (!rc && mark >= 0)
        rc = read_sample(c, c->field[at[SAMPLE]], d, &m, e);
    if (rc || !m)
        return rc;
    s = &d->strata[m->stratum];
    if (!is_stratum(s, str_of(c->field[at[MATCHER]]),
                    str_of(c->field[at[RULE]]),
                    str_of(c->field[at[VERDICT]]))) {
        out->stale++;
        return ERR_OK;
    }
    s->checked++;
    s->errors += !mark;
    return ERR_OK;
}

static enum err_code read_marks(struct str text, struct drawing *d,
                                struct rules_checked *out, struct err *e)
{
    struct csv *c = arena_alloc(d->scope->arena, sizeof *c);
    size_t at[N_COLS] = { 0 };
    bool more = true;
    enum err_code rc;

    if (!c)
        return no_memory(e);
    rc = csv_init(c, text, d->scope->arena, e);
    if (!rc)
        rc = csv_next(c, &more, e);
    if (!rc && !more)
        rc = err_set(e, ERR_FORMAT, "the table is empty");
    if (!rc)
        rc = find_cols(c, at, e);
    while (!rc && more) {
        rc = csv_next(c, &more, e);
        if (!rc && more)
            rc = take_row(c, at, d, out, e);
    }
    return rc;
}

/* --- error rates ------------------------------------------------------------------ */

static bool within(const struct stratum *s, const struct rules_error *x)
{
    return (!x->matcher || same(s->matcher, x->matcher)) &&
           (!x->rule || same(s->rule, x->rule));
}

/* Wilson's interval of a share p that is worth n samples. */
static void wilson(double p, double n, double alpha, struct rules_error *x)
{
    double z = stats_normal_quantile(1 - alpha / 2);
    double mid = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half =
        z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

    x->rate = p;
    x->lo = fmax(0, mid - half);
    x->hi = fmin(1, mid + half);
}

/* The strata that x is about, each by its size. */
static void estimate(const struct drawing *d, struct rules_error *x)
{
    double all = 0, seen = 0, p = 0, worth = 0;

    for (size_t i = 0; i < d->n_strata; i++) {
        const struct stratum *s = &d->strata[i];

        if (!within(s, x))
            continue;
        all += (double)s->size;
        seen += s->checked ? (double)s->size : 0;
        x->checked += s->checked;
        x->errors += s->errors;
    }
    for (size_t i = 0; i < d->n_strata; i++) {
        const struct stratum *s = &d->strata[i];
        double w = (double)s->size / seen, n = (double)s->checked;

        if (!within(s, x) || !s->checked)
            continue;
        p += w * (double)s->errors / n;
        worth += w * w / n;
    }
    x->covered = all > 0 ? seen / all : 0;
    if (worth > 0)
        wilson(p, 1 / worth, d->scope->alpha, x);
}

/* Adds a row unless one of that name is there, or nothing was checked. */
static void add_error(const struct drawing *d, const char *matcher,
                      const char *rule, struct rules_checked *out)
{
    struct rules_error x = { .matcher = matcher, .rule = rule };

    for (size_t i = 0; i < out->n; i++) {
        const struct rules_error *y = &out->list[i];
        if (matcher && y->matcher && same(y->matcher, matcher) &&
            !y->rule == !rule && (!rule || same(y->rule, rule)))
            return;
    }
    estimate(d, &x);
    if (x.checked)
        out->list[out->n++] = x;
}

enum err_code rules_check(const struct rules_scope *scope, struct str csv,
                          struct rules_checked *out, struct err *e)
{
    struct drawing d = { .scope = scope };
    enum err_code rc = load_members(&d, e);

    *out = (struct rules_checked){ .n = 0 };
    if (!rc && d.n_members)
        qsort(d.members, d.n_members, sizeof *d.members, by_sample);
    if (!rc)
        rc = read_marks(csv, &d, out, e);
    out->list =
        rc ? NULL
           : arena_array(scope->arena, 2 * d.n_strata + 1, sizeof *out->list);
    if (!rc && !out->list)
        rc = no_memory(e);
    for (size_t i = 0; i < d.n_strata && !rc; i++)
        add_error(&d, d.strata[i].matcher, d.strata[i].rule, out);
    for (size_t i = 0; i < d.n_strata && !rc; i++)
        add_error(&d, d.strata[i].matcher, NULL, out);
    if (!rc)
        add_error(&d, NULL, NULL, out);
    drawing_free(&d);
    return rc;
}
