/* What a plan would take: requests, tokens, money, time, and where each number
 * is from. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "harness/estimate.h"
#include "harness/guess.h"
#include "tests/store_fill.h"
#include "tests/t.h"

static struct err e;
static struct store *store;
static struct suite *suite;
static struct plan plan;
static int64_t model;
static struct fill filled;

/* Seven tokens a request. */
static enum err_code count_seven(struct runner *r, const struct request *q,
                                 int64_t *tokens, struct err *err)
{
    (void)r;
    (void)q;
    (void)err;
    *tokens = 7;
    return ERR_OK;
}

static enum err_code count_fails(struct runner *r, const struct request *q,
                                 int64_t *tokens, struct err *err)
{
    (void)r;
    (void)q;
    (void)tokens;
    return err_set(err, ERR_FORMAT, "no such token");
}

static const struct runner_kind here = { .name = "here", .count = count_seven };
static const struct runner_kind there = { .name = "there" };
static const struct runner_kind broken = { .name = "b", .count = count_fails };

static const struct tariff tariff = {
    .in = 1, .cached = NAN, .out = 2, .currency = "USD", .cny = 7
};

/* The golden suite, some items of which have turns; each answer up to 100
 * tokens long. */
static void open_all(void)
{
    static struct plan_suite ps;
    struct plan_params p = { .suites = &ps, .n_suites = 1, .trials = 1 };
    char path[256];

    snprintf(path, sizeof path, "%s/%d.db", t_tmp(), (int)getpid());
    store = fill_open(path);
    filled = fill_make(store, "m", "other", 20);
    model = filled.model;
    t_ok(suite_open(&suite, "tests/golden/suite/good", &e), &e);
    ps = (struct plan_suite){ suite, "" };
    p.run = filled.run;
    p.prompt.ask = ASK_GENERATE;
    p.prompt.sampling = (struct sampling){
        .temperature = 0, .top_p = NAN, .top_k = -1, .max_tokens = 100
    };
    t_ok(plan_make(&plan, store, model, &p, &e), &e);
}

static void close_all(void)
{
    plan_free(&plan);
    suite_close(suite);
    store_close(store);
}

static struct estimate estimate(const struct runner_kind *kind, double rpm,
                                double tpm, size_t concurrency)
{
    struct runner r = { kind };
    struct runner_params how = { .rpm = rpm,
                                 .tpm = tpm,
                                 .concurrency = concurrency };
    struct estimate o;

    t_ok(estimate_plan(&o, &plan, &r, &how, &tariff, store, model, &e), &e);
    return o;
}

/* Turns of the plan, and those that stand before each of them, summed. */
static size_t turns(size_t *before)
{
    size_t n = 0;

    *before = 0;
    for (size_t i = 0; i < plan.n; i++) {
        size_t k = plan.entries[i].item->n_turns;
        k = k ? k : 1;
        n += k;
        *before += k * (k - 1) / 2;
    }
    return n;
}

/* n answers of 10 tokens that took 2 s each. */
static void answer(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct store_sample k = fill_key(&filled, i);
        struct store_response r = { .text = "B",
                                    .finish = "stop",
                                    .margin = NAN,
                                    .prompt_tokens = 10,
                                    .output_tokens = 10,
                                    .latency_ns = 2000000000 };
        int64_t id;
        bool added;
        t_ok(store_add_response(store, &k, &r, &id, &added, &e), &e);
    }
}

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-6)

START_TEST(a_tokenizer_counts_and_replies_are_added)
{
    struct estimate o = estimate(&here, 0, 0, 0);
    size_t before, n = turns(&before);

    ck_assert_uint_eq(n, o.requests);
    ck_assert_uint_gt(before, 0);
    ck_assert_int_eq(o.tokens_from, TOKENS_COUNTED);
    NEAR(o.prompt.low, 7.0 * (double)n + (double)before);
    NEAR(o.prompt.likely, 7.0 * (double)n + 50.0 * (double)before);
    NEAR(o.prompt.high, 7.0 * (double)n + 100.0 * (double)before);
    NEAR(o.output.low, (double)n);
    NEAR(o.output.high, 100.0 * (double)n);
    ck_assert_int_eq(o.output_from, OUTPUT_ASSUMED);
}
END_TEST

START_TEST(money_is_that_of_the_tokens)
{
    struct estimate o = estimate(&here, 0, 0, 0);

    NEAR(o.nano.low, 1000 * (o.prompt.low + 2 * o.output.low));
    NEAR(o.nano.likely, 1000 * (o.prompt.likely + 2 * o.output.likely));
    NEAR(o.nano.high, 1000 * (o.prompt.high + 2 * o.output.high));
    NEAR(o.cny_nano.high, 7 * o.nano.high);
}
END_TEST

START_TEST(without_a_tokenizer_characters_are_weighed)
{
    struct estimate o = estimate(&there, 0, 0, 0);
    size_t before;

    turns(&before);
    ck_assert_int_eq(o.tokens_from, TOKENS_GUESSED);
    NEAR((o.prompt.low - (double)before) / GUESS_LOW,
         o.prompt.likely - 50.0 * (double)before);
    NEAR((o.prompt.high - 100.0 * (double)before) / GUESS_HIGH,
         o.prompt.likely - 50.0 * (double)before);
}
END_TEST

START_TEST(stored_answers_say_how_long_answers_are)
{
    struct estimate o;

    answer(9);
    o = estimate(&here, 0, 0, 0);
    ck_assert_int_eq(o.output_from, OUTPUT_ASSUMED); /* too few */
    answer(10);
    o = estimate(&here, 0, 0, 0);
    ck_assert_int_eq(o.output_from, OUTPUT_MODEL);
    ck_assert_uint_eq(o.n_stored, 10);
    NEAR(o.output.likely, 10.0 * (double)o.requests);
    model = fill_make(store, "m2", "other", 1).model;
    o = estimate(&here, 0, 0, 0);
    ck_assert_int_eq(o.output_from, OUTPUT_OTHERS);
    ck_assert_int_eq(o.time_from, TIME_UNKNOWN);
    ck_assert(isnan(o.seconds));
}
END_TEST

START_TEST(time_is_what_limits_most)
{
    struct estimate o = estimate(&there, 30, 0, 0);
    double n = (double)o.requests;

    ck_assert_int_eq(o.time_from, TIME_PACE);
    NEAR(o.seconds, 2 * n);
    o = estimate(&there, 0, 60, 0);
    NEAR(o.seconds, o.prompt.likely + o.output.likely);
    answer(10); /* 2 s each */
    o = estimate(&there, 600, 0, 2);
    ck_assert_int_eq(o.time_from, TIME_STORED);
    NEAR(o.seconds, n);
    o = estimate(&here, 600, 0, 2); /* one after the other, no pace */
    NEAR(o.seconds, 2 * n);
}
END_TEST

START_TEST(without_a_price_there_is_no_money)
{
    struct runner r = { &here };
    struct runner_params how = { 0 };
    struct tariff none = { .in = NAN, .out = NAN, .cny = NAN },
                  no_rate = tariff;
    struct estimate o;

    t_ok(estimate_plan(&o, &plan, &r, &how, &none, store, model, &e), &e);
    ck_assert(isnan(o.nano.low) && isnan(o.cny_nano.low));
    no_rate.cny = NAN;
    t_ok(estimate_plan(&o, &plan, &r, &how, &no_rate, store, model, &e), &e);
    ck_assert(o.nano.low > 0 && isnan(o.cny_nano.low));
}
END_TEST

START_TEST(a_prompt_that_cannot_be_counted_is_told_with_its_item)
{
    struct runner r = { &broken };
    struct runner_params how = { 0 };
    struct estimate o;

    ck_assert_int_eq(
        estimate_plan(&o, &plan, &r, &how, &tariff, store, model, &e),
        ERR_FORMAT);
    ck_assert_str_eq(e.msg, "item 1: no such token");
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, a_tokenizer_counts_and_replies_are_added);
    tcase_add_test(tc, money_is_that_of_the_tokens);
    tcase_add_test(tc, without_a_tokenizer_characters_are_weighed);
    tcase_add_test(tc, stored_answers_say_how_long_answers_are);
    tcase_add_test(tc, time_is_what_limits_most);
    tcase_add_test(tc, without_a_price_there_is_no_money);
    tcase_add_test(tc, a_prompt_that_cannot_be_counted_is_told_with_its_item);
}

T_MAIN("estimate", setup)
