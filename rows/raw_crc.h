/* raw_crc.h - zlib's CRC-32 of uncompressed rows, at the speed of memory.
 * Shards are checked with the CRC that gzip, Python and databases know, and
 * those of frames combine (docs/decisions/0004); zlib itself takes 0.6 us for
 * a row of 2.4 KB. Thread-safe. */
#pragma once
#include "common/base.h"

/* crc32_z(0, data, len). */
uint32_t raw_crc(const void *data, size_t len);
