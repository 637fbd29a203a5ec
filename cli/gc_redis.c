/* gc_redis.c - what `cohort gc` finds in a Redis. See gc.h.
 * All keys are walked once with SCAN to find the namespaces. One without a sign
 * of life goes as a whole; in the others old jobs, old events, and what writers
 * that were killed left in `queue:SERVICE`. Redis is never the truth about a
 * job, so a mistake of its clock costs the display only. */
#include "cli/gc.h"
#include "cli/gc_ask.h"
#include "common/keys.h"
#include "job/budget.h"

#include <stdlib.h>
#include <string.h>

enum { NAMESPACES_MAX = 4096, JOBS_MAX = 10000, QUEUE_STALE_MS = 3600 * 1000 };

struct found {
    struct gc_namespace *v;
    size_t count;
    uint64_t left_out; /* keys of namespaces beyond NAMESPACES_MAX */
};

static struct gc_namespace *
found_add(struct found *f, const char *name)
{
    for (size_t i = f->count; i-- > 0;) {
        if (strcmp(f->v[i].name, name) == 0) return &f->v[i];
    }
    if (f->count == NAMESPACES_MAX) return NULL;
    (void)snprintf(f->v[f->count].name, GC_NAMESPACE_BYTES, "%s", name);
    return &f->v[f->count++];
}

static enum co_err
on_key(void *self, struct gc_ask *ask, const char *key, struct co_diag *diag)
{
    struct found *f = self;
    struct gc_namespace *ns;
    char name[GC_NAMESPACE_BYTES];
    const char *rest;

    (void)ask;
    (void)diag;
    if (!gc_key_parse(key, name, &rest)) return CO_OK;
    ns = found_add(f, name);
    if (!ns) {
        f->left_out++;
        return CO_OK;
    }
    ns->keys++;
    ns->alive |= gc_key_is_beat(rest);
    ns->unfinished += strncmp(rest, "dead:", 5) == 0;
    ns->budget |= strcmp(rest, "caps:" BUDGET_TOTAL) == 0;
    return CO_OK;
}

/* ---- how old is it ---- */

/* The highest score of a zset; 0: it is empty. */
static enum co_err
newest_score(struct gc_ask *ask, const char *ns, enum co_key which,
             int64_t *newest, struct co_diag *diag)
{
    char key[CO_KEY_BYTES];
    const char *argv[] = {"ZRANGE", co_key(which, ns, NULL, key), "-1", "-1",
                          "WITHSCORES"};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &r, diag);
    int64_t at;

    if (err || r->count < 2) return err;
    at = strtoll(gc_ask_text(&r->elements[1]), NULL, 10);
    if (at > *newest) *newest = at;
    return CO_OK;
}

/* An entry's id begins with the milliseconds when it came. */
static enum co_err
newest_event(struct gc_ask *ask, const char *ns, int64_t *newest,
             struct co_diag *diag)
{
    char key[CO_KEY_BYTES];
    const char *argv[] = {"XREVRANGE", co_key(CO_KEY_EVENTS, ns, NULL, key),
                          "+",         "-",
                          "COUNT",     "1"};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &r, diag);
    int64_t at;

    if (err || r->count < 1 || r->elements[0].count < 1) return err;
    at = strtoll(gc_ask_text(&r->elements[0].elements[0]), NULL, 10);
    if (at > *newest) *newest = at;
    return CO_OK;
}

static enum co_err
find_newest(struct gc_ask *ask, struct gc_namespace *ns, struct co_diag *diag)
{
    static const enum co_key zsets[] = {CO_KEY_WORKERS, CO_KEY_BROKERS,
                                        CO_KEY_COORDINATORS, CO_KEY_JOBS};
    enum co_err err = newest_event(ask, ns->name, &ns->newest_ms, diag);

    for (size_t i = 0; !err && i < co_countof(zsets); i++) {
        err = newest_score(ask, ns->name, zsets[i], &ns->newest_ms, diag);
    }
    return err;
}

/* ---- jobs ---- */

/* One field of job:ID into text; "" when it is not there. */
static enum co_err
job_state(struct gc_ask *ask, const char *ns, const char *job, char *text,
          size_t size, struct co_diag *diag)
{
    char key[CO_KEY_BYTES];
    const char *argv[] = {"HGET", co_key(CO_KEY_JOB, ns, job, key), "state"};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &r, diag);

    text[0] = '\0';
    if (!err) (void)snprintf(text, size, "%s", gc_ask_text(r));
    return err;
}

/* When a job last said something: the last line of its series, else when it
 * was first told of. */
static enum co_err
job_newest(struct gc_ask *ask, const char *ns, const char *job, int64_t *at,
           struct co_diag *diag)
{
    static const char field[] = "\"time_ms\":";
    char key[CO_KEY_BYTES];
    const char *argv[] = {"LINDEX", co_key(CO_KEY_SERIES, ns, job, key), "-1"};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &r, diag);
    const char *time = err ? NULL : strstr(gc_ask_text(r), field);
    int64_t told = time ? strtoll(time + sizeof field - 1, NULL, 10) : 0;

    if (told > *at) *at = told;
    return err;
}

static enum co_err
job_has_dead(struct gc_ask *ask, const char *ns, const char *job, bool *ret,
             struct co_diag *diag)
{
    char key[CO_KEY_BYTES];
    const char *argv[] = {"EXISTS", co_key(CO_KEY_DEAD, ns, job, key)};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &r, diag);

    *ret = !err && r->integer != 0;
    return err;
}

static enum co_err
remove_job(struct gc_ask *ask, const char *ns, const char *job,
           struct co_diag *diag)
{
    static const enum co_key keys[] = {CO_KEY_JOB, CO_KEY_SERIES};
    char jobs[CO_KEY_BYTES];
    const char *zrem[] = {"ZREM", co_key(CO_KEY_JOBS, ns, NULL, jobs), job};
    enum co_err err = CO_OK;

    /* The list last: killed in between, the job is found again. */
    for (size_t i = 0; !err && i < co_countof(keys); i++) {
        char key[CO_KEY_BYTES];

        err = gc_ask_unlink(ask, co_key(keys[i], ns, job, key), diag);
    }
    return err ? err : gc_ask_do(ask, co_countof(zrem), zrem, diag);
}

static uint64_t
job_bytes(struct gc_ask *ask, const char *ns, const char *job)
{
    char key[CO_KEY_BYTES];

    return gc_ask_bytes(ask, co_key(CO_KEY_JOB, ns, job, key)) +
           gc_ask_bytes(ask, co_key(CO_KEY_SERIES, ns, job, key));
}

/* at_ms: when the job was first told of. */
static enum co_err
collect_job(struct gc *gc, struct gc_ask *ask, const char *ns, const char *job,
            int64_t at_ms, struct co_diag *diag)
{
    char state[32];
    bool dead = false;
    enum co_err err = job_state(ask, ns, job, state, sizeof state, diag);

    if (!err) err = job_newest(ask, ns, job, &at_ms, diag);
    /* Without a hash it was forgotten by hand, all but its name. */
    if (err || (state[0] && !gc_job_is_over(state)) ||
        !gc_is_older(at_ms, gc->now_ms, gc->ages.jobs_ms)) {
        return err;
    }
    err = job_has_dead(ask, ns, job, &dead, diag);
    if (err) return err;
    if (dead) {
        gc_keep(gc, "job", "%s of namespace %s: has dead letters", job, ns);
        return CO_OK;
    }
    if (!gc_take(gc, GC_REDIS, "job", job_bytes(ask, ns, job),
                 "%s of namespace %s: %s, last heard of %lld d ago", job, ns,
                 state[0] ? state : "forgotten",
                 (long long)(gc->now_ms - at_ms) / 86400000)) {
        return CO_OK;
    }
    return remove_job(ask, ns, job, diag);
}

/* The jobs of a namespace with the time they were first told of. */
static enum co_err
list_jobs(struct gc_ask *ask, const char *ns, struct co_redis_reply **ret,
          struct co_diag *diag)
{
    char key[CO_KEY_BYTES], last[16];
    const char *argv[] = {"ZRANGE", co_key(CO_KEY_JOBS, ns, NULL, key), "0",
                          last, "WITHSCORES"};

    (void)snprintf(last, sizeof last, "%d", JOBS_MAX - 1); /* oldest first */
    return gc_ask_call(ask, co_countof(argv), argv, ret, diag);
}

static enum co_err
count_unfinished(struct gc_ask *ask, struct gc_namespace *ns,
                 struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *jobs = NULL;
    enum co_err err = list_jobs(ask, ns->name, &jobs, diag);

    for (size_t i = 0; !err && i + 1 < jobs->count; i += 2) {
        char state[32];

        err = job_state(ask, ns->name, gc_ask_text(&jobs->elements[i]), state,
                        sizeof state, diag);
        ns->unfinished += !err && state[0] && !gc_job_is_over(state);
    }
    return err;
}

static enum co_err
collect_jobs(struct gc *gc, struct gc_ask *ask, const char *ns,
             struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *jobs = NULL;
    enum co_err err = list_jobs(ask, ns, &jobs, diag);

    for (size_t i = 0; !err && i + 1 < jobs->count; i += 2) {
        err = collect_job(
            gc, ask, ns, gc_ask_text(&jobs->elements[i]),
            strtoll(gc_ask_text(&jobs->elements[i + 1]), NULL, 10), diag);
    }
    return err;
}

/* ---- events ---- */

/* How many entries are older than the id; the stream is bounded. */
static enum co_err
count_events(struct gc_ask *ask, const char *key, const char *before,
             uint64_t *ret_count, struct co_diag *diag)
{
    const char *argv[] = {"XRANGE", key, "-", before};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &r, diag);

    *ret_count = err ? 0 : r->count;
    return err;
}

static enum co_err
collect_events(struct gc *gc, struct gc_ask *ask, const char *ns,
               struct co_diag *diag)
{
    char key[CO_KEY_BYTES], before[32], from[32];
    const char *trim[] = {"XTRIM", co_key(CO_KEY_EVENTS, ns, NULL, key),
                          "MINID", from};
    int64_t limit_ms = gc->now_ms - (int64_t)gc->ages.events_ms;
    uint64_t count;
    enum co_err err;

    if (limit_ms <= 0) return CO_OK;
    (void)snprintf(from, sizeof from, "%lld", (long long)limit_ms);
    (void)snprintf(before, sizeof before, "(%lld", (long long)limit_ms);
    err = count_events(ask, key, before, &count, diag);
    if (err || !count) return err;
    if (!gc_take(gc, GC_REDIS, "events", 0,
                 "%llu of namespace %s: older than %llu d",
                 (unsigned long long)count, ns,
                 (unsigned long long)gc->ages.events_ms / 86400000)) {
        return CO_OK;
    }
    return gc_ask_do(ask, co_countof(trim), trim, diag);
}

/* ---- queues ---- */

/* Does the broker or coordinator that writes fields NAME.WRITER still live? */
static enum co_err
writer_lives(struct gc_ask *ask, const char *ns, const char *writer,
             bool *ret_lives, struct co_diag *diag)
{
    char a[CO_KEY_BYTES], b[CO_KEY_BYTES];
    const char *argv[] = {"EXISTS", co_key(CO_KEY_BROKER, ns, writer, a),
                          co_key(CO_KEY_COORDINATOR, ns, writer, b)};
    co_auto(co_redis_reply_freep) struct co_redis_reply *r = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &r, diag);

    *ret_lives = err || r->integer != 0;
    return err;
}

static bool
is_of(const char *field, const char *writer)
{
    const char *dot = strchr(field, '.');

    return dot && strcmp(dot + 1, writer) == 0;
}

static enum co_err
remove_fields(struct gc_ask *ask, const char *key,
              const struct co_redis_reply *hash, const char *writer,
              struct co_diag *diag)
{
    enum co_err err = CO_OK;

    for (size_t i = 0; !err && i + 1 < hash->count; i += 2) {
        const char *field = gc_ask_text(&hash->elements[i]);
        const char *argv[] = {"HDEL", key, field};

        if (is_of(field, writer)) {
            err = gc_ask_do(ask, co_countof(argv), argv, diag);
        }
    }
    return err;
}

/* Fields of a broker that was killed: its `at` is old. */
static enum co_err
collect_queue(struct gc *gc, struct gc_ask *ask, const char *ns,
              const char *key, struct co_diag *diag)
{
    const char *argv[] = {"HGETALL", key};
    co_auto(co_redis_reply_freep) struct co_redis_reply *hash = NULL;
    enum co_err err = gc_ask_call(ask, co_countof(argv), argv, &hash, diag);

    for (size_t i = 0; !err && i + 1 < hash->count; i += 2) {
        const char *field = gc_ask_text(&hash->elements[i]);
        int64_t at = strtoll(gc_ask_text(&hash->elements[i + 1]), NULL, 10);
        bool lives = true;

        if (strncmp(field, "at.", 3) != 0 ||
            !gc_is_older(at, gc->now_ms, QUEUE_STALE_MS)) {
            continue;
        }
        err = writer_lives(ask, ns, field + 3, &lives, diag);
        if (err || lives) continue;
        if (gc_take(gc, GC_REDIS, "fields", 0, "%s: of %s, which was killed",
                    key, field + 3)) {
            err = remove_fields(ask, key, hash, field + 3, diag);
        }
    }
    return err;
}

struct queues {
    struct gc *gc;
    const char *ns;
};

static enum co_err
on_queue(void *self, struct gc_ask *ask, const char *key, struct co_diag *diag)
{
    const struct queues *q = self;
    char ns[GC_NAMESPACE_BYTES];
    const char *name;

    if (!gc_key_parse(key, ns, &name) || strcmp(ns, q->ns) != 0 ||
        strncmp(name, "queue:", 6) != 0) {
        return CO_OK;
    }
    return collect_queue(q->gc, ask, ns, key, diag);
}

/* ---- a namespace ---- */

static enum co_err
add_bytes(void *self, struct gc_ask *ask, const char *key, struct co_diag *diag)
{
    (void)diag;
    *(uint64_t *)self += gc_ask_bytes(ask, key);
    return CO_OK;
}

static enum co_err
unlink_key(void *self, struct gc_ask *ask, const char *key,
           struct co_diag *diag)
{
    (void)self;
    return gc_ask_unlink(ask, key, diag);
}

static enum co_err
collect_namespace(struct gc *gc, struct gc_ask *ask,
                  const struct gc_namespace *ns, struct co_diag *diag)
{
    char pattern[GC_PATTERN_BYTES];
    uint64_t bytes = 0;
    enum co_err err = gc_ask_scan(ask, gc_key_pattern(ns->name, pattern),
                                  add_bytes, &bytes, diag);

    if (err) return err;
    if (!gc_take(gc, GC_REDIS, "namespace", bytes,
                 "%s: %llu keys, no sign of life for %lld d", ns->name,
                 (unsigned long long)ns->keys,
                 (long long)(gc->now_ms - ns->newest_ms) / 86400000)) {
        return CO_OK;
    }
    return gc_ask_scan(ask, pattern, unlink_key, NULL, diag);
}

static enum co_err
look_inside(struct gc *gc, struct gc_ask *ask, const char *ns,
            struct co_diag *diag)
{
    char pattern[GC_PATTERN_BYTES];
    struct queues queues = {gc, ns};
    enum co_err err = collect_jobs(gc, ask, ns, diag);

    if (!err) err = collect_events(gc, ask, ns, diag);
    if (err) return err;
    return gc_ask_scan(ask, gc_key_pattern(ns, pattern), on_queue, &queues,
                       diag);
}

static enum co_err
look_at(struct gc *gc, struct gc_ask *ask, struct gc_namespace *ns,
        struct co_diag *diag)
{
    enum co_err err = find_newest(ask, ns, diag);

    if (!err) err = count_unfinished(ask, ns, diag);
    if (err) return err;
    switch (gc_namespace_verdict(ns, gc->now_ms, gc->ages.namespaces_ms,
                                 gc->unfinished)) {
    case GC_REMOVE:
        return collect_namespace(gc, ask, ns, diag);
    case GC_UNFINISHED:
        gc_keep(gc, "namespace",
                "%s: %llu jobs in it are not finished or have dead letters "
                "(--unfinished)",
                ns->name, (unsigned long long)ns->unfinished);
        return CO_OK;
    case GC_BUDGET:
        gc_keep(gc, "namespace",
                "%s: has the ledger of caps over jobs (delete its "
                "caps:" BUDGET_TOTAL " first, if no cap is to hold)",
                ns->name);
        return CO_OK;
    case GC_NO_TIME:
        gc_keep(gc, "namespace", "%s: nothing in it tells how old it is",
                ns->name);
        return CO_OK;
    case GC_ALIVE:
    case GC_YOUNG:
        break;
    }
    return look_inside(gc, ask, ns->name, diag);
}

enum co_err
gc_redis(struct gc *gc, struct co_diag *diag)
{
    co_auto(gc_ask_freep) struct gc_ask *ask = NULL;
    struct found f = {calloc(NAMESPACES_MAX, sizeof *f.v), 0, 0};
    enum co_err err =
        f.v ? gc_ask_new(gc->redis, gc->redis_insecure, &ask, diag)
            : co_fail(diag, CO_NOMEM, "out of memory");

    if (!err) err = gc_ask_scan(ask, CO_PROGRAM ":{*}:*", on_key, &f, diag);
    for (size_t i = 0; !err && i < f.count; i++) {
        err = look_at(gc, ask, &f.v[i], diag);
    }
    if (f.left_out) {
        gc_keep(gc, "namespace",
                "%llu keys of further namespaces: at most %d are looked at, "
                "call again",
                (unsigned long long)f.left_out, (int)NAMESPACES_MAX);
    }
    free(f.v);
    return err;
}
