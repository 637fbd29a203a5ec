/* model_home.c - loads and checks struct model_home. Drawing indexes these
 * tables without checks, so every count is compared here with the one that
 * the indices imply, every row of ends must rise to ENDS_ONE, and every row
 * number must exist. */
#include "population/model_impl.h"

struct counts {
    uint32_t mar_age, mar_race, mar_edu, mar_row, mar_class, mar_group, nation,
        state, any, count, age, sibs, parents, mother, extra, owner, income,
        owner_row, income_row, brackets, lang, well, group, z, t, ocean_row;
};

static enum co_err
take_all(const char *path, struct co_diag *diag, struct model *m,
         struct counts *c)
{
    struct model_home *h = &m->home;
    const struct want wants[] = {
        {"mar.age.f", 4, (const void **)&h->mar_age, &c->mar_age},
        {"mar.race.f", 4, (const void **)&h->mar_race, &c->mar_race},
        {"mar.edu.f", 4, (const void **)&h->mar_edu, &c->mar_edu},
        {"mar.age", 1, (const void **)&h->mar_row, &c->mar_row},
        {"mar.edu.age", 1, (const void **)&h->mar_class, &c->mar_class},
        {"mar.edu.of", 1, (const void **)&h->mar_group, &c->mar_group},
        {"home.nation", 4, (const void **)&h->nation, &c->nation},
        {"home.state", 4, (const void **)&h->state, &c->state},
        {"kids.any", 2, (const void **)&h->kids_any, &c->any},
        {"kids.count", 2, (const void **)&h->kids_count, &c->count},
        {"kids.age", 2, (const void **)&h->kids_age, &c->age},
        {"kids.sibs", 2, (const void **)&h->kids_sibs, &c->sibs},
        {"kids.parents", 2, (const void **)&h->kids_parents, &c->parents},
        {"home.mother", 1, (const void **)&h->mother, &c->mother},
        {"home.extra", 2, (const void **)&h->extra, &c->extra},
        {"home.owner", 2, (const void **)&h->owner, &c->owner},
        {"home.income", 2, (const void **)&h->income, &c->income},
        {"home.owner.age", 1, (const void **)&h->owner_row, &c->owner_row},
        {"home.income.age", 1, (const void **)&h->income_row, &c->income_row},
        {"home.brackets", 4, (const void **)&h->brackets, &c->brackets},
        {"lang.p", 2, (const void **)&h->lang, &c->lang},
        {"lang.well", 2, (const void **)&h->lang_well, &c->well},
        {"lang.group", 1, (const void **)&h->lang_group, &c->group},
        {"ocean.z", 2, (const void **)&h->ocean_z, &c->z},
        {"ocean.t", 4, (const void **)&h->ocean_t, &c->t},
        {"ocean.age", 1, (const void **)&h->ocean_row, &c->ocean_row},
    };

    return model_take_sections(path, diag, m, wants, co_countof(wants));
}

static enum co_err
take_pools(const char *path, struct co_diag *diag, struct model *m)
{
    enum co_err err =
        model_take_pool(path, diag, m, "arrangement", &m->arrangement);

    if (!err) {
        err = model_take_pool(path, diag, m, "home.bracket", &m->bracket);
    }
    if (!err) err = model_take_pool(path, diag, m, "language", &m->language);
    return err;
}

/* One more than the largest of n numbers. */
static uint32_t
rows_of(const uint8_t *of, uint32_t n)
{
    uint32_t rows = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (of[i] + 1U > rows) rows = of[i] + 1U;
    }
    return rows;
}

/* n rows of ends: rising to ENDS_ONE, so that a draw always ends inside. */
static bool
ends_good(const uint16_t *ends, uint32_t count, uint32_t width)
{
    for (uint32_t i = 0; i < count; i++) {
        bool last = i % width == width - 1;

        if (i % width && ends[i] < ends[i - 1]) return false;
        if (last && ends[i] != ENDS_ONE) return false;
    }
    return count % width == 0;
}

/* Every row of weights has one above zero and none above 2^limit. */
static bool
weights_good(const uint32_t *w, uint32_t count, uint32_t width, unsigned limit)
{
    for (uint32_t row = 0; row < count; row += width) {
        uint64_t sum = 0;

        for (uint32_t k = row; k < row + width; k++) {
            if (w[k] >> limit > 1) return false;
            sum += w[k];
        }
        if (sum == 0) return false;
    }
    return true;
}

static bool
marital_good(const struct model *m, const struct counts *c)
{
    const struct model_home *h = &m->home;
    uint32_t sexes = m->states * MODEL_SEXES;

    return c->mar_row == MODEL_AGES && c->mar_class == MODEL_AGES &&
           c->mar_group == EDU_COUNT &&
           rows_of(h->mar_group, EDU_COUNT) <= MARITAL_EDU_GROUPS &&
           c->mar_age == sexes * h->mar_rows * MARITAL_COUNT &&
           c->mar_race == sexes * MODEL_RACES * MARITAL_COUNT &&
           c->mar_edu == MODEL_SEXES * h->mar_classes * MARITAL_EDU_GROUPS *
                             MARITAL_COUNT &&
           weights_good(h->mar_age, c->mar_age, MARITAL_COUNT, 24) &&
           weights_good(h->mar_race, c->mar_race, MARITAL_COUNT, 18) &&
           weights_good(h->mar_edu, c->mar_edu, MARITAL_COUNT, 18);
}

static bool
living_good(const struct model *m, const struct counts *c)
{
    const struct model_home *h = &m->home;
    uint32_t sexes = m->states * MODEL_SEXES;

    /* Row 0 of nation, under 18, is empty: nobody draws from it. */
    return c->nation ==
               h->mar_rows * MODEL_SEXES * HOME_CLASSES * HOME_WITHOUT &&
           c->state == m->states * HOME_BANDS * HOME_WITHOUT &&
           weights_good(h->state, c->state, HOME_WITHOUT, 16) &&
           c->any == sexes * h->mar_rows * KIDS_TYPES &&
           c->count == 2 * h->mar_rows * KIDS_COUNTS &&
           ends_good(h->kids_count, c->count, KIDS_COUNTS) &&
           c->age == MODEL_SEXES * (MODEL_AGES - PARENT_MIN_AGE) * KIDS_AGES &&
           ends_good(h->kids_age, c->age, KIDS_AGES) &&
           c->sibs == 2 * KIDS_COUNTS &&
           ends_good(h->kids_sibs, c->sibs, KIDS_COUNTS) &&
           c->parents == m->states * MODEL_RACES * HOME_PARENTS_KINDS &&
           ends_good(h->kids_parents, c->parents, HOME_PARENTS_KINDS) &&
           c->mother == HOME_MOTHERS;
}

static bool
household_good(const struct model *m, const struct counts *c)
{
    const struct model_home *h = &m->home;

    return m->arrangement.count == HOME_COUNT &&
           m->bracket.count == PERSON_BRACKETS &&
           c->brackets == PERSON_BRACKETS && h->brackets[0] == 0 &&
           c->extra == HOME_EXTRAS * h->mar_rows * HOME_EXTRA_VALUES &&
           ends_good(h->extra, c->extra, HOME_EXTRA_VALUES) &&
           c->owner_row == MODEL_AGES && c->income_row == MODEL_AGES &&
           c->owner == m->states * h->owner_rows * HOME_TYPES &&
           c->income ==
               m->states * h->income_rows * HOME_KINDS * PERSON_BRACKETS &&
           ends_good(h->income, c->income, PERSON_BRACKETS);
}

static bool
character_good(const struct model *m, const struct counts *c)
{
    const struct model_home *h = &m->home;

    return h->languages == c->group && h->languages <= PERSON_NONE8 &&
           c->lang == m->states * HERITAGES * h->languages &&
           ends_good(h->lang, c->lang, h->languages) &&
           c->well == m->states * h->groups && c->z == OCEAN_QUANTILES &&
           c->ocean_row == MODEL_AGES &&
           c->t == OCEAN_COUNT * MODEL_SEXES * h->ocean_rows * 2;
}

enum co_err
model_take_home(const char *path, struct co_diag *diag, struct model *m)
{
    struct model_home *h = &m->home;
    struct counts c = {0};
    enum co_err err;

    if (!model_has_section(m, "mar.age")) return CO_OK;
    err = take_pools(path, diag, m);
    if (!err) err = take_all(path, diag, m, &c);
    if (err) return err;
    if (c.mar_row == MODEL_AGES && c.mar_class == MODEL_AGES &&
        c.owner_row == MODEL_AGES && c.income_row == MODEL_AGES &&
        c.ocean_row == MODEL_AGES) {
        h->mar_rows = rows_of(h->mar_row, MODEL_AGES);
        h->mar_classes = rows_of(h->mar_class, MODEL_AGES);
        h->owner_rows = rows_of(h->owner_row, MODEL_AGES);
        h->income_rows = rows_of(h->income_row, MODEL_AGES);
        h->ocean_rows = rows_of(h->ocean_row, MODEL_AGES);
    }
    h->languages = m->language.count;
    h->groups = rows_of(h->lang_group, c.group);
    if (marital_good(m, &c) && living_good(m, &c) && household_good(m, &c) &&
        character_good(m, &c)) {
        h->there = true;
        return CO_OK;
    }
    return co_fail(diag, CO_DAMAGED,
                   "%s: its tables of home and character do not fit together "
                   "(made by another version of the tool?); %s",
                   path, MODEL_REBUILD);
}
