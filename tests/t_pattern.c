/* Patterns: groups, Unicode, limits, faults. */
#include <string.h>

#include "harness/base/mem.h"
#include "harness/base/pattern.h"
#include "tests/t.h"

static bool find(const char *source, unsigned flags, struct str s, size_t from,
                 struct pattern_hit *hit)
{
    struct pattern *p;
    struct err e;
    bool found;

    t_ok(pattern_open(&p, str_of(source), flags, &e), &e);
    t_ok(pattern_find(p, s, from, hit, &found, &e), &e);
    pattern_close(p);
    return found;
}

START_TEST(groups_are_byte_offsets)
{
    struct pattern_hit h;

    ck_assert(
        find("答案是\\s*(?:([A-D])|(无))", 0, STR("我说答案是 B"), 0, &h));
    ck_assert_uint_eq(h.g[0].at, 6);
    ck_assert_uint_eq(h.g[1].at, 16);
    ck_assert_uint_eq(h.g[1].end, 17);
    ck_assert(h.g[2].at == (size_t)-1);
    ck_assert(!find("x", 0, STR("abc"), 0, &h));
    ck_assert(!find("a", 0, STR("abc"), 1, &h));
    ck_assert(!find("a", 0, STR("abc"), 9, &h));
    ck_assert(find("^$", 0, (struct str){ NULL, 0 }, 0, &h));
}
END_TEST

START_TEST(flags_and_unicode_work)
{
    struct pattern_hit h;

    ck_assert(find("é", PATTERN_CASELESS, STR("É"), 0, &h));
    ck_assert(find("^b$", PATTERN_MULTILINE, STR("a\nb\nc"), 0, &h));
    ck_assert(find("a.b", PATTERN_DOTALL, STR("a\nb"), 0, &h));
    ck_assert(find("a b # x", PATTERN_EXTENDED, STR("ab"), 0, &h));
    ck_assert(find("^.$", 0, STR("答"), 0, &h));
    ck_assert(find("\\p{Han}\\b", 0, STR("题 x"), 0, &h));
}
END_TEST

START_TEST(ill_formed_bytes_match_nothing)
{
    struct pattern_hit h;

    ck_assert(find("b", 0,
                   STR("a\xff\xe7"
                       "b"),
                   0, &h));
    ck_assert_uint_eq(h.g[0].at, 3);
    ck_assert(!find("a.b", 0,
                    STR("a\xff"
                        "b"),
                    0, &h));
}
END_TEST

START_TEST(errors_name_the_place)
{
    struct pattern *p;
    struct err e;

    ck_assert_int_eq(pattern_open(&p, STR("a(b"), 0, &e), ERR_FORMAT);
    ck_assert_ptr_null(p);
    ck_assert_str_eq(e.msg, "pattern: at byte 3: missing closing parenthesis");
}
END_TEST

START_TEST(giving_up_is_an_error_not_a_miss)
{
    struct pattern *p;
    struct pattern_hit h;
    struct err e;
    bool found;

    t_ok(pattern_open(&p, STR("(a+)+$"), 0, &e), &e);
    ck_assert_int_eq(
        pattern_find(p, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), 0,
                     &h, &found, &e),
        ERR_LIMIT);
    ck_assert(!found);
    pattern_close(p);
}
END_TEST

START_TEST(every_failed_allocation_is_reported)
{
    enum err_code rc = ERR_NOMEM;

    for (size_t nth = 1; rc; nth++) {
        struct pattern *p;
        struct pattern_hit h;
        struct err e;
        bool found;

        mem_fail_at(nth, true);
        rc = pattern_open(&p, STR("(a|b)+c"), 0, &e);
        if (!rc)
            rc = pattern_find(p, STR("ababc"), 0, &h, &found, &e);
        mem_fail_at(0, false);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        pattern_close(p);
        ck_assert_uint_lt(nth, 50);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, groups_are_byte_offsets);
    tcase_add_test(tc, flags_and_unicode_work);
    tcase_add_test(tc, ill_formed_bytes_match_nothing);
    tcase_add_test(tc, errors_name_the_place);
    tcase_add_test(tc, giving_up_is_an_error_not_a_miss);
    tcase_add_test(tc, every_failed_allocation_is_reported);
}

T_MAIN("pattern", setup)
