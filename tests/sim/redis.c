/* redis.c - see redis.h. */
#include "tests/sim/redis.h"

#include <stdlib.h>

enum { WRITE_US = 250000, BACK_US = 1000000, KEPT = 64 };

/* A change of a key: older ones are what a rollback goes back to. */
struct change {
    int64_t at_us;
    uint32_t number;
};

struct redis_model {
    int64_t down_until_us;
    struct change owner[SIM_JOBS_MAX][KEPT];
    unsigned n[SIM_JOBS_MAX];
};

void
redis_make(struct sim *s)
{
    s->redis = calloc(1, sizeof *s->redis);
    co_assert(s->redis);
}

void
redis_free(struct sim *s)
{
    free(s->redis);
    s->redis = NULL;
}

static bool
is_up(const struct sim *s)
{
    return s->now_us >= s->redis->down_until_us;
}

static uint32_t
value(const struct redis_model *r, unsigned job)
{
    return r->n[job] ? r->owner[job][r->n[job] - 1].number : 0;
}

uint32_t
redis_owner(const struct sim *s, const struct sim_job *job)
{
    return is_up(s) ? value(s->redis, job->index) : 0;
}

static void
put(struct sim *s, unsigned job, uint32_t number)
{
    struct redis_model *r = s->redis;

    if (!is_up(s) || value(r, job) == number) return;
    if (r->n[job] == KEPT) { /* nobody goes back so far */
        for (unsigned i = 1; i < KEPT; i++) {
            r->owner[job][i - 1] = r->owner[job][i];
        }
        r->n[job]--;
    }
    r->owner[job][r->n[job]++] = (struct change){s->now_us, number};
}

static void
write_again(struct sim *s, struct sim_event *e)
{
    struct node *n = &s->nodes[e->a >> 32];

    if (!n->alive || n->life != e->b || s->over) return;
    if (!n->frozen) put(s, n->job->index, (uint32_t)e->a);
    sim_at(s, s->now_us + WRITE_US, write_again, e->a, e->b);
}

void
redis_put_owner(struct sim *s, struct node *owner, uint32_t number)
{
    uint64_t who = (uint64_t)(owner - s->nodes) << 32 | number;

    put(s, owner->job->index, number);
    sim_at(s, s->now_us + WRITE_US, write_again, who, owner->life);
}

/* ---- faults ---- */

void
redis_down(struct sim *s, int64_t until_us)
{
    s->redis->down_until_us = until_us;
}

void
redis_lose(struct sim *s)
{
    for (unsigned i = 0; i < SIM_JOBS_MAX; i++) {
        s->redis->n[i] = 0;
    }
}

void
redis_roll_back(struct sim *s)
{
    struct redis_model *r = s->redis;

    for (unsigned i = 0; i < SIM_JOBS_MAX; i++) {
        while (r->n[i] &&
               r->owner[i][r->n[i] - 1].at_us > s->now_us - BACK_US) {
            r->n[i]--;
        }
    }
}
