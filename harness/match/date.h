/* Dates and times in Chinese, ISO and English forms, as the parts that are
 * named. */
#ifndef MK_DATE_H
#define MK_DATE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/text.h"

enum date_part {
    DATE_YEAR,
    DATE_MONTH,
    DATE_DAY,
    DATE_WEEKDAY, /* 1 is Monday, 7 Sunday */
    DATE_HOUR,    /* 0 to 23 */
    DATE_MINUTE,
    DATE_SECOND,
    DATE_PARTS
};

struct date {
    int part[DATE_PARTS]; /* -1: not named */
    bool noon;            /* whether the half of the day is known */
    bool lunar;           /* 农历 */
    size_t at, end;
};

/* Reads the date or time that begins at `at` of folded text (width, 繁简): false
 * when there is none.  Parts follow each other with nothing but spaces, commas
 * and brackets between: 2024年3月5日（星期二）下午3点半 is one. */
bool date_read(struct str s, size_t at, struct date *out);
/* The first date of s at or after `from`. */
bool date_find(struct str s, size_t from, struct date *out);
/* Whether got names every part that want names. */
bool date_names(const struct date *want, const struct date *got);
/* Whether got has every part that want has, with its value.  A year of two
 * digits is that of any century; an hour of which one side does not say whether
 * it is before noon or after may be either. */
bool date_has(const struct date *want, const struct date *got);

#endif
