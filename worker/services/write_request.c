/* write_request.c - from an ask to the body of its request. Everything comes
 * from the recipe and the row, so that any worker would send the same. */
#include "worker/services/write.h"

#include "job/writers.h"
#include "llm/shape.h"
#include "rows/prompt_person.h"

#include <string.h>

enum {
    BODY_MAX = 1024 * 1024,
    MESSAGES_MAX = 4, /* system, user, the wrong answer, what is wrong */
};

/* The texts of one request; scratch memory of the call that makes it. */
struct texts {
    struct co_buf system, user, repair, schema;
};

static void
texts_init(struct texts *t)
{
    co_buf_init(&t->system, PROMPT_TEXT_MAX);
    co_buf_init(&t->user, PROMPT_TEXT_MAX);
    co_buf_init(&t->repair, PROMPT_TEXT_MAX);
    co_buf_init(&t->schema, SHAPE_SCHEMA_MAX);
}

static void
texts_fini(struct texts *t)
{
    co_buf_fini(&t->system);
    co_buf_fini(&t->user);
    co_buf_fini(&t->repair);
    co_buf_fini(&t->schema);
}

static enum co_err
texts_err(const struct texts *t)
{
    if (t->system.err) return t->system.err;
    if (t->user.err) return t->user.err;
    return t->repair.err ? t->repair.err : t->schema.err;
}

/* Draws the person and writes all that is said about it. */
static enum co_err
render(struct write_ask *a, const struct recipe_use *use,
       const struct writer *writer, struct texts *t)
{
    const struct ask_task *task = &a->task;
    const struct prompt_set *prompts = writer->prompts;
    struct person person;
    struct prompt_person values = {
        .s = use->sampler,
        .p = &person,
        .background = task->input,
        .background_len = task->input_len,
        .error = task->error,
        .error_len = task->error_len,
    };

    sampler_draw(use->sampler, task->row, &person);
    a->age = person.age;
    prompt_render(prompts, task->stage, PROMPT_SYSTEM, prompt_person_value,
                  &values, &t->system);
    prompt_render(prompts, task->stage, PROMPT_USER, prompt_person_value,
                  &values, &t->user);
    if (task->wrong) {
        prompt_render(prompts, task->stage, PROMPT_REPAIR, prompt_person_value,
                      &values, &t->repair);
    }
    shape_schema(shape_of(task->stage), a->age, &t->schema);
    return texts_err(t);
}

static uint32_t
put_messages(const struct write_ask *a, const struct texts *t,
             struct provider_message messages[MESSAGES_MAX])
{
    uint32_t n = 0;

    if (t->system.len > 0) {
        messages[n++] = (struct provider_message){
            PROVIDER_SYSTEM, (const char *)t->system.data, t->system.len};
    }
    messages[n++] = (struct provider_message){
        PROVIDER_USER, (const char *)t->user.data, t->user.len};
    if (!a->task.wrong) return n;
    messages[n++] = (struct provider_message){
        PROVIDER_ASSISTANT, (const char *)a->task.wrong, a->task.wrong_len};
    messages[n++] = (struct provider_message){
        PROVIDER_USER, (const char *)t->repair.data, t->repair.len};
    return n;
}

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

static enum co_err
write_body(struct write_ask *a, const struct writer *writer,
           const struct texts *t, bool is_vendor, struct co_diag *diag)
{
    const struct provider *kind = a->lane->entry->kind;
    struct provider_message messages[MESSAGES_MAX];
    const struct provider_ask ask = {
        .model = writer->model,
        .messages = messages,
        .n_messages = put_messages(a, t, messages),
        .schema = (const char *)t->schema.data,
        .schema_name = shape_of(a->task.stage)->name,
        .form = a->lane->entry->form,
        .max_tokens = writer->max_tokens[a->task.stage],
        .temperature_milli = writer->temperature_milli,
        .stream = a->lane->entry->stream,
        .is_vendor = is_vendor,
    };
    uint64_t input_max = provider_input_max(kind, &ask);
    enum co_err err = check_allowance(a, input_max, ask.max_tokens, diag);

    if (err) return err;
    a->tokens_max = input_max + ask.max_tokens;
    a->body_is_vendor = is_vendor;
    co_buf_clear(&a->body);
    a->lane->speaks->write(&ask, &a->body);
    if (a->lane->record_fd < 0) return a->body.err;
    co_buf_clear(&a->asked);
    provider_replay.write(&ask, &a->asked);
    return a->body.err ? a->body.err : a->asked.err;
}

enum co_err
write_request(struct write_ask *a, const struct recipe_use *use, bool is_vendor,
              struct co_diag *diag)
{
    struct texts t;
    const struct writer *writer = writer_of(a, use);
    enum co_err err = check_writer(a, writer, diag);

    if (err) return err;
    texts_init(&t);
    if (a->body.limit == 0) {
        co_buf_init(&a->body, BODY_MAX);
        co_buf_init(&a->asked, BODY_MAX);
    }
    err = render(a, use, writer, &t);
    (void)co_buf_text(&t.schema); /* ends it */
    if (!err) err = write_body(a, writer, &t, is_vendor, diag);
    texts_fini(&t);
    if (err == CO_FULL) {
        return co_fail(diag, CO_DENIED,
                       "the prompt is longer than %d bytes: shorten it",
                       PROMPT_TEXT_MAX);
    }
    return err;
}
