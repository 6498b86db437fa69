/* Outputs into the store, and the two tables that tell of it. */
#include "harness/cli/import_outputs.h"

#include <math.h>

#include "harness/base/io.h"
#include "harness/cli/cli_table.h"

static enum err_code count_table(const struct output_totals *t, struct arena *a,
                                 struct table *out, struct err *e)
{
    static const struct column cols[] = {
        { "items", "items", true, COLUMN_ALL },
        { "new", "new", true, COLUMN_ALL },
        { "stored before", "stored", true, COLUMN_ALL },
        { "conflicts", "conflicts", true, COLUMN_ALL },
        { "without answer", "failed", true, COLUMN_ALL },
        { "not in the suite", "unmatched", true, COLUMN_ALL },
        { "judged", "judged", true, COLUMN_ALL },
        { "correct", "correct", true, COLUMN_ALL },
        { "compared with theirs", "compared", true, COLUMN_ALL },
        { "same verdict", "same", true, COLUMN_ALL },
    };
    enum { N = sizeof cols / sizeof *cols };
    const size_t counts[N] = {
        t->items,     t->added,  t->stored,  t->conflicts, t->failed,
        t->unmatched, t->scored, t->correct, t->compared,  t->same,
    };
    enum err_code rc = table_init(out, a, "Imported", cols, N, 1, e);

    out->records = true;
    for (size_t i = 0; i < N && !rc; i++)
        *table_cell(out, 0, i) = cell_int((int64_t)counts[i]);
    return rc;
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
        { "read", "extracted", false, COLUMN_ALL },
        { "by rule", "rule", false, COLUMN_ALL },
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
                           const struct import_options *o, struct arena *a,
                           struct err *e)
{
    struct table tables[2];
    enum err_code rc = count_table(t, a, &tables[0], e);

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
        rc = print(&t, o, in->arena, e);
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
