/* The HTTP side: routes, who may ask, bodies, answers whole and in pieces.
 * libmicrohttpd gives every connection a thread, so a request simply waits for
 * its asks; what bounds that is the number of connections. */
#include "harness/serve/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/base/log.h"
#include "harness/base/mem.h"
#include "harness/serve/serve_guard.h"

enum {
    DEFAULT_BODY = 16 << 20,
    DEFAULT_IDLE_S = 60,
    UPLOAD_S = 120, /* a request must be here by then */
    MAX_CONNECTIONS = 512,
    THREAD_STACK = 1 << 20,
    STREAM_BLOCK = 16 << 10,
    LOOK_MS = 250 /* how often to see whether the client is still there */
};

struct serve {
    struct serve_params p;
    struct MHD_Daemon *daemon;
    pthread_mutex_t page; /* one thread makes the page at a time */
    atomic_size_t n_busy; /* requests that are not answered */
    atomic_bool closing;
};

/* A request and its answer. */
struct http {
    struct serve *s;
    struct MHD_Connection *conn;
    const struct route *route;
    const char *path; /* lives as long as the request */
    char method[8];
    struct api_error error; /* status 0: none so far */
    struct buf body;
    struct api_call call;
    bool ordered; /* the batch has asks of the call */
    struct buf events;
    size_t sent; /* of them */
    bool last;   /* no more events will come */
    int status;
    int64_t started_ns;
    uint64_t random;
};

struct route {
    const char *path;
    bool below; /* everything below the path too */
    bool post;  /* else GET, and HEAD */
    bool open;  /* without a token */
    bool page;  /* a browser may ask for the token by itself */
    enum MHD_Result (*answer)(struct http *h);
};

/* --- answers ---------------------------------------------------------------- */

static void add_header(struct MHD_Response *r, const char *name,
                       const char *value)
{
    if (value)
        (void)MHD_add_response_header(r, name, value);
}

/* What belongs to an error beside its body. */
static void add_error_headers(const struct http *h, struct MHD_Response *r)
{
    const struct route *t = h->route;

    if (h->status == 401)
        add_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                   t && t->page ? "Basic realm=\"mokao\"" : "Bearer");
    if (h->status == 405 && t)
        add_header(r, MHD_HTTP_HEADER_ALLOW, t->post ? "POST" : "GET, HEAD");
    if (h->status == 429 || h->status == 503)
        add_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (h->status == 413 || atomic_load(&h->s->closing))
        add_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* The time that we have taken is not the client's: one that reads slowly is
 * not to be cut off after a pause of ours. */
static void restart_idle_time(struct http *h)
{
    unsigned off = 0, on = (unsigned)h->s->p.idle_s;

    (void)MHD_set_connection_option(h->conn, MHD_CONNECTION_OPTION_TIMEOUT,
                                    off);
    (void)MHD_set_connection_option(h->conn, MHD_CONNECTION_OPTION_TIMEOUT, on);
}

static enum MHD_Result send_response(struct http *h, struct MHD_Response *r,
                                     int status, const char *type)
{
    enum MHD_Result rc;

    if (!r)
        return MHD_NO;
    restart_idle_time(h);
    h->status = status;
    add_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    add_header(r, "X-Content-Type-Options", "nosniff");
    if (h->route && h->route->page) {
        add_header(r, "Content-Security-Policy",
                   "default-src 'none'; style-src 'unsafe-inline'; "
                   "img-src data:");
        add_header(r, "Refresh", "10");
    }
    add_error_headers(h, r);
    rc = MHD_queue_response(h->conn, (unsigned)status, r);
    MHD_destroy_response(r);
    return rc;
}

/* Hands the bytes of b over. */
static enum MHD_Result send_buf(struct http *h, int status, const char *type,
                                struct buf *b)
{
    struct MHD_Response *r = NULL;

    if (!b->failed && b->n > 0)
        r = MHD_create_response_from_buffer_with_free_callback(b->n, b->p,
                                                               mem_free);
    if (!r)
        buf_free(b);
    return send_response(h, r, status, type);
}

static enum MHD_Result send_error(struct http *h)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    api_write_error(&h->error, &b);
    return send_buf(h, h->error.status, "application/json", &b);
}

static enum MHD_Result send_json(struct http *h, struct buf *b)
{
    struct err e;

    if (!buf_check(b, "answer", &e))
        return send_buf(h, 200, "application/json", b);
    buf_free(b);
    api_refuse_err(&h->error, &e);
    return send_error(h);
}

/* --- the small routes ------------------------------------------------------- */

static enum MHD_Result answer_health(struct http *h)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    buf_str(&b, "{\"status\":\"ok\"}");
    return send_json(h, &b);
}

static enum MHD_Result answer_models(struct http *h)
{
    const struct api_model *m = &h->s->p.model;
    const char *id = h->path + strlen(h->route->path);
    struct buf b;

    buf_init(&b, 1 << 16);
    if (!*id || !strcmp(id, "/")) {
        api_write_models(m, &b);
    } else if (!api_write_model(m, str_of(id + 1), &b, &h->error)) {
        buf_free(&b);
        return send_error(h);
    }
    return send_json(h, &b);
}

static enum MHD_Result answer_page(struct http *h)
{
    struct serve *s = h->s;
    enum err_code rc;
    struct buf b;
    struct err e;

    buf_init(&b, (size_t)1 << 30);
    pthread_mutex_lock(&s->page);
    rc = s->p.page(s->p.user, &b, &e);
    pthread_mutex_unlock(&s->page);
    if (!rc)
        rc = buf_check(&b, "page", &e);
    if (!rc)
        return send_buf(h, 200, "text/html; charset=utf-8", &b);
    buf_free(&b);
    api_refuse(&h->error, 500, NULL, "internal_error", "%s", e.msg);
    return send_error(h);
}

/* --- completions ------------------------------------------------------------ */

/* The client has closed its side. */
static bool is_gone(struct http *h)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(h->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    ssize_t n;
    char c;

    if (!info)
        return false;
    n = recv(info->connect_fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 ||
           (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static bool take_all(struct http *h)
{
    for (size_t i = 0; i < h->call.order.n; i++)
        if (!api_take(&h->call, h->s->p.batch, i, &h->error))
            return false;
    return true;
}

static enum MHD_Result answer_whole(struct http *h)
{
    struct batch *batch = h->s->p.batch;
    struct buf b;

    while (!batch_over(batch, &h->call.order)) {
        batch_wait(batch, &h->call.order, LOOK_MS);
        if (is_gone(h))
            return MHD_NO;
    }
    if (!take_all(h))
        return send_error(h);
    buf_init(&b, (size_t)1 << 30);
    api_write_answer(&h->call, &b);
    return send_json(h, &b);
}

/* Events of what has come; an error is the last one. */
static void make_events(struct http *h)
{
    bool over = batch_over(h->s->p.batch, &h->call.order); /* before taking */

    if (!take_all(h)) {
        buf_str(&h->events, "data: ");
        api_write_error(&h->error, &h->events);
        buf_str(&h->events, "\n\n");
        h->last = true;
        return;
    }
    for (size_t i = 0; i < h->call.order.n; i++)
        api_write_events(&h->call, i, &h->events);
    if (over)
        api_write_last_event(&h->call, &h->events);
    h->last = over;
}

static ssize_t read_events(void *user, uint64_t pos, char *out, size_t most)
{
    struct http *h = user;
    size_t n;

    (void)pos;
    while (h->sent == h->events.n) {
        if (h->last)
            return MHD_CONTENT_READER_END_OF_STREAM;
        buf_clear(&h->events);
        h->sent = 0;
        batch_wait(h->s->p.batch, &h->call.order, LOOK_MS);
        make_events(h);
        if (h->events.failed || is_gone(h))
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    restart_idle_time(h);
    n = h->events.n - h->sent;
    n = n < most ? n : most;
    memcpy(out, h->events.p + h->sent, n);
    h->sent += n;
    return (ssize_t)n;
}

static enum MHD_Result answer_stream(struct http *h)
{
    struct MHD_Response *r = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_events, h, NULL);

    return send_response(h, r, 200, "text/event-stream; charset=utf-8");
}

static enum MHD_Result complete(struct http *h, bool chat)
{
    struct api_call *c = &h->call;
    struct err e;

    if (!api_read(c, chat, buf_view(&h->body), &h->s->p.model, h->random,
                  &h->error))
        return send_error(h);
    c->order.whole = !c->stream;
    if (batch_submit(h->s->p.batch, &c->order, &e)) {
        api_refuse_err(&h->error, &e);
        return send_error(h);
    }
    h->ordered = true;
    return c->stream ? answer_stream(h) : answer_whole(h);
}

static enum MHD_Result answer_completion(struct http *h)
{
    return complete(h, false);
}

static enum MHD_Result answer_chat(struct http *h)
{
    return complete(h, true);
}

/* --- the tokenizer ---------------------------------------------------------- */

static enum MHD_Result answer_tokens(struct http *h, bool ids)
{
    struct buf b;

    if (!api_read_tokens(&h->call, ids, buf_view(&h->body), &h->s->p.model,
                         &h->error))
        return send_error(h);
    buf_init(&b, (size_t)1 << 30);
    (ids ? api_write_text : api_write_ids)(&h->call, &b);
    return send_json(h, &b);
}

static enum MHD_Result answer_tokenize(struct http *h)
{
    return answer_tokens(h, false);
}

static enum MHD_Result answer_detokenize(struct http *h)
{
    return answer_tokens(h, true);
}

static enum MHD_Result answer_tokenizer(struct http *h)
{
    struct buf b;

    buf_init(&b, 1 << 24);
    api_write_tokenizer(&h->s->p.model, &b);
    return send_json(h, &b);
}

/* --- routes ----------------------------------------------------------------- */

static const struct route routes[] = {
    { .path = "/", .page = true, .answer = answer_page },
    { .path = "/health", .open = true, .answer = answer_health },
    { .path = "/tokenizer_info", .answer = answer_tokenizer },
    { .path = "/tokenize", .post = true, .answer = answer_tokenize },
    { .path = "/detokenize", .post = true, .answer = answer_detokenize },
    { .path = "/v1/models", .below = true, .answer = answer_models },
    { .path = "/v1/completions", .post = true, .answer = answer_completion },
    { .path = "/v1/chat/completions", .post = true, .answer = answer_chat },
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        size_t n = strlen(routes[i].path);

        if (!strncmp(path, routes[i].path, n) &&
            (!path[n] || (routes[i].below && path[n] == '/')))
            return &routes[i];
    }
    return NULL;
}

static bool is_method(const struct http *h)
{
    return h->route->post
               ? !strcmp(h->method, "POST")
               : !strcmp(h->method, "GET") || !strcmp(h->method, "HEAD");
}

/* --- who may ask ------------------------------------------------------------ */

static const char *header(const struct http *h, const char *name)
{
    return MHD_lookup_connection_value(h->conn, MHD_HEADER_KIND, name);
}

/* "Bearer TOKEN"; for the page also the password that a browser asks for. */
static bool has_token(struct http *h)
{
    static const char bearer[] = "Bearer ";
    const char *sent = header(h, MHD_HTTP_HEADER_AUTHORIZATION);
    char *password = NULL, *name;
    bool ok;

    if (sent && !strncasecmp(sent, bearer, sizeof bearer - 1))
        return guard_same(sent + sizeof bearer - 1, h->s->p.token);
    if (!sent || !h->route->page)
        return false;
    name = MHD_basic_auth_get_username_password(h->conn, &password);
    ok = password && guard_same(password, h->s->p.token);
    MHD_free(name);
    MHD_free(password);
    return ok;
}

static bool may_ask(struct http *h)
{
    const char *host = header(h, MHD_HTTP_HEADER_HOST);
    struct api_error *x = &h->error;

    if (!guard_host(host, h->s->p.host))
        return api_refuse(x, 403, NULL, "forbidden_host",
                          "the Host header names another host: use the address "
                          "that the server printed");
    if (!guard_origin(header(h, "Origin"), host))
        return api_refuse(x, 403, NULL, "forbidden_origin",
                          "pages of another origin may not ask");
    if (!h->route)
        return api_refuse(x, 404, NULL, "not_found", "there is no %.60s here",
                          h->path);
    if (h->s->p.token && !h->route->open && !has_token(h))
        return api_refuse(x, 401, NULL, "invalid_api_key",
                          "missing or wrong token: send the header "
                          "\"Authorization: Bearer TOKEN\" with the token that "
                          "the server printed");
    if (!is_method(h))
        return api_refuse(x, 405, NULL, "method_not_allowed", "%s: expected %s",
                          h->method, h->route->post ? "POST" : "GET");
    return true;
}

/* --- requests --------------------------------------------------------------- */

static bool too_large(struct http *h)
{
    return !api_refuse(&h->error, 413, NULL, "request_too_large",
                       "the request is larger than %zu bytes",
                       h->s->p.max_body);
}

static struct http *begin(struct serve *s, struct MHD_Connection *conn,
                          const char *path, const char *method)
{
    struct http *h = mem_zalloc(sizeof *h);

    if (!h || getrandom(&h->random, sizeof h->random, 0) < 0) {
        mem_free(h);
        return NULL;
    }
    h->s = s;
    h->conn = conn;
    h->path = path;
    h->started_ns = io_now_ns();
    strncpy(h->method, method, sizeof h->method - 1);
    buf_init(&h->body, s->p.max_body);
    buf_init(&h->events, (size_t)1 << 30);
    atomic_fetch_add(&s->n_busy, 1);
    h->route = find_route(path);
    if (may_ask(h) && atomic_load(&s->closing))
        api_refuse(&h->error, 503, NULL, "unavailable",
                   "the server is shutting down");
    return h;
}

/* A body that is announced as too large is not waited for. */
static bool announces_too_much(struct http *h)
{
    const char *v = header(h, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long n = v ? strtoull(v, NULL, 10) : 0;

    return n > h->s->p.max_body && too_large(h);
}

/* Takes in a part of the body; what has been refused is only let pass. */
static enum MHD_Result upload(struct http *h, const char *p, size_t n)
{
    if (io_now_ns() - h->started_ns > UPLOAD_S * INT64_C(1000000000))
        return MHD_NO;
    if (h->error.status == 413)
        return MHD_NO; /* chunked, and it does not end */
    if (h->error.status)
        return MHD_YES;
    buf_add(&h->body, p, n);
    if (h->body.full)
        too_large(h);
    return h->body.failed && !h->body.full ? MHD_NO : MHD_YES;
}

/* NOLINTNEXTLINE(readability-function-size): the library's signature */
static enum MHD_Result on_request(void *user, struct MHD_Connection *conn,
                                  const char *path, const char *method,
                                  const char *version, const char *data,
                                  size_t *n, void **state)
{
    struct http *h = *state;

    (void)version;
    if (!h) {
        *state = h = begin(user, conn, path, method);
        if (!h)
            return MHD_NO;
        return announces_too_much(h) ? send_error(h) : MHD_YES;
    }
    if (*n > 0) {
        enum MHD_Result rc = upload(h, data, *n);
        *n = 0;
        return rc;
    }
    return h->error.status ? send_error(h) : h->route->answer(h);
}

static void on_completed(void *user, struct MHD_Connection *conn, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct serve *s = user;
    struct http *h = *state;

    (void)conn;
    if (!h)
        return;
    *state = NULL;
    if (h->ordered)
        batch_end(s->p.batch, &h->call.order);
    log_event(LOG_INFO, "serve",
              "method=%s path=%.100s status=%d ms=%" PRId64 " end=%s",
              h->method, h->route ? h->route->path : "-", h->status,
              (io_now_ns() - h->started_ns) / 1000000,
              how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "sent" : "cut");
    api_call_free(&h->call);
    buf_free(&h->body);
    buf_free(&h->events);
    mem_free(h);
    atomic_fetch_sub(&s->n_busy, 1);
}

/* --- the server ------------------------------------------------------------- */

static enum err_code listen_at(struct serve *s,
                               const struct guard_address *where, struct err *e)
{
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                     MHD_USE_ITC;

    if (where->addr.ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    errno = 0;
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_SOCK_ADDR, &where->addr,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->p.idle_s,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_END);
    if (s->daemon)
        return ERR_OK;
    return err_set(e, ERR_NOENV, "cannot listen at %s, port %d: %s", s->p.host,
                   s->p.port, errno ? strerror(errno) : "no reason given");
}

enum err_code serve_open(struct serve **out, const struct serve_params *p,
                         struct err *e)
{
    struct guard_address where;
    struct serve *s;
    enum err_code rc = guard_resolve(p->host, p->port, &where, e);

    if (rc)
        return rc;
    if (!p->token && !where.loopback)
        return err_set(e, ERR_USAGE,
                       "%s can be reached from other machines: a token is "
                       "needed there",
                       p->host);
    s = mem_zalloc(sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for the server");
    s->p = *p;
    s->p.max_body = p->max_body ? p->max_body : DEFAULT_BODY;
    s->p.idle_s = p->idle_s ? p->idle_s : DEFAULT_IDLE_S;
    pthread_mutex_init(&s->page, NULL);
    rc = listen_at(s, &where, e);
    if (rc)
        serve_close(s);
    else
        *out = s;
    return rc;
}

int serve_port(const struct serve *s)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);

    return info ? info->port : 0;
}

static void nap(void)
{
    const struct timespec t = { 0, 50 * 1000000L };

    (void)nanosleep(&t, NULL); /* a signal ends it early */
}

static void stop_listening(struct serve *s)
{
    MHD_socket fd = MHD_quiesce_daemon(s->daemon);

    atomic_store(&s->closing, true);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

void serve_run(struct serve *s, int (*stop)(void *user), void *user)
{
    while (!stop(user))
        nap();
    stop_listening(s);
    while (atomic_load(&s->n_busy) > 0) {
        if (stop(user) == 2)
            break;
        nap();
    }
}

void serve_close(struct serve *s)
{
    if (!s)
        return;
    batch_cancel_all(s->p.batch);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    pthread_mutex_destroy(&s->page);
    mem_free(s);
}
