/* identity.h - what a journal says it belongs to: the JOB record.
 * Content: compact JSON {"format":1,"job":"<16 hex>","kind":..,"name":..,
 * "rows":N,"shard_rows":S,"recipe_hash":"<16 hex>","recipe":{...}}. The newest
 * JOB or CHECKPOINT counts; a JOB with more rows extends a finished corpus. */
#pragma once
#include "common/buf.h"
#include "common/bytes.h"

struct identity {
    bool found; /* false: an empty or new journal */
    bool done;  /* DONE came after the newest JOB */
    uint64_t job;
    char kind[32];
    char name[65];
    uint64_t rows;
    uint32_t shard_rows;
    uint64_t recipe_hash;
    struct co_buf recipe; /* canonical JSON */
    uint32_t highest_owner;
};

/* Reads the journal in dir; a folder that does not exist is an empty one.
 * CO_DAMAGED: diag says what to do. The caller calls identity_fini. */
co_must_use enum co_err identity_read(const char *dir,
                                      struct identity *ret_identity,
                                      struct co_diag *diag);
void identity_fini(struct identity *id);
/* The number of the next owner: higher than any that the journal knows, and
 * than seen, what Redis knows (0: nothing). Redis may have been rolled back or
 * emptied: it can only raise the number. 0: there is no higher one. */
uint32_t identity_next_owner(const struct identity *id, uint32_t seen);
/* The JOB record's content. */
co_must_use enum co_err identity_make(const struct identity *id,
                                      struct co_bytes *ret_bytes);
