/* SeSQL: Chinese questions on small databases, in conversations.
 *
 *   db_content.json                       the databases
 *   valid/valid-eval_predictions.json     the questions, one JSON object a line
 *   valid/valid-eval_predictions.json.eval  the queries, in the same order
 *
 * The published queries are not all SQLite's SQL; two things are put right: names
 * that begin with a digit or hold signs get quotes, and "( A ) union ( B )"
 * becomes "select * from ( A ) union select * from ( B )". */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "suites/suite.h"

#define MAX_FILE ((size_t)256 << 20)
#define QUESTIONS "valid/valid-eval_predictions.json"
#define QUERIES QUESTIONS ".eval"

static const char *authors[] = { "SeSQL authors" };

struct import {
    struct suite s;
    struct item *items;
    size_t cap;
    const char *path;
    struct json *dbs;
    struct buf questions, queries;
    struct io_lines query_lines;
    const char *before; /* of the conversation, or "" */
    const char *talk;   /* which conversation that was */
    struct err *e;
};

static enum err_code no_memory(struct import *im)
{
    return err_set(im->e, ERR_NOMEM, "no memory");
}

/* ---- names ---- */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80;
}

static bool needs_quotes(const char *name)
{
    if (*name >= '0' && *name <= '9')
        return true;
    while (*name && is_name(*name))
        name++;
    return *name != '\0';
}

struct names {
    struct str *v;
    size_t n;
};

static int by_length(const void *a, const void *b)
{
    size_t x = ((const struct str *)a)->n, y = ((const struct str *)b)->n;

    return (x < y) - (x > y);
}

static void add_name(struct names *names, const char *name)
{
    if (name && needs_quotes(name))
        names->v[names->n++] = str_of(name);
}

/* Names of the database that need quotes, the longest first. */
static enum err_code collect_names(struct import *im, const struct json *db,
                                   struct names *out)
{
    const struct json *tables = json_get(db, "tables");
    size_t most = 0;

    for (const struct json *t = json_child(tables); t; t = json_next(t))
        most += 1 + json_len(json_get(t, "header"));
    out->n = 0;
    out->v = arena_array(&im->s.arena, most + 1, sizeof *out->v);
    if (!out->v)
        return no_memory(im);
    for (const struct json *t = json_child(tables); t; t = json_next(t)) {
        const struct json *h = json_child(json_get(t, "header"));
        add_name(out, json_key(t));
        for (; h; h = json_next(h))
            add_name(out, json_string(h));
    }
    qsort(out->v, out->n, sizeof *out->v, by_length);
    return ERR_OK;
}

/* Which of the names stands at i, as a whole one. */
static const struct str *name_at(const struct names *names, struct str sql,
                                 size_t i)
{
    if (i > 0 && is_name(sql.p[i - 1]))
        return NULL;
    for (size_t k = 0; k < names->n; k++) {
        size_t end = i + names->v[k].n;
        if (str_starts(str_sub(sql, i, sql.n), names->v[k]) &&
            (end >= sql.n || !is_name(sql.p[end])))
            return &names->v[k];
    }
    return NULL;
}

static size_t text_end(struct str sql, size_t i)
{
    const char *end = memchr(sql.p + i + 1, sql.p[i], sql.n - i - 1);

    return end ? (size_t)(end - sql.p) + 1 : sql.n;
}

static void quote_names(const struct names *names, struct str sql,
                        struct buf *out)
{
    for (size_t i = 0; i < sql.n;) {
        const struct str *name = name_at(names, sql, i);
        size_t end = i + 1;
        if (name) {
            buf_printf(out, "\"%.*s\"", STR_FMT(*name));
            i += name->n;
            continue;
        }
        if (sql.p[i] == '\'' || sql.p[i] == '"')
            end = text_end(sql, i);
        buf_text(out, str_sub(sql, i, end));
        i = end;
    }
}

/* ---- bracketed queries ---- */

/* Whether a query, not a list, may begin with the bracket at i: nothing stands
 * before it, or a word that joins two queries. */
static bool joins(struct str sql, size_t i)
{
    static const char *const words[] = { "union", "intersect", "except",
                                         "union all" };
    struct str before = str_trim(str_sub(sql, 0, i));

    if (!before.n)
        return true;
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        size_t n = strlen(words[k]);
        if (before.n >= n &&
            strncasecmp(before.p + before.n - n, words[k], n) == 0)
            return true;
    }
    return false;
}

static void unbracket(struct str sql, struct buf *out)
{
    int depth = 0;

    for (size_t i = 0; i < sql.n;) {
        size_t end = i + 1;
        if (sql.p[i] == '\'' || sql.p[i] == '"')
            end = text_end(sql, i);
        if (sql.p[i] == '(' && depth++ == 0 && joins(sql, i))
            buf_str(out, "select * from ");
        if (sql.p[i] == ')')
            depth--;
        buf_text(out, str_sub(sql, i, end));
        i = end;
    }
}

static const char *mend(struct import *im, const struct json *db,
                        struct str sql)
{
    struct names names;
    struct buf quoted, out;
    const char *mended = NULL;

    if (collect_names(im, db, &names))
        return NULL;
    buf_init(&quoted, 1 << 16);
    buf_init(&out, 1 << 16);
    quote_names(&names, sql, &quoted);
    unbracket(buf_view(&quoted), &out);
    if (!quoted.failed && !out.failed)
        mended = arena_dup(&im->s.arena, out.p, out.n);
    buf_free(&quoted);
    buf_free(&out);
    return mended;
}

/* ---- the database ---- */

static const char *type_of(const struct json *table, size_t i)
{
    const char *type = json_string(json_at(json_get(table, "type"), i));

    return type && strcmp(type, "number") == 0 ? "NUMERIC" : "TEXT";
}

static void put_table(const struct json *table, struct jw *w)
{
    const struct json *h = json_child(json_get(table, "header"));

    jw_object(w, json_key(table));
    jw_array(w, "columns");
    for (size_t i = 0; h; h = json_next(h), i++) {
        jw_array(w, NULL);
        jw_str(w, NULL, json_string(h));
        jw_str(w, NULL, type_of(table, i));
        jw_end(w);
    }
    jw_end(w);
    jw_array(w, "rows");
    for (const struct json *r = json_child(json_get(table, "cell")); r;
         r = json_next(r)) {
        jw_array(w, NULL);
        for (const struct json *v = json_child(r); v; v = json_next(v))
            jw_str(w, NULL, json_string(v));
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

static const char *make_matcher(struct import *im, const struct json *db)
{
    const struct json *t = json_child(json_get(db, "tables"));
    const char *matcher = NULL;
    struct buf b;
    struct jw w;

    buf_init(&b, 1 << 24);
    jw_init(&w, &b, false);
    jw_object(&w, NULL);
    jw_str(&w, "name", "sql");
    jw_object(&w, "db");
    for (; t; t = json_next(t))
        put_table(t, &w);
    jw_end(&w);
    jw_end(&w);
    if (!b.failed)
        matcher = arena_dup(&im->s.arena, b.p, b.n);
    buf_free(&b);
    return matcher;
}

/* What the model is told of the database: its tables and their columns. */
static const char *make_context(struct import *im, const struct json *db)
{
    const struct json *t = json_child(json_get(db, "tables"));
    const char *context = NULL;
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_str(&b, "SQLite 数据库有下列各表：\n");
    for (; t; t = json_next(t)) {
        const struct json *h = json_child(json_get(t, "header"));
        buf_printf(&b, "\nCREATE TABLE \"%s\" (", json_key(t));
        for (size_t i = 0; h; h = json_next(h), i++)
            buf_printf(&b, "%s\"%s\" %s", i ? ", " : "", json_string(h),
                       type_of(t, i));
        buf_str(&b, ");");
    }
    if (!b.failed)
        context = arena_dup(&im->s.arena, b.p, b.n);
    buf_free(&b);
    return context;
}

/* ---- questions ---- */

static const struct json *find_db(struct import *im, const char *id)
{
    for (const struct json *d = json_child(im->dbs); d; d = json_next(d)) {
        const char *name = json_string(json_get(d, "db_id"));
        if (name && strcmp(name, id) == 0)
            return d;
    }
    err_set(im->e, ERR_FORMAT, "database_id: \"%s\" is not in db_content.json",
            id);
    return NULL;
}

/* The next "LEVEL gold: SELECT ..." of the .eval file. */
static enum err_code next_query(struct import *im, struct str *sql)
{
    while (io_next_line(&im->query_lines)) {
        size_t at = str_find(im->query_lines.line, STR(" gold: "), 0);
        if (at > 8) /* or none */
            continue;
        *sql = str_trim(
            str_sub(im->query_lines.line, at + 7, im->query_lines.line.n));
        return ERR_OK;
    }
    return err_set(im->e, ERR_FORMAT, "%s has fewer queries", QUERIES);
}

static const char *join_words(struct import *im, const struct json *words)
{
    const char *text = NULL;
    struct buf b;

    buf_init(&b, 1 << 16);
    for (const struct json *w = json_child(words); w; w = json_next(w))
        buf_text(&b, str_of(json_string(w)));
    if (!b.failed)
        text = arena_dup(&im->s.arena, b.p, b.n);
    buf_free(&b);
    return text;
}

/* Questions of one conversation build on each other: those before are told. */
static const char *make_question(struct import *im, const char *talk,
                                 const char *asked)
{
    struct arena *a = &im->s.arena;
    bool goes_on = im->talk && strcmp(im->talk, talk) == 0;
    const char *before = goes_on ? im->before : "";

    im->talk = talk;
    im->before = arena_printf(a, "%s%s\n", before, asked);
    return *before ? arena_printf(a,
                                  "先前的问题：\n%s\n接着问：%s\n\n写出回答"
                                  "最后一问的一条 SQL 查询。",
                                  before, asked)
                   : arena_printf(a, "%s\n\n写出回答这个问题的一条 SQL 查询。",
                                  asked);
}

static const char *as_json(struct arena *a, const char *text)
{
    const char *out = NULL;
    struct buf b;
    struct jw w;

    buf_init(&b, 1 << 16);
    jw_init(&w, &b, false);
    jw_str(&w, NULL, text);
    if (!b.failed)
        out = arena_dup(a, b.p, b.n);
    buf_free(&b);
    return out;
}

static enum err_code take_question(struct import *im, const struct json *j)
{
    struct arena *a = &im->s.arena;
    struct item *it = &im->items[im->s.n_items];
    const char *db_id, *talk, *asked, *sql;
    const struct json *db;
    struct str gold;

    if (json_get_str(j, "database_id", &db_id, im->e) ||
        json_get_str(j, "identifier", &talk, im->e) || next_query(im, &gold) ||
        !(db = find_db(im, db_id)))
        return im->e->code;
    asked = join_words(im, json_get(j, "input_seq"));
    sql = mend(im, db, gold);
    talk = arena_strdup(a, talk);
    if (!asked || !sql || !talk)
        return no_memory(im);
    *it = (struct item){
        .id = arena_printf(a, "%04zu", im->s.n_items + 1),
        .subset = "",
        .context = make_context(im, db),
        .question = make_question(im, talk, asked),
        .answer = as_json(a, sql),
        .matcher = make_matcher(im, db),
        .source = talk,
    };
    im->s.n_items++;
    return a->failed || !it->context || !it->matcher || !it->answer
               ? no_memory(im)
               : ERR_OK;
}

static enum err_code take_line(struct import *im, struct str line)
{
    struct json *j = NULL;
    enum err_code rc = json_parse(&j, line, im->e);

    if (!rc &&
        !mem_grow(&im->items, &im->cap, im->s.n_items + 1, sizeof *im->items))
        rc = no_memory(im);
    if (!rc)
        rc = take_question(im, j);
    json_free(j);
    return rc;
}

/* ---- files ---- */

static enum err_code read_part(struct import *im, const char *name,
                               struct buf *out)
{
    const char *file = io_join(&im->s.arena, im->path, name);

    return file ? io_read(file, out, im->e) : no_memory(im);
}

static enum err_code read_databases(struct import *im)
{
    struct buf text;
    enum err_code rc;

    buf_init(&text, MAX_FILE);
    rc = read_part(im, "db_content.json", &text);
    if (!rc)
        rc = json_parse(&im->dbs, io_skip_bom(buf_view(&text)), im->e);
    if (!rc && json_type(im->dbs) != JSON_ARRAY)
        rc = err_set(im->e, ERR_FORMAT, "expected a list of databases");
    if (rc == ERR_FORMAT)
        rc = err_wrap(im->e, "%s/db_content.json", im->path);
    buf_free(&text);
    return rc;
}

static enum err_code read_all(struct import *im)
{
    struct io_lines lines = { .number = 0 };
    enum err_code rc = read_databases(im);

    if (!rc)
        rc = read_part(im, QUESTIONS, &im->questions);
    if (!rc)
        rc = read_part(im, QUERIES, &im->queries);
    lines.rest = io_skip_bom(buf_view(&im->questions));
    im->query_lines.rest = buf_view(&im->queries);
    while (!rc && io_next_line(&lines)) {
        if (!str_trim(lines.line).n)
            continue;
        rc = take_line(im, lines.line);
        if (rc == ERR_FORMAT)
            rc =
                err_wrap(im->e, "%s/%s:%zu", im->path, QUESTIONS, lines.number);
    }
    if (!rc && !im->s.n_items)
        rc = err_set(im->e, ERR_FORMAT, "%s/%s: no questions", im->path,
                     QUESTIONS);
    return rc;
}

static enum err_code import(const char *path, const char *dest, size_t *n_items,
                            struct err *e)
{
    struct import im = { .path = path, .e = e };
    char *folder;
    enum err_code rc;

    im.s = (struct suite){
        .id = "sesql",
        .version = "valid",
        .title_zh = "SeSQL 中文文本转 SQL",
        .title_en = "SeSQL",
        .ability = "基础能力/代码",
        .language = "zh",
        .licence = "MIT",
        .template = "direct-zh",
        .matcher = "{\"name\":\"sql\"}",
        .metric = "accuracy",
        .authors = authors,
        .n_authors = 1,
    };
    arena_init(&im.s.arena, 0);
    buf_init(&im.questions, MAX_FILE);
    buf_init(&im.queries, MAX_FILE);
    rc = read_all(&im);
    folder = io_join(&im.s.arena, dest, im.s.id);
    im.s.items = im.items;
    if (!rc && !folder)
        rc = no_memory(&im);
    if (!rc)
        rc = suite_write(&im.s, folder, e);
    *n_items = rc ? 0 : im.s.n_items;
    json_free(im.dbs);
    buf_free(&im.questions);
    buf_free(&im.queries);
    mem_free(im.items);
    arena_free(&im.s.arena);
    return rc;
}

const struct suite_format suite_format_sesql = {
    .name = "sesql",
    .doc = "SeSQL: db_content.json, " QUESTIONS " and .eval",
    .import = import,
};
