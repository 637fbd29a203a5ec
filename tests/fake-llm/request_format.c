/* request_format.c - what is asked for structured answers: schemas, formats,
 * tools. */
#include "tests/fake-llm/request_impl.h"

#include <string.h>

enum { SCHEMA_DEPTH_MAX = 10, NAME_MAX_BYTES = 64 };

static struct request_part
part_of(const struct pull_slice *text)
{
    return (struct request_part){text->at, text->len};
}

/* ---- schemas ---- */

/* As deep as SCHEMA_DEPTH_MAX: NOLINTBEGIN(misc-no-recursion) */
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
        (void)request_refuse(c, "schema", "is too deep");
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
        (void)request_refuse(c, "schema",
                             "additionalProperties has to be false");
    }
    if (properties != required) {
        (void)request_refuse(c, "schema",
                             "all properties have to be in required");
    }
}

/* NOLINTEND(misc-no-recursion) */

/* A schema, kept for who makes the answer. */
static void
take_schema(struct check *c, bool strict)
{
    struct request_part part = {NULL, 0};

    if (pull_peek(&c->p) != PULL_OBJECT) {
        (void)request_refuse(c, "schema", "is no object");
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
            (void)request_refuse(c, "json_schema", "unknown member");
            pull_skip(&c->p);
        }
    }
    if (!is_name(&name)) {
        (void)request_refuse(c, "json_schema.name", "is no name");
    }
    if (!c->request->schema.at) {
        (void)request_refuse(c, "json_schema", "has no schema");
    }
}

void
request_check_format(struct check *c)
{
    struct pull_slice key, type = {"", 0, false};

    if (!pull_enter(&c->p, PULL_OBJECT)) return;
    while (pull_key(&c->p, &key)) {
        if (pull_is(&key, "type")) {
            (void)pull_text(&c->p, &type);
        } else if (pull_is(&key, "json_schema")) {
            check_json_schema(c);
        } else {
            (void)request_refuse(c, "response_format", "unknown member");
            pull_skip(&c->p);
        }
    }
    c->request->wants_json = pull_is(&type, "json_object");
    if (pull_is(&type, "json_schema") != (c->request->schema.at != NULL)) {
        (void)request_refuse(c, "response_format",
                             "type and json_schema differ");
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
            (void)request_refuse(c, "tools", "unknown member");
            pull_skip(&c->p);
        }
    }
    if (!schema) (void)request_refuse(c, "tools.input_schema", "is missing");
    if (!is_name(&name)) (void)request_refuse(c, "tools.name", "is no name");
    c->request->tool = part_of(&name);
}

void
request_check_tools(struct check *c)
{
    size_t n = 0;

    if (!pull_enter(&c->p, PULL_ARRAY)) return;
    for (; pull_item(&c->p); n++) {
        check_tool(c);
    }
    if (n > 1) (void)request_refuse(c, "tools", "this fake knows one at most");
}

void
request_check_choice(struct check *c)
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
            (void)request_refuse(c, "tool_choice", "unknown member");
            pull_skip(&c->p);
        }
    }
    c->names_tool = pull_is(&type, "tool");
    if (c->names_tool && (!tool->at || tool->len != name.len ||
                          memcmp(tool->at, name.at, name.len) != 0)) {
        (void)request_refuse(c, "tool_choice.name", "is none of the tools");
    }
}
