/* Two JSON values compared field by field. */
#ifndef MK_JSON_SAME_H
#define MK_JSON_SAME_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/json.h"
#include "harness/base/mem.h"

/* How values are compared; read from a matcher's options. */
struct json_how {
    bool extra;       /* members that are not expected do not matter */
    bool any_order;   /* of lists */
    bool exact_text;  /* texts byte by byte; else folded */
    bool loose_types; /* "3" is 3, "true" is true */
    double tolerance; /* of numbers */
};

/* The members that the options of a matcher may have for it. */
#define JSON_HOW_MEMBERS "extra", "order", "text", "types", "tolerance"
enum err_code json_how_read(const struct json *options, struct json_how *how,
                            struct err *e) MUST_CHECK;

/* Fields are texts, numbers, true, false, null and what is empty; each member
 * or element that should not be there counts as fields too. */
struct json_tally {
    size_t fields, right;
};

/* Adds the fields of want, and those of got that are right, to *t.  got may be
 * NULL.  In want {"$any": [..]} accepts each of the listed values.  The depth
 * of recursion is that of JSON, 64. */
enum err_code json_same(const struct json *want, const struct json *got,
                        const struct json_how *how, struct arena *a,
                        struct json_tally *t, struct err *e) MUST_CHECK;

#endif
