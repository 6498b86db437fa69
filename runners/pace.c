/* Rates, windows, waits.  All times are ns of one monotonic clock. */
#include "runners/pace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND ((int64_t)1000000000)
/* A loop that wakes late may catch up by so much, and no more. */
#define SLACK (SECOND / 10)
#define BACKOFF_FIRST (SECOND / 2)
#define BACKOFF_MOST (30 * SECOND)
/* No vendor's word holds longer: a reset tomorrow is asked again today. */
#define HOLD_MOST (120 * SECOND)

void pace_init(struct pace *p, const struct pace_limits *l)
{
    *p = (struct pace){ .limits = *l, .window = (double)l->window };
}

/* --- starting and ending --------------------------------------------------- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When the vendor's count has room for `need` more; now, or its reset. */
static int64_t room_at(struct pace *p, int what, double need, int64_t now)
{
    if (p->left_ns[what] <= now || p->left[what] >= need)
        return now;
    return p->left_ns[what];
}

static void take(struct pace *p, int what, double amount, int64_t now)
{
    double rate = p->limits.per_minute[what];

    p->left[what] -= amount;
    if (rate > 0)
        p->free_ns[what] = later(p->free_ns[what], now - SLACK) +
                           (int64_t)(60.0 * (double)SECOND * amount / rate);
}

int64_t pace_start(struct pace *p, double tokens, int64_t now_ns,
                   struct pace_pass *out)
{
    int64_t at = later(now_ns, p->hold_ns);

    for (int i = 0; i < PACE_N; i++) {
        if (p->limits.per_minute[i] > 0)
            at = later(at, p->free_ns[i]);
        at = later(at, room_at(p, i, i == PACE_TOKENS ? tokens : 1, now_ns));
    }
    if (at > now_ns)
        return at - now_ns;
    if ((double)p->in_flight + 1 > p->window && p->in_flight > 0)
        return INT64_MAX;
    take(p, PACE_REQUESTS, 1, now_ns);
    take(p, PACE_TOKENS, tokens, now_ns);
    p->in_flight++;
    p->spent += tokens;
    *out = (struct pace_pass){ now_ns, tokens };
    return 0;
}

void pace_end(struct pace *p, const struct pace_pass *pass)
{
    p->in_flight--;
    p->spent = p->in_flight ? p->spent - pass->tokens : 0;
}

void pace_settle(struct pace *p, const struct pace_pass *pass, double tokens)
{
    double rate = p->limits.per_minute[PACE_TOKENS];

    if (rate > 0 && tokens >= 0)
        p->free_ns[PACE_TOKENS] +=
            (int64_t)(60.0 * (double)SECOND * (tokens - pass->tokens) / rate);
}

void pace_grow(struct pace *p)
{
    p->window += 1 / p->window;
    if (p->window > (double)p->limits.window)
        p->window = (double)p->limits.window;
}

void pace_cut(struct pace *p, const struct pace_pass *pass, int64_t retry_ns,
              int64_t now_ns)
{
    if (retry_ns > HOLD_MOST)
        retry_ns = HOLD_MOST;
    if (retry_ns > 0)
        p->hold_ns = later(p->hold_ns, now_ns + retry_ns);
    if (pass->started_ns < p->cut_ns)
        return;
    p->cut_ns = now_ns;
    p->window = p->window > 2 ? floor(p->window / 2) : 1;
}

void pace_learn(struct pace *p, const struct pace_hint *h, int64_t now_ns)
{
    /* What is in flight may or may not be counted in the vendor's number:
     * taking it off once more is the safe way, and ends with the round. */
    const double away[PACE_N] = { (double)p->in_flight, p->spent };

    for (int i = 0; i < PACE_N; i++) {
        if (h->left[i] < 0 || h->reset_ns[i] < 0)
            continue;
        p->left[i] = h->left[i] - away[i];
        p->left_ns[i] =
            now_ns + (h->reset_ns[i] < HOLD_MOST ? h->reset_ns[i] : HOLD_MOST);
    }
}

int64_t pace_backoff(int failed, int64_t told_ns, uint64_t chance)
{
    int64_t most = BACKOFF_FIRST, wait;

    for (int i = 1; i < failed && most < BACKOFF_MOST; i++)
        most *= 2;
    if (most > BACKOFF_MOST)
        most = BACKOFF_MOST;
    wait = (int64_t)((double)(chance >> 11) * 0x1p-53 * (double)most);
    /* What was told is the least: those who were told the same come back
     * spread over a tenth of it. */
    if (told_ns > 0)
        wait = told_ns + wait % (told_ns / 10 + 1);
    return wait;
}

/* --- headers --------------------------------------------------------------- */

void pace_hint_init(struct pace_hint *h)
{
    *h = (struct pace_hint){ .left = { -1, -1 },
                             .reset_ns = { -1, -1 },
                             .retry_ns = -1,
                             .should_retry = -1 };
}

/* Days since 1970 of a Gregorian date (Howard Hinnant's algorithm). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = y / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t until(const struct tm *t, int64_t wall_ms)
{
    int64_t s = days_of(t->tm_year + 1900, t->tm_mon + 1, t->tm_mday) * 86400 +
                t->tm_hour * 3600 + t->tm_min * 60 + t->tm_sec;
    int64_t ms = s * 1000 - wall_ms;

    return ms < 0 ? 0 : ms * 1000000;
}

/* "1s", "6m0s", "120ms", "1h2m", "1.5" (seconds): the forms of reset headers.
 * -1: none of them. */
static int64_t duration(const char *s)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = { { "ms", 0.001 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
    double total = 0, v;
    char *end;

    while (*s) {
        size_t k = 0;
        v = strtod(s, &end);
        if (end == s || !(v >= 0))
            return -1;
        while (k < 4 && strncmp(end, units[k].unit, strlen(units[k].unit)) != 0)
            k++;
        if (k == 4 && *end)
            return -1;
        total += v * (k < 4 ? units[k].seconds : 1);
        s = end + (k < 4 ? strlen(units[k].unit) : 0);
    }
    return total < 1e9 ? (int64_t)(total * (double)SECOND) : -1;
}

/* A duration, a date of HTTP or of RFC 3339, or a time in seconds or ms since
 * 1970: no reset is thirty years away. */
static int64_t wait_of(const char *s, int64_t wall_ms)
{
    struct tm t = { 0 };
    char *end;
    double v = strtod(s, &end);

    if (strptime(s, "%a, %d %b %Y %H:%M:%S GMT", &t) ||
        strptime(s, "%Y-%m-%dT%H:%M:%S", &t))
        return until(&t, wall_ms);
    if (end != s && !*end && v >= 1e9 && v < 1e15) {
        v = v * (v < 1e12 ? 1000 : 1) - (double)wall_ms;
        return v < 0 ? 0 : (int64_t)(v * 1e6);
    }
    return s[0] ? duration(s) : -1;
}

static bool contains(const char *s, const char *word)
{
    return strcasestr(s, word) != NULL;
}

/* x-ratelimit-remaining-requests, X-Ratelimit-Remaining-Tokens,
 * anthropic-ratelimit-tokens-reset, X-RateLimit-Remaining ... */
static void rate_header(struct pace_hint *h, const char *name,
                        const char *value, int64_t wall_ms)
{
    int what = contains(name, "token") ? PACE_TOKENS : PACE_REQUESTS;
    char *end;
    double left;

    /* Of kinds of tokens the sum alone is ours to count. */
    if (contains(name, "input-") || contains(name, "output-"))
        return;
    if (contains(name, "reset")) {
        h->reset_ns[what] = wait_of(value, wall_ms);
    } else if (contains(name, "remaining")) {
        left = strtod(value, &end);
        if (end != value && left >= 0)
            h->left[what] = left;
    }
}

void pace_header(struct pace_hint *h, struct str name, struct str value,
                 int64_t wall_ms)
{
    char n[64], v[64];

    if (name.n >= sizeof n || value.n >= sizeof v)
        return;
    memcpy(n, name.p, name.n);
    n[name.n] = '\0';
    memcpy(v, value.p, value.n);
    v[value.n] = '\0';
    if (strcasecmp(n, "retry-after-ms") == 0) {
        double ms = strtod(v, NULL);
        if (ms > 0 && ms < 1e9)
            h->retry_ns = (int64_t)(ms * 1e6);
    } else if (strcasecmp(n, "retry-after") == 0) {
        /* the exact one, in ms, goes before */
        if (h->retry_ns < 0)
            h->retry_ns = wait_of(v, wall_ms);
    } else if (strcasecmp(n, "x-should-retry") == 0) {
        h->should_retry = strcasecmp(v, "true") == 0;
    } else if (contains(n, "ratelimit")) {
        rate_header(h, n, v, wall_ms);
    }
}
