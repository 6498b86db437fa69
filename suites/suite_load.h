/* What the files suite*.c share: one reader for suite_open() and
 * suite_check().
 *
 * The reader meets faults in two manners.  Opening stops at the first one,
 * which becomes the error; checking hands each to a function and goes on with
 * the next field.  Both are suite_load_fault(), so the checks are written once.  `rc`
 * is sticky like a buf's failure: when it is set every call does nothing. */
#ifndef MK_SUITE_LOAD_H
#define MK_SUITE_LOAD_H

#include "harness/base/json.h"
#include "suites/suite.h"

#define SUITE_FILE "suite.json"
#define ITEMS_FILE "items.jsonl"
#define DEV_FILE "dev.jsonl"

struct loader {
    struct suite *s;
    const struct suite_checks *checks; /* NULL: the first fault is an error */
    size_t n_faults, n_warnings;
    const char *file;  /* "items.jsonl", in the suite's folder */
    size_t line;       /* in it; 0: looked up by the field's name */
    struct str text;   /* of the file, for that look-up */
    const char *where; /* "turns[2]." before field names, or "" */
    bool bad;          /* a fault since it was last cleared */
    enum err_code rc;
    struct err *e;
};

/* A fault or a suspicion at the reader's place.  field "": the line as a
 * whole. */
void suite_load_fault(struct loader *l, const char *field, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void suite_load_warn(struct loader *l, size_t line, const char *field,
                     const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Any error that is no fault of the suite: ends the reading. */
void suite_load_stop(struct loader *l, enum err_code rc);
/* The start of s, for messages; out is given back. */
#define LOAD_QUOTE 64
const char *suite_load_quote(const char *s, char out[LOAD_QUOTE]);

/* Typed members, copied into the suite's arena.  NULL when they are missing or
 * wrong; a needed one that is missing is a fault, null counts as missing.
 * `hint` ends the sentence "expected ...". */
const char *suite_load_str(struct loader *l, const struct json *j,
                           const char *key, bool needed, const char *hint);
const char **suite_load_strs(struct loader *l, const struct json *j,
                             const char *key, size_t *n);
const char *suite_load_matcher(struct loader *l, const struct json *j,
                               bool needed);
/* Canonical JSON of a value, in the arena. */
const char *suite_load_json(struct loader *l, const struct json *j);
/* The member of that type, or NULL as above. */
const struct json *suite_load_member(struct loader *l, const struct json *j,
                                     const char *key, enum json_type type,
                                     bool needed, const char *hint);
/* A fault for each member not in `known`, with the nearest name. */
void suite_load_known(struct loader *l, const struct json *j,
                      const char *const *known);

/* Opens a file of the suite: sets l->file and l->text, which lives until the
 * caller frees `out`.  A file that is not there is a fault. */
bool suite_load_file(struct loader *l, const char *file, struct buf *out);

/* Ask the caller's hooks about what l stands in, if it is sound so far. */
void suite_load_ask_suite_hook(struct loader *l);
void suite_load_ask_item_hook(struct loader *l, const struct item *it);

/* Reads suite.json into l->s (suite_meta.c). */
void suite_load_meta(struct loader *l);
/* Reads one item from a parsed line (suite_item.c). */
void suite_load_item(struct loader *l, const struct json *j, struct item *it);
/* Reads all of the folder: what suite_open() does, less the clean-up. */
void suite_load_suite(struct loader *l, const char *path);

/* Fills the digests of all items and of the suite (suite_digest.c). */
enum err_code suite_sum(struct suite *s, struct err *e) MUST_CHECK;
/* Content of an item without its answer and matcher, to tell doubles. */
enum err_code item_question_sum(const struct item *it, char hex[DIGEST_HEX],
                                struct err *e) MUST_CHECK;
#endif
