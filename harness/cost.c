/* Prices, rates, and the arithmetic of money. */
#include "harness/cost.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"

/* --- rates ----------------------------------------------------------------- */

/* So that a ranking by cost works out of the box.  No list of rates is behind
 * it: whatever shows money in CNY shows it as what it is, with its month. */
static const struct rate known_rates[] = {
    { "USD", 7.1, "2025-11", "round default, see --rate" },
};

void rates_init(struct rates *r)
{
    r->n = sizeof known_rates / sizeof *known_rates;
    memcpy(r->v, known_rates, sizeof known_rates);
}

static bool is_currency(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < 'A' || s[i] > 'Z')
            return false;
    return n == 3;
}

static enum err_code add_rate(struct rates *r, struct rate rate, struct err *e)
{
    if (!is_currency(rate.currency, strlen(rate.currency)) ||
        strcmp(rate.currency, "CNY") == 0)
        return err_set(e, ERR_FORMAT,
                       "\"%s\": expected a foreign currency of three capital "
                       "letters such as USD",
                       rate.currency);
    if (!(rate.cny > 0) || rate.cny > 1e6)
        return err_set(e, ERR_FORMAT,
                       "%s: expected the CNY that one unit is worth, got %g",
                       rate.currency, rate.cny);
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->v[i].currency, rate.currency) == 0) {
            r->v[i] = rate;
            return ERR_OK;
        }
    if (r->n == sizeof r->v / sizeof *r->v)
        return err_set(e, ERR_LIMIT, "more than %zu rates", r->n);
    r->v[r->n++] = rate;
    return ERR_OK;
}

static enum err_code read_rate(const struct json *j, struct arena *a,
                               struct rates *r, struct err *e)
{
    static const char *const known[] = { "cny", "date", "source", NULL };
    const char *date, *source;
    struct rate rate = { .currency = arena_strdup(a, json_key(j)) };

    if (json_only(j, known, e) || json_get_num_or(j, "cny", 0, &rate.cny, e) ||
        json_get_str(j, "date", &date, e) ||
        json_get_str_or(j, "source", "models file", &source, e))
        return err_wrap(e, "%s", json_key(j));
    rate.date = arena_strdup(a, date);
    rate.source = arena_strdup(a, source);
    return a->failed ? err_set(e, ERR_NOMEM, "no memory for a rate")
                     : add_rate(r, rate, e);
}

enum err_code rates_read(struct rates *r, const char *file, struct arena *a,
                         struct err *e)
{
    struct json *j = NULL;
    const struct json *rates;
    enum err_code rc;

    file = model_file(file, a);
    if (!file)
        return ERR_OK;
    rc = json_read(&j, file, (size_t)16 << 20, e);
    rates = rc ? NULL : json_get(j, "rates");
    if (rates && json_type(rates) != JSON_OBJECT)
        rc = err_set(e, ERR_FORMAT, "expected an object, got %s",
                     json_type_name(json_type(rates)));
    for (const struct json *m = rates ? json_child(rates) : NULL; m && !rc;
         m = json_next(m))
        rc = read_rate(m, a, r, e);
    if (rc)
        err_wrap(e, rates ? "%s: rates" : "%s", file);
    json_free(j);
    return rc;
}

enum err_code rates_set(struct rates *r, const char *arg, struct arena *a,
                        struct err *e)
{
    const char *equals = strchr(arg, '=');
    char today[32], *end = NULL;
    struct rate rate = { .source = "--rate" };

    if (equals)
        rate.cny = strtod(equals + 1, &end);
    if (!equals || end == equals + 1 || *end)
        return err_set(e, ERR_USAGE,
                       "--rate: expected CURRENCY=CNY such as USD=7.1, got "
                       "\"%s\"",
                       arg);
    io_format_time(io_wall_ms(), today, sizeof today);
    rate.currency = arena_dup(a, arg, (size_t)(equals - arg));
    rate.date = arena_dup(a, today, strlen("2026-11-23"));
    if (a->failed)
        return err_set(e, ERR_NOMEM, "no memory for a rate");
    return add_rate(r, rate, e) ? err_wrap(e, "--rate") : ERR_OK;
}

const struct rate *rates_find(const struct rates *r, const char *currency)
{
    static const struct rate cny = { "CNY", 1, "", "" };

    if (strcmp(currency, "CNY") == 0)
        return &cny;
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->v[i].currency, currency) == 0)
            return &r->v[i];
    return NULL;
}

/* --- prices ---------------------------------------------------------------- */

struct tariff tariff_of(const struct model_spec *m, const struct rates *r)
{
    struct tariff t = { .in = m->price_in,
                        .cached = m->price_cached,
                        .out = m->price_out,
                        .date = m->price_date,
                        .source = m->price_source,
                        .cny = NAN };
    const struct rate *rate;

    if (!m->currency || (isnan(t.in) && isnan(t.out)))
        return t;
    t.currency = m->currency;
    rate = rates_find(r, m->currency);
    if (rate) {
        t.cny = rate->cny;
        t.rate_date = rate->date;
        t.rate_source = rate->source;
    }
    return t;
}

/* --- arithmetic ------------------------------------------------------------ */

/* Tokens that were not used cost nothing, whatever their price. */
static double part(int64_t tokens, double price)
{
    return tokens == 0 ? 0 : (double)tokens * price;
}

static int64_t whole(double nano)
{
    return fabs(nano) < 9e18 ? llround(nano) : COST_UNKNOWN; /* NaN too */
}

/* The same formula, in the same order, as the view sample_cost in schema.h. */
int64_t cost_nano(const struct tariff *t, const struct usage *u)
{
    double cached_price = isnan(t->cached) ? t->in : t->cached;
    int64_t cached = u->cached > 0 ? u->cached : 0;

    if (!t->currency || u->prompt < 0 || u->output < 0)
        return COST_UNKNOWN;
    if (cached > u->prompt)
        cached = u->prompt;
    return whole(1000 * (part(u->prompt - cached, t->in) +
                         part(cached, cached_price) + part(u->output, t->out)));
}

int64_t cost_cny(const struct tariff *t, int64_t nano)
{
    return nano == COST_UNKNOWN ? nano : whole((double)nano * t->cny);
}

void cost_show(int64_t nano, const char *currency, struct buf *out)
{
    double units = (double)nano / COST_NANO;
    int digits = 2;

    if (nano == COST_UNKNOWN) {
        buf_str(out, "unknown");
        return;
    }
    if (nano != 0)
        digits = 3 - (int)floor(log10(fabs(units)));
    digits = digits < 2 ? 2 : digits > 9 ? 9 : digits;
    buf_printf(out, "%.*f %s", digits, units, currency);
}
