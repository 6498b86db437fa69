/* Models, contexts, sequences: reference logits on every backend, the same bits
 * in any batch, refusals that leave no trace. */
#include "engine/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend.h"
#include "harness/base/io.h"
#include "harness/base/mem.h"
#include "tests/t.h"
#include "tests/tiny.h"

#define SEEDS "tests/golden/fuzz/gguf"
#define MAX_PROMPT 128

#define BACKEND_ENTRY(name) &backend_##name,
static const struct backend *const backends[] = { BACKENDS(BACKEND_ENTRY) };
#define N_BACKENDS (sizeof backends / sizeof backends[0])

/* --- the same bits, whatever else is going on ----------------------------- */

/* Mixed types, plain floats, ALiBi, learned positions, a bias of logits, scales
 * of them, experts, latent attention, windows. */
static const char *const bit_models[] = {
    "qwen2-q4km", "qwen2-q3k", "llama2-gqa", "bloom",       "gpt2",
    "moss",       "minicpm",   "qwen2moe",   "deepseek-v3", "gemma3"
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

    b->m = tiny_open(model, device, act);
    b->n = PROMPT;
    b->n_vocab = (size_t)mk_model_info(b->m)->n_vocab;
    tiny_tokens(b->prompt, b->n, (int)b->n_vocab, 0);
    c = tiny_ctx(b->m, 128, 128, 1);
    tiny_compute(c, tiny_seq(c), b->prompt, b->n, MK_WANT_LAST, b->want);
    mk_ctx_close(c);
}

static void same_for_batches_and_threads(const struct bits *b)
{
    static const struct {
        size_t n_batch;
        int threads;
    } ways[] = { { 1, 2 }, { 7, 3 }, { 32, 1 }, { 33, 2 }, { 64, 3 } };
    size_t n = tiny_full_mode() ? 5 : 2;
    float x[MAX_VOCAB];

    for (size_t i = 0; i < n; i++) {
        struct mk_ctx *c = tiny_ctx(b->m, 96, ways[i].n_batch, ways[i].threads);
        tiny_compute(c, tiny_seq(c), b->prompt, b->n, MK_WANT_LAST, x);
        check_bits(b, x, "in other chunks or threads");
        mk_ctx_close(c);
    }
}

static void same_token_by_token(const struct bits *b)
{
    struct mk_ctx *c = tiny_ctx(b->m, 96, 16, 1);
    int32_t seq = tiny_seq(c);
    float x[MAX_VOCAB];

    for (size_t i = 0; i < b->n; i++)
        tiny_compute(c, seq, &b->prompt[i], 1, MK_WANT_LAST, x);
    check_bits(b, x, "token by token");
    mk_ctx_close(c);
}

/* The fork shares whole blocks and copies a part of one; the source goes on
 * another way and must not disturb it. */
static void same_after_a_fork(const struct bits *b)
{
    static const size_t cuts[] = { 33, 64, 69, 1, 31, 32 };
    size_t n = tiny_full_mode() ? 6 : 3;
    float x[MAX_VOCAB];

    for (size_t i = 0; i < n; i++) {
        struct mk_ctx *c = tiny_ctx(b->m, 320, 64, 2);
        int32_t src = tiny_seq(c), fork, other[20];
        tiny_compute(c, src, b->prompt, b->n, MK_WANT_NONE, NULL);
        fork = tiny_fork(c, src, cuts[i]);
        tiny_tokens(other, 20, (int)b->n_vocab, 9);
        tiny_compute(c, src, other, 20, MK_WANT_NONE, NULL);
        tiny_compute(c, fork, b->prompt + cuts[i], b->n - cuts[i], MK_WANT_LAST,
                     x);
        check_bits(b, x, "after a fork");
        ck_assert_uint_eq(mk_seq_len(c, src), b->n + 20);
        ck_assert_uint_eq(mk_seq_len(c, fork), b->n);
        mk_ctx_close(c);
    }
}

static void same_after_a_trim(const struct bits *b)
{
    struct mk_ctx *c = tiny_ctx(b->m, 160, 64, 1);
    int32_t seq = tiny_seq(c), keep, other[30];
    char err[MK_ERR_LEN];
    float x[MAX_VOCAB];

    tiny_tokens(other, 30, (int)b->n_vocab, 5);
    tiny_compute(c, seq, b->prompt, 40, MK_WANT_NONE, NULL);
    tiny_compute(c, seq, other, 30, MK_WANT_NONE, NULL);
    keep = tiny_fork(c, seq, 70);
    tiny_ok(mk_seq_trim(c, seq, 40, err), err);
    tiny_compute(c, seq, b->prompt + 40, b->n - 40, MK_WANT_LAST, x);
    check_bits(b, x, "after a trim of a shared block");
    ck_assert_uint_eq(mk_seq_len(c, keep), 70);
    mk_ctx_close(c);
}

#define N_OTHERS 8

/* Sequence 3 of eight; the others have other tokens and lengths. */
static void same_among_others(const struct bits *b)
{
    struct mk_ctx *c = tiny_ctx(b->m, 1024, 100, 2);
    static int32_t tokens[N_OTHERS][MAX_PROMPT];
    struct mk_piece p[N_OTHERS];
    float x[MAX_VOCAB], y[MAX_VOCAB];
    char err[MK_ERR_LEN];

    for (uint32_t i = 0; i < N_OTHERS; i++) {
        size_t n = 5 + 7 * i;
        tiny_tokens(tokens[i], n, (int)b->n_vocab, i + 1);
        p[i] = (struct mk_piece){ .seq = tiny_seq(c),
                                  .tokens = tokens[i],
                                  .n = n };
        if (i % 2) {
            p[i].want = MK_WANT_LAST;
            p[i].logits = y;
        }
    }
    p[3].tokens = b->prompt;
    p[3].n = b->n;
    p[3].logits = x;
    tiny_ok(mk_compute(c, p, N_OTHERS, err), err);
    check_bits(b, x, "in a batch of eight sequences");
    mk_ctx_close(c);
}

static void same_for_some_entries(const struct bits *b)
{
    static const int32_t ids[] = { 3, 500, 17, 17, 0 };
    struct mk_ctx *c = tiny_ctx(b->m, 96, 64, 2);
    struct mk_piece p = { .seq = tiny_seq(c),
                          .tokens = b->prompt,
                          .n = b->n,
                          .want = MK_WANT_LAST,
                          .ids = ids,
                          .n_ids = 5 };
    float x[5];
    char err[MK_ERR_LEN];

    p.logits = x;
    tiny_ok(mk_compute(c, &p, 1, err), err);
    for (size_t i = 0; i < 5; i++)
        ck_assert_msg(memcmp(&x[i], &b->want[ids[i]], sizeof x[i]) == 0,
                      "entry %zu is %a, expected %a", i, (double)x[i],
                      (double)b->want[ids[i]]);
    mk_ctx_close(c);
}

/* Logits of all positions come in groups; the last is the one we know. */
static void same_for_all_positions(const struct bits *b)
{
    struct mk_ctx *c = tiny_ctx(b->m, 96, 64, 1);
    float *x = mem_array(b->n * b->n_vocab, sizeof *x);

    ck_assert_ptr_nonnull(x);
    tiny_compute(c, tiny_seq(c), b->prompt, b->n, MK_WANT_ALL, x);
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
    if (tiny_full_mode() || strcmp(device, "ref") != 0) {
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
    if (tiny_full_mode())
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

    b->m = tiny_open(names[model], device, act);
    b->n = PROMPT;
    b->n_vocab = (size_t)mk_model_info(b->m)->n_vocab;
    tiny_tokens(b->prompt, b->n, 400, 0);
    for (size_t i = 0; i < b->n; i++)
        b->prompt[i] += 10;
    b->prompt[WHOLE - 5] = 4; /* [gMASK], with an end of its own */
    b->prompt[WHOLE - 1] = 6; /* <sop> */
    c = tiny_ctx(b->m, 128, 128, 1);
    p.seq = tiny_seq(c);
    p.tokens = b->prompt;
    p.n = b->n;
    p.logits = b->want;
    tiny_ok(mk_compute(c, &p, 1, err), err);
    mk_ctx_close(c);
}

static void whole_in_pieces(const struct bits *b, size_t n_batch, int threads)
{
    struct mk_ctx *c = tiny_ctx(b->m, 512, n_batch, threads);
    int32_t seq = tiny_seq(c), fork;
    float x[MAX_VOCAB];

    tiny_compute(c, seq, b->prompt, WHOLE, MK_WANT_NONE, NULL);
    fork = tiny_fork(c, seq, WHOLE);
    for (size_t i = WHOLE; i < b->n; i++)
        tiny_compute(c, seq, &b->prompt[i], 1, MK_WANT_LAST, x);
    check_bits(b, x, "token by token after the prompt");
    tiny_compute(c, fork, b->prompt + WHOLE, 8, MK_WANT_NONE, NULL);
    fork = tiny_fork(c, fork, WHOLE + 3);
    tiny_compute(c, fork, b->prompt + WHOLE + 3, b->n - WHOLE - 3, MK_WANT_LAST,
                 x);
    check_bits(b, x, "after a fork behind the prompt");
    mk_ctx_close(c);
}

/* Others of other lengths, in small chunks. */
static void whole_among_others(const struct bits *b)
{
    struct mk_ctx *c = tiny_ctx(b->m, 1024, 30, 2);
    static int32_t tokens[N_OTHERS][MAX_PROMPT];
    struct mk_piece p[N_OTHERS];
    float x[MAX_VOCAB];
    char err[MK_ERR_LEN];

    for (uint32_t i = 0; i < N_OTHERS; i++) {
        size_t n = 5 + 7 * i;
        tiny_tokens(tokens[i], n, 400, i + 1);
        tokens[i][n - 3] = 4;
        tokens[i][n - 2] = 6;
        p[i] = (struct mk_piece){ .seq = tiny_seq(c),
                                  .tokens = tokens[i],
                                  .n = n };
    }
    p[3] = (struct mk_piece){ .seq = p[3].seq,
                              .tokens = b->prompt,
                              .n = b->n,
                              .n_prompt = WHOLE,
                              .want = MK_WANT_LAST,
                              .logits = x };
    tiny_ok(mk_compute(c, p, N_OTHERS, err), err);
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
    c = tiny_ctx(b.m, 128, 128, 1);
    seq = tiny_seq(c);
    tiny_compute(c, seq, b.prompt, WHOLE, MK_WANT_NONE, NULL);
    ck_assert_int_eq(mk_seq_fork(c, seq, WHOLE - 1, &fork, err), MK_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err, "51 tokens of a prompt of 52"));
    ck_assert_int_eq(mk_seq_trim(c, seq, 1, err), MK_EUSAGE);
    tiny_ok(mk_seq_trim(c, seq, WHOLE, err), err);
    tiny_ok(mk_seq_fork(c, seq, 0, &fork, err), err);
    tiny_ok(mk_seq_trim(c, seq, 0, err), err);
    p = (struct mk_piece){ .seq = seq, .tokens = b.prompt, .n = WHOLE - 1 };
    ck_assert_int_eq(mk_compute(c, &p, 1, err), _i == 0 ? MK_EUSAGE : MK_OK);
    ck_assert_uint_eq(mk_seq_len(c, seq), _i == 0 ? 0 : WHOLE - 1);
    mk_ctx_close(c);
    mk_model_close(b.m);
}
END_TEST

/* As many are computed at once as the context holds. */
START_TEST(prompts_that_must_be_computed_at_once_have_a_limit)
{
    struct mk_model *m = tiny_open("chatglm1", "auto", MK_ACT_F32);
    struct mk_ctx *c = tiny_ctx(m, 128, 32, 1);
    static int32_t tokens[200];
    struct mk_piece p = { .seq = tiny_seq(c), .tokens = tokens, .n = 200 };
    char err[MK_ERR_LEN];

    tiny_tokens(tokens, 200, 400, 1);
    for (size_t i = 0; i < 200; i++)
        tokens[i] += 10;
    tokens[198] = 4;
    tokens[199] = 6;
    ck_assert_int_eq(mk_compute(c, &p, 1, err), MK_ELIMIT);
    ck_assert_ptr_nonnull(strstr(err, "128 are computed at once"));
    tokens[126] = 4;
    tokens[127] = 6;
    p.n = 128;
    tiny_ok(mk_compute(c, &p, 1, err), err);
    mk_ctx_close(c);
    mk_model_close(m);
}
END_TEST

/* --- sequences and refusals ----------------------------------------------- */

START_TEST(blocks_are_shared_and_given_back)
{
    struct mk_model *m = tiny_open("smollm2", "auto", MK_ACT_Q8);
    struct mk_ctx *c = tiny_ctx(m, 256, 64, 1);
    int32_t tokens[80], a, b;
    char err[MK_ERR_LEN];

    tiny_tokens(tokens, 80, mk_model_info(m)->n_vocab, 1);
    ck_assert_uint_eq(mk_free_positions(c), 256);
    a = tiny_seq(c);
    tiny_compute(c, a, tokens, 80, MK_WANT_NONE, NULL);
    ck_assert_uint_eq(mk_free_positions(c), 256 - 96);
    b = tiny_fork(c, a, 70);
    ck_assert_uint_eq(mk_free_positions(c), 256 - 96);
    tiny_compute(c, b, tokens, 1, MK_WANT_NONE, NULL); /* copies one block */
    ck_assert_uint_eq(mk_free_positions(c), 256 - 128);
    mk_seq_free(c, a);
    ck_assert_uint_eq(mk_free_positions(c), 256 - 96);
    tiny_ok(mk_seq_trim(c, b, 32, err), err);
    ck_assert_uint_eq(mk_free_positions(c), 256 - 32);
    mk_seq_free(c, b);
    mk_seq_free(c, b); /* a second time does nothing */
    ck_assert_uint_eq(mk_free_positions(c), 256);
    ck_assert_int_eq(tiny_seq(c), 0);
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
    struct mk_model *m = tiny_open("smollm2", "auto", MK_ACT_Q8);
    struct mk_ctx *c = tiny_ctx(m, 64, 64, 1);
    int32_t tokens[70], n_vocab = mk_model_info(m)->n_vocab;
    float x[MAX_VOCAB];
    struct mk_piece p[2];
    char err[MK_ERR_LEN];

    tiny_tokens(tokens, 70, n_vocab, 1);
    tiny_compute(c, tiny_seq(c), tokens, 5, MK_WANT_LAST, x);
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
    tiny_compute(c, 0, tokens, 59, MK_WANT_LAST, x); /* what fits still works */
    mk_ctx_close(c);
    mk_model_close(m);
}
END_TEST

/* --- models --------------------------------------------------------------- */

START_TEST(figures_of_a_model_are_right)
{
    struct mk_model *m = tiny_open("qwen2-q4km", "ref", MK_ACT_Q8);
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
    struct mk_model *m = tiny_open("qwen2-q4km", "ref", MK_ACT_Q8);
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
    struct mk_model *m = tiny_open("smollm2", "ref", MK_ACT_F32);
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
    struct mk_model *m = tiny_open("smollm2", "ref", MK_ACT_F32);
    struct mk_ctx *c;
    char err[MK_ERR_LEN];

    ck_assert_int_eq(mk_ctx_open(&c, m, &huge, err), MK_ELIMIT);
    ck_assert_int_eq(mk_ctx_open(&c, m, &batch, err), MK_ELIMIT);
    ck_assert_int_eq(mk_ctx_open(&c, m, &threads, err), MK_EUSAGE);
    mk_model_close(m);
    tiny_ok(mk_model_open(&m, TINY "smollm2.gguf", &vocab_only, err), err);
    ck_assert_int_eq(mk_ctx_open(&c, m, NULL, err), MK_EUSAGE);
    ck_assert_int_eq(mk_model_info(m)->n_vocab, 512);
    mk_model_close(m);
}
END_TEST

/* Behind a key lie its type (u32) and, for numbers, the value. */
START_TEST(models_that_do_not_fit_are_refused)
{
    uint32_t zero = 0, five = 5;
    float nan_value = NAN;

    tiny_refused(tiny_patched("yi", "general.architecture", 4 + 8, "lxama", 5),
                 "\"lxama\" are not supported; known are baichuan, bloom");
    tiny_refused(tiny_patched("yi", "llama.block_count", 4, &zero, 4),
                 "llama.block_count is 0, expected 1");
    tiny_refused(tiny_patched("yi", "llama.block_count", 4, &five, 4),
                 ".weight is missing");
    tiny_refused(
        tiny_patched("yi", "llama.attention.head_count_kv", 4, &five, 4),
        "heads cannot share 5 key heads");
    tiny_refused(tiny_patched("yi", "llama.embedding_length", 4, &five, 4),
                 "heads do not fit 5 columns");
    tiny_refused(tiny_patched("yi", "llama.attention.layer_norm_rms_epsilon", 4,
                              &nan_value, 4),
                 "expected a number above 0");
    tiny_refused(tiny_patched("yi", "blk.0.ffn_gat", 0, "x", 1),
                 "blk.0.ffn_gate.weight is missing");
    tiny_refused(tiny_patched("llama3-rope", "rope_freq", 0, "x", 1),
                 "rope_freqx.weight is not part of a llama model");
}
END_TEST

START_TEST(the_table_of_backends_is_whole)
{
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
    tiny_ok(mk_model_open(&m, TINY "yi.gguf", &p, err), err);
    ck_assert_str_eq(mk_model_info(m)->device, "ref");
    mk_model_close(m);
    p.device = NULL;
    tiny_ok(mk_model_open(&m, TINY "yi.gguf", &p, err), err);
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
    struct mk_model *m = tiny_open("qwen2-q4km", "auto", MK_ACT_Q8);
    struct mk_ctx *a = tiny_ctx(m, 64, 16, 1), *b = tiny_ctx(m, 64, 16, 2);
    float x[MAX_VOCAB], y[MAX_VOCAB];
    int32_t tokens[20];

    tiny_tokens(tokens, 20, mk_model_info(m)->n_vocab, 3);
    tiny_compute(a, tiny_seq(a), tokens, 20, MK_WANT_LAST, x);
    tiny_compute(b, tiny_seq(b), tokens, 20, MK_WANT_LAST, y);
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
        c = tiny_ctx(m, 64, 4, 1);
        tiny_compute(c, tiny_seq(c), tokens, 6, MK_WANT_LAST, x);
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
static int whole_life(const char *model, char *err)
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
    char path[256];
    int rc;

    snprintf(path, sizeof path, TINY "%s.gguf", model);
    rc = mk_model_open(&m, path, &mp, err);

    rc = rc ? rc : mk_ctx_open(&c, m, &cp, err);
    rc = rc ? rc : mk_seq_new(c, &seq, err);
    p.seq = seq;
    rc = rc ? rc : mk_compute(c, &p, 1, err);
    rc = rc ? rc : mk_seq_fork(c, seq, 9, &fork, err);
    mk_ctx_close(c);
    mk_model_close(m);
    return rc;
}

/* A failure that has a way around it (a pattern runs without its compiled form)
 * does not end the run. */
START_TEST(no_memory_is_reported_and_nothing_leaks)
{
    static const char *const names[] = { "smollm2", "deepseek-v3", "chatglm1",
                                         "minicpm", "qwen1-ntk" };
    char err[MK_ERR_LEN];
    size_t before = mem_count(), n_allocs, step, n_failed = 0;

    tiny_ok(whole_life(names[_i], err), err);
    n_allocs = mem_count() - before;
    step = n_allocs / 20 + 1;
    for (size_t n = 1; n <= n_allocs; n += tiny_full_mode() ? 1 : step) {
        int rc;
        mem_fail_at(n, false);
        rc = whole_life(names[_i], err);
        mem_fail_at(0, false);
        ck_assert_msg(rc == MK_OK || rc == MK_ENOMEM,
                      "allocation %zu: status %d, %s", n, rc, err);
        n_failed += rc != MK_OK;
    }
    ck_assert_uint_gt(n_failed, tiny_full_mode() ? 50 : 10);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, results_have_the_same_bits_in_any_batch, 0,
                        (int)N_BIT_MODELS);
    tcase_add_loop_test(tc, whole_prompts_have_the_same_bits_in_any_batch, 0,
                        2);
    tcase_add_loop_test(tc, parts_of_whole_prompts_are_refused, 0, 2);
    tcase_add_test(tc, prompts_that_must_be_computed_at_once_have_a_limit);
    tcase_add_test(tc, blocks_are_shared_and_given_back);
    tcase_add_test(tc, refusals_leave_sequences_as_they_were);
    tcase_add_test(tc, figures_of_a_model_are_right);
    tcase_add_test(tc, metadata_is_shown_as_text);
    tcase_add_test(tc, context_bytes_follow_the_positions);
    tcase_add_test(tc, impossible_contexts_are_refused);
    tcase_add_test(tc, models_that_do_not_fit_are_refused);
    tcase_add_test(tc, the_table_of_backends_is_whole);
    tcase_add_test(tc, devices_are_chosen_by_name);
    tcase_add_test(tc, one_model_serves_several_contexts);
    tcase_add_test(tc, files_of_the_fuzzer_do_no_harm);
    tcase_add_loop_test(tc, no_memory_is_reported_and_nothing_leaks, 0, 5);
}
T_MAIN("engine", setup)
