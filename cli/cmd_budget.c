/* cmd_budget.c - `cohort budget set|show|rebuild`: caps over all jobs of a
 * namespace, and of a UTC day. The ledger is in Redis (docs/redis-keys.md,
 * "Money"); coordinators take money from it in blocks, and it answers to
 * nobody while it may lack something: then `rebuild` tells it what the runs'
 * journals say. */
#include "cli/budget_rebuild.h"
#include "cli/say.h"
#include "common/clock.h"
#include "common/json.h"
#include "llm/price.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUT_BYTES_MAX = 1 << 20,
    JOBS_SHOWN_MAX = 50,
    MICRO = 1000000,
};

struct budget_config {
    struct source_config source;
    const char *day, *total;
    bool is_new, json;
};

#define FIELD(name) offsetof(struct budget_config, name)
#define CAP_OPTIONS                                                            \
    {.name = "day",                                                            \
     .type = CO_OPTION_STRING,                                                 \
     .offset = FIELD(day),                                                     \
     .placeholder = "USD",                                                     \
     .no_env = true,                                                           \
     .help = "all jobs together spend at most this a UTC day; none lifts "     \
             "it"},                                                            \
    {                                                                          \
        .name = "total", .type = CO_OPTION_STRING, .offset = FIELD(total),     \
        .placeholder = "USD", .no_env = true,                                  \
        .help = "all jobs of the namespace spend at most this in all; none "   \
                "lifts it"                                                     \
    }

static const struct co_option set_table[] = {
    SOURCE_OPTIONS(FIELD(source), SOURCE_NEWEST_RUN),
    CAP_OPTIONS,
    {.name = "new",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(is_new),
     .no_env = true,
     .help = "make the ledger: nothing was spent under it yet"},
};

static const struct co_option show_table[] = {
    SOURCE_OPTIONS(FIELD(source), SOURCE_NEWEST_RUN),
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(json),
     .no_env = true,
     .help = "print one JSON object"},
};

static const struct co_option rebuild_table[] = {
    SOURCE_OPTIONS(FIELD(source), SOURCE_NEWEST_RUN),
    CAP_OPTIONS,
};

/* ---- caps ---- */

/* For the script: 1e-6 USD, "none", or "" when it was not given. */
static enum co_err
cap_argument(const char *option, const char *given, char text[24],
             struct co_diag *diag)
{
    int64_t micro;
    enum co_err err;

    text[0] = '\0';
    if (!given) return CO_OK;
    if (strcmp(given, "none") == 0) {
        (void)snprintf(text, 24, "none");
        return CO_OK;
    }
    err = budget_parse(given, &micro, diag);
    if (err) return co_fail_prefix(diag, err, "%s", option);
    (void)snprintf(text, 24, "%" PRId64, micro);
    return CO_OK;
}

static enum co_err
caps(const struct budget_config *cfg, char day[24], char total[24],
     struct co_diag *diag)
{
    enum co_err err = cap_argument("--day", cfg->day, day, diag);

    return err ? err : cap_argument("--total", cfg->total, total, diag);
}

static enum co_err
set(struct source *source, const struct budget_config *cfg,
    struct co_diag *diag)
{
    char day[24], total[24], id[CO_HEX16_SIZE] = "";
    int64_t result = 0;
    enum co_err err = caps(cfg, day, total, diag);

    if (!err && cfg->is_new) (void)co_hex16(budget_new_id(0), id);
    if (!err) err = budget_set(source, day, total, id, &result, diag);
    if (err) return err;
    if (result == 0) {
        return co_fail(diag, CO_STATE,
                       "there is no ledger of this namespace in %s. If nothing "
                       "was spent under its caps yet, make one: --new. If "
                       "Redis lost it: `" CO_PROGRAM " budget rebuild DIR...`",
                       source->shown);
    }
    if (result == 2) {
        (void)fprintf(stderr, CO_PROGRAM
                      " budget set: there is a ledger; no new one was made\n");
    }
    (void)puts("caps set; coordinators ask within a second");
    return CO_OK;
}

/* ---- showing ---- */

struct ledger {
    struct co_redis_reply *total, *day, *members;
    uint32_t today;
    char today_text[BUDGET_DAY_BYTES];
};

static void
ledger_fini(struct ledger *l)
{
    co_redis_reply_free(l->total);
    co_redis_reply_free(l->day);
    co_redis_reply_free(l->members);
}

static enum co_err
ledger_read(struct source *source, struct ledger *l, struct co_diag *diag)
{
    enum co_err err = budget_today(source, &l->today, diag);

    if (err) return err;
    (void)budget_day_text(l->today, l->today_text);
    err = source_hash(source, CO_KEY_CAPS, BUDGET_TOTAL, &l->total, diag);
    if (!err) {
        err = source_hash(source, CO_KEY_CAPS, l->today_text, &l->day, diag);
    }
    if (!err) {
        err =
            source_hash(source, CO_KEY_CAPS, BUDGET_MEMBERS, &l->members, diag);
    }
    return err;
}

/* The lower of what was set and what coordinators were given; "": none. */
static const char *
cap_in_force(const struct ledger *l, const char *set, const char *given)
{
    const char *a = co_redis_field(l->total, set);
    const char *b = co_redis_field(l->day, given);

    if (!a[0]) return b;
    if (!b[0]) return a;
    return strtoull(a, NULL, 10) <= strtoull(b, NULL, 10) ? a : b;
}

static const char *
usd(const char *micro, char text[PRICE_TEXT_BYTES])
{
    long long n = strtoll(micro, NULL, 10);

    if (n < 0) n = 0;
    if (n > BUDGET_MAX_MICRO) n = BUDGET_MAX_MICRO;
    return price_text((int64_t)n * MICRO, text);
}

static void
put_sum(struct co_buf *out, const char *name, const char *granted,
        const char *cap)
{
    char a[PRICE_TEXT_BYTES], b[PRICE_TEXT_BYTES];

    if (cap[0]) {
        say_line(out, "  %-10s %s of %s USD granted", name, usd(granted, a),
                 usd(cap, b));
    } else {
        say_line(out, "  %-10s %s USD granted, no cap", name, usd(granted, a));
    }
}

/* What a state means, and what to do. */
static const struct {
    const char *state, *text;
} meanings[] = {
    {"open", "it grants"},
    {"unsure",
     "Redis is another process than before: it grants again once who took part "
     "under the old one asks, or, if all was in the append-only file or was "
     "rebuilt, 5 s after somebody asked; else `" CO_PROGRAM
     " budget rebuild DIR...`"},
    {"closed", "something is missing and nothing is granted: `" CO_PROGRAM
               " budget rebuild DIR...`"},
};

static void
put_state(struct co_buf *out, const char *state, const char *why)
{
    const char *text = "not known to this version";

    for (size_t i = 0; i < co_countof(meanings); i++) {
        if (strcmp(meanings[i].state, state) == 0) text = meanings[i].text;
    }
    say_line(out, "  %-10s %s (%s): %s", "state", state, why, text);
}

static void
put_jobs(struct co_buf *out, const struct ledger *l)
{
    const char *epoch = co_redis_field(l->total, "epoch");
    size_t lead = strlen(epoch), shown = 0, more = 0;

    for (size_t i = 0; i + 1 < l->day->count; i += 2) {
        const char *name = l->day->elements[i].text;
        const char *value = l->day->elements[i + 1].text;
        char text[PRICE_TEXT_BYTES];

        if (!name || !value || strncmp(name, "job.", 4) != 0 ||
            strncmp(value, epoch, lead) != 0 || value[lead] != ' ') {
            continue;
        }
        if (shown++ >= JOBS_SHOWN_MAX) {
            more++;
            continue;
        }
        say_line(out, "  %-10s %s  %s USD today%s", "job", name + 4,
                 usd(value + lead + 1, text),
                 co_redis_field(l->members, name + 4)[0] ? ", takes part" : "");
    }
    if (more) co_buf_printf(out, "  and %zu more\n", more);
}

static void
put_text(const struct source *source, const struct ledger *l,
         struct co_buf *out)
{
    const char *lost = co_redis_field(l->total, "lost");
    char text[PRICE_TEXT_BYTES];

    say_line(out, "namespace %s, day %s (UTC)", source->name_space,
             l->today_text);
    put_state(out, co_redis_field(l->total, "state"),
              co_redis_field(l->total, "why"));
    put_sum(out, "day", co_redis_field(l->day, "granted"),
            cap_in_force(l, "cap_day", "opt_day"));
    put_sum(out, "namespace", co_redis_field(l->total, "granted"),
            cap_in_force(l, "cap_total", "opt_total"));
    if (lost[0] && strcmp(lost, "0") != 0) {
        say_line(out,
                 "  %-10s %s USD of these belong to jobs that have not "
                 "said so since Redis forgot them",
                 "unclaimed", usd(lost, text));
    }
    put_jobs(out, l);
}

static void
put_hash(struct co_json *json, const char *name,
         const struct co_redis_reply *hash)
{
    co_json_key(json, name);
    co_json_object(json);
    for (size_t i = 0; i + 1 < hash->count; i += 2) {
        if (!hash->elements[i].text || !hash->elements[i + 1].text) continue;
        co_json_put_text(json, hash->elements[i].text,
                         hash->elements[i + 1].text);
    }
    co_json_end(json);
}

static void
put_json(const struct ledger *l, struct co_buf *out)
{
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_text(&json, "today", l->today_text);
    put_hash(&json, "total", l->total);
    put_hash(&json, "day", l->day);
    put_hash(&json, "members", l->members);
    co_json_end(&json);
    co_buf_putc(out, '\n');
}

static enum co_err
show(struct source *source, const struct budget_config *cfg,
     struct co_diag *diag)
{
    struct ledger l = {.today = 0};
    struct co_buf out;
    enum co_err err = ledger_read(source, &l, diag);

    co_buf_init(&out, OUT_BYTES_MAX);
    if (!err && cfg->json) {
        put_json(&l, &out);
    } else if (!err && l.total->count == 0) {
        say_line(&out,
                 "namespace %s has no ledger: no caps over jobs are set, or "
                 "Redis lost them. Set some: `" CO_PROGRAM
                 " budget set --new`; tell Redis again: `" CO_PROGRAM
                 " budget rebuild DIR...`",
                 source->name_space);
    } else if (!err) {
        put_text(source, &l, &out);
    }
    if (!err) say_print(&out);
    co_buf_fini(&out);
    ledger_fini(&l);
    return err;
}

/* ---- rebuilding ---- */

static enum co_err
rebuild(struct source *source, const struct budget_config *cfg,
        const struct co_options *options, struct co_diag *diag)
{
    char day[24], total[24], text[PRICE_TEXT_BYTES], today[PRICE_TEXT_BYTES];
    struct budget_jobs jobs = {.v = NULL};
    enum co_err err = caps(cfg, day, total, diag);

    for (size_t i = 0; !err && i < co_options_arg_count(options); i++) {
        err = budget_look(co_options_arg(options, i), diag);
    }
    if (!err) err = budget_stop(source, day[0] || total[0], &jobs, diag);
    for (size_t i = 0; !err && i < co_options_arg_count(options); i++) {
        err = budget_read(co_options_arg(options, i), &jobs, diag);
    }
    if (!err && (day[0] || total[0])) {
        int64_t result;

        err = budget_set(source, day, total, "", &result, diag);
    }
    if (!err) err = budget_tell(source, &jobs, diag);
    if (!err) {
        (void)printf("%zu jobs have %s USD in all, %s USD of today; granted "
                     "again 5 s after the first coordinator asks\n",
                     jobs.n, price_text(jobs.total * MICRO, text),
                     price_text(jobs.today * MICRO, today));
    }
    budget_jobs_fini(&jobs);
    return err;
}

/* ---- commands ---- */

enum verb { SET, SHOW, REBUILD };

static const struct co_options_spec specs[] = {
    [SET] = {.program = CO_PROGRAM " budget set",
             .usage = "[--day USD] [--total USD] [--new]",
             .about = "Sets what all jobs of a namespace together may spend: a "
                      "UTC day, and in\nall. The lower of this and of what "
                      "coordinators were given holds.",
             .version = CO_PROGRAM " " COHORT_VERSION,
             .table = set_table,
             .count = co_countof(set_table)},
    [SHOW] = {.program = CO_PROGRAM " budget show",
              .usage = "[OPTIONS]",
              .about = "Shows the caps over all jobs of a namespace, what is "
                       "granted of them, and\nwhy nothing is.",
              .version = CO_PROGRAM " " COHORT_VERSION,
              .table = show_table,
              .count = co_countof(show_table)},
    [REBUILD] = {.program = CO_PROGRAM " budget rebuild",
                 .usage = "[OPTIONS] DIR...",
                 .about = "Tells a Redis that lost the ledger of the caps what "
                          "was granted, from the\njournals of runs. Give the "
                          "output folder of every run that spent money in\n"
                          "this namespace, finished ones too: what is not "
                          "given counts as not spent.",
                 .version = CO_PROGRAM " " COHORT_VERSION,
                 .table = rebuild_table,
                 .count = co_countof(rebuild_table),
                 .args_min = 1,
                 .args_max = 100000},
};

static int
command(enum verb verb, int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct budget_config cfg = {.json = false};
    struct source source = {.client = NULL};
    struct co_diag diag = {""};
    enum co_err err;
    int exit_code;

    if (!say_options(&specs[verb], argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    if (verb == SET && !cfg.day && !cfg.total) {
        err = co_fail(&diag, CO_USAGE, "which cap? Give --day or --total");
        return say_error(specs[verb].program, err, &diag);
    }
    err = source_open(&cfg.source, &source, &diag);
    if (!err && verb == SET) err = set(&source, &cfg, &diag);
    if (!err && verb == SHOW) err = show(&source, &cfg, &diag);
    if (!err && verb == REBUILD) err = rebuild(&source, &cfg, options, &diag);
    source_close(&source);
    return err ? say_error(specs[verb].program, err, &diag) : CLI_OK;
}

int
cmd_budget_set(int argc, char **argv)
{
    return command(SET, argc, argv);
}

int
cmd_budget_show(int argc, char **argv)
{
    return command(SHOW, argc, argv);
}

int
cmd_budget_rebuild(int argc, char **argv)
{
    return command(REBUILD, argc, argv);
}
