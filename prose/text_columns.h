/* text_columns.h - the texts of a row: their names, order, and age gates.
 * Each is written from the list of its name in the phrase files; a column
 * without such a list is null. Constant data. */
#pragma once
#include "common/base.h"

enum text_column {
    TEXT_PROFESSIONAL,
    TEXT_SPORTS,
    TEXT_ARTS,
    TEXT_TRAVEL,
    TEXT_CULINARY,
    TEXT_PERSONA,
    TEXT_BACKGROUND,
    TEXT_SKILLS,
    TEXT_HOBBIES,
    TEXT_GOALS,
    TEXT_COUNT
};

struct text_column_info {
    const char *name; /* in the row, and of its list */
    uint8_t name_bytes;
    uint8_t from_age; /* null for younger people */
    /* The list whose first picks stand in the array column that follows
     * (named with _list behind it); NULL: none follows. */
    const char *picks;
};

enum { TEXT_PICKS_MIN = 3, TEXT_PICKS_MAX = 5 }; /* in an array column */

const struct text_column_info *text_column(enum text_column c);
