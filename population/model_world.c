/* model_world.c - loads and checks a model of countries. It knows people by
 * country, sex and age, names and cities where a country has a list, and the
 * norms of OCEAN; everything else is empty, and null in rows. As in model.c
 * all that drawing indexes by is checked here once. */
#include "population/model_impl.h"

struct counts {
    uint32_t groups, joint, list, frow, fid, fn, lrow, lid, ln, crow, cn, z, t,
        ocean_row;
};

static enum co_err
take_all(const char *path, struct co_diag *diag, struct model *m,
         struct counts *c)
{
    struct model_home *h = &m->home;
    const struct want wants[] = {
        {"age.groups", 1, (const void **)&m->age_groups, &c->groups},
        {"joint", 4, (const void **)&m->joint, &c->joint},
        {"first.list", 2, (const void **)&m->first_list, &c->list},
        {"first.row", 4, (const void **)&m->first_row, &c->frow},
        {"first.id", 2, (const void **)&m->first_id, &c->fid},
        {"first.n", 4, (const void **)&m->first_n, &c->fn},
        {"last.row", 4, (const void **)&m->last_row, &c->lrow},
        {"last.id", 2, (const void **)&m->last_id, &c->lid},
        {"last.n", 4, (const void **)&m->last_n, &c->ln},
        {"city.row", 4, (const void **)&m->city_row, &c->crow},
        {"city.n", 4, (const void **)&m->city_n, &c->cn},
        {"ocean.z", 2, (const void **)&h->ocean_z, &c->z},
        {"ocean.t", 4, (const void **)&h->ocean_t, &c->t},
        {"ocean.age", 1, (const void **)&h->ocean_row, &c->ocean_row},
    };

    return model_take_sections(path, diag, m, wants, co_countof(wants));
}

static enum co_err
take_pools(const char *path, struct co_diag *diag, struct model *m)
{
    const struct want_pool pools[] = {
        {"country", &m->country},
        {"country.iso2", &m->country_iso2},
        {"country.name", &m->country_name},
        {"first", &m->first},
        {"last", &m->last},
        {"city", &m->city},
    };

    return model_take_pools(path, diag, m, pools, co_countof(pools));
}

/* Starts go from 0 to total without falling, and a row that is not empty has
 * weights that 32 bits can sum. */
static bool
rows_good(const uint32_t *at, uint32_t count, uint32_t rows, uint32_t total,
          const uint32_t *n)
{
    if (count != rows + 1 || at[0] != 0 || at[rows] != total) return false;
    for (uint32_t r = 0; r < rows; r++) {
        uint64_t sum = 0;

        if (at[r + 1] < at[r] || at[r + 1] > total) return false;
        for (uint32_t k = at[r]; k < at[r + 1]; k++) {
            if (n[k] == 0) return false;
            sum += n[k];
        }
        if (sum > UINT32_MAX) return false;
    }
    return true;
}

static bool
ids_good(const uint16_t *ids, uint32_t count, uint32_t pool)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] >= pool) return false;
    }
    return true;
}

static bool
lists_good(const struct model *m, const struct counts *c)
{
    if (c->list != m->states * MODEL_SEXES * MODEL_AGES) return false;
    for (uint32_t i = 0; i < c->list; i++) {
        uint32_t row = m->first_list[i];

        if (row == MODEL_NO_LIST) continue;
        if (row >= m->first_rows ||
            m->first_row[row] == m->first_row[row + 1]) {
            return false;
        }
    }
    return true;
}

static bool
ocean_good(struct model *m, const struct counts *c)
{
    struct model_home *h = &m->home;

    if (c->z != OCEAN_QUANTILES || c->ocean_row != MODEL_AGES) return false;
    for (uint32_t a = 0; a < MODEL_AGES; a++) {
        if (h->ocean_row[a] + 1U > h->ocean_rows) {
            h->ocean_rows = h->ocean_row[a] + 1U;
        }
    }
    return c->t == OCEAN_COUNT * MODEL_SEXES * h->ocean_rows * 2;
}

enum co_err
model_take_world(const char *path, struct co_diag *diag, struct model *m)
{
    struct counts c = {0};
    enum co_err err = take_pools(path, diag, m);

    if (!err) err = take_all(path, diag, m, &c);
    if (err) return err;
    m->world = true;
    m->states = m->country.count;
    m->races = 1;
    m->joint_slots = MODEL_AGES;
    m->first_rows = c.frow - 1;
    m->last_ids = c.lid;
    if (c.frow >= 1 && m->states <= 254 && m->country_iso2.count == m->states &&
        m->country_name.count == m->states && model_groups_good(m, c.groups) &&
        c.joint == m->states * MODEL_SEXES * m->joint_slots && c.fid == c.fn &&
        c.lid == c.ln && c.cn == m->city.count && m->city.count <= UINT16_MAX &&
        rows_good(m->first_row, c.frow, m->first_rows, c.fid, m->first_n) &&
        rows_good(m->last_row, c.lrow, m->states, c.lid, m->last_n) &&
        rows_good(m->city_row, c.crow, m->states, c.cn, m->city_n) &&
        ids_good(m->first_id, c.fid, m->first.count) &&
        ids_good(m->last_id, c.lid, m->last.count) && lists_good(m, &c) &&
        ocean_good(m, &c)) {
        return CO_OK;
    }
    return co_fail(diag, CO_DAMAGED,
                   "%s: its tables do not fit together (made by another "
                   "version of the tool?); %s",
                   path, MODEL_REBUILD);
}
