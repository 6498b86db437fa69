/* Scales of a block by weighted least squares.
 *
 * Once the levels of a group are fixed, the best scale (and minimum) is the
 * solution of a linear problem whose coefficients are five sums; the levels in
 * turn follow from the scale by rounding.  So:
 *
 *   1. each group by itself tries a row of scales around the one that just
 *      reaches its largest weight, solves for each, and keeps the best;
 *   2. the groups' scales are rounded to the integers that the format stores;
 *   3. levels, the block's two half-precision factors, and the integers are
 *      then improved in turn, each with the others fixed, as long as the error
 *      falls.
 *
 * Large weights count a little more, |x| + 2 rms: they meet large activations no less
 * often than small ones, and a model suffers more when they are off.
 *
 * The sums run in four lanes of the compiler's vector type, which any machine
 * adds in the same order: the same file comes out everywhere. */
#include "engine/quant_fit.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/gguf.h"

enum { LANES = 4, N_VALUES = 16, STEPS = 5, ROUNDS = 3 };

typedef float lanes __attribute__((vector_size(16)));
typedef int32_t masks __attribute__((vector_size(16)));

static inline lanes load(const float *p)
{
    lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline lanes pick(masks m, lanes a, lanes b)
{
    return (lanes)((m & (masks)a) | (~m & (masks)b));
}

static inline double total(lanes v)
{
    return (double)v[0] + (double)v[1] + (double)v[2] + (double)v[3];
}

/* --- levels --------------------------------------------------------------- */

/* Adding 1.5 * 2^23 leaves no bits for a fraction: round to nearest even. */
static inline lanes nearest_integer(lanes v, float lo, float hi)
{
    lanes least = { lo, lo, lo, lo }, most = { hi, hi, hi, hi };
    const float big = 12582912;

    v = pick(v < least, least, v);
    v = pick(v > most, most, v);
    return (v + big) - big;
}

/* Values that are not evenly spaced, as steps to climb: the level goes up by
 * step[i] where the input is beyond middle[i]. */
struct ladder {
    float first;
    lanes middle[N_VALUES - 1], step[N_VALUES - 1];
};

static void make_ladder(struct ladder *l, const int8_t *values)
{
    lanes zero = { 0 };

    l->first = (float)values[0];
    for (int i = 0; i < N_VALUES - 1; i++) {
        l->middle[i] = zero + 0.5F * (float)(values[i] + values[i + 1]);
        l->step[i] = zero + (float)(values[i + 1] - values[i]);
    }
}

static inline lanes nearest_value(lanes v, const struct ladder *l)
{
    lanes out = { 0 };

    out += l->first;
    for (int i = 0; i < N_VALUES - 1; i++)
        out += (lanes)((v > l->middle[i]) & (masks)l->step[i]);
    return out;
}

static uint8_t index_of(const struct fit_shape *s, float level)
{
    int i = 0;

    if (!s->values)
        return (uint8_t)((int)level - s->lo);
    while (s->values[i] < (int)level)
        i++;
    return (uint8_t)i;
}

/* --- one group ------------------------------------------------------------ */

/* Sums of a group, each with the weights' own weights: 1, x, x*x, and with the
 * level l: l, l*l, x*l. */
struct sums {
    double n, x, xx, l, ll, xl;
};

/* What is being fitted. */
struct block {
    const struct fit_shape *s;
    const float *x;
    struct ladder ladder; /* if the shape has values */
    float w[FIT_MAX], levels[FIT_MAX];
    struct sums sums[FIT_GROUPS];
};

/* x is about s * l - m. */
struct line {
    double s, m;
};

static void sum_input(const struct block *b, int k, struct sums *out)
{
    const float *x = b->x + k * b->s->size, *w = b->w + k * b->s->size;
    lanes sw = { 0 }, sx = { 0 }, sxx = { 0 };

    for (int i = 0; i < b->s->size; i += LANES) {
        lanes xi = load(x + i), wi = load(w + i), wx = wi * xi;
        sw += wi;
        sx += wx;
        sxx += wx * xi;
    }
    out->n = total(sw);
    out->x = total(sx);
    out->xx = total(sxx);
}

/* The levels of group k nearest to (x - shift) * inv, and their sums; keeps
 * them if `levels` is not NULL. */
static void sum_levels(const struct block *b, int k, struct line inverse,
                       float *levels, struct sums *out)
{
    const struct fit_shape *s = b->s;
    const float *x = b->x + k * s->size, *w = b->w + k * s->size;
    lanes sl = { 0 }, sll = { 0 }, sxl = { 0 };
    float lo = (float)s->lo, hi = (float)s->hi;
    float inv = (float)inverse.s, shift = (float)inverse.m;

    for (int i = 0; i < s->size; i += LANES) {
        lanes xi = load(x + i), v = (xi - shift) * inv;
        lanes l = s->values ? nearest_value(v, &b->ladder)
                            : nearest_integer(v, lo, hi);
        lanes wl = load(w + i) * l;
        sl += wl;
        sll += wl * l;
        sxl += wl * xi;
        if (levels)
            memcpy(levels + i, &l, sizeof l);
    }
    out->l = total(sl);
    out->ll = total(sll);
    out->xl = total(sxl);
}

static double error_of(const struct sums *t, struct line f)
{
    return t->xx - 2 * f.s * t->xl + 2 * f.m * t->x + f.s * f.s * t->ll -
           2 * f.s * f.m * t->l + f.m * f.m * t->n;
}

static struct line solve(const struct sums *t, bool with_min)
{
    double det = t->n * t->ll - t->l * t->l;
    struct line f = { 0 };

    if (with_min && det > 1e-9 * t->n * t->ll) {
        f.s = (t->n * t->xl - t->x * t->l) / det;
        f.m = (f.s * t->l - t->x) / t->n;
        if (f.m > 0 && f.s > 0)
            return f;
    }
    f.m = 0;
    f.s = t->ll > 0 ? t->xl / t->ll : 0;
    return f;
}

/* A minimum is stored without a sign: it is 0 where all weights are positive.
 */
struct range {
    float least, most, largest; /* largest: of magnitude, with its sign */
};

static struct range range_of(const float *x, int n)
{
    struct range r = { 0 };

    for (int i = 0; i < n; i++) {
        r.least = x[i] < r.least ? x[i] : r.least;
        r.most = x[i] > r.most ? x[i] : r.most;
        r.largest = fabsf(x[i]) > fabsf(r.largest) ? x[i] : r.largest;
    }
    return r;
}

/* Scale that step i tries, as what the input is multiplied with.  Without
 * minima the largest weight goes to the lowest level, the one of largest
 * magnitude; with them the range goes to all levels. */
static struct line try_scale(const struct fit_shape *s, const struct range *r,
                             int i)
{
    double off = 0.18 * i, lowest = s->values ? s->values[0] : s->lo;

    if (s->min_hi)
        return (struct line){ (s->hi + off) / (r->most - r->least), r->least };
    if (s->values)
        off *= 10;
    return (struct line){ (lowest - off) / r->largest, 0 };
}

static struct line fit_group(const struct block *b, int k)
{
    const struct fit_shape *s = b->s;
    struct range r = range_of(b->x + k * s->size, s->size);
    struct line best = { 0 };
    double least = INFINITY;
    struct sums t;

    if (!(fabsf(r.largest) > 1e-30F))
        return best;
    sum_input(b, k, &t);
    for (int i = -STEPS; i <= STEPS; i++) {
        struct line f;
        double err;
        sum_levels(b, k, try_scale(s, &r, i), NULL, &t);
        f = solve(&t, s->min_hi > 0);
        err = error_of(&t, f);
        if (err < least) {
            least = err;
            best = f;
        }
    }
    return best;
}

/* --- the block ------------------------------------------------------------ */

static void weigh(const float *x, int n, float *w)
{
    double sum = 0;
    float rms;

    for (int i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    rms = (float)sqrt(sum / n);
    for (int i = 0; i < n; i++)
        w[i] = fabsf(x[i]) + 2 * rms;
}

static float as_half(double v)
{
    return quant_f16_to_f32(quant_f32_to_f16((float)v));
}

static int as_integer(double v, int lo, int hi)
{
    if (!(v > lo)) /* NaN too */
        return lo;
    return v < hi ? (int)lrint(v) : hi;
}

static struct line line_of(const struct fit *f, int k)
{
    return (struct line){ (double)f->d * f->scale[k],
                          (double)f->dmin * f->min[k] };
}

/* Levels for the fit's scales; gives the error. */
static double assign(struct block *b, const struct fit *f)
{
    double err = 0;

    for (int k = 0; k < b->s->groups; k++) {
        struct line l = line_of(f, k);
        struct line inverse = { l.s < 0 || l.s > 0 ? 1 / l.s : 0, -l.m };
        sum_levels(b, k, inverse, b->levels + k * b->s->size, &b->sums[k]);
        err += error_of(&b->sums[k], l);
    }
    return err;
}

/* Integers of the groups for the block's factors. */
static void set_integers(const struct fit_shape *s, const struct line *want,
                         struct fit *f)
{
    for (int k = 0; k < s->groups; k++) {
        f->scale[k] =
            as_integer(want[k].s / (double)f->d, s->scale_lo, s->scale_hi);
        f->min[k] = f->dmin > 0
                        ? as_integer(want[k].m / (double)f->dmin, 0, s->min_hi)
                        : 0;
        if (!(f->d < 0 || f->d > 0))
            f->scale[k] = s->scale_lo > 0 ? s->scale_lo : 0;
    }
}

static void set_factors(const struct fit_shape *s, const struct line *want,
                        struct fit *f)
{
    double scale = 0, min = 0;

    for (int k = 0; k < s->groups; k++) {
        scale = fabs(want[k].s) > fabs(scale) ? want[k].s : scale;
        min = want[k].m > min ? want[k].m : min;
    }
    f->d = as_half(scale / (s->scale_lo < 0 ? s->scale_lo : s->scale_hi));
    f->dmin = s->min_hi ? as_half(min / s->min_hi) : 0;
}

/* The two factors that are best for the integers and levels there are. */
static void solve_factors(const struct block *b, struct fit *f)
{
    double ll = 0, lm = 0, mm = 0, xl = 0, xm = 0, det;

    for (int k = 0; k < b->s->groups; k++) {
        const struct sums *t = &b->sums[k];
        double s = f->scale[k], m = f->min[k];
        ll += s * s * t->ll;
        lm += s * m * t->l;
        mm += m * m * t->n;
        xl += s * t->xl;
        xm += m * t->x;
    }
    det = ll * mm - lm * lm;
    if (det > 1e-9 * ll * mm && xl * lm > xm * ll)
        f->dmin = as_half((xl * lm - xm * ll) / det);
    if (ll > 0)
        f->d = as_half((xl + (double)f->dmin * lm) / ll);
}

/* The groups' integers that are best for the factors and levels there are:
 * each scale for its minimum, then the minimum for that scale. */
static void solve_integers(const struct block *b, struct fit *f)
{
    const struct fit_shape *s = b->s;
    struct line want[FIT_GROUPS];

    for (int k = 0; k < s->groups; k++) {
        const struct sums *t = &b->sums[k];
        want[k] = line_of(f, k);
        if (t->ll > 0)
            want[k].s = (t->xl + want[k].m * t->l) / t->ll;
        if (s->min_hi && t->n > 0)
            want[k].m = (want[k].s * t->l - t->x) / t->n;
    }
    set_integers(s, want, f);
}

static void store_levels(const struct block *b, struct fit *f)
{
    for (int i = 0; i < b->s->groups * b->s->size; i++)
        f->q[i] = index_of(b->s, b->levels[i]);
}

static void improve(struct block *b, struct fit *best)
{
    double least = assign(b, best);
    struct fit f = *best;

    store_levels(b, best);
    for (int i = 0; i < ROUNDS; i++) {
        double err;
        if (b->s->groups > 1)
            solve_integers(b, &f);
        solve_factors(b, &f);
        err = assign(b, &f);
        if (!(err < least))
            return;
        least = err;
        *best = f;
        store_levels(b, best);
    }
}

void fit_block(const struct fit_shape *s, const float *x, struct fit *out)
{
    struct block b = { .s = s, .x = x };
    struct line want[FIT_GROUPS];

    assert(s->groups <= FIT_GROUPS && s->groups * s->size <= FIT_MAX);
    assert(s->size % LANES == 0);
    if (s->values)
        make_ladder(&b.ladder, s->values);
    weigh(x, s->groups * s->size, b.w);
    for (int k = 0; k < s->groups; k++) {
        sum_input(&b, k, &b.sums[k]);
        want[k] = fit_group(&b, k);
    }
    set_factors(s, want, out);
    set_integers(s, want, out);
    improve(&b, out);
}
