/* Intervals, paired tests, bootstrap, rank ranges: pure arithmetic on arrays.
 * Formulas and worked answers: tests/golden/statistics.json. */
#ifndef MK_STATS_H
#define MK_STATS_H

#include <stddef.h>
#include <stdint.h>

/* What cannot be computed (no data, one cluster, no memory) is NaN, never 0. */
struct interval {
    double lo, hi;
};

/* Normal quantile (inverse of the distribution function), |error| < 1e-12. */
double stats_normal_quantile(double p);
double stats_normal_cdf(double x);

/* Wilson (1927) interval of k successes in n at confidence 1 - alpha; n 0 gives
 * [0, 1]. */
struct interval stats_wilson(int64_t k, int64_t n, double alpha);
struct interval stats_clopper_pearson(int64_t k, int64_t n, double alpha);

/* Unbiased estimate that one of k tries is right, of n tries of which c were:
 * 1 - C(n-c,k) / C(n,k).  NaN when n < k or c is not within 0 ... n. */
double stats_pass_at_k(int64_t n, int64_t c, int64_t k);

double stats_mean(const double *x, size_t n);
/* Quantile q of n ascending values, type 7: linear between the neighbours. */
double stats_quantile(const double *sorted, size_t n, double q);
/* Standard error of the mean of x; with clusters (ids, any numbers) the
 * clustered one; cr1 multiplies by G/(G-1). */
double stats_se(const double *x, size_t n);
double stats_se_clustered(const double *x, const int64_t *cluster, size_t n,
                          int cr1);

/* When every difference is the same and not 0, se is 0 and z infinite; p then
 * is that of the exact sign-flip test, 2^(1-n). */
struct paired {
    double mean, se, z, p; /* of a - b, two-sided */
};
struct paired stats_paired(const double *a, const double *b, size_t n);

/* McNemar: b = A right B wrong, c = A wrong B right. */
double stats_mcnemar_exact(int64_t b, int64_t c);
double stats_mcnemar_midp(int64_t b, int64_t c);
/* The statistic (NaN without a discordant pair), and its p-value. */
double stats_mcnemar_chi2(int64_t b, int64_t c, int corrected);
double stats_chi2_p(double chi2); /* 1 degree of freedom */

/* Cohen's kappa of n_classes x n_classes counts (rows: one judge, columns: the
 * other), its large-sample standard error (Fleiss, Cohen and Everitt 1969) and
 * interval.  Without counts, or when chance alone explains all, kappa is NaN. */
struct kappa {
    double agreed, chance; /* shares */
    double kappa, se;
    struct interval interval;
    int64_t n;
};
struct kappa stats_kappa(const int64_t *counts, size_t n_classes, double alpha);

/* Holm and Benjamini-Hochberg adjusted p-values, in the order of p. */
void stats_holm(const double *p, size_t m, double *adj);
void stats_bh(const double *p, size_t m, double *adj);

/* splitmix64; below(n) and unit() as statistics.json defines them. */
uint64_t stats_random(uint64_t *state);
uint64_t stats_below(uint64_t *state, uint64_t n);
double stats_unit(uint64_t *state);

/* Means of `draws` resamples of x, one generator for all of them.  With
 * clusters whole clusters are drawn, numbered by ascending id, and a mean is
 * over the items drawn.  0, or -1 when there is no memory or no data. */
int stats_bootstrap(const double *x, const int64_t *cluster, size_t n,
                    uint64_t seed, size_t draws, double *out);
/* Two-sided p-value of "the mean is 0" from such resamples. */
double stats_bootstrap_p(const double *means, size_t draws);
/* Percentile interval of the mean; cluster NULL: items by themselves. */
struct interval stats_bootstrap_mean(const double *x, const int64_t *cluster,
                                     size_t n, size_t draws, uint64_t seed,
                                     double alpha);

/* Rank ranges: model i ranks from 1 + #(significantly better) to
 * J - #(significantly worse), all pairs tested on their common items with Holm
 * correction.  score[j * n + i] is model j on item i, NaN: not answered by it.
 * slack[j] is the half-width of what failed items could change (design: models
 * whose difference is smaller than their bounds are not ranked apart); may be
 * NULL. */
struct rank_range {
    size_t lo, hi;
};
int stats_rank_ranges(const double *score, size_t n_models, size_t n_items,
                      const double *slack, double alpha,
                      struct rank_range *out);
/* The same from tests made elsewhere: diff and p of the pairs (0,1), (0,2) ...
 * (1,2) ...; NaN counts as "no difference shown".  Both give 0, or -1 when
 * there is no memory. */
int stats_rank_from_pairs(const double *diff, const double *p, size_t n_models,
                          double alpha, struct rank_range *out);
/* Chance of being best (equals share it) and mean rank of each model when the
 * items, shared by all models, are resampled.  0 or -1. */
int stats_rank_bootstrap(const double *score, size_t n_models, size_t n_items,
                         size_t draws, uint64_t *state, double *prob_best,
                         double *mean_rank);

#endif
