/* top_view.c - see top_view.h: the rows in their order, and what keys do to
 * them. How it is drawn: top_draw.c. */
#include "cli/terminal.h"
#include "cli/top_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- rows in order ---- */

static int
compare(const void *a, const void *b, void *arg)
{
    const struct top_order *o = arg;
    const size_t *x = a, *y = b;
    const char *p = o->rows + *x * o->table->row_bytes;
    const char *q = o->rows + *y * o->table->row_bytes;
    int c = 0;

    if (o->by && o->by->kind == TOP_TEXT) {
        c = strcasecmp(p + o->by->offset, q + o->by->offset);
    } else if (o->by) {
        uint64_t m = top_number(p, o->by), n = top_number(q, o->by);

        c = m < n ? 1 : m > n ? -1 : 0; /* numbers: largest first */
    }
    if (o->reverse) c = -c;
    return c ? c : (*x > *y) - (*x < *y);
}

const char *
top_row_at(const struct top_order *o, size_t index)
{
    return o->rows + index * o->table->row_bytes;
}

size_t
top_arrange(struct top_view *v, const struct fleet_state *s, enum top_pane pane,
            struct top_order *o)
{
    struct top_place *place = &v->place[pane];
    size_t n, all;

    o->table = top_table(pane);
    o->rows = top_rows(s, pane, &n, &all);
    o->by = place->sort ? &o->table->columns[place->sort - 1] : NULL;
    o->reverse = place->reverse;
    if (n > TOP_ROWS_MAX) n = TOP_ROWS_MAX;
    for (size_t i = 0; i < n; i++) {
        v->row[pane][i] = i;
    }
    if (n) qsort_r(v->row[pane], n, sizeof v->row[pane][0], compare, o);
    for (size_t i = 0; i < n && place->id[0]; i++) {
        if (strcmp(top_row_at(o, v->row[pane][i]) + o->table->id_offset,
                   place->id) == 0) {
            place->selected = i;
        }
    }
    if (place->selected >= n) place->selected = n ? n - 1 : 0;
    return n;
}

static void
select_row(struct top_view *v, const struct fleet_state *s, size_t index)
{
    struct top_place *place = &v->place[v->focus];
    struct top_order o;
    size_t n;

    place->id[0] = '\0';
    n = top_arrange(v, s, v->focus, &o);
    if (n == 0) return;
    place->selected = co_min_u64(index, n - 1);
    (void)snprintf(place->id, sizeof place->id, "%s",
                   top_row_at(&o, v->row[v->focus][place->selected]) +
                       o.table->id_offset);
}

/* ---- keys ---- */

void
top_view_init(struct top_view *v)
{
    memset(v, 0, sizeof *v);
}

static void
move(struct top_view *v, const struct fleet_state *s, int64_t by)
{
    int64_t to = (int64_t)v->place[v->focus].selected + by;

    select_row(v, s, to < 0 ? 0 : (size_t)to);
}

static void
sort_by(struct top_place *place, unsigned columns, int by)
{
    place->sort = (place->sort + columns + 1 + (unsigned)by) % (columns + 1);
    place->reverse = false;
}

static bool
key_moves(struct top_view *v, const struct fleet_state *s, int key)
{
    int64_t page = v->place[v->focus].page;

    switch (key) {
    case 'j':
    case TERMINAL_DOWN:
        move(v, s, 1);
        return true;
    case 'k':
    case TERMINAL_UP:
        move(v, s, -1);
        return true;
    case TERMINAL_PAGE_DOWN:
        move(v, s, page);
        return true;
    case TERMINAL_PAGE_UP:
        move(v, s, -page);
        return true;
    case 'g':
    case TERMINAL_HOME:
        select_row(v, s, 0);
        return true;
    case 'G':
    case TERMINAL_END:
        select_row(v, s, TOP_ROWS_MAX);
        return true;
    default:
        return false;
    }
}

static bool
key_panes(struct top_view *v, int key)
{
    unsigned columns = top_table(v->focus)->count;

    switch (key) {
    case '\t':
    case TERMINAL_RIGHT:
        v->focus = (v->focus + 1) % TOP_PANES;
        return true;
    case TERMINAL_BACK_TAB:
    case TERMINAL_LEFT:
        v->focus = (v->focus + TOP_PANES - 1) % TOP_PANES;
        return true;
    case 's':
    case '>':
        sort_by(&v->place[v->focus], columns, 1);
        return true;
    case 'S':
    case '<':
        sort_by(&v->place[v->focus], columns, -1);
        return true;
    case 'r':
        v->place[v->focus].reverse = !v->place[v->focus].reverse;
        return true;
    default:
        if (key < '1' || key >= '1' + (int)TOP_PANES) return false;
        v->focus = (enum top_pane)(key - '1');
        return true;
    }
}

enum top_action
top_view_key(struct top_view *v, const struct fleet_state *s, int key)
{
    if (v->help && key != TERMINAL_QUIT && key != 3) {
        v->help = false;
        return TOP_REDRAW;
    }
    switch (key) {
    case 'q':
    case 3: /* ^C */
    case TERMINAL_QUIT:
        return TOP_QUIT;
    case 'p':
        v->paused = !v->paused;
        return v->paused ? TOP_REDRAW : TOP_REFRESH;
    case ' ':
        return TOP_REFRESH;
    case '?':
    case 'h':
        v->help = true;
        return TOP_REDRAW;
    default:
        return key_moves(v, s, key) || key_panes(v, key) ? TOP_REDRAW
                                                         : TOP_NOTHING;
    }
}
