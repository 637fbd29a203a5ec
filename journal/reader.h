/* reader.h - reads what a journal holds: in commit order, or one record.
 * Memory: one window (256 KiB, or the largest record met, <= 8 MiB).
 * Reading beside a running writer is fine; what it commits after the reader
 * was opened is not seen by the iteration. Not thread-safe: one reader, one
 * thread. */
#pragma once
#include "journal/plan.h"

struct reader; /* opaque */

/* Reads dir; below as in plan_load: an owner that has started passes its own
 * number, everybody else 0. CO_NOTFOUND: no such folder. A folder without
 * records gives an empty iteration. */
co_must_use enum co_err reader_open(const char *dir, uint32_t below,
                                    struct reader **ret, struct co_diag *diag);
void reader_close(struct reader *r);
CO_DEFINE_FREEP(struct reader, reader_close)
/* What the iteration covers. Borrowed. */
const struct plan *reader_plan(const struct reader *r);

/* The next record, in commit order. OWNER, CLOSE and VOID are the journal's
 * own; skip what you do not know. *ret_pos may be NULL.
 * CO_NOTFOUND the end
 * CO_DAMAGED  committed bytes were changed (*diag: file, offset, what next) */
co_must_use enum co_err reader_next(struct reader *r, struct record *ret,
                                    struct journal_pos *ret_pos,
                                    struct co_diag *diag);

/* Opens only for reader_record and reader_copy: no plan, no scan. */
co_must_use enum co_err reader_open_direct(const char *dir, struct reader **ret,
                                           struct co_diag *diag);
/* The record at a position that an answer or reader_next gave, checked
 * against its checksum. Asking again for the same one costs nothing.
 * CO_NOTFOUND the segment was deleted
 * CO_DAMAGED  checksum wrong, or no record of that length there */
co_must_use enum co_err reader_record(struct reader *r, struct journal_pos pos,
                                      struct record *ret, struct co_diag *diag);
/* Appends content[from, from + len) of that record to fd at its offset.
 * CO_RANGE: not inside the content. CO_NOSPACE, CO_IO: from writing. */
co_must_use enum co_err reader_copy(struct reader *r, struct journal_pos pos,
                                    uint32_t from, uint32_t len, int fd,
                                    struct co_diag *diag);
