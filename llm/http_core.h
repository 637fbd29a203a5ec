/* http_core.h - what http.c and http_sockets.c share. Private to them.
 *
 * Why shards: for each call libcurl walks its multi handle's whole connection
 * cache (when a handle is removed) and the host's list of busy connections
 * (when it looks for an idle one). Both cost grows with the connections of one
 * multi handle: 18 us of CPU a call at 64 of them, 110 at 10,000. Many multi
 * handles on one epoll keep each list short. */
#pragma once
#include "llm/http.h"

#include <curl/curl.h>

enum {
    SHARD_SLOTS = 150, /* about; above, the walks show */
    SHARDS_MAX = 64,
    /* More connects than this at once overflow a listener's backlog, and each
     * dropped SYN costs its call a second. */
    CONNECTING_MAX = 1000,
    NO_SLOT = -1,
};

enum slot_state {
    SLOT_FREE,
    SLOT_WAITING,    /* for others to connect first */
    SLOT_CONNECTING, /* not known to have a connection yet */
    SLOT_SENT,       /* has one */
};

struct shard {
    struct http *http;
    CURLM *multi;
    int64_t due_us; /* when libcurl wants to be called; -1: never */
    uint32_t active, slots;
    bool dirty; /* messages may wait */
};

/* One request; made once and used again and again. */
struct slot {
    struct http *http;
    CURL *easy;
    const struct http_target *target; /* that easy is set up for */
    struct shard *shard;
    struct http_request request;
    struct http_result result;
    struct co_buf body;
    int64_t start_us, first_us, last_us;
    size_t header_bytes, stream_bytes;
    int next; /* of the free or the waiting list */
    uint8_t redirects;
    enum slot_state state;
    enum fault fault; /* why we ended it, else FAULT_NONE */
    char error[CURL_ERROR_SIZE];
};

/* What epoll knows of a descriptor, which is told as little as possible. */
struct watch {
    struct shard *shard; /* NULL: not ours */
    uint32_t mask;       /* of epoll; 0: not in it */
    bool wanted;         /* libcurl asked for events */
};

struct http {
    struct http_options options;
    int epoll;
    int64_t now_us, wall_ms; /* read once a turn */
    struct shard *shards;
    uint32_t shard_count, cursor;
    struct slot *slots;
    uint32_t slot_count, in_flight, connecting;
    int free_slot, wait_first, wait_last;
    struct shard *recent; /* where a connection just became idle */
    struct watch *watches;
    size_t watch_count;
    int64_t sweep_us; /* next look at the time-outs */
    bool no_proxy;
    bool global; /* curl_global_init was called */
};

struct http_target {
    char *url;
    struct curl_slist *headers;
};

/* Gives shard a multi handle that reports its sockets and timers to us. */
co_must_use enum co_err http_sockets_open(struct shard *shard);
/* Sockets of this handle are forgotten when they close. */
void http_sockets_attach(CURL *easy, struct http *http);
/* Waits for events and tells libcurl, also of timers that are due. */
co_must_use enum co_err http_sockets_wait(struct http *http, int timeout_ms);
