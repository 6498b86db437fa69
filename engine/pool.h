/* A persistent pool of threads for parallel loops. */
#ifndef MK_POOL_H
#define MK_POOL_H

#include <stddef.h>

#include "harness/base/err.h"

struct pool;
/* n_threads counts the caller: 1 makes no thread; 0 takes the cores there are. */
enum err_code pool_open(struct pool **out, int n_threads,
                        struct err *e) MUST_CHECK;
void pool_close(struct pool *p);
int pool_threads(const struct pool *p);

/* Calls fn(arg, i, thread) for i = 0 ... n-1, each once, on any thread (thread
 * numbers 0 ... threads-1, for scratch), taken in order from one counter;
 * returns when all are done.  fn must not depend on which thread takes which
 * i: that is what makes results independent of the thread count.  Waiting
 * spins shortly, then sleeps. */
void pool_run(struct pool *p, size_t n, void (*fn)(void *, size_t, int),
              void *arg);

#endif
