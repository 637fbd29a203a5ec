/* why_work.c - what brokers and workers say about a job: who would do its work,
 * and what waits for them. */
#include "cli/why_impl.h"

#include <inttypes.h>
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

/* Other jobs that go on and want the same workers. */
static unsigned
rivals(const struct fleet_state *s, const struct fleet_job *j)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->jobs.n; i++) {
        const struct fleet_job *o = &s->jobs.v[i];

        n += o != j && o->lease && fleet_job_runs(o) &&
             strcmp(o->service, j->service) == 0;
    }
    return n;
}

/* Workers have room and a task waits all the same. */
static bool
stalled(const struct fleet_queue *q)
{
    return q && q->queued > 0 && q->in_flight < q->capacity &&
           q->oldest_ms > STALL_MS;
}

/* Nobody would do the work: that comes before whatever the coordinator says,
 * which may have published all it has and wait. */
bool
why_nobody(const struct fleet_state *s, const struct fleet_job *j,
           struct why *w)
{
    const struct fleet_queue *q = fleet_state_queue(s, j->service);
    struct crew c = crew_of(s, j->service);

    if (s->brokers.n == 0) {
        why_say(w, F_NO_BROKER, "no broker is alive in this namespace");
    } else if (c.serving == 0 && (!q || q->workers == 0)) {
        why_say(w, j->calls[0] ? F_NO_CALLERS : F_NO_WORKERS,
                "no worker for %s is alive", j->service);
    } else if (c.serving && c.draining == c.serving) {
        why_say(w, F_DRAINING,
                "all workers for %s (%" PRIu64
                ") are draining: they take no new "
                "tasks",
                j->service, c.serving);
    } else if (q && q->workers == 0 && j->calls[0]) {
        why_say(w, F_NO_CALLS,
                "%" PRIu64 " worker%s serve%s %s, but none makes calls now",
                c.serving, why_s(c.serving), c.serving == 1 ? "s" : "",
                j->service);
    } else if (q && q->workers == 0 && s->workers.n == s->workers.all) {
        why_say(
            w, F_UNLIKE,
            "%" PRIu64 " worker%s serve%s %s, but none gives a broker credit",
            c.serving, why_s(c.serving), c.serving == 1 ? "s" : "", j->service);
    } else {
        return false;
    }
    return true;
}

/* The brokers grant no more: all are at work. */
void
why_no_credit(const struct fleet_state *s, const struct fleet_job *j,
              struct why *w)
{
    const struct fleet_queue *q = fleet_state_queue(s, j->service);
    unsigned others = rivals(s, j);

    if (!q || stalled(q)) { /* told as that */
        why_say(w, F_WINDOW, "%s", j->why);
        return;
    }
    why_say(w, j->calls[0] ? F_FULL_CALLS : F_FULL_LOAD,
            "workers: %" PRIu64 " task%s run or wait at %" PRIu64
            " worker%s, which take at most %" PRIu64 "; %" PRIu64
            " more wait with the broker",
            q->in_flight, why_s(q->in_flight), q->workers, why_s(q->workers),
            q->capacity, q->queued);
    if (others) {
        why_say(w, F_SHARED, "%u other job%s want%s the same workers", others,
                why_s(others), others == 1 ? "s" : "");
    }
}

/* Workers would take it, and still it waits: whatever the coordinator says. */
void
why_stall(const struct fleet_state *s, const struct fleet_job *j, struct why *w)
{
    const struct fleet_queue *q = fleet_state_queue(s, j->service);

    if (stalled(q)) {
        why_say(w, F_STALL,
                "the oldest of %" PRIu64 " queued task%s waits for %" PRIu64
                " s although workers have room (%" PRIu64 " of %" PRIu64 ")",
                q->queued, why_s(q->queued), q->oldest_ms / 1000, q->in_flight,
                q->capacity);
    }
    if (q && q->backlog > 0 && strcmp(j->why_code, "retry") != 0) {
        why_say(w, F_BACKLOG,
                "%" PRIu64 " task%s to be published again, no broker has them",
                q->backlog, why_s(q->backlog));
    }
    if (j->moved_at && j->updated_at > j->moved_at + STILL_MS) {
        why_say(w, F_STILL, "nothing was drawn or decided for %" PRIu64 " s",
                (j->updated_at - j->moved_at) / 1000);
    }
}
