/* mokao run: plans, asks, scores, stores; resumes by itself. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/cli/cli_money.h"
#include "harness/cli/cli_rows.h"
#include "harness/cli/run_options.h"
#include "harness/run.h"

/* --- what a run of several models shares ----------------------------------- */

struct session {
    struct model_spec *specs; /* of the models, as -m names them */
    struct run_options *o;
    struct store *store;
    struct plan_suite *suites;
    size_t n_suites;
    int64_t run;
    struct cli_record record;
    const volatile sig_atomic_t *interrupts;
    const struct asked *group; /* under way */
    size_t n_group;
    struct cli_progress shown;
    struct rates rates;
    struct purse purse;
    struct arena arena;
    struct buf out; /* the summary */
    struct jw json;
    enum err_code worst;
};

/* One model of the run. */
struct asked {
    struct session *session;
    struct model_spec spec;
    struct runner *runner;
    struct meter meter;
    int64_t model; /* id in the store */
    struct plan plan;
    bool planned; /* meter and plan are there */
    struct run_job job;
    enum err_code failure; /* of the first request without an answer, or OK */
    const char *failure_message; /* in the session's arena, may be NULL */
};

/* --- progress -------------------------------------------------------------- */

enum { BAR_CELLS = 24 };

static void format_progress(const char *who, const struct run_progress *p,
                            char *out, size_t n)
{
    char eta[32] = "-", bar[BAR_CELLS * 3 + 1] = "";
    double rate = p->elapsed_ms > 0
                      ? 1000.0 * (double)p->done / (double)p->elapsed_ms
                      : 0;
    size_t filled = p->total ? p->done * BAR_CELLS / p->total : BAR_CELLS;
    int len;

    for (size_t i = 0; i < BAR_CELLS; i++)
        strncat(bar, i < filled ? "█" : "░", 4);
    if (p->eta_ms >= 0)
        cli_human_time(p->eta_ms, eta, sizeof eta);
    len = snprintf(out, n, "%s %s %zu/%zu %.1f/s ETA %s", who, bar, p->done,
                   p->total, rate, eta);
    if (p->judged && len > 0 && (size_t)len < n)
        len += snprintf(out + len, n - (size_t)len, " 正确 %.1f%%",
                        100.0 * (double)p->correct / (double)p->judged);
    if (p->failed && len > 0 && (size_t)len < n)
        len += snprintf(out + len, n - (size_t)len, " 失败 %zu", p->failed);
    if (p->meter && p->meter->n_priced && len > 0 && (size_t)len < n)
        cli_run_money(p->meter, " ", out + len, n - (size_t)len);
}

/* Of the models that are asked at the same time, together. */
static void add_progress(struct run_progress *sum, const struct run_progress *p)
{
    sum->total += p->total;
    sum->done += p->done;
    sum->failed += p->failed;
    sum->correct += p->correct;
    sum->judged += p->judged;
    if (p->elapsed_ms > sum->elapsed_ms)
        sum->elapsed_ms = p->elapsed_ms;
    if (p->eta_ms > sum->eta_ms)
        sum->eta_ms = p->eta_ms;
}

/* A bar that is drawn over on a terminal, else one line a second. */
static void on_progress(void *user, const struct run_progress *p)
{
    struct session *s = ((struct asked *)user)->session;
    bool last;
    struct meter money = { 0 };
    struct run_progress sum = { .eta_ms = -1, .meter = &money };
    char who[80], line[512];

    snprintf(who, sizeof who, "%s", s->group->spec.id);
    if (s->n_group > 1) {
        for (size_t i = 0; i < s->n_group; i++) {
            add_progress(&sum, &s->group[i].job.progress);
            meter_add(&money, &s->group[i].meter);
        }
        snprintf(who, sizeof who, "%zu models", s->n_group);
        p = &sum;
    }
    last = p->done == p->total;
    if (!p->total || !cli_progress_due(&s->shown, last))
        return;
    format_progress(who, p, line, sizeof line);
    cli_progress_show(&s->shown, last, "%s", line);
}

/* --- every exchange -------------------------------------------------------- */

static enum err_code on_exchange(void *user, const struct request *q,
                                 const struct response *r, struct err *e)
{
    struct asked *a = user;

    if (r->code && !a->failure) {
        a->failure = r->code;
        if (r->message)
            a->failure_message = arena_strdup(&a->session->arena, r->message);
    }
    return cli_record_add(&a->session->record, q, r, e);
}

/* --- suites ---------------------------------------------------------------- */

static enum err_code add_suite(struct session *s, const struct suite_ref *ref,
                               size_t *cap, struct err *e)
{
    struct plan_suite *p;

    if (!mem_grow(&s->suites, cap, s->n_suites + 1, sizeof *s->suites))
        return err_set(e, ERR_NOMEM, "no memory for the suites");
    p = &s->suites[s->n_suites];
    p->subset = ref->subset;
    p->suite = NULL;
    for (size_t i = 0; i < s->n_suites; i++)
        if (strcmp(s->suites[i].suite->path, ref->path) == 0)
            p->suite = s->suites[i].suite;
    if (!p->suite && suite_open(&p->suite, ref->path, e))
        return e->code;
    s->n_suites++;
    return ERR_OK;
}

static enum err_code open_suites(struct session *s, struct err *e)
{
    struct suite_ref *refs;
    size_t n, cap = 0;

    for (size_t i = 0; i < s->o->suites.n; i++) {
        if (suite_find(s->o->suites.v[i], &s->arena, &refs, &n, e))
            return e->code;
        for (size_t k = 0; k < n; k++)
            if (add_suite(s, &refs[k], &cap, e))
                return e->code;
    }
    return ERR_OK;
}

static void close_suites(struct session *s)
{
    for (size_t i = 0; i < s->n_suites; i++) {
        bool shared = false;
        for (size_t k = 0; k < i; k++)
            shared = shared || s->suites[k].suite == s->suites[i].suite;
        if (!shared)
            suite_close(s->suites[i].suite);
    }
    mem_free(s->suites);
}

/* --- one model ------------------------------------------------------------- */

static double either(double asked, double models)
{
    return isnan(asked) ? models : asked;
}

static struct plan_params params_for(const struct session *s,
                                     const struct runner *r,
                                     const struct model_spec *m)
{
    const struct run_options *o = s->o;
    struct plan_params p = o->plan;
    struct sampling *g = &p.prompt.sampling;

    *g = m->sampling;
    g->temperature = either(o->temperature, g->temperature);
    g->top_p = either(o->top_p, g->top_p);
    if (o->top_k >= 0)
        g->top_k = o->top_k;
    if (o->max_tokens > 0)
        g->max_tokens = o->max_tokens;
    else if (g->max_tokens < 0)
        g->max_tokens = 512;
    g->seed = o->seed;
    p.prompt.score_chat = r->kind->can_score(r, true);
    p.prompt.score_text = r->kind->can_score(r, false);
    p.prompt.system = m->system;
    p.prompt.chat = m->template;
    p.prompt.shots = (size_t)o->shots;
    p.suites = s->suites;
    p.n_suites = s->n_suites;
    p.limit = (size_t)o->limit;
    p.trials = (size_t)o->trials;
    p.run = s->run;
    return p;
}

static void summary_json(const struct asked *a, struct jw *w)
{
    const struct run_progress *p = &a->job.progress;

    jw_object(w, NULL);
    jw_str(w, "model", a->spec.id);
    jw_int(w, "planned", (int64_t)a->plan.n);
    jw_int(w, "stored", (int64_t)a->plan.n_stored);
    jw_int(w, "answered", (int64_t)p->answered);
    jw_int(w, "failed", (int64_t)p->failed);
    jw_int(w, "not_asked", (int64_t)(p->total - p->done));
    jw_int(w, "judged", (int64_t)p->judged);
    jw_int(w, "correct", (int64_t)p->correct);
    jw_int(w, "prompt_tokens", p->prompt_tokens);
    jw_int(w, "cached_tokens", p->cached_tokens);
    jw_int(w, "output_tokens", p->output_tokens);
    jw_int(w, "elapsed_ms", p->elapsed_ms);
    if (p->meter)
        cli_run_money_json(p->meter, w);
    if (a->failure) {
        jw_object(w, "first_failure");
        jw_str(w, "code", err_name(a->failure));
        jw_str(w, "message", a->failure_message ? a->failure_message : "");
        jw_end(w);
    }
    jw_end(w);
}

static void summary_text(struct session *s, const struct asked *a)
{
    const struct run_progress *p = &a->job.progress;
    char time[32], money[160] = "";

    buf_printf(&s->out, "%s: ", a->spec.id);
    cli_human_time(p->elapsed_ms, time, sizeof time);
    if (p->meter && p->meter->tariff.currency)
        cli_run_money(p->meter, "; ", money, sizeof money);
    buf_printf(&s->out, "%zu answered, %zu failed, ", p->answered, p->failed);
    if (p->total > p->done)
        buf_printf(&s->out, "%zu not asked, ", p->total - p->done);
    buf_printf(&s->out, "%zu stored before", a->plan.n_stored);
    if (p->judged)
        buf_printf(&s->out, "; %zu of %zu correct (%.1f%%)", p->correct,
                   p->judged, 100.0 * (double)p->correct / (double)p->judged);
    buf_printf(&s->out,
               "; %" PRId64 " prompt tokens, %" PRId64
               " of them shared, %" PRId64 " generated; %s%s\n",
               p->prompt_tokens, p->cached_tokens, p->output_tokens, time,
               money);
    /* A model that was stopped says why by itself. */
    if (a->failure && a->job.err.code == ERR_PARTIAL)
        buf_printf(&s->out, "  the first failure: %s, %s\n",
                   err_name(a->failure),
                   a->failure_message ? a->failure_message : "");
}

/* What would be asked, and what it would take; nothing is. */
static enum err_code dry_summary(struct session *s, const struct asked *a,
                                 struct err *e)
{
    const struct plan *plan = &a->plan;
    struct estimate o;

    if (estimate_plan(&o, plan, a->runner, &s->o->asking.runner,
                      &a->meter.tariff, s->store, a->model, e))
        return err_wrap(e, "model %s", a->spec.id);
    if (!s->o->asking.json) {
        buf_printf(&s->out, "%s: %zu to ask, %zu stored\n", a->spec.id, plan->n,
                   plan->n_stored);
        cli_run_estimate(&o, &a->meter.tariff, &s->out);
        return ERR_OK;
    }
    jw_object(&s->json, NULL);
    jw_str(&s->json, "model", a->spec.id);
    jw_int(&s->json, "planned", (int64_t)plan->n);
    jw_int(&s->json, "stored", (int64_t)plan->n_stored);
    cli_run_estimate_json(&o, &a->meter.tariff, &s->json);
    jw_end(&s->json);
    return ERR_OK;
}

/* The model that -m names so. */
static const struct model_spec *spec_of(const struct session *s,
                                        const char *name)
{
    size_t i = 0;

    while (strcmp(s->o->models.v[i], name) != 0)
        i++;
    return &s->specs[i];
}

static enum err_code open_asked(struct session *s, const char *spec,
                                struct asked *a, struct err *e)
{
    *a = (struct asked){ .session = s, .spec = *spec_of(s, spec) };
    return runner_open(&a->runner, &a->spec, &s->o->asking.runner, e);
}

static enum err_code plan_asked(struct asked *a, struct err *e)
{
    struct session *s = a->session;
    struct plan_params params;

    assert(a->runner); /* open_asked() went well */
    params = params_for(s, a->runner, &a->spec);
    if (cli_run_meter(&a->meter, &a->spec, &s->rates, &s->purse, s->store, e))
        return e->code;
    if (cli_put_model(s->store, a->runner, &a->spec, &s->arena, &a->model, e) ||
        plan_make(&a->plan, s->store, a->model, &params, e)) {
        meter_free(&a->meter);
        return e->code;
    }
    a->planned = true;
    a->job = (struct run_job){
        .runner = a->runner,
        .plan = &a->plan,
        .params = { .store = s->store,
                    .run = s->run,
                    .meter = &a->meter,
                    .interrupts = s->interrupts,
                    .progress = on_progress,
                    .observe = on_exchange,
                    .user = a },
    };
    return ERR_OK;
}

static void close_asked(struct asked *a)
{
    if (a->planned) {
        meter_free(&a->meter);
        plan_free(&a->plan);
    }
    runner_close(a->runner);
}

/* --- the run --------------------------------------------------------------- */

/* What the whole run ends with: interruption before everything, then the first
 * real failure, then "done in part". */
static void note(struct session *s, const struct err *e)
{
    bool stronger = s->worst == ERR_OK || e->code == ERR_CANCELLED ||
                    (s->worst == ERR_PARTIAL && e->code != ERR_PARTIAL);

    cli_fail(e);
    if (stronger && s->worst != ERR_CANCELLED)
        s->worst = e->code;
}

/* Opens and plans the models; those that fail are told and left out.  Returns
 * how many are ready. */
static size_t prepare(struct session *s, const char *const *specs, size_t n,
                      struct asked *out)
{
    size_t ready = 0;
    struct err e;

    for (size_t i = 0; i < n; i++) {
        struct asked *a = &out[ready];
        if (!open_asked(s, specs[i], a, &e) && !plan_asked(a, &e)) {
            ready++;
            continue;
        }
        note(s, &e);
        close_asked(a);
    }
    return ready;
}

/* Asks models that share a loop, or a single one. */
static enum err_code run_group(struct session *s, const char *const *specs,
                               size_t n, struct err *e)
{
    struct asked *group = mem_array(n, sizeof *group);
    struct run_job **jobs = mem_array(n, sizeof(struct run_job *));
    enum err_code rc = ERR_OK;

    if (!group || !jobs) {
        rc = err_set(e, ERR_NOMEM, "no memory for the models");
        goto done;
    }
    s->n_group = prepare(s, specs, n, group);
    s->group = group;
    for (size_t i = 0; i < s->n_group; i++)
        jobs[i] = &group[i].job;
    if (s->n_group && !s->o->dry_run)
        rc = run_plans(jobs, s->n_group, e);
    for (size_t i = 0; i < s->n_group; i++) {
        struct asked *a = &group[i];
        if (!s->o->dry_run && s->o->asking.json)
            summary_json(a, &s->json);
        else if (!s->o->dry_run)
            summary_text(s, a);
        else if (!rc)
            rc = dry_summary(s, a, e);
        if (a->job.err.code)
            note(s, &a->job.err);
        close_asked(a);
    }
done:
    mem_free(jobs);
    mem_free(group);
    return rc;
}

/* Whether models of that kind are asked side by side. */
static bool shares_loop(const struct model_spec *m)
{
    const struct runner_kind *k = runner_find(m->kind);

    return k && k->run_all;
}

/* A model that is named twice is asked, the second time, after the first. */
static bool is_named(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Model i alone, or, if it shares a loop, with all that do. */
static enum err_code run_with(struct session *s, size_t i, bool *done,
                              const char **group, struct err *e)
{
    const struct model_spec *first = &s->specs[i];
    size_t n = 0;

    for (size_t k = i; k < s->o->models.n; k++) {
        if (k > i && (!shares_loop(first) || done[k] ||
                      is_named(group, n, s->o->models.v[k]) ||
                      strcmp(s->specs[k].kind, first->kind) != 0))
            continue;
        group[n++] = s->o->models.v[k];
        done[k] = true;
    }
    return run_group(s, group, n, e);
}

static void run_models(struct session *s)
{
    bool *done = arena_array(&s->arena, s->o->models.n, sizeof *done);
    const char **group = arena_array(&s->arena, s->o->models.n, sizeof *group);
    struct err e;

    if (!done || !group) {
        (void)err_set(&e, ERR_NOMEM, "no memory for the models");
        note(s, &e);
        return;
    }
    for (size_t i = 0; i < s->o->models.n && s->worst != ERR_CANCELLED; i++)
        if (!done[i] && run_with(s, i, done, group, &e))
            note(s, &e);
}

static enum err_code end_run(struct session *s, struct err *e)
{
    const char *state = s->worst == ERR_OK          ? "done"
                        : s->worst == ERR_CANCELLED ? "interrupted"
                                                    : "part";
    enum err_code rc = store_end_run(s->store, s->run, state, io_wall_ms(), e);

    return rc ? rc : store_flush(s->store, e);
}

/* Unknown names are told before anything is opened or asked. */
static enum err_code find_models(struct session *s, struct err *e)
{
    size_t n = s->o->models.n;

    s->specs = arena_array(&s->arena, n, sizeof *s->specs);
    if (n && !s->specs)
        return err_set(e, ERR_NOMEM, "no memory for the models");
    for (size_t i = 0; i < n; i++)
        if (model_find(s->o->models.v[i], s->o->asking.models_file, &s->arena,
                       &s->specs[i], e))
            return e->code;
    return ERR_OK;
}

static enum err_code run_session(struct session *s, int argc, char **argv,
                                 struct err *e)
{
    if (find_models(s, e) ||
        cli_run_rates(&s->rates, s->o->asking.models_file, &s->o->asking.rates,
                      &s->arena, e) ||
        open_suites(s, e) ||
        cli_record_open(&s->record, s->o->asking.record, e) ||
        store_open(&s->store, s->o->asking.db, false, e) ||
        cli_put_run(s->store, argc, argv, &s->run, e))
        return e->code;
    jw_init(&s->json, &s->out, true);
    if (s->o->asking.json)
        jw_array(&s->json, NULL);
    run_models(s);
    if (s->o->asking.json) {
        jw_end(&s->json);
        buf_char(&s->out, '\n');
    }
    if (end_run(s, e) || buf_check(&s->out, "the summary", e))
        return e->code;
    return cli_print(&s->out, e);
}

static int run(int argc, char **argv)
{
    struct run_options o;
    struct session s = { .o = &o };
    struct err e;
    int rc = run_options_parse(&o, argc, argv);

    if (rc) {
        rc--;
        goto done;
    }
    arena_init(&s.arena, 0);
    buf_init(&s.out, (size_t)16 << 20);
    s.purse.limit = o.asking.budget;
    cli_progress_begin(&s.shown);
    s.interrupts = cli_catch_signals();
    rc = run_session(&s, argc, argv, &e) ? cli_fail(&e) : err_status(s.worst);
    cli_record_close(&s.record);
    close_suites(&s);
    store_close(s.store);
    buf_free(&s.out);
    arena_free(&s.arena);
done:
    run_options_free(&o);
    return rc;
}

const struct cmd cmd_run = {
    .name = "run",
    .doc = "asks models the items of suites, scores and stores the answers",
    .run = run,
};
