/* The scanner in front of cJSON: it knows the grammar of RFC 8259.
 *
 * It has no recursion: a stack of one byte a level says whether we are in an
 * array or an object, and its size is the depth limit. */
#include "harness/base/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

struct scan {
    struct str s;
    size_t at;
    char stack[JSON_DEPTH]; /* '[' or '{' a level */
    unsigned depth;
    struct err *e;
};

/* Names what stands at the place, line and column from 1, in characters. */
static enum err_code bad(struct scan *sc, const char *what)
{
    size_t line = 1, start = 0;

    for (size_t i = 0; i < sc->at; i++)
        if (sc->s.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    return err_set(sc->e, ERR_FORMAT, "line %zu column %zu: %s", line,
                   text_count(str_sub(sc->s, start, sc->at)) + 1, what);
}

static int peek(const struct scan *sc)
{
    return sc->at < sc->s.n ? (unsigned char)sc->s.p[sc->at] : -1;
}

static void skip_space(struct scan *sc)
{
    int c = peek(sc);

    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        sc->at++;
        c = peek(sc);
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads the four digits of \uXXXX at sc->at; -1 if they are not there. */
static int scan_hex4(struct scan *sc)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int d = hex_digit(peek(sc));

        if (d < 0)
            return -1;
        v = v << 4 | d;
        sc->at++;
    }
    return v;
}

static enum err_code scan_unicode(struct scan *sc)
{
    int v = scan_hex4(sc);

    if (v < 0)
        return bad(sc, "expected four hexadecimal digits after \\u");
    if (v == 0)
        return bad(sc, "\\u0000 is not allowed in a string");
    if (v >= 0xDC00 && v <= 0xDFFF)
        return bad(sc, "half of a surrogate pair");
    if (v < 0xD800 || v > 0xDBFF)
        return ERR_OK;
    if (peek(sc) == '\\') {
        sc->at++;
        if (peek(sc) == 'u') {
            sc->at++;
            v = scan_hex4(sc);
            if (v >= 0xDC00 && v <= 0xDFFF)
                return ERR_OK;
        }
    }
    return bad(sc, "half of a surrogate pair");
}

static enum err_code scan_escape(struct scan *sc)
{
    int c = peek(sc);

    if (c <= 0 || !strchr("\"\\/bfnrtu", c))
        return bad(sc, "unknown escape, expected one of \\\" \\\\ \\/ \\b \\f "
                       "\\n \\r \\t \\u");
    sc->at++;
    return c == 'u' ? scan_unicode(sc) : ERR_OK;
}

static enum err_code scan_string(struct scan *sc)
{
    enum err_code rc = ERR_OK;

    sc->at++;
    while (!rc) {
        int c = peek(sc);

        if (c < 0)
            return bad(sc, "the string is not closed");
        if (c < ' ')
            return bad(sc, "a control character in a string must be escaped");
        sc->at++;
        if (c == '"')
            break;
        if (c == '\\')
            rc = scan_escape(sc);
    }
    return rc;
}

static size_t scan_digits(struct scan *sc)
{
    size_t from = sc->at;

    while (is_digit(peek(sc)))
        sc->at++;
    return sc->at - from;
}

/* An integer beyond 2^53 would silently become another one; "1" followed by
 * a fraction or an exponent is a measurement, and rounding is expected. */
static enum err_code check_range(struct scan *sc, size_t from, bool integer)
{
    char text[400];
    size_t n = sc->at - from;
    double v;

    if (n >= sizeof(text)) {
        sc->at = from;
        return bad(sc, "a number of more than 399 characters");
    }
    memcpy(text, sc->s.p + from, n);
    text[n] = '\0';
    v = strtod(text, NULL);
    if (isinf(v) || (integer && fabs(v) >= JSON_SAFE_INT)) {
        sc->at = from;
        return bad(sc, isinf(v) ? "number out of range"
                                : "an integer beyond 2^53 cannot be kept as a "
                                  "number: write it as a string, as all ids");
    }
    return ERR_OK;
}

static enum err_code scan_number(struct scan *sc)
{
    size_t from = sc->at;
    bool integer = true;

    if (peek(sc) == '-')
        sc->at++;
    if (peek(sc) == '0') {
        sc->at++;
        if (is_digit(peek(sc)))
            return bad(sc, "a number must not start with 0");
    } else if (!scan_digits(sc)) {
        return bad(sc, "expected a digit");
    }
    if (peek(sc) == '.') {
        integer = false;
        sc->at++;
        if (!scan_digits(sc))
            return bad(sc, "expected a digit after the point");
    }
    if (peek(sc) == 'e' || peek(sc) == 'E') {
        integer = false;
        sc->at++;
        if (peek(sc) == '+' || peek(sc) == '-')
            sc->at++;
        if (!scan_digits(sc))
            return bad(sc, "expected a digit in the exponent");
    }
    return check_range(sc, from, integer);
}

static enum err_code scan_word(struct scan *sc)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < 3; i++) {
        struct str w = str_of(words[i]);

        if (str_starts(str_sub(sc->s, sc->at, sc->s.n), w)) {
            sc->at += w.n;
            return ERR_OK;
        }
    }
    return bad(sc, peek(sc) < 0 ? "the text ends where a value is expected"
                                : "expected a value");
}

static enum err_code scan_key(struct scan *sc)
{
    enum err_code rc;

    skip_space(sc);
    if (peek(sc) != '"')
        return bad(sc, "expected a member's name in double quotes");
    rc = scan_string(sc);
    if (rc)
        return rc;
    skip_space(sc);
    if (peek(sc) != ':')
        return bad(sc, "expected \":\" after a member's name");
    sc->at++;
    return ERR_OK;
}

/* Opens an array or object.  *opened says whether a value must follow: not
 * after an empty one. */
static enum err_code scan_open(struct scan *sc, bool *opened)
{
    int c = peek(sc);

    *opened = true;
    if (sc->depth == JSON_DEPTH)
        return bad(sc, "nested more than 64 levels deep");
    sc->stack[sc->depth++] = (char)c;
    sc->at++;
    skip_space(sc);
    if (peek(sc) == (c == '[' ? ']' : '}')) {
        sc->at++;
        sc->depth--;
        *opened = false;
        return ERR_OK;
    }
    return c == '{' ? scan_key(sc) : ERR_OK;
}

/* What may follow a value: a comma and the next one, or the end of the levels.
 * *more says that a value must follow. */
static enum err_code scan_after(struct scan *sc, bool *more)
{
    *more = false;
    while (sc->depth) {
        bool array = sc->stack[sc->depth - 1] == '[';

        skip_space(sc);
        if (peek(sc) == ',') {
            sc->at++;
            *more = true;
            return array ? ERR_OK : scan_key(sc);
        }
        if (peek(sc) != (array ? ']' : '}'))
            return bad(sc, array ? "expected \",\" or \"]\""
                                 : "expected \",\" or \"}\"");
        sc->at++;
        sc->depth--;
    }
    return ERR_OK;
}

static enum err_code scan_value(struct scan *sc, bool *opened)
{
    int c;

    skip_space(sc);
    c = peek(sc);
    *opened = false;
    if (c == '{' || c == '[')
        return scan_open(sc, opened);
    if (c == '"')
        return scan_string(sc);
    if (c == '-' || is_digit(c))
        return scan_number(sc);
    return scan_word(sc);
}

enum err_code json_scan(struct str text, struct err *e)
{
    struct scan sc = { .s = text, .e = e };
    bool more = true;
    enum err_code rc = ERR_OK;

    if (!text_check(text, &sc.at))
        return bad(&sc, "not UTF-8");
    sc.at = 0;
    while (more && !rc) {
        rc = scan_value(&sc, &more);
        if (!rc && !more)
            rc = scan_after(&sc, &more);
    }
    skip_space(&sc);
    if (!rc && sc.at < text.n)
        return bad(&sc, "something follows the end of the value");
    return rc;
}
