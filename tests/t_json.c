/* What json_parse() takes, refuses and says; getters; the writer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "tests/t.h"

START_TEST(refuses_what_is_not_json)
{
    static const struct {
        const char *text, *msg;
    } cases[] = {
        { "", "line 1 column 1: the text ends where a value is expected" },
        { "[01]", "line 1 column 3: a number must not start with 0" },
        { "[1,]", "line 1 column 4: expected a value" },
        { "[1 2]", "line 1 column 4: expected \",\" or \"]\"" },
        { "{\"a\" 1}",
          "line 1 column 6: expected \":\" after a member's name" },
        { "{a:1}", "line 1 column 2: expected a member's name in double "
                   "quotes" },
        { "{\"a\":1,}", "line 1 column 8: expected a member's name in double "
                        "quotes" },
        { "[1] x", "line 1 column 5: something follows the end of the value" },
        { "\"\xff\"", "line 1 column 2: not UTF-8" },
        { "\"\\u0000\"",
          "line 1 column 8: \\u0000 is not allowed in a string" },
        { "\"\\ud800\"", "line 1 column 8: half of a surrogate pair" },
        { "\"\\udc00\"", "line 1 column 8: half of a surrogate pair" },
        { "\"\\u12g4\"", "line 1 column 6: expected four hexadecimal digits "
                         "after \\u" },
        { "\"\\x\"", "line 1 column 3: unknown escape, expected one of \\\" "
                     "\\\\ \\/ \\b \\f \\n \\r \\t \\u" },
        { "\"a\nb\"", "line 1 column 3: a control character in a string must "
                      "be escaped" },
        { "\"a", "line 1 column 3: the string is not closed" },
        { "{\n \"题\": tru}", "line 2 column 7: expected a value" },
        { "1e400", "line 1 column 1: number out of range" },
        { "-", "line 1 column 2: expected a digit" },
        { "1.", "line 1 column 3: expected a digit after the point" },
        { "1e+", "line 1 column 4: expected a digit in the exponent" },
        { "NaN", "line 1 column 1: expected a value" },
        { "'a'", "line 1 column 1: expected a value" },
        { "[1}", "line 1 column 3: expected \",\" or \"]\"" },
        { "{\"a\":{\"x\":1,\"\\u0078\":2}}",
          "member \"x\" occurs twice in one object" },
        { "{\"id\": 9007199254740993}",
          "line 1 column 8: an integer beyond 2^53 cannot be kept as a "
          "number: write it as a string, as all ids" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct json *j;
        struct err e;

        ck_assert_int_eq(json_parse(&j, str_of(cases[i].text), &e), ERR_FORMAT);
        ck_assert_ptr_null(j);
        ck_assert_str_eq(e.msg, cases[i].msg);
    }
}
END_TEST

static struct json *parse(const char *text)
{
    struct json *j;
    struct err e;

    t_ok(json_parse(&j, str_of(text), &e), &e);
    return j;
}

START_TEST(writes_back_what_it_read)
{
    static const struct {
        const char *text, *plain, *canonical;
    } cases[] = {
        { " [ ] ", "[]", "[]" },
        { "{}", "{}", "{}" },
        { "[[],{},[[1]]]", "[[],{},[[1]]]", "[[],{},[[1]]]" },
        { "{\"b\":1,\"a\":{\"d\":[true,false,null],\"c\":\"x\"}}",
          "{\"b\":1,\"a\":{\"d\":[true,false,null],\"c\":\"x\"}}",
          "{\"a\":{\"c\":\"x\",\"d\":[true,false,null]},\"b\":1}" },
        { "\"\\u4e2d\\ud83d\\ude00\\n\\u0001\\\"\\/\"",
          "\"中😀\\n\\u0001\\\"/\"", "\"中😀\\n\\u0001\\\"/\"" },
        { "[0.1,1e300,-0.5,9007199254740991,1E2]",
          "[0.1,1e+300,-0.5,9007199254740991,100]",
          "[0.1,1e+300,-0.5,9007199254740991,100]" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct json *j = parse(cases[i].text);
        struct buf a, b;
        struct err e;

        buf_init(&a, 1000);
        buf_init(&b, 1000);
        t_ok(json_write(j, &a, &e), &e);
        t_ok(json_write_canonical(j, &b, &e), &e);
        ck_assert_str_eq(a.p, cases[i].plain);
        ck_assert_str_eq(b.p, cases[i].canonical);
        buf_free(&a);
        buf_free(&b);
        json_free(j);
    }
}
END_TEST

static void nested(struct buf *b, size_t levels)
{
    buf_init(b, 1000);
    buf_fill(b, '[', levels);
    buf_fill(b, ']', levels);
}

START_TEST(depth_is_limited)
{
    struct buf text, out;
    struct json *j;
    struct err e;

    nested(&text, 64);
    j = parse(text.p);
    buf_init(&out, 1000);
    t_ok(json_write(j, &out, &e), &e);
    ck_assert_str_eq(out.p, text.p);
    json_free(j);
    buf_free(&text);
    buf_free(&out);
    nested(&text, 65);
    ck_assert_int_eq(json_parse(&j, buf_view(&text), &e), ERR_FORMAT);
    ck_assert_str_eq(e.msg, "line 1 column 65: nested more than 64 levels "
                            "deep");
    buf_free(&text);
}
END_TEST

START_TEST(getters_are_typed_and_name_the_key)
{
    struct json *j = parse("{\"s\":\"x\",\"n\":3,\"f\":1.5,\"b\":true}");
    const char *s;
    int64_t n;
    double f;
    bool b;
    struct err e;

    t_ok(json_get_str(j, "s", &s, &e), &e);
    ck_assert_str_eq(s, "x");
    t_ok(json_get_int_or(j, "n", 7, 0, 9, &n, &e), &e);
    ck_assert_int_eq(n, 3);
    t_ok(json_get_num_or(j, "f", 0, &f, &e), &e);
    ck_assert_double_eq(f, 1.5);
    t_ok(json_get_bool_or(j, "b", false, &b, &e), &e);
    ck_assert(b);
    t_ok(json_get_int_or(j, "none", 7, 0, 9, &n, &e), &e);
    ck_assert_int_eq(n, 7);
    t_ok(json_get_str_or(NULL, "s", "dflt", &s, &e), &e);
    ck_assert_str_eq(s, "dflt");

    ck_assert_int_eq(json_get_str(j, "S", &s, &e), ERR_FORMAT);
    ck_assert_str_eq(e.msg, "S: missing, expected a string");
    ck_assert_int_eq(json_get_str(j, "n", &s, &e), ERR_FORMAT);
    ck_assert_str_eq(e.msg, "n: expected a string, got a number");
    ck_assert_int_eq(json_get_int_or(j, "f", 0, 0, 9, &n, &e), ERR_FORMAT);
    ck_assert_str_eq(e.msg, "f: expected an integer, got 1.5");
    ck_assert_int_eq(json_get_int_or(j, "n", 0, 4, 9, &n, &e), ERR_FORMAT);
    ck_assert_str_eq(e.msg, "n: expected 4 to 9, got 3");
    json_free(j);
}
END_TEST

START_TEST(only_names_the_nearest_member)
{
    static const char *const known[] = { "question", "answer", NULL };
    struct json *j = parse("{\"answer\":1,\"qeustion\":2}");
    struct err e;

    ck_assert_int_eq(json_only(j, known, &e), ERR_FORMAT);
    ck_assert_str_eq(e.msg, "unknown member \"qeustion\"; the nearest known "
                            "one is \"question\"");
    json_free(j);
}
END_TEST

START_TEST(walks_arrays_and_objects)
{
    struct json *j = parse("{\"a\":[10,20],\"b\":null}");
    const struct json *a = json_get(j, "a");

    ck_assert_uint_eq(json_len(j), 2);
    ck_assert_str_eq(json_key(json_child(j)), "a");
    ck_assert_double_eq(json_number(json_at(a, 1)), 20);
    ck_assert_ptr_null(json_at(a, 2));
    ck_assert_int_eq(json_type(json_get(j, "b")), JSON_NULL);
    ck_assert(isnan(json_number(j)));
    ck_assert_ptr_null(json_string(a));
    ck_assert_ptr_null(json_get(a, "x"));
    json_free(j);
}
END_TEST

START_TEST(writer_puts_commas_and_escapes)
{
    struct buf b;
    struct jw w;

    buf_init(&b, 1000);
    jw_init(&w, &b, false);
    jw_object(&w, NULL);
    jw_str(&w, "s", "a\"\\\n\x01 中");
    jw_text(&w, "bad", STR("a\xff"));
    jw_str(&w, "null", NULL);
    jw_num(&w, "x", 0.1);
    jw_num(&w, "nan", NAN);
    jw_array(&w, "a");
    jw_int(&w, NULL, -3);
    jw_bool(&w, NULL, true);
    jw_raw(&w, NULL, STR("{}"));
    jw_end(&w);
    jw_end(&w);
    ck_assert_str_eq(b.p, "{\"s\":\"a\\\"\\\\\\n\\u0001 中\",\"bad\":\"a\uFFFD"
                          "\",\"null\":null,\"x\":0.1,\"nan\":null,"
                          "\"a\":[-3,true,{}]}");
    json_free(parse(b.p));
    buf_free(&b);
}
END_TEST

START_TEST(writer_is_pretty)
{
    struct buf b;
    struct jw w;

    buf_init(&b, 1000);
    jw_init(&w, &b, true);
    jw_object(&w, NULL);
    jw_array(&w, "a");
    jw_int(&w, NULL, 1);
    jw_int(&w, NULL, 2);
    jw_end(&w);
    jw_object(&w, "o");
    jw_end(&w);
    jw_end(&w);
    ck_assert_str_eq(b.p, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"o\": {}\n}");
    buf_free(&b);
}
END_TEST

START_TEST(writer_too_deep_fails_the_buffer)
{
    struct buf b;
    struct jw w;
    struct err e;

    buf_init(&b, 1000);
    jw_init(&w, &b, false);
    for (int i = 0; i < 70; i++)
        jw_array(&w, NULL);
    for (int i = 0; i < 70; i++)
        jw_end(&w);
    ck_assert_int_eq(buf_check(&b, "x", &e), ERR_LIMIT);
    buf_free(&b);
}
END_TEST

START_TEST(numbers_read_back_the_same)
{
    static const double values[] = {
        0.1,  1.0 / 3, 1e-308, 123456789.123,    2.5e20, -0.0,
        1e22, 5e-324,  1e16,   9007199254740991, 0x1p53, 10000000211155826,
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        struct buf b;
        struct jw w;
        struct json *j;

        buf_init(&b, 100);
        jw_init(&w, &b, false);
        jw_num(&w, NULL, values[i]);
        j = parse(b.p);
        ck_assert_double_eq(json_number(j), values[i]);
        json_free(j);
        buf_free(&b);
    }
}
END_TEST

START_TEST(every_failed_allocation_is_reported)
{
    const struct str text = STR("{\"b\":[1,{\"x\":\"y\"}],\"a\":\"中\"}");
    enum err_code rc = ERR_NOMEM;

    for (size_t nth = 1; rc; nth++) {
        struct json *j;
        struct buf out;
        struct err e;

        buf_init(&out, 1000);
        mem_fail_at(nth, false);
        rc = json_parse(&j, text, &e);
        if (!rc)
            rc = json_write_canonical(j, &out, &e);
        mem_fail_at(0, false);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        json_free(j);
        buf_free(&out);
        ck_assert_uint_lt(nth, 100);
    }
}
END_TEST

/* strchr() finds the NUL at the end of its list too. */
START_TEST(an_escaped_nul_is_no_want_of_memory)
{
    struct json *j = NULL;
    struct err e;

    ck_assert_int_eq(json_parse(&j, STR("\"\\\0\""), &e), ERR_FORMAT);
    ck_assert_ptr_null(j);
}
END_TEST

/* A file with a byte order mark, of a byte too many, none. */
START_TEST(reads_files)
{
    char path[256];
    struct json *j;
    struct err e;

    snprintf(path, sizeof path, "%s/a.json", t_tmp());
    t_ok(io_replace(path, STR("\xEF\xBB\xBF{\"n\":7}"), &e), &e);
    t_ok(json_read(&j, path, 10, &e), &e);
    ck_assert(json_number(json_get(j, "n")) == 7);
    json_free(j);
    ck_assert_int_eq(json_read(&j, path, 9, &e), ERR_LIMIT);
    ck_assert_ptr_null(j);
    ck_assert_int_eq(json_read(&j, "/no/such.json", 10, &e), ERR_NOENV);
    ck_assert_ptr_null(j);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, reads_files);
    tcase_add_test(tc, an_escaped_nul_is_no_want_of_memory);
    tcase_add_test(tc, refuses_what_is_not_json);
    tcase_add_test(tc, writes_back_what_it_read);
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, getters_are_typed_and_name_the_key);
    tcase_add_test(tc, only_names_the_nearest_member);
    tcase_add_test(tc, walks_arrays_and_objects);
    tcase_add_test(tc, writer_puts_commas_and_escapes);
    tcase_add_test(tc, writer_is_pretty);
    tcase_add_test(tc, writer_too_deep_fails_the_buffer);
    tcase_add_test(tc, numbers_read_back_the_same);
    tcase_add_test(tc, every_failed_allocation_is_reported);
}

T_MAIN("json", setup)
