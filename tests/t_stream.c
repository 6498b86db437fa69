/* Text out of tokens: whole characters, repaired bytes, stop strings. */
#include <string.h>

#include "engine/stream.h"
#include "harness/base/json.h"
#include "tests/t.h"

static struct err e;

/* A hexadecimal digit of the golden files. */
static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void push_hex(struct stream *s, const char *hex)
{
    char bytes[256];
    size_t n = 0;

    for (; *hex; hex += 2)
        bytes[n++] = (char)(digit(hex[0]) << 4 | digit(hex[1]));
    stream_push(s, bytes, n);
}

static void expect_next(struct stream *s, bool all, const char *want)
{
    struct str got = stream_next(s, all);

    ck_assert_msg(str_is(got, want), "got \"%.*s\", expected \"%s\"",
                  STR_FMT(got), want);
}

START_TEST(pieces_as_the_reference_emits_them)
{
    struct json *j;
    struct buf b;
    int n = 0;

    buf_init(&b, 1 << 20);
    t_read("tests/golden/tokvec/streaming.json", &b);
    t_ok(json_parse(&j, buf_view(&b), &e), &e);
    for (const struct json *c = json_child(json_get(j, "cases")); c;
         c = json_next(c), n++) {
        const struct json *want = json_child(json_get(c, "emitted"));
        struct stream s;

        stream_init(&s, NULL, 0);
        for (const struct json *p = json_child(json_get(c, "pieces_hex")); p;
             p = json_next(p), want = json_next(want)) {
            push_hex(&s, json_string(p));
            expect_next(&s, false, json_string(want));
        }
        ck_assert_ptr_null(want);
        stream_end(&s);
        expect_next(&s, true, json_string(json_get(c, "flush")));
        stream_free(&s);
    }
    ck_assert_int_eq(n, 26);
    json_free(j);
    buf_free(&b);
}
END_TEST

/* Unicode 15, 3.9, table 3-8: one U+FFFD for each maximal subpart. */
static const struct {
    const char *hex, *text;
} repaired[] = {
    { "61f1808001c262", "a\uFFFD\x01\uFFFD"
                        "b" },
    { "c0af", "\uFFFD\uFFFD" },
    { "e08080", "\uFFFD\uFFFD\uFFFD" },
    { "eda080", "\uFFFD\uFFFD\uFFFD" },
    { "f4908080", "\uFFFD\uFFFD\uFFFD\uFFFD" },
    { "f0808080", "\uFFFD\uFFFD\uFFFD\uFFFD" },
    { "e4b8ade4b8", "中\uFFFD" },
    { "ff41", "\uFFFD"
              "A" },
    { "e4e4b8ad", "\uFFFD中" },
    { "f09f9880", "😀" },
};

START_TEST(ill_formed_bytes_become_one_sign_a_part)
{
    struct stream s;

    stream_init(&s, NULL, 0);
    push_hex(&s, repaired[_i].hex);
    stream_end(&s);
    expect_next(&s, true, repaired[_i].text);
    ck_assert(text_check(buf_view(&s.text), NULL));
    stream_free(&s);
}
END_TEST

/* Stop strings "\n\n", "答案" and "END", tokens in a row, what is handed out
 * after each. */
static const struct {
    const char *token[5], *out[5];
    bool stopped;
} stops[] = {
    { { "a", "\n", "\n", "b" }, { "a", "", "" }, true },
    { { "a\n", "b" }, { "a", "\nb" }, false },
    { { "x\n\ny" }, { "x" }, true },
    { { "E", "N", "x", "EN" }, { "", "", "ENx", "" }, false },
    { { "EE", "ND" }, { "E", "" }, true },
    { { "好\xe7\xad", "\x94", "\xe6\xa1\x88" }, { "好", "", "" }, true },
    { { "答", "应" }, { "", "答应" }, false },
    { { "q END \n\n" }, { "q " }, true },
    { { "END" }, { "" }, true },
};

START_TEST(stop_strings_over_the_borders_of_tokens)
{
    static const char *const list[] = { "\n\n", "", "答案", "END" };
    struct stream s;
    size_t i = 0;

    stream_init(&s, list, 4);
    for (; stops[_i].out[i]; i++) {
        ck_assert(!s.stopped);
        stream_push(&s, stops[_i].token[i], strlen(stops[_i].token[i]));
        expect_next(&s, false, stops[_i].out[i]);
    }
    ck_assert_int_eq(s.stopped, stops[_i].stopped);
    stream_free(&s);
}
END_TEST

START_TEST(what_was_held_back_comes_at_the_end)
{
    static const char *const list[] = { "END" };
    struct stream s;

    stream_init(&s, list, 1);
    stream_push(&s, "xEN\xe7", 4);
    expect_next(&s, false, "x");
    stream_end(&s);
    expect_next(&s, true, "EN\uFFFD");
    expect_next(&s, true, "");
    stream_free(&s);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))
static void setup(TCase *tc)
{
    tcase_add_test(tc, pieces_as_the_reference_emits_them);
    tcase_add_loop_test(tc, ill_formed_bytes_become_one_sign_a_part, 0,
                        N(repaired));
    tcase_add_loop_test(tc, stop_strings_over_the_borders_of_tokens, 0,
                        N(stops));
    tcase_add_test(tc, what_was_held_back_comes_at_the_end);
}

T_MAIN("stream", setup)
