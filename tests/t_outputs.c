/* Other harnesses' outputs: every format, storing twice, a suite that is there,
 * broken files, and the published figures of two benchmarks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/match/words.h"
#include "harness/outputs/output.h"
#include "harness/score.h"
#include "tests/t.h"

struct bench {
    struct arena a;
    struct store *db;
    struct outputs in;
    struct output_import how;
    struct output_totals t;
};

static void bench_open(struct bench *b)
{
    static const char *const files[] = { "r.db", "r.db-wal", "r.db-shm" };
    const struct store_run run = { .version = "0",
                                   .host = "",
                                   .options_json = "{}" };
    struct err e;

    memset(b, 0, sizeof *b);
    arena_init(&b->a, 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)remove(io_join(&b->a, t_tmp(), files[i]));
    t_ok(store_open(&b->db, io_join(&b->a, t_tmp(), "r.db"), false, &e), &e);
    t_ok(store_put_run(b->db, &run, &b->how.run, &e), &e);
    b->how.store = b->db;
    b->how.dest = io_join(&b->a, t_tmp(), "suites");
    b->in.arena = &b->a;
}

static void bench_close(struct bench *b)
{
    store_close(b->db);
    mem_free(b->in.list);
    mem_free(b->t.differences);
    arena_free(&b->a);
}

static void read_format(struct bench *b, const char *format, const char *path)
{
    const struct output_format *f = output_format_find(format);
    struct err e;

    ck_assert_ptr_nonnull(f);
    b->in.n = 0;
    t_ok(f->read(path, &b->in, &e), &e);
}

static void store_all(struct bench *b)
{
    struct err e;

    mem_free(b->t.differences);
    t_ok(outputs_store(&b->in, &b->how, &b->t, &e), &e);
}

static void import(struct bench *b, const char *format, const char *path)
{
    read_format(b, format, path);
    store_all(b);
}

/* Whether there is a dictionary for the suites that want one. */
static bool has_words(struct err *e)
{
    const struct words *w;
    enum err_code rc = words_shared(&w, NULL, NULL, e);

    ck_assert(rc == ERR_OK || rc == ERR_NOENV);
    return rc == ERR_OK;
}

/* --- reading ----------------------------------------------------------------- */

static const char *shown(const char *s)
{
    return s ? s : "-";
}

static void show(const struct output *o, struct buf *out)
{
    buf_printf(out, "%s %s/%s %s trial %zu", shown(o->model), shown(o->suite),
               shown(o->subset), shown(o->id), o->trial);
    for (size_t i = 0; i < o->n_turns; i++)
        buf_printf(out, "\n  ? %s\n  > %s", shown(o->questions[i]),
                   shown(o->texts[i]));
    buf_printf(out, "\n  answer %s by %s", shown(o->answer), shown(o->matcher));
    for (size_t i = 0; i < o->n_choices; i++)
        buf_printf(out, " %s=%s", o->choices[i].key, o->choices[i].text);
    for (size_t i = 0; o->logprobs && i < o->n_choices; i++)
        buf_printf(out, " %g", o->logprobs[i]);
    buf_printf(out, "\n  %s, theirs %g, tokens %lld %lld, ms %lld",
               finish_name(o->finish), isnan(o->theirs) ? -1 : o->theirs,
               (long long)o->prompt_tokens, (long long)o->output_tokens,
               (long long)o->latency_ms);
    for (size_t i = 0; i < o->n_messages; i++)
        buf_printf(out, "\n  [%s] %s", o->messages[i].role,
                   o->messages[i].content);
    if (o->reasoning)
        buf_printf(out, "\n  reasoning %s", o->reasoning);
    buf_printf(out, "%s%s\n", o->error ? "\n  error " : "",
               o->error ? o->error : "");
}

static const struct {
    const char *format, *folder;
    size_t items, added, failed, judged, correct, compared, same;
} formats[] = {
    { "alpaca", "alpaca", 2, 2, 0, 0, 0, 0, 0 },
    { "evalscope", "evalscope", 3, 3, 0, 3, 2, 3, 3 },
    { "gaokao-bench", "gaokao", 3, 3, 0, 3, 2, 3, 2 },
    { "inspect", "inspect", 4, 3, 1, 3, 2, 3, 3 },
    { "inspect", "inspect-eval", 6, 6, 1, 6, 5, 5, 5 },
    { "jsonl", "jsonl", 6, 5, 1, 4, 3, 3, 3 },
    { "lawbench", "lawbench", 1, 1, 0, 1, 1, 0, 0 },
    { "lm-eval", "lm-eval", 3, 3, 0, 3, 2, 3, 3 },
    { "lm-eval", "lm-eval-options", 3, 3, 0, 3, 2, 3, 3 },
    { "mt-bench", "mt-bench", 1, 2, 0, 0, 0, 0, 0 },
    { "opencompass", "opencompass", 3, 4, 0, 4, 3, 0, 0 },
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

START_TEST(every_format_is_read_as_written_down)
{
    struct bench b;
    struct buf out;
    char golden[64], path[64];

    bench_open(&b);
    buf_init(&out, 1 << 20);
    snprintf(path, sizeof path, "tests/golden/outputs/%s", formats[_i].folder);
    snprintf(golden, sizeof golden, "outputs/%s.txt", formats[_i].folder);
    read_format(&b, formats[_i].format, path);
    for (size_t i = 0; i < b.in.n; i++)
        show(&b.in.list[i], &out);
    t_golden(golden, buf_view(&out));
    buf_free(&out);
    bench_close(&b);
}
END_TEST

START_TEST(every_format_becomes_suite_and_samples_once)
{
    struct bench b;
    char path[64];

    bench_open(&b);
    b.how.model = strcmp(formats[_i].folder, "lm-eval-options") ? NULL : "m";
    snprintf(path, sizeof path, "tests/golden/outputs/%s", formats[_i].folder);
    import(&b, formats[_i].format, path);
    ck_assert_uint_ge(b.t.n_suites, 1);
    ck_assert_str_eq(b.t.suites[0], output_slug(b.in.list[0].suite, &b.a));
    ck_assert_uint_eq(b.t.items, formats[_i].items);
    ck_assert_uint_eq(b.t.added, formats[_i].added);
    ck_assert_uint_eq(b.t.failed, formats[_i].failed);
    ck_assert_uint_eq(b.t.scored, formats[_i].judged);
    ck_assert_uint_eq(b.t.correct, formats[_i].correct);
    ck_assert_uint_eq(b.t.compared, formats[_i].compared);
    ck_assert_uint_eq(b.t.same, formats[_i].same);
    store_all(&b);
    ck_assert_uint_eq(b.t.added, 0);
    ck_assert_uint_eq(b.t.stored, formats[_i].added);
    ck_assert_uint_eq(b.t.conflicts, 0);
    bench_close(&b);
}
END_TEST

/* --- storing ----------------------------------------------------------------- */

static const char *put(struct bench *b, const char *name, const char *text)
{
    const char *path = io_join(&b->a, t_tmp(), name);
    struct err e;

    t_ok(io_replace(path, str_of(text), &e), &e);
    return path;
}

START_TEST(another_answer_is_told_and_the_stored_one_stays)
{
    struct bench b;

    bench_open(&b);
    import(&b, "jsonl",
           put(&b, "a.jsonl",
               "{\"id\":\"1\",\"question\":\"1+1?\",\"answer\":\"2\","
               "\"response\":\"2\",\"model\":\"m\",\"suite\":\"s\"}\n"));
    import(&b, "jsonl",
           put(&b, "a.jsonl",
               "{\"id\":\"1\",\"question\":\"1+1?\",\"answer\":\"2\","
               "\"response\":\"3\",\"model\":\"m\",\"suite\":\"s\"}\n"));
    ck_assert_uint_eq(b.t.conflicts, 1);
    ck_assert_uint_eq(b.t.correct, 1);
    b.how.trial = 1;
    store_all(&b);
    ck_assert_uint_eq(b.t.added, 1);
    ck_assert_uint_eq(b.t.correct, 0);
    bench_close(&b);
}
END_TEST

START_TEST(a_suite_that_is_there_is_found_by_id_or_question)
{
    struct bench b;

    bench_open(&b);
    import(&b, "jsonl", "tests/golden/outputs/jsonl");
    b.how.suite = io_join(&b.a, b.how.dest, "seasons");
    import(&b, "jsonl",
           put(&b, "other.jsonl",
               "{\"id\":\"x\",\"question\":\"一周有几天？\","
               "\"response\":\"C\",\"model\":\"other\"}\n"
               "{\"id\":\"1\",\"question\":\"一个别的问题\","
               "\"response\":\"C\",\"model\":\"other\"}\n"));
    ck_assert_uint_eq(b.t.added, 1);
    ck_assert_uint_eq(b.t.unmatched, 1);
    ck_assert_uint_eq(b.t.correct, 1);
    bench_close(&b);
}
END_TEST

/* --- broken files -------------------------------------------------------------- */

static const struct {
    const char *format, *name, *text, *says;
} broken[] = {
    { "jsonl", "x.jsonl", "{\"id\":\"1\",\"response\":\"B\"}\n",
      "line 1: no question" },
    { "jsonl", "x.jsonl", "\n{\"question\":\"?\"}\n", "line 2: no answer" },
    { "jsonl", "x.jsonl", "\n{\"question\":\n",
      "x.jsonl: line 2: column 13: " },
    { "jsonl", "x.jsonl",
      "{\"question\":\"?\",\"response\":\"1\",\"matcher\":\"number\"}",
      "matcher: expected an object" },
    { "opencompass", "x.json", "[1]", "expected an object" },
    { "opencompass", "x.json", "{\"0\":{\"prediction\":\"A\"}}",
      "item 0: expected \"origin_prompt\"" },
    { "opencompass", "x.json", "{\"0\":{\"origin_prompt\":\"?\"}}",
      "item 0: no \"prediction\"" },
    { "inspect", "x.json", "{\"samples\":[]}", "expected a log" },
    { "inspect", "x.json", "{\"eval\":{\"task\":\"t\"}}", "--no-log-samples" },
    { "inspect", "x.eval", "{\"eval\":{\"task\":\"t\"}}", "is no zip archive" },
    { "alpaca", "x.json", "{}", "expected a list" },
    { "alpaca", "x.json", "[{\"instruction\":\"?\"}]", "entry 1" },
    { "evalscope", "reviews.jsonl", "{\"index\":0}",
      "line 1: expected a line" },
    { "lm-eval", "samples_x_2026-01-01T00.jsonl",
      "{\"doc_id\":0,\"doc\":{\"question\":\"?\"},\"resps\":1}",
      "resps: expected a list" },
    { "mt-bench", "m.jsonl", "{\"question_id\":1}", "question.jsonl" },
    { "gaokao-bench", "history_MCQs.json", "[]", "no file whose name" },
    { "gaokao-bench", "x_History_MCQs.json", "[{\"index\":0}]",
      "entry 0: expected" },
};

START_TEST(broken_files_are_named_with_their_fault)
{
    const struct output_format *f = output_format_find(broken[_i].format);
    struct bench b;
    struct err e;

    bench_open(&b);
    ck_assert_int_ne(
        f->read(put(&b, broken[_i].name, broken[_i].text), &b.in, &e), ERR_OK);
    ck_assert_msg(strstr(e.msg, broken[_i].says), "%s", e.msg);
    bench_close(&b);
}
END_TEST

/* The files that were read last, into another folder. */
static void copy_beside(struct bench *b, const char *dir)
{
    const char *last = "";
    struct buf text;
    struct err e;

    for (size_t i = 0; i < b->in.n; i++) {
        const char *file = b->in.list[i].file;
        if (strcmp(file, last) == 0)
            continue;
        last = file;
        t_read(file, &text);
        t_ok(io_replace(io_join(&b->a, dir, strrchr(file, '/') + 1),
                        buf_view(&text), &e),
             &e);
        buf_free(&text);
    }
}

/* A run's folder holds more than answers: only named files must be some. */
START_TEST(what_lies_beside_answers_is_passed_over)
{
    static const struct {
        const char *format, *golden;
    } rows[] = { { "inspect", "tests/golden/outputs/inspect" },
                 { "opencompass", "tests/golden/outputs/opencompass" },
                 { "lawbench", "tests/golden/outputs/lawbench" } };
    const struct output_format *f = output_format_find(rows[_i].format);
    struct bench b;
    const char *dir, *other;
    size_t n;
    struct err e;

    bench_open(&b);
    dir = io_join(&b.a, t_tmp(), rows[_i].format);
    other = io_join(&b.a, dir, "eval-set.json");
    t_ok(io_mkdirs(dir, &e), &e);
    t_ok(io_replace(other, STR("{\"accuracy\":{\"x\":1}}"), &e), &e);
    ck_assert_int_eq(f->read(dir, &b.in, &e), ERR_FORMAT);
    ck_assert_int_eq(f->read(other, &b.in, &e), ERR_FORMAT);
    read_format(&b, rows[_i].format, rows[_i].golden);
    n = b.in.n;
    copy_beside(&b, dir);
    read_format(&b, rows[_i].format, dir);
    ck_assert_uint_eq(b.in.n, n);
    bench_close(&b);
}
END_TEST

START_TEST(a_missing_file_is_an_error_of_the_environment)
{
    struct bench b;
    struct err e;

    bench_open(&b);
    for (size_t i = 0; output_formats[i]; i++)
        ck_assert_int_eq(output_formats[i]->read("no/such/path", &b.in, &e),
                         ERR_NOENV);
    bench_close(&b);
}
END_TEST

/* --- published figures --------------------------------------------------------- */

static const char *path_of(struct arena *a, const char *shared, const char *in)
{
    return shared ? io_join(a, shared, in) : NULL;
}

static enum err_code on_number(void *user, const struct store_row *row,
                               struct err *e)
{
    (void)e;
    *(double *)user = row_num(row, 0);
    return ERR_OK;
}

/* Sum of the scores of a model's items below a subset, each times its parts. */
static double points(struct bench *b, const char *model, int64_t trial,
                     const char *subset)
{
    double sum = NAN;
    struct err e;

    t_ok(store_query(
             b->db,
             "SELECT total(sc.score * CASE WHEN json_type(i.answer) = 'array' "
             "THEN json_array_length(i.answer) ELSE 1 END) FROM score AS sc "
             "JOIN sample AS s ON s.pk = sc.sample "
             "JOIN model AS m ON m.pk = s.model "
             "JOIN item AS i ON i.pk = s.item "
             "JOIN suite_item AS si ON si.item = i.pk "
             "WHERE m.id = ? AND s.trial = ? AND si.subset = ?",
             on_number, &sum, &e, "sis", model, trial, subset),
         &e);
    return sum;
}

/* Right slots as its README counts them; physics in thirds of its points. */
static const struct {
    const char *model, *subset;
    int64_t trial;
    double right;
} gaokao[] = {
    { "gpt-3.5-turbo", "english-mcq", 0, 82 },
    { "gpt-3.5-turbo", "history", 0, 156 },
    { "gpt-3.5-turbo", "geography", 0, 52 },
    { "gpt-3.5-turbo", "math-arts", 0, 101 },
    { "gpt-3.5-turbo", "math-science", 0, 80 },
    { "gpt-3.5-turbo", "biology", 0, 86 },
    { "gpt-3.5-turbo", "english-blanks", 0, 443 },
    { "gpt-3.5-turbo", "english-reading", 0, 415 },
    { "gpt-3.5-turbo", "chinese-modern", 0, 36 },
    { "gpt-3.5-turbo", "english-cloze", 0, 56 },
    { "gpt-3.5-turbo", "physics", 0, 0.4844 * 64 },
    { "gpt-3.5-turbo", "english-cloze", 1, 55 },
    { "gpt-3.5-turbo", "geography", 2, 50 },
    { "gpt-3.5-turbo", "physics", 2, 0.4219 * 64 },
    { "gpt-3.5-turbo", "math-science", 2, 89 },
    { "gpt-3.5-turbo", "biology", 2, 84 },
    { "gpt-3.5-turbo", "english-cloze", 2, 56 },
    { "text-davinci-003", "english-mcq", 0, 65 },
    { "text-davinci-003", "history", 0, 116 },
    { "text-davinci-003", "geography", 0, 33 },
    { "text-davinci-003", "physics", 0, 0.1484 * 64 },
    { "text-davinci-003", "math-science", 0, 74 },
    { "text-davinci-003", "biology", 0, 49 },
    { "text-davinci-003", "english-blanks", 0, 486 },
    { "text-davinci-003", "english-cloze", 0, 27 },
    { "gpt-4-0314", "english-mcq", 0, 98 },
    { "gpt-4-0314", "biology", 0, 121 },
    { "gpt-4-0314", "chinese-modern", 0, 53 },
    { "gpt-4-0314", "english-blanks", 0, 572 },
    { "gpt-4-0314", "english-reading", 0, 444 },
    { "gpt-4-0314", "geography", 0, 76 },
    { "gpt-4-0314", "history", 0, 217 },
    { "gpt-4-0314", "math-arts", 0, 138 },
    { "gpt-4-0314", "math-science", 0, 115 },
    { "gpt-4-0314", "physics", 0, 213.0 / 6 },
    { "gpt-4-0314", "english-cloze", 0, 104 },
};

START_TEST(gaokao_bench_official_rule_gives_the_published_figures)
{
    const char *shared = t_shared("outputs/gaokao-bench/published.json");
    struct bench b;

    if (!shared)
        return;
    bench_open(&b);
    b.in.official = true;
    import(&b, "gaokao-bench",
           arena_dup(&b.a, shared, (size_t)(strrchr(shared, '/') - shared)));
    ck_assert_uint_eq(b.t.scored, 3986);
    for (size_t i = 0; i < sizeof gaokao / sizeof *gaokao; i++) {
        double got =
            points(&b, gaokao[i].model, gaokao[i].trial, gaokao[i].subset);
        ck_assert_msg(fabs(got - gaokao[i].right) < 0.01, "%s %s %lld: %g",
                      gaokao[i].model, gaokao[i].subset,
                      (long long)gaokao[i].trial, got);
    }
    /* What is not theirs is the fault of their scorer: answers of run 1 in
     * physics that were stored as one text of two letters or more. */
    ck_assert_uint_eq(b.t.compared - b.t.same, 5);
    for (size_t i = 0; i < b.t.n_differences; i++)
        ck_assert(strncmp(b.t.differences[i].item, "physics", 7) == 0);
    bench_close(&b);
}
END_TEST

static double item_score(struct bench *b, const char *model, const char *id)
{
    double score = NAN;
    struct err e;

    t_ok(store_query(b->db,
                     "SELECT sc.score FROM score AS sc "
                     "JOIN sample AS s ON s.pk = sc.sample "
                     "JOIN model AS m ON m.pk = s.model "
                     "JOIN suite_item AS si ON si.item = s.item "
                     "WHERE m.id = ? AND si.id = ?",
                     on_number, &score, &e, "ss", model, id),
         &e);
    return score;
}

/* {model: {task: [score of item 0, ...]}}; null: their scorer skipped it. */
static size_t compare_items(struct bench *b, const struct json *theirs)
{
    static const char *const judged[] = { "1-2", "2-4", "2-5",
                                          "2-8", "3-4", "3-7" };
    size_t n = 0;

    for (const struct json *m = json_child(theirs); m; m = json_next(m)) {
        for (size_t t = 0; t < sizeof judged / sizeof *judged; t++) {
            const struct json *s = json_child(json_get(m, judged[t]));
            for (size_t i = 0; s; s = json_next(s), i++) {
                const char *id = arena_printf(&b->a, "%s-%zu", judged[t], i);
                double got = item_score(b, json_key(m), id);
                if (json_type(s) == JSON_NULL) {
                    ck_assert(isnan(got));
                    continue;
                }
                ck_assert_msg(fabs(got - json_number(s)) < 1e-6, "%s %s: %g",
                              json_key(m), id, got);
                n++;
            }
        }
    }
    return n;
}

START_TEST(lawbench_official_rule_gives_the_published_items)
{
    const char *shared = t_shared("outputs/lawbench");
    struct bench b;
    struct json *theirs;
    struct buf text;
    struct err e, lacks;
    enum err_code rc;

    if (!shared)
        return;
    bench_open(&b);
    b.in.official = true;
    read_format(&b, "lawbench", path_of(&b.a, shared, "zero_shot"));
    /* Without a dictionary task 1-1 alone stays without a score. */
    rc = outputs_store(&b.in, &b.how, &b.t, &e);
    if (rc != ERR_NOENV || has_words(&lacks))
        t_ok(rc, &e);
    t_read(path_of(&b.a, shared, "official_item_scores.json"), &text);
    t_ok(json_parse(&theirs, buf_view(&text), &e), &e);
    ck_assert_uint_eq(compare_items(&b, theirs), 6996);
    json_free(theirs);
    buf_free(&text);
    bench_close(&b);
}
END_TEST

/* The items' scores are those of rouge-chinese 1.0.3 on words of jieba 0.42.1;
 * it adds 1e-8 to what it divides by. */
START_TEST(lawbench_articles_have_the_published_rouge_on_words)
{
    const char *shared = t_shared("outputs/lawbench/zero_shot"
                                  "/GPT-3.5-turbo-0613/1-1.json");
    struct json *theirs;
    struct bench b;
    struct buf text;
    double sum = 0;
    size_t n = 0;
    struct err e;

    if (!shared)
        return;
    if (!has_words(&e)) {
        t_skip("%s", e.msg);
        return;
    }
    bench_open(&b);
    b.in.official = true;
    import(&b, "lawbench", shared);
    t_read("tests/golden/words/lawbench-1-1.json", &text);
    t_ok(json_parse(&theirs, buf_view(&text), &e), &e);
    for (const struct json *s = json_child(theirs); s; s = json_next(s), n++) {
        const char *id = arena_printf(&b.a, "1-1-%zu", n);
        double got = item_score(&b, "GPT-3.5-turbo-0613", id);

        ck_assert_msg(fabs(got - json_number(s)) < 1e-7, "%s: %.9f", id, got);
        sum += got;
    }
    ck_assert_uint_eq(n, 500);
    ck_assert_double_eq_tol(sum / 500, 0.1586479929928397, 1e-7);
    json_free(theirs);
    buf_free(&text);
    bench_close(&b);
}
END_TEST

/* Answers for which there is no dictionary are stored, and scored when there
 * is one. */
START_TEST(answers_wait_for_a_dictionary)
{
    static const char line[] =
        "{\"id\":\"1\",\"question\":\"Q\",\"answer\":\"今天天气很好\","
        "\"response\":\"今天天气真好\",\"model\":\"m\",\"suite\":\"s\"}\n";
    const struct score_params params = { .all = false };
    struct score_totals t;
    struct bench b;
    struct err e;

    bench_open(&b);
    b.how.matcher = "{\"name\":\"similar\",\"unit\":\"dictionary\","
                    "\"dictionary\":\"d.txt\",\"threshold\":0.3}";
    setenv("MOKAO_WORDS", t_tmp(), 1);
    read_format(&b, "jsonl", put(&b, "a.jsonl", line));
    ck_assert_int_eq(outputs_store(&b.in, &b.how, &b.t, &e), ERR_NOENV);
    ck_assert_ptr_nonnull(
        strstr(e.msg, "1 answers are stored without a score"));
    ck_assert_ptr_nonnull(strstr(e.msg, "d.txt"));
    ck_assert_uint_eq(b.t.added, 1);
    ck_assert_uint_eq(b.t.scored, 0);
    t_ok(score_all(b.db, &params, &t, &e), &e);
    ck_assert_int_eq(t.unscored, 1);
    put(&b, "d.txt", "今天 9\n天气 9\n真好 9\n很好 9\n");
    t_ok(score_all(b.db, &params, &t, &e), &e);
    ck_assert_int_eq(t.unscored, 0);
    ck_assert_int_eq(t.correct, 1);
    ck_assert_double_eq_tol(item_score(&b, "m", "1"), 2 / 3.0, 1e-9);
    bench_close(&b);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_format_is_read_as_written_down, 0, N_FORMATS);
    tcase_add_loop_test(tc, every_format_becomes_suite_and_samples_once, 0,
                        N_FORMATS);
    tcase_add_test(tc, another_answer_is_told_and_the_stored_one_stays);
    tcase_add_test(tc, a_suite_that_is_there_is_found_by_id_or_question);
    tcase_add_loop_test(tc, broken_files_are_named_with_their_fault, 0,
                        sizeof broken / sizeof *broken);
    tcase_add_loop_test(tc, what_lies_beside_answers_is_passed_over, 0, 3);
    tcase_add_test(tc, a_missing_file_is_an_error_of_the_environment);
    tcase_add_test(tc, gaokao_bench_official_rule_gives_the_published_figures);
    tcase_add_test(tc, lawbench_official_rule_gives_the_published_items);
    tcase_add_test(tc, lawbench_articles_have_the_published_rouge_on_words);
    tcase_add_test(tc, answers_wait_for_a_dictionary);
}

T_MAIN("outputs", setup)
