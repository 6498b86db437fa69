/* From a plan to stored scores.
 *
 * The runner pulls requests and hands back responses; this file stands between
 * it and the store.  Each plan entry (an item and a trial) takes a slot while it
 * is under way; the turns of a dialogue go through the same slot one after the
 * other.  A response is stored first, then judged from what is stored. */
#include "harness/run.h"

#include <math.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/rows.h"
#include "harness/score.h"

struct slot {
    const struct plan_entry *entry;
    struct request request;  /* id is the slot's number */
    struct store_sample key; /* of the turn under way */
    size_t turn, n_turns;
    const char **replies; /* [n_turns] */
    bool judged, correct; /* so far, over all turns */
    struct arena arena;
    size_t next; /* in the free or the ready list */
};

#define NO_SLOT ((size_t)-1)

struct run {
    const struct plan *plan;
    const struct run_params *params;
    struct run_progress *progress;
    struct slot **slots;
    size_t n_slots, cap;
    size_t free, ready; /* lists of slots */
    size_t next_entry;
    struct arena scratch; /* of judging; reset for each sample */
    struct score_waiting waiting;
    int64_t started_ns;
    enum err_code rc; /* the first failure that ends the run */
    struct err *e;
};

static void fail(struct run *r, enum err_code rc)
{
    if (!r->rc)
        r->rc = rc;
}

/* --- slots ----------------------------------------------------------------- */

static struct slot *take_slot(struct run *r)
{
    struct slot *s;

    if (r->free != NO_SLOT) {
        s = r->slots[r->free];
        r->free = s->next;
        arena_reset(&s->arena);
        return s;
    }
    if (!mem_grow(&r->slots, &r->cap, r->n_slots + 1, sizeof(struct slot *)))
        return NULL;
    s = mem_zalloc(sizeof *s);
    if (!s)
        return NULL;
    arena_init(&s->arena, 0);
    s->request.id = r->n_slots;
    r->slots[r->n_slots++] = s;
    return s;
}

static void release_slot(struct run *r, struct slot *s)
{
    s->next = r->free;
    r->free = s->request.id;
}

static void free_slots(struct run *r)
{
    for (size_t i = 0; i < r->n_slots; i++) {
        arena_free(&r->slots[i]->arena);
        mem_free(r->slots[i]);
    }
    mem_free(r->slots);
}

/* --- asking ---------------------------------------------------------------- */

/* The key of a later turn: its prompt holds the model's own replies. */
static enum err_code key_of_turn(struct run *r, struct slot *s)
{
    s->key.turn = (int64_t)s->turn;
    return rows_put_prompt(r->params->store, &s->request, &s->key.prompt, r->e);
}

static enum err_code render_turn(struct run *r, struct slot *s)
{
    size_t id = s->request.id;
    enum err_code rc =
        prompt_render(s->entry->suite, s->entry->item, &r->plan->prompt,
                      s->turn, s->replies, &s->arena, &s->request, r->e);

    s->request.id = id;
    if (!rc && s->turn > 0)
        rc = key_of_turn(r, s);
    /* Trials differ by their seed alone. */
    if (!rc && s->request.sampling.seed >= 0)
        s->request.sampling.seed += (int64_t)s->entry->trial;
    return rc;
}

struct stored_reply {
    struct slot *slot;
    const char *text;
};

static enum err_code on_reply(void *user, const struct store_row *row,
                              struct err *e)
{
    struct stored_reply *s = user;

    s->text = arena_strdup(&s->slot->arena, row_text(row, 0));
    return s->text ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for a reply");
}

/* Steps over turns that an earlier run has had answered. */
static enum err_code skip_stored(struct run *r, struct slot *s)
{
    struct stored_reply reply = { s, NULL };
    bool answered = true;
    int64_t id;

    while (s->turn < s->n_turns) {
        if (render_turn(r, s))
            return r->e->code;
        if (s->n_turns == 1) /* the plan has left out what is answered */
            return ERR_OK;
        if (store_find_sample(r->params->store, &s->key, &id, &answered, r->e))
            return r->e->code;
        if (!answered)
            return ERR_OK;
        if (store_query(r->params->store,
                        "SELECT text FROM response WHERE sample = ?", on_reply,
                        &reply, r->e, "i", id))
            return r->e->code;
        s->replies[s->turn++] = reply.text;
    }
    return ERR_OK;
}

/* Prepares the first turn of the entry that has no answer yet; NULL when there
 * is none, or when the run has failed. */
static struct slot *start_entry(struct run *r, const struct plan_entry *entry)
{
    struct slot *s = take_slot(r);

    if (!s) {
        fail(r, err_set(r->e, ERR_NOMEM, "no memory for a request"));
        return NULL;
    }
    s->entry = entry;
    s->key = entry->key;
    s->turn = 0;
    s->n_turns = entry->item->n_turns ? entry->item->n_turns : 1;
    s->judged = false;
    s->correct = true;
    s->replies = arena_array(&s->arena, s->n_turns, sizeof *s->replies);
    if (!s->replies)
        fail(r, err_set(r->e, ERR_NOMEM, "no memory for a request"));
    else if (skip_stored(r, s))
        fail(r, err_wrap(r->e, "item %s", entry->item->id));
    if (!r->rc && s->turn < s->n_turns)
        return s;
    release_slot(r, s);
    return NULL;
}

static struct slot *next_slot(struct run *r)
{
    struct slot *s = NULL;

    if (r->ready != NO_SLOT) {
        s = r->slots[r->ready];
        r->ready = s->next;
    }
    while (!s && !r->rc && r->next_entry < r->plan->n)
        s = start_entry(r, &r->plan->entries[r->next_entry++]);
    return s;
}

static void make_ready(struct run *r, struct slot *s)
{
    s->next = r->ready;
    r->ready = s->request.id;
}

/* What the budget does not admit now is asked for again when responses have
 * freed what they had reserved. */
static const struct request *next(void *user)
{
    struct run *r = user;
    struct slot *s = next_slot(r);
    bool fits = true;

    if (!s)
        return NULL;
    if (r->params->meter &&
        meter_admit(r->params->meter, &s->request, &fits, r->e))
        fail(r, r->e->code);
    if (fits && !r->rc)
        return &s->request;
    make_ready(r, s);
    return NULL;
}

/* --- storing --------------------------------------------------------------- */

/* {"A":{"logprob":-1.5,"tokens":1,"bytes":1},...} in the order of the choices;
 * the space that may stand before an option is not counted. */
static void scores_json(const struct item *it, const struct request *q,
                        const struct response *res, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    for (size_t i = 0; i < q->n_options; i++) {
        jw_object(&w, it->choices[i].key);
        jw_num(&w, "logprob", res->logprobs[i]);
        jw_int(&w, "tokens", res->option_tokens[i]);
        jw_int(&w, "bytes", (int64_t)str_trim(str_of(q->options[i])).n);
        jw_end(&w);
    }
    jw_end(&w);
}

static enum err_code store_answer(struct run *r, struct slot *s,
                                  const struct response *res, int64_t *sample)
{
    struct store_response row = {
        .text = res->text,
        .reasoning = res->reasoning,
        .finish = finish_name(res->finish),
        .margin = res->margin,
        .prompt_tokens = res->prompt_tokens,
        .cached_tokens = res->cached_tokens,
        .output_tokens = res->output_tokens,
        .started_ms = res->started_ms,
        .latency_ns = res->latency_ns,
        .first_token_ns = res->first_token_ns,
        .attempts = res->attempts,
        .price = r->params->meter ? r->params->meter->price : 0,
    };
    struct buf json;
    enum err_code rc;
    bool added;

    buf_init(&json, (size_t)1 << 20);
    if (res->logprobs) {
        scores_json(s->entry->item, &s->request, res, &json);
        row.logprobs_json = json.p;
    }
    rc = buf_check(&json, "the options' scores", r->e);
    if (!rc)
        rc = store_add_response(r->params->store, &s->key, &row, sample, &added,
                                r->e);
    buf_free(&json);
    return rc;
}

static enum err_code judge(struct run *r, struct slot *s, int64_t sample)
{
    struct store_score score;
    enum err_code rc;

    arena_reset(&r->scratch);
    score.verdict = NULL;
    rc = score_sample(r->params->store, sample, &r->scratch, &r->waiting,
                      &score, r->e);
    if (!rc && score.verdict) {
        s->judged = true;
        s->correct = s->correct && strcmp(score.verdict, "correct") == 0;
    }
    return rc;
}

static int64_t told(int64_t tokens)
{
    return tokens > 0 ? tokens : 0;
}

static enum err_code store_failure(struct run *r, struct slot *s,
                                   const struct response *res)
{
    struct store_error row = {
        .code = err_name(res->code),
        .message = res->message,
        .vendor_code = res->vendor_code,
        .http_status = res->http_status,
        .attempts = res->attempts,
        .at_ms = io_wall_ms(),
        .prompt_tokens = told(res->prompt_tokens),
        .cached_tokens = told(res->cached_tokens),
        .output_tokens = told(res->output_tokens),
        .price = r->params->meter ? r->params->meter->price : 0,
    };
    int64_t sample;

    return store_add_error(r->params->store, &s->key, &row, &sample, r->e);
}

/* --- progress -------------------------------------------------------------- */

static void report_progress(struct run *r)
{
    struct run_progress *p = r->progress;

    p->elapsed_ms = (io_now_ns() - r->started_ns) / 1000000;
    p->eta_ms = p->done ? p->elapsed_ms * (int64_t)(p->total - p->done) /
                              (int64_t)p->done
                        : -1;
    if (r->params->progress)
        r->params->progress(r->params->user, p);
}

static void count_tokens(struct run_progress *p, const struct response *res)
{
    p->prompt_tokens += told(res->prompt_tokens);
    p->cached_tokens += told(res->cached_tokens);
    p->output_tokens += told(res->output_tokens);
}

static void end_entry(struct run *r, struct slot *s, bool failed)
{
    struct run_progress *p = r->progress;

    p->done++;
    if (failed) {
        p->failed++;
    } else {
        p->answered++;
        p->judged += s->judged;
        p->correct += s->judged && s->correct;
    }
    release_slot(r, s);
}

/* --- the exchange ---------------------------------------------------------- */

static enum err_code take_answer(struct run *r, struct slot *s,
                                 const struct response *res)
{
    int64_t sample;

    if (store_answer(r, s, res, &sample) || judge(r, s, sample))
        return r->e->code;
    count_tokens(r->progress, res);
    s->replies[s->turn] = arena_strdup(&s->arena, res->text ? res->text : "");
    s->turn++;
    if (s->turn == s->n_turns) {
        end_entry(r, s, false);
        return ERR_OK;
    }
    if (render_turn(r, s))
        return err_wrap(r->e, "item %s", s->entry->item->id);
    make_ready(r, s);
    return ERR_OK;
}

static void deliver(void *user, const struct request *q,
                    const struct response *res)
{
    struct run *r = user;
    struct slot *s = r->slots[q->id];
    enum err_code rc = ERR_OK;

    if (r->rc)
        return;
    if (r->params->meter)
        meter_settle(r->params->meter, q, res);
    if (r->params->observe)
        rc = r->params->observe(r->params->user, q, res, r->e);
    if (!rc && res->code) {
        rc = store_failure(r, s, res);
        end_entry(r, s, true);
    } else if (!rc) {
        rc = take_answer(r, s, res);
    }
    if (!rc)
        rc = store_tick(r->params->store, r->e);
    if (rc)
        fail(r, rc);
    else
        report_progress(r);
}

/* Asked between steps: also where a commit group that no response closes in
 * time is committed. */
static int stop(void *user)
{
    struct run *r = user;
    int seen = r->params->interrupts ? (int)*r->params->interrupts : 0;

    if (!r->rc && store_tick(r->params->store, r->e))
        fail(r, r->e->code);
    if (r->rc)
        return 2;
    return seen > 2 ? 2 : seen;
}

/* --- from begin to end ----------------------------------------------------- */

static void begin(struct run *r, struct run_job *j)
{
    *r = (struct run){
        .plan = j->plan,
        .params = &j->params,
        .progress = &j->progress,
        .free = NO_SLOT,
        .ready = NO_SLOT,
        .started_ns = io_now_ns(),
        .e = &j->err,
    };
    j->err = (struct err){ .code = ERR_OK };
    j->progress = (struct run_progress){ .total = j->plan->n,
                                         .eta_ms = -1,
                                         .meter = j->params.meter };
    arena_init(&r->scratch, 0);
}

/* What the plan ends with when nothing went wrong with the runner. */
static void tell_rest(struct run *r, struct run_job *j)
{
    const struct run_progress *p = &j->progress;

    if (r->ready != NO_SLOT)
        (void)err_set(&j->err, ERR_BUDGET,
                      "the budget is spent: %zu of %zu items are not asked; "
                      "the same command with a larger --budget goes on",
                      p->total - p->done, p->total);
    else if (p->failed)
        (void)err_set(&j->err, ERR_PARTIAL, "%zu of %zu items have no answer",
                      p->failed, p->total);
}

/* Answers that must be executed: only now, as they would hold up the exchange. */
static enum err_code judge_waiting(struct run *r, struct err *e)
{
    struct run_progress *p = r->progress;
    struct score_totals t = { 0 };
    enum err_code rc = score_the_waiting(r->params->store, &r->waiting, false,
                                         r->params->interrupts, &t, e);

    p->judged += (size_t)t.scored;
    p->correct += (size_t)t.correct;
    score_waiting_free(&r->waiting);
    if (!rc && t.unscored)
        rc = err_set(e, ERR_NOENV,
                     "%lld answers are stored without a score: %.160s",
                     (long long)t.unscored, t.lacks.msg);
    return rc;
}

static void finish(struct run *r, struct run_job *j, const struct err *runner)
{
    struct err flush, judged;

    /* r->rc is the cause; what the runner says then is its consequence */
    if (!r->rc)
        j->err = *runner;
    if (store_flush(j->params.store, &flush) && !r->rc)
        j->err = flush;
    if (judge_waiting(r, &judged) && !j->err.code)
        j->err = judged;
    report_progress(r);
    free_slots(r);
    arena_free(&r->scratch);
    if (!j->err.code)
        tell_rest(r, j);
}

enum err_code run_plans(struct run_job *const *jobs, size_t n, struct err *e)
{
    struct run *runs = mem_array(n, sizeof *runs);
    struct exchange *x = mem_array(n, sizeof *x);
    struct runner **runners = mem_array(n, sizeof(struct runner *));
    struct err *errs = mem_array(n, sizeof *errs);
    enum err_code rc = ERR_OK;

    if (runs && x && runners && errs) {
        for (size_t i = 0; i < n; i++) {
            begin(&runs[i], jobs[i]);
            x[i] = (struct exchange){ next, deliver, stop, &runs[i] };
            runners[i] = jobs[i]->runner;
        }
        runner_run_all(runners, x, errs, n);
        for (size_t i = 0; i < n; i++)
            finish(&runs[i], jobs[i], &errs[i]);
    } else {
        rc = err_set(e, ERR_NOMEM, "no memory for a run");
    }
    mem_free(errs);
    mem_free(runners);
    mem_free(x);
    mem_free(runs);
    return rc;
}
