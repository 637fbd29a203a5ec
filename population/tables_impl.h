/* tables_impl.h - the steps from a user's tables to a model, for the files of
 * tables.h alone. All messages name the table's file and line (table_fail).
 *
 *   tables.c          what a table is; model_with, the order of the steps
 *   tables_check.c    may a table say that?
 *   tables_lookup.c   a COLUMN: keys lead to a row of weights
 *   tables_replace.c  a REPLACE: a row instead of one of the base
 *   fit.c             MARGINs, all at once */
#pragma once
#include "population/tables.h"

/* Which table of the base a REPLACE of this attribute stands for;
 * REPLACE_COUNT: none. */
enum model_replace tables_check_replaces(enum attribute_id id);
/* CO_INVALID unless the keys are attributes that m has, each once, in the order
 * in which people are drawn, and known before the table's own is. */
co_must_use enum co_err tables_check_keys(const struct model *m,
                                          const struct user_table *t,
                                          struct co_diag *diag);
/* Of a COLUMN: CO_INVALID unless each label can stand in a row, and they rise.
 */
co_must_use enum co_err tables_check_labels(const struct user_table *t,
                                            struct co_diag *diag);
/* CO_INVALID unless every key is a value of its attribute, ages are in order,
 * weights add up (TABLE_SUM), and rows rise without a repeat. */
co_must_use enum co_err tables_check_rows(const struct model *m,
                                          const struct user_table *t,
                                          struct co_diag *diag);

/* Fills in keys and sizes of to, and says how many combinations there are.
 * CO_FULL: more than TABLE_CELLS_MAX. */
co_must_use enum co_err tables_lookup_size(const struct model *m,
                                           const struct user_table *t,
                                           struct model_lookup *to,
                                           uint32_t *ret_cells,
                                           struct co_diag *diag);
/* The ages that a row is for, both ends included; 0 to 0, one round, when age
 * is no key. */
void tables_lookup_band(const struct user_table *t, const uint32_t *row,
                        uint32_t *ret_from, uint32_t *ret_to);
/* Writes value (a row's number from 1) into a cell, for row r of t.
 * CO_INVALID: another row is there already. */
co_must_use enum co_err tables_lookup_fill(const struct user_table *t,
                                           struct model_lookup *to,
                                           uint32_t cell, uint32_t r,
                                           uint32_t value,
                                           struct co_diag *diag);
/* Adds the column that t describes to m, which owns it then. */
co_must_use enum co_err tables_lookup_add(struct model *m,
                                          const struct user_table *t,
                                          struct co_diag *diag);

/* Puts t in the place of one of the base's tables; m owns the result.
 * CO_INVALID: a row asks for people whom the base does not have. */
co_must_use enum co_err tables_replace_add(struct model *m,
                                           const struct user_table *t,
                                           struct co_diag *diag);
