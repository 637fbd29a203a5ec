/* cohort-broker: hands tasks to workers and takes results back.
 * Read docs/architecture.md first, then dispatch.h, then shell.c. */
#include "broker/config.h"
#include "broker/shell.h"
#include "common/log.h"
#include "common/signals.h"

static enum co_err
start(int argc, char **argv, struct co_diag *diag)
{
    struct broker_config config = {0};
    co_auto(co_options_freep) struct co_options *options = NULL;
    int signals_fd = -1;
    int lifeline_fd;
    enum co_err err = config_load(argc, argv, &config, &options, diag);

    if (err) return err;
    if (co_options_answer(options)) return CO_OK;
    lifeline_fd = config_lifeline(&config);
    err = co_log_open("broker", (enum co_log_level)config.log_level, config.log,
                      diag);
    if (!err) err = co_signals_open(&signals_fd);
    if (!err) err = shell_run(&config, signals_fd, lifeline_fd, diag);
    co_signals_close(&signals_fd);
    co_log_close();
    return err;
}

int
main(int argc, char **argv)
{
    struct co_diag diag = {""};
    enum co_err err = start(argc, argv, &diag);

    return co_exit_status(CO_PROGRAM "-broker", err, &diag);
}
