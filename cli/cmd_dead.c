/* cmd_dead.c - `cohort dead list|show|replay|discard`: rows that a run gave up.
 * They stand in dead.jsonl of the output folder, one letter each
 * (job/dead_file.h). list and show read only; replay and discard take the
 * folder's lock and append what was decided: the run that is told to draw a
 * row again is the next one, which owns the journal. */
#include "cli/say.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/json.h"
#include "job/dead_file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROWS_MAX = 10000, OUT_BYTES_MAX = 96 << 20, TIME_BYTES = 32 };

struct dead_config {
    bool json;
};

static const struct co_option table[] = {
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = offsetof(struct dead_config, json),
     .no_env = true,
     .help = "print the letters as they are, one JSON object a line"},
};

/* What a command was called with. */
struct call {
    const char *program;
    struct co_options_spec spec; /* the options point into it */
    struct co_options *options;
    struct dead_config config;
    struct dead_file file;
    const char *dir;
    unsigned rows; /* named on the command line */
};

static void
call_fini(struct call *c)
{
    dead_file_fini(&c->file);
    co_options_freep(&c->options);
}

/* ---- which letters ---- */

static bool
read_row(const struct call *c, unsigned i, uint64_t *ret_row)
{
    const char *text = co_options_arg(c->options, 1 + i);
    char *end;

    errno = 0;
    *ret_row = strtoull(text, &end, 10);
    return errno == 0 && end != text && !*end && *text != '-';
}

static bool
is_named(const struct call *c, uint64_t row)
{
    uint64_t named;

    for (unsigned i = 0; i < c->rows; i++) {
        if (read_row(c, i, &named) && named == row) return true;
    }
    return c->rows == 0;
}

static const struct dead_letter *
letter_of(const struct dead_file *f, uint64_t row)
{
    for (size_t i = f->n; i-- > 0;) {
        if (f->v[i].row == row) return &f->v[i];
    }
    return NULL;
}

/* Every row that was named must have a letter. */
static enum co_err
check_rows(const struct call *c, struct co_diag *diag)
{
    uint64_t row;

    for (unsigned i = 0; i < c->rows; i++) {
        const char *text = co_options_arg(c->options, 1 + i);

        if (!read_row(c, i, &row)) {
            return co_fail(diag, CO_USAGE, "%s: the index of a row is needed",
                           text);
        }
        if (!letter_of(&c->file, row)) {
            return co_fail(diag, CO_USAGE,
                           "%s: row %s is not among the dead; see " CO_PROGRAM
                           " dead list %s",
                           c->dir, text, c->dir);
        }
    }
    return CO_OK;
}

/* A run writes run.json with its first row; dead.jsonl alone may have been
 * copied, with nothing else, to a machine where somebody looks at it. */
static bool
is_of_a_run(const char *dir)
{
    static const char *const files[] = {"run.json", "dead.jsonl"};
    char path[PATH_MAX];

    for (size_t i = 0; i < co_countof(files); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        if (access(path, F_OK) == 0) return true;
    }
    return false;
}

static enum co_err
open_folder(struct call *c, struct co_diag *diag)
{
    struct stat st;
    enum co_err err;

    if (stat(c->dir, &st) || !S_ISDIR(st.st_mode)) {
        return co_fail(diag, CO_USAGE,
                       "%s: there is no such folder; give the output folder "
                       "of a run",
                       c->dir);
    }
    if (!is_of_a_run(c->dir)) {
        return co_fail(diag, CO_USAGE,
                       "%s: no run has written here (no run.json, no "
                       "dead.jsonl); give the output folder of a run, as "
                       "`" CO_PROGRAM " status` lists them",
                       c->dir);
    }
    err = dead_file_load(c->dir, &c->file, diag);
    return err ? err : check_rows(c, diag);
}

/* Parses and opens. False: the command is to end with *ret_exit. */
static bool
begin(struct call *c, const char *usage, const char *about, unsigned rows_min,
      unsigned rows_max, int argc, char **argv, int *ret_exit)
{
    struct co_diag diag = {""};
    enum co_err err;

    c->file.fd = -1;
    c->spec = (struct co_options_spec){.program = c->program,
                                       .usage = usage,
                                       .about = about,
                                       .version = CO_PROGRAM " " COHORT_VERSION,
                                       .table = table,
                                       .count = co_countof(table),
                                       .args_min = 1 + rows_min,
                                       .args_max = 1 + rows_max};
    if (!say_options(&c->spec, argc, argv, &c->config, &c->options, ret_exit)) {
        co_options_free(c->options);
        return false;
    }
    c->dir = co_options_arg(c->options, 0);
    c->rows = (unsigned)co_options_arg_count(c->options) - 1;
    err = open_folder(c, &diag);
    if (err) *ret_exit = say_error(c->program, err, &diag);
    if (err) call_fini(c);
    return !err;
}

/* ---- list and show ---- */

static const char *
time_text(int64_t at_ms, char text[TIME_BYTES])
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) ||
        !strftime(text, TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm)) {
        (void)snprintf(text, TIME_BYTES, "?");
    }
    return text;
}

static const char *
text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void
put_line(struct co_buf *out, const struct dead_letter *letter)
{
    json_t *root = json_loads(letter->line, 0, NULL);
    const char *error = text_of(root, "error");
    char time[TIME_BYTES];

    say_line(out, "row %" PRIu64 "  %s UTC  %s%s%s%s  [%s]", letter->row,
             time_text(letter->dead_ms, time), text_of(root, "reason"),
             *error ? " (" : "", error, *error ? ")" : "",
             dead_state_text(letter->state));
    json_decref(root);
}

static void
put_summary(struct co_buf *out, const struct dead_file *f)
{
    size_t n[DEAD_STATE_COUNT] = {0};

    for (size_t i = 0; i < f->n; i++) {
        n[f->v[i].state]++;
    }
    if (!f->n) co_buf_puts(out, "no row was given up\n");
    for (int s = 0; s < DEAD_STATE_COUNT; s++) {
        if (n[s]) {
            co_buf_printf(out, "%zu: %s\n", n[s],
                          dead_state_text((enum dead_state)s));
        }
    }
}

static int
print(struct call *c, struct co_buf *out)
{
    int status = CLI_OK;

    if (out->err || fputs(co_buf_text(out), stdout) < 0 || fflush(stdout)) {
        (void)fprintf(stderr, "%s: cannot print\n", c->program);
        status = CLI_FAILED;
    }
    co_buf_fini(out);
    call_fini(c);
    return status;
}

int
cmd_dead_list(int argc, char **argv)
{
    struct call c = {.program = CO_PROGRAM " dead list"};
    struct co_buf out;
    int status;

    if (!begin(&c, "[OPTIONS] OUT",
               "Lists the rows of a run that were given up: when, why, and "
               "what was\ndecided about them. OUT is the output folder; a run "
               "may be working in it.",
               0, 0, argc, argv, &status)) {
        return status;
    }
    co_buf_init(&out, OUT_BYTES_MAX);
    for (size_t i = 0; i < c.file.n; i++) {
        if (c.config.json) {
            co_buf_printf(&out, "%s\n", c.file.v[i].line);
        } else {
            put_line(&out, &c.file.v[i]);
        }
    }
    if (!c.config.json) put_summary(&out, &c.file);
    return print(&c, &out);
}

static void
put_events(struct co_buf *out, json_t *events)
{
    json_t *event;
    size_t i;

    json_array_foreach(events, i, event)
    {
        char time[TIME_BYTES];
        int64_t at = json_integer_value(json_object_get(event, "at_ms"));

        say_line(out, "  %s UTC  %s, worker %s", time_text(at, time),
                 text_of(event, "what"), text_of(event, "worker"));
    }
}

static void
put_letter(struct co_buf *out, const struct dead_letter *letter)
{
    static const char *const counters[] = {"assigned", "failed", "returned",
                                           "lost"};
    json_t *root = json_loads(letter->line, 0, NULL);

    put_line(out, letter);
    co_buf_puts(out, "  attempts:");
    for (size_t i = 0; i < co_countof(counters); i++) {
        co_buf_printf(
            out, " %s %" PRId64, counters[i],
            (int64_t)json_integer_value(json_object_get(root, counters[i])));
    }
    co_buf_putc(out, '\n');
    put_events(out, json_object_get(root, "events"));
    say_line(out, "  task %s of job %s, service %s, recipe %s",
             text_of(root, "task"), text_of(root, "job"),
             text_of(root, "service"), text_of(root, "recipe"));
    if (*text_of(root, "input")) {
        say_line(out, "  input %s", text_of(root, "input"));
    }
    if (*text_of(root, "answer")) {
        say_line(out, "  the last answer that was of no use: %s",
                 text_of(root, "answer"));
    }
    json_decref(root);
}

int
cmd_dead_show(int argc, char **argv)
{
    struct call c = {.program = CO_PROGRAM " dead show"};
    struct co_buf out;
    int status;

    if (!begin(&c, "[OPTIONS] OUT ROW...",
               "Shows all that is known of dead rows: attempts, workers, "
               "times, the last\nerror, and the input that would be given to a "
               "worker again.",
               1, ROWS_MAX, argc, argv, &status)) {
        return status;
    }
    co_buf_init(&out, OUT_BYTES_MAX);
    for (size_t i = 0; i < c.file.n; i++) {
        if (!is_named(&c, c.file.v[i].row)) continue;
        if (c.config.json) {
            co_buf_printf(&out, "%s\n", c.file.v[i].line);
        } else {
            put_letter(&out, &c.file.v[i]);
        }
    }
    return print(&c, &out);
}

/* ---- replay and discard ---- */

/* The last letter of its row, and still open to a decision. */
static bool
is_decidable(const struct call *c, const struct dead_letter *letter,
             enum dead_state to)
{
    if (letter_of(&c->file, letter->row) != letter) return false;
    if (letter->state == DEAD_REPLAYED || letter->state == to) return false;
    return is_named(c, letter->row);
}

static enum co_err
decide(struct call *c, enum dead_state to, size_t *ret_n, struct co_diag *diag)
{
    co_auto(co_fs_closep) int lock = -1;
    enum co_err err = co_fs_lock(c->dir, &lock, diag);

    if (err) return err;
    /* what was read before the lock may have grown since */
    dead_file_fini(&c->file);
    err = dead_file_load(c->dir, &c->file, diag);
    for (size_t i = 0; !err && i < c->file.n; i++) {
        const struct dead_letter *letter = &c->file.v[i];

        if (!is_decidable(c, letter, to)) continue;
        err = dead_file_mark(&c->file, letter->task, to, co_clock_wall_ms(),
                             diag);
        if (!err) (*ret_n)++;
    }
    return err ? err : dead_file_sync(&c->file, diag);
}

static int
finish(struct call *c, enum dead_state to, const char *then)
{
    struct co_diag diag = {""};
    struct co_buf out;
    size_t n = 0;
    enum co_err err = decide(c, to, &n, &diag);

    if (err) {
        call_fini(c);
        return say_error(c->program, err, &diag);
    }
    co_buf_init(&out, OUT_BYTES_MAX);
    co_buf_printf(&out, "%zu %s %s%s\n", n, n == 1 ? "row" : "rows",
                  dead_state_text(to), n ? then : "");
    return print(c, &out);
}

int
cmd_dead_replay(int argc, char **argv)
{
    struct call c = {.program = CO_PROGRAM " dead replay"};
    int status;

    if (!begin(&c, "OUT [ROW...]",
               "Asks the next run in the folder to draw dead rows again: all, "
               "or those\nthat are named. A row can come back as long as its "
               "shard is not final:\nwhile the run is unfinished, and in the "
               "last shard of a finished one. Where\na model writes, any of "
               "the last 200,000 candidates can: it is asked again, and\n"
               "paid for, within the job's budget.",
               0, ROWS_MAX, argc, argv, &status)) {
        return status;
    }
    return finish(&c, DEAD_REPLAY,
                  "; now run the job again: " CO_PROGRAM " run FILE");
}

int
cmd_dead_discard(int argc, char **argv)
{
    struct call c = {.program = CO_PROGRAM " dead discard"};
    int status;

    if (!begin(&c, "OUT [ROW...]",
               "Notes that dead rows were looked at and stay dead: all, or "
               "those that are\nnamed. Takes a replay that has not run yet "
               "back.",
               0, ROWS_MAX, argc, argv, &status)) {
        return status;
    }
    return finish(&c, DEAD_DISCARDED, "");
}
