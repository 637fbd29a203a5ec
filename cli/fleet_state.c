/* fleet_state.c - see fleet_state.h. The services are those that jobs and
 * workers name: asking for all keys (SCAN) would walk through everything that
 * others keep in the same Redis. */
#include "cli/fleet_state.h"

#include "cli/fleet_fields.h"
#include "cli/source.h"
#include "common/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 3000,
    KEYS_MAX = FLEET_WORKERS_MAX + FLEET_BROKERS_MAX + FLEET_COORDINATORS_MAX +
               2 * FLEET_JOBS_MAX,
};

/* ---- exchanges ---- */

/* Commands of one exchange, with the keys in them. */
struct asking {
    const char *ns;
    struct co_redis_command v[KEYS_MAX];
    char key[KEYS_MAX][CO_KEY_BYTES];
    size_t n;
};

static void
ask(struct asking *a, const char *command, enum co_key key, const char *id,
    const char *more1, const char *more2)
{
    struct co_redis_command *c = &a->v[a->n];

    co_assert(a->n < KEYS_MAX);
    c->argv[0] = command;
    c->argv[1] = co_key(key, a->ns, id, a->key[a->n]);
    c->argc = 2;
    if (more1) c->argv[c->argc++] = more1;
    if (more2) c->argv[c->argc++] = more2;
    a->n++;
}

/* One refused command spoils the picture: it is told. */
static enum co_err
exchange(struct asking *a, struct co_redis_client *client,
         struct co_redis_reply **ret, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *all = NULL;
    enum co_err err =
        co_redis_call_many(client, a->v, a->n, WAIT_MS, &all, diag);

    for (size_t i = 0; i < a->n && !err; i++) {
        char what[CO_KEY_BYTES + 20];

        (void)snprintf(what, sizeof what, "%s %s", a->v[i].argv[0], a->key[i]);
        err = co_redis_refused(&all->elements[i], co_redis_client_name(client),
                               what, diag);
    }
    if (err) return err;
    a->n = 0;
    *ret = co_take(&all);
    return CO_OK;
}

static enum co_err
make(void *ret_v, size_t *n, size_t count, size_t size)
{
    void *v = calloc(count + 1, size);

    if (!v) return CO_NOMEM;
    memcpy(ret_v, &v, sizeof v);
    *n = count;
    return CO_OK;
}

#define LISTED(s, list, count)                                                 \
    make(&(s)->list.v, &(s)->list.n, count, sizeof *(s)->list.v)

#define NAME_ALL(s, list, reply, step)                                         \
    for (size_t i = 0; i < (s)->list.n; i++) {                                 \
        const struct co_redis_reply *item = &(reply)->elements[i * (step)];    \
        (void)snprintf((s)->list.v[i].id, sizeof(s)->list.v[i].id, "%s",       \
                       item->text ? item->text : "");                          \
    }

#define SCORE_ALL(s, list, reply, field)                                       \
    for (size_t i = 0; i < (s)->list.n; i++) {                                 \
        const char *score = (reply)->elements[2 * i + 1].text;                 \
        (s)->list.v[i].field = score ? strtoull(score, NULL, 10) : 0;          \
    }

static int64_t
time_of(const struct co_redis_reply *r)
{
    if (r->count != 2 || !r->elements[0].text || !r->elements[1].text) {
        return 0;
    }
    return strtoll(r->elements[0].text, NULL, 10) * 1000 +
           strtoll(r->elements[1].text, NULL, 10) / 1000;
}

static enum co_err
read_lists(struct asking *a, struct co_redis_client *client,
           struct fleet_state *s, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    const struct co_redis_reply *e;
    enum co_err err;

    a->v[a->n++] = (struct co_redis_command){1, {"TIME"}};
    ask(a, "GET", CO_KEY_SCHEMA, NULL, NULL, NULL);
    ask(a, "ZREVRANGE", CO_KEY_WORKERS, NULL, "0", "999");
    ask(a, "ZCARD", CO_KEY_WORKERS, NULL, NULL, NULL);
    ask(a, "ZREVRANGE", CO_KEY_BROKERS, NULL, "0", "63");
    ask(a, "ZREVRANGE", CO_KEY_COORDINATORS, NULL, "0", "255");
    ask(a, "ZREVRANGE", CO_KEY_JOBS, NULL, "0", "255");
    ask(a, "ZCARD", CO_KEY_JOBS, NULL, NULL, NULL);
    a->v[2].argv[a->v[2].argc++] = "WITHSCORES";
    a->v[4].argv[a->v[4].argc++] = "WITHSCORES";
    a->v[6].argv[a->v[6].argc++] = "WITHSCORES";
    err = exchange(a, client, &r, diag);
    if (err) return err;
    e = r->elements;
    s->now_ms = time_of(&e[0]);
    if (e[1].text) (void)snprintf(s->schema, sizeof s->schema, "%s", e[1].text);
    if (LISTED(s, workers, e[2].count / 2) ||
        LISTED(s, brokers, e[4].count / 2) ||
        LISTED(s, coordinators, e[5].count) ||
        LISTED(s, jobs, e[6].count / 2)) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    NAME_ALL(s, workers, &e[2], 2)
    NAME_ALL(s, brokers, &e[4], 2)
    NAME_ALL(s, coordinators, &e[5], 1)
    NAME_ALL(s, jobs, &e[6], 2)
    SCORE_ALL(s, workers, &e[2], beat_at)
    SCORE_ALL(s, brokers, &e[4], beat_at)
    SCORE_ALL(s, jobs, &e[6], begun_at)
    s->workers.all = (size_t)e[3].integer;
    s->jobs.all = (size_t)e[7].integer;
    return CO_OK;
}

/* Takes the hashes of a list, dropping those that are gone. */
#define TAKE_ALL(s, list, table, e)                                            \
    do {                                                                       \
        size_t kept = 0;                                                       \
        for (size_t i = 0; i < (s)->list.n; i++, (e)++) {                      \
            if ((e)->count == 0) continue;                                     \
            (s)->list.v[kept] = (s)->list.v[i];                                \
            fleet_fields_take(e, &(table), &(s)->list.v[kept++]);              \
        }                                                                      \
        (s)->list.n = kept;                                                    \
    } while (0)

static enum co_err
read_hashes(struct asking *a, struct co_redis_client *client,
            struct fleet_state *s, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    const struct co_redis_reply *e;
    size_t jobs = s->jobs.n, listed = s->workers.n;
    enum co_err err;

    for (size_t i = 0; i < jobs; i++) {
        ask(a, "GET", CO_KEY_OWNER, s->jobs.v[i].id, NULL, NULL);
    }
    for (size_t i = 0; i < jobs; i++) {
        ask(a, "HGETALL", CO_KEY_JOB, s->jobs.v[i].id, NULL, NULL);
    }
    for (size_t i = 0; i < s->workers.n; i++) {
        ask(a, "HGETALL", CO_KEY_WORKER, s->workers.v[i].id, NULL, NULL);
    }
    for (size_t i = 0; i < s->brokers.n; i++) {
        ask(a, "HGETALL", CO_KEY_BROKER, s->brokers.v[i].id, NULL, NULL);
    }
    for (size_t i = 0; i < s->coordinators.n; i++) {
        ask(a, "HGETALL", CO_KEY_COORDINATOR, s->coordinators.v[i].id, NULL,
            NULL);
    }
    err = exchange(a, client, &r, diag);
    if (err) return err;
    e = r->elements;
    for (size_t i = 0; i < jobs; i++, e++) {
        s->jobs.v[i].lease = e->type == CO_REDIS_TEXT;
    }
    TAKE_ALL(s, jobs, fleet_fields_job, e);
    TAKE_ALL(s, workers, fleet_fields_worker, e);
    TAKE_ALL(s, brokers, fleet_fields_broker, e);
    TAKE_ALL(s, coordinators, fleet_fields_coordinator, e);
    /* Those that were killed stay listed for an hour; only what was not read
     * at all is taken on trust. */
    s->workers.all -= co_min_u64(s->workers.all, listed - s->workers.n);
    s->brokers.all = s->brokers.n;
    s->coordinators.all = s->coordinators.n;
    return CO_OK;
}

/* ---- queues ---- */

static void
add_queue(struct fleet_state *s, const char *service, size_t len)
{
    struct fleet_queue *q;

    for (size_t i = 0; i < s->queues.n; i++) {
        if (strlen(s->queues.v[i].service) == len &&
            strncmp(s->queues.v[i].service, service, len) == 0) {
            return;
        }
    }
    if (s->queues.n == FLEET_QUEUES_MAX || len == 0 ||
        len >= sizeof q->service) {
        return;
    }
    q = &s->queues.v[s->queues.n++];
    memcpy(q->service, service, len);
    q->service[len] = '\0';
}

static void
add_queues(struct fleet_state *s, const char *services)
{
    const char *at = services;

    for (size_t len; *at; at += len + (at[len] == ',')) {
        len = strcspn(at, ",");
        add_queue(s, at, len);
    }
}

static void
name_queues(struct fleet_state *s)
{
    for (size_t i = 0; i < s->jobs.n; i++) {
        add_queues(s, s->jobs.v[i].service);
        add_queues(s, s->jobs.v[i].services);
    }
    for (size_t i = 0; i < s->workers.n; i++) {
        add_queues(s, s->workers.v[i].services);
    }
    s->queues.all = s->queues.n;
}

static bool
broker_lives(const struct fleet_state *s, const char *id)
{
    for (size_t i = 0; i < s->brokers.n; i++) {
        if (strcmp(s->brokers.v[i].id, id) == 0) return true;
    }
    return false;
}

static bool
coordinator_lives(const struct fleet_state *s, const char *id)
{
    for (size_t i = 0; i < s->coordinators.n; i++) {
        if (strcmp(s->coordinators.v[i].id, id) == 0) return true;
    }
    return false;
}

#define Q(f)                                                                   \
    {                                                                          \
#f ".", offsetof(struct fleet_queue, f), 0                             \
    }
static const struct fleet_field queue_fields[] = {
    Q(queued),  Q(in_flight), Q(capacity), Q(oldest_ms),
    Q(workers), Q(tasks_in),  Q(results)};
#undef Q

/* "queued.BROKER": its number, added to the sum. */
static void
take_queue_field(const struct fleet_state *s, const char *name, uint64_t value,
                 struct fleet_queue *q)
{
    const char *who = strchr(name, '.');

    if (!who) return;
    who++;
    if (strncmp(name, "backlog.", 8) == 0) {
        if (coordinator_lives(s, who)) q->backlog += value;
        return;
    }
    if (strncmp(name, "remaining.", 10) == 0) {
        if (coordinator_lives(s, who)) q->remaining += value;
        return;
    }
    if (!broker_lives(s, who)) return;
    if (strncmp(name, "at.", 3) == 0) {
        q->brokers++;
        q->beat_at = co_max_u64(q->beat_at, value);
    }
    for (size_t k = 0; k < co_countof(queue_fields); k++) {
        const struct fleet_field *f = &queue_fields[k];
        uint64_t *sum = (uint64_t *)(void *)((char *)q + f->offset);

        if (strncmp(name, f->name, strlen(f->name)) != 0) continue;
        *sum = sum == &q->oldest_ms ? co_max_u64(*sum, value) : *sum + value;
    }
}

#define OF fleet_queue
static const struct fleet_field scale_fields[] = {
    {"desired", offsetof(struct OF, desired), 0},
    {"actual", offsetof(struct OF, actual), 0},
    {"at", offsetof(struct OF, scale_at), 0},
    {"reason", offsetof(struct OF, reason), sizeof((struct OF *)NULL)->reason},
};
#undef OF

/* A wish that no scaler renews is none. */
static void
take_scale(const struct fleet_state *s, const struct co_redis_reply *hash,
           struct fleet_queue *q)
{
    const struct fleet_fields fields = {scale_fields, co_countof(scale_fields)};

    q->desired = FLEET_NO_RATE;
    fleet_fields_take(hash, &fields, q);
    if ((int64_t)q->scale_at < s->now_ms - CO_KEY_ALIVE_MS) {
        q->desired = FLEET_NO_RATE;
    }
}

static enum co_err
read_queues(struct asking *a, struct co_redis_client *client,
            struct fleet_state *s, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err;

    if (make(&s->queues.v, &s->queues.n, FLEET_QUEUES_MAX,
             sizeof *s->queues.v)) {
        return co_fail(diag, CO_NOMEM, "out of memory");
    }
    s->queues.n = 0;
    name_queues(s);
    for (size_t i = 0; i < s->queues.n; i++) {
        ask(a, "HGETALL", CO_KEY_QUEUE, s->queues.v[i].service, NULL, NULL);
    }
    for (size_t i = 0; i < s->queues.n; i++) {
        ask(a, "HGETALL", CO_KEY_SCALE, s->queues.v[i].service, NULL, NULL);
    }
    err = exchange(a, client, &r, diag);
    for (size_t i = 0; i < s->queues.n && !err; i++) {
        const struct co_redis_reply *h = &r->elements[i];

        for (size_t k = 0; k + 1 < h->count; k += 2) {
            if (!h->elements[k].text || !h->elements[k + 1].text) continue;
            take_queue_field(s, h->elements[k].text,
                             strtoull(h->elements[k + 1].text, NULL, 10),
                             &s->queues.v[i]);
        }
        take_scale(s, &r->elements[s->queues.n + i], &s->queues.v[i]);
    }
    return err;
}

static void
take_money(const struct fleet_job *j, struct fleet_money *m)
{
#define COPY(to, from) (void)snprintf(m->to, sizeof m->to, "%s", j->from)
    COPY(id, id);
    COPY(name, name);
    COPY(settled, settled_usd);
    COPY(unknown, unknown_usd);
    COPY(reserved, reserved_usd);
    COPY(cap, budget_usd);
    COPY(minute, usd_per_min);
    COPY(row, row_usd);
#undef COPY
    m->calls = strtoull(j->calls, NULL, 10);
    m->cached = j->calls_cached;
    m->lost = j->calls_lost;
    m->written = j->rows_written;
}

static enum co_err
list_money(struct fleet_state *s)
{
    s->money.v = calloc(s->jobs.n + 1, sizeof *s->money.v);
    if (!s->money.v) return CO_NOMEM;
    for (size_t i = 0; i < s->jobs.n; i++) {
        if (!s->jobs.v[i].calls[0]) continue;
        take_money(&s->jobs.v[i], &s->money.v[s->money.n++]);
    }
    s->money.all = s->money.n;
    return CO_OK;
}

/* What follows from the rest. */
static void
derive(struct fleet_state *s)
{
    uint64_t now = s->now_ms > 0 ? (uint64_t)s->now_ms : 0;

    for (size_t i = 0; i < s->jobs.n; i++) {
        struct fleet_job *j = &s->jobs.v[i];

        if (j->requested) {
            j->permille = j->accepted >= j->requested
                              ? 1000
                              : (uint64_t)((double)j->accepted * 1000 /
                                           (double)j->requested);
        }
    }
    for (size_t i = 0; i < s->queues.n; i++) {
        s->queues.v[i].per_s = FLEET_NO_RATE;
    }
    for (size_t i = 0; i < s->workers.n; i++) {
        s->workers.v[i].per_s = FLEET_NO_RATE;
        s->workers.v[i].up_ms =
            now - co_min_u64(now, s->workers.v[i].started_at);
    }
    for (size_t i = 0; i < s->brokers.n; i++) {
        s->brokers.v[i].per_s = FLEET_NO_RATE;
        s->brokers.v[i].up_ms =
            now - co_min_u64(now, s->brokers.v[i].started_at);
    }
}

enum co_err
fleet_state_read(struct co_redis_client *client, const char *name_space,
                 struct fleet_state **ret_state, struct co_diag *diag)
{
    co_auto(fleet_state_freep) struct fleet_state *s = calloc(1, sizeof *s);
    struct asking *a = calloc(1, sizeof *a); /* half a megabyte */
    enum co_err err = CO_OK;

    if (!s || !a) err = co_fail(diag, CO_NOMEM, "out of memory");
    if (a) a->ns = name_space;
    if (!err) err = read_lists(a, client, s, diag);
    if (!err) err = read_hashes(a, client, s, diag);
    if (!err) err = read_queues(a, client, s, diag);
    if (!err && list_money(s)) err = co_fail(diag, CO_NOMEM, "out of memory");
    free(a);
    if (err) return err;
    derive(s);
    *ret_state = co_take(&s);
    return CO_OK;
}

void
fleet_state_free(struct fleet_state *s)
{
    if (!s) return;
    free(s->workers.v);
    free(s->brokers.v);
    free(s->coordinators.v);
    free(s->queues.v);
    free(s->jobs.v);
    free(s->money.v);
    free(s->endpoints.v);
    free(s);
}
