/* The headers that show a key, one function a scheme. */
#include "runners/auth.h"

#include <string.h>

#include "runners/adapter_util.h"

/* Zhipu's own client uses this: long enough for a clock that is a bit off. */
enum { JWT_LIFE_MS = 210000 };

static const char *env_of(const struct provider *p, const char *role)
{
    for (size_t i = 0; i < p->n_env; i++)
        if (strcmp(p->env_roles[i], role) == 0)
            return p->env[i];
    return NULL;
}

enum err_code auth_secret(const struct endpoint *ep, const char *role,
                          const char **out, struct err *e)
{
    const char *env = env_of(ep->provider, role);

    *out = endpoint_secret(ep, role);
    if (*out)
        return ERR_OK;
    if (!env)
        return err_set(e, ERR_AUTH,
                       "%s: its row names no variable for \"%s\"; add it to "
                       "\"env\"",
                       ep->provider->id, role);
    return err_set(e, ERR_AUTH, "%s: the environment variable %s is not set",
                   ep->provider->id, env);
}

enum err_code auth_request(const struct endpoint *ep, const struct call *c,
                           const char *id_role, const char *secret_role,
                           struct arena *a, struct sign_request *s,
                           struct err *e)
{
    enum err_code rc = auth_secret(ep, id_role, &s->id, e);

    if (!rc)
        rc = auth_secret(ep, secret_role, &s->secret, e);
    if (rc)
        return rc;
    s->method = c->method;
    s->path = adapter_path(c->url, a);
    s->body = c->body;
    s->now_s = ep->now_ms / 1000;
    return a->failed ? err_set(e, ERR_NOMEM, "a signature: out of memory")
                     : ERR_OK;
}

static enum err_code none(const struct endpoint *ep, struct arena *a,
                          struct call *c, struct err *e)
{
    (void)ep, (void)a, (void)c, (void)e;
    return ERR_OK;
}

static enum err_code bearer(const struct endpoint *ep, struct arena *a,
                            struct call *c, struct err *e)
{
    const char *key;
    enum err_code rc = auth_secret(ep, "key", &key, e);

    return rc ? rc : call_header(c, a, e, "Authorization: Bearer %s", key);
}

static enum err_code optional_bearer(const struct endpoint *ep, struct arena *a,
                                     struct call *c, struct err *e)
{
    return endpoint_secret(ep, "key") ? bearer(ep, a, c, e) : ERR_OK;
}

static enum err_code bearer_or_jwt(const struct endpoint *ep, struct arena *a,
                                   struct call *c, struct err *e)
{
    const char *key, *dot, *token;
    enum err_code rc = auth_secret(ep, "key", &key, e);

    if (rc)
        return rc;
    dot = strchr(key, '.');
    if (!dot || dot == key || !dot[1] || strchr(dot + 1, '.'))
        return call_header(c, a, e, "Authorization: Bearer %s", key);
    rc = sign_jwt_zhipu(key, ep->now_ms, JWT_LIFE_MS, a, &token, e);
    return rc ? rc : call_header(c, a, e, "Authorization: Bearer %s", token);
}

/* A plain key serves where there is no pair: SenseNova takes both. */
static enum err_code jwt(const struct endpoint *ep, struct arena *a,
                         struct call *c, struct err *e)
{
    const char *id, *secret, *token;
    enum err_code rc;

    if (!endpoint_secret(ep, "ak") && endpoint_secret(ep, "key"))
        return bearer(ep, a, c, e);
    if ((rc = auth_secret(ep, "ak", &id, e)) ||
        (rc = auth_secret(ep, "sk", &secret, e)))
        return rc;
    rc = sign_jwt_sensenova(id, secret, ep->now_ms / 1000, a, &token, e);
    return rc ? rc : call_header(c, a, e, "Authorization: Bearer %s", token);
}

static enum err_code header(const struct endpoint *ep, struct arena *a,
                            struct call *c, struct err *e)
{
    const char *key;
    const char *name = json_string(json_get(ep->provider->row, "key_header"));
    enum err_code rc = auth_secret(ep, "key", &key, e);

    if (rc)
        return rc;
    if (!name)
        return err_set(e, ERR_FORMAT, "%s: key_header: missing in its row",
                       ep->provider->id);
    return call_header(c, a, e, "%s: %s", name, key);
}

static const struct {
    const char *auth;
    enum err_code (*put)(const struct endpoint *ep, struct arena *a,
                         struct call *c, struct err *e);
} schemes[] = {
    { "bearer", bearer }, { "bearer_or_jwt", bearer_or_jwt },
    { "header", header }, { "jwt", jwt },
    { "none", none },     { "optional_bearer", optional_bearer },
};

enum err_code auth_headers(const struct endpoint *ep, struct arena *a,
                           struct call *c, struct err *e)
{
    const char *auth = ep->provider->auth ? ep->provider->auth : "bearer";

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strcmp(schemes[i].auth, auth) == 0)
            return schemes[i].put(ep, a, c, e);
    return err_set(e, ERR_FORMAT,
                   "%s: auth: expected bearer, bearer_or_jwt, header, jwt, "
                   "none or optional_bearer, got \"%s\"",
                   ep->provider->id, auth);
}
