/* request_check.c - what a real API would object to in a body: see request.h.
 * One table of members an API. */
#include "tests/fake-llm/request_impl.h"

#include "common/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { DIMENSIONS_MAX = 4096 };

enum type {
    TEXT,
    COUNT,
    NUMBER,
    BOOL,
    OBJECT,
    ARRAY,
    MESSAGES,
    ANY,
    OPTIONS,
    FORMAT,
    TOOLS,
    CHOICE,
    HEAT, /* a temperature */
    INPUT /* of embeddings */
};

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
    {"temperature", HEAT, false},
    {"top_p", NUMBER, false},
    {"n", COUNT, false},
    {"stop", ANY, false},
    {"seed", NUMBER, false},
    {"presence_penalty", NUMBER, false},
    {"frequency_penalty", NUMBER, false},
    {"response_format", FORMAT, false},
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
    {"temperature", HEAT, false},
    {"top_p", NUMBER, false},
    {"top_k", COUNT, false},
    {"stop_sequences", ARRAY, false},
    {"tools", TOOLS, false},
    {"tool_choice", CHOICE, false},
    {"metadata", OBJECT, false},
};

static const struct member embeddings[] = {
    {"model", TEXT, true},        {"input", INPUT, true},
    {"dimensions", COUNT, false}, {"encoding_format", TEXT, false},
    {"user", TEXT, false},
};

static const struct {
    const struct member *members;
    size_t count;
} apis[] = {
    [API_OPENAI] = {openai, co_countof(openai)},
    [API_ANTHROPIC] = {anthropic, co_countof(anthropic)},
    [API_EMBEDDINGS] = {embeddings, co_countof(embeddings)},
};

bool
request_refuse(struct check *c, const char *name, const char *why)
{
    if (!c->failed) (void)co_fail(c->diag, CO_INVALID, "%s: %s", name, why);
    c->failed = true;
    return false;
}

/* ---- messages ---- */

static bool
role_is_known(const struct check *c, const struct pull_slice *role)
{
    if (pull_is(role, "user") || pull_is(role, "assistant")) return true;
    if (c->request->api == API_ANTHROPIC) return false;
    return pull_is(role, "system") || pull_is(role, "developer") ||
           pull_is(role, "tool");
}

static void
check_role(struct check *c)
{
    struct pull_slice role;

    if (!pull_text(&c->p, &role)) return;
    if (!role_is_known(c, &role)) {
        (void)request_refuse(c, "messages.role", "no role of this API");
    }
    if (pull_is(&role, "assistant")) {
        c->request->is_mending = true;
        if (c->turns == 0 && c->request->api == API_ANTHROPIC) {
            (void)request_refuse(c, "messages",
                                 "the first has to be the user's");
        }
    }
}

/* As who bills them would count: characters, and not bytes. */
static uint64_t
count_characters(const struct pull_slice *text)
{
    co_auto(co_buf_fini) struct co_buf plain;

    co_buf_init(&plain, REQUEST_BODY_MAX);
    pull_decode(text, &plain);
    return co_utf8_count(plain.data, plain.len);
}

static void
check_content(struct check *c)
{
    enum pull_type type = pull_peek(&c->p);
    struct pull_slice text;

    if (type == PULL_TEXT) {
        if (!pull_text(&c->p, &text)) return;
        c->request->characters += count_characters(&text);
        if (text.len == 0 && c->request->api == API_ANTHROPIC) {
            (void)request_refuse(c, "messages.content", "is empty");
        }
        return;
    }
    if (type != PULL_ARRAY) {
        (void)request_refuse(c, "messages.content", "neither text nor list");
    }
    pull_skip(&c->p);
}

static void
check_message(struct check *c)
{
    bool role = false, content = false;
    struct pull_slice key;

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (pull_is(&key, "role") && !role) {
            role = true;
            check_role(c);
        } else if (pull_is(&key, "content") && !content) {
            content = true;
            check_content(c);
        } else {
            (void)request_refuse(c, "messages", "unknown or repeated member");
            pull_skip(&c->p);
        }
    }
    if (!role || !content) {
        (void)request_refuse(c, "messages", "role, content missing");
    }
}

static void
check_messages(struct check *c)
{
    if (!pull_enter(&c->p, PULL_ARRAY)) return;
    for (; pull_item(&c->p); c->turns++) {
        check_message(c);
    }
    if (c->turns == 0) {
        (void)request_refuse(c, "messages", "at least one is needed");
    }
}

/* ---- the rest ---- */

static void
check_options(struct check *c)
{
    struct pull_slice key;

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (!pull_is(&key, "include_usage")) {
            (void)request_refuse(c, "stream_options", "unknown member");
        }
        (void)pull_bool(&c->p, &c->request->include_usage);
    }
}

static void
check_heat(struct check *c, const char *name)
{
    double most = c->request->api == API_ANTHROPIC ? 1 : 2, heat;
    struct pull_slice slice;
    char text[32];

    if (!pull_number(&c->p, &slice)) return;
    heat = strtod(pull_copy(&slice, text, sizeof text), NULL);
    if (!(heat >= 0 && heat <= most)) {
        (void)request_refuse(c, name, "is out of range");
    }
}

static void
take_count(struct check *c, const char *name)
{
    uint64_t n = 0;

    if (pull_u64(&c->p, &n) && n == 0) {
        (void)request_refuse(c, name, "must be at least 1");
    }
    if (strncmp(name, "max_", 4) == 0) c->request->max_tokens = n;
    if (strcmp(name, "dimensions") == 0) {
        c->request->dimensions = n;
        if (n > DIMENSIONS_MAX) (void)request_refuse(c, name, "is too large");
    }
}

/* A text, or a list of them: none of them empty. */
static void
take_input(struct check *c, const char *name)
{
    enum pull_type type = pull_peek(&c->p);
    const char *at = (const char *)c->p.p;
    struct pull_slice text;
    size_t n = 0;

    if (type == PULL_ARRAY && pull_enter(&c->p, PULL_ARRAY)) {
        for (; pull_item(&c->p); n++) {
            if (pull_text(&c->p, &text) && text.len == 0) {
                (void)request_refuse(c, name, "holds an empty text");
            }
        }
    } else if (pull_text(&c->p, &text)) {
        n = text.len;
    }
    if (n == 0) (void)request_refuse(c, name, "is empty");
    c->request->input =
        (struct request_part){at, (size_t)((const char *)c->p.p - at)};
}

static void
check_value(struct check *c, const struct member *member)
{
    struct pull_slice slice;
    bool yes = false;

    switch (member->type) {
    case TEXT:
        if (pull_text(&c->p, &slice) && slice.len == 0) {
            (void)request_refuse(c, member->name, "is empty");
        }
        return;
    case COUNT:
        take_count(c, member->name);
        return;
    case NUMBER:
        (void)pull_number(&c->p, &slice);
        return;
    case HEAT:
        check_heat(c, member->name);
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
    case FORMAT:
        request_check_format(c);
        return;
    case TOOLS:
        request_check_tools(c);
        return;
    case CHOICE:
        request_check_choice(c);
        return;
    case INPUT:
        take_input(c, member->name);
        return;
    case OBJECT:
    case ARRAY:
        if (pull_peek(&c->p) !=
            (member->type == OBJECT ? PULL_OBJECT : PULL_ARRAY)) {
            (void)request_refuse(c, member->name, "is of the wrong type");
        }
        pull_skip(&c->p);
        return;
    case ANY: /* the system's text is one of the messages elsewhere */
        if (pull_peek(&c->p) == PULL_TEXT && pull_text(&c->p, &slice)) {
            c->request->characters += count_characters(&slice);
            return;
        }
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
            return request_refuse(c, members[i].name, "is missing");
        }
    }
    /* Lines 2, 3 and 5 of the table for OpenAI. */
    if (members == openai && (seen >> 2 & 3) == 3) {
        return request_refuse(c, "max_tokens",
                              "not with max_completion_tokens");
    }
    if (members == openai && (seen >> 5 & 1) && !c->request->stream) {
        return request_refuse(c, "stream_options", "only with stream");
    }
    /* A tool that nobody has to call takes no answer. */
    if (members == anthropic && !c->names_tool) {
        c->request->schema = c->request->tool = (struct request_part){NULL, 0};
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
    if (!pull_enter(&c->p, PULL_OBJECT)) {
        return request_refuse(c, "body", "no object");
    }
    while (pull_key(&c->p, &key)) {
        size_t i = 0;

        while (i < count && !pull_is(&key, members[i].name)) {
            i++;
        }
        (void)pull_copy(&key, name, sizeof name);
        if (i == count) return request_refuse(c, name, "unknown member");
        if (seen >> i & 1) return request_refuse(c, name, "given twice");
        seen |= 1U << i;
        check_value(c, &members[i]);
    }
    if (!pull_end(&c->p)) {
        return request_refuse(c, "body",
                              c->p.wrong ? c->p.wrong : "it ends too early");
    }
    return check_whole(c, members, count, seen);
}

int
request_check(struct request *r, const char *key, struct co_diag *diag)
{
    struct check c = {.request = r, .diag = diag};

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
        (void)request_refuse(&c, "content-type", "is not application/json");
    } else if (r->api == API_ANTHROPIC && !r->has_version) {
        (void)request_refuse(&c, "anthropic-version", "this header is missing");
    } else {
        (void)check_body(&c, apis[r->api].members, apis[r->api].count);
    }
    return c.failed ? 400 : 200;
}
