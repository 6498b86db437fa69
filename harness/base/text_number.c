/* Chinese numerals.
 *
 *   numeral  = part { part } ;         part = [ digits ] [ unit ]
 *   digits   = 一二三 ... | 12.5 | 一点五
 *   unit     = 十 百 千 (within a section) | 万 亿 (close a section)
 *
 * Digits without a unit end the numeral.  After a unit of 100 and more, with no
 * 零 between, a last single digit counts tenths of that unit: 一百五 is 150,
 * 三万五 is 35000.  十 needs no digit before it, all other units do. */
#include "harness/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { ASCII_MOST = 32 };

struct sign {
    const char *utf8;
    double value;
};

static const struct sign digits[] = {
    { "零", 0 }, { "〇", 0 }, { "一", 1 }, { "二", 2 }, { "两", 2 },
    { "三", 3 }, { "四", 4 }, { "五", 5 }, { "六", 6 }, { "七", 7 },
    { "八", 8 }, { "九", 9 }, { "壹", 1 }, { "贰", 2 }, { "叁", 3 },
    { "肆", 4 }, { "伍", 5 }, { "陆", 6 }, { "柒", 7 }, { "捌", 8 },
    { "玖", 9 }, { "兩", 2 }, { "貳", 2 }, { "參", 3 }, { "陸", 6 },
};

static const struct sign units[] = {
    { "十", 10 }, { "百", 100 }, { "千", 1000 }, { "万", 1e4 }, { "亿", 1e8 },
    { "拾", 10 }, { "佰", 100 }, { "仟", 1000 }, { "萬", 1e4 }, { "億", 1e8 },
};

/* The value of the sign at `at`, -1 if it is none of them.  All of them are
 * three bytes long. */
static double sign_at(struct str s, size_t at, const struct sign *signs,
                      size_t n)
{
    if (s.n - at < 3 || (unsigned char)s.p[at] < 0xE3)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (!memcmp(s.p + at, signs[i].utf8, 3))
            return signs[i].value;
    return -1;
}

static double digit_at(struct str s, size_t at)
{
    return sign_at(s, at, digits, sizeof(digits) / sizeof(*digits));
}

static double unit_at(struct str s, size_t at)
{
    return sign_at(s, at, units, sizeof(units) / sizeof(*units));
}

struct digits {
    double value;
    size_t n; /* signs read; 0: none there */
    size_t end;
    bool zero; /* starts with 零 */
    bool chinese;
};

/* 一点五: the fraction, if digits follow the point. */
static void read_fraction(struct str s, struct digits *d)
{
    size_t at = d->end + 3;
    double scale = 1, fraction = 0, v;

    if (!str_starts(str_sub(s, d->end, s.n), STR("点")) &&
        !str_starts(str_sub(s, d->end, s.n), STR("點")))
        return;
    for (; scale < 1e15 && (v = digit_at(s, at)) >= 0; at += 3) {
        fraction = fraction * 10 + v;
        scale *= 10;
    }
    if (scale < 10)
        return;
    d->value += fraction / scale;
    d->n++;
    d->end = at;
}

static bool is_ascii_digit(struct str s, size_t at)
{
    return at < s.n && s.p[at] >= '0' && s.p[at] <= '9';
}

/* 12, 1,200, 12.5 as they stand before a Chinese unit. */
static struct digits read_ascii(struct str s, size_t at)
{
    struct digits d = { .end = at };
    char text[ASCII_MOST];
    bool point = false;

    while (d.end < s.n && d.n < sizeof(text) - 1) {
        bool more = is_ascii_digit(s, d.end + 1);

        if (s.p[d.end] == ',' && d.n && more && !point) {
            d.end++;
            continue;
        }
        if (s.p[d.end] == '.' && d.n && more && !point)
            point = true;
        else if (!is_ascii_digit(s, d.end))
            break;
        text[d.n++] = s.p[d.end++];
    }
    text[d.n] = '\0';
    d.value = strtod(text, NULL);
    return d;
}

static struct digits read_digits(struct str s, size_t at)
{
    struct digits d = { .end = at, .chinese = true };
    double v;

    if (is_ascii_digit(s, at))
        return read_ascii(s, at);
    while (d.n < 18 && (v = digit_at(s, d.end)) >= 0) {
        d.zero |= !d.n && v < 1;
        d.value = d.value * 10 + v;
        d.n++;
        d.end += 3;
    }
    if (d.n)
        read_fraction(s, &d);
    return d;
}

struct numeral {
    double total;     /* closed by 万 or 亿 */
    double section;   /* below the next 万 or 亿 */
    double small;     /* last 十 百 千 of the section, 0 if none */
    double large;     /* last 万 or 亿, 0 if none */
    double last;      /* last unit of all, 0 if none */
    bool after_large; /* the last sign was 万 or 亿 */
    bool chinese;
    size_t end;
};

/* Takes digits and a unit below 万.  false: they do not fit, the numeral ended
 * before them. */
static bool add_small(struct numeral *n, struct digits d, double unit)
{
    if (!d.n && unit > 10)
        return false;
    if (n->small > 0 && unit >= n->small)
        return false;
    n->section += (d.n ? d.value : 1) * unit;
    n->small = unit;
    n->after_large = false;
    return true;
}

static bool add_large(struct numeral *n, struct digits d, double unit)
{
    bool empty = !d.n && n->section <= 0;

    if (empty && !(n->after_large && n->total > 0))
        return false;
    n->section += d.value;
    if (unit > n->large)
        n->total = (n->total + n->section) * unit;
    else if (empty)
        n->total *= unit;
    else
        n->total += n->section * unit;
    n->section = n->small = 0;
    n->large = unit;
    n->after_large = true;
    return true;
}

static void add_last(struct numeral *n, struct digits d)
{
    bool tenths = d.n == 1 && !d.zero && n->last >= 100;

    n->section += tenths ? d.value * n->last / 10 : d.value;
}

/* One part; false when the numeral has ended. */
static bool read_part(struct numeral *n, struct str s)
{
    struct digits d = read_digits(s, n->end);
    double unit = unit_at(s, d.end);
    bool taken;

    if (unit < 0) {
        if (!d.n)
            return false;
        add_last(n, d);
        n->end = d.end;
        n->chinese |= d.chinese;
        return false;
    }
    taken = unit >= 1e4 ? add_large(n, d, unit) : add_small(n, d, unit);
    if (!taken)
        return false;
    n->last = unit;
    n->chinese = true;
    n->end = d.end + 3;
    return true;
}

size_t text_chinese_number(struct str s, double *value)
{
    struct numeral n = { .end = 0 };

    while (read_part(&n, s))
        ;
    if (!n.chinese)
        return 0;
    *value = n.total + n.section;
    return n.end;
}
