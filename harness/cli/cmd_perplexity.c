/* mokao perplexity: how well a model predicts a text.
 *
 * The text is cut into windows that begin `stride` tokens apart; each window is
 * a prompt of its own, and of each only the tokens are scored that no earlier
 * one has scored, so that every token but the first window's has at least
 * window - stride others before it.  Logits of some tokens are held at a time:
 * with a large vocabulary a whole window of them would fill the memory. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_engine.h"
#include "harness/cli/cli_table.h"
#include "harness/cli/cmd.h"

enum { OPT_WINDOW = 0x100, OPT_STRIDE, OPT_TOKENS, OPT_JSON };
enum {
    DEFAULT_WINDOW = 1024,
    MAX_WINDOW = 1 << 20,
    CHUNK = 64, /* tokens whose logits are held */
    MAX_TEXT = 1 << 28
};

struct options {
    struct cli_engine engine;
    const char *model, *file;
    const struct report_format *format;
    int64_t window, stride, threads;
    bool tokens;
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0, "a GGUF file or an id of the models file", 0 },
    { "window", OPT_WINDOW, "N", 0,
      "tokens that are computed together (1024, or what the model was trained "
      "on)",
      1 },
    { "stride", OPT_STRIDE, "N", 0,
      "tokens from one window to the next (half a window)", 1 },
    { "tokens", OPT_TOKENS, NULL, 0, "also every token by itself", 2 },
    { "format", 'f', "FORMAT", 0, "table, md, csv, json or html", 2 },
    { "json", OPT_JSON, NULL, 0, "the same as --format json", 2 },
    { "threads", 't', "N", 0, "threads (all cores)", 5 },
    { 0 },
};

/* --- options -------------------------------------------------------------- */

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    if (!o->model)
        argp_error(st, "-m MODEL is missing");
    else if (!o->file)
        argp_error(st, "FILE is missing (- is stdin)");
    else if (o->window && o->stride >= o->window)
        argp_error(st, "--stride: expected less than the window of %lld",
                   (long long)o->window);
    else
        return 0;
    return EINVAL;
}

static error_t parse_arg(struct argp_state *st, struct options *o,
                         const char *arg)
{
    if (o->file) {
        argp_error(st, "one FILE at a time");
        return EINVAL;
    }
    o->file = arg;
    return 0;
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
    case OPT_WINDOW:
        return cli_arg_int(st, "--window", arg, 2, MAX_WINDOW, &o->window);
    case OPT_STRIDE:
        return cli_arg_int(st, "--stride", arg, 1, MAX_WINDOW, &o->stride);
    case OPT_TOKENS:
        o->tokens = true;
        return 0;
    case 'f':
        return cli_arg_format(st, arg, &o->format);
    case OPT_JSON:
        o->format = cli_format("json");
        return 0;
    case 't':
        return cli_arg_int(st, "--threads", arg, 1, 256, &o->threads);
    case ARGP_KEY_ARG:
        return parse_arg(st, o, arg);
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    { .argp = &cli_engine_argp, .group = 5 }, { 0 }
};
static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "FILE|-",
    .doc =
        "Tells how well the model predicts the text of FILE (- reads stdin): "
        "mean negative log-likelihood in nats per token, per byte and per "
        "character, and perplexity.\v"
        "Figures per token depend on the vocabulary: of different models "
        "compare those per byte or per character.",
    .children = children,
};

/* --- scoring -------------------------------------------------------------- */

struct scoring {
    const struct options *o;
    struct mk_model *m;
    struct mk_ctx *ctx;
    const volatile sig_atomic_t *signals;
    struct buf text;
    struct cli_ids ids;
    double *logprob; /* of each token; NaN: not scored */
    size_t window, stride;
    bool bos;
    int32_t *tokens; /* of a window */
    float *logits;   /* CHUNK rows */
    struct cli_progress shown;
    struct arena arena;
};

static size_t n_vocab(const struct scoring *s)
{
    return (size_t)mk_model_info(s->m)->n_vocab;
}

static enum err_code compute(struct scoring *s, int32_t seq,
                             const int32_t *tokens, size_t n, enum mk_want want,
                             struct err *e)
{
    const struct mk_piece piece = {
        .seq = seq, .tokens = tokens, .n = n, .want = want, .logits = s->logits
    };
    char msg[MK_ERR_LEN] = "";

    if (n == 0)
        return ERR_OK;
    return cli_engine_error(mk_compute(s->ctx, &piece, 1, msg), msg, e);
}

/* Scores tokens[from ... n) of a sequence by those before them; out[0] is the
 * log-probability of tokens[from]. */
static enum err_code score_tokens(struct scoring *s, int32_t seq,
                                  const int32_t *tokens, size_t from, size_t n,
                                  double *out, struct err *e)
{
    enum err_code rc = compute(s, seq, tokens, from - 1, MK_WANT_NONE, e);

    for (size_t at = from - 1, k; !rc && at + 1 < n; at += k) {
        k = n - 1 - at < CHUNK ? n - 1 - at : CHUNK;
        rc = compute(s, seq, tokens + at, k, MK_WANT_ALL, e);
        for (size_t i = 0; !rc && i < k; i++) {
            const float *row = s->logits + i * n_vocab(s);
            *out++ = (double)row[tokens[at + i + 1]] -
                     cli_log_sum_exp(row, n_vocab(s));
        }
    }
    return rc;
}

/* The window that begins at token `start`; those before `scored` are context
 * only. */
static enum err_code score_window(struct scoring *s, size_t start, size_t end,
                                  size_t scored, struct err *e)
{
    char msg[MK_ERR_LEN] = "";
    size_t bos = s->bos ? 1 : 0, n = end - start + bos;
    int32_t seq;
    enum err_code rc = cli_engine_error(mk_seq_new(s->ctx, &seq, msg), msg, e);

    if (rc)
        return rc;
    s->tokens[0] = mk_model_info(s->m)->bos;
    memcpy(s->tokens + bos, s->ids.v + start,
           (end - start) * sizeof *s->tokens);
    rc = score_tokens(s, seq, s->tokens, scored - start + bos, n,
                      s->logprob + scored, e);
    mk_seq_free(s->ctx, seq);
    return rc;
}

static void show_progress(struct scoring *s, size_t done)
{
    bool last = done == s->ids.n;

    if (cli_progress_due(&s->shown, last && s->shown.terminal))
        cli_progress_show(&s->shown, last, "%zu of %zu tokens", done, s->ids.n);
}

static enum err_code score_all_windows(struct scoring *s, struct err *e)
{
    size_t room = s->window - (s->bos ? 1 : 0), n = s->ids.n;
    size_t scored = s->bos ? 0 : 1; /* nothing predicts the first token */
    enum err_code rc = ERR_OK;

    s->logprob[0] = NAN;
    for (size_t start = 0; !rc && scored < n; start += s->stride) {
        size_t end = n - start < room ? n : start + room;
        rc = score_window(s, start, end, scored, e);
        scored = end;
        if (!rc && *s->signals)
            rc = err_set(e, ERR_CANCELLED, "interrupted");
        if (!rc)
            show_progress(s, scored);
    }
    return rc;
}

/* --- results -------------------------------------------------------------- */

struct sums {
    size_t tokens, bytes, chars;
    double nll;
};

static size_t count_chars(const char *p, size_t n)
{
    size_t chars = 0;

    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)p[i] & 0xc0) != 0x80;
    return chars;
}

/* What was scored is the text, less the first token where nothing stands
 * before that. */
static struct sums sum_up(const struct scoring *s)
{
    struct sums r = { .bytes = s->text.n };
    size_t skipped = 0;

    if (!s->bos)
        skipped = mk_token_bytes(s->m, s->ids.v[0], false, NULL, 0);
    if (skipped > r.bytes)
        skipped = r.bytes;
    r.bytes -= skipped;
    r.chars = count_chars(s->text.p + skipped, r.bytes);
    for (size_t i = 0; i < s->ids.n; i++)
        if (!isnan(s->logprob[i])) {
            r.tokens++;
            r.nll -= s->logprob[i];
        }
    return r;
}

static const struct column figures[] = {
    { "model", "model", false, COLUMN_ALL },
    { "tokens", "tokens", true, COLUMN_ALL },
    { "bytes", "bytes", true, COLUMN_ALL },
    { "characters", "characters", true, COLUMN_ALL },
    { "nll", "nats", true, COLUMN_ALL },
    { "nll_token", "nats a token", true, COLUMN_ALL },
    { "nll_byte", "nats a byte", true, COLUMN_ALL },
    { "nll_character", "nats a character", true, COLUMN_ALL },
    { "perplexity", "perplexity (token)", true, COLUMN_ALL },
    { "perplexity_character", "perplexity (character)", true, COLUMN_ALL },
    { "window", "window", true, COLUMN_MACHINE },
    { "stride", "stride", true, COLUMN_MACHINE },
};
enum { N_FIGURES = sizeof figures / sizeof *figures };

static enum err_code figures_table(struct scoring *s, struct table *t,
                                   struct err *e)
{
    const struct sums r = sum_up(s);
    double bytes = (double)r.bytes, chars = (double)r.chars;
    double tokens = (double)r.tokens;
    const struct cell cells[N_FIGURES] = {
        cell_text(s->o->model),
        cell_int((int64_t)r.tokens),
        cell_int((int64_t)r.bytes),
        cell_int((int64_t)r.chars),
        cell_num(r.nll, 3),
        cell_num(r.nll / tokens, 4),
        cell_num(r.nll / bytes, 4),
        cell_num(r.nll / chars, 4),
        cell_num(exp(r.nll / tokens), 3),
        cell_num(exp(r.nll / chars), 3),
        cell_int((int64_t)s->window),
        cell_int((int64_t)s->stride),
    };
    enum err_code rc =
        table_init(t, &s->arena, "Perplexity", figures, N_FIGURES, 1, e);

    if (rc)
        return rc;
    t->records = true;
    memcpy(table_cell(t, 0, 0), cells, sizeof cells);
    table_note(t, "windows of %zu tokens, %zu apart", s->window, s->stride);
    return table_check(t, e);
}

static const struct column token_columns[] = {
    { "token", "token", true, COLUMN_ALL },
    { "id", "id", true, COLUMN_ALL },
    { "logprob", "log-probability", true, COLUMN_ALL },
    { "piece", "piece", false, COLUMN_ALL },
};
enum { N_TOKEN_COLUMNS = sizeof token_columns / sizeof *token_columns };

static enum err_code tokens_table(struct scoring *s, struct table *t,
                                  struct err *e)
{
    enum err_code rc = table_init(t, &s->arena, "Tokens", token_columns,
                                  N_TOKEN_COLUMNS, s->ids.n, e);

    for (size_t i = 0; !rc && i < s->ids.n; i++) {
        const struct cell cells[N_TOKEN_COLUMNS] = {
            cell_int((int64_t)i),
            cell_int(s->ids.v[i]),
            cell_num(s->logprob[i], 4),
            cell_text(mk_token_piece(s->m, s->ids.v[i])),
        };
        memcpy(table_cell(t, i, 0), cells, sizeof cells);
    }
    return rc;
}

static enum err_code print(struct scoring *s, struct err *e)
{
    struct table t[2];
    enum err_code rc = figures_table(s, &t[0], e);

    if (!rc && s->o->tokens)
        rc = tokens_table(s, &t[1], e);
    return rc ? rc : cli_print_tables(t, s->o->tokens ? 2 : 1, s->o->format, e);
}

/* --- the verb ------------------------------------------------------------- */

static enum err_code read_text(struct scoring *s, struct err *e)
{
    struct str whole;
    size_t bad;
    enum err_code rc;

    if (strcmp(s->o->file, "-") == 0)
        rc = cli_text("-", &s->text, e);
    else
        rc = io_read(s->o->file, &s->text, e);
    if (rc)
        return rc;
    whole = buf_view(&s->text);
    if (!text_check(whole, &bad))
        return err_set(e, ERR_FORMAT, "%s is no UTF-8: byte %zu", s->o->file,
                       bad + 1);
    rc = cli_tokenize(s->m, whole, 0, &s->ids, e);
    if (!rc && s->ids.n < (s->bos ? 1 : 2))
        rc = err_set(e, ERR_FORMAT,
                     "%s: expected a text of two tokens at the least, got %zu",
                     s->o->file, s->ids.n);
    return rc;
}

static enum err_code set_windows(struct scoring *s, struct err *e)
{
    size_t trained = (size_t)mk_model_info(s->m)->n_ctx_most;

    s->window = s->o->window               ? (size_t)s->o->window
                : trained < DEFAULT_WINDOW ? trained
                                           : DEFAULT_WINDOW;
    s->stride = s->o->stride ? (size_t)s->o->stride : (s->window + 1) / 2;
    if (s->window > trained)
        return err_set(e, ERR_LIMIT,
                       "--window: the model was trained on %zu tokens",
                       trained);
    if (s->stride >= s->window)
        return err_set(e, ERR_USAGE,
                       "--stride: expected less than the window of %zu",
                       s->window);
    return ERR_OK;
}

static enum err_code open_scoring(struct scoring *s, struct err *e)
{
    struct mk_ctx_params params = { .n_positions = s->window };
    char msg[MK_ERR_LEN] = "";
    enum err_code rc =
        cli_engine_error(mk_ctx_open(&s->ctx, s->m, &params, msg), msg, e);

    if (rc)
        return rc;
    s->logprob = mem_array(s->ids.n, sizeof *s->logprob);
    s->tokens = mem_array(s->window, sizeof *s->tokens);
    s->logits = mem_array((size_t)CHUNK * n_vocab(s), sizeof *s->logits);
    if (s->logprob && s->tokens && s->logits)
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory for the logits");
}

static enum err_code perplexity(struct scoring *s, struct err *e)
{
    struct mk_model_params params = s->o->engine.params;
    struct model_spec spec;
    enum err_code rc = cli_engine_find(s->o->model, s->o->engine.models_file,
                                       &s->arena, &spec, e);

    params.n_threads = (int)s->o->threads;
    if (!rc)
        rc = cli_engine_open(&s->m, spec.path, &params, e);
    if (rc)
        return rc;
    s->bos = mk_model_info(s->m)->add_bos && mk_model_info(s->m)->bos >= 0;
    if ((rc = set_windows(s, e)) || (rc = read_text(s, e)) ||
        (rc = open_scoring(s, e)) || (rc = score_all_windows(s, e)))
        return rc;
    return print(s, e);
}

static int run(int argc, char **argv)
{
    struct options o = { .format = cli_format("table") };
    struct scoring s = { .o = &o };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc)
        return rc - 1;
    arena_init(&s.arena, 0);
    buf_init(&s.text, MAX_TEXT);
    s.signals = cli_catch_signals();
    cli_progress_begin(&s.shown);
    rc = perplexity(&s, &e) ? cli_fail(&e) : 0;
    mem_free(s.logits);
    mem_free(s.tokens);
    mem_free(s.logprob);
    mem_free(s.ids.v);
    buf_free(&s.text);
    mk_ctx_close(s.ctx);
    mk_model_close(s.m);
    arena_free(&s.arena);
    return rc;
}

const struct cmd cmd_perplexity = {
    .name = "perplexity",
    .doc = "how well a model predicts a text, per token, byte, character",
    .run = run,
};
