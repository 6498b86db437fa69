/* The rows of judges.  They refer to samples and touch no score: what a judge
 * says stands beside what the rules say. */
#include "harness/store/store_judge.h"

#include "harness/store/store_sql.h"

enum err_code store_put_judge(struct store *s, const struct store_judge *j,
                              int64_t *id, struct err *e)
{
    if (sql_begin(s, e) ||
        sql_run(s,
                "INSERT INTO judge (hash, model, kind, name, rubric, params)"
                " VALUES (?,?,?,?,?,?) ON CONFLICT (hash) DO NOTHING",
                e, "sisssi", j->hash, j->model, j->kind, j->name,
                j->rubric_json, j->params))
        return e->code;
    return sql_int(s, "SELECT pk FROM judge WHERE hash = ?", id, e, "s",
                   j->hash);
}

enum err_code store_add_judgement(struct store *s, const struct store_case *k,
                                  const struct store_judgement *j,
                                  struct err *e)
{
    const struct store_response *r = j->response;

    if (sql_begin(s, e) ||
        sql_run(s,
                "INSERT INTO judgement (run, judge, sample, against, swapped,"
                " prompt, verdict, grade, parser, finish, prompt_tokens,"
                " cached_tokens, output_tokens, started_ms, latency_ns,"
                " attempts, text, reasoning, price) VALUES (?, ?, ?,"
                " nullif(?, 0), ?, ?, ?, ?, ?, ?, nullif(?, -1),"
                " nullif(?, -1), nullif(?, -1), ?, nullif(?, -1), ?, ?, ?,"
                " nullif(?, 0)) ON CONFLICT DO NOTHING",
                e, "iiiiiisdisiiiiiissi", k->run, k->judge, k->sample,
                k->against, (int64_t)k->swapped, k->prompt, j->verdict,
                j->grade, (int64_t)j->parser, r->finish ? r->finish : "other",
                r->prompt_tokens, r->cached_tokens, r->output_tokens,
                r->started_ms, r->latency_ns, (int64_t)r->attempts, r->text,
                r->reasoning, r->price))
        return e->code;
    sql_count_sample(s);
    return ERR_OK;
}

enum err_code store_add_judge_error(struct store *s, const struct store_case *k,
                                    const struct store_error *r, struct err *e)
{
    if (sql_begin(s, e) ||
        sql_run(s,
                "INSERT INTO judge_failure (run, judge, sample, against,"
                " swapped, code, message, vendor_code, http_status, attempts,"
                " at_ms, prompt_tokens, cached_tokens, output_tokens, price)"
                " VALUES (?, ?, ?, nullif(?, 0), ?, ?, ?, ?, nullif(?, 0), ?,"
                " ?, nullif(?, 0), nullif(?, 0), nullif(?, 0), nullif(?, 0))",
                e, "iiiiisssiiiiiii", k->run, k->judge, k->sample, k->against,
                (int64_t)k->swapped, r->code, r->message, r->vendor_code,
                (int64_t)r->http_status, (int64_t)r->attempts, r->at_ms,
                r->prompt_tokens, r->cached_tokens, r->output_tokens, r->price))
        return e->code;
    sql_count_sample(s);
    return ERR_OK;
}

enum err_code store_put_label(struct store *s, const struct store_label *l,
                              struct err *e)
{
    if (sql_begin(s, e))
        return e->code;
    return sql_run(s,
                   "INSERT INTO label (sample, against, verdict, grade, source)"
                   " VALUES (?, nullif(?, 0), ?, ?, ?)"
                   " ON CONFLICT (sample, ifnull(against, 0), source)"
                   " DO UPDATE SET verdict = excluded.verdict,"
                   " grade = excluded.grade",
                   e, "iisds", l->sample, l->against, l->verdict, l->grade,
                   l->source);
}
