/* The table of providers. */
#include "harness/cli/cli_providers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_table.h"
#include "runners/adapter.h"

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the table");
}

/* --- keys ----------------------------------------------------------------- */

/* Whether no call needs it: the address, and roles of headers. */
static bool is_optional(const struct provider *p, const char *role)
{
    const struct json *h = json_child(json_get(p->row, "headers"));

    for (; h; h = json_next(h))
        if (strcmp(json_string(h), role) == 0)
            return true;
    return strcmp(role, "base_url") == 0;
}

/* "A / B" for variables of one role, " + " before another one's; after `most`
 * of them the rest is dots. */
static const char *variables(const struct provider *p, size_t most,
                             struct arena *a)
{
    const char *text = "", *last = NULL;

    for (size_t i = 0; text && i < p->n_env; i++) {
        const char *role = p->env_roles[i];
        const char *between = !last                     ? ""
                              : strcmp(last, role) == 0 ? " / "
                                                        : " + ";
        if (is_optional(p, role))
            continue;
        if (most-- == 0)
            return arena_printf(a, "%s ...", text);
        text = arena_printf(a, "%s%s%s", text, between, p->env[i]);
        last = role;
    }
    return text;
}

static bool has_any_key(const struct provider *p, const char *const *secrets)
{
    for (size_t i = 0; i < p->n_env; i++)
        if (secrets[i] && !is_optional(p, p->env_roles[i]))
            return true;
    return false;
}

/* Whether a call could be made with what the environment holds: the adapter
 * itself is asked to build one, which nobody sends. */
static bool has_keys(const struct provider *p, const char *const *secrets,
                     struct arena *a)
{
    static const struct message hello = { "user", "?" };
    const struct request q = { .kind = REQUEST_CHAT,
                               .messages = &hello,
                               .n_messages = 1,
                               .sampling = { .temperature = NAN,
                                             .top_p = NAN,
                                             .top_k = -1,
                                             .max_tokens = 1,
                                             .seed = -1 } };
    const struct model_spec model = { .path = "model" };
    const struct endpoint ep = {
        .provider = p,
        .model = &model,
        .name = "model",
        .base_url = p->base_url ? p->base_url : "http://localhost",
        .secrets = secrets,
        .token = "token",
        .now_ms = io_wall_ms(),
    };
    const struct adapter *adapter = adapter_find(p->shape);
    struct call token = { 0 }, c = { 0 };
    struct err e = { .code = ERR_OK };

    if (!adapter)
        return false;
    if (adapter->token_call &&
        adapter->token_call(&ep, a, &token, &e) == ERR_AUTH)
        return false;
    return adapter->build(&ep, &q, 0, a, &c, &e) != ERR_AUTH;
}

static const char *key_state(const struct provider *p, struct arena *a)
{
    const char **secrets = arena_array(a, p->n_env + 1, sizeof *secrets);

    for (size_t i = 0; secrets && i < p->n_env; i++) {
        const char *value = getenv(p->env[i]);
        secrets[i] = value && *value ? value : NULL;
    }
    if (!secrets || !has_keys(p, secrets, a))
        return "no";
    return has_any_key(p, secrets) ? "yes" : "not needed";
}

/* --- the table ------------------------------------------------------------ */

static const char *names_of(const struct provider *p, struct arena *a)
{
    const char *text = "";

    for (size_t i = 0; text && i < p->n_aliases; i++)
        text = arena_printf(a, "%s%s%s", text, i ? ", " : "", p->aliases[i]);
    return text;
}

static const char *logprobs_of(const struct provider *p, struct arena *a)
{
    if (p->prompt_logprobs)
        return "prompt";
    if (p->top_logprobs)
        return arena_printf(a, "first token (%d)", p->top_logprobs);
    return "-";
}

static void fill_row(struct cell *c, const struct provider *p, struct arena *a)
{
    c[0] = cell_text(p->id);
    c[1] = cell_text(arena_strdup(a, p->name_zh));
    c[2] = cell_text(names_of(p, a));
    c[3] = cell_text(arena_strdup(a, p->shape));
    c[4] = cell_text(variables(p, 2, a));
    c[5] = cell_text(key_state(p, a));
    c[6] = cell_text(logprobs_of(p, a));
    c[7] = cell_text(
        arena_strdup(a, p->base_url ? p->base_url : "yours to bring"));
    c[8] =
        cell_text(arena_strdup(a, json_string(json_get(p->row, "status"))
                                      ? json_string(json_get(p->row, "status"))
                                      : "yours"));
    c[9] = cell_text(arena_strdup(a, p->note ? p->note : ""));
    c[10] = cell_text(variables(p, SIZE_MAX, a));
}

static enum err_code providers_table(struct table *t, const struct providers *p,
                                     struct arena *a, struct err *e)
{
    static const struct column cols[] = {
        { "id", "id", false, COLUMN_ALL },
        { "vendor", "vendor", false, COLUMN_ALL },
        { "names", "names", false, COLUMN_MACHINE },
        { "shape", "shape", false, COLUMN_ALL },
        { "key", "key variable", false, COLUMN_PEOPLE },
        { "set", "set", false, COLUMN_ALL },
        { "logprobs", "logprobs", false, COLUMN_ALL },
        { "base_url", "base URL", false, COLUMN_MACHINE },
        { "status", "status", false, COLUMN_ALL },
        { "note", "note", false, COLUMN_MACHINE },
        { "variables", "variables", false, COLUMN_MACHINE },
    };
    enum { N = sizeof cols / sizeof *cols };
    size_t n = providers_count(p);
    enum err_code rc = table_init(t, a, "Providers", cols, N, n, e);

    for (size_t i = 0; !rc && i < n; i++)
        fill_row(table_cell(t, i, 0), providers_at(p, i), a);
    if (!rc && a->failed)
        rc = no_memory(e);
    return rc;
}

enum err_code cli_list_providers(const struct report_format *format,
                                 struct arena *a, struct err *e)
{
    struct providers *p = NULL;
    struct table t;
    enum err_code rc = providers_open(&p, NULL, e);

    if (!rc)
        rc = providers_table(&t, p, a, e);
    if (!rc)
        rc = cli_print_tables(&t, 1, format, e);
    providers_close(p);
    return rc;
}
