/* mokao import: other people's benchmarks as suites, other harnesses' outputs as
 * responses of a model. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_table.h"
#include "harness/cli/cmd.h"
#include "harness/cli/import_outputs.h"
#include "suites/suite.h"

enum option_key {
    OPT_DEST = 0x100,
    OPT_JSON,
    OPT_DB,
    OPT_VENDOR,
    OPT_SUITE_ID,
    OPT_MATCHER,
    OPT_TRIAL,
    OPT_OFFICIAL,
    OPT_DIFFERENCES
};

struct options {
    const struct report_format *format;
    const char *name, *path, *dest;
    struct import_options outputs;
    struct arena arena;
};

static const struct argp_option rows[] = {
    { "dest", OPT_DEST, "DIR", 0,
      "folder for the suite (./suites/imported, or the user's data folder)",
      0 },
    { "format", 'f', "FORMAT", 0, "table, md, csv, json or html", 0 },
    { "json", OPT_JSON, NULL, 0, "the same as --format json", 0 },
    { NULL, 0, NULL, 0, "Outputs of other harnesses:", 2 },
    { "db", OPT_DB, "FILE", 0, "results database (" DEFAULT_DB ")", 2 },
    { "model", 'm', "MODEL", 0, "whose outputs these are (as the files say)",
      2 },
    { "vendor", OPT_VENDOR, "NAME", 0, "of that model", 2 },
    { "suite", 's', "SUITE", 0,
      "a suite that is there, whose items were asked (one is made anew)", 2 },
    { "suite-id", OPT_SUITE_ID, "ID", 0, "of the suite that is made", 2 },
    { "matcher", OPT_MATCHER, "JSON", 0,
      "judges all items: {\"name\":\"choice\"} (as the files say)", 2 },
    { "trial", OPT_TRIAL, "N", 0, "number of this run of the model (0)", 2 },
    { "official", OPT_OFFICIAL, NULL, 0,
      "judge by the benchmark's own rules, not by ours", 2 },
    { "differences", OPT_DIFFERENCES, NULL, 0,
      "list the items whose verdict is not that of the files", 2 },
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

/* The nearest name of both tables. */
static enum err_code no_format(const char *name, struct err *e)
{
    const char *near = "";
    size_t least;

    (void)suite_format_find(name, &near);
    least = text_distance(str_of(name), str_of(near));
    for (size_t i = 0; output_formats[i]; i++) {
        size_t d = text_distance(str_of(name), str_of(output_formats[i]->name));
        if (d < least) {
            least = d;
            near = output_formats[i]->name;
        }
    }
    return err_set(e, ERR_USAGE,
                   "no format \"%s\"; did you mean \"%s\"? mokao import "
                   "--help names them",
                   name, near);
}

static enum err_code import_suite(struct options *o,
                                  const struct suite_format *f, struct err *e)
{
    struct suite *s = NULL;
    size_t n;
    char *path;
    enum err_code rc = f->import(o->path, o->dest, &n, e);

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

static enum err_code import(struct options *o, struct err *e)
{
    const struct suite_format *suites = suite_format_find(o->name, NULL);
    const struct output_format *outputs = output_format_find(o->name);
    enum err_code rc = ERR_OK;

    if (!suites && !outputs)
        return no_format(o->name, e);
    if (!o->dest)
        rc = suite_import_dir(&o->arena, &o->dest, e);
    if (rc)
        return rc;
    if (suites)
        return import_suite(o, suites, e);
    o->outputs.how.dest = o->dest;
    o->outputs.format = o->format;
    return import_outputs(outputs, o->path, &o->outputs, &o->arena, e);
}

static error_t parse_output(int key, char *arg, struct argp_state *st,
                            struct import_options *o)
{
    int64_t trial = 0;
    error_t rc;

    switch (key) {
    case OPT_DB:
        o->db = arg;
        return 0;
    case 'm':
        o->how.model = arg;
        return 0;
    case OPT_VENDOR:
        o->how.vendor = arg;
        return 0;
    case 's':
        o->how.suite = arg;
        return 0;
    case OPT_SUITE_ID:
        o->how.suite_id = arg;
        return 0;
    case OPT_MATCHER:
        o->how.matcher = arg;
        return 0;
    case OPT_TRIAL:
        rc = cli_arg_int(st, "trial", arg, 0, 1000000, &trial);
        o->how.trial = (size_t)trial;
        return rc;
    case OPT_OFFICIAL:
        o->official = true;
        return 0;
    case OPT_DIFFERENCES:
        o->differences = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
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
        return parse_output(key, arg, st, &o->outputs);
    }
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "FORMAT PATH",
    .doc =
        "Turns another project's benchmark into a suite (one imported before is "
        "replaced as a whole), or another harness's outputs into responses of "
        "a model, judged by our matchers; their items become a suite that other "
        "models can be asked.\vBenchmarks:\n"
        "  ceval         C-Eval: dev/SUBJECT_dev.csv, val/SUBJECT_val.csv, "
        "subject_mapping.json\n"
        "  cmmlu         CMMLU: dev/SUBJECT.csv and test/SUBJECT.csv\n"
        "  humaneval-x   HumanEval-X: humaneval_python.jsonl, "
        "humaneval_cpp.jsonl, or .gz\n"
        "  sesql         SeSQL: db_content.json, "
        "valid/valid-eval_predictions.json and .eval\n"
        "Outputs (a file, or a folder that is searched):\n"
        "  alpaca        AlpacaEval: a list of instruction, output, generator\n"
        "  evalscope     EvalScope: a run's folder, or files of its reviews/\n"
        "  gaokao-bench  GAOKAO-Bench: objective questions with model_output\n"
        "  inspect       inspect_ai: logs, *.eval or *.json\n"
        "  jsonl         JSON lines: id, question, choices, answer, response, "
        "model\n"
        "  lawbench      LawBench: predictions/zero_shot/MODEL/TASK.json\n"
        "  lm-eval       lm-evaluation-harness: samples_TASK_DATE.jsonl\n"
        "  mt-bench      MT-Bench: model_answer/MODEL.jsonl, question.jsonl\n"
        "  opencompass   OpenCompass: files of predictions/MODEL/",
};

static int run(int argc, char **argv)
{
    struct options o = { .format = &format_table,
                         .outputs = { .db = DEFAULT_DB } };
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
    .doc = "brings in public benchmarks, and other harnesses' outputs",
    .run = run,
};
