/* Any bytes from a WebSocket server, cut anywhere: the same messages come out,
 * or the same refusal, however the bytes arrive.  The first byte says how long
 * the pieces are. */
#include "runners/websocket.h"
#include "tests/fuzz/fuzz.h"

enum { MESSAGE_MOST = 1 << 12 };

static bool note(void *user, struct str message)
{
    must(message.n <= MESSAGE_MOST, "no message beyond the limit");
    buf_text(user, message);
    buf_char(user, '\0');
    return true;
}

static void note_control(void *user, enum ws_opcode op, struct str payload)
{
    must(payload.n <= 125, "a control frame is short");
    buf_char(user, (char)op);
    buf_text(user, payload);
}

static enum err_code feed(struct str bytes, size_t piece, struct buf *out)
{
    static const struct ws_handler handler = { note, note_control };
    enum err_code rc = ERR_OK;
    struct err e = { .msg = "" };
    struct ws w;

    buf_init(out, 1 << 24);
    ws_init(&w, MESSAGE_MOST);
    for (size_t at = 0; at < bytes.n && !rc; at += piece)
        rc = ws_feed(&w, str_sub(bytes, at, at + piece), &handler, out, &e);
    must(!rc || e.msg[0], "a refusal has a reason");
    ws_free(&w);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, cut;
    struct str bytes;

    if (size < 2)
        return 0;
    bytes = fuzz_text(data + 1, size - 1);
    must(feed(bytes, bytes.n, &whole) == feed(bytes, 1u + data[0] % 16, &cut),
         "one end however it is cut");
    must(str_eq(buf_view(&whole), buf_view(&cut)),
         "the same messages however it is cut");
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
