/* providers.h - the `providers:` of a job file or of a worker's own file:
 * which endpoints there are, what they allow and what they cost. Keys are not
 * in it: only where they come from (a variable or a file on the worker).
 * docs/job-file.md has the keys. Read-only once made. */
#pragma once
#include "llm/price.h"
#include "llm/provider.h"

#include "common/yaml.h"

enum {
    PROVIDERS_MAX = 16,
    PROVIDERS_ENDPOINTS_MAX = 16, /* of one provider */
    PROVIDERS_NAME_BYTES = 33,    /* [a-z0-9-]{1,32} and the NUL */
    PROVIDERS_ENV_BYTES = 65,
    PROVIDERS_URL_BYTES = 1025,
    PROVIDERS_FILE_BYTES = 257,
    PROVIDERS_FALLBACK_MAX = 8,               /* names in a list of fallbacks */
    PROVIDERS_TIME_MAX_MS = 24 * 3600 * 1000, /* of any time-out */
};

struct providers_endpoint {
    char url[PROVIDERS_URL_BYTES];       /* base; "": the vendor's own */
    char key_env[PROVIDERS_ENV_BYTES];   /* "": none; the vendor's customary
                                          * one is filled in */
    char key_file[PROVIDERS_FILE_BYTES]; /* "": none */
    bool key_in_clear; /* the key may go over http:// to another machine */
    uint32_t weight;   /* 1..1000 */
};

/* Fleet-wide, of each endpoint and key; 0: none known. A provider without
 * limits has as many calls in flight as its workers have slots. */
struct providers_limits {
    uint64_t rpm, tpm; /* requests and tokens in any 60 s */
    uint32_t in_flight;
};

struct providers_timeouts {
    uint64_t connect_ms, first_byte_ms, idle_ms, total_ms;
};

/* How its vendor's batches are used; max_requests 0: they are not. */
struct providers_batch {
    uint32_t max_requests;
    uint64_t window_ms; /* so long asks wait for others */
    uint64_t poll_ms;   /* between two looks at a batch */
};

struct providers_entry {
    char name[PROVIDERS_NAME_BYTES];
    const struct provider *kind; /* how it is spoken to */
    char model[PROVIDER_MODEL_BYTES];
    struct providers_endpoint endpoints[PROVIDERS_ENDPOINTS_MAX];
    uint32_t n_endpoints;
    struct providers_limits limits;
    struct providers_timeouts timeouts;
    struct providers_batch batch;
    struct price price; /* -1 where it is not given */
    bool has_price;     /* the file says all of it */
    bool stream;
    enum provider_form form; /* how its servers are told of a schema */
    char replay_file[PROVIDERS_URL_BYTES]; /* that is played; "": it is called.
                                            * Then there is one endpoint, with
                                            * neither address nor key */
    bool plays_vendor; /* its endpoints would be the vendor's own */
    char record_file[PROVIDERS_URL_BYTES]; /* that answers go to; "": none */
    /* Who writes in its place, tried in order, while it is away; their own
     * lists are not followed. Each stands in the same file. */
    char fallback[PROVIDERS_FALLBACK_MAX][PROVIDERS_NAME_BYTES];
    uint32_t n_fallback;
    bool fallback_builtin; /* and, last, the built-in writer */
    uint32_t line;         /* in the file */
};

struct providers {
    struct providers_entry entries[PROVIDERS_MAX];
    uint32_t n;
};

/* Reads the map under `providers:`. *ret_providers is for free(). CO_INVALID,
 * CO_RANGE: diag names file, line and key. */
co_must_use enum co_err providers_read(const struct co_yaml *map,
                                       struct providers **ret_providers,
                                       struct co_diag *diag);
/* The same of a file that has a top-level `providers:` (a job file, too);
 * other keys are not looked at. CO_NOTFOUND: it has none. */
co_must_use enum co_err providers_load(const char *path,
                                       struct providers **ret_providers,
                                       struct co_diag *diag);
/* NULL: there is none of that name. */
const struct providers_entry *providers_find(const struct providers *providers,
                                             const char *name);
/* Whether requests or tokens a minute are limited. */
bool providers_has_rates(const struct providers_entry *entry);
/* Whether all its endpoints are the vendor's own. */
bool providers_is_vendor(const struct providers_entry *entry);
