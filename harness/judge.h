/* Judges: a model compares stored responses with a baseline's, or grades them.
 *
 * Nothing here changes a score: what a judge is asked and says is stored in
 * tables of its own, question by question, so that a call that was interrupted
 * goes on, and errors stand apart from verdicts. */
#ifndef MK_JUDGE_H
#define MK_JUDGE_H

#include <signal.h>

#include "harness/estimate.h"
#include "harness/judge_prompt.h"
#include "harness/meter.h"
#include "harness/store/store.h"

struct judge_progress {
    size_t total, done;
    size_t answered, failed; /* of done */
    size_t read;             /* answers that hold a verdict */
    int64_t elapsed_ms;
};

struct judge_params {
    struct store *store;
    struct runner *runner;
    int64_t run, model; /* rows: of this call, of the judge */
    const struct rubric *rubric;
    const struct sampling *sampling;
    const char *chat; /* the judge's chat template, NULL: its own */
    const char *const *candidates; /* ids or names */
    size_t n_candidates;
    const char *baseline;      /* id or name; NULL: graded */
    const char *const *suites; /* ids, suite/subset, globs; none: all */
    size_t n_suites;
    size_t limit; /* responses of each candidate at the most, 0: all */
    struct meter *meter;
    const volatile sig_atomic_t *interrupts;
    void (*progress)(void *user, const struct judge_progress *p);
    enum err_code (*observe)(void *user, const struct request *q,
                             const struct response *r, struct err *e);
    void *user;
};

struct judge_plan {
    struct judge_question {
        int64_t sample, against; /* against 0: graded */
        bool swapped;
    } * questions;
    size_t n, cap;
    size_t n_stored;   /* left out: answered before */
    size_t n_unpaired; /* responses that the baseline has no answer to */
    int64_t judge;     /* row */
};

/* What is to be asked: for every current response of the candidates that has a
 * text (of a dialogue the last turn's) one question, or both orders with a
 * baseline, less what this judge has answered before.  ERR_FORMAT when a
 * candidate, the baseline or a suite is not in the database, or the rubric does
 * not fit.  Freed by judge_plan_free() in any case. */
enum err_code judge_plan_make(struct judge_plan *plan,
                              const struct judge_params *p,
                              struct err *e) MUST_CHECK;
void judge_plan_free(struct judge_plan *plan);

/* What the judge is sent about a question, in the arena. */
enum err_code judge_request(const struct judge_params *p,
                            const struct judge_question *q, struct arena *a,
                            struct request *out, struct err *e) MUST_CHECK;

/* What asking the whole plan would take; nothing is asked or stored. */
enum err_code judge_estimate(struct estimate *out,
                             const struct judge_plan *plan,
                             const struct judge_params *p,
                             const struct runner_params *how,
                             const struct tariff *t, struct err *e) MUST_CHECK;

/* Asks and stores.  ERR_PARTIAL when some questions have no answer, ERR_BUDGET
 * when the money was not enough, ERR_CANCELLED when interrupted. */
enum err_code judge_run(const struct judge_plan *plan,
                        const struct judge_params *p,
                        struct judge_progress *progress,
                        struct err *e) MUST_CHECK;

/* Labels of people: JSON Lines or CSV (by the file's ending), one response a
 * line: suite (optional), item, model, baseline (for a comparison), trial
 * (0), and verdict (win, tie, loss) or grade (0 ... 1).  *n counts those
 * stored.  ERR_FORMAT with the line for what is wrong or fits no stored
 * response; then nothing is stored. */
enum err_code judge_labels(struct store *s, const char *path, size_t *n,
                           struct err *e) MUST_CHECK;

#endif
