/* Tokens from characters. */
#include "harness/guess.h"

enum kind { HAN, LETTER, DIGIT, SPACE, OTHER, N_KINDS };

/* Tokens a character of each kind, fitted to the vocabularies in guess.h. */
static const double weight[N_KINDS] = {
    [HAN] = 0.70,   [LETTER] = 0.25, [DIGIT] = 1.10,
    [SPACE] = 0.14, [OTHER] = 0.80,
};
/* What a chat puts around a message, and before the reply. */
enum { AROUND_MESSAGE = 4, BEFORE_REPLY = 3 };

static enum kind kind_of(int32_t rune)
{
    if (text_is_han(rune))
        return HAN;
    if (rune == ' ')
        return SPACE;
    if (rune >= '0' && rune <= '9')
        return DIGIT;
    return rune < 0x250 && text_is_letter(rune) ? LETTER : OTHER;
}

double guess_text(struct str s)
{
    size_t n[N_KINDS] = { 0 }, len;
    double sum = 0;

    for (size_t i = 0; i < s.n; i += len)
        n[kind_of(text_rune(s, i, &len))]++;
    for (size_t c = 0; c < N_KINDS; c++)
        sum += (double)n[c] * weight[c];
    return sum;
}

double guess_prompt(const struct request *q)
{
    double sum = guess_text(str_of(q->prompt));

    for (size_t i = 0; i < q->n_messages; i++)
        sum += AROUND_MESSAGE + guess_text(str_of(q->messages[i].content));
    if (q->n_messages)
        sum += BEFORE_REPLY;
    for (size_t i = 0; i < q->n_options; i++)
        sum += guess_text(str_of(q->options[i]));
    return sum;
}
