/* write_batch_find.c - looks for a batch at its vendor: whether a submission
 * that nobody knows the end of was one. Where batches do not say whose they
 * are, the first line of those that may be ours does. */
#include "worker/services/write_batch.h"

#include <stdio.h>
#include <string.h>

enum {
    LIST_LIMIT = 100,
    LIST_PAGES_MAX = 1000,
    CLOCKS_APART_S = 600, /* ours and the vendor's, at most */
    /* The same where batches say whose they are: looking further costs little,
     * and not finding one pays it twice. */
    CLOCKS_APART_NAMED_S = 26 * 3600,
};

enum service_step
write_batch_list(struct write_batch *b, const char *after)
{
    char path[512];
    const char *param = b->api->upload_path ? "after" : "after_id";

    if (after[0]) {
        (void)snprintf(path, sizeof path, "%s?limit=%d&%s=%s", b->api->path,
                       LIST_LIMIT, param, after);
    } else {
        (void)snprintf(path, sizeof path, "%s?limit=%d", b->api->path,
                       LIST_LIMIT);
    }
    return write_batch_aim(b, REQUEST_LIST, path, NULL);
}

/* The oldest ones are kept: ours is nearest to the time that it is listed
 * since, whatever was made after it. */
static void
add_candidate(struct write_batch *b, const struct batch_info *info)
{
    struct write_batch_candidate *to;

    if (!write_batch_id_is_plain(ask_text_of(info->id))) {
        b->is_unsure = true;
        return;
    }
    if (b->n_candidates == WRITE_BATCH_CANDIDATES_MAX) {
        b->is_unsure = true;
        b->n_candidates--;
        memmove(b->candidates, b->candidates + 1,
                b->n_candidates * sizeof *b->candidates);
    }
    to = &b->candidates[b->n_candidates++];
    (void)snprintf(to->id, BATCH_ID_BYTES, "%s", info->id);
    to->ended = info->state == BATCH_ENDED;
}

/* The newest come first: what is older than ours ends it. */
static bool
on_listed(void *self, const struct batch_info *info)
{
    struct write_batch *b = self;
    const uint64_t apart =
        b->api->upload_path ? CLOCKS_APART_NAMED_S : CLOCKS_APART_S;

    if (info->created && info->created < b->task.since &&
        b->task.since - info->created > apart) {
        return false;
    }
    if (info->has_name) {
        if (info->job != b->task.job || info->batch != b->task.batch) {
            return true;
        }
        if (write_batch_id_is_plain(ask_text_of(info->id))) {
            b->info = *info;
        } else {
            b->is_unsure = true;
        }
        return false;
    }
    if (b->api->upload_path || info->total > b->task.count) {
        return true; /* somebody else's */
    }
    if (info->total == 0) { /* its requests may not be counted yet */
        b->is_unsure |= info->state == BATCH_RUNNING;
        return true;
    }
    if (b->task.until && info->created > b->task.until + CLOCKS_APART_S) {
        return true; /* made when ours was, or was not */
    }
    add_candidate(b, info);
    return true;
}

/* Looks into the next batch that says not whose it is: its first line does. */
static enum service_step
peek(struct write_batch *b)
{
    while (b->candidate < b->n_candidates &&
           !b->candidates[b->candidate].ended) {
        b->is_unsure = true;
        b->candidate++;
    }
    if (b->candidate == b->n_candidates) {
        if (write_batch_is_stranger(b)) return write_batch_not_mine(b);
        return write_batch_tell_state(b,
                                      b->is_unsure ? BATCH_UNSURE : BATCH_NONE);
    }
    b->line = b->lines = 0;
    b->line_start = 0;
    b->full = b->too_long = false;
    return write_batch_aim_at(b, REQUEST_PEEK, b->api->file_path,
                              ask_text_of(b->candidates[b->candidate].id));
}

enum service_step
write_batch_listed(struct write_batch *b)
{
    char last[BATCH_ID_BYTES];
    bool more = false;

    if (!b->fault) {
        b->fault =
            batch_read_list(b->api, (const char *)b->answer.data, b->answer.len,
                            on_listed, b, &more, last, &b->diag);
    }
    if (b->fault) {
        write_batch_log(b);
        return write_batch_later(b);
    }
    if (b->info.id[0]) return write_batch_tell_info(b);
    if (more && write_batch_id_is_plain(ask_text_of(last)) &&
        strcmp(last, b->after) != 0 && ++b->pages < LIST_PAGES_MAX) {
        (void)snprintf(b->after, sizeof b->after, "%s", last);
        return write_batch_list(b, last);
    }
    b->is_unsure |= more; /* it may stand where the list could not be read */
    return peek(b);
}

enum service_step
write_batch_peeked(struct write_batch *b)
{
    const char *nl;
    struct batch_line line;

    if (b->fault) {
        write_batch_log(b);
        /* results are kept for weeks: these are of an old one, or deleted */
        if (b->status != 404) return write_batch_later(b);
        b->fault = FAULT_NONE;
        b->diag.text[0] = '\0';
        b->candidate++;
        return peek(b);
    }
    /* the last line need not end, and the first may be the last */
    nl = b->answer.len ? memchr(b->answer.data, '\n', b->answer.len) : NULL;
    if (b->answer.len &&
        b->api->read_line((const char *)b->answer.data,
                          nl ? (size_t)(nl - (const char *)b->answer.data)
                             : b->answer.len,
                          &line, &b->diag) == FAULT_NONE &&
        line.custom.job == b->task.job && line.custom.batch == b->task.batch) {
        b->info = (struct batch_info){.state = BATCH_RUNNING};
        (void)snprintf(b->info.id, BATCH_ID_BYTES, "%s",
                       b->candidates[b->candidate].id);
        return write_batch_tell_info(b);
    }
    b->diag.text[0] = '\0';
    b->candidate++;
    return peek(b);
}
