/* Matchers: response + expected -> verdict.
 *
 * A matcher is a pure function: it opens nothing and stores nothing, sees no
 * item and no runner, only strings (one that `executes` starts programs).  Text is folded before it is compared and
 * the raw text is kept; the span that is reported lies in the raw response. */
#ifndef MK_MATCH_H
#define MK_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

enum verdict {
    VERDICT_CORRECT,
    VERDICT_WRONG,
    VERDICT_UNPARSABLE, /* no answer could be read, or it is ambiguous */
    VERDICT_REFUSED     /* the model declined */
};
const char *verdict_name(enum verdict v);         /* "correct" ... */
enum verdict verdict_from_name(const char *name); /* unknown: -1 */

struct match_choice {
    struct str key, text;
};

struct match_in {
    const struct json *expected; /* a string, a list of accepted ones, or the
                                    matcher's own object */
    const struct match_choice *choices;
    size_t n_choices;
    const struct json *options; /* the matcher's settings, NULL: none */
    struct str response;        /* checked UTF-8 */
};

struct match_out {
    enum verdict verdict;
    double score;             /* 0 ... 1 */
    const char *extracted;    /* what was read as the answer, "" if nothing */
    const char *rule;         /* name of the rule that found it, "" if none */
    size_t span_at, span_len; /* in the raw response, bytes */
};

/* What one rule would read if it were the only one. */
struct match_candidate {
    const char *rule, *extracted;
    enum verdict verdict;
};
struct match_candidates {
    struct match_candidate *list; /* in the arena */
    size_t n, cap;
};

struct match_kind {
    const char *name;
    int version;      /* goes up whenever a verdict could change */
    const char *doc;  /* one line */
    const char *help; /* the options and the expected form */
    /* Runs the answer as a program: it takes processes and seconds, and fails
       with NOENV where there is no sandbox.  All others are pure. */
    bool executes;
    /* Checks expected and options when a suite is loaded. */
    enum err_code (*check)(const struct match_in *in, struct err *e);
    /* Strings in *out live in the arena.  Fails with NOMEM and LIMIT, with
       NOENV when text_fold() does or what the options name is not here, and
       with FORMAT when that is broken. */
    enum err_code (*run)(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e);
    /* The digest of what else decides a verdict and stands in no suite, such
       as a dictionary; "": there is nothing.  Lives until the program ends.
       Fails as run() does.  NULL: there never is. */
    enum err_code (*outside)(const struct json *options, const char **digest,
                             struct err *e);
    /* The name of rule i in the order in which they are tried, NULL after the
       last; some names come twice.  NULL: they are not told. */
    const char *(*rule)(size_t i);
    /* What each rule would read by itself, appended to *out: more than run()
       needs to know.  NULL: not told.  Fails as run() does. */
    enum err_code (*candidates)(const struct match_in *in, struct arena *a,
                                struct match_candidates *out, struct err *e);
};

#define MATCH_KINDS(X)                                                         \
    X(choice)                                                                  \
    X(class)                                                                   \
    X(code)                                                                    \
    X(constraints)                                                             \
    X(contains)                                                                \
    X(date)                                                                    \
    X(exact)                                                                   \
    X(json)                                                                    \
    X(list)                                                                    \
    X(math)                                                                    \
    X(number)                                                                  \
    X(regex)                                                                   \
    X(safety)                                                                  \
    X(similar)                                                                 \
    X(sql)                                                                     \
    X(tool)                                                                    \
    X(verse)
#define MATCH_DECL(name) extern const struct match_kind match_##name;
MATCH_KINDS(MATCH_DECL)
#undef MATCH_DECL
extern const struct match_kind *const match_kinds[]; /* NULL at the end */

/* NULL if there is none; *nearest (may be NULL) then is the likeliest name. */
const struct match_kind *match_find(const char *name, const char **nearest);

/* What all kinds share: drops a reasoning block (<think>...</think>) from the
 * front, and tells a refusal.  Returns the part that is the answer. */
struct str match_answer_part(struct str response);
bool match_is_refusal(struct str response, size_t *at, size_t *len);

#endif
