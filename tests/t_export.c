/* Exports: whole outputs against golden files, what is left out, a sink that
 * fails. */
#include "harness/export.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "tests/store_fill.h"
#include "tests/t.h"

static struct err err;
static struct store *store;
static struct buf out;

static void ok(enum err_code rc)
{
    t_ok(rc, &err);
}

static enum err_code gather(void *user, struct str piece, struct err *e)
{
    (void)user;
    buf_text(&out, piece);
    return buf_check(&out, "the output", e);
}

/* Scores are given, not judged: what the matchers say is not the matter. */
static void answer(const struct fill *f, size_t i, const char *text,
                   const char *extracted)
{
    struct store_sample k = fill_key(f, i);
    struct store_response r = { .text = text,
                                .finish = "stop",
                                .margin = NAN,
                                .prompt_tokens = 12,
                                .cached_tokens = -1,
                                .output_tokens = 3,
                                .latency_ns = 2500000,
                                .first_token_ns = -1,
                                .attempts = 1,
                                .started_ms = 1700000000000 };
    bool right = strcmp(extracted, "B") == 0;
    struct store_score c = { .matcher = text ? "choice" : "logprob",
                             .version = 3,
                             .settings_hash = "",
                             .verdict = right ? "correct" : "wrong",
                             .score = right,
                             .extracted = extracted,
                             .rule = "rule",
                             .near_tie = !text };
    int64_t id;
    bool added;

    if (!text) {
        r.logprobs_json = "{\"A\":-0.5,\"B\":-1.5}";
        r.finish = "scored";
    }
    ok(store_add_response(store, &k, &r, &id, &added, &err));
    ok(store_put_score(store, id, &c, &err));
}

/* Two models; commas, quotes and line breaks; option scores; a failure; an
 * answer that a later run has replaced. */
static void setup_store(void)
{
    char path[256];
    struct store_sample k;
    struct fill f;

    buf_init(&out, 1 << 24);
    snprintf(path, sizeof path, "%s/export-%d.db", t_tmp(), (int)getpid());
    io_set_clock(1000);
    store = fill_open(path);
    f = fill_make(store, "m2", "suite", 3);
    answer(&f, 0, "答案是\"B\",\n因为……", "B");
    f = fill_make(store, "m1", "suite", 3);
    answer(&f, 2, "选C", "C");
    answer(&f, 0, NULL, "A");
    k = fill_key(&f, 1);
    fill_fail(store, &k, "TIMEOUT", "no answer in 60 s");
    io_set_clock(2000);
    f = fill_make(store, "m1", "suite", 3);
    f.prompt[2] = f.prompt[0];
    answer(&f, 2, "B", "B");
    f = fill_make(store, "m1", "other", 1);
    answer(&f, 0, "B", "B");
    io_set_clock(-1);
}

static void free_store(void)
{
    store_close(store);
    buf_free(&out);
}

static struct export_params params(void)
{
    return (struct export_params){ .store = store, .write = gather };
}

static size_t count_lines(void)
{
    struct io_lines l = { .rest = buf_view(&out) };
    size_t n = 0;

    while (io_next_line(&l))
        n++;
    return n;
}

START_TEST(csv_is_quoted_and_sorted)
{
    struct export_params p = params();

    p.all = true;
    ok(export_csv.run(&p, &err));
    t_golden("export/all.csv", buf_view(&out));
}
END_TEST

START_TEST(json_lines_are_typed)
{
    struct export_params p = params();
    struct io_lines l;
    struct json *j;

    p.all = true;
    ok(export_json.run(&p, &err));
    t_golden("export/all.jsonl", buf_view(&out));
    l = (struct io_lines){ .rest = buf_view(&out) };
    while (io_next_line(&l)) {
        ok(json_parse(&j, l.line, &err));
        ck_assert_int_eq(json_type(json_get(j, "choices")), JSON_OBJECT);
        ck_assert_int_eq(json_type(json_get(j, "failed")), JSON_BOOL);
        json_free(j);
    }
}
END_TEST

START_TEST(models_and_suites_can_be_chosen)
{
    static const char *const model[] = { "m1" };
    static const char *const suite[] = { "sui*/even" };
    struct export_params p = params();

    ok(export_json.run(&p, &err));
    ck_assert_uint_eq(count_lines(), 5); /* the replaced one is left out */
    buf_clear(&out);
    p.models = model;
    p.n_models = 1;
    ok(export_json.run(&p, &err));
    ck_assert_uint_eq(count_lines(), 4);
    buf_clear(&out);
    p.suites = suite;
    p.n_suites = 1;
    ok(export_json.run(&p, &err));
    ck_assert_uint_eq(count_lines(), 2);
}
END_TEST

START_TEST(nothing_to_export_is_said)
{
    static const char *const none[] = { "m9" };
    struct export_params p = params();

    p.models = none;
    p.n_models = 1;
    ck_assert_int_eq(export_csv.run(&p, &err), ERR_FORMAT);
    ck_assert(strstr(err.msg, "nothing is stored"));
}
END_TEST

static enum err_code full(void *user, struct str piece, struct err *e)
{
    (void)user;
    (void)piece;
    return err_set(e, ERR_DISK, "full");
}

START_TEST(a_sink_that_fails_ends_the_export)
{
    struct export_params p = params();

    p.write = full;
    ck_assert_int_eq(export_csv.run(&p, &err), ERR_DISK);
    ck_assert_int_eq(export_json.run(&p, &err), ERR_DISK);
}
END_TEST

START_TEST(formats_are_sorted_and_documented)
{
    for (size_t i = 0; export_formats[i]; i++) {
        ck_assert(export_formats[i]->name && export_formats[i]->doc);
        ck_assert(export_formats[i]->run);
        if (i > 0)
            ck_assert_int_lt(
                strcmp(export_formats[i - 1]->name, export_formats[i]->name),
                0);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup_store, free_store);
    tcase_add_test(tc, csv_is_quoted_and_sorted);
    tcase_add_test(tc, json_lines_are_typed);
    tcase_add_test(tc, models_and_suites_can_be_chosen);
    tcase_add_test(tc, nothing_to_export_is_said);
    tcase_add_test(tc, a_sink_that_fails_ends_the_export);
    tcase_add_test(tc, formats_are_sorted_and_documented);
}

T_MAIN("export", setup)
