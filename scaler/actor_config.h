/* actor_config.h - the options of cohort-scaler, from one table. */
#pragma once
#include "common/options.h"
#include "scaler/kube.h"

struct actor_config {
    const char *actor;          /* "kubernetes" or "exec": the first argument */
    const char *const *command; /* exec: the others, ended by NULL */
    const char *redis, *name_space, *service;
    bool redis_insecure;
    uint64_t min, max;   /* whatever is wished for */
    uint64_t timeout_ms; /* of a request, of a command */
    const char *api, *target, *kube_namespace, *token_file, *ca_file;
    int log_level;
    char kind[32], name[256]; /* of target, split */
    char in_cluster_api[300], in_cluster_namespace[256];
};

/* CO_USAGE with a message. *ret_options owns the strings of config. */
co_must_use enum co_err actor_config_load(int argc, char *const *argv,
                                          struct actor_config *config,
                                          struct co_options **ret_options,
                                          struct co_diag *diag);
/* What the parser cannot check, and what a pod knows by itself. */
co_must_use enum co_err actor_config_check(struct actor_config *config,
                                           const struct co_options *options,
                                           struct co_diag *diag);
/* The config must outlive it. */
struct kube_target actor_config_target(const struct actor_config *config);
