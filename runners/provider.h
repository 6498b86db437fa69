/* Providers: what differs between the vendors' services, as data.
 *
 * The table is runners/providers.json, built into the program; a file
 * $XDG_CONFIG_HOME/mokao/providers.json (or the one MOKAO_PROVIDERS names) adds
 * rows or members of rows.  A vendor whose service has the shape of OpenAI's
 * is one row there and no code.  docs/providers.md explains the fields. */
#ifndef MK_PROVIDER_H
#define MK_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"

/* What to do with a request whose answer carries such a code or status. */
enum fault_class {
    FAULT_NONE,
    FAULT_RETRY,  /* passes by itself: busy, internal error, cut off */
    FAULT_RATE,   /* too fast: wait, and go slower from now on */
    FAULT_TOKEN,  /* the minted token has expired: mint one, once more */
    FAULT_ITEM,   /* this request will never be answered: too long ... */
    FAULT_FILTER, /* the vendor's filter refuses this content */
    /* No request will be answered: */
    FAULT_KEY,   /* the key is wrong, or may not do this */
    FAULT_QUOTA, /* nothing is left of the money or the contingent */
    FAULT_MODEL, /* no such model, or no such address */
    FAULT_FATAL, /* the cause is not known, or none of these */
    FAULT_N_CLASSES
};
static inline bool fault_is_fatal(enum fault_class c)
{
    return c >= FAULT_KEY;
}
const char *fault_class_name(enum fault_class c); /* "retry" ... */

/* A parameter's range: what lies outside is brought to the nearest value that
 * is allowed. */
struct range {
    double min, max;         /* NaN: no bound */
    bool open_min, open_max; /* the bound itself is not allowed */
};

/* How a provider wants one sampling parameter, most special model first. */
struct param_rule {
    const char *model; /* glob on the provider's model name */
    const char *param; /* "temperature", "top_p", "max_tokens", "seed" ... */
    bool omit;         /* never sent */
    const char *name;  /* sent under this name; NULL: its own */
    struct range range;
    /* the members sent in place of temperature 0; NULL: clamped */
    const struct json *zero;
};

struct price {
    const char *model;
    double in, out; /* per million tokens; NaN: not known */
    const char *currency, *date, *source;
    int64_t context; /* positions, 0: unknown */
};

struct provider {
    const char *id; /* "zhipu" */
    const char **aliases;
    size_t n_aliases;
    const char *name_zh, *name_en;
    const char *shape;    /* the adapter: "openai", "anthropic" ... */
    const char *base_url; /* NULL: the user brings it */
    bool domestic, self_hosted;
    const char *auth; /* "bearer", "optional_bearer", "header", "tc3" ... */
    /* Names of the variables and their roles, side by side: "key", "secret",
     * "app_id" ...  A role may have several, the first that is set counts.
     * The role "base_url" is no secret: it stands in for base_url. */
    const char **env;
    const char **env_roles;
    size_t n_env;
    const struct param_rule *rules;
    size_t n_rules;
    const struct price *prices;
    size_t n_prices;
    int top_logprobs;     /* of the first output token; 0: none */
    bool prompt_logprobs; /* /completions with echo */
    size_t max_messages;  /* 0: no limit */
    /* What one key may do unless the user says otherwise, 0: unknown. */
    int64_t concurrency, rpm, tpm;
    const char *note;       /* what is unconfirmed or worth knowing, or NULL */
    const struct json *row; /* all members, for the adapter's own */
};

struct providers;

/* The table with the user's additions; `file` NULL: the one MOKAO_PROVIDERS
 * names, else the usual place, if it is there.  The message names file, row
 * and member. */
enum err_code providers_open(struct providers **out, const char *file,
                             struct err *e) MUST_CHECK;
void providers_close(struct providers *p);
size_t providers_count(const struct providers *p);
const struct provider *providers_at(const struct providers *p, size_t i);
/* By id or alias, letters' case set aside; NULL if there is none. */
const struct provider *providers_find(const struct providers *p,
                                      const char *id);
/* The row nearest to a name, for "did you mean". */
const struct provider *providers_nearest(const struct providers *p,
                                         const char *id);
/* What the row has under `key` for that model: the first entry of its list
 * "models" whose glob fits and that has the member, else the row's own.  NULL:
 * neither has it. */
const struct json *provider_member(const struct provider *p, const char *model,
                                   const char *key);
/* The price of a model by its exact name, else the longest row that is a
 * prefix followed by '-'; NULL: not known. */
const struct price *provider_price(const struct provider *p, const char *model);
/* The rule of a parameter for a model, NULL: sent as it is. */
const struct param_rule *provider_rule(const struct provider *p,
                                       const char *model, const char *param);
/* The value to send for `value` under the rule (NULL: value itself). */
double param_clamp(const struct param_rule *r, double value);

/* The class of a vendor's code (text or number as text) under an HTTP status:
 * the row's codes first, then its statuses, then the usual meaning of the
 * status.  code NULL or "": by status alone.  FAULT_NONE for a status below
 * 300 without a code that the row knows. */
enum fault_class provider_fault(const struct provider *p, int status,
                                const char *code);
/* The class of a vendor's message, by the row's "words": for vendors whose
 * codes do not tell a filter from a wrong parameter.  FAULT_NONE: no word of
 * the row is in it. */
enum fault_class provider_words(const struct provider *p, const char *message);

#endif
