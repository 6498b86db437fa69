/* Strict JSON over cJSON, typed getters, and a writer.
 *
 * cJSON rounds integers above 2^53, cuts a string at \u0000, and lets bad
 * UTF-8, duplicate keys, `01` and trailing bytes pass.  json_parse() refuses
 * all of these: a scan before, a walk after; depth and size are limited. */
#ifndef MK_JSON_H
#define MK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/text.h"

enum { JSON_DEPTH = 64 }; /* levels that are read and written */

struct json; /* a cJSON node under our own name */

/* Parses one value.  *out is the caller's, freed by json_free().  The message
 * names line and column and what was expected. */
enum err_code json_parse(struct json **out, struct str text,
                         struct err *e) MUST_CHECK;
/* The same of a file of at most so many bytes, with or without a byte order
 * mark.  The message of json_parse() does not name the file. */
enum err_code json_read(struct json **out, const char *path, size_t most,
                        struct err *e) MUST_CHECK;
void json_free(struct json *j);

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};
enum json_type json_type(const struct json *j);
const char *json_type_name(enum json_type t); /* "a string", "an object" ... */

/* The member of that exact name, NULL if there is none or j is no object. */
const struct json *json_get(const struct json *j, const char *key);
size_t json_len(const struct json *j); /* of an array or object, else 0 */
const struct json *json_at(const struct json *j, size_t i); /* walks: O(i) */
/* First child and next sibling, for walking arrays and objects. */
const struct json *json_child(const struct json *j);
const struct json *json_next(const struct json *j);
const char *json_key(const struct json *j);    /* of a member; "" otherwise */
const char *json_string(const struct json *j); /* NULL if it is no string */
double json_number(const struct json *j);      /* NaN if it is no number */
bool json_bool(const struct json *j);          /* false if it is no true */

/* Typed members.  A missing member gives ERR_FORMAT "key: missing, expected a
 * string" unless the _or form with a default is used; a wrong type is always
 * an error that names the key.  Strings live as long as j. */
enum err_code json_get_str(const struct json *j, const char *key,
                           const char **out, struct err *e) MUST_CHECK;
enum err_code json_get_str_or(const struct json *j, const char *key,
                              const char *dflt, const char **out,
                              struct err *e) MUST_CHECK;
enum err_code json_get_int_or(const struct json *j, const char *key,
                              int64_t dflt, int64_t min, int64_t max,
                              int64_t *out, struct err *e) MUST_CHECK;
enum err_code json_get_num_or(const struct json *j, const char *key,
                              double dflt, double *out,
                              struct err *e) MUST_CHECK;
enum err_code json_get_bool_or(const struct json *j, const char *key, bool dflt,
                               bool *out, struct err *e) MUST_CHECK;
/* Refuses members that are not in `known` (NULL-terminated), names the nearest. */
enum err_code json_only(const struct json *j, const char *const *known,
                        struct err *e) MUST_CHECK;

/* Compact text of a node, members in their order (canonical: sorted by key). */
enum err_code json_write(const struct json *j, struct buf *out,
                         struct err *e) MUST_CHECK;
enum err_code json_write_canonical(const struct json *j, struct buf *out,
                                   struct err *e) MUST_CHECK;

/* Writer: appends to a buf, puts the commas itself.
 *   jw_object(&w, NULL); jw_str(&w, "id", s); jw_int(&w, "n", 3); jw_end(&w);
 * key is NULL inside arrays and at the top. */
struct jw {
    struct buf *out;
    unsigned depth;
    bool first[JSON_DEPTH];
    bool array[JSON_DEPTH];
    bool pretty; /* two spaces a level */
};
void jw_init(struct jw *w, struct buf *out, bool pretty);
void jw_object(struct jw *w, const char *key);
void jw_array(struct jw *w, const char *key);
void jw_end(struct jw *w);
void jw_str(struct jw *w, const char *key, const char *s); /* NULL: null */
void jw_text(struct jw *w, const char *key, struct str s);
void jw_int(struct jw *w, const char *key, int64_t v);
/* Shortest form that reads back the same; NaN and infinities become null. */
void jw_num(struct jw *w, const char *key, double v);
void jw_bool(struct jw *w, const char *key, bool v);
void jw_null(struct jw *w, const char *key);
void jw_raw(struct jw *w, const char *key, struct str json); /* checked JSON */

#endif
