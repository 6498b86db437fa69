/* Scores, totals and rank ranges over a loaded board.
 *
 * The interval of a total over groups is Zou's (2009) recovery from the groups'
 * own intervals: the distances of the mean's bounds are the root of the sum of
 * the squared distances of the parts.  It needs no seed, holds at 0 and 1, and
 * is the group's own interval when there is one group.
 *
 * Ranks over several groups weigh each item's score so that the mean of the
 * paired differences is the difference of the totals; the spread between groups
 * then counts as noise, which makes the test careful rather than bold. */
#include "report/board.h"

#include <math.h>

struct sums {
    size_t items, answered_items;
    double low, high, answered;
};

/* A failed share f of an item's turns counts 0 in low and 1 in high, so what
 * was answered scored low / (1 - f). */
static void sum_item(struct sums *s, double low, double high)
{
    double answered = 1 - (high - low);

    s->items++;
    s->low += low;
    s->high += high;
    if (answered > 1e-9) {
        s->answered += low / answered;
        s->answered_items++;
    }
}

static struct sums sum_group(const struct board *b, size_t model, size_t group,
                             bool common)
{
    const double *low = b->low + model * b->n_items;
    const double *high = b->high + model * b->n_items;
    struct sums s = { 0 };

    for (size_t i = 0; i < b->n_items; i++)
        if (b->items[i].group == group && !isnan(low[i]) &&
            (!common || b->common[i]))
            sum_item(&s, low[i], high[i]);
    return s;
}

/* Wilson's interval; between two whole numbers of points (graded items, several
 * turns or trials) what lies between theirs.  The variance of such scores is
 * below that of 0 and 1: the interval is rather too wide than too narrow. */
static struct interval interval_of(const struct sums *s, double alpha)
{
    int64_t n = (int64_t)s->items, k = (int64_t)s->low;
    double part = s->low - (double)k;
    struct interval at = stats_wilson(k, n, alpha), next;

    if (k >= n || part < 1e-9)
        return at;
    next = stats_wilson(k + 1, n, alpha);
    return (struct interval){ at.lo + part * (next.lo - at.lo),
                              at.hi + part * (next.hi - at.hi) };
}

struct board_score board_group_score(const struct board *b, size_t model,
                                     size_t group, bool common, double alpha)
{
    struct sums s = sum_group(b, model, group, common);
    struct board_score out = { .items = s.items,
                               .strict = NAN,
                               .answered = NAN,
                               .high = NAN,
                               .interval = { NAN, NAN } };

    if (!s.items)
        return out;
    out.strict = s.low / (double)s.items;
    out.high = s.high / (double)s.items;
    if (s.answered_items)
        out.answered = s.answered / (double)s.answered_items;
    out.interval = interval_of(&s, alpha);
    return out;
}

struct board_score board_total(const struct board *b, size_t model, bool common,
                               double alpha)
{
    struct board_score out = { 0 };
    double below = 0, above = 0;
    size_t groups = 0, answered = 0;

    for (size_t g = 0; g < b->n_groups; g++) {
        struct board_score s = board_group_score(b, model, g, common, alpha);
        if (!s.items)
            continue;
        groups++;
        out.items += s.items;
        out.strict += s.strict;
        out.high += s.high;
        if (!isnan(s.answered)) {
            out.answered += s.answered;
            answered++;
        }
        below += pow(s.strict - s.interval.lo, 2);
        above += pow(s.interval.hi - s.strict, 2);
    }
    out.strict /= (double)groups; /* no group: NaN */
    out.high /= (double)groups;
    out.answered /= (double)answered;
    out.interval.lo = out.strict - sqrt(below) / (double)groups;
    out.interval.hi = out.strict + sqrt(above) / (double)groups;
    return out;
}

/* --- ranks ---------------------------------------------------------------- */

/* What an item's difference weighs so that the mean over all compared items is
 * the mean of the groups' means. */
static void set_weights(const struct board *b, bool common, double *weight)
{
    size_t total = 0, groups = 0;

    for (size_t g = 0; g < b->n_groups; g++) {
        size_t n = 0;
        for (size_t i = 0; i < b->n_items; i++)
            n += b->items[i].group == g && (!common || b->common[i]);
        for (size_t i = 0; n && i < b->n_items; i++)
            if (b->items[i].group == g)
                weight[i] = 1.0 / (double)n;
        total += n;
        groups += n > 0;
    }
    for (size_t i = 0; i < b->n_items; i++)
        weight[i] *= (double)total / (double)groups;
}

/* Items without any answer have no place in a paired test: what they could
 * change is the slack. */
static void fill_row(const struct board *b, size_t m, bool common,
                     const double *weight, double *row)
{
    size_t k = 0;

    for (size_t i = 0; i < b->n_items; i++) {
        double low = b->low[m * b->n_items + i];
        double answered = 1 - (b->high[m * b->n_items + i] - low);
        if (common && !b->common[i])
            continue;
        row[k++] = answered > 1e-9 ? weight[i] * low / answered : NAN;
    }
}

enum err_code board_ranks(const struct board *b, double alpha,
                          struct rank_range *out, struct err *e)
{
    bool common = b->n_common > 0;
    size_t n = common ? b->n_common : b->n_items;
    double *score = mem_array(b->n_models, n * sizeof *score);
    double *weight = mem_array(b->n_items, sizeof *weight);
    double *slack = mem_array(b->n_models, sizeof *slack);
    enum err_code rc = ERR_OK;

    if (!score || !weight || !slack) {
        rc = err_set(e, ERR_NOMEM, "no memory for the ranks");
        goto done;
    }
    set_weights(b, common, weight);
    for (size_t m = 0; m < b->n_models; m++) {
        struct board_score s = board_total(b, m, common, alpha);
        fill_row(b, m, common, weight, score + m * n);
        slack[m] = (s.high - s.strict) / 2;
    }
    if (stats_rank_ranges(score, b->n_models, n, slack, alpha, out))
        rc = err_set(e, ERR_NOMEM, "no memory for the ranks");
done:
    mem_free(slack);
    mem_free(weight);
    mem_free(score);
    return rc;
}
