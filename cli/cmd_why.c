/* cmd_why.c - `cohort why`: what a job waits for and what to do, from Redis
 * alone, or from run.json when it is over. */
#include "cli/find_job.h"
#include "cli/registry.h"
#include "cli/say.h"
#include "cli/source.h"
#include "cli/why.h"
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " why"

enum { OUT_BYTES_MAX = 64 << 10, WIDTH = 78, INDENT = 10 };

struct why_config {
    struct source_config source;
    bool json;
};

#define FIELD(name) offsetof(struct why_config, name)

static const struct co_option table[] = {
    SOURCE_OPTIONS(FIELD(source), SOURCE_NEWEST_RUN),
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(json),
     .no_env = true,
     .help = "print one JSON object"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] [JOB|DIR]",
    .about = "Says what a job waits for and what to do about it. JOB is an\n"
             "id, DIR an output folder; without, the newest run going on.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_max = 1,
};

/* What is told, from wherever it came. */
struct told {
    char job[20], name[130], state[32];
    uint64_t accepted, requested, rows_per_s, eta_s;
    bool live;
    struct why why;
};

/* ---- printing ---- */

/* Wraps text at blanks; the first line goes behind what stands there. */
static void
put_wrapped(struct co_buf *out, const char *text)
{
    size_t column = INDENT, begin = out->len;

    while (*text) {
        size_t len = strcspn(text, " ");

        if (column > INDENT && column + 1 + len > WIDTH) {
            say_end_line(out, begin);
            begin = out->len;
            co_buf_printf(out, "%*s", INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            co_buf_putc(out, ' ');
            column++;
        }
        co_buf_append(out, text, len);
        column += len;
        text += len;
        while (*text == ' ') {
            text++;
        }
    }
    say_end_line(out, begin);
}

static void
put_text(const struct told *t, struct co_buf *out)
{
    static const char *const marks[] = {"", "note", "problem"};
    size_t begin = out->len;

    co_buf_printf(out, "%s  %s  ", t->name, t->state);
    say_count(out, t->accepted);
    co_buf_puts(out, " of ");
    say_count(out, t->requested);
    co_buf_puts(out, " rows");
    if (t->live && t->rows_per_s) {
        co_buf_puts(out, ", ");
        say_count(out, t->rows_per_s);
        co_buf_puts(out, " rows/s, ETA ");
        say_duration(out, t->eta_s * 1000);
    }
    say_end_line(out, begin);
    for (size_t i = 0; i < t->why.n; i++) {
        const struct why_finding *f = &t->why.v[i];

        co_buf_printf(out, "  %-*s", INDENT - 2,
                      i ? marks[f->level] : (t->live ? "why" : "ended"));
        put_wrapped(out, f->text);
        if (!f->act[0]) continue;
        co_buf_printf(out, "  %-*s", INDENT - 2, "do");
        put_wrapped(out, f->act);
    }
}

static void
put_json(const struct told *t, struct co_buf *out)
{
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_text(&json, "job", t->job);
    co_json_put_text(&json, "name", t->name);
    co_json_put_text(&json, "state", t->state);
    co_json_key(&json, "live");
    co_json_bool(&json, t->live);
    co_json_put_u64(&json, "requested", t->requested);
    co_json_put_u64(&json, "accepted", t->accepted);
    if (t->live) {
        co_json_put_u64(&json, "rows_per_s", t->rows_per_s);
        co_json_put_u64(&json, "eta_s", t->eta_s);
    }
    co_json_key(&json, "why");
    co_json_array(&json);
    for (size_t i = 0; i < t->why.n; i++) {
        co_json_object(&json);
        co_json_put_text(&json, "code", t->why.v[i].code);
        co_json_put_text(&json, "level", why_level_name(t->why.v[i].level));
        co_json_put_text(&json, "text", t->why.v[i].text);
        co_json_put_text(&json, "do", t->why.v[i].act);
        co_json_end(&json);
    }
    co_json_end(&json);
    co_json_end(&json);
    co_buf_putc(out, '\n');
}

/* ---- finding ---- */

static void
tell_job(const struct fleet_state *s, const struct limits_state *limits,
         const struct fleet_job *j, struct told *t)
{
    (void)snprintf(t->job, sizeof t->job, "%s", j->id);
    (void)snprintf(t->name, sizeof t->name, "%s", j->name);
    (void)snprintf(t->state, sizeof t->state, "%s", j->state);
    t->accepted = j->accepted;
    t->requested = j->requested;
    t->rows_per_s = j->rows_per_s;
    t->eta_s = j->eta_s;
    t->live = fleet_job_runs(j);
    why_of_job(s, j, &t->why);
    why_of_limits(limits, s, j, &t->why);
}

static void
tell_folder(const struct job_state *s, struct told *t)
{
    (void)snprintf(t->job, sizeof t->job, "%s", s->job);
    (void)snprintf(t->name, sizeof t->name, "%s", s->name);
    (void)snprintf(t->state, sizeof t->state, "%s", s->state);
    t->accepted = s->accepted;
    t->requested = s->requested;
    t->live = strcmp(s->state, "running") == 0;
    why_of_folder(s, &t->why);
}

/* The newest job that goes on; else simply the newest. */
static const struct fleet_job *
newest(const struct fleet_state *s)
{
    for (size_t i = 0; i < s->jobs.n; i++) {
        if (fleet_job_runs(&s->jobs.v[i])) return &s->jobs.v[i];
    }
    return s->jobs.n ? &s->jobs.v[0] : NULL;
}

/* id NULL: the newest. */
static enum co_err
ask_redis(struct source *source, const char *id, struct told *t,
          struct co_diag *diag)
{
    co_auto(fleet_state_freep) struct fleet_state *s = NULL;
    const struct fleet_job *j;
    struct limits_state limits;
    enum co_err err =
        fleet_state_read(source->client, source->name_space, &s, diag);

    if (!err) err = limits_state_read(source->client, &limits, diag);
    if (err) return err;
    j = id ? fleet_state_job(s, id) : newest(s);
    if (!j) {
        return co_fail(diag, CO_NOTFOUND, "%s in namespace %s knows no job%s%s",
                       source->shown, source->name_space, id ? " " : "",
                       id ? id : "");
    }
    tell_job(s, &limits, j, t);
    return CO_OK;
}

/* A run of this machine: its Redis knows more, if it still answers. */
static enum co_err
ask_folder(const char *what, struct told *t, struct co_diag *diag)
{
    struct job_state state;
    struct source source = {0};
    enum co_err err = find_job(what, NULL, &state, diag);

    if (err) return err;
    if (!state.live ||
        source_open_url(state.redis, true, state.name_space, &source, diag)) {
        tell_folder(&state, t);
        source_close(&source);
        return CO_OK;
    }
    err = ask_redis(&source, state.job, t, diag);
    source_close(&source);
    return err;
}

static enum co_err
ask(const struct why_config *cfg, const char *what, struct told *t,
    struct co_diag *diag)
{
    struct source source = {0};
    enum co_err err;

    if (what && !cfg->source.redis) return ask_folder(what, t, diag);
    if (what && !job_state_is_id(what)) {
        return co_fail(diag, CO_USAGE,
                       "%s: with --redis give a job id (16 hex digits), "
                       "without the folder",
                       what);
    }
    err = source_open(&cfg->source, &source, diag);
    if (!err) err = ask_redis(&source, what, t, diag);
    source_close(&source);
    return err;
}

int
cmd_why(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct why_config cfg = {0};
    struct told told = {.live = false};
    struct co_diag diag = {""};
    struct co_buf out;
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    err = ask(&cfg,
              co_options_arg_count(options) ? co_options_arg(options, 0) : NULL,
              &told, &diag);
    if (err) return say_error(PROGRAM, err, &diag);
    co_buf_init(&out, OUT_BYTES_MAX);
    if (cfg.json) {
        put_json(&told, &out);
    } else {
        put_text(&told, &out);
    }
    say_print(&out);
    co_buf_fini(&out);
    return CLI_OK;
}
