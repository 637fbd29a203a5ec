/* expected.c - see expected.h. Every cell of the conditioned main joint is
 * spread over education, and given that over marital status and employment,
 * as the sampler draws them; conditions on any of these scale the part they
 * meet. Homes and work have files of their own. */
#include "audit/expected_home.h"
#include "audit/expected_impl.h"

#include <string.h>

#define ONE ((double)(1 << 24))
#define BIT(id) (UINT64_C(1) << (id))

/* Conditions that the targets here take into account. */
static const uint64_t known = BIT(ATTR_EDUCATION) | BIT(ATTR_MARITAL) |
                              BIT(ATTR_EMPLOYMENT) | BIT(ATTR_HISPANIC);

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
    case JOINT_EMPLOYMENT:
        return ATTR_EMPLOYMENT;
    case JOINT_HISPANIC:
        return ATTR_HISPANIC;
    default: /* clang-tidy: the others are not spread */
        return ATTR_COUNT;
    }
}

static bool
has_target(enum joint_id id)
{
    return id == JOINT_SEX_AGE_STATE || id == JOINT_SEX_AGE_COUNTRY ||
           id == JOINT_RACE_STATE || spread_of(id) != ATTR_COUNT;
}

static bool
allows(const struct sampler *s, bool limits, enum attribute_id id, uint32_t v)
{
    return !limits || limit_allows(&s->limits[id], v);
}

static double
origin_part(const struct sampler *s, const struct person *cell, bool limits)
{
    double yes = sampler_hispanic_share(s, cell) / 65536.0;

    return (allows(s, limits, ATTR_HISPANIC, 1) ? yes : 0) +
           (allows(s, limits, ATTR_HISPANIC, 0) ? 1 - yes : 0);
}

/* Without a condition both are whole: half a million cells need no sums. */
static double
marital_part(const struct sampler *s, const struct person *p, bool limits)
{
    const uint32_t *row;
    double sum = 0;

    if (!limits || !s->limits[ATTR_MARITAL].on) return 1;
    row = sampler_marital_row(s, p);
    for (uint32_t v = 0; v < MARITAL_COUNT; v++) {
        if (limit_allows(&s->limits[ATTR_MARITAL], v)) sum += row[v];
    }
    return sum / ONE;
}

static double
employment_part(const struct sampler *s, const struct person *p, bool limits)
{
    double sum = 0;

    if (!limits || !s->limits[ATTR_EMPLOYMENT].on) return 1;
    for (uint32_t v = 0; v < EMPLOY_COUNT; v++) {
        if (!limit_allows(&s->limits[ATTR_EMPLOYMENT], v)) continue;
        sum += sampler_employment_share(s, p, v);
    }
    return sum / ONE;
}

struct expected_part
expected_part(const struct sampler *s, const struct person *p, bool limits)
{
    struct expected_part part = {0, 0, 0};

    if (!allows(s, limits, ATTR_EDUCATION, p->education)) return part;
    part.level = sampler_education_row(s, p)[p->education] / ONE *
                 origin_part(s, p, limits);
    part.marital = marital_part(s, p, limits);
    part.employment = employment_part(s, p, limits);
    return part;
}

static void
add_share(const struct joints *j, enum joint_id id, const struct person *p,
          double people, double *shares)
{
    uint32_t k = joint_cell(j, id, p);

    if (k != JOINT_NO_CELL) shares[k] += people;
}

/* One cell at one level of education, over the values of an attribute that
 * is drawn given it and is the joint's last dimension: its cells are
 * neighbours. */
static void
add_values(const struct sampler *s, const struct joints *j, enum joint_id id,
           struct person p, double people, double *shares)
{
    bool marital = spread_of(id) == ATTR_MARITAL;
    const uint32_t *row = marital ? sampler_marital_row(s, &p) : NULL;
    uint32_t n = marital ? MARITAL_COUNT : EMPLOY_COUNT, first;

    p.marital = p.employment = 0;
    first = joint_cell(j, id, &p);
    for (uint32_t v = 0; v < n && first != JOINT_NO_CELL; v++) {
        uint32_t w = row ? row[v] : sampler_employment_share(s, &p, v);

        if (!w || !limit_allows(&s->limits[spread_of(id)], v)) continue;
        shares[first + v] += people * w / ONE;
    }
}

static void
add_origins(const struct sampler *s, const struct joints *j, enum joint_id id,
            struct person p, double people, double *shares)
{
    double yes = sampler_hispanic_share(s, &p) / 65536.0;

    people /= origin_part(s, &p, true);
    for (p.hispanic = 0; p.hispanic < 2; p.hispanic++) {
        if (!limit_allows(&s->limits[ATTR_HISPANIC], p.hispanic)) continue;
        add_share(j, id, &p, people * (p.hispanic ? yes : 1 - yes), shares);
    }
}

static void
add_cell(const struct sampler *s, const struct joints *j, enum joint_id id,
         struct person p, double people, double *shares)
{
    double whole = 0;

    for (p.education = 0; p.education < EDU_COUNT; p.education++) {
        struct expected_part part;
        double n;

        if (!sampler_education_row(s, &p)[p.education]) continue;
        part = expected_part(s, &p, true);
        n = people * part.level;
        if (n <= 0) continue;
        if (spread_of(id) == ATTR_MARITAL) {
            add_values(s, j, id, p, n * part.employment, shares);
        } else if (spread_of(id) == ATTR_EMPLOYMENT) {
            add_values(s, j, id, p, n * part.marital, shares);
        } else if (spread_of(id) == ATTR_EDUCATION) {
            add_share(j, id, &p, n * part.marital * part.employment, shares);
        } else {
            whole += n * part.marital * part.employment;
        }
    }
    if (whole <= 0) return;
    if (spread_of(id) == ATTR_HISPANIC) {
        add_origins(s, j, id, p, whole, shares);
    } else {
        add_share(j, id, &p, whole, shares);
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

static void
add_cells(const struct sampler *s, const struct joints *j, enum joint_id id,
          double *shares)
{
    for (size_t i = 0; i < sampler_cells(s); i++) {
        struct person cell;
        double people = (double)sampler_cell(s, i, &cell);

        /* Who is spread over nothing needs no sums without conditions. */
        if (spread_of(id) == ATTR_COUNT && !(sampler_tested(s) & known)) {
            add_share(j, id, &cell, people, shares);
        } else {
            add_cell(s, j, id, cell, people, shares);
        }
    }
}

/* A population without schooling has its main joint only. */
static bool
has_schooling(const struct sampler *s)
{
    return s->edu != NULL && s->m->education.count > 0;
}

enum co_err
expected_shares(const struct sampler *s, const struct joints *j,
                enum joint_id id, double *ret_shares, enum expected *ret_kind)
{
    enum co_err err = CO_OK;

    memset(ret_shares, 0, j->cells[id] * sizeof *ret_shares);
    *ret_kind = EXPECTED_NONE;
    if (expected_home(s, j, id, ret_shares, ret_kind) ||
        expected_work(s, j, id, ret_shares, ret_kind, &err)) {
        to_shares(ret_shares, j->cells[id]);
        return err;
    }
    if (!has_target(id)) return CO_OK;
    if (!has_schooling(s) && spread_of(id) != ATTR_COUNT) return CO_OK;
    add_cells(s, j, id, ret_shares);
    to_shares(ret_shares, j->cells[id]);
    *ret_kind = sampler_tested(s) & ~known ? EXPECTED_ABOUT : EXPECTED_EXACT;
    return CO_OK;
}
