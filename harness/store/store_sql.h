/* What the files of the store share: statements by their text, groups of
 * writes.  store_sql.c alone knows SQLite; the others speak SQL through here.
 *
 * Parameters are bound in order as in store_query(): s text, i int64_t,
 * d double (NaN: null), n null.  Text must live until the call returns. */
#ifndef MK_STORE_SQL_H
#define MK_STORE_SQL_H

#include "harness/store/store.h"

struct sqlite3;
struct sqlite3_stmt;

/* A statement that was prepared, found again by its text. */
struct statement {
    struct sqlite3_stmt *stmt;
    const char *text; /* as given: the same literal comes again */
    uint64_t used;    /* the store's clock then */
    bool busy;        /* its rows are being walked */
};

enum { STORE_STATEMENTS = 64 };
struct store {
    struct sqlite3 *db;
    char *path;
    bool read_only;
    bool immutable; /* nobody can write it: read without locks */
    bool in_group;
    enum err_code lost; /* why a group was undone; ERR_OK: none was */
    size_t n_samples;   /* in the open group */
    int64_t group_ns;   /* when it was opened */
    uint64_t clock;
    struct statement cache[STORE_STATEMENTS];
};

/* Opens the file at s->path as read_only and immutable say; sql_close() takes
 * what it left in any case. */
enum err_code sql_open(struct store *s, struct err *e) MUST_CHECK;
void sql_close(struct store *s);
enum err_code sql_use_wal(struct store *s, struct err *e) MUST_CHECK;

/* Opens a group of writes if none is open.  Every writing function calls it
 * first.  An error when the database is open for reading only, or when an
 * earlier failure has undone a group whose ids may be in use. */
enum err_code sql_begin(struct store *s, struct err *e) MUST_CHECK;
/* The same, but stays in a group that is full: what belongs to a sample, its
 * score, must not be committed after it. */
enum err_code sql_join(struct store *s, struct err *e) MUST_CHECK;
/* Counts a stored sample; a full group is committed by the next begin. */
void sql_count_sample(struct store *s);

/* Runs a statement and ignores its rows. */
enum err_code sql_run(struct store *s, const char *sql, struct err *e,
                      const char *types, ...) MUST_CHECK;
/* First column of the first row; 0 when there is none. */
enum err_code sql_int(struct store *s, const char *sql, int64_t *out,
                      struct err *e, const char *types, ...) MUST_CHECK;
int64_t sql_last_id(const struct store *s);
int64_t sql_changes(const struct store *s); /* of the last sql_run() */

/* Statements that belong together: all of them hold, or none.  sql_end()
 * takes the result so far and gives the result of all. */
enum err_code sql_together(struct store *s, struct err *e) MUST_CHECK;
enum err_code sql_end(struct store *s, enum err_code rc,
                      struct err *e) MUST_CHECK;

/* Another results database as "other"; not inside a group. */
enum err_code sql_attach(struct store *s, const char *path, bool immutable,
                         struct err *e) MUST_CHECK;
void sql_detach(struct store *s);
/* Undoes the open group: for work that is done whole or not at all and holds no
 * ids. */
void sql_abandon(struct store *s);

#endif
