/* gc_rules.c - see gc_rules.h. */
#include "cli/gc_rules.h"

#include "common/base.h"

#include <stdio.h>
#include <string.h>

bool
gc_is_older(int64_t at_ms, int64_t now_ms, uint64_t age_ms)
{
    return at_ms < now_ms && (uint64_t)(now_ms - at_ms) > age_ms;
}

enum gc_verdict
gc_namespace_verdict(const struct gc_namespace *ns, int64_t now_ms,
                     uint64_t age_ms, bool unfinished)
{
    if (ns->alive) return GC_ALIVE;
    if (!ns->newest_ms) return GC_NO_TIME;
    if (!gc_is_older(ns->newest_ms, now_ms, age_ms)) return GC_YOUNG;
    if (ns->unfinished && !unfinished) return GC_UNFINISHED;
    if (ns->budget) return GC_BUDGET;
    return GC_REMOVE;
}

bool
gc_job_is_over(const char *state)
{
    return strcmp(state, "complete") == 0 || strcmp(state, "failed") == 0;
}

bool
gc_key_parse(const char *key, char ns[GC_NAMESPACE_BYTES],
             const char **ret_name)
{
    static const char start[] = CO_PROGRAM ":{";
    const char *end;
    size_t len;

    if (strncmp(key, start, sizeof start - 1) != 0) return false;
    key += sizeof start - 1;
    end = strstr(key, "}:");
    if (!end || end == key) return false;
    len = (size_t)(end - key);
    if (len >= GC_NAMESPACE_BYTES) return false;
    memcpy(ns, key, len);
    ns[len] = '\0';
    *ret_name = end + 2;
    return true;
}

bool
gc_key_is_beat(const char *name)
{
    /* The hashes and leases with a TTL of docs/redis-keys.md. */
    static const char *const starts[] = {
        "worker:", "broker:", "coordinator:", "owner:job:"};

    for (size_t i = 0; i < co_countof(starts); i++) {
        if (strncmp(name, starts[i], strlen(starts[i])) == 0) return true;
    }
    return false;
}

char *
gc_key_pattern(const char *ns, char text[GC_PATTERN_BYTES])
{
    size_t n = (size_t)snprintf(text, GC_PATTERN_BYTES, CO_PROGRAM ":{");

    for (const char *p = ns; *p && n + 6 < GC_PATTERN_BYTES; p++) {
        if (strchr("*?[]\\^-", *p)) text[n++] = '\\';
        text[n++] = *p;
    }
    (void)snprintf(text + n, GC_PATTERN_BYTES - n, "}:*");
    return text;
}
