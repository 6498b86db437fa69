/* The only malloc.  Two atomic counters stand before it: one counts what was
 * asked for, one fails the nth request in tests.  An arena is a list of chunks,
 * newest first; only the newest is filled.  Chunks double up to 1 MiB, so a
 * small arena stays small and a large one has few chunks. */
#include "harness/base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, CHUNK_FIRST = 1024, CHUNK_MOST = 1 << 20 };

static atomic_size_t asked;
static atomic_size_t fail_in; /* 0: off, 1: the next one fails */
static atomic_bool fail_on;   /* after the nth, all fail */

void mem_fail_at(size_t nth, bool from_then_on)
{
    atomic_store(&fail_on, from_then_on);
    atomic_store(&fail_in, nth);
}

size_t mem_count(void)
{
    return atomic_load(&asked);
}

static bool must_fail(void)
{
    size_t left = atomic_load(&fail_in);

    atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
    if (!left)
        return false;
    if (left == 1 && atomic_load(&fail_on))
        return true;
    while (left && !atomic_compare_exchange_weak(&fail_in, &left, left - 1))
        ;
    return left == 1;
}

void *mem_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *mem_zalloc(size_t size)
{
    return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *mem_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size ? size : 1);
}

void mem_free(void *p)
{
    free(p);
}

void *mem_array(size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return mem_zalloc(bytes);
}

bool mem_grow(void *p, size_t *cap, size_t need, size_t size)
{
    size_t n = *cap ? *cap : 8, bytes;
    void *old, *grown;

    if (need <= *cap)
        return true;
    while (n < need)
        if (__builtin_mul_overflow(n, (size_t)2, &n))
            return false;
    if (__builtin_mul_overflow(n, size, &bytes))
        return false;
    /* p is a `T **` of any T: its bytes are copied, not cast. */
    memcpy(&old, p, sizeof(old));
    grown = mem_realloc(old, bytes);
    if (!grown)
        return false;
    memcpy(p, &grown, sizeof(grown));
    *cap = n;
    return true;
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = mem_alloc(n);

    if (copy)
        memcpy(copy, s, n);
    return copy;
}

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    _Alignas(ALIGN) unsigned char bytes[];
};

void arena_init(struct arena *a, size_t limit)
{
    *a = (struct arena){ .limit = limit };
}

static void free_chunks(struct arena_chunk *c)
{
    while (c) {
        struct arena_chunk *next = c->next;

        mem_free(c);
        c = next;
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    free_chunks(a->head);
    arena_init(a, a->limit);
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *keep = a->head;

    a->failed = false;
    a->taken = 0;
    if (!keep)
        return;
    free_chunks(keep->next);
    keep->next = NULL;
    keep->used = 0;
    a->taken = keep->size;
}

/* Room for `need` bytes as the new head; sizes double with the arena. */
static bool add_chunk(struct arena *a, size_t need)
{
    size_t size = a->head ? a->head->size * 2 : CHUNK_FIRST, bytes;
    struct arena_chunk *c;

    if (size > CHUNK_MOST)
        size = CHUNK_MOST;
    if (a->limit && size > a->limit - a->taken)
        size = a->limit - a->taken;
    if (size < need)
        size = need;
    if (a->limit && size > a->limit - a->taken)
        return false;
    if (__builtin_add_overflow(size, sizeof(*c), &bytes))
        return false;
    c = mem_alloc(bytes);
    if (!c)
        return false;
    *c = (struct arena_chunk){ .next = a->head, .size = size };
    a->head = c;
    a->taken += size;
    return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t need;
    void *p;

    if (a->failed)
        return NULL;
    if (__builtin_add_overflow(n ? n : 1, (size_t)(ALIGN - 1), &need))
        return a->failed = true, NULL;
    need &= ~(size_t)(ALIGN - 1);
    if (!a->head || a->head->size - a->head->used < need)
        if (!add_chunk(a, need))
            return a->failed = true, NULL;
    p = a->head->bytes + a->head->used;
    a->head->used += need;
    return memset(p, 0, n);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        return a->failed = true, NULL;
    return arena_alloc(a, bytes);
}

char *arena_dup(struct arena *a, const char *p, size_t n)
{
    char *copy = n == SIZE_MAX ? NULL : arena_alloc(a, n + 1);

    if (copy && n)
        memcpy(copy, p, n);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_dup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *s;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    s = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (!s)
        return a->failed = true, NULL;
    va_start(ap, fmt);
    (void)vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}
