/* calls.c - see calls.h. */
#include "tests/fake-llm/calls.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/json.h"
#include "tests/fake-llm/answer.h"

#include <stdio.h>
#include <string.h>

enum { STATS_MAX = 65536, ECHO_BYTES = 600 };

/* ---- those who run tests ---- */

static void
tell_stats(struct calls *c, struct co_buf *out)
{
    co_auto(co_buf_fini) struct co_buf body;
    struct co_json json;

    co_buf_init(&body, STATS_MAX);
    co_json_init(&json, &body);
    co_json_object(&json);
    co_json_put_u64(&json, "connections", c->connections);
    co_json_put_u64(&json, "open_peak", c->open_peak);
    co_json_put_u64(&json, "in_flight_peak", c->answering_peak);
    ledger_stats(c->ledger, &json);
    batches_stats(c->batches, &json);
    co_json_end(&json);
    (void)co_json_finish(&json);
    answer_json((const char *)body.data, body.len, out);
}

static void
set_script(struct calls *c, const struct request *r, struct co_buf *out)
{
    struct behave_script script;
    struct co_diag diag = {""};

    if (behave_script_parse(r->body, r->body_len, &script, &diag)) {
        answer_error(r, 400, "script", diag.text, NULL, 0, out);
        return;
    }
    c->script = script;
    answer_json("{}", 2, out);
}

static void
set_fails(struct calls *c, const struct request *r, int64_t now_us,
          struct co_buf *out)
{
    struct fail_rules fails = {.start_us = now_us};
    struct co_diag diag = {""};

    if (fail_parse(r->body, r->body_len, &fails, &diag)) {
        answer_error(r, 400, "fail", diag.text, NULL, 0, out);
        return;
    }
    c->fails = fails;
    answer_json("{}", 2, out);
}

static void
set_batches(struct calls *c, const struct request *r, struct co_buf *out)
{
    struct co_diag diag = {""};

    if (batches_set(c->batches, r->body, r->body_len, &diag)) {
        answer_error(r, 400, "batch", diag.text, NULL, 0, out);
        return;
    }
    answer_json("{}", 2, out);
}

/* ---- calls ---- */

/* A call on its way to its response. */
struct answering {
    struct calls *calls;
    struct request *request;
    const struct behave *behave;
    struct behave own; /* of its header */
    uint64_t hash;
    int64_t now_us, now_s;
    struct co_buf *out;
    struct response *response;
};

static int
refuse(const struct answering *a, int status, const char *why)
{
    const char *type = status == 401   ? "authentication_error"
                       : status == 400 ? "invalid_request_error"
                                       : "not_found_error";

    answer_error(a->request, status, type, why, a->behave, a->now_s, a->out);
    ledger_refused(a->calls->ledger);
    return status;
}

/* As the script says: an error, or nothing that is one. */
static int
fail(const struct answering *a, int status)
{
    const struct request *r = a->request;
    const struct behave *b = a->behave;
    char echo[ECHO_BYTES];

    if (b->body != BODY_ECHO_KEY) {
        answer_error(r, status, b->quota ? "insufficient_quota" : "fake",
                     "as the script says", b, a->now_s, a->out);
        return status;
    }
    (void)snprintf(echo, sizeof echo, "your key is %.*s",
                   (int)co_min_u64(r->key_len, ECHO_BYTES - 100),
                   r->key ? r->key : "");
    if (status == 200) status = 400;
    answer_error(r, status, "echo", echo, b, a->now_s, a->out);
    return status;
}

static int
limit(const struct answering *a, int64_t wait_us)
{
    struct behave b = {.has_retry = true,
                       .retry_after = (uint64_t)(wait_us + 999999) / 1000000};

    answer_error(a->request, 429, "rate_limit_exceeded",
                 "more than the limit in a window of time", &b, a->now_s,
                 a->out);
    return 429;
}

static int
embed(const struct answering *a)
{
    uint64_t tokens = a->request->input.len / 4 + 1;
    int64_t wait_us;

    if (!ledger_admit(a->calls->ledger, tokens, a->now_us, &wait_us)) {
        return limit(a, wait_us);
    }
    ledger_bill(a->calls->ledger, a->hash, tokens, 0, true);
    answer_embeddings(a->request, a->out);
    return 200;
}

/* The model is at work: that is billed before a byte goes out. */
static int
work(const struct answering *a)
{
    const struct behave *b = a->behave;
    struct ledger *ledger = a->calls->ledger;
    struct reply reply;
    size_t half;
    int64_t wait_us;

    speak(a->request, b, a->hash, &reply);
    if (!ledger_admit(ledger, reply.input_tokens + reply.output_tokens,
                      a->now_us, &wait_us)) {
        return limit(a, wait_us);
    }
    ledger_bill(ledger, a->hash, reply.input_tokens, reply.output_tokens,
                reply.good);
    ledger_bill_units(ledger, a->request->characters, b->latency_ms);
    answer_write(a->request, b, &reply, a->now_s, a->out, &half);
    if (b->end == END_CUT || b->end == END_STALL) a->response->send_to = half;
    return 200;
}

/* Fills the response and returns its status. */
static int
answer(const struct answering *a)
{
    const struct behave *b = a->behave;
    struct co_diag diag = {""};
    int status = request_check(a->request, a->calls->key, &diag);

    if (status != 200) return refuse(a, status, diag.text);
    if (b->status) {
        status = (int)co_min_u64(b->status, LEDGER_STATUS_MAX - 1);
    } else if (b->location[0]) {
        status = 307;
    }
    if (status != 200 || b->body == BODY_ECHO_KEY) return fail(a, status);
    return a->request->api == API_EMBEDDINGS ? embed(a) : work(a);
}

/* No byte of an answer comes; with `billed` the model has worked all the same.
 */
static void
say_nothing(const struct answering *a)
{
    struct co_diag diag = {""};
    struct reply reply;

    a->response->way = a->behave->end == END_RESET   ? RESPONSE_RESET
                       : a->behave->end == END_CLOSE ? RESPONSE_CLOSE
                                                     : RESPONSE_MUTE;
    if (!a->behave->billed ||
        request_check(a->request, a->calls->key, &diag) != 200) {
        return;
    }
    speak(a->request, a->behave, a->hash, &reply);
    ledger_bill(a->calls->ledger, a->hash, reply.input_tokens,
                reply.output_tokens, false);
    ledger_bill_units(a->calls->ledger, a->request->characters,
                      a->behave->latency_ms);
}

/* Its own header, a rule for a share of all, or the script. false: its header
 * says nothing that is known. */
static bool
choose(struct answering *a, uint64_t before, struct co_diag *diag)
{
    struct calls *c = a->calls;
    const struct request *r = a->request;

    if (r->behave) {
        a->behave = &a->own;
        return behave_parse(r->behave, r->behave_len, &a->own, diag) == CO_OK;
    }
    a->behave = fail_of(&c->fails, a->hash, before, a->now_us);
    if (!a->behave) a->behave = behave_next(&c->script);
    return true;
}

static void
call(struct answering *a)
{
    uint64_t before = ledger_arrive(a->calls->ledger, a->hash, a->now_us);
    struct response *response = a->response;
    struct co_diag diag = {""};

    if (!choose(a, before, &diag)) {
        answer_error(a->request, 400, "x-fake", diag.text, NULL, 0, a->out);
        response->send_to = a->out->len;
        return;
    }
    if (a->behave->end == END_RESET || a->behave->end == END_CLOSE ||
        a->behave->end == END_MUTE) {
        say_nothing(a);
        return;
    }
    response->closes = a->behave->end == END_CUT;
    response->piece = a->behave->split;
    response->delay_us = (int64_t)a->behave->latency_ms * 1000;
    ledger_status(a->calls->ledger, answer(a));
    if (!response->send_to) response->send_to = a->out->len;
}

void
calls_answer(struct calls *c, struct request *r, int64_t now_us,
             struct co_buf *out, struct response *ret_response)
{
    struct answering a = {.calls = c,
                          .request = r,
                          .now_us = now_us,
                          .out = out,
                          .response = ret_response};

    *ret_response = (struct response){.way = RESPONSE_SEND};
    switch (r->api) {
    case API_STATS:
        tell_stats(c, out);
        break;
    case API_SCRIPT:
        set_script(c, r, out);
        break;
    case API_FAIL:
        set_fails(c, r, now_us, out);
        break;
    case API_BATCH:
        set_batches(c, r, out);
        break;
    case API_FILES:
    case API_BATCHES:
    case API_MESSAGE_BATCHES:
        if (!batches_answer(c->batches, r, c->key, &c->fails, now_us, out,
                            &ret_response->delay_us)) {
            ret_response->way = RESPONSE_RESET;
        }
        break;
    case API_OPENAI:
    case API_ANTHROPIC:
    case API_EMBEDDINGS:
    case API_NONE:
        a.hash = co_hash64(r->body, r->body_len, 0);
        a.now_s = co_clock_wall_ms() / 1000;
        call(&a);
        return;
    }
    ret_response->send_to = out->len;
}
