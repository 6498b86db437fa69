/* Outputs into the store, and the two tables that tell of it. */
#include "harness/cli/import_outputs.h"

#include <math.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_table.h"

enum { NAMED = 5 };

/* "a, b, c": the first few of those that differ. */
struct names {
    struct buf text;
    size_t n;
};

static void add_name(struct names *s, const char *name)
{
    if (++s->n <= NAMED)
        buf_printf(&s->text, "%s%s", s->n > 1 ? ", " : "", name);
}

static const char *end_names(struct names *s, struct arena *a)
{
    const char *text;

    if (s->n > NAMED)
        buf_printf(&s->text, " and %zu more", s->n - NAMED);
    text = arena_dup(a, s->text.p, s->text.n);
    buf_free(&s->text);
    return text;
}

static const char *suites_of(const struct output_totals *t, struct arena *a)
{
    struct names s = { .n = 0 };

    buf_init(&s.text, 1 << 16);
    for (size_t i = 0; i < t->n_suites; i++)
        add_name(&s, t->suites[i]);
    return end_names(&s, a);
}

/* Answers of one model mostly follow each other. */
static const char *models_of(const struct outputs *in, const char *told,
                             struct arena *a)
{
    struct names s = { .n = 0 };

    buf_init(&s.text, 1 << 16);
    for (size_t i = 0; i < in->n && !told; i++) {
        const char *name = in->list[i].model;
        size_t k = 0;
        if (i && strcmp(name, in->list[i - 1].model) == 0)
            continue;
        while (k < i && strcmp(name, in->list[k].model) != 0)
            k++;
        if (k == i)
            add_name(&s, name);
    }
    if (told)
        add_name(&s, told);
    return end_names(&s, a);
}

static enum err_code count_table(const struct output_totals *t,
                                 const struct outputs *in,
                                 const struct import_options *o,
                                 struct arena *a, struct table *out,
                                 struct err *e)
{
    static const struct column cols[] = {
        { "suites", "suite", false, COLUMN_ALL },
        { "folder", "made in", false, COLUMN_ALL },
        { "models", "model", false, COLUMN_ALL },
        { "items", "items", true, COLUMN_ALL },
        { "new", "new", true, COLUMN_ALL },
        { "stored", "stored before", true, COLUMN_ALL },
        { "conflicts", "conflicts", true, COLUMN_ALL },
        { "failed", "without answer", true, COLUMN_ALL },
        { "unmatched", "not in the suite", true, COLUMN_ALL },
        { "judged", "judged", true, COLUMN_ALL },
        { "correct", "correct", true, COLUMN_ALL },
        { "compared", "compared with theirs", true, COLUMN_ALL },
        { "same", "same verdict", true, COLUMN_ALL },
    };
    enum { N = sizeof cols / sizeof *cols, TEXTS = 3 };
    const size_t counts[N - TEXTS] = {
        t->items,     t->added,  t->stored,  t->conflicts, t->failed,
        t->unmatched, t->scored, t->correct, t->compared,  t->same,
    };
    enum err_code rc = table_init(out, a, "Imported", cols, N, 1, e);

    out->records = true;
    if (rc)
        return rc;
    *table_cell(out, 0, 0) = cell_text(suites_of(t, a));
    *table_cell(out, 0, 1) = cell_text(o->how.suite ? NULL : o->how.dest);
    *table_cell(out, 0, 2) = cell_text(models_of(in, o->how.model, a));
    for (size_t i = 0; i < N - TEXTS; i++)
        *table_cell(out, 0, TEXTS + i) = cell_int((int64_t)counts[i]);
    return ERR_OK;
}

static enum err_code difference_table(const struct output_totals *t,
                                      struct arena *a, struct table *out,
                                      struct err *e)
{
    static const struct column cols[] = {
        { "suite", "suite", false, COLUMN_ALL },
        { "item", "item", false, COLUMN_ALL },
        { "theirs", "theirs", true, COLUMN_ALL },
        { "ours", "ours", true, COLUMN_ALL },
        { "verdict", "verdict", false, COLUMN_ALL },
        { "extracted", "read", false, COLUMN_ALL },
        { "rule", "by rule", false, COLUMN_ALL },
        { "file", "file", false, COLUMN_ALL },
    };
    enum { N = sizeof cols / sizeof *cols };
    enum err_code rc =
        table_init(out, a, "Differences", cols, N, t->n_differences, e);

    for (size_t i = 0; i < t->n_differences && !rc; i++) {
        const struct output_difference *d = &t->differences[i];
        struct cell *c = table_cell(out, i, 0);
        c[0] = cell_text(d->suite);
        c[1] = cell_text(d->item);
        c[2] = cell_num(d->output->theirs, 3);
        c[3] = cell_num(d->score, 3);
        c[4] = cell_text(d->verdict);
        c[5] = cell_text(d->extracted);
        c[6] = cell_text(d->rule);
        c[7] = cell_text(d->output->file);
    }
    return rc;
}

static enum err_code print(const struct output_totals *t,
                           const struct outputs *in,
                           const struct import_options *o, struct err *e)
{
    struct arena *a = in->arena;
    struct table tables[2];
    enum err_code rc = count_table(t, in, o, a, &tables[0], e);

    if (!rc && o->differences)
        rc = difference_table(t, a, &tables[1], e);
    return rc ? rc
              : cli_print_tables(tables, o->differences ? 2 : 1, o->format, e);
}

static enum err_code put_run(struct import_options *o,
                             const struct output_format *f, const char *path,
                             struct arena *a, struct err *e)
{
    const struct store_run row = {
        .command_line = arena_printf(a, "mokao import %s %s", f->name, path),
        .version = MK_VERSION,
        .host = "",
        .options_json = "{}",
        .started_ms = io_wall_ms(),
    };

    if (!row.command_line)
        return err_set(e, ERR_NOMEM, "no memory for the run");
    return store_put_run(o->how.store, &row, &o->how.run, e);
}

static enum err_code store_all(const struct output_format *f, const char *path,
                               const struct outputs *in,
                               struct import_options *o, struct err *e)
{
    struct output_totals t = { 0 };
    enum err_code rc = store_open(&o->how.store, o->db, false, e);

    if (!rc)
        rc = put_run(o, f, path, in->arena, e);
    if (!rc)
        rc = outputs_store(in, &o->how, &t, e);
    if (!rc)
        rc = store_end_run(o->how.store, o->how.run, t.failed ? "part" : "done",
                           io_wall_ms(), e);
    store_close(o->how.store);
    if (!rc)
        rc = print(&t, in, o, e);
    mem_free(t.differences);
    if (!rc && t.conflicts)
        rc = err_set(e, ERR_FORMAT,
                     "%zu samples have another answer already, which stays; a "
                     "further run of the model goes by --trial N",
                     t.conflicts);
    return rc;
}

enum err_code import_outputs(const struct output_format *f, const char *path,
                             struct import_options *o, struct arena *a,
                             struct err *e)
{
    struct outputs in = { .arena = a, .official = o->official };
    enum err_code rc = f->read(path, &in, e);

    if (!rc)
        rc = store_all(f, path, &in, o, e);
    mem_free(in.list);
    return rc;
}
