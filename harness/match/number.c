/* Reading one number where it begins.
 *
 *   number    = [ sign ] [ currency ] magnitude [ % | unit [ smaller part ] ]
 *   magnitude = share | \frac | digits [ scale | \frac | / digits | Chinese ]
 *             | numeral [ 又 share ]
 *   share     = numeral 分之 numeral | numeral 成 [ numeral ] | numeral 折
 *
 * Each function takes an offset and returns the bytes it read, 0 if what it
 * knows does not begin there. */
#include "harness/match/number.h"

#include <math.h>
#include <string.h>

enum { DIGITS_MOST = 60 };

static size_t word_at(struct str s, size_t i, const char *word)
{
    return match_starts_at(s, i, word) ? strlen(word) : 0;
}

/* Bytes of the first of the words, up to NULL, that stands at i. */
static size_t any_at(struct str s, size_t i, const char *const *words)
{
    size_t n = 0;

    for (; *words && !n; words++)
        n = word_at(s, i, *words);
    return n;
}

static size_t skip_blank(struct str s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
        i++;
    return i;
}

/* ---- digits ---- */

/* The character that the digit at i was before it was folded. */
static int32_t raw_rune(const struct number_reader *r, size_t i)
{
    struct match_out spot = { .score = 0 };
    size_t at, len;

    if (!r->t || !match_is_digit(r->s, i))
        return 0;
    at = (size_t)(r->s.p - r->t->text.p) + i;
    match_set_span(&spot, r->t, at, at + 1);
    return text_rune(r->t->response, spot.span_at, &len);
}

static bool is_raised(const struct number_reader *r, size_t i)
{
    int32_t rune = raw_rune(r, i);

    return rune == 0xB2 || rune == 0xB3 || rune == 0xB9 || rune == 0x2070 ||
           (rune >= 0x2074 && rune <= 0x2079);
}

/* ½ folds to 1⁄2, and 1½ to 11⁄2. */
static bool is_vulgar(const struct number_reader *r, size_t i)
{
    int32_t rune = raw_rune(r, i);

    return (rune >= 0xBC && rune <= 0xBE) || (rune >= 0x2150 && rune <= 0x215E);
}

/* A comma between groups of three. */
static bool is_group(struct str s, size_t i)
{
    return s.p[i] == ',' && match_is_digit(s, i + 1) &&
           match_is_digit(s, i + 2) && match_is_digit(s, i + 3) &&
           !match_is_digit(s, i + 4);
}

/* Whether the digit at i begins something of its own. */
static bool is_break(const struct number_reader *r, size_t i)
{
    return is_raised(r, i) || (is_vulgar(r, i) && !is_vulgar(r, i - 1));
}

/* Digits with separators in groups of three and a point. */
static size_t read_digits(const struct number_reader *r, size_t i,
                          struct rat *v)
{
    char text[DIGITS_MOST];
    size_t n = 0, from = i;
    bool point = false, grouped = false;
    struct str s = r->s;

    while (i < s.n && n < sizeof(text)) {
        if (match_is_digit(s, i)) {
            if (i > from && is_break(r, i))
                break;
            text[n++] = s.p[i++];
        } else if (s.p[i] == '.' && !point && match_is_digit(s, i + 1)) {
            point = true;
            text[n++] = s.p[i++];
        } else if (n && !point && (grouped || n <= 3) && is_group(s, i)) {
            grouped = true;
            i++;
        } else {
            break;
        }
    }
    if (n)
        *v = rat_decimal(text, n);
    return i - from;
}

/* A whole exponent with its sign and perhaps braces. */
static size_t read_exponent(struct str s, size_t i, long *exp)
{
    size_t from = i;
    bool brace = word_at(s, i, "{") > 0, minus;

    i += brace;
    minus = word_at(s, i, "-") > 0;
    i += minus || word_at(s, i, "+");
    if (!match_is_digit(s, i))
        return 0;
    for (*exp = 0; match_is_digit(s, i); i++)
        *exp = *exp < 1000 ? *exp * 10 + (s.p[i] - '0') : *exp;
    if (minus)
        *exp = -*exp;
    return i + (brace && word_at(s, i, "}")) - from;
}

/* ^3, ^{3}, or a raised 3 behind a base. */
static size_t read_power(const struct number_reader *r, size_t i, long *exp)
{
    size_t caret = word_at(r->s, i, "^"), n = 0;

    if (caret || is_raised(r, i) ||
        (word_at(r->s, i, "-") && is_raised(r, i + 1)))
        n = read_exponent(r->s, i + caret, exp);
    return n ? caret + n : 0;
}

/* e3, ×10^3, x10³, \times 10^{3} after a mantissa; ^3 after a base. */
static size_t read_scale(const struct number_reader *r, size_t i, struct rat *v)
{
    static const char *const times[] = { "×",       "x",      "*",
                                         "\\times", "\\cdot", NULL };
    struct str s = r->s;
    size_t from = i, n = 0;
    long exp = 0;

    if (word_at(s, i, "e") || word_at(s, i, "E"))
        n = read_exponent(s, i + 1, &exp);
    if (n) {
        *v = rat_mul(*v, rat_pow(rat_of(10, 1), exp));
        return n + 1;
    }
    n = read_power(r, i, &exp);
    if (n) {
        *v = rat_pow(*v, exp);
        return n;
    }
    i = skip_blank(s, i);
    n = any_at(s, i, times);
    i = skip_blank(s, i + n);
    if (!n || !word_at(s, i, "10"))
        return 0;
    n = read_power(r, i + 2, &exp);
    if (n)
        *v = rat_mul(*v, rat_pow(rat_of(10, 1), exp));
    return n ? i + 2 + n - from : 0;
}

/* ---- fractions ---- */

/* {12}, {-3}, or one bare digit. */
static size_t read_argument(const struct number_reader *r, size_t i,
                            struct rat *v)
{
    bool brace = word_at(r->s, i, "{") > 0, minus;
    size_t from = i, n;

    if (!brace) {
        *v = rat_of(match_is_digit(r->s, i) ? r->s.p[i] - '0' : 0, 1);
        return match_is_digit(r->s, i);
    }
    i = skip_blank(r->s, i + 1);
    minus = word_at(r->s, i, "-") > 0;
    i += minus;
    n = read_digits(r, i, v);
    i = skip_blank(r->s, i + n);
    if (!n || !word_at(r->s, i, "}"))
        return 0;
    if (minus)
        *v = rat_mul(*v, rat_of(-1, 1));
    return i + 1 - from;
}

/* \frac{3}{4}, \dfrac34 */
static size_t read_frac(const struct number_reader *r, size_t i, struct rat *v)
{
    static const char *const names[] = { "\\frac", "\\dfrac", "\\tfrac",
                                         "\\cfrac", NULL };
    struct rat part[2];
    size_t from = i, n = any_at(r->s, i, names);

    i += n;
    for (size_t k = 0; n && k < 2; k++) {
        i = skip_blank(r->s, i);
        n = read_argument(r, i, &part[k]);
        i += n;
    }
    if (!n || fabs(part[1].v) <= 0)
        return 0;
    *v = rat_div(part[0], part[1]);
    return i - from;
}

/* 3/4 and ½ (which folds to 1⁄2), not dates such as 2020/1/2. */
static size_t read_slash(const struct number_reader *r, size_t i, struct rat *v)
{
    static const char *const signs[] = { "/", "⁄", NULL };
    struct rat den;
    size_t mark = any_at(r->s, i, signs), n;

    n = mark ? read_digits(r, i + mark, &den) : 0;
    if (!n || fabs(den.v) <= 0 || word_at(r->s, i + mark + n, "/"))
        return 0;
    *v = rat_div(*v, den);
    return mark + n;
}

/* ---- Chinese ---- */

/* A Chinese numeral or one that begins with ASCII digits (3万5千). */
static size_t read_numeral(const struct number_reader *r, size_t i,
                           struct rat *v)
{
    double value;
    size_t n = text_chinese_number(str_sub(r->s, i, r->s.n), &value);

    if (n)
        *v = rat_of_double(value);
    return n;
}

static size_t read_either(const struct number_reader *r, size_t i,
                          struct rat *v)
{
    size_t n = read_numeral(r, i, v);

    return n ? n : read_digits(r, i, v);
}

/* 成 behind a numeral is a tenth unless it begins a word: 成绩, 成为. */
static size_t read_tenths(const struct number_reader *r, size_t i,
                          struct rat *v)
{
    static const char *const fine[] = { "的", "左", "以", "多", "是",
                                        "半", "和", "到", "至", NULL };
    size_t n = word_at(r->s, i, "成"), more, len;
    struct rat part;

    if (!n)
        return 0;
    *v = rat_div(*v, rat_of(10, 1));
    more = read_either(r, i + n, &part);
    if (word_at(r->s, i + n, "半")) {
        part = rat_of(5, 1);
        more = strlen("半");
    }
    if (more && part.v < 10) {
        *v = rat_add(*v, rat_div(part, rat_of(100, 1)));
        return n + more;
    }
    if (i + n < r->s.n && text_is_han(text_rune(r->s, i + n, &len)) &&
        !any_at(r->s, i + n, fine))
        return 0;
    return n;
}

/* 八折 is 80 %, 七五折 and 7.5折 are 75 %. */
static size_t read_discount(const struct number_reader *r, size_t i,
                            struct rat *v)
{
    size_t n = word_at(r->s, i, "折");

    if (n)
        *v = rat_div(*v, rat_of(v->v < 10 ? 10 : 100, 1));
    return n;
}

/* 百, 千, 万 before 分之 need no digit. */
static size_t read_whole(const struct number_reader *r, size_t i,
                         struct rat *den)
{
    static const struct {
        const char *name;
        int den;
    } wholes[] = { { "百分之", 100 }, { "千分之", 1000 }, { "万分之", 10000 } };

    for (size_t k = 0; k < 3; k++)
        if (word_at(r->s, i, wholes[k].name)) {
            *den = rat_of(wholes[k].den, 1);
            return strlen("百");
        }
    return 0;
}

/* 三分之二, 3分之2, 百分之五十, 五成, 八折. */
static size_t read_share(const struct number_reader *r, size_t i, struct rat *v)
{
    struct rat den = rat_of(0, 1), tenths;
    size_t from = i, n = read_whole(r, i, &den), more;

    if (!n)
        n = read_either(r, i, &den);
    if (!n)
        return 0;
    i += n;
    tenths = den;
    more = read_tenths(r, i, &tenths);
    if (!more)
        more = read_discount(r, i, &tenths);
    if (more) {
        *v = tenths;
        return i + more - from;
    }
    if (!word_at(r->s, i, "分之") || fabs(den.v) <= 0)
        return 0;
    i += strlen("分之");
    n = read_either(r, i, v);
    if (n)
        *v = rat_div(*v, den);
    return n ? i + n - from : 0;
}

/* 一半; 半 before a unit: 半小时, 半公里, 半个月. */
static size_t read_half(const struct number_reader *r, size_t i, struct rat *v)
{
    size_t n = word_at(r->s, i, "一半"), skip;
    struct unit u;

    if (!n && (n = word_at(r->s, i, "半")) > 0) {
        skip = word_at(r->s, i + n, "个");
        if (!unit_read(str_sub(r->s, i + n, r->s.n), &u) &&
            !unit_read(str_sub(r->s, i + n + skip, r->s.n), &u))
            n = 0;
    }
    *v = rat_of(1, 2);
    return n;
}

size_t number_read_chinese(struct str s, struct rat *v)
{
    struct number_reader r = { s, NULL };
    struct rat part;
    size_t n = read_share(&r, 0, v), more;

    if (n)
        return n;
    n = read_half(&r, 0, v);
    if (n)
        return n;
    n = read_numeral(&r, 0, v);
    more =
        n && word_at(s, n, "又") ? read_share(&r, n + strlen("又"), &part) : 0;
    if (more) {
        *v = rat_add(*v, part);
        n += strlen("又") + more;
    }
    return n;
}

bool number_is_word(struct str s)
{
    static const char *const words[] = { "一个", "三角",   "一元", "二元",
                                         "十分", "一次",   "二次", "两者",
                                         "万一", "百分点", NULL };

    return any_at(s, 0, words) > 0;
}

/* ---- the whole ---- */

/* 3\frac{1}{2}, 1 1/2, 1½, 1又1/2, 1又2分之1 after a whole number. */
static size_t read_mixed(const struct number_reader *r, size_t i, struct rat *v)
{
    size_t n = read_frac(r, i, v), more;
    size_t skip = skip_blank(r->s, i) - i + word_at(r->s, i, "又");

    if (n || (!skip && !is_vulgar(r, i)))
        return n;
    i += skip;
    n = read_frac(r, i, v);
    if (!n && skip && word_at(r->s, i - skip, "又"))
        n = read_share(r, i, v);
    if (!n && (n = read_digits(r, i, v)) > 0) {
        more = read_slash(r, i + n, v);
        n = more ? n + more : 0;
    }
    return n ? skip + n : 0;
}

/* Digits with what may follow them: exponent, fraction, Chinese unit. */
static size_t read_ascii(const struct number_reader *r, size_t i, struct rat *v)
{
    size_t n = read_digits(r, i, v), more, chinese;
    struct rat part;
    struct unit u;

    if (!n)
        return 0;
    more = read_scale(r, i + n, v);
    if (!more && (more = read_mixed(r, i + n, &part)) > 0)
        *v = rat_add(*v, part);
    if (!more)
        more = read_slash(r, i + n, v);
    if (more || unit_read(str_sub(r->s, i + n, r->s.n), &u))
        return n + more; /* 千米 is a unit, not a thousand 米 */
    chinese = read_numeral(r, i, &part);
    if (chinese <= n)
        return n;
    *v = part;
    return chinese;
}

static size_t read_magnitude(const struct number_reader *r, size_t i,
                             struct number *x)
{
    size_t n = read_share(r, i, &x->value);

    if (!n)
        n = read_frac(r, i, &x->value);
    if (!n)
        n = read_ascii(r, i, &x->value);
    if (n)
        return n;
    n = number_read_chinese(str_sub(r->s, i, r->s.n), &x->value);
    x->chinese = n > 0;
    return n;
}

/* %, \%, ‰, 个百分点 are none. */
static size_t read_percent(struct str s, size_t i, struct rat *v)
{
    static const struct {
        const char *sign;
        int den;
    } signs[] = { { "\\%", 100 }, { "%", 100 }, { "‰", 1000 } };

    for (size_t k = 0; k < 3; k++)
        if (word_at(s, i, signs[k].sign)) {
            *v = rat_div(*v, rat_of(signs[k].den, 1));
            return strlen(signs[k].sign);
        }
    return 0;
}

/* The smaller part of a sum: 30分钟 after 1小时, 5角2分 after 3元, and half a
 * unit: 三年半. */
static void read_rest(const struct number_reader *r, struct number *x)
{
    struct unit last = x->unit, u;
    struct rat part;
    size_t n, m;

    if (word_at(r->s, x->end, "半")) {
        x->value = rat_add(x->value, rat_of(1, 2));
        x->end += strlen("半");
    }
    for (;;) {
        size_t at = skip_blank(r->s, x->end);

        n = read_digits(r, at, &part);
        if (!n)
            n = read_numeral(r, at, &part);
        m = n ? unit_read_after(str_sub(r->s, at + n, r->s.n), &last, &u) : 0;
        if (!m || unit_ratio(&u, &last).v >= 1)
            return;
        part = rat_mul(part, unit_ratio(&u, &x->unit));
        x->value = rat_add(x->value, part);
        x->end = at + n + m;
        last = u;
    }
}

/* Behind blanks, \text{ and the like: a unit. */
static void read_unit(const struct number_reader *r, struct number *x)
{
    static const char *const fillers[] = {
        "\\text{", "\\mathrm{", "\\rm", "\\,", "\\;", "\\", "~", " ", "$", NULL
    };
    size_t i = x->end, n, half;
    struct str rest;

    while ((n = any_at(r->s, i, fillers)) > 0)
        i += n;
    half = word_at(r->s, i, "个半");
    rest = str_sub(r->s, i + half, r->s.n);
    n = unit_read(rest, &x->unit);
    x->has_unit = n > 0;
    if (!n)
        return;
    if (half)
        x->value = rat_add(x->value, rat_of(1, 2));
    x->end = i + half + n;
    read_rest(r, x);
}

/* A minus is a sign where no operand stands before it. */
static bool is_sign(struct str s, size_t i)
{
    while (i && s.p[i - 1] == ' ')
        i--;
    if (!i)
        return true;
    return !match_is_latin(s.p[i - 1]) && !match_is_digit(s, i - 1) &&
           !strchr(")}%", s.p[i - 1]);
}

/* The bytes of a currency sign before the number; *unit is its unit's name. */
static size_t read_currency(struct str s, size_t i, const char **unit)
{
    static const struct {
        const char *sign, *unit;
    } money[] = { { "¥", "元" },
                  { "￥", "元" },
                  { "\\$", "美元" },
                  { "$", "美元" },
                  { "€", "" } };

    for (size_t k = 0; k < sizeof(money) / sizeof(*money); k++)
        if (word_at(s, i, money[k].sign)) {
            *unit = money[k].unit;
            return skip_blank(s, i + strlen(money[k].sign)) - i;
        }
    return 0;
}

bool number_read(const struct number_reader *r, size_t i, struct number *x)
{
    static const char *const signs[] = {
        "-", "−", "–", "负", "﹣", "零下", NULL
    };
    size_t n, sign = any_at(r->s, i, signs);
    struct number before = { .at = i };
    const char *currency = "";

    *x = (struct number){ .at = i };
    i += sign;
    i += read_currency(r->s, i, &currency);
    n = read_magnitude(r, i, x);
    if (!n)
        return false;
    before.has_unit = unit_read(str_of(currency), &before.unit) > 0;
    x->end = i + n;
    if (word_at(r->s, skip_blank(r->s, x->end), "$"))
        before.has_unit = false; /* $35$ is mathematics, not money */
    n = read_percent(r->s, skip_blank(r->s, x->end), &x->value);
    if (n)
        x->end = skip_blank(r->s, x->end) + n;
    else
        read_unit(r, x);
    if (before.has_unit && !x->has_unit) {
        x->unit = before.unit;
        x->has_unit = true;
    }
    if (sign && (sign > 1 || is_sign(r->s, x->at)))
        x->value = rat_mul(x->value, rat_of(-1, 1));
    else
        x->at += sign;
    return true;
}
