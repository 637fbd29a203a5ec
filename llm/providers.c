/* providers.c - see providers.h. Each map has a table of its keys: the reader,
 * the list of what is allowed and the limits come from it. One file for each
 * part of a provider stands beside this one. */
#include "llm/providers_impl.h"

#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 16 };

static const struct providers_timeouts timeouts_default = {
    .connect_ms = 5000,
    .first_byte_ms = 60000,
    .idle_ms = 30000,
    .total_ms = 600000,
};
/* An answer that is not streamed begins when all of it is written. */
enum { FIRST_BYTE_WHOLE_MS = 300000 };

/* ---- one provider ---- */

static const char *const entry_keys[] = {
    "kind", "endpoints", "model",  "timeouts", "limits", "price", "stream",
    "form", "record",    "replay", "fallback", "batch",  NULL,
};

static enum co_err
read_kind(struct providers_entry *entry, const struct co_yaml *node,
          struct co_diag *diag)
{
    const char *names[KINDS_MAX] = {NULL};
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
        return providers_read_text(record, entry->record_file,
                                   sizeof entry->record_file, diag);
    }
    if (!replay) return CO_OK;
    return providers_read_text(replay, entry->replay_file,
                               sizeof entry->replay_file, diag);
}

/* Nobody is called: there is one place without address or key, and no limit. */
static void
play_only(struct providers_entry *entry)
{
    entry->plays_vendor = providers_are_vendor(entry);
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
    err = providers_read_text(model, entry->model, sizeof entry->model, diag);
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
    if (list) return providers_read_endpoints(entry, list, diag);
    entry->endpoints[0].weight = 1;
    entry->n_endpoints = 1;
    return providers_check_endpoint(entry, map, &entry->endpoints[0], diag);
}

/* How it is called: streamed or not, with how much time, and how often. */
static enum co_err
read_manner(struct providers_entry *entry, const struct co_yaml *map,
            struct co_diag *diag)
{
    const struct co_yaml *stream = co_yaml_get(map, "stream");
    const struct co_yaml *form = co_yaml_get(map, "form");
    const struct co_yaml *timeouts = co_yaml_get(map, "timeouts");
    const struct co_yaml *limits = co_yaml_get(map, "limits");
    enum co_err err = CO_OK;

    if (stream) err = co_yaml_bool(stream, &entry->stream, diag);
    if (!err && form) err = read_form(entry, form, diag);
    entry->timeouts = timeouts_default;
    if (!entry->stream) entry->timeouts.first_byte_ms = FIRST_BYTE_WHOLE_MS;
    if (!err && timeouts) {
        err = providers_read_timeouts(timeouts, &entry->timeouts, diag);
    }
    if (!err && limits) {
        err = providers_read_limits(limits, &entry->limits, diag);
    }
    return err;
}

static enum co_err
read_entry(struct providers_entry *entry, const struct co_yaml *map,
           struct co_diag *diag)
{
    const struct co_yaml *price = co_yaml_get(map, "price");
    const struct co_yaml *fallback = co_yaml_get(map, "fallback");
    const struct co_yaml *batch = co_yaml_get(map, "batch");
    enum co_err err = providers_refuse_keys(map, diag);

    entry->price = price_unknown;
    if (!err) err = co_yaml_keys(map, entry_keys, diag);
    if (!err) err = read_nature(entry, map, diag);
    if (!err) err = read_where(entry, map, diag);
    if (!err) err = read_manner(entry, map, diag);
    if (!err && price) err = providers_read_price(entry, price, diag);
    if (!err && batch) err = providers_read_batch(entry, batch, diag);
    if (!err && price) err = providers_check_price(entry, price, diag);
    if (!err && entry->replay_file[0]) play_only(entry);
    if (!err && fallback) err = providers_read_fallback(entry, fallback, diag);
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
    if (!err) err = providers_check_fallbacks(p, map, diag);
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
