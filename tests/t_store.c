/* The results database: identity, commit groups, views, merging. */
#include "harness/store/store.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "tests/store_fill.h"
#include "tests/t.h"

static struct err err;
static char path[256];

/* A new file name for each test. */
static const char *db_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s-%d.db", t_tmp(), name, (int)getpid());
    return path;
}

static void ok(enum err_code rc)
{
    t_ok(rc, &err);
}

START_TEST(the_same_content_gets_the_same_id)
{
    struct store *s = fill_open(db_path("same"));
    struct store_model m = { .fingerprint = "f1", .id = "qwen", .open = true };
    struct fill a = fill_make(s, "m1", "suite", 3), b;
    int64_t x, y;

    b = fill_make(s, "m1", "suite", 3);
    ck_assert_int_eq(a.model, b.model);
    ck_assert_int_eq(a.suite, b.suite);
    ck_assert_int_eq(a.item[2], b.item[2]);
    ck_assert_int_eq(a.prompt[2], b.prompt[2]);
    ck_assert_int_eq(a.params, b.params);
    ck_assert_int_ne(a.run, b.run); /* a run is always a new one */

    ok(store_put_model(s, &m, &x, &err));
    m.id = "renamed";
    m.price_in = 2;
    ok(store_put_model(s, &m, &y, &err));
    ck_assert_int_eq(x, y);
    ck_assert_int_eq(fill_int(s, "SELECT price_in FROM model "
                                 "WHERE id = 'renamed'"),
                     2);
    store_close(s);
}
END_TEST

START_TEST(a_sample_is_stored_once_and_its_response_stays)
{
    struct store *s = fill_open(db_path("once"));
    struct fill f = fill_make(s, "m1", "suite", 2);
    struct store_sample k = fill_key(&f, 0);
    struct store_response r = { .text = "B", .finish = "stop", .margin = NAN };
    int64_t id, again;
    bool added, answered;

    ok(store_find_sample(s, &k, &id, &answered, &err));
    ck_assert_int_eq(id, 0);
    ok(store_add_response(s, &k, &r, &id, &added, &err));
    ck_assert(added);
    r.text = "C";
    ok(store_add_response(s, &k, &r, &again, &added, &err));
    ck_assert(!added);
    ck_assert_int_eq(id, again);
    ok(store_find_sample(s, &k, &again, &answered, &err));
    ck_assert(answered && id == again);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM response "
                                 "WHERE text = 'B'"),
                     1);
    ck_assert_int_eq(fill_int(s, "SELECT margin IS NULL FROM response"), 1);
    ck_assert_int_eq(store_exec(s, "UPDATE response SET text = 'C'", &err),
                     ERR_IO);
    ck_assert(strstr(err.msg, "never changed"));
    ck_assert_int_eq(store_exec(s, "DELETE FROM response", &err), ERR_IO);
    store_close(s);
}
END_TEST

START_TEST(each_part_of_the_identity_makes_another_sample)
{
    struct store *s = fill_open(db_path("parts"));
    struct fill f = fill_make(s, "m1", "suite", 2);
    struct fill g = fill_make(s, "m2", "suite", 2);
    struct store_sample k[7];
    int64_t other_params;

    ok(store_put_params(s, "h2", "{\"seed\":2}", &other_params, &err));
    for (size_t i = 0; i < 7; i++)
        k[i] = fill_key(&f, 0);
    k[1].model = g.model;
    k[2].item = f.item[1];
    k[3].prompt = f.prompt[1];
    k[4].params = other_params;
    k[5].turn = 1;
    k[6].trial = 1;
    for (size_t i = 0; i < 7; i++)
        fill_answer(s, &k[i], "B", NULL);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM sample"), 7);
    store_close(s);
}
END_TEST

START_TEST(errors_are_kept_beside_a_later_answer)
{
    struct store *s = fill_open(db_path("errors"));
    struct fill f = fill_make(s, "m1", "suite", 2);
    struct store_sample k = fill_key(&f, 0);
    int64_t id, found;
    bool answered;

    id = fill_fail(s, &k, "RATE", "slow down");
    ok(store_find_sample(s, &k, &found, &answered, &err));
    ck_assert(found == id && !answered);
    fill_fail(s, &k, "NET", "gone");
    fill_answer(s, &k, "B", "correct");
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM failure"), 2);
    ck_assert_int_eq(fill_int(s, "SELECT answered FROM sample_scores"), 1);
    ck_assert_str_eq(fill_text(s, "SELECT error FROM sample_scores"), "NET");
    ck_assert_str_eq(fill_text(s, "SELECT error_message FROM sample_scores"),
                     "gone");
    store_close(s);
}
END_TEST

START_TEST(a_replaced_score_goes_into_the_history)
{
    struct store *s = fill_open(db_path("history"));
    struct fill f = fill_make(s, "m1", "suite", 1);
    struct store_sample k = fill_key(&f, 0);
    struct store_score c = { .matcher = "choice",
                             .version = 1,
                             .settings_hash = "0123",
                             .verdict = "wrong",
                             .extracted = "C",
                             .rule = "last" };
    int64_t id = fill_answer(s, &k, "B", NULL);

    ok(store_put_score(s, id, &c, &err));
    ok(store_put_score(s, id, &c, &err)); /* the same: nothing to keep */
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM score_history"), 0);
    c.version = 2;
    c.verdict = "correct";
    c.score = 1;
    ok(store_put_score(s, id, &c, &err));
    ck_assert_str_eq(fill_text(s, "SELECT verdict FROM score"), "correct");
    ck_assert_str_eq(fill_text(s, "SELECT verdict || version "
                                  "FROM score_history"),
                     "wrong1");
    c.verdict = "perhaps";
    ck_assert_int_ne(store_put_score(s, id, &c, &err), ERR_OK);
    ck_assert_str_eq(fill_text(s, "SELECT verdict FROM score"), "correct");
    store_close(s);
}
END_TEST

/* Rows another connection can see. */
static int64_t committed(const char *sql)
{
    struct store *s;
    int64_t n;

    ok(store_open(&s, path, true, &err));
    n = fill_int(s, sql);
    store_close(s);
    return n;
}

START_TEST(a_group_ends_after_64_samples)
{
    struct store *s = fill_open(db_path("group"));
    struct fill f = fill_make(s, "m1", "suite", 80);
    const char *count = "SELECT count(*) FROM response";

    io_set_clock(1000); /* time stands still: only the number counts */
    ok(store_flush(s, &err));
    for (size_t i = 0; i < 80; i++) {
        struct store_sample k = fill_key(&f, i);
        fill_answer(s, &k, "B", "correct");
        ok(store_tick(s, &err));
        ck_assert_int_eq(committed(count), i < 63 ? 0 : 64);
    }
    ok(store_flush(s, &err));
    ck_assert_int_eq(committed(count), 80);
    io_set_clock(-1);
    store_close(s);
}
END_TEST

START_TEST(a_group_ends_after_100_ms)
{
    struct store *s = fill_open(db_path("time"));
    struct fill f = fill_make(s, "m1", "suite", 3);
    struct store_sample k = fill_key(&f, 0);

    ok(store_flush(s, &err));
    io_set_clock(5000);
    fill_answer(s, &k, "B", NULL);
    io_set_clock(5099);
    ok(store_tick(s, &err));
    ck_assert_int_eq(committed("SELECT count(*) FROM response"), 0);
    io_set_clock(5100);
    ok(store_tick(s, &err));
    ck_assert_int_eq(committed("SELECT count(*) FROM response"), 1);
    io_set_clock(-1);
    store_close(s);
}
END_TEST

START_TEST(an_answer_is_committed_with_its_score)
{
    struct store *s = fill_open(db_path("pair"));
    struct fill f = fill_make(s, "m1", "suite", 80);

    io_set_clock(1000);
    ok(store_flush(s, &err));
    for (size_t i = 0; i < 80; i++) { /* killed anywhere: never one alone */
        struct store_sample k = fill_key(&f, i);
        fill_answer(s, &k, "B", "correct");
        ck_assert_int_eq(committed("SELECT count(*) FROM response"),
                         committed("SELECT count(*) FROM score"));
    }
    io_set_clock(-1);
    store_close(s);
}
END_TEST

START_TEST(a_full_group_is_committed_even_without_ticks)
{
    struct store *s = fill_open(db_path("noticks"));
    struct fill f = fill_make(s, "m1", "suite", 70);

    ok(store_flush(s, &err));
    for (size_t i = 0; i < 70; i++) {
        struct store_sample k = fill_key(&f, i);
        fill_answer(s, &k, "B", NULL);
    }
    ck_assert_int_eq(committed("SELECT count(*) FROM response"), 64);
    store_close(s);
    ck_assert_int_eq(committed("SELECT count(*) FROM response"), 70);
}
END_TEST

/* ---- Views ---- */

/* Ten items: 4 right, 2 wrong, 1 unparsable, 1 refused, 2 failed; one of the
 * wrong ones was cut off. */
static void ten_items(struct store *s, const char *model)
{
    static const char *const verdicts[] = { "correct", "correct",    "correct",
                                            "correct", "wrong",      "wrong",
                                            "refused", "unparsable", NULL,
                                            NULL };
    struct fill f = fill_make(s, model, "suite", 10);

    for (size_t i = 0; i < 10; i++) {
        struct store_sample k = fill_key(&f, i);
        if (verdicts[i])
            fill_answer(s, &k, i == 4 ? "<cut>" : "B", verdicts[i]);
        else
            fill_fail(s, &k, "TIMEOUT", "no answer");
    }
}

static void check_ten_items(struct store *s)
{
    ck_assert_str_eq(
        fill_text(s, "SELECT items || ' ' || asked || ' ' || answered || ' ' "
                     "|| failed || ' ' || correct || ' ' || wrong || ' ' || "
                     "unparsable || ' ' || refused || ' ' || cut_off || ' ' "
                     "|| unscored FROM leaderboard"),
        "10 10 8 2 4 2 1 1 1 0");
    ck_assert_str_eq(fill_text(s, "SELECT score || ' ' || score_answered || "
                                  "' ' || score_low || ' ' || score_high || "
                                  "' ' || score_all_turns FROM leaderboard"),
                     "0.4 0.5 0.4 0.6 0.4");
}

START_TEST(leaderboard_counts_and_bounds)
{
    struct store *s = fill_open(db_path("board"));

    ten_items(s, "m1");
    check_ten_items(s); /* counted anew */
    ok(store_refresh(s, &err));
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM stale"), 0);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) > 0 FROM tally"), 1);
    check_ten_items(s); /* ready made */
    store_close(s);
}
END_TEST

START_TEST(ready_made_sums_never_lag_behind)
{
    struct store *s = fill_open(db_path("stale"));
    struct store_score c = { .matcher = "choice",
                             .version = 2,
                             .settings_hash = "",
                             .verdict = "correct",
                             .score = 1 };
    struct store_sample k;
    struct fill f;

    ten_items(s, "m1");
    ten_items(s, "m2");
    ok(store_refresh(s, &err));
    f = fill_make(s, "m1", "suite", 10);
    k = fill_key(&f, 9);
    fill_answer(s, &k, "B", "correct"); /* after its failure */
    ck_assert_str_eq(fill_text(s, "SELECT group_concat(model || correct || "
                                  "failed) FROM leaderboard"),
                     "m151,m242");
    ok(store_refresh(s, &err));
    ok(store_put_score(s,
                       fill_int(s, "SELECT min(sample) FROM score "
                                   "WHERE verdict = 'wrong'"),
                       &c, &err));
    ck_assert_str_eq(fill_text(s, "SELECT group_concat(model || correct) "
                                  "FROM leaderboard"),
                     "m16,m24");
    ok(store_exec(s, "DELETE FROM score", &err));
    ck_assert_int_eq(fill_int(s, "SELECT sum(unscored) FROM leaderboard"), 17);
    store_close(s);
}
END_TEST

/* An item of three turns, the second of which is not judged. */
static struct store_sample three_turns(struct store *s)
{
    struct fill f = fill_make(s, "m1", "talk", 0);
    struct store_item it = { .suite = f.suite,
                             .digest = "d",
                             .id = "i",
                             .subset = "",
                             .turns =
                                 "[{\"question\":\"1\",\"answer\":\"A\"},"
                                 "{\"question\":\"2\"},"
                                 "{\"question\":\"3\",\"answer\":\"B\"}]" };
    struct store_sample k = { .run = f.run,
                              .model = f.model,
                              .params = f.params };

    ok(store_put_item(s, &it, &k.item, &err));
    ok(store_put_prompt(s, "p", "{}", &k.prompt, &err));
    return k;
}

static const char turn_scores[] =
    "SELECT asked || ' ' || failed || ' ' || score || ' ' || score_high || "
    "' ' || all_turns FROM item_scores";

START_TEST(an_item_of_several_turns_counts_once)
{
    struct store *s = fill_open(db_path("turns"));
    struct store_sample k = three_turns(s);

    fill_answer(s, &k, "A", "correct");
    k.turn = 1;
    fill_answer(s, &k, "chat", NULL);
    /* The last turn is missing: like one that failed. */
    ck_assert_str_eq(fill_text(s, turn_scores), "2 1 0.5 1.0 0.0");
    k.turn = 2;
    fill_answer(s, &k, "C", "wrong");
    ck_assert_str_eq(fill_text(s, turn_scores), "2 0 0.5 0.5 0.0");
    ck_assert_int_eq(fill_int(s, "SELECT items FROM leaderboard"), 1);
    store_close(s);
}
END_TEST

START_TEST(trials_of_an_item_are_averaged)
{
    struct store *s = fill_open(db_path("trials"));
    struct store_sample k = three_turns(s);

    for (k.turn = 0; k.turn < 3; k.turn++)
        fill_answer(s, &k, "A",
                    k.turn == 1   ? NULL
                    : k.turn == 0 ? "correct"
                                  : "wrong");
    k.trial = 1; /* this time all is right */
    for (k.turn = 0; k.turn < 3; k.turn++)
        fill_answer(s, &k, "A", k.turn == 1 ? NULL : "correct");
    ck_assert_str_eq(fill_text(s, turn_scores), "4 0 0.75 0.75 0.5");
    ck_assert_int_eq(fill_int(s, "SELECT trials FROM item_scores"), 2);
    ck_assert_int_eq(fill_int(s, "SELECT items FROM leaderboard"), 1);
    store_close(s);
}
END_TEST

START_TEST(only_the_newest_prompt_of_an_item_counts)
{
    struct store *s = fill_open(db_path("newest"));
    struct fill f = fill_make(s, "m1", "suite", 2), g;
    struct store_sample k = fill_key(&f, 0);

    fill_answer(s, &k, "C", "wrong");
    g = fill_make(s, "m1", "suite", 2); /* a later run, another prompt */
    k = fill_key(&g, 0);
    k.prompt = f.prompt[1];
    fill_answer(s, &k, "B", "correct");
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM sample_scores"), 2);
    ck_assert_int_eq(fill_int(s, "SELECT items FROM leaderboard"), 1);
    ck_assert_int_eq(fill_int(s, "SELECT correct FROM leaderboard"), 1);
    store_close(s);
}
END_TEST

START_TEST(a_new_version_of_a_suite_keeps_the_answers_of_its_old_items)
{
    struct store *s = fill_open(db_path("version"));
    struct fill f = fill_make(s, "m1", "suite", 3);
    struct store_suite v2 = { .id = "suite", .version = "2", .digest = "v2" };
    struct store_item it = { .digest = "suite-item-1",
                             .id = "1",
                             .answer = "\"B\"" };
    struct store_sample k = fill_key(&f, 1);
    int64_t item;

    for (size_t i = 0; i < 3; i++) {
        struct store_sample each = fill_key(&f, i);
        fill_answer(s, &each, "B", "correct");
    }
    ok(store_refresh(s, &err));
    ok(store_put_suite(s, &v2, &it.suite, &err));
    ck_assert_int_ne(it.suite, f.suite);
    ok(store_put_item(s, &it, &item, &err));
    ck_assert_int_eq(item, k.item);
    ck_assert_str_eq(fill_text(s, "SELECT suite_version || items "
                                  "FROM leaderboard"),
                     "21");             /* version 2, one item */
    f = fill_make(s, "m1", "suite", 3); /* back to version 1 */
    ck_assert_str_eq(fill_text(s, "SELECT suite_version || items "
                                  "FROM leaderboard"),
                     "13");
    store_close(s);
}
END_TEST

START_TEST(queries_bind_and_nest)
{
    struct store *s = fill_open(db_path("query"));

    ck_assert_int_eq(fill_int(s, "SELECT 1 + (SELECT count(*) FROM model)"), 1);
    ck_assert_str_eq(fill_bound(s, "text 日本", INT64_MAX, 0.25),
                     "text 日本|9223372036854775807|0.25|");
    ck_assert_int_ne(store_query(s, "SELECT nothing", NULL, NULL, &err, ""),
                     ERR_OK);
    ck_assert(strstr(err.msg, "nothing"));
    store_close(s);
}
END_TEST

START_TEST(tables_and_views_explain_themselves)
{
    struct store *s = fill_open(db_path("doc"));

    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM sqlite_schema WHERE "
                                 "type IN ('table', 'view') AND "
                                 "name NOT LIKE 'sqlite_%' AND "
                                 "sql NOT LIKE '%--%'"),
                     0);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM pragma_table_list "
                                 "WHERE type = 'table' AND schema = 'main' "
                                 "AND name NOT LIKE 'sqlite_%' "
                                 "AND NOT strict"),
                     0);
    ck_assert_int_eq(fill_int(s, "PRAGMA foreign_keys"), 1);
    ck_assert_int_eq(fill_int(s, "PRAGMA synchronous"), 2);
    ck_assert_str_eq(fill_text(s, "PRAGMA journal_mode"), "wal");
    store_close(s);
}
END_TEST

/* ---- Merging ---- */

/* Items from..to of m1 answered, item `to` failed. */
static void shard(const char *name, size_t from, size_t to, int64_t started_ms)
{
    struct store *s = fill_open(name);
    struct fill f;
    struct store_sample k;

    io_set_clock(started_ms);
    f = fill_make(s, "m1", "suite", 10);
    io_set_clock(-1);
    for (size_t i = from; i < to; i++) {
        k = fill_key(&f, i);
        fill_answer(s, &k, "B", i % 2 ? "correct" : "wrong");
    }
    k = fill_key(&f, to);
    fill_fail(s, &k, "NET", "gone");
    store_close(s);
}

START_TEST(overlapping_shards_merge_into_one)
{
    char a[300], b[300];
    struct store *s;
    struct store_merge m;

    snprintf(a, sizeof a, "%s.a", db_path("merge"));
    snprintf(b, sizeof b, "%s.b", path);
    shard(a, 0, 4, 1000); /* answers 0-3, fails 4 */
    shard(b, 3, 9, 2000); /* answers 3-8, fails 9 */
    s = fill_open(path);
    ok(store_merge(s, a, &m, &err));
    ck_assert_int_eq(m.samples, 5);
    ck_assert_int_eq(m.responses, 4);
    ck_assert_int_eq(m.scores, 4);
    ck_assert_int_eq(m.errors, 1);
    ck_assert_int_eq(m.duplicates, 0);
    ok(store_merge(s, b, &m, &err));
    ck_assert_int_eq(m.samples, 5);
    ck_assert_int_eq(m.responses, 5); /* item 4 had failed in a */
    ck_assert_int_eq(m.duplicates, 2);
    ck_assert_int_eq(m.errors, 1);
    ck_assert_str_eq(fill_text(s, "SELECT items || ' ' || answered || ' ' || "
                                  "failed || ' ' || correct "
                                  "FROM leaderboard"),
                     "10 9 1 4");
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM failure"), 2);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM run"), 2);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM stale"), 0);
    /* Again: nothing is new. */
    ok(store_merge(s, b, &m, &err));
    ck_assert_int_eq(m.samples + m.responses + m.scores + m.errors, 0);
    ck_assert_int_eq(m.duplicates, 7);
    ck_assert_str_eq(fill_text(s, "PRAGMA integrity_check"), "ok");
    store_close(s);
}
END_TEST

START_TEST(merging_maps_numbers_not_copies_them)
{
    char a[300];
    struct store *s;
    struct store_merge m;

    snprintf(a, sizeof a, "%s.a", db_path("maps"));
    shard(a, 0, 4, 1000);
    s = fill_open(path);
    fill_make(s, "m0", "other", 7); /* so that numbers differ */
    ten_items(s, "m1");
    ok(store_merge(s, a, &m, &err));
    ck_assert_int_eq(m.samples, 0);
    ck_assert_int_eq(m.duplicates, 5);
    ck_assert_int_eq(m.responses, 0); /* ours are kept */
    check_ten_items(s);
    store_close(s);
}
END_TEST

START_TEST(an_older_run_does_not_replace_a_newer_one)
{
    char a[300];
    struct store *s;
    struct store_merge m;
    struct fill f;
    struct store_sample k;

    snprintf(a, sizeof a, "%s.a", db_path("older"));
    shard(a, 0, 4, 1000);
    s = fill_open(path);
    io_set_clock(2000);
    f = fill_make(s, "m1", "suite", 10);
    io_set_clock(-1);
    k = fill_key(&f, 0);
    k.prompt = f.prompt[1]; /* asked in another way */
    fill_answer(s, &k, "B", "correct");
    ok(store_merge(s, a, &m, &err));
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM sample_scores "
                                 "WHERE item = '0'"),
                     2);
    ck_assert_str_eq(fill_text(s, "SELECT verdict FROM sample_scores "
                                  "WHERE item = '0' AND current"),
                     "correct");
    store_close(s);
}
END_TEST

START_TEST(what_cannot_be_merged_is_said)
{
    struct store *s = fill_open(db_path("cannot"));
    struct store_merge m;
    char other[300];

    ck_assert_int_eq(store_merge(s, "/nowhere/x.db", &m, &err), ERR_NOENV);
    ck_assert_int_eq(store_merge(s, path, &m, &err), ERR_USAGE);
    ck_assert(strstr(err.msg, "itself"));
    snprintf(other, sizeof other, "%s.txt", path);
    ok(io_replace(other,
                  STR("this is no database, only a text file of "
                      "some length\n"),
                  &err));
    ck_assert_int_eq(store_merge(s, other, &m, &err), ERR_FORMAT);
    /* And the store still works. */
    ten_items(s, "m1");
    check_ten_items(s);
    store_close(s);
}
END_TEST

START_TEST(several_processes_share_a_database)
{
    pid_t child[3];
    struct store *s;

    db_path("shared"); /* made by whoever comes first */
    for (int c = 0; c < 3; c++) {
        child[c] = fork();
        if (child[c] == 0) {
            char model[16];
            struct fill f;
            snprintf(model, sizeof model, "m%d", c);
            s = fill_open(path);
            f = fill_make(s, model, "suite", 100);
            for (size_t i = 0; i < 100; i++) {
                struct store_sample k = fill_key(&f, i);
                fill_answer(s, &k, "B", "correct");
                ok(store_tick(s, &err));
            }
            ok(store_end_run(s, f.run, "done", 5, &err));
            store_close(s);
            _exit(0);
        }
    }
    for (int c = 0; c < 3; c++) {
        int status;
        ck_assert_int_eq(waitpid(child[c], &status, 0), child[c]);
        ck_assert_int_eq(status, 0);
    }
    s = fill_open(path);
    ck_assert_int_eq(fill_int(s, "SELECT sum(correct) FROM leaderboard"), 300);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM item"), 100);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM run "
                                 "WHERE state = 'done'"),
                     3);
    store_close(s);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, the_same_content_gets_the_same_id);
    tcase_add_test(tc, a_sample_is_stored_once_and_its_response_stays);
    tcase_add_test(tc, each_part_of_the_identity_makes_another_sample);
    tcase_add_test(tc, errors_are_kept_beside_a_later_answer);
    tcase_add_test(tc, a_replaced_score_goes_into_the_history);
    tcase_add_test(tc, a_group_ends_after_64_samples);
    tcase_add_test(tc, a_group_ends_after_100_ms);
    tcase_add_test(tc, an_answer_is_committed_with_its_score);
    tcase_add_test(tc, a_full_group_is_committed_even_without_ticks);
    tcase_add_test(tc, leaderboard_counts_and_bounds);
    tcase_add_test(tc, ready_made_sums_never_lag_behind);
    tcase_add_test(tc, an_item_of_several_turns_counts_once);
    tcase_add_test(tc, trials_of_an_item_are_averaged);
    tcase_add_test(tc, only_the_newest_prompt_of_an_item_counts);
    tcase_add_test(tc,
                   a_new_version_of_a_suite_keeps_the_answers_of_its_old_items);
    tcase_add_test(tc, queries_bind_and_nest);
    tcase_add_test(tc, tables_and_views_explain_themselves);
    tcase_add_test(tc, overlapping_shards_merge_into_one);
    tcase_add_test(tc, merging_maps_numbers_not_copies_them);
    tcase_add_test(tc, an_older_run_does_not_replace_a_newer_one);
    tcase_add_test(tc, what_cannot_be_merged_is_said);
    tcase_add_test(tc, several_processes_share_a_database);
}

T_MAIN("store", setup)
