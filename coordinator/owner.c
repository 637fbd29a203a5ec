/* owner.c - see owner.h. The order of a turn: wait; input (brokers, journal,
 * hosted job); time; output (engine, hosted job, journal); send. */
#include "coordinator/owner.h"

#include "common/clock.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/signals.h"
#include "coordinator/link.h"
#include "coordinator/replay.h"
#include "coordinator/watch.h"
#include "proto/parts.h"
#include "proto/socket.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    TURN_MESSAGES_MAX = 256, /* from each broker, then the rest has its turn */
    DESCRIPTORS_MAX = 5,     /* journal, hosted job, Redis, signals, lifeline */
    WAIT_MAX_MS = 50,
    ATTACH_WAIT_MS = 1000,      /* for brokers, before a journal is read */
    EARLY_MAX = 4096,           /* messages kept while the journal is read */
    EARLY_BYTES_MAX = 16 << 20, /* of them, from all brokers */
    /* No more is read from brokers while as much waits for the disk: below
     * JOURNAL_QUEUE_BYTES by more than the last message and the job's own
     * records, because the journal's CO_FULL ends the run. */
    JOURNAL_READ_BYTES = 32 << 20,
    LOG_LIMIT_MS = 1000,
    STOP_WAIT_MS = 3000, /* for commits under way when told to stop */
    LOOK_EVERY_TURNS = 16,
    HEAD_BITS = 17, /* of a cookie: bytes of the header, <= HEAD_BYTES_MAX */
    HEAD_MASK = (1 << HEAD_BITS) - 1,
};

struct broker_link {
    struct link core;
    struct sock *sock;
    bool flooded; /* too much came early: begun anew after the replay */
};

/* A message that came before the journal was read. */
struct early {
    uint8_t link;
    struct co_bytes head, body;
};

struct owner {
    const struct owner_options *opt;
    const struct hosted *hosted;
    struct watch *watch;
    struct link_identity self;
    void *zmq;
    struct broker_link links[ENGINE_LINKS_MAX];
    unsigned n_links;
    struct parts *parts;
    uint64_t part_number; /* of the last message that went as PARTs */
    struct journal *journal;
    struct engine *engine;
    struct outbox out;
    struct msg_reader reader;
    struct early *early; /* EARLY_MAX of them, until replayed */
    size_t n_early;
    uint64_t early_bytes;
    uint64_t read_bytes; /* that may still be read in this turn */
    struct co_log_limit malformed_limit;
    bool replayed;
    bool busy;         /* the last turn read something from a broker */
    unsigned unlooked; /* turns since the rest of the world was looked at */
    bool stopping;
    int64_t stop_us; /* when to stop waiting */
    int64_t now_us;
    bool stale;
};

static int64_t
now_ms(const struct owner *o)
{
    return o->now_us / 1000;
}

/* ---- making and freeing ---- */

static enum co_err
owner_connect(struct owner *o, struct co_diag *diag)
{
    const struct co_option_list *brokers = &o->opt->brokers;

    if (brokers->count == 0 || brokers->count > ENGINE_LINKS_MAX) {
        return co_fail(diag, CO_USAGE,
                       "%zu brokers given: 1 to %d are possible",
                       brokers->count, ENGINE_LINKS_MAX);
    }
    for (size_t i = 0; i < brokers->count; i++) {
        enum co_err err =
            sock_connect(o->zmq, brokers->items[i], diag, &o->links[i].sock);

        if (err) return err;
        link_init(&o->links[i].core, (unsigned)i, &o->self);
        o->n_links++;
    }
    return CO_OK;
}

static enum co_err
owner_make_engine(struct owner *o)
{
    const struct owner_options *opt = o->opt;
    struct engine_options options = {.job = opt->job,
                                     .owner = opt->number,
                                     .recipe = opt->recipe,
                                     .fingerprint = opt->fingerprint,
                                     .batch = opt->batch,
                                     .window = opt->window,
                                     .resumed = !opt->fresh};

    return engine_new(&options, o->hosted->kind, o->hosted->state, &o->out,
                      &o->engine);
}

enum co_err
owner_new(const struct owner_options *options, const struct hosted *hosted,
          struct watch *watch, struct owner **ret_owner, struct co_diag *diag)
{
    co_auto(owner_freep) struct owner *o = calloc(1, sizeof *o);
    enum co_err err;

    if (!o) return co_fail(diag, CO_NOMEM, "out of memory");
    outbox_init(&o->out);
    o->opt = options;
    o->hosted = hosted;
    o->watch = watch;
    o->now_us = co_clock_us();
    o->self =
        (struct link_identity){.incarnation = co_random_u64(),
                               .name = options->job_name,
                               .software = CO_PROGRAM,
                               .job = options->job,
                               .owner = options->number,
                               .job_name = options->job_name,
                               .service = hosted->kind->service(hosted->state),
                               .priority = options->priority,
                               .fingerprint = options->fingerprint};
    o->zmq = zmq_ctx_new();
    o->early = calloc(EARLY_MAX, sizeof *o->early);
    if (!o->zmq || !o->early || parts_new(ENGINE_LINKS_MAX, &o->parts) ||
        owner_make_engine(o)) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    err = owner_connect(o, diag);
    if (err) return err;
    *ret_owner = co_take(&o);
    return CO_OK;
}

static void
early_drop(struct owner *o)
{
    for (size_t i = 0; i < o->n_early; i++) {
        co_bytes_unref(&o->early[i].head);
        co_bytes_unref(&o->early[i].body);
    }
    o->n_early = 0;
    o->early_bytes = 0;
}

void
owner_free(struct owner *o)
{
    if (!o) return;
    if (o->early) early_drop(o);
    free(o->early);
    outbox_fini(&o->out);
    watch_engine_gone(o->watch);
    engine_free(o->engine);
    journal_free(o->journal);
    parts_free(o->parts);
    for (unsigned i = 0; i < o->n_links; i++) {
        sock_free(o->links[i].sock);
    }
    if (o->zmq) (void)zmq_ctx_term(o->zmq);
    free(o);
}

const struct engine *
owner_engine(const struct owner *o)
{
    return o->engine;
}

/* What a link said before it broke counts no more: its INVENTORY would make
 * tasks look held that the broker, begun anew, knows nothing of. */
static void
early_drop_link(struct owner *o, unsigned link)
{
    size_t kept = 0;

    for (size_t i = 0; i < o->n_early; i++) {
        struct early *e = &o->early[i];

        if (e->link != link) {
            o->early[kept++] = *e;
            continue;
        }
        o->early_bytes -= e->head.len + e->body.len;
        co_bytes_unref(&e->head);
        co_bytes_unref(&e->body);
    }
    o->n_early = kept;
}

/* ---- sending ---- */

static void
owner_link_lost(struct owner *o, unsigned i)
{
    co_log(CO_LOG_WARN, "broker.lost", "endpoint=%s",
           sock_endpoint(o->links[i].sock));
    parts_drop(o->parts, i);
    if (o->replayed) {
        engine_on_link_down(o->engine, i, o->now_us);
    } else {
        early_drop_link(o, i);
    }
}

static uint32_t
owner_part_max(const void *ctx, uint64_t peer)
{
    const struct owner *o = ctx;

    return o->links[peer].core.part_max;
}

/* Tasks that could not be sent are published again: the link counts as lost
 * and the broker will be greeted anew. */
static void
owner_send(struct owner *o)
{
    parts_cut(&o->out, &o->part_number, owner_part_max, o);
    for (size_t i = 0; i < o->out.n; i++) {
        struct outmsg *m = &o->out.v[i];
        unsigned link = (unsigned)m->peer;
        struct broker_link *l = &o->links[link];
        enum co_err err = sock_send(l->sock, 0, m->head, m->body);

        m->head = m->body = (struct co_bytes){0};
        if (err &&
            (l->core.state == LINK_READY || l->core.state == LINK_ATTACHING)) {
            l->core.state = LINK_DOWN;
            owner_link_lost(o, link);
        }
    }
    o->out.n = 0;
}

/* ---- input: brokers ---- */

static void
send_blob(struct owner *o, unsigned link, const struct msg_blob_get *get)
{
    struct co_bytes whole = {0};
    struct co_bytes piece = {0};
    struct msg m = {.type = MSG_blob,
                    .blob = {.job = get->job,
                             .hash = get->hash,
                             .worker = get->worker,
                             .offset = get->offset}};

    if (o->hosted->blob &&
        o->hosted->blob(o->hosted->self, get->hash, &whole) &&
        get->offset <= whole.len) {
        size_t len = co_min_u64(whole.len - get->offset,
                                co_min_u64(get->len, BLOB_PIECE_MAX));

        m.blob.total = whole.len;
        piece = co_bytes_slice(whole, get->offset, len);
    }
    co_bytes_unref(&whole);
    outbox_push(&o->out, ENGINE_SIDE_BROKER, link, &m, piece);
}

static void
owner_on_task_message(struct owner *o, unsigned link, const struct msg *m,
                      struct co_bytes head, struct co_bytes body)
{
    struct engine *e = o->engine;

    switch ((int)m->type) {
    case MSG_results:
        if (engine_on_results(e, link, &m->results, head, body, o->now_us)) {
            return; /* counted by the engine; a worker keeps what it has */
        }
        return;
    case MSG_credit:
        engine_on_credit(e, link, &m->credit);
        return;
    case MSG_reclaim:
        engine_on_reclaim(e, link, &m->reclaim);
        return;
    case MSG_have:
        engine_on_have(e, link, &m->have);
        return;
    case MSG_lost:
        engine_on_lost(e, link, &m->lost, o->now_us);
        return;
    case MSG_returned:
        engine_on_returned(e, link, &m->returned, o->now_us);
        return;
    case MSG_refused:
        engine_on_refused(e, link, &m->refused, o->now_us);
        return;
    case MSG_inventory:
        engine_on_inventory(e, link, &m->inventory, o->now_us);
        return;
    case MSG_attached:
        engine_on_attached(e, link, &m->attached, o->now_us);
        return;
    case MSG_blob_get:
        send_blob(o, link, &m->blob_get);
        return;
    case MSG_need:
        return; /* BLOB_GET follows */
    default:
        co_log(CO_LOG_WARN, "broker.odd_message", "endpoint=%s message=%s",
               sock_endpoint(o->links[link].sock), msg_name((unsigned)m->type));
    }
}

/* A message left out would be missed for ever (a page of INVENTORY, a LOST):
 * the link begins anew once the journal is read, with a fresh inventory, and
 * workers send again what was not acknowledged. */
static void
owner_on_flood(struct owner *o, unsigned link)
{
    engine_on_flood(o->engine);
    co_log(CO_LOG_WARN, "broker.flood",
           "endpoint=%s messages=%zu bytes=%llu text=%s",
           sock_endpoint(o->links[link].sock), o->n_early,
           (unsigned long long)o->early_bytes,
           "too much came before the journal was read; attaching again later");
    o->links[link].core.state = LINK_DOWN;
    o->links[link].flooded = true;
    owner_link_lost(o, link);
}

/* Before the journal was read the engine cannot judge anything: keep it. */
static void
owner_keep_early(struct owner *o, unsigned link, struct co_bytes head,
                 struct co_bytes body)
{
    if (o->n_early == EARLY_MAX ||
        o->early_bytes + head.len + body.len > EARLY_BYTES_MAX) {
        owner_on_flood(o, link);
        return;
    }
    o->early_bytes += head.len + body.len;
    o->early[o->n_early++] =
        (struct early){(uint8_t)link, co_bytes_ref(head), co_bytes_ref(body)};
}

static void
owner_on_message(struct owner *o, unsigned link, const struct msg *m,
                 struct co_bytes head, struct co_bytes body)
{
    struct broker_link *l = &o->links[link];

    switch (link_on_message(&l->core, m, now_ms(o), &o->out)) {
    case LINK_HANDLED:
        return;
    case LINK_STALE:
        o->stale = true;
        return;
    case LINK_LOST:
        owner_link_lost(o, link);
        return;
    case LINK_ATTACHED:
        co_log(CO_LOG_INFO, "broker.attached", "endpoint=%s held=%u",
               sock_endpoint(l->sock), m->attached.held);
        break;
    case LINK_PASS:
        break;
    }
    if (o->replayed) {
        owner_on_task_message(o, link, m, head, body);
    } else {
        owner_keep_early(o, link, head, body);
    }
}

static void
owner_on_malformed(struct owner *o, unsigned link, enum co_err err)
{
    uint64_t more;

    engine_on_malformed(o->engine);
    if (co_log_every(&o->malformed_limit, now_ms(o), LOG_LIMIT_MS, &more)) {
        co_log(CO_LOG_WARN, "broker.malformed",
               "endpoint=%s error=%s more=%llu",
               sock_endpoint(o->links[link].sock), co_err_name(err),
               (unsigned long long)more);
    }
}

static void
owner_on_frames(struct owner *o, unsigned link, struct co_bytes head,
                struct co_bytes body)
{
    struct msg m;
    struct co_bytes whole_head;
    struct co_bytes whole_body;
    enum co_err err = msg_decode(&o->reader, head.data, head.len, &m);

    if (err) {
        owner_on_malformed(o, link, err);
        return;
    }
    if (m.type != MSG_part) {
        owner_on_message(o, link, &m, head, body);
        return;
    }
    err = parts_add(o->parts, link, &m.part, body, &whole_head, &whole_body);
    if (err) {
        if (err != CO_AGAIN) owner_on_malformed(o, link, err);
        return;
    }
    err = msg_decode(&o->reader, whole_head.data, whole_head.len, &m);
    if (!err && m.type == MSG_part) err = CO_PROTOCOL; /* parts of a part */
    if (err) {
        owner_on_malformed(o, link, err);
    } else {
        owner_on_message(o, link, &m, whole_head, whole_body);
    }
    co_bytes_unref(&whole_head);
    co_bytes_unref(&whole_body);
}

/* Is there room for results in the engine and in the journal? */
static bool
owner_has_room(const struct owner *o)
{
    return !o->replayed ||
           (engine_results_room(o->engine) > 0 && o->read_bytes > 0);
}

/* Once a turn: what is taken now comes on top of what waits for the disk. */
static void
owner_measure_room(struct owner *o)
{
    uint64_t queued = o->journal ? journal_queued_bytes(o->journal) : 0;

    o->read_bytes =
        queued < JOURNAL_READ_BYTES ? JOURNAL_READ_BYTES - queued : 0;
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

    while (n < TURN_MESSAGES_MAX && owner_has_room(o) &&
           !sock_recv(o->links[link].sock, &peer, &head, &body)) {
        n++;
        o->read_bytes -= co_min_u64(o->read_bytes, head.len + body.len);
        owner_on_frames(o, link, head, body);
        co_bytes_unref(&head);
        co_bytes_unref(&body);
    }
    return n > 0;
}

/* ---- input: the journal ---- */

static enum co_err
owner_on_record(struct owner *o, const struct journal_committed *c,
                struct co_diag *diag)
{
    if (c->cookie >= HOSTED_COOKIE) {
        return o->hosted->committed(o->hosted->self, o->journal, c->cookie,
                                    diag);
    }
    engine_on_committed(o->engine, c->cookie >> HEAD_BITS,
                        replay_segment(c->pos.segment), c->pos.offset,
                        replay_body_inside(c->cookie & HEAD_MASK), o->now_us);
    return CO_OK;
}

static enum co_err
owner_read_journal(struct owner *o, struct co_diag *diag)
{
    struct journal_answer *answer;
    enum co_err err = CO_OK;

    while (!err && (answer = journal_take(o->journal))) {
        err = answer->err;
        for (uint32_t i = 0; i < answer->count && !err; i++) {
            err = owner_on_record(o, &answer->records[i], diag);
        }
        free(answer);
        if (err) (void)journal_error(o->journal, diag);
    }
    return err;
}

/* Cookie of the engine's orders: its own number and the bytes of the header,
 * so that the place of the body is known when the record is committed. */
static enum co_err
owner_write_orders(struct owner *o, struct co_diag *diag)
{
    struct engine_order order;
    enum co_err err = CO_OK;

    journal_cork(o->journal);
    while (!err && engine_next_order(o->engine, &order)) {
        struct co_bytes parts[3];

        co_assert(order.head.len <= HEAD_MASK);
        err = replay_prefix(order.head.len, &parts[0]);
        parts[1] = order.head;
        parts[2] = order.body;
        if (!err) {
            err = journal_append(o->journal, RECORD_RESULTS, parts, 3,
                                 order.cookie << HEAD_BITS | order.head.len);
        }
        co_bytes_unref(&parts[0]);
        co_bytes_unref(&order.head);
        co_bytes_unref(&order.body);
    }
    journal_uncork(o->journal);
    if (err) {
        (void)co_fail(diag, err, "the journal takes no more records: %s",
                      co_err_text(err));
        (void)journal_error(o->journal, diag);
    }
    return err;
}

/* ---- the loop ---- */

static void
owner_stop(struct owner *o, const char *why)
{
    if (o->stopping) return;
    o->stopping = true;
    o->stop_us = o->now_us + (int64_t)STOP_WAIT_MS * 1000;
    watch_state(o->watch, "stopping", why);
}

/* The descriptors beside the brokers' sockets; -1: none. */
static int
owner_descriptors(const struct owner *o, zmq_pollitem_t *items)
{
    const int fds[] = {
        o->journal ? journal_fd(o->journal) : -1,
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
    int64_t due_us = engine_due_us(o->engine) - o->now_us;
    long wait_ms = WAIT_MAX_MS;
    int n = owner_descriptors(o, items);

    if (due_us < (int64_t)WAIT_MAX_MS * 1000) {
        wait_ms = due_us <= 0 ? 0 : (long)((due_us + 999) / 1000);
    }
    /* With no room for results the journal wakes us, not the brokers. */
    owner_measure_room(o);
    if (owner_has_room(o)) {
        for (unsigned i = 0; i < o->n_links; i++) {
            items[n++].socket = sock_handle(o->links[i].sock);
        }
    }
    for (int i = 0; i < n; i++) {
        items[i].events = ZMQ_POLLIN;
    }
    (void)zmq_poll(items, n, wait_ms);
    o->now_us = co_clock_us();
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
        o->stop_us = o->now_us;
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
        owner_measure_room(o);
        o->now_us = co_clock_us();
        return;
    }
    o->unlooked = 0;
    owner_wait(o);
    owner_read_outside(o);
}

static void
owner_tick(struct owner *o)
{
    for (unsigned i = 0; i < o->n_links; i++) {
        if (link_tick(&o->links[i].core, now_ms(o), &o->out)) {
            owner_link_lost(o, i);
        }
    }
    engine_tick(o->engine, o->now_us);
    watch_tick(o->watch, o->now_us);
}

static enum co_err
owner_turn(struct owner *o, struct co_diag *diag)
{
    enum co_err err;

    owner_look(o);
    o->busy = false;
    for (unsigned i = 0; i < o->n_links; i++) {
        o->busy |= owner_read_link(o, i);
    }
    err = owner_read_journal(o, diag);
    if (err) return err;
    owner_tick(o);
    err = owner_write_orders(o, diag);
    if (!err && o->hosted->turn) {
        err = o->hosted->turn(o->hosted->self, o->journal, diag);
    }
    if (err) return err;
    if (!o->stopping) engine_publish(o->engine, o->now_us);
    owner_send(o);
    return o->out.err;
}

static bool
owner_is_quiet(const struct owner *o)
{
    struct engine_status status;

    engine_status(o->engine, &status);
    return status.taken == 0 && status.pending == 0 &&
           (!o->hosted->settled || o->hosted->settled(o->hosted->self));
}

/* Whether the loop ends, and as what. */
static bool
owner_over(struct owner *o, enum owner_end *ret_end)
{
    enum kind_state state = engine_done(o->engine);

    if (o->stale || engine_stale(o->engine)) {
        *ret_end = OWNER_STALE;
        return true;
    }
    if (state != KIND_RUNNING && owner_is_quiet(o)) {
        *ret_end = state == KIND_DONE ? OWNER_DONE : OWNER_PARTIAL;
        return true;
    }
    if (o->stopping && (owner_is_quiet(o) || o->now_us >= o->stop_us)) {
        *ret_end = OWNER_STOPPED;
        return true;
    }
    return false;
}

/* ---- start ---- */

static bool
owner_attached_everywhere(const struct owner *o)
{
    for (unsigned i = 0; i < o->n_links; i++) {
        if (o->links[i].core.state != LINK_READY && !o->links[i].flooded) {
            return false;
        }
    }
    return true;
}

/* Brokers must refuse the predecessor before its journal is read. A broker
 * that does not answer in time has none of its acknowledgements to pass on:
 * it is down, and starts without a memory. */
static void
owner_attach(struct owner *o)
{
    int64_t until_us = o->now_us + (int64_t)ATTACH_WAIT_MS * 1000;

    while (!owner_attached_everywhere(o) && o->now_us < until_us &&
           !o->stopping && !o->stale) {
        for (unsigned i = 0; i < o->n_links; i++) {
            if (o->links[i].flooded) continue;
            (void)link_tick(&o->links[i].core, now_ms(o), &o->out);
        }
        owner_send(o);
        owner_wait(o);
        owner_read_outside(o);
        for (unsigned i = 0; i < o->n_links; i++) {
            (void)owner_read_link(o, i);
        }
    }
}

static void
owner_replay_early(struct owner *o)
{
    struct msg m;

    for (size_t i = 0; i < o->n_early; i++) {
        const struct early *e = &o->early[i];

        if (msg_decode(&o->reader, e->head.data, e->head.len, &m)) continue;
        owner_on_task_message(o, e->link, &m, e->head, e->body);
    }
    early_drop(o);
}

static enum co_err
owner_start(struct owner *o, struct co_diag *diag)
{
    enum co_err err;

    if (!o->opt->fresh) owner_attach(o);
    err = replay_journal(o->opt->journal_dir, o->opt->job, o->opt->number,
                         o->opt->segment_bytes, o->engine, o->hosted,
                         &o->journal, diag);
    if (err) return err;
    engine_replay_done(o->engine);
    o->replayed = true;
    o->now_us = co_clock_us();
    owner_replay_early(o);
    watch_engine(o->watch, o->engine, o->hosted->kind, o->hosted->state,
                 o->opt->number);
    return CO_OK;
}

/* A job that is over is taken from the brokers; one that goes on later keeps
 * what they have of it. */
static void
owner_leave(struct owner *o, enum owner_end end)
{
    for (unsigned i = 0; i < o->n_links; i++) {
        if (end == OWNER_DONE || end == OWNER_PARTIAL) {
            link_detach(&o->links[i].core, &o->out);
        }
        link_bye(&o->links[i].core, &o->out);
    }
    owner_send(o);
}

/* The reports, and then the record that says that nothing is missing. */
static enum co_err
owner_finish(struct owner *o, enum owner_end end, struct co_diag *diag)
{
    static const char content[] = "{}";
    enum co_err err = CO_OK;

    if (end != OWNER_DONE && end != OWNER_PARTIAL) return CO_OK;
    if (o->hosted->finish) err = o->hosted->finish(o->hosted->self, diag);
    if (err || end == OWNER_PARTIAL) return err;
    return journal_append_final(o->journal, RECORD_DONE, content,
                                sizeof content - 1, diag);
}

enum owner_end
owner_run(struct owner *o, struct co_diag *diag)
{
    enum owner_end end = OWNER_FAILED;

    if (owner_start(o, diag)) return OWNER_FAILED;
    watch_state(o->watch, "running", NULL);
    while (!owner_over(o, &end)) {
        if (owner_turn(o, diag)) return OWNER_FAILED;
    }
    owner_send(o); /* the last acknowledgements */
    if (owner_finish(o, end, diag)) return OWNER_FAILED;
    owner_leave(o, end);
    if (journal_stop(o->journal, diag)) return OWNER_FAILED;
    return end;
}
