/* cohort-scaler: does outside this host what the scaler wishes for.
 *   kubernetes   sets the replicas of a Deployment or StatefulSet
 *   exec         runs a command of the user's
 * The wish is read from scale:SERVICE once a second; the scaler itself runs in
 * a coordinator. That is two programs on purpose: only this one needs the right
 * to change the cluster, and a script that hangs holds nothing else up. */
#include "common/clock.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/redis.h"
#include "common/signals.h"
#include "scaler/actor.h"
#include "scaler/actor_config.h"
#include "scaler/command.h"
#include "scaler/kube.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 1000, REDIS_MS = 3000 };

struct program {
    struct actor_config cfg;
    struct kube_target target;
    struct kube *kube;      /* kubernetes */
    struct command command; /* exec */
    struct co_redis_client *client;
    struct actor actor;
    int signals_fd;
    bool stop, away; /* away: Redis did not answer last time */
    char reason[160];
    char error[300];
};

/* ---- Redis ---- */

static void
hang_up(struct program *p, const struct co_diag *diag)
{
    if (!p->away) {
        co_log(CO_LOG_WARN, "redis.down", "why=%s",
               co_log_quote(diag->text).text);
    }
    p->away = true;
    co_redis_close(co_take(&p->client));
}

/* One command; NULL: Redis is away or refuses it. */
static struct co_redis_reply *
call(struct program *p, int argc, const char *const *argv)
{
    struct co_redis_reply *reply = NULL;
    struct co_diag diag = {""};
    enum co_err err = CO_OK;

    if (!p->client) {
        err = co_redis_connect(p->cfg.redis, p->cfg.redis_insecure, REDIS_MS,
                               &p->client, &diag);
    }
    if (!err) {
        err =
            co_redis_call(p->client, argc, argv, NULL, REDIS_MS, &reply, &diag);
    }
    if (err) {
        hang_up(p, &diag);
        return NULL;
    }
    p->away = false;
    if (reply->type != CO_REDIS_ERROR) return reply;
    co_log(CO_LOG_WARN, "redis.refused", "why=%s",
           co_log_quote(reply->text).text);
    co_redis_reply_free(reply);
    return NULL;
}

static const char *
text_at(const struct co_redis_reply *r, size_t i)
{
    if (r->type != CO_REDIS_ARRAY || i >= r->count) return "";
    return r->elements[i].type == CO_REDIS_TEXT ? r->elements[i].text : "";
}

/* Nothing there: the scaler has not spoken, or Redis was emptied and it will
 * again. What runs stays as it is. */
static void
hear(struct program *p)
{
    char key[CO_KEY_BYTES];
    const char *argv[] = {"HMGET", NULL, "number", "desired", "reason"};
    struct co_redis_reply *reply;
    uint64_t wanted;

    argv[1] = co_key(CO_KEY_SCALE, p->cfg.name_space, p->cfg.service, key);
    reply = call(p, (int)co_countof(argv), argv);
    if (reply && text_at(reply, 0)[0] && text_at(reply, 1)[0]) {
        wanted = strtoull(text_at(reply, 1), NULL, 10);
        wanted = co_clamp_u64(wanted, p->cfg.min, p->cfg.max);
        (void)snprintf(p->reason, sizeof p->reason, "%s", text_at(reply, 2));
        (void)actor_hear(&p->actor, strtoull(text_at(reply, 0), NULL, 10),
                         (uint32_t)wanted, co_clock_ms());
    }
    co_redis_reply_free(reply);
}

/* actor:SERVICE: what came of it, for whoever asks why nothing happens. */
static void
tell(struct program *p)
{
    const struct actor *a = &p->actor;
    char key[CO_KEY_BYTES], wanted[16], applied[16], failures[24], at[24];
    char ttl[12];
    const char *set[] = {"HSET",     NULL,     "kind",    p->cfg.actor,
                         "wanted",   wanted,   "applied", applied,
                         "failures", failures, "error",   p->error,
                         "at",       at};
    const char *expire[] = {"EXPIRE", NULL, ttl};

    set[1] = expire[1] =
        co_key(CO_KEY_ACTOR, p->cfg.name_space, p->cfg.service, key);
    (void)snprintf(wanted, sizeof wanted, "%u", a->wanted);
    (void)snprintf(applied, sizeof applied, "%u", a->applied);
    if (!a->is_applied) applied[0] = '\0';
    (void)snprintf(failures, sizeof failures, "%" PRIu64, a->failures);
    (void)snprintf(at, sizeof at, "%" PRId64, co_clock_wall_ms());
    (void)snprintf(ttl, sizeof ttl, "%d", (int)CO_KEY_TTL_S);
    co_redis_reply_free(call(p, (int)co_countof(set), set));
    if (p->client) co_redis_reply_free(call(p, 3, expire));
}

/* ---- acting ---- */

static enum co_err
act(struct program *p, bool *ret_changed, struct co_diag *diag)
{
    const struct command_wish wish = {.service = p->cfg.service,
                                      .reason = p->reason,
                                      .desired = p->actor.wanted};

    if (p->kube) return kube_scale(p->kube, p->actor.wanted, ret_changed, diag);
    /* A command is not run again for what it has done already. */
    *ret_changed = !p->actor.is_applied || p->actor.applied != p->actor.wanted;
    return *ret_changed ? command_run(&p->command, &wish, diag) : CO_OK;
}

static void
act_if_due(struct program *p)
{
    struct co_diag diag = {""};
    bool changed = false;
    enum co_err err;

    if (!actor_due(&p->actor, co_clock_ms())) return;
    err = act(p, &changed, &diag);
    actor_done(&p->actor, err == CO_OK, co_clock_ms());
    (void)snprintf(p->error, sizeof p->error, "%.299s", err ? diag.text : "");
    if (err) {
        co_log(CO_LOG_WARN, "actor.failed",
               "service=%s wanted=%u failures=%" PRIu64 " why=%s",
               p->cfg.service, p->actor.wanted, p->actor.failures,
               co_log_quote(diag.text).text);
    } else if (changed) {
        co_log(CO_LOG_INFO, "actor.applied", "service=%s replicas=%u why=%s",
               p->cfg.service, p->actor.wanted, co_log_quote(p->reason).text);
    }
}

static void
wait_a_second(struct program *p)
{
    struct pollfd fd = {.fd = p->signals_fd, .events = POLLIN};
    int sig;

    (void)poll(&fd, 1, LOOK_MS);
    while ((sig = co_signals_next(p->signals_fd)) != 0) {
        if (sig == SIGTERM || sig == SIGINT) p->stop = true;
    }
}

/* ---- the program ---- */

static enum co_err
start(struct program *p, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    actor_init(&p->actor);
    if (strcmp(p->cfg.actor, "kubernetes") == 0) {
        p->target = actor_config_target(&p->cfg);
        err = kube_new(&p->target, &p->kube, diag);
    } else {
        p->command = (struct command){
            .argv = p->cfg.command, .timeout_ms = (uint32_t)p->cfg.timeout_ms};
    }
    if (!err) {
        err = co_log_open("scaler", (enum co_log_level)p->cfg.log_level, NULL,
                          diag);
    }
    return err ? err : co_signals_open(&p->signals_fd);
}

static enum co_err
run(int argc, char **argv, struct co_diag *diag)
{
    struct program p = {.signals_fd = -1};
    struct co_options *options = NULL;
    enum co_err err = actor_config_load(argc, argv, &p.cfg, &options, diag);

    if (!err && !co_options_answer(options)) {
        err = actor_config_check(&p.cfg, options, diag);
        if (!err) err = start(&p, diag);
        if (!err) {
            co_log(CO_LOG_INFO, "actor.started", "kind=%s service=%s",
                   p.cfg.actor, p.cfg.service);
        }
        while (!err && !p.stop) {
            hear(&p);
            act_if_due(&p);
            tell(&p);
            wait_a_second(&p);
        }
    }
    co_redis_close(p.client);
    kube_free(p.kube);
    co_signals_close(&p.signals_fd);
    co_log_close();
    co_options_free(options);
    return err;
}

int
main(int argc, char **argv)
{
    struct co_diag diag = {""};
    enum co_err err = run(argc, argv, &diag);

    if (err == CO_INVALID) err = CO_USAGE;
    return co_exit_status(CO_PROGRAM "-scaler", err, &diag);
}
