/* write_request.c - from an ask to the body of its request. Everything comes
 * from the recipe and the row, so that any worker would send the same. */
#include "worker/services/write.h"

#include "job/writer_request.h"
#include "job/writers.h"

#include <string.h>

enum { BODY_MAX = 1024 * 1024, LATE_MS = 1000 };

/* The one that the ask is for; NULL: the recipe has none such. */
static const struct writer *
writer_of(const struct write_ask *a, const struct recipe_use *use)
{
    if (a->task.writer == 0) return use->writer;
    if (!use->writers || a->task.writer >= use->writers->n) return NULL;
    return use->writers->v[a->task.writer];
}

/* Whether the recipe means what this worker's file calls by that name. */
static enum co_err
check_writer(const struct write_ask *a, const struct writer *writer,
             struct co_diag *diag)
{
    const struct providers_entry *entry = a->lane->entry;

    if (!writer) {
        return co_fail(diag, CO_DENIED, "the job's recipe names no model");
    }
    if (strcmp(writer->provider, entry->name) != 0) {
        return co_fail(diag, CO_DENIED,
                       "the job's recipe is for the provider \"%s\", the task "
                       "came for \"%s\"",
                       writer->provider, entry->name);
    }
    if (strcmp(writer->kind, entry->kind->name) != 0) {
        return co_fail(diag, CO_DENIED,
                       "the provider \"%s\" is of kind %s for the job, and of "
                       "kind %s in this worker's file: give both the same",
                       entry->name, writer->kind, entry->kind->name);
    }
    return CO_OK;
}

/* The money that was set aside covers so much and no more. */
static enum co_err
check_allowance(const struct write_ask *a, uint64_t input_max,
                uint64_t output_max, struct co_diag *diag)
{
    if (input_max <= a->task.input_max && output_max <= a->task.output_max) {
        return CO_OK;
    }
    return co_fail(diag, CO_DENIED,
                   "beyond its allowance: at most %llu tokens in and %llu out, "
                   "allowed are %llu and %lu",
                   (unsigned long long)input_max,
                   (unsigned long long)output_max,
                   (unsigned long long)a->task.input_max,
                   (unsigned long)a->task.output_max);
}

/* What is billed by the second ends with what was set aside for it; a time-out
 * is seen a little late. */
static uint64_t
time_limit(uint64_t total_ms)
{
    return total_ms - co_min_u64(total_ms / 4, LATE_MS);
}

static enum co_err
write_body(struct write_ask *a, struct provider_ask *ask, bool is_vendor,
           struct co_diag *diag)
{
    uint64_t input_max = provider_input_max(a->lane->entry->kind, ask);
    enum co_err err = check_allowance(a, input_max, ask->max_tokens, diag);

    if (err) return err;
    ask->form = a->lane->entry->form;
    ask->stream = a->lane->entry->stream && !a->in_batch;
    ask->is_vendor = is_vendor;
    a->tokens_max = input_max + ask->max_tokens;
    if (a->has_characters) a->characters = provider_characters(ask);
    a->call.total_ms = time_limit(a->task.total_ms);
    a->body_is_vendor = is_vendor;
    co_buf_clear(&a->body);
    a->lane->speaks->write(ask, &a->body);
    if (a->lane->record_fd < 0) return a->body.err;
    co_buf_clear(&a->asked);
    provider_replay.write(ask, &a->asked);
    return a->body.err ? a->body.err : a->asked.err;
}

enum co_err
write_request(struct write_ask *a, const struct recipe_use *use, bool is_vendor,
              struct co_diag *diag)
{
    struct writer_request r;
    const struct writer *writer = writer_of(a, use);
    enum co_err err = check_writer(a, writer, diag);

    if (err) return err;
    writer_request_init(&r);
    if (a->body.limit == 0) {
        co_buf_init(&a->body, BODY_MAX);
        co_buf_init(&a->asked, BODY_MAX);
    }
    a->has_characters = writer->price.character > 0;
    err = writer_request_make(&r, writer, use->sampler, &a->task);
    a->age = r.age;
    if (!err) err = write_body(a, &r.ask, is_vendor, diag);
    writer_request_fini(&r);
    if (err == CO_FULL) {
        return co_fail(diag, CO_DENIED,
                       "the prompt is longer than %d bytes: shorten it",
                       PROMPT_TEXT_MAX);
    }
    return err;
}
