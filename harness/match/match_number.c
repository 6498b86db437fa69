/* A number, whatever its form: 1,200.50  3/4  \frac{3}{4}  50%  百分之五十  五成
 * 1亿2千万  1.2e3  1.2×10³  -7  负七  ￥30  3公里.
 *
 * Which number of an answer: one that is stated as the answer (\boxed{},
 * ####, 答案是, 【】) comes before the last one of the text; of several
 * statements of a form the last counts, and in 答案: 3+5=8 what stands behind
 * the last equals sign.  The rule's name says which it was.
 *
 * Values are fractions of 64-bit integers as long as they fit, so that 0.1+0.2
 * is 0.3; beyond that they are doubles compared to 12 digits.  Units of one
 * kind are converted when the expected answer has one. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/match/match_parts.h"

enum { FLAGS = TEXT_NFKC | TEXT_SIMPLE, LOOKS_AT = 1 << 17, DIGITS_MOST = 40 };

/* ---- fractions ---- */

struct rat {
    int64_t num, den; /* den > 0 if exact */
    double v;
    bool exact;
};

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;

        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

static struct rat rat_inexact(double v)
{
    return (struct rat){ .v = v };
}

static struct rat rat_make(int64_t num, int64_t den)
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
    return (struct rat){ num, den, (double)num / (double)den, true };
}

static struct rat rat_mul(struct rat a, struct rat b)
{
    int64_t num, den;

    if (!a.exact || !b.exact || __builtin_mul_overflow(a.num, b.num, &num) ||
        __builtin_mul_overflow(a.den, b.den, &den))
        return rat_inexact(a.v * b.v);
    return rat_make(num, den);
}

static struct rat rat_div(struct rat a, struct rat b)
{
    if (!b.exact || !b.num)
        return rat_inexact(a.v / b.v);
    return rat_mul(a, rat_make(b.den, b.num));
}

static struct rat rat_add(struct rat a, struct rat b)
{
    int64_t x, y, sum, den;

    if (!a.exact || !b.exact || __builtin_mul_overflow(a.num, b.den, &x) ||
        __builtin_mul_overflow(b.num, a.den, &y) ||
        __builtin_add_overflow(x, y, &sum) ||
        __builtin_mul_overflow(a.den, b.den, &den))
        return rat_inexact(a.v + b.v);
    return rat_make(sum, den);
}

static bool rat_same(struct rat a, struct rat b)
{
    double scale = fmax(fabs(a.v), fabs(b.v));

    if (a.exact && b.exact)
        return a.num == b.num && a.den == b.den;
    return fabs(a.v - b.v) <= scale * 1e-12;
}

static struct rat rat_pow10(long exp)
{
    struct rat r = rat_make(1, 1);

    if (exp > 18 || exp < -18)
        return rat_inexact(pow(10, (double)exp));
    for (long i = 0; i < labs(exp); i++)
        r = rat_mul(r, rat_make(10, 1));
    return exp < 0 ? rat_div(rat_make(1, 1), r) : r;
}

/* Decimal digits with at most one point; no sign. */
static struct rat rat_decimal(const char *s, size_t n)
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
    return rat_mul(rat_make(num, 1), rat_pow10(scale));
}

/* A double as the fraction that its 15 significant digits say. */
static struct rat rat_of_double(double v)
{
    char text[40];
    char *mark;
    struct rat r;
    size_t n;

    (void)snprintf(text, sizeof(text), "%.14e", fabs(v));
    mark = strchr(text, 'e');
    if (!mark)
        return rat_inexact(v);
    n = (size_t)(mark - text);
    while (n > 1 && (text[n - 1] == '0' || text[n - 1] == '.'))
        n--;
    r = rat_mul(rat_decimal(text, n), rat_pow10(strtol(mark + 1, NULL, 10)));
    return v < 0 ? rat_mul(r, rat_make(-1, 1)) : r;
}

/* ---- units ---- */

enum kind {
    NONE,
    LENGTH,
    AREA,
    VOLUME,
    MASS,
    TIME,
    MONTHS,
    SPEED,
    MONEY,
    DOLLARS,
    TEMPERATURE,
    ANGLE
};

/* Factors to metre, m², litre, gram, second, month, m/s, 元. */
static const struct unit {
    const char *name;
    enum kind kind;
    int64_t num, den;
} units[] = {
    { "平方千米", AREA, 1000000, 1 },
    { "平方公里", AREA, 1000000, 1 },
    { "平方分米", AREA, 1, 100 },
    { "平方厘米", AREA, 1, 10000 },
    { "平方毫米", AREA, 1, 1000000 },
    { "平方米", AREA, 1, 1 },
    { "平米", AREA, 1, 1 },
    { "公顷", AREA, 10000, 1 },
    { "亩", AREA, 2000, 3 },
    { "km2", AREA, 1000000, 1 },
    { "km^2", AREA, 1000000, 1 },
    { "cm2", AREA, 1, 10000 },
    { "cm^2", AREA, 1, 10000 },
    { "dm2", AREA, 1, 100 },
    { "dm^2", AREA, 1, 100 },
    { "mm2", AREA, 1, 1000000 },
    { "m2", AREA, 1, 1 },
    { "m^2", AREA, 1, 1 },
    { "ha", AREA, 10000, 1 },

    { "立方分米", VOLUME, 1, 1 },
    { "立方厘米", VOLUME, 1, 1000 },
    { "立方米", VOLUME, 1000, 1 },
    { "cm3", VOLUME, 1, 1000 },
    { "cm^3", VOLUME, 1, 1000 },
    { "dm3", VOLUME, 1, 1 },
    { "dm^3", VOLUME, 1, 1 },
    { "m3", VOLUME, 1000, 1 },
    { "m^3", VOLUME, 1000, 1 },
    { "毫升", VOLUME, 1, 1000 },
    { "公升", VOLUME, 1, 1 },
    { "升", VOLUME, 1, 1 },
    { "mL", VOLUME, 1, 1000 },
    { "ml", VOLUME, 1, 1000 },
    { "L", VOLUME, 1, 1 },

    { "千米/小时", SPEED, 5, 18 },
    { "千米/时", SPEED, 5, 18 },
    { "公里/小时", SPEED, 5, 18 },
    { "公里/时", SPEED, 5, 18 },
    { "千米每小时", SPEED, 5, 18 },
    { "千米每时", SPEED, 5, 18 },
    { "公里每小时", SPEED, 5, 18 },
    { "km/h", SPEED, 5, 18 },
    { "米/秒", SPEED, 1, 1 },
    { "米每秒", SPEED, 1, 1 },
    { "米/分钟", SPEED, 1, 60 },
    { "米/分", SPEED, 1, 60 },
    { "米每分钟", SPEED, 1, 60 },
    { "m/s", SPEED, 1, 1 },

    { "千米", LENGTH, 1000, 1 },
    { "公里", LENGTH, 1000, 1 },
    { "分米", LENGTH, 1, 10 },
    { "厘米", LENGTH, 1, 100 },
    { "公分", LENGTH, 1, 100 },
    { "毫米", LENGTH, 1, 1000 },
    { "微米", LENGTH, 1, 1000000 },
    { "纳米", LENGTH, 1, 1000000000 },
    { "米", LENGTH, 1, 1 },
    { "km", LENGTH, 1000, 1 },
    { "dm", LENGTH, 1, 10 },
    { "cm", LENGTH, 1, 100 },
    { "mm", LENGTH, 1, 1000 },
    { "nm", LENGTH, 1, 1000000000 },
    { "m", LENGTH, 1, 1 },
    { "里", LENGTH, 500, 1 },

    { "千克", MASS, 1000, 1 },
    { "公斤", MASS, 1000, 1 },
    { "毫克", MASS, 1, 1000 },
    { "吨", MASS, 1000000, 1 },
    { "市斤", MASS, 500, 1 },
    { "斤", MASS, 500, 1 },
    { "克", MASS, 1, 1 },
    { "kg", MASS, 1000, 1 },
    { "mg", MASS, 1, 1000 },
    { "g", MASS, 1, 1 },
    { "t", MASS, 1000000, 1 },

    { "小时", TIME, 3600, 1 },
    { "钟头", TIME, 3600, 1 },
    { "个小时", TIME, 3600, 1 },
    { "分钟", TIME, 60, 1 },
    { "秒钟", TIME, 1, 1 },
    { "毫秒", TIME, 1, 1000 },
    { "秒", TIME, 1, 1 },
    { "时", TIME, 3600, 1 },
    { "天", TIME, 86400, 1 },
    { "日", TIME, 86400, 1 },
    { "星期", TIME, 604800, 1 },
    { "个星期", TIME, 604800, 1 },
    { "周", TIME, 604800, 1 },
    { "min", TIME, 60, 1 },
    { "ms", TIME, 1, 1000 },
    { "h", TIME, 3600, 1 },
    { "s", TIME, 1, 1 },

    { "个月", MONTHS, 1, 1 },
    { "月", MONTHS, 1, 1 },
    { "个季度", MONTHS, 3, 1 },
    { "季度", MONTHS, 3, 1 },
    { "年", MONTHS, 12, 1 },
    { "周年", MONTHS, 12, 1 },

    { "人民币", MONEY, 1, 1 },
    { "块钱", MONEY, 1, 1 },
    { "元", MONEY, 1, 1 },
    { "圆", MONEY, 1, 1 },
    { "块", MONEY, 1, 1 },
    { "角", MONEY, 1, 10 },
    { "毛", MONEY, 1, 10 },
    { "RMB", MONEY, 1, 1 },
    { "CNY", MONEY, 1, 1 },
    { "yuan", MONEY, 1, 1 },

    { "美元", DOLLARS, 1, 1 },
    { "USD", DOLLARS, 1, 1 },
    { "dollars", DOLLARS, 1, 1 },
    { "美金", DOLLARS, 1, 1 },

    { "摄氏度", TEMPERATURE, 1, 1 },
    { "°C", TEMPERATURE, 1, 1 },
    { "度", ANGLE, 1, 1 },
    { "°", ANGLE, 1, 1 },
};

static bool is_latin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The longest unit that begins s; a Latin one must not go on as a word. */
static const struct unit *unit_at(struct str s)
{
    const struct unit *best = NULL;
    size_t best_n = 0;

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        struct str name = str_of(units[i].name);

        if (name.n <= best_n || !str_starts(s, name))
            continue;
        if (is_latin(name.p[name.n - 1]) && name.n < s.n &&
            is_latin(s.p[name.n]))
            continue;
        best = &units[i];
        best_n = name.n;
    }
    return best;
}

/* ---- reading one number ---- */

struct number {
    struct rat value;
    const struct unit *unit; /* NULL: none that we know */
    size_t at, end;
    bool chinese; /* no ASCII digit in it */
};

/* Folding makes 10³ into 103; the map shows what was raised. */
struct reader {
    struct str s;
    const struct match_text *t; /* NULL for an expected answer */
};

static bool is_digit(struct str s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

static bool starts_at(struct str s, size_t i, const char *what)
{
    return i <= s.n && str_starts(str_sub(s, i, s.n), str_of(what));
}

static bool is_raised(const struct reader *r, size_t i)
{
    struct match_out spot = { .score = 0 };
    size_t len;
    int32_t rune;

    if (!r->t || !is_digit(r->s, i))
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
static size_t read_digits(const struct reader *r, size_t i, struct rat *v)
{
    char text[DIGITS_MOST];
    size_t n = 0, from = i;
    bool point = false, grouped = false;
    struct str s = r->s;

    while (i < s.n && n < sizeof(text)) {
        if (is_digit(s, i) && !(i > from && is_raised(r, i))) {
            text[n++] = s.p[i++];
        } else if (s.p[i] == '.' && !point && is_digit(s, i + 1)) {
            point = true;
            text[n++] = s.p[i++];
        } else if (s.p[i] == ',' && !point && n && (grouped || n <= 3) &&
                   is_digit(s, i + 1) && is_digit(s, i + 2) &&
                   is_digit(s, i + 3) && !is_digit(s, i + 4)) {
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
    bool brace = starts_at(s, i, "{"), minus;

    i += brace;
    minus = starts_at(s, i, "-");
    i += minus || starts_at(s, i, "+");
    if (!is_digit(s, i))
        return 0;
    for (*exp = 0; is_digit(s, i); i++)
        *exp = *exp < 1000 ? *exp * 10 + (s.p[i] - '0') : *exp;
    if (minus)
        *exp = -*exp;
    return i + (brace && starts_at(s, i, "}")) - from;
}

/* e3, ×10^3, x10³, \times 10^{3} after a mantissa. */
static size_t read_scale(const struct reader *r, size_t i, struct rat *v)
{
    static const char *const times[] = { "×", "x", "*", "\\times", "\\cdot" };
    struct str s = r->s;
    size_t from = i, n = 0, at;
    long exp = 0;

    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E'))
        n = read_exponent(s, i + 1, &exp);
    if (n) {
        *v = rat_mul(*v, rat_pow10(exp));
        return n + 1;
    }
    i = skip_blank(s, i);
    for (size_t k = 0; k < 5; k++) {
        if (!starts_at(s, i, times[k]))
            continue;
        at = skip_blank(s, i + strlen(times[k]));
        if (!starts_at(s, at, "10"))
            continue;
        at += 2;
        if (starts_at(s, at, "^"))
            n = read_exponent(s, ++at, &exp);
        else if (is_raised(r, at) || starts_at(s, at, "-"))
            n = read_exponent(s, at, &exp);
        if (!n)
            continue;
        *v = rat_mul(*v, rat_pow10(exp));
        return at + n - from;
    }
    return 0;
}

/* \frac{3}{4}, \dfrac{3}{4} */
static size_t read_frac(const struct reader *r, size_t i, struct rat *v)
{
    static const char *const names[] = { "\\frac", "\\dfrac", "\\tfrac",
                                         "\\cfrac" };
    struct rat part[2];
    size_t from = i, k = 0, n;

    while (k < 4 && !starts_at(r->s, i, names[k]))
        k++;
    if (k == 4)
        return 0;
    i += strlen(names[k]);
    for (k = 0; k < 2; k++) {
        bool minus;

        if (!starts_at(r->s, i, "{"))
            return 0;
        minus = starts_at(r->s, ++i, "-");
        i += minus;
        n = read_digits(r, i, &part[k]);
        if (!n || !starts_at(r->s, i + n, "}"))
            return 0;
        i += n + 1;
        if (minus)
            part[k] = rat_mul(part[k], rat_make(-1, 1));
    }
    if (fabs(part[1].v) <= 0)
        return 0;
    *v = rat_div(part[0], part[1]);
    return i - from;
}

/* A Chinese numeral or one that begins with ASCII digits (3万5千). */
static size_t read_chinese(const struct reader *r, size_t i, struct rat *v)
{
    double value;
    size_t n = text_chinese_number(str_sub(r->s, i, r->s.n), &value);

    if (n)
        *v = rat_of_double(value);
    return n;
}

/* 三分之二, 3分之2, 百分之五十, 一又三分之二; 五成. */
static size_t read_parts(const struct reader *r, size_t i, struct rat *v)
{
    static const struct {
        const char *name;
        int64_t den;
    } wholes[] = { { "百", 100 }, { "千", 1000 }, { "万", 10000 } };
    struct rat den = rat_make(0, 1), num;
    size_t from = i, n = 0;

    for (size_t k = 0; k < 3 && !n; k++)
        if (starts_at(r->s, i, wholes[k].name) &&
            starts_at(r->s, i + 3, "分之")) {
            den = rat_make(wholes[k].den, 1);
            n = 3;
        }
    if (!n)
        n = read_digits(r, i, &den);
    if (!n)
        n = read_chinese(r, i, &den);
    if (n && starts_at(r->s, i + n, "成") && !starts_at(r->s, i + n, "成为")) {
        *v = rat_div(den, rat_make(10, 1));
        return n + 3;
    }
    if (!n || !starts_at(r->s, i + n, "分之") || fabs(den.v) <= 0)
        return 0;
    i += n + 6;
    n = read_chinese(r, i, &num);
    if (!n)
        n = read_digits(r, i, &num);
    if (!n)
        return 0;
    *v = rat_div(num, den);
    return i + n - from;
}

/* 3/4 and ½ (which folds to 1⁄2), not dates such as 2020/1/2. */
static size_t read_slash(const struct reader *r, size_t i, struct rat *v)
{
    struct rat den;
    size_t from = i, n;

    if (starts_at(r->s, i, "⁄"))
        i += strlen("⁄");
    else if (starts_at(r->s, i, "/"))
        i++;
    else
        return 0;
    n = read_digits(r, i, &den);
    if (!n || fabs(den.v) <= 0 || starts_at(r->s, i + n, "/"))
        return 0;
    *v = rat_div(*v, den);
    return i + n - from;
}

/* Digits with what may follow them: exponent, slash, Chinese unit. */
static size_t read_ascii(const struct reader *r, size_t i, struct rat *v)
{
    size_t n = read_digits(r, i, v), more, chinese;
    struct rat part;

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
    if (more || unit_at(str_sub(r->s, i + n, r->s.n)))
        return n + more; /* 千米 is a unit, not a thousand 米 */
    chinese = read_chinese(r, i, &part);
    if (chinese <= n)
        return n;
    *v = part;
    return chinese;
}

static size_t read_magnitude(const struct reader *r, size_t i, struct number *x)
{
    struct rat part;
    size_t n = read_parts(r, i, &x->value), more;

    if (!n)
        n = read_frac(r, i, &x->value);
    if (!n)
        n = read_ascii(r, i, &x->value);
    if (n)
        return n;
    n = read_chinese(r, i, &x->value);
    x->chinese = n > 0;
    if (n && starts_at(r->s, i + n, "又")) {
        more = read_parts(r, i + n + 3, &part);
        if (more) {
            x->value = rat_add(x->value, part);
            n += 3 + more;
        }
    }
    return n;
}

/* % and the unit; 1小时30分钟 and 3元5角 are sums. */
static void read_unit(const struct reader *r, struct number *x)
{
    size_t i = skip_blank(r->s, x->end), n;
    const struct unit *u;
    struct rat part;

    if (starts_at(r->s, i, "\\%") || starts_at(r->s, i, "%")) {
        x->value = rat_div(x->value, rat_make(100, 1));
        x->end = i + 1 + starts_at(r->s, i, "\\");
        return;
    }
    if (starts_at(r->s, i, "‰")) {
        x->value = rat_div(x->value, rat_make(1000, 1));
        x->end = i + strlen("‰");
        return;
    }
    if (starts_at(r->s, i, "\\text{") || starts_at(r->s, i, "\\mathrm{"))
        i = str_find(r->s, STR("{"), i) + 1;
    while (starts_at(r->s, i, "\\") || starts_at(r->s, i, "~"))
        i = skip_blank(r->s, i + 1);
    x->unit = unit_at(str_sub(r->s, i, r->s.n));
    if (!x->unit)
        return;
    x->end = i + strlen(x->unit->name);
    n = read_ascii(r, x->end, &part);
    u = n ? unit_at(str_sub(r->s, x->end + n, r->s.n)) : NULL;
    if (n && !u && x->unit->kind == TIME && starts_at(r->s, x->end + n, "分"))
        u = unit_at(STR("分钟"));
    if (!u || u->kind != x->unit->kind ||
        u->num * x->unit->den >= x->unit->num * u->den)
        return;
    part = rat_mul(part, rat_make(u->num, u->den));
    part = rat_div(part, rat_make(x->unit->num, x->unit->den));
    x->value = rat_add(x->value, part);
    x->end += n + (starts_at(r->s, x->end + n, u->name) ? strlen(u->name) : 3);
}

/* A minus is a sign where no operand stands before it. */
static bool is_sign(struct str s, size_t i)
{
    while (i && s.p[i - 1] == ' ')
        i--;
    if (!i)
        return true;
    return !is_latin(s.p[i - 1]) && !is_digit(s, i - 1) &&
           !strchr(")}%", s.p[i - 1]);
}

static size_t read_sign(struct str s, size_t i, bool *minus)
{
    static const char *const signs[] = { "-", "−", "–", "负", "﹣" };

    *minus = false;
    for (size_t k = 0; k < 5; k++)
        if (starts_at(s, i, signs[k])) {
            *minus = true;
            return strlen(signs[k]);
        }
    return 0;
}

/* The number at i, if one begins there. */
static bool read_number(const struct reader *r, size_t i, struct number *x)
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
        if (starts_at(r->s, i, money[k].sign)) {
            x->unit = unit_at(str_of(money[k].unit));
            i = skip_blank(r->s, i + strlen(money[k].sign));
        }
    n = read_magnitude(r, i, x);
    if (!n)
        return false;
    x->end = i + n;
    if (!x->unit || x->unit->kind != DOLLARS) {
        const struct unit *before = x->unit;

        read_unit(r, x);
        if (!x->unit)
            x->unit = before;
    }
    if (minus && (sign > 1 || is_sign(r->s, x->at)))
        x->value = rat_mul(x->value, rat_make(-1, 1));
    else if (minus)
        x->at += sign;
    return true;
}

/* ---- which number ---- */

/* Words that hold a numeral and are none: 一个样, 第一, 统一, 十分. */
static bool is_word(struct str s, const struct number *x)
{
    static const char *const left[] = { "第", "每", "某", "同", "统", "唯",
                                        "之", "万", "单", "逐", "任", "这",
                                        "那", "进", "另", "下", "上" };
    static const char *const right[] = { "样", "起", "般", "定", "些", "直",
                                         "下", "致", "切", "旦", "方", "共",
                                         "步", "种", "点", "并", "部", "分",
                                         "者", "旁", "面", "律", "向", "时" };

    if (!x->chinese)
        return false;
    for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
        if (str_ends(str_sub(s, 0, x->at), str_of(left[i])))
            return true;
    if (starts_at(s, x->at, "一个") && x->end - x->at == 3)
        return true;
    for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
        if (x->end - x->at == 3 && starts_at(s, x->end, right[i]))
            return true;
    return false;
}

/* A number begins at i and is not the inside of a word or of another. */
static bool may_begin(struct str s, size_t i)
{
    unsigned char c = (unsigned char)s.p[i], before;

    if ((c & 0xC0) == 0x80)
        return false;
    if (c < 0x80 && !is_digit(s, i) && !strchr("-.$\\", c))
        return false;
    if (!i || c == '\\')
        return true;
    before = (unsigned char)s.p[i - 1];
    return !is_latin((char)before) && before != '_' &&
           !(is_digit(s, i - 1) && c < 0x80) &&
           !(before == '.' && i > 1 && is_digit(s, i - 2));
}

/* The first number of s at or after `from`; the last one if `last`. */
static bool find_number(const struct reader *r, size_t from, bool last,
                        bool chinese, struct number *x)
{
    struct number y;
    bool found = false;

    while (from < r->s.n) {
        if (!may_begin(r->s, from) || !read_number(r, from, &y)) {
            from++;
            continue;
        }
        from = y.end;
        if ((y.chinese && !chinese) || is_word(r->s, &y))
            continue;
        *x = y;
        found = true;
        if (!last)
            break;
    }
    return found;
}

#define DECO "[\\s\"'“”‘’「『*_`:=约≈(（\\[【]*+"
static const struct match_rule rules[] = {
    { "boxed", "\\\\boxed\\s*\\{()", 0, 0 },
    { "hashes", "####()", 0, 0 },
    { "answer-mark",
      "[\\[【〖](?:最终|正确|参考|标准)?(?:答案|金额|结果)[\\]】〗]()", 0, 0 },
    { "answer", "答案[^。!?！？;；\\n不非没未0-9]{0,14}?(?:是|为|:|=)()", 0,
      0 },
    { "answer", "(?:^|\\n)[\\s*#]*(?:答|解答|结论|结果)[*\\s]*:()", 0, 0 },
    { "answer",
      "(?:最终|最后)?(?:的)?结果[^。!?！？;；\\n不非没未0-9]{0,8}?(?:是|为|:|=)()",
      0, 0 },
    { "answer-en",
      "\\b(?:answer|result)\\b[*_\"']*(?:(?!\\bnot\\b|n['’]t)[^.\\n?!:0-9]){0,30}?"
      "(?:\\bis\\b|:|=)()",
      PATTERN_CASELESS, 0 },
    { "brackets", "【()[^】\\n]*[0-9零一二三四五六七八九十百千][^】\\n]*】", 0,
      0 },
};
#undef DECO
static struct match_rules statements = MATCH_RULES(rules);

enum { STATEMENT_MOST = 400, STATEMENTS_MOST = 64 };

/* The rest of the statement: to the end of its line or sentence; of the next
 * line if nothing stands on this one. */
static struct str statement_at(struct str s, size_t from)
{
    size_t to;

    while (from < s.n && strchr(" \t*_`:\n\"$", s.p[from]))
        from++;
    for (to = from; to < s.n && to - from < STATEMENT_MOST; to++)
        if (s.p[to] == '\n' || s.p[to] == ';' || starts_at(s, to, "。") ||
            starts_at(s, to, "；"))
            break;
    return str_sub(s, from, to);
}

/* Where the expression that goes on at `at` has an equals sign; s.n if it ends
 * without one.  3 + 5 = 8 goes on, 7, 7 × 2 = 14 does not. */
static size_t equals_after(struct str s, size_t at)
{
    static const char *const signs[] = { "×", "÷", "−", "\\" };

    for (size_t k; at < s.n; at++) {
        if (s.p[at] == '=')
            return at;
        if (is_digit(s, at) || is_latin(s.p[at]) ||
            strchr(" .+-*/()^{}$", s.p[at]))
            continue;
        for (k = 0; k < 4 && !starts_at(s, at, signs[k]); k++)
            ;
        if (k == 4)
            return s.n;
        at += strlen(signs[k]) - 1;
    }
    return s.n;
}

/* The first number of a statement, or what its expression comes to. */
static bool number_of_statement(const struct reader *r, size_t from,
                                struct number *x)
{
    struct reader part = { statement_at(r->s, from), r->t };
    size_t base = (size_t)(part.s.p - r->s.p), eq;
    struct number y;

    if (!find_number(&part, 0, false, true, x))
        return false;
    while ((eq = equals_after(part.s, x->end)) < part.s.n) {
        if (!find_number(&part, eq, false, true, &y))
            break;
        *x = y;
    }
    x->at += base;
    x->end += base;
    return true;
}

/* The last statement of rule i that holds a number, of the last few: an answer
 * that says 答案是 more often than that says nothing. */
static enum err_code stated(const struct reader *r, size_t i, bool *found,
                            struct number *x, struct err *e)
{
    size_t at[STATEMENTS_MOST], n = 0, from = 0;
    enum err_code rc = ERR_OK;
    struct pattern_hit h;
    struct number y;
    bool hit = true;

    while (!rc && hit) {
        rc = match_rules_find(&statements, i, r->s, from, &h, &hit, e);
        if (rc || !hit)
            break;
        at[n++ % STATEMENTS_MOST] = h.g[1].at;
        from = h.g[1].at > from ? h.g[1].at : from + 1;
    }
    for (size_t k = n; k-- > 0 && n - k <= STATEMENTS_MOST;) {
        if (!number_of_statement(r, at[k % STATEMENTS_MOST], &y))
            continue;
        if (!*found || y.at >= x->at)
            *x = y;
        *found = true;
        break;
    }
    return rc;
}

static bool after_equals(struct str s, size_t at)
{
    while (at && strchr(" *_$`(", s.p[at - 1]))
        at--;
    return at && s.p[at - 1] == '=';
}

/* Rules of one name are forms of one statement: the last of them counts. */
static enum err_code find_answer(const struct reader *r, const char **rule,
                                 struct number *x, struct err *e)
{
    enum err_code rc = match_rules_open(&statements, e);
    bool found = false;

    *rule = "";
    for (size_t i = 0; i < statements.n && !rc; i++) {
        if (found && strcmp(rules[i].name, *rule) != 0)
            break;
        rc = stated(r, i, &found, x, e);
        if (found)
            *rule = rules[i].name;
    }
    if (rc || found)
        return rc;
    if (find_number(r, 0, true, false, x))
        *rule = after_equals(r->s, x->at) ? "equals" : "last-number";
    else if (find_number(r, 0, true, true, x))
        *rule = "last-numeral";
    return ERR_OK;
}

/* ---- comparing ---- */

struct want {
    struct rat value;
    const struct unit *unit;
};

/* A string or number; {"value": ..., "unit": "km"} names the unit apart. */
static enum err_code read_want(const struct json *j, struct arena *a,
                               struct want *w, struct err *e)
{
    bool object = j && json_type(j) == JSON_OBJECT;
    const struct json *value = object ? json_get(j, "value") : j;
    const char *unit = json_string(object ? json_get(j, "unit") : NULL);
    struct reader r = { .t = NULL };
    struct number x;
    enum err_code rc;

    if (value && json_type(value) == JSON_NUMBER) {
        w->value = rat_of_double(json_number(value));
        w->unit = NULL;
    } else if (json_string(value)) {
        rc =
            match_fold(str_trim(str_of(json_string(value))), FLAGS, a, &r.s, e);
        if (rc)
            return rc;
        if (!read_number(&r, 0, &x))
            return err_set(e, ERR_FORMAT,
                           "answer: expected a number, got \"%s\"",
                           json_string(value));
        *w = (struct want){ x.value, x.unit };
    } else {
        return err_set(e, ERR_FORMAT,
                       "answer: expected a number, a string "
                       "with one, or {\"value\", \"unit\"}");
    }
    if (!unit)
        return ERR_OK;
    rc = match_fold(str_of(unit), FLAGS, a, &r.s, e);
    w->unit = rc ? NULL : unit_at(r.s);
    if (!rc && (!w->unit || strlen(w->unit->name) != r.s.n))
        rc = err_set(e, ERR_FORMAT, "unit: \"%s\" is not known", unit);
    return rc;
}

/* The value in the unit that is wanted; false when the units are of different
 * kinds.  A bare number is taken to be in the wanted unit. */
static bool convert(const struct number *x, const struct unit *to,
                    struct rat *v)
{
    *v = x->value;
    if (!to || !x->unit || to == x->unit)
        return true;
    if (to->kind != x->unit->kind)
        return false;
    *v = rat_mul(*v, rat_make(x->unit->num, x->unit->den));
    *v = rat_div(*v, rat_make(to->num, to->den));
    return true;
}

static bool equals(const struct number *x, const struct want *w,
                   const struct json *options)
{
    double tolerance = json_number(json_get(options, "tolerance"));
    double relative = json_number(json_get(options, "relative"));
    struct rat v;
    double off;

    if (!convert(x, w->unit, &v))
        return false;
    off = fabs(v.v - w->value.v) - fabs(w->value.v) * 1e-12;
    return rat_same(v, w->value) || (tolerance > 0 && off <= tolerance) ||
           (relative > 0 && off <= relative * fabs(w->value.v));
}

static enum err_code is_right(const struct match_in *in, const struct number *x,
                              struct arena *a, bool *yes, struct err *e)
{
    bool list = json_type(in->expected) == JSON_ARRAY;
    const struct json *j = list ? json_child(in->expected) : in->expected;
    enum err_code rc = ERR_OK;
    struct want w;

    *yes = false;
    while (j && !rc && !*yes) {
        rc = read_want(j, a, &w, e);
        if (!rc)
            *yes = equals(x, &w, in->options);
        j = list ? json_next(j) : NULL;
    }
    return rc;
}

static enum err_code judge(const struct match_in *in, struct match_text *t,
                           struct arena *a, struct match_out *out,
                           struct err *e)
{
    struct reader r = { buf_view(&t->text), t };
    enum err_code rc;
    struct number x;
    bool yes;

    rc = find_answer(&r, &out->rule, &x, e);
    if (rc)
        return rc;
    if (!*out->rule || (!strncmp(out->rule, "last", 4) &&
                        match_is_refusal(in->response, NULL, NULL))) {
        match_no_answer(in, out);
        return ERR_OK;
    }
    rc = is_right(in, &x, a, &yes, e);
    match_set_span(out, t, x.at, x.end);
    out->extracted = arena_dup(a, in->response.p + out->span_at, out->span_len);
    if (!rc && !out->extracted)
        rc = err_set(e, ERR_NOMEM, "matcher: out of memory");
    out->verdict = yes ? VERDICT_CORRECT : VERDICT_WRONG;
    out->score = yes ? 1 : 0;
    return rc;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct match_text t;
    enum err_code rc;

    *out = (struct match_out){ .verdict = VERDICT_UNPARSABLE,
                               .extracted = "",
                               .rule = "" };
    rc = match_text_open(&t, in->response, FLAGS, LOOKS_AT, e);
    if (!rc)
        rc = judge(in, &t, a, out, e);
    match_text_close(&t);
    return rc;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "tolerance", "relative",
                                         NULL };
    enum err_code rc = json_only(in->options, known, e);
    bool list = in->expected && json_type(in->expected) == JSON_ARRAY;
    const struct json *j = list ? json_child(in->expected) : in->expected;
    double tolerance = 0, relative = 0;
    struct arena a;
    struct want w;

    if (!rc)
        rc = json_get_num_or(in->options, "tolerance", 0, &tolerance, e);
    if (!rc)
        rc = json_get_num_or(in->options, "relative", 0, &relative, e);
    if (!rc && (tolerance < 0 || relative < 0))
        rc = err_set(e, ERR_FORMAT, "tolerance: expected 0 or more");
    if (!rc && list && !j)
        rc = err_set(e, ERR_FORMAT, "answer: the list is empty");
    arena_init(&a, 0);
    do {
        if (!rc)
            rc = read_want(j, &a, &w, e);
        j = list && j ? json_next(j) : NULL;
    } while (j && !rc);
    arena_free(&a);
    return rc;
}

const struct match_kind match_number = {
    .name = "number",
    .version = 1,
    .doc = "a number in any form; exact, with units",
    .help =
        "answer: 35, \"3/4\", \"50%\", \"1.2亿\", \"3公里\", or\n"
        "  {\"value\": 3, \"unit\": \"km\"}; a list accepts any one of them.\n"
        "  50% = 0.5 = 百分之五十 = 五成; where the answer has a unit, 3000米\n"
        "  equals 3km, and a bare number is taken to be in that unit.\n"
        "tolerance: 0.01 - largest difference that still counts as equal;\n"
        "relative: 0.01 - the same as a part of the answer.  Default: exact.\n"
        "Reads what is stated as the answer (\\boxed{}, ####, 答案是, 【】),\n"
        "else the last number of the text.",
    .check = check,
    .run = run,
};
