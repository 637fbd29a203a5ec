/* mailbox.h - a bounded queue of pointers between two threads, with a
 * descriptor to poll.
 * An actor thread (journal, Redis) has one for its orders and one for its
 * answers. A full mailbox refuses, nothing is dropped or overwritten.
 * Thread-safe: any thread may put, one thread takes. */
#pragma once
#include "common/err.h"

struct co_mailbox; /* opaque */

/* A mailbox for at most capacity items (>= 1). */
co_must_use enum co_err co_mailbox_new(size_t capacity,
                                       struct co_mailbox **ret_box);
/* Items still inside are not released: take them first. */
void co_mailbox_free(struct co_mailbox *box);
CO_DEFINE_FREEP(struct co_mailbox, co_mailbox_free)

/* Appends item (not NULL). CO_FULL: capacity items wait, nothing changed. */
co_must_use enum co_err co_mailbox_put(struct co_mailbox *box, void *item);
/* The oldest item, or NULL when there is none. Never blocks. */
void *co_mailbox_take(struct co_mailbox *box);
/* Like take, but waits up to timeout_ms (-1: for ever) for an item. */
void *co_mailbox_wait(struct co_mailbox *box, int timeout_ms);
/* Readable (POLLIN) while items wait. Poll it; never read from it: take
 * clears it when the last item goes. */
int co_mailbox_fd(const struct co_mailbox *box);
