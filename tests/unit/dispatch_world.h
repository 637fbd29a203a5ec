/* dispatch_world.h - a dispatch core with hand-made peers around it, for the
 * tests of broker/. Messages are really encoded and decoded. Every step ends
 * with dispatch_check, so that each test also tests the invariants. */
#pragma once
#include "broker/dispatch.h"
#include "tests/co_test.h"

#include <stdlib.h>
#include <string.h>

enum { FRONT = SIDE_FRONT, BACK = SIDE_BACK };
enum { JOB = 77, OWNER = 5, FP = 0xf1, BOSS = 1, W1 = 11, W2 = 12 };

struct world {
    struct dispatch *d;
    struct dispatch_limits limits;
    struct outbox out;
    int64_t now;
    size_t read; /* messages of out that were looked at */
    struct msg_reader reader;
    struct msg got; /* the last message that expect() found */
    uint64_t words[BATCH_MAX];
    uint64_t granted[256]; /* to each worker, by handle */
    uint64_t key;          /* that messages come with; 0: none */
};

co_unused static void
world_check(const struct world *w)
{
    const char *bad = dispatch_check(w->d);

    if (bad) fail_msg("broken: %s", bad);
    assert_int_equal(w->out.err, CO_OK);
}

co_unused static void
world_new_with(struct world *w, struct dispatch_limits limits)
{
    memset(w, 0, sizeof *w);
    outbox_init(&w->out);
    w->now = 1000;
    w->limits = limits;
    assert_int_equal(dispatch_new(&limits, 999, "b", w->now, &w->d), CO_OK);
}

co_unused static int
world_setup(void **state)
{
    struct world *w = malloc(sizeof *w);

    world_new_with(w, dispatch_limits_default());
    *state = w;
    return 0;
}

co_unused static int
world_teardown(void **state)
{
    struct world *w = *state;

    dispatch_free(w->d);
    outbox_fini(&w->out);
    free(w);
    return 0;
}

/* Peer sends m with a body of len bytes; the core then runs. */
co_unused static void
sends_body(struct world *w, int side, uint64_t peer, const struct msg *m,
           const void *body, size_t len)
{
    struct co_bytes head;
    struct co_bytes bytes = {0};
    struct co_buf buf;
    struct msg decoded;

    co_buf_init(&buf, HEAD_BYTES_MAX);
    msg_encode(m, &buf);
    assert_int_equal(co_bytes_copy(buf.data, buf.len, &head), CO_OK);
    co_buf_fini(&buf);
    if (len) assert_int_equal(co_bytes_copy(body, len, &bytes), CO_OK);
    assert_int_equal(msg_decode(&w->reader, head.data, head.len, &decoded),
                     CO_OK);
    dispatch_on_message_of(w->d, w->key, (enum side)side, peer, &decoded, head,
                           bytes, w->now, &w->out);
    world_check(w);
    dispatch_run(w->d, w->now, &w->out);
    world_check(w);
}

co_unused static void
sends(struct world *w, int side, uint64_t peer, struct msg m)
{
    sends_body(w, side, peer, &m, NULL, 0);
}

/* Time passes in steps of a tick; peers that are named send BEATs. */
co_unused static void
passes(struct world *w, int64_t ms)
{
    int64_t end = w->now + ms;

    while (w->now < end) {
        w->now += DISPATCH_TICK_MS;
        dispatch_tick(w->d, w->now, &w->out);
        dispatch_run(w->d, w->now, &w->out);
        world_check(w);
    }
}

/* The next message of that type to that peer; others before it are skipped.
 * NULL: there is none. */
co_unused static const struct msg *
finds(struct world *w, int side, uint64_t peer, enum msg_type type)
{
    for (size_t i = w->read; i < w->out.n; i++) {
        struct outmsg *o = &w->out.v[i];

        if (o->side != side || o->peer != peer) continue;
        assert_int_equal(
            msg_decode(&w->reader, o->head.data, o->head.len, &w->got), CO_OK);
        if (w->got.type != type) continue;
        w->read = i + 1;
        return &w->got;
    }
    return NULL;
}

co_unused static const struct msg *
expect(struct world *w, int side, uint64_t peer, enum msg_type type)
{
    const struct msg *m = finds(w, side, peer, type);

    if (!m) fail_msg("no %s for peer %d", msg_name(type), (int)peer);
    return m;
}

co_unused static void
expect_none(struct world *w, int side, uint64_t peer, enum msg_type type)
{
    if (finds(w, side, peer, type)) fail_msg("unexpected %s", msg_name(type));
}

/* Forgets what was sent so far. */
co_unused static void
forget_past(struct world *w)
{
    outbox_clear(&w->out);
    w->read = 0;
}

/* Tasks sent to a peer since forget_past. */
co_unused static uint32_t
tasks_sent(struct world *w, uint64_t peer)
{
    uint32_t n = 0;

    for (size_t i = 0; i < w->out.n; i++) {
        struct outmsg *o = &w->out.v[i];
        struct msg m;

        if (o->side != BACK || o->peer != peer) continue;
        assert_int_equal(msg_decode(&w->reader, o->head.data, o->head.len, &m),
                         CO_OK);
        if (m.type != MSG_tasks) continue;
        assert_int_equal(msg_check_tasks(&m.tasks, o->body.len), CO_OK);
        n += m.tasks.tasks.n;
    }
    return n;
}

co_unused static void
expect_refused(struct world *w, int side, uint64_t peer, const char *code)
{
    const struct msg *m = expect(w, side, peer, MSG_refused);

    assert_true(msg_str_is(m->refused.code, code));
}

/* ---- peers --------------------------------------------------------------- */

co_unused static void
hello(struct world *w, int side, uint64_t peer, uint32_t held)
{
    sends(w, side, peer,
          (struct msg){
              .type = MSG_hello,
              .hello = {.version = PROTO_VERSION,
                        .role = side == FRONT ? ROLE_COORDINATOR : ROLE_WORKER,
                        .incarnation = 1000 + peer,
                        .name = msg_text("p"),
                        .fingerprint = FP,
                        .held_count = held}});
}

/* Grants n more tasks. */
co_unused static void
grants(struct world *w, uint64_t worker, const char *service, uint64_t n)
{
    w->granted[worker] += n;
    sends(w, BACK, worker,
          (struct msg){.type = MSG_credit,
                       .credit = {.service = msg_text(service),
                                  .granted = w->granted[worker]}});
}

co_unused static void
given_worker(struct world *w, uint64_t worker, uint64_t credit)
{
    w->granted[worker] = 0;
    hello(w, BACK, worker, 0);
    if (credit) grants(w, worker, "noop", credit);
}

co_unused static void
attaches(struct world *w, uint64_t peer, uint64_t job, uint32_t owner,
         uint32_t priority)
{
    sends(w, FRONT, peer,
          (struct msg){.type = MSG_attach,
                       .attach = {.job = job,
                                  .owner = owner,
                                  .service = msg_text("noop"),
                                  .priority = priority}});
}

co_unused static void
given_owner(struct world *w)
{
    hello(w, FRONT, BOSS, 0);
    attaches(w, BOSS, JOB, OWNER, PRIORITY_MEDIUM);
}

/* Tasks first .. first + n - 1 of 8 bytes each, holding their own id. */
co_unused static struct msg
tasks_msg(struct world *w, uint64_t job, uint64_t first, uint32_t n)
{
    static const uint32_t one = 1;
    static const uint32_t eight = 8;

    for (uint32_t i = 0; i < n; i++) {
        w->words[i] = first + i;
    }
    return (struct msg){.type = MSG_tasks,
                        .tasks = {.job = job,
                                  .owner = OWNER,
                                  .service = msg_text("noop"),
                                  .tasks = {w->words, n},
                                  .attempts = {&one, 1},
                                  .lens = {&eight, 1}}};
}

co_unused static void
publishes_as(struct world *w, uint64_t peer, struct msg m)
{
    size_t len = m.tasks.lens.v[0] * (size_t)m.tasks.tasks.n;
    uint64_t *body = malloc(len + 8);

    for (uint32_t i = 0; i < m.tasks.tasks.n; i++) {
        body[i] = m.tasks.tasks.v[i];
    }
    sends_body(w, FRONT, peer, &m, body, len);
    free(body);
}

co_unused static void
publishes(struct world *w, uint64_t first, uint32_t n)
{
    publishes_as(w, BOSS, tasks_msg(w, JOB, first, n));
}

/* worker reports tasks first .. first + n - 1 as done, in one batch. */
co_unused static void
finishes(struct world *w, uint64_t worker, uint64_t seq, uint64_t first,
         uint32_t n, uint32_t attempt)
{
    static const uint32_t zero = 0;

    for (uint32_t i = 0; i < n; i++) {
        w->words[i] = first + i;
    }
    sends(w, BACK, worker,
          (struct msg){.type = MSG_results,
                       .results = {.job = JOB,
                                   .owner = OWNER,
                                   .worker = 1000 + worker,
                                   .seq = seq,
                                   .tasks = {w->words, n},
                                   .attempts = {&attempt, 1},
                                   .statuses = {&zero, 1},
                                   .lens = {&zero, 1}}});
}

co_unused static void
beats(struct world *w, int side, uint64_t peer, uint32_t count, uint64_t hash)
{
    sends(w, side, peer,
          (struct msg){.type = MSG_beat,
                       .beat = {.held_count = count, .held_hash = hash}});
}
