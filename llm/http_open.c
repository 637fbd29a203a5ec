/* http_open.c - making and freeing.
 * libcurl looks a host's name up in a thread of its own. CURLOPT_QUICK_EXIT
 * leaves such a thread behind when its call is over; without it a time-out
 * would wait for the resolver, and all calls with it. */
#include "llm/http_core.h"

#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SPARE_FDS = 576 };

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
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, http->share);
    /* What a proxy says about its tunnel is no part of the answer. */
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (http->options.ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->options.ca_file);
    }
    http_answer_attach(slot);
    http_sockets_attach(slot);
    return true;
}

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
        http_slot_withdraw(slot);
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
