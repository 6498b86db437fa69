/* The pool of threads: each item once, from any number of threads. */
#include "engine/pool.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/mem.h"
#include "tests/t.h"

#define MAX_ITEMS 3000

struct count {
    atomic_int hits[MAX_ITEMS];
    atomic_int bad_thread;
    int n_threads;
    int value[MAX_ITEMS]; /* plain: the end of the loop must publish it */
};

static void count_item(void *arg, size_t i, int thread)
{
    struct count *c = arg;

    atomic_fetch_add(&c->hits[i], 1);
    c->value[i] = (int)i + 1;
    if (thread < 0 || thread >= c->n_threads)
        atomic_store(&c->bad_thread, 1);
}

static struct count shared;

static void run_and_check(struct pool *p, size_t n)
{
    memset(&shared, 0, sizeof shared);
    shared.n_threads = pool_threads(p);
    pool_run(p, n, count_item, &shared);
    for (size_t i = 0; i < MAX_ITEMS; i++) {
        ck_assert_int_eq(atomic_load(&shared.hits[i]), i < n);
        ck_assert_int_eq(shared.value[i], i < n ? (int)i + 1 : 0);
    }
    ck_assert_int_eq(atomic_load(&shared.bad_thread), 0);
}

START_TEST(each_item_is_done_once)
{
    static const int threads[] = { 1, 2, 3, 8 };
    static const size_t items[] = { 0, 1, 2, 7, 100, MAX_ITEMS };
    struct err e;
    struct pool *p;

    t_ok(pool_open(&p, threads[_i], &e), &e);
    ck_assert_int_eq(pool_threads(p), threads[_i]);
    for (size_t k = 0; k < sizeof items / sizeof items[0]; k++)
        run_and_check(p, items[k]);
    pool_close(p);
}
END_TEST

START_TEST(zero_threads_means_the_cores)
{
    struct err e;
    struct pool *p;

    t_ok(pool_open(&p, 0, &e), &e);
    ck_assert_int_ge(pool_threads(p), 1);
    run_and_check(p, 50);
    pool_close(p);
}
END_TEST

struct sum {
    atomic_size_t total;
};

static void add_item(void *arg, size_t i, int thread)
{
    struct sum *s = arg;

    (void)thread;
    atomic_fetch_add(&s->total, i + 1);
}

/* Many short loops of changing length after one another: a worker that is late
 * must neither take an item twice nor one of a loop that is over. */
START_TEST(loops_follow_closely)
{
    struct err e;
    struct pool *p;

    t_ok(pool_open(&p, 4, &e), &e);
    for (size_t k = 0; k < 5000; k++) {
        size_t n = k * 7 % 13;
        struct sum s = { 0 };

        pool_run(p, n, add_item, &s);
        ck_assert_uint_eq(atomic_load(&s.total), n * (n + 1) / 2);
    }
    pool_close(p);
}
END_TEST

/* Longer than any spinning: workers must have gone to sleep and come back. */
START_TEST(sleeping_threads_wake)
{
    struct err e;
    struct pool *p;

    t_ok(pool_open(&p, 3, &e), &e);
    for (int k = 0; k < 5; k++) {
        usleep(20000);
        run_and_check(p, 500);
    }
    pool_close(p);
}
END_TEST

struct slow {
    atomic_uint threads; /* one bit for each that took part */
};

static void slow_item(void *arg, size_t i, int thread)
{
    struct slow *s = arg;

    (void)i;
    atomic_fetch_or(&s->threads, 1U << thread);
    usleep(10000);
}

START_TEST(work_is_shared)
{
    struct err e;
    struct pool *p;
    struct slow s = { 0 };

    t_ok(pool_open(&p, 2, &e), &e);
    usleep(5000);
    pool_run(p, 20, slow_item, &s);
    ck_assert_uint_eq(atomic_load(&s.threads), 3);
    pool_close(p);
}
END_TEST

START_TEST(no_memory_is_reported)
{
    struct err e;
    struct pool *p;

    mem_fail_at(1, false);
    ck_assert_int_eq(pool_open(&p, 2, &e), ERR_NOMEM);
    mem_fail_at(0, false);
    ck_assert_ptr_null(p);
    pool_close(p);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, each_item_is_done_once, 0, 4);
    tcase_add_test(tc, zero_threads_means_the_cores);
    tcase_add_test(tc, loops_follow_closely);
    tcase_add_test(tc, sleeping_threads_wake);
    tcase_add_test(tc, work_is_shared);
    tcase_add_test(tc, no_memory_is_reported);
}

T_MAIN("pool", setup)
