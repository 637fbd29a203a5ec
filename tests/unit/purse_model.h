/* purse_model.h - the ledger in Redis as a model: what coordinator/purse_script
 * does there, in C and in virtual time, so that thousands of schedules with
 * restarts and roll-backs can be played. A struct to copy: a snapshot is a
 * copy. test_purse_script.c plays the same turns to both. */
#pragma once
#include "coordinator/purse.h"
#include "coordinator/purse_script.h"

#include <string.h>

enum { MODEL_JOBS = 5, MODEL_DAYS = 8 };

/* What tests count in. */
enum {
    US = 1000000, /* a second; and 1e-12 USD in 1e-6 USD */
    DAY_MS = 86400000,
    NOON_MS = DAY_MS / 2,
};
#define DAY 20000u
#define MICRO INT64_C(1000000)

struct purse_model_share {
    uint64_t epoch; /* 0: none */
    uint32_t owner, request;
    int64_t have;
};

struct purse_model_day {
    uint32_t day;
    uint64_t epoch;
    int64_t granted, lost, opt_day, opt_total; /* opt: -1 none */
    struct purse_model_share job[MODEL_JOBS];
};

/* What Redis keeps on its disk. */
struct purse_model_ledger {
    bool there;
    enum purse_ledger state;
    uint64_t id, epoch, seq;
    char run[PURSE_RUN_BYTES], was[PURSE_RUN_BYTES];
    bool vouched, aof;
    int64_t at, since; /* ms */
    uint32_t day;
    int64_t cap_day, cap_total, granted, lost;
    struct purse_model_share job[MODEL_JOBS];
    struct purse_model_day days[MODEL_DAYS];
    struct {
        bool there;
        uint64_t seen;
        int64_t at;
    } members[MODEL_JOBS];
    uint64_t witnessed, vouched_for; /* how often it was opened again */
};

/* The server. */
struct purse_model {
    struct purse_model_ledger l;
    char run[PURSE_RUN_BYTES];
    bool aof;
    int64_t began_ms, now_ms;
};

static inline struct purse_model_day *
purse_model_day_of(struct purse_model_ledger *l, uint32_t day)
{
    for (unsigned i = 0; i < MODEL_DAYS; i++) {
        if (l->days[i].day == day) return &l->days[i];
    }
    return NULL;
}

static inline struct purse_model_day *
purse_model_open_day(struct purse_model_ledger *l, uint32_t day, int64_t sum)
{
    struct purse_model_day *d = purse_model_day_of(l, day);

    if (!d) d = purse_model_day_of(l, 0);
    co_assert(d != NULL);
    *d = (struct purse_model_day){.day = day,
                                  .epoch = l->epoch,
                                  .granted = sum,
                                  .lost = sum,
                                  .opt_day = -1,
                                  .opt_total = -1};
    l->day = day;
    return d;
}

static inline void
purse_model_new_server(struct purse_model *m)
{
    struct purse_model_ledger *l = &m->l;
    bool vouched = m->aof && l->aof && m->began_ms + 2000 >= l->at &&
                   (l->state == PURSE_LEDGER_OPEN || l->vouched);

    if (strcmp(l->run, m->run) == 0) return;
    if (l->state == PURSE_LEDGER_OPEN) memcpy(l->was, l->run, sizeof l->was);
    if (l->state != PURSE_LEDGER_CLOSED) l->state = PURSE_LEDGER_UNSURE;
    memcpy(l->run, m->run, sizeof l->run);
    l->vouched = vouched;
    l->since = m->now_ms;
    memset(l->members, 0, sizeof l->members);
}

static inline void
purse_model_witness(struct purse_model *m, const struct purse_ask *a,
                    uint32_t today)
{
    struct purse_model_ledger *l = &m->l;
    int64_t up = (m->now_ms - m->began_ms) / 1000 * 1000;
    int64_t gap = a->lag_ms - up + 1000;

    if (l->state != PURSE_LEDGER_UNSURE || a->ledger != l->id ||
        !a->view.run[0] || strcmp(a->view.run, l->was) != 0 ||
        a->day != today || a->view.day > today || gap < 0 ||
        gap >= PURSE_SCRIPT_WITNESS_MS) {
        return;
    }
    l->epoch++;
    l->state = PURSE_LEDGER_OPEN;
    if (a->view.seq > l->seq) l->seq = a->view.seq;
    l->seq += 1000000;
    l->granted = l->lost = a->view.granted_total;
    l->day = a->view.day;
    l->witnessed++;
    if (a->view.day == today) {
        (void)purse_model_open_day(l, today, a->view.granted_day);
    }
}

static inline void
purse_model_open(struct purse_model *m, const struct purse_ask *a,
                 uint32_t today)
{
    struct purse_model_ledger *l = &m->l;
    struct purse_model_day *d;

    purse_model_new_server(m);
    if (a->ledger > l->id || (a->ledger == l->id && a->seq > l->seq)) {
        l->vouched = false;
        if (l->state == PURSE_LEDGER_OPEN) l->state = PURSE_LEDGER_CLOSED;
    }
    purse_model_witness(m, a, today);
    if (l->state == PURSE_LEDGER_UNSURE && l->vouched) {
        if (m->now_ms < l->since) l->since = m->now_ms;
        if (m->now_ms - l->since >= PURSE_SCRIPT_SETTLE_MS) {
            l->state = PURSE_LEDGER_OPEN;
            l->vouched_for++;
        }
    }
    d = purse_model_day_of(l, a->day);
    if (l->state != PURSE_LEDGER_OPEN || a->day != today ||
        (d && d->epoch == l->epoch)) {
        return;
    }
    if (today > l->day) {
        (void)purse_model_open_day(l, today, 0);
    } else {
        l->state = PURSE_LEDGER_CLOSED;
    }
}

static inline void
purse_model_settle(int64_t *granted, int64_t *lost,
                   const struct purse_model_share *own, uint64_t epoch,
                   int64_t claim)
{
    if (own->epoch == epoch) {
        *granted += claim - own->have;
    } else {
        int64_t known = *lost < claim ? *lost : claim;

        *lost -= known;
        *granted += claim - known;
    }
}

static inline int64_t
purse_model_cap(int64_t low, int64_t mine, int64_t *opt)
{
    int64_t given = opt ? *opt : -1;

    if (mine >= 0 && (given < 0 || mine < given)) {
        given = mine;
        if (opt) *opt = mine;
    }
    if (given >= 0 && (low < 0 || given < low)) low = given;
    return low;
}

static inline int64_t
purse_model_grant(const struct purse_model_ledger *l,
                  const struct purse_model_day *d, const struct purse_ask *a,
                  int64_t cap_day, int64_t cap_total)
{
    int64_t extra = a->extra;

    if (cap_day >= 0 && extra > cap_day - d->granted) {
        extra = cap_day - d->granted;
    }
    if (cap_total >= 0 && extra > cap_total - l->granted) {
        extra = cap_total - l->granted;
    }
    return extra < 0 ? 0 : extra;
}

static inline uint64_t
purse_model_members(struct purse_model *m, unsigned job,
                    const struct purse_ask *a)
{
    struct purse_model_ledger *l = &m->l;
    uint64_t least = l->seq;

    l->members[job].there = !a->leaving;
    l->members[job].at = m->now_ms;
    l->members[job].seen =
        a->ledger == l->id && strcmp(a->view.run, m->run) == 0 ? a->view.seq
                                                               : 0;
    for (unsigned i = 0; i < MODEL_JOBS; i++) {
        if (!l->members[i].there) continue;
        if (l->members[i].at > m->now_ms) l->members[i].at = m->now_ms;
        if (m->now_ms - l->members[i].at > PURSE_SCRIPT_MEMBER_MS) {
            l->members[i].there = false;
        } else if (l->members[i].seen < least) {
            least = l->members[i].seen;
        }
    }
    return least;
}

static inline void
purse_model_no(const struct purse_model *m, enum purse_ledger state,
               struct purse_answer *ret)
{
    *ret = (struct purse_answer){.state = state,
                                 .today = (uint32_t)(m->now_ms / 86400000),
                                 .now_ms = m->now_ms,
                                 .cap_day = -1,
                                 .cap_total = -1};
    memcpy(ret->run, m->run, sizeof ret->run);
}

static inline void
purse_model_turn(struct purse_model *m, unsigned job,
                 const struct purse_options *opt, const struct purse_ask *a,
                 struct purse_answer *ret)
{
    struct purse_model_ledger *l = &m->l;
    struct purse_model_share *own = &l->job[job];
    struct purse_model_day *d, none = {.opt_day = -1, .opt_total = -1};
    struct purse_model_share before, before_day = {0};
    int64_t extra = 0;
    bool counted;

    purse_model_no(m, PURSE_LEDGER_NONE, ret);
    if (!l->there) return;
    if (own->owner > opt->owner ||
        (own->owner == opt->owner && own->request >= a->request)) {
        purse_model_no(m, PURSE_LEDGER_STALE, ret);
        return;
    }
    purse_model_open(m, a, ret->today);
    d = purse_model_day_of(l, a->day);
    counted = d && d->epoch == l->epoch;
    if (!counted) d = &none;
    ret->cap_day =
        purse_model_cap(l->cap_day, opt->cap_day, counted ? &d->opt_day : NULL);
    ret->cap_total = purse_model_cap(l->cap_total, opt->cap_total,
                                     counted ? &d->opt_total : NULL);
    before = *own;
    if (counted) {
        before_day = d->job[job];
        purse_model_settle(&d->granted, &d->lost, &before_day, l->epoch,
                           a->claim_day);
    }
    purse_model_settle(&l->granted, &l->lost, own, l->epoch, a->claim_total);
    if (l->state == PURSE_LEDGER_OPEN && a->day == ret->today && !a->leaving) {
        extra = purse_model_grant(l, d, a, ret->cap_day, ret->cap_total);
    }
    *own = (struct purse_model_share){l->epoch, opt->owner, a->request,
                                      a->claim_total + extra};
    l->granted += extra;
    d->granted += extra;
    if (counted) {
        d->job[job] = (struct purse_model_share){.epoch = l->epoch,
                                                 .have = a->claim_day + extra};
    }
    if (before.epoch != l->epoch || before.have != own->have ||
        (counted && (before_day.epoch != l->epoch ||
                     before_day.have != d->job[job].have))) {
        l->seq++;
    }
    if (l->state == PURSE_LEDGER_OPEN) {
        l->at = m->now_ms;
        l->aof = m->aof;
    }
    ret->state = l->state;
    ret->ledger = l->id;
    ret->epoch = l->epoch;
    ret->least = purse_model_members(m, job, a);
    ret->seq = l->seq;
    ret->have_day = a->claim_day + extra;
    ret->have_total = own->have;
    ret->granted_day = counted ? d->granted : 0;
    ret->granted_total = l->granted;
}

/* A ledger with these caps is there, as an operator opens it. */
static inline void
purse_model_given(struct purse_model *m, int64_t cap_day, int64_t cap_total)
{
    m->l = (struct purse_model_ledger){.there = true,
                                       .state = PURSE_LEDGER_OPEN,
                                       .id = 1,
                                       .epoch = 1,
                                       .cap_day = cap_day,
                                       .cap_total = cap_total};
    memcpy(m->l.run, m->run, sizeof m->l.run);
}

/* `cohort budget rebuild`: stop; later, with what the journals say, go on. */
static inline void
purse_model_close(struct purse_model *m, uint64_t id)
{
    struct purse_model_ledger *l = &m->l;

    if (!l->there) {
        *l = (struct purse_model_ledger){.cap_day = l->cap_day,
                                         .cap_total = l->cap_total};
    }
    l->there = true;
    l->id = id;
    l->epoch++;
    l->seq = 0;
    l->state = PURSE_LEDGER_CLOSED;
    memcpy(l->run, m->run, sizeof l->run);
    l->was[0] = '\0';
    l->vouched = false;
    l->granted = l->lost = 0;
    (void)purse_model_open_day(l, (uint32_t)(m->now_ms / 86400000), 0);
    memset(l->members, 0, sizeof l->members);
}

static inline bool
purse_model_rebuild(struct purse_model *m, uint64_t id, uint32_t day,
                    const int64_t have[MODEL_JOBS],
                    const int64_t have_day[MODEL_JOBS])
{
    struct purse_model_ledger *l = &m->l;
    struct purse_model_day *d = purse_model_day_of(l, day);

    if (!l->there || l->id != id || !d || d->epoch != l->epoch ||
        m->now_ms / 86400000 != day) {
        return false;
    }
    for (unsigned i = 0; i < MODEL_JOBS; i++) {
        struct purse_model_share *s = &l->job[i], *sd = &d->job[i];
        int64_t had = s->epoch == l->epoch ? s->have : 0;
        int64_t had_day = sd->epoch == l->epoch ? sd->have : 0;

        if (s->epoch != l->epoch)
            *s = (struct purse_model_share){.epoch = l->epoch};
        sd->epoch = l->epoch;
        if (have[i] > had) {
            s->have = have[i];
            l->granted += have[i] - had;
        } else {
            s->have = had;
        }
        sd->have = have_day[i] > had_day ? have_day[i] : had_day;
        d->granted += sd->have - had_day;
    }
    l->state = PURSE_LEDGER_UNSURE;
    l->vouched = true;
    l->since = m->now_ms;
    return true;
}
