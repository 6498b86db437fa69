/* Growable bytes.  An empty buf points at a constant "", so that p is always a
 * C string; cap is 0 then and nothing is written through it. */
#include "harness/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/mem.h"

static char nothing[1];

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){ .p = nothing, .limit = limit };
}

void buf_free(struct buf *b)
{
    if (!b)
        return;
    if (b->cap)
        mem_free(b->p);
    buf_init(b, b->limit);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = b->full = false;
    if (b->cap)
        b->p[0] = '\0';
}

/* Room for n more bytes and the NUL. */
static bool reserve(struct buf *b, size_t n)
{
    char *p = b->cap ? b->p : NULL;

    if (b->failed)
        return false;
    if (n > b->limit - b->n || n >= SIZE_MAX - b->n) {
        b->failed = b->full = true;
        return false;
    }
    if (b->n + n < b->cap)
        return true;
    if (!mem_grow(&p, &b->cap, b->n + n + 1, 1)) {
        b->failed = true;
        return false;
    }
    b->p = p;
    return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (!n || !reserve(b, n))
        return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_text(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_fill(struct buf *b, char c, size_t n)
{
    if (!n || !reserve(b, n))
        return;
    memset(b->p + b->n, c, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n <= 0 || !reserve(b, (size_t)n)) {
        b->failed |= n < 0;
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void buf_rune(struct buf *b, int32_t rune)
{
    char bytes[4] = { 0 };

    buf_add(b, bytes, text_encode(rune, bytes));
}

struct str buf_view(const struct buf *b)
{
    return (struct str){ b->p, b->n };
}

enum err_code buf_check(const struct buf *b, const char *what, struct err *e)
{
    if (!b->failed)
        return ERR_OK;
    if (b->full)
        return err_set(e, ERR_LIMIT, "%s: more than %zu bytes", what, b->limit);
    return err_set(e, ERR_NOMEM, "%s: out of memory", what);
}
