/* cohort-worker: takes tasks from brokers and gives results back.
 * Read docs/architecture.md first, then slots.h, then worker_shell.c. */
#include "common/lifeline.h"
#include "common/log.h"
#include "common/signals.h"
#include "worker/worker_config.h"
#include "worker/worker_shell.h"
#include "worker/worker_supervisor.h"

static enum co_err
start(int argc, char **argv, struct co_diag *diag)
{
    struct worker_config config = {0};
    co_auto(co_options_freep) struct co_options *options = NULL;
    int signals_fd = -1, lifeline_fd;
    enum co_err err = worker_config_load(argc, argv, &config, &options, diag);

    if (err) return err;
    if (co_options_answer(options)) return CO_OK;
    err = worker_config_check(&config, diag);
    if (err) return err;
    lifeline_fd = worker_config_lifeline(&config);
    err = co_log_open("worker", (enum co_log_level)config.log_level, config.log,
                      diag);
    if (!err) err = co_signals_open(&signals_fd);
    if (!err && config.processes_max == 1) {
        err = worker_shell_run(&config, signals_fd, lifeline_fd, diag);
    } else if (!err) {
        err =
            worker_supervisor_run(&config, argv, signals_fd, lifeline_fd, diag);
    }
    co_signals_close(&signals_fd);
    co_log_close();
    return err;
}

int
main(int argc, char **argv)
{
    struct co_diag diag = {""};
    enum co_err err = start(argc, argv, &diag);

    return co_exit_status(CO_PROGRAM "-worker", err, &diag);
}
