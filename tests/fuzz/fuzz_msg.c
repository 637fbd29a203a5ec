/* fuzz_msg.c - any header a peer may send: the walker and the decoder. What
 * decodes must encode again to something that decodes to the same bytes. */
#include "proto/msg.h"
#include "proto/walk.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct msg_reader first, second;
    struct co_buf a, b;
    struct msg m;
    struct msg again;

    (void)walk_check(data, size);
    if (msg_decode(&first, data, size, &m)) return 0;
    if (m.type == MSG_tasks) (void)msg_check_tasks(&m.tasks, size);
    if (m.type == MSG_results) (void)msg_check_results(&m.results, size);
    co_buf_init(&a, (size_t)4 * HEAD_BYTES_MAX);
    co_buf_init(&b, (size_t)4 * HEAD_BYTES_MAX);
    msg_encode(&m, &a);
    co_assert(!a.err);
    if (a.len <= HEAD_BYTES_MAX) {
        co_assert(msg_decode(&second, a.data, a.len, &again) == CO_OK);
        msg_encode(&again, &b);
        co_assert(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    }
    co_buf_fini(&a);
    co_buf_fini(&b);
    return 0;
}
