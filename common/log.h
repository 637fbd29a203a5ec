/* log.h - one line an event: time, level, program, event name, key=value.
 *
 *   2026-03-04T10:11:12.345Z info broker worker.joined worker=7 addr="a b"
 *
 * Event names are stable (people grep for them); ERROR means that a person
 * should act. Never log payloads, prompts or keys. A line is one write of at
 * most CO_LOG_LINE_MAX bytes, so lines of several processes do not mix.
 * Thread-safe; open once at start, before other threads exist. */
#pragma once
#include "common/err.h"

enum co_log_level { CO_LOG_ERROR, CO_LOG_WARN, CO_LOG_INFO, CO_LOG_DEBUG };

enum { CO_LOG_LINE_MAX = 2048, CO_LOG_QUOTE_MAX = 512 };

/* "error", "warn", "info", "debug", by level; ended by NULL. */
extern const char *const co_log_levels[];
const char *co_log_level_name(enum co_log_level level);

/* Names the program in each line, drops events above level, and appends to
 * path (made with mode 0600) or to stderr when path is NULL. Before the first
 * call: level info, to stderr. */
co_must_use enum co_err co_log_open(const char *program,
                                    enum co_log_level level, const char *path,
                                    struct co_diag *diag);
/* Back to stderr. */
void co_log_close(void);
/* True when an event of this level would be written: guards costly values. */
bool co_log_on(enum co_log_level level);

/* One event. fmt makes the "key=value ..." part; text that may
 * hold spaces, quotes or control characters goes through co_log_quote. Line
 * breaks and control characters in the outcome become '?', a line too long
 * ends with "...". errno is kept. */
void co_log(enum co_log_level level, const char *event, const char *fmt, ...)
    co_printf(3, 4);

/* One event that has no values. */
void co_log_event(enum co_log_level level, const char *event);

struct co_log_quoted {
    char text[CO_LOG_QUOTE_MAX];
};
/* text as one value: as it is when plain, else in quotes with \" \\ \n \xNN;
 * cut with "..." when too long; NULL becomes "". Use as
 * co_log(..., "why=%s", co_log_quote(why).text). */
struct co_log_quoted co_log_quote(const char *text);

/* Says at most once per interval that something happens often. */
struct co_log_limit {
    int64_t next_ms;
    uint64_t held_back; /* events not logged since the last that was */
};
/* True when the event should be logged now; *ret_held_back is how many were
 * left out since the last (log it as more=). Starts zeroed; one thread. */
bool co_log_every(struct co_log_limit *limit, int64_t now_ms,
                  int64_t interval_ms, uint64_t *ret_held_back);
