/* mokao import: other people's benchmarks as suites. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_table.h"
#include "harness/cli/cmd.h"
#include "suites/suite.h"

enum option_key { OPT_DEST = 0x100, OPT_JSON };

struct options {
    const struct report_format *format;
    const char *name, *path, *dest;
    struct arena arena;
};

static const struct argp_option rows[] = {
    { "dest", OPT_DEST, "DIR", 0,
      "folder for the suite (./suites/imported, or the user's data folder)",
      0 },
    { "format", 'f', "FORMAT", 0, "table, md, csv, json or html", 0 },
    { "json", OPT_JSON, NULL, 0, "the same as --format json", 0 },
    { 0 },
};

static enum err_code print(struct options *o, const struct suite *s,
                           struct err *e)
{
    static const struct column cols[] = {
        { "suite", "suite", false, COLUMN_ALL },
        { "items", "items", true, COLUMN_ALL },
        { "examples", "examples", true, COLUMN_ALL },
        { "subsets", "subsets", true, COLUMN_ALL },
        { "licence", "licence", false, COLUMN_ALL },
        { "digest", "digest", false, COLUMN_ALL },
        { "path", "path", false, COLUMN_ALL },
    };
    enum { N = sizeof cols / sizeof *cols };
    struct table t;
    struct cell *c;
    enum err_code rc = table_init(&t, &o->arena, "Imported", cols, N, 1, e);

    if (rc)
        return rc;
    t.records = true;
    c = table_cell(&t, 0, 0);
    c[0] = cell_text(s->id);
    c[1] = cell_int((int64_t)s->n_items);
    c[2] = cell_int((int64_t)s->n_dev);
    c[3] = cell_int((int64_t)s->n_subset_titles);
    c[4] = cell_text(s->licence);
    c[5] = cell_text(s->digest);
    c[6] = cell_text(s->path);
    return cli_print_tables(&t, 1, o->format, e);
}

static enum err_code find_format(const char *name,
                                 const struct suite_format **out, struct err *e)
{
    const char *near = "";

    *out = suite_format_find(name, &near);
    if (*out)
        return ERR_OK;
    return err_set(e, ERR_USAGE,
                   "no format \"%s\"; did you mean \"%s\"? mokao import "
                   "--help names them",
                   name, near);
}

static enum err_code import(struct options *o, struct err *e)
{
    const struct suite_format *f;
    struct suite *s = NULL;
    size_t n;
    char *path;
    enum err_code rc = find_format(o->name, &f, e);

    if (!rc && !o->dest)
        rc = suite_import_dir(&o->arena, &o->dest, e);
    if (!rc)
        rc = f->import(o->path, o->dest, &n, e);
    if (rc)
        return rc;
    path = io_join(&o->arena, o->dest, f->name);
    if (!path)
        return err_set(e, ERR_NOMEM, "no memory for the suite");
    rc = suite_open(&s, path, e);
    if (s)
        rc = print(o, s, e);
    suite_close(s);
    return rc;
}

static error_t parse_word(struct argp_state *st, const char *arg,
                          struct options *o)
{
    if (o->path) {
        argp_error(st, "one folder at a time: \"%s\" is too many", arg);
        return EINVAL;
    }
    *(o->name ? &o->path : &o->name) = arg;
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case OPT_DEST:
        o->dest = arg;
        return 0;
    case 'f':
        return cli_arg_format(st, arg, &o->format);
    case OPT_JSON:
        o->format = &format_json;
        return 0;
    case ARGP_KEY_ARG:
        return parse_word(st, arg, o);
    case ARGP_KEY_END:
        if (o->path)
            return 0;
        argp_error(st, "expected a format and a folder");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "FORMAT PATH",
    .doc = "Turns another project's files into a suite; one imported before "
           "is replaced as a whole.\vFormats:\n"
           "  ceval   C-Eval: dev/SUBJECT_dev.csv, val/SUBJECT_val.csv, "
           "subject_mapping.json\n"
           "  cmmlu   CMMLU: dev/SUBJECT.csv and test/SUBJECT.csv",
};

static int run(int argc, char **argv)
{
    struct options o = { .format = &format_table };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    arena_init(&o.arena, 0);
    if (rc)
        rc--;
    else if (import(&o, &e))
        rc = cli_fail(&e);
    arena_free(&o.arena);
    return rc;
}

const struct cmd cmd_import = {
    .name = "import",
    .doc = "turns public benchmarks into suites",
    .run = run,
};
