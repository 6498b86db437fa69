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

/* --- packing --------------------------------------------------------------- */

static double rms_error(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sqrt(sum / (double)n);
}

/* Types whose bits the format fixes. */
static bool is_pinned(int type)
{
    return type == GGML_Q4_0 || type == GGML_Q4_1 || type == GGML_Q5_0 ||
           type == GGML_Q5_1 || type == GGML_Q8_0;
}

/* Another quantiser's blocks of the same weights: ours are equal where the
 * format says how, and as near to the weights elsewhere. */
static void check_packing(const struct json *v, const char *source)
{
    const struct quant_type *t =
        quant_type((int)json_number(json_get(v, "type_id")));
    double theirs = json_number(json_get(v, "rmse_vs_source")), ours;
    static float src[1024], y[1024];
    static uint8_t got[4096];
    struct buf x, want;

    if (!t)
        return;
    read_file(source, &x);
    read_file(json_string(json_get(v, "blocks_file")), &want);
    memcpy(src, x.p, sizeof src);
    t->pack(src, got, 1024);
    if (is_pinned((int)json_number(json_get(v, "type_id"))))
        ck_assert_msg(memcmp(got, want.p, want.n) == 0, "%s: other bits",
                      t->name);
    t->dequantise(got, y, 1024);
    ours = rms_error(src, y, 1024);
    printf("  %-6s rmse %.5f, another quantiser's %.5f\n", t->name, ours,
           theirs);
    ck_assert_msg(ours <= 1.03 * theirs, "%s: rmse %g, expected %g", t->name,
                  ours, theirs);
    buf_free(&x);
    buf_free(&want);
}

START_TEST(packed_weights_are_near_their_source)
{
    struct buf text;
    struct json *index;
    struct err e;
    size_t n = 0;

    read_file("index.json", &text);
    t_ok(json_parse(&index, buf_view(&text), &e), &e);
    for (const struct json *v = json_child(json_get(index, "vectors")); v;
         v = json_next(v)) {
        const char *source = json_string(json_get(v, "source_file"));
        if (!source)
            continue;
        check_packing(v, source);
        n++;
    }
    ck_assert_uint_ge(n, 12);
    json_free(index);
    buf_free(&text);
}
END_TEST

enum odd { ZERO, EQUAL, ABOVE, BELOW, HUGE_ONES, TINY, OUTLIER, N_ODD };

static float odd_weight(enum odd kind, size_t i, float u)
{
    switch (kind) {
    case ZERO:
        return 0;
    case EQUAL:
        return 0.25F;
    case ABOVE:
        return u + 1;
    case BELOW:
        return -u - 1;
    case HUGE_ONES:
        return 65504 * (2 * u - 1);
    case TINY: /* scales below the smallest half */
        return 1e-7F * (2 * u - 1);
    case OUTLIER:
        return i % 256 == 17 ? 8 : 0.01F * (2 * u - 1);
    case N_ODD:
        break;
    }
    return 0;
}

static void fill_weights(float *x, size_t n, enum odd kind)
{
    uint32_t s = 99;

    for (size_t i = 0; i < n; i++) {
        s = s * 1664525 + 1013904223;
        x[i] = odd_weight(kind, i, (float)(s >> 8) * 0x1p-24F);
    }
}

/* No type makes anything worse than leaving the weights out, not even where its
 * search has little to go by. */
START_TEST(odd_blocks_are_packed_sanely)
{
    static float x[512], y[512], zero[512];
    static uint8_t blocks[2048];

    for (int type = 0; type < GGML_N_TYPES; type++) {
        const struct quant_type *t = quant_type(type);
        for (enum odd kind = ZERO; t && kind < N_ODD; kind++) {
            if (kind == TINY && is_pinned(type))
                continue; /* the format's rule knows no better */
            fill_weights(x, 512, kind);
            t->pack(x, blocks, 512);
            t->dequantise(blocks, y, 512);
            for (int i = 0; i < 512; i++)
                ck_assert_msg(isfinite(y[i]), "%s, kind %d", t->name,
                              (int)kind);
            ck_assert_msg(rms_error(x, y, 512) <=
                              1.0001 * rms_error(x, zero, 512),
                          "%s, kind %d: rmse %g of %g", t->name, (int)kind,
                          rms_error(x, y, 512), rms_error(x, zero, 512));
        }
    }
}
END_TEST

/* Weights that the type can hold come back as they are. */
START_TEST(packing_again_changes_little)
{
    static float x[1024], y[1024], z[1024];
    static uint8_t blocks[4096];

    for (int type = 0; type < GGML_N_TYPES; type++) {
        const struct quant_type *t = quant_type(type);
        double first, again;
        if (!t)
            continue;
        for (size_t i = 0; i < 1024; i++)
            x[i] = sinf((float)i * 1.7F) * expf(sinf((float)i * 0.31F));
        t->pack(x, blocks, 1024);
        t->dequantise(blocks, y, 1024);
        t->pack(y, blocks, 1024);
        t->dequantise(blocks, z, 1024);
        first = rms_error(x, y, 1024);
        again = rms_error(y, z, 1024);
        ck_assert_msg(again <= 0.5 * first, "%s: rmse %g, then %g", t->name,
                      first, again);
    }
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
    tcase_add_test(tc, packed_weights_are_near_their_source);
    tcase_add_test(tc, odd_blocks_are_packed_sanely);
    tcase_add_test(tc, packing_again_changes_little);
    tcase_add_test(tc, halves_and_bfloats_are_read);
    tcase_add_test(tc, conversions_round_to_nearest_even);
    tcase_add_test(tc, all_halves_come_back);
    tcase_add_test(tc, types_that_are_not_run_have_names);
}
T_MAIN("quant", setup)
