/* yaml.h - YAML files as small trees that remember their lines.
 * For files that people write (job files, registries): a plain subset. No
 * anchors and aliases (nested aliases are a bomb), no tags or directives, one
 * document, no key twice. Everything has a limit, see CO_YAML_*_MAX. A message
 * names file, line and key, what was found and what is allowed. The one module
 * that includes libyaml. Not thread-safe; a loaded tree is read-only. */
#pragma once
#include "common/err.h"

enum {
    CO_YAML_FILE_MAX = 1 << 20,   /* bytes; checked before reading */
    CO_YAML_SCALAR_MAX = 1 << 16, /* bytes of one text or key */
    CO_YAML_NODES_MAX = 20000,
    CO_YAML_DEPTH_MAX = 16,
};

enum co_yaml_kind { CO_YAML_SCALAR, CO_YAML_MAP, CO_YAML_SEQ };

/* One node. All memory belongs to the tree's root. */
struct co_yaml {
    enum co_yaml_kind kind;
    bool quoted;            /* a scalar in quotes: always a text */
    uint32_t line;          /* from 1 */
    uint32_t column;        /* from 1 */
    uint32_t count;         /* children */
    uint32_t index;         /* place in the parent, from 0 */
    char *key;              /* in a map; NULL elsewhere */
    char *text;             /* of a scalar, no NUL inside; else NULL */
    const char *file;       /* as given to load; for messages */
    struct co_yaml *parent; /* NULL in the root */
    struct co_yaml *first;  /* children in the order of the file */
    struct co_yaml *last;
    struct co_yaml *next;      /* sibling */
    struct co_yaml_pool *pool; /* of the whole tree */
};

/* Loads the file at path. A pipe is read up to the limit.
 * CO_NOTFOUND, CO_DENIED, CO_IO: the file cannot be read
 * CO_FULL                        a limit above is exceeded
 * CO_INVALID                     not YAML, or not the subset */
co_must_use enum co_err co_yaml_load_file(const char *path,
                                          struct co_yaml **ret_root,
                                          struct co_diag *diag);
/* The same for text in memory; name stands in messages as the file. */
co_must_use enum co_err co_yaml_load_text(const char *text, size_t len,
                                          const char *name,
                                          struct co_yaml **ret_root,
                                          struct co_diag *diag);
/* Releases the whole tree; takes the root or NULL. */
void co_yaml_free(struct co_yaml *root);
CO_DEFINE_FREEP(struct co_yaml, co_yaml_free)

/* The child with this key, or NULL; node may be NULL or not a map. */
const struct co_yaml *co_yaml_get(const struct co_yaml *map, const char *key);
/* `null`, `~` or nothing after the colon. */
bool co_yaml_is_null(const struct co_yaml *node);

/* "FILE:LINE: a.b[2]: MESSAGE" into diag; returns err. */
enum co_err co_yaml_fail(const struct co_yaml *node, struct co_diag *diag,
                         enum co_err err, const char *fmt, ...) co_printf(4, 5);
/* What stands there, for a message: `"abc"` (cut, made printable), `a map`,
 * `a list`, `nothing`. Returns out. */
struct co_yaml_found {
    char text[80];
};
struct co_yaml_found co_yaml_found(const struct co_yaml *node);

/* Typed readers. On CO_INVALID (wrong type) and CO_RANGE the message says
 * what was found and what is allowed; *ret_value is not written. */
co_must_use enum co_err co_yaml_expect(const struct co_yaml *node,
                                       enum co_yaml_kind kind,
                                       struct co_diag *diag);
/* A whole number in decimal digits, min..max. */
co_must_use enum co_err co_yaml_u64(const struct co_yaml *node, uint64_t min,
                                    uint64_t max, uint64_t *ret_value,
                                    struct co_diag *diag);
/* A decimal number from 0 to max without an exponent, with at most `decimals`
 * digits after the point, times 10^decimals: "1.5" with 6 is 1500000. */
co_must_use enum co_err co_yaml_fixed(const struct co_yaml *node,
                                      unsigned decimals, uint64_t max,
                                      uint64_t *ret_value,
                                      struct co_diag *diag);
co_must_use enum co_err co_yaml_bool(const struct co_yaml *node,
                                     bool *ret_value, struct co_diag *diag);
/* A text of 1..max bytes; borrowed from the tree. */
co_must_use enum co_err co_yaml_text(const struct co_yaml *node, size_t max,
                                     const char **ret_text,
                                     struct co_diag *diag);
/* One of names (NULL-terminated); *ret_index is its place. */
co_must_use enum co_err co_yaml_enum(const struct co_yaml *node,
                                     const char *const *names,
                                     size_t *ret_index, struct co_diag *diag);
/* A duration with a unit (ms, s, m, h, d), min..max milliseconds. */
co_must_use enum co_err co_yaml_duration(const struct co_yaml *node,
                                         uint64_t min_ms, uint64_t max_ms,
                                         uint64_t *ret_ms,
                                         struct co_diag *diag);
/* A size with a unit (B, KiB, MiB, GiB, TiB), min..max bytes. */
co_must_use enum co_err co_yaml_size(const struct co_yaml *node,
                                     uint64_t min_bytes, uint64_t max_bytes,
                                     uint64_t *ret_bytes, struct co_diag *diag);
/* Refuses node unless it is a map whose keys all stand in names
 * (NULL-terminated); names the unknown key, its line and the nearest. */
co_must_use enum co_err co_yaml_keys(const struct co_yaml *node,
                                     const char *const *names,
                                     struct co_diag *diag);
