/* pass: how often one of k tries is right, where items were asked several times.
 *
 * Of n trials of an item c were right; 1 - C(n-c,k) / C(n,k) is then an unbiased
 * estimate of the chance that one of k tries is (Chen et al. 2021).  Taking the
 * best of the first k, or 1 - (1 - c/n)^k, is not: the one throws trials away,
 * the other says too much.  A model's figure is the mean over the items, its
 * interval that of a bootstrap over items; a failed trial is no right one. */
#include <math.h>
#include <string.h>

#include "harness/stats.h"
#include "report/board.h"

enum { N_KS = 3, DRAWS = 2000, SEED = 1, TEXT_COLS = 6 };
static const int ks[N_KS] = { 1, 5, 10 };
/* Columns: the model's, then for each k the figure, its interval for people,
 * and its ends for programs. */
enum { MODEL, SUITE, ITEMS, TRIALS_LOW, TRIALS, FAILED, FIRST_K };
enum { PASS, INTERVAL, LOW, HIGH, OF_K };
#define N_COLS (FIRST_K + N_KS * OF_K)

/* One column a line. */
/* clang-format off */
static const struct column_words words[N_COLS] = {
    [MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [SUITE] = { "suite", "套题", "suite", false, COLUMN_ALL },
    [ITEMS] = { "items", "题数", "items", true, COLUMN_ALL },
    [TRIALS_LOW] = { "trials_least", "", "", true, COLUMN_MACHINE },
    [TRIALS] = { "trials", "次数", "trials", true, COLUMN_ALL },
    [FAILED] = { "failed", "失败", "failed", true, COLUMN_ALL },
    [FIRST_K + PASS] = { "pass_1", "pass@1", "pass@1", true, COLUMN_ALL },
    [FIRST_K + INTERVAL] = { "interval_1", "区间", "interval", true, COLUMN_PEOPLE },
    [FIRST_K + LOW] = { "low_1", "", "", true, COLUMN_MACHINE },
    [FIRST_K + HIGH] = { "high_1", "", "", true, COLUMN_MACHINE },
    [FIRST_K + OF_K + PASS] = { "pass_5", "pass@5", "pass@5", true, COLUMN_ALL },
    [FIRST_K + OF_K + INTERVAL] = { "interval_5", "区间", "interval", true, COLUMN_PEOPLE },
    [FIRST_K + OF_K + LOW] = { "low_5", "", "", true, COLUMN_MACHINE },
    [FIRST_K + OF_K + HIGH] = { "high_5", "", "", true, COLUMN_MACHINE },
    [FIRST_K + 2 * OF_K + PASS] = { "pass_10", "pass@10", "pass@10", true, COLUMN_ALL },
    [FIRST_K + 2 * OF_K + INTERVAL] = { "interval_10", "区间", "interval", true, COLUMN_PEOPLE },
    [FIRST_K + 2 * OF_K + LOW] = { "low_10", "", "", true, COLUMN_MACHINE },
    [FIRST_K + 2 * OF_K + HIGH] = { "high_10", "", "", true, COLUMN_MACHINE },
};
/* clang-format on */

static const char query[] =
    "SELECT m.id, su.id, i.trials, round(i.all_turns * i.trials), i.failed,"
    " i.unscored FROM item_scores AS i JOIN model AS m ON m.pk = i.model_pk"
    " JOIN suite AS su ON su.pk = i.suite_pk WHERE i.asked > 0"
    " AND " CHOSEN_MODEL
    " AND " CHOSEN_SUITE("i.subset") " ORDER BY m.id, su.id, i.item";
enum { Q_MODEL, Q_SUITE, Q_TRIALS, Q_RIGHT, Q_FAILED, Q_UNSCORED };

struct item_tries {
    const char *model, *suite;
    int64_t n, right, failed, unscored;
};

struct loaded {
    struct item_tries *v;
    size_t n, cap;
    struct arena *a;
};

/* Names repeat from row to row: each is kept once. */
static const char *keep(struct loaded *l, const char *before, struct str s)
{
    return before && str_is(s, before) ? before : arena_dup(l->a, s.p, s.n);
}

static enum err_code take_row(void *user, const struct store_row *r,
                              struct err *e)
{
    struct loaded *l = user;
    const struct item_tries *last = l->n ? &l->v[l->n - 1] : NULL;
    struct item_tries t = {
        .model = keep(l, last ? last->model : NULL, row_str(r, Q_MODEL)),
        .suite = keep(l, last ? last->suite : NULL, row_str(r, Q_SUITE)),
        .n = row_int(r, Q_TRIALS),
        .right = row_int(r, Q_RIGHT),
        .failed = row_int(r, Q_FAILED),
        .unscored = row_int(r, Q_UNSCORED),
    };

    if (l->a->failed || !mem_grow(&l->v, &l->cap, l->n + 1, sizeof *l->v))
        return err_set(e, ERR_NOMEM, "no memory for the tries");
    l->v[l->n++] = t;
    return ERR_OK;
}

/* Items of one model and suite: [from, to). */
static size_t group_end(const struct loaded *l, size_t from)
{
    size_t to = from;

    while (to < l->n && strcmp(l->v[to].model, l->v[from].model) == 0 &&
           strcmp(l->v[to].suite, l->v[from].suite) == 0)
        to++;
    return to;
}

static size_t count_groups(const struct loaded *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i = group_end(l, i))
        n++;
    return n;
}

/* Empty where an item has fewer than k trials: a mean over the others would be
 * of another set of items. */
static enum err_code fill_k(struct cell *c, const struct item_tries *v,
                            size_t n, int k, const struct report_params *p,
                            struct err *e)
{
    double *x = arena_array(p->arena, n, sizeof *x), mean;
    struct interval ci;

    if (!x)
        return err_set(e, ERR_NOMEM, "no memory for the tries");
    for (size_t i = 0; i < n; i++)
        x[i] = stats_pass_at_k(v[i].n, v[i].right, k);
    mean = stats_mean(x, n);
    if (isnan(mean))
        return ERR_OK;
    ci = stats_bootstrap_mean(x, NULL, n, DRAWS, SEED, p->alpha);
    cells_interval(c + PASS, p->arena, mean, ci, 100, 1);
    return ERR_OK;
}

static enum err_code fill_row(struct cell *c, const struct item_tries *v,
                              size_t n, const struct report_params *p,
                              struct err *e)
{
    int64_t least = INT64_MAX, most = 0, failed = 0;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < n; i++) {
        least = v[i].n < least ? v[i].n : least;
        most = v[i].n > most ? v[i].n : most;
        failed += v[i].failed;
    }
    c[MODEL] = cell_text(v[0].model);
    c[SUITE] = cell_text(v[0].suite);
    c[ITEMS] = cell_int((int64_t)n);
    c[TRIALS_LOW] = cell_int(least);
    c[TRIALS] = cell_int(most);
    c[FAILED] = cell_int(failed);
    for (int k = 0; k < N_KS && !rc; k++)
        rc = fill_k(c + FIRST_K + k * OF_K, v, n, ks[k], p, e);
    return rc;
}

static void put_notes(const struct loaded *l, const struct report_params *p,
                      struct table *t)
{
    int64_t unscored = 0;

    REPORT_NOTE(p, t,
                "pass@k: k 次中至少一次正确的无偏估计 1-C(n-c,k)/C(n,k), 各题"
                "等权; 区间 %g%%: 按题自助抽样 %d 次 (种子 %d); 失败的请求不算"
                "正确; 有题不足 k 次的不计",
                "pass@k: unbiased estimate 1-C(n-c,k)/C(n,k) that one of k "
                "tries is right, mean over items; %g %% interval: bootstrap "
                "over items, %d draws (seed %d); a failed request is no right "
                "one; empty where an item has fewer than k trials",
                100 * (1 - p->alpha), DRAWS, SEED);
    for (size_t i = 0; i < l->n; i++)
        unscored += l->v[i].unscored;
    if (unscored)
        REPORT_NOTE(p, t, "%lld 个回答尚未评分, 按不正确计: 先运行 mokao score",
                    "%lld answers have no score yet and count as not right: "
                    "run mokao score",
                    (long long)unscored);
}

static enum err_code fill(const struct loaded *l, const struct report_params *p,
                          struct table *t, struct err *e)
{
    size_t row = 0;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < l->n && !rc; i = group_end(l, i))
        rc = fill_row(table_cell(t, row++, 0), l->v + i, group_end(l, i) - i, p,
                      e);
    put_notes(l, p, t);
    return rc ? rc : table_check(t, e);
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct loaded l = { .a = p->arena };
    const struct column *cols = report_columns(p, words, N_COLS);
    enum err_code rc = report_check_chosen(p, e);

    *n = 1;
    *tables = arena_alloc(p->arena, sizeof **tables);
    if (!rc && (!cols || !*tables))
        rc = err_set(e, ERR_NOMEM, "no memory for the report");
    if (!rc)
        rc = report_query(p, query, take_row, &l, e);
    if (!rc && !l.n)
        rc = err_set(e, ERR_FORMAT,
                     "nothing has been asked of these models and suites: "
                     "`mokao run --trials 10` does");
    if (!rc)
        rc = table_init(*tables, p->arena,
                        report_word(p, "多次作答", "Several tries"), cols,
                        N_COLS, count_groups(&l), e);
    if (!rc)
        rc = fill(&l, p, *tables, e);
    mem_free(l.v);
    return rc;
}

const struct report_kind report_pass = {
    .name = "pass",
    .doc = "pass@k: how often one of k tries is right, of several trials",
    .make = make,
};
