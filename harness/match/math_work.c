/* The memory of GMP and MPFR.  They abort when they get none, so what they take
 * comes from a reserve then, and the work is given up after that step. */
#include <gmp.h>
#include <mpfr.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "harness/match/math.h"

enum { STEPS = 60000, RESERVE = 1 << 18 };

static _Thread_local struct math_work *current;

static bool is_reserve(const void *p)
{
    const char *c = p, *from = current ? current->reserve : NULL;

    return from && c >= from && c < from + RESERVE;
}

static void *take(size_t n)
{
    void *p = mem_alloc(n);
    size_t at;

    if (p)
        return p;
    /* Only our own mistake leads here without a reserve, or beyond it: values
       are bounded, and no work is begun once `failed` is set. */
    if (!current || n > RESERVE - 16 - current->used)
        abort();
    at = current->used;
    current->failed = true;
    current->used += (n + 15) & ~(size_t)15;
    return (char *)current->reserve + at;
}

static void give(void *p, size_t n)
{
    (void)n;
    if (!is_reserve(p))
        mem_free(p);
}

static void *retake(void *p, size_t old, size_t n)
{
    void *q = take(n);

    memcpy(q, p, old < n ? old : n);
    give(p, old);
    return q;
}

static void set_memory(void)
{
    mp_set_memory_functions(take, retake, give);
}

enum err_code math_work_open(struct math_work *w, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    *w = (struct math_work){ .steps = STEPS, .outer = current };
    (void)pthread_once(&once, set_memory);
    w->reserve = mem_alloc(RESERVE);
    if (!w->reserve)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
    current = w;
    return ERR_OK;
}

/* MPFR's cached constants may lie in the reserve. */
void math_work_close(struct math_work *w)
{
    if (!w->reserve)
        return;
    mpfr_free_cache();
    current = w->outer;
    mem_free(w->reserve);
    w->reserve = NULL;
}
