/* Finds suites by id, glob or path.
 *
 * A suite's id is its folder's name, so a list needs no file to be opened.  A
 * folder of the list that is not there is passed over: most machines have but
 * one or two of them. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "suites/suite_load.h"

#define MAX_DIRS 32

struct dirs {
    const char *path[MAX_DIRS];
    size_t n;
};

static void add_dir(struct dirs *d, const char *path)
{
    if (path && d->n < MAX_DIRS)
        d->path[d->n++] = path;
}

static const char *user_dir(struct arena *a)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (data && *data)
        return io_join(a, data, "mokao/suites");
    if (home && *home)
        return io_join(a, home, ".local/share/mokao/suites");
    return NULL;
}

static void find_dirs(struct dirs *d, struct arena *a)
{
    struct str list = str_of(getenv("MOKAO_SUITES"));

    d->n = 0;
    while (list.n > 0) {
        size_t at = str_find(list, STR(":"), 0);
        size_t n = at == (size_t)-1 ? list.n : at;
        if (n > 0)
            add_dir(d, arena_dup(a, list.p, n));
        list = str_sub(list, n < list.n ? n + 1 : n, list.n);
    }
    add_dir(d, "suites/data");
    add_dir(d, "suites/imported");
    add_dir(d, user_dir(a));
    add_dir(d, MK_SHARE "/suites");
}

static bool is_suite(struct arena *a, const char *path)
{
    const char *file = io_join(a, path, SUITE_FILE);

    return file && io_exists(file);
}

/* --- the list of all ------------------------------------------------------- */

struct found {
    const char *id, *path;
    size_t dir; /* place of its folder in the list */
};

struct list {
    struct found *p;
    size_t n, cap;
};

static int by_id(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int c = strcmp(x->id, y->id);

    return c ? c : (x->dir > y->dir) - (x->dir < y->dir);
}

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the list of suites");
}

static enum err_code list_dir(struct list *l, const char *dir, size_t rank,
                              struct arena *a, struct err *e)
{
    char **names;
    size_t n;
    enum err_code rc;

    if (!io_is_dir(dir))
        return ERR_OK;
    rc = io_list(dir, a, &names, &n, e);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *path = io_join(a, dir, names[i]);
        if (!path)
            return no_memory(e);
        /* a name with a dot first is an import under way */
        if (names[i][0] == '.' || !is_suite(a, path))
            continue;
        if (!mem_grow(&l->p, &l->cap, l->n + 1, sizeof *l->p))
            return no_memory(e);
        l->p[l->n++] = (struct found){ names[i], path, rank };
    }
    return rc;
}

/* Sorts by id and keeps the first of each. */
static void sort_list(struct list *l)
{
    size_t kept = 0;

    if (l->n == 0)
        return;
    qsort(l->p, l->n, sizeof *l->p, by_id);
    for (size_t i = 0; i < l->n; i++) {
        if (i == 0 || strcmp(l->p[i].id, l->p[kept - 1].id) != 0)
            l->p[kept++] = l->p[i];
    }
    l->n = kept;
}

static enum err_code list_all(struct list *l, struct arena *a, struct err *e)
{
    struct dirs dirs;
    enum err_code rc = ERR_OK;

    find_dirs(&dirs, a);
    for (size_t i = 0; i < dirs.n && !rc; i++)
        rc = list_dir(l, dirs.path[i], i, a, e);
    sort_list(l);
    return rc;
}

/* --- by spec --------------------------------------------------------------- */

/* The refs of all suites whose id matches the glob. */
static enum err_code take_matching(const struct list *l, const char *glob,
                                   const char *subset, struct arena *a,
                                   struct suite_ref **refs, size_t *n,
                                   struct err *e)
{
    *n = 0;
    *refs = arena_array(a, l->n + 1, sizeof **refs);
    if (!*refs)
        return no_memory(e);
    for (size_t i = 0; i < l->n; i++) {
        if (suite_subset_matches(glob, l->p[i].id))
            (*refs)[(*n)++] = (struct suite_ref){ l->p[i].path, subset };
    }
    return ERR_OK;
}

static enum err_code not_found(const struct list *l, const char *id,
                               struct err *e)
{
    const char *best = NULL;
    size_t least = 4;
    char q[LOAD_QUOTE];

    for (size_t i = 0; i < l->n; i++) {
        size_t d = text_distance(str_of(id), str_of(l->p[i].id));
        if (d < least) {
            least = d;
            best = l->p[i].id;
        }
    }
    suite_load_quote(id, q);
    if (best)
        return err_set(e, ERR_FORMAT, "no suite \"%s\"; did you mean \"%s\"?",
                       q, best);
    return err_set(e, ERR_FORMAT,
                   "no suite \"%s\"; `mokao suite list` names those there "
                   "are, MOKAO_SUITES adds folders to look in",
                   q);
}

/* A path to a suite's folder, or that and /SUBSET. */
static bool find_path(const char *spec, struct arena *a, struct suite_ref *ref)
{
    const char *slash = strrchr(spec, '/');
    const char *folder;

    *ref = (struct suite_ref){ spec, "" };
    if (is_suite(a, spec))
        return true;
    if (!slash || slash == spec)
        return false;
    folder = arena_dup(a, spec, (size_t)(slash - spec));
    if (!folder || !is_suite(a, folder))
        return false;
    *ref = (struct suite_ref){ folder, slash + 1 };
    return true;
}

static enum err_code find_id(const char *spec, struct arena *a,
                             struct suite_ref **refs, size_t *n, struct err *e)
{
    struct list list = { 0 };
    size_t len = strcspn(spec, "/");
    const char *glob = arena_dup(a, spec, len);
    const char *subset = arena_strdup(a, spec[len] ? spec + len + 1 : "");
    enum err_code rc = list_all(&list, a, e);

    if (!rc && (!glob || !subset))
        rc = no_memory(e);
    if (!rc)
        rc = take_matching(&list, glob, subset, a, refs, n, e);
    if (!rc && *n == 0)
        rc = not_found(&list, glob, e);
    mem_free(list.p);
    return rc;
}

enum err_code suite_find(const char *spec, struct arena *a,
                         struct suite_ref **refs, size_t *n, struct err *e)
{
    struct suite_ref ref;

    *refs = NULL;
    *n = 0;
    if (!*spec || !text_check(str_of(spec), NULL))
        return err_set(e, ERR_USAGE,
                       "a suite is named by an id, ID/SUBSET, a "
                       "glob, or the path of its folder");
    if (!find_path(spec, a, &ref)) {
        if (*spec == '/' || *spec == '.')
            return err_set(e, ERR_FORMAT, "%s: no " SUITE_FILE " is there",
                           spec);
        return find_id(spec, a, refs, n, e);
    }
    *refs = arena_array(a, 1, sizeof **refs);
    if (!*refs)
        return no_memory(e);
    (*refs)[0] = (struct suite_ref){ arena_strdup(a, ref.path),
                                     arena_strdup(a, ref.subset) };
    *n = 1;
    return a->failed ? no_memory(e) : ERR_OK;
}

enum err_code suite_list(struct arena *a, struct suite_ref **refs, size_t *n,
                         struct err *e)
{
    struct list list = { 0 };
    enum err_code rc = list_all(&list, a, e);

    if (!rc)
        rc = take_matching(&list, "", "", a, refs, n, e);
    mem_free(list.p);
    return rc;
}

enum err_code suite_import_dir(struct arena *a, const char **out, struct err *e)
{
    *out = io_is_dir("suites") ? "suites/imported" : user_dir(a);
    if (a->failed)
        return no_memory(e);
    if (!*out)
        return err_set(e, ERR_NOENV,
                       "no folder for imported suites: neither "
                       "./suites nor HOME is there; use --dest");
    return ERR_OK;
}
