/* raw_crc.c - see raw_crc.h. Where the CPU multiplies without carry, 64 bytes
 * are folded into the next 64 until 16 remain, whose CRC is that of all (V.
 * Gopal and others, "Fast CRC Computation for Generic Polynomials Using
 * PCLMULQDQ Instruction", Intel 2009; the constants are those of its table
 * for the reflected 0x04c11db7). zlib does the rest, and all elsewhere. */
#include "rows/raw_crc.h"

#include <zlib.h>

#if defined(__x86_64__)
#include <wmmintrin.h>

enum { LANE = 16, BLOCK = 4 * LANE };

#define FOLDS __attribute__((target("pclmul,sse2")))

static inline FOLDS __m128i
load(const uint8_t *p)
{
    return _mm_loadu_si128((const void *)p);
}

/* x moved on by the distance that k stands for, and what lies there. */
static inline FOLDS __m128i
fold(__m128i x, __m128i k, __m128i there)
{
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00),
                                       _mm_clmulepi64_si128(x, k, 0x11)),
                         there);
}

/* len: a multiple of LANE, at least BLOCK. */
static FOLDS uint32_t
crc_folded(const uint8_t *p, size_t len)
{
    const __m128i by_block = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by_lane = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i x[4];
    uint8_t rest[LANE];

    for (size_t i = 0; i < 4; i++) {
        x[i] = load(p + i * LANE);
    }
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128(-1)); /* as CRC-32 starts */
    for (p += BLOCK, len -= BLOCK; len >= BLOCK; p += BLOCK, len -= BLOCK) {
        x[0] = fold(x[0], by_block, load(p));
        x[1] = fold(x[1], by_block, load(p + LANE));
        x[2] = fold(x[2], by_block, load(p + (size_t)2 * LANE));
        x[3] = fold(x[3], by_block, load(p + (size_t)3 * LANE));
    }
    for (size_t i = 1; i < 4; i++) {
        x[0] = fold(x[0], by_lane, x[i]);
    }
    for (; len; p += LANE, len -= LANE) {
        x[0] = fold(x[0], by_lane, load(p));
    }
    _mm_storeu_si128((void *)rest, x[0]);
    /* zlib inverts the CRC before and after: this begins with a plain 0. */
    return (uint32_t)crc32_z(UINT32_MAX, rest, LANE);
}

uint32_t
raw_crc(const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t folded = len - len % LANE;

    if (folded < BLOCK || !__builtin_cpu_supports("pclmul")) {
        return (uint32_t)crc32_z(0, p, len);
    }
    return (uint32_t)crc32_z(crc_folded(p, folded), p + folded, len - folded);
}
#else
uint32_t
raw_crc(const void *data, size_t len)
{
    return (uint32_t)crc32_z(0, data, len);
}
#endif
