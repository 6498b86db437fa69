/* What a run spends, and when it has to stop.
 *
 * A purse holds the budget of all models of a run, a meter is one model's.  A
 * request is let through only if the most it is likely to cost fits beside
 * what is spent and what is in flight; its reservation is replaced by its real
 * cost when the response is there.  So a tight budget first means fewer
 * requests in flight, then the end.  One thread at a time. */
#ifndef MK_METER_H
#define MK_METER_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/cost.h"

struct purse {
    int64_t limit; /* billionths of CNY; COST_UNKNOWN: no limit */
    int64_t spent, reserved;
};

struct meter {
    struct tariff tariff;
    int64_t price; /* id in the store, 0: not known */
    struct purse *purse;
    int64_t nano, cny_nano;      /* spent, where it is known */
    size_t n_priced, n_unpriced; /* responses with known money, and without */
    int64_t *held;               /* reserved, by the request's id */
    size_t cap;
    double worst; /* prompt tokens told, over those guessed: the most so far */
};

/* A purse with a limit needs prices: ERR_NOENV names what is missing. */
enum err_code meter_init(struct meter *m, const struct tariff *t,
                         struct purse *purse, const char *model,
                         struct err *e) MUST_CHECK;
/* Gives back what is still reserved, too. */
void meter_free(struct meter *m);
/* Reserves what the request may cost; *fits is false when it does not now. */
enum err_code meter_admit(struct meter *m, const struct request *q, bool *fits,
                          struct err *e) MUST_CHECK;
/* The response of a request that was admitted. */
void meter_settle(struct meter *m, const struct request *q,
                  const struct response *res);

/* Adds a model's bill to one in CNY, which begins zeroed. */
void meter_add(struct meter *sum, const struct meter *m);

#endif
