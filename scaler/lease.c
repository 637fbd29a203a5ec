/* lease.c - see lease.h. */
#include "scaler/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
lease_init(struct lease *l, const char *id)
{
    memset(l, 0, sizeof *l);
    (void)snprintf(l->id, sizeof l->id, "%s", id);
    l->until_ms = INT64_MIN;
}

void
lease_value(const struct lease *l, char text[LEASE_VALUE_BYTES])
{
    (void)snprintf(text, LEASE_VALUE_BYTES, "%" PRIu64 " %s", l->number, l->id);
}

bool
lease_held(const struct lease *l, int64_t now_ms)
{
    return now_ms < l->until_ms;
}

void
lease_on_refusal(struct lease *l)
{
    if (l->until_ms != INT64_MIN) l->lost++;
    l->until_ms = INT64_MIN;
}

bool
lease_on_value(struct lease *l, const char *value, int64_t asked_ms)
{
    char mine[LEASE_VALUE_BYTES];
    uint64_t number;

    if (!value) {
        lease_on_refusal(l);
        return true;
    }
    number = strtoull(value, NULL, 10);
    if (number > l->highest) l->highest = number;
    lease_value(l, mine);
    if (l->number && strcmp(value, mine) == 0) {
        l->until_ms = asked_ms + LEASE_TTL_MS - LEASE_MARGIN_MS;
    } else {
        lease_on_refusal(l);
    }
    return false;
}

void
lease_on_claim(struct lease *l, uint64_t number, int64_t asked_ms)
{
    if (!number) return;
    l->number = number;
    if (number > l->highest) l->highest = number;
    l->until_ms = asked_ms + LEASE_TTL_MS - LEASE_MARGIN_MS;
    l->taken++;
}
