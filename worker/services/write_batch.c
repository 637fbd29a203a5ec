/* write_batch.c - the life of a task of a batch: which request comes after
 * which. See write_batch.h. */
#include "worker/services/write_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- life ----------------------------------------------------------------- */

void
write_batch_free(struct write_batch *b)
{
    http_target_free(b->target);
    co_buf_fini(&b->body);
    co_buf_fini(&b->answer);
    co_buf_fini(&b->results);
    co_buf_fini(&b->unsent);
    co_buf_fini(&b->one);
    if (b->ask) {
        call_fini(&b->ask->call);
        co_buf_fini(&b->ask->body);
        free(b->ask);
    }
    free(b);
}

static void
orphan_release(struct lane_orphan *orphan)
{
    write_batch_free(
        (struct write_batch *)((char *)orphan -
                               offsetof(struct write_batch, orphan)));
}

static struct write_batch *
batch_new(struct service_run *run, struct lane *lane)
{
    struct write_batch *b = calloc(1, sizeof *b);

    if (!b) return NULL;
    b->ask = calloc(1, sizeof *b->ask);
    if (!b->ask) {
        free(b);
        return NULL;
    }
    b->lane = b->ask->lane = lane;
    b->run = b->ask->run = run;
    b->ask->in_batch = true;
    b->ask->out = &b->one;
    call_init(&b->ask->call, WRITE_BATCH_ANSWER_MAX);
    co_buf_init(&b->body, BATCH_UPLOAD_MAX);
    co_buf_init(&b->answer,
                BATCH_PAGE_MAX + BATCH_LINE_MAX + WRITE_BATCH_BODY_MAX);
    co_buf_init(&b->results, (size_t)2 * BATCH_PAGE_MAX);
    co_buf_init(&b->unsent, BATCH_PAGE_MAX);
    co_buf_init(&b->one, (size_t)4 * ASK_WRONG_MAX);
    b->orphan.release = orphan_release;
    run->state = b;
    return b;
}

bool
write_batch_recipe(struct write_batch *b, struct recipe_use *ret_use,
                   enum service_step *ret_step)
{
    struct recipes *recipes = b->run->env->recipes;
    enum co_err err = recipes_get(recipes, b->run->task.recipe_hash,
                                  b->run->task.recipe, ret_use, &b->diag);

    if (!err) return true;
    *ret_step = err == CO_INVALID ? SERVICE_NO_RECIPE : write_batch_full(b);
    return false;
}

/* -- poll, cancel --------------------------------------------------------- */

static enum service_step
got(struct write_batch *b)
{
    if (!b->fault) b->fault = write_batch_read_info(b);
    if (!b->fault) return write_batch_tell_info(b);
    if (b->status == 404 && write_batch_is_stranger(b)) {
        return write_batch_not_mine(b);
    }
    write_batch_log(b);
    return b->status == 404 ? write_batch_tell_state(b, BATCH_GONE)
                            : write_batch_later(b);
}

/* What cannot be cancelled any more has ended, or will: polling tells. */
static enum service_step
cancelled(struct write_batch *b)
{
    if (b->status == 404 && write_batch_is_stranger(b)) {
        return write_batch_not_mine(b);
    }
    if (b->fault && write_chance(b->fault, b->sent) != WRITE_NEVER &&
        b->status != 409) {
        write_batch_log(b);
        return write_batch_later(b);
    }
    b->info = (struct batch_info){.state = BATCH_RUNNING};
    return write_batch_tell_info(b);
}

/* -- clean ---------------------------------------------------------------- */

/* The next file; what cannot be deleted stays, and is counted. */
static enum service_step
clean(struct write_batch *b)
{
    struct batch_result r = write_batch_result(b, BATCH_ENDED);

    while (b->file < b->task.n_files && b->api->clean_path) {
        const struct ask_text id = b->task.files[b->file++];

        if (!write_batch_id_is_plain(id)) continue;
        return write_batch_aim_at(b, REQUEST_CLEAN, b->api->clean_path, id);
    }
    r.done = b->cleaned;
    r.failed = b->task.n_files - b->cleaned;
    return write_batch_tell(b, &r);
}

/* That it is not there says nothing where another account has it. */
static enum service_step
cleaned(struct write_batch *b)
{
    const bool is_gone = b->status == 404 && !write_batch_is_stranger(b);

    if (b->fault && !is_gone) {
        write_batch_log(b);
    } else {
        b->cleaned++;
    }
    return clean(b);
}

/* -- steps ---------------------------------------------------------------- */

static enum service_step
answered(struct write_batch *b)
{
    co_buf_clear(&b->body);
    switch (b->request) {
    case REQUEST_UPLOAD:
        return write_batch_uploaded(b);
    case REQUEST_CREATE:
        return write_batch_created(b);
    case REQUEST_LIST:
        return write_batch_listed(b);
    case REQUEST_PEEK:
        return write_batch_peeked(b);
    case REQUEST_GET:
        return got(b);
    case REQUEST_CANCEL:
        return cancelled(b);
    case REQUEST_CLEAN:
        return cleaned(b);
    case REQUEST_LINES:
        break;
    }
    return write_batch_harvested(b);
}

static enum service_step
batch_step(struct service_run *run, int64_t now_us)
{
    struct write_batch *b = run->state;

    (void)now_us;
    switch (b->phase) {
    case PHASE_RENDER:
        return write_batch_render(b);
    case PHASE_READY:
        return write_batch_send(b);
    case PHASE_ANSWERED:
        return answered(b);
    case PHASE_JUDGE:
        return write_batch_judge(b);
    case PHASE_SENT:
        break;
    }
    run->wait_until_us = INT64_MAX;
    return SERVICE_WAIT;
}

/* Whether a batch may have been made of it. */
static bool
may_be_made(const struct write_batch *b)
{
    return b->request == REQUEST_CREATE && b->phase >= PHASE_SENT &&
           b->phase <= PHASE_ANSWERED;
}

static enum service_step
batch_stop(struct service_run *run, int64_t now_us)
{
    struct write_batch *b = run->state;

    (void)now_us;
    if (!may_be_made(b)) return SERVICE_RETURN;
    if (b->phase == PHASE_ANSWERED) return answered(b);
    return write_batch_tell_state(b, BATCH_UNSURE);
}

static bool
batch_unsent(const struct service_run *run)
{
    return !may_be_made(run->state);
}

static void
batch_abort(struct service_run *run)
{
    struct write_batch *b = run->state;

    if (!b) return;
    b->run = b->ask->run = NULL;
    if (b->phase == PHASE_SENT) {
        LIST_INSERT_HEAD(&b->lane->orphans, &b->orphan, entry);
    } else {
        write_batch_free(b);
    }
    run->state = NULL;
}

static const struct service written_batch = {
    .name = "persona.write",
    .waits = true,
    .step = batch_step,
    .stop = batch_stop,
    .unsent = batch_unsent,
    .abort = batch_abort,
};

static enum service_step
begin_op(struct write_batch *b)
{
    char form[64];

    switch (b->task.op) {
    case BATCH_SUBMIT:
        if (write_batch_is_stranger(b)) return write_batch_not_mine(b);
        if (!b->task.asks) { /* it is to say of which account it would be */
            return write_batch_tell_state(b, BATCH_NONE);
        }
        b->asks = walk_start(b->task.asks, b->task.asks_len);
        b->left = walk_array(&b->asks);
        b->api->begin(&b->body);
        b->phase = PHASE_RENDER;
        return SERVICE_MORE;
    case BATCH_FIND:
        return write_batch_list(b, "");
    case BATCH_HARVEST:
        return write_batch_aim_at(b, REQUEST_LINES, b->api->file_path,
                                  b->task.file);
    case BATCH_POLL:
        (void)snprintf(form, sizeof form, "%s/%%s", b->api->path);
        return write_batch_aim_at(b, REQUEST_GET, form, b->task.id);
    case BATCH_CANCEL:
        (void)snprintf(form, sizeof form, "%s/%%s/cancel", b->api->path);
        return write_batch_aim_at(b, REQUEST_CANCEL, form, b->task.id);
    case BATCH_CLEAN:
        return clean(b);
    case BATCH_OPS:
        break;
    }
    return service_fail(b->run, CO_PROTOCOL, "no operation of a batch");
}

enum service_step
write_batch_begin(struct service_run *run, int64_t now_us)
{
    struct lane *lane = lanes_of(run->env->lanes, run->task.service);
    struct write_batch *b;

    (void)now_us;
    co_assert(lane); /* announced, so it is there */
    b = batch_new(run, lane);
    if (!b) {
        run->reason = RETURN_FULL;
        run->not_before_ms = WRITE_BATCH_FULL_MS;
        return SERVICE_RETURN;
    }
    run->service = &written_batch;
    if (!batch_get_task(run->task.payload, run->task.payload_bytes, &b->task)) {
        return service_fail(run, CO_PROTOCOL, "payload is no task of a batch");
    }
    b->api = batch_api_of(lane->entry->kind->name);
    if (!b->api || lane->entry->n_endpoints != 1) {
        (void)co_fail(&b->diag, CO_INVALID,
                      "provider %s of this worker's file has no batches: they "
                      "need kind openai or anthropic, and one endpoint",
                      lane->entry->name);
        return write_batch_cannot(b);
    }
    return begin_op(b);
}
