/* fleet.c - see fleet.h. */
#include "cli/fleet.h"

#include "cli/rundir.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/lifeline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READY_WAIT_MS = 10000,  /* for a broker to bind */
    READY_FD = 5,           /* where it says so */
    RESTART_MAX = 5,        /* of broker, workers, Redis */
    BACKOFF_FIRST_MS = 100, /* doubles */
    CALM_MS = 60000,        /* lived so long: counts as new */
    AGAIN_MS = 800,         /* patience of a stop before it insists */
    KILL_MS = 3000,
    LOG_BYTES_MAX = 8 << 20, /* of one log that is kept */
    WORDS_BYTES = 600,
    FIRST_START_ARGS = 4, /* of the broker: those that no restart gets */
};

struct fleet {
    struct fleet_options opt;
    struct rundir dir;
    struct co_lifeline line;
    char program_dir[PATH_MAX];
    char front[RUNDIR_PATH_SIZE + 20], back[RUNDIR_PATH_SIZE + 20];
    char redis_url[RUNDIR_PATH_SIZE + 20]; /* "": none of our own */
    char redis_dir[PATH_MAX];              /* "": not started */
    int redis_lock;
    int status_fds[2];
    struct child redis, broker, coordinator;
    struct child workers[FLEET_WORKERS_MAX];
    size_t n_workers; /* children */
    char broken[160 + WORDS_BYTES];
    const char **keyless_env; /* of all but workers; texts are borrowed */
};

/* Our own --config is not theirs: COHORT_CONFIG stays behind. */
static const char *const lifeline_env[] = {"COHORT_LIFELINE=3",
                                           "COHORT_CONFIG=", NULL};

/* ---- making and freeing ---- */

static enum co_err
fleet_names(struct fleet *f, struct co_diag *diag)
{
    struct co_buf path;
    enum co_err err;

    co_buf_init(&path, sizeof f->program_dir - 1);
    err = co_fs_exe_dir(&path, diag);
    (void)snprintf(f->program_dir, sizeof f->program_dir, "%s",
                   co_buf_text(&path));
    co_buf_fini(&path);
    (void)snprintf(f->front, sizeof f->front, "ipc://%s/front", f->dir.path);
    (void)snprintf(f->back, sizeof f->back, "ipc://%s/back", f->dir.path);
    return err;
}

/* lifeline_env, and the variables with keys taken out. */
static enum co_err
make_keyless_env(struct fleet *f)
{
    size_t fixed = co_countof(lifeline_env) - 1, keys = 0;

    while (f->opt.key_env && f->opt.key_env[keys]) {
        keys++;
    }
    f->keyless_env = calloc(fixed + keys + 1, sizeof *f->keyless_env);
    if (!f->keyless_env) return CO_NOMEM;
    memcpy(f->keyless_env, lifeline_env, fixed * sizeof *f->keyless_env);
    for (size_t i = 0; i < keys; i++) {
        f->keyless_env[fixed + i] = f->opt.key_env[i];
    }
    return CO_OK;
}

static const char *const *
child_env(const struct fleet *f, const struct child *c)
{
    bool worker = c >= f->workers && c < f->workers + FLEET_WORKERS_MAX;

    if (worker) return lifeline_env;
    /* Not our program: no lifeline, and no keys. */
    if (c == &f->redis) return f->keyless_env + co_countof(lifeline_env) - 1;
    return f->keyless_env;
}

enum co_err
fleet_new(const struct fleet_options *options, struct fleet **ret_fleet,
          struct co_diag *diag)
{
    co_auto(fleet_freep) struct fleet *f = calloc(1, sizeof *f);
    enum co_err err;

    if (!f) return co_fail(diag, CO_NOMEM, "out of memory");
    co_assert(strcmp(co_lifeline_env(), lifeline_env[0]) == 0);
    f->opt = *options;
    f->redis_lock = f->status_fds[0] = f->status_fds[1] = -1;
    f->line = (struct co_lifeline){.child_fd = -1, .held_fd = -1};
    f->dir.lock_fd = -1;
    if (make_keyless_env(f)) return co_fail(diag, CO_NOMEM, "out of memory");
    err = rundir_make(&f->dir, diag);
    if (!err) err = fleet_names(f, diag);
    if (err) return err;
    if (co_lifeline_init(&f->line) ||
        pipe2(f->status_fds, O_CLOEXEC | O_NONBLOCK)) {
        return co_fail(diag, CO_IO, "cannot make pipes: %s", strerror(errno));
    }
    *ret_fleet = co_take(&f);
    return CO_OK;
}

static void
remove_redis_data(struct fleet *f)
{
    enum co_err err;

    if (!f->redis_dir[0]) return;
    err = co_fs_remove_tree(f->redis_dir, NULL);
    (void)err; /* the next run does it */
    co_fs_closep(&f->redis_lock);
    f->redis_dir[0] = '\0';
}

void
fleet_free(struct fleet *f)
{
    if (!f) return;
    child_stop(&f->coordinator, 0, 0);
    child_fini(&f->coordinator);
    for (size_t i = 0; i < f->n_workers; i++) {
        child_stop(&f->workers[i], 0, 0);
        child_fini(&f->workers[i]);
    }
    child_stop(&f->broker, 0, 0);
    child_fini(&f->broker);
    child_stop(&f->redis, 0, 0);
    child_fini(&f->redis);
    remove_redis_data(f);
    co_lifeline_fini(&f->line);
    co_fs_closep(&f->status_fds[0]);
    co_fs_closep(&f->status_fds[1]);
    rundir_remove(&f->dir);
    free(f->keyless_env);
    free(f);
}

static void
notice(const struct fleet *f, const char *text)
{
    if (f->opt.notice) f->opt.notice(f->opt.notice_arg, text);
}

/* ---- starting ---- */

/* One of our own programs: beside the command, with the lifeline. */
static enum co_err
own_program(struct fleet *f, struct child *c, const char *name, const char *log)
{
    char path[PATH_MAX + 64], log_path[RUNDIR_PATH_SIZE + 64];
    struct co_proc_fd line = co_lifeline_pass(&f->line);
    enum co_err err = child_init(
        c, name, rundir_file(&f->dir, log, log_path, sizeof log_path));

    if (err) return err;
    (void)snprintf(path, sizeof path, "%s/" CO_PROGRAM "-%s", f->program_dir,
                   name);
    child_arg(c, path);
    child_fd(c, line.from, line.to);
    c->restart_max = RESTART_MAX;
    return CO_OK;
}

static void
common_options(struct fleet *f, struct child *c)
{
    child_option(c, "--redis", fleet_redis(f));
    if (f->opt.redis_insecure) child_arg(c, "--redis-insecure");
    child_option(c, "--namespace", f->opt.name_space);
}

/* Empty without keys: what may stand in the environment is not for programs
 * that the command starts for itself. */
static void
key_options(const struct fleet *f, struct child *c, const char *key)
{
    const struct co_option_list *others = &f->opt.keys.broker_keys;

    child_option(c, "--key", key ? key : "");
    if (!key || c == &f->broker) return;
    for (size_t i = 0; i < others->count; i++) {
        child_option(c, "--broker-key", others->items[i]);
    }
}

/* The last line of a log, "" if there is none. */
static void
last_words(const char *path, char *text, size_t size)
{
    struct co_buf log;
    char *line, *end;

    text[0] = '\0';
    co_buf_init(&log, 2UL * LOG_BYTES_MAX);
    if (co_fs_read_file(path, LOG_BYTES_MAX, &log, NULL) == CO_OK) {
        char *start = (char *)(uintptr_t)co_buf_text(&log);

        end = start + strlen(start);
        while (end > start && end[-1] == '\n') {
            *--end = '\0';
        }
        line = strrchr(start, '\n');
        (void)snprintf(text, size, "%s", line ? line + 1 : start);
    }
    co_buf_fini(&log);
}

/* The broker says on its descriptor that it is bound. */
static enum co_err
await_ready(struct fleet *f, int fd, struct co_diag *diag)
{
    int64_t end_ms = co_clock_ms() + READY_WAIT_MS, left;
    char words[WORDS_BYTES];

    while ((left = end_ms - co_clock_ms()) > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, (int)left) > 0 && (p.revents & POLLIN)) return CO_OK;
        if (p.revents & (POLLHUP | POLLERR)) break;
    }
    (void)child_wait(&f->broker, 1000);
    last_words(f->broker.log, words, sizeof words);
    return co_fail(diag, CO_UNAVAILABLE,
                   "the broker did not get ready on %s%s%s", f->front,
                   words[0] ? ": " : "", words);
}

static enum co_err
start_broker(struct fleet *f, struct co_diag *diag)
{
    co_auto(co_fs_closep) int hear = -1;
    co_auto(co_fs_closep) int say = -1;
    int fds[2];
    enum co_err err = own_program(f, &f->broker, "broker", "broker.log");

    if (err) return co_fail(diag, err, "out of memory");
    if (pipe2(fds, O_CLOEXEC)) {
        return co_fail(diag, CO_IO, "cannot make a pipe: %s", strerror(errno));
    }
    hear = fds[0];
    say = fds[1];
    child_option(&f->broker, "--front", f->front);
    child_option(&f->broker, "--back", f->back);
    if (f->opt.window) {
        /* Exactly that many, however many workers there are. */
        child_option_u64(&f->broker, "--window-min", f->opt.window);
        child_option_u64(&f->broker, "--window-max", f->opt.window);
    }
    common_options(f, &f->broker);
    key_options(f, &f->broker, f->opt.keys.broker);
    child_option(&f->broker, "--allow", f->opt.keys.allow);
    child_fd(&f->broker, say, READY_FD);
    child_option_u64(&f->broker, "--ready-fd", READY_FD);
    /* No worker can have been here before: none has to be waited for. */
    child_option(&f->broker, "--settle", "0s");
    f->broker.wanted = true;
    err =
        child_start(&f->broker, child_env(f, &f->broker), co_clock_ms(), diag);
    if (err) return err;
    co_fs_closep(&say);
    err = await_ready(f, hear, diag);
    /* A restart has nobody who waits for it, and workers who come back. */
    f->broker.fd_count--;
    for (unsigned i = 0; i < FIRST_START_ARGS; i++) {
        free(f->broker.argv[--f->broker.argc]);
    }
    return err;
}

static enum co_err
start_worker(struct fleet *f, uint64_t processes, struct co_diag *diag)
{
    struct child *c = &f->workers[f->n_workers++];
    enum co_err err = own_program(f, c, "worker", "worker.log");
    char limits_id[CO_HEX16_SIZE];

    if (err) return co_fail(diag, err, "out of memory");
    child_option(c, "--broker",
                 f->opt.own_broker ? f->back : f->opt.broker_back);
    child_option_u64(c, "--processes", processes);
    child_option(c, "--services", f->opt.services);
    child_option(c, "--providers", f->opt.providers);
    if (f->opt.llm_slots) {
        child_option_u64(c, "--llm-slots", f->opt.llm_slots);
    }
    child_option(c, "--data", f->opt.data);
    (void)co_hex16(co_random_u64() | 1, limits_id);
    child_option(c, "--limits-id", limits_id); /* of all its starts */
    common_options(f, c);
    key_options(f, c, f->opt.keys.worker);
    c->wanted = true;
    return child_start(c, child_env(f, c), co_clock_ms(), diag);
}

enum co_err
fleet_start(struct fleet *f, struct co_diag *diag)
{
    uint64_t children = f->opt.workers_apart ? f->opt.workers
                        : f->opt.workers     ? 1
                                             : 0;
    enum co_err err = CO_OK;

    co_assert(children <= FLEET_WORKERS_MAX);
    if (f->opt.own_broker) err = start_broker(f, diag);
    for (uint64_t i = 0; !err && i < children; i++) {
        err = start_worker(f, f->opt.workers_apart ? 1 : f->opt.workers, diag);
    }
    return err;
}

/* ---- Redis ---- */

void
fleet_want_private_redis(struct fleet *f)
{
    (void)snprintf(f->redis_url, sizeof f->redis_url, "unix://%s/redis",
                   f->dir.path);
}

const char *
fleet_redis(const struct fleet *f)
{
    if (f->opt.redis) return f->opt.redis;
    return f->redis_url[0] ? f->redis_url : NULL;
}

/* out/.redis, locked and without what a killed run left there. */
static enum co_err
redis_folder(struct fleet *f, const char *out, struct co_diag *diag)
{
    char left[PATH_MAX + 32];
    enum co_err err;

    if ((size_t)snprintf(f->redis_dir, sizeof f->redis_dir, "%s/.redis", out) >=
        sizeof f->redis_dir) {
        f->redis_dir[0] = '\0';
        return co_fail(diag, CO_RANGE, "the path of %s is too long", out);
    }
    err = co_fs_mkdirs(f->redis_dir, diag);
    if (!err) err = co_fs_lock(f->redis_dir, &f->redis_lock, diag);
    if (err) {
        f->redis_dir[0] = '\0'; /* not ours to remove */
        return err;
    }
    (void)snprintf(left, sizeof left, "%s/appendonlydir", f->redis_dir);
    return co_fs_remove_tree(left, diag);
}

static enum co_err
redis_child(struct fleet *f)
{
    static const char *const fixed[] = {
        "--port",       "0",   "--unixsocketperm",   "700",
        "--appendonly", "yes", "--appendfsync",      "everysec",
        "--save",       "",    "--maxmemory-policy", "noeviction",
        "--daemonize",  "no"};
    char path[RUNDIR_PATH_SIZE + 64];
    struct child *c = &f->redis;
    enum co_err err =
        child_init(c, "private Redis",
                   rundir_file(&f->dir, "redis.log", path, sizeof path));

    if (err) return err;
    child_arg(c, "redis-server");
    child_option(c, "--unixsocket",
                 rundir_file(&f->dir, "redis", path, sizeof path));
    child_option(c, "--dir", f->redis_dir);
    for (size_t i = 0; i < co_countof(fixed); i++) {
        child_arg(c, fixed[i]);
    }
    c->restart_max = RESTART_MAX;
    c->wanted = true;
    return CO_OK;
}

void
fleet_start_redis(struct fleet *f, const char *out)
{
    struct co_diag diag = {"out of memory"};
    enum co_err err;

    if (f->opt.redis || !f->redis_url[0] || f->redis.argc) return;
    err = redis_folder(f, out, &diag);
    if (!err) err = redis_child(f);
    if (!err) {
        err = child_start(&f->redis, child_env(f, &f->redis), co_clock_ms(),
                          &diag);
    }
    if (err) {
        f->redis.wanted = false;
        (void)co_fail_prefix(&diag, err,
                             "no private Redis, going on without: status is "
                             "not seen from elsewhere");
        notice(f, diag.text);
    }
}

/* ---- the coordinator ---- */

struct child *
fleet_coordinator(struct fleet *f)
{
    return &f->coordinator;
}

enum co_err
fleet_begin_coordinator(struct fleet *f, const char *sub_command)
{
    struct child *c = &f->coordinator;
    enum co_err err = own_program(f, c, "coordinator", "coordinator.log");

    if (err) return err;
    child_arg(c, sub_command);
    if (f->opt.own_broker) child_option(c, "--broker", f->front);
    for (size_t i = 0; !f->opt.own_broker && i < f->opt.brokers.count; i++) {
        child_option(c, "--broker", f->opt.brokers.items[i]);
    }
    common_options(f, c);
    key_options(f, c, f->opt.keys.coordinator);
    child_fd(c, f->status_fds[1], FLEET_STATUS_FD);
    child_option_u64(c, "--status-fd", FLEET_STATUS_FD);
    return CO_OK;
}

enum co_err
fleet_start_coordinator(struct fleet *f, struct co_diag *diag)
{
    f->coordinator.wanted = true;
    return child_start(&f->coordinator, child_env(f, &f->coordinator),
                       co_clock_ms(), diag);
}

int
fleet_status_fd(const struct fleet *f)
{
    return f->status_fds[0];
}

/* ---- tending ---- */

/* A child that was wanted has died: when will it be started again? */
static void
on_death(struct fleet *f, struct child *c, int64_t now_ms)
{
    bool calm = now_ms - c->started_ms > CALM_MS;
    uint32_t deaths = calm ? 1 : c->starts;
    char how[80], words[WORDS_BYTES] = "", text[256];

    if (calm) c->starts = 1;
    child_exit_text(c, how, sizeof how);
    if (deaths > c->restart_max) {
        c->gave_up = true;
        c->wanted = false;
        (void)snprintf(text, sizeof text,
                       "the %s %s, for the %uth time: not started again",
                       c->name, how, deaths);
    } else {
        int64_t wait_ms = BACKOFF_FIRST_MS << (deaths - 1);

        c->next_start_ms = now_ms + wait_ms;
        (void)snprintf(text, sizeof text,
                       "the %s %s: starting it again in %.1f s", c->name, how,
                       (double)wait_ms / 1000);
    }
    notice(f, text);
    if (c->gave_up && c != &f->redis && !f->broken[0]) {
        /* Who ended by itself said why; who was killed did not. */
        if (!c->last_exit.signal) last_words(c->log, words, sizeof words);
        (void)snprintf(f->broken, sizeof f->broken, "the %s %s %u times%s%s",
                       c->name, how, deaths, words[0] ? ": " : "", words);
    }
}

static void
tend(struct fleet *f, struct child *c, int64_t now_ms)
{
    struct co_diag diag = {""};

    if (child_reap(c) && c->wanted) on_death(f, c, now_ms);
    if (!c->wanted || c->pid || now_ms < c->next_start_ms) return;
    if (child_start(c, child_env(f, c), now_ms, &diag)) {
        c->starts++;
        c->started_ms = now_ms;
        on_death(f, c, now_ms);
    }
}

void
fleet_tend(struct fleet *f, int64_t now_ms)
{
    tend(f, &f->redis, now_ms);
    tend(f, &f->broker, now_ms);
    for (size_t i = 0; i < f->n_workers; i++) {
        tend(f, &f->workers[i], now_ms);
    }
    (void)child_reap(&f->coordinator);
}

static int64_t
due(const struct child *c, int64_t best)
{
    bool waits = c->wanted && !c->pid && c->next_start_ms < best;

    return waits ? c->next_start_ms : best;
}

int64_t
fleet_due_ms(const struct fleet *f)
{
    int64_t best = due(&f->broker, due(&f->redis, INT64_MAX));

    for (size_t i = 0; i < f->n_workers; i++) {
        best = due(&f->workers[i], best);
    }
    return best;
}

const char *
fleet_broken(const struct fleet *f)
{
    return f->broken[0] ? f->broken : NULL;
}

/* ---- stopping ---- */

void
fleet_stop(struct fleet *f)
{
    child_stop(&f->coordinator, AGAIN_MS, KILL_MS);
    for (size_t i = 0; i < f->n_workers; i++) {
        f->workers[i].wanted = false;
        child_signal(&f->workers[i], SIGTERM); /* all drain at once */
    }
    for (size_t i = 0; i < f->n_workers; i++) {
        if (child_wait(&f->workers[i], AGAIN_MS)) continue;
        child_stop(&f->workers[i], AGAIN_MS, KILL_MS);
    }
    child_stop(&f->broker, AGAIN_MS, KILL_MS);
    child_stop(&f->redis, AGAIN_MS, KILL_MS);
    remove_redis_data(f);
}

/* Appends at most LOG_BYTES_MAX of the end of `from` to `to`. */
static void
append_file(int from, int to)
{
    struct stat st;
    char part[1 << 16];
    ssize_t n;

    if (fstat(from, &st) == 0 && st.st_size > LOG_BYTES_MAX) {
        (void)lseek(from, -LOG_BYTES_MAX, SEEK_END);
    }
    while ((n = read(from, part, sizeof part)) > 0) {
        if (write(to, part, (size_t)n) != n) return; /* a full disk: enough */
    }
}

static void
keep_log(const struct fleet *f, const char *name, const char *logs)
{
    char from[PATH_MAX], to[PATH_MAX];
    co_auto(co_fs_closep) int in = -1;
    co_auto(co_fs_closep) int out = -1;
    struct stat st;

    (void)snprintf(from, sizeof from, "%s/%s", f->dir.path, name);
    if ((size_t)snprintf(to, sizeof to, "%s/%s", logs, name) >= sizeof to) {
        return;
    }
    in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) || st.st_size == 0) return;
    out =
        open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out >= 0) append_file(in, out);
}

void
fleet_keep_logs(struct fleet *f, const char *out)
{
    static const char *const names[] = {"broker.log", "worker.log",
                                        "coordinator.log", "redis.log"};
    char logs[PATH_MAX];

    if ((size_t)snprintf(logs, sizeof logs, "%s/logs", out) >= sizeof logs ||
        co_fs_mkdirs(logs, NULL)) {
        return;
    }
    for (size_t i = 0; i < co_countof(names); i++) {
        keep_log(f, names[i], logs);
    }
}

void
fleet_last_words(const struct fleet *f, char *text, size_t size)
{
    last_words(f->coordinator.log, text, size);
}

void
fleet_cost(const struct fleet *f, struct fleet_cost *ret)
{
    *ret = (struct fleet_cost){.broker_us = f->broker.cpu_us,
                               .coordinator_us = f->coordinator.cpu_us,
                               .redis_us = f->redis.cpu_us,
                               .broker_rss = f->broker.rss_max,
                               .coordinator_rss = f->coordinator.rss_max,
                               .redis_rss = f->redis.rss_max};
    for (size_t i = 0; i < f->n_workers; i++) {
        ret->worker_us += f->workers[i].cpu_us;
        ret->worker_rss = co_max_u64(ret->worker_rss, f->workers[i].rss_max);
    }
}
