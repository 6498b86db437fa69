/* Planning and asking a judge.
 *
 * A plan is a list of ids; texts are read when a question is asked, so that a
 * million responses need not be held.  Questions are asked in the order of
 * candidate, suite and item, both orders of a pair one after the other. */
#include "harness/judge.h"

#include <math.h>
#include <string.h>

#include "harness/base/digest.h"
#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/prompt.h"
#include "harness/rows.h"
#include "harness/store/store_judge.h"

#define MAX_JSON ((size_t)64 << 20)

/* --- the judge's row ------------------------------------------------------- */

static enum err_code put_params(const struct judge_params *p, struct buf *json,
                                int64_t *id, struct err *e)
{
    const struct request q = { .kind = REQUEST_CHAT, .sampling = *p->sampling };
    char hash[DIGEST_HEX];

    if (prompt_params_json(&q, json, e))
        return e->code;
    digest_hex(buf_view(json), hash);
    return store_put_params(p->store, hash, json->p, id, e);
}

static enum err_code add_text(void *user, const struct store_row *r,
                              struct err *e)
{
    (void)e;
    buf_text(user, row_str(r, 0));
    return ERR_OK;
}

static enum err_code put_judge(const struct judge_params *p, int64_t *id,
                               struct err *e)
{
    struct store_judge row = { .model = p->model,
                               .kind =
                                   p->rubric->pairwise ? "pairwise" : "graded",
                               .name = p->rubric->name };
    struct buf rubric, params, all;
    char hash[DIGEST_HEX];
    enum err_code rc;

    buf_init(&rubric, MAX_JSON);
    buf_init(&params, MAX_JSON);
    buf_init(&all, MAX_JSON);
    rc = rubric_json(p->rubric, &rubric, e);
    if (!rc)
        rc = put_params(p, &params, &row.params, e);
    if (!rc)
        rc = store_query(p->store, "SELECT fingerprint FROM model WHERE pk = ?",
                         add_text, &all, e, "i", p->model);
    if (!rc) {
        buf_printf(&all, "\n%s\n%s", rubric.p, params.p);
        rc = buf_check(&all, "a rubric", e);
    }
    if (!rc) {
        digest_hex(buf_view(&all), hash);
        row.hash = hash;
        row.rubric_json = rubric.p;
        rc = store_put_judge(p->store, &row, id, e);
    }
    buf_free(&all);
    buf_free(&params);
    buf_free(&rubric);
    return rc;
}

/* --- planning -------------------------------------------------------------- */

static enum err_code take_id(void *user, const struct store_row *r,
                             struct err *e)
{
    (void)e;
    *(int64_t *)user = row_int(r, 0);
    return ERR_OK;
}

/* The model of that id or name; of several the one that was asked last. */
static enum err_code find_model(const struct judge_params *p, const char *name,
                                int64_t *id, struct err *e)
{
    *id = 0;
    if (store_query(p->store,
                    "SELECT pk FROM model AS m WHERE id = ?1 OR name = ?1"
                    " ORDER BY (SELECT max(run) FROM sample WHERE model = m.pk)"
                    " DESC, pk DESC LIMIT 1",
                    take_id, id, e, "s", name))
        return e->code;
    if (*id)
        return ERR_OK;
    return err_set(e, ERR_FORMAT,
                   "no model \"%s\" in the database: mokao report rank names "
                   "those there are",
                   name);
}

static enum err_code check_suites(const struct judge_params *p, struct err *e)
{
    for (size_t i = 0; i < p->n_suites; i++) {
        int64_t found = 0;
        if (store_query(p->store,
                        "SELECT 1 FROM suite AS su JOIN suite_item AS si"
                        " ON si.suite = su.pk WHERE su.current AND"
                        " (su.id GLOB ?1 OR su.id || '/' || si.subset GLOB ?1)"
                        " LIMIT 1",
                        take_id, &found, e, "s", p->suites[i]))
            return e->code;
        if (!found)
            return err_set(e, ERR_FORMAT, "no suite \"%s\" in the database",
                           p->suites[i]);
    }
    return ERR_OK;
}

static enum err_code check_params(const struct judge_params *p, struct err *e)
{
    if (p->rubric->pairwise && !p->baseline)
        return err_set(e, ERR_USAGE,
                       "rubric %s compares: --baseline MODEL is missing",
                       p->rubric->name);
    if (!p->rubric->pairwise && p->baseline)
        return err_set(e, ERR_USAGE,
                       "rubric %s grades alone: --baseline has no use",
                       p->rubric->name);
    return check_suites(p, e);
}

struct planner {
    const struct judge_params *p;
    struct judge_plan *plan;
    size_t n; /* responses of the candidate */
};

enum { SAMPLE, AGAINST, STORED_FIRST, STORED_SECOND };

static enum err_code add_question(struct planner *pl, const struct store_row *r,
                                  bool swapped, struct err *e)
{
    struct judge_plan *plan = pl->plan;

    if (row_int(r, swapped ? STORED_SECOND : STORED_FIRST)) {
        plan->n_stored++;
        return ERR_OK;
    }
    if (!mem_grow(&plan->questions, &plan->cap, plan->n + 1,
                  sizeof *plan->questions))
        return err_set(e, ERR_NOMEM, "no memory for the plan");
    plan->questions[plan->n++] =
        (struct judge_question){ row_int(r, SAMPLE), row_int(r, AGAINST),
                                 swapped };
    return ERR_OK;
}

static enum err_code take_response(void *user, const struct store_row *r,
                                   struct err *e)
{
    struct planner *pl = user;
    bool pairwise = pl->p->rubric->pairwise;

    if (pairwise && row_null(r, AGAINST)) {
        pl->plan->n_unpaired++;
        return ERR_OK;
    }
    if (pl->p->limit && pl->n == pl->p->limit)
        return ERR_OK;
    pl->n++;
    if (add_question(pl, r, false, e))
        return e->code;
    return pairwise ? add_question(pl, r, true, e) : ERR_OK;
}

/* ?1 candidate, ?2 baseline (0: none), ?3 judge, ?4 suites as JSON or NULL. */
#define IS_STORED(swapped)                                                     \
    "EXISTS (SELECT 1 FROM judgement AS j WHERE j.judge = ?3 AND"              \
    " j.sample = c.pk AND ifnull(j.against, 0) = ifnull(b.pk, 0) AND"          \
    " j.swapped = " swapped ")"
static const char responses[] =
    "SELECT c.pk, b.pk, " IS_STORED("0") ", " IS_STORED(
        "1") " FROM sample AS c JOIN response AS r ON r.sample = c.pk"
             " JOIN item AS i ON i.pk = c.item"
             " LEFT JOIN sample AS b ON b.model = ?2 AND b.item = c.item AND"
             " b.trial = c.trial AND b.turn = c.turn AND b.current AND"
             " EXISTS (SELECT 1 FROM response AS o WHERE o.sample = b.pk"
             " AND o.text IS NOT NULL)"
             " WHERE c.model = ?1 AND c.current AND r.text IS NOT NULL"
             " AND c.turn = i.n_turns - 1 AND EXISTS (SELECT 1"
             " FROM suite_item AS si JOIN suite AS su ON su.pk = si.suite"
             " WHERE si.item = c.item AND su.current AND (?4 IS NULL OR EXISTS"
             " (SELECT 1 FROM json_each(?4) AS j WHERE su.id GLOB j.value OR"
             " su.id || '/' || si.subset GLOB j.value)))"
             " ORDER BY c.item, c.trial, c.pk";

static enum err_code list_json(const char *const *v, size_t n, struct buf *out,
                               struct err *e)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_array(&w, NULL);
    for (size_t i = 0; i < n; i++)
        jw_str(&w, NULL, v[i]);
    jw_end(&w);
    return buf_check(out, "the suites", e);
}

static enum err_code plan_candidate(struct judge_plan *plan,
                                    const struct judge_params *p,
                                    const char *name, int64_t baseline,
                                    const char *suites, struct err *e)
{
    struct planner pl = { p, plan, 0 };
    int64_t candidate;

    if (find_model(p, name, &candidate, e))
        return e->code;
    if (candidate == baseline)
        return err_set(e, ERR_USAGE, "%s: candidate and baseline are the same",
                       name);
    return store_query(p->store, responses, take_response, &pl, e, "iiis",
                       candidate, baseline, plan->judge, suites);
}

enum err_code judge_plan_make(struct judge_plan *plan,
                              const struct judge_params *p, struct err *e)
{
    int64_t baseline = 0;
    struct buf suites;
    enum err_code rc;

    *plan = (struct judge_plan){ 0 };
    buf_init(&suites, MAX_JSON);
    rc = check_params(p, e);
    if (!rc && p->baseline)
        rc = find_model(p, p->baseline, &baseline, e);
    if (!rc)
        rc = put_judge(p, &plan->judge, e);
    if (!rc)
        rc = list_json(p->suites, p->n_suites, &suites, e);
    for (size_t i = 0; i < p->n_candidates && !rc; i++)
        rc = plan_candidate(plan, p, p->candidates[i], baseline,
                            p->n_suites ? suites.p : NULL, e);
    buf_free(&suites);
    return rc;
}

void judge_plan_free(struct judge_plan *plan)
{
    mem_free(plan->questions);
    *plan = (struct judge_plan){ 0 };
}

/* --- asking ---------------------------------------------------------------- */

#define NO_SLOT ((size_t)-1)

struct slot {
    struct request request; /* id is the slot's number */
    const struct judge_question *question;
    int64_t prompt;
    struct arena arena;
    size_t next; /* in the free list */
};

struct asking {
    const struct judge_plan *plan;
    const struct judge_params *p;
    struct judge_progress *progress;
    struct slot **slots;
    size_t n_slots, cap, free;
    size_t next_question;
    struct slot *held; /* waits for the budget */
    int64_t started_ns;
    enum err_code rc; /* the first failure that ends it */
    struct err *e;
};

static void fail(struct asking *x, enum err_code rc)
{
    if (!x->rc)
        x->rc = rc;
}

static struct slot *take_slot(struct asking *x)
{
    struct slot *s;

    if (x->free != NO_SLOT) {
        s = x->slots[x->free];
        x->free = s->next;
        arena_reset(&s->arena);
        return s;
    }
    if (!mem_grow(&x->slots, &x->cap, x->n_slots + 1, sizeof(struct slot *)) ||
        !(s = mem_zalloc(sizeof *s)))
        return NULL;
    arena_init(&s->arena, 0);
    s->request.id = x->n_slots;
    x->slots[x->n_slots++] = s;
    return s;
}

static void release_slot(struct asking *x, struct slot *s)
{
    s->next = x->free;
    x->free = s->request.id;
}

static enum err_code prepare(struct asking *x, struct slot *s)
{
    size_t id = s->request.id;
    enum err_code rc =
        judge_request(x->p, s->question, &s->arena, &s->request, x->e);

    s->request.id = id;
    return rc ? rc
              : rows_put_prompt(x->p->store, &s->request, &s->prompt, x->e);
}

static struct slot *next_slot(struct asking *x)
{
    struct slot *s = x->held;

    x->held = NULL;
    if (s || x->rc || x->next_question == x->plan->n)
        return s;
    s = take_slot(x);
    if (!s) {
        fail(x, err_set(x->e, ERR_NOMEM, "no memory for a question"));
        return NULL;
    }
    s->question = &x->plan->questions[x->next_question++];
    if (!prepare(x, s))
        return s;
    fail(x, x->e->code);
    return NULL;
}

/* What the budget does not admit now is asked for again when answers have freed
 * what they had reserved. */
static const struct request *next(void *user)
{
    struct asking *x = user;
    struct slot *s = next_slot(x);
    bool fits = true;

    if (!s)
        return NULL;
    if (x->p->meter && meter_admit(x->p->meter, &s->request, &fits, x->e))
        fail(x, x->e->code);
    if (fits && !x->rc)
        return &s->request;
    x->held = s;
    return NULL;
}

static struct store_case case_of(const struct asking *x, const struct slot *s)
{
    return (struct store_case){ .run = x->p->run,
                                .judge = x->plan->judge,
                                .sample = s->question->sample,
                                .against = s->question->against,
                                .swapped = s->question->swapped,
                                .prompt = s->prompt };
}

/* What the judge says of the answers in the order shown, as a verdict for the
 * candidate. */
static const char *verdict_for(enum judge_says says, bool swapped)
{
    switch (says) {
    case JUDGE_FIRST:
        return swapped ? "loss" : "win";
    case JUDGE_SECOND:
        return swapped ? "win" : "loss";
    case JUDGE_TIE:
        return "tie";
    case JUDGE_NONE:
    case JUDGE_GRADE:
        break;
    }
    return NULL;
}

static enum err_code store_answer(struct asking *x, const struct slot *s,
                                  const struct response *res)
{
    const struct store_case k = case_of(x, s);
    const char *text = res->text ? res->text : "";
    struct judge_verdict v = judge_read(x->p->rubric, text, res->finish);
    struct store_response row = {
        .text = text,
        .reasoning = res->reasoning,
        .finish = finish_name(res->finish),
        .prompt_tokens = res->prompt_tokens,
        .cached_tokens = res->cached_tokens,
        .output_tokens = res->output_tokens,
        .started_ms = res->started_ms,
        .latency_ns = res->latency_ns,
        .attempts = res->attempts,
        .price = x->p->meter ? x->p->meter->price : 0,
    };
    struct store_judgement j = { &row,
                                 verdict_for(v.says, s->question->swapped),
                                 v.grade, JUDGE_PARSER };

    x->progress->answered++;
    x->progress->read += v.says != JUDGE_NONE;
    return store_add_judgement(x->p->store, &k, &j, x->e);
}

static int64_t told(int64_t tokens)
{
    return tokens > 0 ? tokens : 0;
}

static enum err_code store_failure(struct asking *x, const struct slot *s,
                                   const struct response *res)
{
    const struct store_case k = case_of(x, s);
    struct store_error row = {
        .code = err_name(res->code),
        .message = res->message,
        .vendor_code = res->vendor_code,
        .http_status = res->http_status,
        .attempts = res->attempts,
        .at_ms = io_wall_ms(),
        .prompt_tokens = told(res->prompt_tokens),
        .cached_tokens = told(res->cached_tokens),
        .output_tokens = told(res->output_tokens),
        .price = x->p->meter ? x->p->meter->price : 0,
    };

    x->progress->failed++;
    return store_add_judge_error(x->p->store, &k, &row, x->e);
}

static void report_progress(struct asking *x)
{
    x->progress->elapsed_ms = (io_now_ns() - x->started_ns) / 1000000;
    if (x->p->progress)
        x->p->progress(x->p->user, x->progress);
}

static void deliver(void *user, const struct request *q,
                    const struct response *res)
{
    struct asking *x = user;
    struct slot *s = x->slots[q->id];
    enum err_code rc = ERR_OK;

    if (x->rc)
        return;
    if (x->p->meter)
        meter_settle(x->p->meter, q, res);
    if (x->p->observe)
        rc = x->p->observe(x->p->user, q, res, x->e);
    if (!rc)
        rc = res->code ? store_failure(x, s, res) : store_answer(x, s, res);
    if (!rc)
        rc = store_tick(x->p->store, x->e);
    x->progress->done++;
    release_slot(x, s);
    if (rc)
        fail(x, rc);
    else
        report_progress(x);
}

static int stop(void *user)
{
    struct asking *x = user;
    int seen = x->p->interrupts ? (int)*x->p->interrupts : 0;

    if (!x->rc && store_tick(x->p->store, x->e))
        fail(x, x->e->code);
    if (x->rc)
        return 2;
    return seen > 2 ? 2 : seen;
}

static void free_slots(struct asking *x)
{
    for (size_t i = 0; i < x->n_slots; i++) {
        arena_free(&x->slots[i]->arena);
        mem_free(x->slots[i]);
    }
    mem_free(x->slots);
}

/* What a call ends with when nothing went wrong with the runner. */
static enum err_code tell_rest(const struct asking *x, struct err *e)
{
    const struct judge_progress *p = x->progress;

    if (x->held)
        return err_set(e, ERR_BUDGET,
                       "the budget is spent: %zu of %zu questions are not "
                       "asked; the same command with a larger --budget goes on",
                       p->total - p->done, p->total);
    if (p->failed)
        return err_set(e, ERR_PARTIAL, "%zu of %zu questions have no answer",
                       p->failed, p->total);
    return ERR_OK;
}

enum err_code judge_run(const struct judge_plan *plan,
                        const struct judge_params *p,
                        struct judge_progress *progress, struct err *e)
{
    struct err mine = { .code = ERR_OK }, flush;
    struct asking x = { .plan = plan,
                        .p = p,
                        .progress = progress,
                        .free = NO_SLOT,
                        .started_ns = io_now_ns(),
                        .e = &mine };
    const struct exchange exchange = { next, deliver, stop, &x };
    enum err_code rc;

    *progress = (struct judge_progress){ .total = plan->n };
    rc = runner_run(p->runner, &exchange, e);
    /* the first failure is the cause; what the runner says then follows */
    if (x.rc) {
        *e = mine;
        rc = x.rc;
    }
    if (store_flush(p->store, &flush) && !rc) {
        *e = flush;
        rc = flush.code;
    }
    report_progress(&x);
    if (!rc)
        rc = tell_rest(&x, e);
    free_slots(&x);
    return rc;
}
