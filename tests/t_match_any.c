/* What holds for all matchers: time, memory, any bytes.
 *
 * MOKAO_TIMES=table prints the milliseconds of every sample on every junk
 * instead of judging them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cases.h"
#include "tests/junk.h"
#include "tests/t.h"

START_TEST(every_failed_allocation_is_reported)
{
    for (size_t i = 0; case_samples[i].kind; i++) {
        const struct match_kind *kind = match_find(case_samples[i].kind, NULL);
        enum err_code rc = ERR_NOMEM;
        struct testcase c;

        if (kind->executes)
            continue; /* tested beside the sandbox */
        case_open(&c, str_of(case_samples[i].item));
        for (size_t nth = 1; rc; nth++) {
            struct match_out out;
            struct arena a;
            struct err e;

            arena_init(&a, 0);
            mem_fail_at(nth, false);
            rc = kind->run(&c.in, &a, &out, &e);
            mem_fail_at(0, false);
            ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
            ck_assert_msg(rc || out.verdict == VERDICT_CORRECT, "%s",
                          case_samples[i].item);
            arena_free(&a);
            ck_assert_uint_lt(nth, 2000);
        }
        json_free(c.json);
    }
}
END_TEST

/* What each rule reads by itself takes more than a verdict does. */
START_TEST(what_rules_read_survives_that_too)
{
    for (size_t i = 0; case_samples[i].kind; i++) {
        const struct match_kind *kind = match_find(case_samples[i].kind, NULL);
        enum err_code rc = kind->candidates ? ERR_NOMEM : ERR_OK;
        struct testcase c;

        case_open(&c, str_of(case_samples[i].item));
        for (size_t nth = 1; rc; nth++) {
            struct match_candidates list = { .n = 0 };
            struct arena a;
            struct err e;

            arena_init(&a, 0);
            mem_fail_at(nth, false);
            rc = kind->candidates(&c.in, &a, &list, &e);
            mem_fail_at(0, false);
            ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
            arena_free(&a);
            ck_assert_uint_lt(nth, 2000);
        }
        json_free(c.json);
    }
}
END_TEST

/* --- a megabyte of anything -------------------------------------------------- */

/* 50 ms of a core in the program as users have it.  Sanitizers and a build
 * without optimisation are so much slower. */
#ifdef NDEBUG
enum { SLOWER = 1 };
#else
enum { SLOWER = 10 };
#endif
enum { ANY_MS = 50 * SLOWER, ANY_TRIES = 10 };

/* A megabyte, and what is too long for no matcher.  `make check` has time for
 * the smaller one alone. */
#ifdef NDEBUG
static const size_t sizes[] = { 1 << 16, 1 << 20 };
#else
static const size_t sizes[] = { 1 << 14, 1 << 20 };
#endif

static size_t n_sizes(void)
{
    const char *mode = getenv("MOKAO_TEST_MODE");

    return mode && !strcmp(mode, "quick") ? 1 : 2;
}

static double run_ms(const struct match_kind *kind, const struct match_in *in)
{
    double start = junk_cpu_ms();
    struct match_out out;
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    t_ok(kind->run(in, &a, &out, &e), &e);
    start = junk_cpu_ms() - start;
    ck_assert_uint_le(out.span_at + out.span_len, in->response.n);
    arena_free(&a);
    return start;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return (a > b) - (a < b);
}

static double median_ms(const struct match_kind *kind,
                        const struct match_in *in)
{
    double ms[5];

    for (size_t i = 0; i < 5; i++)
        ms[i] = run_ms(kind, in);
    qsort(ms, 5, sizeof(*ms), by_value);
    return ms[2];
}

/* What is too slow once may have been disturbed: the best try counts, and what
 * is fast enough is not tried again. */
static void judge_any(const struct case_sample *s, struct str junk,
                      const char *name)
{
    const struct match_kind *kind = match_find(s->kind, NULL);
    double best = INFINITY;
    struct testcase c;

    case_open(&c, str_of(s->item));
    c.in.response = junk;
    if (getenv("MOKAO_TIMES"))
        printf("%s\t%.40s\t%zu\t%.1f\n", s->kind, name, junk.n,
               median_ms(kind, &c.in));
    else {
        for (int i = 0; i < ANY_TRIES && best > ANY_MS; i++)
            best = fmin(best, run_ms(kind, &c.in));
        ck_assert_msg(best <= ANY_MS, "%s: %s: %.0f ms: %s", s->kind, name,
                      best, s->item);
    }
    json_free(c.json);
}

static size_t junks(void)
{
    size_t n = 0;

    while (junk_name(n))
        n++;
    return n;
}

static void judge_junk(size_t which, size_t size)
{
    struct buf b;

    buf_init(&b, 1 << 22);
    junk_fill(&b, size, which);
    for (const struct case_sample *s = case_samples; s->kind; s++)
        judge_any(s, buf_view(&b), junk_name(which));
    buf_free(&b);
}

/* In a few processes: each has to compile all patterns. */
enum { GROUPS = 6 };

START_TEST(a_megabyte_of_anything_is_answered_in_time)
{
    for (size_t which = (size_t)_i; which < junks(); which += GROUPS)
        for (size_t i = 0; i < n_sizes(); i++)
            judge_junk(which, sizes[i]);
}
END_TEST

/* What is folded once stays as it is: matchers fold both sides at different
 * times. */
START_TEST(folding_is_idempotent)
{
    static const unsigned flags[] = { TEXT_NFKC, TEXT_NFKC | TEXT_SIMPLE,
                                      TEXT_NFKC | TEXT_CASE,
                                      TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE |
                                          TEXT_PUNCT | TEXT_NOSPACE };

    for (size_t which = 0; junk_name(which); which++)
        for (size_t f = 0; f < sizeof(flags) / sizeof(*flags); f++) {
            struct buf raw, once, twice;
            struct err e;

            buf_init(&raw, 1 << 20);
            buf_init(&once, 1 << 20);
            buf_init(&twice, 1 << 20);
            junk_fill(&raw, 4000, which);
            t_ok(text_fold(buf_view(&raw), flags[f], &once, NULL, &e), &e);
            t_ok(text_fold(buf_view(&once), flags[f], &twice, NULL, &e), &e);
            ck_assert_msg(str_eq(buf_view(&once), buf_view(&twice)),
                          "%s, flags %u", junk_name(which), flags[f]);
            buf_free(&raw);
            buf_free(&once);
            buf_free(&twice);
        }
}
END_TEST

START_TEST(every_kind_has_a_sample)
{
    for (size_t i = 0; match_kinds[i]; i++) {
        const struct case_sample *s = case_samples;

        while (s->kind && strcmp(s->kind, match_kinds[i]->name) != 0)
            s++;
        ck_assert_msg(s->kind != NULL, "%s", match_kinds[i]->name);
    }
}
END_TEST

/* Of what is longer than it can look at, a matcher says nothing. */
static const struct {
    const char *kind, *item, *head;
    size_t most; /* bytes that are judged; 0: that is tested elsewhere */
    size_t too_many;
} limits[] = {
    { "constraints", "{\"expected\":[{\"kind\":\"length\",\"max\":300000}]}", "",
      1 << 18, (1 << 18) + 1 },
    { "code",
      "{\"expected\":{\"test\":\"assert f()\"},\"options\":{\"language\":"
      "\"python\"}}",
      "def f():\n  ", 0, 1 << 20 },
};

static struct match_out judge_long(size_t i, size_t n, struct arena *a)
{
    const struct match_kind *kind = match_find(limits[i].kind, NULL);
    struct match_out out;
    struct testcase c;
    struct buf b;
    struct err e;

    buf_init(&b, 1 << 22);
    buf_str(&b, limits[i].head);
    buf_fill(&b, 'a', n - b.n);
    case_open(&c, str_of(limits[i].item));
    c.in.response = buf_view(&b);
    t_ok(kind->run(&c.in, a, &out, &e), &e);
    json_free(c.json);
    buf_free(&b);
    return out;
}

START_TEST(too_long_an_answer_is_not_judged_by_its_beginning)
{
    struct match_out out;
    struct arena a;

    arena_init(&a, 0);
    out = judge_long(_i, limits[_i].too_many, &a);
    ck_assert_int_eq(out.verdict, VERDICT_UNPARSABLE);
    ck_assert_str_eq(out.rule, "too-long");
    if (limits[_i].most)
        ck_assert_int_eq(judge_long(_i, limits[_i].most, &a).verdict,
                         VERDICT_CORRECT);
    arena_free(&a);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, every_kind_has_a_sample);
    tcase_add_test(tc, what_rules_read_survives_that_too);
    tcase_add_test(tc, every_failed_allocation_is_reported);
    tcase_add_loop_test(tc, too_long_an_answer_is_not_judged_by_its_beginning,
                        0, sizeof(limits) / sizeof(*limits));
    tcase_add_loop_test(tc, a_megabyte_of_anything_is_answered_in_time, 0,
                        GROUPS);
    tcase_add_test(tc, folding_is_idempotent);
}

T_MAIN("match_any", setup)
