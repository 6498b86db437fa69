/* One request: pulled, sent, tried again, delivered. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/remote_lane.h"

/* --- queues and jobs ------------------------------------------------------- */

void queue_init(struct queue *q)
{
    *q = (struct queue){ .tail = &q->head };
}

void put_job(struct queue *q, struct job *j)
{
    j->next = NULL;
    *q->tail = j;
    q->tail = &j->next;
    q->n++;
}

void put_job_first(struct queue *q, struct job *j)
{
    j->next = q->head;
    if (!q->head)
        q->tail = &j->next;
    q->head = j;
    q->n++;
}

struct job *take_job(struct queue *q)
{
    struct job *j = q->head;

    if (j) {
        q->head = j->next;
        if (!q->head)
            q->tail = &q->head;
        q->n--;
    }
    return j;
}

void job_free(struct job *j)
{
    reading_free(&j->reading);
    arena_free(&j->arena);
    mem_free(j->logprobs);
    mem_free(j->option_tokens);
    mem_free(j);
}

void job_drop(struct lane *l, struct job *j)
{
    mem_free(j->logprobs);
    mem_free(j->option_tokens);
    j->logprobs = NULL;
    j->option_tokens = NULL;
    l->n_jobs--;
    j->next = l->loop->spare;
    l->loop->spare = j;
}

static struct job *new_job(struct loop *loop)
{
    struct job *j = loop->spare;

    if (j) {
        loop->spare = j->next;
        return j;
    }
    j = mem_zalloc(sizeof *j);
    if (j) {
        reading_init(&j->reading);
        arena_init(&j->arena, 0);
        j->next_all = loop->all;
        loop->all = j;
    }
    return j;
}

/* xorshift64*: jitter needs no better. */
uint64_t lane_chance(struct lane *l)
{
    uint64_t *c = &l->loop->chance;

    *c ^= *c >> 12;
    *c ^= *c << 25;
    *c ^= *c >> 27;
    return *c * 0x2545f4914f6cdd1du;
}

/* --- stopping -------------------------------------------------------------- */

void lane_stop(struct lane *l, enum err_code code, const char *message)
{
    if (l->stopped)
        return;
    l->stopped = true;
    *l->err = (struct err){ .code = code };
    (void)err_set(l->err, code, "%s", message);
}

static void stop_memory(struct lane *l)
{
    lane_stop(l, ERR_NOMEM, "no memory for requests");
}

/* What a run ends with when no request of the model can be answered. */
enum err_code lane_code(enum err_code stored)
{
    return stored == ERR_REJECTED ? ERR_NOENV : stored;
}

/* The circuit breaker: a wrong key, an empty account or a server that is not
 * there would answer all the rest the same way. */
static void count_fault(struct lane *l, struct job *j)
{
    const struct failure *f = &j->reading.failure;
    int most = l->answered ? FATAL_LATER : FATAL_MOST;
    const char *m, *why = NULL;

    l->fatal = fault_is_fatal(f->class) ? l->fatal + 1 : 0;
    l->unreachable = f->unreachable ? l->unreachable + 1 : 0;
    if (l->fatal < most && l->unreachable < UNREACHABLE_MOST)
        return;
    m = failure_message(l->model, f, j->failures, STOP_WORDS, &j->arena);
    if (m)
        why = arena_printf(
            &j->arena, "%s: stopped, %d requests in a row failed: %s",
            l->model->model.id, l->fatal >= most ? most : UNREACHABLE_MOST, m);
    lane_stop(l, lane_code(f->code), why ? why : "stopped");
}

/* --- a request becomes a job ----------------------------------------------- */

/* Roughly: characters of Chinese are 3 bytes and about a token, letters are
 * four to a token. */
static double expected_tokens(const struct lane *l, const struct request *q)
{
    size_t bytes = q->prompt ? strlen(q->prompt) : 0;
    double output = (double)q->sampling.max_tokens / 4;

    for (size_t i = 0; i < q->n_messages; i++)
        bytes += strlen(q->messages[i].content);
    if (q->kind == REQUEST_SCORE)
        output = 1;
    else if (l->mean_output >= 0)
        output = l->mean_output;
    return (double)bytes / 3 + (output > 0 ? output : 0);
}

static bool prepare_scores(struct job *j)
{
    size_t n = j->request->n_options;
    struct reply *y = &j->reading.reply;

    y->logprobs = NULL;
    y->option_tokens = NULL;
    if (j->request->kind != REQUEST_SCORE)
        return true;
    j->logprobs = mem_array(n, sizeof *j->logprobs);
    j->option_tokens = mem_array(n, sizeof *j->option_tokens);
    if (!j->logprobs || !j->option_tokens)
        return false;
    for (size_t i = 0; i < n; i++)
        j->logprobs[i] = NAN;
    y->logprobs = j->logprobs;
    y->option_tokens = j->option_tokens;
    return true;
}

static void reset_job(struct job *j, struct lane *l, const struct request *q)
{
    const struct adapter *a = l->model->adapter;

    j->lane = l;
    j->request = q;
    j->call = 0;
    j->n_calls = a->n_calls ? a->n_calls(&l->model->endpoint, q) : 1;
    j->failures = j->rate_failures = 0;
    j->minted_again = false;
    j->tokens = l->key->pace.limits.per_minute[PACE_TOKENS] > 0
                    ? expected_tokens(l, q)
                    : 0;
    j->latency_ns = 0;
    j->first_token_ns = -1;
    j->prompt_tokens = j->cached_tokens = j->output_tokens = -1;
}

/* The next request of a lane as a job; NULL: none at present. */
struct job *job_pull(struct lane *l)
{
    const struct request *q;
    struct job *j;

    if (l->dry || l->loop->stop ||
        l->n_jobs - l->n_ended >= l->model->params.concurrency ||
        l->n_jobs >= 2 * l->model->params.concurrency + AT_ONCE)
        return NULL;
    j = new_job(l->loop);
    if (!j) {
        stop_memory(l);
        return NULL;
    }
    q = l->x->next(l->x->user);
    l->n_jobs++;
    if (!q) {
        l->dry = true;
        job_drop(l, j);
        return NULL;
    }
    reset_job(j, l, q);
    if (!prepare_scores(j)) {
        stop_memory(l);
        job_drop(l, j);
        return NULL;
    }
    return j;
}

/* --- what follows an end --------------------------------------------------- */

void job_end(struct job *j)
{
    j->lane->n_ended++;
    put_job(&j->lane->loop->ended, j);
}

static void wait_until(struct job *j, int64_t due_ns)
{
    j->due_ns = due_ns;
    put_job(&j->lane->waiting, j);
}

/* How often a failure of this class is tried again. */
static bool may_retry(const struct job *j)
{
    const struct failure *f = &j->reading.failure;
    int64_t retries = j->lane->model->params.retries;

    if (f->final || j->lane->stopped || j->lane->loop->stop ||
        f->retry_ns > (int64_t)WAIT_MOST_MS * 1000000)
        return false;
    if (f->class == FAULT_RATE)
        return j->rate_failures <= retries * RATE_PATIENCE;
    return f->class == FAULT_RETRY && j->failures - j->rate_failures <= retries;
}

/* An expired token: thrown away unless it is newer than the call. */
static bool mint_again(struct job *j)
{
    struct lane *l = j->lane;

    if (j->reading.failure.class != FAULT_TOKEN || j->minted_again ||
        !l->model->adapter->token_call)
        return false;
    j->minted_again = true;
    if (l->model->minted_ns <= j->sent_ns)
        l->model->minted_until_ms = 0;
    put_job(&l->ready, j);
    return true;
}

static void fail_job(struct job *j, int64_t now)
{
    struct lane *l = j->lane;
    struct failure *f = &j->reading.failure;

    j->failures++;
    if (f->class == FAULT_RATE) {
        j->rate_failures++;
        pace_cut(&l->key->pace, &j->pass, f->retry_ns, now);
    }
    if (mint_again(j))
        return;
    if (f->class == FAULT_TOKEN) /* there is no newer one to be had */
        f->class = FAULT_KEY;
    if (may_retry(j)) {
        wait_until(
            j, now + pace_backoff(j->failures, f->retry_ns, lane_chance(l)));
        return;
    }
    count_fault(l, j);
    job_end(j);
}

/* Unknown and known: unknown only when all are. */
static int64_t sum(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a + b;
}

static bool scores_missing(const struct job *j)
{
    for (size_t i = 0; j->logprobs && i < j->request->n_options; i++)
        if (isnan(j->logprobs[i]))
            return true;
    return false;
}

static void add_tokens(struct job *j, const struct reply *y)
{
    j->prompt_tokens = sum(j->prompt_tokens, y->prompt_tokens);
    j->cached_tokens = sum(j->cached_tokens, y->cached_tokens);
    j->output_tokens = sum(j->output_tokens, y->output_tokens);
}

static void answer_job(struct job *j, const struct http_result *r)
{
    struct lane *l = j->lane;
    const struct reply *y = &j->reading.reply;

    pace_grow(&l->key->pace);
    l->fatal = l->unreachable = 0;
    l->answered = true;
    j->latency_ns += r->total_ns;
    if (j->call == 0 && j->reading.first_text_ns >= 0)
        j->first_token_ns = j->reading.first_text_ns - j->sent_ns;
    add_tokens(j, y);
    if (y->output_tokens >= 0)
        l->mean_output =
            l->mean_output < 0
                ? (double)y->output_tokens
                : 0.95 * l->mean_output + 0.05 * (double)y->output_tokens;
    if (++j->call < j->n_calls)
        put_job(&l->ready, j);
    else
        job_end(j);
}

static void missing_scores(struct reading *r)
{
    failure_words(&r->failure, FAULT_RETRY,
                  "the answer has no log-probabilities");
    r->failure.code = ERR_SERVER;
}

void job_read(struct job *j)
{
    struct pace *pace = &j->lane->key->pace;
    struct reading *r = &j->reading;
    int64_t now = io_now_ns();

    j->lane->n_ended--;
    reading_end(r, &j->result);
    pace_settle(pace, &j->pass,
                (double)sum(r->reply.prompt_tokens, r->reply.output_tokens));
    pace_learn(pace, &r->hint, now);
    if (r->failure.class == FAULT_NONE && j->call + 1 >= j->n_calls &&
        scores_missing(j))
        missing_scores(r);
    if (r->failure.class == FAULT_NONE) {
        answer_job(j, &j->result);
    } else {
        add_tokens(j, &r->reply); /* paid for, answer or not */
        fail_job(j, now);
    }
}

void job_hold_back(struct job *j)
{
    struct lane *l = j->lane;
    struct failure *f = &j->reading.failure;

    if (!j->failures && !j->call) {
        job_drop(l, j);
        return;
    }
    failure_words(f, FAULT_RETRY, "not asked again: %s",
                  l->stopped ? l->err->msg : "interrupted");
    f->code = ERR_CANCELLED;
    job_end(j);
}

/* An answer is read when there is time for it; what went wrong, at once, since
 * its words do not stay and the pace may have to change.  Then those before it
 * are read first: faults in a row are counted. */
static void call_done(void *user, const struct http_result *r)
{
    struct job *j = user;
    struct lane *l = j->lane;

    l->under_way--;
    l->wake_ns = 0;
    pace_end(&l->key->pace, &j->pass);
    if (r->end == HTTP_DROPPED) {
        pace_settle(&l->key->pace, &j->pass, 0);
        job_hold_back(j);
        return;
    }
    l->n_ended++;
    j->result = *r;
    put_job(&l->loop->arrived, j);
    if (r->end != HTTP_DONE || r->status >= 300)
        while ((j = take_job(&l->loop->arrived)) != NULL)
            job_read(j);
}

static void take_header(void *user, struct str name, struct str value)
{
    reading_header(&((struct job *)user)->reading, name, value);
}

static bool call_piece(void *user, struct str piece)
{
    return reading_piece(&((struct job *)user)->reading, piece);
}

const struct http_handler job_handler = { take_header, call_piece, call_done };

/* --- sending --------------------------------------------------------------- */

struct http_call lane_call(const struct call *c, const struct remote *m)
{
    int64_t whole = m->params.timeout_ms;
    int64_t first =
        c->framing == FRAME_WHOLE || whole < FIRST_MS ? whole : FIRST_MS;

    return (struct http_call){
        .method = c->method ? c->method : "POST",
        .url = c->url,
        .headers = c->headers,
        .n_headers = c->n_headers,
        .body = c->body,
        .websocket = c->websocket,
        .connect_ms = whole < CONNECT_MS ? whole : CONNECT_MS,
        .first_ms = first,
        .stall_ms = whole < STALL_MS ? whole : STALL_MS,
        .whole_ms = whole,
        .limit = BODY_LIMIT,
    };
}

/* A request that could not even be put: its own fault, or the key's. */
static void refuse(struct job *j, const struct err *e)
{
    struct failure *f = &j->reading.failure;

    failure_words(f, e->code == ERR_AUTH ? FAULT_KEY : FAULT_ITEM, "%s",
                  e->msg);
    f->code = e->code == ERR_FORMAT ? ERR_REJECTED : e->code;
    j->failures++;
    count_fault(j->lane, j);
    job_end(j);
}

void job_send(struct job *j)
{
    struct lane *l = j->lane;
    struct remote *m = l->model;
    struct call c = { 0 };
    struct http_call h;
    struct err e;

    arena_reset(&j->arena);
    m->endpoint.now_ms = j->wall_ms = io_wall_ms();
    j->sent_ns = io_now_ns();
    reading_start(&j->reading, m, &m->endpoint, j->request, j->call,
                  FRAME_WHOLE);
    if (!m->adapter->build(&m->endpoint, j->request, j->call, &j->arena, &c,
                           &e)) {
        reading_start(&j->reading, m, &m->endpoint, j->request, j->call,
                      c.framing);
        h = lane_call(&c, m);
        l->under_way++;
        if (!http_start(l->loop->http, &h, &job_handler, j, &e))
            return;
        l->under_way--;
    }
    pace_end(&l->key->pace, &j->pass);
    pace_settle(&l->key->pace, &j->pass, 0);
    refuse(j, &e);
}

/* --- delivering ------------------------------------------------------------ */

static void fill_answer(const struct job *j, struct arena *a,
                        struct response *out)
{
    const struct reply *y = &j->reading.reply;
    const struct remote *m = j->lane->model;

    out->text = j->logprobs ? NULL : remote_scrub(m, y->text.p, a);
    out->reasoning = y->reasoning.n ? remote_scrub(m, y->reasoning.p, a) : NULL;
    out->finish = j->logprobs ? FINISH_SCORED : y->finish;
    out->logprobs = j->logprobs;
    out->option_tokens = j->option_tokens;
    out->latency_ns = j->latency_ns;
    out->first_token_ns = j->first_token_ns;
    if (!j->logprobs && !out->text)
        out->code = ERR_NOMEM;
}

static void fill_failure(struct job *j, struct response *out)
{
    const struct failure *f = &j->reading.failure;

    out->code = f->code ? f->code : ERR_SERVER;
    out->message =
        failure_message(j->lane->model, f, j->failures, SIZE_MAX, &j->arena);
    out->vendor_code =
        f->vendor_code[0]
            ? remote_scrub(j->lane->model, f->vendor_code, &j->arena)
            : NULL;
    out->http_status = f->status;
}

static double margin_of(const struct job *j)
{
    double best = -INFINITY, second = -INFINITY;

    if (!j->logprobs || j->request->n_options < 2)
        return NAN;
    for (size_t i = 0; i < j->request->n_options; i++) {
        double v = j->logprobs[i];
        if (v > best) {
            second = best;
            best = v;
        } else if (v > second) {
            second = v;
        }
    }
    return best - second;
}

void job_deliver(struct job *j)
{
    struct lane *l = j->lane;
    bool answered = j->reading.failure.class == FAULT_NONE;
    struct response r = {
        .attempts = j->failures + answered,
        .margin = answered ? margin_of(j) : NAN,
        .prompt_tokens = j->prompt_tokens,
        .cached_tokens = j->cached_tokens,
        .output_tokens = j->output_tokens,
        .started_ms = j->wall_ms,
        .latency_ns = -1,
        .first_token_ns = -1,
    };

    if (answered)
        fill_answer(j, &j->arena, &r);
    else
        fill_failure(j, &r);
    l->x->deliver(l->x->user, j->request, &r);
    l->n_ended--;
    job_drop(l, j);
    /* A dialogue's next turn, or room in a budget that all share. */
    for (size_t i = 0; i < l->loop->n; i++)
        l->loop->lanes[i].dry = false;
}
