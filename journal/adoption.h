/* adoption.h - which bytes of which segments count: the content of OWNER.
 *
 *   OWNER content, little-endian
 *    0      4     8
 *   +------+-----+---------------------------------------- - -
 *   |count |  0  | count x {owner u32, sequence u32, bytes u64, id u64}
 *   +------+-----+---------------------------------------- - -
 *
 * The first record of every segment is an OWNER that lists all older
 * segments, other owners' and own, in commit order (owner, then sequence);
 * a deletion writes a new one before the file goes. The newest OWNER of the
 * newest owner is the truth about everything in front of it: a segment not
 * listed does not count, bytes beyond `bytes` do not count (a zombie wrote
 * them), and fewer bytes than that are damage. Not thread-safe. */
#pragma once
#include "common/buf.h"
#include "journal/record.h"

struct adopted {
    struct segment_name name;
    uint64_t bytes; /* of the file that count, header included */
    uint64_t id;    /* segment id */
};

struct adoption {
    struct adopted *v; /* owned; sorted by (owner, sequence) */
    size_t len, cap;
};

/* 24 bytes an entry in a record of at most 8 MiB: 20 TiB of segments. */
enum { ADOPTION_MAX = 300000, ADOPTION_ENTRY_BYTES = 24 };

void adoption_fini(struct adoption *list);
/* Inserts at its place, or replaces the entry of the same name.
 * CO_FULL: ADOPTION_MAX segments. */
co_must_use enum co_err adoption_set(struct adoption *list,
                                     struct adopted entry);
/* Takes an entry out; false if it is not there. */
bool adoption_remove(struct adoption *list, struct segment_name name);
/* The entry, or NULL. */
struct adopted *adoption_find(const struct adoption *list,
                              struct segment_name name);
co_must_use enum co_err adoption_copy(const struct adoption *from,
                                      struct adoption *ret);
/* Appends the content of an OWNER record. */
void adoption_encode(const struct adoption *list, struct co_buf *out);
/* CO_DAMAGED: not an OWNER content (counts, order, exact end). */
co_must_use enum co_err adoption_decode(const uint8_t *in, size_t len,
                                        struct adoption *ret);
/* <0, 0, >0 in commit order. */
int segment_name_compare(struct segment_name a, struct segment_name b);
