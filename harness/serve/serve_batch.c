/* The queue in front of the lanes, and the thread that computes them.  One lock
 * guards what both sides touch: the lanes that have come in, the counts, and
 * the news of the asks.  It is never held while the engine computes. */
#include "harness/serve/serve_batch.h"

#include <string.h>
#include <time.h>

#include "harness/base/mem.h"
#include "harness/serve/serve_lanes.h"

enum {
    DEFAULT_PARALLEL = 16,
    DEFAULT_QUEUE = 1024,
    DEFAULT_POSITIONS = 16384,
    STEP_TOKENS = 256,           /* of one batch */
    ROW_BYTES = 64 * 1024 * 1024 /* for rows of logits */
};

struct batch {
    struct lanes lanes; /* the thread's own */
    size_t context, room;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* guards what follows, and asks' news */
    pthread_cond_t work;  /* something came in, or the end */
    struct lane *incoming;
    size_t n_open; /* asks that are not over */
    bool cancelled, closing;
};

/* --- the thread ------------------------------------------------------------- */

/* Takes in what has come; false: the end. */
static bool take_in(struct batch *b)
{
    struct lane *l;
    bool go_on;

    pthread_mutex_lock(&b->lock);
    while (!b->n_open && !b->closing)
        pthread_cond_wait(&b->work, &b->lock);
    while ((l = b->incoming)) {
        b->incoming = l->next;
        lanes_add(&b->lanes, l);
    }
    for (l = b->lanes.first; l; l = l->next)
        if (l->ask && (b->cancelled || l->ask->order->cancelled))
            lane_fail(l, ERR_CANCELLED, "cancelled");
    go_on = !b->closing;
    pthread_mutex_unlock(&b->lock);
    return go_on;
}

/* After it an ask that is over is no longer ours to look at. */
static void hand_out(struct batch *b)
{
    struct lane *l, *next;

    pthread_mutex_lock(&b->lock);
    for (l = b->lanes.first; l; l = l->next) {
        struct order *o = l->ask ? l->ask->order : NULL;

        if (!o || !(l->over || l->seq >= 0) || !lane_publish(l))
            continue;
        if (l->over) {
            o->n_open--;
            b->n_open--;
        }
        if (o->whole && o->n_open)
            continue;
        o->news = true;
        pthread_cond_broadcast(&o->changed);
    }
    pthread_mutex_unlock(&b->lock);
    for (l = b->lanes.first; l; l = next) {
        next = l->next;
        if (l->ask && l->over) {
            lanes_retire(&b->lanes, l);
            next = b->lanes.first; /* retiring may remove others */
        }
    }
}

static void *work(void *user)
{
    struct batch *b = user;

    while (take_in(b)) {
        if (lanes_plan(&b->lanes))
            lanes_step(&b->lanes);
        hand_out(b);
    }
    return NULL;
}

/* --- opening ---------------------------------------------------------------- */

static size_t positions_for(const struct batch_params *p)
{
    size_t trained = (size_t)mk_model_info(p->model)->n_ctx_train;

    if (p->n_positions)
        return p->n_positions;
    return trained > DEFAULT_POSITIONS ? DEFAULT_POSITIONS
                                       : trained + DEFAULT_POSITIONS / 2;
}

static size_t rows_for(size_t n_vocab, size_t n_parallel)
{
    size_t fit = ROW_BYTES / (n_vocab * sizeof(float));
    size_t most = fit < STEP_TOKENS ? fit : STEP_TOKENS;

    return most < n_parallel ? n_parallel : most;
}

static enum err_code open_lanes(struct batch *b, const struct batch_params *p,
                                struct err *e)
{
    const struct mk_model_info *info = mk_model_info(p->model);
    struct lanes *s = &b->lanes;
    struct mk_ctx_params params = { .n_threads = p->n_threads,
                                    .n_positions = positions_for(p),
                                    .n_batch = STEP_TOKENS };
    size_t trained = (size_t)info->n_ctx_train;
    char err[MK_ERR_LEN] = "";

    s->model = p->model;
    s->n_vocab = (size_t)info->n_vocab;
    s->n_batch = STEP_TOKENS;
    s->whole = info->whole_prompt;
    s->n_parallel = p->n_parallel ? p->n_parallel : DEFAULT_PARALLEL;
    if (s->n_parallel > BATCH_MAX_PARALLEL)
        s->n_parallel = BATCH_MAX_PARALLEL;
    if (params.n_positions < 4 * LANE_BLOCK)
        return err_set(e, ERR_USAGE,
                       "a context of %zu positions: give %d at least",
                       params.n_positions, 4 * LANE_BLOCK);
    b->context = params.n_positions - 2 * LANE_BLOCK;
    if (trained && trained < b->context)
        b->context = trained;
    b->room = s->n_parallel + (p->n_queue ? p->n_queue : DEFAULT_QUEUE);
    if (mk_ctx_open(&s->ctx, p->model, &params, err))
        return err_set(e, ERR_NOMEM, "%s", err);
    s->n_rows = rows_for(s->n_vocab, s->n_parallel);
    s->logits = mem_array(s->n_rows * s->n_vocab, sizeof *s->logits);
    return s->logits ? ERR_OK
                     : err_set(e, ERR_NOMEM, "no memory for the logits");
}

enum err_code batch_open(struct batch **out, const struct batch_params *p,
                         struct err *e)
{
    struct batch *b = mem_zalloc(sizeof *b);
    enum err_code rc;

    if (!b)
        return err_set(e, ERR_NOMEM, "no memory for a batch");
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, NULL);
    rc = open_lanes(b, p, e);
    if (!rc && pthread_create(&b->thread, NULL, work, b))
        rc = err_set(e, ERR_NOMEM, "no thread for the engine");
    b->running = !rc;
    if (rc)
        batch_close(b);
    else
        *out = b;
    return rc;
}

void batch_close(struct batch *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->closing = true;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
    if (b->running)
        pthread_join(b->thread, NULL);
    lanes_free(&b->lanes);
    mk_ctx_close(b->lanes.ctx);
    mem_free(b->lanes.logits);
    pthread_cond_destroy(&b->work);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

size_t batch_context(const struct batch *b)
{
    return b->context;
}

size_t batch_room(const struct batch *b)
{
    return b->room;
}

/* --- orders ----------------------------------------------------------------- */

static void close_list(struct lane *l)
{
    struct lane *next;

    for (; l; l = next) {
        next = l->next;
        lane_close(l, NULL);
    }
}

/* Lanes of all asks, in their order; NULL when there is no memory. */
static struct lane *open_list(struct order *o)
{
    struct lane *first = NULL, **end = &first;

    for (size_t i = 0; i < o->n; i++) {
        o->asks[i].order = o;
        o->asks[i].news = (struct news){ 0 };
        buf_init(&o->asks[i].news.text, (size_t)1 << 30);
        *end = lane_open(&o->asks[i]);
        if (!*end) {
            close_list(first);
            return NULL;
        }
        end = &(*end)->next;
    }
    return first;
}

static enum err_code enqueue(struct batch *b, struct order *o, struct lane *l,
                             struct err *e)
{
    struct lane **end = &b->incoming;
    enum err_code rc = ERR_OK;

    pthread_mutex_lock(&b->lock);
    if (b->cancelled) {
        rc = err_set(e, ERR_CANCELLED, "the server is shutting down");
    } else if (b->n_open + o->n > b->room) {
        rc = err_set(e, ERR_RATE, "the queue is full (%zu waiting): try again",
                     b->n_open);
    } else {
        while (*end)
            end = &(*end)->next;
        *end = l;
        b->n_open += o->n;
        pthread_cond_signal(&b->work);
    }
    pthread_mutex_unlock(&b->lock);
    return rc;
}

static void init_order(struct order *o)
{
    pthread_condattr_t attr;

    o->n_open = o->n;
    o->news = o->cancelled = false;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&o->changed, &attr);
    pthread_condattr_destroy(&attr);
}

enum err_code batch_submit(struct batch *b, struct order *o, struct err *e)
{
    struct lane *lanes = open_list(o);
    enum err_code rc;

    if (!lanes)
        return err_set(e, ERR_NOMEM, "no memory for the request");
    init_order(o);
    rc = enqueue(b, o, lanes, e);
    if (rc) {
        close_list(lanes);
        pthread_cond_destroy(&o->changed);
    }
    return rc;
}

bool batch_wait(struct batch *b, struct order *o, int wait_ms)
{
    struct timespec until;
    bool news;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&b->lock);
    while (!o->news && o->n_open)
        if (pthread_cond_timedwait(&o->changed, &b->lock, &until))
            break;
    news = o->news;
    o->news = false;
    pthread_mutex_unlock(&b->lock);
    return news;
}

bool batch_over(struct batch *b, struct order *o)
{
    bool over;

    pthread_mutex_lock(&b->lock);
    over = o->n_open == 0;
    pthread_mutex_unlock(&b->lock);
    return over;
}

void batch_take(struct batch *b, struct ask *a, struct news *out)
{
    pthread_mutex_lock(&b->lock);
    *out = a->news;
    buf_init(&a->news.text, (size_t)1 << 30);
    a->news.prompt = a->news.marks = (struct marks){ 0 };
    pthread_mutex_unlock(&b->lock);
}

void batch_end(struct batch *b, struct order *o)
{
    pthread_mutex_lock(&b->lock);
    o->cancelled = true;
    while (o->n_open)
        pthread_cond_wait(&o->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
    pthread_cond_destroy(&o->changed);
    for (size_t i = 0; i < o->n; i++)
        news_free(&o->asks[i].news);
}

void batch_cancel_all(struct batch *b)
{
    pthread_mutex_lock(&b->lock);
    b->cancelled = true;
    pthread_mutex_unlock(&b->lock);
}
