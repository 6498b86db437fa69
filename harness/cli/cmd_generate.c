/* mokao generate: one prompt through the engine, for trying and for comparing
 * with other engines.  It goes token by token, so that the log-probability of
 * each and the logits after the prompt can be shown; the tokens are those a job
 * of mk_jobs_run() would give. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/cli/cli_engine.h"
#include "harness/cli/cmd.h"

enum option_key {
    OPT_IDS = 0x100,
    OPT_LOGITS,
    OPT_TEMPERATURE,
    OPT_TOP_K,
    OPT_TOP_P,
    OPT_SEED,
    OPT_STOP,
    OPT_SYSTEM,
    OPT_TEMPLATE,
    OPT_JSON
};

enum { MAX_TOKENS = 1 << 20, MAX_LOGITS = 1000 };

struct options {
    struct cli_engine engine;
    const char *model, *prompt, *chat, *ids, *system, *template;
    int64_t n, logits, threads, top_k, seed;
    double temperature, top_p;
    struct cli_list stop;
    bool json;
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0, "a GGUF file or an id of the models file", 0 },
    { "prompt", 'p', "TEXT", 0, "continue this text (- is stdin)", 1 },
    { "chat", 'c', "TEXT", 0,
      "answer this message through the chat template (- is stdin)", 1 },
    { "ids", OPT_IDS, "N,N...", 0, "continue these token ids", 1 },
    { "system", OPT_SYSTEM, "TEXT", 0, "system message before --chat", 2 },
    { "template", OPT_TEMPLATE, "NAME", 0,
      "chat template by name (the model's own)", 2 },
    { "tokens", 'n', "N", 0, "generate N tokens at the most (128)", 3 },
    { "temperature", OPT_TEMPERATURE, "X", 0, "0 is greedy (0)", 3 },
    { "top-k", OPT_TOP_K, "N", 0, "the N likeliest tokens only (all)", 3 },
    { "top-p", OPT_TOP_P, "X", 0, "nucleus sampling (1)", 3 },
    { "seed", OPT_SEED, "S", 0, "of sampling (0)", 3 },
    { "stop", OPT_STOP, "TEXT", 0, "end before this text; repeatable", 3 },
    { "logits", OPT_LOGITS, "K", 0,
      "show the K largest logits after the prompt", 4 },
    { "json", OPT_JSON, NULL, 0,
      "print ids, pieces, log-probabilities and text as JSON", 4 },
    { "threads", 't', "N", 0, "threads (all cores)", 5 },
    { 0 },
};

/* --- options -------------------------------------------------------------- */

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    int inputs = (o->prompt != NULL) + (o->chat != NULL) + (o->ids != NULL);

    if (!o->model)
        argp_error(st, "-m MODEL is missing");
    else if (inputs != 1)
        argp_error(st, "give one of --prompt, --chat, --ids");
    else if (!o->chat && (o->system || o->template))
        argp_error(st, "--system and --template go with --chat");
    else
        return 0;
    return EINVAL;
}

static error_t parse_number(int key, const char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case 'n':
        return cli_arg_int(st, "-n", arg, 0, MAX_TOKENS, &o->n);
    case 't':
        return cli_arg_int(st, "--threads", arg, 1, 1024, &o->threads);
    case OPT_LOGITS:
        return cli_arg_int(st, "--logits", arg, 1, MAX_LOGITS, &o->logits);
    case OPT_TEMPERATURE:
        return cli_arg_num(st, "--temperature", arg, 0, 100, &o->temperature);
    case OPT_TOP_K:
        return cli_arg_int(st, "--top-k", arg, 0, INT32_MAX, &o->top_k);
    case OPT_TOP_P:
        return cli_arg_num(st, "--top-p", arg, 0, 1, &o->top_p);
    case OPT_SEED:
        return cli_arg_int(st, "--seed", arg, 0, INT64_MAX, &o->seed);
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
    case 'p':
        o->prompt = arg;
        return 0;
    case 'c':
        o->chat = arg;
        return 0;
    case OPT_IDS:
        o->ids = arg;
        return 0;
    case OPT_SYSTEM:
        o->system = arg;
        return 0;
    case OPT_TEMPLATE:
        o->template = arg;
        return 0;
    case OPT_STOP:
        return *arg ? cli_list_add(&o->stop, arg) : 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_END:
        return parse_end(st, o);
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
    .doc = "Puts one prompt through the engine and prints what it says.",
    .children = children,
};

/* --- prompt --------------------------------------------------------------- */

struct ids {
    int32_t *v;
    size_t n, cap;
};

static enum err_code ids_room(struct ids *t, size_t need, struct err *e)
{
    if (mem_grow(&t->v, &t->cap, need, sizeof *t->v))
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory for the tokens");
}

static enum err_code read_ids(const char *s, int32_t n_vocab, struct ids *out,
                              struct err *e)
{
    char *end;

    for (const char *p = s;; p = end + 1) {
        long v = strtol(p, &end, 10);
        if (end == p || (*end && *end != ',') || v < 0 || v >= n_vocab)
            return err_set(e, ERR_USAGE,
                           "--ids: expected numbers from 0 to %d with commas "
                           "between, got \"%s\"",
                           n_vocab - 1, p);
        if (ids_room(out, out->n + 1, e))
            return e->code;
        out->v[out->n++] = (int32_t)v;
        if (!*end)
            return ERR_OK;
    }
}

static int make_ids(const struct options *o, const struct mk_model *m,
                    struct str text, struct ids *out, char *msg)
{
    const struct mk_message all[] = { { "system", o->system },
                                      { "user", text.p } };
    const struct mk_message *from = o->system ? all : all + 1;

    if (o->chat)
        return mk_chat_ids(m, o->template, from, o->system ? 2 : 1, true,
                           out->v, out->cap, &out->n, msg);
    return mk_tokenize(m, text.p, text.n, MK_ADD_SPECIAL, out->v, out->cap,
                       &out->n, msg);
}

static enum err_code read_text(const struct options *o,
                               const struct mk_model *m, struct ids *out,
                               struct err *e)
{
    char msg[MK_ERR_LEN] = "";
    struct buf text;
    enum err_code rc;

    buf_init(&text, 1 << 28);
    rc = cli_text(o->chat ? o->chat : o->prompt, &text, e);
    if (!rc)
        rc = ids_room(out, text.n + 64, e);
    while (!rc) {
        rc =
            cli_engine_error(make_ids(o, m, buf_view(&text), out, msg), msg, e);
        if (rc || out->n <= out->cap)
            break;
        rc = ids_room(out, out->n, e);
    }
    buf_free(&text);
    return rc;
}

static enum err_code read_prompt(const struct options *o,
                                 const struct mk_model *m, struct ids *out,
                                 struct err *e)
{
    enum err_code rc = o->ids
                           ? read_ids(o->ids, mk_model_info(m)->n_vocab, out, e)
                           : read_text(o, m, out, e);

    if (!rc && !out->n)
        rc = err_set(e, ERR_USAGE, "the prompt has no tokens");
    return rc;
}

/* --- generation ----------------------------------------------------------- */

struct generation {
    const struct options *o;
    const struct mk_model *m;
    struct mk_ctx *ctx;
    const volatile sig_atomic_t *interrupts;
    int32_t seq;
    struct ids prompt, out;
    double *logprob; /* [out.cap] of each token */
    float *logits;   /* [n_vocab] after the last position */
    struct buf text;
    size_t shown; /* bytes of text already streamed */
    const char *finish;
};

static size_t vocab(const struct generation *g)
{
    return (size_t)mk_model_info(g->m)->n_vocab;
}

static enum err_code compute(struct generation *g, const int32_t *tokens,
                             size_t n, struct err *e)
{
    char msg[MK_ERR_LEN] = "";
    struct mk_piece piece = { .seq = g->seq,
                              .tokens = tokens,
                              .n = n,
                              .want = MK_WANT_LAST,
                              .logits = g->logits };

    return cli_engine_error(mk_compute(g->ctx, &piece, 1, msg), msg, e);
}

/* Where a stop string begins in the text, or its length. */
static size_t stop_at(const struct generation *g)
{
    size_t at = g->text.n;

    for (size_t i = 0; i < g->o->stop.n; i++) {
        size_t hit = str_find(buf_view(&g->text), str_of(g->o->stop.v[i]), 0);
        at = hit < at ? hit : at;
    }
    return at;
}

/* How much of the text cannot be the beginning of a stop string any more. */
static size_t safe_length(const struct generation *g)
{
    struct str t = buf_view(&g->text);
    size_t safe = t.n;

    for (size_t i = 0; i < g->o->stop.n; i++) {
        struct str stop = str_of(g->o->stop.v[i]);
        for (size_t n = stop.n < t.n ? stop.n : t.n; n > 0; n--)
            if (!memcmp(t.p + t.n - n, stop.p, n)) {
                safe = t.n - n < safe ? t.n - n : safe;
                break;
            }
    }
    return safe;
}

static enum err_code stream(struct generation *g, size_t upto, struct err *e)
{
    struct str t = { g->text.p, upto };
    struct buf piece;
    enum err_code rc;

    t.n = text_whole(t);
    if (g->o->json || t.n <= g->shown)
        return ERR_OK;
    buf_init(&piece, 1 << 28);
    cli_put_valid(&piece, str_sub(t, g->shown, t.n));
    g->shown = t.n;
    rc = buf_check(&piece, "text", e);
    if (!rc)
        rc = cli_print(&piece, e);
    buf_free(&piece);
    return rc;
}

static enum err_code add_token(struct generation *g, int32_t id, struct err *e)
{
    double norm = cli_log_sum_exp(g->logits, vocab(g));
    char bytes[512];
    size_t n = mk_token_bytes(g->m, id, false, bytes, sizeof bytes);

    g->logprob[g->out.n] = (double)g->logits[id] - norm;
    g->out.v[g->out.n++] = id;
    buf_add(&g->text, bytes, n < sizeof bytes ? n : sizeof bytes);
    return buf_check(&g->text, "text", e);
}

/* One token; *go_on is false when it was the last. */
static enum err_code step(struct generation *g, uint64_t *state, bool *go_on,
                          struct err *e)
{
    const struct mk_sampling s = { .temperature = (float)g->o->temperature,
                                   .top_k = (int32_t)g->o->top_k,
                                   .top_p = (float)g->o->top_p,
                                   .seed = (uint64_t)g->o->seed };
    int32_t id = mk_sample(g->logits, vocab(g), &s, state);
    enum err_code rc = add_token(g, id, e);
    size_t stop = rc ? 0 : stop_at(g);

    if (rc)
        return rc;
    *go_on = false;
    if (mk_token_is_stop(g->m, id)) {
        g->finish = "stop";
    } else if (stop < g->text.n) {
        g->text.n = stop;
        g->text.p[stop] = '\0';
        g->finish = "stop";
    } else if (g->out.n < (size_t)g->o->n) {
        *go_on = true;
        rc = stream(g, safe_length(g), e);
        return rc ? rc : compute(g, &id, 1, e);
    }
    return ERR_OK;
}

static enum err_code generate(struct generation *g, struct err *e)
{
    uint64_t state = (uint64_t)g->o->seed;
    bool go_on = g->o->n > 0;
    enum err_code rc = ERR_OK;

    g->finish = "length";
    while (!rc && go_on) {
        if (*g->interrupts) {
            g->finish = "interrupted";
            return err_set(e, ERR_CANCELLED, "interrupted");
        }
        rc = step(g, &state, &go_on, e);
    }
    return rc;
}

/* --- output --------------------------------------------------------------- */

struct top {
    int32_t id;
    float logit;
};

static int by_logit(const void *a, const void *b)
{
    const struct top *x = a, *y = b;

    if (x->logit > y->logit || x->logit < y->logit)
        return x->logit > y->logit ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The largest logits, by sorting all: done once, for people. */
static struct top *top_logits(const struct generation *g, struct err *e)
{
    size_t n = vocab(g);
    struct top *t = mem_array(n, sizeof *t);

    if (!t) {
        err_set(e, ERR_NOMEM, "no memory for the logits");
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        t[i] = (struct top){ (int32_t)i, g->logits[i] };
    qsort(t, n, sizeof *t, by_logit);
    return t;
}

static size_t n_top(const struct generation *g)
{
    size_t k = (size_t)g->o->logits;

    return k < vocab(g) ? k : vocab(g);
}

static void put_token(struct jw *w, const struct generation *g, int32_t id,
                      double logprob)
{
    jw_int(w, "id", id);
    jw_str(w, "piece", mk_token_piece(g->m, id));
    jw_num(w, "logprob", logprob);
}

static enum err_code logits_text(const struct generation *g, struct err *e)
{
    struct top *t = top_logits(g, e);
    double norm = cli_log_sum_exp(g->logits, vocab(g));
    struct buf b;
    enum err_code rc;

    if (!t)
        return e->code;
    buf_init(&b, 1 << 24);
    for (size_t i = 0; i < n_top(g); i++)
        buf_printf(&b, "%d\t%.6f\t%.6f\t%s\n", t[i].id, (double)t[i].logit,
                   (double)t[i].logit - norm, mk_token_piece(g->m, t[i].id));
    rc = buf_check(&b, "logits", e);
    if (!rc)
        rc = cli_print(&b, e);
    buf_free(&b);
    mem_free(t);
    return rc;
}

static enum err_code logits_json(const struct generation *g, struct jw *w,
                                 struct err *e)
{
    struct top *t = top_logits(g, e);
    double norm = cli_log_sum_exp(g->logits, vocab(g));

    if (!t)
        return e->code;
    jw_num(w, "logsumexp", norm);
    jw_array(w, "top");
    for (size_t i = 0; i < n_top(g); i++) {
        jw_object(w, NULL);
        jw_num(w, "logit", (double)t[i].logit);
        put_token(w, g, t[i].id, (double)t[i].logit - norm);
        jw_end(w);
    }
    jw_end(w);
    mem_free(t);
    return ERR_OK;
}

static void begin_json(const struct generation *g, struct jw *w)
{
    jw_object(w, NULL);
    jw_str(w, "model", g->o->model);
    jw_array(w, "prompt_ids");
    for (size_t i = 0; i < g->prompt.n; i++)
        jw_int(w, NULL, g->prompt.v[i]);
    jw_end(w);
}

static enum err_code end_json(const struct generation *g, struct jw *w,
                              struct err *e)
{
    struct buf text;

    jw_array(w, "tokens");
    for (size_t i = 0; i < g->out.n; i++) {
        jw_object(w, NULL);
        put_token(w, g, g->out.v[i], g->logprob[i]);
        jw_end(w);
    }
    jw_end(w);
    buf_init(&text, 1 << 28);
    cli_put_valid(&text, buf_view(&g->text));
    jw_text(w, "text", buf_view(&text));
    jw_str(w, "finish", g->finish);
    jw_end(w);
    buf_char(w->out, '\n');
    w->out->failed |= text.failed;
    buf_free(&text);
    return buf_check(w->out, "output", e);
}

/* What an interrupted generation has so far is printed too. */
static enum err_code print_json(struct generation *g, struct err *e)
{
    struct buf b;
    struct jw w;
    struct err late;
    enum err_code rc, printed = ERR_OK;

    buf_init(&b, (size_t)1 << 30);
    jw_init(&w, &b, false);
    begin_json(g, &w);
    rc = g->o->logits ? logits_json(g, &w, e) : ERR_OK;
    if (!rc)
        rc = generate(g, e);
    if (!rc || rc == ERR_CANCELLED)
        printed = end_json(g, &w, &late);
    if (!printed && (!rc || rc == ERR_CANCELLED))
        printed = cli_print(&b, &late);
    buf_free(&b);
    if (printed)
        *e = late;
    return printed ? printed : rc;
}

static enum err_code print_text(struct generation *g, struct err *e)
{
    enum err_code rc = g->o->logits ? logits_text(g, e) : ERR_OK;

    if (!rc)
        rc = generate(g, e);
    if (!rc)
        rc = stream(g, g->text.n, e);
    if (g->o->n && putchar('\n') == EOF && !rc)
        rc = err_set(e, ERR_IO, "standard output");
    return rc;
}

/* --- the verb ------------------------------------------------------------- */

static enum err_code prepare(struct generation *g, struct mk_model *m,
                             struct err *e)
{
    char msg[MK_ERR_LEN] = "";
    struct mk_ctx_params params = { .n_threads = (int)g->o->threads };
    enum err_code rc = read_prompt(g->o, m, &g->prompt, e);
    size_t n = (size_t)g->o->n;

    if (rc)
        return rc;
    params.n_positions = g->prompt.n + n;
    g->logits = mem_array(vocab(g), sizeof *g->logits);
    g->logprob = mem_array(n, sizeof *g->logprob);
    if (!g->logits || !g->logprob || ids_room(&g->out, n, e))
        return err_set(e, ERR_NOMEM, "no memory for the tokens");
    rc = cli_engine_error(mk_ctx_open(&g->ctx, m, &params, msg), msg, e);
    if (!rc)
        rc = cli_engine_error(mk_seq_new(g->ctx, &g->seq, msg), msg, e);
    return rc ? rc : compute(g, g->prompt.v, g->prompt.n, e);
}

static enum err_code run_model(const struct options *o, struct err *e)
{
    struct mk_model_params params = o->engine.params;
    struct generation g = { .o = o, .interrupts = cli_catch_signals() };
    struct model_spec spec;
    struct mk_model *m = NULL;
    struct arena arena;
    enum err_code rc;

    arena_init(&arena, 0);
    buf_init(&g.text, 1 << 28);
    params.n_threads = (int)o->threads;
    rc = cli_engine_find(o->model, o->engine.models_file, &arena, &spec, e);
    if (!rc)
        rc = cli_engine_open(&m, spec.path, &params, e);
    g.m = m;
    if (!rc)
        rc = prepare(&g, m, e);
    if (!rc)
        rc = o->json ? print_json(&g, e) : print_text(&g, e);
    mk_ctx_close(g.ctx);
    mk_model_close(m);
    buf_free(&g.text);
    mem_free(g.logits);
    mem_free(g.logprob);
    mem_free(g.out.v);
    mem_free(g.prompt.v);
    arena_free(&arena);
    return rc;
}

static int run(int argc, char **argv)
{
    struct options o = { .n = 128, .top_p = 1 };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc)
        rc--;
    else if (run_model(&o, &e))
        rc = cli_fail(&e);
    cli_list_free(&o.stop);
    return rc;
}

const struct cmd cmd_generate = {
    .name = "generate",
    .doc = "one prompt through the engine: text, tokens, logits",
    .run = run,
};
