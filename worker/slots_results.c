/* slots_results.c - results: gathered per turn, kept until acknowledged.
 *
 * A result body stays in memory until its ACK, so that a broker or owner that
 * went away costs nothing but a repeat. Beyond a limit of bytes or age bodies
 * go to disk; what stays is the list of their tasks. Rejected: spilling heads
 * and lists too, which would make INVENTORY read the disk. */
#include "common/bug.h"
#include "common/cover.h"
#include "worker/slots_impl.h"

#include <stdlib.h>
#include <string.h>

enum { RESULT_BUCKETS_FIRST = 256, BURST_MESSAGES = 1024 };

/* What each event does to a sealed batch; ACK and FORGET free it. */
static const uint8_t next_result[RESULT_STATE_COUNT][RESULT_EVENT_COUNT] = {
    [RESULT_PENDING] = {[RESULT_EV_SEND] = RESULT_SENT,
                        [RESULT_EV_NO_OWNER] = RESULT_PENDING,
                        [RESULT_EV_AGAIN] = RESULT_PENDING},
    [RESULT_SENT] = {[RESULT_EV_SEND] = RESULT_SENT,
                     [RESULT_EV_NO_OWNER] = RESULT_WAITING,
                     [RESULT_EV_AGAIN] = RESULT_PENDING},
    [RESULT_WAITING] = {[RESULT_EV_SEND] = RESULT_SENT,
                        [RESULT_EV_NO_OWNER] = RESULT_WAITING,
                        [RESULT_EV_AGAIN] = RESULT_PENDING},
};

enum result_state
slots_result_after(enum result_state state, enum result_event event)
{
    return (enum result_state)next_result[state][event];
}

enum co_err
slots_results_init(struct slots *s)
{
    for (unsigned i = 0; i < RESULT_STATE_COUNT; i++) {
        TAILQ_INIT(&s->results[i][0]);
        TAILQ_INIT(&s->results[i][1]);
    }
    s->result_buckets = calloc(RESULT_BUCKETS_FIRST, sizeof(struct result *));
    if (!s->result_buckets) return CO_NOMEM;
    s->result_mask = RESULT_BUCKETS_FIRST - 1;
    return CO_OK;
}

static void
result_free(struct slots *s, struct result *r)
{
    if (r->spilled) s->config.spill.drop(s->config.spill.ctx, r->seq);
    co_bytes_unref(&r->body);
    free(r);
}

void
slots_results_fini(struct slots *s)
{
    struct result *r;

    for (unsigned i = 0; i < 2 * RESULT_STATE_COUNT; i++) {
        struct result_list *list = &s->results[i / 2][i % 2];

        while ((r = TAILQ_FIRST(list))) {
            TAILQ_REMOVE(list, r, entry);
            result_free(s, r);
        }
    }
    for (uint32_t i = 0; i < SLOTS_GATHERS; i++) {
        if (s->gathers[i]) co_buf_fini(&s->gathers[i]->body);
        free(s->gathers[i]);
    }
    free(s->result_buckets);
}

/* The only writer of result.state. */
static void
result_apply(struct slots *s, struct result *r, enum result_event event)
{
    uint8_t to = next_result[r->state][event];

    CO_SEEN(WORKER_RESULT, r->state, event);
    if (to == r->state && event != RESULT_EV_SEND) return;
    TAILQ_REMOVE(&s->results[r->state][r->spilled], r, entry);
    r->state = to;
    TAILQ_INSERT_TAIL(&s->results[r->state][r->spilled], r, entry);
}

/* -- index by number ----------------------------------------------------- */
static struct result **
result_slot(struct slots *s, uint64_t seq)
{
    struct result **at = &s->result_buckets[seq & s->result_mask];

    while (*at && (*at)->seq != seq) {
        at = &(*at)->chain;
    }
    return at;
}

/* Doubles the index; without memory the chains get longer, nothing else. */
static void
grow_result_index(struct slots *s)
{
    uint32_t n = (s->result_mask + 1) * 2;
    struct result **fresh = calloc(n, sizeof(struct result *)), *r, *next;

    if (!fresh) return;
    for (uint32_t b = 0; b <= s->result_mask; b++) {
        for (r = s->result_buckets[b]; r; r = next) {
            next = r->chain;
            r->chain = fresh[r->seq & (n - 1)];
            fresh[r->seq & (n - 1)] = r;
        }
    }
    free(s->result_buckets);
    s->result_buckets = fresh;
    s->result_mask = n - 1;
}

/* Below this, a full worker takes work again: not at the very limit, or it
 * would change its mind with every result. */
static uint64_t
enough_room(const struct slots *s)
{
    return s->config.result_bytes_max / 8 * 7;
}

static void
result_remove(struct slots *s, struct result *r, enum slots_event event)
{
    *result_slot(s, r->seq) = r->chain;
    TAILQ_REMOVE(&s->results[r->state][r->spilled], r, entry);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct held *h = &s->pool[r->data[i]];

        if (event == SLOTS_EV_RETURN) {
            slots_return_raw(s, r->link, h->job, h->task, h->attempt,
                             CO_BUG(lost_result_is_unrun) ? RETURN_FULL
                                                          : RETURN_RESULT_LOST,
                             0);
        }
        slots_held_apply(s, r->data[i], event);
    }
    if (r->spilled) {
        s->spilled_bytes -= r->body_bytes;
    } else {
        s->result_bytes -= r->body_bytes;
    }
    s->results_n--;
    if (s->full && s->result_bytes <= enough_room(s)) s->full = false;
    result_free(s, r);
}

/* -- spilling ------------------------------------------------------------ */
static bool
spill_one(struct slots *s, struct result *r)
{
    if (s->config.spill.put(s->config.spill.ctx, r->seq, r->body)) {
        s->counters.spill_failed++;
        s->spill_retry_us = s->now_us + SLOTS_SPILL_RETRY_US;
        return false;
    }
    s->counters.spilled++;
    TAILQ_REMOVE(&s->results[r->state][0], r, entry);
    TAILQ_INSERT_TAIL(&s->results[r->state][1], r, entry);
    r->spilled = true;
    co_bytes_unref(&r->body);
    s->result_bytes -= r->body_bytes;
    s->spilled_bytes += r->body_bytes;
    return true;
}

static bool
may_spill(const struct slots *s)
{
    return s->config.spill.put && s->now_us >= s->spill_retry_us;
}

/* Spills those first that will wait longest. */
static void
relieve_memory(struct slots *s)
{
    static const uint8_t order[] = {RESULT_WAITING, RESULT_SENT,
                                    RESULT_PENDING};
    uint64_t target = s->full ? enough_room(s) : s->config.result_bytes_max;

    for (unsigned i = 0; i < co_countof(order); i++) {
        struct result *r;

        while (s->result_bytes > target && may_spill(s) &&
               (r = TAILQ_FIRST(&s->results[order[i]][0]))) {
            (void)spill_one(s, r);
        }
    }
    if (s->result_bytes > s->config.result_bytes_max) s->full = true;
    if (s->full && s->result_bytes <= enough_room(s)) s->full = false;
}

/* The body of a spilled batch; its tasks go back when the disk lost it. */
static bool
fetch_body(struct slots *s, struct result *r, struct co_bytes *ret_body)
{
    if (!r->spilled) {
        *ret_body = co_bytes_ref(r->body);
        return true;
    }
    if (s->config.spill.get(s->config.spill.ctx, r->seq, ret_body) == CO_OK) {
        if (ret_body->len == r->body_bytes) {
            s->counters.unspilled++;
            return true;
        }
        co_bytes_unref(ret_body);
    }
    s->counters.spill_lost++;
    result_remove(s, r,
                  CO_BUG(spill_loss_untold) ? SLOTS_EV_DROP : SLOTS_EV_RETURN);
    return false;
}

/* -- gathering ----------------------------------------------------------- */
static struct result *
result_new(struct slots *s, const struct gather *g)
{
    size_t array = g->n * sizeof(uint32_t);
    struct result *r = malloc(sizeof *r + 3 * array);

    if (!r) return NULL;
    *r = (struct result){
        .seq = s->seq_last + 1,
        .job = g->job,
        .run_us = g->run_ns / 1000,
        .born_us = s->now_us,
        .body_bytes = (uint32_t)g->body.len,
        .owner = g->owner,
        .n = g->n,
        .link = g->link,
        .state = RESULT_PENDING,
    };
    if (co_bytes_copy(g->body.data, g->body.len, &r->body)) {
        free(r);
        return NULL;
    }
    memcpy(r->data, g->index, array);
    memcpy(r->data + g->n, g->status, array);
    memcpy(r->data + (size_t)2 * g->n, g->len, array);
    return r;
}

/* Closes a batch: it gets its number and is kept from now on. */
static void
seal(struct slots *s, struct gather *g)
{
    struct result *r;

    if (g->n == 0) return;
    r = result_new(s, g);
    if (!r) { /* no memory: as good as not done, but for what it cost */
        for (uint32_t i = 0; i < g->n; i++) {
            slots_return_held(s, g->index[i], RETURN_RESULT_LOST);
        }
    } else {
        struct result **at = &s->result_buckets[r->seq & s->result_mask];

        s->seq_last = r->seq;
        r->chain = *at;
        *at = r;
        for (uint32_t i = 0; i < r->n; i++) {
            s->pool[r->data[i]].result = r;
        }
        TAILQ_INSERT_TAIL(&s->results[RESULT_PENDING][0], r, entry);
        s->result_bytes += r->body_bytes;
        s->counters.batches++;
        if (++s->results_n > s->result_mask) grow_result_index(s);
        if (s->result_bytes > s->config.result_bytes_max) relieve_memory(s);
    }
    g->n = 0;
    g->run_ns = 0;
    co_buf_clear(&g->body);
}

void
slots_seal_all(struct slots *s)
{
    for (uint32_t i = 0; i < s->gathers_n; i++) {
        seal(s, s->gathers[i]);
    }
}

static struct gather *
gather_for(struct slots *s, uint64_t job, uint32_t owner, uint8_t link)
{
    struct gather *g, *spare = NULL;

    for (uint32_t i = 0; i < s->gathers_n; i++) {
        g = s->gathers[i];
        if (g->n == 0) {
            spare = g;
        } else if (g->job == job && g->owner == owner && g->link == link) {
            return g;
        }
    }
    if (!spare && s->gathers_n < SLOTS_GATHERS) {
        spare = calloc(1, sizeof *spare);
        if (!spare) return NULL;
        co_buf_init(&spare->body, BODY_BYTES_MAX);
        s->gathers[s->gathers_n++] = spare;
    } else if (!spare) {
        spare = s->gathers[job % SLOTS_GATHERS];
        seal(s, spare);
    }
    spare->job = job;
    spare->owner = owner;
    spare->link = link;
    return spare;
}

enum co_err
slots_gather(struct slots *s, uint32_t index, enum task_status status,
             const void *payload, size_t len, uint64_t run_ns)
{
    static const char big[] = "RANGE: result larger than a message body";
    struct held *h = &s->pool[index];
    struct gather *g = gather_for(s, h->job, h->intake->owner, h->link);

    if (!g) return CO_NOMEM;
    if (len > s->links[h->link].body_max) {
        status = STATUS_FAILED;
        payload = big;
        len = sizeof big - 1;
    }
    if (g->n > 0 && g->body.len + len > SLOTS_RESULT_BYTES) {
        seal(s, g);
    }
    co_buf_append(&g->body, payload, len);
    if (g->body.err) { /* what was gathered before stays whole */
        g->body.err = CO_OK;
        return CO_NOMEM;
    }
    g->index[g->n] = index;
    g->status[g->n] = status;
    g->len[g->n++] = (uint32_t)len;
    g->run_ns += run_ns;
    slots_held_apply(s, index, SLOTS_EV_FINISH);
    slots_intake_unref(h->intake);
    h->intake = NULL;
    if (g->n == SLOTS_RESULT_TASKS) seal(s, g);
    return CO_OK;
}

/* -- sending ------------------------------------------------------------- */
/* One value when all are the same. */
static struct msg_u32s
one_or_n(const uint32_t *v, uint32_t n)
{
    uint32_t i = 1;

    while (i < n && v[i] == v[0]) {
        i++;
    }
    return (struct msg_u32s){v, i == n ? 1 : n};
}

static void
push_result(struct slots *s, struct result *r, struct co_bytes body,
            struct outbox *out)
{
    for (uint32_t i = 0; i < r->n; i++) {
        const struct held *h = &s->pool[r->data[i]];

        s->words_a[i] = h->task;
        s->halves_a[i] = h->attempt;
    }
    const struct msg m = {
        .type = MSG_results,
        .results = {.job = r->job,
                    .owner = r->owner,
                    .worker = s->config.incarnation,
                    .seq = r->seq,
                    .tasks = {s->words_a, r->n},
                    .attempts = one_or_n(s->halves_a, r->n),
                    .statuses = one_or_n(r->data + r->n, r->n),
                    .lens = one_or_n(r->data + (size_t)2 * r->n, r->n),
                    .fingerprint = s->config.fingerprint,
                    .run_us = r->run_us},
    };
    outbox_push(out, SLOTS_SIDE, r->link, &m, body);
    s->counters.sent++;
    if (r->sends++) s->counters.resent++;
    r->sent_us = s->now_us;
    result_apply(s, r, RESULT_EV_SEND);
}

static bool
any_link_up(const struct slots *s)
{
    for (uint32_t i = 0; i < s->config.links; i++) {
        if (s->links[i].state == LINK_UP) return true;
    }
    return false;
}

/* At most a burst a turn, so that sending again what piled up while a broker
 * was away does not keep beats waiting. */
void
slots_push_results(struct slots *s, int64_t now_us, struct outbox *out)
{
    size_t bytes = 0, messages = 0;

    s->now_us = now_us;
    if (!any_link_up(s)) return;
    for (unsigned k = 0; k < 2; k++) {
        struct result *r = TAILQ_FIRST(&s->results[RESULT_PENDING][k]), *next;

        for (; r && bytes < SLOTS_BURST_BYTES && messages < BURST_MESSAGES;
             r = next) {
            struct co_bytes body;

            next = TAILQ_NEXT(r, entry);
            if (s->links[r->link].state != LINK_UP) continue;
            bytes += r->body_bytes;
            messages++;
            if (fetch_body(s, r, &body)) push_result(s, r, body, out);
        }
    }
}

/* -- what brokers say about results -------------------------------------- */
void
slots_on_ack(struct slots *s, const struct msg_ack *a)
{
    if (a->worker != s->config.incarnation) {
        s->counters.bad++;
        return;
    }
    for (uint32_t i = 0; i < a->seqs.n; i++) {
        struct result *r = *result_slot(s, a->seqs.v[i]);

        if (!r || r->job != a->job) {
            s->counters.ack_unknown++;
            continue;
        }
        s->counters.acked++;
        result_remove(s, r, SLOTS_EV_ACK);
    }
}

/* Calls for each kept batch in turn; f may remove the one it gets. */
static void
each_result(struct slots *s,
            void (*f)(struct slots *s, struct result *r, uint64_t arg,
                      uint32_t link),
            uint64_t arg, uint32_t link)
{
    struct result *r, *next, *last;

    for (unsigned i = 0; i < 2 * RESULT_STATE_COUNT; i++) {
        struct result_list *list = &s->results[i / 2][i % 2];

        /* Stop at what was last then: f may append to the list it walks. */
        last = TAILQ_LAST(list, result_list);
        for (r = TAILQ_FIRST(list); r; r = next) {
            bool end = r == last;

            next = end ? NULL : TAILQ_NEXT(r, entry);
            f(s, r, arg, link);
        }
    }
}

static void
wait_for_owner(struct slots *s, struct result *r, uint64_t job, uint32_t link)
{
    if (r->link != link || r->job != job || r->state != RESULT_SENT) return;
    s->counters.no_owner++;
    if (CO_BUG(no_owner_drops)) {
        result_remove(s, r, SLOTS_EV_ACK);
    } else {
        result_apply(s, r, RESULT_EV_NO_OWNER);
    }
}

void
slots_on_no_owner(struct slots *s, uint32_t link, const struct msg_no_owner *n)
{
    if (n->seqs.n == 0) each_result(s, wait_for_owner, n->job, link);
    for (uint32_t i = 0; i < n->seqs.n; i++) {
        struct result *r = *result_slot(s, n->seqs.v[i]);

        if (r) wait_for_owner(s, r, n->job, link);
    }
}

static void
again(struct slots *s, struct result *r, uint64_t job, uint32_t link)
{
    if (r->link != link || (job && r->job != job)) return;
    result_apply(s, r, RESULT_EV_AGAIN);
}

void
slots_send_again(struct slots *s, uint32_t link, uint64_t job)
{
    each_result(s, again, job, link);
}

void
slots_send_result_again(struct slots *s, struct result *r, uint32_t link)
{
    r->link = (uint8_t)link;
    result_apply(s, r, RESULT_EV_AGAIN);
}

static void
forget(struct slots *s, struct result *r, uint64_t job, uint32_t link)
{
    (void)link;
    if (job && r->job != job) return;
    s->counters.forgotten += r->n;
    result_remove(s, r, SLOTS_EV_DROP);
}

void
slots_forget_results(struct slots *s, uint64_t job)
{
    slots_seal_all(s);
    each_result(s, forget, job, 0);
}

/* Old bodies to disk; what was sent long ago is sent again, and of what waits
 * for an owner one batch now and then, in case OWNER_ATTACHED was lost. */
void
slots_results_tick(struct slots *s, int64_t now_us)
{
    static const uint8_t kept[] = {RESULT_WAITING, RESULT_SENT};

    s->now_us = now_us;
    for (unsigned i = 0; i < co_countof(kept); i++) {
        struct result *r = TAILQ_FIRST(&s->results[kept[i]][0]);

        if (r && now_us - r->born_us >= s->config.result_age_us &&
            may_spill(s)) {
            (void)spill_one(s, r);
        }
        for (unsigned k = 0; k < 2; k++) {
            r = TAILQ_FIRST(&s->results[kept[i]][k]);
            if (r && now_us - r->sent_us >= SLOTS_RESEND_US) {
                result_apply(s, r, RESULT_EV_AGAIN);
            }
        }
    }
    if (s->full) relieve_memory(s);
}
