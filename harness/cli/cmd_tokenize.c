/* mokao tokenize: token ids and pieces of a text. */
#include "harness/base/json.h"
#include "harness/cli/cli_engine.h"
#include "harness/cli/cmd.h"

enum { OPT_SPECIAL = 0x100, OPT_MODELS, OPT_JSON };

struct options {
    const char *model, *models_file, *text;
    bool special, json;
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0, "a GGUF file or an id of the models file", 0 },
    { "models", OPT_MODELS, "FILE", 0, "models file (models.json)", 0 },
    { "special", OPT_SPECIAL, NULL, 0,
      "read control tokens in TEXT, add begin and end tokens", 0 },
    { "json", OPT_JSON, NULL, 0, "print as JSON", 0 },
    { 0 },
};

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    if (o->model && o->text)
        return 0;
    argp_error(st, "%s is missing",
               o->model ? "TEXT (- is stdin)" : "-m MODEL");
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case 'm':
        o->model = arg;
        return 0;
    case OPT_MODELS:
        o->models_file = arg;
        return 0;
    case OPT_SPECIAL:
        o->special = true;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->text)
            break;
        o->text = arg;
        return 0;
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
    argp_error(st, "one TEXT at a time: quote it");
    return EINVAL;
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "TEXT|-",
    .doc = "Shows the tokens of TEXT (- reads stdin): id and piece, as the "
           "vocabulary spells it.",
};

static void print_lines(const struct mk_model *m, const struct cli_ids *t,
                        struct buf *out)
{
    for (size_t i = 0; i < t->n; i++)
        buf_printf(out, "%d\t%s\n", t->v[i], mk_token_piece(m, t->v[i]));
}

static void print_json(const struct mk_model *m, const struct cli_ids *t,
                       struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_int(&w, "n", (int64_t)t->n);
    jw_array(&w, "ids");
    for (size_t i = 0; i < t->n; i++)
        jw_int(&w, NULL, t->v[i]);
    jw_end(&w);
    jw_array(&w, "pieces");
    for (size_t i = 0; i < t->n; i++)
        jw_str(&w, NULL, mk_token_piece(m, t->v[i]));
    jw_end(&w);
    jw_end(&w);
    buf_char(out, '\n');
}

static enum err_code show(const struct options *o, const struct mk_model *m,
                          struct str text, struct err *e)
{
    struct cli_ids t = { 0 };
    struct buf out;
    enum err_code rc = cli_tokenize(
        m, text, o->special ? MK_ADD_SPECIAL | MK_PARSE_SPECIAL : 0, &t, e);

    buf_init(&out, (size_t)1 << 30);
    if (!rc && o->json)
        print_json(m, &t, &out);
    else if (!rc)
        print_lines(m, &t, &out);
    if (!rc)
        rc = buf_check(&out, "tokens", e);
    if (!rc)
        rc = cli_print(&out, e);
    buf_free(&out);
    mem_free(t.v);
    return rc;
}

static int run(int argc, char **argv)
{
    const struct mk_model_params params = { .vocab_only = true };
    struct options o = { 0 };
    struct model_spec spec;
    struct mk_model *m = NULL;
    struct arena arena;
    struct buf text;
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc)
        return rc - 1;
    arena_init(&arena, 0);
    buf_init(&text, 1 << 28);
    rc = cli_text(o.text, &text, &e);
    if (!rc)
        rc = cli_engine_find(o.model, o.models_file, &arena, &spec, &e);
    if (!rc)
        rc = cli_engine_open(&m, spec.path, &params, &e);
    if (!rc)
        rc = show(&o, m, buf_view(&text), &e);
    if (rc)
        rc = cli_fail(&e);
    mk_model_close(m);
    buf_free(&text);
    arena_free(&arena);
    return rc;
}

const struct cmd cmd_tokenize = {
    .name = "tokenize",
    .doc = "token ids and pieces of a text",
    .run = run,
};
