#include "tests/fake_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST = 1 << 16, THREADS = 512 };

struct fake_server {
    const struct fake_step *(*script)(void *, const char *, bool *);
    void *user;
    int listener, port;
    pthread_t thread;
    pthread_mutex_t turn; /* one script at a time; never taken with the lock */
    pthread_mutex_t lock; /* guards what follows */
    int open[THREADS];    /* descriptors, to be shut down at the end */
    pthread_t threads[THREADS];
    size_t n;
};

struct guest {
    struct fake_server *server;
    int fd;
};

static bool send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* Reads head and body of one request; false: the connection ended. */
static bool read_request(int fd, char *out)
{
    size_t n = 0, want = SIZE_MAX;

    while (n < want && n < REQUEST - 1) {
        ssize_t k = recv(fd, out + n, REQUEST - 1 - n, 0);
        const char *end, *length;
        if (k <= 0)
            return false;
        n += (size_t)k;
        out[n] = '\0';
        end = strstr(out, "\r\n\r\n");
        if (!end || want != SIZE_MAX)
            continue;
        want = (size_t)(end - out) + 4;
        length = strcasestr(out, "\ncontent-length:");
        if (length && length < end)
            want += strtoul(length + 16, NULL, 10);
    }
    return true;
}

static void *serve(void *arg)
{
    struct guest g = *(struct guest *)arg;
    char *request = malloc(REQUEST);
    bool close_it = false;

    free(arg);
    while (!close_it && request && read_request(g.fd, request)) {
        const struct fake_step *s;
        pthread_mutex_lock(&g.server->turn);
        s = g.server->script(g.server->user, request, &close_it);
        pthread_mutex_unlock(&g.server->turn);
        for (; s && s->bytes; s++) {
            if (s->wait_ms)
                usleep((unsigned)s->wait_ms * 1000);
            if (!send_all(g.fd, s->bytes, s->n ? s->n : strlen(s->bytes)))
                break;
        }
    }
    free(request);
    shutdown(g.fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct fake_server *s = arg;
    int fd;

    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        struct guest *g = malloc(sizeof *g);
        pthread_mutex_lock(&s->lock);
        if (g && s->n < THREADS) {
            *g = (struct guest){ s, fd };
            s->open[s->n] = fd;
            if (pthread_create(&s->threads[s->n], NULL, serve, g) == 0)
                s->n++;
        } else {
            close(fd);
            free(g);
        }
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

struct fake_server *fake_server_open(
    const struct fake_step *(*script)(void *, const char *, bool *), void *user)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    struct fake_server *s = calloc(1, sizeof *s);

    if (!s)
        abort();
    s->script = script;
    s->user = user;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->turn, NULL);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, n) ||
        listen(s->listener, 512) ||
        getsockname(s->listener, (struct sockaddr *)&a, &n) ||
        pthread_create(&s->thread, NULL, accept_all, s))
        abort();
    s->port = ntohs(a.sin_port);
    return s;
}

void fake_server_close(struct fake_server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->n; i++)
        shutdown(s->open[i], SHUT_RDWR);
    for (size_t i = 0; i < s->n; i++) {
        pthread_join(s->threads[i], NULL);
        close(s->open[i]);
    }
    close(s->listener);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->turn);
    free(s);
}

int fake_server_port(const struct fake_server *s)
{
    return s->port;
}

size_t fake_server_connections(struct fake_server *s)
{
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = s->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const char *fake_answer(int status, const char *headers, const char *body)
{
    static _Thread_local char out[8192];

    snprintf(out, sizeof out,
             "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status,
             headers, strlen(body), body);
    return out;
}
