/* call.c - see call.h. */
#include "llm/call.h"

#include "llm/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

_Static_assert(sizeof((struct call_endpoint *)NULL)->url == URL_BYTES,
               "as url.h");

/* ---- endpoints ---- */

static enum co_err
check_key_way(const char *url, const struct provider *provider,
              const struct secret *secret, bool key_in_clear, bool *ret_vendor,
              struct co_diag *diag)
{
    struct url parsed, vendor;
    enum co_err err = url_parse(url, &parsed, diag);

    if (err) return err;
    err = url_parse(provider->host, &vendor, diag);
    if (err) return err;
    *ret_vendor = url_same_origin(&parsed, &vendor);
    if (secret->len == 0 || parsed.https || key_in_clear ||
        url_is_loopback(&parsed)) {
        return CO_OK;
    }
    return co_fail(
        diag, CO_USAGE,
        "a key would go to %.200s in the clear, where anybody on the "
        "way reads it: use https://, or say --key-in-clear",
        parsed.host);
}

static bool
is_content_type(const char *header)
{
    static const char name[] = "Content-Type:";

    return strncasecmp(header, name, sizeof name - 1) == 0;
}

/* content_type: a whole header in place of the provider's; NULL: that one. */
static enum co_err
make_target(const struct provider *provider, const char *url,
            const char *content_type, const struct secret *secret,
            struct http_target **ret_target)
{
    const char *headers[PROVIDER_HEADERS_MAX + 1];
    char line[SECRET_BYTES + 64];
    size_t n = 0;
    enum co_err err;

    while (provider->headers[n]) {
        headers[n] = provider->headers[n];
        if (content_type && is_content_type(headers[n])) {
            headers[n] = content_type;
        }
        n++;
    }
    if (secret->len > 0) {
        const char *form = provider->key_header, *hole = strstr(form, "%s");

        co_assert(hole);
        (void)snprintf(line, sizeof line, "%.*s%s", (int)(hole - form), form,
                       secret->text);
        headers[n++] = line;
    }
    err = http_target_new(url, headers, n, ret_target);
    explicit_bzero(line, sizeof line);
    return err;
}

static enum co_err
open_replay(struct call_endpoint *endpoint, const char *path,
            struct co_diag *diag)
{
    if (!path) {
        return co_fail(diag, CO_USAGE,
                       "which file has the recorded answers? Give it as "
                       "replay: FILE in a providers file, or --url FILE");
    }
    if (strlen(path) >= sizeof endpoint->url) {
        return co_fail(diag, CO_USAGE, "too long a path");
    }
    (void)snprintf(endpoint->url, sizeof endpoint->url, "%s", path);
    return recorded_load(path, &endpoint->replay, diag);
}

/* To a path of a host. */
static enum co_err
open_network(struct call_endpoint *endpoint, const char *base, const char *path,
             const struct secret *secret, bool key_in_clear,
             struct co_diag *diag)
{
    const struct provider *provider = endpoint->provider;
    enum co_err err =
        url_join(base ? base : provider->host, path, endpoint->url, diag);

    if (!err) {
        err = check_key_way(endpoint->url, provider, secret, key_in_clear,
                            &endpoint->is_vendor, diag);
    }
    if (err) return err;
    err = make_target(provider, endpoint->url, NULL, secret, &endpoint->target);
    return err ? co_fail(diag, err, "out of memory") : CO_OK;
}

enum co_err
call_endpoint_init(struct call_endpoint *endpoint,
                   const struct provider *provider, const char *base,
                   const struct secret *secret, bool key_in_clear,
                   struct co_diag *diag)
{
    *endpoint = (struct call_endpoint){.provider = provider};
    if (!provider->host) return open_replay(endpoint, base, diag);
    return open_network(endpoint, base, provider->path, secret, key_in_clear,
                        diag);
}

enum co_err
call_endpoint_init_embed(struct call_endpoint *endpoint,
                         const struct provider *provider, const char *base,
                         const struct secret *secret, bool key_in_clear,
                         struct co_diag *diag)
{
    *endpoint = (struct call_endpoint){.provider = provider, .embeds = true};
    if (!provider->embed_path) {
        return co_fail(diag, CO_USAGE, "%s has no embeddings", provider->name);
    }
    return open_network(endpoint, base, provider->embed_path, secret,
                        key_in_clear, diag);
}

/* All paths of an API begin with its version, which the base may lack. */
static const char *
without_version(const char *path)
{
    return strncmp(path, "/v1/", strlen("/v1/")) == 0 ? path + strlen("/v1")
                                                      : path;
}

enum co_err
call_endpoint_target(const struct call_endpoint *endpoint,
                     const struct secret *secret, const char *api,
                     const char *content_type, struct http_target **ret_target,
                     struct co_diag *diag)
{
    const char *tail = without_version(endpoint->provider->path);
    const size_t len = strlen(endpoint->url), cut = strlen(tail);
    char url[URL_BYTES];
    enum co_err err;

    if (len < cut || strcmp(endpoint->url + len - cut, tail) != 0 ||
        len - cut + strlen(api) >= sizeof url) {
        return co_fail(diag, CO_USAGE,
                       "%s does not end with %s: where %s is cannot be told",
                       endpoint->url, tail, api);
    }
    (void)snprintf(url, sizeof url, "%.*s%s", (int)(len - cut), endpoint->url,
                   without_version(api));
    err =
        make_target(endpoint->provider, url, content_type, secret, ret_target);
    return err ? co_fail(diag, err, "out of memory") : CO_OK;
}

void
call_endpoint_fini(struct call_endpoint *endpoint)
{
    http_target_free(endpoint->target);
    endpoint->target = NULL;
    recorded_free(endpoint->replay);
    endpoint->replay = NULL;
}

/* ---- calls ---- */

void
call_init(struct call *call, size_t answer_max)
{
    *call = (struct call){.of = {RECORDED_NO_ROW, 0}};
    provider_answer_init(&call->answer, answer_max);
    sse_init(&call->sse, answer_max);
}

void
call_fini(struct call *call)
{
    provider_answer_fini(&call->answer);
    sse_fini(&call->sse);
}

/* ---- streams ---- */

static bool
on_event(void *self, const char *name, const char *data, size_t len)
{
    struct call *call = self;

    call->fault = call->endpoint->provider->event(name, data, len,
                                                  &call->answer, &call->diag);
    /* A server that fails after its first words says so in an event. */
    if (!call->fault && call->answer.error[0]) call->fault = FAULT_SERVER;
    return call->fault == FAULT_NONE;
}

static bool
on_stream(void *self, const char *bytes, size_t len)
{
    struct call *call = self;
    enum co_err err;

    err = sse_feed(&call->sse, bytes, len, on_event, call);
    if (err) call->fault = err == CO_FULL ? FAULT_TOO_BIG : FAULT_LOCAL;
    return call->fault == FAULT_NONE; /* what follows would not mend it */
}

/* ---- the end ---- */

static bool
is_json(const char *content_type)
{
    size_t len = strlen(content_type);

    return strcmp(content_type, "application/json") == 0 ||
           (len > 5 && strcmp(content_type + len - 5, "+json") == 0);
}

/* No call asks for it; some gateways do it all the same. */
static bool
is_compressed(const struct http_result *result)
{
    return result->encoding[0] && strcmp(result->encoding, "identity") != 0;
}

/* The body of status 200: the answer, if it is one. */
static enum fault
read_whole(struct call *call, const struct http_result *result)
{
    const struct provider *p = call->endpoint->provider;

    if (is_compressed(result)) {
        (void)co_fail(
            &call->diag, CO_PROTOCOL,
            "it is compressed (Content-Encoding: %s), which was not "
            "asked for: have the server or its proxy send it as it is",
            result->encoding);
        return FAULT_CONTENT_TYPE;
    }
    if (!is_json(result->content_type)) {
        (void)co_fail(&call->diag, CO_PROTOCOL,
                      "its content type is \"%s\", not application/json",
                      result->content_type);
        return FAULT_CONTENT_TYPE;
    }
    return (call->endpoint->embeds ? p->embed_read : p->read)(
        result->body, result->body_len, &call->answer, &call->diag);
}

/* A call that was answered as it should be: complete? */
static enum fault
judge(struct call *call)
{
    if (!call->answer.has_end) {
        (void)co_fail(&call->diag, CO_PROTOCOL,
                      "the answer does not say that it is complete");
        return FAULT_CUT;
    }
    if (!call->answer.is_answer) {
        (void)co_fail(&call->diag, CO_PROTOCOL, "the stream holds no answer");
        return FAULT_BAD_SHAPE;
    }
    if (call->answer.is_filtered) return FAULT_FILTERED;
    return call->answer.is_cut ? FAULT_LENGTH : FAULT_NONE;
}

/* Codes of APIs that tell more than the status does; where a vendor has none
 * for it, words of its message: an empty account is not the fault of the one
 * request that met it. */
static enum fault
refine(enum fault fault, const struct provider_answer *answer)
{
    static const struct {
        const char *code;
        enum fault fault;
    } known[] = {
        {"insufficient_quota", FAULT_NO_MONEY},
        {"billing_error", FAULT_NO_MONEY},
        {"billing_hard_limit_reached", FAULT_NO_MONEY},
        {"billing_not_active", FAULT_NO_MONEY},
        {"overloaded_error", FAULT_OVERLOADED},
        {"rate_limit_error", FAULT_RATE_LIMITED},
        {"rate_limit_exceeded", FAULT_RATE_LIMITED},
    };
    static const char no_credit[] = "credit balance is too low"; /* Anthropic */

    for (size_t i = 0; i < co_countof(known); i++) {
        if (strcmp(known[i].code, answer->error_code) == 0) {
            return known[i].fault;
        }
    }
    return strstr(answer->error, no_credit) ? FAULT_NO_MONEY : fault;
}

static void
explain(struct call *call, const struct http_result *result)
{
    if (call->answer.error[0]) {
        (void)co_fail(&call->diag, CO_UNAVAILABLE, "the endpoint says: %s",
                      call->answer.error);
    } else if (!call->diag.text[0] && result->why[0]) {
        (void)co_fail(&call->diag, CO_UNAVAILABLE, "%s", result->why);
    }
}

/* Retry-After tells who is turned away when to come again. In an answer, or a
 * refusal that waiting would not mend, it is a slip that must not hold all
 * calls up. */
static bool
may_ask_to_wait(enum fault fault)
{
    switch ((int)fault) {
    case FAULT_RATE_LIMITED:
    case FAULT_OVERLOADED:
    case FAULT_TRY_AGAIN:
    case FAULT_SERVER:
        return true;
    default:
        return false;
    }
}

static void
on_done(void *self, const struct http_result *result)
{
    struct call *call = self;
    bool streamed = strcmp(result->content_type, "text/event-stream") == 0 &&
                    !is_compressed(result);

    call->sent = result->sent;
    call->status = result->status;
    call->hints = result->hints;
    call->first_byte_us = result->first_byte_us;
    call->total_us = result->total_us;
    if (!call->fault) call->fault = result->fault;
    if (result->fault) {
        provider_read_error(result->body, result->body_len, &call->answer);
    } else if (!call->fault && !streamed) {
        call->fault = read_whole(call, result);
    }
    /* Also with status 200: some gateways pass errors on like that. */
    if (call->answer.error[0]) {
        if (result->status == 200) call->fault = FAULT_SERVER;
        call->fault = refine(call->fault, &call->answer);
    }
    if (!call->fault) call->fault = judge(call);
    if (call->fault) explain(call, result);
    if (!may_ask_to_wait(fault_of_status(result->status)) &&
        !may_ask_to_wait(call->fault)) {
        call->hints.retry_after_ms = -1;
    }
    call->on_done(call->self, call);
}

/* ---- played answers ---- */

/* The end of a call that nothing was sent for. */
static void
on_soon(void *self)
{
    struct call *call = self;
    const struct call_endpoint *to = call->endpoint;
    char hash[RECORDED_HASH_BYTES];
    const char *record;
    size_t len;

    if (recorded_find(to->replay, call->body, call->body_len, &call->of,
                      &record, &len)) {
        call->fault =
            to->provider->read(record, len, &call->answer, &call->diag);
        if (!call->fault) call->fault = judge(call);
    } else {
        call->fault = FAULT_BAD_REQUEST;
        (void)co_fail(&call->diag, CO_NOTFOUND,
                      "%s has no answer to this request (hash %s): record it "
                      "(record: of a provider, cohort try --record)",
                      to->url, recorded_hash(call->body, call->body_len, hash));
    }
    call->on_done(call->self, call);
}

static void
play(struct call *call, struct http *http)
{
    call->sent = false;
    call->status = 0;
    hints_init(&call->hints);
    call->first_byte_us = call->total_us = 0;
    call->soon = (struct http_soon){.run = on_soon, .self = call};
    http_soon(http, &call->soon);
}

static void
clear(struct call *call, const struct call_endpoint *endpoint)
{
    call->endpoint = endpoint;
    provider_answer_clear(&call->answer);
    sse_clear(&call->sse);
    call->diag.text[0] = '\0';
    call->fault = FAULT_NONE;
}

void
call_take(struct call *call, const struct call_endpoint *endpoint,
          const char *body, size_t len)
{
    clear(call, endpoint);
    call->sent = true;
    call->status = 200;
    hints_init(&call->hints);
    call->first_byte_us = call->total_us = 0;
    call->fault =
        endpoint->provider->read(body, len, &call->answer, &call->diag);
    if (!call->fault) call->fault = judge(call);
}

enum co_err
call_start(struct call *call, struct http *http,
           const struct call_endpoint *endpoint, const void *body, size_t len,
           void (*done)(void *self, struct call *call), void *self)
{
    const struct http_request request = {.target = endpoint->target,
                                         .body = body,
                                         .body_len = len,
                                         .total_ms = call->total_ms,
                                         .self = call,
                                         .on_stream = on_stream,
                                         .on_done = on_done};

    clear(call, endpoint);
    call->on_done = done;
    call->self = self;
    call->body = body;
    call->body_len = len;
    if (endpoint->replay) {
        play(call, http);
        return CO_OK;
    }
    return http_start(http, &request);
}
