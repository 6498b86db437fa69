/* mokao export FORMAT: results in the formats of others, suites in ours. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/mem.h"
#include "harness/cli/cmd.h"
#include "harness/export.h"

enum option_key { OPT_DB = 0x100, OPT_ALL };

struct options {
    const struct export_format *format;
    struct cli_list models, suites;
    const char *db, *output;
    bool all;
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0, "only this model (its id); repeatable", 0 },
    { "suite", 's', "SUITE", 0,
      "only this suite: id, suite/subset, globs; repeatable", 0 },
    { "db", OPT_DB, "FILE", 0, "results database (" DEFAULT_DB ")", 0 },
    { "output", 'o', "PATH", 0, "write there instead of standard output", 0 },
    { "all", OPT_ALL, NULL, 0,
      "also samples that a newer run with another prompt has replaced", 0 },
    { 0 },
};

static error_t parse_format(struct argp_state *st, const char *arg,
                            struct options *o)
{
    if (o->format) {
        argp_error(st, "unexpected argument \"%s\"", arg);
        return EINVAL;
    }
    for (size_t i = 0; export_formats[i]; i++) {
        if (strcmp(export_formats[i]->name, arg) == 0)
            o->format = export_formats[i];
    }
    if (o->format)
        return 0;
    argp_error(st, "no format \"%s\": see the list in --help", arg);
    return EINVAL;
}

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    if (!o->format)
        argp_error(st, "which format? See the list in --help");
    else if (o->format->to_folder && !o->output)
        argp_error(st, "%s: --output FOLDER is missing", o->format->name);
    else
        return 0;
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case 'm':
        return cli_list_add(&o->models, arg);
    case 's':
        return cli_list_add(&o->suites, arg);
    case 'o':
        o->output = arg;
        return 0;
    case OPT_DB:
        o->db = arg;
        return 0;
    case OPT_ALL:
        o->all = true;
        return 0;
    case ARGP_KEY_ARG:
        return parse_format(st, arg, o);
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The formats are listed from their table. */
static void put_formats(struct buf *out)
{
    buf_str(out, "Formats:");
    for (size_t i = 0; export_formats[i]; i++)
        buf_printf(out, "\n  %-8s %s", export_formats[i]->name,
                   export_formats[i]->doc);
}

static char *list_formats(int key, const char *text, void *input)
{
    (void)input;
    return cli_help_list(key, text, put_formats);
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "FORMAT",
    .doc = "Writes what is stored in another format: each sample of the "
           "current version of a suite, with question, response and verdict, "
           "sorted by model, suite, subset and item.\v",
    .help_filter = list_formats,
};

/* ---- Where the output goes ---- */

/* A file is written beside its place and renamed when it is whole. */
struct sink {
    FILE *file;
    char *partial; /* its name until then, NULL: standard output */
};

static enum err_code sink_open(struct sink *k, const char *path, struct err *e)
{
    size_t n = path ? strlen(path) + sizeof ".partial" : 0;

    *k = (struct sink){ stdout, NULL };
    if (!path)
        return ERR_OK;
    k->partial = mem_alloc(n);
    if (!k->partial)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    snprintf(k->partial, n, "%s.partial", path);
    k->file = fopen(k->partial, "we");
    return k->file ? ERR_OK : err_errno(e, errno, "%s", k->partial);
}

static enum err_code sink_write(void *user, struct str piece, struct err *e)
{
    struct sink *k = user;

    errno = 0;
    if (fwrite(piece.p, 1, piece.n, k->file) < piece.n)
        return err_errno(e, errno ? errno : EIO, "%s",
                         k->partial ? k->partial : "standard output");
    return ERR_OK;
}

static enum err_code sink_close(struct sink *k, const char *path,
                                enum err_code rc, struct err *e)
{
    bool written;

    if (!k->file)
        goto done;
    errno = 0;
    written = fflush(k->file) == 0;
    if (!k->partial) {
        if (!rc && !written)
            rc = err_errno(e, errno ? errno : EIO, "standard output");
        goto done;
    }
    written = written && fsync(fileno(k->file)) == 0;
    written = fclose(k->file) == 0 && written;
    if (!rc && (!written || rename(k->partial, path) != 0))
        rc = err_errno(e, errno ? errno : EIO, "%s", path);
    if (rc)
        unlink(k->partial);
done:
    mem_free(k->partial);
    return rc;
}

static enum err_code export(const struct options *o, struct err *e)
{
    struct sink sink;
    struct store *s = NULL;
    struct export_params p = {
        .models = o->models.v,
        .n_models = o->models.n,
        .suites = o->suites.v,
        .n_suites = o->suites.n,
        .all = o->all,
        .output = o->output,
        .write = sink_write,
        .user = &sink,
    };
    enum err_code rc = ERR_OK;

    if (o->format->needs_store)
        rc = store_open(&s, o->db, true, e);
    p.store = s;
    if (!rc && o->format->to_folder) {
        rc = o->format->run(&p, e);
    }
else if (!rc)
{
    rc = sink_open(&sink, o->output, e);
    if (!rc)
        rc = o->format->run(&p, e);
    rc = sink_close(&sink, o->output, rc, e);
}
store_close(s);
return rc;
}

static int run(int argc, char **argv)
{
    struct options o = { .db = DEFAULT_DB };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc)
        rc--;
    else if (export(&o, &e))
        rc = cli_fail(&e);
    cli_list_free(&o.suites);
    cli_list_free(&o.models);
    return rc;
}

const struct cmd cmd_export = {
    .name = "export",
    .doc = "results as CSV or JSON Lines, suites as folders",
    .run = run,
};
