/* link.c - see link.h. */
#include "coordinator/link.h"

enum {
    GREET_AGAIN_MS = 250,
    BEAT_DEFAULT_MS = 1000,
    DEAD_DEFAULT_MS = 5000,
};

void
link_init(struct link *l, unsigned peer, const struct link_identity *self)
{
    *l = (struct link){.state = LINK_DOWN,
                       .peer = peer,
                       .self = self,
                       .beat_ms = BEAT_DEFAULT_MS,
                       .dead_ms = DEAD_DEFAULT_MS,
                       .greeted_ms = INT64_MIN / 2};
}

const char *
link_state_name(enum link_state state)
{
    static const char *const names[LINK_STATE_COUNT] = {
        [LINK_DOWN] = "down",
        [LINK_ATTACHING] = "attaching",
        [LINK_READY] = "ready",
        [LINK_REFUSED] = "refused",
    };

    return names[state];
}

static void
link_send(const struct link *l, const struct msg *m, struct outbox *out)
{
    outbox_push(out, 0, l->peer, m, (struct co_bytes){0});
}

static void
link_greet(struct link *l, int64_t now_ms, struct outbox *out)
{
    const struct link_identity *self = l->self;
    struct msg m = {.type = MSG_hello,
                    .hello = {.version = PROTO_VERSION,
                              .role = ROLE_COORDINATOR,
                              .incarnation = self->incarnation,
                              .name = msg_text(self->name),
                              .software = msg_text(self->software)}};

    l->greeted_ms = now_ms;
    link_send(l, &m, out);
}

static void
link_attach(struct link *l, struct outbox *out)
{
    const struct link_identity *self = l->self;
    struct msg m = {.type = MSG_attach,
                    .attach = {.job = self->job,
                               .owner = self->owner,
                               .service = msg_text(self->service),
                               .priority = self->priority,
                               .fingerprint = self->fingerprint,
                               .name = msg_text(self->job_name),
                               .provider = msg_text(self->provider)}};

    l->state = LINK_ATTACHING;
    link_send(l, &m, out);
}

void
link_compare(struct link *l, struct outbox *out)
{
    if (l->state == LINK_READY) link_attach(l, out);
}

static enum link_verdict
link_on_welcome(struct link *l, const struct msg_welcome *w, struct outbox *out)
{
    bool begun = l->state != LINK_DOWN;

    if (l->state == LINK_ATTACHING && l->broker == w->incarnation) {
        return LINK_HANDLED; /* the answer to a repeated greeting */
    }
    l->broker = w->incarnation;
    l->beat_ms = w->beat_ms ? w->beat_ms : BEAT_DEFAULT_MS;
    l->dead_ms = w->dead_ms > l->beat_ms ? w->dead_ms : 5 * l->beat_ms;
    l->part_max = w->part_max;
    link_attach(l, out);
    return begun ? LINK_LOST : LINK_HANDLED;
}

static enum link_verdict
link_on_refused(struct link *l, const struct msg_refused *r)
{
    if (msg_str_is(r->code, "STALE") && r->job == l->self->job) {
        l->state = LINK_REFUSED;
        return LINK_STALE;
    }
    return l->state == LINK_READY ? LINK_PASS : LINK_HANDLED;
}

enum link_verdict
link_on_message(struct link *l, const struct msg *m, int64_t now_ms,
                struct outbox *out)
{
    bool begun = l->state != LINK_DOWN;

    if (l->state == LINK_REFUSED) return LINK_HANDLED;
    l->heard_ms = now_ms;
    switch ((int)m->type) {
    case MSG_welcome:
        return link_on_welcome(l, &m->welcome, out);
    case MSG_who:
        l->state = LINK_DOWN;
        link_greet(l, now_ms, out);
        return begun ? LINK_LOST : LINK_HANDLED;
    case MSG_attached:
        if (l->state != LINK_ATTACHING || m->attached.job != l->self->job) {
            return LINK_HANDLED;
        }
        l->state = LINK_READY;
        return LINK_ATTACHED;
    case MSG_refused:
        return link_on_refused(l, &m->refused);
    case MSG_part: /* not whole yet, but the broker lives */
    case MSG_beat:
        return LINK_HANDLED;
    default:
        /* Inventory pages come before ATTACHED. */
        return l->state == LINK_DOWN ? LINK_HANDLED : LINK_PASS;
    }
}

bool
link_tick(struct link *l, int64_t now_ms, struct outbox *out)
{
    if (l->state == LINK_REFUSED) return false;
    if (l->state != LINK_DOWN && now_ms - l->heard_ms > l->dead_ms) {
        l->state = LINK_DOWN;
        l->greeted_ms = now_ms - GREET_AGAIN_MS;
        return true;
    }
    if (l->state == LINK_DOWN) {
        if (now_ms - l->greeted_ms >= GREET_AGAIN_MS) {
            link_greet(l, now_ms, out);
        }
    } else if (now_ms - l->beat_sent_ms >= l->beat_ms) {
        struct msg beat = {.type = MSG_beat};

        l->beat_sent_ms = now_ms;
        link_send(l, &beat, out);
    }
    return false;
}

void
link_detach(struct link *l, struct outbox *out)
{
    struct msg m = {.type = MSG_detach,
                    .detach = {.job = l->self->job, .owner = l->self->owner}};

    if (l->state == LINK_READY) link_send(l, &m, out);
}

void
link_bye(struct link *l, struct outbox *out)
{
    struct msg m = {.type = MSG_bye};

    if (l->state != LINK_DOWN) link_send(l, &m, out);
}
