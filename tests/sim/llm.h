/* llm.h - what the endpoint of a job answers (llm.c), for whoever asks: a call
 * of its own, or a line of a batch (vendor.c, llm_batch.c). */
#pragma once
#include "tests/sim/workload.h"

struct llm_answer {
    struct ask_result result; /* borrows text */
    char text[128];
    int64_t bill; /* what it does cost, whatever the result says */
};

/* The ask is worked on, now. */
void llm_answer(struct sim *s, const struct workload *w,
                const struct ask_task *ask, struct llm_answer *ret);
/* True in permille of 1000 cases, until faults stop. */
bool llm_struck(struct sim *s, unsigned permille);

/* Tasks about batches. */
extern const struct service llm_batch;
