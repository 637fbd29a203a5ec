/* spec_arms.c - the keys of a job file that say who else writes: arms, which
 * are compared, and the fallbacks of their providers. */
#include "job/spec_impl.h"

#include <inttypes.h>
#include <string.h>

/* ---- reading ---- */

static enum co_err
read_text(const struct co_yaml *node, char *to, size_t size,
          struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, size - 1, &text, diag);

    if (!err) memcpy(to, text, strlen(text) + 1);
    return err;
}

static enum co_err
read_name(struct spec_arm *arm, const struct co_yaml *node,
          struct co_diag *diag)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    enum co_err err = read_text(node, arm->name, sizeof arm->name, diag);

    if (err) return err;
    if (arm->name[0] && !arm->name[strspn(arm->name, letters)]) return CO_OK;
    return co_yaml_fail(node, diag, CO_INVALID,
                        "found %s; the name of an arm is 1 to %d of a-z, 0-9 "
                        "and -",
                        co_yaml_found(node).text, WRITERS_NAME_BYTES - 1);
}

static enum co_err
read_share(struct spec_arm *arm, const struct co_yaml *node,
           struct co_diag *diag)
{
    uint64_t value = 0;
    enum co_err err = co_yaml_u64(node, 1, WRITERS_SHARES - 1, &value, diag);

    if (!err) arm->share = (uint32_t)value;
    return err;
}

static enum co_err
missing(const struct co_yaml *map, const char *key, struct co_diag *diag)
{
    return co_yaml_fail(map, diag, CO_INVALID,
                        "%s is missing: an arm is such as {name: short, share: "
                        "30, prompts: ./short}",
                        key);
}

static enum co_err
read_arm(struct spec_arm *arm, const struct co_yaml *map, struct co_diag *diag)
{
    static const char *const names[] = {"name", "share", "provider", "prompts",
                                        NULL};
    enum co_err err = co_yaml_keys(map, names, diag);
    const struct co_yaml *node;

    if (err) return err;
    arm->line = map->line;
    node = co_yaml_get(map, "name");
    err = node ? read_name(arm, node, diag) : missing(map, "name", diag);
    if (err) return err;
    node = co_yaml_get(map, "share");
    err = node ? read_share(arm, node, diag) : missing(map, "share", diag);
    if (err) return err;
    node = co_yaml_get(map, "provider");
    if (node) err = read_text(node, arm->provider, sizeof arm->provider, diag);
    if (err) return err;
    node = co_yaml_get(map, "prompts");
    return node ? read_text(node, arm->prompts, sizeof arm->prompts, diag)
                : CO_OK;
}

enum co_err
spec_read_arms(struct job_spec *spec, const struct co_yaml *node,
               struct co_diag *diag)
{
    enum co_err err = co_yaml_expect(node, CO_YAML_SEQ, diag);

    if (err) return err;
    spec->arms_line = node->line;
    if (node->count < 2 || node->count > WRITERS_ARMS_MAX) {
        return co_yaml_fail(node, diag, CO_RANGE,
                            "found %u arms; allowed are 2 to %d: the first is "
                            "what the job itself says, others differ from it",
                            node->count, WRITERS_ARMS_MAX);
    }
    for (const struct co_yaml *c = node->first; c && !err; c = c->next) {
        err = read_arm(&spec->arms[spec->n_arms++], c, diag);
    }
    return err;
}

enum co_err
spec_read_fallback_ok(struct job_spec *spec, const struct co_yaml *node,
                      struct co_diag *diag)
{
    spec->fallback_ok_line = node->line;
    return co_yaml_bool(node, &spec->fallback_ok, diag);
}

/* ---- checking ---- */

static enum co_err
check_shares(const struct job_spec *spec, const struct co_yaml *node,
             struct co_diag *diag)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < spec->n_arms; i++) {
        sum += spec->arms[i].share;
    }
    if (sum == WRITERS_SHARES) return CO_OK;
    return co_yaml_fail(node, diag, CO_INVALID,
                        "the shares are %" PRIu32 " percent together; they "
                        "have to be %d",
                        sum, WRITERS_SHARES);
}

static enum co_err
check_arm(const struct job_spec *spec, uint32_t i, const struct co_yaml *map,
          struct co_diag *diag)
{
    const struct spec_arm *arm = &spec->arms[i];

    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(spec->arms[k].name, arm->name) != 0) continue;
        return co_yaml_fail(map, diag, CO_INVALID,
                            "the name %s is there twice: the report tells arms "
                            "apart by it",
                            arm->name);
    }
    if (i == 0 && (arm->provider[0] || arm->prompts[0])) {
        return co_yaml_fail(map, diag, CO_INVALID,
                            "the first arm is written by the provider and the "
                            "prompts of the job itself: leave provider and "
                            "prompts out here, and give them to another arm");
    }
    if (!arm->provider[0]) return CO_OK;
    if (strcmp(arm->provider, "builtin") != 0 && spec->providers &&
        providers_find(spec->providers, arm->provider)) {
        return CO_OK;
    }
    return co_yaml_fail(co_yaml_get(map, "provider"), diag, CO_INVALID,
                        "found \"%s\"; allowed is a name that stands in "
                        "providers:",
                        arm->provider);
}

static const struct providers_entry *
entry_of(const struct job_spec *spec, const struct spec_arm *arm)
{
    return arm && arm->provider[0]
               ? providers_find(spec->providers, arm->provider)
               : spec_provider(spec);
}

/* A job without arms is one. */
static uint32_t
arm_count(const struct job_spec *spec)
{
    return spec->n_arms ? spec->n_arms : 1;
}

static const struct providers_entry *
entry_at(const struct job_spec *spec, uint32_t arm)
{
    return entry_of(spec, spec->n_arms ? &spec->arms[arm] : NULL);
}

/* Whether anybody stands in for a provider that the job asks. */
static bool
has_fallback(const struct job_spec *spec)
{
    for (uint32_t i = 0; i < arm_count(spec); i++) {
        const struct providers_entry *e = entry_at(spec, i);

        if (e && (e->n_fallback || e->fallback_builtin)) return true;
    }
    return false;
}

static void
add_once(const struct providers_entry *entry,
         const struct providers_entry *ret[PROVIDERS_MAX], uint32_t *n)
{
    for (uint32_t i = 0; i < *n; i++) {
        if (ret[i] == entry) return;
    }
    if (entry) ret[(*n)++] = entry; /* a file has no more of them */
}

uint32_t
spec_providers(const struct job_spec *spec,
               const struct providers_entry *ret[PROVIDERS_MAX])
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < arm_count(spec); i++) {
        const struct providers_entry *e = entry_at(spec, i);

        add_once(e, ret, &n);
        for (uint32_t k = 0; e && k < e->n_fallback; k++) {
            add_once(providers_find(spec->providers, e->fallback[k]), ret, &n);
        }
    }
    return n;
}

enum co_err
spec_check_arms(const struct job_spec *spec, const struct co_yaml *root,
                struct co_diag *diag)
{
    const struct co_yaml *node = co_yaml_get(root, "arms");
    enum co_err err = CO_OK;
    uint32_t i = 0;

    if (node && !spec->provider[0]) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "arms are shares of the rows that models write, "
                            "and this job has no provider: name one, or leave "
                            "arms out");
    }
    if (node) err = check_shares(spec, node, diag);
    for (const struct co_yaml *c = node ? node->first : NULL; c && !err;
         c = c->next) {
        err = check_arm(spec, i++, c, diag);
    }
    if (err) return err;
    if (spec->fallback_ok && !has_fallback(spec)) {
        return co_yaml_fail(co_yaml_get(root, "fallback_ok"), diag, CO_INVALID,
                            "no provider of this job has a fallback: give it "
                            "one (fallback: [NAME]), or leave fallback_ok out");
    }
    if (spec->cached && (spec->n_arms || has_fallback(spec))) {
        return co_yaml_fail(co_yaml_get(root, "cache"), diag, CO_INVALID,
                            "answers in the cache do not say which of several "
                            "writers they are of: leave cache out, or arms and "
                            "the provider's fallback");
    }
    return CO_OK;
}

/* ---- the writers ---- */

/* The number of the writer of that provider with these prompts. */
static enum co_err
add_writer(const struct job_spec *spec, const struct providers_entry *entry,
           const char *prompts, const char *data_dir, struct writers *w,
           uint8_t *ret_number, struct co_diag *diag)
{
    co_auto(writer_freep) struct writer *writer = NULL;
    char date[PRICES_DATE_BYTES];
    struct co_diag why = {""};
    enum co_err err = provider_check_temperature(
        entry->kind, spec->answers.temperature_milli, &why);
    uint32_t number;

    if (err) {
        return co_fail(diag, err,
                       "%s: answers.temperature: for provider %s %s; lower it, "
                       "or say own (nothing is sent)",
                       spec->file, entry->name, why.text);
    }
    err = spec_make_writer(spec, entry, prompts, data_dir, date, &writer, diag);
    if (err) return err;
    number = writers_find(w, entry->name, writer_prompts_hash(writer));
    if (number == UINT32_MAX && w->n == WRITERS_MAX) {
        return co_fail(diag, CO_INVALID,
                       "%s:%" PRIu32 ": arms and fallbacks make more than %d "
                       "pairs of provider and prompts: leave some out",
                       spec->file, spec->arms_line, WRITERS_MAX);
    }
    if (number == UINT32_MAX) {
        number = w->n;
        w->v[w->n++] = co_take(&writer);
    }
    *ret_number = (uint8_t)number;
    return CO_OK;
}

static enum co_err
add_arm(const struct job_spec *spec, const struct spec_arm *arm,
        const char *data_dir, struct writers *w, struct co_diag *diag)
{
    const struct providers_entry *entry = entry_of(spec, arm);
    const char *prompts = arm && arm->prompts[0] ? arm->prompts : spec->prompts;
    struct writers_arm *to = &w->arms[w->n_arms++];
    enum co_err err = add_writer(spec, entry, prompts, data_dir, w,
                                 &to->chain[to->n++], diag);

    to->share = arm ? arm->share : WRITERS_SHARES;
    if (arm) memcpy(to->name, arm->name, sizeof to->name);
    to->builtin = entry->fallback_builtin;
    for (uint32_t i = 0; i < entry->n_fallback && !err; i++) {
        err = add_writer(spec,
                         providers_find(spec->providers, entry->fallback[i]),
                         prompts, data_dir, w, &to->chain[to->n++], diag);
    }
    return err;
}

static enum co_err
check_providers(const struct job_spec *spec, const struct writers *w,
                struct co_diag *diag)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n; i++) {
        uint32_t k = 0;

        while (strcmp(w->v[k]->provider, w->v[i]->provider) != 0) {
            k++;
        }
        n += k == i;
    }
    if (n <= WRITERS_PROVIDERS_MAX) return CO_OK;
    return co_fail(diag, CO_INVALID,
                   "%s: arms and fallbacks name %" PRIu32 " providers; at most "
                   "%d write for one job: leave some out",
                   spec->file, n, WRITERS_PROVIDERS_MAX);
}

enum co_err
spec_open_arms(struct job_spec *spec, const char *data_dir,
               struct co_diag *diag)
{
    co_auto(writers_freep) struct writers *w = NULL;
    enum co_err err = CO_OK;

    if (!spec->n_arms && !has_fallback(spec)) return CO_OK;
    w = writers_new(spec->writer);
    if (!w) return co_fail(diag, CO_NOMEM, "out of memory");
    w->fallback_ok = spec->fallback_ok;
    for (uint32_t i = 0; i < spec->n_arms && !err; i++) {
        err = add_arm(spec, &spec->arms[i], data_dir, w, diag);
    }
    if (!spec->n_arms) err = add_arm(spec, NULL, data_dir, w, diag);
    if (!err) err = check_providers(spec, w, diag);
    if (!err) spec->writers = co_take(&w);
    return err;
}
