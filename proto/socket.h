/* socket.h - sends and receives two-frame messages on ZeroMQ sockets.
 * The only place that knows how our sockets are configured (docs/protocol.md,
 * "Transport"). Peers of a ROUTER are known by the routing id that libzmq
 * assigned, as a number. Sends never block; receives neither. A socket belongs
 * to one thread. */
#pragma once
#include "proto/keyfile.h"

struct sock; /* opaque: one ZeroMQ socket with its buffers */

struct sock_counters {
    uint64_t sent, received; /* messages */
    uint64_t sent_bytes, received_bytes;
    uint64_t malformed;   /* wrong number of frames, or too large */
    uint64_t unroutable;  /* the peer is gone */
    uint64_t would_block; /* a full pipe: credit should prevent it */
};

/* With keys a link is encrypted (CURVE) and both ends have proven who they
 * are before the first message. All of it is read during the call only. */
struct sock_keys {
    const uint8_t *public, *secret; /* own; KEY_BYTES each */
    const uint8_t *server; /* sock_connect: the key that must answer there */
    const char *domain;    /* sock_bind: asked of the gate, which must run
                              already: without one nobody is let in */
    const char *monitor;   /* sock_bind: inproc address that connections and
                              handshakes are told to; whoever listens there must
                              read on   until the socket is freed. NULL: nobody */
};

/* Whether endpoint cannot be reached from another machine: ipc, inproc, or TCP
 * on a loopback address. */
bool sock_is_local(const char *endpoint);
/* Whether bind and connect would take this endpoint: CO_DENIED if not. Without
 * keys only local ones are (G9), with keys TCP too. */
co_must_use enum co_err sock_allowed(const char *endpoint, bool with_keys,
                                     struct co_diag *diag);
/* A ROUTER that peers connect to. endpoint: ipc://... or tcp://ADDRESS:PORT
 * (PORT may be * ), if sock_allowed. keys: NULL without. CO_BUSY: somebody
 * listens there. *ret_sock is written on success. */
co_must_use enum co_err sock_bind(void *zmq_ctx, const char *endpoint,
                                  const struct sock_keys *keys,
                                  struct co_diag *diag, struct sock **ret_sock);
/* A DEALER that connects and reconnects by itself. */
co_must_use enum co_err sock_connect(void *zmq_ctx, const char *endpoint,
                                     const struct sock_keys *keys,
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
/* Of the message that sock_recv gave last, on a ROUTER with keys: what the
 * gate called its sender (a key_id). 0 without keys. */
uint64_t sock_peer_key(const struct sock *s);
/* Cuts the connection that it came on. The peer may try to connect again. */
void sock_cut(struct sock *s);
/* How often a DEALER with keys failed to shake hands since the last call: the
 * other end has another key than expected, or does not let ours in. */
uint32_t sock_unwelcome(struct sock *s);
/* What to tell people about it. */
#define SOCK_UNWELCOME_TEXT                                                    \
    "the handshake fails: it does not know this key (see --allow there), "     \
    "or has another key than the one given here"
/* Sends; takes over one reference of each slice in every case.
 * CO_UNAVAILABLE  the peer is gone (ROUTER) or nothing is connected
 * CO_FULL         its pipe is full */
co_must_use enum co_err sock_send(struct sock *s, uint64_t peer,
                                  struct co_bytes head, struct co_bytes body);
const struct sock_counters *sock_counts(const struct sock *s);
