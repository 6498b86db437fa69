/* What is stored, in the formats of others.  Adding a format is one file
 * export_NAME.c and one row below. */
#ifndef MK_EXPORT_H
#define MK_EXPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"
#include "harness/base/text.h"
#include "harness/store/store.h"

struct export_params {
    struct store *store;       /* NULL for formats without needs_store */
    const char *const *models; /* ids; none: all */
    size_t n_models;
    const char *const *suites; /* ids, globs, suite/subset; none: all */
    size_t n_suites;
    bool all;           /* also samples that a newer run has replaced */
    const char *output; /* the file or folder asked for, or NULL */
    /* Takes the next piece of the output, in order. */
    enum err_code (*write)(void *user, struct str piece, struct err *e);
    void *user;
};

struct export_format {
    const char *name;
    const char *doc; /* one line */
    bool needs_store;
    bool to_folder; /* writes the folder `output` itself, not by write() */
    enum err_code (*run)(const struct export_params *p, struct err *e);
};
/* one row a line, sorted */
/* clang-format off */
#define EXPORT_FORMATS(X)                                                      \
    X(csv)                                                                     \
    X(json)                                                                    \
    X(suite)
/* clang-format on */
#define EXPORT_DECL(name) extern const struct export_format export_##name;
EXPORT_FORMATS(EXPORT_DECL)
#undef EXPORT_DECL
extern const struct export_format *const export_formats[]; /* NULL at the end */

/* Shared by the formats: the samples that were asked for, sorted by model,
 * suite, subset, item, trial, turn.  Their columns: */
enum export_kind {
    EXPORT_TEXT,
    EXPORT_INT,
    EXPORT_NUM,
    EXPORT_BOOL,
    EXPORT_JSON
};
struct export_col {
    const char *name;
    enum export_kind kind;
};
extern const struct export_col export_cols[]; /* name NULL at the end */
enum err_code export_samples(const struct export_params *p, store_row_fn *fn,
                             void *user, struct err *e) MUST_CHECK;

#endif
