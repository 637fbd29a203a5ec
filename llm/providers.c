/* providers.c - see providers.h. Each map has a table of its keys: the reader,
 * the list of what is allowed and the limits come from it. */
#include "llm/providers.h"

#include "llm/batch.h"
#include "llm/url.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    KEYS_MAX = 16,
    CALL_DECIMALS = 12, /* 1e-12 USD */
    MTOK_DECIMALS = 6,  /* USD a million tokens: 1e-12 USD a token */
    WEIGHT_MAX = 1000,
    IN_FLIGHT_MAX = 60000,
    TIME_MIN_MS = 10,
    TIME_MAX_MS = 24 * 3600 * 1000,
};

/* A call beyond 1,000 USD, a million tokens beyond 1,000,000 USD: a slip. */
#define CALL_PRICE_MAX (UINT64_C(1000) * 1000000000000)
#define MTOK_PRICE_MAX (UINT64_C(1000000) * 1000000)

static const struct providers_timeouts timeouts_default = {
    .connect_ms = 5000,
    .first_byte_ms = 60000,
    .idle_ms = 30000,
    .total_ms = 600000,
};
/* An answer that is not streamed begins when all of it is written. */
enum { FIRST_BYTE_WHOLE_MS = 300000 };

typedef enum co_err field_reader(const struct co_yaml *node, void *to,
                                 struct co_diag *diag);

struct field {
    const char *name;
    field_reader *read;
    size_t offset; /* of what it fills, in the struct of its map */
};

/* Reads the fields of one map into base. */
static enum co_err
read_fields(const struct co_yaml *map, const struct field *fields, size_t n,
            void *base, struct co_diag *diag)
{
    const char *names[KEYS_MAX + 1] = {NULL};
    enum co_err err;

    co_assert(n <= KEYS_MAX);
    for (size_t i = 0; i < n; i++) {
        names[i] = fields[i].name;
    }
    err = co_yaml_keys(map, names, diag);
    for (size_t i = 0; i < n && !err; i++) {
        const struct co_yaml *node = co_yaml_get(map, fields[i].name);

        if (node) {
            err = fields[i].read(node, (char *)base + fields[i].offset, diag);
        }
    }
    return err;
}

/* A key itself, where the name of its place belongs. Its text is not told. */
static enum co_err
refuse_keys(const struct co_yaml *map, struct co_diag *diag)
{
    static const char *const names[] = {"key",   "api_key", "apikey",
                                        "token", "secret",  "password"};

    if (map->kind != CO_YAML_MAP) return CO_OK;
    for (const struct co_yaml *c = map->first; c; c = c->next) {
        for (size_t i = 0; i < co_countof(names); i++) {
            if (strcasecmp(c->key, names[i]) != 0) continue;
            return co_yaml_fail(
                c, diag, CO_INVALID,
                "keys do not stand in this file, which is copied to every run "
                "folder: put it into a variable and name that (key_env: NAME), "
                "or into a file of its own (key_file: PATH), in the endpoint");
        }
    }
    return CO_OK;
}

static enum co_err
read_text(const struct co_yaml *node, char *to, size_t size,
          struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, size - 1, &text, diag);

    if (!err) memcpy(to, text, strlen(text) + 1);
    return err;
}

/* ---- endpoints ---- */

static enum co_err
read_url(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    struct co_diag why;
    struct url url;
    enum co_err err = read_text(node, to, PROVIDERS_URL_BYTES, diag);

    if (err) return err;
    if (strchr(to, '@')) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "the address holds an @: names and passwords do "
                            "not belong there; keys come by key_env or "
                            "key_file");
    }
    if (url_holds_key(to)) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "the address holds a key (behind its ?): keys do "
                            "not stand in this file, which is copied to every "
                            "run folder: put it into a variable and name that "
                            "(key_env: NAME), or into a file of its own "
                            "(key_file: PATH)");
    }
    if (url_parse(to, &url, &why)) {
        return co_yaml_fail(node, diag, CO_INVALID, "%s", why.text);
    }
    return CO_OK;
}

static enum co_err
read_env(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, CO_YAML_SCALAR_MAX, &text, diag);

    if (err) return err;
    if (strlen(text) >= PROVIDERS_ENV_BYTES ||
        text[strspn(text, letters)] != '\0' || strchr("0123456789", text[0])) {
        /* Perhaps the key itself stands there: it is not repeated. */
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found no name of a variable; allowed are 1 to %d "
                            "of letters, digits and _, such as OPENAI_API_KEY "
                            "(the name, not the key)",
                            PROVIDERS_ENV_BYTES - 1);
    }
    memcpy(to, text, strlen(text) + 1);
    return CO_OK;
}

static enum co_err
read_file(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return read_text(node, to, PROVIDERS_FILE_BYTES, diag);
}

static enum co_err
read_bool(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return co_yaml_bool(node, to, diag);
}

static enum co_err
read_u32(const struct co_yaml *node, uint32_t max, uint32_t *to,
         struct co_diag *diag)
{
    uint64_t value = 0;
    enum co_err err = co_yaml_u64(node, 1, max, &value, diag);

    if (!err) *to = (uint32_t)value;
    return err;
}

static enum co_err
read_weight(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return read_u32(node, WEIGHT_MAX, to, diag);
}

static const struct field endpoint_fields[] = {
    {"url", read_url, offsetof(struct providers_endpoint, url)},
    {"weight", read_weight, offsetof(struct providers_endpoint, weight)},
    {"key_env", read_env, offsetof(struct providers_endpoint, key_env)},
    {"key_file", read_file, offsetof(struct providers_endpoint, key_file)},
    {"key_in_clear", read_bool,
     offsetof(struct providers_endpoint, key_in_clear)},
};

static bool
is_vendor(const struct providers_entry *entry,
          const struct providers_endpoint *endpoint)
{
    struct url own, vendor;

    if (!endpoint->url[0]) return true;
    return entry->kind->host && !url_parse(entry->kind->host, &vendor, NULL) &&
           !url_parse(endpoint->url, &own, NULL) &&
           url_same_origin(&own, &vendor);
}

bool
providers_has_rates(const struct providers_entry *entry)
{
    return entry->limits.rpm > 0 || entry->limits.tpm > 0;
}

static bool
are_vendor(const struct providers_entry *entry)
{
    for (uint32_t i = 0; i < entry->n_endpoints; i++) {
        if (!is_vendor(entry, &entry->endpoints[i])) return false;
    }
    return true;
}

bool
providers_is_vendor(const struct providers_entry *entry)
{
    return entry->replay_file[0] ? entry->plays_vendor : are_vendor(entry);
}

/* What an endpoint has to be, all its keys together. */
static enum co_err
check_endpoint(const struct providers_entry *entry, const struct co_yaml *node,
               struct providers_endpoint *e, struct co_diag *diag)
{
    struct url url;

    if (e->key_env[0] && e->key_file[0]) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "key_env and key_file are both given; one of them "
                            "is allowed");
    }
    if (!e->key_env[0] && !e->key_file[0]) {
        /* Only to the vendor: nobody else gets its key unasked. */
        if (is_vendor(entry, e) && entry->kind->key_env) {
            (void)snprintf(e->key_env, sizeof e->key_env, "%s",
                           entry->kind->key_env);
        }
        return CO_OK;
    }
    if (!e->url[0] || e->key_in_clear || url_parse(e->url, &url, NULL) ||
        url.https || url_is_loopback(&url)) {
        return CO_OK;
    }
    return co_yaml_fail(node, diag, CO_INVALID,
                        "the key would go to %.200s in the clear, where "
                        "anybody on the way reads it: use https://, or say "
                        "key_in_clear: true",
                        url.host);
}

static enum co_err
read_endpoint(struct providers_entry *entry, const struct co_yaml *node,
              struct co_diag *diag)
{
    struct providers_endpoint *e = &entry->endpoints[entry->n_endpoints];
    enum co_err err = refuse_keys(node, diag);

    e->weight = 1;
    if (!err) {
        err = read_fields(node, endpoint_fields, co_countof(endpoint_fields), e,
                          diag);
    }
    if (!err) err = check_endpoint(entry, node, e, diag);
    if (!err) entry->n_endpoints++;
    return err;
}

static enum co_err
read_endpoints(struct providers_entry *entry, const struct co_yaml *list,
               struct co_diag *diag)
{
    enum co_err err = co_yaml_expect(list, CO_YAML_SEQ, diag);

    if (err) return err;
    if (list->count < 1 || list->count > PROVIDERS_ENDPOINTS_MAX) {
        return co_yaml_fail(list, diag, CO_RANGE,
                            "found %u endpoints; allowed are 1 to %d",
                            list->count, PROVIDERS_ENDPOINTS_MAX);
    }
    for (const struct co_yaml *c = list->first; c && !err; c = c->next) {
        err = read_endpoint(entry, c, diag);
    }
    return err;
}

/* ---- timeouts, limits, price ---- */

static enum co_err
read_ms(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return co_yaml_u64(node, TIME_MIN_MS, TIME_MAX_MS, to, diag);
}

static enum co_err
read_duration(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return co_yaml_duration(node, TIME_MIN_MS, TIME_MAX_MS, to, diag);
}

/* Each with a unit (connect: 5s), or in milliseconds (connect_ms: 5000): the
 * second stands right after the first. */
static const struct field timeout_fields[] = {
#define TIMEOUT(name)                                                          \
    {#name, read_duration, offsetof(struct providers_timeouts, name##_ms)},    \
    {                                                                          \
#name "_ms", read_ms, offsetof(struct providers_timeouts, name##_ms)   \
    }
    TIMEOUT(connect),
    TIMEOUT(first_byte),
    TIMEOUT(idle),
    TIMEOUT(total),
#undef TIMEOUT
};

static enum co_err
read_timeouts(const struct co_yaml *map, void *to, struct co_diag *diag)
{
    for (size_t i = 0; i < co_countof(timeout_fields); i += 2) {
        const struct field *f = &timeout_fields[i];

        if (!co_yaml_get(map, f[0].name) || !co_yaml_get(map, f[1].name)) {
            continue;
        }
        return co_yaml_fail(map, diag, CO_INVALID,
                            "%s and %s are both given; one of them is allowed",
                            f[0].name, f[1].name);
    }
    return read_fields(map, timeout_fields, co_countof(timeout_fields), to,
                       diag);
}

static enum co_err
read_rpm(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return co_yaml_u64(node, 1, UINT64_C(1000000000), to, diag);
}

static enum co_err
read_tpm(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return co_yaml_u64(node, 1, UINT64_C(1000000000000), to, diag);
}

static enum co_err
read_in_flight(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return read_u32(node, IN_FLIGHT_MAX, to, diag);
}

static const struct field limit_fields[] = {
    {"rpm", read_rpm, offsetof(struct providers_limits, rpm)},
    {"tpm", read_tpm, offsetof(struct providers_limits, tpm)},
    {"in_flight", read_in_flight, offsetof(struct providers_limits, in_flight)},
};

static enum co_err
read_limits(const struct co_yaml *map, void *to, struct co_diag *diag)
{
    return read_fields(map, limit_fields, co_countof(limit_fields), to, diag);
}

static enum co_err
read_usd(const struct co_yaml *node, unsigned decimals, uint64_t max,
         int64_t *to, struct co_diag *diag)
{
    uint64_t value = 0;
    enum co_err err = co_yaml_fixed(node, decimals, max, &value, diag);

    if (!err) *to = (int64_t)value;
    return err;
}

static enum co_err
read_mtok(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return read_usd(node, MTOK_DECIMALS, MTOK_PRICE_MAX, to, diag);
}

static enum co_err
read_call(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return read_usd(node, CALL_DECIMALS, CALL_PRICE_MAX, to, diag);
}

static const struct field price_fields[] = {
    {"input_usd_per_mtok", read_mtok,
     offsetof(struct providers_entry, price.input)},
    {"output_usd_per_mtok", read_mtok,
     offsetof(struct providers_entry, price.output)},
    {"cached_input_usd_per_mtok", read_mtok,
     offsetof(struct providers_entry, price.cached_input)},
    {"call_usd", read_call, offsetof(struct providers_entry, call_price)},
};

/* A price of half the tokens is none; one of calls alone has free tokens. */
static enum co_err
read_price(struct providers_entry *entry, const struct co_yaml *map,
           struct co_diag *diag)
{
    struct price *price = &entry->price;
    enum co_err err =
        read_fields(map, price_fields, co_countof(price_fields), entry, diag);

    if (err) return err;
    if (price->input < 0 && price->output < 0 && price->cached_input < 0 &&
        co_yaml_get(map, "call_usd")) {
        price->input = price->output = 0;
    }
    if (price->input < 0 || price->output < 0) {
        return co_yaml_fail(map, diag, CO_INVALID,
                            "%s is missing; input_usd_per_mtok and "
                            "output_usd_per_mtok go together (0 where it costs "
                            "nothing), or call_usd stands alone",
                            price->input < 0 ? "input_usd_per_mtok"
                                             : "output_usd_per_mtok");
    }
    entry->has_price = true;
    return CO_OK;
}

/* ---- one provider ---- */

static const char *const entry_keys[] = {
    "kind", "endpoints", "model",  "timeouts", "limits", "price", "stream",
    "form", "record",    "replay", "fallback", "batch",  NULL,
};

/* ---- batches ---- */

static enum co_err
read_batch_max(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return read_u32(node, BATCH_REQUESTS_MAX, to, diag);
}

static const struct field batch_fields[] = {
    {"max_requests", read_batch_max,
     offsetof(struct providers_batch, max_requests)},
    {"window", read_duration, offsetof(struct providers_batch, window_ms)},
    {"poll", read_duration, offsetof(struct providers_batch, poll_ms)},
};

/* true, or a map of what is to be otherwise. */
static enum co_err
read_batch(struct providers_entry *entry, const struct co_yaml *node,
           struct co_diag *diag)
{
    static const struct providers_batch usual = {
        .max_requests = 1000, .window_ms = 10000, .poll_ms = 60000};
    bool is_on = true;
    enum co_err err;

    if (node->kind == CO_YAML_SCALAR) {
        err = co_yaml_bool(node, &is_on, diag);
        if (err || !is_on) return err;
        entry->batch = usual;
    } else {
        entry->batch = usual;
        err = read_fields(node, batch_fields, co_countof(batch_fields),
                          &entry->batch, diag);
        if (err) return err;
    }
    if (!batch_api_of(entry->kind->name)) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "kind: %s has no batches; leave batch out",
                            entry->kind->name);
    }
    if (entry->replay_file[0] || entry->record_file[0]) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "answers of single calls are recorded and played; "
                            "leave out batch, or record and replay");
    }
    if (entry->n_endpoints == 1) return CO_OK;
    return co_yaml_fail(node, diag, CO_INVALID,
                        "found %u endpoints; a batch is known where it was "
                        "made only, so a provider with batches has one",
                        entry->n_endpoints);
}

static enum co_err
read_kind(struct providers_entry *entry, const struct co_yaml *node,
          struct co_diag *diag)
{
    const char *names[KEYS_MAX] = {NULL};
    const struct provider *const *all;
    size_t count = 0, index = 0;
    enum co_err err;

    all = provider_all(&count);
    co_assert(count < co_countof(names));
    for (size_t i = 0; i < count; i++) {
        names[i] = all[i]->name;
    }
    err = co_yaml_enum(node, names, &index, diag);
    if (!err) entry->kind = all[index];
    return err;
}

static enum co_err
read_form(struct providers_entry *entry, const struct co_yaml *node,
          struct co_diag *diag)
{
    static const char *const names[] = {
#define X(id, name, text) name,
        PROVIDER_FORM_LIST(X)
#undef X
            NULL};
    size_t index = 0;
    enum co_err err = co_yaml_enum(node, names, &index, diag);

    if (!err) entry->form = (enum provider_form)index;
    return err;
}

/* ---- fallbacks ---- */

static bool
has_fallback(const struct providers_entry *entry, const char *name)
{
    for (uint32_t i = 0; i < entry->n_fallback; i++) {
        if (strcmp(entry->fallback[i], name) == 0) return true;
    }
    return false;
}

static enum co_err
read_fallback_one(struct providers_entry *entry, const struct co_yaml *node,
                  struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, PROVIDERS_NAME_BYTES - 1, &text, diag);

    if (err) return err;
    if (entry->fallback_builtin) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %s behind builtin, which is never away: "
                            "builtin stands last",
                            co_yaml_found(node).text);
    }
    if (strcmp(text, "builtin") == 0) {
        entry->fallback_builtin = true;
        return CO_OK;
    }
    if (strcmp(text, entry->name) == 0) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %s, the provider itself: name another one, "
                            "or builtin",
                            co_yaml_found(node).text);
    }
    if (has_fallback(entry, text)) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %s twice: leave one of them out",
                            co_yaml_found(node).text);
    }
    memcpy(entry->fallback[entry->n_fallback++], text, strlen(text) + 1);
    return CO_OK;
}

static enum co_err
read_fallback(struct providers_entry *entry, const struct co_yaml *list,
              struct co_diag *diag)
{
    enum co_err err = co_yaml_expect(list, CO_YAML_SEQ, diag);

    if (err) return err;
    if (list->count < 1 || list->count > PROVIDERS_FALLBACK_MAX) {
        return co_yaml_fail(list, diag, CO_RANGE,
                            "found %u names; allowed are 1 to %d, or no "
                            "fallback",
                            list->count, PROVIDERS_FALLBACK_MAX);
    }
    for (const struct co_yaml *c = list->first; c && !err; c = c->next) {
        err = read_fallback_one(entry, c, diag);
    }
    return err;
}

/* All providers are read: each name stands for one of them. */
static enum co_err
check_fallbacks(const struct providers *p, const struct co_yaml *map,
                struct co_diag *diag)
{
    for (const struct co_yaml *e = map->first; e; e = e->next) {
        const struct co_yaml *list = co_yaml_get(e, "fallback");

        for (const struct co_yaml *c = list ? list->first : NULL; c;
             c = c->next) {
            if (strcmp(c->text, "builtin") == 0 || providers_find(p, c->text)) {
                continue;
            }
            return co_yaml_fail(c, diag, CO_INVALID,
                                "found %s; allowed is builtin, or a name that "
                                "stands in this providers:",
                                co_yaml_found(c).text);
        }
    }
    return CO_OK;
}

static enum co_err
missing(const struct co_yaml *map, const char *key, struct co_diag *diag)
{
    return co_yaml_fail(map, diag, CO_INVALID, "%s is missing", key);
}

/* A file that answers are played from, or written to; or none. Whoever plays
 * asks nobody, so that there is nothing to record. */
static enum co_err
read_answers(struct providers_entry *entry, const struct co_yaml *map,
             struct co_diag *diag)
{
    const struct co_yaml *replay = co_yaml_get(map, "replay");
    const struct co_yaml *record = co_yaml_get(map, "record");

    if (!entry->kind->host && !replay) return missing(map, "replay", diag);
    if (record && replay) {
        return co_yaml_fail(record, diag, CO_INVALID,
                            "answers are recorded or played, not both: leave "
                            "record or replay out");
    }
    if (record) {
        return read_text(record, entry->record_file, sizeof entry->record_file,
                         diag);
    }
    if (!replay) return CO_OK;
    return read_text(replay, entry->replay_file, sizeof entry->replay_file,
                     diag);
}

/* Nobody is called: there is one place without address or key, and no limit. */
static void
play_only(struct providers_entry *entry)
{
    entry->plays_vendor = are_vendor(entry);
    memset(entry->endpoints, 0, sizeof entry->endpoints);
    entry->endpoints[0].weight = 1;
    entry->n_endpoints = 1;
    entry->limits = (struct providers_limits){0};
}

/* kind and model, without which there is no provider. */
static enum co_err
read_nature(struct providers_entry *entry, const struct co_yaml *map,
            struct co_diag *diag)
{
    const struct co_yaml *kind = co_yaml_get(map, "kind");
    const struct co_yaml *model = co_yaml_get(map, "model");
    enum co_err err =
        kind ? read_kind(entry, kind, diag) : missing(map, "kind", diag);

    if (err) return err;
    if (!model) return missing(map, "model", diag);
    err = read_text(model, entry->model, sizeof entry->model, diag);
    if (err) return err;
    co_assert(entry->kind);
    return read_answers(entry, map, diag);
}

/* The vendor's own host, when nothing else is named. */
static enum co_err
read_where(struct providers_entry *entry, const struct co_yaml *map,
           struct co_diag *diag)
{
    const struct co_yaml *list = co_yaml_get(map, "endpoints");

    co_assert(entry->kind);
    if (list && !entry->kind->host) {
        return co_yaml_fail(list, diag, CO_INVALID,
                            "kind: %s sends nothing: it has no endpoints",
                            entry->kind->name);
    }
    if (list) return read_endpoints(entry, list, diag);
    entry->endpoints[0].weight = 1;
    entry->n_endpoints = 1;
    return check_endpoint(entry, map, &entry->endpoints[0], diag);
}

static enum co_err
read_entry(struct providers_entry *entry, const struct co_yaml *map,
           struct co_diag *diag)
{
    const struct co_yaml *stream = co_yaml_get(map, "stream");
    const struct co_yaml *form = co_yaml_get(map, "form");
    const struct co_yaml *timeouts = co_yaml_get(map, "timeouts");
    const struct co_yaml *limits = co_yaml_get(map, "limits");
    const struct co_yaml *price = co_yaml_get(map, "price");
    const struct co_yaml *fallback = co_yaml_get(map, "fallback");
    const struct co_yaml *batch = co_yaml_get(map, "batch");
    enum co_err err = refuse_keys(map, diag);

    entry->price = (struct price){-1, -1, -1};
    if (!err) err = co_yaml_keys(map, entry_keys, diag);
    if (!err) err = read_nature(entry, map, diag);
    if (!err) err = read_where(entry, map, diag);
    if (!err && stream) err = co_yaml_bool(stream, &entry->stream, diag);
    if (!err && form) err = read_form(entry, form, diag);
    entry->timeouts = timeouts_default;
    if (!entry->stream) entry->timeouts.first_byte_ms = FIRST_BYTE_WHOLE_MS;
    if (!err && timeouts) err = read_timeouts(timeouts, &entry->timeouts, diag);
    if (!err && limits) err = read_limits(limits, &entry->limits, diag);
    if (!err && price) err = read_price(entry, price, diag);
    if (!err && batch) err = read_batch(entry, batch, diag);
    if (!err && entry->replay_file[0]) play_only(entry);
    if (!err && fallback) err = read_fallback(entry, fallback, diag);
    return err;
}

static enum co_err
read_name(struct providers_entry *entry, const struct co_yaml *node,
          struct co_diag *diag)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(node->key);

    if (strcmp(node->key, "builtin") == 0) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "builtin is the writer that comes with Cohort; "
                            "give this one another name");
    }
    if (len < 1 || len >= sizeof entry->name ||
        node->key[strspn(node->key, letters)] != '\0') {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "the name of a provider is 1 to %d of a-z, 0-9 and "
                            "-",
                            PROVIDERS_NAME_BYTES - 1);
    }
    memcpy(entry->name, node->key, len + 1);
    entry->line = node->line;
    return CO_OK;
}

/* ---- all of them ---- */

enum co_err
providers_read(const struct co_yaml *map, struct providers **ret_providers,
               struct co_diag *diag)
{
    enum co_err err = co_yaml_expect(map, CO_YAML_MAP, diag);
    struct providers *p;

    if (err) return err;
    if (map->count < 1 || map->count > PROVIDERS_MAX) {
        return co_yaml_fail(map, diag, CO_RANGE,
                            "found %u providers; allowed are 1 to %d",
                            map->count, PROVIDERS_MAX);
    }
    p = calloc(1, sizeof *p);
    if (!p) return co_fail(diag, CO_NOMEM, "out of memory");
    for (const struct co_yaml *c = map->first; c && !err; c = c->next) {
        err = read_name(&p->entries[p->n], c, diag);
        if (!err) err = read_entry(&p->entries[p->n], c, diag);
        if (!err) p->n++;
    }
    if (!err) err = check_fallbacks(p, map, diag);
    if (err) {
        free(p);
        return err;
    }
    *ret_providers = p;
    return CO_OK;
}

enum co_err
providers_load(const char *path, struct providers **ret_providers,
               struct co_diag *diag)
{
    co_auto(co_yaml_freep) struct co_yaml *root = NULL;
    enum co_err err = co_yaml_load_file(path, &root, diag);
    const struct co_yaml *map;

    if (err) return err;
    map = co_yaml_get(root, "providers");
    if (!map) {
        return co_fail(diag, CO_NOTFOUND,
                       "%s: no providers: in it; it names what can be called, "
                       "such as providers: {main: {kind: openai, model: M, "
                       "endpoints: [{url: http://127.0.0.1:8000/v1}]}}",
                       path);
    }
    return providers_read(map, ret_providers, diag);
}

const struct providers_entry *
providers_find(const struct providers *providers, const char *name)
{
    for (uint32_t i = 0; i < providers->n; i++) {
        if (strcmp(providers->entries[i].name, name) == 0) {
            return &providers->entries[i];
        }
    }
    return NULL;
}
