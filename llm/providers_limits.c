/* providers_limits.c - how long a call may take, how many may be made, and how
 * batches are used. */
#include "llm/providers_impl.h"

#include "llm/batch.h"

#include <string.h>

enum { IN_FLIGHT_MAX = 60000 };

/* Each with a unit (connect: 5s), or in milliseconds (connect_ms: 5000): the
 * second stands right after the first. */
static const struct providers_field timeout_fields[] = {
#define TIMEOUT(name)                                                          \
    {#name, providers_read_duration,                                           \
     offsetof(struct providers_timeouts, name##_ms)},                          \
    {                                                                          \
#name "_ms", providers_read_ms,                                        \
            offsetof(struct providers_timeouts, name##_ms)                     \
    }
    TIMEOUT(connect),
    TIMEOUT(first_byte),
    TIMEOUT(idle),
    TIMEOUT(total),
#undef TIMEOUT
};

enum co_err
providers_read_timeouts(const struct co_yaml *map, void *to,
                        struct co_diag *diag)
{
    for (size_t i = 0; i < co_countof(timeout_fields); i += 2) {
        const struct providers_field *f = &timeout_fields[i];

        if (!co_yaml_get(map, f[0].name) || !co_yaml_get(map, f[1].name)) {
            continue;
        }
        return co_yaml_fail(map, diag, CO_INVALID,
                            "%s and %s are both given; one of them is allowed",
                            f[0].name, f[1].name);
    }
    return providers_read_fields(map, timeout_fields,
                                 co_countof(timeout_fields), to, diag);
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
    return providers_read_u32(node, IN_FLIGHT_MAX, to, diag);
}

static const struct providers_field limit_fields[] = {
    {"rpm", read_rpm, offsetof(struct providers_limits, rpm)},
    {"tpm", read_tpm, offsetof(struct providers_limits, tpm)},
    {"in_flight", read_in_flight, offsetof(struct providers_limits, in_flight)},
};

enum co_err
providers_read_limits(const struct co_yaml *map, void *to, struct co_diag *diag)
{
    return providers_read_fields(map, limit_fields, co_countof(limit_fields),
                                 to, diag);
}

bool
providers_has_rates(const struct providers_entry *entry)
{
    return entry->limits.rpm > 0 || entry->limits.tpm > 0;
}

static enum co_err
read_batch_max(const struct co_yaml *node, void *to, struct co_diag *diag)
{
    return providers_read_u32(node, BATCH_REQUESTS_MAX, to, diag);
}

static const struct providers_field batch_fields[] = {
    {"max_requests", read_batch_max,
     offsetof(struct providers_batch, max_requests)},
    {"window", providers_read_duration,
     offsetof(struct providers_batch, window_ms)},
    {"poll", providers_read_duration,
     offsetof(struct providers_batch, poll_ms)},
};

/* true, or a map of what is to be otherwise. */
enum co_err
providers_read_batch(struct providers_entry *entry, const struct co_yaml *node,
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
        err = providers_read_fields(
            node, batch_fields, co_countof(batch_fields), &entry->batch, diag);
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
