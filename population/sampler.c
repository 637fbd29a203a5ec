/* sampler.c - see sampler.h. Here are the draws; tables are made in
 * sampler_build.c, conditions in condition.c.
 *
 * The main joint: candidate i uses u = offset + perm(i) * PHI mod 2^64, PHI
 * the golden ratio's odd 64-bit fraction, so that any run of candidates is
 * spread evenly over the CDF; perm shuffles inside fixed blocks of 4,096, so
 * that neighbours do not resemble each other, and still each row stands
 * alone. Independent draws have thirty times the total variation. */
#include "population/sampler_impl.h"

#include "common/hash.h"
#include "population/random.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BITS = 12, BLOCK_MASK = (1 << BLOCK_BITS) - 1 };
enum { PROBE_ROWS = 65536 };
#define PHI UINT64_C(0x9e3779b97f4a7c15)

/* A keyed bijection of 0..4095: multiply by odd, add, fold, three times. */
static uint64_t
permute(uint64_t j, uint64_t key)
{
    for (int round = 0; round < 3; round++) {
        j = (j * (key | 1) + (key >> 12)) & BLOCK_MASK;
        j ^= j >> 5;
        key = key >> 20 | key << 44;
    }
    return j;
}

static uint64_t
sequence(const struct sampler *s, uint64_t row)
{
    uint64_t block = row >> BLOCK_BITS;
    uint64_t j = permute(row & BLOCK_MASK, co_mix64(s->key ^ (block * PHI)));

    return s->offset + (block << BLOCK_BITS | j) * PHI;
}

void
sampler_cell_person(const struct sampler *s, uint32_t id, struct person *p)
{
    uint32_t row = id / s->m->joint_slots, slot = id % s->m->joint_slots;

    p->state = s->m->world ? PERSON_NONE8 : (uint8_t)(row / MODEL_SEXES);
    p->country = s->m->world ? (uint8_t)(row / MODEL_SEXES) : 0;
    p->sex = row % MODEL_SEXES;
    p->age_group = s->slot[slot].group;
    p->race = s->m->world ? PERSON_NONE8 : s->slot[slot].race;
    p->age = s->slot[slot].age;
}

static void
draw_cell(const struct sampler *s, struct person *p)
{
    uint64_t u = sequence(s, p->row), x = random_scale(u, s->total);
    uint32_t k = s->guide[u >> (64 - GUIDE_BITS)];

    while (s->cell_end[k] <= x) {
        k++;
    }
    sampler_cell_person(s, s->cell_id[k], p);
}

static void
draw_hispanic(const struct sampler *s, struct person *p)
{
    p->hispanic = sampler_random(s, p, STREAM_HISPANIC) >> 48 <
                  sampler_hispanic_share(s, p);
}

static uint16_t
draw_last(const struct sampler *s, uint32_t group, uint64_t u)
{
    const uint32_t n = s->m->last.count;
    const uint32_t *end = s->last_end + (size_t)group * n;
    const uint32_t *guide =
        s->last_guide + (size_t)group * LAST_GUIDE + (u >> (64 - LAST_BITS));

    return (uint16_t)sampler_search(end, guide[0], guide[1],
                                    random_scale(u, end[n - 1]));
}

static void
draw_names(const struct sampler *s, struct person *p)
{
    const struct model *m = s->m;
    uint32_t group = sampler_name_group(p->race, p->hispanic);
    uint32_t row = (uint32_t)p->sex * MODEL_AGES + p->age;
    uint32_t from = m->first_row[row], to = m->first_row[row + 1], k;
    const uint32_t *end =
        s->first_end + (size_t)group * m->first_row[m->first_rows];

    k = sampler_search(
        end, from, to,
        random_scale(sampler_random(s, p, STREAM_FIRST), end[to - 1]));
    p->first = m->first_id[k];
    p->last = draw_last(s, group, sampler_random(s, p, STREAM_LAST));
}

static void
draw_city(const struct sampler *s, struct person *p)
{
    uint32_t from = s->m->city_row[p->state], to = s->m->city_row[p->state + 1];
    uint64_t x =
        random_scale(sampler_random(s, p, STREAM_CITY), s->city_end[to - 1]);

    p->city = (uint16_t)sampler_search(s->city_end, from, to, x);
}

/* A user's columns, in their order: each may stand on those before it. */
static void
draw_users(const struct sampler *s, struct person *p)
{
    memset(p->user, PERSON_NONE8, sizeof p->user);
    for (uint32_t k = 0; k < s->m->users; k++) {
        const uint32_t *weights = model_lookup(s->m->user[k], p);

        if (!weights) continue;
        p->user[k] =
            sampler_draw_row(weights, sampler_random(s, p, STREAM_USER + k));
    }
}

void
sampler_redraw(const struct sampler *s, uint64_t row, uint32_t draw,
               struct person *ret)
{
    struct person p = {.row = row, .draw = draw, .degree_field = PERSON_NONE8};

    draw_cell(s, &p);
    if (s->m->world) {
        sampler_draw_world(s, &p);
        if (s->m->users) draw_users(s, &p);
        *ret = p;
        return;
    }
    draw_hispanic(s, &p);
    sampler_draw_schooling(s, &p);
    sampler_draw_marital(s, &p);
    sampler_draw_work(s, &p);
    sampler_draw_pay(s, &p);
    sampler_draw_home(s, &p);
    sampler_draw_language(s, &p);
    sampler_draw_ocean(s, &p);
    draw_names(s, &p);
    draw_city(s, &p);
    if (s->m->users) draw_users(s, &p);
    *ret = p;
}

void
sampler_draw(const struct sampler *s, uint64_t row, struct person *ret)
{
    sampler_redraw(s, row, 0, ret);
}

bool
sampler_accepts(const struct sampler *s, const struct person *p)
{
    uint64_t left = s->tested;

    while (left) {
        unsigned id = (unsigned)__builtin_ctzll(left);

        if (!limit_allows(&s->limits[id],
                          attribute_of(p, (enum attribute_id)id))) {
            return false;
        }
        left &= left - 1;
    }
    return true;
}

bool
sampler_allows(const struct sampler *s, enum attribute_id id, uint32_t value)
{
    return limit_allows(&s->limits[id], value);
}

static uint32_t
probe_rate(const struct sampler *s)
{
    uint64_t hits = 0;
    struct person p;

    if (!s->tested) return 1000000;
    for (uint64_t row = 0; row < PROBE_ROWS; row++) {
        sampler_draw(s, row, &p);
        hits += sampler_accepts(s, &p);
    }
    return (uint32_t)(hits * 1000000 / PROBE_ROWS);
}

/* Conditions first: mix looks only at people who are left. */
static enum co_err
build(struct sampler *s, const struct sampler_wish *wish, struct co_diag *diag)
{
    struct mix mix;
    enum co_err err =
        condition_compile(s, wish->conditions, wish->n_conditions, diag);

    if (!err) err = mix_compile(s->m, wish->mix, wish->n_mix, diag, &mix);
    if (err) return err;
    err = sampler_build_joint(s, &mix);
    if (!err) err = sampler_build(s);
    if (err) return co_fail(diag, err, "no memory for the sampler's tables");
    if (s->total && condition_possible(s)) return CO_OK;
    if (wish->n_mix) {
        return co_fail(diag, CO_INVALID,
                       "mix: nobody in the population has a weight above 0%s; "
                       "loosen one of them",
                       wish->n_conditions ? " and fulfils all conditions" : "");
    }
    return co_fail(diag, CO_INVALID,
                   "where: nobody in the population fulfils all of these "
                   "conditions; loosen one of them");
}

enum co_err
sampler_make(const struct model *m, const struct sampler_wish *wish,
             struct co_diag *diag, struct sampler **ret_sampler)
{
    co_auto(sampler_freep) struct sampler *s = calloc(1, sizeof *s);
    enum co_err err;

    if (!s) return co_fail(diag, CO_NOMEM, "no memory for the sampler");
    s->m = m;
    s->seed = wish->seed;
    s->key = co_mix64(s->seed + PHI);
    s->offset = co_mix64(s->key ^ UINT64_C(0x6a09e667f3bcc908));
    err = build(s, wish, diag);
    if (err) return err;
    s->rate_ppm = probe_rate(s);
    *ret_sampler = co_take(&s);
    return CO_OK;
}

enum co_err
sampler_new(const struct model *m, uint64_t seed,
            const struct condition *conditions, size_t n_conditions,
            struct co_diag *diag, struct sampler **ret_sampler)
{
    const struct sampler_wish wish = {
        .seed = seed, .conditions = conditions, .n_conditions = n_conditions};

    return sampler_make(m, &wish, diag, ret_sampler);
}

void
sampler_free(struct sampler *s)
{
    if (!s) return;
    for (size_t i = 0; i < ATTR_ALL; i++) {
        free(s->limits[i].allowed);
    }
    free(s->cell_id);
    free(s->cell_end);
    sampler_free_work(s);
    free(s->marital);
    free(s->first_end);
    free(s->last_end);
    free(s->last_guide);
    free(s->city_end);
    model_free(s->own);
    free(s);
}

void
sampler_own_model(struct sampler *s, struct model **model)
{
    co_assert(!s->own && *model == s->m);
    s->own = *model;
    *model = NULL;
}

void
sampler_set_recipe(struct sampler *s, uint64_t recipe_hash)
{
    s->recipe = recipe_hash;
}

uint64_t
sampler_recipe(const struct sampler *s)
{
    return s->recipe;
}

void
sampler_set_prose(struct sampler *s, const struct prose *prose)
{
    s->prose = prose;
}

const struct prose *
sampler_prose(const struct sampler *s)
{
    return s->prose;
}

uint64_t
sampler_seed(const struct sampler *s)
{
    return s->seed;
}

const struct model *
sampler_model(const struct sampler *s)
{
    return s->m;
}

uint32_t
sampler_rate_ppm(const struct sampler *s)
{
    return s->rate_ppm;
}

uint64_t
sampler_tested(const struct sampler *s)
{
    return s->tested;
}

size_t
sampler_cells(const struct sampler *s)
{
    return s->cells;
}

uint64_t
sampler_cell(const struct sampler *s, size_t i, struct person *ret)
{
    co_assert(i < s->cells);
    *ret = (struct person){0};
    sampler_cell_person(s, s->cell_id[i], ret);
    return s->cell_end[i] - (i ? s->cell_end[i - 1] : 0);
}

/* Share of a status of employment over the levels of education. */
static uint64_t
employment_share(const struct sampler *s, const struct person *cell,
                 uint32_t value)
{
    const uint32_t *level = sampler_education_row(s, cell);
    struct person p = *cell;
    uint64_t sum = 0;

    for (p.education = 0; p.education < EDU_COUNT; p.education++) {
        uint64_t n = level[p.education];

        if (n) sum += n * sampler_employment_share(s, &p, value);
    }
    return sum >> 24;
}

uint64_t
sampler_cell_people(const struct sampler *s, size_t i)
{
    co_assert(i < s->cells);
    return s->m->joint[s->cell_id[i]];
}

uint64_t
sampler_share(const struct sampler *s, const struct person *cell,
              enum attribute_id id, uint32_t value)
{
    if (value >= attribute_values(s->m, id) ||
        !limit_allows(&s->limits[id], value)) {
        return 0;
    }
    if (id == ATTR_EDUCATION) return sampler_education_row(s, cell)[value];
    if (id == ATTR_EMPLOYMENT) return employment_share(s, cell, value);
    return sampler_marital_share(s, cell, value);
}

uint64_t
sampler_bits(const struct sampler *s, const struct person *p, uint32_t stream)
{
    return sampler_random(s, p, STREAM_PROSE + stream);
}
