/* A byte at a time: at most three bytes wait for the rest of their character.
 * A maximal ill-formed part becomes one U+FFFD (Unicode 15, 3.9, table 3-7 and
 * "substitution of maximal subparts"). */
#include "engine/stream.h"

#include <string.h>

void stream_init(struct stream *s, const char *const *stop, size_t n_stop)
{
    *s = (struct stream){ .stop = stop, .n_stop = n_stop };
    buf_init(&s->text, (size_t)1 << 30);
}

void stream_free(struct stream *s)
{
    buf_free(&s->text);
}

/* Length of the character that begins with c, 0 if none does. */
static size_t char_len(unsigned char c)
{
    return c < 0x80                ? 1
           : c >= 0xc2 && c < 0xe0 ? 2
           : c >= 0xe0 && c < 0xf0 ? 3
           : c >= 0xf0 && c < 0xf5 ? 4
                                   : 0;
}

/* Whether c may follow the part that is kept. */
static bool follows(const struct stream *s, unsigned char c)
{
    unsigned char lead = s->part[0];
    unsigned char low = 0x80, high = 0xbf;

    if (s->n_part == 1) {
        low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : low;
        high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : high;
    }
    return c >= low && c <= high;
}

static void take_byte(struct stream *s, unsigned char c)
{
    if (s->n_part > 0 && !follows(s, c))
        stream_end(s);
    if (s->n_part == 0 && char_len(c) == 0) {
        buf_rune(&s->text, 0xfffd);
        return;
    }
    s->part[s->n_part++] = c;
    if (s->n_part == char_len(s->part[0])) {
        buf_add(&s->text, s->part, s->n_part);
        s->n_part = 0;
    }
}

/* Cuts the text at the first stop string that ends after `from`. */
static void find_stop(struct stream *s, size_t from)
{
    size_t first = s->text.n;

    for (size_t i = 0; i < s->n_stop; i++) {
        struct str stop = str_of(s->stop[i]);
        size_t back = from < stop.n ? from : stop.n, at;

        if (stop.n == 0)
            continue;
        at = str_find(buf_view(&s->text), stop, from - back);
        if (at != (size_t)-1 && (at < first || !s->stopped)) {
            first = at;
            s->stopped = true;
        }
    }
    if (s->stopped) {
        s->text.n = first;
        s->text.p[first] = '\0';
        s->n_part = 0;
    }
}

void stream_push(struct stream *s, const char *p, size_t n)
{
    size_t from = s->text.n;

    for (size_t i = 0; i < n; i++)
        take_byte(s, (unsigned char)p[i]);
    if (!s->text.failed)
        find_stop(s, from);
}

void stream_end(struct stream *s)
{
    if (s->n_part > 0)
        buf_rune(&s->text, 0xfffd);
    s->n_part = 0;
}

/* Bytes at the end of the text that begin a stop string. */
static size_t held_back(const struct stream *s)
{
    size_t most = 0;

    for (size_t i = 0; i < s->n_stop; i++) {
        struct str stop = str_of(s->stop[i]);
        size_t n = s->text.n - s->given;

        if (stop.n == 0)
            continue;
        n = n < stop.n - 1 ? n : stop.n - 1;
        while (n > most && memcmp(s->text.p + s->text.n - n, stop.p, n) != 0)
            n--;
        most = n > most ? n : most;
    }
    return most;
}

struct str stream_next(struct stream *s, bool all)
{
    size_t hold = all || s->stopped ? 0 : held_back(s);
    size_t end = s->text.n > hold ? s->text.n - hold : 0;
    struct str out = { s->text.p + s->given, 0 };

    if (end > s->given) {
        out.n = end - s->given;
        s->given = end;
    }
    return out;
}
