/* worker_supervisor.c - see worker_supervisor.h. Children are fresh programs,
 * not forks of a running one: no thread, socket or lock of the parent is copied
 * into them. */
#include "worker/worker_supervisor.h"

#include "common/clock.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/signals.h"
#include "worker/elastic.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 1000 };

struct child {
    pid_t pid;   /* 0: not running */
    uint64_t id; /* of the worker, new at each start */
    /* Of the worker to the limits, the same at each start: what its process
     * held of an endpoint when it died is the next one's at once. */
    uint64_t limits_id;
    bool leaving; /* it was asked to drain */
    int64_t started_ms, restart_ms;
    uint32_t crashes; /* in a row */
};

struct worker_supervisor {
    struct co_lifeline line;
    const char **argv;
    char exe[PATH_MAX];
    struct child *children;
    size_t n;
    uint64_t restarts;
    int signals; /* TERM or INT so far */
    int64_t now_ms;
    struct elastic *elastic; /* NULL: the number is fixed */
    int64_t beat_ms;         /* of elastic: the next */
    int64_t too_many_ms;     /* since then; 0: they are not */
    char id_arg[32], limits_arg[32], supervisor_arg[128];
};

int64_t
worker_supervisor_backoff_ms(uint32_t crashes)
{
    int64_t ms = WORKER_SUPERVISOR_BACKOFF_MIN_MS;

    for (uint32_t i = 1; i < crashes && ms < WORKER_SUPERVISOR_BACKOFF_MAX_MS;
         i++) {
        ms *= 2;
    }
    return ms > WORKER_SUPERVISOR_BACKOFF_MAX_MS
               ? WORKER_SUPERVISOR_BACKOFF_MAX_MS
               : ms;
}

/* The own arguments, with one process, and without a lifeline that only the
 * parent has (the last value of an option counts). */
static enum co_err
make_argv(struct worker_supervisor *v, char *const *argv)
{
    size_t n = 0;
    ssize_t len = readlink("/proc/self/exe", v->exe, sizeof v->exe - 1);

    if (len <= 0) return CO_IO;
    while (argv[n]) {
        n++;
    }
    v->argv = calloc(n + 6, sizeof *v->argv);
    if (!v->argv) return CO_NOMEM;
    v->argv[0] = v->exe;
    for (size_t i = 1; i < n; i++) {
        v->argv[i] = argv[i];
    }
    v->argv[n] = "--processes=1";
    v->argv[n + 1] = "--lifeline=0";
    v->argv[n + 2] = v->id_arg;
    v->argv[n + 3] = v->limits_arg;
    if (v->elastic) {
        (void)snprintf(v->supervisor_arg, sizeof v->supervisor_arg,
                       "--supervisor=%s", elastic_id(v->elastic));
        v->argv[n + 4] = v->supervisor_arg;
    }
    return CO_OK;
}

static void
start_child(struct worker_supervisor *v, struct child *c)
{
    const struct co_proc_fd fd = co_lifeline_pass(&v->line);
    const char *const env[] = {co_lifeline_env(), NULL};
    const struct co_proc_opts opts = {
        .fds = &fd,
        .fd_count = 1,
        .env = env,
        .death_signal = SIGKILL,
        .new_group = true, /* ^C reaches us, and we pass it on */
    };
    struct co_diag why = {""};

    c->started_ms = v->now_ms;
    c->leaving = false;
    c->id = co_random_u64();
    (void)snprintf(v->id_arg, sizeof v->id_arg, "--id=%016" PRIx64, c->id);
    (void)snprintf(v->limits_arg, sizeof v->limits_arg,
                   "--limits-id=%016" PRIx64, c->limits_id);
    if (co_proc_spawn(v->argv, &opts, &c->pid, &why)) {
        c->pid = 0;
        c->crashes++;
        c->restart_ms = v->now_ms + worker_supervisor_backoff_ms(c->crashes);
        co_log(CO_LOG_ERROR, "child.start_failed", "why=%s",
               co_log_quote(why.text).text);
        return;
    }
    co_log(CO_LOG_INFO, "child.started", "pid=%ld", (long)c->pid);
}

/* A child ended: by itself (drained, told to), or by a crash. */
static void
child_ended(struct worker_supervisor *v, struct child *c,
            struct co_proc_exit how)
{
    bool calm = v->now_ms - c->started_ms >= WORKER_SUPERVISOR_CALM_MS;
    pid_t pid = c->pid;

    c->pid = 0;
    if (how.signal == 0 && how.code == 0) {
        co_log(CO_LOG_INFO, "child.ended", "pid=%ld", (long)pid);
        c->restart_ms = INT64_MAX; /* it was drained: it stays away */
        c->crashes = 0;
        return;
    }
    c->crashes = calm ? 1 : c->crashes + 1;
    c->restart_ms = v->now_ms + worker_supervisor_backoff_ms(c->crashes);
    v->restarts++;
    co_log(CO_LOG_WARN, "child.crashed",
           "pid=%ld code=%d signal=%d in_a_row=%u again_in_ms=%" PRId64
           " restarts=%" PRIu64,
           (long)pid, how.code, how.signal, c->crashes,
           c->restart_ms - v->now_ms, v->restarts);
}

static void
reap(struct worker_supervisor *v)
{
    for (size_t i = 0; i < v->n; i++) {
        struct co_proc_exit how;

        if (v->children[i].pid &&
            co_proc_wait(v->children[i].pid, 0, &how) == CO_OK) {
            child_ended(v, &v->children[i], how);
        }
    }
}

static void
tell_children(const struct worker_supervisor *v, int sig)
{
    for (size_t i = 0; i < v->n; i++) {
        /* ESRCH: it ended just now and is reaped next. */
        if (v->children[i].pid && kill(v->children[i].pid, sig) != 0) continue;
    }
}

static void
on_signals(struct worker_supervisor *v, int fd)
{
    int sig;

    while ((sig = co_signals_next(fd)) != 0) {
        if (sig != SIGTERM && sig != SIGINT) continue;
        v->signals++;
        co_log(CO_LOG_INFO, "supervisor.stopping", "signal=%d", sig);
        tell_children(v, sig);
    }
}

static size_t
count_alive(const struct worker_supervisor *v)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n; i++) {
        const struct child *c = &v->children[i];

        n += c->pid != 0 || (!v->signals && c->restart_ms != INT64_MAX);
    }
    return n;
}

/* ---- following the scaler ---- */

/* Those that run and stay, and those that are to be started. */
static uint32_t
count_staying(const struct worker_supervisor *v)
{
    uint32_t n = 0;

    for (size_t i = 0; i < v->n; i++) {
        const struct child *c = &v->children[i];

        n += c->pid ? !c->leaving : c->restart_ms != INT64_MAX;
    }
    return n;
}

static void
grow(struct worker_supervisor *v, uint32_t by)
{
    for (size_t i = 0; i < v->n && by > 0; i++) {
        struct child *c = &v->children[i];

        if (c->pid || c->restart_ms != INT64_MAX) continue;
        c->restart_ms = v->now_ms;
        by--;
    }
}

/* What is not running yet goes first: it costs nothing. */
static uint32_t
cancel_starts(struct worker_supervisor *v, uint32_t by)
{
    for (size_t i = v->n; i-- > 0 && by > 0;) {
        struct child *c = &v->children[i];

        if (c->pid || c->restart_ms == INT64_MAX) continue;
        c->restart_ms = INT64_MAX;
        by--;
    }
    return by;
}

/* Chooses among those whose state is known; the others are asked about. */
static void
shrink(struct worker_supervisor *v, uint32_t by)
{
    struct share_worker states[WORKER_PROCESSES_MAX] = {{0}};
    uint32_t numbers[WORKER_PROCESSES_MAX] = {0}, n = 0;
    bool busy_too = v->now_ms - v->too_many_ms >= WORKER_SUPERVISOR_PATIENCE_MS;

    for (uint32_t i = 0; i < v->n; i++) {
        struct child *c = &v->children[i];

        if (!c->pid || c->leaving) continue;
        if (elastic_answer(v->elastic, i, &states[n])) numbers[n++] = i;
    }
    while (by > 0) {
        uint32_t at = share_victim(states, n, busy_too);

        if (at == n) break;
        v->children[numbers[at]].leaving = true;
        co_log(CO_LOG_INFO, "child.draining", "pid=%ld busy=%d load=%u",
               (long)v->children[numbers[at]].pid, states[at].busy,
               states[at].load);
        n--;
        states[at] = states[n];
        numbers[at] = numbers[n];
        by--;
    }
    for (uint32_t i = 0; i < v->n && by > 0; i++) {
        struct child *c = &v->children[i];

        if (c->pid && !c->leaving) elastic_ask(v->elastic, i, c->id);
    }
}

/* Once a second: who is here, what is wanted, and the difference. */
static void
follow(struct worker_supervisor *v)
{
    uint32_t staying = count_staying(v), wish;

    elastic_read(v->elastic);
    if (v->signals || v->now_ms < v->beat_ms) return;
    v->beat_ms = v->now_ms + LOOK_MS;
    wish = elastic_wish(v->elastic);
    if (staying < wish) grow(v, wish - staying);
    if (staying <= wish) {
        v->too_many_ms = v->now_ms;
    } else {
        uint32_t by = cancel_starts(v, staying - wish);

        if (by > 0) shrink(v, by);
    }
    for (size_t i = 0; i < v->n; i++) {
        const struct child *c = &v->children[i];

        if (c->pid && c->leaving) elastic_drain(v->elastic, c->id);
    }
    elastic_beat(v->elastic, count_staying(v));
}

/* ---- the loop ---- */

/* Starts what is due; returns when the next is, in milliseconds. */
static int
start_due(struct worker_supervisor *v)
{
    int64_t next = LOOK_MS;

    for (size_t i = 0; i < v->n && !v->signals; i++) {
        struct child *c = &v->children[i];

        if (c->pid || c->restart_ms == INT64_MAX) continue;
        if (c->restart_ms <= v->now_ms) {
            start_child(v, c);
        } else if (c->restart_ms - v->now_ms < next) {
            next = c->restart_ms - v->now_ms;
        }
    }
    return (int)next;
}

/* wait -> signals -> lifeline -> reap -> follow -> start, until nobody is left.
 */
static void
supervise(struct worker_supervisor *v, int signals_fd, int lifeline_fd)
{
    bool cut = false;

    v->now_ms = co_clock_ms();
    while (count_alive(v) > 0 || (v->elastic && !v->signals)) {
        struct pollfd fds[] = {
            {.fd = signals_fd, .events = POLLIN},
            {.fd = cut ? -1 : lifeline_fd, .events = POLLIN},
            {.fd = v->elastic ? elastic_fd(v->elastic) : -1, .events = POLLIN},
        };
        int timeout = start_due(v);

        (void)poll(fds, co_countof(fds), timeout);
        v->now_ms = co_clock_ms();
        on_signals(v, signals_fd);
        if (!cut && co_lifeline_cut(lifeline_fd)) {
            cut = true;
            v->signals++;
            co_log_event(CO_LOG_WARN, "supervisor.lifeline_cut");
            co_lifeline_fini(&v->line); /* theirs is cut too */
        }
        reap(v);
        if (v->elastic) follow(v);
    }
}

/* Also a supervisor may follow a dead one, whose children died with it. */
static void
name_children(struct worker_supervisor *v, const struct worker_config *config)
{
    for (size_t i = 0; i < v->n; i++) {
        const uint64_t id = config->limits_id + i + 1;

        v->children[i].limits_id =
            config->limits_id && id ? id : co_random_u64() | 1;
    }
}

static enum co_err
set_up(struct worker_supervisor *v, const struct worker_config *config,
       char *const *argv, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    v->children = calloc(v->n, sizeof *v->children);
    if (!v->children) return co_fail(diag, CO_NOMEM, "out of memory");
    for (size_t i = config->processes_min; i < v->n; i++) {
        v->children[i].restart_ms = INT64_MAX;
    }
    name_children(v, config);
    if (worker_config_elastic(config)) {
        err = elastic_new(config, &v->elastic, diag);
        if (err) return err;
    }
    err = make_argv(v, argv);
    if (!err) err = co_lifeline_init(&v->line);
    if (!err) return CO_OK;
    return co_fail(diag, err, "cannot start worker processes: %s",
                   co_err_text(err));
}

enum co_err
worker_supervisor_run(const struct worker_config *config, char *const *argv,
                      int signals_fd, int lifeline_fd, struct co_diag *diag)
{
    struct worker_supervisor v = {.n = config->processes_max,
                                  .line = {.child_fd = -1, .held_fd = -1}};
    enum co_err err = set_up(&v, config, argv, diag);

    if (!err) {
        co_log(CO_LOG_INFO, "supervisor.started", "processes=%u..%u",
               config->processes_min, config->processes_max);
        supervise(&v, signals_fd, lifeline_fd);
        co_log(CO_LOG_INFO, "supervisor.ended", "restarts=%" PRIu64,
               v.restarts);
    }
    elastic_free(v.elastic);
    co_lifeline_fini(&v.line);
    free(v.argv);
    free(v.children);
    return err;
}
