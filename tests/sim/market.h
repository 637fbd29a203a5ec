/* market.h - jobs that several may write: who they are, what a provider goes
 * through (its breakers are open everywhere, it refuses all, its calls come to
 * nothing), and which workers serve it. By window of time, so that it goes away
 * and comes back while a job runs. */
#pragma once
#include "proto/msg.h"
#include "tests/sim/sim.h"

enum { PROVIDERS = 3 };

/* What a provider goes through; X(name, permille of its windows at most). */
#define PROVIDER_TIME_LIST(X)                                                  \
    X(AWAY, 500)                                                               \
    X(REFUSES, 250)                                                            \
    X(FAILS, 250)

enum provider_time {
#define X(name, most) PROVIDER_##name,
    PROVIDER_TIME_LIST(X)
#undef X
        PROVIDER_WELL
};

struct workload;
struct slots_service;
struct service;

/* Of a run, before its jobs are made. */
void market_make(struct sim *s);
void market_free(struct sim *s);
/* Who writes for a job that has one writer so far. */
void market_choose(struct sim *s, struct workload *w);

/* Its number, below PROVIDERS. */
unsigned market_number(struct msg_str name);
enum provider_time market_time(const struct sim *s, const char *name);
/* The lanes that a worker which starts now announces: that of the service
 * alone, and one for each provider that it serves. */
uint32_t market_announce(struct sim *s, struct slots_service *announced,
                         const struct service **services);
