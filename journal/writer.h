/* writer.h - the journal of a running owner: append, commit, learn of it.
 *
 * One thread per journal does all writing: it takes everything that is
 * queued, writes it (at most 4 MiB a commit), syncs, and puts an answer into
 * a mailbox with a descriptor to poll. While it syncs, the next commit
 * gathers; small commits begin at most once a millisecond, and at once after
 * a pause: a timer never delays a lone record. A record is committed when its
 * answer with err CO_OK was taken; only then may anybody be acknowledged.
 *
 * Order of an owner's start: take the folder's lock; number =
 * max(journal_highest_owner, elsewhere) + 1; journal_claim; attach to the
 * brokers (from then on they refuse the predecessor); recover_run (reads the
 * tail as the predecessor left it for good); journal_start with the adoption
 * it found; read with reader_open. journal_start claims by itself if nobody
 * did: then a predecessor that is still alive could commit between reading
 * and attaching, and lose what it acknowledged then.
 *
 * Thread-safe: journal_append, journal_cork and journal_uncork from any
 * thread; everything else from the thread that owns the journal. */
#pragma once
#include "journal/commit.h"

struct journal; /* opaque */

enum {
    JOURNAL_QUEUE_BYTES = 64 << 20,
    JOURNAL_BALLAST_BYTES = 16 << 20,
    JOURNAL_CORK_BYTES = 256 << 10, /* queued: commit although corked */
    JOURNAL_GATHER_US = 1000,       /* between the starts of small commits */
    JOURNAL_ANSWERS_MAX = 1024,     /* not taken: the thread waits */
};

struct journal_options {
    uint64_t queue_bytes; /* 0: JOURNAL_QUEUE_BYTES */
    uint64_t roll_bytes;  /* 0: SEGMENT_ROLL_BYTES; at most 1 GiB */
    bool no_ballast;      /* for benches and simulations */
    bool use_ballast;     /* on a full disk commits go on in its room */
    bool threadless;      /* no thread: journal_commit does the work */
    struct journal_io io; /* NULL members: the real calls */
};

/* Takes the number: creates the folder if missing and the owner's first
 * segment (header only), synced. CO_EXISTS: the number was taken before. */
co_must_use enum co_err journal_claim(const char *dir, uint64_t job,
                                      uint32_t owner, struct co_diag *diag);

/* Starts writing as owner, adopting `older` (copied; empty for a new
 * journal). The OWNER record is synced on return. options may be NULL.
 * CO_EXISTS   this owner number has written before
 * CO_MISMATCH the claimed segment belongs to another job
 * CO_NOSPACE  no room for a segment and the ballast */
co_must_use enum co_err journal_start(const char *dir, uint64_t job,
                                      uint32_t owner,
                                      const struct adoption *older,
                                      const struct journal_options *options,
                                      struct journal **ret,
                                      struct co_diag *diag);

/* Queues a record: its content is the parts in order. On success the journal
 * holds a reference of each part until it is committed or failed (borrowed
 * slices must live that long); on error nothing was taken. cookie comes back
 * in the answer.
 * CO_FULL    queue_bytes wait already: take answers, try again
 * CO_RANGE   content above 8 MiB
 * CO_INVALID a type that only the journal itself writes
 * CO_IO, CO_NOSPACE: the journal failed before (journal_error)
 * CO_STATE   after journal_stop */
co_must_use enum co_err journal_append(struct journal *j, uint8_t type,
                                       const struct co_bytes *parts,
                                       size_t part_count, uint64_t cookie);
/* Between cork and uncork an idle thread is not woken for less than 256 KiB:
 * one turn of an event loop becomes one commit. Not nested. */
void journal_cork(struct journal *j);
void journal_uncork(struct journal *j);

struct journal_committed {
    uint64_t cookie;
    struct journal_pos pos;
};

/* The answer about one commit. */
struct journal_answer {
    enum co_err err;        /* else: none of these records is acknowledged */
    uint64_t last_sequence; /* of the newest committed record */
    uint64_t last_cookie;   /* of the newest record here */
    uint64_t bytes;         /* in the segment */
    uint32_t commit_us;     /* write and sync */
    uint32_t count;
    struct journal_answer *next;        /* the journal's own */
    struct journal_committed records[]; /* in order; pos only if !err */
};

/* Readable while answers wait. */
int journal_fd(const struct journal *j);
/* The oldest answer, or NULL. The caller frees it with free(). */
struct journal_answer *journal_take(struct journal *j);
/* The same, waiting up to timeout_ms (-1: for ever). */
struct journal_answer *journal_wait(struct journal *j, int timeout_ms);
/* Bytes queued or being written now. */
uint64_t journal_queued_bytes(struct journal *j);
/* The segment that commits go to, as far as answers were taken. */
struct segment_name journal_segment(const struct journal *j);
/* CO_OK while it works, else the error that stopped it, with a message. */
enum co_err journal_error(struct journal *j, struct co_diag *diag);

/* With use_ballast: whether the disk is full, and what is appended goes into
 * the room of the ballast. Known to whoever took the answer about the first
 * record there. Little should follow: a write that finds no room there either
 * stops the journal. *diag says where it began. */
bool journal_is_full(struct journal *j, struct co_diag *diag);

/* Syncs a file of the caller's too, in the journal's thread: with the next
 * commit, or at once when there is none, and before any segment goes whose
 * deletion is queued later. fd stays open until journal_free; one file a
 * journal. A failure stops the journal like one of its own files: the kernel
 * tells of it once, and what a segment says too must not go then. */
void journal_sync_with(struct journal *j, int fd);
/* Whether such a sync failed; journal_error says more, but waits for a sync
 * that is under way. */
bool journal_sync_failed(struct journal *j);

/* Writes one record and waits for its sync. Works on a full disk too: the
 * ballast makes room for the ledger and the last state. Records queued
 * before may come after it (none do once the journal failed). */
co_must_use enum co_err journal_append_final(struct journal *j, uint8_t type,
                                             const void *content, size_t len,
                                             struct co_diag *diag);
/* threadless only: commits everything queued; answers go to journal_take. */
co_must_use enum co_err journal_commit(struct journal *j);

/* Queues the deletion of a segment: an OWNER record without it is committed,
 * then the file goes, then the folder is synced. The caller made sure that
 * nothing in it is needed. CO_INVALID: the current segment. */
co_must_use enum co_err journal_delete(struct journal *j,
                                       struct segment_name segment);

/* Commits what is queued, writes CLOSE, gives the ballast's space back, ends
 * the thread. Answers can still be taken. On error (*diag says which) the
 * journal had failed. */
co_must_use enum co_err journal_stop(struct journal *j, struct co_diag *diag);
/* Without journal_stop before: ends the thread, what is queued is lost, as
 * in a crash. NULL is fine. */
void journal_free(struct journal *j);
CO_DEFINE_FREEP(struct journal, journal_free)
