/* parts.h - cuts a message that is too large for a link into PARTs and joins
 * them again. Pure. Limits: one message in the making per peer and at most
 * peers_max of them; a peer that breaks the order is refused and forgotten.
 * Not thread-safe. */
#pragma once
#include "proto/outbox.h"

/* A part_max below this counts as this: PARTs need room for their header. */
enum { PART_MAX_LEAST = 4096 };

/* Whether a message must be cut for a receiver with part_max (0: none). */
static inline bool
parts_needed(size_t part_max, size_t bytes)
{
    return part_max && bytes > co_max_u64(part_max, PART_MAX_LEAST);
}
/* Pushes head+body, for which parts_needed, as PART messages of at most
 * part_max and PART_BYTES_MAX each. number must differ from message to message
 * on the link. Takes the references. */
void parts_push(struct outbox *out, uint8_t side, uint64_t peer,
                uint64_t number, size_t part_max, struct co_bytes head,
                struct co_bytes body);
/* Cuts every message in out that is larger than its receiver's part_max(ctx,
 * peer) allows; the order stays. For shells: what was cut is small enough, so
 * a second call changes nothing. *number counts up. CO_NOMEM sticks in out. */
void parts_cut(struct outbox *out, uint64_t *number,
               uint32_t (*part_max)(const void *ctx, uint64_t peer),
               const void *ctx);

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
