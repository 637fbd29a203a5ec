/* purse_note.h - what a job writes into its journal about money that it got
 * from the caps over several jobs (coordinator/purse.h), so that `budget
 * rebuild` can tell Redis again what is out. A NOTE record of its own tag:
 *
 *    0      1         2        6                14        22        30
 *   +------+---------+--------+----------------+---------+---------+
 *   | 'P'  | version | day    | have           | ledger  | seq     |
 *   | u8   | u8 = 1  | u32    | i64, 1e-6 USD  | u64     | u64     |
 *   +------+---------+--------+----------------+---------+---------+
 *
 * little-endian. From here on the job may have spent `have` of that day at
 * most; of each day the last note counts. It is on disk before the money may
 * be spent. Another layout gets another version; readers refuse unknown ones,
 * as a sum that lacks a note would be too small. */
#pragma once
#include "common/buf.h"

enum {
    PURSE_NOTE_TAG = 'P',
    PURSE_NOTE_VERSION = 1,
    PURSE_NOTE_BYTES = 30,
};

struct purse_note {
    uint32_t day;         /* since 1970, UTC by the clock of Redis */
    int64_t have;         /* 1e-6 USD */
    uint64_t ledger, seq; /* id of the ledger; its number of changes, seen */
};

void purse_note_put(const struct purse_note *note, struct co_buf *out);
/* Whether a NOTE record is a purse's at all. */
bool purse_note_is(const uint8_t *data, size_t len);
/* CO_DAMAGED: it is, but not of this version or form. */
co_must_use enum co_err purse_note_get(const uint8_t *data, size_t len,
                                       struct purse_note *ret);
