/* random.h - the counter-based generator behind every row.
 * random_pair(key, row, draw, stream) is a pure function: no state, no
 * order, so that row 10^9 costs what row 0 costs and workers need not agree
 * on anything but the key. Six rounds of multiply and xor over a 128-bit
 * counter (the Philox construction); two 64-bit words come out. Integers
 * only. Changing anything here changes rows: see generator.h. */
#pragma once
#include "common/base.h"

struct random_pair {
    uint64_t a, b;
};

/* The upper 64 bits of a product: x scaled to [0, n) when x is uniform.
 * The bias is under n / 2^64. */
static inline uint64_t
random_scale(uint64_t x, uint64_t n)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)x * n) >> 64);
}

static inline struct random_pair
random_pair(uint64_t key, uint64_t row, uint32_t draw, uint32_t stream)
{
    uint64_t c0 = row, c1 = (uint64_t)draw << 32 | stream;

    for (int round = 0; round < 6; round++) {
        uint64_t hi = random_scale(c0, UINT64_C(0xd2b74407b1ce6e93));
        uint64_t lo = c0 * UINT64_C(0xd2b74407b1ce6e93);

        c0 = hi ^ key ^ c1;
        c1 = lo;
        key += UINT64_C(0x9e3779b97f4a7c15);
    }
    return (struct random_pair){c0, c1};
}
