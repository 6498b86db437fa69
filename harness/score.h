/* Stored response -> matcher -> score row.  What needs both the item's side and
 * the response's side of a verdict stands here. */
#ifndef MK_SCORE_H
#define MK_SCORE_H

#include <signal.h>

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/match/match.h"
#include "harness/store/store.h"

/* A sample as it is judged.  choices is {"A":text,...}, matcher
 * {"name":...,options}.  An option's log-probability is a number or
 * {"logprob":...,"tokens":...,"bytes":...}; it is the sum over its tokens. */
struct score_in {
    const char *answer, *choices, *matcher; /* JSON; choices may be NULL */
    const char *text;          /* NULL when scored by log-likelihood */
    const char *finish;        /* how the response ended, or NULL */
    const char *logprobs_json; /* {"A":-1.2,...}, or NULL */
    double margin;             /* NaN: unknown */
    bool q8;                   /* int8 activations: near-ties are flagged */
};
/* With option scores the likeliest option is the answer (rule "logprob"; of
 * equal ones the first, rule "logprob-tie"); the matcher's "normalise": "bytes"
 * or "tokens" divides by the option's length first (rule "logprob-bytes" ...).
 * Without option scores the matcher reads the text.
 * What it cannot read is refused when the vendor says that the answer was
 * refused or filtered (rule "finish").  A matcher that meets its step limit
 * leaves the sample unparsable (rule "limit").  ERR_FORMAT: a matcher that is
 * not known, or broken JSON. */
/* Strings of *out live in the arena. */
enum err_code score_judge(const struct score_in *in, struct arena *a,
                          struct store_score *out, struct err *e) MUST_CHECK;

/* Samples whose matcher executes their answer, which takes long, or lacks what
 * it needs: they wait until all else is done.  Zeroed memory is an empty list. */
struct score_waiting {
    int64_t *samples;
    size_t n, cap;
};
void score_waiting_free(struct score_waiting *w);

/* Judges a stored sample that has a response, and stores the score.  Reads all
 * it needs from the database, so that a run and a rescoring cannot differ.
 * out->verdict is NULL when the sample has no response or is not judged, and
 * when it is put on the list `waiting`; without a list (NULL) it is judged at
 * once. */
enum err_code score_sample(struct store *s, int64_t sample, struct arena *a,
                           struct score_waiting *waiting,
                           struct store_score *out, struct err *e) MUST_CHECK;

/* What each rule of the sample's matcher would read of it by itself; nothing
 * where the matcher does not tell, or options were scored. */
enum err_code score_candidates(const struct score_in *in, struct arena *a,
                               struct match_candidates *out,
                               struct err *e) MUST_CHECK;

/* Calls fn for every stored response that is judged, in the order of samples;
 * `stored` is its score (verdict NULL: none).  All of it lives until fn
 * returns. */
typedef enum err_code score_row_fn(void *user, int64_t sample,
                                   const struct score_in *in,
                                   const struct store_score *stored,
                                   struct err *e);
enum err_code score_each(struct store *s, score_row_fn *fn, void *user,
                         struct err *e) MUST_CHECK;

struct score_totals {
    int64_t scored, correct;     /* judged now; of them correct */
    int64_t changed;             /* had another verdict or score before */
    int64_t to_correct;          /* changed, and correct only now */
    int64_t to_wrong;            /* changed, and correct only before */
    int64_t unparsable, refused; /* of those scored */
    int64_t current;  /* left out: judged by today's matcher already */
    int64_t unscored; /* for which something is not here ... */
    struct err lacks; /* ... and why */
};
/* Judges the listed samples; adds to *t.  Where there is no sandbox (or no
 * dictionary) they stay without a score, and a later score_all() takes them up; so do the rest when
 * *interrupts (may be NULL) is not 0. */
enum err_code score_the_waiting(struct store *s, const struct score_waiting *w,
                                bool all,
                                const volatile sig_atomic_t *interrupts,
                                struct score_totals *t,
                                struct err *e) MUST_CHECK;
struct score_params {
    bool all;     /* also what today's matcher has judged already */
    bool dry_run; /* judge, but write nothing */
    bool changes; /* note what changes: store_begin_changes() */
    void (*progress)(void *user, int64_t done, int64_t n); /* or NULL */
    void *user;
};
/* Scores stored responses with today's matchers: those without a score or
 * whose matcher, version or settings changed.  Commits as it goes, so that a
 * later call takes up an interrupted one.  *totals counts the same in a dry
 * run, for which the store may be open for reading only. */
enum err_code score_all(struct store *s, const struct score_params *p,
                        struct score_totals *t, struct err *e) MUST_CHECK;

#endif
