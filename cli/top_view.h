/* top_view.h - what `cohort top` shows and how keys change that: six panes
 * (jobs, queues, workers, brokers, endpoints, money), each a table whose
 * columns are described in top_panes.c. The last two show up where there is a
 * row for them, or when they are asked for. Pure: a reading of Redis and keys
 * in, lines out. One thread. */
#pragma once
#include "cli/fleet_state.h"
#include "cli/pen.h"

enum top_pane {
    TOP_JOBS,
    TOP_QUEUES,
    TOP_WORKERS,
    TOP_BROKERS,
    TOP_ENDPOINTS,
    TOP_MONEY,
    TOP_PANES,
};

enum { TOP_HEIGHT_MAX = 1000, TOP_ROWS_MAX = FLEET_WORKERS_MAX };

/* Where a pane stands. */
struct top_place {
    char id[260];    /* of the selected row; it moves with its row */
    size_t selected; /* index in the sorted rows */
    size_t first;    /* topmost row shown */
    unsigned sort;   /* column + 1; 0: as Redis has them, newest first */
    bool reverse;
    unsigned page; /* rows shown last, for PgUp and PgDn */
};

struct top_view {
    enum top_pane focus;
    bool paused, help;
    struct top_place place[TOP_PANES];
    size_t row[TOP_PANES][TOP_ROWS_MAX]; /* sorted: indices into the list */
};

/* Everything else that a picture needs. */
struct top_scene {
    const struct fleet_state *state; /* NULL: nothing was read yet */
    const char *source;              /* whose Redis; shown in the head */
    const char *name_space;
    const char *trouble; /* why the reading is old; NULL: it is not */
    unsigned interval_ms;
    unsigned width, height; /* height 0: a snapshot, as long as it must be */
    enum pen_looks looks;
};

struct top_screen {
    struct co_buf line[TOP_HEIGHT_MAX];
    unsigned n;
};

enum top_action {
    TOP_NOTHING,
    TOP_REDRAW,
    TOP_REFRESH, /* read now */
    TOP_QUIT,
};

void top_view_init(struct top_view *v);
/* key: as of terminal_key. */
enum top_action top_view_key(struct top_view *v, const struct fleet_state *s,
                             int key);
/* Draws into screen, which top_screen_init made. */
void top_view_draw(struct top_view *v, const struct top_scene *scene,
                   struct top_screen *screen);
void top_screen_init(struct top_screen *s);
void top_screen_fini(struct top_screen *s);

/* ---- top_panes.c: the tables ---- */

enum top_cell {
    TOP_TEXT,
    TOP_COUNT,
    TOP_RATE, /* a count; FLEET_NO_RATE is "-" */
    TOP_BYTES,
    TOP_PERMILLE, /* shown in percent */
    TOP_PERCENT,
    TOP_SPAN,    /* ms, as a duration; 0 is "-" */
    TOP_LATENCY, /* us, in ms or s; 0 is "-" */
    TOP_USD,     /* text: an exact decimal, cut to its column; "" is "-" */
};

struct top_column {
    const char *title;
    enum top_cell kind;
    size_t offset;  /* in the row's struct */
    unsigned width; /* 0: takes what is left */
    unsigned worth; /* on a narrow screen the highest goes first */
};

struct top_table {
    const char *title; /* "Jobs" */
    const struct top_column *columns;
    unsigned count;
    size_t row_bytes;
    size_t id_offset;
    const char *none; /* instead of rows */
    bool hides;       /* without rows, unless it is in focus */
};

const struct top_table *top_table(enum top_pane pane);
/* The rows of a pane: first, and how many; *ret_all with those not read. */
const char *top_rows(const struct fleet_state *s, enum top_pane pane,
                     size_t *ret_n, size_t *ret_all);
/* How a cell stands out. */
enum pen_style top_cell_style(const struct fleet_state *s, enum top_pane pane,
                              const void *row, const struct top_column *c);
/* Appends what the bottom tells of the selected row. */
void top_detail(const struct fleet_state *s, enum top_pane pane,
                const void *row, struct co_buf *out);
uint64_t top_number(const void *row, const struct top_column *c);
