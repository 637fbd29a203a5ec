/* owner.c - see owner.h: sockets, clock, signals and descriptors around
 * owner_core. The order of a turn: wait; read; work; send. */
#include "coordinator/owner.h"

#include "common/clock.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/signals.h"
#include "coordinator/watch.h"
#include "proto/socket.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    TURN_MESSAGES_MAX = 256, /* from each broker, then the rest has its turn */
    DESCRIPTORS_MAX = 5,     /* journal, hosted job, Redis, signals, lifeline */
    WAIT_MAX_MS = 50,
    LOG_LIMIT_MS = 1000,
    UNWELCOME_US = 1000000,
    UNWELCOME_LOG_MS = 10000,
    LOOK_EVERY_TURNS = 16,
};

struct owner {
    const struct owner_options *opt;
    const struct hosted *hosted;
    struct watch *watch;
    void *zmq;
    struct sock *socks[ENGINE_LINKS_MAX];
    unsigned n_socks;
    struct owner_core *core;
    struct co_log_limit malformed_limit, unwelcome_limit;
    int64_t unwelcome_us; /* when was looked whether handshakes failed */
    bool busy;            /* the last turn read something from a broker */
    bool told_full;       /* that the disk is full */
    unsigned unlooked;    /* turns since the rest of the world was looked at */
    int64_t now_us;
};

/* ---- what is told ---- */

static const char *
endpoint(const struct owner *o, unsigned link)
{
    return sock_endpoint(o->socks[link]);
}

static void
say_lost(void *ctx, unsigned link)
{
    co_log(CO_LOG_WARN, "broker.lost", "endpoint=%s", endpoint(ctx, link));
}

static void
say_attached(void *ctx, unsigned link, uint32_t held)
{
    co_log(CO_LOG_INFO, "broker.attached", "endpoint=%s held=%u",
           endpoint(ctx, link), held);
}

static void
say_flooded(void *ctx, unsigned link, size_t messages, uint64_t bytes)
{
    co_log(CO_LOG_WARN, "broker.flood",
           "endpoint=%s messages=%zu bytes=%llu text=%s", endpoint(ctx, link),
           messages, (unsigned long long)bytes,
           "too much came before the journal was read; attaching again later");
}

static void
say_malformed(void *ctx, unsigned link, enum co_err err)
{
    struct owner *o = ctx;
    uint64_t more;

    if (co_log_every(&o->malformed_limit, o->now_us / 1000, LOG_LIMIT_MS,
                     &more)) {
        co_log(CO_LOG_WARN, "broker.malformed",
               "endpoint=%s error=%s more=%llu", endpoint(o, link),
               co_err_name(err), (unsigned long long)more);
    }
}

static void
say_odd(void *ctx, unsigned link, unsigned type)
{
    co_log(CO_LOG_WARN, "broker.odd_message", "endpoint=%s message=%s",
           endpoint(ctx, link), msg_name(type));
}

static void
say_full(struct owner *o)
{
    struct engine_status status;

    o->told_full = true;
    engine_status(o->core->engine, &status);
    co_log(CO_LOG_ERROR, "disk.full", "calls=%u text=%s", status.out,
           "waiting for the answers to calls that are out, then stopping");
    watch_state(o->watch, "stopping", "the disk is full");
}

/* Looks once a second. A broker that does not let us in says nothing: libzmq
 * tries again by itself, and this is all that people would see. */
static void
say_unwelcome(struct owner *o)
{
    uint64_t more;

    if (o->now_us - o->unwelcome_us < UNWELCOME_US) return;
    o->unwelcome_us = o->now_us;
    for (unsigned i = 0; i < o->n_socks; i++) {
        if (!sock_unwelcome(o->socks[i]) ||
            !co_log_every(&o->unwelcome_limit, o->now_us / 1000,
                          UNWELCOME_LOG_MS, &more)) {
            continue;
        }
        co_log(CO_LOG_WARN, "broker.unwelcome", "endpoint=%s text=%s",
               endpoint(o, i), co_log_quote(SOCK_UNWELCOME_TEXT).text);
    }
}

/* ---- making and freeing ---- */

static enum co_err
owner_connect(struct owner *o, struct co_diag *diag)
{
    const struct co_option_list *brokers = &o->opt->brokers;

    for (size_t i = 0; i < brokers->count; i++) {
        struct sock_keys keys;
        enum co_err err = sock_connect(
            o->zmq, brokers->items[i],
            o->opt->keys ? keyring_connect(o->opt->keys, i, &keys) : NULL, diag,
            &o->socks[i]);

        if (err) return err;
        o->n_socks++;
    }
    return CO_OK;
}

static enum co_err
owner_make_core(struct owner *o)
{
    const struct owner_options *opt = o->opt;
    const struct job_kind *kind = o->hosted->kind;
    struct owner_core_options options = {
        .self = {.incarnation = co_random_u64(),
                 .name = opt->job_name,
                 .software = CO_PROGRAM,
                 .job = opt->job,
                 .owner = opt->number,
                 .job_name = opt->job_name,
                 .service = kind->service(o->hosted->state),
                 .priority = opt->priority,
                 .fingerprint = opt->fingerprint},
        .journal_dir = opt->journal_dir,
        .fresh = opt->fresh,
        .recipe = opt->recipe,
        .provider = opt->provider,
        .batch = opt->batch,
        .window = opt->window,
        .segment_bytes = opt->segment_bytes,
        .links = (unsigned)opt->brokers.count,
        .letters = opt->letters,
        .wall_ms = co_clock_wall_ms() - co_clock_us() / 1000,
        .wait_ms = opt->wait_ms,
        .run_ms = opt->run_ms,
        .total_ms = opt->total_ms,
        .stall_ms = opt->stall_ms,
        .call_total_ms = opt->call_total_ms,
        .observer = {.ctx = o,
                     .lost = say_lost,
                     .attached = say_attached,
                     .flooded = say_flooded,
                     .malformed = say_malformed,
                     .odd = say_odd}};

    return owner_core_new(&options, o->hosted, &o->core);
}

enum co_err
owner_new(const struct owner_options *options, const struct hosted *hosted,
          struct watch *watch, struct owner **ret_owner, struct co_diag *diag)
{
    co_auto(owner_freep) struct owner *o = calloc(1, sizeof *o);
    size_t brokers = options->brokers.count;
    enum co_err err;

    if (brokers == 0 || brokers > ENGINE_LINKS_MAX) {
        return co_fail(diag, CO_USAGE,
                       "%zu brokers given: 1 to %d are possible", brokers,
                       ENGINE_LINKS_MAX);
    }
    if (!o) return co_fail(diag, CO_NOMEM, "out of memory");
    o->opt = options;
    o->hosted = hosted;
    o->watch = watch;
    o->now_us = co_clock_us();
    o->zmq = zmq_ctx_new();
    if (!o->zmq || owner_make_core(o)) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    err = owner_connect(o, diag);
    if (err) return err;
    *ret_owner = co_take(&o);
    return CO_OK;
}

void
owner_free(struct owner *o)
{
    if (!o) return;
    watch_engine_gone(o->watch);
    owner_core_free(o->core);
    for (unsigned i = 0; i < o->n_socks; i++) {
        sock_free(o->socks[i]);
    }
    if (o->zmq) (void)zmq_ctx_term(o->zmq);
    free(o);
}

const struct engine *
owner_engine(const struct owner *o)
{
    return o->core->engine;
}

/* ---- sending and reading ---- */

static void
owner_send(struct owner *o)
{
    struct outbox *out = &o->core->out;

    owner_core_output(o->core);
    for (size_t i = 0; i < out->n; i++) {
        struct outmsg *m = &out->v[i];
        unsigned link = (unsigned)m->peer;
        struct co_bytes head = co_bytes_ref(m->head);

        if (sock_send(o->socks[link], 0, m->head, m->body)) {
            owner_core_unsent(o->core, link, head, o->now_us);
        }
        m->head = m->body = (struct co_bytes){0};
        co_bytes_unref(&head);
    }
    out->n = 0;
}

/* At most TURN_MESSAGES_MAX, and no more than the journal can take. Whether
 * there was anything. */
static bool
owner_read_link(struct owner *o, unsigned link)
{
    struct co_bytes head;
    struct co_bytes body;
    uint64_t peer;
    int n = 0;

    while (n < TURN_MESSAGES_MAX && owner_core_has_room(o->core) &&
           !sock_recv(o->socks[link], &peer, &head, &body)) {
        n++;
        owner_core_receive(o->core, link, head, body, o->now_us);
        co_bytes_unref(&head);
        co_bytes_unref(&body);
    }
    return n > 0;
}

static bool
owner_read(struct owner *o)
{
    bool any = false;

    for (unsigned i = 0; i < o->n_socks; i++) {
        any |= owner_read_link(o, i);
    }
    return any;
}

/* ---- waiting ---- */

static void
owner_stop(struct owner *o, const char *why)
{
    int64_t patience_ms =
        o->hosted->kind->paid ? OWNER_STOP_PAID_MS : OWNER_STOP_MS;

    if (o->core->stopping) return;
    owner_core_stop(o->core, o->now_us + patience_ms * 1000);
    watch_state(o->watch, "stopping", why);
}

/* The descriptors beside the brokers' sockets; -1: none. */
static int
owner_descriptors(const struct owner *o, zmq_pollitem_t *items)
{
    const struct journal *journal = o->core->journal;
    const int fds[] = {
        journal ? journal_fd(journal) : -1,
        o->hosted->fd ? o->hosted->fd(o->hosted->self) : -1,
        watch_fd(o->watch),
        o->opt->signal_fd,
        o->opt->lifeline_fd,
    };
    int n = 0;

    for (size_t i = 0; i < co_countof(fds); i++) {
        if (fds[i] >= 0) items[n++].fd = fds[i];
    }
    return n;
}

static void
owner_wait(struct owner *o)
{
    zmq_pollitem_t items[DESCRIPTORS_MAX + ENGINE_LINKS_MAX] = {{0}};
    int64_t due_us = engine_due_us(o->core->engine) - o->now_us;
    long wait_ms = WAIT_MAX_MS;
    int n = owner_descriptors(o, items);

    if (due_us < (int64_t)WAIT_MAX_MS * 1000) {
        wait_ms = due_us <= 0 ? 0 : (long)((due_us + 999) / 1000);
    }
    /* With no room for results the journal wakes us, not the brokers. */
    owner_core_measure_room(o->core);
    if (owner_core_has_room(o->core)) {
        for (unsigned i = 0; i < o->n_socks; i++) {
            items[n++].socket = sock_handle(o->socks[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        items[i].events = ZMQ_POLLIN;
    }
    (void)zmq_poll(items, n, wait_ms);
    o->now_us = co_clock_us();
    say_unwelcome(o);
}

static void
owner_read_outside(struct owner *o)
{
    int signal = 0;

    while (o->opt->signal_fd >= 0 &&
           (signal = co_signals_next(o->opt->signal_fd)) != 0) {
        if (signal == SIGTERM || signal == SIGINT) {
            owner_stop(o, "told to stop");
        }
    }
    if (co_lifeline_cut(o->opt->lifeline_fd)) {
        owner_stop(o, "the command that started this is gone");
        owner_core_stop(o->core, o->now_us);
    }
}

/* After a turn that read something there is probably more: polling, which is
 * a dozen system calls, and the world outside have to wait a few turns.
 * Whoever else is runnable goes first: what it sends meanwhile is read in one
 * turn, which saves wake-ups when processes outnumber cores. */
static void
owner_look(struct owner *o)
{
    (void)sched_yield();
    if (o->busy && ++o->unlooked < LOOK_EVERY_TURNS) {
        owner_core_measure_room(o->core);
        o->now_us = co_clock_us();
        return;
    }
    o->unlooked = 0;
    owner_wait(o);
    owner_read_outside(o);
}

/* ---- the loop ---- */

static enum co_err
owner_turn(struct owner *o, struct co_diag *diag)
{
    enum co_err err;

    owner_look(o);
    o->busy = owner_read(o);
    err = owner_core_work(o->core, o->now_us, diag);
    if (err) return err;
    if (o->core->full && !o->told_full) say_full(o);
    watch_tick(o->watch, o->now_us);
    owner_send(o);
    return CO_OK;
}

static void
owner_attach(struct owner *o)
{
    int64_t until_us = o->now_us + (int64_t)OWNER_ATTACH_MS * 1000;

    while (!owner_core_attached(o->core) && o->now_us < until_us &&
           !o->core->stopping && !o->core->stale) {
        owner_core_greet(o->core, o->now_us);
        owner_send(o);
        owner_wait(o);
        owner_read_outside(o);
        (void)owner_read(o);
    }
}

static enum co_err
owner_start(struct owner *o, struct co_diag *diag)
{
    enum co_err err;

    if (!o->opt->fresh) owner_attach(o);
    err = owner_core_replay(o->core, diag);
    if (err) return err;
    o->now_us = co_clock_us();
    err = owner_core_begin(o->core, o->now_us, diag);
    if (err) return err;
    watch_engine(o->watch, o->core->engine, o->hosted->kind, o->hosted->state,
                 o->opt->number);
    return CO_OK;
}

enum owner_end
owner_run(struct owner *o, struct co_diag *diag)
{
    enum owner_end end = OWNER_FAILED;

    if (owner_start(o, diag)) return OWNER_FAILED;
    watch_state(o->watch, "running", NULL);
    while (!owner_core_over(o->core, o->now_us, &end)) {
        if (owner_turn(o, diag)) return OWNER_FAILED;
    }
    owner_send(o); /* the last acknowledgements */
    if (owner_core_finish(o->core, end, diag)) return OWNER_FAILED;
    owner_core_leave(o->core, end);
    owner_send(o);
    if (journal_stop(o->core->journal, diag)) return OWNER_FAILED;
    return end;
}
