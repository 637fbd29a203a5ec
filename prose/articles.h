/* articles.h - a or an. Pure. */
#pragma once
#include "common/base.h"

/* Whether "an" stands before the word, by its sound: "an hour", "a unit",
 * "an 18-year-old", "an MRI". The word ends with any byte that is no letter;
 * at least one byte after its last may be read. */
bool article_is_an(const char *word);
