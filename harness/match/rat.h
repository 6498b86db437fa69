/* Fractions of 128-bit integers: exact for 38 digits, a double beyond. */
#ifndef MK_RAT_H
#define MK_RAT_H

#include <stdbool.h>
#include <stddef.h>

__extension__ typedef __int128 int128;

/* In lowest terms with den > 0 as long as it fits; else only the double.  v is
 * set in both cases. */
struct rat {
    int128 num, den;
    double v;
    bool exact;
};

struct rat rat_of(int128 num, int128 den);
struct rat rat_add(struct rat a, struct rat b);
struct rat rat_mul(struct rat a, struct rat b);
struct rat rat_div(struct rat a, struct rat b);
struct rat rat_pow(struct rat a, long exp);
/* Decimal digits with at most one point; no sign. */
struct rat rat_decimal(const char *s, size_t n);
/* The fraction that the 15 significant digits of v say. */
struct rat rat_of_double(double v);
/* Exact if both are; else to 12 digits. */
bool rat_same(struct rat a, struct rat b);

#endif
