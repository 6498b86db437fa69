/* Trees of tokens, by descent:
 *
 *   answer   = relation { (, | 或 | 且) relation }
 *   relation = union { (= | < | ∈ ...) union }
 *   union    = sum { (∪ | ∩) sum }
 *   sum      = [ + | - | ± ] product { (+ | - | ±) product }
 *   product  = power { [ × | ÷ ] power } [ unit ]
 *   power    = primary { ! | % | ° } [ ^ power ]
 *   primary  = number | name | ( answer ) | [ answer ] | { answer } | | sum |
 *            | \frac | \sqrt | function | \begin{pmatrix} ... \end{pmatrix}
 *
 * A tree is never partly right: what is left over is an error.  The file is
 * long because the rules call each other in a circle: cut anywhere, half of
 * them would have to be seen from outside. */
#include <string.h>

#include "harness/match/math.h"

struct parser {
    const struct math_tokens *t;
    size_t i, to;
    struct arena *arena;
    size_t nodes, depth;
    const char *why; /* set: given up */
    size_t why_at;
};

static const struct math *answer(struct parser *p);
static const struct math *sum(struct parser *p);
static const struct math *power(struct parser *p);

/* ---- nodes ---- */

struct math *math_node(struct arena *a, enum math_op op, size_t n)
{
    struct math *m = arena_alloc(a, sizeof(*m));

    if (!m)
        return NULL;
    m->op = op;
    m->n = n;
    m->arg = arena_array(a, n ? n : 1, sizeof(void *));
    return m->arg ? m : NULL;
}

struct math *math_node2(struct arena *a, enum math_op op, const struct math *x,
                        const struct math *y)
{
    struct math *m = math_node(a, op, y ? 2 : 1);

    if (!m)
        return NULL;
    m->arg[0] = x;
    if (y)
        m->arg[1] = y;
    m->at = y && y->at < x->at ? y->at : x->at;
    m->end = y && y->end > x->end ? y->end : x->end;
    return m;
}

bool math_has(const struct math *m, enum math_op op)
{
    if (m->op == op)
        return true;
    for (size_t i = 0; i < m->n; i++)
        if (math_has(m->arg[i], op))
            return true;
    return false;
}

static const struct math *fail(struct parser *p, const char *why)
{
    if (!p->why) {
        p->why = why;
        p->why_at = p->t->token[p->i].at;
    }
    return NULL;
}

/* Every node of the parser goes through here: the limit and the memory are
 * checked in one place. */
static struct math *counted(struct parser *p, struct math *m)
{
    if (!m || ++p->nodes > MATH_NODES_MOST) {
        (void)fail(p, "too long");
        return NULL;
    }
    return m;
}

static struct math *leaf(struct parser *p, enum math_op op,
                         const struct math_token *k)
{
    struct math *m = counted(p, math_node(p->arena, op, 0));

    if (!m)
        return NULL;
    m->sub = k->sub;
    m->text = k->text;
    m->over = k->over;
    m->exponent = k->exponent;
    m->at = k->at;
    m->end = k->end;
    return m;
}

static struct math *join(struct parser *p, enum math_op op,
                         const struct math *x, const struct math *y)
{
    return x ? counted(p, math_node2(p->arena, op, x, y)) : NULL;
}

static struct math *join2(struct parser *p, enum math_op op,
                          const struct math *x, const struct math *y)
{
    return y ? join(p, op, x, y) : NULL;
}

static const struct math *whole(struct parser *p, const char *digits)
{
    struct math_token k = { .text = str_of(digits) };

    k.at = p->t->token[p->i].at;
    k.end = k.at;
    return leaf(p, MATH_NUMBER, &k);
}

/* ---- tokens ---- */

static const struct math_token *peek(const struct parser *p)
{
    static const struct math_token end = { .kind = TOKEN_END };

    return p->i < p->to ? &p->t->token[p->i] : &end;
}

static bool is(const struct parser *p, enum math_token_kind kind)
{
    return peek(p)->kind == kind;
}

static bool is_sub(const struct parser *p, enum math_token_kind kind, int sub)
{
    return is(p, kind) && peek(p)->sub == sub;
}

static bool take(struct parser *p, enum math_token_kind kind)
{
    bool yes = is(p, kind);

    p->i += yes;
    return yes;
}

static bool take_sub(struct parser *p, enum math_token_kind kind, int sub)
{
    bool yes = is_sub(p, kind, sub);

    p->i += yes;
    return yes;
}

/* ---- lists of things ---- */

enum { ITEMS_MOST = 64 };

struct items {
    const struct math *item[ITEMS_MOST];
    size_t n;
};

static bool add(struct parser *p, struct items *l, const struct math *m)
{
    if (!m)
        return false;
    if (l->n == ITEMS_MOST) {
        (void)fail(p, "too many items");
        return false;
    }
    l->item[l->n++] = m;
    return true;
}

static struct math *node_of(struct parser *p, enum math_op op,
                            const struct items *l)
{
    struct math *m = counted(p, math_node(p->arena, op, l->n));

    if (!m || !l->n)
        return m;
    memcpy(m->arg, l->item, l->n * sizeof(void *));
    m->at = l->item[0]->at;
    m->end = l->item[l->n - 1]->end;
    return m;
}

/* ---- primaries ---- */

/* {…} behind a command, or one token: \frac12, x^2. */
static const struct math *argument(struct parser *p)
{
    struct math_token k = *peek(p);
    const struct math *m;

    if (take_sub(p, TOKEN_OPEN, '{')) {
        m = answer(p);
        return m && take_sub(p, TOKEN_CLOSE, '}') ? m : fail(p, "expected }");
    }
    if (k.kind != TOKEN_NUMBER || k.text.n < 2 || k.over.n || k.exponent)
        return power(p);
    return NULL;
}

/* The two arguments of \frac; \frac12 has them in one number. */
static const struct math *fraction(struct parser *p, enum math_op op)
{
    struct math_token k = *peek(p);
    const struct math *x, *y;

    if (k.kind == TOKEN_NUMBER && k.text.n == 2 && !k.exponent && !k.over.n) {
        struct math_token low = k;

        p->i++;
        low.text = str_sub(k.text, 1, 2);
        k.text = str_sub(k.text, 0, 1);
        x = leaf(p, MATH_NUMBER, &k);
        return join2(p, op, x, leaf(p, MATH_NUMBER, &low));
    }
    x = is(p, TOKEN_OPEN) ? argument(p) : NULL;
    if (!x && is(p, TOKEN_NUMBER) && k.text.n == 1) {
        p->i++;
        x = leaf(p, MATH_NUMBER, &k);
    } else if (!x && is(p, TOKEN_NAME)) {
        p->i++;
        x = leaf(p, MATH_NAME, &k);
    } else if (!x && take(p, TOKEN_PI)) {
        x = leaf(p, MATH_PI, &k);
    }
    y = x ? argument(p) : NULL;
    return y ? join2(p, op, x, y) : fail(p, "expected two arguments");
}

/* \sqrt[3]{x}, √3, √(x+1), 根号3 */
static const struct math *root(struct parser *p)
{
    const struct math *degree = NULL, *x;

    if (take_sub(p, TOKEN_OPEN, '[')) {
        degree = sum(p);
        if (!degree || !take_sub(p, TOKEN_CLOSE, ']'))
            return fail(p, "expected ]");
    }
    if (is(p, TOKEN_NUMBER)) {
        struct math_token k = *peek(p);

        p->i++;
        x = leaf(p, MATH_NUMBER, &k);
    } else {
        x = is(p, TOKEN_ROOT) ? power(p) : argument(p);
    }
    if (!degree)
        degree = whole(p, "2");
    return join2(p, MATH_ROOT, x, degree);
}

static bool begins_primary(const struct parser *p)
{
    static const bool starts[TOKEN_ROW + 1] = {
        [TOKEN_NAME] = true,     [TOKEN_PI] = true,   [TOKEN_E] = true,
        [TOKEN_I] = true,        [TOKEN_LOG] = true,  [TOKEN_FRAC] = true,
        [TOKEN_FUNCTION] = true, [TOKEN_ROOT] = true, [TOKEN_BINOMIAL] = true,
        [TOKEN_NUMBER] = true,
    };
    const struct math_token *k = peek(p);

    return starts[k->kind] || (k->kind == TOKEN_OPEN && k->sub != 'S');
}

/* What a function without brackets takes: sin 2x, ln 3, not the next
 * function. */
static const struct math *bare_argument(struct parser *p)
{
    const struct math *x;

    if (is_sub(p, TOKEN_OPEN, '(') || is_sub(p, TOKEN_OPEN, '{'))
        return power(p);
    x = take(p, TOKEN_MINUS) ? join(p, MATH_NEGATE, power(p), NULL) : power(p);
    while (x && begins_primary(p) && !is(p, TOKEN_FUNCTION) &&
           !is(p, TOKEN_LOG) && !is(p, TOKEN_OPEN) && !is(p, TOKEN_NUMBER))
        x = join2(p, MATH_MULTIPLY, x, power(p));
    return x;
}

static bool is_minus_one(const struct math *m)
{
    return m->op == MATH_NEGATE && m->arg[0]->op == MATH_NUMBER &&
           str_is(m->arg[0]->text, "1");
}

/* sin x, sin^2 x, sin^{-1} x */
static const struct math *function(struct parser *p, int f)
{
    const struct math *raised = NULL, *x;
    struct math *m;

    if (take(p, TOKEN_POWER)) {
        raised = argument(p);
        if (!raised)
            return fail(p, "expected an exponent");
    }
    if (raised && is_minus_one(raised) && f <= FUNCTION_TAN) {
        f += FUNCTION_ASIN - FUNCTION_SIN;
        raised = NULL;
    }
    x = bare_argument(p);
    m = x ? join(p, MATH_FUNCTION, x, NULL) : NULL;
    if (!m)
        return fail(p, "expected an argument");
    m->sub = f;
    return raised ? join2(p, MATH_POWER, m, raised) : m;
}

/* log_2 8, \log_{2}8; without a base the decimal one. */
static const struct math *logarithm(struct parser *p)
{
    const struct math *base, *x;

    if (!take(p, TOKEN_UNDER)) {
        base = whole(p, "10");
    } else if (is(p, TOKEN_NUMBER)) {
        struct math_token k = *peek(p);

        p->i++;
        base = leaf(p, MATH_NUMBER, &k);
    } else {
        base = argument(p);
    }
    x = base ? bare_argument(p) : NULL;
    return x ? join2(p, MATH_LOG, base, x) : fail(p, "expected an argument");
}

/* A bracket with its items; one in round or LaTeX's brackets is itself. */
static const struct math *brackets(struct parser *p)
{
    const struct math_token *open = peek(p), *shut;
    const struct math *inner = NULL, *where = NULL;
    struct items items = { .n = 0 };
    bool braces = open->sub == '{' || open->sub == 'S';
    struct math *m;

    p->i++;
    if (!is(p, TOKEN_CLOSE))
        inner = answer(p);
    if (inner && braces && take(p, TOKEN_BAR))
        where = answer(p);
    shut = peek(p);
    if (p->why || !take(p, TOKEN_CLOSE))
        return fail(p, "a bracket is not closed");
    if (inner && inner->op == MATH_LIST && inner->sub == TOKEN_COMMA) {
        memcpy(items.item, inner->arg, inner->n * sizeof(void *));
        items.n = inner->n;
    } else if (inner) {
        items.item[items.n++] = inner;
    }
    if (where)
        m = join(p, MATH_WHERE, where, NULL);
    else if (items.n == 1 && open->sub != '[' && open->sub != 'S')
        return inner;
    else if (!items.n && open->sub != 'S')
        return fail(p, "empty brackets");
    else
        m = node_of(p, braces ? MATH_SET : MATH_GROUP, &items);
    if (!m)
        return NULL;
    m->sub = open->sub;
    m->close = shut->sub;
    m->at = open->at;
    m->end = shut->end;
    return m;
}

static const struct math *bars(struct parser *p)
{
    const struct math *x;

    p->i++;
    x = sum(p);
    if (!x || !take(p, TOKEN_BAR))
        return fail(p, "a bar is not closed");
    return join(p, MATH_ABS, x, NULL);
}

/* Rows of cells up to \end; cases are a list, all else a matrix. */
static const struct math *environment(struct parser *p)
{
    bool cases =
        str_is(peek(p)->text, "cases") || str_is(peek(p)->text, "aligned");
    struct items items = { .n = 0 };
    size_t columns = 0, width = 0;
    struct math *m;

    p->i++;
    while (!is(p, TOKEN_FINISH)) {
        if (!add(p, &items, cases ? answer(p) : sum(p)))
            return fail(p, "expected an entry");
        width++;
        if (cases)
            (void)take(p, TOKEN_COMMA);
        if (take(p, TOKEN_CELL))
            continue;
        if (columns && width != columns && !cases)
            return fail(p, "rows of different length");
        columns = width;
        width = 0;
        if (!take(p, TOKEN_ROW) && !is(p, TOKEN_FINISH))
            return fail(p, "expected \\\\ or \\end");
    }
    p->i++;
    m = node_of(p, cases ? MATH_LIST : MATH_MATRIX, &items);
    if (m)
        m->sub = cases ? TOKEN_COMMA : (int)columns;
    return m;
}

/* 3\frac{1}{2} and 1 1/2 are sums. */
static const struct math *number(struct parser *p)
{
    const struct math_token *k = peek(p), *next;
    const struct math *m = leaf(p, MATH_NUMBER, k), *part = NULL;

    p->i++;
    next = peek(p);
    if (!m || k->over.n || k->exponent)
        return m;
    if (next->kind == TOKEN_FRAC) {
        size_t from = p->i++;

        part = fraction(p, MATH_DIVIDE);
        if (!part)
            return NULL;
        if (part->arg[0]->op != MATH_NUMBER ||
            part->arg[1]->op != MATH_NUMBER) {
            p->i = from; /* 2\frac{x}{3} is a product */
            return m;
        }
    } else if (next->kind == TOKEN_NUMBER && next->blank && p->i + 2 < p->to &&
               next[1].kind == TOKEN_DIVIDE && next[2].kind == TOKEN_NUMBER) {
        const struct math *low;

        part = leaf(p, MATH_NUMBER, next);
        low = leaf(p, MATH_NUMBER, next + 2);
        part = join2(p, MATH_DIVIDE, part, low);
        p->i += 3;
    }
    return part ? join2(p, MATH_ADD, m, part) : m;
}

static const struct math *symbol(struct parser *p, enum math_op op)
{
    const struct math_token *k = peek(p);

    p->i++;
    return leaf(p, op, k);
}

static const struct math *primary(struct parser *p)
{
    const struct math_token *k = peek(p);

    switch (k->kind) {
    case TOKEN_NUMBER:
        return number(p);
    case TOKEN_NAME:
        return symbol(p, MATH_NAME);
    case TOKEN_PI:
        return symbol(p, MATH_PI);
    case TOKEN_E:
        return symbol(p, MATH_E);
    case TOKEN_I:
        return symbol(p, MATH_I);
    case TOKEN_INFINITY:
        return symbol(p, MATH_INFINITY);
    case TOKEN_EMPTY:
        return symbol(p, MATH_EMPTY);
    case TOKEN_OPEN:
        return brackets(p);
    case TOKEN_BAR:
        return bars(p);
    case TOKEN_BEGIN:
        return environment(p);
    case TOKEN_FRAC:
    case TOKEN_BINOMIAL:
        p->i++;
        return fraction(p, k->kind == TOKEN_FRAC ? MATH_DIVIDE : MATH_BINOMIAL);
    case TOKEN_ROOT:
        p->i++;
        return root(p);
    case TOKEN_FUNCTION:
        p->i++;
        return function(p, k->sub);
    case TOKEN_LOG:
        p->i++;
        return logarithm(p);
    default:
        return fail(p, "expected a value");
    }
}

/* ---- operators ---- */

/* ^\circ and ^{\circ}. */
static bool take_degree(struct parser *p)
{
    const struct math_token *k = peek(p);

    if (take(p, TOKEN_DEGREE))
        return true;
    if (k->kind != TOKEN_POWER || p->i + 1 >= p->to)
        return false;
    if (k[1].kind == TOKEN_DEGREE) {
        p->i += 2;
        return true;
    }
    if (p->i + 3 >= p->to || k[1].kind != TOKEN_OPEN ||
        k[2].kind != TOKEN_DEGREE || k[3].kind != TOKEN_CLOSE)
        return false;
    p->i += 4;
    return true;
}

static const struct math *postfix(struct parser *p)
{
    const struct math *x = primary(p);
    const struct math_token *k;

    while (x) {
        k = peek(p);
        if (take(p, TOKEN_FACTORIAL)) {
            x = join(p, MATH_FACTORIAL, x, NULL);
        } else if (take(p, TOKEN_PERCENT)) {
            x = join2(p, MATH_DIVIDE, x,
                      whole(p, k->sub == 100 ? "100" : "1000"));
        } else if (take_degree(p)) {
            x = join(p, MATH_DEGREE, x, NULL);
        } else {
            break;
        }
    }
    return x;
}

static bool enter(struct parser *p)
{
    if (++p->depth <= MATH_DEPTH_MOST)
        return true;
    (void)fail(p, "nested too deep");
    return false;
}

static const struct math *exponent(struct parser *p)
{
    if (is_sub(p, TOKEN_OPEN, '{'))
        return argument(p);
    if (take(p, TOKEN_MINUS))
        return join(p, MATH_NEGATE, power(p), NULL);
    return power(p);
}

static const struct math *power(struct parser *p)
{
    const struct math *x = enter(p) ? postfix(p) : NULL;

    if (x && take(p, TOKEN_POWER))
        x = join2(p, MATH_POWER, x, exponent(p));
    if (x && is(p, TOKEN_PERCENT)) {
        p->i++;
        x = join2(p, MATH_DIVIDE, x, whole(p, "100"));
    }
    if (x && is(p, TOKEN_FACTORIAL) && take(p, TOKEN_FACTORIAL))
        x = join(p, MATH_FACTORIAL, x, NULL);
    p->depth--;
    return x;
}

/* 2√3 cm: the unit is that of the product; 3元5角 is a sum. */
static const struct math *with_unit(struct parser *p, const struct math *x)
{
    struct math *m = join(p, MATH_UNIT, x, NULL);

    if (!m)
        return NULL;
    m->unit = peek(p)->unit;
    p->i++;
    if (is(p, TOKEN_NUMBER) && p->i + 1 < p->to &&
        peek(p)[1].kind == TOKEN_UNIT) {
        x = leaf(p, MATH_NUMBER, peek(p));
        p->i++;
        return x ? join2(p, MATH_ADD, m, with_unit(p, x)) : NULL;
    }
    return m;
}

static const struct math *product(struct parser *p)
{
    const struct math *x = power(p);
    const struct math_token *k;

    while (x) {
        bool divide = is(p, TOKEN_DIVIDE);

        k = peek(p);
        if (divide || is(p, TOKEN_TIMES)) {
            p->i++;
            if (take(p, TOKEN_MINUS))
                x = join2(p, divide ? MATH_DIVIDE : MATH_MULTIPLY, x,
                          join(p, MATH_NEGATE, power(p), NULL));
            else
                x = join2(p, divide ? MATH_DIVIDE : MATH_MULTIPLY, x, power(p));
        } else if (k->kind == TOKEN_UNIT) {
            x = with_unit(p, x);
        } else if (begins_primary(p) && k->kind != TOKEN_NUMBER) {
            x = join2(p, MATH_MULTIPLY, x, power(p));
        } else {
            break;
        }
    }
    return x;
}

static const struct math *signed_product(struct parser *p)
{
    const struct math_token *k = peek(p);
    struct math *m;

    if (take(p, TOKEN_PLUS))
        return product(p);
    if (take(p, TOKEN_MINUS))
        return join(p, MATH_NEGATE, product(p), NULL);
    if (take(p, TOKEN_PLUS_MINUS)) {
        m = join2(p, MATH_PLUS_MINUS, whole(p, "0"), product(p));
        if (m)
            m->sub = k->sub;
        return m;
    }
    return product(p);
}

static const struct math *sum(struct parser *p)
{
    const struct math *x = enter(p) ? signed_product(p) : NULL;
    struct math *m;

    while (x) {
        const struct math_token *k = peek(p);

        if (take(p, TOKEN_PLUS)) {
            x = join2(p, MATH_ADD, x, product(p));
        } else if (take(p, TOKEN_MINUS)) {
            x = join2(p, MATH_ADD, x, join(p, MATH_NEGATE, product(p), NULL));
        } else if (take(p, TOKEN_PLUS_MINUS)) {
            m = join2(p, MATH_PLUS_MINUS, x, product(p));
            if (m)
                m->sub = k->sub;
            x = m;
        } else {
            break;
        }
    }
    p->depth--;
    return x;
}

static const struct math *unions(struct parser *p)
{
    const struct math *x = sum(p);

    while (x && (is(p, TOKEN_UNION) || is(p, TOKEN_SECTION))) {
        enum math_op op = take(p, TOKEN_UNION) ? MATH_UNION : MATH_SECTION;

        p->i += op == MATH_SECTION;
        x = join2(p, op, x, sum(p));
    }
    return x;
}

static const struct math *relate(struct parser *p, int relation,
                                 const struct math *x, const struct math *y)
{
    struct math *m = join2(p, MATH_RELATION, x, y);

    if (m)
        m->sub = relation;
    return m;
}

/* a = b = c is a = c, 1 < x < 2 is 1 < x and x < 2. */
static const struct math *relation(struct parser *p)
{
    const struct math *left = unions(p), *first = NULL, *right;
    struct math *m;

    while (left && is(p, TOKEN_RELATION)) {
        int r = peek(p)->sub;

        p->i++;
        right = unions(p);
        if (!right)
            return fail(p, "expected a value");
        if (!first) {
            first = relate(p, r, left, right);
        } else if (r <= RELATION_ABOUT && first->op == MATH_RELATION &&
                   first->sub <= RELATION_ABOUT) {
            first = relate(p, r, first->arg[0], right);
        } else {
            m = join2(p, MATH_LIST, first, relate(p, r, left, right));
            if (m)
                m->sub = TOKEN_AND;
            first = m;
        }
        if (!first)
            return NULL;
        left = right;
    }
    return first ? first : left;
}

static bool is_separator(const struct parser *p)
{
    return is(p, TOKEN_COMMA) || is(p, TOKEN_OR) || is(p, TOKEN_AND);
}

/* A list is one of choices or conditions as soon as one 或 or 且 is in it. */
static const struct math *answer(struct parser *p)
{
    const struct math *x = enter(p) ? relation(p) : NULL;
    int kind = TOKEN_COMMA;
    struct items items = { .n = 0 };
    struct math *m;

    p->depth--;
    if (!x || !is_separator(p))
        return x;
    if (!add(p, &items, x))
        return NULL;
    while (is_separator(p)) {
        do {
            if (!is(p, TOKEN_COMMA))
                kind = (int)peek(p)->kind;
            p->i++;
        } while (is_separator(p)); /* 1, 或 2 */
        if (!add(p, &items, enter(p) ? relation(p) : NULL))
            return NULL;
        p->depth--;
    }
    m = node_of(p, MATH_LIST, &items);
    if (m)
        m->sub = kind;
    return m;
}

enum err_code math_parse(const struct math_tokens *t, size_t from, size_t to,
                         struct arena *a, struct math_parse *out, struct err *e)
{
    struct parser p = { .t = t, .i = from, .to = to, .arena = a };

    *out = (struct math_parse){ .tree = NULL };
    if (!t->token)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
    out->tree = answer(&p);
    if (out->tree && p.i < to) {
        (void)fail(&p, "not understood");
        out->tree = NULL;
    }
    if (a->failed)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
    out->why = p.why ? p.why : "not understood";
    out->at = p.why_at;
    return ERR_OK;
}
