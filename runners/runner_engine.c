/* The in-tree engine as a runner: GGUF models.
 *
 * Requests are pulled a window at a time, tokenised, and given to
 * mk_jobs_run(), which computes each common prefix once.  The window is what
 * bounds memory; results come back as each job ends.  A request that cannot be
 * run (too long for the context) fails alone, with its token count. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "harness/base/buf.h"
#include "harness/base/io.h"
#include "runners/runner.h"

enum {
    WINDOW = 256,
    DEFAULT_POSITIONS = 16384,
    DEFAULT_MAX_TOKENS = 512,
    DEFAULT_PARALLEL = 16
};

struct engine_runner {
    struct runner base;
    struct mk_model *model;
    struct mk_ctx *ctx;
    const char *path;
    size_t positions, parallel;
    bool f32;
    struct arena arena; /* of path */
};

/* What is under way: job i answers request i. */
struct window {
    struct engine_runner *runner;
    const struct exchange *x;
    const struct request *requests[WINDOW];
    struct mk_job jobs[WINDOW];
    size_t n;
    int64_t started_ms;
    struct arena arena; /* token ids; reset between windows */
};

/* --- model ----------------------------------------------------------------- */

static enum err_code from_status(int status)
{
    switch ((enum mk_status)status) {
    case MK_OK:
        return ERR_OK;
    case MK_EFORMAT:
        return ERR_FORMAT;
    case MK_ELIMIT:
        return ERR_LIMIT;
    case MK_ENOMEM:
        return ERR_NOMEM;
    case MK_EIO:
        return ERR_IO;
    case MK_ENOENV:
        return ERR_NOENV;
    case MK_EUSAGE:
        return ERR_USAGE;
    case MK_ECANCELLED:
        return ERR_CANCELLED;
    }
    return ERR_IO;
}

static void engine_close(struct runner *base)
{
    struct engine_runner *r = (struct engine_runner *)base;

    mk_ctx_close(r->ctx);
    mk_model_close(r->model);
    arena_free(&r->arena);
    mem_free(r);
}

static size_t positions_for(const struct engine_runner *r, size_t asked)
{
    size_t trained = (size_t)mk_model_info(r->model)->n_ctx_train;

    if (asked)
        return asked;
    /* Room for several of the longest prompts a suite is likely to hold. */
    return trained > DEFAULT_POSITIONS ? DEFAULT_POSITIONS
                                       : trained + DEFAULT_POSITIONS / 2;
}

static enum err_code open_context(struct engine_runner *r,
                                  const struct runner_params *p, char *err)
{
    struct mk_ctx_params params = { .n_threads = p->threads };
    int status;

    r->positions = params.n_positions = positions_for(r, p->context);
    r->parallel = p->concurrency ? p->concurrency : DEFAULT_PARALLEL;
    status = mk_ctx_open(&r->ctx, r->model, &params, err);
    return from_status(status);
}

static enum err_code engine_open(struct runner **out,
                                 const struct model_spec *m,
                                 const struct runner_params *p, struct err *e)
{
    struct mk_model_params params = {
        .activations = p->f32 ? MK_ACT_F32 : MK_ACT_Q8,
        .device = p->device,
        .n_threads = p->threads,
    };
    struct engine_runner *r = mem_zalloc(sizeof *r);
    char err[MK_ERR_LEN] = "";
    enum err_code rc;

    if (!r)
        return err_set(e, ERR_NOMEM, "no memory for a runner");
    r->base.kind = &runner_engine;
    r->f32 = p->f32;
    arena_init(&r->arena, 0);
    r->path = arena_strdup(&r->arena, m->path);
    rc = from_status(mk_model_open(&r->model, m->path, &params, err));
    if (!rc)
        rc = open_context(r, p, err);
    if (rc) {
        engine_close(&r->base);
        return err_set(e, rc, "%s", err);
    }
    *out = &r->base;
    return ERR_OK;
}

static enum err_code engine_fingerprint(struct runner *base, struct arena *a,
                                        const char **out, struct err *e)
{
    struct engine_runner *r = (struct engine_runner *)base;
    char hex[DIGEST_HEX];

    if (digest_file(r->path, hex, e))
        return e->code;
    *out = arena_printf(a, "gguf:%s:%s", hex, r->f32 ? "f32" : "q8");
    return *out ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

static bool engine_can_score(const struct runner *base, bool chat)
{
    (void)base;
    (void)chat;
    return true;
}

/* --- request -> job -------------------------------------------------------- */

struct ids {
    int32_t *p;
    size_t n;
};

static enum err_code tokenize(struct window *w, struct str text, unsigned flags,
                              struct ids *out, struct err *e)
{
    size_t cap = text.n + 16; /* never more tokens than bytes, and BOS, EOS */
    char err[MK_ERR_LEN] = "";
    int status;

    out->p = arena_array(&w->arena, cap, sizeof *out->p);
    if (!out->p)
        return err_set(e, ERR_NOMEM, "no memory for a prompt");
    status = mk_tokenize(w->runner->model, text.p, text.n, flags, out->p, cap,
                         &out->n, err);
    return status ? err_set(e, from_status(status), "%s", err) : ERR_OK;
}

static enum err_code chat_ids(struct window *w, const struct request *q,
                              struct ids *out, struct err *e)
{
    struct mk_message *msgs =
        arena_array(&w->arena, q->n_messages, sizeof *msgs);
    size_t cap = 1024;
    char err[MK_ERR_LEN] = "";
    int status;

    for (size_t i = 0; msgs && i < q->n_messages; i++) {
        msgs[i].role = q->messages[i].role;
        msgs[i].content = q->messages[i].content;
        cap += 64 + strlen(msgs[i].content);
    }
    out->p = arena_array(&w->arena, cap, sizeof *out->p);
    if (!msgs || !out->p)
        return err_set(e, ERR_NOMEM, "no memory for a prompt");
    status = mk_chat_ids(w->runner->model, q->template, msgs, q->n_messages,
                         true, out->p, cap, &out->n, err);
    if (!status && out->n > cap)
        return err_set(e, ERR_LIMIT, "a chat of %zu tokens", out->n);
    return status ? err_set(e, from_status(status), "%s", err) : ERR_OK;
}

static enum err_code prompt_ids(struct window *w, const struct request *q,
                                struct ids *out, struct err *e)
{
    if (q->n_messages)
        return chat_ids(w, q, out, e);
    return tokenize(w, str_of(q->prompt), MK_ADD_SPECIAL, out, e);
}

/* After a plain prompt the option is tokenised with it: the tokens at the seam
 * depend on both sides.  After a chat's header it stands by itself. */
static enum err_code option_ids(struct window *w, const struct request *q,
                                const struct ids *prompt, const char *option,
                                struct ids *out, struct err *e)
{
    struct ids tail = { NULL, 0 };
    const char *whole;
    enum err_code rc;

    if (!q->n_messages) {
        whole = arena_printf(&w->arena, "%s%s", q->prompt, option);
        return tokenize(w, str_of(whole), MK_ADD_SPECIAL, out, e);
    }
    rc = tokenize(w, str_of(option), 0, &tail, e);
    if (rc)
        return rc;
    out->n = prompt->n + tail.n;
    out->p = arena_array(&w->arena, out->n, sizeof *out->p);
    if (!out->p)
        return err_set(e, ERR_NOMEM, "no memory for a prompt");
    memcpy(out->p, prompt->p, prompt->n * sizeof *out->p);
    memcpy(out->p + prompt->n, tail.p, tail.n * sizeof *out->p);
    return ERR_OK;
}

static size_t common_prefix(const struct ids *a, const struct ids *b)
{
    size_t n = a->n < b->n ? a->n : b->n, i = 0;

    while (i < n && a->p[i] == b->p[i])
        i++;
    return i;
}

static enum err_code score_job(struct window *w, const struct request *q,
                               const struct ids *prompt, struct mk_job *job,
                               struct err *e)
{
    struct mk_option *o = arena_array(&w->arena, q->n_options, sizeof *o);
    struct ids ids = { NULL, 0 };

    if (!o)
        return err_set(e, ERR_NOMEM, "no memory for the options");
    for (size_t i = 0; i < q->n_options; i++) {
        if (option_ids(w, q, prompt, q->options[i], &ids, e))
            return e->code;
        o[i].tokens = ids.p;
        o[i].n = ids.n;
        o[i].n_prompt = common_prefix(prompt, &ids);
        if (o[i].n_prompt == 0 || o[i].n_prompt == ids.n)
            return err_set(e, ERR_FORMAT,
                           "option \"%s\": nothing left to score after the "
                           "prompt",
                           q->options[i]);
    }
    job->options = o;
    job->n_options = q->n_options;
    return ERR_OK;
}

static void generate_job(const struct request *q, const struct ids *prompt,
                         struct mk_job *job)
{
    const struct sampling *s = &q->sampling;

    job->prompt = prompt->p;
    job->n_prompt = prompt->n;
    job->max_tokens =
        s->max_tokens > 0 ? (size_t)s->max_tokens : DEFAULT_MAX_TOKENS;
    job->stop = s->stop;
    job->n_stop = s->n_stop;
    job->sampling.temperature =
        isnan(s->temperature) ? 0.0F : (float)s->temperature;
    job->sampling.top_p = isnan(s->top_p) ? 1.0F : (float)s->top_p;
    job->sampling.top_k = s->top_k > 0 ? (int32_t)s->top_k : 0;
    job->sampling.seed = s->seed > 0 ? (uint64_t)s->seed : 0;
}

static enum err_code make_job(struct window *w, const struct request *q,
                              struct mk_job *job, struct err *e)
{
    struct ids prompt = { NULL, 0 };

    *job = (struct mk_job){ 0 };
    if (prompt_ids(w, q, &prompt, e))
        return e->code;
    if (prompt.n == 0)
        return err_set(e, ERR_FORMAT, "the prompt is empty");
    if (q->kind == REQUEST_SCORE)
        return score_job(w, q, &prompt, job, e);
    generate_job(q, &prompt, job);
    return ERR_OK;
}

/* --- result -> response ---------------------------------------------------- */

static void deliver_error(struct window *w, const struct request *q,
                          enum err_code code, const char *message)
{
    struct response res = {
        .code = code,
        .message = message,
        .attempts = 1,
        .margin = NAN,
        .prompt_tokens = -1,
        .cached_tokens = -1,
        .output_tokens = -1,
        .started_ms = w->started_ms,
        .latency_ns = -1,
        .first_token_ns = -1,
    };
    w->x->deliver(w->x->user, q, &res);
}

static enum finish finish_of(enum mk_finish f)
{
    switch (f) {
    case MK_FINISH_STOP:
        return FINISH_STOP;
    case MK_FINISH_LENGTH:
        return FINISH_LENGTH;
    case MK_FINISH_CONTEXT:
        return FINISH_CONTEXT;
    case MK_FINISH_SCORED:
        return FINISH_SCORED;
    case MK_FINISH_ERROR:
        break;
    }
    return FINISH_OTHER;
}

static bool add_scores(struct window *w, const struct request *q,
                       const struct mk_result *r, struct response *res)
{
    double *logprobs = arena_array(&w->arena, q->n_options, sizeof *logprobs);
    int64_t *tokens = arena_array(&w->arena, q->n_options, sizeof *tokens);

    if (!logprobs || !tokens)
        return false;
    for (size_t i = 0; i < q->n_options; i++) {
        logprobs[i] = r->options[i].logprob;
        tokens[i] = (int64_t)r->options[i].n_tokens;
    }
    res->logprobs = logprobs;
    res->option_tokens = tokens;
    return true;
}

static bool on_result(void *user, size_t i, const struct mk_result *r)
{
    struct window *w = user;
    const struct request *q = w->requests[i];
    struct response res = {
        .code = ERR_OK,
        .attempts = 1,
        .finish = finish_of(r->finish),
        .margin = r->margin,
        .prompt_tokens = (int64_t)r->n_prompt,
        .cached_tokens = (int64_t)r->n_cached,
        .output_tokens = (int64_t)r->n_tokens,
        .started_ms = w->started_ms,
        .latency_ns = r->prefill_ns + r->decode_ns,
        .first_token_ns = r->prefill_ns,
    };

    w->requests[i] = NULL;
    if (r->finish == MK_FINISH_ERROR) {
        deliver_error(w, q, from_status(r->status), r->error);
        return true;
    }
    if (q->kind != REQUEST_SCORE) {
        res.text = r->text;
    } else if (!add_scores(w, q, r, &res)) {
        deliver_error(w, q, ERR_NOMEM, "no memory for the scores");
        return true;
    }
    w->x->deliver(w->x->user, q, &res);
    return true;
}

/* --- the loop -------------------------------------------------------------- */

static int on_stop(void *user)
{
    struct window *w = user;
    return w->x->stop(w->x->user);
}

/* Pulls requests until the window is full or there are none at present. */
static void fill(struct window *w)
{
    struct err e;

    w->n = 0;
    arena_reset(&w->arena);
    w->started_ms = io_wall_ms();
    while (w->n < WINDOW && !on_stop(w)) {
        const struct request *q = w->x->next(w->x->user);
        if (!q)
            return;
        if (make_job(w, q, &w->jobs[w->n], &e))
            deliver_error(w, q, e.code, e.msg);
        else
            w->requests[w->n++] = q;
    }
}

static enum err_code run_window(struct window *w, struct err *e)
{
    struct mk_jobs jobs = {
        .jobs = w->jobs,
        .n = w->n,
        .on_result = on_result,
        .stop = on_stop,
        .user = w,
        .n_parallel = w->runner->parallel,
    };
    char err[MK_ERR_LEN] = "";
    int status = mk_jobs_run(w->runner->ctx, &jobs, err);

    return status ? err_set(e, from_status(status), "%s", err) : ERR_OK;
}

static enum err_code engine_run(struct runner *base, const struct exchange *x,
                                struct err *e)
{
    struct window *w = mem_zalloc(sizeof *w);
    enum err_code rc = ERR_OK;

    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for a window");
    w->runner = (struct engine_runner *)base;
    w->x = x;
    arena_init(&w->arena, 0);
    for (fill(w); !rc && w->n; fill(w))
        rc = run_window(w, e);
    if (!rc && on_stop(w))
        rc = err_set(e, ERR_CANCELLED, "interrupted");
    arena_free(&w->arena);
    mem_free(w);
    return rc;
}

/* As the engine counts: what is computed for the options, and what they all
 * share once.  An option's last token is not computed. */
static size_t option_tokens(const struct mk_job *job)
{
    const struct mk_option *first = &job->options[0];
    size_t shared = first->n - 1, sum = 0;

    for (size_t i = 0; i < job->n_options; i++) {
        const struct mk_option *o = &job->options[i];
        size_t k = 0;
        while (k < shared && k < o->n - 1 && o->tokens[k] == first->tokens[k])
            k++;
        shared = k;
        sum += o->n - 1;
    }
    return sum - shared * (job->n_options - 1);
}

static enum err_code engine_count(struct runner *base, const struct request *q,
                                  int64_t *tokens, struct err *e)
{
    struct window *w = mem_zalloc(sizeof *w);
    struct mk_job job;
    enum err_code rc;

    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for a window");
    w->runner = (struct engine_runner *)base;
    arena_init(&w->arena, 0);
    rc = make_job(w, q, &job, e);
    if (!rc)
        *tokens = (int64_t)(job.n_options ? option_tokens(&job) : job.n_prompt);
    arena_free(&w->arena);
    mem_free(w);
    return rc;
}

const struct runner_kind runner_engine = {
    .name = "gguf",
    .doc = "a GGUF file in the in-tree engine: gguf:PATH",
    .open = engine_open,
    .close = engine_close,
    .run = engine_run,
    .fingerprint = engine_fingerprint,
    .can_score = engine_can_score,
    .count = engine_count,
};
