/* test_purse_jobs.c - money from caps over several jobs, at random: all of them
 * together never have more than the caps, whatever becomes of coordinators, of
 * Redis and of what both have on disk. */
#include "tests/unit/purse_jobs.h"

#include <stdlib.h>

enum { SEEDS = 600, STEPS = 900, STEPS_WITH_FAULTS = 500 };

static void
snapshot(struct world *w)
{
    unsigned i = w->n_snaps++ % SNAPSHOTS;

    w->snaps[i].at_ms = w->redis.now_ms;
    w->snaps[i].l = w->redis.l;
}

/* The server ends, and comes back later from what is on its disk: with the
 * append-only file all but the last 2 s, else any older state. */
static void
restart_redis(struct world *w)
{
    unsigned have = w->n_snaps < SNAPSHOTS ? w->n_snaps : SNAPSHOTS;
    unsigned i = (unsigned)draw(w, have);

    for (unsigned k = 0; w->redis.aof && k < SNAPSHOTS; k++) {
        unsigned newer = (i + k) % have;

        if (w->redis.now_ms - w->snaps[newer].at_ms <= 1900) {
            i = newer;
            break;
        }
    }
    if (w->redis.aof && w->redis.now_ms - w->snaps[i].at_ms > 1900) return;

    w->redis.l = w->snaps[i].l;
    w->up = false;
    w->back_us = w->now_us + (int64_t)draw(w, draw(w, 3) ? 4 * US : 60 * US);
    for (unsigned j = 0; j < MODEL_JOBS; j++) {
        cut_off(w, j);
    }
    w->n_snaps = 0;
    snapshot(w);
}

static void
redis_back(struct world *w)
{
    if (w->up || w->now_us < w->back_us) return;
    w->up = true;
    w->redis.began_ms = w->redis.now_ms;
    (void)snprintf(w->redis.run, sizeof w->redis.run, "%llu",
                   (unsigned long long)++w->runs);
}

/* The last word of the notes about each day. */
static void
read_journal(const struct world *w, unsigned j, int64_t *total, int64_t *today)
{
    struct {
        uint32_t day;
        int64_t have;
    } days[16] = {{0}};

    *total = *today = 0;
    for (unsigned i = 0; i < w->jobs[j].committed; i++) {
        const struct entry *e = &w->jobs[j].journal[i];
        struct purse_note note;
        unsigned k = 0;

        if (e->kind != ENTRY_NOTE) continue;
        assert_int_equal(purse_note_get(e->note, sizeof e->note, &note), CO_OK);
        while (days[k].day && days[k].day != note.day) {
            k++;
        }
        assert_true(k < co_countof(days));
        days[k].day = note.day;
        days[k].have = note.have;
    }
    for (unsigned k = 0; k < co_countof(days); k++) {
        *total += days[k].have;
        if (days[k].day == w->rebuild_day) *today = days[k].have;
    }
}

/* A person: stops the ledger, then reads journals, then tells it. */
static void
rebuild(struct world *w)
{
    if (!w->up) {
        w->rebuild_us = 0;
        return;
    }
    if (!w->rebuild_us) {
        w->rebuild_id = ++w->ids;
        w->rebuild_day = (uint32_t)(w->redis.now_ms / DAY_MS);
        purse_model_close(&w->redis, w->rebuild_id);
        w->rebuild_us = w->now_us + (int64_t)draw(w, US);
        w->rebuild_read = false;
        return;
    }
    if (w->now_us < w->rebuild_us) return;
    if (!w->rebuild_read) {
        for (unsigned j = 0; j < MODEL_JOBS; j++) {
            read_journal(w, j, &w->rebuild_have[j], &w->rebuild_have_day[j]);
        }
        w->rebuild_read = true;
        w->rebuild_us = w->now_us + (int64_t)draw(w, US);
        return;
    }
    if (purse_model_rebuild(&w->redis, w->rebuild_id, w->rebuild_day,
                            w->rebuild_have, w->rebuild_have_day)) {
        tally.rebuilt++;
    }
    w->rebuild_us = 0;
}

/* Redis ends, and with it most or all of those who know what was in it. */
static void
black_out(struct world *w, uint64_t survivors_of_8)
{
    for (unsigned j = 0; j < MODEL_JOBS; j++) {
        if (w->jobs[j].alive && draw(w, 8) >= survivors_of_8) crash_job(w, j);
        if (w->jobs[j].alive) w->jobs[j].away = false;
    }
    if (w->up) restart_redis(w);
}

static void
fault(struct world *w)
{
    unsigned j = (unsigned)draw(w, MODEL_JOBS);

    switch (draw(w, 20)) {
    case 0:
        if (w->up) restart_redis(w);
        break;
    case 16:
    case 17:
        black_out(w, draw(w, 4));
        break;
    case 1:
        if (w->up && draw(w, 3) == 0) w->redis.l.there = false; /* FLUSHALL */
        break;
    case 2:
        for (unsigned i = 0; i < MODEL_DAYS && draw(w, 3) == 0; i++) {
            w->redis.l.days[i] = (struct purse_model_day){0};
        }
        break;
    case 3:
    case 4:
    case 5:
        if (w->jobs[j].alive) crash_job(w, j);
        break;
    case 6:
    case 7:
        cut_off(w, j);
        w->jobs[j].away = !w->jobs[j].away;
        break;
    case 8:
        if (!w->rebuild_us) rebuild(w);
        break;
    default:
        if (!w->jobs[j].alive) start_job(w, j);
        w->jobs[j].away = false;
        break;
    }
}

static void
step(struct world *w)
{
    int64_t us = (int64_t)draw(w, 400000);

    w->now_us += us;
    w->redis.now_ms = (int64_t)DAY * DAY_MS + DAY_MS - 60000 + w->now_us / 1000;
    redis_back(w);
    if (w->up) snapshot(w);
    for (unsigned j = 0; j < MODEL_JOBS; j++) {
        struct player *p = &w->jobs[j];

        carry(w, j);
        if (!p->alive) continue;
        purse_turn(&p->p, w->now_us);
        if (draw(w, w->patience) == 0) {
            spend(w, p);
            settle(w, p);
        }
        write_notes(p);
        commit(w, p);
        ask(w, j);
    }
    if (w->rebuild_us) rebuild(w);
    if (!w->calm && draw(w, w->quiet) == 0) fault(w);
}

/* Faults end; who still lives spends all that there is. Whatever was forgotten
 * on the way is spent twice now. */
static void
calm_down(struct world *w)
{
    w->calm = true;
    w->patience = 1;
    for (unsigned j = 0; j < MODEL_JOBS; j++) {
        w->jobs[j].away = false;
    }
    if (!w->jobs[MODEL_JOBS - 1].alive) start_job(w, MODEL_JOBS - 1);
}

static void
play(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed * 7919 + 17;
    w->ids = 1;
    w->up = true;
    w->runs = 1;
    w->redis.aof = draw(w, 2);
    w->patience = 1 + draw(w, 40);
    w->quiet = 6 + draw(w, 80);
    (void)snprintf(w->redis.run, sizeof w->redis.run, "1");
    purse_model_given(&w->redis, CAP_DAY, CAP_TOTAL);
    for (unsigned j = 0; j < 3; j++) {
        start_job(w, j); /* the others later, without any memory */
    }
    for (unsigned i = 0; i < STEPS; i++) {
        if (i == STEPS_WITH_FAULTS) calm_down(w);
        step(w);
        check_world(w, seed);
        if (w->calm && w->up && w->redis.l.state != PURSE_LEDGER_OPEN &&
            i % 80 == 0) {
            rebuild(w);
        }
    }
    tally.spent += (uint64_t)(w->spent[0] + w->spent[1]);
    tally.witnessed += w->redis.l.witnessed;
    tally.vouched += w->redis.l.vouched_for;
}

static void
no_fault_lets_the_jobs_spend_more_than_the_caps(void **state)
{
    struct world *w = malloc(sizeof *w);

    (void)state;
    assert_non_null(w);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        play(w, seed);
    }
    free(w);
    /* Else the test would prove nothing. */
    assert_true(tally.taken > 10000);
    assert_true(tally.confirmed > 1000);
    assert_true(tally.voided > 100);
    assert_true(tally.crashes > 1000 && tally.spent > 0);
    assert_true(tally.witnessed > 50);
    assert_true(tally.vouched > 50);
    assert_true(tally.rebuilt > 50);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fault_lets_the_jobs_spend_more_than_the_caps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
