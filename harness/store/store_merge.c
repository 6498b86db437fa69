/* Joining shards: what another database holds and this one does not.
 *
 * Row numbers mean nothing outside their file, so each table is joined by what
 * identifies its rows (fingerprint, digest, hash, S1 for samples) and the pairs
 * of numbers are kept in temporary tables map_*(old, new) for the tables that
 * refer to them.  A sample that both hold keeps this one's response, score and
 * history; errors of both are kept, and what judges and people said.  All is
 * one transaction: a merge that is killed has not happened. */
#include <stddef.h>
#include <sys/stat.h>

#include "harness/store/store.h"
#include "harness/store/store_sql.h"

static const char make_maps[] =
    "CREATE TEMP TABLE map_model (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_suite (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_item (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_prompt (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_params (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_run (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_price (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_judge (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE map_sample (old INTEGER PRIMARY KEY, new INTEGER);"
    "CREATE TEMP TABLE taken (old INTEGER PRIMARY KEY, new INTEGER);";
static const char drop_maps[] =
    "DROP TABLE temp.map_model; DROP TABLE temp.map_suite;"
    "DROP TABLE temp.map_item; DROP TABLE temp.map_prompt;"
    "DROP TABLE temp.map_params; DROP TABLE temp.map_run;"
    "DROP TABLE temp.map_price; DROP TABLE temp.map_judge;"
    "DROP TABLE temp.map_sample; DROP TABLE temp.taken;";

#define MODEL_COLS                                                             \
    "fingerprint, id, name, vendor, kind, spec, size_b, price_in, price_out,"  \
    " currency, price_date, open, domestic"
#define ITEM_COLS                                                              \
    "digest, question, answer, choices, matcher, turns, n_turns, n_judged,"    \
    " difficulty"
#define RESPONSE_COLS                                                          \
    "finish, prompt_tokens, cached_tokens, output_tokens, started_ms,"         \
    " latency_ns, first_token_ns, attempts, margin, logprobs, text,"           \
    " reasoning"
#define PRICE_COLS                                                             \
    "input, cached, output, currency, date, source, cny, rate_date,"           \
    " rate_source"
#define SAME_PRICE                                                             \
    "(m.input, m.cached, m.output, m.currency, m.date, m.source, m.cny,"       \
    " m.rate_date, m.rate_source) IS (o.input, o.cached, o.output,"            \
    " o.currency, o.date, o.source, o.cny, o.rate_date, o.rate_source)"
#define NEW_PRICE "(SELECT new FROM map_price WHERE old = o.price)"
/* What identifies a sample there, in the numbers of this database. */
#define JOIN_SAMPLE                                                            \
    " JOIN map_model AS m ON m.old = o.model"                                  \
    " JOIN map_item AS i ON i.old = o.item"                                    \
    " JOIN map_prompt AS p ON p.old = o.prompt"                                \
    " JOIN map_params AS a ON a.old = o.params"
#define SAME_SAMPLES                                                           \
    "INSERT INTO map_sample SELECT o.pk, s.pk"                                 \
    " FROM other.sample AS o" JOIN_SAMPLE                                      \
    " JOIN main.sample AS s ON s.model = m.new AND s.item = i.new AND"         \
    " s.trial = o.trial AND s.turn = o.turn AND s.prompt = p.new AND"          \
    " s.params = a.new"
#define SCORE_COLS                                                             \
    "verdict, score, near_tie, matcher, version, settings, extracted, rule,"   \
    " span_at, span_len"
/* A run has no digest: two that started in the same millisecond, on the same
 * machine, by the same command are one. */
#define SAME_RUN                                                               \
    "r.started_ms = o.started_ms AND r.host IS o.host AND"                     \
    " r.command_line IS o.command_line AND r.version IS o.version AND"         \
    " r.options IS o.options"

#define JUDGEMENT_COLS                                                         \
    "swapped, verdict, grade, parser, finish, prompt_tokens, cached_tokens,"   \
    " output_tokens, started_ms, latency_ns, attempts, text, reasoning"
#define JUDGE_FAILURE_COLS                                                     \
    "swapped, code, message, vendor_code, http_status, attempts, at_ms,"       \
    " prompt_tokens, cached_tokens, output_tokens"
/* Rows that judges' tables refer to; b is empty where there is no baseline. */
#define JOIN_JUDGED                                                            \
    " JOIN map_run AS r ON r.old = o.run"                                      \
    " JOIN map_judge AS j ON j.old = o.judge" JOIN_LABELLED
#define JOIN_LABELLED                                                          \
    " JOIN map_sample AS s ON s.old = o.sample"                                \
    " LEFT JOIN map_sample AS b ON b.old = o.against"

struct step {
    const char *sql;
    size_t count; /* offset in struct store_merge of what it adds, or NONE */
};
#define NONE ((size_t)-1)
#define COUNT(field) offsetof(struct store_merge, field)

static const struct step steps[] = {
    { "INSERT INTO main.model (" MODEL_COLS ") SELECT " MODEL_COLS
      " FROM other.model WHERE true ON CONFLICT DO NOTHING",
      NONE },
    { "INSERT INTO map_model SELECT o.pk, m.pk FROM other.model AS o"
      " JOIN main.model AS m ON m.fingerprint = o.fingerprint",
      NONE },
    /* Ours stays the current version where we have the suite at all. */
    { "INSERT INTO main.suite (id, version, digest, title_zh, title_en,"
      " ability, language, licence, matcher, path, current) SELECT o.id,"
      " o.version, o.digest, o.title_zh, o.title_en, o.ability, o.language,"
      " o.licence, o.matcher, o.path, o.current AND NOT EXISTS (SELECT 1 FROM"
      " main.suite AS m WHERE m.id = o.id AND m.current)"
      " FROM other.suite AS o WHERE true ORDER BY o.pk"
      " ON CONFLICT DO NOTHING",
      NONE },
    { "INSERT INTO map_suite SELECT o.pk, m.pk FROM other.suite AS o"
      " JOIN main.suite AS m ON m.id = o.id AND m.digest = o.digest",
      NONE },
    { "INSERT INTO main.item (" ITEM_COLS ") SELECT " ITEM_COLS
      " FROM other.item WHERE true ORDER BY pk ON CONFLICT DO NOTHING",
      NONE },
    { "INSERT INTO map_item SELECT o.pk, m.pk FROM other.item AS o"
      " JOIN main.item AS m ON m.digest = o.digest",
      NONE },
    { "INSERT INTO main.suite_item (suite, id, item, subset)"
      " SELECT su.new, o.id, it.new, o.subset FROM other.suite_item AS o"
      " JOIN map_suite AS su ON su.old = o.suite"
      " JOIN map_item AS it ON it.old = o.item"
      " WHERE true ON CONFLICT DO NOTHING",
      NONE },
    { "INSERT INTO main.prompt (hash, json) SELECT hash, json"
      " FROM other.prompt WHERE true ORDER BY pk ON CONFLICT DO NOTHING",
      NONE },
    { "INSERT INTO map_prompt SELECT o.pk, m.pk FROM other.prompt AS o"
      " JOIN main.prompt AS m ON m.hash = o.hash",
      NONE },
    { "INSERT INTO main.params (hash, json) SELECT hash, json"
      " FROM other.params WHERE true ON CONFLICT DO NOTHING",
      NONE },
    { "INSERT INTO map_params SELECT o.pk, m.pk FROM other.params AS o"
      " JOIN main.params AS m ON m.hash = o.hash",
      NONE },
    { "INSERT INTO main.run (command_line, version, host, options, started_ms)"
      " SELECT command_line, version, host, options, started_ms"
      " FROM other.run AS o WHERE NOT EXISTS"
      " (SELECT 1 FROM main.run AS r WHERE " SAME_RUN ")",
      NONE },
    { "INSERT INTO map_run SELECT o.pk, min(r.pk) FROM other.run AS o"
      " JOIN main.run AS r ON " SAME_RUN " GROUP BY o.pk",
      NONE },
    { "UPDATE main.run SET state = o.state, ended_ms = o.ended_ms"
      " FROM map_run AS m JOIN other.run AS o ON o.pk = m.old"
      " WHERE m.new = main.run.pk AND main.run.state IS NULL",
      NONE },
    { "INSERT INTO main.price (" PRICE_COLS ") SELECT " PRICE_COLS
      " FROM other.price AS o WHERE NOT EXISTS"
      " (SELECT 1 FROM main.price AS m WHERE " SAME_PRICE ") ORDER BY pk",
      NONE },
    { "INSERT INTO map_price SELECT o.pk, min(m.pk) FROM other.price AS o"
      " JOIN main.price AS m ON " SAME_PRICE " GROUP BY o.pk",
      NONE },
    { SAME_SAMPLES, COUNT(duplicates) },
    { "INSERT INTO main.sample (run, model, item, prompt, params, turn, trial)"
      " SELECT r.new, m.new, i.new, p.new, a.new, o.turn, o.trial"
      " FROM other.sample AS o JOIN map_run AS r ON r.old = o.run" JOIN_SAMPLE
      " WHERE o.pk NOT IN (SELECT old FROM map_sample) ORDER BY o.pk",
      COUNT(samples) },
    { SAME_SAMPLES " WHERE true ON CONFLICT DO NOTHING", NONE },
    { "INSERT INTO taken SELECT m.old, m.new FROM map_sample AS m"
      " JOIN other.response AS o ON o.sample = m.old WHERE NOT EXISTS"
      " (SELECT 1 FROM main.response AS r WHERE r.sample = m.new)",
      NONE },
    { "INSERT INTO main.response (sample, price, " RESPONSE_COLS ")"
      " SELECT t.new, " NEW_PRICE ", " RESPONSE_COLS " FROM taken AS t"
      " JOIN other.response AS o ON o.sample = t.old ORDER BY t.new",
      COUNT(responses) },
    { "INSERT INTO main.score (sample, " SCORE_COLS ") SELECT t.new,"
      " " SCORE_COLS " FROM taken AS t"
      " JOIN other.score AS o ON o.sample = t.old ORDER BY t.new",
      COUNT(scores) },
    { "INSERT INTO main.score_history (sample, " SCORE_COLS ") SELECT t.new,"
      " " SCORE_COLS " FROM taken AS t"
      " JOIN other.score_history AS o ON o.sample = t.old ORDER BY o.pk",
      NONE },
    { "INSERT INTO main.failure (sample, code, message, vendor_code,"
      " http_status, attempts, at_ms, prompt_tokens, cached_tokens,"
      " output_tokens, price) SELECT m.new, o.code, o.message,"
      " o.vendor_code, o.http_status, o.attempts, o.at_ms, o.prompt_tokens,"
      " o.cached_tokens, o.output_tokens, " NEW_PRICE
      " FROM other.failure AS o JOIN map_sample AS m ON m.old = o.sample"
      " WHERE NOT EXISTS (SELECT 1 FROM main.failure AS f"
      " WHERE f.sample = m.new AND f.at_ms = o.at_ms AND f.code = o.code AND"
      " f.message IS o.message) ORDER BY o.pk",
      COUNT(errors) },
    { "INSERT INTO main.judge (hash, model, kind, name, rubric, params)"
      " SELECT o.hash, m.new, o.kind, o.name, o.rubric, a.new"
      " FROM other.judge AS o JOIN map_model AS m ON m.old = o.model"
      " JOIN map_params AS a ON a.old = o.params"
      " WHERE true ORDER BY o.pk ON CONFLICT DO NOTHING",
      NONE },
    { "INSERT INTO map_judge SELECT o.pk, m.pk FROM other.judge AS o"
      " JOIN main.judge AS m ON m.hash = o.hash",
      NONE },
    { "INSERT INTO main.judgement (run, judge, sample, against, prompt, price,"
      " " JUDGEMENT_COLS ") SELECT r.new, j.new, s.new, b.new, p.new,"
      " " NEW_PRICE ", " JUDGEMENT_COLS " FROM other.judgement AS o" JOIN_JUDGED
      " JOIN map_prompt AS p ON p.old = o.prompt"
      " WHERE true ORDER BY o.pk ON CONFLICT DO NOTHING",
      NONE },
    { "INSERT INTO main.judge_failure (run, judge, sample, against, price,"
      " " JUDGE_FAILURE_COLS ") SELECT r.new, j.new, s.new, b.new,"
      " " NEW_PRICE ", " JUDGE_FAILURE_COLS
      " FROM other.judge_failure AS o" JOIN_JUDGED
      " WHERE NOT EXISTS (SELECT 1 FROM main.judge_failure AS f"
      " WHERE f.judge = j.new AND f.sample = s.new AND f.at_ms = o.at_ms AND"
      " f.swapped = o.swapped AND f.code = o.code) ORDER BY o.pk",
      NONE },
    { "INSERT INTO main.label (sample, against, verdict, grade, source)"
      " SELECT s.new, b.new, o.verdict, o.grade, o.source"
      " FROM other.label AS o" JOIN_LABELLED
      " WHERE true ORDER BY o.pk ON CONFLICT DO NOTHING",
      NONE },
};

static enum err_code run_steps(struct store *s, struct store_merge *m,
                               struct err *e)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (sql_run(s, steps[i].sql, e, ""))
            return e->code;
        if (steps[i].count != NONE)
            *(int64_t *)((char *)m + steps[i].count) = sql_changes(s);
    }
    return ERR_OK;
}

static enum err_code merge_attached(struct store *s, struct store_merge *m,
                                    struct err *e)
{
    enum err_code rc = sql_begin(s, e);

    if (rc)
        return rc;
    rc = store_exec(s, make_maps, e);
    if (!rc)
        rc = run_steps(s, m, e);
    if (!rc)
        rc = store_exec(s, drop_maps, e);
    if (!rc)
        return store_flush(s, e);
    sql_abandon(s);
    return rc;
}

static enum err_code differ(const char *a, const char *b, struct err *e)
{
    struct stat x, y;

    if (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
        x.st_ino == y.st_ino)
        return err_set(e, ERR_USAGE, "%s: is the database itself", b);
    return ERR_OK;
}

/* Opened once by itself first, so that what is wrong with it is said. */
static enum err_code attach(struct store *s, const char *path, struct err *e)
{
    struct store *other = NULL;
    bool immutable = false;
    enum err_code rc = differ(s->path, path, e);

    if (!rc)
        rc = store_open(&other, path, true, e);
    if (other)
        immutable = other->immutable;
    store_close(other);
    return rc ? rc : sql_attach(s, path, immutable, e);
}

enum err_code store_merge(struct store *s, const char *other,
                          struct store_merge *m, struct err *e)
{
    enum err_code rc;

    *m = (struct store_merge){ 0 };
    if (store_flush(s, e) || attach(s, other, e))
        return e->code;
    rc = merge_attached(s, m, e);
    sql_detach(s);
    if (rc) {
        *m = (struct store_merge){ 0 };
        return err_wrap(e, "merging %s", other);
    }
    return store_refresh(s, e);
}
