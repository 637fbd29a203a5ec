/* worker_shell_setup.c - builds what a worker process consists of, and takes it
 * apart. Everything that can fail fails here, before the first HELLO. */
#include "worker/worker_shell_impl.h"

#include "common/clock.h"
#include "common/log.h"
#include "population/locate.h"
#include "rows/generator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

static enum co_err
watch(struct worker_shell *s, int fd, uint32_t tag)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = tag};

    if (fd < 0) return CO_OK;
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0) return CO_OK;
    return co_err_from_errno(errno);
}

static bool
wanted(const struct worker_config *c, const char *name)
{
    if (c->services.count == 0) return true;
    for (size_t i = 0; i < c->services.count; i++) {
        if (strcmp(c->services.items[i], name) == 0) return true;
    }
    return false;
}

static enum co_err
check_names(const struct worker_config *c, struct co_diag *diag)
{
    for (size_t i = 0; i < c->services.count; i++) {
        if (!service_find(c->services.items[i])) {
            return co_fail(diag, CO_USAGE,
                           "--services: there is no service \"%s\"; known "
                           "are noop, slow, persona.corpus, persona.compose, "
                           "persona.write",
                           c->services.items[i]);
        }
    }
    return CO_OK;
}

static void
announce(struct worker_shell *s, const struct service *v, struct lane *lane)
{
    if (s->n_services == SLOTS_SERVICES_MAX) {
        co_log(CO_LOG_WARN, "service.left_out", "service=%s why=\"too many\"",
               v->name);
        return;
    }
    if (lane) lane->service = s->n_services;
    s->services[s->n_services] = v;
    s->announced[s->n_services++] = (struct slots_service){
        .name = v->name,
        .range = v->range,
        .hint_ns = v->hint_ns,
        .provider = lane ? lane->entry->name : NULL,
        .slots = lane ? lane->in_flight : 0,
    };
}

/* Once for each provider. */
static void
announce_lanes(struct worker_shell *s, const struct service *v)
{
    uint32_t n = lanes_count(s->lanes);

    for (uint32_t i = 0; i < n; i++) {
        announce(s, v, lanes_at(s->lanes, i));
    }
    /* And without one: rows of a job with several are made by anybody, also
     * while none of them can be called. */
    if (s->providers) announce(s, v, NULL);
    /* Said where somebody wants it, not to everybody who has no providers. */
    if (n > 0 || (!s->providers && s->config->services.count == 0)) return;
    co_log(CO_LOG_WARN, "service.left_out",
           "service=%s why=\"no provider that can be called\"", v->name);
}

/* Announces what was asked for and can be served. */
static enum co_err
choose_services(struct worker_shell *s, struct co_diag *diag)
{
    enum co_err err = check_names(s->config, diag);

    if (err) return err;
    for (uint32_t i = 0; i < service_count; i++) {
        const struct service *v = service_table[i];

        if (!wanted(s->config, v->name)) continue;
        if (v->needs_model && !s->recipes) {
            co_log(CO_LOG_WARN, "service.left_out",
                   "service=%s why=\"no population model\"", v->name);
            continue;
        }
        if (v->has_lanes) {
            announce_lanes(s, v);
        } else {
            announce(s, v, NULL);
        }
    }
    if (s->n_services > 0) return CO_OK;
    return co_fail(diag, CO_INVALID,
                   "no service is left to offer: the population model is "
                   "missing; point --data at its folder");
}

/* What other workers use of these limits cannot be known. */
static void
warn_unshared(const struct worker_shell *s)
{
    for (uint32_t i = 0; i < s->providers->n; i++) {
        const struct providers_entry *e = &s->providers->entries[i];

        if (s->config->redis || !providers_has_rates(e)) continue;
        co_log(CO_LOG_WARN, "limits.unshared",
               "provider=%s why=\"without --redis limits hold for this process "
               "alone\"",
               e->name);
    }
}

/* Who may not serve persona.write needs no keys. */
static enum co_err
open_lanes(struct worker_shell *s, struct co_diag *diag)
{
    const struct worker_config *c = s->config;
    const struct worker_limits_self redis = {
        .url = c->redis,
        .ns = c->ns,
        .name = s->name,
        .insecure = c->redis_insecure,
        .id = c->limits_id ? c->limits_id : s->incarnation,
    };
    struct lanes_options options = {.in_flight = (uint32_t)c->llm_slots,
                                    .redis = c->redis ? &redis : NULL};
    enum co_err err;

    if (!c->providers || !wanted(c, "persona.write")) return CO_OK;
    err = providers_load(c->providers, &s->providers, diag);
    if (err == CO_NOTFOUND) { /* a job file of a job that needs none */
        co_log(CO_LOG_INFO, "providers.none", "file=%s",
               co_log_quote(c->providers).text);
        return CO_OK;
    }
    if (err) return err;
    warn_unshared(s);
    options.providers = s->providers;
    err = lanes_new(&options, &s->lanes, diag);
    for (uint32_t i = 0; i < lanes_count(s->lanes) && !err; i++) {
        err = watch(s, lanes_fd(s->lanes, i), WORKER_SHELL_TAG_LANE + i);
    }
    if (err || !s->lanes) return err;
    return watch(s, lanes_limits_fd(s->lanes), WORKER_SHELL_TAG_LIMITS);
}

/* One population; its absence is told, not fatal. */
static enum co_err
open_model(struct worker_shell *s, size_t i)
{
    struct co_diag why = {""};
    char path[LOCATE_PATH_BYTES];
    const char *data = s->config->data;
    enum co_err err = model_locate(data, model_names[i], path, &why);

    if (!err) err = model_open(path, &why, &s->models[i]);
    if (!err) err = prose_open(s->models[i], data, &why, &s->proses[i]);
    if (err) {
        co_log(CO_LOG_WARN, "model.missing", "population=%s why=%s",
               model_names[i], co_log_quote(why.text).text);
        return CO_OK;
    }
    if (s->recipes) return recipes_add(s->recipes, s->models[i], s->proses[i]);
    err = recipes_new(s->models[i], s->proses[i], &s->recipes);
    if (!err) s->fingerprint = population_fingerprint(data, s->proses[i]);
    return err;
}

/* Whether any service that is asked for draws from a population. */
static bool
models_needed(const struct worker_config *c)
{
    for (uint32_t i = 0; i < service_count; i++) {
        const struct service *v = service_table[i];

        if (v->needs_model && wanted(c, v->name)) return true;
    }
    return false;
}

/* Reading and checking phrases takes some 60 ms: only who needs them does. */
static enum co_err
open_models(struct worker_shell *s)
{
    enum co_err err = CO_OK;

    if (!models_needed(s->config)) return CO_OK;
    for (size_t i = 0; model_names[i] && !err; i++) {
        co_assert(i < POPULATIONS_MAX);
        err = open_model(s, i);
    }
    return err;
}

static uint32_t
all_slots(const struct slots_config *config)
{
    uint32_t n = config->slots;

    for (uint32_t i = 0; i < config->n_services; i++) {
        n += config->services[i].slots;
    }
    return n;
}

static enum co_err
open_core(struct worker_shell *s, struct co_diag *diag)
{
    const struct worker_config *c = s->config;
    const struct slots_config config = {
        .incarnation = s->incarnation,
        .fingerprint = s->fingerprint,
        .name = s->name,
        .software = CO_PROGRAM " " COHORT_VERSION,
        .services = s->announced,
        .n_services = s->n_services,
        .tags = c->tags.items,
        .n_tags = (uint32_t)c->tags.count,
        .links = s->links,
        .slots = (uint32_t)c->slots,
        .result_bytes_max = c->result_memory,
        .spill = spill_interface(s->spill),
        .assets = s->assets,
    };
    enum co_err err = slots_new(&config, &s->slots);

    if (err) {
        return co_fail(diag, err, "cannot set up: %s", co_err_text(err));
    }
    return work_new(s->slots, all_slots(&config), s->services, &s->env,
                    co_clock_us, &s->work);
}

static enum co_err
open_links(struct worker_shell *s, struct co_diag *diag)
{
    enum co_err err = worker_config_keys(s->config, &s->ring, diag);

    if (err) return err;
    s->zmq = zmq_ctx_new();
    if (!s->zmq) return CO_NOMEM;
    for (uint32_t i = 0; i < s->links && !err; i++) {
        struct sock_keys keys;

        err = sock_connect(s->zmq, s->config->brokers.items[i],
                           keyring_connect(&s->ring, i, &keys), diag,
                           &s->socks[i]);
        if (!err) {
            err = watch(s, sock_fd(s->socks[i]), WORKER_SHELL_TAG_LINK + i);
        }
    }
    return err;
}

static enum co_err
open_heartbeat(struct worker_shell *s, struct co_diag *diag)
{
    const struct worker_heartbeat_self self = {
        .url = s->config->redis,
        .ns = s->config->ns,
        .name = s->name,
        .insecure = s->config->redis_insecure,
        .incarnation = s->incarnation,
        .services = s->services_text,
        .service_table = s->announced,
        .n_services = s->n_services,
        .supervisor = s->config->supervisor,
        .version = COHORT_VERSION,
        .slots = (uint32_t)s->config->slots,
        .llm_slots = lanes_count(s->lanes) * (uint32_t)s->config->llm_slots,
    };
    enum co_err err;

    if (!s->config->redis) return CO_OK;
    for (uint32_t i = 0; i < s->n_services; i++) {
        const struct slots_service *v = &s->announced[i];
        size_t len = strlen(s->services_text);

        (void)snprintf(s->services_text + len, sizeof s->services_text - len,
                       "%s%s%s%s", i ? "," : "", v->name,
                       v->provider ? "@" : "", v->provider ? v->provider : "");
    }
    err = worker_heartbeat_new(&self, &s->heartbeat, diag);
    if (err) return err;
    return watch(s, worker_heartbeat_fd(s->heartbeat), WORKER_SHELL_TAG_REDIS);
}

static void
make_name(struct worker_shell *s)
{
    char host[65] = "";

    if (s->config->name) {
        (void)snprintf(s->name, sizeof s->name, "%s", s->config->name);
        return;
    }
    if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    (void)snprintf(s->name, sizeof s->name, "%s-%ld", host, (long)getpid());
}

static enum co_err
open_epoll(struct worker_shell *s)
{
    enum co_err err;

    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0) return co_err_from_errno(errno);
    err = watch(s, s->signals_fd, WORKER_SHELL_TAG_SIGNALS);
    if (!err) err = watch(s, s->lifeline_fd, WORKER_SHELL_TAG_LIFELINE);
    return err;
}

enum co_err
worker_shell_setup(struct worker_shell *s, struct co_diag *diag)
{
    enum co_err err;

    s->incarnation = s->config->id ? s->config->id : co_random_u64();
    s->links = (uint32_t)s->config->brokers.count;
    outbox_init(&s->out);
    make_name(s);
    err = open_epoll(s);
    if (!err) err = open_models(s);
    if (!err) err = open_lanes(s, diag);
    if (!err) err = choose_services(s, diag);
    if (!err) err = assets_new(s->incarnation, NULL, &s->assets);
    if (!err) err = parts_new(SLOTS_LINKS_MAX, &s->parts);
    if (!err) {
        err = spill_open(s->config->spill, s->config->spill_bytes, &s->spill,
                         diag);
    }
    s->env = (struct service_env){.recipes = s->recipes,
                                  .lanes = s->lanes,
                                  .fingerprint = s->fingerprint};
    if (!err) err = worker_config_traps(s->config, &s->env.traps, diag);
    if (!err) err = open_core(s, diag);
    if (!err) err = open_links(s, diag);
    if (!err) err = open_heartbeat(s, diag);
    return err;
}

void
worker_shell_release(struct worker_shell *s)
{
    worker_heartbeat_free(s->heartbeat);
    work_free(s->work); /* before what its runs use */
    lanes_free(s->lanes);
    free(s->providers);
    slots_free(s->slots);
    outbox_fini(&s->out);
    for (uint32_t i = 0; i < s->links; i++) {
        sock_free(s->socks[i]);
    }
    keyring_forget(&s->ring);
    if (s->zmq) (void)zmq_ctx_term(s->zmq);
    parts_free(s->parts);
    spill_free(s->spill);
    assets_free(s->assets);
    recipes_free(s->recipes);
    for (size_t i = 0; i < POPULATIONS_MAX; i++) {
        prose_free(s->proses[i]);
        model_free(s->models[i]);
    }
    if (s->epoll_fd >= 0) (void)close(s->epoll_fd);
}
