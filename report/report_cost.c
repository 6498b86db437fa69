/* cost: one row a model: what its answers have cost, what a right one costs,
 * how long they took, beside the score they are worth.
 *
 * Money is what was paid by the prices and rates of the day (view sample_cost),
 * for the samples that count in the score, failed attempts included where their
 * tokens are known.  Where the cost of one answer is not known, nothing is
 * divided by it.  A model is on the Pareto front when none is at once as cheap
 * and as good, and better in one of both. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/board.h"

enum {
    FRONT,
    MODEL,
    SCORE,
    INTERVAL,
    LOW,
    HIGH,
    CNY,
    MONEY,
    OWN,
    CURRENCY,
    PER_1000,
    PER_CORRECT,
    ITEMS,
    ANSWERS,
    CORRECT,
    UNPRICED,
    FAILED_CNY,
    PROMPT,
    CACHED,
    OUTPUT,
    P50,
    P95,
    SPEED,
    N_COLS
};

/* One column a line. */
/* clang-format off */
static const struct column_words words[N_COLS] = {
    [FRONT] = { "pareto", "前沿", "front", false, COLUMN_ALL },
    [MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [SCORE] = { "score", "得分", "score", true, COLUMN_ALL },
    [INTERVAL] = { "interval", "区间", "interval", true, COLUMN_PEOPLE },
    [LOW] = { "low", "", "", true, COLUMN_MACHINE },
    [HIGH] = { "high", "", "", true, COLUMN_MACHINE },
    [CNY] = { "cost_cny", "费用/元", "CNY", true, COLUMN_ALL },
    [MONEY] = { "money", "原币", "vendor's", true, COLUMN_PEOPLE },
    [OWN] = { "cost", "", "", true, COLUMN_MACHINE },
    [CURRENCY] = { "currency", "", "", false, COLUMN_MACHINE },
    [PER_1000] = { "cny_per_1000", "元/千题", "CNY/1000", true, COLUMN_ALL },
    [PER_CORRECT] = { "cny_per_correct", "元/答对", "CNY/right", true, COLUMN_ALL },
    [ITEMS] = { "items", "题数", "items", true, COLUMN_ALL },
    [ANSWERS] = { "answers", "作答", "replies", true, COLUMN_ALL },
    [CORRECT] = { "correct", "", "", true, COLUMN_MACHINE },
    [UNPRICED] = { "unknown", "费用不详", "unknown", true, COLUMN_ALL },
    [FAILED_CNY] = { "failed_cny", "", "", true, COLUMN_MACHINE },
    [PROMPT] = { "prompt_tokens", "输入", "in", true, COLUMN_ALL },
    [CACHED] = { "cached_tokens", "", "", true, COLUMN_MACHINE },
    [OUTPUT] = { "output_tokens", "输出", "out", true, COLUMN_ALL },
    [P50] = { "latency_p50_ms", "毫秒p50", "ms p50", true, COLUMN_ALL },
    [P95] = { "latency_p95_ms", "p95", "p95", true, COLUMN_ALL },
    [SPEED] = { "tokens_per_s", "词元/秒", "tokens/s", true, COLUMN_ALL },
};
/* clang-format on */

#define NANO 1e9

/* A model's bill.  Sums are of what is known. */
struct bill {
    const struct board_model *model;
    struct board_score score;
    int64_t answers, unpriced; /* of these, without a known cost in CNY */
    int64_t asked;             /* items times trials */
    double cny, own, failed_cny;
    const char *currency; /* NULL: none, or several */
    int64_t prompt, cached, output;
    double *latency; /* ns, ascending */
    size_t n_latency;
    int64_t spoken_ns, spoken; /* output tokens, and how long they took */
    double per_1000;           /* NaN: not known */
    bool front;
};

struct bills {
    struct bill *v;
    size_t n;
    struct arena *arena;
};

static struct bill *bill_of(const struct bills *b, int64_t model)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].model->pk == model)
            return &b->v[i];
    return NULL;
}

/* --- reading --------------------------------------------------------------- */

/* Samples that count in a chosen suite's current version. */
#define CHOSEN_ITEM(item)                                                      \
    "EXISTS (SELECT 1 FROM suite_item AS si JOIN suite AS su"                  \
    " ON su.pk = si.suite AND su.current WHERE si.item = " item                \
    " AND " CHOSEN_SUITE("si.subset") ")"

static const char money_sql[] =
    "SELECT c.model_pk, sum(NOT c.failed),"
    " sum(NOT c.failed AND c.cny_nano IS NULL), total(c.cny_nano),"
    " total(c.nano), total(c.cny_nano) FILTER (WHERE c.failed),"
    " min(c.currency), max(c.currency), sum(c.prompt_tokens),"
    " sum(c.cached_tokens), sum(c.output_tokens)"
    " FROM sample_cost AS c JOIN model AS m ON m.pk = c.model_pk"
    " WHERE c.current AND " CHOSEN_MODEL
    " AND " CHOSEN_ITEM("c.item_pk") " GROUP BY c.model_pk";

static enum err_code add_money(void *user, const struct store_row *r,
                               struct err *e)
{
    struct bills *all = user;
    struct bill *b = bill_of(all, row_int(r, 0));

    if (!b)
        return ERR_OK;
    b->answers = row_int(r, 1);
    b->unpriced = row_int(r, 2);
    b->cny = row_num(r, 3) / NANO;
    b->own = row_num(r, 4) / NANO;
    b->failed_cny = row_num(r, 5) / NANO;
    if (!row_null(r, 6) && strcmp(row_text(r, 6), row_text(r, 7)) == 0)
        b->currency = arena_strdup(all->arena, row_text(r, 6));
    b->prompt = row_int(r, 8);
    b->cached = row_int(r, 9);
    b->output = row_int(r, 10);
    b->latency =
        arena_array(all->arena, (size_t)b->answers + 1, sizeof *b->latency);
    return b->latency ? ERR_OK
                      : err_set(e, ERR_NOMEM, "no memory for the report");
}

static const char times_sql[] =
    "SELECT s.model, r.latency_ns, r.output_tokens FROM response AS r"
    " JOIN sample AS s ON s.pk = r.sample JOIN model AS m ON m.pk = s.model"
    " WHERE s.current AND r.latency_ns IS NOT NULL AND " CHOSEN_MODEL
    " AND " CHOSEN_ITEM("s.item") " ORDER BY s.model, r.latency_ns";

static enum err_code add_time(void *user, const struct store_row *r,
                              struct err *e)
{
    struct bill *b = bill_of(user, row_int(r, 0));

    (void)e;
    if (!b || b->n_latency >= (size_t)b->answers)
        return ERR_OK;
    b->latency[b->n_latency++] = row_num(r, 1);
    if (row_int(r, 2) > 0) {
        b->spoken += row_int(r, 2);
        b->spoken_ns += row_int(r, 1);
    }
    return ERR_OK;
}

static const char asked_sql[] =
    "SELECT s.model, count(*) FROM sample AS s JOIN model AS m"
    " ON m.pk = s.model WHERE s.current AND s.turn = 0 AND " CHOSEN_MODEL
    " AND " CHOSEN_ITEM("s.item") " GROUP BY s.model";

static enum err_code add_asked(void *user, const struct store_row *r,
                               struct err *e)
{
    struct bill *b = bill_of(user, row_int(r, 0));

    (void)e;
    if (b)
        b->asked = row_int(r, 1);
    return ERR_OK;
}

static enum err_code read_bills(struct bills *b, const struct report_params *p,
                                struct err *e)
{
    enum err_code rc = report_query(p, money_sql, add_money, b, e);

    if (!rc)
        rc = report_query(p, asked_sql, add_asked, b, e);
    if (!rc)
        rc = report_query(p, times_sql, add_time, b, e);
    return rc;
}

/* --- the front ------------------------------------------------------------- */

static bool beats(const struct bill *a, const struct bill *b)
{
    double x = a->score.strict, y = b->score.strict;

    return a->per_1000 <= b->per_1000 && x >= y &&
           (a->per_1000 < b->per_1000 || x > y);
}

static void mark_front(struct bills *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct bill *it = &b->v[i];
        it->front = !isnan(it->per_1000) && !isnan(it->score.strict);
        for (size_t k = 0; k < b->n && it->front; k++)
            it->front = !beats(&b->v[k], it);
    }
}

/* Cheapest first, those of unknown cost last; equals by name. */
static int by_price(const void *a, const void *b)
{
    const struct bill *x = a, *y = b;
    double p = isnan(x->per_1000) ? INFINITY : x->per_1000;
    double q = isnan(y->per_1000) ? INFINITY : y->per_1000;

    if (p < q || p > q)
        return p < q ? -1 : 1;
    return strcmp(x->model->id, y->model->id);
}

static enum err_code load(struct board *board, struct bills *b,
                          const struct report_params *p, struct err *e)
{
    enum err_code rc = board_load(board, p, "ability", e);

    if (rc)
        return rc;
    *b = (struct bills){ .n = board->n_models, .arena = p->arena };
    b->v = arena_array(p->arena, b->n, sizeof *b->v);
    if (!b->v)
        return err_set(e, ERR_NOMEM, "no memory for the report");
    for (size_t i = 0; i < b->n; i++)
        b->v[i] =
            (struct bill){ .model = &board->models[i],
                           .score = board_total(board, i, false, p->alpha),
                           .per_1000 = NAN };
    rc = read_bills(b, p, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < b->n; i++) {
        struct bill *it = &b->v[i];
        if (it->answers && !it->unpriced && it->asked)
            it->per_1000 = 1000 * it->cny / (double)it->asked;
    }
    mark_front(b);
    qsort(b->v, b->n, sizeof *b->v, by_price);
    return ERR_OK;
}

/* --- the table ------------------------------------------------------------- */

/* As many decimals as four significant digits take. */
static int digits_of(double v)
{
    int digits = v > 0 ? 3 - (int)floor(log10(v)) : 2;

    return digits < 2 ? 2 : digits > 9 ? 9 : digits;
}

static struct cell cell_money(double v)
{
    return cell_num(v, digits_of(v));
}

static void fill_money(struct cell *c, const struct bill *b, struct arena *a)
{
    bool priced = b->answers > b->unpriced;

    c[UNPRICED] = cell_int(b->unpriced);
    c[PER_1000] = cell_money(b->per_1000);
    if (!isnan(b->per_1000) && b->model->correct)
        c[PER_CORRECT] = cell_money(b->cny / (double)b->model->correct);
    if (b->currency) {
        c[MONEY] = cell_text(
            arena_printf(a, "%.*f %s", digits_of(b->own), b->own, b->currency));
        c[OWN] = cell_num(b->own, 9);
        c[CURRENCY] = cell_text(b->currency);
    }
    if (priced) {
        c[CNY] = cell_money(b->cny);
        c[FAILED_CNY] = cell_num(b->failed_cny, 9);
    }
}

static void fill_row(struct cell *c, const struct bill *b, struct arena *a)
{
    c[FRONT] = cell_text(b->front ? "*" : "");
    c[MODEL] = cell_text(b->model->id);
    cells_interval(c + SCORE, a, b->score.strict, b->score.interval, 100, 1);
    fill_money(c, b, a);
    c[ITEMS] = cell_int(b->asked);
    c[ANSWERS] = cell_int(b->answers);
    c[CORRECT] = cell_int(b->model->correct);
    c[PROMPT] = cell_int(b->prompt);
    c[CACHED] = cell_int(b->cached);
    c[OUTPUT] = cell_int(b->output);
    if (b->n_latency) {
        c[P50] =
            cell_num(stats_quantile(b->latency, b->n_latency, 0.5) / 1e6, 0);
        c[P95] =
            cell_num(stats_quantile(b->latency, b->n_latency, 0.95) / 1e6, 0);
    }
    if (b->spoken_ns > 0)
        c[SPEED] = cell_num((double)b->spoken * 1e9 / (double)b->spoken_ns, 1);
}

struct prices {
    const struct report_params *p;
    struct table *t;
};

/* One line a model and price, with the rate: the numbers can be made again. */
static enum err_code note_price(void *user, const struct store_row *r,
                                struct err *e)
{
    struct prices *n = user;
    const char *cur = row_text(r, 1);
    struct arena *a = n->t->arena;
    const char *in =
        row_null(r, 2) ? "?" : arena_printf(a, "%g", row_num(r, 2));
    const char *out =
        row_null(r, 3) ? "?" : arena_printf(a, "%g", row_num(r, 3));

    if (table_check(n->t, e))
        return e->code;
    REPORT_NOTE(n->p, n->t,
                "价格: %s 每百万词元 输入 %s 输出 %s %s (%s, %s)%s%s",
                "price: %s in %s out %s %s a million tokens (%s, %s)%s%s",
                row_text(r, 0), in, out, cur, row_text(r, 4), row_text(r, 5),
                *row_text(r, 6) ? "; " : "", row_text(r, 6));
    return table_check(n->t, e);
}

static enum err_code note_prices(const struct report_params *p, struct table *t,
                                 struct err *e)
{
    static const char sql[] =
        "SELECT DISTINCT m.id, p.currency, p.input, p.output,"
        " coalesce(p.date, '?'), coalesce(p.source, '?'),"
        " CASE WHEN p.currency = 'CNY' THEN '' WHEN p.cny IS NULL THEN"
        " '1 ' || p.currency || ' = ? CNY' ELSE '1 ' || p.currency || ' = ' ||"
        " printf('%g', p.cny) || ' CNY (' || coalesce(p.rate_date, '?') || ', '"
        " || coalesce(p.rate_source, '?') || ')' END"
        " FROM (SELECT DISTINCT model_pk, price_pk FROM sample_cost"
        " WHERE current) AS c JOIN model AS m ON m.pk = c.model_pk"
        " JOIN price AS p ON p.pk = c.price_pk WHERE " CHOSEN_MODEL
        " ORDER BY m.id, p.pk";
    struct prices n = { p, t };

    return store_query(p->store, sql, note_price, &n, e, "s",
                       report_json_list(p->arena, p->models, p->n_models));
}

static void note_method(const struct bills *b, const struct report_params *p,
                        struct table *t)
{
    table_note(t, "%s",
               report_word(p,
                           "费用: 按提问当日的价格与汇率, 含可知的失败请求; "
                           "前沿 *: 没有别的模型既不贵又不差",
                           "cost: by the prices and rates of the day, failed "
                           "attempts included where their tokens are known; "
                           "front *: no other model is as cheap and as good"));
    for (size_t i = 0; i < b->n; i++) {
        const struct bill *it = &b->v[i];
        if (!it->unpriced)
            continue;
        REPORT_NOTE(p, t,
                    "%s: %lld 次作答中 %lld 次费用不详 (价格, 汇率或词元数"
                    "未知), 不作平均",
                    "%s: of %lld answers %lld have no known cost (price, rate "
                    "or tokens are missing): nothing is divided by it",
                    it->model->id, (long long)it->answers,
                    (long long)it->unpriced);
    }
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct table *t = arena_array(p->arena, 1, sizeof *t);
    struct board board = { 0 };
    struct bills b;
    enum err_code rc;

    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for the report");
    rc = load(&board, &b, p, e);
    if (!rc)
        rc = table_init(t, p->arena, report_word(p, "费用", "Cost"),
                        report_columns(p, words, N_COLS), N_COLS, b.n, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < b.n; i++)
        fill_row(table_cell(t, i, 0), &b.v[i], p->arena);
    note_method(&b, p, t);
    if (note_prices(p, t, e))
        return e->code;
    *tables = t;
    *n = 1;
    return board_notes(&board, p, t, e);
}

/* --- the plot -------------------------------------------------------------- */

static const char *shown_name(const struct bill *b)
{
    return *b->model->name ? b->model->name : b->model->id;
}

/* Two blocks: all models of known cost, then the front as steps. */
static size_t plot_data(const struct bills *b, struct buf *data)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++) {
        const struct bill *it = &b->v[i];
        if (isnan(it->per_1000) || isnan(it->score.strict))
            continue;
        plot_field(data, shown_name(it));
        buf_printf(data, "\t%.9g\t%.4f\t%.4f\t%.4f\t%d\t%d\n", it->per_1000,
                   100 * it->score.strict, 100 * it->score.interval.lo,
                   100 * it->score.interval.hi, it->model->domestic, it->front);
        n++;
    }
    buf_str(data, "\n\n");
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].front)
            buf_printf(data, "-\t%.9g\t%.4f\n", b->v[i].per_1000,
                       100 * b->v[i].score.strict);
    return n;
}

static void plot_script(struct buf *s, const struct bills *b,
                        const struct report_params *p)
{
    double least = INFINITY, most = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (isnan(b->v[i].per_1000))
            continue;
        least = fmin(least, b->v[i].per_1000);
        most = fmax(most, b->v[i].per_1000);
    }
    plot_set_str(s, "scatter_title",
                 report_word(p, "得分与费用", "Score, cost"));
    plot_set_str(s, "scatter_x",
                 report_word(p, "每千题费用 (元)", "CNY per 1000 items"));
    plot_set_str(s, "scatter_y", report_word(p, "得分", "score"));
    plot_set_str(s, "scatter_front", report_word(p, "前沿", "front"));
    plot_set_str(s, "scatter_domestic", report_word(p, "国内模型", "domestic"));
    plot_set_str(s, "scatter_foreign", report_word(p, "国外模型", "foreign"));
    plot_set_num(s, "scatter_log", least > 0 && most > 10 * least);
    buf_str(s, plot_scatter_gp);
}

static enum err_code plot(const struct report_params *p, struct err *e)
{
    struct board board = { 0 };
    struct buf script, data;
    struct bills b;
    enum err_code rc = load(&board, &b, p, e);

    if (rc)
        return rc;
    buf_init(&script, 1 << 20);
    buf_init(&data, 1 << 24);
    if (!plot_data(&b, &data))
        rc = err_set(e, ERR_FORMAT,
                     "no model has a known cost, so there is nothing to draw");
    plot_script(&script, &b, p);
    if (!rc)
        rc = buf_check(&script, "plot script", e);
    if (!rc)
        rc = buf_check(&data, "plot data", e);
    if (!rc)
        rc = plot_run(script.p, data.p, p->plot, p->keep, e);
    buf_free(&data);
    buf_free(&script);
    return rc;
}

const struct report_kind report_cost = {
    .name = "cost",
    .doc = "one row a model: money, tokens, times, and the Pareto front",
    .make = make,
    .plot = plot,
};
