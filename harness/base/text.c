/* Borrowed strings and UTF-8.  Character classes come from utf8proc; what is
 * said about terminal cells too.  Folding is in fold.c. */
#include "harness/base/text.h"

#include <string.h>
#include <utf8proc.h>

#include "harness/base/mem.h"

struct str str_of(const char *s)
{
    if (!s)
        s = "";
    return (struct str){ s, strlen(s) };
}

bool str_eq(struct str a, struct str b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): n is 0 then */
    return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool str_is(struct str a, const char *s)
{
    return str_eq(a, str_of(s));
}

bool str_starts(struct str a, struct str prefix)
{
    return a.n >= prefix.n && str_eq(str_sub(a, 0, prefix.n), prefix);
}

bool str_ends(struct str a, struct str suffix)
{
    return a.n >= suffix.n && str_eq(str_sub(a, a.n - suffix.n, a.n), suffix);
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;

    if (!c)
        c = (a.n > b.n) - (a.n < b.n);
    return (c > 0) - (c < 0);
}

size_t str_find(struct str hay, struct str needle, size_t from)
{
    const char *hit;

    if (from > hay.n)
        return (size_t)-1;
    if (!needle.n)
        return from;
    if (from == hay.n)
        return (size_t)-1;
    hit = memmem(hay.p + from, hay.n - from, needle.p, needle.n);
    return hit ? (size_t)(hit - hay.p) : (size_t)-1;
}

struct str str_sub(struct str s, size_t from, size_t to)
{
    if (to > s.n)
        to = s.n;
    if (from > to)
        from = to;
    return (struct str){ s.p ? s.p + from : s.p, to - from };
}

/* Offset of the character that ends at `end`. */
static size_t before(struct str s, size_t end)
{
    size_t at = end - 1;

    while (at && end - at < 4 && ((unsigned char)s.p[at] & 0xC0) == 0x80)
        at--;
    return at;
}

struct str str_trim(struct str s)
{
    size_t from = 0, to = s.n, len;

    while (from < to && text_is_space(text_rune(s, from, &len)))
        from += len;
    while (to > from) {
        size_t at = before(s, to);

        if (!text_is_space(text_rune(s, at, &len)) || at + len != to)
            break;
        to = at;
    }
    return str_sub(s, from, to);
}

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* Least code point of a form of 2, 3, 4 bytes: less is overlong. */
static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

static size_t form_length(unsigned char c)
{
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    return c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

int32_t text_rune(struct str s, size_t at, size_t *len)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    size_t n = form_length(*p);
    int32_t rune;

    *len = 1;
    if (n == 1)
        return *p;
    if (!n || n > s.n - at)
        return -1;
    rune = *p & (0x7F >> n);
    for (size_t i = 1; i < n; i++) {
        if (!is_tail(p[i]))
            return -1;
        rune = rune << 6 | (p[i] & 0x3F);
    }
    if (rune < least[n] || rune > 0x10FFFF || (rune & ~0x7FF) == 0xD800)
        return -1;
    *len = n;
    return rune;
}

/* How many bytes from `at` are ASCII, eight at a time. */
static size_t ascii_run(struct str s, size_t at)
{
    size_t from = at;
    uint64_t word;

    for (; s.n - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.p + at, sizeof(word));
        if (word & 0x8080808080808080u)
            break;
    }
    while (at < s.n && (unsigned char)s.p[at] < 0x80)
        at++;
    return at - from;
}

bool text_check(struct str s, size_t *bad)
{
    size_t at = 0, len;

    for (;;) {
        at += ascii_run(s, at);
        if (at == s.n)
            return true;
        if (text_rune(s, at, &len) < 0)
            break;
        at += len;
    }
    if (bad)
        *bad = at;
    return false;
}

/* Whether the n bytes at p can still become a character. */
static bool may_grow(const unsigned char *p, size_t n)
{
    size_t want = form_length(p[0]);

    if (want <= n)
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_tail(p[i]))
            return false;
    if (n == 1)
        return true;
    /* The second byte shows overlong forms, surrogates, what is too large. */
    return !(p[0] == 0xE0 && p[1] < 0xA0) && !(p[0] == 0xED && p[1] > 0x9F) &&
           !(p[0] == 0xF0 && p[1] < 0x90) && !(p[0] == 0xF4 && p[1] > 0x8F);
}

size_t text_whole(struct str s)
{
    for (size_t n = 1; n <= 3 && n <= s.n; n++)
        if (may_grow((const unsigned char *)s.p + s.n - n, n))
            return s.n - n;
    return s.n;
}

size_t text_encode(int32_t rune, char out[4])
{
    if (rune < 0 || rune > 0x10FFFF || (rune & ~0x7FF) == 0xD800)
        return 0;
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xC0 | rune >> 6);
        out[1] = (char)(0x80 | (rune & 0x3F));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xE0 | rune >> 12);
        out[1] = (char)(0x80 | (rune >> 6 & 0x3F));
        out[2] = (char)(0x80 | (rune & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | rune >> 18);
    out[1] = (char)(0x80 | (rune >> 12 & 0x3F));
    out[2] = (char)(0x80 | (rune >> 6 & 0x3F));
    out[3] = (char)(0x80 | (rune & 0x3F));
    return 4;
}

size_t text_count(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += !is_tail((unsigned char)s.p[i]);
    return n;
}

int text_rune_width(int32_t rune)
{
    return rune < 0 ? 1 : utf8proc_charwidth(rune);
}

size_t text_width(struct str s)
{
    size_t cells = 0, len;

    for (size_t at = 0; at < s.n; at += len)
        cells += (size_t)text_rune_width(text_rune(s, at, &len));
    return cells;
}

size_t text_fit(struct str s, size_t cells)
{
    size_t at = 0, len;

    while (at < s.n) {
        size_t w = (size_t)text_rune_width(text_rune(s, at, &len));

        if (w > cells)
            break;
        cells -= w;
        at += len;
    }
    return at;
}

bool text_is_space(int32_t r)
{
    if (r < 0x80)
        return r == ' ' || (r >= 9 && r <= 13);
    return r == 0x85 || r == 0xA0 || r == 0x1680 ||
           (r >= 0x2000 && r <= 0x200A) || r == 0x2028 || r == 0x2029 ||
           r == 0x202F || r == 0x205F || r == 0x3000;
}

bool text_is_han(int32_t r)
{
    return (r >= 0x4E00 && r <= 0x9FFF) || (r >= 0x3400 && r <= 0x4DBF) ||
           (r >= 0x20000 && r <= 0x323AF) || (r >= 0xF900 && r <= 0xFAFF) ||
           (r >= 0x2E80 && r <= 0x2FD5) || r == 0x3005 || r == 0x3007 ||
           (r >= 0x3021 && r <= 0x3029) || (r >= 0x3038 && r <= 0x303B);
}

static bool in_category(int32_t rune, int from, int to)
{
    int c = rune < 0 ? UTF8PROC_CATEGORY_CN
                     : (int)utf8proc_get_property(rune)->category;

    return c >= from && c <= to;
}

/* Bit sets of !"#%&'()*,-./:;?@[\]_{} and of $+<=>^`|~ */
static const uint64_t ascii_punct[] = { 0x8C00F7EE00000000,
                                        0x28000000B8000001 };
static const uint64_t ascii_symbol[] = { 0x7000081000000000,
                                         0x5000000140000000 };

static bool is_in(const uint64_t set[2], int32_t rune)
{
    return rune >= 0 && set[rune / 64] >> rune % 64 & 1;
}

bool text_is_letter(int32_t rune)
{
    if (rune < 0x80)
        return (rune | 0x20) >= 'a' && (rune | 0x20) <= 'z';
    return in_category(rune, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

bool text_is_mark(int32_t rune)
{
    return rune >= 0x300 &&
           in_category(rune, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}

bool text_is_number(int32_t rune)
{
    if (rune < 0x80)
        return rune >= '0' && rune <= '9';
    return in_category(rune, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool text_is_punct(int32_t rune)
{
    if (rune < 0x80)
        return is_in(ascii_punct, rune);
    return in_category(rune, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool text_is_symbol(int32_t rune)
{
    if (rune < 0x80)
        return is_in(ascii_symbol, rune);
    return in_category(rune, UTF8PROC_CATEGORY_SM, UTF8PROC_CATEGORY_SO);
}

enum { DISTANCE_MOST = 64 };

static size_t decode(struct str s, int32_t out[DISTANCE_MOST])
{
    size_t n = 0, len;

    for (size_t at = 0; at < s.n && n < DISTANCE_MOST; at += len)
        out[n++] = text_rune(s, at, &len);
    return n;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Three rows of the usual table are alive at a time.  Names are short: beyond
 * 64 characters the rest is not looked at. */
size_t text_distance(struct str a, struct str b)
{
    int32_t x[DISTANCE_MOST], y[DISTANCE_MOST];
    size_t rows[3][DISTANCE_MOST + 1];
    size_t n = decode(a, x), m = decode(b, y);

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *up = rows[(i + 2) % 3];

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t swap = x[i - 1] != y[j - 1];

            now[j] = least_of(up[j] + 1, now[j - 1] + 1);
            now[j] = least_of(now[j], up[j - 1] + swap);
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                now[j] = least_of(now[j], rows[(i + 1) % 3][j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}
