/* Whether two answers say the same: what form they have is taken off first.
 *
 *   x = 3 says 3 to one who asked for x; x ∈ (1,2), {x | 1 < x < 2}, 1 < x < 2
 *   and (1,2) are one region; ±2 and x = 2 或 x = -2 are one set; an equation
 *   is any multiple of itself; (1,2) is ordered, {1,2} is not.
 *
 * Each rule is symmetric: it looks at both answers in the same way. */
#include <string.h>

#include "harness/base/buf.h"
#include "harness/match/math.h"

enum { ITEMS_MOST = 64, DEPTH_MOST = 16 };

struct compare {
    const struct math_same *c;
    unsigned depth;
    bool failed; /* no memory */
};

static enum math_equal same(struct compare *k, const struct math *x,
                            const struct math *y);

/* ---- looking at trees ---- */

static bool is_relation(const struct math *m, int relation)
{
    return m->op == MATH_RELATION && m->sub == relation;
}

static bool is_equation(const struct math *m)
{
    return is_relation(m, RELATION_EQUAL) || is_relation(m, RELATION_ABOUT);
}

static bool is_inequality(const struct math *m)
{
    return m->op == MATH_RELATION && m->sub >= RELATION_UNEQUAL &&
           m->sub <= RELATION_GREATER_EQUAL;
}

static bool identical(const struct math *x, const struct math *y)
{
    if (x->op != y->op || x->sub != y->sub || x->close != y->close ||
        x->n != y->n || x->exponent != y->exponent ||
        !str_eq(x->text, y->text) || !str_eq(x->over, y->over))
        return false;
    if (x->unit && (!unit_like(x->unit, y->unit) ||
                    !rat_same(unit_ratio(x->unit, y->unit), rat_of(1, 1))))
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (!identical(x->arg[i], y->arg[i]))
            return false;
    return true;
}

/* What stands left of the = of an answer: x, f(x), S_n, |AB|, sin A; no
 * number is in it. */
static bool is_label(const struct math *m)
{
    bool sets = m->op == MATH_UNION || m->op == MATH_SECTION;

    return !math_has(m, MATH_NUMBER) && (m->op < MATH_GROUP || sets) &&
           m->op != MATH_ADD && m->op != MATH_NEGATE &&
           (math_has(m, MATH_NAME) || math_has(m, MATH_E));
}

/* The name without what is below it: x of x_1. */
static struct str stem(struct str name)
{
    size_t at = str_find(name, STR("_"), 0);

    return at == (size_t)-1 ? name : str_sub(name, 0, at);
}

/* x and x_1 may be the same unknown, x_1 and x_2 are not; y may be f(x). */
static bool labels_agree(const struct math *x, const struct math *y)
{
    bool bare;

    if (x->op != y->op)
        return true;
    if (x->op != MATH_NAME)
        return identical(x, y);
    bare = stem(x->text).n == x->text.n || stem(y->text).n == y->text.n;
    return str_eq(x->text, y->text) ||
           (bare && str_eq(stem(x->text), stem(y->text)));
}

/* ---- taking the form off ---- */

/* P(1,2) is the point (1,2). */
static bool is_point(const struct math *m)
{
    return m->op == MATH_MULTIPLY && m->arg[0]->op == MATH_NAME &&
           m->arg[1]->op == MATH_GROUP;
}

/* {x | c} says c, x ∈ S says S. */
static const struct math *unwrap(const struct math *m)
{
    for (;;) {
        bool set = m->op == MATH_SET && m->n == 1 &&
                   (is_inequality(m->arg[0]) || m->arg[0]->op == MATH_LIST);

        if (set || m->op == MATH_WHERE)
            m = m->arg[0];
        else if (is_relation(m, RELATION_IN) || is_point(m))
            m = m->arg[1];
        else
            return m;
    }
}

/* The tree with its ± read as + or -. */
static const struct math *signed_copy(struct compare *k, const struct math *m,
                                      bool minus)
{
    struct math *copy;
    bool pm = m->op == MATH_PLUS_MINUS;

    if (!math_has(m, MATH_PLUS_MINUS))
        return m;
    copy = math_node(k->c->arena, pm ? MATH_ADD : m->op, m->n);
    if (!copy)
        return NULL;
    copy->sub = m->sub;
    copy->close = m->close;
    copy->unit = m->unit;
    for (size_t i = 0; i < m->n; i++) {
        copy->arg[i] = signed_copy(k, m->arg[i], minus);
        if (!copy->arg[i])
            return NULL;
    }
    if (pm && minus != (m->sub != 0))
        copy->arg[1] = math_node2(k->c->arena, MATH_NEGATE, copy->arg[1], NULL);
    return !pm || copy->arg[1] ? copy : NULL;
}

struct items {
    const struct math *item[ITEMS_MOST];
    size_t n;
    bool failed; /* too many, or no memory */
};

static void add_item(struct items *l, const struct math *m)
{
    if (!m || l->n == ITEMS_MOST)
        l->failed = true;
    else
        l->item[l->n++] = m;
}

/* All that an answer lists: items of lists and sets, both signs of ±. */
static void list_items(struct compare *k, const struct math *m, struct items *l)
{
    if (is_equation(m) && is_label(m->arg[0]) &&
        (m->arg[1]->op == MATH_SET || m->arg[1]->op == MATH_LIST))
        m = m->arg[1];
    m = unwrap(m);
    if (m->op == MATH_LIST || m->op == MATH_SET) {
        for (size_t i = 0; i < m->n; i++)
            list_items(k, m->arg[i], l);
    } else if (math_has(m, MATH_PLUS_MINUS) && m->op != MATH_GROUP) {
        add_item(l, signed_copy(k, m, false));
        add_item(l, signed_copy(k, m, true));
    } else {
        add_item(l, m);
    }
}

/* ---- lists ---- */

/* Which things of two lists are the same.  All pairs are compared, so that the
 * verdict and what it costs do not depend on the order. */
struct pairs {
    unsigned char equal[ITEMS_MOST][ITEMS_MOST]; /* enum math_equal */
    size_t n;
    size_t owner[ITEMS_MOST]; /* of y's things; n: none */
    bool seen[ITEMS_MOST];
};

/* Finds a thing for i, moving others where they can go elsewhere. */
static bool assign(struct pairs *p, size_t i, bool unknown)
{
    for (size_t j = 0; j < p->n; j++) {
        int e = p->equal[i][j];

        if (p->seen[j] || (e != MATH_SAME && (e != MATH_UNKNOWN || !unknown)))
            continue;
        p->seen[j] = true;
        if (p->owner[j] == p->n || assign(p, p->owner[j], unknown)) {
            p->owner[j] = i;
            return true;
        }
    }
    return false;
}

/* Whether every thing of x has one of y of its own. */
static bool all_assigned(struct pairs *p, bool unknown)
{
    for (size_t j = 0; j < p->n; j++)
        p->owner[j] = p->n;
    for (size_t i = 0; i < p->n; i++) {
        memset(p->seen, 0, sizeof(p->seen));
        if (!assign(p, i, unknown))
            return false;
    }
    return true;
}

static enum math_equal paired(struct pairs *p)
{
    if (all_assigned(p, false))
        return MATH_SAME;
    return all_assigned(p, true) ? MATH_UNKNOWN : MATH_OTHER;
}

static enum math_equal same_items(struct compare *k, const struct items *x,
                                  const struct items *y)
{
    struct pairs p = { .n = x->n };

    if (x->failed || y->failed)
        return MATH_UNKNOWN;
    if (x->n != y->n)
        return MATH_OTHER;
    for (size_t i = 0; i < x->n; i++)
        for (size_t j = 0; j < y->n; j++)
            p.equal[i][j] = (unsigned char)same(k, x->item[i], y->item[j]);
    return paired(&p);
}

static enum math_equal same_lists(struct compare *k, const struct math *x,
                                  const struct math *y)
{
    struct items a = { .n = 0 }, b = { .n = 0 };

    list_items(k, x, &a);
    list_items(k, y, &b);
    return same_items(k, &a, &b);
}

static enum math_equal same_rows(struct compare *k, const struct math *x,
                                 const struct math *y)
{
    enum math_equal worst = MATH_SAME;

    if (x->n != y->n)
        return MATH_OTHER;
    for (size_t i = 0; i < x->n; i++) {
        enum math_equal e = same(k, x->arg[i], y->arg[i]);

        if (e == MATH_OTHER)
            return e;
        worst = e == MATH_UNKNOWN ? e : worst;
    }
    return worst;
}

static bool is_comma_list(const struct math *m)
{
    return m->op == MATH_LIST && m->sub == TOKEN_COMMA;
}

/* Brackets count, but for those of a pair that was written without. */
static enum math_equal same_groups(struct compare *k, const struct math *x,
                                   const struct math *y)
{
    if (x->op == y->op && (x->sub != y->sub || x->close != y->close))
        return MATH_OTHER;
    return same_rows(k, x, y);
}

/* ---- regions ---- */

/* A union of intervals on one line. */
struct region {
    struct interval {
        const struct math *low, *high; /* NULL: without end */
        bool low_in, high_in;
    } part[ITEMS_MOST];
    size_t n;
};

static bool is_infinite(const struct math *m)
{
    return m->op == MATH_INFINITY ||
           (m->op == MATH_NEGATE && m->arg[0]->op == MATH_INFINITY);
}

static bool add_part(struct region *r, const struct math *low, bool low_in,
                     const struct math *high, bool high_in)
{
    if (r->n == ITEMS_MOST)
        return false;
    r->part[r->n++] =
        (struct interval){ low && is_infinite(low) ? NULL : low,
                           high && is_infinite(high) ? NULL : high, low_in,
                           high_in };
    return true;
}

/* x < 3, 3 > x, x ≠ 3 of a name and a value without names. */
static bool half_line(const struct math *m, struct region *r)
{
    bool turned = m->arg[0]->op != MATH_NAME;
    const struct math *v = m->arg[!turned], *name = m->arg[turned];
    bool less = m->sub == RELATION_LESS || m->sub == RELATION_LESS_EQUAL;
    bool in = m->sub == RELATION_LESS_EQUAL || m->sub == RELATION_GREATER_EQUAL;

    if (name->op != MATH_NAME || math_has(v, MATH_RELATION))
        return false;
    if (m->sub == RELATION_UNEQUAL)
        return add_part(r, NULL, false, v, false) &&
               add_part(r, v, false, NULL, false);
    if (less != turned)
        return add_part(r, NULL, false, v, in);
    return add_part(r, v, in, NULL, false);
}

static bool region_of(const struct math *m, struct region *r);

/* x > 1 且 x < 2: one has the low end, the other the high one. */
static bool both(const struct math *m, struct region *r)
{
    struct region a = { .n = 0 }, b = { .n = 0 };
    const struct interval *x, *y;

    if (m->n != 2 || !region_of(m->arg[0], &a) || !region_of(m->arg[1], &b) ||
        a.n != 1 || b.n != 1)
        return false;
    x = a.part[0].low ? &a.part[0] : &b.part[0];
    y = a.part[0].low ? &b.part[0] : &a.part[0];
    if (!x->low || x->high || y->low || !y->high)
        return false;
    return add_part(r, x->low, x->low_in, y->high, y->high_in);
}

static bool is_interval(const struct math *m)
{
    return m->op == MATH_GROUP && m->n == 2;
}

static bool is_reals(const struct math *m)
{
    return m->op == MATH_NAME && str_is(m->text, "R");
}

static bool region_of(const struct math *m, struct region *r)
{
    m = unwrap(m);
    if (is_interval(m))
        return add_part(r, m->arg[0], m->sub == '[', m->arg[1],
                        m->close == ']');
    if (m->op == MATH_EMPTY)
        return true;
    if (is_reals(m))
        return add_part(r, NULL, false, NULL, false);
    if (is_inequality(m))
        return half_line(m, r);
    if (m->op == MATH_LIST && m->sub == TOKEN_AND)
        return both(m, r);
    if (m->op != MATH_UNION && m->op != MATH_LIST)
        return false;
    for (size_t i = 0; i < m->n; i++)
        if (!region_of(m->arg[i], r))
            return false;
    return true;
}

/* Whether it can be meant as nothing but a region. */
static bool needs_region(const struct math *m)
{
    m = unwrap(m);
    if (is_inequality(m) || m->op == MATH_UNION || is_reals(m))
        return true;
    for (size_t i = 0; m->op == MATH_LIST && i < m->n; i++)
        if (needs_region(m->arg[i]))
            return true;
    return false;
}

static enum math_equal same_end(struct compare *k, const struct math *x,
                                const struct math *y)
{
    if (!x || !y)
        return !x && !y ? MATH_SAME : MATH_OTHER;
    return same(k, x, y);
}

static enum math_equal same_interval(struct compare *k,
                                     const struct interval *x,
                                     const struct interval *y)
{
    enum math_equal low, high;

    if ((x->low && x->low_in != y->low_in) ||
        (x->high && x->high_in != y->high_in))
        return MATH_OTHER;
    low = same_end(k, x->low, y->low);
    high = low == MATH_OTHER ? low : same_end(k, x->high, y->high);
    return low == MATH_SAME ? high : low;
}

static enum math_equal same_regions(struct compare *k, const struct region *x,
                                    const struct region *y)
{
    struct pairs p = { .n = x->n };

    if (x->n != y->n)
        return MATH_OTHER;
    for (size_t i = 0; i < x->n; i++)
        for (size_t j = 0; j < y->n; j++)
            p.equal[i][j] =
                (unsigned char)same_interval(k, &x->part[i], &y->part[j]);
    return paired(&p);
}

/* ---- equations and relations ---- */

/* left - right */
static const struct math *difference(struct compare *k, const struct math *m)
{
    const struct math *minus =
        math_node2(k->c->arena, MATH_NEGATE, m->arg[1], NULL);

    return minus ? math_node2(k->c->arena, MATH_ADD, m->arg[0], minus) : NULL;
}

static enum math_equal same_equations(struct compare *k, const struct math *x,
                                      const struct math *y)
{
    const struct math *a, *b;
    bool labelled = is_label(x->arg[0]) && is_label(y->arg[0]);

    if (labelled && labels_agree(x->arg[0], y->arg[0]) &&
        same(k, x->arg[1], y->arg[1]) == MATH_SAME)
        return MATH_SAME;
    if (x->arg[1]->op >= MATH_GROUP || y->arg[1]->op >= MATH_GROUP)
        return MATH_OTHER;
    a = difference(k, x);
    b = difference(k, y);
    return a && b ? math_proportional(k->c->work, a, b) : MATH_UNKNOWN;
}

static enum math_equal same_relations(struct compare *k, const struct math *x,
                                      const struct math *y)
{
    enum math_equal left, right;

    if (is_equation(x) && is_equation(y))
        return same_equations(k, x, y);
    if (x->sub != y->sub)
        return MATH_OTHER;
    left = same(k, x->arg[0], y->arg[0]);
    right = left == MATH_SAME ? same(k, x->arg[1], y->arg[1]) : left;
    return right;
}

/* ---- single values ---- */

static const struct unit *unit_of(const struct math *m)
{
    const struct unit *u = m->unit;

    for (size_t i = 0; i < m->n && !u; i++)
        u = unit_of(m->arg[i]);
    return u;
}

/* 45° is 45 to one who was asked for degrees, and π/4. */
static const struct math *without_degree(const struct math *m)
{
    return m->op == MATH_DEGREE ? m->arg[0] : m;
}

static enum math_equal values(struct compare *k, const struct math *x,
                              const struct math *y)
{
    return math_compare(k->c->work, x, y, k->c->tolerance, k->c->relative);
}

/* Units of a kind are converted; where one has none it is the other's. */
static enum math_equal same_values(struct compare *k, const struct math *x,
                                   const struct math *y)
{
    const struct unit *a = unit_of(x), *b = unit_of(y);
    bool degrees = (x->op == MATH_DEGREE) != (y->op == MATH_DEGREE);
    enum math_equal e;

    if (a && b && !unit_like(a, b))
        return MATH_OTHER;
    k->c->work->bare = !a != !b;
    e = values(k, x, y);
    if (e != MATH_SAME && degrees && !math_has(x, MATH_PI) &&
        !math_has(y, MATH_PI))
        e = values(k, without_degree(x), without_degree(y));
    k->c->work->bare = false;
    return e;
}

/* x + m is a number of metres when the other side knows of no m. */
static bool mentions(const struct math *m, struct str name)
{
    if (m->op == MATH_NAME && str_eq(m->text, name))
        return true;
    for (size_t i = 0; i < m->n; i++)
        if (mentions(m->arg[i], name))
            return true;
    return false;
}

/* m, m^2 as the text of a unit; false if it is neither. */
static bool add_unit_text(struct buf *text, const struct math *m,
                          const struct math *other)
{
    const struct math *name = m->op == MATH_POWER ? m->arg[0] : m;

    if (name->op != MATH_NAME || mentions(other, name->text))
        return false;
    buf_text(text, name->text);
    if (name != m && m->arg[1]->op == MATH_NUMBER) {
        buf_char(text, '^');
        buf_text(text, m->arg[1]->text);
    }
    return true;
}

/* 5m, 5m^2 and 5 m/s as a number with its unit, if m can be no name. */
static const struct math *loose_unit(struct compare *k, const struct math *m,
                                     const struct math *other)
{
    const struct math *over = m->op == MATH_DIVIDE ? m->arg[0] : m;
    struct buf text;
    struct unit *unit;
    struct math *out;
    bool named;

    if (over->op != MATH_MULTIPLY || math_has(over->arg[0], MATH_NAME))
        return m;
    unit = arena_alloc(k->c->arena, sizeof(*unit));
    out = math_node2(k->c->arena, MATH_UNIT, over->arg[0], NULL);
    if (!unit || !out)
        return m;
    buf_init(&text, 64);
    named = add_unit_text(&text, over->arg[1], other);
    if (named && over != m) {
        buf_char(&text, '/');
        named = add_unit_text(&text, m->arg[1], other);
    }
    out->unit = unit;
    if (named && unit_read(buf_view(&text), unit) == text.n)
        m = out;
    k->failed |= text.failed && !text.full;
    buf_free(&text);
    return m;
}

/* ---- the whole ---- */

static enum math_equal same_infinite(const struct math *x, const struct math *y)
{
    return x->op == y->op && is_infinite(x) && is_infinite(y) ? MATH_SAME
                                                              : MATH_OTHER;
}

static bool is_many(const struct math *m)
{
    return m->op == MATH_LIST || m->op == MATH_SET ||
           (math_has(m, MATH_PLUS_MINUS) && m->op != MATH_GROUP);
}

/* The value of an equation, where the other is none: of one with a label, and
 * of one that says what a constant is, as in 3+5=8 or a²+b²=25. */
static const struct math *unlabelled(const struct math *m,
                                     const struct math *other)
{
    if (!is_equation(m) || is_equation(other) || other->op == MATH_LIST)
        return m;
    if (is_label(m->arg[0]) ||
        (!math_has(m->arg[1], MATH_NAME) && !math_has(other, MATH_NAME)))
        return m->arg[1];
    return m;
}

static enum math_equal same_kind(struct compare *k, const struct math *x,
                                 const struct math *y)
{
    if (x->op == MATH_GROUP && (y->op == MATH_GROUP || is_comma_list(y)))
        return same_groups(k, x, y);
    if (y->op == MATH_GROUP && is_comma_list(x))
        return same_groups(k, x, y);
    if (is_many(x) || is_many(y))
        return same_lists(k, x, y);
    if (x->op == MATH_RELATION && y->op == MATH_RELATION)
        return same_relations(k, x, y);
    if (x->op == MATH_MATRIX && y->op == MATH_MATRIX)
        return x->sub == y->sub ? same_rows(k, x, y) : MATH_OTHER;
    if (is_infinite(x) || is_infinite(y))
        return same_infinite(x, y);
    if (x->op >= MATH_GROUP || y->op >= MATH_GROUP || x->op == MATH_EMPTY ||
        y->op == MATH_EMPTY)
        return x->op == y->op && !x->n && !y->n ? MATH_SAME : MATH_OTHER;
    return same_values(k, loose_unit(k, x, y), loose_unit(k, y, x));
}

static enum math_equal compare(struct compare *k, const struct math *x,
                               const struct math *y)
{
    const struct math *a;

    if (identical(x, y))
        return MATH_SAME;
    if (needs_region(x) || needs_region(y)) {
        struct region p = { .n = 0 }, q = { .n = 0 };

        if (region_of(x, &p) && region_of(y, &q))
            return same_regions(k, &p, &q);
    }
    a = unlabelled(unwrap(x), unwrap(y));
    y = unlabelled(unwrap(y), unwrap(x));
    return same_kind(k, a, y);
}

static enum math_equal same(struct compare *k, const struct math *x,
                            const struct math *y)
{
    enum math_equal e = MATH_UNKNOWN;

    if (k->depth < DEPTH_MOST) {
        k->depth++;
        e = compare(k, x, y);
        k->depth--;
    }
    return e;
}

enum math_equal math_same(const struct math_same *c, const struct math *x,
                          const struct math *y)
{
    struct compare k = { .c = c };
    enum math_equal equal = same(&k, x, y);

    c->work->failed |= k.failed;
    return c->work->steps < 0 ? MATH_UNKNOWN : equal;
}
