/* Opening models for the verbs that use the engine without a runner. */
#include "harness/cli/cli_engine.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cmd.h"

enum { OPT_MODELS = 0x200, OPT_DEVICE, OPT_ACTIVATIONS };

static const struct argp_option rows[] = {
    { "models", OPT_MODELS, "FILE", 0, "models file (models.json)", 0 },
    { "device", OPT_DEVICE, "NAME", 0, "auto, cpu, ref (plain C)", 0 },
    { "activations", OPT_ACTIVATIONS, "TYPE", 0, "q8 (fast), f32 (exact)", 0 },
    { 0 },
};

error_t cli_arg_activations(struct argp_state *st, const char *arg,
                            enum mk_activations *out)
{
    static const char *const words[] = { "q8", "f32", NULL };
    static const enum mk_activations types[] = { MK_ACT_Q8, MK_ACT_F32 };
    int i = 0;
    error_t rc = cli_arg_word(st, "--activations", arg, words, &i);

    *out = types[i];
    return rc;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct cli_engine *o = st->input;

    switch (key) {
    case OPT_MODELS:
        o->models_file = arg;
        return 0;
    case OPT_DEVICE:
        o->params.device = arg;
        return 0;
    case OPT_ACTIVATIONS:
        return cli_arg_activations(st, arg, &o->params.activations);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_engine_argp = { .options = rows, .parser = parse };

enum err_code cli_engine_error(int status, const char *msg, struct err *e)
{
    static const enum err_code codes[] = {
        [MK_OK] = ERR_OK,        [MK_EFORMAT] = ERR_FORMAT,
        [MK_ELIMIT] = ERR_LIMIT, [MK_ENOMEM] = ERR_NOMEM,
        [MK_EIO] = ERR_IO,       [MK_ENOENV] = ERR_NOENV,
        [MK_EUSAGE] = ERR_USAGE, [MK_ECANCELLED] = ERR_CANCELLED,
    };

    if (status == MK_OK)
        return ERR_OK;
    return err_set(e, codes[status], "%s", msg);
}

enum err_code cli_engine_find(const char *spec, const char *models_file,
                              struct arena *a, struct model_spec *out,
                              struct err *e)
{
    enum err_code rc = model_find(spec, models_file, a, out, e);

    if (rc)
        return rc;
    if (strcmp(out->kind, "gguf") != 0)
        return err_set(e, ERR_USAGE,
                       "model %s is run by \"%s\": this verb wants a GGUF file",
                       spec, out->kind);
    return ERR_OK;
}

enum err_code cli_engine_open(struct mk_model **out, const char *path,
                              const struct mk_model_params *params,
                              struct err *e)
{
    char msg[MK_ERR_LEN] = "";
    int status = mk_model_open(out, path, params, msg);

    return cli_engine_error(status, msg, e);
}

static enum err_code read_stdin(struct buf *out, struct err *e)
{
    char chunk[1 << 16];
    ssize_t n;

    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno != EINTR)
            return err_errno(e, errno, "standard input");
        if (n > 0)
            buf_add(out, chunk, (size_t)n);
    }
    return ERR_OK;
}

enum err_code cli_text(const char *text, struct buf *out, struct err *e)
{
    enum err_code rc = ERR_OK;
    size_t bad;

    if (strcmp(text, "-") == 0)
        rc = read_stdin(out, e);
    else
        buf_str(out, text);
    if (!rc)
        rc = buf_check(out, "text", e);
    if (!rc && !text_check(buf_view(out), &bad))
        rc = err_set(e, ERR_FORMAT, "the text is no UTF-8: byte %zu", bad + 1);
    return rc;
}

enum err_code cli_tokenize(const struct mk_model *m, struct str text,
                           unsigned flags, struct cli_ids *out, struct err *e)
{
    char msg[MK_ERR_LEN] = "";
    size_t cap = text.n + 8; /* a token is a byte at least, but for specials */
    int status;

    for (;;) {
        mem_free(out->v);
        out->v = mem_array(cap, sizeof *out->v);
        if (!out->v)
            return err_set(e, ERR_NOMEM, "no memory for the tokens");
        status =
            mk_tokenize(m, text.p, text.n, flags, out->v, cap, &out->n, msg);
        if (status || out->n <= cap)
            return cli_engine_error(status, msg, e);
        cap = out->n;
    }
}

double cli_log_sum_exp(const float *x, size_t n)
{
    double max = -INFINITY, sum = 0;

    if (!n)
        return -INFINITY;
    for (size_t i = 0; i < n; i++)
        max = (double)x[i] > max ? (double)x[i] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

void cli_put_valid(struct buf *out, struct str bytes)
{
    size_t len;

    for (size_t i = 0; i < bytes.n; i += len) {
        if (text_rune(bytes, i, &len) < 0)
            buf_rune(out, 0xfffd);
        else
            buf_add(out, bytes.p + i, len);
    }
}
