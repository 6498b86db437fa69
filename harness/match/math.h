/* Mathematics, plain and LaTeX: tokens, trees, and whether two trees say the
 * same.  Everything is bounded: tokens, nodes, depth, bits, steps. */
#ifndef MK_MATH_H
#define MK_MATH_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/mem.h"
#include "harness/base/text.h"
#include "harness/match/unit.h"

enum { MATH_TOKENS_MOST = 2000, MATH_NODES_MOST = 1000, MATH_DEPTH_MOST = 80 };

/* ---- tokens (math_lex.c) ---- */

enum math_token_kind {
    TOKEN_END,
    TOKEN_TEXT, /* what is no mathematics */
    TOKEN_NUMBER,
    TOKEN_NAME,
    TOKEN_PI,
    TOKEN_E,
    TOKEN_I,
    TOKEN_INFINITY,
    TOKEN_EMPTY, /* the empty set */
    TOKEN_FUNCTION,
    TOKEN_LOG,
    TOKEN_FRAC,
    TOKEN_BINOMIAL,
    TOKEN_ROOT, /* \sqrt, √, 根号 */
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_PLUS_MINUS, /* sub: 0 for ±, 1 for ∓ */
    TOKEN_TIMES,
    TOKEN_DIVIDE,
    TOKEN_POWER,
    TOKEN_UNDER, /* _ behind \log */
    TOKEN_FACTORIAL,
    TOKEN_PERCENT, /* sub: 100 or 1000 */
    TOKEN_DEGREE,
    TOKEN_UNIT,
    TOKEN_BAR,
    TOKEN_OPEN,  /* sub: ( [ { or S for \{ */
    TOKEN_CLOSE, /* sub: ) ] } or S */
    TOKEN_COMMA,
    TOKEN_OR,
    TOKEN_AND,
    TOKEN_RELATION, /* sub: enum math_relation */
    TOKEN_UNION,
    TOKEN_SECTION, /* ∩ */
    TOKEN_BEGIN,   /* \begin{...}; text: the environment */
    TOKEN_FINISH,
    TOKEN_CELL,
    TOKEN_ROW
};

enum math_relation {
    RELATION_EQUAL,
    RELATION_ABOUT,
    RELATION_UNEQUAL,
    RELATION_LESS,
    RELATION_LESS_EQUAL,
    RELATION_GREATER,
    RELATION_GREATER_EQUAL,
    RELATION_IN
};

enum math_function {
    FUNCTION_SIN,
    FUNCTION_COS,
    FUNCTION_TAN,
    FUNCTION_COT,
    FUNCTION_SEC,
    FUNCTION_CSC,
    FUNCTION_ASIN,
    FUNCTION_ACOS,
    FUNCTION_ATAN,
    FUNCTION_LN,
    FUNCTION_LG,
    FUNCTION_EXP
};

struct math_token {
    enum math_token_kind kind;
    int sub;
    struct str text; /* a name; the digits of a number, point taken out */
    struct str over; /* digits of a number's denominator, empty: 1 */
    long exponent;   /* of ten */
    const struct unit *unit;
    size_t at, end; /* in the text */
    bool blank;     /* white space before it */
};

struct math_tokens {
    struct str s;
    struct math_token *token; /* ends with TOKEN_END */
    size_t n;                 /* without it */
    const char *why;          /* NULL, or why the text was not read whole */
};

/* Tokens live in the arena; t->token is NULL only without memory. */
void math_lex(struct str s, struct arena *a, struct math_tokens *t);

/* ---- trees (math_parse.c) ---- */

enum math_op {
    MATH_NUMBER,
    MATH_NAME,
    MATH_PI,
    MATH_E,
    MATH_I,
    MATH_INFINITY,
    MATH_EMPTY,
    MATH_ADD,
    MATH_NEGATE,
    MATH_MULTIPLY,
    MATH_DIVIDE,
    MATH_POWER,
    MATH_ROOT, /* of arg 0, of degree arg 1 */
    MATH_ABS,
    MATH_FACTORIAL,
    MATH_BINOMIAL,
    MATH_FUNCTION, /* sub: enum math_function */
    MATH_LOG,      /* of arg 1 to the base arg 0 */
    MATH_DEGREE,
    MATH_PLUS_MINUS, /* arg 0 ± arg 1; sub: 1 for ∓ */
    MATH_UNIT,
    /* from here on no single values */
    MATH_GROUP, /* (1,2), [1,2): sub the opening, close the closing bracket */
    MATH_SET,
    MATH_WHERE, /* {x | condition}: the condition */
    MATH_UNION,
    MATH_SECTION, /* ∩, of labels: A∩B = {1} */
    MATH_LIST,    /* sub: a token kind, TOKEN_COMMA, _OR or _AND */
    MATH_RELATION,
    MATH_MATRIX, /* sub: columns */
    MATH_OPS
};

struct math {
    enum math_op op;
    int sub, close;
    size_t n;
    const struct math **arg;
    struct str text, over; /* as in the token */
    long exponent;
    const struct unit *unit;
    size_t at, end; /* in the text */
};

struct math_parse {
    const struct math *tree; /* NULL: it could not be read */
    const char *why;         /* then: why */
    size_t at;               /* and where, in the text */
};

/* Reads the tokens [from, to) as one answer; the tree lives in the arena.
 * Fails only with NOMEM. */
enum err_code math_parse(const struct math_tokens *t, size_t from, size_t to,
                         struct arena *a, struct math_parse *out,
                         struct err *e) MUST_CHECK;

/* A new node of the arena; NULL without memory. */
struct math *math_node(struct arena *a, enum math_op op, size_t n);
struct math *math_node2(struct arena *a, enum math_op op, const struct math *x,
                        const struct math *y);

/* Whether a node of that kind is in the tree. */
bool math_has(const struct math *m, enum math_op op);

/* ---- values (math_work.c, math_value.c) ---- */

/* What GMP and MPFR work in.  They cannot be told that memory is short, so a
 * reserve is taken first; once it is touched, `failed` is set and the work is
 * given up.  One at a time in a thread, from open to close. */
struct math_work {
    long steps;  /* left; below 0: given up */
    bool failed; /* no memory */
    bool large;  /* an exact value had too many bits */
    bool bare;   /* units are left out */
    void *reserve;
    size_t used;
    void *outer; /* the work of the thread before this one */
};
enum err_code math_work_open(struct math_work *w, struct err *e) MUST_CHECK;
void math_work_close(struct math_work *w);

enum math_equal { MATH_OTHER, MATH_SAME, MATH_UNKNOWN };

/* Compares two single values: exactly if both are rational, else to 50 digits,
 * at several points if they hold names.  tolerance and relative as in the
 * matcher's options, 0: none. */
enum math_equal math_compare(struct math_work *w, const struct math *x,
                             const struct math *y, double tolerance,
                             double relative);
/* Whether x = 0 and y = 0 say the same because one is a multiple of the
 * other. */
enum math_equal math_proportional(struct math_work *w, const struct math *x,
                                  const struct math *y);

/* ---- answers (math_same.c) ---- */

struct math_same {
    struct math_work *work;
    struct arena *arena;
    double tolerance, relative;
};
/* Whether two answers say the same, whatever their form.  Symmetric. */
enum math_equal math_same(const struct math_same *c, const struct math *x,
                          const struct math *y);

#endif
