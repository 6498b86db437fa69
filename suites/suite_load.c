/* Reads a suite's folder: files, lines, typed members, faults.
 *
 * A line passes five gates in this order, and what fails at one is not shown
 * to the next: UTF-8, JSON, an object, the fields (suite_item.c), what the
 * caller's hook says (matchers).  Unknown fields are faults, because a
 * misspelt "anwser" would otherwise be found only in the scores. */
#include "suites/suite_load.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"

#define MAX_FILE ((size_t)1 << 30)

static const char *keep(struct loader *l, const char *s)
{
    char *p = arena_strdup(&l->s->arena, s);

    if (!p)
        suite_load_stop(
            l, err_set(l->e, ERR_NOMEM, "no memory for suite %s", l->s->path));
    return p;
}

const struct json *suite_load_member(struct loader *l, const struct json *j,
                                     const char *key, enum json_type type,
                                     bool needed, const char *hint)
{
    const struct json *m = json_get(j, key);

    if (l->rc)
        return NULL;
    if (!m || (json_type(m) == JSON_NULL && !needed)) {
        if (needed)
            suite_load_fault(l, key, "missing, expected %s", hint);
        return NULL;
    }
    if (json_type(m) == type)
        return m;
    suite_load_fault(l, key, "is %s, expected %s", json_type_name(json_type(m)),
                     hint);
    return NULL;
}

const char *suite_load_str(struct loader *l, const struct json *j,
                           const char *key, bool needed, const char *hint)
{
    const struct json *m =
        suite_load_member(l, j, key, JSON_STRING, needed, hint);
    const char *s = m ? json_string(m) : NULL;

    if (!s)
        return NULL;
    if (str_trim(str_of(s)).n > 0)
        return keep(l, s);
    if (needed)
        suite_load_fault(l, key, "empty, expected %s", hint);
    return NULL;
}

const char **suite_load_strs(struct loader *l, const struct json *j,
                             const char *key, size_t *n)
{
    const struct json *m =
        suite_load_member(l, j, key, JSON_ARRAY, false, "a list of strings");
    const char **out;
    size_t i = 0;

    *n = 0;
    if (!m)
        return NULL;
    out = arena_array(&l->s->arena, json_len(m) + 1, sizeof *out);
    for (m = json_child(m); m && out; m = json_next(m), i++) {
        if (!json_string(m)) {
            suite_load_fault(l, key, "element %zu is %s, expected a string",
                             i + 1, json_type_name(json_type(m)));
            return NULL;
        }
        out[i] = keep(l, json_string(m));
    }
    *n = out ? i : 0;
    return out;
}

const char *suite_load_json(struct loader *l, const struct json *j)
{
    struct buf b;
    const char *s = NULL;
    enum err_code rc;

    buf_init(&b, MAX_FILE);
    rc = json_write_canonical(j, &b, l->e);
    if (rc)
        suite_load_stop(l, rc);
    else
        s = keep(l, b.p);
    buf_free(&b);
    return s;
}

const char *suite_load_matcher(struct loader *l, const struct json *j,
                               bool needed)
{
    static const char hint[] = "an object such as {\"name\":\"choice\"}";
    const struct json *m =
        suite_load_member(l, j, "matcher", JSON_OBJECT, needed, hint);

    if (!m)
        return NULL;
    if (!json_string(json_get(m, "name"))) {
        suite_load_fault(l, "matcher", "has no name, expected %s", hint);
        return NULL;
    }
    return suite_load_json(l, m);
}

static const char *nearest(const char *const *known, const char *name)
{
    const char *best = NULL;
    size_t least = 4; /* three letters wrong are still the same word */

    for (; *known; known++) {
        size_t d = text_distance(str_of(name), str_of(*known));
        if (d < least && d < strlen(*known)) {
            least = d;
            best = *known;
        }
    }
    return best;
}

static bool is_known(const char *const *known, const char *name)
{
    for (; *known; known++) {
        if (strcmp(*known, name) == 0)
            return true;
    }
    return false;
}

void suite_load_known(struct loader *l, const struct json *j,
                      const char *const *known)
{
    char q[LOAD_QUOTE];

    for (const struct json *m = json_child(j); m; m = json_next(m)) {
        const char *near;
        if (is_known(known, json_key(m)))
            continue;
        near = nearest(known, json_key(m));
        suite_load_quote(json_key(m), q);
        if (near)
            suite_load_fault(l, q, "unknown field; did you mean \"%s\"?", near);
        else
            suite_load_fault(l, q, "unknown field: remove it");
    }
}

static bool is_utf8(struct loader *l, struct str line, size_t at)
{
    size_t bad;

    if (text_check(line, &bad))
        return true;
    suite_load_fault(
        l, "",
        "broken UTF-8: byte 0x%02x at byte %zu of the line (byte %zu "
        "of the file); save the file as UTF-8",
        (unsigned char)line.p[bad], bad + 1, at + bad + 1);
    return false;
}

/* The parser saw one line, so its "line 1" is not the file's. */
static const char *place_in_line(const char *msg)
{
    static const char line_1[] = "line 1 ";

    return strncmp(msg, line_1, sizeof line_1 - 1) == 0
               ? msg + sizeof line_1 - 1
               : msg;
}

/* One line to one item; false when it is none. */
static bool read_line(struct loader *l, struct str line, size_t at,
                      struct item *it)
{
    struct json *j = NULL;
    struct err e;
    enum err_code rc;

    l->bad = false;
    if (!is_utf8(l, line, at))
        return false;
    rc = json_parse(&j, line, &e);
    if (rc == ERR_NOMEM) {
        suite_load_stop(l, err_set(l->e, rc, "%s", e.msg));
        return false;
    }
    if (rc)
        suite_load_fault(l, "", "broken JSON: %s", place_in_line(e.msg));
    else if (json_type(j) != JSON_OBJECT)
        suite_load_fault(l, "", "is %s, expected an object {...} on one line",
                         json_type_name(json_type(j)));
    else
        suite_load_item(l, j, it);
    json_free(j);
    it->line = l->line;
    suite_load_ask_item_hook(l, it);
    return !l->rc && !l->bad;
}

static size_t count_lines(struct str s)
{
    size_t n = 1;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

static int by_id(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a;
    const struct item *y = *(const struct item *const *)b;
    int c = strcmp(x->id, y->id);

    return c ? c : (x->line > y->line) - (x->line < y->line);
}

/* Sorting tells doubles without a map; the second of two is the fault. */
static void check_ids(struct loader *l, const struct item *items, size_t n)
{
    const struct item **order = mem_array(n + 1, sizeof(struct item *));
    const struct item *first;
    char q[LOAD_QUOTE];

    if (!order) {
        suite_load_stop(l,
                        err_set(l->e, ERR_NOMEM, "no memory for %zu items", n));
        return;
    }
    for (size_t i = 0; i < n; i++)
        order[i] = &items[i];
    qsort(order, n, sizeof(struct item *), by_id);
    first = order[0];
    for (size_t i = 1; i < n; i++) {
        if (strcmp(order[i]->id, first->id) != 0) {
            first = order[i];
            continue;
        }
        l->line = order[i]->line;
        suite_load_fault(l, "id",
                         "\"%s\" is taken by line %zu; every item needs "
                         "an id of its own",
                         suite_load_quote(first->id, q), first->line);
    }
    mem_free(order);
}

bool suite_load_file(struct loader *l, const char *file, struct buf *out)
{
    const char *path = io_join(&l->s->arena, l->s->path, file);

    buf_init(out, MAX_FILE);
    l->file = file;
    l->line = 0;
    l->text = STR("");
    if (l->rc)
        return false;
    if (!path)
        suite_load_stop(
            l, err_set(l->e, ERR_NOMEM, "no memory for suite %s", l->s->path));
    else if (!io_exists(path))
        suite_load_fault(l, "",
                         "is not there; a suite is a folder with " SUITE_FILE
                         " and " ITEMS_FILE);
    else
        suite_load_stop(l, io_read(path, out, l->e));
    l->text = io_skip_bom(buf_view(out));
    return !l->rc && path && io_exists(path);
}

static void read_lines(struct loader *l, const char *start, struct item **items,
                       size_t *n)
{
    struct io_lines lines = { .rest = l->text };

    *items = arena_array(&l->s->arena, count_lines(l->text), sizeof **items);
    while (!l->rc && *items && io_next_line(&lines)) {
        size_t at = (size_t)(lines.line.p - start);
        l->line = lines.number;
        if (str_trim(lines.line).n == 0)
            continue;
        if (read_line(l, lines.line, at, &(*items)[*n]))
            ++*n;
        else
            (*items)[*n] = (struct item){ 0 };
    }
    l->line = 0;
    if (!*items)
        suite_load_stop(l,
                        err_set(l->e, ERR_NOMEM, "%s: no memory", l->s->path));
    else if (!l->rc)
        check_ids(l, *items, *n);
    l->line = 0;
}

/* Reads one JSON Lines file into an array of the arena. */
static void read_items(struct loader *l, const char *file, struct item **items,
                       size_t *n)
{
    struct buf text;
    size_t before = l->n_faults;

    if (suite_load_file(l, file, &text))
        read_lines(l, text.p, items, n);
    if (*n == 0 && l->n_faults == before)
        suite_load_fault(l, "", "is empty, expected one JSON object a line");
    buf_free(&text);
    l->text = STR("");
}

static void read_folder(struct loader *l)
{
    struct suite *s = l->s;

    suite_load_meta(l);
    read_items(l, ITEMS_FILE, &s->items, &s->n_items);
    if (s->shot_source)
        read_items(l, s->shot_source, &s->dev, &s->n_dev);
}

void suite_load_suite(struct loader *l, const char *path)
{
    l->s->path = path;
    l->where = "";
    l->s->path = keep(l, path);
    if (l->rc)
        return;
    if (!io_is_dir(path)) {
        suite_load_stop(
            l, err_set(l->e, ERR_FORMAT,
                       "%s: %s, expected a folder with " SUITE_FILE
                       " and " ITEMS_FILE,
                       path, io_exists(path) ? "is a file" : "is not there"));
        return;
    }
    read_folder(l);
    if (!l->rc && l->s->arena.failed)
        suite_load_stop(l, err_set(l->e, ERR_NOMEM, "%s: no memory", path));
    if (!l->rc && l->n_faults == 0)
        suite_load_stop(l, suite_sum(l->s, l->e));
}
