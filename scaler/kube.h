/* kube.h - the scale subresource of something in Kubernetes: a Deployment, a
 * StatefulSet. The one module that includes curl. Blocking, one thread. */
#pragma once
#include "common/err.h"

struct kube_target {
    const char *api;        /* https://HOST:PORT; http only on this host */
    const char *name_space; /* of Kubernetes */
    const char *kind;       /* "deployments" or "statefulsets" */
    const char *name;
    const char *token_file; /* read anew each time: tokens rotate. NULL: none */
    const char *ca_file;    /* NULL: those of the system */
    uint32_t timeout_ms;    /* of one request */
};

struct kube; /* opaque */

/* CO_INVALID: a part of the target is malformed; CO_DENIED: a token would
 * cross a network in the clear. The target is borrowed. */
co_must_use enum co_err kube_new(const struct kube_target *target,
                                 struct kube **ret_kube, struct co_diag *diag);
void kube_free(struct kube *k);
CO_DEFINE_FREEP(struct kube, kube_free)
/* Asks how many replicas are wanted there, and changes that when it is another
 * number. *ret_changed says whether it did. CO_UNAVAILABLE, CO_TIMEOUT: no
 * answer; CO_DENIED, CO_NOTFOUND, CO_PROTOCOL: the answer; diag has it. */
co_must_use enum co_err kube_scale(struct kube *k, uint32_t replicas,
                                   bool *ret_changed, struct co_diag *diag);
