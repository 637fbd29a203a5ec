/* test_engine_random.c - the engine under random events: whatever they are, no
 * invariant breaks, the job ends, and a replay of its journal knows the same.
 */
#include "engine_world.h"

static uint64_t
rnd(struct world *w, uint64_t below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (w->random >> 33) % below;
}

static void
link_break(struct world *w, unsigned link)
{
    struct msg_inventory inv = {.pages = 1};
    uint64_t ids[HELD_MAX];
    uint32_t attempts[HELD_MAX], n = 0;

    engine_on_link_down(w->e, link, w->now_us);
    check(w);
    w->granted[link] = 0;
    for (uint32_t i = 0; i < w->n_held;) {
        struct held *h = &w->held[i];

        if (h->link == link && rnd(w, 2)) {
            held_take(w, i); /* the broker forgot it */
            continue;
        }
        if (h->link == link && n < BATCH_MAX) {
            attempts[n] = h->attempt;
            ids[n++] = h->task;
        }
        i++;
    }
    inv.tasks = (struct msg_u64s){ids, n};
    inv.attempts = (struct msg_u32s){attempts, n};
    if (n) engine_on_inventory(w->e, link, &inv, w->now_us);
    check(w);
    attach(w, link);
}

/* Poisonous rows fail whatever range they are in. */
static bool
poisoned(const struct held *h)
{
    return h->range.start <= 4321 && 4321 < h->range.start + h->range.count;
}

static void
random_event(struct world *w, struct held *last)
{
    unsigned link = (unsigned)rnd(w, LINKS);
    struct held h;

    w->now_us += (int64_t)rnd(w, 20000);
    switch (rnd(w, 16)) {
    case 0:
        grant(w, link, rnd(w, 6));
        break;
    case 1:
        if (last->worker) result(w, last, true); /* a duplicate, or late */
        break;
    case 2:
        if (rnd(w, 20) == 0) link_break(w, link);
        break;
    case 3:
        fetch_orders(w);
        break;
    case 4:
    case 5:
    case 6:
        commit_one(w);
        break;
    case 7:
    case 8:
        publish(w);
        break;
    case 9:
        seal_all(w);
        break;
    default:
        if (!w->n_held) break;
        h = held_take(w, (uint32_t)rnd(w, w->n_held));
        *last = h;
        if (poisoned(&h)) {
            result(w, &h, false);
        } else if (rnd(w, 12) == 0) {
            lose(w, &h, (uint32_t)rnd(w, 4) + 1, (uint32_t)rnd(w, 4) + 1);
        } else if (rnd(w, 20) == 0) {
            give_back(w, &h, (uint32_t)rnd(w, 50));
        } else {
            result(w, &h, rnd(w, 20) != 0);
        }
        break;
    }
}

/* Lets everything come to its end, without faults. */
static void
settle(struct world *w)
{
    for (int turn = 0; turn < 20000 && !engine_done(w->e); turn++) {
        int64_t due = engine_due_us(w->e);

        for (unsigned link = 0; link < LINKS; link++) {
            grant(w, link, 50);
        }
        publish(w);
        while (w->n_held) {
            struct held h = held_take(w, 0);

            result(w, &h, !poisoned(&h));
        }
        commit_all(w);
        seal_all(w);
        if (due != INT64_MAX && due > w->now_us) w->now_us = due;
    }
}

/* The journal so far, fed into a fresh owner: the same rows count. */
static void
replay_and_compare(struct world *w, uint64_t rows)
{
    struct personas *p = new_personas(rows);
    struct engine_options o = {.job = JOB, .owner = OWNER + 1};
    struct kind_ledger live = ledger(w), again;
    struct personas_seal seal;
    struct outbox out;
    struct engine *e;

    outbox_init(&out);
    assert_int_equal(engine_new(&o, &personas_kind, p, &out, &e), CO_OK);
    for (uint32_t i = 0; i < w->committed; i++) {
        const struct order_copy *c = &w->journal[i];

        assert_int_equal(engine_replay_results(e, c->head.data, c->head.len,
                                               c->body.data, c->body.len, 1,
                                               c->record, inside(c)),
                         CO_OK);
    }
    engine_replay_done(e);
    assert_null(engine_check(e));
    personas_kind.ledger(p, &again);
    assert_int_equal(again.accepted, live.accepted);
    if (live.accepted < rows) { /* beyond the cut what was drawn may differ */
        assert_int_equal(again.rejected, live.rejected);
        assert_int_equal(again.dead, live.dead);
    }
    while (personas_next_seal(p, &seal)) {
        const struct personas_shard *was = personas_shard(w->p, seal.shard);

        if (was) {
            assert_int_equal(seal.rows, was->rows);
            assert_int_equal(seal.bytes, was->bytes);
            assert_int_equal(seal.raw_bytes, was->raw_bytes);
        }
        personas_on_sealed(p, seal.shard, 1, 2);
    }
    engine_free(e);
    personas_free(p);
    outbox_fini(&out);
}

static void
a_hundred_thousand_random_events_break_no_invariant(void **state)
{
    uint64_t events = 0;

    (void)state;
    for (uint64_t seed = 1; events < 100000; seed++) {
        uint64_t rows = 3000 + seed * 977 % 6000;
        struct world *w = given_personas(rows, seed % 4 ? 5 : 0, seed);
        struct held last = {0};

        for (unsigned link = 0; link < LINKS; link++) {
            attach(w, link);
        }
        for (int i = 0; i < 5000 && !engine_done(w->e); i++, events++) {
            random_event(w, &last);
            if (i % 500 == 499) replay_and_compare(w, rows);
        }
        settle(w);
        if (engine_done(w->e) != KIND_DONE) {
            struct co_buf why;

            co_buf_init(&why, 1 << 16);
            engine_why(w->e, w->now_us, &why);
            fail_msg("seed %d: %s", (int)seed, co_buf_text(&why));
        }
        assert_int_equal(ledger(w).accepted, rows);
        assert_int_equal(ledger(w).pending, 0);
        assert_int_equal(w->fetched, w->committed);
        replay_and_compare(w, rows);
        world_end(w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_random_events_break_no_invariant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
