/* heartbeat.h - tells Redis once a second that this worker lives and what it
 * does (docs/redis-keys.md). Redis being away is no reason to stop.
 * Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "worker/slots.h"

struct heartbeat; /* opaque */

struct heartbeat_self {
    const char *url, *ns, *name;
    bool insecure;
    uint64_t incarnation;
    const char *services; /* separated by commas */
    const char *version;
    uint32_t slots;
};

/* Texts of self are borrowed for life. CO_INVALID, CO_DENIED: the URL. */
co_must_use enum co_err heartbeat_new(const struct heartbeat_self *self,
                                      struct heartbeat **ret_heartbeat,
                                      struct co_diag *diag);
/* Takes the worker off the list (waits for Redis at most 200 ms). */
void heartbeat_free(struct heartbeat *h);
CO_DEFINE_FREEP(struct heartbeat, heartbeat_free)
/* Readable when Redis has something to say; then call heartbeat_read. */
int heartbeat_fd(const struct heartbeat *h);
void heartbeat_read(struct heartbeat *h);
/* Writes the worker's hash and its place in the list. */
void heartbeat_write(struct heartbeat *h, const struct slots_stats *stats,
                     uint64_t rss_bytes, uint32_t cpu_permille);
