/* Rates, windows and waits, with a clock of our own. */
#include "runners/pace.h"

#include "tests/t.h"

#define S ((int64_t)1000000000)
#define MS ((int64_t)1000000)

static struct pace make(double rpm, double tpm, size_t window)
{
    struct pace_limits l = { { rpm, tpm }, window };
    struct pace p;

    pace_init(&p, &l);
    return p;
}

/* Starts what may start until `until`, each ending at once; how many. */
static size_t starts(struct pace *p, double tokens, int64_t from, int64_t until)
{
    struct pace_pass pass;
    size_t n = 0;

    for (int64_t now = from, wait; now < until;) {
        wait = pace_start(p, tokens, now, &pass);
        if (wait) {
            now += wait;
            continue;
        }
        pace_end(p, &pass);
        n++;
    }
    return n;
}

START_TEST(requests_a_minute_are_kept_and_evenly_spaced)
{
    struct pace p = make(60, 0, 100);
    struct pace_pass pass;

    ck_assert_uint_eq(starts(&p, 10, 10 * S, 70 * S), 61);
    p = make(60, 0, 100);
    ck_assert_int_eq(pace_start(&p, 0, 5 * S, &pass), 0);
    ck_assert_int_eq(pace_start(&p, 0, 5 * S, &pass), S - 100 * MS);
}
END_TEST

START_TEST(tokens_a_minute_are_kept)
{
    struct pace p = make(0, 6000, 100);
    size_t n = starts(&p, 100, 10 * S, 70 * S);

    ck_assert_uint_ge(n, 60);
    ck_assert_uint_le(n, 61);
}
END_TEST

START_TEST(what_a_request_really_took_is_settled)
{
    struct pace p = make(0, 6000, 100);
    struct pace_pass pass;

    ck_assert_int_eq(pace_start(&p, 100, 10 * S, &pass), 0);
    pace_end(&p, &pass);
    pace_settle(&p, &pass, 300); /* two seconds' worth more */
    ck_assert_int_eq(pace_start(&p, 100, 10 * S, &pass), 3 * S - 100 * MS);
}
END_TEST

START_TEST(the_window_is_never_exceeded)
{
    struct pace p = make(0, 0, 3);
    struct pace_pass pass;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pace_start(&p, 1, S, &pass), 0);
    ck_assert(pace_start(&p, 1, S, &pass) == INT64_MAX);
    pace_end(&p, &pass);
    pace_settle(&p, &pass, 1);
    ck_assert_int_eq(pace_start(&p, 1, S, &pass), 0);
}
END_TEST

START_TEST(too_fast_halves_once_for_all_under_way)
{
    struct pace p = make(0, 0, 16);
    struct pace_pass pass[16], late;

    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(pace_start(&p, 1, S + i, &pass[i]), 0);
    for (int i = 0; i < 16; i++) {
        pace_end(&p, &pass[i]);
        pace_cut(&p, &pass[i], -1, 2 * S + i);
    }
    ck_assert(p.window > 7.9 && p.window < 8.1);
    ck_assert_int_eq(pace_start(&p, 1, 3 * S, &late), 0);
    pace_end(&p, &late);
    pace_cut(&p, &late, -1, 4 * S);
    ck_assert(p.window > 3.9 && p.window < 4.1);
}
END_TEST

START_TEST(the_window_grows_by_one_a_round_and_not_beyond)
{
    struct pace p = make(0, 0, 8);

    p.window = 4;
    for (int i = 0; i < 4; i++)
        pace_grow(&p);
    ck_assert(p.window > 4.8 && p.window < 5);
    for (int i = 0; i < 1000; i++)
        pace_grow(&p);
    ck_assert(p.window > 7.999 && p.window < 8.001);
}
END_TEST

START_TEST(one_stays_allowed_however_often_it_was_too_fast)
{
    struct pace p = make(0, 0, 4);
    struct pace_pass pass;

    for (int64_t t = S; t < 20 * S; t += S) {
        ck_assert_int_eq(pace_start(&p, 1, t, &pass), 0);
        pace_end(&p, &pass);
        pace_cut(&p, &pass, -1, t);
    }
    ck_assert_int_eq(pace_start(&p, 1, 30 * S, &pass), 0);
    ck_assert(pace_start(&p, 1, 30 * S, &pass) == INT64_MAX);
}
END_TEST

START_TEST(retry_after_holds_everyone)
{
    struct pace p = make(0, 0, 4);
    struct pace_pass pass;

    ck_assert_int_eq(pace_start(&p, 1, S, &pass), 0);
    pace_end(&p, &pass);
    pace_cut(&p, &pass, 5 * S, 2 * S);
    ck_assert_int_eq(pace_start(&p, 1, 3 * S, &pass), 4 * S);
    ck_assert_int_eq(pace_start(&p, 1, 7 * S, &pass), 0);
}
END_TEST

static struct pace_hint hint(const char *const *lines, size_t n)
{
    struct pace_hint h;

    pace_hint_init(&h);
    for (size_t i = 0; i + 1 < n; i += 2)
        pace_header(&h, str_of(lines[i]), str_of(lines[i + 1]),
                    INT64_C(1700000000000)); /* 2023-11-14T22:13:20Z */
    return h;
}

START_TEST(what_is_left_holds_back_until_the_reset)
{
    static const char *const lines[] = { "x-ratelimit-remaining-requests", "1",
                                         "x-ratelimit-reset-requests", "2s" };
    struct pace_hint h = hint(lines, 4);
    struct pace p = make(0, 0, 4);
    struct pace_pass pass;

    pace_learn(&p, &h, S);
    ck_assert_int_eq(pace_start(&p, 1, S, &pass), 0);
    pace_end(&p, &pass);
    ck_assert_int_eq(pace_start(&p, 1, S, &pass), 2 * S);
    ck_assert_int_eq(pace_start(&p, 1, 3 * S, &pass), 0);
}
END_TEST

START_TEST(a_reset_far_away_is_tried_before)
{
    static const char *const lines[] = { "x-ratelimit-remaining-tokens", "0",
                                         "x-ratelimit-reset-tokens", "24h" };
    struct pace_hint h = hint(lines, 4);
    struct pace p = make(0, 0, 4);
    struct pace_pass pass;

    pace_learn(&p, &h, S);
    ck_assert_int_eq(pace_start(&p, 10, S, &pass), 120 * S);
}
END_TEST

START_TEST(headers_of_all_spellings_are_read)
{
    static const struct {
        const char *name, *value;
        int what; /* PACE_REQUESTS, PACE_TOKENS, 2: Retry-After */
        double left;
        int64_t ns;
    } rows[] = {
        { "retry-after", "7", 2, 0, 7 * S },
        { "Retry-After", "Tue, 14 Nov 2023 22:13:30 GMT", 2, 0, 10 * S },
        { "retry-after", "Tue, 14 Nov 2023 22:13:10 GMT", 2, 0, 0 },
        { "retry-after-ms", "1500", 2, 0, 1500 * MS },
        { "retry-after", "soon", 2, 0, -1 },
        { "retry-after", "", 2, 0, -1 },
        { "x-ratelimit-reset-requests", "120ms", 0, -1, 120 * MS },
        { "x-ratelimit-reset-tokens", "6m0s", 1, -1, 360 * S },
        { "x-ratelimit-reset-tokens", "1.5s", 1, -1, 1500 * MS },
        { "X-RateLimit-Reset", "1700000030", 0, -1, 30 * S },
        { "X-RateLimit-Reset", "1700000030500", 0, -1, 30500 * MS },
        { "X-RateLimit-Reset", "30", 0, -1, 30 * S },
        { "X-Ratelimit-Remaining-Tokens", "299000", 1, 299000, -1 },
        { "anthropic-ratelimit-requests-remaining", "0", 0, 0, -1 },
        { "anthropic-ratelimit-requests-reset", "2023-11-14T22:14:00Z", 0, -1,
          40 * S },
        { "anthropic-ratelimit-input-tokens-remaining", "5", 1, -1, -1 },
        { "x-ratelimit-remaining-requests", "-4", 0, -1, -1 },
        { "x-request-id", "17", 0, -1, -1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *line[2] = { rows[i].name, rows[i].value };
        struct pace_hint h = hint(line, 2);
        if (rows[i].what == 2) {
            ck_assert_msg(h.retry_ns == rows[i].ns, "%s: %s: %lld",
                          rows[i].name, rows[i].value, (long long)h.retry_ns);
            continue;
        }
        ck_assert_msg(h.left[rows[i].what] > rows[i].left - 0.1 &&
                          h.left[rows[i].what] < rows[i].left + 0.1 &&
                          h.reset_ns[rows[i].what] == rows[i].ns,
                      "%s: %s: %g, %lld", rows[i].name, rows[i].value,
                      h.left[rows[i].what],
                      (long long)h.reset_ns[rows[i].what]);
    }
}
END_TEST

START_TEST(the_exact_wait_goes_before_the_rounded_one)
{
    static const char *const lines[] = { "retry-after-ms", "250",
                                         "retry-after",    "1",
                                         "x-should-retry", "false" };
    struct pace_hint h = hint(lines, 6);

    ck_assert_int_eq(h.retry_ns, 250 * MS);
    ck_assert_int_eq(h.should_retry, 0);
}
END_TEST

START_TEST(backoff_doubles_to_a_limit_with_full_jitter)
{
    ck_assert_int_eq(pace_backoff(1, -1, 0), 0);
    ck_assert_int_eq(pace_backoff(1, -1, UINT64_MAX) / MS, 499);
    ck_assert_int_eq(pace_backoff(3, -1, UINT64_MAX) / MS, 1999);
    ck_assert_int_eq(pace_backoff(100, -1, UINT64_MAX) / MS, 29999);
    ck_assert_int_eq(pace_backoff(3, -1, UINT64_MAX / 2) / MS, 999);
}
END_TEST

START_TEST(a_wait_that_was_told_is_the_least)
{
    for (uint64_t c = 1; c; c <<= 1) {
        int64_t w = pace_backoff(4, 5 * S, c - 1);
        ck_assert(w >= 5 * S && w <= 5 * S + S / 2);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, requests_a_minute_are_kept_and_evenly_spaced);
    tcase_add_test(tc, tokens_a_minute_are_kept);
    tcase_add_test(tc, what_a_request_really_took_is_settled);
    tcase_add_test(tc, the_window_is_never_exceeded);
    tcase_add_test(tc, too_fast_halves_once_for_all_under_way);
    tcase_add_test(tc, the_window_grows_by_one_a_round_and_not_beyond);
    tcase_add_test(tc, one_stays_allowed_however_often_it_was_too_fast);
    tcase_add_test(tc, retry_after_holds_everyone);
    tcase_add_test(tc, what_is_left_holds_back_until_the_reset);
    tcase_add_test(tc, a_reset_far_away_is_tried_before);
    tcase_add_test(tc, headers_of_all_spellings_are_read);
    tcase_add_test(tc, the_exact_wait_goes_before_the_rounded_one);
    tcase_add_test(tc, backoff_doubles_to_a_limit_with_full_jitter);
    tcase_add_test(tc, a_wait_that_was_told_is_the_least);
}

T_MAIN("pace", setup)
