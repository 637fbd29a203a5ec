/* sampler_world.c - what is drawn where places are countries. The tables of
 * the world know people by country, sex and age; names come from ranked lists
 * of a country, cities from their people. A country without a list has no
 * names: a region's would be invented. */
#include "population/sampler_impl.h"

#include <stdlib.h>

static void
add_up(const uint32_t *row, uint32_t rows, const uint32_t *n, uint32_t *end)
{
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t sum = 0;

        for (uint32_t k = row[r]; k < row[r + 1]; k++) {
            sum += n[k];
            end[k] = sum;
        }
    }
}

enum co_err
sampler_build_world(struct sampler *s)
{
    const struct model *m = s->m;

    /* One more each: a world without names is a world all the same. */
    s->first_end =
        calloc(m->first_row[m->first_rows] + 1U, sizeof *s->first_end);
    s->last_end = calloc(m->last_ids + 1U, sizeof *s->last_end);
    s->city_end = calloc(m->city.count + 1U, sizeof *s->city_end);
    if (!s->first_end || !s->last_end || !s->city_end) return CO_NOMEM;
    add_up(m->first_row, m->first_rows, m->first_n, s->first_end);
    add_up(m->last_row, m->states, m->last_n, s->last_end);
    add_up(m->city_row, m->states, m->city_n, s->city_end);
    return CO_OK;
}

/* Entry of a row by prefix sums; UINT32_MAX of an empty one. */
static uint32_t
pick(const struct sampler *s, const struct person *p, uint32_t stream,
     const uint32_t *end, const uint32_t *row)
{
    if (row[0] == row[1]) return UINT32_MAX;
    return sampler_search(
        end, row[0], row[1],
        random_scale(sampler_random(s, p, stream), end[row[1] - 1]));
}

static const uint32_t *
first_row(const struct model *m, const struct person *p)
{
    static const uint32_t none[] = {0, 0};
    uint32_t list =
        m->first_list[(p->country * MODEL_SEXES + p->sex) * MODEL_AGES +
                      p->age];

    return list == MODEL_NO_LIST ? none : m->first_row + list;
}

void
sampler_draw_world(const struct sampler *s, struct person *p)
{
    const struct model *m = s->m;
    uint32_t k;

    p->hispanic = p->education = p->marital = p->employment = PERSON_NONE8;
    p->occupation = p->former = PERSON_NO_OCCUPATION;
    p->arrangement = p->tenure = p->household_income = PERSON_NONE8;
    p->household_size = 0;
    p->language = PERSON_NONE8;
    sampler_draw_ocean(s, p);
    k = pick(s, p, STREAM_FIRST, s->first_end, first_row(m, p));
    p->first = k == UINT32_MAX ? PERSON_NONE16 : m->first_id[k];
    k = pick(s, p, STREAM_LAST, s->last_end, m->last_row + p->country);
    p->last = k == UINT32_MAX ? PERSON_NONE16 : m->last_id[k];
    k = pick(s, p, STREAM_CITY, s->city_end, m->city_row + p->country);
    p->city = k == UINT32_MAX ? PERSON_NONE16 : (uint16_t)k;
}

static bool
any_allowed(const struct limit *l, const uint16_t *ids, const uint32_t *row)
{
    for (uint32_t k = row[0]; k < row[1] && l->on; k++) {
        if (limit_allows(l, ids ? ids[k] : k)) return true;
    }
    return !l->on;
}

bool
sampler_world_possible(const struct sampler *s, const struct person *p)
{
    const struct model *m = s->m;

    return any_allowed(&s->limits[ATTR_FIRST_NAME], m->first_id,
                       first_row(m, p)) &&
           any_allowed(&s->limits[ATTR_LAST_NAME], m->last_id,
                       m->last_row + p->country) &&
           any_allowed(&s->limits[ATTR_CITY], NULL, m->city_row + p->country);
}
