/* The table of codes, and messages of a fixed size.  A message is made in a
 * buffer of its own first, so that it may quote the message it replaces, and is
 * copied character by character: what came in ill-formed leaves as '?', and
 * nothing is cut inside a character. */
#include "harness/base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/text.h"

static const struct {
    const char *name, *text;
    int status;
} codes[] = {
#define ERR_ROW(name, status, text) { #name, text, status },
    ERR_CODES(ERR_ROW)
#undef ERR_ROW
};

static void copy_utf8(char *to, size_t size, const char *from)
{
    struct str s = str_of(from);
    size_t at = 0, n = 0, len;

    while (at < s.n) {
        int32_t rune = text_rune(s, at, &len);

        if (n + len >= size)
            break;
        if (rune < 0)
            to[n] = '?';
        else
            memcpy(to + n, s.p + at, len);
        n += len;
        at += len;
    }
    to[n] = '\0';
}

/* Drops what vsnprintf() may have left of a character at the end. */
static void PRINTF_LIKE(3, 0)
    format(char *out, size_t size, const char *fmt, va_list ap)
{
    int n = vsnprintf(out, size, fmt, ap);

    if (n < 0)
        out[0] = '\0';
    else if ((size_t)n >= size)
        out[text_whole((struct str){ out, size - 1 })] = '\0';
}

enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    char text[sizeof(e->msg)];
    va_list ap;

    if (!e)
        return code;
    va_start(ap, fmt);
    format(text, sizeof(text), fmt, ap);
    va_end(ap);
    e->code = code;
    copy_utf8(e->msg, sizeof(e->msg), text);
    return code;
}

enum err_code err_wrap(struct err *e, const char *fmt, ...)
{
    char text[2 * sizeof(e->msg) + 2];
    size_t n;
    va_list ap;

    if (!e)
        return ERR_OK;
    va_start(ap, fmt);
    format(text, sizeof(e->msg), fmt, ap);
    va_end(ap);
    n = strlen(text);
    (void)snprintf(text + n, sizeof(text) - n, ": %s", e->msg);
    copy_utf8(e->msg, sizeof(e->msg), text);
    return e->code;
}

const char *err_name(enum err_code code)
{
    assert(code < ERR_N_CODES);
    return codes[code].name;
}

enum err_code err_from_name(const char *name)
{
    enum err_code code = ERR_OK;

    while (code < ERR_N_CODES && strcmp(codes[code].name, name) != 0)
        code++;
    return code;
}

const char *err_text(enum err_code code)
{
    assert(code < ERR_N_CODES);
    return codes[code].text;
}

int err_status(enum err_code code)
{
    assert(code < ERR_N_CODES);
    return codes[code].status;
}

static enum err_code code_of_errno(int errnum)
{
    switch (errnum) {
    case EROFS:
    case ENOSPC:
    case EDQUOT:
        return ERR_DISK;
    case ENOMEM:
        return ERR_NOMEM;
    case ENOENT:
    case EACCES:
        return ERR_NOENV;
    default:
        return ERR_IO;
    }
}

enum err_code err_errno(struct err *e, int errnum, const char *fmt, ...)
{
    char text[sizeof(struct err)], why[128];
    va_list ap;

    va_start(ap, fmt);
    format(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(e, code_of_errno(errnum), "%s: %s", text,
                   strerror_r(errnum, why, sizeof(why)));
}
