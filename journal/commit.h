/* commit.h - the part of the writer that touches the disk: segments of one
 * owner, commits into them, rolling, deletion, the full disk.
 * Belongs to one thread at a time (writer.c's, or the caller's in a
 * simulation). The first failed write or sync is final (see commit_run). */
#pragma once
#include <sys/uio.h>

#include "common/bytes.h"
#include "journal/folder.h"

/* The system calls that decide about durability; tests and the simulator
 * put theirs in. NULL members mean the real ones. */
struct journal_io {
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int count,
                       off_t offset);
    int (*fdatasync)(int fd);
};

/* One record to write. parts are references that the caller holds. */
struct commit_entry {
    uint64_t cookie;
    const struct co_bytes *parts;
    uint32_t part_count;
    uint32_t length; /* content bytes: sum of the parts */
    uint8_t type;    /* RECORD_NONE: delete segment `gone` */
    struct segment_name gone;
};

struct commit; /* opaque */

struct commit_options {
    uint64_t job;
    uint32_t owner;
    uint64_t roll_bytes;    /* a commit that would pass it starts a segment */
    uint64_t ballast_bytes; /* 0: no ballast */
    bool use_ballast;       /* a full disk: go on in the ballast's room */
    struct journal_io io;
};

/* Starts the owner's first segment (claimed already, or created here) with
 * an OWNER record that adopts `older`; all of it is synced on return.
 * CO_EXISTS: that owner number has records already. */
co_must_use enum co_err commit_new(const char *dir,
                                   const struct commit_options *options,
                                   const struct adoption *older,
                                   struct commit **ret, struct co_diag *diag);
void commit_free(struct commit *c);
CO_DEFINE_FREEP(struct commit, commit_free)

/* Creates the owner's first segment, header only, synced with its folder:
 * the number is taken. CO_EXISTS: it was taken before. */
co_must_use enum co_err commit_claim(const char *dir, uint64_t job,
                                     uint32_t owner, struct co_diag *diag);

/* Writes a prefix of entries[0..count) in one commit: all that fit into one
 * write of bounded size and into the segment; deletions stand alone. On
 * success *ret_used says how many, and positions[i] where each is.
 * Any error is final for this object: what was in flight is unknown, nothing
 * after it is written. CO_NOSPACE: the disk is full; the unfinished bytes
 * were cut, the ballast freed, commit_final still works. With use_ballast a
 * write that finds no room is made once more in the ballast's, and only the
 * next one that finds none is such an error. */
co_must_use enum co_err commit_run(struct commit *c,
                                   const struct commit_entry *entries,
                                   size_t count, struct journal_pos *positions,
                                   size_t *ret_used);
/* One record, also after CO_NOSPACE (not after other errors). Stays in the
 * current segment. */
co_must_use enum co_err commit_final(struct commit *c,
                                     const struct commit_entry *entry,
                                     struct journal_pos *ret_pos);
/* fdatasync, by the same calls, of a file that is none of the journal's. An
 * error is as final as one of its own: no segment goes, no record is written
 * after it. */
co_must_use enum co_err commit_sync_file(struct commit *c, int fd);
/* Whether the ballast's room is written to, as there is no other; *diag says
 * since where. */
bool commit_is_full(const struct commit *c, struct co_diag *diag);
/* Gives the ballast's space back: nothing more is to be written. */
void commit_drop_ballast(struct commit *c);
/* The error that stopped it, CO_OK while it works; its message in *diag. */
enum co_err commit_error(const struct commit *c, struct co_diag *diag);
/* Sequence of the last committed record; the segment written now. */
uint64_t commit_sequence(const struct commit *c);
struct segment_name commit_segment(const struct commit *c);
