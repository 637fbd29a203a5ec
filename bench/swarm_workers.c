/* swarm_workers.c - see swarm.h: many workers in one process and loop. */
#include "bench/swarm.h"
#include "common/clock.h"
#include "common/hash.h"
#include "worker/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

enum {
    TURN_MS = 20, /* between looks at what is due */
    GREET_US = 1000 * 1000,
    TASK_NS = 2 * 1000 * 1000, /* said of each: a worker asks for one ahead */
    HELD_MAX = 256,
    EVENTS = 256,
    UNWELCOME_EVERY = 50, /* turns */
};

struct one {
    struct slots *slots;
    struct sock *sock;
    struct outbox out;
    int64_t greet_us; /* a HELLO found no connection then; 0: none did */
    struct slots_counters told;
};

struct swarm {
    void *zmq;
    struct one *v;
    uint32_t first, n;
    int epoll;
    struct msg_reader reader;
    struct swarm_shared *shared;
};

int64_t
swarm_now_ns(void)
{
    return co_clock_us() * 1000;
}

/* ---- one worker ---------------------------------------------------------- */

/* Adds what a counter grew by since the last look. */
static void
tell(_Atomic uint64_t *sum, uint64_t now, uint64_t before)
{
    if (now != before) atomic_fetch_add(sum, now - before);
}

static void
tell_counters(struct swarm *s, struct one *w)
{
    struct slots_stats stats;

    slots_get_stats(w->slots, &stats);
#define TELL(field, counter)                                                   \
    tell(&s->shared->field, stats.counters.counter, w->told.counter)
    TELL(tasks, tasks);
    TELL(duplicates, duplicates);
    TELL(who, who);
    TELL(silences, silences);
    TELL(refused, refusals);
    TELL(welcomes, welcomes);
#undef TELL
    w->told = stats.counters;
}

/* As worker_shell_io.c: what cannot be sent waits while the broker is believed
 * to live, a HELLO for a connection. */
static void
send_all(struct one *w, int64_t now_us)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->out.n; i++) {
        struct outmsg m = w->out.v[i];

        if (!kept &&
            sock_send(w->sock, 0, co_bytes_ref(m.head), co_bytes_ref(m.body))) {
            if (!slots_link_up(w->slots, 0)) {
                w->greet_us = now_us;
            } else {
                w->out.v[kept++] = m;
                continue;
            }
        } else if (kept) {
            w->out.v[kept++] = m;
            continue;
        }
        co_bytes_unref(&m.head);
        co_bytes_unref(&m.body);
    }
    w->out.n = kept;
}

/* The times: of the owner's sending, from the task, and of now. */
static void
answer_tasks(struct one *w, int64_t now_us)
{
    struct slots_task task;

    while (slots_next(w->slots, now_us, &task)) {
        int64_t times[2] = {0, swarm_now_ns()};

        if (task.payload_bytes >= sizeof times[0]) {
            memcpy(times, task.payload, sizeof times[0]);
        }
        (void)slots_done(w->slots, task.ref, STATUS_OK, times, sizeof times,
                         TASK_NS);
    }
}

static void
read_all(struct swarm *s, struct one *w, int64_t now_us)
{
    struct co_bytes head, body;
    uint64_t peer;
    struct msg m;

    while (!sock_recv(w->sock, &peer, &head, &body)) {
        if (!msg_decode(&s->reader, head.data, head.len, &m)) {
            if (m.type == MSG_welcome) {
                atomic_store(&s->shared->greeter[s->first + (w - s->v)],
                             m.welcome.incarnation);
            }
            slots_on_message(w->slots, 0, &m, body, now_us, &w->out);
        }
        co_bytes_unref(&head);
        co_bytes_unref(&body);
    }
}

/* Descriptors of libzmq tell of changes only: go on while there is anything. */
static void
turn(struct swarm *s, struct one *w, bool woken)
{
    int64_t now_us = co_clock_us();
    bool due = slots_deadline(w->slots) <= now_us;

    if (w->greet_us && (woken || now_us - w->greet_us >= GREET_US)) {
        w->greet_us = 0;
        slots_connect(w->slots, 0, now_us, &w->out);
    }
    if (due) slots_tick(w->slots, now_us, &w->out);
    do {
        read_all(s, w, now_us);
        answer_tasks(w, now_us);
        slots_flush(w->slots, now_us, &w->out);
        send_all(w, now_us);
    } while (sock_ready(w->sock));
    tell_counters(s, w);
}

/* ---- all of them --------------------------------------------------------- */

static enum co_err
one_open(struct swarm *s, uint32_t i, const char *back,
         const struct keyring *ring, struct co_diag *diag)
{
    static const struct slots_service service = {.name = SWARM_SERVICE,
                                                 .hint_ns = TASK_NS};
    struct one *w = &s->v[i];
    struct sock_keys keys;
    char name[32];
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = i}};
    struct slots_config config = {.incarnation = co_random_u64(),
                                  .name = name,
                                  .software = "swarm",
                                  .services = &service,
                                  .n_services = 1,
                                  .links = 1,
                                  .slots = 1,
                                  .held_max = HELD_MAX};
    enum co_err err;

    (void)snprintf(name, sizeof name, "swarm-%u", s->first + i);
    config.name = strdup(name); /* as long as the core; the process ends */
    outbox_init(&w->out);
    err = slots_new(&config, &w->slots);
    if (!err) {
        err = sock_connect(s->zmq, back, keyring_connect(ring, 0, &keys), diag,
                           &w->sock);
    }
    if (err) return err;
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, sock_fd(w->sock), &event) != 0) {
        return co_fail(diag, CO_IO, "epoll: worker %u", s->first + i);
    }
    slots_connect(w->slots, 0, co_clock_us(), &w->out);
    turn(s, w, false);
    return CO_OK;
}

static bool
is_due(const struct one *w, int64_t now_us)
{
    return slots_deadline(w->slots) <= now_us || w->out.n ||
           (w->greet_us && now_us - w->greet_us >= GREET_US);
}

static void
serve(struct swarm *s)
{
    unsigned turns = 0;

    while (!atomic_load(&s->shared->stop)) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(s->epoll, events, EVENTS, TURN_MS);
        int64_t now_us = co_clock_us();

        for (int i = 0; i < n; i++) {
            turn(s, &s->v[events[i].data.u32], true);
        }
        if (n == EVENTS && ++turns % 8) continue; /* first who is awake */
        for (uint32_t i = 0; i < s->n; i++) {
            if (is_due(&s->v[i], now_us)) turn(s, &s->v[i], false);
        }
        if (++turns % UNWELCOME_EVERY) continue;
        for (uint32_t i = 0; i < s->n; i++) {
            atomic_fetch_add(&s->shared->handshakes,
                             sock_unwelcome(s->v[i].sock));
        }
    }
}

enum co_err
swarm_workers_run(uint32_t first, uint32_t n, const char *back,
                  const struct keyring *ring, struct swarm_shared *shared,
                  struct co_diag *diag)
{
    /* Large: it has a reader. */
    static struct swarm s;
    enum co_err err = CO_OK;

    s = (struct swarm){.first = first, .n = n, .shared = shared};
    s.zmq = zmq_ctx_new();
    s.v = calloc(n, sizeof *s.v);
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!s.zmq || !s.v || s.epoll < 0) return CO_NOMEM;
    (void)zmq_ctx_set(s.zmq, ZMQ_MAX_SOCKETS, (int)(3 * n) + 16);
    for (uint32_t i = 0; i < n && !err; i++) {
        err = one_open(&s, i, back, ring, diag);
    }
    if (!err) serve(&s);
    return err; /* the caller ends the process, and the kernel the rest */
}
