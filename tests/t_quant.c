/* Block layouts: float values bit for bit, conversions, integer form. */
#include "engine/gguf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "tests/t.h"

#define QUANT "tests/golden/quant/"

/* A file of numbers; the caller frees it. */
static void read_file(const char *name, struct buf *out)
{
    char path[256];
    snprintf(path, sizeof path, QUANT "%s", name);
    t_read(path, out);
}

static float f32_at(const struct buf *b, size_t i)
{
    float f;
    memcpy(&f, b->p + i * sizeof f, sizeof f);
    return f;
}

static uint16_t u16_at(const struct buf *b, size_t i)
{
    uint16_t v;
    memcpy(&v, b->p + i * sizeof v, sizeof v);
    return v;
}

static bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void check_vector(const struct json *v)
{
    const struct quant_type *t =
        quant_type((int)json_number(json_get(v, "type_id")));
    size_t n = (size_t)json_number(json_get(v, "n"));
    const char *name = json_string(json_get(v, "blocks_file"));
    struct buf blocks, want;
    float y[1024];

    if (!t) /* activations only: Q8_K is no weight type */
        return;
    ck_assert_str_eq(t->name, json_string(json_get(v, "type")));
    ck_assert_int_eq(t->block_elems,
                     (int)json_number(json_get(v, "block_elements")));
    ck_assert_int_eq(t->block_bytes,
                     (int)json_number(json_get(v, "block_bytes")));
    read_file(name, &blocks);
    read_file(json_string(json_get(v, "dequantised_file")), &want);
    ck_assert_uint_eq(n, 1024);
    t->dequantise(blocks.p, y, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(same_bits(y[i], f32_at(&want, i)),
                      "%s, weight %zu: %a, expected %a", name, i, (double)y[i],
                      (double)f32_at(&want, i));
    buf_free(&blocks);
    buf_free(&want);
}

START_TEST(blocks_have_the_definitions_bits)
{
    struct buf text;
    struct json *index;
    struct err e;
    size_t n = 0;

    read_file("index.json", &text);
    t_ok(json_parse(&index, buf_view(&text), &e), &e);
    for (const struct json *v = json_child(json_get(index, "vectors")); v;
         v = json_next(v), n++)
        check_vector(v);
    ck_assert_uint_eq(n, json_len(json_get(index, "vectors")));
    ck_assert_uint_ge(n, 24);
    json_free(index);
    buf_free(&text);
}
END_TEST

/* Weights and minima of a run, times the input, in double. */
static double run_dot(const struct quant_type *t, const struct quant_run *r,
                      const struct buf *x, size_t at)
{
    double sum = 0;

    for (size_t j = 0; j < QUANT_RUN; j++) {
        double w = (double)r->s * r->u[j / 16] * r->w[j];
        if (t->has_min)
            w += (double)r->m * r->v[j / 16];
        sum += w * (double)f32_at(x, at + j);
    }
    return sum;
}

static void check_runs(const struct json *v, const struct buf *x)
{
    const struct quant_type *t =
        quant_type((int)json_number(json_get(v, "type_id")));
    double want = json_number(json_get(v, "dot_x_float64")), sum = 0;
    struct quant_run r;
    struct buf blocks;

    if (!t)
        return;
    read_file(json_string(json_get(v, "blocks_file")), &blocks);
    for (size_t c = 0; c < 1024; c += QUANT_RUN) {
        size_t block = c / (size_t)t->block_elems;
        t->unpack((const uint8_t *)blocks.p + block * (size_t)t->block_bytes,
                  c % (size_t)t->block_elems / QUANT_RUN, &r);
        sum += run_dot(t, &r, x, c);
    }
    ck_assert_msg(fabs(sum - want) < 1e-3 + 1e-5 * fabs(want),
                  "%s: %.9g, expected %.9g", t->name, sum, want);
    buf_free(&blocks);
}

START_TEST(integer_runs_stand_for_the_same_weights)
{
    struct buf text, x;
    struct json *index;
    struct err e;

    read_file("index.json", &text);
    read_file("x.f32", &x);
    t_ok(json_parse(&index, buf_view(&text), &e), &e);
    for (const struct json *v = json_child(json_get(index, "vectors")); v;
         v = json_next(v))
        check_runs(v, &x);
    json_free(index);
    buf_free(&text);
    buf_free(&x);
}
END_TEST

START_TEST(halves_and_bfloats_are_read)
{
    struct buf f16, f16_want, bf16, bf16_want;

    read_file("f16.bits", &f16);
    read_file("f16.f32", &f16_want);
    read_file("bf16.bits", &bf16);
    read_file("bf16.f32", &bf16_want);
    for (size_t i = 0; i < f16.n / 2; i++) {
        float want = f32_at(&f16_want, i);
        float got = quant_f16_to_f32(u16_at(&f16, i));
        ck_assert(isnan(want) ? isnan(got) : same_bits(got, want));
    }
    for (size_t i = 0; i < bf16.n / 2; i++) {
        float want = f32_at(&bf16_want, i);
        float got = quant_bf16_to_f32(u16_at(&bf16, i));
        ck_assert(isnan(want) ? isnan(got) : same_bits(got, want));
    }
    buf_free(&f16);
    buf_free(&f16_want);
    buf_free(&bf16);
    buf_free(&bf16_want);
}
END_TEST

START_TEST(conversions_round_to_nearest_even)
{
    struct buf src, f16, bf16;

    read_file("cvt.src.f32", &src);
    read_file("cvt.f16", &f16);
    read_file("cvt.bf16", &bf16);
    for (size_t i = 0; i < src.n / sizeof(float); i++) {
        float x = f32_at(&src, i);
        ck_assert_msg(quant_f32_to_f16(x) == u16_at(&f16, i), "%a as F16",
                      (double)x);
        ck_assert_msg(quant_f32_to_bf16(x) == u16_at(&bf16, i), "%a as BF16",
                      (double)x);
    }
    buf_free(&src);
    buf_free(&f16);
    buf_free(&bf16);
}
END_TEST

/* Every half survives the way to float and back; NaN stays NaN. */
START_TEST(all_halves_come_back)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = quant_f16_to_f32((uint16_t)h);
        float b = quant_bf16_to_f32((uint16_t)h);
        if (isnan(f))
            ck_assert(isnan(quant_f16_to_f32(quant_f32_to_f16(f))));
        else
            ck_assert_uint_eq(quant_f32_to_f16(f), h);
        if (isnan(b))
            ck_assert(isnan(quant_bf16_to_f32(quant_f32_to_bf16(b))));
        else
            ck_assert_uint_eq(quant_f32_to_bf16(b), h);
    }
}
END_TEST

START_TEST(types_that_are_not_run_have_names)
{
    ck_assert_ptr_null(quant_type(17));
    ck_assert_ptr_null(quant_type(-1));
    ck_assert_ptr_null(quant_type(1000));
    ck_assert_str_eq(quant_type_name(17), "IQ2_XS");
    ck_assert_str_eq(quant_type_name(GGML_Q4_K), "Q4_K");
    ck_assert_str_eq(quant_type_name(-1), "an unknown type");
    ck_assert_str_eq(quant_type_name(1000), "an unknown type");
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, blocks_have_the_definitions_bits);
    tcase_add_test(tc, integer_runs_stand_for_the_same_weights);
    tcase_add_test(tc, halves_and_bfloats_are_read);
    tcase_add_test(tc, conversions_round_to_nearest_even);
    tcase_add_test(tc, all_halves_come_back);
    tcase_add_test(tc, types_that_are_not_run_have_names);
}
T_MAIN("quant", setup)
