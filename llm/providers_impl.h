/* providers_impl.h - what the files that read providers share. Private: of
 * providers*.c only. Each part of a provider is a map with a table of its keys;
 * each reader fills an entry, and says in diag what is wrong, and where. */
#pragma once
#include "llm/providers.h"

#include <stddef.h>

typedef enum co_err providers_reader(const struct co_yaml *node, void *to,
                                     struct co_diag *diag);

struct providers_field {
    const char *name;
    providers_reader *read;
    size_t offset; /* of what it fills, in the struct of its map */
};

/* providers_fields.c. Reads the fields of one map into base; other keys are
 * refused. */
co_must_use enum co_err
providers_read_fields(const struct co_yaml *map,
                      const struct providers_field *fields, size_t n,
                      void *base, struct co_diag *diag);
co_must_use enum co_err providers_read_text(const struct co_yaml *node,
                                            char *to, size_t size,
                                            struct co_diag *diag);
/* 1..max */
co_must_use enum co_err providers_read_u32(const struct co_yaml *node,
                                           uint32_t max, uint32_t *to,
                                           struct co_diag *diag);
/* A time with a unit, and one in milliseconds; to: uint64_t. */
providers_reader providers_read_duration, providers_read_ms;

/* providers_endpoints.c. CO_INVALID: a key itself stands in the map. */
co_must_use enum co_err providers_refuse_keys(const struct co_yaml *map,
                                              struct co_diag *diag);
co_must_use enum co_err providers_read_endpoints(struct providers_entry *entry,
                                                 const struct co_yaml *list,
                                                 struct co_diag *diag);
/* What an endpoint has to be, all its keys together; the vendor's customary
 * key is filled in. */
co_must_use enum co_err
providers_check_endpoint(const struct providers_entry *entry,
                         const struct co_yaml *node,
                         struct providers_endpoint *e, struct co_diag *diag);
/* Whether its endpoints are all the vendor's own, played or not. */
bool providers_are_vendor(const struct providers_entry *entry);

/* providers_limits.c. to: struct providers_timeouts. */
providers_reader providers_read_timeouts;
/* to: struct providers_limits. */
providers_reader providers_read_limits;
/* After kind, endpoints and answers. */
co_must_use enum co_err providers_read_batch(struct providers_entry *entry,
                                             const struct co_yaml *node,
                                             struct co_diag *diag);

/* providers_price.c. */
co_must_use enum co_err providers_read_price(struct providers_entry *entry,
                                             const struct co_yaml *map,
                                             struct co_diag *diag);
/* Whether it fits the rest of the provider. */
co_must_use enum co_err
providers_check_price(const struct providers_entry *entry,
                      const struct co_yaml *map, struct co_diag *diag);

/* providers_fallback.c. */
co_must_use enum co_err providers_read_fallback(struct providers_entry *entry,
                                                const struct co_yaml *list,
                                                struct co_diag *diag);
/* All providers are read: each name stands for one of them. */
co_must_use enum co_err providers_check_fallbacks(const struct providers *p,
                                                  const struct co_yaml *map,
                                                  struct co_diag *diag);
