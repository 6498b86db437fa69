/* The JSON writer: commas, escapes and layout.  A level deeper than json_parse()
 * reads fails the buffer, so nothing is written that cannot be read back. */
#include "harness/base/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json_scan.h"

void jw_init(struct jw *w, struct buf *out, bool pretty)
{
    *w = (struct jw){ .out = out, .pretty = pretty };
}

static void newline(struct jw *w)
{
    if (!w->pretty)
        return;
    buf_char(w->out, '\n');
    buf_fill(w->out, ' ', 2 * (size_t)w->depth);
}

static void escape(struct buf *out, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *hit = c ? strchr(from, c) : NULL;

    if (hit) {
        buf_char(out, '\\');
        buf_char(out, to[hit - from]);
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

/* Ill-formed bytes must not get into a file that is UTF-8. */
static void quote(struct buf *out, struct str s)
{
    size_t from = 0, at = 0, len = 1;

    buf_char(out, '"');
    for (; at < s.n; at += len) {
        unsigned char c = (unsigned char)s.p[at];

        len = 1;
        if (c < 0x80 ? c >= ' ' && c != '"' && c != '\\'
                     : text_rune(s, at, &len) >= 0)
            continue;
        buf_add(out, s.p + from, at - from);
        if (c < 0x80)
            escape(out, c);
        else
            buf_rune(out, 0xFFFD);
        from = at + len;
    }
    buf_add(out, s.p + from, at - from);
    buf_char(out, '"');
}

/* Comma, line and key before a value. */
static void lead(struct jw *w, const char *key)
{
    if (w->depth && w->depth <= JSON_DEPTH) {
        bool *first = &w->first[w->depth - 1];

        assert(w->array[w->depth - 1] == !key);
        if (!*first)
            buf_char(w->out, ',');
        *first = false;
        newline(w);
    }
    if (!key)
        return;
    quote(w->out, str_of(key));
    buf_str(w->out, w->pretty ? ": " : ":");
}

/* Deeper than json_parse() reads is a failure of the output, not a crash. */
static void open_level(struct jw *w, const char *key, bool array)
{
    lead(w, key);
    buf_char(w->out, array ? '[' : '{');
    if (w->depth < JSON_DEPTH) {
        w->first[w->depth] = true;
        w->array[w->depth] = array;
    } else {
        w->out->failed = w->out->full = true;
    }
    w->depth++;
}

void jw_object(struct jw *w, const char *key)
{
    open_level(w, key, false);
}

void jw_array(struct jw *w, const char *key)
{
    open_level(w, key, true);
}

void jw_end(struct jw *w)
{
    assert(w->depth);
    w->depth--;
    if (w->depth >= JSON_DEPTH)
        return;
    if (!w->first[w->depth])
        newline(w);
    buf_char(w->out, w->array[w->depth] ? ']' : '}');
}

void jw_str(struct jw *w, const char *key, const char *s)
{
    if (s)
        jw_text(w, key, str_of(s));
    else
        jw_null(w, key);
}

void jw_text(struct jw *w, const char *key, struct str s)
{
    lead(w, key);
    quote(w->out, s);
}

void jw_int(struct jw *w, const char *key, int64_t v)
{
    lead(w, key);
    buf_printf(w->out, "%lld", (long long)v);
}

static bool same(double a, double b)
{
    return !(a < b) && !(a > b);
}

void jw_num(struct jw *w, const char *key, double v)
{
    char text[32];
    int digits = 15;

    if (!isfinite(v)) {
        jw_null(w, key);
        return;
    }
    lead(w, key);
    do {
        (void)snprintf(text, sizeof(text), "%.*g", digits, v);
    } while (!same(strtod(text, NULL), v) && ++digits <= 17);
    /* json_parse() refuses whole numbers that a double may have rounded */
    if (fabs(v) >= JSON_SAFE_INT && !strpbrk(text, ".e"))
        (void)snprintf(text, sizeof(text), "%.*e", digits - 1, v);
    buf_str(w->out, text);
}

void jw_bool(struct jw *w, const char *key, bool v)
{
    lead(w, key);
    buf_str(w->out, v ? "true" : "false");
}

void jw_null(struct jw *w, const char *key)
{
    lead(w, key);
    buf_str(w->out, "null");
}

void jw_raw(struct jw *w, const char *key, struct str json)
{
    lead(w, key);
    buf_text(w->out, json);
}
