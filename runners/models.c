/* Models: the entries of a models file, and inline specs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "runners/models_remote.h"
#include "runners/runner.h"

static const char *const known_fields[] = {
    "id",       "names",    "vendor", "runner",     "path",     "provider",
    "model",    "base_url", "body",   "parameters", "price",    "open",
    "domestic", "size_b",   "tags",   "note",       "template", NULL
};
static const char *const known_parameters[] = { "temperature", "top_p",
                                                "top_k",       "max_tokens",
                                                "system",      NULL };
static const char *const known_price[] = { "in",       "out",  "cached",
                                           "currency", "date", "source",
                                           NULL };

static void spec_init(struct model_spec *m)
{
    *m = (struct model_spec){ .price_in = NAN,
                              .price_out = NAN,
                              .price_cached = NAN,
                              .sampling = { .temperature = NAN,
                                            .top_p = NAN,
                                            .top_k = -1,
                                            .max_tokens = -1,
                                            .seed = -1 } };
}

/* A list of strings, or nothing when the member is missing. */
static enum err_code read_strings(const struct json *j, const char *key,
                                  struct arena *a, const char ***out, size_t *n,
                                  struct err *e)
{
    const struct json *list = json_get(j, key), *s;
    size_t i = 0;

    *n = 0;
    if (!list)
        return ERR_OK;
    if (json_type(list) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "%s: expected a list of strings", key);
    *out = arena_array(a, json_len(list), sizeof **out);
    for (s = json_child(list); s && *out; s = json_next(s)) {
        if (!json_string(s))
            return err_set(e, ERR_FORMAT, "%s: expected strings, got %s", key,
                           json_type_name(json_type(s)));
        (*out)[i++] = arena_strdup(a, json_string(s));
    }
    *n = i;
    return ERR_OK;
}

static enum err_code read_parameters(const struct json *j, struct arena *a,
                                     struct model_spec *m, struct err *e)
{
    const char *system;
    enum err_code rc;

    if (!j)
        return ERR_OK;
    rc = json_only(j, known_parameters, e);
    if (!rc)
        rc =
            json_get_num_or(j, "temperature", NAN, &m->sampling.temperature, e);
    if (!rc)
        rc = json_get_num_or(j, "top_p", NAN, &m->sampling.top_p, e);
    if (!rc)
        rc = json_get_int_or(j, "top_k", -1, -1, INT32_MAX, &m->sampling.top_k,
                             e);
    if (!rc)
        rc = json_get_int_or(j, "max_tokens", -1, 1, INT32_MAX,
                             &m->sampling.max_tokens, e);
    if (!rc)
        rc = json_get_str_or(j, "system", NULL, &system, e);
    if (!rc && system)
        m->system = arena_strdup(a, system);
    return rc ? err_wrap(e, "parameters") : ERR_OK;
}

static enum err_code read_price(const struct json *j, struct arena *a,
                                struct model_spec *m, struct err *e)
{
    const char *currency, *date, *source;
    enum err_code rc;

    if (!j)
        return ERR_OK;
    rc = json_only(j, known_price, e);
    if (!rc)
        rc = json_get_num_or(j, "in", NAN, &m->price_in, e);
    if (!rc)
        rc = json_get_num_or(j, "out", NAN, &m->price_out, e);
    if (!rc)
        rc = json_get_num_or(j, "cached", NAN, &m->price_cached, e);
    if (!rc && (m->price_in < 0 || m->price_out < 0 || m->price_cached < 0))
        rc = err_set(e, ERR_FORMAT, "a price below 0");
    if (!rc)
        rc = json_get_str(j, "currency", &currency, e);
    if (!rc)
        rc = json_get_str(j, "date", &date, e);
    if (!rc)
        rc = json_get_str_or(j, "source", "models file", &source, e);
    if (rc)
        return err_wrap(e, "price");
    m->currency = arena_strdup(a, currency);
    m->price_date = arena_strdup(a, date);
    m->price_source = arena_strdup(a, source);
    return ERR_OK;
}

/* "dir/path" unless path is absolute or no file of ours. */
static const char *resolve(struct arena *a, const char *dir, const char *kind,
                           const char *path)
{
    const struct runner_kind *k = runner_find(kind);

    if (path[0] == '/' || !dir[0] || (k && k->words))
        return arena_strdup(a, path);
    return io_join(a, dir, path);
}

/* Where the answers come from: a file, or a provider's model. */
static enum err_code read_source(const struct json *j, const char *dir,
                                 struct providers **table, struct arena *a,
                                 struct model_spec *m, struct err *e)
{
    const char *kind, *path = NULL;
    enum err_code rc = json_get(j, "provider")
                           ? json_get_str_or(j, "runner", "remote", &kind, e)
                           : json_get_str(j, "runner", &kind, e);

    if (rc)
        return rc;
    if (strcmp(kind, "remote") == 0)
        return remote_entry(j, table, a, m, e);
    if (json_get(j, "provider"))
        return err_set(e, ERR_FORMAT,
                       "runner: a model with a provider has \"remote\", got "
                       "\"%s\"",
                       kind);
    rc = json_get_str(j, "path", &path, e);
    if (rc)
        return rc;
    m->kind = arena_strdup(a, kind);
    m->path = resolve(a, dir, kind, path);
    return ERR_OK;
}

static enum err_code read_model(const struct json *j, const char *dir,
                                struct providers **table, struct arena *a,
                                struct model_spec *m, struct err *e)
{
    const char *id = NULL, *vendor, *template;
    enum err_code rc;

    spec_init(m);
    rc = json_only(j, known_fields, e);
    if (!rc)
        rc = json_get_str(j, "id", &id, e);
    if (!rc)
        rc = json_get_str_or(j, "vendor", "", &vendor, e);
    if (!rc)
        rc = json_get_str_or(j, "template", NULL, &template, e);
    if (!rc)
        rc = json_get_bool_or(j, "open", true, &m->open, e);
    if (!rc)
        rc = json_get_bool_or(j, "domestic", false, &m->domestic, e);
    if (!rc)
        rc = json_get_num_or(j, "size_b", 0, &m->size_b, e);
    if (!rc)
        rc = read_strings(j, "tags", a, &m->tags, &m->n_tags, e);
    if (!rc)
        rc = read_strings(j, "names", a, &m->names, &m->n_names, e);
    if (!rc)
        rc = read_parameters(json_get(j, "parameters"), a, m, e);
    if (!rc)
        rc = read_price(json_get(j, "price"), a, m, e);
    if (!rc) {
        m->vendor = arena_strdup(a, vendor);
        rc = read_source(j, dir, table, a, m, e);
    }
    if (rc)
        return id ? err_wrap(e, "model %s", id) : rc;
    m->id = arena_strdup(a, id);
    m->name = m->n_names ? m->names[0] : m->id;
    m->template = template ? arena_strdup(a, template) : NULL;
    return a->failed ? err_set(e, ERR_NOMEM, "no memory for a model") : ERR_OK;
}

/* No id twice. */
static enum err_code check_id(const struct model_spec *all, size_t i,
                              struct err *e)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(str_of(all[k].id), str_of(all[i].id)))
            return err_set(e, ERR_FORMAT,
                           "entries %zu and %zu: both have the id \"%s\"",
                           k + 1, i + 1, all[i].id);
    return ERR_OK;
}

static enum err_code read_models(const struct json *j, const char *dir,
                                 struct arena *a, struct model_spec **out,
                                 size_t *n, struct err *e)
{
    const struct json *list = json_get(j, "models"), *m;
    struct providers *table = NULL;
    enum err_code rc = ERR_OK;
    size_t i = 0;

    if (json_type(j) != JSON_OBJECT || !list || json_type(list) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT,
                       "expected an object with a list \"models\"");
    *out = arena_array(a, json_len(list) + 1, sizeof **out);
    if (!*out)
        return err_set(e, ERR_NOMEM, "no memory for the models");
    for (m = json_child(list); m && !rc; m = json_next(m), i++)
        if (read_model(m, dir, &table, a, &(*out)[i], e))
            rc = err_wrap(e, "entry %zu", i + 1);
        else
            rc = check_id(*out, i, e);
    providers_close(table);
    *n = i;
    return rc;
}

/* The models file: the one asked for, or the first there is of the usual
 * places; NULL when there is none. */
const char *model_file(const char *file, struct arena *a)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    const char *place;

    if (file)
        return file;
    if (io_exists("models.json"))
        return "models.json";
    if (config && config[0])
        place = arena_printf(a, "%s/mokao/models.json", config);
    else
        place =
            arena_printf(a, "%s/.config/mokao/models.json", home ? home : "");
    if (place && io_exists(place))
        return place;
    return io_exists(MK_SHARE "/models.json") ? MK_SHARE "/models.json" : NULL;
}

static const char *folder_of(const char *file, struct arena *a)
{
    const char *slash = strrchr(file, '/');
    return slash ? arena_dup(a, file, (size_t)(slash - file)) : "";
}

enum err_code model_list(const char *file, struct arena *a,
                         struct model_spec **out, size_t *n, struct err *e)
{
    struct json *j = NULL;
    enum err_code rc;

    *out = NULL;
    *n = 0;
    file = model_file(file, a);
    if (!file)
        return ERR_OK;
    rc = json_read(&j, file, (size_t)16 << 20, e);
    if (!rc)
        rc = read_models(j, folder_of(file, a), a, out, n, e);
    if (rc)
        err_wrap(e, "%s", file);
    else if (a->failed)
        rc = err_set(e, ERR_NOMEM, "%s: no memory", file);
    json_free(j);
    return rc;
}

/* "dir/Name.gguf" -> "Name". */
static const char *stem(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return arena_dup(a, base,
                     dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

/* "gguf:PATH", "replay:FILE": a runner's name, or NULL. */
static const char *runner_prefix(const char *spec, const char *colon)
{
    for (size_t i = 0; colon && runner_kinds[i]; i++) {
        const char *name = runner_kinds[i]->name;
        if (strlen(name) == (size_t)(colon - spec) &&
            strncmp(spec, name, strlen(name)) == 0)
            return name;
    }
    return NULL;
}

/* *is: whether the spec is an inline one at all. */
static enum err_code read_inline(const char *spec, struct arena *a,
                                 struct model_spec *out, bool *is,
                                 struct err *e)
{
    const char *colon = strchr(spec, ':');
    struct providers *table = NULL;
    enum err_code rc;

    spec_init(out);
    *is = true;
    out->kind = runner_prefix(spec, colon);
    if (out->kind) {
        out->path = arena_strdup(a, colon + 1);
    } else if (str_ends(str_of(spec), STR(".gguf"))) {
        out->kind = "gguf";
        out->path = arena_strdup(a, spec);
    } else {
        rc = remote_inline(spec, &table, a, out, is, e);
        providers_close(table);
        return rc;
    }
    if (runner_find(out->kind)->words)
        out->id = out->name = arena_strdup(a, spec);
    else
        out->id = out->name = stem(out->path, a);
    out->vendor = "";
    out->open = true;
    return a->failed ? err_set(e, ERR_NOMEM, "no memory") : ERR_OK;
}

static bool has_name(const struct model_spec *m, const char *name)
{
    for (size_t i = 0; i < m->n_names; i++)
        if (strcmp(m->names[i], name) == 0)
            return true;
    return str_is(str_of(m->id), name);
}

enum err_code model_find(const char *spec, const char *file, struct arena *a,
                         struct model_spec *out, struct err *e)
{
    struct model_spec *all;
    const char *nearest = NULL;
    size_t n, best = SIZE_MAX;
    bool is;

    if (model_list(file, a, &all, &n, e))
        return e->code;
    for (size_t i = 0; i < n; i++) {
        size_t d = text_distance(str_of(spec), str_of(all[i].id));
        if (has_name(&all[i], spec)) {
            *out = all[i];
            return ERR_OK;
        }
        if (d < best) {
            best = d;
            nearest = all[i].id;
        }
    }
    if (read_inline(spec, a, out, &is, e))
        return err_wrap(e, "model \"%s\"", spec);
    if (is)
        return ERR_OK;
    if (nearest)
        return err_set(e, ERR_FORMAT,
                       "no model \"%s\"; did you mean \"%s\"? (a file: "
                       "gguf:PATH; a service: PROVIDER:MODEL; all: mokao model "
                       "list)",
                       spec, nearest);
    return err_set(e, ERR_FORMAT,
                   "no model \"%s\", and no models file; a file: gguf:PATH; "
                   "a service: PROVIDER:MODEL",
                   spec);
}
