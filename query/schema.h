/* schema.h - which columns the rows of a corpus have, learned from rows.
 * No table of columns stands here: rows gain columns from version to version
 * and with other providers, and a list would know yesterday's. A corpus's own
 * first rows tell names, order and types, also of nested members
 * ("household.size") and of list elements. Pure. */
#pragma once
#include "query/scan.h"

enum { SCHEMA_COLUMNS_MAX = 512 };

/* Bit of a type in a mask. */
#define SCHEMA_BIT(type) (1U << (unsigned)(type))
#define SCHEMA_BOOL (SCHEMA_BIT(SCAN_TRUE) | SCHEMA_BIT(SCAN_FALSE))

struct schema_column {
    char path[SCAN_PATH_BYTES];
    uint32_t types; /* seen, as SCHEMA_BITs */
    uint32_t items; /* of the elements, where it was a list */
};

struct schema {
    struct schema_column columns[SCHEMA_COLUMNS_MAX];
    uint32_t count;
    uint64_t rows; /* that it was learned from */
};

co_must_use enum co_err schema_new(struct schema **ret_schema);
void schema_free(struct schema *schema);
CO_DEFINE_FREEP(struct schema, schema_free)

/* Takes a row into account. CO_INVALID: no JSON object; CO_FULL: more than
 * SCHEMA_COLUMNS_MAX columns, or a name that no path can say. */
co_must_use enum co_err schema_learn(struct schema *schema, const char *line,
                                     size_t len);
/* NULL: there is none of that path. */
const struct schema_column *schema_find(const struct schema *schema,
                                        const char *path, size_t len);
/* A path as a person writes it, to where it lies: "row" stands for
 * "provenance.row" when no column has that name. */
const char *schema_alias(const struct schema *schema, const char *path,
                         size_t len);
/* The column meant by a path that does not exist, or NULL. */
const char *schema_nearest(const struct schema *schema, const char *path,
                           size_t len);
/* Whether it has members of its own: household, but not household.size. */
bool schema_is_object(const struct schema_column *column);
/* "a number", "a text", "a list of texts", "an object" ...; "" if only nulls
 * were seen. */
const char *schema_type_name(const struct schema_column *column);

/* Checks a path; finds its column and what it holds. An element of a list
 * ("household.income_usd[0]") has the types of the list's items. On an error
 * *diag says it without naming the place.
 *
 * CO_NOTFOUND  no such column */
co_must_use enum co_err schema_resolve(const struct schema *schema,
                                       const char *path, size_t len,
                                       struct scan_path *ret_path,
                                       struct schema_column *ret_column,
                                       struct co_diag *diag);
