/* mix.c - see mix.h. */
#include "job/mix.h"
#include "common/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIX_DECIMALS = 6 };

void
mix_fini(struct job_mix *mix)
{
    for (size_t i = 0; i < mix->count; i++) {
        free(mix->items[i].value);
    }
    free(mix->items);
    *mix = (struct job_mix){0};
}

/* A fresh item, which mix owns; room doubles. */
static enum co_err
add_item(struct job_mix *mix, enum attribute_id id, const char *value,
         struct mix_item **ret_item)
{
    char *copy;

    if (mix->count == MIX_ITEMS_MAX) return CO_FULL;
    if ((mix->count & (mix->count - 1)) == 0) {
        size_t room = mix->count ? 2 * mix->count : 1;
        struct mix_item *more = realloc(mix->items, room * sizeof *more);

        if (!more) return CO_NOMEM;
        mix->items = more;
    }
    copy = strdup(value);
    if (!copy) return CO_NOMEM;
    mix->items[mix->count] = (struct mix_item){.id = id, .value = copy};
    *ret_item = &mix->items[mix->count++];
    return CO_OK;
}

static int
compare_items(const void *a, const void *b)
{
    const struct mix_item *ia = a, *ib = b;
    int names =
        strcmp(attribute_get(ia->id)->name, attribute_get(ib->id)->name);

    return names ? names : strcmp(ia->value, ib->value);
}

static bool
take_age(const char **at, uint32_t *ret_age)
{
    const char *p = *at;
    uint32_t age = 0;

    while (*p >= '0' && *p <= '9' && p - *at < 3) {
        age = age * 10 + (uint32_t)(*p++ - '0');
    }
    if (p == *at || (p - *at > 1 && **at == '0') || age >= MODEL_AGES) {
        return false;
    }
    *at = p;
    *ret_age = age;
    return true;
}

/* "18-29", "18" or "80+". */
static bool
parse_band(const char *text, uint32_t *ret_from, uint32_t *ret_to)
{
    if (!take_age(&text, ret_from)) return false;
    *ret_to = *ret_from;
    if (strcmp(text, "+") == 0) {
        *ret_to = MODEL_AGES - 1;
        return true;
    }
    if (*text == '\0') return true;
    if (*text++ != '-') return false;
    return take_age(&text, ret_to) && *text == '\0' && *ret_from <= *ret_to;
}

/* --- from the job file ---------------------------------------------------- */

static enum co_err
weight_from_yaml(struct job_mix *mix, enum attribute_id id,
                 const struct co_yaml *node, struct co_diag *diag)
{
    struct mix_item *item = NULL;
    uint64_t weight = 0;
    enum co_err err = co_yaml_fixed(node, MIX_DECIMALS, MIX_MAX, &weight, diag);

    if (err) return err;
    if (strlen(node->key) > MIX_TEXT_MAX) {
        return co_yaml_fail(node, diag, CO_RANGE,
                            "the value is longer than %d bytes", MIX_TEXT_MAX);
    }
    err = add_item(mix, id, node->key, &item);
    if (err == CO_FULL) {
        return co_yaml_fail(node, diag, err, "more than %d weights",
                            MIX_ITEMS_MAX);
    }
    if (err) return co_fail(diag, err, "out of memory");
    item->weight = (uint32_t)weight;
    if (id != ATTR_AGE || parse_band(node->key, &item->from, &item->to)) {
        return CO_OK;
    }
    return co_yaml_fail(node, diag, CO_INVALID,
                        "these are no ages; allowed are \"18-29\", \"18\" and "
                        "\"80+\", from 0 to %d",
                        MODEL_AGES - 1);
}

enum co_err
mix_from_yaml(struct job_mix *mix, const struct co_yaml *map,
              struct co_diag *diag)
{
    const char *roots[ATTR_COUNT + 1] = {NULL};
    enum attribute_id id = ATTR_STATE;
    size_t n = 0;
    enum co_err err;

    for (unsigned i = 0; i < ATTR_COUNT; i++) {
        const struct attribute *a = attribute_get((enum attribute_id)i);

        if (a->root) roots[n++] = a->name;
    }
    err = co_yaml_keys(map, roots, diag);
    for (const struct co_yaml *a = map->first; a && !err; a = a->next) {
        err = co_yaml_expect(a, CO_YAML_MAP, diag);
        if (!err) err = attribute_find(a->key, &id);
        for (const struct co_yaml *w = a->first; w && !err; w = w->next) {
            err = weight_from_yaml(mix, id, w, diag);
        }
    }
    return err;
}

/* --- from a recipe -------------------------------------------------------- */

static enum co_err
weight_from_json(struct job_mix *mix, enum attribute_id id, const char *value,
                 const json_t *weight)
{
    struct mix_item *item = NULL;
    json_int_t n = json_integer_value(weight);
    enum co_err err;

    if (!json_is_integer(weight) || n < 0 || n > MIX_MAX || !*value ||
        strlen(value) > MIX_TEXT_MAX) {
        return CO_INVALID;
    }
    err = add_item(mix, id, value, &item);
    if (err) return err;
    item->weight = (uint32_t)n;
    if (id == ATTR_AGE && !parse_band(value, &item->from, &item->to)) {
        return CO_INVALID;
    }
    return CO_OK;
}

static enum co_err
attribute_from_json(struct job_mix *mix, const char *name, json_t *values)
{
    enum attribute_id id = ATTR_STATE;
    enum co_err err = attribute_find(name, &id);

    if (!err && (!attribute_get(id)->root || json_object_size(values) == 0)) {
        return CO_INVALID;
    }
    for (void *at = json_object_iter(values); at && !err;
         at = json_object_iter_next(values, at)) {
        err = weight_from_json(mix, id, json_object_iter_key(at),
                               json_object_iter_value(at));
    }
    return err;
}

enum co_err
mix_from_json(struct job_mix *mix, json_t *object, struct co_diag *diag)
{
    if (!object) return CO_OK;
    if (json_object_size(object) == 0) {
        return co_fail(diag, CO_INVALID, "recipe: mix is not an object");
    }
    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at)) {
        enum co_err err = attribute_from_json(mix, json_object_iter_key(at),
                                              json_object_iter_value(at));

        if (err) {
            return co_fail(diag, err, "recipe: bad mix of \"%.40s\"",
                           json_object_iter_key(at));
        }
    }
    if (mix->count) {
        qsort(mix->items, mix->count, sizeof *mix->items, compare_items);
    }
    return CO_OK;
}

/* --- normalising ---------------------------------------------------------- */

/* All weights by number, as long as they are being compared. */
struct spread {
    uint32_t weight[ATTR_COUNT][256];
};

/* The value of a label, or UINT32_MAX. */
static uint32_t
value_of(const struct model *m, const struct mix_item *item)
{
    uint32_t n = attribute_values(m, item->id);

    for (uint32_t v = 0; v < n; v++) {
        if (attribute_matches(m, item->id, v, item->value)) return v;
    }
    return UINT32_MAX;
}

static void
spread_item(const struct model *m, const struct mix_item *item,
            struct spread *to)
{
    if (item->id == ATTR_AGE) {
        for (uint32_t v = item->from; v <= item->to; v++) {
            to->weight[item->id][v] = item->weight;
        }
    } else {
        to->weight[item->id][value_of(m, item)] = item->weight;
    }
}

static enum co_err
gather_label(struct job_mix *mix, const struct model *m, enum attribute_id id,
             uint32_t v, uint32_t weight)
{
    struct model_text t = attribute_label(m, id, v);
    struct mix_item *item = NULL;
    char label[MIX_TEXT_MAX + 1];
    enum co_err err;

    (void)snprintf(label, sizeof label, "%.*s", (int)t.len, t.data);
    err = add_item(mix, id, label, &item);
    if (!err) item->weight = weight;
    return err;
}

static enum co_err
gather_ages(struct job_mix *mix, uint32_t from, uint32_t to, uint32_t weight)
{
    struct mix_item *item = NULL;
    char band[16];
    enum co_err err;

    if (from == to) {
        (void)snprintf(band, sizeof band, "%u", from);
    } else {
        (void)snprintf(band, sizeof band, "%u-%u", from, to);
    }
    err = add_item(mix, ATTR_AGE, band, &item);
    if (err) return err;
    item->weight = weight;
    item->from = from;
    item->to = to;
    return CO_OK;
}

/* Items of one attribute, from its weights: runs of ages, single labels. */
static enum co_err
gather(struct job_mix *mix, const struct model *m, enum attribute_id id,
       const uint32_t *weight)
{
    uint32_t n = attribute_values(m, id), next = 0;
    enum co_err err = CO_OK;
    bool same = weight[0] != 0;

    for (uint32_t v = 1; v < n; v++) {
        same = same && weight[v] == weight[0];
    }
    for (uint32_t v = 0; v < n && !same && !err; v = next) {
        next = v + 1;
        while (id == ATTR_AGE && next < n && weight[next] == weight[v]) {
            next++;
        }
        if (weight[v] == MIX_ONE) continue;
        err = id == ATTR_AGE ? gather_ages(mix, v, next - 1, weight[v])
                             : gather_label(mix, m, id, v, weight[v]);
    }
    return err;
}

/* The sampler knows best what is wrong: unknown labels, values given twice,
 * nobody left. */
static enum co_err
check(const struct job_mix *mix, const struct job_where *where,
      const struct model *m, struct co_diag *diag)
{
    co_auto(sampler_freep) struct sampler *sampler = NULL;
    struct condition conditions[ATTR_ALL];
    struct sampler_wish wish = {
        .conditions = conditions,
        .n_conditions = where_conditions(where, conditions),
        .n_mix = mix->count,
    };
    struct mix_weight *weights = mix_weights(mix);
    enum co_err err;

    if (!weights) return co_fail(diag, CO_NOMEM, "out of memory");
    wish.mix = weights;
    err = sampler_make(m, &wish, diag, &sampler);
    free(weights);
    return err;
}

enum co_err
mix_normalise(struct job_mix *mix, const struct job_where *where,
              const struct model *m, const char *file, uint32_t line,
              struct co_diag *diag)
{
    struct job_mix made = {0};
    struct spread *all;
    enum co_err err;

    if (mix->count == 0) return CO_OK;
    err = check(mix, where, m, diag);
    if (err) return co_fail_prefix(diag, err, "%s:%u", file, line);
    all = malloc(sizeof *all);
    if (!all) return co_fail(diag, CO_NOMEM, "out of memory");
    for (unsigned id = 0; id < ATTR_COUNT; id++) {
        for (unsigned v = 0; v < 256; v++) {
            all->weight[id][v] = MIX_ONE;
        }
    }
    for (size_t i = 0; i < mix->count; i++) {
        spread_item(m, &mix->items[i], all);
    }
    for (unsigned id = 0; id < ATTR_COUNT && !err; id++) {
        if (!attribute_get((enum attribute_id)id)->root) continue;
        err = gather(&made, m, (enum attribute_id)id, all->weight[id]);
    }
    free(all);
    mix_fini(mix);
    *mix = made;
    if (err) return co_fail(diag, err, "out of memory");
    if (mix->count) {
        qsort(mix->items, mix->count, sizeof *mix->items, compare_items);
    }
    return CO_OK;
}

void
mix_write(const struct job_mix *mix, struct co_json *json)
{
    co_json_object(json);
    for (size_t i = 0; i < mix->count; i++) {
        const struct mix_item *item = &mix->items[i];
        bool first = i == 0 || mix->items[i - 1].id != item->id;
        bool last = i + 1 == mix->count || mix->items[i + 1].id != item->id;

        if (first) {
            co_json_key(json, attribute_get(item->id)->name);
            co_json_object(json);
        }
        co_json_put_u64(json, item->value, item->weight);
        if (last) co_json_end(json);
    }
    co_json_end(json);
}

struct mix_weight *
mix_weights(const struct job_mix *mix)
{
    struct mix_weight *weights = calloc(mix->count + 1, sizeof *weights);

    for (size_t i = 0; weights && i < mix->count; i++) {
        const struct mix_item *item = &mix->items[i];

        weights[i] = (struct mix_weight){
            .attribute = item->id,
            .value = item->id == ATTR_AGE ? NULL : item->value,
            .from = item->from,
            .to = item->to,
            .weight = item->weight,
        };
    }
    return weights;
}
