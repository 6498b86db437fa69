/* One number in any form, as a fraction with a unit. */
#ifndef MK_NUMBER_H
#define MK_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/match/match_parts.h"
#include "harness/match/rat.h"
#include "harness/match/unit.h"

struct number {
    struct rat value;
    bool has_unit; /* one that we know */
    struct unit unit;
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
/* A Chinese numeral, fraction or share at the start of s: 三分之二, 两成, 八折,
 * 百分之五, 一百二十. Returns the bytes read, 0 if there is none. */
size_t number_read_chinese(struct str s, struct rat *v);
/* Whether s begins with a word whose numeral counts nothing: 一个, 三角形. */
bool number_is_word(struct str s);

#endif
