/* Opening the database: what it is, bringing it to today's version, where it
 * may be read although nothing can be written.
 *
 * Migrations run forward, one step a version, inside one transaction: a killed
 * migration has not happened.  Views hold nothing and are made anew. */
#include "harness/store/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/base/buf.h"
#include "harness/base/io.h"
#include "harness/store/schema.h"
#include "harness/store/store_sql.h"

/* ---- Migration ---- */

static enum err_code run_all(struct store *s, const char *const *statements,
                             struct err *e)
{
    for (; *statements; statements++) {
        if (store_exec(s, *statements, e))
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
        if (store_exec(s, sql, e))
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
    if (store_exec(s, sql, e))
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
    if (sql_use_wal(s, e) || sql_begin(s, e))
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

static enum err_code open_whole(struct store *s, struct err *e)
{
    if (sql_open(s, e) || bring_up_to_date(s, e))
        return e->code;
    return s->read_only ? ERR_OK : sql_use_wal(s, e);
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
    struct store *s;
    enum err_code rc = check_path(path, read_only, e);

    *out = NULL;
    if (rc)
        return rc;
    s = mem_zalloc(sizeof *s);
    if (!s || !(s->path = mem_strdup(path))) {
        mem_free(s);
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    }
    s->read_only = read_only;
    rc = open_whole(s, e);
    if (read_only && (rc == ERR_DISK || rc == ERR_NOENV || rc == ERR_IO) &&
        is_finished(path)) {
        sql_close(s);
        s->immutable = true;
        rc = open_whole(s, e);
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
    if (s->in_group && store_flush(s, &unused))
        sql_abandon(s);
    sql_close(s);
    mem_free(s->path);
    mem_free(s);
}
