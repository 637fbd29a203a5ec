/* top_impl.h - what top_view.c (rows and keys) and top_draw.c share. */
#pragma once
#include "cli/top_view.h"

/* The rows of a pane and by what they are sorted. */
struct top_order {
    const char *rows;
    const struct top_table *table;
    const struct top_column *by; /* NULL: as they came */
    bool reverse;
};

/* Sorts the rows of the pane, of which it returns the number, into
 * v->row[pane], and puts the selection back onto the row it was on. */
size_t top_arrange(struct top_view *v, const struct fleet_state *s,
                   enum top_pane pane, struct top_order *o);
/* The row by its index in the list, not in the order. */
const char *top_row_at(const struct top_order *o, size_t index);
