/* top_fetch.h - a thread that reads a namespace from Redis again and again, so
 * that a Redis which hangs never keeps a key from being answered. One thread
 * uses it. */
#pragma once
#include "cli/fleet_state.h"
#include "cli/source.h"

struct top_fetch; /* opaque */

/* A reading, or why there is none. */
struct top_news {
    struct fleet_state *state; /* owned; NULL: none */
    char why[400];
};

/* Takes source over (its connection is used by the thread from now on). */
co_must_use enum co_err top_fetch_start(struct source *source,
                                        unsigned interval_ms,
                                        struct top_fetch **ret_fetch,
                                        struct co_diag *diag);
/* Ends the thread; one that hangs in Redis is left behind: the process ends. */
void top_fetch_stop(struct top_fetch *f);
/* Readable while news wait. */
int top_fetch_fd(const struct top_fetch *f);
/* The oldest news, NULL none; free with top_news_free. */
struct top_news *top_fetch_take(struct top_fetch *f);
void top_news_free(struct top_news *news);
/* Reads at once instead of after the interval. */
void top_fetch_poke(struct top_fetch *f);
