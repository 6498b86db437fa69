/* Reports: from the database alone to tables, plots, pages.
 *
 * A report kind computes a struct table; a format prints one.  Adding a report
 * is one file report_NAME.c and one row below. */
#ifndef MK_REPORT_H
#define MK_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/store/store.h"

enum cell_kind { CELL_TEXT, CELL_INT, CELL_NUM, CELL_NONE };
struct cell {
    enum cell_kind kind;
    const char *text;
    int64_t i;
    double num;
    int digits;      /* of CELL_NUM, when printed for people */
};
struct column {
    const char *key;   /* name in CSV and JSON */
    const char *title; /* heading for people */
    bool right;        /* aligned right */
};
struct table {
    const char *title;
    struct column *cols;
    size_t n_cols;
    struct cell *cells; /* [n_rows][n_cols] */
    size_t n_rows;
    const char **notes; /* lines below: versions, hashes, warnings */
    size_t n_notes;
    struct arena *arena;
};

struct report_params {
    struct store *store;
    const char *const *models;  /* ids or names, NULL: all */
    size_t n_models;
    const char *const *suites;  /* ids, globs */
    size_t n_suites;
    const char *const *args;    /* the kind's own: item ids of audit ... */
    size_t n_args;
    double alpha;               /* 0.05 */
    const char *plot;           /* file to write, .svg or .png; NULL: none */
    bool english;               /* headings; default Chinese + English terms */
    struct arena *arena;
};

struct report_kind {
    const char *name, *doc;
    enum err_code (*make)(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e);
    /* Draws p->plot; NULL: this kind has no plot. */
    enum err_code (*plot)(const struct report_params *p, struct err *e);
};
#define REPORT_KINDS(X) X(audit) X(matrix) X(rank)
#define REPORT_DECL(name) extern const struct report_kind report_##name;
REPORT_KINDS(REPORT_DECL)
#undef REPORT_DECL
extern const struct report_kind *const report_kinds[]; /* NULL at the end */

struct report_format {
    const char *name; /* "table" "md" "csv" "json" "html" */
    const char *doc;
    void (*print)(const struct table *tables, size_t n, struct buf *out);
};
extern const struct report_format report_formats[]; /* name NULL at the end */

/* gnuplot as a process: writes data and script to a private folder, runs it,
 * and puts the picture at path.  A missing gnuplot is ERR_NOENV with the cure;
 * `keep` (may be NULL) is a folder that receives script and data. */
enum err_code plot_run(const char *script, const char *data, const char *path,
                       const char *keep, struct err *e) MUST_CHECK;

#endif
