/* What rank and matrix share: the scores of chosen models on the items of
 * chosen suites, read once from the store, and the arithmetic over groups of
 * items (abilities, suites, subsets ...).
 *
 * Two weightings: with one group a total is the mean over its items; with
 * several it is the mean of the groups' means, so that a large group does not
 * drown a small one. */
#ifndef MK_BOARD_H
#define MK_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/stats.h"
#include "harness/store/chosen.h"
#include "report/report.h"

struct board_model {
    int64_t pk;
    const char *id, *name, *vendor, *fingerprint;
    bool open, domestic;
    /* over judged turns of all trials */
    int64_t items, asked, answered, failed, unscored;
    int64_t correct, wrong, unparsable, refused, cut_off, near_ties;
    int64_t prompt_tokens, output_tokens; /* sums */
    int64_t latency_ns, timed;            /* sum, and of how many */
    bool mixed;                           /* generated with several params */
    int64_t params;                       /* the last of them, a key */
};
struct board_suite {
    int64_t pk;
    const char *id, *version, *digest, *ability;
    size_t items; /* asked of any model */
};
struct board_item {
    int64_t suite; /* pk */
    size_t group;
};
struct board_group {
    const char *key, *title; /* whole path; its last part */
    size_t order;            /* in which they are shown */
    size_t was;              /* its number while loading */
    size_t items;
};
struct board {
    struct board_model *models;
    struct board_suite *suites;
    struct board_item *items;   /* asked of any model */
    struct board_group *groups; /* sorted by order, key */
    size_t n_models, n_suites, n_items, n_groups;
    /* [n_models][n_items]: failed turns as wrong, as right; NaN: not asked */
    double *low, *high;
    bool *common;    /* [n_items]: asked of every model */
    size_t n_common; /* items asked of all */
    struct arena *arena;
};

/* Columns of a matrix by name: "ability", "group" (first part of the ability),
 * "suite", "subset", "difficulty". */
bool board_knows(const char *by);
const char *board_names(void);

/* Reads the scores that p chooses, grouped by `by`.  All is in the arena.
 * ERR_FORMAT when a model or suite is unknown or nothing has been scored. */
enum err_code board_load(struct board *b, const struct report_params *p,
                         const char *by, struct err *e) MUST_CHECK;

struct board_score {
    size_t items;             /* judged items behind it; 0: all else is NaN */
    double strict, answered;  /* in 0 ... 1 */
    double high;              /* failed ones right: upper bound */
    struct interval interval; /* of strict */
};
/* Of a model on one group's items (common: only those all were asked). */
struct board_score board_group_score(const struct board *b, size_t model,
                                     size_t group, bool common, double alpha);
/* The total over groups the model has items of. */
struct board_score board_total(const struct board *b, size_t model, bool common,
                               double alpha);
/* Rank ranges on the common items (none: on each pair's), weighted as totals
 * are.  out[n_models]. */
enum err_code board_ranks(const struct board *b, double alpha,
                          struct rank_range *out, struct err *e) MUST_CHECK;

/* The lines from which the numbers can be made again: suites with version and
 * digest, models with fingerprint, matchers, mokao's version. */
enum err_code board_notes(const struct board *b, const struct report_params *p,
                          struct table *t, struct err *e) MUST_CHECK;

#endif
