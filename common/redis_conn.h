/* redis_conn.h - one connection to Redis, driven with deadlines.
 * Internal to redis.c and redis_client.c. hiredis is used without blocking
 * and polled here, since 0.14 has no separate timeouts and cannot be woken.
 * Not thread-safe. After any error the connection is only good for close. */
#pragma once
#include "common/redis.h"

#include <stdatomic.h>

struct co_buf;
struct co_redis_conn; /* opaque */

/* Ends every wait early: at_ms (co_clock_ms) caps all deadlines, fd becomes
 * readable when at_ms was lowered from INT64_MAX. */
struct co_redis_cap {
    int fd;
    _Atomic int64_t at_ms;
};

/* What the handshake learned. */
struct co_redis_server {
    char run_id[48];
    char version[32];
};

/* Connects, AUTH, SELECT, CLIENT SETNAME, PING, INFO: afterwards it is known
 * to be a Redis that answers. cap may be NULL. Host names are resolved by
 * getaddrinfo, which has a timeout of its own. */
co_must_use enum co_err
co_redis_conn_open(const struct co_redis_url *url, const char *client_name,
                   int64_t timeout_ms, struct co_redis_cap *cap,
                   struct co_redis_conn **ret_conn,
                   struct co_redis_server *ret_server, struct co_diag *diag);
void co_redis_conn_close(struct co_redis_conn *conn);
CO_DEFINE_FREEP(struct co_redis_conn, co_redis_conn_close)
int co_redis_conn_fd(const struct co_redis_conn *conn);
/* The address without user and password. */
const char *co_redis_conn_name(const struct co_redis_conn *conn);

/* Adds encoded commands to what the next exchange writes. */
co_must_use enum co_err co_redis_conn_append(struct co_redis_conn *conn,
                                             const void *data, size_t len);
/* Writes what was appended and reads `replies` answers, each handed to
 * on_reply (which owns it; NULL when memory ran out). CO_TIMEOUT: nothing
 * came for timeout_ms. */
co_must_use enum co_err co_redis_conn_exchange(
    struct co_redis_conn *conn, size_t replies, int64_t timeout_ms,
    void (*on_reply)(void *arg, struct co_redis_reply *reply), void *arg,
    struct co_diag *diag);
/* For an idle connection whose fd is readable: CO_OK only when nothing was
 * wrong after all. */
co_must_use enum co_err co_redis_conn_idle(struct co_redis_conn *conn,
                                           struct co_diag *diag);

/* The command in Redis's protocol, appended to buf. lens may be NULL. */
void co_redis_encode(struct co_buf *buf, int argc, const char *const *argv,
                     const size_t *lens);
