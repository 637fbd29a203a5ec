/* money_line.h - what a job has spent, from a report of its coordinator, from
 * run.json or from Redis, and in a person's words. No I/O. */
#pragma once
#include "common/buf.h"
#include "common/json.h"
#include "common/redis.h"

struct money_line {
    bool is_there; /* else the job pays for nothing */
    /* 1e-12 USD; -1: not known, of the cap: none. */
    int64_t cap, settled, unknown, reserved, row;
    uint64_t calls, lost;
    uint64_t cached;  /* answers from the cache, in place of calls */
    uint64_t written; /* rows with all their answers */
    uint64_t input_tokens, cached_tokens, output_tokens;
};

/* From an object "money" (docs/cli.md); NULL: the job pays for nothing. */
void money_line_of_json(const json_t *money, struct money_line *ret);
/* From the fields of job:ID. */
void money_line_of_redis(const struct co_redis_reply *hash,
                         struct money_line *ret);
/* Appends "1.25 of 5 USD (0.01 of it unknown), 204 calls"; in full also what a
 * row costs, and tokens. */
void money_line_say(const struct money_line *m, bool in_full,
                    struct co_buf *out);
/* Puts "money" into the open object, as it came. */
void money_line_put(const struct money_line *m, struct co_json *json);
