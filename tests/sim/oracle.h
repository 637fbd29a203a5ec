/* oracle.h - what must hold, told by somebody who sees everything.
 *
 * G1  at the end the rows are those of a quiet run (run.c asks).
 * G2  the ledger adds up after each turn of the owner.
 * G3  committed means: on disk, synced, in a segment that the present owner
 *     adopted. Nothing committed is unknown to the next owner, nothing is
 *     accepted twice, no owner acknowledges and no worker drops what is not
 *     committed.
 * G6  credit is never exceeded, seen on the wire of both hops; tables and
 *     queues stay within their limits.
 * Fences: no number is given to two owners; nothing that an owner says
 *     is taken by a broker at which its successor has attached.
 * Guilt: a row is dead only after two lone losses at different workers that
 *     really died, more than 10 s apart, or three failures. An innocent row
 *     is only where workers are killed, and by that rule. */
#pragma once
#include "coordinator/kind.h"
#include "proto/outbox.h"
#include "tests/sim/nodes.h"
#include "worker/slots.h"

void oracle_make(struct sim *s);
void oracle_free(struct sim *s);

/* -- the owner. The kind as the engine sees it: the real one, watched. */
const struct job_kind *oracle_kind(struct sim *s, const struct job_kind *real);
/* An owner's life begins to read the journal, and has read it. shards: how
 * many candidates are sealed (0 for bench). */
void oracle_on_replay(struct sim *s, struct node *n);
void oracle_on_replayed(struct sim *s, struct node *n, uint64_t sealed);
/* Whose turn it is: what the kind says now comes from this life. */
void oracle_owner_turn(struct sim *s, struct node *n);
void oracle_on_owner_output(struct sim *s, struct node *n,
                            const struct outmsg *m, struct msg_reader *r);
void oracle_on_owner_input(struct sim *s, struct node *n, unsigned link,
                           const struct msg *m);

/* -- workers and brokers */
void oracle_on_worker_input(struct sim *s, struct node *n, uint64_t incarnation,
                            const struct msg *m);
void oracle_on_worker_output(struct sim *s, struct node *n,
                             uint64_t incarnation, const struct outmsg *m,
                             struct msg_reader *r);
void oracle_on_worker_turn(struct sim *s, struct node *n, uint64_t incarnation,
                           const struct slots *slots);
void oracle_on_spill_damage(struct sim *s, struct node *n, uint64_t incarnation,
                            uint64_t seq);
void oracle_on_broker_input(struct sim *s, unsigned side, uint64_t routing,
                            const struct msg *m);
/* What an owner said has been handled; taken: it changed something. */
void oracle_on_owner_heard(struct sim *s, struct node *n, const struct msg *m,
                           bool taken);
void oracle_on_broker_output(struct sim *s, struct node *n,
                             const struct outmsg *m, struct msg_reader *r);
void oracle_on_death(struct sim *s, const struct node *n);

/* Is the item given up, and that committed? */
bool oracle_dead(const struct sim *s, uint64_t index);
uint64_t oracle_decided(const struct sim *s);
