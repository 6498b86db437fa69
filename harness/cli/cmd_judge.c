/* mokao judge: a model compares stored responses with a baseline's, or grades
 * them; people's labels beside it. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/cli/cli_asking.h"
#include "harness/cli/cli_money.h"
#include "harness/cli/cli_rows.h"
#include "harness/judge.h"

enum option_key {
    OPT_CANDIDATE = 0x100,
    OPT_BASELINE,
    OPT_RUBRIC,
    OPT_LABELS,
    OPT_LIMIT,
    OPT_TEMPERATURE,
    OPT_MAX_TOKENS,
    OPT_DRY_RUN
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
    { "limit", OPT_LIMIT, "N", 0, "responses of each candidate at the most",
      0 },
    { "temperature", OPT_TEMPERATURE, "X", 0, "(the model's, else 0)", 0 },
    { "max-tokens", OPT_MAX_TOKENS, "N", 0, "longest answer (1024)", 0 },
    { "dry-run", OPT_DRY_RUN, NULL, 0,
      "only say what it would take: requests, tokens, money, time", 0 },
    { 0 },
};

struct options {
    struct cli_asking asking;
    const char *judge, *baseline, *rubric, *labels;
    struct cli_list candidates, suites;
    double temperature;
    int64_t limit, max_tokens;
    bool dry_run;
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
    case ARGP_KEY_INIT:
        st->child_inputs[0] = &o->asking;
        return 0;
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
    case OPT_LIMIT:
        return cli_arg_int(st, "limit", arg, 1, INT32_MAX, &o->limit);
    case OPT_TEMPERATURE:
        return cli_arg_num(st, "temperature", arg, 0, 100, &o->temperature);
    case OPT_MAX_TOKENS:
        return cli_arg_int(st, "max-tokens", arg, 1, INT32_MAX, &o->max_tokens);
    case OPT_DRY_RUN:
        o->dry_run = true;
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

static const struct argp_child children[] = { { .argp = &cli_asking_argp },
                                              { 0 } };
static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .children = children,
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
    struct estimate estimate; /* of a dry run, once estimated */
    bool estimated;
    size_t n_labels;
    struct cli_record record;
    struct cli_progress shown;
};

static void on_progress(void *user, const struct judge_progress *p)
{
    struct session *s = user;

    if (cli_progress_due(&s->shown, false))
        cli_progress_show(&s->shown, false, "%zu/%zu, %zu verdicts, %zu failed",
                          p->done, p->total, p->read, p->failed);
}

static enum err_code on_exchange(void *user, const struct request *q,
                                 const struct response *r, struct err *e)
{
    return cli_record_add(&((struct session *)user)->record, q, r, e);
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

    if (model_find(o->judge, o->asking.models_file, &s->arena, &m, e) ||
        cli_run_rates(&s->rates, o->asking.models_file, &o->asking.rates,
                      &s->arena, e) ||
        runner_open(&s->runner, &m, &o->asking.runner, e) ||
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
                   judge_plan_make(&s->plan, p, e) ||
                   cli_record_open(&s->record, o->asking.record, e)
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
    if (s->estimated)
        cli_run_estimate_json(&s->estimate, &s->meter.tariff, &w);
    else if (s->metered && !s->o->dry_run)
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
    if (s->estimated)
        cli_run_estimate(&s->estimate, &s->meter.tariff, out);
}

static enum err_code summary(const struct session *s, struct err *e)
{
    struct buf out;
    enum err_code rc;

    buf_init(&out, 4096);
    if (s->o->asking.json)
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
    enum err_code rc =
        s->o->dry_run
            ? judge_estimate(&s->estimate, &s->plan, &s->params,
                             &s->o->asking.runner, &s->meter.tariff, e)
            : judge_run(&s->plan, &s->params, &s->progress, e);
    const char *state = rc == ERR_OK          ? "done"
                        : rc == ERR_CANCELLED ? "interrupted"
                                              : "part";
    struct err end;

    s->estimated = s->o->dry_run && !rc;
    cli_progress_end(&s->shown);
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
        store_open(&s->store, o->asking.db, !io_exists(o->asking.db), e) ||
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
    cli_record_close(&s->record);
    runner_close(s->runner);
    store_close(s->store);
    arena_free(&s->arena);
}

static int run(int argc, char **argv)
{
    struct options o = { .temperature = NAN };
    struct session s = { .o = &o };
    struct err e;
    int rc;

    cli_asking_init(&o.asking);
    rc = cli_parse(&argp, argc, argv, &o);
    if (rc) {
        rc--;
        goto done;
    }
    arena_init(&s.arena, 0);
    s.purse.limit = o.asking.budget;
    cli_progress_begin(&s.shown);
    rc = run_session(&s, argc, argv, &e) ? cli_fail(&e) : 0;
    close_session(&s);
done:
    cli_list_free(&o.candidates);
    cli_list_free(&o.suites);
    cli_asking_free(&o.asking);
    return rc;
}

const struct cmd cmd_judge = {
    .name = "judge",
    .doc = "has a model compare or grade stored responses",
    .run = run,
};
