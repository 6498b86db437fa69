/* One row a word or sign; the longest that fits is taken. */
#include "harness/match/math_words.h"

#include <string.h>

/* TOKEN_END: passed over. */
static const struct math_word commands[] = {
    { "frac", TOKEN_FRAC, 0 },
    { "dfrac", TOKEN_FRAC, 0 },
    { "tfrac", TOKEN_FRAC, 0 },
    { "cfrac", TOKEN_FRAC, 0 },
    { "binom", TOKEN_BINOMIAL, 0 },
    { "dbinom", TOKEN_BINOMIAL, 0 },
    { "sqrt", TOKEN_ROOT, 0 },
    { "pi", TOKEN_PI, 0 },
    { "times", TOKEN_TIMES, 0 },
    { "cdot", TOKEN_TIMES, 0 },
    { "ast", TOKEN_TIMES, 0 },
    { "div", TOKEN_DIVIDE, 0 },
    { "pm", TOKEN_PLUS_MINUS, 0 },
    { "mp", TOKEN_PLUS_MINUS, 1 },
    { "circ", TOKEN_DEGREE, 0 },
    { "degree", TOKEN_DEGREE, 0 },
    { "infty", TOKEN_INFINITY, 0 },
    { "emptyset", TOKEN_EMPTY, 0 },
    { "varnothing", TOKEN_EMPTY, 0 },
    { "cup", TOKEN_UNION, 0 },
    { "cap", TOKEN_SECTION, 0 },
    { "in", TOKEN_RELATION, RELATION_IN },
    { "le", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "leq", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "leqslant", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "ge", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "geq", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "geqslant", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "ne", TOKEN_RELATION, RELATION_UNEQUAL },
    { "neq", TOKEN_RELATION, RELATION_UNEQUAL },
    { "lt", TOKEN_RELATION, RELATION_LESS },
    { "textless", TOKEN_RELATION, RELATION_LESS },
    { "textgreater", TOKEN_RELATION, RELATION_GREATER },
    { "gt", TOKEN_RELATION, RELATION_GREATER },
    { "approx", TOKEN_RELATION, RELATION_ABOUT },
    { "mid", TOKEN_BAR, 0 },
    { "vert", TOKEN_BAR, 0 },
    { "lvert", TOKEN_BAR, 0 },
    { "rvert", TOKEN_BAR, 0 },
    { "lor", TOKEN_OR, 0 },
    { "vee", TOKEN_OR, 0 },
    { "land", TOKEN_AND, 0 },
    { "wedge", TOKEN_AND, 0 },
    { "sin", TOKEN_FUNCTION, FUNCTION_SIN },
    { "cos", TOKEN_FUNCTION, FUNCTION_COS },
    { "tan", TOKEN_FUNCTION, FUNCTION_TAN },
    { "cot", TOKEN_FUNCTION, FUNCTION_COT },
    { "sec", TOKEN_FUNCTION, FUNCTION_SEC },
    { "csc", TOKEN_FUNCTION, FUNCTION_CSC },
    { "arcsin", TOKEN_FUNCTION, FUNCTION_ASIN },
    { "arccos", TOKEN_FUNCTION, FUNCTION_ACOS },
    { "arctan", TOKEN_FUNCTION, FUNCTION_ATAN },
    { "ln", TOKEN_FUNCTION, FUNCTION_LN },
    { "lg", TOKEN_FUNCTION, FUNCTION_LG },
    { "exp", TOKEN_FUNCTION, FUNCTION_EXP },
    { "log", TOKEN_LOG, 0 },
    { "left", TOKEN_END, 0 },
    { "right", TOKEN_END, 0 },
    { "big", TOKEN_END, 0 },
    { "Big", TOKEN_END, 0 },
    { "bigl", TOKEN_END, 0 },
    { "bigr", TOKEN_END, 0 },
    { "Bigl", TOKEN_END, 0 },
    { "Bigr", TOKEN_END, 0 },
    { "displaystyle", TOKEN_END, 0 },
    { "limits", TOKEN_END, 0 },
    { "quad", TOKEN_END, 0 },
    { "qquad", TOKEN_END, 0 },
    { "vec", TOKEN_END, 0 },
    { "bar", TOKEN_END, 0 },
    { "overline", TOKEN_END, 0 },
    { "overrightarrow", TOKEN_END, 0 },
    { "angle", TOKEN_END, 0 },
    { "triangle", TOKEN_END, 0 },
    { "boxed", TOKEN_END, 0 },
    { "rm", TOKEN_END, 0 },
    { "therefore", TOKEN_TEXT, 0 },
    { "because", TOKEN_TEXT, 0 },
    { "Rightarrow", TOKEN_TEXT, 0 },
};

/* Commands whose braces only say how to print what is in them. */
static const char *const fonts[] = {
    "text",   "mathrm",     "mbox",   "textbf",       "mathbf", "mathbb",
    "mathit", "boldsymbol", "textrm", "operatorname", "bf",     NULL,
};

static const char *const greek[] = {
    "alpha", "beta",  "gamma",  "delta",  "epsilon", "varepsilon", "zeta",
    "eta",   "theta", "lambda", "mu",     "nu",      "xi",         "rho",
    "sigma", "tau",   "phi",    "varphi", "chi",     "psi",        "omega",
    "kappa", "Delta", "Gamma",  "Omega",  "Sigma",   "Phi",        NULL,
};

static const struct math_word signs[] = {
    { "+", TOKEN_PLUS, 0 },
    { "-", TOKEN_MINUS, 0 },
    { "−", TOKEN_MINUS, 0 },
    { "–", TOKEN_MINUS, 0 },
    { "﹣", TOKEN_MINUS, 0 },
    { "负", TOKEN_MINUS, 0 },
    { "±", TOKEN_PLUS_MINUS, 0 },
    { "∓", TOKEN_PLUS_MINUS, 1 },
    { "正负", TOKEN_PLUS_MINUS, 0 },
    { "*", TOKEN_TIMES, 0 },
    { "×", TOKEN_TIMES, 0 },
    { "·", TOKEN_TIMES, 0 },
    { "⋅", TOKEN_TIMES, 0 },
    { "∙", TOKEN_TIMES, 0 },
    { "•", TOKEN_TIMES, 0 },
    { "乘以", TOKEN_TIMES, 0 },
    { "乘", TOKEN_TIMES, 0 },
    { "/", TOKEN_DIVIDE, 0 },
    { "÷", TOKEN_DIVIDE, 0 },
    { "除以", TOKEN_DIVIDE, 0 },
    { "加上", TOKEN_PLUS, 0 },
    { "加", TOKEN_PLUS, 0 },
    { "减去", TOKEN_MINUS, 0 },
    { "减", TOKEN_MINUS, 0 },
    { "^", TOKEN_POWER, 0 },
    { "√", TOKEN_ROOT, 0 },
    { "根号", TOKEN_ROOT, 0 },
    { "π", TOKEN_PI, 0 },
    { "𝜋", TOKEN_PI, 0 },
    { "%", TOKEN_PERCENT, 100 },
    { "\\%", TOKEN_PERCENT, 100 },
    { "‰", TOKEN_PERCENT, 1000 },
    { "°", TOKEN_DEGREE, 0 },
    { "度", TOKEN_DEGREE, 0 },
    { "∞", TOKEN_INFINITY, 0 },
    { "无穷大", TOKEN_INFINITY, 0 },
    { "无穷", TOKEN_INFINITY, 0 },
    { "正无穷", TOKEN_INFINITY, 0 },
    { "∅", TOKEN_EMPTY, 0 },
    { "空集", TOKEN_EMPTY, 0 },
    { "∪", TOKEN_UNION, 0 },
    { "∩", TOKEN_SECTION, 0 },
    { "∈", TOKEN_RELATION, RELATION_IN },
    { "属于", TOKEN_RELATION, RELATION_IN },
    { "=", TOKEN_RELATION, RELATION_EQUAL },
    { "==", TOKEN_RELATION, RELATION_EQUAL },
    { "等于", TOKEN_RELATION, RELATION_EQUAL },
    { "≈", TOKEN_RELATION, RELATION_ABOUT },
    { "约等于", TOKEN_RELATION, RELATION_ABOUT },
    { "≠", TOKEN_RELATION, RELATION_UNEQUAL },
    { "!=", TOKEN_RELATION, RELATION_UNEQUAL },
    { "不等于", TOKEN_RELATION, RELATION_UNEQUAL },
    { "<", TOKEN_RELATION, RELATION_LESS },
    { "小于", TOKEN_RELATION, RELATION_LESS },
    { ">", TOKEN_RELATION, RELATION_GREATER },
    { "大于", TOKEN_RELATION, RELATION_GREATER },
    { "<=", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "≤", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "⩽", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "≦", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "小于等于", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "小于或等于", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { "不大于", TOKEN_RELATION, RELATION_LESS_EQUAL },
    { ">=", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "≥", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "⩾", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "≧", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "大于等于", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "大于或等于", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "不小于", TOKEN_RELATION, RELATION_GREATER_EQUAL },
    { "(", TOKEN_OPEN, '(' },
    { "[", TOKEN_OPEN, '[' },
    { ")", TOKEN_CLOSE, ')' },
    { "]", TOKEN_CLOSE, ']' },
    { "|", TOKEN_BAR, 0 },
    { ",", TOKEN_COMMA, 0 },
    { "、", TOKEN_COMMA, 0 },
    { ";", TOKEN_COMMA, 0 },
    { "和", TOKEN_COMMA, 0 },
    { "与", TOKEN_COMMA, 0 },
    { "及", TOKEN_COMMA, 0 },
    { "以及", TOKEN_COMMA, 0 },
    { "或", TOKEN_OR, 0 },
    { "或者", TOKEN_OR, 0 },
    { "或是", TOKEN_OR, 0 },
    { "且", TOKEN_AND, 0 },
    { "并且", TOKEN_AND, 0 },
    { "∧", TOKEN_AND, 0 },
    { "∨", TOKEN_OR, 0 },
    { "&", TOKEN_CELL, 0 },
    { "\\\\", TOKEN_ROW, 0 },
    { "\\{", TOKEN_OPEN, 'S' },
    { "\\}", TOKEN_CLOSE, 'S' },
    { "\\|", TOKEN_BAR, 0 },
};

/* Passed over. */
static const char *const fillers[] = { "$",   "\\(", "\\)", "\\[", "\\]", "\\,",
                                       "\\;", "\\!", "\\:", "\\ ", "~",   "`",
                                       "∠",   "△",   "⊙",   "**",  "__",  "约",
                                       "\\$", "∴",   NULL };

/* Short English words that are no product of names. */
static const char *const plain_words[] = { "is", "the", "so",  "we",  "if",
                                           "of", "in",  "are", "has", "was",
                                           "to", "be",  "by",  "it",  "as",
                                           "cm", "its", NULL };

/* Most words differ in the first byte. */
static bool may_be(struct str s, const char *word)
{
    return s.n && *s.p == *word;
}

const struct math_word *math_command(struct str name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (may_be(name, commands[i].text) && str_is(name, commands[i].text))
            return &commands[i];
    return NULL;
}

const struct math_word *math_sign_at(struct str s, size_t *len)
{
    const struct math_word *best = NULL;

    *len = 0;
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
        struct str t;

        if (!may_be(s, signs[i].text))
            continue;
        t = str_of(signs[i].text);
        if (t.n > *len && str_starts(s, t)) {
            best = &signs[i];
            *len = t.n;
        }
    }
    return best;
}

size_t math_filler_at(struct str s)
{
    for (size_t i = 0; fillers[i]; i++)
        if (may_be(s, fillers[i]) && str_starts(s, str_of(fillers[i])))
            return strlen(fillers[i]);
    return 0;
}

static bool is_one_of(struct str word, const char *const *list)
{
    for (; *list; list++)
        if (may_be(word, *list) && str_is(word, *list))
            return true;
    return false;
}

bool math_is_font(struct str name)
{
    return is_one_of(name, fonts);
}

bool math_is_greek(struct str name)
{
    return is_one_of(name, greek);
}

bool math_is_plain(struct str word)
{
    return is_one_of(word, plain_words);
}
