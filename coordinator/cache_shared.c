/* cache_shared.c - see cache_shared.h. */
#include "coordinator/cache_shared.h"

#include <stdlib.h>

enum {
    VERSION = 1, /* of what goes into a key; another one finds nothing old */
    BODY_MAX = 1024 * 1024,
    KNOWN = 16384, /* names that are remembered: 512 KiB */
};

/* A row's answer is looked for, perhaps in each turn while the money is short,
 * and then kept: all but the first time its name is here. */
struct known {
    uint64_t row;   /* plus 1; 0: none */
    uint64_t input; /* hash of stage and input */
    struct co_hash128 key;
};

struct cache_shared {
    const struct writer *writer;
    const struct sampler *sampler;
    struct writer_request request;
    struct co_buf body;
    struct known known[KNOWN];
};

enum co_err
cache_shared_new(const struct writer *writer, const struct sampler *sampler,
                 struct cache_shared **ret_shared)
{
    struct cache_shared *s = calloc(1, sizeof *s);

    if (!s) return CO_NOMEM;
    s->writer = writer;
    s->sampler = sampler;
    writer_request_init(&s->request);
    co_buf_init(&s->body, BODY_MAX);
    *ret_shared = s;
    return CO_OK;
}

void
cache_shared_free(struct cache_shared *s)
{
    if (!s) return;
    writer_request_fini(&s->request);
    co_buf_fini(&s->body);
    free(s);
}

/* In the form that a recording has, which is the same for all APIs. */
static bool
make_key(struct cache_shared *s, const struct ask_task *task,
         struct co_hash128 *ret_key)
{
    struct co_hash128 asked;
    uint64_t parts[3];

    co_buf_clear(&s->body);
    if (writer_request_make(&s->request, s->writer, s->sampler, task)) {
        return false;
    }
    provider_replay.write(&s->request.ask, &s->body);
    if (s->body.err) return false;
    asked = co_hash128(s->body.data, s->body.len, VERSION);
    parts[0] = asked.low;
    parts[1] = asked.high;
    parts[2] = task->stage;
    *ret_key = co_hash128(parts, sizeof parts, VERSION);
    return true;
}

bool
cache_shared_key(struct cache_shared *s, uint64_t row, enum ask_stage stage,
                 const uint8_t *input, uint32_t len, struct co_hash128 *ret_key)
{
    const struct ask_task task = {.row = row,
                                  .stage = stage,
                                  .input = len ? input : NULL,
                                  .input_len = len};
    const uint64_t hash = co_hash64(task.input, len, stage);
    struct known *known = &s->known[co_mix64(row * ASK_STAGES + stage) % KNOWN];

    if (known->row != row + 1 || known->input != hash) {
        known->row = 0;
        if (!make_key(s, &task, &known->key)) return false;
        known->row = row + 1;
        known->input = hash;
    }
    *ret_key = known->key;
    return true;
}
