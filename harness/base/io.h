/* Files and clocks: read, map, replace atomically, JSON Lines, the clock.
 * All reads and writes of files go through here, so that tests can fail the
 * nth call (io_fail_at) and set the clock. */
#ifndef MK_IO_H
#define MK_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

/* Reads the whole file into out (appended).  A UTF-8 byte order mark at the
 * start is kept: io_skip_bom() drops it. */
enum err_code io_read(const char *path, struct buf *out,
                      struct err *e) MUST_CHECK;
struct str io_skip_bom(struct str s);

/* Writes a temporary file beside path, syncs it and renames it: path holds
 * either the old or the new content, never a part. */
enum err_code io_replace(const char *path, struct str content,
                         struct err *e) MUST_CHECK;

/* The same in pieces, for what is too large to hold.  The file is a temporary
 * one beside path until io_commit(), which puts it in its place; io_discard()
 * removes it, and does nothing after a commit.  A failed write or commit
 * leaves only discarding. */
struct io_out {
    int fd; /* -1: closed */
    const char *path;
    char *tmp;
};
enum err_code io_create(struct io_out *f, const char *path,
                        struct err *e) MUST_CHECK;
enum err_code io_write(struct io_out *f, const void *p, size_t n,
                       struct err *e) MUST_CHECK;
enum err_code io_commit(struct io_out *f, struct err *e) MUST_CHECK;
void io_discard(struct io_out *f);

/* Removes a folder and the files in it; one that holds folders is refused by
 * the system and stays, less its files. */
enum err_code io_remove_dir(const char *path, struct err *e) MUST_CHECK;
/* Puts the folder `from` in the place of `path`, on one file system: path is
 * either the old or the new folder.  What was there is removed as above. */
enum err_code io_replace_dir(const char *from, const char *path,
                             struct err *e) MUST_CHECK;

/* A file mapped read-only.  p is NULL for an empty file. */
struct io_map {
    const unsigned char *p;
    size_t n;
};
enum err_code io_map(struct io_map *m, const char *path,
                     struct err *e) MUST_CHECK;
void io_unmap(struct io_map *m);

/* Lines of a text (LF or CRLF); numbers count from 1.  Blank lines are given
 * too.  Start with { .rest = text }. */
struct io_lines {
    struct str rest;
    struct str line;
    size_t number;
};
bool io_next_line(struct io_lines *l);

bool io_exists(const char *path);
bool io_is_dir(const char *path);
/* Both are there and the same file, by whatever names. */
bool io_same_file(const char *a, const char *b);
/* Makes the folder and those above it. */
enum err_code io_mkdirs(const char *path, struct err *e) MUST_CHECK;
/* Names in a folder, sorted by bytes, without "." and ".."; in the arena. */
enum err_code io_list(const char *path, struct arena *a, char ***names,
                      size_t *n, struct err *e) MUST_CHECK;
/* "dir/name" in the arena. */
char *io_join(struct arena *a, const char *dir, const char *name);

/* Monotonic clock for durations, wall clock in ms since 1970 for stored times.
 * io_set_clock() freezes both (tests, SOURCE_DATE_EPOCH); a negative value
 * lets them run again. */
int64_t io_now_ns(void);
int64_t io_wall_ms(void);
void io_set_clock(int64_t wall_ms);
/* "2026-11-23T02:30:00Z" of a stored time; out holds 21 bytes or more. */
void io_format_time(int64_t wall_ms, char *out, size_t n);

/* Tests: fails the nth read, write, sync or rename from now with errnum. */
void io_fail_at(size_t nth, int errnum);

#endif
