/* mix.c - weights for the values of the root attributes, multiplied.
 * Four attributes (there are states or countries, not both) of up to 10^9
 * millionths make products of 120 bits, which
 * have to meet counts of people in 64. So each attribute's weights are first
 * divided by what they have in common (2.0 against 1.0 becomes 2 against 1,
 * exactly), and what is still too large is shifted down, with never less than
 * 1 for who has a weight: nobody gets lost by rounding. */
#include "population/sampler_impl.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide;

static const enum attribute_id mix_roots[MIX_ROOTS] = {
    ATTR_STATE, ATTR_SEX, ATTR_AGE, ATTR_RACE, ATTR_COUNTRY};

/* The attribute's place among the roots; MIX_ROOTS: it is none. */
static size_t
root_of(enum attribute_id id)
{
    size_t i = 0;

    while (i < MIX_ROOTS && mix_roots[i] != id) {
        i++;
    }
    return i;
}

static enum co_err
weigh_ages(struct mix *mix, size_t root, const struct mix_weight *w, bool *seen,
           struct co_diag *diag)
{
    if (w->attribute != ATTR_AGE || w->from > w->to || w->to >= MODEL_AGES) {
        return co_fail(diag, CO_INVALID,
                       "mix: the ages %u-%u are none; ages run from 0 to %d",
                       w->from, w->to, MODEL_AGES - 1);
    }
    for (uint32_t v = w->from; v <= w->to; v++) {
        if (seen[v]) {
            return co_fail(diag, CO_INVALID,
                           "mix: age %u has two weights; let the bands not "
                           "overlap",
                           v);
        }
        seen[v] = true;
        mix->weight[root][v] = w->weight;
    }
    return CO_OK;
}

static enum co_err
weigh_label(const struct model *m, struct mix *mix, size_t root,
            const struct mix_weight *w, bool *seen, struct co_diag *diag)
{
    for (uint32_t v = 0; v < attribute_values(m, w->attribute); v++) {
        if (!attribute_matches(m, w->attribute, v, w->value)) continue;
        if (seen[v]) {
            return co_fail(diag, CO_INVALID,
                           "mix: %s %.60s has two weights; give each value "
                           "once",
                           attribute_get(w->attribute)->name, w->value);
        }
        seen[v] = true;
        mix->weight[root][v] = w->weight;
        return CO_OK;
    }
    return condition_no_value(m, w->attribute, "mix", w->value, diag);
}

static enum co_err
weigh_one(const struct model *m, struct mix *mix, const struct mix_weight *w,
          bool seen[MIX_ROOTS][256], struct co_diag *diag)
{
    size_t root = root_of(w->attribute);

    if (root == MIX_ROOTS || w->weight > MIX_MAX) {
        return co_fail(diag, CO_INVALID,
                       "mix: %s cannot have the weight %u/1000000; weights "
                       "are 0 to 1000, of state, sex, age and race_ethnicity",
                       attribute_get(w->attribute)->name, w->weight);
    }
    return w->value ? weigh_label(m, mix, root, w, seen[root], diag)
                    : weigh_ages(mix, root, w, seen[root], diag);
}

static uint32_t
common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Divides an attribute's weights by their greatest common divisor. */
static void
reduce(uint32_t *weights, uint32_t n)
{
    uint32_t divisor = 0;

    for (uint32_t v = 0; v < n; v++) {
        divisor = common_divisor(divisor, weights[v]);
    }
    for (uint32_t v = 0; v < n && divisor; v++) {
        weights[v] /= divisor;
    }
}

enum co_err
mix_compile(const struct model *m, const struct mix_weight *weights, size_t n,
            struct co_diag *diag, struct mix *ret)
{
    bool seen[MIX_ROOTS][256] = {{false}};
    enum co_err err = CO_OK;

    ret->on = n > 0;
    ret->shift = 0;
    if (!ret->on) return CO_OK;
    for (size_t r = 0; r < MIX_ROOTS; r++) {
        for (uint32_t v = 0; v < 256; v++) {
            ret->weight[r][v] = MIX_ONE;
        }
    }
    for (size_t i = 0; i < n && !err; i++) {
        err = weigh_one(m, ret, &weights[i], seen, diag);
    }
    for (size_t r = 0; r < MIX_ROOTS && !err; r++) {
        reduce(ret->weight[r], attribute_values(m, mix_roots[r]));
    }
    return err;
}

static wide
product(const struct mix *mix, const struct person *cell)
{
    wide w = 1;

    for (size_t r = 0; r < MIX_ROOTS; r++) {
        uint32_t v = attribute_of(cell, mix_roots[r]);

        if (v != UINT32_MAX) w *= mix->weight[r][v];
    }
    return w;
}

void
mix_see(struct mix *mix, const struct person *cell)
{
    wide w = product(mix, cell);

    while (w >> mix->shift >> MIX_BITS) {
        mix->shift++;
    }
}

uint32_t
mix_factor(const struct mix *mix, const struct person *cell)
{
    wide w = product(mix, cell);

    if (w == 0) return 0;
    return w >> mix->shift ? (uint32_t)(w >> mix->shift) : 1;
}
