/* writer.c - see writer.h.
 * Two batches: callers fill one under the lock, the thread works on the
 * other; they are swapped, so that in steady state nothing is allocated per
 * record, and the lock is handed over once a batch. The answers are one
 * allocation a commit. */
#include "journal/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/mailbox.h"

struct batch {
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
    struct batch open; /* what callers fill */
    uint64_t queued;   /* bytes: open and in work */
    uint64_t queue_max;
    size_t unanswered; /* answers not taken */
    bool corked, stopping, dropping;
    bool idle;      /* the thread waits, and any record is worth waking it */
    bool gathering; /* it waits until gather_us, or for a full commit */
    bool with;      /* with_fd waits for its sync */
    bool with_failed;
    int with_fd;
    enum co_err err;                         /* sticky */
    struct journal_answer *rest, **rest_end; /* when the mailbox is over */

    pthread_mutex_t core; /* held around every use of commit */
    struct commit *commit;
    struct batch work; /* the thread's */
    int64_t gather_us; /* the thread's: no small commit begins earlier */
    struct journal_pos *positions;
    size_t position_cap;

    struct co_mailbox *answers;
    struct journal_answer *last_resort; /* for when there is no memory */
    struct segment_name segment;        /* owner's view */
    pthread_t thread;
    bool threadless, running, stopped;
};

/* ---- batches ---- */

static bool
grow(void **array, size_t *cap, size_t need, size_t item)
{
    size_t next = *cap ? *cap : 64;
    void *p;

    if (need <= *cap) return true;
    while (next < need) {
        next *= 2;
    }
    p = realloc(*array, next * item);
    if (!p) return false;
    *array = p;
    *cap = next;
    return true;
}

static bool
batch_reserve(struct batch *b, size_t parts)
{
    void *entries = b->entries;
    void *all = b->parts;
    bool ok = grow(&entries, &b->cap, b->count + 1, sizeof *b->entries);

    b->entries = entries;
    ok =
        ok && grow(&all, &b->part_cap, b->part_count + parts, sizeof *b->parts);
    b->parts = all;
    return ok;
}

/* parts may have moved while it grew: entries find theirs again here. */
static void
batch_link(struct batch *b)
{
    struct co_bytes *parts = b->parts;
    size_t i;

    for (i = 0; i < b->count; i++) {
        b->entries[i].parts = parts;
        parts += b->entries[i].part_count;
    }
}

static void
batch_clear(struct batch *b)
{
    size_t i;

    for (i = 0; i < b->part_count; i++) {
        co_bytes_unref(&b->parts[i]);
    }
    b->count = b->part_count = 0;
    b->bytes = 0;
}

static void
batch_fini(struct batch *b)
{
    batch_clear(b);
    free(b->entries);
    free(b->parts);
    *b = (struct batch){0};
}

/* ---- callers' side ---- */

/* The thread sleeps and there is something worth waking it for. */
static void
journal_nudge(struct journal *j)
{
    bool full = j->open.bytes >= JOURNAL_CORK_BYTES;

    if ((!j->idle && !j->gathering) || !j->open.count) return;
    if ((j->corked || j->gathering) && !full) return;
    j->idle = j->gathering = false;
    (void)pthread_cond_signal(&j->wake);
}

static enum co_err
append_locked(struct journal *j, const struct commit_entry *entry,
              const struct co_bytes *parts)
{
    uint64_t bytes = record_bytes(entry->length);
    struct batch *b = &j->open;
    uint32_t i;

    if (j->err) return j->err;
    if (j->stopping) return CO_STATE;
    if (j->queued && j->queued + bytes > j->queue_max) return CO_FULL;
    if (!batch_reserve(b, entry->part_count)) return CO_NOMEM;
    b->entries[b->count++] = *entry;
    for (i = 0; i < entry->part_count; i++) {
        b->parts[b->part_count++] = co_bytes_ref(parts[i]);
    }
    b->bytes += bytes;
    j->queued += bytes;
    journal_nudge(j);
    return CO_OK;
}

static enum co_err
append_entry(struct journal *j, const struct commit_entry *entry,
             const struct co_bytes *parts)
{
    enum co_err err;

    (void)pthread_mutex_lock(&j->lock);
    err = append_locked(j, entry, parts);
    (void)pthread_mutex_unlock(&j->lock);
    return err;
}

static enum co_err
entry_check(uint8_t type, const struct co_bytes *parts, size_t count,
            uint64_t cookie, struct commit_entry *ret)
{
    size_t len = 0;
    size_t i;

    if (type == RECORD_NONE || type == RECORD_OWNER || type == RECORD_CLOSE ||
        type == RECORD_VOID) {
        return CO_INVALID;
    }
    for (i = 0; i < count; i++) {
        if (parts[i].len > RECORD_CONTENT_MAX) return CO_RANGE;
        len += parts[i].len;
        if (len > RECORD_CONTENT_MAX) return CO_RANGE;
    }
    *ret = (struct commit_entry){.cookie = cookie,
                                 .parts = parts,
                                 .part_count = (uint32_t)count,
                                 .length = (uint32_t)len,
                                 .type = type};
    return CO_OK;
}

enum co_err
journal_append(struct journal *j, uint8_t type, const struct co_bytes *parts,
               size_t part_count, uint64_t cookie)
{
    struct commit_entry entry;
    enum co_err err = entry_check(type, parts, part_count, cookie, &entry);

    return err ? err : append_entry(j, &entry, parts);
}

enum co_err
journal_delete(struct journal *j, struct segment_name segment)
{
    struct commit_entry entry = {.type = RECORD_NONE, .gone = segment};

    if (segment_name_compare(segment, j->segment) >= 0) return CO_INVALID;
    return append_entry(j, &entry, NULL);
}

void
journal_cork(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
    j->corked = true;
    (void)pthread_mutex_unlock(&j->lock);
}

void
journal_uncork(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
    j->corked = false;
    journal_nudge(j);
    (void)pthread_mutex_unlock(&j->lock);
}

void
journal_sync_with(struct journal *j, int fd)
{
    (void)pthread_mutex_lock(&j->lock);
    j->with = true;
    j->with_fd = fd;
    if (j->idle || j->gathering) (void)pthread_cond_signal(&j->wake);
    (void)pthread_mutex_unlock(&j->lock);
}

bool
journal_sync_failed(struct journal *j)
{
    bool failed;

    (void)pthread_mutex_lock(&j->lock);
    failed = j->with_failed;
    (void)pthread_mutex_unlock(&j->lock);
    return failed;
}

int
journal_fd(const struct journal *j)
{
    return co_mailbox_fd(j->answers);
}

static struct journal_answer *
taken(struct journal *j, struct journal_answer *answer)
{
    (void)pthread_mutex_lock(&j->lock);
    if (answer) {
        if (j->unanswered-- == JOURNAL_ANSWERS_MAX) {
            (void)pthread_cond_signal(&j->wake);
        }
    } else if (j->rest) {
        answer = j->rest;
        j->rest = answer->next;
        if (!j->rest) j->rest_end = &j->rest;
    }
    (void)pthread_mutex_unlock(&j->lock);
    if (answer && !answer->err && answer->count) {
        j->segment = answer->records[answer->count - 1].pos.segment;
    }
    return answer;
}

struct journal_answer *
journal_take(struct journal *j)
{
    return taken(j, co_mailbox_take(j->answers));
}

struct journal_answer *
journal_wait(struct journal *j, int timeout_ms)
{
    if (j->threadless || j->stopped) return journal_take(j);
    return taken(j, co_mailbox_wait(j->answers, timeout_ms));
}

uint64_t
journal_queued_bytes(struct journal *j)
{
    uint64_t bytes;

    (void)pthread_mutex_lock(&j->lock);
    bytes = j->queued;
    (void)pthread_mutex_unlock(&j->lock);
    return bytes;
}

struct segment_name
journal_segment(const struct journal *j)
{
    return j->segment;
}

enum co_err
journal_error(struct journal *j, struct co_diag *diag)
{
    enum co_err err;

    (void)pthread_mutex_lock(&j->core);
    err = commit_error(j->commit, diag);
    (void)pthread_mutex_unlock(&j->core);
    return err;
}

/* ---- the thread's side ---- */

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

static void
journal_set_error(struct journal *j, enum co_err err)
{
    (void)pthread_mutex_lock(&j->lock);
    if (!j->err) j->err = err;
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
    (void)pthread_mutex_unlock(&j->core);
    if (err) journal_set_error(j, err);
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

    journal_set_error(j, CO_NOMEM);
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
    struct batch *b = &j->work;
    void *positions = j->positions;
    bool ok =
        grow(&positions, &j->position_cap, b->count, sizeof *j->positions);
    size_t i = 0;

    j->positions = positions;
    work_with(j);
    batch_link(b);
    if (!ok) work_refuse(j);
    while (ok && i < b->count) {
        if (!j->threadless) work_wait_room(j);
        i += work_step(j, b->entries + i, b->count - i);
    }
    batch_clear(b);
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
    struct batch empty = j->work;
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

static void *
journal_thread(void *arg)
{
    struct journal *j = arg;

    while (work_take(j, true)) {
        work_batch(j);
    }
    return NULL;
}

enum co_err
journal_commit(struct journal *j)
{
    co_assert(j->threadless);
    while (work_take(j, false)) {
        work_batch(j);
    }
    return j->err;
}

static enum co_err
commit_one(struct journal *j, uint8_t type, const void *content, size_t len,
           struct co_diag *diag)
{
    struct co_bytes part = co_bytes_borrow(content, len);
    struct commit_entry entry = {
        .type = type, .parts = &part, .part_count = 1, .length = (uint32_t)len};
    struct journal_pos pos;
    enum co_err err;

    (void)pthread_mutex_lock(&j->core);
    err = commit_final(j->commit, &entry, &pos);
    if (err) (void)commit_error(j->commit, diag);
    (void)pthread_mutex_unlock(&j->core);
    if (err) journal_set_error(j, err);
    return err;
}

enum co_err
journal_append_final(struct journal *j, uint8_t type, const void *content,
                     size_t len, struct co_diag *diag)
{
    struct co_bytes part = co_bytes_borrow(content, len);
    struct commit_entry entry;
    enum co_err err = entry_check(type, &part, 1, 0, &entry);

    if (err) return co_fail(diag, err, "not a record: %s", co_err_text(err));
    return commit_one(j, type, content, len, diag);
}

/* ---- life ---- */

enum co_err
journal_claim(const char *dir, uint64_t job, uint32_t owner,
              struct co_diag *diag)
{
    return commit_claim(dir, job, owner, diag);
}

static enum co_err
journal_open(struct journal *j, const char *dir, uint64_t job, uint32_t owner,
             const struct adoption *older, const struct journal_options *o,
             struct co_diag *diag)
{
    struct commit_options options = {
        .job = job,
        .owner = owner,
        .roll_bytes = o->roll_bytes ? o->roll_bytes : SEGMENT_ROLL_BYTES,
        .ballast_bytes = o->no_ballast ? 0 : JOURNAL_BALLAST_BYTES,
        .io = o->io,
    };
    static const struct adoption none;
    enum co_err err;

    if (!owner || options.roll_bytes > (1u << 30)) {
        return co_fail(diag, CO_INVALID, "owner 0, or segments above 1 GiB");
    }
    j->queue_max = o->queue_bytes ? o->queue_bytes : JOURNAL_QUEUE_BYTES;
    j->threadless = o->threadless;
    err = co_mailbox_new(JOURNAL_ANSWERS_MAX, &j->answers);
    if (!err) j->last_resort = calloc(1, sizeof *j->last_resort);
    if (!err && !j->last_resort) err = CO_NOMEM;
    if (err) return co_fail(diag, err, "%s", co_err_text(err));
    err = commit_new(dir, &options, older ? older : &none, &j->commit, diag);
    if (err) return err;
    j->segment = commit_segment(j->commit);
    if (j->threadless) return CO_OK;
    if (pthread_create(&j->thread, NULL, journal_thread, j) != 0) {
        return co_fail(diag, CO_NOMEM, "cannot start the journal's thread");
    }
    j->running = true;
    return CO_OK;
}

enum co_err
journal_start(const char *dir, uint64_t job, uint32_t owner,
              const struct adoption *older,
              const struct journal_options *options, struct journal **ret,
              struct co_diag *diag)
{
    static const struct journal_options defaults;
    co_auto(journal_freep) struct journal *j = calloc(1, sizeof *j);
    pthread_condattr_t attr;
    enum co_err err;

    if (!j) return co_fail(diag, CO_NOMEM, "out of memory");
    (void)pthread_mutex_init(&j->lock, NULL);
    (void)pthread_mutex_init(&j->core, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&j->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    j->rest_end = &j->rest;
    err = journal_open(j, dir, job, owner, older, options ? options : &defaults,
                       diag);
    if (err) return err;
    *ret = co_take(&j);
    return CO_OK;
}

static void
journal_join(struct journal *j, bool drop)
{
    (void)pthread_mutex_lock(&j->lock);
    j->stopping = true;
    j->dropping = drop;
    (void)pthread_cond_signal(&j->wake);
    (void)pthread_mutex_unlock(&j->lock);
    if (j->running) (void)pthread_join(j->thread, NULL);
    j->running = false;
}

enum co_err
journal_stop(struct journal *j, struct co_diag *diag)
{
    enum co_err err;

    if (j->stopped) return journal_error(j, diag);
    journal_join(j, false);
    while (j->threadless && work_take(j, false)) {
        work_batch(j);
    }
    j->stopped = true;
    err = journal_error(j, diag);
    if (!err && j->err) {
        err = co_fail(diag, j->err, "journal stopped: %s", co_err_text(j->err));
    }
    if (!err) err = commit_one(j, RECORD_CLOSE, NULL, 0, diag);
    if (!err) commit_drop_ballast(j->commit);
    return err;
}

void
journal_free(struct journal *j)
{
    struct journal_answer *a;

    if (!j) return;
    journal_join(j, true);
    while (j->answers && (a = journal_take(j)) != NULL) {
        free(a);
    }
    co_mailbox_free(j->answers);
    commit_free(j->commit);
    batch_fini(&j->open);
    batch_fini(&j->work);
    free(j->positions);
    free(j->last_resort);
    (void)pthread_mutex_destroy(&j->lock);
    (void)pthread_mutex_destroy(&j->core);
    (void)pthread_cond_destroy(&j->wake);
    free(j);
}
