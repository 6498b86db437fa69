/* The table of providers: what a row means once it has been read.
 *
 * Rows stay JSON; what every request needs is also in plain fields.  Lookups
 * walk short lists, the first that fits counts: a row's file order is its order
 * of precedence. */
#include "runners/provider.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runners/provider_rows.h"

/* --- the table ------------------------------------------------------------ */

size_t providers_count(const struct providers *p)
{
    return p->n;
}

const struct provider *providers_at(const struct providers *p, size_t i)
{
    return i < p->n ? &p->rows[i] : NULL;
}

static bool has_name(const struct provider *p, const char *name)
{
    for (size_t i = 0; i < p->n_aliases; i++)
        if (strcasecmp(p->aliases[i], name) == 0)
            return true;
    return strcasecmp(p->id, name) == 0;
}

const struct provider *providers_find(const struct providers *p, const char *id)
{
    for (size_t i = 0; i < p->n; i++)
        if (has_name(&p->rows[i], id))
            return &p->rows[i];
    return NULL;
}

const struct provider *providers_nearest(const struct providers *p,
                                         const char *id)
{
    const struct provider *nearest = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < p->n; i++) {
        const struct provider *row = &p->rows[i];
        size_t d = text_distance(str_of(row->id), str_of(id));
        for (size_t k = 0; k < row->n_aliases; k++) {
            size_t of = text_distance(str_of(row->aliases[k]), str_of(id));
            d = of < d ? of : d;
        }
        if (d < best) {
            best = d;
            nearest = row;
        }
    }
    return nearest;
}

/* --- what a row says of a model ------------------------------------------- */

static bool fits(const char *glob, const char *model)
{
    return fnmatch(glob, model, 0) == 0;
}

/* A member that is a glob or a list of globs. */
static bool entry_fits(const struct json *globs, const char *model)
{
    if (json_string(globs))
        return fits(json_string(globs), model);
    for (const struct json *g = json_child(globs); g; g = json_next(g))
        if (fits(json_string(g), model))
            return true;
    return false;
}

const struct json *provider_member(const struct provider *p, const char *model,
                                   const char *key)
{
    const struct json *m = json_child(json_get(p->row, "models"));

    for (; m; m = json_next(m))
        if (json_get(m, key) && entry_fits(json_get(m, "model"), model))
            return json_get(m, key);
    return json_get(p->row, key);
}

const struct price *provider_price(const struct provider *p, const char *model)
{
    const struct price *best = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < p->n_prices; i++) {
        const char *name = p->prices[i].model;
        size_t n = strlen(name);
        if (strcmp(name, model) == 0)
            return &p->prices[i];
        if (n > longest && strncmp(name, model, n) == 0 && model[n] == '-') {
            best = &p->prices[i];
            longest = n;
        }
    }
    return best;
}

const struct param_rule *provider_rule(const struct provider *p,
                                       const char *model, const char *param)
{
    for (size_t i = 0; i < p->n_rules; i++)
        if (strcmp(p->rules[i].param, param) == 0 &&
            fits(p->rules[i].model, model))
            return &p->rules[i];
    return NULL;
}

double param_clamp(const struct param_rule *r, double value)
{
    static const double step = 0.01; /* how near to a bound that is open */
    double min, max;

    if (!r)
        return value;
    min = r->range.min + (r->range.open_min ? step : 0);
    max = r->range.max - (r->range.open_max ? step : 0);
    if (value < min || (r->range.open_min && value <= r->range.min))
        return min;
    if (value > max || (r->range.open_max && value >= r->range.max))
        return max;
    return value;
}

/* --- faults --------------------------------------------------------------- */

static const char *const class_names[FAULT_N_CLASSES] = {
    [FAULT_NONE] = "none",   [FAULT_RETRY] = "retry", [FAULT_RATE] = "rate",
    [FAULT_TOKEN] = "token", [FAULT_ITEM] = "item",   [FAULT_FILTER] = "filter",
    [FAULT_KEY] = "key",     [FAULT_QUOTA] = "quota", [FAULT_MODEL] = "model",
    [FAULT_FATAL] = "fatal",
};

const char *fault_class_name(enum fault_class c)
{
    return class_names[c];
}

/* The usual meaning of a status. */
static enum fault_class usual(int status)
{
    static const struct {
        int status;
        enum fault_class class;
    } rows[] = {
        { 401, FAULT_KEY },   { 402, FAULT_QUOTA }, { 403, FAULT_KEY },
        { 404, FAULT_MODEL }, { 405, FAULT_FATAL }, { 407, FAULT_FATAL },
        { 408, FAULT_RETRY }, { 409, FAULT_RETRY }, { 410, FAULT_MODEL },
        { 425, FAULT_RETRY }, { 429, FAULT_RATE },  { 451, FAULT_FILTER },
        { 501, FAULT_FATAL }, { 505, FAULT_FATAL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].class;
    if (status < 300)
        return FAULT_NONE;
    if (status < 400) /* a redirect: the address is wrong */
        return FAULT_FATAL;
    return status < 500 ? FAULT_ITEM : FAULT_RETRY;
}

static enum fault_class by_code(const struct provider *p, const char *code)
{
    const struct json *codes = json_get(p->row, "codes");

    for (int c = 1; c < FAULT_N_CLASSES; c++) {
        const struct json *glob = json_child(json_get(codes, class_names[c]));
        for (; glob; glob = json_next(glob))
            if (fits(json_string(glob), code))
                return (enum fault_class)c;
    }
    return FAULT_NONE;
}

static enum fault_class by_status(const struct provider *p, int status)
{
    const struct json *statuses = json_get(p->row, "statuses");

    for (int c = 1; c < FAULT_N_CLASSES; c++) {
        const struct json *s = json_child(json_get(statuses, class_names[c]));
        for (; s; s = json_next(s))
            if ((int)json_number(s) == status)
                return (enum fault_class)c;
    }
    return usual(status);
}

enum fault_class provider_fault(const struct provider *p, int status,
                                const char *code)
{
    enum fault_class c = code && *code ? by_code(p, code) : FAULT_NONE;

    return c != FAULT_NONE ? c : by_status(p, status);
}

enum fault_class provider_words(const struct provider *p, const char *message)
{
    const struct json *words = json_get(p->row, "words");

    for (int c = 1; message && c < FAULT_N_CLASSES; c++) {
        const struct json *w = json_child(json_get(words, class_names[c]));
        for (; w; w = json_next(w))
            if (strcasestr(message, json_string(w)))
                return (enum fault_class)c;
    }
    return FAULT_NONE;
}
