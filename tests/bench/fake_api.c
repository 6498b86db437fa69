/* A fast stand-in for a vendor, for benchmarks: answers every POST with the
 * same chat completion, a fixed time after it came.  One thread; since the
 * delay is the same for all, answers that are due wait in a queue.
 *
 *   fake_api DELAY_MS LIFE_S     prints its port, serves for LIFE_S seconds
 *
 * It looks at its connections at every tick instead of being woken by them: a
 * real vendor takes no time of the client's machine either.
 *
 * It prints "asked" when the first request has come; at the end how many
 * requests it answered, how many were in hand at once and after what time, and
 * how long it took from the first request to the last answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 4096, REQUEST = 32768, EVENTS = 512, TICK_NS = 500000 };

static const char body[] =
    "{\"id\":\"x\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
    "\"content\":\"答案：A\"},\"finish_reason\":\"stop\"}],\"usage\":"
    "{\"prompt_tokens\":60,\"completion_tokens\":4,\"total_tokens\":64}}";

struct connection {
    size_t n; /* bytes of a request so far */
    char in[REQUEST];
    unsigned born; /* which use of the descriptor */
};

struct due {
    int64_t at_ns;
    int fd;
    unsigned born;
};

struct server {
    int epoll, listener;
    int64_t delay_ns, first_ns, last_ns, most_ns;
    struct connection *connections[CONNECTIONS];
    struct due queue[CONNECTIONS * 4];
    size_t head, tail; /* of the queue, counted without end */
    size_t answered, most;
    char answer[1024];
    size_t n_answer;
};

static volatile sig_atomic_t told; /* to end */

static void on_signal(int sig)
{
    told = sig;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_listener(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) ||
        listen(fd, CONNECTIONS) || getsockname(fd, (struct sockaddr *)&a, &n))
        return -1;
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static bool watch(const struct server *s, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void take_connections(struct server *s)
{
    int fd;

    while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = fd < CONNECTIONS ? s->connections[fd] : NULL;
        if (!c && fd < CONNECTIONS)
            c = s->connections[fd] = calloc(1, sizeof *c);
        if (!c || !watch(s, fd)) {
            close(fd);
            continue;
        }
        c->n = 0;
        c->born++;
    }
}

/* The bytes of the first request in it; 0: it is not whole yet. */
static size_t whole(const struct connection *c)
{
    const char *end = memmem(c->in, c->n, "\r\n\r\n", 4), *length;
    size_t head, n = 0;

    if (!end)
        return 0;
    head = (size_t)(end - c->in) + 4;
    for (length = c->in; length < end; length++)
        if (strncasecmp(length, "\ncontent-length:", 16) == 0)
            n = strtoul(length + 16, NULL, 10);
    return c->n >= head + n ? head + n : 0;
}

static void take_requests(struct server *s, int fd)
{
    struct connection *c = s->connections[fd];
    ssize_t got = read(fd, c->in + c->n, REQUEST - 1 - c->n);
    size_t n;

    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            c->born++;
            close(fd);
        }
        return;
    }
    c->n += (size_t)got;
    c->in[c->n] = '\0';
    while ((n = whole(c)) != 0) {
        memmove(c->in, c->in + n, c->n - n + 1);
        c->n -= n;
        s->last_ns = now_ns();
        if (!s->first_ns) {
            s->first_ns = s->last_ns;
            printf("asked\n");
            fflush(stdout);
        }
        s->queue[s->tail++ % (CONNECTIONS * 4)] =
            (struct due){ s->last_ns + s->delay_ns, fd, c->born };
        if (s->tail - s->head > s->most) {
            s->most = s->tail - s->head;
            s->most_ns = s->last_ns;
        }
    }
}

static void answer_due(struct server *s)
{
    int64_t now = now_ns();

    while (s->head < s->tail) {
        const struct due *d = &s->queue[s->head % (CONNECTIONS * 4)];
        if (d->at_ns > now)
            return;
        if (s->connections[d->fd]->born == d->born &&
            write(d->fd, s->answer, s->n_answer) == (ssize_t)s->n_answer)
            s->answered++;
        s->last_ns = now;
        s->head++;
    }
}

static void serve(struct server *s, int64_t until_ns)
{
    struct epoll_event events[EVENTS];

    while (!told && now_ns() < until_ns) {
        struct timespec tick = { .tv_nsec = TICK_NS };
        int n;

        (void)nanosleep(&tick, NULL);
        answer_due(s);
        n = epoll_wait(s->epoll, events, EVENTS, 0);
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == s->listener)
                take_connections(s);
            else
                take_requests(s, events[i].data.fd);
    }
}

int main(int argc, char **argv)
{
    static struct server s;
    struct rlimit r;

    if (argc != 3) {
        fprintf(stderr, "usage: fake_api DELAY_MS LIFE_S\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < CONNECTIONS) {
        r.rlim_cur = CONNECTIONS;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_signal);
    s.delay_ns = strtol(argv[1], NULL, 10) * 1000000;
    s.n_answer =
        (size_t)snprintf(s.answer, sizeof s.answer,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         sizeof body - 1, body);
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    s.listener = open_listener();
    if (s.epoll < 0 || s.listener < 0 || !watch(&s, s.listener)) {
        perror("fake_api");
        return 1;
    }
    serve(&s, now_ns() + strtol(argv[2], NULL, 10) * 1000000000);
    printf("%zu answered, %zu at once after %.3f s, %.3f s\n", s.answered,
           s.most, (double)(s.most_ns - s.first_ns) / 1e9,
           (double)(s.last_ns - s.first_ns) / 1e9);
    return 0;
}
