/* spec_short.c - the key of a job file that says what happens where the budget
 * is short. */
#include "job/spec_impl.h"

enum co_err
spec_read_short(struct job_spec *spec, const struct co_yaml *node,
                struct co_diag *diag)
{
    static const char *const names[] = {"stop", "degrade", NULL};
    size_t index = 0;
    enum co_err err = co_yaml_enum(node, names, &index, diag);

    if (!err) spec->degrades = index == 1;
    return err;
}

/* Who writes the rows of an arm, as long as there is money. */
static const struct providers_entry *
first_of(const struct job_spec *spec, uint32_t arm)
{
    const bool own = spec->n_arms && spec->arms[arm].provider[0];

    return own ? providers_find(spec->providers, spec->arms[arm].provider)
               : spec_provider(spec);
}

/* One arm without a fallback would stop the job for all of them. */
enum co_err
spec_check_short(const struct job_spec *spec, const struct co_yaml *root,
                 struct co_diag *diag)
{
    const struct co_yaml *budget = co_yaml_get(root, "budget");
    const uint32_t n = spec->n_arms ? spec->n_arms : 1;

    if (!spec->degrades) return CO_OK;
    co_assert(budget);
    for (uint32_t i = 0; i < n; i++) {
        const struct providers_entry *e = first_of(spec, i);

        if (e && (e->n_fallback || e->fallback_builtin)) continue;
        return co_yaml_fail(
            co_yaml_get(budget, "short"), diag, CO_INVALID,
            "rows go on with the fallback of their provider when the money "
            "runs short, and %s%s has none; give it one "
            "(fallback: [NAME], or [builtin], which costs nothing), or say "
            "stop",
            e ? "provider " : "the built-in writer", e ? e->name : "");
    }
    return CO_OK;
}
