/* http_core.h - what http.c and http_*.c share. Private to them.
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
    /* While it looks its host up, a call has no connection, but a thread with
     * this many descriptors more: two wake us, one or two ask. */
    RESOLVER_FDS = 3,
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
    uint64_t target_id; /* that easy is set up for; 0: none */
    struct shard *shard;
    struct http_request request;
    struct http_result result;
    struct co_buf body;
    int64_t start_us, first_us, last_us;
    size_t header_bytes, stream_bytes;
    int64_t uploaded; /* bytes of a long request that had gone out last time */
    int next;         /* of the free or the waiting list */
    uint8_t redirects;
    bool in_head; /* the last that came is a header, not the end of them */
    bool enough;  /* its reader wants no more of the stream */
    enum slot_state state;
    enum fault fault; /* why we ended it, else FAULT_NONE */
    char error[CURL_ERROR_SIZE];
};

/* What epoll knows of a descriptor, which is told as little as possible. */
struct watch {
    struct shard *shard; /* NULL: not watched */
    uint32_t mask;       /* of epoll; 0: not in it */
    bool wanted;         /* libcurl asked for events */
    bool ours;           /* a socket that we opened, not the resolver's */
};

struct http {
    struct http_options options;
    int epoll;
    CURLSH *share;           /* what is known of hosts' names, for all shards */
    int64_t now_us, wall_ms; /* read once a turn */
    struct shard *shards;
    uint32_t shard_count, cursor;
    struct slot *slots;
    uint32_t slot_count, in_flight, connecting;
    int free_slot, wait_first, wait_last;
    struct http_soon *soon_first, *soon_last; /* NULL: none */
    uint32_t soon;
    struct shard *recent; /* where a connection just became idle */
    struct watch *watches;
    size_t watch_count;
    int64_t sweep_us; /* next look at the time-outs */
    bool no_proxy;
    bool counts; /* libcurl was seen to count the bytes that it sends */
    bool global; /* curl_global_init was called */
};

struct http_target {
    uint64_t id; /* never given twice, as an address in memory is */
    bool direct; /* never through a proxy */
    char *url;
    struct curl_slist *headers;
};

/* Gives shard a multi handle that reports its sockets and timers to us. */
co_must_use enum co_err http_sockets_open(struct shard *shard);
/* Sockets of the slot's handle are known from opening to closing. */
void http_sockets_attach(struct slot *slot);
/* When the first timer is due, libcurl's or ours; INT64_MAX: none is set. */
int64_t http_sockets_due(const struct http *http);
/* Waits for events and tells libcurl, also of timers that are due. */
co_must_use enum co_err http_sockets_wait(struct http *http, int timeout_ms);

/* The slot's handle tells of its answer. */
void http_answer_attach(struct slot *slot);
/* Something of the request may be on its way. */
bool http_answer_sent(const struct slot *slot);
/* All the time that it may take. */
uint64_t http_slot_total_ms(const struct slot *slot);
/* What the end of a transfer means. */
enum fault http_answer_fault(struct slot *slot, CURLcode code);

/* We end the request ourselves: keeps fault, and says why. */
void http_slot_fault(struct slot *slot, enum fault fault);
/* Takes the request back from libcurl. */
void http_slot_withdraw(struct slot *slot);
