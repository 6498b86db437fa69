/* Reading the table of providers.
 *
 * The built-in rows come first; a user's file then adds rows, or members to
 * rows that are there.  Of a member in both the user's counts, but for the
 * lists "parameters", "models" and "prices": the user's entries stand before
 * the built-in ones and so are looked at first.  Every row, merged, passes the
 * same checks, so a message can name file, row and member. */
#include "runners/provider_rows.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"

__asm__(".pushsection .rodata\n"
        ".global mk_providers_json\nmk_providers_json:\n"
        ".incbin \"runners/providers.json\"\n.byte 0\n.popsection\n");
extern const char mk_providers_json[];

enum { FILE_BYTES = 4 << 20 };

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the providers");
}

/* --- merging -------------------------------------------------------------- */

static void write_node(struct jw *w, const char *key, const struct json *j,
                       struct err *e)
{
    struct buf text;

    buf_init(&text, FILE_BYTES);
    if (json_write(j, &text, e))
        w->out->failed = true;
    else
        jw_raw(w, key, buf_view(&text));
    buf_free(&text);
}

/* The user's entries, then ours. */
static void write_both(struct jw *w, const char *key, const struct json *theirs,
                       const struct json *ours, struct err *e)
{
    jw_array(w, key);
    for (const struct json *j = json_child(theirs); j; j = json_next(j))
        write_node(w, NULL, j, e);
    for (const struct json *j = json_child(ours); j; j = json_next(j))
        write_node(w, NULL, j, e);
    jw_end(w);
}

static bool is_joined(const char *key)
{
    static const char *const joined[] = { "parameters", "models", "prices" };

    for (size_t i = 0; i < sizeof joined / sizeof *joined; i++)
        if (strcmp(joined[i], key) == 0)
            return true;
    return false;
}

static void write_merged(struct jw *w, const struct json *ours,
                         const struct json *theirs, struct err *e)
{
    const struct json *j;

    jw_object(w, NULL);
    for (j = json_child(ours); j; j = json_next(j)) {
        const char *key = json_key(j);
        const struct json *t = json_get(theirs, key);
        if (t && is_joined(key) && json_type(t) == JSON_ARRAY)
            write_both(w, key, t, j, e);
        else
            write_node(w, key, t && strcmp(key, "id") != 0 ? t : j, e);
    }
    for (j = json_child(theirs); j; j = json_next(j))
        if (!json_get(ours, json_key(j)))
            write_node(w, json_key(j), j, e);
    jw_end(w);
}

/* A tree of its own: `theirs` over `ours`. */
static enum err_code merge(const struct json *ours, const struct json *theirs,
                           struct json **out, struct err *e)
{
    struct buf text;
    struct jw w;
    enum err_code rc;

    buf_init(&text, FILE_BYTES);
    jw_init(&w, &text, false);
    write_merged(&w, ours, theirs, e);
    rc = buf_check(&text, "a row", e);
    if (!rc)
        rc = json_parse(out, buf_view(&text), e);
    buf_free(&text);
    return rc;
}

/* --- the table ------------------------------------------------------------ */

static enum err_code row_id(const struct json *row, const char **id,
                            struct err *e)
{
    if (json_type(row) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "expected rows, got %s",
                       json_type_name(json_type(row)));
    if (json_get_str(row, "id", id, e))
        return e->code;
    if (!**id ||
        strspn(*id, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != strlen(*id))
        return err_set(e, ERR_FORMAT, "id: expected a-z, 0-9 and _, got \"%s\"",
                       *id);
    return ERR_OK;
}

/* The place of a row of that id, a new one at the end if there is none. */
static struct provider *place(struct providers *p, const char *id,
                              struct json ***tree)
{
    size_t i = 0;

    while (i < p->n && strcmp(p->rows[i].id, id) != 0)
        i++;
    if (i == p->cap)
        return NULL;
    if (i == p->n)
        p->n++;
    *tree = &p->trees[i];
    return &p->rows[i];
}

static enum err_code add_row(struct providers *p, const struct json *row,
                             struct err *e)
{
    const struct provider *known;
    struct provider *at;
    struct json **tree = NULL, *merged = NULL;
    const char *id = NULL;

    if (row_id(row, &id, e))
        return e->code;
    known = providers_find(p, id);
    id = arena_strdup(&p->arena, known ? known->id : id);
    if (!id)
        return no_memory(e);
    if (known && merge(known->row, row, &merged, e))
        return e->code;
    at = place(p, id, &tree);
    if (!at) {
        json_free(merged);
        return err_set(e, ERR_LIMIT, "too many rows");
    }
    json_free(*tree);
    *tree = merged;
    *at = (struct provider){ .id = id };
    return provider_read(merged ? merged : row, &p->arena, at, e)
               ? err_wrap(e, "row %s", id)
               : ERR_OK;
}

/* No name of a row may be a name of another one. */
static enum err_code check_names(const struct providers *p, struct err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct provider *r = &p->rows[i];
        for (size_t k = 0; k <= r->n_aliases; k++) {
            const char *name = k < r->n_aliases ? r->aliases[k] : r->id;
            const struct provider *first = providers_find(p, name);
            if (first != r)
                return err_set(e, ERR_FORMAT,
                               "row %s: aliases: \"%s\" is a name of %s", r->id,
                               name, first->id);
        }
    }
    return ERR_OK;
}

/* Room for as many rows more. */
static enum err_code reserve(struct providers *p, size_t more, struct err *e)
{
    size_t cap = p->n + more;
    struct provider *rows = arena_array(&p->arena, cap + 1, sizeof *rows);
    struct json **trees = arena_array(&p->arena, cap + 1, sizeof(void *));

    if (!rows || !trees)
        return no_memory(e);
    for (size_t i = 0; i < p->n; i++) {
        rows[i] = p->rows[i];
        trees[i] = p->trees[i];
    }
    p->rows = rows;
    p->trees = trees;
    p->cap = cap;
    return ERR_OK;
}

static enum err_code add_text(struct providers *p, struct str text,
                              struct err *e)
{
    static const char *const members[] = { "_about", "sources", "providers",
                                           NULL };
    struct json *j = NULL;
    const struct json *list, *row;
    size_t n = 0;
    enum err_code rc = json_parse(&j, io_skip_bom(text), e);

    if (!rc)
        p->files[p->n_files++] = j;
    if (!rc && json_type(j) != JSON_OBJECT)
        rc = err_set(e, ERR_FORMAT, "expected an object with \"providers\"");
    if (!rc)
        rc = json_only(j, members, e);
    list = json_get(j, "providers");
    if (!rc && (!list || json_type(list) != JSON_ARRAY))
        rc = err_set(e, ERR_FORMAT, "providers: missing, expected a list");
    if (!rc)
        rc = reserve(p, json_len(list), e);
    for (row = json_child(list); row && !rc; row = json_next(row)) {
        rc = add_row(p, row, e);
        if (rc && !json_get(row, "id"))
            err_wrap(e, "row %zu", n + 1);
        n++;
    }
    return rc ? rc : check_names(p, e);
}

static const char *usual_file(struct arena *a)
{
    const char *named = getenv("MOKAO_PROVIDERS"), *home = getenv("HOME");
    const char *config = getenv("XDG_CONFIG_HOME"), *path;

    if (named && *named)
        return named;
    if (config && *config)
        path = arena_printf(a, "%s/mokao/providers.json", config);
    else
        path = arena_printf(a, "%s/.config/mokao/providers.json",
                            home ? home : "");
    return path && io_exists(path) ? path : NULL;
}

static enum err_code add_file(struct providers *p, const char *file,
                              struct err *e)
{
    struct buf text;
    enum err_code rc;

    buf_init(&text, FILE_BYTES);
    rc = io_read(file, &text, e);
    if (!rc && add_text(p, buf_view(&text), e))
        rc = err_wrap(e, "%s", file);
    buf_free(&text);
    return rc;
}

enum err_code providers_open(struct providers **out, const char *file,
                             struct err *e)
{
    struct providers *p = mem_zalloc(sizeof *p);
    enum err_code rc;

    if (!p)
        return no_memory(e);
    arena_init(&p->arena, 0);
    rc = add_text(p, str_of(mk_providers_json), e);
    if (rc)
        err_wrap(e, "built-in providers");
    if (!file)
        file = usual_file(&p->arena);
    if (!rc && file)
        rc = add_file(p, file, e);
    if (!rc && p->arena.failed)
        rc = no_memory(e);
    if (rc)
        providers_close(p);
    else
        *out = p;
    return rc;
}

void providers_close(struct providers *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        json_free(p->trees[i]);
    for (size_t i = 0; i < p->n_files; i++)
        json_free(p->files[i]);
    arena_free(&p->arena);
    mem_free(p);
}
