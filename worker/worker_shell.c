/* worker_shell.c - the worker's loop.
 *
 * One turn, in this order:
 *   wait     for a message, a signal, the lifeline, Redis, or the next deadline
 *   input    signals and lifeline, then at most 256 messages of each link
 *   timers   beats, repeats, the heartbeat in Redis
 *   calls    what came of models' answers, and which may be asked for now
 *   work     services, for about a millisecond
 *   output   results, returns and credit of the turn, then everything is sent
 * The clock is read once a turn, but for the work, whose slice ends by it. */
#include "worker/worker_shell_impl.h"

#include "common/clock.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    GREET_MS = 20,  /* a broker is not there yet: it should not wait for us */
    BACKLOG_MS = 5, /* look again when a pipe was full */
    TICK_MS = 100,  /* look at the timers at least this often */
    BEAT_US = 1000 * 1000, /* heartbeat in Redis */
    UNWELCOME_LOG_MS = 10000,
    EVENTS_MAX = 32,
    LEAVE_MS = 1000, /* patience of the last messages */
};

/* -- wait ---------------------------------------------------------------- */
static int
wait_ms(const struct worker_shell *s)
{
    int64_t until = slots_deadline(s->slots), work = work_deadline(s->work);
    int64_t left;

    if (s->busy || worker_shell_unread(s)) return 0;
    if (work < until) until = work;
    work = lanes_due_us(s->lanes, s->now_us);
    if (work < until) until = work;
    left = until <= s->now_us ? 0 : (until - s->now_us + 999) / 1000;
    if (left > TICK_MS) left = TICK_MS;
    if (worker_shell_backlog(s) && left > BACKLOG_MS) left = BACKLOG_MS;
    if (worker_shell_ungreeted(s) && left > GREET_MS) left = GREET_MS;
    return (int)left;
}

/* Who asks through Redis wants nothing cut off: that drain takes its time. */
static void
drain(struct worker_shell *s, const char *why, bool patient)
{
    co_log(CO_LOG_INFO, "worker.draining", "why=%s", co_log_quote(why).text);
    s->drain_until_us =
        patient ? INT64_MAX : s->now_us + (int64_t)s->config->drain_ms * 1000;
    slots_drain(s->slots, s->now_us, &s->out);
}

static void
hand_back(struct worker_shell *s, const char *why)
{
    co_log(CO_LOG_INFO, "worker.handing_back", "why=%s",
           co_log_quote(why).text);
    work_hand_back(s->work, RETURN_DRAIN);
    slots_hand_back(s->slots, s->now_us, &s->out);
    s->leave = true;
}

/* SIGTERM: drain. SIGINT, or a second one of either: go now. */
static void
on_signals(struct worker_shell *s)
{
    int sig;

    while ((sig = co_signals_next(s->signals_fd)) != 0) {
        if (sig != SIGTERM && sig != SIGINT) continue;
        s->signals++;
        if (s->signals == 1 && sig == SIGTERM) {
            drain(s, "SIGTERM", false);
        } else if (!s->leave) {
            hand_back(s, s->signals == 1 ? "SIGINT" : "second signal");
        }
    }
}

static void
wait_for_events(struct worker_shell *s)
{
    struct epoll_event events[EVENTS_MAX];
    int n;

    /* Whoever else is runnable goes first: what it sends meanwhile is read in
     * one turn, which saves wake-ups when processes outnumber cores. */
    (void)sched_yield();
    n = epoll_wait(s->epoll_fd, events, EVENTS_MAX, wait_ms(s));

    s->now_us = co_clock_us();
    for (int i = 0; i < n; i++) {
        switch (events[i].data.u32) {
        case WORKER_SHELL_TAG_SIGNALS:
            on_signals(s);
            break;
        case WORKER_SHELL_TAG_LIFELINE:
            if (co_lifeline_cut(s->lifeline_fd) && !s->leave) {
                hand_back(s, "lifeline cut");
            }
            break;
        case WORKER_SHELL_TAG_REDIS:
            worker_heartbeat_read(s->heartbeat);
            break;
        case WORKER_SHELL_TAG_LIMITS:
            lanes_limits_readable(s->lanes, s->now_us);
            break;
        default: /* of a link nothing: read_link looks at all of them */
            if (events[i].data.u32 < WORKER_SHELL_TAG_LANE) break;
            lanes_readable(s->lanes,
                           events[i].data.u32 - WORKER_SHELL_TAG_LANE);
            break;
        }
    }
}

/* -- timers -------------------------------------------------------------- */
/* A broker that does not let us in says nothing; libzmq tries again by itself,
 * and this is all that people would see. */
static void
say_unwelcome(struct worker_shell *s)
{
    uint64_t more;

    for (uint32_t i = 0; i < s->links; i++) {
        if (!sock_unwelcome(s->socks[i]) ||
            !co_log_every(&s->unwelcome_limit, s->now_us / 1000,
                          UNWELCOME_LOG_MS, &more)) {
            continue;
        }
        co_log(CO_LOG_WARN, "broker.unwelcome", "endpoint=%s text=%s",
               sock_endpoint(s->socks[i]),
               co_log_quote(SOCK_UNWELCOME_TEXT).text);
    }
}

static void
beat(struct worker_shell *s)
{
    int64_t cpu_us = co_clock_cpu_us(), span = s->now_us - s->beat_us;
    uint64_t rss = co_proc_resident_bytes();
    uint32_t permille = 0;
    struct slots_stats stats;

    if (s->beat_us && span > 0) {
        permille = (uint32_t)((cpu_us - s->cpu_us) * 1000 / span);
    }
    s->beat_us = s->now_us;
    s->cpu_us = cpu_us;
    say_unwelcome(s);
    slots_usage(s->slots, (uint32_t)(rss >> 20), permille);
    if (!s->heartbeat) return;
    slots_get_stats(s->slots, &stats);
    worker_heartbeat_write(s->heartbeat, &stats, work_used(s->work, s->now_us),
                           lanes_in_flight(s->lanes), rss, permille);
}

/* The scaler turns how many tasks run at once ("vertical"). */
static void
follow_limit(struct worker_shell *s)
{
    uint32_t limit = worker_heartbeat_limit(s->heartbeat);

    if (limit == s->limit) return;
    co_log(CO_LOG_INFO, "worker.slots", "from=%u to=%u most=%" PRIu64, s->limit,
           limit, s->config->slots);
    s->limit = limit;
    slots_limit(s->slots, limit, s->now_us);
}

static void
timers(struct worker_shell *s)
{
    if (s->now_us - s->beat_us >= BEAT_US) beat(s);
    if (s->heartbeat) follow_limit(s);
    slots_tick(s->slots, s->now_us, &s->out);
    if (s->drain_until_us && s->now_us >= s->drain_until_us && !s->leave) {
        hand_back(s, "drain took too long");
    }
    if (s->heartbeat && !s->drain_until_us && !s->leave &&
        worker_heartbeat_drain(s->heartbeat)) {
        drain(s, "asked through Redis", true);
    }
    if (slots_drained(s->slots)) s->leave = true;
}

/* -- calls --------------------------------------------------------------- */
static void
calls(struct worker_shell *s)
{
    lanes_turn(s->lanes, s->now_us);
    for (uint32_t i = 0; i < lanes_count(s->lanes); i++) {
        const struct lane *lane = lanes_at(s->lanes, i);

        slots_room(s->slots, lane->service, lanes_room(lane, s->now_us));
    }
}

/* -- output -------------------------------------------------------------- */
static void
output(struct worker_shell *s)
{
    if (!worker_shell_backlog(s) || !s->flushed) {
        slots_flush(s->slots, s->now_us, &s->out);
    }
    worker_shell_send(s);
    s->flushed = worker_shell_backlog(s);
}

/* The last words, for as long as a full pipe may take. */
static void
say_bye(struct worker_shell *s)
{
    int64_t until = co_clock_us() + (int64_t)LEAVE_MS * 1000;

    slots_flush(s->slots, s->now_us, &s->out);
    slots_bye(s->slots, &s->out);
    while (worker_shell_backlog(s) && co_clock_us() < until) {
        struct epoll_event ev;

        worker_shell_send(s);
        if (worker_shell_backlog(s)) {
            (void)epoll_wait(s->epoll_fd, &ev, 1, BACKLOG_MS);
        }
    }
}

static void
report(const struct worker_shell *s, const char *event)
{
    struct slots_stats stats;

    slots_get_stats(s->slots, &stats);
    co_log(CO_LOG_INFO, event,
           "tasks=%" PRIu64 " done=%" PRIu64 " failed=%" PRIu64
           " returned=%" PRIu64 " batches=%" PRIu64 " acked=%" PRIu64
           " resent=%" PRIu64 " spilled=%" PRIu64 " kept=%u malformed=%" PRIu64
           " unsent=%" PRIu64 " cut=%" PRIu64,
           stats.counters.tasks, stats.counters.done, stats.counters.failed,
           stats.counters.returned, stats.counters.batches,
           stats.counters.acked, stats.counters.resent, stats.counters.spilled,
           stats.kept, s->malformed, s->unsent, s->part_number);
}

static void
loop(struct worker_shell *s)
{
    while (!s->leave) {
        wait_for_events(s);
        worker_shell_read(s);
        timers(s);
        calls(s);
        s->busy = work_run(s->work, s->now_us);
        output(s);
    }
    say_bye(s);
}

enum co_err
worker_shell_run(const struct worker_config *config, int signals_fd,
                 int lifeline_fd, struct co_diag *diag)
{
    struct worker_shell s = {
        .config = config,
        .epoll_fd = -1,
        .signals_fd = signals_fd,
        .lifeline_fd = lifeline_fd,
    };
    enum co_err err = worker_shell_setup(&s, diag);

    if (!err) {
        s.now_us = co_clock_us();
        co_log(CO_LOG_INFO, "worker.started",
               "name=%s incarnation=%016" PRIx64 " fingerprint=%016" PRIx64
               " services=%u slots=%" PRIu64,
               co_log_quote(s.name).text, s.incarnation, s.fingerprint,
               s.n_services, config->slots);
        for (uint32_t i = 0; i < s.links; i++) {
            slots_connect(s.slots, i, s.now_us, &s.out);
        }
        loop(&s);
        report(&s, "worker.ended");
    }
    worker_shell_release(&s);
    return err;
}
