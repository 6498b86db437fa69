/* Who may ask: addresses, names of hosts, tokens. */
#ifndef MK_SERVE_GUARD_H
#define MK_SERVE_GUARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "harness/base/err.h"
#include "harness/base/text.h"

enum { GUARD_TOKEN_LEN = 48 };

/* The address of a host (a literal, or "localhost") and port. */
struct guard_address {
    struct sockaddr_storage addr;
    socklen_t len;
    bool loopback;
};
enum err_code guard_resolve(const char *host, int port,
                            struct guard_address *out,
                            struct err *e) MUST_CHECK;

/* A new token, from the system's generator. */
enum err_code guard_make_token(char out[GUARD_TOKEN_LEN + 1],
                               struct err *e) MUST_CHECK;
/* Whether what was sent is the token; takes the same time wherever they
 * differ. */
bool guard_same(const char *sent, const char *token);

/* Whether a Host header names this machine as we know it: localhost, an address,
 * or `bound` (what --host said).  Any other name may be a stranger's that was
 * made to point here (DNS rebinding), and its pages would be taken for ours. */
bool guard_host(const char *header, const char *bound);
/* Whether an Origin header (NULL: there is none) is of the same host. */
bool guard_origin(const char *origin, const char *host);

#endif
