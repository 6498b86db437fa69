/* Which part of a response is the mathematical answer: what the matcher takes,
 * and what each of its rules would take by itself. */
#ifndef MK_MATH_FIND_H
#define MK_MATH_FIND_H

#include "harness/base/err.h"
#include "harness/match/match_parts.h"
#include "harness/match/math.h"

enum { MATH_FOUND_MOST = 16 };

struct math_reader {
    struct str s; /* the folded response */
    struct arena *a;
    size_t want; /* items of the expected answer */
    bool names;  /* it holds some: a name may be an answer */
};

/* What was read as the answer; n 0: nothing, or, where `why` is set, what
 * stands there is no mathematics that can be read. */
struct math_found {
    const char *rule, *why;
    const struct math *tree[MATH_FOUND_MOST];
    size_t n;
    size_t at, end; /* in the folded text */
};
bool math_is_read(const struct math_found *f);

/* The first rule that finds something; ERR_NOMEM, ERR_LIMIT. */
enum err_code math_find(const struct math_reader *r, struct math_found *f,
                        struct err *e) MUST_CHECK;

/* --- rule by rule, in the order in which they are tried --- */

/* Compiles the rules; *n of them look for statements. */
enum err_code math_rules_open(size_t *n, struct err *e) MUST_CHECK;
/* Name of rule i; after statements those of what is read without one. */
const char *math_rule_name(size_t i);
/* Whether the rule finds the answer itself, not each step on the way: two
 * statements of such a rule that differ contradict each other. */
bool math_states_once(size_t rule);

/* Where the last statements of a rule begin, the newest first. */
enum err_code math_hits(const struct math_reader *r, size_t rule,
                        struct match_hits *h, struct err *e) MUST_CHECK;
/* What the rule reads by itself; *k is the first hit it did not look at. */
enum err_code math_find_by(const struct math_reader *r, size_t rule,
                           const struct match_hits *h, size_t *k,
                           struct math_found *f, struct err *e) MUST_CHECK;
/* What stands at hit k. */
enum err_code math_read_hit(const struct math_reader *r, size_t rule,
                            const struct match_hits *h, size_t k,
                            struct math_found *f, struct err *e) MUST_CHECK;
/* What is read where nothing is stated. */
enum err_code math_find_last(const struct math_reader *r, struct math_found *f,
                             struct err *e) MUST_CHECK;

/* --- of an expected answer too --- */

struct math_run {
    size_t from, to; /* tokens */
    bool more;       /* than names */
};
/* The next stretch without text at or after token i; *on is where to go on. */
bool math_next_run(const struct math_tokens *t, size_t i, struct math_run *r,
                   size_t *on);
/* How many things an answer lists. */
size_t math_items(const struct math *m);

#endif
