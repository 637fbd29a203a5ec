/* paid_disk.c - what the journal's bytes say of a job's calls. */
#include "tests/sim/paid_core.h"

#include "journal/reader.h"
#include "tests/sim/disk.h"

static void
read_results(struct sim *s, struct view *v, const struct record *r)
{
    const uint8_t *c = r->content;
    struct msg m;
    uint32_t head;

    co_assert(r->length >= 4);
    head = (uint32_t)c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16 |
           (uint32_t)c[3] << 24;
    c += 4;
    if (msg_decode(s->job->paid->reader, c, head, &m) ||
        m.type != MSG_results) {
        sim_fail(s, "G3", "a journaled message cannot be read");
        return;
    }
    c += head;
    for (uint32_t i = 0; i < m.results.tasks.n; i++) {
        const uint32_t len = msg_at(m.results.lens, i);

        if (msg_at(m.results.statuses, i) == STATUS_OK) {
            view_task(s, v, m.results.tasks.v[i], c, len);
        }
        c += len;
    }
}

/* As it stands on disk, without segments of owners from below on (0: all). */
static void
read_journal(struct sim *s, struct view *v, uint32_t below)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    struct record record;
    struct co_diag diag = {""};
    enum co_err err = reader_open(disk_journal(s), below, &reader, &diag);

    while (!err) {
        err = reader_next(reader, &record, NULL, &diag);
        if (err) break;
        if (record.type == RECORD_RESULTS) read_results(s, v, &record);
        if (record.type == RECORD_NOTE) {
            view_note(s, v, record.content, record.length);
        }
    }
    if (err != CO_NOTFOUND) {
        sim_fail(s, "G3", "the journal cannot be read: %s", diag.text);
    }
}

/* All that was told as committed is there, and nothing that was sent is not. */
static void
compare_row(struct sim *s, const struct view *disk, uint64_t index)
{
    const struct paid *p = s->job->paid;
    static const struct said nothing = {0};

    for (unsigned i = 0; i < ASK_MAX; i++) {
        const struct said_row *old = &p->told.rows[index],
                              *new = &disk->rows[index];
        const struct said *was = old->asks ? &old->asks[i] : &nothing;
        const struct said *is = new->asks ? &new->asks[i] : &nothing;
        const bool sent = p->facts[index] && p->facts[index][i].sent;

        if (was->intended > is->intended || was->settled > is->settled ||
            was->released > is->released || was->charged > is->charged) {
            sim_fail(s, "G3",
                     "what was committed of ask %u of row %llu is "
                     "not on disk",
                     i, (unsigned long long)index);
        }
        if (sent && (!is->intended || is->released)) {
            sim_fail(s, "G5",
                     "ask %u of row %llu was sent, and no money is "
                     "on it",
                     i, (unsigned long long)index);
        }
    }
}

static void
compare_with_told(struct sim *s, const struct view *disk)
{
    for (uint64_t i = 0; i < ITEMS_MAX; i++) {
        if (s->job->paid->told.rows[i].asks || s->job->paid->facts[i]) {
            compare_row(s, disk, i);
        }
    }
}

void
paid_disk_believe(struct sim *s, uint32_t below)
{
    struct view disk;

    view_init(&disk);
    read_journal(s, &disk, below);
    compare_with_told(s, &disk);
    view_fini(&s->job->paid->told);
    s->job->paid->told = disk;
}
