/* Trees and equality of mathematics: properties, limits, real answers.  The
 * labelled answers are in t_match.c. */
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/match/match.h"
#include "harness/match/math.h"
#include "tests/t.h"

static const struct math *read(const char *text, struct arena *a,
                               struct math_parse *p)
{
    struct math_tokens t;
    struct err e;

    math_lex(str_of(text), a, &t);
    ck_assert_ptr_nonnull(t.token);
    t_ok(math_parse(&t, 0, t.n, a, p, &e), &e);
    return p->tree;
}

static enum math_equal same(const char *x, const char *y)
{
    struct math_work w;
    struct math_parse p, q;
    struct arena a;
    struct math_same c = { .work = &w, .arena = &a };
    enum math_equal equal;
    struct err e;

    arena_init(&a, 0);
    ck_assert_msg(read(x, &a, &p) != NULL, "%s: %s at %zu", x, p.why, p.at);
    ck_assert_msg(read(y, &a, &q) != NULL, "%s: %s at %zu", y, q.why, q.at);
    t_ok(math_work_open(&w, &e), &e);
    equal = math_same(&c, p.tree, q.tree);
    math_work_close(&w);
    arena_free(&a);
    return equal;
}

static enum verdict ask(const struct match_kind *kind, const char *expected,
                        struct str response, char *rule, size_t n)
{
    struct match_in in = { .response = response };
    struct match_out out;
    struct json *j;
    struct arena a;
    struct err e;

    t_ok(json_parse(&j, str_of(expected), &e), &e);
    in.expected = j;
    arena_init(&a, 0);
    t_ok(kind->check(&in, &e), &e);
    t_ok(kind->run(&in, &a, &out, &e), &e);
    ck_assert_uint_le(out.span_at + out.span_len, response.n);
    if (rule)
        (void)snprintf(rule, n, "%s", out.rule);
    arena_free(&a);
    json_free(j);
    return out.verdict;
}

static const char *const answers[] = {
    "1",          "-1",
    "0.5",        "\\frac{1}{2}",
    "50%",        "2√3",
    "\\sqrt{12}", "x",
    "x^2",        "(x+1)^2",
    "x^2+2x+1",   "\\sin x",
    "\\pi",       "180°",
    "±2",         "\\{2,-2\\}",
    "x=2或x=-2",  "(1,2)",
    "[1,2)",      "1≤x<2",
    "x>1",        "(1,+∞)",
    "x<1或x>2",   "(-∞,1)∪(2,+∞)",
    "y=2x+1",     "2x-y+1=0",
    "f(x)=2x+1",  "2x+1",
    "x=3",        "3",
    "3cm",        "30毫米",
    "3-4i",       "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
    "∞",          "-∞",
    "∅",          "9^{9^{9^9}}",
    "100000!",    "1,2",
    "x=1,y=2",    "\\log_2 8",
    "1/0",        "5m",
    "5米",        "x≠1",
    "|x|",        "n!",
    "a_1+a_2",
};

START_TEST(equality_is_symmetric)
{
    size_t n = sizeof(answers) / sizeof(*answers);

    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(same(answers[i], answers[i]) == MATH_SAME, "%s",
                      answers[i]);
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(same(answers[i], answers[j]) ==
                              same(answers[j], answers[i]),
                          "%s and %s", answers[i], answers[j]);
    }
}
END_TEST

/* Two ways to write one value, and one that is near and another. */
START_TEST(values_are_compared_exactly)
{
    static const struct {
        const char *x, *y;
        enum math_equal equal;
    } cases[] = {
        { "0.1+0.2", "0.3", MATH_SAME },
        { "1/3", "0.33333333333333333333", MATH_OTHER },
        { "2^{200}", "2^{200}+1", MATH_OTHER },
        { "\\frac{100!}{99!}", "100", MATH_SAME },
        { "\\sqrt{2}\\sqrt{8}-4", "0", MATH_SAME },
        { "\\sqrt{10^{40}+1}", "10^{20}", MATH_OTHER },
        { "8^{1/3}", "2", MATH_SAME },
        { "(-8)^{1/3}", "-2", MATH_SAME },
        { "\\sqrt[3]{2}", "2^{1/3}", MATH_SAME },
        { "\\cos 36°", "\\frac{1+\\sqrt5}{4}", MATH_SAME },
        { "4\\arctan 1", "π", MATH_SAME },
        { "16\\arctan\\frac15-4\\arctan\\frac1{239}", "π", MATH_SAME },
        { "\\frac{22}{7}", "π", MATH_OTHER },
        { "\\frac{x^2-1}{x-1}", "x+1", MATH_SAME },
        { "\\sqrt{x^2}", "|x|", MATH_SAME },
        { "(-1)^{2n}", "1", MATH_SAME },
        { "(n+1)!", "(n+1)n!", MATH_SAME },
        { "\\tan(x+y)", "\\frac{\\tan x+\\tan y}{1-\\tan x\\tan y}",
          MATH_SAME },
        { "\\sin(x)+10^{-30}", "\\sin(x)", MATH_OTHER },
        { "9^{9^{9^9}}", "9^{9^{9^9}}+1", MATH_UNKNOWN },
        { "2^{1000000}", "1", MATH_OTHER },
        { "1/0", "2/0", MATH_UNKNOWN },
        { "\\ln(-1)", "3", MATH_UNKNOWN },
        { "\\sin(10^{300})", "0.5", MATH_UNKNOWN },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        ck_assert_msg(same(cases[i].x, cases[i].y) == cases[i].equal,
                      "%s and %s: %d", cases[i].x, cases[i].y,
                      (int)same(cases[i].x, cases[i].y));
}
END_TEST

START_TEST(what_cannot_be_read_says_why)
{
    static const struct {
        const char *text, *why;
        size_t at;
    } cases[] = {
        { "3+", "expected a value", 2 },
        { "(1,2", "a bracket is not closed", 4 },
        { "\\frac{1}", "expected a value", 8 },
        { "|x", "a bar is not closed", 2 },
        { "2 3", "not understood", 2 },
        { "\\begin{pmatrix}1&2\\\\3\\end{pmatrix}", "rows of different length",
          21 },
        { "", "expected a value", 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct math_parse p;
        struct arena a;

        arena_init(&a, 0);
        ck_assert_msg(!read(cases[i].text, &a, &p), "%s", cases[i].text);
        ck_assert_str_eq(p.why, cases[i].why);
        ck_assert_uint_eq(p.at, cases[i].at);
        arena_free(&a);
    }
}
END_TEST

static int64_t ms_since(int64_t start)
{
    return (io_now_ns() - start) / 1000000;
}

/* Sanitizers and a busy machine are slower than the 50 ms that a plain build
 * has to keep. */
enum { MS_MOST = 1500 };

START_TEST(hostile_expressions_end_soon)
{
    static const struct {
        const char *head, *part, *tail;
        size_t times;
    } cases[] = {
        { "\\boxed{9^9^9^9", "", "}", 0 },
        { "\\boxed{100000!", "", "}", 0 },
        { "\\boxed{", "\\sqrt{", "2}", 10000 },
        { "\\boxed{", "(", "1", 100000 },
        { "答案是", "-", "1", 100000 },
        { "答案是", "9^", "9", 400 },
        { "答案是", "9!", "", 900 },
        { "答案是 1", "+x", "", 900 },
        { "答案是 ", "\\sin ", "x", 70 },
        { "答案是 ", "\\frac{1}{1+", "x", 70 },
        { "答案是 ", "x^{", "x", 70 },
        { "答案是 1", ",1", "", 900 },
        { "答案是 ", "±1", "", 60 },
        { "答案是 ", "|", "", 5000 },
        { "", "\\boxed{", "", 100000 },
        { "", "所以", "", 300000 },
        { "", "1", "", 1000000 },
        { "", "²", "", 400000 },
        { "", "\\begin{pmatrix}", "", 60000 },
        { "\\sin(2^", "9", ")", 300 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t start;
        struct buf b;

        buf_init(&b, 1 << 22);
        buf_str(&b, cases[i].head);
        for (size_t k = 0; k < cases[i].times; k++)
            buf_str(&b, cases[i].part);
        buf_str(&b, cases[i].tail);
        start = io_now_ns();
        (void)ask(&match_math, "\"\\\\sin x+\\\\sqrt{2}\"", buf_view(&b), NULL,
                  0);
        (void)ask(&match_math, "[\"1,2,3\",\"x>1\"]", buf_view(&b), NULL, 0);
        ck_assert_msg(ms_since(start) < MS_MOST, "%s%s: %d ms", cases[i].head,
                      cases[i].part, (int)ms_since(start));
        buf_free(&b);
    }
}
END_TEST

START_TEST(too_large_to_compare_is_no_guess)
{
    char rule[80];

    ck_assert_int_eq(
        ask(&match_math, "\"7\"", STR("\\boxed{100000!}"), rule, sizeof(rule)),
        VERDICT_UNPARSABLE);
    ck_assert_str_eq(rule, "boxed: cannot be compared");
    ck_assert_int_eq(
        ask(&match_math, "\"7\"", STR("\\boxed{3+}"), rule, sizeof(rule)),
        VERDICT_UNPARSABLE);
    ck_assert_str_eq(rule, "boxed: expected a value");
}
END_TEST

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void fill_random(struct buf *b, size_t n, uint32_t seed)
{
    static const char *const words[] = {
        "答案是",
        "\\frac{",
        "}",
        "{",
        "(",
        ")",
        "1",
        "2.5",
        "x",
        "\\sqrt",
        "^",
        "_",
        "+",
        "-",
        "\\cdot",
        "π",
        "=",
        "<",
        "或",
        ",",
        "[",
        "]",
        "∪",
        "\\sin",
        "ln",
        "三",
        "分之",
        "万",
        "cm",
        "\n",
        "|",
        "±",
        "!",
        "%",
        "°",
        "∞",
        "\xff",
        "\\{",
        "\\}",
        "$",
        "&",
        "\\\\",
        "所以",
        "e3",
        "²",
        "\\text{",
        "\\begin{cases}",
        "\\end{cases}",
        "\\boxed{",
    };
    size_t most = sizeof(words) / sizeof(*words);

    while (b->n < n) {
        uint32_t r = next_random(&seed);

        if (r % 8)
            buf_str(b, words[r / 8 % most]);
        else
            buf_char(b, (char)(r >> 4));
    }
}

START_TEST(any_bytes_are_read_or_refused)
{
    static const char *const expected[] = { "\"x+1\"", "\"(1,2)∪[3,4]\"",
                                            "[\"{1,2}\",\"y=2x\"]" };

    for (uint32_t seed = 0; seed < 300; seed++) {
        struct buf b;

        buf_init(&b, 1 << 22);
        fill_random(&b, seed ? seed % 97 : 1 << 20, seed);
        (void)ask(&match_math, expected[seed % 3], buf_view(&b), NULL, 0);
        buf_free(&b);
    }
}
END_TEST

/* Equal because built to be: sums of random terms in another order. */
START_TEST(sums_may_be_reordered)
{
    static const char *const terms[] = {
        "x^2", "\\frac{3}{7}", "2\\pi", "\\sqrt{5}", "\\sin x",
        "xy",  "\\ln 3",       "e^{x}", "0.125",     "\\frac{x}{y+1}"
    };

    for (uint32_t seed = 1; seed < 40; seed++) {
        char ahead[300] = "0", back[300] = "0", swap[400];
        uint32_t r = seed;

        for (int k = 0; k < 5; k++) {
            const char *term = terms[next_random(&r) % 10];

            strcat(strcat(ahead, "+"), term);
            (void)snprintf(swap, sizeof(swap), "%s+%s", term, back);
            (void)snprintf(back, sizeof(back), "%.290s", swap);
        }
        ck_assert_msg(same(ahead, back) == MATH_SAME, "%s and %s", ahead, back);
        strcat(back, "+0.001");
        ck_assert_msg(same(ahead, back) == MATH_OTHER, "%s and %s", ahead,
                      back);
    }
}
END_TEST

START_TEST(every_failed_allocation_is_reported)
{
    static const char *const pairs[][2] = {
        { "\"\\\\frac{\\\\sqrt{3}}{2}\"", "答案是 $\\sin 60^\\circ$。" },
        { "\"2^{200}\"", "\\boxed{4^{100}}" },
        { "\"±2\"", "所以 x=2 或 x=-2" },
        { "\"(1,2]\"", "所以 1<x≤2。" },
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        struct match_in in = { .response = str_of(pairs[i][1]) };
        enum err_code rc = ERR_NOMEM;
        struct json *j;
        struct err e;
        size_t nth;

        t_ok(json_parse(&j, str_of(pairs[i][0]), &e), &e);
        in.expected = j;
        for (nth = 1; rc && nth < 20000; nth++) {
            struct match_out out;
            struct arena a;

            arena_init(&a, 0);
            mem_fail_at(nth, nth % 2);
            rc = match_math.run(&in, &a, &out, &e);
            mem_fail_at(0, false);
            ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
            ck_assert(rc || out.verdict == VERDICT_CORRECT);
            arena_free(&a);
        }
        ck_assert_uint_lt(nth, 20000);
        json_free(j);
    }
}
END_TEST

START_TEST(check_says_what_is_wrong)
{
    static const struct {
        const char *expected, *msg;
    } cases[] = {
        { "\"三角形\"", "answer: no mathematics in \"三角形\"" },
        { "\"3+\"", "answer: \"3+\": at byte 2: expected a value" },
        { "true", "answer: expected a number or mathematics of at most 1000 "
                  "bytes" },
        { "[]", "answer: expected mathematics" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct match_in in = { .n_choices = 0 };
        struct json *j;
        struct err e;

        t_ok(json_parse(&j, str_of(cases[i].expected), &e), &e);
        in.expected = j;
        ck_assert_int_eq(match_math.check(&in, &e), ERR_FORMAT);
        ck_assert_str_eq(e.msg, cases[i].msg);
        json_free(j);
    }
}
END_TEST

/* ---- published items ---- */

struct tally {
    size_t n, right, wrong, none;
};

static void count(struct tally *t, enum verdict v)
{
    t->n++;
    t->right += v == VERDICT_CORRECT;
    t->wrong += v == VERDICT_WRONG;
    t->none += v != VERDICT_CORRECT && v != VERDICT_WRONG;
}

static char *quoted(struct arena *a, struct str s)
{
    struct buf b;
    struct jw w;
    char *text;

    buf_init(&b, 1 << 20);
    jw_init(&w, &b, false);
    jw_text(&w, NULL, s);
    text = arena_dup(a, b.p, b.n);
    buf_free(&b);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* The gold answers as a model would write them, for both matchers. */
static void ask_gold(struct str gold, struct tally *number, struct tally *math)
{
    static const char *const forms[] = { "计算过程：2+3=5。答案是%.*s。",
                                         "因此共需要%.*s。", "#### %.*s",
                                         "所以 \\boxed{%.*s}" };
    struct arena a;

    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        char text[200];

        /* The format is one of ours. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(text, sizeof(text), forms[i], STR_FMT(gold));
#pragma GCC diagnostic pop
        count(number,
              ask(&match_number, quoted(&a, gold), str_of(text), NULL, 0));
        count(math, ask(&match_math, quoted(&a, gold), str_of(text), NULL, 0));
    }
    arena_free(&a);
}

START_TEST(gold_numbers_of_cmath_are_read)
{
    const char *path = t_shared("data/cmath/cmath_dev.jsonl");
    struct tally number = { .n = 0 }, math = { .n = 0 };
    struct io_lines l = { .number = 0 };
    struct json *j;
    struct buf b;
    struct err e;

    if (!path)
        return;
    buf_init(&b, 1 << 24);
    t_read(path, &b);
    l.rest = buf_view(&b);
    while (io_next_line(&l)) {
        if (!str_trim(l.line).n)
            continue;
        t_ok(json_parse(&j, l.line, &e), &e);
        ask_gold(str_of(json_string(json_get(j, "golden"))), &number, &math);
        json_free(j);
    }
    ck_assert_uint_eq(number.n, 2400);
    ck_assert_uint_eq(number.right, number.n);
    ck_assert_uint_eq(math.right, math.n);
    buf_free(&b);
}
END_TEST

START_TEST(gold_numbers_of_mgsm_are_read)
{
    const char *path = t_shared("data/mgsm/mgsm_zh.tsv");
    struct tally number = { .n = 0 }, math = { .n = 0 };
    struct io_lines l = { .number = 0 };
    struct buf b;

    if (!path)
        return;
    buf_init(&b, 1 << 24);
    t_read(path, &b);
    l.rest = buf_view(&b);
    while (io_next_line(&l)) {
        size_t tab = str_find(l.line, STR("\t"), 0);

        if (tab != (size_t)-1)
            ask_gold(str_trim(str_sub(l.line, tab + 1, l.line.n)), &number,
                     &math);
    }
    ck_assert_uint_eq(number.n, 1000);
    ck_assert_uint_eq(number.right, number.n);
    ck_assert_uint_eq(math.right, math.n);
    buf_free(&b);
}
END_TEST

/* The published solution of each fill-in item, as a response to its published
 * answer. */
START_TEST(solutions_of_gaokao_end_in_their_answers)
{
    const char *path = t_shared("data/gaokao-bench/Subjective_Questions/"
                                "2010-2022_Math_I_Fill-in-the-Blank.json");
    struct tally t = { .n = 0 };
    const struct json *item;
    struct json *j;
    struct buf b;
    struct err e;

    if (!path)
        return;
    buf_init(&b, 1 << 24);
    t_read(path, &b);
    t_ok(json_parse(&j, buf_view(&b), &e), &e);
    for (item = json_child(json_get(j, "example")); item;
         item = json_next(item)) {
        struct match_in in = { .expected = json_get(item, "answer") };
        struct match_out out;
        struct arena a;

        in.response = str_of(json_string(json_get(item, "analysis")));
        arena_init(&a, 0);
        if (!match_math.check(&in, &e)) {
            t_ok(match_math.run(&in, &a, &out, &e), &e);
            count(&t, out.verdict);
        }
        arena_free(&a);
    }
    /* Of 80 that are mathematics; the rest has a slip of the pen in the
       published answer, or goes on behind the answer. */
    ck_assert_uint_ge(t.n, 80);
    ck_assert_uint_ge(t.right, 75);
    ck_assert_uint_le(t.wrong, 4);
    json_free(j);
    buf_free(&b);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, equality_is_symmetric);
    tcase_add_test(tc, values_are_compared_exactly);
    tcase_add_test(tc, what_cannot_be_read_says_why);
    tcase_add_test(tc, hostile_expressions_end_soon);
    tcase_add_test(tc, too_large_to_compare_is_no_guess);
    tcase_add_test(tc, any_bytes_are_read_or_refused);
    tcase_add_test(tc, sums_may_be_reordered);
    tcase_add_test(tc, every_failed_allocation_is_reported);
    tcase_add_test(tc, check_says_what_is_wrong);
    tcase_add_test(tc, gold_numbers_of_cmath_are_read);
    tcase_add_test(tc, gold_numbers_of_mgsm_are_read);
    tcase_add_test(tc, solutions_of_gaokao_end_in_their_answers);
}

T_MAIN("math", setup)
