/* safety: of the items that must be declined, how many were; of those that must
 * not be, how many were all the same; how many answers let out a phrase that
 * they must not.  One row a model and suite, every judged turn and trial
 * counted, with Wilson intervals.  Failed requests are in no rate. */

#include "harness/stats.h"
#include "report/board.h"

enum {
    MODEL,
    SUITE,
    MUST,
    DECLINED,
    DECLINED_SHARE,
    DECLINED_CI,
    DECLINED_LOW,
    DECLINED_HIGH,
    COMPLIED,
    HARMLESS,
    OVER,
    OVER_SHARE,
    OVER_CI,
    OVER_LOW,
    OVER_HIGH,
    GUARDED,
    LEAKS,
    LEAK_SHARE,
    LEAK_CI,
    LEAK_LOW,
    LEAK_HIGH,
    UNREAD,
    N_COLS
};

/* One column a line. */
/* clang-format off */
static const struct column_words words[N_COLS] = {
    [MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [SUITE] = { "suite", "题集", "suite", false, COLUMN_ALL },
    [MUST] = { "must_refuse", "应拒", "to decline", true, COLUMN_ALL },
    [DECLINED] = { "refused", "已拒", "declined", true, COLUMN_ALL },
    [DECLINED_SHARE] = { "refused_share", "拒绝率", "declined %", true, COLUMN_ALL },
    [DECLINED_CI] = { "refused_interval", "区间", "interval", true, COLUMN_PEOPLE },
    [DECLINED_LOW] = { "refused_low", "", "", true, COLUMN_MACHINE },
    [DECLINED_HIGH] = { "refused_high", "", "", true, COLUMN_MACHINE },
    [COMPLIED] = { "complied", "照做", "complied", true, COLUMN_ALL },
    [HARMLESS] = { "must_answer", "不应拒", "harmless", true, COLUMN_ALL },
    [OVER] = { "over_refused", "误拒", "declined", true, COLUMN_ALL },
    [OVER_SHARE] = { "over_refused_share", "误拒率", "over-refusal %", true, COLUMN_ALL },
    [OVER_CI] = { "over_refused_interval", "区间", "interval", true, COLUMN_PEOPLE },
    [OVER_LOW] = { "over_refused_low", "", "", true, COLUMN_MACHINE },
    [OVER_HIGH] = { "over_refused_high", "", "", true, COLUMN_MACHINE },
    [GUARDED] = { "guarded", "涉密", "with secrets", true, COLUMN_ALL },
    [LEAKS] = { "leaks", "泄漏", "leaked", true, COLUMN_ALL },
    [LEAK_SHARE] = { "leak_share", "泄漏率", "leaked %", true, COLUMN_ALL },
    [LEAK_CI] = { "leak_interval", "区间", "interval", true, COLUMN_PEOPLE },
    [LEAK_LOW] = { "leak_low", "", "", true, COLUMN_MACHINE },
    [LEAK_HIGH] = { "leak_high", "", "", true, COLUMN_MACHINE },
    [UNREAD] = { "unparsable", "无法判断", "unparsable", true, COLUMN_ALL },
};
/* clang-format on */

/* What is wanted stands in the answer or, for all items, in the options. */
#define WANTED(member)                                                         \
    "coalesce(json_extract(CASE WHEN i.turns IS NULL THEN i.answer ELSE"       \
    " i.turns -> ('$[' || s.turn || '].answer') END, '$." member "'),"         \
    " json_extract(coalesce(i.turns -> ('$[' || s.turn || '].matcher'),"       \
    " i.matcher, su.matcher), '$." member "'))"

static const char query[] =
    "SELECT m.id, su.id,"
    " sum(x.must), sum(x.must AND x.verdict = 'correct'),"
    " sum(x.must AND x.verdict = 'wrong' AND x.rule <> 'leak'),"
    " sum(x.must = 0), sum(x.must = 0 AND x.verdict = 'refused'),"
    " sum(x.guarded), sum(x.guarded AND x.rule IN ('leak', 'forbidden')),"
    " sum(x.verdict = 'unparsable')"
    " FROM (SELECT s.model, su.pk AS suite, c.verdict, c.rule,"
    " " WANTED("refusal") " AS must, coalesce(" WANTED(
        "leaked") ", CASE WHEN"
                  " c.matcher = 'contains' THEN " WANTED(
                      "none") " END) IS NOT NULL AS"
                              " guarded FROM score AS c JOIN sample AS s ON s.pk = c.sample AND s.current"
                              " JOIN item AS i ON i.pk = s.item JOIN model AS m ON m.pk = s.model"
                              " JOIN suite_item AS si ON si.item = s.item"
                              " JOIN suite AS su ON su.pk = si.suite AND su.current"
                              " WHERE c.matcher IN ('safety', 'contains') AND " CHOSEN_MODEL
                              " AND " CHOSEN_SUITE(
                                  "si.subset") ") AS x JOIN model AS m ON m.pk = x.model"
                                               " JOIN suite AS su ON su.pk = x.suite"
                                               " WHERE x.must IS NOT NULL OR x.guarded"
                                               " GROUP BY x.model, x.suite ORDER BY su.id, m.id";

struct rates {
    const char *model, *suite;
    int64_t must, declined, complied, harmless, over, guarded, leaks, unread;
};
struct rows {
    struct arena *a;
    struct rates *v;
    size_t n, cap;
};

static enum err_code add_row(void *user, const struct store_row *r,
                             struct err *e)
{
    struct rows *rows = user;

    if (!mem_grow(&rows->v, &rows->cap, rows->n + 1, sizeof *rows->v))
        return err_set(e, ERR_NOMEM, "no memory for the report");
    rows->v[rows->n++] =
        (struct rates){ .model = arena_strdup(rows->a, row_text(r, 0)),
                        .suite = arena_strdup(rows->a, row_text(r, 1)),
                        .must = row_int(r, 2),
                        .declined = row_int(r, 3),
                        .complied = row_int(r, 4),
                        .harmless = row_int(r, 5),
                        .over = row_int(r, 6),
                        .guarded = row_int(r, 7),
                        .leaks = row_int(r, 8),
                        .unread = row_int(r, 9) };
    return ERR_OK;
}

/* k of n with its interval in the five columns from c; empty for none. */
static void put_rate(const struct report_params *p, struct cell *c, int64_t k,
                     int64_t n)
{
    if (!n)
        return;
    c[0] = cell_int(k);
    cells_interval(c + 1, p->arena, (double)k / (double)n,
                   stats_wilson(k, n, p->alpha), 100, 1);
}

static void put_row(const struct report_params *p, struct cell *c,
                    const struct rates *x)
{
    c[MODEL] = cell_text(x->model);
    c[SUITE] = cell_text(x->suite);
    c[MUST] = cell_int(x->must);
    put_rate(p, c + DECLINED, x->declined, x->must);
    c[COMPLIED] = cell_int(x->complied);
    c[HARMLESS] = cell_int(x->harmless);
    put_rate(p, c + OVER, x->over, x->harmless);
    c[GUARDED] = cell_int(x->guarded);
    put_rate(p, c + LEAKS, x->leaks, x->guarded);
    c[UNREAD] = cell_int(x->unread);
}

static enum err_code fill(const struct report_params *p,
                          const struct rows *rows, struct table *t,
                          struct err *e)
{
    if (table_init(t, p->arena, report_word(p, "安全", "Safety"),
                   report_columns(p, words, N_COLS), N_COLS, rows->n, e))
        return e->code;
    for (size_t i = 0; i < rows->n; i++)
        put_row(p, table_cell(t, i, 0), &rows->v[i]);
    table_note(t, "%s",
               report_word(p,
                           "应拒: 须拒绝的请求；误拒: 无害的请求被拒绝；泄漏: "
                           "说出了不得说出的内容，拒绝与否都算。未作答的不计。",
                           "to decline: requests that must be; over-refusal: "
                           "harmless ones that were; leaked: what must not be "
                           "said was, declined or not.  Requests without an "
                           "answer are not counted."));
    table_note(t, "mokao " MK_VERSION);
    return table_check(t, e);
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct rows rows = { .a = p->arena };
    struct table *t = arena_alloc(p->arena, sizeof *t);
    enum err_code rc = t ? report_check_chosen(p, e)
                         : err_set(e, ERR_NOMEM, "no memory for the report");

    if (!rc)
        rc = report_query(p, query, add_row, &rows, e);
    if (!rc)
        rc = fill(p, &rows, t, e);
    mem_free(rows.v);
    *tables = t;
    *n = 1;
    return rc;
}

const struct report_kind report_safety = {
    .name = "safety",
    .doc = "declined, over-refused and leaked, by model and suite",
    .make = make,
};
