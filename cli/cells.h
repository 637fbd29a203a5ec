/* cells.h - rows as a table for a terminal: headings, columns in line.
 * The first CELLS_LOOK rows decide the widths, so they are held back; later
 * ones that are wider push their line out. Longer cells are cut at
 * CELLS_WIDTH_MAX with an ellipsis. Pure. */
#pragma once
#include "query/select.h"

enum { CELLS_LOOK = 200, CELLS_WIDTH_MAX = 40 };

struct cells; /* opaque */

/* s is borrowed for its columns. */
co_must_use enum co_err cells_new(const struct select *s,
                                  struct cells **ret_cells);
void cells_free(struct cells *c);
CO_DEFINE_FREEP(struct cells, cells_free)
/* A row as SELECT_CELLS makes it, with its '\n'; what is ready goes to out. */
void cells_row(struct cells *c, const char *line, size_t len,
               struct co_buf *out);
/* What is still held back; headings also when there was no row. */
void cells_end(struct cells *c, struct co_buf *out);
