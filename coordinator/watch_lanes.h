/* watch_lanes.h - a job's lanes as the outside sees them: a service for each
 * provider that may write for it (docs/redis-keys.md, queue:SERVICE), and how
 * much of what is left goes to each now. A job without providers has one lane,
 * its plain service. The first lane is the one that names the job. Pure. */
#pragma once
#include "coordinator/kind.h"
#include "llm/endpoint_state.h"

enum {
    WATCH_LANE_BYTES = 96, /* "persona.write@" and a provider */
    WATCH_LANES_BYTES = KIND_LANES_MAX * WATCH_LANE_BYTES,
};

struct watch_lanes {
    struct watch_lane {
        char service[WATCH_LANE_BYTES]; /* SERVICE or SERVICE@PROVIDER */
        const char *provider;           /* within service; NULL: none */
        uint32_t permille;              /* of the rows that are left */
    } v[KIND_LANES_MAX];
    uint32_t n;                    /* at least one */
    char names[WATCH_LANES_BYTES]; /* all services, separated by commas */
};

/* Texts are copied; more than KIND_LANES_MAX providers are left out. All rows
 * go to the first until watch_lanes_deal() says otherwise. */
void watch_lanes_init(struct watch_lanes *lanes, const char *service,
                      const char *const *providers, uint32_t n);
/* What the job's kind says now; n 0: it says nothing, and nothing changes. */
void watch_lanes_deal(struct watch_lanes *lanes, const struct kind_lane *now,
                      uint32_t n);
/* Lane i's part of a number of tasks; the parts of all lanes add up to what is
 * not written by the built-in writer. */
uint64_t watch_lanes_part(const struct watch_lanes *lanes, uint32_t i,
                          uint64_t total);
/* Why rows may be waited for: the first lane that has a part of them and whose
 * endpoints, of these n, are all shut. False: none is. */
bool watch_lanes_shut(const struct watch_lanes *lanes,
                      const struct endpoint_state *v, size_t n, uint64_t now_us,
                      char text[ENDPOINT_STATE_TEXT]);
