/* scale.c - see scale.h. A round, once a second:
 *
 *   LEASE        who is the scaler? nobody: claim it
 *   (holder only from here)
 *   SERVICES ..  which services, workers, supervisors, brokers, coordinators
 *   WORKER ..    what each of them says
 *   WRITE        what was decided; Redis refuses it of who lost the lease
 *
 * Each step asks everything in one pipeline and waits for all answers; a round
 * that Redis leaves unfinished is given up. */
#include "coordinator/scale_impl.h"
#include "coordinator/scale_script.h"

#include "common/clock.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUND_MS = LEASE_ASK_MS,
    PATIENCE_MS = 5000, /* of a round */
    LOOK_MS = 20,
    STOP_MS = 300,
    LIST_AGE_MS = 3600 * 1000, /* services that nobody told of since */
    ROUND_BITS = 24,
    REFUSED_LOG_MS = 60000,
};

enum co_err
scale_new(const struct scale_options *options, struct scale **ret_scale,
          struct co_diag *diag)
{
    co_auto(scale_freep) struct scale *s = calloc(1, sizeof *s);
    const struct co_redis_options redis = {.url = options->redis_url,
                                           .allow_insecure =
                                               options->redis_insecure,
                                           .name = CO_PROGRAM "-scaler"};
    char id[LEASE_ID_MAX + 1];
    enum co_err err;

    if (!s) return co_fail(diag, CO_NOMEM, "out of memory");
    s->opt = *options;
    co_table_init(&s->by_id, SCALE_WORKERS_MAX, co_random_u64());
    s->services = calloc(SCALE_SERVICES_MAX, sizeof *s->services);
    if (!s->services) return co_fail(diag, CO_NOMEM, "out of memory");
    if (gethostname(s->host, sizeof s->host - 1)) {
        (void)snprintf(s->host, sizeof s->host, "unknown");
    }
    (void)snprintf(id, sizeof id, "%.48s-%d", s->host, (int)getpid());
    lease_init(&s->lease, id);
    err = co_redis_start(&redis, &s->redis, diag);
    if (err) return err;
    *ret_scale = co_take(&s);
    return CO_OK;
}

/* What the actor cannot take is counted there and written again soon. */
void
scale_send(struct scale *s, int argc, const char *const *argv)
{
    enum co_err err = co_redis_send(s->redis, argc, argv, NULL);

    (void)err;
}

static void
give_back(struct scale *s)
{
    char key[CO_KEY_BYTES], mine[LEASE_VALUE_BYTES];
    const char *argv[] = {"EVAL", scale_script_release, "1", NULL, mine};

    argv[3] = co_key(CO_KEY_SCALER, s->opt.name_space, NULL, key);
    lease_value(&s->lease, mine);
    scale_send(s, (int)co_countof(argv), argv);
}

void
scale_free(struct scale *s)
{
    if (!s) return;
    if (s->redis) {
        if (lease_held(&s->lease, co_clock_ms())) give_back(s);
        co_redis_stop(s->redis, STOP_MS);
        co_redis_free(s->redis);
    }
    co_table_fini(&s->by_id);
    free(s->workers);
    free(s->services);
    free(s);
}

int
scale_fd(const struct scale *s)
{
    return co_redis_fd(s->redis);
}

/* ---- asking ---- */

/* The token says of which round, what, and about whom the question was. */
static uint64_t
token_of(const struct scale *s, enum scale_ask what, uint32_t i)
{
    return (uint64_t)(s->round & ((1U << ROUND_BITS) - 1)) << 40 |
           (uint64_t)what << 32 | i;
}

void
scale_ask(struct scale *s, enum scale_ask what, uint32_t i, int argc,
          const char *const *argv)
{
    if (co_redis_ask(s->redis, token_of(s, what, i), argc, argv, NULL)) {
        s->failed = true;
    } else {
        s->waiting++;
    }
}

static void
ask_lease(struct scale *s)
{
    char key[CO_KEY_BYTES], mine[LEASE_VALUE_BYTES], ttl[16];
    const char *argv[] = {"EVAL", scale_script_keep, "1", NULL, mine, ttl};

    argv[3] = co_key(CO_KEY_SCALER, s->opt.name_space, NULL, key);
    lease_value(&s->lease, mine);
    (void)snprintf(ttl, sizeof ttl, "%d", (int)LEASE_TTL_MS);
    scale_ask(s, SCALE_ASK_LEASE, 0, (int)co_countof(argv), argv);
}

static void
ask_claim(struct scale *s)
{
    char key[CO_KEY_BYTES], number_key[CO_KEY_BYTES], seen[24], ttl[16];
    const char *argv[] = {"EVAL", scale_script_claim, "2", NULL, NULL,
                          seen,   s->lease.id,        ttl};

    argv[3] = co_key(CO_KEY_SCALER, s->opt.name_space, NULL, key);
    argv[4] = co_key(CO_KEY_SCALER_NUMBER, s->opt.name_space, NULL, number_key);
    (void)snprintf(seen, sizeof seen, "%" PRIu64, s->lease.highest);
    (void)snprintf(ttl, sizeof ttl, "%d", (int)LEASE_TTL_MS);
    scale_ask(s, SCALE_ASK_CLAIM, 0, (int)co_countof(argv), argv);
}

static void
ask_list(struct scale *s, enum scale_ask what, enum co_key key, int64_t age_ms)
{
    char text[CO_KEY_BYTES], from[24];
    const char *argv[] = {"ZRANGEBYSCORE", NULL, from, "+inf"};

    argv[1] = co_key(key, s->opt.name_space, NULL, text);
    (void)snprintf(from, sizeof from, "%" PRId64, co_clock_wall_ms() - age_ms);
    scale_ask(s, what, 0, 4, argv);
}

static void
ask_lists(struct scale *s)
{
    scale_read_begin(s);
    ask_list(s, SCALE_ASK_SERVICES, CO_KEY_SERVICES, LIST_AGE_MS);
    ask_list(s, SCALE_ASK_WORKERS, CO_KEY_WORKERS, CO_KEY_ALIVE_MS);
    ask_list(s, SCALE_ASK_HOSTS, CO_KEY_SUPERVISORS, CO_KEY_ALIVE_MS);
    ask_list(s, SCALE_ASK_BROKERS, CO_KEY_BROKERS, CO_KEY_ALIVE_MS);
    ask_list(s, SCALE_ASK_COORDINATORS, CO_KEY_COORDINATORS, CO_KEY_ALIVE_MS);
}

static void
ask_worker(struct scale *s, uint32_t i)
{
    char key[CO_KEY_BYTES], id[17];
    const char *argv[] = {"HGETALL", NULL};

    (void)snprintf(id, sizeof id, "%016" PRIx64, s->workers[i].id);
    argv[1] = co_key(CO_KEY_WORKER, s->opt.name_space, id, key);
    scale_ask(s, SCALE_ASK_WORKER, i, 2, argv);
}

/* In a large fleet each round reads a part; what a worker did meanwhile is
 * counted when its turn comes. */
static void
ask_workers(struct scale *s)
{
    for (uint32_t n = 0; n < s->n_workers && n < SCALE_READ_MAX; n++) {
        if (s->cursor >= s->n_workers) s->cursor = 0;
        ask_worker(s, s->cursor++);
    }
}

static void
ask_hashes(struct scale *s)
{
    char key[CO_KEY_BYTES];

    ask_workers(s);
    for (uint32_t i = 0; i < s->n_hosts; i++) {
        const char *argv[] = {"HMGET", NULL, "max", "running", "services"};

        argv[1] =
            co_key(CO_KEY_SUPERVISOR, s->opt.name_space, s->hosts[i].id, key);
        scale_ask(s, SCALE_ASK_HOST, i, 5, argv);
    }
    for (uint32_t i = 0; i < s->n_services; i++) {
        const char *name = s->services[i].name;
        const char *queue[] = {"HGETALL", NULL};
        const char *pin[] = {"HMGET", NULL,   "size",        "min",
                             "max",   "mode", "memory_bytes"};
        const char *before[] = {"HMGET", NULL, "number", "in_flight_max"};

        queue[1] = co_key(CO_KEY_QUEUE, s->opt.name_space, name, key);
        scale_ask(s, SCALE_ASK_QUEUE, i, 2, queue);
        pin[1] = co_key(CO_KEY_PIN, s->opt.name_space, name, key);
        scale_ask(s, SCALE_ASK_PIN, i, (int)co_countof(pin), pin);
        before[1] = co_key(CO_KEY_SCALE, s->opt.name_space, name, key);
        scale_ask(s, SCALE_ASK_BEFORE, i, (int)co_countof(before), before);
    }
}

/* ---- deciding ---- */

/* Somebody else decided meanwhile, or nobody yet: begin anew from what lives.
 * A Redis that was emptied has no number: then the own state is as good. */
static void
begin_service(struct scale *s, struct scale_service *v)
{
    bool foreign = v->was_number && v->was_number != v->wrote &&
                   /* Redis took a write of ours whose answer was lost */
                   !(v->begun && v->was_number == s->lease.number);

    if (v->begun && !foreign) return;
    scaler_init(&v->core, &v->config, foreign, s->now_ms);
    if (foreign) scaler_take_over(&v->core, &v->config, v->was_in_flight);
    v->begun = true;
    v->told = v->m.workers;
}

static void
decide(struct scale *s)
{
    scale_read_end(s);
    for (uint32_t i = 0; i < s->n_services; i++) {
        struct scale_service *v = &s->services[i];

        begin_service(s, v);
        scaler_step(&v->core, &v->config, &v->m, s->now_ms, &v->out);
        scale_write(s, v);
    }
    scale_forget(s);
    s->rounds++;
}

/* ---- rounds ---- */

static void
round_end(struct scale *s)
{
    s->active = false;
}

static void
round_begin(struct scale *s, int64_t now_ms)
{
    s->round++;
    s->now_ms = s->begun_ms = now_ms;
    s->next_ms = now_ms + ROUND_MS;
    s->waiting = 0;
    s->failed = false;
    s->active = true;
    s->phase = SCALE_ASK_LEASE;
    s->claim = false;
    ask_lease(s);
}

static void
say_taken(const struct scale *s)
{
    co_log(CO_LOG_INFO, "scaler.taken", "number=%" PRIu64 " holder=%s",
           s->lease.number, s->lease.id);
}

/* All answers of the present step are there. */
static void
advance(struct scale *s, int64_t now_ms)
{
    bool held = lease_held(&s->lease, now_ms);

    if (s->failed || s->phase == SCALE_ASK_WRITE || (!held && !s->claim)) {
        round_end(s);
    } else if (s->claim) {
        s->claim = false;
        s->phase = SCALE_ASK_CLAIM;
        ask_claim(s);
    } else if (s->phase < SCALE_ASK_SERVICES) {
        if (s->phase == SCALE_ASK_CLAIM) say_taken(s);
        s->phase = SCALE_ASK_SERVICES;
        ask_lists(s);
    } else if (s->phase == SCALE_ASK_SERVICES) {
        s->phase = SCALE_ASK_WORKER;
        ask_hashes(s);
    } else {
        s->phase = SCALE_ASK_WRITE;
        decide(s);
    }
}

/* Another one took over between the look at the lease and the write: frozen
 * or cut off meanwhile. Nothing was changed. */
static void
on_written(struct scale *s, uint32_t written_as, int64_t written)
{
    if (written) scale_written(s, written_as);
    if (written || !lease_held(&s->lease, s->now_ms)) return;
    lease_on_refusal(&s->lease);
    co_log(CO_LOG_WARN, "scaler.replaced", "number=%" PRIu64, s->lease.number);
}

static void
on_answer(struct scale *s, enum scale_ask what, uint32_t i,
          const struct co_redis_reply *r)
{
    bool text = r->type == CO_REDIS_TEXT;

    switch (what) {
    case SCALE_ASK_LEASE:
        s->claim = lease_on_value(&s->lease, text ? r->text : NULL, s->now_ms);
        break;
    case SCALE_ASK_CLAIM:
        lease_on_claim(&s->lease, (uint64_t)r->integer, s->now_ms);
        break;
    case SCALE_ASK_WRITE:
        on_written(s, i, r->integer);
        break;
    case SCALE_ASK_SERVICES:
    case SCALE_ASK_WORKERS:
    case SCALE_ASK_HOSTS:
    case SCALE_ASK_BROKERS:
    case SCALE_ASK_COORDINATORS:
        scale_read_list(s, what, r);
        break;
    case SCALE_ASK_WORKER:
    case SCALE_ASK_HOST:
    case SCALE_ASK_QUEUE:
    case SCALE_ASK_PIN:
    case SCALE_ASK_BEFORE:
        scale_read_hash(s, what, i, r);
        break;
    case SCALE_ASK_COUNT:
        break;
    }
}

/* Most likely a command that the user of Redis was not granted. */
static void
say_refused(struct scale *s, const char *why)
{
    uint64_t more;

    if (!co_log_every(&s->refusals, s->now_ms, REFUSED_LOG_MS, &more)) return;
    co_log(CO_LOG_WARN, "scaler.refused", "error=%s more=%" PRIu64,
           co_log_quote(why).text, more);
}

static void
on_reply(struct scale *s, const struct co_redis_item *item)
{
    uint64_t mine = token_of(s, (enum scale_ask)0, 0) >> 40;

    if (!s->active || item->token >> 40 != mine) return; /* given up */
    s->waiting--;
    if (!item->reply || item->reply->type == CO_REDIS_ERROR) {
        if (item->reply) say_refused(s, item->reply->text);
        s->failed = true;
        return;
    }
    on_answer(s, (enum scale_ask)(item->token >> 32 & 0xff),
              (uint32_t)item->token, item->reply);
}

static void
read_redis(struct scale *s, int64_t now_ms)
{
    struct co_redis_item *item;

    while ((item = co_redis_poll(s->redis))) {
        if (item->kind == CO_REDIS_REPLY) {
            on_reply(s, item);
        } else if (item->kind == CO_REDIS_UP) {
            /* Everything may be gone: write it again at once. */
            s->active = false;
            s->next_ms = now_ms;
        } else {
            co_log(CO_LOG_WARN, "scaler.redis_down", "why=%s",
                   co_log_quote(item->why).text);
        }
        co_redis_item_free(item);
    }
}

void
scale_tick(struct scale *s, int64_t now_ms)
{
    if (now_ms - s->looked_ms < LOOK_MS) return;
    s->looked_ms = now_ms;
    read_redis(s, now_ms);
    while (s->active && s->waiting == 0) {
        advance(s, now_ms);
    }
    if (s->active && now_ms - s->begun_ms > PATIENCE_MS) round_end(s);
    if (!s->active && now_ms >= s->next_ms) {
        struct co_redis_counters c;

        co_redis_counters(s->redis, &c);
        /* Without a connection questions would only pile up. */
        if (c.waiting == 0) round_begin(s, now_ms);
    }
}
