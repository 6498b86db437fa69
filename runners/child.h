/* A program with pipes to its stdin, stdout and stderr, which is spoken to in
 * lines without ever waiting for it.  It has a process group of its own, so
 * that Ctrl-C reaches us alone and a kill reaches what it has started. */
#ifndef MK_CHILD_H
#define MK_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"

/* The longest line that is taken from a program. */
#define CHILD_LINE ((size_t)64 << 20)

struct child {
    pid_t pid;        /* 0: not running */
    int in, out, err; /* its stdin, stdout and stderr; -1: closed */
    struct buf to;    /* bytes for it, from `sent` on not yet written */
    size_t sent;
    struct buf line; /* its stdout, lines not yet taken from `taken` on */
    size_t taken;
    struct buf said; /* the end of its stderr */
    bool ended;      /* its stdout has ended */
};

/* Words of a command line: separated by blanks, '...' and "..." hold them
 * together, a backslash before a blank, a quote or a backslash takes it as it
 * is.  Nothing else is special: no shell is involved.  *words ends with NULL. */
enum err_code child_words(const char *line, struct arena *a, char ***words,
                          size_t *n, struct err *e) MUST_CHECK;

/* Zeroed memory is a child that does not run.  ERR_NOENV when there is no such
 * program. */
enum err_code child_start(struct child *c, char *const *words,
                          struct err *e) MUST_CHECK;
/* Appends bytes; they are written by child_exchange(). */
void child_tell(struct child *c, struct str text);
/* What poll() is to wait for: three entries for each child. */
struct pollfd;
void child_poll(const struct child *c, struct pollfd *fds);
/* Writes and reads what is possible now. */
void child_exchange(struct child *c);
/* Takes the next line, without its newline: valid until the next exchange.
 * false: none is whole yet.  ERR_LIMIT when one is too long or memory ends. */
enum err_code child_line(struct child *c, struct str *line, bool *there,
                         struct err *e) MUST_CHECK;
/* Bytes of a line that has not ended. */
size_t child_rest(const struct child *c);
/* Closes its stdin: it is to end by itself. */
void child_hang_up(struct child *c);
/* Ends it: its stdin is closed, and it has `grace_ms` until it is killed with
 * all its group.  Appends how it ended: "exit status 1", "signal 9", and what
 * it said last, less secrets of the environment.  how may be NULL.  True when
 * it ended by itself with status 0. */
bool child_end(struct child *c, int64_t grace_ms, struct buf *how);

#endif
