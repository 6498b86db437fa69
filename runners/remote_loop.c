/* The loop of all remote models of a run, on one thread.
 *
 * A model is a lane.  Its requests become jobs: ready (to be sent as soon as
 * the key's pace allows), under way, arrived (until read), waiting (failed in
 * passing, until a time), or ended (answered or given up, until delivered).
 * Each turn of the loop sends what may be sent and looks at the network; only
 * when nothing came it reads and delivers a few: what that takes does not delay
 * what is asked next. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/remote_lane.h"

/* --- a lane's turn --------------------------------------------------------- */

static void move_due(struct lane *l, int64_t now)
{
    struct queue all = l->waiting;

    if (!all.head)
        return;
    if (all.tail == &l->waiting.head)
        all.tail = &all.head;
    queue_init(&l->waiting);
    for (struct job *j; (j = take_job(&all)) != NULL;)
        put_job(j->due_ns <= now ? &l->ready : &l->waiting, j);
}

/* What will not be sent any more: given up with its last failure, if that was
 * the last that came. */
static void give_up(struct lane *l)
{
    struct job *j;

    while ((j = take_job(&l->waiting)) != NULL)
        job_end(j);
    while ((j = take_job(&l->ready)) != NULL)
        if (j->failures && j->reading.failure.class != FAULT_NONE)
            job_end(j);
        else
            job_hold_back(j);
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
        http_drop_unsent(l->loop->http, &job_handler, is_of_lane, l);
    if (l->stopped || l->loop->stop)
        give_up(l);
    l->wake_ns = INT64_MAX;
    for (int i = 0; !l->stopped; i++) {
        if (i == AT_ONCE) { /* these first: their answers take their time */
            l->wake_ns = now;
            return;
        }
        j = take_job(&l->ready);
        if (!j)
            j = job_pull(l);
        if (!j)
            return;
        wait = lane_has_token(l, now)
                   ? pace_start(&l->key->pace, j->tokens, now, &j->pass)
                   : INT64_MAX;
        if (wait) {
            put_job_first(&l->ready, j);
            l->wake_ns = wait == INT64_MAX ? wait : now + wait;
            return;
        }
        job_send(j);
    }
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

static bool has_backlog(const struct loop *loop)
{
    return loop->arrived.head || loop->ended.head;
}

static bool is_over(const struct loop *loop)
{
    if (http_in_flight(loop->http) || has_backlog(loop))
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

    if (has_backlog(loop))
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

/* Reads and delivers a few of what has come. */
static void work_off(struct loop *loop)
{
    struct job *j;

    for (int i = 0; i < AT_ONCE && (j = take_job(&loop->arrived)) != NULL; i++)
        job_read(j);
    for (int i = 0; i < AT_ONCE && (j = take_job(&loop->ended)) != NULL; i++)
        job_deliver(j);
}

static enum err_code turn(struct loop *loop, struct err *e)
{
    int64_t now = io_now_ns();
    size_t had = loop->arrived.n;

    for (size_t i = 0; i < loop->n; i++)
        advance(&loop->lanes[i], now);
    if (is_over(loop))
        return ERR_OK;
    if (http_step(loop->http, wait_ms(loop, io_now_ns()), e))
        return e->code;
    if (loop->arrived.n == had || loop->arrived.n > loop->arrived_most)
        work_off(loop);
    return ERR_OK;
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
    while (has_backlog(loop))
        work_off(loop);
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
        lane_stop(l, rc, e.msg);
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
    queue_init(&loop->arrived);
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
    loop->arrived_most = p.connections / 2;
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
        job_free(j);
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
