/* Streams in pieces -> events: see sse.h.
 *
 * Bytes go into `line` until its end; what a whole line means is the framing's.
 * Nothing looks at characters: cutting one in two is harmless here, and whoever
 * reads the data checks it. */
#include "runners/sse.h"

#include <string.h>

typedef enum err_code event_fn(void *user, const struct sse_event *ev,
                               struct err *e);

void sse_init(struct sse *s, enum framing framing, size_t limit)
{
    *s = (struct sse){ .framing = framing };
    buf_init(&s->line, limit);
    buf_init(&s->data, limit);
    buf_init(&s->name, limit);
    buf_init(&s->id, limit);
}

void sse_free(struct sse *s)
{
    buf_free(&s->line);
    buf_free(&s->data);
    buf_free(&s->name);
    buf_free(&s->id);
}

static enum err_code check(const struct sse *s, struct err *e)
{
    enum err_code rc = buf_check(&s->line, "a line of a stream", e);

    return rc ? rc : buf_check(&s->data, "an event of a stream", e);
}

static enum err_code give(struct sse *s, struct str data, event_fn *on,
                          void *user, struct err *e)
{
    const struct sse_event ev = { .name = buf_view(&s->name),
                                  .data = data,
                                  .id = buf_view(&s->id) };
    enum err_code rc = on(user, &ev, e);

    buf_clear(&s->name);
    return rc;
}

/* A blank line: the event is complete, unless it has no data. */
static enum err_code end_event(struct sse *s, event_fn *on, void *user,
                               struct err *e)
{
    enum err_code rc = ERR_OK;

    if (s->data.n) {
        s->data.p[--s->data.n] = '\0'; /* the LF after its last line */
        rc = give(s, buf_view(&s->data), on, user, e);
    }
    buf_clear(&s->data);
    buf_clear(&s->name);
    return rc;
}

static void set_text(struct buf *b, struct str s)
{
    buf_clear(b);
    buf_text(b, s);
}

/* "name:value" or "name: value"; a line without a colon is a name. */
static void take_field(struct sse *s, struct str line)
{
    size_t colon = str_find(line, STR(":"), 0);
    struct str name = line, value = { "", 0 };

    if (colon != (size_t)-1) {
        name = str_sub(line, 0, colon);
        value = str_sub(line, colon + 1, line.n);
    }
    if (value.n && value.p[0] == ' ')
        value = str_sub(value, 1, value.n);
    if (str_is(name, "data")) {
        buf_text(&s->data, value);
        buf_char(&s->data, '\n');
    } else if (str_is(name, "event")) {
        set_text(&s->name, value);
    } else if (str_is(name, "id")) {
        set_text(&s->id, value);
    }
}

static enum err_code end_line(struct sse *s, event_fn *on, void *user,
                              struct err *e)
{
    struct str line = buf_view(&s->line);
    enum err_code rc = ERR_OK;

    if (s->framing == FRAME_LINES)
        rc = str_trim(line).n ? give(s, str_trim(line), on, user, e) : ERR_OK;
    else if (!line.n)
        rc = end_event(s, on, user, e);
    else if (line.p[0] != ':')
        take_field(s, line);
    buf_clear(&s->line);
    return rc;
}

/* Skips blanks and a byte order mark before the first byte, which tells whether
 * this is a stream at all. */
static void begin(struct sse *s, struct str *piece)
{
    size_t i = 0;

    while (i < piece->n && strchr(" \t\r\n\xef\xbb\xbf", piece->p[i]) &&
           piece->p[i])
        i++;
    if (i == piece->n && i) {
        *piece = str_sub(*piece, i, i);
        return;
    }
    s->begun = piece->n > 0;
    *piece = str_sub(*piece, i, piece->n);
    if (s->begun && s->framing == FRAME_SSE && piece->p[0] == '{')
        s->framing = FRAME_WHOLE;
}

static size_t to_line_end(struct str s)
{
    size_t i = 0;

    while (i < s.n && s.p[i] != '\n' && s.p[i] != '\r')
        i++;
    return i;
}

static enum err_code feed_lines(struct sse *s, struct str piece, event_fn *on,
                                void *user, struct err *e)
{
    enum err_code rc = ERR_OK;

    while (!rc && piece.n) {
        size_t n;
        if (s->after_cr && piece.p[0] == '\n')
            piece = str_sub(piece, 1, piece.n);
        s->after_cr = false;
        n = to_line_end(piece);
        buf_add(&s->line, piece.p, n);
        rc = check(s, e);
        if (!rc && n < piece.n) {
            s->after_cr = piece.p[n++] == '\r';
            rc = end_line(s, on, user, e);
        }
        piece = str_sub(piece, n, piece.n);
    }
    return rc ? rc : check(s, e);
}

enum err_code sse_feed(struct sse *s, struct str piece,
                       enum err_code (*on)(void *user,
                                           const struct sse_event *ev,
                                           struct err *e),
                       void *user, struct err *e)
{
    if (s->framing == FRAME_SOCKET)
        return give(s, piece, on, user, e);
    if (!s->begun)
        begin(s, &piece);
    if (s->framing != FRAME_WHOLE)
        return feed_lines(s, piece, on, user, e);
    buf_text(&s->data, piece);
    return check(s, e);
}

enum err_code sse_end(struct sse *s,
                      enum err_code (*on)(void *user,
                                          const struct sse_event *ev,
                                          struct err *e),
                      void *user, struct err *e)
{
    enum err_code rc = ERR_OK;

    if (s->framing == FRAME_WHOLE) {
        rc = s->data.n ? give(s, buf_view(&s->data), on, user, e) : ERR_OK;
        buf_clear(&s->data);
        return rc;
    }
    if (s->line.n)
        rc = end_line(s, on, user, e);
    if (!rc && s->framing == FRAME_SSE)
        rc = end_event(s, on, user, e);
    return rc;
}
