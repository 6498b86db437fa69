/* Vector functions that several files of the AVX2 backend use. */
#ifndef MK_BACKEND_AVX2_MATH_H
#define MK_BACKEND_AVX2_MATH_H

#if defined(__AVX2__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* e^r for |r| <= ln 2 / 2: the Taylor polynomial of degree 7, whose first
 * left-out term is below 2^-27. */
INLINE __m256 avx2_exp_poly(__m256 r)
{
    __m256 p = _mm256_set1_ps(1.0F / 5040);

    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 720));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    return _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
}

/* x = n ln 2 + r; ln 2 in two parts so that r is exact enough. */
INLINE __m256 avx2_exp_reduce(__m256 x, __m256i *n)
{
    __m256 f = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504F)),
                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(f, _mm256_set1_ps(0.693145751953125F), x);

    *n = _mm256_cvtps_epi32(f);
    return _mm256_fnmadd_ps(f, _mm256_set1_ps(1.428606820309417e-6F), r);
}

/* e^x within 2 ulp; 0 below -104, infinity above 88.8, NaN stays NaN.  2^n in
 * two factors, since one alone would leave the range before the result does. */
INLINE __m256 avx2_exp(__m256 x)
{
    const __m256 low = _mm256_set1_ps(-110), high = _mm256_set1_ps(90);
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i n, half;
    __m256 p;

    /* In this order of arguments a NaN in x is kept. */
    x = _mm256_min_ps(high, _mm256_max_ps(low, x));
    p = avx2_exp_poly(avx2_exp_reduce(x, &n));
    half = _mm256_srai_epi32(n, 1);
    n = _mm256_add_epi32(_mm256_sub_epi32(n, half), bias);
    half = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(half));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(n, 23)));
}

/* The same for x <= 0, as a softmax needs it: what is below e^-87 becomes that,
 * beside a weight of 1 it is nothing. */
INLINE __m256 avx2_exp_weight(__m256 x)
{
    __m256i n;
    __m256 p = avx2_exp_poly(
        avx2_exp_reduce(_mm256_max_ps(_mm256_set1_ps(-87), x), &n));

    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(n, 23)));
}
#endif
#endif
