/* Strict JSON over cJSON.
 *
 * json_parse() goes over the text three times: the scanner of json_scan.c,
 * which refuses everything that cJSON would wave through, cJSON itself, and a
 * walk over the tree for duplicate keys (which only show after escapes are
 * decoded).  The scanner's limit of depth also bounds cJSON's own recursion
 * when it parses and frees. */
#include "harness/base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json_scan.h"
#include "harness/base/mem.h"

enum { TEXT_MOST = 256 << 20 };

/* struct json is never defined: a pointer to it is a cJSON node. */
static const cJSON *node(const struct json *j)
{
    return (const cJSON *)(const void *)j;
}

static const struct json *ours(const cJSON *c)
{
    return (const struct json *)(const void *)c;
}

/* ---- the walk ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string,
                  (*(const cJSON *const *)b)->string);
}

/* The members of c sorted by key; *n of them, the caller frees the list. */
static const cJSON **sorted_members(const cJSON *c, size_t *n)
{
    const cJSON **list;
    const cJSON *m;
    size_t i = 0;

    *n = json_len(ours(c));
    list = mem_array(*n, sizeof(const cJSON *));
    if (!list)
        return NULL;
    for (m = c->child; m; m = m->next)
        list[i++] = m;
    qsort(list, *n, sizeof(const cJSON *), by_key);
    return list;
}

static enum err_code check_keys(const cJSON *c, struct err *e)
{
    const cJSON **list;
    enum err_code rc = ERR_OK;
    size_t n;

    list = sorted_members(c, &n);
    if (!list)
        return err_set(e, ERR_NOMEM, "JSON: out of memory");
    for (size_t i = 1; i < n && !rc; i++)
        if (!strcmp(list[i - 1]->string, list[i]->string))
            rc = err_set(e, ERR_FORMAT,
                         "member \"%s\" occurs twice in one "
                         "object",
                         list[i]->string);
    mem_free(list);
    return rc;
}

/* A step of a walk in document order; path holds the parents. */
struct walk {
    const cJSON *path[JSON_DEPTH + 1];
    unsigned depth;
};

static const cJSON *walk_next(struct walk *w, const cJSON *c)
{
    if (c->child && w->depth < JSON_DEPTH) {
        w->path[w->depth++] = c;
        return c->child;
    }
    while (!c->next && w->depth)
        c = w->path[--w->depth];
    return w->depth ? c->next : NULL;
}

static enum err_code check_tree(const cJSON *root, struct err *e)
{
    struct walk w = { .depth = 0 };
    enum err_code rc = ERR_OK;

    for (const cJSON *c = root; c && !rc; c = walk_next(&w, c))
        if (cJSON_IsObject(c) && c->child)
            rc = check_keys(c, e);
    return rc;
}

/* ---- parse and free ---- */

static void set_hooks(void)
{
    cJSON_Hooks hooks = { mem_alloc, mem_free };

    cJSON_InitHooks(&hooks);
}

enum err_code json_parse(struct json **out, struct str text, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    enum err_code rc;
    cJSON *c;

    *out = NULL;
    if (text.n > TEXT_MOST)
        return err_set(e, ERR_LIMIT, "JSON of more than %d bytes", TEXT_MOST);
    rc = json_scan(text, e);
    if (rc)
        return rc;
    (void)pthread_once(&once, set_hooks);
    c = cJSON_ParseWithLength(text.p, text.n);
    if (!c)
        return err_set(e, ERR_NOMEM, "JSON: out of memory");
    rc = check_tree(c, e);
    if (rc)
        cJSON_Delete(c);
    else
        *out = (struct json *)(void *)c;
    return rc;
}

enum err_code json_read(struct json **out, const char *path, size_t most,
                        struct err *e)
{
    struct buf text;
    enum err_code rc;

    *out = NULL;
    buf_init(&text, most);
    rc = io_read(path, &text, e);
    if (!rc)
        rc = json_parse(out, io_skip_bom(buf_view(&text)), e);
    buf_free(&text);
    return rc;
}

void json_free(struct json *j)
{
    cJSON_Delete((cJSON *)(void *)j);
}

/* ---- getters ---- */

enum json_type json_type(const struct json *j)
{
    switch (node(j)->type & 0xff) {
    case cJSON_True:
    case cJSON_False:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default: /* cJSON has bits, not an enum */
        return JSON_NULL;
    }
}

const char *json_type_name(enum json_type t)
{
    static const char *const names[] = { "null",     "true or false",
                                         "a number", "a string",
                                         "an array", "an object" };

    return names[t];
}

const struct json *json_get(const struct json *j, const char *key)
{
    if (!j || !cJSON_IsObject(node(j)))
        return NULL;
    return ours(cJSON_GetObjectItemCaseSensitive(node(j), key));
}

size_t json_len(const struct json *j)
{
    size_t n = 0;

    for (const struct json *c = json_child(j); c; c = json_next(c))
        n++;
    return n;
}

const struct json *json_at(const struct json *j, size_t i)
{
    const struct json *c = json_child(j);

    while (c && i--)
        c = json_next(c);
    return c;
}

const struct json *json_child(const struct json *j)
{
    return j ? ours(node(j)->child) : NULL;
}

const struct json *json_next(const struct json *j)
{
    return ours(node(j)->next);
}

const char *json_key(const struct json *j)
{
    return node(j)->string ? node(j)->string : "";
}

const char *json_string(const struct json *j)
{
    return j && cJSON_IsString(node(j)) ? node(j)->valuestring : NULL;
}

double json_number(const struct json *j)
{
    return j && cJSON_IsNumber(node(j)) ? node(j)->valuedouble : (double)NAN;
}

bool json_bool(const struct json *j)
{
    return j && cJSON_IsTrue(node(j));
}

/* Finds a member of type `want`.  *m is NULL when it is missing, which is an
 * error only if it is needed. */
static enum err_code member(const struct json *j, const char *key,
                            enum json_type want, bool needed,
                            const struct json **m, struct err *e)
{
    *m = NULL;
    if (!j || json_type(j) != JSON_OBJECT) {
        if (!j && !needed)
            return ERR_OK;
        return err_set(e, ERR_FORMAT, "expected an object, got %s",
                       j ? json_type_name(json_type(j)) : "nothing");
    }
    *m = json_get(j, key);
    if (!*m && needed)
        return err_set(e, ERR_FORMAT, "%s: missing, expected %s", key,
                       json_type_name(want));
    if (*m && json_type(*m) != want)
        return err_set(e, ERR_FORMAT, "%s: expected %s, got %s", key,
                       json_type_name(want), json_type_name(json_type(*m)));
    return ERR_OK;
}

enum err_code json_get_str(const struct json *j, const char *key,
                           const char **out, struct err *e)
{
    const struct json *m;
    enum err_code rc = member(j, key, JSON_STRING, true, &m, e);

    *out = rc ? NULL : json_string(m);
    return rc;
}

enum err_code json_get_str_or(const struct json *j, const char *key,
                              const char *dflt, const char **out, struct err *e)
{
    const struct json *m;
    enum err_code rc = member(j, key, JSON_STRING, false, &m, e);

    *out = rc || !m ? dflt : json_string(m);
    return rc;
}

enum err_code json_get_int_or(const struct json *j, const char *key,
                              int64_t dflt, int64_t min, int64_t max,
                              int64_t *out, struct err *e)
{
    const struct json *m;
    enum err_code rc = member(j, key, JSON_NUMBER, false, &m, e);
    double v;

    *out = dflt;
    if (rc || !m)
        return rc;
    v = json_number(m);
    if (fabs(v) > JSON_SAFE_INT || isless(v, trunc(v)) ||
        isgreater(v, trunc(v)))
        return err_set(e, ERR_FORMAT, "%s: expected an integer, got %.15g", key,
                       v);
    if ((int64_t)v < min || (int64_t)v > max)
        return err_set(e, ERR_FORMAT, "%s: expected %lld to %lld, got %.15g",
                       key, (long long)min, (long long)max, v);
    *out = (int64_t)v;
    return ERR_OK;
}

enum err_code json_get_num_or(const struct json *j, const char *key,
                              double dflt, double *out, struct err *e)
{
    const struct json *m;
    enum err_code rc = member(j, key, JSON_NUMBER, false, &m, e);

    *out = rc || !m ? dflt : json_number(m);
    return rc;
}

enum err_code json_get_bool_or(const struct json *j, const char *key, bool dflt,
                               bool *out, struct err *e)
{
    const struct json *m;
    enum err_code rc = member(j, key, JSON_BOOL, false, &m, e);

    *out = rc || !m ? dflt : json_bool(m);
    return rc;
}

static const char *nearest(const char *key, const char *const *known)
{
    const char *best = NULL;
    size_t least = (size_t)-1;

    for (; *known; known++) {
        size_t d = text_distance(str_of(key), str_of(*known));

        if (d < least) {
            least = d;
            best = *known;
        }
    }
    return best;
}

enum err_code json_only(const struct json *j, const char *const *known,
                        struct err *e)
{
    for (const struct json *m = json_child(j); m; m = json_next(m)) {
        const char *key = json_key(m);
        size_t i = 0;

        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return err_set(e, ERR_FORMAT,
                           "unknown member \"%s\"; the nearest known one is "
                           "\"%s\"",
                           key, known[0] ? nearest(key, known) : "");
    }
    return ERR_OK;
}

/* ---- writing a node ---- */

static void write_leaf(struct jw *w, const char *key, const cJSON *c)
{
    switch (json_type(ours(c))) {
    case JSON_NULL:
        jw_null(w, key);
        break;
    case JSON_BOOL:
        jw_bool(w, key, cJSON_IsTrue(c));
        break;
    case JSON_NUMBER:
        jw_num(w, key, c->valuedouble);
        break;
    case JSON_STRING:
        jw_str(w, key, c->valuestring);
        break;
    case JSON_ARRAY:
        jw_array(w, key);
        break;
    case JSON_OBJECT:
        jw_object(w, key);
        break;
    }
}

/* One open array or object while a tree is written; `list` is its members in
 * the order they go out, NULL for the document's order. */
struct level {
    const cJSON *next;
    const cJSON **list;
    size_t i, n;
    bool named;
};

static const cJSON *level_take(struct level *l)
{
    const cJSON *c = l->next;

    if (l->list)
        return l->i < l->n ? l->list[l->i++] : NULL;
    l->next = c ? c->next : NULL;
    return c;
}

static bool level_open(struct level *l, const cJSON *c, bool canonical)
{
    *l = (struct level){ .next = c->child, .named = cJSON_IsObject(c) };
    if (!canonical || !l->named || !c->child)
        return true;
    l->list = sorted_members(c, &l->n);
    return l->list;
}

static bool write_tree(const cJSON *c, struct jw *w, bool canonical)
{
    struct level levels[JSON_DEPTH + 1];
    unsigned depth = 0;
    bool fine = true, named = false;

    for (;;) {
        write_leaf(w, named ? c->string : NULL, c);
        if (cJSON_IsArray(c) || cJSON_IsObject(c)) {
            fine =
                depth < JSON_DEPTH && level_open(&levels[depth], c, canonical);
            if (!fine)
                break;
            depth++;
        }
        for (c = NULL; depth && !(c = level_take(&levels[depth - 1]));) {
            mem_free(levels[--depth].list);
            jw_end(w);
        }
        if (!c)
            break;
        named = levels[depth - 1].named;
    }
    while (depth)
        mem_free(levels[--depth].list);
    return fine;
}

static enum err_code write_node(const struct json *j, struct buf *out,
                                bool canonical, struct err *e)
{
    struct jw w;

    jw_init(&w, out, false);
    if (!write_tree(node(j), &w, canonical))
        return err_set(e, ERR_NOMEM, "JSON: out of memory");
    return buf_check(out, "JSON", e);
}

enum err_code json_write(const struct json *j, struct buf *out, struct err *e)
{
    return write_node(j, out, false, e);
}

enum err_code json_write_canonical(const struct json *j, struct buf *out,
                                   struct err *e)
{
    return write_node(j, out, true, e);
}
