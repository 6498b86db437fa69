/* The only malloc of the program, and arenas.
 *
 * Every allocation, the libraries' too, comes through mem_alloc(), so that one
 * counter can fail any of them in tests (mem_fail_at).  Arenas carry lifetimes:
 * they are filled piece by piece and freed or reset as a whole.  An arena has a
 * sticky failure: after a failed allocation `failed` stays set, later calls
 * return NULL, and a run of allocations is checked once at its end. */
#ifndef MK_MEM_H
#define MK_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

/* malloc, zeroed malloc, realloc, free.  NULL when there is no memory; a size
 * of 0 gives a pointer that can be freed. */
void *mem_alloc(size_t size) MUST_CHECK;
void *mem_zalloc(size_t size) MUST_CHECK;
void *mem_realloc(void *p, size_t size) MUST_CHECK;
void mem_free(void *p);
/* n * size with an overflow check, zeroed. */
void *mem_array(size_t n, size_t size) MUST_CHECK;
/* Grows *p (of *cap elements of `size` bytes) so that it holds `need` of them;
 * doubles.  false when there is no memory; *p stays as it was. */
bool mem_grow(void *p, size_t *cap, size_t need, size_t size) MUST_CHECK;
char *mem_strdup(const char *s) MUST_CHECK;

/* Tests: fails the nth allocation from now (1 = the next); if `from_then_on`,
 * all after it too.  0 switches it off.  Thread-safe counters. */
void mem_fail_at(size_t nth, bool from_then_on);
/* Allocations asked for since the start of the program. */
size_t mem_count(void);

struct arena_chunk;
struct arena {
    struct arena_chunk *head;
    size_t limit; /* bytes it may take in all; 0: no limit */
    size_t taken;
    bool failed;
};

void arena_init(struct arena *a, size_t limit);
/* Frees all; the arena is empty and usable again. */
void arena_free(struct arena *a);
/* Forgets the content and `failed`, keeps the newest chunk for reuse. */
void arena_reset(struct arena *a);
/* n bytes, zeroed, aligned to 16; NULL and `failed` when there are none. */
void *arena_alloc(struct arena *a, size_t n);
/* n * size with an overflow check. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* Copies n bytes and adds a NUL. */
char *arena_dup(struct arena *a, const char *p, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
