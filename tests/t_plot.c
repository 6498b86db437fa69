/* gnuplot as a process: what comes out, and what is said when it cannot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "report/report.h"
#include "tests/t.h"

static const char tiny[] = "set terminal @mokao_terminal size 200, 100\n"
                           "set output mokao_output\nplot 'data.tsv'\n";

static const char *in_tmp(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", t_tmp(), name);
    return path;
}

static bool have_gnuplot(void)
{
    bool have = system("gnuplot --version >/dev/null 2>&1") == 0;

    if (!have)
        t_skip("gnuplot is not here");
    return have;
}

START_TEST(svg_and_png_come_out)
{
    struct buf b;
    struct err e;

    if (!have_gnuplot())
        return;
    t_ok(plot_run(tiny, "1\t2\n2\t3\n", in_tmp("a.png"), NULL, &e), &e);
    t_read(in_tmp("a.png"), &b);
    ck_assert(b.n > 8 && !memcmp(b.p, "\x89PNG\r\n\x1a\n", 8));
    buf_free(&b);
    t_ok(plot_run(tiny, "1\t2\n2\t3\n", in_tmp("a.svg"), NULL, &e), &e);
    t_read(in_tmp("a.svg"), &b);
    ck_assert_ptr_nonnull(strstr(b.p, "<svg"));
    buf_free(&b);
}
END_TEST

START_TEST(other_endings_are_refused)
{
    struct err e;

    ck_assert_int_eq(plot_run(tiny, "", "x.pdf", NULL, &e), ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(e.msg, "x.pdf"));
    ck_assert_int_eq(plot_check_path("png", &e), ERR_USAGE);
    ck_assert_int_eq(plot_check_path("a.b/c.svg", &e), ERR_OK);
}
END_TEST

START_TEST(a_missing_gnuplot_names_its_package)
{
    struct err e;

    ck_assert_int_eq(setenv("PATH", t_tmp(), 1), 0);
    ck_assert_int_eq(plot_run(tiny, "1 2\n", in_tmp("b.svg"), NULL, &e),
                     ERR_NOENV);
    ck_assert_ptr_nonnull(strstr(e.msg, "gnuplot-nox"));
    ck_assert(!io_exists(in_tmp("b.svg")));
}
END_TEST

START_TEST(what_gnuplot_says_is_passed_on)
{
    struct err e;

    if (!have_gnuplot())
        return;
    ck_assert_int_eq(
        plot_run("no such command\n", "", in_tmp("c.svg"), NULL, &e),
        ERR_NOENV);
    ck_assert_ptr_nonnull(strstr(e.msg, "invalid command"));
    ck_assert(!io_exists(in_tmp("c.svg")));
}
END_TEST

/* A folder that cannot be written to is told as such. */
START_TEST(a_picture_that_cannot_be_written_is_an_error)
{
    struct err e;

    if (!have_gnuplot())
        return;
    ck_assert_int_ne(plot_run(tiny, "1\t2\n", "/nonexistent/d.svg", NULL, &e),
                     ERR_OK);
    ck_assert_ptr_nonnull(strstr(e.msg, "/nonexistent/d.svg"));
}
END_TEST

START_TEST(strings_cannot_leave_their_quotes)
{
    struct buf s;

    buf_init(&s, 1 << 16);
    plot_set_str(&s, "t", "it's\n\"x\"; system('ls')");
    ck_assert_str_eq(s.p, "t = 'it''s \"x\"; system(''ls'')'\n");
    buf_clear(&s);
    plot_field(&s, "a\tb\n\"c\"");
    ck_assert_str_eq(s.p, "a b 'c'");
    buf_clear(&s);
    plot_set_num(&s, "n", 3);
    ck_assert_str_eq(s.p, "n = 3\n");
    buf_free(&s);
}
END_TEST

START_TEST(kept_script_makes_the_same_picture)
{
    struct buf a, b;
    char keep[256], cmd[600];
    struct err e;

    if (!have_gnuplot())
        return;
    snprintf(keep, sizeof keep, "%s/keep", t_tmp());
    t_ok(plot_run(tiny, "1\t2\n2\t3\n", in_tmp("k.svg"), keep, &e), &e);
    snprintf(cmd, sizeof cmd, "cd %s && gnuplot -d plot.gp", keep);
    ck_assert_int_eq(system(cmd), 0);
    t_read(in_tmp("k.svg"), &a);
    t_read(in_tmp("keep/picture"), &b);
    ck_assert_uint_eq(a.n, b.n);
    ck_assert(!memcmp(a.p, b.p, a.n));
    buf_free(&b);
    buf_free(&a);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, svg_and_png_come_out);
    tcase_add_test(tc, other_endings_are_refused);
    tcase_add_test(tc, a_missing_gnuplot_names_its_package);
    tcase_add_test(tc, what_gnuplot_says_is_passed_on);
    tcase_add_test(tc, a_picture_that_cannot_be_written_is_an_error);
    tcase_add_test(tc, strings_cannot_leave_their_quotes);
    tcase_add_test(tc, kept_script_makes_the_same_picture);
}
T_MAIN("plot", setup)
