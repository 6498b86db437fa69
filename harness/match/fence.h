/* Fenced blocks (``` or ~~~) of a reply, and SQL that stands in it. */
#ifndef MK_FENCE_H
#define MK_FENCE_H

#include <stdbool.h>

#include "harness/base/text.h"

struct fence {
    struct str tag;  /* the first word behind the fence: "python", or empty */
    struct str body; /* lines between the fences, with their newlines */
};
/* The next block at or after *at, which moves behind it.  One that is not
 * closed goes to the end: the reply was cut off, or is nothing else. */
bool fence_next(struct str text, size_t *at, struct fence *out);
/* Whether the tag is among the words of `list`, separated by blanks; case does
 * not matter. */
bool fence_tag_is(struct str tag, const char *list);

/* The SQL a reply ends with: of the last block that holds a statement, of the
 * last such `code`, or of the running text, where what follows it is left out.
 * Empty when there is none. */
struct str sql_find(struct str text);

#endif
