/* request.c - see request.h: the HTTP of it. */
#include "tests/fake-llm/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- HTTP ---- */

static bool
begins(const char *p, const char *end, const char *with)
{
    size_t n = strlen(with);

    return (size_t)(end - p) >= n && strncasecmp(p, with, n) == 0;
}

static enum request_api
api_of(const char *path, size_t len)
{
    static const struct {
        const char *path;
        enum request_api api;
    } known[] = {{"/v1/chat/completions", API_OPENAI},
                 {"/moved/v1/chat/completions", API_OPENAI},
                 {"/v1/messages", API_ANTHROPIC},
                 {"/v1/embeddings", API_EMBEDDINGS},
                 {"/stats", API_STATS},
                 {"/fail", API_FAIL},
                 {"/batch", API_BATCH},
                 {"/script", API_SCRIPT}};

    for (size_t i = 0; i < co_countof(known); i++) {
        if (strlen(known[i].path) == len &&
            memcmp(known[i].path, path, len) == 0) {
            return known[i].api;
        }
    }
    return API_NONE;
}

/* Paths with more behind them: batches.h. */
static void
take_batch_path(struct request *r, const char *path, size_t len)
{
    static const struct {
        const char *path;
        enum request_api api;
    } known[] = {{"/v1/files", API_FILES},
                 {"/v1/batches", API_BATCHES},
                 {"/v1/messages/batches", API_MESSAGE_BATCHES}};

    for (size_t i = 0; i < co_countof(known); i++) {
        const size_t n = strlen(known[i].path);

        if (len < n || memcmp(known[i].path, path, n) != 0) continue;
        if (len > n && path[n] != '/' && path[n] != '?') continue;
        r->api = known[i].api;
        r->rest = path + n;
        r->rest_len = len - n;
    }
}

/* "Name:" at p? Then *ret_value is behind it, without blanks. */
static bool
is_header(const char *p, const char *end, const char *name,
          const char **ret_value, size_t *ret_len)
{
    if (!begins(p, end, name)) return false;
    p += strlen(name);
    while (p < end && *p == ' ') {
        p++;
    }
    *ret_value = p;
    *ret_len = (size_t)(end - p);
    return true;
}

static void
take_header(struct request *r, const char *p, const char *end)
{
    const char *value;
    size_t len;

    if (is_header(p, end, "content-length:", &value, &len)) {
        r->body_len = strtoul(value, NULL, 10);
    } else if (is_header(p, end, "content-type:", &value, &len)) {
        r->is_json = begins(value, end, "application/json");
        r->type = value;
        r->type_len = len;
    } else if (is_header(p, end, "x-fake:", &value, &len)) {
        r->behave = value;
        r->behave_len = len;
    } else if (is_header(p, end, "authorization: bearer", &value, &len) ||
               is_header(p, end, "x-api-key:", &value, &len)) {
        r->key = value;
        r->key_len = len;
    } else if (begins(p, end, "anthropic-version:")) {
        r->has_version = true;
    }
}

enum co_err
request_read(const char *bytes, size_t len, struct request *ret_request)
{
    struct request r = {.api = API_NONE};
    const char *head = memmem(bytes, len, "\r\n\r\n", 4), *p = bytes, *path;
    const char *line;

    if (!head) return len > REQUEST_HEAD_MAX ? CO_FULL : CO_AGAIN;
    line = memmem(p, len, "\r\n", 2);
    path = memchr(p, ' ', (size_t)(line - p));
    if (!path) return CO_PROTOCOL;
    r.is_post = begins(p, line, "POST ");
    r.is_delete = begins(p, line, "DELETE ");
    path++;
    p = memchr(path, ' ', (size_t)(line - path));
    if (!p) return CO_PROTOCOL;
    r.api = api_of(path, (size_t)(p - path));
    if (r.api == API_NONE) take_batch_path(&r, path, (size_t)(p - path));
    while (line < head) {
        p = line + 2;
        line = memmem(p, (size_t)(head + 2 - p), "\r\n", 2);
        take_header(&r, p, line);
    }
    if (r.body_len > REQUEST_BODY_MAX) return CO_FULL;
    r.body = head + 4;
    r.bytes = (size_t)(r.body - bytes) + r.body_len;
    if (r.bytes > len) return CO_AGAIN;
    *ret_request = r;
    return CO_OK;
}
