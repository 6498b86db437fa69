/* Fits the scales of a block of weights by least squares: what the quantisers
 * of types with searched scales share. */
#ifndef MK_QUANT_FIT_H
#define MK_QUANT_FIT_H

#include <stdbool.h>
#include <stdint.h>

#define FIT_MAX 256 /* weights of a block */
#define FIT_GROUPS 16

/* What a block can hold: weight i of group k is
 *   (d * scale[k]) * level[i] - dmin * min[k]. */
struct fit_shape {
    int groups, size;       /* groups of a block, weights of a group */
    int lo, hi;             /* levels are the integers between; or, */
    const int8_t *values;   /* if not NULL, these 16, sorted */
    int scale_lo, scale_hi; /* of the integer scales */
    int min_hi;             /* of the integer minima; 0: there are none */
};

struct fit {
    float d, dmin; /* exact as half precision */
    int scale[FIT_GROUPS], min[FIT_GROUPS];
    uint8_t q[FIT_MAX]; /* level less lo, or index of the value */
};

/* x holds groups * size finite numbers up to 65504. */
void fit_block(const struct fit_shape *s, const float *x, struct fit *out);

#endif
