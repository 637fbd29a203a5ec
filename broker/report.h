/* report.h - what the broker tells Redis: broker:ID, queue:SERVICE, brokers
 * and the event stream, REPORT_MS apart, all in one pipeline. Redis may be
 * away, slow or emptied at any time: the broker does not need it. */
#pragma once
#include "broker/config.h"

enum { REPORT_MS = 250 };

struct report; /* opaque */
struct gate;

/* *ret_report is NULL when no Redis is configured. */
co_must_use enum co_err report_new(const struct broker_config *config,
                                   const char *name, uint64_t incarnation,
                                   struct co_diag *diag,
                                   struct report **ret_report);
/* A broker that ends in order takes back what only a living one has: its entry
 * in `brokers`, broker:ID, its fields of queue:SERVICE. Takes NULL. */
void report_leave(struct report *r, const struct dispatch *d, int64_t now_ms);
/* Writes what waits, for at most half a second, and ends. Takes NULL. */
void report_free(struct report *r);
CO_DEFINE_FREEP(struct report, report_free)
/* How the connection does; all zeros for NULL. */
struct co_redis_counters;
void report_redis(struct report *r, struct co_redis_counters *ret);
/* Takes the events off d and sends them: in each turn, or those of a fleet that
 * comes all at once find no room. Without Redis (r NULL) they go to the log
 * only. */
void report_events(struct report *r, struct dispatch *d);
/* Sends the rest when REPORT_MS have passed. gate: NULL without keys. */
void report_tick(struct report *r, struct dispatch *d, struct gate *gate,
                 int64_t now_ms);
