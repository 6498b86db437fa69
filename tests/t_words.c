/* Cutting Chinese text into words: with small dictionaries of our own, and
 * where python3-jieba is installed with jieba's, beside jieba itself. */
#include "harness/match/words.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/io.h"
#include "tests/t.h"

#define SMALL "tests/golden/words/small.txt"
#define SMALL_MODEL "tests/golden/words/small-model.json"

/* ---- helpers ---- */

struct joined {
    struct buf text;
    const char *mark;
};

static bool join(void *user, struct str word)
{
    struct joined *j = user;

    buf_text(&j->text, word);
    buf_str(&j->text, j->mark);
    return true;
}

/* Appends the words of s, each with `mark` behind it. */
static void cut(const struct words *w, struct str s, const char *mark,
                struct buf *out)
{
    struct joined j = { *out, mark };
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    t_ok(words_cut(w, s, &a, join, &j, &e), &e);
    *out = j.text;
    arena_free(&a);
}

static void expect(const struct words *w, const char *text, const char *want)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    cut(w, str_of(text), "|", &out);
    ck_assert_str_eq(out.p, want);
    buf_free(&out);
}

static struct words *open_words(const char *dictionary, const char *model)
{
    struct words *w;
    struct err e;

    t_ok(words_open(&w, dictionary, model, &e), &e);
    return w;
}

/* jieba's dictionary and model; NULL, and skipped, where they are not. */
static struct words *open_jieba(void)
{
    struct words *w;
    struct err e;
    enum err_code rc = words_open(&w, NULL, NULL, &e);

    if (rc == ERR_NOENV) {
        t_skip("%s", e.msg);
        return NULL;
    }
    t_ok(rc, &e);
    return w;
}

static const char *put(struct arena *a, const char *name, const char *text)
{
    const char *path = io_join(a, t_tmp(), name);
    struct err e;

    t_ok(io_replace(path, str_of(text), &e), &e);
    return path;
}

/* ---- a dictionary of our own ---- */

static const struct {
    const char *text, *words;
} by_hand[] = {
    { "", "" },
    /* The likelier path, not the longest word first. */
    { "研究生命的起源", "研究|生命|的|起源|" },
    { "南京市长江大桥", "南京市|长江大桥|" },
    { "今天天气真好", "今天|天气|真好|" },
    /* White space and punctuation stand alone. */
    { "我们，在 C++！", "我们|，|在| |C++|！|" },
    { "我\r\n们\n", "我|\r\n|们|\n|" },
    /* What is in no word: characters, but Latin words and numbers whole. */
    { "饕餮abc", "饕|餮|abc|" },
    { "x1在12.50%里", "x1|在|12|.|50|%|里|" },
};

START_TEST(a_dictionary_without_model_leaves_unknown_characters_alone)
{
    struct words *w = open_words(SMALL, "none");

    expect(w, by_hand[_i].text, by_hand[_i].words);
    words_close(w);
}
END_TEST

START_TEST(a_model_joins_what_is_in_no_word)
{
    struct words *w = open_words(SMALL, SMALL_MODEL);

    expect(w, "小明去天气张三", "小明|去|天气|张三|");
    expect(w, "我欢喜", "我|欢喜|");
    expect(w, "小明明欢", "小明明|欢|");
    expect(w, "a.b在12.50%里v1.2.3......",
           "a|.|b|在|12.50%|里|v1.2|.|3|......|");
    words_close(w);
}
END_TEST

START_TEST(a_model_is_estimated_from_the_dictionary)
{
    struct words *w = open_words(SMALL, "dictionary");

    /* 研 begins words, 源 ends them; the pair itself is no entry. */
    expect(w, "我研源", "我|研源|");
    words_close(w);
}
END_TEST

START_TEST(a_word_of_frequency_nought_is_none_and_the_last_of_two_counts)
{
    struct arena a;
    struct words *w;

    arena_init(&a, 0);
    w = open_words(put(&a, "d.txt",
                       "\xEF\xBB\xBF"
                       "甲乙 0\n丙丁\t9\tn\r\n\n"
                       "丙丁 0\n 戊己 3 \n"),
                   "none");
    expect(w, "甲乙丙丁戊己", "甲|乙|丙|丁|戊己|");
    words_close(w);
    arena_free(&a);
}
END_TEST

START_TEST(the_digest_is_that_of_dictionary_and_model)
{
    struct words *w[4] = { open_words(SMALL, "none"), open_words(SMALL, "none"),
                           open_words(SMALL, "dictionary"),
                           open_words(SMALL, SMALL_MODEL) };

    ck_assert_str_eq(words_digest(w[0]), words_digest(w[1]));
    ck_assert_str_ne(words_digest(w[0]), words_digest(w[2]));
    ck_assert_str_ne(words_digest(w[2]), words_digest(w[3]));
    for (size_t i = 0; i < 4; i++)
        words_close(w[i]);
}
END_TEST

/* ---- files ---- */

START_TEST(files_are_looked_for_in_the_folders_of_mokao_words)
{
    struct words *w;
    struct err e;

    setenv("MOKAO_WORDS", "/nonexistent:tests/golden/words:", 1);
    w = open_words("small.txt", "small-model.json");
    expect(w, "小明去", "小明|去|");
    words_close(w);
    ck_assert_int_eq(words_open(&w, "smaller.txt", NULL, &e), ERR_NOENV);
    ck_assert_ptr_nonnull(strstr(e.msg, "no file smaller.txt"));
    ck_assert_ptr_nonnull(strstr(e.msg, "MOKAO_WORDS"));
    ck_assert_int_eq(words_open(&w, "small.txt", "/no/model", &e), ERR_NOENV);
    ck_assert_int_eq(words_open(&w, "/dev/zero", NULL, &e), ERR_NOENV);
    ck_assert_ptr_null(w);
}
END_TEST

#define LONG_WORD                                                                                \
    "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十" \
    "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十" \
    "一二三四五"
static const struct {
    const char *text, *says;
} bad_dictionaries[] = {
    { "", "no word with a frequency above 0" },
    { "甲 0\n", "no word with a frequency above 0" },
    { "甲 1\n乙\n", "line 2: expected \"word frequency [tag]\"" },
    { "甲 1\n\n乙 1.5\n", "line 3: expected" },
    { "甲 -1\n", "line 1: expected" },
    { "甲 99999999999999999999\n", "line 1: expected" },
    { "甲 9007199254740992\n乙 1\n", "line 2: the frequencies sum to" },
    { LONG_WORD " 1\n", "line 1: a word of 65 characters, at most 64" },
    { "甲 1\n\xB0\xA2 2\n", "not UTF-8 at byte 6: convert it" },
};

START_TEST(a_broken_dictionary_is_named_with_line_and_cure)
{
    struct arena a;
    struct words *w;
    struct err e;

    arena_init(&a, 0);
    ck_assert_int_eq(words_open(&w,
                                put(&a, "bad.txt", bad_dictionaries[_i].text),
                                "none", &e),
                     ERR_FORMAT);
    ck_assert_ptr_null(w);
    ck_assert_msg(strstr(e.msg, bad_dictionaries[_i].says) &&
                      strstr(e.msg, "bad.txt"),
                  "%s", e.msg);
    arena_free(&a);
}
END_TEST

#define START "\"start\":{\"B\":-1},"
#define TRANS "\"trans\":{\"B\":{\"E\":-1}},"
static const struct {
    const char *text, *says;
} bad_models[] = {
    { "{", "line 1" },
    { "[]", "\"start\": expected an object" },
    { "{" START TRANS "\"emit\":{}}", "\"emit\": expected an object" },
    { "{\"start\":{\"X\":-1}}", "\"start\": \"X\": expected B, M, E or S" },
    { "{\"start\":{\"B\":1}}", "\"B\": expected a logarithm" },
    { "{\"start\":{\"B\":\"1\"}}", "\"B\": expected a logarithm" },
    { "{" START "\"trans\":{\"Q\":{\"E\":-1}}}", "\"Q\": expected B, M" },
    { "{" START TRANS "\"emit\":{\"B\":{\"一二\":-1}}}",
      "\"emit\": \"一二\": expected one character" },
};

START_TEST(a_broken_model_is_named_with_its_fault)
{
    struct arena a;
    struct words *w;
    struct err e;

    arena_init(&a, 0);
    ck_assert_int_eq(
        words_open(&w, SMALL, put(&a, "bad.json", bad_models[_i].text), &e),
        ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, bad_models[_i].says) &&
                      strstr(e.msg, "bad.json"),
                  "%s", e.msg);
    arena_free(&a);
}
END_TEST

START_TEST(jiebas_layout_is_read_as_it_is_installed)
{
    struct arena a;
    struct words *w;
    struct err e;

    arena_init(&a, 0);
    t_ok(io_mkdirs(io_join(&a, t_tmp(), "finalseg"), &e), &e);
    put(&a, "finalseg/prob_start.py", "P={'B': -0.5,\n 'S': -0.9}\n");
    put(&a, "finalseg/prob_trans.py",
        "P={'B': {'E': -0.5}, 'E': {'S': -0.5}, 'S': {'B': -0.7}}\n");
    put(&a, "finalseg/prob_emit.py",
        "from __future__ import unicode_literals\n\n"
        "P={'B': {'\\u7532': -1.0}, 'E': {'\\u4e59': -1.0},\n"
        "  'S': {'\\u4e19': -2.0}}\n");
    w = open_words(put(&a, "dict.txt", "丁 1\n"), NULL);
    expect(w, "丁甲乙丙", "丁|甲乙|丙|");
    words_close(w);
    put(&a, "finalseg/prob_trans.py", "P = None\n");
    ck_assert_int_eq(words_open(&w, io_join(&a, t_tmp(), "dict.txt"), NULL, &e),
                     ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.msg, "prob_trans.py: expected P={"));
    arena_free(&a);
}
END_TEST

/* ---- limits, faults, threads ---- */

struct whole {
    const char *at;
    bool broken;
};

static bool follows(void *user, struct str word)
{
    struct whole *w = user;

    w->broken |= word.p != w->at || !word.n;
    w->at = word.p + word.n;
    return true;
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *const junk[] = { "龘",         "a",    "一.%",
                                    "研究生命的", "\n。", "生" };

START_TEST(a_megabyte_of_junk_takes_little_time_and_memory)
{
    struct words *w = open_words(SMALL, "dictionary");
    struct whole got;
    struct buf text;
    struct arena a;
    struct err e;
    double from;

    buf_init(&text, 2 << 20);
    while (text.n < 1 << 20)
        buf_str(&text, junk[_i]);
    arena_init(&a, 0);
    got = (struct whole){ text.p, false };
    from = cpu_seconds();
    t_ok(words_cut(w, buf_view(&text), &a, follows, &got, &e), &e);
    ck_assert_double_lt(cpu_seconds() - from, 2);
    ck_assert(!got.broken && got.at == text.p + text.n);
    ck_assert_uint_lt(a.taken, 2 << 20);
    arena_free(&a);
    buf_free(&text);
    words_close(w);
}
END_TEST

static bool take_two(void *user, struct str word)
{
    (void)word;
    return ++*(size_t *)user < 2;
}

START_TEST(the_caller_may_stop_early)
{
    struct words *w = open_words(SMALL, SMALL_MODEL);
    struct arena a;
    struct err e;
    size_t n = 0;

    arena_init(&a, 0);
    t_ok(words_cut(w, STR("小明去张三，今天天气真好"), &a, take_two, &n, &e),
         &e);
    ck_assert_uint_eq(n, 2);
    arena_free(&a);
    words_close(w);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    enum err_code rc = ERR_NOMEM;
    const struct words *w;
    struct err e;

    for (size_t nth = 1; rc && nth < 10000; nth++) {
        mem_fail_at(nth, nth % 2);
        rc = words_shared(&w, SMALL, SMALL_MODEL, &e);
        mem_fail_at(0, false);
        ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "%zu %s", nth, e.msg);
    }
    ck_assert_int_eq(rc, ERR_OK);
    expect(w, "小明去", "小明|去|");
}
END_TEST

static void *share(void *out)
{
    struct err e;

    t_ok(words_shared(out, SMALL, "dictionary", &e), &e);
    expect(*(const struct words **)out, "我研源", "我|研源|");
    return NULL;
}

START_TEST(threads_share_one)
{
    enum { N = 4 };
    const struct words *w[N] = { NULL };
    pthread_t t[N];

    for (size_t i = 0; i < N; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, share, &w[i]), 0);
    for (size_t i = 0; i < N; i++)
        pthread_join(t[i], NULL);
    for (size_t i = 1; i < N; i++)
        ck_assert_ptr_eq(w[i], w[0]);
}
END_TEST

START_TEST(a_broken_file_stays_broken_and_a_missing_one_may_come)
{
    const struct words *w;
    const char *path;
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    path = put(&a, "later.txt", "甲\n");
    ck_assert_int_eq(words_shared(&w, path, "none", &e), ERR_FORMAT);
    put(&a, "later.txt", "甲 1\n");
    ck_assert_int_eq(words_shared(&w, path, "none", &e), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.msg, "line 1"));
    path = io_join(&a, t_tmp(), "last.txt");
    ck_assert_int_eq(words_shared(&w, path, "none", &e), ERR_NOENV);
    put(&a, "last.txt", "甲 1\n");
    t_ok(words_shared(&w, path, "none", &e), &e);
    arena_free(&a);
}
END_TEST

/* ---- beside jieba ---- */

/* Sentences of our own; the bars are where jieba 0.42.1 cuts them. */
START_TEST(our_sentences_are_cut_as_jieba_cuts_them)
{
    struct words *w = open_jieba();
    struct io_lines lines = { .number = 0 };
    struct buf golden, plain, got;

    if (!w)
        return;
    buf_init(&plain, 1 << 20);
    buf_init(&got, 1 << 20);
    t_read("tests/golden/words/cuts.txt", &golden);
    lines.rest = buf_view(&golden);
    while (io_next_line(&lines)) {
        buf_clear(&plain);
        buf_clear(&got);
        for (size_t i = 0; i < lines.line.n; i++)
            if (lines.line.p[i] != '|')
                buf_char(&plain, lines.line.p[i]);
        cut(w, buf_view(&plain), "|", &got);
        ck_assert_msg(str_eq(str_sub(buf_view(&got), 0, got.n - 1), lines.line),
                      "line %zu: %s", lines.number, got.p);
    }
    ck_assert_uint_ge(lines.number, 50);
    buf_free(&golden);
    buf_free(&plain);
    buf_free(&got);
    words_close(w);
}
END_TEST

/* What jieba makes of the text; false, and skipped, where it is not. */
static bool run_jieba(struct str text, struct buf *out)
{
    struct arena a;
    const char *in, *cuts;
    struct err e;
    int status;

    arena_init(&a, 0);
    in = io_join(&a, t_tmp(), "in");
    cuts = io_join(&a, t_tmp(), "cuts");
    t_ok(io_replace(in, text, &e), &e);
    status = system(arena_printf(
        &a, "/usr/bin/python3 tests/words.py '%s' '%s'", in, cuts));
    if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127) {
        t_skip("no python3-jieba to compare with");
    } else {
        ck_assert_int_eq(status, 0);
        t_read(cuts, out);
    }
    arena_free(&a);
    return out->n > 0;
}

/* Laws, questions, and what models answered: some 6,000 lines. */
static const char *const shared_texts[] = {
    "outputs/lawbench/zero_shot/GPT-3.5-turbo-0613/1-1.json",
    "data/belle-eval/eval_set.json",
    "data/cmmlu/test/chinese_literature.csv",
};

static bool read_shared(struct buf *text)
{
    for (size_t i = 0; i < sizeof shared_texts / sizeof *shared_texts; i++) {
        const char *path = t_shared(shared_texts[i]);
        struct err e;

        if (!path)
            return false;
        t_ok(io_read(path, text, &e), &e);
        buf_char(text, '\n');
    }
    return true;
}

START_TEST(other_peoples_texts_are_cut_as_jieba_cuts_them)
{
    struct words *w = open_jieba();
    struct io_lines lines = { .number = 0 }, theirs = { .number = 0 };
    struct buf text, cuts, got;

    if (!w)
        return;
    buf_init(&text, 64 << 20);
    buf_init(&cuts, 64 << 20);
    buf_init(&got, 1 << 24);
    if (read_shared(&text) && run_jieba(buf_view(&text), &cuts)) {
        lines.rest = buf_view(&text);
        theirs.rest = buf_view(&cuts);
        while (io_next_line(&lines) && io_next_line(&theirs)) {
            buf_clear(&got);
            cut(w, lines.line, "\x1f", &got);
            ck_assert_msg(str_eq(buf_view(&got), theirs.line),
                          "line %zu: %s\n%.*s", lines.number, got.p,
                          STR_FMT(theirs.line));
        }
        ck_assert_uint_gt(lines.number, 2000);
        ck_assert_uint_eq(lines.rest.n + theirs.rest.n, 0);
    }
    buf_free(&text);
    buf_free(&cuts);
    buf_free(&got);
    words_close(w);
}
END_TEST

#define ROWS(table) (sizeof(table) / sizeof(*(table)))
static void setup(TCase *tc)
{
    tcase_add_loop_test(
        tc, a_dictionary_without_model_leaves_unknown_characters_alone, 0,
        ROWS(by_hand));
    tcase_add_test(tc, a_model_joins_what_is_in_no_word);
    tcase_add_test(tc, a_model_is_estimated_from_the_dictionary);
    tcase_add_test(
        tc, a_word_of_frequency_nought_is_none_and_the_last_of_two_counts);
    tcase_add_test(tc, the_digest_is_that_of_dictionary_and_model);
    tcase_add_test(tc, files_are_looked_for_in_the_folders_of_mokao_words);
    tcase_add_loop_test(tc, a_broken_dictionary_is_named_with_line_and_cure, 0,
                        ROWS(bad_dictionaries));
    tcase_add_loop_test(tc, a_broken_model_is_named_with_its_fault, 0,
                        ROWS(bad_models));
    tcase_add_test(tc, jiebas_layout_is_read_as_it_is_installed);
    tcase_add_loop_test(tc, a_megabyte_of_junk_takes_little_time_and_memory, 0,
                        ROWS(junk));
    tcase_add_test(tc, the_caller_may_stop_early);
    tcase_add_test(tc, any_allocation_may_fail);
    tcase_add_test(tc, threads_share_one);
    tcase_add_test(tc, a_broken_file_stays_broken_and_a_missing_one_may_come);
    tcase_add_test(tc, our_sentences_are_cut_as_jieba_cuts_them);
    tcase_add_test(tc, other_peoples_texts_are_cut_as_jieba_cuts_them);
}

T_MAIN("words", setup)
