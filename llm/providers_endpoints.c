/* providers_endpoints.c - where a provider is called, and with whose key. */
#include "llm/providers_impl.h"

#include "llm/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WEIGHT_MAX = 1000 };

/* A key itself, where the name of its place belongs. Its text is not told. */
enum co_err
providers_refuse_keys(const struct co_yaml *map, struct co_diag *diag)
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
read_url(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    struct co_diag why;
    struct url url;
    enum co_err err = providers_read_text(node, to, PROVIDERS_URL_BYTES, diag);

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
    return providers_read_text(node, to, PROVIDERS_FILE_BYTES, diag);
}

static enum co_err
read_bool(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return co_yaml_bool(node, to, diag);
}

static enum co_err
read_weight(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return providers_read_u32(node, WEIGHT_MAX, to, diag);
}

static const struct providers_field endpoint_fields[] = {
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
providers_are_vendor(const struct providers_entry *entry)
{
    for (uint32_t i = 0; i < entry->n_endpoints; i++) {
        if (!is_vendor(entry, &entry->endpoints[i])) return false;
    }
    return true;
}

bool
providers_is_vendor(const struct providers_entry *entry)
{
    return entry->replay_file[0] ? entry->plays_vendor
                                 : providers_are_vendor(entry);
}

/* What an endpoint has to be, all its keys together. */
enum co_err
providers_check_endpoint(const struct providers_entry *entry,
                         const struct co_yaml *node,
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
    enum co_err err = providers_refuse_keys(node, diag);

    e->weight = 1;
    if (!err) {
        err = providers_read_fields(node, endpoint_fields,
                                    co_countof(endpoint_fields), e, diag);
    }
    if (!err) err = providers_check_endpoint(entry, node, e, diag);
    if (!err) entry->n_endpoints++;
    return err;
}

enum co_err
providers_read_endpoints(struct providers_entry *entry,
                         const struct co_yaml *list, struct co_diag *diag)
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
