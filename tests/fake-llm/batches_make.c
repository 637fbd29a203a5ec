/* batches_make.c - files come and go, and batches are made of them. */
#include "tests/fake-llm/batches_impl.h"

#include "common/clock.h"
#include "llm/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- files ---------------------------------------------------------------- */

struct co_buf *
batches_new_file(struct batches *b, uint32_t *ret_number)
{
    struct co_buf *file;

    co_assert(b->n_files < BATCHES_FILES_MAX);
    file = &b->files[b->n_files++];
    co_buf_init(file, BATCHES_BODY_MAX);
    *ret_number = b->n_files;
    return file;
}

struct co_buf *
batches_find_file(struct batches *b, const char *id)
{
    const unsigned long n =
        strncmp(id, "file-", 5) == 0 ? strtoul(id + 5, NULL, 10) : 0;

    if (n < 1 || n > b->n_files || b->gone[n - 1]) return NULL;
    return &b->files[n - 1];
}

/* The part of a form; NULL: it is not there. */
static const char *
form_part(const struct request *r, const char *boundary, const char *head,
          size_t *ret_len)
{
    const char *at = memmem(r->body, r->body_len, head, strlen(head)), *end;
    const size_t left = at ? r->body_len - (size_t)(at - r->body) : 0;

    at = at ? memmem(at, left, "\r\n\r\n", 4) : NULL;
    if (!at) return NULL;
    at += 4;
    end = memmem(at, r->body_len - (size_t)(at - r->body), boundary,
                 strlen(boundary));
    if (!end || end - at < 2) return NULL;
    *ret_len = (size_t)(end - at) - 2; /* the line break before it */
    return at;
}

int
batches_upload(const struct asking *a)
{
    const struct request *r = a->r;
    co_auto(co_buf_fini) struct co_buf body;
    char boundary[128];
    const char *named =
        r->type ? memmem(r->type, r->type_len, "boundary=", 9) : NULL;
    const char *part;
    size_t len = 0;
    uint32_t number;

    if (!r->type || r->type_len < 19 ||
        strncasecmp(r->type, "multipart/form-data", 19) != 0 || !named) {
        return batches_refuse(a, 400,
                              "content-type: is no multipart/form-data");
    }
    named += 9;
    (void)snprintf(boundary, sizeof boundary, "--%.*s",
                   (int)(r->type + r->type_len - named), named);
    part = form_part(r, boundary, "name=\"purpose\"", &len);
    if (!part || len != 5 || memcmp(part, "batch", 5) != 0) {
        return batches_refuse(a, 400, "purpose: is not batch");
    }
    part = form_part(r, boundary, "name=\"file\"; filename=\"", &len);
    if (!part) return batches_refuse(a, 400, "file: is missing");
    co_buf_append(batches_new_file(a->b, &number), part, len);
    co_buf_init(&body, BATCHES_BODY_MAX);
    co_buf_printf(&body,
                  "{\"id\":\"file-%" PRIu32 "\",\"object\":\"file\","
                  "\"bytes\":%zu,\"created_at\":%" PRId64
                  ",\"filename\":\"requests.jsonl\",\"purpose\":\"batch\"}",
                  number, len, co_clock_wall_ms() / 1000);
    return batches_say(a, &body);
}

int
batches_delete_file(const struct asking *a, struct co_buf *file, const char *id)
{
    co_auto(co_buf_fini) struct co_buf body;

    co_buf_fini(file);
    a->b->gone[file - a->b->files] = true;
    a->b->deleted++;
    co_buf_init(&body, BATCHES_BODY_MAX);
    co_buf_printf(&body, "{\"id\":\"%s\",\"object\":\"file\",\"deleted\":true}",
                  id);
    return batches_say(a, &body);
}

/* One that is cut short ends within its last line. */
int
batches_say_file(const struct asking *a, const struct co_buf *file)
{
    const bool cut = a->b->rules.cut > 0 && file->len > 8;
    const size_t len = cut ? file->len - 8 : file->len;

    a->b->rules.cut -= cut;
    co_buf_printf(a->out,
                  "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream"
                  "\r\nContent-Length: %zu\r\n\r\n",
                  len);
    co_buf_append(a->out, file->data, len);
    return 200;
}

/* -- making --------------------------------------------------------------- */

static int
keep(const struct asking *a, struct batch *t)
{
    struct batches *b = a->b;

    co_assert(b->n < BATCHES_MAX);
    t->account = a->account;
    t->made_us = a->now_us;
    t->made_s = co_clock_wall_ms() / 1000;
    b->batches[b->n++] = t;
    *a->delay_us = (int64_t)b->rules.answer_ms * 1000;
    if (b->rules.lose > 0) {
        b->rules.lose--;
        b->lost++;
        return 0;
    }
    return batches_say_batch(a, t, b->n);
}

static struct batch *
batch_new(bool openai)
{
    struct batch *t = calloc(1, sizeof *t);

    co_assert(t);
    t->openai = openai;
    co_buf_init(&t->input, BATCHES_BODY_MAX);
    co_buf_init(&t->results, BATCHES_BODY_MAX);
    return t;
}

static void
batch_free(struct batch *t)
{
    co_buf_fini(&t->input);
    co_buf_fini(&t->results);
    free(t->items);
    free(t);
}

/* All values are texts. */
static bool
metadata_holds(const char *json)
{
    struct pull_slice key, text;
    struct pull p;

    pull_init(&p, json, strlen(json));
    if (!pull_enter(&p, PULL_OBJECT)) return false;
    while (pull_key(&p, &key)) {
        (void)pull_text(&p, &text);
    }
    return pull_end(&p);
}

static bool
take_create(const struct request *r, char file[64], char metadata[512],
            char why[160])
{
    bool endpoint = false, window = false;
    struct pull_slice key, text;
    struct pull p;

    pull_init(&p, r->body, r->body_len);
    if (!pull_enter(&p, PULL_OBJECT)) return batches_wrong(why, "no object");
    while (pull_key(&p, &key)) {
        if (pull_is(&key, "input_file_id")) {
            if (pull_text(&p, &text)) (void)pull_copy(&text, file, 64);
        } else if (pull_is(&key, "endpoint")) {
            endpoint =
                pull_text(&p, &text) && pull_is(&text, "/v1/chat/completions");
        } else if (pull_is(&key, "completion_window")) {
            window = pull_text(&p, &text) && pull_is(&text, "24h");
        } else if (pull_is(&key, "metadata")) {
            const char *at;

            (void)pull_peek(&p);
            at = (const char *)p.p;
            pull_skip(&p);
            (void)snprintf(metadata, 512, "%.*s", (int)((const char *)p.p - at),
                           at);
        } else {
            return batches_wrong(why, "unknown member");
        }
    }
    if (!pull_end(&p)) return batches_wrong(why, "no JSON");
    if (!endpoint) return batches_wrong(why, "endpoint: is none for batches");
    if (!window) return batches_wrong(why, "completion_window: is not 24h");
    if (!metadata_holds(metadata)) {
        return batches_wrong(why, "metadata: not of texts");
    }
    return true;
}

int
batches_create_openai(const struct asking *a)
{
    char file[64] = "", metadata[512] = "{}", why[160] = "";
    struct co_buf *input;
    struct batch *t;

    if (!a->r->is_json) {
        return batches_refuse(a, 400, "content-type: is no JSON");
    }
    if (!take_create(a->r, file, metadata, why)) {
        return batches_refuse(a, 400, why);
    }
    input = batches_find_file(a->b, file);
    if (!input) {
        return batches_refuse(a, 400, "input_file_id: there is no such file");
    }
    t = batch_new(true);
    (void)snprintf(t->metadata, sizeof t->metadata, "%s", metadata);
    t->input_file = (uint32_t)strtoul(file + 5, NULL, 10);
    co_buf_append(&t->input, input->data, input->len);
    t->failed = !batches_take_lines(t, t->why);
    return keep(a, t);
}

int
batches_create_anthropic(const struct asking *a)
{
    char why[160] = "";
    struct batch *t;

    if (!a->r->is_json) {
        return batches_refuse(a, 400, "content-type: is no JSON");
    }
    t = batch_new(false);
    co_buf_append(&t->input, a->r->body, a->r->body_len);
    if (!batches_take_requests(t, why)) {
        batch_free(t);
        return batches_refuse(a, 400, why);
    }
    return keep(a, t);
}
