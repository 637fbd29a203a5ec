/* tables_json.c - see tables_json.h. */
#include "job/tables_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const uses[] = {
    [TABLE_COLUMN] = "column",
    [TABLE_REPLACE] = "replace",
    [TABLE_MARGIN] = "margin",
};

/* --- writing -------------------------------------------------------------- */

static const char *
name_of(const struct user_tables *t, enum attribute_id id)
{
    unsigned left = (unsigned)id - ATTR_USER;

    if ((unsigned)id < ATTR_USER) return attribute_get(id)->name;
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->list[i].use == TABLE_COLUMN && left-- == 0) {
            return t->list[i].name;
        }
    }
    co_assert(false && "a key is no column");
    return "";
}

static void
write_names(const struct user_tables *all, const char *key,
            const enum attribute_id *ids, uint32_t n, struct co_json *json)
{
    co_json_key(json, key);
    co_json_array(json);
    for (uint32_t k = 0; k < n; k++) {
        co_json_text(json, name_of(all, ids[k]));
    }
    co_json_end(json);
}

static void
write_rows(const struct user_table *t, struct co_json *json)
{
    uint32_t stride = table_stride(t);

    co_json_key(json, "rows");
    co_json_array(json);
    for (uint32_t r = 0; r < t->n_rows; r++) {
        co_json_array(json);
        for (uint32_t i = 0; i < stride; i++) {
            co_json_u64(json, t->rows[(size_t)r * stride + i]);
        }
        co_json_end(json);
    }
    co_json_end(json);
}

static void
write_table(const struct user_tables *all, const struct user_table *t,
            struct co_json *json)
{
    co_json_object(json);
    co_json_put_text(json, "attribute", t->name);
    write_names(all, "given", t->keys, t->n_given, json);
    if (t->use == TABLE_MARGIN) {
        write_names(all, "of", t->keys + t->n_given, t->n_keys - t->n_given,
                    json);
    }
    write_rows(t, json);
    co_json_put_text(json, "use", uses[t->use]);
    if (t->use == TABLE_COLUMN) {
        co_json_key(json, "values");
        co_json_array(json);
        for (uint32_t v = 0; v < t->n_weights; v++) {
            co_json_text(json, t->labels[v]);
        }
        co_json_end(json);
    }
    co_json_end(json);
}

void
tables_write(const struct user_tables *tables, struct co_json *json)
{
    co_json_array(json);
    for (uint32_t i = 0; i < tables->count; i++) {
        write_table(tables, &tables->list[i], json);
    }
    co_json_end(json);
}

/* --- reading -------------------------------------------------------------- */

static bool
read_use(const json_t *value, enum table_use *ret_use)
{
    const char *text = json_string_value(value);

    for (size_t i = 0; text && i < co_countof(uses); i++) {
        if (strcmp(uses[i], text) != 0) continue;
        *ret_use = (enum table_use)i;
        return true;
    }
    return false;
}

/* Appends names to the keys. */
static bool
read_names(const struct user_tables *tables, const json_t *array,
           struct user_table *t)
{
    size_t n = json_array_size(array);

    if (!json_is_array(array) || n > TABLE_KEYS_MAX - t->n_keys) return false;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(array, i));

        if (!name ||
            tables_find(tables, tables->count, name, &t->keys[t->n_keys])) {
            return false;
        }
        t->n_keys++;
    }
    return true;
}

static enum co_err
read_labels(const json_t *array, struct user_table *t)
{
    size_t n = json_array_size(array);

    if (n < 1 || n > TABLE_VALUES_MAX) return CO_INVALID;
    t->labels = calloc(n, sizeof *t->labels);
    if (!t->labels) return CO_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (!text || strlen(text) > TABLE_LABEL_MAX) return CO_INVALID;
        t->labels[i] = strdup(text);
        if (!t->labels[i]) return CO_NOMEM;
        t->n_weights = (uint32_t)i + 1;
    }
    return CO_OK;
}

static enum co_err
read_row(const json_t *row, uint32_t *to, uint32_t stride)
{
    if (json_array_size(row) != stride) return CO_INVALID;
    for (uint32_t i = 0; i < stride; i++) {
        const json_t *value = json_array_get(row, i);
        json_int_t n = json_integer_value(value);

        if (!json_is_integer(value) || n < 0 || n > TABLE_WEIGHT_MAX) {
            return CO_INVALID;
        }
        to[i] = (uint32_t)n;
    }
    return CO_OK;
}

static enum co_err
read_rows(const json_t *array, struct user_table *t, size_t *ints)
{
    size_t n = json_array_size(array), width;
    enum co_err err = CO_OK;
    uint32_t stride;

    if (n < 1 || n > TABLE_ROWS_MAX) return CO_INVALID;
    width = json_array_size(json_array_get(array, 0));
    if (t->use != TABLE_COLUMN) {
        if (width <= table_key_ints(t) || width > 512) return CO_INVALID;
        t->n_weights = (uint32_t)width - table_key_ints(t);
    }
    stride = table_stride(t);
    if (n * stride > TABLE_INTS_MAX - *ints) return CO_FULL;
    *ints += n * stride;
    t->rows = calloc(n * stride, sizeof *t->rows);
    if (!t->rows) return CO_NOMEM;
    t->n_rows = (uint32_t)n;
    for (size_t r = 0; r < n && !err; r++) {
        err = read_row(json_array_get(array, r), t->rows + r * stride, stride);
    }
    return err;
}

static enum co_err
read_table(const struct user_tables *tables, const json_t *object,
           struct user_table *t, size_t *ints)
{
    const char *name = json_string_value(json_object_get(object, "attribute"));
    enum co_err err = CO_OK;

    if (!name || strlen(name) >= sizeof t->name ||
        !read_use(json_object_get(object, "use"), &t->use) ||
        !read_names(tables, json_object_get(object, "given"), t)) {
        return CO_INVALID;
    }
    memcpy(t->name, name, strlen(name) + 1);
    t->n_given = t->n_keys;
    if (t->use == TABLE_MARGIN &&
        !read_names(tables, json_object_get(object, "of"), t)) {
        return CO_INVALID;
    }
    if (t->use == TABLE_COLUMN) {
        err = read_labels(json_object_get(object, "values"), t);
    }
    return err ? err : read_rows(json_object_get(object, "rows"), t, ints);
}

enum co_err
tables_from_json(struct user_tables *tables, const json_t *array,
                 struct co_diag *diag)
{
    size_t n = json_array_size(array), ints = 0;

    if (!array) return CO_OK;
    if (n < 1 || n > TABLES_MAX) {
        return co_fail(diag, CO_INVALID,
                       "recipe: tables are no list of 1 to "
                       "%d",
                       TABLES_MAX);
    }
    tables->list = calloc(n, sizeof *tables->list);
    if (!tables->list) return co_fail(diag, CO_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct user_table *t = &tables->list[i];
        enum co_err err =
            read_table(tables, json_array_get(array, i), t, &ints);

        if (err) {
            /* Labels that were read are counted, so nothing is lost. */
            tables->count++;
            return co_fail(diag, err, "recipe: table %zu is malformed", i + 1);
        }
        tables->count++;
    }
    return CO_OK;
}
