/* Intervals, paired tests, bootstrap, rank ranges: pure arithmetic on arrays.
 * Formulas and worked answers: tests/golden/statistics.json. */
#ifndef MK_STATS_H
#define MK_STATS_H

#include <stddef.h>
#include <stdint.h>

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

double stats_mean(const double *x, size_t n);
/* Standard error of the mean of x; with clusters (ids, any numbers) the
 * clustered one; cr1 multiplies by G/(G-1). */
double stats_se(const double *x, size_t n);
double stats_se_clustered(const double *x, const int64_t *cluster, size_t n,
                          int cr1);

struct paired {
    double mean, se, z, p; /* of a - b, two-sided */
};
struct paired stats_paired(const double *a, const double *b, size_t n);

/* McNemar: b = A right B wrong, c = A wrong B right. */
double stats_mcnemar_exact(int64_t b, int64_t c);
double stats_mcnemar_midp(int64_t b, int64_t c);
double stats_mcnemar_chi2(int64_t b, int64_t c, int corrected);

/* Holm and Benjamini-Hochberg adjusted p-values, in the order of p. */
void stats_holm(const double *p, size_t m, double *adj);
void stats_bh(const double *p, size_t m, double *adj);

/* splitmix64; below(n) and unit() as statistics.json defines them. */
uint64_t stats_random(uint64_t *state);
uint64_t stats_below(uint64_t *state, uint64_t n);
double stats_unit(uint64_t *state);

/* Percentile bootstrap of the mean; clusters NULL: items by themselves. */
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

#endif
