/* Importers: CSV, the layouts of C-Eval and CMMLU, and their broken kin. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "suites/csv.h"
#include "suites/suite.h"
#include "tests/t.h"

/* A file below the test's folder; the folders above it are made. */
static const char *put(struct arena *a, const char *name, const char *text)
{
    char *path = io_join(a, t_tmp(), name);
    char *dir = arena_dup(a, path, (size_t)(strrchr(path, '/') - path));
    struct err e;

    t_ok(io_mkdirs(dir, &e), &e);
    t_ok(io_replace(path, str_of(text), &e), &e);
    return path;
}

static enum err_code import(const char *format, const char *from,
                            const char *to, size_t *n, struct err *e)
{
    const struct suite_format *f = suite_format_find(format, NULL);

    ck_assert_ptr_nonnull(f);
    return f->import(from, to, n, e);
}

/* Fields joined by '|', rows by a line break; or the message. */
static const char *csv_shown(struct arena *a, const char *text)
{
    struct buf b;
    struct csv c;
    struct err e = { 0 };
    bool more = true;
    const char *out;
    enum err_code rc = csv_init(&c, str_of(text), a, &e);

    buf_init(&b, 4096);
    while (!rc && !(rc = csv_next(&c, &more, &e)) && more) {
        for (size_t i = 0; i < c.n; i++)
            buf_printf(&b, "%s%s", i ? "|" : "", c.field[i]);
        buf_char(&b, '\n');
    }
    out = arena_strdup(a, rc ? e.msg : b.p);
    buf_free(&b);
    return out;
}

START_TEST(csv_reads_quotes_and_line_breaks)
{
    static const struct {
        const char *text, *shown;
    } row[] = {
        { "", "" },
        { "a,b\n1,2\n", "a|b\n1|2\n" },
        { "a,b\r\n1,2", "a|b\n1|2\n" },
        { "\xEF\xBB\xBF"
          "a\n",
          "a\n" },
        { "a,\n,b\n", "a|\n|b\n" },
        { "\"x,y\",\"he said \"\"no\"\"\"\n", "x,y|he said \"no\"\n" },
        { "\"two\nlines\",b\r\nc,d\n", "two\nlines|b\nc|d\n" },
        { "\n\na\n\n", "a\n" },
        { "a\rb,c\n", "a\rb|c\n" },
        { "\"\",\"\"\n", "|\n" },
        { "a\n\"b", "row 2 (line 2), column 1: the quote is never closed" },
        { "\"x\ny\"\na,b\"c\n",
          "row 2 (line 3), column 2: a quote inside a field that does not "
          "start with one" },
        { "a,\"b\"c\n",
          "row 1 (line 1), column 2: text after the closing quote; write \"\" "
          "for a quote inside" },
        { "a,\xff\n", "broken UTF-8: byte 0xff at byte 3; save the file as "
                      "UTF-8" },
    };
    struct arena a;

    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        ck_assert_str_eq(csv_shown(&a, row[i].text), row[i].shown);
    arena_free(&a);
}
END_TEST

static const char cmmlu_head[] = ",Question,A,B,C,D,Answer\n";

/* A small exam in CMMLU's layout; `row` is the second row of agronomy. */
static const char *small_cmmlu(struct arena *a, const char *row)
{
    put(a, "c/dev/agronomy.csv", ",Question,A,B,C,D,Answer\n0,Q,a,b,c,d,A\n");
    put(a, "c/test/agronomy.csv",
        arena_printf(a, "%s0,\"x, y\nz\",1,2,3,4,B\n%s", cmmlu_head, row));
    return io_join(a, t_tmp(), "c");
}

START_TEST(small_exam_becomes_a_suite)
{
    struct arena a;
    struct suite *s;
    struct err e;
    const char *from, *to;
    size_t n;

    arena_init(&a, 0);
    from = small_cmmlu(&a, "1, spaced ,a,b,c,d,D\n");
    to = io_join(&a, t_tmp(), "out");
    t_ok(import("cmmlu", from, to, &n, &e), &e);
    ck_assert_uint_eq(n, 2);
    t_ok(suite_open(&s, io_join(&a, to, "cmmlu"), &e), &e);
    ck_assert_str_eq(s->id, "cmmlu");
    ck_assert_uint_eq(s->n_items, 2);
    ck_assert_uint_eq(s->n_dev, 1);
    ck_assert_str_eq(s->items[0].id, "agronomy-0");
    ck_assert_str_eq(s->items[0].subset, "agronomy");
    ck_assert_str_eq(s->items[0].question, "x, y\nz");
    ck_assert_str_eq(s->items[0].answer, "\"B\"");
    ck_assert_str_eq(s->items[1].question, " spaced ");
    ck_assert_str_eq(s->items[1].choices[3].text, "d");
    ck_assert_str_eq(suite_subset_title(s, "agronomy")->zh, "农学");
    suite_close(s);
    arena_free(&a);
}
END_TEST

START_TEST(import_replaces_what_was_there)
{
    struct arena a;
    struct suite *s;
    struct err e;
    const char *from, *to;
    char first[DIGEST_HEX];
    char **names;
    size_t n;

    arena_init(&a, 0);
    to = io_join(&a, t_tmp(), "again");
    for (int i = 0; i < 3; i++) {
        from = small_cmmlu(&a, i == 1 ? "1,Q,a,b,c,d,A\n" : "");
        t_ok(import("cmmlu", from, to, &n, &e), &e);
        t_ok(suite_open(&s, io_join(&a, to, "cmmlu"), &e), &e);
        ck_assert_uint_eq(s->n_items, i == 1 ? 2 : 1);
        if (i == 0)
            memcpy(first, s->digest, sizeof first);
        ck_assert_int_eq(strcmp(first, s->digest) == 0, i != 1);
        suite_close(s);
    }
    t_ok(io_list(to, &a, &names, &n, &e), &e);
    ck_assert_uint_eq(n, 1); /* nothing is left lying about */
    arena_free(&a);
}
END_TEST

START_TEST(import_never_replaces_foreign_folders)
{
    struct arena a;
    struct err e = { 0 };
    const char *to, *mine;
    size_t n;

    arena_init(&a, 0);
    mine = put(&a, "full/cmmlu/letters.txt", "dear");
    to = io_join(&a, t_tmp(), "full");
    ck_assert_int_eq(import("cmmlu", small_cmmlu(&a, ""), to, &n, &e),
                     ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(e.msg, "move it away"));
    ck_assert(io_exists(mine));
    arena_free(&a);
}
END_TEST

/* Each call of the system fails once: the old suite is whole, or the new. */
START_TEST(failed_import_leaves_old_or_new)
{
    struct arena a;
    struct suite *s;
    struct err e;
    const char *from, *to, *path;
    enum err_code rc = ERR_IO;
    size_t n;

    arena_init(&a, 0);
    to = io_join(&a, t_tmp(), "faulty");
    path = io_join(&a, to, "cmmlu");
    t_ok(import("cmmlu", small_cmmlu(&a, ""), to, &n, &e), &e);
    for (size_t nth = 1; rc && nth < 100; nth++) {
        from = small_cmmlu(&a, nth % 2 ? "1,Q,a,b,c,d,A\n" : "");
        io_fail_at(nth, ENOSPC);
        rc = import("cmmlu", from, to, &n, &e);
        io_fail_at(0, 0);
        if (rc)
            ck_assert_int_eq(rc, ERR_DISK);
        t_ok(suite_open(&s, path, &e), &e);
        ck_assert(s->n_items == 1 || s->n_items == 2);
        suite_close(s);
    }
    ck_assert_int_eq(rc, ERR_OK);
    arena_free(&a);
}
END_TEST

START_TEST(import_survives_lack_of_memory)
{
    struct arena a;
    struct err e;
    const char *from, *to;
    enum err_code rc = ERR_NOMEM;
    size_t n;

    arena_init(&a, 0);
    from = small_cmmlu(&a, "1,Q,a,b,c,d,A\n");
    to = io_join(&a, t_tmp(), "hungry");
    for (size_t nth = 1; rc && nth < 10000; nth++) {
        mem_fail_at(nth, nth % 2);
        rc = import("cmmlu", from, to, &n, &e);
        mem_fail_at(0, false);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
    }
    ck_assert_int_eq(rc, ERR_OK);
    arena_free(&a);
}
END_TEST

START_TEST(wrong_folders_and_rows_are_named)
{
    static const struct {
        const char *file, *text, *message; /* file NULL: the folder's own */
    } row[] = {
        { "w1/x.txt", "",
          "no dev/ and test/ folders, expected the layout of "
          "CMMLU: dev/SUBJECT.csv and test/SUBJECT.csv" },
        { "w2/test/a.csv", "", "no dev/ and test/ folders" },
        { "w3/test/x.txt", "", "no file SUBJECT.csv" },
        { "w4/test/law.csv", "", "dev/law.csv: is not there" },
        { "w5/test/agronomy.csv", "", "agronomy.csv: is empty" },
        { "w5/test/agronomy.csv", ",Question,A,B,C,D\n0,q,1,2,3,4\n",
          "row 1: no column \"Answer\" in the heading" },
        { "w5/test/agronomy.csv", ",Question,A,B,C,D,Answer\n",
          "has a heading but no rows" },
        { "w5/test/agronomy.csv",
          ",Question,A,B,C,D,Answer\n0,q,1,2,3,4,A\n1,q,1,2,3,4,5,B\n",
          "agronomy.csv: row 3 (line 3): 8 columns, the heading has 7" },
        { "w5/test/agronomy.csv",
          ",Question,A,B,C,D,Answer\n0,\"q\n\",1,2,3,4,A\n1,q,1,,3,4,B\n",
          "row 3 (line 4), column B: empty" },
        { "w5/test/agronomy.csv", ",Question,A,B,C,D,Answer\n0,q,1,2,3,4,E\n",
          "row 2 (line 2), column Answer: expected one of A, B, C, D, got "
          "\"E\"" },
        { "w5/test/agronomy.csv", "\xd6\xd0", "broken UTF-8: byte 0xd6" },
    };
    struct arena a;

    arena_init(&a, 0);
    put(&a, "w2/y.txt", "");
    for (int i = 3; i <= 5; i++)
        put(&a, arena_printf(&a, "w%d/dev/agronomy.csv", i),
            ",Question,A,B,C,D,Answer\n0,Q,a,b,c,d,A\n");
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct err e = { 0 };
        const char *path = put(&a, row[i].file, row[i].text);
        const char *end = path + strlen(t_tmp()) + 3;
        const char *from = arena_dup(&a, path, (size_t)(end - path));
        size_t n;
        ck_assert_int_eq(import("cmmlu", from, t_tmp(), &n, &e), ERR_FORMAT);
        ck_assert_msg(strstr(e.msg, row[i].message) != NULL,
                      "expected \"%s\" in \"%s\"", row[i].message, e.msg);
    }
    arena_free(&a);
}
END_TEST

struct counted {
    size_t faults, warnings;
};

static void count_fault(void *user, const char *file, size_t line,
                        const char *field, const char *message)
{
    struct counted *c = user;

    (void)file;
    (void)line;
    (void)message;
    if (*field == '~')
        c->warnings++;
    else
        c->faults++;
}

/* Imports the real data and opens it; NULL (skipped) when it is not here. */
static struct suite *real(const char *format, struct arena *a)
{
    const char *from = t_shared(arena_printf(a, "data/%s/README.md", format));
    struct suite *s;
    struct err e;
    size_t n;

    if (!from)
        return NULL;
    from = arena_dup(a, from, strlen(from) - strlen("/README.md"));
    t_ok(import(format, from, t_tmp(), &n, &e), &e);
    t_ok(suite_open(&s, io_join(a, t_tmp(), format), &e), &e);
    ck_assert_uint_eq(s->n_items, n);
    return s;
}

static void check_cmmlu(const struct suite *s)
{
    ck_assert_uint_eq(s->n_items, 11099);
    ck_assert_uint_eq(s->n_dev, 320);
    ck_assert_uint_eq(s->n_subset_titles, 64);
    for (size_t i = 0; i < s->n_subset_titles; i++) /* all are known */
        ck_assert(s->subset_titles[i].zh[0] & 0x80);
    /* anatomy holds one question twice: two items with two digests */
    for (size_t i = 1; i < s->n_items; i++)
        ck_assert_str_ne(s->items[i].digest, s->items[i - 1].digest);
}

START_TEST(cmmlu_is_read_whole)
{
    struct arena a;
    struct suite *s;

    arena_init(&a, 0);
    if ((s = real("cmmlu", &a)))
        check_cmmlu(s);
    suite_close(s);
    arena_free(&a);
}
END_TEST

static void same(const char *a, const char *b)
{
    ck_assert_str_eq(a, b);
}

static void check_ceval(const struct suite *s)
{
    size_t lines = 0;

    ck_assert_uint_eq(s->n_items, 1290);
    ck_assert_uint_eq(s->n_dev, 245);
    same(suite_subset_title(s, "logic")->zh, "逻辑学");
    same(suite_subset_title(s, "logic")->en, "Logic");
    same(s->items[0].subset, "accountant");
    same(s->items[0].tags[0], "Other");
    for (size_t i = 0; i < s->n_dev; i++)
        lines += strchr(s->dev[i].explanation, '\n') != NULL;
    ck_assert_uint_eq(lines, 141);
}

START_TEST(ceval_is_read_whole)
{
    struct counted c = { 0 };
    const struct suite_checks checks = { .fault = count_fault, .user = &c };
    size_t faults, warnings;
    struct arena a;
    struct suite *s;
    struct err e;

    arena_init(&a, 0);
    if ((s = real("ceval", &a))) {
        check_ceval(s);
        t_ok(suite_check(s->path, &checks, &faults, &warnings, &e), &e);
        ck_assert_uint_eq(faults, 0);
        ck_assert_uint_eq(c.warnings, warnings);
        ck_assert_uint_gt(warnings, 3); /* it has choices twice, doubles */
    }
    suite_close(s);
    arena_free(&a);
}
END_TEST

/* ---- Benchmarks whose answers are run ---- */

static const char task[] =
    "{\"task_id\":\"Python/7\",\"prompt\":\"def f(n):\\n    \\\"\\\"\\\"Half."
    "\\\"\\\"\\\"\\n\",\"declaration\":\"import math\\n\\ndef g(x):\\n    return"
    " x\\n\\ndef f(n):\\n\",\"test\":\"assert f(4) == 2\"}\n";

START_TEST(humaneval_becomes_a_suite)
{
    struct arena a;
    struct suite *s;
    const char *to;
    struct err e;
    size_t n;

    arena_init(&a, 0);
    to = io_join(&a, t_tmp(), "he-to");
    put(&a, "he/humaneval_python.jsonl", task);
    t_ok(import("humaneval-x", io_join(&a, t_tmp(), "he"), to, &n, &e), &e);
    t_ok(suite_open(&s, io_join(&a, to, "humaneval-x"), &e), &e);
    ck_assert_uint_eq(s->n_items, 1);
    ck_assert_str_eq(s->items[0].id, "python-7");
    ck_assert_str_eq(s->items[0].subset, "python");
    ck_assert_ptr_nonnull(strstr(s->items[0].answer, "\"entry\":\"f\""));
    ck_assert_ptr_nonnull(strstr(s->items[0].question, "Half."));
    suite_close(s);
    arena_free(&a);
}
END_TEST

START_TEST(broken_humaneval_is_told)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "{\"task_id\":\"Python/1\"}\n",
          "humaneval_python.jsonl:1: prompt: missing, expected a string" },
        { "{\"task_id\":\"x\",\"prompt\":\"\",\"declaration\":\"x = 1\","
          "\"test\":\"\"}\n",
          "humaneval_python.jsonl:1: x: no function is declared" },
        { "\x1f\x8b no gzip", "humaneval_python.jsonl: is no whole gzip file" },
        { "\n",
          "no humaneval_python.jsonl or humaneval_cpp.jsonl (or .gz) with "
          "tasks in it" },
    };
    struct arena a;

    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e;
        size_t n;
        put(&a, "hb/humaneval_python.jsonl", cases[i].text);
        ck_assert_int_eq(
            import("humaneval-x", io_join(&a, t_tmp(), "hb"), t_tmp(), &n, &e),
            ERR_FORMAT);
        ck_assert_msg(strstr(e.msg, cases[i].message) != NULL, "%s", e.msg);
    }
    arena_free(&a);
}
END_TEST

static const char sesql_db[] =
    "[{\"db_id\":\"榜\",\"tables\":{\"企业\":{\"table_name\":\"企业\",\"header\":["
    "\"名称\",\"500强排名\"],\"type\":[\"text\",\"number\"],\"cell\":[[\"甲\",\"3\"],["
    "\"乙\",\"12\"]]}}}]";

static enum err_code import_sesql(struct arena *a, const char *questions,
                                  const char *queries, const char *to,
                                  struct err *e)
{
    size_t n;

    put(a, "ss/db_content.json", sesql_db);
    put(a, "ss/valid/valid-eval_predictions.json", questions);
    put(a, "ss/valid/valid-eval_predictions.json.eval", queries);
    return import("sesql", io_join(a, t_tmp(), "ss"), to, &n, e);
}

/* Names that SQLite would not read get quotes, brackets around queries go, and
 * a question knows those before it. */
START_TEST(sesql_becomes_a_suite)
{
    static const char questions[] =
        "{\"database_id\":\"榜\",\"identifier\":\"榜/0\",\"input_seq\":[\"谁\",\"?"
        "\"]}\n{\"database_id\":\"榜\",\"identifier\":\"榜/0\",\"input_seq\":["
        "\"前\",\"十\",\"?\"]}\n";
    static const char queries[] =
        "easy pred: x\neasy gold: select 名称 from 企业\nexact: True\n\n"
        "hard pred: y\nhard gold: ( select 名称 from 企业 where 500强排名 < 10 ) "
        "except ( select 名称 from 企业 where 名称 = '500强排名' )\nexact: 0\n";
    struct arena a;
    struct suite *s;
    const char *to;
    struct err e;

    arena_init(&a, 0);
    to = io_join(&a, t_tmp(), "ss-to");
    t_ok(import_sesql(&a, questions, queries, to, &e), &e);
    t_ok(suite_open(&s, io_join(&a, to, "sesql"), &e), &e);
    ck_assert_uint_eq(s->n_items, 2);
    ck_assert_str_eq(s->items[0].answer, "\"select 名称 from 企业\"");
    ck_assert_str_eq(s->items[1].answer,
                     "\"select * from ( select 名称 from 企业 where "
                     "\\\"500强排名\\\" < 10 ) except select * from ( select "
                     "名称 from 企业 where 名称 = '500强排名' )\"");
    ck_assert_ptr_nonnull(strstr(s->items[1].question, "谁?"));
    ck_assert_ptr_nonnull(strstr(s->items[0].context, "\"500强排名\" NUMERIC"));
    suite_close(s);
    arena_free(&a);
}
END_TEST

START_TEST(broken_sesql_is_told)
{
    static const struct {
        const char *questions, *queries, *message;
    } cases[] = {
        { "{\"database_id\":\"表\",\"identifier\":\"x\",\"input_seq\":[]}\n",
          "easy gold: select 1\n",
          "predictions.json:1: database_id: \"表\" is not in db_content.json" },
        { "{\"database_id\":\"榜\",\"identifier\":\"x\",\"input_seq\":[]}\n",
          "",
          "predictions.json:1: valid/valid-eval_predictions.json.eval has fewer "
          "queries" },
        { "", "", "no questions" },
        { "{\"identifier\":\"x\"}\n", "", "database_id: missing" },
    };
    struct arena a;

    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e;
        ck_assert_int_eq(
            import_sesql(&a, cases[i].questions, cases[i].queries, t_tmp(), &e),
            ERR_FORMAT);
        ck_assert_msg(strstr(e.msg, cases[i].message) != NULL, "%s", e.msg);
    }
    arena_free(&a);
}
END_TEST

START_TEST(formats_are_sorted_and_documented)
{
    const char *near = NULL;

    for (size_t i = 0; suite_formats[i]; i++) {
        ck_assert(i == 0 || strcmp(suite_formats[i - 1]->name,
                                   suite_formats[i]->name) < 0);
        ck_assert(suite_formats[i]->doc && *suite_formats[i]->doc);
        ck_assert(suite_formats[i]->import != NULL);
    }
    ck_assert_ptr_null(suite_format_find("cmmul", &near));
    ck_assert_str_eq(near, "cmmlu");
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, csv_reads_quotes_and_line_breaks);
    tcase_add_test(tc, small_exam_becomes_a_suite);
    tcase_add_test(tc, import_replaces_what_was_there);
    tcase_add_test(tc, import_never_replaces_foreign_folders);
    tcase_add_test(tc, failed_import_leaves_old_or_new);
    tcase_add_test(tc, import_survives_lack_of_memory);
    tcase_add_test(tc, wrong_folders_and_rows_are_named);
    tcase_add_test(tc, humaneval_becomes_a_suite);
    tcase_add_test(tc, broken_humaneval_is_told);
    tcase_add_test(tc, sesql_becomes_a_suite);
    tcase_add_test(tc, broken_sesql_is_told);
    tcase_add_test(tc, cmmlu_is_read_whole);
    tcase_add_test(tc, ceval_is_read_whole);
    tcase_add_test(tc, formats_are_sorted_and_documented);
}

T_MAIN("import", setup)
