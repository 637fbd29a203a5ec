/* shell_impl.h - the worker shell's parts, for its own files only. */
#pragma once
#include "proto/parts.h"
#include "proto/socket.h"
#include "worker/assets.h"
#include "worker/heartbeat.h"
#include "worker/recipes.h"
#include "worker/shell.h"
#include "worker/spill.h"
#include "worker/work.h"

/* What an epoll event is about. */
enum shell_tag {
    SHELL_TAG_SIGNALS,
    SHELL_TAG_LIFELINE,
    SHELL_TAG_REDIS,
    SHELL_TAG_LINK /* + number of the link */
};

struct shell {
    const struct worker_config *config;
    char name[NAME_BYTES_MAX];
    uint64_t incarnation, fingerprint;

    const struct service *services[SLOTS_SERVICES_MAX]; /* those announced */
    struct slots_service announced[SLOTS_SERVICES_MAX];
    uint32_t n_services;
    struct service_env env;
    char services_text[512];

    struct model *model;
    struct recipes *recipes;
    struct assets *assets;
    struct spill *spill;
    struct slots *slots;
    struct work *work;
    struct heartbeat *heartbeat; /* NULL: no Redis */

    void *zmq;
    struct sock *socks[SLOTS_LINKS_MAX];
    bool greet[SLOTS_LINKS_MAX]; /* a HELLO could not be sent */
    int64_t greeted_us;          /* last try to make up for it */
    uint32_t links;
    struct parts *parts;
    struct msg_reader reader;
    struct outbox out;

    int epoll_fd, signals_fd, lifeline_fd;
    int signals; /* TERM or INT so far */
    int64_t now_us, beat_us, drain_until_us;
    int64_t cpu_us;
    bool busy;    /* there is work to go on with at once */
    bool leave;   /* end the loop */
    bool flushed; /* what waits to be sent was flushed already */
    uint64_t malformed, unsent;
};

/* shell_setup.c */
co_must_use enum co_err shell_setup(struct shell *s, struct co_diag *diag);
void shell_release(struct shell *s);
/* shell_io.c: messages in and out. */
void shell_read(struct shell *s);
void shell_send(struct shell *s);
/* Whether a link has messages that were not read. */
bool shell_unread(const struct shell *s);
static inline bool
shell_backlog(const struct shell *s)
{
    return s->out.n > 0;
}
