/* swarm_owner.c - see swarm.h: publishes at a rate and measures. */
#include "bench/swarm.h"
#include "common/clock.h"
#include "common/hash.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    BEAT_MS = 1000,
    HELLO_MS = 200, /* HELLO again until WELCOME */
    DEAD_MS = 5000,
    READ_MAX = 256,
    LATE_MS = 10000, /* for results after the last task */
};

enum { OWNER_NUMBER = 1 };

static void
say(struct swarm_owner *o, const struct msg *m, struct co_bytes body)
{
    outbox_push(&o->out, 0, 0, m, body);
}

static void
send_all(struct swarm_owner *o)
{
    for (size_t i = 0; i < o->out.n; i++) {
        struct outmsg *m = &o->out.v[i];

        enum co_err err = sock_send(o->sock, 0, m->head, m->body);

        if (err) o->unsent++; /* HELLO comes again */
        m->head = m->body = (struct co_bytes){0};
    }
    outbox_clear(&o->out);
}

static void
say_hello(struct swarm_owner *o)
{
    const struct msg m = {.type = MSG_hello,
                          .hello = {.version = PROTO_VERSION,
                                    .role = ROLE_COORDINATOR,
                                    .incarnation = 1 + (uint64_t)SWARM_JOB,
                                    .name = msg_text("swarm-owner")}};

    o->attached = false;
    o->said_ms = co_clock_ms();
    say(o, &m, (struct co_bytes){0});
}

static void
say_attach(struct swarm_owner *o)
{
    const struct msg m = {.type = MSG_attach,
                          .attach = {.job = SWARM_JOB,
                                     .owner = OWNER_NUMBER,
                                     .service = msg_text(SWARM_SERVICE),
                                     .name = msg_text("swarm")}};

    say(o, &m, (struct co_bytes){0});
}

static void
on_results(struct swarm_owner *o, const struct msg_results *r,
           struct co_bytes body)
{
    int64_t now = swarm_now_ns();
    const struct msg ack = {.type = MSG_ack,
                            .ack = {.job = SWARM_JOB,
                                    .owner = OWNER_NUMBER,
                                    .worker = r->worker,
                                    .seqs = {&r->seq, 1}}};

    for (uint32_t i = 0; i < r->tasks.n; i++) {
        int64_t times[2];

        if (body.len < (i + 1) * sizeof times) break;
        memcpy(times, body.data + i * sizeof times, sizeof times);
        co_stats_add(&o->to_worker, (uint64_t)(times[1] - times[0]) / 1000);
        co_stats_add(&o->to_result, (uint64_t)(now - times[0]) / 1000);
        o->results++;
    }
    say(o, &ack, (struct co_bytes){0});
}

static void
on_message(struct swarm_owner *o, const struct msg *m, struct co_bytes body)
{
    const struct msg answer = {
        .type = MSG_reclaimed,
        .reclaimed = {.service = msg_text(SWARM_SERVICE), .job = SWARM_JOB}};

    o->heard_ms = co_clock_ms();
    switch (m->type) {
    case MSG_welcome:
        o->broker = m->welcome.incarnation;
        say_attach(o);
        break;
    case MSG_attached:
        o->attached = true;
        o->granted = o->used = 0;
        break;
    case MSG_credit:
        o->granted = m->credit.granted;
        break;
    case MSG_reclaim: /* this owner keeps its grants */
        say(o, &answer, (struct co_bytes){0});
        break;
    case MSG_results:
        on_results(o, &m->results, body);
        break;
    case MSG_lost:
        o->lost += m->lost.tasks.n;
        break;
    case MSG_returned:
        o->returned += m->returned.tasks.n;
        break;
    case MSG_who:
        say_hello(o);
        break;
    default: /* BEAT, HAVE and what else there is change nothing here */
        break;
    }
}

static void
tick(struct swarm_owner *o)
{
    const struct msg beat = {.type = MSG_beat};
    int64_t now_ms = co_clock_ms();

    if (o->attached && now_ms - o->heard_ms > DEAD_MS) o->attached = false;
    if (!o->attached && now_ms - o->said_ms >= HELLO_MS) say_hello(o);
    if (o->attached && now_ms - o->said_ms >= BEAT_MS) {
        o->said_ms = now_ms;
        say(o, &beat, (struct co_bytes){0});
    }
}

static void
read_some(struct swarm_owner *o)
{
    struct co_bytes head, body;
    uint64_t peer;
    struct msg m;

    for (int i = 0; i < READ_MAX; i++) {
        if (sock_recv(o->sock, &peer, &head, &body)) return;
        if (!msg_decode(&o->reader, head.data, head.len, &m)) {
            on_message(o, &m, body);
        }
        co_bytes_unref(&head);
        co_bytes_unref(&body);
    }
}

void
swarm_owner_turn(struct swarm_owner *o, long wait_ms)
{
    zmq_pollitem_t item = {sock_handle(o->sock), 0, ZMQ_POLLIN, 0};

    (void)zmq_poll(&item, 1, wait_ms);
    read_some(o);
    tick(o);
    send_all(o);
}

static void
publish(struct swarm_owner *o)
{
    const uint32_t attempt = 1;
    const uint32_t len = sizeof(int64_t);
    int64_t now = swarm_now_ns();
    struct co_bytes body;
    struct msg m = {.type = MSG_tasks,
                    .tasks = {.job = SWARM_JOB,
                              .owner = OWNER_NUMBER,
                              .service = msg_text(SWARM_SERVICE),
                              .attempts = {&attempt, 1},
                              .lens = {&len, 1}}};

    if (o->used == o->granted) {
        o->starved++;
        return;
    }
    if (co_bytes_copy(&now, sizeof now, &body)) return;
    o->task++;
    o->used++;
    m.tasks.tasks = (struct msg_u64s){&o->task, 1};
    say(o, &m, body);
}

void
swarm_owner_pace(struct swarm_owner *o, uint64_t rate, int64_t ms)
{
    int64_t began_us = co_clock_us();
    uint64_t first = o->task;
    uint64_t answered = o->results;
    uint64_t due = 0;

    for (int64_t us = 0; us < ms * 1000; us = co_clock_us() - began_us) {
        for (; due < (uint64_t)us * rate / 1000000; due++) {
            publish(o);
        }
        swarm_owner_turn(o, 1);
    }
    while (o->results - answered < o->task - first &&
           co_clock_us() - began_us < (ms + LATE_MS) * 1000) {
        swarm_owner_turn(o, 10);
    }
}

enum co_err
swarm_owner_new(void *zmq, const char *front, const struct keyring *ring,
                struct swarm_owner **ret_owner, struct co_diag *diag)
{
    struct swarm_owner *o = calloc(1, sizeof *o);
    struct sock_keys keys;
    enum co_err err;

    if (!o) return CO_NOMEM;
    outbox_init(&o->out);
    err = sock_connect(zmq, front, keyring_connect(ring, 0, &keys), diag,
                       &o->sock);
    if (err) {
        swarm_owner_free(o);
        return err;
    }
    *ret_owner = o;
    return CO_OK;
}

void
swarm_owner_free(struct swarm_owner *o)
{
    if (!o) return;
    sock_free(o->sock);
    outbox_fini(&o->out);
    free(o);
}
