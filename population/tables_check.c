/* tables_check.c - see tables_impl.h. What a table may say: keys that this
 * population has, labels in order, rows in order that sum up. */
#include "population/tables_impl.h"

#include <stdlib.h>
#include <string.h>

enum model_replace
tables_check_replaces(enum attribute_id id)
{
    if (id == ATTR_EDUCATION) return REPLACE_EDUCATION;
    if (id == ATTR_MARITAL) return REPLACE_MARITAL;
    return id == ATTR_EMPLOYMENT ? REPLACE_EMPLOYMENT : REPLACE_COUNT;
}

static bool
key_fits(const struct model *m, const struct user_table *t, uint32_t k)
{
    enum attribute_id id = t->keys[k];
    bool root = (unsigned)id < ATTR_USER && attribute_get(id)->root;

    for (uint32_t j = 0; j < k; j++) {
        if (t->keys[j] == id) return false;
    }
    if ((unsigned)id >= ATTR_USER + m->users || !attribute_values(m, id)) {
        return false;
    }
    if (t->use == TABLE_MARGIN) return root;
    if (t->use == TABLE_REPLACE) {
        return id == ATTR_STATE || id == ATTR_SEX || id == ATTR_AGE;
    }
    return id == ATTR_AGE || attribute_kind(id) == ATTR_LABELS;
}

/* Given and fitted keys each rise, age last: one meaning has one form, and
 * rows with the same given part are neighbours. */
static bool
keys_rise(const struct user_table *t, uint32_t from, uint32_t to)
{
    for (uint32_t k = from; k + 1 < to; k++) {
        if (t->keys[k] == ATTR_AGE ||
            (t->keys[k + 1] != ATTR_AGE && t->keys[k] >= t->keys[k + 1])) {
            return false;
        }
    }
    return true;
}

enum co_err
tables_check_keys(const struct model *m, const struct user_table *t,
                  struct co_diag *diag)
{
    static const char *const allowed[] = {
        [TABLE_COLUMN] = "age and attributes with labels that stand before it",
        [TABLE_REPLACE] = "state, sex and age",
        [TABLE_MARGIN] = "state, sex, age and race_ethnicity, each once",
    };

    if (t->n_keys > TABLE_KEYS_MAX || t->n_given > t->n_keys ||
        !keys_rise(t, 0, t->n_given) || !keys_rise(t, t->n_given, t->n_keys) ||
        (t->use == TABLE_MARGIN ? t->n_given == t->n_keys || t->n_weights != 1
                                : t->n_given != t->n_keys)) {
        return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                          "%s has too many keys (at most %d), or out of order",
                          t->name, TABLE_KEYS_MAX);
    }
    for (uint32_t k = 0; k < t->n_keys; k++) {
        if (key_fits(m, t, k)) continue;
        return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                          "%s cannot be given key number %u; allowed are %s",
                          t->name, k + 1, allowed[t->use]);
    }
    return CO_OK;
}

enum co_err
tables_check_labels(const struct user_table *t, struct co_diag *diag)
{
    if (t->n_weights < 1 || t->n_weights > TABLE_VALUES_MAX) {
        return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                          "%s has %u values; allowed are 1 to %d", t->name,
                          t->n_weights, TABLE_VALUES_MAX);
    }
    for (uint32_t v = 0; v < t->n_weights; v++) {
        if (!table_label_good(t->labels[v]) ||
            (v && strcmp(t->labels[v - 1], t->labels[v]) >= 0)) {
            return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                              "value %u of %s is no label (1 to %d bytes of "
                              "UTF-8 without quotes, backslashes and control "
                              "characters), or out of order",
                              v + 1, t->name, TABLE_LABEL_MAX);
        }
    }
    return CO_OK;
}

/* The sum of a row's weights; that they may be added in 64 bits follows from
 * their number. */
static uint64_t
row_sum(const struct user_table *t, const uint32_t *row)
{
    uint64_t sum = 0;

    for (uint32_t v = 0; v < t->n_weights; v++) {
        sum += row[table_key_ints(t) + v];
    }
    return sum;
}

static int
compare_keys(const struct user_table *t, const uint32_t *a, const uint32_t *b)
{
    for (uint32_t i = 0; i < table_key_ints(t); i++) {
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

/* Keys and weights of a row have values that exist. */
static bool
row_good(const struct model *m, const struct user_table *t, const uint32_t *row)
{
    const uint32_t *at = row;

    for (uint32_t k = 0; k < t->n_keys; k++) {
        if (t->keys[k] == ATTR_AGE) {
            if (at[0] > at[1] || at[1] >= MODEL_AGES) return false;
            at += 2;
        } else if (*at++ >= attribute_values(m, t->keys[k])) {
            return false;
        }
    }
    return t->use == TABLE_MARGIN ? *at <= TABLE_WEIGHT_MAX
                                  : row_sum(t, row) == TABLE_SUM;
}

enum co_err
tables_check_rows(const struct model *m, const struct user_table *t,
                  struct co_diag *diag)
{
    uint32_t stride = table_stride(t);

    if (t->n_rows < 1 || t->n_rows > TABLE_ROWS_MAX) {
        return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                          "%s has %u rows; allowed are 1 to %d", t->name,
                          t->n_rows, TABLE_ROWS_MAX);
    }
    for (uint32_t r = 0; r < t->n_rows; r++) {
        const uint32_t *row = t->rows + (size_t)r * stride;

        if (!row_good(m, t, row)) {
            return table_fail(t, r, diag, CO_INVALID,
                              "a key or weight of %s is out of range", t->name);
        }
        if (r && compare_keys(t, row - stride, row) >= 0) {
            return table_fail(t, r, diag, CO_INVALID,
                              "the rows of %s are out of order, or twice",
                              t->name);
        }
    }
    return CO_OK;
}
