/* SQLite's memory: all of it comes from mem.h, and a thread can put a ceiling
 * on what it takes.
 *
 * SQLite's own heap limit holds for the whole program: a hostile query would
 * take the results database's memory with it. */
#ifndef MK_LITE_H
#define MK_LITE_H

#include <stdbool.h>
#include <stddef.h>

/* Before the first connection of the program is opened; may be called again
 * and by any thread. */
void lite_start(void);

/* From now on this thread's SQLite may take `bytes` more than it holds; what
 * goes beyond fails there as SQLITE_NOMEM. */
void lite_cap(size_t bytes);
/* Lifts the ceiling; whether it was met. */
bool lite_uncap(void);

#endif
