/* The writer's thread: order, a full queue, the end, the lock. */
#include <stdatomic.h>
#include <unistd.h>

#include "harness/writer.h"
#include "tests/t.h"

enum { TASKS = 5000 };

struct task {
    size_t number;
    size_t *done; /* guarded by the writer's lock */
    bool in_order;
};

static void count(void *arg)
{
    struct task *t = arg;

    t->in_order = *t->done == t->number;
    ++*t->done;
}

START_TEST(tasks_are_done_in_order_and_all_before_the_end)
{
    static struct task tasks[TASKS];
    struct writer *w;
    struct err e;
    size_t done = 0;

    t_ok(writer_open(&w, &e), &e);
    for (size_t i = 0; i < TASKS; i++) { /* more than the queue holds */
        tasks[i] = (struct task){ i, &done, false };
        writer_put(w, count, &tasks[i]);
    }
    writer_close(w);
    ck_assert_uint_eq(done, TASKS);
    for (size_t i = 0; i < TASKS; i++)
        ck_assert(tasks[i].in_order);
}
END_TEST

static void raise_flag(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

START_TEST(no_task_is_done_while_the_lock_is_held)
{
    atomic_bool flag = false;
    struct writer *w;
    struct err e;

    t_ok(writer_open(&w, &e), &e);
    writer_lock(w);
    writer_put(w, raise_flag, &flag);
    usleep(20000);
    ck_assert(!atomic_load(&flag));
    writer_unlock(w);
    writer_close(w);
    ck_assert(atomic_load(&flag));
}
END_TEST

START_TEST(without_a_writer_its_lock_is_free)
{
    writer_lock(NULL);
    ck_assert(writer_try_lock(NULL));
    writer_unlock(NULL);
    writer_close(NULL);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, tasks_are_done_in_order_and_all_before_the_end);
    tcase_add_test(tc, no_task_is_done_while_the_lock_is_held);
    tcase_add_test(tc, without_a_writer_its_lock_is_free);
}

T_MAIN("writer", setup)
