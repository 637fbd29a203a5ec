/* fleet_limits.h - the endpoints of models in a fleet's state, as `cohort top`
 * shows them: from the limits that workers share (limits_state.h). */
#pragma once
#include "cli/fleet_state.h"
#include "cli/limits_state.h"

/* Reads and adds them; as of limits_state_read. Blocking. */
co_must_use enum co_err fleet_limits_read(struct co_redis_client *client,
                                          struct fleet_state *state,
                                          struct co_diag *diag);
/* Adds them; state has none yet. Pure. CO_NOMEM */
co_must_use enum co_err fleet_limits_take(const struct limits_state *limits,
                                          struct fleet_state *state);
