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
lease_value(const struct lease *l, uint64_t number,
            char text[LEASE_VALUE_BYTES])
{
    (void)snprintf(text, LEASE_VALUE_BYTES, "%" PRIu64 " %s", number, l->id);
}

bool
lease_held(const struct lease *l, int64_t now_ms)
{
    return now_ms < l->until_ms;
}

static void
let_go(struct lease *l)
{
    if (l->until_ms != INT64_MIN) l->lost++;
    l->until_ms = INT64_MIN;
}

enum lease_order
lease_on_value(struct lease *l, const char *value, int64_t asked_ms)
{
    char mine[LEASE_VALUE_BYTES];
    uint64_t number;

    if (!value) {
        let_go(l);
        return LEASE_DRAW_NUMBER;
    }
    number = strtoull(value, NULL, 10);
    if (number > l->highest) l->highest = number;
    lease_value(l, l->number, mine);
    if (l->number && strcmp(value, mine) == 0) {
        l->until_ms = asked_ms + LEASE_TTL_MS - LEASE_MARGIN_MS;
    } else {
        let_go(l);
    }
    return LEASE_NOTHING;
}

/* A Redis that came back empty counts from 1 again: what was seen before is
 * the least that the next number must exceed. */
enum lease_order
lease_on_number(struct lease *l, uint64_t number)
{
    l->wanted = number > l->highest ? number : l->highest + 1;
    return LEASE_CLAIM;
}

void
lease_on_claim(struct lease *l, bool taken, int64_t asked_ms)
{
    if (!taken) return;
    l->number = l->wanted;
    if (l->number > l->highest) l->highest = l->number;
    l->until_ms = asked_ms + LEASE_TTL_MS - LEASE_MARGIN_MS;
    l->taken++;
}
