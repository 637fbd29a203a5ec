/* openai.c - the provider `openai`: POST /v1/chat/completions, as OpenAI,
 * vLLM, llama.cpp's server, Ollama and many others answer it. */
#include "common/json.h"
#include "llm/openai_embed.h"
#include "llm/pull.h"

#include <string.h>

/* Structured output: see docs/providers.md for who knows which. */
static void
put_form(const struct provider_ask *ask, struct co_json *json)
{
    if (!ask->schema || ask->form == PROVIDER_FORM_WORDS) return;
    co_json_key(json, "response_format");
    co_json_object(json);
    if (ask->form == PROVIDER_FORM_JSON) {
        co_json_put_text(json, "type", "json_object");
    } else {
        co_json_put_text(json, "type", "json_schema");
        co_json_key(json, "json_schema");
        co_json_object(json);
        co_json_put_text(json, "name", ask->schema_name);
        co_json_key(json, "strict");
        co_json_bool(json, true);
        co_json_key(json, "schema");
        co_json_raw(json, ask->schema, strlen(ask->schema));
        co_json_end(json);
    }
    co_json_end(json);
}

static void
put_stream(struct co_json *json)
{
    co_json_key(json, "stream");
    co_json_bool(json, true);
    co_json_key(json, "stream_options");
    co_json_object(json);
    co_json_key(json, "include_usage");
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
    co_json_key(&json, "messages");
    co_json_array(&json);
    if (provider_system(ask, &scratch, &system, &len)) {
        co_json_object(&json);
        co_json_put_text(&json, "role", "system");
        co_json_key(&json, "content");
        co_json_bytes(&json, system, len);
        co_json_end(&json);
    }
    provider_put_messages(ask, &json);
    co_json_end(&json);
    if (ask->max_tokens) {
        /* OpenAI's newer models refuse the old name, others know no other. */
        co_json_put_u64(&json,
                        ask->is_vendor ? "max_completion_tokens" : "max_tokens",
                        ask->max_tokens);
    }
    provider_put_temperature(ask, &json);
    put_form(ask, &json);
    if (ask->stream) put_stream(&json);
    co_json_end(&json);
    (void)co_json_finish(&json); /* body->err keeps it */
    if (scratch.err) body->err = scratch.err;
}

static void
read_cached(struct pull *p, uint64_t *ret_cached)
{
    struct pull_slice key;

    if (pull_peek(p) != PULL_OBJECT) {
        pull_skip(p);
        return;
    }
    (void)pull_enter(p, PULL_OBJECT);
    while (pull_key(p, &key)) {
        if (pull_is(&key, "cached_tokens")) {
            (void)provider_take_tokens(p, ret_cached);
        } else {
            pull_skip(p);
        }
    }
}

/* More cached tokens than there are: some gateways leave those out of
 * prompt_tokens, as Anthropic's API does. */
static void
take_input(struct provider_answer *answer, uint64_t input, uint64_t cached)
{
    answer->has_input = true;
    answer->input_tokens = cached > input ? input + cached : input;
    answer->cached_tokens = cached;
}

static void
read_usage(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;
    uint64_t input = 0, cached = 0;
    bool has_input = false;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "prompt_tokens")) {
            has_input = provider_take_tokens(p, &input);
        } else if (pull_is(&key, "completion_tokens")) {
            answer->has_output =
                provider_take_tokens(p, &answer->output_tokens);
        } else if (pull_is(&key, "prompt_tokens_details")) {
            read_cached(p, &cached);
        } else {
            pull_skip(p);
        }
    }
    if (has_input) take_input(answer, input, cached);
    answer->has_usage = answer->has_input && answer->has_output;
}

/* "message" of an answer, "delta" of an event. */
static void
read_message(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key, text;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    answer->is_answer = true;
    while (pull_key(p, &key)) {
        bool refusal = pull_is(&key, "refusal");

        if (!refusal && !pull_is(&key, "content")) {
            pull_skip(p);
        } else if (!pull_null(p) && pull_text(p, &text)) {
            pull_decode(&text, &answer->text);
            /* Where a schema binds it, the model says no in a member of its
             * own, and its reason takes the place of the content. */
            if (refusal && text.len > 0) answer->is_filtered = true;
        }
    }
}

static void
read_finish(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice why;

    if (pull_null(p) || !pull_text(p, &why)) return;
    answer->has_end = true;
    answer->is_cut = pull_is(&why, "length");
    if (pull_is(&why, "content_filter")) answer->is_filtered = true;
}

static void
read_choice(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;

    if (!pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "message") || pull_is(&key, "delta")) {
            read_message(p, answer);
        } else if (pull_is(&key, "finish_reason")) {
            read_finish(p, answer);
        } else {
            pull_skip(p);
        }
    }
}

/* Which choice comes next: its index may stand behind its text. Where it has
 * none that can be read, its place in the array is it. */
static uint64_t
index_of(struct pull p, uint64_t place)
{
    struct pull_slice key;
    uint64_t index;

    if (pull_peek(&p) != PULL_OBJECT) return place;
    (void)pull_enter(&p, PULL_OBJECT);
    while (pull_key(&p, &key)) {
        if (pull_is(&key, "index")) {
            return pull_u64(&p, &index) ? index : place;
        }
        pull_skip(&p);
    }
    return place;
}

/* We ask for one choice. Who sends more, in one answer or by turns in the
 * events of a stream, must not have them run together: the first counts. */
static void
read_choices(struct pull *p, struct provider_answer *answer)
{
    bool found = false;

    if (!pull_enter(p, PULL_ARRAY)) return;
    for (uint64_t place = 0; pull_item(p); place++) {
        if (!found && index_of(*p, place) == 0) {
            found = true;
            read_choice(p, answer);
        } else {
            pull_skip(p);
        }
    }
}

static void
read_members(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;

    if (!pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "choices")) {
            read_choices(p, answer);
        } else if (pull_is(&key, "usage")) {
            read_usage(p, answer);
        } else {
            provider_take_member(p, &key, answer);
        }
    }
}

static enum fault
read_object(const char *body, size_t len, struct provider_answer *answer,
            struct co_diag *diag)
{
    struct pull p;

    pull_init(&p, body, len);
    read_members(&p, answer);
    if (!answer->is_answer) {
        (void)co_fail(diag, CO_PROTOCOL, "it has no choices[0].message");
    }
    return provider_verdict(&p, answer, diag);
}

static enum fault
read_answer(const char *body, size_t len, struct provider_answer *answer,
            struct co_diag *diag)
{
    answer->has_end = true; /* its JSON ends, or it is none */
    return read_object(body, len, answer, diag);
}

static enum fault
read_event(const char *name, const char *data, size_t len,
           struct provider_answer *answer, struct co_diag *diag)
{
    (void)name;
    if (answer->is_over) return FAULT_NONE;
    if (len == strlen("[DONE]") && memcmp(data, "[DONE]", len) == 0) {
        answer->has_end = answer->is_over = true;
        return FAULT_NONE;
    }
    /* The event with the usage has no choice; a stream of only such is none. */
    answer->is_answer = true;
    return read_object(data, len, answer, diag);
}

const struct provider provider_openai = {
    .name = "openai",
    .about = "OpenAI and servers that answer like it: vLLM, llama.cpp, Ollama",
    .host = "https://api.openai.com/v1",
    .path = "/v1/chat/completions",
    .key_env = "OPENAI_API_KEY",
    .headers = {"Content-Type: application/json", NULL},
    .key_header = "Authorization: Bearer %s",
    .schema_tokens = 64,
    .temperature_max = 2000,
    .write = write_body,
    .read = read_answer,
    .event = read_event,
    .embed_path = "/v1/embeddings",
    .embed_write = openai_embed_write,
    .embed_read = openai_embed_read,
};
