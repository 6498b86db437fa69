/* Files under faults, lines, folders, the clock. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "tests/t.h"

static const char *path_of(const char *name)
{
    static char path[300];

    snprintf(path, sizeof(path), "%s/%s", t_tmp(), name);
    return path;
}

static void expect(const char *path, const char *content)
{
    struct buf b;
    struct err e;

    buf_init(&b, 1 << 20);
    t_ok(io_read(path, &b, &e), &e);
    ck_assert_str_eq(b.p, content);
    buf_free(&b);
}

START_TEST(replace_leaves_the_old_or_the_new)
{
    const char *path = path_of("doc");
    struct err e;
    enum err_code rc = ERR_IO;

    t_ok(io_replace(path, STR("old"), &e), &e);
    for (size_t nth = 1; rc; nth++) {
        struct arena a;
        char **names;
        size_t n;

        io_fail_at(nth, ENOSPC);
        rc = io_replace(path, STR("new content"), &e);
        io_fail_at(0, 0);
        ck_assert(rc == ERR_OK || rc == ERR_DISK);
        /* The last step is the folder's sync: the file is new by then. */
        if (rc && nth < 4)
            expect(path, "old");
        arena_init(&a, 0);
        t_ok(io_list(t_tmp(), &a, &names, &n, &e), &e);
        ck_assert_uint_eq(n, 1);
        arena_free(&a);
        ck_assert_uint_lt(nth, 10);
    }
    expect(path, "new content");
}
END_TEST

START_TEST(pieces_are_a_file_at_the_commit)
{
    const char *path = path_of("pieces");
    struct io_out f;
    struct err e;

    t_ok(io_create(&f, path, &e), &e);
    t_ok(io_write(&f, "one ", 4, &e), &e);
    t_ok(io_write(&f, "two", 3, &e), &e);
    ck_assert(!io_exists(path));
    t_ok(io_commit(&f, &e), &e);
    io_discard(&f);
    expect(path, "one two");
    t_ok(io_create(&f, path, &e), &e);
    t_ok(io_write(&f, "half", 4, &e), &e);
    io_fail_at(1, ENOSPC);
    ck_assert_int_eq(io_write(&f, "more", 4, &e), ERR_DISK);
    ck_assert(strstr(e.msg, "pieces: No space left"));
    io_discard(&f);
    io_discard(&f);
    expect(path, "one two");
    ck_assert_int_eq(io_create(&f, "/no/such/file", &e), ERR_NOENV);
}
END_TEST

START_TEST(one_file_by_two_names_is_the_same)
{
    struct err e;
    char other[300];

    t_ok(io_replace(path_of("a"), STR("x"), &e), &e);
    t_ok(io_replace(path_of("b"), STR("x"), &e), &e);
    snprintf(other, sizeof other, "%s/../%s/a", t_tmp(),
             strrchr(t_tmp(), '/') + 1);
    ck_assert(io_same_file(path_of("a"), other));
    snprintf(other, sizeof other, "%s/b", t_tmp());
    ck_assert(!io_same_file(path_of("a"), other));
    ck_assert(!io_same_file(path_of("none"), path_of("none")));
}
END_TEST

START_TEST(read_reports_what_failed)
{
    struct buf b;
    struct err e;

    buf_init(&b, 4);
    ck_assert_int_eq(io_read("/no/such/file", &b, &e), ERR_NOENV);
    ck_assert_str_eq(e.msg, "/no/such/file: No such file or directory");
    ck_assert_int_eq(io_read("/", &b, &e), ERR_IO);
    t_ok(io_replace(path_of("big"), STR("12345"), &e), &e);
    ck_assert_int_eq(io_read(path_of("big"), &b, &e), ERR_LIMIT);
    buf_free(&b);
    io_fail_at(1, EIO);
    buf_init(&b, 100);
    ck_assert_int_eq(io_read(path_of("big"), &b, &e), ERR_IO);
    io_fail_at(1, EINTR);
    t_ok(io_read(path_of("big"), &b, &e), &e);
    ck_assert_str_eq(b.p, "12345");
    buf_free(&b);
}
END_TEST

START_TEST(map_shows_the_bytes)
{
    struct io_map m;
    struct err e;

    t_ok(io_replace(path_of("m"), STR("abc"), &e), &e);
    t_ok(io_map(&m, path_of("m"), &e), &e);
    ck_assert_uint_eq(m.n, 3);
    ck_assert_mem_eq(m.p, "abc", 3);
    io_unmap(&m);
    io_unmap(&m);
    t_ok(io_replace(path_of("m"), STR(""), &e), &e);
    t_ok(io_map(&m, path_of("m"), &e), &e);
    ck_assert_ptr_null(m.p);
    io_unmap(&m);
    ck_assert_int_eq(io_map(&m, t_tmp(), &e), ERR_FORMAT);
    ck_assert_int_eq(io_map(&m, "/no/such", &e), ERR_NOENV);
}
END_TEST

START_TEST(lines_end_in_lf_or_crlf)
{
    static const char *const want[] = { "a", "", "b\rc", "last" };
    struct io_lines l = { .rest = STR("a\r\n\nb\rc\nlast") };
    size_t n = 0;

    while (io_next_line(&l)) {
        ck_assert(n < 4 && str_is(l.line, want[n]));
        ck_assert_uint_eq(l.number, ++n);
    }
    ck_assert_uint_eq(n, 4);
    l = (struct io_lines){ .rest = STR("x\n") };
    ck_assert(io_next_line(&l) && !io_next_line(&l));
}
END_TEST

START_TEST(bom_is_skipped_once)
{
    ck_assert(str_is(io_skip_bom(STR("\xEF\xBB\xBF{}")), "{}"));
    ck_assert(str_is(io_skip_bom(STR("{}")), "{}"));
    ck_assert(str_is(io_skip_bom(STR("\xEF\xBB")), "\xEF\xBB"));
}
END_TEST

START_TEST(folders_are_made_and_listed_in_order)
{
    struct arena a;
    char **names;
    size_t n;
    struct err e;

    t_ok(io_mkdirs(path_of("d/x/y/"), &e), &e);
    t_ok(io_mkdirs(path_of("d/x/y"), &e), &e);
    ck_assert(io_is_dir(path_of("d/x/y")) && io_exists(path_of("d")));
    t_ok(io_replace(path_of("d/b"), STR(""), &e), &e);
    t_ok(io_replace(path_of("d/B"), STR(""), &e), &e);
    ck_assert(!io_is_dir(path_of("d/b")) && !io_exists(path_of("d/c")));
    ck_assert_int_eq(io_mkdirs(path_of("d/b/z"), &e), ERR_IO);
    arena_init(&a, 0);
    t_ok(io_list(path_of("d"), &a, &names, &n, &e), &e);
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(names[0], "B");
    ck_assert_str_eq(names[1], "b");
    ck_assert_str_eq(names[2], "x");
    ck_assert_int_eq(io_list("/no/such", &a, &names, &n, &e), ERR_NOENV);
    ck_assert_str_eq(io_join(&a, "d", "x"), "d/x");
    ck_assert_str_eq(io_join(&a, "d/", "x"), "d/x");
    arena_free(&a);
}
END_TEST

START_TEST(clock_can_be_set)
{
    char text[32];
    int64_t t = io_now_ns();

    ck_assert_int_ge(io_now_ns(), t);
    ck_assert_int_gt(io_wall_ms(), 1700000000000);
    io_set_clock(1795401000000);
    ck_assert_int_eq(io_wall_ms(), 1795401000000);
    ck_assert_int_eq(io_now_ns(), 1795401000000 * 1000000);
    io_format_time(io_wall_ms(), text, sizeof(text));
    ck_assert_str_eq(text, "2026-11-23T02:30:00Z");
    io_set_clock(-1);
    ck_assert_int_ne(io_wall_ms(), 1795401000000);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, replace_leaves_the_old_or_the_new);
    tcase_add_test(tc, pieces_are_a_file_at_the_commit);
    tcase_add_test(tc, one_file_by_two_names_is_the_same);
    tcase_add_test(tc, read_reports_what_failed);
    tcase_add_test(tc, map_shows_the_bytes);
    tcase_add_test(tc, lines_end_in_lf_or_crlf);
    tcase_add_test(tc, bom_is_skipped_once);
    tcase_add_test(tc, folders_are_made_and_listed_in_order);
    tcase_add_test(tc, clock_can_be_set);
}

T_MAIN("io", setup)
