/* corpus_writer.c - see corpus_writer.h. */
#include "coordinator/corpus_writer.h"

#include "job/writer_bound.h"

#include <string.h>

static enum co_err
bound_stage(const struct writer *writer, enum ask_stage stage,
            struct written_stage *ret, struct co_diag *diag)
{
    struct writer_bound bound;
    enum co_err err = writer_bound(writer, stage, &bound, diag);

    if (err) return err;
    *ret = (struct written_stage){
        .input_max = bound.input,
        .output_max = writer->max_tokens[stage],
        /* prompt.h: {{background}} and {{error}} stand there once. */
        .quote_times = stage == ASK_BACKGROUND ? 0 : 1,
        .repair_max = bound.repair,
        .error_times = 1,
    };
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
corpus_writer_bound(const struct writer *writer, struct written_writer *ret,
                    struct co_diag *diag)
{
    *ret = (struct written_writer){.provider = writer->provider,
                                   .price = writer->price,
                                   .call_ms = writer->call_ms};
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        enum co_err err =
            bound_stage(writer, (enum ask_stage)i, &ret->stages[i], diag);

        if (err) return err;
    }
    return CO_OK;
}

enum co_err
corpus_writer_options(const struct writer *writer,
                      const struct sampler *sampler,
                      struct written_options *options, struct co_diag *diag)
{
    struct written_writer first;
    enum co_err err = corpus_writer_bound(writer, &first, diag);

    if (err) return err;
    memcpy(options->stages, first.stages, sizeof options->stages);
    options->rules = (struct talk_rules){writer->repairs, writer->fresh};
    options->price = first.price;
    options->call_ms = first.call_ms;
    options->accepts = accepts;
    options->accepts_self = (void *)(uintptr_t)sampler;
    return CO_OK;
}
