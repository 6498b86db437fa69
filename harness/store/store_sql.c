/* SQLite: connections, statements, errors, groups of writes.
 *
 * The only file of the store that knows SQLite.  Statements are prepared once
 * and found again by their text.  Writes are gathered in groups: the first write
 * opens a transaction (IMMEDIATE, so that two processes take turns instead of
 * meeting in the middle), store_tick() ends it.  When the engine itself undoes
 * a group (disk full, no memory), ids that were given out in it no longer mean
 * anything, so the store refuses to write until it is opened again.
 *
 * Durability: WAL with synchronous=FULL syncs at each commit.  NORMAL would be
 * faster and lose the last groups with the power. */
#include "harness/store/store_sql.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include <sqlite3.h>

#include "harness/base/buf.h"
#include "harness/base/io.h"
#include "harness/base/lite.h"

enum {
    GROUP_SAMPLES = 64,
    GROUP_MS = 100,
    BUSY_MS = 20000 /* other processes commit every 100 ms */
};

struct store_row {
    sqlite3_stmt *stmt;
};

/* ---- Errors ---- */

/* A write that fails does so for want of room, whatever limit was met: SQLite
 * tells a full disk apart, but not a quota or a limit on file sizes. */
static bool is_write_error(int lite)
{
    return lite == SQLITE_IOERR_WRITE || lite == SQLITE_IOERR_FSYNC ||
           lite == SQLITE_IOERR_TRUNCATE || lite == SQLITE_IOERR_SHMSIZE;
}

/* Notes when the engine has undone the open group by itself. */
static void note_loss(struct store *s, enum err_code rc)
{
    if (s->in_group && sqlite3_get_autocommit(s->db)) {
        s->in_group = false;
        s->lost = rc;
    }
}

struct lite_error {
    int lite;
    enum err_code code;
    const char *text;
};
static const struct lite_error lite_errors[] = {
    { SQLITE_NOMEM, ERR_NOMEM, "out of memory" },
    { SQLITE_FULL, ERR_DISK, "the disk is full: make room and start again" },
    { SQLITE_READONLY, ERR_DISK,
      "read-only: give a place with --db that can "
      "be written" },
    { SQLITE_BUSY, ERR_TIMEOUT, "in use by another process for too long" },
    { SQLITE_LOCKED, ERR_TIMEOUT, "in use by another process for too long" },
    { SQLITE_NOTADB, ERR_FORMAT, "not a results database" },
    { SQLITE_CORRUPT, ERR_FORMAT,
      "damaged: see PRAGMA integrity_check in "
      "the sqlite3 shell" },
    { SQLITE_INTERRUPT, ERR_CANCELLED, "interrupted" },
};

static enum err_code lite_fail(struct store *s, int lite, struct err *e)
{
    struct lite_error found = { lite, ERR_IO, sqlite3_errmsg(s->db) };
    int errnum = sqlite3_system_errno(s->db);

    for (size_t i = 0; i < sizeof lite_errors / sizeof *lite_errors; i++) {
        if (lite_errors[i].lite == (lite & 0xff))
            found = lite_errors[i];
    }
    if (is_write_error(lite)) {
        found.code = ERR_DISK;
        found.text = "could not be written: is the disk full, a quota or a "
                     "limit on file sizes met?";
    } else if (lite == SQLITE_IOERR_NOMEM) {
        found.code = ERR_NOMEM;
    } else if ((lite & 0xff) == SQLITE_CANTOPEN && !s->read_only) {
        found.code = ERR_DISK;
        found.text = "cannot be opened or made for writing: give another "
                     "place with --db";
    } else if ((lite & 0xff) == SQLITE_CANTOPEN && errnum) {
        err_errno(e, errnum, "cannot open");
        note_loss(s, e->code);
        return err_wrap(e, "%s", s->path);
    }
    note_loss(s, found.code);
    return err_set(e, found.code, "%s: %s", s->path, found.text);
}

/* ---- Statements ---- */

static struct statement *find_cached(struct store *s, const char *sql)
{
    struct statement *c = s->cache;

    for (size_t i = 0; i < STORE_STATEMENTS; i++) {
        if (c[i].text == sql && !c[i].busy && c[i].stmt &&
            strcmp(sqlite3_sql(c[i].stmt), sql) == 0)
            return &c[i];
    }
    return NULL;
}

/* The slot that was not used for longest.  NULL when all are busy, which only
 * queries nested as deep as the cache could do. */
static struct statement *oldest_cached(struct store *s)
{
    struct statement *oldest = NULL;

    for (size_t i = 0; i < STORE_STATEMENTS; i++) {
        struct statement *c = &s->cache[i];
        if (!c->busy && (!oldest || c->used < oldest->used))
            oldest = c;
    }
    return oldest;
}

/* NULL when there is an error. */
static struct statement *take(struct store *s, const char *sql, struct err *e)
{
    struct statement *c = find_cached(s, sql);
    int lite;

    if (!c) {
        c = oldest_cached(s);
        if (!c) {
            err_set(e, ERR_LIMIT, "%s: queries are nested too deep", s->path);
            return NULL;
        }
        sqlite3_finalize(c->stmt);
        c->stmt = NULL;
        lite = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &c->stmt, NULL);
        if (lite) {
            lite_fail(s, lite, e);
            return NULL;
        }
        c->text = sql;
    }
    c->used = ++s->clock;
    c->busy = true;
    return c;
}

static void give(struct statement *c)
{
    sqlite3_reset(c->stmt);
    sqlite3_clear_bindings(c->stmt);
    c->busy = false;
}

static int bind_one(sqlite3_stmt *stmt, int at, char type, va_list *ap)
{
    switch (type) {
    case 's':
        return sqlite3_bind_text(stmt, at, va_arg(*ap, const char *), -1,
                                 SQLITE_STATIC);
    case 'i':
        return sqlite3_bind_int64(stmt, at, va_arg(*ap, int64_t));
    case 'd':
        return sqlite3_bind_double(stmt, at, va_arg(*ap, double));
    case 'n':
        return sqlite3_bind_null(stmt, at);
    }
    return SQLITE_MISUSE;
}

/* Takes the statement and binds its parameters; NULL when there is an error. */
static struct statement *start(struct store *s, const char *sql, struct err *e,
                               const char *types, va_list *ap)
{
    struct statement *c = take(s, sql, e);
    int lite = SQLITE_OK;

    for (int i = 0; c && types[i] && !lite; i++)
        lite = bind_one(c->stmt, i + 1, types[i], ap);
    if (lite) {
        give(c);
        lite_fail(s, lite, e);
        return NULL;
    }
    return c;
}

static enum err_code walk(struct store *s, struct statement *c,
                          store_row_fn *fn, void *user, struct err *e)
{
    struct store_row row = { c->stmt };
    enum err_code rc = ERR_OK;
    int lite = SQLITE_ROW;

    while (!rc && (lite = sqlite3_step(c->stmt)) == SQLITE_ROW) {
        if (fn)
            rc = fn(user, &row, e);
    }
    if (!rc && lite != SQLITE_DONE)
        rc = lite_fail(s, lite, e);
    give(c);
    return rc;
}

enum err_code store_query(struct store *s, const char *sql, store_row_fn *fn,
                          void *user, struct err *e, const char *types, ...)
{
    struct statement *c;
    va_list ap;

    va_start(ap, types);
    c = start(s, sql, e, types, &ap);
    va_end(ap);
    return !c ? e->code : walk(s, c, fn, user, e);
}

enum err_code sql_run(struct store *s, const char *sql, struct err *e,
                      const char *types, ...)
{
    struct statement *c;
    va_list ap;

    va_start(ap, types);
    c = start(s, sql, e, types, &ap);
    va_end(ap);
    return !c ? e->code : walk(s, c, NULL, NULL, e);
}

static enum err_code first_int(void *user, const struct store_row *r,
                               struct err *e)
{
    (void)e;
    *(int64_t *)user = row_int(r, 0);
    return ERR_OK;
}

enum err_code sql_int(struct store *s, const char *sql, int64_t *out,
                      struct err *e, const char *types, ...)
{
    struct statement *c;
    va_list ap;

    *out = 0;
    va_start(ap, types);
    c = start(s, sql, e, types, &ap);
    va_end(ap);
    return !c ? e->code : walk(s, c, first_int, out, e);
}

int64_t sql_last_id(const struct store *s)
{
    return sqlite3_last_insert_rowid(s->db);
}

int64_t sql_changes(const struct store *s)
{
    return sqlite3_changes64(s->db);
}

int64_t row_int(const struct store_row *r, int col)
{
    return sqlite3_column_int64(r->stmt, col);
}

double row_num(const struct store_row *r, int col)
{
    return row_null(r, col) ? NAN : sqlite3_column_double(r->stmt, col);
}

bool row_null(const struct store_row *r, int col)
{
    return sqlite3_column_type(r->stmt, col) == SQLITE_NULL;
}

const char *row_text(const struct store_row *r, int col)
{
    return row_str(r, col).p;
}

struct str row_str(const struct store_row *r, int col)
{
    const char *p = (const char *)sqlite3_column_text(r->stmt, col);
    int n = sqlite3_column_bytes(r->stmt, col);

    return p ? (struct str){ p, (size_t)n } : STR("");
}

/* ---- Groups of writes ---- */

enum err_code store_exec(struct store *s, const char *sql, struct err *e)
{
    int lite = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return lite ? lite_fail(s, lite, e) : ERR_OK;
}

void sql_abandon(struct store *s)
{
    if (s->db && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->in_group = false;
}

enum err_code store_flush(struct store *s, struct err *e)
{
    enum err_code rc;

    if (s->lost)
        return err_set(e, s->lost,
                       "%s: unfinished writes were undone after an error",
                       s->path);
    if (!s->in_group)
        return ERR_OK;
    rc = sql_run(s, "COMMIT", e, "");
    if (rc) { /* what could not be kept is not kept in part */
        sql_abandon(s);
        s->lost = rc;
        return rc;
    }
    s->in_group = false;
    return ERR_OK;
}

enum err_code store_tick(struct store *s, struct err *e)
{
    bool due = s->n_samples >= GROUP_SAMPLES ||
               io_now_ns() - s->group_ns >= (int64_t)GROUP_MS * 1000000;

    return s->lost || (s->in_group && due) ? store_flush(s, e) : ERR_OK;
}

enum err_code sql_begin(struct store *s, struct err *e)
{
    if (!s->read_only && s->n_samples >= GROUP_SAMPLES && store_flush(s, e))
        return e->code;
    return sql_join(s, e);
}

enum err_code sql_join(struct store *s, struct err *e)
{
    if (s->read_only)
        return err_set(e, ERR_DISK, "%s: open for reading only", s->path);
    if (s->lost && store_flush(s, e))
        return e->code;
    if (s->in_group)
        return ERR_OK;
    if (sql_run(s, "BEGIN IMMEDIATE", e, ""))
        return e->code;
    s->in_group = true;
    s->n_samples = 0;
    s->group_ns = io_now_ns();
    return ERR_OK;
}

void sql_count_sample(struct store *s)
{
    s->n_samples++;
}

enum err_code sql_together(struct store *s, struct err *e)
{
    return sql_run(s, "SAVEPOINT together", e, "");
}

enum err_code sql_end(struct store *s, enum err_code rc, struct err *e)
{
    struct err unused;

    if (!rc)
        return sql_run(s, "RELEASE together", e, "");
    if (s->in_group && (sql_run(s, "ROLLBACK TO together", &unused, "") ||
                        sql_run(s, "RELEASE together", &unused, ""))) {
        sql_abandon(s);
        s->lost = rc;
    }
    return rc;
}

/* ---- Opening ---- */

/* Two processes that make the same file WAL at once can be told "busy" without
 * the busy handler being asked, so the waiting is done here. */
enum err_code sql_use_wal(struct store *s, struct err *e)
{
    enum err_code rc = ERR_TIMEOUT;

    sqlite3_busy_timeout(s->db, 0);
    for (int i = 0; rc == ERR_TIMEOUT && i < BUSY_MS / 10; i++) {
        if (i > 0)
            sqlite3_sleep(10);
        rc = store_exec(s, "PRAGMA journal_mode = WAL", e);
    }
    sqlite3_busy_timeout(s->db, BUSY_MS);
    return rc;
}

static enum err_code set_up(struct store *s, struct err *e)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    /* SQLite opens for reading what it cannot open for writing. */
    if (!s->read_only && sqlite3_db_readonly(s->db, "main") == 1)
        return lite_fail(s, SQLITE_READONLY, e);
    return store_exec(s,
                      "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
                      "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;"
                      "PRAGMA trusted_schema = OFF;",
                      e);
}

/* "file:" URI of the path: SQLite's only way to say "nobody writes here". */
static void add_uri(struct buf *out, const char *path, const char *options)
{
    buf_str(out, "file:");
    for (; *path; path++) {
        if (strchr("?#%", *path))
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*path);
        else
            buf_char(out, *path);
    }
    buf_str(out, options);
}

enum err_code sql_open(struct store *s, struct err *e)
{
    int flags = s->read_only ? SQLITE_OPEN_READONLY
                             : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    struct buf uri;
    enum err_code rc;
    int lite;

    lite_start();
    buf_init(&uri, 1 << 16);
    add_uri(&uri, s->path, s->immutable ? "?immutable=1" : "");
    rc = buf_check(&uri, s->path, e);
    if (!rc) {
        lite = sqlite3_open_v2(
            uri.p, &s->db, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
        if (!s->db)
            rc = err_set(e, ERR_NOMEM, "%s: out of memory", s->path);
        else if (lite)
            rc = lite_fail(s, lite, e);
    }
    buf_free(&uri);
    return rc ? rc : set_up(s, e);
}

void sql_close(struct store *s)
{
    for (size_t i = 0; i < STORE_STATEMENTS; i++)
        sqlite3_finalize(s->cache[i].stmt);
    sqlite3_close(s->db);
    memset(s->cache, 0, sizeof s->cache);
    s->db = NULL;
}

enum err_code sql_attach(struct store *s, const char *path, bool immutable,
                         struct err *e)
{
    struct buf uri;
    enum err_code rc;

    buf_init(&uri, 1 << 16);
    add_uri(&uri, path, immutable ? "?immutable=1" : "?mode=ro");
    rc = buf_check(&uri, path, e);
    if (!rc)
        rc = sql_run(s, "ATTACH ? AS other", e, "s", uri.p);
    buf_free(&uri);
    return rc;
}

void sql_detach(struct store *s)
{
    struct err unused;

    /* Statements that name it would keep it. */
    for (size_t i = 0; i < STORE_STATEMENTS; i++) {
        sqlite3_finalize(s->cache[i].stmt);
        s->cache[i] = (struct statement){ 0 };
    }
    if (sql_run(s, "DETACH other", &unused, ""))
        s->lost = unused.code;
}
