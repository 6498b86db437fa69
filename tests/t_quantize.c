/* Writing a GGUF file in another tensor type: what is written is read back,
 * computes nearly the same, and comes whole or not at all. */
#include "engine/engine.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/gguf.h"
#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "tests/t.h"

#define TINY "tests/golden/tiny/"
#define VOCAB 1024

static char msg[MK_ERR_LEN];

static const char *in_tmp(const char *name)
{
    static char paths[4][300];
    static int next;
    char *p = paths[next++ % 4];

    snprintf(p, sizeof paths[0], "%s/%s", t_tmp(), name);
    return p;
}

static void ok(int status)
{
    ck_assert_msg(status == MK_OK, "status %d: %s", status, msg);
}

static void convert(const char *in, const char *out, const char *type)
{
    const struct mk_quantize_params p = { .requantize = true, .replace = true };
    ok(mk_quantize(in, out, type, &p, msg));
}

/* Logits after the prompt of qwen2-q80.json, float32 throughout. */
static void last_logits(const char *path, const int32_t *prompt, size_t n,
                        float *out)
{
    const struct mk_model_params mp = { .activations = MK_ACT_F32,
                                        .n_threads = 1 };
    const struct mk_ctx_params cp = { .n_positions = 64 };
    struct mk_piece piece = {
        .tokens = prompt, .n = n, .want = MK_WANT_LAST, .logits = out
    };
    struct mk_model *m;
    struct mk_ctx *c;

    ok(mk_model_open(&m, path, &mp, msg));
    ck_assert_int_le(mk_model_info(m)->n_vocab, VOCAB);
    ok(mk_ctx_open(&c, m, &cp, msg));
    ok(mk_seq_new(c, &piece.seq, msg));
    ok(mk_compute(c, &piece, 1, msg));
    mk_ctx_close(c);
    mk_model_close(m);
}

struct reference {
    int32_t prompt[32];
    size_t n_prompt, n;
    float logits[VOCAB];
};

static void read_reference(struct reference *r)
{
    struct json *j;
    struct buf text;
    struct err e;

    t_read(TINY "qwen2-q80.json", &text);
    t_ok(json_parse(&j, buf_view(&text), &e), &e);
    *r = (struct reference){ 0 };
    for (const struct json *v = json_child(json_get(j, "prompt")); v;
         v = json_next(v))
        r->prompt[r->n_prompt++] = (int32_t)json_number(v);
    for (const struct json *v = json_child(json_get(j, "last_logits")); v;
         v = json_next(v))
        r->logits[r->n++] = (float)json_number(v);
    json_free(j);
    buf_free(&text);
}

/* Squared difference over squared values. */
static double nmse(const float *got, const float *want, size_t n)
{
    double diff = 0, all = 0;

    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - (double)want[i];
        diff += d * d;
        all += (double)want[i] * (double)want[i];
    }
    return diff / all;
}

/* The bars are half as much again as was measured.  Random weights make every
 * error grow from layer to layer: unrelated logits would be at 2.  The source
 * was Q8_0 and comes back to it unchanged. */
static const struct {
    const char *type;
    double most;
} types[] = {
    { "F32", 2e-11 },  { "F16", 4e-6 },  { "BF16", 2e-4 }, { "Q8_0", 2e-11 },
    { "Q6_K", 0.02 },  { "Q5_0", 0.1 },  { "Q5_1", 0.15 }, { "Q5_K", 0.06 },
    { "Q4_0", 0.5 },   { "Q4_1", 0.15 }, { "Q4_K", 0.1 },  { "IQ4_NL", 0.2 },
    { "IQ4_XS", 0.2 }, { "Q3_K", 0.6 },  { "Q2_K", 1.4 },
};
#define N_TYPES (sizeof types / sizeof types[0])

START_TEST(every_type_runs_and_is_near_its_source)
{
    static float got[VOCAB];
    static struct reference r;
    const char *f32 = in_tmp("f32.gguf");
    double err;

    read_reference(&r);
    convert(TINY "qwen2-q80.gguf", f32, "f32");
    convert(f32, in_tmp("typed.gguf"), types[_i].type);
    last_logits(in_tmp("typed.gguf"), r.prompt, r.n_prompt, got);
    err = nmse(got, r.logits, r.n);
    printf("  %-6s NMSE of the logits %.2e\n", types[_i].type, err);
    ck_assert_msg(err <= types[_i].most, "%s: NMSE %g, expected %g at the most",
                  types[_i].type, err, types[_i].most);
    ck_assert_ptr_nonnull(mk_quantize_type(N_TYPES - 1));
    ck_assert_ptr_null(mk_quantize_type(N_TYPES));
}
END_TEST

/* --- which type a tensor gets ---------------------------------------------- */

static enum ggml_type type_in(const struct gguf *g, const char *name)
{
    const struct gguf_tensor *t = gguf_tensor(g, name);

    ck_assert_msg(t != NULL, "no tensor %s", name);
    return t->type;
}

static struct gguf *open_file(const char *path)
{
    struct gguf *g;
    struct err e;

    t_ok(gguf_open(&g, path, &e), &e);
    return g;
}

static const struct {
    const char *in, *type;
    enum ggml_type matrix, embd, output; /* output: only where it has one */
    int file_type;
} choices[] = {
    /* rows of 256, tied: the embedding is the output matrix */
    { "qwen2-q80", "Q4_K", GGML_Q4_K, GGML_Q6_K, GGML_F32, 14 },
    { "qwen2-q80", "Q8_0", GGML_Q8_0, GGML_Q8_0, GGML_F32, 7 },
    { "qwen2-q80", "BF16", GGML_BF16, GGML_BF16, GGML_F32, 32 },
    /* rows of 64 */
    { "llama2-gqa", "Q2_K", GGML_Q4_0, GGML_Q4_0, GGML_Q8_0, 10 },
    { "llama2-gqa", "Q3_K", GGML_IQ4_NL, GGML_IQ4_NL, GGML_Q8_0, 11 },
    { "llama2-gqa", "Q4_K", GGML_Q5_0, GGML_Q5_0, GGML_Q8_0, 14 },
    { "llama2-gqa", "Q5_K", GGML_Q5_1, GGML_Q5_1, GGML_Q8_0, 16 },
    { "llama2-gqa", "Q6_K", GGML_Q8_0, GGML_Q8_0, GGML_Q8_0, 18 },
    { "llama2-gqa", "IQ4_XS", GGML_IQ4_NL, GGML_IQ4_NL, GGML_Q8_0, 30 },
    { "llama2-gqa", "q4_0", GGML_Q4_0, GGML_Q4_0, GGML_Q8_0, 2 },
    { "llama2-gqa", "F16", GGML_F16, GGML_F16, GGML_F16, 1 },
};

START_TEST(tensors_get_the_type_that_fits)
{
    int64_t file_type = -1, version = -1;
    struct gguf *g;
    struct err e;
    char in[256];

    snprintf(in, sizeof in, TINY "%s.gguf", choices[_i].in);
    convert(in, in_tmp("t.gguf"), choices[_i].type);
    g = open_file(in_tmp("t.gguf"));
    ck_assert_int_eq(type_in(g, "blk.0.attn_q.weight"), choices[_i].matrix);
    ck_assert_int_eq(type_in(g, "token_embd.weight"), choices[_i].embd);
    if (gguf_tensor(g, "output.weight"))
        ck_assert_int_eq(type_in(g, "output.weight"), choices[_i].output);
    ck_assert_int_eq(type_in(g, "blk.0.attn_norm.weight"), GGML_F32);
    t_ok(gguf_int_must(g, "general.file_type", 0, 99, &file_type, &e), &e);
    t_ok(gguf_int_must(g, "general.quantization_version", 0, 99, &version, &e),
         &e);
    ck_assert_int_eq(file_type, choices[_i].file_type);
    ck_assert_int_eq(version, 2);
    gguf_close(g);
}
END_TEST

/* --- what stays ------------------------------------------------------------ */

static size_t value_bytes(const struct gguf_meta *m)
{
    bool array = m->type == GGUF_ARR;
    enum gguf_type type = array ? m->elem : m->type;
    size_t n = 0, count = array ? m->count : 1;

    if (type != GGUF_STR)
        return count * gguf_type_bytes(type);
    for (size_t i = 0; i < count; i++)
        (void)gguf_next_str(m, &n);
    return n;
}

static void check_same_meta(const struct gguf_meta *a, const struct gguf *to)
{
    char key[256];
    const struct gguf_meta *b;

    snprintf(key, sizeof key, "%.*s", STR_FMT(a->key));
    b = gguf_meta(to, key);
    ck_assert_msg(b != NULL, "key %s is lost", key);
    ck_assert_int_eq(a->type, b->type);
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_uint_eq(value_bytes(a), value_bytes(b));
    ck_assert_msg(memcmp(a->p, b->p, value_bytes(a)) == 0, "key %s differs",
                  key);
}

START_TEST(all_else_is_kept)
{
    const char *in = TINY "gemma3.gguf", *out = in_tmp("kept.gguf");
    struct gguf *a, *b;

    convert(in, out, "Q5_1");
    a = open_file(in);
    b = open_file(out);
    for (size_t i = 0; i < gguf_n_meta(a); i++) {
        const struct gguf_meta *m = gguf_meta_at(a, i);
        if (!str_is(m->key, "general.file_type") &&
            !str_is(m->key, "general.quantization_version"))
            check_same_meta(m, b);
    }
    ck_assert_uint_eq(gguf_n_tensors(a), gguf_n_tensors(b));
    for (size_t i = 0; i < gguf_n_tensors(a); i++) {
        const struct gguf_tensor *x = gguf_tensor_at(a, i);
        const struct gguf_tensor *y = gguf_tensor_at(b, i);
        ck_assert(str_eq(x->name, y->name) && x->n_dims == y->n_dims);
        ck_assert_mem_eq(x->dims, y->dims, sizeof x->dims);
    }
    gguf_close(a);
    gguf_close(b);
}
END_TEST

static bool same_files(const char *a, const char *b)
{
    struct buf x, y;
    bool same;

    t_read(a, &x);
    t_read(b, &y);
    same = x.n == y.n && memcmp(x.p, y.p, x.n) == 0;
    buf_free(&x);
    buf_free(&y);
    return same;
}

START_TEST(the_bytes_depend_on_the_input_alone)
{
    const char *in = TINY "qwen2-q80.gguf";
    struct mk_quantize_params p = { .requantize = true, .n_threads = 1 };
    const char *one = in_tmp("one.gguf"), *four = in_tmp("four.gguf");

    ok(mk_quantize(in, one, "Q4_K", &p, msg));
    p.n_threads = 4;
    ok(mk_quantize(in, four, "Q4_K", &p, msg));
    ck_assert(same_files(one, four));
    /* again in the type it has: nothing is lost */
    p.requantize = false;
    ok(mk_quantize(one, in_tmp("again.gguf"), "Q4_K", &p, msg));
    ck_assert(same_files(one, in_tmp("again.gguf")));
}
END_TEST

/* --- refusals -------------------------------------------------------------- */

static void refused(const char *in, const char *out, const char *type,
                    int status, const char *words)
{
    ck_assert_int_eq(mk_quantize(in, out, type, NULL, msg), status);
    ck_assert_msg(strstr(msg, words) != NULL, "no \"%s\" in: %s", words, msg);
}

START_TEST(wrong_use_is_refused)
{
    const char *in = TINY "qwen2.gguf", *out = in_tmp("refused.gguf");
    struct mk_quantize_params p = { .replace = true, .n_threads = -1 };

    refused(in, out, "Q4_K_M", MK_EUSAGE, "one of F32 F16 BF16 Q4_0");
    refused("/no/such.gguf", out, "Q8_0", MK_ENOENV, "/no/such.gguf");
    refused("tests/golden/badgguf/overlap.gguf", out, "Q8_0", MK_EFORMAT,
            "overlap");
    refused("tests/golden/badgguf/ok-no-tensors.gguf", out, "Q8_0", MK_EFORMAT,
            "no tensors");
    refused(TINY "qwen2-q4k.gguf", out, "Q8_0", MK_EUSAGE, "--requantize");
    refused(in, "/no/such/folder/x.gguf", "Q8_0", MK_ENOENV, "/no/such/folder");
    ck_assert_int_eq(mk_quantize(in, out, "Q8_0", &p, msg), MK_EUSAGE);
    ck_assert(!io_exists(out));
}
END_TEST

START_TEST(files_are_not_overwritten_unasked)
{
    const char *in = in_tmp("self.gguf"), *out = in_tmp("there.gguf");
    const struct mk_quantize_params p = { .replace = true };

    convert(TINY "qwen2.gguf", in, "F16");
    convert(in, out, "F16");
    refused(in, out, "Q8_0", MK_EUSAGE, "--force");
    ck_assert(same_files(in, out));
    ok(mk_quantize(in, out, "Q8_0", &p, msg));
    ck_assert(!same_files(in, out));
    ck_assert_int_eq(mk_quantize(in, in, "Q8_0", &p, msg), MK_EUSAGE);
    ck_assert(strstr(msg, "the input itself"));
    ck_assert_int_eq(unlink(out), 0);
    ck_assert_int_eq(link(in, out), 0); /* by another name */
    ck_assert_int_eq(mk_quantize(in, out, "Q8_0", &p, msg), MK_EUSAGE);
}
END_TEST

/* Puts a value over the first weight of a matrix. */
static void spoil(const char *from, const char *to, float v)
{
    struct gguf *g = open_file(from);
    const unsigned char *w = gguf_tensor(g, "blk.0.ffn_up.weight")->data;
    struct buf b;
    struct err e;
    size_t at = 0;

    t_read(from, &b);
    while (memcmp(b.p + at, w, 64) != 0)
        at++;
    memcpy(b.p + at, &v, sizeof v);
    t_ok(io_replace(to, buf_view(&b), &e), &e);
    buf_free(&b);
    gguf_close(g);
}

START_TEST(weights_that_do_not_fit_are_refused)
{
    static const float bad[] = { NAN, INFINITY, -70000 };
    const char *in = in_tmp("spoilt.gguf"), *out = in_tmp("spoilt-out.gguf");

    for (size_t i = 0; i < 3; i++) {
        spoil(TINY "qwen2.gguf", in, bad[i]);
        refused(in, out, "Q4_0", MK_EFORMAT, "blk.0.ffn_up.weight");
        refused(in, out, "F16", MK_EFORMAT, "65504");
        ck_assert(!io_exists(out));
        convert(in, out, "BF16"); /* which holds anything */
        ck_assert_int_eq(unlink(out), 0);
    }
}
END_TEST

/* --- faults ---------------------------------------------------------------- */

static void check_nothing_left(const char *dir)
{
    struct arena a;
    char **names;
    size_t n;
    struct err e;

    arena_init(&a, 0);
    t_ok(io_list(dir, &a, &names, &n, &e), &e);
    ck_assert_uint_eq(n, 0);
    arena_free(&a);
}

START_TEST(a_full_disk_leaves_nothing)
{
    const char *dir = in_tmp("full"), *out = in_tmp("full/x.gguf");
    int status = MK_EIO;
    struct err e;
    size_t nth = 1;

    t_ok(io_mkdirs(dir, &e), &e);
    for (; status; nth++) {
        io_fail_at(nth, ENOSPC);
        status = mk_quantize(TINY "qwen2.gguf", out, "Q8_0", NULL, msg);
        io_fail_at(0, 0);
        if (!status)
            break;
        ck_assert_int_eq(status, MK_EIO);
        ck_assert_msg(strstr(msg, "No space left") != NULL, "%s", msg);
        if (strstr(msg, "its folder")) /* the new file is there by then */
            ck_assert_int_eq(unlink(out), 0);
        check_nothing_left(dir);
    }
    ck_assert_uint_gt(nth, 20); /* a write for each tensor at the least */
    ck_assert_int_eq(unlink(out), 0);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    const char *out = in_tmp("mem.gguf");
    int status = MK_ENOMEM;
    size_t nth = 1;

    for (; status; nth++) {
        mem_fail_at(nth, nth % 2 == 0);
        status = mk_quantize(TINY "qwen2.gguf", out, "Q8_0", NULL, msg);
        mem_fail_at(0, false);
        if (status) {
            ck_assert_msg(status == MK_ENOMEM, "allocation %zu: %s", nth, msg);
            ck_assert(!io_exists(out));
        }
    }
    ck_assert_uint_gt(nth, 6);
    ck_assert_int_eq(unlink(out), 0);
}
END_TEST

struct seen {
    size_t n, stop_after;
};

static bool on_tensor(void *user, const struct mk_quantized *t)
{
    struct seen *s = user;

    ck_assert_uint_eq(t->i, s->n);
    ck_assert_uint_gt(t->bytes_to, 0);
    ck_assert_uint_ge(strlen(t->name), 1);
    return ++s->n != s->stop_after;
}

START_TEST(tensors_are_told_and_a_stop_leaves_nothing)
{
    const char *out = in_tmp("stopped.gguf");
    struct seen s = { 0, 5 };
    struct mk_quantize_params p = { .on_tensor = on_tensor, .user = &s };
    struct gguf *g = open_file(TINY "qwen2.gguf");

    ck_assert_int_eq(mk_quantize(TINY "qwen2.gguf", out, "Q8_0", &p, msg),
                     MK_ECANCELLED);
    ck_assert_uint_eq(s.n, 5);
    ck_assert(!io_exists(out));
    s = (struct seen){ 0, 0 };
    ok(mk_quantize(TINY "qwen2.gguf", out, "Q8_0", &p, msg));
    ck_assert_uint_eq(s.n, gguf_n_tensors(g));
    ck_assert_int_eq(unlink(out), 0);
    gguf_close(g);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_type_runs_and_is_near_its_source, 0, N_TYPES);
    tcase_add_loop_test(tc, tensors_get_the_type_that_fits, 0,
                        sizeof choices / sizeof choices[0]);
    tcase_add_test(tc, all_else_is_kept);
    tcase_add_test(tc, the_bytes_depend_on_the_input_alone);
    tcase_add_test(tc, wrong_use_is_refused);
    tcase_add_test(tc, files_are_not_overwritten_unasked);
    tcase_add_test(tc, weights_that_do_not_fit_are_refused);
    tcase_add_test(tc, a_full_disk_leaves_nothing);
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_test(tc, tensors_are_told_and_a_stop_leaves_nothing);
}
T_MAIN("quantize", setup)
