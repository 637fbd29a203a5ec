/* shell.h - the loop around the dispatch core: two ROUTER sockets, signals,
 * the lifeline and the report to Redis. One thread. */
#pragma once
#include "broker/config.h"

/* Binds, says so on --ready-fd, and serves until SIGTERM, SIGINT or the cut
 * of the lifeline (-1: none). signals_fd comes from co_signals_open. */
co_must_use enum co_err shell_run(const struct broker_config *config,
                                  int signals_fd, int lifeline_fd,
                                  struct co_diag *diag);
