/* mokao serve: the engine behind an OpenAI-compatible endpoint, and the
 * leaderboard as a page that keeps itself up to date. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/log.h"
#include "harness/cli/cli_engine.h"
#include "harness/cli/cmd.h"
#include "harness/serve/serve.h"
#include "harness/serve/serve_guard.h"
#include "report/report.h"

#define TOKEN_VARIABLE "MOKAO_SERVE_TOKEN"

enum option_key {
    OPT_HOST = 0x100,
    OPT_NO_AUTH,
    OPT_NAME,
    OPT_TEMPLATE,
    OPT_DB,
    OPT_CONTEXT,
    OPT_CONCURRENCY,
    OPT_QUEUE,
    OPT_QUIET
};

struct options {
    struct cli_engine engine;
    const char *model, *host, *name, *template, *db;
    int64_t port, threads, context, concurrency, queue;
    bool no_auth, quiet;
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0, "a GGUF file or an id of the models file", 1 },
    { "name", OPT_NAME, "ID", 0,
      "what requests call the model (its id, or the file's name)", 1 },
    { "template", OPT_TEMPLATE, "NAME", 0,
      "chat template by name (the model's own)", 1 },
    { "host", OPT_HOST, "ADDRESS", 0, "listen there (127.0.0.1)", 2 },
    { "port", 'p', "N", 0, "0 takes one that is free (8080)", 2 },
    { "no-auth", OPT_NO_AUTH, NULL, 0,
      "ask for no token; on a loopback address only", 2 },
    { "db", OPT_DB, "FILE", 0,
      "results database of the page at / (" DEFAULT_DB ")", 3 },
    { "concurrency", OPT_CONCURRENCY, "N", 0,
      "answers computed together at the most (16)", 4 },
    { "queue", OPT_QUEUE, "N", 0, "answers that may wait beside (1024)", 4 },
    { "context", OPT_CONTEXT, "N", 0, "KV cache positions (by the model)", 4 },
    { "threads", 't', "N", 0, "threads (all cores)", 5 },
    { "quiet", OPT_QUIET, NULL, 0, "no line for each request", 6 },
    { 0 },
};

/* --- options -------------------------------------------------------------- */

static error_t parse_number(int key, const char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case 'p':
        return cli_arg_int(st, "--port", arg, 0, 65535, &o->port);
    case 't':
        return cli_arg_int(st, "--threads", arg, 1, 1024, &o->threads);
    case OPT_CONTEXT:
        return cli_arg_int(st, "--context", arg, 128, 1 << 24, &o->context);
    case OPT_CONCURRENCY:
        return cli_arg_int(st, "--concurrency", arg, 1, BATCH_MAX_PARALLEL,
                           &o->concurrency);
    case OPT_QUEUE:
        return cli_arg_int(st, "--queue", arg, 1, 1 << 20, &o->queue);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case ARGP_KEY_INIT:
        st->child_inputs[0] = &o->engine;
        return 0;
    case 'm':
        o->model = arg;
        return 0;
    case OPT_NAME:
        o->name = arg;
        return 0;
    case OPT_TEMPLATE:
        o->template = arg;
        return 0;
    case OPT_HOST:
        o->host = arg;
        return 0;
    case OPT_NO_AUTH:
        o->no_auth = true;
        return 0;
    case OPT_DB:
        o->db = arg;
        return 0;
    case OPT_QUIET:
        o->quiet = true;
        return 0;
    case ARGP_KEY_END:
        if (o->model)
            return 0;
        argp_error(st, "-m MODEL is missing");
        return EINVAL;
    default:
        return parse_number(key, arg, st);
    }
}

static const struct argp_child children[] = {
    { .argp = &cli_engine_argp, .group = 5 }, { 0 }
};
static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .doc = "Answers OpenAI's API (/v1/models, /v1/completions, "
           "/v1/chat/completions) with a model of the engine, and shows the "
           "leaderboard at /. The token that clients must send is printed at "
           "the start, or taken from " TOKEN_VARIABLE
           ". Ctrl-C finishes what is under way, a second one does not.",
    .children = children,
};

/* --- the page ------------------------------------------------------------- */

static void no_results(const char *why, struct buf *out)
{
    buf_str(out, "<!DOCTYPE html>\n<html lang=\"zh\"><meta charset=\"utf-8\">"
                 "<title>mokao</title>\n<p>no results yet 暂无结果: ");
    for (const char *p = why; *p; p++)
        if (strchr("<>&\"", *p))
            buf_printf(out, "&#%d;", *p);
        else
            buf_char(out, *p);
    buf_str(out, "</html>\n");
}

/* Opened anew each time, so that what a run has stored since is there.  A
 * database that cannot be read yet is no fault of who looks at the page. */
static enum err_code make_page(void *user, struct buf *out, struct err *e)
{
    static const struct report_style plain = { 0 };
    const struct options *o = user;
    struct arena arena;
    struct report_params p = { .alpha = 0.05, .arena = &arena };
    struct table *tables = NULL;
    size_t n = 0;
    enum err_code rc;

    if (store_open(&p.store, o->db, true, e)) {
        no_results(e->msg, out);
        return ERR_OK;
    }
    arena_init(&arena, 0);
    rc = report_rank.make(&p, &tables, &n, e);
    if (!rc)
        format_html.print(tables, n, &plain, out);
    store_close(p.store);
    arena_free(&arena);
    return rc;
}

/* --- serving -------------------------------------------------------------- */

struct server {
    const struct options *o;
    struct arena arena;
    struct mk_model *model;
    struct batch *batch;
    struct serve *serve;
    struct serve_params params;
    char token[GUARD_TOKEN_LEN + 1];
    bool made_token;
};

static enum err_code choose_token(struct server *s, struct err *e)
{
    const char *given = getenv(TOKEN_VARIABLE);

    if (s->o->no_auth)
        return ERR_OK;
    s->params.token = given ? given : s->token;
    s->made_token = !given;
    if (given && !*given)
        return err_set(e, ERR_USAGE,
                       TOKEN_VARIABLE " is empty: unset it or give a token");
    return given ? ERR_OK : guard_make_token(s->token, e);
}

/* The file's name without folder and ending. */
static const char *name_of_file(struct arena *a, const char *path)
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t n = strlen(base);
    struct str s = { base, n };

    if (str_ends(s, STR(".gguf")))
        n -= strlen(".gguf");
    return arena_dup(a, base, n);
}

static enum err_code choose_name(struct server *s,
                                 const struct model_spec *spec, struct err *e)
{
    struct api_model *m = &s->params.model;
    bool is_id = !strchr(spec->id, '/') && !strchr(spec->id, ':') &&
                 !str_ends(str_of(spec->id), STR(".gguf"));

    m->id = s->o->name ? s->o->name
            : is_id    ? spec->id
                       : name_of_file(&s->arena, spec->path);
    m->template = s->o->template ? s->o->template : spec->template;
    return m->id ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

/* A template of no such name is told now, not at the first request. */
static enum err_code check_template(const struct server *s, struct err *e)
{
    const char *name = s->params.model.template;

    for (size_t i = 0; name && strcmp(name, "plain") != 0; i++) {
        if (!mk_chat_name(i))
            return err_set(e, ERR_USAGE, "no chat template \"%s\"", name);
        if (!strcmp(mk_chat_name(i), name))
            break;
    }
    return ERR_OK;
}

static enum err_code open_batch(struct server *s, struct err *e)
{
    const struct options *o = s->o;
    struct batch_params p = { .model = s->model,
                              .n_threads = (int)o->threads,
                              .n_positions = (size_t)o->context,
                              .n_parallel = (size_t)o->concurrency,
                              .n_queue = (size_t)o->queue };
    struct api_model *m = &s->params.model;

    if (batch_open(&s->batch, &p, e))
        return e->code;
    s->params.batch = s->batch;
    m->model = s->model;
    m->context = batch_context(s->batch);
    m->room = batch_room(s->batch);
    m->created = io_wall_ms() / 1000;
    return ERR_OK;
}

static enum err_code open_server(struct server *s, struct err *e)
{
    const struct options *o = s->o;
    struct mk_model_params params = o->engine.params;
    struct model_spec spec;
    enum err_code rc;

    params.n_threads = (int)o->threads;
    rc = choose_token(s, e);
    if (!rc)
        rc = cli_engine_find(o->model, o->engine.models_file, &s->arena, &spec,
                             e);
    if (!rc)
        rc = choose_name(s, &spec, e);
    if (!rc)
        rc = check_template(s, e);
    if (!rc)
        rc = cli_engine_open(&s->model, spec.path, &params, e);
    if (!rc)
        rc = open_batch(s, e);
    if (!rc)
        rc = serve_open(&s->serve, &s->params, e);
    return rc;
}

static void greet(const struct server *s)
{
    const char *host = s->o->host;
    const char *open = strchr(host, ':') ? "[" : "", *shut = *open ? "]" : "";

    if (s->made_token)
        fprintf(stderr, "token: %s\n", s->token);
    printf("http://%s%s%s:%d/v1\n", open, host, shut, serve_port(s->serve));
    fflush(stdout);
}

static int interrupted(void *user)
{
    const volatile sig_atomic_t *n = user;

    return *n;
}

static int serve_until_stopped(struct server *s, struct err *e)
{
    const volatile sig_atomic_t *signals = cli_catch_signals();
    void *user;

    memcpy(&user, &signals, sizeof user); /* read only there too */
    if (open_server(s, e))
        return cli_fail(e);
    greet(s);
    serve_run(s->serve, interrupted, user);
    return *signals > 1 ? err_status(ERR_CANCELLED) : 0;
}

static int run(int argc, char **argv)
{
    struct options o = { .host = "127.0.0.1", .port = 8080, .db = DEFAULT_DB };
    struct server s = { .o = &o };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc)
        return rc - 1;
    if (o.quiet)
        log_set_level(LOG_WARN);
    arena_init(&s.arena, 0);
    s.params.host = o.host;
    s.params.port = (int)o.port;
    s.params.page = make_page;
    s.params.user = &o;
    rc = serve_until_stopped(&s, &e);
    serve_close(s.serve);
    batch_close(s.batch);
    mk_model_close(s.model);
    arena_free(&s.arena);
    return rc;
}

const struct cmd cmd_serve = {
    .name = "serve",
    .doc = "an OpenAI-compatible endpoint of the engine, and the leaderboard",
    .run = run,
};
