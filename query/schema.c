/* schema.c - see schema.h. */
#include "query/schema.h"

#include "common/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROW_PATH "provenance.row"

enum {
    NEAR_MAX = 3,
    LIST_COLUMNS_MAX = 60,
    NAMES_BYTES = 360, /* of columns in a message */
};

enum co_err
schema_new(struct schema **ret_schema)
{
    struct schema *schema = calloc(1, sizeof *schema);

    if (!schema) return CO_NOMEM;
    *ret_schema = schema;
    return CO_OK;
}

void
schema_free(struct schema *schema)
{
    free(schema);
}

/* ---- learning ---- */

static struct schema_column *
column_of(struct schema *schema, const char *path)
{
    struct schema_column *column;

    for (uint32_t i = 0; i < schema->count; i++) {
        if (strcmp(schema->columns[i].path, path) == 0) {
            return &schema->columns[i];
        }
    }
    if (schema->count == SCHEMA_COLUMNS_MAX) return NULL;
    column = &schema->columns[schema->count++];
    *column = (struct schema_column){.types = 0};
    (void)snprintf(column->path, sizeof column->path, "%s", path);
    return column;
}

static void
learn_items(struct schema_column *column, const struct scan_value *list)
{
    struct scan_walk walk;
    struct scan_value item;

    scan_begin(&walk, list);
    while (scan_next(&walk, &item)) {
        column->items |= SCHEMA_BIT(item.type);
    }
}

/* No deeper than a path has steps: NOLINTBEGIN(misc-no-recursion) */
static enum co_err learn_members(struct schema *schema,
                                 const struct scan_value *object,
                                 const char *prefix);

static enum co_err
learn_member(struct schema *schema, const struct scan_value *member,
             const char *prefix)
{
    char path[SCAN_PATH_BYTES];
    struct schema_column *column;
    struct scan_path parsed;
    int len = snprintf(path, sizeof path, "%s%s%.*s", prefix,
                       prefix[0] ? "." : "", (int)member->key_len, member->key);

    if (len < 0 || (size_t)len >= sizeof path ||
        !scan_path_parse(path, (size_t)len, &parsed)) {
        return CO_FULL;
    }
    column = column_of(schema, path);
    if (!column) return CO_FULL;
    column->types |= SCHEMA_BIT(member->type);
    if (member->type == SCAN_ARRAY) learn_items(column, member);
    if (member->type != SCAN_OBJECT) return CO_OK;
    return learn_members(schema, member, path);
}

static enum co_err
learn_members(struct schema *schema, const struct scan_value *object,
              const char *prefix)
{
    struct scan_walk walk;
    struct scan_value member;
    enum co_err err = CO_OK;

    scan_begin(&walk, object);
    while (!err && scan_next(&walk, &member)) {
        err = learn_member(schema, &member, prefix);
    }
    return err ? err : walk.err;
}

/* NOLINTEND(misc-no-recursion) */

enum co_err
schema_learn(struct schema *schema, const char *line, size_t len)
{
    struct scan_value row;
    enum co_err err = scan_value_of(line, len, &row);

    if (!err && row.type != SCAN_OBJECT) err = CO_INVALID;
    if (!err) err = learn_members(schema, &row, "");
    if (!err) schema->rows++;
    return err;
}

/* ---- asking ---- */

const struct schema_column *
schema_find(const struct schema *schema, const char *path, size_t len)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        const char *name = schema->columns[i].path;

        if (strncmp(name, path, len) == 0 && name[len] == '\0') {
            return &schema->columns[i];
        }
    }
    return NULL;
}

const char *
schema_alias(const struct schema *schema, const char *path, size_t len)
{
    if (len != 3 || memcmp(path, "row", 3) != 0) return NULL;
    if (schema_find(schema, path, len)) return NULL;
    return schema_find(schema, ROW_PATH, strlen(ROW_PATH)) ? ROW_PATH : NULL;
}

/* "size" is near to household.size, "stat" to state. */
static size_t
distance_to(const char *column, const char *path, size_t len)
{
    const char *last = strrchr(column, '.');
    size_t far = co_near_distance(path, len, column, strlen(column));

    if (last && strlen(last + 1) == len && memcmp(last + 1, path, len) == 0) {
        return 0;
    }
    return far;
}

const char *
schema_nearest(const struct schema *schema, const char *path, size_t len)
{
    const char *best = NULL;
    size_t best_far = NEAR_MAX;

    for (uint32_t i = 0; i < schema->count; i++) {
        const char *column = schema->columns[i].path;

        if (strlen(column) == len && strncasecmp(column, path, len) == 0) {
            return column;
        }
    }
    for (uint32_t i = 0; i < schema->count; i++) {
        size_t far = distance_to(schema->columns[i].path, path, len);

        if (far >= best_far || far >= len) continue;
        best_far = far;
        best = schema->columns[i].path;
    }
    return best;
}

bool
schema_is_object(const struct schema_column *column)
{
    return column->types & SCHEMA_BIT(SCAN_OBJECT);
}

static const char *
list_name(uint32_t items)
{
    uint32_t seen = items & ~SCHEMA_BIT(SCAN_NULL);

    if (seen == SCHEMA_BIT(SCAN_TEXT)) return "a list of texts";
    if (seen == SCHEMA_BIT(SCAN_NUMBER)) return "a list of numbers";
    return "a list";
}

const char *
schema_type_name(const struct schema_column *column)
{
    uint32_t seen = column->types & ~SCHEMA_BIT(SCAN_NULL);

    if (seen == 0) return "";
    if (seen == SCHEMA_BIT(SCAN_NUMBER)) return "a number";
    if (seen == SCHEMA_BIT(SCAN_TEXT)) return "a text";
    if (seen == SCHEMA_BIT(SCAN_ARRAY)) return list_name(column->items);
    if (seen == SCHEMA_BIT(SCAN_OBJECT)) return "an object";
    if ((seen & ~SCHEMA_BOOL) == 0) return "true or false";
    return "of several types";
}

/* The columns at the top, in a sentence. */
static void
put_columns(const struct schema *schema, struct co_buf *out)
{
    const char *between = "";
    uint32_t n = 0;

    for (uint32_t i = 0; i < schema->count && n < LIST_COLUMNS_MAX; i++) {
        if (strchr(schema->columns[i].path, '.')) continue;
        if (out->len > NAMES_BYTES) {
            co_buf_puts(out, " ...; `" CO_PROGRAM
                             " query OUT --limit 1 --format jsonl` prints all");
            return;
        }
        co_buf_printf(out, "%s%s", between, schema->columns[i].path);
        between = ", ";
        n++;
    }
}

static enum co_err
unknown(const struct schema *schema, const char *path, size_t len,
        struct co_diag *diag)
{
    const char *near = schema_nearest(schema, path, len);
    int shown = (int)co_min_u64(len, 60);
    struct co_buf names;

    if (near) {
        return co_fail(diag, CO_NOTFOUND,
                       "there is no column %.*s; did you mean %s?", shown, path,
                       near);
    }
    co_buf_init(&names, 640); /* of a message's 1,024 */
    put_columns(schema, &names);
    (void)co_fail(diag, CO_NOTFOUND,
                  "there is no column %.*s; the rows have %s", shown, path,
                  names.err ? "too many to list; `" CO_PROGRAM
                              " show` prints one of them"
                            : co_buf_text(&names));
    co_buf_fini(&names);
    return CO_NOTFOUND;
}

/* household.income_usd[0] without its last "[0]"; len when it has none. */
static size_t
without_element(const char *path, size_t len)
{
    size_t n = len;

    while (n > 0 && path[n - 1] != '[') {
        n--;
    }
    return n ? n - 1 : len;
}

static enum co_err
resolve_element(const struct schema *schema, const char *path, size_t list_len,
                struct schema_column *ret_column, struct co_diag *diag)
{
    const struct schema_column *list = schema_find(schema, path, list_len);

    if (!list) return unknown(schema, path, list_len, diag);
    if (!(list->types & SCHEMA_BIT(SCAN_ARRAY)) &&
        list->types & ~SCHEMA_BIT(SCAN_NULL)) {
        return co_fail(diag, CO_INVALID, "%s is %s, no list", list->path,
                       schema_type_name(list));
    }
    *ret_column = *list;
    ret_column->types = list->items;
    ret_column->items = 0;
    return CO_OK;
}

enum co_err
schema_resolve(const struct schema *schema, const char *path, size_t len,
               struct scan_path *ret_path, struct schema_column *ret_column,
               struct co_diag *diag)
{
    const char *alias = schema_alias(schema, path, len);
    const struct schema_column *column;
    size_t list_len;

    if (alias) {
        path = alias;
        len = strlen(alias);
    }
    if (!scan_path_parse(path, len, ret_path)) {
        return co_fail(diag, CO_INVALID,
                       "%.*s is no column: names are joined by dots, list "
                       "elements counted from [0]",
                       (int)co_min_u64(len, 60), path);
    }
    list_len = without_element(path, len);
    if (list_len < len) {
        return resolve_element(schema, path, list_len, ret_column, diag);
    }
    column = schema_find(schema, path, len);
    if (!column) return unknown(schema, path, len, diag);
    *ret_column = *column;
    return CO_OK;
}
