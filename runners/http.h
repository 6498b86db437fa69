/* Many HTTP calls in flight from one thread.
 *
 * A loop over libcurl's event interface and epoll: HTTP/1.1 with connections
 * kept alive, HTTP/2 where the server has it, TLS verified, proxies from the
 * environment.  A WebSocket call upgrades its connection and reports each
 * message as a piece.  A redirect is never followed, since the key would go
 * along; it is reported as the answer it is.
 *
 * Nothing here knows of vendors, retries or pace. */
#ifndef MK_HTTP_H
#define MK_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/text.h"

struct http;

struct http_params {
    size_t connections;  /* at the most; the limit of open files is raised */
    const char *ca_file; /* certificates to trust; NULL: the system's */
};

/* How far a call came. */
enum http_end {
    HTTP_DONE,      /* an answer with a status, read to its end */
    HTTP_SETUP,     /* the call itself is wrong: its URL, say */
    HTTP_NOT_THERE, /* no connection: nothing was sent */
    HTTP_DROPPED,   /* http_drop_unsent(): nothing was sent */
    HTTP_UNTRUSTED, /* the certificate does not hold */
    HTTP_BROKEN,    /* the connection broke, or broke the protocol */
    HTTP_TIMED_OUT, /* one of the times below */
    HTTP_TOO_LARGE, /* more than `limit` bytes */
    HTTP_STOPPED,   /* on_piece did not want more */
    HTTP_NO_MEMORY
};

struct http_result {
    enum http_end end;
    const char *message;  /* why not HTTP_DONE; "" otherwise */
    int status;           /* 0: none came; 101: a WebSocket that was opened */
    const char *redirect; /* a status 3xx: scheme and host it points to */
    int64_t first_ns, total_ns; /* since the start; first -1: nothing came */
};

/* Where an answer goes; all on the thread of http_step(). */
struct http_handler {
    /* ":status" with the number comes first, as in HTTP/2. */
    void (*on_header)(void *user, struct str name, struct str value);
    /* A piece of the body, or one WebSocket message; false ends the call. */
    bool (*on_piece)(void *user, struct str piece);
    /* Once for each call that was started, never from within http_start(). */
    void (*on_done)(void *user, const struct http_result *r);
};

struct http_call {
    const char *method, *url;   /* http, https; ws, wss for a WebSocket */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    struct str body; /* has to stay until the call has ended */
    bool websocket;  /* the body is sent as one message */
    int64_t connect_ms, first_ms, stall_ms, whole_ms;
    size_t limit; /* bytes of the answer */
};

enum err_code http_open(struct http **out, const struct http_params *p,
                        struct err *e) MUST_CHECK;
/* Calls in flight are dropped without a word to their handlers. */
void http_close(struct http *h);

/* Starts a call; what it points to but the body is copied.  handler has to
 * stay until on_done. */
enum err_code http_start(struct http *h, const struct http_call *c,
                         const struct http_handler *handler, void *user,
                         struct err *e) MUST_CHECK;
/* Waits at most wait_ms for something to happen and tells the handlers.  A
 * signal ends the wait. */
enum err_code http_step(struct http *h, int64_t wait_ms,
                        struct err *e) MUST_CHECK;
/* Ends calls for which there is no connection yet, as HTTP_DROPPED.  Those of
 * that handler that `which` picks. */
void http_drop_unsent(struct http *h, const struct http_handler *handler,
                      bool (*which)(const void *user, const void *arg),
                      const void *arg);
size_t http_in_flight(const struct http *h);

#endif
