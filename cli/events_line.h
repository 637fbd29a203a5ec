/* events_line.h - one entry of the `events` stream as a line: for a person, or
 * as JSON. Pure. */
#pragma once
#include "common/buf.h"
#include "common/redis.h"

/* What an entry is looked at for. Lists are borrowed; empty: all. */
struct events_filter {
    const char *job;          /* 16 hex digits, either case; NULL: all */
    const char *const *kinds; /* as in the field `kind` */
    size_t kind_count;
};

/* entry: [id, [field, value, ...]] as XRANGE answers. false: not an entry, or
 * not one that is looked for. */
bool events_line_wanted(const struct co_redis_reply *entry,
                        const struct events_filter *filter);
/* Both append a line with its '\n' for an entry that is wanted. */
void events_line_text(const struct co_redis_reply *entry, struct co_buf *out);
void events_line_json(const struct co_redis_reply *entry, struct co_buf *out);
/* A field's value, "" when there is none. */
const char *events_line_field(const struct co_redis_reply *entry,
                              const char *name);
/* "2026-11-29T01:52:07.110Z" */
void events_line_time(int64_t time_ms, struct co_buf *out);

/* A stream id as two numbers, to compare. false: not one. */
struct events_id {
    uint64_t ms, seq;
};
bool events_id_parse(const char *text, struct events_id *ret);
/* < 0, 0, > 0 */
int events_id_compare(struct events_id a, struct events_id b);

/* --since: a time ago ("90s", "15m", "2h", "1d") or a moment
 * ("2026-11-29T01:50:00Z", "2026-11-29"). CO_USAGE with a message. */
co_must_use enum co_err events_since(const char *text, int64_t now_ms,
                                     int64_t *ret_ms, struct co_diag *diag);
