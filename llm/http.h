/* http.h - thousands of POSTs (and a few GETs) in flight from one thread.
 * The caller turns it: http_turn() moves what the network allows and calls
 * on_done for each request that ended, exactly once, also when it failed. All
 * is bounded: requests in flight, bytes of a body and of headers, time to
 * connect, to the first byte, between bytes and in all. Redirects are followed
 * only within the origin, and only those that keep the request as it is (307,
 * 308). The one place where libcurl's multi interface is included.
 * Not thread-safe: belongs to one loop. */
#pragma once
#include "llm/fault.h"
#include "llm/hints.h"

#include "common/buf.h"

enum {
    HTTP_IN_FLIGHT_MAX = 60000,
    HTTP_HEADERS_MAX = 64 * 1024, /* bytes of all headers of an answer */
    /* Times body_max: bytes of a stream, where each word comes wrapped in JSON
     * of its own. What the words add up to is for their reader to limit. */
    HTTP_STREAM_FACTOR = 16,
    /* The time to the first byte of an answer begins when a request of so many
     * bytes has gone out. */
    HTTP_LONG_BODY = 256 * 1024,
    HTTP_TYPE_BYTES = 64,
    HTTP_WHY_BYTES = 256,
    HTTP_REDIRECTS_MAX = 3,
};

struct http; /* opaque */

struct http_options {
    uint32_t in_flight; /* 1..HTTP_IN_FLIGHT_MAX */
    size_t body_max;    /* bytes of an answer */
    uint64_t connect_ms, first_byte_ms, idle_ms, total_ms;
    const char *ca_file; /* trusted instead of the system's; NULL: those */
};

/* How a request ended; all of it is gone when on_done returns. */
struct http_result {
    enum fault fault;
    /* Something of the request may have reached the server: it may be paid.
     * False: it surely was not. Never more than once: docs/decisions/0054. */
    bool sent;
    int status;                         /* 0: no answer came that far */
    char content_type[HTTP_TYPE_BYTES]; /* without parameters, lower case */
    /* "" or "identity": none. Never asked for, so it cannot be read. */
    char encoding[HTTP_TYPE_BYTES];
    struct hints hints;
    const char *body; /* what came of it, also of a failed one */
    size_t body_len;
    int64_t first_byte_us, total_us; /* since http_start; -1: never came */
    const char *why; /* what exactly went wrong, "" when status says it */
};

struct http_request {
    const struct http_target *target; /* borrowed until on_done */
    const void *body;                 /* borrowed until on_done */
    size_t body_len;
    bool get;     /* a GET: no body is sent */
    bool erases;  /* a DELETE, likewise */
    bool is_file; /* on_stream takes any body of a status 200, of any size */
    uint64_t total_ms; /* in place of the http's, where it is less; 0: that */
    void *self;
    /* The next bytes of an event stream (text/event-stream of a status 200),
     * as they come; then result->body is empty. False: it is enough, and the
     * request ends without a fault. May be NULL. */
    bool (*on_stream)(void *self, const char *bytes, size_t len);
    /* May start other requests; must not free the http. */
    void (*on_done)(void *self, const struct http_result *result);
};

/* What thousands of requests have in common: address and headers. Proxies of
 * the environment are used, but never for http:// to this machine itself. */
struct http_target; /* opaque */

/* headers: "Name: value" each. CO_NOMEM */
co_must_use enum co_err http_target_new(const char *url,
                                        const char *const *headers,
                                        size_t count,
                                        struct http_target **ret_target);
/* Overwrites the headers first: there is a key among them. */
void http_target_free(struct http_target *target);
CO_DEFINE_FREEP(struct http_target, http_target_free)

/* Raises this process's soft limit of descriptors as far as is needed.
 * CO_FULL (descriptors: diag says what to set), CO_NOMEM, CO_IO */
co_must_use enum co_err http_new(const struct http_options *options,
                                 struct http **ret_http, struct co_diag *diag);
/* Requests that are still in flight end without on_done. */
void http_free(struct http *http);
CO_DEFINE_FREEP(struct http, http_free)

/* CO_FULL: in_flight requests are under way. */
co_must_use enum co_err http_start(struct http *http,
                                   const struct http_request *request);
/* Something that ends without the network, as a request does: run is called
 * once, from the next http_turn(), and may start others. The caller's memory;
 * counts as in flight until then. */
struct http_soon {
    struct http_soon *next;
    void (*run)(void *self);
    void *self;
};
void http_soon(struct http *http, struct http_soon *soon);
/* Waits at most timeout_ms (-1: as long as it takes) for something to happen
 * and does what there is to do. CO_IO: epoll failed. */
co_must_use enum co_err http_turn(struct http *http, int timeout_ms);
/* For a caller with an epoll of its own: readable when http_turn has something
 * to do. Stays the http's. */
int http_fd(const struct http *http);
/* When http_turn must be called at the latest although http_fd says nothing:
 * monotonic microseconds (co_clock_us), INT64_MAX: never. Changes with each
 * http_start and http_turn. */
int64_t http_due_us(const struct http *http);
/* Requests that have not ended. */
uint32_t http_in_flight(const struct http *http);
