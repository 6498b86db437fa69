/* Which experts a router chooses, and with what weights: worked by hand. */
#include "engine/moe.h"

#include <math.h>
#include <string.h>

#include "tests/t.h"

#define MOST 8

/* Natural logarithms of probabilities: softmax gives these back. */
static void logs(const float *p, int n, float *scores)
{
    for (int i = 0; i < n; i++)
        scores[i] = logf(p[i]);
}

static void check(const struct moe *m, const float *bias, const float *scores,
                  const int32_t *ids, const float *weights)
{
    int32_t got[MOST];
    float w[MOST];

    moe_route(m, bias, scores, got, w);
    for (int i = 0; i < m->n_used; i++) {
        ck_assert_int_eq(got[i], ids[i]);
        ck_assert_float_eq_tol(w[i], weights[i], 1e-6F);
    }
}

static const struct moe plain = { .n_expert = 4,
                                  .n_used = 2,
                                  .gating = MOE_SOFTMAX,
                                  .scale = 1,
                                  .n_group = 1,
                                  .n_group_used = 1 };

START_TEST(the_likeliest_experts_are_chosen)
{
    const float p[] = { 0.1F, 0.2F, 0.3F, 0.4F };
    struct moe m = plain;
    float s[4];

    logs(p, 4, s);
    check(&m, NULL, s, (int32_t[]){ 2, 3 }, (float[]){ 0.3F, 0.4F });
    m.scale = 16;
    check(&m, NULL, s, (int32_t[]){ 2, 3 }, (float[]){ 4.8F, 6.4F });
    m.normalise = true;
    m.scale = 1;
    check(&m, NULL, s, (int32_t[]){ 2, 3 }, (float[]){ 3 / 7.F, 4 / 7.F });
    m.n_used = 4;
    check(&m, NULL, s, (int32_t[]){ 0, 1, 2, 3 }, p);
}
END_TEST

START_TEST(the_first_of_equals_is_chosen)
{
    const float s[] = { 0, 1, 1, 1 };
    float e = expf(1);

    check(&plain, NULL, s, (int32_t[]){ 1, 2 },
          (float[]){ e / (1 + 3 * e), e / (1 + 3 * e) });
}
END_TEST

/* The bias chooses; the weights are those without it. */
START_TEST(a_bias_is_for_choosing_alone)
{
    const float s[] = { 0, 0, 2, -2 }, bias[] = { 0, 0.1F, -1, 5 };
    struct moe m = plain;

    m.gating = MOE_SIGMOID;
    check(&m, bias, s, (int32_t[]){ 1, 3 },
          (float[]){ 0.5F, 1 / (1 + expf(2)) });
}
END_TEST

/* Four groups of two, two of which are used: by their best expert; with a bias
 * by the sum of their two best. */
START_TEST(experts_come_from_the_best_groups)
{
    const float p[] = {
        0.30F, 0.01F, 0.20F, 0.19F, 0.03F, 0.02F, 0.24F, 0.01F
    };
    const float none[MOST] = { 0 };
    struct moe m = { .n_expert = 8,
                     .n_used = 3,
                     .gating = MOE_SOFTMAX,
                     .scale = 1,
                     .n_group = 4,
                     .n_group_used = 2 };
    float s[MOST];

    logs(p, 8, s);
    check(&m, NULL, s, (int32_t[]){ 0, 1, 6 }, (float[]){ 0.3F, 0.01F, 0.24F });
    check(&m, none, s, (int32_t[]){ 0, 2, 3 }, (float[]){ 0.3F, 0.2F, 0.19F });
}
END_TEST

/* Whatever the scores: each expert once, in order, and NaN stays visible. */
START_TEST(what_is_no_number_harms_nobody)
{
    static const float odd[] = { NAN, INFINITY, -INFINITY, 0, 1e30F };
    struct moe m = plain;
    int32_t ids[MOST];
    float w[MOST], s[4];

    m.n_used = 3;
    for (size_t i = 0; i < 5 * 5 * 5 * 5; i++) {
        size_t at = i;
        for (int k = 0; k < 4; k++, at /= 5)
            s[k] = odd[at % 5];
        m.gating = i % 2 ? MOE_SOFTMAX : MOE_SIGMOID;
        moe_route(&m, NULL, s, ids, w);
        ck_assert(0 <= ids[0] && ids[0] < ids[1] && ids[1] < ids[2] &&
                  ids[2] < 4);
    }
    s[0] = s[1] = s[2] = s[3] = NAN;
    moe_route(&m, NULL, s, ids, w);
    ck_assert(isnan(w[0]));
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, the_likeliest_experts_are_chosen);
    tcase_add_test(tc, the_first_of_equals_is_chosen);
    tcase_add_test(tc, a_bias_is_for_choosing_alone);
    tcase_add_test(tc, experts_come_from_the_best_groups);
    tcase_add_test(tc, what_is_no_number_harms_nobody);
}
T_MAIN("moe", setup)
