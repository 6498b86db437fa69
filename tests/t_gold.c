/* Public benchmarks whose answers are run: each right answer must be judged
 * right by its own item, and what differs from it wrong.
 *
 * SeSQL's queries and HumanEval-X's solutions are read where they are; without
 * them, and without a sandbox, the tests are skipped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/match/match.h"
#include "suites/gzip.h"
#include "suites/suite.h"
#include "tests/t.h"

static bool quick(void)
{
    const char *mode = getenv("MOKAO_TEST_MODE");

    return mode && strcmp(mode, "quick") == 0;
}

/* Imports the benchmark; NULL (and skipped) where it is absent. */
static struct suite *imported(const char *format, const char *folder)
{
    const char *from = t_shared(folder);
    struct suite *s = NULL;
    char path[300];
    struct err e;
    size_t n;

    if (!from)
        return NULL;
    t_ok(suite_format_find(format, NULL)->import(from, t_tmp(), &n, &e), &e);
    snprintf(path, sizeof path, "%s/%s", t_tmp(), format);
    t_ok(suite_open(&s, path, &e), &e);
    ck_assert_uint_eq(s->n_items, n);
    return s;
}

struct judged {
    enum verdict verdict;
    char rule[40];
};

/* The verdict of the item's matcher on a response. */
static enum err_code judge(const struct suite *s, const struct item *it,
                           const char *response, struct judged *out,
                           struct err *e)
{
    const char *name, *text = suite_item_matcher(s, it);
    struct json *expected, *options;
    const struct match_kind *kind;
    struct match_in in = { .response = str_of(response) };
    struct match_out found = { .rule = "" };
    struct arena a;
    enum err_code rc;

    t_ok(json_parse(&expected, str_of(it->answer), e), e);
    t_ok(json_parse(&options, str_of(text), e), e);
    t_ok(json_get_str(options, "name", &name, e), e);
    kind = match_find(name, NULL);
    in.expected = expected;
    in.options = options;
    arena_init(&a, 0);
    rc = kind->check(&in, e);
    if (!rc)
        rc = kind->run(&in, &a, &found, e);
    out->verdict = found.verdict;
    snprintf(out->rule, sizeof out->rule, "%s", found.rule);
    arena_free(&a);
    json_free(expected);
    json_free(options);
    return rc;
}

/* ---- SeSQL ---- */

struct tally {
    size_t n, broken, right, wrong, changed, caught;
};

/* The expected query with one of its words changed; NULL where it has none. */
static const char *mutate(const char *sql, char *to, size_t room)
{
    static const char *const words[][2] = {
        { "max(", "min(" },          { "min(", "max(" },
        { "count(*)", "7777" },      { " desc ", " asc " },
        { " asc ", " desc " },       { "sum(", "-1+sum(" },
        { "avg(", "-1+avg(" },       { " > ", " <= " },
        { " < ", " >= " },           { " = ", " != " },
        { " >= ", " < " },           { " <= ", " > " },
        { "select ", "select 1, " },
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = strstr(sql, words[i][0]);
        if (!at)
            continue;
        snprintf(to, room, "%.*s%s%s", (int)(at - sql), sql, words[i][1],
                 at + strlen(words[i][0]));
        return to;
    }
    return NULL;
}

static void ask_sql(const struct suite *s, const struct item *it,
                    struct tally *t)
{
    char other[4000];
    struct json *answer;
    struct judged got;
    const char *sql;
    struct err e;

    t_ok(json_parse(&answer, str_of(it->answer), &e), &e);
    sql = json_string(answer);
    t->n++;
    if (judge(s, it, sql, &got, &e)) {
        t->broken++;
        fprintf(stderr, "%s: %s\n", it->id, e.msg);
    } else if (got.verdict != VERDICT_CORRECT) {
        t->wrong++;
        fprintf(stderr, "%s: %s by %s: %s\n", it->id, verdict_name(got.verdict),
                got.rule, sql);
    } else {
        t->right++;
        if (mutate(sql, other, sizeof other)) {
            t->changed++;
            t_ok(judge(s, it, other, &got, &e), &e);
            t->caught += got.verdict == VERDICT_WRONG;
        }
    }
    json_free(answer);
}

START_TEST(sesql_queries_are_right_by_themselves)
{
    struct suite *s = imported("sesql", "data/sesql");
    struct tally t = { .n = 0 };
    size_t step = quick() ? 10 : 1;

    if (!s)
        return;
    ck_assert_uint_eq(s->n_items, 1503);
    for (size_t i = 0; i < s->n_items; i += step)
        ask_sql(s, &s->items[i], &t);
    fprintf(
        stderr,
        "sesql: %zu queries, %zu not SQLite's, %zu right, %zu wrong; of %zu "
        "changed ones %zu are wrong\n",
        t.n, t.broken, t.right, t.wrong, t.changed, t.caught);
    ck_assert_uint_eq(t.wrong, 0);
    ck_assert_uint_eq(t.broken, 0);
    /* The rest give the same rows on these small tables. */
    ck_assert_uint_ge(100 * t.caught, 78 * t.changed);
    suite_close(s);
}
END_TEST

/* ---- HumanEval-X ---- */

static const char *const files[][2] = {
    { "cpp", "data/humaneval-x/humaneval_cpp.jsonl.gz" },
    { "python", "data/humaneval-x/humaneval_python.jsonl.gz" },
};

/* Published solutions that cannot be compiled: two want Boost, which a sandbox
 * has only where the machine has; the third lacks a bracket. */
static bool is_faulty(const char *id)
{
    return strcmp(id, "cpp-22") == 0 || strcmp(id, "cpp-137") == 0 ||
           strcmp(id, "cpp-38") == 0;
}

/* The published solution as a reply: what goes on from the prompt, or a whole
 * program in a block. */
static void put_reply(struct str line, const char *subset, bool whole,
                      struct buf *reply)
{
    struct json *j;
    struct err e;

    t_ok(json_parse(&j, line, &e), &e);
    if (whole)
        buf_printf(reply, "```%s\n%s", subset,
                   json_string(json_get(j, "prompt")));
    buf_str(reply, json_string(json_get(j, "canonical_solution")));
    if (whole)
        buf_str(reply, "\n```\n");
    json_free(j);
}

/* false where there is no sandbox. */
static bool solve_one(const struct suite *s, const struct item *it,
                      const char *reply, struct tally *t)
{
    struct judged got;
    struct err e;
    enum err_code rc = judge(s, it, reply, &got, &e);

    if (rc == ERR_NOENV) {
        t_skip("%s", e.msg);
        return false;
    }
    t_ok(rc, &e);
    t->n++;
    t->right += got.verdict == VERDICT_CORRECT;
    if (got.verdict != VERDICT_CORRECT)
        fprintf(stderr, "%s: %s by %s\n", it->id, verdict_name(got.verdict),
                got.rule);
    t->wrong += got.verdict != VERDICT_CORRECT && !is_faulty(it->id);
    return true;
}

/* Every step-th task. */
static void solve(const struct suite *s, const char *subset, const char *file,
                  size_t step, bool whole)
{
    struct io_lines lines = { .number = 0 };
    struct tally t = { .n = 0 };
    bool goes_on = true;
    size_t at = 0;
    struct buf text;
    struct err e;

    while (at < s->n_items && strcmp(s->items[at].subset, subset) != 0)
        at++;
    buf_init(&text, 1 << 24);
    t_ok(gzip_read(t_shared(file), &text, &e), &e);
    lines.rest = buf_view(&text);
    while (goes_on && io_next_line(&lines)) {
        struct buf reply;
        if ((lines.number - 1) % step)
            continue;
        buf_init(&reply, 1 << 20);
        put_reply(lines.line, subset, whole, &reply);
        goes_on = solve_one(s, &s->items[at + lines.number - 1], reply.p, &t);
        buf_free(&reply);
    }
    buf_free(&text);
    fprintf(stderr, "humaneval-x %s: %zu solutions, %zu pass\n", subset, t.n,
            t.right);
    ck_assert_uint_eq(t.wrong, 0);
}

/* All of them take ten minutes: MOKAO_GOLD=all. */
static size_t sample_step(size_t some)
{
    const char *all = getenv("MOKAO_GOLD");

    if (all && strcmp(all, "all") == 0)
        return 1;
    return quick() ? 4 * some : some;
}

START_TEST(humaneval_solutions_pass_their_tests)
{
    struct suite *s = imported("humaneval-x", "data/humaneval-x");

    if (!s)
        return;
    ck_assert_uint_eq(s->n_items, 328);
    solve(s, files[1][0], files[1][1], sample_step(10), false);
    solve(s, files[1][0], files[1][1], sample_step(20), true);
    solve(s, files[0][0], files[0][1], sample_step(40), false);
    solve(s, files[0][0], files[0][1], sample_step(80), true);
    suite_close(s);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_set_timeout(tc, 1200);
    tcase_add_test(tc, sesql_queries_are_right_by_themselves);
    tcase_add_test(tc, humaneval_solutions_pass_their_tests);
}

T_MAIN("gold", setup)
