/* bench_fleet.c - see bench_fleet.h. */
#include "cli/bench_fleet.h"

#include "cli/say.h"
#include "common/clock.h"
#include "common/signals.h"

struct bench_arg {
    struct fleet *fleet;
    const char *redis_folder;
    struct progress *progress;
};

static void
on_notice(void *arg, const char *text)
{
    const struct bench_arg *b = arg;

    progress_notice(b->progress, text);
}

static void
on_report(void *arg, const struct status_line *line)
{
    const struct bench_arg *b = arg;

    if (b->redis_folder && !line->end) {
        fleet_start_redis(b->fleet, b->redis_folder);
    }
}

static enum co_err
start(const struct bench_fleet *b, struct fleet *fleet, struct co_diag *diag)
{
    enum co_err err = fleet_start(fleet, diag);

    if (!err) err = fleet_begin_coordinator(fleet, b->sub_command);
    for (size_t i = 0; !err && b->args[i]; i++) {
        child_arg(fleet_coordinator(fleet), b->args[i]);
    }
    return err ? err : fleet_start_coordinator(fleet, diag);
}

int
bench_fleet_run(struct bench_fleet *b, const char *program)
{
    co_auto(fleet_freep) struct fleet *fleet = NULL;
    struct progress progress;
    struct bench_arg arg = {.redis_folder = b->redis_folder,
                            .progress = &progress};
    struct conduct conduct = {.progress = &progress,
                              .signal_fd = -1,
                              .report = on_report,
                              .arg = &arg};
    struct co_diag diag = {""};
    int64_t began_ms = co_clock_ms();
    enum co_err err = co_signals_open(&conduct.signal_fd);
    int exit_code;

    progress_init(&progress, false);
    if (b->quiet) progress.mode = PROGRESS_QUIET;
    b->fleet.notice = on_notice;
    b->fleet.notice_arg = &arg;
    if (!err) err = fleet_new(&b->fleet, &fleet, &diag);
    if (!err && b->redis_folder) fleet_want_private_redis(fleet);
    if (!err) err = start(b, fleet, &diag);
    if (err) {
        co_signals_close(&conduct.signal_fd);
        return say_error(program, err, &diag);
    }
    arg.fleet = conduct.fleet = fleet;
    exit_code = conduct_run(&conduct);
    fleet_stop(fleet);
    b->wall_ms = co_clock_ms() - began_ms;
    fleet_cost(fleet, &b->cost);
    b->last = conduct.last; /* moves */
    if (exit_code != CLI_OK && b->last.end) {
        progress_notice(&progress, b->last.text);
    }
    co_signals_close(&conduct.signal_fd);
    return exit_code;
}

int64_t
bench_fleet_cpu_us(const struct fleet_cost *cost)
{
    return cost->broker_us + cost->worker_us + cost->coordinator_us +
           cost->redis_us;
}
