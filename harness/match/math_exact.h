/* What trees come to as fractions.  For math_value.c. */
#ifndef MK_MATH_EXACT_H
#define MK_MATH_EXACT_H

#include <gmp.h>

#include "harness/match/math.h"

enum { MATH_FACTORIAL_MOST = 1500, MATH_ROOT_MOST = 1000 };

/* In the order of what a part makes of the whole. */
enum math_exact { EXACT, INEXACT, UNDEFINED, LARGE };

/* r is set when EXACT comes back. */
enum math_exact math_exact(struct math_work *w, const struct math *m, mpq_t r);
/* The same for a MATH_NUMBER. */
enum math_exact math_exact_number(const struct math *m, mpq_t r);
/* q = v; v is exact and not negative. */
void math_set_rat(mpq_t q, struct rat v);

#endif
