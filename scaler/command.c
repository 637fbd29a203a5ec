/* command.c - see command.h. */
#include "scaler/command.h"

#include "common/proc.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ARG_BYTES = 1024, STOP_MS = 1000 };

/* text with {service} and {desired} replaced; false: too long. */
static bool
fill_in(const char *text, const struct command_wish *w, char to[ARG_BYTES])
{
    size_t len = 0;
    int n;

    for (; *text; text += n) {
        char number[16];
        const char *part = text;
        size_t part_len = 1;

        (void)snprintf(number, sizeof number, "%u", w->desired);
        n = 1;
        if (strncmp(text, "{service}", 9) == 0) {
            n = 9;
            part = w->service;
        } else if (strncmp(text, "{desired}", 9) == 0) {
            n = 9;
            part = number;
        }
        if (n > 1) part_len = strlen(part);
        if (len + part_len >= ARG_BYTES) return false;
        memcpy(to + len, part, part_len);
        len += part_len;
    }
    to[len] = '\0';
    return true;
}

static enum co_err
judge(const char *name, enum co_err waited, const struct co_proc_exit *end,
      uint32_t timeout_ms, struct co_diag *diag)
{
    if (waited == CO_TIMEOUT) {
        return co_fail(diag, CO_TIMEOUT,
                       "%s did not end within %u ms and was stopped", name,
                       timeout_ms);
    }
    if (waited) {
        return co_fail(diag, waited, "%s: %s", name, co_err_text(waited));
    }
    if (end->signal) {
        return co_fail(diag, CO_IO, "%s was ended by signal %d", name,
                       end->signal);
    }
    if (end->code == 0) return CO_OK;
    return co_fail(diag, CO_IO, "%s ended with code %d", name, end->code);
}

enum co_err
command_run(const struct command *command, const struct command_wish *wish,
            struct co_diag *diag)
{
    char args[COMMAND_ARGS_MAX][ARG_BYTES], service[ARG_BYTES], desired[32],
        reason[ARG_BYTES];
    const char *argv[COMMAND_ARGS_MAX + 1] = {NULL};
    const char *const env[] = {service, desired, reason, NULL};
    const struct co_proc_opts opts = {.env = env, .death_signal = SIGKILL};
    struct co_proc_exit end = {0};
    enum co_err err;
    pid_t pid;

    for (size_t i = 0; command->argv[i]; i++) {
        if (i == COMMAND_ARGS_MAX ||
            !fill_in(command->argv[i], wish, args[i])) {
            return co_fail(diag, CO_RANGE,
                           "the command has more than %d arguments or one of "
                           "more than %d bytes",
                           COMMAND_ARGS_MAX, ARG_BYTES);
        }
        argv[i] = args[i];
    }
    (void)snprintf(service, sizeof service, "COHORT_SERVICE=%.900s",
                   wish->service);
    (void)snprintf(desired, sizeof desired, "COHORT_DESIRED=%u", wish->desired);
    (void)snprintf(reason, sizeof reason, "COHORT_REASON=%.900s", wish->reason);
    err = co_proc_spawn(argv, &opts, &pid, diag);
    if (err) return err;
    err = co_proc_wait(pid, (int)command->timeout_ms, &end);
    if (err == CO_TIMEOUT) {
        enum co_err stopped = co_proc_stop(pid, STOP_MS, &end);

        (void)stopped; /* stuck in the kernel: said as a time-out too */
    }
    return judge(argv[0], err, &end, command->timeout_ms, diag);
}
