/* One row of providers.json, checked and read into its struct.
 *
 * Every member is checked, those that only adapters look at too: what is wrong
 * with a row shows when it is loaded, not at the thousandth request. */
#include "runners/provider_rows.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "runners/runner.h"

static const char *const row_members[] = {
    "id", "aliases", "name", "shape", "auth", "env", "base_url", "paths",
    "headers", "self_hosted", "domestic", "parameters", "omit", "body",
    "models", "stream", "finish", "codes", "words", "statuses", "limits",
    "messages", "top_logprobs", "prompt_logprobs", "prices", "status", "note",
    /* of shapes of their own */
    "extra_headers", "stream_headers", "key_header", "service", "action",
    "version", "region", "generation", "incremental", NULL
};
static const char *const rule_members[] = { "model",    "param",    "omit",
                                            "name",     "min",      "max",
                                            "open_min", "open_max", "zero",
                                            NULL };
static const char *const price_members[] = { "model",    "in",   "out",
                                             "currency", "date", "source",
                                             "context",  "note", "retires",
                                             NULL };
static const char *const limit_members[] = { "concurrency", "rpm", "tpm",
                                             NULL };
static const char *const message_members[] = { "max", "alternate", "stop",
                                               NULL };
static const char *const stream_members[] = { "options", NULL };
static const char *const params[] = { "temperature", "top_p", "top_k",
                                      "max_tokens",  "seed",  "stop",
                                      "system",      NULL };
static const char *const auths[] = { "bearer",
                                     "optional_bearer",
                                     "bearer_or_jwt",
                                     "header",
                                     "none",
                                     "jwt",
                                     "tc3",
                                     "volc_v4",
                                     "iam_token",
                                     "sdk_hmac",
                                     "md5_sign",
                                     "oauth_client_credentials",
                                     "iflytek_hmac_url",
                                     NULL };

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the providers");
}

/* --- checks of members ---------------------------------------------------- */

static bool is_one_of(const char *const *list, const char *s)
{
    for (; s && *list; list++)
        if (strcmp(*list, s) == 0)
            return true;
    return false;
}

static enum err_code want_type(const struct json *j, const char *key,
                               enum json_type type, struct err *e)
{
    if (!j || json_type(j) == type)
        return ERR_OK;
    return err_set(e, ERR_FORMAT, "%s: expected %s, got %s", key,
                   json_type_name(type), json_type_name(json_type(j)));
}

/* A list (or nothing) all of whose elements have one type. */
static enum err_code want_list(const struct json *list, const char *key,
                               enum json_type type, struct err *e)
{
    enum err_code rc = want_type(list, key, JSON_ARRAY, e);

    for (const struct json *j = json_child(list); j && !rc; j = json_next(j))
        rc = want_type(j, key, type, e);
    return rc;
}

static enum err_code want_one_of(const char *const *list, const char *s,
                                 const char *key, struct err *e)
{
    if (is_one_of(list, s))
        return ERR_OK;
    return err_set(e, ERR_FORMAT, "%s: no \"%s\" is known; expected %s, %s ...",
                   key, s, list[0], list[1]);
}

/* A string, or a list of them. */
static enum err_code want_strings(const struct json *j, const char *key,
                                  struct err *e)
{
    if (j && json_type(j) == JSON_ARRAY)
        return want_list(j, key, JSON_STRING, e);
    return want_type(j, key, JSON_STRING, e);
}

/* {"retry": [...], "key": [...]}: classes of faults and lists of one type. */
static enum err_code check_classes(const struct json *row, const char *key,
                                   enum json_type type, struct err *e)
{
    const struct json *j = json_get(row, key);
    enum err_code rc = want_type(j, key, JSON_OBJECT, e);

    for (j = json_child(j); j && !rc; j = json_next(j)) {
        int c = 1;
        while (c < FAULT_N_CLASSES &&
               strcmp(fault_class_name((enum fault_class)c), json_key(j)) != 0)
            c++;
        if (c == FAULT_N_CLASSES)
            return err_set(e, ERR_FORMAT,
                           "%s: expected retry, rate, token, item, filter, "
                           "key, quota, model or fatal, got \"%s\"",
                           key, json_key(j));
        rc = want_list(j, json_key(j), type, e);
        if (rc)
            err_wrap(e, "%s", key);
    }
    return rc;
}

static enum err_code check_finish(const struct json *row, struct err *e)
{
    const struct json *j = json_get(row, "finish");
    enum err_code rc = want_type(j, "finish", JSON_OBJECT, e);

    for (j = json_child(j); j && !rc; j = json_next(j)) {
        const char *to = json_string(j);
        if (!to || (strcmp(to, "retry") != 0 && strcmp(to, "other") != 0 &&
                    finish_from_name(to) == FINISH_OTHER))
            return err_set(e, ERR_FORMAT,
                           "finish: %s: expected stop, length, context, "
                           "filter, refused, other or retry",
                           json_key(j));
    }
    return rc;
}

static enum err_code check_strings_of(const struct json *row, const char *key,
                                      struct err *e)
{
    const struct json *j = json_get(row, key);
    enum err_code rc = want_type(j, key, JSON_OBJECT, e);

    for (j = json_child(j); j && !rc; j = json_next(j))
        rc = want_strings(j, key, e);
    return rc;
}

static enum err_code check_stream(const struct json *row, struct err *e)
{
    const struct json *j = json_get(row, "stream");
    bool flag;
    enum err_code rc = want_type(j, "stream", JSON_OBJECT, e);

    if (rc || !j)
        return rc;
    rc = json_only(j, stream_members, e);
    if (!rc)
        rc = json_get_bool_or(j, "options", false, &flag, e);
    return rc ? err_wrap(e, "stream") : ERR_OK;
}

static enum err_code check_models(const struct json *row, struct err *e)
{
    const struct json *m = json_get(row, "models");
    enum err_code rc = want_list(m, "models", JSON_OBJECT, e);
    size_t n = 0;

    for (m = json_child(m); m && !rc; m = json_next(m), n++) {
        if (!json_get(m, "model"))
            rc = err_set(e, ERR_FORMAT, "model: missing, expected a glob");
        if (!rc)
            rc = want_strings(json_get(m, "model"), "model", e);
        if (!rc)
            rc = want_type(json_get(m, "body"), "body", JSON_OBJECT, e);
        if (rc)
            err_wrap(e, "models[%zu]", n);
    }
    return rc;
}

/* What no field of the struct is made of. */
static enum err_code check_members(const struct json *row, struct err *e)
{
    enum err_code rc = check_classes(row, "codes", JSON_STRING, e);

    if (!rc)
        rc = check_classes(row, "words", JSON_STRING, e);
    if (!rc)
        rc = check_classes(row, "statuses", JSON_NUMBER, e);
    if (!rc)
        rc = check_finish(row, e);
    if (!rc)
        rc = check_strings_of(row, "paths", e);
    if (!rc)
        rc = check_strings_of(row, "headers", e);
    if (!rc)
        rc = check_stream(row, e);
    if (!rc)
        rc = check_models(row, e);
    return rc ? rc : want_type(json_get(row, "body"), "body", JSON_OBJECT, e);
}

/* --- fields --------------------------------------------------------------- */

/* How many strings a member holds, itself one or a list; 1 when missing. */
static size_t count_of(const struct json *j)
{
    return j && json_type(j) == JSON_ARRAY ? json_len(j) : 1;
}

static const char *string_at(const struct json *j, size_t i, const char *none)
{
    if (!j)
        return none;
    return json_type(j) == JSON_ARRAY ? json_string(json_at(j, i))
                                      : json_string(j);
}

static enum err_code read_aliases(const struct json *row, struct arena *a,
                                  struct provider *p, struct err *e)
{
    const struct json *list = json_get(row, "aliases");
    enum err_code rc = want_list(list, "aliases", JSON_STRING, e);

    if (rc)
        return rc;
    p->aliases = arena_array(a, json_len(list) + 1, sizeof *p->aliases);
    if (!p->aliases)
        return no_memory(e);
    for (const struct json *j = json_child(list); j; j = json_next(j))
        p->aliases[p->n_aliases++] = json_string(j);
    return ERR_OK;
}

static enum err_code read_env(const struct json *row, struct arena *a,
                              struct provider *p, struct err *e)
{
    const struct json *env = json_get(row, "env"), *j;
    enum err_code rc = check_strings_of(row, "env", e);
    size_t n = 0;

    for (j = json_child(env); j; j = json_next(j))
        n += count_of(j);
    p->env = arena_array(a, n + 1, sizeof *p->env);
    p->env_roles = arena_array(a, n + 1, sizeof *p->env_roles);
    if (!rc && (!p->env || !p->env_roles))
        return no_memory(e);
    for (j = json_child(env); j && !rc; j = json_next(j))
        for (size_t i = 0; i < count_of(j); i++) {
            p->env[p->n_env] = string_at(j, i, "");
            p->env_roles[p->n_env++] = json_key(j);
        }
    return rc;
}

static enum err_code read_rule(const struct json *j, struct param_rule *r,
                               struct err *e)
{
    enum err_code rc = json_only(j, rule_members, e);

    *r = (struct param_rule){ .zero = json_get(j, "zero") };
    if (!rc)
        rc = json_get_bool_or(j, "omit", false, &r->omit, e);
    if (!rc)
        rc = json_get_str_or(j, "name", NULL, &r->name, e);
    if (!rc)
        rc = json_get_num_or(j, "min", NAN, &r->range.min, e);
    if (!rc)
        rc = json_get_num_or(j, "max", NAN, &r->range.max, e);
    if (!rc)
        rc = json_get_bool_or(j, "open_min", false, &r->range.open_min, e);
    if (!rc)
        rc = json_get_bool_or(j, "open_max", false, &r->range.open_max, e);
    if (!rc)
        rc = want_type(r->zero, "zero", JSON_OBJECT, e);
    if (!rc)
        rc = want_strings(json_get(j, "model"), "model", e);
    if (!rc && !json_get(j, "param"))
        rc = err_set(e, ERR_FORMAT, "param: missing, expected a parameter");
    if (!rc)
        rc = want_strings(json_get(j, "param"), "param", e);
    if (!rc && r->range.min > r->range.max)
        rc = err_set(e, ERR_FORMAT, "min %g is above max %g", r->range.min,
                     r->range.max);
    return rc;
}

/* Adds the rule once for every model and parameter that its entry names. */
static enum err_code add_rules(const struct json *j, struct provider *p,
                               struct param_rule *rules, struct err *e)
{
    const struct json *models = json_get(j, "model");
    const struct json *names = json_get(j, "param");
    struct param_rule r;

    if (read_rule(j, &r, e))
        return e->code;
    for (size_t m = 0; m < count_of(models); m++)
        for (size_t i = 0; i < count_of(names); i++) {
            r.model = string_at(models, m, "*");
            r.param = string_at(names, i, "");
            if (want_one_of(params, r.param, "param", e))
                return e->code;
            rules[p->n_rules++] = r;
        }
    return ERR_OK;
}

/* The list "parameters", then those of "omit": they hold for all models. */
static enum err_code read_rules(const struct json *row, struct arena *a,
                                struct provider *p, struct err *e)
{
    const struct json *list = json_get(row, "parameters"), *j;
    const struct json *omit = json_get(row, "omit");
    struct param_rule *rules;
    size_t n = json_len(omit);
    enum err_code rc = want_list(list, "parameters", JSON_OBJECT, e);

    if (!rc)
        rc = want_list(omit, "omit", JSON_STRING, e);
    for (j = json_child(list); j && !rc; j = json_next(j))
        n += count_of(json_get(j, "model")) * count_of(json_get(j, "param"));
    rules = arena_array(a, n + 1, sizeof *rules);
    if (!rc && !rules)
        return no_memory(e);
    for (j = json_child(list); j && !rc; j = json_next(j))
        if (add_rules(j, p, rules, e))
            rc = err_wrap(e, "parameters");
    for (j = json_child(omit); j && !rc; j = json_next(j)) {
        rules[p->n_rules++] = (struct param_rule){
            .model = "*",
            .param = json_string(j),
            .omit = true,
            .range = { .min = NAN, .max = NAN },
        };
        rc = want_one_of(params, json_string(j), "omit", e);
    }
    p->rules = rules;
    return rc;
}

static enum err_code read_price(const struct json *j, struct price *out,
                                struct err *e)
{
    enum err_code rc = json_only(j, price_members, e);

    *out = (struct price){ 0 };
    if (!rc)
        rc = json_get_str(j, "model", &out->model, e);
    if (!rc)
        rc = json_get_num_or(j, "in", NAN, &out->in, e);
    if (!rc)
        rc = json_get_num_or(j, "out", NAN, &out->out, e);
    if (!rc)
        rc = json_get_str_or(j, "currency", NULL, &out->currency, e);
    if (!rc)
        rc = json_get_str_or(j, "date", NULL, &out->date, e);
    if (!rc)
        rc = json_get_str_or(j, "source", NULL, &out->source, e);
    if (!rc)
        rc = json_get_int_or(j, "context", 0, 1, INT64_C(1) << 40,
                             &out->context, e);
    if (!rc && (out->in < 0 || out->out < 0))
        rc = err_set(e, ERR_FORMAT, "a price below 0");
    if (!rc && !isnan(out->in) && (!out->currency || !out->date))
        rc = err_set(e, ERR_FORMAT, "a price needs its currency and date");
    if (rc && out->model)
        err_wrap(e, "%s", out->model);
    return rc;
}

static enum err_code read_prices(const struct json *row, struct arena *a,
                                 struct provider *p, struct err *e)
{
    const struct json *list = json_get(row, "prices"), *j;
    struct price *prices = arena_array(a, json_len(list) + 1, sizeof *prices);
    enum err_code rc = want_list(list, "prices", JSON_OBJECT, e);

    if (!prices)
        return no_memory(e);
    for (j = json_child(list); j && !rc; j = json_next(j))
        if (read_price(j, &prices[p->n_prices++], e))
            rc = err_wrap(e, "prices");
    p->prices = prices;
    return rc;
}

static enum err_code read_limits(const struct json *row, struct provider *p,
                                 struct err *e)
{
    const struct json *j = json_get(row, "limits");
    const int64_t most = INT64_C(1) << 40;
    enum err_code rc = want_type(j, "limits", JSON_OBJECT, e);

    if (rc || !j)
        return rc;
    rc = json_only(j, limit_members, e);
    if (!rc)
        rc = json_get_int_or(j, "concurrency", 0, 1, most, &p->concurrency, e);
    if (!rc)
        rc = json_get_int_or(j, "rpm", 0, 1, most, &p->rpm, e);
    if (!rc)
        rc = json_get_int_or(j, "tpm", 0, 1, most, &p->tpm, e);
    return rc ? err_wrap(e, "limits") : ERR_OK;
}

static enum err_code read_messages(const struct json *row, struct provider *p,
                                   struct err *e)
{
    const struct json *j = json_get(row, "messages");
    int64_t max, stop;
    bool alternate;
    enum err_code rc = want_type(j, "messages", JSON_OBJECT, e);

    if (rc || !j)
        return rc;
    rc = json_only(j, message_members, e);
    if (!rc)
        rc = json_get_int_or(j, "max", 0, 1, 1 << 20, &max, e);
    if (!rc)
        rc = json_get_int_or(j, "stop", 0, 1, 1 << 20, &stop, e);
    if (!rc)
        rc = json_get_bool_or(j, "alternate", false, &alternate, e);
    if (rc)
        return err_wrap(e, "messages");
    p->max_messages = (size_t)max;
    return ERR_OK;
}

static enum err_code read_names(const struct json *row, struct provider *p,
                                struct err *e)
{
    const struct json *name = json_get(row, "name");
    enum err_code rc = want_type(name, "name", JSON_OBJECT, e);

    if (!rc)
        rc = json_get_str_or(name, "en", p->id, &p->name_en, e);
    if (!rc)
        rc = json_get_str_or(name, "zh", p->name_en, &p->name_zh, e);
    return rc ? err_wrap(e, "name") : ERR_OK;
}

/* NULL in the file and a missing one are the same: the user brings it. */
static enum err_code read_base_url(const struct json *row, struct provider *p,
                                   struct err *e)
{
    const struct json *j = json_get(row, "base_url");

    if (j && json_type(j) != JSON_NULL &&
        json_get_str(row, "base_url", &p->base_url, e))
        return e->code;
    if (p->base_url && !strstr(p->base_url, "://"))
        return err_set(e, ERR_FORMAT,
                       "base_url: expected https://..., got \"%s\"",
                       p->base_url);
    return ERR_OK;
}

static enum err_code read_flags(const struct json *row, struct provider *p,
                                struct err *e)
{
    static const char *const states[] = { "confirmed", "partly", "unconfirmed",
                                          NULL };
    const char *status;
    int64_t top = 0;
    enum err_code rc =
        json_get_bool_or(row, "domestic", false, &p->domestic, e);

    if (!rc)
        rc = json_get_bool_or(row, "self_hosted", false, &p->self_hosted, e);
    if (!rc)
        rc = json_get_bool_or(row, "prompt_logprobs", false,
                              &p->prompt_logprobs, e);
    if (!rc)
        rc = json_get_int_or(row, "top_logprobs", 0, 0, 1000, &top, e);
    if (!rc)
        rc = json_get_str_or(row, "note", NULL, &p->note, e);
    if (!rc)
        rc = json_get_str_or(row, "auth", "bearer", &p->auth, e);
    if (!rc)
        rc = want_one_of(auths, p->auth, "auth", e);
    if (!rc)
        rc = json_get_str_or(row, "status", "unconfirmed", &status, e);
    if (!rc)
        rc = want_one_of(states, status, "status", e);
    if (!rc)
        rc = json_get_str_or(row, "shape", "openai", &p->shape, e);
    p->top_logprobs = (int)top;
    return rc;
}

enum err_code provider_read(const struct json *row, struct arena *a,
                            struct provider *p, struct err *e)
{
    enum err_code rc = json_only(row, row_members, e);

    p->row = row;
    if (!rc)
        rc = read_names(row, p, e);
    if (!rc)
        rc = read_aliases(row, a, p, e);
    if (!rc)
        rc = read_flags(row, p, e);
    if (!rc)
        rc = read_base_url(row, p, e);
    if (!rc)
        rc = read_env(row, a, p, e);
    if (!rc)
        rc = read_rules(row, a, p, e);
    if (!rc)
        rc = read_prices(row, a, p, e);
    if (!rc)
        rc = read_limits(row, p, e);
    if (!rc)
        rc = read_messages(row, p, e);
    return rc ? rc : check_members(row, e);
}
