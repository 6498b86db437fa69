/* HumanEval-X: humaneval_python.jsonl and humaneval_cpp.jsonl, plain or with
 * .gz; one task a line:
 *
 *   {"task_id": "Python/0", "prompt": "def f(x):\n    \"\"\"...", "declaration",
 *    "canonical_solution", "test": "...check(f)", ...}
 *
 * A model is asked for the whole function; an answer that only goes on from the
 * prompt, as base models give it, is run behind the prompt. */
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "suites/gzip.h"
#include "suites/suite.h"

#define MAX_FILE ((size_t)256 << 20)

static const char *authors[] = { "HumanEval-X authors" };
static const struct subset_title titles[] = {
    { "cpp", "C++", "C++" },
    { "python", "Python", "Python" },
};

struct language {
    const char *subset, *file, *matcher, *fence, *asked;
};
static const struct language languages[] = {
    { "cpp", "humaneval_cpp.jsonl", "{\"name\":\"code\",\"language\":\"c++\"}",
      "cpp", "Complete the following C++ function. Give the whole function." },
    { "python", "humaneval_python.jsonl",
      "{\"name\":\"code\",\"language\":\"python\"}", "python",
      "Complete the following Python function. Give the whole function." },
};
/* For the task that computes a digest. */
static const char with_crypto[] =
    "{\"name\":\"code\",\"language\":\"c++\",\"link\":[\"crypto\"]}";

struct import {
    struct suite s;
    struct item *items;
    size_t cap;
    const struct language *l;
    struct err *e;
};

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

/* The function's name: what stands before the bracket of the last line that is
 * not indented, "def NAME(" or "TYPE NAME(".  *line is where that begins. */
static const char *entry_of(struct arena *a, struct str code, size_t *line)
{
    struct io_lines lines = { .rest = code };
    const char *entry = NULL;

    while (io_next_line(&lines)) {
        struct str s = lines.line;
        const char *open = s.n ? memchr(s.p, '(', s.n) : NULL;
        size_t end = open ? (size_t)(open - s.p) : 0, at;
        while (end > 0 && s.p[end - 1] == ' ')
            end--;
        for (at = end; at > 0 && is_name(s.p[at - 1]);)
            at--;
        if (!open || at == end || at == 0 || !is_name(s.p[0]))
            continue;
        entry = arena_dup(a, s.p + at, end - at);
        *line = (size_t)(s.p - code.p);
    }
    return entry;
}

struct task {
    const char *id, *prompt, *declaration, *test;
};

static enum err_code read_task(const struct json *j, struct task *t,
                               struct err *e)
{
    if (json_get_str(j, "task_id", &t->id, e) ||
        json_get_str(j, "prompt", &t->prompt, e) ||
        json_get_str(j, "declaration", &t->declaration, e) ||
        json_get_str(j, "test", &t->test, e))
        return e->code;
    return ERR_OK;
}

/* C++ goes on from the declaration, which has all the headers. */
static void put_answer(const struct import *im, const struct task *t,
                       const char *entry, size_t head, struct buf *b)
{
    bool cpp = im->l == &languages[0];
    struct jw w;

    jw_init(&w, b, false);
    jw_object(&w, NULL);
    jw_str(&w, "entry", entry);
    jw_str(&w, "prefix", cpp ? t->declaration : t->prompt);
    if (cpp)
        jw_text(&w, "head", (struct str){ t->declaration, head });
    jw_str(&w, "test", t->test);
    jw_end(&w);
}

static enum err_code take_task(struct import *im, const struct task *t)
{
    struct arena *a = &im->s.arena;
    struct item *it = &im->items[im->s.n_items];
    size_t head = 0;
    const char *entry = entry_of(a, str_of(t->declaration), &head);
    const char *slash = strchr(t->id, '/');
    struct buf b;

    if (!entry || !slash)
        return err_set(im->e, ERR_FORMAT, "%s: no function is declared", t->id);
    buf_init(&b, 1 << 20);
    put_answer(im, t, entry, head, &b);
    *it = (struct item){
        .id = arena_printf(a, "%s-%s", im->l->subset, slash + 1),
        .subset = im->l->subset,
        .question = arena_printf(a, "%s\n\n```%s\n%s\n```", im->l->asked,
                                 im->l->fence, t->prompt),
        .answer = arena_dup(a, b.p, b.n),
        .matcher = strstr(t->prompt, "openssl/") ? with_crypto : im->l->matcher,
        .source = arena_strdup(a, t->id),
    };
    im->s.n_items++;
    buf_free(&b);
    return a->failed ? err_set(im->e, ERR_NOMEM, "no memory") : ERR_OK;
}

static enum err_code take_line(struct import *im, struct str line)
{
    struct json *j = NULL;
    struct task t;
    enum err_code rc = json_parse(&j, line, im->e);

    if (!rc)
        rc = read_task(j, &t, im->e);
    if (!rc &&
        !mem_grow(&im->items, &im->cap, im->s.n_items + 1, sizeof *im->items))
        rc = err_set(im->e, ERR_NOMEM, "no memory");
    if (!rc)
        rc = take_task(im, &t);
    json_free(j);
    return rc;
}

static enum err_code read_file(struct import *im, const char *path)
{
    struct io_lines lines = { .number = 0 };
    struct buf text;
    enum err_code rc;

    buf_init(&text, MAX_FILE);
    rc = gzip_read(path, &text, im->e);
    lines.rest = io_skip_bom(buf_view(&text));
    while (!rc && io_next_line(&lines)) {
        if (!str_trim(lines.line).n)
            continue;
        rc = take_line(im, lines.line);
        if (rc)
            rc = err_wrap(im->e, "%s:%zu", path, lines.number);
    }
    buf_free(&text);
    return rc;
}

/* The file as it is named, or packed; NULL when there is neither. */
static const char *find_file(struct arena *a, const char *dir, const char *name)
{
    const char *plain = io_join(a, dir, name);
    const char *packed = plain ? arena_printf(a, "%s.gz", plain) : NULL;

    if (packed && io_exists(plain))
        return plain;
    return packed && io_exists(packed) ? packed : NULL;
}

static enum err_code read_folder(struct import *im, const char *path)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < sizeof languages / sizeof *languages && !rc; i++) {
        const char *file = find_file(&im->s.arena, path, languages[i].file);
        im->l = &languages[i];
        if (file)
            rc = read_file(im, file);
    }
    if (!rc && !im->s.n_items)
        rc = err_set(im->e, ERR_FORMAT,
                     "%s: no humaneval_python.jsonl or humaneval_cpp.jsonl "
                     "(or .gz) with tasks in it",
                     path);
    return rc;
}

static enum err_code import(const char *path, const char *dest, size_t *n_items,
                            struct err *e)
{
    struct import im = { .e = e };
    char *folder;
    enum err_code rc;

    im.s = (struct suite){
        .id = "humaneval-x",
        .version = "1",
        .title_zh = "HumanEval-X 编程",
        .title_en = "HumanEval-X",
        .ability = "基础能力/代码",
        .language = "en",
        .licence = "Apache-2.0",
        .template = "direct-en",
        .matcher = languages[1].matcher,
        .metric = "accuracy",
        .authors = authors,
        .n_authors = 1,
        .n_subset_titles = sizeof titles / sizeof *titles,
    };
    arena_init(&im.s.arena, 0);
    im.s.subset_titles = arena_alloc(&im.s.arena, sizeof titles);
    if (im.s.subset_titles)
        memcpy(im.s.subset_titles, titles, sizeof titles);
    rc = read_folder(&im, path);
    folder = io_join(&im.s.arena, dest, im.s.id);
    im.s.items = im.items;
    if (!rc && im.s.arena.failed)
        rc = err_set(e, ERR_NOMEM, "no memory");
    if (!rc)
        rc = suite_write(&im.s, folder, e);
    *n_items = rc ? 0 : im.s.n_items;
    mem_free(im.items);
    arena_free(&im.s.arena);
    return rc;
}

const struct suite_format suite_format_humaneval = {
    .name = "humaneval-x",
    .doc = "HumanEval-X: humaneval_python.jsonl, humaneval_cpp.jsonl (or .gz)",
    .import = import,
};
