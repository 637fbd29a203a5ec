/* slots_fixture.h - a worker core with brokers played by the test: time is a
 * number, messages are structs. */
#pragma once
#include "common/hash.h"
#include "tests/co_test.h"
#include "worker/slots_impl.h"

#include <stdlib.h>
#include <string.h>

enum { WORKER = 77, JOB = 5, OWNER = 3, START_US = 1000000, MS = 1000 };
enum { NOOP = 0, RANGE = 1, ASK_ONE = 2, ASK_TWO = 3 };
enum { OTHERS = 3 + 1 + 1 }; /* first grants of all but noop */

static const struct slots_service fixture_services[] = {
    {.name = "noop", .hint_ns = 100},
    {.name = "range", .range = true, .hint_ns = 5 * 1000 * 1000},
    {.name = "ask", .hint_ns = 5 * 1000 * 1000, .provider = "one"},
    {.name = "ask", .hint_ns = 5 * 1000 * 1000, .provider = "two"},
};

struct fixture {
    struct slots_config config;
    struct slots *s;
    struct assets *assets;
    struct outbox out;
    struct msg_reader reader;
    int64_t now;
};

static inline int
fixture_setup_config(void **state, struct slots_config config)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    outbox_init(&f->out);
    f->now = START_US;
    assert_int_equal(assets_new(WORKER, NULL, &f->assets), CO_OK);
    config.incarnation = WORKER;
    config.name = "w";
    if (!config.services) {
        config.services = fixture_services;
        config.n_services = co_countof(fixture_services);
    }
    if (!config.links) config.links = 2;
    if (!config.slots) config.slots = 1;
    config.assets = f->assets;
    f->config = config;
    assert_int_equal(slots_new(&config, &f->s), CO_OK);
    *state = f;
    return 0;
}

static inline int
fixture_setup(void **state)
{
    return fixture_setup_config(state, (struct slots_config){0});
}

static inline int
fixture_teardown(void **state)
{
    struct fixture *f = *state;

    slots_check(f->s);
    slots_free(f->s);
    assets_free(f->assets);
    outbox_fini(&f->out);
    free(f);
    return 0;
}

/* -- what the worker said ------------------------------------------------ */
/* The first message of that type to that link leaves the outbox. */
static inline bool
took(struct fixture *f, uint32_t link, enum msg_type type, struct msg *ret,
     struct co_bytes *ret_body)
{
    for (size_t i = 0; i < f->out.n; i++) {
        struct outmsg *o = &f->out.v[i];

        if (o->peer != link) continue;
        assert_int_equal(msg_decode(&f->reader, o->head.data, o->head.len, ret),
                         CO_OK);
        if (ret->type != type) continue;
        if (ret_body) *ret_body = o->body;
        /* Keep the bytes until the next call: move it behind the end. */
        struct outmsg gone = *o;
        memmove(o, o + 1, (f->out.n - i - 1) * sizeof *o);
        f->out.n--;
        static struct outmsg last;
        co_bytes_unref(&last.head);
        co_bytes_unref(&last.body);
        last = gone;
        assert_int_equal(
            msg_decode(&f->reader, last.head.data, last.head.len, ret), CO_OK);
        if (ret_body) *ret_body = last.body;
        return true;
    }
    return false;
}

/* The grant in the first CREDIT for that service that was sent; 0: none was. */
static inline uint64_t
granted(struct fixture *f, uint32_t link, const char *service)
{
    struct msg m;

    while (took(f, link, MSG_credit, &m, NULL)) {
        if (msg_str_is(m.credit.service, service)) return m.credit.granted;
    }
    return 0;
}

static inline struct msg
take(struct fixture *f, uint32_t link, enum msg_type type)
{
    struct msg m;

    if (!took(f, link, type, &m, NULL)) fail_msg("no %s", msg_name(type));
    return m;
}

static inline void
assert_silent(struct fixture *f, uint32_t link, enum msg_type type)
{
    struct msg m;

    if (took(f, link, type, &m, NULL)) fail_msg("said %s", msg_name(type));
}

static inline void
ignore_what_was_said(struct fixture *f)
{
    outbox_clear(&f->out);
}

/* -- what brokers say ---------------------------------------------------- */
static inline void
say_body(struct fixture *f, uint32_t link, const struct msg *m,
         struct co_bytes body)
{
    slots_on_message(f->s, link, m, body, f->now, &f->out);
    slots_check(f->s);
}

static inline void
say(struct fixture *f, uint32_t link, const struct msg *m)
{
    say_body(f, link, m, (struct co_bytes){0});
}

static inline void
flush(struct fixture *f)
{
    slots_flush(f->s, f->now, &f->out);
    slots_check(f->s);
}

static inline void
at(struct fixture *f, int64_t ms)
{
    f->now = START_US + ms * MS;
    slots_tick(f->s, f->now, &f->out);
    slots_check(f->s);
}

static inline void
welcome_again(struct fixture *f, uint32_t link, uint64_t broker)
{
    const struct msg m = {.type = MSG_welcome,
                          .welcome = {.version = PROTO_VERSION,
                                      .incarnation = broker,
                                      .beat_ms = 1000,
                                      .dead_ms = 5000,
                                      .batch_max = BATCH_MAX,
                                      .body_max = BODY_BYTES_MAX,
                                      .part_max = PART_BYTES_MAX}};
    say(f, link, &m);
}

/* A link that is up, its first grants sent and forgotten. */
static inline void
given_link(struct fixture *f, uint32_t link)
{
    slots_connect(f->s, link, f->now, &f->out);
    welcome_again(f, link, 1000 + link);
    flush(f);
    ignore_what_was_said(f);
}

/* TASKS with one-byte payloads 'a', 'b', ... for ids first, first + 1, ... */
struct given {
    uint64_t first, recipe, fingerprint, job;
    uint32_t n, attempt, run_ms, total_ms, alone, owner;
    const char *service, *provider;
};

static inline void
say_tasks(struct fixture *f, uint32_t link, struct given g)
{
    static uint64_t ids[BATCH_MAX];
    const uint32_t len = 1;
    uint32_t attempt = g.attempt ? g.attempt : 1;
    struct co_bytes body;
    uint8_t *data;

    assert_int_equal(co_bytes_new(g.n, &data, &body), CO_OK);
    for (uint32_t i = 0; i < g.n; i++) {
        ids[i] = g.first + i;
        data[i] = (uint8_t)('a' + i % 26);
    }
    const struct msg m = {
        .type = MSG_tasks,
        .tasks = {.job = g.job ? g.job : JOB,
                  .owner = g.owner ? g.owner : OWNER,
                  .service = msg_text(g.service ? g.service : "noop"),
                  .tasks = {ids, g.n},
                  .attempts = {&attempt, 1},
                  .lens = {&len, 1},
                  .recipe = g.recipe,
                  .fingerprint = g.fingerprint,
                  .run_ms = g.run_ms,
                  .total_ms = g.total_ms,
                  .provider = msg_text(g.provider ? g.provider : ""),
                  .alone = g.alone}};
    say_body(f, link, &m, body);
    co_bytes_unref(&body);
}

static inline void
say_ack(struct fixture *f, uint32_t link, uint64_t seq)
{
    const struct msg m = {
        .type = MSG_ack,
        .ack = {
            .job = JOB, .owner = OWNER, .worker = WORKER, .seqs = {&seq, 1}}};
    say(f, link, &m);
}

static inline void
say_cancel(struct fixture *f, uint32_t link, uint64_t task)
{
    const struct msg m = {
        .type = MSG_cancel,
        .cancel = {.job = JOB, .owner = OWNER, .tasks = {&task, 1}}};
    say(f, link, &m);
}

static inline void
say_job(struct fixture *f, uint32_t link, enum msg_type type)
{
    struct msg m = {.type = type};

    /* job is the first field of all three. */
    if (type == MSG_forget) m.forget.job = JOB;
    if (type == MSG_no_owner) m.no_owner.job = JOB;
    if (type == MSG_owner_attached) {
        m.owner_attached.job = JOB;
        m.owner_attached.owner = OWNER + 1;
    }
    say(f, link, &m);
}

/* -- what the shell does ------------------------------------------------- */
static inline struct slots_task
started(struct fixture *f)
{
    struct slots_task t;

    if (!slots_next(f->s, f->now, &t)) fail_msg("nothing to run");
    slots_check(f->s);
    return t;
}

static inline void
assert_nothing_to_run(struct fixture *f)
{
    struct slots_task t;

    assert_false(slots_next(f->s, f->now, &t));
}

static inline void
finish(struct fixture *f, struct slots_task t, const char *result)
{
    assert_int_equal(
        slots_done(f->s, t.ref, STATUS_OK, result, strlen(result), 100), CO_OK);
    slots_check(f->s);
}

/* One task of the job that is done and sent as batch 1. */
static inline void
given_sent_result(struct fixture *f, uint64_t task)
{
    say_tasks(f, 0, (struct given){.first = task, .n = 1});
    finish(f, started(f), "result");
    flush(f);
}

static inline struct slots_stats
stats(struct fixture *f)
{
    struct slots_stats st;

    slots_get_stats(f->s, &st);
    return st;
}

/* Its broker is told that the suspect starts, and it does a little later. */
co_unused static struct slots_task
started_suspect(struct fixture *f, uint32_t link)
{
    struct msg_beat beat;

    flush(f); /* what goes back beside it goes first */
    assert_nothing_to_run(f);
    flush(f);
    beat = take(f, link, MSG_beat).beat;
    assert_int_equal(beat.tasks.n, 1);
    assert_nothing_to_run(f);
    f->now += (int64_t)20 * MS;
    return started(f);
}
