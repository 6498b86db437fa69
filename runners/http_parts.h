/* What the files of the HTTP loop share; for no one else. */
#ifndef MK_HTTP_PARTS_H
#define MK_HTTP_PARTS_H

#include <curl/curl.h>

#include "harness/base/mem.h"
#include "runners/http.h"

struct socket_call; /* http_socket.c: a WebSocket under way */

/* One call under way.  Its handle is kept for the next call. */
struct transfer {
    struct http *loop;
    CURL *easy;
    struct curl_slist *headers;
    const struct http_handler *handler;
    void *user;
    struct socket_call *socket; /* NULL: plain HTTP */
    struct http_call limits;    /* times and limit alone are read */
    int64_t started_ns, first_ns, last_ns;
    size_t received;
    enum http_end stopped; /* why we ended it ourselves, HTTP_DONE: not */
    bool busy;
    bool head_whole; /* the blank line after the headers came */
    size_t index;
    char error[CURL_ERROR_SIZE];
};

/* Counts and hands on a piece; false: the call is to end. */
bool transfer_piece(struct transfer *t, struct str piece);
void transfer_seen(struct transfer *t); /* bytes came */
/* Tells the handler and frees the place. */
void transfer_end(struct transfer *t, enum http_end end, int status,
                  const char *message);

/* The WebSocket of a transfer: opened before its connection is, then told of
 * the connection and of what happens on its socket. */
enum err_code socket_open(struct transfer *t, const struct http_call *c,
                          struct err *e) MUST_CHECK;
void socket_close(struct socket_call *s);
void socket_connected(struct transfer *t);
void socket_ready(struct transfer *t);
/* Watches a descriptor in the loop for the transfer. */
enum err_code http_watch(struct http *h, struct transfer *t, int fd, bool write,
                         bool again, struct err *e) MUST_CHECK;

#endif
