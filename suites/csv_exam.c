/* Reads an exam laid out as DIR/SUBJECT.csv.
 *
 * Columns are found by their names in the heading, so that a file with its
 * columns in another order reads the same.  Texts are kept byte for byte:
 * published scores were made with the stray spaces that are in them. */
#include "suites/csv_exam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/buf.h"
#include "harness/base/io.h"
#include "suites/csv.h"

#define MAX_FILE ((size_t)256 << 20)
#define LETTERS 4

struct import {
    const struct csv_exam *x;
    const char *path;
    struct suite s;
    size_t cap_items, cap_dev; /* of the arrays below, which grow */
    struct item *items, *dev;
    struct err *e;
};

static enum err_code no_memory(struct import *im)
{
    return err_set(im->e, ERR_NOMEM, "%s: no memory", im->path);
}

/* Where the columns of a file stand. */
struct columns {
    size_t question, answer, explanation, letter[LETTERS];
};

static const char *const letters[LETTERS] = { "A", "B", "C", "D" };

static enum err_code find_column(const struct csv *c, const char *name,
                                 size_t *out, struct err *e)
{
    for (*out = 0; *out < c->n; ++*out) {
        if (strcmp(c->field[*out], name) == 0)
            return ERR_OK;
    }
    return err_set(e, ERR_FORMAT, "row 1: no column \"%s\" in the heading",
                   name);
}

static enum err_code read_heading(const struct csv_exam *x, struct csv *c,
                                  bool dev, struct columns *col, struct err *e)
{
    bool more;
    enum err_code rc = csv_next(c, &more, e);

    if (!rc && !more)
        rc = err_set(e, ERR_FORMAT, "is empty, expected a heading and rows");
    if (!rc)
        rc = find_column(c, x->question, &col->question, e);
    for (size_t i = 0; i < LETTERS && !rc; i++)
        rc = find_column(c, letters[i], &col->letter[i], e);
    if (!rc)
        rc = find_column(c, x->answer, &col->answer, e);
    if (!rc && dev && x->explanation)
        rc = find_column(c, x->explanation, &col->explanation, e);
    return rc;
}

static enum err_code check_row(const struct csv_exam *x, const struct csv *c,
                               const struct columns *col, size_t width,
                               struct err *e)
{
    const char *answer;

    if (c->n != width)
        return err_set(e, ERR_FORMAT,
                       "row %zu (line %zu): %zu columns, the heading has %zu; "
                       "a comma without quotes around the field?",
                       c->row, c->line, c->n, width);
    if (str_trim(str_of(c->field[col->question])).n == 0)
        return err_set(e, ERR_FORMAT, "row %zu (line %zu), column %s: empty",
                       c->row, c->line, x->question);
    for (size_t i = 0; i < LETTERS; i++) {
        if (str_trim(str_of(c->field[col->letter[i]])).n == 0)
            return err_set(e, ERR_FORMAT,
                           "row %zu (line %zu), column %s: empty", c->row,
                           c->line, letters[i]);
    }
    answer = c->field[col->answer];
    if (strlen(answer) != 1 || answer[0] < 'A' || answer[0] > 'D')
        return err_set(e, ERR_FORMAT,
                       "row %zu (line %zu), column %s: expected one of A, B, "
                       "C, D, got \"%s\"",
                       c->row, c->line, x->answer, answer);
    return ERR_OK;
}

static int cmp_subject(const void *key, const void *row)
{
    return strcmp(key, ((const struct csv_subject *)row)->name);
}

static const struct csv_subject *find_subject(const struct csv_exam *x,
                                              const char *name)
{
    if (x->n_subjects == 0)
        return NULL;
    return bsearch(name, x->subjects, x->n_subjects, sizeof *x->subjects,
                   cmp_subject);
}

/* The fields of a checked row; strings lie in the suite's arena. */
static void fill_item(struct import *im, const struct csv *c,
                      const struct columns *col, const char *subset, bool dev,
                      struct item *it)
{
    const struct csv_subject *subject = find_subject(im->x, subset);
    struct arena *a = &im->s.arena;

    *it = (struct item){
        .id = arena_printf(a, "%s-%zu", subset, c->row - 2),
        .subset = subset,
        .question = c->field[col->question],
        .choices = arena_array(a, LETTERS, sizeof *it->choices),
        .n_choices = LETTERS,
        .answer = arena_printf(a, "\"%s\"", c->field[col->answer]),
    };
    for (size_t i = 0; it->choices && i < LETTERS; i++)
        it->choices[i] =
            (struct choice){ letters[i], c->field[col->letter[i]] };
    if (dev && im->x->explanation)
        it->explanation = c->field[col->explanation];
    if (!subject || !subject->group)
        return;
    it->tags = arena_array(a, 1, sizeof *it->tags);
    it->n_tags = it->tags ? 1 : 0;
    if (it->tags)
        it->tags[0] = subject->group;
}

static enum err_code read_rows(struct import *im, struct csv *c,
                               const char *subset, bool dev)
{
    struct item **list = dev ? &im->dev : &im->items;
    size_t *cap = dev ? &im->cap_dev : &im->cap_items;
    size_t *n = dev ? &im->s.n_dev : &im->s.n_items;
    struct columns col = { 0 };
    bool more = true;
    size_t width, before = *n;
    enum err_code rc = read_heading(im->x, c, dev, &col, im->e);

    width = c->n;
    while (!rc && !(rc = csv_next(c, &more, im->e)) && more) {
        if ((rc = check_row(im->x, c, &col, width, im->e)))
            break;
        if (!mem_grow(list, cap, *n + 1, sizeof **list))
            return no_memory(im);
        fill_item(im, c, &col, subset, dev, &(*list)[(*n)++]);
    }
    if (!rc && *n == before)
        rc = err_set(im->e, ERR_FORMAT, "has a heading but no rows");
    return rc;
}

static enum err_code read_file(struct import *im, const char *file,
                               const char *subset, bool dev)
{
    struct buf text;
    struct csv c;
    enum err_code rc;

    buf_init(&text, MAX_FILE);
    rc = io_read(file, &text, im->e);
    if (!rc) {
        rc = csv_init(&c, buf_view(&text), &im->s.arena, im->e);
        if (!rc)
            rc = read_rows(im, &c, subset, dev);
        if (rc)
            rc = err_wrap(im->e, "%s", file);
    }
    buf_free(&text);
    return rc;
}

/* --- the layout ------------------------------------------------------------ */

/* The subject of a file name, NULL when it has another ending. */
static const char *subject_of(struct arena *a, const char *name,
                              const char *end)
{
    struct str s = str_of(name), tail = str_of(end);

    if (!str_ends(s, tail) || s.n == tail.n || name[0] == '.')
        return NULL;
    return arena_dup(a, name, s.n - tail.n);
}

static enum err_code wrong_layout(struct import *im)
{
    const struct csv_exam *x = im->x;

    return err_set(im->e, ERR_FORMAT,
                   "%s: no %s/ and %s/ folders, expected the layout of %s: "
                   "%s/SUBJECT%s and %s/SUBJECT%s",
                   im->path, x->dev_dir, x->items_dir, x->head->title_en,
                   x->dev_dir, x->dev_end, x->items_dir, x->items_end);
}

/* The file's name becomes the subset's, which globs and paths are made of. */
static enum err_code check_subject(struct import *im, const char *file,
                                   const char *subset)
{
    if (text_check(str_of(subset), NULL) && !strpbrk(subset, "*? \t\r\n"))
        return ERR_OK;
    return err_set(im->e, ERR_FORMAT,
                   "%s: expected a name in UTF-8 without space, * and ?: it "
                   "becomes the subset's name",
                   file);
}

static enum err_code read_subject(struct import *im, const char *items_file,
                                  const char *subset)
{
    struct arena *a = &im->s.arena;
    char *dev_name = arena_printf(a, "%s%s", subset, im->x->dev_end);
    char *dir = io_join(a, im->path, im->x->dev_dir);
    char *dev = dir && dev_name ? io_join(a, dir, dev_name) : NULL;
    enum err_code rc;

    if (!dev)
        return no_memory(im);
    if (!io_exists(dev))
        return err_set(im->e, ERR_FORMAT,
                       "%s: is not there, but %s is: every subject needs its "
                       "examples",
                       dev, items_file);
    rc = read_file(im, dev, subset, true);
    return rc ? rc : read_file(im, items_file, subset, false);
}

static enum err_code read_folder(struct import *im)
{
    struct arena *a = &im->s.arena;
    char *dir = io_join(a, im->path, im->x->items_dir);
    char *dev = io_join(a, im->path, im->x->dev_dir);
    char **names;
    size_t n;
    enum err_code rc;

    if (!dir || !dev)
        return no_memory(im);
    if (!io_is_dir(dir) || !io_is_dir(dev))
        return wrong_layout(im);
    rc = io_list(dir, a, &names, &n, im->e);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *subset = subject_of(a, names[i], im->x->items_end);
        const char *file = io_join(a, dir, names[i]);
        if (a->failed)
            return no_memory(im);
        if (!subset)
            continue;
        rc = check_subject(im, file, subset);
        if (!rc)
            rc = read_subject(im, file, subset);
    }
    if (!rc && im->s.n_items == 0)
        rc = err_set(im->e, ERR_FORMAT, "%s: no file SUBJECT%s", dir,
                     im->x->items_end);
    return rc;
}

/* "high_school_biology" reads "high school biology" where no title is known. */
static const char *spaced(struct arena *a, const char *name)
{
    char *s = arena_strdup(a, name);

    for (char *p = s; p && *p; p++)
        *p = *p == '_' ? ' ' : *p;
    return s;
}

/* Items come sorted by subset, since files do. */
static void name_subsets(struct import *im)
{
    struct suite *s = &im->s;
    const char *last = "";

    s->subset_titles =
        arena_array(&s->arena, s->n_items, sizeof *s->subset_titles);
    for (size_t i = 0; s->subset_titles && i < s->n_items; i++) {
        const char *name = s->items[i].subset;
        const struct csv_subject *subject = find_subject(im->x, name);
        if (strcmp(name, last) == 0)
            continue;
        last = name;
        s->subset_titles[s->n_subset_titles++] = (struct subset_title){
            .subset = name,
            .zh = subject ? subject->zh : spaced(&s->arena, name),
            .en =
                subject && subject->en ? subject->en : spaced(&s->arena, name),
        };
    }
}

static enum err_code write_suite(struct import *im, const char *dest)
{
    struct arena *a = &im->s.arena;
    char *path = io_join(a, dest, im->s.id);

    im->s.items = im->items;
    im->s.dev = im->dev;
    name_subsets(im);
    if (a->failed)
        return no_memory(im);
    return suite_write(&im->s, path, im->e);
}

enum err_code csv_exam_import(const struct csv_exam *x, const char *path,
                              const char *dest, size_t *n_items, struct err *e)
{
    struct import im = { .x = x, .path = path, .s = *x->head, .e = e };
    enum err_code rc;

    arena_init(&im.s.arena, 0);
    rc = read_folder(&im);
    if (!rc)
        rc = write_suite(&im, dest);
    *n_items = rc ? 0 : im.s.n_items;
    arena_free(&im.s.arena);
    mem_free(im.items);
    mem_free(im.dev);
    return rc;
}
