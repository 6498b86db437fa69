/* WebSocket, RFC 6455, the client's side, without a connection: bytes in,
 * messages and bytes out.  Chance (nonce, masks) is given in. */
#ifndef MK_WEBSOCKET_H
#define MK_WEBSOCKET_H

#include <stdbool.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/text.h"

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10
};

/* Appends the request that asks for the upgrade. */
void ws_request(struct buf *out, struct str host, struct str target,
                const char *key, const char *const *headers, size_t n_headers);
/* Appends one final frame, masked. */
void ws_frame(struct buf *out, enum ws_opcode op, struct str payload,
              const unsigned char mask[4]);

struct ws {
    struct buf in;      /* of a frame that is not whole yet */
    struct buf message; /* fragments so far */
    bool fragmented;    /* a message has begun and not ended */
    bool text;          /* what has begun is text */
    bool closed;        /* the other side has closed */
    int close_code;     /* 0: none given */
};

struct ws_handler {
    /* A whole message; false: no more is wanted. */
    bool (*on_message)(void *user, struct str message);
    /* A ping (its pong is the caller's to send), or a close, to be answered
     * with the same payload. */
    void (*on_control)(void *user, enum ws_opcode op, struct str payload);
};

/* limit: bytes of a message. */
void ws_init(struct ws *w, size_t limit);
void ws_free(struct ws *w);
/* Takes bytes from the server.  ERR_LIMIT: a message too large; ERR_NET: what
 * the protocol forbids (a masked frame, a reserved bit, text that is no UTF-8
 * ...); ERR_CANCELLED: on_message wants no more. */
enum err_code ws_feed(struct ws *w, struct str bytes,
                      const struct ws_handler *h, void *user,
                      struct err *e) MUST_CHECK;

#endif
