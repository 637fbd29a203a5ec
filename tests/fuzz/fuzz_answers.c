/* fuzz_answers.c - the answers of a range task, as any owner may send them; the
 * first byte is how many rows it has. What is taken can become a row. */
#include "rows/row_answers.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 16 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct row_answers rows[ROWS_MAX];
    const uint32_t count = size ? data[0] % ROWS_MAX + 1U : 1;
    struct co_buf scratch;
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy) abort();
    if (size > 0) memcpy(copy, data + 1, --size);
    co_buf_init(&scratch, ASK_ANSWER_MAX + 1);
    if (!row_answers_read(copy, size, rows, count)) {
        for (uint32_t i = 0; i < count; i++) {
            if (!rows[i].json[0]) continue;
            co_assert(rows[i].provenance_len <= ROW_PROVENANCE_MAX);
            for (uint32_t k = 0; k < rows[i].provenance_len; k++) {
                co_assert((uint8_t)rows[i].provenance[k] >= 0x20);
            }
            (void)!row_answers_check(&rows[i], i * 9, &scratch);
        }
    }
    co_buf_fini(&scratch);
    free(copy);
    return 0;
}
