/* recipe.c - see recipe.h. */
#include "job/recipe.h"
#include "common/hash.h"
#include "job/tables_json.h"
#include "population/locate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recipe
recipe_of_spec(const struct job_spec *spec, uint32_t generator,
               uint64_t model_hash, uint64_t phrases)
{
    struct recipe recipe = {
        .generator = generator,
        .model_hash = model_hash,
        .phrases = phrases,
        .seed = spec->seed,
        .phases = spec->phases,
        .dedup = spec_dedups(spec),
        .where = spec->where,
        .mix = spec->mix,
        .words = spec->words,
        .writer = spec->writer,
        .writers = spec->writers,
    };

    /* Else another recipe would go under this job's name. */
    co_assert(!spec->provider[0] || spec->writer);

    (void)snprintf(recipe.population, sizeof recipe.population, "%s",
                   spec_population(spec));
    if (spec->manifest) recipe.tables = spec->manifest->tables;
    return recipe;
}

enum { HASH_BITS_MAX = 63 };
static const char builtin[] = "builtin"; /* writer */

/* "exact", or "exact-22" where only 22 bits are compared. */
static void
write_dedup(const struct recipe *recipe, struct co_json *json)
{
    char text[24] = "exact";

    if (!recipe->dedup) return;
    if (recipe->hash_bits) {
        (void)snprintf(text, sizeof text, "exact-%u", recipe->hash_bits);
    }
    co_json_put_text(json, "dedup", text);
}

static void
write_phases(unsigned phases, struct co_json *json)
{
    co_json_key(json, "phases");
    co_json_array(json);
    if (phases & SPEC_CORPUS) co_json_text(json, "corpus");
    if (phases & SPEC_COMPOSE) co_json_text(json, "compose");
    co_json_end(json);
}

enum co_err
recipe_write(const struct recipe *recipe, struct co_buf *buf)
{
    char seed[24];
    struct co_json json;
    size_t before = buf->len;

    (void)snprintf(seed, sizeof seed, "%" PRIu64, recipe->seed);
    co_json_init(&json, buf);
    co_json_object(&json); /* keys in sorted order */
    write_dedup(recipe, &json);
    co_json_put_u64(&json, "generator", recipe->generator);
    co_json_put_u64(&json, "grid", SPEC_GRID);
    co_json_put_text(&json, "job", "personas");
    if (recipe->mix.count) {
        co_json_key(&json, "mix");
        mix_write(&recipe->mix, &json);
    }
    co_json_key(&json, "model");
    co_json_hex64(&json, recipe->model_hash);
    write_phases(recipe->phases, &json);
    co_json_key(&json, "phrases");
    co_json_hex64(&json, recipe->phrases);
    co_json_put_text(&json, "population", recipe->population);
    co_json_put_text(&json, "provider",
                     recipe->writer ? recipe->writer->provider : builtin);
    co_json_put_text(&json, "seed", seed);
    if (recipe->tables.count) {
        co_json_key(&json, "tables");
        tables_write(&recipe->tables, &json);
    }
    co_json_put_u64(&json, "version", RECIPE_VERSION);
    co_json_key(&json, "where");
    where_write(&recipe->where, &json);
    if (recipe->words) {
        co_json_key(&json, "words");
        words_write(recipe->words, &json);
    }
    if (recipe->writer) {
        co_json_key(&json, "writer");
        writer_write(recipe->writer, &json);
    }
    if (recipe->writer && recipe->writers) {
        co_json_key(&json, "writers");
        writers_write(recipe->writers, &json);
    }
    co_json_end(&json);
    if (!buf->err && buf->len - before > RECIPE_BYTES_MAX) buf->err = CO_FULL;
    return co_json_finish(&json);
}

uint64_t
recipe_hash(const void *json, size_t len)
{
    return co_hash64(json, len, 0);
}

void
recipe_fini(struct recipe *recipe)
{
    where_fini(&recipe->where);
    mix_fini(&recipe->mix);
    user_tables_fini(&recipe->tables);
    phrase_set_free(recipe->words);
    recipe->words = NULL;
    writers_free(recipe->writers);
    recipe->writers = NULL;
    writer_free(recipe->writer);
    recipe->writer = NULL;
}

static enum co_err
sampler_of(const struct recipe *recipe, const struct model *m,
           const struct mix_weight *weights, struct co_diag *diag,
           struct sampler **ret_sampler)
{
    struct condition conditions[ATTR_ALL];
    const struct sampler_wish wish = {
        .seed = recipe->seed,
        .conditions = conditions,
        .n_conditions = where_conditions(&recipe->where, conditions),
        .mix = weights,
        .n_mix = recipe->mix.count,
    };

    return sampler_make(m, &wish, diag, ret_sampler);
}

enum co_err
recipe_sampler(const struct recipe *recipe, const struct model *m,
               struct co_diag *diag, struct sampler **ret_sampler)
{
    co_auto(model_freep) struct model *own = NULL;
    struct mix_weight *weights;
    enum co_err err = CO_OK;

    if (recipe->tables.count) err = model_with(m, &recipe->tables, diag, &own);
    if (err) return err;
    weights = mix_weights(&recipe->mix);
    if (!weights) return co_fail(diag, CO_NOMEM, "out of memory");
    err = sampler_of(recipe, own ? own : m, weights, diag, ret_sampler);
    if (!err && own) sampler_own_model(*ret_sampler, &own);
    free(weights);
    return err;
}
enum co_err
recipe_prose(const struct recipe *recipe, const struct prose *base,
             struct co_diag *diag, struct prose **ret_prose)
{
    if (!recipe->words) return CO_OK;
    return prose_extend(base, recipe->words, diag, ret_prose);
}

/* --- reading -------------------------------------------------------------- */

static bool
read_u64(const json_t *value, uint64_t max, uint64_t *ret_value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *ret_value = (uint64_t)json_integer_value(value);
    return *ret_value <= max;
}

static bool
read_seed(const json_t *value, uint64_t *ret_seed)
{
    const char *text = json_string_value(value);
    uint64_t seed = 0;

    if (!text || !*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' ||
            __builtin_mul_overflow(seed, 10, &seed) ||
            __builtin_add_overflow(seed, (uint64_t)(*text - '0'), &seed)) {
            return false;
        }
    }
    *ret_seed = seed;
    return true;
}

/* The values; keys that are missing, unknown or constant are settled by the
 * comparison with the canonical form. */
/* What is not one of its forms shows in check_canonical. */
static void
read_dedup(const char *text, struct recipe *recipe)
{
    unsigned long bits;

    if (!text) return;
    recipe->dedup = true;
    if (strncmp(text, "exact-", 6) != 0) return;
    bits = strtoul(text + 6, NULL, 10);
    if (bits >= 1 && bits <= HASH_BITS_MAX) recipe->hash_bits = (unsigned)bits;
}

/* A builtin with a writer, or a writer without a name, is not canonical. */
static enum co_err
read_writer(const json_t *root, struct recipe *recipe, struct co_diag *diag)
{
    const char *name = json_string_value(json_object_get(root, "provider"));
    const json_t *writer = json_object_get(root, "writer");
    const json_t *writers = json_object_get(root, "writers");
    enum co_err err;

    if (!name || strcmp(name, builtin) == 0) return CO_OK;
    err = writer_from_json(writer, name, &recipe->writer, diag);
    if (err || !writers) return err;
    return writers_from_json(writers, recipe->writer, &recipe->writers, diag);
}

static enum co_err
read_values(const json_t *root, struct recipe *recipe, struct co_diag *diag)
{
    const json_t *phases = json_object_get(root, "phases");
    const char *model = json_string_value(json_object_get(root, "model"));
    const char *words = json_string_value(json_object_get(root, "phrases"));
    const char *population =
        json_string_value(json_object_get(root, "population"));
    uint64_t generator = 0;
    enum co_err err;

    if (!read_u64(json_object_get(root, "generator"), UINT32_MAX, &generator) ||
        !read_seed(json_object_get(root, "seed"), &recipe->seed) || !model ||
        !co_hex16_parse(model, &recipe->model_hash) || !words ||
        !co_hex16_parse(words, &recipe->phrases) || !json_is_array(phases) ||
        !population || !model_known(population)) {
        return co_fail(diag, CO_INVALID,
                       "recipe: generator, seed, model, population, phases or "
                       "phrases are missing or wrong");
    }
    recipe->generator = (uint32_t)generator;
    read_dedup(json_string_value(json_object_get(root, "dedup")), recipe);
    (void)snprintf(recipe->population, sizeof recipe->population, "%s",
                   population);
    recipe->phases = SPEC_CORPUS;
    if (json_array_size(phases) > 1) recipe->phases |= SPEC_COMPOSE;
    err = tables_from_json(&recipe->tables, json_object_get(root, "tables"),
                           diag);
    if (err) return err;
    err = where_from_json(&recipe->where, json_object_get(root, "where"),
                          &recipe->tables, diag);
    if (err) return err;
    err = mix_from_json(&recipe->mix, json_object_get(root, "mix"), diag);
    if (err) return err;
    err = words_from_json(json_object_get(root, "words"), &recipe->words, diag);
    return err ? err : read_writer(root, recipe, diag);
}

/* One meaning has one form: whatever was not understood shows here. */
static enum co_err
check_canonical(const struct recipe *recipe, const void *json, size_t len,
                struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf buf;
    enum co_err err;

    co_buf_init(&buf, RECIPE_BYTES_MAX + 1);
    err = recipe_write(recipe, &buf);
    if (err) return co_fail(diag, err, "recipe: %s", co_err_text(err));
    if (buf.len == len && memcmp(buf.data, json, len) == 0) return CO_OK;
    return co_fail(diag, CO_INVALID,
                   "recipe: not in canonical form, or with unknown keys");
}

static enum co_err
parse_root(const json_t *root, const void *json, size_t len,
           struct recipe *recipe, struct co_diag *diag)
{
    uint64_t version = 0;
    enum co_err err;

    if (!read_u64(json_object_get(root, "version"), UINT32_MAX, &version)) {
        return co_fail(diag, CO_INVALID, "recipe: no version");
    }
    if (version != RECIPE_VERSION) {
        return co_fail(diag, CO_VERSION,
                       "recipe: version %" PRIu64 "; this program reads %d",
                       version, RECIPE_VERSION);
    }
    err = read_values(root, recipe, diag);
    if (!err) err = check_canonical(recipe, json, len, diag);
    return err;
}

enum co_err
recipe_parse(const void *json, size_t len, struct recipe *ret_recipe,
             struct co_diag *diag)
{
    struct recipe recipe = {0};
    json_error_t error;
    json_t *root;
    enum co_err err;

    if (len > RECIPE_BYTES_MAX) {
        return co_fail(diag, CO_FULL, "recipe: %zu bytes; at most %d", len,
                       RECIPE_BYTES_MAX);
    }
    root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        return co_fail(diag, CO_INVALID, "recipe: not valid JSON: %s",
                       error.text);
    }
    err = parse_root(root, json, len, &recipe, diag);
    json_decref(root);
    if (err) {
        recipe_fini(&recipe);
        return err;
    }
    *ret_recipe = recipe;
    return CO_OK;
}

/* --- differences ---------------------------------------------------------- */

static void
differ(struct co_buf *buf, const char *what, const char *folder,
       const char *job)
{
    co_buf_printf(buf, "%s%s: %.200s in the folder, %.200s in the job file",
                  buf->len ? "; " : "", what, folder, job);
}

static void
differ_program(struct co_buf *buf, const char *what, const char *folder,
               const char *job)
{
    co_buf_printf(buf, "%s%s: %s in the folder, %s in this program",
                  buf->len ? "; " : "", what, folder, job);
}

/* Compares two forms that were written into a and b; empties both. */
static void
differ_json(struct co_buf *buf, const char *what, struct co_buf *a,
            struct co_buf *b)
{
    if (strcmp(co_buf_text(a), co_buf_text(b)) != 0) {
        differ(buf, what, co_buf_text(a), co_buf_text(b));
    }
    co_buf_clear(a);
    co_buf_clear(b);
}

/* Texts are too long for a message: which they are is told by their hash. */
static void
diff_words(const struct recipe *folder, const struct recipe *job,
           struct co_buf *buf)
{
    char a[CO_HEX16_SIZE] = "none", b[CO_HEX16_SIZE] = "none";

    if (folder->words) (void)co_hex16(phrase_set_hash(folder->words), a);
    if (job->words) (void)co_hex16(phrase_set_hash(job->words), b);
    if (strcmp(a, b) != 0) differ(buf, "population.phrases", a, b);
}

static void
diff_people(const struct recipe *folder, const struct recipe *job,
            struct co_buf *buf)
{
    co_auto(co_buf_fini) struct co_buf a;
    co_auto(co_buf_fini) struct co_buf b;
    struct co_json json;

    co_buf_init(&a, RECIPE_BYTES_MAX);
    co_buf_init(&b, RECIPE_BYTES_MAX);
    co_json_init(&json, &a);
    where_write(&folder->where, &json);
    co_json_init(&json, &b);
    where_write(&job->where, &json);
    differ_json(buf, "population.where", &a, &b);
    co_json_init(&json, &a);
    mix_write(&folder->mix, &json);
    co_json_init(&json, &b);
    mix_write(&job->mix, &json);
    differ_json(buf, "population.mix (in millionths)", &a, &b);
    co_json_init(&json, &a);
    tables_write(&folder->tables, &json);
    co_json_init(&json, &b);
    tables_write(&job->tables, &json);
    differ_json(buf, "population.data (tables)", &a, &b);
    if (folder->words || job->words) diff_words(folder, job, buf);
}

static const char *
writer_name(const struct recipe *recipe)
{
    return recipe->writer ? recipe->writer->provider : builtin;
}

/* Writers that both ask a model. */
static void
diff_writers(const struct writer *folder, const struct writer *job,
             struct co_buf *buf)
{
    char a[CO_HEX16_SIZE], b[CO_HEX16_SIZE];
    co_auto(co_buf_fini) struct co_buf x;
    co_auto(co_buf_fini) struct co_buf y;

    co_buf_init(&x, RECIPE_BYTES_MAX);
    co_buf_init(&y, RECIPE_BYTES_MAX);
    if (strcmp(folder->kind, job->kind) != 0) {
        differ(buf, "providers: kind", folder->kind, job->kind);
    }
    if (strcmp(folder->model, job->model) != 0) {
        differ(buf, "providers: model", folder->model, job->model);
    }
    writer_say_price(folder, &x);
    writer_say_price(job, &y);
    differ_json(buf, "providers: price", &x, &y);
    writer_say_answers(folder, &x);
    writer_say_answers(job, &y);
    differ_json(buf, "answers", &x, &y);
    if (writer_prompts_hash(folder) != writer_prompts_hash(job)) {
        differ(buf, "prompts", co_hex16(writer_prompts_hash(folder), a),
               co_hex16(writer_prompts_hash(job), b));
    }
}

/* Who else writes, for which rows. Differences between writers of the same
 * name are told by the hash of all of them. */
static void
diff_tables(const struct recipe *folder, const struct recipe *job,
            struct co_buf *buf)
{
    co_auto(co_buf_fini) struct co_buf x;
    co_auto(co_buf_fini) struct co_buf y;
    struct co_json json;
    char a[CO_HEX16_SIZE], b[CO_HEX16_SIZE];
    uint64_t before, now;
    size_t len = buf->len;

    co_buf_init(&x, RECIPE_BYTES_MAX);
    co_buf_init(&y, RECIPE_BYTES_MAX);
    if (folder->writers) writers_say(folder->writers, &x);
    if (!folder->writers) co_buf_puts(&x, "none");
    if (job->writers) writers_say(job->writers, &y);
    if (!job->writers) co_buf_puts(&y, "none");
    differ_json(buf, "arms and fallbacks", &x, &y);
    if (buf->len > len || !folder->writers || !job->writers) return;
    co_json_init(&json, &x);
    writers_write(folder->writers, &json);
    co_json_init(&json, &y);
    writers_write(job->writers, &json);
    before = recipe_hash(x.data, x.len);
    now = recipe_hash(y.data, y.len);
    if (before == now) return;
    differ(buf, "models, prices, answers or prompts of arms and fallbacks",
           co_hex16(before, a), co_hex16(now, b));
}

static const char *
phases_text(unsigned phases)
{
    return phases & SPEC_COMPOSE ? "[corpus, compose]" : "[corpus]";
}

bool
recipe_diff(const struct recipe *folder, const struct recipe *job,
            struct co_buf *buf)
{
    char a[32], b[32];
    size_t before = buf->len;

    if (folder->seed != job->seed) {
        (void)snprintf(a, sizeof a, "%" PRIu64, folder->seed);
        (void)snprintf(b, sizeof b, "%" PRIu64, job->seed);
        differ(buf, "seed", a, b);
    }
    diff_people(folder, job, buf);
    if (strcmp(folder->population, job->population) != 0) {
        differ(buf, "population.data", folder->population, job->population);
    }
    if (folder->phases != job->phases) {
        differ(buf, "phases", phases_text(folder->phases),
               phases_text(job->phases));
    }
    if (strcmp(writer_name(folder), writer_name(job)) != 0) {
        differ(buf, "provider", writer_name(folder), writer_name(job));
    }
    if (folder->writer && job->writer) {
        diff_writers(folder->writer, job->writer, buf);
        diff_tables(folder, job, buf);
    }
    if (folder->hash_bits != job->hash_bits) {
        (void)snprintf(a, sizeof a, "%u", folder->hash_bits);
        (void)snprintf(b, sizeof b, "%u", job->hash_bits);
        differ(buf, "COHORT_TEST_HASH_BITS", a, b);
    }
    if (folder->dedup != job->dedup) {
        differ(buf, "dedup.method", folder->dedup ? "exact" : "none",
               job->dedup ? "exact" : "none");
    }
    if (folder->generator != job->generator) {
        (void)snprintf(a, sizeof a, "%" PRIu32, folder->generator);
        (void)snprintf(b, sizeof b, "%" PRIu32, job->generator);
        differ_program(buf, "generator version", a, b);
    }
    if (folder->model_hash != job->model_hash) {
        differ_program(buf, "population tables",
                       co_hex16(folder->model_hash, a),
                       co_hex16(job->model_hash, b));
    }
    if (folder->phrases != job->phrases) {
        differ_program(buf, "phrases", co_hex16(folder->phrases, a),
                       co_hex16(job->phrases, b));
    }
    return buf->len > before;
}
