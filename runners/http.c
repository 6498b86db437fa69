/* The loop: libcurl says which sockets and which time it waits for, epoll
 * waits, libcurl is told what happened.  So a step costs what happened in it,
 * not what is in flight.
 *
 * First byte and stall are timed here, a few times a second: libcurl's own
 * low-speed limit also counts the wait for an answer.  Handles are kept and
 * used again, and with them their buffers. */
#include "runners/http.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "runners/http_parts.h"

enum {
    EVENTS = 16,      /* taken from epoll at once */
    CHECK_MS = 50,    /* between looks at the times of calls */
    STREAMS = 1000,   /* of a connection; libcurl's own limit is 100 */
    SPARE_FILES = 64, /* beside the connections: database, logs ... */
    SOCKET_BIT = 32   /* an event with bits above is a transfer's own socket */
};

struct http {
    CURLM *multi;
    int epoll;
    int64_t timer_ns; /* when libcurl wants to be called; -1: not */
    int64_t checked_ns;
    struct transfer **transfers;
    size_t n, cap, in_flight;
    size_t *idle; /* a stack of free places */
    size_t n_idle, idle_cap;
    char *ca_file;
    void (*sigpipe)(int);
};

/* --- the library ----------------------------------------------------------- */

static void *zeroed_array(size_t n, size_t size)
{
    return mem_array(n, size);
}

static void init_library(void)
{
    /* A failure shows when a handle is made. */
    (void)curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free,
                               mem_realloc, mem_strdup, zeroed_array);
}

static void raise_file_limit(size_t connections)
{
    struct rlimit r;
    rlim_t want = (rlim_t)connections * 2 + SPARE_FILES;

    if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= want)
        return;
    r.rlim_cur = want < r.rlim_max ? want : r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r); /* a call says so when files run out */
}

/* --- sockets and the timer of libcurl -------------------------------------- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                     /* cppcheck-suppress constParameter; libcurl's type */
                     void *known)
{
    struct http *h = user;
    struct epoll_event ev = { .data.u64 = (uint64_t)fd };

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(h->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        ev.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        ev.events |= EPOLLOUT;
    if (epoll_ctl(h->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev))
        return -1;
    if (!known)
        (void)curl_multi_assign(h->multi, fd, h);
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *user)
{
    struct http *h = user;

    (void)multi;
    h->timer_ns = ms < 0 ? -1 : io_now_ns() + (int64_t)ms * 1000000;
    return 0;
}

enum err_code http_watch(struct http *h, struct transfer *t, int fd, bool write,
                         bool again, struct err *e)
{
    struct epoll_event ev = { .events = EPOLLIN | (write ? EPOLLOUT : 0u),
                              .data.u64 = (uint64_t)(t->index + 1)
                                          << SOCKET_BIT };

    if (epoll_ctl(h->epoll, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev))
        return err_errno(e, errno, "epoll");
    return ERR_OK;
}

/* --- opening and closing --------------------------------------------------- */

static enum err_code open_multi(struct http *h, size_t connections,
                                struct err *e)
{
    h->multi = curl_multi_init();
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!h->multi)
        return err_set(e, ERR_NOMEM, "no memory for the HTTP loop");
    if (h->epoll < 0)
        return err_errno(e, errno, "epoll");
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)connections);
    /* How many calls share a connection is the server's to say. */
    curl_multi_setopt(h->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS);
    return ERR_OK;
}

enum err_code http_open(struct http **out, const struct http_params *p,
                        struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http *h;

    *out = NULL;
    pthread_once(&once, init_library);
    raise_file_limit(p->connections);
    h = mem_zalloc(sizeof *h);
    if (!h)
        return err_set(e, ERR_NOMEM, "no memory for the HTTP loop");
    h->epoll = -1;
    h->timer_ns = -1;
    /* A server that hangs up must not end the program. */
    h->sigpipe = signal(SIGPIPE, SIG_IGN);
    if (p->ca_file)
        h->ca_file = mem_strdup(p->ca_file);
    if (p->ca_file && !h->ca_file)
        (void)err_set(e, ERR_NOMEM, "no memory for the HTTP loop");
    else if (open_multi(h, p->connections, e) == ERR_OK) {
        *out = h;
        return ERR_OK;
    }
    http_close(h);
    return e->code;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++) {
        struct transfer *t = h->transfers[i];
        if (t->busy)
            (void)curl_multi_remove_handle(h->multi, t->easy);
        socket_close(t->socket);
        curl_easy_cleanup(t->easy);
        curl_slist_free_all(t->headers);
        mem_free(t);
    }
    if (h->multi)
        (void)curl_multi_cleanup(h->multi);
    if (h->epoll >= 0)
        close(h->epoll);
    if (h->sigpipe != SIG_ERR)
        (void)signal(SIGPIPE, h->sigpipe);
    mem_free(h->transfers);
    mem_free(h->idle);
    mem_free(h->ca_file);
    mem_free(h);
}

size_t http_in_flight(const struct http *h)
{
    return h->in_flight;
}

/* --- what a transfer brings ------------------------------------------------ */

void transfer_seen(struct transfer *t)
{
    t->last_ns = io_now_ns();
    if (t->first_ns < 0)
        t->first_ns = t->last_ns;
}

bool transfer_piece(struct transfer *t, struct str piece)
{
    transfer_seen(t);
    t->received += piece.n;
    if (t->received > t->limits.limit)
        t->stopped = HTTP_TOO_LARGE;
    else if (!t->handler->on_piece(t->user, piece))
        t->stopped = HTTP_STOPPED;
    return t->stopped == HTTP_DONE;
}

static size_t on_body(char *p, size_t size, size_t n, void *user)
{
    /* Any other number than all of it makes libcurl end the transfer. */
    return transfer_piece(user, (struct str){ p, size * n }) ? size * n : 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    struct str line = { p, size * n };
    size_t colon = str_find(line, STR(":"), 0), blank;

    transfer_seen(t);
    if (str_trim(line).n == 0)
        t->head_whole = true;
    if (str_starts(line, STR("HTTP/"))) {
        t->head_whole = false;
        blank = str_find(line, STR(" "), 0);
        if (blank != (size_t)-1)
            t->handler->on_header(t->user, STR(":status"),
                                  str_sub(line, blank + 1, blank + 4));
    } else if (colon != (size_t)-1)
        t->handler->on_header(t->user, str_sub(line, 0, colon),
                              str_trim(str_sub(line, colon + 1, line.n)));
    return size * n;
}

/* "https://other.host" of where a redirect points; the rest may hold what is
 * not to be told. */
static const char *redirect_of(CURL *easy, char *out, size_t n)
{
    const char *url = NULL;
    struct str u, place;
    size_t at;

    if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &url) || !url)
        return NULL;
    u = str_of(url);
    at = str_find(u, STR("://"), 0);
    place = str_sub(u, 0, at == (size_t)-1 ? 0 : at + 3);
    while (place.n < u.n && !strchr("/?#", u.p[place.n]))
        place.n++;
    at = str_find(place, STR("@"), 0);
    if (at != (size_t)-1)
        place = str_sub(place, at + 1, place.n);
    if (place.n >= n)
        place.n = n - 1;
    memcpy(out, place.p, place.n);
    out[place.n] = '\0';
    return out;
}

static void release(struct transfer *t)
{
    struct http *h = t->loop;

    socket_close(t->socket);
    t->socket = NULL;
    (void)curl_multi_remove_handle(h->multi, t->easy);
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->busy = false;
    h->in_flight--;
    h->idle[h->n_idle++] = t->index; /* has room: see new_transfer() */
}

void transfer_end(struct transfer *t, enum http_end end, int status,
                  const char *message)
{
    char place[200];
    struct http_result r = {
        .end = end,
        .message = message,
        .status = status,
        .redirect = redirect_of(t->easy, place, sizeof place),
        .first_ns = t->first_ns < 0 ? -1 : t->first_ns - t->started_ns,
        .total_ns = io_now_ns() - t->started_ns,
    };
    const struct http_handler *handler = t->handler;
    void *user = t->user;

    /* The text may lie in the handle; the handler may start calls anew only
     * after it, so the place is freed last. */
    handler->on_done(user, &r);
    release(t);
}

/* --- how transfers end ----------------------------------------------------- */

/* Whether there was a connection to send on. */
static bool was_sent(CURL *easy)
{
    curl_off_t at = 0;

    return !curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &at) && at > 0;
}

static enum http_end end_of(CURLcode rc, const struct transfer *t)
{
    if (t->stopped != HTTP_DONE)
        return t->stopped;
    /* An answer that is no HTTP is told as an unsupported protocol. */
    if (rc == CURLE_UNSUPPORTED_PROTOCOL && was_sent(t->easy))
        return HTTP_BROKEN;
    switch ((int)rc) {
    case CURLE_OK:
        /* libcurl takes a head that is cut off for a whole one */
        return t->head_whole ? HTTP_DONE : HTTP_BROKEN;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return HTTP_SETUP;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return HTTP_NOT_THERE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_UNTRUSTED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMED_OUT;
    case CURLE_OUT_OF_MEMORY:
        /* ... as is told of a header that is longer than libcurl allows */
        return t->first_ns >= 0 && !t->head_whole ? HTTP_TOO_LARGE
                                                  : HTTP_NO_MEMORY;
    default:
        return HTTP_BROKEN;
    }
}

static void end_transfer(struct transfer *t, CURLcode rc)
{
    enum http_end end = end_of(rc, t);
    long status = 0;
    const char *why = t->error[0] ? t->error : curl_easy_strerror(rc);

    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (end == HTTP_DONE)
        why = "";
    else if (end == HTTP_TOO_LARGE)
        why = "the answer is too large";
    else if (rc == CURLE_OK)
        why = "the connection ended within the headers";
    transfer_end(t, end, (int)status, why);
}

static void take_messages(struct http *h)
{
    CURLMsg *msg;
    struct transfer *t;
    int left;

    while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
        CURLcode rc = msg->data.result;
        if (msg->msg != CURLMSG_DONE ||
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t))
            continue;
        if (t->socket && rc == CURLE_OK)
            socket_connected(t);
        else
            end_transfer(t, rc);
    }
}

/* Which of its times a call has gone past, NULL: none. */
static const char *overdue(const struct transfer *t, int64_t now, char *out,
                           size_t n)
{
    const struct http_call *l = &t->limits;
    int64_t begun = (now - t->started_ns) / 1000000;

    if (begun >= l->whole_ms)
        snprintf(out, n, "not done within %g s", (double)l->whole_ms / 1000);
    else if (t->first_ns < 0 && begun >= l->first_ms)
        snprintf(out, n, "no answer within %g s", (double)l->first_ms / 1000);
    else if (t->first_ns >= 0 && (now - t->last_ns) / 1000000 >= l->stall_ms)
        snprintf(out, n, "stopped in the middle, nothing more for %g s",
                 (double)l->stall_ms / 1000);
    else
        return NULL;
    return out;
}

static void check_times(struct http *h)
{
    int64_t now = io_now_ns();
    char why[80];
    long status;

    if (now - h->checked_ns < (int64_t)CHECK_MS * 1000000)
        return;
    h->checked_ns = now;
    for (size_t i = 0; i < h->n; i++) {
        struct transfer *t = h->transfers[i];
        if (!t->busy || !overdue(t, now, why, sizeof why))
            continue;
        status = 0;
        (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        transfer_end(t, HTTP_TIMED_OUT, (int)status, why);
    }
}

void http_drop_unsent(struct http *h, const struct http_handler *handler,
                      bool (*which)(const void *user, const void *arg),
                      const void *arg)
{
    for (size_t i = 0; i < h->n; i++) {
        struct transfer *t = h->transfers[i];
        if (t->busy && t->handler == handler && !was_sent(t->easy) &&
            which(t->user, arg))
            transfer_end(t, HTTP_DROPPED, 0, "not sent");
    }
}

/* --- starting -------------------------------------------------------------- */

static struct transfer *new_transfer(struct http *h)
{
    struct transfer *t;

    if (h->n_idle)
        return h->transfers[h->idle[--h->n_idle]];
    if (!mem_grow(&h->transfers, &h->cap, h->n + 1,
                  sizeof(struct transfer *)) ||
        !mem_grow(&h->idle, &h->idle_cap, h->n + 1, sizeof *h->idle))
        return NULL;
    t = mem_zalloc(sizeof *t);
    if (!t)
        return NULL;
    t->easy = curl_easy_init();
    if (!t->easy) {
        mem_free(t);
        return NULL;
    }
    t->loop = h;
    t->index = h->n;
    h->transfers[h->n++] = t;
    return t;
}

static bool add_header(struct transfer *t, const char *line)
{
    struct curl_slist *list = curl_slist_append(t->headers, line);

    if (list)
        t->headers = list;
    return list != NULL;
}

static bool set_headers(struct transfer *t, const struct http_call *c)
{
    bool ok = add_header(t, "Expect:");

    for (size_t i = 0; ok && i < c->n_headers; i++)
        ok = add_header(t, c->headers[i]);
    return ok;
}

static CURLcode set_method(CURL *easy, const struct http_call *c)
{
    CURLcode rc;

    if (strcmp(c->method, "GET") == 0)
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    rc = curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (!rc)
        rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                              (curl_off_t)c->body.n);
    if (!rc)
        rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                              c->body.n ? c->body.p : "");
    if (!rc && strcmp(c->method, "POST") != 0)
        rc = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, c->method);
    return rc;
}

/* What every call has; their failures can only be a lack of memory or of a
 * feature, and show when the call is made. */
static void set_common(struct transfer *t, const struct http_call *c)
{
    CURL *easy = t->easy;
    bool tls = strncmp(c->url, "https:", 6) == 0;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mokao/" MK_VERSION);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_ms);
    /* Calls wait for the first connection to tell whether it takes many at
     * once; only TLS can tell. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     tls ? (long)CURL_HTTP_VERSION_2TLS
                         : (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, tls ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    if (t->loop->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, t->loop->ca_file);
}

static enum err_code prepare(struct transfer *t, const struct http_call *c,
                             struct err *e)
{
    curl_easy_reset(t->easy);
    t->limits = *c;
    t->received = 0;
    t->stopped = HTTP_DONE;
    t->head_whole = false;
    t->error[0] = '\0';
    t->started_ns = t->last_ns = io_now_ns();
    t->first_ns = -1;
    if (!c->websocket && !set_headers(t, c))
        return err_set(e, ERR_NOMEM, "no memory for a request's headers");
    set_common(t, c);
    if (c->websocket)
        return socket_open(t, c, e);
    if (curl_easy_setopt(t->easy, CURLOPT_URL, c->url) ||
        set_method(t->easy, c))
        return err_set(e, ERR_NOMEM, "no memory for a request");
    return ERR_OK;
}

enum err_code http_start(struct http *h, const struct http_call *c,
                         const struct http_handler *handler, void *user,
                         struct err *e)
{
    struct transfer *t = new_transfer(h);
    CURLMcode rc;

    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for a request");
    t->handler = handler;
    t->user = user;
    t->busy = true;
    h->in_flight++;
    if (prepare(t, c, e)) {
        release(t);
        return e->code;
    }
    rc = curl_multi_add_handle(h->multi, t->easy);
    if (rc) {
        release(t);
        return err_set(e, ERR_NOMEM, "libcurl: %s", curl_multi_strerror(rc));
    }
    return ERR_OK;
}

/* --- a step ---------------------------------------------------------------- */

static void call_curl(struct http *h, curl_socket_t fd, int what)
{
    int running;

    (void)curl_multi_socket_action(h->multi, fd, what, &running);
}

static void take_event(struct http *h, const struct epoll_event *ev)
{
    uint64_t who = ev->data.u64 >> SOCKET_BIT;
    int what = 0;

    if (who) {
        if (h->transfers[who - 1]->socket)
            socket_ready(h->transfers[who - 1]);
        return;
    }
    if (ev->events & EPOLLIN)
        what |= CURL_CSELECT_IN;
    if (ev->events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (ev->events & (EPOLLERR | EPOLLHUP))
        what |= CURL_CSELECT_ERR;
    call_curl(h, (curl_socket_t)ev->data.u64, what);
}

static int wait_of(const struct http *h, int64_t wait_ms)
{
    int64_t timer;

    if (wait_ms > CHECK_MS)
        wait_ms = CHECK_MS;
    if (wait_ms < 0)
        wait_ms = 0;
    if (h->timer_ns < 0)
        return (int)wait_ms;
    timer = (h->timer_ns - io_now_ns() + 999999) / 1000000;
    return (int)(timer < 0 ? 0 : timer < wait_ms ? timer : wait_ms);
}

/* Calls that were started are sent by libcurl's timer. */
static void call_due(struct http *h)
{
    if (h->timer_ns < 0 || io_now_ns() < h->timer_ns)
        return;
    h->timer_ns = -1;
    call_curl(h, CURL_SOCKET_TIMEOUT, 0);
}

enum err_code http_step(struct http *h, int64_t wait_ms, struct err *e)
{
    struct epoll_event events[EVENTS];
    int n;

    call_due(h);
    n = epoll_wait(h->epoll, events, EVENTS, wait_of(h, wait_ms));
    if (n < 0 && errno != EINTR)
        return err_errno(e, errno, "epoll");
    for (int i = 0; i < n; i++)
        take_event(h, &events[i]);
    call_due(h);
    take_messages(h);
    check_times(h);
    return ERR_OK;
}
