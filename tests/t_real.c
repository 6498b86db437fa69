/* Real models: next-token logits, letters and greedy runs against those of the
 * float32 originals.
 *
 * With MK_ACT_F32 they must agree within float rounding.  With MK_ACT_Q8 the
 * test holds the engine to what other engines with int8 activations reach on
 * the same file and prints its own worst difference beside theirs.  Of one
 * model there is no float32 reference, only another engine's with int8
 * activations: two int8 paths, or one and the exact one, differ by no more than
 * the bars.  Quick mode takes one prompt and one chat of the smallest model. */
#include "engine/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "tests/t.h"

#define MAX_IDS 512
/* Greedy steps of a prompt in full mode: sanitised steps take five times as
 * long and show no other numbers. */
#ifdef __SANITIZE_ADDRESS__
#define MAX_STEPS 4
#else
#define MAX_STEPS 32
#endif

struct real {
    const char *name;
    double bar;    /* float path, a logit */
    double q8_bar; /* int8 path, a top-5 logit or a letter's logprob */
};

/* The int8 bars are what llama.cpp's own worst differences are, and a half.  Of
 * the last model its figures are all there is, so that both bars hold its error
 * too: largest for letters that are all but impossible. */
static const struct real reals[] = {
    { "smollm2-135m-instruct-q4_1", 1e-3, 0.57 },
    { "qwen2.5-coder-0.5b-instruct-q4_k_m", 1e-3, 0.45 },
    { "gemma3-270m-q4_k_m", 0.02, 0.96 },
    { "qwen2.5-coder-1.5b-instruct-q4_k_m", 0.6, 0.6 },
};
#define N_REALS (sizeof reals / sizeof reals[0])

/* One model, opened, with its reference. */
struct run {
    const struct real *real;
    struct mk_model *m;
    struct mk_ctx *c;
    struct json *j;
    float *logits;
    size_t n_vocab;
    double bar, margin; /* greedy is compared above this margin */
    struct worst {
        double top, letter;
    } worst, theirs;
    size_t n_steps;
};

static bool full_mode(void)
{
    const char *mode = getenv("MOKAO_TEST_MODE");
    return mode && strcmp(mode, "full") == 0;
}

static void ok(int rc, const char *err)
{
    ck_assert_msg(rc == MK_OK, "status %d: %s", rc, err);
}

static bool open_run(struct run *r, const struct real *real,
                     enum mk_activations act)
{
    struct mk_model_params mp = { .activations = act };
    struct mk_ctx_params cp = { 0, 512, 256 };
    char name[256], err[MK_ERR_LEN];
    const char *path;
    struct buf text;
    struct err e;

    snprintf(name, sizeof name, "%s.gguf", real->name);
    path = t_model(name);
    if (!path)
        return false;
    *r = (struct run){ .real = real };
    ok(mk_model_open(&r->m, path, &mp, err), err);
    ok(mk_ctx_open(&r->c, r->m, &cp, err), err);
    snprintf(name, sizeof name, "tests/golden/real/%s.json", real->name);
    t_read(name, &text);
    t_ok(json_parse(&r->j, buf_view(&text), &e), &e);
    buf_free(&text);
    r->n_vocab = (size_t)mk_model_info(r->m)->n_vocab;
    r->logits = mem_array(r->n_vocab, sizeof *r->logits);
    ck_assert_ptr_nonnull(r->logits);
    return true;
}

static void close_run(struct run *r)
{
    mem_free(r->logits);
    json_free(r->j);
    mk_ctx_close(r->c);
    mk_model_close(r->m);
}

static size_t argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static double logsumexp(const float *x, size_t n)
{
    double max = (double)x[argmax(x, n)], sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

static void compute(struct run *r, int32_t seq, const int32_t *ids, size_t n)
{
    struct mk_piece p = { .seq = seq,
                          .tokens = ids,
                          .n = n,
                          .want = MK_WANT_LAST,
                          .logits = r->logits };
    char err[MK_ERR_LEN];

    ok(mk_compute(r->c, &p, 1, err), err);
}

/* --- one prompt ----------------------------------------------------------- */

static void raise_to(double *worst, double d)
{
    *worst = d > *worst ? d : *worst;
}

static void near(const struct run *r, double got, double want,
                 const char *prompt, const char *what, double *worst)
{
    raise_to(worst, fabs(got - want));
    ck_assert_msg(fabs(got - want) <= r->bar,
                  "%s, %s: %s is %.5f, expected %.5f", r->real->name, prompt,
                  what, got, want);
}

static void check_top(struct run *r, const struct json *hf, const char *id)
{
    const struct json *t = json_child(json_get(hf, "top5"));

    for (; t; t = json_next(t))
        near(r, (double)r->logits[(size_t)json_number(json_get(t, "id"))],
             json_number(json_get(t, "logit")), id, "a top logit",
             &r->worst.top);
}

/* Log-probabilities of A ... D; their order is what an evaluation reads. */
static void check_letters(struct run *r, const struct json *hf, const char *id,
                          const char *ids_key, const char *key)
{
    double lse = logsumexp(r->logits, r->n_vocab);
    const struct json *want = json_child(json_get(hf, key));
    const struct json *ids = json_child(json_get(r->j, ids_key));

    for (; want; want = json_next(want), ids = json_next(ids)) {
        size_t token = (size_t)json_number(json_at(ids, 0));
        ck_assert_str_eq(json_key(want), json_key(ids));
        near(r, (double)r->logits[token] - lse, json_number(want), id,
             json_key(want), &r->worst.letter);
    }
}

static void check_greedy(struct run *r, const struct json *hf, int32_t seq,
                         const char *id)
{
    const struct json *want = json_child(json_get(hf, "greedy_ids"));
    const struct json *margin = json_child(json_get(hf, "greedy_margin"));
    size_t steps = 0;

    for (; want; want = json_next(want), margin = json_next(margin)) {
        int32_t next = (int32_t)argmax(r->logits, r->n_vocab);
        if (json_number(margin) < r->margin)
            break;
        ck_assert_msg(next == (int32_t)json_number(want),
                      "%s, %s: greedy token %zu is %d, expected %d",
                      r->real->name, id, steps, next, (int)json_number(want));
        r->n_steps++;
        if (++steps == (full_mode() ? MAX_STEPS : 3))
            break;
        compute(r, seq, &next, 1);
    }
}

/* What the original gave in float32, else what another engine gave. */
static const struct json *reference_of(struct run *r, const struct json *p)
{
    const struct json *hf = json_get(p, "hf_fp32");

    if (!hf) {
        r->margin = 0.5;
        return p;
    }
    raise_to(&r->theirs.top,
             json_number(json_get(hf, "max_abs_diff_of_llama_top5_logits")));
    raise_to(&r->theirs.letter,
             json_number(json_get(hf, "max_abs_diff_abcd_logprob")));
    return hf;
}

static void check_prompt(struct run *r, const struct json *p)
{
    const struct json *hf = reference_of(r, p);
    const char *id = json_string(json_get(p, "id"));
    int32_t ids[MAX_IDS], seq;
    size_t n = 0;
    char err[MK_ERR_LEN];

    for (const struct json *v = json_child(json_get(p, "prompt_ids")); v;
         v = json_next(v), n++)
        ids[n] = (int32_t)json_number(v);
    ok(mk_seq_new(r->c, &seq, err), err);
    compute(r, seq, ids, n);
    check_top(r, hf, id);
    check_letters(r, hf, id, "abcd_token_ids", "abcd_logprob");
    check_letters(r, hf, id, "space_abcd_token_ids", "space_abcd_logprob");
    check_greedy(r, hf, seq, id);
    mk_seq_free(r->c, seq);
}

static void check_list(struct run *r, const char *key)
{
    const struct json *p = json_child(json_get(r->j, key));
    size_t most = full_mode() ? 100 : 1;

    for (size_t i = 0; p && i < most; p = json_next(p), i++)
        check_prompt(r, p);
}

static void print_worst(const struct run *r, enum mk_activations act)
{
    printf("%s, %s on %s: worst top logit %.5f, letter %.5f (", r->real->name,
           act == MK_ACT_F32 ? "float32" : "int8", mk_model_info(r->m)->device,
           r->worst.top, r->worst.letter);
    if (r->theirs.top > 0)
        printf("llama.cpp with int8: %.5f, %.5f", r->theirs.top,
               r->theirs.letter);
    else
        printf("from llama.cpp with int8");
    printf("), %zu greedy tokens\n", r->n_steps);
    fflush(stdout);
}

static void check_model(const struct real *real, enum mk_activations act)
{
    struct run r;

    if (real != reals && !full_mode()) {
        t_skip("%s: only in full mode", real->name);
        return;
    }
    if (!open_run(&r, real, act))
        return;
    r.bar = act == MK_ACT_F32 ? real->bar : real->q8_bar;
    r.margin = act == MK_ACT_F32 ? 0.01 : 0.5;
    check_list(&r, "prompts");
    check_list(&r, "chats");
    ck_assert(r.n_steps > 0 || act == MK_ACT_Q8);
    print_worst(&r, act);
    close_run(&r);
}

START_TEST(float_path_agrees_with_the_original)
{
    check_model(&reals[_i], MK_ACT_F32);
}
END_TEST

START_TEST(integer_path_is_as_near_as_others)
{
    check_model(&reals[_i], MK_ACT_Q8);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, float_path_agrees_with_the_original, 0,
                        (int)N_REALS);
    tcase_add_loop_test(tc, integer_path_is_as_near_as_others, 0, (int)N_REALS);
}
T_MAIN("real", setup)
