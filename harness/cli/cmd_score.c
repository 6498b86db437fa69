/* mokao score: stored responses again, with today's matchers. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/cli/cli_table.h"
#include "harness/cli/cmd.h"
#include "harness/score.h"

enum option_key { OPT_DB = 0x100, OPT_ALL, OPT_DRY_RUN, OPT_DIFF, OPT_JSON };

struct options {
    const char *db;
    struct score_params params;
    const struct report_format *format; /* of --diff */
    bool json;
    struct cli_progress shown;
};

static const struct argp_option rows[] = {
    { "db", OPT_DB, "FILE", 0, "results database (" DEFAULT_DB ")", 0 },
    { "all", OPT_ALL, NULL, 0,
      "also what the same matcher and version has judged", 0 },
    { "dry-run", OPT_DRY_RUN, NULL, 0, "write nothing, only say what changes",
      0 },
    { "diff", OPT_DIFF, NULL, 0,
      "list what changes: old and new verdict, matcher, rule", 0 },
    { "format", 'f', "FORMAT", 0, "of the list: table, md, csv, json or html",
      0 },
    { "json", OPT_JSON, NULL, 0,
      "print the totals, or with --diff the list, as JSON", 0 },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case OPT_DB:
        o->db = arg;
        return 0;
    case OPT_ALL:
        o->params.all = true;
        return 0;
    case OPT_DRY_RUN:
        o->params.dry_run = true;
        return 0;
    case OPT_DIFF:
        o->params.changes = true;
        return 0;
    case 'f':
        return cli_arg_format(st, arg, &o->format);
    case OPT_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(st, "unexpected argument \"%s\"", arg);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .doc = "Scores stored responses with today's matchers: those that have no "
           "score yet, or whose matcher, version or settings changed.  No "
           "model is called; verdicts that are replaced stay in the history.",
};

static void on_progress(void *user, int64_t done, int64_t n)
{
    struct options *o = user;

    if (cli_progress_due(&o->shown, false))
        cli_progress_show(&o->shown, false, "%" PRId64 "/%" PRId64, done, n);
}

static void print_json(const struct score_totals *t, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_int(&w, "scored", t->scored);
    jw_int(&w, "changed", t->changed);
    jw_int(&w, "to_correct", t->to_correct);
    jw_int(&w, "to_wrong", t->to_wrong);
    jw_int(&w, "unparsable", t->unparsable);
    jw_int(&w, "refused", t->refused);
    jw_int(&w, "current", t->current);
    jw_int(&w, "unscored", t->unscored);
    jw_end(&w);
    buf_char(out, '\n');
}

static void print_text(const struct score_totals *t, struct buf *out)
{
    buf_printf(out,
               "%" PRId64 " scored (%" PRId64 " unparsable, %" PRId64
               " refused), %" PRId64 " were up to date\n",
               t->scored, t->unparsable, t->refused, t->current);
    buf_printf(out,
               "%" PRId64 " changed: %" PRId64 " to correct, %" PRId64
               " from correct\n",
               t->changed, t->to_correct, t->to_wrong);
}

/* The list of --diff; the totals then go to stderr. */
static enum err_code print_changes(const struct options *o, struct store *s,
                                   struct err *e)
{
    struct arena a;
    struct report_params p = { .store = s, .this_call = true, .arena = &a };
    struct table *tables;
    size_t n;
    enum err_code rc;

    arena_init(&a, 0);
    rc = report_rescore.make(&p, &tables, &n, e);
    if (!rc)
        rc = cli_print_tables(tables, n, o->format, e);
    arena_free(&a);
    return rc;
}

static enum err_code print_totals(const struct options *o,
                                  const struct score_totals *t, struct err *e)
{
    struct buf out;
    enum err_code rc = ERR_OK;

    buf_init(&out, 4096);
    if (o->json && !o->params.changes)
        print_json(t, &out);
    else
        print_text(t, &out);
    if (o->params.changes)
        fputs(out.p, stderr);
    else
        rc = cli_print(&out, e);
    buf_free(&out);
    if (!rc && t->unscored)
        rc = err_set(e, ERR_NOENV,
                     "%" PRId64 " answers stay without a score: %s",
                     t->unscored, t->lacks.msg);
    return rc;
}

static enum err_code score(struct options *o, struct err *e)
{
    struct store *s = NULL;
    struct score_totals t;
    /* One that is not there is not made: opened for reading it is missed. */
    enum err_code rc =
        store_open(&s, o->db, o->params.dry_run || !io_exists(o->db), e);

    cli_progress_begin(&o->shown);
    o->params.progress = on_progress;
    o->params.user = o;
    if (!rc)
        rc = score_all(s, &o->params, &t, e);
    cli_progress_end(&o->shown);
    if (!rc && o->params.changes)
        rc = print_changes(o, s, e);
    if (!rc)
        rc = print_totals(o, &t, e);
    store_close(s);
    return rc;
}

static int run(int argc, char **argv)
{
    struct options o = { .db = DEFAULT_DB, .format = &format_table };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc)
        return rc - 1;
    if (o.json)
        o.format = &format_json;
    return score(&o, &e) ? cli_fail(&e) : 0;
}

const struct cmd cmd_score = {
    .name = "score",
    .doc = "scores stored responses with today's matchers",
    .run = run,
};
