/* recover.h - is this journal in order, what counts of it, and repair.
 * journal_recover and journal_check change nothing on disk, whatever they
 * find. A torn tail needs no change either: the next owner's OWNER record
 * says up to which byte it counts. The caller holds the folder's lock.
 * Not thread-safe. */
#pragma once
#include "journal/plan.h"

struct journal_report {
    uint64_t job;
    uint32_t newest_owner, highest_owner;
    uint64_t segments, records, bytes; /* that count */
    uint64_t notes;                    /* of the records */

    /* The write that never finished; torn_bytes 0: none. Say so. */
    struct segment_name torn_segment;
    uint64_t torn_offset, torn_bytes;
    uint64_t torn_records; /* whole ones among them; never acknowledged */

    /* What a replaced owner wrote after its successor took over, and files
     * that never got a record. */
    uint64_t ignored_segments, ignored_bytes;

    uint64_t damaged_segments, bad_stretches;
    struct segment_name damaged; /* the first; the rest is about it */
    uint64_t damage_offset, valid_before, valid_after; /* records */

    /* repair only */
    uint64_t repaired_segments;
    uint64_t corrected_bits;                   /* nothing lost by these */
    uint64_t dropped_stretches, dropped_bytes; /* what repair gave up */
};

/* For an owner at its start: checks every byte that counts. On success *ret
 * is for journal_start and the report says whether a tail was cut. below as
 * in plan_load. *report is filled on CO_DAMAGED too.
 * CO_NOTFOUND no folder: a new journal (*ret is empty, not written)
 * CO_DAMAGED  refuse to run; *diag has file, offset, counts, next step */
co_must_use enum co_err journal_recover(const char *dir, uint32_t below,
                                        struct adoption *ret,
                                        struct journal_report *report,
                                        struct co_diag *diag);
/* The same without wanting to start. */
co_must_use enum co_err journal_check(const char *dir,
                                      struct journal_report *report,
                                      struct co_diag *diag);
/* Repairs every damaged segment: a record that one flipped bit explains is
 * corrected; other bad bytes become VOID records of the same length, so that
 * every other record stays at its offset. The new file is written beside,
 * synced, the old one linked as *.damaged, then the new one renamed over it:
 * killed anywhere, repair can be run again. A sound journal is left alone.
 * CO_OK: the journal is in order now; *report says what it took. */
co_must_use enum co_err journal_repair(const char *dir,
                                       struct journal_report *report,
                                       struct co_diag *diag);

/* For repair.c: scans one planned segment. *ret_damaged: also when the file
 * or its header is. */
co_must_use enum co_err recover_look(int dir_fd,
                                     const struct plan_segment *segment,
                                     struct segment_scan *ret,
                                     bool *ret_damaged, struct co_diag *diag);
