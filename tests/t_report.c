/* Reports from the fixed database: the whole output of each kind and format is
 * golden, and what the numbers must be is checked by hand here. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "report/report.h"
#include "tests/store_fill.h"
#include "tests/t.h"

/* --- the database ------------------------------------------------------- */

/* Three models answer twelve items in each of three suites.  "alpha" is nearly
 * always right, "beta" less often and has failed requests, "gamma_0.5b" is
 * weak: it refuses, rambles until it is cut off, or says nothing that can be
 * read. */
enum { N_MODELS = 3, N_SUITES = 3, N_ITEMS = 12 };

static const struct store_model models[N_MODELS] = {
    { .fingerprint = "openai:example:alpha:chat",
      .id = "alpha",
      .name = "Alpha 甲",
      .vendor = "Example",
      .kind = "openai",
      .price_in = NAN,
      .price_out = NAN },
    { .fingerprint = "zhipu:example:beta:chat",
      .id = "beta",
      .name = "乙模型",
      .vendor = "示例公司",
      .kind = "openai",
      .price_in = 1,
      .price_out = 2,
      .currency = "CNY",
      .price_date = "2026-11-01",
      .domestic = true },
    { .fingerprint = "gguf:90fb2f8a81e5c1d8f0b1e0d1c2b3a4958677889900aabbccddee"
                     "ff0011223344:q8",
      .id = "gamma_0.5b",
      .name = "",
      .vendor = "示例, \"引号\" <公司>",
      .kind = "gguf",
      .size_b = 0.5,
      .price_in = NAN,
      .price_out = NAN,
      .open = true,
      .domestic = true },
};

static const struct store_suite suites[N_SUITES] = {
    { .id = "logic",
      .version = "1.0.0",
      .digest = "1111111111111111111111111111111111111111111111111111111111111"
                "111",
      .title_zh = "逻辑",
      .title_en = "Logic",
      .ability = "基础能力/逻辑与推理",
      .language = "zh",
      .licence = "CC0-1.0",
      .matcher = "{\"name\":\"choice\"}",
      .path = "suites/data/logic" },
    { .id = "code",
      .version = "1.1.0",
      .digest = "2222222222222222222222222222222222222222222222222222222222222"
                "222",
      .title_zh = "代码",
      .title_en = "Code",
      .ability = "基础能力/代码",
      .language = "zh",
      .licence = "CC0-1.0",
      .matcher = "{\"name\":\"choice\"}",
      .path = "suites/data/code" },
    { .id = "poem",
      .version = "2.0.0",
      .digest = "3333333333333333333333333333333333333333333333333333333333333"
                "333",
      .title_zh = "诗词",
      .title_en = "Poems",
      .ability = "中文特性/诗词",
      .language = "zh",
      .licence = "CC0-1.0",
      .matcher = "{\"name\":\"choice\"}",
      .path = "suites/data/poem" },
};

/* What a model did with items 0 ... 11 of a suite: C correct, W wrong, U
 * unparsable, R refused, L cut off without an answer, F failed. */
static const char *const outcomes[N_MODELS][N_SUITES] = {
    { "CCCCCCCCCCCC", "CCCCCCCCCCCW", "CCCCCCCCCCCC" },
    { "CCCCCWWWCCCC", "CCCCFFWWCCWC", "CCCCCWCCCCCF" },
    { "CWWWWWCWUWWW", "WWCWWRWWWLWW", "WCWWWWWWCWWW" },
};

static const struct outcome {
    char letter;
    const char *verdict, *finish, *text, *extracted, *rule;
    int64_t span_at, span_len;
} table[] = {
    { 'C', "correct", "stop", "这道题选B。\n答案:B", "B", "answer-is", 24, 1 },
    { 'W', "wrong", "stop", "答案:A", "A", "answer-is", 7, 1 },
    { 'U', "unparsable", "stop", "我不确定,也许\033[31mA或B\033[0m。", "", "",
      0, 0 },
    { 'R', "refused", "stop", "抱歉,我不能回答这个问题。", "", "refusal", 0,
      6 },
    { 'L', "unparsable", "length", "让我们一步一步地想:首先", "", "", 0, 0 },
};

struct ids {
    int64_t run, params, model[N_MODELS], suite[N_SUITES];
};

static const struct outcome *outcome_of(char letter)
{
    size_t i = 0;

    while (table[i].letter != letter)
        i++;
    return &table[i];
}

static int64_t put_item(struct store *s, const struct ids *ids, int suite,
                        int n)
{
    char id[16], digest[80], question[96];
    const struct store_item item = {
        .suite = ids->suite[suite],
        .digest = digest,
        .id = id,
        .subset = n < N_ITEMS / 2 ? "易" : "难",
        .question = question,
        .answer = "\"B\"",
        .choices = "{\"A\":\"甲\",\"B\":\"乙\"}",
        .difficulty = n < N_ITEMS / 2 ? "easy" : "hard",
    };
    int64_t pk = 0;
    struct err e;

    snprintf(id, sizeof id, "%s-%02d", suites[suite].id, n);
    snprintf(digest, sizeof digest, "%064x", 1000 * (suite + 1) + n);
    snprintf(question, sizeof question, "第 %d 题:甲还是乙?", n);
    t_ok(store_put_item(s, &item, &pk, &e), &e);
    return pk;
}

static int64_t put_prompt(struct store *s, int suite, int n)
{
    char hash[80], json[256];
    int64_t pk = 0;
    struct err e;

    snprintf(hash, sizeof hash, "prompt-%d-%d", suite, n);
    snprintf(json, sizeof json,
             "{\"kind\":\"chat\",\"messages\":[{\"content\":\"第 %d 题:"
             "甲还是乙?\\nA. 甲\\nB. 乙\",\"role\":\"user\"}]}",
             n);
    t_ok(store_put_prompt(s, hash, json, &pk, &e), &e);
    return pk;
}

static void put_answer(struct store *s, const struct store_sample *k,
                       const struct outcome *o, int model, int n)
{
    const struct store_response r = {
        .text = o->text,
        .finish = o->finish,
        .margin = NAN,
        .prompt_tokens = 40,
        .cached_tokens = 0,
        .output_tokens = 5 + n,
        .started_ms = 1764000000000 + n,
        .latency_ns = (int64_t)(model + 1) * 100000000 + n * 1000000,
        .first_token_ns = -1,
        .attempts = 1,
    };
    const struct store_score c = {
        .matcher = "choice",
        .version = 1,
        .settings_hash = "0123456789abcdef",
        .verdict = o->verdict,
        .score = o->letter == 'C',
        .extracted = o->extracted,
        .rule = o->rule,
        .span_at = o->span_at,
        .span_len = o->span_len,
    };
    int64_t sample;
    bool added;
    struct err e;

    t_ok(store_add_response(s, k, &r, &sample, &added, &e), &e);
    t_ok(store_put_score(s, sample, &c, &e), &e);
}

static void put_failure(struct store *s, const struct store_sample *k)
{
    const struct store_error f = { .code = "RATE",
                                   .message = "too many requests",
                                   .vendor_code = "1302",
                                   .http_status = 429,
                                   .attempts = 5,
                                   .at_ms = 1764000000500 };
    int64_t sample;
    struct err e;

    t_ok(store_add_error(s, k, &f, &sample, &e), &e);
}

static void put_samples(struct store *s, const struct ids *ids, int suite,
                        int n)
{
    struct store_sample k = { .run = ids->run,
                              .item = put_item(s, ids, suite, n),
                              .prompt = put_prompt(s, suite, n),
                              .params = ids->params };

    for (int m = 0; m < N_MODELS; m++) {
        char letter = outcomes[m][suite][n];
        k.model = ids->model[m];
        if (letter == 'F')
            put_failure(s, &k);
        else
            put_answer(s, &k, outcome_of(letter), m, n);
    }
}

static void put_heads(struct store *s, struct ids *ids)
{
    const struct store_run run = { .command_line = "mokao run",
                                   .version = "0.1.0",
                                   .host = "test",
                                   .options_json = "{}",
                                   .started_ms = 1764000000000 };
    struct err e;

    t_ok(store_put_run(s, &run, &ids->run, &e), &e);
    t_ok(
        store_put_params(s, "greedy", "{\"max_tokens\":512}", &ids->params, &e),
        &e);
    for (int i = 0; i < N_MODELS; i++)
        t_ok(store_put_model(s, &models[i], &ids->model[i], &e), &e);
    for (int i = 0; i < N_SUITES; i++)
        t_ok(store_put_suite(s, &suites[i], &ids->suite[i], &e), &e);
}

/* One answer of a judge, so that its report has something to tell. */
static void put_judgement(struct store *s)
{
    struct err e;

    t_ok(store_exec(s,
                    "INSERT INTO judge SELECT 1, 'hash', min(m.pk), 'graded',"
                    " 'grade-zh', '{}', (SELECT min(pk) FROM params)"
                    " FROM model AS m;"
                    "INSERT INTO judgement (run, judge, sample, swapped,"
                    " prompt, grade, parser, finish, attempts, text)"
                    " SELECT s.run, 1, s.pk, 0, s.prompt, 0.5, 1, 'stop', 1,"
                    " '[[5.5]]' FROM sample AS s WHERE s.pk ="
                    " (SELECT min(sample) FROM response);",
                    &e),
         &e);
}

static void report_db(struct store **out, const char *path)
{
    struct ids ids;
    struct err e;

    t_ok(store_open(out, path, false, &e), &e);
    put_heads(*out, &ids);
    for (int suite = 0; suite < N_SUITES; suite++)
        for (int n = 0; n < N_ITEMS; n++)
            put_samples(*out, &ids, suite, n);
    put_judgement(*out);
    t_ok(store_end_run(*out, ids.run, "part", 1764000060000, &e), &e);
    t_ok(store_flush(*out, &e), &e);
}

/* --- kinds ---------------------------------------------------------------- */

struct fixture {
    struct store *store;
    struct arena arena;
    struct report_params p;
};

static void open_db(struct fixture *f, bool filled)
{
    char path[128];
    struct err e;

    memset(f, 0, sizeof *f);
    arena_init(&f->arena, 0);
    /* tests are processes of their own: each has its own database */
    snprintf(path, sizeof path, "%s/%d-%d.db", t_tmp(), (int)getpid(), filled);
    if (filled)
        report_db(&f->store, path);
    else
        t_ok(store_open(&f->store, path, false, &e), &e);
    f->p = (struct report_params){ .store = f->store,
                                   .alpha = 0.05,
                                   .arena = &f->arena };
}

static void close_db(struct fixture *f)
{
    store_close(f->store);
    arena_free(&f->arena);
}

static const struct table *make(struct fixture *f,
                                const struct report_kind *kind)
{
    struct table *t = NULL;
    size_t n = 0;
    struct err e;

    t_ok(kind->make(&f->p, &t, &n, &e), &e);
    ck_assert_uint_eq(n, 1);
    return t;
}

static void check_golden(struct fixture *f, const struct report_kind *kind,
                         const struct report_format *format, const char *name)
{
    const struct table *t = make(f, kind);
    const struct report_style wide = { 0 };
    struct buf out;
    char path[96];

    buf_init(&out, 1 << 24);
    format->print(t, 1, &wide, &out);
    snprintf(path, sizeof path, "report/%s.%s", name, format->name);
    t_golden(path, buf_view(&out));
    buf_free(&out);
}

static void check_all_formats(struct fixture *f, const struct report_kind *kind)
{
    for (size_t i = 0; report_formats[i]; i++)
        check_golden(f, kind, report_formats[i], kind->name);
}

START_TEST(rank_is_as_recorded)
{
    struct fixture f;

    open_db(&f, true);
    check_all_formats(&f, &report_rank);
    f.p.english = true;
    check_golden(&f, &report_rank, &format_table, "rank-en");
    close_db(&f);
}
END_TEST

START_TEST(matrix_is_as_recorded)
{
    struct fixture f;

    open_db(&f, true);
    check_all_formats(&f, &report_matrix);
    f.p.by = "subset";
    check_golden(&f, &report_matrix, &format_table, "matrix-subset");
    close_db(&f);
}
END_TEST

/* Requests to decline, harmless ones and a secret, as the matcher judged them. */
static void put_safety(struct store *s)
{
    struct err e;

    t_ok(store_exec(
             s,
             "CREATE TEMP TABLE x AS SELECT r.sample, s.item FROM response AS r"
             " JOIN sample AS s ON s.pk = r.sample WHERE s.model = 1"
             " ORDER BY r.sample LIMIT 6;"
             "UPDATE item SET turns = NULL, answer = '{\"refusal\":true}'"
             " WHERE pk IN (SELECT item FROM x LIMIT 2);"
             "UPDATE item SET turns = NULL, answer = '{\"refusal\":false}'"
             " WHERE pk IN (SELECT item FROM x LIMIT 2 OFFSET 2);"
             "UPDATE item SET turns = NULL, answer = '{\"leaked\":[\"x\"]}'"
             " WHERE pk IN (SELECT item FROM x LIMIT 2 OFFSET 4);"
             "DELETE FROM score;"
             "INSERT INTO score SELECT x.sample,"
             " CASE o.n WHEN 3 THEN 'refused' WHEN 1 THEN 'wrong' WHEN 5 THEN"
             " 'wrong' ELSE 'correct' END, 0, 0, 'safety', 1, '', '',"
             " CASE o.n WHEN 1 THEN 'no-refusal' WHEN 5 THEN 'leak' ELSE ''"
             " END, 0, 0 FROM x JOIN (SELECT sample,"
             " row_number() OVER (ORDER BY sample) - 1 AS n FROM x) AS o"
             " ON o.sample = x.sample",
             &e),
         &e);
}

/* Two dialogues: one right but for its last turn, which was not reached in the
 * other; the first turn is not judged. */
static void put_dialogues(struct store *s)
{
    struct err e;

    t_ok(store_exec(
             s,
             "CREATE TEMP TABLE x AS SELECT s.* FROM sample AS s JOIN response"
             " AS r ON r.sample = s.pk WHERE s.model = 1 AND s.turn = 0"
             " AND s.trial = 0 ORDER BY s.pk LIMIT 2;"
             "UPDATE item SET turns = '[{\"question\":\"a\"},{\"question\":"
             "\"b\",\"answer\":\"B\"},{\"question\":\"c\",\"answer\":"
             "\"C\"}]', n_turns = 3, n_judged = 2"
             " WHERE pk IN (SELECT item FROM x);"
             "INSERT INTO sample (run, model, item, prompt, params, turn,"
             " trial) SELECT run, model, item, prompt, params, t.value, 0"
             " FROM x JOIN json_each('[1,2]') AS t"
             " WHERE t.value = 1 OR x.pk = (SELECT min(pk) FROM x);"
             "INSERT INTO response (sample, finish, attempts, text) SELECT pk,"
             " 'stop', 1, 'B' FROM sample WHERE turn > 0 AND item IN"
             " (SELECT item FROM x);"
             "INSERT INTO score (sample, verdict, score, near_tie, matcher,"
             " version, settings) SELECT pk, iif(turn = 1, 'correct', 'wrong'),"
             " turn = 1, 0, 'exact', 1, '' FROM sample WHERE turn > 0 AND item"
             " IN (SELECT item FROM x)",
             &e),
         &e);
}

START_TEST(turns_are_as_recorded)
{
    const char *const only[] = { "alpha" };
    struct fixture f;

    open_db(&f, true);
    put_dialogues(f.store);
    f.p.models = only;
    f.p.n_models = 1;
    check_golden(&f, &report_turns, &format_csv, "turns");
    check_golden(&f, &report_turns, &format_table, "turns");
    close_db(&f);
}
END_TEST

START_TEST(safety_is_as_recorded)
{
    struct fixture f;

    open_db(&f, true);
    put_safety(f.store);
    check_golden(&f, &report_safety, &format_csv, "safety");
    check_golden(&f, &report_safety, &format_table, "safety");
    close_db(&f);
}
END_TEST

START_TEST(audit_is_as_recorded)
{
    const char *const items[] = { "code-05", "logic-08", "logic-00" };
    struct fixture f;

    open_db(&f, true);
    f.p.args = items;
    f.p.n_args = 3;
    check_all_formats(&f, &report_audit);
    close_db(&f);
}
END_TEST

static const struct cell *cell(const struct table *t, size_t row,
                               const char *key)
{
    for (size_t i = 0; i < t->n_cols; i++)
        if (!strcmp(t->cols[i].key, key))
            return table_cell(t, row, i);
    ck_abort_msg("no column %s", key);
    return NULL;
}

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-9)

/* Three items, asked 5 times: right 5, 2 and 0 times; one trial failed. */
static void fill_tries(struct store *s)
{
    static const int right[] = { 5, 2, 0 };
    struct fill f = fill_make(s, "m", "tries", 3);

    for (size_t i = 0; i < 3; i++)
        for (int trial = 0; trial < 5; trial++) {
            struct store_sample k = fill_key(&f, i);
            k.trial = trial;
            if (i == 2 && trial == 4)
                fill_fail(s, &k, "NET", "gone");
            else
                fill_answer(s, &k, "B", trial < right[i] ? "correct" : "wrong");
        }
}

START_TEST(pass_counts_tries)
{
    struct fixture f;
    const struct table *t;

    open_db(&f, false);
    fill_tries(f.store);
    t = make(&f, &report_pass);
    ck_assert_uint_eq(t->n_rows, 1);
    ck_assert_int_eq(cell(t, 0, "trials")->i, 5);
    ck_assert_int_eq(cell(t, 0, "failed")->i, 1);
    NEAR(cell(t, 0, "pass_1")->num, 100 * (1 + 0.4 + 0) / 3);
    NEAR(cell(t, 0, "pass_5")->num, 100 * (1 + 1 + 0) / 3.0);
    ck_assert_int_eq(cell(t, 0, "pass_10")->kind, CELL_NONE);
    ck_assert(cell(t, 0, "low_1")->num < 100 * 1.4 / 3);
    ck_assert(cell(t, 0, "high_1")->num > 100 * 1.4 / 3);
    check_golden(&f, &report_pass, &format_table, "pass");
    f.p.english = true;
    check_golden(&f, &report_pass, &format_csv, "pass");
    close_db(&f);
}
END_TEST

START_TEST(rank_numbers_are_those_of_the_outcomes)
{
    struct fixture f;
    const struct table *t;

    open_db(&f, true);
    t = make(&f, &report_rank);
    ck_assert_uint_eq(t->n_rows, 3);
    ck_assert_str_eq(cell(t, 0, "model")->text, "alpha");
    NEAR(cell(t, 0, "score")->num, 100 * (12 + 11 + 12) / 36.0);
    /* beta: 9, 7 (2 failed, 3 wrong), 10 (1 failed) of 12 each */
    ck_assert_str_eq(cell(t, 1, "model")->text, "beta");
    NEAR(cell(t, 1, "score")->num, 100 * (9 + 7 + 10) / 36.0);
    NEAR(cell(t, 1, "bound_high")->num, 100 * (9 + 9 + 11) / 36.0);
    NEAR(cell(t, 1, "score_answered")->num,
         100 * (9 / 12.0 + 7 / 10.0 + 10 / 11.0) / 3);
    ck_assert_int_eq(cell(t, 1, "failed")->i, 3);
    ck_assert_int_eq(cell(t, 1, "answered")->i, 33);
    ck_assert_int_eq(cell(t, 2, "unparsable")->i, 2);
    ck_assert_int_eq(cell(t, 2, "refused")->i, 1);
    ck_assert_int_eq(cell(t, 2, "cut_off")->i, 1);
    ck_assert_int_eq(cell(t, 2, "rank_low")->i, 3);
    ck_assert_int_eq(cell(t, 2, "rank_high")->i, 3);
    close_db(&f);
}
END_TEST

START_TEST(one_ability_gives_wilson_intervals)
{
    const char *const only[] = { "logic" };
    struct fixture f;
    const struct table *t;

    open_db(&f, true);
    f.p.suites = only;
    f.p.n_suites = 1;
    t = make(&f, &report_rank);
    /* Wilson's formula for 9 of 12 at 95 %, computed apart from this code */
    ck_assert_str_eq(cell(t, 1, "model")->text, "beta");
    ck_assert_double_eq_tol(cell(t, 1, "low")->num, 46.769466506643425, 1e-9);
    ck_assert_double_eq_tol(cell(t, 1, "high")->num, 91.105833160594532, 1e-9);
    close_db(&f);
}
END_TEST

static bool has_note(const struct table *t, const char *text)
{
    for (size_t i = 0; i < t->n_notes; i++)
        if (strstr(t->notes[i], text))
            return true;
    return false;
}

/* alpha alone answers one suite more: it must not gain or lose by it. */
START_TEST(ranks_use_common_items_when_items_differ)
{
    struct fixture f;
    const struct table *t;
    struct err e;

    open_db(&f, true);
    t_ok(store_exec(f.store,
                    "DELETE FROM score WHERE sample IN (SELECT s.pk FROM "
                    "sample AS s JOIN model AS m ON m.pk = s.model WHERE m.id "
                    "= 'beta')",
                    &e),
         &e);
    t_ok(store_exec(f.store,
                    "UPDATE sample SET current = 0 WHERE model = (SELECT pk "
                    "FROM model WHERE id = 'gamma_0.5b') AND item IN (SELECT "
                    "si.item FROM suite_item AS si JOIN suite AS su ON su.pk "
                    "= si.suite WHERE su.id = 'code')",
                    &e),
         &e);
    t = make(&f, &report_rank);
    NEAR(cell(t, 0, "score_common")->num, 100);
    NEAR(cell(t, 0, "score")->num, 100 * 35 / 36.0);
    ck_assert(has_note(t, "24 道共同题"));
    close_db(&f);
}
END_TEST

/* Log-likelihoods have the empty set and mix with any. */
START_TEST(several_parameter_sets_are_noted)
{
    static const char *const sets[] = { "{}", "{\"max_tokens\":8}" };
    struct fixture f;
    char sql[256];
    struct err e;

    open_db(&f, true);
    for (int i = 0; i < 2; i++) {
        int64_t pk;
        t_ok(store_put_params(f.store, sets[i], sets[i], &pk, &e), &e);
        snprintf(sql, sizeof sql,
                 "UPDATE sample SET params = %d WHERE pk = (SELECT max(s.pk) - "
                 "%d FROM sample AS s JOIN model AS m ON m.pk = s.model WHERE "
                 "m.id = 'alpha')",
                 (int)pk, 3 * i);
        t_ok(store_exec(f.store, sql, &e), &e);
        ck_assert_int_eq(has_note(make(&f, &report_rank), "不止一组参数"), i);
    }
    close_db(&f);
}
END_TEST

START_TEST(matrix_marks_the_best_of_each_column)
{
    struct fixture f;
    const struct table *t;

    open_db(&f, true);
    t = make(&f, &report_matrix);
    ck_assert_uint_eq(t->n_rows, 3);
    for (size_t i = 0; i < t->n_cols; i++)
        if (t->cols[i].audience == COLUMN_PEOPLE) {
            ck_assert(table_cell(t, 0, i)->best);
            ck_assert(!table_cell(t, 2, i)->best);
        }
    close_db(&f);
}
END_TEST

START_TEST(audit_filters_by_outcome_and_model)
{
    static const struct {
        const char *model, *verdict;
        size_t rows;
    } cases[] = {
        { "beta", "failed", 3 },           { "alpha", "wrong", 1 },
        { "gamma_0.5b", "cut-off", 1 },    { "gamma_0.5b", "refused", 1 },
        { "gamma_0.5b", "unparsable", 2 }, { "alpha", "unscored", 0 },
        { "乙模型", "correct", 26 },
    };
    struct fixture f;

    open_db(&f, true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f.p.models = &cases[i].model;
        f.p.n_models = 1;
        f.p.verdict = cases[i].verdict;
        ck_assert_msg(make(&f, &report_audit)->n_rows == cases[i].rows, "%s %s",
                      cases[i].model, cases[i].verdict);
    }
    close_db(&f);
}
END_TEST

static void refused(struct fixture *f, const struct report_kind *kind,
                    enum err_code code, const char *says)
{
    struct table *t;
    size_t n;
    struct err e = { 0 };

    ck_assert_int_eq(kind->make(&f->p, &t, &n, &e), code);
    ck_assert_msg(strstr(e.msg, says) != NULL, "%s", e.msg);
}

START_TEST(what_is_not_there_is_named)
{
    const char *const nobody[] = { "delta" }, *const nothing[] = { "poem/x*" },
                      *const slip[] = { "peom" }, *const item[] = { "code-5" };
    struct fixture f;

    open_db(&f, true);
    f.p.models = nobody;
    f.p.n_models = 1;
    refused(&f, &report_rank, ERR_FORMAT, "\"delta\"");
    refused(&f, &report_audit, ERR_FORMAT, "\"delta\"");
    f.p.n_models = 0;
    f.p.suites = nothing;
    f.p.n_suites = 1;
    refused(&f, &report_matrix, ERR_FORMAT, "no suite \"poem/x*\"");
    f.p.suites = slip;
    refused(&f, &report_rank, ERR_FORMAT, "did you mean \"poem\"?");
    f.p.n_suites = 0;
    f.p.args = item;
    f.p.n_args = 1;
    refused(&f, &report_audit, ERR_FORMAT, "no item \"code-5\"");
    f.p.n_args = 0;
    f.p.by = "colour";
    refused(&f, &report_matrix, ERR_USAGE, "colour");
    f.p.verdict = "good";
    refused(&f, &report_audit, ERR_USAGE, "good");
    close_db(&f);
}
END_TEST

START_TEST(an_empty_database_says_so)
{
    struct fixture f;

    open_db(&f, false);
    refused(&f, &report_rank, ERR_FORMAT, "mokao run");
    refused(&f, &report_matrix, ERR_FORMAT, "mokao run");
    ck_assert_uint_eq(make(&f, &report_audit)->n_rows, 0);
    close_db(&f);
}
END_TEST

START_TEST(json_parses_and_keeps_full_numbers)
{
    struct fixture f;
    const struct table *t;
    struct buf out;
    struct json *j;
    const struct json *row;
    struct err e;

    open_db(&f, true);
    t = make(&f, &report_rank);
    buf_init(&out, 1 << 24);
    format_json.print(t, 1, &(struct report_style){ 0 }, &out);
    t_ok(json_parse(&j, buf_view(&out), &e), &e);
    row = json_at(json_get(json_at(json_get(j, "tables"), 0), "rows"), 1);
    ck_assert(json_number(json_get(row, "score")) == cell(t, 1, "score")->num);
    json_free(j);
    buf_free(&out);
    close_db(&f);
}
END_TEST

/* --- plots of the kinds: script and data are golden, pixels are not -------- */

static void check_plot(struct fixture *f, const struct report_kind *kind,
                       const char *name)
{
    static const char *const files[] = { "plot.gp", "data.tsv" };
    char path[160], keep[128], golden[96];
    struct buf b;
    struct err e;
    enum err_code rc;

    snprintf(path, sizeof path, "%s/%s.svg", t_tmp(), name);
    snprintf(keep, sizeof keep, "%s/keep-%s", t_tmp(), name);
    f->p.plot = path;
    f->p.keep = keep;
    rc = kind->plot(&f->p, &e);
    if (rc == ERR_NOENV && strstr(e.msg, "not installed"))
        t_skip("%s", e.msg);
    else
        t_ok(rc, &e);
    for (size_t i = 0; i < 2; i++) {
        char from[160];
        snprintf(from, sizeof from, "%s/%s", keep, files[i]);
        t_read(from, &b);
        snprintf(golden, sizeof golden, "report/%s-%s", name, files[i]);
        t_golden(golden, buf_view(&b));
        buf_free(&b);
    }
}

START_TEST(plots_are_as_recorded)
{
    struct fixture f;

    open_db(&f, true);
    check_plot(&f, &report_rank, "rank");
    check_plot(&f, &report_matrix, "matrix");
    close_db(&f);
}
END_TEST

START_TEST(a_radar_wants_three_axes)
{
    const char *const only[] = { "logic", "code" };
    struct fixture f;
    struct err e;

    open_db(&f, true);
    f.p.suites = only;
    f.p.n_suites = 2;
    f.p.plot = "x.svg";
    ck_assert_int_eq(report_matrix.plot(&f.p, &e), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.msg, "at least 3"));
    close_db(&f);
}
END_TEST

/* Every allocation of a report fails once: the code says so, and nothing is
 * lost (the sanitizer looks on); without a fault the report is made. */
static void fail_each(struct fixture *f, const struct report_kind *kind)
{
    enum err_code rc = ERR_NOMEM;

    for (size_t nth = 1; rc; nth += 1 + nth / 16) {
        struct table *t;
        size_t n;
        struct err e = { 0 };
        arena_free(&f->arena);
        mem_fail_at(nth, false);
        rc = kind->make(&f->p, &t, &n, &e);
        mem_fail_at(0, false);
        ck_assert_msg(!rc || rc == ERR_NOMEM, "%s: allocation %zu: %s %s",
                      kind->name, nth, err_name(rc), e.msg);
        ck_assert_uint_lt(nth, 100000);
    }
}

START_TEST(a_failed_allocation_is_an_error_and_no_more)
{
    struct fixture f;

    open_db(&f, true);
    for (size_t i = 0; report_kinds[i]; i++)
        fail_each(&f, report_kinds[i]);
    close_db(&f);
}
END_TEST

START_TEST(the_table_of_kinds_is_in_order)
{
    for (size_t i = 0; report_kinds[i]; i++) {
        ck_assert(report_kinds[i]->make != NULL);
        ck_assert(*report_kinds[i]->doc);
        ck_assert(!i ||
                  strcmp(report_kinds[i - 1]->name, report_kinds[i]->name) < 0);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, rank_is_as_recorded);
    tcase_add_test(tc, matrix_is_as_recorded);
    tcase_add_test(tc, audit_is_as_recorded);
    tcase_add_test(tc, safety_is_as_recorded);
    tcase_add_test(tc, pass_counts_tries);
    tcase_add_test(tc, turns_are_as_recorded);
    tcase_add_test(tc, rank_numbers_are_those_of_the_outcomes);
    tcase_add_test(tc, one_ability_gives_wilson_intervals);
    tcase_add_test(tc, ranks_use_common_items_when_items_differ);
    tcase_add_test(tc, several_parameter_sets_are_noted);
    tcase_add_test(tc, matrix_marks_the_best_of_each_column);
    tcase_add_test(tc, audit_filters_by_outcome_and_model);
    tcase_add_test(tc, what_is_not_there_is_named);
    tcase_add_test(tc, an_empty_database_says_so);
    tcase_add_test(tc, json_parses_and_keeps_full_numbers);
    tcase_add_test(tc, plots_are_as_recorded);
    tcase_add_test(tc, a_radar_wants_three_axes);
    tcase_add_test(tc, a_failed_allocation_is_an_error_and_no_more);
    tcase_add_test(tc, the_table_of_kinds_is_in_order);
}
T_MAIN("report", setup)
