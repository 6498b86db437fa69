/* Intervals, paired tests, bootstrap, rank ranges.
 *
 * Pure arithmetic: no state, no clock, no file; the generator is an argument.
 * Special functions are few, so they are made of libm's erfc() and lgamma()
 * and iterated to the last digits instead of being tabulated.  What has no
 * value is NaN, so that a table prints a dash and not a wrong 0. */
#include "harness/stats.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/mem.h"

/* ---- Normal distribution ---- */

double stats_normal_cdf(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

/* A rough start in the lower half (Abramowitz and Stegun 26.2.22, 3e-3), then
 * Halley's method on the distribution function: each step triples the digits. */
static double lower_quantile(double p)
{
    double t = sqrt(-2 * log(p));
    double x = (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + t * 0.04481)) - t;

    for (int i = 0; i < 3; i++) {
        double off = stats_normal_cdf(x) - p;
        double step = off * sqrt(2 * M_PI) * exp(x * x / 2);
        x -= step / (1 + x * step / 2);
    }
    return x;
}

double stats_normal_quantile(double p)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (p <= 0 || p >= 1)
        return p <= 0 ? -INFINITY : INFINITY;
    if (p < 0.5)
        return lower_quantile(p);
    return p > 0.5 ? -lower_quantile(1 - p) : 0;
}

static double two_sided_p(double z)
{
    return erfc(fabs(z) * M_SQRT1_2);
}

double stats_chi2_p(double chi2)
{
    return erfc(sqrt(chi2 / 2));
}

/* ---- Proportions ---- */

struct interval stats_wilson(int64_t k, int64_t n, double alpha)
{
    struct interval out = { 0, 1 };
    double z = stats_normal_quantile(1 - alpha / 2);
    double p, centre, half, scale;

    if (n <= 0)
        return out;
    p = (double)k / (double)n;
    scale = 1 + z * z / (double)n;
    centre = (p + z * z / (2 * (double)n)) / scale;
    half = z / scale *
           sqrt(p * (1 - p) / (double)n + z * z / (4 * (double)n * (double)n));
    /* At the ends the formula gives 0 and 1 but for rounding. */
    out.lo = k == 0 ? 0 : centre - half;
    out.hi = k == n ? 1 : centre + half;
    return out;
}

static double log_gamma(double x)
{
    int sign; /* lgamma() would write a global */
    return lgamma_r(x, &sign);
}

/* Continued fraction of the incomplete beta function (DLMF 8.17.22), evaluated
 * from the front by the modified Lentz method. */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), f;

    d = 1 / (fabs(d) < tiny ? tiny : d);
    f = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd =
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double change = 1;
        for (int half = 0; half < 2; half++) {
            double term = half ? odd : even;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            change = c * d;
            f *= change;
        }
        if (fabs(change - 1) < 1e-16)
            break;
    }
    return f;
}

/* Regularised incomplete beta function I_x(a, b). */
static double beta_cdf(double x, double a, double b)
{
    double front;

    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) +
                b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) /* where the fraction converges fast */
        return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(1 - x, b, a) / b;
}

static double beta_quantile(double p, double a, double b)
{
    double lo = 0, hi = 1;

    for (int i = 0; i < 60; i++) {
        double mid = (lo + hi) / 2;
        if (beta_cdf(mid, a, b) < p)
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}

struct interval stats_clopper_pearson(int64_t k, int64_t n, double alpha)
{
    struct interval out = { 0, 1 };
    double hits = (double)k, misses = (double)(n - k);

    if (n > 0 && k > 0)
        out.lo = beta_quantile(alpha / 2, hits, misses + 1);
    if (n > 0 && k < n)
        out.hi = beta_quantile(1 - alpha / 2, hits + 1, misses);
    return out;
}

/* ---- Means and their errors ---- */

double stats_pass_at_k(int64_t n, int64_t c, int64_t k)
{
    double none = 1;

    if (k < 1 || n < k || c < 0 || c > n)
        return NAN;
    for (int64_t i = 0; i < k && none > 0; i++)
        none *= (double)(n - c - i > 0 ? n - c - i : 0) / (double)(n - i);
    return 1 - none;
}

double stats_mean(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n ? sum / (double)n : NAN;
}

double stats_quantile(const double *sorted, size_t n, double q)
{
    double at, below;
    size_t i;

    if (n == 0 || !(q >= 0 && q <= 1))
        return NAN;
    at = q * (double)(n - 1);
    below = floor(at);
    i = (size_t)below;
    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (at - below) * (sorted[i + 1] - sorted[i]);
}

double stats_se(const double *x, size_t n)
{
    double mean = stats_mean(x, n), sum = 0;

    if (n < 2)
        return NAN;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)(n - 1) / (double)n);
}

/* Items sorted by cluster: id first, then place, so that sums are always made
 * in the same order. */
struct member {
    int64_t cluster;
    size_t item;
};

static int by_cluster(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    if (x->cluster != y->cluster)
        return x->cluster < y->cluster ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* Sum and size of each cluster by ascending id. */
struct group {
    double sum;
    size_t n;
};

static size_t add_up(const double *x, const struct member *m, size_t n,
                     struct group *g)
{
    size_t n_groups = 0;

    for (size_t i = 0; i < n; i++) {
        if (i == 0 || m[i].cluster != m[i - 1].cluster)
            g[n_groups++] = (struct group){ 0, 0 };
        g[n_groups - 1].sum += x[m[i].item];
        g[n_groups - 1].n++;
    }
    return n_groups;
}

/* The groups of x in *out, which is the caller's; their number, 0 when there
 * is no memory or no data.  Without clusters every item is a group. */
static size_t make_groups(const double *x, const int64_t *cluster, size_t n,
                          struct group **out)
{
    struct member *m = mem_array(n, sizeof *m);
    size_t n_groups = 0;

    *out = mem_array(n, sizeof **out);
    if (m && *out) {
        for (size_t i = 0; i < n; i++)
            m[i] = (struct member){ cluster ? cluster[i] : (int64_t)i, i };
        if (cluster)
            qsort(m, n, sizeof *m, by_cluster);
        n_groups = add_up(x, m, n, *out);
    }
    mem_free(m);
    return n_groups;
}

double stats_se_clustered(const double *x, const int64_t *cluster, size_t n,
                          int cr1)
{
    struct group *g;
    size_t n_groups = make_groups(x, cluster, n, &g);
    double mean = stats_mean(x, n), sum = 0, factor = 1, se = NAN;

    /* One cluster deviates from its own mean by nothing: that is no error. */
    if (n_groups > 1) {
        for (size_t i = 0; i < n_groups; i++) {
            double off = g[i].sum - (double)g[i].n * mean;
            sum += off * off;
        }
        if (cr1)
            factor = (double)n_groups / (double)(n_groups - 1);
        se = sqrt(sum * factor) / (double)n;
    }
    mem_free(g);
    return se;
}

/* ---- Paired tests ---- */

struct paired stats_paired(const double *a, const double *b, size_t n)
{
    struct paired out = { NAN, NAN, NAN, NAN };
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] - b[i];
    if (n > 0)
        out.mean = sum / (double)n;
    if (n < 2)
        return out;
    for (size_t i = 0; i < n; i++) {
        double off = a[i] - b[i] - out.mean;
        squares += off * off;
    }
    out.se = sqrt(squares / (double)(n - 1) / (double)n);
    if (out.se > 0) {
        out.z = out.mean / out.se;
        out.p = two_sided_p(out.z);
    } else if (fabs(out.mean) > 0) {
        out.z = copysign(INFINITY, out.mean);
        out.p = n > 1000 ? 0 : ldexp(1, 1 - (int)n);
    } else {
        out.z = 0;
        out.p = 1;
    }
    return out;
}

/* log of P(X = k) for X ~ Bin(n, 1/2) */
static double log_coin(int64_t n, int64_t k)
{
    return log_gamma((double)n + 1) - log_gamma((double)k + 1) -
           log_gamma((double)(n - k) + 1) - (double)n * M_LN2;
}

/* P(X <= k) for X ~ Bin(n, 1/2) and k <= n/2: every term is the next one times
 * i / (n - i + 1), so the sum runs down from the largest and stops when terms
 * no longer count. */
static double coin_tail(int64_t n, int64_t k)
{
    double term = 1, sum = 0;

    for (int64_t i = k; i >= 0 && term > 1e-18; i--) {
        sum += term;
        term *= (double)i / (double)(n - i + 1);
    }
    return sum * exp(log_coin(n, k));
}

double stats_mcnemar_exact(int64_t b, int64_t c)
{
    int64_t least = b < c ? b : c;

    return b == c ? 1 : fmin(1, 2 * coin_tail(b + c, least));
}

double stats_mcnemar_midp(int64_t b, int64_t c)
{
    int64_t least = b < c ? b : c;
    double equal = exp(log_coin(b + c, least));

    if (b + c == 0)
        return 1;
    return b == c ? 1 - equal / 2 : 2 * coin_tail(b + c, least) - equal;
}

double stats_mcnemar_chi2(int64_t b, int64_t c, int corrected)
{
    double off = fabs((double)(b - c)) - (corrected ? 1 : 0);

    return b + c > 0 ? off * off / (double)(b + c) : NAN;
}

/* ---- Many tests at once ---- */

struct placed {
    double p;
    size_t at;
};

static int by_p(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    if (x->p < y->p || x->p > y->p)
        return x->p < y->p ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* p ascending with the places they came from; NULL, and adj all NaN, when
 * there is no memory. */
static struct placed *sort_p(const double *p, size_t m, double *adj)
{
    struct placed *s = mem_array(m, sizeof *s);

    for (size_t i = 0; i < m; i++) {
        adj[i] = NAN;
        if (s)
            s[i] = (struct placed){ p[i], i };
    }
    if (s)
        qsort(s, m, sizeof *s, by_p);
    return s;
}

void stats_holm(const double *p, size_t m, double *adj)
{
    struct placed *s = sort_p(p, m, adj);
    double most = 0;

    for (size_t i = 0; s && i < m; i++) {
        most = fmax(most, fmin(1, (double)(m - i) * s[i].p));
        adj[s[i].at] = most;
    }
    mem_free(s);
}

void stats_bh(const double *p, size_t m, double *adj)
{
    struct placed *s = sort_p(p, m, adj);
    double least = 1;

    for (size_t i = m; s && i-- > 0;) {
        least = fmin(least, (double)m * s[i].p / (double)(i + 1));
        adj[s[i].at] = least;
    }
    mem_free(s);
}

/* ---- Chance ---- */

uint64_t stats_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t stats_below(uint64_t *state, uint64_t n)
{
    return ((stats_random(state) >> 32) * n) >> 32;
}

double stats_unit(uint64_t *state)
{
    return (double)(stats_random(state) >> 11) * 0x1p-53;
}

int stats_bootstrap(const double *x, const int64_t *cluster, size_t n,
                    uint64_t seed, size_t draws, double *out)
{
    struct group *g;
    size_t n_groups = make_groups(x, cluster, n, &g);

    for (size_t d = 0; d < draws && n_groups; d++) {
        double sum = 0;
        size_t drawn = 0;
        for (size_t i = 0; i < n_groups; i++) {
            const struct group *pick = &g[stats_below(&seed, n_groups)];
            sum += pick->sum;
            drawn += pick->n;
        }
        out[d] = sum / (double)drawn;
    }
    mem_free(g);
    return n_groups ? 0 : -1;
}

double stats_bootstrap_p(const double *means, size_t draws)
{
    size_t low = 0, high = 0, least;

    for (size_t i = 0; i < draws; i++) {
        low += means[i] <= 0;
        high += means[i] >= 0;
    }
    least = low < high ? low : high;
    return fmin(1, 2 * (1 + (double)least) / (double)(draws + 1));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

struct interval stats_bootstrap_mean(const double *x, const int64_t *cluster,
                                     size_t n, size_t draws, uint64_t seed,
                                     double alpha)
{
    struct interval out = { NAN, NAN };
    double *means = mem_array(draws, sizeof *means);

    if (means && stats_bootstrap(x, cluster, n, seed, draws, means) == 0) {
        qsort(means, draws, sizeof *means, by_value);
        out.lo = stats_quantile(means, draws, alpha / 2);
        out.hi = stats_quantile(means, draws, 1 - alpha / 2);
    }
    mem_free(means);
    return out;
}

/* ---- Ranks ---- */

/* Adjusts p, in which NaN is 1, and counts the differences that hold. */
static void rank_pairs(const double *diff, double *p, double *adj,
                       size_t n_models, double alpha, struct rank_range *out)
{
    size_t m = n_models * (n_models - 1) / 2, pair = 0;

    for (size_t i = 0; i < m; i++)
        p[i] = isnan(p[i]) ? 1 : p[i];
    stats_holm(p, m, adj);
    for (size_t i = 0; i < n_models; i++) {
        for (size_t j = i + 1; j < n_models; j++, pair++) {
            bool first = diff[pair] > 0;
            if (!(adj[pair] <= alpha))
                continue;
            out[first ? j : i].lo++;
            out[first ? i : j].hi--;
        }
    }
}

int stats_rank_from_pairs(const double *diff, const double *p, size_t n_models,
                          double alpha, struct rank_range *out)
{
    size_t m = n_models * (n_models - 1) / 2;
    double *work = mem_array(2 * m, sizeof *work);

    if (!work)
        return -1;
    for (size_t i = 0; i < n_models; i++)
        out[i] = (struct rank_range){ 1, n_models };
    memcpy(work, p, m * sizeof *p);
    rank_pairs(diff, work, work + m, n_models, alpha, out);
    mem_free(work);
    return 0;
}

/* Test of two rows on the items that both have; x and y are scratch. */
static struct paired test_common(const double *a, const double *b, size_t n,
                                 double *x, double *y)
{
    size_t common = 0;

    for (size_t i = 0; i < n; i++) {
        if (isnan(a[i]) || isnan(b[i]))
            continue;
        x[common] = a[i];
        y[common++] = b[i];
    }
    return stats_paired(x, y, common);
}

int stats_rank_ranges(const double *score, size_t n_models, size_t n_items,
                      const double *slack, double alpha, struct rank_range *out)
{
    size_t m = n_models * (n_models - 1) / 2, pair = 0;
    double *diff = mem_array(m, sizeof *diff), *p = mem_array(m, sizeof *p);
    double *x = mem_array(n_items, sizeof *x);
    double *y = mem_array(n_items, sizeof *y);
    int rc = -1;

    if (!diff || !p || !x || !y)
        goto done;
    for (size_t i = 0; i < n_models; i++) {
        for (size_t j = i + 1; j < n_models; j++, pair++) {
            struct paired t = test_common(score + i * n_items,
                                          score + j * n_items, n_items, x, y);
            double open = slack ? slack[i] + slack[j] : 0;
            diff[pair] = t.mean;
            /* Failed items could turn it round: nothing is shown. */
            p[pair] = fabs(t.mean) > open ? t.p : NAN;
        }
    }
    rc = stats_rank_from_pairs(diff, p, n_models, alpha, out);
done:
    mem_free(y);
    mem_free(x);
    mem_free(p);
    mem_free(diff);
    return rc;
}

/* One resample: sums of all models over the same drawn items. */
static void draw_sums(const double *score, size_t n_models, size_t n_items,
                      uint64_t *state, double *sum)
{
    memset(sum, 0, n_models * sizeof *sum);
    for (size_t i = 0; i < n_items; i++) {
        size_t at = (size_t)stats_below(state, n_items);
        for (size_t j = 0; j < n_models; j++)
            sum[j] += score[j * n_items + at];
    }
}

static void add_ranks(const double *sum, size_t n_models, double *prob_best,
                      double *mean_rank)
{
    double best = sum[0];
    size_t n_best = 0;

    for (size_t j = 1; j < n_models; j++)
        best = fmax(best, sum[j]);
    for (size_t j = 0; j < n_models; j++) {
        size_t better = 0;
        for (size_t k = 0; k < n_models; k++)
            better += sum[k] > sum[j];
        mean_rank[j] += 1 + (double)better;
        n_best += !(sum[j] < best);
    }
    for (size_t j = 0; j < n_models; j++)
        prob_best[j] += sum[j] < best ? 0 : 1 / (double)n_best;
}

int stats_rank_bootstrap(const double *score, size_t n_models, size_t n_items,
                         size_t draws, uint64_t *state, double *prob_best,
                         double *mean_rank)
{
    double *sum = mem_array(n_models, sizeof *sum);

    if (!sum || n_models == 0 || draws == 0) {
        mem_free(sum);
        return -1;
    }
    for (size_t j = 0; j < n_models; j++)
        prob_best[j] = mean_rank[j] = 0;
    for (size_t d = 0; d < draws; d++) {
        draw_sums(score, n_models, n_items, state, sum);
        add_ranks(sum, n_models, prob_best, mean_rank);
    }
    for (size_t j = 0; j < n_models; j++) {
        prob_best[j] /= (double)draws;
        mean_rank[j] /= (double)draws;
    }
    mem_free(sum);
    return 0;
}
