/* worker_shell_impl.h - the worker shell's parts, for its own files only. */
#pragma once
#include "common/log.h"
#include "proto/parts.h"
#include "proto/socket.h"
#include "worker/assets.h"
#include "worker/lanes.h"
#include "worker/recipes.h"
#include "worker/spill.h"
#include "worker/work.h"
#include "worker/worker_heartbeat.h"
#include "worker/worker_shell.h"

/* What an epoll event is about. */
enum worker_shell_tag {
    WORKER_SHELL_TAG_SIGNALS,
    WORKER_SHELL_TAG_LIFELINE,
    WORKER_SHELL_TAG_REDIS,
    WORKER_SHELL_TAG_LIMITS,
    WORKER_SHELL_TAG_LINK, /* + its number */
    WORKER_SHELL_TAG_LANE = WORKER_SHELL_TAG_LINK + SLOTS_LINKS_MAX /* + same */
};

enum { POPULATIONS_MAX = 8 };

struct worker_shell {
    const struct worker_config *config;
    char name[NAME_BYTES_MAX];
    uint64_t incarnation, fingerprint;

    const struct service *services[SLOTS_SERVICES_MAX]; /* those announced */
    struct slots_service announced[SLOTS_SERVICES_MAX];
    uint32_t n_services;
    struct service_env env;
    char services_text[2048];

    /* Of each population that this machine has, in the order of
     * model_names; NULL where it has none. */
    struct model *models[POPULATIONS_MAX];
    struct prose *proses[POPULATIONS_MAX];
    struct recipes *recipes;
    struct providers *providers; /* NULL: none given */
    struct lanes *lanes;         /* NULL: likewise */
    struct assets *assets;
    struct spill *spill;
    struct slots *slots;
    struct work *work;
    struct worker_heartbeat *heartbeat; /* NULL: no Redis */

    void *zmq;
    struct keyring ring;
    struct sock *socks[SLOTS_LINKS_MAX];
    bool greet[SLOTS_LINKS_MAX]; /* a HELLO could not be sent */
    int64_t greeted_us;          /* last try to make up for it */
    uint32_t links;
    struct parts *parts;
    uint64_t part_number; /* of the last message that went as PARTs */
    struct msg_reader reader;
    struct outbox out;

    int epoll_fd, signals_fd, lifeline_fd;
    uint32_t limit; /* of the scaler; 0: none */
    int signals;    /* TERM or INT so far */
    int64_t now_us, beat_us, drain_until_us;
    int64_t cpu_us;
    bool busy;    /* there is work to go on with at once */
    bool leave;   /* end the loop */
    bool flushed; /* what waits to be sent was flushed already */
    uint64_t malformed, unsent;
    struct co_log_limit unwelcome_limit;
};

/* worker_shell_setup.c */
co_must_use enum co_err worker_shell_setup(struct worker_shell *s,
                                           struct co_diag *diag);
void worker_shell_release(struct worker_shell *s);
/* worker_shell_io.c: messages in and out. */
void worker_shell_read(struct worker_shell *s);
void worker_shell_send(struct worker_shell *s);
/* Whether a link has messages that were not read. */
bool worker_shell_unread(const struct worker_shell *s);
/* Whether a HELLO could not be sent and is to be tried again. */
bool worker_shell_ungreeted(const struct worker_shell *s);
static inline bool
worker_shell_backlog(const struct worker_shell *s)
{
    return s->out.n > 0;
}
