/* Fenced blocks of a reply. */
#include "harness/match/fence.h"

#include <string.h>
#include <strings.h>

static struct str line_at(struct str s, size_t at)
{
    const char *end = memchr(s.p + at, '\n', s.n - at);

    return str_sub(s, at, end ? (size_t)(end - s.p) : s.n);
}

static size_t next_line(struct str s, struct str line)
{
    size_t end = (size_t)(line.p - s.p) + line.n;

    return end < s.n ? end + 1 : s.n;
}

static struct str skip_blanks(struct str s)
{
    size_t i = 0;

    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '>'))
        i++;
    return str_sub(s, i, s.n);
}

/* How many of one fence character a line begins with: 3 or more is a fence. */
static size_t fence_length(struct str line, char *mark)
{
    struct str s = skip_blanks(line);
    size_t n = 0;

    if (s.n < 3 || (s.p[0] != '`' && s.p[0] != '~'))
        return 0;
    while (n < s.n && s.p[n] == s.p[0])
        n++;
    *mark = s.p[0];
    return n >= 3 ? n : 0;
}

/* A line of code in backticks is no fence. */
static bool opens(struct str line, size_t *n, char *mark)
{
    struct str rest;

    *n = fence_length(line, mark);
    if (!*n)
        return false;
    rest = skip_blanks(line);
    rest = str_sub(rest, *n, rest.n);
    return !rest.n || !memchr(rest.p, *mark, rest.n);
}

static bool closes(struct str line, size_t n, char mark)
{
    char other = '\0';
    size_t got = fence_length(line, &other);

    return got >= n && other == mark && str_trim(skip_blanks(line)).n == got;
}

static struct str first_word(struct str line, size_t n)
{
    struct str s = skip_blanks(line);
    size_t end = 0;

    s = str_trim(str_sub(s, n, s.n));
    while (end < s.n && !strchr(" \t{,:\r", s.p[end]))
        end++;
    return str_sub(s, 0, end);
}

bool fence_next(struct str text, size_t *at, struct fence *out)
{
    struct str line = { NULL, 0 };
    size_t n = 0, from;
    char mark = '\0';

    for (; *at < text.n; *at = next_line(text, line)) {
        line = line_at(text, *at);
        if (opens(line, &n, &mark))
            break;
    }
    if (*at >= text.n)
        return false;
    out->tag = first_word(line, n);
    from = next_line(text, line);
    for (*at = from; *at < text.n; *at = next_line(text, line)) {
        line = line_at(text, *at);
        if (closes(line, n, mark))
            break;
    }
    out->body = str_sub(text, from, *at);
    if (*at < text.n)
        *at = next_line(text, line);
    return true;
}

bool fence_tag_is(struct str tag, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, " ");
        if (n == tag.n && strncasecmp(list, tag.p, n) == 0)
            return true;
        list += n + (list[n] == ' ');
    }
    return false;
}
