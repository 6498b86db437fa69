/* Exact as long as it can be; what overflows goes on as a double. */
#include "harness/match/rat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MOST = 64, POWER_MOST = 400 };

static int128 gcd(int128 a, int128 b)
{
    while (b) {
        int128 r = a % b;

        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

static struct rat inexact(double v)
{
    return (struct rat){ .v = v };
}

struct rat rat_of(int128 num, int128 den)
{
    const int128 least = -((int128)1 << 126) * 2;
    int128 g;

    if (!den || num == least || den == least)
        return inexact((double)num / (double)den);
    g = gcd(num, den);
    if (den < 0)
        g = -g;
    num /= g;
    den /= g;
    return (struct rat){ num, den, (double)num / (double)den, true };
}

struct rat rat_add(struct rat a, struct rat b)
{
    int128 x, y, sum, den;

    if (!a.exact || !b.exact || __builtin_mul_overflow(a.num, b.den, &x) ||
        __builtin_mul_overflow(b.num, a.den, &y) ||
        __builtin_add_overflow(x, y, &sum) ||
        __builtin_mul_overflow(a.den, b.den, &den))
        return inexact(a.v + b.v);
    return rat_of(sum, den);
}

struct rat rat_mul(struct rat a, struct rat b)
{
    int128 num, den;

    if (!a.exact || !b.exact || __builtin_mul_overflow(a.num, b.num, &num) ||
        __builtin_mul_overflow(a.den, b.den, &den))
        return inexact(a.v * b.v);
    return rat_of(num, den);
}

struct rat rat_div(struct rat a, struct rat b)
{
    if (!b.exact || !b.num)
        return inexact(a.v / b.v);
    return rat_mul(a, rat_of(b.den, b.num));
}

struct rat rat_pow(struct rat a, long exp)
{
    struct rat r = rat_of(1, 1);

    if (labs(exp) > POWER_MOST)
        return inexact(pow(a.v, (double)exp));
    for (long i = 0; i < labs(exp); i++)
        r = rat_mul(r, a);
    return exp < 0 ? rat_div(rat_of(1, 1), r) : r;
}

struct rat rat_decimal(const char *s, size_t n)
{
    int128 num = 0;
    long scale = 0;
    bool point = false;
    char text[DIGITS_MOST + 1];

    if (n > DIGITS_MOST)
        n = DIGITS_MOST;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.') {
            point = true;
            continue;
        }
        if (__builtin_mul_overflow(num, 10, &num) ||
            __builtin_add_overflow(num, s[i] - '0', &num)) {
            memcpy(text, s, n);
            text[n] = '\0';
            return inexact(strtod(text, NULL));
        }
        scale -= point;
    }
    return rat_mul(rat_of(num, 1), rat_pow(rat_of(10, 1), scale));
}

struct rat rat_of_double(double v)
{
    char text[40];
    char *mark;
    struct rat r;
    size_t n;
    long exp;

    (void)snprintf(text, sizeof(text), "%.14e", fabs(v));
    mark = strchr(text, 'e');
    if (!mark)
        return inexact(v);
    n = (size_t)(mark - text);
    while (n > 1 && (text[n - 1] == '0' || text[n - 1] == '.'))
        n--;
    exp = strtol(mark + 1, NULL, 10);
    r = rat_mul(rat_decimal(text, n), rat_pow(rat_of(10, 1), exp));
    return v < 0 ? rat_mul(r, rat_of(-1, 1)) : r;
}

bool rat_same(struct rat a, struct rat b)
{
    double scale = fmax(fabs(a.v), fabs(b.v));

    if (a.exact && b.exact)
        return a.num == b.num && a.den == b.den;
    return fabs(a.v - b.v) <= scale * 1e-12;
}
