/* sampler_build.c - prefix sums that drawing searches in.
 * Made once per sampler from the model, in a few milliseconds, so that the
 * model file stays small (it holds factors, not their products). */
#include "population/sampler_impl.h"

#include "population/random.h"

#include <stdlib.h>
#include <string.h>

/* Every youngest age in the model is met by one of these. */
static const uint8_t class_age[OCC_CLASSES] = {16, 18, 20, 21, 23,
                                               24, 26, 29, 31};
enum { SHARE_ONE = 1 << 20 };

uint32_t
sampler_class(uint32_t age)
{
    uint32_t c = 0;

    while (c + 1 < OCC_CLASSES && class_age[c + 1] <= age) {
        c++;
    }
    return c;
}

/* The six levels of the occupations' education shares. */
uint32_t
sampler_level(uint32_t education)
{
    return education <= EDU_NO_DIPLOMA ? 0 : education - EDU_NO_DIPLOMA;
}

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

size_t
sampler_occ_at(const struct sampler *s, uint32_t sex, uint32_t level,
               uint32_t class)
{
    return ((size_t)(sex * MODEL_OCC_LEVELS + level) * OCC_CLASSES + class) *
           s->m->occupations;
}

size_t
sampler_group_at(const struct sampler *s, uint32_t state, uint32_t sex,
                 uint32_t level, uint32_t class)
{
    size_t row = (size_t)(state * MODEL_SEXES + sex) * MODEL_OCC_LEVELS + level;

    return (row * OCC_CLASSES + class) * s->m->occ_groups;
}

/* Slot -> age group, race, age; the order of the model's joint. */
static void
build_slots(struct sampler *s)
{
    uint32_t n = 0;

    for (size_t g = 0; g < s->m->age_group_count; g++) {
        for (uint32_t r = 0; r < MODEL_RACES; r++) {
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

    return limit_allows(&s->limits[ATTR_STATE], row / MODEL_SEXES) &&
           limit_allows(&s->limits[ATTR_SEX], row % MODEL_SEXES) &&
           limit_allows(&s->limits[ATTR_AGE], s->slot[slot].age) &&
           limit_allows(&s->limits[ATTR_RACE], s->slot[slot].race);
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

enum co_err
sampler_build_joint(struct sampler *s)
{
    const struct model *m = s->m;
    uint32_t n = m->states * MODEL_SEXES * m->joint_slots;

    build_slots(s);
    s->cell_id = calloc(n, sizeof *s->cell_id);
    s->cell_end = calloc(n, sizeof *s->cell_end);
    if (!s->cell_id || !s->cell_end) return CO_NOMEM;
    for (uint32_t id = 0; id < n; id++) {
        if (m->joint[id] == 0 || !cell_allowed(s, id)) continue;
        s->total += m->joint[id];
        s->cell_id[s->cells] = id;
        s->cell_end[s->cells++] = s->total;
    }
    if (s->total) build_guide(s);
    return CO_OK;
}

static void
build_occ_order(struct sampler *s)
{
    const struct model *m = s->m;
    uint16_t n = 0;

    for (uint32_t g = 0; g < m->occ_groups; g++) {
        s->group_start[g] = n;
        for (uint32_t o = 0; o < m->occupations; o++) {
            if (m->occ_of[o] == g) s->occ_order[n++] = (uint16_t)o;
        }
    }
    s->group_start[m->occ_groups] = n;
}

/* Weight of an occupation for one sex, level and class: its people of that
 * sex x the share of its workers with that level, if old enough. */
static uint64_t
occ_weight(const struct model *m, uint32_t occ, uint32_t sex, uint32_t level,
           uint32_t class)
{
    if (m->occ_age[occ] > class_age[class]) return 0;
    return (uint64_t)m->occ_sex[occ * MODEL_SEXES + sex] *
           m->occ_edu[occ * MODEL_OCC_LEVELS + level];
}

static void
build_occ_row(struct sampler *s, uint32_t sex, uint32_t level, uint32_t class)
{
    uint64_t *end = s->occ_end + sampler_occ_at(s, sex, level, class), sum = 0;

    for (uint32_t k = 0; k < s->m->occupations; k++) {
        sum += occ_weight(s->m, s->occ_order[k], sex, level, class);
        end[k] = sum;
    }
}

/* Share of a group's people of one sex who have level and class, by its
 * occupations, in 1/SHARE_ONE. */
static uint64_t
group_share(const struct sampler *s, uint32_t g, uint32_t sex, uint32_t level,
            uint32_t class)
{
    const uint64_t *end = s->occ_end + sampler_occ_at(s, sex, level, class);
    uint32_t from = s->group_start[g], to = s->group_start[g + 1];
    uint64_t people = 0, weight;

    if (from == to) return 0;
    weight = end[to - 1] - (from ? end[from - 1] : 0);
    for (uint32_t k = from; k < to; k++) {
        people += s->m->occ_sex[s->occ_order[k] * MODEL_SEXES + sex];
    }
    if (!people || !weight) return 0;
    return co_max_u64(1, weight * (SHARE_ONE / 1000) / people);
}

/* Prefix sums over the groups of one state, scaled into 32 bits. */
static void
build_group_row(struct sampler *s, uint32_t state, uint32_t sex, uint32_t level,
                uint32_t class, const uint64_t *share)
{
    const struct model *m = s->m;
    const uint32_t *people =
        m->occ_state + (size_t)(state * MODEL_SEXES + sex) * m->occ_groups;
    uint32_t *end =
        s->group_end + sampler_group_at(s, state, sex, level, class);
    uint64_t total = 0, sum = 0;
    unsigned shift = 0;

    for (uint32_t g = 0; g < m->occ_groups; g++) {
        total += people[g] * share[g];
    }
    while (total >> shift > UINT32_MAX / 2) {
        shift++;
    }
    for (uint32_t g = 0; g < m->occ_groups; g++) {
        uint64_t w = people[g] * share[g];

        sum += w ? co_max_u64(1, w >> shift) : 0;
        end[g] = (uint32_t)sum;
    }
}

static enum co_err
build_occupations(struct sampler *s)
{
    const struct model *m = s->m;
    size_t rows = (size_t)MODEL_SEXES * MODEL_OCC_LEVELS * OCC_CLASSES;
    uint64_t share[256];

    s->occ_order = calloc(m->occupations, sizeof *s->occ_order);
    s->group_start = calloc(m->occ_groups + 1, sizeof *s->group_start);
    s->occ_end = calloc(rows * m->occupations, sizeof *s->occ_end);
    s->group_end =
        calloc(rows * m->states * m->occ_groups, sizeof *s->group_end);
    if (!s->occ_order || !s->group_start || !s->occ_end || !s->group_end) {
        return CO_NOMEM;
    }
    build_occ_order(s);
    for (uint32_t x = 0; x < MODEL_SEXES; x++) {
        for (uint32_t l = 0; l < MODEL_OCC_LEVELS; l++) {
            for (uint32_t c = 0; c < OCC_CLASSES; c++) {
                build_occ_row(s, x, l, c);
                for (uint32_t g = 0; g < m->occ_groups; g++) {
                    share[g] = group_share(s, g, x, l, c);
                }
                for (uint32_t st = 0; st < m->states; st++) {
                    build_group_row(s, st, x, l, c, share);
                }
            }
        }
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
    return CO_OK;
}

enum co_err
sampler_build(struct sampler *s)
{
    enum co_err err = build_occupations(s);

    if (!err) err = build_names(s);
    return err;
}
