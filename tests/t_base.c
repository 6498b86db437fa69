/* err, mem, buf, digest, log: the ground everything stands on. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/buf.h"
#include "harness/base/digest.h"
#include "harness/base/io.h"
#include "harness/base/log.h"
#include "harness/base/mem.h"
#include "tests/t.h"

START_TEST(err_codes_have_the_promised_exit_status)
{
    ck_assert_int_eq(err_status(ERR_OK), 0);
    ck_assert_int_eq(err_status(ERR_USAGE), 2);
    ck_assert_int_eq(err_status(ERR_FORMAT), 2);
    ck_assert_int_eq(err_status(ERR_PARTIAL), 3);
    ck_assert_int_eq(err_status(ERR_DISK), 4);
    ck_assert_int_eq(err_status(ERR_CANCELLED), 130);
}
END_TEST

START_TEST(err_names_read_back)
{
    for (enum err_code c = ERR_OK; c < ERR_N_CODES; c++) {
        ck_assert_int_eq(err_from_name(err_name(c)), c);
        ck_assert(strlen(err_text(c)) > 0);
    }
    ck_assert_int_eq(err_from_name("SURPRISE"), ERR_N_CODES);
}
END_TEST

START_TEST(err_wrap_puts_the_context_first)
{
    struct err e;

    ck_assert_int_eq(err_set(&e, ERR_NET, "port %d", 80), ERR_NET);
    ck_assert_int_eq(err_wrap(&e, "host %s", "x"), ERR_NET);
    ck_assert_str_eq(e.msg, "host x: port 80");
    err_set(&e, ERR_IO, "again: %s", e.msg);
    ck_assert_str_eq(e.msg, "again: host x: port 80");
}
END_TEST

START_TEST(err_message_is_cut_between_characters)
{
    struct err e;
    struct buf b;

    for (size_t pad = 0; pad < 4; pad++) {
        buf_init(&b, 4096);
        buf_fill(&b, 'x', pad);
        for (int i = 0; i < 300; i++)
            buf_str(&b, "答");
        err_set(&e, ERR_FORMAT, "%s", b.p);
        ck_assert(text_check(str_of(e.msg), NULL));
        ck_assert_uint_gt(strlen(e.msg), sizeof(e.msg) - 5);
        err_wrap(&e, "%s", b.p);
        ck_assert(text_check(str_of(e.msg), NULL));
        buf_free(&b);
    }
}
END_TEST

START_TEST(err_message_has_no_ill_formed_bytes)
{
    struct err e;

    err_set(&e, ERR_FORMAT, "got \"%s\"", "a\xff\xe7z");
    ck_assert_str_eq(e.msg, "got \"a?\?z\"");
}
END_TEST

START_TEST(err_errno_tells_disk_and_environment_apart)
{
    struct err e;

    ck_assert_int_eq(err_errno(&e, ENOSPC, "x.db"), ERR_DISK);
    ck_assert_int_eq(err_errno(&e, EROFS, "x.db"), ERR_DISK);
    ck_assert_int_eq(err_errno(&e, ENOMEM, "x"), ERR_NOMEM);
    ck_assert_int_eq(err_errno(&e, EIO, "x"), ERR_IO);
    ck_assert_int_eq(err_errno(&e, ENOENT, "x"), ERR_NOENV);
    ck_assert_str_eq(e.msg, "x: No such file or directory");
    ck_assert_int_eq(err_errno(NULL, EACCES, "x"), ERR_NOENV);
}
END_TEST

START_TEST(mem_fails_the_nth_request_once)
{
    void *p;

    mem_fail_at(2, false);
    p = mem_alloc(1);
    ck_assert_ptr_nonnull(p);
    mem_free(p);
    ck_assert_ptr_null(mem_zalloc(1));
    p = mem_alloc(0);
    ck_assert_ptr_nonnull(p);
    mem_free(p);
}
END_TEST

START_TEST(mem_fails_from_the_nth_on)
{
    mem_fail_at(1, true);
    ck_assert_ptr_null(mem_alloc(1));
    ck_assert_ptr_null(mem_strdup("x"));
    mem_fail_at(0, false);
}
END_TEST

START_TEST(mem_counts_requests)
{
    size_t before = mem_count();

    mem_free(mem_alloc(10));
    mem_free(mem_array(3, 3));
    ck_assert_uint_eq(mem_count(), before + 2);
}
END_TEST

START_TEST(mem_refuses_sizes_that_overflow)
{
    size_t cap = 0;
    int *p = NULL;

    ck_assert_ptr_null(mem_array(SIZE_MAX / 2, 3));
    ck_assert(!mem_grow(&p, &cap, SIZE_MAX / 2, sizeof(*p)));
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(mem_grow_keeps_what_is_there)
{
    size_t cap = 0;
    int *p = NULL;

    for (int i = 0; i < 1000; i++) {
        ck_assert(mem_grow(&p, &cap, (size_t)i + 1, sizeof(*p)));
        p[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(p[i], i);
    mem_fail_at(1, false);
    ck_assert(!mem_grow(&p, &cap, cap + 1, sizeof(*p)));
    ck_assert_int_eq(p[999], 999);
    mem_free(p);
}
END_TEST

START_TEST(arena_gives_aligned_zeroed_memory)
{
    struct arena a;

    arena_init(&a, 0);
    for (size_t n = 0; n < 3000; n += 7) {
        unsigned char *p = arena_alloc(&a, n);

        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(p[i], 0);
        if (n)
            memset(p, 0xAA, n);
    }
    arena_reset(&a);
    ck_assert_int_eq(*(char *)arena_alloc(&a, 1), 0);
    arena_free(&a);
    ck_assert_ptr_null(a.head);
}
END_TEST

START_TEST(arena_failure_is_sticky_until_reset)
{
    struct arena a;

    arena_init(&a, 0);
    mem_fail_at(1, false);
    ck_assert_ptr_null(arena_alloc(&a, 1));
    ck_assert(a.failed);
    ck_assert_ptr_null(arena_strdup(&a, "x"));
    arena_reset(&a);
    ck_assert_str_eq(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    ck_assert_ptr_null(arena_array(&a, SIZE_MAX / 2, 4));
    ck_assert(a.failed);
    arena_free(&a);
}
END_TEST

START_TEST(arena_keeps_to_its_limit)
{
    struct arena a;
    size_t got = 0;

    arena_init(&a, 5000);
    while (arena_alloc(&a, 100))
        got += 100;
    ck_assert_uint_le(got, 5000);
    ck_assert_uint_ge(got, 3500);
    ck_assert_uint_le(a.taken, 5000);
    arena_free(&a);
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(arena_dup(&a, "", SIZE_MAX));
    arena_free(&a);
}
END_TEST

START_TEST(buf_is_a_c_string_at_all_times)
{
    struct buf b;

    buf_init(&b, 100);
    ck_assert_str_eq(b.p, "");
    buf_str(&b, "a");
    buf_char(&b, 'b');
    buf_fill(&b, 'c', 3);
    buf_printf(&b, "%03d", 7);
    buf_rune(&b, 0x7B54);
    buf_text(&b, STR("!"));
    ck_assert_str_eq(b.p, "abccc007答!");
    ck_assert_uint_eq(b.n, strlen(b.p));
    buf_clear(&b);
    ck_assert_str_eq(b.p, "");
    buf_free(&b);
    ck_assert_str_eq(b.p, "");
}
END_TEST

START_TEST(buf_limit_is_sticky_and_named)
{
    struct buf b;
    struct err e;

    buf_init(&b, 4);
    buf_str(&b, "1234");
    ck_assert_int_eq(buf_check(&b, "prompt", &e), ERR_OK);
    buf_char(&b, '5');
    buf_clear(&b);
    buf_str(&b, "12345");
    buf_str(&b, "1");
    ck_assert_uint_eq(b.n, 0);
    ck_assert_int_eq(buf_check(&b, "prompt", &e), ERR_LIMIT);
    ck_assert_str_eq(e.msg, "prompt: more than 4 bytes");
    buf_free(&b);
}
END_TEST

START_TEST(buf_tells_no_memory_from_the_limit)
{
    struct buf b;
    struct err e;

    buf_init(&b, 1000);
    mem_fail_at(1, false);
    buf_printf(&b, "%s", "x");
    ck_assert_int_eq(buf_check(&b, "prompt", &e), ERR_NOMEM);
    buf_free(&b);
}
END_TEST

/* FIPS 180-4 and RFC 4231 examples. */
START_TEST(digest_matches_the_standards)
{
    char hex[DIGEST_HEX];
    unsigned char mac[DIGEST_BYTES];
    struct buf key;

    digest_hex(STR("abc"), hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a3"
                          "96177a9cb410ff61f20015ad");
    digest_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), mac);
    ck_assert_mem_eq(mac, "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e", 8);
    buf_init(&key, 200);
    buf_fill(&key, (char)0xaa, 131);
    digest_hmac_sha256(buf_view(&key),
                       STR("Test Using Larger Than Block-Size Key - Hash Key "
                           "First"),
                       mac);
    ck_assert_mem_eq(mac, "\x60\xe4\x31\x59\x1e\xe0\xb6\x7f", 8);
    buf_free(&key);
}
END_TEST

static void fields(const char *a, const char *b, char hex[DIGEST_HEX])
{
    struct digest *d;
    struct err e;

    t_ok(digest_open(&d, &e), &e);
    digest_field(d, str_of(a));
    digest_field(d, str_of(b));
    digest_close(d, hex);
}

START_TEST(digest_fields_do_not_run_together)
{
    char x[DIGEST_HEX], y[DIGEST_HEX];

    fields("ab", "c", x);
    fields("a", "bc", y);
    ck_assert_str_ne(x, y);
    fields("ab", "c", y);
    ck_assert_str_eq(x, y);
}
END_TEST

START_TEST(digest_of_a_file_is_that_of_its_bytes)
{
    char path[200], x[DIGEST_HEX], y[DIGEST_HEX];
    struct err e;

    snprintf(path, sizeof(path), "%s/f", t_tmp());
    t_ok(io_replace(path, STR("abc"), &e), &e);
    t_ok(digest_file(path, x, &e), &e);
    digest_hex(STR("abc"), y);
    ck_assert_str_eq(x, y);
    ck_assert_int_eq(digest_file("/no/such", x, &e), ERR_NOENV);
}
END_TEST

/* What log_event() writes to stderr, taken through a file. */
static void logged(enum log_level shown, const char *value, struct buf *out)
{
    char path[200];
    struct err e;

    snprintf(path, sizeof(path), "%s/log", t_tmp());
    fflush(stderr);
    ck_assert_ptr_nonnull(freopen(path, "w", stderr));
    log_set_level(shown);
    log_event(LOG_WARN, "sample", "value=%s", value);
    fflush(stderr);
    t_ok(io_read(path, out, &e), &e);
}

START_TEST(log_is_one_line_an_event)
{
    struct buf out;

    buf_init(&out, 100000);
    logged(LOG_INFO, "a\nb", &out);
    ck_assert_str_eq(out.p, "warn sample value=a b\n");
    buf_clear(&out);
    logged(LOG_ERROR, "x", &out);
    ck_assert_str_eq(out.p, "");
    buf_free(&out);
}
END_TEST

START_TEST(log_cuts_a_long_event_between_characters)
{
    struct buf out, value;

    buf_init(&out, 100000);
    buf_init(&value, 100000);
    for (int i = 0; i < 9000; i++)
        buf_str(&value, "题");
    logged(LOG_INFO, value.p, &out);
    ck_assert(text_check(buf_view(&out), NULL));
    ck_assert_uint_gt(out.n, 8000);
    ck_assert_uint_lt(out.n, 8300);
    buf_free(&out);
    buf_free(&value);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, err_codes_have_the_promised_exit_status);
    tcase_add_test(tc, err_names_read_back);
    tcase_add_test(tc, err_wrap_puts_the_context_first);
    tcase_add_test(tc, err_message_is_cut_between_characters);
    tcase_add_test(tc, err_message_has_no_ill_formed_bytes);
    tcase_add_test(tc, err_errno_tells_disk_and_environment_apart);
    tcase_add_test(tc, mem_fails_the_nth_request_once);
    tcase_add_test(tc, mem_fails_from_the_nth_on);
    tcase_add_test(tc, mem_counts_requests);
    tcase_add_test(tc, mem_refuses_sizes_that_overflow);
    tcase_add_test(tc, mem_grow_keeps_what_is_there);
    tcase_add_test(tc, arena_gives_aligned_zeroed_memory);
    tcase_add_test(tc, arena_failure_is_sticky_until_reset);
    tcase_add_test(tc, arena_keeps_to_its_limit);
    tcase_add_test(tc, buf_is_a_c_string_at_all_times);
    tcase_add_test(tc, buf_limit_is_sticky_and_named);
    tcase_add_test(tc, buf_tells_no_memory_from_the_limit);
    tcase_add_test(tc, digest_matches_the_standards);
    tcase_add_test(tc, digest_fields_do_not_run_together);
    tcase_add_test(tc, digest_of_a_file_is_that_of_its_bytes);
    tcase_add_test(tc, log_is_one_line_an_event);
    tcase_add_test(tc, log_cuts_a_long_event_between_characters);
}

T_MAIN("base", setup)
