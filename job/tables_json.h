/* tables_json.h - a user's tables as they stand in a recipe.
 * Workers have no files of the user: what they need is here, as integers.
 *   [{"attribute":NAME,"given":[NAME,...],"rows":[[key,...,weight,...],...],
 *     "use":"column","values":[LABEL,...]}, ...]
 * "values" only in columns; margins have "of", the names of what is fitted.
 * Keys are numbers of the model's values (the recipe names the model), ages
 * two of them. No I/O. */
#pragma once
#include "common/json.h"
#include "population/tables.h"

/* The JSON of all tables; a recipe may hold one of 512 KiB. */
enum { TABLES_BYTES_MAX = 256 << 10 };

/* Canonical: one meaning, one form. Values that no double keeps do not occur.
 */
void tables_write(const struct user_tables *tables, struct co_json *json);
/* Reads an array, NULL for none. Hostile input: shapes, limits and names are
 * checked here, what the model must know by model_with(). After an error too
 * tables is for user_tables_fini. */
co_must_use enum co_err tables_from_json(struct user_tables *tables,
                                         const json_t *array,
                                         struct co_diag *diag);
