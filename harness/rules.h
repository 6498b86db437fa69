/* How the rules of the matchers fare on what is stored: how often each one
 * decides, which never does, where another would have read another answer,
 * whether one model or run is read less often than the others; and a sample
 * for a person to check, from whose marks the matchers' own error rate comes.
 *
 * Responses are read from the database and only looked at again: nothing is
 * stored. */
#ifndef MK_RULES_H
#define MK_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/store/store.h"

struct rules_scope {
    struct store *store;
    const char *models, *suites; /* JSON lists, NULL: all (store/chosen.h) */
    double alpha;
    struct arena *arena; /* of all that comes back */
};

/* One rule of a matcher.  Rivals: samples of which another rule would by itself
 * have read another answer; changed: where the verdict would be another. */
struct rules_rule {
    const char *matcher, *rule;
    int64_t n, correct, wrong, unparsable, refused;
    bool told;        /* the matcher tells what its rules would read */
    int64_t compared; /* samples of this rule that were looked at for rivals */
    int64_t rivals, changed;
};
/* How often a rule decides for one model in one run. */
struct rules_use {
    const char *matcher, *rule, *model;
    int64_t run, n, of;
};
/* The share that was not read (unparsable or refused) of a model, or of one run
 * of it, against all others; p is Holm's. */
struct rules_drift {
    const char *matcher, *model;
    int64_t run; /* 0: all runs, against other models */
    int64_t n, refused, unread, others, others_unread;
    double p;
    bool drifts;
};
/* The rule that decided, the one that would have read something else. */
struct rules_conflict {
    const char *matcher, *rule, *rival;
    int64_t n, changed;
    const char *item; /* one where it is so */
};
struct rules_audit {
    struct rules_rule *rules;
    struct rules_use *uses;
    struct rules_drift *drifts;
    struct rules_conflict *conflicts;
    size_t n_rules, n_uses, n_drifts, n_conflicts;
    int64_t samples, compared;
};
/* Of more than RULES_COMPARED samples every k-th is looked at for rivals. */
enum { RULES_COMPARED = 100000 };
enum err_code rules_audit(const struct rules_scope *scope,
                          struct rules_audit *out, struct err *e) MUST_CHECK;

/* A drawn sample; its stratum are all of the same matcher, rule and verdict. */
struct rules_pick {
    int64_t sample, stratum; /* how many the stratum has */
    const char *matcher, *rule, *verdict;
    const char *suite, *item, *model, *expected, *extracted, *response;
    int64_t trial, turn, span_at, span_len;
};
/* Draws n samples: some of each stratum, the rest by its size.  The same seed
 * and database give the same ones. */
enum err_code rules_draw(const struct rules_scope *scope, size_t n,
                         uint64_t seed, struct rules_pick **out, size_t *n_out,
                         struct err *e) MUST_CHECK;

/* What a person has said of a rule's samples: errors of the matcher. */
struct rules_error {
    const char *matcher, *rule; /* NULL: all rules, all matchers */
    int64_t checked, errors;
    double rate, lo, hi; /* for all: each stratum by its size */
    double covered;      /* share of the samples whose strata were checked */
};
struct rules_checked {
    struct rules_error *list; /* rules, then matchers, then all */
    size_t n;
    size_t unmarked, stale; /* rows without a mark; judged anew since */
};
/* Reads the marks back: CSV with the columns sample, matcher, rule, verdict and
 * check (1, yes, right, 对: as a person says; 0, no, wrong, 错: not).
 * ERR_FORMAT names row and column. */
enum err_code rules_check(const struct rules_scope *scope, struct str csv,
                          struct rules_checked *out, struct err *e) MUST_CHECK;

#endif
