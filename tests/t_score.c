/* From a stored response to its score: by option scores and by text, again
 * after the matchers changed. */
#include "harness/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "report/report.h"
#include "tests/store_fill.h"
#include "tests/t.h"

#define ABCD "{\"A\":\"甲\",\"B\":\"乙\",\"C\":\"丙\",\"D\":\"丁\"}"
#define CHOICE "{\"name\":\"choice\"}"

static struct err err;
static struct arena arena;

static void ok(enum err_code rc)
{
    t_ok(rc, &err);
}

static struct store *open_db(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s-%d.db", t_tmp(), name, (int)getpid());
    return fill_open(path);
}

/* ---- Judging ---- */

struct by_options {
    const char *answer, *logprobs;
    const char *activations;
    const char *verdict, *extracted, *rule;
    int near_tie;
};

static const struct by_options option_cases[] = {
    { "\"B\"", "{\"A\":-2.5,\"B\":-0.5,\"C\":-3,\"D\":-4}", "f32", "correct",
      "B", "logprob", 0 },
    { "\"A\"", "{\"A\":-2.5,\"B\":-0.5,\"C\":-3,\"D\":-4}", "f32", "wrong", "B",
      "logprob", 0 },
    { "[\"A\",\"C\"]", "{\"A\":-2.5,\"B\":-3,\"C\":-1}", "f32", "correct", "C",
      "logprob", 0 },
    { "\"B\"",
      "{\"A\":{\"logprob\":-3.5,\"tokens\":2},"
      "\"B\":{\"logprob\":-1,\"tokens\":1}}",
      "q8", "correct", "B", "logprob", 0 },
    /* Within what int8 activations move: flagged, only there. */
    { "\"B\"", "{\"A\":-1.19,\"B\":-1,\"C\":-9}", "q8", "correct", "B",
      "logprob", 1 },
    { "\"B\"", "{\"A\":-1.19,\"B\":-1,\"C\":-9}", "f32", "correct", "B",
      "logprob", 0 },
    { "\"B\"", "{\"A\":-1.21,\"B\":-1,\"C\":-9}", "q8", "correct", "B",
      "logprob", 0 },
    /* Equal ones: the first, and it is said. */
    { "\"C\"", "{\"A\":-9,\"B\":-1,\"C\":-1}", "f32", "wrong", "B",
      "logprob-tie", 1 },
    { "\"B\"", "{\"A\":null,\"B\":-1}", "f32", "correct", "B", "logprob", 0 },
    { "\"B\"", "{\"A\":null,\"B\":null}", "f32", "unparsable", "", "logprob",
      0 },
    { "\"B\"", "{}", "f32", "unparsable", "", "logprob", 0 },
    { "\"乙\"", "{\"甲\":-2.5,\"乙\":-0.5}", "f32", "correct", "乙", "logprob",
      0 },
    { "\"②\"", "{\"①\":-0.5,\"②\":-2.5}", "f32", "wrong", "①", "logprob", 0 },
};

START_TEST(the_likeliest_option_is_the_answer)
{
    const struct by_options *c = &option_cases[_i];
    struct score_in in = { .answer = c->answer,
                           .choices = ABCD,
                           .matcher = CHOICE,
                           .logprobs_json = c->logprobs,
                           .margin = NAN,
                           .q8 = strcmp(c->activations, "q8") == 0 };
    struct store_score out;

    ok(score_judge(&in, &arena, &out, &err));
    ck_assert_str_eq(out.verdict, c->verdict);
    ck_assert_str_eq(out.extracted, c->extracted);
    ck_assert_str_eq(out.rule, c->rule);
    ck_assert_int_eq(out.near_tie, c->near_tie);
    ck_assert_double_eq(out.score, strcmp(c->verdict, "correct") == 0);
    ck_assert_str_eq(out.matcher, "logprob");
}
END_TEST

#define BY(what) "{\"name\":\"choice\",\"normalise\":\"" what "\"}"
/* A is the likeliest as it is, B a byte, C a token. */
#define UNEQUAL(a)                                                             \
    "{\"A\":{\"logprob\":" a ",\"tokens\":2,\"bytes\":3},"                     \
    "\"B\":{\"logprob\":-6,\"tokens\":4,\"bytes\":12},"                        \
    "\"C\":{\"logprob\":-8,\"tokens\":8,\"bytes\":9}}"

static const struct {
    const char *matcher, *logprobs, *extracted, *rule;
    bool near_tie;
} length_cases[] = {
    { CHOICE, UNEQUAL("-4"), "A", "logprob", false },
    { BY("no"), UNEQUAL("-4"), "A", "logprob", false },
    { BY("bytes"), UNEQUAL("-4"), "B", "logprob-bytes", false },
    { BY("tokens"), UNEQUAL("-4"), "C", "logprob-tokens", false },
    /* 0.02 a byte apart, of which int8 may move 0.2 over 3 */
    { BY("bytes"), UNEQUAL("-1.56"), "B", "logprob-bytes", true },
    { BY("bytes"), UNEQUAL("-1.5"), "A", "logprob-bytes-tie", true },
    { BY("bytes"), UNEQUAL("-1.72"), "B", "logprob-bytes", false },
    /* Lengths that were not stored: as they are. */
    { BY("bytes"), "{\"A\":-3,\"B\":-2}", "B", "logprob-bytes", false },
    { BY("bytes"), "{\"A\":{\"logprob\":-3,\"tokens\":9},\"B\":-2}", "B",
      "logprob-bytes", false },
};

START_TEST(long_options_are_not_at_a_disadvantage)
{
    struct score_in in = { .answer = "\"B\"",
                           .choices = ABCD,
                           .matcher = length_cases[_i].matcher,
                           .logprobs_json = length_cases[_i].logprobs,
                           .margin = NAN,
                           .q8 = true };
    struct store_score out;

    ok(score_judge(&in, &arena, &out, &err));
    ck_assert_str_eq(out.extracted, length_cases[_i].extracted);
    ck_assert_str_eq(out.rule, length_cases[_i].rule);
    ck_assert_int_eq(out.near_tie, length_cases[_i].near_tie);
}
END_TEST

struct by_text {
    const char *answer, *choices, *matcher, *text, *finish;
    const char *verdict, *extracted;
};

static const struct by_text text_cases[] = {
    { "\"B\"", ABCD, CHOICE, "答案是B。", "stop", "correct", "B" },
    { "\"B\"", ABCD, CHOICE, "答案是C。", "stop", "wrong", "C" },
    { "\"B\"", ABCD, CHOICE, "天气很好。", "stop", "unparsable", "" },
    { "\"B\"", ABCD, CHOICE, "", "filter", "refused", "" },
    { "\"B\"", ABCD, CHOICE, "", "refused", "refused", "" },
    { "\"B\"", ABCD, CHOICE, "", "length", "unparsable", "" },
    { "\"B\"", ABCD, CHOICE, "答案是B。", "filter", "correct", "B" },
    { "\"B\"", ABCD, CHOICE, "\xff\xfe", "stop", "unparsable", "" },
    { "[\"北京\",\"北京市\"]", NULL, "{\"name\":\"exact\"}", "北京市", "stop",
      "correct", "北京市" },
};

START_TEST(the_matcher_reads_the_text)
{
    const struct by_text *c = &text_cases[_i];
    struct score_in in = { .answer = c->answer,
                           .choices = c->choices,
                           .matcher = c->matcher,
                           .text = c->text,
                           .finish = c->finish,
                           .margin = NAN };
    struct store_score out;

    ok(score_judge(&in, &arena, &out, &err));
    ck_assert_str_eq(out.verdict, c->verdict);
    ck_assert_str_eq(out.extracted, c->extracted);
    ck_assert_uint_eq(strlen(out.settings_hash), 16);
    /* The span tells where in the raw response. */
    ck_assert_int_le(out.span_at + out.span_len, (int64_t)strlen(c->text));
}
END_TEST

START_TEST(a_small_margin_in_int8_is_flagged)
{
    struct score_in in = { .answer = "\"B\"",
                           .choices = ABCD,
                           .matcher = CHOICE,
                           .text = "B",
                           .margin = 0.1,
                           .q8 = true };
    struct store_score out;

    ok(score_judge(&in, &arena, &out, &err));
    ck_assert(out.near_tie);
    in.margin = 2;
    ok(score_judge(&in, &arena, &out, &err));
    ck_assert(!out.near_tie);
    in.margin = NAN; /* unknown is not small */
    ok(score_judge(&in, &arena, &out, &err));
    ck_assert(!out.near_tie);
}
END_TEST

START_TEST(settings_change_with_what_decides)
{
    struct score_in in = {
        .answer = "\"B\"", .choices = ABCD, .matcher = CHOICE, .text = "B"
    };
    struct store_score a, b;

    ok(score_judge(&in, &arena, &a, &err));
    in.text = "C"; /* the response is no setting */
    ok(score_judge(&in, &arena, &b, &err));
    ck_assert_str_eq(a.settings_hash, b.settings_hash);
    in.answer = "\"C\"";
    ok(score_judge(&in, &arena, &b, &err));
    ck_assert_str_ne(a.settings_hash, b.settings_hash);
    in.answer = "\"B\"";
    in.choices = "{\"A\":\"甲\",\"B\":\"乙\"}";
    ok(score_judge(&in, &arena, &b, &err));
    ck_assert_str_ne(a.settings_hash, b.settings_hash);
}
END_TEST

/* A dictionary that is not here and one that is are two settings. */
START_TEST(settings_change_with_the_dictionary)
{
    static const char words[] = "今天 9\n";
    struct score_in in = { .answer = "\"今天\"",
                           .matcher =
                               "{\"name\":\"similar\",\"unit\":\"dictionary\","
                               "\"dictionary\":\"d.txt\"}",
                           .text = "今天" };
    struct store_score a, b;

    setenv("MOKAO_WORDS", t_tmp(), 1);
    ck_assert_int_eq(score_judge(&in, &arena, &a, &err), ERR_NOENV);
    ok(io_replace(io_join(&arena, t_tmp(), "d.txt"), STR(words), &err));
    ok(score_judge(&in, &arena, &b, &err));
    ck_assert_str_eq(b.verdict, "correct");
    ck_assert_str_ne(a.settings_hash, b.settings_hash);
}
END_TEST

START_TEST(what_cannot_be_judged_is_an_error)
{
    struct score_in in = { .answer = "\"B\"",
                           .text = "B",
                           .matcher = "{\"name\":\"choise\"}" };
    struct store_score out;

    ck_assert_int_eq(score_judge(&in, &arena, &out, &err), ERR_FORMAT);
    ck_assert(strstr(err.msg, "\"choise\"") && strstr(err.msg, "\"choice\""));
    in.matcher = "{\"nam\":\"choice\"}";
    ck_assert_int_eq(score_judge(&in, &arena, &out, &err), ERR_FORMAT);
    in.matcher = CHOICE;
    in.answer = "B\"";
    ck_assert_int_eq(score_judge(&in, &arena, &out, &err), ERR_FORMAT);
    ck_assert(strstr(err.msg, "answer"));
    in.answer = "\"B\"";
    in.choices = "{";
    ck_assert_int_eq(score_judge(&in, &arena, &out, &err), ERR_FORMAT);
    ck_assert(strstr(err.msg, "choices"));
    in.logprobs_json = "[1";
    ck_assert_int_eq(score_judge(&in, &arena, &out, &err), ERR_FORMAT);
    in.matcher = NULL;
    ck_assert_int_eq(score_judge(&in, &arena, &out, &err), ERR_FORMAT);
    ck_assert(strstr(err.msg, "no matcher"));
}
END_TEST

/* ---- From the database ---- */

static const char *verdict_of(struct store *s, int64_t sample)
{
    struct store_score out;

    ok(score_sample(s, sample, &arena, NULL, &out, &err));
    return out.verdict ? out.verdict : "none";
}

/* Stores the answer, judges it: its verdict. */
static const char *judged(struct store *s, const struct fill *f, size_t i,
                          const char *text)
{
    struct store_sample k = fill_key(f, i);

    return verdict_of(s, fill_answer(s, &k, text, NULL));
}

START_TEST(a_stored_sample_is_judged_by_its_item)
{
    struct store *s = open_db("sample");
    struct fill f = fill_make(s, "m1", "suite", 3);

    /* The items have no matcher: the suite's is used. */
    ck_assert_str_eq(judged(s, &f, 0, "选B"), "correct");
    ck_assert_str_eq(judged(s, &f, 1, "选A"), "wrong");
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM score"), 2);
    ck_assert_str_eq(fill_text(s, "SELECT extracted FROM score "
                                  "WHERE verdict = 'wrong'"),
                     "A");
    store_close(s);
}
END_TEST

START_TEST(a_sample_without_a_response_is_not_judged)
{
    struct store *s = open_db("failed");
    struct fill f = fill_make(s, "m1", "suite", 3);
    struct store_sample k = fill_key(&f, 2);

    ck_assert_str_eq(verdict_of(s, fill_fail(s, &k, "NET", "gone")), "none");
    ck_assert_str_eq(verdict_of(s, 12345), "none");
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM score"), 0);
    store_close(s);
}
END_TEST

START_TEST(each_turn_has_its_own_answer_and_matcher)
{
    struct store *s = open_db("turns");
    struct fill f = fill_make(s, "m1", "suite", 0);
    struct store_item it = { .suite = f.suite,
                             .digest = "d",
                             .id = "1",
                             .choices = ABCD,
                             .matcher = CHOICE,
                             .turns = "[{\"question\":\"q\",\"answer\":\"B\"},"
                                      "{\"question\":\"q\"},"
                                      "{\"question\":\"q\",\"answer\":\"好\","
                                      "\"matcher\":{\"name\":\"exact\"}}]" };
    struct store_sample k = { .run = f.run,
                              .model = f.model,
                              .params = f.params };

    ok(store_put_item(s, &it, &k.item, &err));
    ok(store_put_prompt(s, "p", "{}", &k.prompt, &err));
    ck_assert_str_eq(verdict_of(s, fill_answer(s, &k, "B", NULL)), "correct");
    k.turn = 1;
    ck_assert_str_eq(verdict_of(s, fill_answer(s, &k, "B", NULL)), "none");
    k.turn = 2;
    ck_assert_str_eq(verdict_of(s, fill_answer(s, &k, "好", NULL)), "correct");
    ck_assert_str_eq(fill_text(s, "SELECT group_concat(matcher) FROM score"),
                     "choice,exact");
    store_close(s);
}
END_TEST

/* ---- Scoring again ---- */

struct seen {
    int64_t calls, done, n;
};

static void on_progress(void *user, int64_t done, int64_t n)
{
    struct seen *seen = user;

    seen->calls++;
    ck_assert_int_ge(done, seen->done);
    seen->done = done;
    seen->n = n;
}

/* 100 answered items: every third says C, every tenth nothing. */
static void hundred(struct store *s)
{
    struct fill f = fill_make(s, "m1", "suite", 100);

    for (size_t i = 0; i < 100; i++) {
        struct store_sample k = fill_key(&f, i);
        fill_answer(s, &k,
                    i % 10 == 0  ? "天气很好"
                    : i % 3 == 0 ? "答案是C"
                                 : "答案是B",
                    NULL);
    }
}

static enum err_code again(struct store *s, bool all, struct seen *seen,
                           struct score_totals *t)
{
    const struct score_params p = { .all = all,
                                    .progress = seen ? on_progress : NULL,
                                    .user = seen };

    return score_all(s, &p, t, &err);
}

START_TEST(unscored_responses_are_scored_once)
{
    struct store *s = open_db("all");
    struct score_totals t;
    struct seen seen = { 0 };

    hundred(s);
    ok(again(s, false, &seen, &t));
    ck_assert_int_eq(t.scored, 100);
    ck_assert_int_eq(t.changed, 0); /* they had no score */
    ck_assert_int_eq(t.unparsable, 10);
    ck_assert_int_eq(seen.done, 100);
    ck_assert_int_eq(seen.n, 100);
    ck_assert_str_eq(fill_text(s, "SELECT correct || ' ' || wrong || ' ' || "
                                  "unparsable FROM leaderboard"),
                     "60 30 10");
    ok(again(s, false, NULL, &t));
    ck_assert_int_eq(t.scored, 0);
    ck_assert_int_eq(t.current, 100);
    ok(again(s, true, NULL, &t));
    ck_assert_int_eq(t.scored, 100);
    ck_assert_int_eq(t.changed, 0);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM score_history"), 0);
    store_close(s);
}
END_TEST

/* The report of what changed, in both sources the same. */
static void report_changes(struct store *s, bool this_call)
{
    static const struct report_format *const formats[] = { &format_csv,
                                                           &format_table };
    const struct report_style wide = { 0 };
    struct arena a;
    struct report_params p = { .store = s,
                               .this_call = this_call,
                               .arena = &a };
    struct table *tables;
    char name[64];
    size_t n;

    arena_init(&a, 0);
    ok(report_rescore.make(&p, &tables, &n, &err));
    for (size_t i = 0; i < 2; i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        formats[i]->print(tables, n, &wide, &out);
        snprintf(name, sizeof name, "report/rescore.%s", formats[i]->name);
        t_golden(name, buf_view(&out));
        buf_free(&out);
    }
    arena_free(&a);
}

static const struct {
    struct store_score old, now;
} changes[] = {
    { { "choice", 1, "a", "wrong", 0, "A", "guess", 0, 1, false },
      { "choice", 2, "a", "correct", 1, "B", "answer-is", 0, 1, false } },
    { { "choice", 1, "a", "correct", 1, "B", "guess", 0, 1, false },
      { "choice", 2, "a", "unparsable", 0, "", "", 0, 0, false } },
    { { "choice", 2, "a", "wrong", 0, "C", "last", 0, 1, false },
      { "choice", 2, "b", "refused", 0, "", "refusal", 0, 1, false } },
    { { "exact", 4, "a", "correct", 1, "B", "whole", 0, 1, false },
      { "choice", 2, "a", "correct", 1, "B", "whole", 0, 1, false } },
};

START_TEST(changes_are_reported_of_the_call_and_of_the_history)
{
    struct store *s = open_db("report");
    struct fill f = fill_make(s, "m1", "suite", 4);

    ok(store_begin_changes(s, &err));
    for (size_t i = 0; i < 4; i++) {
        struct store_sample k = fill_key(&f, i);
        int64_t id = fill_answer(s, &k, "B", NULL);
        ok(store_put_score(s, id, &changes[i].old, &err));
        ok(store_put_score(s, id, &changes[i].now, &err));
        if (i < 3) /* the last has another matcher and the same outcome */
            ok(store_note_change(s, id, &changes[i].old, &changes[i].now,
                                 &err));
    }
    report_changes(s, true);
    report_changes(s, false);
    store_close(s);
}
END_TEST

START_TEST(a_dry_run_tells_the_changes_and_writes_nothing)
{
    struct score_params p = { .dry_run = true, .changes = true };
    struct store *s = open_db("dry");
    struct score_totals t;

    hundred(s);
    ok(again(s, false, NULL, &t));
    ok(store_exec(s,
                  "UPDATE score SET version = 0, verdict = 'wrong', score = 0,"
                  " rule = 'guess' WHERE sample IN (SELECT sample FROM score"
                  " WHERE verdict = 'correct' LIMIT 3);"
                  "UPDATE score SET version = 1, verdict = 'correct',"
                  " score = 1, settings = 'x' WHERE sample = (SELECT"
                  " min(sample) FROM score WHERE verdict = 'unparsable')",
                  &err));
    ok(score_all(s, &p, &t, &err));
    ck_assert_int_eq(t.to_correct, 3);
    ck_assert_int_eq(t.to_wrong, 1);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM score_history"), 0);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM score"
                                 " WHERE version = 0"),
                     3);
    ck_assert_int_eq(
        fill_int(s, "SELECT count(*) FROM temp.rescored WHERE old_verdict ="
                    " 'wrong' AND old_rule = 'guess' AND verdict = 'correct'"
                    " AND old_version = 0 AND version > 0"),
        3);
    p.dry_run = false;
    ok(score_all(s, &p, &t, &err));
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM temp.rescored"), 4);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM score_history"), 4);
    ok(score_all(s, &p, &t, &err));
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM temp.rescored"), 0);
    store_close(s);
}
END_TEST

START_TEST(a_changed_matcher_is_noticed_and_counted)
{
    struct store *s = open_db("changed");
    struct score_totals t;

    hundred(s);
    ok(again(s, false, NULL, &t));
    /* As if an older matcher had read 5 of them otherwise. */
    ok(store_exec(s,
                  "UPDATE score SET version = 0, verdict = 'wrong', "
                  "score = 0, extracted = 'A' WHERE sample IN (SELECT "
                  "sample FROM score WHERE verdict = 'correct' LIMIT 3);"
                  "UPDATE score SET version = 0, verdict = 'correct', "
                  "score = 1 WHERE sample IN (SELECT sample FROM score "
                  "WHERE verdict = 'wrong' AND version > 0 LIMIT 2)",
                  &err));
    ok(again(s, false, NULL, &t));
    ck_assert_int_eq(t.scored, 5);
    ck_assert_int_eq(t.changed, 5);
    ck_assert_int_eq(t.to_correct, 3);
    ck_assert_int_eq(t.to_wrong, 2);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM score_history"), 5);
    ck_assert_str_eq(fill_text(s, "SELECT correct || ' ' || wrong "
                                  "FROM leaderboard"),
                     "60 30");
    store_close(s);
}
END_TEST

START_TEST(rescoring_walks_many_pages)
{
    struct store *s = open_db("pages");
    struct fill f = fill_make(s, "m1", "suite", FILL_ITEMS);
    struct score_totals t;
    struct seen seen = { 0 };

    for (int64_t i = 0; i < 9000; i++) {
        struct store_sample k = fill_key(&f, (size_t)(i % FILL_ITEMS));
        k.trial = i / FILL_ITEMS;
        fill_answer(s, &k, i % 2 ? "B" : "C", NULL);
    }
    ok(again(s, false, &seen, &t));
    ck_assert_int_eq(t.scored, 9000);
    ck_assert_int_eq(seen.calls, 3);
    ck_assert_int_eq(fill_int(s, "SELECT sum(correct) FROM leaderboard"), 4500);
    store_close(s);
}
END_TEST

START_TEST(an_item_that_cannot_be_judged_is_named)
{
    struct store *s = open_db("broken");
    struct score_totals t;

    hundred(s);
    ok(store_exec(s,
                  "UPDATE item SET matcher = '{\"name\":\"oracle\"}' "
                  "WHERE digest = 'suite-item-7'",
                  &err));
    ck_assert_int_eq(again(s, false, NULL, &t), ERR_FORMAT);
    ck_assert_msg(strstr(err.msg, "sample 8") && strstr(err.msg, "oracle"),
                  "%s", err.msg);
    store_close(s);
}
END_TEST

START_TEST(no_memory_while_scoring_leaves_it_to_a_later_call)
{
    struct store *s = open_db("memory");
    struct score_totals t;
    enum err_code rc = ERR_NOMEM;

    hundred(s);
    ok(store_flush(s, &err));
    for (size_t n = 1; rc && n < 100000; n += 1 + n / 4) {
        mem_fail_at(n, false);
        rc = again(s, true, NULL, &t);
        mem_fail_at(0, false);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        if (n > 5000)
            break;
    }
    ok(again(s, true, NULL, &t));
    ck_assert_str_eq(fill_text(s, "SELECT correct || ' ' || wrong || ' ' || "
                                  "unparsable FROM leaderboard"),
                     "60 30 10");
    ck_assert_str_eq(fill_text(s, "PRAGMA integrity_check"), "ok");
    store_close(s);
}
END_TEST

static void setup_arena(void)
{
    arena_init(&arena, 0);
}

static void free_arena(void)
{
    arena_free(&arena);
}

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup_arena, free_arena);
    tcase_add_loop_test(tc, the_likeliest_option_is_the_answer, 0,
                        sizeof option_cases / sizeof *option_cases);
    tcase_add_loop_test(tc, long_options_are_not_at_a_disadvantage, 0,
                        sizeof length_cases / sizeof *length_cases);
    tcase_add_loop_test(tc, the_matcher_reads_the_text, 0,
                        sizeof text_cases / sizeof *text_cases);
    tcase_add_test(tc, a_small_margin_in_int8_is_flagged);
    tcase_add_test(tc, settings_change_with_what_decides);
    tcase_add_test(tc, settings_change_with_the_dictionary);
    tcase_add_test(tc, what_cannot_be_judged_is_an_error);
    tcase_add_test(tc, a_stored_sample_is_judged_by_its_item);
    tcase_add_test(tc, a_sample_without_a_response_is_not_judged);
    tcase_add_test(tc, each_turn_has_its_own_answer_and_matcher);
    tcase_add_test(tc, unscored_responses_are_scored_once);
    tcase_add_test(tc, changes_are_reported_of_the_call_and_of_the_history);
    tcase_add_test(tc, a_dry_run_tells_the_changes_and_writes_nothing);
    tcase_add_test(tc, a_changed_matcher_is_noticed_and_counted);
    tcase_add_test(tc, rescoring_walks_many_pages);
    tcase_add_test(tc, an_item_that_cannot_be_judged_is_named);
    tcase_add_test(tc, no_memory_while_scoring_leaves_it_to_a_later_call);
}

T_MAIN("score", setup)
