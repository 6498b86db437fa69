/* A program nobody trusts, run by bubblewrap (bwrap).
 *
 * What it gets: namespaces of its own (user, processes, network, IPC, host name,
 * cgroup), no network, of the file system only /usr read-only (less /usr/local)
 * and a small private /tmp, an environment of four fixed variables, limits on
 * time, memory, processes, files and output, a filter of system calls.  It never
 * runs as root.  Where any of this cannot be had nothing is run. */
#ifndef MK_SANDBOX_H
#define MK_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/text.h"

struct sandbox_file {
    const char *name; /* it appears as /box/NAME, read-only, executable */
    struct str data;
};

enum { SANDBOX_FILES = 4 };
struct sandbox_job {
    const char *const *argv; /* NULL at the end; [0] is a path */
    const char *tool;        /* a program it needs besides, or NULL */
    struct sandbox_file files[SANDBOX_FILES];
    size_t n_files;
    struct str input;  /* its stdin */
    int cpu_s;         /* of each process; the wall clock has 3 times + 2 */
    int memory_mb;     /* address space of each process */
    int processes;     /* with threads */
    int disk_mb;       /* of /tmp; it counts as memory */
    size_t output_max; /* bytes of stdout, and of stderr */
};

enum sandbox_end {
    SANDBOX_EXITED,   /* status */
    SANDBOX_SIGNALED, /* status is the signal */
    SANDBOX_TIME,     /* processor time or the wall clock */
    SANDBOX_OUTPUT    /* it wrote more than output_max */
};
struct sandbox_result {
    enum sandbox_end end;
    int status;
    struct buf out, err; /* what it wrote, bytes of any kind */
};
void sandbox_result_init(struct sandbox_result *r);
void sandbox_result_free(struct sandbox_result *r);

/* Runs the job; all that it has started is gone when this returns.  Threads may
 * run jobs side by side.  ERR_NOENV when there is no sandbox or no such
 * program: the message names the cure.  MOKAO_BWRAP names a bwrap that is not
 * /usr/bin/bwrap. */
enum err_code sandbox_run(const struct sandbox_job *job,
                          struct sandbox_result *r, struct err *e) MUST_CHECK;

#endif
