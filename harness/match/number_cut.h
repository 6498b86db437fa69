/* Numbers found by a suite's own patterns instead of the cascade. */
#ifndef MK_NUMBER_CUT_H
#define MK_NUMBER_CUT_H

#include <stddef.h>

#include "harness/match/number.h"

struct number_hits {
    struct number *list; /* in the arena; at and end lie in the text */
    size_t n;
};

/* Checks the list of {"pattern", "times", "take"}. */
enum err_code number_cut_check(const struct json *cuts,
                               struct err *e) MUST_CHECK;
/* The numbers of the first cut that hits: its first or last hit, or of
 * "take": "any" all of them, 10,000 at most. */
enum err_code number_cut_find(const struct json *cuts, struct str text,
                              struct arena *a, struct number_hits *out,
                              struct err *e) MUST_CHECK;

#endif
