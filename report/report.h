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
#include "harness/stats.h"
#include "harness/store/store.h"

enum cell_kind { CELL_NONE, CELL_TEXT, CELL_INT, CELL_NUM };
struct cell {
    enum cell_kind kind;
    const char *text;
    int64_t i;
    double num;
    int digits; /* of CELL_NUM, when printed for people */
    bool best;  /* the best of its column: marked */
};
/* People read "61.3 [55.1, 67.2]", programs want three numbers: a column may be
 * for one of them only.  Machine formats: csv, json. */
enum column_for { COLUMN_ALL, COLUMN_PEOPLE, COLUMN_MACHINE };
struct column {
    const char *key;   /* name in CSV and JSON */
    const char *title; /* heading for people */
    bool right;        /* aligned right */
    enum column_for audience;
};
struct table {
    const char *title;
    const struct column *cols;
    size_t n_cols;
    struct cell *cells; /* [n_rows][n_cols] */
    size_t n_rows;
    bool records;       /* people: a block of "title: value" for each row */
    const char **notes; /* lines below: versions, hashes, warnings */
    size_t n_notes, cap_notes;
    struct arena *arena;
};

/* A table with n_rows rows of empty cells, in the arena.  cols must live as
 * long as it does. */
enum err_code table_init(struct table *t, struct arena *a, const char *title,
                         const struct column *cols, size_t n_cols,
                         size_t n_rows, struct err *e) MUST_CHECK;
struct cell *table_cell(const struct table *t, size_t row, size_t col);
struct cell cell_text(const char *s); /* NULL: CELL_NONE */
struct cell cell_int(int64_t v);
struct cell cell_num(double v, int digits); /* NaN: CELL_NONE */
/* A number and its interval, both times scale, in the four cells from c: the
 * number, "[lo, hi]" for people, lo and hi for programs.  Empty where NaN. */
void cells_interval(struct cell *c, struct arena *a, double value,
                    struct interval in, double scale, int digits);
/* Adds a line below; no memory makes the arena's sticky failure. */
void table_note(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* ERR_NOMEM when the arena has failed since. */
enum err_code table_check(const struct table *t, struct err *e) MUST_CHECK;

struct report_params {
    struct store *store;
    const char *const *models; /* ids or names, NULL: all */
    size_t n_models;
    const char *const *suites; /* ids, globs */
    size_t n_suites;
    const char *const *args; /* the kind's own: item ids of audit ... */
    size_t n_args;
    const char *by;      /* columns of matrix; NULL: "ability" */
    const char *verdict; /* audit: only samples of this outcome */
    bool this_call;      /* rescore: temp.rescored instead of the history */
    double alpha;        /* 0.05 */
    const char *plot;    /* file to write, .svg or .png; NULL: none */
    const char *keep;    /* folder for the plot's script and data */
    bool english;        /* headings; default Chinese */
    struct arena *arena;
};

/* For report kinds: the word in the report's language, columns, lists. */
const char *report_word(const struct report_params *p, const char *zh,
                        const char *en);
/* table_note() in the report's language; both formats take the same values. */
#define REPORT_NOTE(p, t, zh, en, ...)                                         \
    ((p)->english ? table_note(t, en, __VA_ARGS__)                             \
                  : table_note(t, zh, __VA_ARGS__))
struct column_words {
    const char *key, *zh, *en;
    bool right;
    enum column_for audience;
};
/* In the arena; NULL when there is no memory. */
const struct column *report_columns(const struct report_params *p,
                                    const struct column_words *w, size_t n);
/* JSON array of the strings, NULL when there are none: how a list is bound to
 * a query.  In the arena. */
const char *report_json_list(struct arena *a, const char *const *v, size_t n);

/* Fails when a chosen model, suite or item is not in the database; the message
 * names the nearest. */
enum err_code report_check_chosen(const struct report_params *p,
                                  struct err *e) MUST_CHECK;
/* Runs a query whose parameters are the models and the suites chosen. */
enum err_code report_query(const struct report_params *p, const char *sql,
                           store_row_fn *row, void *user,
                           struct err *e) MUST_CHECK;

struct report_kind {
    const char *name, *doc;
    enum err_code (*make)(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e);
    /* Draws p->plot; NULL: this kind has no plot. */
    enum err_code (*plot)(const struct report_params *p, struct err *e);
};
/* clang-format off */
#define REPORT_KINDS(X)                                                        \
    X(audit)                                                                   \
    X(cost)                                                                    \
    X(judge)                                                                   \
    X(matrix)                                                                  \
    X(pass)                                                                    \
    X(rank)                                                                    \
    X(rescore)                                                                 \
    X(safety)                                                                  \
    X(turns)
/* clang-format on */
#define REPORT_DECL(name) extern const struct report_kind report_##name;
REPORT_KINDS(REPORT_DECL)
#undef REPORT_DECL
extern const struct report_kind *const report_kinds[]; /* NULL at the end */

/* How a format prints for people. */
struct report_style {
    size_t width; /* cells of the terminal; 0: as wide as it gets */
    bool colour;  /* escape sequences are welcome */
};
struct report_format {
    const char *name, *doc;
    bool machine; /* prints the columns meant for programs */
    bool notes;   /* has a place for the notes (CSV has none) */
    void (*print)(const struct table *tables, size_t n,
                  const struct report_style *style, struct buf *out);
};
/* clang-format off */
#define REPORT_FORMATS(X) X(csv) X(html) X(json) X(md) X(table)
/* clang-format on */
#define FORMAT_DECL(name) extern const struct report_format format_##name;
REPORT_FORMATS(FORMAT_DECL)
#undef FORMAT_DECL
extern const struct report_format *const report_formats[]; /* NULL at the end */

/* Shared by the formats. */
bool column_shown(const struct column *c, bool machine);
/* The cell as people read it, without marks. */
void cell_show(const struct cell *c, struct buf *out);
/* Text from outside without what would act on a terminal or break a line:
 * controls become \xNN; newlines too unless `lines`. */
void show_text(struct str s, bool lines, struct buf *out);

/* --- plots ----------------------------------------------------------------- */

/* The scripts of report/plots, as text inside the program.  Each says at its
 * head which variables and data it wants. */
extern const char plot_bars_gp[], plot_radar_gp[], plot_scatter_gp[];

/* `name = 'value'` for a script; controls are left out. */
void plot_set_str(struct buf *script, const char *name, const char *value);
void plot_set_num(struct buf *script, const char *name, double value);
/* A string as a field of tab-separated data. */
void plot_field(struct buf *data, const char *value);
/* .svg or .png: ERR_USAGE for any other ending.  For asking before work. */
enum err_code plot_check_path(const char *path, struct err *e) MUST_CHECK;

/* gnuplot as a process: writes data and script to a private folder, runs it,
 * and puts the picture at path.  The script finds the data in `data.tsv` and
 * the terminal's name in `mokao_terminal`.  A missing gnuplot is ERR_NOENV with
 * the cure; `keep` (may be NULL) is a folder that receives plot.gp and
 * data.tsv, from which `gnuplot plot.gp` makes the picture again. */
enum err_code plot_run(const char *script, const char *data, const char *path,
                       const char *keep, struct err *e) MUST_CHECK;

#endif
