/* Order, slots, commit groups, interruption: from a plan to stored scores. */
#ifndef MK_RUN_H
#define MK_RUN_H

#include <signal.h>

#include "harness/meter.h"
#include "harness/plan.h"

struct run_progress {
    size_t total, done, answered, failed, correct, judged;
    int64_t elapsed_ms, eta_ms; /* eta -1: unknown */
    int64_t prompt_tokens, cached_tokens, output_tokens;
    const struct meter *meter; /* what it has cost, NULL: not metered */
};

struct run_params {
    struct store *store;
    int64_t run;         /* id of the run row */
    struct meter *meter; /* counts the money, may stop the run; or NULL */
    /* number of SIGINT and SIGTERM seen: 1 finishes what is under way, more
     * stop at once; NULL: not interruptible */
    const volatile sig_atomic_t *interrupts;
    void (*progress)(void *user, const struct run_progress *p);
    /* sees every exchange before it is stored (--record); ERR_OK goes on */
    enum err_code (*observe)(void *user, const struct request *q,
                             const struct response *r, struct err *e);
    void *user;
};

/* Runs one model's plan.  Every response is stored before it is scored.
 * ERR_PARTIAL when some samples have no response, ERR_BUDGET when the money was
 * not enough to ask them all, ERR_CANCELLED when interrupted; what is finished is stored in every case. */
enum err_code run_plan(struct runner *r, const struct plan *p,
                       const struct run_params *params,
                       struct run_progress *out, struct err *e) MUST_CHECK;

#endif
