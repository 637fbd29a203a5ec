/* write_batch_harvest.c - a page of a file of answers, judged line by line. */
#include "worker/services/write_batch.h"

#include "job/writer.h"
#include "rows/prompt_person.h"

#include <string.h>

static enum service_step
tell_page(struct write_batch *b)
{
    co_auto(co_buf_fini) struct co_buf asks;
    co_auto(co_buf_fini) struct co_buf unsent;
    struct batch_result r = write_batch_result(b, BATCH_ENDED);

    co_buf_init(&asks, (size_t)2 * BATCH_PAGE_MAX + 16);
    co_buf_init(&unsent, BATCH_PAGE_MAX + 16);
    batch_put_array(b->n_asks, &asks);
    co_buf_append(&asks, b->results.data, b->results.len);
    batch_put_array(b->n_unsent, &unsent);
    co_buf_append(&unsent, b->unsent.data, b->unsent.len);
    if (asks.err || unsent.err || b->results.err || b->unsent.err) {
        return write_batch_full(b);
    }
    r.skip = b->line;
    r.end = !b->full;
    r.asks = asks.data;
    r.asks_len = asks.len;
    r.unsent = unsent.data;
    r.unsent_len = unsent.len;
    return write_batch_tell(b, &r);
}

static void
judge_line(struct write_batch *b, const struct recipe_use *use,
           const char *text, size_t len)
{
    struct write_ask *a = b->ask;
    struct batch_line line;
    struct person person;

    if (b->api->read_line(text, len, &line, &b->diag) ||
        line.custom.job != b->task.job || line.custom.batch != b->task.batch) {
        b->fault = FAULT_BAD_SHAPE;
        write_batch_log(b);
        return; /* its ask counts as one that has no line */
    }
    a->task = (struct ask_task){.row = line.custom.row,
                                .ask = line.custom.ask,
                                .stage = (enum ask_stage)line.custom.stage};
    a->task.output_max = use->writer->max_tokens[a->task.stage];
    sampler_draw(use->sampler, a->task.row, &person);
    a->age = person.age;
    co_buf_clear(&b->one);
    if (write_line(a, &line)) {
        batch_put_bin(b->one.data, b->one.len, &b->results);
        b->n_asks++;
    } else {
        batch_put_u64(line.custom.row << 8 | line.custom.ask, &b->unsent);
        b->n_unsent++;
    }
}

enum service_step
write_batch_judge(struct write_batch *b)
{
    struct recipe_use use;
    enum service_step step;

    if (!write_batch_recipe(b, &use, &step)) return step;
    if (!use.writer) {
        recipes_put(b->run->env->recipes, &use);
        return SERVICE_NO_RECIPE;
    }
    for (uint32_t i = 0; i < WRITE_BATCH_STEP_ASKS && b->at < b->answer.len;
         i++) {
        const char *at = (const char *)b->answer.data + b->at;
        const char *nl = memchr(at, '\n', b->answer.len - b->at);
        const size_t len = nl ? (size_t)(nl - at) : b->answer.len - b->at;

        judge_line(b, &use, at, len);
        b->at += len + 1;
    }
    recipes_put(b->run->env->recipes, &use);
    return b->at < b->answer.len ? SERVICE_MORE : tell_page(b);
}

/* The last line need not end. */
enum service_step
write_batch_harvested(struct write_batch *b)
{
    if (b->status == 404 && write_batch_is_stranger(b)) {
        return write_batch_not_mine(b);
    }
    if (b->fault) {
        write_batch_log(b);
        return b->status == 404 ? write_batch_tell_state(b, BATCH_GONE)
                                : write_batch_later(b);
    }
    if (b->answer.err) return write_batch_full(b);
    if (!b->full && b->answer.len > b->line_start) {
        write_batch_line_ended(b);
        b->full = false;
    }
    b->phase = PHASE_JUDGE;
    return SERVICE_MORE;
}
