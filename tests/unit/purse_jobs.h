/* purse_jobs.h - several jobs that spend from one ledger: each has a purse and
 * a journal that is written behind it, and asks a Redis that may not hear it.
 */
#pragma once
#include "job/purse_note.h"
#include "tests/co_test.h"
#include "tests/unit/purse_model.h"

enum {
    JOURNAL_ENTRIES = 4000,
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
    struct entry journal[JOURNAL_ENTRIES];
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

co_unused static uint64_t
draw(struct world *w, uint64_t below)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (w->seed >> 33) % below;
}

/* The truth: what the jobs have spent or reserved, by day. */
co_unused static void
charge_truth(struct world *w, uint32_t day, int64_t amount)
{
    assert_in_range(day, DAY, DAY + 1);
    w->spent[day - DAY] += amount;
}

co_unused static void
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

co_unused static void
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
co_unused static void
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
co_unused static void
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

co_unused static void
write_notes(struct player *p)
{
    struct co_buf out;

    co_buf_init(&out, 4096);
    while (p->n < JOURNAL_ENTRIES && purse_note(&p->p, &out)) {
        struct entry *e = &p->journal[p->n++];

        *e = (struct entry){.kind = ENTRY_NOTE};
        memcpy(e->note, out.data + out.len - sizeof e->note, sizeof e->note);
    }
    co_buf_fini(&out);
}

co_unused static void
spend(struct world *w, struct player *p)
{
    int64_t amount = (int64_t)draw(w, UINT64_C(40) * US) + 1;

    purse_want(&p->p, amount);
    if (purse_free(&p->p) < amount || p->n + 8 > JOURNAL_ENTRIES) return;
    p->journal[p->n] = (struct entry){
        .kind = ENTRY_TAKE, .amount = amount, .day = purse_take(&p->p, amount)};
    charge_truth(w, p->journal[p->n].day, amount);
    p->n++;
    tally.taken++;
}

/* A call turned out cheaper. */
co_unused static void
settle(struct world *w, struct player *p)
{
    unsigned i = p->committed ? (unsigned)draw(w, p->committed) : 0;
    struct entry *e = &p->journal[i];

    if (!p->committed || e->kind != ENTRY_TAKE || e->released ||
        p->n + 8 > JOURNAL_ENTRIES) {
        return;
    }
    e->released = true;
    p->journal[p->n++] =
        (struct entry){.kind = ENTRY_RELEASE,
                       .of = i,
                       .day = e->day,
                       .amount = (int64_t)draw(w, (uint64_t)e->amount + 1)};
}

co_unused static void
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
co_unused static void
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

co_unused static void
cut_off(struct world *w, unsigned j)
{
    struct player *p = &w->jobs[j];

    if (p->alive && (p->arrives_us > 0 || p->answered_us)) {
        purse_unanswered(&p->p, w->now_us);
    }
    p->arrives_us = p->answered_us = 0;
}
