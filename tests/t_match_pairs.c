/* Answers made by chance, held against each other: what is equal is so both
 * ways round, an answer equals itself, and what was read as the answer is read
 * so again when it stands alone. */
#include <stdio.h>
#include <string.h>

#include "harness/match/match.h"
#include "tests/junk.h"
#include "tests/t.h"

enum { PAIRS = 300 };

static uint32_t below(uint32_t *seed, uint32_t n)
{
    return junk_random(seed) % n;
}

#define PICK(seed, list) ((list)[below(seed, sizeof(list) / sizeof(*(list)))])

/* ---- answers by chance ---- */

/* Few values in many forms, so that equal ones meet. */
static void make_number(struct buf *b, uint32_t *seed)
{
    static const char *const forms[][6] = {
        { "3", "三", "3.0", "6/2", "３", "300%" },
        { "0.5", "1/2", "50%", "\\frac{1}{2}", ".5", "百分之五十" },
        { "1200", "1,200", "1.2e3", "一千二百", "1200.00", "1.2×10^3" },
        { "-7", "负七", "-7.0", "−7", "-14/2", "-７" },
        { "-0.25", "-1/4", "-25%", "-0.250", "-\\frac{1}{4}", "−0.25" },
    };

    if (below(seed, 3))
        buf_str(b, PICK(seed, PICK(seed, forms)));
    else
        buf_printf(b, "%u.%u", below(seed, 20), below(seed, 100));
}

static void make_date(struct buf *b, uint32_t *seed)
{
    static const char *const months[] = { "March", "Dec." };
    static const char *const numerals[] = { "三", "十二" };
    uint32_t year = 2023 + below(seed, 2), m = below(seed, 2);
    uint32_t month = m ? 12 : 3, day = 1 + below(seed, 2);

    switch (below(seed, 5)) {
    case 0:
        buf_printf(b, "%u-%02u-%02u", year, month, day);
        break;
    case 1:
        buf_printf(b, "%u年%u月%u日", year, month, day);
        break;
    case 2:
        buf_printf(b, "二〇二%s年%s月%s号", year == 2023 ? "三" : "四",
                   numerals[m], day == 1 ? "一" : "二");
        break;
    case 3:
        buf_printf(b, "%s %u, %u", months[m], day, year);
        break;
    default:
        buf_printf(b, "%u/%u/%u", year, month, day);
    }
}

/* Width, case, traditional characters and quotes come and go. */
static void make_text(struct buf *b, uint32_t *seed)
{
    static const char *const forms[][4] = {
        { "李白", "《李白》", "“李白”", "李 白" },
        { "臺北", "台北", "臺北。", "「台北」" },
        { "Tokyo", "tokyo", "Ｔｏｋｙｏ", "TOKYO." },
        { "红楼梦", "紅樓夢", "《红楼梦》", "紅樓夢！" },
    };

    for (uint32_t n = 1 + below(seed, 2); n > 0; n--)
        buf_str(b, PICK(seed, PICK(seed, forms)));
}

static void make_json_of(struct buf *b, uint32_t *seed, int depth)
{
    static const char *const plain[] = { "1",      "1.0",        "true", "null",
                                         "\"国\"", "\"國\"",     "\"\"", "2",
                                         "\"a\"",  "\"\\u0061\"" };
    static const char *const keys[] = { "a", "b", "c" };
    uint32_t kind = depth ? below(seed, 3) : 0, from = below(seed, 3);

    if (kind == 0) {
        buf_str(b, PICK(seed, plain));
        return;
    }
    buf_char(b, kind == 1 ? '[' : '{');
    for (uint32_t i = 0, n = below(seed, 3); i < n; i++) {
        if (i)
            buf_str(b, below(seed, 2) ? "," : " , ");
        if (kind == 2)
            buf_printf(b, "\"%s\":", keys[(from + i) % 3]);
        make_json_of(b, seed, depth - 1);
    }
    buf_char(b, kind == 1 ? ']' : '}');
}

static void make_json(struct buf *b, uint32_t *seed)
{
    buf_str(b, "{\"x\":");
    make_json_of(b, seed, 2);
    buf_char(b, '}');
}

static void make_list(struct buf *b, uint32_t *seed)
{
    static const char *const parts[] = { "A、B", "B、A", "A、C", "A、B、C",
                                         "C、B、A" };

    buf_str(b, PICK(seed, parts));
}

static void make_math_of(struct buf *b, uint32_t *seed, int depth)
{
    static const char *const atoms[] = { "1", "2",   "3",    "x",
                                         "4", "0.5", "\\pi", "\\sqrt{2}" };
    static const char *const signs[] = { "+", "-", "\\cdot ", "+" };
    uint32_t kind = depth ? below(seed, 5) : 0;

    if (kind == 0) {
        buf_str(b, PICK(seed, atoms));
        return;
    }
    buf_str(b, kind == 1   ? "\\frac{"
               : kind == 2 ? "("
               : kind == 3 ? "\\sqrt{"
                           : "{");
    make_math_of(b, seed, depth - 1);
    if (kind != 3) {
        buf_str(b, kind == 1 ? "}{" : PICK(seed, signs));
        make_math_of(b, seed, depth - 1);
    }
    buf_str(b, kind == 2 ? ")" : kind == 4 ? "}^2" : "}");
}

/* A name alone is an answer only where one is expected: all have one. */
static void make_math(struct buf *b, uint32_t *seed)
{
    make_math_of(b, seed, below(seed, 4) ? 1 : 2);
    buf_str(b, "+x");
}

/* ---- what an item expects ---- */

static void as_string(struct jw *w, struct str answer)
{
    jw_text(w, NULL, answer);
}

static void as_value(struct jw *w, struct str answer)
{
    jw_object(w, NULL);
    jw_raw(w, "value", answer);
    jw_end(w);
}

static void as_parts(struct jw *w, struct str answer)
{
    size_t at;

    jw_array(w, NULL);
    do {
        at = str_find(answer, STR("、"), 0);
        jw_text(w, NULL, str_sub(answer, 0, at));
        answer =
            str_sub(answer, at == (size_t)-1 ? answer.n : at + 3, answer.n);
    } while (at != (size_t)-1);
    jw_end(w);
}

static const struct row {
    const struct match_kind *kind;
    const char *options;
    void (*make)(struct buf *b, uint32_t *seed);
    void (*expect)(struct jw *w, struct str answer);
} rows[] = {
    { &match_number, "{}", make_number, as_string },
    { &match_math, "{}", make_math, as_string },
    { &match_math, "{}", make_number, as_string },
    { &match_date, "{}", make_date, as_string },
    { &match_exact, "{}", make_text, as_string },
    { &match_similar, "{\"metric\":\"edit\"}", make_text, as_string },
    { &match_similar, "{\"metric\":\"rouge-l\"}", make_text, as_string },
    { &match_json, "{}", make_json, as_value },
    { &match_json, "{\"order\":false,\"types\":\"loose\"}", make_json,
      as_value },
    { &match_list, "{}", make_list, as_parts },
};
enum { N_ROWS = sizeof(rows) / sizeof(*rows) };

/* ---- one answer against another ---- */

static struct match_out judge(const struct row *r, struct str want,
                              struct str answer, struct arena *a)
{
    struct match_in in = { .response = answer };
    struct json *expected, *options;
    struct match_out out;
    struct buf b;
    struct jw w;
    struct err e;

    buf_init(&b, 1 << 20);
    jw_init(&w, &b, false);
    r->expect(&w, want);
    t_ok(json_parse(&expected, buf_view(&b), &e), &e);
    t_ok(json_parse(&options, str_of(r->options), &e), &e);
    in.expected = expected;
    in.options = options;
    ck_assert_msg(!r->kind->check(&in, &e), "%s: %.*s: %s", r->kind->name,
                  STR_FMT(want), e.msg);
    t_ok(r->kind->run(&in, a, &out, &e), &e);
    json_free(expected);
    json_free(options);
    buf_free(&b);
    return out;
}

static void hold_against(const struct row *r, struct str x, struct str y)
{
    struct match_out there, back, itself;
    struct arena a;

    arena_init(&a, 0);
    there = judge(r, x, y, &a);
    back = judge(r, y, x, &a);
    itself = judge(r, x, x, &a);
    ck_assert_msg(there.verdict == back.verdict, "%s: %.*s and %.*s: %s, %s",
                  r->kind->name, STR_FMT(x), STR_FMT(y),
                  verdict_name(there.verdict), verdict_name(back.verdict));
    ck_assert_msg(itself.verdict == VERDICT_CORRECT ||
                      itself.verdict == VERDICT_UNPARSABLE,
                  "%s: %.*s is not itself", r->kind->name, STR_FMT(x));
    arena_free(&a);
}

START_TEST(equality_is_symmetric)
{
    const struct row *r = &rows[_i];
    uint32_t seed = 7;

    for (int i = 0; i < PAIRS; i++) {
        struct buf x, y;

        buf_init(&x, 1 << 16);
        buf_init(&y, 1 << 16);
        r->make(&x, &seed);
        r->make(&y, &seed);
        hold_against(r, buf_view(&x), buf_view(&y));
        buf_free(&x);
        buf_free(&y);
    }
}
END_TEST

/* Normalising is done once for all: what was read as the answer, alone, is
 * judged and read in the same way. */
START_TEST(what_was_read_is_read_again)
{
    const struct row *r = &rows[_i];
    uint32_t seed = 11;
    size_t n = 0;

    for (int i = 0; i < PAIRS; i++) {
        struct match_out once, twice;
        struct buf x, y;
        struct arena a;

        arena_init(&a, 0);
        buf_init(&x, 1 << 16);
        buf_init(&y, 1 << 16);
        r->make(&x, &seed);
        r->make(&y, &seed);
        once = judge(r, buf_view(&x), buf_view(&y), &a);
        if (*once.extracted && once.verdict != VERDICT_UNPARSABLE) {
            twice = judge(r, buf_view(&x), str_of(once.extracted), &a);
            ck_assert_msg(once.verdict == twice.verdict, "%s: %s of %s",
                          r->kind->name, once.extracted, y.p);
            ck_assert_str_eq(once.extracted, twice.extracted);
            n++;
        }
        buf_free(&x);
        buf_free(&y);
        arena_free(&a);
    }
    ck_assert_uint_gt(n, PAIRS / 2);
}
END_TEST

/* Equal ones must meet, or the tests above say little. */
START_TEST(both_verdicts_come_up)
{
    const struct row *r = &rows[_i];
    uint32_t seed = 7;
    size_t right = 0;

    for (int i = 0; i < PAIRS; i++) {
        struct buf x, y;
        struct arena a;

        arena_init(&a, 0);
        buf_init(&x, 1 << 16);
        buf_init(&y, 1 << 16);
        r->make(&x, &seed);
        r->make(&y, &seed);
        right +=
            judge(r, buf_view(&x), buf_view(&y), &a).verdict == VERDICT_CORRECT;
        buf_free(&x);
        buf_free(&y);
        arena_free(&a);
    }
    ck_assert_msg(right >= 5 && right <= PAIRS - 5, "%s: %zu of %d",
                  r->kind->name, right, PAIRS);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, equality_is_symmetric, 0, N_ROWS);
    tcase_add_loop_test(tc, what_was_read_is_read_again, 0, N_ROWS);
    tcase_add_loop_test(tc, both_verdicts_come_up, 0, N_ROWS);
}

T_MAIN("match_pairs", setup)
