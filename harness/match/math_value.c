/* What trees come to where they are no fractions: complex numbers of 256 bits,
 * by MPFR; and the comparison of two trees.
 *
 * A numeric comparison allows for cancellation: the largest exponent of all
 * intermediate values says how much of the result can be noise.  Names get
 * values from their letters and the number of the point, so that a verdict is
 * the same on every machine. */
#include <limits.h>
#include <mpfr.h>
#include <stdlib.h>

#include "harness/match/math_exact.h"

enum {
    PRECISION = 256,
    SAME_BITS = 180,  /* relative agreement of equal values */
    NOISE_BITS = 200, /* below the largest intermediate value */
    ANGLE_BITS_MOST = 200,
    POINTS = 24,
    POINTS_NEEDED = 4,
    FUNCTION_STEPS = 20
};

struct value {
    mpfr_t re, im;
};

struct env {
    struct math_work *work;
    unsigned point;
    mpfr_exp_t top; /* largest exponent of all values */
};

static void eval(struct env *v, const struct math *m, struct value *x);

static void value_init(struct value *x)
{
    mpfr_inits2(PRECISION, x->re, x->im, (mpfr_ptr)NULL);
    mpfr_set_zero(x->im, 1);
}

static void value_clear(struct value *x)
{
    mpfr_clears(x->re, x->im, (mpfr_ptr)NULL);
}

static void set_nan(struct value *x)
{
    mpfr_set_nan(x->re);
    mpfr_set_zero(x->im, 1);
}

static bool is_real(const struct value *x)
{
    return mpfr_zero_p(x->im);
}

static bool is_usable(const struct value *x)
{
    return mpfr_number_p(x->re) && mpfr_number_p(x->im);
}

static void add(struct value *x, struct value *y)
{
    mpfr_add(x->re, x->re, y->re, MPFR_RNDN);
    mpfr_add(x->im, x->im, y->im, MPFR_RNDN);
}

static void multiply(struct value *x, struct value *y)
{
    struct value r;

    if (is_real(x) && is_real(y)) {
        mpfr_mul(x->re, x->re, y->re, MPFR_RNDN);
        return;
    }
    value_init(&r);
    mpfr_fmms(r.re, x->re, y->re, x->im, y->im, MPFR_RNDN);
    mpfr_fmma(r.im, x->re, y->im, x->im, y->re, MPFR_RNDN);
    mpfr_swap(r.re, x->re);
    mpfr_swap(r.im, x->im);
    value_clear(&r);
}

static void divide(struct value *x, struct value *y)
{
    mpfr_t norm;

    if (mpfr_zero_p(y->re) && mpfr_zero_p(y->im)) {
        set_nan(x);
        return;
    }
    if (is_real(y)) {
        mpfr_div(x->re, x->re, y->re, MPFR_RNDN);
        mpfr_div(x->im, x->im, y->re, MPFR_RNDN);
        return;
    }
    mpfr_init2(norm, PRECISION);
    mpfr_fmma(norm, y->re, y->re, y->im, y->im, MPFR_RNDN);
    mpfr_neg(y->im, y->im, MPFR_RNDN);
    multiply(x, y);
    mpfr_div(x->re, x->re, norm, MPFR_RNDN);
    mpfr_div(x->im, x->im, norm, MPFR_RNDN);
    mpfr_clear(norm);
}

/* e ^ x for a complex x. */
static void exponential(struct value *x)
{
    mpfr_t size;

    if (!mpfr_number_p(x->im) || !mpfr_number_p(x->re) ||
        (mpfr_regular_p(x->im) && mpfr_get_exp(x->im) > ANGLE_BITS_MOST)) {
        set_nan(x);
        return;
    }
    mpfr_init2(size, PRECISION);
    mpfr_exp(size, x->re, MPFR_RNDN);
    mpfr_sin_cos(x->im, x->re, x->im, MPFR_RNDN);
    mpfr_mul(x->re, x->re, size, MPFR_RNDN);
    mpfr_mul(x->im, x->im, size, MPFR_RNDN);
    mpfr_clear(size);
}

/* Whole powers of complex bases, complex powers of positive ones. */
static void complex_power(struct value *x, struct value *y)
{
    long n;
    struct value base;

    if (is_real(x) && mpfr_sgn(x->re) > 0) {
        mpfr_log(x->re, x->re, MPFR_RNDN);
        multiply(x, y);
        exponential(x);
        return;
    }
    if (!is_real(y) || !mpfr_integer_p(y->re) ||
        mpfr_cmpabs_ui(y->re, 64) > 0) {
        set_nan(x);
        return;
    }
    n = mpfr_get_si(y->re, MPFR_RNDN);
    value_init(&base);
    mpfr_swap(base.re, x->re);
    mpfr_swap(base.im, x->im);
    mpfr_set_ui(x->re, 1, MPFR_RNDN);
    mpfr_set_zero(x->im, 1);
    for (long i = 0; i < labs(n); i++)
        multiply(x, &base);
    if (n < 0) {
        mpfr_swap(base.re, x->re);
        mpfr_swap(base.im, x->im);
        mpfr_set_ui(x->re, 1, MPFR_RNDN);
        mpfr_set_zero(x->im, 1);
        divide(x, &base);
    }
    value_clear(&base);
}

static void power(struct value *x, struct value *y)
{
    if (!is_real(x) || !is_real(y))
        complex_power(x, y);
    else if (mpfr_zero_p(x->re) && mpfr_sgn(y->re) <= 0)
        set_nan(x);
    else
        mpfr_pow(x->re, x->re, y->re, MPFR_RNDN);
}

/* The real root where there is one; √ of a negative number is imaginary. */
static void root(struct value *x, struct value *y)
{
    unsigned long n;

    if (!is_real(x) || !is_real(y) || !mpfr_integer_p(y->re) ||
        mpfr_sgn(y->re) <= 0 || mpfr_cmp_ui(y->re, MATH_ROOT_MOST) > 0) {
        set_nan(x);
        return;
    }
    n = mpfr_get_ui(y->re, MPFR_RNDN);
    if (n == 2 && mpfr_sgn(x->re) < 0) {
        mpfr_neg(x->re, x->re, MPFR_RNDN);
        mpfr_sqrt(x->im, x->re, MPFR_RNDN);
        mpfr_set_zero(x->re, 1);
    } else {
        mpfr_rootn_ui(x->re, x->re, n, MPFR_RNDN);
    }
}

static void factorial(struct value *x)
{
    if (!is_real(x) || !mpfr_integer_p(x->re) || mpfr_sgn(x->re) < 0 ||
        mpfr_cmp_ui(x->re, MATH_FACTORIAL_MOST) > 0)
        set_nan(x);
    else
        mpfr_fac_ui(x->re, mpfr_get_ui(x->re, MPFR_RNDN), MPFR_RNDN);
}

/* n (n-1) ... (n-k+1) / k! */
static void binomial(struct value *x, struct value *y)
{
    mpfr_t n;
    unsigned long k;

    if (!is_real(x) || !is_real(y) || !mpfr_integer_p(y->re) ||
        mpfr_sgn(y->re) < 0 || mpfr_cmp_ui(y->re, 64) > 0) {
        set_nan(x);
        return;
    }
    k = mpfr_get_ui(y->re, MPFR_RNDN);
    mpfr_init2(n, PRECISION);
    mpfr_set(n, x->re, MPFR_RNDN);
    mpfr_set_ui(x->re, 1, MPFR_RNDN);
    for (unsigned long i = 0; i < k; i++) {
        mpfr_mul(x->re, x->re, n, MPFR_RNDN);
        mpfr_div_ui(x->re, x->re, i + 1, MPFR_RNDN);
        mpfr_sub_ui(n, n, 1, MPFR_RNDN);
    }
    mpfr_clear(n);
}

static void logarithm(struct value *x)
{
    if (!is_real(x) || mpfr_sgn(x->re) <= 0)
        set_nan(x);
    else
        mpfr_log(x->re, x->re, MPFR_RNDN);
}

static void apply(int f, struct value *x)
{
    static int (*const real[])(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t) = {
        [FUNCTION_SIN] = mpfr_sin,   [FUNCTION_COS] = mpfr_cos,
        [FUNCTION_TAN] = mpfr_tan,   [FUNCTION_COT] = mpfr_cot,
        [FUNCTION_SEC] = mpfr_sec,   [FUNCTION_CSC] = mpfr_csc,
        [FUNCTION_ASIN] = mpfr_asin, [FUNCTION_ACOS] = mpfr_acos,
        [FUNCTION_ATAN] = mpfr_atan, [FUNCTION_LN] = mpfr_log,
        [FUNCTION_LG] = mpfr_log10,  [FUNCTION_EXP] = mpfr_exp,
    };
    bool far = mpfr_regular_p(x->re) && mpfr_get_exp(x->re) > ANGLE_BITS_MOST &&
               f <= FUNCTION_CSC;

    if (!is_real(x) && f == FUNCTION_EXP)
        exponential(x);
    else if (!is_real(x) || far)
        set_nan(x);
    else
        real[f](x->re, x->re, MPFR_RNDN);
}

static void degrees(struct value *x)
{
    struct value pi;

    value_init(&pi);
    mpfr_const_pi(pi.re, MPFR_RNDN);
    mpfr_div_ui(pi.re, pi.re, 180, MPFR_RNDN);
    multiply(x, &pi);
    value_clear(&pi);
}

static void with_unit(const struct unit *u, struct value *x)
{
    mpq_t factor;

    mpq_init(factor);
    mpq_set_ui(factor, 1, 1);
    math_set_rat(factor, u->over.factor);
    mpfr_mul_q(x->re, x->re, factor, MPFR_RNDN);
    math_set_rat(factor, u->under.factor);
    mpfr_div_q(x->re, x->re, factor, MPFR_RNDN);
    mpq_clear(factor);
}

/* A value of a name at a point: 8 points of positive ones, then of any sign,
 * then between 0 and 1, then small integers. */
static double point_value(struct str name, unsigned point)
{
    unsigned long long h = 1469598103934665603ull;
    double unit;

    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (unsigned char)name.p[i]) * 1099511628211ull;
    h = (h ^ point) * 1099511628211ull;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9ull;
    h ^= h >> 32;
    unit = (double)(h % 1000003 + 1) / 1000033.0;
    if (point < 8)
        return 0.2 + 3.1 * unit;
    if (point < 14)
        return 6.3 * unit - 3.1;
    if (point < 18)
        return unit;
    return (double)(1 + h % 9);
}

static void leaf(const struct env *v, const struct math *m, struct value *x)
{
    mpq_t q;

    if (m->op == MATH_PI) {
        mpfr_const_pi(x->re, MPFR_RNDN);
    } else if (m->op == MATH_E) {
        mpfr_set_ui(x->re, 1, MPFR_RNDN);
        mpfr_exp(x->re, x->re, MPFR_RNDN);
    } else if (m->op == MATH_I) {
        mpfr_set_zero(x->re, 1);
        mpfr_set_ui(x->im, 1, MPFR_RNDN);
    } else if (m->op == MATH_NAME) {
        mpfr_set_d(x->re, point_value(m->text, v->point), MPFR_RNDN);
    } else if (m->op == MATH_NUMBER) {
        mpq_init(q);
        if (math_exact_number(m, q) == EXACT)
            mpfr_set_q(x->re, q, MPFR_RNDN);
        else
            set_nan(x);
        mpq_clear(q);
    } else {
        set_nan(x);
    }
}

static void eval_one(struct env *v, const struct math *m, struct value *x)
{
    eval(v, m->arg[0], x);
    if (m->op == MATH_NEGATE) {
        mpfr_neg(x->re, x->re, MPFR_RNDN);
        mpfr_neg(x->im, x->im, MPFR_RNDN);
    } else if (m->op == MATH_ABS) {
        mpfr_hypot(x->re, x->re, x->im, MPFR_RNDN);
        mpfr_set_zero(x->im, 1);
    } else if (m->op == MATH_FACTORIAL) {
        factorial(x);
    } else if (m->op == MATH_FUNCTION) {
        v->work->steps -= FUNCTION_STEPS;
        apply(m->sub, x);
    } else if (m->op == MATH_DEGREE) {
        degrees(x);
    } else if (m->op == MATH_UNIT) {
        if (!v->work->bare)
            with_unit(m->unit, x);
    } else {
        set_nan(x);
    }
}

/* log of y to the base x. */
static void log_to_base(struct value *x, struct value *y)
{
    logarithm(x);
    logarithm(y);
    divide(y, x);
    mpfr_swap(x->re, y->re);
    mpfr_swap(x->im, y->im);
}

static void eval_two(struct env *v, const struct math *m, struct value *x)
{
    static void (*const two[MATH_OPS])(struct value *, struct value *) = {
        [MATH_ADD] = add,         [MATH_MULTIPLY] = multiply,
        [MATH_DIVIDE] = divide,   [MATH_POWER] = power,
        [MATH_ROOT] = root,       [MATH_BINOMIAL] = binomial,
        [MATH_LOG] = log_to_base,
    };
    struct value y;

    value_init(&y);
    eval(v, m->arg[0], x);
    eval(v, m->arg[1], &y);
    v->work->steps -= m->op >= MATH_POWER ? FUNCTION_STEPS : 0;
    if (!two[m->op] || v->work->failed || !is_usable(x) || !is_usable(&y))
        set_nan(x);
    else
        two[m->op](x, &y);
    value_clear(&y);
}

static void note_size(struct env *v, const mpfr_t x)
{
    if (mpfr_regular_p(x) && mpfr_get_exp(x) > v->top)
        v->top = mpfr_get_exp(x);
}

/* NaN where there is no value, or no steps or memory to find it. */
static void eval(struct env *v, const struct math *m, struct value *x)
{
    if (--v->work->steps < 0 || v->work->failed || m->op >= MATH_GROUP)
        set_nan(x);
    else if (!m->n)
        leaf(v, m, x);
    else if (m->n == 1)
        eval_one(v, m, x);
    else
        eval_two(v, m, x);
    note_size(v, x->re);
    note_size(v, x->im);
}

/* ---- comparing ---- */

static mpfr_exp_t exponent_of(const struct value *x)
{
    mpfr_exp_t re = mpfr_regular_p(x->re) ? mpfr_get_exp(x->re) : LONG_MIN;
    mpfr_exp_t im = mpfr_regular_p(x->im) ? mpfr_get_exp(x->im) : LONG_MIN;

    return re > im ? re : im;
}

/* Whether x and y are the same but for noise; x is spoiled. */
static bool close_to(struct value *x, const struct value *y, mpfr_exp_t top)
{
    mpfr_exp_t size = exponent_of(x), off;

    if (exponent_of(y) > size)
        size = exponent_of(y);
    mpfr_sub(x->re, x->re, y->re, MPFR_RNDN);
    mpfr_sub(x->im, x->im, y->im, MPFR_RNDN);
    off = exponent_of(x);
    return off == LONG_MIN || off < size - SAME_BITS || off < top - NOISE_BITS;
}

/* |x - y| within the tolerance; y is what the part is of. */
static bool tolerated(const struct value *x, const struct value *y,
                      double tolerance, double relative)
{
    double a = mpfr_get_d(x->re, MPFR_RNDN), b = mpfr_get_d(y->re, MPFR_RNDN);
    double size = a < 0 ? -a : a, other = b < 0 ? -b : b;
    double off = a > b ? a - b : b - a;

    if (!is_real(x) || !is_real(y))
        return false;
    size = size > other ? size : other;
    off -= size * 1e-12;
    return (tolerance > 0 && off <= tolerance) ||
           (relative > 0 && off <= relative * size);
}

struct pair {
    struct value x, y;
    mpfr_exp_t top;
};

static void pair_open(struct pair *p)
{
    value_init(&p->x);
    value_init(&p->y);
}

static void pair_close(struct pair *p)
{
    value_clear(&p->x);
    value_clear(&p->y);
}

/* Both values at a point; false where one is missing. */
static bool pair_eval(struct math_work *w, struct pair *p, unsigned point,
                      const struct math *x, const struct math *y)
{
    struct env v = { .work = w, .point = point, .top = -1000 };

    mpfr_set_zero(p->x.im, 1);
    mpfr_set_zero(p->y.im, 1);
    eval(&v, x, &p->x);
    eval(&v, y, &p->y);
    p->top = v.top;
    return w->steps >= 0 && !w->failed && is_usable(&p->x) && is_usable(&p->y);
}

static enum math_equal constants(struct math_work *w, const struct math *x,
                                 const struct math *y, double tolerance,
                                 double relative)
{
    enum math_equal equal = MATH_UNKNOWN;
    struct pair p;

    pair_open(&p);
    if (pair_eval(w, &p, 0, x, y)) {
        if (tolerated(&p.x, &p.y, tolerance, relative))
            equal = MATH_SAME;
        else if (!close_to(&p.x, &p.y, p.top))
            equal = MATH_OTHER;
        else
            equal = w->large ? MATH_UNKNOWN : MATH_SAME;
    }
    pair_close(&p);
    return equal;
}

/* All points where both have a value must agree, and enough of them be. */
static enum math_equal functions(struct math_work *w, const struct math *x,
                                 const struct math *y)
{
    unsigned agree = 0;
    bool differ = false;
    struct pair p;

    pair_open(&p);
    for (unsigned i = 0; i < POINTS && !differ && w->steps >= 0; i++) {
        if (!pair_eval(w, &p, i, x, y))
            continue;
        differ = !close_to(&p.x, &p.y, p.top);
        agree += !differ;
    }
    pair_close(&p);
    if (differ)
        return MATH_OTHER;
    return agree >= POINTS_NEEDED && w->steps >= 0 ? MATH_SAME : MATH_UNKNOWN;
}

enum math_equal math_compare(struct math_work *w, const struct math *x,
                             const struct math *y, double tolerance,
                             double relative)
{
    bool tolerant = tolerance > 0 || relative > 0, equal = false;
    enum math_exact a, b;
    mpq_t p, q;

    mpq_inits(p, q, (mpq_ptr)NULL);
    a = math_exact(w, x, p);
    b = math_exact(w, y, q);
    if (!a && !b)
        equal = mpq_equal(p, q) != 0;
    mpq_clears(p, q, (mpq_ptr)NULL);
    w->large = a == LARGE || b == LARGE;
    if (!a && !b && (equal || !tolerant))
        return equal ? MATH_SAME : MATH_OTHER;
    if (a == UNDEFINED || b == UNDEFINED)
        return MATH_UNKNOWN;
    if (math_has(x, MATH_NAME) || math_has(y, MATH_NAME))
        return functions(w, x, y);
    return constants(w, x, y, tolerance, relative);
}

enum math_equal math_proportional(struct math_work *w, const struct math *x,
                                  const struct math *y)
{
    struct pair first, p;
    unsigned seen = 0;
    bool differ = false;

    pair_open(&first);
    pair_open(&p);
    for (unsigned i = 0; i < POINTS && !differ && w->steps >= 0; i++) {
        struct pair *at = seen ? &p : &first;

        if (!pair_eval(w, at, i, x, y))
            continue;
        if (!seen && (mpfr_zero_p(at->x.re) || mpfr_zero_p(at->y.re)))
            continue;
        seen++;
        if (at == &first)
            continue;
        multiply(&p.x, &first.y);
        multiply(&p.y, &first.x);
        differ = !close_to(&p.x, &p.y, p.top + first.top);
    }
    pair_close(&first);
    pair_close(&p);
    if (differ)
        return MATH_OTHER;
    return seen > POINTS_NEEDED ? MATH_SAME : MATH_UNKNOWN;
}
