/* where.h - the conditions of a job: which people it wants.
 * Owned texts, at most one condition an attribute. Normalised, equal
 * conditions are equal bytes in the recipe: attributes sorted by name, values
 * replaced by the model's labels, sorted, each once; bounds that exclude
 * nobody dropped. Not thread-safe; no I/O. */
#pragma once
#include "common/json.h"
#include "population/sampler.h"
#include "population/tables.h"

struct co_yaml;

enum { WHERE_VALUES_MAX = 1000, WHERE_TEXT_MAX = 200 };

struct where_item {
    enum attribute_id id;       /* of a built-in one */
    char user[MODEL_USER_NAME]; /* a user's column; "" for a built-in one */
    uint32_t line;              /* in the job file; 0: from a recipe */
    bool has_min, has_max;
    int64_t min, max;
    char **values; /* owned, each too; NULL for numbers */
    size_t n_values;
};

struct job_where {
    struct where_item items[ATTR_ALL];
    size_t count;
};

/* Reads `population.where`. Names of attributes are checked here, values by
 * where_normalise (they stand in the model). columns: a user's data may have
 * columns of its own, so that unknown names are left to where_normalise.
 * where must be empty; after an error too it is for where_fini. */
co_must_use enum co_err where_from_yaml(struct job_where *where,
                                        const struct co_yaml *map, bool columns,
                                        struct co_diag *diag);
/* Reads the recipe's form, an object; tables are the recipe's. Hostile
 * input. */
co_must_use enum co_err where_from_json(struct job_where *where, json_t *object,
                                        const struct user_tables *tables,
                                        struct co_diag *diag);
void where_fini(struct job_where *where);

/* Checks values against the model, normalises, and makes sure that somebody
 * fulfils all conditions. file stands in messages. */
co_must_use enum co_err where_normalise(struct job_where *where,
                                        const struct model *m, const char *file,
                                        uint32_t line, struct co_diag *diag);
/* Canonical JSON of a normalised where: {"age":{"max":64,"min":18},...}. */
void where_write(const struct job_where *where, struct co_json *json);
/* The conditions as the sampler takes them; texts are borrowed. Returns how
 * many. */
size_t where_conditions(const struct job_where *where,
                        struct condition conditions[ATTR_ALL]);
