/* write_batch_submit.c - a batch is made of its asks: the upload, written a few
 * asks at a time, and the request that makes a batch of it. */
#include "worker/services/write_batch.h"

#include <string.h>

static enum service_step
create(struct write_batch *b, const char *file)
{
    co_buf_clear(&b->body);
    b->api->create(file, b->task.job, b->task.batch, &b->body);
    if (b->body.err) return write_batch_full(b);
    return write_batch_aim(b, REQUEST_CREATE, b->api->path, NULL);
}

/* False: it cannot be asked: diag. */
static enum co_err
add_ask(struct write_batch *b, const struct recipe_use *use)
{
    const bool is_vendor = b->lane->endpoints[0].is_vendor;
    char custom[BATCH_CUSTOM_BYTES];
    uint32_t len = 0;
    const uint8_t *data = walk_bin(&b->asks, &len);
    struct write_ask *a = b->ask;
    enum co_err err;

    if (b->asks.bad || !ask_get_task(data, len, &a->task)) {
        return co_fail(&b->diag, CO_DENIED, "it holds what is no ask");
    }
    err = write_request(a, use, is_vendor, &b->diag);
    if (err) return err;
    batch_custom_text(&(struct batch_custom){b->task.job, b->task.batch,
                                             a->task.row, a->task.ask,
                                             a->task.stage},
                      custom);
    b->api->add(custom, a->body.data, a->body.len, b->written == 0, &b->body);
    b->written++;
    if (b->body.err == CO_FULL) {
        return co_fail(&b->diag, CO_DENIED,
                       "its requests are more than %d bytes: lower "
                       "batch.max_requests",
                       BATCH_UPLOAD_MAX);
    }
    return b->body.err;
}

enum service_step
write_batch_render(struct write_batch *b)
{
    struct recipe_use use;
    enum service_step step;
    enum co_err err = CO_OK;

    if (!write_batch_recipe(b, &use, &step)) return step;
    for (uint32_t i = 0; i < WRITE_BATCH_STEP_ASKS && b->left && !err;
         i++, b->left--) {
        err = add_ask(b, &use);
    }
    recipes_put(b->run->env->recipes, &use);
    if (err == CO_DENIED) {
        b->fault = FAULT_BAD_REQUEST;
        return write_batch_tell_state(b, BATCH_REFUSED);
    }
    if (err) return write_batch_full(b);
    if (b->left) return SERVICE_MORE;
    b->api->end(&b->body);
    if (b->body.err) return write_batch_full(b);
    if (b->api->upload_path) {
        return write_batch_aim(b, REQUEST_UPLOAD, b->api->upload_path,
                               b->api->upload_type);
    }
    return write_batch_aim(b, REQUEST_CREATE, b->api->path, NULL);
}

enum service_step
write_batch_uploaded(struct write_batch *b)
{
    char *file = b->info.input;

    if (!b->fault) {
        b->fault = batch_read_id((const char *)b->answer.data, b->answer.len,
                                 file, &b->diag);
    }
    if (!b->fault) return create(b, file);
    write_batch_log(b);
    return write_chance(b->fault, false) == WRITE_NEVER
               ? write_batch_tell_state(b, BATCH_REFUSED)
               : write_batch_later(b);
}

enum service_step
write_batch_created(struct write_batch *b)
{
    enum write_chance chance;

    if (!b->fault) b->fault = write_batch_read_info(b);
    if (!b->fault) return write_batch_tell_info(b);
    write_batch_log(b);
    chance = write_chance(b->fault, b->sent);
    if (chance == WRITE_AGAIN) return write_batch_later(b);
    return write_batch_tell_state(b, chance == WRITE_NEVER ? BATCH_REFUSED
                                                           : BATCH_UNSURE);
}
