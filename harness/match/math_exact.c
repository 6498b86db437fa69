/* Fractions of any size up to a limit, by GMP. */
#include "harness/match/math_exact.h"

#include <stdlib.h>
#include <string.h>

enum { BITS_MOST = 1 << 14, DIGITS_MOST = 400, EXPONENT_MOST = 4000 };

static size_t bits(const mpq_t r)
{
    return mpz_sizeinbase(mpq_numref(r), 2) + mpz_sizeinbase(mpq_denref(r), 2);
}

static void set_digits(mpz_t z, struct str s)
{
    char text[DIGITS_MOST + 1];
    size_t n = s.n < DIGITS_MOST ? s.n : DIGITS_MOST;

    memcpy(text, s.p, n);
    text[n] = '\0';
    (void)mpz_set_str(z, text, 10);
}

enum math_exact math_exact_number(const struct math *m, mpq_t r)
{
    long exp = m->exponent;
    mpz_t scale;

    if (labs(exp) > EXPONENT_MOST)
        return LARGE;
    set_digits(mpq_numref(r), m->text);
    if (m->over.n)
        set_digits(mpq_denref(r), m->over);
    mpz_init(scale);
    mpz_ui_pow_ui(scale, 10, (unsigned long)labs(exp));
    if (exp < 0)
        mpz_mul(mpq_denref(r), mpq_denref(r), scale);
    else
        mpz_mul(mpq_numref(r), mpq_numref(r), scale);
    mpz_clear(scale);
    mpq_canonicalize(r);
    return EXACT;
}

static bool is_whole(const mpq_t r)
{
    return mpz_cmp_ui(mpq_denref(r), 1) == 0;
}

/* r = r ^ exp */
static enum math_exact exact_whole_power(mpq_t r, const mpz_t exp)
{
    unsigned long n;

    if (mpz_sgn(exp) == 0) {
        mpq_set_ui(r, 1, 1);
        return EXACT;
    }
    if (mpq_sgn(r) == 0)
        return mpz_sgn(exp) < 0 ? UNDEFINED : EXACT;
    if (is_whole(r) && mpz_cmpabs_ui(mpq_numref(r), 1) == 0) {
        if (mpz_even_p(exp))
            mpq_set_ui(r, 1, 1);
        return EXACT;
    }
    if (mpz_cmpabs_ui(exp, BITS_MOST) > 0 ||
        bits(r) * (n = mpz_get_ui(exp)) > 2 * BITS_MOST)
        return LARGE;
    mpz_pow_ui(mpq_numref(r), mpq_numref(r), n);
    mpz_pow_ui(mpq_denref(r), mpq_denref(r), n);
    if (mpz_sgn(exp) < 0)
        mpq_inv(r, r);
    return EXACT;
}

/* r = the root of that degree, if it is a fraction. */
static enum math_exact exact_root(mpq_t r, const mpz_t degree)
{
    unsigned long n;
    bool whole;

    if (mpz_sgn(degree) <= 0 || mpz_cmp_ui(degree, MATH_ROOT_MOST) > 0)
        return INEXACT;
    n = mpz_get_ui(degree);
    if (mpq_sgn(r) < 0 && n % 2 == 0)
        return INEXACT;
    whole = mpz_root(mpq_numref(r), mpq_numref(r), n) != 0;
    whole = mpz_root(mpq_denref(r), mpq_denref(r), n) != 0 && whole;
    return whole ? EXACT : INEXACT;
}

static enum math_exact exact_power(mpq_t r, const mpq_t exp)
{
    enum math_exact x = EXACT;

    if (!is_whole(exp))
        x = exact_root(r, mpq_denref(exp));
    return x ? x : exact_whole_power(r, mpq_numref(exp));
}

static enum math_exact exact_factorial(mpq_t r)
{
    if (!is_whole(r) || mpq_sgn(r) < 0)
        return UNDEFINED;
    if (mpz_cmp_ui(mpq_numref(r), MATH_FACTORIAL_MOST) > 0)
        return LARGE;
    mpz_fac_ui(mpq_numref(r), mpz_get_ui(mpq_numref(r)));
    return EXACT;
}

static enum math_exact exact_binomial(mpq_t r, const mpq_t k)
{
    if (!is_whole(r) || !is_whole(k) || mpq_sgn(k) < 0)
        return UNDEFINED;
    if (mpz_cmpabs_ui(mpq_numref(r), MATH_FACTORIAL_MOST) > 0 ||
        mpz_cmp_ui(mpq_numref(k), MATH_FACTORIAL_MOST) > 0)
        return LARGE;
    mpz_bin_ui(mpq_numref(r), mpq_numref(r), mpz_get_ui(mpq_numref(k)));
    return EXACT;
}

static void set_int128(mpz_t z, int128 v)
{
    mpz_set_ui(z, (unsigned long)(v >> 62));
    mpz_mul_2exp(z, z, 62);
    mpz_add_ui(z, z, (unsigned long)(v & (((int128)1 << 62) - 1)));
}

void math_set_rat(mpq_t q, struct rat v)
{
    set_int128(mpq_numref(q), v.num);
    set_int128(mpq_denref(q), v.den);
    mpq_canonicalize(q);
}

static void exact_unit(const struct math_work *w, const struct unit *u, mpq_t r)
{
    mpq_t factor;

    if (w->bare)
        return;
    mpq_init(factor);
    math_set_rat(factor, u->over.factor);
    mpq_mul(r, r, factor);
    math_set_rat(factor, u->under.factor);
    mpq_div(r, r, factor);
    mpq_clear(factor);
}

static enum math_exact exact_one(struct math_work *w, const struct math *m,
                                 mpq_t r)
{
    enum math_exact x = math_exact(w, m->arg[0], r);

    if (x)
        return x;
    if (m->op == MATH_NEGATE)
        mpq_neg(r, r);
    else if (m->op == MATH_ABS)
        mpq_abs(r, r);
    else if (m->op == MATH_FACTORIAL)
        x = exact_factorial(r);
    else if (m->op == MATH_UNIT)
        exact_unit(w, m->unit, r);
    else
        x = INEXACT;
    return x;
}

static enum math_exact combine(enum math_op op, mpq_t r, const mpq_t y)
{
    if (op == MATH_ADD)
        mpq_add(r, r, y);
    else if (op == MATH_MULTIPLY)
        mpq_mul(r, r, y);
    else if (op == MATH_DIVIDE && mpq_sgn(y) == 0)
        return UNDEFINED;
    else if (op == MATH_DIVIDE)
        mpq_div(r, r, y);
    else if (op == MATH_POWER)
        return exact_power(r, y);
    else if (op == MATH_ROOT)
        return is_whole(y) ? exact_root(r, mpq_numref(y)) : INEXACT;
    else if (op == MATH_BINOMIAL)
        return exact_binomial(r, y);
    else
        return INEXACT;
    return EXACT;
}

static enum math_exact exact_two(struct math_work *w, const struct math *m,
                                 mpq_t r)
{
    enum math_exact x = math_exact(w, m->arg[0], r), y;
    mpq_t right;

    mpq_init(right);
    y = math_exact(w, m->arg[1], right);
    x = x > y ? x : y;
    if (!x && !w->failed)
        x = combine(m->op, r, right);
    mpq_clear(right);
    return x;
}

enum math_exact math_exact(struct math_work *w, const struct math *m, mpq_t r)
{
    enum math_exact x = INEXACT;

    if (--w->steps < 0 || w->failed)
        return LARGE;
    if (m->op == MATH_NUMBER)
        x = math_exact_number(m, r);
    else if (m->op < MATH_GROUP && m->n == 1)
        x = exact_one(w, m, r);
    else if (m->op < MATH_GROUP && m->n == 2)
        x = exact_two(w, m, r);
    return !x && bits(r) > BITS_MOST ? LARGE : x;
}
