/* fleet_limits.c - see fleet_limits.h. */
#include "cli/fleet_limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* "open 20 s": what holds calls back, and for how long. */
static void
state_text(const struct endpoint_state *e, uint64_t now_us, char *text,
           size_t size)
{
    switch (endpoint_state_hold(e, now_us)) {
    case ENDPOINT_OPEN:
        (void)snprintf(text, size, "open %" PRIu64 " s",
                       endpoint_state_seconds(e->open_until, now_us));
        return;
    case ENDPOINT_HALF:
        (void)snprintf(text, size, "half-open");
        return;
    case ENDPOINT_WAITS:
        (void)snprintf(text, size, "waits %" PRIu64 " s",
                       endpoint_state_seconds(e->hold_until, now_us));
        return;
    case ENDPOINT_RATE:
        (void)snprintf(text, size, "rate used");
        return;
    case ENDPOINT_FULL:
        (void)snprintf(text, size, "full");
        return;
    case ENDPOINT_FREE:
        (void)snprintf(text, size, "closed");
        return;
    }
}

static uint64_t
limit_of(uint64_t n)
{
    return n ? n : FLEET_NO_RATE;
}

static void
take(const struct endpoint_state *e, uint64_t now_us, struct fleet_endpoint *to)
{
    *to = (struct fleet_endpoint){.held = e->held,
                                  .ceiling = e->ceiling,
                                  .requests = e->requests_60s,
                                  .rpm = limit_of(e->rpm),
                                  .tokens = e->tokens_60s,
                                  .tpm = limit_of(e->tpm),
                                  .latency_us = e->latency_us,
                                  .calls = e->calls,
                                  .refusals = e->refusals,
                                  .errors = e->errors,
                                  .workers = e->workers,
                                  .shut = endpoint_state_is_shut(e, now_us)};
    (void)snprintf(to->id, sizeof to->id, "%s", e->id);
    (void)snprintf(to->provider, sizeof to->provider, "%s", e->provider);
    (void)snprintf(to->url, sizeof to->url, "%s", e->url);
    state_text(e, now_us, to->state, sizeof to->state);
}

enum co_err
fleet_limits_take(const struct limits_state *limits, struct fleet_state *state)
{
    struct fleet_endpoint *v = calloc(limits->n + 1, sizeof *v);

    if (!v) return CO_NOMEM;
    for (size_t i = 0; i < limits->n; i++) {
        take(&limits->v[i], limits->now_us, &v[i]);
    }
    state->endpoints.v = v;
    state->endpoints.n = state->endpoints.all = limits->n;
    return CO_OK;
}

enum co_err
fleet_limits_read(struct co_redis_client *client, struct fleet_state *state,
                  struct co_diag *diag)
{
    struct limits_state *limits = calloc(1, sizeof *limits);
    enum co_err err =
        limits ? limits_state_read(client, limits, diag) : CO_NOMEM;

    if (!err) err = fleet_limits_take(limits, state);
    free(limits);
    return err == CO_NOMEM ? co_fail(diag, err, "out of memory") : err;
}
