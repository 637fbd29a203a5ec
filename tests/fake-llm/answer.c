/* answer.c - see answer.h. */
#include "tests/fake-llm/answer.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/json.h"
#include "llm/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PIECE_BYTES = 48, BODY_MAX = 1 << 28, DIMENSIONS = 16 };

/* What an answer is made from. */
struct making {
    const struct request *request;
    const struct behave *behave;
    const struct reply *reply;
};

static void
head(struct co_buf *out, int status, const char *type)
{
    co_buf_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", status,
                  status == 200 ? "OK" : "Fake", type);
}

/* What is left of a limit on things, in the words of each API. */
static void
put_left(const struct request *r, const char *things, uint64_t left,
         uint64_t reset_ms, struct co_buf *out)
{
    time_t at = (time_t)(co_clock_wall_ms() / 1000 + (int64_t)reset_ms / 1000);
    char date[64];
    struct tm tm;

    if (r->api == API_OPENAI) {
        co_buf_printf(out,
                      "x-ratelimit-remaining-%s: %" PRIu64
                      "\r\nx-ratelimit-reset-%s: %" PRIu64 "ms\r\n",
                      things, left, things, reset_ms);
        return;
    }
    (void)gmtime_r(&at, &tm);
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
    co_buf_printf(out,
                  "anthropic-ratelimit-%s-remaining: %" PRIu64
                  "\r\nanthropic-ratelimit-%s-reset: %s\r\n",
                  things, left, things, date);
}

static void
extra_headers(const struct request *r, const struct behave *b, int64_t now_s,
              struct co_buf *out)
{
    if (b->has_left) put_left(r, "requests", b->left, b->reset_ms, out);
    if (b->has_tokens_left) {
        put_left(r, "tokens", b->tokens_left, b->reset_ms, out);
    }
    if (b->has_retry && b->retry_date) {
        time_t at = (time_t)(now_s + (int64_t)b->retry_after);
        char date[64];
        struct tm tm;

        (void)gmtime_r(&at, &tm);
        (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        co_buf_printf(out, "Retry-After: %s\r\n", date);
    } else if (b->has_retry) {
        co_buf_printf(out, "Retry-After: %" PRIu64 "\r\n", b->retry_after);
    }
    if (b->location[0]) co_buf_printf(out, "Location: %s\r\n", b->location);
    for (uint64_t i = 0; i < b->headers; i++) {
        co_buf_printf(out, "X-Flood-%" PRIu64 ": %0100d\r\n", i, 0);
    }
}

/* ---- bodies ---- */

static void
put_usage(struct co_json *json, const struct making *m)
{
    uint64_t input = m->reply->input_tokens, output = m->reply->output_tokens;
    bool openai = m->request->api == API_OPENAI;

    co_json_key(json, "usage");
    co_json_object(json);
    co_json_put_u64(json, openai ? "prompt_tokens" : "input_tokens", input);
    co_json_put_u64(json, openai ? "completion_tokens" : "output_tokens",
                    output);
    if (openai) co_json_put_u64(json, "total_tokens", input + output);
    co_json_end(json);
}

static const char *
finish(const struct making *m)
{
    bool cut = m->reply->is_cut, filter = m->behave->filter;

    if (m->request->api == API_OPENAI) {
        return cut ? "length" : filter ? "content_filter" : "stop";
    }
    return cut                 ? "max_tokens"
           : filter            ? "refusal"
           : m->reply->is_tool ? "tool_use"
                               : "end_turn";
}

static void
put_head(struct co_json *json, const struct request *r, const char *object)
{
    char id[40];

    (void)snprintf(id, sizeof id, "%s-%016" PRIx64,
                   r->api == API_OPENAI ? "chatcmpl" : "msg",
                   co_hash64(r->body, r->body_len, 0));
    co_json_put_text(json, "id", id);
    co_json_put_text(json, r->api == API_OPENAI ? "object" : "type", object);
    co_json_put_text(json, "model", "fake-1");
}

static void
put_text(struct co_json *json, const char *key, const struct reply *reply)
{
    co_json_key(json, key);
    co_json_raw(json, reply->quoted, reply->quoted_len);
}

static void
write_openai(const struct making *m, struct co_json *json)
{
    put_head(json, m->request, "chat.completion");
    co_json_put_u64(json, "created", 1700000000);
    co_json_key(json, "choices");
    co_json_array(json);
    co_json_object(json);
    co_json_put_u64(json, "index", 0);
    co_json_key(json, "message");
    co_json_object(json);
    co_json_put_text(json, "role", "assistant");
    put_text(json, "content", m->reply);
    co_json_end(json);
    co_json_put_text(json, "finish_reason", finish(m));
    co_json_end(json);
    co_json_end(json);
    put_usage(json, m);
}

static void
put_block(const struct making *m, struct co_json *json)
{
    const struct reply *reply = m->reply;

    if (!reply->is_tool) {
        co_json_put_text(json, "type", "text");
        put_text(json, "text", reply);
        return;
    }
    co_json_put_text(json, "type", "tool_use");
    co_json_put_text(json, "id", "toolu_1");
    co_json_key(json, "name");
    co_json_bytes(json, m->request->tool.at, m->request->tool.len);
    co_json_key(json, "input");
    /* Half an object is none. */
    co_json_raw(json, reply->is_cut ? "{}" : reply->text,
                reply->is_cut ? 2 : reply->len);
}

static void
write_anthropic(const struct making *m, struct co_json *json)
{
    put_head(json, m->request, "message");
    co_json_put_text(json, "role", "assistant");
    co_json_key(json, "content");
    co_json_array(json);
    co_json_object(json);
    put_block(m, json);
    co_json_end(json);
    co_json_end(json);
    co_json_put_text(json, "stop_reason", finish(m));
    co_json_key(json, "stop_sequence");
    co_json_null(json);
    put_usage(json, m);
}

static void
write_body(const struct making *m, struct co_buf *body)
{
    const struct behave *b = m->behave;
    struct co_json json;

    for (uint64_t i = 0; b->body == BODY_HUGE && i < b->huge; i++) {
        co_buf_putc(body, ' ');
    }
    co_json_init(&json, body);
    co_json_object(&json);
    if (b->body == BODY_SHAPE) {
        co_json_put_text(&json, "hello", "world");
    } else if (m->request->api == API_OPENAI) {
        write_openai(m, &json);
    } else {
        write_anthropic(m, &json);
    }
    co_json_end(&json);
    (void)co_json_finish(&json);
    if (b->body == BODY_BADJSON) body->len -= 20;
}

/* ---- streams ---- */

static void
event(struct co_buf *body, const char *name, struct co_json *json,
      struct co_buf *data)
{
    co_json_end(json);
    (void)co_json_finish(json);
    if (name) co_buf_printf(body, "event: %s\n", name);
    co_buf_printf(body, "data: %s\n\n", co_buf_text(data));
    co_buf_clear(data);
}

static void
begin(struct co_json *json, struct co_buf *data, const char *type)
{
    co_json_init(json, data);
    co_json_object(json);
    if (type) co_json_put_text(json, "type", type);
}

/* The next piece of text, cut between characters. */
static size_t
piece(const struct reply *reply, size_t at)
{
    size_t n = co_min_u64(PIECE_BYTES, reply->len - at);

    while (n > 1 && at + n < reply->len &&
           ((unsigned char)reply->text[at + n] & 0xC0) == 0x80) {
        n--;
    }
    return n;
}

static void
chunk_openai(const struct making *m, struct co_json *json, size_t at, size_t n,
             const char *why)
{
    put_head(json, m->request, "chat.completion.chunk");
    co_json_key(json, "choices");
    co_json_array(json);
    co_json_object(json);
    co_json_put_u64(json, "index", 0);
    co_json_key(json, "delta");
    co_json_object(json);
    if (n > 0) {
        co_json_key(json, "content");
        co_json_bytes(json, m->reply->text + at, n);
    }
    co_json_end(json);
    co_json_key(json, "finish_reason");
    if (why) {
        co_json_text(json, why);
    } else {
        co_json_null(json);
    }
    co_json_end(json);
    co_json_end(json);
}

static void
stream_openai(const struct making *m, struct co_buf *body)
{
    co_auto(co_buf_fini) struct co_buf data;
    struct co_json json;
    size_t n;

    co_buf_init(&data, BODY_MAX);
    for (size_t at = 0; at < m->reply->len; at += n) {
        n = piece(m->reply, at);
        begin(&json, &data, NULL);
        chunk_openai(m, &json, at, n, NULL);
        event(body, NULL, &json, &data);
    }
    begin(&json, &data, NULL);
    chunk_openai(m, &json, 0, 0, finish(m));
    event(body, NULL, &json, &data);
    if (m->request->include_usage) {
        begin(&json, &data, NULL);
        put_head(&json, m->request, "chat.completion.chunk");
        co_json_key(&json, "choices");
        co_json_array(&json);
        co_json_end(&json);
        put_usage(&json, m);
        event(body, NULL, &json, &data);
    }
    co_buf_puts(body, "data: [DONE]\n\n");
}

/* The block of a tool is announced by its name. */
static void
begin_block(const struct making *m, struct co_buf *data, struct co_buf *body)
{
    struct co_json json;

    begin(&json, data, "content_block_start");
    co_json_put_u64(&json, "index", 0);
    co_json_key(&json, "content_block");
    co_json_object(&json);
    co_json_put_text(&json, "type", m->reply->is_tool ? "tool_use" : "text");
    if (m->reply->is_tool) {
        co_json_put_text(&json, "id", "toolu_1");
        co_json_key(&json, "name");
        co_json_bytes(&json, m->request->tool.at, m->request->tool.len);
        co_json_key(&json, "input");
        co_json_object(&json);
        co_json_end(&json);
    } else {
        co_json_put_text(&json, "text", "");
    }
    co_json_end(&json);
    event(body, "content_block_start", &json, data);
}

static void
stream_anthropic(const struct making *m, struct co_buf *body)
{
    co_auto(co_buf_fini) struct co_buf data;
    struct co_json json;
    size_t n;

    co_buf_init(&data, BODY_MAX);
    begin(&json, &data, "message_start");
    co_json_key(&json, "message");
    co_json_object(&json);
    put_head(&json, m->request, "message");
    put_usage(&json, m);
    co_json_end(&json);
    event(body, "message_start", &json, &data);
    begin(&json, &data, "ping");
    event(body, "ping", &json, &data);
    begin_block(m, &data, body);
    for (size_t at = 0; at < m->reply->len; at += n) {
        n = piece(m->reply, at);
        begin(&json, &data, "content_block_delta");
        co_json_put_u64(&json, "index", 0);
        co_json_key(&json, "delta");
        co_json_object(&json);
        co_json_put_text(&json, "type",
                         m->reply->is_tool ? "input_json_delta" : "text_delta");
        co_json_key(&json, m->reply->is_tool ? "partial_json" : "text");
        co_json_bytes(&json, m->reply->text + at, n);
        co_json_end(&json);
        event(body, "content_block_delta", &json, &data);
    }
    begin(&json, &data, "message_delta");
    co_json_key(&json, "delta");
    co_json_object(&json);
    co_json_put_text(&json, "stop_reason", finish(m));
    co_json_end(&json);
    co_json_key(&json, "usage");
    co_json_object(&json);
    co_json_put_u64(&json, "output_tokens", m->reply->output_tokens);
    co_json_end(&json);
    event(body, "message_delta", &json, &data);
    begin(&json, &data, "message_stop");
    event(body, "message_stop", &json, &data);
}

/* ---- responses ---- */

/* Chunks of split bytes: they cut through characters. */
static void
write_chunks(const struct co_buf *body, uint64_t split, struct co_buf *out)
{
    size_t step = split ? split : PIECE_BYTES;

    for (size_t at = 0, n; at < body->len; at += n) {
        n = co_min_u64(step, body->len - at);
        co_buf_printf(out, "%zx\r\n", n);
        co_buf_append(out, body->data + at, n);
        co_buf_puts(out, "\r\n");
    }
    co_buf_puts(out, "0\r\n\r\n");
}

void
answer_write(const struct request *r, const struct behave *b,
             const struct reply *reply, int64_t now_s, struct co_buf *out,
             size_t *ret_half)
{
    const struct making m = {r, b, reply};
    static struct co_buf body = {.limit = BODY_MAX};
    size_t head_len;

    co_buf_clear(&body);
    if (r->stream && r->api == API_OPENAI) {
        stream_openai(&m, &body);
    } else if (r->stream) {
        stream_anthropic(&m, &body);
    } else {
        write_body(&m, &body);
    }
    head(out, 200,
         b->html     ? "text/html"
         : r->stream ? "text/event-stream"
                     : "application/json");
    extra_headers(r, b, now_s, out);
    if (r->stream || b->chunked) {
        co_buf_puts(out, "Transfer-Encoding: chunked\r\n\r\n");
        head_len = out->len;
        write_chunks(&body, b->split, out);
    } else {
        co_buf_printf(out, "Content-Length: %zu\r\n\r\n", body.len);
        head_len = out->len;
        co_buf_append(out, body.data, body.len);
    }
    *ret_half = head_len + (out->len - head_len) / 2;
}

void
answer_error(const struct request *r, int status, const char *type,
             const char *message, const struct behave *b, int64_t now_s,
             struct co_buf *out)
{
    co_auto(co_buf_fini) struct co_buf body;
    struct co_json json;

    co_buf_init(&body, BODY_MAX);
    co_json_init(&json, &body);
    co_json_object(&json);
    if (r->api == API_ANTHROPIC) co_json_put_text(&json, "type", "error");
    co_json_key(&json, "error");
    co_json_object(&json);
    co_json_put_text(&json, "message", message);
    co_json_put_text(&json, "type", type);
    if (r->api != API_ANTHROPIC) {
        co_json_key(&json, "code");
        co_json_null(&json);
    }
    co_json_end(&json);
    co_json_end(&json);
    (void)co_json_finish(&json);
    head(out, status, "application/json");
    if (b) extra_headers(r, b, now_s, out);
    co_buf_printf(out, "Content-Length: %zu\r\n\r\n", body.len);
    co_buf_append(out, body.data, body.len);
}

void
answer_json(const char *json, size_t len, struct co_buf *out)
{
    head(out, 200, "application/json");
    co_buf_printf(out, "Content-Length: %zu\r\n\r\n", len);
    co_buf_append(out, json, len);
}

/* ---- embeddings ---- */

/* Numbers from -1 to 1 that only the text decides. */
static void
put_vector(struct co_json *json, const struct pull_slice *text, uint64_t index,
           uint64_t dimensions)
{
    co_json_object(json);
    co_json_put_text(json, "object", "embedding");
    co_json_put_u64(json, "index", index);
    co_json_key(json, "embedding");
    co_json_array(json);
    for (uint64_t i = 0; i < dimensions; i++) {
        uint64_t n = co_hash64(text->at, text->len, i) % 2000001;

        co_json_fixed(json, (int64_t)n - 1000000, 6);
    }
    co_json_end(json);
    co_json_end(json);
}

void
answer_embeddings(const struct request *r, struct co_buf *out)
{
    co_auto(co_buf_fini) struct co_buf body;
    uint64_t n = 0, dimensions = r->dimensions ? r->dimensions : DIMENSIONS;
    struct pull_slice text;
    struct co_json json;
    struct pull p;

    co_buf_init(&body, BODY_MAX);
    co_json_init(&json, &body);
    co_json_object(&json);
    co_json_put_text(&json, "object", "list");
    co_json_put_text(&json, "model", "fake-embed-1");
    co_json_key(&json, "data");
    co_json_array(&json);
    pull_init(&p, r->input.at, r->input.len);
    if (pull_peek(&p) == PULL_ARRAY && pull_enter(&p, PULL_ARRAY)) {
        while (pull_item(&p) && pull_text(&p, &text)) {
            put_vector(&json, &text, n++, dimensions);
        }
    } else if (pull_text(&p, &text)) {
        put_vector(&json, &text, 0, dimensions);
    }
    co_json_end(&json);
    co_json_key(&json, "usage");
    co_json_object(&json);
    co_json_put_u64(&json, "prompt_tokens", r->input.len / 4 + 1);
    co_json_put_u64(&json, "total_tokens", r->input.len / 4 + 1);
    co_json_end(&json);
    co_json_end(&json);
    (void)co_json_finish(&json);
    answer_json((const char *)body.data, body.len, out);
}
