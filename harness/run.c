/* From a plan to stored scores.
 *
 * The runner pulls requests and hands back responses; this file stands between
 * it and the store.  Each plan entry (an item and a trial) takes a slot while it
 * is under way; the turns of a dialogue go through the same slot one after the
 * other.  A response is stored first, then judged from what is stored.
 *
 * The answers of models behind an API are stored and judged by a thread of
 * their own (writer.h), so that the one with the network never waits for the
 * disk.  Its lock guards the store, `scratch` and `waiting`; `state` guards the
 * lists of slots, the progress, the meter and the first failure.  A dialogue's
 * turns are stored on the network's thread, since the next one needs them. */
#include "harness/run.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/rows.h"
#include "harness/score.h"
#include "harness/writer.h"

struct run;
struct slot {
    struct run *run;
    const struct plan_entry *entry;
    struct request request;  /* id is the slot's number */
    struct store_sample key; /* of the turn under way */
    size_t turn, n_turns;
    const char **replies; /* [n_turns] */
    bool judged, correct; /* so far, over all turns */
    struct response kept; /* for the writer */
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
    struct writer *writer;  /* NULL: all on one thread */
    pthread_mutex_t *state; /* of all runs of one exchange */
    int64_t started_ns;
    enum err_code rc; /* the first failure that ends the run */
    struct err *e;    /* its message */
    struct err err;   /* of the network's thread */
};

static void lock_state(struct run *r)
{
    (void)pthread_mutex_lock(r->state);
}

static void unlock_state(struct run *r)
{
    (void)pthread_mutex_unlock(r->state);
}

static void fail(struct run *r, const struct err *e)
{
    lock_state(r);
    if (!r->rc) {
        r->rc = e->code;
        *r->e = *e;
    }
    unlock_state(r);
}

static enum err_code failed(struct run *r)
{
    enum err_code rc;

    lock_state(r);
    rc = r->rc;
    unlock_state(r);
    return rc;
}

/* --- slots ----------------------------------------------------------------- */

static struct slot *reuse_slot(struct run *r)
{
    struct slot *s = NULL;

    lock_state(r);
    if (r->free != NO_SLOT) {
        s = r->slots[r->free];
        r->free = s->next;
    }
    unlock_state(r);
    if (s)
        arena_reset(&s->arena);
    return s;
}

static struct slot *take_slot(struct run *r)
{
    struct slot *s = reuse_slot(r);

    if (s)
        return s;
    if (!mem_grow(&r->slots, &r->cap, r->n_slots + 1, sizeof(struct slot *)))
        return NULL;
    s = mem_zalloc(sizeof *s);
    if (!s)
        return NULL;
    arena_init(&s->arena, 0);
    s->run = r;
    s->request.id = r->n_slots;
    r->slots[r->n_slots++] = s;
    return s;
}

static void release_slot(struct run *r, struct slot *s)
{
    lock_state(r);
    s->next = r->free;
    r->free = s->request.id;
    unlock_state(r);
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
    return rows_put_prompt(r->params->store, &s->request, &s->key.prompt,
                           &r->err);
}

static enum err_code render_turn(struct run *r, struct slot *s)
{
    size_t id = s->request.id;
    enum err_code rc =
        prompt_render(s->entry->suite, s->entry->item, &r->plan->prompt,
                      s->turn, s->replies, &s->arena, &s->request, &r->err);

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
            return r->err.code;
        if (s->n_turns == 1) /* the plan has left out what is answered */
            return ERR_OK;
        if (store_find_sample(r->params->store, &s->key, &id, &answered,
                              &r->err))
            return r->err.code;
        if (!answered)
            return ERR_OK;
        if (store_query(r->params->store,
                        "SELECT text FROM response WHERE sample = ?", on_reply,
                        &reply, &r->err, "i", id))
            return r->err.code;
        s->replies[s->turn++] = reply.text;
    }
    return ERR_OK;
}

/* Prepares the first turn of the entry that has no answer yet; NULL when there
 * is none, or when the run has failed. */
static struct slot *start_entry(struct run *r, const struct plan_entry *entry)
{
    struct slot *s = take_slot(r);
    enum err_code rc;

    if (!s) {
        (void)err_set(&r->err, ERR_NOMEM, "no memory for a request");
        fail(r, &r->err);
        return NULL;
    }
    s->entry = entry;
    s->key = entry->key;
    s->turn = 0;
    s->n_turns = entry->item->n_turns ? entry->item->n_turns : 1;
    s->judged = false;
    s->correct = true;
    s->replies = arena_array(&s->arena, s->n_turns, sizeof *s->replies);
    writer_lock(s->n_turns > 1 ? r->writer : NULL);
    if (s->replies)
        rc = skip_stored(r, s);
    else
        rc = err_set(&r->err, ERR_NOMEM, "no memory for a request");
    writer_unlock(s->n_turns > 1 ? r->writer : NULL);
    if (!rc && s->turn < s->n_turns)
        return s;
    if (rc) {
        err_wrap(&r->err, "item %s", entry->item->id);
        fail(r, &r->err);
    }
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
    while (!s && !failed(r) && r->next_entry < r->plan->n)
        s = start_entry(r, &r->plan->entries[r->next_entry++]);
    return s;
}

static void make_ready(struct run *r, struct slot *s)
{
    s->next = r->ready;
    r->ready = s->request.id;
}

static enum err_code admit(struct run *r, const struct request *q, bool *fits)
{
    enum err_code rc;

    lock_state(r);
    rc = meter_admit(r->params->meter, q, fits, &r->err);
    unlock_state(r);
    return rc;
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
    if (r->params->meter && admit(r, &s->request, &fits))
        fail(r, &r->err);
    if (fits && !failed(r))
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
                                  const struct response *res, int64_t *sample,
                                  struct err *e)
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
    rc = buf_check(&json, "the options' scores", e);
    if (!rc)
        rc = store_add_response(r->params->store, &s->key, &row, sample, &added,
                                e);
    buf_free(&json);
    return rc;
}

static enum err_code judge(struct run *r, struct slot *s, int64_t sample,
                           struct err *e)
{
    struct store_score score;
    enum err_code rc;

    arena_reset(&r->scratch);
    score.verdict = NULL;
    rc = score_sample(r->params->store, sample, &r->scratch, &r->waiting,
                      &score, e);
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
                                   const struct response *res, struct err *e)
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

    return store_add_error(r->params->store, &s->key, &row, &sample, e);
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

static void end_entry(struct run *r, struct slot *s, bool answered)
{
    struct run_progress *p = r->progress;

    lock_state(r);
    p->done++;
    p->answered += answered;
    p->failed += !answered;
    p->judged += answered && s->judged;
    p->correct += answered && s->judged && s->correct;
    unlock_state(r);
    release_slot(r, s);
}

static void tell_progress(struct run *r)
{
    lock_state(r);
    report_progress(r);
    unlock_state(r);
}

/* --- answers --------------------------------------------------------------- */

/* Stores and judges what came for the turn under way. */
static enum err_code put_answer(struct run *r, struct slot *s,
                                const struct response *res, struct err *e)
{
    int64_t sample;

    if (store_answer(r, s, res, &sample, e) || judge(r, s, sample, e))
        return e->code;
    lock_state(r);
    count_tokens(r->progress, res);
    unlock_state(r);
    return ERR_OK;
}

static enum err_code take_answer(struct run *r, struct slot *s,
                                 const struct response *res)
{
    if (put_answer(r, s, res, &r->err))
        return r->err.code;
    s->replies[s->turn] = arena_strdup(&s->arena, res->text ? res->text : "");
    s->turn++;
    if (s->turn == s->n_turns) {
        end_entry(r, s, true);
        return ERR_OK;
    }
    if (render_turn(r, s))
        return err_wrap(&r->err, "item %s", s->entry->item->id);
    make_ready(r, s);
    return ERR_OK;
}

static enum err_code take_response(struct run *r, struct slot *s,
                                   const struct response *res)
{
    enum err_code rc;

    if (!res->code)
        return take_answer(r, s, res);
    rc = store_failure(r, s, res, &r->err);
    end_entry(r, s, false);
    return rc;
}

/* --- the writer ------------------------------------------------------------ */

static const char *keep_text(struct slot *s, const char *text)
{
    return text ? arena_strdup(&s->arena, text) : NULL;
}

static const void *keep_list(struct slot *s, const void *list, size_t size)
{
    return list ? arena_dup(&s->arena, list, size) : NULL;
}

/* A copy that lives as long as the slot is taken. */
static bool keep(struct slot *s, const struct response *res)
{
    size_t n = s->request.n_options;
    struct response *k = &s->kept;

    *k = *res;
    k->message = keep_text(s, res->message);
    k->vendor_code = keep_text(s, res->vendor_code);
    k->text = keep_text(s, res->text);
    k->reasoning = keep_text(s, res->reasoning);
    k->logprobs = keep_list(s, res->logprobs, n * sizeof *k->logprobs);
    k->option_tokens =
        keep_list(s, res->option_tokens, n * sizeof *k->option_tokens);
    return !s->arena.failed;
}

/* On the writer's thread. */
static void store_kept(void *arg)
{
    struct slot *s = arg;
    struct run *r = s->run;
    bool answered = s->kept.code == ERR_OK;
    struct err e = { .code = ERR_OK };
    enum err_code rc;

    if (failed(r))
        return;
    rc = answered ? put_answer(r, s, &s->kept, &e)
                  : store_failure(r, s, &s->kept, &e);
    if (!rc)
        rc = store_tick(r->params->store, &e);
    if (rc) {
        fail(r, &e);
        return;
    }
    end_entry(r, s, answered);
    tell_progress(r);
}

/* --- the exchange ---------------------------------------------------------- */

static void settle(struct run *r, const struct request *q,
                   const struct response *res)
{
    if (!r->params->meter)
        return;
    lock_state(r);
    meter_settle(r->params->meter, q, res);
    unlock_state(r);
}

/* A dialogue's turn, or all there is when no writer is at work. */
static enum err_code store_here(struct run *r, struct slot *s,
                                const struct response *res)
{
    enum err_code rc;

    writer_lock(r->writer);
    rc = take_response(r, s, res);
    if (!rc)
        rc = store_tick(r->params->store, &r->err);
    writer_unlock(r->writer);
    if (!rc)
        tell_progress(r);
    return rc;
}

static void deliver(void *user, const struct request *q,
                    const struct response *res)
{
    struct run *r = user;
    struct slot *s = r->slots[q->id];
    enum err_code rc = ERR_OK;

    if (failed(r))
        return;
    settle(r, q, res);
    if (r->params->observe)
        rc = r->params->observe(r->params->user, q, res, &r->err);
    if (!rc && r->writer && s->n_turns == 1 && keep(s, res)) {
        writer_put(r->writer, store_kept, s);
        return;
    }
    if (!rc)
        rc = store_here(r, s, res);
    if (rc)
        fail(r, &r->err);
}

/* Asked between steps: also where a commit group that no response closes in
 * time is committed. */
static int stop(void *user)
{
    struct run *r = user;
    int seen = r->params->interrupts ? (int)*r->params->interrupts : 0;
    enum err_code rc = ERR_OK;

    if (!failed(r) && writer_try_lock(r->writer)) {
        rc = store_tick(r->params->store, &r->err);
        writer_unlock(r->writer);
    }
    if (rc)
        fail(r, &r->err);
    if (failed(r))
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

/* Only the models behind APIs answer so fast that storing would hold them up. */
static enum err_code open_writer(struct run_job *const *jobs, size_t n,
                                 struct writer **out, struct err *e)
{
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if (jobs[i]->runner->kind->run_all)
            return writer_open(out, e);
    return ERR_OK;
}

static void run_with_writer(struct run_job *const *jobs, struct run *runs,
                            struct exchange *x, struct runner **runners,
                            struct err *errs, size_t n, struct writer *w)
{
    pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        begin(&runs[i], jobs[i]);
        runs[i].writer = jobs[i]->runner->kind->run_all ? w : NULL;
        runs[i].state = &state;
        x[i] = (struct exchange){ next, deliver, stop, &runs[i] };
        runners[i] = jobs[i]->runner;
    }
    runner_run_all(runners, x, errs, n);
    writer_close(w);
    for (size_t i = 0; i < n; i++)
        finish(&runs[i], jobs[i], &errs[i]);
    (void)pthread_mutex_destroy(&state);
}

enum err_code run_plans(struct run_job *const *jobs, size_t n, struct err *e)
{
    struct run *runs = mem_array(n, sizeof *runs);
    struct exchange *x = mem_array(n, sizeof *x);
    struct runner **runners = mem_array(n, sizeof(struct runner *));
    struct err *errs = mem_array(n, sizeof *errs);
    struct writer *w = NULL;
    enum err_code rc;

    if (!runs || !x || !runners || !errs) {
        rc = err_set(e, ERR_NOMEM, "no memory for a run");
        goto done;
    }
    rc = open_writer(jobs, n, &w, e);
    if (!rc)
        run_with_writer(jobs, runs, x, runners, errs, n, w);
done:
    mem_free(errs);
    mem_free(runners);
    mem_free(x);
    mem_free(runs);
    return rc;
}
