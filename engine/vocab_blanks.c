/* ChatGLM-6B's line ends, tabs and runs of spaces: each is a token of its own,
 * "<n>", "<|tab|>", "<|blank_2|>" to "<|blank_80|>", which the text is made to
 * hold before SentencePiece sees it, the longest run first. */
#include <stdio.h>
#include <string.h>

#include "engine/vocab_kind.h"

#define LINE_END "<n>"
#define TAB "<|tab|>"
#define BLANKS "<|blank_"
#define MOST_BLANKS 80

bool vocab_codes_blanks(const struct vocab *v)
{
    return vocab_find(v, STR(LINE_END)) >= 0 && vocab_find(v, STR(TAB)) >= 0 &&
           vocab_find(v, STR(BLANKS "2|>")) >= 0;
}

size_t vocab_blanks_of(struct str s, char *c)
{
    size_t n = 0, at = sizeof BLANKS - 1;

    *c = str_is(s, LINE_END) ? '\n' : str_is(s, TAB) ? '\t' : ' ';
    if (*c != ' ')
        return 1;
    if (!str_starts(s, STR(BLANKS)))
        return 0;
    for (; at < s.n && s.p[at] >= '0' && s.p[at] <= '9' && n <= MOST_BLANKS;
         at++)
        n = n * 10 + (size_t)(s.p[at] - '0');
    if (n > MOST_BLANKS || !str_is(str_sub(s, at, s.n), "|>"))
        return 0;
    return n;
}

/* The longest token for so many spaces or fewer, 1 if there is none. */
static size_t put_blanks(struct encoder *x, size_t n)
{
    char name[32];
    int len;

    for (n = n < MOST_BLANKS ? n : MOST_BLANKS; n > 1; n--) {
        len = snprintf(name, sizeof name, BLANKS "%zu|>", n);
        if (vocab_find(x->v, (struct str){ name, (size_t)len }) >= 0) {
            buf_str(&x->text, name);
            return n;
        }
    }
    buf_str(&x->text, VOCAB_SPACE);
    return 1;
}

void vocab_code_blanks(struct encoder *x, struct str s)
{
    for (size_t at = 0, n; at < s.n; at += n) {
        n = 1;
        while (s.p[at] == ' ' && at + n < s.n && s.p[at + n] == ' ')
            n++;
        if (s.p[at] == '\n')
            buf_str(&x->text, LINE_END);
        else if (s.p[at] == '\t')
            buf_str(&x->text, TAB);
        else if (s.p[at] == ' ')
            n = put_blanks(x, n);
        else
            buf_char(&x->text, s.p[at]);
    }
}
