/* batches_tell.c - what a batch says of itself, in its vendor's words. */
#include "tests/fake-llm/batches_impl.h"

#include "common/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void
batches_put_id(struct co_json *json, const char *key, const char *form,
               uint32_t n)
{
    char id[64];

    co_json_key(json, key);
    if (n == 0) {
        co_json_null(json);
        return;
    }
    (void)snprintf(id, sizeof id, "%s%" PRIu32, form, n);
    co_json_text(json, id);
}

static void
put_time(struct co_json *json, const char *key, int64_t s)
{
    const time_t at = (time_t)s;
    char text[64];
    struct tm tm;

    (void)gmtime_r(&at, &tm);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
    co_json_put_text(json, key, text);
}

static const char *
status_of(const struct batch *t)
{
    if (t->failed) return "failed";
    if (!t->worked) return "in_progress";
    if (t->cancelled) return "cancelled";
    return t->expired ? "expired" : "completed";
}

static void
put_errors(struct co_json *json, const struct batch *t)
{
    co_json_key(json, "errors");
    if (!t->failed) {
        co_json_null(json);
        return;
    }
    co_json_object(json);
    co_json_put_text(json, "object", "list");
    co_json_key(json, "data");
    co_json_array(json);
    co_json_object(json);
    co_json_put_text(json, "code", "invalid_request");
    co_json_put_text(json, "message", t->why);
    co_json_end(json);
    co_json_end(json);
    co_json_end(json);
}

static void
put_openai_batch(struct co_json *json, const struct batch *t, uint32_t number)
{
    co_json_object(json);
    batches_put_id(json, "id", "batch_", number);
    co_json_put_text(json, "object", "batch");
    co_json_put_text(json, "endpoint", "/v1/chat/completions");
    put_errors(json, t);
    batches_put_id(json, "input_file_id", "file-", t->input_file);
    co_json_put_text(json, "completion_window", "24h");
    co_json_put_text(json, "status", status_of(t));
    batches_put_id(json, "output_file_id", "file-", t->output_file);
    batches_put_id(json, "error_file_id", "file-", t->error_file);
    co_json_put_u64(json, "created_at", (uint64_t)t->made_s);
    co_json_put_u64(json, "expires_at", (uint64_t)t->made_s + 86400);
    co_json_key(json, "request_counts");
    co_json_object(json);
    co_json_put_u64(json, "total", t->n);
    co_json_put_u64(json, "completed", t->done);
    co_json_put_u64(json, "failed", t->errored);
    co_json_end(json);
    co_json_key(json, "metadata");
    co_json_raw(json, t->metadata, strlen(t->metadata));
    co_json_end(json);
}

static void
put_anthropic_batch(struct co_json *json, const struct batch *t,
                    uint32_t number)
{
    const uint32_t ended = t->done + t->errored + t->unrun;
    char url[128];

    co_json_object(json);
    batches_put_id(json, "id", "msgbatch_", number);
    co_json_put_text(json, "type", "message_batch");
    co_json_put_text(json, "processing_status",
                     t->worked ? "ended" : "in_progress");
    co_json_key(json, "request_counts");
    co_json_object(json);
    co_json_put_u64(json, "processing", t->worked ? 0 : t->n);
    co_json_put_u64(json, "succeeded", t->done);
    co_json_put_u64(json, "errored", t->worked ? t->n - ended + t->errored : 0);
    co_json_put_u64(json, "canceled", t->unrun - t->expired);
    co_json_put_u64(json, "expired", t->expired);
    co_json_end(json);
    put_time(json, "created_at", t->made_s);
    put_time(json, "expires_at", t->made_s + 86400);
    co_json_key(json, "results_url");
    if (t->worked) {
        (void)snprintf(url, sizeof url,
                       "https://api.anthropic.com/v1/messages/batches/"
                       "msgbatch_%" PRIu32 "/results",
                       number);
        co_json_text(json, url);
    } else {
        co_json_null(json);
    }
    co_json_end(json);
}

void
batches_put(struct co_json *json, const struct batch *t, uint32_t number)
{
    (t->openai ? put_openai_batch : put_anthropic_batch)(json, t, number);
}

int
batches_say_batch(const struct asking *a, const struct batch *t,
                  uint32_t number)
{
    co_auto(co_buf_fini) struct co_buf body;
    struct co_json json;

    co_buf_init(&body, BATCHES_BODY_MAX);
    co_json_init(&json, &body);
    batches_put(&json, t, number);
    (void)co_json_finish(&json);
    return batches_say(a, &body);
}
