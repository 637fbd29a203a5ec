/* assign.c - see assign.h.
 * A lane has four bands. The highest that can be served goes first, but while
 * a lower one waits it gathers age, and once 19 units went elsewhere one unit
 * is its: no band gets less than 5 %. Inside a band flows (jobs) take turns by
 * deficit round robin. Workers: same fingerprint and tags, then most free
 * credit; the search goes over those that have any, starts elsewhere each time
 * and stops after SEARCH_MAX candidates, so that it costs the same with 10
 * workers or 10,000.
 *
 * A batch that fits goes on as it came; a small one takes the next ones with
 * it; a large one is cut. The last two write a new header, as does one with a
 * total_ms that waited; payloads are copied only when several are joined. */
#include "broker/assign.h"
#include "broker/batches.h"
#include "common/bug.h"

#include "broker/credit.h"
#include "broker/jobs.h"
#include "broker/tasks.h"

#include <string.h>

enum {
    QUANTUM = 1024,    /* cost units a flow may spend in its turn */
    COST_MAX = 1000,   /* what a task may cost at most */
    CHUNK_MIN = 64,    /* a batch this small is not cut for fairness */
    AGE_PER_UNIT = 19, /* 1 of 20 = 5 % */
    AGE_DUE = AGE_PER_UNIT * CHUNK_MIN,
    AGE_MAX = 16 * AGE_DUE,
    SEARCH_MAX = 64,
    BUSY_PART = 16, /* a busy worker's crumbs of credit may gather */
};

/* ---- which tasks --------------------------------------------------------- */

static void
band_rotate(struct dispatch *d, struct band *band)
{
    uint32_t at = band->head;

    if (band->n < 2) return;
    band->head = d->flows[at].next;
    d->flows[at].next = NONE;
    d->flows[band->tail].next = at;
    band->tail = at;
}

/* The flow at the head goes to the end. Those passed over before it do not get
 * their place back: it would come before all others again. */
static void
band_end_turn(struct dispatch *d, struct band *band)
{
    band_rotate(d, band);
    band->passed = NONE;
}

/* The flow whose turn it is, at the head of the band; NONE: all blocked. */
static uint32_t
band_pick(struct dispatch *d, struct band *band)
{
    uint32_t skipped = 0;

    while (skipped < band->n) {
        struct flow *flow = &d->flows[band->head];

        if (flow->blocked_run == d->run) {
            skipped++;
            if (band->passed == NONE) band->passed = band->head;
            band_rotate(d, band);
            continue;
        }
        if (flow->deficit > 0 || band->n == 1) return band->head;
        /* Its turn begins; what it overspent last time counts. */
        flow->deficit += QUANTUM;
        if (flow->deficit > 0) return band->head;
        band_end_turn(d, band);
        skipped = 0;
    }
    return NONE;
}

/* A flow that found no worker keeps its turn: else how often a run finds none
 * would decide who comes first when credit comes by one. */
static void
band_give_turns_back(struct dispatch *d, struct band *band)
{
    if (band->passed == NONE) return;
    for (uint32_t i = 0; i < band->n && band->head != band->passed; i++) {
        band_rotate(d, band);
    }
    band->passed = NONE;
}

static uint32_t
lane_pick(struct dispatch *d, struct lane *lane)
{
    for (int i = 0; i < PRIORITY_CRITICAL; i++) {
        uint32_t at;

        if (lane->bands[i].age < AGE_DUE) continue;
        at = band_pick(d, &lane->bands[i]);
        if (at != NONE) return at;
    }
    for (int i = PRIORITY_CRITICAL; i >= 0; i--) {
        uint32_t at = band_pick(d, &lane->bands[i]);

        if (at != NONE) return at;
    }
    return NONE;
}

/* cost was served in band: the others that wait grow older. */
static void
lane_age(struct lane *lane, uint8_t served, int64_t cost)
{
    for (unsigned i = 0; i < PRIORITY_COUNT; i++) {
        struct band *band = &lane->bands[i];

        if (i == served) {
            band->age -= AGE_PER_UNIT * cost;
            if (band->age < -AGE_DUE) band->age = -AGE_DUE;
        } else if (band->n && i < PRIORITY_CRITICAL && band->age < AGE_MAX) {
            band->age += cost;
        }
    }
}

/* ---- which worker -------------------------------------------------------- */

static bool
is_reserved(const struct dispatch *d, struct worker *w, uint32_t flow)
{
    const struct flow *holder;

    if (w->reserved_for == NONE || w->reserved_for == flow) return false;
    holder = &d->flows[w->reserved_for];
    if (holder->used && holder->alone && holder->queued) return true;
    w->reserved_for = NONE; /* whom it waited for is gone */
    return false;
}

/* Whether w could ever take the batch, credit aside. */
static bool
worker_fits(const struct worker *w, const struct job *job,
            const struct batch *batch)
{
    uint64_t want =
        batch->shape.fingerprint ? batch->shape.fingerprint : job->fingerprint;

    return w->state == WORKER_READY && (!want || want == w->fingerprint) &&
           !(job->tags & ~w->tags);
}

/* Credit comes back in crumbs from a worker that has plenty to do: wait for a
 * handful, or every message would be cut to the crumb. */
static bool
better_to_wait(const struct line *line, uint64_t open, uint32_t n)
{
    uint64_t capacity = open + line->held;

    return open < n && open * BUSY_PART < capacity &&
           (uint64_t)line->held * 2 >= capacity;
}

struct choice {
    struct line *line;
    uint64_t open;       /* its free credit */
    bool shy;            /* it gave back what the job asked before */
    uint32_t candidates; /* workers that could have taken it */
};

/* Of the fitting workers one that turned nothing of the job away, of these the
 * one with most free credit. */
static struct choice
pick_worker(struct dispatch *d, struct lane *lane, uint32_t at_flow,
            const struct batch *batch, int64_t now_ms)
{
    const struct job *job = &d->jobs[d->flows[at_flow].job];
    struct choice best = {0};

    for (uint32_t i = 0; i < lane->open && best.candidates < SEARCH_MAX; i++) {
        struct line *line = lane->lines[(lane->turn + i) % lane->open];
        struct worker *w = d->workers[line->worker];
        uint64_t open = credit_line_free(d, line);
        bool shy = w->shy_of == job->slot && now_ms < w->shy_until_ms;

        if (!open || w->alone || !worker_fits(w, job, batch)) continue;
        if (is_reserved(d, w, at_flow)) continue;
        if (better_to_wait(line, open, batch->n)) continue;
        best.candidates++;
        if (best.line && shy > best.shy) continue;
        if (shy == best.shy && open <= best.open) continue;
        best.open = open;
        best.shy = shy;
        best.line = line;
    }
    lane->turn++;
    return best;
}

/* The worker that is kept free for a suspect's flow, NULL: none (any more). */
static struct worker *
awaited(const struct dispatch *d, uint32_t at_flow, const struct batch *batch)
{
    const struct flow *flow = &d->flows[at_flow];
    struct worker *w =
        flow->waits_for == NONE ? NULL : d->workers[flow->waits_for];

    if (!w || w->reserved_for != at_flow) return NULL;
    return worker_fits(w, &d->jobs[flow->job], batch) ? w : NULL;
}

static struct choice
only(struct line *line, uint64_t open)
{
    return (struct choice){.line = line, .open = open, .candidates = 1};
}

/* For suspects: a worker that holds nothing. When all are busy the one that
 * holds least is kept free of new tasks until it is empty. Looks at SEARCH_MAX
 * workers and at the next ones in the next run. */
static struct choice
pick_alone(struct dispatch *d, struct lane *lane, uint32_t at_flow,
           const struct batch *batch)
{
    struct flow *flow = &d->flows[at_flow];
    const struct job *job = &d->jobs[flow->job];
    struct worker *least = awaited(d, at_flow, batch);
    struct line *line = least ? credit_line(least, flow->lane) : NULL;
    bool waiting = least && least->held > 0;
    uint32_t i = 0;

    if (line && !least->held && credit_line_free(d, line)) {
        return only(line, credit_line_free(d, line));
    }
    if (!waiting) least = NULL; /* empty, but takes nothing: find another */
    for (; i < lane->line_count && i < SEARCH_MAX; i++) {
        struct worker *w;
        uint64_t open;

        line = lane->lines[(lane->turn + i) % lane->line_count];
        w = d->workers[line->worker];
        open = credit_line_free(d, line);
        if (!worker_fits(w, job, batch) || w->alone) continue;
        if (is_reserved(d, w, at_flow)) continue;
        if (!w->held && open) return only(line, open);
        if (w->held && (!least || w->held < least->held)) least = w;
    }
    lane->turn += i;
    if (least && !waiting) {
        least->reserved_for = at_flow;
        flow->waits_for = least->slot;
    }
    return (struct choice){0};
}

/* ---- making the message -------------------------------------------------- */

/* What one TASKS message takes from the front of a flow. */
struct take {
    uint32_t n;       /* tasks */
    uint32_t batches; /* touched */
    size_t bytes;     /* of all their bodies: room enough */
};

/* total_ms runs on while a batch waits here. What has run out is left to the
 * worker, which ends it as TIMEOUT like what ran out there: never 0, which
 * would mean no limit. */
static uint32_t
total_left_ms(const struct batch *batch, int64_t now_ms)
{
    uint32_t total = batch->shape.total_ms;
    int64_t left = total - (now_ms - batch->since_ms);

    if (!total) return 0;
    return left < 1 ? 1 : (uint32_t)left;
}

static bool
can_join(const struct batch *a, const struct batch *b)
{
    if (a->shape.total_ms && a->since_ms != b->since_ms) return false;
    return !a->extra && !b->extra &&
           memcmp(&a->shape, &b->shape, sizeof a->shape) == 0;
}

static struct take
plan(struct dispatch *d, struct flow *flow, uint64_t most, uint32_t spread)
{
    const struct batch *first = &d->batches[flow->head];
    struct take t = {(uint32_t)co_min_u64(first->n, most), 1, first->body.len};
    uint64_t target = co_min_u64(most, d->limits.merge_max);
    uint32_t at;

    target = co_min_u64(target, spread);
    if (t.n < first->n || first->n >= CHUNK_MIN) return t;
    for (at = first->next; at != NONE; at = d->batches[at].next) {
        const struct batch *batch = &d->batches[at];

        if (t.n + batch->n > target || !can_join(first, batch)) break;
        if (t.bytes + batch->body.len > BODY_BYTES_MAX) break;
        t.n += batch->n;
        t.bytes += batch->body.len;
        t.batches++;
    }
    return t;
}

/* A message that goes on as it came. */
static void
forward_whole(struct dispatch *d, struct flow *flow, struct line *line,
              struct outbox *out)
{
    struct batch *batch = &d->batches[flow->head];
    struct worker *w = d->workers[line->worker];
    uint32_t next;

    for (uint32_t at = batch->first; at != NONE; at = next) {
        next = d->entries[at].next;
        tasks_assign(d, at, w, line);
    }
    batch->first = NONE;
    d->queued_bytes -= batch->head.len + batch->body.len;
    outbox_forward(out, SIDE_BACK, w->handle, batch->head, batch->body);
    batch->head = batch->body = (struct co_bytes){0};
    batches_pop(d, flow);
}

/* All the same: one value says it. */
static struct msg_u32s
one_or_n(const uint32_t *v, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        if (v[i] != v[0]) return (struct msg_u32s){v, n};
    }
    return (struct msg_u32s){v, 1};
}

/* Takes up to want tasks off the batch at the flow's head; their payloads go
 * to `to` unless it is NULL. Returns how many bytes. */
static size_t
take_from_head(struct dispatch *d, struct flow *flow, struct line *line,
               uint32_t want, uint32_t *filled, uint8_t *to)
{
    struct batch *batch = &d->batches[flow->head];
    struct worker *w = d->workers[line->worker];
    size_t bytes = 0;

    for (uint32_t i = 0; i < want; i++) {
        struct entry *e;
        uint32_t at;

        batches_skip_dropped(d, batch);
        at = batch->first;
        e = &d->entries[at];
        d->words[0][*filled] = e->task;
        d->halves[0][*filled] = e->attempt;
        d->halves[1][(*filled)++] = e->len;
        if (to && e->len) memcpy(to + bytes, batch->body.data, e->len);
        bytes += e->len;
        batch->first = e->next;
        if (e->len) batch->body.data += e->len;
        batch->body.len -= e->len;
        tasks_assign(d, at, w, line);
    }
    batch->whole = false;
    d->queued_bytes -= bytes;
    return bytes;
}

static void
encode_tasks(struct dispatch *d, const struct flow *flow,
             const struct batch *like, const struct msg_tasks *extra,
             uint32_t n, uint64_t handle, struct co_bytes body,
             struct outbox *out)
{
    const struct job *job = &d->jobs[flow->job];
    const struct lane *lane = d->lanes[flow->lane];
    struct msg m = {.type = MSG_tasks,
                    .tasks = {.job = job->id,
                              .owner = job->owner,
                              .service = msg_text(lane->service),
                              .tasks = {d->words[0], n},
                              .attempts = one_or_n(d->halves[0], n),
                              .lens = one_or_n(d->halves[1], n),
                              .recipe = like->shape.recipe,
                              .fingerprint = like->shape.fingerprint,
                              .run_ms = like->shape.run_ms,
                              .total_ms = like->shape.total_ms,
                              .stall_ms = like->shape.stall_ms,
                              .cost = like->shape.cost,
                              .provider = msg_text(lane->provider),
                              .trace = extra->trace,
                              .idempotency = extra->idempotency,
                              .alone = flow->alone}};

    outbox_push(out, SIDE_BACK, handle, &m, body);
}

/* A new message for what t takes. CO_NOMEM: nothing changed. */
static enum co_err
send_rebuilt(struct dispatch *d, struct flow *flow, struct line *line,
             struct take t, int64_t now_ms, struct outbox *out)
{
    struct batch first = d->batches[flow->head];
    struct co_bytes head = co_bytes_ref(first.head);
    struct msg_tasks extra = {0};
    struct co_bytes body;
    struct msg m;
    uint8_t *to = NULL;
    uint32_t filled = 0;
    size_t bytes = 0;

    if (t.batches == 1 && !first.dropped) {
        body = co_bytes_ref(first.body); /* payloads lie side by side */
    } else if (co_bytes_new(t.bytes, &to, &body)) {
        co_bytes_unref(&head);
        return CO_NOMEM;
    }
    /* The extras point into the head, which is held until it is encoded. */
    first.shape.total_ms = total_left_ms(&first, now_ms);
    if (first.extra && !msg_decode(&d->reader, head.data, head.len, &m)) {
        extra = m.tasks;
    }
    while (filled < t.n) {
        uint32_t n =
            (uint32_t)co_min_u64(d->batches[flow->head].n, t.n - filled);

        bytes +=
            take_from_head(d, flow, line, n, &filled, to ? to + bytes : NULL);
        if (!d->batches[flow->head].n) batches_pop(d, flow);
    }
    body.len = bytes;
    encode_tasks(d, flow, &first, &extra, t.n, d->workers[line->worker]->handle,
                 body, out);
    co_bytes_unref(&head);
    return CO_OK;
}

/* ---- the loop ------------------------------------------------------------ */

static uint64_t
unit_cost(const struct batch *batch)
{
    return co_clamp_u64(batch->shape.cost, 1, COST_MAX);
}

/* How many tasks the flow may send in its turn. */
static uint64_t
turn_share(const struct dispatch *d, const struct flow *flow,
           const struct batch *batch)
{
    const struct band *band = &d->lanes[flow->lane]->bands[flow->band];

    if (flow->alone) return 1;
    if (band->n == 1 || batch->n <= CHUNK_MIN) return BATCH_MAX;
    return co_max_u64((uint64_t)flow->deficit / unit_cost(batch), 1);
}

/* Empty batches in front (all cancelled) go. */
static struct batch *
flow_front(struct dispatch *d, struct flow *flow)
{
    while (!d->batches[flow->head].n) {
        batches_pop(d, flow);
    }
    batches_skip_dropped(d, &d->batches[flow->head]);
    return &d->batches[flow->head];
}

/* Sends one message of the flow. False: it cannot be served now. */
static bool
serve(struct dispatch *d, struct lane *lane, uint32_t at_flow, int64_t now_ms,
      struct outbox *out)
{
    struct flow *flow = &d->flows[at_flow];
    struct band *band = &lane->bands[flow->band];
    struct batch *batch = flow_front(d, flow);
    struct choice to = flow->alone
                           ? pick_alone(d, lane, at_flow, batch)
                           : pick_worker(d, lane, at_flow, batch, now_ms);
    uint64_t cost = unit_cost(batch);
    uint32_t spread;
    struct take t;

    if (!to.line) return false;
    /* What waits is spread over everybody who could take some of it. */
    spread = (flow->queued + to.candidates - 1) / to.candidates;
    t = plan(d, flow, co_min_u64(to.open, turn_share(d, flow, batch)), spread);
    if (t.batches == 1 && t.n == batch->n && batch->whole &&
        total_left_ms(batch, now_ms) == batch->shape.total_ms) {
        forward_whole(d, flow, to.line, out);
    } else {
        bool was_cut = t.n < batch->n;

        if (send_rebuilt(d, flow, to.line, t, now_ms, out)) {
            d->count.refused_memory++;
            return false;
        }
        d->count.split += was_cut;
        d->count.merged += t.batches - 1;
    }
    d->workers[to.line->worker]->quiet_since = now_ms;
    if (flow->alone) d->workers[to.line->worker]->reserved_for = NONE;
    d->count.tasks_out += t.n;
    d->count.messages_out++;
    lane->moved_ms = now_ms;
    lane_age(lane, flow->band, (int64_t)(cost * t.n));
    flow->deficit -= (int64_t)(cost * t.n);
    if (!flow->queued) {
        if (CO_BUG(empty_batches_stay)) {
            jobs_flow_deactivate(d, at_flow);
        } else {
            batches_flow_emptied(d, at_flow);
        }
    } else if (band->n == 1) {
        flow->deficit = 0; /* nobody to be fair to */
    } else if (flow->deficit <= 0) {
        band_end_turn(d, band);
    }
    return true;
}

void
assign_run(struct dispatch *d, int64_t now_ms, struct outbox *out)
{
    for (uint32_t i = 0; i < d->lane_count; i++) {
        struct lane *lane = d->lanes[i];

        d->run++;
        while (lane->queued && !out->err) {
            uint32_t flow = lane_pick(d, lane);

            if (flow == NONE) break;
            if (!serve(d, lane, flow, now_ms, out)) {
                d->flows[flow].blocked_run = d->run;
            }
        }
        for (int k = 0; k < PRIORITY_COUNT; k++) {
            band_give_turns_back(d, &lane->bands[k]);
        }
    }
}
