/* Units of measure as data: a factor and powers of base units. */
#ifndef MK_UNIT_H
#define MK_UNIT_H

#include "harness/base/text.h"
#include "harness/match/rat.h"

enum unit_base {
    BASE_METRE,
    BASE_GRAM,
    BASE_SECOND,
    BASE_MONTH, /* a year is 12; days are no part of a month */
    BASE_YUAN,
    BASE_DOLLAR,
    BASE_CELSIUS,
    BASE_DEGREE,
    BASES
};

/* factor * metre^power[0] * gram^power[1] ... */
struct unit_part {
    signed char power[BASES];
    struct rat factor;
};

struct unit {
    struct unit_part over, under; /* 元/千克: yuan over kilogram */
};

/* Reads the unit that begins s: 千米  平方厘米  cm^2  km/h  元/千克  米每秒.
 * Returns the bytes read, 0 if it is none that we know. */
size_t unit_read(struct str s, struct unit *u);
/* The same for the second part of a sum, where 分 and 两 are no longer
 * ambiguous: 3元5角2分, 3小时20分, 2斤3两. */
size_t unit_read_after(struct str s, const struct unit *first, struct unit *u);
/* Whether one can be turned into the other.  What only one of them is divided
 * by is left out: in "60千米 an hour" the hour is said elsewhere. */
bool unit_like(const struct unit *a, const struct unit *b);
/* How many of b one of a is, when they are alike. */
struct rat unit_ratio(const struct unit *a, const struct unit *b);

#endif
