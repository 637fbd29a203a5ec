/* why_limits.c - which endpoints of models hold a job back. */
#include "cli/why_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Workers ask models for this service only. */
static const char asking[] = "persona.write";

/* "80 of 100 requests", of the kinds that have a limit. */
static void
rate_text(const struct endpoint_state *e, char *text, size_t size)
{
    char requests[64] = "", tokens[64] = "";

    if (e->rpm) {
        (void)snprintf(requests, sizeof requests,
                       "%" PRIu64 " of %" PRIu64 " requests", e->requests_60s,
                       e->rpm);
    }
    if (e->tpm) {
        (void)snprintf(tokens, sizeof tokens,
                       "%" PRIu64 " of %" PRIu64 " tokens", e->tokens_60s,
                       e->tpm);
    }
    (void)snprintf(text, size, "%s%s%s", requests,
                   e->rpm && e->tpm ? " and " : "", tokens);
}

static void
why_endpoint(const struct endpoint_state *e, uint64_t now_us, struct why *w)
{
    const uint64_t open_s = endpoint_state_seconds(e->open_until, now_us);
    char rates[140];

    switch (endpoint_state_hold(e, now_us)) {
    case ENDPOINT_OPEN:
        why_say(w, F_ENDPOINT_OPEN,
                "%s (%s) failed, call after call; one call tries it again in "
                "%" PRIu64 " s",
                e->provider, e->url, open_s);
        break;
    case ENDPOINT_HALF:
        why_say(
            w, F_ENDPOINT_OPEN,
            "%s (%s) failed, call after call; one call tries it again now, of "
            "%" PRIu64 " worker%s",
            e->provider, e->url, e->workers, why_s(e->workers));
        break;
    case ENDPOINT_WAITS:
        why_say(w, F_ENDPOINT_WAITS,
                "%s (%s) asked to wait: %" PRIu64 " s more", e->provider,
                e->url, endpoint_state_seconds(e->hold_until, now_us));
        break;
    case ENDPOINT_RATE:
        rate_text(e, rates, sizeof rates);
        why_say(
            w, F_ENDPOINT_RATE,
            "%s (%s): %s of a minute are used; a part stays free, so that no "
            "window of 60 s has more",
            e->provider, e->url, rates);
        break;
    case ENDPOINT_FULL:
        why_say(w, F_ENDPOINT_FULL,
                "%s (%s) takes at most %" PRIu64 " call%s at once; %" PRIu64
                " worker%s share%s them",
                e->provider, e->url, e->ceiling, why_s(e->ceiling), e->workers,
                why_s(e->workers), e->workers == 1 ? "s" : "");
        break;
    case ENDPOINT_FREE:
        break;
    }
}

/* Whether no endpoint of its provider may be called. */
static bool
all_shut(const struct limits_state *s, const char *provider)
{
    char text[ENDPOINT_STATE_TEXT];

    return endpoint_state_shut_text(s->v, s->n, provider, s->now_us, text);
}

/* What was said from `from` on goes to the front. */
static void
say_first(struct why *w, size_t from)
{
    for (size_t i = from; i < w->n; i++) {
        const struct why_finding last = w->v[i];

        memmove(&w->v[i - from + 1], &w->v[i - from], from * sizeof w->v[0]);
        w->v[i - from] = last;
    }
}

/* Whether tasks of the job wait for a provider that may not be called. */
static bool
waits_for_shut(const struct limits_state *limits, const struct fleet_state *s,
               const struct fleet_job *j)
{
    struct why_lane v[WHY_LANES_MAX];
    const size_t n = why_lanes(s, j, v);

    for (size_t i = 0; i < n; i++) {
        if (v[i].wanted && v[i].provider && all_shut(limits, v[i].provider)) {
            return true;
        }
    }
    return false;
}

/* When all endpoints of a provider are shut, that is why: what the coordinator
 * says, which has published all it has, is only what follows from it. One that
 * is away while its fallback writes holds nothing up. */
void
why_of_limits(const struct limits_state *limits, const struct fleet_state *s,
              const struct fleet_job *j, struct why *why)
{
    const size_t before = why->n;

    if (!fleet_job_runs(j) ||
        strncmp(j->service, asking, strlen(asking)) != 0) {
        return;
    }
    for (size_t i = 0; i < limits->n; i++) {
        why_endpoint(&limits->v[i], limits->now_us, why);
    }
    if (before && why->v[0].level != WHY_PROBLEM &&
        waits_for_shut(limits, s, j)) {
        say_first(why, before);
    }
}
