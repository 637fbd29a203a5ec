/* cmd_status.c - `cohort status`: how runs stand. Without argument the runs of
 * this user on this machine (registry.h), or the jobs in --redis. */
#include "cli/find_job.h"
#include "cli/registry.h"
#include "cli/say.h"
#include "cli/summary.h"
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " status"

enum { OUT_BYTES_MAX = 16 << 20, JOBS_MAX = 1000 };

struct status_config {
    struct source_config source;
    bool json;
};

#define FIELD(name) offsetof(struct status_config, name)

static const struct co_option table[] = {
    SOURCE_OPTIONS(FIELD(source), "the runs of this machine"),
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(json),
     .no_env = true,
     .help = "print JSON: an object for one run, an array for a list"},
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] [JOB|DIR]",
    .about = "Shows how runs stand: one (by job id or output folder), or all\n"
             "that this user started on this machine.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_max = 1,
};

/* ---- printing ---- */

static void
put_json(const struct job_state *s, struct co_json *json)
{
    co_json_object(json);
    co_json_put_text(json, "job", s->job);
    co_json_put_text(json, "name", s->name);
    co_json_put_text(json, "state", s->state);
    co_json_put_text(json, "why", s->why);
    co_json_put_text(json, "out", s->out);
    co_json_put_text(json, "redis", s->redis);
    co_json_key(json, "live");
    co_json_bool(json, s->live);
    co_json_put_u64(json, "requested", s->requested);
    if (s->has_ledger) {
        co_json_put_u64(json, "drawn", s->drawn);
        co_json_put_u64(json, "accepted", s->accepted);
        co_json_put_u64(json, "rejected", s->rejected);
        co_json_put_u64(json, "dead", s->dead);
        co_json_put_u64(json, "surplus", s->surplus);
        co_json_put_u64(json, "pending", s->pending);
    }
    if (s->live) {
        co_json_put_u64(json, "rows_per_s", s->rows_per_s);
        co_json_put_u64(json, "eta_s", s->eta_s);
    }
    money_line_put(&s->money, json);
    co_json_end(json);
}

static void
put_rate(const struct job_state *s, struct co_buf *out)
{
    if (!s->live || strcmp(s->state, "running") != 0) return;
    co_buf_puts(out, ", ");
    say_count(out, s->rows_per_s);
    co_buf_puts(out, " rows/s");
    if (!s->rows_per_s) return;
    co_buf_puts(out, ", ETA ");
    say_duration(out, s->eta_s * 1000);
}

static void
put_one(const struct job_state *s, struct co_buf *out)
{
    const struct status_line ledger = {.drawn = s->drawn,
                                       .accepted = s->accepted,
                                       .rejected = s->rejected,
                                       .dead = s->dead,
                                       .surplus = s->surplus,
                                       .pending = s->pending};

    size_t begin;

    say_line(out, "%s  %s", s->name, s->state);
    say_line(out, "  job     %s", s->job);
    begin = out->len;
    co_buf_puts(out, "  rows    ");
    if (s->has_ledger) {
        say_count(out, s->accepted);
        co_buf_puts(out, " of ");
    }
    say_count(out, s->requested);
    put_rate(s, out);
    say_end_line(out, begin);
    if (s->has_ledger) summary_ledger(&ledger, out);
    if (s->money.is_there) {
        begin = out->len;
        co_buf_puts(out, "  money   ");
        money_line_say(&s->money, true, out);
        say_end_line(out, begin);
        money_line_say_phases(&s->money, "          ", out);
    }
    arm_lines_say(&s->arms, out);
    if (s->why[0]) say_line(out, "  why     %s", s->why);
    say_line(out, "  folder  %s", s->out);
    if (s->live && s->redis[0]) {
        say_line(out, "  redis   %s (namespace %s)", s->redis, s->name_space);
    }
}

static void
put_line(const struct job_state *s, struct co_buf *out)
{
    size_t begin = out->len;

    co_buf_printf(out, "%-16s  %-20s  %-11s  ", s->job, s->name, s->state);
    if (s->has_ledger) {
        say_count(out, s->accepted);
        co_buf_puts(out, " of ");
    }
    say_count(out, s->requested);
    put_rate(s, out);
    co_buf_printf(out, "  %s", s->out);
    say_end_line(out, begin);
}

/* What is shown: one run, or a list that grows. */
struct listing {
    const struct status_config *cfg;
    struct co_buf out;
    struct co_json json;
    size_t count;
};

static void
list_add(struct listing *l, const struct job_state *s)
{
    l->count++;
    if (l->cfg->json) {
        put_json(s, &l->json);
    } else {
        put_line(s, &l->out);
    }
}

static int
show_one(const struct status_config *cfg, const struct job_state *s)
{
    struct co_buf out;
    struct co_json json;

    co_buf_init(&out, OUT_BYTES_MAX);
    co_json_init(&json, &out);
    if (cfg->json) {
        put_json(s, &json);
        co_buf_putc(&out, '\n');
    } else {
        put_one(s, &out);
    }
    say_print(&out);
    co_buf_fini(&out);
    return CLI_OK;
}

/* ---- finding ---- */

static enum co_err
list_redis(struct listing *l, struct co_diag *diag)
{
    co_auto(source_close) struct source source = {.client = NULL};
    co_auto(co_redis_reply_freep) struct co_redis_reply *jobs = NULL;
    char key[CO_KEY_BYTES];
    const char *argv[] = {"ZREVRANGE", NULL, "0", "999", NULL};
    enum co_err err = source_open(&l->cfg->source, &source, diag);

    argv[1] = co_key(CO_KEY_JOBS, source.name_space, NULL, key);
    if (!err) err = source_call(&source, argv, &jobs, diag);
    if (err) return err;
    for (size_t i = 0; i < jobs->count && i < JOBS_MAX; i++) {
        struct job_state s = {0};

        if (jobs->elements[i].type != CO_REDIS_TEXT) continue;
        (void)snprintf(s.job, sizeof s.job, "%s", jobs->elements[i].text);
        if (job_state_of_redis(source.client, source.name_space, &s, NULL) ==
            CO_OK) {
            list_add(l, &s);
        }
    }
    return CO_OK;
}

static enum co_err
list_runs(struct listing *l, struct co_diag *diag)
{
    struct registry_entry *v;
    size_t n;
    enum co_err err = registry_list(&v, &n, diag);

    if (err) return err;
    for (size_t i = 0; i < n; i++) {
        struct job_state s;

        if (job_state_of_folder(v[i].out, &s, NULL) == CO_OK) list_add(l, &s);
    }
    free(v);
    return CO_OK;
}

static int
show_list(const struct status_config *cfg)
{
    struct listing l = {.cfg = cfg};
    struct co_diag diag = {""};
    enum co_err err;

    co_buf_init(&l.out, OUT_BYTES_MAX);
    co_json_init(&l.json, &l.out);
    if (cfg->json) co_json_array(&l.json);
    err = cfg->source.redis ? list_redis(&l, &diag) : list_runs(&l, &diag);
    if (cfg->json) {
        co_json_end(&l.json);
        co_buf_putc(&l.out, '\n');
    } else if (!l.count) {
        co_buf_puts(&l.out, cfg->source.redis ? "no jobs there\n"
                                              : "no runs yet; `" CO_PROGRAM
                                                " run FILE` starts one\n");
    }
    if (!err) say_print(&l.out);
    co_buf_fini(&l.out);
    return err ? say_error(PROGRAM, err, &diag) : CLI_OK;
}

int
cmd_status(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct status_config cfg = {0};
    struct job_state state;
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    if (co_options_arg_count(options) == 0) return show_list(&cfg);
    err = find_job(co_options_arg(options, 0), &cfg.source, &state, &diag);
    return err ? say_error(PROGRAM, err, &diag) : show_one(&cfg, &state);
}
