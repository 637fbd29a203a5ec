/* paid.h - what the calls of a job cost, told by somebody who sees the endpoint
 * and the disk.
 *
 * G4  an ask is given out once and sent once; nothing is sent before its intent
 *     is on disk, and nothing is published whose stage has a committed answer.
 * G5  settled + unknown + reserved is at most the cap, in the owner's ledger
 *     and for every prefix of the journal; settled is what committed outcomes
 *     cost; what the endpoint bills is always covered. Where the cap is cut by
 *     phase the first charges at most its share and the reserve; the last may
 *     have what the first leaves, and so has no bound but the cap.
 *
 * Where several write (paid_writers.c): a row is of one arm, whatever happens
 * to it; it is asked of that arm's writers only; it names the one whose answer
 * completed it, and what its calls did cost until then. What is told of arms
 * and writers adds up to what is committed.
 *
 * Where asks go out as batches (paid_batches.c): an ask is in one that its
 * vendor may work on once, whatever becomes of the answer to a submission.
 * Settled is at most what is billed, but for calls whose tokens nobody said.
 *
 * Two views of the same: `told`, from what the owner's kind was told as
 * committed, and what a reader of its own makes of the journal's bytes. A new
 * owner's ledger is compared with the latter, and the former with both.
 * The words are those of coordinator/money.h; its rules stand here a second
 * time, on purpose. */
#pragma once
#include "coordinator/kind_written.h"
#include "coordinator/owner_core.h"
#include "tests/sim/sim.h"

void paid_make(struct sim *s);
void paid_free(struct sim *s);

/* -- the endpoint */
/* It has accepted a request: this one does cost `bill`. */
void paid_on_sent(struct sim *s, const struct ask_task *ask, int64_t bill);

/* It has the request in a batch, and may work on it. */
void paid_on_submitted(struct sim *s, const struct ask_task *ask,
                       uint64_t batch);

/* -- the owner's kind. next() gave out an ask, its payload went out, a result
 * of it was accepted and is committed. */
void paid_on_given(struct sim *s, uint64_t task);
/* data: its payload. */
void paid_on_published(struct sim *s, uint64_t task, const uint8_t *data,
                       size_t len);
void paid_on_taken(struct sim *s, uint64_t task, const uint8_t *data,
                   uint32_t len);
void paid_on_placed(struct sim *s, uint64_t task);
void paid_on_note(struct sim *s, const uint8_t *data, size_t len);
void paid_on_noted(struct sim *s);

/* -- lives of the owner */
void paid_on_replay(struct sim *s);
/* number: of the new owner, whose own segments are left out. */
void paid_on_replayed(struct sim *s, uint32_t number, const struct written *w);
/* After each of its turns. */
void paid_check(struct sim *s, const struct written *w);
void paid_on_end(struct sim *s, const struct written *w, enum owner_end how);

/* Whether the outcome of the ask is committed. */
bool paid_is_settled(const struct sim *s, uint64_t task);
/* What a row has to say: a hash of its answers, and, behind a blank, what it
 * says of itself. */
struct paid_text {
    uint64_t hash;
    char says[256];
};

/* Whether a committed range accepted the row; what it has to say then. */
bool paid_row(const struct sim *s, uint64_t row, struct paid_text *ret_text);
