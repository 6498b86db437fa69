/* What judging one sample and judging a database share. */
#ifndef MK_SCORE_PARTS_H
#define MK_SCORE_PARTS_H

#include "harness/base/json.h"
#include "harness/match/match.h"
#include "harness/score.h"

/* A matcher's JSON is the same for most samples: it is parsed when it changes.
 * Start with zeroes. */
struct scorer {
    const char *text; /* of the last matcher; the caller's memory */
    struct json *options;
    const struct match_kind *kind;
    const char *outside; /* digest of what decides besides; NULL: nothing */
};
void scorer_free(struct scorer *j);
/* Who judges, before it does: enough to see whether a stored score holds. */
enum err_code scorer_prepare(struct scorer *j, const struct score_in *in,
                             struct arena *a, struct store_score *out,
                             struct err *e) MUST_CHECK;
/* Completes what scorer_prepare() began. */
enum err_code scorer_judge(const struct scorer *j, const struct score_in *in,
                           struct arena *a, struct store_score *out,
                           struct err *e) MUST_CHECK;

#endif
