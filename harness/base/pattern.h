/* Compiled PCRE2 patterns (UTF, UCP, JIT where it is to be had) with a step
 * limit.  Giving up is an error of the item, never "no match". */
#ifndef MK_PATTERN_H
#define MK_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"
#include "harness/base/text.h"

#define PATTERN_GROUPS 16

struct pattern;
struct pattern_hit {
    size_t n; /* groups set, the whole match counted */
    struct {
        size_t at, end;
    } g[PATTERN_GROUPS]; /* (size_t)-1: not set */
};

enum pattern_flags {
    PATTERN_CASELESS = 1,
    PATTERN_MULTILINE = 2,
    PATTERN_DOTALL = 4,
    PATTERN_EXTENDED = 8
};

/* *out is the caller's, freed by pattern_close().  The error names the offset
 * in the pattern.  A compiled pattern may be shared by threads. */
enum err_code pattern_open(struct pattern **out, struct str source,
                           unsigned flags, struct err *e) MUST_CHECK;
void pattern_close(struct pattern *p);
/* Looks for the first match at or after `from`; *found says whether there is
 * one.  ERR_LIMIT when the step or depth limit was met. */
enum err_code pattern_find(const struct pattern *p, struct str s, size_t from,
                           struct pattern_hit *hit, bool *found,
                           struct err *e) MUST_CHECK;

#endif
