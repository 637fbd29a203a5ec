/* endpoint_state.c - see endpoint_state.h. */
#include "llm/endpoint_state.h"

#include "llm/limiter_exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* size 0: a number. */
static const struct {
    const char *name;
    size_t offset, size;
} fields[ENDPOINT_STATE_FIELDS] = {
#define TEXT(name)                                                             \
    {#name, offsetof(struct endpoint_state, name),                             \
     sizeof(((struct endpoint_state *)0)->name)},
#define X(name) {#name, offsetof(struct endpoint_state, name), 0},
    TEXT(provider) TEXT(url) ENDPOINT_STATE_LIST(X)
#undef X
#undef TEXT
};

const char *
endpoint_state_field(unsigned i)
{
    return fields[i].name;
}

void
endpoint_state_set(struct endpoint_state *e, const char *field,
                   const char *value)
{
    for (size_t i = 0; i < co_countof(fields); i++) {
        char *at = (char *)e + fields[i].offset;
        uint64_t number;

        if (strcmp(fields[i].name, field) != 0) continue;
        if (fields[i].size) {
            (void)snprintf(at, fields[i].size, "%s", value);
            return;
        }
        number = strtoull(value, NULL, 10);
        memcpy(at, &number, sizeof number);
        return;
    }
}

/* A fleet that uses all it may charges 86 % of a limit in a minute: the rest
 * is the margin that keeps every window within it. */
bool
endpoint_state_is_used_up(uint64_t used, uint64_t limit)
{
    return limit > 0 && used >= limit / 5 * 4 + limit % 5 * 4 / 5;
}

enum endpoint_hold
endpoint_state_hold(const struct endpoint_state *e, uint64_t now_us)
{
    if (e->breaker == LIMITER_OPEN) return ENDPOINT_OPEN;
    if (e->breaker != LIMITER_CLOSED) return ENDPOINT_HALF;
    if (e->hold_until > now_us) return ENDPOINT_WAITS;
    if (endpoint_state_is_used_up(e->requests_60s, e->rpm) ||
        endpoint_state_is_used_up(e->tokens_60s, e->tpm)) {
        return ENDPOINT_RATE;
    }
    return e->ceiling > 0 && e->held >= e->ceiling ? ENDPOINT_FULL
                                                   : ENDPOINT_FREE;
}

bool
endpoint_state_is_shut(const struct endpoint_state *e, uint64_t now_us)
{
    const enum endpoint_hold hold = endpoint_state_hold(e, now_us);

    return hold == ENDPOINT_OPEN || hold == ENDPOINT_HALF ||
           hold == ENDPOINT_WAITS;
}

uint64_t
endpoint_state_seconds(uint64_t until_us, uint64_t now_us)
{
    return until_us > now_us ? (until_us - now_us + 999999) / 1000000 : 1;
}

/* When it may be called, as far as is known: a probe that is under way may end
 * at any time. */
static uint64_t
free_at(const struct endpoint_state *e, uint64_t now_us)
{
    switch (endpoint_state_hold(e, now_us)) {
    case ENDPOINT_OPEN:
        return co_max_u64(e->open_until, e->hold_until);
    case ENDPOINT_WAITS:
        return e->hold_until;
    case ENDPOINT_HALF:
    case ENDPOINT_RATE:
    case ENDPOINT_FULL:
    case ENDPOINT_FREE:
        break;
    }
    return now_us;
}

/* Host and port, which is what tells endpoints apart at a glance. */
static int
host_of(const char *url, const char **ret_host)
{
    const char *host = strstr(url, "://");

    *ret_host = host ? host + 3 : url;
    return (int)strcspn(*ret_host, "/?#");
}

static void
say(const struct endpoint_state *e, uint64_t now_us, size_t others,
    char text[ENDPOINT_STATE_TEXT])
{
    const uint64_t left = endpoint_state_seconds(free_at(e, now_us), now_us);
    char more[40] = "", what[64];
    const char *host;
    const int len = host_of(e->url, &host);

    switch (endpoint_state_hold(e, now_us)) {
    case ENDPOINT_OPEN:
        (void)snprintf(what, sizeof what,
                       "is open-circuit, next probe in %" PRIu64 " s", left);
        break;
    case ENDPOINT_HALF:
        (void)snprintf(what, sizeof what, "is open-circuit, one call tries it");
        break;
    case ENDPOINT_WAITS:
    case ENDPOINT_RATE:
    case ENDPOINT_FULL:
    case ENDPOINT_FREE:
        (void)snprintf(what, sizeof what, "asked to wait, %" PRIu64 " s more",
                       left);
    }
    if (others) {
        (void)snprintf(more, sizeof more, "; its %zu other%s later", others,
                       others == 1 ? "" : "s");
    }
    (void)snprintf(text, ENDPOINT_STATE_TEXT, "%s (%.*s) %s%s", e->provider,
                   len < 60 ? len : 60, host, what, more);
}

bool
endpoint_state_shut_text(const struct endpoint_state *v, size_t n,
                         const char *provider, uint64_t now_us,
                         char text[ENDPOINT_STATE_TEXT])
{
    const struct endpoint_state *first = NULL;
    size_t shut = 0;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].provider, provider) != 0) continue;
        if (!endpoint_state_is_shut(&v[i], now_us)) return false;
        if (!first || free_at(&v[i], now_us) < free_at(first, now_us)) {
            first = &v[i];
        }
        shut++;
    }
    if (first) say(first, now_us, shut - 1, text);
    return first != NULL;
}
