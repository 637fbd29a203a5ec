/* openai.c - the provider `openai`: POST /v1/chat/completions, as OpenAI,
 * vLLM, llama.cpp's server, Ollama and many others answer it. */
#include "common/json.h"
#include "llm/provider.h"
#include "llm/pull.h"

#include <string.h>

static void
put_message(struct co_json *json, const char *role, const char *content)
{
    co_json_object(json);
    co_json_put_text(json, "role", role);
    co_json_put_text(json, "content", content);
    co_json_end(json);
}

static void
write_body(const struct provider_ask *ask, struct co_buf *body)
{
    struct co_json json;

    co_json_init(&json, body);
    co_json_object(&json);
    co_json_put_text(&json, "model", ask->model);
    co_json_key(&json, "messages");
    co_json_array(&json);
    if (ask->system) put_message(&json, "system", ask->system);
    put_message(&json, "user", ask->prompt);
    co_json_end(&json);
    if (ask->max_tokens) {
        /* OpenAI's newer models refuse the old name, others know no other. */
        co_json_put_u64(&json,
                        ask->is_vendor ? "max_completion_tokens" : "max_tokens",
                        ask->max_tokens);
    }
    if (ask->stream) {
        co_json_key(&json, "stream");
        co_json_bool(&json, true);
        co_json_key(&json, "stream_options");
        co_json_object(&json);
        co_json_key(&json, "include_usage");
        co_json_bool(&json, true);
        co_json_end(&json);
    }
    co_json_end(&json);
    (void)co_json_finish(&json); /* body->err keeps it */
}

static void
read_cached(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "cached_tokens") && pull_peek(p) == PULL_NUMBER) {
            (void)pull_u64(p, &answer->cached_tokens);
        } else {
            pull_skip(p);
        }
    }
}

static void
read_usage(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    answer->has_usage = true;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "prompt_tokens")) {
            (void)pull_u64(p, &answer->input_tokens);
        } else if (pull_is(&key, "completion_tokens")) {
            (void)pull_u64(p, &answer->output_tokens);
        } else if (pull_is(&key, "prompt_tokens_details")) {
            read_cached(p, answer);
        } else {
            pull_skip(p);
        }
    }
}

/* "message" of an answer, "delta" of an event. */
static void
read_message(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key, text;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    answer->is_answer = true;
    while (pull_key(p, &key)) {
        if (!pull_is(&key, "content")) {
            pull_skip(p);
        } else if (!pull_null(p) && pull_text(p, &text)) {
            pull_decode(&text, &answer->text);
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
    answer->is_filtered = pull_is(&why, "content_filter");
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

/* We ask for one choice; the first counts. */
static void
read_choices(struct pull *p, struct provider_answer *answer)
{
    bool first = true;

    if (!pull_enter(p, PULL_ARRAY)) return;
    for (; pull_item(p); first = false) {
        if (first) {
            read_choice(p, answer);
        } else {
            pull_skip(p);
        }
    }
}

static void
read_members(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key, text;

    if (!pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "choices")) {
            read_choices(p, answer);
        } else if (pull_is(&key, "usage")) {
            read_usage(p, answer);
        } else if (pull_is(&key, "model") && pull_peek(p) == PULL_TEXT) {
            if (pull_text(p, &text)) {
                (void)pull_copy(&text, answer->model, sizeof answer->model);
            }
        } else if (pull_is(&key, "error")) {
            provider_take_error(p, answer);
        } else {
            pull_skip(p);
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
    if (len == strlen("[DONE]") && memcmp(data, "[DONE]", len) == 0) {
        answer->has_end = true;
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
    .write = write_body,
    .read = read_answer,
    .event = read_event,
};
