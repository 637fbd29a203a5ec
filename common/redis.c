/* redis.c - the actor of redis.h.
 * Orders come in through one mailbox (already encoded, so that the actor only
 * copies bytes), answers and events leave through another. The thread's turn:
 * take orders, connect if due, one pipeline of what waits, then sleep in
 * poll() on the mailbox, the connection and the stop signal. An idle
 * connection is watched too: a Redis that dies is known at once, not at the
 * next heartbeat.
 * Not used: hiredis's async API (0.14 has no timeouts there, and its callbacks
 * would bring Redis into every program's loop). */
#include "common/redis.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/mailbox.h"
#include "common/redis_conn.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    BATCH_ORDERS = 4096,
    BATCH_BYTES = 256 << 10,
    EVENTS_MAX = 64, /* unread UP and DOWN items */
    BACKOFF_FIRST_MS = 250,
    BACKOFF_MAX_MS = 5000,
    RETELL_MS = 100, /* events were full: how soon to try again */
};

/* One command, from send or ask until it is answered or given up. */
struct order {
    struct order *next;
    struct co_redis_item *item; /* of a question, made when it was asked */
    int64_t give_up_ms;         /* of a question that is not sent yet */
    size_t len;
    uint8_t bytes[];
};

/* Orders in the order in which they came. */
struct order_list {
    struct order *first;
    struct order *last;
};

struct co_redis {
    struct co_redis_url url;
    char name[64];
    uint32_t max_orders;
    size_t max_bytes;
    uint32_t connect_timeout_ms;
    uint32_t command_timeout_ms;
    struct co_mailbox *orders;
    struct co_mailbox *items;
    struct co_redis_cap stop;
    pthread_t thread;
    bool running; /* caller's side: thread to be joined */

    /* Shared counts. */
    _Atomic uint64_t sent, answered, refused, failed, unknown, connects;
    _Atomic uint64_t waiting, waiting_bytes;
    _Atomic uint64_t asked;  /* questions whose item was not polled yet */
    _Atomic uint64_t events; /* unread events */
    pthread_mutex_t error_mutex;
    char last_error[128];

    /* The thread's own. */
    struct co_redis_conn *conn;
    struct order_list pending;  /* not written */
    struct order_list inflight; /* written, answers come in this order */
    int64_t retry_ms;
    int64_t backoff_ms;
    bool tried_at_stop;
    char run_id[48]; /* of the last server that told it */
    char down_why[300];
    bool has_event; /* event waits for room in items */
    struct co_redis_item event;
};

/* --- lists ---------------------------------------------------------------- */

static void
list_push(struct order_list *list, struct order *order)
{
    order->next = NULL;
    if (list->last) {
        list->last->next = order;
    } else {
        list->first = order;
    }
    list->last = order;
}

static struct order *
list_pop(struct order_list *list)
{
    struct order *order = list->first;

    if (!order) return NULL;
    list->first = order->next;
    if (!list->first) list->last = NULL;
    return order;
}

/* --- answers and events --------------------------------------------------- */

void
co_redis_item_free(struct co_redis_item *item)
{
    if (!item) return;
    co_redis_reply_free(item->reply);
    free(item);
}

static void
note_error(struct co_redis *r, const char *text)
{
    atomic_fetch_add(&r->failed, 1);
    (void)pthread_mutex_lock(&r->error_mutex);
    (void)snprintf(r->last_error, sizeof r->last_error, "%s", text);
    (void)pthread_mutex_unlock(&r->error_mutex);
}

/* Ends an order: the question gets its item, the counts go down. There is
 * room for every question (see co_redis_ask). */
static void
order_end(struct co_redis *r, struct order *order,
          enum co_redis_outcome outcome, struct co_redis_reply *reply)
{
    struct co_redis_item *item = co_take(&order->item);

    (void)atomic_fetch_sub(&r->waiting_bytes, order->len);
    (void)atomic_fetch_sub(&r->waiting, 1);
    free(order);
    if (!item) {
        co_redis_reply_free(reply);
        return;
    }
    item->outcome = outcome;
    item->reply = reply;
    if (co_mailbox_put(r->items, item)) co_redis_item_free(item);
}

/* Hands the waiting event over if there is room. */
static void
event_deliver(struct co_redis *r)
{
    struct co_redis_item *item;

    if (!r->has_event || atomic_load(&r->events) >= EVENTS_MAX) return;
    item = malloc(sizeof *item);
    if (!item) return;
    *item = r->event;
    if (co_mailbox_put(r->items, item)) {
        free(item);
        return;
    }
    (void)atomic_fetch_add(&r->events, 1);
    r->has_event = false;
}

/* Tells an event. When nobody reads, the newest stands for those that had no
 * room, but a changed run id is never forgotten. */
static void
event_tell(struct co_redis *r, const struct co_redis_item *event)
{
    bool changed = r->has_event && r->event.run_id_changed;

    r->event = *event;
    r->event.run_id_changed |= changed;
    r->has_event = true;
    event_deliver(r);
}

static void
tell_up(struct co_redis *r, const struct co_redis_server *server)
{
    struct co_redis_item event = {.kind = CO_REDIS_UP};
    bool first = atomic_fetch_add(&r->connects, 1) == 0;

    (void)snprintf(event.run_id, sizeof event.run_id, "%s", server->run_id);
    (void)snprintf(event.version, sizeof event.version, "%s", server->version);
    /* Who hides its id may be anyone: grant nothing on its word. */
    event.run_id_changed = !first && (!server->run_id[0] ||
                                      strcmp(server->run_id, r->run_id) != 0);
    (void)snprintf(r->run_id, sizeof r->run_id, "%s", server->run_id);
    r->down_why[0] = '\0';
    event_tell(r, &event);
}

/* Each reason once: attempts that fail alike are not news. */
static void
tell_down(struct co_redis *r, const char *why)
{
    struct co_redis_item event = {.kind = CO_REDIS_DOWN};

    (void)snprintf(event.why, sizeof event.why, "%.299s", why);
    if (strcmp(r->down_why, event.why) == 0) return;
    memcpy(r->down_why, event.why, sizeof r->down_why);
    event_tell(r, &event);
}

/* --- the connection ------------------------------------------------------- */

static bool
stopping(const struct co_redis *r)
{
    return atomic_load(&r->stop.at_ms) != INT64_MAX;
}

/* Next attempt after the back-off and up to a quarter of it at random, so
 * that a fleet does not come back in one instant. */
static void
retry_later(struct co_redis *r)
{
    int64_t jitter =
        (int64_t)(co_random_u64() % ((uint64_t)r->backoff_ms / 4 + 1));

    r->retry_ms = co_clock_ms() + r->backoff_ms + jitter;
    r->backoff_ms *= 2;
    if (r->backoff_ms > BACKOFF_MAX_MS) r->backoff_ms = BACKOFF_MAX_MS;
}

/* The connection broke: what was written has an unknown outcome. */
static void
connection_lost(struct co_redis *r, const char *why)
{
    struct order *order;

    co_redis_conn_close(co_take(&r->conn));
    while ((order = list_pop(&r->inflight))) {
        (void)atomic_fetch_add(&r->unknown, 1);
        order_end(r, order, CO_REDIS_UNKNOWN, NULL);
    }
    retry_later(r);
    tell_down(r, why);
}

static void
try_connect(struct co_redis *r)
{
    struct co_redis_server server = {0};
    struct co_diag diag = {{0}};

    r->tried_at_stop = stopping(r);
    if (co_redis_conn_open(&r->url, r->name, r->connect_timeout_ms, &r->stop,
                           &r->conn, &server, &diag)) {
        retry_later(r);
        tell_down(r, diag.text);
        return;
    }
    r->backoff_ms = BACKOFF_FIRST_MS;
    tell_up(r, &server);
}

static void
on_reply(void *arg, struct co_redis_reply *reply)
{
    struct co_redis *r = arg;
    struct order *order = list_pop(&r->inflight);

    co_assert(order);
    (void)atomic_fetch_add(&r->answered, 1);
    if (reply && reply->type == CO_REDIS_ERROR) note_error(r, reply->text);
    order_end(r, order, reply ? CO_REDIS_ANSWERED : CO_REDIS_UNKNOWN, reply);
}

/* Everything that waits, up to one batch, in one pipeline. */
static void
run_batch(struct co_redis *r)
{
    struct co_diag diag = {{0}};
    size_t count = 0, bytes = 0;
    enum co_err err = CO_OK;

    while (!err && r->pending.first && count < BATCH_ORDERS &&
           bytes < BATCH_BYTES) {
        struct order *order = list_pop(&r->pending);

        err = co_redis_conn_append(r->conn, order->bytes, order->len);
        list_push(&r->inflight, order);
        bytes += order->len;
        count++;
    }
    if (err) {
        (void)co_fail(&diag, err, "%s", co_err_text(err));
    } else {
        err = co_redis_conn_exchange(r->conn, count, r->command_timeout_ms,
                                     on_reply, r, &diag);
    }
    if (err) connection_lost(r, diag.text);
}

static void
watch_idle(struct co_redis *r)
{
    struct pollfd fd = {.fd = co_redis_conn_fd(r->conn), .events = POLLIN};
    struct co_diag diag = {{0}};

    if (poll(&fd, 1, 0) > 0 && co_redis_conn_idle(r->conn, &diag)) {
        connection_lost(r, diag.text);
    }
}

/* --- the thread ----------------------------------------------------------- */

static void
take_orders(struct co_redis *r)
{
    struct order *order;

    while ((order = co_mailbox_take(r->orders))) {
        list_push(&r->pending, order);
    }
}

/* While Redis is away: questions that waited long enough are answered. */
static int64_t
expire_questions(struct co_redis *r)
{
    struct order_list kept = {0};
    int64_t now = co_clock_ms();
    int64_t next = INT64_MAX;
    struct order *order;

    while ((order = list_pop(&r->pending))) {
        if (order->item && order->give_up_ms <= now) {
            order_end(r, order, CO_REDIS_NOT_SENT, NULL);
            continue;
        }
        if (order->item && order->give_up_ms < next) next = order->give_up_ms;
        list_push(&kept, order);
    }
    r->pending = kept;
    return next;
}

/* Sleeps until an order, the connection, the stop or until_ms. */
static void
wait_for_work(struct co_redis *r, int64_t until_ms)
{
    int64_t left;
    struct pollfd fds[3] = {
        {.fd = co_mailbox_fd(r->orders), .events = POLLIN},
        {.fd = r->conn ? co_redis_conn_fd(r->conn) : -1, .events = POLLIN},
        {.fd = stopping(r) ? -1 : r->stop.fd, .events = POLLIN},
    };

    if (r->has_event) {
        until_ms = (int64_t)co_min_u64((uint64_t)until_ms,
                                       (uint64_t)(co_clock_ms() + RETELL_MS));
    }
    left = until_ms == INT64_MAX ? 60000 : until_ms - co_clock_ms();
    (void)poll(fds, 3, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
}

/* Nothing left to do, no time left, or nobody to do it with. */
static bool
at_end(struct co_redis *r)
{
    if (!stopping(r)) return false;
    if (co_clock_ms() >= atomic_load(&r->stop.at_ms)) return true;
    if (!r->pending.first) return true;
    return !r->conn && r->tried_at_stop;
}

static void
turn(struct co_redis *r)
{
    int64_t next = INT64_MAX;

    if (!r->conn && (co_clock_ms() >= r->retry_ms || stopping(r))) {
        try_connect(r);
    }
    if (r->conn && r->pending.first) run_batch(r);
    if (!r->conn) {
        next = expire_questions(r);
        next = r->retry_ms < next ? r->retry_ms : next;
    }
    event_deliver(r);
    if (r->conn && r->pending.first) return; /* more than one batch waits */
    if (!stopping(r)) wait_for_work(r, next);
    if (r->conn) watch_idle(r);
}

static void *
actor_main(void *arg)
{
    struct co_redis *r = arg;
    struct order *order;

    for (;;) {
        take_orders(r);
        if (at_end(r)) break;
        turn(r);
    }
    while ((order = list_pop(&r->pending))) {
        note_error(r, "stopped before it was sent");
        order_end(r, order, CO_REDIS_NOT_SENT, NULL);
    }
    co_redis_conn_close(co_take(&r->conn));
    return NULL;
}

/* Signals belong to the program's own thread; SIGPIPE to nobody. */
static enum co_err
start_thread(struct co_redis *r)
{
    sigset_t all, old;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(&r->thread, NULL, actor_main, r);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    r->running = error == 0;
    return co_err_from_errno(error);
}

/* --- the caller's side ---------------------------------------------------- */

static void
apply_options(struct co_redis *r, const struct co_redis_options *o)
{
    r->max_orders = o->max_orders ? o->max_orders : 8192;
    r->max_bytes = o->max_bytes ? o->max_bytes : 16 << 20;
    r->connect_timeout_ms =
        o->connect_timeout_ms ? o->connect_timeout_ms : 2000;
    r->command_timeout_ms =
        o->command_timeout_ms ? o->command_timeout_ms : 5000;
    (void)snprintf(r->name, sizeof r->name, "%s",
                   o->name ? o->name : CO_PROGRAM);
}

enum co_err
co_redis_start(const struct co_redis_options *options,
               struct co_redis **ret_redis, struct co_diag *diag)
{
    co_auto(co_redis_freep) struct co_redis *r = NULL;
    struct co_redis_url url;
    enum co_err err;

    err = co_redis_url_parse(options->url, &url, diag);
    if (!err) err = co_redis_url_allowed(&url, options->allow_insecure, diag);
    if (err) return err == CO_INVALID ? CO_USAGE : err;
    r = calloc(1, sizeof *r);
    if (!r) return co_fail(diag, CO_NOMEM, "out of memory");
    (void)pthread_mutex_init(&r->error_mutex, NULL);
    r->url = url;
    r->backoff_ms = BACKOFF_FIRST_MS;
    apply_options(r, options);
    atomic_store(&r->stop.at_ms, INT64_MAX);
    r->stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->stop.fd < 0) err = CO_NOMEM;
    if (!err) err = co_mailbox_new(r->max_orders, &r->orders);
    if (!err) err = co_mailbox_new(r->max_orders + EVENTS_MAX, &r->items);
    if (!err) err = start_thread(r);
    if (err) return co_fail(diag, err, "Redis thread: %s", co_err_text(err));
    *ret_redis = co_take(&r);
    return CO_OK;
}

void
co_redis_stop(struct co_redis *r, int64_t timeout_ms)
{
    uint64_t one = 1;
    ssize_t n;

    if (!r->running) return;
    atomic_store(&r->stop.at_ms, co_clock_ms() + timeout_ms);
    n = write(r->stop.fd, &one, sizeof one);
    co_assert(n == (ssize_t)sizeof one);
    (void)pthread_join(r->thread, NULL);
    r->running = false;
}

void
co_redis_free(struct co_redis *r)
{
    struct co_redis_item *item;

    if (!r) return;
    co_redis_stop(r, 0);
    while (r->items && (item = co_mailbox_take(r->items))) {
        co_redis_item_free(item);
    }
    co_mailbox_free(r->orders);
    co_mailbox_free(r->items);
    if (r->stop.fd >= 0) (void)close(r->stop.fd);
    (void)pthread_mutex_destroy(&r->error_mutex);
    free(r);
}

/* Counts the order in, or refuses it. */
static bool
admit(struct co_redis *r, size_t len, bool question)
{
    bool room = atomic_load(&r->waiting) < r->max_orders &&
                atomic_load(&r->waiting_bytes) + len <= r->max_bytes;

    /* Unread answers count too: items has room for max_orders of them. */
    if (question && atomic_load(&r->asked) >= r->max_orders) room = false;
    if (!room) {
        (void)atomic_fetch_add(&r->refused, 1);
        return false;
    }
    (void)atomic_fetch_add(&r->waiting, 1);
    (void)atomic_fetch_add(&r->waiting_bytes, len);
    if (question) (void)atomic_fetch_add(&r->asked, 1);
    (void)atomic_fetch_add(&r->sent, 1);
    return true;
}

/* Queues the command; takes item over on success. */
static enum co_err
submit(struct co_redis *r, struct co_redis_item *item, int argc,
       const char *const *argv, const size_t *lens)
{
    co_auto(co_buf_fini) struct co_buf buf;
    struct order *order;
    enum co_err err;

    co_buf_init(&buf, r->max_bytes);
    if (!r->running) return CO_STATE;
    co_redis_encode(&buf, argc, argv, lens);
    if (buf.err == CO_FULL) (void)atomic_fetch_add(&r->refused, 1);
    if (buf.err) return buf.err;
    order = malloc(sizeof *order + buf.len);
    if (!order) return CO_NOMEM;
    if (!admit(r, buf.len, item != NULL)) {
        free(order);
        return CO_FULL;
    }
    *order = (struct order){.item = item, .len = buf.len};
    order->give_up_ms = co_clock_ms() + r->command_timeout_ms;
    memcpy(order->bytes, buf.data, buf.len);
    /* The mailbox holds max_orders, and no more than that are admitted. */
    err = co_mailbox_put(r->orders, order);
    co_assert(!err);
    return CO_OK;
}

enum co_err
co_redis_send(struct co_redis *r, int argc, const char *const *argv,
              const size_t *lens)
{
    return submit(r, NULL, argc, argv, lens);
}

enum co_err
co_redis_ask(struct co_redis *r, uint64_t token, int argc,
             const char *const *argv, const size_t *lens)
{
    struct co_redis_item *item = calloc(1, sizeof *item);
    enum co_err err;

    if (!item) return CO_NOMEM;
    item->kind = CO_REDIS_REPLY;
    item->token = token;
    err = submit(r, item, argc, argv, lens);
    if (err) free(item);
    return err;
}

struct co_redis_item *
co_redis_poll(struct co_redis *r)
{
    struct co_redis_item *item = co_mailbox_take(r->items);

    if (!item) return NULL;
    (void)atomic_fetch_sub(
        item->kind == CO_REDIS_REPLY ? &r->asked : &r->events, 1);
    return item;
}

int
co_redis_fd(const struct co_redis *r)
{
    return co_mailbox_fd(r->items);
}

void
co_redis_counters(struct co_redis *r, struct co_redis_counters *ret)
{
    uint64_t connects = atomic_load(&r->connects);

    *ret = (struct co_redis_counters){
        .sent = atomic_load(&r->sent),
        .answered = atomic_load(&r->answered),
        .refused = atomic_load(&r->refused),
        .failed = atomic_load(&r->failed),
        .unknown = atomic_load(&r->unknown),
        .reconnects = connects > 1 ? connects - 1 : 0,
        .waiting = atomic_load(&r->waiting),
        .waiting_bytes = atomic_load(&r->waiting_bytes),
    };
    (void)pthread_mutex_lock(&r->error_mutex);
    memcpy(ret->last_error, r->last_error, sizeof ret->last_error);
    (void)pthread_mutex_unlock(&r->error_mutex);
}
