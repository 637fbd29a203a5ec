/* writer_impl.h - what the files of the journal's writer share. For writer*.c.
 */
#pragma once
#include "journal/writer.h"

#include <pthread.h>

#include "common/mailbox.h"

struct writer_batch {
    struct commit_entry *entries;
    size_t count, cap;
    struct co_bytes *parts; /* of all entries, in order */
    size_t part_count, part_cap;
    uint64_t bytes; /* in segments */
};

struct journal {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the thread: records, room for answers, stop */
    /* under lock */
    struct writer_batch open; /* what callers fill */
    uint64_t queued;          /* bytes: open and in work */
    uint64_t queue_max;
    size_t unanswered; /* answers not taken */
    bool corked, stopping, dropping;
    bool idle;      /* the thread waits, and any record is worth waking it */
    bool gathering; /* it waits until gather_us, or for a full commit */
    bool with;      /* with_fd waits for its sync */
    bool with_failed;
    bool full; /* see journal_is_full */
    int with_fd;
    enum co_err err;                         /* sticky */
    struct journal_answer *rest, **rest_end; /* when the mailbox is over */

    pthread_mutex_t core; /* held around every use of commit */
    struct commit *commit;
    struct writer_batch work; /* the thread's */
    int64_t gather_us;        /* the thread's: no small commit begins earlier */
    struct journal_pos *positions;
    size_t position_cap;

    struct co_mailbox *answers;
    struct journal_answer *last_resort; /* for when there is no memory */
    struct segment_name segment;        /* owner's view */
    pthread_t thread;
    bool threadless, running, stopped;
};

/* writer_batch.c */

/* Room for so many items in all, each of that size; false: no memory. */
bool writer_grow(void **array, size_t *cap, size_t need, size_t item);
/* Room for one more entry with so many parts; false: no memory. */
bool writer_batch_reserve(struct writer_batch *b, size_t parts);
/* parts may have moved while it grew: entries find theirs again here. */
void writer_batch_link(struct writer_batch *b);
/* Gives its bytes back; the memory of the lists stays. */
void writer_batch_clear(struct writer_batch *b);
void writer_batch_fini(struct writer_batch *b);

/* writer_work.c: for the thread, or for the caller where there is none */

/* Commits what is queued; with wait, until the journal stops. */
void writer_work(struct journal *j, bool wait);
/* The first error stays. */
void writer_set_error(struct journal *j, enum co_err err);
