/* http.c - see http.h; http_core.h says why there are shards.
 * Time-outs are looked at by us, for all requests together a few times a
 * second: a timer of libcurl a call would be three more insertions into its
 * tree. So a time-out may come late by an eighth of itself, at most 250 ms.
 * A request that waits for its turn to connect is overdue only in all.
 *
 * libcurl looks a host's name up in a thread of its own. CURLOPT_QUICK_EXIT
 * leaves such a thread behind when its call is over; without it a time-out
 * would wait for the resolver, and all calls with it. */
#include "llm/http_core.h"

#include "common/clock.h"
#include "llm/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    SPARE_FDS = 576,
    BODY_KEPT_MAX = 65536,
    SWEEP_MIN_US = 5000,
    SWEEP_MAX_US = 250000
};

/* What libcurl's codes mean; what is missing is FAULT_LOCAL. */
static const struct {
    CURLcode code;
    enum fault fault;
} codes[] = {
    {CURLE_OK, FAULT_NONE},
    {CURLE_COULDNT_RESOLVE_HOST, FAULT_RESOLVE},
    {CURLE_COULDNT_RESOLVE_PROXY, FAULT_RESOLVE},
    {CURLE_COULDNT_CONNECT, FAULT_CONNECT},
    {CURLE_OPERATION_TIMEDOUT, FAULT_CONNECT_TIMEOUT},
    /* The handshake broke off: a server that restarts, or speaks no TLS. */
    {CURLE_SSL_CONNECT_ERROR, FAULT_CONNECT},
    {CURLE_PEER_FAILED_VERIFICATION, FAULT_TLS},
    {CURLE_SSL_CACERT_BADFILE, FAULT_TLS},
    {CURLE_SSL_CERTPROBLEM, FAULT_TLS},
    {CURLE_SSL_CLIENTCERT, FAULT_TLS},
    {CURLE_SSL_CIPHER, FAULT_TLS},
    {CURLE_SSL_ISSUER_ERROR, FAULT_TLS},
    {CURLE_GOT_NOTHING, FAULT_RESET},
    {CURLE_SEND_ERROR, FAULT_RESET},
    {CURLE_RECV_ERROR, FAULT_RESET},
    {CURLE_PARTIAL_FILE, FAULT_CUT},
    {CURLE_WEIRD_SERVER_REPLY, FAULT_NOT_HTTP},
    {CURLE_UNSUPPORTED_PROTOCOL, FAULT_NOT_HTTP},
    {CURLE_BAD_CONTENT_ENCODING, FAULT_NOT_HTTP},
};

/* ---- targets ---- */

enum co_err
http_target_new(const char *url, const char *const *headers, size_t count,
                struct http_target **ret_target)
{
    static _Atomic uint64_t last_id;
    struct http_target *target = calloc(1, sizeof *target);
    struct url parsed;

    if (!target) return CO_NOMEM;
    target->id = ++last_id;
    target->url = strdup(url);
    /* A key goes in the clear to this machine only: not by way of a proxy,
     * which would send it to its own machine besides. */
    target->direct = url_parse(url, &parsed, NULL) == CO_OK && !parsed.https &&
                     url_is_loopback(&parsed);
    for (size_t i = 0; i <= count; i++) {
        /* Without the last, libcurl asks before it sends a larger body. */
        struct curl_slist *longer = curl_slist_append(
            target->headers, i < count ? headers[i] : "Expect:");

        if (!longer) {
            http_target_free(target);
            return CO_NOMEM;
        }
        target->headers = longer;
    }
    if (!target->url) {
        http_target_free(target);
        return CO_NOMEM;
    }
    *ret_target = target;
    return CO_OK;
}

void
http_target_free(struct http_target *target)
{
    if (!target) return;
    for (struct curl_slist *h = target->headers; h; h = h->next) {
        explicit_bzero(h->data, strlen(h->data));
    }
    curl_slist_free_all(target->headers);
    free(target->url);
    free(target);
}

/* Says why we end a request ourselves. */
static void
set_fault(struct slot *slot, enum fault fault)
{
    const struct http_options *o = &slot->http->options;
    char *why = slot->error;

    slot->fault = fault;
    slot->result.why = why;
    switch ((int)fault) {
    case FAULT_TOO_BIG:
        (void)snprintf(why, CURL_ERROR_SIZE, "more than %zu bytes came",
                       slot->stream_bytes ? HTTP_STREAM_FACTOR * o->body_max
                                          : o->body_max);
        break;
    case FAULT_HEADERS:
        (void)snprintf(why, CURL_ERROR_SIZE, "more than %d bytes of headers",
                       HTTP_HEADERS_MAX);
        break;
    case FAULT_CONNECT_TIMEOUT:
        (void)snprintf(why, CURL_ERROR_SIZE, "no connection within %llu ms",
                       (unsigned long long)o->connect_ms);
        break;
    case FAULT_FIRST_BYTE_TIMEOUT:
        (void)snprintf(why, CURL_ERROR_SIZE,
                       "the request went out, and no byte came for %llu ms",
                       (unsigned long long)o->first_byte_ms);
        break;
    case FAULT_IDLE_TIMEOUT:
        (void)snprintf(why, CURL_ERROR_SIZE,
                       "%zu bytes of the body came, then none for %llu ms",
                       slot->body.len + slot->stream_bytes,
                       (unsigned long long)o->idle_ms);
        break;
    case FAULT_TOTAL_TIMEOUT:
        (void)snprintf(why, CURL_ERROR_SIZE, "not done after %llu ms",
                       (unsigned long long)o->total_ms);
        break;
    default:
        slot->result.why = "";
    }
}

/* ---- what libcurl calls ---- */

/* A connection is there and the request goes out. */
static int
on_connected(void *self, char *ip, char *local_ip, int port, int local_port)
{
    struct slot *slot = self;

    (void)ip, (void)local_ip, (void)port, (void)local_port;
    if (slot->state == SLOT_CONNECTING) {
        slot->state = SLOT_SENT;
        slot->http->connecting--;
        slot->last_us = slot->http->now_us;
    }
    return CURL_PREREQFUNC_OK;
}

static void
came(struct slot *slot)
{
    slot->last_us = slot->http->now_us;
    if (slot->first_us < 0) slot->first_us = slot->last_us;
}

/* "Content-Type: Application/JSON; charset=..." as "application/json". */
static void
take_type(struct http_result *result, const char *value, size_t len)
{
    size_t n = 0;

    while (len > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        len--;
    }
    while (n < len && n + 1 < sizeof result->content_type && value[n] > ' ' &&
           value[n] != ';') {
        result->content_type[n] = (char)tolower((unsigned char)value[n]);
        n++;
    }
    result->content_type[n] = '\0';
}

static size_t
on_header(char *line, size_t size, size_t count, void *self)
{
    struct slot *slot = self;
    size_t len = size * count, type = strlen("content-type:");

    came(slot);
    slot->header_bytes += len;
    if (slot->header_bytes > HTTP_HEADERS_MAX) {
        set_fault(slot, FAULT_HEADERS);
        return 0; /* ends the transfer */
    }
    if (len > type && strncasecmp(line, "content-type:", type) == 0) {
        take_type(&slot->result, line + type, len - type);
    } else {
        hints_take(&slot->result.hints, line, len, slot->http->wall_ms);
    }
    return len;
}

static bool
is_stream(struct slot *slot)
{
    long status = 0;

    if (!slot->request.on_stream) return false;
    if (strcmp(slot->result.content_type, "text/event-stream") != 0) {
        return false;
    }
    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    return status == 200;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *self)
{
    struct slot *slot = self;
    size_t len = size * count;

    came(slot);
    if (is_stream(slot)) {
        slot->stream_bytes += len;
        if (slot->stream_bytes / HTTP_STREAM_FACTOR >
            slot->http->options.body_max) {
            set_fault(slot, FAULT_TOO_BIG);
            return 0; /* ends the transfer */
        }
        slot->enough = !slot->request.on_stream(slot->request.self, bytes, len);
        return slot->enough ? 0 : len;
    }
    co_buf_append(&slot->body, bytes, len);
    if (!slot->body.err) return len;
    set_fault(slot, slot->body.err == CO_FULL ? FAULT_TOO_BIG : FAULT_LOCAL);
    return 0;
}

/* ---- the life of a slot ---- */

static bool
slot_open(struct slot *slot, struct http *http)
{
    CURL *easy = curl_easy_init();

    if (!easy) return false;
    slot->http = http;
    slot->easy = easy;
    co_buf_init(&slot->body, http->options.body_max);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, slot);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, http->share);
    /* What a proxy says about its tunnel is no part of the answer. */
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (http->options.ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->options.ca_file);
    }
    http_sockets_attach(slot);
    return true;
}

/* The shard for the next request: where a connection is idle, else any with
 * room. There is one: shards have more room than requests may be under way. */
static struct shard *
choose_shard(struct http *http)
{
    struct shard *shard = http->recent;

    http->recent = NULL;
    if (shard && shard->active < shard->slots) return shard;
    for (uint32_t i = 0; i < http->shard_count; i++) {
        shard = &http->shards[http->cursor];
        http->cursor = (http->cursor + 1) % http->shard_count;
        if (shard->active < shard->slots) return shard;
    }
    co_assert(shard && shard->active < shard->slots);
    return shard;
}

/* Hands the slot's request to libcurl. */
static bool
slot_send(struct slot *slot)
{
    struct http *http = slot->http;

    slot->state = SLOT_CONNECTING;
    slot->last_us = http->now_us;
    http->connecting++;
    slot->shard->dirty = true;
    return curl_multi_add_handle(slot->shard->multi, slot->easy) == CURLM_OK;
}

static void
wait_append(struct http *http, int index)
{
    http->slots[index].state = SLOT_WAITING;
    http->slots[index].next = NO_SLOT;
    if (http->wait_last == NO_SLOT) {
        http->wait_first = index;
    } else {
        http->slots[http->wait_last].next = index;
    }
    http->wait_last = index;
}

/* Forgets the last answer; the body keeps its memory while it is small. */
static void
slot_clear(struct slot *slot)
{
    slot->result = (struct http_result){.first_byte_us = -1, .why = ""};
    hints_init(&slot->result.hints);
    co_buf_clear(&slot->body);
    slot->first_us = -1;
    slot->header_bytes = slot->stream_bytes = 0;
    slot->fault = FAULT_NONE;
    slot->enough = false;
    slot->error[0] = '\0';
}

static void
slot_aim(struct slot *slot, const struct http_target *target)
{
    bool direct = target->direct || slot->http->no_proxy;

    curl_easy_setopt(slot->easy, CURLOPT_URL, target->url);
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, target->headers);
    /* "": none; NULL: as the environment says. */
    curl_easy_setopt(slot->easy, CURLOPT_PROXY, direct ? "" : NULL);
    slot->target_id = target->id;
}

enum co_err
http_start(struct http *http, const struct http_request *request)
{
    int index = http->free_slot;
    struct slot *slot;

    if (http->in_flight >= http->options.in_flight) return CO_FULL;
    co_assert(index != NO_SLOT);
    slot = &http->slots[index];
    http->free_slot = slot->next;
    http->in_flight++;
    slot->request = *request;
    slot->redirects = 0;
    slot_clear(slot);
    if (slot->target_id != request->target->id) {
        slot_aim(slot, request->target);
    }
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)request->body_len);
    slot->shard = choose_shard(http);
    slot->shard->active++;
    http->now_us = co_clock_us();
    slot->start_us = slot->last_us = http->now_us;
    wait_append(http, index);
    return CO_OK;
}

static bool
body_is_large(const struct slot *slot)
{
    return slot->body.cap > BODY_KEPT_MAX;
}

/* The end of a request: tells its owner, then the slot is free again. */
static void
slot_end(struct slot *slot, enum fault fault)
{
    struct http *http = slot->http;
    struct http_result *result = &slot->result;

    if (slot->state == SLOT_CONNECTING) http->connecting--;
    /* Not where a connection failed: the shard may be what is broken. */
    if (slot->state == SLOT_SENT) http->recent = slot->shard;
    slot->state = SLOT_FREE;
    slot->shard->active--;
    http->in_flight--;
    result->fault = fault;
    result->body = co_buf_text(&slot->body);
    result->body_len = slot->body.len;
    result->total_us = http->now_us - slot->start_us;
    if (slot->first_us >= 0) {
        result->first_byte_us = slot->first_us - slot->start_us;
    }
    slot->request.on_done(slot->request.self, result);
    if (body_is_large(slot)) co_buf_fini(&slot->body);
    slot->next = http->free_slot;
    http->free_slot = (int)(slot - http->slots);
}

/* Takes the request back from libcurl, which closes its connection unless the
 * answer was read to its end. */
static void
slot_withdraw(struct slot *slot)
{
    if (slot->state == SLOT_CONNECTING || slot->state == SLOT_SENT) {
        (void)curl_multi_remove_handle(slot->shard->multi, slot->easy);
        slot->shard->dirty = true;
    }
}

/* Did a line come that is longer than libcurl takes? It calls that a lack of
 * memory, and it reads no body before the headers are through. */
static bool
is_endless_line(const struct slot *slot, CURLcode code)
{
    return code == CURLE_OUT_OF_MEMORY && slot->state == SLOT_SENT &&
           slot->first_us >= 0 && slot->body.len + slot->stream_bytes == 0;
}

static enum fault
fault_of_code(struct slot *slot, CURLcode code)
{
    if (is_endless_line(slot, code)) slot->fault = FAULT_HEADERS;
    if (slot->fault) return slot->fault;
    if (slot->enough) return FAULT_NONE;
    for (size_t i = 0; i < co_countof(codes); i++) {
        if (codes[i].code != code) continue;
        /* Closed after part of an answer, whatever libcurl calls it. */
        if (codes[i].fault == FAULT_RESET && slot->first_us >= 0) {
            return FAULT_CUT;
        }
        return codes[i].fault;
    }
    return FAULT_LOCAL;
}

/* Does a 307 or 308 lead to the same origin? Then the request goes there. */
static bool
redirect(struct slot *slot)
{
    const char *to = NULL;
    struct url here, there;

    if (slot->result.status != 307 && slot->result.status != 308) return false;
    if (slot->redirects == HTTP_REDIRECTS_MAX) return false;
    curl_easy_getinfo(slot->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to || url_parse(to, &there, NULL) ||
        url_parse(slot->request.target->url, &here, NULL) ||
        !url_same_origin(&here, &there)) {
        return false;
    }
    curl_easy_setopt(slot->easy, CURLOPT_URL, to);
    slot_clear(slot);
    slot->redirects++;
    if (slot->state == SLOT_CONNECTING) slot->http->connecting--;
    wait_append(slot->http, (int)(slot - slot->http->slots));
    return true;
}

/* libcurl is done with a request, this way or that. */
static void
on_message(const CURLMsg *message)
{
    CURLcode code = message->data.result;
    struct slot *slot = NULL;
    enum fault fault;
    long status = 0;

    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    slot->result.status = (int)status;
    fault = fault_of_code(slot, code);
    if (!fault) fault = fault_of_status((int)status);
    slot_withdraw(slot);
    if (fault == FAULT_REDIRECT && redirect(slot)) return;
    if (slot->redirects) slot->target_id = 0; /* its URL is another now */
    if (slot->fault) {
        set_fault(slot, slot->fault); /* libcurl wrote over the reason */
    } else if (code && !slot->enough) {
        slot->result.why =
            slot->error[0] ? slot->error : curl_easy_strerror(code);
    }
    slot_end(slot, fault);
}

/* ---- turns ---- */

/* Sends what waits, as long as not too many are connecting. */
static void
send_waiting(struct http *http)
{
    while (http->wait_first != NO_SLOT && http->connecting < CONNECTING_MAX) {
        struct slot *slot = &http->slots[http->wait_first];

        http->wait_first = slot->next;
        if (http->wait_first == NO_SLOT) http->wait_last = NO_SLOT;
        if (slot_send(slot)) continue;
        slot_withdraw(slot);
        slot_end(slot, FAULT_LOCAL);
    }
}

static void
read_messages(struct http *http)
{
    for (uint32_t i = 0; i < http->shard_count; i++) {
        struct shard *shard = &http->shards[i];
        const CURLMsg *message;
        int left;

        if (!shard->dirty) continue;
        shard->dirty = false;
        while ((message = curl_multi_info_read(shard->multi, &left))) {
            CURLMsg copy = *message; /* gone once its handle is removed */

            if (copy.msg == CURLMSG_DONE) on_message(&copy);
        }
    }
}

static enum fault
overdue(const struct slot *slot)
{
    const struct http_options *o = &slot->http->options;
    int64_t now = slot->http->now_us;

    if (now - slot->start_us >= (int64_t)o->total_ms * 1000) {
        return FAULT_TOTAL_TIMEOUT;
    }
    if (slot->state == SLOT_WAITING) return FAULT_NONE;
    if (slot->state == SLOT_CONNECTING) {
        return now - slot->last_us >= (int64_t)o->connect_ms * 1000
                   ? FAULT_CONNECT_TIMEOUT
                   : FAULT_NONE;
    }
    if (slot->first_us < 0) {
        return now - slot->last_us >= (int64_t)o->first_byte_ms * 1000
                   ? FAULT_FIRST_BYTE_TIMEOUT
                   : FAULT_NONE;
    }
    return now - slot->last_us >= (int64_t)o->idle_ms * 1000
               ? FAULT_IDLE_TIMEOUT
               : FAULT_NONE;
}

/* Takes a slot out of the list of those that wait. */
static void
wait_remove(struct http *http, int index)
{
    int *link = &http->wait_first, previous = NO_SLOT;

    while (*link != index) {
        previous = *link;
        link = &http->slots[*link].next;
    }
    *link = http->slots[index].next;
    if (http->wait_last == index) http->wait_last = previous;
}

static void
sweep(struct http *http)
{
    const struct http_options *o = &http->options;
    uint64_t least = co_min_u64(co_min_u64(o->connect_ms, o->first_byte_ms),
                                co_min_u64(o->idle_ms, o->total_ms));

    if (http->now_us < http->sweep_us) return;
    for (uint32_t i = 0; i < http->slot_count; i++) {
        struct slot *slot = &http->slots[i];
        enum fault fault = slot->state ? overdue(slot) : FAULT_NONE;
        long status = 0;

        if (!fault) continue;
        if (slot->state == SLOT_WAITING) wait_remove(http, (int)i);
        curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
        if (slot->first_us >= 0) slot->result.status = (int)status;
        slot_withdraw(slot);
        set_fault(slot, fault);
        if (slot->redirects) slot->target_id = 0;
        slot_end(slot, fault);
    }
    http->sweep_us =
        http->now_us +
        (int64_t)co_clamp_u64(least * 1000 / 8, SWEEP_MIN_US, SWEEP_MAX_US);
}

/* Order: what was started goes out, events come in, what ended is told (and
 * its owner starts more), and that goes out before we wait again. */
enum co_err
http_turn(struct http *http, int timeout_ms)
{
    enum co_err err;

    send_waiting(http);
    err = http_sockets_wait(http, timeout_ms);
    if (err) return err;
    read_messages(http);
    sweep(http);
    send_waiting(http);
    return CO_OK;
}

uint32_t
http_in_flight(const struct http *http)
{
    return http->in_flight;
}

/* ---- making and freeing ---- */

static enum co_err
need_descriptors(uint32_t in_flight, struct co_diag *diag)
{
    struct rlimit limit;
    /* Idle connections may stay beside those in use, and hosts' names are
     * looked up by those that connect. */
    rlim_t need = (rlim_t)in_flight + SPARE_FDS +
                  RESOLVER_FDS * co_min_u64(in_flight, CONNECTING_MAX);

    if (getrlimit(RLIMIT_NOFILE, &limit)) return co_err_from_errno(errno);
    if (limit.rlim_cur >= need) return CO_OK;
    limit.rlim_cur = need;
    if (limit.rlim_max >= need && setrlimit(RLIMIT_NOFILE, &limit) == 0) {
        return CO_OK;
    }
    return co_fail(diag, CO_FULL,
                   "%u calls in flight need %llu file descriptors, this "
                   "process may have %llu: raise `ulimit -Hn`, or have fewer "
                   "in flight",
                   in_flight, (unsigned long long)need,
                   (unsigned long long)limit.rlim_max);
}

/* libcurl asks the environment for a proxy at each call; when nobody set one
 * it need not. */
static bool
has_no_proxy(void)
{
    static const char *const names[] = {
        "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

    for (size_t i = 0; i < co_countof(names); i++) {
        if (getenv(names[i])) return false;
    }
    return true;
}

/* Without locks: one thread uses it. */
static enum co_err
open_share(struct http *http)
{
    http->share = curl_share_init();
    if (!http->share) return CO_NOMEM;
    return curl_share_setopt(http->share, CURLSHOPT_SHARE,
                             CURL_LOCK_DATA_DNS) == CURLSHE_OK
               ? CO_OK
               : CO_NOMEM;
}

static enum co_err
open_shards(struct http *http)
{
    uint32_t count = (uint32_t)co_clamp_u64(
        http->options.in_flight / SHARD_SLOTS, 1, SHARDS_MAX);

    http->shards = calloc(count, sizeof *http->shards);
    if (!http->shards) return CO_NOMEM;
    http->shard_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct shard *shard = &http->shards[i];
        enum co_err err;

        shard->http = http;
        shard->slots = http->options.in_flight / count + 1;
        err = http_sockets_open(shard);
        if (err) return err;
    }
    return CO_OK;
}

/* One slot more than requests: on_done may start one before its own is free. */
static enum co_err
open_slots(struct http *http)
{
    uint32_t count = http->options.in_flight + 1;

    http->slots = calloc(count, sizeof *http->slots);
    if (!http->slots) return CO_NOMEM;
    http->slot_count = count;
    for (uint32_t i = count; i-- > 0;) {
        if (!slot_open(&http->slots[i], http)) return CO_NOMEM;
        http->slots[i].next = http->free_slot;
        http->free_slot = (int)i;
    }
    return CO_OK;
}

enum co_err
http_new(const struct http_options *options, struct http **ret_http,
         struct co_diag *diag)
{
    co_auto(http_freep) struct http *http = NULL;
    enum co_err err;

    co_assert(options->in_flight >= 1 &&
              options->in_flight <= HTTP_IN_FLIGHT_MAX);
    err = need_descriptors(options->in_flight, diag);
    if (err) return err;
    http = calloc(1, sizeof *http);
    if (!http) return co_fail(diag, CO_NOMEM, "out of memory");
    http->options = *options;
    http->free_slot = http->wait_first = http->wait_last = NO_SLOT;
    http->no_proxy = has_no_proxy();
    http->now_us = co_clock_us();
    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (http->epoll < 0) {
        return co_fail(diag, co_err_from_errno(errno), "epoll: %s",
                       strerror(errno));
    }
    http->global = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    err = http->global ? open_share(http) : CO_NOMEM;
    if (!err) err = open_shards(http);
    if (!err) err = open_slots(http);
    if (err) return co_fail(diag, err, "out of memory");
    *ret_http = co_take(&http);
    return CO_OK;
}

void
http_free(struct http *http)
{
    if (!http) return;
    for (uint32_t i = 0; i < http->slot_count; i++) {
        struct slot *slot = &http->slots[i];

        if (!slot->easy) continue;
        slot_withdraw(slot);
        curl_easy_cleanup(slot->easy);
        co_buf_fini(&slot->body);
    }
    for (uint32_t i = 0; i < http->shard_count; i++) {
        curl_multi_cleanup(http->shards[i].multi);
    }
    if (http->share) (void)curl_share_cleanup(http->share);
    if (http->epoll >= 0) (void)close(http->epoll);
    if (http->global) curl_global_cleanup();
    free(http->watches);
    free(http->slots);
    free(http->shards);
    free(http);
}
