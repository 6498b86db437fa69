/* The HTTP loop against a server that does as told. */
#include "runners/http.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "harness/base/io.h"
#include "runners/sign.h"
#include "tests/fake_server.h"
#include "tests/t.h"

enum { DONE_WITHIN_S = 20 };

/* What one call brought. */
struct got {
    struct buf body, headers;
    size_t pieces, most; /* most: pieces that are wanted, 0: all */
    enum http_end end;
    int status;
    char message[200], redirect[100];
    int64_t first_ns, total_ns;
    bool done;
};

static void on_header(void *user, struct str name, struct str value)
{
    struct got *g = user;

    buf_printf(&g->headers, "%.*s=%.*s;", STR_FMT(name), STR_FMT(value));
}

static bool on_piece(void *user, struct str piece)
{
    struct got *g = user;

    buf_text(&g->body, piece);
    return ++g->pieces != g->most;
}

static void on_done(void *user, const struct http_result *r)
{
    struct got *g = user;

    ck_assert(!g->done);
    g->done = true;
    g->end = r->end;
    g->status = r->status;
    g->first_ns = r->first_ns;
    g->total_ns = r->total_ns;
    snprintf(g->message, sizeof g->message, "%s", r->message);
    snprintf(g->redirect, sizeof g->redirect, "%s",
             r->redirect ? r->redirect : "");
}

static const struct http_handler handler = { on_header, on_piece, on_done };

static void got_init(struct got *g)
{
    memset(g, 0, sizeof *g);
    buf_init(&g->body, 1 << 24);
    buf_init(&g->headers, 1 << 16);
}

static void got_free(struct got *g)
{
    buf_free(&g->body);
    buf_free(&g->headers);
}

static struct http_call call_of(const char *url)
{
    return (struct http_call){ .method = "POST",
                               .url = url,
                               .body = STR("{}"),
                               .connect_ms = 5000,
                               .first_ms = 10000,
                               .stall_ms = 10000,
                               .whole_ms = 15000,
                               .limit = 1 << 20 };
}

static struct http *open_loop(void)
{
    struct http_params p = { .connections = 16 };
    struct http *h;
    struct err e;

    t_ok(http_open(&h, &p, &e), &e);
    return h;
}

static void wait_all(struct http *h)
{
    int64_t until = io_now_ns() + (int64_t)DONE_WITHIN_S * 1000000000;
    struct err e;

    while (http_in_flight(h)) {
        ck_assert_msg(io_now_ns() < until, "a call does not end");
        t_ok(http_step(h, 100, &e), &e);
    }
}

static void ask(struct http *h, const struct http_call *c, struct got *g)
{
    struct err e;

    got_init(g);
    t_ok(http_start(h, c, &handler, g, &e), &e);
    wait_all(h);
    ck_assert(g->done);
}

/* Serves every request with the same steps. */
struct fixed {
    struct fake_step steps[8];
    bool close;
    char seen[4096]; /* the last request */
};

static const struct fake_step *play(void *user, const char *request,
                                    bool *close)
{
    struct fixed *f = user;

    snprintf(f->seen, sizeof f->seen, "%s", request);
    *close = f->close;
    return f->steps;
}

/* One call to a server with these steps. */
static void play_once(struct fixed *f, struct http_call c, struct got *g)
{
    struct fake_server *s = fake_server_open(play, f);
    struct http *h = open_loop();
    char url[100];

    snprintf(url, sizeof url, "%s://127.0.0.1:%d/v1/chat?x=1",
             c.websocket ? "ws" : "http", fake_server_port(s));
    c.url = url;
    ask(h, &c, g);
    http_close(h);
    fake_server_close(s);
}

START_TEST(a_call_is_sent_as_it_was_given)
{
    static const char *const headers[] = { "Content-Type: application/json",
                                           "Authorization: Bearer k" };
    struct fixed f = {
        .steps = { { .bytes = fake_answer(200, "X-A: b\r\n", "hello") } }
    };
    struct http_call c = call_of("");
    struct got g;

    c.headers = headers;
    c.n_headers = 2;
    c.body = STR("{\"q\":\"答\"}");
    play_once(&f, c, &g);
    ck_assert_int_eq(g.end, HTTP_DONE);
    ck_assert_int_eq(g.status, 200);
    ck_assert_str_eq(g.body.p, "hello");
    ck_assert(strstr(g.headers.p, ":status=200;X-A=b;"));
    ck_assert(g.first_ns > 0 && g.first_ns <= g.total_ns);
    ck_assert(strstr(f.seen, "POST /v1/chat?x=1 HTTP/1.1\r\n"));
    ck_assert(strstr(f.seen, "\r\nAuthorization: Bearer k\r\n"));
    ck_assert(strstr(f.seen, "\r\n\r\n{\"q\":\"答\"}"));
    ck_assert(!strcasestr(f.seen, "expect:"));
    got_free(&g);
}
END_TEST

START_TEST(connections_are_used_again)
{
    struct fixed f = { .steps = { { .bytes = fake_answer(200, "", "x") } } };
    struct fake_server *s = fake_server_open(play, &f);
    struct http *h = open_loop();
    struct http_call c = call_of("");
    struct got g;
    char url[100];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", fake_server_port(s));
    c.url = url;
    for (int i = 0; i < 20; i++) {
        ask(h, &c, &g);
        ck_assert_int_eq(g.end, HTTP_DONE);
        got_free(&g);
    }
    ck_assert_uint_eq(fake_server_connections(s), 1);
    http_close(h);
    fake_server_close(s);
}
END_TEST

START_TEST(many_calls_are_in_flight_at_once)
{
    enum { N = 100 };
    struct fixed f = { .steps = {
                           { .bytes = fake_answer(200, "", "x"), 0, 300 } } };
    struct fake_server *s = fake_server_open(play, &f);
    struct http *h = open_loop();
    struct http_call c = call_of("");
    static struct got g[N];
    char url[100];
    int64_t start = io_now_ns();
    struct err e;

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", fake_server_port(s));
    c.url = url;
    for (int i = 0; i < N; i++) {
        got_init(&g[i]);
        t_ok(http_start(h, &c, &handler, &g[i], &e), &e);
    }
    wait_all(h);
    /* one after the other they would take 30 s */
    ck_assert(io_now_ns() - start < (int64_t)10 * 1000000000);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(g[i].status, 200);
        got_free(&g[i]);
    }
    http_close(h);
    fake_server_close(s);
}
END_TEST

START_TEST(a_redirect_is_told_and_not_followed)
{
    struct fixed away = { .steps = {
                              { .bytes = fake_answer(200, "", "stolen") } } };
    struct fake_server *other = fake_server_open(play, &away);
    struct fixed f = { .close = true };
    struct http_call c = call_of("");
    char place[100], host[60], answer[300];
    struct got g;

    snprintf(host, sizeof host, "http://127.0.0.1:%d", fake_server_port(other));
    snprintf(place, sizeof place, "Location: %s/path?key=1\r\n", host);
    snprintf(answer, sizeof answer, "%s", fake_answer(307, place, ""));
    f.steps[0].bytes = answer;
    play_once(&f, c, &g);
    ck_assert_int_eq(g.end, HTTP_DONE);
    ck_assert_int_eq(g.status, 307);
    ck_assert_str_eq(g.redirect, host);
    ck_assert_uint_eq(fake_server_connections(other), 0);
    got_free(&g);
    fake_server_close(other);
}
END_TEST

START_TEST(what_is_no_whole_answer_is_broken)
{
    static const struct {
        const char *bytes;
        enum http_end end;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour", HTTP_BROKEN },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
          HTTP_BROKEN },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
          HTTP_BROKEN },
        { "SSH-2.0-x\r\n\r\n", HTTP_BROKEN },
        { "HTTP/9.9 200 OK\r\n\r\n", HTTP_BROKEN },
        { "HTTP/1.1 200 OK\r\nContent-Le", HTTP_BROKEN },
        { "HTTP/1.1 200 OK\r\n\r\nuntil the end", HTTP_DONE },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixed f = { .steps = { { .bytes = rows[i].bytes } },
                           .close = true };
        struct got g;
        play_once(&f, call_of(""), &g);
        ck_assert_msg(g.end == rows[i].end, "row %zu: %d %s", i, (int)g.end,
                      g.message);
        ck_assert((g.message[0] == '\0') == (g.end == HTTP_DONE));
        got_free(&g);
    }
}
END_TEST

START_TEST(each_time_has_its_limit)
{
    const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab";
    struct fixed silent = { .steps = { { "", 0, 0 }, { head, 0, 3000 } } };
    struct fixed stalls = { .steps = { { .bytes = head },
                                       { "cdefghi", 0, 3000 } } };
    struct fixed drips = { .steps = { { .bytes = head },
                                      { "c", 0, 400 },
                                      { "d", 0, 400 },
                                      { "e", 0, 400 },
                                      { "f", 0, 400 },
                                      { "ghi", 0, 400 } } };
    struct http_call c = call_of("");
    struct got g;

    c.first_ms = 300;
    play_once(&silent, c, &g);
    ck_assert_int_eq(g.end, HTTP_TIMED_OUT);
    ck_assert_str_eq(g.message, "no answer within 0.3 s");
    got_free(&g);
    c = call_of("");
    c.stall_ms = 300;
    play_once(&stalls, c, &g);
    ck_assert_int_eq(g.end, HTTP_TIMED_OUT);
    ck_assert_int_eq(g.status, 200);
    ck_assert(strstr(g.message, "stopped in the middle"));
    got_free(&g);
    c = call_of("");
    c.whole_ms = 1000;
    play_once(&drips, c, &g);
    ck_assert_int_eq(g.end, HTTP_TIMED_OUT);
    ck_assert_str_eq(g.message, "not done within 1 s");
    got_free(&g);
}
END_TEST

START_TEST(too_much_and_enough_end_a_call)
{
    struct fixed f = { .steps = {
                           { .bytes = fake_answer(200, "", "0123456789") } } };
    struct http_call c = call_of("");
    struct fake_server *s;
    struct http *h;
    struct got g;
    struct err e;
    char url[100];

    c.limit = 9;
    play_once(&f, c, &g);
    ck_assert_int_eq(g.end, HTTP_TOO_LARGE);
    got_free(&g);

    s = fake_server_open(play, &f);
    h = open_loop();
    c = call_of(url);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", fake_server_port(s));
    got_init(&g);
    g.most = 1;
    t_ok(http_start(h, &c, &handler, &g, &e), &e);
    wait_all(h);
    ck_assert_int_eq(g.end, HTTP_STOPPED);
    got_free(&g);
    http_close(h);
    fake_server_close(s);
}
END_TEST

START_TEST(where_nobody_listens_nothing_was_sent)
{
    static const struct {
        const char *url;
        enum http_end end;
    } rows[] = { { "http://127.0.0.1:1/", HTTP_NOT_THERE },
                 { "https://127.0.0.1:1/", HTTP_NOT_THERE },
                 { "ftp://127.0.0.1:1/", HTTP_SETUP },
                 { "file:///etc/passwd", HTTP_SETUP },
                 { "http://a b/", HTTP_SETUP } };
    struct http *h = open_loop();

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_call c = call_of(rows[i].url);
        struct got g;
        ask(h, &c, &g);
        ck_assert_msg(g.end == rows[i].end, "%s: %d %s", rows[i].url,
                      (int)g.end, g.message);
        ck_assert_int_eq(g.status, 0);
        ck_assert(g.message[0]);
        got_free(&g);
    }
    http_close(h);
}
END_TEST

START_TEST(calls_in_flight_may_be_dropped)
{
    struct fixed f = { .steps = { { .bytes = "HTTP/1.1 200 OK\r\n" } } };
    struct fake_server *s = fake_server_open(play, &f);
    struct http *h = open_loop();
    struct http_call c = call_of("");
    struct got g;
    struct err e;
    char url[100];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", fake_server_port(s));
    c.url = url;
    got_init(&g);
    t_ok(http_start(h, &c, &handler, &g, &e), &e);
    t_ok(http_step(h, 100, &e), &e);
    http_close(h);
    ck_assert(!g.done);
    got_free(&g);
    fake_server_close(s);
}
END_TEST

static bool all_of_them(const void *user, const void *arg)
{
    (void)user;
    (void)arg;
    return true;
}

/* The server never answers TLS, so there is no connection to send on. */
START_TEST(calls_that_were_not_sent_may_be_ended)
{
    struct fixed f = { .steps = { { .bytes = "" } } };
    struct fake_server *s = fake_server_open(play, &f);
    struct http *h = open_loop();
    struct http_call c = call_of("");
    struct got g[2];
    struct err e;
    char url[100];

    snprintf(url, sizeof url, "https://127.0.0.1:%d/", fake_server_port(s));
    c.url = url;
    for (int i = 0; i < 2; i++) {
        got_init(&g[i]);
        t_ok(http_start(h, &c, &handler, &g[i], &e), &e);
    }
    t_ok(http_step(h, 100, &e), &e);
    http_drop_unsent(h, &handler, all_of_them, NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert(g[i].done);
        ck_assert_int_eq(g[i].end, HTTP_DROPPED);
        ck_assert_int_eq(g[i].status, 0);
        got_free(&g[i]);
    }
    ck_assert_uint_eq(http_in_flight(h), 0);
    http_close(h);
    fake_server_close(s);
}
END_TEST

START_TEST(files_are_allowed_for_all_connections)
{
    struct http_params p = { .connections = 300 };
    struct rlimit r, low;
    struct http *h;
    struct err e;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
    low = r;
    low.rlim_cur = 100;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    t_ok(http_open(&h, &p, &e), &e);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &low), 0);
    ck_assert_uint_ge(low.rlim_cur, r.rlim_max < 600 ? r.rlim_max : 600);
    http_close(h);
}
END_TEST

/* --- WebSocket ------------------------------------------------------------- */

/* Accepts an upgrade with the right key, then plays the frames. */
struct socket_server {
    char head[400];
    struct fake_step steps[4];
    bool wrong_key;
};

static const struct fake_step *upgrade(void *user, const char *request,
                                       bool *close)
{
    struct socket_server *s = user;
    const char *at = strstr(request, "Sec-WebSocket-Key: ");
    char key[25] = "", accept[29] = "";
    struct err e;

    *close = true;
    if (at)
        memcpy(key, at + 19, 24);
    t_ok(sign_websocket_accept(s->wrong_key ? "no" : key, accept, &e), &e);
    snprintf(s->head, sizeof s->head,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
             accept);
    s->steps[0].bytes = s->head;
    return s->steps;
}

static void ask_socket(struct socket_server *script, struct got *g, size_t most)
{
    struct fake_server *s = fake_server_open(upgrade, script);
    struct http *h = open_loop();
    struct http_call c = call_of("");
    struct err e;
    char url[100];

    snprintf(url, sizeof url, "ws://127.0.0.1:%d/v3?a=b", fake_server_port(s));
    c.url = url;
    c.websocket = true;
    got_init(g);
    g->most = most;
    t_ok(http_start(h, &c, &handler, g, &e), &e);
    wait_all(h);
    http_close(h);
    fake_server_close(s);
}

START_TEST(messages_of_a_websocket_are_pieces)
{
    struct socket_server s = { .steps = {
                                   { 0 },
                                   { .bytes = "\x81\x02{}\x01\x01[", .n = 7 },
                                   { "\x80\x01]\x88\x02\x03\xe8", 7, 50 } } };
    struct got g;

    ask_socket(&s, &g, 0);
    ck_assert_msg(g.end == HTTP_DONE, "%s", g.message);
    ck_assert_int_eq(g.status, 101);
    ck_assert_str_eq(g.body.p, "{}[]");
    ck_assert_uint_eq(g.pieces, 2);
    got_free(&g);
}
END_TEST

START_TEST(a_websocket_may_have_said_enough)
{
    struct socket_server s = {
        .steps = { { .n = 0 }, { .bytes = "\x81\x02{}\x81\x02[]", .n = 8 } }
    };
    struct got g;

    ask_socket(&s, &g, 1);
    ck_assert_int_eq(g.end, HTTP_STOPPED);
    ck_assert_str_eq(g.body.p, "{}");
    got_free(&g);
}
END_TEST

START_TEST(a_websocket_that_breaks_is_broken)
{
    struct socket_server cut = {
        .steps = { { .n = 0 }, { .bytes = "\x81\x05{}", .n = 4 } }
    };
    struct socket_server bad = {
        .steps = { { .n = 0 }, { .bytes = "\xf1\x05{}", .n = 4 } }
    };
    struct socket_server key = { .wrong_key = true };
    struct got g;

    ask_socket(&cut, &g, 0);
    ck_assert_int_eq(g.end, HTTP_BROKEN);
    ck_assert_str_eq(g.message, "the server closed the connection");
    got_free(&g);
    ask_socket(&bad, &g, 0);
    ck_assert_int_eq(g.end, HTTP_BROKEN);
    ck_assert(strstr(g.message, "reserved"));
    got_free(&g);
    ask_socket(&key, &g, 0);
    ck_assert_int_eq(g.end, HTTP_BROKEN);
    ck_assert(strstr(g.message, "accept key"));
    got_free(&g);
}
END_TEST

START_TEST(a_refused_upgrade_brings_its_body)
{
    struct fixed f = { .steps = {
                           { .bytes = fake_answer(403, "X-A: b\r\n",
                                                  "{\"message\":\"no\"}") } } };
    struct http_call c = call_of("");
    struct got g;

    c.websocket = true;
    play_once(&f, c, &g);
    ck_assert_int_eq(g.end, HTTP_DONE);
    ck_assert_int_eq(g.status, 403);
    ck_assert_str_eq(g.body.p, "{\"message\":\"no\"}");
    got_free(&g);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_call_is_sent_as_it_was_given);
    tcase_add_test(tc, connections_are_used_again);
    tcase_add_test(tc, many_calls_are_in_flight_at_once);
    tcase_add_test(tc, a_redirect_is_told_and_not_followed);
    tcase_add_test(tc, what_is_no_whole_answer_is_broken);
    tcase_add_test(tc, each_time_has_its_limit);
    tcase_add_test(tc, too_much_and_enough_end_a_call);
    tcase_add_test(tc, where_nobody_listens_nothing_was_sent);
    tcase_add_test(tc, calls_in_flight_may_be_dropped);
    tcase_add_test(tc, calls_that_were_not_sent_may_be_ended);
    tcase_add_test(tc, files_are_allowed_for_all_connections);
    tcase_add_test(tc, messages_of_a_websocket_are_pieces);
    tcase_add_test(tc, a_websocket_may_have_said_enough);
    tcase_add_test(tc, a_websocket_that_breaks_is_broken);
    tcase_add_test(tc, a_refused_upgrade_brings_its_body);
}

T_MAIN("http", setup)
