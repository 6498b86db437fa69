/* Reading a row of logits.  The sum runs in double in the order of the ids, so
 * that the same logits give the same bits. */
#include "engine/row.h"

#include <math.h>

struct row row_read(const float *logits, size_t n)
{
    struct row r = { .top = 0, .best = -INFINITY, .second = -INFINITY };
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double x = (double)logits[i];

        if (x > r.best) {
            r.second = r.best;
            r.best = x;
            r.top = (int32_t)i;
        } else if (x > r.second) {
            r.second = x;
        }
    }
    if (!isfinite(r.best)) {
        r.lse = r.best;
        return r;
    }
    for (size_t i = 0; i < n; i++)
        if (!isnan(logits[i]))
            sum += exp((double)logits[i] - r.best);
    r.lse = r.best + log(sum);
    return r;
}

double row_logprob(const struct row *r, float logit)
{
    return isfinite(r->lse) && !isnan(logit) ? (double)logit - r->lse
                                             : -INFINITY;
}
