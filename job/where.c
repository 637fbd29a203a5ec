/* where.c - see where.h. */
#include "job/where.h"
#include "common/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
where_fini(struct job_where *where)
{
    for (size_t i = 0; i < where->count; i++) {
        for (size_t v = 0; v < where->items[i].n_values; v++) {
            free(where->items[i].values[v]);
        }
        free(where->items[i].values);
    }
    *where = (struct job_where){0};
}

/* A fresh item; where owns it at once. */
static struct where_item *
add_item(struct job_where *where, enum attribute_id id, size_t n_values)
{
    struct where_item *item;

    co_assert(where->count < ATTR_ALL);
    item = &where->items[where->count];
    *item = (struct where_item){.id = id};
    if (n_values) {
        item->values = calloc(n_values, sizeof *item->values);
        if (!item->values) return NULL;
    }
    where->count++;
    return item;
}

static bool
add_value(struct where_item *item, const char *text)
{
    char *copy = strdup(text);

    if (copy) item->values[item->n_values++] = copy;
    return copy != NULL;
}

static const char *
name_of(const struct where_item *item)
{
    return item->user[0] ? item->user : attribute_get(item->id)->name;
}

static int
compare_values(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
compare_items(const void *a, const void *b)
{
    const struct where_item *ia = a, *ib = b;

    return strcmp(name_of(ia), name_of(ib));
}

/* --- from the job file ---------------------------------------------------- */

/* {min: 18, max: 64}, either alone, or one number. */
static enum co_err
number_from_yaml(struct where_item *item, const struct co_yaml *node,
                 struct co_diag *diag)
{
    static const char *const keys[] = {"min", "max", NULL};
    const struct co_yaml *min = co_yaml_get(node, "min");
    const struct co_yaml *max = co_yaml_get(node, "max");
    uint64_t low = 0, high = INT32_MAX;
    enum co_err err;

    if (node->kind == CO_YAML_SEQ) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found a list; allowed is a number, or {min: A, "
                            "max: B}");
    }
    if (node->kind == CO_YAML_SCALAR) {
        err = co_yaml_u64(node, 0, INT32_MAX, &low, diag);
        high = low;
    } else {
        err = co_yaml_keys(node, keys, diag);
        if (!err && min) err = co_yaml_u64(min, 0, INT32_MAX, &low, diag);
        if (!err && max) err = co_yaml_u64(max, 0, INT32_MAX, &high, diag);
    }
    if (err) return err;
    if (node->count == 0 && node->kind == CO_YAML_MAP) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found an empty map; give min, max or both");
    }
    if (low > high) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "min %llu is above max %llu: no such people",
                            (unsigned long long)low, (unsigned long long)high);
    }
    item->has_min = min || node->kind == CO_YAML_SCALAR;
    item->has_max = max || node->kind == CO_YAML_SCALAR;
    item->min = (int64_t)low;
    item->max = (int64_t)high;
    return CO_OK;
}

static enum co_err
label_from_yaml(struct where_item *item, const struct co_yaml *node,
                struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, WHERE_TEXT_MAX, &text, diag);

    if (err) return err;
    if (!add_value(item, text)) return co_fail(diag, CO_NOMEM, "out of memory");
    return CO_OK;
}

static enum co_err
check_label_list(const struct co_yaml *node, struct co_diag *diag)
{
    if (node->kind == CO_YAML_MAP) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found a map; allowed is one value or a list of "
                            "values ([a, b])");
    }
    if (node->kind == CO_YAML_SEQ && node->count == 0) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found an empty list: no such people; give at "
                            "least one value");
    }
    if (node->count > WHERE_VALUES_MAX) {
        return co_yaml_fail(node, diag, CO_RANGE,
                            "found %u values; allowed are at most %d",
                            node->count, WHERE_VALUES_MAX);
    }
    return CO_OK;
}

static enum co_err
item_from_yaml(struct job_where *where, enum attribute_id id, bool user,
               const struct co_yaml *node, struct co_diag *diag)
{
    bool number = !user && attribute_get(id)->kind == ATTR_INTEGER;
    size_t room = node->kind == CO_YAML_SEQ ? node->count : 1;
    struct where_item *item;
    enum co_err err = number ? CO_OK : check_label_list(node, diag);

    if (err) return err;
    item = add_item(where, id, number ? 0 : room);
    if (!item) return co_fail(diag, CO_NOMEM, "out of memory");
    if (user) (void)snprintf(item->user, sizeof item->user, "%s", node->key);
    item->line = node->line;
    if (number) return number_from_yaml(item, node, diag);
    if (node->kind == CO_YAML_SCALAR) return label_from_yaml(item, node, diag);
    for (const struct co_yaml *v = node->first; v && !err; v = v->next) {
        err = label_from_yaml(item, v, diag);
    }
    return err;
}

enum co_err
where_from_yaml(struct job_where *where, const struct co_yaml *map,
                bool columns, struct co_diag *diag)
{
    const char *names[ATTR_COUNT + 1] = {NULL};
    enum attribute_id id = ATTR_STATE;
    uint32_t users = 0;
    enum co_err err;

    for (unsigned i = 0; i < ATTR_COUNT; i++) {
        names[i] = attribute_get((enum attribute_id)i)->name;
    }
    err = columns ? co_yaml_expect(map, CO_YAML_MAP, diag)
                  : co_yaml_keys(map, names, diag);
    for (const struct co_yaml *c = map->first; c && !err; c = c->next) {
        bool user = attribute_find(c->key, &id) != CO_OK;

        if (user && (users++ == MODEL_USERS || !table_name_good(c->key))) {
            return co_yaml_keys(map, names, diag);
        }
        err = item_from_yaml(where, id, user, c, diag);
    }
    return err;
}

/* --- from a recipe -------------------------------------------------------- */

static enum co_err
values_from_json(struct job_where *where, enum attribute_id id,
                 const char *user, const json_t *array)
{
    size_t n = json_array_size(array);
    const char *last = NULL;
    struct where_item *item;

    if (n == 0 || n > WHERE_VALUES_MAX) return CO_RANGE;
    item = add_item(where, id, n);
    if (!item) return CO_NOMEM;
    if (user) (void)snprintf(item->user, sizeof item->user, "%s", user);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (!text || !*text || strlen(text) > WHERE_TEXT_MAX) return CO_INVALID;
        if (!add_value(item, text)) return CO_NOMEM;
        /* canonical: sorted, each once */
        if (last && strcmp(last, text) >= 0) return CO_INVALID;
        last = text;
    }
    return CO_OK;
}

static bool
bound_from_json(const json_t *object, const char *key, bool *ret_has,
                int64_t *ret_value)
{
    const json_t *value = json_object_get(object, key);

    *ret_has = value != NULL;
    if (!value) return true;
    *ret_value = json_integer_value(value);
    return json_is_integer(value) && *ret_value >= 0 && *ret_value <= INT32_MAX;
}

static enum co_err
bounds_from_json(struct job_where *where, enum attribute_id id,
                 const json_t *object)
{
    struct where_item *item = add_item(where, id, 0);

    co_assert(item);
    if (!bound_from_json(object, "min", &item->has_min, &item->min) ||
        !bound_from_json(object, "max", &item->has_max, &item->max)) {
        return CO_INVALID;
    }
    if (json_object_size(object) !=
            (size_t)item->has_min + (size_t)item->has_max ||
        json_object_size(object) == 0) {
        return CO_INVALID;
    }
    return CO_OK;
}

enum co_err
where_from_json(struct job_where *where, json_t *object,
                const struct user_tables *tables, struct co_diag *diag)
{
    void *at;

    if (!json_is_object(object)) {
        return co_fail(diag, CO_INVALID, "recipe: where is not an object");
    }
    for (at = json_object_iter(object); at;
         at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        const json_t *value = json_object_iter_value(at);
        enum attribute_id id = ATTR_STATE;
        enum co_err err = tables_find(tables, tables->count, key, &id);
        bool user = (unsigned)id >= ATTR_USER;

        /* Keys are unique, so there is room for all. */
        if (!err && attribute_kind(id) == ATTR_INTEGER) {
            err = bounds_from_json(where, id, value);
        } else if (!err) {
            err = values_from_json(where, user ? ATTR_STATE : id,
                                   user ? key : NULL, value);
        }
        if (err) {
            return co_fail(diag, err, "recipe: bad condition on \"%.40s\"",
                           key);
        }
    }
    qsort(where->items, where->count, sizeof *where->items, compare_items);
    return CO_OK;
}

/* --- normalising ---------------------------------------------------------- */

/* Replaces text by the model's label; false: the model has no such value. */
static enum co_err
to_label(const struct model *m, enum attribute_id id, char **text)
{
    uint32_t n = attribute_values(m, id);

    for (uint32_t v = 0; v < n; v++) {
        struct model_text label;
        char *copy;

        if (!attribute_matches(m, id, v, *text)) continue;
        label = attribute_label(m, id, v);
        copy = strndup(label.data, label.len);
        if (!copy) return CO_NOMEM;
        free(*text);
        *text = copy;
        return CO_OK;
    }
    return CO_NOTFOUND;
}

static void
sort_values(struct where_item *item)
{
    size_t kept = 0;

    qsort(item->values, item->n_values, sizeof *item->values, compare_values);
    for (size_t i = 0; i < item->n_values; i++) {
        if (kept && strcmp(item->values[kept - 1], item->values[i]) == 0) {
            free(item->values[i]);
        } else {
            item->values[kept++] = item->values[i];
        }
    }
    item->n_values = kept;
}

static void
condition_of(const struct where_item *item, struct condition *c)
{
    *c = (struct condition){
        .attribute = name_of(item),
        .has_min = item->has_min,
        .has_max = item->has_max,
        .min = item->min,
        .max = item->max,
        .values = (const char *const *)item->values,
        .n_values = item->n_values,
    };
}

size_t
where_conditions(const struct job_where *where,
                 struct condition conditions[ATTR_ALL])
{
    for (size_t i = 0; i < where->count; i++) {
        condition_of(&where->items[i], &conditions[i]);
    }
    return where->count;
}

/* The sampler knows best what is wrong and what is allowed; its message gets
 * the place in the file. */
static enum co_err
ask_sampler(const struct model *m, const struct condition *conditions,
            size_t count, const char *file, uint32_t line, struct co_diag *diag)
{
    co_auto(sampler_freep) struct sampler *sampler = NULL;
    enum co_err err = sampler_new(m, 0, conditions, count, diag, &sampler);

    return err ? co_fail_prefix(diag, err, "%s:%u", file, line) : CO_OK;
}

static enum co_err
normalise_labels(struct where_item *item, const struct model *m,
                 const char *file, struct co_diag *diag)
{
    enum attribute_id id = item->id;
    bool known = attribute_find_in(m, name_of(item), &id) == CO_OK &&
                 attribute_values(m, id);

    for (size_t i = 0; i < item->n_values; i++) {
        enum co_err err =
            known ? to_label(m, id, &item->values[i]) : CO_NOTFOUND;

        if (err == CO_NOTFOUND) {
            struct condition c;

            condition_of(item, &c);
            return ask_sampler(m, &c, 1, file, item->line, diag);
        }
        if (err) return co_fail(diag, err, "out of memory");
    }
    sort_values(item);
    return CO_OK;
}

/* A bound that excludes nobody goes away. One of them stays for an income:
 * it excludes who has none. */
static void
normalise_bounds(struct where_item *item, const struct model *m)
{
    int64_t top = (int64_t)attribute_values(m, item->id) - 1;

    if (top < 0) return; /* this population has no such number: refused later */
    if (item->has_min && item->min == 0) item->has_min = false;
    if (item->has_max && item->max >= top) item->has_max = false;
    if (item->id == ATTR_INCOME && !item->has_max && !item->has_min) {
        item->has_min = true;
        item->min = 0;
    }
}

enum co_err
where_normalise(struct job_where *where, const struct model *m,
                const char *file, uint32_t line, struct co_diag *diag)
{
    struct condition conditions[ATTR_ALL];
    size_t kept = 0;
    enum co_err err = CO_OK;

    for (size_t i = 0; i < where->count && !err; i++) {
        struct where_item *item = &where->items[i];

        if (item->values) {
            err = normalise_labels(item, m, file, diag);
        } else {
            normalise_bounds(item, m);
        }
    }
    if (err) return err;
    for (size_t i = 0; i < where->count; i++) {
        struct where_item *item = &where->items[i];

        if (item->values || item->has_min || item->has_max) {
            where->items[kept++] = *item;
        }
    }
    where->count = kept;
    qsort(where->items, kept, sizeof *where->items, compare_items);
    if (kept == 0) return CO_OK;
    return ask_sampler(m, conditions, where_conditions(where, conditions), file,
                       line, diag);
}

void
where_write(const struct job_where *where, struct co_json *json)
{
    co_json_object(json);
    for (size_t i = 0; i < where->count; i++) {
        const struct where_item *item = &where->items[i];

        co_json_key(json, name_of(item));
        if (item->values) {
            co_json_array(json);
            for (size_t v = 0; v < item->n_values; v++) {
                co_json_text(json, item->values[v]);
            }
        } else {
            co_json_object(json);
        }
        if (item->has_max) co_json_put_u64(json, "max", (uint64_t)item->max);
        if (item->has_min) co_json_put_u64(json, "min", (uint64_t)item->min);
        co_json_end(json);
    }
    co_json_end(json);
}
