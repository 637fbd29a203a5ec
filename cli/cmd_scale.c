/* cmd_scale.c - `cohort scale`: how many workers each service should have and
 * why, and a person's word on it: a number, bounds, a mode, or `auto`. The word
 * is written into pin:SERVICE, which the scaler reads every second; the answer
 * stands in scale:SERVICE. */
#include "cli/say.h"
#include "cli/source.h"
#include "common/clock.h"
#include "common/json.h"
#include "scaler/scaler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " scale"

enum { OUT_BYTES_MAX = 1 << 20, AGE_MS = 3600 * 1000, SERVICE_MAX = 250 };

struct scale_config {
    struct source_config source;
    const char *min, *max, *mode;
    bool json;
};

#define SERVICE_LETTERS                                                        \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-"
#define FIELD(name) offsetof(struct scale_config, name)

static const struct co_option table[] = {
    SOURCE_OPTIONS(FIELD(source), SOURCE_NEWEST_RUN),
    {.name = "min",
     .type = CO_OPTION_STRING,
     .offset = FIELD(min),
     .placeholder = "N",
     .no_env = true,
     .help = "never fewer workers than these"},
    {.name = "max",
     .type = CO_OPTION_STRING,
     .offset = FIELD(max),
     .placeholder = "N",
     .no_env = true,
     .help = "never more workers than these"},
    {.name = "mode",
     .type = CO_OPTION_STRING,
     .offset = FIELD(mode),
     .placeholder = "MODE",
     .no_env = true,
     .help = "what may change: horizontal, vertical, quality or hybrid"},
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

static void
put_json(const char *service, const struct co_redis_reply *hash,
         struct co_json *json)
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
    co_json_end(json);
}

static void
put_lines(const char *service, const struct co_redis_reply *hash,
          struct co_buf *out)
{
    const char *was = co_redis_field(hash, "forecast_was");
    int64_t changed = (int64_t)co_redis_field_u64(hash, "changed_at");
    int64_t ago = co_clock_wall_ms() - changed;
    size_t begin;

    if (!co_redis_field(hash, "desired")[0]) {
        say_line(out, "%s  no scaler has said anything about it", service);
        return;
    }
#define T(field) co_redis_field(hash, field)
    say_line(out, "%s  %s wished, %s live (%s to %s, %s)", service,
             T("desired"), T("actual"), T("min"), T("max"), T("mode"));
    say_line(out, "  why       %s", T("reason"));
    co_buf_puts(out, "  changed   ");
    say_duration(out, ago > 0 ? (uint64_t)ago : 0);
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
#undef T
}

static enum co_err
show_one(struct source *source, const char *service, struct co_buf *out,
         struct co_json *json, bool as_json, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *hash = NULL;
    enum co_err err = source_hash(source, CO_KEY_SCALE, service, &hash, diag);

    if (err) return err;
    if (as_json) {
        put_json(service, hash, json);
    } else {
        put_lines(service, hash, out);
    }
    return CO_OK;
}

static enum co_err
show_services(struct source *source, const struct scale_config *cfg,
              struct co_buf *out, struct co_json *json, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *list = NULL;
    enum co_err err = source_list(source, CO_KEY_SERVICES, AGE_MS, &list, diag);

    if (err) return err;
    for (size_t i = 0; !err && i < list->count; i++) {
        if (list->elements[i].type != CO_REDIS_TEXT) continue;
        err = show_one(source, list->elements[i].text, out, json, cfg->json,
                       diag);
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
    enum co_err err;

    co_buf_init(&out, OUT_BYTES_MAX);
    co_json_init(&json, &out);
    if (cfg->json) co_json_array(&json);
    err = service ? show_one(source, service, &out, &json, cfg->json, diag)
                  : show_services(source, cfg, &out, &json, diag);
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
check_number(const char *what, const char *text, struct co_diag *diag)
{
    uint64_t n = 0;
    bool good = text[0] != '\0';

    for (const char *at = text; *at && good; at++) {
        good = *at >= '0' && *at <= '9';
        n = n * 10 + (uint64_t)(*at - '0');
        good = good && n <= SCALER_MAX;
    }
    if (good) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "%s: found \"%s\"; allowed is a whole number from 0 to %d",
                   what, text, SCALER_MAX);
}

static enum co_err
check_word(const struct scale_config *cfg, const char *service,
           const char *size, struct co_diag *diag)
{
    enum scaler_mode mode;
    enum co_err err = CO_OK;

    if (!service[0] || strlen(service) > SERVICE_MAX ||
        service[strspn(service, SERVICE_LETTERS)]) {
        return co_fail(diag, CO_USAGE,
                       "the service's name: allowed are 1 to %d of a-z A-Z 0-9 "
                       ". _ : -",
                       SERVICE_MAX);
    }
    if (size && strcmp(size, "auto") != 0) {
        err = check_number("N", size, diag);
    }
    if (!err && cfg->min) err = check_number("--min", cfg->min, diag);
    if (!err && cfg->max) err = check_number("--max", cfg->max, diag);
    if (!err && cfg->min && cfg->max &&
        strtoul(cfg->min, NULL, 10) > strtoul(cfg->max, NULL, 10)) {
        err = co_fail(diag, CO_USAGE, "--min %s is larger than --max %s",
                      cfg->min, cfg->max);
    }
    if (!err && cfg->mode && !scaler_mode_of(cfg->mode, &mode)) {
        err = co_fail(diag, CO_USAGE,
                      "--mode: found \"%s\"; allowed are horizontal, "
                      "vertical, quality and hybrid",
                      cfg->mode);
    }
    return err;
}

static enum co_err
run(struct source *source, const char *const *argv, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;

    return source_call(source, argv, &reply, diag);
}

static enum co_err
set_field(struct source *source, const char *service, const char *field,
          const char *value, struct co_diag *diag)
{
    char key[CO_KEY_BYTES];
    const char *argv[] = {value ? "HSET" : "HDEL", NULL, field, value, NULL};

    argv[1] = co_key(CO_KEY_PIN, source->name_space, service, key);
    return run(source, argv, diag);
}

/* The scaler looks at services that somebody told of. */
static enum co_err
tell_of(struct source *source, const char *service, struct co_diag *diag)
{
    char key[CO_KEY_BYTES], now[24];
    const char *argv[] = {"ZADD", NULL, now, service, NULL};

    argv[1] = co_key(CO_KEY_SERVICES, source->name_space, NULL, key);
    (void)snprintf(now, sizeof now, "%" PRId64, co_clock_wall_ms());
    return run(source, argv, diag);
}

static enum co_err
warn_without_scaler(struct source *source, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;
    char key[CO_KEY_BYTES];
    const char *argv[] = {"GET", NULL, NULL};
    enum co_err err;

    argv[1] = co_key(CO_KEY_SCALER, source->name_space, NULL, key);
    err = source_call(source, argv, &reply, diag);
    if (err || reply->type == CO_REDIS_TEXT) return err;
    (void)fprintf(stderr, PROGRAM ": no scaler runs in this namespace now, so "
                                  "nothing happens yet: one runs in every "
                                  "coordinator that has --redis\n");
    return CO_OK;
}

static enum co_err
set(struct source *source, const struct scale_config *cfg, const char *service,
    const char *size, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    if (size) {
        bool automatic = strcmp(size, "auto") == 0;

        err = set_field(source, service, "size", automatic ? NULL : size, diag);
    }
    if (!err && cfg->min) {
        err = set_field(source, service, "min", cfg->min, diag);
    }
    if (!err && cfg->max) {
        err = set_field(source, service, "max", cfg->max, diag);
    }
    if (!err && cfg->mode) {
        err = set_field(source, service, "mode", cfg->mode, diag);
    }
    if (!err) err = tell_of(source, service, diag);
    if (!err) err = warn_without_scaler(source, diag);
    if (err) return err;
    (void)printf("%s: %s%s; the scaler reads it within a second\n", service,
                 !size                       ? "bounds and mode as given"
                 : strcmp(size, "auto") == 0 ? "the scaler decides"
                                             : "set by hand to ",
                 size && strcmp(size, "auto") != 0 ? size : "");
    return CO_OK;
}

int
cmd_scale(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct scale_config cfg = {.json = false};
    struct source source = {.client = NULL};
    const char *service = NULL, *size = NULL;
    struct co_diag diag = {""};
    enum co_err err;
    bool change;
    int exit_code;

    if (!say_options(&spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    if (co_options_arg_count(options) > 0) service = co_options_arg(options, 0);
    if (co_options_arg_count(options) > 1) size = co_options_arg(options, 1);
    change = size || cfg.min || cfg.max || cfg.mode;
    if (change && !service) {
        err = co_fail(&diag, CO_USAGE, "whose bounds? Name a service");
        return say_error(PROGRAM, err, &diag);
    }
    err = change && service ? check_word(&cfg, service, size, &diag) : CO_OK;
    if (!err) err = source_open(&cfg.source, &source, &diag);
    if (!err && change && service) {
        err = set(&source, &cfg, service, size, &diag);
    } else if (!err) {
        err = show(&source, &cfg, service, &diag);
    }
    source_close(&source);
    return err ? say_error(PROGRAM, err, &diag) : CLI_OK;
}
