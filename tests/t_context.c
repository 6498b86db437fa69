/* How long a sequence may be: what the model was trained for, or what its file
 * stretches that to.  Nothing is dropped or shifted to make room: what does not
 * fit is refused, with its length.  And windows, beyond which a layer does not
 * look. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/t.h"
#include "tests/tiny.h"

#define MOST_TOKENS 600

/* --- how far models reach -------------------------------------------------- */

/* Behind a key lie its type (u32) and the value. */
static const char *with_number(const char *model, const char *key,
                               uint32_t value)
{
    return tiny_patched(model, key, 4, &value, sizeof value);
}

static const struct {
    const char *model, *key;
    uint32_t trained;
    int32_t most;
} reaches[] = {
    { "qwen2", "qwen2.context_length", 40, 40 },
    /* four times the 32 positions that the file says it was trained on */
    { "qwen2-yarn", "qwen2.context_length", 32, 128 },
    { "qwen2-yarn", "qwen2.context_length", 200, 200 },
    /* linear scaling: the file's length is the stretched one */
    { "llama-linear", "llama.context_length", 64, 64 },
    { "bloom", "bloom.context_length", 50, 50 },
    /* the angles follow the prompt */
    { "qwen1-ntk", "qwen.context_length", 8, INT32_MAX },
    { "gpt2", "gpt2.context_length", 256, 256 },
};
#define N_REACHES ((int)(sizeof reaches / sizeof reaches[0]))

static void check_reach(struct mk_model *m, size_t most)
{
    struct mk_ctx *c = tiny_ctx(m, 1024, 64, 1);
    int32_t tokens[MOST_TOKENS];
    struct mk_piece p = { .seq = tiny_seq(c), .tokens = tokens, .n = most + 1 };
    char err[MK_ERR_LEN], want[80];
    float x[MAX_VOCAB];

    tiny_tokens(tokens, most + 1, mk_model_info(m)->n_vocab, 1);
    ck_assert_int_eq(mk_compute(c, &p, 1, err), MK_ELIMIT);
    snprintf(want, sizeof want,
             "%zu tokens after 0: the model was trained for %zu", most + 1,
             most);
    ck_assert_str_eq(err, want);
    ck_assert_uint_eq(mk_seq_len(c, p.seq), 0);
    tiny_compute(c, p.seq, tokens, most, MK_WANT_LAST, x);
    p.n = 1;
    ck_assert_int_eq(mk_compute(c, &p, 1, err), MK_ELIMIT);
    ck_assert_uint_eq(mk_seq_len(c, p.seq), most);
    mk_ctx_close(c);
}

START_TEST(sequences_are_as_long_as_the_model_reaches)
{
    const char *path =
        with_number(reaches[_i].model, reaches[_i].key, reaches[_i].trained);
    struct mk_model *m = tiny_open_path(path, "auto", MK_ACT_F32);
    const struct mk_model_info *info = mk_model_info(m);

    ck_assert_int_eq(info->n_ctx_train, (int)reaches[_i].trained);
    ck_assert_int_eq(info->n_ctx_most, reaches[_i].most);
    if (reaches[_i].most < MOST_TOKENS)
        check_reach(m, (size_t)reaches[_i].most);
    mk_model_close(m);
}
END_TEST

/* --- jobs ------------------------------------------------------------------ */

struct outcome {
    int status;
    char error[MK_ERR_LEN];
    enum mk_finish finish;
    size_t n_tokens;
};

static bool take(void *user, size_t job, const struct mk_result *r)
{
    struct outcome *o = (struct outcome *)user + job;

    o->status = r->status;
    snprintf(o->error, sizeof o->error, "%s", r->error);
    o->finish = r->finish;
    o->n_tokens = r->n_tokens;
    return true;
}

/* The cache has room for all of them; the model has not. */
START_TEST(prompts_beyond_the_training_fail_with_their_length)
{
    const char *path = with_number("qwen2", "qwen2.context_length", 40);
    struct mk_model *m = tiny_open_path(path, "auto", MK_ACT_Q8);
    struct mk_ctx *c = tiny_ctx(m, 512, 64, 1);
    int32_t tokens[64];
    struct mk_option option = { tokens, 43, 40 };
    struct mk_job jobs[] = {
        { .prompt = tokens, .n_prompt = 41, .max_tokens = 4 },
        { .options = &option, .n_options = 1 },
        { .prompt = tokens, .n_prompt = 38, .max_tokens = 9 },
    };
    struct outcome out[3] = { 0 };
    struct mk_jobs set = { jobs, 3, .on_result = take, .user = out };
    char err[MK_ERR_LEN];

    tiny_tokens(tokens, 64, 400, 3);
    tiny_ok(mk_jobs_run(c, &set, err), err);
    ck_assert_int_eq(out[0].status, MK_ELIMIT);
    ck_assert_str_eq(out[0].error, "the prompt has 41 tokens, the model was "
                                   "trained for 40");
    ck_assert_int_eq(out[1].status, MK_ELIMIT);
    ck_assert_str_eq(out[1].error, "option 0: the prompt has 42 tokens, the "
                                   "model was trained for 40");
    ck_assert_int_eq(out[2].status, MK_OK);
    ck_assert_int_eq(out[2].finish, MK_FINISH_CONTEXT);
    ck_assert_uint_eq(out[2].n_tokens, 3); /* the last has no place any more */
    mk_ctx_close(c);
    mk_model_close(m);
}
END_TEST

/* --- windows --------------------------------------------------------------- */

static void logits_of(const char *path, size_t n, float *x)
{
    struct mk_model *m = tiny_open_path(path, "auto", MK_ACT_F32);
    struct mk_ctx *c = tiny_ctx(m, 64, 64, 1);
    int32_t tokens[64];

    tiny_tokens(tokens, n, 400, 2);
    tiny_compute(c, tiny_seq(c), tokens, n, MK_WANT_LAST, x);
    mk_ctx_close(c);
    mk_model_close(m);
}

/* The file's window is 4: a wider one changes nothing up to four tokens. */
START_TEST(a_window_counts_beyond_itself_only)
{
    float narrow[MAX_VOCAB], wide[MAX_VOCAB];
    size_t bytes = 500 * sizeof *wide;
    const char *wider =
        with_number("gemma3", "gemma3.attention.sliding_window", 5);

    for (size_t n = 3; n <= 20; n++) {
        logits_of(TINY "gemma3.gguf", n, narrow);
        logits_of(wider, n, wide);
        ck_assert_msg((memcmp(narrow, wide, bytes) == 0) == (n <= 4),
                      "%zu tokens", n);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, sequences_are_as_long_as_the_model_reaches, 0,
                        N_REACHES);
    tcase_add_test(tc, prompts_beyond_the_training_fail_with_their_length);
    tcase_add_test(tc, a_window_counts_beyond_itself_only);
}
T_MAIN("context", setup)
