/* The part of JSON Schema that answers are checked with: one row a keyword. */
#include "harness/match/json_schema.h"

#include <math.h>
#include <string.h>

#include "harness/base/pattern.h"

static bool is_integer(const struct json *v)
{
    double x = json_number(v);

    return json_type(v) == JSON_NUMBER && fabs(x - rint(x)) < 1e-9;
}

static bool has_type(const char *name, const struct json *v)
{
    static const struct {
        const char *name;
        enum json_type type;
    } types[] = {
        { "null", JSON_NULL },     { "boolean", JSON_BOOL },
        { "number", JSON_NUMBER }, { "string", JSON_STRING },
        { "array", JSON_ARRAY },   { "object", JSON_OBJECT },
    };

    if (!strcmp(name, "integer"))
        return is_integer(v);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (!strcmp(types[i].name, name))
            return types[i].type == json_type(v);
    return false;
}

static bool is_type_name(const char *s)
{
    static const char *const names[] = { "null",  "boolean", "number", "string",
                                         "array", "object",  "integer" };

    for (size_t i = 0; s && i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(names[i], s))
            return true;
    return false;
}

/* The same value: by its canonical text. */
static enum err_code is_same(const struct json *x, const struct json *y,
                             bool *same, struct err *e)
{
    struct buf a, b;
    enum err_code rc;

    buf_init(&a, 1 << 24);
    buf_init(&b, 1 << 24);
    rc = json_write_canonical(x, &a, e);
    if (!rc)
        rc = json_write_canonical(y, &b, e);
    *same = !rc && str_eq(buf_view(&a), buf_view(&b));
    buf_free(&a);
    buf_free(&b);
    return rc;
}

/* ---- keywords: each says whether the value is fine ---- */

typedef enum err_code keyword_fn(const struct json *k, const struct json *v,
                                 const struct json *schema, bool *yes,
                                 const char **why, struct err *e);

static enum err_code type(const struct json *k, const struct json *v,
                          const struct json *schema, bool *yes,
                          const char **why, struct err *e)
{
    const struct json *m = json_child(k);

    (void)schema;
    (void)why;
    (void)e;
    *yes = json_string(k) && has_type(json_string(k), v);
    for (; m && !*yes; m = json_next(m))
        *yes = has_type(json_string(m), v);
    return ERR_OK;
}

static enum err_code one_of(const struct json *k, const struct json *v,
                            const struct json *schema, bool *yes,
                            const char **why, struct err *e)
{
    const struct json *m = json_child(k);
    enum err_code rc = ERR_OK;

    (void)schema;
    (void)why;
    for (*yes = false; m && !rc && !*yes; m = json_next(m))
        rc = is_same(m, v, yes, e);
    return rc;
}

static enum err_code constant(const struct json *k, const struct json *v,
                              const struct json *schema, bool *yes,
                              const char **why, struct err *e)
{
    (void)schema;
    (void)why;
    return is_same(k, v, yes, e);
}

static enum err_code required(const struct json *k, const struct json *v,
                              const struct json *schema, bool *yes,
                              const char **why, struct err *e)
{
    const struct json *m = json_child(k);

    (void)schema;
    (void)why;
    (void)e;
    *yes = true;
    for (; m && *yes && json_type(v) == JSON_OBJECT; m = json_next(m))
        *yes = json_get(v, json_string(m)) != NULL;
    return ERR_OK;
}

static enum err_code properties(const struct json *k, const struct json *v,
                                const struct json *schema, bool *yes,
                                const char **why, struct err *e)
{
    const struct json *m = json_child(k);
    enum err_code rc = ERR_OK;

    (void)schema;
    for (*yes = true; m && !rc && *yes; m = json_next(m))
        if (json_get(v, json_key(m)))
            rc = json_schema_holds(m, json_get(v, json_key(m)), yes, why, e);
    return rc;
}

static enum err_code additional(const struct json *k, const struct json *v,
                                const struct json *schema, bool *yes,
                                const char **why, struct err *e)
{
    const struct json *known = json_get(schema, "properties");
    const struct json *m = json_type(v) == JSON_OBJECT ? json_child(v) : NULL;
    enum err_code rc = ERR_OK;

    for (*yes = true; m && !rc && *yes; m = json_next(m)) {
        if (json_get(known, json_key(m)))
            continue;
        if (json_type(k) == JSON_OBJECT)
            rc = json_schema_holds(k, m, yes, why, e);
        else
            *yes = json_bool(k);
    }
    return rc;
}

static enum err_code items(const struct json *k, const struct json *v,
                           const struct json *schema, bool *yes,
                           const char **why, struct err *e)
{
    const struct json *m = json_type(v) == JSON_ARRAY ? json_child(v) : NULL;
    enum err_code rc = ERR_OK;

    (void)schema;
    for (*yes = true; m && !rc && *yes; m = json_next(m))
        rc = json_schema_holds(k, m, yes, why, e);
    return rc;
}

/* What a bound counts: a number's value, characters, elements. */
static double size_of(const struct json *v, enum json_type type)
{
    if (json_type(v) != type)
        return NAN;
    return type == JSON_NUMBER   ? json_number(v)
           : type == JSON_STRING ? (double)text_count(str_of(json_string(v)))
                                 : (double)json_len(v);
}

static enum err_code pattern(const struct json *k, const struct json *v,
                             const struct json *schema, bool *yes,
                             const char **why, struct err *e)
{
    struct pattern_hit h;
    struct pattern *p;
    enum err_code rc;

    (void)schema;
    (void)why;
    *yes = true;
    if (!json_string(v))
        return ERR_OK;
    rc = pattern_open(&p, str_of(json_string(k)), 0, e);
    if (!rc)
        rc = pattern_find(p, str_of(json_string(v)), 0, &h, yes, e);
    pattern_close(p);
    return rc;
}

/* What a keyword's own value must be. */
enum form { TYPES, LIST, ANYTHING, NAMES, SCHEMAS, MORE, SCHEMA, COUNT, REGEX };

static const struct keyword {
    const char *name;
    keyword_fn *holds; /* NULL: a bound */
    enum form form;
    enum json_type of; /* of a bound: what it counts */
    bool least;
} keywords[] = {
    { "type", type, TYPES, JSON_NULL, false },
    { "enum", one_of, LIST, JSON_NULL, false },
    { "const", constant, ANYTHING, JSON_NULL, false },
    { "required", required, NAMES, JSON_NULL, false },
    { "properties", properties, SCHEMAS, JSON_NULL, false },
    { "additionalProperties", additional, MORE, JSON_NULL, false },
    { "items", items, SCHEMA, JSON_NULL, false },
    { "minItems", NULL, COUNT, JSON_ARRAY, true },
    { "maxItems", NULL, COUNT, JSON_ARRAY, false },
    { "minLength", NULL, COUNT, JSON_STRING, true },
    { "maxLength", NULL, COUNT, JSON_STRING, false },
    { "minimum", NULL, COUNT, JSON_NUMBER, true },
    { "maximum", NULL, COUNT, JSON_NUMBER, false },
    { "pattern", pattern, REGEX, JSON_NULL, false },
};
enum { N_KEYWORDS = sizeof(keywords) / sizeof(*keywords) };

static bool within(const struct keyword *w, const struct json *k,
                   const struct json *v)
{
    double size = size_of(v, w->of), bound = json_number(k);

    return w->least ? !(size < bound) : !(size > bound);
}

enum err_code json_schema_holds(const struct json *schema,
                                const struct json *value, bool *yes,
                                const char **why, struct err *e)
{
    enum err_code rc = ERR_OK;

    *yes = true;
    for (size_t i = 0; i < N_KEYWORDS && !rc && *yes; i++) {
        const struct keyword *w = &keywords[i];
        const struct json *k = json_get(schema, w->name);

        if (!k)
            continue;
        *why = w->name;
        if (w->holds)
            rc = w->holds(k, value, schema, yes, why, e);
        else
            *yes = within(w, k, value);
    }
    return rc;
}

/* ---- check ---- */

static bool all_strings(const struct json *list, bool types)
{
    const struct json *m = json_child(list);

    if (json_type(list) != JSON_ARRAY)
        return false;
    while (m && json_string(m) && (!types || is_type_name(json_string(m))))
        m = json_next(m);
    return !m;
}

static enum err_code check_members(const struct json *k, struct err *e)
{
    const struct json *m = json_child(k);
    enum err_code rc = ERR_OK;

    if (json_type(k) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "expected an object of schemas");
    for (; m && !rc; m = json_next(m)) {
        rc = json_schema_check(m, e);
        if (rc)
            (void)err_wrap(e, "%s", json_key(m));
    }
    return rc;
}

static enum err_code check_pattern(const struct json *k, struct err *e)
{
    struct pattern *p;
    enum err_code rc;

    if (!json_string(k))
        return err_set(e, ERR_FORMAT, "expected a text");
    rc = pattern_open(&p, str_of(json_string(k)), 0, e);
    if (!rc)
        pattern_close(p);
    return rc;
}

static enum err_code expected(bool is_there, const char *what, struct err *e)
{
    return is_there ? ERR_OK : err_set(e, ERR_FORMAT, "expected %s", what);
}

static enum err_code check_form(enum form form, const struct json *k,
                                struct err *e)
{
    switch (form) {
    case TYPES:
        return expected(is_type_name(json_string(k)) ||
                            (json_len(k) && all_strings(k, true)),
                        "the name of a type of JSON, or a list of them", e);
    case LIST:
        return expected(json_type(k) == JSON_ARRAY && json_len(k), "a list", e);
    case NAMES:
        return expected(all_strings(k, false), "a list of texts", e);
    case SCHEMAS:
        return check_members(k, e);
    case MORE:
        if (json_type(k) == JSON_BOOL)
            return ERR_OK;
        return json_schema_check(k, e);
    case SCHEMA:
        return json_schema_check(k, e);
    case COUNT:
        return expected(json_type(k) == JSON_NUMBER, "a number", e);
    case REGEX:
        return check_pattern(k, e);
    case ANYTHING:
        break;
    }
    return ERR_OK;
}

enum err_code json_schema_check(const struct json *schema, struct err *e)
{
    static const char *const silent[] = { "title", "description", "$schema" };
    const char *known[N_KEYWORDS + 4] = { NULL };
    enum err_code rc;

    if (!schema || json_type(schema) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "expected an object");
    for (size_t i = 0; i < N_KEYWORDS; i++)
        known[i] = keywords[i].name;
    memcpy(known + N_KEYWORDS, silent, sizeof(silent));
    rc = json_only(schema, known, e);
    for (size_t i = 0; i < N_KEYWORDS && !rc; i++) {
        const struct json *k = json_get(schema, keywords[i].name);

        rc = k ? check_form(keywords[i].form, k, e) : ERR_OK;
        if (rc)
            (void)err_wrap(e, "%s", keywords[i].name);
    }
    return rc;
}
