/* Sampling against a slow definition of it by sorting, and its properties. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/t.h"

#define V 600

static uint32_t next(uint32_t *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

/* Logits with many ties. */
static void random_logits(uint32_t *seed, float *x)
{
    for (int i = 0; i < V; i++)
        x[i] = (float)(next(seed) >> 20) / 256.0f - 8.0f;
}

static const float *compared;
static int by_logit(const void *a, const void *b)
{
    int i = *(const int *)a, j = *(const int *)b;

    if (compared[i] > compared[j] || compared[i] < compared[j])
        return compared[i] > compared[j] ? -1 : 1;
    return i - j;
}

/* Which ids may be drawn: sorted, the first k, then the shortest head of them
 * that holds p of the probability. */
static void allowed(const float *x, const struct mk_sampling *s, bool *ok)
{
    int id[V], k = s->top_k > 0 && s->top_k < V ? s->top_k : V;
    double sum = 0, head = 0, w[V];

    for (int i = 0; i < V; i++)
        id[i] = i;
    compared = x;
    qsort(id, V, sizeof *id, by_logit);
    for (int i = 0; i < k; i++)
        sum += w[i] =
            exp(((double)x[id[i]] - (double)x[id[0]]) / (double)s->temperature);
    memset(ok, 0, V * sizeof *ok);
    for (int i = 0; i < k && (i == 0 || head < (double)s->top_p * sum); i++) {
        ok[id[i]] = true;
        head += w[i];
    }
}

START_TEST(greedy_takes_the_lower_id_of_equals)
{
    static const struct mk_sampling greedy = { .top_p = 1 };
    static const struct {
        float x[4];
        int32_t id;
    } cases[] = {
        { { 1, 3, 2, 3 }, 1 },           { { 5, 5, 5, 5 }, 0 },
        { { NAN, 1, NAN, 2 }, 3 },       { { NAN, NAN, NAN, NAN }, 0 },
        { { -INFINITY, -2, 0, -1 }, 2 }, { { -0.0f, 0, 0, 0 }, 0 },
    };
    uint64_t state = 5;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(mk_sample(cases[i].x, 4, &greedy, &state),
                         cases[i].id);
    ck_assert_uint_eq(state, 5);
}
END_TEST

static const struct mk_sampling settings[] = {
    { 1, 0, 1, 1 },        { 0.7f, 5, 1, 2 },     { 1, 0, 0.5f, 3 },
    { 1.5f, 50, 0.9f, 4 }, { 0.2f, 0, 0.99f, 5 }, { 1, 1, 1, 6 },
    { 1, 3, 0.01f, 7 },    { 2, 599, 0.999f, 8 }, { 0.01f, 0, 0.95f, 9 },
    { 1, 0, 0, 10 },
};

START_TEST(draws_are_those_that_sorting_allows)
{
    const struct mk_sampling *s = &settings[_i];
    uint64_t state = s->seed;
    uint32_t seed = 3;
    float x[V];
    bool ok[V];

    for (int round = 0; round < 20; round++) {
        random_logits(&seed, x);
        allowed(x, s, ok);
        for (int i = 0; i < 50; i++) {
            int32_t id = mk_sample(x, V, s, &state);

            ck_assert_int_ge(id, 0);
            ck_assert_int_lt(id, V);
            ck_assert_msg(ok[id], "id %d should have been cut off", id);
        }
    }
}
END_TEST

/* Frequencies of 20,000 draws against the softmax: 5 sigma each. */
START_TEST(draws_follow_the_softmax)
{
    static const float x[5] = { 0, 1, 2, -1, NAN };
    static const struct mk_sampling s = { .temperature = 1, .top_p = 1 };
    int count[5] = { 0 }, n = 20000;
    uint64_t state = 42;
    double sum = 0;

    for (int i = 0; i < n; i++)
        count[mk_sample(x, 5, &s, &state)]++;
    for (int i = 0; i < 4; i++)
        sum += exp((double)x[i]);
    for (int i = 0; i < 4; i++) {
        double p = exp((double)x[i]) / sum;

        ck_assert_double_lt(fabs(count[i] - n * p), 5 * sqrt(n * p * (1 - p)));
    }
    ck_assert_int_eq(count[4], 0);
}
END_TEST

START_TEST(same_seed_same_draws)
{
    uint32_t seed = 9;
    float x[V];
    uint64_t a = 77, b = 77, c = 78;
    int differ = 0;

    random_logits(&seed, x);
    for (int i = 0; i < 200; i++) {
        int32_t id = mk_sample(x, V, &settings[0], &a);

        ck_assert_int_eq(mk_sample(x, V, &settings[0], &b), id);
        differ += mk_sample(x, V, &settings[0], &c) != id;
    }
    ck_assert_int_gt(differ, 100);
}
END_TEST

START_TEST(one_token_and_infinite_logits)
{
    static const float one[1] = { NAN }, inf[3] = { 0, INFINITY, 1 };
    uint64_t state = 1;

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        ck_assert_int_eq(mk_sample(one, 1, &settings[i], &state), 0);
        ck_assert_int_eq(mk_sample(inf, 3, &settings[i], &state), 1);
    }
}
END_TEST

static void setup(TCase *tc)
{
    int n = sizeof settings / sizeof *settings;

    tcase_add_test(tc, greedy_takes_the_lower_id_of_equals);
    tcase_add_loop_test(tc, draws_are_those_that_sorting_allows, 0, n);
    tcase_add_test(tc, draws_follow_the_softmax);
    tcase_add_test(tc, same_seed_same_draws);
    tcase_add_test(tc, one_token_and_infinite_logits);
}

T_MAIN("sample", setup)
