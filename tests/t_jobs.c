/* Jobs against the same prompts computed one by one, bit for bit, whatever the
 * batch, the order, the number in parallel and the room in the KV cache. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/row.h"
#include "harness/base/mem.h"
#include "tests/t.h"

#define VOCAB 512 /* of the first model */
#define MOST_VOCAB 768
#define MOST_JOBS 30
#define MOST_TOKENS 96
#define MOST_NEW 40

static struct mk_model *model;
static size_t n_vocab;
static char err[MK_ERR_LEN];

/* The usual case; tokens depend on the prompt's length; on all of the prompt,
 * which must end in two tokens. */
static const struct kind {
    const char *path;
    bool whole;
    int32_t end[2];
} kinds[] = {
    { "tests/golden/tiny/qwen2.gguf", false, { 0, 0 } },
    { "tests/golden/tiny/qwen1-ntk.gguf", true, { 0, 0 } },
    { "tests/golden/tiny/chatglm1.gguf", true, { 4, 6 } },
};
#define N_KINDS (sizeof kinds / sizeof *kinds)
static const struct kind *kind;

static void close_model(void)
{
    mk_model_close(model);
    model = NULL;
}

static void use_model(size_t i)
{
    static const struct mk_model_params p = { .n_threads = 1, .device = "cpu" };

    close_model();
    kind = &kinds[i];
    ck_assert_msg(mk_model_open(&model, kind->path, &p, err) == MK_OK, "%s",
                  err);
    n_vocab = (size_t)mk_model_info(model)->n_vocab;
    ck_assert_uint_le(n_vocab, MOST_VOCAB);
    ck_assert_int_eq(mk_model_info(model)->whole_prompt, kind->whole);
}

static void open_model(void)
{
    use_model(0);
    ck_assert_uint_eq(n_vocab, VOCAB);
}

static struct mk_ctx *open_ctx(size_t n_positions, size_t n_batch, int threads)
{
    struct mk_ctx_params p = { threads, n_positions, n_batch };
    struct mk_ctx *c;

    ck_assert_msg(mk_ctx_open(&c, model, &p, err) == MK_OK, "%s", err);
    return c;
}

/* --- jobs made by a seed --------------------------------------------------- */

/* What a job gave: kept when the result is gone. */
struct outcome {
    int count; /* how often on_result() was called for it */
    enum mk_finish finish;
    int status;
    char error[MK_ERR_LEN];
    char text[1024], pieces[1024];
    size_t text_len, pieces_len;
    int32_t tokens[MOST_NEW];
    size_t n_tokens, n_prompt, n_cached;
    double logprob, margin;
    struct mk_option_score scores[4];
};

struct set {
    struct mk_job job[MOST_JOBS];
    struct mk_option option[MOST_JOBS][4];
    int32_t tokens[MOST_JOBS][4][MOST_TOKENS];
    struct outcome out[MOST_JOBS];
    size_t n;
};

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Tokens that share their beginning with an earlier row more often than not. */
static size_t random_tokens(uint32_t *seed, struct set *s, size_t job,
                            int32_t *t)
{
    size_t n = 1 + next(seed) % 70, same = 0;

    if (job > 0 && next(seed) % 4 > 0) {
        const int32_t *old = s->tokens[next(seed) % job][0];
        same = next(seed) % (n + 1);
        for (size_t i = 0; i < same; i++)
            if (old[i] < 10)
                same = i; /* an end, or nothing */
        memcpy(t, old, same * sizeof *t);
    }
    for (size_t i = same; i < n; i++)
        t[i] = (int32_t)(10 + next(seed) % 400);
    for (size_t i = 0; i < 2 && kind->end[1]; i++)
        t[n++] = kind->end[i];
    return n;
}

static bool note_text(void *user, const char *text, size_t len)
{
    struct outcome *o = user;

    ck_assert(text_check((struct str){ text, len }, NULL));
    ck_assert_uint_lt(o->pieces_len + len, sizeof o->pieces);
    memcpy(o->pieces + o->pieces_len, text, len); /* may hold NUL */
    o->pieces_len += len;
    return true;
}

static void make_score(uint32_t *seed, struct set *s, size_t i, size_t n)
{
    struct mk_job *j = &s->job[i];
    bool single = next(seed) % 2;

    j->n_options = 1 + next(seed) % 4;
    j->options = s->option[i];
    for (size_t k = 0; k < j->n_options; k++) {
        int32_t *t = s->tokens[i][k];
        size_t more = single ? 1 : next(seed) % 6;

        if (k > 0)
            memcpy(t, s->tokens[i][0], n * sizeof *t);
        for (size_t m = 0; m < more; m++)
            t[n + m] = (int32_t)(10 + next(seed) % 30);
        s->option[i][k] = (struct mk_option){ t, n + more, n };
    }
}

static void make_jobs(struct set *s, size_t n, uint32_t seed)
{
    memset(s, 0, sizeof *s);
    s->n = n;
    for (size_t i = 0; i < n; i++) {
        struct mk_job *j = &s->job[i];
        size_t len = random_tokens(&seed, s, i, s->tokens[i][0]);

        if (next(&seed) % 2) {
            make_score(&seed, s, i, len);
            continue;
        }
        j->prompt = s->tokens[i][0];
        j->n_prompt = len;
        j->max_tokens = 1 + next(&seed) % 20;
        j->sampling.top_p = 0.9f;
        j->sampling.temperature = next(&seed) % 2 ? 0.8f : 0;
        j->sampling.seed = next(&seed);
        j->on_text = note_text;
        j->user = &s->out[i];
    }
}

/* --- running -------------------------------------------------------------- */

static bool note_result(void *user, size_t job, const struct mk_result *r)
{
    struct set *s = user;
    struct outcome *o = &s->out[job];

    ck_assert_uint_lt(job, s->n);
    o->count++;
    o->finish = r->finish;
    o->status = r->status;
    memcpy(o->error, r->error, sizeof o->error);
    ck_assert_uint_lt(r->text_len, sizeof o->text);
    memcpy(o->text, r->text, r->text_len + 1);
    o->text_len = r->text_len;
    ck_assert_uint_le(r->n_tokens, MOST_NEW);
    if (r->n_tokens)
        memcpy(o->tokens, r->tokens, r->n_tokens * sizeof *r->tokens);
    o->n_tokens = r->n_tokens;
    o->n_prompt = r->n_prompt;
    o->n_cached = r->n_cached;
    o->logprob = r->logprob;
    o->margin = r->margin;
    ck_assert_int_ge(r->prefill_ns, 0);
    if (r->options)
        memcpy(o->scores, r->options,
               s->job[job].n_options * sizeof *r->options);
    return true;
}

static int run_jobs(struct mk_ctx *c, struct set *s, size_t n_parallel)
{
    struct mk_jobs jobs = { .jobs = s->job,
                            .n = s->n,
                            .on_result = note_result,
                            .user = s,
                            .n_parallel = n_parallel };
    size_t before = mk_free_positions(c);
    int rc = mk_jobs_run(c, &jobs, err);

    ck_assert_uint_eq(mk_free_positions(c), before);
    return rc;
}

static void expect_ok(int status)
{
    ck_assert_msg(status == MK_OK, "%s", err);
}

/* Equal bit for bit. */
static bool same(double a, double b)
{
    uint64_t x, y;

    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

static bool same_scores(const struct mk_option_score *a,
                        const struct mk_option_score *b, size_t n)
{
    bool ok = true;

    for (size_t i = 0; i < n; i++)
        ok &= same(a[i].logprob, b[i].logprob) &&
              a[i].n_tokens == b[i].n_tokens && a[i].greedy == b[i].greedy;
    return ok;
}

/* --- the same one by one -------------------------------------------------- */

static void score_alone(struct mk_ctx *c, const struct mk_option *o,
                        struct mk_option_score *s)
{
    static float logits[MOST_TOKENS * MOST_VOCAB];
    struct mk_piece p = { .tokens = o->tokens,
                          .n = o->n - 1,
                          .n_prompt = o->n_prompt,
                          .want = MK_WANT_ALL,
                          .logits = logits };

    *s = (struct mk_option_score){ .greedy = true };
    if (o->n == o->n_prompt)
        return;
    expect_ok(mk_seq_new(c, &p.seq, err));
    expect_ok(mk_compute(c, &p, 1, err));
    mk_seq_free(c, p.seq);
    for (size_t i = o->n_prompt; i < o->n; i++) {
        const float *row = logits + (i - 1) * n_vocab;
        struct row r = row_read(row, n_vocab);

        s->logprob += row_logprob(&r, row[o->tokens[i]]);
        s->n_tokens++;
        s->greedy &= r.top == o->tokens[i];
    }
}

static void generate_alone(struct mk_ctx *c, const struct mk_job *j,
                           struct outcome *o)
{
    float logits[MOST_VOCAB];
    struct mk_piece p = { .tokens = j->prompt,
                          .n = j->n_prompt,
                          .want = MK_WANT_LAST,
                          .logits = logits };
    uint64_t state = j->sampling.seed;

    o->margin = INFINITY;
    expect_ok(mk_seq_new(c, &p.seq, err));
    for (size_t n = 0; n < j->max_tokens; n++) {
        struct row r;
        int32_t id;

        expect_ok(mk_compute(c, &p, 1, err));
        r = row_read(logits, n_vocab);
        id = mk_sample(logits, n_vocab, &j->sampling, &state);
        o->logprob += row_logprob(&r, logits[id]);
        o->margin = fmin(o->margin, r.best - r.second);
        o->tokens[o->n_tokens++] = id;
        o->finish = MK_FINISH_LENGTH;
        if (mk_token_is_stop(model, id)) {
            o->finish = MK_FINISH_STOP;
            break;
        }
        p.tokens = &o->tokens[n];
        p.n = 1;
    }
    mk_seq_free(c, p.seq);
}

static void expect_same(const struct set *s, struct mk_ctx *c, size_t i)
{
    const struct mk_job *j = &s->job[i];
    const struct outcome *got = &s->out[i];
    struct outcome want = { .count = 1, .finish = MK_FINISH_SCORED };

    for (size_t k = 0; k < j->n_options; k++)
        score_alone(c, &j->options[k], &want.scores[k]);
    if (j->n_options == 0)
        generate_alone(c, j, &want);
    ck_assert_msg(got->count == 1 && got->finish == want.finish,
                  "job %zu: %d results, finish %d (%s)", i, got->count,
                  (int)got->finish, got->error);
    ck_assert(same_scores(got->scores, want.scores, j->n_options));
    ck_assert(same(got->logprob, want.logprob));
    ck_assert(j->n_options > 0 || same(got->margin, want.margin));
    ck_assert_uint_eq(got->n_tokens, want.n_tokens);
    ck_assert(memcmp(got->tokens, want.tokens, sizeof want.tokens) == 0);
    ck_assert_uint_eq(got->text_len, got->pieces_len);
    ck_assert(memcmp(got->text, got->pieces, got->text_len) == 0);
}

START_TEST(results_are_those_of_single_prompts)
{
    static struct set s;
    struct mk_ctx *c, *alone;

    use_model((size_t)_i % N_KINDS);
    c = open_ctx(4096, 256, 1);
    alone = open_ctx(128, 256, 1);
    make_jobs(&s, MOST_JOBS, (uint32_t)_i / N_KINDS + 1);
    expect_ok(run_jobs(c, &s, 8));
    for (size_t i = 0; i < s.n; i++)
        expect_same(&s, alone, i);
    mk_ctx_close(alone);
    mk_ctx_close(c);
}
END_TEST

static const struct setting {
    size_t n_positions, n_batch, n_parallel;
    int threads;
    uint32_t seed;
} settings[] = {
    { 4096, 256, 1, 1, 1 }, { 4096, 16, 3, 2, 1 },  { 160, 32, 8, 1, 1 },
    { 128, 256, 4, 1, 1 },  { 96, 7, 2, 1, 1 },     { 128, 64, 16, 1, 2 },
    { 96, 64, 16, 2, 3 },   { 256, 256, 40, 1, 4 }, { 96, 5, 1, 1, 5 },
    { 128, 33, 7, 1, 6 },   { 192, 40, 5, 1, 7 },
};

/* Everything that is the job's, and not its share of the work. */
static bool same_outcome(const struct outcome *a, const struct outcome *b)
{
    return a->count == b->count && a->finish == b->finish &&
           strcmp(a->text, b->text) == 0 && a->n_tokens == b->n_tokens &&
           memcmp(a->tokens, b->tokens, sizeof a->tokens) == 0 &&
           a->n_prompt == b->n_prompt && same(a->logprob, b->logprob) &&
           same(a->margin, b->margin) && same_scores(a->scores, b->scores, 4);
}

/* Little room, small batches, any number in parallel, and jobs turned round. */
START_TEST(results_do_not_depend_on_how_they_are_run)
{
    static struct set plain, s;
    const struct setting *w = &settings[(size_t)_i / N_KINDS];
    struct mk_ctx *big, *c;

    use_model((size_t)_i % N_KINDS);
    big = open_ctx(4096, 256, 1);
    c = open_ctx(w->n_positions, w->n_batch, w->threads);
    make_jobs(&plain, MOST_JOBS, w->seed);
    expect_ok(run_jobs(big, &plain, 8));
    make_jobs(&s, MOST_JOBS, w->seed);
    for (size_t i = 0; i < s.n / 2; i++) {
        struct mk_job j = s.job[i];

        s.job[i] = s.job[s.n - 1 - i];
        s.job[s.n - 1 - i] = j;
    }
    for (size_t i = 0; i < s.n; i++)
        if (s.job[i].user)
            s.job[i].user = &s.out[i];
    expect_ok(run_jobs(c, &s, w->n_parallel));
    for (size_t i = 0; i < s.n; i++)
        ck_assert_msg(same_outcome(&s.out[i], &plain.out[s.n - 1 - i]),
                      "job %zu: finish %d, logprob %.17g, expected %d, %.17g",
                      i, (int)s.out[i].finish, s.out[i].logprob,
                      (int)plain.out[s.n - 1 - i].finish,
                      plain.out[s.n - 1 - i].logprob);
    mk_ctx_close(c);
    mk_ctx_close(big);
}
END_TEST

/* --- what is computed once ------------------------------------------------ */

START_TEST(a_common_prefix_is_computed_once)
{
    static struct set s;
    struct mk_ctx *c = open_ctx(1024, 256, 1);
    uint32_t seed = 11;

    memset(&s, 0, sizeof s);
    s.n = 5;
    for (size_t i = 0; i < s.n; i++) {
        for (size_t k = 0; k < 60; k++)
            s.tokens[i][0][k] = i && k < 50 ? s.tokens[0][0][k]
                                            : (int32_t)(1 + next(&seed) % 400);
        s.tokens[i][0][50] = (int32_t)i + 1;
        s.job[i] = (struct mk_job){ .prompt = s.tokens[i][0],
                                    .n_prompt = 60,
                                    .max_tokens = 1 };
    }
    /* the last: four letters after one prompt, nothing of it is new */
    s.job[4] = (struct mk_job){ .options = s.option[4], .n_options = 4 };
    for (size_t k = 0; k < 4; k++) {
        memcpy(s.tokens[4][k], s.tokens[0][0], 60 * sizeof(int32_t));
        s.tokens[4][k][60] = (int32_t)k + 7;
        s.option[4][k] = (struct mk_option){ s.tokens[4][k], 61, 60 };
    }
    expect_ok(run_jobs(c, &s, 8));
    for (size_t i = 0, cached = 0; i < s.n; i++) {
        cached += s.out[i].n_cached;
        ck_assert_uint_eq(s.out[i].n_prompt, 60);
        ck_assert_uint_eq(i < 4 || cached == 3 * 50 + 60, true);
    }
    mk_ctx_close(c);
}
END_TEST

/* Two prompts with most in common, the second twice; an option after each. */
START_TEST(a_whole_prompt_is_shared_whole_or_not_at_all)
{
    static struct set s;
    struct mk_ctx *c;
    uint32_t seed = 5;

    use_model((size_t)_i);
    c = open_ctx(1024, 256, 1);
    memset(&s, 0, sizeof s);
    s.n = 3;
    for (size_t i = 0; i < s.n; i++) {
        int32_t *t = s.tokens[i][0];
        for (size_t k = 0; k < 70; k++)
            t[k] = i && k < 60 ? s.tokens[0][0][k]
                               : (int32_t)(10 + next(&seed) % 400);
        memcpy(t + 68, kinds[_i].end, sizeof kinds[_i].end);
        if (i == 2)
            memcpy(t, s.tokens[1][0], 70 * sizeof *t);
        t[70] = (int32_t)i + 10;
        s.option[i][0] = (struct mk_option){ t, 71, 70 };
        s.job[i].options = s.option[i];
        s.job[i].n_options = 1;
    }
    expect_ok(run_jobs(c, &s, 8));
    for (size_t i = 0; i < s.n; i++)
        ck_assert_int_eq(s.out[i].finish, MK_FINISH_SCORED);
    ck_assert_uint_eq(s.out[0].n_cached, 0);
    ck_assert_uint_eq(s.out[1].n_cached + s.out[2].n_cached, 70);
    mk_ctx_close(c);
}
END_TEST

/* --- jobs that cannot be run ---------------------------------------------- */

static void expect_status(const struct outcome *o, int status,
                          const char *message)
{
    ck_assert_int_eq(o->count, 1);
    ck_assert_int_eq(o->status, status);
    ck_assert_str_eq(o->error, message);
    ck_assert_int_eq(o->finish == MK_FINISH_ERROR, status != MK_OK);
}

START_TEST(a_job_that_cannot_be_run_fails_alone)
{
    static struct set s;
    static int32_t many[200];
    static const int32_t few[4] = { 1, 2, 3, 4 }, bad[2] = { 1, VOCAB };
    static const struct mk_option no_prompt = { few, 4, 0 },
                                  backwards = { few, 2, 3 },
                                  empty = { few, 3, 3 };
    static const struct {
        struct mk_job job;
        int status;
        const char *message;
    } cases[] = {
        { { .prompt = many, .n_prompt = 129, .max_tokens = 1 },
          MK_ELIMIT,
          "the prompt has 129 tokens, the context holds 128" },
        { { .prompt = few, .n_prompt = 0, .max_tokens = 1 },
          MK_EUSAGE,
          "the prompt is empty" },
        { { .prompt = bad, .n_prompt = 2, .max_tokens = 1 },
          MK_EUSAGE,
          "token 1 is 512, expected 0 to 511" },
        { { .options = &no_prompt, .n_options = 1 },
          MK_EUSAGE,
          "option 0: nothing stands before the first token to be scored" },
        { { .options = &backwards, .n_options = 1 },
          MK_EUSAGE,
          "option 0: 2 tokens with a prompt of 3" },
        { { .prompt = few, .n_prompt = 4, .max_tokens = 3 }, MK_OK, "" },
        { { .prompt = few, .n_prompt = 4, .max_tokens = 0 }, MK_OK, "" },
        { { .options = &empty, .n_options = 1 }, MK_OK, "" },
        { { .prompt = many, .n_prompt = 128, .max_tokens = 5 }, MK_OK, "" },
    };
    struct mk_ctx *c = open_ctx(128, 64, 1);

    memset(&s, 0, sizeof s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        s.job[s.n++] = cases[i].job;
    expect_ok(run_jobs(c, &s, 8));
    for (size_t i = 0; i < s.n; i++)
        expect_status(&s.out[i], cases[i].status, cases[i].message);
    ck_assert_uint_eq(s.out[5].n_tokens, 3);
    ck_assert_uint_eq(s.out[6].n_tokens, 0);
    ck_assert_int_eq(s.out[6].finish, MK_FINISH_LENGTH);
    ck_assert_uint_eq(s.out[7].scores[0].n_tokens, 0);
    /* the last prompt fills the context: one token, and no room for it */
    ck_assert_int_eq(s.out[8].finish, MK_FINISH_CONTEXT);
    ck_assert_uint_eq(s.out[8].n_tokens, 1);
    mk_ctx_close(c);
}
END_TEST

/* --- stopping ------------------------------------------------------------- */

START_TEST(stop_strings_end_the_text_before_them)
{
    static struct set s;
    struct mk_ctx *c = open_ctx(512, 64, 1);
    char stop[8] = "";
    const char *stops[2] = { "no such text", stop };
    char whole[1024];

    make_jobs(&s, 1, 3);
    s.job[0] = (struct mk_job){ .prompt = s.tokens[0][0],
                                .n_prompt = 1,
                                .max_tokens = 30,
                                .on_text = note_text,
                                .user = &s.out[0],
                                .sampling = { 1, 0, 1, 4 } };
    expect_ok(run_jobs(c, &s, 1));
    memcpy(whole, s.out[0].text, sizeof whole);
    ck_assert_uint_gt(strlen(whole), 12);
    memcpy(stop, whole + text_whole((struct str){ whole, 10 }), 2);
    s.job[0].stop = stops;
    s.job[0].n_stop = 2;
    s.out[0] = (struct outcome){ .count = 0 };
    expect_ok(run_jobs(c, &s, 1));
    ck_assert_int_eq(s.out[0].finish, MK_FINISH_STOP);
    ck_assert_uint_eq(strlen(s.out[0].text),
                      (size_t)(strstr(whole, stop) - whole));
    ck_assert(strncmp(s.out[0].text, whole, strlen(s.out[0].text)) == 0);
    ck_assert_str_eq(s.out[0].text, s.out[0].pieces);
    mk_ctx_close(c);
}
END_TEST

static bool no_more(void *user, const char *text, size_t len)
{
    (void)text;
    (void)len;
    return --*(int *)user > 0;
}

START_TEST(on_text_cancels_its_job_alone)
{
    static struct set s;
    struct mk_ctx *c = open_ctx(512, 64, 1);
    int left = 2;

    make_jobs(&s, 6, 9);
    for (size_t i = 0; i < s.n; i++)
        s.job[i] = (struct mk_job){ .prompt = s.tokens[i][0],
                                    .n_prompt = 1,
                                    .max_tokens = 20 };
    s.job[2].on_text = no_more;
    s.job[2].user = &left;
    expect_ok(run_jobs(c, &s, 4));
    for (size_t i = 0; i < s.n; i++)
        ck_assert_int_eq(s.out[i].finish == MK_FINISH_ERROR, i == 2);
    ck_assert_int_eq(s.out[2].status, MK_ECANCELLED);
    ck_assert_uint_lt(s.out[2].n_tokens, 20);
    mk_ctx_close(c);
}
END_TEST

struct stopper {
    struct set *s;
    int left, how;
};

static bool stop_on_result(void *user, size_t job, const struct mk_result *r)
{
    struct stopper *k = user;

    note_result(k->s, job, r);
    return --k->left > 0;
}

static bool any_result(void *user, size_t job, const struct mk_result *r)
{
    struct stopper *k = user;

    return note_result(k->s, job, r);
}

static int stop_by_steps(void *user)
{
    struct stopper *k = user;

    return --k->left > 0 ? 0 : k->how;
}

static size_t n_given(const struct set *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        ck_assert_int_le(s->out[i].count, 1);
        n += (size_t)s->out[i].count;
    }
    return n;
}

START_TEST(stopping_between_steps)
{
    static struct set s;
    struct mk_ctx *c = open_ctx(256, 32, 1), *alone = open_ctx(128, 256, 1);
    struct stopper k = { .s = &s, .left = 5 };
    struct mk_jobs jobs = {
        .jobs = s.job, .n = MOST_JOBS, .user = &k, .on_result = stop_on_result
    };
    size_t before = mk_free_positions(c), at_once;

    make_jobs(&s, MOST_JOBS, 21);
    ck_assert_int_eq(mk_jobs_run(c, &jobs, err), MK_ECANCELLED);
    ck_assert_uint_eq(n_given(&s), 5);

    jobs.on_result = any_result;
    jobs.stop = stop_by_steps;
    k = (struct stopper){ .s = &s, .left = 12, .how = 2 };
    make_jobs(&s, MOST_JOBS, 21);
    ck_assert_int_eq(mk_jobs_run(c, &jobs, err), MK_ECANCELLED);
    ck_assert_str_eq(err, "stopped by the caller");
    at_once = n_given(&s);

    /* the gentle way finishes what has begun, and finishes it right */
    k = (struct stopper){ .s = &s, .left = 12, .how = 1 };
    make_jobs(&s, MOST_JOBS, 21);
    ck_assert_int_eq(mk_jobs_run(c, &jobs, err), MK_ECANCELLED);
    ck_assert_uint_gt(n_given(&s), at_once);
    ck_assert_uint_lt(n_given(&s), MOST_JOBS);
    for (size_t i = 0; i < s.n; i++)
        if (s.out[i].count)
            expect_same(&s, alone, i);
    ck_assert_uint_eq(mk_free_positions(c), before);
    mk_ctx_close(alone);
    mk_ctx_close(c);
}
END_TEST

/* --- memory --------------------------------------------------------------- */

/* Every allocation fails once, then from then on: the run says so, or the one
 * job does, and the context is as it was. */
START_TEST(without_memory)
{
    static struct set s;
    struct mk_ctx *c = open_ctx(128, 32, 1);
    int rc = MK_ENOMEM;

    for (size_t nth = 1; nth < 4000; nth++) {
        size_t before = mem_count();

        make_jobs(&s, 8, 31);
        mem_fail_at(nth, _i == 1);
        rc = run_jobs(c, &s, 3);
        mem_fail_at(0, false);
        if (mem_count() - before < nth)
            break;
        ck_assert(rc == MK_OK || rc == MK_ENOMEM);
        for (size_t i = 0; i < s.n && rc == MK_OK; i++)
            ck_assert_int_eq(s.out[i].count, 1);
    }
    expect_ok(rc);
    mk_ctx_close(c);
}
END_TEST

START_TEST(nothing_to_do)
{
    static struct set s;
    struct mk_ctx *c = open_ctx(64, 8, 1);

    s.n = 0;
    expect_ok(run_jobs(c, &s, 0));
    mk_ctx_close(c);
}
END_TEST

/* chatglm1: neither is there a <sop>, nor may the scored part begin before. */
START_TEST(a_prompt_without_its_end_fails_alone)
{
    static struct set s;
    static const int32_t good[] = { 20, 21, 4, 6, 30 };
    static const int32_t bad[] = { 20, 21, 22, 23, 24 };
    struct mk_ctx *c;

    use_model(2);
    c = open_ctx(256, 64, 1);
    memset(&s, 0, sizeof s);
    s.n = 3;
    s.job[0] = (struct mk_job){ .prompt = bad, .n_prompt = 5, .max_tokens = 1 };
    s.option[1][0] = (struct mk_option){ good, 5, 3 };
    s.job[1] = (struct mk_job){ .options = s.option[1], .n_options = 1 };
    s.job[2] =
        (struct mk_job){ .prompt = good, .n_prompt = 4, .max_tokens = 1 };
    expect_ok(run_jobs(c, &s, 8));
    ck_assert_int_eq(s.out[0].finish, MK_FINISH_ERROR);
    ck_assert_int_eq(s.out[0].status, MK_EUSAGE);
    ck_assert_ptr_nonnull(strstr(s.out[0].error, "[gMASK] <sop>"));
    ck_assert_int_eq(s.out[1].finish, MK_FINISH_ERROR);
    ck_assert_ptr_nonnull(strstr(s.out[1].error, "as a whole"));
    ck_assert_int_eq(s.out[2].finish, MK_FINISH_LENGTH);
    mk_ctx_close(c);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, open_model, close_model);
    tcase_add_loop_test(tc, results_are_those_of_single_prompts, 0,
                        2 * N_KINDS);
    tcase_add_loop_test(tc, results_do_not_depend_on_how_they_are_run, 0,
                        N_KINDS * sizeof settings / sizeof *settings);
    tcase_add_loop_test(tc, a_whole_prompt_is_shared_whole_or_not_at_all, 1,
                        N_KINDS);
    tcase_add_test(tc, a_prompt_without_its_end_fails_alone);
    tcase_add_test(tc, a_common_prefix_is_computed_once);
    tcase_add_test(tc, a_job_that_cannot_be_run_fails_alone);
    tcase_add_test(tc, stop_strings_end_the_text_before_them);
    tcase_add_test(tc, on_text_cancels_its_job_alone);
    tcase_add_test(tc, stopping_between_steps);
    tcase_add_loop_test(tc, without_memory, 0, 2);
    tcase_add_test(tc, nothing_to_do);
}

T_MAIN("jobs", setup)
