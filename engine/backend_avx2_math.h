/* Vector functions that several files of the AVX2 backend use. */
#ifndef MK_BACKEND_AVX2_MATH_H
#define MK_BACKEND_AVX2_MATH_H

#if defined(__AVX2__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* e^x within 2 ulp (tests try it over the whole range); 0 below -104,
 * infinity above 88.8, NaN stays NaN.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts so that r is exact
 * enough; e^r by its Taylor polynomial of degree 7, whose first left-out term
 * is below 2^-27; 2^n in two factors, since one alone would leave the range
 * before the result does. */
INLINE __m256 avx2_exp(__m256 x)
{
    const __m256 low = _mm256_set1_ps(-110), high = _mm256_set1_ps(90);
    const __m256 log2e = _mm256_set1_ps(1.44269504F);
    __m256 n, r, p;
    __m256i i, half;

    /* In this order of arguments a NaN in x is kept. */
    x = _mm256_min_ps(high, _mm256_max_ps(low, x));
    n = _mm256_round_ps(_mm256_mul_ps(x, log2e),
                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693145751953125F), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(1.428606820309417e-6F), r);
    p = _mm256_set1_ps(1.0F / 5040);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 720));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    i = _mm256_cvtps_epi32(n);
    half = _mm256_srai_epi32(i, 1);
    i = _mm256_sub_epi32(i, half);
    half =
        _mm256_slli_epi32(_mm256_add_epi32(half, _mm256_set1_epi32(127)), 23);
    i = _mm256_slli_epi32(_mm256_add_epi32(i, _mm256_set1_epi32(127)), 23);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(half));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(i));
}
#endif
#endif
