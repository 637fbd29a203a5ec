/* mix.h - the re-weighting of a job: of whom it wants more than there are.
 * A weight a value of a root attribute, in millionths, so that no float
 * decides a row. Normalised, equal mixes are equal bytes in the recipe: labels
 * are the model's, bands of ages merged and cut where the weight changes,
 * sorted by attribute and value; weights of 1, and attributes whose values all
 * weigh the same, dropped. Not thread-safe; no I/O. */
#pragma once
#include "job/where.h"

struct co_yaml;

enum { MIX_ITEMS_MAX = 1000, MIX_TEXT_MAX = 200 };

struct mix_item {
    enum attribute_id id;
    char *value;       /* label, or ages as "18-29"; owned */
    uint32_t from, to; /* of ages */
    uint32_t weight;   /* millionths, 0..MIX_MAX */
};

struct job_mix {
    struct mix_item *items; /* owned */
    size_t count;
};

/* Reads `population.mix`. mix must be empty; after an error too it is for
 * mix_fini. Labels are checked by mix_normalise. */
co_must_use enum co_err mix_from_yaml(struct job_mix *mix,
                                      const struct co_yaml *map,
                                      struct co_diag *diag);
/* Reads the recipe's form, an object, NULL for none. Hostile input. */
co_must_use enum co_err mix_from_json(struct job_mix *mix, json_t *object,
                                      struct co_diag *diag);
void mix_fini(struct job_mix *mix);

/* Checks labels against the model, normalises, and makes sure that somebody
 * is left who fulfils the conditions (normalised before). file and line stand
 * in messages. */
co_must_use enum co_err mix_normalise(struct job_mix *mix,
                                      const struct job_where *where,
                                      const struct model *m, const char *file,
                                      uint32_t line, struct co_diag *diag);
/* Canonical JSON: {"age":{"18-29":1500000},"state":{"CA":2000000}}. */
void mix_write(const struct job_mix *mix, struct co_json *json);
/* The weights as the sampler takes them, mix->count of them: the caller frees
 * the array, texts are borrowed. NULL: no memory, or none. */
struct mix_weight *mix_weights(const struct job_mix *mix);
