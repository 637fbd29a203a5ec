/* fuzz_slots.c - brokers that say anything, at any time, to a worker.
 * The input is a script: one byte chooses what happens (a message made of the
 * next bytes, running or ending a task, time passing), small numbers choose
 * jobs and tasks so that messages meet. After every step slots_check must
 * hold, what is sent must decode, and what runs never exceeds the slots. */
#include "worker/assets.h"
#include "worker/slots.h"

#include <stdlib.h>
#include <string.h>

enum { WORKER = 9, SLOTS = 3, LINKS = 2, TASKS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
    const uint8_t *at, *end;
};

static uint8_t
next(struct script *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

struct play {
    struct slots *s;
    struct assets *assets;
    struct outbox out;
    struct msg_reader reader;
    struct slots_task running[SLOTS];
    unsigned n;
    int64_t now;
};

/* -- a spill that fails when told to ------------------------------------- */
enum { DISK = 4 };
static struct {
    uint64_t seq[DISK];
    struct co_bytes body[DISK];
    bool broken;
} disk;

static enum co_err
put(void *ctx, uint64_t seq, struct co_bytes body)
{
    (void)ctx;
    for (unsigned i = 0; i < DISK; i++) {
        if (disk.seq[i]) continue;
        disk.seq[i] = seq;
        disk.body[i] = co_bytes_ref(body);
        return CO_OK;
    }
    return CO_FULL;
}

static enum co_err
get(void *ctx, uint64_t seq, struct co_bytes *ret_body)
{
    (void)ctx;
    for (unsigned i = 0; i < DISK && !disk.broken; i++) {
        if (disk.seq[i] != seq) continue;
        *ret_body = co_bytes_ref(disk.body[i]);
        return CO_OK;
    }
    return CO_DAMAGED;
}

static void
drop(void *ctx, uint64_t seq)
{
    (void)ctx;
    for (unsigned i = 0; i < DISK; i++) {
        if (disk.seq[i] != seq) continue;
        disk.seq[i] = 0;
        co_bytes_unref(&disk.body[i]);
    }
}

/* -- messages ------------------------------------------------------------ */
static void
say_tasks(struct play *p, struct script *in, uint32_t link)
{
    static const char *const names[] = {"noop", "range", "other", ""};
    uint64_t ids[TASKS_MAX];
    uint32_t attempts[TASKS_MAX], lens[TASKS_MAX], n = next(in) % 9, sum = 0;
    struct co_bytes body;
    uint8_t *bytes, flags;

    for (uint32_t i = 0; i < n; i++) {
        ids[i] = next(in) % 16;
        attempts[i] = next(in) % 4;
        lens[i] = next(in) % 8;
        sum += lens[i];
    }
    flags = next(in);
    if (flags & 1) sum++; /* a body that does not fit */
    co_assert(co_bytes_new(sum, &bytes, &body) == CO_OK);
    memset(bytes, 'b', sum);
    const struct msg m = {.type = MSG_tasks,
                          .tasks = {.job = 1 + (flags >> 1 & 1),
                                    .owner = 1 + (flags >> 2 & 1),
                                    .service = msg_text(names[next(in) % 4]),
                                    .tasks = {ids, n},
                                    .attempts = {attempts, flags & 8 ? 1 : n},
                                    .lens = {lens, n},
                                    .recipe = flags & 16 ? 1 + next(in) % 2 : 0,
                                    .fingerprint = next(in) % 8 == 0 ? 5 : 0,
                                    .run_ms = flags & 32 ? 5 : 0,
                                    .total_ms = flags & 64 ? 5 : 0,
                                    .alone = flags >> 7}};
    slots_on_message(p->s, link, &m, body, p->now, &p->out);
    co_bytes_unref(&body);
}

static void
say_blob(struct play *p, struct script *in, uint32_t link)
{
    uint8_t bytes[8] = {0};
    uint8_t len = next(in) % 8;
    const struct msg m = {.type = MSG_blob,
                          .blob = {.job = 1,
                                   .hash = 1 + next(in) % 2,
                                   .worker = WORKER,
                                   .offset = next(in) % 4,
                                   .total = next(in) % 8}};

    slots_on_message(p->s, link, &m, co_bytes_borrow(bytes, len), p->now,
                     &p->out);
}

/* Messages about one job or a few numbers. */
static void
say_small(struct play *p, struct script *in, uint32_t link)
{
    static const enum msg_type types[] = {
        MSG_welcome,        MSG_who,    MSG_refused,   MSG_beat,
        MSG_inventory_get,  MSG_ack,    MSG_cancel,    MSG_no_owner,
        MSG_owner_attached, MSG_forget, MSG_reclaimed, MSG_drain,
        MSG_lost,           MSG_ack};
    uint64_t ids[3] = {next(in) % 16, next(in) % 16, next(in) % 64};
    uint64_t job = 1 + next(in) % 2;
    struct msg m = {.type = types[next(in) % co_countof(types)]};

    if (m.type == MSG_welcome) {
        m.welcome.beat_ms = next(in);
        m.welcome.dead_ms = next(in);
        m.welcome.body_max = next(in);
    } else if (m.type == MSG_refused) {
        m.refused.code = msg_text(next(in) % 2 ? "VERSION" : "FULL");
    } else if (m.type == MSG_ack) {
        m.ack.job = job;
        m.ack.worker = WORKER;
        m.ack.seqs = (struct msg_u64s){ids, 3};
    } else if (m.type == MSG_cancel) {
        m.cancel.job = job;
        m.cancel.tasks = (struct msg_u64s){ids, 3};
    } else if (m.type == MSG_no_owner) {
        m.no_owner.job = job;
        m.no_owner.seqs = (struct msg_u64s){ids, next(in) % 3};
    } else if (m.type == MSG_owner_attached) {
        m.owner_attached.job = job;
    } else if (m.type == MSG_forget) {
        m.forget.job = job;
    } else if (m.type == MSG_reclaimed) {
        m.reclaimed.service = msg_text("noop");
        m.reclaimed.returned = ids[2] * 16;
    } else if (m.type == MSG_drain && next(in) != 255) {
        m.type = MSG_beat; /* seldom, or nothing else is tried */
    }
    slots_on_message(p->s, link, &m, (struct co_bytes){0}, p->now, &p->out);
}

/* A frame as it came: what decodes must be handled. */
static void
say_raw(struct play *p, struct script *in, uint32_t link)
{
    size_t len = next(in);
    struct msg m;

    if (len > (size_t)(in->end - in->at)) len = (size_t)(in->end - in->at);
    if (msg_decode(&p->reader, in->at, len, &m) == CO_OK &&
        m.type != MSG_drain) {
        slots_on_message(p->s, link, &m, co_bytes_borrow(in->at, len), p->now,
                         &p->out);
    }
    in->at += len;
}

/* -- the shell's part ---------------------------------------------------- */
static void
end_task(struct play *p, struct script *in)
{
    static const uint8_t result[64];
    uint8_t how = next(in);
    struct slots_task t;

    if (p->n == 0) return;
    t = p->running[0];
    p->running[0] = p->running[--p->n];
    if (how & 1) slots_progress(p->s, t.ref);
    if (how & 2 || slots_stopped(p->s, t.ref)) {
        slots_give_back(p->s, t.ref, RETURN_NO_RECIPE, 0);
    } else {
        (void)!slots_done(p->s, t.ref, how & 4 ? STATUS_FAILED : STATUS_OK,
                          result, how % 64, (uint64_t)how << 12);
    }
}

static void
begin_tasks(struct play *p)
{
    struct slots_task t;

    while (slots_next(p->s, p->now, &t)) {
        co_assert(p->n < SLOTS);
        p->running[p->n++] = t;
    }
}

/* Everything that is sent must be readable. */
static void
read_out(struct play *p)
{
    struct msg m;

    for (size_t i = 0; i < p->out.n; i++) {
        const struct outmsg *o = &p->out.v[i];

        co_assert(o->peer < LINKS);
        co_assert(msg_decode(&p->reader, o->head.data, o->head.len, &m) ==
                  CO_OK);
        co_assert(m.type != MSG_results ||
                  msg_check_results(&m.results, o->body.len) == CO_OK);
    }
    outbox_clear(&p->out);
}

static void
play_step(struct play *p, struct script *in)
{
    uint8_t what = next(in);
    uint32_t link = what >> 7;

    switch (what & 15) {
    case 0:
    case 1:
    case 2:
    case 3:
        say_tasks(p, in, link);
        break;
    case 4:
    case 5:
    case 6:
        say_small(p, in, link);
        break;
    case 7:
        say_raw(p, in, link);
        break;
    case 8:
        say_blob(p, in, link);
        break;
    case 9:
    case 10:
        end_task(p, in);
        break;
    case 11:
        begin_tasks(p);
        break;
    case 12:
        p->now += (int64_t)next(in) * 100 * 1000;
        slots_tick(p->s, p->now, &p->out);
        break;
    case 13:
        disk.broken = !disk.broken;
        break;
    default:
        slots_flush(p->s, p->now, &p->out);
        break;
    }
}

static void
finish(struct play *p, struct script *in)
{
    while (p->n > 0) {
        end_task(p, in);
    }
    slots_hand_back(p->s, p->now, &p->out);
    slots_check(p->s);
    slots_bye(p->s, &p->out);
    read_out(p);
    slots_free(p->s);
    assets_free(p->assets);
    outbox_fini(&p->out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slots_service services[] = {
        {.name = "noop", .hint_ns = 100000},
        {.name = "range", .range = true, .hint_ns = 5000000}};
    static struct play play;
    struct play *p = &play;
    struct script in = {data, data + size};

    *p = (struct play){.now = 1000};
    disk.broken = false;
    outbox_init(&p->out);
    co_assert(assets_new(WORKER, NULL, &p->assets) == CO_OK);
    const struct slots_config config = {.incarnation = WORKER,
                                        .name = "w",
                                        .services = services,
                                        .n_services = 2,
                                        .links = LINKS,
                                        .slots = SLOTS,
                                        .held_max = 40,
                                        .result_bytes_max = 200,
                                        .result_age_us = 5000000,
                                        .spill = {NULL, put, get, drop},
                                        .assets = p->assets};
    co_assert(slots_new(&config, &p->s) == CO_OK);
    for (uint32_t i = 0; i < LINKS; i++) {
        const struct msg m = {.type = MSG_welcome,
                              .welcome = {.version = 1, .incarnation = 1}};

        slots_connect(p->s, i, p->now, &p->out);
        slots_on_message(p->s, i, &m, (struct co_bytes){0}, p->now, &p->out);
    }
    slots_flush(p->s, p->now, &p->out);
    while (in.at < in.end) {
        play_step(p, &in);
        slots_check(p->s);
        if (p->out.n > 64) read_out(p);
    }
    finish(p, &in);
    return 0;
}
