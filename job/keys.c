/* keys.c - see keys.h. */
#include "job/keys.h"

#include <string.h>

static const struct job_key keys[] = {
#define X(path, type, fallback, allowed, rows, why)                            \
    {path, type, fallback, allowed, rows, why},
    JOB_KEY_LIST(X)
#undef X
};
_Static_assert(co_countof(keys) < JOB_KEYS_MAX, "room for the NULL");

const struct job_key *
job_keys(size_t *ret_count)
{
    *ret_count = co_countof(keys);
    return keys;
}

void
job_keys_under(const char *prefix, const char *names[JOB_KEYS_MAX])
{
    size_t skip = strlen(prefix);
    size_t n = 0;

    for (size_t i = 0; i < co_countof(keys); i++) {
        const char *rest = keys[i].path;

        if (strncmp(rest, prefix, skip) != 0) continue;
        rest += skip;
        if (skip && *rest++ != '.') continue;
        if (!strchr(rest, '.')) names[n++] = rest;
    }
    names[n] = NULL;
}
