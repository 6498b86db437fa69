/* Every tiny model, alone and in company: sixteen greedy tokens by itself, then
 * beside seven other sequences in one batch, one of them forked from it, on 1
 * to 3 threads.  The same tokens, and logits that are the same to the bit. */
#include <stdio.h>
#include <string.h>

#include "engine/backend.h"
#include "tests/t.h"
#include "tests/tiny.h"
#include "tests/tiny_ref.h"

#define BACKEND_ENTRY(name) &backend_##name,
static const struct backend *const backends[] = { BACKENDS(BACKEND_ENTRY) };
#define N_BACKENDS (sizeof backends / sizeof backends[0])

#define N_SEQS 8
#define MINE 3   /* the sequence that is known */
#define FORKED 5 /* what was forked from it behind the prompt */
#define MOST (REF_PROMPT + N_SEQS)

/* What a model answers by itself. */
struct answer {
    int32_t token[REF_GREEDY];
    float logits[REF_GREEDY][MAX_VOCAB];
};

static void answer_alone(struct mk_model *m, const struct ref *r,
                         struct answer *a)
{
    struct mk_ctx *c = tiny_ctx(m, 64, 64, 1);
    int32_t seq = tiny_seq(c);

    tiny_compute(c, seq, r->prompt, REF_PROMPT, MK_WANT_LAST, a->logits[0]);
    for (size_t i = 0;; i++) {
        a->token[i] = (int32_t)tiny_argmax(a->logits[i], r->n_vocab);
        if (i == REF_GREEDY - 1)
            break;
        tiny_compute(c, seq, &a->token[i], 1, MK_WANT_LAST, a->logits[i + 1]);
    }
    mk_ctx_close(c);
}

/* Eight sequences that answer together. */
struct company {
    const struct ref *r;
    struct mk_ctx *c;
    int32_t seq[N_SEQS], prompt[N_SEQS][MOST], next[N_SEQS];
    float logits[N_SEQS][MAX_VOCAB];
};

/* Prompt number i is longer by i tokens and ends as the known one does: some
 * families need their marks there. */
static size_t make_prompt(struct company *k, size_t i)
{
    size_t more = i == MINE ? 0 : i + 1;
    int32_t *p = k->prompt[i];

    tiny_tokens(p, more + 4, 300, (uint32_t)i);
    for (size_t t = 0; t < more + 4; t++)
        p[t] += 10;
    if (more == 0)
        memcpy(p, k->r->prompt, sizeof k->r->prompt);
    else
        memcpy(p + more + 4, k->r->prompt + 4,
               sizeof k->r->prompt - 4 * sizeof *p);
    return REF_PROMPT + more;
}

static struct mk_piece piece_of(struct company *k, size_t i,
                                const int32_t *tokens, size_t n)
{
    return (struct mk_piece){ .seq = k->seq[i],
                              .tokens = tokens,
                              .n = n,
                              .want = MK_WANT_LAST,
                              .logits = k->logits[i] };
}

/* All prompts in one batch, but that of the sequence to be forked. */
static void start_company(struct company *k)
{
    struct mk_piece p[N_SEQS];
    char err[MK_ERR_LEN];
    size_t n = 0;

    for (size_t i = 0; i < N_SEQS; i++) {
        if (i == FORKED)
            continue;
        k->seq[i] = tiny_seq(k->c);
        p[n++] = piece_of(k, i, k->prompt[i], make_prompt(k, i));
    }
    tiny_ok(mk_compute(k->c, p, n, err), err);
    k->seq[FORKED] = tiny_fork(k->c, k->seq[MINE], REF_PROMPT);
    memcpy(k->logits[FORKED], k->logits[MINE], sizeof k->logits[MINE]);
}

static void check_step(const struct company *k, const struct answer *a,
                       size_t step, size_t i)
{
    ck_assert_msg(k->next[i] == a->token[step],
                  "sequence %zu, token %zu is %d, alone %d", i, step,
                  (int)k->next[i], (int)a->token[step]);
    ck_assert_msg(memcmp(k->logits[i], a->logits[step],
                         k->r->n_vocab * sizeof(float)) == 0,
                  "sequence %zu, token %zu: other bits than alone", i, step);
}

static void step_company(struct company *k, const struct answer *a, size_t step)
{
    struct mk_piece p[N_SEQS];
    char err[MK_ERR_LEN];

    for (size_t i = 0; i < N_SEQS; i++) {
        k->next[i] = (int32_t)tiny_argmax(k->logits[i], k->r->n_vocab);
        p[i] = piece_of(k, i, &k->next[i], 1);
    }
    check_step(k, a, step, MINE);
    check_step(k, a, step, FORKED);
    tiny_ok(mk_compute(k->c, p, N_SEQS, err), err);
}

static void answer_in_company(struct mk_model *m, const struct ref *r,
                              const struct answer *a, int n_threads)
{
    static struct company k;

    k.r = r;
    k.c = tiny_ctx(m, 512, 256, n_threads);
    start_company(&k);
    for (size_t step = 0; step < REF_GREEDY; step++)
        step_company(&k, a, step);
    mk_ctx_close(k.c);
}

/* The plain backend is slow: one number of threads is enough there. */
static void check_backend(const struct ref *r, const char *device,
                          enum mk_activations act)
{
    bool all = tiny_full_mode() && strcmp(device, "ref") != 0;
    struct mk_model *m = tiny_open_path(r->model, device, act);
    static struct answer a;

    answer_alone(m, r, &a);
    for (size_t i = 0; act == MK_ACT_F32 && i < REF_GREEDY; i++)
        ck_assert_msg(a.token[i] == r->greedy[i],
                      "%s: greedy token %zu is %d, expected %d", device, i,
                      (int)a.token[i], (int)r->greedy[i]);
    for (int threads = 1; threads <= 3; threads++)
        if (threads == 2 || all)
            answer_in_company(m, r, &a, threads);
    mk_model_close(m);
}

/* `make check` leaves the plain backend out, which is slow, and takes one kind
 * of activations with each kind of weights. */
static bool worth_checking(const struct backend *b, size_t model,
                           enum mk_activations act)
{
    bool floats = model < REF_FLOATS;

    if (!b->available() || tiny_full_mode())
        return b->available();
    return b != &backend_ref && (act == MK_ACT_F32) == floats;
}

START_TEST(company_changes_no_bit)
{
    struct ref r;

    if (!ref_open(&r, ref_models[_i]))
        return;
    for (size_t b = 0; b < N_BACKENDS; b++)
        for (int act = MK_ACT_Q8; act <= MK_ACT_F32; act++)
            if (worth_checking(backends[b], (size_t)_i,
                               (enum mk_activations)act))
                check_backend(&r, backends[b]->name, (enum mk_activations)act);
    ref_close(&r);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, company_changes_no_bit, 0, (int)ref_n_models);
}
T_MAIN("company", setup)
