/* card.h - one persona for a person to read.
 * Known columns stand under headings with names in plain words; columns that
 * this version does not know come last under their own names, so that nothing
 * of a row is ever left out. Pure. */
#pragma once
#include "query/scan.h"

enum { CARD_WIDTH_MIN = 40, CARD_WIDTH_MAX = 120 };

/* Appends the row (an object) laid out for width columns; from says where it
 * was found ("out/us-adults"). */
void card_write(const struct scan_value *row, const char *from, unsigned width,
                struct co_buf *out);
/* "very low" to "very high" for a T score (mean 50, sd 10): the five bands of
 * ten points that personality inventories report, average being 45 to 54. */
const char *card_score_label(uint64_t score);
