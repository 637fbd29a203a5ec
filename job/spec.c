/* spec.c - see spec.h. One function a key; a table leads to them. */
#include "job/spec.h"
#include "common/yaml.h"
#include "job/keys.h"
#include "job/spec_impl.h"
#include "job/tables_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHARD_ROWS_DEFAULT = 10000, SHARD_ROWS_MAX = 1000000 };

#define MIB (UINT64_C(1) << 20)
#define DEDUP_MEMORY_DEFAULT (2048 * MIB)
#define DEDUP_MEMORY_MAX ((1024 * MIB) << 10)

static const char *const priorities[] = {"low", "medium", "high", "critical",
                                         NULL};

/* Refuses anything but the one text. */
static enum co_err
only(const struct co_yaml *node, const char *name, struct co_diag *diag)
{
    const char *names[] = {name, NULL};
    size_t index = 0;

    return co_yaml_enum(node, names, &index, diag);
}

static enum co_err
read_job(struct job_spec *spec, const struct co_yaml *node,
         struct co_diag *diag)
{
    (void)spec;
    return only(node, "personas", diag);
}

static enum co_err
read_name(struct job_spec *spec, const struct co_yaml *node,
          struct co_diag *diag)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t max = sizeof spec->name - 1;

    if (node->kind != CO_YAML_SCALAR || !node->text[0] ||
        strlen(node->text) > max ||
        node->text[strspn(node->text, letters)] != '\0') {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %s; allowed are 1 to %zu of a-z, 0-9 and -",
                            co_yaml_found(node).text, max);
    }
    memcpy(spec->name, node->text, strlen(node->text) + 1);
    return CO_OK;
}

static enum co_err
read_seed(struct job_spec *spec, const struct co_yaml *node,
          struct co_diag *diag)
{
    return co_yaml_u64(node, 0, UINT64_MAX, &spec->seed, diag);
}

static enum co_err
read_rows(struct job_spec *spec, const struct co_yaml *node,
          struct co_diag *diag)
{
    return co_yaml_u64(node, 1, SPEC_ROWS_MAX, &spec->rows, diag);
}

/* Folders are told from names by their slash. */
static bool
names_folder(const struct co_yaml *node)
{
    return node && node->kind == CO_YAML_SCALAR && strchr(node->text, '/');
}

static enum co_err
read_data(struct job_spec *spec, const struct co_yaml *node,
          struct co_diag *diag)
{
    static const char *const names[] = {"us", "world", NULL};
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, sizeof spec->data - 1, &text, diag);
    size_t index = 0;

    if (err) return err;
    if (!names_folder(node)) {
        err = co_yaml_enum(node, names, &index, diag);
        if (err) {
            return co_yaml_fail(
                node, diag, err,
                "found %s; allowed is us, world, or a folder with "
                "a manifest.yaml (written with a slash: ./%s)",
                co_yaml_found(node).text, text);
        }
    }
    memcpy(spec->data, text, strlen(text) + 1);
    return CO_OK;
}

static enum co_err
read_where(struct job_spec *spec, const struct co_yaml *node,
           struct co_diag *diag)
{
    spec->where_line = node->line;
    return where_from_yaml(&spec->where, node,
                           names_folder(co_yaml_get(node->parent, "data")),
                           diag);
}

static enum co_err
read_words(struct job_spec *spec, const struct co_yaml *node,
           struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, sizeof spec->phrases - 1, &text, diag);

    if (!err) memcpy(spec->phrases, text, strlen(text) + 1);
    return err;
}

static enum co_err
read_mix(struct job_spec *spec, const struct co_yaml *node,
         struct co_diag *diag)
{
    spec->mix_line = node->line;
    return mix_from_yaml(&spec->mix, node, diag);
}

/* A phase needs the one before it. */
static enum co_err
read_phases(struct job_spec *spec, const struct co_yaml *node,
            struct co_diag *diag)
{
    static const char *const names[] = {"corpus", "compose", NULL};
    enum co_err err = co_yaml_expect(node, CO_YAML_SEQ, diag);
    size_t wanted = 0;
    size_t index = 0;

    spec->phases = 0;
    for (const struct co_yaml *p = node->first; p && !err; p = p->next) {
        err = co_yaml_enum(p, names, &index, diag);
        if (err || index != wanted++) break;
        spec->phases |= 1u << index;
    }
    if (err) return err;
    if (wanted == node->count && wanted > 0 && index + 1 == wanted) {
        return CO_OK;
    }
    return co_yaml_fail(node, diag, CO_INVALID,
                        "phases are empty, out of order or twice; allowed is "
                        "[corpus] or [corpus, compose]");
}

static enum co_err
read_method(struct job_spec *spec, const struct co_yaml *node,
            struct co_diag *diag)
{
    static const char *const names[] = {"auto", "exact", "none", NULL};
    size_t index = 0;
    enum co_err err;

    spec->dedup_line = node->line;
    if (node->kind == CO_YAML_SCALAR &&
        (strcmp(node->text, "minhash") == 0 ||
         strcmp(node->text, "embedding") == 0)) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %s; allowed is auto, exact or none (this "
                            "version compares whole texts only)",
                            co_yaml_found(node).text);
    }
    err = co_yaml_enum(node, names, &index, diag);
    if (!err) spec->dedup = (enum spec_dedup)index;
    return err;
}

static enum co_err
read_memory(struct job_spec *spec, const struct co_yaml *node,
            struct co_diag *diag)
{
    spec->dedup_line = node->line;
    return co_yaml_size(node, MIB, DEDUP_MEMORY_MAX, &spec->dedup_memory, diag);
}

static enum co_err
read_priority(struct job_spec *spec, const struct co_yaml *node,
              struct co_diag *diag)
{
    size_t index = 0;
    enum co_err err = co_yaml_enum(node, priorities, &index, diag);

    if (!err) spec->priority = (enum spec_priority)index;
    return err;
}

static enum co_err
read_dir(struct job_spec *spec, const struct co_yaml *node,
         struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, sizeof spec->dir - 1, &text, diag);

    if (!err) memcpy(spec->dir, text, strlen(text) + 1);
    return err;
}

static enum co_err
read_shard_rows(struct job_spec *spec, const struct co_yaml *node,
                struct co_diag *diag)
{
    uint64_t rows = 0;
    enum co_err err = co_yaml_u64(node, SPEC_GRID, SHARD_ROWS_MAX, &rows, diag);

    if (err) return err;
    if (rows % SPEC_GRID) {
        return co_yaml_fail(node, diag, CO_RANGE,
                            "found %s; allowed is a multiple of %d from %d to "
                            "%d",
                            co_yaml_found(node).text, SPEC_GRID, SPEC_GRID,
                            SHARD_ROWS_MAX);
    }
    spec->shard_rows = (uint32_t)rows;
    return CO_OK;
}

static enum co_err
read_formats(struct job_spec *spec, const struct co_yaml *node,
             struct co_diag *diag)
{
    enum co_err err = co_yaml_expect(node, CO_YAML_SEQ, diag);

    (void)spec;
    if (err) return err;
    if (node->count != 1) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %u formats; allowed is [jsonl.zst]",
                            node->count);
    }
    return only(node->first, "jsonl.zst", diag);
}

static enum co_err
read_service(struct job_spec *spec, const struct co_yaml *node,
             struct co_diag *diag)
{
    static const char *const names[] = {"auto", "slow", NULL};
    size_t index = 0;
    enum co_err err = co_yaml_enum(node, names, &index, diag);

    if (!err) spec->slow = index == 1;
    return err;
}

static const struct {
    const char *path;
    spec_reader *read; /* NULL: a map whose keys are in the list too */
} readers[] = {
    {"job", read_job},
    {"name", read_name},
    {"seed", read_seed},
    {"rows", read_rows},
    {"population", NULL},
    {"population.data", read_data},
    {"population.where", read_where},
    {"population.mix", read_mix},
    {"population.phrases", read_words},
    {"phases", read_phases},
    {"provider", spec_read_provider},
    {"providers", spec_read_providers},
    {"prompts", spec_read_prompts},
    {"arms", spec_read_arms},
    {"fallback_ok", spec_read_fallback_ok},
    {"answers", NULL},
    {"answers.max_tokens", spec_read_max_tokens},
    {"answers.temperature", spec_read_temperature},
    {"answers.repairs", spec_read_repairs},
    {"answers.fresh", spec_read_fresh},
    {"budget", NULL},
    {"budget.usd", spec_read_budget},
    {"budget.reserve", spec_read_reserve},
    {"budget.short", spec_read_short},
    {"budget.phases", NULL},
    {"budget.phases.background", spec_read_share},
    {"budget.phases.personas", spec_read_share},
    {"cache", spec_read_cache},
    {"dedup", NULL},
    {"dedup.method", read_method},
    {"dedup.memory", read_memory},
    {"priority", read_priority},
    {"output", NULL},
    {"output.dir", read_dir},
    {"output.shard_rows", read_shard_rows},
    {"output.formats", read_formats},
    {"service", read_service},
};

/* Reads the keys of one map, then of the maps inside it. */
static enum co_err
// NOLINTNEXTLINE(misc-no-recursion): readers has three levels
read_map(struct job_spec *spec, const char *prefix, const struct co_yaml *map,
         struct co_diag *diag)
{
    const char *names[JOB_KEYS_MAX];
    enum co_err err;

    job_keys_under(prefix, names);
    err = co_yaml_keys(map, names, diag);
    for (const struct co_yaml *c = map->first; c && !err; c = c->next) {
        char path[64];
        size_t i = 0;

        (void)snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "",
                       c->key);
        while (i < co_countof(readers) && strcmp(readers[i].path, path) != 0) {
            i++;
        }
        co_assert(i < co_countof(readers));
        err = readers[i].read ? readers[i].read(spec, c, diag)
                              : read_map(spec, path, c, diag);
    }
    return err;
}

static enum co_err
check_required(const struct co_yaml *root, struct co_diag *diag)
{
    size_t count = 0;
    const struct job_key *keys = job_keys(&count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].fallback, "required") == 0 &&
            !co_yaml_get(root, keys[i].path)) {
            return co_fail(diag, CO_INVALID,
                           "%s: %s is missing; job, name and rows are "
                           "required",
                           root->file, keys[i].path);
        }
    }
    return CO_OK;
}

static enum co_err
spec_of_tree(const struct co_yaml *root, struct job_spec **ret_spec,
             struct co_diag *diag)
{
    co_auto(spec_freep) struct job_spec *spec = calloc(1, sizeof *spec);
    enum co_err err;

    if (spec) spec->file = strdup(root->file);
    if (!spec || !spec->file) return co_fail(diag, CO_NOMEM, "out of memory");
    spec->phases = SPEC_CORPUS | SPEC_COMPOSE;
    spec->priority = SPEC_MEDIUM;
    spec->shard_rows = SHARD_ROWS_DEFAULT;
    spec->where_line = spec->dedup_line = 1;
    spec->dedup_memory = DEDUP_MEMORY_DEFAULT;
    memcpy(spec->data, "us", sizeof "us");
    spec_default_writer(spec);
    err = read_map(spec, "", root, diag);
    if (!err) err = check_required(root, diag);
    if (!err) err = spec_check_budget(spec, root, diag);
    if (!err) err = spec_check_provider(spec, root, diag);
    if (!err) err = spec_check_arms(spec, root, diag);
    if (!err) err = spec_check_short(spec, root, diag);
    if (err) return err;
    if (!spec->dir[0]) {
        (void)snprintf(spec->dir, sizeof spec->dir, "out/%s", spec->name);
    }
    *ret_spec = co_take(&spec);
    return CO_OK;
}

enum co_err
spec_parse(const char *text, size_t len, const char *file,
           struct job_spec **ret_spec, struct co_diag *diag)
{
    co_auto(co_yaml_freep) struct co_yaml *root = NULL;
    enum co_err err = co_yaml_load_text(text, len, file, &root, diag);

    return err ? err : spec_of_tree(root, ret_spec, diag);
}

enum co_err
spec_load(const char *path, struct job_spec **ret_spec, struct co_diag *diag)
{
    co_auto(co_yaml_freep) struct co_yaml *root = NULL;
    enum co_err err = co_yaml_load_file(path, &root, diag);

    return err ? err : spec_of_tree(root, ret_spec, diag);
}

void
spec_free(struct job_spec *spec)
{
    if (!spec) return;
    where_fini(&spec->where);
    mix_fini(&spec->mix);
    manifest_free(spec->manifest);
    phrase_set_free(spec->words);
    writers_free(spec->writers);
    writer_free(spec->writer);
    free(spec->providers);
    free(spec->file);
    free(spec);
}

enum co_err
spec_override(struct job_spec *spec, const struct spec_overrides *o,
              struct co_diag *diag)
{
    if (o->has_rows && (o->rows < 1 || o->rows > SPEC_ROWS_MAX)) {
        return co_fail(diag, CO_RANGE,
                       "--rows %" PRIu64 ": allowed is a whole number from 1 "
                       "to %" PRIu64,
                       o->rows, (uint64_t)SPEC_ROWS_MAX);
    }
    if (o->dir && (!o->dir[0] || strlen(o->dir) >= sizeof spec->dir)) {
        return co_fail(diag, CO_RANGE,
                       "--out: allowed is a path of 1 to %zu bytes",
                       sizeof spec->dir - 1);
    }
    if (o->has_rows) spec->rows = o->rows;
    if (o->has_seed) spec->seed = o->seed;
    if (o->dir) memcpy(spec->dir, o->dir, strlen(o->dir) + 1);
    return CO_OK;
}

bool
spec_dedups(const struct job_spec *spec)
{
    return spec->dedup != SPEC_DEDUP_NONE && spec->phases & SPEC_COMPOSE;
}

/* What was asked for can be had. */
static enum co_err
check_dedup(const struct job_spec *spec, struct co_diag *diag)
{
    uint64_t fit = spec->dedup_memory / SPEC_DEDUP_ROW_BYTES;

    if (spec->dedup == SPEC_DEDUP_EXACT && !spec_dedups(spec)) {
        return co_fail(diag, CO_INVALID,
                       "%s:%" PRIu32 ": dedup.method: found \"exact\", but "
                       "phases [corpus] write no texts to compare; allowed is "
                       "auto or none",
                       spec->file, spec->dedup_line);
    }
    if (!spec_dedups(spec) || spec->rows <= fit) return CO_OK;
    return co_fail(diag, CO_RANGE,
                   "%s:%" PRIu32 ": dedup.memory: %" PRIu64 " rows need %d "
                   "bytes each, %" PRIu64 "MiB together; %" PRIu64 "MiB are "
                   "allowed. Allow more (dedup: {memory: %" PRIu64 "MiB}), ask "
                   "for at most %" PRIu64 " rows, or keep duplicates (dedup: "
                   "{method: none})",
                   spec->file, spec->dedup_line, spec->rows,
                   SPEC_DEDUP_ROW_BYTES,
                   (spec->rows * SPEC_DEDUP_ROW_BYTES + MIB - 1) / MIB,
                   spec->dedup_memory / MIB,
                   (spec->rows * SPEC_DEDUP_ROW_BYTES + MIB - 1) / MIB, fit);
}

/* A folder that is not there is mostly one that was written for another
 * working folder: says from where it was looked for. */
void
spec_say_where(const char *path, struct co_diag *diag)
{
    char here[4096];
    size_t used = diag ? strlen(diag->text) : 0;

    if (!diag || path[0] == '/' || access(path, F_OK) == 0 ||
        !getcwd(here, sizeof here)) {
        return;
    }
    (void)snprintf(diag->text + used, sizeof diag->text - used,
                   " (looked for from the working folder, %s)", here);
}

static enum co_err
open_manifest(struct job_spec *spec, struct co_diag *diag)
{
    struct manifest *manifest = NULL;
    enum co_err err = manifest_open(spec->data, &manifest, diag);

    if (err) {
        spec_say_where(spec->data, diag);
        return co_fail_prefix(diag, err, "%s: population.data", spec->file);
    }
    manifest_free(spec->manifest);
    spec->manifest = manifest;
    return CO_OK;
}

static enum co_err
open_words(struct job_spec *spec, struct co_diag *diag)
{
    struct phrase_set *words = NULL;
    enum co_err err = words_read(spec->phrases, &words, diag);

    if (err) {
        spec_say_where(spec->phrases, diag);
        return co_fail_prefix(diag, err, "%s: population.phrases", spec->file);
    }
    phrase_set_free(spec->words);
    spec->words = words;
    return CO_OK;
}

enum co_err
spec_open_data(struct job_spec *spec, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    if (strchr(spec->data, '/')) err = open_manifest(spec, diag);
    if (!err && spec->phrases[0]) err = open_words(spec, diag);
    return err;
}

enum co_err
spec_check_words(const struct job_spec *spec, const struct prose *prose,
                 struct co_diag *diag)
{
    enum co_err err = CO_OK;

    if (spec->words) err = words_check(spec->words, prose, diag);
    if (!err) return CO_OK;
    return co_fail_prefix(diag, err, "%s: population.phrases: %s", spec->file,
                          spec->phrases);
}

const char *
spec_population(const struct job_spec *spec)
{
    return spec->manifest ? spec->manifest->base : spec->data;
}

/* The tables travel in the recipe. */
static enum co_err
check_size(const struct job_spec *spec, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf buf;
    struct co_json json;

    co_buf_init(&buf, 64 << 20);
    co_json_init(&json, &buf);
    tables_write(&spec->manifest->tables, &json);
    if (co_json_finish(&json)) return co_fail(diag, CO_NOMEM, "out of memory");
    if (buf.len <= TABLES_BYTES_MAX) return CO_OK;
    return co_fail(diag, CO_FULL,
                   "%s: population.data: the tables of %s take %zu bytes in "
                   "the recipe; allowed are %d: take wider bands of ages, "
                   "fewer given attributes or fewer values",
                   spec->file, spec->data, buf.len, TABLES_BYTES_MAX);
}

static enum co_err
load_tables(struct job_spec *spec, const struct model *m,
            struct model **ret_own, struct co_diag *diag)
{
    enum co_err err = manifest_compile(spec->manifest, m, diag);

    if (!err) err = check_size(spec, diag);
    if (!err) err = model_with(m, &spec->manifest->tables, diag, ret_own);
    return err;
}

enum co_err
spec_check(struct job_spec *spec, const struct model *m, struct co_diag *diag)
{
    co_auto(model_freep) struct model *own = NULL;
    enum co_err err = check_dedup(spec, diag);

    if (!err && spec->manifest) err = load_tables(spec, m, &own, diag);
    if (err) return err;
    if (own) m = own;
    err = where_normalise(&spec->where, m, spec->file, spec->where_line, diag);
    if (err) return err;
    return mix_normalise(&spec->mix, &spec->where, m, spec->file,
                         spec->mix_line, diag);
}

const char *
spec_service(const struct job_spec *spec)
{
    if (spec->slow) return "slow";
    if (spec->provider[0]) return "persona.write";
    return spec->phases & SPEC_COMPOSE ? "persona.compose" : "persona.corpus";
}

const char *
spec_priority_name(enum spec_priority priority)
{
    return priorities[priority];
}
