/* recipe.h - what decides the rows, as canonical JSON.
 * Workers get it as a blob named by its hash; a run folder keeps it to refuse
 * another job. Which keys of the job file are in it stands in keys.h; beside
 * them it holds what the program adds: version, generator, grid, model,
 * phrases. Canonical: compact, keys sorted, one form for one meaning, so that
 * the hash names the meaning. The seed is a text, since readers bend integers
 * of 64 bits. Not in it: rows, name, workers, paths, formats, priority,
 * service: they change how many, where and when, never what. Rule for changing
 * it: another meaning raises RECIPE_VERSION; a new key is left out while it has
 * its default, so that old folders go on. */
#pragma once
#include "job/spec.h"

enum { RECIPE_VERSION = 1, RECIPE_BYTES_MAX = 512 << 10 };

struct recipe {
    uint32_t generator;  /* GENERATOR_VERSION that made it */
    uint64_t model_hash; /* content of the model file */
    uint64_t phrases;    /* content of the shipped phrase files */
    uint64_t seed;
    unsigned phases;     /* of enum spec_phase */
    bool dedup;          /* exact; the key is there only then */
    unsigned hash_bits;  /* of the hashes that dedup compares; 0: all. Tests
                          * want duplicates, which real texts hardly have */
    char population[17]; /* the installed one */
    struct job_where where;
    struct job_mix mix;
    struct user_tables tables; /* of the user's folder */
    struct phrase_set *words;  /* of the user's phrases; NULL: none */
    struct writer *writer;     /* NULL: the built-in one, and no key */
    struct writers *writers;   /* NULL: that one alone, and no key */
};

/* The recipe of a spec that passed spec_check and spec_open_writer. Where, mix,
 * tables, words and writer borrow the spec's: no recipe_fini, and not longer
 * than the spec lives. */
struct recipe recipe_of_spec(const struct job_spec *spec, uint32_t generator,
                             uint64_t model_hash, uint64_t phrases);
/* Appends the canonical JSON; returns buf->err. CO_FULL: over the limit. */
co_must_use enum co_err recipe_write(const struct recipe *recipe,
                                     struct co_buf *buf);
/* XXH3-64 of the JSON. */
uint64_t recipe_hash(const void *json, size_t len);

/* Reads what recipe_write wrote; hostile input. Accepts nothing but the
 * canonical form. *ret_recipe is for recipe_fini.
 * CO_VERSION: a newer recipe; CO_INVALID: not a recipe. */
co_must_use enum co_err recipe_parse(const void *json, size_t len,
                                     struct recipe *ret_recipe,
                                     struct co_diag *diag);
void recipe_fini(struct recipe *recipe);

/* The sampler that the recipe asks for, of this model (which must be the one
 * that the recipe names, and outlive it). The sampler's model has the recipe's
 * tables. Errors as sampler_make's. */
co_must_use enum co_err recipe_sampler(const struct recipe *recipe,
                                       const struct model *m,
                                       struct co_diag *diag,
                                       struct sampler **ret_sampler);

/* The writer of texts that the recipe asks for: base with the recipe's words.
 * *ret_prose stays NULL when it has none. Errors as prose_extend's. */
co_must_use enum co_err recipe_prose(const struct recipe *recipe,
                                     const struct prose *base,
                                     struct co_diag *diag,
                                     struct prose **ret_prose);

/* Appends what differs, in a person's words, "; " between: "seed: 42 in the
 * folder, 43 in the job file". Returns whether anything does. */
bool recipe_diff(const struct recipe *folder, const struct recipe *job,
                 struct co_buf *buf);
