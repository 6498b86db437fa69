/* Streams in pieces -> events: server-sent events, JSON lines, frames.
 *
 * Pieces may end anywhere, inside a character or between CR and LF.  All
 * dialects of server-sent events are read: LF or CRLF, "data:" with or without
 * a blank, comments, several data lines, events without an end mark at the end
 * of the body (WHATWG HTML, section 9.2).
 *
 * A body that should be a stream and begins with a brace is none: the request
 * failed before the stream began.  It is gathered and given as one event when
 * it ends, whatever the framing. */
#ifndef MK_SSE_H
#define MK_SSE_H

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/text.h"

enum framing {
    FRAME_WHOLE, /* one body */
    FRAME_SSE,
    FRAME_LINES, /* one JSON value a line */
    FRAME_SOCKET /* one JSON value a WebSocket text frame */
};

struct sse_event {
    struct str name; /* "event:", empty: none */
    struct str data; /* lines joined by LF */
    struct str id;
};

struct sse {
    enum framing framing;
    struct buf line, data, name, id;
    bool after_cr; /* the LF of a CRLF may follow */
    bool begun;    /* the first byte that is no blank has been seen */
};

/* limit: the most bytes an event may have. */
void sse_init(struct sse *s, enum framing framing, size_t limit);
void sse_free(struct sse *s);
/* Calls `on` for every event that the piece completes.  ERR_LIMIT for an event
 * that is too large; otherwise what `on` returns ends it. */
enum err_code sse_feed(struct sse *s, struct str piece,
                       enum err_code (*on)(void *user,
                                           const struct sse_event *ev,
                                           struct err *e),
                       void *user, struct err *e) MUST_CHECK;
/* The body has ended: an event without its blank line is still one. */
enum err_code sse_end(struct sse *s,
                      enum err_code (*on)(void *user,
                                          const struct sse_event *ev,
                                          struct err *e),
                      void *user, struct err *e) MUST_CHECK;

#endif
