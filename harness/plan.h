/* What is to be asked, less what the store already holds. */
#ifndef MK_PLAN_H
#define MK_PLAN_H

#include "harness/base/err.h"
#include "harness/prompt.h"
#include "harness/store/store.h"
#include "runners/runner.h"
#include "suites/suite.h"

struct plan_suite {
    struct suite *suite;
    const char *subset; /* glob, "": all */
};

struct plan_params {
    const struct plan_suite *suites;
    size_t n_suites;
    struct prompt_params prompt;
    size_t limit;           /* items a suite and subset at the most, 0: all */
    size_t trials;          /* 1 or more */
    size_t shard, n_shards; /* by item digest, shard counts from 0; n_shards
                               0: no sharding */
    bool fresh;             /* ask again what is stored */
    int64_t run;
};

struct plan_entry {
    const struct suite *suite;
    const struct item *item;
    struct store_sample key; /* ids in the store; prompt and params of turn 0 */
    size_t trial;
};

struct plan {
    struct plan_entry *entries; /* in suite and item order */
    size_t n;
    size_t n_stored; /* left out: already answered */
    struct prompt_params prompt;
    struct arena arena;
};

/* Writes the rows of suites, items, prompts it needs, after each suite and item
 * has passed the checks below.  An item that is named twice (by two globs, say)
 * is planned once; a subset that matches nothing is an error.  What p points to (suites, strings) must live as
 * long as the plan.  *out's memory is freed by plan_free(). */
enum err_code plan_make(struct plan *out, struct store *s, int64_t model,
                        const struct plan_params *p, struct err *e) MUST_CHECK;
void plan_free(struct plan *p);

/* The hooks of struct suite_checks: what templates and matchers have to say.
 * Whether the suite's template and matcher exist, whether an item's matcher
 * exists and takes its answer and choices.  ERR_FORMAT with "field: message";
 * user is not used. */
enum err_code plan_check_suite(void *user, const struct suite *s,
                               struct err *e) MUST_CHECK;
enum err_code plan_check_item(void *user, const struct suite *s,
                              const struct item *it, struct err *e) MUST_CHECK;

#endif
