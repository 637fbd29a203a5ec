/* link.h - an owner's connection to one broker: greeting, attaching, beats.
 * Pure: messages and time come in, messages go out through an outbox. What a
 * broker says about tasks is not handled here; link_on_message tells the
 * caller which messages the engine should see. Belongs to one loop. */
#pragma once
#include "proto/outbox.h"

enum link_state {
    LINK_DOWN,      /* nothing heard for too long; greeting again */
    LINK_ATTACHING, /* known to the broker, the job not yet accepted */
    LINK_READY,     /* the job is attached: tasks may flow */
    LINK_REFUSED,   /* a newer owner holds the job: final */
    LINK_STATE_COUNT
};

/* What the caller has to do after a message. */
enum link_verdict {
    LINK_HANDLED,  /* nothing */
    LINK_PASS,     /* give it to the engine */
    LINK_ATTACHED, /* the job is attached now; m->attached has the details */
    LINK_LOST,     /* the broker forgot us: the engine's link is down, also
                    * when ATTACHED was not there yet: INVENTORY may have been */
    LINK_STALE,    /* a newer owner exists: stop */
};

/* What we say of ourselves and the job; texts are borrowed. */
struct link_identity {
    uint64_t incarnation;
    const char *name;
    const char *software;
    uint64_t job;
    uint32_t owner;
    const char *job_name;
    const char *service;
    const char *provider; /* NULL or "": none */
    uint32_t priority;
    uint64_t fingerprint;
};

struct link {
    enum link_state state;
    unsigned peer; /* what this link is called in the outbox; side 0 */
    const struct link_identity *self;
    uint64_t broker; /* incarnation of the broker, 0 = never heard */
    uint32_t beat_ms, dead_ms;
    uint32_t part_max; /* larger messages go as PARTs; 0: no WELCOME yet */
    int64_t heard_ms, greeted_ms, beat_sent_ms;
};

void link_init(struct link *l, unsigned peer, const struct link_identity *self);
/* Any message from the broker. */
enum link_verdict link_on_message(struct link *l, const struct msg *m,
                                  int64_t now_ms, struct outbox *out);
/* Greets, beats and notices silence. True when the link just went down. */
bool link_tick(struct link *l, int64_t now_ms, struct outbox *out);
/* Attaches again on a ready link: the broker answers with all that it knows of
 * the job, then ATTACHED. */
void link_compare(struct link *l, struct outbox *out);
/* The job is over: tells the broker, if it is there. */
void link_detach(struct link *l, struct outbox *out);
/* Leaves without ending the job: the broker keeps its tasks. */
void link_bye(struct link *l, struct outbox *out);
const char *link_state_name(enum link_state state);
