/* How fast a key may be used: pure, with the clock given in.
 *
 * Three things hold a request back, each by itself:
 *  - the rates that the user set, requests and tokens a minute, evenly spaced;
 *  - the window: how many may be in flight.  It shrinks by half when the vendor
 *    says "too fast" and grows by one a round of answers (AIMD: Chiu and Jain,
 *    1989), never above what the user allows;
 *  - what the vendor told: Retry-After, and how much is left until when.
 * One pace is shared by all models that are asked with the same key. */
#ifndef MK_PACE_H
#define MK_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/text.h"

enum { PACE_REQUESTS, PACE_TOKENS, PACE_N };

struct pace_limits {
    double per_minute[PACE_N]; /* 0: no limit */
    size_t window;             /* in flight at the most, 1 or more */
};

/* What the headers of an answer told; see pace_header(). */
struct pace_hint {
    double left[PACE_N];      /* -1: not told */
    int64_t reset_ns[PACE_N]; /* from now; -1: not told */
    int64_t retry_ns;         /* Retry-After, from now; -1: not told */
    int should_retry;         /* x-should-retry: 1, 0; -1: not told */
};
void pace_hint_init(struct pace_hint *h);
/* Reads one header if it is one of pace: Retry-After (seconds or a date),
 * retry-after-ms, x-should-retry, {x-,anthropic-}ratelimit-* in the spellings
 * there are.  wall_ms: the clock that dates are compared with. */
void pace_header(struct pace_hint *h, struct str name, struct str value,
                 int64_t wall_ms);

struct pace {
    struct pace_limits limits;
    double window; /* 1 to limits.window */
    size_t in_flight;
    double spent;            /* tokens of what is in flight */
    int64_t free_ns[PACE_N]; /* the rate allows the next one from then on */
    int64_t hold_ns;         /* nobody starts before */
    double left[PACE_N];     /* what the vendor said is left until ... */
    int64_t left_ns[PACE_N]; /* ... then; 0: nothing known */
    int64_t cut_ns;          /* when the window was last cut */
};

/* What becomes of a request. */
struct pace_pass {
    int64_t started_ns;
    double tokens; /* expected */
};

void pace_init(struct pace *p, const struct pace_limits *l);
/* Whether a request of so many tokens may start now: 0 and it counts as
 * started, or how many ns to wait at least; INT64_MAX: until another ends. */
int64_t pace_start(struct pace *p, double tokens, int64_t now_ns,
                   struct pace_pass *out);
/* It has ended: another may start. */
void pace_end(struct pace *p, const struct pace_pass *pass);
/* What it really took; negative: not known. */
void pace_settle(struct pace *p, const struct pace_pass *pass, double tokens);
/* It was answered: the window may grow. */
void pace_grow(struct pace *p);
/* The vendor said "too fast": halves the window, once for all that were under
 * way at the time, and holds all until retry_ns from now (-1: not told). */
void pace_cut(struct pace *p, const struct pace_pass *pass, int64_t retry_ns,
              int64_t now_ns);
/* What an answer's headers told of what is left. */
void pace_learn(struct pace *p, const struct pace_hint *h, int64_t now_ns);

/* How long to wait before the attempt after `failed` ones: full jitter under
 * exponential growth (chance: 64 random bits), never less than told_ns (-1: not
 * told). */
int64_t pace_backoff(int failed, int64_t told_ns, uint64_t chance);

#endif
