/* recorded.h - answers of models, kept in a file and played back: tests and
 * demos need no endpoint, and cost nothing. A record is found by the hash of
 * what was asked (model, messages, schema, temperature, most tokens), whichever
 * API it was asked by. One record is one line of JSON:
 *
 *   {"hash":H,"request":R,"answer":TEXT,"model":NAME,"end":END,"usage":U}
 *
 * H is 32 hex digits: co_hash128 of R as it stands there, which is what
 * provider_replay.write makes of an ask. END is "stop", "length" or "filter";
 * U is null or {"input":N,"cached":N,"output":N}. Records of a job say in "row"
 * and "ask" which question it was. When the same was asked more than once, the
 * record of that very question counts, else the row's next one, else its last
 * (calls that were lost have none, and take a number); for who has no row, or
 * one without a record, the last: it is what the asking ended with.
 * Pure but for the functions with files. */
#pragma once
#include "llm/provider.h"

enum {
    RECORDED_FILE_MAX = 1 << 30,
    RECORDED_RECORD_MAX = 32 << 20,
    RECORDED_HASH_BYTES = 33,
};

#define RECORDED_NO_ROW UINT64_MAX

/* Which question of a job it is; row RECORDED_NO_ROW: of none. */
struct recorded_ask {
    uint64_t row;
    uint32_t ask;
};

struct recorded; /* opaque */

/* CO_NOTFOUND, CO_IO, CO_FULL; CO_INVALID: no records, or one that is none:
 * diag names file and line. */
co_must_use enum co_err recorded_load(const char *path, struct recorded **ret,
                                      struct co_diag *diag);
void recorded_free(struct recorded *replay);
CO_DEFINE_FREEP(struct recorded, recorded_free)
size_t recorded_count(const struct recorded *replay);
/* The record of what was asked, for provider_replay.read; false: none.
 * body: as provider_replay.write made it. */
bool recorded_find(const struct recorded *replay, const void *body, size_t len,
                   const struct recorded_ask *of, const char **ret_record,
                   size_t *ret_len);
/* 32 hex digits; returns text. */
char *recorded_hash(const void *body, size_t len,
                    char text[RECORDED_HASH_BYTES]);

/* Opens a file for records, which is made if it is missing (0600: prompts stand
 * in it). CO_EXISTS: it holds something else. CO_IO and the like. diag says
 * why. */
co_must_use enum co_err recorded_open(const char *path, int *ret_fd,
                                      struct co_diag *diag);
/* Appends the record of an answer, in one write: others may append to the file,
 * too. body: what was asked, as provider_replay.write makes it. */
co_must_use enum co_err recorded_record(int fd, const void *body, size_t len,
                                        const struct recorded_ask *of,
                                        const struct provider_answer *answer,
                                        struct co_diag *diag);
