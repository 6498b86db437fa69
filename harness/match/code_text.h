/* Where the program of a reply stands. */
#ifndef MK_CODE_TEXT_H
#define MK_CODE_TEXT_H

#include <stdbool.h>

#include "harness/base/text.h"

struct code_language {
    const char *name;
    const char *tags; /* of its fences */
    /* Words a line of running text begins with where the program begins. */
    const char *const *starts;
};
extern const struct code_language code_python, code_c, code_cpp;

/* Whether the code defines `name` (not only calls it): Python's def and class,
 * in C a name at the start of a definition. */
bool code_defines(const struct code_language *l, struct str code,
                  const char *name);

/* The program: of the fenced blocks in this language (of all blocks when none
 * says its language) the last that defines `entry`, else the longest; without
 * blocks the running text from the first line that looks like code.  Empty when
 * there is none.  entry may be NULL. */
struct str code_find(const struct code_language *l, struct str text,
                     const char *entry);

/* What goes on from an unfinished function: a text that begins as its body
 * would, up to the first line that stands at the left margin again.  Empty when
 * it does not begin so. */
struct str code_body(const struct code_language *l, struct str text);
/* Whether blanks before its first line were trimmed off on the way. */
bool code_lost_margin(struct str body);

#endif
