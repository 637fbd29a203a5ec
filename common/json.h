/* json.h - writing JSON, and loading JSON files with a limit.
 * The writer appends to a co_buf and puts commas, quotes and escapes itself;
 * wrong nesting is a bug of the caller and asserted, so what it wrote is
 * always valid JSON (as long as co_buf_err is OK). Compact, keys in the order
 * of the calls. Text is raw UTF-8; what is not UTF-8 becomes U+FFFD.
 * Files are read with jansson. No state of its own, no I/O but load_file. */
#pragma once
#include "common/buf.h"

#include <jansson.h>

enum { CO_JSON_DEPTH_MAX = 32 };

/* Belongs to the caller; nothing to release. */
struct co_json {
    struct co_buf *buf;
    uint8_t depth;
    bool done;      /* the one top-level value is complete */
    bool after_key; /* a key was written, its value not yet */
    bool comma[CO_JSON_DEPTH_MAX + 1]; /* the level has an entry already */
    char close[CO_JSON_DEPTH_MAX + 1]; /* '}' or ']' of each open level */
};

/* Writes to buf (borrowed), which holds what it held before. */
void co_json_init(struct co_json *json, struct co_buf *buf);
/* Asserts that exactly one complete value was written; returns buf->err. */
enum co_err co_json_finish(struct co_json *json);

void co_json_object(struct co_json *json);
void co_json_array(struct co_json *json);
/* Closes the innermost object or array. */
void co_json_end(struct co_json *json);
/* The key of the next value; only inside an object. */
void co_json_key(struct co_json *json, const char *key);

void co_json_text(struct co_json *json, const char *text);
void co_json_bytes(struct co_json *json, const void *text, size_t len);
void co_json_u64(struct co_json *json, uint64_t value);
void co_json_i64(struct co_json *json, int64_t value);
/* value / 10^decimals exactly: (1234, 3) is 1.234. decimals 0..18. */
void co_json_fixed(struct co_json *json, int64_t value, unsigned decimals);
/* Shortest of up to 17 digits that reads back the same; for reports, never
 * for rows. Not-a-number and infinity become null. */
void co_json_double(struct co_json *json, double value);
void co_json_bool(struct co_json *json, bool value);
void co_json_null(struct co_json *json);
/* 16 hex digits in quotes: ids and hashes, which 53-bit readers would bend. */
void co_json_hex64(struct co_json *json, uint64_t value);
/* A complete JSON value made elsewhere. */
void co_json_raw(struct co_json *json, const char *value, size_t len);

/* key and value in one call, inside an object. */
void co_json_put_text(struct co_json *json, const char *key, const char *text);
void co_json_put_u64(struct co_json *json, const char *key, uint64_t value);

/* Loads the file at path, at most max_bytes long; duplicate keys refused.
 * The caller drops *ret_value with json_decref. Errors as in yaml.h. */
co_must_use enum co_err co_json_load_file(const char *path, size_t max_bytes,
                                          json_t **ret_value,
                                          struct co_diag *diag);
