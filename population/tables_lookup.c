/* tables_lookup.c - see tables_impl.h. A table of integers becomes a lookup:
 * every combination of keys, ages one by one, points at its row. That finds
 * overlaps by itself, and drawing needs no search. */
#include "population/tables_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum co_err
tables_lookup_size(const struct model *m, const struct user_table *t,
                   struct model_lookup *to, uint32_t *ret_cells,
                   struct co_diag *diag)
{
    uint64_t cells = 1;

    to->n_keys = t->n_keys;
    for (uint32_t k = 0; k < t->n_keys; k++) {
        to->keys[k] = t->keys[k];
        to->sizes[k] = attribute_values(m, t->keys[k]);
        cells *= to->sizes[k];
        if (cells > TABLE_CELLS_MAX) {
            return table_fail(t, UINT32_MAX, diag, CO_FULL,
                              "%s is given too much at once: more than %d "
                              "combinations; leave an attribute out",
                              t->name, TABLE_CELLS_MAX);
        }
    }
    *ret_cells = (uint32_t)cells;
    return CO_OK;
}

/* Where a row's keys point, for one age of its band. */
static uint32_t
cell_of(const struct model_lookup *to, const uint32_t *row, uint32_t age)
{
    uint32_t cell = 0;

    for (uint32_t k = 0; k < to->n_keys; k++) {
        bool is_age = to->keys[k] == ATTR_AGE;

        cell = cell * to->sizes[k] + (is_age ? age : *row);
        row += is_age ? 2 : 1;
    }
    return cell;
}

/* The ages of a row: its band, or one round when it has none. */
void
tables_lookup_band(const struct user_table *t, const uint32_t *row,
                   uint32_t *ret_from, uint32_t *ret_to)
{
    *ret_from = *ret_to = 0;
    for (uint32_t k = 0; k < t->n_keys; k++) {
        if (t->keys[k] == ATTR_AGE) {
            *ret_from = row[0];
            *ret_to = row[1];
            return;
        }
        row++;
    }
}

enum co_err
tables_lookup_fill(const struct user_table *t, struct model_lookup *to,
                   uint32_t cell, uint32_t r, uint32_t value,
                   struct co_diag *diag)
{
    if (to->row_of[cell]) {
        return table_fail(t, r, diag, CO_INVALID,
                          "these people have a row already (do the bands of "
                          "ages overlap?)");
    }
    to->row_of[cell] = (uint16_t)value;
    return CO_OK;
}

static enum co_err
fill_column(const struct user_table *t, struct model_lookup *to,
            struct co_diag *diag)
{
    uint32_t stride = table_stride(t), keys = table_key_ints(t);
    enum co_err err = CO_OK;

    to->rows = t->n_rows;
    to->values = t->n_weights;
    to->weights = calloc((size_t)to->rows * to->values, sizeof *to->weights);
    if (!to->weights) return co_fail(diag, CO_NOMEM, "no memory for tables");
    for (uint32_t r = 0; r < t->n_rows && !err; r++) {
        const uint32_t *row = t->rows + (size_t)r * stride;
        uint32_t from, last;

        memcpy(to->weights + (size_t)r * to->values, row + keys,
               to->values * sizeof *row);
        tables_lookup_band(t, row, &from, &last);
        for (uint32_t age = from; age <= last && !err; age++) {
            err = tables_lookup_fill(t, to, cell_of(to, row, age), r, r + 1,
                                     diag);
        }
    }
    return err;
}

static enum co_err
copy_labels(const struct user_table *t, struct model_lookup *to)
{
    size_t bytes = 0;
    uint32_t *at = calloc((size_t)t->n_weights + 1, sizeof *at);
    char *data;

    for (uint32_t v = 0; at && v < t->n_weights; v++) {
        at[v] = (uint32_t)bytes;
        bytes += strlen(t->labels[v]);
    }
    data = malloc(bytes + 1);
    if (!at || !data) {
        free(at);
        free(data);
        return CO_NOMEM;
    }
    at[t->n_weights] = (uint32_t)bytes;
    for (uint32_t v = 0; v < t->n_weights; v++) {
        memcpy(data + at[v], t->labels[v], at[v + 1] - at[v]);
    }
    to->labels = (struct model_pool){at, data, t->n_weights};
    return CO_OK;
}

enum co_err
tables_lookup_add(struct model *m, const struct user_table *t,
                  struct co_diag *diag)
{
    struct model_lookup *to;
    uint32_t cells = 1;
    enum co_err err;

    if (m->users == MODEL_USERS) {
        return table_fail(t, UINT32_MAX, diag, CO_FULL,
                          "more than %d new columns", MODEL_USERS);
    }
    to = calloc(1, sizeof *to);
    if (!to) return co_fail(diag, CO_NOMEM, "no memory for tables");
    m->user[m->users] = to; /* the model owns it, counted once it is whole */
    memcpy(to->name, t->name, sizeof to->name);
    err = tables_lookup_size(m, t, to, &cells, diag);
    if (err) return err;
    to->row_of = calloc(cells, sizeof *to->row_of);
    if (!to->row_of || copy_labels(t, to)) {
        return co_fail(diag, CO_NOMEM, "no memory for tables");
    }
    err = fill_column(t, to, diag);
    if (!err) m->users++;
    return err;
}

const uint32_t *
model_lookup(const struct model_lookup *t, const struct person *p)
{
    uint32_t cell = 0, row;

    for (uint32_t k = 0; k < t->n_keys; k++) {
        uint32_t v = attribute_of(p, (enum attribute_id)t->keys[k]);

        if (v == UINT32_MAX) return NULL;
        cell = cell * t->sizes[k] + v;
    }
    row = t->row_of[cell];
    return row ? t->weights + (size_t)(row - 1) * t->values : NULL;
}
