/* writers.h - all who may write the texts of a job: the part of the recipe that
 * is there when one model is not the whole story. Writers have numbers; 0 is
 * the recipe's own writer. An arm is a share of the rows, and says which
 * writers are tried for them, in order: the first, and then, while that one is
 * away, its fallbacks. Which arm a row is in follows from the recipe and its
 * number alone, so that nothing that happens to it moves it to another one.
 * Read-only once made. */
#pragma once
#include "job/writer.h"

enum {
    WRITERS_MAX = ASK_WRITERS_MAX,
    WRITERS_ARMS_MAX = 8,
    WRITERS_PROVIDERS_MAX = 6, /* a broker has eight queues for a job */
    WRITERS_CHAIN_MAX = 1 + PROVIDERS_FALLBACK_MAX,
    WRITERS_NAME_BYTES = 33, /* of an arm: [a-z0-9-]{1,32} and the NUL */
    WRITERS_SHARES = 100,    /* that all arms' shares sum up to */
};

struct writers_arm {
    char name[WRITERS_NAME_BYTES]; /* "": it is the only one */
    uint32_t share;                /* percent of the rows */
    uint32_t n;
    uint8_t chain[WRITERS_CHAIN_MAX]; /* n numbers of writers */
    bool builtin;                     /* then, and last, the built-in writer */
};

struct writers {
    struct writer *v[WRITERS_MAX]; /* v[0] is borrowed, the others owned */
    uint32_t n;
    struct writers_arm arms[WRITERS_ARMS_MAX];
    uint32_t n_arms;
    bool fallback_ok; /* rows of a fallback are as good as others */
};

/* Of no arms, whose first writer is borrowed. NULL: no memory. */
struct writers *writers_new(struct writer *first);
void writers_free(struct writers *w);
CO_DEFINE_FREEP(struct writers, writers_free)

/* Which writer of that provider with these prompts there is; UINT32_MAX: none.
 */
uint32_t writers_find(const struct writers *w, const char *provider,
                      uint64_t prompts_hash);

/* Sets the arms of rows apart: depends on the recipe and on all of the table.
 */
uint64_t writers_seed(const struct writers *w, uint64_t recipe);
/* The arm of a row. seed: of writers_seed(). */
uint32_t writers_arm(const struct writers *w, uint64_t seed, uint64_t row);

/* The recipe's part, canonical; and reading it, hostile input, with the
 * recipe's own writer, which is borrowed. */
void writers_write(const struct writers *w, struct co_json *json);
co_must_use enum co_err writers_from_json(const json_t *value,
                                          struct writer *first,
                                          struct writers **ret_writers,
                                          struct co_diag *diag);
/* The table for people: "a 70% main, cheap, builtin; b 30% other". */
void writers_say(const struct writers *w, struct co_buf *out);
