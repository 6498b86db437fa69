/* mokao model: what models there are, what is in a GGUF file, whether it runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_engine.h"
#include "harness/cli/cli_providers.h"
#include "harness/cli/cli_table.h"
#include "harness/cli/cli_try.h"
#include "harness/cli/cmd.h"

enum option_key { OPT_JSON = 0x100, OPT_TENSORS, OPT_CONTEXT, OPT_PROVIDERS };

enum { VALUE_BYTES = 512, TEXT_BYTES = 1 << 16, DEFAULT_CONTEXT = 4096 };

struct options {
    struct cli_engine engine;
    const struct action *action;
    const struct report_format *format;
    struct cli_list models;
    int64_t context;
    bool tensors, providers;
    struct arena arena;
};

struct action {
    const char *name;
    size_t min_models;
    enum err_code (*run)(struct options *o, struct err *e);
};

static const struct argp_option rows[] = {
    { "context", OPT_CONTEXT, "N", 0,
      "show: memory for N positions of KV cache (4096)", 0 },
    { "providers", OPT_PROVIDERS, NULL, 0,
      "list: the services that models can be asked of, and whether their keys "
      "are set",
      0 },
    { "tensors", OPT_TENSORS, NULL, 0, "show: every tensor by itself", 0 },
    { "format", 'f', "FORMAT", 0, "table, md, csv, json or html", 0 },
    { "json", OPT_JSON, NULL, 0, "the same as --format json", 0 },
    { 0 },
};

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the table");
}

/* --- list ----------------------------------------------------------------- */

/* Whether the file behind a model is here; what needs no file is. */
static const char *state_of(const struct model_spec *m)
{
    if (strcmp(m->kind, "gguf") != 0 && strcmp(m->kind, "replay") != 0)
        return "remote";
    return io_exists(m->path) ? "here" : "missing";
}

static enum err_code list_models(struct options *o, struct err *e)
{
    static const struct column cols[] = {
        { "id", "id", false, COLUMN_ALL },
        { "name", "name", false, COLUMN_ALL },
        { "vendor", "vendor", false, COLUMN_ALL },
        { "runner", "runner", false, COLUMN_ALL },
        { "size_b", "size (10^9)", true, COLUMN_ALL },
        { "state", "state", false, COLUMN_ALL },
        { "path", "path", false, COLUMN_ALL },
    };
    enum { N = sizeof cols / sizeof *cols };
    struct model_spec *m;
    struct table t;
    size_t n;
    enum err_code rc = model_list(o->engine.models_file, &o->arena, &m, &n, e);

    if (!rc)
        rc = table_init(&t, &o->arena, "Models", cols, N, n, e);
    for (size_t i = 0; !rc && i < n; i++) {
        struct cell *c = table_cell(&t, i, 0);
        c[0] = cell_text(m[i].id);
        c[1] = cell_text(m[i].name);
        c[2] = cell_text(m[i].vendor);
        c[3] = cell_text(m[i].kind);
        c[4] = cell_num(m[i].size_b > 0 ? m[i].size_b : NAN, 3);
        c[5] = cell_text(state_of(&m[i]));
        c[6] = cell_text(m[i].path);
    }
    if (!rc && !n)
        table_note(&t, "no models file, or an empty one: models.json here");
    return rc ? rc : cli_print_tables(&t, 1, o->format, e);
}

static enum err_code list(struct options *o, struct err *e)
{
    return o->providers ? cli_list_providers(o->format, &o->arena, e)
                        : list_models(o, e);
}

/* --- show ----------------------------------------------------------------- */

enum {
    PATH,
    NAME,
    ARCH,
    TYPE,
    PARAMETERS,
    FILE_BYTES,
    WEIGHT_BYTES,
    KV_BYTES,
    CONTEXT_BYTES,
    DECODE_BYTES,
    MEMORY,
    LAYERS,
    WIDTH,
    HEADS,
    KV_HEADS,
    HEAD_DIM,
    TRAINED,
    TOKENIZER,
    VOCAB,
    BOS,
    EOS,
    ADD_BOS,
    DEVICE,
    CHAT,
    EXAMPLE,
    N_FACTS
};

/* One column a line. */
/* clang-format off */
static const struct column facts[N_FACTS] = {
    [PATH] = { "path", "file", false, COLUMN_ALL },
    [NAME] = { "name", "name", false, COLUMN_ALL },
    [ARCH] = { "arch", "architecture", false, COLUMN_ALL },
    [TYPE] = { "file_type", "tensor type", false, COLUMN_ALL },
    [PARAMETERS] = { "parameters", "parameters", true, COLUMN_ALL },
    [FILE_BYTES] = { "file_bytes", "file bytes", true, COLUMN_ALL },
    [WEIGHT_BYTES] = { "weight_bytes", "held beside the file", true, COLUMN_ALL },
    [KV_BYTES] = { "kv_bytes", "KV bytes a position", true, COLUMN_ALL },
    [CONTEXT_BYTES] = { "context_bytes", "context bytes", true, COLUMN_ALL },
    [DECODE_BYTES] = { "decode_bytes", "bytes read a token", true, COLUMN_ALL },
    [MEMORY] = { "memory", "memory needed", false, COLUMN_PEOPLE },
    [LAYERS] = { "layers", "layers", true, COLUMN_ALL },
    [WIDTH] = { "width", "width", true, COLUMN_ALL },
    [HEADS] = { "heads", "heads", true, COLUMN_ALL },
    [KV_HEADS] = { "kv_heads", "KV heads", true, COLUMN_ALL },
    [HEAD_DIM] = { "head_dim", "head dimension", true, COLUMN_ALL },
    [TRAINED] = { "context_trained", "trained context", true, COLUMN_ALL },
    [TOKENIZER] = { "tokenizer", "tokenizer", false, COLUMN_ALL },
    [VOCAB] = { "vocab", "vocabulary", true, COLUMN_ALL },
    [BOS] = { "bos", "begin token", true, COLUMN_ALL },
    [EOS] = { "eos", "end token", true, COLUMN_ALL },
    [ADD_BOS] = { "add_bos", "begins with it", true, COLUMN_ALL },
    [DEVICE] = { "device", "device", false, COLUMN_ALL },
    [CHAT] = { "chat", "chat template", false, COLUMN_ALL },
    [EXAMPLE] = { "chat_example", "a chat as it is sent", false, COLUMN_ALL },
};
/* clang-format on */

static struct cell token_cell(int32_t id)
{
    return id < 0 ? cell_text(NULL) : cell_int(id);
}

static struct cell bytes_cell(uint64_t n)
{
    return cell_int((int64_t)n);
}

/* NULL when the model has no chat template. */
static const char *chat_example(const struct mk_model *m, struct arena *a)
{
    static const struct mk_message msgs[] = {
        { "system", "你是一个有帮助的助手。" },
        { "user", "你好!" },
    };
    char *text = arena_alloc(a, TEXT_BYTES);
    size_t n;

    if (!text ||
        mk_chat_text(m, NULL, msgs, 2, true, text, TEXT_BYTES - 1, &n, NULL))
        return NULL;
    text[n < TEXT_BYTES ? n : TEXT_BYTES - 1] = '\0';
    return text;
}

static const char *memory_text(const struct mk_model_info *f, uint64_t ctx,
                               int64_t context, struct arena *a)
{
    char all[32], file[32], held[32], kv[32];

    cli_human_bytes((double)(f->file_bytes + f->weight_bytes + ctx), all,
                    sizeof all);
    cli_human_bytes((double)f->file_bytes, file, sizeof file);
    cli_human_bytes((double)f->weight_bytes, held, sizeof held);
    cli_human_bytes((double)ctx, kv, sizeof kv);
    return arena_printf(a,
                        "%s: %s mapped file, %s beside it, %s for %lld "
                        "positions",
                        all, file, held, kv, (long long)context);
}

static void fill_facts(struct cell *c, const struct mk_model *m,
                       const char *path, struct options *o)
{
    const struct mk_model_info *f = mk_model_info(m);
    const struct mk_ctx_params ctx = { .n_positions = (size_t)o->context };
    uint64_t ctx_bytes = mk_ctx_bytes(m, &ctx);

    c[PATH] = cell_text(path);
    c[NAME] = cell_text(*f->name ? f->name : NULL);
    c[ARCH] = cell_text(f->arch);
    c[TYPE] = cell_text(f->file_type);
    c[PARAMETERS] = bytes_cell(f->n_params);
    c[FILE_BYTES] = bytes_cell(f->file_bytes);
    c[WEIGHT_BYTES] = bytes_cell(f->weight_bytes);
    c[KV_BYTES] = bytes_cell(f->kv_bytes);
    c[CONTEXT_BYTES] = bytes_cell(ctx_bytes);
    c[DECODE_BYTES] = bytes_cell(f->decode_bytes);
    c[MEMORY] = cell_text(memory_text(f, ctx_bytes, o->context, &o->arena));
    c[LAYERS] = cell_int(f->n_layer);
    c[WIDTH] = cell_int(f->n_embd);
    c[HEADS] = cell_int(f->n_head);
    c[KV_HEADS] = cell_int(f->n_kv_head);
    c[HEAD_DIM] = cell_int(f->head_dim);
    c[TRAINED] = cell_int(f->n_ctx_train);
    c[TOKENIZER] = cell_text(f->tokenizer);
    c[VOCAB] = cell_int(f->n_vocab);
    c[BOS] = token_cell(f->bos);
    c[EOS] = token_cell(f->eos);
    c[ADD_BOS] = cell_int(f->add_bos);
    c[DEVICE] = cell_text(f->device);
    c[CHAT] = cell_text(*f->chat ? f->chat : NULL);
    c[EXAMPLE] = cell_text(chat_example(m, &o->arena));
}

static enum err_code facts_table(struct table *t, const struct mk_model *m,
                                 const char *path, struct options *o,
                                 struct err *e)
{
    enum err_code rc = table_init(t, &o->arena, "Model", facts, N_FACTS, 1, e);

    if (rc)
        return rc;
    t->records = true;
    fill_facts(table_cell(t, 0, 0), m, path, o);
    return table_check(t, e);
}

static enum err_code meta_table(struct table *t, const struct mk_model *m,
                                struct options *o, struct err *e)
{
    static const struct column cols[] = {
        { "key", "key", false, COLUMN_ALL },
        { "type", "type", false, COLUMN_ALL },
        { "value", "value", false, COLUMN_ALL },
    };
    size_t n = mk_model_info(m)->n_meta;
    enum err_code rc = table_init(t, &o->arena, "Metadata", cols, 3, n, e);

    for (size_t i = 0; !rc && i < n; i++) {
        struct cell *c = table_cell(t, i, 0);
        const char *key = "", *type = "";
        char *value = arena_alloc(&o->arena, VALUE_BYTES);
        if (!value)
            return no_memory(e);
        if (mk_model_meta(m, i, &key, &type, value, VALUE_BYTES))
            return err_set(e, ERR_FORMAT, "metadata entry %zu", i);
        c[0] = cell_text(arena_strdup(&o->arena, key));
        c[1] = cell_text(type);
        c[2] = cell_text(value);
    }
    return rc;
}

struct tensor {
    const char *name, *type;
    int64_t dims[4];
    uint64_t bytes;
};

static int64_t elements(const struct tensor *t)
{
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
}

/* Sums by type, in the order in which the types first occur. */
static size_t sum_types(const struct tensor *all, size_t n, struct tensor *sum,
                        int64_t *count)
{
    size_t types = 0, k;

    for (size_t i = 0; i < n; i++) {
        for (k = 0; k < types && strcmp(sum[k].type, all[i].type) != 0; k++)
            ;
        if (k == types) {
            sum[types++] = (struct tensor){ .type = all[i].type };
            count[k] = 0;
        }
        count[k]++;
        sum[k].dims[0] += elements(&all[i]);
        sum[k].bytes += all[i].bytes;
    }
    return types;
}

static enum err_code types_table(struct table *t, const struct tensor *all,
                                 size_t n, struct options *o, struct err *e)
{
    static const struct column cols[] = {
        { "type", "type", false, COLUMN_ALL },
        { "tensors", "tensors", true, COLUMN_ALL },
        { "elements", "elements", true, COLUMN_ALL },
        { "bytes", "bytes", true, COLUMN_ALL },
    };
    struct tensor *sum = arena_array(&o->arena, n, sizeof *sum);
    int64_t *count = arena_array(&o->arena, n, sizeof *count);
    size_t types;
    enum err_code rc;

    if (o->arena.failed)
        return no_memory(e);
    types = sum_types(all, n, sum, count);
    rc = table_init(t, &o->arena, "Tensors by type", cols, 4, types, e);
    for (size_t i = 0; !rc && i < types; i++) {
        struct cell *c = table_cell(t, i, 0);
        c[0] = cell_text(sum[i].type);
        c[1] = cell_int(count[i]);
        c[2] = cell_int(sum[i].dims[0]);
        c[3] = bytes_cell(sum[i].bytes);
    }
    return rc;
}

static enum err_code tensors_table(struct table *t, const struct tensor *all,
                                   size_t n, struct options *o, struct err *e)
{
    static const struct column cols[] = {
        { "name", "name", false, COLUMN_ALL },
        { "type", "type", false, COLUMN_ALL },
        { "shape", "shape", false, COLUMN_ALL },
        { "bytes", "bytes", true, COLUMN_ALL },
    };
    enum err_code rc = table_init(t, &o->arena, "Tensors", cols, 4, n, e);

    for (size_t i = 0; !rc && i < n; i++) {
        struct cell *c = table_cell(t, i, 0);
        const int64_t *d = all[i].dims;
        c[0] = cell_text(all[i].name);
        c[1] = cell_text(all[i].type);
        c[2] = cell_text(arena_printf(&o->arena, "%lld x %lld x %lld x %lld",
                                      (long long)d[0], (long long)d[1],
                                      (long long)d[2], (long long)d[3]));
        c[3] = bytes_cell(all[i].bytes);
    }
    return rc;
}

static enum err_code read_tensors(const struct mk_model *m, struct tensor **out,
                                  struct options *o, struct err *e)
{
    size_t n = mk_model_info(m)->n_tensors;
    struct tensor *all = arena_array(&o->arena, n, sizeof *all);

    if (!all)
        return no_memory(e);
    for (size_t i = 0; i < n; i++) {
        const char *name = "";
        if (mk_model_tensor(m, i, &name, &all[i].type, all[i].dims,
                            &all[i].bytes))
            return err_set(e, ERR_FORMAT, "tensor %zu", i);
        all[i].name = arena_strdup(&o->arena, name);
    }
    *out = all;
    return ERR_OK;
}

static enum err_code show_model(struct options *o, const struct mk_model *m,
                                const char *path, struct err *e)
{
    struct table t[4];
    struct tensor *all = NULL;
    size_t n = mk_model_info(m)->n_tensors;
    enum err_code rc = read_tensors(m, &all, o, e);

    if (!rc)
        rc = facts_table(&t[0], m, path, o, e);
    if (!rc)
        rc = types_table(&t[1], all, n, o, e);
    if (!rc)
        rc = meta_table(&t[2], m, o, e);
    if (!rc && o->tensors)
        rc = tensors_table(&t[3], all, n, o, e);
    if (!rc && o->arena.failed)
        rc = no_memory(e);
    return rc ? rc : cli_print_tables(t, o->tensors ? 4 : 3, o->format, e);
}

static enum err_code show(struct options *o, struct err *e)
{
    struct model_spec spec;
    struct mk_model *m = NULL;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; !rc && i < o->models.n; i++) {
        rc = cli_engine_find(o->models.v[i], o->engine.models_file, &o->arena,
                             &spec, e);
        if (!rc)
            rc = cli_engine_open(&m, spec.path, &o->engine.params, e);
        if (!rc)
            rc = show_model(o, m, spec.path, e);
        mk_model_close(m);
        m = NULL;
    }
    return rc;
}

/* --- check ---------------------------------------------------------------- */

static void check_one(struct options *o, const char *spec, struct check *c)
{
    struct model_spec m;
    struct err e;

    *c = (struct check){ .id = spec, .ask = "" };
    if (model_find(spec, o->engine.models_file, &o->arena, &m, &e)) {
        c->code = e.code;
        c->message = arena_strdup(&o->arena, e.msg);
    } else {
        cli_try(&m, &o->engine.params, &o->arena, c);
    }
}

static enum err_code print_checks(struct options *o, const struct check *c,
                                  size_t n, struct err *e)
{
    static const struct column cols[] = {
        { "model", "model", false, COLUMN_ALL },
        { "state", "state", false, COLUMN_ALL },
        { "ask", "asked by", false, COLUMN_ALL },
        { "ms", "ms", true, COLUMN_ALL },
        { "message", "message", false, COLUMN_ALL },
    };
    struct table t;
    enum err_code rc = table_init(&t, &o->arena, "Models", cols, 5, n, e);

    for (size_t i = 0; !rc && i < n; i++) {
        struct cell *row = table_cell(&t, i, 0);
        row[0] = cell_text(c[i].id);
        row[1] = cell_text(c[i].code ? err_name(c[i].code) : "ok");
        row[2] = cell_text(c[i].ask);
        row[3] = cell_num((double)c[i].ns / 1e6, 0);
        row[4] = cell_text(c[i].message);
    }
    if (!rc)
        rc = table_check(&t, e);
    return rc ? rc : cli_print_tables(&t, 1, o->format, e);
}

/* Without names: every GGUF model of the models file. */
static enum err_code models_to_check(struct options *o, struct err *e)
{
    struct model_spec *m;
    size_t n;
    enum err_code rc;

    if (o->models.n)
        return ERR_OK;
    rc = model_list(o->engine.models_file, &o->arena, &m, &n, e);
    for (size_t i = 0; !rc && i < n; i++)
        if (!strcmp(m[i].kind, "gguf") && cli_list_add(&o->models, m[i].id))
            rc = no_memory(e);
    if (!rc && !o->models.n)
        rc =
            err_set(e, ERR_USAGE, "no GGUF model in the models file: name one");
    return rc;
}

static enum err_code check(struct options *o, struct err *e)
{
    struct check *c;
    size_t failed = 0;
    enum err_code rc = models_to_check(o, e);

    if (rc)
        return rc;
    c = arena_array(&o->arena, o->models.n, sizeof *c);
    if (!c)
        return no_memory(e);
    for (size_t i = 0; i < o->models.n; i++)
        check_one(o, o->models.v[i], &c[i]);
    rc = print_checks(o, c, o->models.n, e);
    for (size_t i = o->models.n; !rc && i-- > 0;)
        failed = c[i].code ? i + 1 : failed;
    if (failed) /* the first failure decides the exit status */
        return err_set(e, c[failed - 1].code, "model %s: %s", c[failed - 1].id,
                       c[failed - 1].message);
    return rc;
}

/* --- the verb ------------------------------------------------------------- */

static const struct action actions[] = {
    { "check", 0, check },
    { "list", 0, list },
    { "show", 1, show },
};

static error_t parse_word(struct argp_state *st, const char *arg,
                          struct options *o)
{
    if (o->action)
        return cli_list_add(&o->models, arg);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (!strcmp(actions[i].name, arg))
            o->action = &actions[i];
    if (o->action)
        return 0;
    argp_error(st, "expected list, show or check, got \"%s\"", arg);
    return EINVAL;
}

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    if (!o->action)
        argp_error(st, "expected list, show or check");
    else if (o->models.n < o->action->min_models)
        argp_error(st, "%s what? Give a GGUF file or a model's id",
                   o->action->name);
    else
        return 0;
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case ARGP_KEY_INIT:
        st->child_inputs[0] = &o->engine;
        return 0;
    case OPT_CONTEXT:
        return cli_arg_int(st, "--context", arg, 1, 1 << 24, &o->context);
    case OPT_TENSORS:
        o->tensors = true;
        return 0;
    case OPT_PROVIDERS:
        o->providers = true;
        return 0;
    case 'f':
        return cli_arg_format(st, arg, &o->format);
    case OPT_JSON:
        o->format = &format_json;
        return 0;
    case ARGP_KEY_ARG:
        return parse_word(st, arg, o);
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = { { .argp = &cli_engine_argp },
                                              { 0 } };
static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "list\nshow MODEL...\ncheck [MODEL...]",
    .doc =
        "Lists the models of the models file; shows what is in a GGUF file "
        "and what it needs; checks that models answer by asking for one token.",
    .children = children,
};

static int run(int argc, char **argv)
{
    struct options o = { .format = &format_table, .context = DEFAULT_CONTEXT };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    arena_init(&o.arena, 0);
    if (rc)
        rc--;
    else if (o.action->run(&o, &e))
        rc = cli_fail(&e);
    cli_list_free(&o.models);
    arena_free(&o.arena);
    return rc;
}

const struct cmd cmd_model = {
    .name = "model",
    .doc = "lists, shows and checks models",
    .run = run,
};
