/* A private SQLite database in memory.
 *
 * What ends a query: a count of steps of SQLite's machine, the same on every
 * computer, so that a verdict does not hang on the load; a ceiling on memory
 * (lite.h); a limit on lengths, which bounds a single step.  The clock is only
 * the last resort against many of the slowest steps there are. */
#include "harness/exec/sqlbox.h"

#include <math.h>
#include <string.h>

#include <sqlite3.h>

#include "harness/base/buf.h"
#include "harness/base/io.h"
#include "harness/base/lite.h"

enum {
    STEPS_EACH = 500, /* between two looks at the limits */
    STEPS_MOST = 10000000,
    SECONDS_MOST = 10,
    ROWS_MOST = 20000,
    CELL_BYTES = 100000,
    RESULT_BYTES = 16 << 20,
    MEMORY_BYTES = 64 << 20
};

struct sqlbox {
    sqlite3 *db;
    bool reading; /* built: from now on only reading */
    bool denied;
    int64_t steps, until_ns;
};

/* ---- what is allowed ---- */

static const struct {
    int action;
    bool reading; /* also when it has been built */
} allowed[] = {
    { SQLITE_SELECT, true },        { SQLITE_READ, true },
    { SQLITE_RECURSIVE, true },     { SQLITE_FUNCTION, true },
    { SQLITE_CREATE_TABLE, false }, { SQLITE_CREATE_INDEX, false },
    { SQLITE_CREATE_VIEW, false },  { SQLITE_INSERT, false },
    { SQLITE_UPDATE, false },       { SQLITE_TRANSACTION, false },
    { SQLITE_REINDEX, false },
};

/* Chance would make a verdict another one each time. */
static bool is_forbidden_function(const char *name)
{
    static const char *const names[] = { "random", "randomblob",
                                         "load_extension", "sqlite_offset" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (name && sqlite3_stricmp(name, names[i]) == 0)
            return true;
    return false;
}

static int authorize(void *user, int action, const char *a, const char *b,
                     const char *database, const char *trigger)
{
    struct sqlbox *box = user;
    bool fine = false;

    (void)a;
    (void)database;
    (void)trigger;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (allowed[i].action == action)
            fine = allowed[i].reading || !box->reading;
    if (action == SQLITE_FUNCTION && is_forbidden_function(b))
        fine = false;
    if (!fine)
        box->denied = true;
    return fine ? SQLITE_OK : SQLITE_DENY;
}

static int on_progress(void *user)
{
    struct sqlbox *box = user;

    box->steps += STEPS_EACH;
    return box->steps > STEPS_MOST || io_now_ns() > box->until_ns;
}

static void set_limits(sqlite3 *db)
{
    static const struct {
        int limit, value;
    } limits[] = {
        { SQLITE_LIMIT_LENGTH, CELL_BYTES },
        { SQLITE_LIMIT_SQL_LENGTH, 1 << 20 },
        { SQLITE_LIMIT_COLUMN, 500 },
        { SQLITE_LIMIT_EXPR_DEPTH, 200 },
        { SQLITE_LIMIT_COMPOUND_SELECT, 100 },
        { SQLITE_LIMIT_FUNCTION_ARG, 50 },
        { SQLITE_LIMIT_ATTACHED, 0 },
        { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200 },
        { SQLITE_LIMIT_VARIABLE_NUMBER, 500 },
        { SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
        { SQLITE_LIMIT_WORKER_THREADS, 0 },
    };

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(db, limits[i].limit, limits[i].value);
}

/* A query's or the building's share of steps, time and memory begins. */
static void begin(struct sqlbox *box)
{
    box->steps = 0;
    box->denied = false;
    box->until_ns = io_now_ns() + (int64_t)SECONDS_MOST * 1000000000;
    lite_cap(MEMORY_BYTES);
}

/* ---- building ---- */

static void put_name(struct buf *sql, const char *name)
{
    buf_char(sql, '"');
    for (; *name; name++) {
        if (*name == '"')
            buf_char(sql, '"');
        buf_char(sql, *name);
    }
    buf_char(sql, '"');
}

/* A type is words and perhaps lengths: "VARCHAR(20)", "double precision". */
static bool type_is_plain(const char *type)
{
    return strspn(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789_ (),") == strlen(type);
}

/* "NAME" or ["NAME", "TYPE"]. */
static enum err_code put_column(const struct json *c, struct buf *sql,
                                struct err *e)
{
    const char *name = json_string(c), *type = "";

    if (json_type(c) == JSON_ARRAY && json_len(c) == 2) {
        name = json_string(json_at(c, 0));
        type = json_string(json_at(c, 1));
    }
    if (!name || !type || !type_is_plain(type))
        return err_set(e, ERR_FORMAT,
                       "columns: expected names, or [name, type] with a type "
                       "such as \"TEXT\"");
    put_name(sql, name);
    buf_printf(sql, " %s", type);
    return ERR_OK;
}

static enum err_code create_table(struct sqlbox *box, const char *name,
                                  const struct json *columns, struct err *e)
{
    struct buf sql;
    enum err_code rc = ERR_OK;

    if (!columns || json_type(columns) != JSON_ARRAY || !json_len(columns))
        return err_set(e, ERR_FORMAT, "columns: expected a list of names");
    buf_init(&sql, 1 << 20);
    buf_str(&sql, "CREATE TABLE ");
    put_name(&sql, name);
    for (const struct json *c = json_child(columns); c && !rc;
         c = json_next(c)) {
        buf_str(&sql, c == json_child(columns) ? " (" : ", ");
        rc = put_column(c, &sql, e);
    }
    buf_char(&sql, ')');
    if (!rc)
        rc = buf_check(&sql, "a table", e);
    if (!rc && sqlite3_exec(box->db, sql.p, NULL, NULL, NULL))
        rc = err_set(e, ERR_FORMAT, "%s", sqlite3_errmsg(box->db));
    buf_free(&sql);
    return rc;
}

static bool bind_cell(sqlite3_stmt *st, int at, const struct json *v)
{
    double d = json_number(v);

    switch (json_type(v)) {
    case JSON_NULL:
        return sqlite3_bind_null(st, at) == SQLITE_OK;
    case JSON_BOOL:
        return sqlite3_bind_int(st, at, json_bool(v)) == SQLITE_OK;
    case JSON_NUMBER:
        if (d >= -9e15 && d <= 9e15 && !(d < floor(d) || d > floor(d)))
            return sqlite3_bind_int64(st, at, (int64_t)d) == SQLITE_OK;
        return sqlite3_bind_double(st, at, d) == SQLITE_OK;
    case JSON_STRING:
        return sqlite3_bind_text(st, at, json_string(v), -1,
                                 SQLITE_TRANSIENT) == SQLITE_OK;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return false;
}

static enum err_code insert_row(struct sqlbox *box, sqlite3_stmt *st,
                                const struct json *row, struct err *e)
{
    int at = 0;

    for (const struct json *v = json_child(row); v; v = json_next(v))
        if (!bind_cell(st, ++at, v))
            return err_set(e, ERR_FORMAT,
                           "expected a number, a string, true, false or null, "
                           "got %s",
                           json_type_name(json_type(v)));
    if (sqlite3_step(st) != SQLITE_DONE)
        return err_set(e, ERR_FORMAT, "%s", sqlite3_errmsg(box->db));
    sqlite3_reset(st);
    return ERR_OK;
}

static enum err_code insert_rows(struct sqlbox *box, const char *name,
                                 const struct json *rows, size_t width,
                                 struct err *e)
{
    sqlite3_stmt *st = NULL;
    struct buf sql;
    size_t n = 0;
    enum err_code rc;

    buf_init(&sql, 1 << 20);
    buf_str(&sql, "INSERT INTO ");
    put_name(&sql, name);
    for (size_t i = 0; i < width; i++)
        buf_str(&sql, i ? ", ?" : " VALUES (?");
    buf_char(&sql, ')');
    rc = buf_check(&sql, "a table", e);
    if (!rc && sqlite3_prepare_v2(box->db, sql.p, -1, &st, NULL))
        rc = err_set(e, ERR_FORMAT, "%s", sqlite3_errmsg(box->db));
    for (const struct json *r = json_child(rows); r && !rc; r = json_next(r)) {
        if (json_type(r) != JSON_ARRAY || json_len(r) != width)
            rc = err_set(e, ERR_FORMAT, "expected a list of %zu cells", width);
        else
            rc = insert_row(box, st, r, e);
        if (rc)
            rc = err_wrap(e, "rows[%zu]", n);
        n++;
    }
    sqlite3_finalize(st);
    buf_free(&sql);
    return rc;
}

static enum err_code build_tables(struct sqlbox *box, const struct json *db,
                                  struct err *e)
{
    static const char *const known[] = { "columns", "rows", NULL };
    enum err_code rc = ERR_OK;

    for (const struct json *t = json_child(db); t && !rc; t = json_next(t)) {
        const struct json *columns = json_get(t, "columns");
        rc = json_only(t, known, e);
        if (!rc)
            rc = create_table(box, json_key(t), columns, e);
        if (!rc)
            rc = insert_rows(box, json_key(t), json_get(t, "rows"),
                             json_len(columns), e);
        if (rc)
            rc = err_wrap(e, "table %s", json_key(t));
    }
    return rc;
}

static enum err_code build(struct sqlbox *box, const struct json *db,
                           struct err *e)
{
    const char *script = json_string(db);

    if (!script && (!db || json_type(db) != JSON_OBJECT || !json_len(db)))
        return err_set(e, ERR_FORMAT,
                       "expected SQL, or {\"TABLE\": {\"columns\", \"rows\"}}");
    if (!script)
        return build_tables(box, db, e);
    if (sqlite3_exec(box->db, script, NULL, NULL, NULL))
        return err_set(e, ERR_FORMAT, "%s", sqlite3_errmsg(box->db));
    return ERR_OK;
}

/* ---- walking backwards ---- */

static int exec_made(struct sqlbox *box, char *sql)
{
    int lite =
        sql ? sqlite3_exec(box->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    return lite;
}

/* A table gives way to a view that walks it backwards; the LIMIT keeps SQLite
 * from leaving the order out.  A table without rowids stays as it is. */
static int mirror_table(struct sqlbox *box, const char *name, int i)
{
    int lite = exec_made(
        box, sqlite3_mprintf("SELECT rowid FROM \"%w\" LIMIT 0", name));

    if (lite)
        return lite == SQLITE_NOMEM ? lite : SQLITE_OK;
    lite = exec_made(
        box,
        sqlite3_mprintf("ALTER TABLE \"%w\" RENAME TO \"mokao~%d\"", name, i));
    if (lite)
        return lite;
    return exec_made(box, sqlite3_mprintf("CREATE VIEW \"%w\" AS SELECT * FROM "
                                          "\"mokao~%d\" "
                                          "ORDER BY rowid DESC LIMIT -1",
                                          name, i));
}

/* The statements are our own: no authorizer. */
static int mirror_tables(struct sqlbox *box)
{
    char **names = NULL;
    int n = 0, lite;

    sqlite3_set_authorizer(box->db, NULL, NULL);
    lite = sqlite3_get_table(box->db,
                             "SELECT name FROM sqlite_schema WHERE type = "
                             "'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
                             &names, &n, NULL, NULL);
    for (int i = 1; i <= n && !lite; i++)
        lite = mirror_table(box, names[i], i);
    sqlite3_free_table(names);
    sqlite3_set_authorizer(box->db, authorize, box);
    return lite;
}

/* The pragma comes before the authorizer, which lets none through. */
static bool prepare(struct sqlbox *box)
{
    lite_start();
    if (sqlite3_open_v2(":memory:", &box->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                            SQLITE_OPEN_NOMUTEX,
                        NULL))
        return false;
    if (sqlite3_exec(box->db,
                     "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = 1",
                     NULL, NULL, NULL))
        return false;
    set_limits(box->db);
    sqlite3_db_config(box->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(box->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(box->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_progress_handler(box->db, STEPS_EACH, on_progress, box);
    return sqlite3_set_authorizer(box->db, authorize, box) == SQLITE_OK;
}

enum err_code sqlbox_open(struct sqlbox **out, const struct json *db,
                          bool mirror, struct err *e)
{
    struct sqlbox *box = mem_zalloc(sizeof *box);
    enum err_code rc = ERR_OK;
    bool capped;

    *out = NULL;
    if (!box)
        return err_set(e, ERR_NOMEM, "no memory for a database");
    begin(box);
    if (!prepare(box))
        rc = err_set(e, ERR_NOMEM, "no memory for a database");
    if (!rc)
        rc = build(box, db, e);
    if (!rc && mirror && mirror_tables(box))
        rc = err_set(e, ERR_FORMAT, "%s", sqlite3_errmsg(box->db));
    if (rc && sqlite3_errcode(box->db) == SQLITE_NOMEM)
        rc = err_set(e, ERR_NOMEM, "no memory for a database");
    capped = lite_uncap();
    if (rc && capped)
        rc = err_set(e, ERR_FORMAT, "larger than %d MB", MEMORY_BYTES >> 20);
    box->reading = true;
    if (rc)
        sqlbox_close(box);
    else
        *out = box;
    return rc;
}

void sqlbox_close(struct sqlbox *box)
{
    if (!box)
        return;
    sqlite3_close(box->db);
    mem_free(box);
}

/* ---- asking ---- */

struct query {
    struct sqlbox *box;
    sqlite3_stmt *st;
    struct arena *a;
    struct sqlbox_result *out;
    size_t cap, bytes;
    bool no_memory; /* SQLite had none */
};

static bool take_cell(struct query *q, int col, struct sqlbox_cell *c)
{
    const char *p;

    switch (sqlite3_column_type(q->st, col)) {
    case SQLITE_INTEGER:
        c->kind = SQLBOX_INT;
        c->i = sqlite3_column_int64(q->st, col);
        return true;
    case SQLITE_FLOAT:
        c->kind = SQLBOX_REAL;
        c->d = sqlite3_column_double(q->st, col);
        return true;
    case SQLITE_NULL:
        c->kind = SQLBOX_NULL;
        return true;
    case SQLITE_BLOB:
        c->kind = SQLBOX_BLOB;
        break;
    default:
        c->kind = SQLBOX_TEXT;
    }
    p = sqlite3_column_blob(q->st, col);
    c->s.n = (size_t)sqlite3_column_bytes(q->st, col);
    c->s.p = arena_dup(q->a, p ? p : "", c->s.n);
    q->bytes += c->s.n;
    return c->s.p != NULL;
}

/* Room for one more row: the arena cannot grow in place, so it doubles. */
static bool make_room(struct query *q)
{
    struct sqlbox_result *r = q->out;
    size_t need = (r->n_rows + 1) * r->n_cols;
    struct sqlbox_cell *cells;

    if (need <= q->cap)
        return true;
    q->cap = need < 64 ? 64 : 2 * need;
    cells = arena_array(q->a, q->cap, sizeof *cells);
    if (!cells)
        return false;
    if (r->cells)
        memcpy(cells, r->cells, r->n_rows * r->n_cols * sizeof *cells);
    r->cells = cells;
    return true;
}

static bool take_row(struct query *q)
{
    struct sqlbox_result *r = q->out;
    struct sqlbox_cell *row;

    if (!make_room(q))
        return false;
    row = r->cells + r->n_rows * r->n_cols;
    for (size_t i = 0; i < r->n_cols; i++)
        if (!take_cell(q, (int)i, &row[i]))
            return false;
    r->n_rows++;
    q->bytes += r->n_cols * sizeof *row;
    return true;
}

/* What an error of SQLite says of the query. */
static void note_error(struct query *q, int lite)
{
    struct sqlbox_result *r = q->out;

    q->no_memory = lite == SQLITE_NOMEM;
    if (q->box->denied)
        r->end = SQLBOX_DENIED;
    else if (lite == SQLITE_INTERRUPT || lite == SQLITE_TOOBIG ||
             lite == SQLITE_NOMEM || lite == SQLITE_FULL)
        r->end = SQLBOX_LIMIT;
    else
        r->end = SQLBOX_ERROR;
    r->msg = arena_strdup(q->a, sqlite3_errmsg(q->box->db));
}

static int walk(struct query *q)
{
    int lite;

    while ((lite = sqlite3_step(q->st)) == SQLITE_ROW) {
        if (!take_row(q))
            return SQLITE_ROW; /* the arena has failed */
        if (q->out->n_rows > ROWS_MOST || q->bytes > RESULT_BYTES) {
            q->out->end = SQLBOX_LIMIT;
            q->out->msg = "too many rows";
            return SQLITE_DONE;
        }
    }
    return lite;
}

/* Words behind the statement that are no SQL are prose and left alone. */
static bool more_follows(struct query *q, const char *tail)
{
    sqlite3_stmt *next = NULL;
    int lite;

    while (*tail == ';' || *tail == ' ' || *tail == '\n' || *tail == '\t' ||
           *tail == '\r')
        tail++;
    if (!*tail)
        return false;
    lite = sqlite3_prepare_v2(q->box->db, tail, -1, &next, NULL);
    sqlite3_finalize(next);
    return (lite == SQLITE_OK && next) || q->box->denied;
}

static void ask(struct query *q, const char *sql)
{
    const char *tail = "";
    int lite = sqlite3_prepare_v2(q->box->db, sql, -1, &q->st, &tail);

    if (!lite && !q->st) {
        q->out->end = SQLBOX_ERROR;
        q->out->msg = "an empty statement";
    } else if (!lite && more_follows(q, tail)) {
        q->out->end = q->box->denied ? SQLBOX_DENIED : SQLBOX_MANY;
        q->out->msg = "more than one statement";
    } else if (!lite) {
        q->out->n_cols = (size_t)sqlite3_column_count(q->st);
        lite = walk(q);
    }
    if (lite && lite != SQLITE_DONE && lite != SQLITE_ROW)
        note_error(q, lite);
    sqlite3_finalize(q->st);
}

enum err_code sqlbox_query(struct sqlbox *box, struct str sql, struct arena *a,
                           struct sqlbox_result *out, struct err *e)
{
    struct query q = { .box = box, .a = a, .out = out };
    const char *text = arena_dup(a, sql.p, sql.n);
    bool capped;

    *out = (struct sqlbox_result){ .end = SQLBOX_ROWS, .msg = "" };
    if (!text)
        return err_set(e, ERR_NOMEM, "no memory for a query");
    begin(box);
    ask(&q, text);
    capped = lite_uncap();
    return a->failed || (q.no_memory && !capped)
               ? err_set(e, ERR_NOMEM, "no memory for a query")
               : ERR_OK;
}
