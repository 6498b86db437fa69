/* Who may ask: see the header. */
#include "harness/serve/serve_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "harness/base/digest.h"

static bool is_loopback(const struct sockaddr *a)
{
    const struct sockaddr_in *v4 = (const void *)a;
    const struct sockaddr_in6 *v6 = (const void *)a;

    return a->sa_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
                                   : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

enum err_code guard_resolve(const char *host, int port,
                            struct guard_address *out, struct err *e)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    char service[16];

    snprintf(service, sizeof service, "%d", port);
    if (!strcasecmp(host, "localhost"))
        host = "127.0.0.1";
    if (getaddrinfo(host, service, &hints, &found))
        return err_set(e, ERR_USAGE,
                       "host \"%s\": expected an address (127.0.0.1, ::1, "
                       "0.0.0.0) or localhost",
                       host);
    memset(out, 0, sizeof *out);
    memcpy(&out->addr, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    out->loopback = is_loopback(found->ai_addr);
    freeaddrinfo(found);
    return ERR_OK;
}

/* --- tokens ----------------------------------------------------------------- */

enum err_code guard_make_token(char out[GUARD_TOKEN_LEN + 1], struct err *e)
{
    unsigned char bytes[GUARD_TOKEN_LEN / 2];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_errno(e, errno, "random bytes for a token");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return ERR_OK;
}

/* Digests have one length and tell nothing of what they are made of. */
bool guard_same(const char *sent, const char *token)
{
    unsigned char a[DIGEST_BYTES], b[DIGEST_BYTES];
    volatile unsigned char differ = 0;

    digest_sha256(str_of(sent), a);
    digest_sha256(str_of(token), b);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}

/* --- hosts ------------------------------------------------------------------ */

/* The header's name without port and brackets. */
static bool host_name(const char *header, char *out, size_t n)
{
    const char *end = strrchr(header, ':');
    size_t len;

    if (*header == '[') {
        header++;
        end = strchr(header, ']');
        if (!end)
            return false;
    }
    len = end ? (size_t)(end - header) : strlen(header);
    if (len == 0 || len >= n)
        return false;
    memcpy(out, header, len);
    out[len] = '\0';
    return true;
}

bool guard_host(const char *header, const char *bound)
{
    struct in6_addr any;
    char name[256];

    if (!header || !host_name(header, name, sizeof name))
        return false;
    return !strcasecmp(name, "localhost") || !strcasecmp(name, bound) ||
           inet_pton(AF_INET, name, &any) == 1 ||
           inet_pton(AF_INET6, name, &any) == 1;
}

bool guard_origin(const char *origin, const char *host)
{
    static const char scheme[] = "http://";

    return !origin || (!strncmp(origin, scheme, sizeof scheme - 1) &&
                       !strcasecmp(origin + sizeof scheme - 1, host));
}
