/* levels.h - the two other things a scaler may turn: tasks in flight in a
 * worker ("vertical"), and how thorough a job is ("quality"). In hybrid mode
 * workers come first, then tasks in flight, quality last. Called by scaler.c
 * only; pure. */
#pragma once
#include "scaler/scaler.h"

void levels_init(struct scaler *s, const struct scaler_config *c,
                 int64_t now_ms);
void levels_take_over(struct scaler *s, const struct scaler_config *c,
                      uint32_t in_flight);
/* After the decision about workers; out says what is known by now. */
void levels_step(struct scaler *s, const struct scaler_config *c,
                 const struct scaler_sample *m, const struct scaler_output *out,
                 int64_t now_ms);
