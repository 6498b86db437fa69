/* CSV as of RFC 4180: quoted fields with commas, doubled quotes and line breaks
 * inside; lines end in LF or CRLF.
 *
 * The reader is strict where a lenient one would shift columns unseen: a quote
 * in the middle of a plain field, text after a closing quote and a quote that
 * is never closed are errors with row and column. */
#ifndef MK_CSV_H
#define MK_CSV_H

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

#define CSV_MAX_FIELDS 256

/* Start with csv_init().  All that is read lies in the arena. */
struct csv {
    struct str rest;
    struct arena *arena;
    const char *field[CSV_MAX_FIELDS]; /* of the row that was read last */
    size_t n;
    size_t row;  /* its number from 1, the heading counted */
    size_t line; /* where it starts in the file */
    size_t next_line;
};

/* Checks that text is UTF-8 without NUL; a byte order mark is skipped. */
enum err_code csv_init(struct csv *c, struct str text, struct arena *a,
                       struct err *e) MUST_CHECK;
/* Reads the next row; *more is false at the end.  Empty lines are no rows. */
enum err_code csv_next(struct csv *c, bool *more, struct err *e) MUST_CHECK;

#endif
