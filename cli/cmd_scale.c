/* cmd_scale.c - `cohort scale`: how many workers each service should have and
 * why, and a person's word on it: a number, bounds, a mode, or `auto`. The word
 * is written into pin:SERVICE, which the scaler reads every second; the answer
 * stands in scale:SERVICE. */
#include "cli/say.h"
#include "cli/scale_set.h"
#include "common/clock.h"
#include "common/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " scale"

enum {
    OUT_BYTES_MAX = 1 << 20,
    AGE_MS = 3600 * 1000,
    HOLDER_BYTES = 128,
    OLD_MS = 5000, /* a scaler writes every second */
};

struct scale_config {
    struct source_config source;
    struct scale_word word;
    bool json;
};

#define FIELD(name) offsetof(struct scale_config, name)

static const struct co_option table[] = {
    SOURCE_OPTIONS(FIELD(source), SOURCE_NEWEST_RUN),
    {.name = "min",
     .type = CO_OPTION_STRING,
     .offset = FIELD(word.min),
     .placeholder = "N",
     .no_env = true,
     .help = "never fewer workers than these; none lifts it"},
    {.name = "max",
     .type = CO_OPTION_STRING,
     .offset = FIELD(word.max),
     .placeholder = "N",
     .no_env = true,
     .help = "never more workers than these; none lifts it"},
    {.name = "mode",
     .type = CO_OPTION_STRING,
     .offset = FIELD(word.mode),
     .placeholder = "MODE",
     .no_env = true,
     .help = "what may change: horizontal (workers), vertical (tasks in "
             "flight in each) or hybrid (workers, then those)"},
    {.name = "memory",
     .type = CO_OPTION_SIZE,
     .offset = FIELD(word.memory_bytes),
     .def = "0",
     .max = 1LL << 44,
     .no_env = true,
     .help = "of a worker: vertical and hybrid take fewer tasks near it"},
    {.name = "new",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(word.is_new),
     .no_env = true,
     .help = "set it though no job, worker or supervisor names the service "
             "yet"},
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(json),
     .no_env = true,
     .help = "print an array of JSON objects, one a service"},
};

static const struct co_options_spec spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] [SERVICE [N|auto]]",
    .about = "Shows how many workers services should have, have, and why; or "
             "sets a number by hand, or bounds, or lets the scaler decide "
             "again (auto).",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_max = 2,
};

/* ---- showing ---- */

/* Who holds the lease; "" nobody. */
static enum co_err
read_holder(struct source *source, char holder[HOLDER_BYTES],
            struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    char key[CO_KEY_BYTES];
    const char *argv[] = {"GET", NULL, NULL};
    enum co_err err;

    argv[1] = co_key(CO_KEY_SCALER, source->name_space, NULL, key);
    err = source_call(source, argv, &reply, diag);
    if (err) return err;
    (void)snprintf(holder, HOLDER_BYTES, "%s",
                   reply->type == CO_REDIS_TEXT ? reply->text : "");
    return CO_OK;
}

static uint64_t
since(const struct co_redis_reply *hash, const char *field)
{
    int64_t ago = co_clock_wall_ms() - (int64_t)co_redis_field_u64(hash, field);

    return ago > 0 ? (uint64_t)ago : 0;
}

static void
put_json(const char *service, const struct co_redis_reply *hash,
         const char *holder, struct co_json *json)
{
    co_json_object(json);
    co_json_put_text(json, "service", service);
    for (size_t i = 0; i + 1 < hash->count; i += 2) {
        const struct co_redis_reply *name = &hash->elements[i];
        const struct co_redis_reply *value = &hash->elements[i + 1];

        if (name->type == CO_REDIS_TEXT && value->type == CO_REDIS_TEXT) {
            co_json_put_text(json, name->text, value->text);
        }
    }
    if (co_redis_field(hash, "at")[0]) {
        co_json_put_u64(json, "age_ms", since(hash, "at"));
    }
    co_json_put_text(json, "scaler", holder);
    co_json_end(json);
}

/* Figures that nobody renews must not pass for those of now. */
static void
put_age(const struct co_redis_reply *hash, const char *holder,
        struct co_buf *out)
{
    uint64_t age = since(hash, "at");
    size_t begin;

    if (holder[0] && age < OLD_MS) return;
    begin = out->len;
    co_buf_puts(out, "  old       written ");
    say_duration(out, age);
    co_buf_puts(out, " ago; ");
    if (holder[0]) {
        co_buf_printf(out, "scaler %s holds the lease and does not renew it",
                      holder);
    } else {
        co_buf_puts(out, "no scaler holds the lease: nothing changes until a "
                         "coordinator with --redis runs");
    }
    say_end_line(out, begin);
}

static void
put_lines(const char *service, const struct co_redis_reply *hash,
          const char *holder, struct co_buf *out)
{
    const char *was = co_redis_field(hash, "forecast_was");
    size_t begin;

    if (!co_redis_field(hash, "desired")[0]) {
        say_line(out, "%s  no scaler has said anything about it%s", service,
                 holder[0] ? "" : ", and none holds the lease");
        return;
    }
#define T(field) co_redis_field(hash, field)
    say_line(out, "%s  %s wished, %s live (%s to %s, %s)", service,
             T("desired"), T("actual"), T("min"), T("max"), T("mode"));
    put_age(hash, holder, out);
    say_line(out, "  why       %s", T("reason"));
    co_buf_puts(out, "  changed   ");
    say_duration(out, since(hash, "changed_at"));
    co_buf_puts(out, " ago\n");
    say_line(out,
             "  work      %s s (%s tasks wait, %s run, %s ms each), slots %s "
             "%% used",
             T("work_s"), T("waiting"), T("running"), T("task_ms"),
             T("utilisation_pct"));
    begin = out->len;
    co_buf_printf(out, "  arrivals  %s a second, %s foreseen", T("in_rate"),
                  T("forecast"));
    if (was[0]) co_buf_printf(out, " (for now it had been %s)", was);
    say_end_line(out, begin);
    if (co_redis_field_u64(hash, "in_flight_max")) {
        say_line(out, "  in flight %s tasks in each worker",
                 T("in_flight_max"));
    }
#undef T
}

static enum co_err
show_one(struct source *source, const char *service, const char *holder,
         struct co_buf *out, struct co_json *json, bool as_json,
         struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *hash = NULL;
    enum co_err err = source_hash(source, CO_KEY_SCALE, service, &hash, diag);

    if (err) return err;
    if (as_json) {
        put_json(service, hash, holder, json);
    } else {
        put_lines(service, hash, holder, out);
    }
    return CO_OK;
}

static enum co_err
show_services(struct source *source, const struct scale_config *cfg,
              const char *holder, struct co_buf *out, struct co_json *json,
              struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *list = NULL;
    enum co_err err = source_list(source, CO_KEY_SERVICES, AGE_MS, &list, diag);

    if (err) return err;
    for (size_t i = 0; !err && i < list->count; i++) {
        if (list->elements[i].type != CO_REDIS_TEXT) continue;
        err = show_one(source, list->elements[i].text, holder, out, json,
                       cfg->json, diag);
    }
    if (!list->count && !cfg->json) {
        co_buf_puts(out, "no service has had a job in the last hour\n");
    }
    return err;
}

static enum co_err
show(struct source *source, const struct scale_config *cfg, const char *service,
     struct co_diag *diag)
{
    struct co_buf out;
    struct co_json json;
    char holder[HOLDER_BYTES] = "";
    enum co_err err = read_holder(source, holder, diag);

    if (!err && service) err = scale_known(source, service, diag);
    if (err) return err;
    co_buf_init(&out, OUT_BYTES_MAX);
    co_json_init(&json, &out);
    if (cfg->json) co_json_array(&json);
    err = service
              ? show_one(source, service, holder, &out, &json, cfg->json, diag)
              : show_services(source, cfg, holder, &out, &json, diag);
    if (cfg->json) {
        co_json_end(&json);
        co_buf_putc(&out, '\n');
    }
    if (!err) say_print(&out);
    co_buf_fini(&out);
    return err;
}

/* ---- setting ---- */

static enum co_err
set(struct source *source, const struct scale_config *cfg, const char *service,
    struct co_diag *diag)
{
    const char *size = cfg->word.size;
    bool automatic = size && strcmp(size, "auto") == 0;
    char holder[HOLDER_BYTES] = "";
    enum co_err err = scale_set(source, service, &cfg->word, diag);

    if (!err) err = read_holder(source, holder, diag);
    if (err) return err;
    if (!holder[0]) {
        (void)fprintf(stderr,
                      PROGRAM ": no scaler holds the lease of this namespace, "
                              "so nothing happens yet: one runs in every "
                              "coordinator that has --redis\n");
    }
    (void)printf("%s: %s%s; the scaler reads it within a second\n", service,
                 !size       ? "bounds and mode as given"
                 : automatic ? "the scaler decides"
                             : "set by hand to ",
                 size && !automatic ? size : "");
    return CO_OK;
}

int
cmd_scale(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct scale_config cfg = {.json = false};
    struct source source = {.client = NULL};
    const char *service = NULL;
    struct co_diag diag = {""};
    enum co_err err;
    bool change;
    int exit_code;

    if (!say_options(&spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    if (co_options_arg_count(options) > 0) service = co_options_arg(options, 0);
    if (co_options_arg_count(options) > 1) {
        cfg.word.size = co_options_arg(options, 1);
    }
    change = cfg.word.size || cfg.word.min || cfg.word.max || cfg.word.mode ||
             cfg.word.memory_bytes;
    if (change && !service) {
        err = co_fail(&diag, CO_USAGE, "whose bounds? Name a service");
        return say_error(PROGRAM, err, &diag);
    }
    err = service ? scale_check(service, &cfg.word, &diag) : CO_OK;
    if (err) return say_error(PROGRAM, err, &diag);
    err = source_open(&cfg.source, &source, &diag);
    if (!err && change && service) {
        err = set(&source, &cfg, service, &diag);
    } else if (!err) {
        err = show(&source, &cfg, service, &diag);
    }
    source_close(&source);
    return err ? say_error(PROGRAM, err, &diag) : CLI_OK;
}
