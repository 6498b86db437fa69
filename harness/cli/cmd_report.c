/* mokao report KIND: tables and plots from the database alone. */
#include <string.h>

#include "harness/base/mem.h"
#include "harness/cli/cli_rules.h"
#include "harness/cli/cli_table.h"
#include "harness/cli/cmd.h"

enum option_key {
    OPT_DB = 0x100,
    OPT_ITEM,
    OPT_BY,
    OPT_VERDICT,
    OPT_PLOT,
    OPT_KEEP,
    OPT_ALPHA,
    OPT_LANG,
    OPT_JSON,
    OPT_RULES,
    OPT_SAMPLE,
    OPT_SEED,
    OPT_CHECKED
};

struct options {
    const struct report_kind *kind;
    const struct report_format *format;
    struct cli_list models, suites, items;
    struct cli_rules rules;
    const char *db;
    struct report_params params;
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0, "only this model (id or name); repeatable", 0 },
    { "suite", 's', "SUITE", 0,
      "only this suite: id, suite/subset, globs; repeatable", 0 },
    { "item", OPT_ITEM, "ID", 0, "audit: only this item; repeatable", 0 },
    { "verdict", OPT_VERDICT, "NAME", 0,
      "audit: only correct, wrong, unparsable, refused, failed, cut-off, "
      "near-tie or unscored ones",
      0 },
    { "rules", OPT_RULES, NULL, 0,
      "audit: of the matchers' rules instead: how often each one decides, "
      "where another would read another answer, what is not read of whom",
      0 },
    { "sample", OPT_SAMPLE, "N", 0,
      "audit --rules: draw N verdicts for a person to check", 0 },
    { "seed", OPT_SEED, "S", 0, "of that sample (1)", 0 },
    { "checked", OPT_CHECKED, "FILE", 0,
      "audit --rules: the matchers' error rate from the sample as CSV with its "
      "column check filled in",
      0 },
    { "by", OPT_BY, "WHAT", 0,
      "matrix: columns are ability, group, suite, subset or difficulty", 0 },
    { "db", OPT_DB, "FILE", 0, "results database (" DEFAULT_DB ")", 0 },
    { "format", 'f', "FORMAT", 0, "table, md, csv, json or html", 0 },
    { "json", OPT_JSON, NULL, 0, "the same as --format json", 0 },
    { "plot", OPT_PLOT, "FILE", 0,
      "also draw it: rank bars, matrix radar, cost scatter; .svg or .png", 0 },
    { "plot-data", OPT_KEEP, "DIR", 0,
      "keep the plot's gnuplot script and data there", 0 },
    { "alpha", OPT_ALPHA, "A", 0, "significance level (0.05)", 0 },
    { "lang", OPT_LANG, "zh|en", 0, "language of headings and notes (zh)", 0 },
    { 0 },
};

static error_t parse_kind(struct argp_state *st, char *arg, struct options *o)
{
    enum { NEAR = 2 }; /* slips of the finger */
    const char *near = NULL;

    if (o->kind)
        return cli_list_add(&o->items, arg); /* report audit ITEM... */
    for (size_t i = 0; report_kinds[i]; i++) {
        if (!strcmp(report_kinds[i]->name, arg))
            o->kind = report_kinds[i];
        if (text_distance(str_of(arg), str_of(report_kinds[i]->name)) <= NEAR)
            near = report_kinds[i]->name;
    }
    if (o->kind)
        return 0;
    if (near)
        argp_error(st, "no report \"%s\"; did you mean \"%s\"?", arg, near);
    else
        argp_error(st, "no report \"%s\": see the list in --help", arg);
    return EINVAL;
}

static error_t parse_lang(struct argp_state *st, const char *arg, bool *english)
{
    static const char *const words[] = { "zh", "en", NULL };
    int i = 0;
    error_t rc = cli_arg_word(st, "--lang", arg, words, &i);

    *english = i == 1;
    return rc;
}

static const char *wrong_rules(const struct options *o)
{
    const struct cli_rules *r = &o->rules;

    if (!r->on)
        return r->sample || r->checked
                   ? "--sample and --checked go with audit --rules"
                   : NULL;
    if (o->kind && o->kind != &report_audit)
        return "--rules belongs to audit";
    if (o->items.n || o->params.verdict)
        return "--rules is about all samples: no items, no --verdict";
    return r->sample && r->checked ? "--sample or --checked, not both" : NULL;
}

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    struct err e;

    if (wrong_rules(o))
        argp_error(st, "%s", wrong_rules(o));
    else if (!o->kind)
        argp_error(st, "which report? See the list in --help");
    else if (o->items.n && o->kind != &report_audit)
        argp_error(st, "%s takes no items (\"%s\")", o->kind->name,
                   o->items.v[0]);
    else if (o->params.plot && !o->kind->plot)
        argp_error(st, "%s has no plot", o->kind->name);
    else if (o->params.plot && plot_check_path(o->params.plot, &e))
        argp_error(st, "%s", e.msg);
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
    case OPT_ITEM:
        return cli_list_add(&o->items, arg);
    case OPT_VERDICT:
        o->params.verdict = arg;
        return 0;
    case OPT_BY:
        o->params.by = arg;
        return 0;
    case OPT_DB:
        o->db = arg;
        return 0;
    case 'f':
        return cli_arg_format(st, arg, &o->format);
    case OPT_JSON:
        o->format = &format_json;
        return 0;
    case OPT_PLOT:
        o->params.plot = arg;
        return 0;
    case OPT_KEEP:
        o->params.keep = arg;
        return 0;
    case OPT_ALPHA:
        return cli_arg_num(st, "--alpha", arg, 1e-6, 0.5, &o->params.alpha);
    case OPT_LANG:
        return parse_lang(st, arg, &o->params.english);
    case OPT_RULES:
        o->rules.on = true;
        return 0;
    case OPT_SAMPLE:
        return cli_arg_int(st, "--sample", arg, 1, 1000000, &o->rules.sample);
    case OPT_SEED:
        return cli_arg_int(st, "--seed", arg, 0, INT64_MAX, &o->rules.seed);
    case OPT_CHECKED:
        o->rules.checked = arg;
        return 0;
    case ARGP_KEY_ARG:
        return parse_kind(st, arg, o);
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The kinds are listed from their table. */
static void put_kinds(struct buf *out)
{
    buf_str(out, "KIND is one of:\n");
    for (size_t i = 0; report_kinds[i]; i++)
        buf_printf(out, "  %-10s %s\n", report_kinds[i]->name,
                   report_kinds[i]->doc);
}

static char *list_kinds(int key, const char *text, void *input)
{
    (void)input;
    return cli_help_list(key, text, put_kinds);
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "KIND [ITEM...]",
    .doc = "Makes a report from the results database alone; nothing is run or "
           "scored.\v",
    .help_filter = list_kinds,
};

static enum err_code make(struct options *o, struct err *e)
{
    struct report_params *p = &o->params;
    struct table *tables;
    size_t n;
    enum err_code rc;

    p->models = o->models.v;
    p->n_models = o->models.n;
    p->suites = o->suites.v;
    p->n_suites = o->suites.n;
    p->args = o->items.v;
    p->n_args = o->items.n;
    if (o->rules.on)
        return cli_rules_report(&o->rules, p, o->format, e);
    rc = o->kind->make(p, &tables, &n, e);
    if (!rc)
        rc = cli_print_tables(tables, n, o->format, e);
    if (!rc && p->plot)
        rc = o->kind->plot(p, e);
    return rc;
}

static int run(int argc, char **argv)
{
    struct arena arena;
    struct options o = { .db = DEFAULT_DB,
                         .format = &format_table,
                         .rules = { .seed = 1 },
                         .params = { .alpha = 0.05, .arena = &arena } };
    struct err e;
    int rc;

    arena_init(&arena, 0);
    rc = cli_parse(&argp, argc, argv, &o);
    if (rc) {
        rc--;
        goto done;
    }
    rc = store_open(&o.params.store, o.db, true, &e);
    if (!rc)
        rc = make(&o, &e);
    if (rc)
        rc = cli_fail(&e);
    store_close(o.params.store);
done:
    cli_list_free(&o.items);
    cli_list_free(&o.suites);
    cli_list_free(&o.models);
    arena_free(&arena);
    return rc;
}

const struct cmd cmd_report = {
    .name = "report",
    .doc = "rankings, matrices, audits: tables and plots",
    .run = run,
};
