/* option_name.c - see options_impl.h. Which option of the table a word names,
 * and which one was meant when none. */
#include "common/near.h"
#include "common/options_impl.h"

#include <string.h>

/* Does name[0..len) name the option? '_' counts as '-'. */
bool
option_name_is(const char *option, const char *name, size_t len)
{
    if (strlen(option) != len) return false;
    for (size_t i = 0; i < len; i++) {
        if (option[i] != name[i] && !(option[i] == '-' && name[i] == '_')) {
            return false;
        }
    }
    return true;
}

/* Index in the table, or count. */
size_t
option_name_find(const struct co_options_spec *spec, const char *name,
                 size_t len)
{
    size_t i = 0;

    while (i < spec->count && !option_name_is(spec->table[i].name, name, len)) {
        i++;
    }
    return i;
}

enum co_err
option_name_unknown(const struct co_options_spec *spec, const char *dashes,
                    const char *name, size_t len, const char *where,
                    struct co_diag *diag)
{
    const char *nearest = NULL;
    size_t best = 3; /* farther than two letters is no typing error */

    for (size_t i = 0; i < spec->count; i++) {
        const char *known = spec->table[i].name;
        size_t d = co_near_distance(name, len, known, strlen(known));

        if (d < best) {
            best = d;
            nearest = known;
        }
    }
    if (nearest) {
        return co_fail(diag, CO_USAGE,
                       "unknown option %s%.*s%s; did you mean %s%s?", dashes,
                       (int)co_min_u64(len, 60), name, where, dashes, nearest);
    }
    return co_fail(diag, CO_USAGE,
                   "unknown option %s%.*s%s; `%s --help` lists them", dashes,
                   (int)co_min_u64(len, 60), name, where, spec->program);
}
