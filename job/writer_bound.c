/* writer_bound.c - see writer_bound.h. The bounds come from the function by
 * which workers bound what they send: an ask is never refused for want of
 * allowance unless something else is wrong. */
#include "job/writer_bound.h"

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

enum co_err
writer_bound(const struct writer *writer, enum ask_stage stage,
             struct writer_bound *ret, struct co_diag *diag)
{
    const struct provider *kind = provider_find(writer->kind);
    co_auto(co_buf_fini) struct co_buf schema;
    size_t bytes = prompt_bound(writer->prompts, stage);
    size_t repair = prompt_repair_bound(writer->prompts, stage);
    enum co_err err;

    co_buf_init(&schema, SHAPE_SCHEMA_MAX);
    if (!kind) {
        return co_fail(diag, CO_NOTFOUND, "there is no provider kind \"%s\"",
                       writer->kind);
    }
    err = longest_schema(stage, &schema);
    if (err) return co_fail(diag, err, "%s", co_err_text(err));
    ret->input = bound(kind, stage, co_buf_text(&schema), bytes, 2);
    ret->repair = bound(kind, stage, co_buf_text(&schema), bytes + repair, 4) -
                  ret->input;
    return CO_OK;
}

enum co_err
writer_ask_max(const struct writer *writer, uint64_t *ret_tokens,
               struct co_diag *diag)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < ASK_STAGES; i++) {
        const enum ask_stage stage = (enum ask_stage)i;
        struct writer_bound b;
        uint64_t tokens;
        enum co_err err = writer_bound(writer, stage, &b, diag);

        if (err) return err;
        tokens = b.input + writer->max_tokens[stage];
        if (stage != ASK_BACKGROUND) tokens += ASK_ANSWER_MAX;
        if (writer->repairs) tokens += b.repair + ASK_WRONG_MAX + ASK_ERROR_MAX;
        most = co_max_u64(most, tokens);
    }
    *ret_tokens = most;
    return CO_OK;
}

static enum co_err
refuse_worst(const struct writer *writer, struct co_diag *diag)
{
    return co_fail(diag, CO_RANGE,
                   "a row of model \"%s\" may cost more than can be counted; "
                   "see its price%s",
                   writer->model,
                   writer->call_ms ? " and its timeouts.total" : "");
}

enum co_err
writer_stage_worst(const struct writer *writer, enum ask_stage stage,
                   int64_t *ret_worst, struct co_diag *diag)
{
    struct writer_bound b;
    enum co_err err = writer_bound(writer, stage, &b, diag);

    if (err) return err;
    if (stage != ASK_BACKGROUND) b.input += ASK_ANSWER_MAX;
    return price_worst(&writer->price, b.input, writer->max_tokens[stage],
                       writer->call_ms, ret_worst)
               ? CO_OK
               : refuse_worst(writer, diag);
}

enum co_err
writer_row_worst(const struct writer *writer, int64_t *ret_worst,
                 struct co_diag *diag)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < ASK_STAGES; i++) {
        int64_t worst;
        enum co_err err =
            writer_stage_worst(writer, (enum ask_stage)i, &worst, diag);

        if (err) return err;
        if (__builtin_add_overflow(sum, worst, &sum)) {
            return refuse_worst(writer, diag);
        }
    }
    *ret_worst = sum;
    return CO_OK;
}
