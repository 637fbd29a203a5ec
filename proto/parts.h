/* parts.h - cuts a message that is too large for a link into PARTs and joins
 * them again. Pure. Limits: one message in the making per peer and at most
 * peers_max of them; a peer that breaks the order is refused and forgotten.
 * Not thread-safe. */
#pragma once
#include "proto/outbox.h"

/* Pushes head+body as PART messages of at most PART_BYTES_MAX each. number
 * must differ from message to message on the link. Takes the references. */
void parts_push(struct outbox *out, uint8_t side, uint64_t peer,
                uint64_t number, struct co_bytes head, struct co_bytes body);

struct parts; /* opaque: messages in the making */
co_must_use enum co_err parts_new(size_t peers_max, struct parts **ret_parts);
void parts_free(struct parts *p);
CO_DEFINE_FREEP(struct parts, parts_free)
/* Takes one PART (decoded) with its body. CO_OK: the message is whole and
 * *ret_head, *ret_body are the caller's. CO_AGAIN: more to come.
 * CO_PROTOCOL: out of order or lying; what was gathered of it is dropped.
 * CO_FULL: too many peers send large messages at once. */
co_must_use enum co_err parts_add(struct parts *p, uint64_t peer,
                                  const struct msg_part *part,
                                  struct co_bytes body,
                                  struct co_bytes *ret_head,
                                  struct co_bytes *ret_body);
/* Forgets what peer had begun. */
void parts_drop(struct parts *p, uint64_t peer);
