/* Strict JSON over cJSON.
 *
 * json_parse() goes over the text three times: a scanner that knows the grammar
 * of RFC 8259 and refuses everything cJSON would wave through, cJSON itself,
 * and a walk over the tree for duplicate keys (which only show after escapes
 * are decoded).  The scanner has no recursion: a stack of one byte a level says
 * whether we are in an array or an object, and its size is the depth limit.
 * That limit also bounds cJSON's own recursion when it parses and frees. */
#include "harness/base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/mem.h"

enum { DEPTH_MOST = JSON_DEPTH, TEXT_MOST = 256 << 20 };
static const double SAFE_INT = 9007199254740992.0; /* 2^53 */

/* struct json is never defined: a pointer to it is a cJSON node. */
static const cJSON *node(const struct json *j)
{
    return (const cJSON *)(const void *)j;
}

static const struct json *ours(const cJSON *c)
{
    return (const struct json *)(const void *)c;
}

/* ---- the scanner ---- */

struct scan {
    struct str s;
    size_t at;
    char stack[DEPTH_MOST]; /* '[' or '{' a level */
    unsigned depth;
    struct err *e;
};

/* Names what stands at the place, line and column from 1, in characters. */
static enum err_code bad(struct scan *sc, const char *what)
{
    size_t line = 1, start = 0;

    for (size_t i = 0; i < sc->at; i++)
        if (sc->s.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    return err_set(sc->e, ERR_FORMAT, "line %zu column %zu: %s", line,
                   text_count(str_sub(sc->s, start, sc->at)) + 1, what);
}

static int peek(const struct scan *sc)
{
    return sc->at < sc->s.n ? (unsigned char)sc->s.p[sc->at] : -1;
}

static void skip_space(struct scan *sc)
{
    int c = peek(sc);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        sc->at++;
        c = peek(sc);
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads the four digits of \uXXXX at sc->at; -1 if they are not there. */
static int scan_hex4(struct scan *sc)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int d = hex_digit(peek(sc));

        if (d < 0)
            return -1;
        v = v << 4 | d;
        sc->at++;
    }
    return v;
}

static enum err_code scan_unicode(struct scan *sc)
{
    int v = scan_hex4(sc);

    if (v < 0)
        return bad(sc, "expected four hexadecimal digits after \\u");
    if (v == 0)
        return bad(sc, "\\u0000 is not allowed in a string");
    if (v >= 0xDC00 && v <= 0xDFFF)
        return bad(sc, "half of a surrogate pair");
    if (v < 0xD800 || v > 0xDBFF)
        return ERR_OK;
    if (peek(sc) == '\\') {
        sc->at++;
        if (peek(sc) == 'u') {
            sc->at++;
            v = scan_hex4(sc);
            if (v >= 0xDC00 && v <= 0xDFFF)
                return ERR_OK;
        }
    }
    return bad(sc, "half of a surrogate pair");
}

static enum err_code scan_escape(struct scan *sc)
{
    int c = peek(sc);

    if (c <= 0 || !strchr("\"\\/bfnrtu", c))
        return bad(sc, "unknown escape, expected one of \\\" \\\\ \\/ \\b \\f "
                       "\\n \\r \\t \\u");
    sc->at++;
    return c == 'u' ? scan_unicode(sc) : ERR_OK;
}

static enum err_code scan_string(struct scan *sc)
{
    enum err_code rc = ERR_OK;

    sc->at++;
    while (!rc) {
        int c = peek(sc);

        if (c < 0)
            return bad(sc, "the string is not closed");
        if (c < ' ')
            return bad(sc, "a control character in a string must be escaped");
        sc->at++;
        if (c == '"')
            break;
        if (c == '\\')
            rc = scan_escape(sc);
    }
    return rc;
}

static size_t scan_digits(struct scan *sc)
{
    size_t from = sc->at;

    while (is_digit(peek(sc)))
        sc->at++;
    return sc->at - from;
}

/* An integer beyond 2^53 would silently become another one; "1" followed by
 * a fraction or an exponent is a measurement, and rounding is expected. */
static enum err_code check_range(struct scan *sc, size_t from, bool integer)
{
    char text[400];
    size_t n = sc->at - from;
    double v;

    if (n >= sizeof(text)) {
        sc->at = from;
        return bad(sc, "a number of more than 399 characters");
    }
    memcpy(text, sc->s.p + from, n);
    text[n] = '\0';
    v = strtod(text, NULL);
    if (isinf(v) || (integer && fabs(v) >= SAFE_INT)) {
        sc->at = from;
        return bad(sc, isinf(v) ? "number out of range"
                                : "an integer beyond 2^53 cannot be kept as a "
                                  "number: write it as a string, as all ids");
    }
    return ERR_OK;
}

static enum err_code scan_number(struct scan *sc)
{
    size_t from = sc->at;
    bool integer = true;

    if (peek(sc) == '-')
        sc->at++;
    if (peek(sc) == '0') {
        sc->at++;
        if (is_digit(peek(sc)))
            return bad(sc, "a number must not start with 0");
    } else if (!scan_digits(sc)) {
        return bad(sc, "expected a digit");
    }
    if (peek(sc) == '.') {
        integer = false;
        sc->at++;
        if (!scan_digits(sc))
            return bad(sc, "expected a digit after the point");
    }
    if (peek(sc) == 'e' || peek(sc) == 'E') {
        integer = false;
        sc->at++;
        if (peek(sc) == '+' || peek(sc) == '-')
            sc->at++;
        if (!scan_digits(sc))
            return bad(sc, "expected a digit in the exponent");
    }
    return check_range(sc, from, integer);
}

static enum err_code scan_word(struct scan *sc)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < 3; i++) {
        struct str w = str_of(words[i]);

        if (str_starts(str_sub(sc->s, sc->at, sc->s.n), w)) {
            sc->at += w.n;
            return ERR_OK;
        }
    }
    return bad(sc, peek(sc) < 0 ? "the text ends where a value is expected"
                                : "expected a value");
}

static enum err_code scan_key(struct scan *sc)
{
    enum err_code rc;

    skip_space(sc);
    if (peek(sc) != '"')
        return bad(sc, "expected a member's name in double quotes");
    rc = scan_string(sc);
    if (rc)
        return rc;
    skip_space(sc);
    if (peek(sc) != ':')
        return bad(sc, "expected \":\" after a member's name");
    sc->at++;
    return ERR_OK;
}

/* Opens an array or object.  *opened says whether a value must follow: not
 * after an empty one. */
static enum err_code scan_open(struct scan *sc, bool *opened)
{
    int c = peek(sc);

    *opened = true;
    if (sc->depth == DEPTH_MOST)
        return bad(sc, "nested more than 64 levels deep");
    sc->stack[sc->depth++] = (char)c;
    sc->at++;
    skip_space(sc);
    if (peek(sc) == (c == '[' ? ']' : '}')) {
        sc->at++;
        sc->depth--;
        *opened = false;
        return ERR_OK;
    }
    return c == '{' ? scan_key(sc) : ERR_OK;
}

/* What may follow a value: a comma and the next one, or the end of the levels.
 * *more says that a value must follow. */
static enum err_code scan_after(struct scan *sc, bool *more)
{
    *more = false;
    while (sc->depth) {
        bool array = sc->stack[sc->depth - 1] == '[';

        skip_space(sc);
        if (peek(sc) == ',') {
            sc->at++;
            *more = true;
            return array ? ERR_OK : scan_key(sc);
        }
        if (peek(sc) != (array ? ']' : '}'))
            return bad(sc, array ? "expected \",\" or \"]\""
                                 : "expected \",\" or \"}\"");
        sc->at++;
        sc->depth--;
    }
    return ERR_OK;
}

static enum err_code scan_value(struct scan *sc, bool *opened)
{
    int c;

    skip_space(sc);
    c = peek(sc);
    *opened = false;
    if (c == '{' || c == '[')
        return scan_open(sc, opened);
    if (c == '"')
        return scan_string(sc);
    if (c == '-' || is_digit(c))
        return scan_number(sc);
    return scan_word(sc);
}

static enum err_code scan_text(struct scan *sc)
{
    bool more = true;
    enum err_code rc = ERR_OK;

    if (!text_check(sc->s, &sc->at))
        return bad(sc, "not UTF-8");
    sc->at = 0;
    while (more && !rc) {
        rc = scan_value(sc, &more);
        if (!rc && !more)
            rc = scan_after(sc, &more);
    }
    skip_space(sc);
    if (!rc && sc->at < sc->s.n)
        return bad(sc, "something follows the end of the value");
    return rc;
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
    const cJSON *path[DEPTH_MOST + 1];
    unsigned depth;
};

static const cJSON *walk_next(struct walk *w, const cJSON *c)
{
    if (c->child && w->depth < DEPTH_MOST) {
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
    struct scan sc = { .s = text, .e = e };
    enum err_code rc;
    cJSON *c;

    *out = NULL;
    if (text.n > TEXT_MOST)
        return err_set(e, ERR_LIMIT, "JSON of more than %d bytes", TEXT_MOST);
    rc = scan_text(&sc);
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
    if (fabs(v) > SAFE_INT || isless(v, trunc(v)) || isgreater(v, trunc(v)))
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
    struct level levels[DEPTH_MOST + 1];
    unsigned depth = 0;
    bool fine = true, named = false;

    for (;;) {
        write_leaf(w, named ? c->string : NULL, c);
        if (cJSON_IsArray(c) || cJSON_IsObject(c)) {
            fine =
                depth < DEPTH_MOST && level_open(&levels[depth], c, canonical);
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
