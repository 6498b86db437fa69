/* Stored response -> matcher -> score row.  What needs both the item's side and
 * the response's side of a verdict stands here. */
#ifndef MK_SCORE_H
#define MK_SCORE_H

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/store/store.h"

/* A sample as it is judged. All strings are JSON where the store says so. */
struct score_in {
    const char *answer, *choices, *matcher; /* JSON */
    const char *text;          /* NULL when scored by log-likelihood */
    const char *logprobs_json; /* {"A":-1.2,...} and token counts, or NULL */
    double margin;             /* NaN: unknown */
    bool q8;                   /* int8 activations: near-ties are flagged */
};
/* Strings of *out live in the arena. */
enum err_code score_judge(const struct score_in *in, struct arena *a,
                          struct store_score *out, struct err *e) MUST_CHECK;

/* Judges a stored sample that has a response, and stores the score.  Reads all
 * it needs from the database, so that a run and a rescoring cannot differ. */
enum err_code score_sample(struct store *s, int64_t sample, struct arena *a,
                           struct store_score *out, struct err *e) MUST_CHECK;

struct score_totals {
    int64_t scored, changed, to_correct, to_wrong, unparsable, refused;
};
/* Scores stored responses again with today's matchers; all: also those whose
 * matcher and version are current. progress may be NULL. */
enum err_code score_all(struct store *s, bool all,
                        void (*progress)(void *, int64_t done, int64_t n),
                        void *user, struct score_totals *t,
                        struct err *e) MUST_CHECK;

#endif
