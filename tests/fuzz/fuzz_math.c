/* The mathematics and number matchers on any answer, against expected answers
 * that reach all of the comparison; and any expression against itself and
 * against them, both ways round. */
#include <stdlib.h>

#include "harness/match/match.h"
#include "harness/match/math.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char *const expected[] = {
    "\"\\\\frac{\\\\sqrt{3}}{2}+x^2\"",
    "\"x=1 或 x=2\"",
    "\"(-∞,1)∪[2,+∞)\"",
    "\"\\\\begin{pmatrix}1&2\\\\\\\\3&4\\\\end{pmatrix}\"",
    "\"±12cm^2\"",
    "\"y=2x+\\\\sin 30°\"",
    "[\"3-4i\",\"{1,2,3}\"]",
};

static enum verdict ask(const struct match_kind *kind,
                        const struct json *expects, struct str response)
{
    struct match_in in = { .expected = expects, .response = response };
    struct match_out out;
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    if (kind->run(&in, &a, &out, &e) || out.span_at > response.n ||
        out.span_len > response.n - out.span_at)
        abort();
    arena_free(&a);
    return out.verdict;
}

static const struct math *read(struct str s, struct arena *a)
{
    struct math_tokens t;
    struct math_parse p;
    struct err e;

    math_lex(s, a, &t);
    if (!t.token || math_parse(&t, 0, t.n, a, &p, &e))
        abort();
    return p.tree;
}

static enum math_equal same(struct arena *a, const struct math *x,
                            const struct math *y)
{
    struct math_work w;
    struct math_same c = { .work = &w, .arena = a };
    enum math_equal equal;
    struct err e;

    if (math_work_open(&w, &e))
        abort();
    equal = math_same(&c, x, y);
    math_work_close(&w);
    return equal;
}

/* Equality is symmetric, and holds between a tree and itself. */
static void both_ways(struct str s)
{
    const struct math *x, *y;
    struct arena a;
    size_t half = s.n / 2;

    arena_init(&a, 0);
    x = read(str_sub(s, 0, half), &a);
    y = read(str_sub(s, half, s.n), &a);
    if (x && same(&a, x, x) != MATH_SAME)
        abort();
    if (x && y && same(&a, x, y) != same(&a, y, x))
        abort();
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct json *parsed[sizeof(expected) / sizeof(*expected)];
    static struct json *number;
    size_t n = sizeof(expected) / sizeof(*expected);
    struct str s = { (const char *)data + 1, size - 1 };
    struct err e;

    if (!size)
        return 0;
    for (size_t i = 0; i < n && !parsed[i]; i++)
        if (json_parse(&parsed[i], str_of(expected[i]), &e))
            abort();
    if (!number && json_parse(&number, STR("\"3公里\""), &e))
        abort();
    (void)ask(&match_math, parsed[data[0] % n], s);
    (void)ask(&match_number, number, s);
    both_ways(s);
    return 0;
}
