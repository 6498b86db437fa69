/* From jobs to rows of tokens, and results on their way out. */
#include <math.h>

#include "engine/jobs_run.h"
#include "engine/status.h"
#include "harness/base/mem.h"

enum err_code jobs_no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the jobs");
}

/* --- results --------------------------------------------------------------- */

enum err_code jobs_status(const struct run *r, int status, struct err *e)
{
    static const enum err_code code[] = {
        [MK_OK] = ERR_OK,        [MK_EFORMAT] = ERR_FORMAT,
        [MK_ELIMIT] = ERR_LIMIT, [MK_ENOMEM] = ERR_NOMEM,
        [MK_EIO] = ERR_IO,       [MK_ENOENV] = ERR_NOENV,
        [MK_EUSAGE] = ERR_USAGE, [MK_ECANCELLED] = ERR_CANCELLED,
    };

    return status ? err_set(e, code[status], "%s", r->err) : ERR_OK;
}

static enum err_code give(struct run *r, size_t job, struct mk_result *res,
                          struct err *e)
{
    struct job_state *s = &r->state[job];

    s->over = true;
    res->n_prompt = s->n_prompt;
    res->n_cached = s->n_prompt > s->computed ? s->n_prompt - s->computed : 0;
    res->prefill_ns += s->prefill_ns;
    if (r->jobs->on_result(r->jobs->user, job, res))
        return ERR_OK;
    return err_set(e, ERR_CANCELLED, "stopped by the caller");
}

static enum err_code give_error(struct run *r, size_t job,
                                const struct err *why, struct err *e)
{
    struct mk_result res = { .finish = MK_FINISH_ERROR, .text = "" };

    res.status = status_out(why->code, why, res.error);
    return give(r, job, &res, e);
}

enum err_code jobs_give_gen(struct run *r, struct gen *g, struct err *e)
{
    struct mk_result res = { .finish = g->finish };

    gen_result(g, &res);
    if (g->finish == MK_FINISH_ERROR)
        res.status = status_out(g->err.code, &g->err, res.error);
    return give(r, g->index, &res, e);
}

/* Best minus second best log-probability. */
static double margin_of(const struct mk_option_score *o, size_t n)
{
    double best = -INFINITY, second = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        if (o[i].logprob > best) {
            second = best;
            best = o[i].logprob;
        } else if (o[i].logprob > second) {
            second = o[i].logprob;
        }
    }
    return isfinite(best) && isfinite(second) ? best - second : 0;
}

enum err_code jobs_give_scores(struct run *r, size_t job, struct err *e)
{
    const struct job_state *s = &r->state[job];
    size_t n = r->jobs->jobs[job].n_options;
    struct mk_result res = { .finish = MK_FINISH_SCORED,
                             .text = "",
                             .options = s->scores,
                             .margin = margin_of(s->scores, n) };

    return give(r, job, &res, e);
}

/* --- from jobs to rows of tokens ------------------------------------------- */

static enum err_code check_tokens(const struct run *r, const int32_t *t,
                                  size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (t[i] < 0 || (size_t)t[i] >= r->n_vocab)
            return err_set(e, ERR_USAGE, "token %zu is %d, expected 0 to %zu",
                           i, t[i], r->n_vocab - 1);
    return ERR_OK;
}

static enum err_code check_length(const struct run *r, size_t n, struct err *e)
{
    size_t most = (size_t)ctx_model(r->c)->info.n_ctx_most;

    if (n <= r->capacity)
        return ERR_OK;
    if (n > most)
        return err_set(e, ERR_LIMIT,
                       "the prompt has %zu tokens, the model was trained for "
                       "%zu",
                       n, most);
    return err_set(e, ERR_LIMIT,
                   "the prompt has %zu tokens, the context holds %zu", n,
                   r->capacity);
}

static enum err_code check_prompt(const struct run *r, const int32_t *t,
                                  size_t n, size_t n_prompt, struct err *e)
{
    size_t whole;
    enum err_code rc = ctx_check_prompt(r->c, t, n, n_prompt, &whole, e);

    if (rc || whole <= n_prompt)
        return rc;
    return err_set(e, ERR_USAGE,
                   "the prompt ends after %zu tokens, the model takes the "
                   "first %zu as a whole",
                   n_prompt, whole);
}

static enum err_code check_option(const struct run *r,
                                  const struct mk_option *o, struct err *e)
{
    enum err_code rc;

    if (o->n < o->n_prompt)
        return err_set(e, ERR_USAGE, "%zu tokens with a prompt of %zu", o->n,
                       o->n_prompt);
    if (o->n_prompt == 0)
        return err_set(e, ERR_USAGE,
                       "nothing stands before the first token "
                       "to be scored");
    rc = check_length(r, o->n - 1, e);
    rc = rc ? rc : check_tokens(r, o->tokens, o->n, e);
    return rc ? rc : check_prompt(r, o->tokens, o->n, o->n_prompt, e);
}

static enum err_code check_job(const struct run *r, const struct mk_job *j,
                               struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < j->n_options && !rc; i++) {
        rc = check_option(r, &j->options[i], e);
        if (rc)
            return err_wrap(e, "option %zu", i);
    }
    if (j->n_options > 0)
        return ERR_OK;
    if (j->n_prompt == 0)
        return err_set(e, ERR_USAGE, "the prompt is empty");
    rc = check_length(r, j->n_prompt, e);
    rc = rc ? rc : check_tokens(r, j->prompt, j->n_prompt, e);
    return rc ? rc : check_prompt(r, j->prompt, j->n_prompt, j->n_prompt, e);
}

/* Tokens to be computed for the options, those that all share counted once. */
static size_t count_options(const struct mk_job *j)
{
    const struct mk_option *first = &j->options[0];
    size_t shared = first->n - 1, n = 0;

    for (size_t i = 0; i < j->n_options; i++) {
        const struct mk_option *o = &j->options[i];
        size_t k = 0;

        while (k < shared && k < o->n - 1 && o->tokens[k] == first->tokens[k])
            k++;
        shared = k;
        n += o->n - 1;
    }
    return n - shared * (j->n_options - 1);
}

struct keys {
    struct tree_key *p;
    size_t n, cap;
};

static bool add_key(struct keys *k, struct tree_key key)
{
    if (!mem_grow(&k->p, &k->cap, k->n + 1, sizeof *k->p))
        return false;
    k->p[k->n++] = key;
    return true;
}

/* The rows of an option.  That the prompt's end is a row of its own makes a node
 * end there, whose last logits are wanted. */
static bool add_option(struct run *r, struct keys *k, size_t job, size_t i)
{
    const struct mk_option *o = &r->jobs->jobs[job].options[i];
    struct tree_key key = { o->tokens, o->n - 1, o->n_prompt, job, i };

    r->state[job].scores[i].greedy = true;
    if (o->n == o->n_prompt)
        return true;
    r->state[job].open++;
    if (!add_key(k, key))
        return false;
    key.n = o->n_prompt;
    key.option = TREE_BOUNDARY;
    return o->n - 1 == o->n_prompt || add_key(k, key);
}

static enum err_code add_job(struct run *r, struct keys *k, size_t job,
                             struct err *e)
{
    const struct mk_job *j = &r->jobs->jobs[job];
    struct tree_key key = { j->prompt, j->n_prompt, j->n_prompt, job,
                            TREE_PROMPT };
    struct mk_result none = { .finish = MK_FINISH_LENGTH, .text = "" };
    struct err why = { .code = ERR_OK };
    bool ok = true;

    r->state[job].n_prompt = j->n_options ? 0 : j->n_prompt;
    if (check_job(r, j, &why))
        return give_error(r, job, &why, e);
    if (j->n_options > 0)
        r->state[job].n_prompt = count_options(j);
    for (size_t i = 0; i < j->n_options && ok; i++)
        ok = add_option(r, k, job, i);
    if (j->n_options > 0 && ok && r->state[job].open == 0)
        return jobs_give_scores(r, job, e);
    if (j->n_options == 0 && j->max_tokens == 0) {
        r->state[job].computed = j->n_prompt;
        return give(r, job, &none, e);
    }
    if (j->n_options == 0)
        ok = add_key(k, key);
    return ok ? ERR_OK : jobs_no_memory(e);
}

enum err_code jobs_plan(struct run *r, struct err *e)
{
    const struct mk_jobs *jobs = r->jobs;
    struct keys k = { 0 };
    size_t n_options = 0;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < jobs->n; i++)
        n_options += jobs->jobs[i].n_options;
    r->state = mem_array(jobs->n, sizeof *r->state);
    r->scores = mem_array(n_options, sizeof *r->scores);
    if (!r->state || !r->scores)
        return jobs_no_memory(e);
    n_options = 0;
    for (size_t i = 0; i < jobs->n && !rc; i++) {
        r->state[i].scores = r->scores + n_options;
        n_options += jobs->jobs[i].n_options;
        rc = add_job(r, &k, i, e);
    }
    if (rc) {
        mem_free(k.p);
        return rc;
    }
    rc = tree_init(&r->tree, k.p, k.n, r->capacity, r->whole, e);
    for (size_t i = 0; i < r->tree.n_nodes && !rc; i++) {
        const struct tree_node *x = &r->tree.node[i];

        r->state[r->tree.key[x->first_key].job].computed += x->end - x->start;
    }
    return rc;
}
