/* bitfix.c - see bitfix.h. Bits are walked from the last one fed into the
 * CRC backwards: one step is one shift of the register. */
#include "journal/bitfix.h"

#include <endian.h>
#include <string.h>

#include "common/hash.h"

#define CRC_POLYNOMIAL 0x82f63b78u /* Castagnoli, reflected */

/* How many bits before the end of the fed message the flip lies (0: the last
 * bit), or bits when there is none. */
static uint64_t
bitfix_walk(uint32_t syndrome, uint64_t bits)
{
    uint32_t effect = CRC_POLYNOMIAL; /* of flipping the last bit */
    uint64_t i;

    for (i = 0; i < bits && effect != syndrome; i++) {
        effect = (effect >> 1) ^ (CRC_POLYNOMIAL & (0u - (effect & 1)));
    }
    return i;
}

static uint32_t
load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

/* Sets *ret if the syndrome is one bit of the stored checksum itself. */
static bool
bitfix_in_checksum(uint32_t syndrome, uint32_t offset, struct bitfix *ret)
{
    unsigned bit;

    if (__builtin_popcount(syndrome) != 1) return false;
    bit = (unsigned)__builtin_ctz(syndrome);
    *ret = (struct bitfix){offset + bit / 8, (uint8_t)(1u << (bit % 8))};
    return true;
}

enum co_err
bitfix_block(const uint8_t *block, size_t len, struct bitfix *ret)
{
    uint32_t crc = co_crc32c(0, block, len - 4);
    uint32_t syndrome = crc ^ load32(block + len - 4);
    uint64_t bits = (uint64_t)(len - 4) * 8;
    uint64_t back;

    if (!syndrome) return CO_DAMAGED; /* wrong for another reason */
    if (bitfix_in_checksum(syndrome, (uint32_t)len - 4, ret)) return CO_OK;
    back = bitfix_walk(syndrome, bits);
    if (back == bits) return CO_DAMAGED;
    *ret = (struct bitfix){(uint32_t)(len - 5 - back / 8),
                           (uint8_t)(0x80u >> (back % 8))};
    return CO_OK;
}

/* The checksum of a record that starts with these 16 header bytes. */
static uint32_t
bitfix_crc(const uint8_t header[RECORD_HEADER_BYTES], const uint8_t *raw,
           uint64_t total, uint32_t seed)
{
    uint32_t state = segment_crc_header(seed, header);

    return co_crc32c(state, raw + RECORD_HEADER_BYTES,
                     total - RECORD_HEADER_BYTES);
}

static bool
bitfix_plausible(const uint8_t header[RECORD_HEADER_BYTES], uint64_t sequence)
{
    uint64_t word;
    uint64_t found;

    memcpy(&word, header + 8, sizeof word);
    found = le64toh(word) >> 8;
    return header[8] != RECORD_NONE && found > sequence &&
           found - sequence <= BITFIX_SEQUENCE_JUMP;
}

/* A flip in the length field changes which bytes are covered: try each. */
static enum co_err
bitfix_length(const uint8_t *raw, size_t avail, uint32_t seed,
              uint64_t sequence, struct bitfix *ret)
{
    uint8_t header[RECORD_HEADER_BYTES];
    unsigned bit;

    for (bit = 0; bit < 32; bit++) {
        uint64_t length;

        memcpy(header, raw, sizeof header);
        header[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        length = load32(header) & 0x7fffffffu;
        if (length > RECORD_CONTENT_MAX || record_bytes(length) > avail ||
            !bitfix_plausible(header, sequence)) {
            continue;
        }
        if (bitfix_crc(header, raw, record_bytes(length), seed) !=
            load32(header + 4)) {
            continue;
        }
        *ret = (struct bitfix){bit / 8, (uint8_t)(1u << (bit % 8))};
        return CO_OK;
    }
    return CO_DAMAGED;
}

/* A flip anywhere else: the length is right, the syndrome tells the place. */
static enum co_err
bitfix_content(const uint8_t *raw, uint64_t total, uint32_t seed,
               uint64_t sequence, struct bitfix *ret)
{
    uint32_t syndrome = bitfix_crc(raw, raw, total, seed) ^ load32(raw + 4);
    uint64_t bits = (total - 8) * 8; /* up to the type byte */
    uint8_t header[RECORD_HEADER_BYTES];
    struct bitfix fix;

    if (!syndrome) return CO_DAMAGED;
    if (!bitfix_in_checksum(syndrome, 4, &fix)) {
        uint64_t back = bitfix_walk(syndrome, bits);

        if (back == bits) return CO_DAMAGED;
        fix.byte = (uint32_t)(total - 1 - back / 8);
        fix.mask = (uint8_t)(0x80u >> (back % 8));
    }
    memcpy(header, raw, sizeof header);
    if (fix.byte < sizeof header) header[fix.byte] ^= fix.mask;
    if (!bitfix_plausible(header, sequence)) return CO_DAMAGED;
    *ret = fix;
    return CO_OK;
}

enum co_err
bitfix_record(const uint8_t *raw, size_t avail, uint32_t seed,
              uint64_t sequence, struct bitfix *ret)
{
    uint64_t length;

    if (avail < RECORD_HEADER_BYTES) return CO_DAMAGED;
    length = load32(raw) & 0x7fffffffu;
    if (length <= RECORD_CONTENT_MAX && record_bytes(length) <= avail &&
        bitfix_content(raw, record_bytes(length), seed, sequence, ret) ==
            CO_OK) {
        return CO_OK;
    }
    return bitfix_length(raw, avail, seed, sequence, ret);
}
