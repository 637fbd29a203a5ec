/* tasks.h - the table of tasks: which state each is in, and the only code
 * that changes it. Internal to the dispatch core. */
#pragma once
#include "broker/state.h"

/* The state after event, or TASK_STATE_COUNT when the table refuses it. */
enum task_state tasks_next_state(enum task_state state, enum task_event event);
const char *tasks_state_name(enum task_state state);

/* The entry of (job, task), or NONE. */
uint32_t tasks_find(const struct dispatch *d, uint32_t job, uint64_t task);
/* Makes sure that n tasks can be added. CO_NOMEM: nothing changed. */
co_must_use enum co_err tasks_reserve(struct dispatch *d, uint32_t n);

/* A fresh entry; room must have been reserved. Whoever takes it fills it and
 * then moves it with TEV_PUBLISH. */
uint32_t tasks_entry_new(struct dispatch *d);
/* Moves an entry along its table, the only writer of its state. place is where
 * it goes to, when it goes: a batch or a worker. */
void tasks_apply(struct dispatch *d, uint32_t at, enum task_event event,
                 uint32_t place);

/* Gives a queued entry to w, which is sent it now (or has it: adoption). */
void tasks_assign(struct dispatch *d, uint32_t at, struct worker *w,
                  struct line *line);
/* What a worker's INVENTORY says of one task. */
struct told {
    uint64_t task;
    uint16_t attempt;
    bool alone, running;
};
/* w reports that it holds a task: marks the entry seen, or makes one, so that
 * it is in force and w's, and alone if it was. Room must have been reserved. */
bool tasks_report(struct dispatch *d, struct job *job, const struct told *told,
                  struct worker *w, struct outbox *out);
/* w is done with attempt of a task (result or return): frees what stands for
 * it. False when the table knew nothing of it. */
bool tasks_finish(struct dispatch *d, uint32_t job, uint64_t task,
                  uint32_t attempt, struct worker *w, struct outbox *out);
/* Tells a worker to stop a task whose place another attempt took. */
void tasks_send_cancel(struct dispatch *d, const struct entry *e,
                       struct outbox *out);
/* Frees a queued entry in force (cancel, result from elsewhere). */
void tasks_drop_queued(struct dispatch *d, uint32_t at, enum task_event why);
/* Loses the entries d->ids[0..n) of w and tells their owners. */
void tasks_lose(struct dispatch *d, uint32_t n, const struct worker *w,
                enum lost_cause cause, uint32_t neighbours, struct outbox *out);
/* Frees everything of a job. */
void tasks_forget(struct dispatch *d, uint32_t job);
