/* why_work.c - what brokers and workers say about a job: who would do its work,
 * and what waits for them. */
#include "cli/why_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    STILL_MS = 15000, /* nothing is drawn or decided: said */
    STALL_MS = 10000, /* a task waits although workers have room: said */
};

struct crew {
    uint64_t serving, draining; /* workers */
};

static struct crew
crew_of(const struct fleet_state *s, const char *service)
{
    struct crew c = {0};

    for (size_t i = 0; i < s->workers.n; i++) {
        const struct fleet_worker *w = &s->workers.v[i];

        if (!fleet_worker_serves(w, service)) continue;
        c.serving++;
        c.draining += strcmp(w->state, "draining") == 0;
    }
    return c;
}

/* ---- lanes ---- */

static void
take_lane(const struct fleet_state *s, const char *name, size_t len,
          struct why_lane *lane)
{
    (void)snprintf(lane->service, sizeof lane->service, "%.*s", (int)len, name);
    lane->provider = strchr(lane->service, '@');
    if (lane->provider) lane->provider++;
    lane->q = fleet_state_queue(s, lane->service);
    lane->wanted = lane->q && (lane->q->queued || lane->q->in_flight ||
                               lane->q->backlog || lane->q->remaining);
}

size_t
why_lanes(const struct fleet_state *s, const struct fleet_job *j,
          struct why_lane ret[WHY_LANES_MAX])
{
    const char *at = j->services[0] ? j->services : j->service;
    size_t n = 0;

    for (size_t len; *at && n < WHY_LANES_MAX; at += len + (at[len] == ',')) {
        len = strcspn(at, ",");
        take_lane(s, at, len, &ret[n++]);
    }
    if (n == 0) take_lane(s, "", 0, &ret[n++]);
    /* Where there is no other, whatever the job does goes there. */
    if (n == 1) ret[0].wanted = true;
    return n;
}

/* What waits and runs in all of them. Workers may be the same ones. */
static struct fleet_queue
sum_of(const struct why_lane *v, size_t n, bool *ret_known)
{
    struct fleet_queue sum = {.queued = 0};

    *ret_known = false;
    for (size_t i = 0; i < n; i++) {
        const struct fleet_queue *q = v[i].q;

        if (!q) continue;
        *ret_known = true;
        sum.queued += q->queued;
        sum.in_flight += q->in_flight;
        sum.capacity += q->capacity;
        sum.backlog += q->backlog;
        sum.workers = co_max_u64(sum.workers, q->workers);
    }
    return sum;
}

static bool
share_lanes(const struct fleet_state *s, const struct fleet_job *a,
            const struct fleet_job *b)
{
    struct why_lane va[WHY_LANES_MAX], vb[WHY_LANES_MAX];
    const size_t na = why_lanes(s, a, va), nb = why_lanes(s, b, vb);

    for (size_t i = 0; i < na; i++) {
        for (size_t k = 0; k < nb; k++) {
            if (strcmp(va[i].service, vb[k].service) == 0) return true;
        }
    }
    return false;
}

/* Other jobs that go on and want the same workers. */
static unsigned
rivals(const struct fleet_state *s, const struct fleet_job *j)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->jobs.n; i++) {
        const struct fleet_job *o = &s->jobs.v[i];

        n += o != j && o->lease && fleet_job_runs(o) && share_lanes(s, o, j);
    }
    return n;
}

/* ---- who works ---- */

/* Workers have room and a task waits all the same. */
static bool
stalled(const struct fleet_queue *q)
{
    return q && q->queued > 0 && q->in_flight < q->capacity &&
           q->oldest_ms > STALL_MS;
}

/* Whether nobody would do the work of a lane. */
static bool
why_lane_nobody(const struct fleet_state *s, const struct fleet_job *j,
                const struct why_lane *lane, struct why *w)
{
    const struct fleet_queue *q = lane->q;
    const struct crew c = crew_of(s, lane->service);

    if (c.serving == 0 && (!q || q->workers == 0)) {
        why_say(w, j->calls[0] ? F_NO_CALLERS : F_NO_WORKERS,
                "no worker for %s is alive", lane->service);
    } else if (c.serving && c.draining == c.serving) {
        why_say(w, F_DRAINING,
                "all workers for %s (%" PRIu64 ") are draining: they take no "
                "new tasks",
                lane->service, c.serving);
    } else if (q && q->workers == 0 && j->calls[0]) {
        why_say(w, F_NO_CALLS,
                "%" PRIu64 " worker%s serve%s %s, but none makes calls now",
                c.serving, why_s(c.serving), c.serving == 1 ? "s" : "",
                lane->service);
    } else if (q && q->workers == 0 && s->workers.n == s->workers.all) {
        why_say(w, F_UNLIKE,
                "%" PRIu64 " worker%s serve%s %s, but none gives a broker "
                "credit",
                c.serving, why_s(c.serving), c.serving == 1 ? "s" : "",
                lane->service);
    } else {
        return false;
    }
    return true;
}

/* Of several lanes, those that have nothing to do need nobody: a fallback while
 * its provider is well, and a provider that is away. */
bool
why_nobody(const struct fleet_state *s, const struct fleet_job *j,
           struct why *w)
{
    struct why_lane v[WHY_LANES_MAX];
    const size_t n = why_lanes(s, j, v);
    bool nobody = false;

    if (s->brokers.n == 0) {
        why_say(w, F_NO_BROKER, "no broker is alive in this namespace");
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        nobody |= v[i].wanted && why_lane_nobody(s, j, &v[i], w);
    }
    return nobody;
}

void
why_no_credit(const struct fleet_state *s, const struct fleet_job *j,
              struct why *w)
{
    struct why_lane v[WHY_LANES_MAX];
    const size_t n = why_lanes(s, j, v);
    bool known, stands = false;
    const struct fleet_queue q = sum_of(v, n, &known);
    unsigned others = rivals(s, j);

    for (size_t i = 0; i < n; i++) {
        stands |= stalled(v[i].q);
    }
    if (!known || stands) { /* told as that */
        why_say(w, F_WINDOW, "%s", j->why);
        return;
    }
    why_say(w, j->calls[0] ? F_FULL_CALLS : F_FULL_LOAD,
            "workers: %" PRIu64 " task%s run or wait at %" PRIu64
            " worker%s, which take at most %" PRIu64 "; %" PRIu64
            " more wait with the broker",
            q.in_flight, why_s(q.in_flight), q.workers, why_s(q.workers),
            q.capacity, q.queued);
    if (others) {
        why_say(w, F_SHARED, "%u other job%s want%s the same workers", others,
                why_s(others), others == 1 ? "s" : "");
    }
}

static void
why_lane_stall(const struct fleet_queue *q, struct why *w)
{
    if (!stalled(q)) return;
    why_say(w, F_STALL,
            "the oldest of %" PRIu64 " queued task%s waits for %" PRIu64
            " s although workers have room (%" PRIu64 " of %" PRIu64 ")",
            q->queued, why_s(q->queued), q->oldest_ms / 1000, q->in_flight,
            q->capacity);
}

void
why_stall(const struct fleet_state *s, const struct fleet_job *j, struct why *w)
{
    struct why_lane v[WHY_LANES_MAX];
    const size_t n = why_lanes(s, j, v);
    bool known;
    const struct fleet_queue q = sum_of(v, n, &known);

    for (size_t i = 0; i < n; i++) {
        why_lane_stall(v[i].q, w);
    }
    if (q.backlog > 0 && strcmp(j->why_code, "retry") != 0) {
        why_say(w, F_BACKLOG,
                "%" PRIu64 " task%s to be published again, no broker has them",
                q.backlog, why_s(q.backlog));
    }
    if (j->moved_at && j->updated_at > j->moved_at + STILL_MS) {
        why_say(w, F_STILL, "nothing was drawn or decided for %" PRIu64 " s",
                (j->updated_at - j->moved_at) / 1000);
    }
}
