/* Models behind a provider: see models_remote.h. */
#include "runners/models_remote.h"

#include <math.h>
#include <string.h>

static enum err_code open_table(struct providers **table, struct err *e)
{
    return *table ? ERR_OK : providers_open(table, NULL, e);
}

static const char *keep(struct arena *a, const char *s)
{
    return s ? arena_strdup(a, s) : NULL;
}

static bool is_url(const char *s)
{
    return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0 ||
           strncmp(s, "ws://", 5) == 0 || strncmp(s, "wss://", 6) == 0;
}

/* A base URL goes into records and reports, a secret must not: it is refused
 * where URLs can carry one. */
static enum err_code check_url(const char *url, struct err *e)
{
    const char *host = strstr(url, "://");
    size_t n = host ? strcspn(host + 3, "/?#") : 0;

    if (!is_url(url) || !n)
        return err_set(e, ERR_USAGE,
                       "base URL: expected http(s)://HOST/PATH, got \"%s\"",
                       url);
    if (memchr(host + 3, '@', n) || strchr(host, '?'))
        return err_set(e, ERR_USAGE,
                       "base URL: it holds a user, a password or a query; put "
                       "the key into the provider's variable instead");
    return ERR_OK;
}

/* The URL without the slashes at its end. */
static const char *keep_url(struct arena *a, const char *url, size_t n)
{
    while (n && url[n - 1] == '/')
        n--;
    return arena_dup(a, url, n);
}

enum err_code remote_complete(const struct provider *p, struct arena *a,
                              struct model_spec *out, struct err *e)
{
    const struct price *price = provider_price(p, out->path);

    out->kind = "remote";
    out->provider = arena_strdup(a, p->id);
    if (!out->vendor || !*out->vendor)
        out->vendor = arena_strdup(a, p->name_zh);
    if (price && isnan(out->price_in) && isnan(out->price_out)) {
        out->price_in = price->in;
        out->price_out = price->out;
        out->currency = keep(a, price->currency);
        out->price_date = keep(a, price->date);
        out->price_source = keep(a, price->source);
    }
    return a->failed ? err_set(e, ERR_NOMEM, "no memory for a model") : ERR_OK;
}

/* --- inline specs --------------------------------------------------------- */

static enum err_code no_provider(const struct providers *table,
                                 const char *name, struct err *e)
{
    return err_set(e, ERR_FORMAT,
                   "no provider \"%s\"; did you mean \"%s\"? (all: mokao model "
                   "list --providers)",
                   name, providers_nearest(table, name)->id);
}

/* "MODEL" or "URL#MODEL". */
static enum err_code read_rest(const char *rest, const struct provider *p,
                               struct arena *a, struct model_spec *out,
                               struct err *e)
{
    const char *hash = is_url(rest) ? strchr(rest, '#') : NULL;

    if (hash)
        out->base_url = keep_url(a, rest, (size_t)(hash - rest));
    out->path = arena_strdup(a, hash ? hash + 1 : is_url(rest) ? "" : rest);
    if (a->failed)
        return err_set(e, ERR_NOMEM, "no memory for a model");
    if (out->base_url && check_url(out->base_url, e))
        return e->code;
    if (!*out->path)
        return err_set(e, ERR_USAGE, "%s: which model? expected %s", p->id,
                       is_url(rest) ? "URL#MODEL" : "PROVIDER:MODEL");
    return ERR_OK;
}

enum err_code remote_inline(const char *spec, struct providers **table,
                            struct arena *a, struct model_spec *out, bool *is,
                            struct err *e)
{
    const char *colon = strchr(spec, ':'), *name = "custom";
    const struct provider *p;
    enum err_code rc;

    *is = colon && colon > spec && !strchr(spec, '\n');
    if (!*is)
        return ERR_OK;
    if (!is_url(spec)) {
        name = arena_dup(a, spec, (size_t)(colon - spec));
        spec = colon + 1;
    }
    if (!name)
        return err_set(e, ERR_NOMEM, "no memory for a model");
    if (open_table(table, e))
        return e->code;
    p = providers_find(*table, name);
    if (!p)
        return no_provider(*table, name, e);
    rc = read_rest(spec, p, a, out, e);
    if (rc)
        return rc;
    out->id =
        arena_printf(a, "%s:%s%s%s", p->id, out->base_url ? out->base_url : "",
                     out->base_url ? "#" : "", out->path);
    out->name = out->path;
    out->open = p->self_hosted;
    out->domestic = p->domestic;
    return remote_complete(p, a, out, e);
}

/* --- entries of a models file --------------------------------------------- */

static enum err_code read_body(const struct json *j, struct arena *a,
                               struct model_spec *out, struct err *e)
{
    struct buf text;
    enum err_code rc;

    if (!j)
        return ERR_OK;
    if (json_type(j) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "body: expected an object, got %s",
                       json_type_name(json_type(j)));
    buf_init(&text, 1 << 20);
    rc = json_write_canonical(j, &text, e);
    out->body = rc ? NULL : arena_dup(a, text.p, text.n);
    buf_free(&text);
    return rc;
}

enum err_code remote_entry(const struct json *j, struct providers **table,
                           struct arena *a, struct model_spec *out,
                           struct err *e)
{
    const char *provider, *model = NULL, *url = NULL;
    const struct provider *p;
    enum err_code rc = json_get_str(j, "provider", &provider, e);

    if (!rc)
        rc = json_get_str(j, "model", &model, e);
    if (!rc)
        rc = json_get_str_or(j, "base_url", NULL, &url, e);
    if (!rc && url)
        rc = check_url(url, e);
    if (!rc)
        rc = read_body(json_get(j, "body"), a, out, e);
    if (!rc)
        rc = open_table(table, e);
    if (rc)
        return rc;
    p = providers_find(*table, provider);
    if (!p)
        return no_provider(*table, provider, e);
    out->path = arena_strdup(a, model);
    out->base_url = url ? keep_url(a, url, strlen(url)) : NULL;
    return remote_complete(p, a, out, e);
}
