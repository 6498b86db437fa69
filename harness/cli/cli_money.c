/* What mokao run says of money. */
#include "harness/cli/cli_money.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum err_code cli_run_rates(struct rates *r, const char *models_file,
                            const struct cli_list *args, struct arena *a,
                            struct err *e)
{
    rates_init(r);
    if (rates_read(r, models_file, a, e))
        return e->code;
    for (size_t i = 0; i < args->n; i++)
        if (rates_set(r, args->v[i], a, e))
            return e->code;
    return ERR_OK;
}

enum err_code cli_run_meter(struct meter *m, const struct model_spec *model,
                            const struct rates *r, struct purse *purse,
                            struct store *s, struct err *e)
{
    struct tariff t = tariff_of(model, r);
    struct store_price row = { .in = t.in,
                               .cached = t.cached,
                               .out = t.out,
                               .currency = t.currency,
                               .date = t.date,
                               .source = t.source,
                               .cny = t.cny,
                               .rate_date = t.rate_date,
                               .rate_source = t.rate_source };

    if (meter_init(m, &t, purse, model->id, e))
        return e->code;
    return t.currency ? store_put_price(s, &row, &m->price, e) : ERR_OK;
}

void cli_run_money(const struct meter *m, const char *before, char *out,
                   size_t n)
{
    const struct tariff *t = &m->tariff;
    struct buf b;

    buf_init(&b, 256);
    buf_str(&b, before);
    if (!m->n_priced && m->n_unpriced) {
        buf_str(&b, "cost unknown: the tokens are not told");
    } else {
        cost_show(m->nano, t->currency, &b);
        if (strcmp(t->currency, "CNY") != 0) {
            buf_str(&b, " = ");
            cost_show(isnan(t->cny) ? COST_UNKNOWN : m->cny_nano, "CNY", &b);
        }
        if (m->n_unpriced)
            buf_printf(&b, " and %zu responses of unknown cost", m->n_unpriced);
    }
    snprintf(out, n, "%s", b.p);
    buf_free(&b);
}

void cli_run_money_json(const struct meter *m, struct jw *w)
{
    const struct tariff *t = &m->tariff;
    bool known = t->currency && !m->n_unpriced;

    jw_str(w, "currency", t->currency);
    jw_num(w, "cost", known ? (double)m->nano / COST_NANO : NAN);
    jw_num(w, "cost_cny",
           known && !isnan(t->cny) ? (double)m->cny_nano / COST_NANO : NAN);
    jw_int(w, "cost_unknown", (int64_t)m->n_unpriced);
}

/* --- estimates ------------------------------------------------------------- */

static const char *const tokens_from[] = {
    [TOKENS_COUNTED] = "counted by the model's tokenizer",
    [TOKENS_GUESSED] = "guessed from the characters, -20 % to +60 %",
};
static const char *const output_from[] = {
    [OUTPUT_NONE] = "nothing is generated",
    [OUTPUT_MODEL] = "as this model's stored answers",
    [OUTPUT_OTHERS] = "as the stored answers of other models",
    [OUTPUT_ASSUMED] = "assumed: half of the most",
};
static const char *const time_from[] = {
    [TIME_UNKNOWN] = "no answer of this model is stored",
    [TIME_PACE] = "by --rpm, --tpm",
    [TIME_STORED] = "as this model's stored answers",
};

static void show_bounds(const struct bounds *b, struct buf *out)
{
    if (b->low < b->high)
        buf_printf(out, "%.0f (%.0f to %.0f)", b->likely, b->low, b->high);
    else
        buf_printf(out, "%.0f", b->likely);
}

static void show_money(double nano, const char *currency, struct buf *out)
{
    cost_show(isnan(nano) || nano > 9e18 ? COST_UNKNOWN : llround(nano),
              currency, out);
}

static void show_range(const struct bounds *b, const char *currency,
                       struct buf *out)
{
    show_money(b->likely, currency, out);
    if (!(b->low < b->high))
        return;
    buf_str(out, " (");
    show_money(b->low, currency, out);
    buf_str(out, " to ");
    show_money(b->high, currency, out);
    buf_char(out, ')');
}

static void show_cost(const struct estimate *o, const struct tariff *t,
                      struct buf *out)
{
    buf_str(out, "  cost           ");
    if (!t->currency || isnan(o->nano.likely)) {
        buf_str(out, "unknown: no price is known\n");
        return;
    }
    show_range(&o->nano, t->currency, out);
    if (strcmp(t->currency, "CNY") != 0) {
        buf_str(out, " = ");
        show_range(&o->cny_nano, "CNY", out);
    }
    buf_printf(out, "; price of %s", t->date ? t->date : "an unknown day");
    if (strcmp(t->currency, "CNY") != 0 && !isnan(t->cny))
        buf_printf(out, ", 1 %s = %g CNY (%s, %s)", t->currency, t->cny,
                   t->rate_date, t->rate_source);
    buf_char(out, '\n');
}

void cli_run_estimate(const struct estimate *o, const struct tariff *t,
                      struct buf *out)
{
    char time[32];

    buf_printf(out, "  requests       %zu\n  prompt tokens  ", o->requests);
    show_bounds(&o->prompt, out);
    buf_printf(out, ", %s%s\n  output tokens  ", tokens_from[o->tokens_from],
               o->tokens_from == TOKENS_GUESSED && o->generated < o->requests
                   ? "; options asked at once or one by one"
                   : "");
    show_bounds(&o->output, out);
    buf_printf(out, ", %s\n", output_from[o->output_from]);
    show_cost(o, t, out);
    buf_str(out, "  time           ");
    if (isnan(o->seconds)) {
        buf_str(out, "unknown");
    } else {
        cli_human_time(llround(1000 * o->seconds), time, sizeof time);
        buf_str(out, time);
    }
    buf_printf(out, ", %s\n", time_from[o->time_from]);
}

static void bounds_json(struct jw *w, const char *key, const struct bounds *b,
                        double unit)
{
    jw_object(w, key);
    jw_num(w, "low", b->low / unit);
    jw_num(w, "likely", b->likely / unit);
    jw_num(w, "high", b->high / unit);
    jw_end(w);
}

void cli_run_estimate_json(const struct estimate *o, const struct tariff *t,
                           struct jw *w)
{
    jw_int(w, "requests", (int64_t)o->requests);
    bounds_json(w, "prompt_tokens", &o->prompt, 1);
    jw_str(w, "prompt_tokens_from", tokens_from[o->tokens_from]);
    bounds_json(w, "output_tokens", &o->output, 1);
    jw_str(w, "output_tokens_from", output_from[o->output_from]);
    jw_str(w, "currency", t->currency);
    bounds_json(w, "cost", &o->nano, COST_NANO);
    bounds_json(w, "cost_cny", &o->cny_nano, COST_NANO);
    jw_num(w, "seconds", o->seconds);
    jw_str(w, "seconds_from", time_from[o->time_from]);
}
