/* Reading one number where it begins: fractions of integers, units, and the
 * many ways to write both.
 *
 * Reading is by descent, each function takes an offset and returns the bytes it
 * read, 0 if what it knows does not begin there. */
#include "harness/match/number.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MOST = 40 };

/* ---- fractions ---- */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;

        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

static struct number_rat rat_inexact(double v)
{
    return (struct number_rat){ .v = v };
}

struct number_rat number_rat(int64_t num, int64_t den)
{
    int64_t g;

    if (!den || num == INT64_MIN || den == INT64_MIN)
        return rat_inexact((double)num / (double)den);
    g = gcd(num, den);
    if (g > 1) {
        num /= g;
        den /= g;
    }
    if (den < 0) {
        num = -num;
        den = -den;
    }
    return (struct number_rat){ num, den, (double)num / (double)den, true };
}

struct number_rat number_mul(struct number_rat a, struct number_rat b)
{
    int64_t num, den;

    if (!a.exact || !b.exact || __builtin_mul_overflow(a.num, b.num, &num) ||
        __builtin_mul_overflow(a.den, b.den, &den))
        return rat_inexact(a.v * b.v);
    return number_rat(num, den);
}

struct number_rat number_div(struct number_rat a, struct number_rat b)
{
    if (!b.exact || !b.num)
        return rat_inexact(a.v / b.v);
    return number_mul(a, number_rat(b.den, b.num));
}

static struct number_rat rat_add(struct number_rat a, struct number_rat b)
{
    int64_t x, y, sum, den;

    if (!a.exact || !b.exact || __builtin_mul_overflow(a.num, b.den, &x) ||
        __builtin_mul_overflow(b.num, a.den, &y) ||
        __builtin_add_overflow(x, y, &sum) ||
        __builtin_mul_overflow(a.den, b.den, &den))
        return rat_inexact(a.v + b.v);
    return number_rat(sum, den);
}

bool number_same(struct number_rat a, struct number_rat b)
{
    double scale = fmax(fabs(a.v), fabs(b.v));

    if (a.exact && b.exact)
        return a.num == b.num && a.den == b.den;
    return fabs(a.v - b.v) <= scale * 1e-12;
}

static struct number_rat rat_pow10(long exp)
{
    struct number_rat r = number_rat(1, 1);

    if (exp > 18 || exp < -18)
        return rat_inexact(pow(10, (double)exp));
    for (long i = 0; i < labs(exp); i++)
        r = number_mul(r, number_rat(10, 1));
    return exp < 0 ? number_div(number_rat(1, 1), r) : r;
}

/* Decimal digits with at most one point; no sign. */
static struct number_rat rat_decimal(const char *s, size_t n)
{
    int64_t num = 0;
    long scale = 0;
    bool point = false;
    char text[DIGITS_MOST + 1];

    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.') {
            point = true;
            continue;
        }
        if (__builtin_mul_overflow(num, 10, &num) ||
            __builtin_add_overflow(num, s[i] - '0', &num)) {
            memcpy(text, s, n);
            text[n] = '\0';
            return rat_inexact(strtod(text, NULL));
        }
        scale -= point;
    }
    return number_mul(number_rat(num, 1), rat_pow10(scale));
}

/* A double as the fraction that its 15 significant digits say. */
struct number_rat number_of_double(double v)
{
    char text[40];
    char *mark;
    struct number_rat r;
    size_t n;

    (void)snprintf(text, sizeof(text), "%.14e", fabs(v));
    mark = strchr(text, 'e');
    if (!mark)
        return rat_inexact(v);
    n = (size_t)(mark - text);
    while (n > 1 && (text[n - 1] == '0' || text[n - 1] == '.'))
        n--;
    r = number_mul(rat_decimal(text, n), rat_pow10(strtol(mark + 1, NULL, 10)));
    return v < 0 ? number_mul(r, number_rat(-1, 1)) : r;
}

/* ---- units ---- */

/* Factors to metre, m², litre, gram, second, month, m/s, 元.  Laid out by hand:
 * one kind after the other. */
/* clang-format off */
static const struct number_unit units[] = {
    { "平方千米", UNIT_AREA, 1000000, 1 },
    { "平方公里", UNIT_AREA, 1000000, 1 },
    { "平方分米", UNIT_AREA, 1, 100 }, { "平方厘米", UNIT_AREA, 1, 10000 },
    { "平方毫米", UNIT_AREA, 1, 1000000 }, { "平方米", UNIT_AREA, 1, 1 },
    { "平米", UNIT_AREA, 1, 1 }, { "公顷", UNIT_AREA, 10000, 1 },
    { "亩", UNIT_AREA, 2000, 3 }, { "km2", UNIT_AREA, 1000000, 1 },
    { "km^2", UNIT_AREA, 1000000, 1 },
    { "cm2", UNIT_AREA, 1, 10000 }, { "cm^2", UNIT_AREA, 1, 10000 },
    { "dm2", UNIT_AREA, 1, 100 }, { "dm^2", UNIT_AREA, 1, 100 },
    { "mm2", UNIT_AREA, 1, 1000000 }, { "m2", UNIT_AREA, 1, 1 },
    { "m^2", UNIT_AREA, 1, 1 }, { "ha", UNIT_AREA, 10000, 1 },

    { "立方分米", UNIT_VOLUME, 1, 1 }, { "立方厘米", UNIT_VOLUME, 1, 1000 },
    { "立方米", UNIT_VOLUME, 1000, 1 },
    { "cm3", UNIT_VOLUME, 1, 1000 },
    { "cm^3", UNIT_VOLUME, 1, 1000 }, { "dm3", UNIT_VOLUME, 1, 1 },
    { "dm^3", UNIT_VOLUME, 1, 1 }, { "m3", UNIT_VOLUME, 1000, 1 },
    { "m^3", UNIT_VOLUME, 1000, 1 }, { "毫升", UNIT_VOLUME, 1, 1000 },
    { "公升", UNIT_VOLUME, 1, 1 }, { "升", UNIT_VOLUME, 1, 1 },
    { "mL", UNIT_VOLUME, 1, 1000 }, { "ml", UNIT_VOLUME, 1, 1000 },
    { "L", UNIT_VOLUME, 1, 1 },

    { "千米/小时", UNIT_SPEED, 5, 18 }, { "千米/时", UNIT_SPEED, 5, 18 },
    { "公里/小时", UNIT_SPEED, 5, 18 }, { "公里/时", UNIT_SPEED, 5, 18 },
    { "千米每小时", UNIT_SPEED, 5, 18 }, { "千米每时", UNIT_SPEED, 5, 18 },
    { "公里每小时", UNIT_SPEED, 5, 18 }, { "km/h", UNIT_SPEED, 5, 18 },
    { "米/秒", UNIT_SPEED, 1, 1 }, { "米每秒", UNIT_SPEED, 1, 1 },
    { "米/分钟", UNIT_SPEED, 1, 60 }, { "米/分", UNIT_SPEED, 1, 60 },
    { "米每分钟", UNIT_SPEED, 1, 60 }, { "m/s", UNIT_SPEED, 1, 1 },

    { "千米", UNIT_LENGTH, 1000, 1 }, { "公里", UNIT_LENGTH, 1000, 1 },
    { "分米", UNIT_LENGTH, 1, 10 }, { "厘米", UNIT_LENGTH, 1, 100 },
    { "公分", UNIT_LENGTH, 1, 100 }, { "毫米", UNIT_LENGTH, 1, 1000 },
    { "微米", UNIT_LENGTH, 1, 1000000 },
    { "纳米", UNIT_LENGTH, 1, 1000000000 },
    { "米", UNIT_LENGTH, 1, 1 }, { "km", UNIT_LENGTH, 1000, 1 },
    { "dm", UNIT_LENGTH, 1, 10 }, { "cm", UNIT_LENGTH, 1, 100 },
    { "mm", UNIT_LENGTH, 1, 1000 },
    { "nm", UNIT_LENGTH, 1, 1000000000 },
    { "m", UNIT_LENGTH, 1, 1 }, { "里", UNIT_LENGTH, 500, 1 },

    { "千克", UNIT_MASS, 1000, 1 }, { "公斤", UNIT_MASS, 1000, 1 },
    { "毫克", UNIT_MASS, 1, 1000 }, { "吨", UNIT_MASS, 1000000, 1 },
    { "市斤", UNIT_MASS, 500, 1 }, { "斤", UNIT_MASS, 500, 1 },
    { "克", UNIT_MASS, 1, 1 }, { "kg", UNIT_MASS, 1000, 1 },
    { "mg", UNIT_MASS, 1, 1000 }, { "g", UNIT_MASS, 1, 1 },
    { "t", UNIT_MASS, 1000000, 1 },

    { "小时", UNIT_TIME, 3600, 1 }, { "钟头", UNIT_TIME, 3600, 1 },
    { "个小时", UNIT_TIME, 3600, 1 }, { "分钟", UNIT_TIME, 60, 1 },
    { "秒钟", UNIT_TIME, 1, 1 }, { "毫秒", UNIT_TIME, 1, 1000 },
    { "秒", UNIT_TIME, 1, 1 }, { "时", UNIT_TIME, 3600, 1 },
    { "天", UNIT_TIME, 86400, 1 }, { "日", UNIT_TIME, 86400, 1 },
    { "星期", UNIT_TIME, 604800, 1 }, { "个星期", UNIT_TIME, 604800, 1 },
    { "周", UNIT_TIME, 604800, 1 }, { "min", UNIT_TIME, 60, 1 },
    { "ms", UNIT_TIME, 1, 1000 }, { "h", UNIT_TIME, 3600, 1 },
    { "s", UNIT_TIME, 1, 1 },

    { "个月", UNIT_MONTHS, 1, 1 }, { "月", UNIT_MONTHS, 1, 1 },
    { "个季度", UNIT_MONTHS, 3, 1 }, { "季度", UNIT_MONTHS, 3, 1 },
    { "年", UNIT_MONTHS, 12, 1 }, { "周年", UNIT_MONTHS, 12, 1 },

    { "人民币", UNIT_MONEY, 1, 1 }, { "块钱", UNIT_MONEY, 1, 1 },
    { "元", UNIT_MONEY, 1, 1 }, { "圆", UNIT_MONEY, 1, 1 },
    { "块", UNIT_MONEY, 1, 1 }, { "角", UNIT_MONEY, 1, 10 },
    { "毛", UNIT_MONEY, 1, 10 }, { "RMB", UNIT_MONEY, 1, 1 },
    { "CNY", UNIT_MONEY, 1, 1 }, { "yuan", UNIT_MONEY, 1, 1 },

    { "美元", UNIT_DOLLARS, 1, 1 }, { "USD", UNIT_DOLLARS, 1, 1 },
    { "dollars", UNIT_DOLLARS, 1, 1 }, { "美金", UNIT_DOLLARS, 1, 1 },

    { "摄氏度", UNIT_TEMPERATURE, 1, 1 },
    { "°C", UNIT_TEMPERATURE, 1, 1 },

    { "度", UNIT_ANGLE, 1, 1 }, { "°", UNIT_ANGLE, 1, 1 },
};
/* clang-format on */

/* The longest unit that begins s; a Latin one must not go on as a word. */
const struct number_unit *number_unit(struct str s)
{
    const struct number_unit *best = NULL;
    size_t best_n = 0;

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        struct str name = str_of(units[i].name);

        if (name.n <= best_n || !str_starts(s, name))
            continue;
        if (match_is_latin(name.p[name.n - 1]) && name.n < s.n &&
            match_is_latin(s.p[name.n]))
            continue;
        best = &units[i];
        best_n = name.n;
    }
    return best;
}

/* ---- reading one number ---- */

static bool is_raised(const struct number_reader *r, size_t i)
{
    struct match_out spot = { .score = 0 };
    size_t len;
    int32_t rune;

    if (!r->t || !match_is_digit(r->s, i))
        return false;
    match_set_span(&spot, r->t, (size_t)(r->s.p - r->t->text.p) + i,
                   (size_t)(r->s.p - r->t->text.p) + i + 1);
    rune = text_rune(r->t->response, spot.span_at, &len);
    return rune == 0xB2 || rune == 0xB3 || rune == 0xB9 || rune == 0x2070 ||
           (rune >= 0x2074 && rune <= 0x2079);
}

static size_t skip_blank(struct str s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
        i++;
    return i;
}

/* Digits with separators in groups of three and a point; 0 if none. */
static size_t read_digits(const struct number_reader *r, size_t i,
                          struct number_rat *v)
{
    char text[DIGITS_MOST];
    size_t n = 0, from = i;
    bool point = false, grouped = false;
    struct str s = r->s;

    while (i < s.n && n < sizeof(text)) {
        if (match_is_digit(s, i) && !(i > from && is_raised(r, i))) {
            text[n++] = s.p[i++];
        } else if (s.p[i] == '.' && !point && match_is_digit(s, i + 1)) {
            point = true;
            text[n++] = s.p[i++];
        } else if (s.p[i] == ',' && !point && n && (grouped || n <= 3) &&
                   match_is_digit(s, i + 1) && match_is_digit(s, i + 2) &&
                   match_is_digit(s, i + 3) && !match_is_digit(s, i + 4)) {
            grouped = true;
            i++;
        } else {
            break;
        }
    }
    if (n && !(n == 1 && text[0] == '.'))
        *v = rat_decimal(text, n);
    return n && !(n == 1 && text[0] == '.') ? i - from : 0;
}

/* A whole exponent with its sign and perhaps braces. */
static size_t read_exponent(struct str s, size_t i, long *exp)
{
    size_t from = i;
    bool brace = match_starts_at(s, i, "{"), minus;

    i += brace;
    minus = match_starts_at(s, i, "-");
    i += minus || match_starts_at(s, i, "+");
    if (!match_is_digit(s, i))
        return 0;
    for (*exp = 0; match_is_digit(s, i); i++)
        *exp = *exp < 1000 ? *exp * 10 + (s.p[i] - '0') : *exp;
    if (minus)
        *exp = -*exp;
    return i + (brace && match_starts_at(s, i, "}")) - from;
}

/* e3, ×10^3, x10³, \times 10^{3} after a mantissa. */
static size_t read_scale(const struct number_reader *r, size_t i,
                         struct number_rat *v)
{
    static const char *const times[] = { "×", "x", "*", "\\times", "\\cdot" };
    struct str s = r->s;
    size_t from = i, n = 0, at;
    long exp = 0;

    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E'))
        n = read_exponent(s, i + 1, &exp);
    if (n) {
        *v = number_mul(*v, rat_pow10(exp));
        return n + 1;
    }
    i = skip_blank(s, i);
    for (size_t k = 0; k < 5; k++) {
        if (!match_starts_at(s, i, times[k]))
            continue;
        at = skip_blank(s, i + strlen(times[k]));
        if (!match_starts_at(s, at, "10"))
            continue;
        at += 2;
        if (match_starts_at(s, at, "^"))
            n = read_exponent(s, ++at, &exp);
        else if (is_raised(r, at) || match_starts_at(s, at, "-"))
            n = read_exponent(s, at, &exp);
        if (!n)
            continue;
        *v = number_mul(*v, rat_pow10(exp));
        return at + n - from;
    }
    return 0;
}

/* \frac{3}{4}, \dfrac{3}{4} */
static size_t read_frac(const struct number_reader *r, size_t i,
                        struct number_rat *v)
{
    static const char *const names[] = { "\\frac", "\\dfrac", "\\tfrac",
                                         "\\cfrac" };
    struct number_rat part[2];
    size_t from = i, k = 0, n;

    while (k < 4 && !match_starts_at(r->s, i, names[k]))
        k++;
    if (k == 4)
        return 0;
    i += strlen(names[k]);
    for (k = 0; k < 2; k++) {
        bool minus;

        if (!match_starts_at(r->s, i, "{"))
            return 0;
        minus = match_starts_at(r->s, ++i, "-");
        i += minus;
        n = read_digits(r, i, &part[k]);
        if (!n || !match_starts_at(r->s, i + n, "}"))
            return 0;
        i += n + 1;
        if (minus)
            part[k] = number_mul(part[k], number_rat(-1, 1));
    }
    if (fabs(part[1].v) <= 0)
        return 0;
    *v = number_div(part[0], part[1]);
    return i - from;
}

/* A Chinese numeral or one that begins with ASCII digits (3万5千). */
static size_t read_chinese(const struct number_reader *r, size_t i,
                           struct number_rat *v)
{
    double value;
    size_t n = text_chinese_number(str_sub(r->s, i, r->s.n), &value);

    if (n)
        *v = number_of_double(value);
    return n;
}

/* 三分之二, 3分之2, 百分之五十, 一又三分之二; 五成. */
static size_t read_parts(const struct number_reader *r, size_t i,
                         struct number_rat *v)
{
    static const struct {
        const char *name;
        int64_t den;
    } wholes[] = { { "百", 100 }, { "千", 1000 }, { "万", 10000 } };
    struct number_rat den = number_rat(0, 1), num;
    size_t from = i, n = 0;

    for (size_t k = 0; k < 3 && !n; k++)
        if (match_starts_at(r->s, i, wholes[k].name) &&
            match_starts_at(r->s, i + 3, "分之")) {
            den = number_rat(wholes[k].den, 1);
            n = 3;
        }
    if (!n)
        n = read_digits(r, i, &den);
    if (!n)
        n = read_chinese(r, i, &den);
    if (n && match_starts_at(r->s, i + n, "成") &&
        !match_starts_at(r->s, i + n, "成为")) {
        *v = number_div(den, number_rat(10, 1));
        return n + 3;
    }
    if (!n || !match_starts_at(r->s, i + n, "分之") || fabs(den.v) <= 0)
        return 0;
    i += n + 6;
    n = read_chinese(r, i, &num);
    if (!n)
        n = read_digits(r, i, &num);
    if (!n)
        return 0;
    *v = number_div(num, den);
    return i + n - from;
}

/* 3/4 and ½ (which folds to 1⁄2), not dates such as 2020/1/2. */
static size_t read_slash(const struct number_reader *r, size_t i,
                         struct number_rat *v)
{
    struct number_rat den;
    size_t from = i, n;

    if (match_starts_at(r->s, i, "⁄"))
        i += strlen("⁄");
    else if (match_starts_at(r->s, i, "/"))
        i++;
    else
        return 0;
    n = read_digits(r, i, &den);
    if (!n || fabs(den.v) <= 0 || match_starts_at(r->s, i + n, "/"))
        return 0;
    *v = number_div(*v, den);
    return i + n - from;
}

/* Digits with what may follow them: exponent, slash, Chinese unit. */
static size_t read_ascii(const struct number_reader *r, size_t i,
                         struct number_rat *v)
{
    size_t n = read_digits(r, i, v), more, chinese;
    struct number_rat part;

    if (!n)
        return 0;
    more = read_scale(r, i + n, v);
    if (more)
        return n + more;
    more = read_frac(r, i + n, &part);
    if (more) { /* 3\frac{1}{2} */
        *v = rat_add(*v, part);
        return n + more;
    }
    more = read_slash(r, i + n, v);
    if (more || number_unit(str_sub(r->s, i + n, r->s.n)))
        return n + more; /* 千米 is a unit, not a thousand 米 */
    chinese = read_chinese(r, i, &part);
    if (chinese <= n)
        return n;
    *v = part;
    return chinese;
}

static size_t read_magnitude(const struct number_reader *r, size_t i,
                             struct number *x)
{
    struct number_rat part;
    size_t n = read_parts(r, i, &x->value), more;

    if (!n)
        n = read_frac(r, i, &x->value);
    if (!n)
        n = read_ascii(r, i, &x->value);
    if (n)
        return n;
    n = read_chinese(r, i, &x->value);
    x->chinese = n > 0;
    if (n && match_starts_at(r->s, i + n, "又")) {
        more = read_parts(r, i + n + 3, &part);
        if (more) {
            x->value = rat_add(x->value, part);
            n += 3 + more;
        }
    }
    return n;
}

/* % and the unit; 1小时30分钟 and 3元5角 are sums. */
static void read_unit(const struct number_reader *r, struct number *x)
{
    size_t i = skip_blank(r->s, x->end), n;
    const struct number_unit *u;
    struct number_rat part;

    if (match_starts_at(r->s, i, "\\%") || match_starts_at(r->s, i, "%")) {
        x->value = number_div(x->value, number_rat(100, 1));
        x->end = i + 1 + match_starts_at(r->s, i, "\\");
        return;
    }
    if (match_starts_at(r->s, i, "‰")) {
        x->value = number_div(x->value, number_rat(1000, 1));
        x->end = i + strlen("‰");
        return;
    }
    if (match_starts_at(r->s, i, "\\text{") ||
        match_starts_at(r->s, i, "\\mathrm{"))
        i = str_find(r->s, STR("{"), i) + 1;
    while (match_starts_at(r->s, i, "\\") || match_starts_at(r->s, i, "~"))
        i = skip_blank(r->s, i + 1);
    x->unit = number_unit(str_sub(r->s, i, r->s.n));
    if (!x->unit)
        return;
    x->end = i + strlen(x->unit->name);
    n = read_ascii(r, x->end, &part);
    u = n ? number_unit(str_sub(r->s, x->end + n, r->s.n)) : NULL;
    if (n && !u && x->unit->kind == UNIT_TIME &&
        match_starts_at(r->s, x->end + n, "分"))
        u = number_unit(STR("分钟"));
    if (!u || u->kind != x->unit->kind ||
        u->num * x->unit->den >= x->unit->num * u->den)
        return;
    part = number_mul(part, number_rat(u->num, u->den));
    part = number_div(part, number_rat(x->unit->num, x->unit->den));
    x->value = rat_add(x->value, part);
    x->end +=
        n + (match_starts_at(r->s, x->end + n, u->name) ? strlen(u->name) : 3);
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

static size_t read_sign(struct str s, size_t i, bool *minus)
{
    static const char *const signs[] = { "-", "−", "–", "负", "﹣" };

    *minus = false;
    for (size_t k = 0; k < 5; k++)
        if (match_starts_at(s, i, signs[k])) {
            *minus = true;
            return strlen(signs[k]);
        }
    return 0;
}

/* The number at i, if one begins there. */
bool number_read(const struct number_reader *r, size_t i, struct number *x)
{
    static const struct {
        const char *sign, *unit;
    } money[] = { { "¥", "元" }, { "￥", "元" }, { "$", "美元" } };
    size_t n, sign;
    bool minus;

    *x = (struct number){ .at = i };
    sign = read_sign(r->s, i, &minus);
    i += sign;
    for (size_t k = 0; k < 3; k++)
        if (match_starts_at(r->s, i, money[k].sign)) {
            x->unit = number_unit(str_of(money[k].unit));
            i = skip_blank(r->s, i + strlen(money[k].sign));
        }
    n = read_magnitude(r, i, x);
    if (!n)
        return false;
    x->end = i + n;
    if (!x->unit || x->unit->kind != UNIT_DOLLARS) {
        const struct number_unit *before = x->unit;

        read_unit(r, x);
        if (!x->unit)
            x->unit = before;
    }
    if (minus && (sign > 1 || is_sign(r->s, x->at)))
        x->value = number_mul(x->value, number_rat(-1, 1));
    else if (minus)
        x->at += sign;
    return true;
}
