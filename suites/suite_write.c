/* Writes a suite in our own form, the whole folder at once.
 *
 * The files are written into a folder beside the final one, ".NAME.new-PID",
 * which then takes its place.  A name with a dot first is no suite to
 * suite_list(), so what a killed import leaves behind is never run. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "suites/suite_load.h"

#define MAX_FILE ((size_t)1 << 30)

static void put_str(struct jw *w, const char *key, const char *s)
{
    if (s && *s)
        jw_str(w, key, s);
}

static void put_raw(struct jw *w, const char *key, const char *json)
{
    if (json)
        jw_raw(w, key, str_of(json));
}

static void put_strs(struct jw *w, const char *key, const char *const *list,
                     size_t n)
{
    if (n == 0)
        return;
    jw_array(w, key);
    for (size_t i = 0; i < n; i++)
        jw_str(w, NULL, list[i]);
    jw_end(w);
}

static void put_titles(struct jw *w, const char *key, const char *zh,
                       const char *en)
{
    jw_object(w, key);
    put_str(w, "zh", zh);
    put_str(w, "en", en);
    jw_end(w);
}

static void put_meta(const struct suite *s, struct buf *b)
{
    struct jw w;

    jw_init(&w, b, true);
    jw_object(&w, NULL);
    put_str(&w, "id", s->id);
    put_str(&w, "version", s->version);
    put_titles(&w, "title", s->title_zh, s->title_en);
    put_str(&w, "ability", s->ability);
    put_str(&w, "language", s->language);
    put_str(&w, "licence", s->licence);
    put_strs(&w, "authors", s->authors, s->n_authors);
    put_str(&w, "template", s->template);
    put_raw(&w, "matcher", s->matcher);
    if (s->n_dev) {
        jw_object(&w, "few_shot");
        jw_str(&w, "file", DEV_FILE);
        jw_end(&w);
    }
    put_str(&w, "metric", s->metric);
    put_str(&w, "canary", s->canary);
    if (s->n_subset_titles)
        jw_object(&w, "subset_titles");
    for (size_t i = 0; i < s->n_subset_titles; i++)
        put_titles(&w, s->subset_titles[i].subset, s->subset_titles[i].zh,
                   s->subset_titles[i].en);
    if (s->n_subset_titles)
        jw_end(&w);
    jw_end(&w);
    buf_char(b, '\n');
}

static void put_choices(struct jw *w, const struct item *it)
{
    if (it->n_choices == 0)
        return;
    jw_object(w, "choices");
    for (size_t i = 0; i < it->n_choices; i++)
        jw_str(w, it->choices[i].key, it->choices[i].text);
    jw_end(w);
}

static void put_turns(struct jw *w, const struct item *it)
{
    if (it->n_turns == 0)
        return;
    jw_array(w, "turns");
    for (size_t i = 0; i < it->n_turns; i++) {
        jw_object(w, NULL);
        jw_str(w, "question", it->turns[i].question);
        put_raw(w, "answer", it->turns[i].answer);
        put_raw(w, "matcher", it->turns[i].matcher);
        jw_end(w);
    }
    jw_end(w);
}

static void put_item(const struct item *it, struct buf *b)
{
    struct jw w;

    jw_init(&w, b, false);
    jw_object(&w, NULL);
    put_str(&w, "id", it->id);
    put_str(&w, "subset", it->subset);
    put_str(&w, "system", it->system);
    put_str(&w, "context", it->context);
    put_str(&w, "question", it->question);
    put_turns(&w, it);
    put_choices(&w, it);
    put_raw(&w, "answer", it->answer);
    put_str(&w, "explanation", it->explanation);
    put_str(&w, "difficulty", it->difficulty);
    put_strs(&w, "tags", it->tags, it->n_tags);
    put_raw(&w, "matcher", it->matcher);
    put_str(&w, "source", it->source);
    jw_end(&w);
    buf_char(b, '\n');
}

static enum err_code write_file(const char *folder, const char *name,
                                const struct buf *b, struct arena *a,
                                struct err *e)
{
    const char *path = io_join(a, folder, name);
    enum err_code rc = buf_check(b, name, e);

    if (!rc && !path)
        rc = err_set(e, ERR_NOMEM, "%s: no memory", name);
    return rc ? rc : io_replace(path, buf_view(b), e);
}

static enum err_code write_items(const char *folder, const char *name,
                                 const struct item *items, size_t n,
                                 struct arena *a, struct err *e)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, MAX_FILE);
    for (size_t i = 0; i < n; i++)
        put_item(&items[i], &b);
    rc = write_file(folder, name, &b, a, e);
    buf_free(&b);
    return rc;
}

static enum err_code write_all(const struct suite *s, const char *folder,
                               struct arena *a, struct err *e)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, MAX_FILE);
    put_meta(s, &b);
    rc = write_file(folder, SUITE_FILE, &b, a, e);
    buf_free(&b);
    if (!rc)
        rc = write_items(folder, ITEMS_FILE, s->items, s->n_items, a, e);
    if (!rc && s->n_dev)
        rc = write_items(folder, DEV_FILE, s->dev, s->n_dev, a, e);
    return rc;
}

/* Whether what stands at path may be replaced: nothing, an empty folder, or a
 * suite. */
static enum err_code may_replace(const char *path, struct arena *a,
                                 struct err *e)
{
    const char *file = io_join(a, path, SUITE_FILE);
    char **names;
    size_t n;
    enum err_code rc;

    if (!io_exists(path) || (file && io_exists(file)))
        return ERR_OK;
    if (!io_is_dir(path))
        return err_set(e, ERR_USAGE, "%s is a file, expected a folder", path);
    rc = io_list(path, a, &names, &n, e);
    if (!rc && n > 0)
        rc = err_set(e, ERR_USAGE,
                     "%s holds other things than a suite: move it away, or "
                     "choose another folder",
                     path);
    return rc;
}

/* path less its last part and closing slashes; *name is the last part. */
static const char *split(struct arena *a, const char *path, const char **name)
{
    size_t n = strlen(path), at;

    while (n > 1 && path[n - 1] == '/')
        n--;
    for (at = n; at > 0 && path[at - 1] != '/';)
        at--;
    *name = arena_dup(a, path + at, n - at);
    if (at == 0)
        return ".";
    return arena_dup(a, path, at);
}

static enum err_code write_beside(const struct suite *s, const char *path,
                                  struct arena *a, struct err *e)
{
    const char *name, *parent = split(a, path, &name), *tmp;
    struct err ignored;
    enum err_code rc;

    if (a->failed)
        return err_set(e, ERR_NOMEM, "%s: no memory", path);
    tmp = arena_printf(a, "%s/.%s.new-%ld", parent, name, (long)getpid());
    if (!tmp)
        return err_set(e, ERR_NOMEM, "%s: no memory", path);
    if ((rc = io_mkdirs(tmp, e)))
        return rc;
    rc = write_all(s, tmp, a, e);
    if (!rc)
        rc = io_replace_dir(tmp, path, e);
    if (io_exists(tmp))
        (void)!io_remove_dir(tmp, &ignored);
    return rc;
}

enum err_code suite_write(const struct suite *s, const char *path,
                          struct err *e)
{
    struct arena a;
    enum err_code rc;

    arena_init(&a, 0);
    rc = may_replace(path, &a, e);
    if (!rc)
        rc = write_beside(s, path, &a, e);
    arena_free(&a);
    return rc;
}
