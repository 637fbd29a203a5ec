/* fuzz_range.c - the decoder of range results; the owner feeds it bytes
 * that any worker sent. */
#include "rows/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct range_result r;
    struct co_buf raw;

    if (range_decode(data, len, &r)) return 0;
    co_buf_init(&raw, 1 << 20); /* a larger claim is refused by the buffer */
    (void)!range_verify(&r, &raw);
    co_buf_fini(&raw);
    range_result_fini(&r);
    return 0;
}
