/* writer_bound.h - how many tokens a call of a writer may take at most, before
 * it is known whom it is about. Pure. */
#pragma once
#include "job/writer.h"

/* Of an ask's input; what it quotes is not counted, and comes on top. */
struct writer_bound {
    uint64_t input;  /* whoever the person is */
    uint64_t repair; /* what a turn that mends adds */
};

/* CO_NOTFOUND: this program does not speak the writer's API. CO_NOMEM */
co_must_use enum co_err writer_bound(const struct writer *writer,
                                     enum ask_stage stage,
                                     struct writer_bound *ret,
                                     struct co_diag *diag);
/* Input and output of the largest ask that a job of this writer may make, with
 * the longest quotes. Errors as above. */
co_must_use enum co_err writer_ask_max(const struct writer *writer,
                                       uint64_t *ret_tokens,
                                       struct co_diag *diag);
/* 1e-12 USD of one ask of the stage that mends nothing, with the longest answer
 * before it, in the worst case. As below. */
co_must_use enum co_err writer_stage_worst(const struct writer *writer,
                                           enum ask_stage stage,
                                           int64_t *ret_worst,
                                           struct co_diag *diag);
/* 1e-12 USD of a row whose asks are all answered well at once, in the worst
 * case: a budget has to cover that for any call to be made. Errors as above;
 * CO_RANGE: beyond what can be counted, or a price is not known. */
co_must_use enum co_err writer_row_worst(const struct writer *writer,
                                         int64_t *ret_worst,
                                         struct co_diag *diag);
