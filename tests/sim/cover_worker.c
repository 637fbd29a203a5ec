/* cover_worker.c - see cover.h: the worker's tables. */
#include "tests/sim/cover.h"
#include "worker/slots_impl.h"

static bool
task_allows(unsigned state, unsigned event)
{
    return slots_state_after((enum slots_state)state,
                             (enum slots_event)event) != SLOTS_REFUSED;
}

/* Every event makes sense to a sealed batch. */
static bool
result_allows(unsigned state, unsigned event)
{
    (void)state;
    (void)event;
    return true;
}

static bool
link_allows(unsigned state, unsigned event)
{
    return slots_link_after((enum link_state)state, (enum link_event)event) !=
           LINK_NONE;
}

const struct cover_table cover_worker_task = {
    .name = "worker.task",
    .n_states = SLOTS_STATE_COUNT,
    .n_events = SLOTS_EVENT_COUNT,
    .states = {[SLOTS_REFUSED] = "-",
               [SLOTS_FREE] = "free",
               [SLOTS_PARKED] = "parked",
               [SLOTS_QUEUED] = "queued",
               [SLOTS_RUNNING] = "running",
               [SLOTS_STOPPING] = "stopping",
               [SLOTS_DROPPED] = "dropped",
               [SLOTS_DONE] = "done"},
    .events = {[SLOTS_EV_TAKE] = "take",
               [SLOTS_EV_PARK] = "park",
               [SLOTS_EV_READY] = "ready",
               [SLOTS_EV_START] = "start",
               [SLOTS_EV_FINISH] = "finish",
               [SLOTS_EV_CANCEL] = "cancel",
               [SLOTS_EV_RETURN] = "return",
               [SLOTS_EV_DROP] = "drop",
               [SLOTS_EV_ACK] = "ack"},
    .allows = task_allows,
};

const struct cover_table cover_worker_result = {
    .name = "worker.result",
    .n_states = RESULT_STATE_COUNT,
    .n_events = RESULT_EVENT_COUNT,
    .states = {[RESULT_PENDING] = "pending",
               [RESULT_SENT] = "sent",
               [RESULT_WAITING] = "waiting"},
    .events = {[RESULT_EV_SEND] = "send",
               [RESULT_EV_NO_OWNER] = "no_owner",
               [RESULT_EV_AGAIN] = "again"},
    .allows = result_allows,
};

const struct cover_table cover_worker_link = {
    .name = "worker.link",
    .n_states = LINK_STATE_COUNT,
    .n_events = LINK_EVENT_COUNT,
    .states = {[LINK_NONE] = "-",
               [LINK_DOWN] = "down",
               [LINK_GREETED] = "greeted",
               [LINK_UP] = "up",
               [LINK_BARRED] = "barred",
               [LINK_GONE] = "gone"},
    .events = {[LINK_EV_CONNECT] = "connect",
               [LINK_EV_WELCOME] = "welcome",
               [LINK_EV_WHO] = "who",
               [LINK_EV_SILENT] = "silent",
               [LINK_EV_BARRED] = "barred",
               [LINK_EV_BYE] = "bye"},
    .allows = link_allows,
};
