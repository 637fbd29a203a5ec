/* fuzz_batch.c - any bytes as what vendors of batches say, and as payloads of
 * tasks about them. What is refused is refused with a reason; what is taken is
 * within its limits, and names of requests come back as they went. */
#include "llm/batch.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
check_info(void *self, const struct batch_info *info)
{
    uint32_t *left = self;

    co_assert(info->id[0] && memchr(info->id, 0, sizeof info->id));
    co_assert(info->n_files <= BATCH_FILES);
    co_assert(memchr(info->error, 0, sizeof info->error));
    for (uint32_t i = 0; i < info->n_files; i++) {
        co_assert(info->files[i][0] &&
                  memchr(info->files[i], 0, BATCH_ID_BYTES));
    }
    return (*left)-- > 0;
}

static void
check_line(const struct batch_line *line, const char *bytes, size_t len)
{
    char text[BATCH_CUSTOM_BYTES];
    struct batch_custom again;

    batch_custom_text(&line->custom, text);
    co_assert(batch_custom_read(text, strlen(text), &again));
    co_assert(again.row == line->custom.row && again.ask == line->custom.ask);
    co_assert(memchr(line->error, 0, sizeof line->error));
    if (line->end != BATCH_LINE_ANSWER) return;
    co_assert(line->body >= bytes &&
              line->body_len <= len - (size_t)(line->body - bytes));
}

static void
check_vendor(const struct batch_api *api, const char *bytes, size_t len)
{
    struct co_diag diag = {""};
    struct batch_info info;
    struct batch_line line;
    char last[BATCH_ID_BYTES];
    uint32_t left = 100;
    bool more;

    if (api->read_info(bytes, len, &info, &diag)) {
        co_assert(diag.text[0]);
    } else {
        (void)check_info(&left, &info);
    }
    diag.text[0] = '\0';
    if (api->read_line(bytes, len, &line, &diag)) {
        co_assert(diag.text[0]);
    } else {
        check_line(&line, bytes, len);
    }
    diag.text[0] = '\0';
    if (batch_read_list(api, bytes, len, check_info, &left, &more, last,
                        &diag)) {
        co_assert(diag.text[0]);
    }
    co_assert(memchr(last, 0, sizeof last));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct batch_task task;
    struct batch_result result;
    struct co_diag diag = {""};
    char id[BATCH_ID_BYTES];

    check_vendor(&batch_openai, (const char *)data, size);
    check_vendor(&batch_anthropic, (const char *)data, size);
    if (batch_read_id((const char *)data, size, id, &diag)) {
        co_assert(diag.text[0]);
    }
    if (batch_get_task(data, size, &task)) {
        co_assert(batch_is_task(data, size) && task.op < BATCH_OPS);
    }
    if (batch_get_result(data, size, &result)) {
        co_assert(result.op < BATCH_OPS && result.state < BATCH_STATES);
        co_assert(result.n_files <= BATCH_FILES);
        co_assert(result.id.len < BATCH_ID_BYTES);
    }
    return 0;
}
