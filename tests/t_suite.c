/* Suites: loading, every fault by its message, suspicions, digests, search. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "suites/suite.h"
#include "tests/t.h"

#define GOOD "tests/golden/suite/good"

static struct suite *open_suite(const char *path)
{
    struct suite *s;
    struct err e;

    t_ok(suite_open(&s, path, &e), &e);
    return s;
}

START_TEST(good_suite_is_read)
{
    struct suite *s = open_suite(GOOD);

    ck_assert_str_eq(s->id, "good");
    ck_assert_str_eq(s->version, "1.2");
    ck_assert_str_eq(s->title_zh, "好题");
    ck_assert_str_eq(s->authors[1], "乙");
    ck_assert_str_eq(s->matcher, "{\"name\":\"choice\"}");
    ck_assert_str_eq(s->shot_source, "dev.jsonl");
    ck_assert_uint_eq(s->n_items, 6);
    ck_assert_uint_eq(s->n_dev, 4);
    ck_assert_str_eq(suite_subset_title(s, "geo")->zh, "地理");
    ck_assert_ptr_null(suite_subset_title(s, "art")->en);
    ck_assert_ptr_null(suite_subset_title(s, ""));
    ck_assert_str_eq(s->items[0].choices[3].key, "D");
    ck_assert_str_eq(s->items[0].tags[0], "地理");
    ck_assert_str_eq(s->items[0].answer, "\"B\"");
    ck_assert_str_eq(s->items[2].answer, "[\"张择端\",\"张正道\"]");
    ck_assert_str_eq(s->items[3].answer, "{\"any\":[\"九点\",\"21点\"]}");
    ck_assert_str_eq(s->items[3].subset, "");
    ck_assert_uint_eq(s->items[4].n_turns, 3);
    ck_assert_ptr_null(s->items[4].turns[0].answer);
    ck_assert_ptr_null(s->items[4].answer);
    ck_assert_uint_eq(s->items[5].line, 6);
    ck_assert_str_eq(suite_item_matcher(s, &s->items[0]), s->matcher);
    ck_assert_str_eq(suite_item_matcher(s, &s->items[1]),
                     "{\"name\":\"number\"}");
    suite_close(s);
}
END_TEST

/* --- faults ---------------------------------------------------------------- */

static void list_fault(void *user, const char *file, size_t line,
                       const char *field, const char *message)
{
    buf_printf(user, "%s:%zu: %s: %s\n", file, line, field, message);
}

/* A hook as a matcher might be: item 2 of the suite does not please it. */
static enum err_code dislike(void *user, const struct suite *s,
                             const struct item *it, struct err *e)
{
    (void)user;
    (void)s;
    if (strcmp(it->id, "2") == 0)
        return err_set(e, ERR_FORMAT, "answer: expected more");
    return ERR_OK;
}

static void check_golden(const char *name, size_t faults, size_t warnings)
{
    struct buf out;
    const struct suite_checks checks = { .fault = list_fault,
                                         .item = dislike,
                                         .user = &out };
    size_t n_faults, n_warnings;
    char path[128], golden[128];
    struct err e;

    snprintf(path, sizeof path, "tests/golden/suite/%s", name);
    snprintf(golden, sizeof golden, "suite/%s.txt", name);
    buf_init(&out, 1 << 20);
    t_ok(suite_check(path, &checks, &n_faults, &n_warnings, &e), &e);
    t_golden(golden, buf_view(&out));
    ck_assert_uint_eq(n_faults, faults);
    ck_assert_uint_eq(n_warnings, warnings);
    buf_free(&out);
}

START_TEST(every_fault_is_told)
{
    check_golden("broken", 43, 1);
}
END_TEST

START_TEST(suspicions_are_told)
{
    check_golden("odd", 1, 8);
}
END_TEST

START_TEST(opening_stops_at_the_first_fault)
{
    struct suite *s;
    struct err e;

    ck_assert_int_eq(suite_open(&s, "tests/golden/suite/broken", &e),
                     ERR_FORMAT);
    ck_assert_ptr_null(s);
    ck_assert_str_eq(e.msg, "tests/golden/suite/broken/suite.json:3: titel: "
                            "unknown field; did you mean \"title\"?");
    ck_assert_int_eq(suite_open(&s, "tests/golden", &e), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.msg, "tests/golden/suite.json: is not"));
    ck_assert_int_eq(suite_open(&s, "tests/none", &e), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.msg, "tests/none: is not there"));
    ck_assert_int_eq(suite_open(&s, "Makefile", &e), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.msg, "Makefile: is a file"));
}
END_TEST

/* --- digests --------------------------------------------------------------- */

/* A suite of one file of items below the test's folder. */
static const char *make_suite(struct arena *a, const char *name,
                              const char *items)
{
    char *dir = io_join(a, t_tmp(), name);
    struct buf meta;
    struct err e;

    t_ok(io_mkdirs(dir, &e), &e);
    buf_init(&meta, 4096);
    buf_printf(&meta,
               "{\"id\":\"%s\",\"version\":\"1\",\"title\":{\"zh\":\"题\","
               "\"en\":\"T\"},\"ability\":\"a\",\"language\":\"zh\","
               "\"licence\":\"CC0\",\"template\":\"choice-zh\",\"matcher\":"
               "{\"name\":\"exact\"},\"metric\":\"accuracy\"}",
               name);
    t_ok(io_replace(io_join(a, dir, "suite.json"), buf_view(&meta), &e), &e);
    t_ok(io_replace(io_join(a, dir, "items.jsonl"), str_of(items), &e), &e);
    buf_free(&meta);
    return dir;
}

static void item_digest(struct arena *a, const char *item, char *out)
{
    struct suite *s = open_suite(make_suite(a, "one", item));

    memcpy(out, s->items[0].digest, DIGEST_HEX);
    suite_close(s);
}

START_TEST(digest_covers_what_is_asked_and_judged)
{
    static const char base[] =
        "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\"}";
    static const struct {
        const char *item;
        bool same;
    } row[] = {
        { "{\"answer\":\"x\", \"question\":\"\\u0051\",\"id\":\"1\"}", true },
        { "{\"id\":\"2\",\"question\":\"Q\",\"answer\":\"x\",\"subset\":\"s\","
          "\"tags\":[\"t\"],\"explanation\":\"w\",\"source\":\"s\"}",
          true },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\",\"matcher\":"
          "{\"name\":\"exact\"}}",
          true },
        { "{\"id\":\"1\",\"question\":\"R\",\"answer\":\"x\"}", false },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"y\"}", false },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":[\"x\"]}", false },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\",\"context\":"
          "\"c\"}",
          false },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\",\"system\":"
          "\"c\"}",
          false },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\",\"matcher\":"
          "{\"name\":\"number\"}}",
          false },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\",\"choices\":"
          "{\"A\":\"x\",\"B\":\"y\"}}",
          false },
        { "{\"id\":\"1\",\"turns\":[{\"question\":\"Q\",\"answer\":\"x\"}]}",
          false },
    };
    char want[DIGEST_HEX], got[DIGEST_HEX];
    struct arena a;

    arena_init(&a, 0);
    item_digest(&a, base, want);
    ck_assert_uint_eq(strlen(want), 64);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        item_digest(&a, row[i].item, got);
        ck_assert_msg((strcmp(got, want) == 0) == row[i].same, "%s",
                      row[i].item);
    }
    arena_free(&a);
}
END_TEST

START_TEST(order_of_choices_counts)
{
    char one[DIGEST_HEX], two[DIGEST_HEX];
    struct arena a;

    arena_init(&a, 0);
    item_digest(&a,
                "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"A\","
                "\"choices\":{\"A\":\"x\",\"B\":\"y\"}}",
                one);
    item_digest(&a,
                "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"A\","
                "\"choices\":{\"B\":\"y\",\"A\":\"x\"}}",
                two);
    ck_assert_str_ne(one, two);
    arena_free(&a);
}
END_TEST

START_TEST(copies_of_an_item_differ)
{
    static const char twice[] =
        "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\"}\n"
        "{\"id\":\"2\",\"question\":\"R\",\"answer\":\"x\"}\n"
        "{\"id\":\"3\",\"question\":\"Q\",\"answer\":\"x\"}\n"
        "{\"id\":\"4\",\"question\":\"Q\",\"answer\":\"x\"}\n";
    struct arena a;
    struct suite *s;
    char first[DIGEST_HEX];

    arena_init(&a, 0);
    item_digest(&a, "{\"id\":\"9\",\"question\":\"Q\",\"answer\":\"x\"}",
                first);
    s = open_suite(make_suite(&a, "twice", twice));
    ck_assert_str_eq(s->items[0].digest, first);
    ck_assert_str_ne(s->items[2].digest, first);
    ck_assert_str_ne(s->items[3].digest, first);
    ck_assert_str_ne(s->items[3].digest, s->items[2].digest);
    suite_close(s);
    arena_free(&a);
}
END_TEST

static void same(const char *a, const char *b)
{
    ck_assert_str_eq(a, b);
}

static void same_suite(const struct suite *s, const struct suite *t)
{
    same(s->digest, t->digest);
    same(s->canary, t->canary);
    same(s->items[0].explanation, t->items[0].explanation);
    same(s->items[0].difficulty, t->items[0].difficulty);
    for (size_t i = 0; i < s->n_items; i++)
        same(s->items[i].digest, t->items[i].digest);
}

START_TEST(suite_survives_writing_and_reading)
{
    struct suite *s = open_suite(GOOD), *t;
    struct arena a;
    struct err e;
    const char *path;

    arena_init(&a, 0);
    path = io_join(&a, t_tmp(), "copy/good");
    t_ok(suite_write(s, path, &e), &e);
    t = open_suite(path);
    same_suite(s, t);
    suite_close(s);
    suite_close(t);
    arena_free(&a);
}
END_TEST

START_TEST(opening_survives_lack_of_memory)
{
    enum err_code rc = ERR_NOMEM;
    struct suite *s;
    struct err e;

    for (size_t nth = 1; rc && nth < 10000; nth++) {
        mem_fail_at(nth, nth % 2);
        rc = suite_open(&s, GOOD, &e);
        mem_fail_at(0, false);
        ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "%zu %s", nth, e.msg);
    }
    ck_assert_int_eq(rc, ERR_OK);
    suite_close(s);
}
END_TEST

/* --- search ---------------------------------------------------------------- */

static void make_shelves(struct arena *a)
{
    static const char item[] =
        "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\"}";
    char *list = arena_printf(a, "%s/s1::%s/s2", t_tmp(), t_tmp());

    make_suite(a, "s1/math", item);
    make_suite(a, "s1/.math.new-1", item);
    make_suite(a, "s2/math", item);
    make_suite(a, "s2/matter", item);
    setenv("MOKAO_SUITES", list, 1);
    setenv("XDG_DATA_HOME", t_tmp(), 1);
}

/* "path|subset" of each ref, less the folder of the test. */
static const char *found(struct arena *a, const char *spec)
{
    struct suite_ref *refs;
    struct buf b;
    struct err e = { 0 };
    const char *out;
    size_t n, skip = strlen(t_tmp()) + 1;

    buf_init(&b, 4096);
    if (suite_find(spec, a, &refs, &n, &e))
        buf_str(&b, e.msg);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%s|%s", i ? " " : "", refs[i].path + skip,
                   refs[i].subset);
    out = arena_strdup(a, b.p);
    buf_free(&b);
    return out;
}

START_TEST(suites_are_found_by_id_and_glob)
{
    static const struct {
        const char *spec, *found;
    } row[] = {
        { "math", "s1/math|" },
        { "matter", "s2/matter|" },
        { "mat*", "s1/math|"
                  " s2/matter|" },
        { "mat?er", "s2/matter|" },
        { "math/alg*", "s1/math|alg*" },
        { "mat*/x", "s1/math|x s2/matter|x" },
        { "mth", "no suite \"mth\"; did you mean \"math\"?" },
        { "/math", "/math: no suite.json is there" },
        { "", "a suite is named by an id, ID/SUBSET, a glob, or the path of "
              "its folder" },
    };
    struct arena a;

    arena_init(&a, 0);
    make_shelves(&a);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        ck_assert_str_eq(found(&a, row[i].spec), row[i].found);
    ck_assert_ptr_nonnull(strstr(found(&a, "zzzzzzzz"), "mokao suite list"));
    arena_free(&a);
}
END_TEST

START_TEST(suites_are_found_by_path)
{
    struct arena a;
    const char *dir;

    arena_init(&a, 0);
    make_shelves(&a);
    dir = io_join(&a, t_tmp(), "s2/math");
    ck_assert_str_eq(found(&a, dir), "s2/math|");
    ck_assert_str_eq(found(&a, io_join(&a, dir, "geo*")), "s2/math|geo*");
    arena_free(&a);
}
END_TEST

START_TEST(list_has_each_id_once)
{
    struct suite_ref *refs;
    struct arena a;
    struct err e;
    size_t n, math = 0;

    arena_init(&a, 0);
    make_shelves(&a);
    t_ok(suite_list(&a, &refs, &n, &e), &e);
    ck_assert_uint_ge(n, 2);
    for (size_t i = 0; i < n; i++) {
        const char *id = strrchr(refs[i].path, '/') + 1;
        math += strcmp(id, "math") == 0;
        ck_assert(i == 0 || strcmp(strrchr(refs[i - 1].path, '/') + 1, id) < 0);
        ck_assert_str_eq(refs[i].subset, "");
    }
    ck_assert_uint_eq(math, 1);
    arena_free(&a);
}
END_TEST

START_TEST(globs_match_whole_names)
{
    static const struct {
        const char *glob, *name;
        bool matches;
    } row[] = {
        { "", "anything", true },
        { "", "", true },
        { "*", "", true },
        { "*", "law", true },
        { "law", "law", true },
        { "law", "laws", false },
        { "high_*", "high_law", true },
        { "high_*", "hig", false },
        { "*_law", "a_law_law", true },
        { "a*b*c", "a-b-b-c", true },
        { "a*b*c", "a-b-b-d", false },
        { "?", "法", true },
        { "?", "法律", false },
        { "法*", "法律", true },
        { "a?", "a", false },
        { "**", "x", true },
        { "*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        ck_assert_msg(suite_subset_matches(row[i].glob, row[i].name) ==
                          row[i].matches,
                      "%s %s", row[i].glob, row[i].name);
}
END_TEST

START_TEST(imports_go_beside_the_suites)
{
    struct arena a;
    struct err e;
    const char *dir;

    arena_init(&a, 0);
    t_ok(suite_import_dir(&a, &dir, &e), &e);
    ck_assert_str_eq(dir, "suites/imported");
    arena_free(&a);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, good_suite_is_read);
    tcase_add_test(tc, every_fault_is_told);
    tcase_add_test(tc, suspicions_are_told);
    tcase_add_test(tc, opening_stops_at_the_first_fault);
    tcase_add_test(tc, digest_covers_what_is_asked_and_judged);
    tcase_add_test(tc, order_of_choices_counts);
    tcase_add_test(tc, copies_of_an_item_differ);
    tcase_add_test(tc, suite_survives_writing_and_reading);
    tcase_add_test(tc, opening_survives_lack_of_memory);
    tcase_add_test(tc, suites_are_found_by_id_and_glob);
    tcase_add_test(tc, suites_are_found_by_path);
    tcase_add_test(tc, list_has_each_id_once);
    tcase_add_test(tc, globs_match_whole_names);
    tcase_add_test(tc, imports_go_beside_the_suites);
}

T_MAIN("suite", setup)
