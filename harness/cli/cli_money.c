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
