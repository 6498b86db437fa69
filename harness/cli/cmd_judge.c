/* mokao judge: a model compares stored responses with a baseline's, or grades
 * them; people's labels beside it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/cli/cli_money.h"
#include "harness/cli/cli_rows.h"
#include "harness/judge.h"
#include "runners/record.h"

enum option_key {
    OPT_DB = 0x100,
    OPT_CANDIDATE,
    OPT_BASELINE,
    OPT_RUBRIC,
    OPT_LABELS,
    OPT_MODELS,
    OPT_LIMIT,
    OPT_TEMPERATURE,
    OPT_MAX_TOKENS,
    OPT_THREADS,
    OPT_CONTEXT,
    OPT_CONCURRENCY,
    OPT_RPM,
    OPT_TIMEOUT,
    OPT_RETRIES,
    OPT_RECORD,
    OPT_BUDGET,
    OPT_RATE,
    OPT_DRY_RUN,
    OPT_JSON
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0, "the judge: a model as in mokao run", 0 },
    { "candidate", OPT_CANDIDATE, "MODEL", 0,
      "whose stored responses are judged: id or name; repeatable", 0 },
    { "baseline", OPT_BASELINE, "MODEL", 0,
      "compare with this one's responses to the same items, in both orders",
      0 },
    { "suite", 's', "SUITE", 0,
      "only this suite: id, suite/subset, globs; repeatable", 0 },
    { "rubric", OPT_RUBRIC, "NAME", 0,
      "pairwise-zh (with a baseline), grade-zh (without), pairwise-en, "
      "grade-en, correct-zh, correct-en, or a JSON file",
      0 },
    { "labels", OPT_LABELS, "FILE", 0,
      "store labels of people (CSV or JSON Lines) for the agreement", 0 },
    { "db", OPT_DB, "FILE", 0, "results database (" DEFAULT_DB ")", 0 },
    { "models", OPT_MODELS, "FILE", 0, "models file (models.json)", 0 },
    { "limit", OPT_LIMIT, "N", 0, "responses of each candidate at the most",
      0 },
    { "temperature", OPT_TEMPERATURE, "X", 0, "(the model's, else 0)", 0 },
    { "max-tokens", OPT_MAX_TOKENS, "N", 0, "longest answer (1024)", 0 },
    { "threads", OPT_THREADS, "N", 0, "of the engine (all cores)", 0 },
    { "context", OPT_CONTEXT, "N", 0, "KV cache positions of the engine", 0 },
    { "concurrency", OPT_CONCURRENCY, "N", 0, "requests in flight", 0 },
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
      "worth of one unit of a currency (USD=7.1); repeatable", 0 },
    { "dry-run", OPT_DRY_RUN, NULL, 0, "only say how much would be asked", 0 },
    { "json", OPT_JSON, NULL, 0, "print the summary as JSON", 0 },
    { 0 },
};

struct options {
    const char *db, *models_file, *judge, *baseline, *rubric, *labels, *record;
    struct cli_list candidates, suites, rates;
    struct runner_params runner;
    double temperature, budget;
    int64_t limit, max_tokens, threads, context, concurrency, timeout_s;
    bool dry_run, json;
};

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    if (!o->judge && o->labels && !o->candidates.n)
        return 0;
    if (o->judge && o->candidates.n)
        return 0;
    argp_error(st, "%s is missing",
               o->judge ? "--candidate MODEL" : "-m MODEL");
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case 'm':
        o->judge = arg;
        return 0;
    case 's':
        return cli_list_add(&o->suites, arg);
    case OPT_CANDIDATE:
        return cli_list_add(&o->candidates, arg);
    case OPT_BASELINE:
        o->baseline = arg;
        return 0;
    case OPT_RUBRIC:
        o->rubric = arg;
        return 0;
    case OPT_LABELS:
        o->labels = arg;
        return 0;
    case OPT_DB:
        o->db = arg;
        return 0;
    case OPT_MODELS:
        o->models_file = arg;
        return 0;
    case OPT_RECORD:
        o->record = arg;
        return 0;
    case OPT_LIMIT:
        return cli_arg_int(st, "limit", arg, 1, INT32_MAX, &o->limit);
    case OPT_TEMPERATURE:
        return cli_arg_num(st, "temperature", arg, 0, 100, &o->temperature);
    case OPT_MAX_TOKENS:
        return cli_arg_int(st, "max-tokens", arg, 1, INT32_MAX, &o->max_tokens);
    case OPT_THREADS:
        return cli_arg_int(st, "threads", arg, 1, 1024, &o->threads);
    case OPT_CONTEXT:
        return cli_arg_int(st, "context", arg, 32, INT32_MAX, &o->context);
    case OPT_CONCURRENCY:
        return cli_arg_int(st, "concurrency", arg, 1, 1000, &o->concurrency);
    case OPT_RPM:
        return cli_arg_num(st, "rpm", arg, 0.001, 1e9, &o->runner.rpm);
    case OPT_TIMEOUT:
        return cli_arg_int(st, "timeout", arg, 1, 86400, &o->timeout_s);
    case OPT_RETRIES:
        return cli_arg_int(st, "retries", arg, 0, 1000, &o->runner.retries);
    case OPT_BUDGET:
        return cli_arg_num(st, "budget", arg, 0, 1e9, &o->budget);
    case OPT_RATE:
        return cli_list_add(&o->rates, arg);
    case OPT_DRY_RUN:
        o->dry_run = true;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(st, "unexpected argument \"%s\"", arg);
        return EINVAL;
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .doc = "Has a model compare the candidates' stored responses with the "
           "baseline's, each pair in both orders, or grade them alone.  Scores "
           "are never changed; mokao report judge shows the result.\vWhat the "
           "judge has answered before is not asked again: a call that was "
           "interrupted goes on with the same command.",
};

/* --- one call -------------------------------------------------------------- */

struct session {
    struct options *o;
    struct store *store;
    struct runner *runner;
    struct arena arena;
    struct rates rates;
    struct purse purse;
    struct meter meter;
    bool metered;
    struct rubric rubric;
    struct sampling sampling;
    struct judge_params params;
    struct judge_plan plan;
    struct judge_progress progress;
    size_t n_labels;
    int record; /* descriptor, -1: none */
    struct buf line;
    int64_t shown_ns;
    bool shown;
};

static void on_progress(void *user, const struct judge_progress *p)
{
    struct session *s = user;
    bool terminal = cli_stderr_is_terminal();
    int64_t now = io_now_ns();

    if (now - s->shown_ns < (terminal ? 100000000 : 1000000000))
        return;
    s->shown_ns = now;
    s->shown = true;
    fprintf(stderr, "%s%zu/%zu, %zu verdicts, %zu failed%s",
            terminal ? "\r" : "", p->done, p->total, p->read, p->failed,
            terminal ? "\033[K" : "\n");
}

/* One write a line, so that a killed call leaves whole lines. */
static enum err_code on_exchange(void *user, const struct request *q,
                                 const struct response *r, struct err *e)
{
    struct session *s = user;

    if (s->record < 0)
        return ERR_OK;
    buf_clear(&s->line);
    if (record_write(q, r, &s->line, e))
        return e->code;
    if (write(s->record, s->line.p, s->line.n) != (ssize_t)s->line.n)
        return err_errno(e, errno ? errno : ENOSPC, "--record %s",
                         s->o->record);
    return ERR_OK;
}

static enum err_code open_record(struct session *s, struct err *e)
{
    if (!s->o->record)
        return ERR_OK;
    s->record =
        open(s->o->record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return s->record < 0 ? err_errno(e, errno, "--record %s", s->o->record)
                         : ERR_OK;
}

static void set_sampling(struct session *s, const struct model_spec *m)
{
    s->sampling = m->sampling;
    if (!isnan(s->o->temperature))
        s->sampling.temperature = s->o->temperature;
    if (isnan(s->sampling.temperature))
        s->sampling.temperature = 0;
    if (s->o->max_tokens > 0)
        s->sampling.max_tokens = s->o->max_tokens;
    else if (s->sampling.max_tokens < 0)
        s->sampling.max_tokens = 1024;
}

static enum err_code open_judge(struct session *s, int argc, char **argv,
                                struct err *e)
{
    const struct options *o = s->o;
    struct judge_params *p = &s->params;
    struct model_spec m;

    if (model_find(o->judge, o->models_file, &s->arena, &m, e) ||
        cli_run_rates(&s->rates, o->models_file, &o->rates, &s->arena, e) ||
        runner_open(&s->runner, &m, &o->runner, e) ||
        cli_run_meter(&s->meter, &m, &s->rates, &s->purse, s->store, e))
        return e->code;
    s->metered = true;
    set_sampling(s, &m);
    *p = (struct judge_params){ .store = s->store,
                                .runner = s->runner,
                                .rubric = &s->rubric,
                                .sampling = &s->sampling,
                                .chat = m.template,
                                .candidates = o->candidates.v,
                                .n_candidates = o->candidates.n,
                                .baseline = o->baseline,
                                .suites = o->suites.v,
                                .n_suites = o->suites.n,
                                .limit = (size_t)o->limit,
                                .meter = &s->meter,
                                .interrupts = cli_catch_signals(),
                                .progress = on_progress,
                                .observe = on_exchange,
                                .user = s };
    return cli_put_model(s->store, s->runner, &m, &s->arena, &p->model, e) ||
                   cli_put_run(s->store, argc, argv, &p->run, e) ||
                   judge_plan_make(&s->plan, p, e) || open_record(s, e)
               ? e->code
               : ERR_OK;
}

static void print_json(const struct session *s, struct buf *out)
{
    const struct judge_progress *p = &s->progress;
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_int(&w, "planned", (int64_t)s->plan.n);
    jw_int(&w, "stored", (int64_t)s->plan.n_stored);
    jw_int(&w, "unpaired", (int64_t)s->plan.n_unpaired);
    jw_int(&w, "answered", (int64_t)p->answered);
    jw_int(&w, "verdicts", (int64_t)p->read);
    jw_int(&w, "failed", (int64_t)p->failed);
    jw_int(&w, "labels", (int64_t)s->n_labels);
    if (s->metered)
        cli_run_money_json(&s->meter, &w);
    jw_end(&w);
    buf_char(out, '\n');
}

static void print_text(const struct session *s, struct buf *out)
{
    const struct judge_progress *p = &s->progress;
    char money[160] = "";

    if (s->o->labels)
        buf_printf(out, "%zu labels stored\n", s->n_labels);
    if (!s->o->judge)
        return;
    if (s->meter.tariff.currency && !s->o->dry_run)
        cli_run_money(&s->meter, "; ", money, sizeof money);
    if (s->o->dry_run)
        buf_printf(out, "%zu questions to ask", s->plan.n);
    else
        buf_printf(out, "%zu answered (%zu without a verdict), %zu failed",
                   p->answered, p->answered - p->read, p->failed);
    buf_printf(out, ", %zu stored before%s\n", s->plan.n_stored, money);
    if (s->plan.n_unpaired)
        buf_printf(out, "%zu responses have no answer of the baseline\n",
                   s->plan.n_unpaired);
}

static enum err_code summary(const struct session *s, struct err *e)
{
    struct buf out;
    enum err_code rc;

    buf_init(&out, 4096);
    if (s->o->json)
        print_json(s, &out);
    else
        print_text(s, &out);
    rc = cli_print(&out, e);
    buf_free(&out);
    return rc;
}

/* How the call ended goes into its row in every case. */
static enum err_code ask(struct session *s, struct err *e)
{
    enum err_code rc = s->o->dry_run
                           ? ERR_OK
                           : judge_run(&s->plan, &s->params, &s->progress, e);
    const char *state = rc == ERR_OK          ? "done"
                        : rc == ERR_CANCELLED ? "interrupted"
                                              : "part";
    struct err end;

    if (s->shown && cli_stderr_is_terminal())
        fputs("\r\033[K", stderr);
    if (store_end_run(s->store, s->params.run, state, io_wall_ms(), &end) &&
        !rc) {
        *e = end;
        rc = end.code;
    }
    return rc;
}

static enum err_code run_session(struct session *s, int argc, char **argv,
                                 struct err *e)
{
    const struct options *o = s->o;
    const char *rubric = o->rubric     ? o->rubric
                         : o->baseline ? "pairwise-zh"
                                       : "grade-zh";
    enum err_code rc;
    struct err told;

    /* A database that is not there is not made. */
    if (rubric_find(rubric, &s->arena, &s->rubric, e) ||
        store_open(&s->store, o->db, !io_exists(o->db), e) ||
        (o->labels && judge_labels(s->store, o->labels, &s->n_labels, e)) ||
        (o->judge && open_judge(s, argc, argv, e)))
        return e->code;
    rc = o->judge ? ask(s, e) : ERR_OK;
    return summary(s, &told) && !rc ? (*e = told, told.code) : rc;
}

static void close_session(struct session *s)
{
    judge_plan_free(&s->plan);
    if (s->metered)
        meter_free(&s->meter);
    if (s->record >= 0)
        close(s->record);
    runner_close(s->runner);
    store_close(s->store);
    buf_free(&s->line);
    arena_free(&s->arena);
}

static int run(int argc, char **argv)
{
    struct options o = { .db = DEFAULT_DB,
                         .temperature = NAN,
                         .budget = NAN,
                         .runner.retries = -1 };
    struct session s = { .o = &o, .record = -1 };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc) {
        rc--;
        goto done;
    }
    o.runner.threads = (int)o.threads;
    o.runner.context = (size_t)o.context;
    o.runner.concurrency = (size_t)o.concurrency;
    o.runner.timeout_ms = o.timeout_s * 1000;
    arena_init(&s.arena, 0);
    buf_init(&s.line, (size_t)256 << 20);
    s.purse.limit =
        isnan(o.budget) ? COST_UNKNOWN : llround(o.budget * COST_NANO);
    rc = run_session(&s, argc, argv, &e) ? cli_fail(&e) : 0;
    close_session(&s);
done:
    cli_list_free(&o.candidates);
    cli_list_free(&o.suites);
    cli_list_free(&o.rates);
    return rc;
}

const struct cmd cmd_judge = {
    .name = "judge",
    .doc = "has a model compare or grade stored responses",
    .run = run,
};
