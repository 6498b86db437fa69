/* What every test file needs: one Check suite, its main(), skipping, golden
 * files.  A test's name is the behaviour; tests use public functions only. */
#ifndef MK_T_H
#define MK_T_H

#include <check.h>
#include <stdbool.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"

/* int main() of a test file: runs the suite, prints "N passed, N failed" and
 * exits non-zero when one failed.  setup(tc) adds the tests. */
int t_main(const char *name, void (*setup)(TCase *tc));
#define T_MAIN(name, setup)                                                    \
    int main(void)                                                             \
    {                                                                          \
        return t_main(name, setup);                                            \
    }

/* Says that the running test cannot be done here; it counts as skipped, not as
 * passed.  Use: if (!have) { t_skip("no models/x.gguf: make models"); return; } */
void t_skip(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* "MOKAO_SHARED" or ../shared: path of a file there, NULL (and skipped) when it
 * is absent.  For what must not be copied: data/, outputs/, engine/vocab/. */
const char *t_shared(const char *name);
/* models/NAME, NULL (and skipped) when absent. */
const char *t_model(const char *name);
/* Reads a file whole; fails the test when it cannot. The buf is the caller's. */
void t_read(const char *path, struct buf *out);
/* Compares with tests/golden/NAME; GOLDEN=write rewrites it. */
void t_golden(const char *name, struct str text);
/* Fails the test with the message when code is not ERR_OK. */
void t_ok(enum err_code code, const struct err *e);
/* A private folder for files, removed at exit; memory-backed where possible. */
const char *t_tmp(void);

#endif
