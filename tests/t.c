/* Test helpers: see t.h.  Skips are counted through a shared page because Check
 * runs every test in a process of its own. */
#include "tests/t.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/base/io.h"

static atomic_int *skipped;
static char tmp_dir[64];

static void remove_tmp(void)
{
    char cmd[96];
    if (!tmp_dir[0])
        return;
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", tmp_dir);
    if (system(cmd) != 0)
        fprintf(stderr, "could not remove %s\n", tmp_dir);
}

const char *t_tmp(void)
{
    return tmp_dir;
}

static void make_tmp(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(tmp_dir, sizeof tmp_dir, "%s/mokao-test-XXXXXX", base);
    if (!mkdtemp(tmp_dir)) {
        perror("mkdtemp");
        exit(1);
    }
}

int t_main(const char *name, void (*setup)(TCase *tc))
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);
    SRunner *r;
    int run, failed, skips;

    make_tmp();
    skipped = mmap(NULL, sizeof *skipped, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (skipped == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    atomic_init(skipped, 0);
    tcase_set_timeout(tc, 600);
    setup(tc);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    run = srunner_ntests_run(r);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    skips = atomic_load(skipped);
    munmap(skipped, sizeof *skipped);
    remove_tmp();
    printf("%s: %d passed, %d failed, %d skipped\n", name, run - failed - skips,
           failed, skips);
    return failed ? 1 : 0;
}

void t_skip(const char *fmt, ...)
{
    va_list ap;
    printf("SKIP: ");
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
    atomic_fetch_add(skipped, 1);
}

const char *t_shared(const char *name)
{
    static char path[4][512];
    static unsigned next;
    const char *root = getenv("MOKAO_SHARED");
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", root ? root : "../shared", name);
    if (access(p, R_OK) == 0)
        return p;
    t_skip("%s is not here", p);
    return NULL;
}

const char *t_model(const char *name)
{
    static char path[2][512];
    static unsigned next;
    char *p = path[next++ % 2];

    snprintf(p, sizeof path[0], "models/%s", name);
    if (access(p, R_OK) == 0)
        return p;
    t_skip("no %s: see make models-all", p);
    return NULL;
}

void t_ok(enum err_code code, const struct err *e)
{
    ck_assert_msg(code == ERR_OK, "%s: %s", err_name(code), e->msg);
}

void t_read(const char *path, struct buf *out)
{
    struct err e;
    buf_init(out, (size_t)1 << 30);
    t_ok(io_read(path, out, &e), &e);
}

void t_golden(const char *name, struct str text)
{
    char path[512];
    const char *mode = getenv("GOLDEN");
    struct buf want;
    struct err e;

    snprintf(path, sizeof path, "tests/golden/%s", name);
    if (mode && strcmp(mode, "write") == 0) {
        t_ok(io_replace(path, text, &e), &e);
        return;
    }
    t_read(path, &want);
    ck_assert_msg(want.n == text.n && memcmp(want.p, text.p, text.n) == 0,
                  "%s differs; GOLDEN=write rewrites it. Got:\n%.*s", path,
                  STR_FMT(text));
    buf_free(&want);
}
