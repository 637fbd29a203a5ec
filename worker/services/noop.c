/* noop.c - does nothing, for measuring and testing everything around it.
 * The result is 64 bytes: the task id (little-endian, 8 bytes), then the first
 * 56 bytes of the payload, filled up with zeros. */
#include "worker/services/services.h"

#include <string.h>

enum { NOOP_RESULT_BYTES = 64, NOOP_ID_BYTES = 8 };

static enum service_step
noop_begin(struct service_env *env, struct service_run *run, int64_t now_us)
{
    uint8_t *to = co_buf_reserve(run->out, NOOP_RESULT_BYTES);
    size_t n = run->task.payload_bytes;

    (void)env;
    (void)now_us;
    if (!to) return service_fail(run, CO_NOMEM, "no room for the result");
    if (n > NOOP_RESULT_BYTES - NOOP_ID_BYTES) {
        n = NOOP_RESULT_BYTES - NOOP_ID_BYTES;
    }
    for (unsigned i = 0; i < NOOP_ID_BYTES; i++) {
        to[i] = (uint8_t)(run->task.task >> (8 * i));
    }
    memset(to + NOOP_ID_BYTES, 0, NOOP_RESULT_BYTES - NOOP_ID_BYTES);
    if (n > 0) memcpy(to + NOOP_ID_BYTES, run->task.payload, n);
    co_buf_commit(run->out, NOOP_RESULT_BYTES);
    return SERVICE_DONE;
}

const struct service service_noop = {
    .name = "noop",
    .hint_ns = 100,
    .begin = noop_begin,
};
