/* Plans: what is asked, what is left out, shards, limits, checks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/plan.h"
#include "tests/store_fill.h"
#include "tests/t.h"

static const struct sampling greedy = {
    .temperature = 0, .top_p = NAN, .top_k = -1, .max_tokens = 64
};

struct bench {
    struct store *store;
    struct suite *suite;
    struct plan_suite ps;
    struct plan_params p;
    int64_t model;
};

/* The golden suite, a model and a run in a new database. */
static struct bench set_up(const char *db)
{
    struct bench b = { .p = { .n_suites = 1, .trials = 1 } };
    char path[256];
    struct fill f;
    struct err e;

    snprintf(path, sizeof path, "%s/%s.db", t_tmp(), db);
    b.store = fill_open(path);
    f = fill_make(b.store, "m", "other", 1);
    b.model = f.model;
    b.p.run = f.run;
    b.p.prompt.sampling = greedy;
    t_ok(suite_open(&b.suite, "tests/golden/suite/good", &e), &e);
    b.ps = (struct plan_suite){ b.suite, "" };
    return b;
}

static void tear_down(struct bench *b)
{
    suite_close(b->suite);
    store_close(b->store);
}

static struct plan make(struct bench *b)
{
    struct plan plan;
    struct err e;

    b->p.suites = &b->ps;
    t_ok(plan_make(&plan, b->store, b->model, &b->p, &e), &e);
    return plan;
}

/* Ids of the planned items, with the trial where there are several. */
static const char *ids(struct bench *b)
{
    static char out[512];
    struct plan plan = make(b);
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < plan.n; i++) {
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%s", i ? " " : "",
                               plan.entries[i].item->id);
        if (b->p.trials > 1)
            at += (size_t)snprintf(out + at, sizeof out - at, ".%zu",
                                   plan.entries[i].trial);
    }
    plan_free(&plan);
    return out;
}

static void answer(struct bench *b, const struct store_sample *key,
                   const char *text)
{
    const struct store_response r = { .text = text,
                                      .finish = "stop",
                                      .margin = NAN,
                                      .prompt_tokens = -1,
                                      .cached_tokens = -1,
                                      .output_tokens = -1,
                                      .first_token_ns = -1,
                                      .attempts = 1 };
    int64_t sample;
    bool added;
    struct err e;

    t_ok(store_add_response(b->store, key, &r, &sample, &added, &e), &e);
    ck_assert(added);
}

START_TEST(items_are_chosen_by_subset_limit_and_trial)
{
    static const struct {
        const char *subset;
        size_t limit, trials;
        const char *ids;
    } row[] = {
        { "", 0, 1, "1 2 3 4 5 6" },    { "geo", 0, 1, "1 2 6" },
        { "g*", 2, 1, "1 2" },          { "", 1, 1, "1 3 4" },
        { "art", 0, 3, "3.0 3.1 3.2" },
    };
    struct bench b = set_up("choose");

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        b.ps.subset = row[i].subset;
        b.p.limit = row[i].limit;
        b.p.trials = row[i].trials;
        ck_assert_str_eq(ids(&b), row[i].ids);
    }
    tear_down(&b);
}
END_TEST

START_TEST(answered_items_are_left_out)
{
    struct bench b = set_up("answered");
    struct plan plan = make(&b);

    ck_assert_uint_eq(plan.n, 6);
    ck_assert_uint_eq(plan.n_stored, 0);
    answer(&b, &plan.entries[1].key, "933");
    answer(&b, &plan.entries[3].key, "九点");
    plan_free(&plan);
    plan = make(&b);
    ck_assert_uint_eq(plan.n, 4);
    ck_assert_uint_eq(plan.n_stored, 2);
    plan_free(&plan);
    ck_assert_str_eq(ids(&b), "1 3 5 6");
    b.p.fresh = true;
    ck_assert_str_eq(ids(&b), "1 2 3 4 5 6");
    b.p.fresh = false;
    b.p.prompt.template = "direct-zh-cot"; /* another prompt */
    ck_assert_str_eq(ids(&b), "1 2 3 4 5 6");
    b.p.prompt.template = NULL;
    b.p.prompt.sampling.seed = 9; /* means nothing to greedy decoding */
    ck_assert_str_eq(ids(&b), "1 3 5 6");
    b.p.prompt.sampling.max_tokens = 9;
    ck_assert_str_eq(ids(&b), "1 2 3 4 5 6");
    tear_down(&b);
}
END_TEST

/* The key of a later turn as the run makes it. */
static struct store_sample turn_key(struct bench *b, const struct plan_entry *x,
                                    size_t turn, const char *const *replies)
{
    struct store_sample key = x->key;
    char hash[DIGEST_HEX];
    struct request q;
    struct arena a;
    struct buf json;
    struct err e;

    arena_init(&a, 0);
    buf_init(&json, 1 << 16);
    t_ok(prompt_render(x->suite, x->item, &b->p.prompt, turn, replies, &a, &q,
                       &e),
         &e);
    t_ok(prompt_json(&q, &json, &e), &e);
    digest_hex(buf_view(&json), hash);
    t_ok(store_put_prompt(b->store, hash, json.p, &key.prompt, &e), &e);
    key.turn = (int64_t)turn;
    buf_free(&json);
    arena_free(&a);
    return key;
}

START_TEST(conversation_is_answered_with_its_last_turn)
{
    static const char *const replies[] = { "好的。", "十二个月", "4827" };
    struct bench b = set_up("turns");
    struct plan plan = make(&b);
    struct plan_entry x = plan.entries[4];

    ck_assert_uint_eq(x.item->n_turns, 3);
    for (size_t t = 0; t < 3; t++) {
        const struct store_sample key = turn_key(&b, &x, t, replies);
        ck_assert(t > 0 || key.prompt == x.key.prompt);
        ck_assert_str_eq(ids(&b), "1 2 3 4 5 6");
        answer(&b, &key, replies[t]);
    }
    ck_assert_str_eq(ids(&b), "1 2 3 4 6");
    plan_free(&plan);
    tear_down(&b);
}
END_TEST

START_TEST(item_named_twice_is_asked_once)
{
    struct bench b = set_up("twice");
    const struct plan_suite both[] = { { b.suite, "geo" }, { b.suite, "" } };
    struct plan plan;
    struct err e;

    b.p.suites = both;
    b.p.n_suites = 2;
    t_ok(plan_make(&plan, b.store, b.model, &b.p, &e), &e);
    ck_assert_uint_eq(plan.n, 6);
    ck_assert_str_eq(plan.entries[0].item->id, "1");
    ck_assert_str_eq(plan.entries[5].item->id, "5");
    plan_free(&plan);
    tear_down(&b);
}
END_TEST

START_TEST(shards_together_are_the_whole)
{
    struct bench b = set_up("shards");
    size_t n = 0, seen[6] = { 0 };

    for (size_t limit = 0; limit < 2; limit++) {
        b.p.limit = limit;
        for (b.p.shard = 0, b.p.n_shards = 3; b.p.shard < 3; b.p.shard++) {
            struct plan plan = make(&b);
            for (size_t i = 0; i < plan.n; i++)
                seen[(size_t)(plan.entries[i].item->id[0] - '1')]++;
            n += plan.n;
            plan_free(&plan);
        }
    }
    ck_assert_uint_eq(n, 6 + 3);
    ck_assert_uint_eq(seen[0], 2);
    ck_assert_uint_eq(seen[5], 1);
    tear_down(&b);
}
END_TEST

START_TEST(rows_say_what_was_asked)
{
    struct bench b = set_up("rows");
    struct plan plan = make(&b);

    plan_free(&plan);
    ck_assert_str_eq(fill_text(b.store, "SELECT version FROM suite "
                                        "WHERE id = 'good'"),
                     "1.2");
    ck_assert_str_eq(
        fill_text(b.store, "SELECT choices FROM item JOIN suite_item i ON "
                           "i.item = item.pk JOIN suite s ON s.pk = i.suite "
                           "WHERE s.id = 'good' AND i.id = '1'"),
        "{\"A\":\"西藏\",\"B\":\"新疆\",\"C\":\"内蒙古\",\"D\":\"青海\"}");
    ck_assert_str_eq(
        fill_text(b.store, "SELECT turns FROM item WHERE n_turns = 3"),
        "[{\"question\":\"请记住这个号码。\"},{\"question\":\"一年有几个月？"
        "只写数字。\",\"answer\":\"12\",\"matcher\":{\"name\":\"number\"}},"
        "{\"question\":\"号码是多少？只写数字。\",\"answer\":\"4827\","
        "\"matcher\":{\"name\":\"number\"}}]");
    ck_assert_int_eq(
        fill_int(b.store, "SELECT n_judged FROM item WHERE n_turns = 3"), 2);
    ck_assert_int_eq(fill_int(b.store, "SELECT count(*) FROM prompt "
                                       "WHERE json LIKE '{\"kind\":\"chat\","
                                       "\"messages\"%'"),
                     6);
    ck_assert_int_eq(fill_int(b.store,
                              "SELECT count(*) FROM params WHERE json = "
                              "'{\"max_tokens\":64,\"temperature\":0}'"),
                     1);
    tear_down(&b);
}
END_TEST

START_TEST(what_cannot_be_planned_is_told)
{
    struct bench b = set_up("told");
    struct plan plan;
    struct err e;

    b.p.suites = &b.ps;
    b.ps.subset = "goe";
    ck_assert_int_eq(plan_make(&plan, b.store, b.model, &b.p, &e), ERR_USAGE);
    ck_assert_str_eq(e.msg, "suite good has no subset \"goe\"; did you mean "
                            "\"geo\"?");
    b.ps.subset = "art";
    b.p.prompt.shots = 3;
    ck_assert_int_eq(plan_make(&plan, b.store, b.model, &b.p, &e), ERR_USAGE);
    ck_assert_str_eq(e.msg, "suite good, item 3: suite good/art has 1 few-shot "
                            "examples, 3 are asked for");
    ck_assert_ptr_null(plan.entries);
    tear_down(&b);
}
END_TEST

/* --- checks ---------------------------------------------------------------- */

static const char *checked(const char *item)
{
    static struct err e;
    char path[300], dir[256];
    struct suite *s;

    snprintf(dir, sizeof dir, "%s/c", t_tmp());
    t_ok(io_mkdirs(dir, &e), &e);
    snprintf(path, sizeof path, "%s/suite.json", dir);
    t_ok(io_replace(path,
                    STR("{\"id\":\"c\",\"version\":\"1\",\"title\":{\"zh\":"
                        "\"题\",\"en\":\"T\"},\"ability\":\"a\",\"language\":"
                        "\"zh\",\"licence\":\"CC0\",\"template\":\"choice-zh\","
                        "\"matcher\":{\"name\":\"choice\"},\"metric\":"
                        "\"accuracy\"}"),
                    &e),
         &e);
    snprintf(path, sizeof path, "%s/items.jsonl", dir);
    t_ok(io_replace(path, str_of(item), &e), &e);
    t_ok(suite_open(&s, dir, &e), &e);
    e.msg[0] = '\0';
    if (!plan_check_suite(NULL, s, &e))
        (void)!plan_check_item(NULL, s, &s->items[0], &e);
    suite_close(s);
    return e.msg;
}

START_TEST(matchers_are_asked_about_items)
{
    static const struct {
        const char *item, *message;
    } row[] = {
        { "{\"id\":\"1\",\"question\":\"Q\",\"choices\":{\"A\":\"a\",\"B\":"
          "\"b\"},\"answer\":\"B\"}",
          "" },
        { "{\"id\":\"1\",\"question\":\"Q\",\"choices\":{\"A\":\"a\",\"B\":"
          "\"b\"},\"answer\":\"E\"}",
          "answer: expected one of A-B, got \"E\"" },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\",\"matcher\":{"
          "\"name\":\"nmber\"}}",
          "matcher: no \"nmber\"; did you mean \"number\"?" },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x\",\"matcher\":{"
          "\"name\":\"number\"}}",
          "answer: expected a number, got \"x\"" },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"x(\",\"matcher\":{"
          "\"name\":\"regex\"}}",
          "answer: pattern: at byte 2: missing closing parenthesis" },
        { "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"1\",\"matcher\":{"
          "\"name\":\"number\",\"tolerance\":-1}}",
          "answer and matcher: tolerance: expected 0 or more" },
        { "{\"id\":\"1\",\"turns\":[{\"question\":\"Q\"},{\"question\":\"R\","
          "\"answer\":\"x\",\"matcher\":{\"name\":\"number\"}}]}",
          "turns[1]: answer: expected a number, got \"x\"" },
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        ck_assert_str_eq(checked(row[i].item), row[i].message);
}
END_TEST

static void shout(void *user, const char *file, size_t line, const char *field,
                  const char *message)
{
    (void)user;
    ck_abort_msg("%s:%zu: %s: %s", file, line, field, message);
}

START_TEST(suites_of_the_house_are_clean)
{
    const struct suite_checks checks = { .fault = shout,
                                         .suite = plan_check_suite,
                                         .item = plan_check_item };
    size_t n, faults, warnings;
    struct arena a;
    char **names;
    struct err e;

    arena_init(&a, 0);
    t_ok(io_list("suites/data", &a, &names, &n, &e), &e);
    ck_assert_uint_ge(n, 10);
    for (size_t i = 0; i < n; i++)
        t_ok(suite_check(io_join(&a, "suites/data", names[i]), &checks, &faults,
                         &warnings, &e),
             &e);
    arena_free(&a);
}
END_TEST

START_TEST(planning_survives_lack_of_memory)
{
    struct bench b = set_up("hungry");
    enum err_code rc = ERR_NOMEM;
    char path[256];
    struct plan plan;
    struct err e;

    snprintf(path, sizeof path, "%s/hungry.db", t_tmp());
    b.p.suites = &b.ps;
    for (size_t nth = 1; rc && nth < 20000; nth += 1 + nth / 40) {
        store_close(b.store); /* one that has lost a group writes no more */
        b.store = fill_open(path);
        mem_fail_at(nth, nth % 2);
        rc = plan_make(&plan, b.store, b.model, &b.p, &e);
        mem_fail_at(0, false);
        ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "%s", e.msg);
    }
    ck_assert_int_eq(rc, ERR_OK);
    ck_assert_uint_eq(plan.n, 6);
    plan_free(&plan);
    tear_down(&b);
}
END_TEST

/* 11,099 items with five examples each: read, rendered, written, looked up. */
START_TEST(cmmlu_is_planned_in_seconds)
{
    const char *data = t_shared("data/cmmlu");
    struct bench b = set_up("cmmlu");
    struct plan plan;
    struct err e;
    char path[256];
    int64_t t0;
    size_t n;

    if (data) {
        t_ok(suite_format_find("cmmlu", NULL)->import(data, t_tmp(), &n, &e),
             &e);
        suite_close(b.suite);
        snprintf(path, sizeof path, "%s/cmmlu", t_tmp());
        t0 = io_now_ns();
        t_ok(suite_open(&b.suite, path, &e), &e);
        b.ps.suite = b.suite;
        b.p.prompt.shots = 5;
        b.p.prompt.score_chat = b.p.prompt.score_text = true;
        plan = make(&b);
        ck_assert_uint_eq(plan.n, n);
        printf("plan of %zu items: %.2f s\n", n,
               (double)(io_now_ns() - t0) / 1e9);
        ck_assert(io_now_ns() - t0 < (int64_t)30 * 1000000000);
        plan_free(&plan);
    }
    tear_down(&b);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, items_are_chosen_by_subset_limit_and_trial);
    tcase_add_test(tc, answered_items_are_left_out);
    tcase_add_test(tc, conversation_is_answered_with_its_last_turn);
    tcase_add_test(tc, item_named_twice_is_asked_once);
    tcase_add_test(tc, shards_together_are_the_whole);
    tcase_add_test(tc, rows_say_what_was_asked);
    tcase_add_test(tc, what_cannot_be_planned_is_told);
    tcase_add_test(tc, matchers_are_asked_about_items);
    tcase_add_test(tc, suites_of_the_house_are_clean);
    tcase_add_test(tc, planning_survives_lack_of_memory);
    tcase_add_test(tc, cmmlu_is_planned_in_seconds);
}

T_MAIN("plan", setup)
