/* The part of JSON Schema that answers are checked with. */
#ifndef MK_JSON_SCHEMA_H
#define MK_JSON_SCHEMA_H

#include <stdbool.h>

#include "harness/base/json.h"

/* Refuses keywords that are not known: type, enum, const, required, properties,
 * additionalProperties, items, minItems, maxItems, minLength, maxLength,
 * minimum, maximum, pattern; title, description and $schema say nothing. */
enum err_code json_schema_check(const struct json *schema,
                                struct err *e) MUST_CHECK;
/* Whether value is as the checked schema says; *why names the first keyword
 * that it breaks.  Fails with NOMEM and LIMIT.  Recursion is as deep as JSON,
 * 64. */
enum err_code json_schema_holds(const struct json *schema,
                                const struct json *value, bool *yes,
                                const char **why, struct err *e) MUST_CHECK;

#endif
