/* Formats of reports on a table made by hand: whole outputs are golden. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "report/report.h"
#include "tests/t.h"

static const struct column cols[] = {
    { "model", "模型", false, COLUMN_ALL },
    { "score", "得分", true, COLUMN_ALL },
    { "n", "题数", true, COLUMN_MACHINE },
    { "text", "区间", false, COLUMN_PEOPLE },
};

static void small_table(struct table *t, struct arena *a)
{
    struct err e;

    t_ok(table_init(t, a, "小表", cols, 4, 3, &e), &e);
    *table_cell(t, 0, 0) = cell_text("文心一言");
    *table_cell(t, 0, 1) = cell_num(61.25, 1);
    table_cell(t, 0, 1)->best = true;
    *table_cell(t, 0, 2) = cell_int(120);
    *table_cell(t, 0, 3) = cell_text("a|b \"quoted\", <b>&amp;");
    *table_cell(t, 1, 0) = cell_text("x_y*z");
    *table_cell(t, 1, 1) = cell_num(NAN, 1);
    *table_cell(t, 1, 3) = cell_text("two\nlines\033[31m");
    *table_cell(t, 2, 0) = cell_text("plain");
    *table_cell(t, 2, 1) = cell_num(0.1, 1);
    *table_cell(t, 2, 2) = cell_int(-1);
    table_note(t, "note %d", 1);
    t_ok(table_check(t, &e), &e);
}

static void print_small(const struct report_format *f,
                        const struct report_style *style, bool records,
                        struct buf *out)
{
    struct arena a;
    struct table t;

    arena_init(&a, 0);
    small_table(&t, &a);
    t.records = records;
    buf_init(out, 1 << 20);
    f->print(&t, 1, style, out);
    ck_assert(!out->failed);
    arena_free(&a);
}

static void check_small(const char *name, const struct report_format *f,
                        const struct report_style *style, bool records)
{
    struct buf out;

    print_small(f, style, records, &out);
    t_golden(name, buf_view(&out));
    buf_free(&out);
}

START_TEST(each_format_prints_a_table)
{
    const struct report_style wide = { 0 };
    char name[64];

    for (size_t i = 0; report_formats[i]; i++) {
        snprintf(name, sizeof name, "report/small.%s", report_formats[i]->name);
        check_small(name, report_formats[i], &wide, false);
        snprintf(name, sizeof name, "report/small-records.%s",
                 report_formats[i]->name);
        check_small(name, report_formats[i], &wide, true);
    }
}
END_TEST

START_TEST(a_narrow_terminal_cuts_text_and_keeps_numbers)
{
    const struct report_style narrow = { .width = 30 };
    struct buf out;
    struct io_lines l;

    print_small(&format_table, &narrow, false, &out);
    ck_assert_ptr_nonnull(strstr(out.p, "…"));
    ck_assert_ptr_nonnull(strstr(out.p, "61.2*"));
    l = (struct io_lines){ .rest = buf_view(&out) };
    while (io_next_line(&l))
        ck_assert_uint_le(text_width(l.line), 30);
    buf_free(&out);
}
END_TEST

START_TEST(colour_only_where_asked_and_never_from_data)
{
    struct buf plain, colour;

    print_small(&format_table, &(struct report_style){ 0 }, false, &plain);
    print_small(&format_table, &(struct report_style){ .colour = true }, false,
                &colour);
    ck_assert_ptr_null(strchr(plain.p, '\033'));
    ck_assert_ptr_nonnull(strstr(colour.p, "\033[1m"));
    ck_assert_ptr_null(strstr(colour.p, "\033[31m"));
    buf_free(&colour);
    buf_free(&plain);
}
END_TEST

START_TEST(the_table_of_formats_is_in_order)
{
    for (size_t i = 0; report_formats[i]; i++) {
        ck_assert(report_formats[i]->print != NULL);
        ck_assert(*report_formats[i]->doc);
        ck_assert(!i || strcmp(report_formats[i - 1]->name,
                               report_formats[i]->name) < 0);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, each_format_prints_a_table);
    tcase_add_test(tc, a_narrow_terminal_cuts_text_and_keeps_numbers);
    tcase_add_test(tc, colour_only_where_asked_and_never_from_data);
    tcase_add_test(tc, the_table_of_formats_is_in_order);
}
T_MAIN("format", setup)
