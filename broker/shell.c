/* shell.c - see shell.h. A turn reads a bounded number of messages from each
 * socket, then decides, then sends: reading first is also what lets libzmq
 * notice that a peer is gone (it shows only after a read). Reading everything
 * before writing would starve the other side under load. */
#include "broker/shell.h"

#include "broker/metrics.h"
#include "broker/report.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/signals.h"
#include "proto/gate.h"
#include "proto/parts.h"
#include "proto/socket.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    READ_MAX = 256,        /* messages a turn and socket */
    LOOK_EVERY_TURNS = 16, /* at signals and time, when busy */
    LARGE_PEERS = 64,      /* peers that send PARTs at the same time */
    SPARE_FILES = 256,
};

struct shell {
    const struct broker_config *config;
    void *zmq;
    struct sock *sock[2]; /* by side */
    struct keyring ring;
    struct gate *gate;       /* NULL: no keys */
    struct allowlist *allow; /* the gate's, as of generation */
    uint32_t generation;
    size_t part_max;
    struct parts *parts[2];
    struct dispatch *d;
    struct report *report;
    struct metrics *metrics; /* NULL: not asked for */
    struct outbox out, cut;  /* cut: messages that go as PARTs */
    struct msg_reader reader;
    uint64_t part_number;
    char name[NAME_BYTES_MAX + 1];
    int signals_fd, lifeline_fd;
    bool stop;
    bool busy;         /* the last turn read something */
    unsigned unlooked; /* turns since the rest of the world was looked at */
    struct co_log_limit garbage_limit;
};

/* ---- start and end ------------------------------------------------------- */

static void
shell_fini(struct shell *s)
{
    report_free(s->report);
    metrics_free(s->metrics);
    outbox_fini(&s->out);
    outbox_fini(&s->cut);
    dispatch_free(s->d);
    for (int i = 0; i < 2; i++) {
        parts_free(s->parts[i]);
        sock_free(s->sock[i]);
    }
    gate_free(s->gate); /* behind its sockets: they tell it things */
    allowlist_unref(s->allow);
    keyring_forget(&s->ring);
    if (s->zmq) (void)zmq_ctx_term(s->zmq);
}

static void
choose_name(struct shell *s)
{
    char host[65] = "";

    if (s->config->name) {
        msg_str_copy(msg_text(s->config->name), s->name, sizeof s->name);
        return;
    }
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(s->name, sizeof s->name, "%s-%ld", host, (long)getpid());
}

/* A descriptor a peer, or fewer peers: said, not fatal. */
static void
raise_files(const struct broker_config *config)
{
    struct co_diag diag = {""};
    uint64_t now;

    if (co_proc_rlimit_nofile(config->peers_max + SPARE_FILES, &now, &diag)) {
        co_log(CO_LOG_WARN, "files.few", "why=%s",
               co_log_quote(diag.text).text);
    }
}

/* By side: who may connect there. */
static const enum key_role peer_role[2] = {
    [SIDE_FRONT] = KEY_COORDINATOR,
    [SIDE_BACK] = KEY_WORKER,
};

static enum co_err
bind_side(struct shell *s, enum side side, struct co_diag *diag)
{
    const char *endpoint =
        side == SIDE_FRONT ? s->config->front : s->config->back;
    struct sock_keys keys;
    enum co_err err = sock_bind(
        s->zmq, endpoint, keyring_bind(&s->ring, peer_role[side], true, &keys),
        diag, &s->sock[side]);

    return !err && s->gate ? gate_watch(s->gate, peer_role[side]) : err;
}

/* The gate stands before anything is bound: nobody comes in unseen. */
static enum co_err
open_links(struct shell *s, struct co_diag *diag)
{
    enum co_err err = keyring_load(&s->config->keys, KEY_BROKER, 0, KEY_BROKER,
                                   "key", &s->ring, diag);

    if (err) return err;
    if (s->ring.used) {
        err = gate_new(s->zmq, s->config->keys.allow, &s->gate, diag);
        if (err) return err;
        s->allow = gate_list(s->gate);
        s->generation = gate_generation(s->gate);
    }
    err = bind_side(s, SIDE_FRONT, diag);
    if (!err) err = bind_side(s, SIDE_BACK, diag);
    return !err && s->gate ? gate_run(s->gate, diag) : err;
}

static enum co_err
shell_init(struct shell *s, struct co_diag *diag)
{
    const struct dispatch_limits limits = config_limits(s->config);
    uint64_t incarnation = co_random_u64();
    enum co_err err;

    outbox_init(&s->out);
    outbox_init(&s->cut);
    choose_name(s);
    raise_files(s->config);
    s->zmq = zmq_ctx_new();
    if (!s->zmq) return CO_NOMEM;
    (void)zmq_ctx_set(s->zmq, ZMQ_MAX_SOCKETS, 64);
    err = dispatch_new(&limits, incarnation, s->name, co_clock_ms(), &s->d);
    if (!err) err = parts_new(LARGE_PEERS, &s->parts[SIDE_FRONT]);
    if (!err) err = parts_new(LARGE_PEERS, &s->parts[SIDE_BACK]);
    if (!err) {
        err = report_new(s->config, s->name, incarnation, diag, &s->report);
    }
    if (!err) err = metrics_new(s->config, &s->metrics, diag);
    s->part_max = limits.part_max;
    return err ? err : open_links(s, diag);
}

/* Tells whoever started us where we listen. */
static enum co_err
say_ready(struct shell *s, struct co_diag *diag)
{
    const char *front = sock_endpoint(s->sock[SIDE_FRONT]);
    const char *back = sock_endpoint(s->sock[SIDE_BACK]);
    const char *metrics = metrics_address(s->metrics);
    char line[700];
    int len = snprintf(line, sizeof line, "front=%s back=%s%s%s\n", front, back,
                       metrics[0] ? " metrics=" : "", metrics);
    int fd = (int)s->config->ready_fd;

    co_log(CO_LOG_INFO, "broker.ready", "name=%s front=%s back=%s metrics=%s",
           co_log_quote(s->name).text, front, back, metrics[0] ? metrics : "-");
    if (!fd) return CO_OK;
    if (write(fd, line, (size_t)len) != len) {
        return co_fail(diag, CO_IO, "--ready-fd %d: cannot write: %s", fd,
                       strerror(errno));
    }
    (void)close(fd);
    return CO_OK;
}

/* ---- input --------------------------------------------------------------- */

static void
refuse(struct shell *s, enum side side, uint64_t peer, enum co_err err,
       int64_t now_ms)
{
    uint64_t more;

    if (co_log_every(&s->garbage_limit, now_ms, 1000, &more)) {
        co_log(CO_LOG_WARN, "message.refused",
               "side=%d peer=%llu err=%s more=%llu", (int)side,
               (unsigned long long)peer, co_err_name(err),
               (unsigned long long)more);
    }
    dispatch_on_garbage(s->d, side, peer, err, now_ms, &s->out);
}

/* ---- keys ---------------------------------------------------------------- */

static bool
key_is_allowed(const void *ctx, enum side side, uint64_t key)
{
    const struct shell *s = ctx;

    return allowlist_has(s->allow, key, peer_role[side]);
}

/* After the list was read again: whoever is no longer in it is given up. */
static void
look_at_keys(struct shell *s, int64_t now_ms)
{
    if (!s->gate || gate_generation(s->gate) == s->generation) return;
    s->generation = gate_generation(s->gate);
    allowlist_unref(s->allow);
    s->allow = gate_list(s->gate);
    dispatch_drop_keys(s->d, key_is_allowed, s, now_ms, &s->out);
}

/* libzmq asks only at the handshake, so a peer whose key was taken away is
 * still connected: it is cut off when it speaks, and not let in again. */
static bool
is_revoked(struct shell *s, enum side side, uint64_t peer, int64_t now_ms)
{
    uint64_t key = sock_peer_key(s->sock[side]);

    if (!s->gate || s->generation == 1) return false;
    if (key_is_allowed(s, side, key)) return false;
    /* The gate may have let it in by a list that it read since we looked. */
    look_at_keys(s, now_ms);
    if (key_is_allowed(s, side, key)) return false;
    gate_count_revoked(s->gate);
    parts_drop(s->parts[side], peer);
    sock_cut(s->sock[side]);
    return true;
}

/* One message for the core, or a PART of one, which joins what came before:
 * the last makes *head and *body the whole. CO_AGAIN: more to come. */
static enum co_err
join_part(struct shell *s, enum side side, uint64_t peer, struct msg *m,
          struct co_bytes *head, struct co_bytes *body)
{
    struct co_bytes whole_head, whole_body;
    enum co_err err = parts_add(s->parts[side], peer, &m->part, *body,
                                &whole_head, &whole_body);

    if (err) return err;
    co_bytes_unref(head);
    co_bytes_unref(body);
    *head = whole_head;
    *body = whole_body;
    err = msg_decode(&s->reader, head->data, head->len, m);
    return !err && m->type == MSG_part ? CO_PROTOCOL : err;
}

/* Takes the references. */
static void
hand_over(struct shell *s, enum side side, uint64_t peer, struct co_bytes head,
          struct co_bytes body, int64_t now_ms)
{
    struct msg m;
    enum co_err err = msg_decode(&s->reader, head.data, head.len, &m);

    if (!err && m.type == MSG_part) {
        err = join_part(s, side, peer, &m, &head, &body);
    }
    if (!err) {
        dispatch_on_message_of(s->d, sock_peer_key(s->sock[side]), side, peer,
                               &m, head, body, now_ms, &s->out);
        return;
    }
    if (err == CO_AGAIN) {
        dispatch_on_life(s->d, side, peer, now_ms);
    } else {
        refuse(s, side, peer, err, now_ms);
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

/* At most READ_MAX messages; whether there was any. */
static bool
read_socket(struct shell *s, enum side side, int64_t now_ms)
{
    for (int i = 0; i < READ_MAX; i++) {
        struct co_bytes head, body;
        uint64_t peer;

        if (sock_recv(s->sock[side], &peer, &head, &body)) return i > 0;
        if (is_revoked(s, side, peer, now_ms)) {
            co_bytes_unref(&head);
            co_bytes_unref(&body);
            continue;
        }
        hand_over(s, side, peer, head, body, now_ms);
    }
    return true;
}

static void
read_signals(struct shell *s)
{
    int signo;

    while ((signo = co_signals_next(s->signals_fd)) != 0) {
        if (signo == SIGTERM || signo == SIGINT) s->stop = true;
        if (signo == SIGHUP && s->gate) gate_reload(s->gate);
    }
    if (co_lifeline_cut(s->lifeline_fd)) s->stop = true;
}

/* ---- output -------------------------------------------------------------- */

/* Sends what stands in out. A message that cannot be delivered is gone: the
 * core is told of its receiver, once for each run of messages to it. */
static void
// NOLINTNEXTLINE(misc-no-recursion): only once, into s->cut
send_all(struct shell *s, struct outbox *out, int64_t now_ms)
{
    uint64_t gone = 0;
    bool any_gone = false;

    for (size_t i = 0; i < out->n; i++) {
        struct outmsg *m = &out->v[i];
        size_t bytes = m->head.len + m->body.len;
        enum co_err err;

        if (parts_needed(s->part_max, bytes) && out != &s->cut) {
            parts_push(&s->cut, m->side, m->peer, ++s->part_number, s->part_max,
                       m->head, m->body);
            m->head = m->body = (struct co_bytes){0};
            send_all(s, &s->cut, now_ms);
            continue;
        }
        err = sock_send(s->sock[m->side], m->peer, m->head, m->body);
        m->head = m->body = (struct co_bytes){0};
        if (!err) continue;
        if (any_gone && gone == m->peer) continue;
        any_gone = true;
        gone = m->peer;
        parts_drop(s->parts[m->side], m->peer);
        dispatch_on_unroutable(s->d, (enum side)m->side, m->peer, now_ms,
                               &s->out);
    }
    outbox_clear(out);
}

/* ---- the loop ------------------------------------------------------------ */

static void
wait_for_input(struct shell *s, int64_t now_ms)
{
    int64_t left = dispatch_next_deadline(s->d) - now_ms;
    zmq_pollitem_t items[4] = {
        {sock_handle(s->sock[SIDE_FRONT]), 0, ZMQ_POLLIN, 0},
        {sock_handle(s->sock[SIDE_BACK]), 0, ZMQ_POLLIN, 0},
        {NULL, s->signals_fd, ZMQ_POLLIN, 0},
        {NULL, s->lifeline_fd, ZMQ_POLLIN | ZMQ_POLLERR, 0},
    };

    (void)zmq_poll(items, s->lifeline_fd < 0 ? 3 : 4,
                   left > 0 ? (long)left : 0);
    if (items[2].revents || items[3].revents) read_signals(s);
}

/* After a turn that read something there is probably more: polling, which is
 * a dozen system calls, and signals have to wait a few turns. Whoever else is
 * runnable goes first: what it sends meanwhile is read in one turn, which
 * saves wake-ups when processes outnumber cores. */
static void
look(struct shell *s, int64_t now_ms)
{
    (void)sched_yield();
    if (s->busy && ++s->unlooked < LOOK_EVERY_TURNS) return;
    s->unlooked = 0;
    wait_for_input(s, now_ms);
}

/* Phases of a turn: wait, input, timers, work, output, report. */
static enum co_err
serve(struct shell *s, struct co_diag *diag)
{
    int64_t now_ms = co_clock_ms();

    while (!s->stop) {
        look(s, now_ms);
        now_ms = co_clock_ms();
        look_at_keys(s, now_ms);
        s->busy = read_socket(s, SIDE_FRONT, now_ms);
        s->busy |= read_socket(s, SIDE_BACK, now_ms);
        if (now_ms >= dispatch_next_deadline(s->d)) {
            dispatch_tick(s->d, now_ms, &s->out);
            report_tick(s->report, s->d, s->gate, now_ms);
            metrics_tick(s->metrics, s->d, s->report, now_ms);
        }
        dispatch_run(s->d, now_ms, &s->out);
        report_events(s->report, s->d);
        /* A message that could not be queued leaves a peer with a wrong
         * picture. State is memory only, so beginning anew is the cure. */
        if (s->out.err || s->cut.err) {
            return co_fail(diag, CO_NOMEM,
                           "out of memory; peers attach again to the next "
                           "broker");
        }
        send_all(s, &s->out, now_ms);
    }
    return CO_OK;
}

enum co_err
shell_run(const struct broker_config *config, int signals_fd, int lifeline_fd,
          struct co_diag *diag)
{
    struct shell *s = calloc(1, sizeof *s);
    enum co_err err;

    if (!s) return CO_NOMEM;
    s->config = config;
    s->signals_fd = signals_fd;
    s->lifeline_fd = lifeline_fd;
    err = shell_init(s, diag);
    if (!err) err = say_ready(s, diag);
    if (!err) err = serve(s, diag);
    if (s->d) report_leave(s->report, s->d, co_clock_ms());
    co_log(CO_LOG_INFO, "broker.end", "err=%s", co_err_name(err));
    shell_fini(s);
    free(s);
    return err;
}
