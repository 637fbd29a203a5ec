/* manifest.c - see manifest.h. The map is read twice: for what it says of
 * itself before a model is open, for its tables after. */
#include "job/manifest.h"
#include "common/fs.h"
#include "common/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
manifest_free(struct manifest *f)
{
    if (!f) return;
    user_tables_fini(&f->tables);
    co_yaml_free(f->root);
    free(f->dir);
    free(f);
}

static enum co_err
read_text(const struct co_yaml *root, const char *key, const char **ret_text,
          struct co_diag *diag)
{
    const struct co_yaml *node = co_yaml_get(root, key);

    if (!node) return CO_OK;
    return co_yaml_text(node, MANIFEST_TEXT_MAX, ret_text, diag);
}

static enum co_err
read_base(struct manifest *f, struct co_diag *diag)
{
    static const char *const bases[] = {"us", "world", NULL};
    const struct co_yaml *node = co_yaml_get(f->root, "base");
    size_t index = 0;
    enum co_err err;

    if (!node) {
        return co_fail(diag, CO_INVALID,
                       "%s: base is missing; it names the population that the "
                       "tables stand on, for example us",
                       f->root->file);
    }
    err = co_yaml_enum(node, bases, &index, diag);
    if (!err) (void)snprintf(f->base, sizeof f->base, "%s", bases[index]);
    return err;
}

static enum co_err
read_head(struct manifest *f, struct co_diag *diag)
{
    static const char *const keys[] = {"base",    "name",   "source", "year",
                                       "licence", "tables", NULL};
    const struct co_yaml *year, *tables;
    uint64_t value = 0;
    enum co_err err = co_yaml_keys(f->root, keys, diag);

    if (err) return err;
    year = co_yaml_get(f->root, "year");
    tables = co_yaml_get(f->root, "tables");
    err = read_base(f, diag);
    if (!err) err = read_text(f->root, "name", &f->name, diag);
    if (!err) err = read_text(f->root, "source", &f->source, diag);
    if (!err) err = read_text(f->root, "licence", &f->licence, diag);
    if (!err && year) err = co_yaml_u64(year, 1, 9999, &value, diag);
    if (err) return err;
    f->year = (uint32_t)value;
    if (!tables) return CO_OK;
    err = co_yaml_expect(tables, CO_YAML_SEQ, diag);
    if (!err && tables->count > TABLES_MAX) {
        err = co_yaml_fail(tables, diag, CO_RANGE,
                           "found %u tables; allowed are at most %d",
                           tables->count, TABLES_MAX);
    }
    return err;
}

/* Only a regular file: a daemon must not wait for who writes into a FIFO. */
static enum co_err
load(const char *path, struct co_yaml **ret_root, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf text;
    enum co_err err;

    co_buf_init(&text, CO_YAML_FILE_MAX);
    err = co_fs_read_file(path, CO_YAML_FILE_MAX, &text, diag);
    if (err) return err;
    return co_yaml_load_text((const char *)text.data, text.len, path, ret_root,
                             diag);
}

enum co_err
manifest_open(const char *dir, struct manifest **ret, struct co_diag *diag)
{
    co_auto(manifest_freep) struct manifest *f = calloc(1, sizeof *f);
    char path[4096];
    enum co_err err;
    int n = snprintf(path, sizeof path, "%s/manifest.yaml", dir);

    if (n < 0 || (size_t)n >= sizeof path) {
        return co_fail(diag, CO_RANGE, "%.60s...: the path is too long", dir);
    }
    if (f) f->dir = strdup(dir);
    if (!f || !f->dir) return co_fail(diag, CO_NOMEM, "out of memory");
    err = load(path, &f->root, diag);
    if (!err) err = read_head(f, diag);
    if (err) return err;
    *ret = co_take(&f);
    return CO_OK;
}

/* --- tables --------------------------------------------------------------- */

/* A name or a list of names; up to TABLE_KEYS_MAX. */
static enum co_err
read_names(const struct co_yaml *node, const char *names[TABLE_KEYS_MAX],
           uint32_t *ret_n, struct co_diag *diag)
{
    const struct co_yaml *one = node->kind == CO_YAML_SEQ ? node->first : node;
    enum co_err err = CO_OK;

    *ret_n = 0;
    for (; one && !err; one = node->kind == CO_YAML_SEQ ? one->next : NULL) {
        if (*ret_n == TABLE_KEYS_MAX) {
            return co_yaml_fail(node, diag, CO_RANGE,
                                "more than %d attributes at once",
                                TABLE_KEYS_MAX);
        }
        err = co_yaml_text(one, MODEL_USER_NAME - 1, &names[*ret_n], diag);
        if (!err) ++*ret_n;
    }
    return err;
}

/* Adds a key in its place: they rise, age stands last. */
static void
insert_key(struct user_table *t, uint32_t from, enum attribute_id id)
{
    uint32_t at = t->n_keys++;

    while (at > from && (t->keys[at - 1] == ATTR_AGE ||
                         (id != ATTR_AGE && t->keys[at - 1] > id))) {
        t->keys[at] = t->keys[at - 1];
        at--;
    }
    t->keys[at] = id;
}

static bool
is_root(const char *name)
{
    enum attribute_id id = ATTR_STATE;

    return attribute_find(name, &id) == CO_OK && attribute_get(id)->root;
}

/* What the table is for follows from what it is of. */
static enum co_err
decide_use(const struct co_yaml *node, const char *const *names, uint32_t n,
           struct user_table *t, struct co_diag *diag)
{
    enum attribute_id id = ATTR_STATE;
    bool known = attribute_find(names[0], &id) == CO_OK;

    (void)snprintf(t->name, sizeof t->name, "%s", names[0]);
    if (is_root(names[0])) {
        t->use = TABLE_MARGIN;
    } else if (known && n == 1) {
        t->use = TABLE_REPLACE;
    } else if (n == 1 && table_name_good(names[0])) {
        t->use = TABLE_COLUMN;
    } else {
        return co_yaml_fail(
            node, diag, CO_INVALID,
            "found %s; allowed are root attributes (state, sex, age, "
            "race_ethnicity, or a list of them), education_level, "
            "marital_status, employment_status, or the name of a new column: 1 "
            "to %d of a-z and _, that rows do not have yet",
            co_yaml_found(node->kind == CO_YAML_SEQ ? node->first : node).text,
            MODEL_USER_NAME - 1);
    }
    if (t->use == TABLE_REPLACE && id != ATTR_EDUCATION && id != ATTR_MARITAL &&
        id != ATTR_EMPLOYMENT) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "%s cannot be replaced; allowed are "
                            "education_level, marital_status and "
                            "employment_status, and root attributes",
                            names[0]);
    }
    return CO_OK;
}

static enum co_err
read_given(const struct user_tables *earlier, const struct co_yaml *node,
           struct user_table *t, struct co_diag *diag)
{
    const char *names[TABLE_KEYS_MAX];
    uint32_t n = 0;
    enum co_err err = node ? read_names(node, names, &n, diag) : CO_OK;

    for (uint32_t i = 0; i < n && !err; i++) {
        enum attribute_id id = ATTR_STATE;

        if (tables_find(earlier, earlier->count, names[i], &id)) {
            return co_yaml_fail(node, diag, CO_INVALID,
                                "there is no attribute %s before this table; "
                                "allowed are age and attributes with labels, "
                                "and columns of the tables above",
                                names[i]);
        }
        insert_key(t, 0, id);
    }
    t->n_given = t->n_keys;
    return err;
}

static enum co_err
read_fitted(const struct co_yaml *node, const char *const *names, uint32_t n,
            struct user_table *t, struct co_diag *diag)
{
    for (uint32_t i = 0; i < n; i++) {
        enum attribute_id id = ATTR_STATE;

        if (!is_root(names[i]) || t->n_keys == TABLE_KEYS_MAX ||
            attribute_find(names[i], &id)) {
            return co_yaml_fail(node, diag, CO_INVALID,
                                "found %s; a joint is of state, sex, age and "
                                "race_ethnicity, each once",
                                names[i]);
        }
        insert_key(t, t->n_given, id);
    }
    return CO_OK;
}

/* A file of the folder itself: no way out of it. */
static enum co_err
file_path(const struct manifest *f, const struct co_yaml *node, char *path,
          size_t size, struct co_diag *diag)
{
    const char *name = NULL;
    enum co_err err = co_yaml_text(node, 200, &name, diag);

    if (err) return err;
    if (strchr(name, '/') || name[0] == '.') {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %s; allowed is the name of a file in this "
                            "folder",
                            co_yaml_found(node).text);
    }
    (void)snprintf(path, size, "%s/%s", f->dir, name);
    return CO_OK;
}

static enum co_err
read_table(struct manifest *f, const struct co_yaml *node,
           const struct model *base, struct user_table *t, struct co_diag *diag)
{
    static const char *const keys[] = {"attribute", "given", "file", NULL};
    const struct co_yaml *attribute, *file;
    const char *names[TABLE_KEYS_MAX];
    char path[4096 + 256];
    uint32_t n = 0;
    enum co_err err = co_yaml_keys(node, keys, diag);

    if (err) return err;
    attribute = co_yaml_get(node, "attribute");
    file = co_yaml_get(node, "file");
    if (!attribute || !file) {
        return co_yaml_fail(node, diag, CO_INVALID, "%s is missing",
                            attribute ? "file" : "attribute");
    }
    err = read_names(attribute, names, &n, diag);
    if (err) return err;
    if (n == 0) {
        return co_yaml_fail(attribute, diag, CO_INVALID, "found an empty list");
    }
    err = decide_use(attribute, names, n, t, diag);
    if (!err) {
        err = read_given(&f->tables, co_yaml_get(node, "given"), t, diag);
    }
    if (!err && t->use == TABLE_MARGIN) {
        err = read_fitted(attribute, names, n, t, diag);
    }
    if (!err) err = file_path(f, file, path, sizeof path, diag);
    return err ? err : manifest_table(path, base, &f->tables, t, diag);
}

enum co_err
manifest_compile(struct manifest *f, const struct model *base,
                 struct co_diag *diag)
{
    const struct co_yaml *tables = co_yaml_get(f->root, "tables");
    enum co_err err = CO_OK;

    user_tables_fini(&f->tables);
    if (!tables || !tables->count) return CO_OK;
    f->tables.list = calloc(tables->count, sizeof *f->tables.list);
    if (!f->tables.list) return co_fail(diag, CO_NOMEM, "out of memory");
    for (const struct co_yaml *t = tables->first; t && !err; t = t->next) {
        struct user_table *to = &f->tables.list[f->tables.count];

        err = read_table(f, t, base, to, diag);
        f->tables.count++; /* what was read of a bad one is freed too */
    }
    return err;
}
