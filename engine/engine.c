/* The public face: opening and closing models.  What a model says about itself
 * is in info.c, contexts and computing in compute.c. */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/status.h"

#define MAX_THREADS 256

#define BACKEND_ENTRY(name) &backend_##name,
static const struct backend *const backends[] = { BACKENDS(BACKEND_ENTRY) };
#define N_BACKENDS (sizeof backends / sizeof backends[0])

const char *mk_version(void)
{
    return MK_VERSION;
}

/* --- devices -------------------------------------------------------------- */

static const struct backend *first_available(void)
{
    size_t i = 0;

    while (i + 1 < N_BACKENDS && !backends[i]->available())
        i++;
    return backends[i]; /* the last row runs everywhere */
}

static enum err_code find_backend(const struct backend **out,
                                  const char *device, struct err *e)
{
    *out = NULL;
    if (!device || strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0) {
        *out = first_available();
        return ERR_OK;
    }
    for (size_t i = 0; i < N_BACKENDS; i++)
        if (strcmp(device, backends[i]->name) == 0)
            *out = backends[i];
    if (!*out)
        return err_set(e, ERR_NOENV,
                       "there is no device \"%s\"; see auto, cpu or ref",
                       device);
    if (!(*out)->available())
        return err_set(e, ERR_NOENV, "this machine cannot run \"%s\"", device);
    return ERR_OK;
}

/* --- models --------------------------------------------------------------- */

static enum err_code open_backend(struct mk_model *m, const char *device,
                                  struct err *e)
{
    struct be_params bp = { .f32 = m->f32 };
    enum err_code rc = find_backend(&m->backend, device, e);

    rc = rc ? rc : pool_open(&m->pool, m->n_threads, e);
    if (rc)
        return rc;
    bp.pool = m->pool;
    m->n_threads = pool_threads(m->pool);
    return m->backend->open(&m->be, &bp, e);
}

static enum err_code open_weights(struct mk_model *m, const char *device,
                                  struct err *e)
{
    enum err_code rc = open_backend(m, device, e);

    rc = rc ? rc : net_open(&m->net, m->gguf, m->backend, m->be, e);
    if (rc)
        return rc;
    if (vocab_info(m->vocab)->n_tokens > m->net->h.n_vocab)
        return err_set(e, ERR_FORMAT,
                       "the vocabulary has %d tokens, token_embd.weight only "
                       "%d rows",
                       vocab_info(m->vocab)->n_tokens, m->net->h.n_vocab);
    return ERR_OK;
}

static enum err_code open_parts(struct mk_model *m, const char *path,
                                const struct mk_model_params *p, struct err *e)
{
    enum err_code rc;

    if (p->n_threads < 0 || p->n_threads > MAX_THREADS)
        return err_set(e, ERR_USAGE, "%d threads, expected 0 to %d",
                       p->n_threads, MAX_THREADS);
    rc = gguf_open(&m->gguf, path, e);
    if (rc)
        return rc;
    rc = vocab_open(&m->vocab, m->gguf, e);
    if (!rc && !p->vocab_only)
        rc = open_weights(m, p->device, e);
    rc = rc ? rc : info_init(m, e);
    return rc ? err_wrap(e, "%s", path) : ERR_OK;
}

int mk_model_open(struct mk_model **out, const char *path,
                  const struct mk_model_params *params, char *err)
{
    static const struct mk_model_params defaults;
    const struct mk_model_params *p = params ? params : &defaults;
    struct mk_model *m = mem_zalloc(sizeof *m);
    struct err e;
    enum err_code rc;

    *out = NULL;
    if (!m) {
        rc = err_set(&e, ERR_NOMEM, "no memory to open %s", path);
        return status_out(rc, &e, err);
    }
    arena_init(&m->arena, 0);
    m->f32 = p->activations == MK_ACT_F32;
    m->n_threads = p->n_threads;
    rc = open_parts(m, path, p, &e);
    if (rc)
        mk_model_close(m);
    else
        *out = m;
    return status_out(rc, &e, err);
}

void mk_model_close(struct mk_model *m)
{
    if (!m)
        return;
    net_close(m->net);
    if (m->backend && m->be)
        m->backend->close(m->be);
    pool_close(m->pool);
    vocab_close(m->vocab);
    gguf_close(m->gguf);
    arena_free(&m->arena);
    mem_free(m);
}
