/* request_check.c - what a real API would object to in a body: see request.h.
 * One table of members an API. */
#include "tests/fake-llm/request.h"

#include "llm/pull.h"

#include <stdlib.h>
#include <string.h>

enum { SCHEMA_DEPTH_MAX = 10, NAME_MAX_BYTES = 64, DIMENSIONS_MAX = 4096 };

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

struct check {
    struct request *request;
    struct co_diag *diag;
    struct pull p;
    bool failed, names_tool;
    size_t turns;
};

static bool
refuse(struct check *c, const char *name, const char *why)
{
    if (!c->failed) (void)co_fail(c->diag, CO_INVALID, "%s: %s", name, why);
    c->failed = true;
    return false;
}

static struct request_part
part_of(const struct pull_slice *text)
{
    return (struct request_part){text->at, text->len};
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
        (void)refuse(c, "messages.role", "no role of this API");
    }
    if (pull_is(&role, "assistant")) {
        c->request->is_mending = true;
        if (c->turns == 0 && c->request->api == API_ANTHROPIC) {
            (void)refuse(c, "messages", "the first has to be the user's");
        }
    }
}

static void
check_content(struct check *c)
{
    enum pull_type type = pull_peek(&c->p);
    struct pull_slice text;

    if (type == PULL_TEXT) {
        if (pull_text(&c->p, &text) && text.len == 0 &&
            c->request->api == API_ANTHROPIC) {
            (void)refuse(c, "messages.content", "is empty");
        }
        return;
    }
    if (type != PULL_ARRAY) {
        (void)refuse(c, "messages.content", "neither text nor list");
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
            (void)refuse(c, "messages", "unknown or repeated member");
            pull_skip(&c->p);
        }
    }
    if (!role || !content) (void)refuse(c, "messages", "role, content missing");
}

static void
check_messages(struct check *c)
{
    if (!pull_enter(&c->p, PULL_ARRAY)) return;
    for (; pull_item(&c->p); c->turns++) {
        check_message(c);
    }
    if (c->turns == 0) (void)refuse(c, "messages", "at least one is needed");
}

/* ---- schemas ---- */

static void check_schema(struct check *c, bool strict, int depth);

static size_t
check_properties(struct check *c, bool strict, int depth)
{
    struct pull_slice key;
    size_t n = 0;

    if (!pull_enter(&c->p, PULL_OBJECT)) return 0;
    for (; pull_key(&c->p, &key); n++) {
        check_schema(c, strict, depth);
    }
    return n;
}

static size_t
check_required(struct check *c)
{
    struct pull_slice name;
    size_t n = 0;

    if (!pull_enter(&c->p, PULL_ARRAY)) return 0;
    for (; pull_item(&c->p); n++) {
        (void)pull_text(&c->p, &name);
    }
    return n;
}

/* strict: as OpenAI takes it, all properties required and no others. */
static void
check_schema(struct check *c, bool strict, int depth)
{
    size_t properties = 0, required = 0;
    bool is_object = false, closed = false, open = true;
    struct pull_slice key, type;

    if (depth > SCHEMA_DEPTH_MAX) {
        (void)refuse(c, "schema", "is too deep");
        pull_skip(&c->p);
        return;
    }
    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (pull_is(&key, "type") && pull_peek(&c->p) == PULL_TEXT) {
            is_object = pull_text(&c->p, &type) && pull_is(&type, "object");
        } else if (pull_is(&key, "properties")) {
            properties = check_properties(c, strict, depth + 1);
        } else if (pull_is(&key, "required")) {
            required = check_required(c);
        } else if (pull_is(&key, "items")) {
            check_schema(c, strict, depth + 1);
        } else if (pull_is(&key, "additionalProperties") &&
                   pull_peek(&c->p) == PULL_FALSE) {
            closed = pull_bool(&c->p, &open) && !open;
        } else {
            pull_skip(&c->p);
        }
    }
    if (!is_object || !strict) return;
    if (!closed) {
        (void)refuse(c, "schema", "additionalProperties has to be false");
    }
    if (properties != required) {
        (void)refuse(c, "schema", "all properties have to be in required");
    }
}

/* A schema, kept for who makes the answer. */
static void
take_schema(struct check *c, bool strict)
{
    struct request_part part = {NULL, 0};

    if (pull_peek(&c->p) != PULL_OBJECT) {
        (void)refuse(c, "schema", "is no object");
        pull_skip(&c->p);
        return;
    }
    part.at = (const char *)c->p.p;
    check_schema(c, strict, 0);
    part.len = (size_t)((const char *)c->p.p - part.at);
    c->request->schema = part;
}

static bool
is_name(const struct pull_slice *name)
{
    if (name->len == 0 || name->len > NAME_MAX_BYTES) return false;
    for (size_t i = 0; i < name->len; i++) {
        char ch = name->at[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
              (ch >= '0' && ch <= '9') || ch == '_' || ch == '-')) {
            return false;
        }
    }
    return true;
}

/* Of OpenAI: {"name": N, "strict": true, "schema": {...}}. */
static void
check_json_schema(struct check *c)
{
    struct pull_slice key, name = {NULL, 0, false};
    bool strict = false;

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (pull_is(&key, "name")) {
            (void)pull_text(&c->p, &name);
        } else if (pull_is(&key, "strict")) {
            (void)pull_bool(&c->p, &strict);
        } else if (pull_is(&key, "schema")) {
            take_schema(c, strict); /* strict comes first, as we send it */
        } else if (pull_is(&key, "description")) {
            pull_skip(&c->p);
        } else {
            (void)refuse(c, "json_schema", "unknown member");
            pull_skip(&c->p);
        }
    }
    if (!is_name(&name)) (void)refuse(c, "json_schema.name", "is no name");
    if (!c->request->schema.at) (void)refuse(c, "json_schema", "has no schema");
}

static void
check_format(struct check *c)
{
    struct pull_slice key, type = {"", 0, false};

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (pull_is(&key, "type")) {
            (void)pull_text(&c->p, &type);
        } else if (pull_is(&key, "json_schema")) {
            check_json_schema(c);
        } else {
            (void)refuse(c, "response_format", "unknown member");
            pull_skip(&c->p);
        }
    }
    c->request->wants_json = pull_is(&type, "json_object");
    if (pull_is(&type, "json_schema") != (c->request->schema.at != NULL)) {
        (void)refuse(c, "response_format", "type and json_schema differ");
    }
}

static void
check_tool(struct check *c)
{
    struct pull_slice key, name = {NULL, 0, false};
    bool schema = false;

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (pull_is(&key, "name")) {
            (void)pull_text(&c->p, &name);
        } else if (pull_is(&key, "input_schema")) {
            schema = true;
            take_schema(c, false);
        } else if (pull_is(&key, "description")) {
            pull_skip(&c->p);
        } else {
            (void)refuse(c, "tools", "unknown member");
            pull_skip(&c->p);
        }
    }
    if (!schema) (void)refuse(c, "tools.input_schema", "is missing");
    if (!is_name(&name)) (void)refuse(c, "tools.name", "is no name");
    c->request->tool = part_of(&name);
}

static void
check_tools(struct check *c)
{
    size_t n = 0;

    if (!pull_enter(&c->p, PULL_ARRAY)) return;
    for (; pull_item(&c->p); n++) {
        check_tool(c);
    }
    if (n > 1) (void)refuse(c, "tools", "this fake knows one at most");
}

static void
check_choice(struct check *c)
{
    struct pull_slice key, type = {"", 0, false}, name = {"", 0, false};
    const struct request_part *tool = &c->request->tool;
    bool yes;

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (pull_is(&key, "type")) {
            (void)pull_text(&c->p, &type);
        } else if (pull_is(&key, "name")) {
            (void)pull_text(&c->p, &name);
        } else if (pull_is(&key, "disable_parallel_tool_use")) {
            (void)pull_bool(&c->p, &yes);
        } else {
            (void)refuse(c, "tool_choice", "unknown member");
            pull_skip(&c->p);
        }
    }
    c->names_tool = pull_is(&type, "tool");
    if (c->names_tool && (!tool->at || tool->len != name.len ||
                          memcmp(tool->at, name.at, name.len) != 0)) {
        (void)refuse(c, "tool_choice.name", "is none of the tools");
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
            (void)refuse(c, "stream_options", "unknown member");
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
    if (!(heat >= 0 && heat <= most)) (void)refuse(c, name, "is out of range");
}

static void
take_count(struct check *c, const char *name)
{
    uint64_t n = 0;

    if (pull_u64(&c->p, &n) && n == 0) {
        (void)refuse(c, name, "must be at least 1");
    }
    if (strncmp(name, "max_", 4) == 0) c->request->max_tokens = n;
    if (strcmp(name, "dimensions") == 0) {
        c->request->dimensions = n;
        if (n > DIMENSIONS_MAX) (void)refuse(c, name, "is too large");
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
                (void)refuse(c, name, "holds an empty text");
            }
        }
    } else if (pull_text(&c->p, &text)) {
        n = text.len;
    }
    if (n == 0) (void)refuse(c, name, "is empty");
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
            (void)refuse(c, member->name, "is empty");
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
        check_format(c);
        return;
    case TOOLS:
        check_tools(c);
        return;
    case CHOICE:
        check_choice(c);
        return;
    case INPUT:
        take_input(c, member->name);
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
    } else if (r->api == API_ANTHROPIC && !r->has_version) {
        (void)refuse(&c, "anthropic-version", "this header is missing");
    } else {
        (void)check_body(&c, apis[r->api].members, apis[r->api].count);
    }
    return c.failed ? 400 : 200;
}
