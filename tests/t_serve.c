/* The batch behind `mokao serve` against jobs and against itself, and the
 * reading of requests.  HTTP itself is tested from outside (e2e/serve.sh). */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/row.h"
#include "harness/base/mem.h"
#include "harness/serve/serve.h"
#include "harness/serve/serve_guard.h"
#include "harness/serve/serve_openai.h"
#include "tests/t.h"
#include "tests/tiny.h"

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

enum { ASKS = 24, PROMPT = 90, TOKENS = 24 };

static struct mk_model *model;
static struct err e;

static struct batch *open_batch(size_t positions, size_t parallel, size_t queue)
{
    struct batch_params p = { .model = model,
                              .n_threads = 1,
                              .n_positions = positions,
                              .n_parallel = parallel,
                              .n_queue = queue };
    struct batch *b = NULL;

    t_ok(batch_open(&b, &p, &e), &e);
    return b;
}

static void wait_for(struct batch *b, struct order *o)
{
    for (int i = 0; !batch_over(b, o); i++) {
        ck_assert_int_lt(i, 600);
        batch_wait(b, o, 100);
    }
}

/* --- asks made by a number --------------------------------------------------- */

struct set {
    struct ask ask[ASKS];
    int32_t prompt[ASKS][PROMPT];
};

/* Prompts of different lengths; every second one begins as the one before. */
static void make_set(struct set *s)
{
    int32_t n_vocab = mk_model_info(model)->n_vocab;

    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < ASKS; i++) {
        struct ask *a = &s->ask[i];

        a->prompt = s->prompt[i];
        a->n_prompt = 20 + i * 31 % 70;
        tiny_tokens(s->prompt[i], a->n_prompt, n_vocab - 60, (uint32_t)i / 2);
        for (size_t k = 0; k < a->n_prompt; k++)
            s->prompt[i][k] += 10; /* no control tokens */
        a->max_tokens = 1 + i % TOKENS;
        a->sampling.temperature = i % 3 ? 1.0F : 0.0F;
        a->sampling.top_p = i % 4 ? 0.9F : 1.0F;
        a->sampling.seed = i;
    }
}

struct told {
    char text[2048];
    size_t text_len, n_tokens;
    enum mk_finish finish;
};

static bool note_result(void *user, size_t i, const struct mk_result *r)
{
    struct told *t = (struct told *)user + i;

    ck_assert_uint_lt(r->text_len, sizeof t->text);
    memcpy(t->text, r->text, r->text_len);
    t->text_len = r->text_len;
    t->n_tokens = r->n_tokens;
    t->finish = r->finish;
    return true;
}

/* What the engine's jobs say to the same. */
static void run_jobs(const struct set *s, struct told *out)
{
    struct mk_job jobs[ASKS] = { 0 };
    struct mk_jobs all = {
        .jobs = jobs, .n = ASKS, .on_result = note_result, .user = out
    };
    struct mk_ctx *c = tiny_ctx(model, 8192, 256, 1);
    char err[MK_ERR_LEN];

    for (size_t i = 0; i < ASKS; i++) {
        jobs[i].prompt = s->ask[i].prompt;
        jobs[i].n_prompt = s->ask[i].n_prompt;
        jobs[i].max_tokens = s->ask[i].max_tokens;
        jobs[i].sampling = s->ask[i].sampling;
    }
    tiny_ok(mk_jobs_run(c, &all, err), err);
    mk_ctx_close(c);
}

static void expect_told(const struct news *n, const struct told *t)
{
    ck_assert(n->over);
    ck_assert_int_eq(n->finish, t->finish);
    ck_assert_uint_eq(n->n_tokens, t->n_tokens);
    ck_assert_uint_eq(n->text.n, t->text_len);
    ck_assert_mem_eq(n->text.p, t->text, t->text_len);
}

static void expect_all_told(struct batch *b, struct order *o,
                            const struct told *want)
{
    for (size_t i = 0; i < o->n; i++) {
        struct news n;

        batch_take(b, &o->asks[i], &n);
        expect_told(&n, &want[i]);
        news_free(&n);
    }
}

static const struct layout {
    const char *model;
    size_t positions, parallel;
} layouts[] = {
    { "qwen2", 4096, 16 },    { "qwen2", 4096, 1 },
    { "qwen2", 256, 16 },     /* cannot hold three: others are put aside */
    { "qwen1-ntk", 4096, 8 }, /* tokens depend on the whole prompt */
    { "llama2-gqa", 512, 4 },
};

START_TEST(says_what_jobs_say_whatever_the_batch)
{
    static struct set s;
    static struct told want[ASKS];
    struct order o = { .asks = s.ask, .n = ASKS };
    struct batch *b;

    model = tiny_open(layouts[_i].model, "cpu", MK_ACT_Q8);
    make_set(&s);
    run_jobs(&s, want);
    b = open_batch(layouts[_i].positions, layouts[_i].parallel, 0);
    for (int round = 0; round < 2; round++) { /* the second finds prefixes */
        t_ok(batch_submit(b, &o, &e), &e);
        wait_for(b, &o);
        expect_all_told(b, &o, want);
        batch_end(b, &o);
    }
    for (size_t i = 0; i < ASKS; i += 5) {
        struct order one = { .asks = &s.ask[i], .n = 1, .whole = true };

        t_ok(batch_submit(b, &one, &e), &e);
        wait_for(b, &one);
        expect_all_told(b, &one, &want[i]);
        batch_end(b, &one);
    }
    batch_close(b);
    mk_model_close(model);
}
END_TEST

/* --- marks ------------------------------------------------------------------- */

static void score_job(const struct ask *a, size_t from, double *logprob)
{
    struct mk_ctx *c = tiny_ctx(model, 1024, 256, 1);
    size_t n_vocab = (size_t)mk_model_info(model)->n_vocab;
    float *logits = mem_array(a->n_prompt * n_vocab, sizeof *logits);

    ck_assert_ptr_nonnull(logits);
    tiny_compute(c, tiny_seq(c), a->prompt, a->n_prompt, MK_WANT_ALL, logits);
    for (size_t t = from; t < a->n_prompt; t++) {
        const float *row = logits + (t - 1) * n_vocab;
        struct row r = row_read(row, n_vocab);

        logprob[t] = row_logprob(&r, row[a->prompt[t]]);
    }
    mem_free(logits);
    mk_ctx_close(c);
}

static void expect_marks(const struct ask *a, const struct marks *m)
{
    double want[PROMPT];

    score_job(a, 1, want);
    ck_assert_uint_eq(m->n, a->n_prompt);
    ck_assert(isnan(m->v[0].logprob));
    for (size_t t = 1; t < m->n; t++) {
        const struct top *top = m->tops + t * m->n_top;

        ck_assert_int_eq(m->v[t].id, a->prompt[t]);
        ck_assert_double_eq(m->v[t].logprob, want[t]);
        ck_assert_uint_eq(m->v[t].n_top, m->n_top);
        for (size_t k = 1; k < m->n_top; k++)
            ck_assert_double_ge(top[k - 1].logprob, top[k].logprob);
        ck_assert_double_ge(top[0].logprob, m->v[t].logprob);
    }
}

START_TEST(marks_of_prompts_are_the_engines_figures)
{
    static struct set s;
    struct order o = { .asks = s.ask, .n = ASKS };
    struct batch *b;

    model = tiny_open("qwen2", "cpu", MK_ACT_Q8);
    make_set(&s);
    b = open_batch(4096, 8, 0);
    for (size_t i = 0; i < ASKS; i++) {
        s.ask[i].score_prompt = s.ask[i].mark = true;
        s.ask[i].n_top = 1 + i % 3;
        s.ask[i].max_tokens = i % 2; /* 0: the prompt alone */
    }
    for (int round = 0; round < 2; round++) {
        t_ok(batch_submit(b, &o, &e), &e);
        wait_for(b, &o);
        for (size_t i = 0; i < ASKS; i++) {
            struct news n;

            batch_take(b, &s.ask[i], &n);
            ck_assert_uint_eq(n.n_tokens, s.ask[i].max_tokens);
            ck_assert_uint_eq(n.marks.n, s.ask[i].max_tokens);
            expect_marks(&s.ask[i], &n.prompt);
            if (round == 1 && s.ask[i].n_prompt > 64)
                ck_assert_uint_ge(n.n_cached, 32);
            news_free(&n);
        }
        batch_end(b, &o);
    }
    batch_close(b);
    mk_model_close(model);
}
END_TEST

START_TEST(tokens_of_a_stop_string_are_not_given)
{
    static struct set s;
    static const char *stop[1];
    static char found[8];
    struct news free_run, n;
    struct order o = { .asks = s.ask, .n = 1 };
    struct batch *b;
    size_t len;

    model = tiny_open("qwen2", "cpu", MK_ACT_Q8);
    make_set(&s);
    b = open_batch(1024, 8, 0);
    s.ask[0].max_tokens = TOKENS;
    s.ask[0].mark = true;
    t_ok(batch_submit(b, &o, &e), &e);
    wait_for(b, &o);
    batch_take(b, &s.ask[0], &free_run);
    batch_end(b, &o);
    ck_assert_uint_gt(free_run.text.n, 8);
    /* a character from the middle of what it says */
    text_rune(buf_view(&free_run.text),
              text_whole((struct str){ free_run.text.p, 6 }), &len);
    memcpy(found,
           free_run.text.p + text_whole((struct str){ free_run.text.p, 6 }),
           len);
    stop[0] = found;
    s.ask[0].stop = stop;
    s.ask[0].n_stop = 1;
    t_ok(batch_submit(b, &o, &e), &e);
    wait_for(b, &o);
    batch_take(b, &s.ask[0], &n);
    batch_end(b, &o);
    ck_assert_int_eq(n.finish, MK_FINISH_STOP);
    ck_assert_uint_le(n.text.n, 6);
    ck_assert_mem_eq(n.text.p, free_run.text.p, n.text.n);
    for (size_t i = 0; i < n.marks.n; i++)
        ck_assert_uint_lt(n.marks.v[i].begin, n.text.n);
    news_free(&n);
    news_free(&free_run);
    batch_close(b);
    mk_model_close(model);
}
END_TEST

/* --- ends that are not the usual one ---------------------------------------- */

START_TEST(a_cancelled_order_ends_and_the_others_go_on)
{
    static struct set s;
    struct order gone = { .asks = s.ask, .n = 8 },
                 stays = { .asks = s.ask + 8, .n = 8 };
    struct batch *b;

    model = tiny_open("qwen2", "cpu", MK_ACT_Q8);
    make_set(&s);
    for (size_t i = 0; i < 8; i++)
        s.ask[i].max_tokens = 300;
    b = open_batch(1024, 4, 0);
    t_ok(batch_submit(b, &gone, &e), &e);
    t_ok(batch_submit(b, &stays, &e), &e);
    batch_end(b, &gone);
    wait_for(b, &stays);
    for (size_t i = 8; i < 16; i++)
        ck_assert_int_ne(s.ask[i].news.finish, MK_FINISH_ERROR);
    batch_end(b, &stays);
    batch_cancel_all(b);
    ck_assert_int_eq(batch_submit(b, &stays, &e), ERR_CANCELLED);
    batch_close(b);
    mk_model_close(model);
}
END_TEST

START_TEST(a_full_queue_refuses)
{
    static struct set s;
    struct order o = { .asks = s.ask, .n = 3 },
                 more = { .asks = s.ask + 3, .n = 1 };
    struct batch *b;

    model = tiny_open("qwen2", "cpu", MK_ACT_Q8);
    make_set(&s);
    for (size_t i = 0; i < 3; i++)
        s.ask[i].max_tokens = 400;
    b = open_batch(2048, 1, 2);
    ck_assert_uint_eq(batch_room(b), 3);
    t_ok(batch_submit(b, &o, &e), &e);
    ck_assert_int_eq(batch_submit(b, &more, &e), ERR_RATE);
    batch_end(b, &o);
    t_ok(batch_submit(b, &more, &e), &e);
    wait_for(b, &more);
    batch_end(b, &more);
    batch_close(b);
    mk_model_close(model);
}
END_TEST

/* --- requests ---------------------------------------------------------------- */

static struct api_model served(void)
{
    return (struct api_model){ .model = model,
                               .id = "m",
                               .template = "plain",
                               .context = 100,
                               .room = 8 };
}

#define MANY                                                                   \
    "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"

static const struct bad {
    bool chat;
    const char *body;
    int status;
    const char *param, *code;
} bad[] = {
    { false, "", 400, "", "invalid_json" },
    { false, "[1]", 400, "", "invalid_json" },
    { false, "{\"prompt\":\"a\"", 400, "", "invalid_json" },
    { false, "{\"prompt\":\"a\"}", 400, "model", "missing_required_parameter" },
    { false, "{\"model\":\"x\",\"prompt\":\"a\"}", 404, "model",
      "model_not_found" },
    { false, "{\"model\":\"m\"}", 400, "prompt", "missing_required_parameter" },
    { false, "{\"model\":\"m\",\"prompt\":7}", 400, "prompt", "invalid_type" },
    { false, "{\"model\":\"m\",\"prompt\":[]}", 400, "prompt",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":[[]]}", 400, "prompt",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":[1,\"a\"]}", 400, "prompt",
      "invalid_type" },
    { false, "{\"model\":\"m\",\"prompt\":[1,99999]}", 400, "prompt",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":[1,-1]}", 400, "prompt",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":[1.5]}", 400, "prompt",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":[[1],[true]]}", 400, "prompt",
      "invalid_type" },
    { false, "{\"model\":\"m\",\"prompt\":[" MANY "," MANY "," MANY "]}", 400,
      "prompt", "context_length_exceeded" },
    { false, "{\"model\":\"m\",\"prompt\":[1,2],\"max_tokens\":99}", 400,
      "prompt", "context_length_exceeded" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"n\":9}", 400, "prompt",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"n\":0}", 400, "n",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"best_of\":2}", 400, "best_of",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"max_tokens\":-1}", 400,
      "max_tokens", "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"max_tokens\":1.5}", 400,
      "max_tokens", "invalid_type" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"max_tokens\":\"9\"}", 400,
      "max_tokens", "invalid_type" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"temperature\":-0.1}", 400,
      "temperature", "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"top_p\":1.1}", 400, "top_p",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"logprobs\":21}", 400,
      "logprobs", "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"logprobs\":true}", 400,
      "logprobs", "invalid_type" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"echo\":1}", 400, "echo",
      "invalid_type" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"stop\":[\"a\",\"\"]}", 400,
      "stop", "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"stop\":5}", 400, "stop",
      "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"stream\":\"yes\"}", 400,
      "stream", "invalid_type" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"stream_options\":{}}", 400,
      "stream_options", "invalid_value" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"suffix\":\"b\"}", 400,
      "suffix", "unsupported_parameter" },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"logit_bias\":{\"5\":1}}", 400,
      "logit_bias", "unsupported_parameter" },
    { true, "{\"model\":\"m\"}", 400, "messages",
      "missing_required_parameter" },
    { true, "{\"model\":\"m\",\"messages\":[]}", 400, "messages",
      "invalid_value" },
    { true, "{\"model\":\"m\",\"messages\":[\"hi\"]}", 400, "messages",
      "invalid_type" },
    { true, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", 400,
      "messages", "invalid_type" },
    { true,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}",
      400, "messages", "invalid_value" },
    { true,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
      "[{\"type\":\"image_url\"}]}]}",
      400, "messages", "invalid_value" },
    { true,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
      "\"top_logprobs\":2}",
      400, "top_logprobs", "invalid_value" },
    { true,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
      "\"tools\":[{}]}",
      400, "tools", "unsupported_parameter" },
    { true,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
      "\"response_format\":{\"type\":\"json_object\"}}",
      400, "response_format", "unsupported_parameter" },
};

START_TEST(bad_requests_name_the_member)
{
    struct api_call c = { 0 };
    struct api_error x = { 0 };
    struct api_model m;

    model = tiny_open("qwen2", "cpu", MK_ACT_Q8);
    m = served();
    ck_assert_msg(!api_read(&c, bad[_i].chat, str_of(bad[_i].body), &m, 1, &x),
                  "%s", bad[_i].body);
    ck_assert_msg(x.status == bad[_i].status && !strcmp(x.code, bad[_i].code),
                  "%s: %d %s %s", bad[_i].body, x.status, x.code, x.message);
    ck_assert_str_eq(x.param, bad[_i].param);
    ck_assert_str_ne(x.message, "");
    api_call_free(&c);
    mk_model_close(model);
}
END_TEST

static const struct good {
    bool chat;
    const char *body;
    size_t n_asks, max_tokens;
    bool score, mark;
} good[] = {
    { false, "{\"model\":\"m\",\"prompt\":\"a\"}", 1, 16, false, false },
    { false, "{\"model\":\"m\",\"prompt\":\"a\",\"max_tokens\":null}", 1, 16,
      false, false },
    { false, "{\"model\":\"m\",\"prompt\":[\"a\",\"b\"],\"n\":2}", 4, 16, false,
      false },
    { false, "{\"model\":\"m\",\"prompt\":[1,2,3],\"max_tokens\":97}", 1, 97,
      false, false },
    { false,
      "{\"model\":\"m\",\"prompt\":[[1],[2,3]],\"echo\":true,\"logprobs\":1,"
      "\"max_tokens\":0}",
      2, 0, true, true },
    { false,
      "{\"model\":\"m\",\"prompt\":\"a\",\"best_of\":1,\"user\":\"u\","
      "\"presence_penalty\":0,\"suffix\":null,\"logit_bias\":{},\"x\":[1]}",
      1, 16, false, false },
    { true,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":"
      "[{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":\"user\",\"content\":"
      "\"b\"}],\"max_tokens\":3,\"max_completion_tokens\":4,\"tools\":[],"
      "\"logprobs\":true}",
      1, 4, false, true },
};

START_TEST(requests_become_asks)
{
    struct api_call c = { 0 };
    struct api_error x = { 0 };
    struct api_model m;

    model = tiny_open("qwen2", "cpu", MK_ACT_Q8);
    m = served();
    ck_assert_msg(api_read(&c, good[_i].chat, str_of(good[_i].body), &m, 1, &x),
                  "%s: %s", good[_i].body, x.message);
    ck_assert_uint_eq(c.order.n, good[_i].n_asks);
    for (size_t i = 0; i < c.order.n; i++) {
        ck_assert_uint_eq(c.order.asks[i].max_tokens, good[_i].max_tokens);
        ck_assert_int_eq(c.order.asks[i].score_prompt, good[_i].score);
        ck_assert_int_eq(c.order.asks[i].mark, good[_i].mark);
    }
    api_call_free(&c);
    mk_model_close(model);
}
END_TEST

/* Reads, asks, answers; every allocation fails once. */
START_TEST(no_memory_is_an_error_of_the_request)
{
    static const char body[] =
        "{\"model\":\"m\",\"prompt\":[\"abc\",[1,2,3]],\"echo\":true,"
        "\"logprobs\":2,\"max_tokens\":3,\"temperature\":0,\"stop\":\"zz\"}";
    struct api_model m;
    struct batch *b;
    size_t n_good = 0;

    model = tiny_open("qwen2", "cpu", MK_ACT_Q8);
    b = open_batch(1024, 4, 0);
    m = served();
    for (size_t nth = 1; n_good == 0; nth++) {
        struct api_call c = { 0 };
        struct api_error x = { 0 };
        struct buf out;
        bool ordered = false, ok;

        ck_assert_uint_lt(nth, 2000);
        buf_init(&out, 1 << 20);
        mem_fail_at(nth, false);
        ok = api_read(&c, false, STR(body), &m, 1, &x);
        if (ok)
            ok = ordered = !batch_submit(b, &c.order, &e);
        if (ok)
            wait_for(b, &c.order);
        for (size_t i = 0; ok && i < c.order.n; i++)
            ok = api_take(&c, b, i, &x);
        if (ok)
            api_write_answer(&c, &out);
        n_good += ok && !out.failed && mem_count() > 0;
        mem_fail_at(0, false);
        if (ordered)
            batch_end(b, &c.order);
        api_call_free(&c);
        buf_free(&out);
    }
    batch_close(b);
    mk_model_close(model);
}
END_TEST

/* --- who may ask ------------------------------------------------------------- */

static const struct host {
    const char *header;
    bool known;
} hosts[] = {
    { "localhost", true },
    { "localhost:8080", true },
    { "127.0.0.1:8080", true },
    { "[::1]:8080", true },
    { "192.168.1.7", true },
    { "evil.example", false },
    { "evil.example:8080", false },
    { "localhost.evil.example", false },
    { "127.0.0.1.evil.example", false },
    { "", false },
    { "[::1", false },
    { NULL, false },
    { "my-box:8080", true },
};

START_TEST(names_of_hosts_that_may_be_anyones_are_refused)
{
    ck_assert_int_eq(guard_host(hosts[_i].header, "my-box"), hosts[_i].known);
}
END_TEST

START_TEST(tokens_and_origins)
{
    char a[GUARD_TOKEN_LEN + 1], b[GUARD_TOKEN_LEN + 1];

    t_ok(guard_make_token(a, &e), &e);
    t_ok(guard_make_token(b, &e), &e);
    ck_assert_uint_eq(strlen(a), GUARD_TOKEN_LEN);
    ck_assert(guard_same(a, a));
    ck_assert(!guard_same(a, b));
    ck_assert(!guard_same("", a));
    ck_assert(guard_origin(NULL, "localhost:1"));
    ck_assert(guard_origin("http://localhost:1", "localhost:1"));
    ck_assert(!guard_origin("http://localhost:2", "localhost:1"));
    ck_assert(!guard_origin("http://evil.example", "localhost:1"));
    ck_assert(!guard_origin("null", "localhost:1"));
}
END_TEST

START_TEST(addresses)
{
    struct guard_address a;

    t_ok(guard_resolve("127.0.0.1", 0, &a, &e), &e);
    ck_assert(a.loopback);
    t_ok(guard_resolve("localhost", 80, &a, &e), &e);
    ck_assert(a.loopback);
    t_ok(guard_resolve("::1", 80, &a, &e), &e);
    ck_assert(a.loopback);
    t_ok(guard_resolve("0.0.0.0", 80, &a, &e), &e);
    ck_assert(!a.loopback);
    ck_assert_int_eq(guard_resolve("some.example", 80, &a, &e), ERR_USAGE);
}
END_TEST

/* --- HTTP -------------------------------------------------------------------- */

static enum err_code slow_page(void *user, struct buf *out, struct err *err)
{
    const struct timespec t = { 1, 600000000L };

    (void)user;
    (void)err;
    nanosleep(&t, NULL);
    buf_str(out, "slow");
    return ERR_OK;
}

/* Sends the text and reads until the other side closes. */
static void exchange(int port, const char *text, struct buf *out)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char chunk[4096];
    ssize_t n;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    buf_init(out, 1 << 20);
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        buf_add(out, chunk, (size_t)n);
    close(fd);
}

START_TEST(connections_may_idle_but_we_may_take_our_time)
{
    struct serve_params p = { .host = "127.0.0.1",
                              .page = slow_page,
                              .idle_s = 1 };
    struct serve *s = NULL;
    struct buf out;

    model = tiny_open("qwen2", "cpu", MK_ACT_Q8);
    p.batch = open_batch(512, 1, 0);
    p.model = served();
    t_ok(serve_open(&s, &p, &e), &e);
    exchange(serve_port(s),
             "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             &out);
    ck_assert_ptr_nonnull(strstr(out.p, "slow"));
    buf_free(&out);
    exchange(serve_port(s), "POST /v1/comp", &out); /* and no more */
    ck_assert_ptr_null(strstr(out.p, "200 OK"));
    buf_free(&out);
    serve_close(s);
    batch_close(p.batch);
    mk_model_close(model);
}
END_TEST

static const struct mapped {
    enum err_code code;
    int status;
    const char *name;
} mapped[] = {
    { ERR_RATE, 429, "rate_limit_exceeded" },
    { ERR_CANCELLED, 503, "unavailable" },
    { ERR_LIMIT, 400, "context_length_exceeded" },
    { ERR_NOMEM, 500, "internal_error" },
};

START_TEST(our_errors_have_a_status_of_theirs)
{
    struct api_error x;

    err_set(&e, mapped[_i].code, "why");
    ck_assert(!api_refuse_err(&x, &e));
    ck_assert_int_eq(x.status, mapped[_i].status);
    ck_assert_str_eq(x.code, mapped[_i].name);
    ck_assert_str_eq(x.message, "why");
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, says_what_jobs_say_whatever_the_batch, 0,
                        N(layouts));
    tcase_add_test(tc, marks_of_prompts_are_the_engines_figures);
    tcase_add_test(tc, tokens_of_a_stop_string_are_not_given);
    tcase_add_test(tc, a_cancelled_order_ends_and_the_others_go_on);
    tcase_add_test(tc, a_full_queue_refuses);
    tcase_add_loop_test(tc, bad_requests_name_the_member, 0, N(bad));
    tcase_add_loop_test(tc, requests_become_asks, 0, N(good));
    tcase_add_test(tc, no_memory_is_an_error_of_the_request);
    tcase_add_loop_test(tc, names_of_hosts_that_may_be_anyones_are_refused, 0,
                        N(hosts));
    tcase_add_test(tc, tokens_and_origins);
    tcase_add_test(tc, addresses);
    tcase_add_test(tc, connections_may_idle_but_we_may_take_our_time);
    tcase_add_loop_test(tc, our_errors_have_a_status_of_theirs, 0, N(mapped));
}

T_MAIN("serve", setup)
