/* assign.h - picks the next tasks and the worker for them. Internal to the
 * dispatch core. */
#pragma once
#include "broker/state.h"

/* Hands out everything that workers have credit for. */
void assign_run(struct dispatch *d, int64_t now_ms, struct outbox *out);
