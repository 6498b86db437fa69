/* Money: prices, rates, what tokens cost, what is shown. */
#include <math.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cost.h"
#include "tests/store_fill.h"
#include "tests/t.h"

static struct arena arena;
static struct err e;

static const char *file(const char *name, const char *text)
{
    const char *path = arena_printf(&arena, "%s/%s", t_tmp(), name);
    t_ok(io_replace(path, str_of(text), &e), &e);
    return path;
}

/* --- arithmetic ------------------------------------------------------------ */

#define UNKNOWN COST_UNKNOWN
static const struct {
    double in, cached, out;
    struct usage used;
    int64_t nano;
} sums[] = {
    /* 1000 x 0.5 + 500 x 1.5 millionths */
    { 0.5, NAN, 1.5, { 1000, -1, 500 }, 1250000 },
    { 0.15, NAN, 0.6, { 1, 0, 0 }, 150 },
    { 0.15, NAN, 0.6, { 0, 0, 1 }, 600 },
    { 120, NAN, 120, { 1000000, 0, 1000000 }, 240 * (int64_t)COST_NANO },
    { 0, NAN, 0, { 1000, 0, 1000 }, 0 },
    { 2, 0.2, 8, { 1000, 400, 100 }, 1200000 + 80000 + 800000 },
    { 2, NAN, 8, { 1000, 400, 100 }, 2000000 + 800000 }, /* as the others */
    { 2, 0, 8, { 1000, 1000, 0 }, 0 },
    { 2, 0.2, 8, { 100, 400, 0 }, 20000 }, /* no more than there are */
    { 0.0375, NAN, 0, { 1, 0, 0 }, 38 },   /* 37.5: half away from zero */
    { 0.0375, NAN, 0, { 2, 0, 0 }, 75 },
    { 0.0003, NAN, 0, { 1, 0, 0 }, 0 },
    { 1, NAN, NAN, { 10, 0, 0 }, 10000 }, /* none was used */
    { 1, NAN, NAN, { 10, 0, 1 }, UNKNOWN },
    { NAN, NAN, 1, { 10, 0, 1 }, UNKNOWN },
    { NAN, 1, 1, { 10, 10, 1 }, 11000 },
    { 1, NAN, 1, { -1, -1, 5 }, UNKNOWN },
    { 1, NAN, 1, { 5, -1, -1 }, UNKNOWN },
    { 1e12, NAN, 1, { INT64_C(1) << 40, 0, 0 }, UNKNOWN }, /* does not fit */
};

static struct tariff tariff(double in, double cached, double out, double cny)
{
    return (struct tariff){
        .in = in, .cached = cached, .out = out, .currency = "USD", .cny = cny
    };
}

START_TEST(tokens_cost_billionths)
{
    struct tariff t = tariff(sums[_i].in, sums[_i].cached, sums[_i].out, 7.1);

    ck_assert_int_eq(cost_nano(&t, &sums[_i].used), sums[_i].nano);
}
END_TEST

static const struct {
    double cny;
    int64_t nano, want;
} changed[] = {
    { 1, 123, 123 },
    { 7.1, 1000000000, 7100000000 },
    { 7.1, 5, 36 },
    /* 35.5 */ { 0.05, 100, 5 },
    { 7.1, 0, 0 },
    { NAN, 5, UNKNOWN },
    { 7.1, UNKNOWN, UNKNOWN },
};

START_TEST(money_is_changed_into_cny)
{
    struct tariff t = tariff(1, 1, 1, changed[_i].cny);

    ck_assert_int_eq(cost_cny(&t, changed[_i].nano), changed[_i].want);
}
END_TEST

START_TEST(without_a_price_there_is_no_money)
{
    struct tariff t = { .in = NAN, .cached = NAN, .out = NAN };
    struct usage none = { 0, 0, 0 };

    ck_assert_int_eq(cost_nano(&t, &none), COST_UNKNOWN);
}
END_TEST

static const struct {
    int64_t nano;
    const char *shown;
} shown[] = {
    { 0, "0.00 CNY" },           { 1234567890123, "1234.57 CNY" },
    { 1500000000, "1.500 CNY" }, { 12300000, "0.01230 CNY" },
    { 5, "0.000000005 CNY" },    { 38, "0.000000038 CNY" },
    { UNKNOWN, "unknown" },
};

START_TEST(money_is_shown_with_four_digits)
{
    struct buf b;

    buf_init(&b, 100);
    cost_show(shown[_i].nano, "CNY", &b);
    ck_assert_str_eq(b.p, shown[_i].shown);
    buf_free(&b);
}
END_TEST

/* --- prices and rates ------------------------------------------------------ */

#define MODEL(price)                                                           \
    "{\"models\":[{\"id\":\"a\",\"runner\":\"gguf\",\"path\":\"p\","           \
    "\"price\":" price "}]"

START_TEST(the_last_rate_of_a_currency_holds)
{
    const char *path = file(
        "m.json",
        MODEL("{\"in\":1,\"cached\":0.1,\"out\":2,\"currency\":\"EUR\","
              "\"date\":\"2026-10-01\",\"source\":\"list\"}") ",\"rates\":{"
                                                              "\"EUR\":{"
                                                              "\"cny\":8.2,"
                                                              "\"date\":"
                                                              "\"2026-11-"
                                                              "20\"}}}");
    struct model_spec m;
    struct rates r;
    struct tariff t;

    rates_init(&r);
    ck_assert(rates_find(&r, "USD") && !rates_find(&r, "EUR"));
    ck_assert(rates_find(&r, "CNY")->cny == 1);
    t_ok(model_find("a", path, &arena, &m, &e), &e);
    t = tariff_of(&m, &r);
    ck_assert(isnan(t.cny) && t.cached == 0.1);
    t_ok(rates_read(&r, path, &arena, &e), &e);
    t = tariff_of(&m, &r);
    ck_assert(t.cny == 8.2 && t.in == 1 && t.out == 2);
    ck_assert_str_eq(t.rate_date, "2026-11-20");
    ck_assert_str_eq(t.source, "list");
    t_ok(rates_set(&r, "EUR=8.5", &arena, &e), &e);
    ck_assert(tariff_of(&m, &r).cny == 8.5);
    ck_assert_str_eq(tariff_of(&m, &r).rate_source, "--rate");
}
END_TEST

static const struct {
    const char *arg, *says;
} bad_rates[] = {
    { "USD", "CURRENCY=CNY" },   { "USD=", "CURRENCY=CNY" },
    { "USD=x", "CURRENCY=CNY" }, { "USD=7.1x", "CURRENCY=CNY" },
    { "USD=0", "worth" },        { "USD=-1", "worth" },
    { "USD=nan", "worth" },      { "usd=7", "capital" },
    { "CNY=1", "foreign" },      { "=7", "capital" },
};

START_TEST(faulty_rates_are_told)
{
    struct rates r;

    rates_init(&r);
    ck_assert(rates_set(&r, bad_rates[_i].arg, &arena, &e));
    ck_assert_msg(strstr(e.msg, bad_rates[_i].says), "%s", e.msg);
    ck_assert_msg(strstr(e.msg, "--rate"), "%s", e.msg);
}
END_TEST

static const struct {
    const char *text, *says;
} bad_files[] = {
    { "{\"models\":[],\"rates\":[]}", "rates: expected an object" },
    { "{\"models\":[],\"rates\":{\"USD\":{\"cny\":7}}}", "USD: date: missing" },
    { "{\"models\":[],\"rates\":{\"USD\":{\"cny\":\"7\",\"date\":\"d\"}}}",
      "cny" },
    { "{\"models\":[],\"rates\":{\"USD\":{\"date\":\"d\"}}}", "worth" },
    { "{\"models\":[],\"rates\":{\"dollar\":{\"cny\":7,\"date\":\"d\"}}}",
      "capital" },
    { "{\"models\":[],\"rates\":{\"USD\":{\"cny\":7,\"day\":\"d\"}}}", "day" },
};

START_TEST(faulty_rates_of_a_models_file_are_told)
{
    const char *path = file("bad.json", bad_files[_i].text);
    struct rates r;

    rates_init(&r);
    ck_assert_int_eq(rates_read(&r, path, &arena, &e), ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, bad_files[_i].says), "%s", e.msg);
    ck_assert_msg(strstr(e.msg, "bad.json"), "%s", e.msg);
}
END_TEST

START_TEST(prices_below_zero_are_refused)
{
    const char *path =
        file("neg.json", MODEL("{\"in\":-1,\"out\":2,\"currency\":\"CNY\","
                               "\"date\":\"d\"}") "}");
    struct model_spec m;

    ck_assert_int_eq(model_find("a", path, &arena, &m, &e), ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, "below 0"), "%s", e.msg);
}
END_TEST

/* --- the store ------------------------------------------------------------- */

static struct store *open_db(const char *name)
{
    return fill_open(arena_printf(&arena, "%s/%s.db", t_tmp(), name));
}

/* An answer, or a failure, to item i that used those tokens at that price. */
static void buy(struct store *s, const struct fill *f, size_t i, bool failed,
                struct usage u, int64_t price)
{
    struct store_sample k = fill_key(f, i);
    struct store_response r = { .text = "B",
                                .finish = "stop",
                                .margin = NAN,
                                .prompt_tokens = u.prompt,
                                .cached_tokens = u.cached,
                                .output_tokens = u.output,
                                .price = price };
    struct store_error x = { .code = "FILTERED",
                             .message = "m",
                             .at_ms = (int64_t)i,
                             .prompt_tokens = u.prompt,
                             .cached_tokens = u.cached,
                             .output_tokens = u.output,
                             .price = price };
    int64_t id;
    bool added;

    if (failed)
        t_ok(store_add_error(s, &k, &x, &id, &e), &e);
    else
        t_ok(store_add_response(s, &k, &r, &id, &added, &e), &e);
}

static int64_t put_price(struct store *s, double in, double cached, double out,
                         double cny)
{
    struct store_price p = {
        .in = in, .cached = cached, .out = out, .currency = "USD", .cny = cny
    };
    int64_t id;

    t_ok(store_put_price(s, &p, &id, &e), &e);
    return id;
}

/* Money as SQL writes it. */
static const char *literal(int64_t nano)
{
    if (nano == COST_UNKNOWN)
        return "NULL";
    return arena_printf(&arena, "%lld", (long long)nano);
}

START_TEST(the_view_counts_as_the_program_does)
{
    struct store *s = open_db(arena_printf(&arena, "view%d", _i));
    struct fill f = fill_make(s, "m", "suite", 2);
    struct tariff t = tariff(sums[_i].in, sums[_i].cached, sums[_i].out, 7.1);
    int64_t nano = sums[_i].in < 1e9 ? sums[_i].nano : 0;
    /* SQL clips what does not fit; no price comes near that */
    struct usage used =
        sums[_i].in < 1e9 ? sums[_i].used : (struct usage){ 0, 0, 0 };
    const char *same =
        arena_printf(&arena,
                     "SELECT nano IS %s AND cny_nano IS %s FROM sample_cost "
                     "WHERE price_pk IS NOT NULL",
                     literal(nano), literal(cost_cny(&t, nano)));

    buy(s, &f, 0, false, used, put_price(s, t.in, t.cached, t.out, t.cny));
    buy(s, &f, 1, false, used, 0);
    ck_assert_int_eq(fill_int(s, same), 1);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM sample_cost "
                                 "WHERE nano IS NULL AND price_pk IS NULL"),
                     1);
    store_close(s);
}
END_TEST

START_TEST(a_later_price_does_not_rewrite_history)
{
    struct store *s = open_db("history");
    struct fill f = fill_make(s, "m", "suite", 3);
    int64_t before = put_price(s, 1, NAN, 2, 7.1), after;

    buy(s, &f, 0, false, (struct usage){ 100, 0, 10 }, before);
    after = put_price(s, 10, NAN, 20, 7.1);
    ck_assert_int_ne(before, after);
    ck_assert_int_eq(put_price(s, 1, NAN, 2, 7.1), before);
    ck_assert_int_ne(put_price(s, 1, NAN, 2, NAN), before);
    buy(s, &f, 1, false, (struct usage){ 100, 0, 10 }, after);
    ck_assert_int_eq(fill_int(s, "SELECT min(nano) FROM sample_cost"), 120000);
    ck_assert_int_eq(fill_int(s, "SELECT max(nano) FROM sample_cost"), 1200000);
    store_close(s);
}
END_TEST

START_TEST(failures_cost_where_their_tokens_are_told)
{
    struct store *s = open_db("failed");
    struct fill f = fill_make(s, "m", "suite", 3);
    int64_t price = put_price(s, 1, NAN, 2, 7);

    buy(s, &f, 0, true, (struct usage){ 100, 0, 0 }, price);
    buy(s, &f, 1, true, (struct usage){ 0, 0, 0 }, price);
    buy(s, &f, 0, false, (struct usage){ 100, 0, 5 }, price);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM sample_cost"), 2);
    ck_assert_int_eq(fill_int(s, "SELECT sum(nano) FROM sample_cost"), 210000);
    ck_assert_int_eq(fill_int(s, "SELECT sum(cny_nano) FROM sample_cost "
                                 "WHERE failed"),
                     700000);
    store_close(s);
}
END_TEST

START_TEST(merged_samples_keep_their_price)
{
    struct store *a = open_db("a"), *b = open_db("b");
    struct fill f = fill_make(a, "m", "suite", 3);
    struct fill g = fill_make(b, "m", "suite", 3);
    struct store_merge m;

    put_price(a, 5, NAN, 5, 7); /* another id for the same price */
    buy(a, &f, 0, false, (struct usage){ 100, 0, 10 },
        put_price(a, 1, NAN, 2, 7.1));
    buy(b, &g, 1, false, (struct usage){ 100, 0, 10 },
        put_price(b, 1, NAN, 2, 7.1));
    buy(b, &g, 2, true, (struct usage){ 7, 0, 0 },
        put_price(b, 3, 0.5, 2, NAN));
    store_close(b);
    t_ok(store_merge(a, arena_printf(&arena, "%s/b.db", t_tmp()), &m, &e), &e);
    ck_assert_int_eq(m.responses, 1);
    ck_assert_int_eq(fill_int(a, "SELECT count(*) FROM price"), 3);
    ck_assert_int_eq(fill_int(a, "SELECT sum(nano) FROM sample_cost"),
                     120000 + 120000 + 21000);
    ck_assert_int_eq(fill_int(a, "SELECT count(*) FROM sample_cost "
                                 "WHERE cny_nano IS NULL"),
                     1);
    store_close(a);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

static void open_arena(void)
{
    arena_init(&arena, 0);
}

static void free_arena(void)
{
    arena_free(&arena);
}

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, open_arena, free_arena);
    tcase_add_loop_test(tc, tokens_cost_billionths, 0, N(sums));
    tcase_add_loop_test(tc, money_is_changed_into_cny, 0, N(changed));
    tcase_add_test(tc, without_a_price_there_is_no_money);
    tcase_add_loop_test(tc, money_is_shown_with_four_digits, 0, N(shown));
    tcase_add_test(tc, the_last_rate_of_a_currency_holds);
    tcase_add_loop_test(tc, faulty_rates_are_told, 0, N(bad_rates));
    tcase_add_loop_test(tc, faulty_rates_of_a_models_file_are_told, 0,
                        N(bad_files));
    tcase_add_test(tc, prices_below_zero_are_refused);
    tcase_add_loop_test(tc, the_view_counts_as_the_program_does, 0, N(sums));
    tcase_add_test(tc, a_later_price_does_not_rewrite_history);
    tcase_add_test(tc, failures_cost_where_their_tokens_are_told);
    tcase_add_test(tc, merged_samples_keep_their_price);
}

T_MAIN("cost", setup)
