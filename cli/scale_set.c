/* scale_set.c - see scale_set.h. A service is known by the list of those that
 * jobs told of, and by what live workers and supervisors offer: a typing error
 * would otherwise set bounds for nobody and say that all is well. */
#include "cli/scale_set.h"

#include "common/clock.h"
#include "common/json.h"
#include "scaler/scaler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERVICE_MAX = 250,
    OFFERS_MAX = 1000,     /* workers that are asked what they offer */
    NAMES_BYTES_MAX = 300, /* of known services in a message */
};

#define SERVICE_LETTERS                                                        \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-"

static const int64_t ever_ms = 10LL * 365 * 24 * 3600 * 1000;

/* ---- what may be said ---- */

/* lift: the word that takes it back. */
static enum co_err
check_number(const char *what, const char *text, uint64_t least,
             const char *lift, struct co_diag *diag)
{
    uint64_t n = 0;
    bool good = text[0] != '\0';

    if (strcmp(text, lift) == 0) return CO_OK;
    for (const char *at = text; *at && good; at++) {
        good = *at >= '0' && *at <= '9';
        n = n * 10 + (uint64_t)(*at - '0');
        good = good && n <= SCALER_MAX;
    }
    if (good && n >= least) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "%s: found \"%s\"; allowed is a whole number from %" PRIu64
                   " to %d, or %s",
                   what, text, least, SCALER_MAX, lift);
}

static enum co_err
check_mode(const char *name, struct co_diag *diag)
{
    enum scaler_mode mode;

    if (!scaler_mode_of(name, &mode)) {
        return co_fail(diag, CO_USAGE,
                       "--mode: found \"%s\"; allowed are horizontal, "
                       "vertical and hybrid",
                       name);
    }
    if (scaler_mode_acts(mode)) return CO_OK;
    return co_fail(diag, CO_USAGE,
                   "--mode %s: jobs have neither a deadline nor levels of "
                   "quality in this version, so that it would change nothing; "
                   "allowed are horizontal, vertical and hybrid",
                   name);
}

enum co_err
scale_check(const char *service, const struct scale_word *word,
            struct co_diag *diag)
{
    enum co_err err = CO_OK;

    if (!service[0] || strlen(service) > SERVICE_MAX ||
        service[strspn(service, SERVICE_LETTERS)]) {
        return co_fail(diag, CO_USAGE,
                       "the service's name: allowed are 1 to %d of a-z A-Z 0-9 "
                       ". _ : -",
                       SERVICE_MAX);
    }
    if (word->size) err = check_number("N", word->size, 0, "auto", diag);
    if (!err && word->min) {
        err = check_number("--min", word->min, 0, "none", diag);
    }
    if (!err && word->max) {
        err = check_number("--max", word->max, 1, "none", diag);
    }
    if (!err && word->mode) err = check_mode(word->mode, diag);
    return err;
}

/* What would hold: the new word, else what stands there. False: neither. */
static bool
holds(const char *new, const char *old, uint64_t *ret)
{
    const char *text = new ? new : old;

    if (text[0] < '0' || text[0] > '9') return false; /* auto, none, nothing */
    *ret = strtoull(text, NULL, 10);
    return true;
}

/* Size and bounds must agree, those of before included: a size beyond them
 * would be obeyed and contradict what `cohort scale` shows. */
static enum co_err
check_together(const struct co_redis_reply *pin, const struct scale_word *word,
               struct co_diag *diag)
{
    uint64_t size = 0, min = 0, max = 0;
    bool has_size = holds(word->size, co_redis_field(pin, "size"), &size);
    bool has_min = holds(word->min, co_redis_field(pin, "min"), &min);
    bool has_max = holds(word->max, co_redis_field(pin, "max"), &max);

    if (has_min && has_max && min > max) {
        return co_fail(diag, CO_USAGE,
                       "--min %" PRIu64 " is larger than --max %" PRIu64
                       "; `--min none` and `--max none` lift them",
                       min, max);
    }
    if (has_size && has_min && size < min) {
        return co_fail(diag, CO_USAGE,
                       "%" PRIu64 " workers set by hand are fewer than --min "
                       "%" PRIu64 "; `--min none` lifts it, `auto` the other",
                       size, min);
    }
    if (has_size && has_max && size > max) {
        return co_fail(diag, CO_USAGE,
                       "%" PRIu64 " workers set by hand are more than --max "
                       "%" PRIu64 "; `--max none` lifts it, `auto` the other",
                       size, max);
    }
    return CO_OK;
}

/* ---- which services there are ---- */

/* Whether the list, separated by commas, names it; all go into known. */
static bool
named_in(const char *list, const char *service, struct co_buf *known)
{
    bool found = false;

    while (*list) {
        size_t len = strcspn(list, ",");
        char name[SERVICE_MAX + 4];

        (void)snprintf(name, sizeof name, " %.*s,",
                       (int)co_min_u64(len, SERVICE_MAX), list);
        found |= len == strlen(service) && strncmp(list, service, len) == 0;
        if (len && known->len < NAMES_BYTES_MAX &&
            !strstr(co_buf_text(known), name)) {
            co_buf_puts(known, name);
        }
        list += len + (list[len] == ',');
    }
    return found;
}

/* Processes of a kind that say what they serve. */
static enum co_err
offered(struct source *source, enum co_key list_key, enum co_key key,
        const char *service, struct co_buf *known, bool *found,
        struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *list = NULL;
    enum co_err err =
        source_list(source, list_key, CO_KEY_ALIVE_MS, &list, diag);

    for (size_t i = 0; !err && !*found && i < list->count && i < OFFERS_MAX;
         i++) {
        co_auto(co_redis_reply_freep) struct co_redis_reply *hash = NULL;

        if (list->elements[i].type != CO_REDIS_TEXT) continue;
        err = source_hash(source, key, list->elements[i].text, &hash, diag);
        if (!err) {
            *found = named_in(co_redis_field(hash, "services"), service, known);
        }
    }
    return err;
}

static enum co_err
listed(struct source *source, const char *service, struct co_buf *known,
       bool *found, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *list = NULL;
    enum co_err err =
        source_list(source, CO_KEY_SERVICES, ever_ms, &list, diag);

    for (size_t i = 0; !err && i < list->count; i++) {
        if (list->elements[i].type != CO_REDIS_TEXT) continue;
        *found |= named_in(list->elements[i].text, service, known);
    }
    return err;
}

enum co_err
scale_known(struct source *source, const char *service, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf known;
    bool found = false;
    enum co_err err;

    co_buf_init(&known, 4096);
    err = listed(source, service, &known, &found, diag);
    if (!err) {
        err = offered(source, CO_KEY_SUPERVISORS, CO_KEY_SUPERVISOR, service,
                      &known, &found, diag);
    }
    if (!err) {
        err = offered(source, CO_KEY_WORKERS, CO_KEY_WORKER, service, &known,
                      &found, diag);
    }
    if (err || found) return err;
    if (known.len == 0) {
        return co_fail(diag, CO_NOTFOUND,
                       "%s: no such service: no job, worker or supervisor "
                       "has named any; --new sets it all the same",
                       service);
    }
    return co_fail(diag, CO_NOTFOUND,
                   "%s: no such service; known are%.*s; --new sets it all the "
                   "same",
                   service, (int)known.len - 1, co_buf_text(&known));
}

/* ---- setting ---- */

static enum co_err
run(struct source *source, const char *const *argv, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *reply = NULL;

    return source_call(source, argv, &reply, diag);
}

/* lift: the word that takes it back, NULL none. */
static enum co_err
set_field(struct source *source, const char *service, const char *field,
          const char *value, const char *lift, struct co_diag *diag)
{
    char key[CO_KEY_BYTES];
    bool off = lift && value && strcmp(value, lift) == 0;
    const char *argv[] = {off ? "HDEL" : "HSET", NULL, field,
                          off ? NULL : value, NULL};

    if (!value) return CO_OK;
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

enum co_err
scale_set(struct source *source, const char *service,
          const struct scale_word *word, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *pin = NULL;
    char memory[24] = "";
    enum co_err err = CO_OK;

    if (!word->is_new) err = scale_known(source, service, diag);
    if (!err) err = source_hash(source, CO_KEY_PIN, service, &pin, diag);
    if (!err) err = check_together(pin, word, diag);
    if (err) return err;
    (void)snprintf(memory, sizeof memory, "%" PRIu64, word->memory_bytes);
#define SET(field, value, lift)                                                \
    if (!err) err = set_field(source, service, field, value, lift, diag)
    SET("size", word->size, "auto");
    SET("min", word->min, "none");
    SET("max", word->max, "none");
    SET("mode", word->mode, NULL);
    SET("memory_bytes", word->memory_bytes ? memory : NULL, NULL);
#undef SET
    return err ? err : tell_of(source, service, diag);
}
