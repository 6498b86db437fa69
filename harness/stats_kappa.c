/* Agreement beyond chance of two judges who sort the same things. */
#include <math.h>

#include "harness/stats.h"

/* Shares of a table, and its margins. */
struct shares {
    const int64_t *counts;
    size_t k;
    double n;
};

static double share(const struct shares *t, size_t row, size_t col)
{
    return (double)t->counts[row * t->k + col] / t->n;
}

static double row_share(const struct shares *t, size_t row)
{
    double sum = 0;

    for (size_t j = 0; j < t->k; j++)
        sum += share(t, row, j);
    return sum;
}

static double col_share(const struct shares *t, size_t col)
{
    double sum = 0;

    for (size_t i = 0; i < t->k; i++)
        sum += share(t, i, col);
    return sum;
}

/* n (1 - pe)^4 times the variance: agreeing cells, the others, the rest. */
static double spread(const struct shares *t, double po, double pe)
{
    double agree = 0, differ = 0, rest = po * pe - 2 * pe + po;

    for (size_t i = 0; i < t->k; i++)
        for (size_t j = 0; j < t->k; j++) {
            double margin = col_share(t, i) + row_share(t, j), x;
            if (i == j) {
                x = (1 - pe) - margin * (1 - po);
                agree += share(t, i, j) * x * x;
            } else {
                differ += share(t, i, j) * margin * margin;
            }
        }
    return agree + (1 - po) * (1 - po) * differ - rest * rest;
}

struct kappa stats_kappa(const int64_t *counts, size_t n_classes, double alpha)
{
    struct kappa out = { NAN, NAN, NAN, NAN, { NAN, NAN }, 0 };
    struct shares t = { counts, n_classes, 0 };
    double po = 0, pe = 0, z = stats_normal_quantile(1 - alpha / 2);

    for (size_t i = 0; i < n_classes * n_classes; i++)
        out.n += counts[i];
    if (out.n == 0)
        return out;
    t.n = (double)out.n;
    for (size_t i = 0; i < n_classes; i++) {
        po += share(&t, i, i);
        pe += row_share(&t, i) * col_share(&t, i);
    }
    out.agreed = po;
    out.chance = pe;
    if (1 - pe < 1e-12)
        return out;
    out.kappa = (po - pe) / (1 - pe);
    out.se = sqrt(fmax(0, spread(&t, po, pe)) / t.n) / ((1 - pe) * (1 - pe));
    out.interval =
        (struct interval){ out.kappa - z * out.se, out.kappa + z * out.se };
    return out;
}
