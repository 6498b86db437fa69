/* The GGUF reader: verdicts on odd and broken files, lookups, getters. */
#include "engine/gguf.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "tests/t.h"

#define BAD "tests/golden/badgguf/"

static void check_verdict(const char *file, bool loads)
{
    char path[256];
    struct gguf *g;
    struct err e;
    enum err_code rc;

    snprintf(path, sizeof path, BAD "%s", file);
    rc = gguf_open(&g, path, &e);
    if (loads) {
        ck_assert_msg(rc == ERR_OK, "%s: %s", file, e.msg);
        gguf_close(g);
        return;
    }
    ck_assert_msg(rc == ERR_FORMAT, "%s was not refused as broken", file);
    ck_assert_ptr_null(g);
    ck_assert_msg(strstr(e.msg, file) && strstr(e.msg, "offset "),
                  "no file or offset in: %s", e.msg);
}

START_TEST(verdicts_are_those_of_the_index)
{
    struct buf text;
    struct json *index;
    struct err e;
    int n = 0;

    t_read(BAD "index.json", &text);
    t_ok(json_parse(&index, buf_view(&text), &e), &e);
    for (const struct json *j = json_child(index); j; j = json_next(j), n++) {
        const char *expect = json_string(json_get(j, "expect"));
        check_verdict(json_string(json_get(j, "file")),
                      strcmp(expect, "load") == 0);
    }
    ck_assert_int_eq(n, 53);
    json_free(index);
    buf_free(&text);
}
END_TEST

START_TEST(messages_name_what_is_wrong)
{
    static const struct {
        const char *file, *words;
    } cases[] = {
        { "bad-magic.gguf", "does not start with \"GGUF\"" },
        { "big-endian.gguf", "big-endian" },
        { "v1.gguf", "version 1" },
        { "nk-huge.gguf", "keys do not fit" },
        { "str-huge.gguf", "key of 18446744073709551615 bytes" },
        { "arr-nested.gguf", "an array of arrays" },
        { "bad-bool.gguf", "expected 0 or 1" },
        { "dup-key.gguf", "occurs twice" },
        { "align-3.gguf", "power of two" },
        { "type-bad.gguf", "not supported" },
        { "type-removed.gguf", "(removed)" },
        { "overlap.gguf", "overlap" },
        { "cut-data.gguf", "cut short" },
        { "no-arch.gguf", "general.architecture is missing" },
    };
    char path[256];
    struct gguf *g;
    struct err e;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(path, sizeof path, BAD "%s", cases[i].file);
        ck_assert_int_eq(gguf_open(&g, path, &e), ERR_FORMAT);
        ck_assert_msg(strstr(e.msg, cases[i].words) != NULL,
                      "%s: \"%s\" has no \"%s\"", cases[i].file, e.msg,
                      cases[i].words);
    }
}
END_TEST

START_TEST(missing_file_is_no_broken_file)
{
    struct gguf *g;
    struct err e;

    ck_assert_int_eq(gguf_open(&g, "tests/golden/none.gguf", &e), ERR_NOENV);
    ck_assert_ptr_null(g);
}
END_TEST

/* Every prefix of a whole model file is refused or loads; none crashes. */
START_TEST(every_prefix_is_refused)
{
    struct buf whole;
    char path[256];
    struct gguf *g;
    struct err e;

    t_read(BAD "ok-dims4.gguf", &whole);
    snprintf(path, sizeof path, "%s/cut.gguf", t_tmp());
    for (size_t n = 0; n < whole.n; n++) {
        t_ok(io_replace(path, (struct str){ whole.p, n }, &e), &e);
        ck_assert_msg(gguf_open(&g, path, &e) == ERR_FORMAT,
                      "%zu of %zu bytes were accepted", n, whole.n);
    }
    buf_free(&whole);
}
END_TEST

static struct gguf *open_tiny(const char *name)
{
    char path[256];
    struct gguf *g;
    struct err e;

    snprintf(path, sizeof path, "tests/golden/tiny/%s.gguf", name);
    t_ok(gguf_open(&g, path, &e), &e);
    return g;
}

START_TEST(keys_and_tensors_are_found_by_name)
{
    struct gguf *g = open_tiny("smollm2");
    const struct gguf_tensor *t;

    for (size_t i = 0; i < gguf_n_meta(g); i++) {
        char key[128];
        struct str s = gguf_meta_at(g, i)->key;
        snprintf(key, sizeof key, "%.*s", STR_FMT(s));
        ck_assert_ptr_eq(gguf_meta(g, key), gguf_meta_at(g, i));
    }
    for (size_t i = 0; i < gguf_n_tensors(g); i++) {
        char name[128];
        struct str s = gguf_tensor_at(g, i)->name;
        snprintf(name, sizeof name, "%.*s", STR_FMT(s));
        ck_assert_ptr_eq(gguf_tensor(g, name), gguf_tensor_at(g, i));
    }
    t = gguf_tensor(g, "token_embd.weight");
    ck_assert_int_eq(t->n_dims, 2);
    ck_assert_uint_eq(t->bytes, (uint64_t)(t->dims[0] * t->dims[1]) * 4);
    ck_assert_ptr_null(gguf_tensor(g, "token_embd"));
    ck_assert_ptr_null(gguf_meta(g, ""));
    gguf_close(g);
}
END_TEST

START_TEST(getters_refuse_other_types)
{
    struct gguf *g = open_tiny("smollm2");
    const struct gguf_meta *m;
    int64_t i = 7;
    float f = 7;
    bool b = true;
    struct str s = STR("kept");
    struct err e;

    t_ok(gguf_int(g, "llama.block_count", 1, 100, &i, &e), &e);
    ck_assert_int_gt(i, 0);
    ck_assert_int_eq(gguf_int(g, "llama.block_count", 50, 100, &i, &e),
                     ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(e.msg, "expected 50 to 100"));
    ck_assert_int_eq(gguf_int(g, "general.architecture", 0, 9, &i, &e),
                     ERR_FORMAT);
    ck_assert_int_eq(gguf_float(g, "llama.block_count", &f, &e), ERR_FORMAT);
    ck_assert_int_eq(gguf_bool(g, "llama.block_count", &b, &e), ERR_FORMAT);
    ck_assert_int_eq(gguf_str(g, "llama.block_count", &s, &e), ERR_FORMAT);
    ck_assert_int_eq(gguf_array(g, "tokenizer.ggml.tokens", GGUF_F32, &m, &e),
                     ERR_FORMAT);
    ck_assert_int_eq(gguf_int_must(g, "no.such.key", 0, 9, &i, &e), ERR_FORMAT);
    /* a missing key keeps the value */
    t_ok(gguf_float(g, "no.such.key", &f, &e), &e);
    t_ok(gguf_str(g, "no.such.key", &s, &e), &e);
    ck_assert(f == 7 && str_is(s, "kept"));
    gguf_close(g);
}
END_TEST

START_TEST(arrays_of_strings_are_walked)
{
    struct gguf *g = open_tiny("smollm2");
    const struct gguf_meta *m, *types;
    size_t at = 0, bytes = 0;
    struct err e;

    t_ok(gguf_array(g, "tokenizer.ggml.tokens", GGUF_STR, &m, &e), &e);
    t_ok(gguf_array(g, "tokenizer.ggml.token_type", GGUF_I32, &types, &e), &e);
    ck_assert_uint_eq(m->count, types->count);
    for (uint64_t i = 0; i < m->count; i++) {
        bytes += gguf_next_str(m, &at).n;
        ck_assert_int_ge(gguf_i32_at(types, i), 1);
    }
    ck_assert_uint_eq(at, bytes + 8 * m->count);
    gguf_close(g);
}
END_TEST

START_TEST(no_memory_is_reported_and_nothing_leaks)
{
    struct gguf *g;
    struct err e;
    size_t n = 0;
    enum err_code rc;

    do {
        mem_fail_at(++n, false);
        rc = gguf_open(&g, BAD "ok-dims4.gguf", &e);
        mem_fail_at(0, false);
        ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "%s", e.msg);
    } while (rc);
    gguf_close(g);
    ck_assert_uint_gt(n, 4);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, verdicts_are_those_of_the_index);
    tcase_add_test(tc, messages_name_what_is_wrong);
    tcase_add_test(tc, missing_file_is_no_broken_file);
    tcase_add_test(tc, every_prefix_is_refused);
    tcase_add_test(tc, keys_and_tensors_are_found_by_name);
    tcase_add_test(tc, getters_refuse_other_types);
    tcase_add_test(tc, arrays_of_strings_are_walked);
    tcase_add_test(tc, no_memory_is_reported_and_nothing_leaks);
}
T_MAIN("gguf", setup)
