/* Zip archives: what is read of them, and what is refused of those that are cut
 * off, damaged, encrypted or too large. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/outputs/output.h"
#include "harness/outputs/zip.h"
#include "tests/t.h"

#define EVAL "tests/golden/outputs/inspect-eval/"

static const struct zip_limits ample = { 100, 1 << 20 };

/* Reads all members; *names and *bytes tell what came. */
static enum err_code read_all(struct str archive,
                              const struct zip_limits *limits, size_t room,
                              struct buf *names, size_t *bytes, struct err *e)
{
    const char *name = "";
    struct zip *z;
    struct buf text;
    enum err_code rc = zip_open(&z, archive, limits, e);

    *bytes = 0;
    while (!rc && name) {
        rc = zip_next(z, &name, e);
        if (rc || !name)
            break;
        buf_printf(names, "%s\n", name);
        buf_init(&text, room);
        rc = zip_read(z, &text, e);
        *bytes += text.n;
        buf_free(&text);
    }
    zip_close(z);
    return rc;
}

START_TEST(members_are_read_whatever_packed_them)
{
    static const struct {
        const char *file, *names;
        size_t bytes;
    } rows[] = {
        { EVAL "seasons.eval",
          "_journal/start.json\nsamples/周_epoch_2.json\n"
          "samples/周_epoch_1.json\nsamples/暖_epoch_1.json\n"
          "samples/无分_epoch_1.json\nsamples/坏_epoch_1.json\n"
          "summaries.json\nheader.json\n",
          2841 },
        { EVAL "sums.eval",
          "_journal/start.json\nsamples/10_epoch_1.json\n"
          "samples/9_epoch_1.json\nsamples/10_epoch_1.json\n",
          1408 },
    };
    struct buf file, names;
    struct err e;
    size_t bytes;

    buf_init(&file, 1 << 20);
    buf_init(&names, 1 << 20);
    t_read(rows[_i].file, &file);
    t_ok(read_all(buf_view(&file), &ample, 1 << 20, &names, &bytes, &e), &e);
    ck_assert_str_eq(names.p, rows[_i].names);
    ck_assert_uint_eq(bytes, rows[_i].bytes);
    buf_free(&file);
    buf_free(&names);
}
END_TEST

static const struct {
    struct zip_limits limits;
    size_t room;
    const char *says;
} bounds[] = {
    { { 7, 1 << 20 }, 1 << 20, "too many members" },
    { { 100, 2840 }, 1 << 20, "unpacks to too much" },
    { { 100, 1 << 20 }, 686, "what it unpacks to" },
};

START_TEST(what_unpacks_to_too_much_is_refused)
{
    struct buf file, names;
    struct err e;
    size_t bytes;

    buf_init(&file, 1 << 20);
    buf_init(&names, 1 << 20);
    t_read(EVAL "seasons.eval", &file);
    ck_assert_int_eq(read_all(buf_view(&file), &bounds[_i].limits,
                              bounds[_i].room, &names, &bytes, &e),
                     ERR_LIMIT);
    ck_assert_msg(strstr(e.msg, bounds[_i].says), "%s", e.msg);
    buf_free(&file);
    buf_free(&names);
}
END_TEST

/* --- damage ------------------------------------------------------------------ */

static void set(struct buf *file, size_t at, int byte)
{
    ck_assert_uint_lt(at, file->n);
    file->p[at] = (char)byte;
}

/* Where the nth record of that kind begins. */
static size_t record(const struct buf *file, const char *kind, size_t nth)
{
    size_t at = (size_t)-1;

    do
        at = str_find(buf_view(file), (struct str){ kind, 4 }, at + 1);
    while (at != (size_t)-1 && nth-- > 0);
    ck_assert_uint_ne(at, (size_t)-1);
    return at;
}

static void cut(struct buf *f)
{
    f->n = f->n / 2;
}

static void cut_to_its_magic(struct buf *f)
{
    f->n = 4;
}

static void not_zip(struct buf *f)
{
    set(f, 0, 'x');
}

static void empty(struct buf *f)
{
    f->n = 0;
}

static void encrypted(struct buf *f)
{
    set(f, record(f, "PK\x03\x04", 0) + 6, 0x01);
    set(f, record(f, "PK\x01\x02", 0) + 8, 0x01);
}

static void wrong_checksum(struct buf *f)
{
    for (size_t i = 14; i < 18; i++)
        set(f, record(f, "PK\x03\x04", 0) + i, 0x55);
    for (size_t i = 16; i < 20; i++)
        set(f, record(f, "PK\x01\x02", 0) + i, 0x55);
}

static void damaged_data(struct buf *f)
{
    for (size_t i = 0; i < 8; i++)
        set(f, record(f, "PK\x03\x04", 1) + 60 + i, 0xff);
}

static void unknown_method(struct buf *f)
{
    set(f, record(f, "PK\x03\x04", 0) + 8, 0x63);
    set(f, record(f, "PK\x01\x02", 0) + 10, 0x63);
}

static void larger_than_told(struct buf *f)
{
    set(f, record(f, "PK\x03\x04", 3) + 22, 5);
    set(f, record(f, "PK\x03\x04", 3) + 23, 0);
    set(f, record(f, "PK\x01\x02", 3) + 24, 5);
    set(f, record(f, "PK\x01\x02", 3) + 25, 0);
}

static void name_not_utf8(struct buf *f)
{
    set(f, record(f, "PK\x01\x02", 1) + 46 + 8, 0xff);
    set(f, record(f, "PK\x03\x04", 1) + 30 + 8, 0xff);
}

static const struct {
    void (*damage)(struct buf *file);
    const char *says;
} damages[] = {
    { cut, "cut off" },
    { cut_to_its_magic, "cut off" },
    { not_zip, "is no zip archive" },
    { empty, "is no zip archive" },
    { encrypted, "encrypted" },
    { wrong_checksum, "_journal/start.json: " },
    { damaged_data, "samples/" },
    { unknown_method, "_journal/start.json: " },
    { larger_than_told, "samples/" },
    { name_not_utf8, "not UTF-8" },
};
enum { N_DAMAGES = sizeof damages / sizeof *damages };

START_TEST(a_damaged_log_is_refused_with_its_fault)
{
    static const char *const files[] = { EVAL "seasons.eval",
                                         EVAL "sums.eval" };
    int which = _i % 2;
    struct arena a;
    struct outputs out = { .arena = &a };
    struct buf file;
    const char *path;
    struct err e;

    arena_init(&a, 0);
    buf_init(&file, 1 << 20);
    t_read(files[which], &file);
    damages[_i / 2].damage(&file);
    path = io_join(&a, t_tmp(), "x.eval");
    t_ok(io_replace(path, buf_view(&file), &e), &e);
    ck_assert_int_eq(output_format_find("inspect")->read(path, &out, &e),
                     ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, "x.eval: ") &&
                      strstr(e.msg, damages[_i / 2].says),
                  "%s", e.msg);
    mem_free(out.list);
    buf_free(&file);
    arena_free(&a);
}
END_TEST

/* No damage of one byte does harm, or goes by as other answers. */
START_TEST(any_byte_may_be_wrong)
{
    struct buf file, names;
    size_t bytes;
    struct err e;

    buf_init(&file, 1 << 20);
    buf_init(&names, 1 << 20);
    t_read(EVAL "seasons.eval", &file);
    for (size_t i = 0; i < file.n; i++) {
        char was = file.p[i];
        file.p[i] = (char)(was ^ 0x41);
        buf_clear(&names);
        if (!read_all(buf_view(&file), &ample, 1 << 20, &names, &bytes, &e))
            ck_assert_uint_le(bytes, 2841);
        file.p[i] = was;
    }
    buf_free(&file);
    buf_free(&names);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    const struct output_format *f = output_format_find("inspect");
    enum err_code rc = ERR_NOMEM;
    size_t n = 0;
    struct err e;

    while (rc && n < 5000) {
        struct arena a;
        struct outputs out = { .arena = &a };

        arena_init(&a, 0);
        mem_fail_at(++n, false);
        rc = f->read(EVAL, &out, &e);
        mem_fail_at(0, false);
        ck_assert_msg(!rc || rc == ERR_NOMEM, "%zu: %s", n, e.msg);
        mem_free(out.list);
        arena_free(&a);
    }
    ck_assert_int_eq(rc, ERR_OK);
    ck_assert_uint_gt(n, 20);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, members_are_read_whatever_packed_them, 0, 2);
    tcase_add_loop_test(tc, what_unpacks_to_too_much_is_refused, 0,
                        sizeof bounds / sizeof *bounds);
    tcase_add_loop_test(tc, a_damaged_log_is_refused_with_its_fault, 0,
                        2 * N_DAMAGES);
    tcase_add_test(tc, any_byte_may_be_wrong);
    tcase_add_test(tc, any_allocation_may_fail);
}

T_MAIN("zip", setup)
