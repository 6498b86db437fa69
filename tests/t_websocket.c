/* WebSocket frames as RFC 6455 shows them, whole and in pieces. */
#include "runners/websocket.h"

#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

struct seen {
    struct buf messages; /* each followed by '|' */
    struct buf controls; /* opcode and payload, each followed by '|' */
    size_t most;         /* messages that are wanted */
};

static bool on_message(void *user, struct str m)
{
    struct seen *s = user;

    buf_text(&s->messages, m);
    buf_char(&s->messages, '|');
    return --s->most > 0;
}

static void on_control(void *user, enum ws_opcode op, struct str payload)
{
    struct seen *s = user;

    buf_printf(&s->controls, "%d:", (int)op);
    buf_text(&s->controls, payload);
    buf_char(&s->controls, '|');
}

static const struct ws_handler handler = { on_message, on_control };

static void seen_init(struct seen *s)
{
    s->most = 1000;
    buf_init(&s->messages, 1 << 20);
    buf_init(&s->controls, 1 << 20);
}

static void seen_free(struct seen *s)
{
    buf_free(&s->messages);
    buf_free(&s->controls);
}

/* Feeds bytes in pieces of `step`; the first code that is no ERR_OK. */
static enum err_code feed(struct ws *w, struct str bytes, size_t step,
                          struct seen *s, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < bytes.n && !rc; i += step)
        rc = ws_feed(w,
                     str_sub(bytes, i, i + step < bytes.n ? i + step : bytes.n),
                     &handler, s, e);
    return rc;
}

/* RFC 6455, section 5.7. */
START_TEST(a_masked_frame_is_the_rfcs)
{
    static const unsigned char hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                           0x7f, 0x9f, 0x4d, 0x51, 0x58 };
    struct buf b;

    buf_init(&b, 100);
    ws_frame(&b, WS_TEXT, STR("Hello"), mask);
    ck_assert_uint_eq(b.n, sizeof hello);
    ck_assert_mem_eq(b.p, hello, sizeof hello);
    buf_free(&b);
}
END_TEST

START_TEST(lengths_have_three_forms)
{
    static const struct {
        size_t n, head;
        unsigned char first;
    } rows[] = { { 125, 6, 0xfd },
                 { 126, 8, 0xfe },
                 { 65535, 8, 0xfe },
                 { 65536, 14, 0xff },
                 { 70000, 14, 0xff } };
    char *payload = calloc(1, 70000);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        buf_init(&b, 100000);
        ws_frame(&b, WS_BINARY, (struct str){ payload, rows[i].n }, mask);
        ck_assert_uint_eq(b.n, rows[i].n + rows[i].head);
        ck_assert_uint_eq((unsigned char)b.p[1], rows[i].first);
        buf_free(&b);
    }
    free(payload);
}
END_TEST

/* A text frame, fragments with a ping between, a pong, a close. */
static const char stream[] = "\x81\x05Hello"
                             "\x01\x03\xe7\xad\x94"
                             "\x89\x04mock"
                             "\x00\x03\xe6\xa1\x88"
                             "\x8a\x00"
                             "\x80\x03\xef\xbc\x9a"
                             "\x88\x02\x03\xe8";

START_TEST(messages_are_the_same_however_they_are_cut)
{
    for (size_t step = 1; step < sizeof stream; step++) {
        struct seen s;
        struct ws w;
        struct err e;
        ws_init(&w, 1000);
        seen_init(&s);
        t_ok(feed(&w, STR(stream), step, &s, &e), &e);
        ck_assert_str_eq(s.messages.p, "Hello|答案：|");
        ck_assert_str_eq(s.controls.p, "9:mock|8:\x03\xe8|");
        ck_assert(w.closed);
        ck_assert_int_eq(w.close_code, 1000);
        seen_free(&s);
        ws_free(&w);
    }
}
END_TEST

START_TEST(long_frames_are_read)
{
    size_t n = 70000;
    struct buf b;
    struct seen s;
    struct ws w;
    struct err e;

    buf_init(&b, 100000);
    buf_add(&b, "\x81\x7f\0\0\0\0\0\x01\x11\x70", 10);
    buf_fill(&b, 'x', n);
    ws_init(&w, 100000);
    seen_init(&s);
    t_ok(feed(&w, buf_view(&b), 4096, &s, &e), &e);
    ck_assert_uint_eq(s.messages.n, n + 1);
    seen_free(&s);
    ws_free(&w);
    buf_free(&b);
}
END_TEST

START_TEST(what_the_protocol_forbids_is_refused)
{
    const struct {
        struct str bytes;
        enum err_code code;
        const char *words;
    } rows[] = {
        { STR("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), ERR_NET,
          "mask" },
        { STR("\xc1\x01x"), ERR_NET, "reserved" },
        { STR("\x83\x01x"), ERR_NET, "unknown" },
        { STR("\x8b\x01x"), ERR_NET, "unknown" },
        { STR("\x80\x01x"), ERR_NET, "without its beginning" },
        { STR("\x01\x01x\x81\x01y"), ERR_NET, "inside another" },
        { STR("\x09\x01x"), ERR_NET, "control" },
        { STR("\x89\x7e\x01\x00"), ERR_NET, "control" },
        { STR("\x88\x01x"), ERR_NET, "close" },
        { STR("\x81\x02\xe7\xff"), ERR_NET, "UTF-8" },
        { STR("\x81\x7e\x04\x00"), ERR_LIMIT, "too large" },
        { STR("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), ERR_LIMIT,
          "too large" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct seen s;
        struct ws w;
        struct err e = { .msg = "" };
        ws_init(&w, 1000);
        seen_init(&s);
        ck_assert_msg(feed(&w, rows[i].bytes, 99, &s, &e) == rows[i].code,
                      "row %zu: %s", i, e.msg);
        ck_assert_msg(strstr(e.msg, rows[i].words), "row %zu: %s", i, e.msg);
        seen_free(&s);
        ws_free(&w);
    }
}
END_TEST

START_TEST(fragments_together_keep_to_the_limit)
{
    struct seen s;
    struct ws w;
    struct err e;
    enum err_code rc;

    ws_init(&w, 5);
    seen_init(&s);
    rc = feed(&w,
              STR("\x01\x03"
                  "abc"
                  "\x80\x03"
                  "def"),
              99, &s, &e);
    ck_assert_int_eq(rc, ERR_LIMIT);
    ck_assert_uint_eq(s.messages.n, 0);
    seen_free(&s);
    ws_free(&w);
}
END_TEST

START_TEST(enough_is_enough)
{
    struct seen s;
    struct ws w;
    struct err e;

    ws_init(&w, 100);
    seen_init(&s);
    s.most = 1;
    ck_assert_int_eq(feed(&w, STR("\x81\x01x\x81\x01y"), 99, &s, &e),
                     ERR_CANCELLED);
    ck_assert_str_eq(s.messages.p, "x|");
    seen_free(&s);
    ws_free(&w);
}
END_TEST

START_TEST(the_upgrade_is_asked_for)
{
    static const char *const headers[] = { "X-A: 1" };
    struct buf b;

    buf_init(&b, 1000);
    ws_request(&b, STR("h:1"), STR("/v?q=1"),
               "dGhlIHNhbXBsZSBub25jZQ==", headers, 1);
    ck_assert_str_eq(b.p, "GET /v?q=1 HTTP/1.1\r\nHost: h:1\r\n"
                          "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "X-A: 1\r\n\r\n");
    buf_free(&b);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, a_masked_frame_is_the_rfcs);
    tcase_add_test(tc, lengths_have_three_forms);
    tcase_add_test(tc, messages_are_the_same_however_they_are_cut);
    tcase_add_test(tc, long_frames_are_read);
    tcase_add_test(tc, what_the_protocol_forbids_is_refused);
    tcase_add_test(tc, fragments_together_keep_to_the_limit);
    tcase_add_test(tc, enough_is_enough);
    tcase_add_test(tc, the_upgrade_is_asked_for);
}

T_MAIN("websocket", setup)
