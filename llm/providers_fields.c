/* providers_fields.c - maps by the tables of their keys: see
 * providers_impl.h. */
#include "llm/providers_impl.h"

#include <string.h>

enum { KEYS_MAX = 16, TIME_MIN_MS = 10 };

enum co_err
providers_read_fields(const struct co_yaml *map,
                      const struct providers_field *fields, size_t n,
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

enum co_err
providers_read_text(const struct co_yaml *node, char *to, size_t size,
                    struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, size - 1, &text, diag);

    if (!err) memcpy(to, text, strlen(text) + 1);
    return err;
}

enum co_err
providers_read_u32(const struct co_yaml *node, uint32_t max, uint32_t *to,
                   struct co_diag *diag)
{
    uint64_t value = 0;
    enum co_err err = co_yaml_u64(node, 1, max, &value, diag);

    if (!err) *to = (uint32_t)value;
    return err;
}

enum co_err
providers_read_ms(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return co_yaml_u64(node, TIME_MIN_MS, PROVIDERS_TIME_MAX_MS, to, diag);
}

enum co_err
providers_read_duration(const struct co_yaml *node, void *to,
                        struct co_diag *diag)
{
    return co_yaml_duration(node, TIME_MIN_MS, PROVIDERS_TIME_MAX_MS, to, diag);
}
