/* actor_config.c - see actor_config.h. */
#include "scaler/actor_config.h"

#include "common/buf.h"
#include "common/fs.h"
#include "common/program_options.h"
#include "common/redis.h"
#include "scaler/command.h"
#include "scaler/scaler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef COHORT_VERSION
#error "COHORT_VERSION is defined by scaler/CMakeLists.txt"
#endif

#define FIELD(name) offsetof(struct actor_config, name)
#define POD "/var/run/secrets/kubernetes.io/serviceaccount/"

static const struct co_option table[] = {
    CO_REDIS_OPTIONS(FIELD(redis), FIELD(redis_insecure),
                     "where the scaler's wish stands"),
    CO_NAMESPACE_OPTION(FIELD(name_space)),
    {.name = "service",
     .type = CO_OPTION_STRING,
     .offset = FIELD(service),
     .min = 1,
     .max = 250,
     .placeholder = "NAME",
     .help = "the service whose workers these are"},
    {.name = "min",
     .type = CO_OPTION_U64,
     .offset = FIELD(min),
     .def = "0",
     .max = SCALER_MAX,
     .help = "never fewer than these, whatever is wished for"},
    {.name = "max",
     .type = CO_OPTION_U64,
     .offset = FIELD(max),
     .def = "1000",
     .min = 1,
     .max = SCALER_MAX,
     .help = "never more than these, whatever is wished for"},
    {.name = "timeout",
     .type = CO_OPTION_DURATION,
     .offset = FIELD(timeout_ms),
     .def = "10s",
     .min = 100,
     .max = 600000,
     .help = "a request or command that takes longer has failed"},
    {.name = "target",
     .type = CO_OPTION_STRING,
     .offset = FIELD(target),
     .placeholder = "KIND/NAME",
     .help = "kubernetes: deployment/NAME or statefulset/NAME"},
    {.name = "kube-namespace",
     .type = CO_OPTION_STRING,
     .offset = FIELD(kube_namespace),
     .placeholder = "NAME",
     .help = "kubernetes: of the target (default: the pod's own)"},
    {.name = "api",
     .type = CO_OPTION_STRING,
     .offset = FIELD(api),
     .placeholder = "URL",
     .help = "kubernetes: address of the API (default: that of the cluster "
             "this runs in)"},
    {.name = "token-file",
     .type = CO_OPTION_STRING,
     .offset = FIELD(token_file),
     .placeholder = "FILE",
     .help = "kubernetes: bearer token, read anew each time (default: the "
             "pod's own)"},
    {.name = "ca-file",
     .type = CO_OPTION_STRING,
     .offset = FIELD(ca_file),
     .placeholder = "FILE",
     .help = "kubernetes: certificate authority of the API (default: the "
             "pod's own)"},
    CO_LOG_LEVEL_OPTION(FIELD(log_level)),
};

static const struct co_options_spec spec = {
    .program = CO_PROGRAM "-scaler",
    .usage = "[OPTIONS] kubernetes\n       " CO_PROGRAM
             "-scaler [OPTIONS] exec -- COMMAND [ARGS]",
    .about = "Makes as many workers as the scaler wishes for, outside this "
             "host: by setting the replicas of a Deployment, or by a command "
             "that finds COHORT_DESIRED in its environment ({desired} and "
             "{service} in its arguments are replaced).",
    .version = CO_PROGRAM "-scaler " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 1,
    .args_max = COMMAND_ARGS_MAX,
};

enum co_err
actor_config_load(int argc, char *const *argv, struct actor_config *config,
                  struct co_options **ret_options, struct co_diag *diag)
{
    return co_options_parse(&spec, argc, argv, config, ret_options, diag);
}

/* "deployment/NAME" becomes "deployments" and "NAME". */
static enum co_err
split_target(struct actor_config *c, struct co_diag *diag)
{
    const char *slash = c->target ? strchr(c->target, '/') : NULL;

    if (!slash || strlen(slash + 1) >= sizeof c->name ||
        slash - c->target > 20) {
        return co_fail(diag, CO_USAGE,
                       "--target: found \"%s\"; allowed is deployment/NAME or "
                       "statefulset/NAME",
                       c->target ? c->target : "");
    }
    (void)snprintf(c->kind, sizeof c->kind, "%.*ss", (int)(slash - c->target),
                   c->target);
    (void)snprintf(c->name, sizeof c->name, "%s", slash + 1);
    return CO_OK;
}

/* What every pod finds about its cluster, where no option says otherwise. */
static void
fill_from_pod(struct actor_config *c)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    struct co_buf text;

    if (!c->api && host && port) {
        bool v6 = strchr(host, ':') != NULL;

        (void)snprintf(c->in_cluster_api, sizeof c->in_cluster_api,
                       "https://%s%.200s%s:%.10s", v6 ? "[" : "", host,
                       v6 ? "]" : "", port);
        c->api = c->in_cluster_api;
    }
    if (!c->token_file && access(POD "token", R_OK) == 0) {
        c->token_file = POD "token";
    }
    if (!c->ca_file && access(POD "ca.crt", R_OK) == 0) {
        c->ca_file = POD "ca.crt";
    }
    if (c->kube_namespace) return;
    co_buf_init(&text, 4 * sizeof c->in_cluster_namespace);
    if (co_fs_read_file(POD "namespace", sizeof c->in_cluster_namespace - 1,
                        &text, NULL) == CO_OK) {
        const char *name = co_buf_text(&text);

        (void)snprintf(c->in_cluster_namespace, sizeof c->in_cluster_namespace,
                       "%.*s", (int)strcspn(name, "\r\n"), name);
        c->kube_namespace = c->in_cluster_namespace;
    } else {
        c->kube_namespace = "default";
    }
    co_buf_fini(&text);
}

static enum co_err
check_actor(struct actor_config *c, const struct co_options *options,
            struct co_diag *diag)
{
    static const char *words[COMMAND_ARGS_MAX + 1]; /* one program, one use */
    size_t n = co_options_arg_count(options);

    c->actor = co_options_arg(options, 0);
    if (strcmp(c->actor, "kubernetes") == 0) {
        enum co_err err = split_target(c, diag);

        fill_from_pod(c);
        if (!err && !c->api) {
            err = co_fail(diag, CO_USAGE,
                          "this runs in no cluster: give its --api URL");
        }
        return err;
    }
    if (strcmp(c->actor, "exec") != 0 || n < 2) {
        return co_fail(diag, CO_USAGE,
                       "found \"%s\"; allowed is `kubernetes`, or `exec` with "
                       "a command behind it",
                       c->actor);
    }
    for (size_t i = 1; i < n; i++) {
        words[i - 1] = co_options_arg(options, i);
    }
    words[n - 1] = NULL;
    c->command = words;
    return CO_OK;
}

enum co_err
actor_config_check(struct actor_config *config,
                   const struct co_options *options, struct co_diag *diag)
{
    struct co_redis_url url;
    enum co_err err;

    if (!config->redis || !config->service) {
        return co_fail(diag, CO_USAGE,
                       "--redis URL and --service NAME are needed: the wish "
                       "stands in Redis, one for each service");
    }
    if (config->min > config->max) {
        return co_fail(diag, CO_USAGE, "--min is larger than --max");
    }
    /* said now: trying again would not mend it */
    err = co_redis_url_parse(config->redis, &url, diag);
    if (!err) err = co_redis_url_allowed(&url, config->redis_insecure, diag);
    if (err) return CO_USAGE;
    return check_actor(config, options, diag);
}

struct kube_target
actor_config_target(const struct actor_config *config)
{
    return (struct kube_target){.api = config->api,
                                .name_space = config->kube_namespace,
                                .kind = config->kind,
                                .name = config->name,
                                .token_file = config->token_file,
                                .ca_file = config->ca_file,
                                .timeout_ms = (uint32_t)config->timeout_ms};
}
