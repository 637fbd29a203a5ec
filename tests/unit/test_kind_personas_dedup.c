/* test_kind_personas_dedup.c - which rows are left out, and that nothing but
 * the candidates decides it. Hashes keep a few bits, so that duplicates are
 * frequent; what must come out is found the slow way (fake_is_new). */
#include "tests/co_test.h"

#include "fake_ranges.h"

enum {
    BITS = 13,
    REJECT = 5, /* one candidate in so many, unless a test says otherwise */
    OUT_MAX = 1000,
    SHARDS_MAX = 64,
    JOURNAL_MAX = 1000,
    SEGMENT = 7
};

static const uint32_t table_cells[1] = {4};

struct entry {
    bool sealed;
    uint64_t task;
    struct kind_place place;
    struct co_buf bytes;
};

/* The file of hashes of a shard. */
struct file {
    uint64_t *hashes;
    uint32_t n;
};

struct fixture {
    struct personas *p;
    uint64_t rows, random;
    uint64_t out[OUT_MAX];
    size_t n_out;
    uint32_t record;
    struct file files[SHARDS_MAX];
    struct entry *journal; /* JOURNAL_MAX */
    size_t n_journal;
    enum co_err load_fails; /* what reading a file answers */
    uint64_t dead, n_dead;  /* candidates given up: from dead on, n_dead */
    bool all_good;          /* no candidate is rejected */
};

static uint64_t
rnd(struct fixture *f, uint64_t below)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (f->random >> 33) % below;
}

static enum co_err
load(void *self, uint64_t shard, uint32_t n, uint64_t hash, uint64_t *ret)
{
    const struct fixture *f = self;
    const struct file *file = &f->files[shard];

    if (f->load_fails) return f->load_fails;
    assert_true(n <= file->n);
    assert_true(co_hash64(file->hashes, n * sizeof *ret, 0) == hash);
    memcpy(ret, file->hashes, n * sizeof *ret);
    return CO_OK;
}

static uint32_t
reject(const struct fixture *f)
{
    return f->all_good ? 0 : REJECT;
}

static void
begin(struct fixture *f, uint64_t rows)
{
    struct personas_options o = {.rows = rows,
                                 .shard_rows = 1000,
                                 .candidates = 20 * rows,
                                 .service = "persona.compose",
                                 .table_cells = table_cells,
                                 .tables = 1,
                                 .dedup = true,
                                 .hash_bits = BITS,
                                 .load = load,
                                 .load_self = f};

    f->rows = rows;
    f->n_out = 0;
    f->record = 64;
    assert_int_equal(personas_new(&o, &f->p), CO_OK);
}

static void
end(struct fixture *f)
{
    personas_free(f->p);
    for (size_t i = 0; i < SHARDS_MAX; i++) {
        free(f->files[i].hashes);
    }
    for (size_t i = 0; i < f->n_journal; i++) {
        co_buf_fini(&f->journal[i].bytes);
    }
    free(f->journal);
}

static void
check(struct fixture *f)
{
    struct kind_ledger l;
    const char *broken = personas_kind.check(f->p);

    if (broken) fail_msg("%s", broken);
    personas_kind.ledger(f->p, &l);
    assert_true(kind_ledger_holds(&l));
}

static void
draw_all(struct fixture *f)
{
    int64_t due;

    while (f->n_out < OUT_MAX && personas_kind.next(f->p, 0, &f->out[f->n_out],
                                                    &due) == KIND_NEXT_TASK) {
        f->n_out++;
        check(f);
    }
}

static void
withdraw(struct fixture *f)
{
    uint64_t task;

    while (personas_kind.unwanted(f->p, &task)) {
        for (size_t i = 0; i < f->n_out; i++) {
            if (f->out[i] == task) f->out[i--] = f->out[--f->n_out];
        }
        check(f);
    }
}

/* A worker's answer, as it comes: taken, committed, remembered. */
static void
decide(struct fixture *f, size_t at)
{
    const uint64_t task = f->out[at];
    struct kind_place place = {SEGMENT, f->record, 100, 500};
    struct co_buf payload, result;

    f->out[at] = f->out[--f->n_out];
    f->record += 1000;
    co_buf_init(&payload, 1024);
    co_buf_init(&result, 1 << 20);
    assert_true(personas_kind.payload(f->p, task, &payload));
    fake_answer(fake_read(payload.data, payload.len), reject(f), &result);
    assert_int_equal(
        personas_kind.take(f->p, task, result.data, (uint32_t)result.len),
        KIND_ACCEPTED);
    personas_kind.place(f->p, task, 0, &place);
    check(f);
    withdraw(f);
    co_buf_fini(&payload);
    if (f->journal) {
        assert_true(f->n_journal < JOURNAL_MAX);
        f->journal[f->n_journal++] =
            (struct entry){.task = task, .place = place, .bytes = result};
    } else {
        co_buf_fini(&result);
    }
}

static void
write_file(struct fixture *f, const struct personas_seal *seal)
{
    struct file *file = &f->files[seal->shard];

    assert_true(seal->shard < SHARDS_MAX);
    /* what is there already is the beginning of what comes */
    assert_true(!seal->reopened || seal->n_hashes >= file->n);
    if (seal->reopened && file->n) {
        assert_memory_equal(file->hashes, seal->hashes,
                            file->n * sizeof *file->hashes);
    }
    free(file->hashes);
    file->n = seal->n_hashes;
    file->hashes = malloc((file->n + 1) * sizeof *file->hashes);
    memcpy(file->hashes, seal->hashes, file->n * sizeof *file->hashes);
}

static void
seal_all(struct fixture *f)
{
    struct personas_seal seal;

    while (personas_next_seal(f->p, &seal)) {
        struct co_buf buf;

        write_file(f, &seal);
        co_buf_init(&buf, 1 << 20);
        assert_int_equal(personas_sealed_record(f->p, seal.shard, 1, 2, &buf),
                         CO_OK);
        if (f->journal) {
            f->journal[f->n_journal++] =
                (struct entry){.sealed = true, .bytes = buf};
        } else {
            co_buf_fini(&buf);
        }
        personas_on_sealed(f->p, seal.shard, 1, 2);
        check(f);
    }
}

static void
run(struct fixture *f)
{
    for (int turn = 0; turn < 100000; turn++) {
        if (personas_kind.done(f->p) != KIND_RUNNING) return;
        draw_all(f);
        if (f->n_out) decide(f, rnd(f, f->n_out));
        seal_all(f);
    }
    fail_msg("the job does not end");
}

/* Accepted rows, duplicates and the files must be those of the slow way. */
static void
assert_as_the_slow_way(struct fixture *f)
{
    struct kind_ledger l;
    struct fake_said said;
    uint64_t index = 0, rows = 0, duplicates = 0, at = 0;
    uint64_t shard = 0;

    fake_said_begin(&said, BITS);
    /* the cell with the last row is compared to its end */
    while (rows < f->rows || index % PERSONAS_CELL) {
        uint64_t i = index++;

        if (!fake_accepts(i, reject(f)) || i - f->dead < f->n_dead) continue;
        if (!fake_is_new(&said, i)) {
            duplicates++;
            continue;
        }
        rows++;
        if (i / 1000 != shard) {
            assert_int_equal(f->files[shard].n, at);
            shard = i / 1000;
            at = 0;
        }
        assert_true(at < f->files[shard].n);
        assert_true(f->files[shard].hashes[at++] ==
                    (fake_hash(i) & ((1u << BITS) - 1)));
    }
    assert_int_equal(f->files[shard].n, at);
    fake_said_end(&said);
    personas_kind.ledger(f->p, &l);
    assert_int_equal(personas_kind.done(f->p), KIND_DONE);
    assert_int_equal(l.accepted, f->rows);
    assert_int_equal(l.duplicates, duplicates);
    assert_true(duplicates > 0);
}

static uint64_t
rows_in_shards(struct fixture *f)
{
    uint64_t rows = 0;

    for (uint64_t s = 0; s < personas_shards(f->p); s++) {
        rows += personas_shard(f->p, s)->rows;
    }
    return rows;
}

/* -- tests ---------------------------------------------------------------- */

static void
results_in_any_order_leave_out_the_same_rows(void **state)
{
    (void)state;
    for (uint64_t order = 0; order < 40; order++) {
        struct fixture f = {.random = order};

        begin(&f, 2000 + 37 * (order % 3));
        run(&f);
        assert_as_the_slow_way(&f);
        assert_int_equal(rows_in_shards(&f), f.rows);
        assert_true(personas_counters(f.p)->packs > 0);
        end(&f);
    }
}

static void
a_cell_with_duplicates_is_packed_without_them(void **state)
{
    struct fixture f = {.random = 1};
    struct co_buf payload;
    struct fake_said said;
    uint64_t pack = 0;

    (void)state;
    begin(&f, 2000);
    while (!pack) {
        draw_all(&f);
        if ((f.out[f.n_out - 1] & 0xff) == PERSONAS_STEP_PACK) {
            pack = f.out[f.n_out - 1];
        } else {
            decide(&f, 0);
        }
    }
    co_buf_init(&payload, 1024);
    assert_true(personas_kind.payload(f.p, pack, &payload));
    {
        struct fake_task t = fake_read(payload.data, payload.len);
        uint32_t rows = 0;

        fake_said_begin(&said, BITS);
        for (uint64_t i = 0; i < t.start + t.count; i++) {
            bool good = fake_accepts(i, REJECT);
            bool is_new = good && fake_is_new(&said, i);

            if (i < t.start) continue;
            assert_int_equal(t.skip[(i - t.start) / 8] >> (i - t.start) % 8 & 1,
                             good && !is_new);
            rows += is_new;
        }
        assert_int_equal(t.take, rows);
    }
    fake_said_end(&said);
    co_buf_fini(&payload);
    end(&f);
}

/* The first cell is asked for just the rows that are needed. */
static void
as_many_rows_as_needed_with_a_duplicate_among_them_are_packed_too(void **state)
{
    struct fixture f = {.random = 1, .all_good = true};

    (void)state;
    begin(&f, 200);
    draw_all(&f);
    assert_int_equal(f.n_out, 1);
    decide(&f, 0);
    draw_all(&f);
    assert_int_equal(f.n_out, 1);
    assert_int_equal(f.out[0], PERSONAS_STEP_PACK);
    run(&f);
    assert_as_the_slow_way(&f);
    end(&f);
}

/* How much of the results is left beside the SEALED records. */
enum left { NO_RESULTS, SOME_RESULTS, ALL_RESULTS, LEFT_COUNT };

static bool
is_left(enum left left, size_t i)
{
    return left == ALL_RESULTS || (left == SOME_RESULTS && i % 3);
}

/* A new owner of the first n records. */
static void
replay(struct fixture *g, const struct fixture *f, size_t n, uint64_t rows,
       enum left left)
{
    *g = (struct fixture){.random = n};
    for (size_t i = 0; i < SHARDS_MAX; i++) { /* the files as they are now */
        g->files[i].n = f->files[i].n;
        g->files[i].hashes = malloc((f->files[i].n + 1) * sizeof(uint64_t));
        if (!f->files[i].n) continue;
        memcpy(g->files[i].hashes, f->files[i].hashes,
               f->files[i].n * sizeof(uint64_t));
    }
    begin(g, rows);
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &f->journal[i];

        if (e->sealed) {
            assert_int_equal(
                personas_replay_sealed(g->p, e->bytes.data, e->bytes.len),
                CO_OK);
        } else if (is_left(left, i) &&
                   personas_kind.take(g->p, e->task, e->bytes.data,
                                      (uint32_t)e->bytes.len) ==
                       KIND_ACCEPTED) {
            personas_kind.place(g->p, e->task, 0, &e->place);
        }
        check(g);
    }
}

static void
an_owner_may_die_at_any_record_and_decide_as_before(void **state)
{
    static const uint64_t more[] = {2500, 2501, 2800, 3700};
    struct fixture f = {.random = 5}, g;

    (void)state;
    f.journal = calloc(JOURNAL_MAX, sizeof *f.journal);
    begin(&f, 2500);
    run(&f);
    assert_as_the_slow_way(&f);
    for (size_t n = 0; n <= f.n_journal; n++) {
        for (size_t m = 0; m < co_countof(more); m++) {
            for (enum left left = 0; left < LEFT_COUNT; left++) {
                replay(&g, &f, n, more[m], left);
                run(&g);
                assert_as_the_slow_way(&g);
                assert_int_equal(rows_in_shards(&g), more[m]);
                end(&g);
            }
        }
    }
    end(&f);
}

static void
a_checkpoint_and_the_files_are_enough(void **state)
{
    static const uint64_t more[] = {2100, 2101, 2250, 4000};

    (void)state;
    for (size_t m = 0; m < co_countof(more); m++) {
        struct fixture f = {.random = m}, g;
        struct co_buf snapshot;

        begin(&f, 2100);
        run(&f);
        co_buf_init(&snapshot, 1 << 20);
        assert_int_equal(personas_snapshot(f.p, &snapshot), CO_OK);
        replay(&g, &f, 0, more[m], NO_RESULTS);
        assert_int_equal(personas_restore(g.p, snapshot.data, snapshot.len),
                         CO_OK);
        check(&g);
        run(&g);
        assert_as_the_slow_way(&g);
        co_buf_fini(&snapshot);
        end(&f);
        end(&g);
    }
}

static void
a_file_of_hashes_that_is_gone_stops_the_replay(void **state)
{
    struct fixture f = {.random = 3}, g;
    struct co_buf snapshot;

    (void)state;
    begin(&f, 2100);
    run(&f);
    co_buf_init(&snapshot, 1 << 20);
    assert_int_equal(personas_snapshot(f.p, &snapshot), CO_OK);
    replay(&g, &f, 0, 2100, NO_RESULTS);
    g.load_fails = CO_DAMAGED;
    assert_int_equal(personas_restore(g.p, snapshot.data, snapshot.len),
                     CO_DAMAGED);
    co_buf_fini(&snapshot);
    end(&f);
    end(&g);
}

static void
halves_are_judged_in_their_order_and_the_dead_say_nothing(void **state)
{
    struct fixture f = {.random = 9};
    uint64_t halves[2], quarters[2];

    (void)state;
    begin(&f, 700);
    draw_all(&f);
    assert_int_equal(personas_kind.split(f.p, f.out[0], halves), 2);
    assert_int_equal(personas_kind.split(f.p, halves[0], quarters), 2);
    f.out[0] = halves[1];
    f.out[f.n_out++] = quarters[0];
    f.dead = quarters[1] >> 8;
    f.n_dead = (halves[1] >> 8) - f.dead;
    personas_kind.dead(f.p, quarters[1]);
    run(&f);
    assert_as_the_slow_way(&f);
    end(&f);
}

static void
a_result_without_hashes_is_invalid(void **state)
{
    struct fixture f = {.random = 1};
    struct range_result r;
    struct co_buf with, without;

    (void)state;
    begin(&f, 1000);
    draw_all(&f);
    co_buf_init(&with, 1 << 20);
    co_buf_init(&without, 1 << 20);
    fake_answer((struct fake_task){0, 250, 250, {0}, {0}}, REJECT, &with);
    assert_int_equal(range_decode(with.data, with.len, &r), CO_OK);
    r.hashes = NULL;
    assert_int_equal(range_encode(&r, &without), CO_OK);
    range_result_fini(&r);
    assert_int_equal(
        personas_kind.take(f.p, 0, without.data, (uint32_t)without.len),
        KIND_INVALID);
    assert_int_equal(personas_counters(f.p)->invalid_hashes, 1);
    assert_int_equal(personas_kind.take(f.p, 0, with.data, (uint32_t)with.len),
                     KIND_ACCEPTED);
    co_buf_fini(&with);
    co_buf_fini(&without);
    end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_in_any_order_leave_out_the_same_rows),
        cmocka_unit_test(a_cell_with_duplicates_is_packed_without_them),
        cmocka_unit_test(
            as_many_rows_as_needed_with_a_duplicate_among_them_are_packed_too),
        cmocka_unit_test(an_owner_may_die_at_any_record_and_decide_as_before),
        cmocka_unit_test(a_checkpoint_and_the_files_are_enough),
        cmocka_unit_test(a_file_of_hashes_that_is_gone_stops_the_replay),
        cmocka_unit_test(
            halves_are_judged_in_their_order_and_the_dead_say_nothing),
        cmocka_unit_test(a_result_without_hashes_is_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
