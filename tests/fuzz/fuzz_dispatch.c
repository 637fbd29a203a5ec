/* Feeds the dispatch core messages of several peers, some well-formed from a
 * small vocabulary (so that ids meet), some raw bytes, with time passing and
 * peers vanishing in between. After each step everything that must always hold
 * is checked, from inside (dispatch_check) and from outside: no worker gets
 * more tasks than it granted, no owner a credit that shrinks. */
#include "broker/dispatch.h"

#include <stdlib.h>
#include <string.h>

enum { PEERS = 4, BATCH = 6, STEPS_MAX = 300 };

struct input {
    const uint8_t *at;
    size_t left;
};

struct model {
    uint64_t granted[PEERS]; /* by the worker, since WELCOME */
    uint64_t sent[PEERS];
};

static struct msg_reader reader;

static uint8_t
byte(struct input *in)
{
    if (!in->left) return 0;
    in->left--;
    return *in->at++;
}

/* The vocabulary of one message: small numbers, so that ids meet. */
struct words {
    struct msg_str service;
    uint64_t job;
    uint32_t owner;
    struct msg_u64s list, inventory_job;
    struct msg_u32s one, len;
};

static struct words
draw_words(struct input *in, uint64_t *words, uint32_t *halves)
{
    static const char *const services[] = {"a", "b", "c"};
    struct words w = {.service = msg_text(services[byte(in) % 3])};

    w.job = 1 + byte(in) % 3;
    w.owner = 1 + byte(in) % 2;
    w.list = (struct msg_u64s){words, 1 + byte(in) % BATCH};
    w.inventory_job = (struct msg_u64s){&words[BATCH], 1};
    w.one = (struct msg_u32s){halves, 1};
    w.len = (struct msg_u32s){halves + 1, 1};
    halves[0] = byte(in) % 3;
    halves[1] = 4;
    for (uint32_t i = 0; i < w.list.n; i++) {
        words[i] = byte(in) % 32;
    }
    return w;
}

/* What owners say. */
static struct msg
make_owners(struct input *in, uint8_t kind, const struct words *w)
{
    switch (kind) {
    case 1:
        return (struct msg){.type = MSG_attach,
                            .attach = {.job = w->job,
                                       .owner = w->owner,
                                       .service = w->service,
                                       .priority = byte(in) % 4}};
    case 3:
        return (struct msg){.type = MSG_tasks,
                            .tasks = {.job = w->job,
                                      .owner = w->owner,
                                      .service = w->service,
                                      .tasks = w->list,
                                      .attempts = w->one,
                                      .lens = w->len,
                                      .cost = byte(in),
                                      .alone = byte(in) % 8 == 0}};
    case 5:
        return (struct msg){.type = MSG_ack,
                            .ack = {.job = w->job,
                                    .owner = w->owner,
                                    .worker = 1 + byte(in) % 6,
                                    .seqs = w->list}};
    case 6:
        return (struct msg){
            .type = MSG_cancel,
            .cancel = {.job = w->job, .owner = w->owner, .tasks = w->list}};
    case 9:
        return (struct msg){.type = MSG_detach,
                            .detach = {.job = w->job, .owner = w->owner}};
    case 11:
        return (struct msg){.type = MSG_reclaimed,
                            .reclaimed = {.service = w->service,
                                          .returned = byte(in),
                                          .job = w->job}};
    default:
        return (struct msg){.type = MSG_drain};
    }
}

/* What workers say. */
static struct msg
make_workers(struct input *in, uint8_t kind, const struct words *w)
{
    switch (kind) {
    case 2:
        return (struct msg){
            .type = MSG_credit,
            .credit = {.service = w->service, .granted = byte(in)}};
    case 4:
        return (struct msg){.type = MSG_results,
                            .results = {.job = w->job,
                                        .owner = w->owner,
                                        .worker = 1 + byte(in) % 6,
                                        .seq = byte(in),
                                        .tasks = w->list,
                                        .attempts = w->one,
                                        .statuses = w->one,
                                        .lens = w->len}};
    case 7:
        return (struct msg){.type = MSG_returned,
                            .returned = {.job = w->job,
                                         .tasks = w->list,
                                         .attempts = w->one,
                                         .reason = 1}};
    case 8:
        return (struct msg){.type = MSG_inventory,
                            .inventory = {.page = byte(in) % 2,
                                          .pages = 1 + byte(in) % 2,
                                          .jobs = w->inventory_job,
                                          .tasks = w->list,
                                          .attempts = w->one,
                                          .states = w->one}};
    case 10:
        return (struct msg){
            .type = MSG_reclaim,
            .reclaim = {.service = w->service, .count = byte(in)}};
    default:
        return make_owners(in, kind, w);
    }
}

/* A message of that kind with small numbers from the input. */
static struct msg
make(struct input *in, uint8_t kind, uint64_t peer, uint64_t *words,
     uint32_t *halves)
{
    struct words w = draw_words(in, words, halves);

    switch (kind) {
    case 0:
        return (struct msg){
            .type = MSG_hello,
            .hello = {.version = 1,
                      .role = peer < 2 ? ROLE_COORDINATOR : ROLE_WORKER,
                      .incarnation = 1 + byte(in) % 6,
                      .name = msg_text("f"),
                      .held_count = byte(in) % 2}};
    case 12:
        return (struct msg){
            .type = MSG_beat,
            .beat = {.held_count = byte(in) % 8, .held_hash = byte(in)}};
    case 13:
        return (struct msg){.type = MSG_bye};
    default:
        return make_workers(in, kind, &w);
    }
}

static void
deliver(struct dispatch *d, struct model *model, uint64_t peer,
        struct co_bytes head, size_t body_len, int64_t now, struct outbox *out)
{
    enum side side = peer < 2 ? SIDE_FRONT : SIDE_BACK;
    struct co_bytes body = {0};
    uint8_t *data;
    struct msg m;
    enum co_err err = msg_decode(&reader, head.data, head.len, &m);

    if (!err && body_len && !co_bytes_new(body_len, &data, &body)) {
        memset(data, 7, body_len);
    }
    if (err) {
        dispatch_on_garbage(d, side, peer, err, now, out);
        co_bytes_unref(&head);
        return;
    }
    if (m.type == MSG_credit && m.credit.granted > model->granted[peer]) {
        model->granted[peer] = m.credit.granted;
    }
    dispatch_on_message(d, side, peer, &m, head, body, now, out);
}

/* From outside: what was sent against what was granted. Services are told
 * apart by the core only, so a worker's bound is over all three of them. */
static void
look(struct model *model, struct outbox *out)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct outmsg *o = &out->v[i];
        struct msg m;

        co_assert(!msg_decode(&reader, o->head.data, o->head.len, &m));
        co_assert(o->peer < PEERS);
        if (m.type == MSG_welcome) {
            model->granted[o->peer] = model->sent[o->peer] = 0;
        }
        if (m.type != MSG_tasks) continue;
        co_assert(!msg_check_tasks(&m.tasks, o->body.len));
        model->sent[o->peer] += m.tasks.tasks.n;
        co_assert(model->sent[o->peer] <= 3 * model->granted[o->peer]);
    }
    outbox_clear(out);
}

static void
step(struct dispatch *d, struct model *model, struct input *in, int64_t *now,
     struct outbox *out)
{
    uint8_t kind = byte(in);
    uint64_t peer = kind >> 6;
    uint64_t words[BATCH + 1] = {1};
    uint32_t halves[2];
    struct co_buf buf;
    struct co_bytes head;
    struct msg m;
    size_t body = 0;

    kind &= 31;
    if (kind >= 28) {
        *now += (int64_t)100 * byte(in);
        dispatch_tick(d, *now, out);
        return;
    }
    if (kind == 27) {
        dispatch_on_unroutable(d, peer < 2 ? SIDE_FRONT : SIDE_BACK, peer, *now,
                               out);
        return;
    }
    if (kind >= 25) { /* raw bytes */
        size_t len = co_min_u64(byte(in), in->left);

        if (co_bytes_copy(in->at, len, &head)) return;
        in->at += len;
        in->left -= len;
        deliver(d, model, peer, head, kind == 26 ? len : 0, *now, out);
        return;
    }
    words[BATCH] = 1 + kind % 3;
    m = make(in, kind % 15, peer, words, halves);
    co_buf_init(&buf, HEAD_BYTES_MAX);
    msg_encode(&m, &buf);
    if (m.type == MSG_tasks) body = (size_t)4 * m.tasks.tasks.n;
    if (m.type == MSG_results) body = (size_t)4 * m.results.tasks.n;
    if (!co_bytes_copy(buf.data, buf.len, &head)) {
        deliver(d, model, peer, head, body, *now, out);
    }
    co_buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct dispatch_limits limits = dispatch_limits_default();
    struct model model = {0};
    struct dispatch *d;
    struct outbox out;
    int64_t now = 1;

    limits.peers_max = 3;
    limits.jobs_max = 2;
    limits.services_max = 4;
    limits.job_tasks_max = 24;
    limits.tasks_max = 30;
    limits.queued_bytes_max = 2000;
    limits.unacked_max = 4;
    limits.worker_tasks_max = 8;
    limits.orphan_ms = 20000;
    if (dispatch_new(&limits, 1, "fuzz", now, &d)) return 0;
    outbox_init(&out);
    for (int i = 0; i < STEPS_MAX && in.left; i++) {
        const char *bad;

        step(d, &model, &in, &now, &out);
        dispatch_run(d, now, &out);
        bad = dispatch_check(d);
        if (bad) co_assert_failed(bad, __FILE__, __LINE__, __func__);
        look(&model, &out);
    }
    dispatch_free(d);
    outbox_fini(&out);
    return 0;
}
