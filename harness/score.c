/* Stored response -> matcher -> score row.
 *
 * Everything a verdict depends on is read from the database, by one query for a
 * run and for a rescoring alike.  Rescoring walks the responses page by page:
 * a page is read and the query ended before anything is written, so that no
 * reader is open across a commit.  Matchers are pure, so a page is judged by
 * two threads; only this thread touches the store. */
#include "harness/score.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "harness/base/digest.h"
#include "harness/base/json.h"
#include "harness/match/match.h"

/* On three real models int8 activations changed the likeliest option of 17 in
 * 384 CMMLU questions, compared with float32; the margins of these were 0.073
 * nats and less.  Margins moved by 0.1 (Qwen2.5-Coder-0.5B) to 0.29
 * (SmolLM2-135M), but only large ones by that much: below this bound the choice
 * may be the other one in float32. */
#define NEAR_TIE_NATS 0.2
/* The rule of picking the likeliest option: raised when verdicts or near ties
 * could change. */
enum { LOGPROB_VERSION = 2, SETTINGS_CHARS = 16, PAGE = 4096, THREADS = 2 };

/* A matcher's JSON is the same for most samples: it is parsed when it changes.
 */
struct judge {
    const char *text; /* of the last matcher; the caller's memory */
    struct json *options;
    const struct match_kind *kind;
};

static void judge_free(struct judge *j)
{
    json_free(j->options);
    *j = (struct judge){ 0 };
}

static enum err_code use_matcher(struct judge *j, const char *text,
                                 struct err *e)
{
    const char *name, *nearest;

    if (j->text && (j->text == text || strcmp(j->text, text) == 0))
        return ERR_OK;
    judge_free(j);
    if (json_parse(&j->options, str_of(text), e) ||
        json_get_str(j->options, "name", &name, e))
        return err_wrap(e, "matcher");
    j->kind = match_find(name, &nearest);
    if (!j->kind) {
        err_set(e, ERR_FORMAT, "unknown matcher \"%s\"; the nearest is \"%s\"",
                name, nearest);
        return ERR_FORMAT;
    }
    j->text = text;
    return ERR_OK;
}

/* Hash of what else decides the verdict: fields with their lengths, so that
 * they cannot run together. */
static const char *settings_hash(const struct score_in *in, struct arena *a)
{
    const char *choices = in->choices ? in->choices : "";
    char *all = arena_printf(a, "%zu:%s%zu:%s%zu:%s", strlen(in->answer),
                             in->answer, strlen(choices), choices,
                             strlen(in->matcher), in->matcher);
    char hex[DIGEST_HEX];

    if (!all)
        return NULL;
    digest_hex(str_of(all), hex);
    return arena_dup(a, hex, SETTINGS_CHARS);
}

/* Who judges, before it does: enough to see whether a stored score holds. */
static enum err_code prepare(struct judge *j, const struct score_in *in,
                             struct arena *a, struct store_score *out,
                             struct err *e)
{
    *out = (struct store_score){ .matcher = "logprob",
                                 .version = LOGPROB_VERSION };
    if (!in->matcher)
        return err_set(e, ERR_FORMAT, "the item has no matcher");
    if (use_matcher(j, in->matcher, e))
        return e->code;
    if (!in->logprobs_json) {
        out->matcher = j->kind->name;
        out->version = j->kind->version;
    }
    out->settings_hash = settings_hash(in, a);
    return out->settings_hash ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

static void set_verdict(struct store_score *out, enum verdict v)
{
    out->verdict = verdict_name(v);
}

/* ---- By log-likelihood ---- */

/* Whether the answer, a string or a list of them, names the key. */
static bool names_key(const struct json *answer, const char *key)
{
    const char *s = json_string(answer);

    if (s)
        return strcmp(s, key) == 0;
    for (const struct json *j = json_child(answer); j; j = json_next(j)) {
        s = json_string(j);
        if (s && strcmp(s, key) == 0)
            return true;
    }
    return false;
}

/* What an option's log-probability is divided by, as the matcher's
 * "normalise" says. */
struct norm {
    const char *by; /* the option's member; NULL: nothing */
    const char *rule, *tie;
};

static const struct norm norms[] = {
    { NULL, "logprob", "logprob-tie" },
    { "bytes", "logprob-bytes", "logprob-bytes-tie" },
    { "tokens", "logprob-tokens", "logprob-tokens-tie" },
};

static const struct norm *norm_of(const struct json *matcher)
{
    const char *by = json_string(json_get(matcher, "normalise"));

    for (size_t i = 1; by && i < sizeof norms / sizeof *norms; i++)
        if (strcmp(by, norms[i].by) == 0)
            return &norms[i];
    return &norms[0];
}

/* An option, comparable with the others. */
struct option {
    const char *key;
    double value;  /* log-probability over length; NaN: none */
    double length; /* 1 where nothing is divided, or it is not known */
};

static struct option read_option(const struct json *j, const struct norm *norm)
{
    struct option o = { json_key(j), NAN, 1 };
    const struct json *p = j, *length = NULL;

    if (json_type(j) == JSON_OBJECT) {
        p = json_get(j, "logprob");
        length = norm->by ? json_get(j, norm->by) : NULL;
    }
    if (length && json_number(length) > 1)
        o.length = json_number(length);
    if (p)
        o.value = json_number(p) / o.length;
    return o;
}

/* The likeliest option, and the next one. */
struct ranking {
    struct option first, second;
};

static struct ranking rank(const struct json *options, const struct norm *norm)
{
    const struct option none = { NULL, -INFINITY, 1 };
    struct ranking r = { none, none };

    for (const struct json *j = json_child(options); j; j = json_next(j)) {
        struct option o = read_option(j, norm);
        if (isnan(o.value))
            continue;
        if (!r.first.key || o.value > r.first.value) {
            r.second = r.first;
            r.first = o;
        } else if (!r.second.key || o.value > r.second.value) {
            r.second = o;
        }
    }
    return r;
}

/* What is divided by a length moves less. */
static bool is_near(const struct ranking *r)
{
    double shorter =
        r->first.length < r->second.length ? r->first.length : r->second.length;
    return r->first.value - r->second.value < NEAR_TIE_NATS / shorter;
}

static enum err_code judge_options(const struct judge *j,
                                   const struct score_in *in,
                                   const struct json *answer, struct arena *a,
                                   struct store_score *out, struct err *e)
{
    const struct norm *norm = norm_of(j->options);
    struct json *options = NULL;
    struct ranking r;
    enum err_code rc = json_parse(&options, str_of(in->logprobs_json), e);

    if (rc)
        return err_wrap(e, "scores of the options");
    r = rank(options, norm);
    out->rule = norm->rule;
    out->extracted = "";
    set_verdict(out, VERDICT_UNPARSABLE);
    if (r.first.key) {
        bool right = names_key(answer, r.first.key);
        bool tie = !(r.first.value > r.second.value);
        set_verdict(out, right ? VERDICT_CORRECT : VERDICT_WRONG);
        out->score = right;
        out->extracted = arena_strdup(a, r.first.key);
        out->rule = tie ? norm->tie : norm->rule;
        out->near_tie = tie || (in->q8 && is_near(&r));
    }
    json_free(options);
    return out->extracted ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

/* ---- By reading the text ---- */

static enum err_code read_choices(const struct json *choices, struct arena *a,
                                  struct match_in *m, struct err *e)
{
    struct match_choice *c = arena_array(a, json_len(choices), sizeof *c);
    size_t n = 0;

    if (!c)
        return err_set(e, ERR_NOMEM, "no memory");
    for (const struct json *j = json_child(choices); j; j = json_next(j))
        c[n++] = (struct match_choice){ str_of(json_key(j)),
                                        str_of(json_string(j)) };
    m->choices = c;
    m->n_choices = n;
    return ERR_OK;
}

static bool was_refused(const char *finish)
{
    return finish &&
           (strcmp(finish, "refused") == 0 || strcmp(finish, "filter") == 0);
}

static void take_match(const struct score_in *in, const struct match_out *m,
                       struct store_score *out)
{
    out->score = m->score;
    out->extracted = m->extracted ? m->extracted : "";
    out->rule = m->rule ? m->rule : "";
    out->span_at = (int64_t)m->span_at;
    out->span_len = (int64_t)m->span_len;
    out->near_tie = in->q8 && in->margin < NEAR_TIE_NATS;
    set_verdict(out, m->verdict);
    if (m->verdict == VERDICT_UNPARSABLE && was_refused(in->finish)) {
        set_verdict(out, VERDICT_REFUSED);
        out->rule = "finish";
    }
}

static enum err_code judge_text(const struct judge *j,
                                const struct score_in *in,
                                const struct json *answer,
                                const struct json *choices, struct arena *a,
                                struct store_score *out, struct err *e)
{
    struct match_out found = { .verdict = VERDICT_UNPARSABLE };
    struct match_in m = { .expected = answer,
                          .options = j->options,
                          .response = str_of(in->text) };
    enum err_code rc = read_choices(choices, a, &m, e);

    assert(j->kind);
    if (rc)
        return rc;
    if (!text_check(m.response, NULL)) {
        found.rule = "bad-utf8";
    } else {
        rc = j->kind->run(&m, a, &found, e);
        if (rc == ERR_LIMIT) {
            found = (struct match_out){ .verdict = VERDICT_UNPARSABLE,
                                        .rule = "limit" };
            rc = ERR_OK;
        }
    }
    if (!rc)
        take_match(in, &found, out);
    return rc;
}

/* Completes what prepare() began. */
static enum err_code judge(const struct judge *j, const struct score_in *in,
                           struct arena *a, struct store_score *out,
                           struct err *e)
{
    struct json *answer = NULL, *choices = NULL;
    enum err_code rc = json_parse(&answer, str_of(in->answer), e);

    if (rc)
        rc = err_wrap(e, "answer");
    else if (in->logprobs_json)
        rc = judge_options(j, in, answer, a, out, e);
    else if (in->choices && json_parse(&choices, str_of(in->choices), e))
        rc = err_wrap(e, "choices");
    else
        rc = judge_text(j, in, answer, choices, a, out, e);
    json_free(choices);
    json_free(answer);
    return rc;
}

enum err_code score_judge(const struct score_in *in, struct arena *a,
                          struct store_score *out, struct err *e)
{
    struct judge j = { 0 };
    enum err_code rc = prepare(&j, in, a, out, e);

    if (!rc)
        rc = judge(&j, in, a, out, e);
    judge_free(&j);
    return rc;
}

static enum err_code list_candidates(const struct judge *j,
                                     const struct score_in *in, struct arena *a,
                                     struct match_candidates *out,
                                     struct err *e)
{
    struct json *answer = NULL, *choices = NULL;
    struct match_in m = { .options = j->options, .response = str_of(in->text) };
    enum err_code rc = json_parse(&answer, str_of(in->answer), e);

    m.expected = answer;
    if (!rc && in->choices)
        rc = json_parse(&choices, str_of(in->choices), e);
    if (!rc)
        rc = read_choices(choices, a, &m, e);
    if (!rc)
        rc = j->kind->candidates(&m, a, out, e);
    json_free(choices);
    json_free(answer);
    return rc;
}

enum err_code score_candidates(const struct score_in *in, struct arena *a,
                               struct match_candidates *out, struct err *e)
{
    struct judge j = { 0 };
    enum err_code rc;

    *out = (struct match_candidates){ .n = 0 };
    if (!in->matcher || in->logprobs_json ||
        !text_check(str_of(in->text), NULL))
        return ERR_OK;
    rc = use_matcher(&j, in->matcher, e);
    if (!rc && j.kind->candidates)
        rc = list_candidates(&j, in, a, out, e);
    judge_free(&j);
    return rc == ERR_LIMIT ? ERR_OK : rc;
}

/* ---- From the database ---- */

/* A stored response with its item's side, and the score it has. */
struct job {
    int64_t sample;
    struct score_in in;
    struct store_score old, new;
    bool due; /* to be judged */
};

#define JOB_COLS                                                               \
    "SELECT r.sample, CASE WHEN i.turns IS NULL THEN i.answer ELSE"            \
    " nullif(i.turns -> ('$[' || s.turn || '].answer'), 'null') END,"          \
    " i.choices, coalesce(i.turns -> ('$[' || s.turn || '].matcher'),"         \
    " i.matcher, (SELECT su.matcher FROM suite_item AS si JOIN suite AS su"    \
    " ON su.pk = si.suite WHERE si.item = i.pk"                                \
    " ORDER BY su.current DESC, su.pk DESC LIMIT 1)),"                         \
    " r.text, r.finish, r.logprobs, r.margin, m.fingerprint LIKE '%:q8',"      \
    " c.matcher, c.version, c.settings, c.verdict, c.score, c.extracted,"      \
    " c.rule, c.span_at, c.span_len, c.near_tie"                               \
    " FROM response AS r JOIN sample AS s ON s.pk = r.sample"                  \
    " JOIN item AS i ON i.pk = s.item JOIN model AS m ON m.pk = s.model"       \
    " LEFT JOIN score AS c ON c.sample = r.sample "
enum job_col {
    SAMPLE,
    ANSWER,
    CHOICES,
    MATCHER,
    TEXT,
    FINISH,
    LOGPROBS,
    MARGIN,
    Q8,
    OLD_MATCHER,
    OLD_VERSION,
    OLD_SETTINGS,
    OLD_VERDICT,
    OLD_SCORE,
    OLD_EXTRACTED,
    OLD_RULE,
    OLD_AT,
    OLD_LEN,
    OLD_NEAR
};

struct page {
    struct job *jobs;
    size_t n;
    struct arena *arena;
};

static const char *keep(const struct store_row *r, enum job_col col,
                        struct arena *a)
{
    struct str s = row_str(r, (int)col);

    return row_null(r, (int)col) ? NULL : arena_dup(a, s.p, s.n);
}

static void take_old(const struct store_row *r, struct arena *a,
                     struct store_score *old)
{
    old->verdict = keep(r, OLD_VERDICT, a);
    if (!old->verdict)
        return;
    old->matcher = keep(r, OLD_MATCHER, a);
    old->version = (int)row_int(r, OLD_VERSION);
    old->settings_hash = keep(r, OLD_SETTINGS, a);
    old->score = row_num(r, OLD_SCORE);
    old->extracted = keep(r, OLD_EXTRACTED, a);
    old->rule = keep(r, OLD_RULE, a);
    old->span_at = row_int(r, OLD_AT);
    old->span_len = row_int(r, OLD_LEN);
    old->near_tie = row_int(r, OLD_NEAR) != 0;
}

static enum err_code take_job(void *user, const struct store_row *r,
                              struct err *e)
{
    struct page *p = user;
    struct job *job = &p->jobs[p->n++];
    struct arena *a = p->arena;
    const char *text = keep(r, TEXT, a);

    *job = (struct job){
        .sample = row_int(r, SAMPLE),
        .in = { .answer = keep(r, ANSWER, a),
                .choices = keep(r, CHOICES, a),
                .matcher = keep(r, MATCHER, a),
                .text = text ? text : "",
                .finish = keep(r, FINISH, a),
                .logprobs_json = keep(r, LOGPROBS, a),
                .margin = row_num(r, MARGIN),
                .q8 = row_int(r, Q8) != 0 },
    };
    take_old(r, a, &job->old);
    return a->failed ? err_set(e, ERR_NOMEM, "no memory") : ERR_OK;
}

static enum err_code fail_job(const struct job *job, struct err *e)
{
    return err_wrap(e, "sample %lld", (long long)job->sample);
}

enum err_code score_sample(struct store *s, int64_t sample, struct arena *a,
                           struct store_score *out, struct err *e)
{
    struct job job = { 0 };
    struct page page = { &job, 0, a };

    *out = (struct store_score){ 0 };
    if (store_query(s, JOB_COLS "WHERE r.sample = ?", take_job, &page, e, "i",
                    sample))
        return e->code;
    if (page.n == 0 || !job.in.answer)
        return ERR_OK;
    if (score_judge(&job.in, a, out, e))
        return fail_job(&job, e);
    return store_put_score(s, sample, out, e);
}

/* ---- Scoring again ---- */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_judge(const struct store_score *a, const struct store_score *b)
{
    return a->verdict && same_text(a->matcher, b->matcher) &&
           a->version == b->version &&
           same_text(a->settings_hash, b->settings_hash);
}

static bool same_outcome(const struct store_score *a,
                         const struct store_score *b)
{
    return same_text(a->verdict, b->verdict) &&
           !(a->score < b->score || a->score > b->score);
}

static bool same_row(const struct store_score *a, const struct store_score *b)
{
    return same_judge(a, b) && same_outcome(a, b) &&
           same_text(a->extracted, b->extracted) &&
           same_text(a->rule, b->rule) && a->span_at == b->span_at &&
           a->span_len == b->span_len && a->near_tie == b->near_tie;
}

/* One thread's share of a page; strings of the verdicts lie in its arena. */
struct share {
    struct job *jobs;
    size_t n;
    bool all;
    struct judge judge;
    struct arena arena;
    enum err_code rc;
    struct err err;
};

static enum err_code judge_job(struct share *w, struct job *job)
{
    if (!job->in.answer)
        return ERR_OK;
    if (prepare(&w->judge, &job->in, &w->arena, &job->new, &w->err))
        return fail_job(job, &w->err);
    if (!w->all && same_judge(&job->old, &job->new))
        return ERR_OK;
    job->due = true;
    if (judge(&w->judge, &job->in, &w->arena, &job->new, &w->err))
        return fail_job(job, &w->err);
    return ERR_OK;
}

static void *judge_share(void *arg)
{
    struct share *w = arg;

    w->rc = ERR_OK;
    for (size_t i = 0; i < w->n && !w->rc; i++)
        w->rc = judge_job(w, &w->jobs[i]);
    /* The text it was parsed from goes with the page. */
    judge_free(&w->judge);
    return NULL;
}

static void judge_page(struct share *w, struct page *p)
{
    pthread_t thread[THREADS];
    bool started[THREADS] = { false };
    size_t each = (p->n + THREADS - 1) / THREADS, at = 0;

    for (size_t i = 0; i < THREADS; i++) {
        size_t left = p->n - at;
        arena_reset(&w[i].arena);
        w[i].jobs = p->jobs + at;
        w[i].n = left < each ? left : each;
        at += w[i].n;
        /* The last share is this thread's; so is one without a thread. */
        started[i] = i + 1 < THREADS && w[i].n > 0 &&
                     pthread_create(&thread[i], NULL, judge_share, &w[i]) == 0;
        if (!started[i])
            judge_share(&w[i]);
    }
    for (size_t i = 0; i < THREADS; i++) {
        if (started[i])
            pthread_join(thread[i], NULL);
    }
}

static void count(const struct job *job, struct score_totals *t)
{
    bool was = same_text(job->old.verdict, "correct");
    bool is = same_text(job->new.verdict, "correct");

    t->scored++;
    t->unparsable += same_text(job->new.verdict, "unparsable");
    t->refused += same_text(job->new.verdict, "refused");
    if (!job->old.verdict || same_outcome(&job->old, &job->new))
        return;
    t->changed++;
    t->to_correct += is && !was;
    t->to_wrong += was && !is;
}

static enum err_code write_page(struct store *s, const struct page *p,
                                struct score_totals *t, struct err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct job *job = &p->jobs[i];
        t->current += job->in.answer && !job->due;
        if (!job->due)
            continue;
        count(job, t);
        if (!same_row(&job->old, &job->new) &&
            store_put_score(s, job->sample, &job->new, e))
            return e->code;
    }
    return store_flush(s, e);
}

static enum err_code score_page(struct store *s, struct page *p,
                                struct share *w, int64_t after,
                                struct score_totals *t, struct err *e)
{
    arena_reset(p->arena);
    p->n = 0;
    if (store_query(s, JOB_COLS "WHERE r.sample > ? ORDER BY r.sample LIMIT ?",
                    take_job, p, e, "ii", after, (int64_t)PAGE))
        return e->code;
    judge_page(w, p);
    for (size_t i = 0; i < THREADS; i++) {
        if (w[i].rc) {
            *e = w[i].err;
            return w[i].rc;
        }
    }
    return write_page(s, p, t, e);
}

static enum err_code take_count(void *user, const struct store_row *r,
                                struct err *e)
{
    (void)e;
    *(int64_t *)user = row_int(r, 0);
    return ERR_OK;
}

enum err_code score_all(struct store *s, bool all,
                        void (*progress)(void *, int64_t done, int64_t n),
                        void *user, struct score_totals *t, struct err *e)
{
    struct arena arena;
    struct page page = { mem_array(PAGE, sizeof(struct job)), 0, &arena };
    struct share w[THREADS] = { { .all = all }, { .all = all } };
    int64_t n = 0, done = 0, after = 0;
    enum err_code rc;

    *t = (struct score_totals){ 0 };
    arena_init(&arena, 0);
    for (size_t i = 0; i < THREADS; i++)
        arena_init(&w[i].arena, 0);
    rc = page.jobs ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
    if (!rc)
        rc = store_query(s, "SELECT count(*) FROM response", take_count, &n, e,
                         "");
    while (!rc && (after == 0 || page.n == PAGE)) {
        rc = score_page(s, &page, w, after, t, e);
        after = page.n ? page.jobs[page.n - 1].sample : INT64_MAX;
        done += (int64_t)page.n;
        if (!rc && progress)
            progress(user, done, n);
    }
    if (!rc)
        rc = store_refresh(s, e);
    for (size_t i = 0; i < THREADS; i++)
        arena_free(&w[i].arena);
    arena_free(&arena);
    mem_free(page.jobs);
    return rc;
}

enum err_code score_each(struct store *s, score_row_fn *fn, void *user,
                         struct err *e)
{
    struct arena arena;
    struct page page = { mem_array(PAGE, sizeof(struct job)), 0, &arena };
    enum err_code rc = page.jobs ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
    int64_t after = 0;

    arena_init(&arena, 0);
    do {
        arena_reset(&arena);
        page.n = 0;
        if (!rc)
            rc = store_query(
                s, JOB_COLS "WHERE r.sample > ? ORDER BY r.sample LIMIT ?",
                take_job, &page, e, "ii", after, (int64_t)PAGE);
        for (size_t i = 0; i < page.n && !rc; i++) {
            const struct job *job = &page.jobs[i];
            after = job->sample;
            if (job->in.answer)
                rc = fn(user, job->sample, &job->in, &job->old, e);
        }
    } while (!rc && page.n == PAGE);
    arena_free(&arena);
    mem_free(page.jobs);
    return rc;
}
