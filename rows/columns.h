/* columns.h - what each column of a row means, for the dataset card.
 * Rows are written by row.c; a test compares: every key of a row has a line
 * here. Constant. */
#pragma once
#include "common/err.h"

struct column {
    const char *name;
    const char *type;
    const char *meaning;
    const char *source; /* of the figures behind it; "none": written words */
};

/* The line of a column in rows of a country or of the world; NULL for a name
 * that no row has but as a user's column. */
const struct column *column_find(const char *name, bool world);
