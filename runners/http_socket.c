/* A WebSocket in the loop: libcurl makes the connection (proxies, TLS), then
 * this file sends and receives on it.  libcurl of Debian 12 has no WebSocket of
 * its own.
 *
 *   CONNECTING -> UPGRADING (our request is out, the head of the answer comes)
 *              -> OPEN (frames) or REFUSED (the body of an error comes)
 *
 * The handle stays in the multi until the end: it owns the connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "runners/http_parts.h"
#include "runners/sign.h"
#include "runners/websocket.h"

enum { HEAD_LIMIT = 64 << 10, READ = 16 << 10 };

struct socket_call {
    enum { CONNECTING, UPGRADING, OPEN, REFUSED } state;
    int fd;
    bool watched, want_write, ended;
    char accept[29];
    int status;
    size_t body_left; /* REFUSED: of its Content-Length; SIZE_MAX: unknown */
    struct buf out;
    size_t sent;
    struct buf head;
    struct str body; /* of the call: the message to send */
    struct ws ws;
};

/* Ends the call, unless it has ended already. */
static void finish(struct transfer *t, enum http_end end, const char *why)
{
    struct socket_call *s = t->socket;

    if (s->ended)
        return;
    s->ended = true;
    transfer_end(t, t->stopped != HTTP_DONE ? t->stopped : end, s->status, why);
}

/* --- opening --------------------------------------------------------------- */

static bool random_bytes(void *p, size_t n)
{
    return getrandom(p, n, 0) == (ssize_t)n;
}

static void add_frame(struct socket_call *s, enum ws_opcode op,
                      struct str payload)
{
    unsigned char mask[4];

    if (!random_bytes(mask, sizeof mask))
        s->out.failed = true;
    ws_frame(&s->out, op, payload, mask);
}

/* "wss://host:port/path?query" -> its parts, and the URL of the connection. */
static enum err_code set_url(struct transfer *t, const char *url,
                             struct arena *a, struct str *host,
                             struct str *target, struct err *e)
{
    bool tls = strncmp(url, "wss://", 6) == 0;
    struct str u = str_of(url);
    size_t from = tls ? 6 : 5, end;
    char *http;

    if (!tls && strncmp(url, "ws://", 5) != 0)
        return err_set(e, ERR_FORMAT,
                       "a WebSocket's URL begins with ws:// or "
                       "wss://");
    for (end = from; end < u.n && !strchr("/?#", u.p[end]); end++)
        ;
    *host = str_sub(u, from, end);
    *target = str_sub(u, end, u.n);
    http =
        arena_printf(a, "%s://%.*s/", tls ? "https" : "http", STR_FMT(*host));
    if (!http || curl_easy_setopt(t->easy, CURLOPT_URL, http))
        return err_set(e, ERR_NOMEM, "no memory for a request");
    if (!target->n || target->p[0] != '/')
        *target = str_of(arena_printf(a, "/%.*s", STR_FMT(*target)));
    return ERR_OK;
}

static enum err_code write_request(struct transfer *t,
                                   const struct http_call *c, struct err *e)
{
    struct socket_call *s = t->socket;
    struct str host = { 0 }, target = { 0 }, nonce16;
    char nonce[16];
    const char *key = NULL;
    struct arena a;

    arena_init(&a, 0);
    nonce16 = (struct str){ nonce, sizeof nonce };
    if (!random_bytes(nonce, sizeof nonce)) {
        (void)err_set(e, ERR_IO, "no random bytes");
    } else if (!set_url(t, c->url, &a, &host, &target, e)) {
        key = sign_base64(&a, nonce16, false);
        if (!key || !target.p)
            (void)err_set(e, ERR_NOMEM, "no memory for a request");
        else if (sign_websocket_accept(key, s->accept, e))
            key = NULL;
        else
            ws_request(&s->out, host, target, key, c->headers, c->n_headers);
    }
    arena_free(&a);
    return key ? buf_check(&s->out, "a WebSocket's request", e) : e->code;
}

enum err_code socket_open(struct transfer *t, const struct http_call *c,
                          struct err *e)
{
    struct socket_call *s = mem_zalloc(sizeof *s);

    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for a WebSocket");
    t->socket = s;
    s->fd = -1;
    s->body = c->body;
    buf_init(&s->out, c->body.n + HEAD_LIMIT * 2);
    buf_init(&s->head, HEAD_LIMIT);
    ws_init(&s->ws, c->limit);
    curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION,
                     (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(t->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(t->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PIPEWAIT, 0L);
    return write_request(t, c, e);
}

void socket_close(struct socket_call *s)
{
    if (!s)
        return;
    buf_free(&s->out);
    buf_free(&s->head);
    ws_free(&s->ws);
    mem_free(s);
}

/* --- sending --------------------------------------------------------------- */

static bool watch(struct transfer *t, bool write)
{
    struct socket_call *s = t->socket;
    struct err e;

    if (s->watched && s->want_write == write)
        return true;
    if (http_watch(t->loop, t, s->fd, write, s->watched, &e)) {
        finish(t, HTTP_BROKEN, e.msg);
        return false;
    }
    s->watched = true;
    s->want_write = write;
    return true;
}

/* Sends what it can; false: the call has ended. */
static bool send_out(struct transfer *t)
{
    struct socket_call *s = t->socket;
    CURLcode rc = CURLE_OK;
    size_t n;

    if (s->out.failed) {
        finish(t, HTTP_NO_MEMORY, "no memory for a WebSocket");
        return false;
    }
    while (s->sent < s->out.n && rc == CURLE_OK) {
        n = 0;
        rc =
            curl_easy_send(t->easy, s->out.p + s->sent, s->out.n - s->sent, &n);
        s->sent += n;
    }
    if (rc != CURLE_OK && rc != CURLE_AGAIN) {
        finish(t, HTTP_BROKEN, curl_easy_strerror(rc));
        return false;
    }
    if (s->sent == s->out.n) {
        buf_clear(&s->out);
        s->sent = 0;
    }
    return watch(t, s->out.n > 0);
}

/* --- frames ---------------------------------------------------------------- */

static bool on_message(void *user, struct str message)
{
    struct transfer *t = user;

    return transfer_piece(t, message);
}

static void on_control(void *user, enum ws_opcode op, struct str payload)
{
    struct transfer *t = user;

    transfer_seen(t);
    add_frame(t->socket, op == WS_PING ? WS_PONG : WS_CLOSE, payload);
}

static const struct ws_handler handler = { on_message, on_control };

/* The close frame is worth one try; nobody waits for its answer. */
static void say_goodbye(struct transfer *t)
{
    struct socket_call *s = t->socket;
    size_t n;

    if (!s->ws.closed)
        add_frame(s, WS_CLOSE, STR("\x03\xe8")); /* 1000: done */
    if (!s->out.failed && s->sent < s->out.n)
        (void)curl_easy_send(t->easy, s->out.p + s->sent, s->out.n - s->sent,
                             &n);
}

static void take_frames(struct transfer *t, struct str bytes)
{
    struct socket_call *s = t->socket;
    struct err e = { .msg = "" };
    enum err_code rc = ws_feed(&s->ws, bytes, &handler, t, &e);

    if (rc == ERR_CANCELLED || s->ws.closed) {
        say_goodbye(t);
        finish(t, HTTP_DONE, "");
    } else if (rc == ERR_LIMIT) {
        finish(t, HTTP_TOO_LARGE, e.msg);
    } else if (rc) {
        finish(t, rc == ERR_NOMEM ? HTTP_NO_MEMORY : HTTP_BROKEN, e.msg);
    }
}

/* --- the answer to the upgrade --------------------------------------------- */

static void take_body(struct transfer *t, struct str bytes)
{
    struct socket_call *s = t->socket;

    if (bytes.n > s->body_left)
        bytes.n = s->body_left;
    if (s->body_left != SIZE_MAX)
        s->body_left -= bytes.n;
    if (bytes.n && !transfer_piece(t, bytes))
        finish(t, HTTP_STOPPED, "");
    else if (s->body_left == 0)
        finish(t, HTTP_DONE, "");
}

static bool name_is(struct str name, const char *s)
{
    return name.n == strlen(s) && strncasecmp(name.p, s, name.n) == 0;
}

/* Reads the lines of the head; whether the accept key is the right one. */
static bool read_head(struct transfer *t, struct str head)
{
    struct socket_call *s = t->socket;
    bool accepted = false;

    s->body_left = SIZE_MAX;
    for (size_t from = 0, end; from < head.n; from = end + 2) {
        struct str line, name, value;
        size_t colon;
        end = str_find(head, STR("\r\n"), from);
        if (end == (size_t)-1)
            end = head.n;
        line = str_sub(head, from, end);
        colon = str_find(line, STR(":"), 0);
        if (from == 0 && line.n >= 12) {
            s->status = (int)strtol(line.p + 9, NULL, 10);
            t->handler->on_header(t->user, STR(":status"),
                                  str_sub(line, 9, 12));
        }
        if (from == 0 || colon == (size_t)-1)
            continue;
        name = str_sub(line, 0, colon);
        value = str_trim(str_sub(line, colon + 1, line.n));
        t->handler->on_header(t->user, name, value);
        if (name_is(name, "sec-websocket-accept"))
            accepted = str_is(value, s->accept);
        if (name_is(name, "content-length") && value.n < 16)
            s->body_left = strtoul(value.p, NULL, 10);
    }
    return accepted;
}

static void take_head(struct transfer *t, struct str bytes)
{
    struct socket_call *s = t->socket;
    struct str all, rest;
    size_t end;
    bool accepted;

    transfer_seen(t);
    buf_text(&s->head, bytes);
    all = buf_view(&s->head);
    end = str_find(all, STR("\r\n\r\n"), 0);
    if (s->head.failed || (all.n >= 5 && !str_starts(all, STR("HTTP/")))) {
        finish(t, HTTP_BROKEN, "what answers is no WebSocket server");
        return;
    }
    if (end == (size_t)-1)
        return;
    rest = str_sub(all, end + 4, all.n);
    accepted = read_head(t, str_sub(all, 0, end));
    if (s->status != 101) {
        s->state = REFUSED;
        take_body(t, rest);
    } else if (!accepted) {
        finish(t, HTTP_BROKEN, "WebSocket: the server's accept key is wrong");
    } else {
        s->state = OPEN;
        add_frame(s, WS_TEXT, s->body);
        if (send_out(t) && rest.n)
            take_frames(t, rest);
    }
}

/* --- events ---------------------------------------------------------------- */

void socket_connected(struct transfer *t)
{
    struct socket_call *s = t->socket;
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd) ||
        fd == CURL_SOCKET_BAD) {
        finish(t, HTTP_BROKEN, "the connection is gone");
        return;
    }
    s->fd = (int)fd;
    s->state = UPGRADING;
    if (watch(t, true))
        (void)send_out(t);
}

/* A connection that ends: after a refusal without a length that is its end. */
static void hung_up(struct transfer *t)
{
    struct socket_call *s = t->socket;

    if (s->state == REFUSED && s->body_left == SIZE_MAX)
        finish(t, HTTP_DONE, "");
    else
        finish(t, HTTP_BROKEN, "the server closed the connection");
}

static void take_bytes(struct transfer *t, struct str bytes)
{
    switch (t->socket->state) {
    case CONNECTING:
        break;
    case UPGRADING:
        take_head(t, bytes);
        break;
    case OPEN:
        take_frames(t, bytes);
        break;
    case REFUSED:
        take_body(t, bytes);
        break;
    }
}

/* Reads until nothing is left: TLS may hold bytes that no event announces. */
void socket_ready(struct transfer *t)
{
    struct socket_call *s = t->socket;
    char bytes[READ];
    CURLcode rc;
    size_t n;

    if (s->state == CONNECTING)
        return;
    for (;;) {
        n = 0;
        rc = curl_easy_recv(t->easy, bytes, sizeof bytes, &n);
        if (rc == CURLE_AGAIN)
            break;
        if (rc != CURLE_OK || n == 0) {
            hung_up(t);
            return;
        }
        take_bytes(t, (struct str){ bytes, n });
        /* The end has freed the WebSocket. */
        if (t->socket != s)
            return;
    }
    (void)send_out(t);
}
