/* Tokens of plain, LaTeX and Chinese mathematics.
 *
 * What is no mathematics becomes TOKEN_TEXT, never an error: the caller looks
 * for the stretches between. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "harness/match/math.h"
#include "harness/match/math_words.h"
#include "harness/match/number.h"

enum { BRACES_MOST = 256, DIGITS_MOST = 400, NAME_MOST = 40 };

struct lexer {
    struct str s;
    size_t i;
    struct arena *arena;
    struct math_tokens *out;
    size_t most;            /* tokens there is room for */
    bool blank;             /* white space was passed */
    int in_text;            /* inside so many \text{} */
    size_t depth;           /* braces open */
    bool drop[BRACES_MOST]; /* the brace that closes is no token */
    size_t brackets;        /* any kind open: 1,234 is no single number */
    size_t run_end;         /* of the letters looked at last */
    size_t small;           /* behind the last small one of these, or 0 */
};

static struct str rest(const struct lexer *x)
{
    return str_sub(x->s, x->i, x->s.n);
}

static bool is_latin(struct str s, size_t i)
{
    return i < s.n && ((s.p[i] >= 'a' && s.p[i] <= 'z') ||
                       (s.p[i] >= 'A' && s.p[i] <= 'Z'));
}

static bool is_digit(struct str s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

/* How many letters stand here.  A row of names is told one by one, and looked
 * through once. */
static size_t letters_here(struct lexer *x)
{
    if (x->i >= x->run_end) {
        x->small = 0;
        for (x->run_end = x->i; is_latin(x->s, x->run_end); x->run_end++)
            if (x->s.p[x->run_end] >= 'a')
                x->small = x->run_end + 1;
    }
    return x->run_end - x->i;
}

/* ---- putting tokens ---- */

static struct math_token *put(struct lexer *x, enum math_token_kind kind,
                              int sub, size_t len)
{
    struct math_tokens *t = x->out;
    struct math_token *k;

    if (t->n >= x->most) {
        t->why = "too long";
        x->i = x->s.n;
        return NULL;
    }
    assert(t->token);
    k = t->token + t->n++;
    *k = (struct math_token){ .kind = kind,
                              .sub = sub,
                              .text = str_sub(x->s, x->i, x->i + len),
                              .at = x->i,
                              .end = x->i + len,
                              .blank = x->blank };
    x->i += len;
    x->blank = false;
    return k;
}

static struct math_token *last(const struct lexer *x)
{
    return x->out->n ? &x->out->token[x->out->n - 1] : NULL;
}

/* Whether a value has just ended, so that a unit or a sign may follow. */
static bool after_value(const struct lexer *x)
{
    const struct math_token *k = last(x);

    if (!k)
        return false;
    return k->kind == TOKEN_NUMBER || k->kind == TOKEN_NAME ||
           k->kind == TOKEN_PI || k->kind == TOKEN_E || k->kind == TOKEN_I ||
           k->kind == TOKEN_FACTORIAL || k->kind == TOKEN_CLOSE ||
           k->kind == TOKEN_PERCENT;
}

static void text(struct lexer *x, size_t len)
{
    struct math_token *k = last(x);

    if (k && k->kind == TOKEN_TEXT && k->end == x->i) {
        x->i += len;
        k->end = x->i;
        k->text.n = k->end - k->at;
    } else {
        (void)put(x, TOKEN_TEXT, 0, len);
    }
}

/* ---- numbers ---- */

static struct str print_int(struct arena *a, int128 v)
{
    char digits[40];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + (int)(v % 10));
    while ((v /= 10) > 0);
    return (struct str){ arena_dup(a, digits + n, sizeof(digits) - n),
                         sizeof(digits) - n };
}

/* Puts a numeral that is no row of digits: 三分之二, 3万. */
static bool put_rat(struct lexer *x, struct rat v, size_t len)
{
    struct math_token *k;

    if (!v.exact || v.num < 0)
        return false;
    k = put(x, TOKEN_NUMBER, 0, len);
    if (!k)
        return true;
    k->text = print_int(x->arena, v.num);
    if (v.den != 1)
        k->over = print_int(x->arena, v.den);
    if (!k->text.p || (k->over.n && !k->over.p))
        x->arena->failed = true;
    return true;
}

/* 1,234 and 1{,}234 outside of brackets. */
static size_t group_at(const struct lexer *x, size_t i, size_t digits)
{
    struct str s = x->s;
    size_t n = 0;

    if (str_starts(str_sub(s, i, s.n), STR("{,}")))
        n = 3;
    else if (i < s.n && s.p[i] == ',' && !x->brackets && digits <= 3)
        n = 1;
    for (size_t k = 0; n && k < 3; k++)
        if (!is_digit(s, i + n + k))
            return 0;
    return n && !is_digit(s, i + n + 3) ? n : 0;
}

struct digits {
    char text[DIGITS_MOST];
    size_t n;
    long exponent;
    size_t end;
};

/* 12  1,234  1.50  .5  1.5e3 */
static bool scan_digits(const struct lexer *x, struct digits *d)
{
    bool point = false, grouped = false;
    struct str s = x->s;
    size_t i = x->i, skip;

    d->n = 0;
    d->exponent = 0;
    while (i < s.n && d->n < sizeof(d->text)) {
        if (is_digit(s, i)) {
            d->text[d->n++] = s.p[i++];
            d->exponent -= point;
        } else if (s.p[i] == '.' && !point && is_digit(s, i + 1)) {
            point = true;
            i++;
        } else if (!point && (skip = group_at(x, i, grouped ? 0 : d->n)) > 0) {
            grouped = true;
            i += skip;
        } else {
            break;
        }
    }
    d->end = i;
    return d->n && !is_digit(s, i);
}

/* e3, E-5 directly behind digits. */
static void scan_exponent(struct str s, struct digits *d)
{
    size_t i = d->end + 1;
    bool minus = i < s.n && s.p[i] == '-';
    long exp = 0;

    if (d->end >= s.n || (s.p[d->end] != 'e' && s.p[d->end] != 'E'))
        return;
    i += minus || (i < s.n && s.p[i] == '+');
    if (!is_digit(s, i))
        return;
    for (; is_digit(s, i); i++)
        exp = exp < 100000 ? exp * 10 + (s.p[i] - '0') : exp;
    d->exponent += minus ? -exp : exp;
    d->end = i;
}

static void number(struct lexer *x)
{
    struct math_token *k = last(x);
    struct digits d;
    struct rat v;
    struct unit u;
    size_t n;

    if (!scan_digits(x, &d)) {
        text(x, d.end > x->i ? d.end - x->i : 1);
        return;
    }
    if (k && k->kind == TOKEN_TEXT && k->end == x->i &&
        str_ends(k->text, STR("第"))) {
        text(x, d.end - x->i);
        return;
    }
    scan_exponent(x->s, &d);
    if (!unit_read(str_sub(x->s, d.end, x->s.n), &u)) {
        n = number_read_chinese(rest(x), &v);
        if (n > d.end - x->i && put_rat(x, v, n))
            return;
    }
    k = put(x, TOKEN_NUMBER, 0, d.end - x->i);
    if (!k)
        return;
    k->text = (struct str){ arena_dup(x->arena, d.text, d.n), d.n };
    k->exponent = d.exponent;
}

/* Chinese numerals begin many words: one is a number only before what can
 * follow a number, and not behind 第. */
static bool numeral(struct lexer *x)
{
    static const char counters[] =
        "个只条棵本支枝张人头匹辆件朵块颗名位岁倍组种"
        "天页盒箱桶瓶杯双套座间层排列行";
    const struct math_token *k = last(x);
    struct rat v;
    struct unit u;
    size_t n = number_read_chinese(rest(x), &v), len;
    struct str after = str_sub(x->s, x->i + n, x->s.n);
    int32_t rune = after.n ? text_rune(after, 0, &len) : 0;

    if (!n || number_is_word(rest(x)) ||
        (k && k->kind == TOKEN_TEXT && k->end == x->i &&
         str_ends(k->text, STR("第"))))
        return false;
    if (after.n && text_is_han(rune) && !unit_read(after, &u) &&
        str_find(str_of(counters), str_sub(after, 0, len), 0) == (size_t)-1) {
        if (!math_sign_at(after, &len))
            return false;
    }
    return put_rat(x, v, n);
}

/* ---- names and words ---- */

/* The subscript behind a name: _1, _{n+1}, ₁.  Its bytes; the content goes to
 * out without blanks. */
static size_t subscript(struct str s, size_t i, struct buf *out)
{
    size_t from = i, len, close;
    int32_t rune = i < s.n ? text_rune(s, i, &len) : 0;

    for (; rune >= 0x2080 && rune <= 0x2089; i += len) {
        buf_char(out, (char)('0' + (rune - 0x2080)));
        rune = i + len < s.n ? text_rune(s, i + len, &len) : 0;
        len = 3;
    }
    if (i > from || i >= s.n || s.p[i] != '_' || ++i >= s.n)
        return i - from;
    if (s.p[i] != '{') {
        (void)text_rune(s, i, &len);
        buf_text(out, str_sub(s, i, i + len));
        return i + len - from;
    }
    close = str_find(s, STR("}"), i);
    if (close == (size_t)-1 || close - i > NAME_MOST)
        return 0;
    for (i++; i < close; i++)
        if (s.p[i] != ' ' && s.p[i] != '{')
            buf_char(out, s.p[i]);
    return close + 1 - from;
}

/* Puts a name with what is written below it; `len` bytes hold the name. */
static void name(struct lexer *x, struct str base, size_t len)
{
    static const char *const single[] = { "e", "i" };
    struct math_token *k;
    struct buf sub;
    size_t n;

    buf_init(&sub, 2 * NAME_MOST);
    n = subscript(x->s, x->i + len, &sub);
    while (x->i + len + n < x->s.n && x->s.p[x->i + len + n] == '\'') {
        buf_char(&sub, '\'');
        n++;
    }
    k = put(x, TOKEN_NAME, 0, len + n);
    if (k && !sub.n) {
        k->text = base;
        if (str_is(base, single[0]))
            k->kind = TOKEN_E;
        else if (str_is(base, single[1]))
            k->kind = TOKEN_I;
    } else if (k) {
        k->text.p = arena_printf(x->arena, "%.*s_%s", STR_FMT(base), sub.p);
        k->text.n = k->text.p ? strlen(k->text.p) : 0;
    }
    if (sub.failed && !sub.full)
        x->arena->failed = true;
    buf_free(&sub);
}

/* The _1 of \mathrm{N}_1, behind a name that has ended. */
static bool below(struct lexer *x)
{
    struct math_token *k = last(x);
    struct buf sub;
    size_t n;

    if (x->s.p[x->i] != '_' || !k)
        return false;
    if (x->out->n > 2 && k->kind == TOKEN_CLOSE && k->sub == '}' &&
        k[-1].kind == TOKEN_NAME && k[-2].kind == TOKEN_OPEN) {
        k[-2] = k[-1]; /* {a}_1 */
        x->out->n -= 2;
        k = last(x);
    }
    if (k->kind != TOKEN_NAME)
        return false;
    buf_init(&sub, 2 * NAME_MOST);
    n = subscript(x->s, x->i, &sub);
    if (n) {
        k->text.p = arena_printf(x->arena, "%.*s_%s", STR_FMT(k->text), sub.p);
        k->text.n = k->text.p ? strlen(k->text.p) : 0;
        k->end = x->i += n;
    }
    if (sub.failed && !sub.full)
        x->arena->failed = true;
    buf_free(&sub);
    return n > 0;
}

/* A function whose name begins the run of letters: sin of sinx. */
static const struct math_word *function_at(struct str run, size_t *len)
{
    const struct math_word *w = NULL;

    for (*len = run.n < 6 ? run.n : 6; *len > 1; --*len) {
        w = math_command(str_sub(run, 0, *len));
        if (w && (w->kind == TOKEN_FUNCTION || w->kind == TOKEN_LOG ||
                  w->kind == TOKEN_PI || str_is(str_sub(run, 0, *len), "sqrt")))
            break;
        w = NULL;
    }
    if (w && run.n > *len + 2) {
        size_t inner;

        if (!function_at(str_sub(run, *len, run.n), &inner) &&
            !function_at(str_sub(run, *len + 1, run.n), &inner))
            return NULL;
    }
    return w;
}

static void put_word(struct lexer *x, const struct math_word *w, size_t len)
{
    struct math_token *k;

    if (w->kind == TOKEN_END) {
        x->i += len;
        return;
    }
    k = put(x, w->kind, w->sub, len);
    if (k && w->kind == TOKEN_LOG && x->i < x->s.n && x->s.p[x->i] == '_')
        (void)put(x, TOKEN_UNDER, 0, 1);
}

/* Two letters that are rather two names than a unit. */
static bool is_ambiguous(struct str run)
{
    return str_is(run, "nm") || str_is(run, "ms") || str_is(run, "ha");
}

/* A unit behind a value: any Chinese one; of Latin ones those of two letters
 * and more, m and s are names unless they stand in \text{}. */
static bool unit(struct lexer *x)
{
    struct unit u, *copy;
    struct math_token *k;
    size_t n = after_value(x) ? unit_read(rest(x), &u) : 0;
    size_t run = letters_here(x);
    struct str s = rest(x);

    if (!n || (run == 1 && !x->in_text) ||
        (run && !x->in_text && is_ambiguous(str_sub(s, 0, run))))
        return false;
    if (u.over.power[BASE_DEGREE])
        return false;
    copy = arena_alloc(x->arena, sizeof(*copy));
    k = copy ? put(x, TOKEN_UNIT, 0, n) : NULL;
    if (k) {
        *copy = u;
        k->unit = copy;
        /* power_at() may have passed the brace that closes \text{ */
        if (x->depth && memchr(k->text.p, '}', k->text.n) &&
            !memchr(k->text.p, '{', k->text.n))
            x->in_text -= x->drop[--x->depth];
    }
    return true;
}

/* A run of letters: a unit, a function, a word, or names side by side. */
static void letters(struct lexer *x)
{
    static const struct math_word logic[] = { { "or", TOKEN_OR, 0 },
                                              { "and", TOKEN_COMMA, 0 } };
    size_t run = letters_here(x), len;
    const struct math_word *w;
    bool small = x->small > x->i, before;
    struct str s = str_sub(rest(x), 0, run);

    for (size_t i = 0; i < 2; i++)
        if (str_is(s, logic[i].text)) {
            put_word(x, &logic[i], run);
            return;
        }
    if (unit(x))
        return;
    w = function_at(s, &len);
    if (w) {
        put_word(x, w, len);
        return;
    }
    /* xcosx is no word */
    before = run > 1 && (function_at(str_sub(s, 1, run), &len) ||
                         function_at(str_sub(s, 2, run), &len));
    if (!before && ((small && run > 3) || math_is_plain(s)))
        text(x, run);
    else
        name(x, str_sub(s, 0, 1), 1);
}

/* ---- LaTeX ---- */

static void push_brace(struct lexer *x, bool drop)
{
    if (x->depth == BRACES_MOST) {
        x->out->why = "nested too deep";
        x->i = x->s.n;
        return;
    }
    x->drop[x->depth++] = drop;
    x->in_text += drop;
}

static void brace(struct lexer *x)
{
    if (str_starts(rest(x), STR("{}"))) {
        x->i += 2;
    } else if (x->s.p[x->i] == '{') {
        push_brace(x, false);
        if (x->i < x->s.n)
            (void)put(x, TOKEN_OPEN, '{', 1);
    } else if (x->depth && x->drop[x->depth - 1]) {
        x->depth--;
        x->in_text--;
        x->i++;
    } else if (x->depth) {
        x->depth--;
        (void)put(x, TOKEN_CLOSE, '}', 1);
    } else {
        x->i++; /* of a box that was opened before this text */
    }
}

/* \begin{array}{cc} and \end{...}; n bytes hold \begin. */
static void environment(struct lexer *x, size_t n, bool begins)
{
    size_t open = x->i + n, close, spec;
    struct math_token *k;

    close = str_find(x->s, STR("}"), open);
    if (open >= x->s.n || x->s.p[open] != '{' || close == (size_t)-1) {
        text(x, n);
        return;
    }
    k = put(x, begins ? TOKEN_BEGIN : TOKEN_FINISH, 0, close + 1 - x->i);
    if (!k)
        return;
    k->text = str_sub(x->s, open + 1, close);
    if (begins && str_is(k->text, "array") && x->i < x->s.n &&
        x->s.p[x->i] == '{') {
        spec = str_find(x->s, STR("}"), x->i);
        x->i = spec == (size_t)-1 ? x->i : spec + 1;
    }
}

static void latex(struct lexer *x)
{
    struct str s = rest(x), word;
    const struct math_word *w;
    size_t n = 1, blank;

    while (is_latin(s, n))
        n++;
    word = str_sub(s, 1, n);
    for (blank = n; blank < s.n && s.p[blank] == ' ';)
        blank++;
    w = math_command(word);
    if (math_is_font(word) && blank < s.n && s.p[blank] == '{') {
        x->i += blank + 1;
        push_brace(x, true);
    } else if (str_is(word, "begin") || str_is(word, "end")) {
        environment(x, n, str_is(word, "begin"));
    } else if (w) {
        put_word(x, w, n);
    } else if (math_is_greek(word)) {
        name(x, word, n);
    } else {
        text(x, n);
    }
}

/* ---- everything else ---- */

/* ², ⁻¹ and the like: ^{...}. */
static bool raised(struct lexer *x)
{
    static const struct {
        int32_t rune;
        const char *text;
    } runes[] = { { 0xB9, "1" },   { 0xB2, "2" },   { 0xB3, "3" },
                  { 0x2070, "0" }, { 0x207B, "-" }, { 0x207F, "n" } };
    size_t from = x->i, len, i;
    char *out = arena_alloc(x->arena, 32);
    struct math_token *k;
    size_t n = 0;

    for (; out && x->i < x->s.n && n < 30; x->i += len) {
        int32_t rune = text_rune(x->s, x->i, &len);

        for (i = 0; i < 6 && runes[i].rune != rune; i++)
            ;
        if (i < 6)
            out[n++] = *runes[i].text;
        else if (rune >= 0x2074 && rune <= 0x2079)
            out[n++] = (char)('0' + (rune - 0x2070));
        else
            break;
    }
    if (!n)
        return false;
    len = x->i - from;
    x->i = from;
    (void)put(x, TOKEN_POWER, 0, 0);
    (void)put(x, TOKEN_OPEN, '{', 0);
    if (*out == '-')
        (void)put(x, TOKEN_MINUS, 0, 0);
    k = put(x, *out == 'n' ? TOKEN_NAME : TOKEN_NUMBER, 0, len);
    if (k)
        k->text = (struct str){ out + (*out == '-'), n - (*out == '-') };
    (void)put(x, TOKEN_CLOSE, '}', 0);
    return true;
}

/* ½, ⅔: one character. */
static bool vulgar(struct lexer *x, int32_t rune, size_t len)
{
    static const struct {
        int32_t rune;
        int num, den;
    } runes[] = { { 0xBC, 1, 4 },   { 0xBD, 1, 2 },   { 0xBE, 3, 4 },
                  { 0x2153, 1, 3 }, { 0x2154, 2, 3 }, { 0x2155, 1, 5 },
                  { 0x2156, 2, 5 }, { 0x2157, 3, 5 }, { 0x2158, 4, 5 },
                  { 0x2159, 1, 6 }, { 0x215A, 5, 6 }, { 0x215B, 1, 8 },
                  { 0x215C, 3, 8 }, { 0x215D, 5, 8 }, { 0x215E, 7, 8 } };

    for (size_t i = 0; i < sizeof(runes) / sizeof(*runes); i++)
        if (runes[i].rune == rune)
            return put_rat(x, rat_of(runes[i].num, runes[i].den), len);
    return false;
}

/* A colon is a ratio between values, a bar inside of braces. */
static void colon(struct lexer *x)
{
    bool value = after_value(x);
    size_t next = x->i + 1;

    if (value && x->brackets && !is_digit(x->s, next))
        (void)put(x, TOKEN_BAR, 0, 1);
    else if (value && (is_digit(x->s, next) || is_latin(x->s, next)))
        (void)put(x, TOKEN_DIVIDE, 0, 1);
    else
        text(x, 1);
}

static void sign(struct lexer *x, const struct math_word *w, size_t len)
{
    if (w->kind == TOKEN_OPEN)
        x->brackets++;
    else if (w->kind == TOKEN_CLOSE && x->brackets)
        x->brackets--;
    (void)put(x, w->kind, w->sub, len);
}

/* Han, Greek and whatever is left. */
static void other(struct lexer *x)
{
    size_t len;
    int32_t rune = text_rune(x->s, x->i, &len);

    if (text_is_space(rune)) {
        x->i += len;
        x->blank = true;
    } else if (rune >= 0x391 && rune <= 0x3C9) {
        name(x, str_sub(x->s, x->i, x->i + len), len);
    } else if (!raised(x) && !vulgar(x, rune, len)) {
        text(x, len);
    }
}

static void token(struct lexer *x)
{
    const struct math_word *w;
    struct str s = rest(x);
    size_t len = math_filler_at(s);
    char c = *s.p;

    if (len) {
        x->i += len;
        x->blank = true;
        return;
    }
    if (below(x) || ((unsigned char)c >= 0x80 && (unit(x) || numeral(x))))
        return;
    if (is_digit(s, 0) || (c == '.' && is_digit(s, 1) && !after_value(x))) {
        number(x);
    } else if (is_latin(s, 0)) {
        letters(x);
    } else if ((w = math_sign_at(s, &len)) != NULL) {
        sign(x, w, len);
    } else if (c == '\\') {
        latex(x);
    } else if (c == '{' || c == '}') {
        brace(x);
    } else if (c == ':') {
        colon(x);
    } else if (c == '!' && after_value(x)) {
        (void)put(x, TOKEN_FACTORIAL, 0, 1);
    } else {
        other(x);
    }
}

void math_lex(struct str s, struct arena *a, struct math_tokens *t)
{
    size_t room = 3 * s.n + 8;
    struct lexer x = { .s = s, .arena = a, .out = t };

    x.most = room < MATH_TOKENS_MOST ? room : MATH_TOKENS_MOST;
    *t = (struct math_tokens){ .s = s };
    t->token = arena_array(a, x.most + 1, sizeof(*t->token));
    if (!t->token)
        return;
    while (x.i < s.n && !a->failed)
        token(&x);
    t->token[t->n] = (struct math_token){ .at = s.n, .end = s.n };
    if (a->failed)
        t->token = NULL;
}
