/* personas_world.h - the personas kind driven by hand: tasks are answered in a
 * random order, placed, and sealed; a journal keeps what was, for a next life.
 */
#pragma once
#include "fake_ranges.h"
#include "tests/co_test.h"

enum { OUT_MAX = 4096, SEGMENT = 7, JOURNAL_MAX = 1000 };

co_unused static const uint32_t table_cells[1] = {4};

/* A record of the model's journal: a committed result, or a SEALED. */
struct entry {
    bool sealed;
    uint64_t task;
    struct kind_place place;
    struct co_buf bytes;
};

struct fixture {
    struct personas *p;
    struct entry *journal; /* JOURNAL_MAX, when the test keeps one */
    size_t n_journal;

    uint32_t reject;       /* one in so many candidates */
    uint64_t out[OUT_MAX]; /* tasks given out */
    size_t n_out;
    uint32_t record; /* next place in the journal */
    /* what the sealed shards' frames hold, in order */
    uint64_t rows_sealed, shards_sealed, frames_moved;
    uint64_t random;
};

co_unused static uint64_t
rnd(struct fixture *f, uint64_t below)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (f->random >> 33) % below;
}

co_unused static struct personas_options
options(uint64_t rows)
{
    return (struct personas_options){.rows = rows,
                                     .shard_rows = 1000,
                                     .service = "persona.corpus",
                                     .table_cells = table_cells,
                                     .tables = 1};
}

co_unused static void
begin(struct fixture *f, uint64_t rows, uint32_t reject)
{
    struct personas_options o = options(rows);

    *f = (struct fixture){.reject = reject, .record = 64, .random = 1};
    assert_int_equal(personas_new(&o, &f->p), CO_OK);
}

co_unused static void
check(struct fixture *f)
{
    struct kind_ledger l;
    const char *broken = personas_kind.check(f->p);

    if (broken) fail_msg("%s", broken);
    personas_kind.ledger(f->p, &l);
    assert_true(kind_ledger_holds(&l));
}

co_unused static struct kind_ledger
ledger(struct fixture *f)
{
    struct kind_ledger l;

    personas_kind.ledger(f->p, &l);
    return l;
}

co_unused static enum kind_next
draw(struct fixture *f)
{
    int64_t due;
    enum kind_next next = personas_kind.next(f->p, 0, &f->out[f->n_out], &due);

    if (next == KIND_NEXT_TASK) f->n_out++;
    assert_true(f->n_out < OUT_MAX);
    check(f);
    return next;
}

co_unused static void
draw_all(struct fixture *f)
{
    while (draw(f) == KIND_NEXT_TASK) {
        ;
    }
}

co_unused static void
answer(struct fixture *f, uint64_t task, struct co_buf *out)
{
    struct co_buf payload;

    co_buf_init(&payload, 1024);
    assert_true(personas_kind.payload(f->p, task, &payload));
    fake_answer(fake_read(payload.data, payload.len), f->reject, out);
    co_buf_fini(&payload);
}

co_unused static enum kind_take
take(struct fixture *f, uint64_t task)
{
    enum kind_take verdict;
    struct co_buf result;

    co_buf_init(&result, 1 << 20);
    answer(f, task, &result);
    verdict = personas_kind.take(f->p, task, result.data, (uint32_t)result.len);
    check(f);
    if (verdict == KIND_ACCEPTED) {
        assert_int_not_equal(
            personas_kind.take(f->p, task, result.data, (uint32_t)result.len),
            KIND_ACCEPTED);
    }
    co_buf_fini(&result);
    return verdict;
}

co_unused static void
place(struct fixture *f, uint64_t task)
{
    struct kind_place at = {SEGMENT, f->record, 100, 500};

    f->record += 1000;
    personas_kind.place(f->p, task, 0, &at);
    check(f);
}

co_unused static void
forget(struct fixture *f, uint64_t task)
{
    for (size_t i = 0; i < f->n_out; i++) {
        if (f->out[i] == task) f->out[i--] = f->out[--f->n_out];
    }
}

co_unused static void
withdraw(struct fixture *f)
{
    uint64_t task;

    while (personas_kind.unwanted(f->p, &task)) {
        forget(f, task);
        check(f);
    }
}

/* Decides a random task that is out. */
co_unused static void
decide_one(struct fixture *f)
{
    size_t at = rnd(f, f->n_out);
    uint64_t task = f->out[at];

    f->out[at] = f->out[--f->n_out];
    if (f->journal) {
        struct entry *e = &f->journal[f->n_journal++];

        assert_true(f->n_journal < JOURNAL_MAX);
        *e = (struct entry){.task = task,
                            .place = {SEGMENT, f->record, 100, 500}};
        co_buf_init(&e->bytes, 1 << 20);
        answer(f, task, &e->bytes);
    }
    assert_int_equal(take(f, task), KIND_ACCEPTED);
    place(f, task);
    withdraw(f);
}

/* Seals what can be sealed. */
co_unused static void
seal_all(struct fixture *f)
{
    struct personas_seal seal;

    while (personas_next_seal(f->p, &seal)) {
        uint64_t shard = seal.shard, rows = seal.rows;
        struct co_buf buf;

        for (uint32_t i = 0; i < seal.count; i++) {
            f->frames_moved += seal.frames[i].segment == 0;
        }
        co_buf_init(&buf, 1 << 20);
        assert_int_equal(personas_sealed_record(f->p, shard, 11, 22, &buf),
                         CO_OK);
        if (f->journal) {
            f->journal[f->n_journal++] =
                (struct entry){.sealed = true, .bytes = buf};
        } else {
            co_buf_fini(&buf);
        }
        personas_on_sealed(f->p, shard, 11, 22);
        assert_int_equal(personas_shard(f->p, shard)->rows, rows);
        f->rows_sealed += rows;
        f->shards_sealed++;
        check(f);
    }
}

co_unused static void
run(struct fixture *f)
{
    for (int turn = 0; turn < 100000; turn++) {
        if (personas_kind.done(f->p) != KIND_RUNNING) return;
        draw_all(f);
        if (f->n_out) decide_one(f);
        seal_all(f);
    }
    {
        struct co_buf why;

        co_buf_init(&why, 1 << 16);
        personas_kind.why(f->p, 0, &why);
        personas_kind.summary(f->p, &why);
        fail_msg("the job does not end: %s", co_buf_text(&why));
    }
}

co_unused static uint64_t
audit_total(struct fixture *f)
{
    const uint64_t *n = personas_audit(f->p, 0);

    return n[0] + n[1] + n[2] + n[3];
}
