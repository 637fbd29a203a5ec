/* top_draw.c - see top_view.h. From top to bottom: two lines of head, the
 * panes, a line about the selected row, the keys. The pane in focus gets the
 * room it wants first; on a small screen it is the only one. */
#include "cli/events_line.h"
#include "cli/say.h"
#include "cli/top_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_BYTES_MAX = 8192,
    GAP = 2,
    NAME_MIN = 10, /* of the column that takes what is left */
    NAME_MAX = 36,
    OVERHEAD = 2,  /* lines of a pane beside its rows: title, headings */
    FOOT_FROM = 8, /* lines of screen from which on keys are shown */
    DETAIL_FROM = 10,
    COLUMNS_MAX = 16,
};

void
top_screen_init(struct top_screen *s)
{
    s->n = 0;
    for (unsigned i = 0; i < TOP_HEIGHT_MAX; i++) {
        co_buf_init(&s->line[i], LINE_BYTES_MAX);
    }
}

void
top_screen_fini(struct top_screen *s)
{
    for (unsigned i = 0; i < TOP_HEIGHT_MAX; i++) {
        co_buf_fini(&s->line[i]);
    }
}

struct drawing {
    const struct top_scene *scene;
    struct top_screen *screen;
    unsigned limit; /* lines */
};

/* The next line; false: the screen is full. */
static bool
line(struct drawing *d, struct pen *pen)
{
    struct co_buf *out;

    if (d->screen->n >= d->limit) return false;
    out = &d->screen->line[d->screen->n++];
    co_buf_clear(out);
    pen_begin(pen, out, d->scene->width, d->scene->looks);
    return true;
}

static void
blank(struct drawing *d)
{
    struct pen pen;

    (void)line(d, &pen);
}

static uint64_t
running_rate(const struct fleet_state *s, unsigned *ret_running)
{
    uint64_t rate = 0;

    *ret_running = 0;
    for (size_t i = 0; i < s->jobs.n; i++) {
        if (!fleet_job_runs(&s->jobs.v[i]) || !s->jobs.v[i].lease) continue;
        (*ret_running)++;
        rate += s->jobs.v[i].rows_per_s;
    }
    return rate;
}

static unsigned
workers_in(const struct fleet_state *s, const char *state)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->workers.n; i++) {
        n += strcmp(s->workers.v[i].state, state) == 0;
    }
    return n;
}

static const char *
plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void
draw_totals(struct drawing *d, const struct fleet_state *s)
{
    uint64_t queued = 0, running = 0, rate;
    unsigned jobs, draining = workers_in(s, "draining");
    char a[32], b[32];
    struct pen pen;

    if (!line(d, &pen)) return;
    rate = running_rate(s, &jobs);
    for (size_t i = 0; i < s->queues.n; i++) {
        queued += s->queues.v[i].queued;
        running += s->queues.v[i].in_flight;
    }
    pen_printf(&pen, "%u job%s running, %s rows/s", jobs, plural(jobs),
               pen_count(rate, 11, a));
    pen_printf(&pen, "   %zu worker%s: %u busy", s->workers.all,
               plural(s->workers.all), workers_in(s, "busy"));
    if (draining) pen_printf(&pen, ", %u draining", draining);
    pen_printf(&pen, "   tasks: %s running, %s queued",
               pen_count(running, 11, a), pen_count(queued, 11, b));
    pen_printf(&pen, "   %zu broker%s, %zu coordinator%s", s->brokers.n,
               plural(s->brokers.n), s->coordinators.n,
               plural(s->coordinators.n));
}

static void
draw_head(const struct top_view *v, struct drawing *d)
{
    const struct top_scene *scene = d->scene;
    const struct fleet_state *s = scene->state;
    co_auto(co_buf_fini) struct co_buf time;
    struct pen pen;

    co_buf_init(&time, 64);
    if (!line(d, &pen)) return;
    pen_style(&pen, PEN_BOLD);
    pen_text(&pen, CO_PROGRAM " top");
    pen_style(&pen, PEN_PLAIN);
    if (s) events_line_time(s->now_ms, &time);
    if (s) pen_printf(&pen, "  %.19sZ", co_buf_text(&time));
    if (v->paused) {
        pen_text(&pen, "  ");
        pen_style(&pen, PEN_REVERSE);
        pen_text(&pen, " paused ");
        pen_style(&pen, PEN_PLAIN);
    }
    pen_printf(&pen, "  namespace %s  %s", scene->name_space, scene->source);
    if (!line(d, &pen)) return;
    if (scene->trouble) {
        pen_style(&pen, PEN_BAD);
        pen_text(&pen, scene->trouble);
        pen_style(&pen, PEN_PLAIN);
        return;
    }
    d->screen->n--;
    if (s) {
        draw_totals(d, s);
    } else if (line(d, &pen)) {
        pen_text(&pen, "reading ...");
    }
}

/* Which columns fit, and how wide the one without a width may be. */
static unsigned
fit(const struct top_table *t, unsigned width, bool shown[COLUMNS_MAX])
{
    unsigned least = COLUMNS_MAX + 1, used;

    do {
        used = 0;
        least--;
        for (unsigned i = 0; i < t->count; i++) {
            shown[i] = t->columns[i].worth < least;
            if (shown[i] && t->columns[i].width) {
                used += t->columns[i].width + GAP;
            }
        }
    } while (least > 1 && used + NAME_MIN > width);
    return width > used ? (unsigned)co_min_u64(width - used, NAME_MAX) : 1;
}

/* Decimals beyond the column are left out: what is spent is never shown as
 * more than it is. */
static void
usd(const void *row, const struct top_column *c, char text[288])
{
    const char *amount = (const char *)row + c->offset;
    size_t len = strlen(amount), point = strcspn(amount, ".");

    if (len > c->width && point < len) len = co_max_u64(point, c->width);
    if (len && amount[len - 1] == '.') len--;
    (void)snprintf(text, 288, "%.*s", len ? (int)len : 1, len ? amount : "-");
}

static void
format(const void *row, const struct top_column *c, char text[288])
{
    uint64_t n = c->kind == TOP_TEXT ? 0 : top_number(row, c), raw;
    co_auto(co_buf_fini) struct co_buf buf;

    co_buf_init(&buf, 64);
    switch (c->kind) {
    case TOP_TEXT:
        (void)snprintf(text, 288, "%s", (const char *)row + c->offset);
        return;
    case TOP_RATE:
        memcpy(&raw, (const char *)row + c->offset, sizeof raw);
        if (raw == FLEET_NO_RATE) {
            (void)snprintf(text, 288, "-");
            return;
        }
        (void)pen_count(n, c->width, text);
        return;
    case TOP_COUNT:
        (void)pen_count(n, c->width, text);
        return;
    case TOP_PERMILLE:
        (void)snprintf(text, 288, "%" PRIu64 " %%", n / 10);
        return;
    case TOP_PERCENT:
        (void)snprintf(text, 288, "%" PRIu64 " %%", n);
        return;
    case TOP_BYTES:
        say_bytes(&buf, n);
        break;
    case TOP_LATENCY:
        if (!n) {
            co_buf_putc(&buf, '-');
        } else if (n < 10000000) {
            co_buf_printf(&buf, "%" PRIu64 " ms", (n + 500) / 1000);
        } else {
            say_duration(&buf, n / 1000);
        }
        break;
    case TOP_USD:
        usd(row, c, text);
        return;
    case TOP_SPAN:
        if (n) say_duration(&buf, n);
        if (!n) co_buf_putc(&buf, '-');
        break;
    }
    (void)snprintf(text, 288, "%s", co_buf_text(&buf));
}

static void
draw_row(struct drawing *d, enum top_pane pane, const void *row,
         const bool *shown, unsigned name_width, bool selected)
{
    const struct top_table *t = top_table(pane);
    struct pen pen;
    char text[288];

    if (!line(d, &pen)) return;
    if (selected) pen_style(&pen, PEN_REVERSE);
    for (unsigned i = 0; i < t->count; i++) {
        const struct top_column *c = &t->columns[i];

        if (!shown[i]) continue;
        format(row, c, text);
        if (!selected) {
            pen_style(&pen, top_cell_style(d->scene->state, pane, row, c));
        }
        if (i) pen_to(&pen, pen.column + GAP);
        pen_cell(&pen, text, c->width ? c->width : name_width,
                 c->kind != TOP_TEXT);
    }
    if (selected) pen_to(&pen, pen.width);
    pen_style(&pen, PEN_PLAIN);
}

static void
draw_headings(struct drawing *d, const struct top_table *t, const bool *shown,
              unsigned name_width)
{
    struct pen pen;

    if (!line(d, &pen)) return;
    pen_style(&pen, PEN_DIM);
    for (unsigned i = 0; i < t->count; i++) {
        const struct top_column *c = &t->columns[i];

        if (!shown[i]) continue;
        if (i) pen_to(&pen, pen.column + GAP);
        pen_cell(&pen, c->title, c->width ? c->width : name_width,
                 c->kind != TOP_TEXT);
    }
    pen_style(&pen, PEN_PLAIN);
}

static void
draw_title(struct drawing *d, const struct top_view *v, enum top_pane pane,
           size_t rows)
{
    const struct top_place *place = &v->place[pane];
    const struct top_table *t = top_table(pane);
    size_t n, all;
    struct pen pen;

    (void)top_rows(d->scene->state, pane, &n, &all);
    if (!line(d, &pen)) return;
    pen_style(&pen, PEN_BOLD);
    /* Which pane the keys are for is told without colours, too. */
    if (d->scene->looks != PEN_NO_STYLES) {
        pen_text(&pen, v->focus == pane ? "> " : "  ");
    }
    pen_printf(&pen, "%d %s", (int)pane + 1, t->title);
    pen_style(&pen, PEN_PLAIN);
    pen_printf(&pen, "  %zu", all);
    if (rows < all) {
        pen_printf(&pen, ", %zu to %zu shown", place->first + 1,
                   place->first + rows);
    }
    if (place->sort) {
        pen_printf(&pen, ", by %s%s", t->columns[place->sort - 1].title,
                   place->reverse ? " reversed" : "");
    } else if (place->reverse) {
        pen_text(&pen, ", reversed");
    }
}

static void
draw_pane(struct drawing *d, struct top_view *v, enum top_pane pane,
          size_t rows)
{
    struct top_place *place = &v->place[pane];
    bool shown[COLUMNS_MAX] = {false};
    struct top_order o;
    size_t n = top_arrange(v, d->scene->state, pane, &o);
    unsigned name_width = fit(o.table, d->scene->width, shown);
    struct pen pen;

    place->page = (unsigned)rows;
    if (place->selected < place->first) place->first = place->selected;
    if (place->selected >= place->first + rows) {
        place->first = place->selected + 1 - rows;
    }
    if (place->first + rows > n) place->first = n > rows ? n - rows : 0;
    draw_title(d, v, pane, co_min_u64(rows, n));
    if (n == 0 && line(d, &pen)) {
        pen_style(&pen, PEN_DIM);
        pen_printf(&pen, "%s", o.table->none);
        pen_style(&pen, PEN_PLAIN);
    }
    if (n == 0) return;
    draw_headings(d, o.table, shown, name_width);
    for (size_t i = place->first; i < n && i < place->first + rows; i++) {
        draw_row(d, pane, top_row_at(&o, v->row[pane][i]), shown, name_width,
                 d->scene->looks != PEN_NO_STYLES && pane == v->focus &&
                     i == place->selected);
    }
}

/* Lines for rows of each pane; 0: not shown. The pane in focus takes up to half
 * of them, then each of the others a row, then all in that order what they
 * want. */
static void
share(const struct top_view *v, const struct fleet_state *s, unsigned lines,
      size_t rows[TOP_PANES])
{
    bool hidden[TOP_PANES];
    size_t want[TOP_PANES], all;
    unsigned half = lines / 2;

    for (unsigned p = 0; p < TOP_PANES; p++) {
        (void)top_rows(s, (enum top_pane)p, &want[p], &all);
        hidden[p] =
            want[p] == 0 && p != v->focus && top_table((enum top_pane)p)->hides;
        if (want[p] == 0) want[p] = 1;
        rows[p] = 0;
    }
    for (unsigned i = 0; i <= TOP_PANES; i++) {
        unsigned p = i ? i - 1 : v->focus;

        if (rows[p] || hidden[p] || lines < OVERHEAD + 1) continue;
        rows[p] =
            i ? 1
              : co_clamp_u64(half, OVERHEAD + 1, want[p] + OVERHEAD) - OVERHEAD;
        lines -= OVERHEAD + (unsigned)rows[p];
        if (lines) lines--; /* a blank line between panes */
    }
    for (unsigned i = 0; i <= TOP_PANES; i++) {
        unsigned p = i ? i - 1 : v->focus;
        size_t more = rows[p] ? co_min_u64(lines, want[p] - rows[p]) : 0;

        rows[p] += more;
        lines -= (unsigned)more;
    }
}

static void
draw_panes(struct drawing *d, struct top_view *v, unsigned lines)
{
    size_t rows[TOP_PANES];
    bool first = true;

    share(v, d->scene->state, lines, rows);
    for (unsigned p = 0; p < TOP_PANES; p++) {
        if (!rows[p]) continue;
        if (!first) blank(d);
        first = false;
        draw_pane(d, v, (enum top_pane)p, rows[p]);
    }
}

static void
draw_detail(struct drawing *d, const struct top_view *v)
{
    const struct top_place *place = &v->place[v->focus];
    const struct top_table *t = top_table(v->focus);
    co_auto(co_buf_fini) struct co_buf text;
    size_t n, all;
    const char *rows = top_rows(d->scene->state, v->focus, &n, &all);
    struct pen pen;

    co_buf_init(&text, LINE_BYTES_MAX);
    if (!line(d, &pen)) return;
    if (n && place->selected < n) {
        top_detail(d->scene->state, v->focus,
                   rows + v->row[v->focus][place->selected] * t->row_bytes,
                   &text);
    }
    pen_text(&pen, co_buf_text(&text));
}

static void
draw_keys(struct drawing *d)
{
    struct pen pen;

    if (!line(d, &pen)) return;
    pen_style(&pen, PEN_DIM);
    pen_text(&pen, "q quit   Tab pane   j/k move   s sort   r reverse   "
                   "p pause   ? help");
    pen_style(&pen, PEN_PLAIN);
}

static const char *const help_lines[] = {
    "q, ^C               quit",
    "Tab, 1 to 6         next pane; jobs, queues, workers, brokers, endpoints,",
    "                    money",
    "j k, arrows         next, previous row;  PgUp PgDn, g G: by pages, ends",
    "s S (also > <)      sort by the next, the previous column;  r: reverse",
    "p                   pause and go on;  space: read now",
    "",
    "The line at the bottom tells of the selected row; for a job, what it",
    "waits for. ROOM: tasks that workers would hold at once, those that run",
    "included. WISHED: workers, by the scaler. BACKLOG: to be published again.",
    "PLACES: calls in flight that workers may have at an endpoint, OF so many",
    "that it takes now. REFUSED: calls that were too many for it. UNKNOWN:",
    "worst case of calls without a known end: it counts as spent. Times: UTC.",
    "",
    "any key goes back",
};

static void
draw_help(struct drawing *d)
{
    struct pen pen;

    for (size_t i = 0; i < co_countof(help_lines) && line(d, &pen); i++) {
        pen_text(&pen, help_lines[i]);
    }
}

void
top_view_draw(struct top_view *v, const struct top_scene *scene,
              struct top_screen *screen)
{
    bool snapshot = scene->height == 0;
    unsigned height = snapshot
                          ? TOP_HEIGHT_MAX
                          : (unsigned)co_min_u64(scene->height, TOP_HEIGHT_MAX);
    unsigned foot = snapshot                ? 0
                    : height >= DETAIL_FROM ? 2
                    : height >= FOOT_FROM   ? 1
                                            : 0;
    struct drawing d = {.scene = scene, .screen = screen, .limit = height};

    screen->n = 0;
    draw_head(v, &d);
    if (height >= DETAIL_FROM) blank(&d);
    d.limit = height - foot;
    if (v->help) {
        draw_help(&d);
    } else if (scene->state && d.limit > screen->n) {
        draw_panes(&d, v, d.limit - screen->n);
    }
    while (!snapshot && screen->n < d.limit) {
        blank(&d);
    }
    d.limit = height;
    if (foot > 1) draw_detail(&d, v);
    if (foot) draw_keys(&d);
}
