/* Choosing a token from logits.
 *
 * Nothing is allocated or sorted: the least logit that top-k and top-p keep is
 * found by descending through the bits of the logits, taken as unsigned numbers
 * of the same order, eight bits a pass with a histogram of counts (top-k) or of
 * probabilities (top-p).  Of logits equal to that threshold the lower ids are
 * kept.  Then one number of the generator chooses among what is kept, in the
 * order of ids.  NaN counts as minus infinity everywhere. */
#include <math.h>
#include <string.h>

#include "engine/engine.h"

/* splitmix64 (Steele, Lea, Flood 2014): uniform in [0, 1), 53 bits. */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static float no_nan(float x)
{
    return isnan(x) ? -INFINITY : x;
}

static int32_t best(const float *logits, size_t n)
{
    size_t top = 0;

    for (size_t i = 1; i < n; i++)
        if (no_nan(logits[i]) > no_nan(logits[top]))
            top = i;
    return (int32_t)top;
}

/* Unsigned number of the same order as the float; -0 equals 0. */
static uint32_t order(float x)
{
    uint32_t u;

    x = no_nan(x) + 0.0f;
    memcpy(&u, &x, sizeof u);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

/* What is kept: everything above `least`, and of those equal to it the first
 * `ties`. */
struct keep {
    uint32_t least;
    size_t ties;
};

struct pool_of {
    const float *logits;
    size_t n;
    double max, inv_t; /* weight of a logit x: exp((x - max) * inv_t) */
};

static double weight(const struct pool_of *p, float x)
{
    return exp(((double)no_nan(x) - p->max) * p->inv_t);
}

static bool kept(const struct keep *k, float x, size_t *ties)
{
    uint32_t u = order(x);

    return u > k->least || (u == k->least && (*ties)++ < k->ties);
}

/* The smallest set of best logits inside `in` whose amounts come to `want`: an
 * amount is 1 for each (top-k), or its weight (top-p).  At least one is kept. */
static struct keep narrow(const struct pool_of *p, const struct keep *in,
                          bool weights, double want)
{
    uint32_t prefix = 0;
    double each = 0;
    size_t ties;

    for (int shift = 24; shift >= 0; shift -= 8) {
        double sum[256] = { 0 };
        int b = 255;

        ties = 0;
        for (size_t i = 0; i < p->n; i++) {
            uint32_t u = order(p->logits[i]);

            if (kept(in, p->logits[i], &ties) &&
                (shift == 24 || u >> (shift + 8) == prefix))
                sum[u >> shift & 255] += weights ? weight(p, p->logits[i]) : 1;
        }
        while (b > 0 && (sum[b] <= 0 || sum[b] < want))
            want -= sum[b--];
        if (sum[b] <= 0) { /* rounding took us past the last: take it all */
            while (b < 255 && sum[b] <= 0)
                b++;
            want = sum[b];
        }
        prefix = prefix << 8 | (uint32_t)b;
        each = sum[b];
    }
    ties = 0;
    for (size_t i = 0, seen = 0; i < p->n; i++)
        ties += kept(in, p->logits[i], &seen) && order(p->logits[i]) == prefix;
    each /= ties > 0 ? (double)ties : 1;
    for (size_t n = 1; n < ties; n++)
        if ((double)n * each >= want)
            ties = n;
    return (struct keep){ prefix, ties };
}

static int32_t draw(const struct pool_of *p, const struct keep *k, double sum,
                    double u)
{
    size_t ties = 0, last = 0;
    double at = 0;

    for (size_t i = 0; i < p->n; i++) {
        if (!kept(k, p->logits[i], &ties))
            continue;
        last = i;
        at += weight(p, p->logits[i]);
        if (at > u * sum)
            break;
    }
    return (int32_t)last;
}

static double total(const struct pool_of *p, const struct keep *k)
{
    size_t ties = 0;
    double sum = 0;

    for (size_t i = 0; i < p->n; i++)
        if (kept(k, p->logits[i], &ties))
            sum += weight(p, p->logits[i]);
    return sum;
}

int32_t mk_sample(const float *logits, size_t n_vocab,
                  const struct mk_sampling *s, uint64_t *state)
{
    struct keep k = { 0, SIZE_MAX };
    int32_t top = best(logits, n_vocab);
    struct pool_of p = { logits, n_vocab, no_nan(logits[top]), 0 };
    double u;

    if (!(s->temperature > 0))
        return top;
    u = uniform(state);
    if (s->top_k == 1 || !isfinite(p.max))
        return top;
    p.inv_t = 1 / (double)s->temperature;
    if (s->top_k > 1 && (size_t)s->top_k < n_vocab)
        k = narrow(&p, &k, false, s->top_k);
    if (s->top_p < 1)
        k = narrow(&p, &k, true, (double)s->top_p * total(&p, &k));
    return draw(&p, &k, total(&p, &k), u);
}
