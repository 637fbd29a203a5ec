/* range_task.h - ranges of candidates become rows: what the services that make
 * rows share. begin, step and abort are as those of a service (service.h),
 * whose state is a struct range_run.
 *
 * Payload, a msgpack map: 1 start u64, 2 count u32, 3 take u32 (at most so many
 * of the accepted become rows), 4 skip bin (a bit a candidate: no row for
 * those), 5 answers (rows/row_answers.h). The result is rows/range.h's; with
 * hashes of the texts where the recipe dedups. */
#pragma once
#include "worker/service.h"

/* Who writes the texts. A task that says otherwise fails: never does the
 * built-in writer step in for a model in silence. */
enum range_texts {
    RANGE_NO_TEXTS, /* attributes only */
    RANGE_BUILT_IN, /* no answers in the payload */
    RANGE_ANSWERED, /* answers in the payload, and nothing else */
};

struct range_run; /* opaque */

enum service_step range_task_begin(struct service_env *env,
                                   struct service_run *run,
                                   enum range_texts texts, int64_t now_us);
/* Makes a few rows more. */
enum service_step range_task_step(struct service_run *run, int64_t now_us);
/* Makes one row each 20 ms, waiting instead of working. */
enum service_step range_task_step_slowly(struct service_run *run,
                                         int64_t now_us);
void range_task_abort(struct service_run *run);
