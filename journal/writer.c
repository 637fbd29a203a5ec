/* writer.c - see writer.h: the callers' side, and the journal's life.
 * Two batches: callers fill one under the lock, the thread works on the
 * other; they are swapped, so that in steady state nothing is allocated per
 * record, and the lock is handed over once a batch. The answers are one
 * allocation a commit. */
#include "journal/writer_impl.h"

#include <stdlib.h>

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
    struct writer_batch *b = &j->open;
    uint32_t i;

    if (j->err) return j->err;
    if (j->stopping) return CO_STATE;
    if (j->queued && j->queued + bytes > j->queue_max) return CO_FULL;
    if (!writer_batch_reserve(b, entry->part_count)) return CO_NOMEM;
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

bool
journal_is_full(struct journal *j, struct co_diag *diag)
{
    bool full;

    (void)pthread_mutex_lock(&j->lock);
    full = j->full;
    (void)pthread_mutex_unlock(&j->lock);
    if (!full || !diag) return full; /* the core may be busy with a sync */
    (void)pthread_mutex_lock(&j->core);
    (void)commit_is_full(j->commit, diag);
    (void)pthread_mutex_unlock(&j->core);
    return full;
}

enum co_err
journal_commit(struct journal *j)
{
    co_assert(j->threadless);
    writer_work(j, false);
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
    if (err) writer_set_error(j, err);
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

static void *
journal_thread(void *arg)
{
    writer_work(arg, true);
    return NULL;
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
        .use_ballast = o->use_ballast,
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
    if (j->threadless) writer_work(j, false);
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
    writer_batch_fini(&j->open);
    writer_batch_fini(&j->work);
    free(j->positions);
    free(j->last_resort);
    (void)pthread_mutex_destroy(&j->lock);
    (void)pthread_mutex_destroy(&j->core);
    (void)pthread_cond_destroy(&j->wake);
    free(j);
}
