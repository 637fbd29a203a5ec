/* write_batch_request.c - one request about batches: where it goes, and what of
 * its answer is kept. See write_batch.h. */
#include "worker/services/write_batch.h"

#include "worker/work.h"

#include <stdio.h>
#include <string.h>

/* Ids of a stranger go into addresses. */
bool
write_batch_id_is_plain(struct ask_text id)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
                                  "pqrstuvwxyz0123456789_-.";

    for (uint32_t i = 0; i < id.len; i++) {
        if (!id.text[i] || !strchr(letters, id.text[i])) return false;
    }
    return id.len > 0 && id.len < BATCH_ID_BYTES && id.text[0] != '.';
}

/* The next request goes to that path. */
enum service_step
write_batch_aim(struct write_batch *b, enum write_batch_request request,
                const char *path, const char *content_type)
{
    enum co_err err;

    http_target_free(b->target);
    b->target = NULL;
    b->request = request;
    b->fault = FAULT_NONE;
    co_buf_clear(&b->answer);
    err = call_endpoint_target(&b->lane->endpoints[0], &b->lane->secrets[0],
                               path, content_type, &b->target, &b->diag);
    if (err == CO_NOMEM) return write_batch_full(b);
    if (err) return write_batch_cannot(b);
    b->phase = PHASE_READY;
    return SERVICE_MORE;
}

enum service_step
write_batch_aim_at(struct write_batch *b, enum write_batch_request request,
                   const char *form, struct ask_text id)
{
    char path[256], text[BATCH_ID_BYTES];
    const char *hole = strstr(form, "%s");

    if (!write_batch_id_is_plain(id)) {
        (void)co_fail(&b->diag, CO_PROTOCOL, "no id of a batch");
        b->fault = FAULT_BAD_SHAPE;
        return write_batch_tell_state(b, BATCH_GONE);
    }
    co_assert(hole);
    (void)snprintf(text, sizeof text, "%.*s", (int)id.len, id.text);
    (void)snprintf(path, sizeof path, "%.*s%s%s", (int)(hole - form), form,
                   text, hole + 2);
    return write_batch_aim(b, request, path, NULL);
}

void
write_batch_line_ended(struct write_batch *b)
{
    const bool wanted = b->line >= b->task.skip && !b->too_long &&
                        b->answer.len > b->line_start;

    b->line++;
    b->too_long = false;
    if (!wanted) {
        b->answer.len = b->line_start;
        return;
    }
    co_buf_putc(&b->answer, '\n');
    b->line_start = b->answer.len;
    b->lines++;
    b->full =
        b->lines >= (b->request == REQUEST_PEEK ? 1 : WRITE_BATCH_LINES_MAX) ||
        b->answer.len >= BATCH_PAGE_MAX;
}

/* The next bytes of a file. Lines before the page are counted, and let go. */
static bool
on_file(void *self, const char *bytes, size_t len)
{
    struct write_batch *b = self;

    while (len > 0 && !b->full) {
        const char *nl = memchr(bytes, '\n', len);
        const size_t n = nl ? (size_t)(nl - bytes) : len;

        if (b->line >= b->task.skip && !b->too_long) {
            co_buf_append(&b->answer, bytes, n);
            b->too_long = b->answer.len - b->line_start > BATCH_LINE_MAX;
        }
        if (b->too_long) b->answer.len = b->line_start;
        if (nl) write_batch_line_ended(b);
        bytes += n + (nl ? 1 : 0);
        len -= n + (nl ? 1 : 0);
    }
    /* what stands behind the page is not looked at, not even whether it is */
    return !b->full && !b->answer.err;
}

static void
on_done(void *self, const struct http_result *result)
{
    struct write_batch *b = self;
    struct provider_answer *said = &b->ask->call.answer;

    if (!b->run) {
        LIST_REMOVE(&b->orphan, entry);
        write_batch_free(b);
        return;
    }
    b->fault = result->fault;
    b->sent = result->sent;
    b->status = result->status;
    b->hints = result->hints;
    b->diag.text[0] = '\0';
    provider_answer_clear(said);
    if (result->fault) {
        provider_read_error(result->body, result->body_len, said);
        (void)co_fail(&b->diag, CO_UNAVAILABLE, "%s%s",
                      said->error[0] ? "the endpoint says: " : "",
                      said->error[0]   ? said->error
                      : result->why[0] ? result->why
                                       : fault_advice(result->fault));
    } else if (b->request != REQUEST_LINES && b->request != REQUEST_PEEK) {
        co_buf_append(&b->answer, result->body, result->body_len);
    }
    b->phase = PHASE_ANSWERED;
    work_wake(b->run);
}

enum service_step
write_batch_send(struct write_batch *b)
{
    const bool is_file =
        b->request == REQUEST_LINES || b->request == REQUEST_PEEK;
    const struct http_request request = {
        .target = b->target,
        .body = b->body.len ? (const void *)b->body.data : "",
        .body_len = b->body.len,
        .get =
            is_file || b->request == REQUEST_GET || b->request == REQUEST_LIST,
        .erases = b->request == REQUEST_CLEAN,
        .is_file = is_file,
        .self = b,
        .on_stream = is_file ? on_file : NULL,
        .on_done = on_done,
    };

    if (http_start(b->lane->http, &request)) return write_batch_full(b);
    b->phase = PHASE_SENT;
    b->run->wait_until_us = INT64_MAX;
    return SERVICE_WAIT;
}

/* Of the batch that was asked about, or of one that was made just now. */
enum fault
write_batch_read_info(struct write_batch *b)
{
    const struct ask_text asked = b->task.id;
    enum fault fault = b->api->read_info((const char *)b->answer.data,
                                         b->answer.len, &b->info, &b->diag);

    if (fault) return fault;
    if (!write_batch_id_is_plain(ask_text_of(b->info.id))) {
        (void)co_fail(&b->diag, CO_PROTOCOL, "no id of a batch");
        return FAULT_BAD_SHAPE;
    }
    if (b->request == REQUEST_CREATE ||
        (asked.len == strlen(b->info.id) &&
         !memcmp(asked.text, b->info.id, asked.len))) {
        return FAULT_NONE;
    }
    (void)co_fail(&b->diag, CO_PROTOCOL, "it is of another batch");
    return FAULT_BAD_SHAPE;
}
