/* tables_replace.c - see tables_impl.h. A table in the place of one of the
 * base: where it has a row it is drawn from, but never a value that the base
 * does not have at that age. */
#include "population/tables_impl.h"

#include <stdlib.h>
#include <string.h>

/* Base weight of a value for people of one state, sex and age. */
static uint32_t
base_weight(const struct model *m, enum model_replace which, uint32_t place,
            uint32_t age, uint32_t value)
{
    const struct model_home *h = &m->home;

    switch (which) {
    case REPLACE_EDUCATION:
        return model_row(&m->edu, place / MODEL_SEXES, place % MODEL_SEXES,
                         age)[value];
    case REPLACE_EMPLOYMENT:
        return model_row(&m->emp, place / MODEL_SEXES, place % MODEL_SEXES,
                         age)[value];
    case REPLACE_MARITAL:
        return h->mar_age[((size_t)place * h->mar_rows + h->mar_row[age]) *
                              MARITAL_COUNT +
                          value];
    case REPLACE_COUNT:
        break;
    }
    return 0;
}

/* Whether the base has anybody of that age with the value. That is where the
 * rules of coherence stand: no table can marry children. */
static bool
base_has(const struct model *m, enum model_replace which, uint32_t age,
         uint32_t value)
{
    for (uint32_t place = 0; place < m->states * MODEL_SEXES; place++) {
        if (base_weight(m, which, place, age, value)) return true;
    }
    return false;
}

_Static_assert((int)EDU_COUNT >= (int)EMPLOY_COUNT &&
                   (int)EDU_COUNT >= (int)MARITAL_COUNT,
               "the longest of the three");

/* possible[age][value] of one attribute. */
struct support {
    bool possible[MODEL_AGES][EDU_COUNT];
};
static void
find_support(const struct model *m, enum model_replace which, uint32_t values,
             struct support *to)
{
    for (uint32_t age = 0; age < MODEL_AGES; age++) {
        for (uint32_t v = 0; v < values; v++) {
            to->possible[age][v] = base_has(m, which, age, v);
        }
    }
}

/* Whether rows are of a band of ages, which stand last; a table that is given
 * nothing, or no age, is of all ages. */
static bool
has_ages(const struct user_table *t)
{
    return t->n_keys > 0 && t->keys[t->n_keys - 1] == ATTR_AGE;
}

/* A weight that no age of the row can have is a mistake. */
static enum co_err
check_possible(const struct model *m, const struct user_table *t, uint32_t r,
               const struct support *support, struct co_diag *diag)
{
    const uint32_t *row = t->rows + (size_t)r * table_stride(t);
    enum attribute_id id = ATTR_STATE;
    uint32_t from, to;

    if (attribute_find(t->name, &id)) return CO_INVALID;
    tables_lookup_band(t, row, &from, &to);
    if (!has_ages(t)) to = MODEL_AGES - 1;
    for (uint32_t v = 0; v < t->n_weights; v++) {
        struct model_text label = attribute_label(m, id, v);
        bool can = row[table_key_ints(t) + v] == 0;

        for (uint32_t age = from; age <= to && !can; age++) {
            can = support->possible[age][v];
        }
        if (can) continue;
        return table_fail(t, r, diag, CO_INVALID,
                          "nobody of the ages %u-%u can have %s \"%.*s\"; give "
                          "it the weight 0",
                          from, to, t->name, (int)label.len, label.data);
    }
    return CO_OK;
}

/* The row's weights with those of impossible values spread over the others;
 * false: none is left. */
static bool
mask_row(const struct user_table *t, const uint32_t *weights,
         const bool *possible, uint32_t *to)
{
    uint64_t sum = 0, left = TABLE_SUM;
    uint32_t most = 0;

    for (uint32_t v = 0; v < t->n_weights; v++) {
        if (possible[v]) sum += weights[v];
    }
    if (sum == 0) return false;
    for (uint32_t v = 0; v < t->n_weights; v++) {
        to[v] = possible[v] ? (uint32_t)((uint64_t)weights[v] * TABLE_SUM / sum)
                            : 0;
        left -= to[v];
        if (to[v] > to[most]) most = v;
    }
    to[most] += (uint32_t)left; /* what rounding left over */
    return true;
}

/* Fills the ages of one row, in each a masked copy. */
static enum co_err
fill_replaced(const struct user_table *t, uint32_t r,
              const struct support *support, struct model_lookup *to,
              struct co_diag *diag)
{
    const uint32_t *row = t->rows + (size_t)r * table_stride(t);
    uint32_t from = 0, last = MODEL_AGES - 1;
    enum co_err err = CO_OK;

    if (has_ages(t)) tables_lookup_band(t, row, &from, &last);
    for (uint32_t age = from; age <= last && !err; age++) {
        uint32_t cell = 0;
        uint32_t *made = to->weights + (size_t)to->rows * to->values;

        if (!mask_row(t, row + table_key_ints(t), support->possible[age],
                      made)) {
            continue; /* nothing of it can be at this age: the base's row */
        }
        for (uint32_t k = 0; k + 1 < to->n_keys; k++) {
            cell = cell * to->sizes[k] + row[k];
        }
        cell = cell * to->sizes[to->n_keys - 1] + age;
        err = tables_lookup_fill(t, to, cell, r, ++to->rows, diag);
    }
    return err;
}

static enum co_err
make_replaced(const struct model *m, const struct user_table *t,
              enum model_replace which, struct model_lookup *to,
              struct co_diag *diag)
{
    struct support support = {{{false}}};
    uint32_t cells = 0;
    enum co_err err;

    find_support(m, which, t->n_weights, &support);
    to->n_keys = t->n_keys;
    err = tables_lookup_size(m, t, to, &cells, diag);
    if (err) return err;
    if (!has_ages(t)) {
        to->keys[to->n_keys] = ATTR_AGE; /* rules differ by age */
        to->sizes[to->n_keys++] = MODEL_AGES;
        cells *= MODEL_AGES;
    }
    to->values = t->n_weights;
    to->row_of = calloc(cells, sizeof *to->row_of);
    /* A cell has at most one row; one more is scratch. */
    to->weights = calloc(((size_t)cells + 1) * to->values, sizeof *to->weights);
    if (!to->row_of || !to->weights) {
        return co_fail(diag, CO_NOMEM, "no memory for tables");
    }
    for (uint32_t r = 0; r < t->n_rows && !err; r++) {
        err = check_possible(m, t, r, &support, diag);
        if (!err) err = fill_replaced(t, r, &support, to, diag);
    }
    return err;
}

enum co_err
tables_replace_add(struct model *m, const struct user_table *t,
                   struct co_diag *diag)
{
    enum attribute_id id = ATTR_STATE;
    enum model_replace which = attribute_find(t->name, &id)
                                   ? REPLACE_COUNT
                                   : tables_check_replaces(id);

    if (which == REPLACE_COUNT) {
        return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                          "%s cannot be replaced; allowed are education_level, "
                          "marital_status and employment_status",
                          t->name);
    }
    if (m->replace[which]) {
        return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                          "%s is replaced twice", t->name);
    }
    m->replace[which] = calloc(1, sizeof *m->replace[which]);
    if (!m->replace[which]) {
        return co_fail(diag, CO_NOMEM, "no memory for tables");
    }
    memcpy(m->replace[which]->name, t->name, sizeof t->name);
    return make_replaced(m, t, which, m->replace[which], diag);
}
