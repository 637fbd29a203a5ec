/* http.c - see http.h; http_core.h says why there are shards.
 * Time-outs are looked at by us, for all requests together a few times a
 * second: a timer of libcurl a call would be three more insertions into its
 * tree. So a time-out may come late by an eighth of itself, at most 250 ms.
 * A request that waits for its turn to connect is overdue only in all. */
#include "llm/http_core.h"

#include "common/clock.h"
#include "llm/url.h"

#include <stdio.h>
#include <string.h>

enum { BODY_KEPT_MAX = 65536, SWEEP_MIN_US = 5000, SWEEP_MAX_US = 250000 };

/* ---- the life of a slot ---- */

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
    slot->uploaded = 0;
    slot->fault = FAULT_NONE;
    slot->enough = slot->in_head = false;
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

uint64_t
http_slot_total_ms(const struct slot *slot)
{
    const uint64_t all = slot->http->options.total_ms;
    const uint64_t own = slot->request.total_ms;

    return own && own < all ? own : all;
}

/* When to look at time-outs again of which that is the least. */
static int64_t
sweep_due(const struct http *http, uint64_t least_ms)
{
    return http->now_us + (int64_t)co_clamp_u64(least_ms * 1000 / 8,
                                                SWEEP_MIN_US, SWEEP_MAX_US);
}

static void
sweep_sooner(const struct slot *slot)
{
    const int64_t due = sweep_due(slot->http, http_slot_total_ms(slot));

    if (due < slot->http->sweep_us) slot->http->sweep_us = due;
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
    /* Last: the fields make a POST of it again. */
    if (request->get || request->erases) {
        curl_easy_setopt(slot->easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(slot->easy, CURLOPT_CUSTOMREQUEST,
                     request->erases ? "DELETE" : NULL);
    slot->shard = choose_shard(http);
    slot->shard->active++;
    http->now_us = co_clock_us();
    slot->start_us = slot->last_us = http->now_us;
    if (request->total_ms) sweep_sooner(slot);
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
    result->sent = http_answer_sent(slot);
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
void
http_slot_withdraw(struct slot *slot)
{
    if (slot->state == SLOT_CONNECTING || slot->state == SLOT_SENT) {
        (void)curl_multi_remove_handle(slot->shard->multi, slot->easy);
        slot->shard->dirty = true;
    }
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

/* Where it leads, should the server have no words of its own for it; without a
 * query, which may be as good as a key. */
static void
explain_redirect(struct slot *slot)
{
    const char *to = NULL;

    curl_easy_getinfo(slot->easy, CURLINFO_REDIRECT_URL, &to);
    if (to) {
        (void)snprintf(slot->error, sizeof slot->error, "it leads to %.*s",
                       (int)strcspn(to, "?"), to);
    } else {
        (void)snprintf(slot->error, sizeof slot->error, "it leads nowhere");
    }
    slot->result.why = slot->error;
}

/* What was answered was sent: does libcurl say so? */
static void
learn_counts(struct slot *slot)
{
    long bytes = 0;

    if (slot->first_us < 0) return;
    curl_easy_getinfo(slot->easy, CURLINFO_REQUEST_SIZE, &bytes);
    slot->http->counts = bytes > 0;
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
    if (!slot->http->counts) learn_counts(slot);
    fault = http_answer_fault(slot, code);
    if (!fault) fault = fault_of_status((int)status);
    http_slot_withdraw(slot);
    if (fault == FAULT_REDIRECT && redirect(slot)) return;
    if (slot->redirects) slot->target_id = 0; /* its URL is another now */
    if (fault == FAULT_REDIRECT) explain_redirect(slot);
    if (slot->fault) {
        http_slot_fault(slot, slot->fault); /* libcurl wrote over the reason */
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
        http_slot_withdraw(slot);
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

/* Whether a request that takes long to send has come on since last time: then
 * its answer is not late. */
static bool
goes_out(struct slot *slot)
{
    curl_off_t bytes = 0;

    if (slot->request.get || slot->request.body_len < HTTP_LONG_BODY) {
        return false;
    }
    curl_easy_getinfo(slot->easy, CURLINFO_SIZE_UPLOAD_T, &bytes);
    if (bytes <= slot->uploaded) return false;
    slot->uploaded = bytes;
    slot->last_us = slot->http->now_us;
    return true;
}

static enum fault
overdue(struct slot *slot)
{
    const struct http_options *o = &slot->http->options;
    int64_t now = slot->http->now_us;

    if (now - slot->start_us >= (int64_t)http_slot_total_ms(slot) * 1000) {
        return FAULT_TOTAL_TIMEOUT;
    }
    if (slot->state == SLOT_WAITING) return FAULT_NONE;
    if (slot->state == SLOT_CONNECTING) {
        return now - slot->last_us >= (int64_t)o->connect_ms * 1000
                   ? FAULT_CONNECT_TIMEOUT
                   : FAULT_NONE;
    }
    if (slot->first_us < 0) {
        if (goes_out(slot)) return FAULT_NONE;
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

        if (slot->state) least = co_min_u64(least, http_slot_total_ms(slot));
        if (!fault) continue;
        if (slot->state == SLOT_WAITING) wait_remove(http, (int)i);
        curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
        if (slot->first_us >= 0) slot->result.status = (int)status;
        http_slot_withdraw(slot);
        http_slot_fault(slot, fault);
        if (slot->redirects) slot->target_id = 0;
        slot_end(slot, fault);
    }
    http->sweep_us = sweep_due(http, least);
}

void
http_soon(struct http *http, struct http_soon *soon)
{
    soon->next = NULL;
    if (http->soon_last) {
        http->soon_last->next = soon;
    } else {
        http->soon_first = soon;
    }
    http->soon_last = soon;
    http->soon++;
}

/* Those that are there now: what they start is for the next turn. */
static void
run_soon(struct http *http)
{
    struct http_soon *soon = http->soon_first;

    http->soon_first = http->soon_last = NULL;
    while (soon) {
        struct http_soon *next = soon->next; /* it may be used again */

        http->soon--;
        soon->run(soon->self);
        soon = next;
    }
}

/* Order: what was started goes out, events come in, what ended is told (and
 * its owner starts more), and that goes out before we wait again. */
enum co_err
http_turn(struct http *http, int timeout_ms)
{
    enum co_err err;

    send_waiting(http);
    err = http_sockets_wait(http, http->soon_first ? 0 : timeout_ms);
    if (err) return err;
    run_soon(http);
    read_messages(http);
    sweep(http);
    send_waiting(http);
    return CO_OK;
}

int
http_fd(const struct http *http)
{
    return http->epoll;
}

int64_t
http_due_us(const struct http *http)
{
    if (http->soon_first ||
        (http->wait_first != NO_SLOT && http->connecting < CONNECTING_MAX)) {
        return http->now_us;
    }
    return http_sockets_due(http);
}

uint32_t
http_in_flight(const struct http *http)
{
    return http->in_flight + http->soon;
}
