/* RFC 6455, the client's side: frames out, frames in, fragments joined. */
#include "runners/websocket.h"

#include <string.h>

enum { CONTROL_MOST = 125, HEAD_MOST = 14 };

void ws_request(struct buf *out, struct str host, struct str target,
                const char *key, const char *const *headers, size_t n_headers)
{
    buf_printf(out, "GET %.*s HTTP/1.1\r\nHost: %.*s\r\n", STR_FMT(target),
               STR_FMT(host));
    buf_printf(out,
               "Upgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
               key);
    for (size_t i = 0; i < n_headers; i++)
        buf_printf(out, "%s\r\n", headers[i]);
    buf_str(out, "\r\n");
}

static void add_masked(struct buf *out, struct str payload,
                       const unsigned char mask[4])
{
    size_t from = out->n;

    buf_text(out, payload);
    for (size_t i = 0; !out->failed && i < payload.n; i++)
        out->p[from + i] =
            (char)((unsigned char)out->p[from + i] ^ mask[i % 4]);
}

void ws_frame(struct buf *out, enum ws_opcode op, struct str payload,
              const unsigned char mask[4])
{
    buf_char(out, (char)(0x80 | op));
    if (payload.n < 126) {
        buf_char(out, (char)(0x80 | payload.n));
    } else if (payload.n < 65536) {
        buf_char(out, (char)(0x80 | 126));
        buf_char(out, (char)(payload.n >> 8));
        buf_char(out, (char)payload.n);
    } else {
        buf_char(out, (char)(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_char(out, (char)((uint64_t)payload.n >> shift));
    }
    buf_add(out, mask, 4);
    add_masked(out, payload, mask);
}

/* --- frames that come ------------------------------------------------------ */

struct frame {
    bool final;
    unsigned op;
    struct str payload;
    size_t size; /* head and payload; 0: not whole yet */
};

void ws_init(struct ws *w, size_t limit)
{
    *w = (struct ws){ 0 };
    buf_init(&w->in, limit + HEAD_MOST);
    buf_init(&w->message, limit);
}

void ws_free(struct ws *w)
{
    buf_free(&w->in);
    buf_free(&w->message);
}

static enum err_code forbidden(struct err *e, const char *what)
{
    return err_set(e, ERR_NET, "WebSocket: %s", what);
}

static uint64_t big_endian(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* The first frame of s.  limit: of its payload. */
static enum err_code read_frame(struct str s, size_t limit, struct frame *f,
                                struct err *e)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t more, head;
    uint64_t n;

    f->size = 0;
    if (s.n < 2)
        return ERR_OK;
    if (p[0] & 0x70)
        return forbidden(e, "a reserved bit is set");
    if (p[1] & 0x80)
        return forbidden(e, "the server masks its frames");
    f->final = p[0] & 0x80;
    f->op = p[0] & 0x0f;
    n = p[1] & 0x7f;
    more = n == 126 ? 2 : n == 127 ? 8 : 0;
    head = 2 + more;
    if (f->op >= WS_CLOSE && (more || !f->final))
        return forbidden(e, "a control frame is too long or in parts");
    if (s.n < head)
        return ERR_OK;
    if (more)
        n = big_endian(p + 2, more);
    if (n > limit)
        return err_set(e, ERR_LIMIT, "WebSocket: a message is too large");
    if (s.n - head < n)
        return ERR_OK;
    f->payload = str_sub(s, head, head + (size_t)n);
    f->size = head + (size_t)n;
    return ERR_OK;
}

static enum err_code take_control(struct ws *w, const struct frame *f,
                                  const struct ws_handler *h, void *user,
                                  struct err *e)
{
    if (f->op > WS_PONG)
        return forbidden(e, "a frame of an unknown kind");
    if (f->op == WS_CLOSE) {
        if (f->payload.n == 1)
            return forbidden(e, "a close frame is cut");
        w->closed = true;
        if (f->payload.n)
            w->close_code =
                (int)big_endian((const unsigned char *)f->payload.p, 2);
    }
    if (f->op != WS_PONG)
        h->on_control(user, (enum ws_opcode)f->op, f->payload);
    return ERR_OK;
}

static enum err_code take_data(struct ws *w, const struct frame *f,
                               const struct ws_handler *h, void *user,
                               struct err *e)
{
    bool more = f->op == WS_CONTINUATION, wanted;

    if (f->op > WS_BINARY)
        return forbidden(e, "a frame of an unknown kind");
    if (more != w->fragmented)
        return forbidden(e, more ? "a fragment without its beginning"
                                 : "a message begins inside another");
    if (!more)
        w->text = f->op == WS_TEXT;
    w->fragmented = !f->final;
    buf_text(&w->message, f->payload);
    if (w->message.failed)
        return w->message.full
                   ? err_set(e, ERR_LIMIT, "WebSocket: a message is too large")
                   : err_set(e, ERR_NOMEM, "no memory");
    if (!f->final)
        return ERR_OK;
    if (w->text && !text_check(buf_view(&w->message), NULL))
        return forbidden(e, "a text message is no UTF-8");
    wanted = h->on_message(user, buf_view(&w->message));
    buf_clear(&w->message);
    return wanted ? ERR_OK : err_set(e, ERR_CANCELLED, "enough");
}

enum err_code ws_feed(struct ws *w, struct str bytes,
                      const struct ws_handler *h, void *user, struct err *e)
{
    struct str rest;
    struct frame f = { .size = 1 };
    enum err_code rc = ERR_OK;

    buf_text(&w->in, bytes);
    if (w->in.failed)
        return err_set(e, w->in.full ? ERR_LIMIT : ERR_NOMEM,
                       "WebSocket: a message is too large");
    rest = buf_view(&w->in);
    while (!rc && !w->closed) {
        rc = read_frame(rest, w->message.limit, &f, e);
        if (rc || !f.size)
            break;
        rc = f.op >= WS_CLOSE ? take_control(w, &f, h, user, e)
                              : take_data(w, &f, h, user, e);
        rest = str_sub(rest, f.size, rest.n);
    }
    memmove(w->in.p, rest.p, rest.n);
    w->in.n = rest.n;
    return rc;
}
