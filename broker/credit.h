/* credit.h - promises how many tasks may come, in both directions. All counts
 * only grow: granted by the receiver, used by the sender, returned by the
 * sender on RECLAIM; granted - returned - used may still be sent. Internal to
 * the dispatch core. */
#pragma once
#include "broker/state.h"

/* What may still be sent on a line, within worker_tasks_max. */
uint64_t credit_line_free(const struct dispatch *d, const struct line *line);
/* What an owner may still publish. */
uint64_t credit_job_free(const struct job *job);
/* The line of (w, lane), or NULL. */
struct line *credit_line(const struct worker *w, uint32_t lane);
/* The same, made when unknown. NULL: no memory or too many. */
struct line *credit_line_get(struct dispatch *d, struct worker *w,
                             uint32_t lane);
/* A task goes by the line. */
void credit_line_use(struct dispatch *d, struct line *line);
/* Takes back all lines of a worker that is gone or begins anew. */
void credit_drop_lines(struct dispatch *d, struct worker *w);
void credit_reset_lines(struct dispatch *d, struct worker *w);

void credit_on_credit(struct dispatch *d, struct worker *w, const struct msg *m,
                      struct outbox *out);
void credit_on_reclaim(struct dispatch *d, struct worker *w,
                       const struct msg *m, struct outbox *out);
void credit_on_reclaimed(struct dispatch *d, struct owner *o,
                         const struct msg *m, struct outbox *out);
/* Grants what the window allows to every attached job. */
void credit_run(struct dispatch *d, int64_t now_ms, struct outbox *out);
