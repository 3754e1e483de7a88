/* What this processor can do at most, on one core: int8 and float32 products a second, and bytes read a second.
 *
 * Enough independent accumulators to fill every multiplier; nothing is loaded in the product loops.
 * gcc -O3 -march=native -shared -fPIC roofline.c -o roofline.so
 */
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

#define TEN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#define KEEP(i) __asm__ volatile("" : "+v"(a##i));

/* Multiply-adds a second in float32; 0 where this file does not know the processor. */
double float32_products(long n)
{
#if defined(__AVX512F__)
    __m512 x = _mm512_set1_ps(1e-3f), y = _mm512_set1_ps(0.999f);
#define DECLARE(i) __m512 a##i = _mm512_set1_ps((float)i);
#define STEP(i) a##i = _mm512_fmadd_ps(a##i, y, x); KEEP(i)
    const double each = 16;
#elif defined(__FMA__)
    __m256 x = _mm256_set1_ps(1e-3f), y = _mm256_set1_ps(0.999f);
#define DECLARE(i) __m256 a##i = _mm256_set1_ps((float)i);
#define STEP(i) a##i = _mm256_fmadd_ps(a##i, y, x); KEEP(i)
    const double each = 8;
#endif
#ifdef STEP
    TEN(DECLARE)
    double start = now();
    for (long k = 0; k < n; k++) {
        TEN(STEP)
    }
    return 10 * each * n / (now() - start);
#undef DECLARE
#undef STEP
#else
    (void)n;
    return 0;
#endif
}

/* Multiply-adds a second in int8 with int32 sums; 0 where the processor has no such instruction. */
double int8_products(long n)
{
#if defined(__AVX512VNNI__)
    __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(2);
#define DECLARE(i) __m512i a##i = _mm512_set1_epi32(i);
#define STEP(i) a##i = _mm512_dpbusd_epi32(a##i, x, y); KEEP(i)
    TEN(DECLARE)
    double start = now();
    for (long k = 0; k < n; k++) {
        TEN(STEP)
    }
    return 10 * 64.0 * n / (now() - start);
#else
    (void)n;
    return 0;
#endif
}

/* Bytes a second, reading a buffer once. */
double bytes_read(const int64_t *buffer, size_t n_words)
{
    int64_t a = 0, b = 0, c = 0, d = 0;
    double start = now();
    for (size_t i = 0; i + 32 <= n_words; i += 32)
        for (int j = 0; j < 32; j += 4) {
            a += buffer[i + j];
            b += buffer[i + j + 1];
            c += buffer[i + j + 2];
            d += buffer[i + j + 3];
        }
    double elapsed = now() - start;
    volatile int64_t sum = a + b + c + d;
    (void)sum;
    return 8.0 * n_words / elapsed;
}
