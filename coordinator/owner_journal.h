/* owner_journal.h - the journal's side of an owner's turn: what is committed
 * goes to engine and hosted job, the engine's orders become RESULTS records.
 * One thread. */
#pragma once
#include "coordinator/engine.h"
#include "coordinator/hosted.h"

/* Takes every answer that waits. */
co_must_use enum co_err owner_journal_read(struct journal *j, struct engine *e,
                                           const struct hosted *hosted,
                                           int64_t now_us,
                                           struct co_diag *diag);
/* Appends every order that waits. */
co_must_use enum co_err owner_journal_write(struct journal *j, struct engine *e,
                                            struct co_diag *diag);
