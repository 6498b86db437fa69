/* A server for tests: a script a request, on a free port of the loopback. */
#ifndef MK_FAKE_SERVER_H
#define MK_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/* What becomes of one request: bytes sent as they are. */
struct fake_step {
    const char *bytes; /* NULL: the end */
    size_t n;          /* 0: strlen */
    int wait_ms;       /* before they are sent */
};

struct fake_server;

/* Serves each connection in a thread of its own.  script(user, request) gives
 * the steps for a request (head and body as they came); *close: hang up after
 * them.  It is called from several threads,
 * one at a time. */
struct fake_server *fake_server_open(
    const struct fake_step *(*script)(void *user, const char *request,
                                      bool *close),
    void *user);
void fake_server_close(struct fake_server *s);
int fake_server_port(const struct fake_server *s);
/* Connections that were accepted so far. */
size_t fake_server_connections(struct fake_server *s);

/* "HTTP/1.1 200 OK" with a body and its length, in a static buffer a thread. */
const char *fake_answer(int status, const char *headers, const char *body);

#endif
