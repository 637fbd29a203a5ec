/* test_written_revive.c - rows that were given up are asked again: in lives of
 * the owner that know of it before their replay, as replay.c tells them. */
#include "written_world.h"

#include "coordinator/kind_written_core.h"

enum { DEAD_MAX = WORLD_ROWS_MAX };

/* A world whose journal withdraws deaths, too. */
struct lives {
    struct world w; /* first: the letters come to it */
    uint64_t dead[DEAD_MAX];
    unsigned n_dead;
    struct {
        size_t at; /* in front of this entry */
        uint64_t task;
    } revived[DEAD_MAX];
    unsigned n_revived;
    bool replaying; /* letters are told again */
};

static void
keep_letter(void *self, const uint8_t *letter, size_t len)
{
    struct lives *l = self;
    char text[8192];
    const char *task;

    if (l->replaying) return;
    assert_true(len < sizeof text && l->n_dead < DEAD_MAX);
    memcpy(text, letter, len);
    text[len] = '\0';
    task = strstr(text, "\"task\":\"");
    assert_non_null(task);
    l->dead[l->n_dead++] = strtoull(task + 8, NULL, 16);
}

static void
given(struct lives *l, uint64_t rows, uint64_t seed)
{
    l->n_dead = l->n_revived = 0;
    l->replaying = false;
    world_init(&l->w, rows, seed);
    l->w.options.dead = keep_letter;
}

/* -- lives ---------------------------------------------------------------- */

/* What replay.c tells beforehand. */
static void
foresee(struct lives *l, const uint64_t *wishes, unsigned n)
{
    struct world *f = &l->w;

    for (size_t i = 0; i < f->durable; i++) {
        const struct world_entry *e = &f->journal[i];

        if (e->type != WORLD_SEALED) continue;
        assert_int_equal(personas_foresee(f->p, e->data, e->len), CO_OK);
    }
    for (unsigned i = 0; i < l->n_revived; i++) {
        assert_int_equal(written_kind.foresee(f->w, l->revived[i].task, false),
                         CO_OK);
    }
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(written_kind.foresee(f->w, wishes[i], true), CO_OK);
    }
}

static void
replay_entry(struct world *f, size_t at)
{
    const struct world_entry *e = &f->journal[at];
    const struct kind_place place = {7, (uint32_t)at * 8, 0, e->len};

    if (e->type == WORLD_NOTE) {
        assert_true(written_kind.replay_note(f->w, e->data, e->len));
    } else if (e->type == WORLD_SEALED) {
        assert_int_equal(personas_replay_sealed(f->p, e->data, e->len), CO_OK);
    } else if (written_kind.take(f->w, e->task, e->data, e->len) ==
               KIND_ACCEPTED) {
        written_kind.place(f->w, e->task, 0, &place);
    }
}

static void
replay_all(struct lives *l)
{
    unsigned next = 0;

    for (size_t i = 0; i <= l->w.durable; i++) {
        while (next < l->n_revived && l->revived[next].at == i) {
            (void)written_kind.revive(l->w.w, l->revived[next++].task);
        }
        if (i < l->w.durable) replay_entry(&l->w, i);
    }
}

/* What was not on the disk: results stay with their workers. */
static void
forget_the_rest(struct world *f)
{
    for (size_t i = f->durable; i < f->n_journal; i++) {
        struct world_entry *e = &f->journal[i];

        if (e->type == WORLD_RESULT) {
            *world_add_out(f, e->task) = (struct world_task){.task = e->task,
                                                             .len = e->len,
                                                             .payload = e->data,
                                                             .sent = true};
        } else {
            free(e->data);
        }
    }
    f->n_journal = f->durable;
}

/* The owner is killed, and the next one told what people want; it has replayed
 * the journal. */
static void
reborn(struct lives *l, const uint64_t *wishes, unsigned n)
{
    struct world *f = &l->w;

    written_free(f->w);
    personas_free(f->p);
    forget_the_rest(f);
    world_start(f);
    l->replaying = true;
    foresee(l, wishes, n);
    replay_all(l);
    l->replaying = false;
}

/* And what they want is done. */
static void
next_life(struct lives *l, const uint64_t *wishes, unsigned n)
{
    struct world *f = &l->w;

    reborn(l, wishes, n);
    for (unsigned i = 0; i < n; i++) {
        assert_true(written_kind.revive(f->w, wishes[i]));
        assert_true(l->n_revived < DEAD_MAX);
        l->revived[l->n_revived].at = f->durable;
        l->revived[l->n_revived++].task = wishes[i];
    }
    f->checks = 0; /* walk now */
    world_check(f);
    for (size_t i = f->n_out; i-- > 0;) {
        f->out[i].known = !f->out[i].sent && world_rnd(f, 2) &&
                          written_kind.adopt(f->w, f->out[i].task);
    }
    world_check(f);
}

/* As world_run(), with such lives. */
static enum kind_state
run(struct lives *l, unsigned crashes)
{
    struct world *f = &l->w;

    for (unsigned steps = 0; written_kind.done(f->w) == KIND_RUNNING; steps++) {
        if (f->in_order) {
            world_step_in_order(f);
        } else {
            world_step(f);
        }
        if (crashes && world_rnd(f, 100) == 0) {
            crashes--;
            next_life(l, NULL, 0);
        }
        if (steps > 200000) fail_msg("the job does not end");
    }
    while (f->durable < f->n_journal) {
        world_commit(f);
    }
    return written_kind.done(f->w);
}

/* Everybody wants all dead rows back, and nothing is wrong any more. */
static void
heal(struct lives *l)
{
    const unsigned n = l->n_dead;

    l->w.dead = 0;
    l->n_dead = 0;
    next_life(l, l->dead, n);
}

/* The rows of a world in which nobody dies. */
static void
quiet(struct world *f, uint64_t rows, uint32_t reject)
{
    world_init(f, rows, 1);
    f->in_order = true;
    f->reject = reject;
    world_start(f);
    assert_int_equal(world_run(f, 0), KIND_DONE);
}

static bool
was_revived(const struct lives *l, uint64_t row)
{
    for (unsigned i = 0; i < l->n_revived; i++) {
        if (l->revived[i].task >> 8 == row) return true;
    }
    return false;
}

/* The same rows are written as in a quiet world, and the same texts but for
 * what those that were asked again say of their cost. */
static void
assert_whole(const struct lives *l, uint64_t rows)
{
    struct world q;
    const struct kind_ledger mine = world_ledger(&l->w);
    struct kind_ledger theirs;

    quiet(&q, rows, l->w.reject);
    theirs = world_ledger(&q);
    assert_int_equal(mine.accepted, rows);
    assert_int_equal(mine.dead, 0);
    assert_int_equal(mine.rejected, theirs.rejected);
    for (uint64_t row = 0; row < WORLD_ROWS_MAX; row++) {
        if (!q.corpus[row]) continue;
        assert_int_not_equal(l->w.corpus[row], 0);
        if (was_revived(l, row)) continue;
        assert_int_equal(l->w.corpus[row], q.corpus[row]);
    }
    world_fini(&q);
}

/* -- tests ---------------------------------------------------------------- */

static void
rows_of_sealed_shards_are_asked_again_and_nothing_else_is(void **state)
{
    static struct lives l;
    struct world *f = &l.w;
    uint64_t asked, dead;

    (void)state;
    given(&l, 1200, 3);
    f->in_order = true;
    f->dead = 60;
    world_start(f);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_true(personas_shards(f->p) > 2);
    dead = l.n_dead;
    asked = f->asked;
    assert_true(dead > 10);
    assert_int_equal(world_ledger(f).dead, dead);
    heal(&l);
    assert_int_equal(written_kind.done(f->w), KIND_RUNNING);
    assert_int_equal(run(&l, 0), KIND_DONE);
    /* what was answered before stays: the second stage is asked */
    assert_int_equal(f->asked, asked + dead);
    assert_int_equal(written_counters(f->w)->revived, dead);
    assert_whole(&l, 1200);
    world_fini(f);
}

static void
another_life_knows_of_it_and_asks_nothing(void **state)
{
    static struct lives l;
    struct world *f = &l.w;
    uint64_t asked;
    struct kind_ledger before;

    (void)state;
    given(&l, 700, 3);
    f->in_order = true;
    f->dead = 40;
    world_start(f);
    assert_int_equal(run(&l, 0), KIND_DONE);
    heal(&l);
    assert_int_equal(run(&l, 0), KIND_DONE);
    asked = f->asked;
    before = world_ledger(f);
    next_life(&l, NULL, 0);
    assert_int_equal(written_kind.done(f->w), KIND_DONE);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_equal(f->asked, asked);
    assert_int_equal(world_ledger(f).accepted, before.accepted);
    assert_int_equal(world_ledger(f).dead, 0);
    /* and one that wants more rows goes on behind them */
    f->personas_options.rows = 900;
    next_life(&l, NULL, 0);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_whole(&l, 900);
    world_fini(f);
}

static void
a_row_that_dies_again_has_another_letter_and_may_be_wanted_again(void **state)
{
    static struct lives l;
    struct world *f = &l.w;
    uint64_t first;

    (void)state;
    given(&l, 600, 3);
    f->in_order = true;
    f->dead = 60;
    world_start(f);
    assert_int_equal(run(&l, 0), KIND_DONE);
    first = l.dead[0];
    l.n_dead = 0;
    next_life(&l, &first, 1);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_equal(l.n_dead, 1);
    assert_int_equal(l.dead[0] >> 8, first >> 8);
    assert_true(l.dead[0] > first);
    heal(&l);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_not_equal(f->corpus[first >> 8], 0);
    world_fini(f);
}

/* Money for a few more calls than were made. */
static void
given_little_money(struct world *f)
{
    const struct money_sums s = money_sums(written_money(f->w));

    f->options.cap = s.settled + s.unknown + s.reserved + 20000;
}

/* Nothing is paid twice, and the caps hold: world_check(). Rows that stood in
 * for others stand in again for those that die for want of money. */
static void
whoever_is_killed_whenever_the_corpus_is_whole(void **state)
{
    static struct lives l;
    struct world *f = &l.w;

    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        given(&l, 1100, seed);
        f->dead = 50;
        f->lose = 50;
        f->invalid = 9;
        f->reject = seed % 2 ? 0 : 5;
        f->personas_options.dedup = seed % 3 == 0;
        world_start(f);
        assert_int_equal(run(&l, 2), KIND_DONE);
        assert_true(l.n_dead > 5);
        given_little_money(f);
        heal(&l);
        assert_int_equal(run(&l, 1), KIND_DONE);
        assert_int_equal(world_ledger(f).accepted, 1100);
        assert_true(l.n_dead > 0);
        f->options.cap = 0;
        heal(&l);
        assert_int_equal(run(&l, 3), KIND_DONE);
        assert_int_equal(world_ledger(f).accepted, 1100);
        assert_int_equal(world_ledger(f).dead, 0);
        assert_int_equal(world_ledger(f).duplicates, 0);
        assert_whole(&l, 1100);
        world_fini(f);
    }
}

/* Its death is in no record but the letter. */
static void
a_row_that_was_given_up_for_lost_calls_is_asked_again(void **state)
{
    static struct lives l;
    struct world *f = &l.w;
    uint64_t task;

    (void)state;
    given(&l, 3, 3);
    f->in_order = true;
    world_start(f);
    for (unsigned lost = 0; lost < TALK_LOST_MAX;) {
        world_turn(f, 1000);
        while (f->durable < f->n_journal) {
            world_commit(f);
        }
        for (size_t i = f->n_out; i-- > 0;) {
            if (f->out[i].task >> 8 != 1) continue;
            task = f->out[i].task;
            world_drop(f, i);
            assert_true(
                written_kind.gone(f->w, task, KIND_GONE_LOST, f->now_us));
            lost++;
        }
    }
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_equal(l.n_dead, 1);
    assert_int_equal(l.dead[0] >> 8, 1);
    assert_int_equal(f->corpus[1], 0);
    heal(&l);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_equal(world_ledger(f).dead, 0);
    assert_int_not_equal(f->corpus[1], 0);
    world_fini(f);
}

static void
a_wish_that_is_not_written_down_yet_is_as_if_it_had_not_been(void **state)
{
    static struct lives l;
    struct world *f = &l.w;
    uint64_t asked;

    (void)state;
    given(&l, 700, 3);
    f->in_order = true;
    f->dead = 40;
    world_start(f);
    assert_int_equal(run(&l, 0), KIND_DONE);
    asked = f->asked;
    next_life(&l, l.dead, l.n_dead);
    l.n_revived = 0; /* the crash took them along */
    next_life(&l, NULL, 0);
    assert_int_equal(written_kind.done(f->w), KIND_DONE);
    assert_int_equal(f->asked, asked);
    assert_int_equal(world_ledger(f).dead, l.n_dead);
    world_fini(f);
}

/* They die again, and the corpus is as it was. */
static void
where_no_money_is_left_a_wish_changes_nothing(void **state)
{
    static struct lives l;
    struct world *f = &l.w;
    uint64_t asked, dead;

    (void)state;
    given(&l, 1200, 3);
    f->in_order = true;
    f->dead = 60;
    world_start(f);
    assert_int_equal(run(&l, 0), KIND_DONE);
    asked = f->asked;
    dead = l.n_dead;
    f->options.cap = f->paid + 100;
    heal(&l);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_equal(f->asked, asked);
    assert_int_equal(l.n_dead, dead);
    assert_int_equal(world_ledger(f).dead, dead);
    next_life(&l, NULL, 0);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_equal(f->asked, asked);
    /* with money for a few of them those live */
    f->options.cap = f->paid + 12000;
    heal(&l);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_in_range(f->asked, asked + 1, asked + dead - 1);
    assert_int_equal(world_ledger(f).dead, dead - (f->asked - asked));
    f->options.cap = 0;
    heal(&l);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_equal(f->asked, asked + dead);
    assert_whole(&l, 1200);
    world_fini(f);
}

static void
a_row_whose_ids_are_used_up_stays_as_dead_as_it_was(void **state)
{
    static struct lives l;
    struct world *f = &l.w;
    struct kind_ledger before;
    uint64_t asked;

    (void)state;
    given(&l, 300, 3);
    f->in_order = true;
    f->dead = 60;
    world_start(f);
    assert_int_equal(run(&l, 0), KIND_DONE);
    before = world_ledger(f);
    asked = f->asked;
    reborn(&l, l.dead, 1);
    rows_talk(f->w, l.dead[0] >> 8)->asks = ASK_MAX;
    assert_false(written_kind.revive(f->w, l.dead[0]));
    assert_int_equal(written_counters(f->w)->revived, 0);
    assert_int_equal(run(&l, 0), KIND_DONE);
    assert_int_equal(f->asked, asked);
    assert_int_equal(world_ledger(f).accepted, before.accepted);
    assert_int_equal(world_ledger(f).dead, before.dead);
    world_fini(f);
}

static void
what_lies_too_far_back_is_refused_beforehand(void **state)
{
    /* the beginnings of SEALED records: a version and a shard */
    static const uint8_t near[8] = {0x95, 2, 127};
    static const uint8_t far[8] = {0x95, 2, 0xcc, 128};
    static const uint8_t many[8] = {0x95, 2, 20};
    const uint64_t task = 7 << 8 | ASK_STEP;
    struct world f;

    (void)state;
    world_init(&f, 100, 1);
    world_start(&f);
    assert_int_equal(personas_foresee(f.p, near, sizeof near), CO_OK);
    assert_true(personas_may_reopen(f.p, 7));
    assert_int_equal(personas_foresee(f.p, far, sizeof far), CO_OK);
    assert_false(personas_may_reopen(f.p, 7));
    assert_true(personas_may_reopen(f.p, WORLD_SHARD));
    assert_int_equal(written_kind.foresee(f.w, task, true), CO_RANGE);
    assert_int_equal(personas_foresee(f.p, far, 2), CO_DAMAGED);
    world_fini(&f);
    /* few shards, but more rows than memory is for */
    world_init(&f, 100, 1);
    f.personas_options.shard_rows = 10000;
    world_start(&f);
    assert_int_equal(personas_foresee(f.p, many, sizeof many), CO_OK);
    assert_false(personas_may_reopen(f.p, 9999));
    assert_true(personas_may_reopen(f.p, 10000));
    world_fini(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            rows_of_sealed_shards_are_asked_again_and_nothing_else_is),
        cmocka_unit_test(another_life_knows_of_it_and_asks_nothing),
        cmocka_unit_test(
            a_row_that_dies_again_has_another_letter_and_may_be_wanted_again),
        cmocka_unit_test(whoever_is_killed_whenever_the_corpus_is_whole),
        cmocka_unit_test(a_row_that_was_given_up_for_lost_calls_is_asked_again),
        cmocka_unit_test(
            a_wish_that_is_not_written_down_yet_is_as_if_it_had_not_been),
        cmocka_unit_test(where_no_money_is_left_a_wish_changes_nothing),
        cmocka_unit_test(a_row_whose_ids_are_used_up_stays_as_dead_as_it_was),
        cmocka_unit_test(what_lies_too_far_back_is_refused_beforehand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
