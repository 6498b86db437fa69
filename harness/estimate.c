/* What a plan would take. */
#include "harness/estimate.h"

#include <math.h>

#include "harness/guess.h"

enum {
    DEFAULT_MAX_TOKENS = 512,
    ENOUGH = 10, /* stored answers for a mean */
    DEFAULT_FLIGHTS = 8
};

struct estimator {
    struct estimate *out;
    const struct plan *plan;
    struct runner *runner;
    double per_answer; /* likely output tokens; NaN: not known */
    struct arena arena;
    struct err *e;
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

/* Tokens of the answers this model has given; of any, when those are few. */
static enum err_code find_output(struct estimator *es, struct store *s,
                                 int64_t model)
{
    static const char of_model[] =
        "SELECT avg(r.output_tokens), count(r.output_tokens) FROM response AS r"
        " JOIN sample AS s ON s.pk = r.sample"
        " WHERE r.text IS NOT NULL AND s.model = ?";
    static const char of_all[] =
        "SELECT avg(output_tokens), count(output_tokens) FROM response"
        " WHERE text IS NOT NULL";
    struct mean m = { 0, 0 };
    enum err_code rc =
        store_query(s, of_model, take_mean, &m, es->e, "i", model);

    es->out->output_from = OUTPUT_MODEL;
    if (!rc && m.n < ENOUGH) {
        rc = store_query(s, of_all, take_mean, &m, es->e, "");
        es->out->output_from = OUTPUT_OTHERS;
    }
    if (!rc && m.n < ENOUGH)
        es->out->output_from = OUTPUT_ASSUMED;
    es->out->n_stored = m.n;
    es->per_answer = m.n < ENOUGH ? NAN : m.value;
    return rc;
}

/* --- tokens ---------------------------------------------------------------- */

static enum err_code add_prompt(struct estimator *es, const struct request *q)
{
    struct bounds *p = &es->out->prompt;
    int64_t counted;
    double likely;

    if (es->runner->kind->count) {
        if (es->runner->kind->count(es->runner, q, &counted, es->e))
            return es->e->code;
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

static void add_output(struct estimator *es, const struct request *q,
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

static enum err_code add_entry(struct estimator *es, const struct plan_entry *x)
{
    size_t n = x->item->n_turns ? x->item->n_turns : 1;
    const char **replies;
    struct request q;

    arena_reset(&es->arena);
    replies = arena_array(&es->arena, n, sizeof *replies);
    if (!replies)
        return err_set(es->e, ERR_NOMEM, "no memory for an estimate");
    for (size_t i = 0; i < n; i++)
        replies[i] = "";
    for (size_t turn = 0; turn < n; turn++) {
        if (prompt_render(x->suite, x->item, &es->plan->prompt, turn, replies,
                          &es->arena, &q, es->e) ||
            add_prompt(es, &q))
            return err_wrap(es->e, "item %s", x->item->id);
        add_output(es, &q, turn);
    }
    return ERR_OK;
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
static enum err_code find_time(struct estimator *es, struct store *s,
                               int64_t model, const struct runner_params *how)
{
    static const char sql[] =
        "SELECT avg(r.latency_ns), count(r.latency_ns) FROM response AS r"
        " JOIN sample AS s ON s.pk = r.sample WHERE s.model = ?";
    struct estimate *o = es->out;
    struct mean m = { 0, 0 };
    bool here = es->runner->kind->count != NULL;
    double flights = here               ? 1
                     : how->concurrency ? (double)how->concurrency
                                        : DEFAULT_FLIGHTS;
    double n = (double)o->requests, pace = 0, own;
    enum err_code rc = store_query(s, sql, take_mean, &m, es->e, "i", model);

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

enum err_code estimate_plan(struct estimate *out, const struct plan *p,
                            struct runner *r, const struct runner_params *how,
                            const struct tariff *t, struct store *s,
                            int64_t model, struct err *e)
{
    struct estimator es = { .out = out, .plan = p, .runner = r, .e = e };
    enum err_code rc;

    *out = (struct estimate){ .tokens_from = TOKENS_COUNTED };
    rc = find_output(&es, s, model);
    arena_init(&es.arena, 0);
    for (size_t i = 0; i < p->n && !rc; i++)
        rc = add_entry(&es, &p->entries[i]);
    arena_free(&es.arena);
    if (!out->generated)
        out->output_from = OUTPUT_NONE;
    add_money(out, t);
    return rc ? rc : find_time(&es, s, model, how);
}
