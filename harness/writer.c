/* A bounded queue and the thread that empties it. */
#include "harness/writer.h"

#include <pthread.h>
#include <stddef.h>

#include "harness/base/mem.h"

enum { QUEUE = 1024 };

struct task {
    void (*fn)(void *arg);
    void *arg;
};

struct writer {
    pthread_t thread;
    pthread_mutex_t store; /* held while a task is done */
    pthread_mutex_t lock;  /* guards what follows */
    pthread_cond_t changed;
    struct task queue[QUEUE];
    size_t head, n;
    bool closing;
};

/* The next task; false when the writer closes and nothing is left. */
static bool take(struct writer *w, struct task *out)
{
    bool there;

    (void)pthread_mutex_lock(&w->lock);
    while (w->n == 0 && !w->closing)
        (void)pthread_cond_wait(&w->changed, &w->lock);
    there = w->n > 0;
    if (there) {
        *out = w->queue[w->head];
        w->head = (w->head + 1) % QUEUE;
        w->n--;
        (void)pthread_cond_broadcast(&w->changed);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return there;
}

static void *work(void *user)
{
    struct writer *w = user;
    struct task t;

    while (take(w, &t)) {
        (void)pthread_mutex_lock(&w->store);
        t.fn(t.arg);
        (void)pthread_mutex_unlock(&w->store);
    }
    return NULL;
}

enum err_code writer_open(struct writer **out, struct err *e)
{
    struct writer *w = mem_zalloc(sizeof *w);

    *out = NULL;
    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for the writer");
    (void)pthread_mutex_init(&w->store, NULL);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->changed, NULL);
    if (pthread_create(&w->thread, NULL, work, w)) {
        mem_free(w);
        return err_set(e, ERR_NOMEM, "no thread for the writer");
    }
    *out = w;
    return ERR_OK;
}

void writer_close(struct writer *w)
{
    if (!w)
        return;
    (void)pthread_mutex_lock(&w->lock);
    w->closing = true;
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_mutex_destroy(&w->store);
    mem_free(w);
}

void writer_put(struct writer *w, void (*fn)(void *arg), void *arg)
{
    (void)pthread_mutex_lock(&w->lock);
    while (w->n == QUEUE)
        (void)pthread_cond_wait(&w->changed, &w->lock);
    w->queue[(w->head + w->n++) % QUEUE] = (struct task){ fn, arg };
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
}

void writer_lock(struct writer *w)
{
    if (w)
        (void)pthread_mutex_lock(&w->store);
}

bool writer_try_lock(struct writer *w)
{
    return !w || pthread_mutex_trylock(&w->store) == 0;
}

void writer_unlock(struct writer *w)
{
    if (w)
        (void)pthread_mutex_unlock(&w->store);
}
