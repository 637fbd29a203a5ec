/* spec_writer.c - the keys of a job file that say who writes the texts. */
#include "job/spec_impl.h"
#include "job/writer_bound.h"
#include "llm/batch.h"

#include "population/locate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct spec_answers answers_default = {
    .max_tokens = 1200,
    .temperature_milli = 800,
    .repairs = 2,
    .fresh = 1,
};

void
spec_default_writer(struct job_spec *spec)
{
    spec->answers = answers_default;
    spec->budget = -1;
}

enum co_err
spec_read_provider(struct job_spec *spec, const struct co_yaml *node,
                   struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err =
        co_yaml_text(node, sizeof spec->provider - 1, &text, diag);

    if (err) return err;
    if (strcmp(text, "builtin") == 0) text = "";
    memcpy(spec->provider, text, strlen(text) + 1);
    return CO_OK;
}

enum co_err
spec_read_providers(struct job_spec *spec, const struct co_yaml *node,
                    struct co_diag *diag)
{
    return providers_read(node, &spec->providers, diag);
}

enum co_err
spec_read_prompts(struct job_spec *spec, const struct co_yaml *node,
                  struct co_diag *diag)
{
    const char *text = NULL;
    enum co_err err = co_yaml_text(node, sizeof spec->prompts - 1, &text, diag);

    if (!err) memcpy(spec->prompts, text, strlen(text) + 1);
    return err;
}

static enum co_err
read_u32(const struct co_yaml *node, uint32_t min, uint32_t max, uint32_t *ret,
         struct co_diag *diag)
{
    uint64_t value = 0;
    enum co_err err = co_yaml_u64(node, min, max, &value, diag);

    if (!err) *ret = (uint32_t)value;
    return err;
}

enum co_err
spec_read_max_tokens(struct job_spec *spec, const struct co_yaml *node,
                     struct co_diag *diag)
{
    return read_u32(node, WRITER_TOKENS_MIN, WRITER_TOKENS_MAX,
                    &spec->answers.max_tokens, diag);
}

enum co_err
spec_read_temperature(struct job_spec *spec, const struct co_yaml *node,
                      struct co_diag *diag)
{
    uint64_t value = 0;
    enum co_err err;

    if (node->kind == CO_YAML_SCALAR && strcmp(node->text, "own") == 0) {
        spec->answers.temperature_milli = WRITER_TEMPERATURE_OWN;
        return CO_OK;
    }
    err = co_yaml_fixed(node, 3, WRITER_TEMPERATURE_MAX, &value, diag);
    if (err) {
        return co_yaml_fail(node, diag, err,
                            "found %s; allowed is a number from 0 to 2 with at "
                            "most 3 decimals, or own (nothing is sent)",
                            co_yaml_found(node).text);
    }
    spec->answers.temperature_milli = (uint32_t)value;
    return CO_OK;
}

enum co_err
spec_read_repairs(struct job_spec *spec, const struct co_yaml *node,
                  struct co_diag *diag)
{
    return read_u32(node, 0, WRITER_REPAIRS_MAX, &spec->answers.repairs, diag);
}

enum co_err
spec_read_fresh(struct job_spec *spec, const struct co_yaml *node,
                struct co_diag *diag)
{
    return read_u32(node, 0, WRITER_FRESH_MAX, &spec->answers.fresh, diag);
}

enum co_err
spec_read_cache(struct job_spec *spec, const struct co_yaml *node,
                struct co_diag *diag)
{
    static const char *const names[] = {"off", "own", "shared", NULL};
    size_t index = 0;
    enum co_err err = co_yaml_enum(node, names, &index, diag);

    if (!err) spec->cached = index > 0;
    if (!err) spec->cache_shared = index == 2;
    return err;
}

const struct providers_entry *
spec_provider(const struct job_spec *spec)
{
    if (!spec->provider[0] || !spec->providers) return NULL;
    return providers_find(spec->providers, spec->provider);
}

static void
list_providers(const struct job_spec *spec, struct co_buf *names)
{
    uint32_t n = spec->providers ? spec->providers->n : 0;

    co_buf_puts(names, "builtin");
    for (uint32_t i = 0; i < n; i++) {
        co_buf_printf(names, "%s%s", i + 1 == n ? " or " : ", ",
                      spec->providers->entries[i].name);
    }
    if (n == 0) co_buf_puts(names, ", or a name that stands in providers:");
}

/* Each call would be refused, row after row. */
static enum co_err
check_temperature(const struct job_spec *spec, const struct co_yaml *root,
                  struct co_diag *diag)
{
    const struct co_yaml *answers = co_yaml_get(root, "answers");
    const struct co_yaml *node =
        answers ? co_yaml_get(answers, "temperature") : NULL;
    struct co_diag why = {""};

    if (!node ||
        !provider_check_temperature(spec_provider(spec)->kind,
                                    spec->answers.temperature_milli, &why)) {
        return CO_OK;
    }
    return co_yaml_fail(node, diag, CO_RANGE,
                        "found %s, but %s; lower it, or say own (nothing is "
                        "sent)",
                        co_yaml_found(node).text, why.text);
}

enum co_err
spec_check_provider(const struct job_spec *spec, const struct co_yaml *root,
                    struct co_diag *diag)
{
    const struct co_yaml *node = co_yaml_get(root, "provider");
    co_auto(co_buf_fini) struct co_buf names;

    co_buf_init(&names, sizeof diag->text);
    if (!spec->provider[0]) return CO_OK;
    co_assert(node);
    if (!spec_provider(spec)) {
        list_providers(spec, &names);
        return co_yaml_fail(node, diag, CO_INVALID, "found %s; allowed is %s",
                            co_yaml_found(node).text, co_buf_text(&names));
    }
    if (!(spec->phases & SPEC_COMPOSE)) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %s, but phases [corpus] have no texts to "
                            "write; allowed is builtin",
                            co_yaml_found(node).text);
    }
    if (spec->slow) {
        return co_yaml_fail(node, diag, CO_INVALID,
                            "found %s; service: slow is of the built-in writer "
                            "alone",
                            co_yaml_found(node).text);
    }
    return check_temperature(spec, root, diag);
}

/* ---- the writer ---- */

static enum co_err
open_prompts(const struct job_spec *spec, const char *folder,
             const char *data_dir, struct writer *writer, struct co_diag *diag)
{
    char path[LOCATE_PATH_BYTES];
    enum co_err err;

    if (!folder[0]) {
        err = prompts_locate(data_dir, "compose", path, diag);
        return err ? err : prompt_set_load(path, &writer->prompts, diag);
    }
    err = prompt_set_load(folder, &writer->prompts, diag);
    if (!err) return CO_OK;
    spec_say_where(folder, diag);
    return co_fail_prefix(diag, err, "%s: prompts", spec->file);
}

/* Vendors state prices of single calls. Not less than half of them. */
static int64_t
batch_price(int64_t price)
{
    return price < 0 ? price
                     : price / BATCH_PRICE_DIVISOR +
                           (price % BATCH_PRICE_DIVISOR != 0);
}

static void
make_batch_price(struct price *price)
{
    price->input = batch_price(price->input);
    price->output = batch_price(price->output);
    price->cached_input = batch_price(price->cached_input);
}

/* The file's price, which is that of the calls as they are made; else the
 * vendor's. */
static enum co_err
find_price(const struct providers_entry *entry, const char *data_dir,
           char date[PRICES_DATE_BYTES], struct writer *writer,
           struct co_diag *diag)
{
    char path[LOCATE_PATH_BYTES];
    enum co_err err;

    writer->price = entry->price;
    /* the worker's time-out may be longer: the ask says this one */
    if (entry->price.millisecond > 0) {
        writer->call_ms = entry->timeouts.total_ms;
    }
    date[0] = '\0';
    if (entry->has_price || !providers_is_vendor(entry)) return CO_OK;
    err = prices_locate(data_dir, path, diag);
    if (!err) {
        err = prices_find(path, writer->kind, writer->model, &writer->price,
                          date, diag);
    }
    if (!err && writer->batch) make_batch_price(&writer->price);
    return err == CO_NOTFOUND ? CO_OK : err; /* it stays unknown */
}

/* What cannot be counted cannot be kept to. */
static enum co_err
check_budget(const struct job_spec *spec, const struct writer *writer,
             struct co_diag *diag)
{
    if (spec->budget < 0 || writer_has_price(writer)) return CO_OK;
    return co_fail(
        diag, CO_INVALID,
        "%s:%" PRIu32 ": budget.usd: what model \"%s\" of provider %s costs is "
        "not known, so nothing could be counted against the budget. Give "
        "providers.%s.price: {input_usd_per_mtok: A, output_usd_per_mtok: B} "
        "(0 where it costs nothing), or leave the budget out",
        spec->file, spec->budget_line, writer->model, writer->provider,
        writer->provider);
}

/* Who reads "budget" believes that something is kept to it. */
static enum co_err
check_no_budget(const struct job_spec *spec, struct co_diag *diag)
{
    if (spec->budget < 0) return CO_OK;
    return co_fail(diag, CO_INVALID,
                   "%s:%" PRIu32
                   ": budget: is what calls may cost at most, and "
                   "this job makes none: its texts are the built-in writer's "
                   "and cost nothing. Leave budget out, or name the provider "
                   "that writes (provider: NAME)",
                   spec->file, spec->budget_line);
}

/* A call is charged at its start as many tokens as it may take: one that may
 * take more than the limit could never start. */
static enum co_err
check_tpm(const struct job_spec *spec, const struct providers_entry *entry,
          const struct writer *writer, struct co_diag *diag)
{
    uint64_t needed;
    enum co_err err;

    if (entry->limits.tpm == 0 || writer->batch) return CO_OK;
    err = writer_ask_max(writer, &needed, diag);
    if (err || needed <= entry->limits.tpm) return err;
    return co_fail(
        diag, CO_INVALID,
        "%s:%" PRIu32 ": providers.%s.limits.tpm: found %" PRIu64 "; one call "
        "of this job may take %" PRIu64 " tokens, and would never start: give "
        "at least that, leave tpm out, or let calls be smaller (shorter "
        "prompts, answers.max_tokens, answers.repairs: 0)",
        spec->file, entry->line, entry->name, entry->limits.tpm, needed);
}

/* Whether the worst case of a row is a number: what it is bounded by may be as
 * long as a day, at a price of the second. */
static enum co_err
check_countable(const struct job_spec *spec, const struct writer *writer,
                struct co_diag *diag)
{
    int64_t worst;
    enum co_err err = CO_OK;

    if (writer_has_price(writer)) err = writer_row_worst(writer, &worst, diag);
    return err ? co_fail_prefix(diag, err, "%s: providers.%s.price", spec->file,
                                writer->provider)
               : CO_OK;
}

enum co_err
spec_make_writer(const struct job_spec *spec,
                 const struct providers_entry *entry, const char *prompts,
                 const char *data_dir, char date[PRICES_DATE_BYTES],
                 struct writer **ret_writer, struct co_diag *diag)
{
    co_auto(writer_freep) struct writer *writer = calloc(1, sizeof *writer);
    enum co_err err;

    if (!writer) return co_fail(diag, CO_NOMEM, "out of memory");
    memcpy(writer->provider, entry->name, sizeof writer->provider);
    memcpy(writer->model, entry->model, sizeof writer->model);
    (void)snprintf(writer->kind, sizeof writer->kind, "%s", entry->kind->name);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        writer->max_tokens[i] = spec->answers.max_tokens;
    }
    writer->batch = entry->batch.max_requests > 0;
    writer->temperature_milli = spec->answers.temperature_milli;
    writer->repairs = spec->answers.repairs;
    writer->fresh = spec->answers.fresh;
    err = find_price(entry, data_dir, date, writer, diag);
    if (!err) err = check_budget(spec, writer, diag);
    if (!err) err = open_prompts(spec, prompts, data_dir, writer, diag);
    if (!err) err = check_countable(spec, writer, diag);
    if (!err) err = check_tpm(spec, entry, writer, diag);
    if (!err) *ret_writer = co_take(&writer);
    return err;
}

/* Rows of a batch wait for a day: nobody could stand in for its writer, and the
 * arms of a job would not run side by side. */
static enum co_err
check_batches(const struct job_spec *spec, struct co_diag *diag)
{
    for (uint32_t i = 0; spec->writers && i < spec->writers->n; i++) {
        const struct writer *writer = spec->writers->v[i];

        if (!writer->batch) continue;
        return co_fail(
            diag, CO_INVALID,
            "%s: providers.%s.batch: a job with several writers "
            "(arms, fallback) makes single calls only; leave out one "
            "of the two",
            spec->file, writer->provider);
    }
    return CO_OK;
}

static void
drop_writers(struct job_spec *spec)
{
    writers_free(spec->writers);
    spec->writers = NULL;
    writer_free(spec->writer);
    spec->writer = NULL;
}

enum co_err
spec_open_writer(struct job_spec *spec, const char *data_dir,
                 struct co_diag *diag)
{
    const struct providers_entry *entry = spec_provider(spec);
    struct writer *writer = NULL;
    enum co_err err;

    if (!entry) return check_no_budget(spec, diag);
    err = spec_make_writer(spec, entry, spec->prompts, data_dir,
                           spec->price_date, &writer, diag);
    if (err) return err;
    drop_writers(spec);
    spec->writer = writer;
    err = spec_open_arms(spec, data_dir, diag);
    if (!err) err = check_batches(spec, diag);
    if (!err) err = spec_check_one_row(spec, diag);
    if (err) drop_writers(spec);
    return err;
}
