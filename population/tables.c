/* tables.c - see tables.h. What a table is (names, sizes, messages), and the
 * model that is made with tables; each use of a table has a file of its own
 * (tables_impl.h). */
#include "population/tables_impl.h"

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
        err = tables_check_labels(t, diag);
        if (err) return err;
    }
    err = tables_check_keys(m, t, diag);
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
    if (!err) err = tables_check_rows(m, t, diag);
    if (err) return err;
    switch (t->use) {
    case TABLE_COLUMN:
        return tables_lookup_add(m, t, diag);
    case TABLE_REPLACE:
        return tables_replace_add(m, t, diag);
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
