/* scale_write.c - what the scaler decided goes into Redis: both keys of a
 * service and the event about it in one script, whole each time. Whoever counts
 * demand:SERVICE (KEDA does) never sees it half made, a Redis that was emptied
 * is right again a second later, and who lost the lease changes nothing. */
#include "coordinator/scale_impl.h"
#include "coordinator/scale_script.h"

#include "common/clock.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    KEYS = 4,
    FIELDS_AT = 3 + KEYS + 3, /* behind EVAL, keys and three numbers */
    EVENT_ARGS = 1 + 2 * 8,
    ARGS_MAX = FIELDS_AT + 2 * (40 + SHARE_HOSTS_MAX) + EVENT_ARGS,
    TEXT_BYTES = SCALE_NAME_BYTES + 32,
};

/* A command under construction; large, so one is enough. */
struct command {
    const char *argv[ARGS_MAX];
    char texts[ARGS_MAX][TEXT_BYTES];
    char keys[KEYS][CO_KEY_BYTES];
    int argc;
};

static void add_list(struct command *c, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static void
add_list(struct command *c, const char *fmt, va_list args)
{
    co_assert(c->argc < ARGS_MAX);
    (void)vsnprintf(c->texts[c->argc], TEXT_BYTES, fmt, args);
    c->argv[c->argc] = c->texts[c->argc];
    c->argc++;
}

static void add(struct command *c, const char *fmt, ...) co_printf(2, 3);
static void
add(struct command *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_list(c, fmt, args);
    va_end(args);
}

/* Everything before the fields; how many they are is known at their end. */
static void
begin(struct scale *s, struct command *c, const char *service, uint32_t wish)
{
    static const enum co_key keys[KEYS] = {CO_KEY_SCALER, CO_KEY_SCALE,
                                           CO_KEY_DEMAND, CO_KEY_EVENTS};
    char mine[LEASE_VALUE_BYTES];

    lease_value(&s->lease, mine);
    c->argc = 0;
    c->argv[c->argc++] = "EVAL";
    c->argv[c->argc++] = scale_script_write;
    add(c, "%d", (int)KEYS);
    for (int i = 0; i < KEYS; i++) {
        c->argv[c->argc++] =
            co_key(keys[i], s->opt.name_space, service, c->keys[i]);
    }
    add(c, "%s", mine);
    add(c, "%u", wish);
    add(c, "0");
    co_assert(c->argc == FIELDS_AT);
}

static void
end_fields(struct command *c)
{
    (void)snprintf(c->texts[FIELDS_AT - 1], TEXT_BYTES, "%d",
                   c->argc - FIELDS_AT);
}

static void put(struct command *c, const char *field, const char *fmt, ...)
    co_printf(3, 4);
static void
put(struct command *c, const char *field, const char *fmt, ...)
{
    va_list args;

    add(c, "%s", field);
    va_start(args, fmt);
    add_list(c, fmt, args);
    va_end(args);
}

/* Thousandths as a decimal number. */
static void
put_milli(struct command *c, const char *field, uint64_t milli)
{
    put(c, field, "%" PRIu64 ".%03u", milli / 1000, (unsigned)(milli % 1000));
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

/* ---- events ---- */

static void
put_event(struct scale *s, const struct scale_service *v, struct command *c)
{
    const char *why = scaler_reason_text(v->out.reason);

    add(c, "%d", (int)CO_KEY_EVENTS_MAX);
    put(c, "time_ms", "%" PRId64, co_clock_wall_ms());
    put(c, "kind", "scale");
    put(c, "id", "%016" PRIx64, s->lease.number);
    put(c, "name", "%s", v->name);
    put(c, "job", "%s", "");
    put(c, "from", "%u", v->told);
    put(c, "to", "%u", v->out.desired);
    put(c, "why", "%s", why);
}

/* What a person set must not be forgotten for want of a job. */
static void
keep_known(struct scale *s, const struct scale_service *v)
{
    char key[CO_KEY_BYTES], now[24];
    const char *argv[] = {"ZADD", NULL, now, v->name};

    argv[1] = co_key(CO_KEY_SERVICES, s->opt.name_space, NULL, key);
    (void)snprintf(now, sizeof now, "%" PRId64, co_clock_wall_ms());
    scale_send(s, (int)co_countof(argv), argv);
}

void
scale_write(struct scale *s, struct scale_service *v)
{
    static struct command c; /* 180 KB: not on the stack; one thread */
    uint32_t at = (uint32_t)(v - s->services);

    /* Services move when one is forgotten: their place would be no name. */
    if (++s->writes == 0) s->writes = 1;
    v->written_as = s->writes;

    begin(s, &c, v->name, v->out.desired);
    put_sizes(s, v, &c);
    put_figures(v, &c);
    put_shares(s, v, at, &c);
    end_fields(&c);
    if (v->out.desired != v->told) put_event(s, v, &c);
    scale_ask(s, SCALE_ASK_WRITE, v->written_as, c.argc, c.argv);
    if (v->pinned) keep_known(s, v);
}

static void
say_changed(const struct scale_service *v)
{
    const char *why = scaler_reason_text(v->out.reason);

    co_log(CO_LOG_INFO, "scale.changed",
           "service=%s from=%u to=%u actual=%u why=%s", v->name, v->told,
           v->out.desired, v->m.workers, co_log_quote(why).text);
}

void
scale_written(struct scale *s, uint32_t written_as)
{
    for (uint32_t i = 0; written_as && i < s->n_services; i++) {
        struct scale_service *v = &s->services[i];

        if (v->written_as != written_as) continue;
        if (v->out.desired != v->told) say_changed(v);
        v->told = v->out.desired;
        v->wrote = s->lease.number;
    }
}

void
scale_write_gone(struct scale *s, const char *service)
{
    static struct command c;

    begin(s, &c, service, 0);
    scale_ask(s, SCALE_ASK_WRITE, 0, c.argc, c.argv);
}
