/* recipes.h - what a recipe's bytes mean on this worker: samplers, made once
 * and kept for the next task (the 16 last used; about 8 MB each).
 * Not thread-safe: belongs to the worker's loop. */
#pragma once
#include "common/bytes.h"
#include "prose/prose.h"
#include "rows/range.h"

struct recipes; /* opaque */

enum { RECIPES_MAX = 16 };

/* A sampler in use: the cache keeps it until it is put back. */
struct recipe_use {
    const struct sampler *sampler;
    const struct writer *writer;   /* of texts, by a model; NULL: built-in */
    const struct writers *writers; /* it and others; NULL: it alone */
    bool dedup;                    /* what rows say has to be hashed */
    struct recipe_entry *entry;
};

/* model and prose are borrowed and must outlive the cache. */
co_must_use enum co_err recipes_new(const struct model *model,
                                    const struct prose *prose,
                                    struct recipes **ret_recipes);
/* Another population of this machine, likewise borrowed. CO_FULL: too many. */
co_must_use enum co_err recipes_add(struct recipes *r,
                                    const struct model *model,
                                    const struct prose *prose);
void recipes_free(struct recipes *r);
CO_DEFINE_FREEP(struct recipes, recipes_free)

/* The recipe of that hash, from the cache or made of its bytes.
 * CO_INVALID: the bytes are no recipe for this model (diag says why).
 * CO_FULL: all 16 are in use. CO_NOMEM. */
co_must_use enum co_err recipes_get(struct recipes *r, uint64_t hash,
                                    struct co_bytes blob,
                                    struct recipe_use *ret_use,
                                    struct co_diag *diag);
/* Takes an empty use too. */
void recipes_put(struct recipes *r, struct recipe_use *use);
/* A range maker that is free; goes back by recipes_maker_put. */
co_must_use enum co_err recipes_maker_get(struct recipes *r,
                                          struct range_maker **ret_maker);
void recipes_maker_put(struct recipes *r, struct range_maker *maker);
/* Makers that were got and not put back. */
uint32_t recipes_makers_used(const struct recipes *r);
/* Samplers in the cache. */
uint32_t recipes_count(const struct recipes *r);
