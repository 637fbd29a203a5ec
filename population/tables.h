/* tables.h - a user's own tables on top of a compiled population.
 * A table gives weights to values for people of some kind. Three uses:
 *   COLUMN   a new label column, drawn given earlier attributes
 *   REPLACE  education, marital status or employment, given state, sex, age:
 *            drawn from it where it has a row; cells that the base never
 *            has at an age (a married child) stay empty
 *   MARGIN   state, sex, age, race or a joint of them, possibly within
 *            others: the main joint is fitted to it (fit.c)
 * Rows are integers only: keys, then weights. A key of an attribute with
 * labels is the value's number; age has two, from and to. Rows of COLUMN and
 * REPLACE have a weight a value, TABLE_SUM in all; those of MARGIN have one
 * weight. The form comes from a recipe too, so model_with() takes nothing for
 * granted. Not thread-safe; a model made with tables is, once made. */
#pragma once
#include "population/attributes.h"

enum {
    TABLES_MAX = 48,
    TABLE_KEYS_MAX = 4,         /* attributes that decide a row */
    TABLE_ROWS_MAX = 60000,     /* of one table */
    TABLE_CELLS_MAX = 1 << 20,  /* combinations of keys, ages one by one */
    TABLE_INTS_MAX = 1 << 18,   /* of all rows of all tables */
    TABLE_SUM = 1 << 24,        /* weights of a row of COLUMN and REPLACE */
    TABLE_WEIGHT_MAX = 1 << 30, /* one of MARGIN */
    TABLE_VALUES_MAX = 255,     /* labels of a new column */
    TABLE_LABEL_MAX = 64,       /* bytes of one */
};

enum table_use { TABLE_COLUMN, TABLE_REPLACE, TABLE_MARGIN };

struct user_table {
    enum table_use use;
    char name[MODEL_USER_NAME]; /* of the column, or of the attribute */
    /* What rows are keyed by: the given ones, then for MARGIN the fitted. */
    enum attribute_id keys[TABLE_KEYS_MAX];
    uint32_t n_keys, n_given;
    uint32_t n_rows, n_weights;
    uint32_t *rows; /* [n_rows][table_stride()]; owned */
    char **labels;  /* of a COLUMN, n_weights of them, rising; owned */
    /* For messages; NULL when the table came from a recipe. Owned. */
    char *file;
    uint32_t *lines; /* [n_rows] */
};

struct user_tables {
    struct user_table *list; /* owned */
    uint32_t count;
};

void user_tables_fini(struct user_tables *t);
/* Keys of a row as integers (age has two); and all integers of a row. */
uint32_t table_key_ints(const struct user_table *t);
uint32_t table_stride(const struct user_table *t);
/* The attribute of that name: the model's, or a column of the first n tables.
 * CO_NOTFOUND otherwise. */
co_must_use enum co_err tables_find(const struct user_tables *t, uint32_t n,
                                    const char *name, enum attribute_id *ret);
/* Whether a new column may have this name: [a-z_]{1,32}, no column of rows. */
bool table_name_good(const char *name);
/* Whether a label can stand in a row as it is: 1 to TABLE_LABEL_MAX bytes of
 * UTF-8 that JSON need not escape. */
bool table_label_good(const char *label);

/* A model that has the base's tables and these. Borrows base, which must
 * outlive it; copies what it needs of tables.
 *
 * CO_INVALID  the tables do not fit the model, overlap, contradict each other
 *             or ask for people whom the base does not have: diag says which
 *             file and line, or which table and row
 * CO_FULL     too many combinations of keys      CO_NOMEM */
co_must_use enum co_err model_with(const struct model *base,
                                   const struct user_tables *tables,
                                   struct co_diag *diag,
                                   struct model **ret_model);

/* The weights of a person's row, or NULL when the table has none. */
const uint32_t *model_lookup(const struct model_lookup *t,
                             const struct person *p);

/* "FILE:LINE: " or "table NAME, row N: ", then the message; returns err. */
enum co_err table_fail(const struct user_table *t, uint32_t row,
                       struct co_diag *diag, enum co_err err, const char *fmt,
                       ...) co_printf(5, 6);
/* fit.c - the joint of base, fitted to the MARGIN tables: [cell] weights
 * whose sum is under 2^33. Integers only: the same everywhere. */
co_must_use enum co_err fit_joint(const struct model *base,
                                  const struct user_tables *tables,
                                  uint32_t *joint, struct co_diag *diag);
