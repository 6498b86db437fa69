/* A private SQLite database in memory, for queries nobody trusts.
 *
 * It is built of a script or of tables in JSON and then only read: an
 * authorizer lets nothing through but reading, functions and recursion.  Steps,
 * memory, rows and lengths are limited, so that every query ends.  One thread
 * at a time; nothing of it touches a file. */
#ifndef MK_SQLBOX_H
#define MK_SQLBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

struct sqlbox;

enum sqlbox_kind {
    SQLBOX_NULL,
    SQLBOX_INT,
    SQLBOX_REAL,
    SQLBOX_TEXT,
    SQLBOX_BLOB
};
struct sqlbox_cell {
    enum sqlbox_kind kind;
    int64_t i;
    double d;
    struct str s; /* of a text or blob, in the arena */
};

enum sqlbox_end {
    SQLBOX_ROWS,
    SQLBOX_ERROR,  /* SQLite refuses it: msg says why */
    SQLBOX_DENIED, /* more than reading */
    SQLBOX_LIMIT,  /* too many steps or rows, too much memory or time */
    SQLBOX_MANY    /* more than one statement */
};
struct sqlbox_result {
    enum sqlbox_end end;
    size_t n_rows, n_cols;
    struct sqlbox_cell *cells; /* [n_rows][n_cols] */
    const char *msg;           /* "" when there are rows */
};

/* Builds the database: `db` is a script of CREATE and INSERT, or
 *   {"TABLE": {"columns": [["NAME", "TYPE"], ...], "rows": [[...], ...]}, ...}
 * where "NAME" alone is a column without a type.
 * With `mirror` every table is walked backwards, so that rows whose order or
 * choice a query leaves open come out otherwise.  *out is the caller's, freed by
 * sqlbox_close().  ERR_FORMAT says what is wrong with it. */
enum err_code sqlbox_open(struct sqlbox **out, const struct json *db,
                          bool mirror, struct err *e) MUST_CHECK;
void sqlbox_close(struct sqlbox *box);

/* Runs one query.  What is wrong with it is told by out->end; fails with NOMEM
 * only. */
enum err_code sqlbox_query(struct sqlbox *box, struct str sql, struct arena *a,
                           struct sqlbox_result *out, struct err *e) MUST_CHECK;

#endif
