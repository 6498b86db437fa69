/* Models behind a vendor's API: the row "remote".
 *
 * Here a model is opened: its provider's row, the adapter of the shape, the
 * secrets out of the environment.  remote_loop.c asks it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runners/remote.h"

enum { CONCURRENCY = 8, RETRIES = 4, TIMEOUT_MS = 600000 };

static void remote_close(struct runner *base)
{
    struct remote *m = (struct remote *)base;

    providers_close(m->providers);
    arena_free(&m->token_arena);
    arena_free(&m->arena);
    mem_free(m);
}

static enum err_code find_provider(struct remote *m, struct err *e)
{
    if (providers_open(&m->providers, m->params.providers, e))
        return e->code;
    if (!m->model.provider || !m->model.path || !m->model.path[0])
        return err_set(e, ERR_FORMAT, "no provider or no name of a model");
    m->provider = providers_find(m->providers, m->model.provider);
    if (!m->provider)
        return err_set(e, ERR_FORMAT,
                       "no provider \"%s\"; see docs/providers.md",
                       m->model.provider);
    m->adapter = adapter_find(m->provider->shape);
    if (!m->adapter)
        return err_set(e, ERR_FORMAT, "provider %s: no adapter for \"%s\"",
                       m->provider->id, m->provider->shape);
    return ERR_OK;
}

/* The only place that looks at the environment for keys. */
static enum err_code read_secrets(struct remote *m, struct err *e)
{
    const struct provider *p = m->provider;

    m->secrets = arena_array(&m->arena, p->n_env + 1, sizeof *m->secrets);
    for (size_t i = 0; m->secrets && i < p->n_env; i++) {
        const char *value = getenv(p->env[i]);
        if (value && value[0])
            m->secrets[i] = arena_strdup(&m->arena, value);
    }
    if (!m->secrets || m->arena.failed)
        return err_set(e, ERR_NOMEM, "no memory for a model");
    return remote_spell_secrets(m, e);
}

/* The user's, else the environment's, else the row's; without its last '/'. */
static enum err_code find_base_url(struct remote *m, struct err *e)
{
    const char *url = m->model.base_url;
    size_t n;

    for (size_t i = 0; !url && i < m->provider->n_env; i++)
        if (strcmp(m->provider->env_roles[i], "base_url") == 0)
            url = m->secrets[i];
    if (!url)
        url = m->provider->base_url;
    if (!url)
        return err_set(e, ERR_FORMAT,
                       "provider %s has no address of its own: "
                       "%s:http://HOST/v1#%s",
                       m->provider->id, m->provider->id, m->model.path);
    n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    m->endpoint.base_url = arena_dup(&m->arena, url, n);
    return m->endpoint.base_url
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "no memory for a model");
}

/* The row's limits are those of the vendor's own door: another address has
 * others. */
static void row_limits(const struct remote *m, struct runner_params *p)
{
    const struct provider *row = m->provider;

    if (!row->base_url || strcmp(m->endpoint.base_url, row->base_url) != 0)
        return;
    if (!p->concurrency)
        p->concurrency = (size_t)row->concurrency;
    if (!(p->rpm > 0))
        p->rpm = (double)row->rpm;
    if (!(p->tpm > 0))
        p->tpm = (double)row->tpm;
}

static void set_defaults(struct remote *m, struct runner_params *p)
{
    row_limits(m, p);
    if (!p->concurrency)
        p->concurrency = CONCURRENCY;
    if (p->retries < 0)
        p->retries = RETRIES;
    if (!p->timeout_ms)
        p->timeout_ms = TIMEOUT_MS;
}

static enum err_code remote_open(struct runner **out,
                                 const struct model_spec *spec,
                                 const struct runner_params *p, struct err *e)
{
    struct remote *m = mem_zalloc(sizeof *m);

    if (!m)
        return err_set(e, ERR_NOMEM, "no memory for a model");
    m->base.kind = &runner_remote;
    m->model = *spec;
    m->params = *p;
    arena_init(&m->arena, 0);
    arena_init(&m->token_arena, 0);
    if (find_provider(m, e) || read_secrets(m, e) || find_base_url(m, e)) {
        remote_close(&m->base);
        return e->code;
    }
    set_defaults(m, &m->params);
    m->endpoint.provider = m->provider;
    m->endpoint.model = &m->model;
    m->endpoint.name = m->model.path;
    m->endpoint.secrets = m->secrets;
    /* An adapter that reads no events is asked for whole answers. */
    m->endpoint.stream = p->stream && m->adapter->event;
    *out = &m->base;
    return ERR_OK;
}

/* Where a vendor's model is reached is no part of what it is; a model of one's
 * own server is named by the server. */
static enum err_code remote_fingerprint(struct runner *base, struct arena *a,
                                        const char **out, struct err *e)
{
    const struct remote *m = (const struct remote *)base;
    char hash[DIGEST_HEX];

    *out = arena_printf(a, "%s:%s:%s%s%s", m->adapter->shape, m->provider->id,
                        m->model.path, m->provider->self_hosted ? "@" : "",
                        m->provider->self_hosted ? m->endpoint.base_url : "");
    if (*out && m->model.body) {
        digest_hex(str_of(m->model.body), hash);
        *out = arena_printf(a, "%s+%.16s", *out, hash);
    }
    return *out ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

static bool remote_can_score(const struct runner *base, bool chat)
{
    const struct remote *m = (const struct remote *)base;

    return m->adapter->can_score && m->adapter->can_score(&m->endpoint, chat);
}

static enum err_code remote_run(struct runner *r, const struct exchange *x,
                                struct err *e)
{
    remote_run_all(&r, x, e, 1);
    return e->code;
}

const struct runner_kind runner_remote = {
    .name = "remote",
    .doc = "a model behind an API: PROVIDER:NAME, http://HOST/v1#NAME",
    .open = remote_open,
    .close = remote_close,
    .run = remote_run,
    .fingerprint = remote_fingerprint,
    .can_score = remote_can_score,
    .run_all = remote_run_all,
};
