/* writer_work.c - the thread's side of a journal: what callers queued is
 * committed, and each record answered. */
#include "journal/writer_impl.h"

#include <stdlib.h>
#include <time.h>

#include "common/clock.h"

/* NULL without memory. */
static struct journal_answer *
answer_new(const struct commit_entry *entries, const struct journal_pos *pos,
           size_t count, enum co_err err)
{
    struct journal_answer *a =
        calloc(1, sizeof *a + count * sizeof a->records[0]);
    size_t i;

    if (!a) return NULL;
    a->err = err;
    for (i = 0; i < count; i++) {
        if (entries[i].type == RECORD_NONE) continue;
        a->records[a->count].cookie = entries[i].cookie;
        if (!err) a->records[a->count].pos = pos[i];
        a->count++;
        a->last_cookie = entries[i].cookie;
        a->bytes += record_bytes(entries[i].length);
    }
    return a;
}

static void
answer_send(struct journal *j, struct journal_answer *a, uint64_t done_bytes)
{
    (void)pthread_mutex_lock(&j->lock);
    co_assert(j->queued >= done_bytes);
    j->queued -= done_bytes;
    if (!j->threadless && !j->rest && j->unanswered < JOURNAL_ANSWERS_MAX) {
        enum co_err err = co_mailbox_put(j->answers, a);

        j->unanswered++;
        co_assert(!err); /* its capacity is JOURNAL_ANSWERS_MAX */
    } else {
        *j->rest_end = a;
        j->rest_end = &a->next;
    }
    (void)pthread_mutex_unlock(&j->lock);
}

static uint64_t
entries_bytes(const struct commit_entry *entries, size_t count)
{
    uint64_t bytes = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        bytes += record_bytes(entries[i].length);
    }
    return bytes;
}

void
writer_set_error(struct journal *j, enum co_err err)
{
    (void)pthread_mutex_lock(&j->lock);
    if (!j->err) j->err = err;
    (void)pthread_mutex_unlock(&j->lock);
}

/* Before the answer: who takes that knows then. */
static void
set_full(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
    j->full = true;
    (void)pthread_mutex_unlock(&j->lock);
}

/* Commits a prefix of the entries and answers; everything else fails with
 * the first error. Returns how many were dealt with. */
static size_t
work_step(struct journal *j, const struct commit_entry *entries, size_t count)
{
    int64_t start = co_clock_us();
    size_t used = count;
    struct journal_answer *a;
    enum co_err err;
    bool full;

    (void)pthread_mutex_lock(&j->core);
    err = commit_run(j->commit, entries, count, j->positions, &used);
    if (err) used = count;
    a = answer_new(entries, j->positions, used, err);
    if (!a) {
        /* Records that nobody can be told of: the journal stops, with the
         * answer that was set aside for this (none if it was used). */
        err = err ? err : CO_NOMEM;
        used = count;
        a = co_take(&j->last_resort);
        if (a) a->err = err;
    }
    if (a) a->last_sequence = commit_sequence(j->commit);
    full = commit_is_full(j->commit, NULL);
    (void)pthread_mutex_unlock(&j->core);
    if (full) set_full(j);
    if (err) writer_set_error(j, err);
    if (a) {
        a->commit_us =
            (uint32_t)co_min_u64((uint64_t)(co_clock_us() - start), UINT32_MAX);
        answer_send(j, a, entries_bytes(entries, used));
    }
    return used;
}

static void
work_wait_room(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
    while (!j->stopping && j->unanswered >= JOURNAL_ANSWERS_MAX) {
        (void)pthread_cond_wait(&j->wake, &j->lock);
    }
    (void)pthread_mutex_unlock(&j->lock);
}

/* No memory for the positions of a batch. */
static void
work_refuse(struct journal *j)
{
    struct journal_answer *a = co_take(&j->last_resort);

    writer_set_error(j, CO_NOMEM);
    if (!a) return;
    a->err = CO_NOMEM;
    answer_send(j, a, j->work.bytes);
}

/* Before the batch: what it deletes may be all else that has the content. */
static void
work_with(struct journal *j)
{
    enum co_err err;
    bool wanted;
    int fd;

    (void)pthread_mutex_lock(&j->lock);
    wanted = j->with;
    fd = j->with_fd;
    j->with = false;
    (void)pthread_mutex_unlock(&j->lock);
    if (!wanted) return;
    (void)pthread_mutex_lock(&j->core);
    err = commit_sync_file(j->commit, fd);
    (void)pthread_mutex_unlock(&j->core);
    if (!err) return;
    (void)pthread_mutex_lock(&j->lock);
    j->with_failed = true;
    if (!j->err) j->err = err;
    (void)pthread_mutex_unlock(&j->lock);
}

static void
work_batch(struct journal *j)
{
    struct writer_batch *b = &j->work;
    void *positions = j->positions;
    bool ok = writer_grow(&positions, &j->position_cap, b->count,
                          sizeof *j->positions);
    size_t i = 0;

    j->positions = positions;
    work_with(j);
    writer_batch_link(b);
    if (!ok) work_refuse(j);
    while (ok && i < b->count) {
        if (!j->threadless) work_wait_room(j);
        i += work_step(j, b->entries + i, b->count - i);
    }
    writer_batch_clear(b);
}

/* Under load a commit a sync would be thousands a second, each of which costs
 * a system call, a wake-up of the owner and the disk's attention: small ones
 * begin at most once in JOURNAL_GATHER_US. One that comes after a pause, or
 * with 256 KiB behind it, waits for nothing. True: time to commit. */
static bool
work_is_due(struct journal *j, int64_t now_us)
{
    if (!j->open.count) return j->with;
    if (j->open.bytes >= JOURNAL_CORK_BYTES) return true;
    return !j->corked && now_us >= j->gather_us;
}

static void
work_wait(struct journal *j, int64_t now_us)
{
    int64_t left_us = j->gather_us - now_us;
    struct timespec until;

    if (left_us <= 0 || !j->open.count) {
        j->idle = true;
        (void)pthread_cond_wait(&j->wake, &j->lock);
        j->idle = false;
        return;
    }
    j->gathering = true;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += left_us * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&j->wake, &j->lock, &until);
    j->gathering = false;
}

/* Takes what is queued; false when there is nothing and never will be. */
static bool
work_take(struct journal *j, bool wait)
{
    struct writer_batch empty = j->work;
    int64_t now_us = co_clock_us();
    bool have;

    (void)pthread_mutex_lock(&j->lock);
    while (wait && !j->stopping && !work_is_due(j, now_us)) {
        work_wait(j, now_us);
        now_us = co_clock_us();
    }
    have = (j->open.count || j->with) && !j->dropping;
    if (have) {
        j->work = j->open;
        j->open = empty;
    }
    j->gather_us = now_us + JOURNAL_GATHER_US;
    (void)pthread_mutex_unlock(&j->lock);
    return have;
}

void
writer_work(struct journal *j, bool wait)
{
    while (work_take(j, wait)) {
        work_batch(j);
    }
}
