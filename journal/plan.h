/* plan.h - which segments of a folder count, and how far: read from disk.
 * Rules (adoption.h says why):
 *  1. The newest owner is the highest number with a valid record.
 *  2. Its newest OWNER record lists the older segments and their bytes.
 *  3. Segments of that owner from the one with that record on count as far
 *     as their records are good; all but the last of them must be whole.
 *  4. An owner whose OWNER records are all gone (repair gave them up) takes
 *     over what its predecessor's plan says.
 * Everything else in the folder does not count: it is `ignored`.
 * Nothing is changed. Not thread-safe. */
#pragma once
#include "journal/folder.h"

/* A segment that counts. */
struct plan_segment {
    struct segment_header header;
    uint64_t bytes;  /* that count; for the tail: up to its last good record */
    bool sealed;     /* everything up to bytes is known to be committed */
    bool header_bad; /* one bit was flipped; `header` is corrected */
    bool missing;    /* listed, but the file is not there */
};

struct plan {
    struct plan_segment *v; /* owned; in commit order */
    size_t len, cap;
    uint64_t job;             /* 0: empty journal */
    uint32_t newest_owner;    /* 0: none has written */
    uint32_t highest_owner;   /* by file name, the excluded included */
    struct segment_scan tail; /* of the last segment */
    uint64_t tail_size;       /* bytes of that file */
    uint64_t ignored_segments, ignored_bytes; /* zombies, claims, leftovers */
};

/* below: only owners with a smaller number are looked at (0: all); that
 * leaves out the caller's own new segment.
 * CO_DAMAGED: a header is beyond repair, or two jobs are mixed (*diag). A
 * damaged record is no error here: see plan_segment and tail.verdict. */
co_must_use enum co_err plan_load(int dir_fd, uint32_t below, struct plan *ret,
                                  struct co_diag *diag);
void plan_fini(struct plan *plan);
/* The same as a list for journal_start. */
co_must_use enum co_err plan_adoption(const struct plan *plan,
                                      struct adoption *ret);
