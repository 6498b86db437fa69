/* Events out of streams, fed whole and byte by byte. */
#include <string.h>

#include "runners/sse.h"
#include "tests/t.h"

static struct err e;

/* "name|id|data;" of every event. */
static enum err_code note(void *user, const struct sse_event *ev,
                          struct err *err)
{
    struct buf *out = user;

    (void)err;
    buf_text(out, ev->name);
    buf_char(out, '|');
    buf_text(out, ev->id);
    buf_char(out, '|');
    buf_text(out, ev->data);
    buf_char(out, ';');
    return ERR_OK;
}

/* The events of a text that comes in pieces of n bytes. */
static void read_in(struct str text, enum framing framing, size_t n,
                    struct buf *out)
{
    struct sse s;

    buf_init(out, 1 << 20);
    sse_init(&s, framing, 1 << 16);
    for (size_t at = 0; at < text.n; at += n)
        t_ok(sse_feed(&s, str_sub(text, at, at + n), note, out, &e), &e);
    t_ok(sse_end(&s, note, out, &e), &e);
    sse_free(&s);
}

static void expect(struct str text, enum framing framing, const char *want)
{
    for (size_t n = 1; n <= text.n + 1; n = n < 4 ? n + 1 : n * 2 + 1) {
        struct buf got;
        read_in(text, framing, n, &got);
        ck_assert_msg(strcmp(got.p, want) == 0, "in pieces of %zu: %s", n,
                      got.p);
        buf_free(&got);
    }
}

static const struct {
    const char *text, *events;
} dialects[] = {
    { "data: a\n\ndata: b\n\n", "||a;||b;" },
    { "data:a\r\n\r\ndata:b\r\n\r\n", "||a;||b;" }, /* CRLF, no blank */
    { "data: a\r\rdata: b\r\r", "||a;||b;" },       /* CR alone */
    { "data:  a\n\n", "|| a;" },                    /* one blank goes */
    { "data: a\ndata: b\n\n", "||a\nb;" },
    { ": keep-alive\n\n:HTTP_STATUS/200\ndata: a\n\n", "||a;" },
    { "id:1\nevent:result\n:HTTP_STATUS/200\ndata:{}\n\n", "result|1|{};" },
    { "event: ping\n\ndata: a\n\n", "||a;" }, /* no data: no event */
    { "data: a", "||a;" },                    /* no end mark at all */
    { "data: a\n", "||a;" },
    { "data: a\n\ndata: [DONE]\n\n", "||a;||[DONE];" },
    { "data\n\ndata:\n\n", "||;||;" },
    { "retry: 10\nnonsense\ndata: a:b\n\n", "||a:b;" },
    { "\xef\xbb\xbf"
      "data: a\n\n",
      "||a;" },
    { "\n\n\ndata: a\n\n", "||a;" },
    { "data: \xe5\x8c\x97\xe4\xba\xac\n\n", "||\xe5\x8c\x97\xe4\xba\xac;" },
    { "", "" },
    { "\n\n", "" },
    { "{\"error\":\n {\"code\":1}}\n", "||{\"error\":\n {\"code\":1}}\n;" },
};

START_TEST(every_dialect_is_read_however_it_is_cut)
{
    expect(str_of(dialects[_i].text), FRAME_SSE, dialects[_i].events);
}
END_TEST

START_TEST(json_lines_are_events)
{
    expect(STR("{\"a\":1}\n\r\n{\"b\":2}\r\n  {\"c\":3}"), FRAME_LINES,
           "||{\"a\":1};||{\"b\":2};||{\"c\":3};");
}
END_TEST

START_TEST(a_whole_body_is_one_event_at_its_end)
{
    expect(STR("{\"a\":\n1}"), FRAME_WHOLE, "||{\"a\":\n1};");
}
END_TEST

START_TEST(a_frame_is_an_event)
{
    struct buf got;

    read_in(STR("{}{}{}"), FRAME_SOCKET, 2, &got);
    ck_assert_str_eq(got.p, "||{};||{};||{};");
    buf_free(&got);
}
END_TEST

START_TEST(nul_bytes_pass_through)
{
    struct buf got;

    read_in(STR("data: a\0b\n\n"), FRAME_SSE, 1, &got);
    ck_assert_uint_eq(got.n, 6);
    ck_assert_int_eq(memcmp(got.p, "||a\0b;", 6), 0);
    buf_free(&got);
}
END_TEST

START_TEST(an_event_too_large_is_refused)
{
    static const enum framing framings[] = { FRAME_SSE, FRAME_LINES,
                                             FRAME_WHOLE };
    enum err_code rc = ERR_OK;
    struct buf got;
    struct sse s;

    buf_init(&got, 1 << 10);
    sse_init(&s, framings[_i], 100);
    for (int i = 0; i < 60 && !rc; i++)
        rc = sse_feed(&s, STR("data: 12345\n"), note, &got, &e);
    for (int i = 0; i < 60 && !rc; i++)
        rc = sse_feed(&s, STR("12345"), note, &got, &e);
    ck_assert_int_eq(rc, ERR_LIMIT);
    sse_free(&s);
    buf_free(&got);
}
END_TEST

static enum err_code refuse(void *user, const struct sse_event *ev,
                            struct err *err)
{
    (void)user;
    return err_set(err, ERR_CANCELLED, "%.*s", STR_FMT(ev->data));
}

START_TEST(what_the_receiver_says_ends_it)
{
    struct sse s;

    sse_init(&s, FRAME_SSE, 100);
    ck_assert_int_eq(
        sse_feed(&s, STR("data: x\n\ndata: y\n\n"), refuse, NULL, &e),
        ERR_CANCELLED);
    ck_assert_str_eq(e.msg, "x");
    sse_free(&s);
}
END_TEST

#define N(list) (int)(sizeof(list) / sizeof *(list))

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, every_dialect_is_read_however_it_is_cut, 0,
                        N(dialects));
    tcase_add_test(tc, json_lines_are_events);
    tcase_add_test(tc, a_whole_body_is_one_event_at_its_end);
    tcase_add_test(tc, a_frame_is_an_event);
    tcase_add_test(tc, nul_bytes_pass_through);
    tcase_add_loop_test(tc, an_event_too_large_is_refused, 0, 3);
    tcase_add_test(tc, what_the_receiver_says_ends_it);
}
T_MAIN("sse", setup)
