/* batches_work.c - a batch is worked on: each of its requests is answered as a
 * call would be, billed at half the price, and has a line. */
#include "tests/fake-llm/batches_impl.h"

#include "common/hash.h"
#include "common/json.h"
#include "tests/fake-llm/answer.h"

#include <string.h>

static bool
is_drawn(uint64_t hash, uint64_t before, uint64_t salt, uint32_t share)
{
    const uint64_t numbers[] = {hash, before, salt};

    return co_hash64(numbers, sizeof numbers, 77) % MILLION < share;
}

/* The body that a call with this request would be answered with. Returns its
 * status. */
static int
run(const struct asking *a, const struct batch *t, const struct item *item,
    const struct behave *behave, uint64_t hash, struct co_buf *body)
{
    const char *bytes = (const char *)t->input.data + item->at, *at;
    struct request request = {.api = t->openai ? API_OPENAI : API_ANTHROPIC,
                              .body = bytes,
                              .body_len = item->len,
                              .is_post = true,
                              .is_json = true,
                              .has_version = true};
    static const struct behave well;
    co_auto(co_buf_fini) struct co_buf whole;
    struct co_diag diag = {""};
    struct reply reply;
    size_t half;
    int status = request_check(&request, NULL, &diag);

    co_buf_init(&whole, BATCHES_BODY_MAX);
    if (status == 200 && request.stream) {
        status = 400;
        (void)co_fail(&diag, CO_INVALID, "stream: not in a batch");
    }
    if (status == 200 && behave && behave->status) {
        status = (int)behave->status;
        (void)co_fail(&diag, CO_UNAVAILABLE, "as the rules say");
    }
    if (status == 200) {
        speak(&request, behave ? behave : &well, hash, &reply);
        ledger_bill_half(a->b->ledger, hash, reply.input_tokens,
                         reply.output_tokens, reply.good);
        answer_write(&request, behave ? behave : &well, &reply, t->made_s,
                     &whole, &half);
    } else {
        answer_error(&request, status,
                     status == 400 ? "invalid_request_error" : "api_error",
                     diag.text, NULL, 0, &whole);
    }
    at = memmem(whole.data, whole.len, "\r\n\r\n", 4);
    co_assert(at);
    at += 4;
    co_buf_append(body, at, whole.len - (size_t)(at - (char *)whole.data));
    return status;
}

/* {"id", "custom_id", "response", "error"} */
static void
put_openai(struct co_buf *out, const char *custom, int status,
           const struct co_buf *body, const char *code)
{
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_text(&json, "id", "batch_req_1");
    co_json_put_text(&json, "custom_id", custom);
    co_json_key(&json, "response");
    if (code) {
        co_json_null(&json);
    } else {
        co_json_object(&json);
        co_json_put_u64(&json, "status_code", (uint64_t)status);
        co_json_put_text(&json, "request_id", "req_1");
        co_json_key(&json, "body");
        co_json_raw(&json, (const char *)body->data, body->len);
        co_json_end(&json);
    }
    co_json_key(&json, "error");
    if (code) {
        co_json_object(&json);
        co_json_put_text(&json, "code", code);
        co_json_put_text(&json, "message", "this request was not executed");
        co_json_end(&json);
    } else {
        co_json_null(&json);
    }
    co_json_end(&json);
    (void)co_json_finish(&json);
    co_buf_putc(out, '\n');
}

/* {"custom_id", "result": {"type", "message" or "error"}} */
static void
put_anthropic(struct co_buf *out, const char *custom, const char *type,
              const struct co_buf *body)
{
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_text(&json, "custom_id", custom);
    co_json_key(&json, "result");
    co_json_object(&json);
    co_json_put_text(&json, "type", type);
    if (body) {
        co_json_key(&json,
                    strcmp(type, "succeeded") == 0 ? "message" : "error");
        co_json_raw(&json, (const char *)body->data, body->len);
    }
    co_json_end(&json);
    co_json_end(&json);
    (void)co_json_finish(&json);
    co_buf_putc(out, '\n');
}

/* Where OpenAI's line goes: answers in one file, the rest in the other. */
static struct co_buf *
file_of(struct batches *b, uint32_t *number)
{
    return *number ? &b->files[*number - 1] : batches_new_file(b, number);
}

static void
put_unrun(const struct asking *a, struct batch *t, const struct item *item)
{
    t->expired += !t->cancelled;
    t->unrun++;
    if (t->openai) {
        put_openai(file_of(a->b, &t->error_file), item->custom, 0, NULL,
                   t->cancelled ? "batch_cancelled" : "batch_expired");
    } else {
        put_anthropic(&t->results, item->custom,
                      t->cancelled ? "canceled" : "expired", NULL);
    }
}

static void
put_run(const struct asking *a, struct batch *t, const struct item *item,
        const struct behave *behave, uint64_t hash, bool drops)
{
    co_auto(co_buf_fini) struct co_buf body;
    int status;

    co_buf_init(&body, BATCHES_BODY_MAX);
    status = run(a, t, item, behave, hash, &body);
    t->done += status == 200;
    t->errored += status != 200;
    if (drops) return;
    if (t->openai) {
        put_openai(
            file_of(a->b, status == 200 ? &t->output_file : &t->error_file),
            item->custom, status, &body, NULL);
    } else {
        put_anthropic(&t->results, item->custom,
                      status == 200 ? "succeeded" : "errored", &body);
    }
}

/* Lines come in no order. */
void
batches_work(const struct asking *a, struct batch *t)
{
    static const struct behave broken = {.status = 500};
    const struct batches_rules *rules = &a->b->rules;

    t->worked = true;
    for (uint32_t i = t->n; i-- > 0;) {
        const struct item *item = &t->items[i];
        const uint64_t hash = co_hash64(t->input.data + item->at, item->len, 0);
        const uint64_t before = ledger_arrive(a->b->ledger, hash, a->now_us);
        const struct behave *behave =
            fail_of(a->fails, hash, before, a->now_us);

        a->b->requests++;
        if (t->cancelled || is_drawn(hash, before, 1, rules->expire)) {
            put_unrun(a, t, item);
            continue;
        }
        if (is_drawn(hash, before, 2, rules->error)) behave = &broken;
        put_run(a, t, item, behave, hash,
                is_drawn(hash, before, 3, rules->drop));
    }
}
