/* The table of adapters, and what belongs to their calls and endpoints. */
#include "runners/adapter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ADAPTER_ROW(name) &adapter_##name,
const struct adapter *const adapters[] = { ADAPTERS(ADAPTER_ROW) NULL };
#undef ADAPTER_ROW

const struct adapter *adapter_find(const char *shape)
{
    for (size_t i = 0; adapters[i]; i++)
        if (strcmp(adapters[i]->shape, shape) == 0)
            return adapters[i];
    return NULL;
}

const char *endpoint_secret(const struct endpoint *ep, const char *role)
{
    const struct provider *p = ep->provider;

    for (size_t i = 0; ep->secrets && i < p->n_env; i++)
        if (ep->secrets[i] && strcmp(p->env_roles[i], role) == 0)
            return ep->secrets[i];
    return NULL;
}

/* A header that a line end would cut in two is somebody's attempt at a second
 * one: a key with a stray newline is refused, not sent. */
static enum err_code check_header(const char *line, struct err *e)
{
    const char *colon = strchr(line, ':');

    if (!strpbrk(line, "\r\n"))
        return ERR_OK;
    return err_set(e, ERR_USAGE,
                   "header %.*s: its value holds a line end; is the variable "
                   "of the key set to one line?",
                   colon ? (int)(colon - line) : 0, line);
}

enum err_code call_header(struct call *c, struct arena *a, struct err *e,
                          const char *fmt, ...)
{
    const char **more = arena_array(a, c->n_headers + 1, sizeof *more);
    char *text;
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    if (!more || !text)
        return err_set(e, ERR_NOMEM, "no memory for a header");
    if (c->n_headers)
        memcpy(more, c->headers, c->n_headers * sizeof *more);
    more[c->n_headers++] = text;
    c->headers = more;
    return check_header(text, e);
}
