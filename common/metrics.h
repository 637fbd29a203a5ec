/* metrics.h - GET /metrics for Prometheus, from a thread of its own.
 * The program's loop makes a text now and then (metrics_text.h) and leaves it
 * here; requests get the newest one. The loop never waits for a client, a
 * client never makes the loop do anything, and what is served is at most a
 * second old (its age stands in it). Connections, memory and time of each are
 * bounded. The one module that includes microhttpd.h. */
#pragma once
#include "common/buf.h"

struct co_metrics; /* opaque */

enum {
    CO_METRICS_EVERY_MS = 1000, /* a new text this often is enough */
    CO_METRICS_CONNECTIONS = 32,
    CO_METRICS_BYTES_MAX = 4 << 20, /* of a text */
};

/* address: "127.0.0.1:9464", "[::1]:9464", a port of 0 for any. Beyond
 * loopback only with insecure: it is neither encrypted nor asks who reads.
 * CO_USAGE: no such address; CO_DENIED: not loopback; CO_BUSY: taken. Start it
 * after signals are blocked: its thread inherits the mask. */
co_must_use enum co_err co_metrics_start(const char *address, bool insecure,
                                         struct co_metrics **ret_metrics,
                                         struct co_diag *diag);
/* Where it listens: "127.0.0.1:9464". */
const char *co_metrics_address(const struct co_metrics *m);
/* Is it time for a new text? */
bool co_metrics_due(const struct co_metrics *m, int64_t now_ms);
/* The text is copied. When it is broken (text->err) the older one stays. */
void co_metrics_publish(struct co_metrics *m, const struct co_buf *text,
                        int64_t now_ms);
void co_metrics_free(struct co_metrics *m);
CO_DEFINE_FREEP(struct co_metrics, co_metrics_free)
