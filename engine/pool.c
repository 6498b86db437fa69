/* A persistent pool of threads for parallel loops.
 *
 * A loop is published by one 64-bit ticket: the number of the loop in the upper
 * half, the next item in the lower one.  Items are taken by compare-and-swap on
 * the ticket, so whoever wins an item knows that the loop it read is still the
 * current one: the caller cannot begin another before all items are done.
 * Therefore nobody ever waits for a thread that has not taken an item: a worker
 * that sleeps, or lost its core to another process, simply takes no part.  A
 * barrier that every thread must reach would cost a time slice each time that
 * happens, and on small shared machines it happens often.
 *
 * Waiting spins for some tens of microseconds (the gap between two operations
 * of a decoded token is shorter) and then sleeps on a condition variable. */
#include "engine/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "harness/base/mem.h"

#define MAX_THREADS 256
#define SPIN_LIMIT 2000 /* pauses, some 20 ns each */
#define LINE 128        /* two cache lines, they are fetched in pairs */

typedef void job_fn(void *arg, size_t i, int thread);

struct worker {
    struct pool *pool;
    pthread_t thread;
    int number;
};

struct pool {
    /* Written by every thread in every loop, so each has its own line. */
    _Alignas(LINE) atomic_uint_fast64_t ticket;
    _Alignas(LINE) atomic_size_t done; /* items finished */

    /* The loop of the ticket.  Atomic because a late worker may read them while
     * the next loop is written; its compare-and-swap then fails. */
    _Alignas(LINE) _Atomic(job_fn *) fn;
    _Atomic(void *) arg;
    atomic_size_t n;

    /* Who sleeps; changed under the lock, read without it. */
    _Alignas(LINE) atomic_int sleepers;
    atomic_bool caller_sleeps;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards going to sleep, nothing else */
    pthread_cond_t work, finished;

    int n_threads;
    int n_started;
    void *block; /* what was allocated, before alignment */
    struct worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static uint64_t loop_of(uint64_t ticket)
{
    return ticket >> 32;
}

static size_t item_of(uint64_t ticket)
{
    return (size_t)(ticket & UINT32_MAX);
}

/* Takes items until none is left. */
static void take_part(struct pool *p, int thread)
{
    uint64_t t = atomic_load(&p->ticket);

    for (;;) {
        job_fn *fn = atomic_load(&p->fn);
        void *arg = atomic_load(&p->arg);
        size_t n = atomic_load(&p->n);

        if (item_of(t) >= n)
            return;
        if (!atomic_compare_exchange_weak(&p->ticket, &t, t + 1))
            continue;
        fn(arg, item_of(t), thread);
        if (atomic_fetch_add(&p->done, 1) + 1 == n &&
            atomic_load(&p->caller_sleeps)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->finished);
            pthread_mutex_unlock(&p->lock);
        }
        t = atomic_load(&p->ticket);
    }
}

/* Returns when the loop is another than `seen` or the pool stops. */
static void wait_for_loop(struct pool *p, uint64_t seen)
{
    for (int i = 0; i < SPIN_LIMIT; i++) {
        if (loop_of(atomic_load(&p->ticket)) != seen || atomic_load(&p->stop))
            return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (loop_of(atomic_load(&p->ticket)) == seen && !atomic_load(&p->stop))
        pthread_cond_wait(&p->work, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    uint64_t seen = 0;

    for (;;) {
        wait_for_loop(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        seen = loop_of(atomic_load(&p->ticket));
        take_part(p, w->number);
    }
}

/* Publishes a loop: what it is first, then the ticket.  The old ticket is put
 * beyond any end before that, or a late worker could take its next item as soon
 * as the new n is larger than the old one. */
static void publish(struct pool *p, size_t n, job_fn *fn, void *arg)
{
    uint64_t loop = loop_of(atomic_load(&p->ticket));

    atomic_store(&p->ticket, loop << 32 | UINT32_MAX);
    atomic_store(&p->done, 0);
    atomic_store(&p->fn, fn);
    atomic_store(&p->arg, arg);
    atomic_store(&p->n, n);
    atomic_store(&p->ticket, (loop + 1) << 32);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->work);
        pthread_mutex_unlock(&p->lock);
    }
}

static void wait_for_end(struct pool *p, size_t n)
{
    for (int i = 0; i < SPIN_LIMIT; i++) {
        if (atomic_load(&p->done) == n)
            return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->caller_sleeps, true);
    while (atomic_load(&p->done) != n)
        pthread_cond_wait(&p->finished, &p->lock);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->lock);
}

void pool_run(struct pool *p, size_t n, void (*fn)(void *, size_t, int),
              void *arg)
{
    assert(n < UINT32_MAX);
    if (p->n_started == 0 || n <= 1) {
        for (size_t i = 0; i < n; i++)
            fn(arg, i, 0);
        return;
    }
    publish(p, n, fn, arg);
    take_part(p, 0);
    wait_for_end(p, n);
}

int pool_threads(const struct pool *p)
{
    return p->n_threads;
}

static enum err_code start_workers(struct pool *p, struct err *e)
{
    for (int i = 1; i < p->n_threads; i++) {
        struct worker *w = &p->workers[i - 1];
        int rc;

        w->pool = p;
        w->number = i;
        rc = pthread_create(&w->thread, NULL, worker_main, w);
        if (rc)
            return err_set(e, ERR_NOENV,
                           "cannot start thread %d of %d (error %d)", i + 1,
                           p->n_threads, rc);
        p->n_started++;
    }
    return ERR_OK;
}

static int wanted_threads(int n_threads)
{
    long cores;

    if (n_threads <= 0) {
        cores = sysconf(_SC_NPROCESSORS_ONLN);
        n_threads = cores < 1             ? 1
                    : cores > MAX_THREADS ? MAX_THREADS
                                          : (int)cores;
    }
    return n_threads < MAX_THREADS ? n_threads : MAX_THREADS;
}

enum err_code pool_open(struct pool **out, int n_threads, struct err *e)
{
    int n = wanted_threads(n_threads);
    size_t size = sizeof(struct pool) + (size_t)n * sizeof(struct worker);
    void *block = mem_zalloc(size + LINE);
    struct pool *p;
    enum err_code rc;

    *out = NULL;
    if (!block)
        return err_set(e, ERR_NOMEM, "no memory for a pool of %d threads", n);
    p = (void *)((char *)block + (LINE - (uintptr_t)block % LINE) % LINE);
    p->block = block;
    p->n_threads = n;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->finished, NULL);
    rc = start_workers(p, e);
    if (rc)
        pool_close(p);
    else
        *out = p;
    return rc;
}

void pool_close(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->block);
}
