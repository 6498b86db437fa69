/* The database itself: opening, migration, groups of writes, statements.
 *
 * This is the only file that knows SQLite.  Statements are prepared once and
 * found again by their text.  Writes are gathered in groups: the first write
 * opens a transaction (IMMEDIATE, so that two processes take turns instead of
 * meeting in the middle), store_tick() ends it.  When the engine itself undoes
 * a group (disk full, no memory), ids that were given out in it no longer mean
 * anything, so the store refuses to write until it is opened again.
 *
 * Durability: WAL with synchronous=FULL syncs at each commit.  NORMAL would be
 * faster and lose the last groups with the power. */
#include "harness/store/store.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "harness/base/buf.h"
#include "harness/base/io.h"
#include "harness/store/schema.h"
#include "harness/store/store_sql.h"

enum {
    GROUP_SAMPLES = 64,
    GROUP_MS = 100,
    BUSY_MS = 20000, /* other processes commit every 100 ms */
    N_CACHED = 64
};

struct cached {
    sqlite3_stmt *stmt;
    const char *text; /* as given: the same literal comes again */
    uint64_t used;
    bool busy;
};

struct store {
    sqlite3 *db;
    char *path;
    bool read_only, immutable;
    bool in_group;
    enum err_code lost; /* why a group was undone; ERR_OK: none was */
    size_t n_samples;   /* in the open group */
    int64_t group_ns;   /* when it was opened */
    uint64_t clock;
    struct cached cache[N_CACHED];
};

struct store_row {
    sqlite3_stmt *stmt;
};

/* ---- SQLite's memory is ours ---- */

/* SQLite asks how large a block is, which mem.h does not keep: 16 bytes in
 * front of each block do, and keep its alignment. */
enum { FRONT = 16 };

static void *lite_alloc(int n)
{
    char *p = mem_alloc((size_t)n + FRONT);

    if (!p)
        return NULL;
    memcpy(p, &n, sizeof n);
    return p + FRONT;
}

static void lite_free(void *p)
{
    if (p)
        mem_free((char *)p - FRONT);
}

static void *lite_realloc(void *p, int n)
{
    char *q = mem_realloc((char *)p - FRONT, (size_t)n + FRONT);

    if (!q)
        return NULL;
    memcpy(q, &n, sizeof n);
    return q + FRONT;
}

static int lite_size(void *p)
{
    int n = 0;

    if (p)
        memcpy(&n, (char *)p - FRONT, sizeof n);
    return n;
}

static int lite_round(int n)
{
    return (n + 7) & ~7;
}

static int lite_init(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void lite_shutdown(void *unused)
{
    (void)unused;
}

static void configure(void)
{
    static const sqlite3_mem_methods methods = { lite_alloc,    lite_free,
                                                 lite_realloc,  lite_size,
                                                 lite_round,    lite_init,
                                                 lite_shutdown, NULL };

    /* Without statistics there is no lock around each allocation. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

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

static struct cached *find_cached(struct store *s, const char *sql)
{
    struct cached *c = s->cache;

    for (size_t i = 0; i < N_CACHED; i++) {
        if (c[i].text == sql && !c[i].busy && c[i].stmt &&
            strcmp(sqlite3_sql(c[i].stmt), sql) == 0)
            return &c[i];
    }
    return NULL;
}

/* The slot that was not used for longest.  NULL when all are busy, which only
 * queries nested as deep as the cache could do. */
static struct cached *oldest_cached(struct store *s)
{
    struct cached *oldest = NULL;

    for (size_t i = 0; i < N_CACHED; i++) {
        struct cached *c = &s->cache[i];
        if (!c->busy && (!oldest || c->used < oldest->used))
            oldest = c;
    }
    return oldest;
}

static enum err_code take(struct store *s, const char *sql, struct cached **out,
                          struct err *e)
{
    struct cached *c = find_cached(s, sql);
    int lite;

    if (!c) {
        c = oldest_cached(s);
        if (!c)
            return err_set(e, ERR_LIMIT, "%s: queries are nested too deep",
                           s->path);
        sqlite3_finalize(c->stmt);
        c->stmt = NULL;
        lite = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &c->stmt, NULL);
        if (lite)
            return lite_fail(s, lite, e);
        c->text = sql;
    }
    c->used = ++s->clock;
    c->busy = true;
    *out = c;
    return ERR_OK;
}

static void give(struct cached *c)
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

/* Takes the statement and binds its parameters. */
static enum err_code start(struct store *s, const char *sql,
                           struct cached **out, struct err *e,
                           const char *types, va_list *ap)
{
    int lite = SQLITE_OK;

    *out = NULL;
    if (take(s, sql, out, e))
        return e->code;
    for (int i = 0; types && types[i] && !lite; i++)
        lite = bind_one((*out)->stmt, i + 1, types[i], ap);
    if (lite) {
        give(*out);
        return lite_fail(s, lite, e);
    }
    return ERR_OK;
}

static enum err_code walk(struct store *s, struct cached *c, store_row_fn *fn,
                          void *user, struct err *e)
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
    struct cached *c;
    enum err_code rc;
    va_list ap;

    va_start(ap, types);
    rc = start(s, sql, &c, e, types, &ap);
    va_end(ap);
    return rc ? rc : walk(s, c, fn, user, e);
}

enum err_code sql_run(struct store *s, const char *sql, struct err *e,
                      const char *types, ...)
{
    struct cached *c;
    enum err_code rc;
    va_list ap;

    va_start(ap, types);
    rc = start(s, sql, &c, e, types, &ap);
    va_end(ap);
    return rc ? rc : walk(s, c, NULL, NULL, e);
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
    struct cached *c;
    enum err_code rc;
    va_list ap;

    *out = 0;
    va_start(ap, types);
    rc = start(s, sql, &c, e, types, &ap);
    va_end(ap);
    return rc ? rc : walk(s, c, first_int, out, e);
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

static enum err_code exec(struct store *s, const char *sql, struct err *e)
{
    int lite = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return lite ? lite_fail(s, lite, e) : ERR_OK;
}

enum err_code store_exec(struct store *s, const char *sql, struct err *e)
{
    return exec(s, sql, e);
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
    if (s->read_only)
        return err_set(e, ERR_DISK, "%s: open for reading only", s->path);
    if ((s->lost || s->n_samples >= GROUP_SAMPLES) && store_flush(s, e))
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
static enum err_code set_wal(struct store *s, struct err *e)
{
    enum err_code rc = ERR_TIMEOUT;

    sqlite3_busy_timeout(s->db, 0);
    for (int i = 0; rc == ERR_TIMEOUT && i < BUSY_MS / 10; i++) {
        if (i > 0)
            sqlite3_sleep(10);
        rc = exec(s, "PRAGMA journal_mode = WAL", e);
    }
    sqlite3_busy_timeout(s->db, BUSY_MS);
    return rc;
}

static enum err_code run_all(struct store *s, const char *const *statements,
                             struct err *e)
{
    for (; *statements; statements++) {
        if (exec(s, *statements, e))
            return e->code;
    }
    return ERR_OK;
}

/* Our views, so that a step may change what they name.  The user's own stay. */
static enum err_code drop_views(struct store *s, struct err *e)
{
    for (const char *const *v = schema_views; *v; v++) {
        char name[64], sql[96];
        if (sscanf(*v, "CREATE VIEW %63s", name) != 1)
            continue;
        snprintf(sql, sizeof sql, "DROP VIEW IF EXISTS %s", name);
        if (exec(s, sql, e))
            return e->code;
    }
    return ERR_OK;
}

static enum err_code note_maker(struct store *s, struct err *e)
{
    char sql[160];

    snprintf(sql, sizeof sql,
             "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
    if (exec(s, sql, e))
        return e->code;
    return sql_run(s,
                   "INSERT OR IGNORE INTO meta VALUES "
                   "('created_by', ?), ('created_ms', ?)",
                   e, "si", "mokao " MK_VERSION, io_wall_ms());
}

/* From version `from` to ours, inside one transaction. */
static enum err_code migrate(struct store *s, int64_t from, struct err *e)
{
    if (from == SCHEMA_VERSION)
        return ERR_OK;
    if (drop_views(s, e))
        return e->code;
    for (int64_t v = from; v < SCHEMA_VERSION; v++) {
        if (run_all(s, schema_steps[v], e))
            return err_wrap(e, "migration to version %d", (int)v + 1);
    }
    if (run_all(s, schema_views, e))
        return err_wrap(e, "views");
    return note_maker(s, e);
}

/* What the file is. */
struct identity {
    int64_t application, version, tables;
};

static enum err_code identify(struct store *s, struct identity *is,
                              struct err *e)
{
    if (sql_int(s, "PRAGMA application_id", &is->application, e, "") ||
        sql_int(s, "PRAGMA user_version", &is->version, e, "") ||
        sql_int(s, "SELECT count(*) FROM sqlite_schema", &is->tables, e, ""))
        return e->code;
    if (is->application != SCHEMA_APPLICATION_ID &&
        (is->tables > 0 || is->version != 0))
        return err_set(e, ERR_FORMAT,
                       "%s: a database of another program, not of mokao",
                       s->path);
    if (is->version > SCHEMA_VERSION)
        return err_set(e, ERR_FORMAT,
                       "%s: made by a newer mokao: version %lld, this one "
                       "knows %d",
                       s->path, (long long)is->version, SCHEMA_VERSION);
    return ERR_OK;
}

static enum err_code refuse_old(const struct store *s,
                                const struct identity *is, struct err *e)
{
    if (is->tables == 0)
        return err_set(e, ERR_FORMAT, "%s: empty; `mokao run` fills it",
                       s->path);
    return err_set(e, ERR_FORMAT,
                   "%s: made by an older mokao: version %lld, this one reads "
                   "%d; `mokao score` brings it up to date",
                   s->path, (long long)is->version, SCHEMA_VERSION);
}

static enum err_code bring_up_to_date(struct store *s, struct err *e)
{
    struct identity is;
    enum err_code rc;

    if (identify(s, &is, e))
        return e->code;
    if (is.version == SCHEMA_VERSION)
        return ERR_OK;
    if (s->read_only)
        return refuse_old(s, &is, e);
    if (set_wal(s, e) || sql_begin(s, e))
        return e->code;
    /* Another process may have been first. */
    rc = identify(s, &is, e);
    if (!rc)
        rc = migrate(s, is.version, e);
    if (rc) {
        sql_abandon(s);
        return rc;
    }
    return store_flush(s, e);
}

static enum err_code set_up(struct store *s, struct err *e)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (exec(s,
             "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
             "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;"
             "PRAGMA trusted_schema = OFF;",
             e))
        return e->code;
    /* SQLite opens for reading what it cannot open for writing. */
    if (!s->read_only && sqlite3_db_readonly(s->db, "main") == 1)
        return lite_fail(s, SQLITE_READONLY, e);
    if (bring_up_to_date(s, e))
        return e->code;
    return s->read_only ? ERR_OK : set_wal(s, e);
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

static enum err_code open_db(struct store *s, struct err *e)
{
    int flags = s->read_only ? SQLITE_OPEN_READONLY
                             : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    struct buf uri;
    enum err_code rc;
    int lite;

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

static void close_db(struct store *s)
{
    for (size_t i = 0; i < N_CACHED; i++)
        sqlite3_finalize(s->cache[i].stmt);
    sqlite3_close(s->db);
    memset(s->cache, 0, sizeof s->cache);
    s->db = NULL;
}

/* A finished database (no log beside it) on a medium that cannot be written
 * needs no locks; with a log it would be read without its newest rows. */
static bool is_finished(const char *path)
{
    struct buf wal;
    struct stat st;
    bool finished;

    buf_init(&wal, 1 << 16);
    buf_printf(&wal, "%s-wal", path);
    finished = !wal.failed && (stat(wal.p, &st) != 0 || st.st_size == 0);
    buf_free(&wal);
    return finished;
}

static enum err_code make_folder(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    enum err_code rc;

    if (!slash || slash == path)
        return ERR_OK;
    folder = mem_strdup(path);
    if (!folder)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    folder[slash - path] = '\0';
    rc = io_is_dir(folder) ? ERR_OK : io_mkdirs(folder, e);
    mem_free(folder);
    return rc;
}

static enum err_code check_path(const char *path, bool read_only, struct err *e)
{
    if (!*path)
        return err_set(e, ERR_USAGE, "the database needs a name");
    if (io_is_dir(path))
        return err_set(e, ERR_FORMAT,
                       "%s: a folder; a results database is one file", path);
    if (read_only && !io_exists(path))
        return err_set(e, ERR_NOENV,
                       "%s: no such database; `mokao run` makes one, --db "
                       "names another",
                       path);
    return read_only ? ERR_OK : make_folder(path, e);
}

enum err_code store_open(struct store **out, const char *path, bool read_only,
                         struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct store *s;
    enum err_code rc = check_path(path, read_only, e);

    *out = NULL;
    if (rc)
        return rc;
    pthread_once(&once, configure);
    s = mem_zalloc(sizeof *s);
    if (!s || !(s->path = mem_strdup(path))) {
        mem_free(s);
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    }
    s->read_only = read_only;
    rc = open_db(s, e);
    if (read_only && (rc == ERR_DISK || rc == ERR_NOENV || rc == ERR_IO) &&
        is_finished(path)) {
        close_db(s);
        s->immutable = true;
        rc = open_db(s, e);
    }
    if (rc) {
        store_close(s);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

void store_close(struct store *s)
{
    struct err unused;

    if (!s)
        return;
    if (s->db && s->in_group && store_flush(s, &unused))
        sql_abandon(s);
    close_db(s);
    mem_free(s->path);
    mem_free(s);
}

/* ---- Another database beside this one ---- */

static enum err_code same_file(const char *a, const char *b, struct err *e)
{
    struct stat x, y;

    if (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
        x.st_ino == y.st_ino)
        return err_set(e, ERR_USAGE, "%s: is the database itself", b);
    return ERR_OK;
}

enum err_code sql_attach(struct store *s, const char *path, struct err *e)
{
    struct store *other = NULL;
    struct buf uri;
    enum err_code rc = same_file(s->path, path, e);

    /* Opened once by itself, so that what is wrong with it is said. */
    if (rc || (rc = store_open(&other, path, true, e)))
        return rc;
    buf_init(&uri, 1 << 16);
    add_uri(&uri, path, other->immutable ? "?immutable=1" : "?mode=ro");
    store_close(other);
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
    for (size_t i = 0; i < N_CACHED; i++) {
        sqlite3_finalize(s->cache[i].stmt);
        s->cache[i] = (struct cached){ 0 };
    }
    if (sql_run(s, "DETACH other", &unused, ""))
        s->lost = unused.code;
}
