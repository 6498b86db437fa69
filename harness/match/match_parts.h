/* What the matchers share among themselves: folded text with its way back to
 * the raw one, and tables of patterns that are compiled once. */
#ifndef MK_MATCH_PARTS_H
#define MK_MATCH_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "harness/base/buf.h"
#include "harness/base/pattern.h"
#include "harness/match/match.h"

/* The answer part of a response, folded.  `map` is that of text_fold(). */
struct match_text {
    struct str response;
    struct str part; /* lies in response */
    struct buf text, map;
};

/* Folds the answer part; of one longer than `most` bytes only the end (0: all
 * of it).  Call match_text_close() in any case. */
enum err_code match_text_open(struct match_text *t, struct str response,
                              unsigned flags, size_t most,
                              struct err *e) MUST_CHECK;
void match_text_close(struct match_text *t);
/* Sets the span of *out to what the folded bytes [at, end) came from. */
void match_set_span(struct match_out *out, const struct match_text *t,
                    size_t at, size_t end);

/* What every matcher begins with: unparsable, nothing read, by no rule. */
void match_begin(struct match_out *out);
/* Copies what was read into the arena. */
enum err_code match_extract(struct match_out *out, struct str s,
                            struct arena *a, struct err *e) MUST_CHECK;
/* The same of what the span covers. */
enum err_code match_extract_span(struct match_out *out,
                                 const struct match_in *in, struct arena *a,
                                 struct err *e) MUST_CHECK;
enum err_code match_no_memory(struct err *e);

/* Folds a short string (an expected answer, a choice) into the arena. */
enum err_code match_fold(struct str s, unsigned flags, struct arena *a,
                         struct str *out, struct err *e) MUST_CHECK;

/* One pattern of a table; `group` holds what is looked for. */
struct match_rule {
    const char *name, *pattern;
    unsigned flags; /* of the pattern */
    int tier;       /* for the matcher's own use */
};

enum { MATCH_RULES_MOST = 40 };
/* A table compiled at its first use and kept until the program ends. */
struct match_rules {
    const struct match_rule *rules;
    size_t n;
    pthread_mutex_t lock; /* guards the compilation */
    atomic_bool ready;
    struct pattern *compiled[MATCH_RULES_MOST];
};
#define MATCH_RULES(table)                                                     \
    {                                                                          \
        .rules = (table), .n = sizeof(table) / sizeof(*(table)),               \
        .lock = PTHREAD_MUTEX_INITIALIZER                                      \
    }
enum err_code match_rules_open(struct match_rules *r, struct err *e) MUST_CHECK;
/* First hit of rule i at or after `from`.  A pattern of ours that gives up has
 * found nothing: *found is false then. */
enum err_code match_rules_find(const struct match_rules *r, size_t i,
                               struct str s, size_t from,
                               struct pattern_hit *hit, bool *found,
                               struct err *e) MUST_CHECK;
/* Where group 1 of the last hits of rule i begins, at most `most` of them, the
 * newest first. */
enum { MATCH_HITS_MOST = 64 };
struct match_hits {
    size_t at[MATCH_HITS_MOST], n;
};
enum err_code match_rules_last(const struct match_rules *r, size_t i,
                               struct str s, size_t most,
                               struct match_hits *out,
                               struct err *e) MUST_CHECK;
/* Whether any rule of the table hits. */
enum err_code match_rules_any(struct match_rules *r, struct str s, bool *found,
                              struct err *e) MUST_CHECK;

/* The name of rule i of a table, then those of `more` up to its NULL. */
const char *match_rule_name(const struct match_rules *r,
                            const char *const *more, size_t i);
/* Appends to the list; all strings live at least as long as the arena. */
enum err_code match_candidate_add(struct match_candidates *c, struct arena *a,
                                  struct match_candidate one,
                                  struct err *e) MUST_CHECK;

/* An ASCII letter; an ASCII digit at i; `what` at i.  False beyond the end. */
bool match_is_latin(char c);
bool match_is_digit(struct str s, size_t i);
bool match_starts_at(struct str s, size_t i, const char *what);

/* The text of a hit's group. */
struct str match_group(struct str s, const struct pattern_hit *hit, size_t i);

/* match_is_refusal() that says when it could not tell.  Sets the span of *span
 * when it is one. */
enum err_code match_find_refusal(struct str response, struct match_out *span,
                                 bool *found, struct err *e) MUST_CHECK;

/* Sets the verdict of an answer that could not be read: refused when the
 * response begins with a refusal, unparsable otherwise. */
void match_no_answer(const struct match_in *in, struct match_out *out);

/* Walks the accepted answers: the strings of `expected`, which is a string or
 * a list of strings.  Checks that it is one; `what` names the form wanted. */
enum err_code match_check_strings(const struct json *expected, const char *what,
                                  struct err *e) MUST_CHECK;
/* The i-th accepted string, NULL after the last. */
const char *match_accepted(const struct json *expected, size_t i);

#endif
