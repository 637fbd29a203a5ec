/* utf8.c - the byte ranges of RFC 3629, section 4, as a table. */
#include "common/utf8.h"

#include "common/base.h"

/* First bytes first..last start a character of `bytes` bytes, the second of
 * which is low..high; further ones are 80..bf. Rising by first byte. */
static const struct {
    uint8_t first, last, low, high, bytes;
} ranges[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t
co_utf8_bytes(const uint8_t *p, size_t left)
{
    size_t r = 0;

    if (p[0] < 0x80) return 1;
    while (r < co_countof(ranges) && p[0] > ranges[r].last) {
        r++;
    }
    if (r == co_countof(ranges) || p[0] < ranges[r].first) return 0;
    if (left < ranges[r].bytes) return 0;
    if (p[1] < ranges[r].low || p[1] > ranges[r].high) return 0;
    for (size_t i = 2; i < ranges[r].bytes; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return ranges[r].bytes;
}

size_t
co_utf8_cut(const uint8_t *text, size_t len, size_t max)
{
    if (len <= max) return len;
    while (max > 0 && (text[max] & 0xc0) == 0x80) {
        max--;
    }
    return max;
}

size_t
co_utf8_count(const uint8_t *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        n += (text[i] & 0xc0) != 0x80;
    }
    return n;
}
