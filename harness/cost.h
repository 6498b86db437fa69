/* Money: what tokens cost.
 *
 * A price is per million tokens in the vendor's currency and belongs to a day;
 * a rate is what one unit of that currency was worth in CNY on a day.  Nothing
 * is guessed: without a price there is no money, without a rate no CNY.
 *
 * Money is a whole number of billionths of a unit ("nano"), so that a token at
 * 0.15 a million is 150 of them.  Each sample is rounded by itself, half away
 * from zero; sums are exact and do not depend on their order. */
#ifndef MK_COST_H
#define MK_COST_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "runners/runner.h"

#define COST_NANO 1000000000 /* of one unit of a currency */
#define COST_UNKNOWN INT64_MIN

struct rate {
    const char *currency;
    double cny; /* of one unit */
    const char *date, *source;
};
/* Those of the program, then of the models file, then of --rate: the last of a
 * currency holds.  Strings live in the arena that was given. */
struct rates {
    struct rate v[64];
    size_t n;
};
void rates_init(struct rates *r);
/* The member "rates" of a models file: {"USD": {"cny": 7.1, "date": ...}}.  A
 * file without it adds nothing; `file` NULL: the usual place. */
enum err_code rates_read(struct rates *r, const char *file, struct arena *a,
                         struct err *e) MUST_CHECK;
/* "USD=7.1", as of today. */
enum err_code rates_set(struct rates *r, const char *arg, struct arena *a,
                        struct err *e) MUST_CHECK;
/* NULL: not known.  CNY is worth 1. */
const struct rate *rates_find(const struct rates *r, const char *currency);

/* What a model's tokens cost. */
struct tariff {
    double in, cached, out; /* a million tokens; NaN: not known */
    const char *currency;   /* NULL: no price is known */
    const char *date, *source;
    double cny; /* of one unit; NaN: no rate is known */
    const char *rate_date, *rate_source;
};
/* The model's own price, with the rate of its currency. */
struct tariff tariff_of(const struct model_spec *m, const struct rates *r);

struct usage {
    int64_t prompt, cached, output; /* tokens; -1: not told */
};
/* COST_UNKNOWN when a number of tokens or the price of tokens that were used is
 * not known, or the sum does not fit.  Cached tokens are among those of the
 * prompt, and cost as the others where no price of theirs is known. */
int64_t cost_nano(const struct tariff *t, const struct usage *u);
/* The same money in CNY; COST_UNKNOWN without a rate. */
int64_t cost_cny(const struct tariff *t, int64_t nano);
/* "0.0123 CNY": four significant digits, at most nine decimals; "unknown". */
void cost_show(int64_t nano, const char *currency, struct buf *out);

#endif
