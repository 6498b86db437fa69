/* The loop of all remote models of a run, on one thread.
 *
 * A model is a lane.  Its requests become jobs: ready (to be sent as soon as
 * the key's pace allows), under way, waiting (failed in passing, until a time),
 * or ended (answered or given up, until delivered).  Each turn of the loop first
 * sends what may be sent, then delivers a few, then looks at the network: what
 * the receiver of answers takes for itself (storing, judging) does not delay
 * what is asked next. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/io.h"
#include "runners/remote.h"

enum {
    FATAL_MOST = 3,        /* in a row, then a model stops */
    FATAL_LATER = 10,      /* the same once it has answered */
    UNREACHABLE_MOST = 10, /* requests given up in a row, no connection */
    DELIVER_AT_ONCE = 16,
    RATE_PATIENCE = 4,     /* "too fast" may be told so many times more */
    GRACE_MS = 30000,      /* after a first interruption */
    WAIT_MOST_MS = 600000, /* a vendor that wants more gets no answer */
    CONNECT_MS = 15000,
    FIRST_MS = 300000, /* of a stream */
    STALL_MS = 120000,
    TOKEN_EARLY_MS = 60000, /* a token is renewed before it ends */
    TOKEN_MS = 30000,
    BODY_LIMIT = 64 << 20
};

struct lane;

struct job {
    struct lane *lane;
    const struct request *request;
    struct reading reading;
    struct arena arena; /* of the call under way, then of its message */
    size_t call, n_calls;
    int failures, rate_failures;
    bool minted_again;
    struct pace_pass pass;
    double tokens; /* expected */
    int64_t due_ns;
    int64_t wall_ms, sent_ns;
    int64_t latency_ns, first_token_ns;
    int64_t prompt_tokens, cached_tokens, output_tokens; /* of all attempts */
    double *logprobs;
    int64_t *option_tokens;
    struct job *next;     /* in a queue, or among the spare ones */
    struct job *next_all; /* of all there are */
};

struct queue {
    struct job *head, **tail;
    size_t n;
};

/* What models asked with one key share. */
struct key {
    struct pace pace;
    const struct remote *owner; /* any of them */
};

/* The call that mints a token. */
struct mint {
    bool under_way;
    int failures;
    int64_t due_ns;
    struct arena arena;
    struct buf body;
    const char *header; /* the token's, in the arena */
};

struct lane {
    struct loop *loop;
    struct remote *model;
    const struct exchange *x;
    struct err *err; /* why it stopped; code ERR_OK: it did not */
    struct key *key;
    struct queue ready, waiting;
    size_t n_jobs, n_ended, under_way;
    bool dry;      /* `next` had none; ask again after a delivery */
    bool answered; /* at least once */
    bool stopped;  /* nothing more is asked */
    int fatal, unreachable;
    int64_t wake_ns;    /* when the pace allows the next; INT64_MAX: unknown */
    double mean_output; /* tokens, of the answers so far; -1: none */
    struct mint mint;
};

struct loop {
    struct http *http;
    struct lane *lanes;
    struct key *keys;
    size_t n, n_keys;
    struct queue ended;
    struct job *spare, *all;
    uint64_t chance;
    int stop;
    int64_t stop_ns;
};

/* --- queues and jobs ------------------------------------------------------- */

static void queue_init(struct queue *q)
{
    *q = (struct queue){ .tail = &q->head };
}

static void put(struct queue *q, struct job *j)
{
    j->next = NULL;
    *q->tail = j;
    q->tail = &j->next;
    q->n++;
}

static void put_first(struct queue *q, struct job *j)
{
    j->next = q->head;
    if (!q->head)
        q->tail = &j->next;
    q->head = j;
    q->n++;
}

static struct job *take(struct queue *q)
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

static void free_job(struct job *j)
{
    reading_free(&j->reading);
    arena_free(&j->arena);
    mem_free(j->logprobs);
    mem_free(j->option_tokens);
    mem_free(j);
}

static void drop(struct lane *l, struct job *j)
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
static uint64_t chance(struct loop *l)
{
    l->chance ^= l->chance >> 12;
    l->chance ^= l->chance << 25;
    l->chance ^= l->chance >> 27;
    return l->chance * 0x2545f4914f6cdd1du;
}

/* --- stopping -------------------------------------------------------------- */

static void stop_lane(struct lane *l, enum err_code code, const char *message)
{
    if (l->stopped)
        return;
    l->stopped = true;
    *l->err = (struct err){ .code = code };
    (void)err_set(l->err, code, "%s", message);
}

static void stop_memory(struct lane *l)
{
    stop_lane(l, ERR_NOMEM, "no memory for requests");
}

/* What a run ends with when no request of the model can be answered. */
static enum err_code lane_code(enum err_code stored)
{
    return stored == ERR_REJECTED ? ERR_NOENV : stored;
}

/* The circuit breaker: a wrong key, an empty account or a server that is not
 * there would answer all the rest the same way. */
static void count_fault(struct lane *l, struct job *j)
{
    const struct failure *f = &j->reading.failure;
    int most = l->answered ? FATAL_LATER : FATAL_MOST;
    const char *m;

    l->fatal = f->class == FAULT_FATAL ? l->fatal + 1 : 0;
    l->unreachable = f->unreachable ? l->unreachable + 1 : 0;
    if (l->fatal < most && l->unreachable < UNREACHABLE_MOST)
        return;
    m = failure_message(l->model, f, j->failures, &j->arena);
    stop_lane(l, lane_code(f->code), m ? m : "stopped");
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
static struct job *pull(struct lane *l)
{
    const struct request *q;
    struct job *j;

    if (l->dry || l->loop->stop ||
        l->n_jobs - l->n_ended >= l->model->params.concurrency ||
        l->n_jobs >= 2 * l->model->params.concurrency + DELIVER_AT_ONCE)
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
        drop(l, j);
        return NULL;
    }
    reset_job(j, l, q);
    if (!prepare_scores(j)) {
        stop_memory(l);
        drop(l, j);
        return NULL;
    }
    return j;
}

/* --- what follows an end --------------------------------------------------- */

static void end_job(struct job *j)
{
    j->lane->n_ended++;
    put(&j->lane->loop->ended, j);
}

static void wait_until(struct job *j, int64_t due_ns)
{
    j->due_ns = due_ns;
    put(&j->lane->waiting, j);
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
    put(&l->ready, j);
    return true;
}

static void fail_job(struct job *j, int64_t now)
{
    struct lane *l = j->lane;
    const struct failure *f = &j->reading.failure;

    j->failures++;
    if (f->class == FAULT_RATE) {
        j->rate_failures++;
        pace_cut(&l->key->pace, &j->pass, f->retry_ns, now);
    }
    if (mint_again(j))
        return;
    if (may_retry(j)) {
        wait_until(
            j, now + pace_backoff(j->failures, f->retry_ns, chance(l->loop)));
        return;
    }
    count_fault(l, j);
    end_job(j);
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
        put(&l->ready, j);
    else
        end_job(j);
}

static void call_done(void *user, const struct http_result *r)
{
    struct job *j = user;
    struct lane *l = j->lane;
    const struct reply *y = &j->reading.reply;
    int64_t now = io_now_ns();

    l->under_way--;
    l->wake_ns = 0;
    reading_end(&j->reading, r);
    pace_end(&l->key->pace, &j->pass,
             (double)sum(y->prompt_tokens, y->output_tokens));
    pace_learn(&l->key->pace, &j->reading.hint, now);
    if (j->reading.failure.class == FAULT_NONE && j->call + 1 >= j->n_calls &&
        scores_missing(j)) {
        failure_words(&j->reading.failure, FAULT_RETRY,
                      "the answer has no log-probabilities");
        j->reading.failure.code = ERR_SERVER;
    }
    if (j->reading.failure.class == FAULT_NONE) {
        answer_job(j, r);
    } else {
        add_tokens(j, y); /* paid for, answer or not */
        fail_job(j, now);
    }
}

static void take_header(void *user, struct str name, struct str value)
{
    reading_header(&((struct job *)user)->reading, name, value);
}

static bool call_piece(void *user, struct str piece)
{
    return reading_piece(&((struct job *)user)->reading, piece);
}

static const struct http_handler call_handler = { take_header, call_piece,
                                                  call_done };

/* --- sending --------------------------------------------------------------- */

static struct http_call http_of(const struct call *c, const struct remote *m)
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

    failure_words(f, e->code == ERR_AUTH ? FAULT_FATAL : FAULT_ITEM, "%s",
                  e->msg);
    f->code = e->code == ERR_FORMAT ? ERR_REJECTED : e->code;
    j->failures++;
    count_fault(j->lane, j);
    end_job(j);
}

static void send_job(struct job *j)
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
        h = http_of(&c, m);
        l->under_way++;
        if (!http_start(l->loop->http, &h, &call_handler, j, &e))
            return;
        l->under_way--;
    }
    pace_end(&l->key->pace, &j->pass, 0);
    refuse(j, &e);
}

/* --- tokens ---------------------------------------------------------------- */

static void mint_header(void *user, struct str name, struct str value)
{
    struct lane *l = user;
    const char *wanted = l->model->adapter->token_header;

    if (wanted && name.n == strlen(wanted) &&
        strncasecmp(name.p, wanted, name.n) == 0)
        l->mint.header = arena_dup(&l->mint.arena, value.p, value.n);
}

static bool mint_piece(void *user, struct str piece)
{
    struct lane *l = user;

    buf_add(&l->mint.body, piece.p, piece.n);
    return !l->mint.body.failed;
}

static enum err_code read_token(struct lane *l, struct err *e)
{
    struct remote *m = l->model;
    struct str body =
        l->mint.header ? str_of(l->mint.header) : buf_view(&l->mint.body);
    const char *token;
    int64_t until;

    arena_reset(&m->token_arena);
    m->minted = m->endpoint.token = NULL;
    if (m->adapter->token_parse(&m->endpoint, body, &m->token_arena, &token,
                                &until, e))
        return e->code;
    m->minted = m->endpoint.token = token;
    m->minted_until_ms = until;
    m->minted_ns = io_now_ns();
    return ERR_OK;
}

/* No token, no answers: after the usual attempts the model stops. */
static void mint_failed(struct lane *l, struct failure *f)
{
    struct mint *t = &l->mint;
    const char *m;

    t->failures++;
    if (f->class != FAULT_FATAL && t->failures <= l->model->params.retries) {
        t->due_ns = io_now_ns() +
                    pace_backoff(t->failures, f->retry_ns, chance(l->loop));
        return;
    }
    m = failure_message(l->model, f, t->failures, &t->arena);
    stop_lane(l, lane_code(f->code), m ? m : "no token");
}

static void mint_done(void *user, const struct http_result *r)
{
    struct lane *l = user;
    struct failure f = { .retry_ns = -1 };
    struct err e;

    l->mint.under_way = false;
    l->wake_ns = 0;
    if (r->end != HTTP_DONE) {
        failure_of_http(&f, r);
    } else if (read_token(l, &e)) {
        /* its words lie in the body, which token_parse has read */
        bool passing = r->status == 429 || r->status >= 500;
        failure_words(&f, passing ? FAULT_RETRY : FAULT_FATAL, "token: %s",
                      e.msg);
        f.code = passing ? ERR_SERVER : ERR_AUTH;
        f.status = r->status;
    }
    if (f.class == FAULT_NONE)
        l->mint.failures = 0;
    else
        mint_failed(l, &f);
}

static const struct http_handler mint_handler = { mint_header, mint_piece,
                                                  mint_done };

/* Whether a token is there or none is needed; else one is being asked for. */
static bool has_token(struct lane *l, int64_t now)
{
    struct remote *m = l->model;
    struct mint *t = &l->mint;
    struct call c = { 0 };
    struct http_call h;
    struct err e;

    if (!m->adapter->token_call || m->tokenless ||
        (m->minted && io_wall_ms() < m->minted_until_ms - TOKEN_EARLY_MS))
        return true;
    if (t->under_way || t->due_ns > now || l->stopped)
        return false;
    arena_reset(&t->arena);
    buf_clear(&t->body);
    t->header = NULL;
    m->endpoint.now_ms = io_wall_ms();
    if (m->adapter->token_call(&m->endpoint, &t->arena, &c, &e)) {
        stop_lane(l, e.code, e.msg);
        return false;
    }
    m->tokenless = !c.url;
    if (m->tokenless)
        return true;
    h = http_of(&c, m);
    h.whole_ms = h.first_ms = TOKEN_MS;
    t->under_way = !http_start(l->loop->http, &h, &mint_handler, l, &e);
    if (!t->under_way)
        stop_lane(l, e.code, e.msg);
    return false;
}

/* --- a lane's turn --------------------------------------------------------- */

static void move_due(struct lane *l, int64_t now)
{
    struct queue all = l->waiting;

    if (!all.head)
        return;
    if (all.tail == &l->waiting.head)
        all.tail = &all.head;
    queue_init(&l->waiting);
    for (struct job *j; (j = take(&all)) != NULL;)
        put(j->due_ns <= now ? &l->ready : &l->waiting, j);
}

/* What will not be sent any more: given up with its last failure, or, if it
 * was never sent, left to a later run. */
static void give_up(struct lane *l)
{
    struct job *j;

    while ((j = take(&l->waiting)) != NULL)
        end_job(j);
    while ((j = take(&l->ready)) != NULL)
        if (j->failures)
            end_job(j);
        else
            drop(l, j);
}

static bool is_of_lane(const void *job, const void *lane)
{
    return ((const struct job *)job)->lane == lane;
}

static void advance(struct lane *l, int64_t now)
{
    struct job *j;
    int64_t wait;

    move_due(l, now);
    if (l->stopped)
        http_drop_unsent(l->loop->http, &call_handler, is_of_lane, l);
    if (l->stopped || l->loop->stop)
        give_up(l);
    l->wake_ns = INT64_MAX;
    while (!l->stopped) {
        j = take(&l->ready);
        if (!j)
            j = pull(l);
        if (!j)
            return;
        wait = has_token(l, now)
                   ? pace_start(&l->key->pace, j->tokens, now, &j->pass)
                   : INT64_MAX;
        if (wait) {
            put_first(&l->ready, j);
            l->wake_ns = wait == INT64_MAX ? wait : now + wait;
            return;
        }
        send_job(j);
    }
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
    out->message = failure_message(j->lane->model, f, j->failures, &j->arena);
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

static void deliver(struct job *j)
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
    drop(l, j);
    /* A dialogue's next turn, or room in a budget that all share. */
    for (size_t i = 0; i < l->loop->n; i++)
        l->loop->lanes[i].dry = false;
}

/* --- the loop -------------------------------------------------------------- */

static void ask_stop(struct loop *loop, int64_t now)
{
    int stop = 0;

    for (size_t i = 0; i < loop->n; i++) {
        int s = loop->lanes[i].x->stop(loop->lanes[i].x->user);
        stop = s > stop ? s : stop;
    }
    if (stop && !loop->stop)
        loop->stop_ns = now;
    loop->stop = stop;
    if (stop && now - loop->stop_ns > (int64_t)GRACE_MS * 1000000)
        loop->stop = 2;
}

static bool is_over(const struct loop *loop)
{
    if (http_in_flight(loop->http) || loop->ended.head)
        return false;
    for (size_t i = 0; i < loop->n; i++) {
        const struct lane *l = &loop->lanes[i];
        if (l->ready.head || l->waiting.head || l->mint.under_way ||
            !(l->dry || l->stopped || loop->stop))
            return false;
    }
    return true;
}

/* Until the next job is due or the pace allows one; the network, and a stop,
 * end a wait earlier. */
static int64_t wait_ms(const struct loop *loop, int64_t now)
{
    int64_t at = now + (int64_t)100 * 1000000;

    if (loop->ended.head)
        return 0;
    for (size_t i = 0; i < loop->n; i++) {
        const struct lane *l = &loop->lanes[i];
        if (l->wake_ns < at)
            at = l->wake_ns;
        if (l->mint.due_ns > now && l->mint.due_ns < at)
            at = l->mint.due_ns;
        for (const struct job *j = l->waiting.head; j; j = j->next)
            if (j->due_ns < at)
                at = j->due_ns;
    }
    return at <= now ? 0 : (at - now + 999999) / 1000000;
}

static enum err_code turn(struct loop *loop, struct err *e)
{
    int64_t now = io_now_ns();

    for (size_t i = 0; i < loop->n; i++)
        advance(&loop->lanes[i], now);
    for (int i = 0; i < DELIVER_AT_ONCE && loop->ended.head; i++)
        deliver(take(&loop->ended));
    return http_step(loop->http, wait_ms(loop, io_now_ns()), e);
}

static enum err_code run_loop(struct loop *loop, struct err *e)
{
    do {
        ask_stop(loop, io_now_ns());
        if (loop->stop >= 2)
            break;
        if (turn(loop, e))
            return e->code;
    } while (!is_over(loop));
    return ERR_OK;
}

/* --- opening and closing --------------------------------------------------- */

static bool same_secret(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_key(const struct remote *a, const struct remote *b)
{
    bool same = strcmp(a->provider->id, b->provider->id) == 0 &&
                strcmp(a->endpoint.base_url, b->endpoint.base_url) == 0;

    for (size_t i = 0; same && i < a->provider->n_env; i++)
        same = same_secret(a->secrets[i], b->secrets[i]);
    return same;
}

static void find_key(struct loop *loop, struct lane *l)
{
    const struct runner_params *p = &l->model->params;
    struct pace_limits limits = { { p->rpm, p->tpm }, p->concurrency };

    for (size_t i = 0; i < loop->n_keys && !l->key; i++)
        if (same_key(loop->keys[i].owner, l->model))
            l->key = &loop->keys[i];
    if (l->key) {
        limits.window += l->key->pace.limits.window;
        pace_init(&l->key->pace, &limits);
        return;
    }
    l->key = &loop->keys[loop->n_keys++];
    l->key->owner = l->model;
    pace_init(&l->key->pace, &limits);
}

/* A key that is missing is told before anything is asked. */
static void check_key(struct lane *l)
{
    static const struct message hello = { "user", "1+1=?" };
    const struct request q = {
        .kind = REQUEST_CHAT,
        .messages = &hello,
        .n_messages = 1,
        .sampling = { .temperature = NAN,
                      .top_p = NAN,
                      .top_k = -1,
                      .max_tokens = 1,
                      .seed = -1 },
    };
    struct remote *m = l->model;
    struct call c = { 0 };
    struct arena a;
    struct err e;
    enum err_code rc;

    arena_init(&a, 0);
    m->endpoint.now_ms = io_wall_ms();
    rc = m->adapter->token_call
             ? m->adapter->token_call(&m->endpoint, &a, &c, &e)
             : m->adapter->build(&m->endpoint, &q, 0, &a, &c, &e);
    if (rc == ERR_AUTH || rc == ERR_NOENV)
        stop_lane(l, rc, e.msg);
    arena_free(&a);
}

static void open_lane(struct loop *loop, struct lane *l, struct runner *r,
                      const struct exchange *x, struct err *err)
{
    l->loop = loop;
    l->model = (struct remote *)r;
    l->x = x;
    l->err = err;
    l->mean_output = -1;
    *err = (struct err){ .code = ERR_OK };
    queue_init(&l->ready);
    queue_init(&l->waiting);
    arena_init(&l->mint.arena, 0);
    buf_init(&l->mint.body, 1 << 20);
    find_key(loop, l);
    check_key(l);
}

static enum err_code open_loop(struct loop *loop, struct runner *const *r,
                               const struct exchange *x, struct err *errs,
                               size_t n, struct err *e)
{
    struct http_params p = { .ca_file = getenv("CURL_CA_BUNDLE") };

    if (!p.ca_file || !p.ca_file[0])
        p.ca_file = getenv("SSL_CERT_FILE");
    if (p.ca_file && !p.ca_file[0])
        p.ca_file = NULL;
    queue_init(&loop->ended);
    loop->lanes = mem_array(n, sizeof *loop->lanes);
    loop->keys = mem_array(n, sizeof *loop->keys);
    if (!loop->lanes || !loop->keys)
        return err_set(e, ERR_NOMEM, "no memory for the models");
    loop->n = n;
    for (size_t i = 0; i < n; i++) {
        open_lane(loop, &loop->lanes[i], r[i], &x[i], &errs[i]);
        p.connections += loop->lanes[i].model->params.concurrency;
        loop->chance += loop->lanes[i].model->params.seed + i;
    }
    loop->chance = loop->chance * 0x9e3779b97f4a7c15u | 1;
    return http_open(&loop->http, &p, e);
}

static void close_loop(struct loop *loop)
{
    struct job *j;

    http_close(loop->http);
    for (size_t i = 0; i < loop->n; i++) {
        arena_free(&loop->lanes[i].mint.arena);
        buf_free(&loop->lanes[i].mint.body);
    }
    while ((j = loop->all) != NULL) {
        loop->all = j->next_all;
        free_job(j);
    }
    mem_free(loop->lanes);
    mem_free(loop->keys);
}

void remote_run_all(struct runner *const *r, const struct exchange *x,
                    struct err *errs, size_t n)
{
    struct loop loop = { 0 };
    struct err e;
    enum err_code rc = open_loop(&loop, r, x, errs, n, &e);

    if (!rc)
        rc = run_loop(&loop, &e);
    for (size_t i = 0; i < n; i++)
        if (rc)
            errs[i] = e;
        else if (loop.stop)
            (void)err_set(&errs[i], ERR_CANCELLED, "interrupted");
    close_loop(&loop);
}
