/* The audit of rules: counts, rivals, drift, the sample, and what a person's
 * marks say. */
#include "harness/rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/score.h"
#include "harness/stats.h"
#include "tests/store_fill.h"
#include "tests/t.h"

static struct err err;

struct bench {
    struct store *db;
    struct arena a;
    struct rules_scope scope;
};

static void bench_open(struct bench *b)
{
    char path[256];

    snprintf(path, sizeof path, "%s/rules-%d.db", t_tmp(), (int)getpid());
    (void)remove(path);
    b->db = fill_open(path);
    arena_init(&b->a, 0);
    b->scope =
        (struct rules_scope){ .store = b->db, .alpha = 0.05, .arena = &b->a };
}

static void bench_close(struct bench *b)
{
    store_close(b->db);
    arena_free(&b->a);
}

/* n answers of one text each, judged; the right answer is B. */
static void ask(struct bench *b, const char *model, size_t n,
                const char *const *texts, size_t n_texts)
{
    struct fill f = fill_make(b->db, model, "s", n);
    const struct score_params usual = { 0 };
    struct score_totals t;

    for (size_t i = 0; i < n; i++) {
        struct store_sample k = fill_key(&f, i);
        (void)fill_answer(b->db, &k, texts[i % n_texts], NULL);
    }
    t_ok(score_all(b->db, &usual, &t, &err), &err);
}

static void audit(struct bench *b, struct rules_audit *r)
{
    t_ok(rules_audit(&b->scope, r, &err), &err);
}

static const struct rules_rule *rule(const struct rules_audit *r,
                                     const char *name)
{
    for (size_t i = 0; i < r->n_rules; i++)
        if (!strcmp(r->rules[i].rule, name))
            return &r->rules[i];
    ck_abort_msg("no rule %s", name);
    return NULL;
}

static const char *const texts[] = { "答案是B", "答案是A", "【答案】B",
                                     "不好说" };

START_TEST(rules_are_counted_and_silent_ones_shown)
{
    struct rules_audit r;
    struct bench b;

    bench_open(&b);
    ask(&b, "m", 8, texts, 4);
    audit(&b, &r);
    ck_assert_int_eq(r.samples, 8);
    ck_assert_int_eq(rule(&r, "answer-is")->n, 4);
    ck_assert_int_eq(rule(&r, "answer-is")->correct, 2);
    ck_assert_int_eq(rule(&r, "answer-is")->wrong, 2);
    ck_assert_int_eq(rule(&r, "answer-mark")->n, 2);
    ck_assert_int_eq(rule(&r, "")->unparsable, 2);
    ck_assert_int_eq(rule(&r, "boxed")->n, 0);
    ck_assert_uint_eq(r.n_uses, 3);
    ck_assert_str_eq(r.uses[0].rule, "");
    ck_assert_int_eq(r.uses[0].n, 2);
    ck_assert_int_eq(r.uses[0].of, 8);
    bench_close(&b);
}
END_TEST

START_TEST(rivals_are_rules_that_read_something_else)
{
    static const char *const rival[] = { "C项正确。答案是B", "B项正确。答案是B",
                                         "C项正确。答案是D" };
    struct rules_audit r;
    struct bench b;

    bench_open(&b);
    ask(&b, "m", 3, rival, 3);
    audit(&b, &r);
    ck_assert_int_eq(r.compared, 3);
    ck_assert_int_eq(rule(&r, "answer-is")->rivals, 2);
    ck_assert_int_eq(rule(&r, "answer-is")->changed, 1); /* C, D: both wrong */
    ck_assert_uint_eq(r.n_conflicts, 1);
    ck_assert_str_eq(r.conflicts[0].rule, "answer-is");
    ck_assert_str_eq(r.conflicts[0].rival, "right");
    ck_assert_int_eq(r.conflicts[0].n, 2);
    ck_assert_str_eq(r.conflicts[0].item, "0");
    bench_close(&b);
}
END_TEST

static const struct rules_drift *drift(const struct rules_audit *r,
                                       const char *model)
{
    for (size_t i = 0; i < r->n_drifts; i++)
        if (!r->drifts[i].run && !strcmp(r->drifts[i].model, model))
            return &r->drifts[i];
    ck_abort_msg("no model %s", model);
    return NULL;
}

START_TEST(a_model_that_is_read_less_often_is_flagged)
{
    static const char *const good[] = { "答案是B" };
    static const char *const mixed[] = { "答案是B", "不好说" };
    struct rules_audit r;
    struct bench b;

    bench_open(&b);
    ask(&b, "a", 40, good, 1);
    ask(&b, "b", 40, good, 1);
    audit(&b, &r);
    ck_assert(!drift(&r, "a")->drifts && !drift(&r, "b")->drifts);
    ck_assert_double_eq(drift(&r, "a")->p, 1);
    ask(&b, "c", 40, mixed, 2);
    audit(&b, &r);
    ck_assert_int_eq(drift(&r, "c")->unread, 20);
    ck_assert_int_eq(drift(&r, "c")->others, 80);
    ck_assert_int_eq(drift(&r, "c")->others_unread, 0);
    ck_assert(drift(&r, "c")->drifts);
    bench_close(&b);
}
END_TEST

START_TEST(a_run_is_compared_with_the_models_others)
{
    static const char *const good[] = { "答案是B" };
    static const char *const bad[] = { "不好说" };
    struct rules_audit r;
    struct bench b;
    size_t runs = 0;

    bench_open(&b);
    ask(&b, "m", 30, good, 1);
    {
        struct fill f = fill_make(b.db, "m", "s2", 30);
        const struct score_params usual = { 0 };
        struct score_totals t;
        for (size_t i = 0; i < 30; i++) {
            struct store_sample k = fill_key(&f, i);
            (void)fill_answer(b.db, &k, bad[0], NULL);
        }
        t_ok(score_all(b.db, &usual, &t, &err), &err);
    }
    audit(&b, &r);
    for (size_t i = 0; i < r.n_drifts; i++)
        if (r.drifts[i].run) {
            runs++;
            ck_assert(r.drifts[i].drifts);
            ck_assert_int_eq(r.drifts[i].others, 30);
        }
    ck_assert_uint_eq(runs, 2);
    bench_close(&b);
}
END_TEST

/* --- the sample ---------------------------------------------------------------- */

START_TEST(a_sample_has_all_strata_and_is_the_same_again)
{
    struct rules_pick *x, *y, *z;
    size_t n, m, differ = 0;
    struct bench b;

    bench_open(&b);
    ask(&b, "m", 100, texts, 4);
    t_ok(rules_draw(&b.scope, 20, 7, &x, &n, &err), &err);
    ck_assert_uint_eq(n, 20);
    t_ok(rules_draw(&b.scope, 20, 7, &y, &m, &err), &err);
    t_ok(rules_draw(&b.scope, 20, 8, &z, &m, &err), &err);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(x[i].sample, y[i].sample);
        ck_assert_int_eq(x[i].stratum, 25);
        ck_assert(!i || x[i].sample != x[i - 1].sample);
        differ += x[i].sample != z[i].sample;
    }
    ck_assert_uint_gt(differ, 0);
    ck_assert_str_eq(x[0].expected, "\"B\"");
    ck_assert_str_eq(x[0].response, "不好说");
    t_ok(rules_draw(&b.scope, 1000, 7, &x, &n, &err), &err);
    ck_assert_uint_eq(n, 100);
    bench_close(&b);
}
END_TEST

static const struct rules_error *error_of(const struct rules_checked *r,
                                          const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (name ? r->list[i].rule && !strcmp(r->list[i].rule, name)
                 : !r->list[i].matcher)
            return &r->list[i];
    ck_abort_msg("no row %s", name ? name : "all");
    return NULL;
}

/* The picks as a person would hand them back, the i-th marked by mark(i). */
static void write_marks(struct buf *csv, const struct rules_pick *x, size_t n,
                        const char *(*mark)(const struct rules_pick *, size_t))
{
    buf_str(csv, "sample,matcher,rule,verdict,note,check\r\n");
    for (size_t i = 0; i < n; i++)
        buf_printf(csv, "%lld,%s,%s,%s,\"a \"\"note\"\", of mine\",%s\r\n",
                   (long long)x[i].sample, x[i].matcher, x[i].rule,
                   x[i].verdict, mark(&x[i], i));
}

/* All of 不好说 were misread, nothing else. */
static const char *mark_unparsable(const struct rules_pick *x, size_t i)
{
    (void)i;
    return !strcmp(x->verdict, "unparsable") ? "错" : "1";
}

START_TEST(marks_give_error_rates_weighted_by_strata)
{
    /* 75 of one stratum, 25 of the other: 5 of each are checked */
    static const char *const uneven[] = { "答案是B", "答案是B", "答案是B",
                                          "不好说" };
    const struct rules_error *all;
    struct interval wilson = stats_wilson(0, 5, 0.05);
    struct rules_checked r;
    struct rules_pick *x;
    struct bench b;
    struct buf csv;
    size_t n;

    bench_open(&b);
    buf_init(&csv, 1 << 20);
    ask(&b, "m", 100, uneven, 4);
    t_ok(rules_draw(&b.scope, 100, 1, &x, &n, &err), &err);
    /* strata follow each other: 25 of none, 75 of answer-is */
    write_marks(&csv, x, 5, mark_unparsable);
    for (size_t i = 25; i < 30; i++)
        buf_printf(&csv, "%lld,choice,answer-is,correct,,yes\n",
                   (long long)x[i].sample);
    t_ok(rules_check(&b.scope, buf_view(&csv), &r, &err), &err);
    ck_assert_uint_eq(r.n, 4);
    ck_assert_int_eq(error_of(&r, "")->errors, 5);
    ck_assert_double_eq_tol(error_of(&r, "")->rate, 1, 1e-12);
    ck_assert_double_eq_tol(error_of(&r, "answer-is")->rate, 0, 1e-12);
    ck_assert_double_eq_tol(error_of(&r, "answer-is")->hi, wilson.hi, 1e-9);
    all = error_of(&r, NULL);
    ck_assert_int_eq(all->checked, 10);
    ck_assert_double_eq_tol(all->rate, 0.25, 1e-12);
    ck_assert(all->lo < 0.25 && all->hi > 0.25 && all->hi < 0.7);
    ck_assert_double_eq_tol(all->covered, 1, 1e-12);
    buf_free(&csv);
    bench_close(&b);
}
END_TEST

START_TEST(what_was_judged_anew_or_not_marked_does_not_count)
{
    struct rules_checked r;
    struct rules_pick *x;
    struct bench b;
    char csv[400];
    size_t n;

    bench_open(&b);
    ask(&b, "m", 8, texts, 4);
    t_ok(rules_draw(&b.scope, 8, 1, &x, &n, &err), &err);
    snprintf(csv, sizeof csv,
             "check,sample,matcher,rule,verdict\n"
             ",%lld,choice,,unparsable\n"
             "1,%lld,choice,boxed,correct\n"
             "0,%lld,choice,%s,%s\n",
             (long long)x[0].sample, (long long)x[1].sample,
             (long long)x[7].sample, x[7].rule, x[7].verdict);
    t_ok(rules_check(&b.scope, str_of(csv), &r, &err), &err);
    ck_assert_uint_eq(r.unmarked, 1);
    ck_assert_uint_eq(r.stale, 1);
    ck_assert_int_eq(error_of(&r, NULL)->checked, 1);
    bench_close(&b);
}
END_TEST

static const struct {
    const char *csv, *says;
} broken[] = {
    { "", "the table is empty" },
    { "sample,matcher,rule,verdict\n", "row 1: no column \"check\"" },
    { "sample,matcher,rule,verdict,check\n1,choice,,wrong,maybe\n",
      "row 2: check: expected 1" },
    { "sample,matcher,rule,verdict,check\n999,choice,,wrong,1\n",
      "row 2: sample: \"999\" is none" },
    { "sample,matcher,rule,verdict,check\nx,choice,,wrong,1\n",
      "row 2: sample: \"x\" is none" },
    { "sample,matcher,rule,verdict,check\n1,choice\n", "row 2: no \"rule\"" },
};

START_TEST(broken_tables_are_named_with_their_fault)
{
    struct rules_checked r;
    struct bench b;

    bench_open(&b);
    ask(&b, "m", 4, texts, 4);
    ck_assert_int_eq(rules_check(&b.scope, str_of(broken[_i].csv), &r, &err),
                     ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, broken[_i].says), "%s", err.msg);
    bench_close(&b);
}
END_TEST

START_TEST(only_what_is_chosen_is_audited)
{
    struct rules_audit r;
    struct bench b;

    bench_open(&b);
    ask(&b, "a", 4, texts, 4);
    ask(&b, "b", 8, texts, 4);
    b.scope.models = "[\"b\"]";
    audit(&b, &r);
    ck_assert_int_eq(r.samples, 8);
    b.scope.suites = "[\"s/odd\"]";
    audit(&b, &r);
    ck_assert_int_eq(r.samples, 4);
    b.scope.suites = "[\"none\"]";
    audit(&b, &r);
    ck_assert_int_eq(r.samples, 0);
    ck_assert_uint_eq(r.n_rules, 0);
    bench_close(&b);
}
END_TEST

START_TEST(no_memory_is_reported)
{
    struct rules_audit r;
    enum err_code rc = ERR_NOMEM;
    struct bench b;

    bench_open(&b);
    ask(&b, "m", 4, texts, 4);
    for (size_t nth = 1; rc && nth < 4000; nth++) {
        arena_reset(&b.a);
        mem_fail_at(nth, false);
        rc = rules_audit(&b.scope, &r, &err);
        mem_fail_at(0, false);
        ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "%s", err.msg);
    }
    ck_assert_int_eq(rc, ERR_OK);
    bench_close(&b);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, rules_are_counted_and_silent_ones_shown);
    tcase_add_test(tc, rivals_are_rules_that_read_something_else);
    tcase_add_test(tc, a_model_that_is_read_less_often_is_flagged);
    tcase_add_test(tc, a_run_is_compared_with_the_models_others);
    tcase_add_test(tc, a_sample_has_all_strata_and_is_the_same_again);
    tcase_add_test(tc, marks_give_error_rates_weighted_by_strata);
    tcase_add_test(tc, what_was_judged_anew_or_not_marked_does_not_count);
    tcase_add_loop_test(tc, broken_tables_are_named_with_their_fault, 0,
                        sizeof broken / sizeof *broken);
    tcase_add_test(tc, only_what_is_chosen_is_audited);
    tcase_add_test(tc, no_memory_is_reported);
}

T_MAIN("rules", setup)
