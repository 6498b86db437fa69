/* mokao suite: what suites there are, what is in one and how it is asked,
 * whether it is sound, and a new one to start from. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_asking.h"
#include "harness/cli/cli_suite.h"
#include "harness/cli/cmd.h"

enum option_key {
    OPT_JSON = 0x100,
    OPT_TEMPLATE,
    OPT_SHOTS,
    OPT_ASK,
    OPT_COMPLETION
};

struct action {
    const char *name;
    size_t min_words, max_words;
    const char *what; /* the words it wants */
    enum err_code (*run)(struct cli_suite *o, struct err *e);
};

static const struct argp_option rows[] = {
    { "template", OPT_TEMPLATE, "NAME", 0,
      "show: prompt template (the suite's)", 0 },
    { "shots", OPT_SHOTS, "K", 0, "show: few-shot examples (0)", 0 },
    { "ask", OPT_ASK, "HOW", 0,
      "show: options by score or generate; auto as a local model is asked", 0 },
    { "completion", OPT_COMPLETION, NULL, 0,
      "show: plain text instead of a chat", 0 },
    { "format", 'f', "FORMAT", 0, "table, md, csv, json or html", 0 },
    { "json", OPT_JSON, NULL, 0, "the same as --format json", 0 },
    { 0 },
};

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the suites");
}

/* --- list ------------------------------------------------------------------ */

enum {
    ID,
    VERSION,
    TITLE,
    ABILITY,
    ITEMS,
    SUBSETS,
    TEMPLATE,
    DIGEST,
    PATH,
    N_COLS
};

/* one column a line */
/* clang-format off */
static const struct column list_cols[N_COLS] = {
    [ID] = { "id", "id", false, COLUMN_ALL },
    [VERSION] = { "version", "version", false, COLUMN_ALL },
    [TITLE] = { "title", "title", false, COLUMN_ALL },
    [ABILITY] = { "ability", "ability", false, COLUMN_ALL },
    [ITEMS] = { "items", "items", true, COLUMN_ALL },
    [SUBSETS] = { "subsets", "subsets", true, COLUMN_ALL },
    [TEMPLATE] = { "template", "template", false, COLUMN_ALL },
    [DIGEST] = { "digest", "digest", false, COLUMN_ALL },
    [PATH] = { "path", "path", false, COLUMN_ALL },
};
/* clang-format on */

static void fill_row(struct cli_suite *o, struct cell *c, const struct suite *s)
{
    struct arena *a = &o->arena;
    size_t subsets = 0;

    (void)cli_suite_subsets(s, a, &subsets);
    c[ID] = cell_text(arena_strdup(a, s->id));
    c[VERSION] = cell_text(arena_strdup(a, s->version));
    c[TITLE] = cell_text(arena_strdup(a, s->title_zh));
    c[ABILITY] = cell_text(arena_strdup(a, s->ability));
    c[ITEMS] = cell_int((int64_t)s->n_items);
    c[SUBSETS] = cell_int((int64_t)subsets);
    c[TEMPLATE] = cell_text(arena_strdup(a, s->template));
    c[DIGEST] = cell_text(cli_suite_digest(o, s->digest));
}

/* A broken suite stays in the list, with its fault below it. */
static void list_one(struct cli_suite *o, struct table *t, size_t row,
                     const char *path, size_t *broken)
{
    struct cell *c = table_cell(t, row, 0);
    struct suite *s;
    struct err e;

    c[PATH] = cell_text(path);
    if (suite_open(&s, path, &e) == ERR_OK) {
        fill_row(o, c, s);
        suite_close(s);
        return;
    }
    c[ID] = cell_text("(broken)");
    table_note(t, "%s", e.msg);
    ++*broken;
}

static enum err_code list(struct cli_suite *o, struct err *e)
{
    struct suite_ref *refs;
    struct table t;
    size_t n, broken = 0;
    enum err_code rc = suite_list(&o->arena, &refs, &n, e);

    if (!rc)
        rc = table_init(&t, &o->arena, "Suites", list_cols, N_COLS, n, e);
    for (size_t i = 0; !rc && i < n; i++)
        list_one(o, &t, i, refs[i].path, &broken);
    if (!rc && n == 0)
        table_note(&t, "no suites: see mokao suite new, mokao import");
    if (!rc)
        rc = cli_print_tables(&t, 1, o->format, e);
    if (!rc && broken)
        rc = err_set(e, ERR_FORMAT,
                     "%zu of %zu suites cannot be read: see "
                     "mokao suite check",
                     broken, n);
    return rc;
}

/* --- new ------------------------------------------------------------------- */

static const char guide[] =
    "# How this suite is made\n"
    "\n"
    "`mokao suite check .` tells every fault with file, line and field.\n"
    "\n"
    "suite.json: what the suite is.\n"
    "\n"
    "- `id`: the folder's name; `version`: change it when items change.\n"
    "- `title`: `zh` and `en`; `ability`: a path such as "
    "`基础能力/逻辑与推理`.\n"
    "- `language`, `licence`, `authors`, `canary` (a line that tells whether "
    "the suite leaked into training data).\n"
    "- `template`: how items are asked; `mokao suite show ID ITEM --template "
    "NAME` shows a prompt.\n"
    "- `matcher`: how answers are judged, such as `{\"name\":\"choice\"}`.\n"
    "- `few_shot`: `{\"file\":\"dev.jsonl\"}`; `metric`: `accuracy` or "
    "`score`.\n"
    "- `subset_titles`: `{\"SUBSET\":{\"zh\":\"...\",\"en\":\"...\"}}`.\n"
    "\n"
    "items.jsonl: one item a line.\n"
    "\n"
    "- `id`, `question`, `answer` (a text, a list of accepted ones, or the "
    "matcher's object).\n"
    "- `choices`: `{\"A\":\"...\",\"B\":\"...\"}`; the answer is then a "
    "letter.\n"
    "- or `turns`: `[{\"question\":...},{\"question\":...,\"answer\":...}]` "
    "for a conversation.\n"
    "- `subset`, `context` (a passage), `system` (a role), `matcher` (its "
    "own), `explanation`, `difficulty`, `tags`, `source`.\n"
    "\n"
    "dev.jsonl: examples for `--shots`, in the same form.\n";

static const struct choice sample_choices[] = {
    { "A", "成都" }, { "B", "广州" }, { "C", "武汉" }, { "D", "西安" }
};

static const struct item sample_items[] = {
    { .id = "001",
      .subset = "",
      .question = "四川省的省会是哪一座城市？",
      .n_choices = 4,
      .answer = "\"A\"",
      .explanation = "四川省的省会是成都。",
      .difficulty = "easy" },
    { .id = "002",
      .subset = "",
      .question = "计算 12 + 30 的结果。只写数字。",
      .answer = "\"42\"",
      .matcher = "{\"name\":\"number\"}",
      .difficulty = "easy" },
};

static const struct item sample_dev[] = {
    { .id = "d1",
      .subset = "",
      .question = "湖北省的省会是哪一座城市？",
      .n_choices = 4,
      .answer = "\"C\"",
      .explanation = "湖北省的省会是武汉。" },
};

/* The folder's last name, without closing slashes. */
static const char *base_name(struct arena *a, const char *path)
{
    size_t n = strlen(path), at;

    while (n > 1 && path[n - 1] == '/')
        n--;
    for (at = n; at > 0 && path[at - 1] != '/';)
        at--;
    return arena_dup(a, path + at, n - at);
}

static enum err_code write_sample(const char *id, const char *path,
                                  struct err *e)
{
    struct choice choices[4];
    struct item items[2], dev[1];
    const struct suite s = {
        .id = id,
        .version = "0.1",
        .title_zh = "新评测集",
        .title_en = "New suite",
        .ability = "基础能力/知识",
        .language = "zh",
        .licence = "CC-BY-4.0",
        .template = "choice-zh",
        .matcher = "{\"name\":\"choice\"}",
        .metric = "accuracy",
        .items = items,
        .n_items = 2,
        .dev = dev,
        .n_dev = 1,
    };

    memcpy(choices, sample_choices, sizeof choices);
    memcpy(items, sample_items, sizeof items);
    memcpy(dev, sample_dev, sizeof dev);
    items[0].choices = dev[0].choices = choices;
    return suite_write(&s, path, e);
}

static enum err_code new (struct cli_suite *o, struct err *e) {
    const char *path = o->words.v[0];
    const char *id = base_name(&o->arena, path);
    char *readme = io_join(&o->arena, path, "README.md");
    struct buf out;
    enum err_code rc;

    if (o->arena.failed) return no_memory(e);
    if (!suite_id_is_valid(id)) return err_set(
        e, ERR_USAGE,
        "%s: the last part becomes the suite's id: expected "
        "small letters, digits, - _ .",
        path);
    if (io_exists(path)) return err_set(e, ERR_USAGE, "%s is there already",
                                        path);
    rc = write_sample(id, path, e);
    if (!rc) rc = io_replace(readme, str_of(guide), e);
    if (rc) return rc;
    buf_init(&out, 4096);
    buf_printf(&out, "%s: see its README.md, then `mokao suite check %s`\n",
               path, path);
    rc = cli_print(&out, e);
    buf_free(&out);
    return rc;
}

/* --- the verb -------------------------------------------------------------- */

static const struct action actions[] = {
    { "check", 1, SIZE_MAX, "one or more suites", cli_suite_check },
    { "list", 0, 0, "nothing more", list },
    { "new", 1, 1, "a folder", new },
    { "show", 1, 2, "a suite, and may be an item", cli_suite_show },
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    }
    return NULL;
}

struct options {
    struct cli_suite suite;
    const struct action *action;
};

static error_t parse_word(struct argp_state *st, const char *arg,
                          struct options *o)
{
    if (o->action)
        return cli_list_add(&o->suite.words, arg);
    o->action = find_action(arg);
    if (o->action)
        return 0;
    argp_error(st, "expected check, list, new or show, got \"%s\"", arg);
    return EINVAL;
}

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    size_t n = o->suite.words.n;

    if (!o->action)
        argp_error(st, "expected check, list, new or show");
    else if (n < o->action->min_words || n > o->action->max_words)
        argp_error(st, "suite %s wants %s", o->action->name, o->action->what);
    else
        return 0;
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case OPT_TEMPLATE:
        o->suite.prompt.template = arg;
        return 0;
    case OPT_SHOTS:
        return cli_arg_int(st, "--shots", arg, 0, 1000, &o->suite.shots);
    case OPT_ASK:
        return cli_arg_ask(st, arg, &o->suite.prompt.ask);
    case OPT_COMPLETION:
        o->suite.prompt.completion = true;
        return 0;
    case 'f':
        return cli_arg_format(st, arg, &o->suite.format);
    case OPT_JSON:
        o->suite.format = &format_json;
        return 0;
    case ARGP_KEY_ARG:
        return parse_word(st, arg, o);
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "list\nshow SUITE [ITEM]\ncheck SUITE...\nnew DIR",
    .doc = "Lists the suites that are found; shows a suite, or an item and "
           "its prompt; tells every fault of suites; writes a small suite to "
           "start from.\vA SUITE is an id, ID/SUBSET, a glob, or the path of "
           "a folder. Ids are looked for in the folders of MOKAO_SUITES, "
           "./suites/data, ./suites/imported, the user's data folder, and "
           "where mokao is installed.",
};

static int run(int argc, char **argv)
{
    struct options o = { .suite = { .format = &format_table } };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    arena_init(&o.suite.arena, 0);
    o.suite.prompt.shots = (size_t)o.suite.shots;
    if (rc)
        rc--;
    else if (o.action->run(&o.suite, &e))
        rc = cli_fail(&e);
    cli_list_free(&o.suite.words);
    arena_free(&o.suite.arena);
    return rc;
}

const struct cmd cmd_suite = {
    .name = "suite",
    .doc = "lists, shows, checks and makes suites",
    .run = run,
};
