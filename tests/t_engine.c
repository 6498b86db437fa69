/* Models, contexts, sequences: reference logits on every backend, the same bits
 * in any batch, refusals that leave no trace. */
#include "engine/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arch.h"
#include "engine/backend.h"
#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "tests/t.h"

#define TINY "tests/golden/tiny/"
#define SEEDS "tests/golden/fuzz/gguf"
#define MAX_VOCAB 1024
#define MAX_PROMPT 128

#define BACKEND_ENTRY(name) &backend_##name,
static const struct backend *const backends[] = { BACKENDS(BACKEND_ENTRY) };
#define N_BACKENDS (sizeof backends / sizeof backends[0])

/* The models: F32 and one of each other type. */
static const char *const models[] = {
    "baichuan-13b",
    "bloom",
    "chatglm1",
    "chatglm2",
    "deepseek-v2-yarn",
    "deepseek-v3",
    "gpt2",
    "moss",
    "gemma3",
    "glm4-0414",
    "internlm1",
    "internlm2",
    "llama-mha",
    "llama-linear",
    "llama2-gqa",
    "llama3-rope",
    "minicpm",
    "qwen2",
    "qwen2-yarn",
    "qwen1-ntk",
    "qwen2moe",
    "qwen3",
    "qwen3moe",
    "smollm2",
    "yi",
    "qwen2-bf16",
    "qwen2-f16",
    "qwen2-iq4nl",
    "qwen2-iq4xs",
    "qwen2-q2k",
    "qwen2-q3k",
    "qwen2-q40",
    "qwen2-q41",
    "qwen2-q4k",
    "qwen2-q4km",
    "qwen2-q50",
    "qwen2-q51",
    "qwen2-q5k",
    "qwen2-q6k",
    "qwen2-q80",
};
#define N_MODELS (sizeof models / sizeof models[0])

/* More members of the families; they are looked for among the shared files. */
static const char *const shared_models[] = {
    "qwen1",       "deepseek-v2",     "deepseek-v2-lite",
    "baichuan-7b", "baichuan-7b-32l", "baichuan-13b-40l",
    "chatglm3",    "glm4-9b-chat",    "baichuan2-13b",
};
#define N_SHARED_MODELS (sizeof shared_models / sizeof shared_models[0])
#define SHARED "reference/engine/tiny/"

/* --- helpers -------------------------------------------------------------- */

static void ok(int rc, const char *err)
{
    ck_assert_msg(rc == MK_OK, "status %d: %s", rc, err);
}

static struct mk_model *open_path(const char *path, const char *device,
                                  enum mk_activations act)
{
    struct mk_model_params p = { .activations = act,
                                 .device = device,
                                 .n_threads = 1 };
    char err[MK_ERR_LEN];
    struct mk_model *m;

    ok(mk_model_open(&m, path, &p, err), err);
    return m;
}

static struct mk_model *open_tiny(const char *name, const char *device,
                                  enum mk_activations act)
{
    char path[256];
    snprintf(path, sizeof path, TINY "%s.gguf", name);
    return open_path(path, device, act);
}

static struct mk_ctx *open_ctx(struct mk_model *m, size_t n_positions,
                               size_t n_batch, int n_threads)
{
    struct mk_ctx_params p = { n_threads, n_positions, n_batch };
    char err[MK_ERR_LEN];
    struct mk_ctx *c;

    ok(mk_ctx_open(&c, m, &p, err), err);
    return c;
}

static int32_t new_seq(struct mk_ctx *c)
{
    char err[MK_ERR_LEN];
    int32_t seq;

    ok(mk_seq_new(c, &seq, err), err);
    return seq;
}

static int32_t fork_seq(struct mk_ctx *c, int32_t src, size_t n)
{
    char err[MK_ERR_LEN];
    int32_t seq;

    ok(mk_seq_fork(c, src, n, &seq, err), err);
    return seq;
}

static void compute(struct mk_ctx *c, int32_t seq, const int32_t *tokens,
                    size_t n, enum mk_want want, float *logits)
{
    struct mk_piece p = {
        .seq = seq, .tokens = tokens, .n = n, .want = want, .logits = logits
    };
    char err[MK_ERR_LEN];

    ok(mk_compute(c, &p, 1, err), err);
}

/* `make check` is to be quick; `make test` takes all cases. */
static bool full_mode(void)
{
    const char *mode = getenv("MOKAO_TEST_MODE");
    return mode && strcmp(mode, "full") == 0;
}

static size_t argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* Tokens that depend on `which`, from a small generator. */
static void some_tokens(int32_t *out, size_t n, int n_vocab, uint32_t which)
{
    uint32_t s = 12345 + which * 7919;

    for (size_t i = 0; i < n; i++) {
        s = s * 1664525 + 1013904223;
        out[i] = (int32_t)((s >> 8) % (uint32_t)n_vocab);
    }
}

/* --- reference logits ----------------------------------------------------- */

struct ref {
    struct json *j;
    int32_t prompt[32], greedy[32];
    size_t n_prompt, n_greedy, n_vocab;
    char model[300]; /* path */
};

static size_t read_ids(const struct json *a, int32_t *out)
{
    size_t n = 0;
    for (const struct json *v = json_child(a); v; v = json_next(v))
        out[n++] = (int32_t)json_number(v);
    return n;
}

/* NAME.json and NAME.gguf in the folder. */
static void open_ref_in(struct ref *r, const char *folder, const char *name)
{
    char path[300];
    struct buf text;
    struct err e;

    snprintf(r->model, sizeof r->model, "%s%s.gguf", folder, name);
    snprintf(path, sizeof path, "%s%s.json", folder, name);
    t_read(path, &text);
    t_ok(json_parse(&r->j, buf_view(&text), &e), &e);
    buf_free(&text);
    r->n_prompt = read_ids(json_get(r->j, "prompt"), r->prompt);
    r->n_greedy = read_ids(json_get(r->j, "greedy"), r->greedy);
    r->n_vocab = (size_t)json_number(json_get(r->j, "n_vocab"));
    ck_assert_uint_le(r->n_vocab, MAX_VOCAB);
    ck_assert(r->n_prompt == 12 && r->n_greedy == 16);
}

static void open_ref(struct ref *r, const char *name)
{
    open_ref_in(r, TINY, name);
}

static void check_near(double got, double want, double bar, const char *what)
{
    ck_assert_msg(fabs(got - want) <= bar, "%s: %.6f, expected %.6f", what, got,
                  want);
}

static double logsumexp(const float *x, size_t n)
{
    double max = (double)x[argmax(x, n)], sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

static void check_position(const struct json *p, const float *x, size_t n)
{
    const struct json *top = json_child(json_get(p, "top"));

    for (; top; top = json_next(top))
        check_near((double)x[(size_t)json_number(json_at(top, 0))],
                   json_number(json_at(top, 1)), 1e-3, "a top logit");
    check_near(logsumexp(x, n), json_number(json_get(p, "logsumexp")), 1e-3,
               "logsumexp");
    check_near((double)x[argmax(x, n)], json_number(json_get(p, "max")), 1e-3,
               "the largest logit");
}

static void check_all_positions(struct mk_ctx *c, const struct ref *r)
{
    static float x[12][MAX_VOCAB];
    float *rows = &x[0][0];
    int32_t seq = new_seq(c);
    size_t i = 0;
    const struct json *last = json_child(json_get(r->j, "last_logits"));

    compute(c, seq, r->prompt, r->n_prompt, MK_WANT_ALL, rows);
    for (const struct json *p = json_child(json_get(r->j, "positions")); p;
         p = json_next(p), i++)
        check_position(p, rows + i * r->n_vocab, r->n_vocab);
    ck_assert_uint_eq(i, r->n_prompt);
    rows += (r->n_prompt - 1) * r->n_vocab;
    for (; last; last = json_next(last))
        check_near((double)*rows++, json_number(last), 1e-3, "a last logit");
    mk_seq_free(c, seq);
}

/* With the KV cache, a token a step. */
static void check_greedy(struct mk_ctx *c, const struct ref *r)
{
    float x[MAX_VOCAB];
    int32_t seq = new_seq(c), next;

    compute(c, seq, r->prompt, r->n_prompt, MK_WANT_LAST, x);
    for (size_t i = 0; i < r->n_greedy; i++) {
        next = (int32_t)argmax(x, r->n_vocab);
        ck_assert_msg(next == r->greedy[i],
                      "greedy token %zu is %d, "
                      "expected %d",
                      i, next, r->greedy[i]);
        compute(c, seq, &next, 1, MK_WANT_LAST, x);
    }
    mk_seq_free(c, seq);
}

static void check_floats(const struct ref *r)
{
    for (size_t b = 0; b < N_BACKENDS; b++) {
        struct mk_model *m;
        struct mk_ctx *c;
        if (!backends[b]->available())
            continue;
        m = open_path(r->model, backends[b]->name, MK_ACT_F32);
        ck_assert_str_eq(mk_model_info(m)->device, backends[b]->name);
        ck_assert_int_eq(mk_model_info(m)->n_vocab, (int)r->n_vocab);
        c = open_ctx(m, 64, 64, 1);
        check_all_positions(c, r);
        if (full_mode() || backends[b] != &backend_ref)
            check_greedy(c, r);
        mk_ctx_close(c);
        mk_model_close(m);
    }
}

START_TEST(float_path_gives_the_reference_logits)
{
    struct ref r;

    open_ref(&r, models[_i]);
    check_floats(&r);
    json_free(r.j);
}
END_TEST

static double nmse_of(const float *x, const struct ref *r)
{
    const struct json *v = json_child(json_get(r->j, "last_logits"));
    double err = 0, all = 0;

    for (; v; v = json_next(v), x++) {
        double want = json_number(v), d = (double)*x - want;
        err += d * d;
        all += want * want;
    }
    return err / all;
}

/* Activations as int8 move these models' logits by up to 0.4 (0.45 in other
 * engines): the likeliest token is compared where the next is further off. */
static void check_integers(const struct ref *r)
{
    double margin = json_number(json_at(json_get(r->j, "greedy_margins"), 0));
    float x[MAX_VOCAB];

    for (size_t b = 0; b < N_BACKENDS; b++) {
        struct mk_model *m;
        struct mk_ctx *c;
        if (!backends[b]->available())
            continue;
        m = open_path(r->model, backends[b]->name, MK_ACT_Q8);
        c = open_ctx(m, 64, 64, 1);
        compute(c, new_seq(c), r->prompt, r->n_prompt, MK_WANT_LAST, x);
        ck_assert_msg(nmse_of(x, r) <= 1e-2, "NMSE on %s is %g",
                      backends[b]->name, nmse_of(x, r));
        if (margin > 0.3)
            ck_assert_int_eq((int)argmax(x, r->n_vocab), r->greedy[0]);
        mk_ctx_close(c);
        mk_model_close(m);
    }
}

START_TEST(integer_path_is_near_the_reference)
{
    struct ref r;

    open_ref(&r, models[_i]);
    check_integers(&r);
    json_free(r.j);
}
END_TEST

START_TEST(other_members_of_families_are_right_too)
{
    const char *index = t_shared(SHARED "index.json");
    char folder[256];
    struct ref r;

    if (!index)
        return;
    snprintf(folder, sizeof folder, "%.*s",
             (int)(strlen(index) - strlen("index.json")), index);
    open_ref_in(&r, folder, shared_models[_i]);
    check_floats(&r);
    check_integers(&r);
    json_free(r.j);
}
END_TEST

/* --- the same bits, whatever else is going on ----------------------------- */

/* Mixed types, plain floats, ALiBi, learned positions, a bias of logits, scales
 * of them, windows. */
static const char *const bit_models[] = {
    "qwen2-q4km", "qwen2-q3k", "llama2-gqa", "bloom", "gpt2",
    "moss",       "minicpm",   "qwen2moe",   "gemma3"
};
#define N_BIT_MODELS (sizeof bit_models / sizeof bit_models[0])

struct bits {
    struct mk_model *m;
    int32_t prompt[MAX_PROMPT];
    size_t n, n_vocab;
    float want[MAX_VOCAB]; /* last logits, computed alone in one batch */
};

#define PROMPT 70 /* ends inside the third KV block */

static void check_bits(const struct bits *b, const float *got, const char *what)
{
    ck_assert_msg(memcmp(got, b->want, b->n_vocab * sizeof *got) == 0,
                  "other bits %s", what);
}

static void open_bits(struct bits *b, const char *model, const char *device,
                      enum mk_activations act)
{
    struct mk_ctx *c;

    b->m = open_tiny(model, device, act);
    b->n = PROMPT;
    b->n_vocab = (size_t)mk_model_info(b->m)->n_vocab;
    some_tokens(b->prompt, b->n, (int)b->n_vocab, 0);
    c = open_ctx(b->m, 128, 128, 1);
    compute(c, new_seq(c), b->prompt, b->n, MK_WANT_LAST, b->want);
    mk_ctx_close(c);
}

static void same_for_batches_and_threads(const struct bits *b)
{
    static const struct {
        size_t n_batch;
        int threads;
    } ways[] = { { 1, 2 }, { 7, 3 }, { 32, 1 }, { 33, 2 }, { 64, 3 } };
    size_t n = full_mode() ? 5 : 2;
    float x[MAX_VOCAB];

    for (size_t i = 0; i < n; i++) {
        struct mk_ctx *c = open_ctx(b->m, 96, ways[i].n_batch, ways[i].threads);
        compute(c, new_seq(c), b->prompt, b->n, MK_WANT_LAST, x);
        check_bits(b, x, "in other chunks or threads");
        mk_ctx_close(c);
    }
}

static void same_token_by_token(const struct bits *b)
{
    struct mk_ctx *c = open_ctx(b->m, 96, 16, 1);
    int32_t seq = new_seq(c);
    float x[MAX_VOCAB];

    for (size_t i = 0; i < b->n; i++)
        compute(c, seq, &b->prompt[i], 1, MK_WANT_LAST, x);
    check_bits(b, x, "token by token");
    mk_ctx_close(c);
}

/* The fork shares whole blocks and copies a part of one; the source goes on
 * another way and must not disturb it. */
static void same_after_a_fork(const struct bits *b)
{
    static const size_t cuts[] = { 33, 64, 69, 1, 31, 32 };
    size_t n = full_mode() ? 6 : 3;
    float x[MAX_VOCAB];

    for (size_t i = 0; i < n; i++) {
        struct mk_ctx *c = open_ctx(b->m, 320, 64, 2);
        int32_t src = new_seq(c), fork, other[20];
        compute(c, src, b->prompt, b->n, MK_WANT_NONE, NULL);
        fork = fork_seq(c, src, cuts[i]);
        some_tokens(other, 20, (int)b->n_vocab, 9);
        compute(c, src, other, 20, MK_WANT_NONE, NULL);
        compute(c, fork, b->prompt + cuts[i], b->n - cuts[i], MK_WANT_LAST, x);
        check_bits(b, x, "after a fork");
        ck_assert_uint_eq(mk_seq_len(c, src), b->n + 20);
        ck_assert_uint_eq(mk_seq_len(c, fork), b->n);
        mk_ctx_close(c);
    }
}

static void same_after_a_trim(const struct bits *b)
{
    struct mk_ctx *c = open_ctx(b->m, 160, 64, 1);
    int32_t seq = new_seq(c), keep, other[30];
    char err[MK_ERR_LEN];
    float x[MAX_VOCAB];

    some_tokens(other, 30, (int)b->n_vocab, 5);
    compute(c, seq, b->prompt, 40, MK_WANT_NONE, NULL);
    compute(c, seq, other, 30, MK_WANT_NONE, NULL);
    keep = fork_seq(c, seq, 70);
    ok(mk_seq_trim(c, seq, 40, err), err);
    compute(c, seq, b->prompt + 40, b->n - 40, MK_WANT_LAST, x);
    check_bits(b, x, "after a trim of a shared block");
    ck_assert_uint_eq(mk_seq_len(c, keep), 70);
    mk_ctx_close(c);
}

#define N_OTHERS 8

/* Sequence 3 of eight; the others have other tokens and lengths. */
static void same_among_others(const struct bits *b)
{
    struct mk_ctx *c = open_ctx(b->m, 1024, 100, 2);
    static int32_t tokens[N_OTHERS][MAX_PROMPT];
    struct mk_piece p[N_OTHERS];
    float x[MAX_VOCAB], y[MAX_VOCAB];
    char err[MK_ERR_LEN];

    for (uint32_t i = 0; i < N_OTHERS; i++) {
        size_t n = 5 + 7 * i;
        some_tokens(tokens[i], n, (int)b->n_vocab, i + 1);
        p[i] =
            (struct mk_piece){ .seq = new_seq(c), .tokens = tokens[i], .n = n };
        if (i % 2) {
            p[i].want = MK_WANT_LAST;
            p[i].logits = y;
        }
    }
    p[3].tokens = b->prompt;
    p[3].n = b->n;
    p[3].logits = x;
    ok(mk_compute(c, p, N_OTHERS, err), err);
    check_bits(b, x, "in a batch of eight sequences");
    mk_ctx_close(c);
}

static void same_for_some_entries(const struct bits *b)
{
    static const int32_t ids[] = { 3, 500, 17, 17, 0 };
    struct mk_ctx *c = open_ctx(b->m, 96, 64, 2);
    struct mk_piece p = { .seq = new_seq(c),
                          .tokens = b->prompt,
                          .n = b->n,
                          .want = MK_WANT_LAST,
                          .ids = ids,
                          .n_ids = 5 };
    float x[5];
    char err[MK_ERR_LEN];

    p.logits = x;
    ok(mk_compute(c, &p, 1, err), err);
    for (size_t i = 0; i < 5; i++)
        ck_assert_msg(memcmp(&x[i], &b->want[ids[i]], sizeof x[i]) == 0,
                      "entry %zu is %a, expected %a", i, (double)x[i],
                      (double)b->want[ids[i]]);
    mk_ctx_close(c);
}

/* Logits of all positions come in groups; the last is the one we know. */
static void same_for_all_positions(const struct bits *b)
{
    struct mk_ctx *c = open_ctx(b->m, 96, 64, 1);
    float *x = mem_array(b->n * b->n_vocab, sizeof *x);

    ck_assert_ptr_nonnull(x);
    compute(c, new_seq(c), b->prompt, b->n, MK_WANT_ALL, x);
    check_bits(b, x + (b->n - 1) * b->n_vocab, "with all logits wanted");
    mem_free(x);
    mk_ctx_close(c);
}

static void check_invariance(const char *model, const char *device,
                             enum mk_activations act)
{
    struct bits b;

    open_bits(&b, model, device, act);
    same_after_a_fork(&b);
    same_after_a_trim(&b);
    same_for_some_entries(&b);
    if (full_mode() || strcmp(device, "ref") != 0) {
        same_for_batches_and_threads(&b);
        same_token_by_token(&b);
        same_among_others(&b);
        same_for_all_positions(&b);
    }
    mk_model_close(b.m);
}

/* For `make check` the first and the last model are enough, and a part of one
 * of them on the reference backend, which is slow. */
static bool worth_checking(const struct backend *b, size_t model,
                           enum mk_activations act)
{
    if (!b->available())
        return false;
    if (full_mode())
        return true;
    return b == &backend_ref ? model == 0 && act == MK_ACT_Q8
                             : model == 0 || model == N_BIT_MODELS - 1;
}

START_TEST(results_have_the_same_bits_in_any_batch)
{
    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (worth_checking(backends[i], (size_t)_i, MK_ACT_Q8))
            check_invariance(bit_models[_i], backends[i]->name, MK_ACT_Q8);
        if (worth_checking(backends[i], (size_t)_i, MK_ACT_F32))
            check_invariance(bit_models[_i], backends[i]->name, MK_ACT_F32);
    }
}
END_TEST

/* Models whose tokens depend on the prompt as a whole, in every way that such a
 * prompt may be computed: at once, with more behind it, after a fork. */
#define WHOLE 52 /* tokens of the prompt, of PROMPT in all */

static void open_whole(struct bits *b, size_t model, const char *device,
                       enum mk_activations act)
{
    static const char *const names[] = { "chatglm1", "qwen1-ntk" };
    struct mk_piece p = { .n_prompt = WHOLE, .want = MK_WANT_LAST };
    struct mk_ctx *c;
    char err[MK_ERR_LEN];

    b->m = open_tiny(names[model], device, act);
    b->n = PROMPT;
    b->n_vocab = (size_t)mk_model_info(b->m)->n_vocab;
    some_tokens(b->prompt, b->n, 400, 0);
    for (size_t i = 0; i < b->n; i++)
        b->prompt[i] += 10;
    b->prompt[WHOLE - 5] = 4; /* [gMASK], with an end of its own */
    b->prompt[WHOLE - 1] = 6; /* <sop> */
    c = open_ctx(b->m, 128, 128, 1);
    p.seq = new_seq(c);
    p.tokens = b->prompt;
    p.n = b->n;
    p.logits = b->want;
    ok(mk_compute(c, &p, 1, err), err);
    mk_ctx_close(c);
}

static void whole_in_pieces(const struct bits *b, size_t n_batch, int threads)
{
    struct mk_ctx *c = open_ctx(b->m, 512, n_batch, threads);
    int32_t seq = new_seq(c), fork;
    float x[MAX_VOCAB];

    compute(c, seq, b->prompt, WHOLE, MK_WANT_NONE, NULL);
    fork = fork_seq(c, seq, WHOLE);
    for (size_t i = WHOLE; i < b->n; i++)
        compute(c, seq, &b->prompt[i], 1, MK_WANT_LAST, x);
    check_bits(b, x, "token by token after the prompt");
    compute(c, fork, b->prompt + WHOLE, 8, MK_WANT_NONE, NULL);
    fork = fork_seq(c, fork, WHOLE + 3);
    compute(c, fork, b->prompt + WHOLE + 3, b->n - WHOLE - 3, MK_WANT_LAST, x);
    check_bits(b, x, "after a fork behind the prompt");
    mk_ctx_close(c);
}

/* Others of other lengths, in small chunks. */
static void whole_among_others(const struct bits *b)
{
    struct mk_ctx *c = open_ctx(b->m, 1024, 30, 2);
    static int32_t tokens[N_OTHERS][MAX_PROMPT];
    struct mk_piece p[N_OTHERS];
    float x[MAX_VOCAB];
    char err[MK_ERR_LEN];

    for (uint32_t i = 0; i < N_OTHERS; i++) {
        size_t n = 5 + 7 * i;
        some_tokens(tokens[i], n, 400, i + 1);
        tokens[i][n - 3] = 4;
        tokens[i][n - 2] = 6;
        p[i] =
            (struct mk_piece){ .seq = new_seq(c), .tokens = tokens[i], .n = n };
    }
    p[3] = (struct mk_piece){ .seq = p[3].seq,
                              .tokens = b->prompt,
                              .n = b->n,
                              .n_prompt = WHOLE,
                              .want = MK_WANT_LAST,
                              .logits = x };
    ok(mk_compute(c, p, N_OTHERS, err), err);
    check_bits(b, x, "in a batch of eight sequences");
    mk_ctx_close(c);
}

START_TEST(whole_prompts_have_the_same_bits_in_any_batch)
{
    for (size_t i = 0; i < N_BACKENDS; i++)
        for (int act = MK_ACT_Q8; act <= MK_ACT_F32; act++) {
            struct bits b;
            if (!backends[i]->available())
                continue;
            open_whole(&b, (size_t)_i, backends[i]->name,
                       (enum mk_activations)act);
            whole_in_pieces(&b, 1, 3);
            whole_in_pieces(&b, 64, 2);
            whole_among_others(&b);
            mk_model_close(b.m);
        }
}
END_TEST

START_TEST(parts_of_whole_prompts_are_refused)
{
    struct bits b;
    struct mk_ctx *c;
    int32_t seq, fork;
    char err[MK_ERR_LEN];
    struct mk_piece p;

    open_whole(&b, (size_t)_i, "auto", MK_ACT_F32);
    ck_assert(mk_model_info(b.m)->whole_prompt);
    c = open_ctx(b.m, 128, 128, 1);
    seq = new_seq(c);
    compute(c, seq, b.prompt, WHOLE, MK_WANT_NONE, NULL);
    ck_assert_int_eq(mk_seq_fork(c, seq, WHOLE - 1, &fork, err), MK_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err, "51 tokens of a prompt of 52"));
    ck_assert_int_eq(mk_seq_trim(c, seq, 1, err), MK_EUSAGE);
    ok(mk_seq_trim(c, seq, WHOLE, err), err);
    ok(mk_seq_fork(c, seq, 0, &fork, err), err);
    ok(mk_seq_trim(c, seq, 0, err), err);
    p = (struct mk_piece){ .seq = seq, .tokens = b.prompt, .n = WHOLE - 1 };
    ck_assert_int_eq(mk_compute(c, &p, 1, err), _i == 0 ? MK_EUSAGE : MK_OK);
    ck_assert_uint_eq(mk_seq_len(c, seq), _i == 0 ? 0 : WHOLE - 1);
    mk_ctx_close(c);
    mk_model_close(b.m);
}
END_TEST

/* chatglm1 was trained for 256 positions: so many are computed at once. */
START_TEST(prompts_that_must_be_computed_at_once_have_a_limit)
{
    struct mk_model *m = open_tiny("chatglm1", "auto", MK_ACT_F32);
    struct mk_ctx *c = open_ctx(m, 512, 32, 1);
    static int32_t tokens[400];
    struct mk_piece p = { .seq = new_seq(c), .tokens = tokens, .n = 400 };
    char err[MK_ERR_LEN];

    some_tokens(tokens, 400, 400, 1);
    for (size_t i = 0; i < 400; i++)
        tokens[i] += 10;
    tokens[256] = 4;
    tokens[257] = 6;
    ck_assert_int_eq(mk_compute(c, &p, 1, err), MK_ELIMIT);
    ck_assert_ptr_nonnull(strstr(err, "256 are computed at once"));
    tokens[255] = 4;
    tokens[256] = 6;
    ok(mk_compute(c, &p, 1, err), err);
    mk_ctx_close(c);
    mk_model_close(m);
}
END_TEST

/* --- sequences and refusals ----------------------------------------------- */

START_TEST(blocks_are_shared_and_given_back)
{
    struct mk_model *m = open_tiny("smollm2", "auto", MK_ACT_Q8);
    struct mk_ctx *c = open_ctx(m, 256, 64, 1);
    int32_t tokens[80], a, b;
    char err[MK_ERR_LEN];

    some_tokens(tokens, 80, mk_model_info(m)->n_vocab, 1);
    ck_assert_uint_eq(mk_free_positions(c), 256);
    a = new_seq(c);
    compute(c, a, tokens, 80, MK_WANT_NONE, NULL);
    ck_assert_uint_eq(mk_free_positions(c), 256 - 96);
    b = fork_seq(c, a, 70);
    ck_assert_uint_eq(mk_free_positions(c), 256 - 96);
    compute(c, b, tokens, 1, MK_WANT_NONE, NULL); /* copies one block */
    ck_assert_uint_eq(mk_free_positions(c), 256 - 128);
    mk_seq_free(c, a);
    ck_assert_uint_eq(mk_free_positions(c), 256 - 96);
    ok(mk_seq_trim(c, b, 32, err), err);
    ck_assert_uint_eq(mk_free_positions(c), 256 - 32);
    mk_seq_free(c, b);
    mk_seq_free(c, b); /* a second time does nothing */
    ck_assert_uint_eq(mk_free_positions(c), 256);
    ck_assert_int_eq(new_seq(c), 0);
    mk_ctx_close(c);
    mk_model_close(m);
}
END_TEST

static void refused(struct mk_ctx *c, const struct mk_piece *p, size_t n,
                    int status, const char *words)
{
    size_t before = mk_free_positions(c);
    char err[MK_ERR_LEN];

    ck_assert_int_eq(mk_compute(c, p, n, err), status);
    ck_assert_msg(strstr(err, words) != NULL, "\"%s\" has no \"%s\"", err,
                  words);
    ck_assert_uint_eq(mk_free_positions(c), before);
    for (size_t i = 0; i < n; i++)
        if (p[i].seq == 0)
            ck_assert_uint_eq(mk_seq_len(c, 0), 5);
}

START_TEST(refusals_leave_sequences_as_they_were)
{
    struct mk_model *m = open_tiny("smollm2", "auto", MK_ACT_Q8);
    struct mk_ctx *c = open_ctx(m, 64, 64, 1);
    int32_t tokens[70], n_vocab = mk_model_info(m)->n_vocab;
    float x[MAX_VOCAB];
    struct mk_piece p[2];
    char err[MK_ERR_LEN];

    some_tokens(tokens, 70, n_vocab, 1);
    compute(c, new_seq(c), tokens, 5, MK_WANT_LAST, x);
    p[0] = (struct mk_piece){ .seq = 0, .tokens = tokens, .n = 70 };
    refused(c, p, 1, MK_ELIMIT, "64 positions of the KV cache, 32 are free");
    p[0].n = 3;
    p[1] = (struct mk_piece){ .seq = 0, .tokens = tokens, .n = 1 };
    refused(c, p, 2, MK_EUSAGE, "occurs twice");
    p[1].seq = 7;
    refused(c, p, 2, MK_EUSAGE, "there is no sequence 7");
    p[0].n = 0;
    refused(c, p, 1, MK_EUSAGE, "no tokens");
    p[0].n = 3;
    p[0].want = MK_WANT_LAST;
    refused(c, p, 1, MK_EUSAGE, "no room");
    p[0].logits = x;
    p[0].ids = &n_vocab;
    p[0].n_ids = 1;
    refused(c, p, 1, MK_EUSAGE, "wanted token 0 is");
    tokens[2] = n_vocab;
    refused(c, p, 1, MK_EUSAGE, "token 2 is");
    tokens[2] = -1;
    refused(c, p, 1, MK_EUSAGE, "token 2 is -1");
    ck_assert_int_eq(mk_seq_fork(c, 0, 6, &p[1].seq, err), MK_EUSAGE);
    ck_assert_int_eq(mk_seq_fork(c, 9, 1, &p[1].seq, err), MK_EUSAGE);
    ck_assert_int_eq(mk_seq_trim(c, 0, 6, err), MK_EUSAGE);
    ck_assert_uint_eq(mk_seq_len(c, 44), 0);
    tokens[2] = 0;
    compute(c, 0, tokens, 59, MK_WANT_LAST, x); /* what fits still works */
    mk_ctx_close(c);
    mk_model_close(m);
}
END_TEST

/* gpt2 has a row for each of 256 positions. */
START_TEST(there_are_as_many_positions_as_the_model_has)
{
    struct mk_model *m = open_tiny("gpt2", "auto", MK_ACT_F32);
    struct mk_ctx *c = open_ctx(m, 512, 64, 1);
    int32_t tokens[257], seq = new_seq(c);
    struct mk_piece p = { .seq = seq, .tokens = tokens, .n = 257 };
    char err[MK_ERR_LEN];
    float x[MAX_VOCAB];

    some_tokens(tokens, 257, mk_model_info(m)->n_vocab, 1);
    ck_assert_int_eq(mk_compute(c, &p, 1, err), MK_ELIMIT);
    ck_assert_ptr_nonnull(strstr(err, "the model has 256 positions"));
    compute(c, seq, tokens, 256, MK_WANT_LAST, x);
    p.n = 1;
    ck_assert_int_eq(mk_compute(c, &p, 1, err), MK_ELIMIT);
    ck_assert_uint_eq(mk_seq_len(c, seq), 256);
    mk_ctx_close(c);
    mk_model_close(m);
}
END_TEST

/* --- models --------------------------------------------------------------- */

START_TEST(figures_of_a_model_are_right)
{
    struct mk_model *m = open_tiny("qwen2-q4km", "ref", MK_ACT_Q8);
    const struct mk_model_info *i = mk_model_info(m);
    uint64_t n = 0, products = 0, bytes = 0;
    const char *name, *type;
    int64_t d[4];

    for (size_t t = 0; t < i->n_tensors; t++) {
        ck_assert_int_eq(mk_model_tensor(m, t, &name, &type, d, &bytes), 0);
        n += (uint64_t)(d[0] * d[1] * d[2] * d[3]);
        if (d[1] > 1)
            products += (uint64_t)(d[0] * d[1]);
    }
    ck_assert_int_ne(mk_model_tensor(m, i->n_tensors, &name, &type, d, &bytes),
                     0);
    ck_assert_uint_eq(i->n_params, n);
    ck_assert_uint_eq(i->matmul_params, products);
    ck_assert_str_eq(i->arch, "qwen2");
    ck_assert_str_eq(i->file_type, "Q4_K");
    ck_assert_uint_eq(i->kv_bytes, 2u * 2 * (uint64_t)i->n_layer *
                                       (uint64_t)i->n_kv_head *
                                       (uint64_t)i->head_dim);
    ck_assert_uint_lt(i->decode_bytes, i->file_bytes);
    ck_assert_uint_gt(i->decode_bytes, products / 2);
    mk_model_close(m);
}
END_TEST

START_TEST(metadata_is_shown_as_text)
{
    struct mk_model *m = open_tiny("qwen2-q4km", "ref", MK_ACT_Q8);
    const char *key, *type;
    char value[64];
    int seen = 0;

    for (size_t i = 0; i < mk_model_info(m)->n_meta; i++) {
        ck_assert_int_eq(mk_model_meta(m, i, &key, &type, value, 64), MK_OK);
        if (strcmp(key, "general.architecture") == 0) {
            ck_assert_str_eq(type, "string");
            ck_assert_str_eq(value, "qwen2");
            seen++;
        }
        if (strcmp(key, "tokenizer.ggml.tokens") == 0) {
            ck_assert_str_eq(type, "array");
            ck_assert_msg(strncmp(value, "string[512]: ", 13) == 0, "%s",
                          value);
            seen++;
        }
        if (strcmp(key, "qwen2.block_count") == 0) {
            ck_assert_int_eq(atoi(value), mk_model_info(m)->n_layer);
            seen++;
        }
    }
    ck_assert_int_eq(seen, 3);
    mk_model_close(m);
}
END_TEST

START_TEST(context_bytes_follow_the_positions)
{
    struct mk_model *m = open_tiny("smollm2", "ref", MK_ACT_F32);
    struct mk_ctx_params a = { 1, 64, 32 }, b = { 1, 64 + 320, 32 };
    uint64_t more = mk_ctx_bytes(m, &b) - mk_ctx_bytes(m, &a);

    ck_assert_uint_ge(more, 320 * mk_model_info(m)->kv_bytes);
    ck_assert_uint_le(more, 320 * mk_model_info(m)->kv_bytes + 320);
    mk_model_close(m);
}
END_TEST

START_TEST(impossible_contexts_are_refused)
{
    struct mk_model_params vocab_only = { .vocab_only = true };
    struct mk_ctx_params huge = { 1, (size_t)1 << 40, 0 };
    struct mk_ctx_params batch = { 1, 0, (size_t)1 << 40 };
    struct mk_ctx_params threads = { -1, 0, 0 };
    struct mk_model *m = open_tiny("smollm2", "ref", MK_ACT_F32);
    struct mk_ctx *c;
    char err[MK_ERR_LEN];

    ck_assert_int_eq(mk_ctx_open(&c, m, &huge, err), MK_ELIMIT);
    ck_assert_int_eq(mk_ctx_open(&c, m, &batch, err), MK_ELIMIT);
    ck_assert_int_eq(mk_ctx_open(&c, m, &threads, err), MK_EUSAGE);
    mk_model_close(m);
    ok(mk_model_open(&m, TINY "smollm2.gguf", &vocab_only, err), err);
    ck_assert_int_eq(mk_ctx_open(&c, m, NULL, err), MK_EUSAGE);
    ck_assert_int_eq(mk_model_info(m)->n_vocab, 512);
    mk_model_close(m);
}
END_TEST

/* Writes a copy of a tiny model in which the bytes at the first place where
 * `find` ends (plus skip) are changed. */
static const char *patched(const char *name, const char *find, size_t skip,
                           const void *bytes, size_t n)
{
    static char path[256];
    struct buf b;
    struct err e;
    char *at;

    snprintf(path, sizeof path, TINY "%s.gguf", name);
    t_read(path, &b);
    at = memmem(b.p, b.n, find, strlen(find));
    ck_assert_ptr_nonnull(at);
    memcpy(at + strlen(find) + skip, bytes, n);
    snprintf(path, sizeof path, "%s/patched.gguf", t_tmp());
    t_ok(io_replace(path, buf_view(&b), &e), &e);
    buf_free(&b);
    return path;
}

static void check_refused(const char *path, const char *words)
{
    struct mk_model *m;
    char err[MK_ERR_LEN];

    ck_assert_int_eq(mk_model_open(&m, path, NULL, err), MK_EFORMAT);
    ck_assert_ptr_null(m);
    ck_assert_msg(strstr(err, words) != NULL, "\"%s\" has no \"%s\"", err,
                  words);
}

/* Behind a key lie its type (u32) and, for numbers, the value. */
START_TEST(models_that_do_not_fit_are_refused)
{
    uint32_t zero = 0, five = 5;
    float nan_value = NAN;

    check_refused(patched("yi", "general.architecture", 4 + 8, "lxama", 5),
                  "\"lxama\" are not supported; known are baichuan, bloom");
    check_refused(patched("yi", "llama.block_count", 4, &zero, 4),
                  "llama.block_count is 0, expected 1");
    check_refused(patched("yi", "llama.block_count", 4, &five, 4),
                  ".weight is missing");
    check_refused(patched("yi", "llama.attention.head_count_kv", 4, &five, 4),
                  "heads cannot share 5 key heads");
    check_refused(patched("yi", "llama.embedding_length", 4, &five, 4),
                  "heads do not fit 5 columns");
    check_refused(patched("yi", "llama.attention.layer_norm_rms_epsilon", 4,
                          &nan_value, 4),
                  "expected a number above 0");
    check_refused(patched("yi", "blk.0.ffn_gat", 0, "x", 1),
                  "blk.0.ffn_gate.weight is missing");
    check_refused(patched("llama3-rope", "rope_freq", 0, "x", 1),
                  "rope_freqx.weight is not part of a llama model");
}
END_TEST

#define ARCH_ENTRY(name) &arch_##name,
static const struct arch *const archs[] = { ARCHS(ARCH_ENTRY) };
#define N_ARCHS (sizeof archs / sizeof archs[0])

/* A row needs a tiny model of its family among the golden ones. */
static bool has_golden_model(const char *arch)
{
    for (size_t i = 0; i < N_MODELS; i++) {
        struct ref r;
        bool same;
        open_ref(&r, models[i]);
        same = strcmp(json_string(json_get(r.j, "arch")), arch) == 0;
        json_free(r.j);
        if (same)
            return true;
    }
    return false;
}

START_TEST(tables_are_whole)
{
    for (size_t i = 0; i < N_ARCHS; i++) {
        const struct arch *a = archs[i];
        ck_assert(a->name && a->doc && a->load && a->forward);
        ck_assert_ptr_eq(arch_find(str_of(a->name), NULL), a);
        ck_assert(i == 0 || strcmp(archs[i - 1]->name, a->name) < 0);
        ck_assert_msg(has_golden_model(a->name), "no model of %s", a->name);
    }
    for (size_t i = 0; i < N_BACKENDS; i++) {
        const struct backend *b = backends[i];
        ck_assert(b->name && b->doc && b->available && b->open && b->close);
        ck_assert(b->alloc && b->free && b->upload && b->download);
        ck_assert(b->mat_open && b->mat_close && b->mat_bytes && b->embed);
        ck_assert(b->matmul && b->matmul_rows && b->norm && b->rope);
        ck_assert(b->glu && b->add && b->gather && b->scatter && b->copy);
        ck_assert(b->kv_open && b->kv_close);
        ck_assert(b->kv_bytes && b->kv_put && b->kv_copy && b->attention);
    }
}
END_TEST

START_TEST(devices_are_chosen_by_name)
{
    struct mk_model_params p = { .device = "abacus" };
    struct mk_model *m;
    char err[MK_ERR_LEN];

    ck_assert_int_eq(mk_model_open(&m, TINY "yi.gguf", &p, err), MK_ENOENV);
    ck_assert_ptr_nonnull(strstr(err, "abacus"));
    p.device = "ref";
    ok(mk_model_open(&m, TINY "yi.gguf", &p, err), err);
    ck_assert_str_eq(mk_model_info(m)->device, "ref");
    mk_model_close(m);
    p.device = NULL;
    ok(mk_model_open(&m, TINY "yi.gguf", &p, err), err);
    for (size_t i = 0; i < N_BACKENDS; i++)
        if (backends[i]->available()) {
            ck_assert_str_eq(mk_model_info(m)->device, backends[i]->name);
            break;
        }
    mk_model_close(m);
}
END_TEST

START_TEST(one_model_serves_several_contexts)
{
    struct mk_model *m = open_tiny("qwen2-q4km", "auto", MK_ACT_Q8);
    struct mk_ctx *a = open_ctx(m, 64, 16, 1), *b = open_ctx(m, 64, 16, 2);
    float x[MAX_VOCAB], y[MAX_VOCAB];
    int32_t tokens[20];

    some_tokens(tokens, 20, mk_model_info(m)->n_vocab, 3);
    compute(a, new_seq(a), tokens, 20, MK_WANT_LAST, x);
    compute(b, new_seq(b), tokens, 20, MK_WANT_LAST, y);
    ck_assert_mem_eq(x, y, sizeof(float) * 512);
    mk_ctx_close(a);
    mk_ctx_close(b);
    mk_model_close(m);
}
END_TEST

/* What fuzzing found, and its seeds: opened and computed, or refused. */
START_TEST(files_of_the_fuzzer_do_no_harm)
{
    struct mk_model_params mp = { .device = "ref", .n_threads = 1 };
    struct arena a;
    struct err e;
    char **names, err[MK_ERR_LEN];
    size_t n, opened = 0;

    arena_init(&a, 0);
    t_ok(io_list(SEEDS, &a, &names, &n, &e), &e);
    for (size_t i = 0; i < n; i++) {
        static const int32_t tokens[] = { 0, 1, 2, 3, 4, 5 };
        struct mk_model *m;
        struct mk_ctx *c;
        float x[MAX_VOCAB];
        if (mk_model_open(&m, io_join(&a, SEEDS, names[i]), &mp, err))
            continue;
        c = open_ctx(m, 64, 4, 1);
        compute(c, new_seq(c), tokens, 6, MK_WANT_LAST, x);
        ck_assert(isfinite(x[0]));
        mk_ctx_close(c);
        mk_model_close(m);
        opened++;
    }
    ck_assert_uint_ge(opened, 4);
    arena_free(&a);
}
END_TEST

/* Opens, computes, closes; every allocation fails once on the way. */
static int whole_life(char *err)
{
    struct mk_model_params mp = { .device = "ref", .n_threads = 1 };
    struct mk_ctx_params cp = { 1, 64, 8 };
    struct mk_model *m = NULL;
    struct mk_ctx *c = NULL;
    int32_t tokens[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, seq = 0, fork = 0;
    float x[MAX_VOCAB];
    struct mk_piece p = {
        .tokens = tokens, .n = 9, .want = MK_WANT_LAST, .logits = x
    };
    int rc = mk_model_open(&m, TINY "smollm2.gguf", &mp, err);

    rc = rc ? rc : mk_ctx_open(&c, m, &cp, err);
    rc = rc ? rc : mk_seq_new(c, &seq, err);
    p.seq = seq;
    rc = rc ? rc : mk_compute(c, &p, 1, err);
    rc = rc ? rc : mk_seq_fork(c, seq, 5, &fork, err);
    mk_ctx_close(c);
    mk_model_close(m);
    return rc;
}

/* A failure that has a way around it (a pattern runs without its compiled form)
 * does not end the run. */
START_TEST(no_memory_is_reported_and_nothing_leaks)
{
    char err[MK_ERR_LEN];
    size_t before = mem_count(), n_allocs, n_failed = 0;

    ok(whole_life(err), err);
    n_allocs = mem_count() - before;
    for (size_t n = 1; n <= n_allocs; n += full_mode() ? 1 : 3) {
        int rc;
        mem_fail_at(n, false);
        rc = whole_life(err);
        mem_fail_at(0, false);
        ck_assert_msg(rc == MK_OK || rc == MK_ENOMEM,
                      "allocation %zu: status %d, %s", n, rc, err);
        n_failed += rc != MK_OK;
    }
    ck_assert_uint_gt(n_failed, full_mode() ? 50 : 17);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, float_path_gives_the_reference_logits, 0,
                        (int)N_MODELS);
    tcase_add_loop_test(tc, integer_path_is_near_the_reference, 0,
                        (int)N_MODELS);
    tcase_add_loop_test(tc, other_members_of_families_are_right_too, 0,
                        (int)N_SHARED_MODELS);
    tcase_add_loop_test(tc, results_have_the_same_bits_in_any_batch, 0,
                        (int)N_BIT_MODELS);
    tcase_add_loop_test(tc, whole_prompts_have_the_same_bits_in_any_batch, 0,
                        2);
    tcase_add_loop_test(tc, parts_of_whole_prompts_are_refused, 0, 2);
    tcase_add_test(tc, prompts_that_must_be_computed_at_once_have_a_limit);
    tcase_add_test(tc, blocks_are_shared_and_given_back);
    tcase_add_test(tc, refusals_leave_sequences_as_they_were);
    tcase_add_test(tc, there_are_as_many_positions_as_the_model_has);
    tcase_add_test(tc, figures_of_a_model_are_right);
    tcase_add_test(tc, metadata_is_shown_as_text);
    tcase_add_test(tc, context_bytes_follow_the_positions);
    tcase_add_test(tc, impossible_contexts_are_refused);
    tcase_add_test(tc, models_that_do_not_fit_are_refused);
    tcase_add_test(tc, tables_are_whole);
    tcase_add_test(tc, devices_are_chosen_by_name);
    tcase_add_test(tc, one_model_serves_several_contexts);
    tcase_add_test(tc, files_of_the_fuzzer_do_no_harm);
    tcase_add_test(tc, no_memory_is_reported_and_nothing_leaks);
}
T_MAIN("engine", setup)
