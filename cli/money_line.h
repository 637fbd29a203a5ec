/* money_line.h - what a job has spent, from a report of its coordinator, from
 * run.json or from Redis, and in a person's words. No I/O. */
#pragma once
#include "common/buf.h"
#include "common/json.h"
#include "common/redis.h"
#include "job/money_fields.h"

struct money_line {
    bool is_there; /* else the job pays for nothing */
    MONEY_FIELDS   /* job/money_fields.h; from Redis without phases */
};

/* From an object "money" (docs/cli.md); NULL: the job pays for nothing. */
void money_line_of_json(const json_t *money, struct money_line *ret);
/* From the fields of job:ID. */
void money_line_of_redis(const struct co_redis_reply *hash,
                         struct money_line *ret);
/* Appends "1.25 of 5 USD (0.01 of it unknown), 204 calls"; in full also what
 * is held for calls that are out, what a row, 1,000 words and a percent of
 * quality cost, and tokens. */
void money_line_say(const struct money_line *m, bool in_full,
                    struct co_buf *out);
/* Appends a line for each phase: "background  0.4 of 1.8 USD, 102 calls"; lines
 * begin with indent. Nothing where phases are not told of. */
void money_line_say_phases(const struct money_line *m, const char *indent,
                           struct co_buf *out);
/* Puts "money" into the open object, as it came. */
void money_line_put(const struct money_line *m, struct co_json *json);
