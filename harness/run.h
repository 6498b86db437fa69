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

/* One model's plan. */
struct run_job {
    struct runner *runner;
    const struct plan *plan;
    struct run_params params;
    struct run_progress progress; /* out */
    /* Out: ERR_PARTIAL when some samples have no response, ERR_BUDGET when the
     * money was not enough to ask them all, ERR_CANCELLED when interrupted. */
    struct err err;
};

/* Runs the plans; those whose runners share a loop (remote ones that stand side
 * by side) at the same time.  Every response is stored before it is scored, and
 * what is finished is stored in every case.  Fails only for lack of memory,
 * before anything is asked. */
enum err_code run_plans(struct run_job *const *jobs, size_t n,
                        struct err *e) MUST_CHECK;

#endif
