/* writer_request.c - see writer_request.h. */
#include "job/writer_request.h"

#include "llm/shape.h"
#include "rows/prompt_person.h"

void
writer_request_init(struct writer_request *r)
{
    *r = (struct writer_request){.age = 0};
    co_buf_init(&r->system, PROMPT_TEXT_MAX);
    co_buf_init(&r->user, PROMPT_TEXT_MAX);
    co_buf_init(&r->repair, PROMPT_TEXT_MAX);
    co_buf_init(&r->schema, SHAPE_SCHEMA_MAX);
}

void
writer_request_fini(struct writer_request *r)
{
    co_buf_fini(&r->system);
    co_buf_fini(&r->user);
    co_buf_fini(&r->repair);
    co_buf_fini(&r->schema);
}

static enum co_err
texts_err(const struct writer_request *r)
{
    if (r->system.err) return r->system.err;
    if (r->user.err) return r->user.err;
    return r->repair.err ? r->repair.err : r->schema.err;
}

/* Draws the person and writes all that is said about it. */
static enum co_err
render(struct writer_request *r, const struct writer *writer,
       const struct sampler *sampler, const struct ask_task *task)
{
    const struct prompt_set *prompts = writer->prompts;
    struct person person;
    struct prompt_person values = {
        .s = sampler,
        .p = &person,
        .background = task->input,
        .background_len = task->input_len,
        .error = task->error,
        .error_len = task->error_len,
    };

    sampler_draw(sampler, task->row, &person);
    r->age = person.age;
    prompt_render(prompts, task->stage, PROMPT_SYSTEM, prompt_person_value,
                  &values, &r->system);
    prompt_render(prompts, task->stage, PROMPT_USER, prompt_person_value,
                  &values, &r->user);
    if (task->wrong) {
        prompt_render(prompts, task->stage, PROMPT_REPAIR, prompt_person_value,
                      &values, &r->repair);
    }
    shape_schema(shape_of(task->stage), r->age, &r->schema);
    (void)co_buf_text(&r->schema); /* ends it */
    return texts_err(r);
}

static uint32_t
put_messages(struct writer_request *r, const struct ask_task *task)
{
    uint32_t n = 0;

    if (r->system.len > 0) {
        r->messages[n++] = (struct provider_message){
            PROVIDER_SYSTEM, (const char *)r->system.data, r->system.len};
    }
    r->messages[n++] = (struct provider_message){
        PROVIDER_USER, (const char *)r->user.data, r->user.len};
    if (!task->wrong) return n;
    r->messages[n++] = (struct provider_message){
        PROVIDER_ASSISTANT, (const char *)task->wrong, task->wrong_len};
    r->messages[n++] = (struct provider_message){
        PROVIDER_USER, (const char *)r->repair.data, r->repair.len};
    return n;
}

enum co_err
writer_request_make(struct writer_request *r, const struct writer *writer,
                    const struct sampler *sampler, const struct ask_task *task)
{
    enum co_err err;

    co_buf_clear(&r->system);
    co_buf_clear(&r->user);
    co_buf_clear(&r->repair);
    co_buf_clear(&r->schema);
    err = render(r, writer, sampler, task);
    if (err) return err;
    r->ask = (struct provider_ask){
        .model = writer->model,
        .messages = r->messages,
        .n_messages = put_messages(r, task),
        .schema = (const char *)r->schema.data,
        .schema_name = shape_of(task->stage)->name,
        .max_tokens = writer->max_tokens[task->stage],
        .temperature_milli = writer->temperature_milli,
    };
    return CO_OK;
}
