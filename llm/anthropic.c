/* anthropic.c - the provider `anthropic`: POST /v1/messages. */
#include "common/json.h"
#include "llm/provider.h"
#include "llm/pull.h"

#include <string.h>

/* The API wants a number; enough for a page. */
enum { MAX_TOKENS_DEFAULT = 1024 };

/* Structured output is the input of a tool that has to be called. Its name says
 * what is wanted. */
static void
put_tool(const struct provider_ask *ask, struct co_json *json)
{
    co_json_key(json, "tools");
    co_json_array(json);
    co_json_object(json);
    co_json_put_text(json, "name", ask->schema_name);
    co_json_put_text(json, "description", "Takes the answer.");
    co_json_key(json, "input_schema");
    co_json_raw(json, ask->schema, strlen(ask->schema));
    co_json_end(json);
    co_json_end(json);
    co_json_key(json, "tool_choice");
    co_json_object(json);
    co_json_put_text(json, "type", "tool");
    co_json_put_text(json, "name", ask->schema_name);
    co_json_key(json, "disable_parallel_tool_use");
    co_json_bool(json, true);
    co_json_end(json);
}

static void
write_body(const struct provider_ask *ask, struct co_buf *body)
{
    co_auto(co_buf_fini) struct co_buf scratch = {.data = NULL};
    struct co_json json;
    const char *system;
    size_t len;

    co_json_init(&json, body);
    co_json_object(&json);
    co_json_put_text(&json, "model", ask->model);
    co_json_put_u64(&json, "max_tokens",
                    ask->max_tokens ? ask->max_tokens : MAX_TOKENS_DEFAULT);
    if (provider_system(ask, &scratch, &system, &len)) {
        co_json_key(&json, "system");
        co_json_bytes(&json, system, len);
    }
    co_json_key(&json, "messages");
    co_json_array(&json);
    provider_put_messages(ask, &json);
    co_json_end(&json);
    provider_put_temperature(ask, &json);
    /* There is no mode of JSON without a schema. */
    if (ask->schema && ask->form == PROVIDER_FORM_SCHEMA) put_tool(ask, &json);
    if (ask->stream) {
        co_json_key(&json, "stream");
        co_json_bool(&json, true);
    }
    co_json_end(&json);
    (void)co_json_finish(&json); /* body->err keeps it */
    if (scratch.err) body->err = scratch.err;
}

/* Counts of tokens; the API leaves cached ones out of input_tokens. */
struct usage {
    uint64_t input, cache_read, cache_write;
};

/* A stream gives usage twice: what is not given the second time stays. */
static void
read_usage(struct pull *p, struct provider_answer *answer)
{
    struct usage u = {0};
    struct pull_slice key;
    bool has_input = false;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "input_tokens")) {
            has_input = provider_take_tokens(p, &u.input);
        } else if (pull_is(&key, "output_tokens")) {
            answer->has_output |=
                provider_take_tokens(p, &answer->output_tokens);
        } else if (pull_is(&key, "cache_read_input_tokens")) {
            (void)provider_take_tokens(p, &u.cache_read);
        } else if (pull_is(&key, "cache_creation_input_tokens")) {
            (void)provider_take_tokens(p, &u.cache_write);
        } else {
            pull_skip(p);
        }
    }
    if (has_input) {
        answer->has_input = true;
        answer->input_tokens = u.input + u.cache_read + u.cache_write;
        answer->cached_tokens = u.cache_read;
    }
    answer->has_usage = answer->has_input && answer->has_output;
}

static void
read_stop(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice why;

    if (pull_null(p) || !pull_text(p, &why)) return;
    answer->is_cut = pull_is(&why, "max_tokens") ||
                     pull_is(&why, "model_context_window_exceeded");
    answer->is_filtered = pull_is(&why, "refusal");
}

/* The input of a tool, as it stands there; what else is said does not count. */
static void
read_input(struct pull *p, struct provider_answer *answer)
{
    const uint8_t *from;

    if (pull_peek(p) != PULL_OBJECT) {
        pull_skip(p);
        return;
    }
    from = p->p; /* peeked: the value begins here */
    pull_skip(p);
    if (p->wrong || answer->is_tool) return;
    answer->is_tool = true;
    co_buf_clear(&answer->text);
    co_buf_append(&answer->text, from, (size_t)(p->p - from));
}

/* A piece of it, in a stream: a text that holds JSON. */
static void
read_piece(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice text;

    if (!pull_text(p, &text)) return;
    if (!answer->is_tool) co_buf_clear(&answer->text);
    answer->is_tool = true;
    pull_decode(&text, &answer->text);
}

/* A block of "content", or the delta of one: what has a text counts. The first
 * event of a tool has an empty input, which pieces follow. */
static void
read_block(struct pull *p, bool is_event, struct provider_answer *answer)
{
    struct pull_slice key, text;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "text")) {
            if (pull_text(p, &text) && !answer->is_tool) {
                pull_decode(&text, &answer->text);
            }
        } else if (pull_is(&key, "input") && !is_event) {
            read_input(p, answer);
        } else if (pull_is(&key, "partial_json")) {
            read_piece(p, answer);
        } else if (pull_is(&key, "stop_reason")) {
            read_stop(p, answer);
        } else {
            pull_skip(p);
        }
    }
}

static void
read_content(struct pull *p, struct provider_answer *answer)
{
    if (!pull_enter(p, PULL_ARRAY)) return;
    answer->is_answer = true;
    while (pull_item(p)) {
        read_block(p, false, answer);
    }
}

/* An answer, and what "message" of the first event holds. */
static void
read_message(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;

    if (!pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "content")) {
            read_content(p, answer);
        } else if (pull_is(&key, "usage")) {
            read_usage(p, answer);
        } else if (pull_is(&key, "stop_reason")) {
            read_stop(p, answer);
        } else {
            provider_take_member(p, &key, answer);
        }
    }
}

static enum fault
read_answer(const char *body, size_t len, struct provider_answer *answer,
            struct co_diag *diag)
{
    struct pull p;

    pull_init(&p, body, len);
    read_message(&p, answer);
    if (!answer->is_answer) {
        (void)co_fail(diag, CO_PROTOCOL, "it has no list `content`");
    }
    answer->has_end = true;
    return provider_verdict(&p, answer, diag);
}

/* The name of the event once more: some gateways leave out the other. */
static void
read_type(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice type;

    if (pull_peek(p) != PULL_TEXT) {
        pull_skip(p);
    } else if (pull_text(p, &type)) {
        answer->has_end |= pull_is(&type, "message_stop");
    }
}

/* message_start, content_block_start, content_block_delta, message_delta,
 * message_stop, ping, error; unknown ones are to be stepped over. */
static enum fault
read_event(const char *name, const char *data, size_t len,
           struct provider_answer *answer, struct co_diag *diag)
{
    struct pull_slice key;
    struct pull p;

    pull_init(&p, data, len);
    answer->is_answer = true;
    if (strcmp(name, "message_stop") == 0) answer->has_end = true;
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "message")) {
                read_message(&p, answer);
                /* What was written before the first word: not the whole. */
                answer->has_output = answer->has_usage = false;
            } else if (pull_is(&key, "delta") ||
                       pull_is(&key, "content_block")) {
                read_block(&p, true, answer);
            } else if (pull_is(&key, "usage")) {
                read_usage(&p, answer);
            } else if (pull_is(&key, "type")) {
                read_type(&p, answer);
            } else {
                provider_take_member(&p, &key, answer);
            }
        }
    }
    return provider_verdict(&p, answer, diag);
}

const struct provider provider_anthropic = {
    .name = "anthropic",
    .about = "Anthropic's Messages API",
    .host = "https://api.anthropic.com",
    .path = "/v1/messages",
    .key_env = "ANTHROPIC_API_KEY",
    .headers = {"Content-Type: application/json",
                "anthropic-version: 2023-06-01", NULL},
    .key_header = "x-api-key: %s",
    /* What it tells the model about tools: some hundred tokens. */
    .schema_tokens = 1024,
    .temperature_max = 1000,
    .write = write_body,
    .read = read_answer,
    .event = read_event,
};
