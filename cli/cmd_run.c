/* cmd_run.c - `cohort run`: starts what is missing on this machine, has the
 * coordinator run the job, and stops what it started.
 * The order: job file; Redis, if one was named; broker and workers; the
 * coordinator. The private Redis comes last, once the coordinator reports:
 * from then on the output folder is ours. So a run that is refused, or was
 * finished already, leaves the folder as it was. */
#include "cli/conduct.h"
#include "cli/registry.h"
#include "cli/run_mark.h"
#include "cli/run_providers.h"
#include "cli/say.h"
#include "cli/summary.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/program_options.h"
#include "common/redis.h"
#include "common/signals.h"
#include "job/budget.h"
#include "job/override_options.h"
#include "job/spec.h"
#include "proto/keyring.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM CO_PROGRAM " run"

enum {
    REDIS_WAIT_MS = 3000,
    COORDINATOR_RESTARTS = 2,
    SUMMARY_BYTES_MAX = 1 << 16,
    WORKERS_AUTO = 0,
};

struct run_config {
    const char *rows, *seed, *out, *data;
    uint64_t workers;
    const char *redis;
    bool redis_insecure;
    const char *name_space;
    struct co_option_list brokers;
    const char *broker_back;
    struct keyring_options keys;
    const char *worker_key;
    const char *budget_day, *budget_namespace;
    bool json;
};

#define FIELD(name) offsetof(struct run_config, name)

// clang-format off
static const struct co_option table[] = {
    JOB_ROWS_OPTION,
    JOB_SEED_OPTION,
    {.name = "out", .letter = 'o', .type = CO_OPTION_STRING,
     .offset = FIELD(out), .min = 1, .max = 1024, .placeholder = "DIR",
     .no_env = true, .help = "output folder; overrides the job file"},
    {.name = "workers", .letter = 'w', .type = CO_OPTION_U64,
     .offset = FIELD(workers), .def = "0", .max = 1024, .placeholder = "N",
     .help = "worker processes; 0: one a core"},
    CO_REDIS_OPTIONS(FIELD(redis), FIELD(redis_insecure),
                     "use this Redis; else a private one is started"),
    CO_NAMESPACE_OPTION(FIELD(name_space)),
    {.name = "broker", .type = CO_OPTION_LIST, .offset = FIELD(brokers),
     .max = 16, .placeholder = "ENDPOINT",
     .help = "use this running broker's workers (front endpoint; repeat)"},
    {.name = "broker-back", .type = CO_OPTION_STRING,
     .offset = FIELD(broker_back), .placeholder = "ENDPOINT",
     .help = "with --broker and --workers: where workers connect to it"},
    KEYRING_KEY_OPTION,
    KEYRING_OTHERS_OPTION("broker-key", "broker"),
    {.name = "worker-key", .type = CO_OPTION_STRING,
     .offset = FIELD(worker_key), .max = 4095, .placeholder = "FILE",
     .help = "with --key and --broker-back: secret key of the workers started"},
    {.name = "data", .type = CO_OPTION_STRING, .offset = FIELD(data),
     .placeholder = "DIR", .help = "folder of the compiled model"},
    {.name = "budget-day", .type = CO_OPTION_STRING,
     .offset = FIELD(budget_day), .placeholder = "USD",
     .help = "all jobs of the namespace together spend at most this a UTC day "
             "on paid calls; needs --redis"},
    {.name = "budget-namespace", .type = CO_OPTION_STRING,
     .offset = FIELD(budget_namespace), .placeholder = "USD",
     .help = "the same in all"},
    {.name = "json", .type = CO_OPTION_FLAG, .offset = FIELD(json),
     .no_env = true, .help = "report progress as lines of JSON on stdout"},
};
// clang-format on

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] FILE",
    .about = "Makes the corpus that the job file describes. Starts what is\n"
             "missing on this machine (Redis, broker, workers) and stops it\n"
             "at the end. ^C stops cleanly; the same command goes on later.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 1,
    .args_max = 1,
};

struct run_cli {
    struct run_config cfg;
    const char *file;
    bool workers_given;
    struct job_spec *spec;
    char out[PATH_MAX]; /* absolute */
    char endpoints[512];
    const char
        *key_env[RUN_PROVIDERS_KEYS_MAX + 1]; /* of the file's providers */
    struct fleet *fleet;
    struct progress progress;
    int signal_fd;
    bool registered;
    uint64_t before;  /* rows of earlier runs */
    int64_t began_ms; /* when the coordinator was first started */
};

/* ---- before anything is started ---- */

/* The coordinator reads the file too, and again each time it is started. */
static enum co_err
check_file(const struct run_cli *r, struct co_diag *diag)
{
    struct stat st;

    if (stat(r->file, &st) || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
        return CO_OK; /* what else is wrong with it, reading tells */
    }
    return co_fail(diag, CO_USAGE,
                   "%s is a pipe or a device: a job file is read more than "
                   "once. Write it to a file first",
                   r->file);
}

static enum co_err
load_spec(struct run_cli *r, struct co_diag *diag)
{
    struct spec_overrides over = {.has_rows = r->cfg.rows != NULL,
                                  .has_seed = r->cfg.seed != NULL,
                                  .dir = r->cfg.out};
    enum co_err err = CO_OK;

    if (over.has_rows) err = say_number("rows", r->cfg.rows, &over.rows, diag);
    if (!err && over.has_seed) {
        err = say_number("seed", r->cfg.seed, &over.seed, diag);
    }
    if (!err) err = spec_load(r->file, &r->spec, diag);
    if (!err) err = spec_override(r->spec, &over, diag);
    /* Whatever is wrong with a job file is the user's to mend. */
    return err && err != CO_NOMEM ? CO_USAGE : err;
}

/* The folder as an absolute path: `status` looks from elsewhere. */
static enum co_err
resolve_out(struct run_cli *r, struct co_diag *diag)
{
    char here[PATH_MAX] = "";
    int n;

    if (r->spec->dir[0] != '/' && !getcwd(here, sizeof here)) {
        return co_fail(diag, CO_IO, "the working folder is gone: %s",
                       strerror(errno));
    }
    n = snprintf(r->out, sizeof r->out, "%s%s%s", here, here[0] ? "/" : "",
                 r->spec->dir);
    return n > 0 && (size_t)n < sizeof r->out
               ? CO_OK
               : co_fail(diag, CO_RANGE, "the path of %s is too long",
                         r->spec->dir);
}

/* The programs read the keys; what is wrong with them is better said now. */
static enum co_err
check_keys(const struct run_cli *r, struct co_diag *diag)
{
    const char *worker = r->cfg.worker_key ? r->cfg.worker_key : "";
    struct keyring_options own = {.key = worker, .others = r->cfg.keys.others};
    struct keyring ring;
    enum co_err err =
        keyring_load(&r->cfg.keys, KEY_COORDINATOR, r->cfg.brokers.count,
                     KEY_BROKER, "broker-key", &ring, diag);

    if (!err) keyring_forget(&ring);
    if (err || !r->cfg.broker_back || !keyring_wanted(&r->cfg.keys)) return err;
    if (!worker[0]) {
        return co_fail(diag, CO_USAGE,
                       "--broker-back with --key needs --worker-key FILE, the "
                       "secret key of the workers that are started");
    }
    err = keyring_load(&own, KEY_WORKER, 1, KEY_BROKER, "broker-key", &ring,
                       diag);
    if (!err) keyring_forget(&ring);
    return err;
}

static enum co_err
check_options(struct run_cli *r, struct co_diag *diag)
{
    bool keys = keyring_wanted(&r->cfg.keys);
    size_t used = 0;
    enum co_err err = CO_OK;

    for (size_t i = 0; i < r->cfg.brokers.count; i++) {
        int n = snprintf(r->endpoints + used, sizeof r->endpoints - used,
                         "%s%s", i ? ", " : "", r->cfg.brokers.items[i]);

        if (n < 0 || (size_t)n >= sizeof r->endpoints - used) break;
        used += (size_t)n;
    }
    for (size_t i = 0; !err && i < r->cfg.brokers.count; i++) {
        err = sock_allowed(r->cfg.brokers.items[i], keys, diag);
    }
    if (!err && r->cfg.broker_back) {
        err = sock_allowed(r->cfg.broker_back, keys, diag);
    }
    if (!err && r->cfg.brokers.count) err = check_keys(r, diag);
    if (err) return CO_USAGE;
    if (r->cfg.brokers.count && r->workers_given && !r->cfg.broker_back) {
        return co_fail(diag, CO_USAGE,
                       "--workers with --broker starts workers for that "
                       "broker: give its back endpoint too (--broker-back), "
                       "or leave --workers out to use its own");
    }
    if (r->cfg.broker_back && !r->cfg.brokers.count) {
        return co_fail(diag, CO_USAGE,
                       "--broker-back goes with --broker and --workers");
    }
    return CO_OK;
}

static enum co_err
check_cap(const struct run_config *cfg, const char *option, const char *given,
          struct co_diag *diag)
{
    int64_t micro;
    enum co_err err;

    if (!given) return CO_OK;
    err = budget_parse(given, &micro, diag);
    if (err) return co_fail_prefix(diag, err, "%s", option);
    if (cfg->redis) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "%s needs --redis URL: in a Redis of its own a run is the "
                   "only job",
                   option);
}

static enum co_err
check_caps(const struct run_config *cfg, struct co_diag *diag)
{
    enum co_err err = check_cap(cfg, "--budget-day", cfg->budget_day, diag);

    return err ? err
               : check_cap(cfg, "--budget-namespace", cfg->budget_namespace,
                           diag);
}

/* A Redis that was named must be there now; later it may come and go. */
static enum co_err
check_redis(const struct run_config *cfg, struct co_diag *diag)
{
    co_auto(co_redis_closep) struct co_redis_client *client = NULL;
    enum co_err err;

    if (!cfg->redis) return CO_OK;
    err = co_redis_connect(cfg->redis, cfg->redis_insecure, REDIS_WAIT_MS,
                           &client, diag);
    return err ? co_fail_prefix(diag, err, "--redis") : CO_OK;
}

/* ---- the fleet ---- */

static void
on_notice(void *arg, const char *text)
{
    struct run_cli *r = arg;

    progress_notice(&r->progress, text);
}

static uint64_t
worker_count(const struct run_cli *r)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (r->cfg.brokers.count && !r->workers_given) return 0;
    if (r->cfg.workers != WORKERS_AUTO) return r->cfg.workers;
    return cores > 0 ? (uint64_t)cores : 1;
}

/* Whether workers that are started here could call what the job asks. */
static enum co_err
check_providers(const struct run_cli *r, struct co_diag *diag)
{
    const struct run_providers_where where = {.has_redis = r->cfg.redis != NULL,
                                              .has_brokers =
                                                  r->cfg.brokers.count > 0};

    if (worker_count(r) == 0) return CO_OK;
    return run_providers_check(r->spec, &where, diag);
}

static enum co_err
make_fleet(struct run_cli *r, struct co_diag *diag)
{
    bool calls = spec_provider(r->spec) != NULL && worker_count(r) > 0;
    struct fleet_options options = {
        .own_broker = r->cfg.brokers.count == 0,
        .brokers = r->cfg.brokers,
        .broker_back = r->cfg.broker_back,
        .workers = worker_count(r),
        .redis = r->cfg.redis,
        .redis_insecure = r->cfg.redis_insecure,
        .name_space = r->cfg.name_space,
        .data = r->cfg.data,
        .providers = calls ? r->file : NULL,
        .key_env = r->key_env,
        .llm_slots = run_providers_slots(r->spec, worker_count(r)),
        .notice = on_notice,
        .notice_arg = r};
    enum co_err err;

    run_providers_key_env(r->spec, r->key_env);
    /* A fleet of our own talks through a private folder: no keys. */
    if (!options.own_broker && keyring_wanted(&r->cfg.keys)) {
        options.keys = (struct fleet_keys){.coordinator = r->cfg.keys.key,
                                           .worker = r->cfg.worker_key,
                                           .broker_keys = r->cfg.keys.others};
    }
    err = fleet_new(&options, &r->fleet, diag);
    if (err) return err;
    /* A running fleet that was given without Redis runs without. */
    if (!r->cfg.redis && options.own_broker) fleet_want_private_redis(r->fleet);
    return fleet_start(r->fleet, diag);
}

static enum co_err
start_coordinator(struct run_cli *r, struct co_diag *diag)
{
    enum co_err err = fleet_begin_coordinator(r->fleet, "run");
    struct child *c = fleet_coordinator(r->fleet);

    if (err) return co_fail(diag, err, "out of memory");
    child_option(c, "--out", r->out);
    child_option(c, "--rows", r->cfg.rows);
    child_option(c, "--seed", r->cfg.seed);
    child_option(c, "--data", r->cfg.data);
    /* A broker of our own has just been made, and its workers with it: those of
     * an earlier run ended with that run, or have another broker. */
    if (r->cfg.brokers.count == 0) child_arg(c, "--no-late-answers");
    if (r->cfg.redis) {
        child_option(c, "--budget-day", r->cfg.budget_day);
        child_option(c, "--budget-namespace", r->cfg.budget_namespace);
    } else {
        child_arg(c, "--no-budget"); /* no other job uses a private Redis */
    }
    child_arg(c, "--");
    child_arg(c, r->file);
    return fleet_start_coordinator(r->fleet, diag);
}

/* The first report says that the folder is ours: now it may hold more. */
static void
on_report(void *arg, const struct status_line *line)
{
    struct run_cli *r = arg;
    struct registry_entry entry = {.pid = getpid(),
                                   .started_ms = co_clock_wall_ms()};
    const char *redis = fleet_redis(r->fleet);

    if (r->registered || line->end) return;
    r->registered = true;
    r->before = line->accepted;
    fleet_start_redis(r->fleet, r->out);
    (void)snprintf(entry.out, sizeof entry.out, "%s", r->out);
    (void)snprintf(entry.name, sizeof entry.name, "%s", r->spec->name);
    (void)snprintf(entry.name_space, sizeof entry.name_space, "%s",
                   r->cfg.name_space);
    /* A password stays where the user put it. */
    if (redis && !strchr(redis, '@')) {
        (void)snprintf(entry.redis, sizeof entry.redis, "%s", redis);
    }
    registry_put(&entry);
}

/* ---- the end ---- */

static int
tell(struct run_cli *r, const struct conduct *c, int exit_code)
{
    struct co_diag diag = {""};
    struct co_buf text;

    if (c->last.has_ledger && c->last.end &&
        !status_line_ledger_holds(&c->last, &diag)) {
        progress_notice(&r->progress, diag.text);
        exit_code = CLI_FAILED;
    }
    if (!c->last.end) return exit_code;
    if (exit_code == CLI_FAILED || exit_code == CLI_USAGE) {
        progress_notice(&r->progress, c->last.text);
    }
    if (r->cfg.json || (exit_code && !c->last.has_ledger)) return exit_code;
    co_buf_init(&text, SUMMARY_BYTES_MAX);
    summary_write(&c->last, r->spec->dir, r->before, &text);
    (void)fputs(co_buf_text(&text), stdout);
    (void)fflush(stdout);
    co_buf_fini(&text);
    return exit_code;
}

/* A coordinator that was killed left "running" in run.json. That this cannot be
 * mended (the disk is full, another run has begun there) changes nothing about
 * how it ended, and `cohort status` sees that nobody runs it. */
static void
mark_ended(const struct run_cli *r, const struct conduct *c)
{
    enum co_err err;

    if (!r->registered || !fleet_coordinator(r->fleet)->last_exit.signal) {
        return;
    }
    err = run_mark_ended(r->out, c->kill_asked ? "stopped" : "failed",
                         c->kill_asked
                             ? "stopped at once: what was under way was not "
                               "waited for; the same command goes on"
                             : "the coordinator was killed; the same command "
                               "goes on",
                         &c->last, NULL);
    (void)err;
}

static int
run_fleet(struct run_cli *r, struct co_diag *diag)
{
    struct conduct conduct = {.progress = &r->progress,
                              .signal_fd = r->signal_fd,
                              .restart_max = COORDINATOR_RESTARTS,
                              .unanswered =
                                  r->endpoints[0] ? r->endpoints : NULL,
                              .keyed = keyring_wanted(&r->cfg.keys),
                              .report = on_report,
                              .arg = r};
    enum co_err err = make_fleet(r, diag);
    int exit_code;

    if (!err) err = start_coordinator(r, diag);
    if (err) return say_error(PROGRAM, err, diag);
    conduct.fleet = r->fleet;
    r->began_ms = co_clock_ms();
    exit_code = conduct_run(&conduct);
    mark_ended(r, &conduct);
    if (conduct.restarted) {
        conduct.last.elapsed_ms = (uint64_t)(co_clock_ms() - r->began_ms);
    }
    fleet_stop(r->fleet);
    if (r->registered) fleet_keep_logs(r->fleet, r->out);
    exit_code = tell(r, &conduct, exit_code);
    conduct_fini(&conduct);
    return exit_code;
}

int
cmd_run(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct run_cli r = {.signal_fd = -1};
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &r.cfg, &options, &exit_code)) {
        return exit_code;
    }
    r.file = co_options_arg(options, 0);
    r.workers_given = co_options_given(options, "workers");
    progress_init(&r.progress, r.cfg.json);
    err = check_options(&r, &diag);
    if (!err) err = check_file(&r, &diag);
    if (!err) err = load_spec(&r, &diag);
    if (!err) err = check_providers(&r, &diag);
    if (!err) err = resolve_out(&r, &diag);
    if (!err) err = check_caps(&r.cfg, &diag);
    if (!err) err = check_redis(&r.cfg, &diag);
    if (!err) err = co_signals_open(&r.signal_fd);
    exit_code = err ? say_error(PROGRAM, err, &diag) : run_fleet(&r, &diag);
    fleet_free(r.fleet);
    co_signals_close(&r.signal_fd);
    spec_free(r.spec);
    return exit_code;
}
