/* tables.c - see tables.h. A table of integers becomes a lookup: every
 * combination of keys, ages one by one, points at its row. That finds
 * overlaps by itself, and drawing needs no search. */
#include "population/tables.h"

#include "common/buf.h"
#include "common/utf8.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
user_tables_fini(struct user_tables *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct user_table *u = &t->list[i];

        for (uint32_t v = 0; u->labels && v < u->n_weights; v++) {
            free(u->labels[v]);
        }
        free(u->labels);
        free(u->rows);
        free(u->lines);
        free(u->file);
    }
    free(t->list);
    *t = (struct user_tables){0};
}

uint32_t
table_key_ints(const struct user_table *t)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < t->n_keys; k++) {
        n += t->keys[k] == ATTR_AGE ? 2 : 1;
    }
    return n;
}

uint32_t
table_stride(const struct user_table *t)
{
    return table_key_ints(t) + t->n_weights;
}

enum co_err
tables_find(const struct user_tables *t, uint32_t n, const char *name,
            enum attribute_id *ret)
{
    unsigned column = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (t->list[i].use != TABLE_COLUMN) continue;
        if (strcmp(t->list[i].name, name) == 0) {
            *ret = (enum attribute_id)(ATTR_USER + column);
            return CO_OK;
        }
        column++;
    }
    return attribute_find(name, ret);
}

bool
table_name_good(const char *name)
{
    /* Columns of rows that are no attributes, and those of later versions
     * that the specification of persona rows names. */
    static const char *const taken[] = {
        "uuid",
        "professional_persona",
        "sports_persona",
        "arts_persona",
        "travel_persona",
        "culinary_persona",
        "persona",
        "cultural_background",
        "skills_and_expertise",
        "skills_and_expertise_list",
        "hobbies_and_interests",
        "hobbies_and_interests_list",
        "career_goals_and_ambitions",
        "bachelors_field",
        "zipcode",
        "income_usd",
        "household",
        "languages",
        "provenance",
    };
    enum attribute_id id = ATTR_STATE;
    size_t len = strlen(name);

    if (len < 1 || len >= MODEL_USER_NAME ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] != '\0') {
        return false;
    }
    for (size_t i = 0; i < co_countof(taken); i++) {
        if (strcmp(name, taken[i]) == 0) return false;
    }
    return attribute_find(name, &id) == CO_NOTFOUND &&
           strncmp(name, "ocean_", 6) != 0;
}

bool
table_label_good(const char *label)
{
    size_t len = strlen(label);

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)label[i];

        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') return false;
    }
    for (size_t i = 0, n; i < len; i += n) {
        n = co_utf8_bytes((const uint8_t *)label + i, len - i);
        if (n == 0) return false;
    }
    return len >= 1 && len <= TABLE_LABEL_MAX;
}

enum co_err
table_fail(const struct user_table *t, uint32_t row, struct co_diag *diag,
           enum co_err err, const char *fmt, ...)
{
    char text[700];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (t->file && t->lines && row < t->n_rows) {
        return co_fail(diag, err, "%.300s:%u: %s", t->file, t->lines[row],
                       text);
    }
    if (t->file) return co_fail(diag, err, "%.300s: %s", t->file, text);
    if (row >= t->n_rows) {
        return co_fail(diag, err, "table %.40s: %s", t->name, text);
    }
    return co_fail(diag, err, "table %.40s, row %u: %s", t->name, row + 1,
                   text);
}

/* --- what a table may say ------------------------------------------------ */

static enum model_replace
replace_of(enum attribute_id id)
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

static enum co_err
check_keys(const struct model *m, const struct user_table *t,
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

static enum co_err
check_labels(const struct user_table *t, struct co_diag *diag)
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

static enum co_err
check_rows(const struct model *m, const struct user_table *t,
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

/* --- lookups -------------------------------------------------------------- */

static enum co_err
lookup_size(const struct model *m, const struct user_table *t,
            struct model_lookup *to, uint32_t *ret_cells, struct co_diag *diag)
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
static void
band_of(const struct user_table *t, const uint32_t *row, uint32_t *ret_from,
        uint32_t *ret_to)
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

static enum co_err
fill_cell(const struct user_table *t, struct model_lookup *to, uint32_t cell,
          uint32_t r, uint32_t value, struct co_diag *diag)
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
        band_of(t, row, &from, &last);
        for (uint32_t age = from; age <= last && !err; age++) {
            err = fill_cell(t, to, cell_of(to, row, age), r, r + 1, diag);
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

static enum co_err
add_column(struct model *m, const struct user_table *t, struct co_diag *diag)
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
    err = lookup_size(m, t, to, &cells, diag);
    if (err) return err;
    to->row_of = calloc(cells, sizeof *to->row_of);
    if (!to->row_of || copy_labels(t, to)) {
        return co_fail(diag, CO_NOMEM, "no memory for tables");
    }
    err = fill_column(t, to, diag);
    if (!err) m->users++;
    return err;
}

/* --- replaced tables ------------------------------------------------------ */

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

/* possible[age][value] of one attribute. */
struct support {
    bool possible[MODEL_AGES][EDU_COUNT];
};
_Static_assert((int)EDU_COUNT >= (int)EMPLOY_COUNT &&
                   (int)EDU_COUNT >= (int)MARITAL_COUNT,
               "the longest of the three");

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
    band_of(t, row, &from, &to);
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

    if (has_ages(t)) band_of(t, row, &from, &last);
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
        err = fill_cell(t, to, cell, r, ++to->rows, diag);
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
    err = lookup_size(m, t, to, &cells, diag);
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

static enum co_err
add_replaced(struct model *m, const struct user_table *t, struct co_diag *diag)
{
    enum attribute_id id = ATTR_STATE;
    enum model_replace which =
        attribute_find(t->name, &id) ? REPLACE_COUNT : replace_of(id);

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

/* --- the model ------------------------------------------------------------ */

static enum co_err
add_table(struct model *m, const struct user_table *t, struct co_diag *diag)
{
    enum co_err err;

    if (t->use == TABLE_COLUMN) {
        enum attribute_id id = ATTR_STATE;

        if (!table_name_good(t->name) ||
            attribute_find_in(m, t->name, &id) == CO_OK) {
            return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                              "a new column cannot be called %s; allowed are 1 "
                              "to %d of a-z and _, and no name that rows have",
                              t->name, MODEL_USER_NAME - 1);
        }
        err = check_labels(t, diag);
        if (err) return err;
    }
    err = check_keys(m, t, diag);
    if (!err && t->use == TABLE_REPLACE) {
        enum attribute_id id = ATTR_STATE;

        if (attribute_find(t->name, &id) ||
            attribute_values(m, id) != t->n_weights) {
            return table_fail(t, UINT32_MAX, diag, CO_INVALID,
                              "%s is no attribute of this population that can "
                              "be replaced",
                              t->name);
        }
    }
    if (!err) err = check_rows(m, t, diag);
    if (err) return err;
    switch (t->use) {
    case TABLE_COLUMN:
        return add_column(m, t, diag);
    case TABLE_REPLACE:
        return add_replaced(m, t, diag);
    case TABLE_MARGIN:
        break; /* all at once, in fit_joint */
    }
    return CO_OK;
}

static enum co_err
add_margins(struct model *m, const struct user_tables *tables,
            struct co_diag *diag)
{
    size_t n = (size_t)m->states * MODEL_SEXES * m->joint_slots;
    bool any = false;

    for (uint32_t i = 0; i < tables->count; i++) {
        any = any || tables->list[i].use == TABLE_MARGIN;
    }
    if (!any) return CO_OK;
    m->own_joint = malloc(n * sizeof *m->own_joint);
    if (!m->own_joint) return co_fail(diag, CO_NOMEM, "no memory for tables");
    m->joint = m->own_joint;
    return fit_joint(m->base, tables, m->own_joint, diag);
}

static _Atomic uint64_t serials;

enum co_err
model_with(const struct model *base, const struct user_tables *tables,
           struct co_diag *diag, struct model **ret_model)
{
    co_auto(model_freep) struct model *m = malloc(sizeof *m);
    enum co_err err = CO_OK;

    if (!m) return co_fail(diag, CO_NOMEM, "no memory for tables");
    co_assert(!base->base); /* tables do not stand on tables */
    *m = *base;
    m->base = base;
    m->serial = atomic_fetch_add(&serials, 1) + 1;
    if (tables->count > TABLES_MAX) {
        return co_fail(diag, CO_FULL, "%u tables; allowed are at most %d",
                       tables->count, TABLES_MAX);
    }
    for (uint32_t i = 0; i < tables->count && !err; i++) {
        err = add_table(m, &tables->list[i], diag);
    }
    if (!err) err = add_margins(m, tables, diag);
    if (err) return err;
    *ret_model = co_take(&m);
    return CO_OK;
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
