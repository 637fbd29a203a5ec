/* Money from caps over several jobs: what a purse lets a job reserve, and that
 * all jobs together never have more than the caps, whatever becomes of
 * coordinators, of Redis and of what both have on disk. */
#include "coordinator/purse.h"

#include "job/purse_note.h"
#include "tests/co_test.h"
#include "tests/unit/purse_model.h"

#include <stdlib.h>

enum {
    US = 1000000, /* a second; and 1e-12 USD in 1e-6 USD */
    DAY_MS = 86400000,
    NOON_MS = DAY_MS / 2,
};
#define DAY 20000u
#define MICRO INT64_C(1000000)

/* ---- one purse by hand --------------------------------------------------- */

struct hand {
    struct purse p;
    struct purse_model m;
    struct purse_options opt;
    int64_t now_us;
};

static void
given_ledger(struct purse_model *m, int64_t cap_day, int64_t cap_total)
{
    m->l = (struct purse_model_ledger){.there = true,
                                       .state = PURSE_LEDGER_OPEN,
                                       .id = 1,
                                       .epoch = 1,
                                       .cap_day = cap_day,
                                       .cap_total = cap_total};
    memcpy(m->l.run, m->run, sizeof m->l.run);
}

static void
given(struct hand *h, int64_t cap_day, bool ledger)
{
    memset(h, 0, sizeof *h);
    (void)snprintf(h->m.run, sizeof h->m.run, "1");
    h->m.now_ms = (int64_t)DAY * DAY_MS + NOON_MS;
    if (ledger) given_ledger(&h->m, cap_day, -1);
    h->opt = (struct purse_options){
        .redis = true, .cap_day = -1, .cap_total = -1, .owner = 1, .day = DAY};
    purse_init(&h->p, &h->opt);
    purse_begin(&h->p);
}

/* The journal takes what the purse has to say, at once. */
static void
journal(struct hand *h)
{
    struct co_buf out;

    co_buf_init(&out, 4096);
    while (purse_note(&h->p, &out)) {
        purse_noted(&h->p, h->now_us);
    }
    co_buf_fini(&out);
}

/* A tenth of a second: an exchange if it is due, then the journal. */
static void
tick(struct hand *h, bool with_journal)
{
    struct purse_ask ask;
    struct purse_answer answer;

    h->now_us += US / 10;
    h->m.now_ms += 100;
    purse_turn(&h->p, h->now_us);
    if (purse_ask(&h->p, h->now_us, &ask)) {
        purse_model_turn(&h->m, 0, &h->opt, &ask, &answer);
        purse_answer(&h->p, h->now_us, &answer);
    }
    if (with_journal) journal(h);
    assert_null(purse_check(&h->p));
}

static void
pass(struct hand *h, unsigned seconds)
{
    for (unsigned i = 0; i < 10 * seconds; i++) {
        tick(h, true);
    }
}

static void
without_redis_all_is_free_and_nothing_is_asked_or_noted(void **state)
{
    struct purse_options opt = {.cap_day = -1, .cap_total = -1};
    struct purse_ask ask;
    struct purse p;

    (void)state;
    purse_init(&p, &opt);
    purse_begin(&p);
    assert_int_equal(purse_free(&p), INT64_MAX);
    assert_int_equal(purse_take(&p, 5), 0);
    assert_false(purse_ask(&p, 0, &ask));
    assert_false(purse_note(&p, NULL));
    purse_leave(&p);
    assert_true(purse_left(&p));
}

static void
until_redis_answers_nothing_is_free(void **state)
{
    struct hand h;

    (void)state;
    given(&h, -1, false);
    assert_int_equal(purse_free(&h.p), 0);
    assert_int_equal(purse_why(&h.p), PURSE_WHY_UNASKED);
    tick(&h, true);
    assert_int_equal(purse_free(&h.p), INT64_MAX); /* nobody set a cap */
}

static void
a_cap_of_ones_own_without_a_ledger_grants_nothing(void **state)
{
    struct hand h;

    (void)state;
    given(&h, -1, false);
    h.opt.cap_day = 100;
    purse_init(&h.p, &h.opt);
    purse_begin(&h.p);
    pass(&h, 3);
    assert_int_equal(purse_free(&h.p), 0);
    assert_int_equal(purse_why(&h.p), PURSE_WHY_NO_LEDGER);
}

static void
a_block_is_spent_2_s_after_its_grant_and_not_without_its_note(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 1000, true);
    purse_want(&h.p, 10 * MICRO);
    for (unsigned i = 0; i < 19; i++) {
        tick(&h, true);
        assert_int_equal(purse_free(&h.p), 0);
        assert_int_equal(purse_why(&h.p), PURSE_WHY_ASKED);
    }
    pass(&h, 2);
    assert_int_equal(purse_free(&h.p), 40 * MICRO);
    assert_int_equal(purse_take(&h.p, 10 * MICRO), DAY);
    assert_int_equal(purse_free(&h.p), 30 * MICRO);

    given(&h, 1000, true);
    purse_want(&h.p, 10 * MICRO);
    for (unsigned i = 0; i < 50; i++) {
        tick(&h, false);
    }
    assert_int_equal(purse_free(&h.p), 0);
}

/* So that whoever takes part can bear witness when Redis comes back. */
static void
a_block_waits_until_every_coordinator_has_seen_it_or_is_gone(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 1000, true);
    h.m.l.members[1].there = true;
    h.m.l.members[1].at = h.m.now_ms;
    purse_want(&h.p, 10 * MICRO);
    pass(&h, PURSE_SCRIPT_MEMBER_MS / 1000);
    assert_int_equal(purse_free(&h.p), 0);
    pass(&h, 3);
    assert_int_equal(purse_free(&h.p), 40 * MICRO);
}

/* The sums of an answer are those of the day that was asked about. */
static void
a_witness_does_not_take_the_sums_of_yesterday_for_those_of_today(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 100, true);
    h.m.now_ms = (int64_t)(DAY + 1) * DAY_MS - 5000;
    purse_want(&h.p, 25 * MICRO);
    pass(&h, 10);
    assert_int_equal(h.p.view.day, DAY + 1);
    assert_int_equal(h.p.view.granted_day, h.m.l.days[1].granted);
    purse_release(&h.p, DAY, 0);
    h.p.days[0].told = -1; /* as after a restart of Redis */
    h.m.l.days[0].granted = 77;
    pass(&h, 3);
    assert_int_equal(h.p.view.granted_day, h.m.l.days[1].granted);
}

static void
money_that_nobody_wants_goes_back(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 1000, true);
    purse_want(&h.p, 10 * MICRO);
    pass(&h, 4);
    (void)purse_take(&h.p, 10 * MICRO);
    assert_int_equal(h.m.l.granted, 40);
    pass(&h, 35);
    assert_int_equal(h.m.l.granted, 10);
    assert_int_equal(purse_free(&h.p), 0);
    /* And the last of it when the job is over. */
    purse_release(&h.p, DAY, 4 * MICRO);
    purse_leave(&h.p);
    assert_false(purse_left(&h.p));
    pass(&h, 2);
    assert_true(purse_left(&h.p));
    assert_int_equal(h.m.l.granted, 6);
}

static void
a_reached_cap_is_named(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 5, true);
    purse_want(&h.p, 10 * MICRO);
    pass(&h, 6);
    assert_int_equal(purse_free(&h.p), 5 * MICRO); /* less than one needs */
    assert_int_equal(purse_why(&h.p), PURSE_WHY_DAY);
}

static void
a_new_day_has_a_cap_of_its_own_and_the_old_one_keeps_its_charges(void **state)
{
    struct hand h;
    const struct purse_model_day *d;

    (void)state;
    given(&h, 100, true);
    h.m.now_ms = (int64_t)(DAY + 1) * DAY_MS - 5000;
    purse_want(&h.p, 25 * MICRO);
    pass(&h, 4);
    assert_int_equal(purse_take(&h.p, 25 * MICRO), DAY);
    pass(&h, 2); /* midnight */
    assert_int_equal(purse_free(&h.p), 0);
    pass(&h, 4);
    d = purse_model_day_of(&h.m.l, DAY);
    co_assert(d);
    assert_int_equal(d->granted, 25);
    assert_int_equal(purse_take(&h.p, 25 * MICRO), DAY + 1);
    purse_release(&h.p, DAY, 20 * MICRO); /* a late answer, cheap */
    pass(&h, 2);
    assert_int_equal(d->granted, 5);
    assert_int_equal(h.m.l.granted, 5 + h.m.l.days[1].granted);
}

static void
an_overrun_is_charged_beyond_the_cap(void **state)
{
    struct hand h;

    (void)state;
    given(&h, 10, true);
    purse_want(&h.p, 10 * MICRO);
    pass(&h, 4);
    (void)purse_take(&h.p, 10 * MICRO);
    purse_exceed(&h.p, DAY, 7 * MICRO);
    pass(&h, 2);
    assert_int_equal(h.m.l.granted, 17);
    assert_int_equal(purse_free(&h.p), 0);
}

static void
the_journal_alone_tells_a_successor_what_was_spent(void **state)
{
    struct hand h;
    struct co_buf note;
    struct purse q;

    (void)state;
    given(&h, 1000, true);
    purse_want(&h.p, 10 * MICRO);
    tick(&h, false);
    co_buf_init(&note, 4096);
    assert_true(purse_note(&h.p, &note));
    assert_int_equal(note.len, PURSE_NOTE_BYTES);
    purse_init(&q, &h.opt);
    assert_false(purse_replay(&q, note.data, note.len - 1));
    assert_true(purse_replay(&q, note.data, note.len));
    purse_replay_take(&q, DAY, 3 * MICRO + 1);
    purse_begin(&q);
    assert_int_equal(q.days[0].have, 4); /* upwards; the rest goes back */
    assert_int_equal(q.days[0].said, 40);
    assert_int_equal(purse_free(&q), 0);
    co_buf_fini(&note);
}

/* ---- many jobs, any fault ------------------------------------------------ */

enum {
    SEEDS = 600,
    ENTRIES = 4000,
    STEPS = 900,
    STEPS_WITH_FAULTS = 500,
    SNAPSHOTS = 64,
    CAP_DAY = 3000, /* 1e-6 USD */
    CAP_TOTAL = 4500,
};

enum entry_kind { ENTRY_NOTE, ENTRY_TAKE, ENTRY_RELEASE };

/* A record of a job's journal. */
struct entry {
    enum entry_kind kind;
    uint8_t note[PURSE_NOTE_BYTES];
    uint32_t day, of; /* RELEASE: which TAKE */
    int64_t amount;
    bool released;
};

struct player {
    struct purse p;
    struct purse_options opt;
    bool alive, away; /* away: cannot reach Redis */
    struct entry journal[ENTRIES];
    unsigned n, committed;
    /* The exchange under way. */
    struct purse_ask ask;
    struct purse_answer answer;
    int64_t arrives_us, answered_us; /* 0: has arrived; -1: lost */
    uint32_t ask_owner;
};

struct world {
    uint64_t seed;
    int64_t now_us;
    struct purse_model redis;
    bool up;
    int64_t back_us;
    uint64_t runs;
    struct {
        int64_t at_ms;
        struct purse_model_ledger l;
    } snaps[SNAPSHOTS];
    unsigned n_snaps;
    struct player jobs[MODEL_JOBS];
    int64_t spent[2];  /* on DAY and the one after */
    uint64_t patience; /* a job spends in one of so many steps */
    uint64_t quiet;    /* a fault in one of so many steps */
    bool calm;         /* none any more */
    /* A rebuild under way. */
    int64_t rebuild_us;
    uint64_t rebuild_id, ids;
    uint32_t rebuild_day;
    bool rebuild_read;
    int64_t rebuild_have[MODEL_JOBS], rebuild_have_day[MODEL_JOBS];
};

static struct {
    uint64_t spent, taken, confirmed, witnessed, vouched, rebuilt, crashes,
        voided;
} tally;

static uint64_t
draw(struct world *w, uint64_t below)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (w->seed >> 33) % below;
}

/* The truth: what the jobs have spent or reserved, by day. */
static void
charge_truth(struct world *w, uint32_t day, int64_t amount)
{
    assert_in_range(day, DAY, DAY + 1);
    w->spent[day - DAY] += amount;
}

static void
check_world(const struct world *w, uint64_t seed)
{
    for (unsigned d = 0; d < 2; d++) {
        if (w->spent[d] > CAP_DAY * MICRO) {
            fail_msg("seed %llu: more than the day's cap is spent",
                     (unsigned long long)seed);
        }
    }
    if (w->spent[0] + w->spent[1] > CAP_TOTAL * MICRO) {
        fail_msg("seed %llu: more than the namespace's cap is spent",
                 (unsigned long long)seed);
    }
    for (unsigned j = 0; j < MODEL_JOBS; j++) {
        const char *broken = purse_check(&w->jobs[j].p);

        if (broken && w->jobs[j].alive) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
        }
    }
}

static void
start_job(struct world *w, unsigned j)
{
    struct player *p = &w->jobs[j];

    p->opt = (struct purse_options){.redis = true,
                                    .cap_day = CAP_DAY,
                                    .cap_total = -1,
                                    .owner = p->opt.owner + 1,
                                    .day = DAY};
    purse_init(&p->p, &p->opt);
    for (unsigned i = 0; i < p->n; i++) {
        const struct entry *e = &p->journal[i];

        if (e->kind == ENTRY_NOTE) {
            assert_true(purse_replay(&p->p, e->note, sizeof e->note));
        } else if (e->kind == ENTRY_TAKE) {
            purse_replay_take(&p->p, e->day, e->amount);
        } else {
            purse_release(&p->p, e->day, e->amount);
        }
    }
    purse_begin(&p->p);

    p->alive = true;
    p->answered_us = 0;
}

/* What is not on its disk is gone; a question may still reach Redis. */
static void
crash_job(struct world *w, unsigned j)
{
    struct player *p = &w->jobs[j];

    for (unsigned i = p->committed; i < p->n; i++) {
        const struct entry *e = &p->journal[i];

        if (e->kind == ENTRY_RELEASE) p->journal[e->of].released = false;
        if (e->kind == ENTRY_TAKE) charge_truth(w, e->day, -e->amount);
    }

    p->n = p->committed;
    p->alive = false;
    p->answered_us = 0;
    tally.crashes++;
    tally.confirmed += p->p.confirmed;
    tally.voided += p->p.voided;
}

/* The disk takes some of what waits. */
static void
commit(struct world *w, struct player *p)
{
    unsigned upto = p->committed + (unsigned)draw(w, 4);

    for (; p->committed < p->n && p->committed < upto; p->committed++) {
        const struct entry *e = &p->journal[p->committed];

        if (e->kind == ENTRY_NOTE) purse_noted(&p->p, w->now_us);
        if (e->kind == ENTRY_RELEASE) {
            purse_release(&p->p, e->day, e->amount);
            charge_truth(w, e->day, -e->amount);
        }
    }
}

static void
write_notes(struct player *p)
{
    struct co_buf out;

    co_buf_init(&out, 4096);
    while (p->n < ENTRIES && purse_note(&p->p, &out)) {
        struct entry *e = &p->journal[p->n++];

        *e = (struct entry){.kind = ENTRY_NOTE};
        memcpy(e->note, out.data + out.len - sizeof e->note, sizeof e->note);
    }
    co_buf_fini(&out);
}

static void
spend(struct world *w, struct player *p)
{
    int64_t amount = (int64_t)draw(w, UINT64_C(40) * US) + 1;

    purse_want(&p->p, amount);
    if (purse_free(&p->p) < amount || p->n + 8 > ENTRIES) return;
    p->journal[p->n] = (struct entry){
        .kind = ENTRY_TAKE, .amount = amount, .day = purse_take(&p->p, amount)};
    charge_truth(w, p->journal[p->n].day, amount);
    p->n++;
    tally.taken++;
}

/* A call turned out cheaper. */
static void
settle(struct world *w, struct player *p)
{
    unsigned i = p->committed ? (unsigned)draw(w, p->committed) : 0;
    struct entry *e = &p->journal[i];

    if (!p->committed || e->kind != ENTRY_TAKE || e->released ||
        p->n + 8 > ENTRIES) {
        return;
    }
    e->released = true;
    p->journal[p->n++] =
        (struct entry){.kind = ENTRY_RELEASE,
                       .of = i,
                       .day = e->day,
                       .amount = (int64_t)draw(w, (uint64_t)e->amount + 1)};
}

static void
ask(struct world *w, unsigned j)
{
    struct player *p = &w->jobs[j];

    if (p->away || !w->up || p->arrives_us > 0) return;
    if (!purse_ask(&p->p, w->now_us, &p->ask)) return;
    p->ask_owner = p->opt.owner;
    p->arrives_us = w->now_us + (int64_t)draw(w, draw(w, 20) ? 50000 : 3 * US);
    p->answered_us = -1;
}

/* Questions reach Redis, answers come back or do not. */
static void
carry(struct world *w, unsigned j)
{
    struct player *p = &w->jobs[j];
    bool mine = p->alive && p->ask_owner == p->opt.owner;

    if (p->arrives_us > 0 && w->now_us >= p->arrives_us) {
        struct purse_options opt = p->opt;

        p->arrives_us = 0;
        opt.owner = p->ask_owner;
        purse_model_turn(&w->redis, j, &opt, &p->ask, &p->answer);
        if (mine && draw(w, 15)) {
            p->answered_us = w->now_us + (int64_t)draw(w, 200000);
        } else if (mine) {
            purse_unanswered(&p->p, w->now_us);
            p->answered_us = 0;
        }
    }
    if (mine && p->answered_us > 0 && w->now_us >= p->answered_us) {
        p->answered_us = 0;
        purse_answer(&p->p, w->now_us, &p->answer);
    }
}

static void
cut_off(struct world *w, unsigned j)
{
    struct player *p = &w->jobs[j];

    if (p->alive && (p->arrives_us > 0 || p->answered_us)) {
        purse_unanswered(&p->p, w->now_us);
    }
    p->arrives_us = p->answered_us = 0;
}

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
    given_ledger(&w->redis, CAP_DAY, CAP_TOTAL);
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
        cmocka_unit_test(
            without_redis_all_is_free_and_nothing_is_asked_or_noted),
        cmocka_unit_test(until_redis_answers_nothing_is_free),
        cmocka_unit_test(a_cap_of_ones_own_without_a_ledger_grants_nothing),
        cmocka_unit_test(
            a_block_is_spent_2_s_after_its_grant_and_not_without_its_note),
        cmocka_unit_test(
            a_block_waits_until_every_coordinator_has_seen_it_or_is_gone),
        cmocka_unit_test(
            a_witness_does_not_take_the_sums_of_yesterday_for_those_of_today),
        cmocka_unit_test(money_that_nobody_wants_goes_back),
        cmocka_unit_test(a_reached_cap_is_named),
        cmocka_unit_test(
            a_new_day_has_a_cap_of_its_own_and_the_old_one_keeps_its_charges),
        cmocka_unit_test(an_overrun_is_charged_beyond_the_cap),
        cmocka_unit_test(the_journal_alone_tells_a_successor_what_was_spent),
        cmocka_unit_test(no_fault_lets_the_jobs_spend_more_than_the_caps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
