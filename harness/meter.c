/* What a run spends, and when it has to stop. */
#include "harness/meter.h"

#include <math.h>
#include <string.h>

#include "harness/guess.h"

enum { DEFAULT_MAX_TOKENS = 512 };

enum err_code meter_init(struct meter *m, const struct tariff *t,
                         struct purse *purse, const char *model, struct err *e)
{
    *m = (struct meter){ .tariff = *t, .purse = purse, .worst = GUESS_HIGH };
    if (purse->limit == COST_UNKNOWN)
        return ERR_OK;
    if (!t->currency || isnan(t->in) || isnan(t->out))
        return err_set(e, ERR_NOENV,
                       "--budget: model %s: its price is not known; the "
                       "models file takes \"price\": {\"in\", \"out\", "
                       "\"currency\", \"date\"}",
                       model);
    if (isnan(t->cny))
        return err_set(e, ERR_NOENV,
                       "--budget: model %s: no rate of %s to CNY is known: "
                       "--rate %s=CNY",
                       model, t->currency, t->currency);
    return ERR_OK;
}

void meter_free(struct meter *m)
{
    /* What was in flight when a run broke off is free for other models. */
    for (size_t i = 0; i < m->cap; i++)
        m->purse->reserved -= m->held[i];
    mem_free(m->held);
    m->held = NULL;
    m->cap = 0;
}

/* Options may be asked one by one, each with the whole prompt. */
static double guess(const struct request *q)
{
    return guess_prompt(q) * (q->n_options ? (double)q->n_options : 1);
}

static int64_t at_most(const struct meter *m, const struct request *q,
                       double output)
{
    struct usage u = { .prompt = (int64_t)ceil(m->worst * guess(q)),
                       .output = (int64_t)ceil(output) };
    int64_t cny = cost_cny(&m->tariff, cost_nano(&m->tariff, &u));

    return cny == COST_UNKNOWN ? 0 : cny;
}

static double most_output(const struct request *q)
{
    int64_t max = q->sampling.max_tokens;

    if (q->kind == REQUEST_SCORE)
        return (double)q->n_options;
    return max > 0 ? (double)max : DEFAULT_MAX_TOKENS;
}

enum err_code meter_admit(struct meter *m, const struct request *q, bool *fits,
                          struct err *e)
{
    struct purse *p = m->purse;
    size_t had = m->cap;
    int64_t most;

    *fits = true;
    if (p->limit == COST_UNKNOWN)
        return ERR_OK;
    if (!mem_grow(&m->held, &m->cap, q->id + 1, sizeof *m->held))
        return err_set(e, ERR_NOMEM, "no memory for the budget");
    if (m->cap > had)
        memset(m->held + had, 0, (m->cap - had) * sizeof *m->held);
    most = at_most(m, q, most_output(q));
    *fits = p->spent + p->reserved <= p->limit - most;
    if (*fits) {
        m->held[q->id] = most;
        p->reserved += most;
    }
    return ERR_OK;
}

static void release(struct meter *m, const struct request *q)
{
    if (m->purse->limit == COST_UNKNOWN)
        return;
    m->purse->reserved -= m->held[q->id];
    m->held[q->id] = 0;
}

/* Tokens that are not told count for the budget as what they may be. */
static int64_t untold(const struct meter *m, const struct request *q,
                      const struct response *res)
{
    return at_most(m, q,
                   GUESS_HIGH * (guess_text(str_of(res->text)) +
                                 guess_text(str_of(res->reasoning))));
}

/* What a budget goes on from: what was spent, and by how much the guesses of
 * what requests will cost have been too low. */
static void spend(struct meter *m, const struct request *q,
                  const struct response *res, int64_t cny)
{
    if (m->purse->limit == COST_UNKNOWN)
        return;
    if (res->prompt_tokens > 0 && guess(q) > 0)
        m->worst = fmax(m->worst, (double)res->prompt_tokens / guess(q));
    if (cny != COST_UNKNOWN)
        m->purse->spent += cny;
    else if (!res->code) /* a failure that tells no tokens has cost none */
        m->purse->spent += untold(m, q, res);
}

void meter_settle(struct meter *m, const struct request *q,
                  const struct response *res)
{
    struct usage u = { res->prompt_tokens, res->cached_tokens,
                       res->output_tokens };
    bool told = u.prompt >= 0 || u.output >= 0;
    int64_t nano, cny;

    release(m, q);
    if (res->code && !told)
        return;
    if (res->code) { /* what a failure does not tell was not used */
        u.prompt = u.prompt < 0 ? 0 : u.prompt;
        u.output = u.output < 0 ? 0 : u.output;
    }
    nano = cost_nano(&m->tariff, &u);
    cny = cost_cny(&m->tariff, nano);
    m->nano += nano == COST_UNKNOWN ? 0 : nano;
    m->cny_nano += cny == COST_UNKNOWN ? 0 : cny;
    m->n_priced += nano != COST_UNKNOWN;
    m->n_unpriced += nano == COST_UNKNOWN;
    spend(m, q, res, cny);
}

void meter_add(struct meter *sum, const struct meter *m)
{
    bool known = m->tariff.currency && !isnan(m->tariff.cny);

    sum->tariff.currency = "CNY";
    sum->tariff.cny = 1;
    sum->nano += m->cny_nano;
    sum->cny_nano += m->cny_nano;
    sum->n_priced += known ? m->n_priced : 0;
    sum->n_unpriced += m->n_unpriced + (known ? 0 : m->n_priced);
}
