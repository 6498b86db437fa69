/* What a run spends and when it has to stop; tokens guessed from characters. */
#include <math.h>
#include <string.h>

#include "harness/guess.h"
#include "harness/meter.h"
#include "harness/stats.h"
#include "tests/t.h"

static struct err e;

static const struct tariff tariff = {
    .in = 1, .cached = NAN, .out = 2, .currency = "USD", .cny = 7
};

static struct meter open_meter(struct purse *purse)
{
    struct meter m;

    t_ok(meter_init(&m, &tariff, purse, "m", &e), &e);
    return m;
}

static bool admits(struct meter *m, const struct request *q)
{
    bool fits;

    t_ok(meter_admit(m, q, &fits, &e), &e);
    return fits;
}

static struct request ask(size_t id, int64_t max_tokens)
{
    return (struct request){ .id = id,
                             .kind = REQUEST_COMPLETION,
                             .prompt = "一二三四五六七八九十", /* 7 tokens */
                             .sampling.max_tokens = max_tokens };
}

static struct response say(int64_t prompt, int64_t output)
{
    return (struct response){ .text = "好",
                              .prompt_tokens = prompt,
                              .cached_tokens = -1,
                              .output_tokens = output };
}

/* --- the budget ------------------------------------------------------------ */

START_TEST(what_is_in_flight_counts_at_the_most_it_may_cost)
{
    /* a request: at most 12 tokens of prompt, 100 of answer: 212 x 7 */
    struct purse purse = { .limit = 3 * 212 * 7000 };
    struct meter m = open_meter(&purse);
    struct request q[4];
    struct response r = say(7, 10);

    for (size_t i = 0; i < 4; i++) {
        q[i] = ask(i, 100);
        ck_assert(admits(&m, &q[i]) == (i < 3));
    }
    ck_assert_int_eq(purse.reserved, purse.limit);
    meter_settle(&m, &q[0], &r); /* cost 27 instead of 212 */
    ck_assert_int_eq(purse.spent, 27 * 7000);
    ck_assert_int_eq(purse.reserved, 2 * 212 * 7000);
    ck_assert(!admits(&m, &q[3]));
    meter_settle(&m, &q[1], &r);
    ck_assert(admits(&m, &q[3]));
    meter_free(&m);
}
END_TEST

START_TEST(without_a_limit_all_is_admitted_and_counted)
{
    struct purse purse = { .limit = COST_UNKNOWN };
    struct meter m = open_meter(&purse);
    struct request q = ask(0, 1000000);
    struct response r = say(100, 50), untold = say(-1, -1);

    ck_assert(admits(&m, &q));
    meter_settle(&m, &q, &r);
    meter_settle(&m, &q, &untold);
    ck_assert_int_eq(m.nano, 200000);
    ck_assert_int_eq(m.cny_nano, 1400000);
    ck_assert_uint_eq(m.n_priced, 1);
    ck_assert_uint_eq(m.n_unpriced, 1);
    meter_free(&m);
}
END_TEST

START_TEST(answers_that_tell_no_tokens_count_as_guessed)
{
    struct purse purse = { .limit = INT64_C(1000) * COST_NANO };
    struct meter m = open_meter(&purse);
    struct request q = ask(0, 100);
    struct response r = say(-1, -1);

    ck_assert(admits(&m, &q));
    meter_settle(&m, &q, &r);
    ck_assert_int_eq(purse.spent, (12 + 2 * 2) * 7000);
    ck_assert_int_eq(m.nano, 0);
    meter_free(&m);
}
END_TEST

START_TEST(failures_cost_what_they_tell_and_else_nothing)
{
    struct purse purse = { .limit = INT64_C(1000) * COST_NANO };
    struct meter m = open_meter(&purse);
    struct request q = ask(0, 100);
    struct response r = say(-1, -1);

    r.code = ERR_FILTERED;
    ck_assert(admits(&m, &q));
    meter_settle(&m, &q, &r);
    ck_assert_int_eq(purse.spent, 0);
    ck_assert_uint_eq(m.n_unpriced, 0);
    ck_assert(admits(&m, &q));
    r.prompt_tokens = 9;
    meter_settle(&m, &q, &r);
    ck_assert_int_eq(purse.spent, 9 * 7000);
    ck_assert_int_eq(m.nano, 9000);
    meter_free(&m);
}
END_TEST

START_TEST(a_model_with_many_tokens_teaches_the_guess)
{
    struct purse purse = { .limit = INT64_C(1000) * COST_NANO };
    struct meter m = open_meter(&purse);
    struct request q = ask(0, 100);
    struct response r = say(70, 1);

    ck_assert(admits(&m, &q));
    meter_settle(&m, &q, &r);
    ck_assert(admits(&m, &q));
    ck_assert_int_eq(purse.reserved, (70 + 200) * 7000);
    meter_free(&m);
}
END_TEST

/* 300 requests of random size, up to 20 in flight, models that keep to
 * max_tokens: the budget is never exceeded, and most of it is used. */
START_TEST(a_budget_is_never_exceeded)
{
    struct purse purse = { .limit = 20000 * INT64_C(7000) };
    struct meter m = open_meter(&purse);
    struct request q[20];
    bool busy[20] = { false };
    uint64_t seed = (uint64_t)_i;

    for (int n = 0; n < 300; n++) {
        size_t i = stats_below(&seed, 20);
        int64_t max = 10 + (int64_t)stats_below(&seed, 200);
        struct response r = say(5 + (int64_t)stats_below(&seed, 7),
                                (int64_t)stats_below(&seed, (uint64_t)max));
        if (busy[i])
            meter_settle(&m, &q[i], &r);
        q[i] = ask(i, busy[i] ? q[i].sampling.max_tokens : 210);
        busy[i] = admits(&m, &q[i]);
        ck_assert_int_le(purse.spent + purse.reserved, purse.limit);
    }
    ck_assert_int_gt(purse.spent, purse.limit * 8 / 10);
    meter_free(&m);
}
END_TEST

START_TEST(a_budget_wants_prices_and_rates)
{
    struct purse purse = { .limit = 1 };
    struct tariff none = { .in = NAN, .out = NAN }, no_rate = tariff;
    struct tariff half = tariff;
    struct meter m;

    ck_assert_int_eq(meter_init(&m, &none, &purse, "gpt", &e), ERR_NOENV);
    ck_assert(strstr(e.msg, "gpt") && strstr(e.msg, "price"));
    half.out = NAN;
    ck_assert_int_eq(meter_init(&m, &half, &purse, "gpt", &e), ERR_NOENV);
    no_rate.cny = NAN;
    ck_assert_int_eq(meter_init(&m, &no_rate, &purse, "gpt", &e), ERR_NOENV);
    ck_assert(strstr(e.msg, "--rate USD="));
    purse.limit = COST_UNKNOWN;
    t_ok(meter_init(&m, &none, &purse, "gpt", &e), &e);
}
END_TEST

START_TEST(what_was_in_flight_at_the_end_is_free_again)
{
    struct purse purse = { .limit = INT64_C(1000) * COST_NANO };
    struct meter m = open_meter(&purse);
    struct request q = ask(100, 10), other = ask(3, 10);
    struct response r = say(7, 10);

    ck_assert(admits(&m, &q) && admits(&m, &other));
    meter_settle(&m, &q, &r);
    ck_assert_int_gt(purse.reserved, 0);
    meter_free(&m);
    ck_assert_int_eq(purse.reserved, 0);
    ck_assert_int_eq(purse.spent, 27 * 7000);
}
END_TEST

START_TEST(bills_of_several_currencies_add_up_in_cny)
{
    struct purse purse = { .limit = COST_UNKNOWN };
    struct meter m = open_meter(&purse), sum = { 0 }, no_rate = m;
    struct request q = ask(0, 10);
    struct response r = say(100, 50);

    meter_settle(&m, &q, &r);
    no_rate.tariff.cny = NAN;
    meter_settle(&no_rate, &q, &r);
    meter_add(&sum, &m);
    meter_add(&sum, &m);
    meter_add(&sum, &no_rate);
    ck_assert_int_eq(sum.nano, 2 * 1400000);
    ck_assert_str_eq(sum.tariff.currency, "CNY");
    ck_assert_uint_eq(sum.n_priced, 2);
    ck_assert_uint_eq(sum.n_unpriced, 1);
}
END_TEST

/* --- guesses --------------------------------------------------------------- */

/* Tokens as counted by the tokenizers named. */
static const struct {
    const char *text;
    double fewest, most;
} texts[] = {
    /* Qwen 2.5 has 9, Llama 3 10 */
    { "请用一句话解释量子纠缠是什么。", 9, 12 },
    /* GPT-2 and Qwen 2.5: 10 */
    { "The quick brown fox jumps over the lazy dog.", 10, 10 },
    { "", 0, 0 },
    { "1234567890", 10, 10 }, /* Qwen: a digit a token */
};

START_TEST(guesses_hold_what_tokenizers_count)
{
    double likely = guess_text(str_of(texts[_i].text));

    ck_assert_msg(GUESS_LOW * likely <= texts[_i].fewest, "%g", likely);
    ck_assert_msg(GUESS_HIGH * likely >= texts[_i].most, "%g", likely);
}
END_TEST

START_TEST(a_chat_is_its_messages_and_what_is_around_them)
{
    const struct message messages[] = { { "system", "你好" },
                                        { "user", "1+1=?" } };
    const char *options[] = { "A", "B" };
    struct request q = { .messages = messages, .n_messages = 2 };
    double plain = guess_text(STR("你好")) + guess_text(STR("1+1=?"));

    ck_assert(fabs(guess_prompt(&q) - plain - 11) < 1e-9);
    q.options = options;
    q.n_options = 2;
    ck_assert(fabs(guess_prompt(&q) - plain - 11.5) < 1e-9);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

static void setup(TCase *tc)
{
    tcase_add_test(tc, what_is_in_flight_counts_at_the_most_it_may_cost);
    tcase_add_test(tc, without_a_limit_all_is_admitted_and_counted);
    tcase_add_test(tc, answers_that_tell_no_tokens_count_as_guessed);
    tcase_add_test(tc, failures_cost_what_they_tell_and_else_nothing);
    tcase_add_test(tc, a_model_with_many_tokens_teaches_the_guess);
    tcase_add_loop_test(tc, a_budget_is_never_exceeded, 0, 20);
    tcase_add_test(tc, a_budget_wants_prices_and_rates);
    tcase_add_test(tc, what_was_in_flight_at_the_end_is_free_again);
    tcase_add_test(tc, bills_of_several_currencies_add_up_in_cny);
    tcase_add_loop_test(tc, guesses_hold_what_tokenizers_count, 0, N(texts));
    tcase_add_test(tc, a_chat_is_its_messages_and_what_is_around_them);
}

T_MAIN("meter", setup)
