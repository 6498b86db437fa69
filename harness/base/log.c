/* One event a line on stderr, written with one call so that the lines of
 * threads do not mix. */
#include "harness/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "harness/base/buf.h"

enum { LINE_MOST = 8192 };

static const char *const names[] = { "error", "warn", "info", "debug" };
static _Atomic enum log_level shown = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&shown, level);
}

enum log_level log_level(void)
{
    return atomic_load(&shown);
}

/* A value may quote what came from outside: one event stays one line. */
static void flatten(char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' ';
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_MOST];
    size_t n;
    int more;
    va_list ap;

    if (level > log_level())
        return;
    n = (size_t)snprintf(line, 128, "%s %.100s ", names[level], event);
    va_start(ap, fmt);
    more = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
    va_end(ap);
    if (more > 0)
        n += (size_t)more;
    if (n >= sizeof(line))
        n = text_whole((struct str){ line, sizeof(line) - 1 });
    if (n && line[n - 1] == ' ')
        n--;
    flatten(line, n);
    (void)fprintf(stderr, "%.*s\n", (int)n, line);
}
