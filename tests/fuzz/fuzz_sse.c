/* Streams of any bytes, cut anywhere: the same events come out however the
 * bytes arrive. */
#include <stdlib.h>

#include "runners/sse.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static enum err_code note(void *user, const struct sse_event *ev, struct err *e)
{
    struct buf *out = user;

    (void)e;
    buf_text(out, ev->name);
    buf_char(out, '\0');
    buf_text(out, ev->id);
    buf_char(out, '\0');
    buf_text(out, ev->data);
    buf_char(out, '\0');
    return ERR_OK;
}

/* The first two bytes say which framing, and how long the pieces are. */
static void read_in(struct str text, enum framing framing, size_t piece,
                    struct buf *out)
{
    struct sse s;
    struct err e;
    enum err_code rc = ERR_OK;

    buf_init(out, 1 << 24);
    sse_init(&s, framing, 1 << 20);
    for (size_t at = 0; at < text.n && !rc; at += piece)
        rc = sse_feed(&s, str_sub(text, at, at + piece), note, out, &e);
    if (!rc)
        rc = sse_end(&s, note, out, &e);
    if (rc)
        abort(); /* nothing here is too large */
    sse_free(&s);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const enum framing framings[] = { FRAME_SSE, FRAME_LINES,
                                             FRAME_WHOLE };
    struct buf whole, cut;
    struct str text;

    if (size < 2 || size > 1 << 16)
        return 0;
    text = (struct str){ (const char *)data + 2, size - 2 };
    read_in(text, framings[data[0] % 3], size, &whole);
    read_in(text, framings[data[0] % 3], 1u + data[1] % 16, &cut);
    if (!str_eq(buf_view(&whole), buf_view(&cut)))
        abort();
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
