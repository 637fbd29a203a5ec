/* credit.c - see credit.h. Counts are cumulative, so a CREDIT that overtakes
 * or repeats another does no harm, and both ends can be compared at any time.
 * What an owner may have outstanding is its share of the window:
 *
 *   window = clamp(4 x what workers would hold, window_min, window_max)
 *   grant so that (granted - returned - used) + tasks known <= share
 *
 * Calls to models wait with their owner, not here: whoever dies with a call in
 * its queue leaves its owner in doubt whether it was paid. So there the window
 * is what workers would hold, and for the way what ends in WAY_MS, at most an
 * eighth.
 *
 * which frees a grant whenever a task leaves the table, however it leaves.
 *
 * A lane may have 10,000 lines, most without credit when all are busy. So those
 * that have some stand in front, and what workers would hold is not summed in
 * each turn. */
#include "broker/credit.h"

#include "broker/jobs.h"
#include "broker/peers.h"
#include "common/bug.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_PER_CAPACITY = 4,
    DEMAND_MS = 2000,   /* a job that published nothing for this long is idle */
    IDLE_SHARE = 64,    /* what an idle job keeps, to start again at once */
    RECLAIM_MS = 1000,  /* an unanswered RECLAIM is sent again after this */
    RECLAIM_SLACK = 64, /* not worth a RECLAIM */
    /* From a result to the task in its place: two links, and the disk that the
     * owner writes its intent to. Where it takes longer a slot waits so long.
     */
    WAY_MS = 20,
    RATE_MS = 1000,
    /* Lines that are summed in a millisecond, on average: some 5 us. */
    SUM_LINES_PER_MS = 256,
};

uint64_t
credit_line_free(const struct dispatch *d, const struct line *line)
{
    uint64_t open = line->granted - line->returned - line->used;

    if (CO_BUG(reclaimed_line_used)) open += line->returned;
    return co_min_u64(open, d->limits.worker_tasks_max);
}

static void
lane_swap(struct lane *lane, uint32_t a, uint32_t b)
{
    struct line *line = lane->lines[a];

    lane->lines[a] = lane->lines[b];
    lane->lines[b] = line;
    lane->lines[a]->at = a;
    lane->lines[b]->at = b;
}

/* Puts line where it belongs after its counts changed. */
static void
line_changed(struct dispatch *d, const struct line *line)
{
    struct lane *lane = d->lanes[line->lane];
    bool is_open = credit_line_free(d, line) > 0;

    if (is_open == (line->at < lane->open)) return;
    if (is_open) {
        lane_swap(lane, line->at, lane->open++);
    } else {
        lane_swap(lane, line->at, --lane->open);
    }
}

void
credit_line_use(struct dispatch *d, struct line *line)
{
    line->used++;
    line_changed(d, line);
}

uint64_t
credit_job_free(const struct job *job)
{
    return job->granted - job->returned - job->used;
}

struct line *
credit_line(const struct worker *w, uint32_t lane)
{
    for (uint32_t i = 0; i < w->line_count; i++) {
        if (w->lines[i]->lane == lane) return w->lines[i];
    }
    return NULL;
}

/* Grows a list of pointers by one place; true when there is room. */
static bool
list_room(struct line ***list, uint32_t count)
{
    struct line **grown;

    if (count & (count - 1)) return true; /* grows at powers of two */
    grown = realloc(*list, (count ? 2 * count : 1) * sizeof(struct line *));
    if (!grown) return false;
    *list = grown;
    return true;
}

struct line *
credit_line_get(struct dispatch *d, struct worker *w, uint32_t at_lane)
{
    struct lane *lane = d->lanes[at_lane];
    struct line *line = credit_line(w, at_lane);

    if (line) return line;
    if (w->line_count == NAMES_MAX) return NULL;
    line = calloc(1, sizeof *line);
    if (!line) return NULL;
    if (!list_room(&w->lines, w->line_count) ||
        !list_room(&lane->lines, lane->line_count)) {
        free(line);
        return NULL;
    }
    line->worker = w->slot;
    line->lane = at_lane;
    /* It may hold tasks of the lane that came in by INVENTORY. */
    for (uint32_t at = w->first; at != NONE; at = d->entries[at].next) {
        line->held += d->entries[at].lane == at_lane;
    }
    w->lines[w->line_count++] = line;
    line->at = lane->line_count;
    lane->lines[lane->line_count++] = line;
    return line;
}

static void
lane_remove_line(struct lane *lane, const struct line *line)
{
    if (line->at < lane->open) lane_swap(lane, line->at, --lane->open);
    lane_swap(lane, line->at, --lane->line_count);
}

void
credit_drop_lines(struct dispatch *d, struct worker *w)
{
    for (uint32_t i = 0; i < w->line_count; i++) {
        lane_remove_line(d->lanes[w->lines[i]->lane], w->lines[i]);
        free(w->lines[i]);
    }
    free(w->lines);
    w->lines = NULL;
    w->line_count = 0;
}

void
credit_reset_lines(struct dispatch *d, struct worker *w)
{
    for (uint32_t i = 0; i < w->line_count; i++) {
        w->lines[i]->granted = w->lines[i]->returned = w->lines[i]->used = 0;
        line_changed(d, w->lines[i]);
    }
}

/* ---- messages ------------------------------------------------------------ */

static void
bad_credit(struct dispatch *d, enum side side, uint64_t peer,
           const struct msg *m, const char *text, struct outbox *out)
{
    d->count.malformed++;
    dispatch_refuse(out, side, peer, m, CO_PROTOCOL, text);
}

/* The line that a worker's message is about; NULL: it was refused. */
static struct line *
named_line(struct dispatch *d, struct worker *w, const struct msg *m,
           struct msg_str service, struct msg_str provider, struct outbox *out)
{
    uint32_t lane;
    struct line *line = NULL;
    enum co_err err;

    if (service.len == 0) {
        bad_credit(d, SIDE_BACK, w->handle, m, "no service named", out);
        return NULL;
    }
    err = jobs_lane(d, service, provider, &lane);
    if (!err) line = credit_line_get(d, w, lane);
    if (line) return line;
    d->count.refused_names_full++;
    dispatch_refuse(out, SIDE_BACK, w->handle, m, CO_FULL,
                    "too many services and providers");
    return NULL;
}

void
credit_on_credit(struct dispatch *d, struct worker *w, const struct msg *m,
                 struct outbox *out)
{
    const struct msg_credit *c = &m->credit;
    struct line *line;

    if (c->greeting && c->greeting != w->greeting) {
        d->count.stale_credit++; /* counted from a HELLO before the last one */
        return;
    }
    line = named_line(d, w, m, c->service, c->provider, out);
    if (!line) return;
    if (c->granted < line->granted) {
        bad_credit(d, SIDE_BACK, w->handle, m, "a grant is never lowered", out);
        return;
    }
    line->granted = c->granted;
    line_changed(d, line);
    if (line->granted - line->returned - line->used >
        d->limits.worker_tasks_max) {
        d->count.overgranted++;
    }
    (void)peers_apply(d, w, WEV_CREDIT, "credit");
}

void
credit_on_reclaim(struct dispatch *d, struct worker *w, const struct msg *m,
                  struct outbox *out)
{
    const struct msg_reclaim *r = &m->reclaim;
    struct line *line = named_line(d, w, m, r->service, r->provider, out);
    struct msg answer;

    if (!line) return;
    line->returned +=
        co_min_u64(r->count, line->granted - line->returned - line->used);
    line_changed(d, line);
    answer = (struct msg){.type = MSG_reclaimed,
                          .reclaimed = {.service = r->service,
                                        .returned = line->returned,
                                        .provider = r->provider}};
    push(out, SIDE_BACK, w->handle, &answer);
}

void
credit_on_reclaimed(struct dispatch *d, struct owner *o, const struct msg *m,
                    struct outbox *out)
{
    struct job *job = jobs_find(d, m->reclaimed.job);
    uint64_t returned = m->reclaimed.returned;

    if (!job || job->owner_slot != o->slot) {
        d->count.refused_state++;
        dispatch_refuse(out, SIDE_FRONT, o->handle, m, CO_STATE,
                        "the job is not attached");
        return;
    }
    if (returned < job->returned || returned > job->granted - job->used) {
        bad_credit(d, SIDE_FRONT, o->handle, m,
                   "more returned than is left, or less than before", out);
        return;
    }
    job->returned = returned;
    job->reclaim_ms = 0;
}

/* ---- granting to owners -------------------------------------------------- */

static void
grant(struct dispatch *d, struct job *job, uint64_t owner, uint64_t share,
      struct outbox *out)
{
    uint64_t room = share > job->live ? share - job->live : 0;
    uint64_t target = job->used + job->returned + room;
    uint64_t left = credit_job_free(job);
    struct msg m;

    if (target <= job->granted) return;
    /* Many small grants cost more than they are worth, unless it is short. */
    if (target - job->granted < share / 8 && left > share / 8) return;
    job->granted = target;
    m = (struct msg){
        .type = MSG_credit,
        .credit = {.service = msg_text(d->lanes[job->lane]->service),
                   .granted = target,
                   .job = job->id,
                   .provider = msg_text(d->lanes[job->lane]->provider)}};
    push(out, SIDE_FRONT, owner, &m);
}

static void
reclaim(struct dispatch *d, struct job *job, uint64_t owner, uint64_t share,
        int64_t now_ms, struct outbox *out)
{
    uint64_t room = share > job->live ? share - job->live : 0;
    uint64_t left = credit_job_free(job);
    struct msg m;

    if (left <= room + room / 2 + RECLAIM_SLACK) return;
    if (job->reclaim_ms && now_ms - job->reclaim_ms < RECLAIM_MS) return;
    job->reclaim_ms = now_ms > 0 ? now_ms : 1;
    m = (struct msg){
        .type = MSG_reclaim,
        .reclaim = {.service = msg_text(d->lanes[job->lane]->service),
                    .count = left - room,
                    .job = job->id,
                    .provider = msg_text(d->lanes[job->lane]->provider)}};
    push(out, SIDE_FRONT, owner, &m);
}

static uint64_t
lane_capacity(const struct dispatch *d, const struct lane *lane)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < lane->line_count; i++) {
        const struct line *line = lane->lines[i];

        if (d->workers[line->worker]->state != WORKER_READY) continue;
        sum += credit_line_free(d, line) + line->held;
    }
    return sum;
}

/* The sum may be old by a millisecond for each SUM_LINES_PER_MS workers: it
 * only sets how much owners have under way. */
static void
sum_capacity(struct dispatch *d, int64_t now_ms)
{
    uint32_t lines = 0;

    for (uint32_t i = 0; i < d->lane_count; i++) {
        lines += d->lanes[i]->line_count;
    }
    if (now_ms - d->summed_ms < lines / SUM_LINES_PER_MS) return;
    d->summed_ms = now_ms;
    for (uint32_t i = 0; i < d->lane_count; i++) {
        d->lanes[i]->capacity = 0;
    }
    for (uint32_t i = 0; i < d->lane_count; i++) {
        struct lane *lane = d->lanes[i];
        uint64_t own = lane_capacity(d, lane);

        lane->capacity += own;
        if (lane->root != i) d->lanes[lane->root]->capacity += own;
    }
}

static bool
has_demand(const struct job *job, int64_t now_ms)
{
    return job->live > 0 || now_ms - job->active_ms < DEMAND_MS;
}

/* Results a second: of the last one, or of this one if these are more already,
 * as when a job begins. */
static void
measure_rate(struct lane *lane, int64_t now_ms)
{
    const int64_t ms = now_ms - lane->rated_ms;
    const uint64_t n = lane->results - lane->rated;

    if (ms < RATE_MS) {
        lane->rate = (uint32_t)co_clamp_u64(n, lane->rate, UINT32_MAX);
        return;
    }
    lane->rate = (uint32_t)co_min_u64(n * 1000 / (uint64_t)ms, UINT32_MAX);
    lane->rated = lane->results;
    lane->rated_ms = now_ms;
}

static uint64_t
lane_window(const struct dispatch *d, const struct lane *lane)
{
    const uint64_t capacity = lane->capacity;
    const uint64_t way = (uint64_t)lane->rate * WAY_MS / 1000;

    if (lane->provider[0]) {
        return co_min_u64(capacity + co_min_u64(way, capacity / 8) + 1,
                          d->limits.window_max);
    }
    return co_clamp_u64(WINDOW_PER_CAPACITY * capacity, d->limits.window_min,
                        d->limits.window_max);
}

/* What an owner may have outstanding. The window of a provider is little more
 * than what its workers take: there a job gets what the others leave, or slots
 * would stand idle that were set aside for a job with one call; but no more
 * than makes four windows if all publish at once. What it has too much then
 * goes down as its calls end. */
static uint64_t
job_share(const struct dispatch *d, const struct job *job, int64_t now_ms)
{
    const struct lane *lane = d->lanes[job->lane];
    uint64_t window = lane_window(d, lane);
    uint64_t others = lane->live - job->live;
    uint64_t share;

    if (!has_demand(job, now_ms)) {
        share = co_min_u64(IDLE_SHARE, window / lane->attached);
    } else {
        share = window / lane->active;
        if (lane->provider[0] && others < window) {
            share = co_max_u64(share, co_min_u64(window - others,
                                                 WINDOW_PER_CAPACITY * share));
        }
    }
    return co_max_u64(share, 1);
}

void
credit_run(struct dispatch *d, int64_t now_ms, struct outbox *out)
{
    sum_capacity(d, now_ms);
    for (uint32_t i = 0; i < d->lane_count; i++) {
        d->lanes[i]->attached = d->lanes[i]->active = 0;
        d->lanes[i]->live = 0;
        measure_rate(d->lanes[i], now_ms);
    }
    for (uint32_t i = 0; i < d->job_cap; i++) {
        const struct job *job = &d->jobs[i];

        if (!job->id || job->owner_slot == NONE) continue;
        d->lanes[job->lane]->attached++;
        d->lanes[job->lane]->active += has_demand(job, now_ms);
        d->lanes[job->lane]->live += job->live;
    }
    for (uint32_t i = 0; i < d->job_cap; i++) {
        struct job *job = &d->jobs[i];
        uint64_t share;

        if (!job->id || job->owner_slot == NONE) continue;
        share = job_share(d, job, now_ms);
        grant(d, job, d->owners[job->owner_slot].handle, share, out);
        reclaim(d, job, d->owners[job->owner_slot].handle, share, now_ms, out);
    }
}
