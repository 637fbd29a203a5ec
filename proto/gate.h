/* gate.h - who may connect: answers libzmq for every handshake (ZAP) from an
 * allow-list in memory, and counts and logs whom it does not let in.
 * An actor thread: it decides on the key alone, reads the folder of keys again
 * when told to (never at a handshake), and hears of handshakes that failed
 * before a key was shown. A key is let in on a socket whose domain is the name
 * of the key's role, and nowhere else.
 * Order: gate_new, sock_bind with gate_domain and gate_monitor, gate_watch for
 * each, gate_run; at the end the sockets first, then gate_free. */
#pragma once
#include "proto/allowlist.h"

struct gate; /* opaque */

/* X(name, help): why a peer was not let in, or was put out. */
#define GATE_COUNTERS(X)                                                       \
    X(keys_admitted, "handshakes with an allowed key")                         \
    X(denied_key, "handshakes with a key that is not allowed")                 \
    X(denied_role, "handshakes with a key of another role than asked here")    \
    X(denied_handshake, "handshakes that failed before a key was shown: no "   \
                        "key, another broker's, garbage, silence")             \
    X(denied_garbage, "connections that ended without a word of ZMTP 3; seen " \
                      "within half a minute")                                  \
    X(connections, "connections that were accepted")                           \
    X(denied_revoked, "messages of peers whose key was taken from the list")   \
    X(keys_reloads, "times the folder of keys was read again")                 \
    X(keys_unreadable, "times it could not be read: the old list stayed")

struct gate_counts {
#define X(name, help) uint64_t name;
    GATE_COUNTERS(X)
#undef X
    uint32_t keys_allowed, keys_skipped; /* of the list in force */
};

/* Reads the folder and answers from now on, once gate_run was called. dir is
 * copied. One gate a ZeroMQ context. */
co_must_use enum co_err gate_new(void *zmq_ctx, const char *dir,
                                 struct gate **ret_gate, struct co_diag *diag);
/* The words for struct sock_keys: who with that role may come in, and where
 * failures are told. Static texts. */
const char *gate_domain(enum key_role role);
const char *gate_monitor(enum key_role role);
/* Listens to the socket that was bound with gate_monitor(role). */
co_must_use enum co_err gate_watch(struct gate *g, enum key_role role);
co_must_use enum co_err gate_run(struct gate *g, struct co_diag *diag);
/* Takes NULL. */
void gate_free(struct gate *g);
CO_DEFINE_FREEP(struct gate, gate_free)

/* Tells the thread to read the folder again; returns at once. A folder that
 * cannot be read changes nothing. */
void gate_reload(struct gate *g);
/* Goes up with each list that comes into force; 1 is the first. */
uint32_t gate_generation(const struct gate *g);
/* The list in force: the caller's reference. */
struct allowlist *gate_list(struct gate *g);
/* One more message of a peer whose key is no longer in the list. */
void gate_count_revoked(struct gate *g);
void gate_read_counts(struct gate *g, struct gate_counts *ret_counts);
