/* call.h - one question to one endpoint: from the request body to an answer
 * that was read and checked, or to the one reason why there is none.
 * Not thread-safe: calls belong to the loop of their http. */
#pragma once
#include "llm/http.h"
#include "llm/provider.h"
#include "llm/recorded.h"
#include "llm/secret.h"
#include "llm/sse.h"

/* Where calls go; made once, used by many at once. */
struct call_endpoint {
    const struct provider *provider;
    struct http_target *target; /* NULL: nothing is sent, but played */
    struct recorded *replay;    /* NULL: it is sent */
    bool is_vendor;             /* as in provider_ask */
    bool embeds;                /* for provider_embed */
    char url[2048];
};

/* base NULL: the provider's own host; of provider_replay: its file. A key goes
 * over http:// only to this machine itself, unless key_in_clear. secret may be
 * empty. CO_USAGE (diag), CO_NOMEM; as recorded_load */
co_must_use enum co_err call_endpoint_init(struct call_endpoint *endpoint,
                                           const struct provider *provider,
                                           const char *base,
                                           const struct secret *secret,
                                           bool key_in_clear,
                                           struct co_diag *diag);
/* The same for embeddings. CO_USAGE, too: the provider has none. */
co_must_use enum co_err
call_endpoint_init_embed(struct call_endpoint *endpoint,
                         const struct provider *provider, const char *base,
                         const struct secret *secret, bool key_in_clear,
                         struct co_diag *diag);
void call_endpoint_fini(struct call_endpoint *endpoint);
/* Another address of the same API and key: api ("/v1/batches?limit=9") in place
 * of the path that calls go to. content_type NULL: as calls have it. CO_USAGE:
 * where that address would be cannot be told from the endpoint's. CO_NOMEM */
co_must_use enum co_err
call_endpoint_target(const struct call_endpoint *endpoint,
                     const struct secret *secret, const char *api,
                     const char *content_type, struct http_target **ret_target,
                     struct co_diag *diag);

/* A call that is or was under way; used again and again. */
struct call {
    const struct call_endpoint *endpoint;
    struct provider_answer answer;
    struct sse sse;
    struct co_diag diag; /* what exactly is wrong; "" when all is well */
    enum fault fault;
    bool sent; /* as in http_result */
    int status;
    struct hints hints;
    int64_t first_byte_us, total_us;
    struct recorded_ask of; /* for what is played; call_init: of no job */
    uint64_t total_ms;      /* as of http_request; call_init: 0 */
    struct http_soon soon;  /* ends what is played */
    const void *body;       /* that was asked with; only until it ends */
    size_t body_len;
    void (*on_done)(void *self, struct call *call);
    void *self;
};

/* answer_max: bytes of an answer's text. */
void call_init(struct call *call, size_t answer_max);
void call_fini(struct call *call);
/* An answer that did not come by a call of its own: reads body as one that was
 * answered with status 200. The call's fields say how it ended. */
void call_take(struct call *call, const struct call_endpoint *endpoint,
               const char *body, size_t len);
/* Sends body (borrowed until on_done) and reads what comes. on_done runs once,
 * from http_turn(); then the call's fields say how it ended, until it is
 * started again. CO_FULL: the http has no room. */
co_must_use enum co_err
call_start(struct call *call, struct http *http,
           const struct call_endpoint *endpoint, const void *body, size_t len,
           void (*on_done)(void *self, struct call *call), void *self);
