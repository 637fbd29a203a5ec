/* fuzz_shape.c - any bytes as what a model answered. The first byte is stage
 * and age. What is taken has a canonical form that is taken as itself, is JSON
 * of one line, and fits; what is refused is refused with a reason. */
#include "common/utf8.h"
#include "llm/pull.h"
#include "llm/shape.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_form(const struct shape *shape, uint32_t age, const struct co_buf *out)
{
    struct co_diag diag = {""};
    struct co_buf again, said;
    struct pull p;

    co_assert(out->len <= ASK_ANSWER_MAX);
    for (size_t i = 0; i < out->len; i++) {
        co_assert(out->data[i] >= 0x20);
    }
    pull_init(&p, out->data, out->len);
    pull_skip(&p);
    co_assert(pull_end(&p));
    co_buf_init(&again, ASK_ANSWER_MAX);
    co_assert(shape_check(shape, age, (const char *)out->data, out->len, &again,
                          &diag) == CO_OK);
    co_assert(again.len == out->len &&
              memcmp(again.data, out->data, out->len) == 0);
    co_buf_fini(&again);
    co_buf_init(&said, out->len); /* it says less than the JSON */
    shape_say(shape, (const char *)out->data, out->len, &said);
    co_assert(!said.err);
    co_buf_fini(&said);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t first = size ? data[0] : 0;
    const struct shape *shape = shape_of(first % ASK_STAGES);
    const uint32_t age = first / ASK_STAGES % 100;
    struct co_diag diag = {""};
    struct co_buf out;
    enum co_err err;
    /* A copy of its own, whose ends a sanitizer watches. */
    char *text = malloc(size ? size : 1);

    if (!text) abort();
    if (size > 0) memcpy(text, data + 1, --size);
    co_buf_init(&out, 1 << 20);
    err = shape_check(shape, age, text, size, &out, &diag);
    if (err) {
        co_assert(diag.text[0] && strlen(diag.text) < ASK_ERROR_MAX);
        for (size_t i = 0, n; diag.text[i]; i += n) {
            n = co_utf8_bytes((const uint8_t *)diag.text + i,
                              strlen(diag.text) - i);
            co_assert(n > 0); /* it goes into a request */
        }
    } else {
        check_form(shape, age, &out);
    }
    co_buf_fini(&out);
    free(text);
    return 0;
}
