/* batch_anthropic.c - Anthropic's Message Batches: one request makes a batch
 * of all its requests; when it ended, one file has a line for each. A batch
 * says nothing of whose it is: the requests' custom_ids do. */
#include "common/json.h"
#include "llm/batch.h"
#include "llm/pull.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void
begin(struct co_buf *body)
{
    co_buf_puts(body, "{\"requests\":[");
}

static void
add(const char *custom, const uint8_t *request, size_t len, bool first,
    struct co_buf *body)
{
    struct co_json json;

    if (!first) co_buf_putc(body, ',');
    co_json_init(&json, body);
    co_json_object(&json);
    co_json_put_text(&json, "custom_id", custom);
    co_json_key(&json, "params");
    co_json_raw(&json, (const char *)request, len);
    co_json_end(&json);
    (void)co_json_finish(&json); /* body->err keeps it */
}

static void
end(struct co_buf *body)
{
    co_buf_puts(body, "]}");
}

/* -- a batch -------------------------------------------------------------- */

/* "2024-08-20T18:37:24.100435Z" and the like; 0: it is none. */
static uint64_t
read_time(const char *text)
{
    struct tm tm = {.tm_isdst = 0};
    time_t when;

    if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)) return 0;
    when = timegm(&tm);
    return when > 0 ? (uint64_t)when : 0;
}

static void
read_counts(struct pull *p, struct batch_info *info)
{
    enum { SUCCEEDED, ERRORED, CANCELED, EXPIRED, PROCESSING, COUNTS };
    static const char *const names[COUNTS] = {
        "succeeded", "errored", "canceled", "expired", "processing"};
    uint64_t n[COUNTS] = {0};
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        size_t i = 0;

        while (i < COUNTS && !pull_is(&key, names[i])) {
            i++;
        }
        if (i < COUNTS) {
            batch_take_u64(p, &n[i]);
        } else {
            pull_skip(p);
        }
    }
    info->done = n[SUCCEEDED];
    info->failed = n[ERRORED] + n[CANCELED] + n[EXPIRED];
    info->total = info->done + info->failed + n[PROCESSING];
}

static enum fault
read_info(const char *body, size_t len, struct batch_info *info,
          struct co_diag *diag)
{
    char status[32] = "", created[64] = "";
    struct pull_slice key;
    struct pull p;

    *info = (struct batch_info){.state = BATCH_RUNNING};
    pull_init(&p, body, len);
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "id")) {
                batch_take_text(&p, info->id, sizeof info->id);
            } else if (pull_is(&key, "processing_status")) {
                batch_take_text(&p, status, sizeof status);
            } else if (pull_is(&key, "created_at")) {
                batch_take_text(&p, created, sizeof created);
            } else if (pull_is(&key, "request_counts")) {
                read_counts(&p, info);
            } else {
                pull_skip(&p);
            }
        }
    }
    if (!pull_end(&p)) {
        (void)co_fail(diag, CO_PROTOCOL, "%s", p.wrong ? p.wrong : "no JSON");
        return FAULT_BAD_JSON;
    }
    if (!info->id[0] || !status[0]) {
        (void)co_fail(diag, CO_PROTOCOL,
                      "it is no batch: id or processing_status is missing");
        return FAULT_BAD_SHAPE;
    }
    info->created = read_time(created);
    if (strcmp(status, "ended") == 0) {
        info->state = BATCH_ENDED;
        info->n_files = 1;
        (void)snprintf(info->files[0], BATCH_ID_BYTES, "%s", info->id);
    }
    return FAULT_NONE;
}

/* -- lines ---------------------------------------------------------------- */

struct outcome {
    char type[32];  /* "succeeded" */
    char error[64]; /* "invalid_request_error" */
};

/* One member of {"type": T, "message": M}. */
static void
read_reason(struct pull *p, const struct pull_slice *key, struct outcome *o,
            struct batch_line *line)
{
    if (pull_is(key, "type")) {
        batch_take_text(p, o->error, sizeof o->error);
    } else if (pull_is(key, "message")) {
        batch_take_text(p, line->error, sizeof line->error);
    } else {
        pull_skip(p);
    }
}

/* {"type": "error", "error": {"type": T, "message": M}}, or what is inside of
 * it alone: then the inner one counts, which comes last. */
static void
read_error(struct pull *p, struct outcome *o, struct batch_line *line)
{
    char inner[sizeof o->error] = "";
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        struct pull_slice within;

        if (!pull_is(&key, "error") || pull_peek(p) != PULL_OBJECT) {
            read_reason(p, &key, o, line);
            continue;
        }
        (void)pull_enter(p, PULL_OBJECT);
        while (pull_key(p, &within)) {
            read_reason(p, &within, o, line);
        }
        (void)snprintf(inner, sizeof inner, "%s", o->error);
    }
    if (inner[0]) (void)snprintf(o->error, sizeof o->error, "%s", inner);
}

static void
read_result(struct pull *p, struct outcome *o, struct batch_line *line)
{
    struct pull_slice key;

    if (!pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "type")) {
            batch_take_text(p, o->type, sizeof o->type);
        } else if (pull_is(&key, "message")) {
            (void)pull_peek(p);
            line->body = (const char *)p->p;
            pull_skip(p);
            line->body_len = (size_t)((const char *)p->p - line->body);
        } else if (pull_is(&key, "error")) {
            read_error(p, o, line);
        } else {
            pull_skip(p);
        }
    }
}

static enum fault
fault_of_type(const char *type)
{
    static const struct {
        const char *type;
        enum fault fault;
    } known[] = {
        {"invalid_request_error", FAULT_BAD_REQUEST},
        {"request_too_large", FAULT_BAD_REQUEST},
        {"not_found_error", FAULT_BAD_REQUEST},
        {"authentication_error", FAULT_UNAUTHORIZED},
        {"permission_error", FAULT_UNAUTHORIZED},
        {"billing_error", FAULT_NO_MONEY},
        {"rate_limit_error", FAULT_RATE_LIMITED},
        {"overloaded_error", FAULT_OVERLOADED},
    };

    for (size_t i = 0; i < co_countof(known); i++) {
        if (strcmp(known[i].type, type) == 0) return known[i].fault;
    }
    return FAULT_SERVER;
}

static bool
judge(struct batch_line *line, const struct outcome *o)
{
    if (strcmp(o->type, "succeeded") == 0) {
        line->end = BATCH_LINE_ANSWER;
        return line->body != NULL;
    }
    if (strcmp(o->type, "errored") == 0) {
        line->end = BATCH_LINE_ERROR;
        line->fault = fault_of_type(o->error);
        return true;
    }
    line->end = BATCH_LINE_UNRUN;
    line->fault = FAULT_SERVER;
    return strcmp(o->type, "expired") == 0 || strcmp(o->type, "canceled") == 0;
}

static enum fault
read_line(const char *text, size_t len, struct batch_line *line,
          struct co_diag *diag)
{
    char custom[BATCH_CUSTOM_BYTES + 8] = "";
    struct outcome outcome = {.type = ""};
    struct pull_slice key;
    struct pull p;

    *line = (struct batch_line){.fault = FAULT_NONE};
    pull_init(&p, text, len);
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "custom_id")) {
                batch_take_text(&p, custom, sizeof custom);
            } else if (pull_is(&key, "result")) {
                read_result(&p, &outcome, line);
            } else {
                pull_skip(&p);
            }
        }
    }
    if (!pull_end(&p)) {
        (void)co_fail(diag, CO_PROTOCOL, "%s", p.wrong ? p.wrong : "no JSON");
        return FAULT_BAD_JSON;
    }
    if (!batch_custom_read(custom, strlen(custom), &line->custom)) {
        (void)co_fail(diag, CO_PROTOCOL, "its custom_id is none of ours: %s",
                      custom);
        return FAULT_BAD_SHAPE;
    }
    if (judge(line, &outcome)) return FAULT_NONE;
    (void)co_fail(diag, CO_PROTOCOL, "no result of a batch: type \"%s\"",
                  outcome.type);
    return FAULT_BAD_SHAPE;
}

const struct batch_api batch_anthropic = {
    .path = "/v1/messages/batches",
    .file_path = "/v1/messages/batches/%s/results",
    .begin = begin,
    .add = add,
    .end = end,
    .read_info = read_info,
    .read_line = read_line,
};
