/* sampler.h - draws person number row of a recipe.
 * A person is a pure function of (model, seed, conditions, row, draw).
 * State, sex, age and race come from the main joint by a low-discrepancy
 * sequence over its integer CDF, so that any range of rows is stratified;
 * all else comes from conditional tables by a counter-based generator. No
 * floating point. Changing what is drawn changes rows: see generator.h.
 *
 * Thread-safe once made: drawing only reads. The model is borrowed and must
 * outlive the sampler. */
#pragma once
#include "population/attributes.h"

struct sampler; /* opaque: about 8 MB of tables */

/* A limit on one attribute, as a job's `where` states it. Integers take
 * min and max (inclusive), labels take values; several conditions must all
 * hold. Strings are borrowed for the call of sampler_new only. */
struct condition {
    const char *attribute;
    bool has_min, has_max;
    int64_t min, max;
    const char *const *values;
    size_t n_values;
};

/* Another weight for the people of one value of a root attribute, as a job's
 * `mix` states it: twice as many from one state, nobody of another. The
 * weights of several attributes are multiplied; only their ratios count. */
struct mix_weight {
    enum attribute_id attribute; /* a root */
    const char *value;           /* its label; NULL for ages */
    uint32_t from, to;           /* ages, inclusive */
    uint32_t weight;             /* millionths, at most MIX_MAX */
};
enum { MIX_ONE = 1000000, MIX_MAX = 1000 * MIX_ONE };

/* All that decides whom a sampler draws, beside the model. */
struct sampler_wish {
    uint64_t seed;
    const struct condition *conditions;
    size_t n_conditions;
    const struct mix_weight *mix;
    size_t n_mix;
};

/* Makes a sampler. Conditions on state, sex, age and race restrict the
 * joint itself; the others are left to sampler_accepts.
 *
 * CO_INVALID  unknown attribute or value, a value weighed twice, or nobody
 *             fulfils all conditions: diag says which, and what is allowed
 * CO_NOMEM */
co_must_use enum co_err sampler_make(const struct model *m,
                                     const struct sampler_wish *wish,
                                     struct co_diag *diag,
                                     struct sampler **ret_sampler);
/* The same with conditions only. */
co_must_use enum co_err sampler_new(const struct model *m, uint64_t seed,
                                    const struct condition *conditions,
                                    size_t n_conditions, struct co_diag *diag,
                                    struct sampler **ret_sampler);
void sampler_free(struct sampler *s);
/* Gives the sampler its model to free, and leaves NULL. */
void sampler_own_model(struct sampler *s, struct model **model);
CO_DEFINE_FREEP(struct sampler, sampler_free)

/* The recipe's hash, which stands in rows and in their uuid; 0 until set. */
void sampler_set_recipe(struct sampler *s, uint64_t recipe_hash);
uint64_t sampler_recipe(const struct sampler *s);
uint64_t sampler_seed(const struct sampler *s);
/* Who writes the texts; borrowed. Rows with texts need one. */
struct prose;
void sampler_set_prose(struct sampler *s, const struct prose *prose);
const struct prose *sampler_prose(const struct sampler *s);
const struct model *sampler_model(const struct sampler *s);

/* Draws candidate row (draw 0), or its draw-th logical re-draw: the cell of
 * the joint stays, the rest is drawn anew. */
void sampler_draw(const struct sampler *s, uint64_t row, struct person *ret);
void sampler_redraw(const struct sampler *s, uint64_t row, uint32_t draw,
                    struct person *ret);

/* Whether the person fulfils the conditions that the joint does not. */
bool sampler_accepts(const struct sampler *s, const struct person *p);
/* Whether the conditions allow a value of an attribute by itself. */
bool sampler_allows(const struct sampler *s, enum attribute_id id,
                    uint32_t value);
/* Candidates accepted of a million, from the first 65,536; 1,000,000 when
 * the joint fulfils every condition. */
uint32_t sampler_rate_ppm(const struct sampler *s);
/* Whether a condition is left to sampler_accepts, as an attribute mask. */
uint64_t sampler_tested(const struct sampler *s);

/* The joint after conditions and mix, for the audit: the weight of a cell
 * (people, where nothing is mixed), and which cell that is. Cells run from 0 to
 * sampler_cells() - 1. */
size_t sampler_cells(const struct sampler *s);
uint64_t sampler_cell(const struct sampler *s, size_t i, struct person *ret);
/* The people of that cell in the model, without the job's mix. */
uint64_t sampler_cell_people(const struct sampler *s, size_t i);
/* Share of value of education, marital status or employment that
 * conditions allow in this cell, in 2^-24 of the cell. */
uint64_t sampler_share(const struct sampler *s, const struct person *cell,
                       enum attribute_id id, uint32_t value);
/* Weights of the marital statuses of a person with state, sex, age, race and
 * education: MARITAL_COUNT of them, 2^24 in all. */
const uint32_t *sampler_marital_row(const struct sampler *s,
                                    const struct person *p);
/* Weights of the living arrangements (HOME_COUNT of them) of a person with
 * state, sex, age and marital status; returns their sum. */
uint64_t sampler_arrangement_row(const struct sampler *s,
                                 const struct person *p, uint64_t *ret_weights);
/* The household income bracket that an amount falls into. */
uint32_t sampler_bracket(const struct model *m, uint32_t usd);
/* Bits for the prose of a person: a stream apart from all attributes. */
uint64_t sampler_bits(const struct sampler *s, const struct person *p,
                      uint32_t stream);
