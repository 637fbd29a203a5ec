/* market.c - see market.h. */
#include "tests/sim/market.h"

#include "common/hash.h"
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[PROVIDERS] = {"sim", "sim-b", "sim-c"};

struct seller {
    int64_t window_us;
    unsigned permille[PROVIDER_WELL];
    unsigned unserved; /* of the workers, permille */
};

struct market {
    struct seller v[PROVIDERS];
    uint64_t salt;
    int64_t until_us; /* then all are well; some runs heal long before */
};

/* ---- times ---- */

static void
choose_times(struct sim *s, struct seller *p)
{
    static const unsigned most[PROVIDER_WELL] = {
#define X(name, most) most,
        PROVIDER_TIME_LIST(X)
#undef X
    };

    p->window_us = sim_between(s, 1000000, 40000000);
    for (unsigned i = 0; i < PROVIDER_WELL; i++) {
        if (sim_chance(s, 500)) {
            p->permille[i] = (unsigned)sim_below(s, most[i]);
        }
    }
    if (sim_chance(s, 150)) p->permille[PROVIDER_AWAY] = 1000;
    if (sim_chance(s, 300)) p->unserved = sim_chance(s, 500) ? 1000 : 500;
}

void
market_make(struct sim *s)
{
    struct market *p = calloc(1, sizeof *p);

    co_assert(p);
    s->market = p;
    p->salt = sim_random(s);
    p->until_us = s->now_us + sim_between(s, 2, sim_chance(s, 150) ? 200 : 60) *
                                  INT64_C(1000000);
    if (s->profile == PROFILE_CALM) return;
    for (unsigned i = 0; i < PROVIDERS; i++) {
        choose_times(s, &p->v[i]);
    }
}

void
market_free(struct sim *s)
{
    free(s->market);
    s->market = NULL;
}

unsigned
market_number(struct msg_str name)
{
    unsigned i = 0;

    while (i < PROVIDERS && !msg_str_is(name, names[i])) {
        i++;
    }
    co_assert(i < PROVIDERS);
    return i;
}

enum provider_time
market_time(const struct sim *s, const char *name)
{
    const struct market *p = s->market;
    const unsigned number = market_number(msg_text(name));
    const struct seller *v = &p->v[number];
    uint64_t at;

    if (s->now_us >= p->until_us || !v->window_us) return PROVIDER_WELL;
    at = co_mix64(p->salt + number * UINT64_C(77) +
                  (uint64_t)(s->now_us / v->window_us)) %
         1000;
    for (unsigned i = 0; i < PROVIDER_WELL; i++) {
        if (at < v->permille[i]) return (enum provider_time)i;
        at -= v->permille[i];
    }
    return PROVIDER_WELL;
}

/* ---- jobs ---- */

/* The first is the job's own; others are of any provider, perhaps of the same
 * one with other texts, and dearer or cheaper. */
static void
add_writer(struct sim *s, struct workload *w)
{
    const uint32_t i = w->n_writers++;
    struct written_writer *by = &w->writers[i];

    *by = w->writers[0];
    by->provider = names[sim_below(s, PROVIDERS)];
    for (unsigned k = 0; k < ASK_STAGES; k++) {
        by->stages[k].input_max += sim_below(s, 100);
    }
    if (by->price.input > 0) {
        by->price.input = sim_between(s, 1, 6);
        by->price.output = sim_between(s, 1, 20);
        by->price.cached_input = sim_between(s, 0, by->price.input);
        by->price.call = sim_between(s, 0, 3000);
    }
}

static void
make_arm(struct sim *s, const struct workload *w, struct writers_arm *arm)
{
    const uint32_t n = 1 + (uint32_t)sim_below(s, WRITERS_CHAIN_MAX);

    for (uint32_t tries = 0; tries < 8 && arm->n < n; tries++) {
        const uint8_t writer = (uint8_t)sim_below(s, w->n_writers);

        if (memchr(arm->chain, writer, arm->n)) continue;
        arm->chain[arm->n++] = writer;
    }
    arm->builtin = sim_chance(s, 350);
}

/* One that takes all rows, or several that share them. */
static void
make_arms(struct sim *s, struct workload *w)
{
    struct writers *t = w->table;
    uint32_t left = WRITERS_SHARES;

    t->n_arms = sim_chance(s, 500) ? 1 : 2 + (uint32_t)sim_below(s, 3);
    for (uint32_t i = 0; i < t->n_arms; i++) {
        struct writers_arm *arm = &t->arms[i];
        const uint32_t others = t->n_arms - 1 - i;

        make_arm(s, w, arm);
        arm->share = others ? 1 + (uint32_t)sim_below(s, left - others) : left;
        left -= arm->share;
        if (t->n_arms == 1) continue;
        (void)snprintf(arm->name, sizeof arm->name, "arm-%u", i);
    }
}

void
market_choose(struct sim *s, struct workload *w)
{
    const uint32_t n = 1 + (uint32_t)sim_below(s, 4);

    w->table = calloc(1, sizeof *w->table);
    co_assert(w->table);
    while (w->n_writers < n) {
        add_writer(s, w);
    }
    w->table->n = n;
    for (uint32_t i = 0; i < n; i++) {
        struct writer *one = calloc(1, sizeof *one);

        co_assert(one);
        (void)snprintf(one->provider, sizeof one->provider, "%s",
                       w->writers[i].provider);
        (void)snprintf(one->model, sizeof one->model, "sim");
        w->table->v[i] = one;
    }
    w->table->fallback_ok = sim_chance(s, 300);
    make_arms(s, w);
    w->provider = NULL; /* each task says whose it is */
    w->tells = true;
}

/* ---- workers ---- */

static bool
serves(struct sim *s, unsigned i)
{
    return s->healed || !sim_chance(s, s->market->v[i].unserved);
}

uint32_t
market_announce(struct sim *s, struct slots_service *announced,
                const struct service **services)
{
    uint32_t n = 0;

    for (unsigned i = 0; i <= PROVIDERS; i++) {
        if (i && !serves(s, i - 1)) continue;
        services[n] = &workload_write_asked;
        announced[n++] =
            (struct slots_service){.name = workload_write_asked.name,
                                   .range = workload_write_asked.range,
                                   .hint_ns = workload_write_asked.hint_ns,
                                   .provider = i ? names[i - 1] : NULL,
                                   .slots = (uint32_t)sim_between(s, 1, 16)};
    }
    return n;
}
