/* One row of logits, read once. */
#ifndef MK_ROW_H
#define MK_ROW_H

#include <stddef.h>
#include <stdint.h>

struct row {
    int32_t top;         /* the greatest logit; of equals the lower id */
    double best, second; /* logits of the first and the second; second is -inf
                           when there is one entry */
    double lse;          /* log of the sum of exp(logit), in double */
};
/* NaN counts as minus infinity. */
struct row row_read(const float *logits, size_t n);
/* Log-probability of an entry. */
double row_logprob(const struct row *r, float logit);

#endif
