/* serve.h - the sockets of the fake endpoint: one thread, one epoll, timers for
 * what is late or comes in pieces. */
#pragma once
#include "tests/fake-llm/calls.h"

#include <stdint.h>

/* Listens on loopback, port 0: any, and returns the port. Ends the process when
 * it cannot. calls is borrowed for ever. */
uint16_t serve_listen(uint16_t port, struct calls *calls);
/* Ends with the standard input, when that is a pipe. */
_Noreturn void serve_run(void);
