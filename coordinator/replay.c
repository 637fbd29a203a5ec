/* replay.c - see replay.h. */
#include "coordinator/replay.h"

#include "common/log.h"
#include "journal/reader.h"
#include "journal/recover.h"

#include <string.h>

enum co_err
replay_prefix(size_t head_bytes, struct co_bytes *ret_bytes)
{
    uint32_t head = (uint32_t)head_bytes;
    uint8_t bytes[REPLAY_PREFIX_BYTES] = {(uint8_t)head, (uint8_t)(head >> 8),
                                          (uint8_t)(head >> 16),
                                          (uint8_t)(head >> 24)};

    return co_bytes_copy(bytes, sizeof bytes, ret_bytes);
}

/* Bytes of the head of a RESULTS record. False: it is none. */
static bool
head_of(const struct record *r, uint32_t *ret_head)
{
    const uint8_t *c = r->content;

    if (r->length < REPLAY_PREFIX_BYTES) return false;
    *ret_head = (uint32_t)c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16 |
                (uint32_t)c[3] << 24;
    return *ret_head <= r->length - REPLAY_PREFIX_BYTES;
}

static enum co_err
replay_results(const struct record *r, const struct journal_pos *pos,
               struct engine *engine)
{
    const uint8_t *c = r->content;
    uint32_t head;

    if (!head_of(r, &head)) return CO_DAMAGED;
    c += REPLAY_PREFIX_BYTES;
    return engine_replay_results(
        engine, c, head, c + head, r->length - REPLAY_PREFIX_BYTES - head,
        replay_segment(pos->segment), pos->offset, replay_body_inside(head));
}

/* Where it stands, and what to do: the kind's own records hold what was spent,
 * so a run without one of them is no option. */
static enum co_err
replay_note(const struct record *r, const struct journal_pos *pos,
            struct engine *engine, struct co_diag *diag)
{
    enum co_err err = engine_replay_note(engine, r->content, r->length);

    return err ? co_fail(diag, err,
                         "journal segment %u of owner %u, offset %u: a note "
                         "of this job is not readable by this version: go on "
                         "with the version that wrote it",
                         pos->segment.sequence, pos->segment.owner, pos->offset)
               : CO_OK;
}

static enum co_err
replay_record(const struct record *r, const struct journal_pos *pos,
              struct engine *engine, const struct hosted *hosted,
              struct co_diag *diag)
{
    enum co_err err;

    if (r->type == RECORD_RESULTS) {
        err = replay_results(r, pos, engine);
        return err ? co_fail(diag, err,
                             "journal segment %u of owner %u, offset %u: a "
                             "result record is not readable by this version",
                             pos->segment.sequence, pos->segment.owner,
                             pos->offset)
                   : CO_OK;
    }
    if (r->type == RECORD_NOTE) return replay_note(r, pos, engine, diag);
    if (!hosted->replay) return CO_OK;
    return hosted->replay(hosted->self, r->type, r->content, r->length, diag);
}

static bool
pos_is_before(const struct journal_pos *a, const struct journal_pos *b)
{
    int order = segment_name_compare(a->segment, b->segment);

    return order < 0 || (order == 0 && a->offset < b->offset);
}

/* What the job has to know before it is told any record. */
static enum co_err
foresee_record(const struct record *r, struct engine *engine,
               const struct hosted *hosted, struct co_diag *diag)
{
    uint32_t head;
    enum co_err err = CO_OK;

    if (r->type == RECORD_RESULTS) {
        if (!head_of(r, &head) || head + REPLAY_PREFIX_BYTES < r->length) {
            return CO_OK; /* it has bodies, or is refused later */
        }
        err = engine_foresee_results(engine, r->content + REPLAY_PREFIX_BYTES,
                                     head);
    } else if (hosted->foresee) {
        return hosted->foresee(hosted->self, r->type, r->content, r->length,
                               diag);
    }
    return err ? co_fail(diag, err, "out of memory") : CO_OK;
}

/* The newest CHECKPOINT has to be known first: what stands in front of it is
 * in it, and the segments between may be gone. Restores it; *ret_pos stays
 * zero (before everything) when there is none. */
static enum co_err
restore_checkpoint(const char *dir, uint32_t owner, struct engine *engine,
                   const struct hosted *hosted, struct journal_pos *ret_pos,
                   struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    struct record record;
    struct journal_pos pos;
    bool found = false;
    enum co_err err = reader_open(dir, owner, &reader, diag);

    while (!err) {
        err = reader_next(reader, &record, &pos, diag);
        if (err == CO_NOTFOUND) break; /* the end */
        if (!err) err = foresee_record(&record, engine, hosted, diag);
        if (!err && record.type == RECORD_CHECKPOINT) {
            *ret_pos = pos;
            found = true;
        }
    }
    if (err != CO_NOTFOUND) return err;
    err = engine_foresee_wishes(engine);
    if (err) return co_fail(diag, err, "out of memory");
    if (!found || !hosted->replay) return CO_OK;
    err = reader_record(reader, *ret_pos, &record, diag);
    if (err) return err;
    return hosted->replay(hosted->self, record.type, record.content,
                          record.length, diag);
}

/* What a repair gave up may have told of calls that cost money: then more is
 * spent than is known, and a person has to be told each time. */
static void
say_what_is_void(const struct hosted *hosted, unsigned long long stretches)
{
    if (!stretches || !hosted->kind->note) return;
    co_log(CO_LOG_WARN, "journal.void", "stretches=%llu text=%s", stretches,
           co_log_quote("a repair gave these up: calls that they told of may "
                        "be paid and are not counted as spent")
               .text);
}

static enum co_err
replay_all(const char *dir, uint32_t owner, struct engine *engine,
           const struct hosted *hosted, struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    struct journal_pos checkpoint = {0};
    struct journal_pos pos;
    struct record record;
    unsigned long long void_stretches = 0;
    enum co_err err =
        restore_checkpoint(dir, owner, engine, hosted, &checkpoint, diag);

    if (!err) err = reader_open(dir, owner, &reader, diag);
    while (!err) {
        err = reader_next(reader, &record, &pos, diag);
        if (err == CO_NOTFOUND) { /* the end; from a record it is a fault */
            say_what_is_void(hosted, void_stretches);
            return CO_OK;
        }
        if (err) return err;
        void_stretches += record.type == RECORD_VOID;
        /* Results of open shards may lie in front of the checkpoint, and it
         * says nothing of what the kind noted. */
        if (record.type != RECORD_RESULTS && record.type != RECORD_NOTE &&
            !pos_is_before(&checkpoint, &pos)) {
            continue;
        }
        err = replay_record(&record, &pos, engine, hosted, diag);
    }
    return err;
}

static void
say_what_was_cut(const struct journal_report *report)
{
    if (report->torn_bytes) {
        co_log(CO_LOG_WARN, "journal.torn",
               "owner=%u segment=%u offset=%llu bytes=%llu text=%s",
               report->torn_segment.owner, report->torn_segment.sequence,
               (unsigned long long)report->torn_offset,
               (unsigned long long)report->torn_bytes,
               "an unfinished write was cut off; nothing in it was "
               "acknowledged");
    }
}

/* Every older segment may one day be deleted, whoever wrote it. */
static void
tell_segments(const struct adoption *older, const struct hosted *hosted)
{
    for (size_t i = 0; hosted->segment && i < older->len; i++) {
        hosted->segment(hosted->self, replay_segment(older->v[i].name));
    }
}

enum co_err
replay_journal(const char *dir, uint64_t job, uint32_t owner,
               uint64_t segment_bytes, struct engine *engine,
               const struct hosted *hosted, struct journal **ret_journal,
               struct co_diag *diag)
{
    struct journal_options options = {.roll_bytes = segment_bytes,
                                      .use_ballast = hosted->kind->paid};
    struct journal_report report;
    struct adoption older = {0};
    enum co_err err = journal_recover(dir, owner, &older, &report, diag);

    if (err) return err;
    say_what_was_cut(&report);
    err = journal_start(dir, job, owner, &older, &options, ret_journal, diag);
    if (!err) tell_segments(&older, hosted);
    adoption_fini(&older);
    return err ? err : replay_all(dir, owner, engine, hosted, diag);
}
