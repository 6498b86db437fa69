/* Growable bytes with a limit and a sticky failure: a run of appends is checked
 * once, at its end, with buf_check().  The content is always followed by a NUL
 * that is not counted, so buf->p can be handed to a library (p is "" when
 * empty). */
#ifndef MK_BUF_H
#define MK_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"
#include "harness/base/text.h"

struct buf {
    char *p;
    size_t n;
    size_t cap;
    size_t limit; /* bytes it may hold */
    bool failed;  /* no memory, or the limit was met */
    bool full;    /* failed because of the limit */
};

void buf_init(struct buf *b, size_t limit);
void buf_free(struct buf *b);
void buf_clear(struct buf *b); /* n = 0, failed = false; keeps the memory */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_text(struct buf *b, struct str s);
void buf_char(struct buf *b, char c);
void buf_fill(struct buf *b, char c, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Code point as UTF-8. */
void buf_rune(struct buf *b, int32_t rune);
struct str buf_view(const struct buf *b);
/* ERR_OK, or ERR_NOMEM / ERR_LIMIT with a message that names `what`. */
enum err_code buf_check(const struct buf *b, const char *what,
                        struct err *e) MUST_CHECK;

#endif
