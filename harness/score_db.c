/* Stored response -> matcher -> score row.
 *
 * Everything a verdict depends on is read from the database, by one query for a
 * run and for a rescoring alike.  Rescoring walks the responses page by page:
 * a page is read and the query ended before anything is written, so that no
 * reader is open across a commit.  Matchers share nothing, so a page is judged
 * by two threads; only this thread touches the store.
 *
 * Matchers that execute programs take seconds where others take microseconds:
 * their samples are put on a list and judged last, in small pages, so that
 * little is lost when it is interrupted. */
#include <pthread.h>
#include <string.h>

#include "harness/score.h"
#include "harness/score_parts.h"

enum { PAGE = 4096, PAGE_WAITING = 32, THREADS = 2 };

/* ---- From the database ---- */

/* A stored response with its item's side, and the score it has. */
struct job {
    int64_t sample;
    struct score_in in;
    struct store_score old, new;
    bool due;   /* to be judged */
    bool waits; /* its matcher executes: not now */
    bool lacks; /* it could not be judged here */
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

/* ---- One sample ---- */

void score_waiting_free(struct score_waiting *w)
{
    mem_free(w->samples);
    *w = (struct score_waiting){ 0 };
}

static enum err_code add_waiting(struct score_waiting *w, int64_t sample,
                                 struct err *e)
{
    if (!mem_grow(&w->samples, &w->cap, w->n + 1, sizeof *w->samples))
        return err_set(e, ERR_NOMEM, "no memory");
    w->samples[w->n++] = sample;
    return ERR_OK;
}

static enum err_code judge_sample(struct scorer *j, const struct job *job,
                                  struct arena *a, struct score_waiting *w,
                                  struct store_score *out, struct err *e)
{
    enum err_code rc = scorer_prepare(j, &job->in, a, out, e);

    if (rc)
        return rc;
    if (w && j->kind->executes && !job->in.logprobs_json)
        return add_waiting(w, job->sample, e);
    rc = scorer_judge(j, &job->in, a, out, e);
    if (rc != ERR_NOENV || !w)
        return rc;
    /* They are tried and counted with those that wait. */
    out->verdict = NULL;
    return add_waiting(w, job->sample, e);
}

enum err_code score_sample(struct store *s, int64_t sample, struct arena *a,
                           struct score_waiting *waiting,
                           struct store_score *out, struct err *e)
{
    struct job job = { 0 };
    struct page page = { &job, 0, a };
    struct scorer j = { 0 };
    enum err_code rc;

    *out = (struct store_score){ 0 };
    if (store_query(s, JOB_COLS "WHERE r.sample = ?", take_job, &page, e, "i",
                    sample))
        return e->code;
    if (page.n == 0 || !job.in.answer)
        return ERR_OK;
    rc = judge_sample(&j, &job, a, waiting, out, e);
    scorer_free(&j);
    if (rc)
        return fail_job(&job, e);
    return out->verdict ? store_put_score(s, sample, out, e) : ERR_OK;
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
    bool all, execute;
    struct scorer judge;
    struct arena arena;
    enum err_code rc;
    struct err err;
    struct err lacks; /* why a sample could not be judged here */
};

/* Whether it has a verdict of today's matcher, or waits for one. */
static bool is_over(struct share *w, struct job *job)
{
    if (!w->all && same_judge(&job->old, &job->new))
        return true;
    job->waits =
        !w->execute && w->judge.kind->executes && !job->in.logprobs_json;
    return job->waits;
}

static enum err_code judge_job(struct share *w, struct job *job)
{
    enum err_code rc;

    if (!job->in.answer)
        return ERR_OK;
    if (scorer_prepare(&w->judge, &job->in, &w->arena, &job->new, &w->err))
        return fail_job(job, &w->err);
    if (is_over(w, job))
        return ERR_OK;
    rc = scorer_judge(&w->judge, &job->in, &w->arena, &job->new, &w->err);
    job->lacks = rc == ERR_NOENV;
    job->due = !rc;
    if (job->lacks)
        w->lacks = w->err;
    return rc && !job->lacks ? fail_job(job, &w->err) : ERR_OK;
}

static void *judge_share(void *arg)
{
    struct share *w = arg;

    w->rc = ERR_OK;
    for (size_t i = 0; i < w->n && !w->rc; i++)
        w->rc = judge_job(w, &w->jobs[i]);
    /* The text it was parsed from goes with the page. */
    scorer_free(&w->judge);
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
    t->correct += is;
    t->unparsable += same_text(job->new.verdict, "unparsable");
    t->refused += same_text(job->new.verdict, "refused");
    if (!job->old.verdict || same_outcome(&job->old, &job->new))
        return;
    t->changed++;
    t->to_correct += is && !was;
    t->to_wrong += was && !is;
}

/* What score_all() and score_the_waiting() work with. */
struct scoring {
    struct store *store;
    struct arena arena;
    struct page page;
    struct share share[THREADS];
    const struct score_params *params;
    int64_t n; /* responses there are */
    struct score_waiting *waiting;
    struct score_totals *t;
    struct err *e;
};

static enum err_code open_scoring(struct scoring *c, size_t page)
{
    c->page =
        (struct page){ mem_array(page, sizeof(struct job)), 0, &c->arena };
    arena_init(&c->arena, 0);
    for (size_t i = 0; i < THREADS; i++) {
        c->share[i].all = c->params->all;
        arena_init(&c->share[i].arena, 0);
    }
    return c->page.jobs ? ERR_OK : err_set(c->e, ERR_NOMEM, "no memory");
}

static void close_scoring(struct scoring *c)
{
    for (size_t i = 0; i < THREADS; i++)
        arena_free(&c->share[i].arena);
    arena_free(&c->arena);
    mem_free(c->page.jobs);
}

static enum err_code write_job(struct scoring *c, const struct job *job)
{
    const struct score_params *p = c->params;

    if (p->changes && job->old.verdict && !same_outcome(&job->old, &job->new) &&
        store_note_change(c->store, job->sample, &job->old, &job->new, c->e))
        return c->e->code;
    if (p->dry_run || same_row(&job->old, &job->new))
        return ERR_OK;
    return store_put_score(c->store, job->sample, &job->new, c->e);
}

static enum err_code write_page(struct scoring *c)
{
    for (size_t i = 0; i < c->page.n; i++) {
        const struct job *job = &c->page.jobs[i];
        if (job->waits && add_waiting(c->waiting, job->sample, c->e))
            return c->e->code;
        c->t->unscored += job->lacks;
        c->t->current +=
            job->in.answer && !job->due && !job->waits && !job->lacks;
        if (!job->due)
            continue;
        count(job, c->t);
        if (write_job(c, job))
            return c->e->code;
    }
    return store_flush(c->store, c->e);
}

/* Judges the page that has been read, and writes what came of it. */
static enum err_code score_page(struct scoring *c)
{
    judge_page(c->share, &c->page);
    for (size_t i = 0; i < THREADS; i++) {
        if (c->share[i].rc) {
            *c->e = c->share[i].err;
            return c->e->code;
        }
        if (c->share[i].lacks.code)
            c->t->lacks = c->share[i].lacks;
    }
    return write_page(c);
}

static enum err_code take_count(void *user, const struct store_row *r,
                                struct err *e)
{
    (void)e;
    *(int64_t *)user = row_int(r, 0);
    return ERR_OK;
}

/* ---- Those whose matcher executes ---- */

static enum err_code read_waiting(struct scoring *c,
                                  const struct score_waiting *w, size_t at)
{
    struct buf ids;
    struct jw j;
    enum err_code rc;

    buf_init(&ids, 1 << 20);
    jw_init(&j, &ids, false);
    jw_array(&j, NULL);
    for (size_t i = at; i < w->n && i < at + PAGE_WAITING; i++)
        jw_int(&j, NULL, w->samples[i]);
    jw_end(&j);
    arena_reset(&c->arena);
    c->page.n = 0;
    rc = buf_check(&ids, "samples", c->e);
    if (!rc)
        rc = store_query(c->store,
                         JOB_COLS "WHERE r.sample IN "
                                  "(SELECT value FROM json_each(?)) "
                                  "ORDER BY r.sample",
                         take_job, &c->page, c->e, "s", ids.p);
    buf_free(&ids);
    return rc;
}

static enum err_code judge_waiting(struct store *s,
                                   const struct score_waiting *w,
                                   const struct score_params *p,
                                   const volatile sig_atomic_t *interrupts,
                                   struct score_totals *t, struct err *e)
{
    struct scoring c = { .store = s, .params = p, .t = t, .e = e };
    enum err_code rc;

    if (!w->n)
        return ERR_OK;
    rc = open_scoring(&c, PAGE_WAITING);
    for (size_t i = 0; i < THREADS; i++)
        c.share[i].execute = true;
    for (size_t at = 0; at < w->n && !rc; at += PAGE_WAITING) {
        if (interrupts && *interrupts)
            break;
        rc = read_waiting(&c, w, at);
        if (!rc)
            rc = score_page(&c);
    }
    close_scoring(&c);
    return rc;
}

enum err_code score_the_waiting(struct store *s, const struct score_waiting *w,
                                bool all,
                                const volatile sig_atomic_t *interrupts,
                                struct score_totals *t, struct err *e)
{
    const struct score_params p = { .all = all };

    return judge_waiting(s, w, &p, interrupts, t, e);
}

/* ---- All of them ---- */

static enum err_code read_page(struct scoring *c, int64_t after)
{
    arena_reset(&c->arena);
    c->page.n = 0;
    return store_query(c->store,
                       JOB_COLS "WHERE r.sample > ? ORDER BY r.sample LIMIT ?",
                       take_job, &c->page, c->e, "ii", after, (int64_t)PAGE);
}

static enum err_code score_pages(struct scoring *c)
{
    const struct score_params *p = c->params;
    int64_t done = 0, after = 0;
    enum err_code rc = store_query(c->store, "SELECT count(*) FROM response",
                                   take_count, &c->n, c->e, "");

    while (!rc && (after == 0 || c->page.n == PAGE)) {
        rc = read_page(c, after);
        if (!rc)
            rc = score_page(c);
        after = c->page.n ? c->page.jobs[c->page.n - 1].sample : INT64_MAX;
        done += (int64_t)c->page.n;
        if (!rc && p->progress)
            p->progress(p->user, done - (int64_t)c->waiting->n, c->n);
    }
    return rc;
}

enum err_code score_all(struct store *s, const struct score_params *p,
                        struct score_totals *t, struct err *e)
{
    struct score_waiting waiting = { 0 };
    struct scoring c = {
        .store = s, .params = p, .waiting = &waiting, .t = t, .e = e
    };
    enum err_code rc = open_scoring(&c, PAGE);

    *t = (struct score_totals){ 0 };
    if (!rc && p->changes)
        rc = store_begin_changes(s, e);
    if (!rc)
        rc = score_pages(&c);
    close_scoring(&c);
    if (!rc)
        rc = judge_waiting(s, &waiting, p, NULL, t, e);
    if (!rc && !p->dry_run)
        rc = store_refresh(s, e);
    if (!rc && p->progress && waiting.n)
        p->progress(p->user, c.n, c.n);
    score_waiting_free(&waiting);
    return rc;
}

/* ---- For reports ---- */

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
