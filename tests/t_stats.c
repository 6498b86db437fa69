/* The statistics against worked answers (golden/statistics.json, made with
 * scipy and statsmodels): within the tolerance stated there, resampling bit for
 * bit.  The cases are read from the file, none is written here again. */
#include "harness/stats.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "tests/t.h"

static struct json *all;
static const struct json *in, *want; /* of the case that is open */
static double tolerance;

static void open_case(const char *id)
{
    struct buf text;
    struct err e;
    const struct json *c;

    t_read("tests/golden/statistics.json", &text);
    t_ok(json_parse(&all, buf_view(&text), &e), &e);
    buf_free(&text);
    c = json_child(json_get(all, "cases"));
    while (c && !str_is(str_of(json_string(json_get(c, "id"))), id))
        c = json_next(c);
    ck_assert_msg(c != NULL, "no case %s", id);
    in = json_get(c, "inputs");
    want = json_get(c, "expected");
    tolerance = json_number(json_get(c, "tolerance"));
}

static void close_case(void)
{
    json_free(all);
    all = NULL;
}

/* A number or null (NaN) of the expected side against what was computed. */
static void same(const struct json *expected, double got, const char *what)
{
    double w = json_number(expected);

    ck_assert_msg(expected != NULL, "%s: not in the case", what);
    if (isnan(w)) {
        ck_assert_msg(isnan(got), "%s: %.15g, expected none", what, got);
        return;
    }
    ck_assert_msg(fabs(got - w) <= tolerance, "%s: %.15g, expected %.15g", what,
                  got, w);
}

static void same_interval(const struct json *pair, struct interval got,
                          const char *what)
{
    same(json_at(pair, 0), got.lo, what);
    same(json_at(pair, 1), got.hi, what);
}

static double input(const char *key)
{
    const struct json *j = json_get(in, key);
    ck_assert_msg(j != NULL, "no input %s", key);
    return json_number(j);
}

/* The array of numbers under key; freed with mem_free(). */
static double *numbers(const struct json *array, size_t *n)
{
    double *out = mem_array(json_len(array), sizeof *out);
    size_t i = 0;

    ck_assert(out && json_len(array) > 0);
    for (const struct json *j = json_child(array); j; j = json_next(j))
        out[i++] = json_number(j);
    *n = i;
    return out;
}

static int64_t *integers(const struct json *array, size_t *n)
{
    double *x = numbers(array, n);
    int64_t *out = mem_array(*n, sizeof *out);

    ck_assert(out != NULL);
    for (size_t i = 0; i < *n; i++)
        out[i] = (int64_t)x[i];
    mem_free(x);
    return out;
}

START_TEST(generator_is_splitmix64_to_the_bit)
{
    const struct json *j;
    char hex[17];
    uint64_t state;

    open_case("prng.splitmix64");
    state = (uint64_t)input("seed");
    for (j = json_child(json_get(want, "first5_hex")); j; j = json_next(j)) {
        snprintf(hex, sizeof hex, "%016llx",
                 (unsigned long long)stats_random(&state));
        ck_assert_str_eq(hex, json_string(j));
    }
    for (j = json_child(json_get(want, "then_below_10")); j; j = json_next(j))
        same(j, (double)stats_below(&state, 10), "below");
    for (j = json_child(json_get(want, "then_unit")); j; j = json_next(j))
        same(j, stats_unit(&state), "unit");
    close_case();
}
END_TEST

START_TEST(tries_have_pass_at_k)
{
    static const char *const names[] = { "k1", "k5", "k10" }, *const means[] = {
        "mean_k1", "mean_k5", "mean_k10"
    };
    const struct json *problems, *ks;

    open_case("pass_at_k");
    problems = json_get(in, "problems");
    ks = json_get(in, "k");
    ck_assert_uint_eq(json_len(problems), 6);
    for (size_t k = 0; k < 3; k++) {
        const struct json *expected = json_get(want, names[k]);
        double x[6];
        for (size_t i = 0; i < 6; i++) {
            const struct json *p = json_at(problems, i);
            x[i] = stats_pass_at_k((int64_t)json_number(json_at(p, 0)),
                                   (int64_t)json_number(json_at(p, 1)),
                                   (int64_t)json_number(json_at(ks, k)));
            same(json_at(expected, i), x[i], names[k]);
        }
        same(json_get(want, means[k]), stats_mean(x, 6), means[k]);
    }
    ck_assert_double_nan(stats_pass_at_k(4, 1, 5));
    ck_assert_double_nan(stats_pass_at_k(4, 5, 1));
    close_case();
}
END_TEST

START_TEST(proportions_have_wilson_and_exact_intervals)
{
    const struct json *row, *expected;

    open_case("wilson.table");
    row = json_child(json_get(in, "rows"));
    expected = json_child(json_get(want, "rows"));
    ck_assert_uint_eq(json_len(json_get(in, "rows")), 16);
    for (; row; row = json_next(row), expected = json_next(expected)) {
        int64_t k = (int64_t)json_number(json_get(row, "k"));
        int64_t n = (int64_t)json_number(json_get(row, "n"));
        double alpha = 1 - json_number(json_get(row, "confidence"));
        same_interval(json_get(expected, "wilson"), stats_wilson(k, n, alpha),
                      "wilson");
        same_interval(json_get(expected, "clopper_pearson"),
                      stats_clopper_pearson(k, n, alpha), "clopper_pearson");
    }
    close_case();
}
END_TEST

START_TEST(no_items_give_the_whole_interval)
{
    ck_assert_double_eq(stats_wilson(0, 0, 0.05).lo, 0);
    ck_assert_double_eq(stats_wilson(0, 0, 0.05).hi, 1);
    ck_assert_double_eq(stats_clopper_pearson(0, 0, 0.05).hi, 1);
    ck_assert_double_eq(stats_wilson(0, 20, 0.05).lo, 0);
    ck_assert_double_eq(stats_wilson(20, 20, 0.05).hi, 1);
}
END_TEST

START_TEST(normal_quantile_matches_the_table)
{
    const struct json *p, *z;

    open_case("normal.quantile");
    p = json_child(json_get(in, "p"));
    z = json_child(json_get(want, "z"));
    for (; p; p = json_next(p), z = json_next(z))
        same(z, stats_normal_quantile(json_number(p)), "z");
    close_case();
}
END_TEST

START_TEST(normal_quantile_inverts_the_distribution)
{
    /* Down to where doubles end; the error promised is 1e-12. */
    for (int i = -37 * 4; i < 8 * 4; i++) {
        double x = i / 4.0;
        double p = stats_normal_cdf(x), back = stats_normal_quantile(p);
        double p_step = x > 0 ? DBL_EPSILON : p * DBL_EPSILON;
        double grain = p_step * sqrt(2 * M_PI) * exp(x * x / 2);
        ck_assert_msg(fabs(back - x) < 1e-12 + 2 * grain, "%.17g gave %.17g", x,
                      back);
    }
    ck_assert(isinf(stats_normal_quantile(0)));
    ck_assert(isinf(stats_normal_quantile(1)));
    ck_assert(isnan(stats_normal_quantile(-0.1)));
    ck_assert(isnan(stats_normal_quantile(NAN)));
}
END_TEST

START_TEST(clusters_widen_the_standard_error)
{
    size_t n, m;
    double *x, se;
    int64_t *c;

    open_case("clustered_se.basic");
    x = numbers(json_get(in, "scores"), &n);
    c = integers(json_get(in, "clusters"), &m);
    ck_assert_uint_eq(n, m);
    same(json_get(want, "mean"), stats_mean(x, n), "mean");
    same(json_get(want, "se_iid"), stats_se(x, n), "se_iid");
    se = stats_se_clustered(x, c, n, 0);
    same(json_get(want, "se_cluster"), se, "se_cluster");
    same(json_get(want, "se_cluster_cr1"), stats_se_clustered(x, c, n, 1),
         "se_cluster_cr1");
    same(json_get(want, "design_effect"),
         se * se / (stats_se(x, n) * stats_se(x, n)), "design_effect");
    mem_free(c);
    mem_free(x);
    close_case();
}
END_TEST

START_TEST(one_cluster_or_one_item_has_no_standard_error)
{
    const double x[] = { 1, 0, 1 };
    const int64_t same_cluster[] = { 7, 7, 7 };

    ck_assert(isnan(stats_se_clustered(x, same_cluster, 3, 0)));
    ck_assert(isnan(stats_se_clustered(x, NULL, 0, 1)));
    ck_assert(isnan(stats_se(x, 1)));
    ck_assert(isnan(stats_mean(x, 0)));
    ck_assert(isnan(stats_paired(x, x, 1).p));
}
END_TEST

START_TEST(paired_differences_are_tested)
{
    size_t n;
    double *a, *b;
    struct paired t;

    open_case("paired.difference");
    a = numbers(json_get(in, "a"), &n);
    b = numbers(json_get(in, "b"), &n);
    t = stats_paired(a, b, n);
    same(json_get(want, "mean_diff"), t.mean, "mean_diff");
    same(json_get(want, "se_paired"), t.se, "se_paired");
    same(json_get(want, "z"), t.z, "z");
    same(json_get(want, "p_two_sided"), t.p, "p");
    mem_free(b);
    mem_free(a);
    close_case();
}
END_TEST

START_TEST(equal_differences_fall_back_on_the_sign_test)
{
    const double right[] = { 1, 1, 1, 1, 1, 1 }, wrong[6] = { 0 };

    ck_assert_double_eq(stats_paired(right, wrong, 6).p, 1.0 / 32);
    ck_assert_double_eq(stats_paired(wrong, right, 2).p, 0.5);
    ck_assert(stats_paired(wrong, right, 2).z < 0);
    ck_assert_double_eq(stats_paired(right, right, 6).p, 1);
}
END_TEST

/* Resamples of x against the case: the first five, their spread, the interval.
 */
static void check_bootstrap(const double *x, const int64_t *cluster, size_t n)
{
    uint64_t seed = (uint64_t)input("seed");
    size_t draws = (size_t)input("B");
    double *means = mem_array(draws, sizeof *means);
    const struct json *first = json_child(json_get(want, "first5"));

    ck_assert(means != NULL);
    ck_assert_int_eq(stats_bootstrap(x, cluster, n, seed, draws, means), 0);
    for (size_t i = 0; i < 5; i++, first = json_next(first))
        same(first, means[i], "first5");
    same(json_get(want, "sd"), stats_se(means, draws) * sqrt((double)draws),
         "sd");
    if (json_get(want, "p"))
        same(json_get(want, "p"), stats_bootstrap_p(means, draws), "p");
    same_interval(json_get(want, "ci95"),
                  stats_bootstrap_mean(x, cluster, n, draws, seed, 0.05),
                  "ci95");
    mem_free(means);
}

START_TEST(bootstrap_draws_as_the_reference_does)
{
    size_t n;
    double *a, *b;

    open_case("paired.bootstrap");
    a = numbers(json_get(in, "a"), &n);
    b = numbers(json_get(in, "b"), &n);
    for (size_t i = 0; i < n; i++)
        a[i] -= b[i];
    check_bootstrap(a, NULL, n);
    mem_free(b);
    mem_free(a);
    close_case();
}
END_TEST

START_TEST(bootstrap_draws_whole_clusters)
{
    size_t n;
    double *x;
    int64_t *c;

    open_case("clustered.bootstrap");
    x = numbers(json_get(in, "scores"), &n);
    c = integers(json_get(in, "clusters"), &n);
    check_bootstrap(x, c, n);
    mem_free(c);
    mem_free(x);
    close_case();
}
END_TEST

START_TEST(bootstrap_does_not_depend_on_the_order_of_items)
{
    const double x[] = { 1, 0, 0, 1, 1 }, y[] = { 1, 1, 0, 0, 1 };
    const int64_t cx[] = { 3, 1, 1, 2, 3 }, cy[] = { 3, 2, 1, 1, 3 };
    double a[20], b[20];

    ck_assert_int_eq(stats_bootstrap(x, cx, 5, 9, 20, a), 0);
    ck_assert_int_eq(stats_bootstrap(y, cy, 5, 9, 20, b), 0);
    for (size_t i = 0; i < 20; i++)
        ck_assert_double_eq(a[i], b[i]);
    ck_assert_int_eq(stats_bootstrap(x, NULL, 0, 9, 20, a), -1);
    ck_assert(isnan(stats_bootstrap_mean(x, NULL, 0, 20, 9, 0.05).lo));
}
END_TEST

START_TEST(mcnemar_exact_midp_and_chi2)
{
    const struct json *pair, *row;

    open_case("mcnemar.exact");
    pair = json_child(json_get(in, "pairs"));
    row = json_child(json_get(want, "rows"));
    for (; pair; pair = json_next(pair), row = json_next(row)) {
        int64_t b = (int64_t)json_number(json_at(pair, 0));
        int64_t c = (int64_t)json_number(json_at(pair, 1));
        double plain = stats_mcnemar_chi2(b, c, 0);
        double corrected = stats_mcnemar_chi2(b, c, 1);
        same(json_get(row, "exact"), stats_mcnemar_exact(b, c), "exact");
        same(json_get(row, "mid_p"), stats_mcnemar_midp(b, c), "mid_p");
        same(json_get(row, "chi2"), plain, "chi2");
        same(json_get(row, "p"), stats_chi2_p(plain), "p");
        same(json_get(row, "chi2_cc"), corrected, "chi2_cc");
        same(json_get(row, "p_cc"), stats_chi2_p(corrected), "p_cc");
    }
    close_case();
}
END_TEST

START_TEST(mcnemar_holds_for_many_items)
{
    double p = stats_mcnemar_exact(500400, 499600);

    /* The normal approximation is good to 1e-3 there. */
    ck_assert_double_eq_tol(
        p, stats_chi2_p(stats_mcnemar_chi2(500400, 499600, 1)), 1e-3);
    ck_assert_double_eq(stats_mcnemar_exact(0, 100000), 0);
}
END_TEST

START_TEST(many_tests_are_adjusted)
{
    const char *ids[] = { "holm.bh", "holm.unsorted" };

    for (size_t i = 0; i < 2; i++) {
        double *p, adj[16];
        size_t m;

        open_case(ids[i]);
        p = numbers(json_get(in, "p"), &m);
        ck_assert_uint_le(m, 16);
        stats_holm(p, m, adj);
        for (size_t k = 0; k < m; k++)
            same(json_at(json_get(want, "holm"), k), adj[k], "holm");
        stats_bh(p, m, adj);
        for (size_t k = 0; json_get(want, "bh") && k < m; k++)
            same(json_at(json_get(want, "bh"), k), adj[k], "bh");
        mem_free(p);
        close_case();
    }
}
END_TEST

START_TEST(baseline_report_counts_what_is_above)
{
    const struct json *pair;
    double p[8], adj[8];
    size_t m = 0;

    open_case("report.vs_baseline");
    pair = json_child(json_get(in, "b_c"));
    for (; pair; pair = json_next(pair), m++) {
        p[m] = stats_mcnemar_exact((int64_t)json_number(json_at(pair, 0)),
                                   (int64_t)json_number(json_at(pair, 1)));
        same(json_at(json_get(want, "p"), m), p[m], "p");
    }
    stats_holm(p, m, adj);
    for (size_t i = 0; i < m; i++)
        same(json_at(json_get(want, "p_holm"), i), adj[i], "p_holm");
    close_case();
}
END_TEST

START_TEST(rank_ranges_follow_from_all_pairs)
{
    struct rank_range r[8];
    double *score, *se, diff[32], p[32];
    size_t n, m = 0;

    open_case("rank.confidence_sets");
    score = numbers(json_get(in, "score"), &n);
    se = numbers(json_get(in, "se"), &n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++, m++) {
            diff[m] = score[i] - score[j];
            p[m] = 2 * stats_normal_cdf(-fabs(diff[m]) / hypot(se[i], se[j]));
            same(json_at(json_get(want, "p_raw"), m), p[m], "p_raw");
        }
    }
    ck_assert_int_eq(stats_rank_from_pairs(diff, p, n, input("alpha"), r), 0);
    for (size_t i = 0; i < n; i++) {
        same(json_at(json_get(want, "rank_low"), i), (double)r[i].lo, "low");
        same(json_at(json_get(want, "rank_high"), i), (double)r[i].hi, "high");
    }
    mem_free(se);
    mem_free(score);
    close_case();
}
END_TEST

/* Three models on 40 items: right in 36, 34 and 8 of them. */
static void three_models(double s[120])
{
    for (size_t i = 0; i < 40; i++) {
        s[i] = i % 10 != 9;
        s[40 + i] = i % 7 != 6 || i > 20;
        s[80 + i] = i % 5 == 0;
    }
}

START_TEST(close_models_share_ranks)
{
    double s[120];
    struct rank_range r[3];

    three_models(s);
    ck_assert_int_eq(stats_rank_ranges(s, 3, 40, NULL, 0.05, r), 0);
    ck_assert_uint_eq(r[0].lo, 1);
    ck_assert_uint_eq(r[0].hi, 2);
    ck_assert_uint_eq(r[1].lo, 1);
    ck_assert_uint_eq(r[1].hi, 2);
    ck_assert_uint_eq(r[2].lo, 3);
    ck_assert_uint_eq(r[2].hi, 3);
}
END_TEST

START_TEST(failed_items_keep_models_from_being_ranked_apart)
{
    double s[120];
    const double slack[] = { 0.3, 0.3, 0.5 };
    struct rank_range r[3];

    three_models(s);
    ck_assert_int_eq(stats_rank_ranges(s, 3, 40, slack, 0.05, r), 0);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(r[i].lo, 1);
        ck_assert_uint_eq(r[i].hi, 3);
    }
}
END_TEST

START_TEST(models_without_common_items_are_not_ranked_apart)
{
    double s[120];
    struct rank_range r[3];

    three_models(s);
    for (size_t i = 0; i < 40; i++)
        s[(i % 2 ? 0 : 80) + i] = NAN;
    ck_assert_int_eq(stats_rank_ranges(s, 3, 40, NULL, 0.05, r), 0);
    ck_assert_uint_eq(r[0].hi, 3); /* never met the third */
    ck_assert_uint_eq(r[2].lo, 2); /* met the second alone */
    ck_assert_int_eq(stats_rank_ranges(s, 0, 0, NULL, 0.05, r), 0);
    ck_assert_int_eq(stats_rank_ranges(s, 1, 40, NULL, 0.05, r), 0);
    ck_assert_uint_eq(r[0].hi, 1);
}
END_TEST

START_TEST(ranks_are_resampled_as_the_reference_does)
{
    double score[4 * 80], best[4], rank[4];
    uint64_t state;

    open_case("rank.bootstrap");
    state = (uint64_t)input("seed");
    for (size_t j = 0; j < 4; j++) {
        double p = json_number(json_at(json_get(in, "p"), j)), sum = 0;
        for (size_t i = 0; i < 80; i++)
            sum += score[j * 80 + i] = stats_unit(&state) < p;
        same(json_at(json_get(want, "correct"), j), sum, "correct");
    }
    ck_assert_int_eq(stats_rank_bootstrap(score, 4, 80, (size_t)input("B"),
                                          &state, best, rank),
                     0);
    for (size_t j = 0; j < 4; j++) {
        same(json_at(json_get(want, "prob_best"), j), best[j], "prob_best");
        same(json_at(json_get(want, "mean_rank"), j), rank[j], "mean_rank");
    }
    close_case();
}
END_TEST

START_TEST(no_memory_is_no_result)
{
    const double x[] = { 1, 0, 1 };
    double s[120], adj[3];
    struct rank_range r[3];

    three_models(s);
    for (size_t n = 1; n <= 2; n++) {
        mem_fail_at(n, false);
        ck_assert(isnan(stats_bootstrap_mean(x, NULL, 3, 10, 1, 0.05).lo));
        mem_fail_at(n, false);
        ck_assert(isnan(stats_se_clustered(x, NULL, 3, 0)));
        mem_fail_at(n, false);
        ck_assert_int_eq(stats_rank_ranges(s, 3, 40, NULL, 0.05, r), -1);
    }
    mem_fail_at(1, false);
    stats_holm(x, 3, adj);
    ck_assert(isnan(adj[0]) && isnan(adj[2]));
    mem_fail_at(0, false);
}
END_TEST

START_TEST(kappa_is_cohens_with_its_large_sample_interval)
{
    static const int64_t one_class[] = { 5, 0, 0, 0 };
    const struct json *rows;
    int64_t counts[9];
    struct kappa k;

    open_case("kappa.cohen");
    rows = json_get(in, "confusion");
    for (size_t i = 0; i < 9; i++)
        counts[i] = (int64_t)json_number(json_at(json_at(rows, i / 3), i % 3));
    k = stats_kappa(counts, 3, 0.05);
    same(json_get(want, "po"), k.agreed, "po");
    same(json_get(want, "pe"), k.chance, "pe");
    same(json_get(want, "kappa"), k.kappa, "kappa");
    same(json_get(want, "se"), k.se, "se");
    same_interval(json_get(want, "ci95"), k.interval, "ci95");
    close_case();
    /* Chance explains all; nothing was counted. */
    ck_assert(isnan(stats_kappa(one_class, 2, 0.05).kappa));
    ck_assert(isnan(stats_kappa(one_class + 1, 1, 0.05).agreed));
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, kappa_is_cohens_with_its_large_sample_interval);
    tcase_add_test(tc, generator_is_splitmix64_to_the_bit);
    tcase_add_test(tc, tries_have_pass_at_k);
    tcase_add_test(tc, proportions_have_wilson_and_exact_intervals);
    tcase_add_test(tc, no_items_give_the_whole_interval);
    tcase_add_test(tc, normal_quantile_matches_the_table);
    tcase_add_test(tc, normal_quantile_inverts_the_distribution);
    tcase_add_test(tc, clusters_widen_the_standard_error);
    tcase_add_test(tc, one_cluster_or_one_item_has_no_standard_error);
    tcase_add_test(tc, paired_differences_are_tested);
    tcase_add_test(tc, equal_differences_fall_back_on_the_sign_test);
    tcase_add_test(tc, bootstrap_draws_as_the_reference_does);
    tcase_add_test(tc, bootstrap_draws_whole_clusters);
    tcase_add_test(tc, bootstrap_does_not_depend_on_the_order_of_items);
    tcase_add_test(tc, mcnemar_exact_midp_and_chi2);
    tcase_add_test(tc, mcnemar_holds_for_many_items);
    tcase_add_test(tc, many_tests_are_adjusted);
    tcase_add_test(tc, baseline_report_counts_what_is_above);
    tcase_add_test(tc, rank_ranges_follow_from_all_pairs);
    tcase_add_test(tc, close_models_share_ranks);
    tcase_add_test(tc, failed_items_keep_models_from_being_ranked_apart);
    tcase_add_test(tc, models_without_common_items_are_not_ranked_apart);
    tcase_add_test(tc, ranks_are_resampled_as_the_reference_does);
    tcase_add_test(tc, no_memory_is_no_result);
}

T_MAIN("stats", setup)
