/* The options of the verbs that ask models, and the record they write. */
#include "harness/cli/cli_asking.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "harness/cost.h"
#include "runners/record.h"

/* --- options --------------------------------------------------------------- */

enum option_key {
    OPT_DB = 0x300,
    OPT_MODELS,
    OPT_THREADS,
    OPT_CONTEXT,
    OPT_CONCURRENCY,
    OPT_RPM,
    OPT_TIMEOUT,
    OPT_RETRIES,
    OPT_RECORD,
    OPT_BUDGET,
    OPT_RATE,
    OPT_JSON
};

static const struct argp_option rows[] = {
    { "db", OPT_DB, "FILE", 0, "results database (" DEFAULT_DB ")", 0 },
    { "models", OPT_MODELS, "FILE", 0, "models file (models.json)", 0 },
    { "threads", OPT_THREADS, "N", 0, "of the engine (all cores)", 0 },
    { "context", OPT_CONTEXT, "N", 0, "KV cache positions of the engine", 0 },
    { "concurrency", OPT_CONCURRENCY, "N", 0,
      "requests in flight, of each model (8 to an API)", 0 },
    { "rpm", OPT_RPM, "R", 0, "requests a minute at the most, of each key", 0 },
    { "timeout", OPT_TIMEOUT, "S", 0, "seconds for one answer of an API (600)",
      0 },
    { "retries", OPT_RETRIES, "N", 0,
      "times a failed request is sent again (4)", 0 },
    { "record", OPT_RECORD, "FILE", 0,
      "append every exchange as JSON Lines (for replay:FILE)", 0 },
    { "budget", OPT_BUDGET, "CNY", 0,
      "stop before this call costs more (exit status 3)", 0 },
    { "rate", OPT_RATE, "CUR=CNY", 0,
      "worth of one unit of a currency (USD: 7.1, a round default); "
      "repeatable",
      0 },
    { "json", OPT_JSON, NULL, 0, "print the summary as JSON", 0 },
    { 0 },
};

/* What the runner is told in another unit or type than the option's. */
static error_t parse_runner(int key, const char *arg, struct argp_state *st,
                            struct runner_params *r)
{
    int64_t n = 0;
    error_t rc;

    switch (key) {
    case OPT_THREADS:
        rc = cli_arg_int(st, "threads", arg, 1, 1024, &n);
        r->threads = (int)n;
        return rc;
    case OPT_CONTEXT:
        rc = cli_arg_int(st, "context", arg, 32, INT32_MAX, &n);
        r->context = (size_t)n;
        return rc;
    case OPT_CONCURRENCY:
        rc = cli_arg_int(st, "concurrency", arg, 1, 1000, &n);
        r->concurrency = (size_t)n;
        return rc;
    case OPT_TIMEOUT:
        rc = cli_arg_int(st, "timeout", arg, 1, 86400, &n);
        r->timeout_ms = n * 1000;
        return rc;
    case OPT_RPM:
        return cli_arg_num(st, "rpm", arg, 0.001, 1e9, &r->rpm);
    case OPT_RETRIES:
        return cli_arg_int(st, "retries", arg, 0, 1000, &r->retries);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_budget(struct argp_state *st, const char *arg,
                            int64_t *out)
{
    double cny = 0;
    error_t rc = cli_arg_num(st, "budget", arg, 0, 1e9, &cny);

    *out = llround(cny * COST_NANO);
    return rc;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct cli_asking *o = st->input;

    switch (key) {
    case OPT_DB:
        o->db = arg;
        return 0;
    case OPT_MODELS:
        o->models_file = arg;
        return 0;
    case OPT_RECORD:
        o->record = arg;
        return 0;
    case OPT_BUDGET:
        return parse_budget(st, arg, &o->budget);
    case OPT_RATE:
        return cli_list_add(&o->rates, arg);
    case OPT_JSON:
        o->json = true;
        return 0;
    default:
        return parse_runner(key, arg, st, &o->runner);
    }
}

const struct argp cli_asking_argp = { .options = rows, .parser = parse };

error_t cli_arg_ask(struct argp_state *st, const char *arg, enum ask *out)
{
    static const char *const words[] = { [ASK_AUTO] = "auto",
                                         [ASK_SCORE] = "score",
                                         [ASK_GENERATE] = "generate",
                                         NULL };
    int i = ASK_AUTO;
    error_t rc = cli_arg_word(st, "--ask", arg, words, &i);

    *out = (enum ask)i;
    return rc;
}

void cli_asking_init(struct cli_asking *o)
{
    *o = (struct cli_asking){ .db = DEFAULT_DB,
                              .budget = COST_UNKNOWN,
                              .runner.retries = -1 };
}

void cli_asking_free(struct cli_asking *o)
{
    cli_list_free(&o->rates);
}

/* --- the record ------------------------------------------------------------ */

enum { LINE_MOST = 256 << 20 };

enum err_code cli_record_open(struct cli_record *r, const char *path,
                              struct err *e)
{
    *r = (struct cli_record){ .fd = -1 };
    if (!path)
        return ERR_OK;
    r->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (r->fd < 0)
        return err_errno(e, errno, "--record %s", path);
    r->path = path;
    buf_init(&r->line, LINE_MOST);
    return ERR_OK;
}

enum err_code cli_record_add(struct cli_record *r, const struct request *q,
                             const struct response *a, struct err *e)
{
    enum err_code rc;

    if (!r->path)
        return ERR_OK;
    buf_clear(&r->line);
    rc = record_write(q, a, &r->line, e);
    if (rc)
        return rc;
    errno = 0;
    if (write(r->fd, r->line.p, r->line.n) != (ssize_t)r->line.n)
        return err_errno(e, errno ? errno : ENOSPC, "--record %s", r->path);
    return ERR_OK;
}

void cli_record_close(struct cli_record *r)
{
    if (r->path) {
        close(r->fd);
        buf_free(&r->line);
    }
    *r = (struct cli_record){ .fd = -1 };
}
