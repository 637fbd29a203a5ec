/* providers_fallback.c - who writes in a provider's place. */
#include "llm/providers_impl.h"

#include <string.h>

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

enum co_err
providers_read_fallback(struct providers_entry *entry,
                        const struct co_yaml *list, struct co_diag *diag)
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
enum co_err
providers_check_fallbacks(const struct providers *p, const struct co_yaml *map,
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
