/* batches.c - see batches.h: rules, and which request is for what. */
#include "tests/fake-llm/batches_impl.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        } else if (strcmp(word, "cut") == 0) {
            rules.cut = strtoull(value, NULL, 10);
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

int
batches_refuse(const struct asking *a, int status, const char *why)
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

int
batches_say(const struct asking *a, struct co_buf *body)
{
    answer_json((const char *)body->data, body->len, a->out);
    return 200;
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
    if (!t->worked && !t->failed && is_over(a, t)) batches_work(a, t);
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
    if (n < 1 || n > a->b->n || a->b->batches[n - 1]->openai != openai ||
        a->b->batches[n - 1]->account != a->account) {
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
    if (limit < 1 || limit > 1000) return batches_refuse(a, 400, "limit: bad");
    co_buf_init(&body, BATCHES_BODY_MAX);
    co_json_init(&json, &body);
    co_json_object(&json);
    co_json_key(&json, "data");
    co_json_array(&json);
    for (uint32_t i = (uint32_t)co_min_u64(from - 1, a->b->n); i-- > 0;) {
        struct batch *t = a->b->batches[i];

        if (t->openai != openai || t->account != a->account) continue;
        if (left == 0) break;
        look_at(a, t);
        batches_put(&json, t, i + 1);
        last = i + 1;
        left--;
    }
    co_json_end(&json);
    batches_put_id(&json, "last_id", openai ? "batch_" : "msgbatch_", last);
    co_json_key(&json, "has_more");
    co_json_bool(&json, left == 0 && last > 1);
    co_json_end(&json);
    (void)co_json_finish(&json);
    return batches_say(a, &body);
}

static int
on_batch(const struct asking *a, const char *id, const char *verb)
{
    uint32_t number = 0;
    struct batch *t = find_batch(a, id, &number);

    if (!t) return batches_refuse(a, 404, "there is no such batch");
    look_at(a, t);
    if (!verb) {
        if (a->r->is_post) {
            return batches_refuse(a, 405, "only GET is answered here");
        }
        return batches_say_batch(a, t, number);
    }
    if (strcmp(verb, "cancel") == 0 && a->r->is_post) {
        if (t->worked) return batches_refuse(a, 409, "it has ended");
        t->cancelled = true;
        return batches_say_batch(a, t, number);
    }
    if (strcmp(verb, "results") == 0 && !t->openai && !a->r->is_post) {
        if (!t->worked) return batches_refuse(a, 404, "it has not ended");
        return batches_say_file(a, &t->results);
    }
    return batches_refuse(a, 404, "there is nothing at this path");
}

static int
on_file(const struct asking *a, const char *id, const char *verb)
{
    struct co_buf *file = id ? batches_find_file(a->b, id) : NULL;

    if (!id) {
        return a->r->is_post ? batches_upload(a)
                             : batches_refuse(a, 405, "only POST");
    }
    if (file && !verb && a->r->is_delete) {
        return batches_delete_file(a, file, id);
    }
    if (!file || !verb || strcmp(verb, "content") != 0 || a->r->is_post) {
        return batches_refuse(a, 404, "there is no such file");
    }
    return batches_say_file(a, file);
}

int
batches_answer(struct batches *b, const struct request *r, const char *key,
               const struct fail_rules *fails, int64_t now_us,
               struct co_buf *out, int64_t *ret_delay_us)
{
    const char *given = r->key ? r->key : "";
    const struct asking a = {.b = b,
                             .r = r,
                             .account = co_hash64(given, r->key_len, 0),
                             .fails = fails,
                             .now_us = now_us,
                             .out = out,
                             .delay_us = ret_delay_us};
    char path[512], *query, *id, *verb = NULL;

    if (key &&
        (r->key_len != strlen(key) || memcmp(given, key, r->key_len) != 0)) {
        return batches_refuse(&a, 401, "incorrect API key");
    }
    if (r->api == API_MESSAGE_BATCHES && !r->has_version) {
        return batches_refuse(&a, 400,
                              "anthropic-version: this header is missing");
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
    return r->api == API_BATCHES ? batches_create_openai(&a)
                                 : batches_create_anthropic(&a);
}

void
batches_stats(const struct batches *b, struct co_json *json)
{
    co_json_put_u64(json, "batches", b->n);
    co_json_put_u64(json, "batch_requests", b->requests);
    co_json_put_u64(json, "batch_answers_lost", b->lost);
    co_json_put_u64(json, "files", b->n_files - b->deleted);
}
