/* expected.c - see expected.h. Every cell of the conditioned main joint is
 * spread over the attributes that are drawn given it alone (education,
 * marital status, employment, origin); conditions on them scale the cell. */
#include "population/expected_home.h"

#include <string.h>

/* Attributes whose share in a cell of the main joint is known, the exact
 * ones first: who is a student depends on the education drawn as well. */
static const enum attribute_id known[] = {ATTR_EDUCATION, ATTR_MARITAL,
                                          ATTR_EMPLOYMENT};
enum { KNOWN = sizeof known / sizeof *known, KNOWN_EXACTLY = 2 };

/* What a joint spreads a cell over, ATTR_COUNT when over nothing. */
static enum attribute_id
spread_of(enum joint_id id)
{
    switch (id) {
    case JOINT_EDUCATION_AGE_SEX:
    case JOINT_EDUCATION:
        return ATTR_EDUCATION;
    case JOINT_MARITAL_AGE_SEX:
    case JOINT_MARITAL:
        return ATTR_MARITAL;
    default: /* clang-tidy: the others are not spread */
        return ATTR_COUNT;
    }
}

static bool
has_target(enum joint_id id)
{
    return id == JOINT_SEX_AGE_STATE || id == JOINT_RACE_STATE ||
           spread_of(id) != ATTR_COUNT;
}

static double
share_of(const struct sampler *s, const struct person *cell,
         enum attribute_id id, uint32_t v)
{
    return (double)sampler_share(s, cell, id, v) / (1 << 24);
}

/* The part of a cell that the conditions on known attributes leave, but for
 * the one that is spread. */
static double
allowed_part(const struct sampler *s, const struct person *cell,
             enum attribute_id spread)
{
    double part = 1;

    for (size_t i = 0; i < KNOWN; i++) {
        double sum = 0;

        if (known[i] == spread ||
            !(sampler_tested(s) & UINT64_C(1) << known[i])) {
            continue;
        }
        for (uint32_t v = 0; v < attribute_values(sampler_model(s), known[i]);
             v++) {
            sum += share_of(s, cell, known[i], v);
        }
        part *= sum;
    }
    return part;
}

static void
set_value(struct person *p, enum attribute_id id, uint32_t v)
{
    if (id == ATTR_EDUCATION) p->education = (uint8_t)v;
    if (id == ATTR_MARITAL) p->marital = (uint8_t)v;
}

static void
add_cell(const struct sampler *s, const struct joints *j, enum joint_id id,
         struct person *cell, double people, double *shares)
{
    enum attribute_id spread = spread_of(id);
    uint32_t n = spread == ATTR_COUNT ? 1 : attribute_values(j->m, spread);

    people *= allowed_part(s, cell, spread);
    for (uint32_t v = 0; v < n; v++) {
        double part = people;
        uint32_t k;

        set_value(cell, spread, v);
        if (spread != ATTR_COUNT) part *= share_of(s, cell, spread, v);
        k = joint_cell(j, id, cell);
        if (k != JOINT_NO_CELL) shares[k] += part;
    }
}

static void
to_shares(double *shares, uint32_t cells)
{
    double sum = 0;

    for (uint32_t k = 0; k < cells; k++) {
        sum += shares[k];
    }
    for (uint32_t k = 0; k < cells && sum > 0; k++) {
        shares[k] /= sum;
    }
}

static bool
all_known(uint64_t tested)
{
    for (size_t i = 0; i < KNOWN_EXACTLY; i++) {
        tested &= ~(UINT64_C(1) << known[i]);
    }
    return tested == 0;
}

enum co_err
expected_shares(const struct sampler *s, const struct joints *j,
                enum joint_id id, double *ret_shares, enum expected *ret_kind)
{
    memset(ret_shares, 0, j->cells[id] * sizeof *ret_shares);
    *ret_kind = EXPECTED_NONE;
    if (expected_home(s, j, id, ret_shares, ret_kind)) {
        to_shares(ret_shares, j->cells[id]);
        return CO_OK;
    }
    if (!has_target(id)) return CO_OK;
    for (size_t i = 0; i < sampler_cells(s); i++) {
        struct person cell;
        double people = (double)sampler_cell(s, i, &cell);

        add_cell(s, j, id, &cell, people, ret_shares);
    }
    to_shares(ret_shares, j->cells[id]);
    *ret_kind = all_known(sampler_tested(s)) ? EXPECTED_EXACT : EXPECTED_ABOUT;
    return CO_OK;
}
