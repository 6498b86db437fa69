/* The words of a template: what prompt.c puts around an item. */
#ifndef MK_PROMPT_WORDS_H
#define MK_PROMPT_WORDS_H

#include <stdbool.h>

#include "harness/prompt.h"

struct prompt_words {
    struct prompt_template head;
    const char *intro;        /* above choice questions, NULL: none */
    const char *intro_titled; /* the same for a subset with a name, at {} */
    const char *other,
        *other_titled;         /* where keys are no letters; NULL: same */
    const char *cue;           /* after the choices */
    const char *think;         /* ends every body, NULL: no reasoning */
    const char *label, *reply; /* of other questions in plain text */
    bool english;
    bool plain; /* options are scored in plain text */
    bool texts; /* options are the choices' texts, which are not listed */
};

/* NULL if there is none of that name. */
const struct prompt_words *prompt_words_find(const char *name);

#endif
