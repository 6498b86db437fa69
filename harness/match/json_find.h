/* JSON values inside running text: between words, in code fences. */
#ifndef MK_JSON_FIND_H
#define MK_JSON_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/json.h"

struct json_hit {
    struct json *value; /* the caller's, freed by json_free() */
    size_t at, end;
    bool fenced; /* behind ``` and a line's end */
};

/* The next object or list of s at or after `from` that is no part of another;
 * hit->value is NULL when there is none.  Broken ones are passed over; after
 * some hundred of them the search ends.  Fails with NOMEM alone. */
enum err_code json_find_next(struct str s, size_t from, struct json_hit *hit,
                             struct err *e) MUST_CHECK;
/* The value that is the answer: the last of that type in a fence, else the last
 * of that type; what is neither object nor list must be the whole text. */
enum err_code json_find_answer(struct str s, enum json_type type,
                               struct json_hit *hit, struct err *e) MUST_CHECK;

#endif
