/* cover_broker.c - see cover.h: the broker's tables. */
#include "broker/peers.h"
#include "broker/state.h"
#include "broker/tasks.h"
#include "tests/sim/cover.h"

static bool
task_allows(unsigned state, unsigned event)
{
    return tasks_next_state((enum task_state)state, (enum task_event)event) !=
           TASK_STATE_COUNT;
}

static bool
worker_allows(unsigned state, unsigned event)
{
    return peers_next_state((enum worker_state)state,
                            (enum worker_event)event) != WORKER_STATE_COUNT;
}

const struct cover_table cover_broker_task = {
    .name = "broker.task",
    .n_states = TASK_STATE_COUNT,
    .n_events = TEV_COUNT,
    .states = {[TASK_FREE] = "free",
               [TASK_QUEUED] = "queued",
               [TASK_DISPATCHED] = "dispatched",
               [TASK_SUPERSEDED] = "superseded",
               [TASK_DROPPED] = "dropped"},
    .events = {[TEV_PUBLISH] = "publish",
               [TEV_ADOPT] = "adopt",
               [TEV_ASSIGN] = "assign",
               [TEV_FINISH] = "finish",
               [TEV_LOSE] = "lose",
               [TEV_REPLACE] = "replace",
               [TEV_CANCEL] = "cancel",
               [TEV_FORGET] = "forget",
               [TEV_DEQUEUE] = "dequeue"},
    .allows = task_allows,
};

const struct cover_table cover_broker_worker = {
    .name = "broker.worker",
    .n_states = WORKER_STATE_COUNT,
    .n_events = WEV_COUNT,
    .states = {[WORKER_FREE] = "unknown",
               [WORKER_JOINED] = "joined",
               [WORKER_READY] = "ready",
               [WORKER_DRAINING] = "draining",
               [WORKER_AWAY] = "away",
               [WORKER_GONE] = "gone"},
    .events = {[WEV_HELLO] = "hello",
               [WEV_CREDIT] = "credit",
               [WEV_DRAIN] = "drain",
               [WEV_UNROUTABLE] = "unroutable",
               [WEV_SILENT] = "silent",
               [WEV_BYE] = "bye"},
    .allows = worker_allows,
};
