/* One number in any form, as a fraction with a unit.  For match_number.c. */
#ifndef MK_NUMBER_H
#define MK_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/match/match_parts.h"

/* A fraction in lowest terms with den > 0 as long as it fits; else only the
 * double.  v is set in both cases. */
struct number_rat {
    int64_t num, den;
    double v;
    bool exact;
};

struct number_rat number_rat(int64_t num, int64_t den);
struct number_rat number_mul(struct number_rat a, struct number_rat b);
struct number_rat number_div(struct number_rat a, struct number_rat b);
/* Exact if both are; else to 12 digits. */
bool number_same(struct number_rat a, struct number_rat b);
/* The fraction that the 15 significant digits of v say. */
struct number_rat number_of_double(double v);

enum number_kind {
    UNIT_LENGTH,
    UNIT_AREA,
    UNIT_VOLUME,
    UNIT_MASS,
    UNIT_TIME,
    UNIT_MONTHS,
    UNIT_SPEED,
    UNIT_MONEY,
    UNIT_DOLLARS,
    UNIT_TEMPERATURE,
    UNIT_ANGLE
};

struct number_unit {
    const char *name;
    enum number_kind kind;
    int64_t num, den; /* factor to the kind's base unit */
};

/* The longest unit that begins s, NULL if none does. */
const struct number_unit *number_unit(struct str s);

struct number {
    struct number_rat value;
    const struct number_unit *unit; /* NULL: none that we know */
    size_t at, end;
    bool chinese; /* written without ASCII digits */
};

/* Folded text; folding makes 10³ into 103, and t's map shows what was raised.
 * t is NULL for an expected answer; otherwise s lies in its text. */
struct number_reader {
    struct str s;
    const struct match_text *t;
};

/* Reads the number that begins at `at`, with sign, currency and unit. */
bool number_read(const struct number_reader *r, size_t at, struct number *x);

#endif
