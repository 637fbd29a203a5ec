/* swarm.c - `bench_swarm`: thousands of simulated workers at one broker.
 * One run: start a broker, connect the fleet, leave it alone, dispatch at a
 * rate, kill -9 the broker, start it again on the same endpoints, dispatch
 * once more. Prints a table; only figures of one run compare. */
#include "bench/swarm.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/proc.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum {
    PER_PROCESS = 2500,
    SETTLE_MS = 2000, /* numbers of /metrics are a second old at most */
    WATCH_MS = 12000, /* after the restart: twice the time of --dead */
    ARGS_MAX = 32,
};

struct swarm_config {
    uint64_t workers, processes, rate, wait_ms, idle_ms, pace_ms;
    const char *bin, *log;
    bool curve, restart;
};

struct run {
    struct swarm_config config;
    struct swarm_broker broker;
    struct swarm_owner *owner;
    struct swarm_shared *shared;
    struct keyring workers_ring, owner_ring;
    char folder[64];
    pid_t pids[SWARM_PROCESSES_MAX];
    uint32_t processes;
    void *zmq;
};

#define FIELD(f) offsetof(struct swarm_config, f)

// clang-format off
static const struct co_option table[] = {
    {.name = "workers", .letter = 'n', .type = CO_OPTION_U64,
     .offset = FIELD(workers), .def = "5000", .min = 1,
     .max = SWARM_WORKERS_MAX, .no_env = true, .help = "simulated workers"},
    {.name = "processes", .type = CO_OPTION_U64, .offset = FIELD(processes),
     .def = "0", .max = SWARM_PROCESSES_MAX, .no_env = true,
     .help = "processes that play them; 0: one for each 2,500, or more where "
             "descriptors are few"},
    {.name = "curve", .type = CO_OPTION_FLAG, .offset = FIELD(curve),
     .no_env = true, .help = "encrypt all links, with keys made for this run"},
    {.name = "rate", .type = CO_OPTION_U64, .offset = FIELD(rate),
     .def = "2000", .min = 1, .no_env = true, .help = "tasks a second"},
    {.name = "idle", .type = CO_OPTION_DURATION, .offset = FIELD(idle_ms),
     .def = "10s", .min = 1000, .no_env = true,
     .help = "how long the idle fleet is watched"},
    {.name = "pace", .type = CO_OPTION_DURATION, .offset = FIELD(pace_ms),
     .def = "10s", .min = 1000, .no_env = true,
     .help = "how long tasks are sent, each time"},
    {.name = "wait", .type = CO_OPTION_DURATION, .offset = FIELD(wait_ms),
     .def = "2m", .no_env = true, .help = "longest wait for the whole fleet"},
    {.name = "restart", .type = CO_OPTION_FLAG, .offset = FIELD(restart),
     .def = "true", .no_env = true, .help = "kill the broker and go on"},
    {.name = "bin", .type = CO_OPTION_STRING, .offset = FIELD(bin),
     .def = "build/release/bin", .no_env = true, .placeholder = "DIR",
     .help = "folder of the programs"},
    {.name = "log", .type = CO_OPTION_STRING, .offset = FIELD(log),
     .def = "/dev/null", .no_env = true, .placeholder = "FILE",
     .help = "the broker's log"},
};
// clang-format on

static const struct co_options_spec spec = {
    .program = "bench_swarm",
    .usage = "[OPTIONS] [-- OPTIONS OF cohort-broker]",
    .about = "Simulated workers with real sockets at one broker: measures\n"
             "connecting, memory, idling, dispatch and a restart.",
    .version = "bench_swarm",
    .table = table,
    .count = co_countof(table),
    .args_max = ARGS_MAX,
};

/* ---- parts --------------------------------------------------------------- */

static enum co_err
make_key(struct run *r, const char *dir, enum key_role role, struct key *own,
         struct co_diag *diag)
{
    char path[128];
    enum co_err err;

    (void)snprintf(path, sizeof path, "%s/%s", r->folder, dir);
    err = keyfile_make(path, role, key_role_name(role), own, diag);
    return err;
}

/* All workers share a key: each handshake costs the same all the same. */
static enum co_err
make_keys(struct run *r, struct co_diag *diag)
{
    static char key[128], allow[128];
    struct key broker;
    enum co_err err;

    if (!r->config.curve) return CO_OK;
    err = make_key(r, "broker", KEY_BROKER, &broker, diag);
    if (!err) {
        err = make_key(r, "allow", KEY_WORKER, &r->workers_ring.own, diag);
    }
    if (!err) {
        err = make_key(r, "allow", KEY_COORDINATOR, &r->owner_ring.own, diag);
    }
    r->workers_ring.used = r->owner_ring.used = true;
    r->workers_ring.n_others = r->owner_ring.n_others = 1;
    r->workers_ring.others[0] = r->owner_ring.others[0] = broker;
    (void)snprintf(key, sizeof key, "%s/broker/broker.key", r->folder);
    (void)snprintf(allow, sizeof allow, "%s/allow", r->folder);
    r->broker.key = key;
    r->broker.allow = allow;
    return err;
}

/* Descriptors bound the workers of a process, and are said when they do. */
static void
choose_processes(struct run *r)
{
    uint64_t wanted = r->config.workers * SWARM_FILES_PER_WORKER;
    struct co_diag diag = {""};
    uint64_t files = 0;
    uint64_t each;
    uint64_t n;

    if (co_proc_rlimit_nofile(wanted + SWARM_FILES_SPARE, &files, &diag)) {
        (void)printf("%s\n", diag.text);
    }
    each = (files - SWARM_FILES_SPARE) / SWARM_FILES_PER_WORKER;
    n = (r->config.workers + PER_PROCESS - 1) / PER_PROCESS;
    if (r->config.processes) n = r->config.processes;
    n = co_clamp_u64(n, (r->config.workers + each - 1) / each,
                     SWARM_PROCESSES_MAX);
    r->processes = (uint32_t)n;
    if (n * each < r->config.workers) r->config.workers = n * each;
    (void)printf("%" PRIu64 " workers in %u processes; %" PRIu64
                 " descriptors a process allow %" PRIu64 " workers there\n",
                 r->config.workers, r->processes, files, each);
    (void)fflush(stdout);
}

static void
start_workers(struct run *r)
{
    uint32_t total = (uint32_t)r->config.workers;

    for (uint32_t i = 0; i < r->processes; i++) {
        uint32_t first = (uint32_t)((uint64_t)total * i / r->processes);
        uint32_t end = (uint32_t)((uint64_t)total * (i + 1) / r->processes);
        struct co_diag diag = {""};

        r->pids[i] = fork();
        if (r->pids[i]) continue;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (swarm_workers_run(first, end - first, r->broker.back,
                              &r->workers_ring, r->shared, &diag)) {
            (void)fprintf(stderr, "workers %u..%u: %s\n", first, end - 1,
                          diag.text[0] ? diag.text : "out of memory");
        }
        _exit(0);
    }
}

static void
stop_workers(struct run *r)
{
    atomic_store(&r->shared->stop, true);
    for (uint32_t i = 0; i < r->processes; i++) {
        if (r->pids[i] > 0) (void)waitpid(r->pids[i], NULL, 0);
    }
}

/* How many workers were greeted last by another broker than `not`. */
static uint32_t
greeted(const struct run *r, uint64_t not )
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->config.workers; i++) {
        uint64_t by = atomic_load(&r->shared->greeter[i]);

        n += by != 0 && by != not ;
    }
    return n;
}

/* Milliseconds until half, 99 % and all are greeted; the last says how many
 * were when it does not get there. */
static void
wait_greeted(struct run *r, const char *what, uint64_t not )
{
    uint32_t all = (uint32_t)r->config.workers;
    int64_t began = co_clock_ms();
    int64_t at[3] = {-1, -1, -1};
    const uint32_t marks[3] = {all - all / 2, all - all / 100, all};
    uint32_t n = 0;

    while (at[2] < 0 && co_clock_ms() - began < (int64_t)r->config.wait_ms) {
        swarm_owner_turn(r->owner, 10);
        n = greeted(r, not );
        for (int i = 0; i < 3; i++) {
            if (at[i] < 0 && n >= marks[i]) at[i] = co_clock_ms() - began;
        }
    }
    (void)printf("%-34s %u of %u; half %.1f s, 99 %% %.1f s, all %.1f s\n",
                 what, n, all, (double)at[0] / 1000, (double)at[1] / 1000,
                 (double)at[2] / 1000);
    (void)fflush(stdout);
}

static void
turn_for(struct run *r, int64_t ms)
{
    int64_t until = co_clock_ms() + ms;

    while (co_clock_ms() < until) {
        swarm_owner_turn(r->owner, 10);
    }
}

/* ---- phases -------------------------------------------------------------- */

static void
say_rss(const struct run *r, const char *what, uint64_t before)
{
    uint64_t now = swarm_broker_rss(&r->broker);

    (void)printf("%-34s %.1f MiB; %" PRIu64 " bytes a peer\n", what,
                 (double)now / (1 << 20),
                 now > before ? (now - before) / r->config.workers : 0);
    (void)fflush(stdout);
}

static void
idle(struct run *r)
{
    uint64_t cpu = swarm_broker_cpu_us(&r->broker);
    int64_t began = co_clock_us();

    turn_for(r, (int64_t)r->config.idle_ms);
    (void)printf("%-34s %.1f %% of a core\n", "broker idle, all beat",
                 100.0 * (double)(swarm_broker_cpu_us(&r->broker) - cpu) /
                     (double)(co_clock_us() - began));
    (void)fflush(stdout);
}

static void
say_latency(const char *what, const struct co_stats_hist *h)
{
    (void)printf("  %-32s p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", what,
                 (double)co_stats_quantile(h, 500000) / 1000,
                 (double)co_stats_quantile(h, 990000) / 1000,
                 (double)h->max / 1000);
}

static void
pace(struct run *r)
{
    struct swarm_owner *o = r->owner;
    uint64_t sent = o->task;
    uint64_t results = o->results;
    uint64_t cpu = swarm_broker_cpu_us(&r->broker);
    int64_t began = co_clock_us();

    co_stats_clear(&o->to_worker);
    co_stats_clear(&o->to_result);
    swarm_owner_pace(o, r->config.rate, (int64_t)r->config.pace_ms);
    (void)printf("%-34s %" PRIu64 " tasks, %" PRIu64 " results; broker %.1f %%"
                 " of a core\n",
                 "dispatch at the rate", o->task - sent, o->results - results,
                 100.0 * (double)(swarm_broker_cpu_us(&r->broker) - cpu) /
                     (double)(co_clock_us() - began));
    say_latency("sent until the worker has it", &o->to_worker);
    say_latency("sent until the owner has it back", &o->to_result);
    (void)fflush(stdout);
}

/* Everything that tells of a worker taken for dead, or that had to begin
 * again, while all of them lived. */
static void
say_false(const struct run *r, const char *what)
{
    static const char *const names[] = {
        "workers_dead",   "workers_away",      "workers_rebound",
        "lost_silent",    "lost_worker_dead",  "lost_link",
        "events_dropped", "refused_peers_full"};

    (void)printf("%-34s", what);
    for (size_t i = 0; i < co_countof(names); i++) {
        char name[96];

        (void)snprintf(name, sizeof name, "cohort_broker_%s_total", names[i]);
        (void)printf(" %s %" PRIu64, names[i],
                     swarm_broker_metric(&r->broker, name));
    }
    (void)printf(
        "\n  at the workers: welcomes %" PRIu64 ", who %" PRIu64
        ", silences %" PRIu64 ", refused %" PRIu64
        ", failed handshakes %" PRIu64 "; LOST %" PRIu64 "\n",
        atomic_load(&r->shared->welcomes), atomic_load(&r->shared->who),
        atomic_load(&r->shared->silences), atomic_load(&r->shared->refused),
        atomic_load(&r->shared->handshakes), r->owner->lost);
    (void)fflush(stdout);
}

static enum co_err
restart(struct run *r, struct co_diag *diag)
{
    uint64_t before = r->owner->broker;
    enum co_err err;

    swarm_broker_kill(&r->broker);
    err = swarm_broker_start(&r->broker, diag);
    if (err) return err;
    wait_greeted(r, "greeted again after kill -9", before);
    turn_for(r, WATCH_MS);
    say_false(r, "12 s later, new broker:");
    pace(r);
    turn_for(r, SETTLE_MS);
    say_false(r, "at the end:");
    return CO_OK;
}

static enum co_err
measure(struct run *r, struct co_diag *diag)
{
    uint64_t rss;
    enum co_err err = swarm_broker_start(&r->broker, diag);

    if (err) return err;
    r->zmq = zmq_ctx_new();
    err = swarm_owner_new(r->zmq, r->broker.front, &r->owner_ring, &r->owner,
                          diag);
    if (err) return err;
    turn_for(r, SETTLE_MS); /* the owner is there, and counted before */
    rss = swarm_broker_rss(&r->broker);
    (void)printf("%-34s %.1f MiB\n", "broker without workers",
                 (double)rss / (1 << 20));
    start_workers(r);
    wait_greeted(r, "greeted", 0);
    turn_for(r, SETTLE_MS);
    say_rss(r, "broker with all of them", rss);
    idle(r);
    pace(r);
    say_rss(r, "broker after that", rss);
    turn_for(r, SETTLE_MS);
    say_false(r, "first broker:");
    return r->config.restart ? restart(r, diag) : CO_OK;
}

static enum co_err
run(struct run *r, struct co_diag *diag)
{
    static char program[4096];
    struct co_diag left = {""};
    enum co_err err;

    (void)snprintf(r->folder, sizeof r->folder, "/tmp/cohort-swarm-XXXXXX");
    if (!mkdtemp(r->folder)) return co_fail(diag, CO_IO, "no folder in /tmp");
    (void)snprintf(program, sizeof program, "%s/cohort-broker", r->config.bin);
    r->broker.program = program;
    r->broker.log = r->config.log;
    r->broker.peers = r->config.workers + 16;
    r->shared = mmap(NULL, sizeof *r->shared, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r->shared == MAP_FAILED) return CO_NOMEM;
    choose_processes(r);
    err = make_keys(r, diag);
    if (!err) err = measure(r, diag);
    stop_workers(r);
    swarm_broker_kill(&r->broker);
    swarm_owner_free(r->owner);
    if (r->zmq) (void)zmq_ctx_term(r->zmq);
    if (co_fs_remove_tree(r->folder, &left)) {
        (void)fprintf(stderr, "bench_swarm: %s\n", left.text);
    }
    return err;
}

int
main(int argc, char **argv)
{
    static struct run r;
    static const char *more[ARGS_MAX + 1];
    struct co_diag diag = {""};
    co_auto(co_options_freep) struct co_options *options = NULL;
    enum co_err err =
        co_options_parse(&spec, argc, argv, &r.config, &options, &diag);

    if (!err && co_options_answer(options)) return 0;
    for (size_t i = 0; !err && i < co_options_arg_count(options); i++) {
        more[i] = co_options_arg(options, i);
    }
    r.broker.options = more;
    if (!err) err = run(&r, &diag);
    return co_exit_status("bench_swarm", err, &diag);
}
