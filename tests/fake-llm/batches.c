/* batches.c - see batches.h. */
#include "tests/fake-llm/batches.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/json.h"
#include "llm/pull.h"
#include "tests/fake-llm/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    BATCHES_MAX = 4096,
    FILES_MAX = 3 * BATCHES_MAX,
    CUSTOM_MAX = 64,
    OPENAI_REQUESTS_MAX = 50000,
    ANTHROPIC_REQUESTS_MAX = 100000,
    BODY_MAX = 1 << 28,
    MILLION = 1000000,
};

struct item {
    char custom[CUSTOM_MAX + 1];
    size_t at, len; /* of its request, in the batch's input */
};

struct batch {
    bool openai, cancelled, worked;
    bool failed; /* its input is no good: nothing is run */
    char why[160];
    char metadata[512];                           /* JSON */
    uint32_t input_file, output_file, error_file; /* 0: none */
    struct co_buf input;
    struct item *items;
    uint32_t n;
    int64_t made_us, made_s;
    uint32_t done, errored, expired, unrun;
    struct co_buf results; /* Anthropic's lines */
};

struct batches {
    struct ledger *ledger;
    struct batches_rules rules;
    struct batch *batches[BATCHES_MAX];
    uint32_t n;
    struct co_buf files[FILES_MAX]; /* number less 1 */
    uint32_t n_files;
    uint64_t requests, lost;
};

struct batches *
batches_new(struct ledger *ledger)
{
    struct batches *b = calloc(1, sizeof *b);

    co_assert(b); /* a test server */
    b->ledger = ledger;
    return b;
}

/* -- rules ---------------------------------------------------------------- */

enum co_err
batches_set(struct batches *b, const char *text, size_t len,
            struct co_diag *diag)
{
    struct batches_rules rules = {.ms = 0};
    char copy[256], *word, *rest = copy;

    (void)snprintf(copy, sizeof copy, "%.*s", (int)len, text);
    while ((word = strsep(&rest, ", "))) {
        char *value = strchr(word, '=');

        if (!word[0]) continue;
        if (!value) return co_fail(diag, CO_USAGE, "%s: no value", word);
        *value++ = '\0';
        if (strcmp(word, "ms") == 0) {
            rules.ms = strtoull(value, NULL, 10);
        } else if (strcmp(word, "answer_ms") == 0) {
            rules.answer_ms = strtoull(value, NULL, 10);
        } else if (strcmp(word, "lose") == 0) {
            rules.lose = strtoull(value, NULL, 10);
        } else if (strcmp(word, "expire") == 0) {
            rules.expire = (uint32_t)(strtod(value, NULL) * MILLION);
        } else if (strcmp(word, "error") == 0) {
            rules.error = (uint32_t)(strtod(value, NULL) * MILLION);
        } else if (strcmp(word, "drop") == 0) {
            rules.drop = (uint32_t)(strtod(value, NULL) * MILLION);
        } else {
            return co_fail(diag, CO_USAGE, "%s: no word of batches", word);
        }
    }
    b->rules = rules;
    return CO_OK;
}

/* -- answering ------------------------------------------------------------ */

/* A call on its way. */
struct asking {
    struct batches *b;
    const struct request *r;
    const struct fail_rules *fails;
    int64_t now_us;
    struct co_buf *out;
    int64_t *delay_us;
};

static int
refuse(const struct asking *a, int status, const char *why)
{
    const struct request as = {
        .api = a->r->api == API_MESSAGE_BATCHES ? API_ANTHROPIC : API_OPENAI};

    answer_error(&as, status,
                 status == 404   ? "not_found_error"
                 : status == 401 ? "authentication_error"
                                 : "invalid_request_error",
                 why, NULL, 0, a->out);
    ledger_refused(a->b->ledger);
    return status;
}

static int
say(const struct asking *a, struct co_buf *body)
{
    answer_json((const char *)body->data, body->len, a->out);
    return 200;
}

static struct co_buf *
new_file(struct batches *b, uint32_t *ret_number)
{
    struct co_buf *file;

    co_assert(b->n_files < FILES_MAX);
    file = &b->files[b->n_files++];
    co_buf_init(file, BODY_MAX);
    *ret_number = b->n_files;
    return file;
}

static struct co_buf *
find_file(struct batches *b, const char *id)
{
    const unsigned long n =
        strncmp(id, "file-", 5) == 0 ? strtoul(id + 5, NULL, 10) : 0;

    return n >= 1 && n <= b->n_files ? &b->files[n - 1] : NULL;
}

/* -- the requests of a batch ---------------------------------------------- */

static bool
is_taken(const struct batch *t, const char *custom)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (strcmp(t->items[i].custom, custom) == 0) return true;
    }
    return false;
}

static void
add_item(struct batch *t, const struct item *item)
{
    struct item *grown = realloc(t->items, (t->n + 1) * sizeof *grown);

    co_assert(grown);
    t->items = grown;
    t->items[t->n++] = *item;
}

static bool
wrong(char why[160], const char *what)
{
    if (!why[0]) (void)snprintf(why, 160, "%s", what);
    return false;
}

/* Where the value that comes next stands in the input. */
static void
take_place(struct pull *p, const struct batch *t, struct item *item)
{
    const bool is_object = pull_peek(p) == PULL_OBJECT;

    item->at = (size_t)(p->p - t->input.data);
    pull_skip(p);
    item->len = is_object ? (size_t)(p->p - t->input.data) - item->at : 0;
}

static bool
take_custom(struct pull *p, struct item *item)
{
    struct pull_slice text;

    if (!pull_text(p, &text) || text.len == 0 || text.len > CUSTOM_MAX) {
        return false;
    }
    (void)pull_copy(&text, item->custom, sizeof item->custom);
    return true;
}

/* What an item was seen to have. */
struct seen {
    bool method, url;
};

/* One member; false: it is bad, or none. */
static bool
take_member(struct pull *p, const struct batch *t, const struct pull_slice *key,
            struct item *item, struct seen *seen, char why[160])
{
    struct pull_slice text;

    if (pull_is(key, "custom_id")) {
        return take_custom(p, item) || wrong(why, "custom_id: bad");
    }
    if (pull_is(key, t->openai ? "body" : "params")) {
        take_place(p, t, item);
        return true;
    }
    if (t->openai && pull_is(key, "method")) {
        seen->method = pull_text(p, &text) && pull_is(&text, "POST");
        return true;
    }
    if (t->openai && pull_is(key, "url")) {
        seen->url =
            pull_text(p, &text) && pull_is(&text, "/v1/chat/completions");
        return true;
    }
    return wrong(why, "a request has an unknown member");
}

/* {"custom_id", "method", "url", "body"}, or {"custom_id", "params"}. */
static bool
take_item(struct pull *p, struct batch *t, char why[160])
{
    struct item item = {.len = 0};
    struct seen seen = {!t->openai, !t->openai};
    struct pull_slice key;

    if (!pull_enter(p, PULL_OBJECT)) return wrong(why, "no object");
    while (pull_key(p, &key)) {
        if (!take_member(p, t, &key, &item, &seen, why)) return false;
    }
    if (p->wrong) return wrong(why, p->wrong);
    if (!seen.method) return wrong(why, "method: is not POST");
    if (!seen.url) return wrong(why, "url: is not the batch's endpoint");
    if (!item.custom[0]) return wrong(why, "custom_id: is missing");
    if (item.len == 0) return wrong(why, "the request itself is missing");
    if (is_taken(t, item.custom)) return wrong(why, "custom_id: is not unique");
    add_item(t, &item);
    return true;
}

static bool
take_lines(struct batch *t, char why[160])
{
    const char *at = (const char *)t->input.data, *end = at + t->input.len;

    while (at < end) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        struct pull p;

        if (!nl) nl = end;
        pull_init(&p, at, (size_t)(nl - at));
        if (!take_item(&p, t, why)) return false;
        if (!pull_end(&p)) return wrong(why, "a line is no JSON");
        at = nl + 1;
    }
    if (t->n > OPENAI_REQUESTS_MAX) return wrong(why, "too many requests");
    return t->n > 0 || wrong(why, "the file is empty");
}

static bool
take_requests(struct batch *t, char why[160])
{
    struct pull_slice key;
    struct pull p;

    pull_init(&p, t->input.data, t->input.len);
    if (!pull_enter(&p, PULL_OBJECT)) return wrong(why, "no object");
    while (pull_key(&p, &key)) {
        if (!pull_is(&key, "requests")) return wrong(why, "unknown member");
        if (!pull_enter(&p, PULL_ARRAY)) return wrong(why, "requests: no list");
        while (pull_item(&p)) {
            if (!take_item(&p, t, why)) return false;
        }
    }
    if (!pull_end(&p)) return wrong(why, "no JSON");
    if (t->n > ANTHROPIC_REQUESTS_MAX) return wrong(why, "too many requests");
    return t->n > 0 || wrong(why, "requests: is empty");
}

/* -- work ----------------------------------------------------------------- */

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

    co_buf_init(&whole, BODY_MAX);
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
    return *number ? &b->files[*number - 1] : new_file(b, number);
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

    co_buf_init(&body, BODY_MAX);
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
static void
work(const struct asking *a, struct batch *t)
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

static bool
is_over(const struct asking *a, const struct batch *t)
{
    return t->failed || t->cancelled ||
           a->now_us >= t->made_us + (int64_t)a->b->rules.ms * 1000;
}

static void
look_at(const struct asking *a, struct batch *t)
{
    if (!t->worked && !t->failed && is_over(a, t)) work(a, t);
}

/* -- what a batch says of itself ------------------------------------------ */

static void
put_id(struct co_json *json, const char *key, const char *form, uint32_t n)
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
    put_id(json, "id", "batch_", number);
    co_json_put_text(json, "object", "batch");
    co_json_put_text(json, "endpoint", "/v1/chat/completions");
    put_errors(json, t);
    put_id(json, "input_file_id", "file-", t->input_file);
    co_json_put_text(json, "completion_window", "24h");
    co_json_put_text(json, "status", status_of(t));
    put_id(json, "output_file_id", "file-", t->output_file);
    put_id(json, "error_file_id", "file-", t->error_file);
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
    put_id(json, "id", "msgbatch_", number);
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

static void
put_batch(struct co_json *json, const struct batch *t, uint32_t number)
{
    (t->openai ? put_openai_batch : put_anthropic_batch)(json, t, number);
}

static int
say_batch(const struct asking *a, const struct batch *t, uint32_t number)
{
    co_auto(co_buf_fini) struct co_buf body;
    struct co_json json;

    co_buf_init(&body, BODY_MAX);
    co_json_init(&json, &body);
    put_batch(&json, t, number);
    (void)co_json_finish(&json);
    return say(a, &body);
}

/* -- files ---------------------------------------------------------------- */

/* The part of a form; NULL: it is not there. */
static const char *
form_part(const struct request *r, const char *boundary, const char *head,
          size_t *ret_len)
{
    const char *at = memmem(r->body, r->body_len, head, strlen(head)), *end;
    const size_t left = at ? r->body_len - (size_t)(at - r->body) : 0;

    at = at ? memmem(at, left, "\r\n\r\n", 4) : NULL;
    if (!at) return NULL;
    at += 4;
    end = memmem(at, r->body_len - (size_t)(at - r->body), boundary,
                 strlen(boundary));
    if (!end || end - at < 2) return NULL;
    *ret_len = (size_t)(end - at) - 2; /* the line break before it */
    return at;
}

static int
upload(const struct asking *a)
{
    const struct request *r = a->r;
    co_auto(co_buf_fini) struct co_buf body;
    char boundary[128];
    const char *named =
        r->type ? memmem(r->type, r->type_len, "boundary=", 9) : NULL;
    const char *part;
    size_t len = 0;
    uint32_t number;

    if (!r->type || r->type_len < 19 ||
        strncasecmp(r->type, "multipart/form-data", 19) != 0 || !named) {
        return refuse(a, 400, "content-type: is no multipart/form-data");
    }
    named += 9;
    (void)snprintf(boundary, sizeof boundary, "--%.*s",
                   (int)(r->type + r->type_len - named), named);
    part = form_part(r, boundary, "name=\"purpose\"", &len);
    if (!part || len != 5 || memcmp(part, "batch", 5) != 0) {
        return refuse(a, 400, "purpose: is not batch");
    }
    part = form_part(r, boundary, "name=\"file\"; filename=\"", &len);
    if (!part) return refuse(a, 400, "file: is missing");
    co_buf_append(new_file(a->b, &number), part, len);
    co_buf_init(&body, BODY_MAX);
    co_buf_printf(&body,
                  "{\"id\":\"file-%" PRIu32 "\",\"object\":\"file\","
                  "\"bytes\":%zu,\"created_at\":%" PRId64
                  ",\"filename\":\"requests.jsonl\",\"purpose\":\"batch\"}",
                  number, len, co_clock_wall_ms() / 1000);
    return say(a, &body);
}

static int
say_file(const struct asking *a, const struct co_buf *file)
{
    co_buf_printf(a->out,
                  "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream"
                  "\r\nContent-Length: %zu\r\n\r\n",
                  file->len);
    co_buf_append(a->out, file->data, file->len);
    return 200;
}

/* -- making --------------------------------------------------------------- */

static int
keep(const struct asking *a, struct batch *t)
{
    struct batches *b = a->b;

    co_assert(b->n < BATCHES_MAX);
    t->made_us = a->now_us;
    t->made_s = co_clock_wall_ms() / 1000;
    b->batches[b->n++] = t;
    *a->delay_us = (int64_t)b->rules.answer_ms * 1000;
    if (b->rules.lose > 0) {
        b->rules.lose--;
        b->lost++;
        return 0;
    }
    return say_batch(a, t, b->n);
}

static struct batch *
batch_new(bool openai)
{
    struct batch *t = calloc(1, sizeof *t);

    co_assert(t);
    t->openai = openai;
    co_buf_init(&t->input, BODY_MAX);
    co_buf_init(&t->results, BODY_MAX);
    return t;
}

static void
batch_free(struct batch *t)
{
    co_buf_fini(&t->input);
    co_buf_fini(&t->results);
    free(t->items);
    free(t);
}

/* All values are texts. */
static bool
metadata_holds(const char *json)
{
    struct pull_slice key, text;
    struct pull p;

    pull_init(&p, json, strlen(json));
    if (!pull_enter(&p, PULL_OBJECT)) return false;
    while (pull_key(&p, &key)) {
        (void)pull_text(&p, &text);
    }
    return pull_end(&p);
}

static bool
take_create(const struct request *r, char file[64], char metadata[512],
            char why[160])
{
    bool endpoint = false, window = false;
    struct pull_slice key, text;
    struct pull p;

    pull_init(&p, r->body, r->body_len);
    if (!pull_enter(&p, PULL_OBJECT)) return wrong(why, "no object");
    while (pull_key(&p, &key)) {
        if (pull_is(&key, "input_file_id")) {
            if (pull_text(&p, &text)) (void)pull_copy(&text, file, 64);
        } else if (pull_is(&key, "endpoint")) {
            endpoint =
                pull_text(&p, &text) && pull_is(&text, "/v1/chat/completions");
        } else if (pull_is(&key, "completion_window")) {
            window = pull_text(&p, &text) && pull_is(&text, "24h");
        } else if (pull_is(&key, "metadata")) {
            const char *at;

            (void)pull_peek(&p);
            at = (const char *)p.p;
            pull_skip(&p);
            (void)snprintf(metadata, 512, "%.*s", (int)((const char *)p.p - at),
                           at);
        } else {
            return wrong(why, "unknown member");
        }
    }
    if (!pull_end(&p)) return wrong(why, "no JSON");
    if (!endpoint) return wrong(why, "endpoint: is none for batches");
    if (!window) return wrong(why, "completion_window: is not 24h");
    if (!metadata_holds(metadata)) return wrong(why, "metadata: not of texts");
    return true;
}

static int
create_openai(const struct asking *a)
{
    char file[64] = "", metadata[512] = "{}", why[160] = "";
    struct co_buf *input;
    struct batch *t;

    if (!a->r->is_json) return refuse(a, 400, "content-type: is no JSON");
    if (!take_create(a->r, file, metadata, why)) return refuse(a, 400, why);
    input = find_file(a->b, file);
    if (!input) return refuse(a, 400, "input_file_id: there is no such file");
    t = batch_new(true);
    (void)snprintf(t->metadata, sizeof t->metadata, "%s", metadata);
    t->input_file = (uint32_t)strtoul(file + 5, NULL, 10);
    co_buf_append(&t->input, input->data, input->len);
    t->failed = !take_lines(t, t->why);
    return keep(a, t);
}

static int
create_anthropic(const struct asking *a)
{
    char why[160] = "";
    struct batch *t;

    if (!a->r->is_json) return refuse(a, 400, "content-type: is no JSON");
    t = batch_new(false);
    co_buf_append(&t->input, a->r->body, a->r->body_len);
    if (!take_requests(t, why)) {
        batch_free(t);
        return refuse(a, 400, why);
    }
    return keep(a, t);
}

/* -- paths ---------------------------------------------------------------- */

static struct batch *
find_batch(const struct asking *a, const char *id, uint32_t *ret_number)
{
    const bool openai = a->r->api == API_BATCHES;
    const char *form = openai ? "batch_" : "msgbatch_";
    unsigned long n;

    if (strncmp(id, form, strlen(form)) != 0) return NULL;
    n = strtoul(id + strlen(form), NULL, 10);
    if (n < 1 || n > a->b->n || a->b->batches[n - 1]->openai != openai) {
        return NULL;
    }
    *ret_number = (uint32_t)n;
    return a->b->batches[n - 1];
}

static uint64_t
param(const char *query, const char *name, uint64_t otherwise)
{
    const char *at = query ? strstr(query, name) : NULL;

    return at ? strtoull(at + strlen(name), NULL, 10) : otherwise;
}

/* The newest first. */
static int
list(const struct asking *a, const char *query)
{
    const bool openai = a->r->api == API_BATCHES;
    const uint64_t limit = param(query, "limit=", 20);
    uint64_t left = limit, from = a->b->n + 1;
    co_auto(co_buf_fini) struct co_buf body;
    struct co_json json;
    uint32_t last = 0;

    from = param(query, openai ? "after=batch_" : "after_id=msgbatch_", from);
    if (limit < 1 || limit > 1000) return refuse(a, 400, "limit: bad");
    co_buf_init(&body, BODY_MAX);
    co_json_init(&json, &body);
    co_json_object(&json);
    co_json_key(&json, "data");
    co_json_array(&json);
    for (uint32_t i = (uint32_t)co_min_u64(from - 1, a->b->n); i-- > 0;) {
        struct batch *t = a->b->batches[i];

        if (t->openai != openai) continue;
        if (left == 0) break;
        look_at(a, t);
        put_batch(&json, t, i + 1);
        last = i + 1;
        left--;
    }
    co_json_end(&json);
    put_id(&json, "last_id", openai ? "batch_" : "msgbatch_", last);
    co_json_key(&json, "has_more");
    co_json_bool(&json, left == 0 && last > 1);
    co_json_end(&json);
    (void)co_json_finish(&json);
    return say(a, &body);
}

static int
on_batch(const struct asking *a, const char *id, const char *verb)
{
    uint32_t number = 0;
    struct batch *t = find_batch(a, id, &number);

    if (!t) return refuse(a, 404, "there is no such batch");
    look_at(a, t);
    if (!verb) {
        if (a->r->is_post) return refuse(a, 405, "only GET is answered here");
        return say_batch(a, t, number);
    }
    if (strcmp(verb, "cancel") == 0 && a->r->is_post) {
        if (t->worked) return refuse(a, 409, "it has ended");
        t->cancelled = true;
        return say_batch(a, t, number);
    }
    if (strcmp(verb, "results") == 0 && !t->openai && !a->r->is_post) {
        if (!t->worked) return refuse(a, 404, "it has not ended");
        return say_file(a, &t->results);
    }
    return refuse(a, 404, "there is nothing at this path");
}

static int
on_file(const struct asking *a, const char *id, const char *verb)
{
    const struct co_buf *file = id ? find_file(a->b, id) : NULL;

    if (!id) {
        return a->r->is_post ? upload(a) : refuse(a, 405, "only POST");
    }
    if (!file || !verb || strcmp(verb, "content") != 0 || a->r->is_post) {
        return refuse(a, 404, "there is no such file");
    }
    return say_file(a, file);
}

int
batches_answer(struct batches *b, const struct request *r, const char *key,
               const struct fail_rules *fails, int64_t now_us,
               struct co_buf *out, int64_t *ret_delay_us)
{
    const struct asking a = {b, r, fails, now_us, out, ret_delay_us};
    char path[512], *query, *id, *verb = NULL;

    if (key &&
        (r->key_len != strlen(key) || memcmp(r->key, key, r->key_len) != 0)) {
        return refuse(&a, 401, "incorrect API key");
    }
    if (r->api == API_MESSAGE_BATCHES && !r->has_version) {
        return refuse(&a, 400, "anthropic-version: this header is missing");
    }
    /* what stands behind /v1/files, /v1/batches or /v1/messages/batches */
    (void)snprintf(path, sizeof path, "%.*s", (int)r->rest_len, r->rest);
    query = strchr(path, '?');
    if (query) *query++ = '\0';
    id = path[0] == '/' && path[1] ? path + 1 : NULL;
    verb = id ? strchr(id, '/') : NULL;
    if (verb) *verb++ = '\0';
    if (r->api == API_FILES) return on_file(&a, id, verb);
    if (id) return on_batch(&a, id, verb);
    if (!r->is_post) return list(&a, query);
    return r->api == API_BATCHES ? create_openai(&a) : create_anthropic(&a);
}

void
batches_stats(const struct batches *b, struct co_json *json)
{
    co_json_put_u64(json, "batches", b->n);
    co_json_put_u64(json, "batch_requests", b->requests);
    co_json_put_u64(json, "batch_answers_lost", b->lost);
}
