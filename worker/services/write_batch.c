/* write_batch.c - batches of asks: one task submits one, finds it again, looks
 * after it, takes a page of its answers, or cancels it (llm/batch.h).
 *
 * No task waits for the vendor to work: between two of them the owner does.
 * What a failed request means: while nothing was made the task is given back,
 * to be tried again later. Only a request that may have made a batch ends with
 * a result in any case: it is never sent again before somebody looked.
 *
 * A page is what came of a file, from the line on that the task names, up to
 * BATCH_PAGE_MAX bytes: then the connection is closed. Where a file is long its
 * beginning comes again for each page, as the vendors give files whole. */
#include "worker/services/write.h"

#include "common/clock.h"
#include "job/writer.h"
#include "proto/walk.h"
#include "rows/prompt_person.h"
#include "worker/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEP_ASKS = 16, /* written or judged in a step */
    PAGE_LINES_MAX = 512,
    ANSWER_MAX = 256 * 1024,
    BODY_MAX = 2 * 1024 * 1024, /* of an answer about batches */
    LIST_LIMIT = 100,
    LIST_PAGES_MAX = 1000,
    CANDIDATES_MAX = 256,
    CLOCKS_APART_S = 600, /* ours and the vendor's, at most */
    /* The same where batches say whose they are: looking further costs little,
     * and not finding one pays it twice. */
    CLOCKS_APART_NAMED_S = 26 * 3600,
    FULL_MS = 250,
    LOG_MS = 10000,
    DENIED_MS = 60 * 1000,
};

enum phase {
    RENDER, /* the upload is being written */
    READY,  /* target and body are made: it can be sent */
    SENT,
    ANSWERED, /* of `step`'s request */
    JUDGE,    /* lines of a page */
};

/* Which request it is at. */
enum request { UPLOAD, CREATE, LIST, PEEK, GET, CANCEL_IT, FILE_LINES };

struct candidate {
    char id[BATCH_ID_BYTES];
    bool ended;
};

struct write_batch {
    struct lane *lane;
    struct service_run *run; /* NULL: nobody waits any more */
    struct batch_task task;
    const struct batch_api *api;
    enum phase phase;
    enum request request;
    struct http_target *target;
    struct co_buf body;
    struct write_ask *ask; /* for one ask after the other */

    struct walk asks; /* SUBMIT: what is left to write */
    uint32_t left, written;

    enum fault fault; /* how the request ended */
    bool sent;
    int status;
    struct hints hints;
    struct co_buf answer;
    struct co_diag diag;

    uint64_t line;     /* HARVEST: lines that came */
    size_t line_start; /* in answer: of the one that is coming */
    bool full;         /* enough for a page */
    bool too_long;     /* the line that comes is dropped */
    uint32_t lines;    /* of the page */
    size_t at;         /* in answer: judged up to here */
    uint32_t n_asks, n_unsent;
    struct co_buf results, unsent, one;

    struct candidate candidates[CANDIDATES_MAX]; /* FIND */
    uint32_t n_candidates, candidate, pages;
    char after[BATCH_ID_BYTES]; /* the page that is read begins there */
    bool is_unsure;
    struct batch_info info; /* what was found */

    struct lane_orphan orphan;
};

/* -- life ----------------------------------------------------------------- */

static void
batch_free(struct write_batch *b)
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
    batch_free((struct write_batch *)((char *)orphan -
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
    call_init(&b->ask->call, ANSWER_MAX);
    co_buf_init(&b->body, BATCH_UPLOAD_MAX);
    co_buf_init(&b->answer, BATCH_PAGE_MAX + BATCH_LINE_MAX + BODY_MAX);
    co_buf_init(&b->results, (size_t)2 * BATCH_PAGE_MAX);
    co_buf_init(&b->unsent, BATCH_PAGE_MAX);
    co_buf_init(&b->one, (size_t)4 * ASK_WRONG_MAX);
    b->orphan.release = orphan_release;
    run->state = b;
    return b;
}

/* -- ends ----------------------------------------------------------------- */

static struct ask_text
text_of(const char *text)
{
    return (struct ask_text){text, (uint32_t)strlen(text)};
}

static struct batch_result
result_of(const struct write_batch *b, enum batch_state state)
{
    return (struct batch_result){.op = b->task.op,
                                 .batch = b->task.batch,
                                 .state = state,
                                 .skip = b->task.skip};
}

static enum service_step
tell(struct write_batch *b, const struct batch_result *result)
{
    batch_put_result(result, b->run->out);
    b->run->progressed = true;
    return SERVICE_DONE;
}

static enum service_step
tell_state(struct write_batch *b, enum batch_state state)
{
    struct batch_result r = result_of(b, state);

    if (b->diag.text[0]) {
        secret_redact(&b->lane->secrets[0], b->diag.text, strlen(b->diag.text));
        r.error = text_of(b->diag.text);
    }
    if (b->fault) r.fault = text_of(fault_name(b->fault));
    return tell(b, &r);
}

static enum service_step
tell_info(struct write_batch *b)
{
    struct batch_info *info = &b->info;
    struct batch_result r = result_of(b, info->state);

    r.id = text_of(info->id);
    r.total = info->total;
    r.done = info->done;
    r.failed = info->failed;
    r.n_files = info->n_files;
    for (uint32_t i = 0; i < info->n_files; i++) {
        r.files[i] = text_of(info->files[i]);
    }
    secret_redact(&b->lane->secrets[0], info->error, strlen(info->error));
    r.error = text_of(info->error);
    if (info->state == BATCH_REFUSED) r.fault = text_of(fault_name(info->why));
    return tell(b, &r);
}

static void
log_failed(struct write_batch *b)
{
    uint64_t more = 0;

    if (!co_log_every(&b->lane->log_limit, co_clock_ms(), LOG_MS, &more)) {
        return;
    }
    co_log(CO_LOG_WARN, "batch.failed",
           "provider=%s op=%s batch=%llu fault=%s status=%d more=%llu",
           b->lane->entry->name, batch_op_name(b->task.op),
           (unsigned long long)b->task.batch, fault_name(b->fault), b->status,
           (unsigned long long)more);
}

/* Nothing was made: another time. What only a person can put right is not
 * tried so often. */
static enum service_step
later(struct write_batch *b)
{
    uint32_t ms = write_not_before(&b->hints, b->run->task.attempt);

    if (write_chance(b->fault, false) == WRITE_NEVER && ms < DENIED_MS) {
        ms = DENIED_MS;
    }
    b->run->reason = RETURN_LIMIT;
    b->run->not_before_ms = ms;
    return SERVICE_RETURN;
}

/* It cannot be asked for here. Only of one that was to be made that says
 * something about the batch: another worker can look after those that run. */
static enum service_step
cannot(struct write_batch *b)
{
    b->fault = FAULT_BAD_REQUEST;
    if (b->task.op == BATCH_SUBMIT) return tell_state(b, BATCH_REFUSED);
    log_failed(b);
    return later(b);
}

static enum service_step
no_memory(struct write_batch *b)
{
    b->run->reason = RETURN_FULL;
    b->run->not_before_ms = FULL_MS;
    return SERVICE_RETURN;
}

/* -- requests ------------------------------------------------------------- */

/* Ids of a stranger go into addresses. */
static bool
id_is_plain(struct ask_text id)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
                                  "pqrstuvwxyz0123456789_-.";

    for (uint32_t i = 0; i < id.len; i++) {
        if (!id.text[i] || !strchr(letters, id.text[i])) return false;
    }
    return id.len > 0 && id.len < BATCH_ID_BYTES && id.text[0] != '.';
}

/* The next request goes to that path. */
static enum service_step
aim(struct write_batch *b, enum request request, const char *path,
    const char *content_type)
{
    enum co_err err;

    http_target_free(b->target);
    b->target = NULL;
    b->request = request;
    b->fault = FAULT_NONE;
    co_buf_clear(&b->answer);
    err = call_endpoint_target(&b->lane->endpoints[0], &b->lane->secrets[0],
                               path, content_type, &b->target, &b->diag);
    if (err == CO_NOMEM) return no_memory(b);
    if (err) return cannot(b);
    b->phase = READY;
    return SERVICE_MORE;
}

static enum service_step
aim_at(struct write_batch *b, enum request request, const char *form,
       struct ask_text id)
{
    char path[256], text[BATCH_ID_BYTES];
    const char *hole = strstr(form, "%s");

    if (!id_is_plain(id)) {
        (void)co_fail(&b->diag, CO_PROTOCOL, "no id of a batch");
        b->fault = FAULT_BAD_SHAPE;
        return tell_state(b, BATCH_GONE);
    }
    co_assert(hole);
    (void)snprintf(text, sizeof text, "%.*s", (int)id.len, id.text);
    (void)snprintf(path, sizeof path, "%.*s%s%s", (int)(hole - form), form,
                   text, hole + 2);
    return aim(b, request, path, NULL);
}

/* A line of the file ended, len bytes long, at the end of the answer. */
static void
line_ended(struct write_batch *b)
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
    b->full = b->lines >= (b->request == PEEK ? 1 : PAGE_LINES_MAX) ||
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
        if (nl) line_ended(b);
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
        batch_free(b);
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
    } else if (b->request != FILE_LINES && b->request != PEEK) {
        co_buf_append(&b->answer, result->body, result->body_len);
    }
    b->phase = ANSWERED;
    work_wake(b->run);
}

static enum service_step
send(struct write_batch *b)
{
    const bool is_file = b->request == FILE_LINES || b->request == PEEK;
    const struct http_request request = {
        .target = b->target,
        .body = b->body.len ? (const void *)b->body.data : "",
        .body_len = b->body.len,
        .get = is_file || b->request == GET || b->request == LIST,
        .is_file = is_file,
        .self = b,
        .on_stream = is_file ? on_file : NULL,
        .on_done = on_done,
    };

    if (http_start(b->lane->http, &request)) return no_memory(b);
    b->phase = SENT;
    b->run->wait_until_us = INT64_MAX;
    return SERVICE_WAIT;
}

/* -- submit --------------------------------------------------------------- */

static enum service_step
create(struct write_batch *b, const char *file)
{
    co_buf_clear(&b->body);
    b->api->create(file, b->task.job, b->task.batch, &b->body);
    if (b->body.err) return no_memory(b);
    return aim(b, CREATE, b->api->path, NULL);
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

static enum service_step
render(struct write_batch *b)
{
    struct recipes *recipes = b->run->env->recipes;
    struct recipe_use use;
    enum co_err err = recipes_get(recipes, b->run->task.recipe_hash,
                                  b->run->task.recipe, &use, &b->diag);

    if (err == CO_INVALID) return SERVICE_NO_RECIPE;
    if (err) return no_memory(b);
    for (uint32_t i = 0; i < STEP_ASKS && b->left && !err; i++, b->left--) {
        err = add_ask(b, &use);
    }
    recipes_put(recipes, &use);
    if (err == CO_DENIED) {
        b->fault = FAULT_BAD_REQUEST;
        return tell_state(b, BATCH_REFUSED);
    }
    if (err) return no_memory(b);
    if (b->left) return SERVICE_MORE;
    b->api->end(&b->body);
    if (b->body.err) return no_memory(b);
    if (b->api->upload_path) {
        return aim(b, UPLOAD, b->api->upload_path, b->api->upload_type);
    }
    return aim(b, CREATE, b->api->path, NULL);
}

static enum service_step
uploaded(struct write_batch *b)
{
    char file[BATCH_ID_BYTES];

    if (!b->fault) {
        b->fault = batch_read_id((const char *)b->answer.data, b->answer.len,
                                 file, &b->diag);
    }
    if (!b->fault) return create(b, file);
    log_failed(b);
    return write_chance(b->fault, false) == WRITE_NEVER
               ? tell_state(b, BATCH_REFUSED)
               : later(b);
}

/* Of the batch that was asked about, or of one that was made just now. */
static enum fault
read_info(struct write_batch *b)
{
    const struct ask_text asked = b->task.id;
    enum fault fault = b->api->read_info((const char *)b->answer.data,
                                         b->answer.len, &b->info, &b->diag);

    if (fault) return fault;
    if (!id_is_plain(text_of(b->info.id))) {
        (void)co_fail(&b->diag, CO_PROTOCOL, "no id of a batch");
        return FAULT_BAD_SHAPE;
    }
    if (b->request == CREATE || (asked.len == strlen(b->info.id) &&
                                 !memcmp(asked.text, b->info.id, asked.len))) {
        return FAULT_NONE;
    }
    (void)co_fail(&b->diag, CO_PROTOCOL, "it is of another batch");
    return FAULT_BAD_SHAPE;
}

static enum service_step
created(struct write_batch *b)
{
    enum write_chance chance;

    if (!b->fault) b->fault = read_info(b);
    if (!b->fault) return tell_info(b);
    log_failed(b);
    chance = write_chance(b->fault, b->sent);
    if (chance == WRITE_AGAIN) return later(b);
    return tell_state(b, chance == WRITE_NEVER ? BATCH_REFUSED : BATCH_UNSURE);
}

/* -- find ----------------------------------------------------------------- */

static enum service_step
list(struct write_batch *b, const char *after)
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
    return aim(b, LIST, path, NULL);
}

/* The oldest ones are kept: ours is nearest to the time that it is listed
 * since, whatever was made after it. */
static void
add_candidate(struct write_batch *b, const struct batch_info *info)
{
    struct candidate *to;

    if (!id_is_plain(text_of(info->id))) {
        b->is_unsure = true;
        return;
    }
    if (b->n_candidates == CANDIDATES_MAX) {
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
        if (id_is_plain(text_of(info->id))) {
            b->info = *info;
        } else {
            b->is_unsure = true;
        }
        return false;
    }
    if (b->api->upload_path || info->total == 0 ||
        info->total > b->task.count) {
        return true; /* somebody else's */
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
        return tell_state(b, b->is_unsure ? BATCH_UNSURE : BATCH_NONE);
    }
    b->line = b->lines = 0;
    b->line_start = 0;
    b->full = b->too_long = false;
    return aim_at(b, PEEK, b->api->file_path,
                  text_of(b->candidates[b->candidate].id));
}

static enum service_step
listed(struct write_batch *b)
{
    char last[BATCH_ID_BYTES];
    bool more = false;

    if (!b->fault) {
        b->fault =
            batch_read_list(b->api, (const char *)b->answer.data, b->answer.len,
                            on_listed, b, &more, last, &b->diag);
    }
    if (b->fault) {
        log_failed(b);
        return later(b);
    }
    if (b->info.id[0]) return tell_info(b);
    if (more && id_is_plain(text_of(last)) && strcmp(last, b->after) != 0 &&
        ++b->pages < LIST_PAGES_MAX) {
        (void)snprintf(b->after, sizeof b->after, "%s", last);
        return list(b, last);
    }
    b->is_unsure |= more; /* it may stand where the list could not be read */
    return peek(b);
}

static enum service_step
peeked(struct write_batch *b)
{
    const char *nl;
    struct batch_line line;

    if (b->fault) {
        log_failed(b);
        /* results are kept for weeks: these are of an old one, or deleted */
        if (b->status != 404) return later(b);
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
        return tell_info(b);
    }
    b->diag.text[0] = '\0';
    b->candidate++;
    return peek(b);
}

/* -- poll, cancel --------------------------------------------------------- */

static enum service_step
got(struct write_batch *b)
{
    if (!b->fault) b->fault = read_info(b);
    if (!b->fault) return tell_info(b);
    log_failed(b);
    return b->status == 404 ? tell_state(b, BATCH_GONE) : later(b);
}

/* What cannot be cancelled any more has ended, or will: polling tells. */
static enum service_step
cancelled(struct write_batch *b)
{
    if (b->fault && write_chance(b->fault, b->sent) != WRITE_NEVER &&
        b->status != 409) {
        log_failed(b);
        return later(b);
    }
    b->info = (struct batch_info){.state = BATCH_RUNNING};
    return tell_info(b);
}

/* -- harvest -------------------------------------------------------------- */

static enum service_step
tell_page(struct write_batch *b)
{
    co_auto(co_buf_fini) struct co_buf asks;
    co_auto(co_buf_fini) struct co_buf unsent;
    struct batch_result r = result_of(b, BATCH_ENDED);

    co_buf_init(&asks, (size_t)2 * BATCH_PAGE_MAX + 16);
    co_buf_init(&unsent, BATCH_PAGE_MAX + 16);
    batch_put_array(b->n_asks, &asks);
    co_buf_append(&asks, b->results.data, b->results.len);
    batch_put_array(b->n_unsent, &unsent);
    co_buf_append(&unsent, b->unsent.data, b->unsent.len);
    if (asks.err || unsent.err || b->results.err || b->unsent.err) {
        return no_memory(b);
    }
    r.skip = b->line;
    r.end = !b->full;
    r.asks = asks.data;
    r.asks_len = asks.len;
    r.unsent = unsent.data;
    r.unsent_len = unsent.len;
    return tell(b, &r);
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
        log_failed(b);
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

static enum service_step
judge(struct write_batch *b)
{
    struct recipes *recipes = b->run->env->recipes;
    struct recipe_use use;
    enum co_err err = recipes_get(recipes, b->run->task.recipe_hash,
                                  b->run->task.recipe, &use, &b->diag);

    if (err == CO_INVALID) return SERVICE_NO_RECIPE;
    if (err) return no_memory(b);
    if (!use.writer) {
        recipes_put(recipes, &use);
        return SERVICE_NO_RECIPE;
    }
    for (uint32_t i = 0; i < STEP_ASKS && b->at < b->answer.len; i++) {
        const char *at = (const char *)b->answer.data + b->at;
        const char *nl = memchr(at, '\n', b->answer.len - b->at);
        const size_t len = nl ? (size_t)(nl - at) : b->answer.len - b->at;

        judge_line(b, &use, at, len);
        b->at += len + 1;
    }
    recipes_put(recipes, &use);
    return b->at < b->answer.len ? SERVICE_MORE : tell_page(b);
}

/* The last line need not end. */
static enum service_step
harvested(struct write_batch *b)
{
    if (b->fault) {
        log_failed(b);
        return b->status == 404 ? tell_state(b, BATCH_GONE) : later(b);
    }
    if (b->answer.err) return no_memory(b);
    if (!b->full && b->answer.len > b->line_start) {
        line_ended(b);
        b->full = false;
    }
    b->phase = JUDGE;
    return SERVICE_MORE;
}

/* -- steps ---------------------------------------------------------------- */

static enum service_step
answered(struct write_batch *b)
{
    co_buf_clear(&b->body);
    switch (b->request) {
    case UPLOAD:
        return uploaded(b);
    case CREATE:
        return created(b);
    case LIST:
        return listed(b);
    case PEEK:
        return peeked(b);
    case GET:
        return got(b);
    case CANCEL_IT:
        return cancelled(b);
    case FILE_LINES:
        break;
    }
    return harvested(b);
}

static enum service_step
batch_step(struct service_run *run, int64_t now_us)
{
    struct write_batch *b = run->state;

    (void)now_us;
    switch (b->phase) {
    case RENDER:
        return render(b);
    case READY:
        return send(b);
    case ANSWERED:
        return answered(b);
    case JUDGE:
        return judge(b);
    case SENT:
        break;
    }
    run->wait_until_us = INT64_MAX;
    return SERVICE_WAIT;
}

/* Whether a batch may have been made of it. */
static bool
may_be_made(const struct write_batch *b)
{
    return b->request == CREATE && b->phase >= SENT && b->phase <= ANSWERED;
}

static enum service_step
batch_stop(struct service_run *run, int64_t now_us)
{
    struct write_batch *b = run->state;

    (void)now_us;
    if (!may_be_made(b)) return SERVICE_RETURN;
    if (b->phase == ANSWERED) return answered(b);
    return tell_state(b, BATCH_UNSURE);
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
    if (b->phase == SENT) {
        LIST_INSERT_HEAD(&b->lane->orphans, &b->orphan, entry);
    } else {
        batch_free(b);
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
        b->asks = walk_start(b->task.asks, b->task.asks_len);
        b->left = walk_array(&b->asks);
        b->api->begin(&b->body);
        b->phase = RENDER;
        return SERVICE_MORE;
    case BATCH_FIND:
        return list(b, "");
    case BATCH_HARVEST:
        return aim_at(b, FILE_LINES, b->api->file_path, b->task.file);
    case BATCH_POLL:
        (void)snprintf(form, sizeof form, "%s/%%s", b->api->path);
        return aim_at(b, GET, form, b->task.id);
    case BATCH_CANCEL:
        (void)snprintf(form, sizeof form, "%s/%%s/cancel", b->api->path);
        return aim_at(b, CANCEL_IT, form, b->task.id);
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
        run->not_before_ms = FULL_MS;
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
        return cannot(b);
    }
    return begin_op(b);
}
