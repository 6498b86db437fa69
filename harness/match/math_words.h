/* The words and signs of mathematics, as tables.  For math_lex.c. */
#ifndef MK_MATH_WORDS_H
#define MK_MATH_WORDS_H

#include "harness/match/math.h"

struct math_word {
    const char *text;
    enum math_token_kind kind; /* TOKEN_END: passed over */
    int sub;
};

/* The LaTeX command of that name, without its backslash; NULL if unknown. */
const struct math_word *math_command(struct str name);
/* The longest sign or Chinese word that begins s (not empty); NULL if none. */
const struct math_word *math_sign_at(struct str s, size_t *len);
/* Bytes at the start of s that say nothing: $, \,, **. */
size_t math_filler_at(struct str s);
/* \text, \mathrm: how to print what stands in the braces. */
bool math_is_font(struct str name);
bool math_is_greek(struct str name);
/* Short English words that are no product of names. */
bool math_is_plain(struct str word);

#endif
