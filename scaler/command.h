/* command.h - the exec actor: a command of the user's, run once for each wish.
 * It finds COHORT_SERVICE, COHORT_DESIRED and COHORT_REASON in its environment,
 * and {service} and {desired} in its arguments are replaced. No shell. */
#pragma once
#include "common/err.h"

enum { COMMAND_ARGS_MAX = 64 };

struct command {
    const char *const *argv; /* ended by NULL; borrowed */
    uint32_t timeout_ms;     /* then it is stopped, and has failed */
};

struct command_wish {
    const char *service, *reason;
    uint32_t desired;
};

/* Waits for its end. CO_NOTFOUND, CO_DENIED: it could not be started;
 * CO_TIMEOUT; CO_IO: it ended with another code than 0, or by a signal. */
co_must_use enum co_err command_run(const struct command *command,
                                    const struct command_wish *wish,
                                    struct co_diag *diag);
