/* expected_home.c - see expected_home.h. A cell of the main joint is spread
 * over marital statuses and from each over arrangements, or over Hispanic
 * origin and from there over languages. Conditions on these attributes are
 * taken into account; with others on attributes outside the main joint the
 * target is told to be approximate. */
#include "audit/expected_home.h"

#include "population/sampler_impl.h"

static double
share_of(const struct sampler *s, const struct person *cell,
         enum attribute_id id, uint32_t value)
{
    return (double)sampler_share(s, cell, id, value) / (1 << 24);
}

static void
add_arrangements(const struct sampler *s, const struct joints *j,
                 enum joint_id id, struct person *p, double n, double *shares)
{
    for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
        double part = n * share_of(s, p, ATTR_MARITAL, v);
        uint64_t w[HOME_COUNT], sum;
        uint32_t first;

        if (part <= 0) continue;
        p->marital = (uint8_t)v;
        sum = sampler_arrangement_row(s, p, w);
        p->arrangement = 0; /* the last dimension: cells are neighbours */
        first = joint_cell(j, id, p);
        for (uint32_t a = 0; a < HOME_COUNT && first != JOINT_NO_CELL; a++) {
            if (!limit_allows(&s->limits[ATTR_HOUSEHOLD_TYPE], a)) continue;
            shares[first + a] += part * (double)w[a] / (double)sum;
        }
    }
}

static void
add_languages(const struct sampler *s, const struct joints *j, enum joint_id id,
              struct person *p, double n, double *shares)
{
    double hispanic = sampler_hispanic_share(s, p) / 65536.0;
    uint32_t first;

    for (uint32_t h = 0; h < 2; h++) {
        double part = n * (h ? hispanic : 1 - hispanic);

        if (!limit_allows(&s->limits[ATTR_HISPANIC], h)) continue;
        p->hispanic = (uint8_t)h;
        p->language = 0; /* the last dimension: cells are neighbours */
        first = joint_cell(j, id, p);
        if (first == JOINT_NO_CELL) continue;
        for (uint32_t v = 0; v < s->m->language.count; v++) {
            if (!limit_allows(&s->limits[ATTR_LANGUAGE], v)) continue;
            p->language = (uint8_t)v;
            shares[first + v] +=
                part * sampler_language_weight(s, p) / ENDS_ONE;
        }
    }
}

bool
expected_home(const struct sampler *s, const struct joints *j, enum joint_id id,
              double *ret_shares, enum expected *ret_kind)
{
    bool arrangement = id == JOINT_ARRANGEMENT_AGE_STATE;
    uint32_t known = arrangement
                         ? 1U << ATTR_MARITAL | 1U << ATTR_HOUSEHOLD_TYPE
                         : 1U << ATTR_HISPANIC | 1U << ATTR_LANGUAGE;

    if (!arrangement && id != JOINT_LANGUAGE_STATE) return false;
    if (!s->m->home.there) return false;
    for (size_t i = 0; i < sampler_cells(s); i++) {
        struct person p;
        double n = (double)sampler_cell(s, i, &p);

        if (arrangement) {
            add_arrangements(s, j, id, &p, n, ret_shares);
        } else {
            add_languages(s, j, id, &p, n, ret_shares);
        }
    }
    *ret_kind = sampler_tested(s) & ~known ? EXPECTED_ABOUT : EXPECTED_EXACT;
    return true;
}
