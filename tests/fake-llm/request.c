/* request.c - see request.h. */
#include "tests/fake-llm/request.h"

#include "llm/pull.h"

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
                 {"/stats", API_STATS},
                 {"/script", API_SCRIPT}};

    for (size_t i = 0; i < co_countof(known); i++) {
        if (strlen(known[i].path) == len &&
            memcmp(known[i].path, path, len) == 0) {
            return known[i].api;
        }
    }
    return API_NONE;
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
    path++;
    p = memchr(path, ' ', (size_t)(line - path));
    if (!p) return CO_PROTOCOL;
    r.api = api_of(path, (size_t)(p - path));
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

/* ---- bodies ---- */

enum type { TEXT, COUNT, NUMBER, BOOL, OBJECT, ARRAY, MESSAGES, ANY, OPTIONS };

struct member {
    const char *name;
    enum type type;
    bool required;
};

/* What the APIs document; each bit of `seen` is a line. */
static const struct member openai[] = {
    {"model", TEXT, true},
    {"messages", MESSAGES, true},
    {"max_tokens", COUNT, false},
    {"max_completion_tokens", COUNT, false},
    {"stream", BOOL, false},
    {"stream_options", OPTIONS, false},
    {"temperature", NUMBER, false},
    {"top_p", NUMBER, false},
    {"n", COUNT, false},
    {"stop", ANY, false},
    {"seed", NUMBER, false},
    {"presence_penalty", NUMBER, false},
    {"frequency_penalty", NUMBER, false},
    {"response_format", OBJECT, false},
    {"tools", ARRAY, false},
    {"tool_choice", ANY, false},
    {"logprobs", BOOL, false},
    {"user", TEXT, false},
    {"metadata", OBJECT, false},
};

static const struct member anthropic[] = {
    {"model", TEXT, true},
    {"messages", MESSAGES, true},
    {"max_tokens", COUNT, true},
    {"system", ANY, false},
    {"stream", BOOL, false},
    {"temperature", NUMBER, false},
    {"top_p", NUMBER, false},
    {"top_k", COUNT, false},
    {"stop_sequences", ARRAY, false},
    {"tools", ARRAY, false},
    {"tool_choice", OBJECT, false},
    {"metadata", OBJECT, false},
};

struct check {
    struct request *request;
    struct co_diag *diag;
    struct pull p;
    bool failed;
};

static bool
refuse(struct check *c, const char *name, const char *why)
{
    if (!c->failed) (void)co_fail(c->diag, CO_INVALID, "%s: %s", name, why);
    c->failed = true;
    return false;
}

static bool
role_is_known(const struct check *c, const struct pull_slice *role)
{
    if (pull_is(role, "user") || pull_is(role, "assistant")) return true;
    if (c->request->api == API_ANTHROPIC) return false;
    return pull_is(role, "system") || pull_is(role, "developer") ||
           pull_is(role, "tool");
}

static void
check_message(struct check *c)
{
    bool role = false, content = false;
    struct pull_slice key, text;

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (pull_is(&key, "role") && !role) {
            role = true;
            if (pull_text(&c->p, &text) && !role_is_known(c, &text)) {
                (void)refuse(c, "messages.role", "no role of this API");
            }
        } else if (pull_is(&key, "content") && !content) {
            enum pull_type type = pull_peek(&c->p);

            content = true;
            if (type != PULL_TEXT && type != PULL_ARRAY) {
                (void)refuse(c, "messages.content", "neither text nor list");
            }
            pull_skip(&c->p);
        } else {
            (void)refuse(c, "messages", "unknown or repeated member");
            pull_skip(&c->p);
        }
    }
    if (!role || !content) (void)refuse(c, "messages", "role, content missing");
}

static void
check_messages(struct check *c)
{
    size_t count = 0;

    if (!pull_enter(&c->p, PULL_ARRAY)) return;
    for (; pull_item(&c->p); count++) {
        check_message(c);
    }
    if (count == 0) (void)refuse(c, "messages", "at least one is needed");
}

static void
check_options(struct check *c)
{
    struct pull_slice key;

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (!pull_is(&key, "include_usage")) {
            (void)refuse(c, "stream_options", "unknown member");
        }
        (void)pull_bool(&c->p, &c->request->include_usage);
    }
}

static void
check_value(struct check *c, const struct member *member)
{
    struct pull_slice slice;
    uint64_t n;
    bool yes = false;

    switch (member->type) {
    case TEXT:
        if (pull_text(&c->p, &slice) && slice.len == 0) {
            (void)refuse(c, member->name, "is empty");
        }
        return;
    case COUNT:
        if (pull_u64(&c->p, &n) && n == 0) {
            (void)refuse(c, member->name, "must be at least 1");
        }
        return;
    case NUMBER:
        (void)pull_number(&c->p, &slice);
        return;
    case BOOL:
        (void)pull_bool(&c->p, &yes);
        if (strcmp(member->name, "stream") == 0) c->request->stream = yes;
        return;
    case MESSAGES:
        check_messages(c);
        return;
    case OPTIONS:
        check_options(c);
        return;
    case OBJECT:
    case ARRAY:
        if (pull_peek(&c->p) !=
            (member->type == OBJECT ? PULL_OBJECT : PULL_ARRAY)) {
            (void)refuse(c, member->name, "is of the wrong type");
        }
        pull_skip(&c->p);
        return;
    case ANY:
        pull_skip(&c->p);
        return;
    }
}

/* What the members together must be. */
static bool
check_whole(struct check *c, const struct member *members, size_t count,
            uint32_t seen)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].required && !(seen >> i & 1)) {
            return refuse(c, members[i].name, "is missing");
        }
    }
    /* Lines 2, 3 and 5 of the table for OpenAI. */
    if (members == openai && (seen >> 2 & 3) == 3) {
        return refuse(c, "max_tokens", "not with max_completion_tokens");
    }
    if (members == openai && (seen >> 5 & 1) && !c->request->stream) {
        return refuse(c, "stream_options", "only with stream");
    }
    return !c->failed;
}

static bool
check_body(struct check *c, const struct member *members, size_t count)
{
    uint32_t seen = 0;
    struct pull_slice key;
    char name[64];

    pull_init(&c->p, c->request->body, c->request->body_len);
    if (!pull_enter(&c->p, PULL_OBJECT)) return refuse(c, "body", "no object");
    while (pull_key(&c->p, &key)) {
        size_t i = 0;

        while (i < count && !pull_is(&key, members[i].name)) {
            i++;
        }
        (void)pull_copy(&key, name, sizeof name);
        if (i == count) return refuse(c, name, "unknown member");
        if (seen >> i & 1) return refuse(c, name, "given twice");
        seen |= 1U << i;
        check_value(c, &members[i]);
    }
    if (!pull_end(&c->p)) {
        return refuse(c, "body", c->p.wrong ? c->p.wrong : "it ends too early");
    }
    return check_whole(c, members, count, seen);
}

int
request_check(struct request *r, const char *key, struct co_diag *diag)
{
    struct check c = {.request = r, .diag = diag};
    bool is_openai = r->api == API_OPENAI;

    if (r->api == API_NONE) {
        (void)co_fail(diag, CO_NOTFOUND, "there is nothing at this path");
        return 404;
    }
    if (!r->is_post) {
        (void)co_fail(diag, CO_INVALID, "only POST is answered here");
        return 405;
    }
    if (key &&
        (r->key_len != strlen(key) || memcmp(r->key, key, r->key_len) != 0)) {
        (void)co_fail(diag, CO_DENIED, "incorrect API key provided: %.*s",
                      (int)r->key_len, r->key ? r->key : "");
        return 401;
    }
    if (!r->is_json) {
        (void)refuse(&c, "content-type", "is not application/json");
    } else if (!is_openai && !r->has_version) {
        (void)refuse(&c, "anthropic-version", "this header is missing");
    } else {
        (void)check_body(&c, is_openai ? openai : anthropic,
                         is_openai ? co_countof(openai)
                                   : co_countof(anthropic));
    }
    return c.failed ? 400 : 200;
}
