/* sampler_build.c - prefix sums that drawing searches in.
 * Made once per sampler from the model, in a few milliseconds, so that the
 * model file stays small (it holds factors, not their products). */
#include "population/sampler_impl.h"

#include "population/random.h"

#include <stdlib.h>
#include <string.h>

uint32_t
sampler_name_group(uint32_t race, uint32_t hispanic)
{
    static const uint8_t of[MODEL_RACES] = {
        [RACE_WHITE] = NAMES_WHITE, [RACE_BLACK] = NAMES_BLACK,
        [RACE_AIAN] = NAMES_AIAN,   [RACE_ASIAN] = NAMES_ASIAN,
        [RACE_NHPI] = NAMES_ASIAN,  [RACE_OTHER] = NAMES_MIXED,
        [RACE_TWO] = NAMES_MIXED,
    };

    return hispanic ? NAMES_HISPANIC : of[race];
}

/* Slot -> age group, race, age; the order of the model's joint. */
static void
build_slots(struct sampler *s)
{
    uint32_t n = 0;

    for (size_t g = 0; g < s->m->age_group_count; g++) {
        for (uint32_t r = 0; r < s->m->races; r++) {
            for (uint32_t a = s->m->age_groups[2 * g];
                 a <= s->m->age_groups[2 * g + 1]; a++, n++) {
                s->slot[n].group = (uint8_t)g;
                s->slot[n].race = (uint8_t)r;
                s->slot[n].age = (uint8_t)a;
            }
        }
    }
    co_assert(n == s->m->joint_slots);
}

static bool
cell_allowed(const struct sampler *s, uint32_t id)
{
    uint32_t slot = id % s->m->joint_slots, row = id / s->m->joint_slots;

    enum attribute_id place = s->m->world ? ATTR_COUNTRY : ATTR_STATE;

    return limit_allows(&s->limits[place], row / MODEL_SEXES) &&
           limit_allows(&s->limits[ATTR_SEX], row % MODEL_SEXES) &&
           limit_allows(&s->limits[ATTR_AGE], s->slot[slot].age) &&
           (s->m->world ||
            limit_allows(&s->limits[ATTR_RACE], s->slot[slot].race));
}

/* guide[b] = the first cell that can hold a draw whose top bits are b. */
static void
build_guide(struct sampler *s)
{
    uint32_t k = 0;

    for (uint32_t b = 0; b < GUIDE_SIZE; b++) {
        uint64_t low = random_scale((uint64_t)b << (64 - GUIDE_BITS), s->total);

        while (s->cell_end[k] <= low) {
            k++;
        }
        s->guide[b] = k;
    }
    s->guide[GUIDE_SIZE] = k;
}

/* Lets mix see every cell that has people, so that it can scale. */
static void
mix_see_all(const struct sampler *s, struct mix *mix, uint32_t n)
{
    for (uint32_t id = 0; id < n && mix->on; id++) {
        struct person p;

        if (s->m->joint[id] == 0 || !cell_allowed(s, id)) continue;
        sampler_cell_person(s, id, &p);
        mix_see(mix, &p);
    }
}

/* People of a cell times their weight. Sums stay below 2^63: all people of
 * the world are under 2^33, a weight under 2^MIX_BITS. */
static uint64_t
cell_weight(const struct sampler *s, const struct mix *mix, uint32_t id)
{
    struct person p;

    if (!cell_allowed(s, id)) return 0;
    if (!mix->on) return s->m->joint[id];
    sampler_cell_person(s, id, &p);
    return (uint64_t)s->m->joint[id] * mix_factor(mix, &p);
}

enum co_err
sampler_build_joint(struct sampler *s, struct mix *mix)
{
    const struct model *m = s->m;
    uint32_t n = m->states * MODEL_SEXES * m->joint_slots;

    build_slots(s);
    s->cell_id = calloc(n, sizeof *s->cell_id);
    s->cell_end = calloc(n, sizeof *s->cell_end);
    if (!s->cell_id || !s->cell_end) return CO_NOMEM;
    mix_see_all(s, mix, n);
    for (uint32_t id = 0; id < n; id++) {
        uint64_t weight = cell_weight(s, mix, id);

        if (weight == 0) continue;
        s->total += weight;
        s->cell_id[s->cells] = id;
        s->cell_end[s->cells++] = s->total;
    }
    if (s->total) build_guide(s);
    return CO_OK;
}

/* Fifty thousand prefix sums are no cache's: the guide leaves some fifty. */
static enum co_err
build_last_guide(struct sampler *s)
{
    const uint32_t n = s->m->last.count;

    s->last_guide =
        malloc((size_t)MODEL_NAME_GROUPS * LAST_GUIDE * sizeof *s->last_guide);
    if (!s->last_guide) return CO_NOMEM;
    for (uint32_t g = 0; g < MODEL_NAME_GROUPS; g++) {
        const uint32_t *end = s->last_end + (size_t)g * n;
        uint32_t *guide = s->last_guide + (size_t)g * LAST_GUIDE;

        for (uint64_t b = 0; b < LAST_GUIDE - 1; b++) {
            guide[b] = sampler_search(
                end, 0, n, random_scale(b << (64 - LAST_BITS), end[n - 1]));
        }
        guide[LAST_GUIDE - 1] = n - 1;
    }
    return CO_OK;
}

static enum co_err
build_names(struct sampler *s)
{
    const struct model *m = s->m;
    size_t entries = m->first_row[m->first_rows];

    s->first_end = malloc(MODEL_NAME_GROUPS * entries * sizeof *s->first_end);
    s->last_end =
        malloc((size_t)MODEL_NAME_GROUPS * m->last.count * sizeof *s->last_end);
    s->city_end = malloc(m->city.count * sizeof *s->city_end);
    if (!s->first_end || !s->last_end || !s->city_end) return CO_NOMEM;
    for (uint32_t g = 0; g < MODEL_NAME_GROUPS; g++) {
        uint32_t sum = 0;

        for (uint32_t r = 0; r < m->first_rows; r++) {
            sum = 0;
            for (uint32_t k = m->first_row[r]; k < m->first_row[r + 1]; k++) {
                uint32_t id = m->first_id[k];

                sum +=
                    m->first_n[k] * m->first_tilt[id * MODEL_NAME_GROUPS + g];
                s->first_end[g * entries + k] = sum;
            }
        }
        sum = 0;
        for (uint32_t k = 0; k < m->last.count; k++) {
            sum += m->last_n[(size_t)g * m->last.count + k];
            s->last_end[(size_t)g * m->last.count + k] = sum;
        }
    }
    for (uint32_t st = 0; st < m->states; st++) {
        uint32_t sum = 0;

        for (uint32_t k = m->city_row[st]; k < m->city_row[st + 1]; k++) {
            sum += m->city_n[k];
            s->city_end[k] = sum;
        }
    }
    return build_last_guide(s);
}

enum co_err
sampler_build(struct sampler *s)
{
    enum co_err err;

    if (s->m->world) return sampler_build_world(s);
    err = sampler_build_work(s);

    if (!err) err = sampler_build_marital(s);
    if (!err) err = build_names(s);
    return err;
}
