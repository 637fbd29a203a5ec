/* cmd_top.c - `cohort top`: a namespace as it lives, from Redis alone. On a
 * terminal a picture that is drawn anew each second and answers keys; else one
 * picture as plain text. */
#include "cli/fleet_limits.h"
#include "cli/say.h"
#include "cli/source.h"
#include "cli/terminal.h"
#include "cli/top_fetch.h"
#include "cli/top_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM CO_PROGRAM " top"

enum {
    OUT_BYTES_MAX = 4 << 20,
    PLAIN_WIDTH = 160,
    TICK_MS = 1000, /* the picture's clock; news and keys come at once */
};

struct top_config {
    struct source_config source;
    uint64_t interval_ms;
    bool once;
};

#define FIELD(name) offsetof(struct top_config, name)

static const struct co_option table[] = {
    SOURCE_OPTIONS(FIELD(source), SOURCE_NEWEST_RUN),
    {.name = "interval",
     .letter = 'i',
     .type = CO_OPTION_DURATION,
     .offset = FIELD(interval_ms),
     .def = "1s",
     .min = 200,
     .max = 3600000,
     .no_env = true,
     .help = "how often Redis is read"},
    {.name = "once",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(once),
     .no_env = true,
     .help = "print one picture and end, as without a terminal"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS]",
    .about =
        "Shows jobs, queues, workers, brokers, endpoints of models and what\n"
        "calls of them cost, as they are now. Keys:\n"
        "q quit, Tab pane, j/k move, s sort, r reverse, p pause, ? help.\n"
        "Without a terminal it prints one picture and ends.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
};

/* ---- one picture ---- */

static int
snapshot(struct source *source)
{
    struct top_view *view = calloc(1, sizeof *view);
    struct top_screen *screen = calloc(1, sizeof *screen);
    co_auto(fleet_state_freep) struct fleet_state *state = NULL;
    struct co_diag diag = {"out of memory"};
    enum co_err err = CO_NOMEM;

    if (view && screen) {
        err =
            fleet_state_read(source->client, source->name_space, &state, &diag);
    }
    if (!err) err = fleet_limits_read(source->client, state, &diag);
    if (!err) {
        const struct top_scene scene = {.state = state,
                                        .source = source->shown,
                                        .name_space = source->name_space,
                                        .width = PLAIN_WIDTH,
                                        .looks = PEN_NO_STYLES};

        top_view_init(view);
        top_screen_init(screen);
        top_view_draw(view, &scene, screen);
        for (unsigned i = 0; i < screen->n; i++) {
            struct co_buf *line = &screen->line[i];

            while (line->len && line->data[line->len - 1] == ' ') {
                line->len--; /* columns are padded to the right */
            }
            (void)puts(co_buf_text(line));
        }
        top_screen_fini(screen);
    }
    free(view);
    free(screen);
    return err ? say_error(PROGRAM, err, &diag) : CLI_OK;
}

/* ---- live ---- */

struct live {
    struct top_view view;
    struct top_scene scene;
    struct top_screen screens[2]; /* drawn now, and what the terminal shows */
    unsigned shown;               /* index of the latter */
    bool known;                   /* the terminal shows it */
    unsigned width, height;
    struct top_fetch *fetch;
    struct fleet_state *state;
    char source[400], name_space[80], trouble[500];
};

static enum pen_looks
looks_of_terminal(void)
{
    const char *no_colour = getenv("NO_COLOR");

    return no_colour && *no_colour ? PEN_NO_COLOURS : PEN_COLOURS;
}

/* Only lines that changed are written, all in one write: no flicker. */
static void
draw(struct live *l)
{
    struct top_screen *now = &l->screens[!l->shown];
    struct top_screen *before = &l->screens[l->shown];
    const char *old[TOP_HEIGHT_MAX], *new[TOP_HEIGHT_MAX];
    unsigned width, height;
    struct co_buf out;

    terminal_size(&width, &height);
    l->known &= width == l->width && height == l->height;
    l->width = width;
    l->height = l->scene.height = height;
    /* Behind a full line the cursor stays on its last column, and what erases
     * the rest of the line would take that column away. */
    l->scene.width = width > 1 ? width - 1 : 1;
    top_view_draw(&l->view, &l->scene, now);
    for (unsigned i = 0; i < height; i++) {
        new[i] = i < now->n ? co_buf_text(&now->line[i]) : "";
        old[i] = i < before->n ? co_buf_text(&before->line[i]) : "";
    }
    co_buf_init(&out, OUT_BYTES_MAX);
    terminal_diff(l->known ? old : NULL, new, height, &out);
    terminal_write(&out);
    co_buf_fini(&out);
    l->shown = !l->shown;
    l->known = true;
}

/* Takes what the thread has read; whether there was anything to show. */
static bool
take_news(struct live *l)
{
    struct top_news *news;
    bool any = false;

    while ((news = top_fetch_take(l->fetch))) {
        if (l->view.paused) {
            top_news_free(news);
            continue;
        }
        any = true;
        l->scene.trouble = NULL;
        if (news->state) {
            fleet_state_free(l->state);
            l->state = co_take(&news->state);
            l->scene.state = l->state;
        } else {
            (void)snprintf(l->trouble, sizeof l->trouble,
                           "old numbers: %s; trying again", news->why);
            l->scene.trouble = l->trouble;
        }
        top_news_free(news);
    }
    return any;
}

static void
loop(struct live *l)
{
    draw(l);
    for (;;) {
        int key = terminal_key(TICK_MS, top_fetch_fd(l->fetch));
        bool redraw = take_news(l);

        if (key == TERMINAL_RESIZED) {
            l->known = false;
            redraw = true;
        } else if (key != TERMINAL_NONE) {
            enum top_action action = top_view_key(&l->view, l->state, key);

            if (action == TOP_QUIT) return;
            if (action == TOP_REFRESH) top_fetch_poke(l->fetch);
            redraw |= action != TOP_NOTHING;
        }
        if (redraw) draw(l);
    }
}

static int
live(struct source *source, unsigned interval_ms)
{
    struct live *l = calloc(1, sizeof *l);
    struct co_diag diag = {"out of memory"};
    enum co_err err = l ? terminal_open(&diag) : CO_NOMEM;

    if (!err) {
        (void)snprintf(l->source, sizeof l->source, "%s%s%s", source->run,
                       source->run[0] ? "  " : "", source->shown);
        (void)snprintf(l->name_space, sizeof l->name_space, "%s",
                       source->name_space);
        l->scene = (struct top_scene){.source = l->source,
                                      .name_space = l->name_space,
                                      .interval_ms = interval_ms,
                                      .looks = looks_of_terminal()};
        top_view_init(&l->view);
        top_screen_init(&l->screens[0]);
        top_screen_init(&l->screens[1]);
        err = top_fetch_start(source, interval_ms, &l->fetch, &diag);
        if (!err) loop(l);
        /* First, so that a Redis that hangs keeps nobody's terminal. */
        terminal_close();
        top_fetch_stop(l->fetch);
        fleet_state_free(l->state);
        top_screen_fini(&l->screens[0]);
        top_screen_fini(&l->screens[1]);
    }
    free(l);
    return err ? say_error(PROGRAM, err, &diag) : CLI_OK;
}

static bool
is_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
           strcmp(term, "dumb") != 0;
}

int
cmd_top(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct top_config cfg = {0};
    struct source source = {0};
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    err = source_open(&cfg.source, &source, &diag);
    if (err) return say_error(PROGRAM, err, &diag);
    exit_code = cfg.once || !is_terminal()
                    ? snapshot(&source)
                    : live(&source, (unsigned)cfg.interval_ms);
    source_close(&source);
    return exit_code;
}
