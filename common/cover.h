/* cover.h - which pairs of state and event a run went through: told by the one
 * writer of each state in the build that the simulator watches
 * (COHORT_PLANTED_BUGS), gone in every other. */
#pragma once

enum cover_table_id {
    COVER_BROKER_TASK,   /* broker/tasks.c */
    COVER_BROKER_WORKER, /* broker/peers.c */
    COVER_WORKER_TASK,   /* worker/slots_held.c */
    COVER_WORKER_RESULT, /* worker/slots_results.c */
    COVER_WORKER_LINK,   /* worker/slots_link.c */
    COVER_ENGINE_TASK,   /* coordinator/engine_tasks.c; events: new states */
    COVER_TABLES
};

#ifdef COHORT_PLANTED_BUGS
/* Belongs to the simulator's one thread. */
void co_seen(enum cover_table_id table, unsigned state, unsigned event);
#define CO_SEEN(table, state, event) co_seen(COVER_##table, state, event)
#else
#define CO_SEEN(table, state, event) ((void)0)
#endif
