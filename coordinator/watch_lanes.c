/* watch_lanes.c - see watch_lanes.h. */
#include "coordinator/watch_lanes.h"

#include <stdio.h>
#include <string.h>

static void
add(struct watch_lanes *lanes, const char *service, const char *provider)
{
    struct watch_lane *lane = &lanes->v[lanes->n++];
    const size_t used = strlen(lanes->names);

    (void)snprintf(lane->service, sizeof lane->service, "%.48s%s%.40s", service,
                   provider[0] ? "@" : "", provider);
    lane->provider = strchr(lane->service, '@');
    if (lane->provider) lane->provider++;
    (void)snprintf(lanes->names + used, sizeof lanes->names - used, "%s%s",
                   used ? "," : "", lane->service);
}

void
watch_lanes_init(struct watch_lanes *lanes, const char *service,
                 const char *const *providers, uint32_t n)
{
    memset(lanes, 0, sizeof *lanes);
    for (uint32_t i = 0; i < n && i < KIND_LANES_MAX; i++) {
        add(lanes, service, providers[i]);
    }
    if (!lanes->n) add(lanes, service, "");
    lanes->v[0].permille = KIND_LANES_WHOLE;
}

static uint32_t
permille_of(const char *provider, const struct kind_lane *now, uint32_t n)
{
    for (uint32_t i = 0; provider && i < n; i++) {
        if (strcmp(now[i].provider, provider) == 0) return now[i].permille;
    }
    return 0;
}

void
watch_lanes_deal(struct watch_lanes *lanes, const struct kind_lane *now,
                 uint32_t n)
{
    for (uint32_t i = 0; n && i < lanes->n; i++) {
        lanes->v[i].permille = permille_of(lanes->v[i].provider, now, n);
    }
}

static uint64_t
part_below(uint64_t total, uint32_t permille)
{
    return (uint64_t)((unsigned __int128)total * permille / KIND_LANES_WHOLE);
}

/* Cut where the parts before end, so that rounding neither adds nor loses. */
uint64_t
watch_lanes_part(const struct watch_lanes *lanes, uint32_t i, uint64_t total)
{
    uint32_t before = 0;

    for (uint32_t k = 0; k < i; k++) {
        before += lanes->v[k].permille;
    }
    return part_below(total, before + lanes->v[i].permille) -
           part_below(total, before);
}

bool
watch_lanes_shut(const struct watch_lanes *lanes,
                 const struct endpoint_state *v, size_t n, uint64_t now_us,
                 char text[ENDPOINT_STATE_TEXT])
{
    for (uint32_t i = 0; i < lanes->n; i++) {
        const struct watch_lane *lane = &lanes->v[i];

        if (lane->provider && lane->permille &&
            endpoint_state_shut_text(v, n, lane->provider, now_us, text)) {
            return true;
        }
    }
    return false;
}
