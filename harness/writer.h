/* A thread that stores while another one talks to the network.
 *
 * What is put is done in order, one thing at a time, under the writer's lock;
 * whoever else uses the store takes that lock.  The queue is bounded: putting
 * waits while it is full. */
#ifndef MK_WRITER_H
#define MK_WRITER_H

#include <stdbool.h>

#include "harness/base/err.h"

struct writer;

/* *out is the caller's, ended by writer_close(). */
enum err_code writer_open(struct writer **out, struct err *e) MUST_CHECK;
/* Does what is still in the queue, and ends the thread.  NULL is fine. */
void writer_close(struct writer *w);
void writer_put(struct writer *w, void (*fn)(void *arg), void *arg);
/* NULL is fine: there is no other thread then. */
void writer_lock(struct writer *w);
/* false: a task is being done now.  true for NULL. */
bool writer_try_lock(struct writer *w);
void writer_unlock(struct writer *w);

#endif
