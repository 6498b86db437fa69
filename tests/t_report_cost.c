/* report cost: money, tokens and times are those of the samples. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "report/report.h"
#include "tests/store_fill.h"
#include "tests/t.h"

static struct arena arena;
static struct err e;
static struct store *store;
static struct report_params params;

enum { ITEMS = 20 };

static int64_t put_price(double in, double out, const char *currency,
                         double cny)
{
    struct store_price p = { .in = in,
                             .cached = NAN,
                             .out = out,
                             .currency = currency,
                             .date = "2026-11-01",
                             .source = "list",
                             .cny = cny,
                             .rate_date = "2026-11-20",
                             .rate_source = "table" };
    int64_t id;

    t_ok(store_put_price(store, &p, &id, &e), &e);
    return id;
}

/* Answers of 100 tokens in, 10 out, of which the first n_right are right; the
 * i-th took i + 1 ms. */
static struct fill add_model(const char *name, size_t n_right, int64_t price)
{
    struct fill f = fill_make(store, name, "suite", ITEMS);

    for (size_t i = 0; i < ITEMS; i++) {
        struct store_sample k = fill_key(&f, i);
        struct store_response r = { .text = "B",
                                    .finish = "stop",
                                    .margin = NAN,
                                    .prompt_tokens = 100,
                                    .cached_tokens = -1,
                                    .output_tokens = 10,
                                    .latency_ns = (int64_t)(i + 1) * 1000000,
                                    .first_token_ns = -1,
                                    .attempts = 1,
                                    .price = price };
        struct store_score c = { .matcher = "choice",
                                 .version = 1,
                                 .settings_hash = "",
                                 .verdict = i < n_right ? "correct" : "wrong",
                                 .score = i < n_right };
        int64_t id;
        bool added;
        t_ok(store_add_response(store, &k, &r, &id, &added, &e), &e);
        t_ok(store_put_score(store, id, &c, &e), &e);
    }
    return f;
}

static void add_failure(const struct fill *f, int64_t price)
{
    struct store_sample k = fill_key(f, 0);
    struct store_error x = { .code = "FILTERED",
                             .message = "m",
                             .at_ms = 1,
                             .prompt_tokens = 100,
                             .price = price };
    int64_t id;

    t_ok(store_add_error(store, &k, &x, &id, &e), &e);
}

/* dear is best, cheap is cheapest, bad is dearer than cheap and worse, local
 * has no price. */
static void open_db(void)
{
    struct fill f;
    int64_t price;

    arena_init(&arena, 0);
    io_set_clock(1764000000000);
    store = fill_open(arena_printf(&arena, "%s/%d.db", t_tmp(), (int)getpid()));
    price = put_price(10, 20, "USD", 7);
    add_model("dear", 18, price);
    price = put_price(1, 2, "CNY", 1);
    f = add_model("cheap", 10, price);
    add_failure(&f, price);
    add_model("bad", 5, put_price(3, 6, "CNY", 1));
    add_model("local", 12, 0);
    t_ok(store_refresh(store, &e), &e);
    params = (struct report_params){ .store = store,
                                     .alpha = 0.05,
                                     .arena = &arena };
}

static void close_db(void)
{
    io_set_clock(-1);
    store_close(store);
    arena_free(&arena);
}

static const struct table *make(void)
{
    struct table *t;
    size_t n;

    t_ok(report_cost.make(&params, &t, &n, &e), &e);
    return t;
}

/* The cell of a model's row as people or programs read it; "": empty. */
static const char *cell(const struct table *t, const char *model,
                        const char *key)
{
    struct buf out;
    const char *text = "no such cell";

    buf_init(&out, 1000);
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t c = 0; c < t->n_cols; c++)
            if (!strcmp(table_cell(t, r, 1)->text, model) &&
                !strcmp(t->cols[c].key, key)) {
                cell_show(table_cell(t, r, c), &out);
                text = arena_strdup(&arena, out.p);
            }
    buf_free(&out);
    return text;
}

static const struct {
    const char *model, *key, *shown;
} cells[] = {
    /* 20 x (100 x 10 + 10 x 20) millionths of USD */
    { "dear", "cost", "0.024000000" },
    { "dear", "money", "0.02400 USD" },
    { "dear", "cost_cny", "0.1680" },
    { "dear", "cny_per_1000", "8.400" },
    { "dear", "cny_per_correct", "0.009333" },
    { "dear", "pareto", "*" },
    { "dear", "prompt_tokens", "2000" },
    { "dear", "output_tokens", "200" },
    { "dear", "latency_p50_ms", "10" }, /* 10.5, to even */
    { "dear", "latency_p95_ms", "19" }, /* 19.05 */
    { "dear", "tokens_per_s", "952.4" },
    /* 20 x 120 and a failure of 100, in millionths */
    { "cheap", "cost_cny", "0.002500" },
    { "cheap", "failed_cny", "0.000100000" },
    { "cheap", "cny_per_1000", "0.1250" },
    { "cheap", "prompt_tokens", "2100" },
    { "cheap", "pareto", "*" },
    { "bad", "cny_per_1000", "0.3600" },
    { "bad", "pareto", "" },
    { "local", "cost_cny", "" },
    { "local", "cny_per_1000", "" },
    { "local", "cny_per_correct", "" },
    { "local", "unknown", "20" },
    { "local", "pareto", "" },
    { "local", "score", "60.0" },
};

START_TEST(the_numbers_are_those_of_the_samples)
{
    ck_assert_str_eq(cell(make(), cells[_i].model, cells[_i].key),
                     cells[_i].shown);
}
END_TEST

START_TEST(cheapest_first_and_unknown_last)
{
    const struct table *t = make();
    static const char *const order[] = { "cheap", "bad", "dear", "local" };

    ck_assert_uint_eq(t->n_rows, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(table_cell(t, i, 1)->text, order[i]);
}
END_TEST

START_TEST(models_and_suites_can_be_chosen)
{
    const char *const models[] = { "dear", "bad" }, *suites[] = { "suite/odd" };
    const struct table *t;

    params.models = models;
    params.n_models = 2;
    params.suites = suites;
    params.n_suites = 1;
    t = make();
    ck_assert_uint_eq(t->n_rows, 2);
    ck_assert_str_eq(cell(t, "dear", "answers"), "10");
    ck_assert_str_eq(cell(t, "dear", "cost_cny"), "0.08400");
}
END_TEST

START_TEST(cost_is_as_recorded)
{
    const struct report_style wide = { 0 };
    struct buf out;

    for (size_t i = 0; report_formats[i]; i++) {
        buf_init(&out, 1 << 20);
        report_formats[i]->print(make(), 1, &wide, &out);
        t_golden(
            arena_printf(&arena, "report/cost.%s", report_formats[i]->name),
            buf_view(&out));
        buf_free(&out);
    }
    params.english = true;
    buf_init(&out, 1 << 20);
    format_table.print(make(), 1, &wide, &out);
    t_golden("report/cost-en.table", buf_view(&out));
    buf_free(&out);
}
END_TEST

START_TEST(the_plot_is_as_recorded)
{
    static const char *const files[] = { "plot.gp", "data.tsv" };
    struct buf b;

    params.keep = arena_printf(&arena, "%s/keep", t_tmp());
    params.plot = arena_printf(&arena, "%s/cost.svg", t_tmp());
    if (report_cost.plot(&params, &e) && e.code == ERR_NOENV &&
        strstr(e.msg, "not installed"))
        t_skip("gnuplot is not here");
    else
        t_ok(e.code, &e);
    for (size_t i = 0; i < 2; i++) {
        t_read(arena_printf(&arena, "%s/%s", params.keep, files[i]), &b);
        t_golden(arena_printf(&arena, "report/cost-%s", files[i]),
                 buf_view(&b));
        buf_free(&b);
    }
}
END_TEST

START_TEST(without_a_known_cost_there_is_nothing_to_draw)
{
    const char *const models[] = { "local" };

    params.models = models;
    params.n_models = 1;
    params.plot = arena_printf(&arena, "%s/none.svg", t_tmp());
    ck_assert_int_eq(report_cost.plot(&params, &e), ERR_FORMAT);
    ck_assert(strstr(e.msg, "known cost"));
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, open_db, close_db);
    tcase_add_loop_test(tc, the_numbers_are_those_of_the_samples, 0, N(cells));
    tcase_add_test(tc, cheapest_first_and_unknown_last);
    tcase_add_test(tc, models_and_suites_can_be_chosen);
    tcase_add_test(tc, cost_is_as_recorded);
    tcase_add_test(tc, the_plot_is_as_recorded);
    tcase_add_test(tc, without_a_known_cost_there_is_nothing_to_draw);
}

T_MAIN("report_cost", setup)
