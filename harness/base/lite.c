/* SQLite's memory.  SQLite asks how large a block is, which mem.h does not
 * keep: 16 bytes in front of each block do, and keep its alignment. */
#include "harness/base/lite.h"

#include <pthread.h>
#include <string.h>

#include <sqlite3.h>

#include "harness/base/mem.h"

enum { FRONT = 16 };

/* A ceiling belongs to a thread, as SQLite's allocator knows of no connection;
 * a connection is used by one thread while it holds. */
static _Thread_local bool cap_on, cap_met;
static _Thread_local size_t cap_left;

static bool take(size_t n)
{
    if (!cap_on)
        return true;
    if (n > cap_left) {
        cap_met = true;
        return false;
    }
    cap_left -= n;
    return true;
}

static void give(size_t n)
{
    if (cap_on)
        cap_left += n;
}

static int lite_size(void *p)
{
    int n = 0;

    if (p)
        memcpy(&n, (char *)p - FRONT, sizeof n);
    return n;
}

static void *lite_alloc(int n)
{
    char *p = take((size_t)n) ? mem_alloc((size_t)n + FRONT) : NULL;

    if (!p)
        return NULL;
    memcpy(p, &n, sizeof n);
    return p + FRONT;
}

static void lite_free(void *p)
{
    if (!p)
        return;
    give((size_t)lite_size(p));
    mem_free((char *)p - FRONT);
}

static void *lite_realloc(void *p, int n)
{
    size_t old = (size_t)lite_size(p);
    char *q;

    if (!take((size_t)n))
        return NULL;
    q = mem_realloc((char *)p - FRONT, (size_t)n + FRONT);
    give(q ? old : (size_t)n);
    if (!q)
        return NULL;
    memcpy(q, &n, sizeof n);
    return q + FRONT;
}

static int lite_round(int n)
{
    return (n + 7) & ~7;
}

static int lite_init(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void lite_shutdown(void *unused)
{
    (void)unused;
}

static void configure(void)
{
    static const sqlite3_mem_methods methods = { lite_alloc,    lite_free,
                                                 lite_realloc,  lite_size,
                                                 lite_round,    lite_init,
                                                 lite_shutdown, NULL };

    /* Without statistics there is no lock around each allocation. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

void lite_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, configure);
}

void lite_cap(size_t bytes)
{
    cap_on = true;
    cap_met = false;
    cap_left = bytes;
}

bool lite_uncap(void)
{
    cap_on = false;
    return cap_met;
}
