/* What a plan, or any list of requests, would take. */
#include "harness/estimate.h"

#include <math.h>

#include "harness/guess.h"

enum {
    DEFAULT_MAX_TOKENS = 512,
    ENOUGH = 10, /* stored answers for a mean */
    DEFAULT_FLIGHTS = 8
};

/* --- what the store knows -------------------------------------------------- */

struct mean {
    double value;
    size_t n;
};

static enum err_code take_mean(void *user, const struct store_row *r,
                               struct err *e)
{
    struct mean *m = user;

    (void)e;
    m->value = row_num(r, 0);
    m->n = (size_t)row_int(r, 1);
    return ERR_OK;
}

/* Tokens and times of the answers this model has given, tokens of any's. */
static const struct {
    const char *of_model, *of_all, *time;
} past[] = {
    [ESTIMATE_ANSWERS] = {
        "SELECT avg(r.output_tokens), count(r.output_tokens) FROM response AS r"
        " JOIN sample AS s ON s.pk = r.sample"
        " WHERE r.text IS NOT NULL AND s.model = ?",
        "SELECT avg(output_tokens), count(output_tokens) FROM response"
        " WHERE text IS NOT NULL",
        "SELECT avg(r.latency_ns), count(r.latency_ns) FROM response AS r"
        " JOIN sample AS s ON s.pk = r.sample WHERE s.model = ?",
    },
    [ESTIMATE_JUDGEMENTS] = {
        "SELECT avg(j.output_tokens), count(j.output_tokens) FROM judgement"
        " AS j JOIN judge AS g ON g.pk = j.judge WHERE g.model = ?",
        "SELECT avg(output_tokens), count(output_tokens) FROM judgement",
        "SELECT avg(j.latency_ns), count(j.latency_ns) FROM judgement AS j"
        " JOIN judge AS g ON g.pk = j.judge WHERE g.model = ?",
    },
};

/* Of this model, or of any, when it has few. */
static enum err_code find_output(struct estimating *es, struct err *e)
{
    struct mean m = { 0, 0 };
    enum err_code rc = store_query(es->store, past[es->of].of_model, take_mean,
                                   &m, e, "i", es->model);

    es->out->output_from = OUTPUT_MODEL;
    if (!rc && m.n < ENOUGH) {
        rc = store_query(es->store, past[es->of].of_all, take_mean, &m, e, "");
        es->out->output_from = OUTPUT_OTHERS;
    }
    if (!rc && m.n < ENOUGH)
        es->out->output_from = OUTPUT_ASSUMED;
    es->out->n_stored = m.n;
    es->per_answer = m.n < ENOUGH ? NAN : m.value;
    return rc;
}

/* --- tokens ---------------------------------------------------------------- */

static enum err_code add_prompt(struct estimating *es, const struct request *q,
                                struct err *e)
{
    struct bounds *p = &es->out->prompt;
    int64_t counted;
    double likely;

    if (es->runner->kind->count) {
        if (es->runner->kind->count(es->runner, q, &counted, e))
            return e->code;
        p->low += (double)counted;
        p->likely += (double)counted;
        p->high += (double)counted;
        return ERR_OK;
    }
    likely = guess_prompt(q);
    es->out->tokens_from = TOKENS_GUESSED;
    p->low += GUESS_LOW * likely;
    p->likely += likely;
    p->high += GUESS_HIGH * likely * (q->n_options ? (double)q->n_options : 1);
    return ERR_OK;
}

static void add_output(struct estimating *es, const struct request *q,
                       size_t turn)
{
    struct estimate *o = es->out;
    double most = q->sampling.max_tokens > 0 ? (double)q->sampling.max_tokens
                                             : DEFAULT_MAX_TOKENS;
    double likely =
        isnan(es->per_answer) ? most / 2 : fmin(es->per_answer, most);

    o->requests++;
    if (q->kind == REQUEST_SCORE)
        return;
    o->generated++;
    o->output.low += 1;
    o->output.likely += likely;
    o->output.high += most;
    /* its reply stands in the prompts of the turns after it */
    o->prompt.low += (double)turn;
    o->prompt.likely += (double)turn * likely;
    o->prompt.high += (double)turn * most;
}

/* --- money ----------------------------------------------------------------- */

static double nano_of(const struct tariff *t, double prompt, double output)
{
    struct usage u = { .prompt = llround(prompt), .output = llround(output) };
    int64_t nano = cost_nano(t, &u);

    return nano == COST_UNKNOWN ? NAN : (double)nano;
}

static void add_money(struct estimate *o, const struct tariff *t)
{
    o->nano = (struct bounds){
        nano_of(t, o->prompt.low, o->output.low),
        nano_of(t, o->prompt.likely, o->output.likely),
        nano_of(t, o->prompt.high, o->output.high),
    };
    o->cny_nano =
        (struct bounds){ o->nano.low * t->cny, o->nano.likely * t->cny,
                         o->nano.high * t->cny };
}

/* --- time ------------------------------------------------------------------ */

/* The longest of what limits: the pace asked for, and this model's own times.
 * Where a tokenizer is at hand the answers are computed here: there is no pace,
 * and their stored times are shares of the computing time; elsewhere they pass
 * side by side. */
static enum err_code find_time(const struct estimating *es,
                               const struct runner_params *how, struct err *e)
{
    struct estimate *o = es->out;
    struct mean m = { 0, 0 };
    bool here = es->runner->kind->count != NULL;
    double flights = here               ? 1
                     : how->concurrency ? (double)how->concurrency
                                        : DEFAULT_FLIGHTS;
    double n = (double)o->requests, pace = 0, own;
    enum err_code rc = store_query(es->store, past[es->of].time, take_mean, &m,
                                   e, "i", es->model);

    if (how->rpm > 0 && !here)
        pace = 60 * n / how->rpm;
    if (how->tpm > 0 && !here)
        pace =
            fmax(pace, 60 * (o->prompt.likely + o->output.likely) / how->tpm);
    own = m.n < ENOUGH ? 0 : m.value / 1e9 * n / fmin(flights, fmax(n, 1));
    o->time_from = own > pace ? TIME_STORED
                   : pace > 0 ? TIME_PACE
                              : TIME_UNKNOWN;
    o->seconds = o->time_from == TIME_UNKNOWN ? NAN : fmax(own, pace);
    return rc;
}

/* --- requests -------------------------------------------------------------- */

enum err_code estimate_begin(struct estimating *es, struct estimate *out,
                             struct runner *r, struct store *s, int64_t model,
                             enum estimate_of of, struct err *e)
{
    *out = (struct estimate){ .tokens_from = TOKENS_COUNTED };
    *es = (struct estimating){
        .out = out, .runner = r, .store = s, .model = model, .of = of
    };
    return find_output(es, e);
}

enum err_code estimate_add(struct estimating *es, const struct request *q,
                           size_t turn, struct err *e)
{
    if (add_prompt(es, q, e))
        return e->code;
    add_output(es, q, turn);
    return ERR_OK;
}

enum err_code estimate_end(struct estimating *es,
                           const struct runner_params *how,
                           const struct tariff *t, struct err *e)
{
    if (!es->out->generated)
        es->out->output_from = OUTPUT_NONE;
    add_money(es->out, t);
    return find_time(es, how, e);
}

/* --- a plan ---------------------------------------------------------------- */

static enum err_code add_entry(struct estimating *es, const struct plan *p,
                               const struct plan_entry *x, struct arena *a,
                               struct err *e)
{
    size_t n = x->item->n_turns ? x->item->n_turns : 1;
    const char **replies = arena_array(a, n, sizeof *replies);
    struct request q;

    if (!replies)
        return err_set(e, ERR_NOMEM, "no memory for an estimate");
    for (size_t i = 0; i < n; i++)
        replies[i] = "";
    for (size_t turn = 0; turn < n; turn++)
        if (prompt_render(x->suite, x->item, &p->prompt, turn, replies, a, &q,
                          e) ||
            estimate_add(es, &q, turn, e))
            return err_wrap(e, "item %s", x->item->id);
    return ERR_OK;
}

enum err_code estimate_plan(struct estimate *out, const struct plan *p,
                            struct runner *r, const struct runner_params *how,
                            const struct tariff *t, struct store *s,
                            int64_t model, struct err *e)
{
    struct estimating es;
    struct arena a;
    enum err_code rc =
        estimate_begin(&es, out, r, s, model, ESTIMATE_ANSWERS, e);

    arena_init(&a, 0);
    for (size_t i = 0; i < p->n && !rc; i++) {
        arena_reset(&a);
        rc = add_entry(&es, p, &p->entries[i], &a, e);
    }
    arena_free(&a);
    return rc ? rc : estimate_end(&es, how, t, e);
}
