/* batch_openai.c - OpenAI's Batch API: a JSONL file of requests is uploaded,
 * a batch is made of it, and what became of each request stands in two files:
 * answers in one, the rest in the other. Metadata names the batch. */
#include "common/json.h"
#include "llm/batch.h"
#include "llm/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of JSON has no line break in it, so this is in none. */
#define BOUNDARY "cohort-9d1c2f6ab7e84e0c"

static void
begin(struct co_buf *body)
{
    co_buf_puts(body, "--" BOUNDARY "\r\n"
                      "Content-Disposition: form-data; name=\"purpose\"\r\n"
                      "\r\n"
                      "batch\r\n"
                      "--" BOUNDARY "\r\n"
                      "Content-Disposition: form-data; name=\"file\"; "
                      "filename=\"requests.jsonl\"\r\n"
                      "Content-Type: application/jsonl\r\n"
                      "\r\n");
}

static void
add(const char *custom, const uint8_t *request, size_t len, bool first,
    struct co_buf *body)
{
    struct co_json json;

    (void)first;
    co_json_init(&json, body);
    co_json_object(&json);
    co_json_put_text(&json, "custom_id", custom);
    co_json_put_text(&json, "method", "POST");
    co_json_put_text(&json, "url", "/v1/chat/completions");
    co_json_key(&json, "body");
    co_json_raw(&json, (const char *)request, len);
    co_json_end(&json);
    (void)co_json_finish(&json); /* body->err keeps it */
    co_buf_putc(body, '\n');
}

static void
end(struct co_buf *body)
{
    co_buf_puts(body, "\r\n--" BOUNDARY "--\r\n");
}

static void
create(const char *file, uint64_t job, uint64_t batch, struct co_buf *body)
{
    char number[24];
    struct co_json json;

    co_json_init(&json, body);
    co_json_object(&json);
    co_json_put_text(&json, "input_file_id", file);
    co_json_put_text(&json, "endpoint", "/v1/chat/completions");
    co_json_put_text(&json, "completion_window", "24h");
    co_json_key(&json, "metadata"); /* texts only */
    co_json_object(&json);
    co_json_key(&json, "cohort_job");
    co_json_hex64(&json, job);
    (void)snprintf(number, sizeof number, "%" PRIu64, batch);
    co_json_put_text(&json, "cohort_batch", number);
    co_json_end(&json);
    co_json_end(&json);
    (void)co_json_finish(&json);
}

/* -- a batch -------------------------------------------------------------- */

static void
read_counts(struct pull *p, struct batch_info *info)
{
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "total")) {
            batch_take_u64(p, &info->total);
        } else if (pull_is(&key, "completed")) {
            batch_take_u64(p, &info->done);
        } else if (pull_is(&key, "failed")) {
            batch_take_u64(p, &info->failed);
        } else {
            pull_skip(p);
        }
    }
}

static void
read_metadata(struct pull *p, struct batch_info *info)
{
    char job[32] = "", batch[32] = "";
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "cohort_job")) {
            batch_take_text(p, job, sizeof job);
        } else if (pull_is(&key, "cohort_batch")) {
            batch_take_text(p, batch, sizeof batch);
        } else {
            pull_skip(p);
        }
    }
    info->has_name = strlen(job) == 16 && batch[0];
    info->job = strtoull(job, NULL, 16);
    info->batch = strtoull(batch, NULL, 10);
}

/* Why a batch failed as a whole. Only so many tokens may be queued at a time:
 * when others have ended there is room again. */
static enum fault
fault_of_code(const char *code)
{
    static const struct {
        const char *code;
        enum fault fault;
    } known[] = {
        {"token_limit_exceeded", FAULT_RATE_LIMITED},
        {"billing_hard_limit_reached", FAULT_NO_MONEY},
        {"insufficient_quota", FAULT_NO_MONEY},
    };

    for (size_t i = 0; i < co_countof(known); i++) {
        if (strcmp(known[i].code, code) == 0) return known[i].fault;
    }
    return FAULT_BAD_REQUEST;
}

/* The first says enough: {"data": [{"code": C, "message": M, ...}, ...]}. */
static void
read_error_list(struct pull *p, struct batch_info *info)
{
    char code[64] = "";
    struct pull_slice key;

    if (!pull_enter(p, PULL_ARRAY)) return;
    while (pull_item(p)) {
        if (!pull_enter(p, PULL_OBJECT)) return;
        while (pull_key(p, &key)) {
            if (pull_is(&key, "message") && !info->error[0]) {
                batch_take_text(p, info->error, sizeof info->error);
            } else if (pull_is(&key, "code") && !code[0]) {
                batch_take_text(p, code, sizeof code);
            } else {
                pull_skip(p);
            }
        }
    }
    info->why = fault_of_code(code);
}

static void
read_errors(struct pull *p, struct batch_info *info)
{
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "data") && !pull_null(p)) {
            read_error_list(p, info);
        } else {
            pull_skip(p);
        }
    }
}

static void
add_file(struct batch_info *info, const char *file)
{
    if (!file[0]) return;
    (void)snprintf(info->files[info->n_files++], BATCH_ID_BYTES, "%s", file);
}

static bool
set_state(struct batch_info *info, const char *status)
{
    static const struct {
        const char *status;
        enum batch_state state;
    } known[] = {
        {"validating", BATCH_RUNNING}, {"in_progress", BATCH_RUNNING},
        {"finalizing", BATCH_RUNNING}, {"cancelling", BATCH_RUNNING},
        {"completed", BATCH_ENDED},    {"expired", BATCH_ENDED},
        {"cancelled", BATCH_ENDED},    {"failed", BATCH_REFUSED},
    };

    for (size_t i = 0; i < co_countof(known); i++) {
        if (strcmp(known[i].status, status) != 0) continue;
        info->state = known[i].state;
        return true;
    }
    return false;
}

static enum fault
read_info(const char *body, size_t len, struct batch_info *info,
          struct co_diag *diag)
{
    char status[32] = "", output[BATCH_ID_BYTES] = "",
         errors[BATCH_ID_BYTES] = "";
    struct pull_slice key;
    struct pull p;

    *info =
        (struct batch_info){.state = BATCH_RUNNING, .why = FAULT_BAD_REQUEST};
    pull_init(&p, body, len);
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "id")) {
                batch_take_text(&p, info->id, sizeof info->id);
            } else if (pull_is(&key, "status")) {
                batch_take_text(&p, status, sizeof status);
            } else if (pull_is(&key, "input_file_id")) {
                batch_take_text(&p, info->input, sizeof info->input);
            } else if (pull_is(&key, "output_file_id")) {
                batch_take_text(&p, output, sizeof output);
            } else if (pull_is(&key, "error_file_id")) {
                batch_take_text(&p, errors, sizeof errors);
            } else if (pull_is(&key, "request_counts")) {
                read_counts(&p, info);
            } else if (pull_is(&key, "metadata")) {
                read_metadata(&p, info);
            } else if (pull_is(&key, "errors")) {
                read_errors(&p, info);
            } else if (pull_is(&key, "created_at")) {
                batch_take_u64(&p, &info->created);
            } else {
                pull_skip(&p);
            }
        }
    }
    if (!pull_end(&p)) {
        (void)co_fail(diag, CO_PROTOCOL, "%s", p.wrong ? p.wrong : "no JSON");
        return FAULT_BAD_JSON;
    }
    add_file(info, output);
    add_file(info, errors);
    if (info->id[0] && set_state(info, status)) return FAULT_NONE;
    (void)co_fail(diag, CO_PROTOCOL, "it is no batch: id or status is missing");
    return FAULT_BAD_SHAPE;
}

/* -- lines ---------------------------------------------------------------- */

struct response {
    uint64_t status; /* 0: there is none */
    const char *body;
    size_t len;
};

static void
read_response(struct pull *p, struct response *r)
{
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "status_code")) {
            batch_take_u64(p, &r->status);
        } else if (pull_is(&key, "body")) {
            (void)pull_peek(p);
            r->body = (const char *)p->p;
            pull_skip(p);
            r->len = (size_t)((const char *)p->p - r->body);
        } else {
            pull_skip(p);
        }
    }
}

/* {"code": C, "message": M}; false: it is null. */
static bool
read_error(struct pull *p, char *code, size_t size, struct batch_line *line)
{
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return false;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "code")) {
            batch_take_text(p, code, size);
        } else if (pull_is(&key, "message")) {
            batch_take_text(p, line->error, sizeof line->error);
        } else {
            pull_skip(p);
        }
    }
    return true;
}

/* The message of {"error": {"message": M}}, of a request that was refused. */
static void
read_body_error(const struct response *r, struct batch_line *line)
{
    char code[64];
    struct pull_slice key;
    struct pull p;

    pull_init(&p, r->body, r->len);
    if (pull_peek(&p) != PULL_OBJECT || !pull_enter(&p, PULL_OBJECT)) return;
    while (pull_key(&p, &key)) {
        if (pull_is(&key, "error")) {
            (void)read_error(&p, code, sizeof code, line);
        } else {
            pull_skip(&p);
        }
    }
}

static void
judge(struct batch_line *line, const struct response *r, bool failed,
      const char *code)
{
    if (failed || !r->status || !r->body) {
        const bool unrun = strcmp(code, "batch_expired") == 0 ||
                           strcmp(code, "batch_cancelled") == 0;

        line->end = unrun ? BATCH_LINE_UNRUN : BATCH_LINE_ERROR;
        line->fault = FAULT_SERVER;
        return;
    }
    line->fault = fault_of_status((int)co_min_u64(r->status, 999));
    line->end = line->fault ? BATCH_LINE_ERROR : BATCH_LINE_ANSWER;
    if (line->fault) read_body_error(r, line);
    line->body = r->body;
    line->body_len = r->len;
}

static enum fault
read_line(const char *text, size_t len, struct batch_line *line,
          struct co_diag *diag)
{
    char custom[BATCH_CUSTOM_BYTES + 8] = "", code[64] = "";
    struct response response = {.status = 0};
    struct pull_slice key;
    bool failed = false;
    struct pull p;

    *line = (struct batch_line){.fault = FAULT_NONE};
    pull_init(&p, text, len);
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "custom_id")) {
                batch_take_text(&p, custom, sizeof custom);
            } else if (pull_is(&key, "response")) {
                read_response(&p, &response);
            } else if (pull_is(&key, "error")) {
                failed |= read_error(&p, code, sizeof code, line);
            } else {
                pull_skip(&p);
            }
        }
    }
    if (!pull_end(&p)) {
        (void)co_fail(diag, CO_PROTOCOL, "%s", p.wrong ? p.wrong : "no JSON");
        return FAULT_BAD_JSON;
    }
    judge(line, &response, failed, code);
    if (batch_custom_read(custom, strlen(custom), &line->custom)) {
        return FAULT_NONE;
    }
    (void)co_fail(diag, CO_PROTOCOL, "its custom_id is none of ours: %s",
                  custom);
    return FAULT_BAD_SHAPE;
}

const struct batch_api batch_openai = {
    .path = "/v1/batches",
    .upload_path = "/v1/files",
    .upload_type = "Content-Type: multipart/form-data; boundary=" BOUNDARY,
    .file_path = "/v1/files/%s/content",
    .clean_path = "/v1/files/%s",
    .begin = begin,
    .add = add,
    .end = end,
    .create = create,
    .read_info = read_info,
    .read_line = read_line,
};
