/* scale_write.c - what the scaler decided goes into Redis. Both keys of a
 * service change in one MULTI ... EXEC, whole each time: whoever counts
 * demand:SERVICE (KEDA does) never sees it half made, and a Redis that was
 * emptied is right again a second later. */
#include "coordinator/scale_impl.h"

#include "common/clock.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ARGS_MAX = 2 + 2 * (40 + SHARE_HOSTS_MAX),
    TEXT_BYTES = SCALE_NAME_BYTES + 32,
    MEMBERS_MAX = 500, /* of one SADD */
    MEMBER_BYTES = 12,
};

/* A command under construction; large, so one is enough. */
struct command {
    const char *argv[ARGS_MAX];
    char texts[ARGS_MAX][TEXT_BYTES];
    char key[CO_KEY_BYTES];
    int argc;
};

/* What the actor cannot take is counted there and written again soon. */
void
scale_send(struct scale *s, int argc, const char *const *argv)
{
    enum co_err err = co_redis_send(s->redis, argc, argv, NULL);

    (void)err;
}

static void
begin(struct scale *s, struct command *c, const char *name, enum co_key key,
      const char *id)
{
    c->argv[0] = name;
    c->argv[1] = co_key(key, s->opt.name_space, id, c->key);
    c->argc = 2;
}

static void put(struct command *c, const char *field, const char *fmt, ...)
    co_printf(3, 4);
static void
put(struct command *c, const char *field, const char *fmt, ...)
{
    va_list args;

    co_assert(c->argc + 2 <= ARGS_MAX);
    (void)snprintf(c->texts[c->argc], TEXT_BYTES, "%s", field);
    c->argv[c->argc] = c->texts[c->argc];
    c->argc++;
    va_start(args, fmt);
    (void)vsnprintf(c->texts[c->argc], TEXT_BYTES, fmt, args);
    va_end(args);
    c->argv[c->argc] = c->texts[c->argc];
    c->argc++;
}

/* Thousandths as a decimal number. */
static void
put_milli(struct command *c, const char *field, uint64_t milli)
{
    put(c, field, "%" PRIu64 ".%03u", milli / 1000, (unsigned)(milli % 1000));
}

static void
finish(struct scale *s, const struct command *c)
{
    scale_send(s, c->argc, c->argv);
}

/* ---- scale:SERVICE ---- */

static void
put_sizes(struct scale *s, const struct scale_service *v, struct command *c)
{
    int64_t wall = co_clock_wall_ms();

    put(c, "desired", "%u", v->out.desired);
    put(c, "actual", "%u", v->m.workers);
    put(c, "min", "%u", v->config.min);
    put(c, "max", "%u", v->config.max);
    put(c, "mode", "%s", scaler_mode_name(v->config.mode));
    put(c, "pinned", "%d", v->config.pin != SCALER_AUTO);
    put(c, "reason", "%s", scaler_reason_text(v->out.reason));
    put(c, "limit", "%s", scaler_limit_name(v->m.limit));
    put(c, "in_flight_max", "%u", v->out.in_flight);
    put(c, "quality", "%u", v->out.quality);
    put(c, "changed_at", "%" PRId64, wall - (s->now_ms - v->out.changed_ms));
    put(c, "at", "%" PRId64, wall);
    put(c, "number", "%" PRIu64, s->lease.number);
    put(c, "holder", "%s", s->lease.id);
}

static void
put_figures(const struct scale_service *v, struct command *c)
{
    put(c, "waiting", "%" PRIu64, v->m.waiting);
    put(c, "running", "%" PRIu64, v->m.running);
    put(c, "slots", "%u", v->m.slots);
    put(c, "utilisation_pct", "%u", v->out.utilisation_permille / 10);
    put_milli(c, "work_s", v->out.work_ms);
    put_milli(c, "task_ms", v->out.service_us);
    put_milli(c, "in_rate", v->out.in_milli);
    put_milli(c, "out_rate", v->out.out_milli);
    put_milli(c, "forecast", v->out.ahead_milli);
    put_milli(c, "forecast_out", v->out.out_ahead_milli);
    if (v->out.has_was) put_milli(c, "forecast_was", v->out.was_milli);
}

/* What each host is to have of it; supervisors read theirs. */
static void
put_shares(struct scale *s, struct scale_service *v, uint32_t bit,
           struct command *c)
{
    struct share_host hosts[SHARE_HOSTS_MAX];
    uint32_t at[SHARE_HOSTS_MAX], n = 0;
    uint32_t desired = v->out.desired;

    for (uint32_t i = 0; i < s->n_hosts; i++) {
        if (!(s->hosts[i].services >> bit & 1)) continue;
        hosts[n] = (struct share_host){s->hosts[i].max, v->shares[i]};
        at[n++] = i;
    }
    share_out(hosts, n, desired > v->plain ? desired - v->plain : 0);
    for (uint32_t i = 0; i < n; i++) {
        char field[SCALE_NAME_BYTES + 8];

        v->shares[at[i]] = hosts[i].share;
        (void)snprintf(field, sizeof field, "share.%s", s->hosts[at[i]].id);
        put(c, field, "%u", hosts[i].share);
    }
}

/* ---- demand:SERVICE ---- */

static void
write_demand(struct scale *s, const struct scale_service *v)
{
    char key[CO_KEY_BYTES], texts[MEMBERS_MAX][MEMBER_BYTES];
    const char *argv[2 + MEMBERS_MAX] = {"DEL"};

    argv[1] = co_key(CO_KEY_DEMAND, s->opt.name_space, v->name, key);
    scale_send(s, 2, argv);
    argv[0] = "SADD";
    for (uint32_t next = 1; next <= v->out.desired;) {
        int n = 0;

        for (; next <= v->out.desired && n < MEMBERS_MAX; next++, n++) {
            (void)snprintf(texts[n], MEMBER_BYTES, "%u", next);
            argv[2 + n] = texts[n];
        }
        scale_send(s, 2 + n, argv);
    }
}

void
scale_write(struct scale *s, struct scale_service *v)
{
    static struct command c; /* 160 KB: not on the stack; one thread */
    const char *const multi[] = {"MULTI"}, *const exec[] = {"EXEC"};

    scale_send(s, 1, multi);
    begin(s, &c, "DEL", CO_KEY_SCALE, v->name);
    finish(s, &c);
    begin(s, &c, "HSET", CO_KEY_SCALE, v->name);
    put_sizes(s, v, &c);
    put_figures(v, &c);
    put_shares(s, v, (uint32_t)(v - s->services), &c);
    finish(s, &c);
    write_demand(s, v);
    scale_send(s, 1, exec);
    if (!v->pinned) return;
    /* What a person set must not be forgotten for want of a job. */
    begin(s, &c, "ZADD", CO_KEY_SERVICES, NULL);
    (void)snprintf(c.texts[2], TEXT_BYTES, "%" PRId64, co_clock_wall_ms());
    c.argv[2] = c.texts[2];
    c.argv[3] = v->name;
    c.argc = 4;
    finish(s, &c);
}

void
scale_write_event(struct scale *s, const struct scale_service *v)
{
    static struct command c;
    const char *why = scaler_reason_text(v->out.reason);

    co_log(CO_LOG_INFO, "scale.changed",
           "service=%s from=%u to=%u actual=%u why=%s", v->name, v->told,
           v->out.desired, v->m.workers, co_log_quote(why).text);
    begin(s, &c, "XADD", CO_KEY_EVENTS, NULL);
    c.argv[c.argc++] = "MAXLEN";
    c.argv[c.argc++] = "~";
    (void)snprintf(c.texts[4], TEXT_BYTES, "%d", (int)CO_KEY_EVENTS_MAX);
    c.argv[c.argc++] = c.texts[4];
    c.argv[c.argc++] = "*";
    put(&c, "time_ms", "%" PRId64, co_clock_wall_ms());
    put(&c, "kind", "scale");
    put(&c, "id", "%016" PRIx64, s->lease.number);
    put(&c, "name", "%s", v->name);
    put(&c, "job", "%s", "");
    put(&c, "from", "%u", v->told);
    put(&c, "to", "%u", v->out.desired);
    put(&c, "why", "%s", why);
    finish(s, &c);
}

void
scale_write_gone(struct scale *s, const char *service)
{
    char scale_key[CO_KEY_BYTES], demand_key[CO_KEY_BYTES];
    const char *del[] = {"DEL", NULL, NULL};

    del[1] = co_key(CO_KEY_SCALE, s->opt.name_space, service, scale_key);
    del[2] = co_key(CO_KEY_DEMAND, s->opt.name_space, service, demand_key);
    scale_send(s, 3, del);
}
