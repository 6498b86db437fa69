/* Rows: what each put, find and add writes and reads.
 *
 * Ids stay: content that is there already is found by its unique key and keeps
 * its id.  What belongs together (a sample and its response) is written under
 * one savepoint, so that a failure in the middle leaves no half. */
#include <string.h>

#include "harness/base/json.h"
#include "harness/store/store.h"
#include "harness/store/store_sql.h"

enum err_code store_put_model(struct store *s, const struct store_model *m,
                              int64_t *id, struct err *e)
{
    static const char put[] =
        "INSERT INTO model (fingerprint, id, name, vendor, kind, spec, size_b,"
        " price_in, price_out, currency, price_date, open, domestic)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (fingerprint) DO UPDATE SET id = excluded.id,"
        " name = excluded.name, vendor = excluded.vendor,"
        " kind = excluded.kind, spec = excluded.spec,"
        " size_b = excluded.size_b, price_in = excluded.price_in,"
        " price_out = excluded.price_out, currency = excluded.currency,"
        " price_date = excluded.price_date, open = excluded.open,"
        " domestic = excluded.domestic";

    if (sql_begin(s, e) ||
        sql_run(s, put, e, "ssssssdddssii", m->fingerprint, m->id, m->name,
                m->vendor, m->kind, m->spec_json, m->size_b, m->price_in,
                m->price_out, m->currency, m->price_date, (int64_t)m->open,
                (int64_t)m->domestic))
        return e->code;
    return sql_int(s, "SELECT pk FROM model WHERE fingerprint = ?", id, e, "s",
                   m->fingerprint);
}

enum err_code store_put_suite(struct store *s, const struct store_suite *m,
                              int64_t *id, struct err *e)
{
    static const char put[] =
        "INSERT INTO suite (id, version, digest, title_zh, title_en, ability,"
        " language, licence, matcher, path) VALUES (?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (id, digest) DO UPDATE SET version = excluded.version,"
        " title_zh = excluded.title_zh, title_en = excluded.title_en,"
        " ability = excluded.ability, language = excluded.language,"
        " licence = excluded.licence, matcher = excluded.matcher,"
        " path = excluded.path";

    if (sql_begin(s, e) ||
        sql_run(s, put, e, "ssssssssss", m->id, m->version, m->digest,
                m->title_zh, m->title_en, m->ability, m->language, m->licence,
                m->matcher, m->path) ||
        sql_int(s, "SELECT pk FROM suite WHERE id = ? AND digest = ?", id, e,
                "ss", m->id, m->digest))
        return e->code;
    return sql_run(s,
                   "UPDATE suite SET current = (pk = ?1)"
                   " WHERE id = ?2 AND current <> (pk = ?1)",
                   e, "is", *id, m->id);
}

/* How many turns, and how many of them have an answer. */
static enum err_code count_turns(const struct store_item *m, int64_t *n,
                                 int64_t *judged, struct err *e)
{
    struct json *turns = NULL;
    enum err_code rc = ERR_OK;

    *n = 1;
    *judged = m->answer != NULL;
    if (!m->turns)
        return ERR_OK;
    rc = json_parse(&turns, str_of(m->turns), e);
    *n = (int64_t)json_len(turns);
    *judged = 0;
    for (const struct json *t = json_child(turns); t; t = json_next(t)) {
        const struct json *answer = json_get(t, "answer");
        *judged += answer && json_type(answer) != JSON_NULL;
    }
    if (!rc && *n == 0)
        rc = err_set(e, ERR_FORMAT, "expected a list of turns");
    json_free(turns);
    return rc ? err_wrap(e, "item %s: turns", m->id) : ERR_OK;
}

static enum err_code insert_item(struct store *s, const struct store_item *m,
                                 int64_t *id, struct err *e)
{
    int64_t n, judged;

    if (count_turns(m, &n, &judged, e) ||
        sql_run(s,
                "INSERT INTO item (digest, question, answer, choices, matcher,"
                " turns, n_turns, n_judged, difficulty)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                e, "ssssssiis", m->digest, m->question, m->answer, m->choices,
                m->matcher, m->turns, n, judged, m->difficulty))
        return e->code;
    *id = sql_last_id(s);
    return ERR_OK;
}

enum err_code store_put_item(struct store *s, const struct store_item *m,
                             int64_t *id, struct err *e)
{
    enum err_code rc;

    if (sql_begin(s, e) ||
        sql_int(s, "SELECT pk FROM item WHERE digest = ?", id, e, "s",
                m->digest) ||
        sql_together(s, e))
        return e->code;
    rc = *id ? ERR_OK : insert_item(s, m, id, e);
    if (!rc)
        rc = sql_run(s,
                     "INSERT INTO suite_item (suite, id, item, subset)"
                     " VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
                     e, "isis", m->suite, m->id, *id,
                     m->subset ? m->subset : "");
    return sql_end(s, rc, e);
}

/* Rows that are a hash and its text. */
static enum err_code put_hashed(struct store *s, const char *find,
                                const char *insert, const char *hash,
                                const char *json, int64_t *id, struct err *e)
{
    if (sql_begin(s, e) || sql_int(s, find, id, e, "s", hash))
        return e->code;
    if (*id)
        return ERR_OK;
    if (sql_run(s, insert, e, "ss", hash, json))
        return e->code;
    *id = sql_last_id(s);
    return ERR_OK;
}

enum err_code store_put_prompt(struct store *s, const char *hash,
                               const char *json, int64_t *id, struct err *e)
{
    return put_hashed(s, "SELECT pk FROM prompt WHERE hash = ?",
                      "INSERT INTO prompt (hash, json) VALUES (?,?)", hash,
                      json, id, e);
}

enum err_code store_put_params(struct store *s, const char *hash,
                               const char *json, int64_t *id, struct err *e)
{
    return put_hashed(s, "SELECT pk FROM params WHERE hash = ?",
                      "INSERT INTO params (hash, json) VALUES (?,?)", hash,
                      json, id, e);
}

enum err_code store_put_price(struct store *s, const struct store_price *p,
                              int64_t *id, struct err *e)
{
    static const char find[] =
        "SELECT pk FROM price WHERE (input, cached, output, currency, date,"
        " source, cny, rate_date, rate_source) IS (?,?,?,?,?,?,?,?,?)";
    static const char put[] =
        "INSERT INTO price (input, cached, output, currency, date, source, cny,"
        " rate_date, rate_source) VALUES (?,?,?,?,?,?,?,?,?)";

    if (sql_begin(s, e) ||
        sql_int(s, find, id, e, "dddsssdss", p->in, p->cached, p->out,
                p->currency, p->date, p->source, p->cny, p->rate_date,
                p->rate_source))
        return e->code;
    if (*id)
        return ERR_OK;
    if (sql_run(s, put, e, "dddsssdss", p->in, p->cached, p->out, p->currency,
                p->date, p->source, p->cny, p->rate_date, p->rate_source))
        return e->code;
    *id = sql_last_id(s);
    return ERR_OK;
}

enum err_code store_put_run(struct store *s, const struct store_run *r,
                            int64_t *id, struct err *e)
{
    if (sql_begin(s, e) ||
        sql_run(s,
                "INSERT INTO run (command_line, version, host, options,"
                " started_ms) VALUES (?,?,?,?,?)",
                e, "ssssi", r->command_line, r->version, r->host,
                r->options_json, r->started_ms))
        return e->code;
    *id = sql_last_id(s);
    return ERR_OK;
}

enum err_code store_end_run(struct store *s, int64_t run, const char *state,
                            int64_t ended_ms, struct err *e)
{
    if (sql_begin(s, e) ||
        sql_run(s, "UPDATE run SET state = ?, ended_ms = ? WHERE pk = ?", e,
                "sii", state, ended_ms, run) ||
        store_flush(s, e))
        return e->code;
    return store_refresh(s, e);
}

/* ---- Samples ---- */

struct found {
    int64_t id;
    bool answered;
};

static enum err_code take_found(void *user, const struct store_row *r,
                                struct err *e)
{
    struct found *f = user;

    (void)e;
    f->id = row_int(r, 0);
    f->answered = row_int(r, 1) != 0;
    return ERR_OK;
}

enum err_code store_find_sample(struct store *s, const struct store_sample *k,
                                int64_t *id, bool *answered, struct err *e)
{
    struct found f = { 0, false };
    enum err_code rc = store_query(
        s,
        "SELECT s.pk, EXISTS (SELECT 1 FROM response WHERE sample = s.pk)"
        " FROM sample AS s WHERE s.model = ? AND s.item = ? AND s.trial = ?"
        " AND s.turn = ? AND s.prompt = ? AND s.params = ?",
        take_found, &f, e, "iiiiii", k->model, k->item, k->trial, k->turn,
        k->prompt, k->params);

    *id = f.id;
    *answered = f.answered;
    return rc;
}

/* Finds the sample or makes it. */
static enum err_code put_sample(struct store *s, const struct store_sample *k,
                                int64_t *id, bool *answered, struct err *e)
{
    if (store_find_sample(s, k, id, answered, e))
        return e->code;
    if (*id)
        return ERR_OK;
    if (sql_run(s,
                "INSERT INTO sample (run, model, item, prompt, params, turn,"
                " trial) VALUES (?,?,?,?,?,?,?)",
                e, "iiiiiii", k->run, k->model, k->item, k->prompt, k->params,
                k->turn, k->trial))
        return e->code;
    *id = sql_last_id(s);
    return ERR_OK;
}

static enum err_code insert_response(struct store *s, int64_t sample,
                                     const struct store_response *r,
                                     struct err *e)
{
    return sql_run(
        s,
        "INSERT INTO response (sample, finish, prompt_tokens, cached_tokens,"
        " output_tokens, started_ms, latency_ns, first_token_ns, attempts,"
        " margin, logprobs, text, reasoning, price) VALUES (?, ?,"
        " nullif(?, -1), nullif(?, -1), nullif(?, -1), ?, nullif(?, -1),"
        " nullif(?, -1), ?, ?, ?, ?, ?, nullif(?, 0))",
        e, "isiiiiiiidsssi", sample, r->finish ? r->finish : "other",
        r->prompt_tokens, r->cached_tokens, r->output_tokens, r->started_ms,
        r->latency_ns, r->first_token_ns, (int64_t)r->attempts, r->margin,
        r->logprobs_json, r->text, r->reasoning, r->price);
}

enum err_code store_add_response(struct store *s, const struct store_sample *k,
                                 const struct store_response *r,
                                 int64_t *sample, bool *added, struct err *e)
{
    bool answered = false;
    enum err_code rc;

    *added = false;
    if (sql_begin(s, e) || sql_together(s, e))
        return e->code;
    rc = put_sample(s, k, sample, &answered, e);
    if (!rc && !answered)
        rc = insert_response(s, *sample, r, e);
    rc = sql_end(s, rc, e);
    if (!rc && !answered) {
        *added = true;
        sql_count_sample(s);
    }
    return rc;
}

enum err_code store_add_error(struct store *s, const struct store_sample *k,
                              const struct store_error *r, int64_t *sample,
                              struct err *e)
{
    bool answered;
    enum err_code rc;

    if (sql_begin(s, e) || sql_together(s, e))
        return e->code;
    rc = put_sample(s, k, sample, &answered, e);
    if (!rc)
        rc = sql_run(s,
                     "INSERT INTO failure (sample, code, message,"
                     " vendor_code, http_status, attempts, at_ms,"
                     " prompt_tokens, cached_tokens, output_tokens, price)"
                     " VALUES (?, ?, ?, ?, nullif(?, 0), ?, ?, nullif(?, 0),"
                     " nullif(?, 0), nullif(?, 0), nullif(?, 0))",
                     e, "isssiiiiiii", *sample, r->code, r->message,
                     r->vendor_code, (int64_t)r->http_status,
                     (int64_t)r->attempts, r->at_ms, r->prompt_tokens,
                     r->cached_tokens, r->output_tokens, r->price);
    rc = sql_end(s, rc, e);
    if (!rc)
        sql_count_sample(s);
    return rc;
}

/* ---- Scores ---- */

/* The row is written only if something in it differs; a row that is replaced
 * goes into the history first. */
static const char keep_score[] =
    "INSERT INTO score_history (sample, verdict, score, near_tie, matcher,"
    " version, settings, extracted, rule, span_at, span_len)"
    " SELECT sample, verdict, score, near_tie, matcher, version, settings,"
    " extracted, rule, span_at, span_len FROM score WHERE sample = ?1 AND"
    " (verdict, score, near_tie, matcher, version, settings, extracted, rule,"
    " span_at, span_len) IS NOT (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
static const char new_score[] =
    "INSERT INTO score (sample, verdict, score, near_tie, matcher, version,"
    " settings, extracted, rule, span_at, span_len)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    " ON CONFLICT DO NOTHING";
static const char change_score[] =
    "UPDATE score SET verdict = ?2, score = ?3, near_tie = ?4, matcher = ?5,"
    " version = ?6, settings = ?7, extracted = ?8, rule = ?9, span_at = ?10,"
    " span_len = ?11 WHERE sample = ?1";

static enum err_code run_score(struct store *s, const char *sql, int64_t sample,
                               const struct store_score *c, struct err *e)
{
    return sql_run(s, sql, e, "isdisisssii", sample, c->verdict, c->score,
                   (int64_t)c->near_tie, c->matcher, (int64_t)c->version,
                   c->settings_hash, c->extracted, c->rule, c->span_at,
                   c->span_len);
}

enum err_code store_put_score(struct store *s, int64_t sample,
                              const struct store_score *c, struct err *e)
{
    enum err_code rc;

    if (sql_join(s, e) || run_score(s, new_score, sample, c, e))
        return e->code;
    if (sql_changes(s) > 0)
        return ERR_OK;
    if (sql_together(s, e))
        return e->code;
    rc = run_score(s, keep_score, sample, c, e);
    if (!rc && sql_changes(s) > 0)
        rc = run_score(s, change_score, sample, c, e);
    return sql_end(s, rc, e);
}

enum err_code store_refresh(struct store *s, struct err *e)
{
    int64_t n;

    if (sql_int(s, "SELECT count(*) FROM stale", &n, e, ""))
        return e->code;
    if (n == 0)
        return store_flush(s, e);
    if (store_flush(s, e) || sql_begin(s, e))
        return e->code;
    if (sql_run(s, "DELETE FROM tally WHERE model IN (SELECT model FROM stale)",
                e, "") ||
        sql_run(s, "INSERT INTO tally SELECT * FROM stale_scores", e, "") ||
        sql_run(s, "DELETE FROM stale", e, "")) {
        sql_abandon(s);
        return e->code;
    }
    return store_flush(s, e);
}
