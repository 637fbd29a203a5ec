/* corpus_writer.c - see corpus_writer.h. The bounds come from the function by
 * which workers bound what they send: an ask is never refused for want of
 * allowance unless something else is wrong. */
#include "coordinator/corpus_writer.h"

#include "llm/shape.h"
#include "population/model.h"

/* The longest schema of a stage: people of other ages are asked other fields.
 */
static enum co_err
longest_schema(enum ask_stage stage, struct co_buf *longest)
{
    const struct shape *shape = shape_of(stage);
    co_auto(co_buf_fini) struct co_buf schema;

    co_buf_init(&schema, SHAPE_SCHEMA_MAX);
    for (uint32_t age = 0; age < MODEL_AGES; age++) {
        co_buf_clear(&schema);
        shape_schema(shape, age, &schema);
        if (schema.err) return schema.err;
        if (schema.len <= longest->len) continue;
        co_buf_clear(longest);
        co_buf_append(longest, schema.data, schema.len);
    }
    (void)co_buf_text(longest);
    return longest->err;
}

/* Tokens at most of so many messages with so many bytes together. */
static uint64_t
bound(const struct provider *kind, enum ask_stage stage, const char *schema,
      size_t bytes, uint32_t messages)
{
    const struct provider_message texts[4] = {
        {PROVIDER_SYSTEM, "", bytes},
        {PROVIDER_USER, "", 0},
        {PROVIDER_ASSISTANT, "", 0},
        {PROVIDER_USER, "", 0},
    };
    const struct provider_ask ask = {
        .messages = texts,
        .n_messages = messages,
        .schema = schema,
        .schema_name = shape_of(stage)->name,
    };

    co_assert(messages <= co_countof(texts));
    return provider_input_max(kind, &ask);
}

static enum co_err
bound_stage(const struct writer *writer, const struct provider *kind,
            enum ask_stage stage, struct written_stage *ret)
{
    co_auto(co_buf_fini) struct co_buf schema;
    size_t bytes = prompt_bound(writer->prompts, stage);
    size_t repair = prompt_repair_bound(writer->prompts, stage);
    enum co_err err;

    co_buf_init(&schema, SHAPE_SCHEMA_MAX);
    err = longest_schema(stage, &schema);
    if (err) return err;
    *ret = (struct written_stage){
        .input_max = bound(kind, stage, co_buf_text(&schema), bytes, 2),
        .output_max = writer->max_tokens[stage],
        /* prompt.h: {{background}} and {{error}} stand there once. */
        .quote_times = stage == ASK_BACKGROUND ? 0 : 1,
        .error_times = 1,
    };
    ret->repair_max =
        bound(kind, stage, co_buf_text(&schema), bytes + repair, 4) -
        ret->input_max;
    return CO_OK;
}

static bool
accepts(void *self, uint64_t row)
{
    const struct sampler *sampler = self;
    struct person person;

    sampler_draw(sampler, row, &person);
    return sampler_accepts(sampler, &person);
}

enum co_err
corpus_writer_options(const struct writer *writer,
                      const struct sampler *sampler,
                      struct written_options *options, struct co_diag *diag)
{
    const struct provider *kind = provider_find(writer->kind);

    if (!kind) {
        return co_fail(diag, CO_NOTFOUND, "there is no provider kind \"%s\"",
                       writer->kind);
    }
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        enum co_err err =
            bound_stage(writer, kind, (enum ask_stage)i, &options->stages[i]);

        if (err) return co_fail(diag, err, "%s", co_err_text(err));
    }
    options->rules = (struct talk_rules){writer->repairs, writer->fresh};
    options->price = writer->price;
    options->call_price = writer->call_price;
    options->accepts = accepts;
    options->accepts_self = (void *)(uintptr_t)sampler;
    return CO_OK;
}
