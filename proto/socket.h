/* socket.h - sends and receives two-frame messages on ZeroMQ sockets.
 * The only place that knows how our sockets are configured (docs/protocol.md,
 * "Transport"). Peers of a ROUTER are known by the routing id that libzmq
 * assigned, as a number. Sends never block; receives neither. A socket belongs
 * to one thread. */
#pragma once
#include "proto/msg.h"

struct sock; /* opaque: one ZeroMQ socket with its buffers */

struct sock_counters {
    uint64_t sent, received; /* messages */
    uint64_t sent_bytes, received_bytes;
    uint64_t malformed;   /* wrong number of frames, or too large */
    uint64_t unroutable;  /* the peer is gone */
    uint64_t would_block; /* a full pipe: credit should prevent it */
};

/* A ROUTER that peers connect to. endpoint: ipc://... or tcp://127.0.0.1:PORT
 * (PORT may be * ). Anything else than ipc, inproc and loopback is refused:
 * there is no encryption yet (G9). CO_BUSY: somebody listens there. *ret_sock
 * is written on success. */
co_must_use enum co_err sock_bind(void *zmq_ctx, const char *endpoint,
                                  struct co_diag *diag, struct sock **ret_sock);
/* Whether both would take this endpoint: CO_DENIED if not. */
co_must_use enum co_err sock_allowed(const char *endpoint,
                                     struct co_diag *diag);
/* A DEALER that connects and reconnects by itself. */
co_must_use enum co_err sock_connect(void *zmq_ctx, const char *endpoint,
                                     struct co_diag *diag,
                                     struct sock **ret_sock);
void sock_free(struct sock *s);
CO_DEFINE_FREEP(struct sock, sock_free)

/* The address that was bound, with the real port. Valid as long as s. */
const char *sock_endpoint(const struct sock *s);
/* For zmq_poll. Level-triggered there; with ZMQ_FD see sock_ready. */
void *sock_handle(const struct sock *s);
/* The descriptor for epoll. Edge-triggered: call sock_ready after each send
 * and receive, and go on receiving while it says so. */
int sock_fd(const struct sock *s);
bool sock_ready(const struct sock *s);

/* One message, or CO_AGAIN when none waits. peer is 0 on a DEALER. Malformed
 * multiparts are counted and skipped. The slices are the caller's. */
co_must_use enum co_err sock_recv(struct sock *s, uint64_t *ret_peer,
                                  struct co_bytes *ret_head,
                                  struct co_bytes *ret_body);
/* Sends; takes over one reference of each slice in every case.
 * CO_UNAVAILABLE  the peer is gone (ROUTER) or nothing is connected
 * CO_FULL         its pipe is full */
co_must_use enum co_err sock_send(struct sock *s, uint64_t peer,
                                  struct co_bytes head, struct co_bytes body);
const struct sock_counters *sock_counts(const struct sock *s);
