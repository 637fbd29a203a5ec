/* cells.c - see cells.h. */
#include "cli/cells.h"

#include "common/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { HELD_BYTES_MAX = 64 << 20 };

static const char ellipsis[] = "\xe2\x80\xa6";

struct cells {
    const struct select *s;
    uint32_t n;
    size_t *widths;
    struct co_buf held; /* rows that decide the widths */
    uint32_t rows;      /* in held */
    bool begun;         /* headings were printed */
};

enum co_err
cells_new(const struct select *s, struct cells **ret_cells)
{
    co_auto(cells_freep) struct cells *c = calloc(1, sizeof *c);

    if (!c) return CO_NOMEM;
    c->s = s;
    c->n = select_columns(s);
    co_buf_init(&c->held, HELD_BYTES_MAX);
    c->widths = calloc(c->n, sizeof *c->widths);
    if (!c->widths) return CO_NOMEM;
    for (uint32_t i = 0; i < c->n; i++) {
        c->widths[i] = strlen(select_column(s, i));
    }
    *ret_cells = co_take(&c);
    return CO_OK;
}

void
cells_free(struct cells *c)
{
    if (!c) return;
    co_buf_fini(&c->held);
    free(c->widths);
    free(c);
}

/* Characters of a cell; *ret_bytes of them fit into max. */
static size_t
fit(const char *cell, size_t len, size_t max, size_t *ret_bytes)
{
    size_t n = 0;

    *ret_bytes = 0;
    for (size_t i = 0; i < len; n++) {
        size_t bytes = co_utf8_bytes((const uint8_t *)cell + i, len - i);

        i += bytes ? bytes : 1;
        if (n < max) *ret_bytes = i;
    }
    return n;
}

/* The cell of a row at *p, which moves behind it. */
static size_t
next_cell(const char **p, const char *end, const char **ret_cell)
{
    const char *tab = memchr(*p, '\t', (size_t)(end - *p));
    size_t len = (size_t)((tab ? tab : end) - *p);

    *ret_cell = *p;
    *p += len + (tab != NULL);
    return len;
}

/* A column that stands alone is never cut. */
static size_t
width_max(const struct cells *c)
{
    return c->n == 1 ? SIZE_MAX : CELLS_WIDTH_MAX;
}

static void
put_cell(const struct cells *c, uint32_t i, const char *cell, size_t len,
         bool right, struct co_buf *out)
{
    size_t max = width_max(c), bytes, all = fit(cell, len, max, &bytes), pad;
    bool cut = all > max;

    if (cut) (void)fit(cell, len, max - 1, &bytes);
    if (cut) all = max;
    pad = c->widths[i] > all ? c->widths[i] - all : 0;
    if (i) co_buf_puts(out, "  ");
    if (right) co_buf_printf(out, "%*s", (int)pad, "");
    co_buf_append(out, cell, bytes);
    if (cut) co_buf_puts(out, ellipsis);
    /* No spaces behind the last one. */
    if (!right && i + 1 < c->n) co_buf_printf(out, "%*s", (int)pad, "");
}

static void
put_row(const struct cells *c, const char *line, size_t len, struct co_buf *out)
{
    const char *p = line, *end = line + len;

    for (uint32_t i = 0; i < c->n; i++) {
        const char *cell;
        size_t n = next_cell(&p, end, &cell);

        put_cell(c, i, cell, n, select_is_number(c->s, i), out);
    }
    co_buf_putc(out, '\n');
}

static void
widen(struct cells *c, const char *line, size_t len)
{
    const char *p = line, *end = line + len;

    for (uint32_t i = 0; i < c->n; i++) {
        const char *cell;
        size_t n = next_cell(&p, end, &cell), bytes;
        size_t all = fit(cell, n, SIZE_MAX, &bytes);

        if (all > width_max(c)) all = width_max(c);
        if (all > c->widths[i]) c->widths[i] = all;
    }
}

static void
put_held(struct cells *c, struct co_buf *out)
{
    const char *p = (const char *)c->held.data, *end = p + c->held.len;

    c->begun = true;
    for (uint32_t i = 0; i < c->n; i++) {
        const char *name = select_column(c->s, i);

        put_cell(c, i, name, strlen(name), select_is_number(c->s, i), out);
    }
    co_buf_putc(out, '\n');
    while (p < end) {
        size_t len =
            (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p);

        put_row(c, p, len, out);
        p += len + 1;
    }
    co_buf_fini(&c->held);
}

void
cells_row(struct cells *c, const char *line, size_t len, struct co_buf *out)
{
    if (c->begun) {
        put_row(c, line, len - 1, out);
        return;
    }
    widen(c, line, len - 1);
    co_buf_append(&c->held, line, len);
    if (c->held.err) out->err = c->held.err;
    if (++c->rows == CELLS_LOOK) put_held(c, out);
}

void
cells_end(struct cells *c, struct co_buf *out)
{
    if (!c->begun) put_held(c, out);
}
