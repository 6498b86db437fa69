/* mokao suite check: every fault, a line each as editors and grep like them. */
#include "harness/base/io.h"
#include "harness/cli/cli_suite.h"

struct fault {
    const char *suite, *file, *field, *message;
    size_t line;
    bool suspicion;
};

struct faults {
    struct cli_suite *o;
    const char *suite; /* under way: its path */
    struct fault *p;
    size_t n, cap;
};

struct check_totals {
    size_t suites, faults, warnings;
};

static void add_fault(void *user, const char *file, size_t line,
                      const char *field, const char *message)
{
    struct faults *f = user;
    struct arena *a = &f->o->arena;

    if (!mem_grow(&f->p, &f->cap, f->n + 1, sizeof *f->p)) {
        a->failed = true;
        return;
    }
    f->p[f->n++] = (struct fault){
        .suite = f->suite,
        .file = arena_strdup(a, file),
        .line = line,
        .field = arena_strdup(a, *field == '~' ? field + 1 : field),
        .message = arena_strdup(a, message),
        .suspicion = *field == '~',
    };
}

/* "suites/x/items.jsonl:3: answer: missing, ...", which editors can jump to. */
static void add_line(struct buf *b, const struct fault *f)
{
    buf_printf(b, "%s/%s:", f->suite, f->file);
    if (f->line)
        buf_printf(b, "%zu:", f->line);
    if (f->suspicion)
        buf_str(b, " suspicious:");
    buf_printf(b, "%s%s%s %s\n", *f->field ? " " : "", f->field,
               *f->field ? ":" : "", f->message);
}

static enum err_code print_lines(const struct faults *f,
                                 const struct check_totals *sum, struct err *e)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, (size_t)1 << 28);
    for (size_t i = 0; i < f->n; i++)
        add_line(&b, &f->p[i]);
    if (sum->faults == 0)
        buf_printf(&b, "%zu suites: no faults, %zu suspicions\n", sum->suites,
                   sum->warnings);
    rc = buf_check(&b, "the faults", e);
    if (!rc)
        rc = cli_print(&b, e);
    buf_free(&b);
    return rc;
}

static enum err_code print_table(const struct faults *f, struct err *e)
{
    static const struct column cols[] = {
        { "suite", "suite", false, COLUMN_ALL },
        { "file", "file", false, COLUMN_ALL },
        { "line", "line", true, COLUMN_ALL },
        { "field", "field", false, COLUMN_ALL },
        { "kind", "kind", false, COLUMN_ALL },
        { "message", "message", false, COLUMN_ALL },
    };
    struct table t;
    enum err_code rc = table_init(&t, &f->o->arena, "Faults", cols, 6, f->n, e);

    for (size_t i = 0; !rc && i < f->n; i++) {
        struct cell *c = table_cell(&t, i, 0);
        c[0] = cell_text(f->p[i].suite);
        c[1] = cell_text(f->p[i].file);
        c[2] = f->p[i].line ? cell_int((int64_t)f->p[i].line) : cell_text(NULL);
        c[3] = cell_text(f->p[i].field);
        c[4] = cell_text(f->p[i].suspicion ? "suspicious" : "fault");
        c[5] = cell_text(f->p[i].message);
    }
    return rc ? rc : cli_print_tables(&t, 1, f->o->format, e);
}

static enum err_code check_spec(struct faults *f, const char *spec,
                                struct check_totals *sum, struct err *e)
{
    const struct suite_checks checks = { .fault = add_fault,
                                         .suite = plan_check_suite,
                                         .item = plan_check_item,
                                         .user = f };
    struct suite_ref folder = { spec, "" }, *refs = &folder;
    size_t n = 1, faults, warnings;
    enum err_code rc = ERR_OK;

    /* A folder is checked even where it lacks what makes it a suite. */
    if (!io_is_dir(spec))
        rc = suite_find(spec, &f->o->arena, &refs, &n, e);
    for (size_t i = 0; !rc && i < n; i++) {
        f->suite = refs[i].path;
        rc = suite_check(refs[i].path, &checks, &faults, &warnings, e);
        sum->suites++;
        sum->faults += faults;
        sum->warnings += warnings;
    }
    return rc;
}

enum err_code cli_suite_check(struct cli_suite *o, struct err *e)
{
    struct faults f = { .o = o };
    struct check_totals sum = { 0 };
    enum err_code rc = ERR_OK;

    for (size_t i = 0; !rc && i < o->words.n; i++)
        rc = check_spec(&f, o->words.v[i], &sum, e);
    if (!rc && o->arena.failed)
        rc = err_set(e, ERR_NOMEM, "no memory for the faults");
    if (!rc)
        rc = o->format == &format_table ? print_lines(&f, &sum, e)
                                        : print_table(&f, e);
    mem_free(f.p);
    if (!rc && sum.faults)
        rc = err_set(e, ERR_FORMAT,
                     "%zu faults and %zu suspicions in %zu "
                     "suites",
                     sum.faults, sum.warnings, sum.suites);
    return rc;
}
