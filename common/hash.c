/* hash.c - see hash.h.
 * CRC32C: one instruction for 8 bytes where the CPU has it, else eight table
 * look-ups for 8 bytes ("slicing by 8"; 8 KiB of tables made at first use).
 * Three interleaved streams would be three times faster than one chain of
 * instructions; at 8 GB/s the journal's fsync is what costs. */
#include "common/hash.h"

#include <pthread.h>
#include <string.h>
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

uint64_t
co_hash64(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

struct co_hash128
co_hash128(const void *data, size_t len, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(data, len, seed);

    return (struct co_hash128){.low = h.low64, .high = h.high64};
}

/* XXH3_state_t is what the library allocates; the cast hides its name. */
struct co_hash_stream *
co_hash_stream_new(uint64_t seed)
{
    XXH3_state_t *state = XXH3_createState();

    if (state) (void)XXH3_64bits_reset_withSeed(state, seed);
    return (struct co_hash_stream *)state;
}

void
co_hash_stream_free(struct co_hash_stream *h)
{
    (void)XXH3_freeState((XXH3_state_t *)h);
}

void
co_hash_stream_add(struct co_hash_stream *h, const void *data, size_t len)
{
    if (len) (void)XXH3_64bits_update((XXH3_state_t *)h, data, len);
}

uint64_t
co_hash_stream_value(const struct co_hash_stream *h)
{
    return XXH3_64bits_digest((const XXH3_state_t *)h);
}

char *
co_hex16(uint64_t value, char text[CO_HEX16_SIZE])
{
    for (int i = 15; i >= 0; i--, value >>= 4) {
        text[i] = "0123456789abcdef"[value & 15];
    }
    text[16] = '\0';
    return text;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool
co_hex16_parse(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (int i = 0; i < 16; i++) {
        int digit = hex_digit(text[i]); /* stops at an early NUL too */

        if (digit < 0) return false;
        value = value << 4 | (uint64_t)digit;
    }
    if (text[16]) return false;
    *ret_value = value;
    return true;
}

/* crc_table[k][b]: the CRC of byte b followed by k zero bytes. */
static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void
crc_make_tables(void)
{
    const uint32_t poly = 0x82f63b78; /* 0x1edc6f41, bits reversed */

    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;

        for (int i = 0; i < 8; i++) {
            crc = crc >> 1 ^ (crc & 1 ? poly : 0);
        }
        crc_table[0][b] = crc;
    }
    for (uint32_t b = 0; b < 256; b++) {
        for (int k = 1; k < 8; k++) {
            uint32_t before = crc_table[k - 1][b];

            crc_table[k][b] = before >> 8 ^ crc_table[0][before & 255];
        }
    }
}

uint32_t
co_crc32c_table(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;

    (void)pthread_once(&crc_once, crc_make_tables);
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        /* Written by byte, so that it means the same on any byte order. */
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 |
                              (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);

        crc = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^
              crc_table[5][low >> 16 & 255] ^ crc_table[4][low >> 24] ^
              crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^
              crc_table[0][p[7]];
    }
    for (; len; len--, p++) {
        crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 255];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_run_hw(uint32_t crc, const uint8_t *p, size_t len)
{
    uint64_t c = crc;

    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof word);
        c = _mm_crc32_u64(c, word);
    }
    crc = (uint32_t)c;
    for (; len; len--, p++) {
        crc = _mm_crc32_u8(crc, *p);
    }
    return crc;
}

static bool
crc_has_hw(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
static uint32_t
crc_run_hw(uint32_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof word);
        crc = __crc32cd(crc, word);
    }
    for (; len; len--, p++)
        crc = __crc32cb(crc, *p);
    return crc;
}

static bool
crc_has_hw(void)
{
    return true; /* the build asked for it, so the machine must have it */
}
#else
static uint32_t
crc_run_hw(uint32_t crc, const uint8_t *p, size_t len)
{
    return ~co_crc32c_table(~crc, p, len);
}

static bool
crc_has_hw(void)
{
    return false;
}
#endif

bool
co_crc32c_hw(uint32_t crc, const void *data, size_t len, uint32_t *ret_crc)
{
    if (!crc_has_hw()) return false;
    *ret_crc = ~crc_run_hw(~crc, data, len);
    return true;
}

uint32_t
co_crc32c(uint32_t crc, const void *data, size_t len)
{
    if (crc_has_hw()) return ~crc_run_hw(~crc, data, len);
    return co_crc32c_table(crc, data, len);
}
