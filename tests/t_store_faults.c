/* What may go wrong around the results database: foreign and newer files,
 * places that cannot be written, full disks, no memory, kill -9.  Each time: a
 * named error, nothing committed lost, integrity_check ok, and a plain re-run
 * ends in the right result. */
#include "harness/store/store.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "tests/store_fill.h"
#include "tests/t.h"

static struct err err;
static char path[256];

/* `make check` tries some of the places where things may break, `make test`
 * many. */
static bool is_full(void)
{
    const char *mode = getenv("MOKAO_TEST_MODE");

    return mode && strcmp(mode, "full") == 0;
}

static const char *db_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s-%d.db", t_tmp(), name, (int)getpid());
    return path;
}

static void ok(enum err_code rc)
{
    t_ok(rc, &err);
}

/* Opening must fail with this code and say this. */
static void refuses(const char *db, bool read_only, enum err_code code,
                    const char *says)
{
    struct store *s = (struct store *)&err;
    enum err_code rc = store_open(&s, db, read_only, &err);

    ck_assert_msg(rc == code, "%s: %s, expected %s: %s", db, err_name(rc),
                  err_name(code), err.msg);
    ck_assert_msg(strstr(err.msg, says), "\"%s\" lacks \"%s\"", err.msg, says);
    ck_assert_ptr_null(s);
}

static void check_integrity(struct store *s)
{
    ck_assert_str_eq(fill_text(s, "PRAGMA integrity_check"), "ok");
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM "
                                 "pragma_foreign_key_check"),
                     0);
}

/* Makes a database, changes it by sql. */
static void make_db(const char *db, const char *sql)
{
    struct store *s = fill_open(db);

    ok(store_exec(s, sql, &err));
    store_close(s);
}

/* ---- Files that are not ours, or not yet ---- */

START_TEST(a_newer_version_is_named)
{
    make_db(db_path("newer"), "PRAGMA user_version = 99");
    refuses(path, false, ERR_FORMAT, "newer mokao: version 99");
    refuses(path, true, ERR_FORMAT, "newer mokao: version 99");
}
END_TEST

START_TEST(a_database_of_another_program_is_left_alone)
{
    make_db(db_path("foreign"), "PRAGMA application_id = 7");
    refuses(path, false, ERR_FORMAT, "another program");
    make_db(db_path("old"), "PRAGMA user_version = 0; CREATE TABLE x (y);"
                            "PRAGMA application_id = 0");
    refuses(path, false, ERR_FORMAT, "another program");
}
END_TEST

START_TEST(other_files_are_no_database)
{
    char text[5000];

    memset(text, 'x', sizeof text);
    ok(io_replace(db_path("text"), (struct str){ text, sizeof text }, &err));
    refuses(path, false, ERR_FORMAT, "not a results database");
    refuses(path, true, ERR_FORMAT, "not a results database");
    refuses(t_tmp(), false, ERR_FORMAT, "a folder");
    refuses("", false, ERR_USAGE, "name");
    refuses(db_path("none"), true, ERR_NOENV, "mokao run");
}
END_TEST

START_TEST(folders_are_made_and_empty_files_filled)
{
    char name[300];
    struct store *s;

    snprintf(name, sizeof name, "%s.d/a b/c?d#e%%.db", db_path("folder"));
    s = fill_open(name);
    ck_assert(io_exists(name));
    store_close(s);

    ok(io_replace(db_path("empty"), STR(""), &err));
    refuses(path, true, ERR_FORMAT, "empty");
    s = fill_open(path);
    ck_assert_int_eq(fill_int(s, "PRAGMA user_version") >= 1, 1);
    store_close(s);
}
END_TEST

START_TEST(a_version_that_contradicts_the_tables_is_an_error)
{
    /* Tables are there but the version says there are none. */
    make_db(db_path("zero"), "PRAGMA user_version = 0");
    refuses(path, false, ERR_IO, "migration to version 1");
    refuses(path, true, ERR_FORMAT, "older mokao: version 0");
    refuses(path, false, ERR_IO, "already exists"); /* was left as it was */
}
END_TEST

/* Databases of every released version, as that version left them. */
static const struct {
    const char *name;
    int64_t nano; /* what the samples have cost */
    int64_t judgements;
} released[] = { { "v1", 0, 0 }, { "v2", 82000, 0 }, { "v3", 82000, 1 } };

START_TEST(databases_of_released_versions_open_with_all_they_hold)
{
    struct buf old;
    struct store *s;
    char name[64];

    snprintf(name, sizeof name, "tests/golden/store/%s.db", released[_i].name);
    t_read(name, &old);
    ok(io_replace(db_path(released[_i].name), buf_view(&old), &err));
    buf_free(&old);
    s = fill_open(path);
    check_integrity(s);
    ck_assert_str_eq(fill_text(s, "SELECT model || ' ' || suite || ' ' || "
                                  "items || ' ' || correct || ' ' || failed "
                                  "FROM leaderboard"),
                     "m1 suite 10 4 2");
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM response"), 8);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM failure"), 2);
    ck_assert_int_eq(fill_int(s, "SELECT total(nano) FROM sample_cost"),
                     released[_i].nano);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM judged"),
                     released[_i].judgements);
    store_close(s);
}
END_TEST

/* Runs fn in a child without root's rights; its status must be 0. */
static void as_nobody(void (*fn)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
            _exit(9);
        fn();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static char frozen[300];

static void use_frozen(void)
{
    struct store *s;
    char other[400];

    refuses(frozen, false, ERR_DISK, "read-only");
    snprintf(other, sizeof other, "%s.new", frozen);
    refuses(other, false, ERR_DISK, "another place");
    ok(store_open(&s, frozen, true, &err));
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM response"), 1);
    ck_assert_int_eq(store_tick(s, &err), ERR_OK);
    ck_assert_int_eq(store_end_run(s, 1, "done", 1, &err), ERR_DISK);
    store_close(s);
}

START_TEST(a_finished_database_is_read_where_nothing_can_be_written)
{
    char folder[270];
    struct store *s;
    struct fill f;
    struct store_sample k;

    snprintf(folder, sizeof folder, "%s.d", db_path("frozen"));
    snprintf(frozen, sizeof frozen, "%s/x.db", folder);
    s = fill_open(frozen);
    f = fill_make(s, "m1", "suite", 1);
    k = fill_key(&f, 0);
    fill_answer(s, &k, "B", "correct");
    store_close(s);
    ck_assert_int_eq(chmod(t_tmp(), 0755), 0);
    ck_assert_int_eq(chmod(frozen, 0444), 0);
    ck_assert_int_eq(chmod(folder, 0555), 0);
    as_nobody(use_frozen);
    ck_assert_int_eq(chmod(folder, 0755), 0);
}
END_TEST

START_TEST(a_lock_that_is_held_is_named)
{
    struct store *a = fill_open(db_path("lock")), *b = fill_open(path);
    struct store_run r = { .started_ms = 1 };
    int64_t id;

    ok(store_put_run(a, &r, &id, &err)); /* a's group is open */
    ok(store_exec(b, "PRAGMA busy_timeout = 20", &err));
    ck_assert_int_eq(store_put_run(b, &r, &id, &err), ERR_TIMEOUT);
    ck_assert(strstr(err.msg, "another process"));
    ck_assert_int_eq(fill_int(b, "SELECT count(*) FROM run"), 0);
    ok(store_flush(a, &err));
    ok(store_put_run(b, &r, &id, &err));
    ck_assert_int_eq(id, 2);
    store_close(b);
    store_close(a);
}
END_TEST

/* ---- Full disks ---- */

/* Stores samples until something fails or `most` are there; *committed is how
 * many store_flush() has said are kept. */
static enum err_code write_samples(struct store *s, const struct fill *f,
                                   int64_t most, int64_t *committed)
{
    static char text[2000];
    struct store_response r = { .text = text, .finish = "stop" };
    int64_t id, done = 0;
    bool added;

    memset(text, 'x', sizeof text - 1);
    for (int64_t t = 0; done < most; t++) {
        struct store_sample k = fill_key(f, (size_t)(t % FILL_ITEMS));
        k.trial = t / FILL_ITEMS;
        if (store_add_response(s, &k, &r, &id, &added, &err))
            return err.code;
        done += added;
        if (done % 16 == 0) {
            if (store_flush(s, &err))
                return err.code;
            *committed = done;
        }
    }
    return ERR_OK;
}

/* After the disk was full: what was said to be kept is, the store goes on. */
static void check_recovery(int64_t committed)
{
    struct store *s = fill_open(path);
    struct fill f;
    int64_t more = 0;

    check_integrity(s);
    ck_assert_int_ge(fill_int(s, "SELECT count(*) FROM response"), committed);
    f = fill_make(s, "m1", "suite", FILL_ITEMS);
    ok(write_samples(s, &f, 64, &more));
    ck_assert_int_eq(more, 64);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM sample WHERE pk NOT IN"
                                 " (SELECT sample FROM response)"),
                     0);
    check_integrity(s);
    store_close(s);
}

START_TEST(a_full_database_loses_nothing_committed)
{
    struct store *s = fill_open(db_path("full"));
    struct fill f = fill_make(s, "m1", "suite", FILL_ITEMS);
    struct store_run run = { .started_ms = 1 };
    int64_t committed = 0, id;
    char sql[64];

    ok(store_flush(s, &err));
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld",
             (long long)fill_int(s, "PRAGMA page_count") + 100);
    ok(store_exec(s, sql, &err));
    ck_assert_int_eq(write_samples(s, &f, 100000, &committed), ERR_DISK);
    ck_assert_msg(strstr(err.msg, "full"), "%s", err.msg);
    ck_assert_int_gt(committed, 0);
    /* Ids of the group that was undone must not be used. */
    if (fill_int(s, "SELECT count(*) FROM response") == committed)
        ck_assert_int_eq(store_put_run(s, &run, &id, &err), ERR_DISK);
    store_close(s);
    check_recovery(committed);
}
END_TEST

/* In a child: files may not grow beyond the limit, as on a full disk. */
static int fill_limited(atomic_llong *committed, rlim_t limit)
{
    struct rlimit r = { limit, limit };
    int64_t done = 0;
    struct store *s;
    struct fill f;
    enum err_code rc;

    signal(SIGXFSZ, SIG_IGN);
    s = fill_open(path);
    f = fill_make(s, "m1", "suite", FILL_ITEMS);
    ok(store_flush(s, &err));
    if (setrlimit(RLIMIT_FSIZE, &r) != 0)
        return 2;
    rc = write_samples(s, &f, 100000, &done);
    atomic_store(committed, done);
    store_close(s);
    return rc == ERR_DISK ? 0 : 3;
}

static void *shared_page(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert(p != MAP_FAILED);
    return p;
}

START_TEST(a_full_disk_loses_nothing_committed)
{
    atomic_llong *committed = shared_page();

    for (rlim_t limit = 600000; limit < 3000000; limit += 700001) {
        char name[32];
        int status;
        pid_t child;

        snprintf(name, sizeof name, "disk%lu", (unsigned long)limit);
        db_path(name);
        child = fork();
        if (child == 0)
            _exit(fill_limited(committed, limit));
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        check_recovery(atomic_load(committed));
    }
    munmap(committed, 4096);
}
END_TEST

/* ---- No memory ---- */

/* All that writing does, from opening to closing. */
static enum err_code whole_story(const char *db, const char *other)
{
    static const struct store_model m = { .fingerprint = "f", .id = "m" };
    struct store_suite su = { .id = "s", .version = "1", .digest = "d" };
    struct store_item it = { .digest = "i",
                             .id = "1",
                             .answer = "\"B\"",
                             .turns = "[{\"question\":\"q\","
                                      "\"answer\":\"B\"}]" };
    struct store_run run = { .started_ms = 1 };
    struct store_response r = { .text = "B", .finish = "stop" };
    struct store_error fail = { .code = "NET", .message = "m", .at_ms = 1 };
    struct store_score c = { .matcher = "choice",
                             .version = 1,
                             .settings_hash = "",
                             .verdict = "correct",
                             .score = 1 };
    struct store_sample k = { 0 };
    struct store_merge merged;
    struct store *s = NULL;
    enum err_code rc = store_open(&s, db, false, &err);
    int64_t id;
    bool added;

    if (rc || (rc = store_put_model(s, &m, &k.model, &err)) ||
        (rc = store_put_suite(s, &su, &it.suite, &err)) ||
        (rc = store_put_item(s, &it, &k.item, &err)) ||
        (rc = store_put_prompt(s, "p", "{}", &k.prompt, &err)) ||
        (rc = store_put_params(s, "p", "{}", &k.params, &err)) ||
        (rc = store_put_run(s, &run, &k.run, &err)) ||
        (rc = store_add_error(s, &k, &fail, &id, &err)) ||
        (rc = store_add_response(s, &k, &r, &id, &added, &err)) ||
        (rc = store_put_score(s, id, &c, &err)) ||
        (rc = store_end_run(s, k.run, "done", 2, &err)))
        goto done;
    rc = store_merge(s, other, &merged, &err);
done:
    store_close(s);
    return rc;
}

static void remove_db(const char *db)
{
    char name[300];
    static const char *const ends[] = { "", "-wal", "-shm", "-journal" };

    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", db, ends[i]);
        unlink(name);
    }
}

/* The story without its nth allocation, then a plain re-run. */
static void story_without(size_t nth, bool from_then_on, const char *other)
{
    enum err_code rc;
    struct store *s;

    err.msg[0] = '\0';
    mem_fail_at(nth, from_then_on);
    rc = whole_story(path, other);
    mem_fail_at(0, false);
    /* Some allocations SQLite can do without; the others are named. */
    ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "allocation %zu: %s: %s",
                  nth, err_name(rc), err.msg);
    ok(whole_story(path, other));
    s = fill_open(path);
    check_integrity(s);
    ck_assert_str_eq(fill_text(s, "SELECT group_concat(model || items || "
                                  "correct || answered) FROM leaderboard"),
                     "m111,m1404");
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM response"), 5);
    store_close(s);
}

static void fail_allocations(bool from_then_on, bool fresh)
{
    size_t stride = is_full() ? 30 : 3;
    char other[300];
    size_t before, most;
    struct store *s;
    struct fill f;

    snprintf(other, sizeof other, "%s.other", db_path("memory"));
    s = fill_open(other);
    f = fill_make(s, "m1", "suite", 4);
    for (size_t i = 0; i < 4; i++) {
        struct store_sample k = fill_key(&f, i);
        fill_answer(s, &k, "C", "wrong");
    }
    store_close(s);
    before = mem_count();
    ok(whole_story(path, other));
    most = mem_count() - before;
    ck_assert_uint_gt(most, 100);
    /* Every early one, where setting up happens, then some of the many. */
    for (size_t n = 1; n <= most; n += 1 + n / stride) {
        if (fresh)
            remove_db(path);
        story_without(n, from_then_on, other);
    }
}

START_TEST(no_memory_once_while_making_a_database)
{
    fail_allocations(false, true);
}
END_TEST

START_TEST(no_memory_any_more_while_making_a_database)
{
    fail_allocations(true, true);
}
END_TEST

START_TEST(no_memory_once_while_using_one)
{
    fail_allocations(false, false);
}
END_TEST

START_TEST(no_memory_any_more_while_using_one)
{
    fail_allocations(true, false);
}
END_TEST

/* ---- kill -9 ---- */

/* Writes on where the last one was killed, until it is killed too. */
static void write_until_killed(atomic_llong *committed)
{
    struct store *s = fill_open(path);
    struct fill f = fill_make(s, "m1", "suite", FILL_ITEMS);
    int64_t done = 0;

    for (int64_t t = 0; t < 1000000; t++) {
        struct store_sample k = fill_key(&f, (size_t)(t % FILL_ITEMS));
        int64_t id;
        bool answered;
        k.trial = t / FILL_ITEMS;
        ok(store_find_sample(s, &k, &id, &answered, &err));
        if (!answered)
            fill_answer(s, &k, "B", "correct");
        done++;
        if (t % 7 == 0) {
            ok(store_flush(s, &err));
            atomic_store(committed, done);
        }
    }
}

static void check_killed(int64_t committed)
{
    struct store *s = fill_open(path);

    check_integrity(s);
    ck_assert_int_ge(fill_int(s, "SELECT count(*) FROM response"), committed);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM response WHERE sample "
                                 "NOT IN (SELECT sample FROM score)"),
                     0);
    ck_assert_int_eq(fill_int(s, "SELECT count(*) FROM (SELECT 1 FROM sample "
                                 "GROUP BY item, trial HAVING count(*) > 1)"),
                     0);
    ck_assert_int_eq(fill_int(s, "SELECT coalesce(sum(correct), 0) "
                                 "= (SELECT count(*) FROM response) "
                                 "FROM leaderboard"),
                     1);
    store_close(s);
}

START_TEST(nothing_committed_is_lost_by_kill_9)
{
    atomic_llong *committed = shared_page();
    uint64_t seed = 20230601;

    db_path("killed");
    for (int round = 0; round < (is_full() ? 40 : 8); round++) {
        struct timespec wait = { 0, 0 };
        pid_t child;
        int status;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        wait.tv_nsec = (long)((seed >> 33) % 40000000);
        atomic_store(committed, 0);
        child = fork();
        if (child == 0) {
            write_until_killed(committed);
            _exit(0);
        }
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status));
        check_killed(atomic_load(committed));
    }
    munmap(committed, 4096);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, a_newer_version_is_named);
    tcase_add_test(tc, a_database_of_another_program_is_left_alone);
    tcase_add_test(tc, other_files_are_no_database);
    tcase_add_test(tc, folders_are_made_and_empty_files_filled);
    tcase_add_test(tc, a_version_that_contradicts_the_tables_is_an_error);
    tcase_add_loop_test(tc,
                        databases_of_released_versions_open_with_all_they_hold,
                        0, sizeof released / sizeof *released);
    tcase_add_test(tc,
                   a_finished_database_is_read_where_nothing_can_be_written);
    tcase_add_test(tc, a_lock_that_is_held_is_named);
    tcase_add_test(tc, a_full_database_loses_nothing_committed);
    tcase_add_test(tc, a_full_disk_loses_nothing_committed);
    tcase_add_test(tc, no_memory_once_while_making_a_database);
    tcase_add_test(tc, no_memory_any_more_while_making_a_database);
    tcase_add_test(tc, no_memory_once_while_using_one);
    tcase_add_test(tc, no_memory_any_more_while_using_one);
    tcase_add_test(tc, nothing_committed_is_lost_by_kill_9);
}

T_MAIN("store_faults", setup)
