/* Every family against its reference logits: on the float path, on the integer
 * path, from quantised weights, and from files of other layouts; and files that
 * contradict themselves. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/arch.h"
#include "engine/backend.h"
#include "engine/gguf.h"
#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "tests/t.h"
#include "tests/tiny.h"
#include "tests/tiny_ref.h"

#define BACKEND_ENTRY(name) &backend_##name,
static const struct backend *const backends[] = { BACKENDS(BACKEND_ENTRY) };
#define N_BACKENDS (sizeof backends / sizeof backends[0])

#define NEAR_TIE 0.2F /* what reports mark */

/* --- reference logits ----------------------------------------------------- */

static void check_near(double got, double want, double bar, const char *what)
{
    ck_assert_msg(fabs(got - want) <= bar, "%s: %.6f, expected %.6f", what, got,
                  want);
}

static double logsumexp(const float *x, size_t n)
{
    double max = (double)x[tiny_argmax(x, n)], sum = 0;
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
    check_near((double)x[tiny_argmax(x, n)], json_number(json_get(p, "max")),
               1e-3, "the largest logit");
}

static void check_all_positions(struct mk_ctx *c, const struct ref *r)
{
    static float x[12][MAX_VOCAB];
    float *rows = &x[0][0];
    int32_t seq = tiny_seq(c);
    size_t i = 0;
    const struct json *last = json_child(json_get(r->j, "last_logits"));

    tiny_compute(c, seq, r->prompt, REF_PROMPT, MK_WANT_ALL, rows);
    for (const struct json *p = json_child(json_get(r->j, "positions")); p;
         p = json_next(p), i++)
        check_position(p, rows + i * r->n_vocab, r->n_vocab);
    ck_assert_uint_eq(i, REF_PROMPT);
    rows += (REF_PROMPT - 1) * r->n_vocab;
    for (; last; last = json_next(last))
        check_near((double)*rows++, json_number(last), 1e-3, "a last logit");
    mk_seq_free(c, seq);
}

/* With the KV cache, a token a step. */
static void check_greedy(struct mk_ctx *c, const struct ref *r)
{
    float x[MAX_VOCAB];
    int32_t seq = tiny_seq(c), next;

    tiny_compute(c, seq, r->prompt, REF_PROMPT, MK_WANT_LAST, x);
    for (size_t i = 0; i < REF_GREEDY; i++) {
        next = (int32_t)tiny_argmax(x, r->n_vocab);
        ck_assert_msg(next == r->greedy[i],
                      "greedy token %zu is %d, "
                      "expected %d",
                      i, next, r->greedy[i]);
        tiny_compute(c, seq, &next, 1, MK_WANT_LAST, x);
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
        m = tiny_open_path(r->model, backends[b]->name, MK_ACT_F32);
        ck_assert_str_eq(mk_model_info(m)->device, backends[b]->name);
        ck_assert_int_eq(mk_model_info(m)->n_vocab, (int)r->n_vocab);
        c = tiny_ctx(m, 64, 64, 1);
        check_all_positions(c, r);
        if (tiny_full_mode() || backends[b] != &backend_ref)
            check_greedy(c, r);
        mk_ctx_close(c);
        mk_model_close(m);
    }
}

START_TEST(float_path_gives_the_reference_logits)
{
    struct ref r;

    if (!ref_open(&r, ref_models[_i]))
        return;
    check_floats(&r);
    ref_close(&r);
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

/* Largest minus second largest. */
static float margin_of(const float *x, size_t n)
{
    size_t best = tiny_argmax(x, n);
    float second = -INFINITY;

    for (size_t i = 0; i < n; i++)
        if (i != best)
            second = fmaxf(second, x[i]);
    return x[best] - second;
}

/* Activations as int8 move these models' logits by up to 0.4 (0.45 in other
 * engines), so the two likeliest tokens may change places where they are 0.3
 * apart or less; then they are so near each other afterwards that reports mark
 * them as a near-tie.  Of all the models one (qwen2-q4k, 0.29) does it. */
static void check_likeliest(const float *x, const struct ref *r)
{
    double margin = json_number(json_at(json_get(r->j, "greedy_margins"), 0));

    if ((int32_t)tiny_argmax(x, r->n_vocab) == r->greedy[0])
        return;
    ck_assert_msg(margin <= 0.3 && margin_of(x, r->n_vocab) < NEAR_TIE,
                  "the likeliest token changed, by %g instead of %g",
                  (double)margin_of(x, r->n_vocab), margin);
}

static void check_integers(const struct ref *r)
{
    bool done = false;
    float x[MAX_VOCAB];

    for (size_t b = 0; b < N_BACKENDS; b++) {
        struct mk_model *m;
        struct mk_ctx *c;
        if (!backends[b]->available() || (done && !tiny_full_mode()))
            continue; /* integer products are equal to the bit */
        done = true;
        m = tiny_open_path(r->model, backends[b]->name, MK_ACT_Q8);
        c = tiny_ctx(m, 64, 64, 1);
        tiny_compute(c, tiny_seq(c), r->prompt, REF_PROMPT, MK_WANT_LAST, x);
        ck_assert_msg(nmse_of(x, r) <= 1e-2, "NMSE on %s is %g",
                      backends[b]->name, nmse_of(x, r));
        check_likeliest(x, r);
        mk_ctx_close(c);
        mk_model_close(m);
    }
}

START_TEST(integer_path_is_near_the_reference)
{
    struct ref r;

    if (!ref_open(&r, ref_models[_i]))
        return;
    check_integers(&r);
    ref_close(&r);
}
END_TEST

/* Weights as Q8_0 bring a difference of their own, and the integer products. */
START_TEST(quantised_weights_are_near_the_reference)
{
    struct mk_quantize_params p = { .n_threads = 1, .replace = true };
    char err[MK_ERR_LEN];
    struct ref r;
    char from[300];

    if (!ref_open(&r, ref_models[_i]))
        return;
    snprintf(from, sizeof from, "%s", r.model);
    snprintf(r.model, sizeof r.model, "%s/q8.gguf", t_tmp());
    tiny_ok(mk_quantize(from, r.model, "Q8_0", &p, err), err);
    check_integers(&r);
    ref_close(&r);
}
END_TEST

/* --- files of other layouts ------------------------------------------------ */

/* A file that is made of another one: its metadata with some more, and other
 * tensors. */
struct edit {
    struct gguf *g;
    struct buf meta; /* of the file, as it stands there */
    uint64_t n_meta;
    struct gguf_tensor *t;
    size_t n;
    struct arena a;
};

static void edit_open(struct edit *d, const char *name)
{
    char path[256];
    struct err e;
    const char *from, *to;

    snprintf(path, sizeof path, TINY "%s.gguf", name);
    t_ok(gguf_open(&d->g, path, &e), &e);
    arena_init(&d->a, 0);
    d->n = gguf_n_tensors(d->g);
    d->n_meta = gguf_n_meta(d->g);
    d->t = arena_array(&d->a, d->n, sizeof *d->t);
    for (size_t i = 0; i < d->n; i++)
        d->t[i] = *gguf_tensor_at(d->g, i);
    /* the lengths of the names stand before them */
    from = gguf_meta_at(d->g, 0)->key.p - 8;
    to = d->t[0].name.p - 8;
    buf_init(&d->meta, 1 << 20);
    buf_add(&d->meta, from, (size_t)(to - from));
}

static void edit_close(struct edit *d)
{
    gguf_close(d->g);
    buf_free(&d->meta);
    arena_free(&d->a);
}

static void put_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_name(struct buf *b, struct str s)
{
    put_u64(b, s.n);
    buf_add(b, s.p, s.n);
}

static void pad(struct buf *b)
{
    while (b->n % 32)
        buf_char(b, '\0');
}

static void edit_flag(struct edit *d, const char *key)
{
    put_name(&d->meta, str_of(key));
    put_u32(&d->meta, GGUF_BOOL);
    buf_char(&d->meta, 1);
    d->n_meta++;
}

/* Changes n bytes behind the first place where `find` stands. */
static void edit_meta(struct edit *d, const char *find, size_t skip,
                      const void *bytes, size_t n)
{
    char *at = memmem(d->meta.p, d->meta.n, find, strlen(find));

    ck_assert_ptr_nonnull(at);
    memcpy(at + strlen(find) + skip, bytes, n);
}

/* A copy of the tensor's floats, to be changed. */
static float *edit_floats(struct edit *d, struct gguf_tensor *t)
{
    char *copy = arena_dup(&d->a, (const char *)t->data, t->bytes);

    ck_assert_ptr_nonnull(copy);
    ck_assert_int_eq(t->type, GGML_F32);
    t->data = (const unsigned char *)copy;
    return (float *)(void *)copy;
}

static struct gguf_tensor *edit_tensor(struct edit *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (str_is(d->t[i].name, name))
            return &d->t[i];
    ck_abort_msg("no tensor %s", name);
    return NULL;
}

static const char *edit_write(const struct edit *d, const char *name)
{
    static char path[256];
    struct buf b;
    struct err e;
    uint64_t at = 0;

    buf_init(&b, 8 << 20);
    buf_str(&b, "GGUF");
    put_u32(&b, 3);
    put_u64(&b, d->n);
    put_u64(&b, d->n_meta);
    buf_add(&b, d->meta.p, d->meta.n);
    for (size_t i = 0; i < d->n; i++) {
        const struct gguf_tensor *t = &d->t[i];
        put_name(&b, t->name);
        put_u32(&b, (uint32_t)t->n_dims);
        for (int k = 0; k < t->n_dims; k++)
            put_u64(&b, (uint64_t)t->dims[k]);
        put_u32(&b, t->type);
        put_u64(&b, at);
        at += (t->bytes + 31) / 32 * 32;
    }
    for (size_t i = 0; i < d->n; i++) {
        pad(&b);
        buf_add(&b, d->t[i].data, d->t[i].bytes);
    }
    pad(&b);
    snprintf(path, sizeof path, "%s/%s.gguf", t_tmp(), name);
    t_ok(io_replace(path, buf_view(&b), &e), &e);
    buf_free(&b);
    return path;
}

/* Rows of K (turned) and of V of each head into one tensor in K's place. */
static void join_kv(struct edit *d, int layer)
{
    struct gguf_tensor *k, *v;
    char name[64];
    size_t nope, dv, rank, n_head;
    float *out;

    snprintf(name, sizeof name, "blk.%d.attn_k_b.weight", layer);
    k = edit_tensor(d, name);
    snprintf(name, sizeof name, "blk.%d.attn_v_b.weight", layer);
    v = edit_tensor(d, name);
    nope = (size_t)k->dims[0];
    rank = (size_t)k->dims[1];
    n_head = (size_t)k->dims[2];
    dv = (size_t)v->dims[1];
    out = arena_array(&d->a, n_head * (nope + dv) * rank, sizeof *out);
    for (size_t h = 0; h < n_head; h++) {
        const float *kh = (const float *)(const void *)k->data;
        const float *vh = (const float *)(const void *)v->data;
        float *row = out + h * (nope + dv) * rank;
        for (size_t i = 0; i < nope * rank; i++)
            row[i] = kh[h * nope * rank + i % rank * nope + i / rank];
        memcpy(row + nope * rank, vh + h * dv * rank, dv * rank * sizeof *row);
    }
    k->name = str_of(arena_printf(&d->a, "blk.%d.attn_kv_b.weight", layer));
    k->n_dims = 2;
    k->dims[0] = (int64_t)rank;
    k->dims[1] = (int64_t)(n_head * (nope + dv));
    k->dims[2] = 1;
    k->data = (const unsigned char *)out;
    k->bytes = n_head * (nope + dv) * rank * sizeof *out;
    *v = d->t[--d->n];
}

/* Converters wrote K and V as one tensor once, and the heads' own dims. */
START_TEST(older_files_of_deepseek_are_read_too)
{
    static const uint32_t k_dim = 24, v_dim = 16, n_head = 4;
    struct edit d;
    struct ref r;

    ck_assert(ref_open(&r, "deepseek-v3"));
    edit_open(&d, "deepseek-v3");
    join_kv(&d, 0);
    join_kv(&d, 1);
    edit_meta(&d, "deepseek2.attention.key_length_ml", 0, "x", 1);
    edit_meta(&d, "deepseek2.attention.value_length_ml", 0, "x", 1);
    edit_meta(&d, "deepseek2.attention.key_length", 4, &k_dim, 4);
    edit_meta(&d, "deepseek2.attention.value_length", 4, &v_dim, 4);
    edit_meta(&d, "deepseek2.attention.head_count_kv", 4, &n_head, 4);
    snprintf(r.model, sizeof r.model, "%s", edit_write(&d, "old"));
    check_floats(&r);
    check_integers(&r);
    edit_close(&d);
    ref_close(&r);
}
END_TEST

static void last_logits(const char *path, float *x)
{
    struct mk_model *m = tiny_open_path(path, "auto", MK_ACT_F32);
    struct mk_ctx *c = tiny_ctx(m, 32, 32, 1);
    int32_t tokens[12];

    tiny_tokens(tokens, 12, mk_model_info(m)->n_vocab, 1);
    tiny_compute(c, tiny_seq(c), tokens, 12, MK_WANT_LAST, x);
    mk_ctx_close(c);
    mk_model_close(m);
}

static void divide_rows(struct gguf_tensor *t, float *w)
{
    for (int64_t r = 0; r < t->dims[1]; r++) {
        float *row = w + r * t->dims[0];
        double sum = 0;
        for (int64_t i = 0; i < t->dims[0]; i++)
            sum += (double)row[i] * (double)row[i];
        for (int64_t i = 0; i < t->dims[0]; i++)
            row[i] /= (float)sqrt(sum);
    }
}

/* Baichuan 2's output has rows of length 1, whether the file has them or not. */
START_TEST(a_norm_head_is_normal_by_the_file_or_by_us)
{
    float raw[MAX_VOCAB], normal[MAX_VOCAB], twice[MAX_VOCAB];
    struct edit d;

    edit_open(&d, "baichuan-13b");
    edit_flag(&d, "baichuan.norm_head");
    last_logits(edit_write(&d, "raw"), raw);
    divide_rows(edit_tensor(&d, "output.weight"),
                edit_floats(&d, edit_tensor(&d, "output.weight")));
    last_logits(edit_write(&d, "twice"), twice);
    edit_meta(&d, "baichuan.norm_hea", 0, "x", 1);
    last_logits(edit_write(&d, "normal"), normal);
    for (size_t i = 0; i < 768; i++)
        check_near((double)raw[i], (double)normal[i], 1e-5, "a logit");
    ck_assert(memcmp(twice, normal, 768 * sizeof *twice) == 0);
    last_logits(TINY "baichuan-13b.gguf", twice);
    ck_assert(fabsf(twice[0] - normal[0]) > 0.01F);
    edit_close(&d);
}
END_TEST

/* --- files that contradict themselves -------------------------------------- */

/* Behind a key lie its type (u32) and, for numbers, the value. */
static void refuse_number(const char *model, const char *key, uint32_t value,
                          const char *words)
{
    tiny_refused(tiny_patched(model, key, 4, &value, sizeof value), words);
}

START_TEST(contradictions_are_refused)
{
    refuse_number("qwen2moe", "expert_used_count", 5, "5 of 4 experts");
    refuse_number("qwen2moe", "expert_count", 5, "ffn_gate_inp.weight is 64");
    refuse_number("qwen2moe", "expert_count", 100000, "expected 1 to 1024");
    refuse_number("qwen3moe", "expert_feed_forward_length", 33,
                  "ffn_gate_exps.weight is 64 x 32 x 4");
    refuse_number("deepseek-v3", "attention.kv_lora_rank", 25,
                  "attn_kv_a_mqa.weight");
    refuse_number("deepseek-v3", "attention.kv_lora_rank", 1023,
                  "latent keys of 1031 dims");
    refuse_number("deepseek-v3", "rope.dimension_count", 24,
                  "24 of 24 dims of a key are rotated");
    refuse_number("deepseek-v3", "rope.dimension_count", 7, "even number");
    refuse_number("deepseek-v3", "expert_gating_func", 3, "expected 1 to 2");
    refuse_number("deepseek-v3", "leading_dense_block_count", 3,
                  "expected 0 to 2");
    refuse_number("deepseek-v3", "leading_dense_block_count", 2,
                  "ffn_gate.weight is missing");
    refuse_number("gpt2", "gpt2.context_length", 255,
                  "position_embd.weight is 64 x 256");
    refuse_number("chatglm1", "rope.dimension_count", 6, "expected half of 16");
    refuse_number("qwen1-ntk", "qwen.feed_forward_length", 191, "even number");
    refuse_number("qwen1-ntk", "qwen.context_length", 1, "log-n");
    refuse_number("chatglm2", "attention.head_count_kv", 1, "attn_qkv.weight");
    refuse_number("bloom", "attention.head_count", 7,
                  "7 heads cannot share 6 key heads");
}
END_TEST

/* --- how answers end -------------------------------------------------------- */

static const struct {
    const char *model, *chat;
    int32_t stops[4], others[4]; /* up to the first 0 */
    int32_t prompt_end[2];       /* of a chat */
} ends[] = {
    { "glm4-0414", "glm4", { 502, 509, 511 }, { 506, 508, 510 }, { 0, 510 } },
    { "chatglm1", "chatglm", { 7 }, { 3, 4, 5, 6 }, { 4, 6 } },
    { "chatglm2", "chatglm3", { 2, 9, 11 }, { 4, 6, 8, 10 }, { 0, 10 } },
    { "moss", "moss", { 510 }, { 508, 509, 511 }, { 0, 0 } },
};

static void check_stops(const struct mk_model *m, const int32_t *ids, bool stop)
{
    for (size_t i = 0; i < 4 && ids[i]; i++)
        ck_assert_msg(mk_token_is_stop(m, ids[i]) == stop, "token %d", ids[i]);
}

START_TEST(answers_end_as_the_family_ends_them)
{
    static const struct mk_message q = { "user", "abc" };
    struct mk_model *m = tiny_open(ends[_i].model, "ref", MK_ACT_Q8);
    int32_t ids[400], last = ends[_i].prompt_end[1];
    char err[MK_ERR_LEN];
    size_t n;

    check_stops(m, ends[_i].stops, true);
    check_stops(m, ends[_i].others, false);
    tiny_ok(mk_chat_ids(m, ends[_i].chat, &q, 1, true, ids, 400, &n, err), err);
    ck_assert_uint_ge(n, 3);
    ck_assert(last == 0 || ids[n - 1] == last);
    last = ends[_i].prompt_end[0];
    ck_assert(last == 0 || ids[n - 2] == last);
    if (strcmp(mk_model_info(m)->arch, "chatglm1") == 0)
        ck_assert_str_eq(mk_model_info(m)->chat, ends[_i].chat);
    mk_model_close(m);
}
END_TEST

/* --- the table ------------------------------------------------------------- */

#define ARCH_ENTRY(name) &arch_##name,
static const struct arch *const archs[] = { ARCHS(ARCH_ENTRY) };
#define N_ARCHS (sizeof archs / sizeof archs[0])

/* A row needs a tiny model of its family among the golden ones. */
static bool has_golden_model(const char *arch)
{
    for (size_t i = 0; i < ref_n_models; i++) {
        struct ref r;
        bool same;
        if (!ref_is_golden(ref_models[i]))
            continue;
        ck_assert(ref_open(&r, ref_models[i]));
        same = strcmp(json_string(json_get(r.j, "arch")), arch) == 0;
        ref_close(&r);
        if (same)
            return true;
    }
    return false;
}

START_TEST(the_table_of_families_is_whole)
{
    for (size_t i = 0; i < N_ARCHS; i++) {
        const struct arch *a = archs[i];
        ck_assert(a->name && a->doc && a->load && a->forward);
        ck_assert_ptr_eq(arch_find(str_of(a->name), NULL), a);
        ck_assert(i == 0 || strcmp(archs[i - 1]->name, a->name) < 0);
        ck_assert_msg(has_golden_model(a->name), "no model of %s", a->name);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, float_path_gives_the_reference_logits, 0,
                        (int)ref_n_models);
    tcase_add_loop_test(tc, integer_path_is_near_the_reference, 0,
                        (int)ref_n_models);
    tcase_add_loop_test(tc, quantised_weights_are_near_the_reference, 0,
                        REF_FLOATS);
    tcase_add_test(tc, older_files_of_deepseek_are_read_too);
    tcase_add_test(tc, a_norm_head_is_normal_by_the_file_or_by_us);
    tcase_add_test(tc, contradictions_are_refused);
    tcase_add_loop_test(tc, answers_end_as_the_family_ends_them, 0, 4);
    tcase_add_test(tc, the_table_of_families_is_whole);
}
T_MAIN("families", setup)
