/* What a rescoring changes, apart from the history: in a temporary table of this
 * connection, so that it can be told of a database that is open for reading
 * only, too, and of this call alone. */
#include "harness/store/store.h"
#include "harness/store/store_sql.h"

enum err_code store_begin_changes(struct store *s, struct err *e)
{
    return store_exec(
        s,
        "DROP TABLE IF EXISTS temp.rescored;"
        "CREATE TEMP TABLE rescored (sample INTEGER PRIMARY KEY,"
        " old_verdict, old_score, old_matcher, old_version, old_settings,"
        " old_extracted, old_rule, verdict, score, matcher, version, settings,"
        " extracted, rule)",
        e);
}

enum err_code store_note_change(struct store *s, int64_t sample,
                                const struct store_score *old,
                                const struct store_score *now, struct err *e)
{
    return sql_run(s,
                   "INSERT OR REPLACE INTO temp.rescored"
                   " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                   e, "isdsissssdsisss", sample, old->verdict, old->score,
                   old->matcher, (int64_t)old->version, old->settings_hash,
                   old->extracted, old->rule, now->verdict, now->score,
                   now->matcher, (int64_t)now->version, now->settings_hash,
                   now->extracted, now->rule);
}
